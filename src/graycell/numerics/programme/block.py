"""A block of least-distance programmes: the batch is the last axis of every array.

XLA makes slow code of a reduction over any axis but the first, and of a product with a matrix that is transposed in
place; hence the lists of rows and the matrices that are transposed once.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from graycell.numerics.programme.problem import Tolerance

FEW_EQUALITIES = 8
"""Equalities up to which the first two passes are tried; their steps are unrolled."""


def dot(a: Float[Array, "n #width"], b: Float[Array, "n #width"]) -> Float[Array, " #width"]:
    """Multiply the vectors of a block in pairs.

    Args:
        a: A vector for each problem, or one for all.
        b: A vector for each problem, or one for all.

    Returns:
        The scalar product of each pair.
    """
    return jnp.sum(a * b, axis=0)


def unit(row: Float[Array, "n width"]) -> tuple[Float[Array, "n width"], Float[Array, " width"]]:
    """Scale the rows of a block to unit length.

    Args:
        row: A row for each problem.

    Returns:
        The unit rows, and the factors by which they were multiplied; a row of zeros keeps the factor 1.
    """
    square = dot(row, row)
    scale = jnp.where(square > 0.0, lax.rsqrt(jnp.where(square > 0.0, square, 1.0)), 1.0)
    return row * scale, scale


def numbers(count: int) -> Array:
    """Count rows or slots.

    Args:
        count: How many there are.

    Returns:
        0, 1, ... as a column.
    """
    return jnp.arange(count, dtype=jnp.int32)[:, None]


class Matrix(NamedTuple):
    """Some rows of the programmes of a block, base + left @ right, and their transposes.

    Attributes:
        base: (rows, n), shared by all problems, or (rows, n, width).
        left: (rows, k).
        base_transposed: `base` with its first two axes swapped.
        left_transposed: (k, rows).
    """

    base: Array
    left: Array
    base_transposed: Array
    left_transposed: Array

    @classmethod
    def of(cls, base: Array, left: Array) -> "Matrix":
        """Store both matrices with their transposes.

        Args:
            base: (rows, n), or (rows, n, width).
            left: (rows, k).

        Returns:
            The rows.
        """
        # a product with a matrix that is transposed in place is several times slower
        return cls(base, left, jnp.swapaxes(base, 0, 1), left.T)

    @property
    def is_shared(self) -> bool:
        """Whether all problems have the same `base`."""
        return self.base.ndim == 2


class Block:
    """The problems of a block and products with their rows.

    Args:
        equations: Rows of the equalities.
        bounds: Rows of the inequalities.
        right: (k, n, width) right factor of the low-rank part of the rows.
        target: (n, width).
        variance: (n, width).
        offset: (rows, width) right sides, equalities first.
    """

    def __init__(self, equations: Matrix, bounds: Matrix, right, target, variance, offset):
        self.equations, self.bounds, self.right = equations, bounds, right
        self.target, self.variance = target, variance
        self.root = jnp.sqrt(variance)
        self.offset, self.bound_offset = jnp.split(offset, [self.equalities])
        self.tolerance = Tolerance.of(target.dtype)
        # no point is smaller than the right sides that exclude 0; those that allow it may be far from everything
        forced = jnp.concatenate([jnp.abs(self.offset), self.bound_offset])
        size = jnp.maximum(jnp.max(jnp.abs(target), axis=0, initial=0.0), jnp.max(forced, axis=0, initial=0.0))
        self.allowed = self.tolerance.feasible * size

    @property
    def equalities(self) -> int:
        """Number of equalities."""
        return self.equations.base.shape[0]

    @property
    def inequalities(self) -> int:
        """Number of inequalities."""
        return self.bounds.base.shape[0]

    @property
    def width(self) -> int:
        """Number of problems."""
        return self.target.shape[-1]

    def _with_right(self, base, weights):
        for k in range(self.right.shape[0]):
            base = base + weights(k) * self.right[k]
        return base

    def equation(self, j: int | Int[Array, ""]) -> Float[Array, "n #width"]:
        """Select an equality.

        Args:
            j: Its number.

        Returns:
            Its row in each problem, or the one of all.
        """
        base = self.equations.base[j]
        return self._with_right(
            base[:, None] if self.equations.is_shared else base, lambda k: self.equations.left[j, k]
        )

    def _times(self, matrix: Matrix, z):
        product = matrix.base @ z if matrix.is_shared else jnp.sum(matrix.base * z[None], axis=1)
        for k in range(self.right.shape[0]):
            product = product + matrix.left[:, k][:, None] * dot(self.right[k], z)
        return product

    def equation_gaps(self, z: Float[Array, "n width"]) -> Float[Array, "equalities width"]:
        """Compute right minus left side of the equalities.

        Args:
            z: A point for each problem.

        Returns:
            The signed gaps.
        """
        if self.equalities > FEW_EQUALITIES:
            return self.offset - self._times(self.equations, z)
        gaps = [self.offset[j] - dot(self.equation(j), z) for j in range(self.equalities)]
        return jnp.stack(gaps) if gaps else jnp.zeros((0, self.width), z.dtype)

    def bound(self, place: Array) -> tuple[Float[Array, "n width"], Float[Array, " width"]]:
        """Select an inequality of each problem.

        Args:
            place: (width,) the number of the inequality in each problem.

        Returns:
            Its row in scaled coordinates as a unit row, and the factor that scaled it.
        """
        one_hot = (numbers(self.inequalities) == place).astype(self.target.dtype)
        base = self.bounds.base_transposed
        chosen = base @ one_hot if self.bounds.is_shared else jnp.sum(base * one_hot[None], axis=1)
        if self.right.shape[0]:
            left = self.bounds.left_transposed @ one_hot
            chosen = self._with_right(chosen, lambda k: left[k])
        return unit(chosen * self.root)

    def point(self, x: Float[Array, "n width"]) -> Float[Array, "n width"]:
        """Convert scaled coordinates.

        Args:
            x: (z - target)/sqrt(variance) of each problem.

        Returns:
            The point z of each problem.
        """
        return self.target + self.root * x

    def missed(self, z: Float[Array, "n width"]) -> Float[Array, "inequalities width"]:
        """Compute by how much each inequality is violated.

        Args:
            z: A point for each problem.

        Returns:
            Right minus left side: positive where the inequality is violated.
        """
        return self.bound_offset - self._times(self.bounds, z)


class State(NamedTuple):
    """State of the search of a block, in scaled coordinates. A slot holds an active row, scaled to unit length.

    The slots are a tuple if they are few, else the first axis of an array.

    Attributes:
        x: (n, width) the point.
        row: (n, width) for each slot: the active row.
        dual: (n, width) for each slot: its vector of the dual basis.
        scale: (width,) for each slot: the factor that made the length of the row 1.
        occupant: (width,) for each slot: the number of the row, -1 if the slot is empty.
        status: (width,).
    """

    x: Array
    row: tuple[Array, ...] | Array
    dual: tuple[Array, ...] | Array
    scale: tuple[Array, ...] | Array
    occupant: tuple[Array, ...] | Array
    status: Array


def stacked(slots: tuple[Array, ...] | Array, blank: Array) -> Array:
    """Make one array of the contents of the slots.

    Args:
        slots: A part of a `State`.
        blank: An array with the shape and type of one slot.

    Returns:
        The contents, with the slots as first axis.
    """
    if not isinstance(slots, tuple):
        return slots
    return jnp.stack(slots) if slots else jnp.zeros((0, *blank.shape), blank.dtype)


def products(duals: tuple[Array, ...] | Array, x: Float[Array, "n width"]) -> Float[Array, "slots width"]:
    """Multiply a vector by the vector of each slot.

    Args:
        duals: A vector for each slot and problem.
        x: A vector for each problem.

    Returns:
        The scalar products.
    """
    if isinstance(duals, tuple):  # a sum over the first axis is several times faster than one over the second
        return stacked(tuple(dot(dual, x) for dual in duals), x[0])
    return jnp.sum(duals * x[None], axis=1)
