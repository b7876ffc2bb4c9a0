"""Runs -> padded arrays and masks: the border between names and arrays.

A run becomes a sequence of segments. At every event, every measurement and the end of the run one segment ends and
the next begins, so no step of a solver crosses a discontinuity and every measurement is met exactly. At the end of
a segment the state is read (if a sample and an event have the same time, the sample is taken first), then the
interventions act. The first segment has length zero and carries what happens at time 0. Segments of length zero pad a
run to the length of others, so that one compiled function serves all runs of one shape.

Numbers of a run may be traced: volumes, rates, compositions, initial concentrations, and the times of events. Their
order is then found while the program runs, and every event has a segment of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator

from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.reactor import Flows, Interventions
from graycell.runs.checks import check_runs
from graycell.runs.records import (
    TCD,
    TEMPERATURE,
    VCD,
    VIABILITY,
    Bolus,
    CultureRun,
    End,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    Signal,
)

_SEGMENTS_MULTIPLE = 8
"""Runs are padded to a multiple of this many segments, so that runs of similar length share a compiled function."""
_POINTS_MULTIPLE = 16
"""Curves are padded to a multiple of this many points, for the same reason."""


class Curves(eqx.Module):
    """Known functions of time: monotone cubic interpolation (PCHIP), constant outside of their points.

    Attributes:
        time: (curves, points) [d], rising.
        coefficients: (4, curves, points - 1) of (t - t_i)^3, its square, its first power and 1, from t_i on.
    """

    time: Float[Array, "curves points"]
    coefficients: Float[Array, "4 curves pieces"]

    def __call__(self, time: Float[Array, ""]) -> Float[Array, " curves"]:
        """Return the values at `time` [d]."""
        # diffrax.CubicInterpolation does the same with a search by halves, whose loop took half of a simulation's time
        inside = jnp.clip(time, self.time[:, 0], self.time[:, -1])
        index = jnp.clip(jnp.sum(inside[:, None] >= self.time, axis=1) - 1, 0, self.time.shape[1] - 2)
        row = jnp.arange(self.time.shape[0])
        after = inside - self.time[row, index]
        cubic, square, slope, value = (part[row, index] for part in self.coefficients)
        return value + after * (slope + after * (square + after * cubic))


class PackedRun(eqx.Module):
    """A run as arrays for one model; stack several with a leading axis by `stack`.

    Attributes:
        start, end: (segments,) [d].
        setpoints: (segments, inputs) the part of every input that is constant in a segment, in the unit of the input.
        first_setpoints: (inputs,) before the events of time 0.
        curves: the part of every input that changes within segments, then the measured values of every loop variable.
        flows, interventions: see `reactor`, with a leading axis of segments.
        media: (media, species) concentrations.
        supplied: (media, species) 1 for the species that a medium names.
        initial: (species,) concentrations at time 0.
        initial_variables: (variables,) NaN where the run gives none.
        measured, standard_error: (segments, quantities) values at the ends of segments, NaN and inf where none.
        below: (segments, quantities) 1 where the value is a detection limit.
        traced_times: whether times of events are traced; derivatives by them are then exact at segments of length 0.
    """

    start: Float[Array, " segments"]
    end: Float[Array, " segments"]
    setpoints: Float[Array, "segments inputs"]
    first_setpoints: Float[Array, " inputs"]
    curves: Curves
    flows: Flows
    interventions: Interventions
    media: Float[Array, "media species"]
    supplied: Float[Array, "media species"]
    initial: Float[Array, " species"]
    initial_variables: Float[Array, " variables"]
    measured: Float[Array, "segments quantities"]
    standard_error: Float[Array, "segments quantities"]
    below: Float[Array, "segments quantities"]
    traced_times: bool = eqx.field(static=True, default=False)

    @property
    def inputs_count(self) -> int:
        """How many inputs there are."""
        return self.setpoints.shape[-1]

    def inputs_at(self, time: Float[Array, ""], setpoints: Float[Array, " inputs"]) -> Float[Array, " inputs"]:
        """Return the inputs at a time.

        Args:
            time: [d].
            setpoints: (inputs,) of the segment.

        Returns:
            (inputs,)
        """
        return setpoints + self.curves(time)[: self.inputs_count]

    def loops_at(self, time: Float[Array, ""]) -> Float[Array, " loops"]:
        """Return the measured values of the loop variables, interpolated.

        Args:
            time: [d].

        Returns:
            (loops,)
        """
        return self.curves(time)[self.inputs_count :]


def pack(
    run: CultureRun,
    model: CultureModel,
    *,
    save_at: Sequence[float] = (),
    segments: int | None = None,
    media: int | None = None,
    points: int | None = None,
) -> PackedRun:
    """Return the arrays of a run for a model.

    Args:
        run: numbers may be traced.
        model: whose species, variables, inputs and quantities are meant.
        save_at: [d] times that end a segment too.
        segments: pad to at least so many; see `pack_all`.
        media: pad to at least so many.
        points: pad the curves to at least so many.

    Returns:
        The packed run.

    Raises:
        InputError: with every error that `check_runs` finds, and every input that the run must give.
    """
    traced = is_traced(run)
    if not traced:
        _require_usable(run, model)
    breaks = _breakpoints(run, save_at)
    medium_names = list(run.media)
    columns = max(len(medium_names), media or 1)
    numbers = _Numbers(run, breaks, medium_names, columns, segments, model)
    if numbers.traced_times:
        numbers.sort()
    composition = _filled(
        (columns, len(model.species)),
        {(i, j): run.media[name][one] for i, name in enumerate(medium_names) for j, one in enumerate(model.species)
         if one in run.media[name]},
    )  # fmt: skip
    supplied = np.zeros((columns, len(model.species)))
    for i, name in enumerate(medium_names):
        for j, one in enumerate(model.species):
            value = run.media[name].get(one, 0.0)
            supplied[i, j] = float(_is_tracer(value) or value > 0.0)
    setpoints, first = numbers.setpoints()
    flows = Flows(*(jnp.asarray(part) for part in numbers.flows()))
    measured, error, below = _measurements(run, model.quantities, numbers)
    return PackedRun(
        start=jnp.asarray(numbers.start),
        end=jnp.asarray(numbers.end),
        setpoints=jnp.asarray(setpoints),
        first_setpoints=jnp.asarray(first),
        curves=_curves(run, model, points),
        flows=flows,
        interventions=numbers.interventions(),
        media=jnp.asarray(composition),
        supplied=jnp.asarray(supplied),
        initial=_vector([_initial(run, name, spec.initial)
                         for name, spec in zip(model.species, model.species_specs, strict=True)]),
        initial_variables=_vector([run.initial.get(name, math.nan) for name in model.variable_names]),
        measured=jnp.asarray(measured),
        standard_error=jnp.asarray(error),
        below=jnp.asarray(below),
        traced_times=numbers.traced_times,
    )  # fmt: skip


def pack_all(runs: Sequence[CultureRun], model: CultureModel) -> PackedRun:
    """Return all runs as one `PackedRun` with a leading axis, padded to a common shape.

    Args:
        runs: at least one.
        model: see `pack`.

    Returns:
        The packed runs.
    """
    segments = max(len(_breakpoints(run)) for run in runs)
    media = max(max(len(run.media), 1) for run in runs)
    return stack([pack(run, model, segments=segments, media=media) for run in runs])


def stack(packed: Sequence[PackedRun]) -> PackedRun:
    """Return packed runs of one shape, apart from their curves, as one with a leading axis.

    Args:
        packed: at least one.

    Returns:
        The packed runs.
    """
    points = max(run.curves.time.shape[1] for run in packed)
    even = [eqx.tree_at(lambda run: run.curves, run, _padded(run.curves, points)) for run in packed]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *even)


def is_traced(run: CultureRun) -> bool:
    """Return whether any number of a run is traced by JAX.

    Args:
        run: any run.

    Returns:
        True inside of `jax.grad`, `jax.jit` and `jax.vmap` by a number of the run.
    """
    return any(_is_tracer(leaf) for leaf in jax.tree.leaves(run))


# ------------------------------------------------------------------------------------------------------- its segments


def _breakpoints(run: CultureRun, save_at: Sequence[float] = ()) -> list[tuple[Any, list]]:
    """Return (time, events) at which segments end: time 0 first, in the order of time and file.

    Events of traced times come last, each by itself: where they belong is found while the program runs.
    """
    taken = {float(time) for series in run.measurements.values() for time in np.ravel(series.time)}
    fixed = [event for event in run.events if not _is_tracer(event.time)]
    wanted = list(save_at) if not _is_tracer(save_at) else []
    ends = [] if _is_tracer(run.end) else [run.end]
    known = {0.0, *map(float, ends), *taken, *(float(time) for time in wanted if not _is_tracer(time))}
    points: list[tuple[Any, list]] = []
    for time in sorted(known | {float(event.time) for event in fixed}):
        groups: list[list] = [[]]
        for event in (event for event in fixed if event.time == time):
            # within an instant a sample acts first, then a bolus, then a replacement: another order, another instant
            if groups[-1] and _rank(event) < max(map(_rank, groups[-1])):
                groups.append([])
            groups[-1].append(event)
        points += [(time, group) for group in groups]
    points += [(event.time, [event]) for event in run.events if _is_tracer(event.time)]
    points += [(time, []) for time in wanted if _is_tracer(time)]
    return points + ([] if ends else [(run.end, [])])


def _rank(event) -> int:
    return {Sample: 1, Bolus: 2, Replacement: 3}.get(type(event), 0)


class _Numbers:
    """The breakpoints of a run as arrays, of numpy where all is known and of JAX where something is traced."""

    def __init__(self, run: CultureRun, breaks, medium_names, columns: int, segments: int | None, model: CultureModel):
        self.run, self.breaks, self.media, self.columns, self.model = run, breaks, medium_names, columns, model
        count = max(len(breaks), segments or 0)
        self.count = _SEGMENTS_MULTIPLE * math.ceil(count / _SEGMENTS_MULTIPLE)
        times = [time for time, _ in breaks] + [run.end] * (self.count - len(breaks))
        self.traced_times = any(_is_tracer(time) for time in times)
        self.order: Any = np.arange(self.count)
        self.end = _vector(times)
        self.start = _vector([0.0, *times[:-1]])

    def sort(self) -> None:
        """Put the breakpoints in the order of time, as the program runs; equal times keep their order."""
        # an event at the time of a measurement acts after it: as in a group, but each with a segment of its own
        end = jnp.minimum(self.end, jnp.asarray(self.run.end))
        self.order = jnp.argsort(end, stable=True)
        self.end = end[self.order]
        self.start = jnp.concatenate([jnp.zeros(1), self.end[:-1]])

    def place(self, k: int) -> Any:
        """Return the place of breakpoint k among all."""
        return k if not self.traced_times else jnp.argmax(self.order == k)

    def events(self):
        """Yield the number of the breakpoint and the event."""
        for k, (_, events) in enumerate(self.breaks):
            for event in events:
                yield k, event

    def interventions(self) -> Interventions:
        """Return what is done at the end of every segment."""
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
        shapes = ((self.count,), (self.count, self.columns), (self.count, self.columns))
        parts = (_filled(shape, part) for shape, part in zip(shapes, (sample, bolus, replacement), strict=True))
        return Interventions(*(jnp.asarray(part)[self.order] for part in parts))

    def flows(self):
        """Return feeds (segments, media), bleed and harvest (segments,) per litre of initial volume [1/d]."""
        v0, channels = self.run.initial_volume, {}
        for k, event in self.events():
            match event:
                case Feed(medium=medium, rate=rate):
                    channels.setdefault(self.media.index(medium), []).append((k, rate / v0))
                case Outflow(rate=rate, retains_cells=retains):
                    channels.setdefault("harvest" if retains else "bleed", []).append((k, rate / v0))
        feed = [self._since(channels.get(i, []), 0.0)[1] for i in range(self.columns)]
        stacked = np.stack(feed, axis=1) if not any(map(_is_tracer, feed)) else jnp.stack(feed, axis=1)
        return stacked, self._since(channels.get("bleed", []), 0.0)[1], self._since(channels.get("harvest", []), 0.0)[1]

    def setpoints(self):
        """Return the constant part of every input, (segments, inputs) and (inputs,) before time 0."""
        columns, first = [], []
        for name, given in zip(self.model.input_names, self.model.inputs, strict=True):
            steps = [
                (k, event.value) for k, event in self.events() if isinstance(event, Setpoint) and event.input == name
            ]
            begun = _begun(self.run, name, given.default)
            if input_of(self.run, name) is not None:
                begun, steps = 0.0, []  # all of it is in the curve
            elif begun is None:  # without set-points either, `_curves` reports the input as missing
                begun = steps[0][1] if steps else 0.0
            before, values = self._since(steps, begun)
            columns.append(values)
            first.append(before)
        if not columns:
            return np.zeros((self.count, 0)), np.zeros(0)
        traced = any(map(_is_tracer, columns))
        return (jnp if traced else np).stack(columns, axis=1), _vector(first)

    def _since(self, steps: list[tuple[int, Any]], begun: Any):
        """Return a value before time 0, and the one that holds in every segment, the last that was set before it."""
        if not self.traced_times and not any(_is_tracer(value) for _, value in (*steps, (0, begun))):
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


def _begun(run: CultureRun, name: str, default: float | None) -> Any:
    if name == TEMPERATURE:
        return run.initial_temperature
    return run.initial.get(name, default)


# --------------------------------------------------------------------------------------------------------- its curves


def _curves(run: CultureRun, model: CultureModel, points: int | None) -> Curves:
    series, missing = [], []
    for name, given in zip(model.input_names, model.inputs, strict=True):
        found = input_of(run, name)
        steps = any(isinstance(event, Setpoint) and event.input == name for event in run.events)
        if found is None and not steps and _begun(run, name, given.default) is None:
            missing.append(name)
        series.append(found if found is not None else _NO_CURVE)
    if missing:
        raise InputError([
            Finding(f"run '{run.name}', signals", f"no '{name}'", "the model has it as an input without a default",
                    "add its column to the table signals, or a set-point to the events")
            for name in missing
        ])  # fmt: skip
    for name in model.loops:
        first = run.initial.get(name, model.variables[model.variable_names.index(name)].initial)
        found = _given(run, name)
        if found is None:
            found = np.array([0.0]), np.array([first if not _is_tracer(first) else 0.0])
        elif found[0][0] > 0.0:
            found = np.r_[0.0, found[0]], np.r_[first, found[1]]
        series.append(found)
    if not series:
        return Curves(jnp.zeros((0, 2)), jnp.zeros((4, 0, 1)))
    pieces = [_pieces(*one) for one in series]
    most = max([points or 0, *(len(time) for time, _ in pieces)])
    most = _POINTS_MULTIPLE * math.ceil(most / _POINTS_MULTIPLE)
    padded = [_pad(time, parts, most) for time, parts in pieces]
    return Curves(
        jnp.asarray(np.stack([time for time, _ in padded])),
        jnp.asarray(np.stack([parts for _, parts in padded], axis=1)),
    )


_NO_CURVE = (np.array([0.0]), np.array([0.0]))


def input_of(run: CultureRun, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return an input of a run over time, as a signal or a measurement gives it.

    Viability is taken as a signal if there is one, else as measured, else VCD over TCD, else 1. A temperature is
    what its set-points say unless there is a signal.

    Args:
        run: any run.
        name: of the input.

    Returns:
        Times [d] and values; None where set-points or a default say it.
    """
    if name == VIABILITY:
        return viability_of(run)
    if name in run.signals:
        return run.signals[name].time, run.signals[name].value
    set_by_events = name == TEMPERATURE or any(isinstance(one, Setpoint) and one.input == name for one in run.events)
    return None if set_by_events else _given(run, name)


