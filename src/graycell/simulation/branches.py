"""Branches of the fixed points of a loop, see `loop_map`, and the ends of branches along a trajectory.

`branches` links the fixed points along a line of conditions, such as a trajectory or a range of one parameter, as in a
bifurcation diagram. `jumps` finds the times at which the branch of a trajectory ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from graycell.model import CultureModel
from graycell.numerics.roots import PRECISE
from graycell.simulation.loop_map import FixedPoints, OperatingPoints, fixed_points, response, resting_values

__all__ = ["Branches", "FixedPoints", "Jump", "OperatingPoints", "branches", "fixed_points", "jumps", "response",
           "resting_values"]  # fmt: skip

_HALVINGS, _PASSES = 20, 6
_SEEN, _JUMP = 0.05, 0.02
"""Changes of R [1], relative where R is above 1: those that are examined, and those that are jumps after halving."""


class Jump(NamedTuple):
    """The end of a branch along a trajectory.

    Attributes:
        time: [d].
        before: value of the loop variable, such as R [1].
        after: value of the loop variable.
        slope: dR'/dR [1] just before; 1 at a smooth fold.
    """

    time: float
    before: float
    after: float
    slope: float


@dataclass(frozen=True)
class Branches:
    """Fixed points linked along a line of n conditions, as in a bifurcation diagram.

    Attributes:
        along: (n,) time [d], or values of a parameter in its internal unit.
        loop_value: (branches, n) R [1]; NaN where a branch does not exist.
        slope: (branches, n) dR'/dR [1].
        folds: (f, 2) where two branches meet and end: the value of `along`, and R [1].
    """

    along: Float[np.ndarray, " n"]
    loop_value: Float[np.ndarray, "branches n"]
    slope: Float[np.ndarray, "branches n"]
    folds: Float[np.ndarray, "f 2"] = field(default_factory=lambda: np.zeros((0, 2)))


def branches(
    model: CultureModel, points: OperatingPoints, along: Float[np.ndarray, " n"], breaks: Sequence[int] = ()
) -> Branches:
    """Return the fixed points along a line of operating points, linked to branches.

    Neighbours with the same number of fixed points are linked by rank, else the nearest ones are linked. Where the
    number changes by two, the place is located by halving; the two branches that meet there end in a fold.

    Args:
        model: with a loop.
        points: along the line.
        along: (n,) time [d], or values of a parameter in its internal unit.
        breaks: numbers of points before which conditions jump, as after a bolus; all branches end there.

    Returns:
        The branches.

    Raises:
        ModelError: where a changed parameter is not in the model.
    """
    found = fixed_points(model, points)
    rows = [np.flatnonzero(found.point == k) for k in range(len(points))]
    lines: list[dict[int, int]] = []
    open_lines: list[int] = []
    for k, row in enumerate(rows):
        open_lines = [] if k in breaks else open_lines
        ends = found.loop_value[[lines[i][k - 1] for i in open_lines]] if open_lines else np.zeros(0)
        pairs = _nearest_pairs(ends, found.loop_value[row])
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
    loop_value, slope = np.full((2, len(lines), len(points)), np.nan)
    for i, line in enumerate(lines):
        for k, index in line.items():
            loop_value[i, k], slope[i, k] = found.loop_value[index], found.slope[index]
    along = np.asarray(along, float)
    folds = _folds(model, points, along, [found.loop_value[row] for row in rows], breaks)
    return Branches(along, loop_value, slope, folds)


def jumps(
    model: CultureModel,
    time: Float[np.ndarray, " n"],
    points: OperatingPoints,
    loop_value: Float[np.ndarray, " n"],
) -> list[tuple[int, Jump]]:
    """Return the places where R along a trajectory leaves its branch.

    Conditions are interpolated linearly between two points, and the interval is halved until R is continuous or jumps.
    Where R is on its way from one branch to another, the fixed point to which it goes is used in its place.

    Args:
        model: with a loop and the closure `Algebraic`.
        time: (n,) [d].
        points: of the trajectory.
        loop_value: (n,) R [1].

    Returns:
        The jumps, each with the number of the point after it.
    """
    if not np.any(np.abs(np.diff(loop_value)) > _SEEN):
        return []
    resting = np.abs(response(model, points, loop_value)[0] - loop_value) <= 1e3 * PRECISE
    goal = loop_value.copy()
    if not np.all(resting):
        goal[~resting], _ = resting_values(model, points.take(np.flatnonzero(~resting)), loop_value[~resting])
    change = np.abs(goal[1:] - loop_value[:-1])
    some = np.flatnonzero(resting[:-1] & (change > _SEEN * np.maximum(1.0, np.abs(loop_value[:-1]))))
    if not len(some):
        return []
    before, after = points.take(some), points.take(some + 1)
    left, right = np.zeros(len(some)), np.ones(len(some))
    at_left, at_right = loop_value[some].copy(), goal[some + 1].copy()
    whole, at_end = right.copy(), at_right.copy()
    for k in range(_PASSES):
        if k:
            # the step to the middle may have passed a close pair of roots: search again from nearby
            onward, _ = resting_values(model, before.between(after, right), at_left)
            goes_on = np.abs(onward - at_left) <= _JUMP * np.maximum(1.0, np.abs(at_left))
            if not np.any(goes_on):
                break
            left, at_left = np.where(goes_on, right, left), np.where(goes_on, onward, at_left)
            right, at_right = np.where(goes_on, whole, right), np.where(goes_on, at_end, at_right)
        for _ in range(_HALVINGS):
            middle = (left + right) / 2.0
            at_middle, _ = resting_values(model, before.between(after, middle), at_left)
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


def _nearest_pairs(old: np.ndarray, new: np.ndarray) -> dict[int, int]:
    """Return the index of the value in `old` that each index of `new` continues; each is used once."""
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
            here = found.loop_value[found.point == i]
            many = len(here) > fewer_count[i]
            pairs[i] = here if many else pairs[i]
            left[i], right[i] = (middle[i], right[i]) if many == more[i] else (left[i], middle[i])
    folds = []
    for i, k in enumerate(changes):
        if len(pairs[i]) > 1:
            j = int(np.argmin(np.diff(pairs[i])))
            folds.append((along[k] + left[i] * (along[k + 1] - along[k]), np.mean(pairs[i][j : j + 2])))
    return np.array(folds).reshape(-1, 2)
