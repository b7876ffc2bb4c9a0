"""Gray and black models: what their networks see, what is left to estimate, and how they are built anew."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import DAYS, batch

from graycell.cell.neural import NeuralRate, weights_of
from graycell.cell.rates import Inhibition, Product, Rate, Sum
from graycell.errors import ModelError
from graycell.hybrid import NeuralRateSpec, law_from, neural_ode_model, neural_rates_model, with_neural_rates
from graycell.models import model_of, nolan_lee
from graycell.models.plain import model_from_plain, model_to_plain
from graycell.provenance import describe
from graycell.runs import Feed, Measurement, Setpoint


def test_a_black_box_has_the_units_of_its_runs_and_no_species_without_one():
    sampled = batch("a", 40.0)
    titer, acidity = (Measurement(name, unit, DAYS, np.linspace(1.0, 2.0, len(DAYS)), np.ones(len(DAYS)))
                      for name, unit in (("mAb", "g/L"), ("pH", "1")))  # fmt: skip
    sampled = replace(sampled, initial={**sampled.initial, "mAb": 1.0, "pH": 7.0}, units={"mAb": "g/L"},
                      measurements={**sampled.measurements, "mAb": titer, "pH": acidity})  # fmt: skip
    model = neural_rates_model([sampled])
    assert model.species == ("BIOM", "GLC", "LAC", "mAb")
    assert (model.unit("GLC"), model.unit("mAb")) == ("mmol/L", "g/L")


@pytest.fixture(scope="module")
def gray(published, run):
    return with_neural_rates(published, {"v17": "black", "v2": "gray"}, [run], seed=3)


def kinetic_rates(model, c=None):
    point = jnp.linspace(3.0, 7.0, len(model.species)) if c is None else c
    variables = {"R": 1.7, "shift": 0.4}
    return np.asarray(model.kinetic_rates(point, {name: variables[name] for name in model.variable_names}))


def test_a_network_sees_by_default_what_the_known_law_depends_on(gray):
    assert gray.nets["v17"].inputs == ("LAC", "shift")
    assert gray.nets["v2"].inputs == ("LAC", "R")


def test_a_parameter_that_no_law_asks_for_is_no_longer_estimated(gray, published):
    before = {row.name for row in published.table.estimated}
    after = {row.name for row in gray.table.estimated}
    assert before - after == {"vmax17", "Ki17", "exp17a", "exp17b"}
    assert "vmax2" in after  # the gray law still asks for it


def test_only_the_learned_laws_are_changed_and_begin_near_the_known_ones(gray, published):
    known, learned = kinetic_rates(published), kinetic_rates(gray)
    changed = {name for name, a, b in zip(gray.kinetic, known, learned, strict=True) if a != b}
    assert changed == {"v17", "v2"}
    v2 = gray.kinetic.index("v2")
    assert learned[v2] == pytest.approx(known[v2], rel=0.5)  # a factor near 1
    v17 = gray.kinetic.index("v17")
    assert 0.1 < learned[v17] / known[v17] < 10.0  # the scale is the nearest power of ten
    assert learned[v17] > 0.0


def test_a_gray_law_is_a_product_or_for_the_form_any_a_sum(published, run):
    laws = {"v1": "gray", "v16": {"kind": "gray", "form": "any"}}
    rates = with_neural_rates(published, laws, [run]).rates
    assert isinstance(rates["v1"], Product)
    assert isinstance(rates["v16"], Sum)


def test_a_part_of_a_law_is_replaced_by_a_fraction_and_the_rest_stays_known(published, run):
    law = NeuralRateSpec("black", part="inhibition", inputs=("LAC", "shift"))
    model = with_neural_rates(published, {"v17": law}, [run])
    rate = model.rates["v17"]
    assert isinstance(rate, Product)
    assert [type(factor) for factor in rate.factors] == [Rate, NeuralRate]
    assert rate.factors[1].form == "fraction"
    names = {row.name for row in model.table.estimated}
    assert "vmax17" in names
    assert "Ki17" not in names
    vmax = model.table["vmax17"].value
    assert 0.0 < kinetic_rates(model)[model.kinetic.index("v17")] < vmax


def test_a_part_that_the_law_has_not_or_has_twice_is_told(published, run):
    assert not isinstance(published.rates["v16"], Inhibition)
    with pytest.raises(ModelError, match="found 0 factors 'inhibition'"):
        with_neural_rates(published, {"v16": NeuralRateSpec(part="inhibition")}, [run])
    with pytest.raises(ModelError, match="found 4 factors 'monod'"):
        with_neural_rates(published, {"v16": NeuralRateSpec(part="monod")}, [run])


def test_a_new_reaction_with_a_learned_law_takes_up_what_its_equation_says(published, run):
    law = {"kind": "black", "inputs": ["CYSTINE"], "scale": 0.01}
    model = with_neural_rates(published, {"loss": law}, [run], {"loss": "CYSTINE_ext =>"})
    column = np.asarray(model.exchange)[:, model.reactions.index("loss")]
    assert dict(zip(model.species, column, strict=True))["CYSTINE"] == -1.0
    assert np.count_nonzero(column) == 1
    assert model.species == published.species
    assert "loss" in model.kinetic
    assert model.variables == published.variables  # the redox ratio is made of the same fluxes
    assert 1e-4 < kinetic_rates(model)[model.kinetic.index("loss")] < 1.0


@pytest.mark.parametrize(
    ("laws", "reactions", "told"),
    [
        ({"v171": "black"}, None, "'v171' is not in the network; did you mean 'v17'"),
        ({"v17": {"inputs": ["LACT"]}}, None, "'LACT' .* is not known; did you mean 'LAC'"),
        ({"v17": "blak"}, None, "kind 'blak' is not known; did you mean 'black'"),
        ({"v17": {"form": "posit"}}, None, "form 'posit' is not known; did you mean 'positive'"),
        ({"v17": {"hiden": 3}}, None, "'hiden' is not known; did you mean 'hidden'"),
        ({"v17": {"hidden": 0}}, None, "0 hidden nodes"),
        ({"v17": {"hidden": 2.5}}, None, "2.5 hidden nodes"),
        ({"v17": {"bound": 0.5}}, None, "bound 0.5"),
        ({"v17": {"scale": -1.0}}, None, "scale -1"),
        ({"v17": {"scale": float("nan")}}, None, "scale nan"),
        ({"v17": {"inputs": "LAC"}}, None, "a list of names"),
        ({}, {"loss": "CYSTINE_ext =>"}, "'loss' is new and has no rate law"),
        ({"loss": "black"}, {"loss": "CYSTINE_ext =>"}, "nothing is known of what it depends on"),
        ({"loss": "black"}, {"loss": "CYSTIN_ext =>"}, "'CYSTIN_ext' is not .* did you mean 'CYSTINE_ext'"),
        ({"loss": "black"}, {"loss": "PYR => PYY"}, "'PYY' is not in the network"),
        ({"v20": "black"}, None, "nothing is known of what it depends on"),
    ],
)  # fmt: skip
def test_an_unknown_name_or_impossible_number_is_a_sentence_with_the_nearest(
    laws, reactions, told, published, run, unchecked
):
    with pytest.raises(ModelError, match=told):
        with_neural_rates(published, laws, [run], reactions)


def test_a_law_is_described_by_one_word_or_a_table():
    assert law_from("gray") == NeuralRateSpec("gray")
    assert law_from({"kind": "black", "inputs": ["LAC"], "hidden": 3}) == NeuralRateSpec("black", ("LAC",), hidden=3)


def test_the_first_weights_follow_the_seed_alone(published, run, gray):
    laws = {"v17": "black", "v2": "gray"}
    assert np.array_equal(weights_of(with_neural_rates(published, laws, [run], seed=3).nets), weights_of(gray.nets))
    assert not np.array_equal(weights_of(with_neural_rates(published, laws, [run], seed=4).nets), weights_of(gray.nets))


def through_json(model, change=lambda plain: None):
    plain = json.loads(json.dumps(model_to_plain(model), allow_nan=False))
    change(plain)
    return model_from_plain(plain)


def test_a_gray_model_is_built_anew_from_plain_data(gray):
    again = through_json(gray)
    assert again == gray
    assert np.array_equal(kinetic_rates(again), kinetic_rates(gray))
    assert again.rates == gray.rates
    assert describe(again) == describe(gray)
    assert [again.nets[name].inputs for name in again.nets] == [gray.nets[name].inputs for name in gray.nets]


@pytest.mark.parametrize("options", [{}, {"limited": True}, {"extended": True}, {"extended": True, "limited": True}])
def test_every_model_of_the_library_is_in_the_catalogue(options):
    model = nolan_lee(**options)
    assert model_of(model.name) == model
    assert repr(model_of(model.name)) == repr(model)


def test_networks_of_another_model_are_refused(gray):
    def fields(plain):
        return dict(plain["nets"]["mapping"])["v17"]["fields"]

    def without_v17(plain):
        plain["nets"]["mapping"] = [pair for pair in plain["nets"]["mapping"] if pair[0] != "v17"]

    with pytest.raises(ModelError, match="'v17'"):
        through_json(gray, without_v17)
    with pytest.raises(ModelError, match=r"'GLCC'.*did you mean 'GLC'"):
        through_json(gray, lambda plain: fields(plain).update(inputs=["GLCC", "shift"]))
    other = through_json(gray, lambda plain: fields(plain).update(inputs=["GLC", "shift"]))
    assert describe(other)["rate laws"] != describe(gray)["rate laws"]
    short = {"array": [0.0] * 7, "shape": [7]}
    with pytest.raises(ModelError, match="network 'v17': found weights of the sizes"):
        through_json(gray, lambda plain: fields(plain)["weights"]["fields"].update(hidden_bias=short))


def test_a_black_box_has_the_species_of_the_runs_and_sees_what_changes(run):
    fed = replace(run, events=(*(e for e in run.events if e.time < 1.0), Feed(1.0, "feed", 0.02), Setpoint(3.0, 31.0)))
    species = tuple(sorted(name for name in run.initial if name != "R"))
    model = neural_rates_model([run])
    assert model.species == species
    assert model.nets["rates"].inputs == (*species, "shift")
    warm = replace(run, events=tuple(e for e in run.events if not isinstance(e, Setpoint)))
    assert neural_rates_model([warm]).nets["rates"].inputs == species
    inputs = neural_ode_model([fed]).nets["rates"].inputs
    assert inputs[: len(species) + 1] == (*species, "shift")
    assert set(inputs[len(species) + 1 :]) == {f"feed {name}" for name, c in run.media["feed"].items() if c > 0.0}


@pytest.mark.parametrize("build", [neural_rates_model, neural_ode_model])
def test_a_black_box_is_built_anew_from_plain_data(build, run):
    model = build([run], hidden=3, seed=5)
    again = through_json(model)
    assert again == model
    assert np.array_equal(kinetic_rates(again), kinetic_rates(model))
    assert again.reactor.per_cell == model.reactor.per_cell == (build is neural_rates_model)
    assert again.rates == model.rates
    assert describe(again) == describe(model)


def test_the_scales_of_a_black_box_are_those_of_the_runs(run):
    net = neural_rates_model([run]).nets["rates"]
    glucose = net.inputs.index("GLC")
    measured = run.measurements["GLC"].value
    assert np.min(measured) < net.centre[glucose] < np.max(measured)
    assert 0.2 < net.sd[glucose] / np.std(measured) < 3.0
    assert net.half_uptake[glucose] == pytest.approx(0.02 * np.max(measured), rel=0.3)
    assert np.all(np.asarray(net.scale) > 0.0)
    # Nolan & Lee (2011): glucose uptake of 1 to 4 mmol/(10^9 cells)/d, warm to cold
    assert 0.5 < net.scale[glucose] < 5.0


def test_a_black_box_needs_the_biomass_at_time_0(run):
    without = replace(run, initial={name: c for name, c in run.initial.items() if name != "BIOM"})
    with pytest.raises(ModelError, match="found no concentration of BIOM"):
        neural_rates_model([run, without])


def test_an_unknown_input_of_a_black_box_is_told_with_the_nearest(run):
    with pytest.raises(ModelError, match="'GLCC' is not known to the model; did you mean 'GLC'"):
        neural_rates_model([run], inputs=["GLCC"])
