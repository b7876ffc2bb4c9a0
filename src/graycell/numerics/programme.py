r"""The convex programme inside the flux layer: exact, differentiable, and fast over a batch.

The problem is a least-distance programme: of all points on the rows, the nearest to a target,

    minimise  sum_i (z_i - target_i)^2 / spread_i
    subject to  rows[j] z  = offset[j]   for the first `equalities` rows,
                rows[j] z >= offset[j]   for the others.

`spread` is the inverse of the weight, so that an infinite weight (spread 0) is an ordinary number here.

**Method.** The dual active-set method of Goldfarb & Idnani (Math. Program. 27 (1983) 1-33) in the coordinates
(z - target)/sqrt(spread), where the objective is a plain norm and a weight that spans 12 orders enters by its
root only. In place of a triangular factor it keeps the dual basis of the active rows (vectors d_j with
d_i . n_j = 1 if i = j else 0, in the span of the active rows): entering and leaving are one rank-one update of one
array, without LAPACK.

**A batch** is solved in three passes, each over the problems that the one before could not finish, gathered into
blocks that stay in the cache, with the batch as the last axis: the equalities alone; then up to `_ADDED` rows are
added, the most missed one first; then the whole method, in which rows may leave again. All three end with the same
test: every row is met and every multiplier has its sign, which proves the optimum of a convex programme.

**Derivatives.** On its active set the solution solves the linear equations

    z - spread * (rows^T m) = target,      rows[j] z = offset[j] (j active),      m_j = 0 (j not active),

so `jax.lax.custom_linear_solve` differentiates it to any order and in both modes; the dual basis that the search
ends with is the inverse. At a kink, where a row is met with a zero multiplier, the row counts as not active: the
derivative is the one-sided one from the side where the row does not bind.

Past 500 lines: the three passes work on one state, and prove their answer by one test.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Float, Int

RUNNING, SOLVED, INFEASIBLE, NOT_CONVERGED = 0, 1, 2, 3

_ADDED = 3
"""Rows that the second pass adds. At most states of a culture two or fewer bounds are active."""
_FEW = 8
"""Equalities up to which the first two passes are tried; their steps are unrolled."""
_BLOCK, _SMALL_BLOCK = 256, 32
"""Problems that are worked on at once in the first two passes and in the last: the arrays of a block of a cell's
size (some 13 unknowns, 25 rows) take some hundred kilobytes, which a core's cache holds."""


class _Tolerance(NamedTuple):
    """Where rounding ends, by type of number.

    feasible: part of the largest target by which a row may be missed: rounding of a sum of some ten terms.
    dependent: squared length below which what is left of a unit row after projection is rounding.
    blocking: a multiplier that changes more slowly per unit step does not block it.
    """

    feasible: float
    dependent: float
    blocking: float

    @classmethod
    def of(cls, dtype: Any) -> "_Tolerance":
        return cls(1e-11, 1e-18, 1e-13) if dtype == jnp.float64 else cls(3e-6, 1e-10, 1e-6)


class Rows(NamedTuple):
    """The matrix of a programme, base + left @ right, where `right` has few rows.

    base: (rows, n); left: (rows, k); right: (k, n). What differs from problem to problem belongs into `right`: a
    batch then shares `base`, and its products are matrix products.
    """

    base: Float[Array, "rows n"]
    left: Float[Array, "rows k"]
    right: Float[Array, "k n"]

    @classmethod
    def of(cls, matrix: "Float[Array, 'rows n'] | Rows") -> "Rows":
        if isinstance(matrix, Rows):
            return matrix
        rows, n = matrix.shape
        return cls(matrix, jnp.zeros((rows, 0), matrix.dtype), jnp.zeros((0, n), matrix.dtype))

    def times(self, z: Float[Array, " n"]) -> Float[Array, " rows"]:
        # the vector stands on the left because a mapped matrix product then keeps the batch as its first axis
        return z @ self.base.T + (self.right @ z) @ self.left.T

    def transposed_times(self, m: Float[Array, " rows"]) -> Float[Array, " n"]:
        return m @ self.base + (m @ self.left) @ self.right

    @property
    def matrix(self) -> Float[Array, "rows n"]:
        return self.base + self.left @ self.right

    def take(self, index: Sequence[int] | np.ndarray) -> "Rows":
        """Return some of the rows."""
        chosen = np.asarray(index, int)
        return Rows(self.base[chosen], self.left[chosen], self.right)


class LeastDistance(NamedTuple):
    """Solution of a least-distance programme.

    point: (n,) the minimiser; if infeasible, the best point on the equalities that was reached.
    multipliers: (rows,) of the objective's half; >= 0 for inequalities, 0 where inactive; None unless asked for.
    active: (rows,) whether a row holds with equality and shapes the derivative.
    violation: largest amount by which a row is missed, in the units of `offset`.
    status: SOLVED, INFEASIBLE or NOT_CONVERGED.
    """

    point: Float[Array, " n"]
    multipliers: Float[Array, " rows"] | None
    active: Bool[Array, " rows"]
    violation: Float[Array, ""]
    status: Int[Array, ""]


