"""The derivative of a least-distance programme: that of the linear equations on its active set."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from graycell.numerics.programme.batches import solve
from graycell.numerics.programme.problem import Found, Problem


def differentiable(equalities: int, most_steps: int, factored: bool, free: int = 0) -> Callable:
    """Make the solver of a programme with its derivative.

    Args:
        equalities: Number of equalities, which are the first rows.
        most_steps: Limit of the search, in steps.
        factored: Whether to return the multipliers.
        free: Number of coordinates without weight, the last ones, whose variance is 1.

    Returns:
        A function of a `Problem` that returns the point, the multipliers of all rows (a pair of them if there are free
        coordinates, see `levels`) or None, and what was `Found`.
    """

    @jax.custom_jvp
    def solved(problem: Problem):
        found = solve(problem, equalities, most_steps, factored, free)
        rows = problem.offset.shape[0]
        return found.point, jax.tree.map(lambda m: found.to_rows(m, rows), found.multiplier), found

    @solved.defjvp
    def _tangent(primals, tangents) -> tuple[Any, Any]:
        (problem,), (change,) = primals, tangents
        z, m, found = differentiable(equalities, most_steps, True, free)(problem)
        residual, linear_solve = _residual, _linear_solve
        if free:
            residual, linear_solve = partial(_residual_levels, free=free), partial(_linear_solve_levels, free=free)
        moved = jax.jvp(lambda p: residual(p, z, m, found), (problem,), (change,))[1]
        changes = linear_solve(problem, found, moved)
        if factored:
            return (z, m, found), (*changes, jax.tree.map(_zero_tangent, found))
        found = found._replace(multiplier=None, dual_basis=None)
        return (z, None, found), (changes[0], None, jax.tree.map(_zero_tangent, found))

    return solved


def _zero_tangent(leaf):
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.zeros_like(leaf)
    return np.zeros(leaf.shape, jax.dtypes.float0)


def _residual(problem: Problem, z, m, found: Found):
    """Return the residual of the equations on the active set at (z, m)."""
    stationary = problem.target + problem.variance * problem.rows.transposed_times(m) - z
    return stationary, found.to_slots(problem.offset - problem.rows.times(z))


def _linear_solve(problem: Problem, found: Found, right_side):
    """Solve the equations on the active set for (z, multipliers of all rows), differentiable to any order."""
    rows, variance, count = problem.rows, problem.variance, problem.offset.shape[0]
    frozen, root, dual_basis = lax.stop_gradient((rows, jnp.sqrt(variance), found.dual_basis))
    vacant = found.occupant < 0
    n = variance.shape[0]

    def apply(x):
        z, m = x[:n], x[n:]
        stationary = z - variance * rows.transposed_times(found.to_rows(m, count))
        return jnp.concatenate([stationary, jnp.where(vacant, m, found.to_slots(rows.times(z)))])

    def invert(_, right):
        a, b = right[:n], right[n:]
        t = jnp.where(vacant, 0.0, b - found.to_slots(frozen.times(a))) @ dual_basis
        return jnp.concatenate([a + root * t, jnp.where(vacant, b, dual_basis @ t)])

    def invert_transposed(_, right):
        z, m = right[:n], right[n:]
        u = dual_basis @ (root * z + jnp.where(vacant, 0.0, m) @ dual_basis)
        return jnp.concatenate([z - frozen.transposed_times(found.to_rows(u, count)), jnp.where(vacant, m, u)])

    # one vector, because reverse mode wants all of the right side to depend on what is differentiated
    x = lax.custom_linear_solve(apply, jnp.concatenate(right_side), invert, invert_transposed)
    return x[:n], found.to_rows(x[n:], count)


def _residual_levels(problem: Problem, z, m, found: Found, free: int):
    """Return the residual of the equations of both levels at (z, (m0, m1)).

    With rows (A, C) and the dual basis (Dx, Dy), as it is at this problem:

        z_x - variance * (A^T m0) = target_x,   z_y - C^T m1 = target_y,   A z_x + C z_y = offset,
        Dy (C^T m0) + Dx (sqrt(variance) A^T m1) = 0.

    The last says that C^T m0 = 0, and chooses m1 where rows that depend on each other share a force.
    """
    first, second = (problem.rows.transposed_times(part) for part in m)
    cut = z.shape[0] - free
    stationary = problem.target - z
    stationary = stationary + jnp.concatenate([problem.variance[:cut] * first[:cut], second[cut:]])
    balance = lax.stop_gradient(found.dual_basis)[:, cut:] @ first[cut:]
    return stationary, found.to_slots(problem.offset - problem.rows.times(z)), -balance


def _linear_solve_levels(problem: Problem, found: Found, right_side, free: int):
    """Solve these equations for (z, (m0, m1) of all rows), differentiable to any order."""
    rows, variance, count = problem.rows, problem.variance, problem.offset.shape[0]
    frozen, root, dual_basis = lax.stop_gradient((rows, jnp.sqrt(variance), found.dual_basis))
    vacant = found.occupant < 0
    n, slots = variance.shape[0], vacant.shape[0]
    cut = n - free
    dual_x, dual_y = dual_basis[:, :cut], dual_basis[:, cut:]

    def split(x):
        return x[:n], x[n : n + slots], x[n + slots :]

    def pulled(rows, m):
        return rows.transposed_times(found.to_rows(m, count))

    def apply(x):
        z, m0, m1 = split(x)
        first, second = pulled(rows, m0), pulled(rows, m1)
        stationary = z - jnp.concatenate([variance[:cut] * first[:cut], second[cut:]])
        balance = dual_y @ first[cut:] + dual_x @ (root[:cut] * pulled(frozen, m1)[:cut])
        held = jnp.where(vacant, m0, found.to_slots(rows.times(z)))
        return jnp.concatenate([stationary, held, jnp.where(vacant, m1, balance)])

    def invert(_, right):
        a, b, h = split(right)
        gap = jnp.where(vacant, 0.0, b - found.to_slots(frozen.times(a)))
        h = jnp.where(vacant, 0.0, h)
        force = root[:cut] * pulled(frozen, h)[:cut]
        shared = dual_x @ force
        m0 = h - shared + dual_x @ (gap @ dual_x)
        moved = jnp.concatenate([root[:cut] * force, jnp.zeros(free, force.dtype)])
        m1 = shared + dual_y @ ((gap - found.to_slots(frozen.times(moved))) @ dual_y)
        z = a + jnp.concatenate([variance_of_frozen * pulled(frozen, m0)[:cut], pulled(frozen, m1)[cut:]])
        return jnp.concatenate([z, jnp.where(vacant, b, m0), jnp.where(vacant, split(right)[2], m1)])

    def invert_transposed(_, right):
        return jax.linear_transpose(lambda b: invert(None, b), right)(right)[0]

    variance_of_frozen = root[:cut] ** 2
    x = lax.custom_linear_solve(apply, jnp.concatenate(right_side), invert, invert_transposed)
    z, m0, m1 = split(x)
    return z, (found.to_rows(m0, count), found.to_rows(m1, count))
