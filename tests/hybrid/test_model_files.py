"""Learned laws of a model file: fitted to in-silico runs of a library model, saved, loaded, reported."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.neural import NeuralRate
from graycell.cell.rates import Product, Sum, Volumetric
from graycell.errors import ModelError
from graycell.hybrid import build_model, read_model
from graycell.inference import FitSettings, Stage, fit, load_fit, save_fit
from graycell.models import model_of
from graycell.reporting import report
from graycell.simulation import simulate

DAYS = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
TEXT = """
format = 1
name = "half-known"

[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
dead = { unit = "1e9 cells/L", role = "dead cells", initial = 0 }
GLC = { unit = "mmol/L", role = "substrate" }
LAC = { unit = "mmol/L", role = "by-product" }

[definitions]
mu = { formula = "mu_max * monod(GLC, K_glc)", law = { kind = "gray", inputs = ["LAC"], hidden = 2 } }

[reactions]
growth = { equation = "=> VCD", rate = "mu" }
death = { equation = "VCD => dead", law = { inputs = ["LAC"], hidden = 2, form = "positive" } }
glucose = { equation = "GLC =>", rate = "(mu / Y + m) * monod(GLC, K_glc)" }
lactate = { equation = "=> LAC", rate = "Y_lac * mu / Y" }

[parameters]
mu_max = { value = 0.04, unit = "1/h", prior_sd = 0.5 }
K_glc = { value = 0.5, unit = "mmol/L", estimated = false }
Y = { value = 0.6e9, unit = "cells/mmol", prior_sd = 0.5 }
m = { value = 0.3, unit = "pmol/cell/d", prior_sd = 0.5 }
Y_lac = { value = 1.0, unit = "mmol/mmol", prior_sd = 0.5 }
"""
SETTINGS = FitSettings(starts=1, held_out="nothing", adam=30,
                       stages=(Stage("integral matching", 10, opened=1.0, matching=True),
                               Stage("whole runs", 15)))  # fmt: skip


def in_silico(name, glucose, cells, seed):
    """A run of a library model, measured with 3 % noise."""
    truth, chance = model_of("cho-basic"), np.random.default_rng(seed)
    plan = gc.CultureRun(name, 1.0, {"VCD": cells, "GLC": glucose, "LAC": 0.5, "dead": 0.01, "ANTI": 0.0}, end=7.0,
                         events=(gc.Bolus(3.0, "feed", 0.05),), media={"feed": {"GLC": 300.0}})  # fmt: skip
    made = simulate(truth, plan, save_at=DAYS).require_finished()
    measured = {}
    for quantity in ("VCD", "dead", "GLC", "LAC", "viability"):
        exact = np.asarray(made[quantity])
        sd = np.maximum(0.03 * exact, 0.01 * np.max(exact))
        noisy = np.maximum(exact + (quantity != "viability") * sd * chance.normal(size=len(DAYS)), 0.0)
        measured[quantity] = gc.Measurement(quantity, truth.unit(quantity), DAYS, noisy, sd)
    initial = {name: value for name, value in plan.initial.items() if name != "ANTI"}
    return replace(plan, initial=initial, measurements=measured)


@pytest.fixture(scope="module")
def runs():
    return [in_silico("a", 40.0, 0.3, 1), in_silico("b", 30.0, 0.5, 2)]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("models") / "half-known.toml"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def model(path, runs):
    return read_model(path, runs)


@pytest.fixture(scope="module")
def fitted(model, runs):
    return fit(model, runs, SETTINGS)


def test_a_gray_law_corrects_its_formula_and_a_black_one_takes_its_place(model):
    mu = model.definitions[model.definition_names.index("mu")]
    assert isinstance(mu, Product)
    assert isinstance(mu.factors[0], gc.Formula)
    assert isinstance(mu.factors[1], NeuralRate)
    assert isinstance(model.rates["death"], NeuralRate)
    assert {name: net.inputs for name, net in model.nets.items()} == {"mu": ("LAC",), "death": ("LAC",)}
    assert [row.name for row in model.table.estimated] == ["mu_max", "Y", "m", "Y_lac"]


def test_all_that_uses_a_learned_definition_sees_its_learned_value(model):
    at = model.conditions(jnp.array([{"VCD": 1.0, "dead": 0.1, "GLC": 20.0,
                                      "LAC": 5.0}[name] for name in model.species]))
    assert float(at.rates["growth"]) == float(at.definition("mu"))
    assert float(at.rates["lactate"]) == pytest.approx(float(at.definition("mu")) / 0.6)
    factor = model.definitions[model.definition_names.index("mu")].factors[1](at)
    assert float(at.definition("mu")) == pytest.approx(24 * 0.04 * 20 / 20.5 * float(factor))


def test_the_seed_decides_the_first_weights(path, runs, model):
    again, other = read_model(path, runs), read_model(path, runs, seed=1)
    assert again == model
    assert not np.array_equal(other.nets["mu"].weights.hidden, model.nets["mu"].weights.hidden)


def test_the_fit_is_better_than_its_start_and_near_the_noise(fitted, model, runs):
    errors = [_error(one, runs) for one in (model, fitted.model)]
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.1


def _error(model, runs):
    """The mean deviation from the measurements, relative to the range of each quantity [1]."""
    found = []
    for run in runs:
        made = simulate(model, run, save_at=DAYS).require_finished()
        for quantity, series in run.measurements.items():
            found.append(np.sqrt(np.mean((np.asarray(made[quantity]) - series.value) ** 2)) / np.ptp(series.value))
    return float(np.mean(found))


def test_a_saved_fit_gives_the_same_predictions(fitted, runs, tmp_path):
    save_fit(fitted, tmp_path / "fit")
    loaded = load_fit(tmp_path / "fit")
    assert loaded.model == fitted.model
    for quantity in ("VCD", "viability", "LAC"):
        first, second = (np.asarray(simulate(one.model, runs[0], save_at=DAYS)[quantity]) for one in (fitted, loaded))
        assert np.array_equal(first, second)
    bands = [one.predict(runs[1], draws=5, seed=3) for one in (fitted, loaded)]
    assert np.allclose(np.asarray(bands[0]["VCD"]), np.asarray(bands[1]["VCD"]))


def test_a_fit_without_a_network_inside_the_cell_is_reported(fitted, tmp_path):
    page = report(fitted, tmp_path / "report.html")
    text = page.read_text(encoding="utf-8")
    assert "half-known" in text
    for word in ("mu_max", "LAC", "death", "viability", "unit of the definition"):
        assert word in text


def test_what_was_learned_of_a_law_can_be_looked_at(fitted):
    growth, death = (gc.recovered_law(fitted, name) for name in ("mu", "death"))
    assert (growth.role, growth.unit) == ("factor", "unit of the definition")
    assert (death.role, death.unit) == ("law", "mmol/(1e9 cells)/d")
    for law in (growth, death):
        assert [curve.input for curve in law.curves] == ["LAC"]
        assert np.all(np.isfinite(law.curves[0].learned))
        assert np.all(law.curves[0].low <= law.curves[0].high)
    assert 0.0 < np.max(growth.learned) < 3.0  # [1/d]


def test_a_model_file_without_learned_laws_needs_no_runs(tmp_path):
    text = TEXT.replace(', law = { kind = "gray", inputs = ["LAC"], hidden = 2 }', "").replace(
        'law = { inputs = ["LAC"], hidden = 2, form = "positive" }', 'rate = "0.1 * mu"')  # fmt: skip
    (tmp_path / "known.toml").write_text(text, encoding="utf-8")
    known = read_model(tmp_path / "known.toml")
    assert known.nets == {}
    assert read_model("xing-2010", parameters="kornecki-strube").table["K_glc"].value == 1.0
    with pytest.raises(ModelError, match="has no parameter set 'x'"):
        read_model(tmp_path / "known.toml", parameters="x")


def test_a_volumetric_law_and_a_law_of_the_form_any_are_learned_too(runs):
    text = TEXT.replace("[parameters]",
                        "decay = { equation = 'LAC =>', rate = 'k * LAC', volumetric = true, law = 'gray' }\n"
                        "shift = { equation = '=> LAC', rate = 'm / 10', "
                        "law = { kind = 'gray', inputs = ['GLC'], form = 'any' } }\n"
                        "[parameters]\nk = { value = 0.01, unit = '1/d' }")  # fmt: skip
    model = build_model(gc.parse_model_file(text), runs)
    assert isinstance(model.rates["decay"], Volumetric)
    assert isinstance(model.rates["decay"].law, Product)
    assert isinstance(model.rates["shift"], Sum)
    assert model.nets["decay"].inputs == ("LAC",)  # what the formula depends on