class _Found(NamedTuple):
    """What the search ends with. `slots` are places for active rows.

    occupant: (slots,) the row in a slot, -1 for none. Unless asked for, None: multiplier: (slots,) of these rows;
    dual_basis: (slots, n) of the rows times sqrt(spread), which inverts the equations on the active set.
    """

    point: Float[Array, " n"]
    status: Int[Array, ""]
    occupant: Int[Array, " slots"]
    multiplier: Any
    dual_basis: Any

    def to_rows(self, values: Float[Array, " slots"], count: int) -> Float[Array, " rows"]:
        """Spread values of the slots over all rows."""
        filled = self.occupant >= 0
        place = jnp.where(filled, self.occupant, 0)
        return jnp.zeros(count, values.dtype).at[place].add(jnp.where(filled, values, jnp.zeros_like(values)))

    def to_slots(self, values: Float[Array, " rows"]) -> Float[Array, " slots"]:
        """Pick the values of the active rows."""
        filled = self.occupant >= 0
        return jnp.where(filled, values[jnp.where(filled, self.occupant, 0)], 0.0)


class _Problem(NamedTuple):
    """Inputs of a programme, of a batch with the batch as first axis, or of a block with the batch as last axis."""

    rows: Rows
    target: Array
    spread: Array
    offset: Array


def least_distance(
    target: Float[Array, " n"],
    spread: Float[Array, " n"],
    rows: Float[Array, "rows n"] | Rows,
    offset: Float[Array, " rows"],
    equalities: int,
    most_steps: int = 200,
    multipliers: bool = True,
) -> LeastDistance:
    """Return the point nearest to `target` that meets the rows; see the module's docstring.

    Args are finite; `spread` >= 0. The units of `target` and `offset` are the caller's, `spread` their square.
    Float64, or float32 with about 1e-5 of the largest target as accuracy. Never raises; see
    `LeastDistance.status`.

    >>> answer = least_distance(jnp.array([1.0, 3.0]), jnp.ones(2), jnp.array([[1.0, 1.0], [1.0, 0.0]]),
    ...                         jnp.array([0.0, 0.5]), equalities=1)
    >>> print(answer.point, answer.active)
    [ 0.5 -0.5] [ True  True]
    """
    rows = Rows.of(rows)
    problem = _Problem(rows, target, spread, offset)
    point, multiplier, found = _differentiable(equalities, most_steps, multipliers)(problem)
    active = found.to_rows(jnp.ones_like(found.occupant), offset.shape[0]) > 0
    missed = lax.stop_gradient(offset - rows.times(point))
    missed = jnp.where(jnp.arange(offset.shape[0]) < equalities, jnp.abs(missed), missed)
    violation = jnp.maximum(jnp.max(missed, initial=0.0), 0.0)
    return LeastDistance(point, multiplier, active, violation, found.status)


def least_slack(matrix: Float[Array, "rows n"], offset: Float[Array, " rows"]) -> Float[Array, " rows"]:
    """Return the s >= 0 of least sum of squares for which some z has matrix z + s >= offset.

    By duality s is the point nearest to `offset` with matrix^T s = 0 and s >= 0: a least-distance programme.

    >>> print(least_slack(jnp.array([[1.0], [-1.0]]), jnp.array([2.0, 1.0])))
    [1.5 1.5]
    """
    rows, n = matrix.shape
    spread = jnp.ones(rows, matrix.dtype)
    every = jnp.concatenate([matrix.T, jnp.eye(rows, dtype=matrix.dtype)])
    zero = jnp.zeros(rows + n, matrix.dtype)
    return jnp.maximum(least_distance(offset, spread, every, zero, n, multipliers=False).point, 0.0)


def smooth_distance(
    start: Float[Array, " n"],
    target: Float[Array, " n"],
    spread: Float[Array, " n"],
    rows: Float[Array, "rows n"] | Rows,
    offset: Float[Array, " rows"],
    equalities: int,
    smoothing: Float[Array, ""] | float,
    most_steps: int = 60,
) -> tuple[Float[Array, " n"], Bool[Array, ""]]:
    """Return the minimiser with a logarithmic barrier in place of the inequalities, and whether it was found.

    The objective's half plus -smoothing * sum_j log(rows[j] z - offset[j]): smooth in all inputs, inside the bounds,
    and the exact minimiser as `smoothing` [1] goes to 0. `start` is that exact minimiser; it is returned where
    the inequalities have no inside or the search fails. First derivatives are exact. This solves a linear system
    per step and problem, some 50 times the work of `least_distance`.
    """
    rows = Rows.of(rows)
    n, first = target.shape[0], equalities
    tiny = 1e-12 * (1e-3 + jnp.max(jnp.abs(target)))
    precise = 1e-10 if target.dtype == jnp.float64 else 1e-4

    def inequality_slack(problem, z):
        return (problem.rows.times(z) - problem.offset)[first:]

    def gradient(problem, force, ahead, z, m):
        """Stationarity and equalities, where the inequalities push with `force`."""
        pulled = problem.rows.transposed_times(jnp.concatenate([m, force]))
        return jnp.concatenate([z - problem.target - problem.spread * pulled, ahead])

    def search(problem, smoothing):
        matrix = problem.rows.matrix
        equations, bounds = matrix[:first], matrix[first:]
        floor = jnp.sqrt(smoothing * jnp.sum(bounds**2 * problem.spread[None], axis=1)) + tiny
        slack = jnp.maximum(inequality_slack(problem, start), floor)

        def body(now):
            step, z, m, slack, force, _ = now
            residual = gradient(problem, force, equations @ z - problem.offset[:first], z, m)
            slip = inequality_slack(problem, z) - slack
            stiff = force / slack
            pushed = force - (smoothing - stiff * slip * slack) / slack  # what the step adds with z held
            system = jnp.block(
                [
                    [jnp.eye(n, dtype=target.dtype) + problem.spread[:, None] * (bounds.T @ (stiff[:, None] * bounds)),
                     -problem.spread[:, None] * equations.T],
                    [equations, jnp.zeros((first, first), target.dtype)],
                ]
            )  # fmt: skip
            right = -residual - jnp.concatenate([problem.spread * (bounds.T @ pushed), jnp.zeros(first, target.dtype)])
            d = solve_dense(system, right)
            d_slack = bounds @ d[:n] + slip
            d_force = (smoothing - force * slack - force * d_slack) / slack
            most = jnp.minimum(_reach(slack, d_slack), _reach(force, d_force))
            z, m = z + most * d[:n], m + most * d[n:]
            slack, force = slack + most * d_slack, force + most * d_force
            size = jnp.max(jnp.abs(d[:n])) / (1e-3 + jnp.max(jnp.abs(z)))
            return step + 1, z, m, slack, force, (size <= precise) & (most == 1.0)

        begun = (jnp.asarray(0), start, jnp.zeros(first, start.dtype), slack, smoothing / slack, jnp.asarray(False))
        _, z, m, _, _, done = lax.while_loop(lambda now: ~now[-1] & (now[0] < most_steps), body, begun)
        found = done & jnp.all(jnp.isfinite(z)) & jnp.all(inequality_slack(problem, z) > 0.0)
        return z, m, found

    smoothing = jnp.asarray(smoothing, target.dtype)
    problem = _Problem(rows, target, spread, offset)
    z, m, found = search(*lax.stop_gradient((problem, smoothing)))
    z, m = jnp.where(found, z, lax.stop_gradient(start)), jnp.where(found, m, 0.0)

    def optimality(x):
        slack = inequality_slack(problem, x[:n])
        force = smoothing / jnp.where(slack > 0.0, slack, 1.0)
        return gradient(problem, force, (problem.rows.times(x[:n]) - problem.offset)[:first], x[:n], x[n:])

    def tangent_solve(linear, right):
        return solve_dense(jax.jacobian(linear)(jnp.zeros_like(right)), right)

    x = lax.custom_root(optimality, jnp.concatenate([z, m]), lambda _, x: x, tangent_solve)
    return jnp.where(found, x[:n], start), found


