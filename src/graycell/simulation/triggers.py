"""Triggers in a simulation: the solver stops where a condition changes, and what fires sets its new values."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, Bool, Float

from graycell.errors import ModelError
from graycell.model import CultureModel, CultureState, Surroundings

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


class Met(NamedTuple):
    """The end of a segment.

    Attributes:
        state: after what fired at this time.
        counted: the integral of viable cells, see `solve_with_triggers`.
        true: (triggers,) whether each condition holds.
        ok: whether the solver reached the end.
    """

    state: CultureState
    counted: Array | None
    true: Bool[Array, " triggers"]
    ok: Array


def solve_with_triggers(
    model: CultureModel,
    solve: Callable[..., Any],
    derivative: Callable[..., tuple[CultureState, None, Array | None]],
    at: Callable[[Any], Surroundings],
    state: CultureState,
    counted: Array | None,
    true: Bool[Array, " triggers"],
    stop: Float[Array, ""],
    alive: Array,
) -> Met:
    """Solve a segment of a model with triggers; there is no derivative through it.

    Args:
        model: with triggers.
        solve: from a time, a state and options of diffrax to its solution at the end of the segment.
        derivative: of the state, of no tangent, and of `counted`.
        at: from a time to the surroundings.
        state: at the beginning of the segment.
        counted: the integral of viable cells there; None where it is not needed.
        true: whether the conditions held just before.
        stop: [d] end of the segment, from its beginning.
        alive: whether no segment failed so far.

    Returns:
        The state at the end, after what fires there.

    Raises:
        ModelError: where JAX differentiates it.
    """
    state = _without_derivative(state)

    def on(carry):
        s, *_, stops, ok = carry
        return ok & (s < stop) & (stops < _MOST_STOPS)

    def piece(carry):
        s, state, counted, true, stops, _ = carry

        def unchanged(t, y, args, **kwargs):
            return jnp.where(jnp.all(model.triggered(y[0], at(t)).true == true), _TINY, -_TINY)

        root_finder = optimistix.Bisection(rtol=_ROOT_TOLERANCE, atol=_ROOT_TOLERANCE)
        event = diffrax.Event(unchanged, root_finder)
        solution = solve(s, (state, None, counted), saveat=diffrax.SaveAt(t1=True), event=event)
        reached, end = solution.ts[-1], jax.tree.map(lambda leaf: leaf[-1], solution.ys)
        stopped = solution.result == diffrax.RESULTS.event_occurred
        ok = stopped | (solution.result == diffrax.RESULTS.successful)
        past, end = _past_the_change(model, derivative, at, reached, end, true, stop, stopped)
        reached = jnp.where(stopped, past, stop)
        state, _, counted = end
        state, true, fired = fire(model, at(reached), state, true)
        return reached, state, counted, true, stops + 1, ok & fired

    state, true, fired = fire(model, at(jnp.zeros(())), state, true)
    first = jnp.zeros(()), state, counted, true, jnp.asarray(0), alive & fired
    s, state, counted, true, _, ok = lax.while_loop(on, piece, first)
    return Met(state, counted, true, ok & (s >= stop))


def _past_the_change(model, derivative, at, s, end, true, stop, stopped):
    """Return the first time after the change of a condition, and what was solved there: the root may be before it."""
    slope = derivative(s, end, None)

    def moved(step):
        return jax.tree.map(lambda leaf, rate: leaf + step * rate, end, slope)

    def before(carry):
        step, moves = carry
        same = jnp.all(model.triggered(moved(step)[0], at(s + step)).true == true)
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
