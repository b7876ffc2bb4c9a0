"""The reverse derivative of a solve: its steps are kept and gone back one by one.

diffrax differentiates the whole loop of its solver, with the control of steps in it, which takes JAX long to trace and
XLA long to compile. The lengths of steps have no derivative, so what is left is a chain of steps of an explicit
Runge-Kutta method, and the stages of a step are gone back one by one too: the rate of change is compiled twice, once
with its derivative. The derivative is that of the numbers which the solver found, to rounding.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

_KEPT = 64
"""Number of states of a solve that are kept. After more steps it is every second, fourth and so on, and those between
are found again from the one before: slower, in bounded memory."""


def goes_back(solver: diffrax.AbstractSolver) -> bool:
    """Return whether the steps of a solver can be gone back here.

    Args:
        solver: of diffrax.

    Returns:
        Whether it is an explicit Runge-Kutta method.
    """
    return isinstance(solver, diffrax.AbstractERK)


def reached_end(solution: diffrax.Solution) -> Array:
    """Return whether a solve reached its end.

    Args:
        solution: of diffrax.

    Returns:
        () bool.
    """
    return solution.result == diffrax.RESULTS.successful


def solved(
    rate: Callable,
    rates: Callable,
    begin: Any,
    beside: Any,
    solve: Callable,
    solver: diffrax.AbstractERK,
    limits: Any,
    times: Array | None,
) -> tuple[Any, Any, Array]:
    """Solve from 0 to an end, so that reverse mode goes back step by step.

    Args:
        rate: from a time and what moves to its rate of change.
        rates: from a time and the pair of what moves and what is beside it to the rates of both.
        begin: what moves, at the beginning.
        beside: what is solved with it and has no derivative, at the beginning.
        solve: from limits, rates, a time, the pair at this time and what to save to the solution of diffrax, which
            nothing has to differentiate.
        solver: with which `solve` does it.
        limits: for it, a PyTree.
        times: (n,) ascending, at which what moves is wanted, the end last; None for the end alone.

    Returns:
        What moves, with an axis of times before; what is beside it at the end; and whether the end was reached.
    """
    start = jnp.zeros(())
    # what they close over goes in by the front door, so that JAX can differentiate by it
    rate = eqx.filter_closure_convert(rate, start, begin)
    rates = eqx.filter_closure_convert(rates, start, (begin, beside))
    given = _Given(rate, begin, rates, beside, limits, times)
    return _solved(given, eqx.filter_jit(solve), solver)  # as one function it is traced once


class _Given(NamedTuple):
    """What `solved` was given. The derivative is that by the first two."""

    rate: Any
    begin: Any
    rates: Any
    beside: Any
    limits: Any
    times: Array | None


class _Kept(NamedTuple):
    """What is kept of a solve.

    Attributes:
        times: (most steps + 1,) of the states after each step, the begin first.
        states: (kept, numbers) every `stride`-th of them.
        stride: how many steps lie between two states that are kept.
        steps: that were taken.
    """

    times: Array
    states: Array
    stride: Array
    steps: Array


def _flat(tree: Any) -> Array:
    return ravel_pytree(tree)[0]


def _moving(time: Array, both: tuple, _: None) -> Array:
    return _flat(both[0])


_STEPS = diffrax.SubSaveAt(t0=True, steps=True, fn=_moving)


def _wanted(times: Array | None) -> diffrax.SubSaveAt:
    return diffrax.SubSaveAt(t1=True) if times is None else diffrax.SubSaveAt(ts=times)


@eqx.filter_custom_vjp
def _solved(given: _Given, solve: Callable, solver: diffrax.AbstractERK) -> tuple:
    saveat = diffrax.SaveAt(subs=_wanted(given.times))
    solution = solve(given.limits, given.rates, jnp.zeros(()), (given.begin, given.beside), saveat)
    return _result(solution, solution.ys)


def _result(solution: diffrax.Solution, found: tuple) -> tuple:
    return found[0], jax.tree.map(lambda leaf: leaf[-1], found[1]), reached_end(solution)


@_solved.def_fwd
def _forward(perturbed: Any, given: _Given, solve: Callable, solver: diffrax.AbstractERK) -> tuple:
    """Return the same, and what is kept of the steps."""
    saveat = diffrax.SaveAt(subs=[_wanted(given.times), _STEPS])
    solution = solve(given.limits, given.rates, jnp.zeros(()), (given.begin, given.beside), saveat)
    steps, ends, (found, states) = solution.stats["num_accepted_steps"], solution.ts[1], solution.ys
    stride = jnp.maximum(-(-steps // _KEPT), 1)
    chosen = jnp.minimum(jnp.arange(_KEPT) * stride, len(ends) - 1)
    return _result(solution, found), _Kept(ends, states[chosen], stride, steps)


class _Walk(NamedTuple):
    """Where the way back stands.

    Attributes:
        step: the next to be gone back.
        at: the step whose beginning is at hand: `step`, or one before it.
        state: at the beginning of `at`.
        by_state: derivative by the state after `step`.
        by_learned: derivative by what the rate closes over, of the steps after it.
    """

    step: Array
    at: Array
    state: Array
    by_state: Array
    by_learned: Array


@_solved.def_bwd
def _backward(kept: _Kept, by_all: tuple, perturbed: _Given, given: _Given, solve: Callable, solver) -> _Given:
    """Return the derivative by what the rate closes over, and by what moves at the beginning."""
    begin, times = given.begin, given.times
    learned, fixed = eqx.partition(given.rate, perturbed.rate)
    (start, unflat), (zeros, unflat_learned) = map(ravel_pytree, (begin, jax.tree.map(jnp.zeros_like, learned)))
    before, weights, shares = _stages_of(solver.tableau, every=times is not None)
    by_found = _by_found(begin, by_all[0], 1 if times is None else len(times))

    def slope_at(learned: Any, time: Array, state: Array) -> Array:
        return _flat(eqx.combine(learned, fixed)(time, unflat(state)))

    def begun(step: Array, by_state: Array, by_learned: Array) -> _Walk:
        slot = jnp.maximum(step, 0) // kept.stride
        return _Walk(step, slot * kept.stride, kept.states[slot], by_state, by_learned)

    def walked(now: _Walk) -> _Walk:
        time, length = kept.times[now.at], kept.times[now.at + 1] - kept.times[now.at]

        def stage(slopes: Array, k: Array) -> tuple[Array, Array]:
            state = now.state + length * (before[k] @ slopes)
            return slopes.at[k].set(slope_at(learned, time + shares[k] * length, state)), state

        slopes, states = lax.scan(stage, jnp.zeros((len(weights), len(start))), jnp.arange(len(weights)))
        after, arrived = now.state + length * (weights @ slopes), now.at == now.step
        by_before, by_after, by_slopes = jnp.zeros_like(start), now.by_state, jnp.zeros_like(slopes)
        if times is not None:
            end, inside = time + length, (times > time) & (times <= kept.times[now.at + 1])

            def between(state: Array, after: Array, slopes: Array) -> Array:
                line = solver.interpolation_cls(t0=time, t1=end, y0=state, y1=after, k=length * slopes)
                return jax.vmap(line.evaluate)(jnp.clip(times, time, end))

            of_these = jnp.where(inside[:, None], by_found, 0.0)
            by_before, more, by_slopes = jax.vjp(between, now.state, after, slopes)[1](of_these)
            by_after = by_after + more

        def stage_back(by: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            k, by_stages, by_learned = by
            _, back = jax.vjp(lambda *at: slope_at(at[0], time + shares[k] * length, at[1]), learned, states[k])
            more, by_stage = back(length * (weights[k] * by_after + before[:, k] @ by_stages) + by_slopes[k])
            return k - 1, by_stages.at[k].set(by_stage), by_learned + _flat(more)

        by = jnp.where(arrived, len(weights) - 1, -1), jnp.zeros_like(states), now.by_learned
        _, by_stages, by_learned = lax.while_loop(lambda by: by[0] >= 0, stage_back, by)
        back = begun(now.step - 1, by_before + by_after + jnp.sum(by_stages, axis=0), by_learned)
        on = now._replace(at=now.at + 1, state=after)
        return jax.tree.map(lambda of_back, of_on: jnp.where(arrived, of_back, of_on), back, on)

    by_end = by_found[-1] if times is None else jnp.zeros_like(start)
    found = lax.while_loop(lambda now: now.step >= 0, walked, begun(kept.steps - 1, by_end, zeros))
    by_begin = found.by_state
    if times is not None:
        by_begin = by_begin + jnp.sum(jnp.where(times[:, None] <= 0.0, by_found, 0.0), axis=0)
    nothing = jax.tree.map(lambda _: None, eqx.filter(given, eqx.is_inexact_array))
    return nothing._replace(rate=unflat_learned(found.by_learned), begin=unflat(by_begin))


def _by_found(begin: Any, by: Any, count: int) -> Array:
    """Return (count, numbers) derivatives by what was found, of which JAX leaves out what is 0."""
    by = jax.tree.map(lambda leaf, by: jnp.zeros((count, *leaf.shape)) if by is None else by, begin, by)
    return jax.vmap(_flat)(by)


def _stages_of(tableau: diffrax.ButcherTableau, every: bool) -> tuple[Array, Array, Array]:
    """Return the parts of a step: (stages, stages) of the slopes before, (stages,) of all at the end, and of time.

    The last stage of many methods is there for the error, and for what is between the ends of a step, alone.
    """
    weights = np.asarray(tableau.b_sol)
    count = len(weights) if every else int(np.max(np.nonzero(weights))) + 1
    before = np.zeros((count, count))
    for k, row in enumerate(tableau.a_lower[: count - 1]):
        before[k + 1, : k + 1] = row
    shares = np.concatenate([[tableau.c1], tableau.c])[:count]
    return jnp.asarray(before), jnp.asarray(weights[:count]), jnp.asarray(shares)
