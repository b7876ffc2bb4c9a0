"""The derivative of a least-distance programme: that of the linear equations on its active set."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from graycell.numerics.programme.batches import solve
from graycell.numerics.programme.problem import Found, Problem


def differentiable(equalities: int, most_steps: int, factored: bool) -> Callable:
    """Make the solver of a programme with its derivative.

    Args:
        equalities: Number of equalities, which are the first rows.
        most_steps: Limit of the search, in steps.
        factored: Whether to return the multipliers.

    Returns:
        A function of a `Problem` that returns the point, the multipliers of all rows or None, and what was `Found`.
    """

    @jax.custom_jvp
    def solved(problem: Problem):
        found = solve(problem, equalities, most_steps, factored)
        rows = problem.offset.shape[0]
        return found.point, found.to_rows(found.multiplier, rows) if factored else None, found

    @solved.defjvp
    def _tangent(primals, tangents):
        (problem,), (change,) = primals, tangents
        z, m, found = differentiable(equalities, most_steps, True)(problem)
        moved = jax.jvp(lambda p: _residual(p, z, m, found), (problem,), (change,))[1]
        changes = _linear_solve(problem, found, moved)
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
