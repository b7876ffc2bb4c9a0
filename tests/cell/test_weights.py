"""Weights against numbers: fluxes of tiny networks solved by hand, so that no weight is tested against itself.

Two reactions in a row have one flux, v = (w1/s1 + w2/s2)/(1/s1 + 1/s2). In a branch in = b + c the gap of the kinetic
rates, g = w_b + w_c - w_in, is shared in proportion to the variances s: v_in = w_in + g s_in/(s_in + s_b + s_c), and
v_b and v_c fall in the same way.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.flux import PublishedWeights, SoftWeights, prepare
from graycell.cell.network import MetabolicNetwork

CHAIN = MetabolicNetwork.from_reactions({"in": "A_ext => A", "out": "A => B_ext"})
BRANCH = MetabolicNetwork.from_reactions({"in": "A_ext => A", "b": "A => B_ext", "c": "A => C_ext"})


def test_soft_weights_on_one_path():
    """w = 1 and 2, e = 0.5: s = 1.25 and 4.25, so v = (1/1.25 + 2/4.25)/(1/1.25 + 1/4.25) = 27/22."""
    solution = prepare(CHAIN, ["in", "out"], SoftWeights(0.5))(jnp.array([1.0, 2.0]))
    assert np.asarray(solution.fluxes) == pytest.approx([27 / 22, 27 / 22], abs=1e-12)
    assert np.asarray(solution.conflict) == pytest.approx([0.2032789070, -0.3748277841], abs=1e-9)


def test_soft_weights_on_a_branch():
    """w = 2, 2 and 1, e = 0.5: s = 4.25, 4.25 and 1.25, so the gap of 1 is shared as 17/39, 17/39 and 5/39."""
    solution = prepare(BRANCH, ["in", "b", "c"], SoftWeights(0.5))(jnp.array([2.0, 2.0, 1.0]))
    assert np.asarray(solution.fluxes) == pytest.approx([95 / 39, 61 / 39, 34 / 39], abs=1e-12)
    assert np.asarray(solution.conflict) == pytest.approx([0.2114413141, -0.2114413141, -0.1146701527], abs=1e-9)


def test_published_weights_on_one_path():
    """w = 1 and 2: s = 1 and 4, so v = (1/1 + 2/4)/(1/1 + 1/4) = 1.2."""
    fluxes = prepare(CHAIN, ["in", "out"], PublishedWeights())(jnp.array([1.0, 2.0])).fluxes
    assert np.asarray(fluxes) == pytest.approx([1.2, 1.2], abs=1e-12)


def test_published_weights_on_a_branch():
    """w = 2, 2 and 1: s = 4, 4 and 1, so the gap of 1 is shared as 4/9, 4/9 and 1/9."""
    fluxes = prepare(BRANCH, ["in", "b", "c"], PublishedWeights())(jnp.array([2.0, 2.0, 1.0])).fluxes
    assert np.asarray(fluxes) == pytest.approx([22 / 9, 14 / 9, 8 / 9], abs=1e-12)


def test_weights_are_soft_with_e_of_0_05_by_default():
    """w = 0.05 and 0.1: s = 0.005 and 0.0125, so v = 9/140."""
    fluxes = prepare(CHAIN, ["in", "out"])(jnp.array([0.05, 0.1])).fluxes
    assert np.asarray(fluxes) == pytest.approx([9 / 140, 9 / 140], abs=1e-13)


def test_published_variances_are_limited_where_a_rate_crosses_zero():
    """Below 1e-7 of the largest rate the variance stays at 1e-14 of the largest; at 0 the flux is left out."""
    variance = PublishedWeights().variance(jnp.array([3.0, -0.5, 1e-9, 0.0]))
    assert np.asarray(variance) == pytest.approx([9.0, 0.25, 9e-14, 9e12], rel=1e-12)
