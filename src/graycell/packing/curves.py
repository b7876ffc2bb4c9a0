"""Inputs and measured loop variables of a run as curves: known functions of time."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator

from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.packing.inputs import first_value, input_of, series_of
from graycell.packing.pytrees import is_tracer
from graycell.runs.records import CultureRun, Setpoint

_POINTS_MULTIPLE = 16
"""Curves are padded to a multiple of this many knots, so that runs of similar length share a compiled function."""


class Curves(eqx.Module):
    """Known functions of time: monotone cubic interpolation (PCHIP), constant outside of their points.

    All curves share the union of their knots, so one search per time is enough.

    Attributes:
        time: (knots,) [d], rising.
        coefficients: (knots - 1, 4, curves) of (t - t_i)^3, its square, its first power and 1, from t_i on.
    """

    time: Float[Array, " knots"]
    coefficients: Float[Array, "pieces 4 curves"]

    def __call__(self, time: Float[Array, ""]) -> Float[Array, " curves"]:
        """Return the values at `time` [d]."""
        return _interpolated(self.time, self.coefficients, time)


@jax.jit  # a model asks for its inputs in many places: as a function of its own this is traced and lowered once
def _interpolated(knots: Array, coefficients: Array, time: Array) -> Array:
    # diffrax.CubicInterpolation does the same with a search by halves, whose loop took half of a simulation's time
    inside = jnp.clip(time, knots[0], knots[-1])
    index = jnp.clip(jnp.sum(inside >= knots) - 1, 0, knots.shape[0] - 2)
    after = inside - lax.dynamic_index_in_dim(knots, index, keepdims=False)
    cubic, square, slope, value = lax.dynamic_index_in_dim(coefficients, index, keepdims=False)
    return value + after * (slope + after * (square + after * cubic))


def curves_of(run: CultureRun, model: CultureModel, points: int | None) -> Curves:
    """Return the curves of a run: of every input, then the measured values of every loop variable.

    Args:
        run: any run.
        model: whose inputs and loop variables are meant.
        points: pad the curves to at least this many knots.

    Returns:
        The curves; 0 for an input that set-points or a default give.

    Raises:
        InputError: for every input that the run must give.
    """
    series, missing = [], []
    for name in model.input_names:
        found = input_of(run, name, model)
        steps = any(isinstance(event, Setpoint) and event.input == name for event in run.events)
        if found is None and not steps and first_value(run, name, model) is None:
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
        found = series_of(run, name)
        if found is None:
            found = np.array([0.0]), np.array([first if not is_tracer(first) else 0.0])
        elif found[0][0] > 0.0 and not is_tracer(first):  # `simulate` refuses a traced one with an open loop
            found = np.r_[0.0, found[0]], np.r_[first, found[1]]
        series.append(found)
    knots = np.unique(np.concatenate([time for time, _ in series] or [np.zeros(1)]))
    knots = np.r_[knots, knots + 1.0] if len(knots) == 1 else knots
    pieces = [_pieces(time, value, knots[:-1]) for time, value in series]
    coefficients = np.stack(pieces, axis=2) if pieces else np.zeros((len(knots) - 1, 4, 0))
    most = _POINTS_MULTIPLE * math.ceil(max(points or 0, len(knots)) / _POINTS_MULTIPLE)
    return Curves(*(jnp.asarray(part) for part in _padded(knots, coefficients, most)))


_NO_CURVE = (np.array([0.0]), np.array([0.0]))


def _pieces(time: np.ndarray, value: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the coefficients (pieces, 4) of a curve from the starts of pieces on; each of its points is a start."""
    parts = np.zeros((len(starts), 4))
    parts[:, 3] = np.where(starts < time[0], value[0], value[-1])
    inside = (starts >= time[0]) & (starts < time[-1])
    if np.any(inside):
        curve = PchipInterpolator(time, value)
        for order in range(4):
            parts[inside, 3 - order] = curve(starts[inside], nu=order) / math.factorial(order)
    return parts


def padded_to(curves: Curves, points: int) -> Curves:
    """Return curves with more points and the same values.

    Args:
        curves: with at most that many knots.
        points: number of knots to pad to.

    Returns:
        The longer curves.
    """
    if len(curves.time) == points:
        return curves
    parts = _padded(np.asarray(curves.time), np.asarray(curves.coefficients), points)
    return Curves(*(jnp.asarray(part) for part in parts))


def _padded(time: np.ndarray, parts: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Append pieces that hold the last values, until there are `points` knots."""
    more, last = points - len(time), time[-1] - time[-2]
    tail = np.zeros((more, *parts.shape[1:]))
    tail[:, 3] = ((parts[-1, 0] * last + parts[-1, 1]) * last + parts[-1, 2]) * last + parts[-1, 3]
    return np.r_[time, time[-1] + np.arange(1.0, more + 1.0)], np.concatenate([parts, tail])
