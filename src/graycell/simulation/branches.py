"""The redox loop of a model, looked at under held conditions: the map R -> R', its fixed points, their branches.

Concentrations, temperature and parameters are held, and R alone moves. `fixed_points` finds all R that the map gives
back; `branches` links them along a line of conditions, such as a trajectory or a range of one parameter; `jumps` tells
where the branch that a trajectory is on ends.

At a fixed point the slope m = dR'/dR says which closure stays there, is stable: a redox pool (`Dynamic`, and
`Algebraic`, its limit) where m < 1; the stages of the published scheme (`Lagged`) for m from about -1.78 to 1.
"""

from collections.abc import Mapping, Sequence
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
"""The first scan: from just below zero, where no R' lies, with so many points to 15, three times the largest R that was
measured in cell line A of Nolan & Lee (2011), and so many more to the ceiling of R'."""
_ROUNDS, _PARTS = 3, 8
"""A cell of the scan that may hide roots is cut into so many parts, so often: cells of 0.02 to 4e-5."""
_STEEPER = 3.0
"""Within a cell the map may be so many times steeper than at its ends."""
_CHUNK, _SMALL_CHUNK = 1024, 64
_HALVINGS, _PASSES = 20, 6
_SEEN, _JUMP = 0.05, 0.02
"""Changes of R [1], relative where R is above 1: what is looked into, and what remains of a jump after halving."""


@dataclass(frozen=True)
class OperatingPoints:
    """Conditions that are held, n of them.

    Attributes:
        concentrations: (n, species) in the unit of each.
        variables: (n, variables) in the unit of each; the one that moves has no part.
        inputs: (n, inputs) in the unit of each.
        changed: by name (n,) the parameters whose values differ from the model's, in internal units.
    """

    concentrations: Float[np.ndarray, "n species"]
    variables: Float[np.ndarray, "n variables"]
    inputs: Float[np.ndarray, "n inputs"]
    changed: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)

    @classmethod
    def of(cls, trajectory: Any, rows: Any = slice(None)) -> "OperatingPoints":
        """Return the operating points of a trajectory.

        Args:
            trajectory: see `simulation.trajectory.Trajectory`.
            rows: which of its points; all if left out.

        Returns:
            The operating points.
        """
        parts = (trajectory.concentrations, trajectory.variables, trajectory.inputs)
        concentrations, variables, inputs = (np.asarray(part)[rows] for part in parts)
        return cls(concentrations, variables, inputs)

    def __len__(self) -> int:
        return len(self.concentrations)

    def take(self, index: np.ndarray) -> "OperatingPoints":
        """Return some of the operating points.

        Args:
            index: which, in this order.

        Returns:
            The operating points.
        """
        changed = {name: np.asarray(values)[index] for name, values in self.changed.items()}
        parts = (self.concentrations, self.variables, self.inputs)
        concentrations, variables, inputs = (np.asarray(part)[index] for part in parts)
        return OperatingPoints(concentrations, variables, inputs, changed)

    def between(self, other: "OperatingPoints", share: Float[np.ndarray, " n"]) -> "OperatingPoints":
        """Return (1 - share) self + share other.

        Args:
            other: as many operating points.
            share: (n,) [1].

        Returns:
            The operating points.
        """

        def mixed(a, b):
            weight = share.reshape((-1, *(1,) * (np.ndim(a) - 1)))
            return (1.0 - weight) * np.asarray(a) + weight * np.asarray(b)

        changed = {name: mixed(values, other.changed[name]) for name, values in self.changed.items()}
        pairs = zip((self.concentrations, self.variables, self.inputs),
                    (other.concentrations, other.variables, other.inputs), strict=True)  # fmt: skip
        concentrations, variables, inputs = (mixed(a, b) for a, b in pairs)
        return OperatingPoints(concentrations, variables, inputs, changed)


class FixedPoints(NamedTuple):
    """Fixed points of the map R -> R', in the order of the points and of R.

    point: (k,) which of the points; redox: (k,) R [1]; slope: (k,) dR'/dR there [1].
    """

    point: Int[np.ndarray, " k"]
    redox: Float[np.ndarray, " k"]
    slope: Float[np.ndarray, " k"]

    @property
    def stable_for_a_pool(self) -> np.ndarray:
        """Whether the closures `Dynamic` and `Algebraic` stay there: slope below 1, (k,)."""
        return self.slope < 1.0

    @property
    def stable_for_lagging(self) -> np.ndarray:
        """Whether a step of the closure `Lagged` comes back to it, (k,).

        Its stages R <- R' follow one another, are averaged 1:2:2:1, and give R once more; so a distance from the fixed
        point is multiplied in a step by m^2 (1 + 2 m + 2 m^2 + m^3)/6, for a slope m.
        """
        m = self.slope
        return np.abs(m**2 * (1.0 + 2.0 * m + 2.0 * m**2 + m**3) / 6.0) < 1.0


