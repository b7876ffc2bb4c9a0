"""Runs -> padded arrays and masks: the border between names and arrays.

A run becomes a sequence of segments. At every event, every measurement and the end of the run one segment ends and
the next begins, so no step of a solver crosses a discontinuity and every measurement is met exactly. At the end of
a segment the state is read (a measurement is taken before the event of the same time), then the interventions act.
The first segment has length zero and carries what happens at time 0. Segments of length zero pad a run to the
length of others, so that one compiled function serves all runs of one shape.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator

from graycell.errors import InputError
from graycell.reactor import Flows, Interventions
from graycell.runs.checks import check_runs
from graycell.runs.records import (
    REDOX,
    TCD,
    VCD,
    VIABILITY,
    Bolus,
    CultureRun,
    Feed,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
)

_SEGMENTS_MULTIPLE = 8
"""Runs are padded to a multiple of this many segments, so that runs of similar length share a compiled function."""
_DEFAULT_REDOX = 1.0
"""R [1] at time 0 where a run does not say: the published switching point, between making and using lactate."""


class Curve(eqx.Module):
    """A known input over time: monotone cubic interpolation (PCHIP), constant outside its points.

    coefficients: of (t - t_i)^3, its square, its first power and 1, on the piece from t_i on.
    """

    time: Float[Array, " points"]
    coefficients: tuple[Array, Array, Array, Array]

    def __call__(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """Return the value at `time` [d]."""
        # diffrax.CubicInterpolation does the same with a search by halves, whose loop took half of a simulation's time
        inside = jnp.clip(time, self.time[0], self.time[-1])
        index = jnp.clip(jnp.sum(inside >= self.time) - 1, 0, self.time.shape[0] - 2)
        after = inside - self.time[index]
        cubic, square, slope, value = (coefficient[index] for coefficient in self.coefficients)
        return value + after * (slope + after * (square + after * cubic))


class PackedRun(eqx.Module):
    """A run as arrays; stack several with `stack`. Volumes are per litre of initial volume.

    start, end: (segments,) [d]; cold_target: (segments,) temperature weight that the set-point asks for [1];
    flows: (segments, ...) see `reactor.Flows`; interventions: (segments, ...) at the end of each segment;
    media, supplied: (media, species) [mmol/L], [1]; initial: (species,) [mmol/L]; initial_redox: R [1];
    viability, redox: known inputs;
    measured, standard_error: (segments, quantities) at the end of each segment, NaN and inf where nothing was
    measured; below: the same shape, 1 where the value is a detection limit; quantities are the model's species, then
    VCD, then R.
    """

    start: Float[Array, " segments"]
    end: Float[Array, " segments"]
    cold_target: Float[Array, " segments"]
    initial_cold: Float[Array, ""]
    flows: Flows
    interventions: Interventions
    media: Float[Array, "media species"]
    supplied: Float[Array, "media species"]
    initial: Float[Array, " species"]
    initial_redox: Float[Array, ""]
    viability: Curve
    redox: Curve
    measured: Float[Array, "segments quantities"]
    standard_error: Float[Array, "segments quantities"]
    below: Float[Array, "segments quantities"]


def quantities_of(species: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns of `PackedRun.measured`."""
    return (*species, VCD, REDOX)


def pack(
    run: CultureRun,
    species: Sequence[str],
    *,
    warm_temperature: float = 37.0,
    cold_temperature: float = 31.0,
    segments: int | None = None,
    media: int | None = None,
) -> PackedRun:
    """Return the arrays of a run for a model with these `species`.

    `segments` and `media` pad to at least so many; see `pack_all`. Raises `InputError` with every error that
    `check_runs` finds.
    """
    _require_usable(run, species)
    times = _breakpoints(run)
    count = max(len(times), segments or 0)
    count = _SEGMENTS_MULTIPLE * math.ceil(count / _SEGMENTS_MULTIPLE)
    medium_names = list(run.media)
    columns = max(len(medium_names), media or 1)

    end = np.full(count, run.end)
    end[: len(times)] = [time for time, _ in times]
    start = np.concatenate([[0.0], end[:-1]])
    feed, bleed, harvest = np.zeros((count, columns)), np.zeros(count), np.zeros(count)
    cold = np.full(count, _cold(run.initial_temperature, warm_temperature, cold_temperature))
    sample, bolus, replacement = np.zeros(count), np.zeros((count, columns)), np.zeros((count, columns))
    v0 = run.initial_volume
    for k, (_, events) in enumerate(times):
        after = slice(k + 1, None)
        for event in events:
            match event:
                case Sample(volume=volume):
                    sample[k] += volume / v0
                case Bolus(medium=medium, volume=volume):
                    bolus[k, medium_names.index(medium)] += volume / v0
                case Replacement(medium=medium, fraction=fraction):
                    replacement[k, medium_names.index(medium)] += fraction
                case Feed(medium=medium, rate=rate):
                    feed[after, medium_names.index(medium)] = rate / v0
                case Outflow(rate=rate, retains_cells=True):
                    harvest[after] = rate / v0
                case Outflow(rate=rate):
                    bleed[after] = rate / v0
                case Setpoint(temperature=temperature):
                    cold[after] = _cold(temperature, warm_temperature, cold_temperature)

    composition, supplied = np.zeros((columns, len(species))), np.zeros((columns, len(species)))
    for i, name in enumerate(medium_names):
        for j, one in enumerate(species):
            composition[i, j] = run.media[name].get(one, 0.0)
            supplied[i, j] = float(composition[i, j] > 0.0)

    measured, error, below = _measurements(run, quantities_of(species), [time for time, _ in times], count)

    def array(values) -> Array:
        return jnp.asarray(values, jnp.float64)

    return PackedRun(
        start=array(start),
        end=array(end),
        cold_target=array(cold),
        initial_cold=array(_cold(run.initial_temperature, warm_temperature, cold_temperature)),
        flows=Flows(array(feed), array(bleed), array(harvest)),
        interventions=Interventions(array(sample), array(bolus), array(replacement)),
        media=array(composition),
        supplied=array(supplied),
        initial=array([run.initial[name] for name in species]),
        initial_redox=array(run.initial.get(REDOX, _DEFAULT_REDOX)),
        viability=_curve(*viability_of(run)),
        redox=_curve(*_series(run, REDOX, run.initial.get(REDOX, _DEFAULT_REDOX))),
        measured=array(measured),
        standard_error=array(error),
        below=array(below),
    )