def solve_dense(matrix: Float[Array, "n n"], right: Float[Array, "n *k"]) -> Float[Array, "n *k"]:
    """Solve a system by elimination without pivoting, for matrices whose leading minors stay away from zero.

    Differentiable to any order; in plain array operations, because a batch of small LAPACK calls runs one after
    another on a CPU.

    >>> print(solve_dense(jnp.array([[2.0, 1.0], [0.0, 4.0]]), jnp.array([4.0, 8.0])))
    [1. 2.]
    """
    frozen = lax.stop_gradient(matrix)
    return lax.custom_linear_solve(
        lambda x: matrix @ x, right, lambda _, b: _eliminate(frozen, b), lambda _, b: _eliminate(frozen.T, b)
    )


def _eliminate(matrix, right):
    n = matrix.shape[0]
    both = jnp.concatenate([matrix, right.reshape(n, -1)], axis=1)

    def body(k, both):
        pivot = both[k] / both[k, k]
        return (both - both[:, k][:, None] * pivot[None]).at[k].set(pivot)

    return lax.fori_loop(0, n, body, both)[:, n:].reshape(right.shape)


def orthonormal(matrix: Float[Array, "n k"]) -> tuple[Float[Array, "n k"], Float[Array, "k k"]]:
    """Return orthonormal columns q and the upper triangle t with matrix t = q (Gram-Schmidt, twice).

    Differentiable to any order; in plain array operations, for the reason of `solve_dense`. The columns of `matrix`
    are independent.
    """
    return _orthonormal(matrix)


@jax.custom_jvp
def _orthonormal(matrix):
    k = matrix.shape[1]

    def body(j, now):
        q, t = now
        column, inside = matrix[:, j], jnp.zeros(k, matrix.dtype)
        for _ in range(2):
            again = column @ q
            column, inside = column - q @ again, inside + again
        length = jnp.sqrt(jnp.sum(column**2))
        unit = jnp.zeros(k, matrix.dtype).at[j].set(1.0)
        return q.at[:, j].set(column / length), t.at[:, j].set((unit - t @ inside) / length)

    return lax.fori_loop(0, k, body, (jnp.zeros_like(matrix), jnp.zeros((k, k), matrix.dtype)))


@_orthonormal.defjvp
def _orthonormal_tangent(primals, tangents):
    # with matrix t = q and q^T q = 1: d(triangle) t is upper triangular, and d(q) follows
    q, t = _orthonormal(*primals)
    moved = tangents[0] @ t
    inside = q.T @ moved
    upper = jnp.triu(inside + inside.T, 1) + jnp.diag(jnp.diag(inside))
    return (q, t), (moved - q @ upper, -t @ upper)


def _reach(value, change):
    """Return the part of a step, at most 1, that keeps `value` positive."""
    falling = change < 0.0
    return jnp.minimum(1.0, 0.99 * jnp.min(jnp.where(falling, -value / jnp.where(falling, change, -1.0), jnp.inf)))


# ---------------------------------------------------------------------------------------------- derivative


def _differentiable(equalities: int, most_steps: int, factored: bool) -> Callable:
    """Return problem -> (point, multipliers of all rows, what was found), with its derivative."""

    @jax.custom_jvp
    def solve(problem: _Problem):
        found = _solve(problem, equalities, most_steps, factored)
        rows = problem.offset.shape[0]
        return found.point, found.to_rows(found.multiplier, rows) if factored else None, found

    @solve.defjvp
    def _tangent(primals, tangents):
        (problem,), (change,) = primals, tangents
        z, m, found = _differentiable(equalities, most_steps, True)(problem)
        moved = jax.jvp(lambda p: _residual(p, z, m, found), (problem,), (change,))[1]
        changes = _linear_solve(problem, found, moved)
        if factored:
            return (z, m, found), (*changes, jax.tree.map(_zero_tangent, found))
        found = found._replace(multiplier=None, dual_basis=None)
        return (z, None, found), (changes[0], None, jax.tree.map(_zero_tangent, found))

    return solve


