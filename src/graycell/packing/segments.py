"""Segments of a run: breakpoints in the order of time, and what happens at each of them, as arrays."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.model import CultureModel
from graycell.packing.inputs import first_value, input_of
from graycell.packing.pytrees import filled, is_tracer, vector
from graycell.reactor import BolusRule, Flows, Interventions
from graycell.runs.records import (
    Bolus,
    CellFeed,
    CultureRun,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Outflow,
    Replacement,
    RuleBolus,
    Sample,
    Setpoint,
    ShareBolus,
)

_FEWEST_SEGMENTS = 8
"""A run of a week with a sample a day has as many; smaller sizes would only be more of them to compile."""
_RULE = 3
"""Place of a bolus by a rule among what happens at the end of a segment."""


def standard_size(count: int, fewest: int = 1) -> int:
    """Return the size to which a dimension of a run is padded, so that many runs share one compiled function.

    A segment of length 0 costs next to nothing, a function that is compiled again costs seconds.

    Args:
        count: how many there are.
        fewest: the smallest size.

    Returns:
        A power of 2 times the smallest, or the middle between two of them.

    >>> [standard_size(count, 8) for count in (1, 9, 17, 25, 40, 100)]
    [8, 12, 24, 32, 48, 128]
    """
    powers = math.ceil(math.log2(max(count / fewest, 1.0)))
    size, between = fewest * 2**powers, fewest * 2**powers * 3 // 4
    return between if between >= max(count, fewest) else size


def breakpoints(run: CultureRun, save_at: Sequence[float | Float[Array, ""]] = ()) -> list[tuple[Any, list]]:
    """Return the times at which segments end, with their events: time 0 first, in the order of time and file.

    Events of traced times come last, each by itself; their order is found at run time.

    Args:
        run: any run.
        save_at: [d] more times.

    Returns:
        Times [d] and events.
    """
    taken = {float(time) for series in run.measurements.values() for time in np.ravel(series.time)}
    fixed = [event for event in run.events if not is_tracer(event.time)]
    wanted = list(save_at) if not is_tracer(save_at) else []
    ends = [] if is_tracer(run.end) else [run.end]
    known = {0.0, *map(float, ends), *taken, *(float(time) for time in wanted if not is_tracer(time))}
    points: list[tuple[Any, list]] = []
    for time in sorted(known | {float(event.time) for event in fixed}):
        groups: list[list] = [[]]
        for event in (event for event in fixed if event.time == time):
            # in one segment samples act first, then boluses, then one rule, then replacements; another order needs
            # another segment
            rank, last = _rank(event), max(map(_rank, groups[-1]), default=0)
            if rank < last or rank == last == _RULE:
                groups.append([])
            groups[-1].append(event)
        points += [(time, group) for group in groups]
    points += [(event.time, [event]) for event in run.events if is_tracer(event.time)]
    points += [(time, []) for time in wanted if is_tracer(time)]
    return points + ([] if ends else [(run.end, [])])


def _rank(event) -> int:
    kinds = {Sample: 1, Bolus: 2, LevelBolus: _RULE, ShareBolus: _RULE, IvcdBolus: _RULE, Replacement: 4}
    return kinds.get(type(event), 0)


class _Feed(NamedTuple):
    """A feed of one medium from an event on: rate [1/d], its slope [1/d^2] since a time [d], and rate per cell."""

    rate: Any = 0.0
    slope: Any = 0.0
    since: Any = 0.0
    per_cells: Any = 0.0


def with_rules(packed: Sequence[tuple[Flows, Interventions]]) -> list[tuple[Flows, Interventions]]:
    """Return flows and interventions of several runs, each with all kinds of rules that one of them has.

    Args:
        packed: flows and interventions of each run, of one shape.

    Returns:
        The same, with rules that do nothing where a run lacks what another one has.
    """
    slope = any(flows.slope is not None for flows, _ in packed)
    per_cells = any(flows.per_cells is not None for flows, _ in packed)
    rules = [done.rule for _, done in packed if done.rule is not None]
    per_ivcd = any(rule.per_ivcd is not None for rule in rules)
    return [
        (
            flows._replace(
                slope=_no_feed(flows) if slope and flows.slope is None else flows.slope,
                per_cells=_no_feed(flows) if per_cells and flows.per_cells is None else flows.per_cells,
            ),
            done._replace(rule=_even_rule(done, per_ivcd) if rules else None),
        )
        for flows, done in packed
    ]


def _no_feed(flows: Flows) -> Array:
    return jnp.asarray(np.zeros(flows.feed.shape))


def _even_rule(done: Interventions, per_ivcd: bool) -> BolusRule:
    """Return the rule of interventions, or one that does nothing; with a number per IVCD where another run has one."""
    segments, rule = len(done.sample), done.rule
    none, whole = jnp.asarray(np.zeros(segments)), jnp.asarray(np.zeros(segments, np.int32))
    if rule is None:
        rule = BolusRule(jnp.asarray(np.full(segments, -1, np.int32)), whole, none, whole, none, none, none)
    return rule._replace(per_ivcd=none) if per_ivcd and rule.per_ivcd is None else rule


class Segments:
    """The segments of a run as arrays, of numpy where all numbers are known and of JAX where one is traced.

    Attributes:
        run: any run.
        breaks: see `breakpoints`.
        media: names of the media.
        columns: number of media after padding.
        model: for which the run is packed.
        count: number of segments after padding.
        traced_times: whether a time is traced.
        order: (segments,) number of the breakpoint at the end of every segment.
        start: (segments,) [d].
        end: (segments,) [d].
    """

    def __init__(self, run: CultureRun, breaks, medium_names, columns: int, segments: int | None, model: CultureModel):
        self.run, self.breaks, self.media, self.columns, self.model = run, breaks, medium_names, columns, model
        count = max(len(breaks), segments or 0)
        self.count = standard_size(count, _FEWEST_SEGMENTS)
        times = [time for time, _ in breaks] + [run.end] * (self.count - len(breaks))
        self.traced_times = any(is_tracer(time) for time in times)
        self.order: Any = np.arange(self.count)
        self.end = vector(times)
        self.start = vector([0.0, *times[:-1]])

    def sort(self) -> None:
        """Put the breakpoints in the order of time at run time; equal times keep their order."""
        # an event at the time of a measurement acts after it, as in a group, but each has a segment of its own
        end, last = self.end, jnp.asarray(self.run.end, jnp.float64)
        # not by jnp.clip, which halves the derivative of a time that is at the beginning or the end
        end = jnp.where(end > last, last, jnp.where(end < 0.0, 0.0, end))
        self.order = jnp.argsort(end, stable=True)
        self.end = end[self.order]
        self.start = jnp.concatenate([jnp.zeros(1), self.end[:-1]])

    def place(self, k: int) -> Any:
        """Return the number of the segment that ends at a breakpoint.

        Args:
            k: number of the breakpoint.

        Returns:
            A number from 0.
        """
        return k if not self.traced_times else jnp.argmax(self.order == k)

    def events(self):
        """Yield every event with the number of its breakpoint.

        Yields:
            Number and event.
        """
        for k, (_, events) in enumerate(self.breaks):
            for event in events:
                yield k, event

    def interventions(self) -> Interventions:
        """Return the interventions at the end of every segment.

        Returns:
            Samples, boluses, rules and replacements, with a leading axis of segments.
        """
        v0 = self.run.initial_volume
        sample: dict = {}
        bolus: dict = {}
        replacement: dict = {}
        for k, event in self.events():
            match event:
                case Sample(volume=volume):
                    sample[(k,)] = sample.get((k,), 0.0) + volume / v0
                case Bolus(medium=medium, volume=volume):
                    at = (k, self.media.index(medium))
                    bolus[at] = bolus.get(at, 0.0) + volume / v0
                case Replacement(medium=medium, fraction=fraction):
                    at = (k, self.media.index(medium))
                    replacement[at] = replacement.get(at, 0.0) + fraction
        shape = (self.count, self.columns)
        parts = filled((self.count,), sample), filled(shape, bolus), filled(shape, replacement)
        done = Interventions(*parts, self._rules())
        if self.traced_times:
            return jax.tree.map(lambda part: jnp.asarray(part)[self.order], done)
        return jax.tree.map(jnp.asarray, done)

    def _rules(self) -> BolusRule | None:
        """Return the rule at the end of every segment, in the order of the breakpoints; None for a run without any."""
        if not any(isinstance(event, RuleBolus) for event in self.run.events):
            return None
        numbers: dict[str, dict] = {name: {} for name in BolusRule._fields}
        places: dict[int, list[int]] = {}  # of one that is there twice
        for i, event in enumerate(event for event in self.run.events if isinstance(event, RuleBolus)):
            places.setdefault(id(event), []).append(i)
        for k, event in self.events():
            match event:
                case ShareBolus(share=share):
                    cells = {"share": share, "species": -1.0}
                case IvcdBolus(rate=rate):
                    cells = {"per_ivcd": rate, "species": -2.0}
                case LevelBolus(species=species, level=level, below=below, most=most):
                    cells = {
                        "species": self.model.species.index(species), "level": level,
                        "below": level if below is None else below,
                        "most": math.inf if most is None else most / self.run.initial_volume,
                    }  # fmt: skip
                case _:
                    continue
            cells |= {"number": places[id(event)].pop(0) + 1.0, "medium": self.media.index(event.medium)}
            for name, value in cells.items():
                numbers[name][(k,)] = value
        rule = BolusRule(**{name: filled((self.count,), entries) for name, entries in numbers.items()})
        whole = {name: np.asarray(getattr(rule, name), np.int32) for name in ("number", "medium", "species")}
        per_ivcd = rule.per_ivcd if any(isinstance(event, IvcdBolus) for event in self.run.events) else None
        return rule._replace(**{**whole, "number": whole["number"] - 1, "per_ivcd": per_ivcd})

    def flows(self) -> Flows:
        """Return the flows of every segment, feeds as they are at its beginning.

        Returns:
            Feeds, bleed and harvest per litre of initial volume, with a leading axis of segments.
        """
        v0, channels = self.run.initial_volume, {}
        of_medium: list[list[tuple[int, _Feed]]] = [[] for _ in range(self.columns)]
        for k, event in self.events():
            match event:
                case Feed(medium=medium, rate=rate):
                    of_medium[self.media.index(medium)].append((k, _Feed(rate / v0)))
                case FeedRamp(time=time, medium=medium, rate=rate, slope=slope):
                    of_medium[self.media.index(medium)].append((k, _Feed(rate / v0, slope / v0, time)))
                case CellFeed(medium=medium, rate=rate):
                    of_medium[self.media.index(medium)].append((k, _Feed(per_cells=rate)))
                case Outflow(rate=rate, retains_cells=retains):
                    channels.setdefault("harvest" if retains else "bleed", []).append((k, rate / v0))
        feed, slope, per_cells = self._feeds(of_medium, "rate"), None, None
        if any(isinstance(event, FeedRamp) for event in self.run.events):
            slope = self._feeds(of_medium, "slope")
            start = self.start if is_tracer(self.start) else np.asarray(self.start)
            feed = feed + slope * (start[:, None] - self._feeds(of_medium, "since"))
        if any(isinstance(event, CellFeed) for event in self.run.events):
            per_cells = self._feeds(of_medium, "per_cells")
        bleed, harvest = (self._since(channels.get(name, []), 0.0)[1] for name in ("bleed", "harvest"))
        return jax.tree.map(jnp.asarray, Flows(feed, bleed, harvest, slope, per_cells))

    def _feeds(self, of_medium: list[list[tuple[int, "_Feed"]]], name: str) -> Any:
        """Return one number of the feeds, (segments, media)."""
        feeds = [self._since([(k, getattr(feed, name)) for k, feed in steps], 0.0)[1] for steps in of_medium]
        return (jnp if any(map(is_tracer, feeds)) else np).stack(feeds, axis=1)

    def setpoints(self):
        """Return the constant part of every input.

        Returns:
            (segments, inputs), and (inputs,) before the events of time 0, in the unit of each input.
        """
        columns, first = [], []
        for name in self.model.input_names:
            steps = [
                (k, event.value) for k, event in self.events() if isinstance(event, Setpoint) and event.input == name
            ]
            begun = first_value(self.run, name, self.model)
            if input_of(self.run, name, self.model) is not None:
                begun, steps = 0.0, []  # the curve holds all of it
            elif begun is None:  # without set-points either, `curves_of` reports the input as missing
                begun = steps[0][1] if steps else 0.0
            before, values = self._since(steps, begun)
            columns.append(values)
            first.append(before)
        if not columns:
            return np.zeros((self.count, 0)), np.zeros(0)
        traced = any(map(is_tracer, columns))
        return (jnp if traced else np).stack(columns, axis=1), vector(first)

    def _since(self, steps: list[tuple[int, Any]], begun: Any) -> tuple[Any, Any]:
        """Return the value before time 0, and the value in every segment: the last one that was set before it."""
        if not self.traced_times and not any(is_tracer(value) for _, value in (*steps, (0, begun))):
            held = np.full(self.count, begun, float)
            for k, value in steps:
                held[k + 1 :] = value
            return begun, held
        places = [self.place(k) for k, _ in steps]
        values = jnp.stack([jnp.asarray(value, jnp.float64) for value in (begun, *(value for _, value in steps))])
        at = jnp.stack([jnp.asarray(-1), *map(jnp.asarray, places)])
        before = at[None, :] < jnp.arange(self.count)[:, None]
        latest = jnp.argmax(jnp.where(before, at[None, :] * len(at) + jnp.arange(len(at))[None, :], -len(at)), axis=1)
        return begun, values[latest]


def measurements_of(run: CultureRun, quantities: Sequence[str], segments: Segments):
    """Return the measurements at the ends of segments.

    Args:
        run: any run.
        quantities: names of the columns.
        segments: of the run.

    Returns:
        Values, standard errors and detection limits, (segments, quantities) each, see `PackedRun`.
    """
    shape = (segments.count, len(quantities))
    measured, error, below = np.full(shape, np.nan), np.full(shape, np.inf), np.zeros(shape)
    first = {}
    for k, (time, _) in enumerate(segments.breaks):
        if not is_tracer(time):
            first.setdefault(float(time), k)
    for name, series in run.measurements.items():
        if name in quantities:
            rows = [first[float(time)] for time in series.time]
            column = list(quantities).index(name)
            measured[rows, column] = series.value
            error[rows, column] = series.standard_error
            if series.below is not None:
                below[rows, column] = series.below
    if segments.traced_times:
        return tuple(jnp.asarray(part)[segments.order] for part in (measured, error, below))
    return measured, error, below
