"""Batches of least-distance programmes: nested maps become one batch, which is solved in passes over blocks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

from graycell.numerics.programme.active_set import add_rows, finish, meet_equalities, meet_many_equalities, search
from graycell.numerics.programme.block import FEW_EQUALITIES, Block, Matrix
from graycell.numerics.programme.levels import finish_levels, search_levels
from graycell.numerics.programme.problem import RUNNING, Found, Problem, Rows

_BLOCK, _SMALL_BLOCK = 256, 32
"""Problems that are solved at once in the first two passes and in the last. The arrays of a block of problems of a
cell's size (some 13 unknowns, 25 rows) take some hundred kilobytes, which fit into the cache of a core."""


def solve(problem: Problem, equalities: int, most_steps: int, factored: bool, free: int = 0) -> Found:
    """Solve a programme without derivative; under `jax.vmap`, a batch, however many maps are nested.

    Args:
        problem: One problem.
        equalities: Number of equalities, which are the first rows.
        most_steps: Limit of the search, in steps.
        factored: Whether to return multipliers and dual basis.
        free: Number of coordinates without weight, the last ones, whose variance is 1.

    Returns:
        The result of the search.
    """

    @custom_vmap
    def batch(base, left, right, offset, target, variance):
        # The first axis is the batch. base and left may lack it, and in right and offset it may be 1: shared by all.
        with jax.numpy_rank_promotion("allow"):  # in a block the batch is the last axis, as in (n, b) * (b,)
            problem = Problem(Rows(base, left, right), target, variance, offset)
            return _passes(problem, equalities, most_steps, factored, free)

    @batch.def_vmap
    def _map_of_batches(size, batched, base, left, right, offset, target, variance):
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

        parts = (base, left, right, offset, target, variance)
        merges = (merge_matrix, merge_matrix, merge_shared, merge_shared, merge, merge)
        out = batch(*(merged(leaf, flag) for merged, leaf, flag in zip(merges, parts, batched, strict=True)))
        return jax.tree.map(lambda leaf: leaf.reshape((size, length, *leaf.shape[1:])), out), _all_batched(out)

    @custom_vmap
    def single(base, left, *own):
        return jax.tree.map(lambda leaf: leaf[0], batch(base, left, *(leaf[None] for leaf in own)))

    @single.def_vmap
    def _map(size, batched, base, left, right, offset, target, variance):
        right, offset = (x if flag else x[None] for x, flag in zip((right, offset), batched[2:4], strict=True))
        both = (
            x if flag else jnp.broadcast_to(x, (size, *x.shape))
            for x, flag in zip((target, variance), batched[4:], strict=True)
        )
        out = batch(base, left, right, offset, *both)
        return out, _all_batched(out)

    rows, target, variance, offset = lax.stop_gradient(problem)
    return single(*rows, offset, target, variance)


def _all_batched(out):
    return jax.tree.map(lambda _: True, out)


def _passes(problem: Problem, equalities: int, most_steps: int, factored: bool, free: int) -> Found:
    """Solve a batch (first axis) in passes over blocks; inside, the batch is the last axis."""
    size, n = problem.target.shape
    slots = max(n, equalities)  # with more equalities than unknowns, some are dependent and their slots stay empty
    block = _blocks_of(problem, equalities)

    def equalities_alone(take):
        at = block(take)
        return finish(at, meet_equalities(at), slots, factored)

    def few_rows(take):
        at = block(take)
        return finish(at, add_rows(at, meet_equalities(at)), slots, factored)

    def whole_method(take):
        at = block(take)
        if free:
            return finish_levels(at, search_levels(at, slots, most_steps, free), free, factored)
        begun = meet_equalities(at) if equalities <= FEW_EQUALITIES else meet_many_equalities(at)
        return finish(at, search(at, begun, slots, most_steps), slots, factored)

    if size == 1:
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), whole_method(lambda leaf: leaf))
    dtype = problem.target.dtype
    found = Found(
        jnp.zeros((n, size), dtype),
        jnp.zeros(size, jnp.int32),
        jnp.zeros((slots, size), jnp.int32),
        jax.tree.map(lambda _: jnp.zeros((slots, size), dtype), (0, 0) if free else 0) if factored else None,
        jnp.zeros((slots, n, size), dtype) if factored else None,
    )
    unrolled = equalities <= FEW_EQUALITIES and not free
    if size > _BLOCK and unrolled:
        found = _all_blocks(equalities_alone, found)
    if unrolled:
        found = _running_blocks(few_rows, found, _BLOCK)
    found = _running_blocks(whole_method, found, _SMALL_BLOCK)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), found)


def _blocks_of(problem: Problem, equalities: int) -> Callable[[Callable], Block]:
    """Return a function that makes a block of the problems that `take` selects along the last axis of an array."""
    rows, target, variance, offset = problem
    if rows.left.ndim == 3 or (rows.base.ndim == 3 and rows.left.shape[-1]):  # every problem has its own rows
        base = rows.base + rows.left @ rows.right
        rows = Rows(base, jnp.zeros_like(base[0, :, :0]), jnp.zeros_like(base[:1, :0]))
    base, right, target, variance, offset = (
        leaf if leaf is rows.base and leaf.ndim == 2 else jnp.moveaxis(leaf, 0, -1)
        for leaf in (rows.base, rows.right, target, variance, offset)
    )
    equations, bounds = (
        Matrix.of(base[part], rows.left[part]) for part in np.split(np.arange(len(base)), [equalities])
    )

    def block(take) -> Block:
        def part(leaf):
            return leaf if leaf.shape[-1] == 1 else take(leaf)

        def part_of(matrix: Matrix):
            return matrix if matrix.is_shared else Matrix.of(take(matrix.base), matrix.left)

        return Block(part_of(equations), part_of(bounds), *(part(leaf) for leaf in (right, target, variance, offset)))

    return block


def _all_blocks(work: Callable, found: Found) -> Found:
    """Apply `work` to all problems; the last block overlaps the one before it."""
    size = found.status.shape[0]

    def body(i, found):
        start = jnp.minimum(i * _BLOCK, size - _BLOCK)
        part = work(lambda leaf: lax.dynamic_slice_in_dim(leaf, start, _BLOCK, axis=-1))
        return jax.tree.map(lambda old, new: lax.dynamic_update_slice_in_dim(old, new, start, axis=-1), found, part)

    return lax.fori_loop(0, -(-size // _BLOCK), body, found)


def _running_blocks(work: Callable, found: Found, width: int) -> Found:
    """Apply `work` to the problems that are still running."""
    running = found.status == RUNNING
    size = running.shape[0]
    if size <= width:
        part = work(lambda leaf: leaf)
        return jax.tree.map(lambda old, new: jnp.where(running, new, old), found, part)
    order = jnp.nonzero(running, size=size + width, fill_value=size)[0].astype(jnp.int32)
    count = jnp.sum(running, dtype=jnp.int32)

    def body(carry):
        done, found = carry
        index = lax.dynamic_slice(order, (done,), (width,))
        # places past the end repeat the last problem, and their results are dropped
        part = work(lambda leaf: jnp.take(leaf, jnp.minimum(index, size - 1), axis=-1))
        found = jax.tree.map(lambda old, new: old.at[..., index].set(new, mode="drop"), found, part)
        return done + width, found

    return lax.while_loop(lambda carry: carry[0] < count, body, (jnp.asarray(0, jnp.int32), found))[1]