def pack_all(runs: Sequence[CultureRun], species: Sequence[str], **temperatures: float) -> PackedRun:
    """Return all runs as one `PackedRun` with a leading axis, padded to a common shape."""
    segments = max(len(_breakpoints(run)) for run in runs)
    media = max(max(len(run.media), 1) for run in runs)
    return stack([pack(run, species, segments=segments, media=media, **temperatures) for run in runs])


def stack(packed: Sequence[PackedRun]) -> PackedRun:
    """Return packed runs of one shape as one with a leading axis."""
    points = max(curve.time.shape[0] for run in packed for curve in (run.viability, run.redox))
    even = [
        eqx.tree_at(
            lambda run: (run.viability, run.redox),
            run,
            (_pad_curve(run.viability, points), _pad_curve(run.redox, points)),
        )
        for run in packed
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *even)


def _require_usable(run: CultureRun, species: Sequence[str]) -> None:
    findings = [finding for finding in check_runs([run], species) if finding.severity == "error"]
    if findings:
        raise InputError(findings)


def _breakpoints(run: CultureRun) -> list[tuple[float, list]]:
    """Return (time, events) at which segments end: time 0 first, in the order of time and file."""
    measured = {float(time) for series in run.measurements.values() for time in series.time}
    times = sorted({0.0, run.end} | measured | {event.time for event in run.events})
    points: list[tuple[float, list]] = []
    for time in times:
        groups: list[list] = [[]]
        for event in (event for event in run.events if event.time == time):
            # within an instant a sample acts first, then a bolus, then a replacement: another order, another instant
            if groups[-1] and _rank(event) < max(map(_rank, groups[-1])):
                groups.append([])
            groups[-1].append(event)
        points += [(time, group) for group in groups]
    return points


def _rank(event) -> int:
    return {Sample: 1, Bolus: 2, Replacement: 3}.get(type(event), 0)


def _cold(temperature: float, warm: float, cold: float) -> float:
    """Return the temperature weight: 0 at the warm and 1 at the cold temperature, linear between, never outside."""
    return float(np.clip((warm - temperature) / (warm - cold), 0.0, 1.0))


def _measurements(run: CultureRun, quantities: Sequence[str], times: Sequence[float], count: int):
    measured, error = np.full((count, len(quantities)), np.nan), np.full((count, len(quantities)), np.inf)
    below = np.zeros((count, len(quantities)))
    for name, series in run.measurements.items():
        if name in quantities:
            rows = [times.index(float(time)) for time in series.time]
            measured[rows, quantities.index(name)] = series.value
            error[rows, quantities.index(name)] = series.standard_error
            if series.below is not None:
                below[rows, quantities.index(name)] = series.below
    return measured, error, below


def viability_of(run: CultureRun) -> tuple[np.ndarray, np.ndarray]:
    """Return viability over time: a signal if there is one, else as measured, else VCD over TCD, else 1."""
    for source in (run.signals, run.measurements):
        if VIABILITY in source:
            return source[VIABILITY].time, source[VIABILITY].value
    if VCD in run.measurements and TCD in run.measurements:
        viable, total = run.measurements[VCD], run.measurements[TCD]
        both, here, there = np.intersect1d(viable.time, total.time, return_indices=True)
        if len(both):
            return both, np.clip(viable.value[here] / np.maximum(total.value[there], 1e-12), 0.0, 1.0)
    return np.array([0.0]), np.array([1.0])


def _series(run: CultureRun, quantity: str, first: float) -> tuple[np.ndarray, np.ndarray]:
    for source in (run.signals, run.measurements):
        if quantity in source:
            time, value = source[quantity].time, source[quantity].value
            return (time, value) if time[0] <= 0.0 else (np.r_[0.0, time], np.r_[first, value])
    return np.array([0.0]), np.array([first])


def _curve(time: np.ndarray, value: np.ndarray) -> Curve:
    if len(time) == 1:
        time, value = np.array([time[0], time[0] + 1.0]), np.array([value[0], value[0]])
    pieces = PchipInterpolator(time, value).c
    return Curve(
        jnp.asarray(time),
        (jnp.asarray(pieces[0]), jnp.asarray(pieces[1]), jnp.asarray(pieces[2]), jnp.asarray(pieces[3])),
    )


def _pad_curve(curve: Curve, points: int) -> Curve:
    """Repeat the last point, far beyond any run, so that curves of several runs stack."""
    more = points - curve.time.shape[0]
    if more == 0:
        return curve
    time = jnp.concatenate([curve.time, curve.time[-1] + jnp.arange(1.0, more + 1.0)])
    last = curve(curve.time[-1])
    a, b, c, d = (
        jnp.concatenate([part, jnp.full(more, value)])
        for part, value in zip(curve.coefficients, (0.0, 0.0, 0.0, last), strict=True)
    )
    return Curve(time, (a, b, c, d))
