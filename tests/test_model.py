"""Equal models, values outside of bounds, and limited uptake: no cell takes up faster than it can clear."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import fed_batch, limited_network, monod, pool

import graycell as gc
from graycell.cell.flux import SoftWeights
from graycell.cell.network import EXTERNAL_SUFFIX
from graycell.errors import ModelError
from graycell.models import nolan_lee
from graycell.runs import Bolus, Setpoint, bundled_run
from graycell.simulation.simulate import SimulationStatus, simulate

BELOW = 1e-6
"""Part [1] of its largest value by which a concentration may fall below zero: the tolerance of the solver."""


def test_two_models_built_anew_are_equal_and_have_equal_hashes(published, extended):
    assert nolan_lee() == published
    assert hash(nolan_lee()) == hash(published)
    assert nolan_lee(extended=True) == extended
    assert extended != published
    rebuilt = published.rebuilt()
    assert rebuilt is not published
    assert rebuilt == published
    assert hash(rebuilt) == hash(published)


def one_coefficient(model):
    """The model whose growth uses 0.0839 in place of 0.0838 mol alanine."""
    network = model.network
    reactions = [
        replace(one, equation=one.equation.replace("0.0838", "0.0839")) if one.name == "v16" else one
        for one in network.reactions
    ]
    assert tuple(reactions) != network.reactions
    return model.rebuilt(network=reactions)


CHANGES = {
    "stoichiometric coefficient": one_coefficient,
    "weight softening": lambda model: model.rebuilt(weights=SoftWeights(0.051)),
    "law": lambda model: model.rebuilt(rates={**model.rates, "v17": 1.0 * model.rates["v17"]}),
    "parameter": lambda model: model.with_parameters({"Km1": float(model.parameters["Km1"]) * (1.0 + 1e-15)}),
    "bound of a parameter": lambda model: model.with_table(model.table.with_changes("Km1", upper=1e3)),
    "closure": lambda model: model.with_closure(replace(model.closure, turnover_time="shift_rate")),
    "name": lambda model: model.changed(name="another"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_one_change_makes_models_unequal(published, what):
    changed = CHANGES[what](published)
    assert changed != published
    assert CHANGES[what](nolan_lee()) == changed


def test_a_model_with_a_parameter_outside_of_its_bounds_simulates():
    """Bounds are those of a fit: a fit refuses the value, a simulation does not."""
    within, run = monod(), fed_batch()
    model = within.with_parameters({"K": 1.5 * within.table["K"].upper})
    path = simulate(model, run)
    assert path.status is SimulationStatus.finished
    uptake = model.reactions.index("uptake")
    assert 0.0 < path.fluxes[0, uptake] < simulate(within, run).fluxes[0, uptake]
    with pytest.raises(ModelError, match=r"parameter K: .* must enclose the value"):
        model.table.require_estimable()


def test_a_model_has_no_attribute_of_another_name(published):
    with pytest.raises(ModelError, match="no attribute 'lean'"):
        published.changed(lean=1)
    with pytest.raises(ModelError, match="did you mean 'Km1'"):
        published.with_parameters({"Km01": 1.0})


GLC, MU = gc.Concentration("GLC"), gc.Rate("mu")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rates": {"product": 0.5 * gc.Volumetric(MU)}}, r"'product': found a Volumetric inside.*0\.5 \* law"),
        ({"rates": {"product": gc.Volumetric(2.0 + gc.Volumetric(MU))}}, "'product': found a Volumetric inside"),
        ({"rates": {"product": "mu"}}, r"reaction 'product': found 'mu'; a rate law or a number is needed"),
        ({"rates": {"product": gc.Rate}}, r"reaction 'product': found <class .*Rate'>; a rate law or a number"),
        ({"observables": {"x": "VCD"}}, r"observable 'x': found 'VCD'; a rate law or a number is needed"),
        ({"observables": {"x": ("VCD", "1")}}, r"observable 'x': found 'VCD'; a rate law or a number is needed"),
        ({"cells": object()}, r"cells: found .*; a rate law or a number is needed"),
        ({"network": {"a": 3}}, r"reaction 'a': found 3; an equation or a Reaction is needed"),
        ({"network": ["A_ext => B_ext"]}, r"network: found 'A_ext => B_ext'; a Reaction is needed"),
        ({"network": {"a": gc.Reaction("b", "A_ext => B_ext")}}, "its Reaction has the name 'b'"),
        ({"reactions": {"growth": 3}}, r"equation '3': one arrow"),
        ({"variables": {"warmth": gc.RelaxingVariable(GLC, MU)}},
         "the target of variable 'warmth' may use inputs and parameters only; use StateVariable"),
        ({"variables": {"warmth": gc.RelaxingVariable(MU, gc.VariableValue("warmth"))}},
         "the rate of variable 'warmth' may use inputs and parameters only; use StateVariable"),
        ({"variables": {"warmth": gc.RelaxingVariable(gc.InputValue("temperatur"), MU)}}, "did you mean 'temperature'"),
    ],
)  # fmt: skip
def test_what_makes_no_model_is_a_sentence(changes, sentence, unchecked):
    whole = monod()
    if "rates" in changes:
        changes = {"rates": {**whole.rates, **changes["rates"]}}
    with pytest.raises(ModelError, match=sentence):
        monod(**changes)


UNKNOWN = gc.Concentration("GCL")


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("rate law of 'uptake'", {"rates": {"uptake": UNKNOWN}}),
        ("observable 'seen'", {"observables": {"seen": UNKNOWN}}),
        ("variable 'age'", {"variables": {"age": gc.StateVariable(UNKNOWN)}}),
        ("variable 'P'", {"variables": {"P": gc.LoopVariable(UNKNOWN, gc.Dynamic("recovery"))}}),
    ],
)
def test_an_unknown_name_in_a_law_is_told_with_its_place(place, changes):
    whole = monod()
    variables = dict(zip(whole.variable_names, whole.variables, strict=True))
    parts = {"rates": whole.rates, "observables": {}, "variables": variables}
    with pytest.raises(ModelError, match=f"{place}: species 'GCL' is not known to the model; did you mean 'GLC'"):
        monod(**{kind: {**parts[kind], **added} for kind, added in changes.items()})


def test_runs_in_the_place_of_a_run_are_a_sentence(unchecked):
    with pytest.raises(ModelError, match="found list in the place of the run"):
        simulate(monod(), [fed_batch()])  # type: ignore[arg-type]


@pytest.mark.parametrize("build", [lambda: MU * "GLC", lambda: gc.StateVariable("GLC"), lambda: gc.Rate("k") / None])
def test_a_law_of_a_text_is_a_sentence(build):
    with pytest.raises(ModelError, match="a rate law or a number is needed"):
        build()


def test_numbers_are_laws_and_a_volumetric_law_is_one_as_a_whole():
    constants = {"death": 0.05, "product": gc.Volumetric(0.5 * gc.Rate("qp"))}
    model = monod(rates={**monod().rates, **constants}, observables={"x": 2.0, "y": (3, "g/L")})
    assert model.rates["death"] == gc.Constant(0.05)
    assert model.volumetric == (False, False, False, False, True)
    found = model.evaluate(jnp.ones(len(model.species)), inputs={"temperature": 37.0}).observables
    assert [float(found[model.observable_names.index(name)]) for name in ("x", "y")] == [2.0, 3.0]


def test_a_closure_whose_turnover_time_is_no_parameter_is_refused():
    model = pool(gc.Dynamic("ts"))
    with pytest.raises(ModelError, match=r"parameter 'tau', a turnover time, is not in the model; .*Known: q, ts"):
        model.with_closure(gc.Dynamic())
    assert model.with_closure(gc.Algebraic("ts")).closure == gc.Algebraic("ts")
    assert monod().with_closure(gc.Dynamic()) == monod()  # without a loop there is nothing to close


@functools.cache
def limited():
    return nolan_lee(extended=True, limited=True)


def test_no_uptake_is_faster_than_the_clearance_times_the_concentration():
    """At concentrations from 0 to 100 mmol/L, a tenth of them 0."""
    model, random = limited_network(), np.random.default_rng(0)
    c = 10.0 ** random.uniform(-4.0, 2.0, (64, len(model.species)))
    c[random.uniform(size=c.shape) < 0.1] = 0.0
    cells = jax.jit(jax.vmap(model.evaluate))(c)
    assert all(status.item() == 0 for status in np.asarray(cells.flux_status))
    clearance, found = float(model.parameters["clearance"]), []
    for reaction, species, coefficient in model.uptakes:
        uptake = -coefficient * np.asarray(cells.fluxes)[:, reaction]
        assert np.all(uptake <= clearance * c[:, species] * (1.0 + 1e-7) + 1e-8)
        found.append(uptake / np.maximum(clearance * c[:, species], 1e-12))
    assert np.sum(np.stack(found) > 0.999) > 10  # the limit is met, so the test can fail


def test_every_exchange_that_can_take_up_is_limited():
    model = limited()
    network, named = model.network, {(reaction, species) for reaction, species, _ in model.uptakes}
    for i, species in enumerate(model.species):
        row = network.rows([species + EXTERNAL_SUFFIX])[0]
        for j in np.flatnonzero(row):
            can = row[j] < 0.0 or network.lower[j] < 0.0
            assert ((j, i) in named) == can, (network.names[j], species)


@functools.cache
def conserved():
    """Combinations of species that no allowed flux changes, at any temperature."""
    model = limited()
    maps = [np.asarray(model.exchange @ model.projection.flux_map(cold).matrix) for cold in (0.0, 0.3, 1.0)]
    combinations = scipy.linalg.null_space(np.hstack(maps).T)
    assert combinations.shape[1] >= 2
    return combinations.T


STARTS = st.lists(st.sampled_from([0.0, 1e-3, 0.1, 1.0, 3.0]), min_size=12, max_size=12)


@given(STARTS, st.sampled_from([0.3, 1.0, 5.0]), st.sampled_from([0.0, 0.1]))
@example([0.0] * 12, 1.0, 0.0)  # no flux at all
@settings(deadline=None, max_examples=8, derandomize=True)
def test_with_limited_uptake_nothing_falls_below_zero_and_what_is_conserved_is_found(factors, cells, bolus):
    """From starts without this or that, with five times the cells, and a bolus or none."""
    model, run = limited(), bundled_run()
    others = [name for name in model.species if name != "BIOM"]
    initial = {name: run.initial[name] * factor for name, factor in zip(others, factors, strict=True)}
    start = {**run.initial, **initial, "BIOM": cells * run.initial["BIOM"]}
    events = (Bolus(0.7, "feed", bolus), Setpoint(1.0, 31.0))
    harsh = replace(run, initial=start, measurements={}, events=events, end=2.0)
    path = simulate(model, harsh, points=3)
    c = path.concentrations
    assert np.all(np.isfinite(c))
    largest = np.max(np.abs(c), axis=0)
    assert np.all(c >= -BELOW * np.maximum(largest, 1e-2))
    feed = np.array([run.media["feed"].get(name, 0.0) for name in model.species])
    expected = np.array([start[name] for name in model.species]) * run.initial_volume + bolus * feed
    found = path.volume[-1] * c[-1]
    size = np.abs(conserved()) @ np.maximum(np.abs(expected), 1e-3)
    assert np.max(np.abs(conserved() @ (found - expected)) / size) <= 1e-6
    assert np.max(np.abs(found - expected)) > 1e-3 or not any(factors)  # the cells did live
