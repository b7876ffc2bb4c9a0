import numpy as np
import pytest

from graycell.cell.network import MetabolicNetwork, Reaction, parse_equation
from graycell.errors import ModelError
from graycell.models.nolan_lee import published_network


def test_the_published_network_has_the_published_size():
    network = published_network()
    inside = network.stoichiometry[~network.is_external]
    assert len(network.names) == 34
    assert len(network.species) == 39
    assert inside.shape[0] == 24
    assert np.linalg.matrix_rank(inside) == 24


def test_balances_and_kinetics_together_are_overdetermined_by_two(published):
    network = published.network
    inside = network.stoichiometry[~network.is_external]
    kinetic = np.eye(34)[[network.index(name) for name in published.kinetic]]
    stacked = np.vstack([inside, kinetic])
    assert stacked.shape == (36, 34)
    assert np.linalg.matrix_rank(stacked) == 34
    assert len(published.projection.surplus) == 2


@pytest.mark.parametrize("dropped", ["v1", "v2", "v3", "v8", "v9", "v10", "v11", "v12", "v13", "v16", "v17", "v33"])
def test_only_without_the_rate_of_v10_are_the_fluxes_not_unique(published, dropped):
    network = published.network
    inside = network.stoichiometry[~network.is_external]
    kept = [network.index(name) for name in published.kinetic if name != dropped]
    rank = np.linalg.matrix_rank(np.vstack([inside, np.eye(34)[kept]]))
    assert rank == (33 if dropped == "v10" else 34)


def test_a_shift_changes_oxidative_phosphorylation_alone():
    network = published_network()
    changed = np.any(network.stoichiometry != network.cold_stoichiometry, axis=0)
    assert [name for name, one in zip(network.names, changed, strict=True) if one] == ["v14", "v15"]


def test_coefficients_of_one_species_on_both_sides_are_netted():
    assert parse_equation("2 A + B => A + C") == {"A": -1.0, "B": -1.0, "C": 1.0}


@pytest.mark.parametrize("equation", ["A + B", "A => B => C", "2 3 A => B", "A+B => C"])
def test_an_equation_that_cannot_be_read_is_an_error(equation):
    with pytest.raises(ModelError, match="equation"):
        parse_equation(equation)


def test_a_name_that_stands_twice_is_an_error():
    with pytest.raises(ModelError, match="v1"):
        MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A"), Reaction("v1", "A => B_ext")])


def test_an_unknown_reaction_is_named_with_the_nearest_one():
    with pytest.raises(ModelError, match="did you mean 'v34'"):
        published_network().index("v341")


def test_more_reactions_leave_the_bounds_of_the_others():
    network = published_network().with_bounds("v1", 0.1, 2.0).with_reactions([Reaction("v35", "ATP => ")])
    assert network.lower[network.index("v1")] == 0.1
    assert network.upper[network.index("v1")] == 2.0
    assert network.names[-1] == "v35"


def test_a_network_from_a_table_balances_what_the_table_balances():
    network = MetabolicNetwork.from_table(
        ["A", "B", "C_ext"],
        ["in", "turn", "out"],
        [[1, -2, 0], [0, 1, -1], [0, 0, 1]],
        [0, -1000, -5],
        [1000, 1000, 5],
        no_bound=1000,
    )
    assert [reaction.equation for reaction in network.reactions] == [" => A", "2 A <=> B", "B <=> C_ext"]
    assert network.is_external.tolist() == [False, False, True]
    assert network.lower.tolist() == [0.0, -np.inf, -5.0]
    assert network.upper.tolist() == [np.inf, np.inf, 5.0]


def test_every_fault_of_a_table_is_told_at_once():
    with pytest.raises(ModelError) as told:
        MetabolicNetwork.from_table(["A", "A"], ["in", "out"], [[1, np.nan], [0, 1]], [0, 3], [1, 2])
    for part in ("species 'A' stands twice", "'A' in 'out' is nan", "bounds of 'out' are 3 and 2"):
        assert part in str(told.value)
    with pytest.raises(ModelError, match=r"shape \(1, 1\), \(1, 2\) is needed; there are 1 lower"):
        MetabolicNetwork.from_table(["A"], ["in", "out"], [[1]], [0])
