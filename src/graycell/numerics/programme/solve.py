"""The least-distance programme, and the least slack that makes inequalities feasible."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from graycell.numerics.programme.derivative import differentiable
from graycell.numerics.programme.problem import LeastDistance, Problem, Rows


def least_distance(
    target: Float[Array, " n"],
    variance: Float[Array, " n"],
    rows: Float[Array, "rows n"] | Rows,
    offset: Float[Array, " rows"],
    equalities: int,
    most_steps: int = 200,
    multipliers: bool = True,
    free: int = 0,
) -> LeastDistance:
    """Find the point nearest to a target that meets the rows; see `graycell.numerics.programme`.

    Args:
        target: Finite, in the units of the caller; float64, or float32 with an accuracy of about 1e-5 of the largest
            target.
        variance: Finite inverse weights >= 0, in the squared unit of the target.
        rows: Equalities, then inequalities.
        offset: Finite right sides, in the units of the caller.
        equalities: Number of equalities.
        most_steps: Limit of the search, in steps.
        multipliers: Whether to return the multipliers.
        free: Number of coordinates without weight, the last ones. Of the points nearest in the others, the nearest
            in these is taken; their entries of `variance` do not matter.

    Returns:
        The solution; its status says whether it was found. Never raises.

    >>> answer = least_distance(jnp.array([1.0, 3.0]), jnp.ones(2), jnp.array([[1.0, 1.0], [1.0, 0.0]]),
    ...                         jnp.array([0.0, 0.5]), equalities=1)
    >>> print(answer.point, answer.active)
    [ 0.5 -0.5] [ True  True]
    """
    rows = Rows.of(rows)
    largest = jnp.ones((), variance.dtype)
    if free:  # the two levels have no common scale of weights
        weighed = variance[: variance.shape[0] - free]
        largest = lax.stop_gradient(jnp.max(weighed, initial=0.0))
        weighed = weighed / jnp.where(largest > 0.0, largest, 1.0)
        variance = jnp.concatenate([weighed, jnp.ones(free, variance.dtype)])
    problem = Problem(rows, target, variance, offset)
    point, multiplier, found = differentiable(equalities, most_steps, multipliers, free)(problem)
    if free and multipliers:
        multiplier = multiplier[0] / jnp.where(largest > 0.0, largest, 1.0)
    active = found.to_rows(jnp.ones_like(found.occupant), offset.shape[0]) > 0
    missed = lax.stop_gradient(offset - rows.times(point))
    missed = jnp.where(jnp.arange(offset.shape[0]) < equalities, jnp.abs(missed), missed)
    violation = jnp.maximum(jnp.max(missed, initial=0.0), 0.0)
    return LeastDistance(point, multiplier, active, violation, found.status)


def least_slack(matrix: Float[Array, "rows n"], offset: Float[Array, " rows"]) -> Float[Array, " rows"]:
    """Find the s >= 0 with the least sum of squares for which some z meets matrix z + s >= offset.

    By duality s is the point nearest to `offset` with matrix^T s = 0 and s >= 0: a least-distance programme.

    Args:
        matrix: Rows of the inequalities.
        offset: Their right sides.

    Returns:
        The slack of each inequality, in the units of `offset`.

    >>> print(least_slack(jnp.array([[1.0], [-1.0]]), jnp.array([2.0, 1.0])))
    [1.5 1.5]
    """
    rows, n = matrix.shape
    variance = jnp.ones(rows, matrix.dtype)
    every = jnp.concatenate([matrix.T, jnp.eye(rows, dtype=matrix.dtype)])
    zero = jnp.zeros(rows + n, matrix.dtype)
    return jnp.maximum(least_distance(offset, variance, every, zero, n, multipliers=False).point, 0.0)
