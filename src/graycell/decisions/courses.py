"""Courses: what the goals of a plan are in every draw of a prediction, and what a plan leads to."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from graycell.decisions.goals import AT_END, Goals
from graycell.formulas.tree import TIME, names_in


class Judged(NamedTuple):
    """A plan in all draws.

    Attributes:
        objective: (draws,) what is maximised; NaN in a draw that could not be simulated.
        margins: (draws, rows) by how much each constraint is kept at each of its points; below 0 it is broken, and
            infinite where it is not asked for.
        outside: (draws,) [1] how far the course leaves the states that were measured, in widths of their ranges.
        wrong: (draws,) how wrong the model is in what is maximised, a standard deviation, beside what the draws hold.
        sizes: (rows,) sizes of the constraints that the margins are of.
        owners: (rows,) numbers of these constraints; beyond them those of `reserves`.
        reserves: substrates that the training runs were never without, and a plan must not be either.
        slopes: (draws, 1 + rows + 2, decisions) derivatives of the objective, the margins, `outside` and `wrong` by
            the decisions; None without them.
    """

    objective: np.ndarray
    margins: np.ndarray
    outside: np.ndarray
    wrong: np.ndarray
    sizes: np.ndarray
    owners: np.ndarray
    reserves: tuple[str, ...] = ()
    slopes: np.ndarray | None = None


class Course(NamedTuple):
    """What a plan leads to.

    Attributes:
        time: (n,) [d].
        names: quantities.
        units: of each, by name.
        best: (n, quantities) the estimate.
        low: (n, quantities) the 5 % quantile of the culture.
        high: (n, quantities) the 95 % quantile.
    """

    time: np.ndarray
    names: tuple[str, ...]
    units: Mapping[str, str]
    best: np.ndarray
    low: np.ndarray
    high: np.ndarray


def margins_of(goals: Goals, flat: Mapping[str, Any], ends: Mapping[str, Any], xp: Any) -> Any:
    """Return the margins of all constraints at all their points.

    Args:
        goals: of a plan.
        flat: (points,) each quantity by name; numbers without points, as decisions, too.
        ends: the same at the end.
        xp: numpy or jax.numpy.

    Returns:
        (rows,) in the order of the constraints; infinite where one is not asked for.
    """
    rows = []
    for one in goals.constraints:
        constant = not any(getattr(flat[name], "ndim", 0) for name in names_in(one.tree))
        of = ends if one.when == AT_END or constant else flat
        for high, low in one.sides(of.__getitem__, xp):
            margin = xp.atleast_1d(xp.asarray(high - low, float))
            if isinstance(one.when, tuple) and not constant:
                first, last = one.when
                here = (flat[TIME] >= first - 1e-9) & (flat[TIME] <= last + 1e-9)
                margin = xp.where(here, margin, xp.inf)
            rows.append(margin)
    return xp.concatenate(rows) if rows else xp.zeros(0)


def rows_of(goals: Goals, varying: set[str], total: int, reserves: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the size and the number of the constraint of every row of the margins.

    Args:
        goals: of a plan.
        varying: names that have a value at every point.
        total: number of rows.
        reserves: number of substrates that must not run out, whose rows come last.

    Returns:
        Sizes and numbers, (rows,) each.
    """
    pairs = [len(one.tree.arguments) - 1 for one in goals.constraints] + [1] * reserves
    single = [one.when == AT_END or not varying & set(names_in(one.tree)) for one in goals.constraints]
    single += [False] * reserves
    alone = sum(count for count, is_one in zip(pairs, single, strict=True) if is_one)
    points = (total - alone) // max(sum(pairs) - alone, 1)
    owners = np.repeat(np.arange(len(pairs)), [count * (1 if is_one else points)
                                               for count, is_one in zip(pairs, single, strict=True)])  # fmt: skip
    return np.array([one.size for one in goals.constraints] + [1.0] * reserves)[owners], owners
