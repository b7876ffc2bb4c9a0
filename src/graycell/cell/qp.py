r"""The convex programme inside the flux layer, exact and differentiable.

The problem is a least-distance programme: of all points on the rows, the nearest to a target,

    minimise  sum_i (z_i - target_i)^2 / spread_i
    subject to  rows[j] z  = offset[j]   for the first `equalities` rows,
                rows[j] z >= offset[j]   for the others.

`spread` is the inverse of the weight, so that an infinite weight (spread 0) is an ordinary number here.

Method: the dual active-set method of Goldfarb & Idnani (Math. Program. 27 (1983) 1-33) in the coordinates
(z - target)/sqrt(spread), where the objective is a plain norm and a weight that spans 12 orders enters by its
root only. In place of a triangular factor it keeps the dual basis of the active rows (vectors d_j with
d_i . n_j = 1 if i = j else 0, in the span of the active rows): entering and leaving are one rank-one update of one
array, without LAPACK, so it maps over a batch.

Derivatives: the active set is found on inputs cut from differentiation; then one step of the optimality
equations on that set, at the solution, is taken with the live inputs. Its value is the solution (it refines it),
and its derivative is the exact one on that active set, in forward and in reverse mode. At a kink, where a row is
met with a zero multiplier, it is the one-sided derivative of the active set that was found: the row is not active.
Second derivatives are not those of the solution.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

RUNNING, SOLVED, INFEASIBLE, NOT_CONVERGED = 0, 1, 2, 3

_FEASIBLE = 1e-11
"""A row counts as met if it is missed by less than this part of the largest target: rounding of a dot product of
some ten terms, with a margin."""
_DEPENDENT = 1e-18
"""Squared length below which a unit row lies in the span of the active ones: (1e-9)^2, where projecting twice in
float64 leaves some 1e-15."""
_BLOCKING = 1e-13
"""A multiplier that changes more slowly than this per unit step does not block it."""


class LeastDistance(NamedTuple):
    """Solution of a least-distance programme.

    point: (n,) the minimiser; if infeasible, the best point on the equalities that was reached.
    multipliers: (rows,) of the objective's half; >= 0 for inequalities, 0 where inactive.
    active: (rows,) whether a row holds with equality and shapes the derivative.
    violation: largest amount by which a row is missed, in the units of `offset`.
    status: RUNNING, SOLVED, INFEASIBLE or NOT_CONVERGED.
    """

    point: Float[Array, " n"]
    multipliers: Float[Array, " rows"]
    active: Bool[Array, " rows"]
    violation: Float[Array, ""]
    status: Int[Array, ""]


class _Search(NamedTuple):
    """Carry of the active-set search, in scaled coordinates."""

    step: Int[Array, ""]
    x: Float[Array, " n"]
    multipliers: Float[Array, " rows"]
    active: Bool[Array, " rows"]
    dual_basis: Float[Array, "rows n"]
    entering: Int[Array, ""]  # row on its way in, -1 for none
    status: Int[Array, ""]


def _direction(unit_rows, dual_basis, row):
    """Split a row into its part `u` outside the active rows' span and coefficients `r` of its part inside."""
    r = dual_basis @ row
    u = row - r @ unit_rows
    again = dual_basis @ u  # once more: after one projection u may still hold rounding of the row's own size
    return u - again @ unit_rows, r + again


def _enter(dual_basis, u, r, index):
    new = u / jnp.maximum(u @ u, 1e-300)
    return (dual_basis - r[:, None] * new[None]).at[index].set(new)


def _leave(dual_basis, index):
    leaving = dual_basis[index]
    along = dual_basis @ leaving / jnp.maximum(leaving @ leaving, 1e-300)
    return (dual_basis - along[:, None] * leaving[None]).at[index].set(0.0)


