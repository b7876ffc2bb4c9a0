"""volumes_of_rules: what rules gave in a measured run, as far as its samples say it.

A share of the volume is a volume, whatever was measured. A bolus to a level follows from the sample of its species at
that very time, the one by which it was decided in the laboratory. A bolus per IVCD follows from the counts since the
last one of its medium; between two counts cells grow or decline exponentially. What was fed per cell is not known.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graycell.errors import Finding, InputError
from graycell.runs.records import (
    VCD,
    Bolus,
    CellFeed,
    CultureRun,
    Event,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Outflow,
    Replacement,
    RuleBolus,
    Sample,
    ShareBolus,
)
from graycell.runs.solutes import MOLAR_MASS
from graycell.runs.value_checks import event_place
from graycell.units import CELL_DENSITY, UnitError, convert, convert_amount


class Resolved(NamedTuple):
    """A run whose rules are volumes.

    Attributes:
        run: without rules but ramps; what is not known is left out.
        unknown: the time [d] of each rule whose volume is not known, and what to do.
    """

    run: CultureRun
    unknown: tuple[tuple[float, Finding], ...] = ()


def volumes_of_rules(run: CultureRun) -> Resolved:
    """Return a run with its rules replaced by the volumes that its samples give.

    Args:
        run: any run.

    Returns:
        The run; itself where it has no rule. Later volumes are as if a rule of an unknown volume gave nothing.

    >>> from graycell.runs.records import Measurement
    >>> glucose = Measurement("GLC", "mmol/L", np.array([0.0, 1.0]), np.array([30.0, 10.0]), np.ones(2))
    >>> run = CultureRun("a", 1.0, {"GLC": 30.0}, {"GLC": glucose}, (LevelBolus(1.0, "F", "GLC", 20.0),),
    ...                  {"F": {"GLC": 220.0}})
    >>> volumes_of_rules(run).run.events
    (Bolus(time=1.0, medium='F', volume=0.05),)
    """
    if not any(isinstance(event, RuleBolus | CellFeed) for event in run.events):
        return Resolved(run)
    vessel, events, unknown = _Vessel(run), list[Event](), list[tuple[float, Finding]]()
    for event in run.events:
        vessel.wait_until(event.time)
        match event:
            case ShareBolus(time=time, medium=medium, share=share):
                event = Bolus(time, medium, share * vessel.volume)
            case LevelBolus():
                volume = vessel.volume_to_level(event)
                if volume is None:
                    needed = "a mass balance needs the volume, which follows from the sample of its rule"
                    remedy = "give that sample, or write the event as a bolus with its volume"
                    place, found = event_place(run, event), f"no value of {event.species} at that time"
                    unknown.append((event.time, Finding(place, found, needed, remedy)))
                    continue
                event = Bolus(event.time, event.medium, volume)
            case IvcdBolus(time=time, medium=medium, rate=rate):
                since, counted = vessel.counted_from.get(medium, 0.0), vessel.cells_since(medium)
                if counted is None:
                    needed = "a mass balance needs the volume, which follows from counts at both ends of its time"
                    remedy = "give them, or write the event as a bolus with its volume"
                    found = f"no count of viable cells at {time:.6g} d or at {since:.6g} d"
                    unknown.append((time, Finding(event_place(run, event), found, needed, remedy)))
                    continue
                event = Bolus(time, medium, rate * counted)
            case CellFeed(time=time, medium=medium, rate=rate):
                if rate:
                    needed = "a mass balance needs the rates that the pump gave"
                    place, remedy = event_place(run, event), "write them as feeds, in L/d"
                    unknown.append((time, Finding(place, "a feed per cell", needed, remedy)))
                event = Feed(time, medium, 0.0)
        vessel.act(event)
        events.append(event)
    return Resolved(replace(run, events=tuple(events)), tuple(unknown))


def with_known_volumes(run: CultureRun) -> CultureRun:
    """Return a run whose rules are volumes, for mass balances; it ends where a rule for after its samples begins.

    Args:
        run: any run.

    Returns:
        The run; itself where it has no rule.

    Raises:
        InputError: for every rule before the last sample whose volume is not known.
    """
    found = volumes_of_rules(run)
    faults = unknown_before_the_last_sample(run, found)
    if faults:
        raise InputError(faults)
    return found.run.ended_at(min(time for time, _ in found.unknown)) if found.unknown else found.run


def unknown_before_the_last_sample(run: CultureRun, found: Resolved | None = None) -> list[Finding]:
    """Return what is wrong with a run for mass balances.

    Args:
        run: any run.
        found: what `volumes_of_rules` returned of it, if it is there.

    Returns:
        A finding for every rule before the last sample whose volume is not known.
    """
    found = volumes_of_rules(run) if found is None else found
    return [finding for time, finding in found.unknown if time < run.last_sample]


class _Vessel:
    """The volume of a run, and the concentrations that were measured at the present time, as events change them."""

    def __init__(self, run: CultureRun):
        self.run, self.volume, self.time = run, run.initial_volume, 0.0
        self.feeds: dict[str, tuple[float, float]] = {}
        self.outflows: dict[bool, float] = {}
        self.samples = _samples(run)
        self.concentrations: dict[str, float] = dict(self.samples.get(0.0, {}))
        self.counts = _counts(run)
        self.cells = self.counts[0.0] * self.volume if 0.0 in self.counts else None
        """Viable cells [1e9 cells] at the last count, less what was taken since; None before the first."""
        self.counted_at, self.integral = 0.0, 0.0
        self.counted_from: dict[str, float] = {}
        """Time [d] of the last bolus per IVCD, by medium."""
        self.counted_before: dict[str, float | None] = {}
        """Integral of viable cells [1e9 cells d] until then; None if it is not known."""

    def wait_until(self, time: float) -> None:
        """Go on to a time [d], with all that flows and all cells that were counted."""
        for count in [*sorted(count for count in self.counts if self.time < count < time), time]:
            self._flow_until(count)
            if count > self.counted_at and count in self.counts:
                self._count(count)

    def _flow_until(self, time: float) -> None:
        passed = time - self.time
        if passed > 0.0:
            self.volume += sum(rate + 0.5 * slope * passed for rate, slope in self.feeds.values()) * passed
            self.volume -= sum(self.outflows.values()) * passed
            self.feeds = {name: (rate + slope * passed, slope) for name, (rate, slope) in self.feeds.items()}
            self.time, self.concentrations = time, dict(self.samples.get(float(time), {}))

    def _count(self, time: float) -> None:
        """Add the cells since the last count to their integral."""
        now = self.counts[time] * self.volume
        if self.cells is not None:
            self.integral += (time - self.counted_at) * _logarithmic_mean(self.cells, now)
        self.cells, self.counted_at = now, time

    def cells_since(self, medium: str) -> float | None:
        """Return the integral of viable cells [1e9 cells d] since the last bolus per IVCD of a medium, which is now.

        It is None where they were not counted at both times.
        """
        begun = self.counted_before.get(medium, 0.0 if 0.0 in self.counts else None)
        now = self.integral if self.cells is not None and self.counted_at == self.time else None
        self.counted_from[medium], self.counted_before[medium] = self.time, now
        return None if begun is None or now is None else now - begun

    def volume_to_level(self, rule: LevelBolus) -> float | None:
        """Return the volume [L] of a bolus to a level; None where its species was not measured now."""
        held = self.run.media.get(rule.medium, {}).get(rule.species, 0.0)
        present = self.concentrations.get(rule.species)
        if present is None or not held > rule.level:
            return None
        if present >= (rule.level if rule.below is None else rule.below):
            return 0.0
        volume = self.volume * (rule.level - present) / (held - rule.level)
        return volume if rule.most is None else min(volume, rule.most)

    def act(self, event: Event) -> None:
        """Change volume, concentrations and flows by an event that is no rule."""
        match event:
            case Sample(volume=taken):
                self.cells = None if self.cells is None else self.cells * (1.0 - taken / self.volume)
                self.volume -= taken
            case Bolus(medium=medium, volume=added):
                self._mix(medium, added / (self.volume + added))
                self.volume += added
            case Replacement(medium=medium, fraction=fraction):
                self._mix(medium, fraction)
            case Feed(medium=medium, rate=rate):
                self.feeds[medium] = rate, 0.0
            case FeedRamp(medium=medium, rate=rate, slope=slope):
                self.feeds[medium] = rate, slope
            case Outflow(rate=rate, retains_cells=retains):
                self.outflows[retains] = rate

    def _mix(self, medium: str, share: float) -> None:
        held = self.run.media.get(medium, {})
        self.concentrations = {name: (1.0 - share) * value + share * held.get(name, 0.0)
                               for name, value in self.concentrations.items()}  # fmt: skip


def _samples(run: CultureRun) -> dict[float, dict[str, float]]:
    """Return what was measured at each time [d] of the species with a level, in the units of the media."""
    found: dict[float, dict[str, float]] = defaultdict(dict)
    for name in _levelled(run.events):
        series = run.measurements.get(name)
        if series is None:
            continue
        values, unit = series.value, run.units.get(name, series.unit)
        try:
            if unit != series.unit:
                molar_mass = run.molar_masses.get(name, MOLAR_MASS.get(name))
                values = convert_amount(values, series.unit, unit, molar_mass)
        except UnitError:
            continue
        below = np.zeros(len(series.time), bool) if series.below is None else series.below
        for time, value, is_limit in zip(series.time.tolist(), np.asarray(values).tolist(), below, strict=True):
            if not is_limit:
                found[time][name] = value
    return found


def _counts(run: CultureRun) -> dict[float, float]:
    """Return the viable cells that were counted at each time [d], with those at time 0 [1e9 cells/L]."""
    if not any(isinstance(event, IvcdBolus) for event in run.events):
        return {}
    found = {0.0: float(run.initial[VCD])} if VCD in run.initial else {}
    series = run.measurements.get(VCD)
    if series is None:
        return found
    below = np.zeros(len(series.time), bool) if series.below is None else series.below
    values = np.asarray(convert(series.value, series.unit or CELL_DENSITY, CELL_DENSITY))
    return found | {float(time): float(value) for time, value, is_limit in zip(series.time, values, below, strict=True)
                    if not is_limit}  # fmt: skip


def _logarithmic_mean(first: float, last: float) -> float:
    """Return the mean of what changes exponentially from one number to another; that of a line to or from 0."""
    if first <= 0.0 or last <= 0.0 or abs(last - first) <= 1e-9 * first:
        return 0.5 * (first + last)
    return (last - first) / math.log(last / first)


def _levelled(events: Iterable[Event]) -> set[str]:
    return {event.species for event in events if isinstance(event, LevelBolus)}
