"""Solve an ODE by an explicit Runge-Kutta method with adaptive steps, in a program that compiles soon.

The Butcher tableau, the interpolation and the rule for the length of steps are those of diffrax, and so are the steps.
diffrax is made for every kind of method; this loop does one thing, and takes less time to trace and to compile.
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
from jaxtyping import Array, Bool, Float, Int

_ROUNDINGS = 100
"""A step that ends so few roundings before the end of the solve ends there, as in diffrax: what would be left is too
short for an interpolation."""


def is_explicit(solver: diffrax.AbstractSolver) -> bool:
    """Return whether a method can be stepped here.

    Args:
        solver: of diffrax.

    Returns:
        Whether it is an explicit Runge-Kutta method with a Butcher tableau.
    """
    return isinstance(solver, diffrax.AbstractERK)


class Limits(NamedTuple):
    """How far a solve goes, and in which steps. None of it has a derivative.

    Attributes:
        controller: of which the tolerances, their norm, and the factors of an integral control count.
        first_step: length of the first step, in the unit of the time.
        stop: where the solve ends; at 0, where it starts, nothing is solved.
    """

    controller: diffrax.PIDController
    first_step: Float[Array, ""]
    stop: Float[Array, ""]


class Kept(NamedTuple):
    """What is kept of the accepted steps of a solve, for its way back.

    Attributes:
        times: (most steps + 1,) of the states after each step, the beginning first.
        states: (kept, numbers) every `stride`-th of them.
        slopes: (kept, stages, numbers) of the first steps.
        stride: how many steps lie between two states that are kept.
        steps: their number.
    """

    times: Float[Array, " times"]
    states: Float[Array, "kept numbers"]
    slopes: Float[Array, "kept stages numbers"]
    stride: Int[Array, ""]
    steps: Int[Array, ""]


class Solved(NamedTuple):
    """A solve.

    Attributes:
        ends: what moves, at the times that were asked for, or at the end alone: with an axis of times before.
        reached: whether the end was reached.
        attempted: steps, those that were not accepted among them.
        kept: see `Kept`; None where nothing is to be kept.
    """

    ends: Any
    reached: Bool[Array, ""]
    attempted: Int[Array, ""]
    kept: Any


class Tableau(NamedTuple):
    """The Butcher tableau of a method, with a last stage at the end of the step, which is the first of the next one.

    Attributes:
        before: (stages, stages) parts of the slopes that lead to each stage.
        weights: (stages,) parts of the slopes that lead to the end.
        errors: (stages,) those of the estimate of the error.
        nodes: (stages,) time of each stage, as a part of the step.
        listed: stages in diffrax: one less where its method does not end with a stage.
        used: stages that lead to the end: those after them are for the error, and for what is between, alone.
    """

    before: Float[np.ndarray, "stages stages"]
    weights: Float[np.ndarray, " stages"]
    errors: Float[np.ndarray, " stages"]
    nodes: Float[np.ndarray, " stages"]
    listed: int
    used: int

    @classmethod
    def of(cls, solver: diffrax.AbstractERK) -> "Tableau":
        """Return the tableau of a method.

        Args:
            solver: of diffrax.

        Returns:
            The tableau.
        """
        given: Any = solver.tableau
        weights, errors = np.asarray(given.b_sol), np.asarray(given.b_error)
        listed, used = len(weights), int(np.max(np.nonzero(weights))) + 1
        before = np.zeros((listed + 1, listed + 1))
        for k, row in enumerate(given.a_lower):
            before[k + 1, : k + 1] = row
        before[listed, :listed] = weights
        nodes = np.concatenate([[given.c1], given.c, [1.0]])
        ends_with_stage = nodes[listed - 1] == 1.0 and np.array_equal(before[listed - 1], before[listed])
        size = listed if ends_with_stage else listed + 1
        weights, errors = (np.pad(part, (0, size - listed)) for part in (weights, errors))
        return cls(before[:size, :size], weights, errors, nodes[:size], listed, used)


class _Step(NamedTuple):
    """What goes from one step to the next.

    Attributes:
        time: at the beginning of the step.
        length: that is attempted.
        state: what moves, there.
        slopes: with an axis of stages before: that of the beginning, and 0.
        attempted: steps so far.
        ends: with an axis of times before, what was asked for so far.
        kept: so far.
    """

    time: Array
    length: Array
    state: Any
    slopes: Any
    attempted: Array
    ends: Any
    kept: Kept | None


def solve_by_steps(
    rate: Callable[[Any, Any], Any],
    begin: Any,
    solver: diffrax.AbstractERK,
    limits: Limits,
    most_steps: int,
    times: Float[Array, " times"] | None = None,
    keep: int = 0,
) -> Solved:
    """Solve from 0 to an end, in forward mode.

    Args:
        rate: from a time and what moves to its rate of change.
        begin: what moves, at the beginning.
        solver: the method.
        limits: see `Limits`.
        most_steps: accepted or not.
        times: (n,) ascending, at which what moves is wanted, the end last; None for the end alone.
        keep: number of states to keep; 0 keeps nothing.

    Returns:
        The solve; times that were not reached hold inf.
    """
    tableau, controller = Tableau.of(solver), limits.controller
    size = len(tableau.weights)
    before, errors, nodes = map(jnp.asarray, (tableau.before, tableau.errors, tableau.nodes))
    first_step, stop = lax.stop_gradient((limits.first_step, limits.stop))
    rounding = jnp.finfo(stop.dtype).eps * jnp.abs(stop)
    order: Any = solver.error_order(None)  # type: ignore[arg-type]

    def goes_on(now: _Step) -> Array:
        return (now.time < stop) & (now.attempted < most_steps) & (now.length > rounding)

    def step(now: _Step) -> _Step:
        end = now.time + now.length
        end = jnp.where(end > stop - _ROUNDINGS * rounding, stop, end)
        length = end - now.time

        # leaf by leaf: put together, XLA would compute every slope in one loop with a branch for each
        def stage(k: Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            slopes, _ = carry
            state = jax.tree.map(lambda at, of: at + length * jnp.tensordot(before[k], of, 1), now.state, slopes)
            time = jnp.where(nodes[k] == 1.0, end, now.time + nodes[k] * length)  # as diffrax has them
            return jax.tree.map(lambda all_, one: all_.at[k].set(one), slopes, rate(time, state)), state

        known = jnp.where(now.time < stop, jnp.where(now.attempted > 0, 1, 0), size)
        slopes, after = lax.fori_loop(_fewest(known), size, stage, (now.slopes, now.state))
        error = jax.tree.map(lambda of: length * jnp.tensordot(errors, lax.stop_gradient(of), 1), slopes)
        accepted, factor = _judged(controller, -1.0 / order, error, *lax.stop_gradient((now.state, after)))
        ends, kept = now.ends, now.kept
        if times is not None:
            line = _line(solver, tableau, now.time, end, now.state, after, slopes)
            inside = accepted & (times > now.time) & (times <= end)
            found = jax.vmap(line.evaluate)(jnp.clip(times, now.time, end))
            ends = jax.tree.map(lambda new, old: jax.vmap(jnp.where)(inside, new, old), found, ends)
        if kept is not None:
            kept = _kept_too(kept, end, after, slopes, accepted)
        state = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), after, now.state)
        # 0 after the first: every stage multiplies all of them, and 0 times what is not a number is none either
        slopes = jax.tree.map(lambda of: _first(jnp.where(accepted, of[-1], of[0]), size), slopes)
        return _Step(jnp.where(accepted, end, now.time), length * factor, state, slopes, now.attempted + 1, ends, kept)

    zero, ends, kept = jnp.zeros((), int), None, None
    slopes = jax.tree.map(lambda leaf: _first(jnp.zeros_like(leaf), size), begin)
    if times is not None:
        ends = jax.tree.map(lambda leaf: jax.vmap(lambda time: jnp.where(time <= 0.0, leaf, jnp.inf))(times), begin)
    if keep:
        start, of_step = flat(begin), jax.vmap(flat)(slopes)
        states, of_steps = jnp.broadcast_to(start, (keep, *start.shape)), jnp.zeros((keep, *of_step.shape))
        kept = Kept(jnp.zeros(most_steps + 1), states, of_steps, zero + 1, zero)
    last = lax.while_loop(goes_on, step, _Step(jnp.zeros(()), first_step, begin, slopes, zero, ends, kept))
    found = jax.tree.map(lambda leaf: leaf[None], last.state) if times is None else last.ends
    return Solved(found, last.time >= stop, last.attempted, last.kept)


def flat(tree: Any) -> Float[Array, " numbers"]:
    """Return all numbers of a PyTree in one row.

    Args:
        tree: of arrays.

    Returns:
        They.
    """
    return ravel_pytree(tree)[0]


def _first(slope: Array, size: int) -> Array:
    """Return slopes of a step of which the first one alone is known."""
    return jnp.zeros((size, *slope.shape)).at[0].set(slope)


def _judged(controller, power: float, error: Any, state: Any, after: Any) -> tuple[Array, Array]:
    """Return whether a step is accepted, and by what the next one is longer: the rule of `diffrax.PIDController`."""

    def relative(error: Array, state: Array, after: Array) -> Array:
        return error / (controller.atol + controller.rtol * jnp.maximum(jnp.abs(state), jnp.abs(after)))

    size = controller.norm(jax.tree.map(relative, error, state, after))
    accepted = size < 1.0  # not so where a rate of change is not a number
    least = jnp.where(accepted, 1.0, controller.factormin)
    most = jnp.where(accepted, controller.factormax, controller.safety)
    factor = jnp.clip(controller.safety * size**power, least, most)
    return accepted, lax.stop_gradient(jnp.where(jnp.isnan(factor), controller.factormin, factor))


def _kept_too(kept: Kept, end: Array, after: Any, slopes: Any, accepted: Array) -> Kept:
    """Return what is kept after a step: where there is no room left, every second state goes."""
    many, steps = len(kept.states), kept.steps + accepted.astype(int)
    full = steps >= many * kept.stride
    thinned = jnp.concatenate([kept.states[::2], kept.states[: many // 2]])  # of the second half nothing is read
    states, stride = jnp.where(full, thinned, kept.states), jnp.where(full, 2 * kept.stride, kept.stride)
    slot = jnp.where(accepted & (steps % stride == 0), steps // stride, many)
    # a step that is not accepted writes where the next one will write again
    times = kept.times.at[kept.steps + 1].set(end, mode="drop")
    of_steps = kept.slopes.at[kept.steps].set(jax.vmap(flat)(slopes), mode="drop")
    return Kept(times, states.at[slot].set(flat(after), mode="drop"), of_steps, stride, steps)


def _line(solver: diffrax.AbstractERK, tableau: Tableau, time, end, state, after, slopes) -> Any:
    slopes = jax.tree.map(lambda of: (end - time) * of[: tableau.listed], slopes)
    return solver.interpolation_cls(t0=time, t1=end, y0=state, y1=after, k=slopes)


@custom_vmap
def _fewest(number: Array) -> Array:
    """Return a number, and the least of a batch: a loop whose beginning differs within a batch would cost more."""
    return number


@_fewest.def_vmap
def _fewest_of(size: int, batched: list[bool], number: Array) -> tuple[Array, bool]:
    del size
    return _fewest(jnp.min(number) if batched[0] else number), False