def _zero_tangent(leaf):
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        return jnp.zeros_like(leaf)
    return np.zeros(leaf.shape, jax.dtypes.float0)


def _residual(problem: _Problem, z, m, found: _Found):
    """What is missing in the equations on the active set at (z, m)."""
    stationary = problem.target + problem.spread * problem.rows.transposed_times(m) - z
    return stationary, found.to_slots(problem.offset - problem.rows.times(z))


def _linear_solve(problem: _Problem, found: _Found, right_side):
    """Solve the equations on the active set for (z, multipliers of all rows), differentiable to any order."""
    rows, spread, count = problem.rows, problem.spread, problem.offset.shape[0]
    frozen, root, dual_basis = lax.stop_gradient((rows, jnp.sqrt(spread), found.dual_basis))
    vacant = found.occupant < 0
    n = spread.shape[0]

    def apply(x):
        z, m = x[:n], x[n:]
        stationary = z - spread * rows.transposed_times(found.to_rows(m, count))
        return jnp.concatenate([stationary, jnp.where(vacant, m, found.to_slots(rows.times(z)))])

    def solve(_, right):
        a, b = right[:n], right[n:]
        t = jnp.where(vacant, 0.0, b - found.to_slots(frozen.times(a))) @ dual_basis
        return jnp.concatenate([a + root * t, jnp.where(vacant, b, dual_basis @ t)])

    def solve_transposed(_, right):
        z, m = right[:n], right[n:]
        u = dual_basis @ (root * z + jnp.where(vacant, 0.0, m) @ dual_basis)
        return jnp.concatenate([z - frozen.transposed_times(found.to_rows(u, count)), jnp.where(vacant, m, u)])

    # one vector, because reverse mode wants all of the right side to depend on what is differentiated
    x = lax.custom_linear_solve(apply, jnp.concatenate(right_side), solve, solve_transposed)
    return x[:n], found.to_rows(x[n:], count)


# ---------------------------------------------------------------------------------------------- batches


def _solve(problem: _Problem, equalities: int, most_steps: int, factored: bool) -> _Found:
    """Solve without derivative: one problem, or under vmap a batch, however many maps are nested."""

    @custom_vmap
    def many(base, left, right, offset, target, spread):
        # Leading axis: the batch. It may be missing in base and left, and 1 in right and offset: shared by all.
        with jax.numpy_rank_promotion("allow"):  # in a block the batch is the last axis, as in (n, b) * (b,)
            problem = _Problem(Rows(base, left, right), target, spread, offset)
            return _passes(problem, equalities, most_steps, factored)

    @many.def_vmap
    def _map_of_maps(size, batched, base, left, right, offset, target, spread):
        length = target.shape[1 if batched[4] else 0]

        def merge(leaf, is_batched):
            leaf = leaf if is_batched else jnp.broadcast_to(leaf, (size, *leaf.shape))
            leaf = jnp.broadcast_to(leaf, (size, length, *leaf.shape[2:]))
            return leaf.reshape((size * length, *leaf.shape[2:]))

        def merge_matrix(leaf, is_batched):
            if leaf.ndim - is_batched == 3:
                return merge(leaf, is_batched)
            return jnp.repeat(leaf, length, axis=0) if is_batched else leaf

        def merge_shared(leaf, is_batched):
            return leaf if leaf.shape[0] == 1 and not is_batched else merge(leaf, is_batched)

        parts = (base, left, right, offset, target, spread)
        merges = (merge_matrix, merge_matrix, merge_shared, merge_shared, merge, merge)
        out = many(*(one(leaf, flag) for one, leaf, flag in zip(merges, parts, batched, strict=True)))
        return jax.tree.map(lambda leaf: leaf.reshape((size, length, *leaf.shape[1:])), out), _everywhere(out)

    @custom_vmap
    def one(base, left, *own):
        return jax.tree.map(lambda leaf: leaf[0], many(base, left, *(leaf[None] for leaf in own)))

    @one.def_vmap
    def _map(size, batched, base, left, right, offset, target, spread):
        right, offset = (x if flag else x[None] for x, flag in zip((right, offset), batched[2:4], strict=True))
        both = (
            x if flag else jnp.broadcast_to(x, (size, *x.shape))
            for x, flag in zip((target, spread), batched[4:], strict=True)
        )
        out = many(base, left, right, offset, *both)
        return out, _everywhere(out)

    rows, target, spread, offset = lax.stop_gradient(problem)
    return one(*rows, offset, target, spread)


def _everywhere(out):
    return jax.tree.map(lambda _: True, out)


