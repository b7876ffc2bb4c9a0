"""The map of a loop at fixed conditions, R -> R', and its fixed points.

Concentrations, inputs and parameters are fixed and only the loop variable changes, here called R after the redox ratio
of Nolan & Lee. `response` evaluates the map, `fixed_points` finds every R with R' = R, and `resting_values` the one at
which a pool comes to rest.

The slope m = dR'/dR at a fixed point decides for which closure it is stable: for a pool (`Dynamic`, and `Algebraic`,
its limit) if m < 1; for the stages of the published scheme (`Lagged`) if m is between about -1.78 and 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from graycell.cell.closures import Dynamic
from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.numerics.roots import PRECISE, rest_point, root_within

_LOWEST, _DENSE_TO, _DENSE, _SPARSE = -0.1, 15.0, 768, 96
"""Grid of the first scan: from just below zero, where R' cannot be, 768 points to 15, three times the largest R
measured in cell line A of Nolan & Lee (2011), and 96 more to the ceiling of R'."""
_ROUNDS, _PARTS = 3, 8
"""An interval of the scan that may hide roots is divided into 8 parts, 3 times: from 0.02 to 4e-5."""
_STEEPER = 3.0
"""Largest slope of the map within an interval, as a multiple of the slope at its ends [1]."""
_CHUNK, _SMALL_CHUNK = 1024, 64
"""Operating points in one call of a compiled function; few where each one takes a search."""


@dataclass(frozen=True)
class OperatingPoints:
    """n fixed conditions of the cell.

    Attributes:
        concentrations: (n, species) in the unit of each.
        variables: (n, variables) in the unit of each; the value of the loop variable is not used.
        inputs: (n, inputs) in the unit of each.
        changed: (n,) values of some parameters by name, in internal units, in place of the model's.
        fed: (n, species) inflow per volume, in the unit of each per day; 0 if left out.
    """

    concentrations: Float[np.ndarray, "n species"]
    variables: Float[np.ndarray, "n variables"]
    inputs: Float[np.ndarray, "n inputs"]
    changed: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    fed: Float[np.ndarray, "n species"] | None = None

    @property
    def numbers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Concentrations, variables, inputs and fed, with n rows each."""
        fed = np.zeros(np.shape(self.concentrations)) if self.fed is None else self.fed
        return tuple(np.asarray(part) for part in (self.concentrations, self.variables, self.inputs, fed))  # type: ignore[return-value]

    @classmethod
    def of(cls, trajectory: Any, rows: Any = slice(None)) -> "OperatingPoints":
        """Return the operating points of a trajectory.

        Args:
            trajectory: see `simulation.trajectory.Trajectory`.
            rows: index of its points; all if left out.

        Returns:
            The operating points.
        """
        parts = (trajectory.concentrations, trajectory.variables, trajectory.inputs, trajectory.fed)
        concentrations, variables, inputs, fed = (np.asarray(part)[rows] for part in parts)
        return cls(concentrations, variables, inputs, fed=fed)

    def __len__(self) -> int:
        return len(self.concentrations)

    def take(self, index: np.ndarray) -> "OperatingPoints":
        """Return some of the operating points.

        Args:
            index: numbers of the operating points, in order.

        Returns:
            The operating points.
        """
        changed = {name: np.asarray(values)[index] for name, values in self.changed.items()}
        concentrations, variables, inputs, fed = (part[index] for part in self.numbers)
        return OperatingPoints(concentrations, variables, inputs, changed, fed)

    def between(self, other: "OperatingPoints", share: Float[np.ndarray, " n"]) -> "OperatingPoints":
        """Return (1 - share) self + share other.

        Args:
            other: n operating points.
            share: (n,) [1].

        Returns:
            The operating points.
        """

        def mixed(a, b):
            weight = share.reshape((-1, *(1,) * (np.ndim(a) - 1)))
            return (1.0 - weight) * np.asarray(a) + weight * np.asarray(b)

        changed = {name: mixed(values, other.changed[name]) for name, values in self.changed.items()}
        pairs = zip(self.numbers, other.numbers, strict=True)
        concentrations, variables, inputs, fed = (mixed(a, b) for a, b in pairs)
        return OperatingPoints(concentrations, variables, inputs, changed, fed)


class FixedPoints(NamedTuple):
    """Fixed points of the map R -> R', in the order of operating points and of R.

    Attributes:
        point: (k,) number of the operating point.
        loop_value: (k,) the value R of the loop variable [1].
        slope: (k,) dR'/dR there [1].
    """

    point: Int[np.ndarray, " k"]
    loop_value: Float[np.ndarray, " k"]
    slope: Float[np.ndarray, " k"]

    @property
    def stable_if_dynamic(self) -> np.ndarray:
        """(k,) whether the fixed point is stable for the closures `Dynamic` and `Algebraic`: slope below 1."""
        return self.slope < 1.0

    @property
    def stable_if_lagged(self) -> np.ndarray:
        """(k,) whether the fixed point is stable for the closure `Lagged`.

        In one step the map is applied in four stages, whose results are averaged 1:2:2:1, and once more. So a step
        multiplies the distance from the fixed point by m^2 (1 + 2 m + 2 m^2 + m^3)/6, for a slope m.
        """
        m = self.slope
        return np.abs(m**2 * (1.0 + 2.0 * m + 2.0 * m**2 + m**3) / 6.0) < 1.0


def response(
    model: CultureModel, points: OperatingPoints, loop_value: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return the map R -> R' and its slope at one R for each operating point.

    Args:
        model: with a loop.
        points: fixed conditions.
        loop_value: (n,) R [1].

    Returns:
        R' (n,) [1] and dR'/dR (n,) [1].

    Raises:
        ModelError: where a changed parameter is not in the model.
    """
    ratio, slope = _by_chunks(_response, model, points, np.asarray(loop_value, float))
    return ratio, slope


