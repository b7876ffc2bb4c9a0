"""Prepared layers: equal content is equal, and what a network may look like."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell import flux
from graycell.cell.flux import FluxStatus, PublishedWeights, SoftWeights, prepare, project_fluxes
from graycell.cell.network import MetabolicNetwork
from graycell.errors import ModelError


def branch():
    return MetabolicNetwork.from_reactions({"in": "A_ext => A", "b": "A => B_ext", "c": "A => C_ext"})


def layer(network=None, kinetic=("in", "b", "c"), weights=None, **rest):
    return prepare(network or branch(), kinetic, weights or SoftWeights(0.05), **rest)


def test_layers_of_equal_content_are_equal():
    assert layer() == layer()
    assert hash(layer()) == hash(layer())
    assert jax.tree.structure(layer()) == jax.tree.structure(layer())
    others = [
        layer(branch().with_bounds("b", 0.0, 2.0)),
        layer(kinetic=("in", "b")),
        layer(weights=SoftWeights(0.1)),
        layer(weights=PublishedWeights()),
        layer(reference={"b": 1.0}),
    ]
    assert all(other != layer() for other in others)
    assert len({layer(), layer(), *others}) == 6
    assert layer() != "a layer"


def test_a_function_compiled_for_one_layer_is_not_compiled_again_for_an_equal_one():
    traces = []

    @eqx.filter_jit
    def fluxes(projection, kinetic_rates):
        traces.append(projection)
        return projection(kinetic_rates).fluxes

    first = fluxes(layer(), jnp.array([1.0, 0.6, 0.6]))
    again = fluxes(layer(), jnp.array([1.0, 0.6, 0.6]))
    assert np.array_equal(first, again)
    assert len(traces) == 1
    fluxes(layer(branch().with_bounds("b", 0.0, 2.0)), jnp.ones(3))
    assert len(traces) == 2


def test_project_fluxes_prepares_a_network_that_is_built_anew_only_once():
    project_fluxes(branch(), {"in": 1.0, "b": 1.0})
    prepared = flux._prepared.cache_info().misses
    project_fluxes(branch(), {"in": 2.0, "b": 1.0})
    assert flux._prepared.cache_info().misses == prepared


@pytest.mark.parametrize("weights", [SoftWeights(), PublishedWeights()], ids=["soft", "published"])
def test_without_balances_and_bounds_the_fluxes_are_the_kinetic_rates(weights):
    network = MetabolicNetwork.from_reactions({"a": "A_ext <=> B_ext", "b": " <=> C_ext"})
    solution = prepare(network, ["b", "a"], weights)(jnp.array([-0.3, 2.0]))
    assert int(solution.status) == FluxStatus.solved
    assert np.asarray(solution.fluxes).tolist() == [2.0, -0.3]
    assert np.asarray(solution.conflict).tolist() == [0.0, 0.0]
    slope = jax.jacfwd(lambda w: prepare(network, ["a", "b"], weights)(w).fluxes)(jnp.ones(2))
    assert np.asarray(slope).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    doubled = prepare(network, ["a", "b"]).with_stoichiometry(2.0 * network.stoichiometry)(jnp.ones(2))
    assert np.asarray(doubled.fluxes) == pytest.approx([1.0, 1.0], abs=1e-14)


def test_without_balances_bounds_still_hold():
    network = MetabolicNetwork.from_reactions({"a": "A_ext => B_ext", "b": "B_ext => C_ext", "c": "C_ext <=> "})
    solution = prepare(network, ["a", "b", "c"])(jnp.array([-1.0, 0.5, -0.2]))
    assert int(solution.status) == FluxStatus.solved
    assert np.asarray(solution.fluxes) == pytest.approx([0.0, 0.5, -0.2], abs=1e-12)
    some = prepare(network, ["b"], reference={"c": 0.7})(jnp.array([0.5]))
    assert int(some.status) == FluxStatus.not_unique
    assert np.asarray(some.fluxes) == pytest.approx([0.0, 0.5, 0.7], abs=1e-12)


def test_a_projection_without_reactions_or_rate_laws_is_an_error():
    for empty in (MetabolicNetwork.from_reactions([]), MetabolicNetwork.from_reactions({})):
        with pytest.raises(ModelError, match="the network has no reactions"):
            prepare(empty, [])
    with pytest.raises(ModelError, match="no reaction has a rate law"):
        prepare(branch(), [])
    with pytest.raises(ModelError, match="no reaction has a rate law"):
        project_fluxes(branch(), {})
    with pytest.raises(ModelError, match="no reaction has a rate law"):
        project_fluxes(branch(), {}, {})