def _passes(problem: _Problem, equalities: int, most_steps: int, factored: bool) -> _Found:
    """Solve a batch (first axis) in passes over blocks; inside, the batch is the last axis."""
    rows, target, spread, offset = problem
    size, n = target.shape
    slots = max(n, equalities)  # more equalities than unknowns: some depend on others, and their slots stay empty
    if rows.left.ndim == 3 or (rows.base.ndim == 3 and rows.left.shape[-1]):  # every problem has rows of its own
        base = rows.base + rows.left @ rows.right
        rows = Rows(base, jnp.zeros_like(base[0, :, :0]), jnp.zeros_like(base[:1, :0]))
    base, right, target, spread, offset = (
        leaf if leaf is rows.base and leaf.ndim == 2 else jnp.moveaxis(leaf, 0, -1)
        for leaf in (rows.base, rows.right, target, spread, offset)
    )
    equations, bounds = (
        _Matrix.of(base[part], rows.left[part]) for part in np.split(np.arange(len(base)), [equalities])
    )

    def block(take) -> _Block:
        def part(leaf):
            return leaf if leaf.shape[-1] == 1 else take(leaf)

        def part_of(matrix: _Matrix):
            return matrix if matrix.is_shared else _Matrix.of(take(matrix.base), matrix.left)

        own = (part(leaf) for leaf in (right, target, spread, offset))
        return _Block(part_of(equations), part_of(bounds), *own)

    def meet_equalities(take):
        at = block(take)
        return _finish(at, _begin(at), slots, factored)

    def add_rows(take):
        at = block(take)
        return _finish(at, _add_rows(at, _begin(at)), slots, factored)

    def search(take):
        at = block(take)
        begun = _begin(at) if equalities <= _FEW else _begin_many(at)
        return _finish(at, _search(at, begun, slots, most_steps), slots, factored)

    if size == 1:
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), search(lambda leaf: leaf))
    found = _Found(
        jnp.zeros((n, size), target.dtype),
        jnp.zeros(size, jnp.int32),
        jnp.zeros((slots, size), jnp.int32),
        jnp.zeros((slots, size), target.dtype) if factored else None,
        jnp.zeros((slots, n, size), target.dtype) if factored else None,
    )
    if size > _BLOCK and equalities <= _FEW:
        found = _all_blocks(meet_equalities, found)
    if equalities <= _FEW:
        found = _running_blocks(add_rows, found, _BLOCK)
    found = _running_blocks(search, found, _SMALL_BLOCK)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), found)


