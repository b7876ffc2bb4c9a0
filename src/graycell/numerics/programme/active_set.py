"""The dual active-set method of Goldfarb & Idnani for a block of least-distance programmes.

The steps are those of the three passes (see `graycell.numerics.programme`): meet the equalities, add a few
inequalities, run the whole method; `finish` tests for the optimum.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from graycell.numerics.programme.block import Block, State, dot, numbers, products, stacked, unit
from graycell.numerics.programme.problem import INFEASIBLE, NOT_CONVERGED, RUNNING, SOLVED, Found, Tolerance

_ADDED = 3
"""Rows that the second pass adds. At most states of a culture two or fewer bounds are active."""


def meet_equalities(at: Block) -> State:
    """Meet the equalities, one after the other and unrolled.

    Args:
        at: The problems, with few equalities.

    Returns:
        The nearest point on the equalities; INFEASIBLE where they contradict each other.
    """
    everywhere = jnp.ones(at.width, bool)
    state = State(jnp.zeros_like(at.target), (), (), (), (), jnp.zeros(at.width, jnp.int32))
    contradicted = ~everywhere
    gaps = at.equation_gaps(at.target)
    for j in range(at.equalities):
        row, scale = unit(at.equation(j) * at.root)
        gap = gaps[j] * scale - dot(row, state.x)
        state, free = _enter(state, row, scale, gap, jnp.full(at.width, j, jnp.int32), everywhere)
        contradicted = contradicted | _contradicts(at, free, gap, scale)
    return state._replace(status=jnp.where(contradicted, INFEASIBLE, RUNNING).astype(jnp.int32))


def meet_many_equalities(at: Block) -> State:
    """Meet the equalities, one after the other in a loop.

    Args:
        at: The problems, with any number of equalities.

    Returns:
        The nearest point on the equalities; INFEASIBLE where they contradict each other.
    """
    (n, width), count = at.target.shape, at.equalities
    gaps = at.equation_gaps(at.target)

    def body(j, now):
        x, row, dual, scale, occupant, contradicted = now
        new_row, new_scale = unit(at.equation(j) * at.root)
        gap = gaps[j] * new_scale - dot(new_row, x)
        outside, inside = _split_many(new_row, row, dual)
        length = dot(outside, outside)
        free = length > at.tolerance.dependent
        new = jnp.where(free, outside / jnp.where(free, length, 1.0), 0.0)
        return (
            x + gap * new,
            row.at[j].set(jnp.where(free, new_row, 0.0)),
            (dual - inside[:, None] * new[None]).at[j].set(new),
            scale.at[j].set(new_scale),
            occupant.at[j].set(jnp.where(free, j, -1).astype(jnp.int32)),
            contradicted | _contradicts(at, free, gap, new_scale),
        )

    blank = jnp.zeros((count, n, width), at.target.dtype)
    none = jnp.full((count, width), -1, jnp.int32)
    first = (jnp.zeros_like(at.target), blank, blank, blank[:, 0], none, jnp.zeros(width, bool))
    *reached, contradicted = lax.fori_loop(0, count, body, first)
    status = jnp.where(contradicted, INFEASIBLE, RUNNING).astype(jnp.int32)
    x, row, dual, scale, occupant = reached
    return State(x, row, dual, scale, occupant, status)


def _contradicts(at: Block, free, gap, scale):
    """Return where an equality in the span of the ones before it does not hold with them."""
    return ~free & (jnp.abs(gap) > 1e3 * at.allowed * scale)


def _enter(state: State, row, scale, gap, occupant, takes, projections=2) -> tuple[State, Array]:
    """Add `row` in a new slot where `takes`; `gap` is its right minus left side at x. Return also where it was free."""
    tolerance = Tolerance.of(row.dtype)
    outside, inside = _split(row, state.row, state.dual, projections)
    length = dot(outside, outside)
    free = length > tolerance.dependent
    takes = takes & free
    dual = jnp.where(takes, outside / jnp.where(free, length, 1.0), 0.0)
    duals = tuple(d - c * dual for d, c in zip(state.dual, inside, strict=True))
    return State(
        state.x + gap * dual,
        (*state.row, jnp.where(takes, row, 0.0)),
        (*duals, dual),
        (*state.scale, scale),
        (*state.occupant, jnp.where(takes, occupant, -1)),
        state.status,
    ), free


def _split(row, rows, duals, projections):
    """Return the part of `row` outside the span of `rows`, and the coefficients of its part inside.

    After one projection the part outside may still hold rounding of the row's own size; two are enough.
    """
    coefficients = [jnp.zeros_like(row[0]) for _ in rows]
    for _ in range(projections):
        again = [dot(dual, row) for dual in duals]
        for c, r in zip(again, rows, strict=True):
            row = row - c * r
        coefficients = [a + b for a, b in zip(coefficients, again, strict=True)]
    return row, coefficients


def _split_many(row, rows, duals):
    """Do the same as `_split`, with the slots as first axis of arrays; empty ones are 0."""
    inside = jnp.zeros((rows.shape[0], row.shape[-1]), row.dtype)
    for _ in range(2):
        again = products(duals, row)
        row = row - jnp.sum(rows * again[:, None], axis=0)
        inside = inside + again
    return row, inside


def _most_missed(missed):
    """Return the largest entry of each column, and the number of the first row that has it."""
    worst = jnp.max(missed, axis=0)
    count = missed.shape[0]
    return worst, jnp.min(jnp.where(missed == worst, numbers(count), count), axis=0).astype(jnp.int32)


def add_rows(at: Block, state: State) -> State:
    """Add the row with the largest violation, a few times; then let rows with a negative multiplier leave.

    Args:
        at: The problems.
        state: A point on the equalities.

    Returns:
        The state with a few more slots.
    """
    if not at.inequalities:
        return state
    missed = at.missed(at.point(state.x))
    blank = jnp.zeros_like(state.x)

    def add(given):
        state, missed = given
        worst, place = _most_missed(missed)
        row, scale = at.bound(place)
        takes = (state.status == RUNNING) & (worst > at.allowed)
        state, _ = _enter(state, row, scale, worst * scale, at.equalities + place, takes, projections=1)
        return state, at.missed(at.point(state.x))

    def pass_by(given):
        state, missed = given
        scale, none = jnp.ones_like(blank[0]), jnp.full(at.width, -1, jnp.int32)
        rows, duals = (*state.row, blank), (*state.dual, blank)
        return State(state.x, rows, duals, (*state.scale, scale), (*state.occupant, none), state.status), missed

    added = min(_ADDED, blank.shape[0] - at.equalities)  # a point can be held by no more rows than it has coordinates
    for _ in range(added):
        needed = jnp.any((state.status == RUNNING) & (jnp.max(missed, axis=0) > at.allowed))
        state, missed = lax.cond(needed, add, pass_by, (state, missed))
    for _ in range(added - 1):
        multipliers = products(state.dual[at.equalities :], state.x)
        leave = partial(_leave, at, multipliers=multipliers)
        state = lax.cond(jnp.any(multipliers < 0.0), leave, lambda state: state, state)
    return state


def _leave(at: Block, state: State, multipliers) -> State:
    """Let the row with the most negative multiplier leave."""
    least = jnp.min(multipliers, axis=0)
    leaves = (state.status == RUNNING) & (least < 0.0)
    rows, duals, occupants = list(state.row), list(state.dual), list(state.occupant)
    gone, its = jnp.zeros_like(state.x), jnp.zeros_like(least)
    for k, multiplier in enumerate(multipliers, start=at.equalities):
        here = leaves & (multiplier == least)
        gone = jnp.where(here, duals[k], gone)
        its = jnp.where(here, multiplier, its)
        rows[k] = jnp.where(here, 0.0, rows[k])
        occupants[k] = jnp.where(here, -1, occupants[k])
    square = dot(gone, gone)
    direction = gone / jnp.where(square > 0.0, square, 1.0)
    empty = [occupant < 0 for occupant in occupants]
    duals = [jnp.where(e, 0.0, dual - dot(dual, direction) * gone) for e, dual in zip(empty, duals, strict=True)]
    return state._replace(x=state.x - its * direction, row=tuple(rows), dual=tuple(duals), occupant=tuple(occupants))


class _Search(NamedTuple):
    """State of the whole method, with the slots as first axis.

    place: (width,) the row on its way in, -1 for none; held: (width,) its multiplier so far; missed: (inequalities,
    width) violations; step: steps so far; the others as in `State`.
    """

    step: Array
    x: Array
    row: Array
    dual: Array
    scale: Array
    occupant: Array
    place: Array
    held: Array
    missed: Array
    status: Array


def search(at: Block, begun: State, slots: int, most_steps: int) -> State:
    """Run the whole method, starting from the equalities.

    Args:
        at: The problems.
        begun: A point on the equalities.
        slots: Number of slots.
        most_steps: Limit of steps.

    Returns:
        The last state, with the slots as first axis.
    """
    if not at.inequalities:
        return begun
    (n, width), dtype = at.target.shape, at.target.dtype
    empty = slots - at.equalities

    def stack(parts, blank):
        return jnp.concatenate([stacked(parts, blank), jnp.broadcast_to(blank, (empty, *blank.shape))])

    blank = jnp.zeros((n, width), dtype)
    first = _Search(
        jnp.asarray(0, jnp.int32),
        begun.x,
        stack(begun.row, blank),
        stack(begun.dual, blank),
        stack(begun.scale, jnp.ones(width, dtype)),
        stack(begun.occupant, jnp.full(width, -1, jnp.int32)),
        jnp.full(width, -1, jnp.int32),
        jnp.zeros(width, dtype),
        at.missed(at.point(begun.x)),
        begun.status,
    )
    met = jnp.max(first.missed, axis=0) <= at.allowed
    first = first._replace(status=jnp.where((begun.status == RUNNING) & met, SOLVED, begun.status).astype(jnp.int32))
    last = lax.while_loop(
        lambda now: (now.step < most_steps) & jnp.any(now.status == RUNNING), partial(_step, at, slots), first
    )
    status = jnp.where(last.status == RUNNING, NOT_CONVERGED, last.status).astype(jnp.int32)
    return State(last.x, last.row, last.dual, last.scale, last.occupant, status)


def _step(at: Block, slots: int, now: _Search) -> _Search:
    """Move along the row on its way in until it is met or until an active row has to leave."""
    slot = numbers(slots)
    place = jnp.where(now.place < 0, _most_missed(now.missed)[1], now.place)
    row, scale = at.bound(place)
    outside, inside = _split_many(row, now.row, now.dual)
    length = dot(outside, outside)
    free = length > at.tolerance.dependent
    gap = jnp.max(jnp.where(numbers(at.inequalities) == place, now.missed, -jnp.inf), axis=0) * scale
    full = jnp.where(free, gap / jnp.where(free, length, 1.0), jnp.inf)
    multipliers = products(now.dual, now.x) - inside * now.held
    blocks = (now.occupant >= at.equalities) & (inside > at.tolerance.blocking)
    ratio = jnp.where(blocks, jnp.maximum(multipliers, 0.0) / jnp.where(blocks, inside, 1.0), jnp.inf)
    least = jnp.min(ratio, axis=0)
    leaving = jnp.min(jnp.where(ratio == least, slot, slots), axis=0)
    vacant = jnp.min(jnp.where(now.occupant < 0, slot, slots), axis=0)
    enters = full <= least
    stuck = jnp.isinf(full) & jnp.isinf(least)
    # no slot is left only if rounding hid that the row depends on the active ones
    crowded = enters & ~stuck & (vacant == slots)
    moves = (now.status == RUNNING) & ~stuck & ~crowded
    t = jnp.where(moves, jnp.minimum(full, least), 0.0)
    gone = jnp.sum(jnp.where((slot == leaving)[:, None], now.dual, 0.0), axis=0)
    square = dot(gone, gone)
    along = products(now.dual, gone) / jnp.where(square > 0.0, square, 1.0)
    new = outside / jnp.where(free, length, 1.0)
    taken = jnp.where(moves, jnp.where(enters, inside, along), 0.0)
    dual = now.dual - taken[:, None] * jnp.where(enters, new, gone)[None]
    changed = (slot == jnp.where(enters, vacant, leaving)) & moves
    x = now.x + jnp.where(free, t, 0.0) * outside
    missed = at.missed(at.point(x))
    solved = enters & (jnp.max(missed, axis=0) <= at.allowed)
    status = jnp.where(solved, SOLVED, jnp.where(crowded, NOT_CONVERGED, RUNNING))
    status = jnp.where(stuck, INFEASIBLE, status)
    return _Search(
        now.step + 1,
        x,
        jnp.where(changed[:, None], jnp.where(enters, row, 0.0)[None], now.row),
        jnp.where(changed[:, None], jnp.where(enters, new, 0.0)[None], dual),
        jnp.where(changed, scale, now.scale),
        jnp.where(changed, jnp.where(enters, at.equalities + place, -1), now.occupant),
        jnp.where(moves, jnp.where(enters, -1, place), now.place),
        jnp.where(enters, 0.0, now.held + t),
        missed,
        jnp.where(now.status == RUNNING, status, now.status).astype(jnp.int32),
    )


def finish(at: Block, state: State, slots: int, factored: bool) -> Found:
    """Test the problems that are running for their optimum, and refine the point by one step.

    The test: inequalities are met, active rows hold with equality, their multipliers have the right sign. Rounding
    shows as gaps of the active rows; the dual basis closes them.

    Args:
        at: The problems.
        state: The last state of a pass.
        slots: Number of slots of the result.
        factored: Whether to return multipliers and dual basis.

    Returns:
        The result; SOLVED where the test proves the optimum.
    """
    count = len(state.row)
    dual = state.dual
    scale = stacked(state.scale, jnp.zeros(at.width, state.x.dtype))
    occupant = stacked(state.occupant, jnp.zeros(at.width, jnp.int32))
    z = at.point(state.x)
    missed = at.missed(z)
    gaps = at.equation_gaps(z)
    if count > at.equalities:
        place = jnp.clip(occupant[at.equalities :] - at.equalities, 0, at.inequalities - 1)
        gaps = jnp.concatenate([gaps, jnp.take_along_axis(missed, place, axis=0)])
    gaps = jnp.where(occupant >= 0, gaps, 0.0)
    multiplier = products(dual, state.x)
    optimal = jnp.max(missed, axis=0, initial=-jnp.inf) <= at.allowed
    optimal = optimal & (jnp.max(jnp.abs(gaps), axis=0, initial=0.0) <= at.allowed)
    optimal = optimal & (jnp.min(multiplier[at.equalities :], axis=0, initial=0.0) >= 0.0)
    closing = sum((gap * vector for gap, vector in zip(gaps * scale, dual, strict=True)), jnp.zeros_like(z))

    def padded(parts, blank):
        return jnp.concatenate([parts, jnp.full((slots - count, *parts.shape[1:]), blank, parts.dtype)])

    found = Found(
        z + at.root * closing,
        jnp.where((state.status == RUNNING) & optimal, SOLVED, state.status).astype(jnp.int32),
        padded(occupant, -1),
        None,
        None,
    )
    if not factored:
        return found
    multiplier = (multiplier + products(dual, closing)) * scale
    signed = numbers(count) >= at.equalities
    multiplier = jnp.where(signed, jnp.maximum(multiplier, 0.0), multiplier)
    dual_basis = stacked(dual, jnp.zeros_like(z)) * scale[:, None]
    return found._replace(multiplier=padded(multiplier, 0.0), dual_basis=padded(dual_basis, 0.0))
