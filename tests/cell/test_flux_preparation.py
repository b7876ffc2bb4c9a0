"""Prepared layers: equal content is equal, and what a network may look like."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from graycell.cell import flux
from graycell.cell.flux import PublishedWeights, SoftWeights, prepare, project_fluxes
from graycell.cell.network import MetabolicNetwork


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