def _all_blocks(work: Callable, found: _Found) -> _Found:
    """Let `work` go through all problems; the last block overlaps the one before it."""
    size = found.status.shape[0]

    def body(i, found):
        start = jnp.minimum(i * _BLOCK, size - _BLOCK)
        part = work(lambda leaf: lax.dynamic_slice_in_dim(leaf, start, _BLOCK, axis=-1))
        return jax.tree.map(lambda old, new: lax.dynamic_update_slice_in_dim(old, new, start, axis=-1), found, part)

    return lax.fori_loop(0, -(-size // _BLOCK), body, found)


def _running_blocks(work: Callable, found: _Found, width: int) -> _Found:
    """Let `work` go through the problems that still run."""
    running = found.status == RUNNING
    size = running.shape[0]
    if size <= width:
        part = work(lambda leaf: leaf)
        return jax.tree.map(lambda old, new: jnp.where(running, new, old), found, part)
    order = jnp.nonzero(running, size=size + width, fill_value=size)[0].astype(jnp.int32)
    count = jnp.sum(running)

    def body(carry):
        done, found = carry
        index = lax.dynamic_slice(order, (done,), (width,))
        # places past the end repeat the last problem, and what comes of them is dropped
        part = work(lambda leaf: jnp.take(leaf, jnp.minimum(index, size - 1), axis=-1))
        found = jax.tree.map(lambda old, new: old.at[..., index].set(new, mode="drop"), found, part)
        return done + width, found

    return lax.while_loop(lambda carry: carry[0] < count, body, (jnp.asarray(0, jnp.int32), found))[1]


# ---------------------------------------------------------------------------------------------- one block


def _dot(a, b):
    return jnp.sum(a * b, axis=0)


class _Matrix(NamedTuple):
    """Some of a programme's rows in a block, base + left @ right, and what is transposed of it once.

    base: (rows, n), shared by all problems, or (rows, n, width); left: (rows, k).
    """

    base: Array
    left: Array
    base_transposed: Array
    left_transposed: Array

    @classmethod
    def of(cls, base, left):
        # a product with a transposed matrix is several times slower than with one that was transposed before
        return cls(base, left, jnp.swapaxes(base, 0, 1), left.T)

    @property
    def is_shared(self) -> bool:
        return self.base.ndim == 2


class _Block:
    """Problems of a block, batch last, and products with their rows."""

    def __init__(self, equations: _Matrix, bounds: _Matrix, right, target, spread, offset):
        self.equations, self.bounds, self.right = equations, bounds, right
        self.target, self.spread = target, spread
        self.root = jnp.sqrt(spread)
        self.offset, self.bound_offset = jnp.split(offset, [self.equalities])
        self.tolerance = _Tolerance.of(target.dtype)
        self.allowed = self.tolerance.feasible * (1e-3 + jnp.max(jnp.abs(target), axis=0))

    @property
    def equalities(self) -> int:
        return self.equations.base.shape[0]

    @property
    def inequalities(self) -> int:
        return self.bounds.base.shape[0]

    @property
    def width(self) -> int:
        return self.target.shape[-1]

    def _with_right(self, base, weights):
        for k in range(self.right.shape[0]):
            base = base + weights(k) * self.right[k]
        return base

    def equation(self, j: int):
        """Return row j, (n, width)."""
        base = self.equations.base[j]
        return self._with_right(
            base[:, None] if self.equations.is_shared else base, lambda k: self.equations.left[j, k]
        )

    def _times(self, matrix: _Matrix, z):
        product = matrix.base @ z if matrix.is_shared else jnp.sum(matrix.base * z[None], axis=1)
        for k in range(self.right.shape[0]):
            product = product + matrix.left[:, k][:, None] * _dot(self.right[k], z)
        return product

    def equation_gaps(self, z):
        """Return by how much each equality is missed, signed, (equalities, width)."""
        if self.equalities > _FEW:
            return self.offset - self._times(self.equations, z)
        gaps = [self.offset[j] - _dot(self.equation(j), z) for j in range(self.equalities)]
        return jnp.stack(gaps) if gaps else jnp.zeros((0, self.width), z.dtype)

    def bound(self, place):
        """Return the row of inequality number `place` of each problem as a unit row (n, width), and its scale."""
        one_hot = (_numbers(self.inequalities) == place).astype(self.target.dtype)
        base = self.bounds.base_transposed
        chosen = base @ one_hot if self.bounds.is_shared else jnp.sum(base * one_hot[None], axis=1)
        if self.right.shape[0]:
            left = self.bounds.left_transposed @ one_hot
            chosen = self._with_right(chosen, lambda k: left[k])
        return _unit(chosen * self.root)

    def point(self, x):
        return self.target + self.root * x

    def missed(self, z):
        """Return by how much each inequality is missed, (inequalities, width)."""
        return self.bound_offset - self._times(self.bounds, z)


def _stacked(slots, blank):
    """Return what stands in the slots as one array, slots first; `blank` has the shape and type of one slot."""
    if not isinstance(slots, tuple):
        return slots
    return jnp.stack(slots) if slots else jnp.zeros((0, *blank.shape), blank.dtype)


def _numbers(count: int):
    return jnp.arange(count, dtype=jnp.int32)[:, None]


class _State(NamedTuple):
    """Where a block stands, in scaled coordinates. A slot holds an active row, scaled to unit length.

    x: (n, width). For every slot, in a tuple where they are few, else as first axis: row and dual: (n, width),
    scale: (width,) what made the row's length 1, occupant: (width,) its index or -1. status: (width,).
    """

    x: Array
    row: tuple[Array, ...] | Array
    dual: tuple[Array, ...] | Array
    scale: tuple[Array, ...] | Array
    occupant: tuple[Array, ...] | Array
    status: Array


def _unit(row):
    square = _dot(row, row)
    scale = jnp.where(square > 0.0, lax.rsqrt(jnp.where(square > 0.0, square, 1.0)), 1.0)
    return row * scale, scale


def _split(row, rows, duals, projections):
    """Return the part of `row` outside the span of `rows`, and the coefficients of its part inside.

    After one projection the part outside may still hold rounding of the row's own size; two are enough.
    """
    coefficients = [jnp.zeros_like(row[0]) for _ in rows]
    for _ in range(projections):
        again = [_dot(dual, row) for dual in duals]
        for c, r in zip(again, rows, strict=True):
            row = row - c * r
        coefficients = [a + b for a, b in zip(coefficients, again, strict=True)]
    return row, coefficients


def _enter(state: _State, row, scale, gap, occupant, takes, projections=2) -> tuple[_State, Array]:
    """Add `row` in a new slot where `takes`; `gap` is what x still misses of it. Return also where it was free."""
    tolerance = _Tolerance.of(row.dtype)
    outside, inside = _split(row, state.row, state.dual, projections)
    length = _dot(outside, outside)
    free = length > tolerance.dependent
    takes = takes & free
    dual = jnp.where(takes, outside / jnp.where(free, length, 1.0), 0.0)
    duals = tuple(d - c * dual for d, c in zip(state.dual, inside, strict=True))
    return _State(
        state.x + gap * dual,
        (*state.row, jnp.where(takes, row, 0.0)),
        (*duals, dual),
        (*state.scale, scale),
        (*state.occupant, jnp.where(takes, occupant, -1)),
        state.status,
    ), free


def _begin(at: _Block) -> _State:
    """Meet the equalities."""
    everywhere = jnp.ones(at.width, bool)
    state = _State(jnp.zeros_like(at.target), (), (), (), (), jnp.zeros(at.width, jnp.int32))
    contradicted = ~everywhere
    gaps = at.equation_gaps(at.target)
    for j in range(at.equalities):
        row, scale = _unit(at.equation(j) * at.root)
        gap = gaps[j] * scale - _dot(row, state.x)
        state, free = _enter(state, row, scale, gap, jnp.full(at.width, j, jnp.int32), everywhere)
        contradicted = contradicted | _contradicts(at, free, gap, scale)
    return state._replace(status=jnp.where(contradicted, INFEASIBLE, RUNNING).astype(jnp.int32))


def _contradicts(at: _Block, free, gap, scale):
    """Return where an equality in the span of the ones before it does not hold with them."""
    return ~free & (jnp.abs(gap) > 1e3 * at.allowed * scale)


def _begin_many(at: _Block) -> _State:
    """Meet the equalities, in a loop: there may be many."""
    (n, width), count = at.target.shape, at.equalities
    gaps = at.equation_gaps(at.target)

    def body(j, now):
        x, row, dual, scale, occupant, contradicted = now
        new_row, new_scale = _unit(at.equation(j) * at.root)
        gap = gaps[j] * new_scale - _dot(new_row, x)
        outside, inside = _split_many(new_row, row, dual)
        length = _dot(outside, outside)
        free = length > at.tolerance.dependent
        new = jnp.where(free, outside / jnp.where(free, length, 1.0), 0.0)
        return (
            x + gap * new,
            row.at[j].set(jnp.where(free, new_row, 0.0)),
            (dual - inside[:, None] * new[None]).at[j].set(new),
            scale.at[j].set(new_scale),
            occupant.at[j].set(jnp.where(free, j, -1).astype(jnp.int32)),
            contradicted | _contradicts(at, free, gap, new_scale),
        )

    blank = jnp.zeros((count, n, width), at.target.dtype)
    none = jnp.full((count, width), -1, jnp.int32)
    first = (jnp.zeros_like(at.target), blank, blank, blank[:, 0], none, jnp.zeros(width, bool))
    *reached, contradicted = lax.fori_loop(0, count, body, first)
    status = jnp.where(contradicted, INFEASIBLE, RUNNING).astype(jnp.int32)
    x, row, dual, scale, occupant = reached
    return _State(x, row, dual, scale, occupant, status)


def _products(duals, x):
    """Return the product of x with the vector of each slot, (slots, width)."""
    if isinstance(duals, tuple):  # a sum over the first axis is several times faster than one over the second
        return _stacked(tuple(_dot(dual, x) for dual in duals), x[0])
    return jnp.sum(duals * x[None], axis=1)


def _split_many(row, rows, duals):
    """Do what `_split` does, with the slots as first axis of arrays; empty ones are 0."""
    inside = jnp.zeros((rows.shape[0], row.shape[-1]), row.dtype)
    for _ in range(2):
        again = _products(duals, row)
        row = row - jnp.sum(rows * again[:, None], axis=0)
        inside = inside + again
    return row, inside


def _most_missed(missed):
    """Return the largest entry of each column, and the number of the first row that has it."""
    worst = jnp.max(missed, axis=0)
    count = missed.shape[0]
    return worst, jnp.min(jnp.where(missed == worst, _numbers(count), count), axis=0).astype(jnp.int32)


def _add_rows(at: _Block, state: _State) -> _State:
    """Add the most missed row, a few times; then let rows with a negative multiplier leave."""
    if not at.inequalities:
        return state
    missed = at.missed(at.point(state.x))
    blank = jnp.zeros_like(state.x)

    def add(given):
        state, missed = given
        worst, place = _most_missed(missed)
        row, scale = at.bound(place)
        takes = (state.status == RUNNING) & (worst > at.allowed)
        state, _ = _enter(state, row, scale, worst * scale, at.equalities + place, takes, projections=1)
        return state, at.missed(at.point(state.x))

    def pass_by(given):
        state, missed = given
        scale, none = jnp.ones_like(blank[0]), jnp.full(at.width, -1, jnp.int32)
        rows, duals = (*state.row, blank), (*state.dual, blank)
        return _State(state.x, rows, duals, (*state.scale, scale), (*state.occupant, none), state.status), missed

    added = min(_ADDED, blank.shape[0] - at.equalities)  # a point can be held by no more rows than it has coordinates
    for _ in range(added):
        needed = jnp.any((state.status == RUNNING) & (jnp.max(missed, axis=0) > at.allowed))
        state, missed = lax.cond(needed, add, pass_by, (state, missed))
    for _ in range(added - 1):
        multipliers = _products(state.dual[at.equalities :], state.x)
        leave = partial(_leave, at, multipliers=multipliers)
        state = lax.cond(jnp.any(multipliers < 0.0), leave, lambda state: state, state)
    return state


def _leave(at: _Block, state: _State, multipliers) -> _State:
    """Let the row with the most negative multiplier leave."""
    least = jnp.min(multipliers, axis=0)
    leaves = (state.status == RUNNING) & (least < 0.0)
    rows, duals, occupants = list(state.row), list(state.dual), list(state.occupant)
    gone, its = jnp.zeros_like(state.x), jnp.zeros_like(least)
    for k, multiplier in enumerate(multipliers, start=at.equalities):
        here = leaves & (multiplier == least)
        gone = jnp.where(here, duals[k], gone)
        its = jnp.where(here, multiplier, its)
        rows[k] = jnp.where(here, 0.0, rows[k])
        occupants[k] = jnp.where(here, -1, occupants[k])
    square = _dot(gone, gone)
    direction = gone / jnp.where(square > 0.0, square, 1.0)
    empty = [occupant < 0 for occupant in occupants]
    duals = [jnp.where(e, 0.0, dual - _dot(dual, direction) * gone) for e, dual in zip(empty, duals, strict=True)]
    return state._replace(x=state.x - its * direction, row=tuple(rows), dual=tuple(duals), occupant=tuple(occupants))


def _search(at: _Block, begun: _State, slots: int, most_steps: int) -> _State:
    """Run the whole method from the equalities on. Slots are an axis of arrays here: there may be many."""
    equalities, (n, width) = at.equalities, at.target.shape
    if not at.inequalities:
        return begun
    dtype, tolerance = at.target.dtype, at.tolerance
    empty = slots - equalities

    def stack(parts, blank):
        return jnp.concatenate([_stacked(parts, blank), jnp.broadcast_to(blank, (empty, *blank.shape))])

    slot = jnp.arange(slots, dtype=jnp.int32)[:, None]

    class Carry(NamedTuple):
        step: Array
        x: Array
        row: Array
        dual: Array
        scale: Array
        occupant: Array
        place: Array  # the row on its way in, -1 for none
        held: Array  # its multiplier so far
        missed: Array
        status: Array

    def body(now: Carry) -> Carry:
        place = jnp.where(now.place < 0, _most_missed(now.missed)[1], now.place)
        row, scale = at.bound(place)
        outside, inside = _split_many(row, now.row, now.dual)
        length = _dot(outside, outside)
        free = length > tolerance.dependent
        gap = jnp.max(jnp.where(_numbers(at.inequalities) == place, now.missed, -jnp.inf), axis=0) * scale
        full = jnp.where(free, gap / jnp.where(free, length, 1.0), jnp.inf)
        multipliers = _products(now.dual, now.x) - inside * now.held
        blocks = (now.occupant >= equalities) & (inside > tolerance.blocking)
        ratio = jnp.where(blocks, jnp.maximum(multipliers, 0.0) / jnp.where(blocks, inside, 1.0), jnp.inf)
        least = jnp.min(ratio, axis=0)
        leaving = jnp.min(jnp.where(ratio == least, slot, slots), axis=0)
        vacant = jnp.min(jnp.where(now.occupant < 0, slot, slots), axis=0)
        enters = full <= least
        stuck = jnp.isinf(full) & jnp.isinf(least)
        # no place is left only if rounding hid that the row depends on the active ones
        crowded = enters & ~stuck & (vacant == slots)
        moves = (now.status == RUNNING) & ~stuck & ~crowded
        t = jnp.where(moves, jnp.minimum(full, least), 0.0)
        gone = jnp.sum(jnp.where((slot == leaving)[:, None], now.dual, 0.0), axis=0)
        square = _dot(gone, gone)
        along = _products(now.dual, gone) / jnp.where(square > 0.0, square, 1.0)
        new = outside / jnp.where(free, length, 1.0)
        taken = jnp.where(moves, jnp.where(enters, inside, along), 0.0)
        dual = now.dual - taken[:, None] * jnp.where(enters, new, gone)[None]
        changed = (slot == jnp.where(enters, vacant, leaving)) & moves
        x = now.x + jnp.where(free, t, 0.0) * outside
        missed = at.missed(at.point(x))
        solved = enters & (jnp.max(missed, axis=0) <= at.allowed)
        status = jnp.where(solved, SOLVED, jnp.where(crowded, NOT_CONVERGED, RUNNING))
        status = jnp.where(stuck, INFEASIBLE, status)
        return Carry(
            now.step + 1,
            x,
            jnp.where(changed[:, None], jnp.where(enters, row, 0.0)[None], now.row),
            jnp.where(changed[:, None], jnp.where(enters, new, 0.0)[None], dual),
            jnp.where(changed, scale, now.scale),
            jnp.where(changed, jnp.where(enters, equalities + place, -1), now.occupant),
            jnp.where(moves, jnp.where(enters, -1, place), now.place),
            jnp.where(enters, 0.0, now.held + t),
            missed,
            jnp.where(now.status == RUNNING, status, now.status).astype(jnp.int32),
        )

    blank = jnp.zeros((n, width), dtype)
    first = Carry(
        jnp.asarray(0, jnp.int32),
        begun.x,
        stack(begun.row, blank),
        stack(begun.dual, blank),
        stack(begun.scale, jnp.ones(width, dtype)),
        stack(begun.occupant, jnp.full(width, -1, jnp.int32)),
        jnp.full(width, -1, jnp.int32),
        jnp.zeros(width, dtype),
        at.missed(at.point(begun.x)),
        begun.status,
    )
    met = jnp.max(first.missed, axis=0) <= at.allowed
    first = first._replace(status=jnp.where((begun.status == RUNNING) & met, SOLVED, begun.status).astype(jnp.int32))
    last = lax.while_loop(lambda c: (c.step < most_steps) & jnp.any(c.status == RUNNING), body, first)
    status = jnp.where(last.status == RUNNING, NOT_CONVERGED, last.status).astype(jnp.int32)
    return _State(last.x, last.row, last.dual, last.scale, last.occupant, status)


def _finish(at: _Block, state: _State, slots: int, factored: bool) -> _Found:
    """Test what runs for its optimum, and return what was found, after one step of refinement.

    The test: inequalities are met, active rows hold with equality, their multipliers have their sign. Rounding
    shows as gaps of the active rows; the dual basis closes them.
    """
    count = len(state.row)
    dual = state.dual
    scale = _stacked(state.scale, jnp.zeros(at.width, state.x.dtype))
    occupant = _stacked(state.occupant, jnp.zeros(at.width, jnp.int32))
    z = at.point(state.x)
    missed = at.missed(z)
    gaps = at.equation_gaps(z)
    if count > at.equalities:
        place = jnp.clip(occupant[at.equalities :] - at.equalities, 0, at.inequalities - 1)
        gaps = jnp.concatenate([gaps, jnp.take_along_axis(missed, place, axis=0)])
    gaps = jnp.where(occupant >= 0, gaps, 0.0)
    multiplier = _products(dual, state.x)
    optimal = jnp.max(missed, axis=0, initial=-jnp.inf) <= at.allowed
    optimal = optimal & (jnp.max(jnp.abs(gaps), axis=0, initial=0.0) <= at.allowed)
    optimal = optimal & (jnp.min(multiplier[at.equalities :], axis=0, initial=0.0) >= 0.0)
    closing = sum((gap * one for gap, one in zip(gaps * scale, dual, strict=True)), jnp.zeros_like(z))

    def padded(parts, blank):
        return jnp.concatenate([parts, jnp.full((slots - count, *parts.shape[1:]), blank, parts.dtype)])

    found = _Found(
        z + at.root * closing,
        jnp.where((state.status == RUNNING) & optimal, SOLVED, state.status).astype(jnp.int32),
        padded(occupant, -1),
        None,
        None,
    )
    if not factored:
        return found
    multiplier = (multiplier + _products(dual, closing)) * scale
    signed = _numbers(count) >= at.equalities
    multiplier = jnp.where(signed, jnp.maximum(multiplier, 0.0), multiplier)
    dual_basis = _stacked(dual, jnp.zeros_like(z)) * scale[:, None]
    return found._replace(multiplier=padded(multiplier, 0.0), dual_basis=padded(dual_basis, 0.0))
