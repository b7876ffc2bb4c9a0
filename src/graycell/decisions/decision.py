"""Decision: a number of a plan that is to be chosen, with its bounds; decided: a plan with chosen numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from graycell.errors import Finding, nearest
from graycell.packing.pytrees import is_tracer
from graycell.runs.records import (
    TCD,
    TEMPERATURE,
    VCD,
    Bolus,
    CellFeed,
    CultureRun,
    End,
    Event,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Outflow,
    Sample,
    Setpoint,
    ShareBolus,
)

KINDS: dict[str, Callable[[Event], bool]] = {
    "bolus": lambda event: isinstance(event, Bolus),
    "bolus to level": lambda event: isinstance(event, LevelBolus),
    "bolus share": lambda event: isinstance(event, ShareBolus),
    "bolus per IVCD": lambda event: isinstance(event, IvcdBolus),
    "feed": lambda event: isinstance(event, Feed),
    "feed per cells": lambda event: isinstance(event, CellFeed),
    "feed ramp": lambda event: isinstance(event, FeedRamp),
    "bleed": lambda event: isinstance(event, Outflow) and not event.retains_cells,
    "harvest": lambda event: isinstance(event, Outflow) and event.retains_cells,
    "temperature": lambda event: isinstance(event, Setpoint) and event.input == TEMPERATURE,
    "setpoint": lambda event: isinstance(event, Setpoint) and event.input != TEMPERATURE,
    "sample": lambda event: isinstance(event, Sample),
}
"""Kinds of events, by their words in the table of events."""
FIELDS = {
    "time": ("time", tuple(KINDS)),
    "volume": ("volume", ("bolus", "sample")),
    "rate": ("rate", ("feed", "feed ramp", "bleed", "harvest")),
    "rate per cells": ("rate", ("feed per cells", "bolus per IVCD")),
    "slope": ("slope", ("feed ramp",)),
    "level": ("level", ("bolus to level",)),
    "below": ("below", ("bolus to level",)),
    "most": ("most", ("bolus to level",)),
    "fraction": ("share", ("bolus share",)),
    "temperature": ("value", ("temperature",)),
    "value": ("value", ("setpoint",)),
}
"""Numbers of events that can be decided: the field of the event, and the kinds that have it."""
OTHERS = ("start", "medium", "initial temperature", "initial volume", "end")
"""Numbers of a plan that belong to no event."""
CHANGES = (*FIELDS, *OTHERS)
_SAME_DAY = 1e-6
"""[d] An event is selected by its day within this."""
_MOST_NAMED = 12
"""Events of a plan that a finding lists."""
_EQUAL = 1e-9
"""[1] Numbers of several events are one within this."""
_ROUNDING = 1e-9
"""[steps] A bound is a multiple of the step within this."""
_CELLS = (VCD, TCD, "BIOM")
"""Names under which a run gives the cells at time 0; they are changed together."""


@dataclass(frozen=True)
class Decision:
    """A number of a plan that is to be chosen.

    Several events may be selected; they get one number, or, where it is relative, their own times one factor.

    Attributes:
        name: such as feed_day_3; formulas may use it.
        change: what is chosen, one of `CHANGES`: a number of events, such as volume or time; the concentration of a
            species at time 0 (start) or in a medium; the temperature or the volume at time 0; or the end, the day of
            the harvest.
        lower: least value, in internal units: L, d, L/d, degC, that of the species; [1] where it is relative.
        upper: largest value.
        step: values are multiples of it, as a pump or a person can set them; 0 for any value.
        event: kind of the events, one of `KINDS`.
        medium: of these events, or that whose composition is chosen; empty for all.
        species: whose concentration is chosen, or that of a level.
        input: of set-points; empty for all.
        day: time of the events [d]; None for all.
        relative: whether the values are factors of the plan's own numbers.
        after: [d] events before it are done, and not chosen; None for all.
    """

    name: str
    change: str
    lower: float
    upper: float
    step: float = 0.0
    event: str = ""
    medium: str = ""
    species: str = ""
    input: str = ""
    day: float | None = None
    relative: bool = False
    after: float | None = None

    def selects(self, event: Event) -> bool:
        """Return whether a number of an event is chosen.

        Args:
            event: of the plan.

        Returns:
            True for the kind, medium, species, input and day of the decision.
        """
        if self.change not in FIELDS or not KINDS[self.event](event):
            return False
        return (
            (not self.medium or getattr(event, "medium", "") == self.medium)
            and (not self.species or getattr(event, "species", "") == self.species)
            and (not self.input or getattr(event, "input", "") == self.input)
            and (self.day is None or abs(float(event.time) - self.day) <= _SAME_DAY)
            and (self.after is None or float(event.time) >= self.after - _SAME_DAY)
        )

    def numbers(self, plan: CultureRun) -> list[float]:
        """Return the numbers of a plan that are chosen.

        Args:
            plan: any plan.

        Returns:
            They, in internal units; none where nothing is selected.
        """
        if self.change in FIELDS:
            field = FIELDS[self.change][0]
            found = [getattr(event, field) for event in plan.events if self.selects(event)]
            return [float(value) for value in found if value is not None]
        given: Any = {
            "start": plan.initial.get(self.species),
            "medium": plan.media.get(self.medium, {}).get(self.species, 0.0 if self.medium in plan.media else None),
            "initial temperature": plan.initial_temperature,
            "initial volume": plan.initial_volume,
            "end": plan.end,
        }[self.change]
        return [] if given is None else [float(given)]

    def present(self, plan: CultureRun) -> float:
        """Return the value of the decision in a plan.

        Args:
            plan: that the decision is for.

        Returns:
            1 for a relative one, else the number that is chosen, which is equal in all events.
        """
        numbers = self.numbers(plan)
        return 1.0 if self.relative or not numbers else numbers[0]

    def rounded(self, value: float) -> float:
        """Return the nearest value that can be set.

        Args:
            value: any.

        Returns:
            A multiple of the step within the bounds.
        """
        value = min(max(value, self.lower), self.upper)
        if self._has_multiples:
            least, most = self._multiples
            value = self.step * min(max(round(value / self.step), least), most)
        return min(max(value, self.lower), self.upper)

    @property
    def _multiples(self) -> tuple[int, int]:
        """The least and the largest multiple of the step within the bounds."""
        return math.ceil(self.lower / self.step - _ROUNDING), math.floor(self.upper / self.step + _ROUNDING)

    @property
    def can_be_set(self) -> bool:
        """Whether there is a value within the bounds."""
        return self.lower < self.upper and (self.step == 0.0 or self._has_multiples)

    @property
    def _has_multiples(self) -> bool:
        """Whether there is a step with multiples within the bounds."""
        return self.step > 0.0 and self._multiples[0] <= self._multiples[1]

    def faults(self, plan: CultureRun) -> list[Finding]:
        """Return what keeps the decision from being taken.

        Args:
            plan: that it is for.

        Returns:
            Findings; none where it can be taken.
        """
        where = f"decision '{self.name}'"
        if self.change not in CHANGES:
            return [Finding(where, f"change '{self.change}'", "a number of a plan is chosen",
                            nearest(self.change, CHANGES))]  # fmt: skip
        found = []
        if not (math.isfinite(self.lower) and math.isfinite(self.upper) and self.lower < self.upper):
            found.append(Finding(where, f"bounds {self.lower:g} to {self.upper:g}", "the lower is below the upper, and "
                                 "both are finite", "correct them"))  # fmt: skip
        if not 0.0 <= self.step < math.inf:
            found.append(Finding(where, f"a step of {self.step:g}", "it is above 0, or 0 for any value", "correct it"))
        if self.change in FIELDS and self.event not in FIELDS[self.change][1]:
            kinds = FIELDS[self.change][1]
            needed = f"events with a {self.change} are: {', '.join(kinds)}"
            return [*found, Finding(where, f"event '{self.event}'", needed, nearest(self.event, kinds))]
        numbers = self.numbers(plan)
        if not numbers:
            return [*found, self._nothing(plan, where)]
        if not self.relative and max(numbers) - min(numbers) > _EQUAL * max(map(abs, numbers)):
            found.append(Finding(where, f"{len(numbers)} numbers from {min(numbers):g} to {max(numbers):g}",
                                 "events that are chosen together get one number", "write relative = true to choose a "
                                 "factor for all of them, or select one by its day"))  # fmt: skip
        last = self.upper * max(numbers) if self.relative else self.upper
        if self.change == "time" and last > plan.end:
            found.append(Finding(where, f"times up to {last:g} d", f"the plan ends at {plan.end:g} d",
                                 "lower the upper bound, or let the plan end later"))  # fmt: skip
        if self.step > 0.0 and self.lower < self.upper and not self._has_multiples:
            found.append(Finding(where, f"a step of {self.step:g} between {self.lower:g} and {self.upper:g}",
                                 "values are multiples of the step, and none lies between the bounds",
                                 "lower the step, or widen the bounds"))  # fmt: skip
        if self.lower < 0.0 and self.change not in ("slope", "temperature", "value", "initial temperature"):
            found.append(Finding(where, f"a lower bound of {self.lower:g}", f"a {self.change} is not negative",
                                 "raise it to 0"))  # fmt: skip
        return found

    def _nothing(self, plan: CultureRun, where: str) -> Finding:
        """Return the finding of a decision that selects nothing."""
        if self.change == "start":
            return Finding(where, f"start of '{self.species}'", f"plan '{plan.name}' gives it at time 0",
                           nearest(self.species, plan.initial))  # fmt: skip
        if self.change == "medium":
            return Finding(where, f"medium '{self.medium}'", f"it is one of plan '{plan.name}'",
                           nearest(self.medium, plan.media))  # fmt: skip
        of = (self.medium and f"of '{self.medium}'", self.species and f"for {self.species}",
              self.day is not None and f"on day {self.day:g}")  # fmt: skip
        words = [self.event, *filter(None, of)]
        there = dict.fromkeys(f"{kind} on day {float(event.time):g}" for event in plan.events
                              for kind, is_it in KINDS.items() if is_it(event) and kind != "sample")  # fmt: skip
        return Finding(where, f"no {' '.join(words)}", f"plan '{plan.name}' has such an event",
                       f"it has: {', '.join(list(there)[:_MOST_NAMED]) or 'none'}; add the event to the plan (a volume "
                       "of 0 will do), or correct the words")  # fmt: skip


def decided(plan: CultureRun, decisions: Sequence[Decision], values: Sequence[Any]) -> CultureRun:
    """Return a plan with chosen numbers.

    Args:
        plan: the current plan.
        decisions: what is chosen.
        values: of each, in internal units; JAX may trace them.

    Returns:
        The plan; its events are in the order of time where all times are known.

    >>> plan = CultureRun("next", 1.0, {"GLC": 30.0}, events=(Bolus(3.0, "feed", 0.1),), media={"feed": {"GLC": 400.0}})
    >>> decided(plan, [Decision("day 3", "volume", 0.0, 0.2, event="bolus")], [0.05]).events
    (Bolus(time=3.0, medium='feed', volume=0.05),)
    """
    chosen = [[decision.selects(event) for event in plan.events] for decision in decisions]  # by their former times
    events = list(plan.events)
    for decision, value, selected in zip(decisions, values, chosen, strict=True):
        if decision.change in FIELDS:
            events = [_with(event, decision, value) if here else event
                      for event, here in zip(events, selected, strict=True)]  # fmt: skip
    plan = replace(plan, events=tuple(events))
    for decision, value in zip(decisions, values, strict=True):
        if decision.change in OTHERS:
            number = value * decision.numbers(plan)[0] if decision.relative else value
            plan = _with_other(plan, decision, number)
    if any(is_tracer(event.time) for event in plan.events) or is_tracer(plan.end):
        return plan
    return plan.with_events()


def _with(event: Event, decision: Decision, value: Any) -> Event:
    """Return an event with a chosen number; what it does not have, as a bolus without a largest volume, stays so."""
    field = FIELDS[decision.change][0]
    own = getattr(event, field)
    if own is None:
        return event
    return replace(event, **{field: value * own if decision.relative else value})


def _with_other(plan: CultureRun, decision: Decision, number: Any) -> CultureRun:
    """Return a plan with a chosen number that belongs to no event."""
    match decision.change:
        case "start":
            return _begun(plan, decision.species, number)
        case "medium":
            composition = {**plan.media[decision.medium], decision.species: number}
            return replace(plan, media={**plan.media, decision.medium: composition})
        case "initial temperature":
            return replace(plan, initial_temperature=number)
        case "initial volume":
            return replace(plan, initial_volume=number)
    events = tuple(event for event in plan.events if not isinstance(event, End))
    if not is_tracer(number):  # what is later is not done; where times are traced it acts after the harvest
        events = tuple(event for event in events if is_tracer(event.time) or event.time <= number)
    return replace(plan, events=events, end=number)


def _begun(plan: CultureRun, species: str, value: Any) -> CultureRun:
    """Return a plan with another concentration at time 0; cells are changed under all their names."""
    others = [name for name in _CELLS if name in plan.initial and name != species] if species in _CELLS else []
    own = plan.initial[species]
    if own > 0.0:
        moved = {name: value / own * plan.initial[name] for name in others}
    else:  # nothing says how many of one kind of cells come with another
        moved, others = {}, []
    initial = {**plan.initial, **moved, species: value}
    # a sample at time 0 tells of the former start
    kept = {name: series for name, series in plan.measurements.items() if name not in {*others, species}}
    return replace(plan, initial=MappingProxyType(initial), measurements=MappingProxyType(kept))
