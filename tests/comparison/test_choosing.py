"""Which models of the library runs allow, and which is chosen; viability of real runs that were left out."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import graycell as gc
from graycell.comparison.choosing import choose_model, scored_quantities, usable_models
from graycell.errors import FitError
from graycell.models import library_files

STUDIES = Path(__file__).parents[2] / "studies"
DATA = STUDIES.parents[1] / "shared" / "data" / "umn-fed-batch"


def series(name, unit, values, days):
    value = np.asarray(values, float)
    return gc.Measurement(name, unit, days, value, np.full(len(value), 0.05 * np.max(value) + 1e-3))


def laboratory_runs(count=3, seed=0, without=()):
    """Return runs of cho-basic with noise, with what a common laboratory measures."""
    model, random, days = gc.read_model("cho-basic"), np.random.default_rng(seed), np.arange(1.0, 10.0)
    runs = []
    for i in range(count):
        plan = gc.CultureRun(
            f"run{i}",
            1.0,
            {"VCD": 0.5 + 0.1 * i, "GLC": 40.0, "LAC": 1.0},
            media={"feed": {"GLC": 1500.0}},
            events=tuple(gc.Bolus(float(day), "feed", 0.01 + 0.003 * i) for day in (3, 5, 7)),
            end=9.0,
        )
        true = gc.simulate(model, plan, save_at=days)
        noisy = {
            name: np.asarray(true[name]) * (1 + 0.03 * random.standard_normal(len(days)))
            for name in ("VCD", "viability", "GLC", "LAC", "ANTI")
            if name not in without
        }
        measured = {
            name: series(name, model.unit(name), np.clip(value, 0.0, 1.0 if name == "viability" else None), days)
            for name, value in noisy.items()
        }
        initial = {name: value for name, value in plan.initial.items() if name not in without}
        runs.append(replace(plan, measurements=measured, initial=initial))
    return runs


def test_every_model_is_usable_or_has_a_reason():
    usable = usable_models(laboratory_runs())
    assert set(usable.models) == {"cho-basic"}
    assert set(usable.models) | set(usable.reasons) == set(library_files())
    assert usable.reasons["xing-2010"] == "needs GLN, NH3, not measured in run 'run0'"
    assert "BIOM, ALA" in usable.reasons["nolan-lee"]


def test_a_model_without_the_species_of_a_rule_is_not_usable():
    [run] = laboratory_runs(1)
    rules = (gc.LevelBolus(3.0, "feed", "GLC", 50.0), gc.LevelBolus(4.0, "feed", "GLN", 4.0))
    ruled = replace(run, media={"feed": {"GLC": 1500.0, "GLN": 100.0}}, events=rules[:1])
    assert set(usable_models([ruled]).models) == {"cho-basic"}
    usable = usable_models([replace(ruled, events=rules)])
    assert not usable.models
    assert "LevelBolus at 4 d: found 'GLN'; a level is one of a species of the model" in usable.reasons["cho-basic"]


def test_a_titer_in_moles_serves_a_model_in_mass():
    [first, *others] = laboratory_runs()
    titer = first.measurements["ANTI"]
    moles = replace(titer, unit="mmol/L", value=titer.value / 150e3, standard_error=titer.standard_error / 150e3)
    run = replace(first, measurements={**first.measurements, "ANTI": moles})
    assert "cho-basic" in usable_models([run, *others]).models


def test_a_titer_in_a_unit_that_does_not_convert_is_a_reason():
    [first, *_] = laboratory_runs()
    run = replace(first, measurements={**first.measurements, "ANTI": replace(first.measurements["ANTI"], unit="1")})
    assert "found the unit '1'" in usable_models([run]).reasons["cho-basic"]


def test_what_every_usable_model_predicts_is_scored():
    runs = laboratory_runs()
    assert scored_quantities(usable_models(runs), runs) == ("VCD", "viability", "GLC", "LAC", "ANTI")


def test_runs_that_no_model_fits_are_told_each_reason():
    runs = laboratory_runs(without=("GLC",))
    with pytest.raises(FitError, match=r"no model of the library.*cho-basic needs GLC.*Write a model file"):
        choose_model(runs)


@pytest.mark.ode
def test_the_model_that_made_the_runs_beats_the_baselines():
    choice = choose_model(laboratory_runs())
    assert choice.best == choice.winner == "cho-basic"
    assert choice.errors["cho-basic"] < 0.05 < choice.errors["mean of the runs"]
    assert list(choice.errors) == sorted(choice.errors, key=choice.errors.get)


@pytest.mark.ode
def test_the_later_samples_of_a_single_run_are_predicted_from_the_earlier_ones():
    choice = choose_model(laboratory_runs(count=1))
    assert choice.comparison.splits[0].cut == pytest.approx(6.0)
    assert choice.best == "cho-basic"


def umn_runs_with_viability():
    """Return the measured runs as a laboratory has them: viability from the counts of viable and of all cells."""
    sys.path.insert(0, str(STUDIES))
    import open_data

    table = pd.read_excel(DATA / "runs.xlsx", header=1)
    kept, runs = ("VCD", "viability", "ANTI", "GLC", "LAC", "NH3", "GLN"), []
    for run in open_data.umn_runs():
        rows = table[table["ID"] == int(run.name.split("-")[1])]
        viable, total = (
            rows[f"{kind} Cell Concentration (10^6 cells/mL)"].to_numpy(float) for kind in ("Viable", "Total")
        )
        time = run.measurements["VCD"].time
        share = gc.Measurement("viability", "1", time, (viable / total)[: len(time)], np.full(len(time), 0.02))
        measured = {name: one for name, one in {**run.measurements, "viability": share}.items() if name in kept}
        initial = {"VCD": float(viable[0]), **{name: one for name, one in run.initial.items() if name in kept}}
        runs.append(replace(run, measurements=measured, signals={}, initial=initial, units={"ANTI": "mg/L"}))
    return runs


@pytest.mark.ode
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder umn-fed-batch is absent")
def test_viability_of_a_real_run_that_was_left_out_is_predicted_within_five_points():
    runs = umn_runs_with_viability()
    model = gc.read_model("cho-basic", runs)
    for left_out in runs:
        fitted = gc.fit(model, [run for run in runs if run is not left_out], gc.FitSettings(starts=1))
        predicted = np.asarray(gc.simulate(fitted.model, left_out).at_samples("viability"))
        assert np.sqrt(np.mean((predicted - left_out.measurements["viability"].value) ** 2)) < 0.05
