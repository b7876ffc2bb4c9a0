r"""The active-set method for programmes on two levels: some coordinates have no weight.

Let the last `free` coordinates y of a point have no weight, and the others, x = (z - target)/sqrt(variance), all the
weight. Of the points that meet the rows, those nearest to the target in x are the first level; of these, the one
nearest in y is the second. It is the limit e -> 0 of a weight e on y. The method takes this limit in the formulas and
not in the numbers, so the two levels do not share the digits of a number:

- a row is (a, c), its parts in x and in y. Its part outside of the span of the active rows is that of c; only where c
  depends on the active rows, it is that of a. A step along the first kind moves y and leaves x alone;
- a multiplier is a pair, m0 + e m1. It has the right sign if m0 > 0, or if m0 = 0 and m1 >= 0;
- the dual basis D = (Dx, Dy) has a limit: of all vectors with rows @ D = 1, the shortest in x, and of these the
  shortest in y. All else follows from it: m0 = Dx . x, m1 = Dy . (y - target).
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from graycell.numerics.programme.block import Block, dot, numbers, products, unit
from graycell.numerics.programme.problem import INFEASIBLE, NOT_CONVERGED, RUNNING, SOLVED, Found, Tolerance


class _Split(NamedTuple):
    """A row beside the active ones.

    inside: (slots, width) coefficients of its part in their span; second: (slots, width) how fast their m1 fall on a
    step of the first level; outside: (n, width) direction in which the row alone changes; length: (width,) by how much
    per unit; moves_y, moves_x: (width,) on which level that is; neither where the row depends on the active ones.
    """

    inside: Array
    second: Array
    outside: Array
    length: Array
    moves_y: Array
    moves_x: Array


class Reached(NamedTuple):
    """What `block.State` holds, with the slots as first axis of arrays.

    Attributes:
        x: As in `block.State`.
        row: As in `block.State`.
        dual: As in `block.State`.
        scale: As in `block.State`.
        occupant: As in `block.State`.
        status: As in `block.State`.
    """

    x: Array
    row: Array
    dual: Array
    scale: Array
    occupant: Array
    status: Array


class _Search(NamedTuple):
    """Reached of the search; slots are the first axis.

    first, second: (slots, width) multipliers m0 and m1; place: (width,) the row on its way in, -1 for none;
    missed: (inequalities, width) violations; step: steps so far; the others as in `block.State`.
    """

    step: Array
    x: Array
    row: Array
    dual: Array
    scale: Array
    occupant: Array
    first: Array
    second: Array
    place: Array
    missed: Array
    status: Array


def search_levels(at: Block, slots: int, most_steps: int, free: int) -> Reached:
    """Run the whole method from the target.

    Args:
        at: The problems; the variance of the free coordinates is 1.
        slots: Number of slots.
        most_steps: Limit of steps.
        free: Number of coordinates without weight, the last ones.

    Returns:
        The last state, with the slots as first axis.
    """
    begun, contradicted = _meet_equalities(at, slots, free)
    missed = at.missed(at.point(begun.x))
    status = jnp.where(contradicted, INFEASIBLE, RUNNING)
    met = jnp.max(missed, axis=0, initial=-jnp.inf) <= at.allowed
    status = jnp.where((status == RUNNING) & met, SOLVED, status).astype(jnp.int32)
    nowhere = jnp.full(at.width, -1, jnp.int32)
    first, second = _multipliers(begun.dual, begun.x, free)
    now = _Search(jnp.asarray(0, jnp.int32), *begun[:5], first, second, nowhere, missed, status)
    if at.inequalities:
        now = lax.while_loop(
            lambda now: (now.step < most_steps) & jnp.any(now.status == RUNNING), partial(_step, at, slots, free), now
        )
    status = jnp.where(now.status == RUNNING, NOT_CONVERGED, now.status).astype(jnp.int32)
    return Reached(now.x, now.row, now.dual, now.scale, now.occupant, status)


def _meet_equalities(at: Block, slots: int, free: int) -> tuple[Reached, Array]:
    """Meet the equalities one after the other; return also where they contradict each other."""
    (n, width), dtype = at.target.shape, at.target.dtype
    gaps = at.equation_gaps(at.target)

    def body(j, carry):
        now, contradicted = carry
        row, scale = unit(at.equation(j) * at.root)
        gap = gaps[j] * scale - dot(row, now.x)
        split = _split(row, now.row, now.dual, free)
        enters = split.moves_y | split.moves_x
        new = jnp.where(enters, split.outside / split.length, 0.0)
        state = Reached(
            now.x + gap * new,
            now.row.at[j].set(jnp.where(enters, row, 0.0)),
            (now.dual - split.inside[:, None] * new[None]).at[j].set(new),
            now.scale.at[j].set(scale),
            now.occupant.at[j].set(jnp.where(enters, j, -1).astype(jnp.int32)),
            now.status,
        )
        return state, contradicted | (~enters & (jnp.abs(gap) > 1e3 * at.allowed * scale))

    blank = jnp.zeros((slots, n, width), dtype)
    begun = Reached(
        jnp.zeros_like(at.target),
        blank,
        blank,
        jnp.ones((slots, width), dtype),
        jnp.full((slots, width), -1, jnp.int32),
        jnp.full(width, RUNNING, jnp.int32),
    )
    if not at.equalities:
        return begun, jnp.zeros(width, bool)
    return lax.fori_loop(0, at.equalities, body, (begun, jnp.zeros(width, bool)))


def _cleaned(value, size):
    """Return 0 for what is rounding of a sum of terms of this size."""
    dust = 1e-14 if value.dtype == jnp.float64 else 3e-6
    return jnp.where(jnp.abs(value) <= dust * size, 0.0, value)


def _multipliers(dual, x, free: int):
    """Return m0 and m1 of the slots at a point where all of them hold."""
    cut = x.shape[0] - free
    terms = dual[:, :cut] * x[None, :cut]
    return _cleaned(jnp.sum(terms, axis=1), jnp.sum(jnp.abs(terms), axis=1)), products(dual[:, cut:], x[cut:])


def _split(row, rows, duals, free: int) -> _Split:
    tolerance = Tolerance.of(row.dtype)
    cut = row.shape[0] - free
    terms = duals * row[None]
    inside, size = jnp.sum(terms, axis=1), jnp.sum(jnp.abs(terms), axis=1)
    parts = rows * inside[:, None]
    spread = jnp.abs(row) + jnp.sum(jnp.abs(parts), axis=0)
    rest = row - jnp.sum(parts, axis=0)
    # the rest may be as short as the rounding of the row; taken from it once more, only its own rounding is left
    again = products(duals, rest)
    rest = rest - jnp.sum(rows * again[:, None], axis=0)
    inside = _cleaned(inside + again, size)
    in_x, in_y = rest[:cut], rest[cut:]
    length_y, length_x = dot(in_y, in_y), dot(in_x, in_x)
    moves_y = length_y > tolerance.dependent * dot(spread[cut:], spread[cut:])
    moves_x = ~moves_y & (length_x > tolerance.dependent * dot(spread[:cut], spread[:cut]))
    # a step in x changes the active rows unless y moves back
    back = -jnp.sum(duals[:, cut:] * products(rows[:, :cut], in_x)[:, None], axis=0)
    outside = jnp.concatenate([jnp.where(moves_x, in_x, 0.0), jnp.where(moves_y, in_y, jnp.where(moves_x, back, 0.0))])
    second = jnp.where(moves_x, -products(duals[:, cut:], back), 0.0)
    length = jnp.where(moves_y, length_y, jnp.where(moves_x, length_x, 1.0))
    return _Split(inside, second, outside, length, moves_y, moves_x)


def _step(at: Block, slots: int, free: int, now: _Search) -> _Search:
    """Move along the row on its way in until it is met or until an active row has to leave."""
    slot = numbers(slots)
    worst = jnp.max(now.missed, axis=0)
    index = numbers(at.inequalities)
    most = jnp.min(jnp.where(now.missed == worst, index, at.inequalities), axis=0).astype(jnp.int32)
    place = jnp.where(now.place < 0, most, now.place)
    row, scale = at.bound(place)
    split = _split(row, now.row, now.dual, free)
    gap = jnp.max(jnp.where(index == place, now.missed, -jnp.inf), axis=0) * scale

    # which active row blocks, and on which level: one without force on the first level blocks on the second
    held = now.occupant >= at.equalities
    blocking = at.tolerance.blocking
    loose, rising = held & (now.first <= 0.0), held & (split.inside > blocking)
    on_second = split.moves_y | jnp.any(loose & rising, axis=0)
    slack = jnp.maximum(jnp.where(loose, now.second, now.first), 0.0)
    slips = loose & ~rising & (split.inside >= -blocking) & (split.second > blocking)
    falls = jnp.where(rising & (loose | ~on_second), split.inside, jnp.where(slips & ~on_second, split.second, 0.0))
    ratio = jnp.where(falls > 0.0, slack / jnp.where(falls > 0.0, falls, 1.0), jnp.inf)
    least = jnp.min(ratio, axis=0)
    # rows whose c depend on each other lose their force on the first level together: the second decides between them
    together = rising & ~loose & (ratio <= least * (1.0 + at.tolerance.tied)) & ~on_second & jnp.isfinite(least)
    after = (now.second - jnp.where(together, least, 0.0) * split.second) / jnp.where(together, split.inside, 1.0)
    after = jnp.where(together, after, jnp.inf)
    first_of_them = jnp.min(after, axis=0)
    tied = jnp.any(together, axis=0)
    leaving = jnp.min(jnp.where(jnp.where(tied, after == first_of_them, ratio == least), slot, slots), axis=0)
    vacant = jnp.min(jnp.where(now.occupant < 0, slot, slots), axis=0)
    goes = split.moves_y | (split.moves_x & ~on_second)
    full = jnp.where(goes, gap / split.length, jnp.inf)
    enters = full <= least
    stuck = jnp.isinf(full) & jnp.isinf(least)
    crowded = enters & ~stuck & (vacant == slots)
    moves = (now.status == RUNNING) & ~stuck & ~crowded
    enters = enters & moves
    leaves = moves & ~enters
    t = jnp.where(moves, jnp.minimum(full, least), 0.0)

    changed = (slot == jnp.where(enters, vacant, leaving)) & moves
    new = jnp.where(enters, split.outside / split.length, 0.0)
    gone = jnp.sum(jnp.where(((slot == leaving) & leaves)[:, None], now.dual, 0.0), axis=0)
    dual = now.dual - jnp.where(enters, split.inside, 0.0)[:, None] * new[None]
    dual = jnp.where(leaves, _without(dual, gone, free), dual)
    dual = jnp.where(changed[:, None], new[None], dual)
    x = now.x + jnp.where(goes, t, 0.0) * split.outside
    first_time = jnp.where(on_second, 0.0, t)
    second_time = jnp.where(on_second, t, jnp.where(leaves & tied, first_of_them, 0.0))
    fresh = _multipliers(dual, x, free)
    first = jnp.where(leaves & together, 0.0, now.first - first_time * split.inside)
    first = jnp.where(enters, fresh[0], first)
    second = jnp.where(enters, fresh[1], now.second - second_time * split.inside - first_time * split.second)
    gone_too = changed & leaves
    missed = at.missed(at.point(x))
    solved = enters & (jnp.max(missed, axis=0) <= at.allowed)
    status = jnp.where(solved, SOLVED, jnp.where(crowded, NOT_CONVERGED, RUNNING))
    status = jnp.where(stuck, INFEASIBLE, status)
    return _Search(
        now.step + 1,
        x,
        jnp.where(changed[:, None], jnp.where(enters, row, 0.0)[None], now.row),
        dual,
        jnp.where(changed, scale, now.scale),
        jnp.where(changed, jnp.where(enters, at.equalities + place, -1), now.occupant).astype(jnp.int32),
        jnp.where(gone_too, 0.0, first),
        jnp.where(gone_too, 0.0, second),
        jnp.where(moves, jnp.where(enters, -1, place), now.place),
        missed,
        jnp.where(now.status == RUNNING, status, now.status).astype(jnp.int32),
    )


def _without(dual, gone, free: int):
    """Return the dual basis without one of its vectors."""
    cut = gone.shape[0] - free
    square_x, square_y = dot(gone[:cut], gone[:cut]), dot(gone[cut:], gone[cut:])
    along_x = products(dual[:, :cut], gone[:cut]) / jnp.where(square_x > 0.0, square_x, 1.0)
    along_y = products(dual[:, cut:], gone[cut:]) / jnp.where(square_y > 0.0, square_y, 1.0)
    parts = jnp.where(square_x > 0.0, along_x, along_y)[:, None] * gone[None]
    left = _cleaned(dual - parts, jnp.abs(dual) + jnp.abs(parts))
    # a vector whose part in x is rounding has none: its row has no force on the first level
    before = jnp.sum(dual[:, :cut] ** 2, axis=1)
    keeps = jnp.sum(left[:, :cut] ** 2, axis=1) > Tolerance.of(dual.dtype).dependent * before
    return jnp.concatenate([jnp.where(keeps[:, None], left[:, :cut], 0.0), left[:, cut:]], axis=1)


def finish_levels(at: Block, state: Reached, free: int, factored: bool) -> Found:
    """Compute the point anew from the dual basis, so that no step leaves its rounding in it.

    Args:
        at: The problems.
        state: The last state of the search.
        free: Number of coordinates without weight, the last ones.
        factored: Whether to return multipliers, in a pair (m0, m1), and dual basis.

    Returns:
        The result.
    """
    filled = state.occupant >= 0
    x = jnp.zeros_like(state.x)
    for _ in range(2):
        z = at.point(x)
        every = jnp.concatenate([at.equation_gaps(z), at.missed(z)])
        gaps = jnp.take_along_axis(every, jnp.where(filled, state.occupant, 0), axis=0)
        x = x + jnp.sum(state.dual * jnp.where(filled, gaps * state.scale, 0.0)[:, None], axis=0)
    found = Found(at.point(x), state.status, state.occupant, None, None)
    if not factored:
        return found
    first, second = _multipliers(state.dual, x, free)
    return found._replace(
        multiplier=(first * state.scale, second * state.scale), dual_basis=state.dual * state.scale[:, None]
    )
