"""Inputs and results of a least-distance programme."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

RUNNING, SOLVED, INFEASIBLE, NOT_CONVERGED = 0, 1, 2, 3
"""Statuses of a problem; a solution never has the first."""


class Tolerance(NamedTuple):
    """Limits below which a number is rounding.

    Attributes:
        feasible: Largest violation of a row, as a part of the largest target: rounding of a sum of some ten terms.
        dependent: Squared length below which the remainder of a unit row after projection is rounding.
        blocking: A multiplier that changes more slowly per unit step does not block the step.
        tied: Multipliers that reach 0 within this part of a step reach it together.
    """

    feasible: float
    dependent: float
    blocking: float
    tied: float

    @classmethod
    def of(cls, dtype: Any) -> "Tolerance":
        """Look up the limits of a type of number.

        Args:
            dtype: float64 or float32.

        Returns:
            The limits.
        """
        return cls(1e-11, 1e-18, 1e-13, 1e-11) if dtype == jnp.float64 else cls(3e-6, 1e-10, 1e-6, 1e-5)


class Rows(NamedTuple):
    """The matrix of a programme as base + left @ right, where `right` has few rows.

    The parts that differ from problem to problem belong into `right`: a batch then shares `base`, and its products
    are matrix products.

    Attributes:
        base: Dense part.
        left: Left factor of the low-rank part.
        right: Right factor of the low-rank part.
    """

    base: Float[Array, "rows n"]
    left: Float[Array, "rows k"]
    right: Float[Array, "k n"]

    @classmethod
    def of(cls, matrix: "Float[Array, 'rows n'] | Rows") -> "Rows":
        """Convert a matrix.

        Args:
            matrix: A matrix, or rows, which are returned as they are.

        Returns:
            The rows, without a low-rank part if a matrix was given.
        """
        if isinstance(matrix, Rows):
            return matrix
        rows, n = matrix.shape
        return cls(matrix, jnp.zeros((rows, 0), matrix.dtype), jnp.zeros((0, n), matrix.dtype))

    def times(self, z: Float[Array, " n"]) -> Float[Array, " rows"]:
        """Multiply by a vector.

        Args:
            z: The vector.

        Returns:
            The product.
        """
        # the vector is on the left because a mapped matrix product then keeps the batch as its first axis
        return z @ self.base.T + (self.right @ z) @ self.left.T

    def transposed_times(self, m: Float[Array, " rows"]) -> Float[Array, " n"]:
        """Multiply the transposed matrix by a vector.

        Args:
            m: The vector.

        Returns:
            The product.
        """
        return m @ self.base + (m @ self.left) @ self.right

    @property
    def matrix(self) -> Float[Array, "rows n"]:
        """The whole matrix."""
        return self.base + self.left @ self.right

    def take(self, index: Sequence[int] | np.ndarray) -> "Rows":
        """Select rows.

        Args:
            index: Numbers of the rows.

        Returns:
            These rows.
        """
        chosen = np.asarray(index, int)
        return Rows(self.base[chosen], self.left[chosen], self.right)


class Problem(NamedTuple):
    """Inputs of a programme; of a batch with the batch as first axis, of a block with the batch as last axis.

    Attributes:
        rows: Equalities, then inequalities.
        target: (n,) in the units of the caller.
        variance: (n,) inverse weights, in the squared unit of the target.
        offset: (rows,) right sides.
    """

    rows: Rows
    target: Array
    variance: Array
    offset: Array


class LeastDistance(NamedTuple):
    """Solution of a least-distance programme.

    Attributes:
        point: The minimiser; if the programme is infeasible, the best point on the equalities that was reached.
        multipliers: Multipliers of half the objective, >= 0 for inequalities, 0 for inactive rows; None unless asked
            for.
        active: Whether a row holds with equality and shapes the derivative.
        violation: Largest violation of a row, in the units of `offset`.
        status: SOLVED, INFEASIBLE or NOT_CONVERGED.
    """

    point: Float[Array, " n"]
    multipliers: Float[Array, " rows"] | None
    active: Bool[Array, " rows"]
    violation: Float[Array, ""]
    status: Int[Array, ""]


class Found(NamedTuple):
    """Result of the search. A slot is a place for an active row.

    Attributes:
        point: The last point.
        status: RUNNING, SOLVED, INFEASIBLE or NOT_CONVERGED.
        occupant: Row in each slot, -1 if the slot is empty.
        multiplier: (slots,) multipliers of these rows, on two levels a pair (see `levels`); None unless asked for.
        dual_basis: (slots, n) dual basis of the rows times sqrt(variance), which inverts the equations on the active
            set; None unless asked for.
    """

    point: Float[Array, " n"]
    status: Int[Array, ""]
    occupant: Int[Array, " slots"]
    multiplier: Any
    dual_basis: Any

    def to_rows(self, values: Shaped[Array, " slots"], count: int) -> Shaped[Array, " rows"]:
        """Move values from the slots to their rows.

        Args:
            values: A value for each slot.
            count: Number of rows.

        Returns:
            A value for each row, 0 for inactive rows.
        """
        filled = self.occupant >= 0
        place = jnp.where(filled, self.occupant, 0)
        return jnp.zeros(count, values.dtype).at[place].add(jnp.where(filled, values, jnp.zeros_like(values)))

    def to_slots(self, values: Float[Array, " rows"]) -> Float[Array, " slots"]:
        """Move values from the rows to the slots.

        Args:
            values: A value for each row.

        Returns:
            A value for each slot, 0 for empty slots.
        """
        filled = self.occupant >= 0
        return jnp.where(filled, values[jnp.where(filled, self.occupant, 0)], 0.0)
