import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.redox import Dynamic, RedoxRatio

RATIO = RedoxRatio(jnp.array([2.0, 0.6391, 0.0]), jnp.array([0.0, 0.0, 1.0]))


def test_the_ratio_is_nadh_made_over_nadh_carried():
    assert float(RATIO(jnp.array([1.0, 0.5, 2.0]))) == pytest.approx((2.0 + 0.5 * 0.6391) / 2.0, rel=1e-14)


def test_the_published_ratio_takes_its_coefficients_from_the_network(published):
    production = np.asarray(published.ratio.production)
    index = published.network.index
    assert production[index("v1")] == 2.0
    assert production[index("v16")] == 0.6391
    assert np.count_nonzero(production) == 2


@pytest.mark.parametrize("carried", [0.0, 1e-300, -1.0])
def test_a_vanishing_shuttle_gives_the_ceiling_and_finite_derivatives(carried):
    fluxes = jnp.array([1.0, 0.0, carried])
    assert float(RATIO(fluxes)) == 50.0
    assert np.all(np.isfinite(jax.grad(RATIO)(fluxes)))


def test_the_pool_relaxes_to_the_ratio_with_its_turnover_time():
    assert float(Dynamic().derivative(3.0, 1.0, 9.0, 0.0, 0.1)) == pytest.approx(20.0)
    assert float(Dynamic().derivative(3.0, 1.0, 9.0, 5.0, 0.1)) == pytest.approx(20.0 + 40.0)


def test_a_cell_that_does_nothing_has_the_ratio_zero():
    assert float(RATIO(jnp.zeros(3))) == 0.0
    assert np.all(np.isfinite(jax.grad(RATIO)(jnp.zeros(3))))