def viability_of(run: CultureRun) -> tuple[np.ndarray, np.ndarray]:
    """Return viability over time: a signal if there is one, else as measured, else VCD over TCD, else 1.

    Args:
        run: any run.

    Returns:
        Times [d] and viabilities [1].
    """
    found = _given(run, VIABILITY)
    if found is not None:
        return found
    if VCD in run.measurements and TCD in run.measurements:
        viable, total = run.measurements[VCD], run.measurements[TCD]
        both, here, there = np.intersect1d(viable.time, total.time, return_indices=True)
        if len(both):
            return both, np.clip(viable.value[here] / np.maximum(total.value[there], 1e-12), 0.0, 1.0)
    return np.array([0.0]), np.array([1.0])


def _given(run: CultureRun, quantity: str) -> tuple[np.ndarray, np.ndarray] | None:
    for source in (run.signals, run.measurements):
        if quantity in source and len(source[quantity].time):
            return np.asarray(source[quantity].time), np.asarray(source[quantity].value)
    return None


def _pieces(time: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(time) == 1:
        return np.array([time[0], time[0] + 1.0]), np.array([[0.0], [0.0], [0.0], [value[0]]])
    return np.asarray(time, float), PchipInterpolator(time, value).c


def _pad(time: np.ndarray, parts: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the last point, far beyond any run."""
    more = points - len(time)
    if more <= 0:
        return time, parts
    last = time[-1] - time[-2]
    value = ((parts[0, -1] * last + parts[1, -1]) * last + parts[2, -1]) * last + parts[3, -1]
    tail = np.zeros((4, more))
    tail[3] = value
    return np.r_[time, time[-1] + np.arange(1.0, more + 1.0)], np.hstack([parts, tail])


def _padded(curves: Curves, points: int) -> Curves:
    if curves.time.shape[1] == points:
        return curves
    time, parts = np.asarray(curves.time), np.asarray(curves.coefficients)
    padded = [_pad(time[i], parts[:, i], points) for i in range(len(time))]
    return Curves(jnp.asarray(np.stack([t for t, _ in padded])), jnp.asarray(np.stack([c for _, c in padded], axis=1)))


# --------------------------------------------------------------------------------------------------------- its numbers


def _require_usable(run: CultureRun, model: CultureModel) -> None:
    pairs = zip(model.species, model.species_specs, strict=True)
    defaults = {name: spec.initial for name, spec in pairs if spec.initial is not None}
    whole = replace(run, initial={**defaults, **run.initial})
    findings = [finding for finding in check_runs([whole], model.species) if finding.severity == "error"]
    if findings:
        raise InputError(findings)


def _initial(run: CultureRun, name: str, default: float | None) -> Any:
    return run.initial[name] if default is None else run.initial.get(name, default)


def _measurements(run: CultureRun, quantities: Sequence[str], numbers: _Numbers):
    shape = (numbers.count, len(quantities))
    measured, error, below = np.full(shape, np.nan), np.full(shape, np.inf), np.zeros(shape)
    first = {}
    for k, (time, _) in enumerate(numbers.breaks):
        if not _is_tracer(time):
            first.setdefault(float(time), k)
    for name, series in run.measurements.items():
        if name in quantities:
            rows = [first[float(time)] for time in series.time]
            column = list(quantities).index(name)
            measured[rows, column] = series.value
            error[rows, column] = series.standard_error
            if series.below is not None:
                below[rows, column] = series.below
    if numbers.traced_times:
        return tuple(jnp.asarray(part)[numbers.order] for part in (measured, error, below))
    return measured, error, below


def _is_tracer(value: Any) -> bool:
    return isinstance(value, Tracer)


def _vector(values: Sequence[Any]) -> Any:
    if any(map(_is_tracer, values)):
        return jnp.stack([jnp.asarray(value, jnp.float64) for value in values])
    return jnp.asarray(np.array([float(value) for value in values], float))


def _filled(shape: tuple[int, ...], entries: dict) -> Any:
    """Return zeros with some entries, which may be traced."""
    known = np.zeros(shape)
    for at, value in entries.items():
        if not _is_tracer(value):
            known[at] = float(value)
    whole: Any = known
    for at, value in entries.items():
        if _is_tracer(value):
            whole = jnp.asarray(whole).at[at].set(value)
    return whole


# ------------------------------------------------------------------------------------------------- runs as a PyTree


def _register() -> None:
    """Make runs PyTrees: their numbers are leaves, names and words are not. The records know nothing of JAX."""
    for kind, words in (
        (Bolus, ("medium",)), (Sample, ()), (Feed, ("medium",)), (Outflow, ("retains_cells",)), (Setpoint, ("input",)),
        (Replacement, ("medium",)), (End, ()), (Measurement, ("quantity", "unit")), (Signal, ("quantity", "unit")),
    ):  # fmt: skip
        numbers = tuple(name for name in kind.__dataclass_fields__ if name not in words)
        _register_record(kind, numbers, words)
    tables = ("initial", "measurements", "signals")

    def flatten(run: CultureRun):
        children = [tuple(getattr(run, table).values()) for table in tables]
        media = tuple(tuple(medium.values()) for medium in run.media.values())
        names = tuple(tuple(getattr(run, table)) for table in tables)
        of_media = tuple((name, tuple(medium)) for name, medium in run.media.items())
        return (
            (run.initial_volume, *children, media, run.events, run.initial_temperature, run.end),
            (run.name, names, of_media, run.provenance),
        )

    def unflatten(words, children) -> CultureRun:
        name, names, of_media, provenance = words
        volume, initial, measurements, signals, media, events, temperature, end = children
        run = object.__new__(CultureRun)
        named = {
            table: dict(zip(keys, values, strict=True))
            for table, keys, values in zip(tables, names, (initial, measurements, signals), strict=True)
        }
        composition = {medium: dict(zip(keys, values, strict=True))
                       for (medium, keys), values in zip(of_media, media, strict=True)}  # fmt: skip
        for field, value in {
            "name": name, "initial_volume": volume, **named, "media": composition, "events": events,
            "initial_temperature": temperature, "end": end, "provenance": provenance,
        }.items():  # fmt: skip
            object.__setattr__(run, field, value)
        return run

    jax.tree_util.register_pytree_node(CultureRun, flatten, unflatten)


def _register_record(kind: type, numbers: tuple[str, ...], words: tuple[str, ...]) -> None:
    def flatten(record):
        return tuple(getattr(record, name) for name in numbers), tuple(getattr(record, name) for name in words)

    def unflatten(static, children):
        record = object.__new__(kind)
        for name, value in (*zip(numbers, children, strict=True), *zip(words, static, strict=True)):
            object.__setattr__(record, name, value)
        return record

    jax.tree_util.register_pytree_node(kind, flatten, unflatten)


_register()
