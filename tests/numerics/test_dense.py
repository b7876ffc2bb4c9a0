"""Dense linear algebra against numpy, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.numerics.dense import orthonormal, solve_dense, solve_unrolled


@pytest.mark.parametrize("solve", [solve_dense, solve_unrolled])
def test_systems_are_solved_as_numpy_solves_them(solve):
    random = np.random.default_rng(1)
    matrix, right = np.eye(3) + 0.2 * random.normal(size=(3, 3)), random.normal(size=(3, 2))
    assert np.allclose(solve(jnp.asarray(matrix), jnp.asarray(right)), np.linalg.solve(matrix, right), atol=1e-14)
    slope = jax.jacfwd(lambda scale: solve(scale * jnp.asarray(matrix), jnp.asarray(right)))(1.0)
    assert np.allclose(slope, -np.linalg.solve(matrix, right), atol=1e-14)


def test_orthonormal_columns_and_their_derivative():
    random = np.random.default_rng(2)
    matrix, along = (jnp.asarray(random.normal(size=(9, 4)) * 10.0 ** random.uniform(-3, 3, (1, 4))) for _ in range(2))
    q, t = orthonormal(matrix)
    assert np.allclose(q.T @ q, np.eye(4), atol=1e-14)
    assert np.allclose(matrix @ t, q, atol=1e-12)
    assert np.allclose(t, np.triu(t))
    moved = jax.jvp(orthonormal, (matrix,), (along,))[1]
    step = 1e-6
    ends = [orthonormal(matrix + sign * step * along) for sign in (1.0, -1.0)]
    for change, plus, minus in zip(moved, *ends, strict=True):
        differences = np.asarray(plus - minus) / (2.0 * step)
        assert np.max(np.abs(change - differences)) <= 1e-5 * np.max(np.abs(differences))
