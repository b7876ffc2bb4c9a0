"""The exact flux projection of a small network, in rational numbers: no rounding, no tolerance.

The balances are solved by rational elimination, the variances are the given floats, and "first the kinetic rates, then
the reference" is a weight of 2^-240 on the reference, which is a number like any other here. What remains is a strictly
convex programme; its dual is a linear complementarity problem, M m + q >= 0, m >= 0, m (M m + q) = 0, that Lemke's
method solves (C. E. Lemke, Management Science 11 (1965) 681-689). No part of the library is used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isinf

import numpy as np

LEVEL = Fraction(1, 2**240)
"""Weight of the reference, as a part of the smallest weight of a kinetic rate."""
_MOST_PIVOTS = 400

Matrix = list[list[Fraction]]


@dataclass(frozen=True)
class Exact:
    """fluxes: as floats, None if bounds and balances contradict each other; unique: whether the rates decide alone."""

    fluxes: np.ndarray | None
    unique: bool


def project(
    stoichiometry: np.ndarray,
    lower: Sequence[float],
    upper: Sequence[float],
    rates: Mapping[int, float],
    variances: Mapping[int, float],
    reference: Sequence[float] | None = None,
) -> Exact:
    """Return the exact projection.

    stoichiometry: of the balanced species, (species, reactions). rates, variances: by column; a variance of inf leaves
    a rate out, one of 0 is not for here. reference: fluxes, 0 by default.
    """
    space = null_space([[Fraction(float(x)) for x in row] for row in stoichiometry], len(lower))
    count, reactions = len(space), len(lower)
    target = [Fraction(0 if reference is None else float(reference[j])) for j in range(reactions)]
    used = [j for j in rates if not isinf(variances[j])]
    weights = {j: 1 / Fraction(float(variances[j])) for j in used}
    level = LEVEL * min(weights.values(), default=Fraction(1))
    hessian = [[level * sum(a[j] * b[j] for j in range(reactions)) for b in space] for a in space]
    linear = [level * sum(a[j] * target[j] for j in range(reactions)) for a in space]
    for j in used:
        for i, a in enumerate(space):
            if a[j]:
                linear[i] += weights[j] * a[j] * Fraction(float(rates[j]))
                for k, b in enumerate(space):
                    hessian[i][k] += weights[j] * a[j] * b[j]
    rows, right = [], []
    for bounds, sign in ((lower, 1), (upper, -1)):
        for j, bound in enumerate(bounds):
            if not isinf(bound):
                rows.append([sign * a[j] for a in space])
                right.append(sign * Fraction(float(bound)))
    columns = [[row[i] for row in rows] + [linear[i]] for i in range(count)]
    solved = solve(hessian, columns)  # H^-1 rows^T, and the point without bounds
    free = [solved[i][-1] for i in range(count)]
    m = [[sum(row[i] * solved[i][k] for i in range(count)) for k in range(len(rows))] for row in rows]
    q = [sum(row[i] * free[i] for i in range(count)) - b for row, b in zip(rows, right, strict=True)]
    multipliers = lemke(m, q)
    unique = rank([[a[j] for a in space] for j in used]) == count
    if multipliers is None:
        return Exact(None, unique)
    point = [free[i] + sum(solved[i][k] * multipliers[k] for k in range(len(rows))) for i in range(count)]
    fluxes = [sum(x * a[j] for x, a in zip(point, space, strict=True)) for j in range(reactions)]
    return Exact(np.array([float(v) for v in fluxes]), unique)


def reduced(matrix: Matrix) -> tuple[Matrix, list[int]]:
    """Return the reduced row echelon form and its pivot columns."""
    work, pivots, top = [row[:] for row in matrix], [], 0
    for column in range(len(work[0]) if work else 0):
        pivot = next((i for i in range(top, len(work)) if work[i][column]), None)
        if pivot is None:
            continue
        work[top], work[pivot] = work[pivot], work[top]
        head = work[top][column]
        work[top] = [x / head for x in work[top]]
        for i in range(len(work)):
            if i != top and work[i][column]:
                factor = work[i][column]
                work[i] = [x - factor * y if y else x for x, y in zip(work[i], work[top], strict=True)]
        pivots.append(column)
        top += 1
    return work, pivots


def null_space(matrix: Matrix, columns: int) -> Matrix:
    """Return a basis of the null space, one vector a row."""
    work, pivots = reduced(matrix)
    basis = []
    for free in (j for j in range(columns) if j not in pivots):
        vector = [Fraction(0)] * columns
        vector[free] = Fraction(1)
        for row, pivot in zip(work, pivots, strict=False):
            vector[pivot] = -row[free]
        basis.append(vector)
    return basis


def rank(matrix: Matrix) -> int:
    return len(reduced(matrix)[1])


def solve(matrix: Matrix, right: Matrix) -> Matrix:
    """Return the solution of a regular system."""
    work, _ = reduced([row + other for row, other in zip(matrix, right, strict=True)])
    return [row[len(matrix) :] for row in work]


def lemke(m: Matrix, q: list[Fraction]) -> list[Fraction] | None:
    """Return multipliers of the complementarity problem with a positive semidefinite matrix, None if there are none."""
    n = len(q)
    if all(x >= 0 for x in q):
        return [Fraction(0)] * n
    # w - M m - e z0 = q; columns: w, m, z0, the right side. Ties are decided by the columns of w (lexicographic).
    one, zero = Fraction(1), Fraction(0)
    table = [[one if i == k else zero for k in range(n)] + [-x for x in m[i]] + [-one, q[i]] for i in range(n)]
    basic = list(range(n))
    leaving = min(range(n), key=lambda i: (q[i], i))
    entering = 2 * n
    for _ in range(_MOST_PIVOTS):
        head = table[leaving][entering]
        table[leaving] = [x / head for x in table[leaving]]
        for i in range(n):
            factor = table[i][entering]
            if i != leaving and factor:
                table[i] = [x - factor * y if y else x for x, y in zip(table[i], table[leaving], strict=True)]
        left, basic[leaving] = basic[leaving], entering
        if left == 2 * n:
            found = [zero] * n
            for i, column in enumerate(basic):
                if n <= column < 2 * n:
                    found[column - n] = table[i][-1]
            return found
        entering = left + n if left < n else left - n
        rising = [i for i in range(n) if table[i][entering] > 0]
        if not rising:
            return None
        leaving = min(
            rising,
            key=lambda i: (
                table[i][-1] / table[i][entering],
                basic[i] != 2 * n,
                [x / table[i][entering] for x in table[i][:n]],
            ),
        )
    raise ArithmeticError(f"no solution in {_MOST_PIVOTS} pivots; a lexicographic order cannot cycle")