def fixed_points(
    model: CultureModel, points: OperatingPoints, low: float | None = None, high: float | None = None
) -> FixedPoints:
    """Return every fixed point of the map R -> R' at each operating point.

    The map is scanned, intervals that may hide more roots are divided, and every change of sign of R' - R is narrowed
    to rounding error. Two fixed points nearer than 4e-5 are missed; places where R' jumps across R are left out.

    Args:
        model: with a loop.
        points: fixed conditions.
        low: least R [1]; that of R' if left out.
        high: largest R [1]; that of R' if left out.

    Returns:
        The fixed points.

    Raises:
        ModelError: for a model without a loop, or where a changed parameter is not in the model.
    """
    ceiling = _ceiling(model)
    low, high = _LOWEST if low is None else low, 1.02 * ceiling if high is None else high
    bend = min(max(_DENSE_TO, low), high)
    grid = np.concatenate([np.linspace(low, bend, _DENSE), np.linspace(bend, high, _SPARSE)[1:] if high > bend else []])
    n = len(points)
    point, loop_value = np.repeat(np.arange(n), len(grid)), np.tile(grid, n)
    value, slope = _gap(model, points, point, loop_value)
    starts = np.flatnonzero(point[1:] == point[:-1])
    cells = tuple(np.stack([part[starts], part[starts + 1]]) for part in (loop_value, value, slope))
    of = point[starts]
    crossings = []
    for _ in range(_ROUNDS):
        hiding = _may_hide(*cells)
        crossings.append(_crossing(of, cells, ~hiding))
        of, cells = _cut(model, points, of[hiding], tuple(part[:, hiding] for part in cells))
    crossings.append(_crossing(of, cells, np.ones(len(of), bool)))
    of, ends, gaps = (np.concatenate(parts, axis=-1) for parts in zip(*crossings, strict=True))
    root, left = _by_chunks(_narrow, model, points.take(of), ends[0], gaps[0], ends[1], gaps[1])
    true = np.abs(left) <= PRECISE
    of, root = of[true], root[true]
    order = np.lexsort((root, of))
    of, root = of[order], root[order]
    double = np.zeros(len(of), bool)  # there may be no root at all
    double[1:] = (of[1:] == of[:-1]) & (root[1:] - root[:-1] <= 1e-12 * np.abs(root[1:]))
    of, root = of[~double], root[~double]
    return FixedPoints(of, root, response(model, points.take(of), root)[1])


