"""The cell of Nolan & Lee (2011) at random states: laws, stoichiometry and fluxes against `cell_states.py`.

That script shares nothing with graycell but the tables of the publication, which are beside it.
"""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.flux import PublishedWeights, SoftWeights
from graycell.modelfiles import build
from graycell.models import model_file, nolan_lee
from graycell.models.nolan_lee import parameter_table
from reference import cell_states

NUMBERS = [
    {name: cell if name in ("parameters", "weights", "network") else float(cell) if cell else None
     for name, cell in row.items()}
    for row in csv.DictReader(cell_states.STATES.read_text(encoding="utf-8").splitlines())
]  # fmt: skip
MAINTENANCE = dict(zip(("maintenance_warm", "maintenance_cold"), cell_states.MAINTENANCE[2:], strict=True))


def values_of(chosen):
    """Return the parameters by name, in the unit of `nolan_lee`."""
    return parameter_table(chosen).with_values({"R_switch": 1.0}).values()


def operating_points(model, rows):
    """Return concentrations (n, species) and variables (n, variables); of cells and product there are none."""
    c = [[row.get(name, 0.0) for name in model.species] for row in rows]
    return jnp.array(c), jnp.array([[row[name] for name in model.variable_names] for row in rows])


def kinetic_rates(model, rows):
    c, variables = operating_points(model, rows)
    return np.asarray(jax.jit(jax.vmap(model.kinetic_rates))(c, variables))


def expected_rates(model, rows):
    return np.array([[row[f"w{name[1:]}"] for name in model.kinetic] for row in rows])


def test_the_states_are_those_that_the_script_computes():
    for known, row in zip(NUMBERS, cell_states.draw(), strict=True):
        w, v, held = cell_states.answers(row)
        assert all(known[name] == value for name, value in row.items())
        assert held == known["held"]
        assert [known[f"w{name[1:]}"] for name in cell_states.KINETIC] == pytest.approx(
            [w[name] for name in cell_states.KINETIC], rel=1e-10
        )
        assert [known[name] for name in v] == pytest.approx(list(v.values()), abs=1e-10 * max(map(abs, v.values())))


def test_the_states_are_warm_cold_and_between_on_both_sides_of_the_switch_and_of_equilibrium():
    for shift in (lambda p: p == 0.0, lambda p: p == 1.0, lambda p: 0.0 < p < 1.0):
        here = [row for row in NUMBERS if shift(row["shift"])]
        for sign in (-1.0, 1.0):
            assert sum(sign * (row["R"] - 1.0) > 0.0 for row in here) >= 20
            for law in ("w3", "w8", "w9", "w10", "w12"):
                assert sum(sign * row[law] > 0.0 for row in here) >= 5, law
    assert len({(row["parameters"], row["weights"], row["network"]) for row in NUMBERS}) == 8
    assert {row["held"] for row in NUMBERS} >= {0, 1, 2, 3}


@pytest.mark.parametrize("chosen", ["published", "refit"])
def test_the_laws_are_the_published_ones(chosen):
    model = nolan_lee(switch_width=0.0, parameters=chosen)
    rows = [row for row in NUMBERS if row["parameters"] == chosen]
    expected = expected_rates(model, rows)
    assert np.max(np.abs(kinetic_rates(model, rows) / expected - 1.0)) < 1e-10


@pytest.mark.parametrize("chosen", ["published", "refit"])
def test_the_laws_of_the_file_tend_to_the_published_ones(chosen):
    model = build(model_file("nolan-lee"), "" if chosen == "published" else chosen).with_parameters({"width": 1e-7})
    rows = [row for row in NUMBERS if row["parameters"] == chosen]
    expected = expected_rates(model, rows)
    assert np.max(np.abs(kinetic_rates(model, rows) / expected - 1.0)) < 1e-10


@pytest.mark.parametrize("weights", ["published", "soft"])
@pytest.mark.parametrize("network", ["published", "extended"])
def test_the_fluxes_are_those_that_were_proved_optimal(network, weights):
    chosen = PublishedWeights() if weights == "published" else SoftWeights(cell_states.SOFTENING)
    extended = network == "extended"
    model = nolan_lee(extended=extended, weights=chosen, switch_width=0.0)
    fluxes = jax.jit(jax.vmap(lambda given, c, x: given.evaluate(c, x).fluxes, in_axes=(None, 0, 0)))
    for parameters in cell_states.SETS:
        rows = [row for row in NUMBERS if (row["parameters"], row["weights"], row["network"]) ==
                (parameters, weights, network)]  # fmt: skip
        at = model.with_parameters(values_of(parameters) | (MAINTENANCE if extended else {}))
        expected = np.array([[row[name] for name in model.reactions] for row in rows])
        error = np.abs(np.asarray(fluxes(at, *operating_points(at, rows))) - expected)
        assert np.max(error / np.max(np.abs(expected), axis=1, keepdims=True)) < 1e-9


@pytest.mark.parametrize("network", ["published", "extended", "file"])
def test_every_coefficient_and_direction_is_the_published_one(network):
    extended = network == "extended"
    model = build(model_file("nolan-lee")) if network == "file" else nolan_lee(extended=extended)
    warm, cold, one_way = cell_states.reactions(extended)
    assert model.network.names == tuple(warm)
    for equations, found in ((warm, model.network.stoichiometry), (cold, model.network.shifted_stoichiometry)):
        species, expected = cell_states.stoichiometry(equations)
        assert sorted(model.network.species) == species
        assert np.array_equal(found[[model.network.species.index(name) for name in species]], expected)
    lower = dict(zip(model.network.names, model.network.lower, strict=True))
    assert lower == {name: 0.0 if name in one_way else -np.inf for name in warm}
    assert np.all(model.network.upper == np.inf)
    assert set(model.kinetic) - {"v35"} == set(cell_states.KINETIC)


@pytest.mark.parametrize("chosen", ["published", "refit"])
def test_every_parameter_is_the_known_one(chosen):
    table, known = parameter_table(chosen), cell_states.parameters(chosen)
    assert {name: table[name].value for name in known} == pytest.approx(known, rel=1e-15)
