"""Dense linear algebra for small matrices in plain array operations.

A batch of small LAPACK calls runs one after another on a CPU, and inside a loop it can lock the threads of XLA; these
functions map over a batch and are differentiable to any order.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


def solve_dense(matrix: Float[Array, "n n"], right: Float[Array, "n *k"]) -> Float[Array, "n *k"]:
    """Solve a linear system by elimination without pivoting.

    Args:
        matrix: Matrix whose leading minors stay away from zero.
        right: Right side, one column for each system.

    Returns:
        The solution, in the shape of `right`.

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


def solve_unrolled(matrix: Float[Array, "k k"], right: Float[Array, "k n"]) -> Float[Array, "k n"]:
    """Solve a linear system of very few rows by elimination without pivoting, all of it unrolled.

    Args:
        matrix: Matrix whose leading minors stay away from zero.
        right: Right side, one column for each system.

    Returns:
        The solution.

    >>> print(solve_unrolled(jnp.array([[2.0, 1.0], [0.0, 4.0]]), jnp.array([[4.0], [8.0]])).ravel())
    [1. 2.]
    """
    size = matrix.shape[0]
    a = [[matrix[i, j] for j in range(size)] for i in range(size)]
    b = [right[i] for i in range(size)]
    for k in range(size):
        pivot = [a[k][j] / a[k][k] for j in range(size)]
        scaled = b[k] / a[k][k]
        others = [i for i in range(size) if i != k]
        for i in others:
            factor = a[i][k]
            a[i] = [a[i][j] - factor * pivot[j] for j in range(size)]
            b[i] = b[i] - factor * scaled
        a[k], b[k] = pivot, scaled
    return jnp.stack(b)


def orthonormal(matrix: Float[Array, "n k"]) -> tuple[Float[Array, "n k"], Float[Array, "k k"]]:
    """Make the columns of a matrix orthonormal (Gram-Schmidt, applied twice).

    Args:
        matrix: Matrix with independent columns.

    Returns:
        Orthonormal columns q and the upper triangle t for which matrix t = q.
    """
    return _orthonormal(matrix)


def rank(matrix: Float[Array, "n k"]) -> Int[Array, ""]:
    """Count the independent rows of a matrix (Gram-Schmidt, the longest remainder first).

    Args:
        matrix: Matrix of any rank; a remainder below a part of 1e-8 (float32: 1e-3) of the longest row is rounding.

    Returns:
        The number.

    >>> print(rank(jnp.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]])))
    2
    """
    least = (1e-8 if matrix.dtype == jnp.float64 else 1e-3) * jnp.sqrt(jnp.max(jnp.sum(matrix**2, axis=1), initial=0.0))

    def body(_, now):
        rest, count = now
        lengths = jnp.sqrt(jnp.sum(rest**2, axis=1))
        longest = jnp.argmax(lengths)
        free = lengths[longest] > least
        unit = rest[longest] / jnp.where(free, lengths[longest], 1.0)
        return jnp.where(free, rest - (rest @ unit)[:, None] * unit[None], rest), count + free.astype(jnp.int32)

    return lax.fori_loop(0, min(matrix.shape), body, (matrix, jnp.zeros((), jnp.int32)))[1]


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
