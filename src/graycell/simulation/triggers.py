"""Triggers in a simulation: the solver stops where a condition changes, and what fires sets its new values."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, Bool, Float

from graycell.errors import ModelError
from graycell.model import CultureModel, CultureState, Surroundings
from graycell.simulation.tangent import Moving

_MOST_STOPS = 4096
"""Stops of the solver within a segment: a chain of triggers that never ends is a fault of the model."""
_MOST_FIRED = 1024
"""Triggers that fire at one time."""
_ROOT_TOLERANCE = 1e-13
"""[1] Of the time of a trigger, relative to it."""
_TINY = 1e-30
"""Size of a function that only changes its sign: below any tolerance, so that the bracket alone ends the search."""
_MOST_MOVES = 64
"""Doublings of a rounding that move the time past the change of a condition."""


def solve_with_triggers(
    model: CultureModel,
    solve: Callable[..., Any],
    rate: Callable[[Any, Moving], Moving],
    at: Callable[[Any], Surroundings],
    begin: Moving,
    true: Bool[Array, " triggers"],
    stop: Float[Array, ""],
    alive: Array,
) -> tuple[Moving, Bool[Array, " triggers"], Array]:
    """Solve a segment of a model with triggers; there is no derivative through it.

    Args:
        model: with triggers.
        solve: from a time, what moves, what to save and an event of diffrax to the solution at the end of the segment.
        rate: from a time and what moves to its rate of change.
        at: from a time to the surroundings.
        begin: what moves, at the beginning of the segment.
        true: whether the conditions held just before.
        stop: [d] end of the segment, from its beginning.
        alive: whether no segment failed so far.

    Returns:
        What moves at the end, after what fires there; whether each condition holds; whether the solver got there.

    Raises:
        ModelError: where JAX differentiates it.
    """
    begin = begin._replace(state=_without_derivative(begin.state))

    def on(carry):
        s, *_, stops, ok = carry
        return ok & (s < stop) & (stops < _MOST_STOPS)

    def piece(carry):
        s, now, true, stops, _ = carry

        def unchanged(t, y, args, **kwargs):
            return jnp.where(jnp.all(model.triggered(y.state, at(t)).true == true), _TINY, -_TINY)

        root_finder = optimistix.Bisection(rtol=_ROOT_TOLERANCE, atol=_ROOT_TOLERANCE)
        solution = solve(s, now, diffrax.SaveAt(t1=True), diffrax.Event(unchanged, root_finder))
        reached, end = solution.ts[-1], jax.tree.map(lambda leaf: leaf[-1], solution.ys)
        stopped = solution.result == diffrax.RESULTS.event_occurred
        ok = stopped | (solution.result == diffrax.RESULTS.successful)
        past, end = _past_the_change(model, rate, at, reached, end, true, stop, stopped)
        reached = jnp.where(stopped, past, stop)
        state, true, fired = fire(model, at(reached), end.state, true)
        return reached, end._replace(state=state), true, stops + 1, ok & fired

    state, true, fired = fire(model, at(jnp.zeros(())), begin.state, true)
    first = jnp.zeros(()), begin._replace(state=state), true, jnp.asarray(0), alive & fired
    s, end, true, _, ok = lax.while_loop(on, piece, first)
    return end, true, ok & (s >= stop)


def _past_the_change(model, rate, at, s, end, true, stop, stopped):
    """Return the first time after the change of a condition, and what was solved there: the root may be before it."""
    slope = rate(s, end)

    def moved(step):
        return jax.tree.map(lambda leaf, by: leaf + step * by, end, slope)

    def before(carry):
        step, moves = carry
        same = jnp.all(model.triggered(moved(step).state, at(s + step)).true == true)
        return stopped & same & (moves < _MOST_MOVES) & (s + step < stop)

    first = jnp.zeros(()), jnp.asarray(0)
    least = 4.0 * jnp.finfo(float).eps * jnp.maximum(jnp.abs(s), 1e-3)
    step, _ = lax.while_loop(before, lambda carry: (jnp.maximum(2.0 * carry[0], least), carry[1] + 1), first)
    step = jnp.minimum(step, stop - s)
    return s + step, moved(step)


def fire(
    model: CultureModel, at: Surroundings, state: CultureState, true: Bool[Array, " triggers"]
) -> tuple[CultureState, Bool[Array, " triggers"], Array]:
    """Return the state after everything that fires at one time, as events of SBML do.

    Args:
        model: with triggers.
        at: surroundings.
        state: before it.
        true: whether the conditions held just before.

    Returns:
        The state, whether each condition holds now, and whether an end was reached.
    """
    persistent = jnp.asarray([trigger.persistent for trigger in model.triggers])
    at_trigger = jnp.asarray([trigger.at_trigger for trigger in model.triggers])
    targets = (*model.species, *model.variable_names)
    sets = jnp.asarray([[name in trigger.targets for name in targets] for trigger in model.triggers])
    species = len(model.species)

    def waiting(carry):
        _, true, pending, _, now, count, _ = carry
        return (jnp.any(pending > 0) | jnp.any(now.true & ~true)) & (count < _MOST_FIRED)

    def one(carry):
        state, true, pending, stored, now, count, ok = carry
        rising = now.true & ~true
        # of one that waits twice with values of the time at which it rose, the last ones alone are kept
        other = jnp.any(sets & (stored != now.values), axis=1)
        ok &= ~jnp.any(rising & (pending > 0) & at_trigger & other)
        stored = jnp.where(rising[:, None], now.values, stored)
        # one that rises again before its turn happens once more
        pending = jnp.where(persistent | now.true, jnp.where(rising, pending + 1, pending), 0)
        first = jnp.argmax(jnp.where(pending > 0, now.priority, -jnp.inf))
        values = jnp.where(at_trigger[first], stored[first], now.values[first])
        old = jnp.concatenate([state.concentrations, state.variables])
        new = jnp.where(sets[first] & (pending[first] > 0), values, old)
        state = CultureState(new[:species] * state.volume, state.volume, new[species:])
        pending = pending.at[first].set(jnp.maximum(pending[first] - 1, 0))
        return state, now.true, pending, stored, model.triggered(state, at), count + 1, ok

    now = model.triggered(state, at)
    none = jnp.zeros(len(model.triggers), jnp.int32)
    carry = state, true, none, now.values, now, jnp.asarray(0), jnp.asarray(True)
    state, _, _, _, now, count, ok = lax.while_loop(waiting, one, carry)
    return state, now.true, ok & (count < _MOST_FIRED)


@jax.custom_jvp
def _without_derivative(state: CultureState) -> CultureState:
    return state


@_without_derivative.defjvp
def _refuse(primals, tangents):
    raise ModelError(
        "a model with triggers has no derivative: the times at which they fire would be left out; simulate it, or fit "
        "a model without triggers."
    )
