import pickle
from dataclasses import replace

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
    changed = np.any(network.stoichiometry != network.shifted_stoichiometry, axis=0)
    assert [name for name, differs in zip(network.names, changed, strict=True) if differs] == ["v14", "v15"]


def test_coefficients_of_one_species_on_both_sides_are_netted():
    assert parse_equation("2 A + B => A + C") == {"A": -1.0, "B": -1.0, "C": 1.0}


@pytest.mark.parametrize("equation", ["A + B", "A => B => C", "2 3 A => B", "A+B => C"])
def test_an_equation_that_cannot_be_read_is_an_error(equation):
    with pytest.raises(ModelError, match="equation"):
        parse_equation(equation)


def test_a_name_that_occurs_twice_is_an_error():
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


def test_every_fault_of_a_table_is_reported_at_once():
    with pytest.raises(ModelError) as raised:
        MetabolicNetwork.from_table(["A", "A"], ["in", "out"], [[1, np.nan], [0, 1]], [0, 3], [1, 2])
    for part in ("species 'A' occurs twice", "'A' in 'out' is nan", "bounds of 'out' are 3 and 2"):
        assert part in str(raised.value)
    with pytest.raises(ModelError, match=r"shape \(1, 1\), \(1, 2\) is needed; there are 1 lower"):
        MetabolicNetwork.from_table(["A"], ["in", "out"], [[1]], [0])


def branch():
    return MetabolicNetwork.from_reactions(
        [Reaction("in", "A_ext => A"), Reaction("b", "A <=> B_ext", "way b", "A <=> 2 B_ext")]
    )


def test_networks_of_equal_content_are_equal():
    assert branch() == branch()
    assert hash(branch()) == hash(branch())
    assert len({branch(), branch(), branch().with_bounds("in", 0.0, 2.0)}) == 2
    assert pickle.loads(pickle.dumps(branch())) == branch()  # noqa: S301  written one line before
    table = [["A"], ["in", "out"], [[1.0, -1.0]]]
    negative_zero = MetabolicNetwork.from_table(*table, [-0.0, -1.0])
    assert negative_zero == MetabolicNetwork.from_table(*table, [0.0, -1.0])
    assert hash(negative_zero) == hash(MetabolicNetwork.from_table(*table, [0.0, -1.0]))


@pytest.mark.parametrize(
    "change",
    [
        {"reactions": (Reaction("in", "A_ext => A"), Reaction("b", "A <=> B_ext", "another label", "A <=> 2 B_ext"))},
        {"species": ("A_ext", "A", "C_ext")},
        {"stoichiometry": 2.0 * branch().stoichiometry},
        {"shifted_stoichiometry": branch().stoichiometry},
        {"lower": np.zeros(2)},
        {"upper": np.ones(2)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_networks_that_differ_in_one_field_are_not_equal(change):
    assert replace(branch(), **change) != branch()


def test_the_arrays_of_a_network_are_copied_and_read_only():
    """A network that changed would keep the hash of its former content."""
    bounds = np.zeros(2)
    network = replace(branch(), lower=bounds)
    bounds[0] = 1.0
    assert network.lower[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        network.lower[0] = 1.0


def test_a_network_is_built_from_a_mapping_of_names():
    mapping = {"in": "A_ext => A", "b": Reaction("b", "A <=> B_ext", "way b", "A <=> 2 B_ext")}
    assert MetabolicNetwork.from_reactions(mapping) == branch()
    assert branch().with_reactions({"c": "A => C_ext"}) == branch().with_reactions([Reaction("c", "A => C_ext")])
    with pytest.raises(ModelError, match="'x': its Reaction has the name 'in'"):
        MetabolicNetwork.from_reactions({"x": Reaction("in", "A_ext => A")})


def test_a_reaction_that_is_a_number_is_an_error(unchecked):
    with pytest.raises(ModelError, match="'x': found 3"):
        MetabolicNetwork.from_reactions({"x": 3})
