"""What was measured as a mass is remembered: through an import, files of runs, fits and PyTrees."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

from graycell.errors import InputError
from graycell.imports.importing import import_runs
from graycell.inference.storage import _run_from_plain, _run_to_plain
from graycell.models import model_of
from graycell.packing import as_run_has, as_weighed, in_units_of, molar_mass_of
from graycell.provenance import hash_of_run
from graycell.reporting.display import shown_in
from graycell.runs import bundled_run, read_runs, runs_from_tables
from graycell.runs.format.writing import tables_of, write_runs
from graycell.runs.solutes import MOLAR_MASS

SHEET = (
    "Day,VCD (10^6 cells/mL),Titer (mg/L),Glucose (g/L),Lactate (mM),NH4 (mg/L)\n0,0.4,0,7.2,1,18\n2,2.0,150,4,9,54\n"
)
MAPPING = {
    "time": {"column": "Day", "unit": "d"},
    "measured": {"VCD": "VCD (10^6 cells/mL)", "ANTI": {"column": "Titer (mg/L)", "molar_mass": 148000.0},
                 "GLC": "Glucose (g/L)", "LAC": "Lactate (mM)", "NH3": "NH4 (mg/L)"},
}  # fmt: skip


def imported(folder, sheet=SHEET):
    path = folder / "sheet.csv"
    path.write_text(sheet)
    [run] = import_runs(path, MAPPING)
    return run


def test_an_import_keeps_what_was_measured_as_a_mass_and_with_which_molar_mass(tmp_path):
    run = imported(tmp_path)
    assert run.measurements["ANTI"].unit == "mmol/L"
    np.testing.assert_allclose(run.measurements["ANTI"].value, [0.0, 150.0 / 148000.0])
    assert set(run.molar_masses) == {"ANTI", "GLC", "NH3"}  # LAC was measured as an amount
    assert run.molar_masses["ANTI"] == 148000.0
    assert run.molar_masses["GLC"] == MOLAR_MASS["GLC"]
    assert run.molar_masses["NH3"] == pytest.approx(18.04, abs=0.01)  # NH4+, as it was weighed


@pytest.mark.parametrize("name", ["runs", "runs.xlsx"])
def test_files_of_runs_keep_molar_masses_one_for_all_runs_or_one_for_each(tmp_path, name):
    first = imported(tmp_path)
    second = replace(first, name="other", molar_masses={"ANTI": 150000.0})
    for runs in ([first], [first, replace(first, name="same")], [first, second]):
        back = read_runs(write_runs(runs, tmp_path / name))
        assert [dict(run.molar_masses) for run in back] == [dict(run.molar_masses) for run in runs]


def test_runs_of_before_have_no_table_of_molar_masses_and_write_none(tmp_path):
    folder = write_runs([bundled_run()], tmp_path / "run")
    assert not (folder / "molar_masses.csv").exists()
    mark = folder / ".written-by-graycell"
    mark.write_text(mark.read_text().replace("format 3", "format 1"))
    assert not read_runs(folder)[0].molar_masses


def test_a_heading_in_grams_of_a_known_solute_is_a_mass():
    frame = pd.DataFrame({"time [d]": [0.0, 1.0], "GLC [g/L]": [7.2, 6.0], "LAC [mmol/L]": [1.0, 2.0],
                          "ANTI [g/L]": [0.0, 1.0], "VCD [1e6 cells/mL]": [0.4, 0.9]})  # fmt: skip
    [run] = runs_from_tables({"measurements": frame})
    assert dict(run.molar_masses) == {"GLC": MOLAR_MASS["GLC"]}  # nobody gave that of ANTI, which stays in g/L


def test_every_fault_of_the_table_is_told_at_once():
    frame = pd.DataFrame({"time [d]": [0.0, 1.0], "ANTI [g/L]": [0.0, 1.0], "VCD [1e6 cells/mL]": [0.4, 0.9],
                          "pH [1]": [7.0, 7.0]})  # fmt: skip
    rows = [("ANTI", 0.0), ("ANTO", 1.0), ("VCD", 2.0), ("pH", 2.0), ("time", 1.0), ("ANTI", 150.0), ("ANTI", None)]
    table = pd.DataFrame({"quantity": [name for name, _ in rows], "molar mass [kg/mol]": [mass for _, mass in rows]})
    with pytest.raises(InputError) as error:
        runs_from_tables({"measurements": frame, "molar_masses": table})
    text = str(error.value)
    for words in ("a molar mass is > 0", "'ANTO'; a molar mass is of a measured quantity; did you mean 'ANTI'",
                  "'VCD'; it is in 1e9 cells/L", "'pH'", "'time'", "a second 'ANTI'"):  # fmt: skip
        assert words in text, text
    good = pd.DataFrame({"quantity": ["ANTI"], "molar mass [kg/mol]": [148.0]})
    [run] = runs_from_tables({"measurements": frame, "molar_masses": good})
    assert run.molar_masses["ANTI"] == 148000.0


def test_frames_fits_and_compiled_functions_keep_molar_masses(tmp_path):
    run = imported(tmp_path)
    assert dict(runs_from_tables(tables_of([run]))[0].molar_masses) == dict(run.molar_masses)
    assert dict(_run_from_plain(_run_to_plain(run)).molar_masses) == dict(run.molar_masses)
    old = {key: value for key, value in _run_to_plain(run).items() if key != "molar_masses"}
    assert not _run_from_plain(old).molar_masses
    leaves, structure = jax.tree.flatten(run)
    assert jax.tree.unflatten(structure, leaves).molar_masses == run.molar_masses


def test_a_model_in_grams_gets_the_grams_that_were_measured(tmp_path):
    run, model = imported(tmp_path), model_of("cho-basic")
    assert model.unit("ANTI") == "mg/L"
    there = in_units_of(run, model)
    np.testing.assert_allclose(there.measurements["ANTI"].value, [0.0, 150.0], rtol=1e-12)
    assert molar_mass_of(model, "ANTI") == 150e3
    assert molar_mass_of(model, "ANTI", run) == 148e3
    assert molar_mass_of(model, "GLC", run) == MOLAR_MASS["GLC"]


def test_a_model_that_counts_residues_gets_them_and_its_predictions_are_as_the_run_has_them(tmp_path):
    run, model = imported(tmp_path), model_of("nolan-lee")
    residues = np.array([0.0, 0.15]) / 110.0 * 1000.0  # of 0.15 g/L
    grams = replace(run.measurements["ANTI"], unit="g/L", value=np.array([0.0, 0.15]))
    initial = {**run.initial, "ANTI": 1.0 / 148.0}
    for other in (run, replace(run, units={**run.units, "ANTI": "mmol/L"}, initial=initial),
                  replace(run, measurements={**run.measurements, "ANTI": grams}, units={"ANTI": "g/L"},
                          initial={**run.initial, "ANTI": 1.0})):  # fmt: skip
        there = in_units_of(other, model)
        np.testing.assert_allclose(there.measurements["ANTI"].value, residues, rtol=1e-12)
        errors = 1e3 / 110.0 * other.measurements["ANTI"].standard_error
        factor = 1.0 if other.measurements["ANTI"].unit == "g/L" else 148.0
        np.testing.assert_allclose(there.measurements["ANTI"].standard_error, factor * errors, rtol=1e-12)
        if other.initial.get("ANTI"):
            assert there.initial["ANTI"] == pytest.approx(1000.0 / 110.0)
        unit = other.measurements["ANTI"].unit
        np.testing.assert_allclose(as_run_has(model, "ANTI", residues, unit, other), other.measurements["ANTI"].value)
        assert there.molar_masses["ANTI"] == 110.0 or unit == "g/L"
        again = in_units_of(there, model)
        np.testing.assert_allclose(again.measurements["ANTI"].value, residues, rtol=1e-12)
        shown = shown_in("laboratory", [there], [model])
        assert shown.values(residues[-1], "mmol/L", "ANTI") == pytest.approx(0.15)
        assert shown_in("laboratory", [other], [model]).values(residues[-1], "mmol/L", "ANTI") == pytest.approx(0.15)
    near = replace(run, molar_masses={**run.molar_masses, "ANTI": 109.0})
    np.testing.assert_allclose(in_units_of(near, model).measurements["ANTI"].value, near.measurements["ANTI"].value)


COUNTED = "which are {mass} g/L with the molar mass {own} g/mol of {whose}; model 'cho-basic' has ANTI in mg/L"


@pytest.mark.parametrize(("changes", "place", "clause"), [
    ({}, "measurements, ANTI: found 46.96 mmol/L",
     COUNTED.format(mass="7044", own="150000", whose="model 'cho-basic'")),
    ({"molar_masses": {"ANTI": 145e3}}, "measurements, ANTI: found 46.96 mmol/L",
     COUNTED.format(mass="6809", own="145000", whose="the run's ANTI")),
    ({"measurements": {}, "initial": {"ANTI": 20.0}, "units": {"ANTI": "mmol/L"}}, "initial, ANTI: found 20 mmol/L",
     COUNTED.format(mass="3000", own="150000", whose="model 'cho-basic'")),
    ({"measurements": {}, "initial": {"ANTI": 0.02}, "units": {"ANTI": "mol/L"}}, "initial, ANTI: found 0.02 mol/L",
     COUNTED.format(mass="3000", own="150000", whose="model 'cho-basic'")),
    ({"measurements": {}, "media": {"feed": {"ANTI": 50.0}}, "initial": {}, "events": (), "units": {"ANTI": "mmol/L"}},
     "medium 'feed', ANTI: found 50 mmol/L", COUNTED.format(mass="7500", own="150000", whose="model 'cho-basic'")),
])  # fmt: skip
def test_amounts_that_would_be_more_than_dissolves_name_the_model_and_the_molar_mass(changes, place, clause):
    run = replace(bundled_run(), **changes)
    with pytest.raises(InputError) as error:
        in_units_of(run, model_of("cho-basic"))
    [finding] = error.value.findings
    assert f"run '{run.name}', {place}, {clause}" in str(finding)
    assert "no liquid holds more than 2000 g/L; give ANTI as a mass, in g/L" in str(finding)
    # both pieces of advice work
    counted = replace(run, molar_masses={"ANTI": 110.0})
    assert in_units_of(counted, model_of("cho-basic")).name == run.name
    weighed = as_weighed(counted)
    assert in_units_of(replace(weighed, molar_masses={}), model_of("cho-basic")).name == run.name


def test_a_fit_knows_that_its_product_was_weighed_with_another_molar_mass():
    run = bundled_run()
    weighed = replace(run, molar_masses={"GLC": MOLAR_MASS["GLC"]})
    assert hash_of_run(weighed) == hash_of_run(run)  # nothing is converted by it
    assert hash_of_run(replace(run, molar_masses={"ANTI": 150e3})) != hash_of_run(run)
