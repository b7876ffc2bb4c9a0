"""The discrete adjoint of a solve: reverse mode, one step of the solver after the other.

diffrax differentiates the whole loop of its solver, with the control of steps in it, which takes JAX long to trace and
XLA long to compile. The lengths of steps have no derivative, so what is left is a chain of steps of an explicit
Runge-Kutta method, and the stages of a step are a chain again: the way back compiles the rate of change twice, once
with its derivative. The derivative is that of the numbers which the solver found, to rounding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from graycell.simulation.stepping import Kept, Limits, Tableau, flat, solve_by_steps

_KEPT = 32
"""Number of states of a solve that are kept, and of steps whose slopes are, so that memory is bounded. After more steps
it is every second state, every fourth and so on, and the steps between are computed again from the one before, and so
are all slopes. Of every step its time is kept, 8 bytes."""


def solve_with_adjoint(
    rate: Callable,
    rates: Callable,
    begin: Any,
    beside: Any,
    solver: diffrax.AbstractERK,
    limits: Limits,
    most_steps: int,
    times: Array | None,
) -> tuple[Any, Any, Array]:
    """Solve from 0 to an end; reverse mode goes through the discrete adjoint.

    Args:
        rate: from a time and what moves to its rate of change.
        rates: from a time and the pair of what moves and what is beside it to the rates of both.
        begin: what moves, at the beginning.
        beside: what is solved with it and has no derivative, at the beginning.
        solver: the method.
        limits: of the steps.
        most_steps: accepted or not.
        times: (n,) ascending, at which what moves is wanted, the end last; None for the end alone.

    Returns:
        What moves, with an axis of times before; what is beside it at the end; and whether the end was reached.
    """
    start = jnp.zeros(())
    # what the functions close over becomes an argument, so that JAX can differentiate by it
    rate = eqx.filter_closure_convert(rate, start, begin)
    rates = eqx.filter_closure_convert(rates, start, (begin, beside))
    return _solution(_Problem(rate, begin, rates, beside, limits, times), solver, most_steps)


class _Problem(NamedTuple):
    """The arguments of `solve_with_adjoint`. The derivative is that by the first two."""

    rate: Any
    begin: Any
    rates: Any
    beside: Any
    limits: Limits
    times: Array | None


_solve = eqx.filter_jit(solve_by_steps)  # compiled as one function it is traced once


@eqx.filter_custom_vjp
def _solution(problem: _Problem, solver: diffrax.AbstractERK, most_steps: int) -> tuple:
    return _solved(problem, solver, most_steps, keep=0)[0]


def _solved(problem: _Problem, solver: diffrax.AbstractERK, most_steps: int, keep: int) -> tuple[tuple, Any]:
    begin = problem.begin, problem.beside
    found = _solve(problem.rates, begin, solver, problem.limits, most_steps, problem.times, keep)
    ends, beside = found.ends
    return (ends, jax.tree.map(lambda leaf: leaf[-1], beside), found.reached), found.kept


@_solution.def_fwd
def _forward(perturbed: Any, problem: _Problem, solver: diffrax.AbstractERK, most_steps: int) -> tuple:
    """Return the same, and what is kept of what moves."""
    found, kept = _solved(problem, solver, most_steps, keep=_KEPT)
    moves = len(flat(problem.begin))  # it comes before what is beside it
    return found, kept._replace(states=kept.states[:, :moves], slopes=kept.slopes[:, :, :moves])


class _Adjoint(NamedTuple):
    """The adjoint between two steps.

    Attributes:
        step: the next one whose derivative is added.
        at: the step whose beginning is at hand: `step`, or one before it.
        state: at the beginning of `at`.
        of_state: derivative by the state after `step`.
        of_closed_over: derivative by what the rate closes over, of the steps after it.
    """

    step: Array
    at: Array
    state: Array
    of_state: Array
    of_closed_over: Array


@_solution.def_bwd
def _reverse(kept: Kept, of_all: tuple, perturbed: _Problem, problem: _Problem, solver, most_steps: int) -> _Problem:
    """Return the derivative by what the rate closes over, and by what moves at the beginning."""
    begin, times = problem.begin, problem.times
    closed_over, fixed = eqx.partition(problem.rate, perturbed.rate)
    zeros, of_leaves = ravel_pytree(jax.tree.map(jnp.zeros_like, closed_over))
    start, unflat = ravel_pytree(begin)
    tableau = Tableau.of(solver)
    count = tableau.used if times is None else tableau.listed
    parts = tableau.before[:count, :count], tableau.weights[:count], tableau.nodes[:count]
    before, weights, nodes = map(jnp.asarray, parts)
    of_found = _of_found(begin, of_all[0], 1 if times is None else len(times))

    def slope_at(closed_over: Any, time: Array, state: Array) -> Array:
        return flat(eqx.combine(closed_over, fixed)(time, unflat(state)))

    def before_step(step: Array, of_state: Array, of_closed_over: Array) -> _Adjoint:
        slot = jnp.maximum(step, 0) // kept.stride
        return _Adjoint(step, slot * kept.stride, kept.states[slot], of_state, of_closed_over)

    def stepped(now: _Adjoint) -> _Adjoint:
        """Add the derivative of a step, or go on from a state that was kept to its beginning."""
        time, end = kept.times[now.at], kept.times[now.at + 1]
        length = end - time
        stage_times = jnp.where(nodes == 1.0, end, time + nodes * length)  # as diffrax has them

        def stage(slopes: Array, k: Array) -> tuple[Array, Array]:
            state = now.state + length * (before[k] @ slopes)
            return slopes.at[k].set(slope_at(closed_over, stage_times[k], state)), state

        def known() -> tuple[Array, Array]:
            slopes = kept.slopes[now.at, :count]
            return slopes, now.state[None] + length * (before @ slopes)

        def again() -> tuple[Array, Array]:
            return lax.scan(stage, jnp.zeros((count, len(start))), jnp.arange(count))

        slopes, states = lax.cond(kept.stride == 1, known, again)
        after, arrived = now.state + length * (weights @ slopes), now.at == now.step
        of_begin, of_end, of_slopes = jnp.zeros_like(start), now.of_state, jnp.zeros_like(slopes)
        if times is not None:

            def between(state: Array, after: Array, slopes: Array) -> Array:
                line = solver.interpolation_cls(t0=time, t1=end, y0=state, y1=after, k=length * slopes)
                return jax.vmap(line.evaluate)(jnp.clip(times, time, end))

            inside = jnp.where(((times > time) & (times <= end))[:, None], of_found, 0.0)
            of_begin, more, of_slopes = jax.vjp(between, now.state, after, slopes)[1](inside)
            of_end = of_end + more

        def stage_back(of: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            k, of_stages, of_closed_over = of
            _, back = jax.vjp(lambda *at: slope_at(at[0], stage_times[k], at[1]), closed_over, states[k])
            of_slope = length * (weights[k] * of_end + before[:, k] @ of_stages) + of_slopes[k]
            more, of_stage = back(of_slope)
            return k - 1, of_stages.at[k].set(of_stage), of_closed_over + flat(more)

        of = jnp.where(arrived, count - 1, -1), jnp.zeros_like(states), now.of_closed_over
        _, of_stages, of_closed_over = lax.while_loop(lambda of: of[0] >= 0, stage_back, of)
        back = before_step(now.step - 1, of_begin + of_end + jnp.sum(of_stages, axis=0), of_closed_over)
        on = now._replace(at=now.at + 1, state=after)
        return jax.tree.map(lambda of_back, of_on: jnp.where(arrived, of_back, of_on), back, on)

    of_last = of_found[-1] if times is None else jnp.zeros_like(start)
    found = lax.while_loop(lambda now: now.step >= 0, stepped, before_step(kept.steps - 1, of_last, zeros))
    of_begin = found.of_state
    if times is not None:
        of_begin = of_begin + jnp.sum(jnp.where((times <= 0.0)[:, None], of_found, 0.0), axis=0)
    nothing = jax.tree.map(lambda _: None, eqx.filter(problem, eqx.is_inexact_array))
    return nothing._replace(rate=of_leaves(found.of_closed_over), begin=unflat(of_begin))


def _of_found(begin: Any, of: Any, count: int) -> Array:
    """Return (count, numbers) derivatives by what was found; JAX leaves out those that are 0."""
    of = jax.tree.map(lambda leaf, by: jnp.zeros((count, *leaf.shape)) if by is None else by, begin, of)
    return jax.vmap(flat)(of)
