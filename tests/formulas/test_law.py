"""Formula: a law whose units, equality and way into a file are right."""

import jax
import jax.numpy as jnp
import pytest

import graycell as gc
from graycell.cell.conditions import Definitions
from graycell.errors import ModelError
from graycell.formulas import Formula, FormulaError
from graycell.models.plain import model_from_plain, model_to_plain


def at(**changes):
    tables = {
        "concentrations": {"GLC": jnp.array(3.0)}, "parameters": {"K": jnp.array(1.0), "mu": jnp.array(0.5)},
        "inputs": {"T": jnp.array(36.0)}, "variables": {"R": jnp.array(2.0)}, "rates": {"uptake": jnp.array(0.25)},
    }  # fmt: skip
    return gc.Conditions(**{**tables, **changes})


def test_a_name_is_looked_up_in_every_table():
    assert float(Formula("GLC + K + T + R + uptake")(at())) == 42.25
    with_fluxes = at(fluxes={"uptake": jnp.array(0.125)})
    assert float(Formula("uptake")(with_fluxes)) == 0.125  # a rate law sees rates, an observable fluxes
    with pytest.raises(ModelError, match=r"'LAC' is not known to the model; .*Known: .*GLC"):
        Formula("LAC")(at())


def test_factors_bring_names_to_coherent_units_and_the_scale_brings_the_value_back():
    law = Formula("mu * GLC", (("mu", 24.0),), 1e-3)
    assert float(law(at())) == pytest.approx(24.0 * 0.5 * 3.0 * 1e-3)


def test_laws_of_the_same_text_are_equal_and_compile_once():
    first, second, other = Formula("mu * GLC"), Formula("mu * GLC"), Formula("mu*GLC")
    assert first == second
    assert first != other
    assert Formula("mu", (("mu", 24.0),)) != Formula("mu")
    assert jax.tree.structure(first) == jax.tree.structure(second)
    compiled = []

    @jax.jit
    def both(law, c):
        compiled.append(1)
        return law(at(concentrations={"GLC": c}))

    assert float(both(first, 1.0)) == float(both(second, 1.0)) == 0.5
    assert len(compiled) == 1


def test_a_formula_that_cannot_be_read_is_no_law():
    with pytest.raises(FormulaError, match=r"formula, character 6: found the end of the formula"):
        Formula("mu * (")


def test_formulas_compose_with_other_laws():
    law = 2.0 * Formula("mu") * gc.Monod("GLC", "K") + Formula("R / T")
    assert float(law(at())) == pytest.approx(2.0 * 0.5 * 0.75 + 2.0 / 36.0)
    assert law.terms[0].factors[1].names == ("mu",)


def with_chain(links):
    """A model whose rate needs definitions that need each other."""
    definitions = {f"d{i}": Formula(f"d{i - 1} * (1 + 0 * (GLC + (K - (mu / (1 + GLC)))))") for i in range(1, links)}
    return gc.CultureModel(
        species={"VCD": "1e9 cells/L"}, reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        definitions={**dict(reversed(definitions.items())), "d0": Formula("mu * monod(GLC, K)")},
        rates={"growth": Formula(f"d{links - 1}"), "uptake": Formula("growth / 2")},
        parameters={"mu": 0.5, "K": 1.0},
    )  # fmt: skip


def test_a_model_of_formulas_is_written_into_plain_data_and_back():
    model = with_chain(3)
    again = model_from_plain(model_to_plain(model))
    assert again == model
    assert hash(again) == hash(model)
    assert again.definitions == model.definitions


def test_a_chain_of_definitions_may_be_longer_than_the_stack_of_python():
    model = with_chain(400)
    rates = model.conditions(jnp.array([3.0, 1.0]), fed=None).rates
    assert float(rates["growth"]) == pytest.approx(0.5 * model_share(model))
    assert float(rates["uptake"]) == pytest.approx(0.25 * model_share(model))


def model_share(model):
    glucose = (3.0, 1.0)[model.species.index("GLC")]
    return glucose / (1.0 + glucose)


def test_definitions_that_need_each_other_in_a_circle_are_a_sentence():
    table = Definitions({"a": Formula("b + 1"), "b": Formula("2 * c"), "c": Formula("a")})
    table.at = at(definitions=table)
    with pytest.raises(ModelError, match="definition 'a' needs itself; make it a variable"):
        table["a"]