def resting_values(
    model: CultureModel, points: OperatingPoints, start: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return the R at which a pool comes to rest at each operating point.

    Args:
        model: with a loop.
        points: fixed conditions.
        start: (n,) R [1] from which the pool moves.

    Returns:
        R (n,) [1] and its `LoopStatus` (n,).

    Raises:
        ModelError: where a changed parameter is not in the model.
    """
    loop_value, status = _by_chunks(_rest, model, points, np.asarray(start, float), chunk=_SMALL_CHUNK)
    return loop_value, status


# ------------------------------------------------------------------------------------------------------- compiled


def _ceiling(model: CultureModel) -> float:
    """Return the largest possible value of the target of the loop."""
    if not model.has_loop:
        raise ModelError(f"model '{model.name}' has no loop, so there is no map from R to R'.")
    target = model.variables[_loop_of(model)].target  # type: ignore[attr-defined]
    return float(getattr(target, "ceiling", _NO_CEILING))


_NO_CEILING = 50.0
"""Largest value of the scan for a target without a ceiling."""


def _loop_of(model: CultureModel) -> int:
    return model.variable_names.index(model.loops[0])


def _ratio(model: CultureModel, point, loop_value):
    (concentrations, variables, inputs, fed), changed = point
    values = variables.at[_loop_of(model)].set(loop_value)
    return model.with_parameters(changed).evaluate(concentrations, values, inputs, fed=fed).targets[0]


@eqx.filter_jit
def _response(model, points, loop_value):
    def at_point(point, loop_value):
        return jax.jvp(lambda r: _ratio(model, point, r), (loop_value,), (jnp.ones_like(loop_value),))

    return jax.vmap(at_point)(points, loop_value)


@eqx.filter_jit
def _narrow(model, points, a, gap_a, b, gap_b):
    def at_point(point, a, gap_a, b, gap_b):
        return root_within(lambda r: _ratio(model, point, r) - r, a, gap_a, b, gap_b)

    return jax.vmap(at_point)(points, a, gap_a, b, gap_b)


@eqx.filter_jit
def _rest(model, points, start):
    def at_point(point, start):
        return rest_point(lambda r: _ratio(model, point, r) - r, start)

    return jax.vmap(at_point)(points, start)


def _by_chunks(
    function, model: CultureModel, points: OperatingPoints, *arrays: np.ndarray, chunk: int = _CHUNK
) -> tuple[np.ndarray, ...]:
    """Call a compiled function on chunks of one size, so that it compiles once; the last chunk is padded."""
    for name in points.changed:
        if name not in model.parameters:
            raise ModelError(f"parameter '{name}' is not known to the model; {nearest(name, model.parameters)}.")
    n, parts = len(points), []
    # with one closure, so that the map compiles once for all closures
    cell = model.with_closure(Dynamic(getattr(model.closure, "turnover_time", next(iter(model.parameters), ""))))
    # and with a value of every parameter at every point, so that it compiles once whatever is changed
    usual = {name: np.full(chunk, float(value)) for name, value in model.parameters.items()}
    for start in range(0, n, chunk):
        index = np.minimum(np.arange(start, start + chunk), n - 1)
        here = points.take(index)
        given = jax.tree.map(jnp.asarray, (here.numbers, {**usual, **here.changed}))
        out = function(cell, given, *(jnp.asarray(array[index]) for array in arrays))
        parts.append([np.asarray(array)[: n - start] for array in out])
    return tuple(map(np.concatenate, zip(*parts, strict=True))) if parts else (np.zeros(0), np.zeros(0))


# ------------------------------------------------------------------------------------------------------- scanning


def _gap(model, points, point, loop_value):
    value, slope = response(model, points.take(point), loop_value)
    return value - loop_value, slope - 1.0


def _may_hide(loop_value, value, slope):
    """Return which intervals may have more roots than the signs at their ends show."""
    width = loop_value[1] - loop_value[0]
    secant = np.abs(value[1] - value[0]) / width
    steepest = _STEEPER * np.maximum(np.max(np.abs(slope), axis=0), secant)
    return np.min(np.abs(value), axis=0) <= steepest * width


def _crossing(of, cells, which):
    """Return point, ends and gaps of the intervals where the gap changes its sign; a root at an end counts once."""
    loop_value, value, _ = (part[:, which] for part in cells)
    changes = (value[0] * value[1] < 0.0) | (value[0] == 0.0)
    return of[which][changes], loop_value[:, changes], value[:, changes]


def _cut(model, points, of, cells):
    loop_value, value, slope = cells
    shares = np.linspace(0.0, 1.0, _PARTS + 1)[:, None]
    inner = loop_value[0] + shares * (loop_value[1] - loop_value[0])
    some = inner[1:-1]
    new_value, new_slope = _gap(model, points, np.tile(of, len(some)), some.ravel())
    values = np.concatenate([value[:1], new_value.reshape(some.shape), value[1:]])
    slopes = np.concatenate([slope[:1], new_slope.reshape(some.shape), slope[1:]])

    def pairs(whole):
        return np.stack([whole[:-1].ravel(), whole[1:].ravel()])

    return np.tile(of, _PARTS), (pairs(inner), pairs(values), pairs(slopes))
