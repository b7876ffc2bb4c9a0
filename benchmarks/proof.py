"""A reference for flux projection in extended precision, with a proof that it is the optimum.

The set of active bounds that the layer found is taken as given, and the equations of the optimum on it are solved
anew in numpy's longdouble (64 bits of mantissa on x86, 18 digits), from the stoichiometry on. Where the solution meets
the other bounds and every multiplier has its sign, it is the optimum, because the programme is convex, whoever
proposed the set. Where a bound is missed or a sign is wrong by rounding, as happens at a kink, the set is changed until
the proof holds. The equations, with a = (k - w)/sqrt(variance) for the kinetic rates k and rows r of the surplus
relations and active bounds times sqrt(variance), scaled to unit length:

    a - rows^T m = 0,    rows a = -rows w/sqrt(variance).

What no arithmetic helps against: a rounding of a coefficient, times the range of the variances, is what a loose flux
moves by when a stiff one is pulled.
"""

from typing import NamedTuple

import numpy as np
from problems import Problems

LONG = np.longdouble
CERTAIN = 1e-15
"""Part of the largest number by which a bound or a sign may be missed: far above longdouble's rounding."""
SLIGHT = 1e-11
"""The same where the active bounds imply others, as they often do. Then these hold only as exactly as the coefficients
of the network do, which are rounded to float64, and one more in the equations makes them singular. It is the part of
the largest kinetic rate by which the layer itself lets a bound be missed."""
_CHUNK = 1000


class Reference(NamedTuple):
    """fluxes: (n, reactions). missed: (n,) by how much the worst bound is missed, relative to the largest kinetic rate.

    wrong: (n,) most negative multiplier, relative to the largest, as a positive number. condition: (n,) of the rows.
    change: (n,) the bound to add, which is missed most, or else to drop, whose multiplier is most negative.
    """

    fluxes: np.ndarray
    missed: np.ndarray
    wrong: np.ndarray
    condition: np.ndarray
    change: np.ndarray

    @property
    def violation(self) -> np.ndarray:
        """The larger of `missed` and `wrong`; inf where the equations are singular."""
        return np.nan_to_num(np.maximum(self.missed, self.wrong), nan=np.inf)

    @property
    def certified(self) -> np.ndarray:
        return self.violation <= CERTAIN