def _search(unit_rows, gap, norm, equalities: int, tolerance, most_steps: int) -> _Search:
    """Find x of least norm with unit_rows x = gap (equalities) and >= gap (the others)."""
    rows, n = unit_rows.shape
    inequality = jnp.arange(rows) >= equalities
    x = jnp.zeros(n, unit_rows.dtype)
    multipliers, active = jnp.zeros(rows, unit_rows.dtype), jnp.zeros(rows, bool)
    dual_basis = jnp.zeros_like(unit_rows)
    for row in range(equalities):
        u, r = _direction(unit_rows, dual_basis, unit_rows[row])
        length = u @ u
        independent = length > _DEPENDENT
        t = jnp.where(independent, (gap[row] - unit_rows[row] @ x) / jnp.where(independent, length, 1.0), 0.0)
        x = x + t * u
        multipliers = (multipliers - t * r).at[row].add(t)
        dual_basis = jnp.where(independent, _enter(dual_basis, u, r, row), dual_basis)
        active = active.at[row].set(independent)

    def missed(x):
        return norm * (gap - unit_rows @ x)

    def body(now: _Search) -> _Search:
        shortfall = jnp.where(inequality & ~now.active, missed(now.x), -jnp.inf)
        p = jnp.where(now.entering < 0, jnp.argmax(shortfall), now.entering)
        u, r = _direction(unit_rows, now.dual_basis, unit_rows[p])
        length = u @ u
        independent = length > _DEPENDENT
        full = jnp.where(independent, (gap[p] - unit_rows[p] @ now.x) / jnp.where(independent, length, 1.0), jnp.inf)
        blocks = now.active & inequality & (r > _BLOCKING)
        ratio = jnp.where(blocks, now.multipliers / jnp.where(blocks, r, 1.0), jnp.inf)
        k = jnp.argmin(ratio)
        t = jnp.minimum(full, ratio[k])
        stuck = jnp.isinf(t)
        t = jnp.where(stuck, 0.0, t)
        enters = full <= ratio[k]
        multipliers = (now.multipliers - t * r).at[p].add(t)
        multipliers = jnp.where(enters, multipliers, multipliers.at[k].set(0.0))
        active = jnp.where(enters, now.active.at[p].set(True), now.active.at[k].set(False))
        dual_basis = jnp.where(enters, _enter(now.dual_basis, u, r, p), _leave(now.dual_basis, k))
        x = now.x + jnp.where(independent, t, 0.0) * u
        entering = jnp.where(enters, -1, p)
        worst = jnp.max(jnp.where(inequality & ~active, missed(x), -jnp.inf), initial=-jnp.inf)
        solved = enters & (worst <= tolerance)
        step = now.step + 1
        status = jnp.where(step >= most_steps, NOT_CONVERGED, RUNNING)
        status = jnp.where(stuck, INFEASIBLE, jnp.where(solved, SOLVED, status))
        moved = _Search(step, x, multipliers, active, dual_basis, entering, status)
        halted = now._replace(status=status, step=step)
        return jax.tree.map(lambda a, b: jnp.where(stuck, a, b), halted, moved)

    worst = jnp.max(jnp.where(inequality, missed(x), -jnp.inf), initial=-jnp.inf)
    # an equality in the span of the ones before it either holds with them or contradicts them
    contradicted = jnp.max(jnp.where(inequality, -jnp.inf, jnp.abs(missed(x))), initial=-jnp.inf) > 1e3 * tolerance
    first = _Search(
        jnp.asarray(0),
        x,
        multipliers,
        active,
        dual_basis,
        jnp.asarray(-1),
        jnp.where(contradicted, INFEASIBLE, jnp.where(worst <= tolerance, SOLVED, RUNNING)),
    )
    return lax.while_loop(lambda now: now.status == RUNNING, body, first)


def least_distance(
    target: Float[Array, " n"],
    spread: Float[Array, " n"],
    rows: Float[Array, "rows n"],
    offset: Float[Array, " rows"],
    equalities: int,
    most_steps: int = 200,
) -> LeastDistance:
    """Return the point nearest to `target` that meets the rows; see the module's docstring.

    Args are finite; `spread` >= 0. The units of `target` and `offset` are the caller's, `spread` their square.
    Never raises; see `LeastDistance.status`.

    >>> answer = least_distance(jnp.array([1.0, 3.0]), jnp.ones(2), jnp.array([[1.0, 1.0], [1.0, 0.0]]),
    ...                         jnp.array([0.0, 0.5]), equalities=1)
    >>> print(answer.point, answer.active)
    [ 0.5 -0.5] [ True  True]
    """
    frozen_target, frozen_spread, frozen_rows, frozen_offset = lax.stop_gradient((target, spread, rows, offset))
    root = jnp.sqrt(frozen_spread)
    scaled = frozen_rows * root[None]
    norm = jnp.sqrt(jnp.sum(scaled**2, axis=1))
    norm = jnp.where(norm > 0.0, norm, 1.0)
    gap = (frozen_offset - frozen_rows @ frozen_target) / norm
    tolerance = _FEASIBLE * (1e-3 + jnp.max(jnp.abs(frozen_target)))
    found = _search(scaled / norm[:, None], gap, norm, equalities, tolerance, most_steps)

    multipliers = lax.stop_gradient(found.multipliers / norm)
    pull_back = lax.stop_gradient(root[:, None] * found.dual_basis.T / norm[None])
    stationary = target + spread * (multipliers @ rows)
    residual = offset - rows @ stationary
    point = stationary + pull_back @ residual
    # the same step refines the multipliers, whose rounding a large spread would magnify
    refined = multipliers + lax.stop_gradient(found.dual_basis @ (found.dual_basis.T @ (residual / norm)) / norm)
    multipliers = jnp.where(jnp.arange(rows.shape[0]) < equalities, refined, jnp.maximum(refined, 0.0))
    missed = frozen_offset - frozen_rows @ lax.stop_gradient(point)
    missed = jnp.where(jnp.arange(rows.shape[0]) < equalities, jnp.abs(missed), missed)
    violation = jnp.maximum(jnp.max(missed, initial=0.0), 0.0)
    return LeastDistance(point, multipliers, found.active, violation, found.status)
