"""Roots where the gap is flat: a stretch of roots has an edge, and rounding has none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.numerics.roots import RootStatus, rest_point


@pytest.mark.parametrize("start", [0.0, 0.7, 2.0])
def test_where_the_gap_is_flat_the_search_ends_where_it_begins(start):
    def noise(x):
        return 1e-15 * jnp.sin(1e6 * x)

    root, status = rest_point(noise, jnp.array(start))
    assert (root, int(status)) == (start, RootStatus.solved)


@pytest.mark.parametrize(("start", "edge"), [(3.0, 2.0), (2.1, 2.0), (0.0, 1.0), (1.5, 1.5)])
def test_of_a_stretch_of_roots_the_nearest_is_found(start, edge):
    """The gap falls to 0 at 1, is 0, but for rounding, to 2, and falls on."""

    def gap(x):
        return jnp.maximum(1.0 - x, 0.0) - jnp.maximum(x - 2.0, 0.0) + 1e-16 * jnp.sin(1e5 * x)

    root, status = jax.jit(lambda start: rest_point(gap, start))(jnp.array(start))
    assert float(root) == pytest.approx(edge, abs=1e-10)
    assert int(status) == RootStatus.solved


def test_a_root_and_its_derivative_stay_exact():
    solved = lambda a: rest_point(lambda x: jnp.cos(a * x) - x, jnp.array(3.0))[0]  # noqa: E731
    root = float(solved(1.0))
    assert np.cos(root) == pytest.approx(root, abs=1e-11)
    difference = (float(solved(1.0 + 1e-5)) - float(solved(1.0 - 1e-5))) / 2e-5
    assert float(jax.grad(solved)(1.0)) == pytest.approx(difference, rel=1e-6)