def eliminate(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve systems (n, k, k) with right sides (n, k, c): Gaussian elimination with partial pivoting over a batch."""
    size, columns = matrix.shape[1], right.shape[2]
    work = np.ascontiguousarray(np.moveaxis(np.concatenate([matrix, right], axis=2), 0, -1))
    batch = np.arange(work.shape[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(size):
            pivot = j + np.argmax(np.abs(work[j:, j]), axis=0)
            row = work[pivot, :, batch].T.copy()
            work[pivot, :, batch] = work[j].T
            work[j] = row / row[j]
            work[j + 1 :, j:] -= work[j + 1 :, j, None] * work[j, j:]
        answer = np.empty((size, columns, len(batch)), matrix.dtype)
        for j in reversed(range(size)):
            answer[j] = work[j, size:] - np.sum(work[j, j + 1 : size, None] * answer[j + 1 :], axis=0)
    return np.moveaxis(answer, -1, 0)


def long_maps(problems: Problems) -> np.ndarray:
    """Return the maps from kinetic rates to all fluxes in longdouble, (n, reactions, kinetic)."""
    layer, network = problems.layer, problems.layer.network
    balances = list(layer.balances)
    usual = network.stoichiometry[balances].astype(LONG)
    change = network.shifted_stoichiometry[balances].astype(LONG) - usual
    shifted = list(layer.shifted_columns)
    basis = np.eye(len(network.names), dtype=LONG)[[network.index(name) for name in layer.basis]]
    right = np.zeros((len(network.names), len(basis) + len(shifted)), LONG)
    right[len(balances) :, : len(basis)] = np.eye(len(basis))
    right[: len(balances), len(basis) :] = change[:, shifted]
    solved = eliminate(np.concatenate([usual, basis])[None], right[None])[0]
    base, response = solved[:, : len(basis)], solved[:, len(basis) :]
    shift = problems.shift.astype(LONG)[:, None, None]
    coupling = np.eye(len(shifted), dtype=LONG) + shift * response[shifted]
    maps = base - np.sum(response[None, :, :, None] * eliminate(coupling, shift * base[shifted])[:, None], axis=2)
    full = np.zeros((len(problems), len(network.names), len(layer.kinetic)), LONG)
    full[:, :, [layer.kinetic.index(name) for name in layer.basis]] = maps
    return full


def solve(problems: Problems, active: np.ndarray) -> Reference:
    """Return the reference on the active bounds (n, bounds), in groups with the same number of them."""
    n, reactions = len(problems), len(problems.layer.network.names)
    answer = Reference(np.zeros((n, reactions), LONG), *(np.full(n, np.inf) for _ in range(3)), np.zeros(n, int))
    counts = np.sum(active, axis=1)
    for count in np.unique(counts):
        members = np.flatnonzero(counts == count)
        for chunk in np.array_split(members, -(-len(members) // _CHUNK)):
            found_in_chunk = _solve_alike(problems.some(chunk), active[chunk], int(count))
            for whole, found in zip(answer, found_in_chunk, strict=True):
                whole[chunk] = found
    return answer


def repaired(problems: Problems, active: np.ndarray, rounds: int = 10) -> Reference:
    """Return the reference where the active bounds are changed, one in a round, until the proof holds.

    Where it never does, the best of the rounds is returned.
    """
    active = active.copy()
    best = solve(problems, active)
    change = best.change.copy()
    left = np.flatnonzero(~best.certified)
    for _ in range(rounds):
        active[left, change[left]] ^= True
        answer = solve(problems.some(left), active[left])
        change[left] = answer.change
        better = answer.violation < best.violation[left]
        for whole, found in zip(best, answer, strict=True):
            whole[left[better]] = found[better]
        left = left[~answer.certified]
        if not len(left):
            break
    return best


def _solve_alike(problems: Problems, active: np.ndarray, count: int) -> Reference:
    layer, n, kinetic = problems.layer, len(problems), len(problems.layer.kinetic)
    maps = long_maps(problems)
    bounds = maps[:, problems.lower]
    relations = maps[:, [layer.network.index(name) for name in layer.surplus]].copy()
    relations[:, range(len(layer.surplus)), [layer.kinetic.index(name) for name in layer.surplus]] -= 1.0
    which = np.nonzero(active)[1].reshape(n, count)
    rows = np.concatenate([relations, bounds[np.arange(n)[:, None], which]], axis=1)

    root, kinetic_rates = np.sqrt(problems.variance.astype(LONG)), problems.kinetic_rates.astype(LONG)
    rows = rows * root[:, None]
    length = np.sqrt(np.sum(rows**2, axis=2, keepdims=True))
    rows = rows / np.where(length > 0, length, 1)
    equations = rows.shape[1]
    system = np.zeros((n, kinetic + equations, kinetic + equations), LONG)
    system[:, :kinetic, :kinetic] = np.eye(kinetic)
    system[:, :kinetic, kinetic:] = -np.swapaxes(rows, 1, 2)
    system[:, kinetic:, :kinetic] = rows
    right = np.concatenate(
        [np.zeros((n, kinetic), LONG), -np.sum(rows * (kinetic_rates / root)[:, None], axis=2)], axis=1
    )
    solved = eliminate(system, right[:, :, None])[:, :, 0]

    rates = kinetic_rates + root * solved[:, :kinetic]
    fluxes = np.sum(maps * rates[:, None], axis=2)
    below = -fluxes[:, problems.lower] * ~active
    missed = np.maximum(np.max(below, axis=1), 0) / np.max(np.abs(kinetic_rates), axis=1)
    multipliers = solved[:, kinetic:]
    largest = np.max(np.abs(multipliers), axis=1)
    negative = -multipliers[:, len(layer.surplus) :]
    wrong = np.max(negative, axis=1, initial=0.0) / np.where(largest > 0, largest, 1)
    add = np.argmax(below, axis=1)
    drop = which[np.arange(n), np.argmax(negative, axis=1)] if count else add
    change = np.where(missed > CERTAIN, add, drop)
    usable = np.all(np.isfinite(rows), axis=(1, 2))[:, None, None]
    condition = np.linalg.cond(np.where(usable, rows, 0).astype(float))
    return Reference(fluxes, missed.astype(float), wrong.astype(float), condition, change)
