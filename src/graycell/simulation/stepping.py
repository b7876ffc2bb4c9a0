"""Solve an ODE by an explicit Runge-Kutta method with adaptive steps, in a program that compiles soon.

The table of the method, the interpolation and the rule for the length of steps are those of diffrax, and so are the
steps. The program is a smaller one: the rate of change stands in it once, and what the rate gives beside the slope,
such as the fluxes of the cells, is at hand at the end, where the last stage of the last step has just computed it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

_ROUNDINGS = 100
"""A step that ends so few roundings before the end of the solve ends there."""


def is_explicit(solver: diffrax.AbstractSolver) -> bool:
    """Return whether a method can be stepped here.

    Args:
        solver: of diffrax.

    Returns:
        Whether it is an explicit Runge-Kutta method with a table.
    """
    return isinstance(solver, diffrax.AbstractERK)


class Limits(NamedTuple):
    """How far a solve goes, and in which steps. None of it has a derivative.

    Attributes:
        controller: of which the tolerances, their norm, and the factors of an integral control count.
        first_step: length of the first step.
        stop: where the solve ends; 0, where it starts, is right.
    """

    controller: diffrax.PIDController
    first_step: Array
    stop: Array


class Kept(NamedTuple):
    """What is kept of the steps of a solve, for its way back.

    Attributes:
        times: (most steps + 1,) of the states after each step, the beginning first.
        states: (kept, numbers) every `stride`-th of them.
        slopes: (kept, stages, numbers) of the first steps.
        stride: how many steps lie between two states that are kept.
        steps: that were taken.
    """

    times: Array
    states: Array
    slopes: Array
    stride: Array
    steps: Array


class Solved(NamedTuple):
    """A solve.

    Attributes:
        ends: what moves, at the times that were asked for, or at the end alone: with an axis of times before.
        seen: what the rate gave beside the slope, at the end.
        reached: whether the end was reached.
        kept: see `Kept`; None where nothing is to be kept.
    """

    ends: Any
    seen: Any
    reached: Array
    kept: Any


class Stages(NamedTuple):
    """The table of a method whose last stage is at the end of the step, and is the first one of the next step.

    Attributes:
        before: (stages, stages) parts of the slopes that lead to each stage.
        weights: (stages,) parts of the slopes that lead to the end.
        errors: (stages,) those of the estimate of the error.
        shares: (stages,) time of each stage, as a part of the step.
        own: stages that diffrax counts: one less where its method does not end with a stage.
        used: stages that lead to the end: those after them are for the error, and for what is between, alone.
    """

    before: np.ndarray
    weights: np.ndarray
    errors: np.ndarray
    shares: np.ndarray
    own: int
    used: int

    @classmethod
    def of(cls, solver: diffrax.AbstractERK) -> "Stages":
        """Return the table of a method.

        Args:
            solver: of diffrax.

        Returns:
            The table.
        """
        table: Any = solver.tableau
        weights, errors = np.asarray(table.b_sol), np.asarray(table.b_error)
        count = len(weights)
        before = np.zeros((count + 1, count + 1))
        for k, row in enumerate(table.a_lower):
            before[k + 1, : k + 1] = row
        before[count, :count] = weights
        shares = np.concatenate([[table.c1], table.c, [1.0]])
        ends_with_stage = shares[count - 1] == 1.0 and np.array_equal(before[count - 1], before[count])
        size = count if ends_with_stage else count + 1
        used = int(np.max(np.nonzero(weights))) + 1
        weights, errors = (np.pad(part, (0, size - count)) for part in (weights, errors))
        return cls(before[:size, :size], weights, errors, shares[:size], count, used)


class _Step(NamedTuple):
    """What goes from one step to the next.

    Attributes:
        time: [same as of the solve] at the beginning of the step.
        length: that is tried.
        state: what moves, there.
        slopes: with an axis of stages before; the first one is that at the beginning.
        seen: of the last stage.
        tried: steps, those that were not taken among them.
        ends: with an axis of times before, what was asked for so far.
        kept: so far.
    """

    time: Array
    length: Array
    state: Any
    slopes: Any
    seen: Any
    tried: Array
    ends: Any
    kept: Kept | None


def solve_by_steps(
    rate: Callable[[Any, Any], tuple[Any, Any]],
    begin: Any,
    solver: diffrax.AbstractERK,
    limits: Limits,
    most_steps: int,
    times: Array | None = None,
    keep: int = 0,
) -> Solved:
    """Solve from 0 to an end, in forward mode.

    Args:
        rate: from a time and what moves to its rate of change, and what is seen beside.
        begin: what moves, at the beginning.
        solver: the method.
        limits: see `Limits`.
        most_steps: taken or not.
        times: (n,) ascending, at which what moves is wanted, the end last; None for the end alone.
        keep: number of states to keep; 0 keeps nothing.

    Returns:
        The solve; times that were not reached hold inf.
    """
    stages, controller = Stages.of(solver), limits.controller
    size = len(stages.weights)
    before, errors, shares = map(jnp.asarray, (stages.before, stages.errors, stages.shares))
    first_step, stop = lax.stop_gradient((limits.first_step, limits.stop))
    nearly = stop - _ROUNDINGS * jnp.finfo(stop.dtype).eps * jnp.abs(stop)
    power = -1.0 / solver.order(None)  # type: ignore[arg-type]

    def goes_on(now: _Step) -> Array:
        further = (now.time < stop) & (now.tried < most_steps) & (now.time + now.length > now.time)
        return (now.tried == 0) | further  # without any step, what is seen is still wanted

    def step(now: _Step) -> _Step:
        end = now.time + now.length
        end = jnp.where(end > nearly, stop, end)
        length, begun = end - now.time, now.tried > 0

        # leaf by leaf: put together, XLA would compute every slope in one loop with a branch for each
        def stage(k: Array, carry: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            slopes, _, _ = carry
            state = jax.tree.map(lambda at, of: at + length * jnp.tensordot(before[k], of, 1), now.state, slopes)
            time = jnp.where(shares[k] == 1.0, end, now.time + shares[k] * length)  # as diffrax has them
            slope, seen = rate(time, state)
            return jax.tree.map(lambda all_, one: all_.at[k].set(one), slopes, slope), state, seen

        to_do = jnp.where(now.time < stop, jnp.where(begun, 1, 0), jnp.where(begun, size, size - 1))
        slopes, after, seen = lax.fori_loop(_fewest(to_do), size, stage, (now.slopes, now.state, now.seen))
        error = jax.tree.map(lambda of: length * jnp.tensordot(errors, lax.stop_gradient(of), 1), slopes)
        taken, factor = _judged(controller, power, error, *lax.stop_gradient((now.state, after)))
        ends, kept = now.ends, now.kept
        if times is not None:
            line = _line(solver, stages, now.time, end, now.state, after, slopes)
            inside = taken & (times > now.time) & (times <= end)
            found = jax.vmap(line.evaluate)(jnp.clip(times, now.time, end))
            ends = jax.tree.map(lambda new, old: jax.vmap(jnp.where)(inside, new, old), found, ends)
        if kept is not None:
            kept = _kept_too(kept, end, after, slopes, taken & (length > 0.0))
        state = jax.tree.map(lambda new, old: jnp.where(taken, new, old), after, now.state)
        slopes = jax.tree.map(lambda of: of.at[0].set(jnp.where(taken, of[-1], of[0])), slopes)
        return _Step(jnp.where(taken, end, now.time), length * factor, state, slopes, seen, now.tried + 1, ends, kept)

    zero, ends, kept = jnp.zeros((), int), None, None
    slopes = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape)), begin)
    seen = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(rate, stop, begin)[1])
    if times is not None:
        ends = jax.tree.map(lambda leaf: jax.vmap(lambda time: jnp.where(time <= 0.0, leaf, jnp.inf))(times), begin)
    if keep:
        start, of_step = _flat(begin), _flat_each(slopes)
        states, of_steps = jnp.broadcast_to(start, (keep, *start.shape)), jnp.zeros((keep, *of_step.shape))
        kept = Kept(jnp.zeros(most_steps + 1), states, of_steps, zero + 1, zero)
    last = lax.while_loop(goes_on, step, _Step(jnp.zeros(()), first_step, begin, slopes, seen, zero, ends, kept))
    found = jax.tree.map(lambda leaf: leaf[None], last.state) if times is None else last.ends
    return Solved(found, last.seen, last.time >= stop, last.kept)


def _flat(tree: Any) -> Array:
    return ravel_pytree(tree)[0]


def _flat_each(tree: Any) -> Array:
    """Return a row for each entry of the first axis."""
    return jax.vmap(_flat)(tree)


def _judged(controller, power: float, error: Any, state: Any, after: Any) -> tuple[Array, Array]:
    """Return whether a step is taken, and by what the next one is longer: the rule of `diffrax.PIDController`."""

    def relative(error: Array, state: Array, after: Array) -> Array:
        return error / (controller.atol + controller.rtol * jnp.maximum(jnp.abs(state), jnp.abs(after)))

    size = controller.norm(jax.tree.map(relative, error, state, after))
    taken = size < 1.0  # not so where a rate of change is not a number
    least, most = jnp.where(taken, 1.0, controller.factormin), jnp.where(taken, controller.factormax, controller.safety)
    factor = jnp.clip(controller.safety * size**power, least, most)
    return taken, lax.stop_gradient(jnp.where(jnp.isnan(factor), controller.factormin, factor))


def _kept_too(kept: Kept, end: Array, after: Any, slopes: Any, taken: Array) -> Kept:
    """Return what is kept after a step: where there is no room left, every second state goes."""
    many, steps = len(kept.states), kept.steps + taken.astype(int)
    full = steps >= many * kept.stride
    thinned = jnp.concatenate([kept.states[::2], kept.states[: many // 2]])  # of the second half nothing is read
    states, stride = jnp.where(full, thinned, kept.states), jnp.where(full, 2 * kept.stride, kept.stride)
    slot = jnp.where(taken & (steps % stride == 0), steps // stride, many)
    # what is of a step that is not taken stands where that of the next one will
    times = kept.times.at[kept.steps + 1].set(end, mode="drop")
    of_steps = kept.slopes.at[kept.steps].set(_flat_each(slopes), mode="drop")
    return Kept(times, states.at[slot].set(_flat(after), mode="drop"), of_steps, stride, steps)


def _line(solver: diffrax.AbstractERK, stages: Stages, time, end, state, after, slopes) -> Any:
    slopes = jax.tree.map(lambda of: (end - time) * of[: stages.own], slopes)
    return solver.interpolation_cls(t0=time, t1=end, y0=state, y1=after, k=slopes)


@custom_vmap
def _fewest(number: Array) -> Array:
    """Return a number, and the least of a batch: a loop whose beginning differs within a batch would cost more."""
    return number


@_fewest.def_vmap
def _fewest_of(size: int, batched: list[bool], number: Array) -> tuple[Array, bool]:
    del size
    return _fewest(jnp.min(number) if batched[0] else number), False
