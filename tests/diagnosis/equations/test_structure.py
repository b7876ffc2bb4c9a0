"""Counts and relations of the equations, by the known figures of Nolan & Lee (2011)."""

import numpy as np
import pytest

from graycell.diagnosis.equations import structure_of


@pytest.fixture(scope="module")
def structure(published):
    return structure_of(published)


def test_the_published_network_is_overdetermined_by_two(structure):
    assert (structure.reactions, structure.balances, structure.rank_of_balances) == (34, 24, 24)
    assert (len(structure.kinetic), structure.rank, structure.surplus, structure.free) == (12, 34, 2, 0)


def test_maintenance_leaves_the_system_overdetermined_by_two(extended):
    found = structure_of(extended)
    assert (found.reactions, len(found.kinetic), found.surplus, found.free) == (35, 13, 2, 0)


def test_without_the_law_of_v10_and_of_no_other_the_fluxes_are_not_unique(structure):
    assert structure.free_without == {name: int(name == "v10") for name in structure.kinetic}
    assert structure.apart == ("v10",)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_all_fluxes_at_steady_state_satisfy_the_surplus_relations(structure, published, shift, random):
    network = published.network
    inside = ~network.is_external
    matrix = (network.shifted_stoichiometry if shift else network.stoichiometry)[inside]
    directions = np.linalg.svd(matrix)[2][np.linalg.matrix_rank(matrix) :]
    fluxes = random.standard_normal((20, len(directions))) @ directions
    for relation in structure.relations:
        right = sum(
            (term.after_shift if shift else term.before_shift) * fluxes[:, network.index(term.reaction)]
            for term in relation.terms
        )
        assert np.allclose(fluxes[:, network.index(relation.reaction)], right, atol=1e-10)


def test_a_relation_is_written_with_the_names_of_reactions(structure):
    assert str(structure.relations[1]) == "v9 = v3 - v8 - v11 + v13 - 0.0082 v16 + 0.0479 v17 + v33"


def test_fewer_rate_laws_than_directions_have_no_surplus(published):
    rates = {name: published.rates[name] for name in ("v1", "v2")}
    found = structure_of(published.rebuilt(rates=rates))
    assert found.surplus == 0
    assert found.relations == ()
    assert found.free == 8