class Jump(NamedTuple):
    """The end of a branch: R [1] before and after, at `time` [d]; slope: dR'/dR [1] just before, 1 at a smooth fold."""

    time: float
    before: float
    after: float
    slope: float


@dataclass(frozen=True)
class Branches:
    """Fixed points linked along a line of n conditions, as drawn in a bifurcation diagram.

    along: (n,) the time [d], or the value of a parameter in its internal unit; redox, slope: (branches, n) [1], NaN
    where a branch is not; folds: (f, 2) where two branches meet and end: as `along`, and R [1].
    """

    along: Float[np.ndarray, " n"]
    redox: Float[np.ndarray, "branches n"]
    slope: Float[np.ndarray, "branches n"]
    folds: Float[np.ndarray, "f 2"] = field(default_factory=lambda: np.zeros((0, 2)))


def response(
    model: CultureModel, points: OperatingPoints, redox: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return the map R -> R' [1] and its slope dR'/dR [1] at one R for each point.

    Raises `ModelError` where a changed parameter is not the model's.
    """
    ratio, slope = _by_chunks(_response, model, points, np.asarray(redox, float))
    return ratio, slope


def fixed_points(
    model: CultureModel, points: OperatingPoints, low: float | None = None, high: float | None = None
) -> FixedPoints:
    """Return every fixed point of the map R -> R' at each point, from `low` to `high` [1].

    By default the range is that of R' itself. The map is scanned, cells that may hide more are cut up, and every change
    of sign is narrowed to rounding. What is left out: two fixed points nearer than 4e-5, and places where R' jumps
    across R, which are none.
    """
    ceiling = _ceiling(model)
    low, high = _LOWEST if low is None else low, 1.02 * ceiling if high is None else high
    bend = min(max(_DENSE_TO, low), high)
    grid = np.concatenate([np.linspace(low, bend, _DENSE), np.linspace(bend, high, _SPARSE)[1:] if high > bend else []])
    n = len(points)
    point, redox = np.repeat(np.arange(n), len(grid)), np.tile(grid, n)
    value, slope = _gap(model, points, point, redox)
    starts = np.flatnonzero(point[1:] == point[:-1])
    cells = tuple(np.stack([one[starts], one[starts + 1]]) for one in (redox, value, slope))
    of = point[starts]
    crossings = []
    for _ in range(_ROUNDS):
        hiding = _may_hide(*cells)
        crossings.append(_crossing(of, cells, ~hiding))
        of, cells = _cut(model, points, of[hiding], tuple(one[:, hiding] for one in cells))
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


def rest_at(
    model: CultureModel, points: OperatingPoints, start: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return the R [1] at which the pool comes to rest from `start` at each point, and its `LoopStatus`."""
    redox, status = _by_chunks(_rest, model, points, np.asarray(start, float), chunk=_SMALL_CHUNK)
    return redox, status


def branches(
    model: CultureModel, points: OperatingPoints, along: Float[np.ndarray, " n"], breaks: Sequence[int] = ()
) -> Branches:
    """Return the fixed points at points in a row, linked to branches.

    Where two neighbours have as many, they are linked by rank; else the nearest are. Where the number changes by two,
    the place is narrowed down by halving, and the pair that meets there is a fold. `breaks`: numbers of points whose
    conditions do not follow from those before them, as after a bolus; no branch goes on there. Raises `ModelError`
    where a changed parameter is not the model's.
    """
    found = fixed_points(model, points)
    rows = [np.flatnonzero(found.point == k) for k in range(len(points))]
    lines: list[dict[int, int]] = []
    open_lines: list[int] = []
    for k, row in enumerate(rows):
        open_lines = [] if k in breaks else open_lines
        ends = found.redox[[lines[i][k - 1] for i in open_lines]] if open_lines else np.zeros(0)
        pairs = _nearest_pairs(ends, found.redox[row])
        now = []
        for j, index in enumerate(row):
            if j in pairs:
                line = open_lines[pairs[j]]
            else:
                line = len(lines)
                lines.append({})
            lines[line][k] = int(index)
            now.append(line)
        open_lines = now
    redox, slope = np.full((2, len(lines), len(points)), np.nan)
    for i, line in enumerate(lines):
        for k, index in line.items():
            redox[i, k], slope[i, k] = found.redox[index], found.slope[index]
    along = np.asarray(along, float)
    return Branches(along, redox, slope, _folds(model, points, along, [found.redox[row] for row in rows], breaks))


def jumps(
    model: CultureModel,
    time: Float[np.ndarray, " n"],
    points: OperatingPoints,
    redox: Float[np.ndarray, " n"],
) -> list[tuple[int, Jump]]:
    """Return where R along a trajectory leaves its branch, each with the number of the point after it.

    time: (n,) [d]; redox: (n,) R [1] of the closure `Algebraic`. Between two points the conditions are taken as a
    straight line, which is halved until R is continuous or is not. Where R is on its way from one branch to another,
    and no fixed point, its goal stands for it.
    """
    if not np.any(np.abs(np.diff(redox)) > _SEEN):
        return []
    resting = np.abs(response(model, points, redox)[0] - redox) <= 1e3 * PRECISE
    goal = redox.copy()
    if not np.all(resting):
        goal[~resting], _ = rest_at(model, points.take(np.flatnonzero(~resting)), redox[~resting])
    change = np.abs(goal[1:] - redox[:-1])
    some = np.flatnonzero(resting[:-1] & (change > _SEEN * np.maximum(1.0, np.abs(redox[:-1]))))
    if not len(some):
        return []
    before, after = points.take(some), points.take(some + 1)
    left, right = np.zeros(len(some)), np.ones(len(some))
    at_left, at_right = redox[some].copy(), goal[some + 1].copy()
    whole, at_end = right.copy(), at_right.copy()
    for k in range(_PASSES):
        if k:
            # a long way to the middle may have passed a pair of roots that are near each other: look again from nearby
            onward, _ = rest_at(model, before.between(after, right), at_left)
            goes_on = np.abs(onward - at_left) <= _JUMP * np.maximum(1.0, np.abs(at_left))
            if not np.any(goes_on):
                break
            left, at_left = np.where(goes_on, right, left), np.where(goes_on, onward, at_left)
            right, at_right = np.where(goes_on, whole, right), np.where(goes_on, at_end, at_right)
        for _ in range(_HALVINGS):
            middle = (left + right) / 2.0
            at_middle, _ = rest_at(model, before.between(after, middle), at_left)
            jumped = np.abs(at_middle - at_left) >= np.abs(at_right - at_middle)
            left, right = np.where(jumped, left, middle), np.where(jumped, middle, right)
            at_left, at_right = np.where(jumped, at_left, at_middle), np.where(jumped, at_middle, at_right)
    slopes = response(model, before.between(after, left), at_left)[1]
    found = []
    for i, k in enumerate(some):
        if abs(at_right[i] - at_left[i]) > _JUMP * max(1.0, abs(at_left[i])):
            when = float(time[k] + left[i] * (time[k + 1] - time[k]))
            found.append((int(k) + 1, Jump(when, float(at_left[i]), float(at_right[i]), float(slopes[i]))))
    return found


# ---------------------------------------------------------------------------------------------- compiled


def _ceiling(model: CultureModel) -> float:
    """Return the largest value that the target of the loop can have."""
    if not model.has_loop:
        raise ModelError(f"model '{model.name}' has no loop, so there is no map from R to R'.")
    target = model.variables[_loop_of(model)].target  # type: ignore[attr-defined]
    return float(getattr(target, "ceiling", _NO_CEILING))


_NO_CEILING = 50.0
"""Largest value that is looked at where a target has no ceiling of its own."""


def _loop_of(model: CultureModel) -> int:
    return model.variable_names.index(model.loops[0])


def _ratio(model: CultureModel, point, redox):
    concentrations, variables, inputs, changed = point
    values = variables.at[_loop_of(model)].set(redox)
    return model.with_parameters(changed).evaluate(concentrations, values, inputs).targets[0]


@eqx.filter_jit
def _response(model, points, redox):
    def one(point, redox):
        return jax.jvp(lambda r: _ratio(model, point, r), (redox,), (jnp.ones_like(redox),))

    return jax.vmap(one)(points, redox)


@eqx.filter_jit
def _narrow(model, points, a, gap_a, b, gap_b):
    def one(point, a, gap_a, b, gap_b):
        return root_within(lambda r: _ratio(model, point, r) - r, a, gap_a, b, gap_b)

    return jax.vmap(one)(points, a, gap_a, b, gap_b)


@eqx.filter_jit
def _rest(model, points, start):
    def one(point, start):
        return rest_point(lambda r: _ratio(model, point, r) - r, start)

    return jax.vmap(one)(points, start)


def _by_chunks(
    function, model: CultureModel, points: OperatingPoints, *arrays: np.ndarray, chunk: int = _CHUNK
) -> tuple[np.ndarray, ...]:
    """Call a compiled function on chunks of one size, so that it compiles once; the last one is filled up."""
    for name in points.changed:
        if name not in model.parameters:
            raise ModelError(f"parameter '{name}' is not known to the model; {nearest(name, model.parameters)}.")
    n, parts = len(points), []
    # with one closure, so that the map is compiled once for all of them
    cell = model.with_closure(Dynamic(getattr(model.closure, "turnover_time", "tau")))
    for start in range(0, n, chunk):
        index = np.minimum(np.arange(start, start + chunk), n - 1)
        here = points.take(index)
        given = jax.tree.map(jnp.asarray, (here.concentrations, here.variables, here.inputs, dict(here.changed)))
        out = function(cell, given, *(jnp.asarray(one[index]) for one in arrays))
        parts.append([np.asarray(one)[: n - start] for one in out])
    return tuple(map(np.concatenate, zip(*parts, strict=True))) if parts else (np.zeros(0), np.zeros(0))


# ---------------------------------------------------------------------------------------------- scanning


def _gap(model, points, point, redox):
    value, slope = response(model, points.take(point), redox)
    return value - redox, slope - 1.0


def _may_hide(redox, value, slope):
    """Return which cells may have more roots than the change of sign of their ends tells."""
    width = redox[1] - redox[0]
    secant = np.abs(value[1] - value[0]) / width
    steepest = _STEEPER * np.maximum(np.max(np.abs(slope), axis=0), secant)
    return np.min(np.abs(value), axis=0) <= steepest * width


def _crossing(of, cells, which):
    """Return point, ends and gaps of the cells in which the gap changes its sign; a root at an end counts once."""
    redox, value, _ = (one[:, which] for one in cells)
    changes = (value[0] * value[1] < 0.0) | (value[0] == 0.0)
    return of[which][changes], redox[:, changes], value[:, changes]


def _cut(model, points, of, cells):
    redox, value, slope = cells
    shares = np.linspace(0.0, 1.0, _PARTS + 1)[:, None]
    inner = redox[0] + shares * (redox[1] - redox[0])
    some = inner[1:-1]
    new_value, new_slope = _gap(model, points, np.tile(of, len(some)), some.ravel())
    values = np.concatenate([value[:1], new_value.reshape(some.shape), value[1:]])
    slopes = np.concatenate([slope[:1], new_slope.reshape(some.shape), slope[1:]])

    def pairs(whole):
        return np.stack([whole[:-1].ravel(), whole[1:].ravel()])

    return np.tile(of, _PARTS), (pairs(inner), pairs(values), pairs(slopes))


def _nearest_pairs(old: np.ndarray, new: np.ndarray) -> dict[int, int]:
    """Return for indices of `new` the index of the one of `old` that it goes on from, each used once."""
    if len(old) == len(new):
        return {j: j for j in range(len(new))}
    distance = np.abs(new[:, None] - old[None])
    pairs: dict[int, int] = {}
    for _ in range(min(len(old), len(new))):
        j, i = np.unravel_index(np.argmin(distance), distance.shape)
        pairs[int(j)] = int(i)
        distance[j], distance[:, i] = np.inf, np.inf
    return pairs


def _folds(model, points: OperatingPoints, along, rows: list[np.ndarray], breaks: Sequence[int]) -> np.ndarray:
    """Return (along, R) of every place where the number of fixed points changes by two."""
    counts = [len(row) for row in rows]
    changes = [k for k in range(len(rows) - 1) if abs(counts[k] - counts[k + 1]) == 2 and k + 1 not in breaks]
    if not changes:
        return np.zeros((0, 2))
    index = np.array(changes)
    before, after = points.take(index), points.take(index + 1)
    left, right = np.zeros(len(index)), np.ones(len(index))
    more = np.array([len(rows[k]) > len(rows[k + 1]) for k in changes])
    fewer_count = np.array([min(len(rows[k]), len(rows[k + 1])) for k in changes])
    pairs = [rows[k] if up else rows[k + 1] for k, up in zip(changes, more, strict=True)]
    for _ in range(12):
        middle = (left + right) / 2.0
        found = fixed_points(model, before.between(after, middle))
        for i in range(len(index)):
            here = found.redox[found.point == i]
            many = len(here) > fewer_count[i]
            pairs[i] = here if many else pairs[i]
            left[i], right[i] = (middle[i], right[i]) if many == more[i] else (left[i], middle[i])
    folds = []
    for i, k in enumerate(changes):
        if len(pairs[i]) > 1:
            j = int(np.argmin(np.diff(pairs[i])))
            folds.append((along[k] + left[i] * (along[k + 1] - along[k]), np.mean(pairs[i][j : j + 2])))
    return np.array(folds).reshape(-1, 2)
