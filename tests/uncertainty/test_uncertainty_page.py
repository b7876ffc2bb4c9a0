"""The page "How sure is a fit?" works: its commands and its Python, in their order; and the faults of the commands."""

import importlib
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import cultures
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cli import app
from graycell.errors import FitError

pytest.importorskip("numpyro", reason="part of the extra 'sampling'")

PAGE = (Path(__file__).parents[2] / "docs" / "uncertainty.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
MODEL = """
format = 1
name = "exponential"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { role = "substrate" }
[reactions]
growth = { equation = "=> VCD", rate = "mu" }
uptake = { equation = "GLC =>", rate = "q" }
[parameters]
mu = { value = 0.3, unit = "1/d", lower = 0.1, upper = 1.0 }
q = { value = 1.0, unit = "mmol/(1e9 cells)/d", lower = 0.1, upper = 5.0 }
"""


def run(line):
    found = CliRunner().invoke(app, shlex.split(line)[1:])
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which everything that stands on the page was done, and what its commands said."""
    folder, said, random = tmp_path_factory.mktemp("page"), [], np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("my-model.toml").write_text(MODEL, encoding="utf-8")
        gc.write_runs([cultures.culture(name, 0.01, random=random) for name in ("a", "b")], "my-runs")
        gc.write_runs([cultures.planned(cultures.culture("next", 0.03))], "my-plan")
        for kind, text in BLOCKS:
            if kind == "python":
                exec(compile(text, "docs/uncertainty.md", "exec"), {})  # noqa: S102  the page's own code
            for line in text.splitlines() if not kind else ():
                said.append(run(line))
    return folder, said


def test_a_sample_is_written_with_its_tables_and_what_it_depends_on(place):
    folder, said = place
    draws = pd.read_csv(folder / "my-fit/posterior/draws.csv")
    summary = pd.read_csv(folder / "my-fit/posterior/summary.csv")
    assert list(draws.columns) == ["chain", "draw", "mu", "q", "diverging"]
    assert len(draws) == 800
    assert np.all(np.abs(summary["mean"] - [cultures.GROWTH, cultures.UPTAKE]) < 4.0 * summary["sd"])
    assert np.all(summary["R-hat"] < 1.01)
    assert "4 chains of 200 draws" in said[1]
    record = json.loads((folder / "my-fit/posterior/sample.json").read_text(encoding="utf-8"))
    assert record["seed"] == 0
    assert record["versions"]["numpyro"]
    assert set(record["fit"]["runs"]) == {"a", "b"}


def test_draws_of_the_sample_predict_a_plan(place):
    table = pd.read_csv(place[0] / "my-prediction/prediction.csv").query("quantity == 'VCD'")
    cells = cultures.START * np.exp(cultures.GROWTH * table["time [d]"]) / np.where(table["time [d]"] > 3.5, 1.03, 1.0)
    assert np.all(table["model q05"] <= table["model q95"])
    assert np.allclose(table["estimate"], cells, rtol=0.05)
    record = json.loads((place[0] / "my-prediction/prediction.json").read_text(encoding="utf-8"))
    assert record["draws from"] == "posterior sample of 4 chains of 200 draws, warm-up 100, target 0.8, seed 0"


def test_intervals_of_profiles_hold_the_truth_and_agree_with_the_sample(place):
    folder, _ = place
    found = pd.read_csv(folder / "my-fit/profiles/intervals.csv").iloc[0]
    sd = pd.read_csv(folder / "my-fit/posterior/summary.csv")["sd"][0]
    assert found["low"] < cultures.GROWTH < found["high"]
    assert found["high"] - found["low"] == pytest.approx(2.0 * 1.96 * sd, rel=0.15)
    assert (folder / "my-fit/profiles/mu.html").exists()
    predicted = pd.read_csv(folder / "my-fit/predicted/intervals.csv").iloc[0]
    assert predicted["name"] == "VCD of a at day 7"
    end = cultures.START * np.exp(cultures.GROWTH * 7.0) / 1.01
    assert predicted["low"] < end < predicted["high"]


def test_an_ensemble_is_written_and_predicts(place):
    folder, said = place
    members = pd.read_csv(folder / "my-fit/ensemble/members.csv")
    assert list(members.columns) == ["member", "mu", "q"]
    assert len(members) == 20
    assert any("20 fits of exponential, errors of the assays added" in one for one in said)
    sd = pd.read_csv(folder / "my-fit/posterior/summary.csv")["sd"]
    assert np.std(members[["mu", "q"]].to_numpy(), axis=0) == pytest.approx(sd.to_numpy(), rel=0.6)
    record = json.loads((folder / "my-fit/ensemble/ensemble.json").read_text(encoding="utf-8"))
    assert record["format"] == 2
    table = pd.read_csv(folder / "my-other-prediction/prediction.csv").query("quantity == 'VCD'")
    assert np.all(table["model q05"] <= table["model q95"])
    assert np.all((table["model q95"] - table["model q05"]).to_numpy()[-20:] > 0.0)


def test_an_ensemble_is_read_as_it_was_written_and_by_no_other_fit(place, tmp_path):
    fit = gc.load_fit(place[0] / "my-fit")
    found = gc.load_ensemble(place[0] / "my-fit/ensemble", fit)
    gc.save_ensemble(found, tmp_path)
    again = gc.load_ensemble(tmp_path, fit)
    assert np.array_equal(again.values, found.values)
    assert again.initial.shape == found.initial.shape == (20, 2, 0)
    other = replace(fit, estimates=tuple(replace(row, value=2.0 * row.value) for row in fit.estimates))
    with pytest.raises(FitError, match="found the ensemble of a fit with other estimates; it belongs to one fit"):
        gc.load_ensemble(tmp_path, other)
    data = json.loads((tmp_path / "ensemble.json").read_text(encoding="utf-8"))
    data["values"]["shape"] = [20, 3]
    (tmp_path / "ensemble.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FitError, match="found no readable ensemble"):
        gc.load_ensemble(tmp_path, fit)
    with pytest.raises(FitError, match="found no ensemble; make one with: graycell ensemble"):
        gc.load_ensemble(tmp_path / "nowhere", fit)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("graycell sample nowhere", "found no fit"),
        ("graycell profile my-fit kd", "found 'kd', which the fit of exponential has not estimated"),
        ("graycell profile my-fit --predict VCD", "a quantity, a run and a day are needed"),
        ("graycell profile my-fit --predict 'VCD of c at 3'", "found no run 'c' in the fit"),
        ("graycell profile my-fit --predict 'VCD of a at e'", "a quantity, a run and a day are needed"),
        ("graycell profile my-fit --predict 'VCC of a at 3'", "quantity 'VCC' is not in the model"),
        ("graycell ensemble my-fit --resampled cells", "found resampled='cells'"),
        ("graycell predict my-fit my-plan --posterior my-runs", "found no posterior sample"),
        ("graycell predict my-fit my-plan --posterior my-fit/posterior --draws 9999", "the sample has 800"),
        ("graycell predict my-runs my-plan --posterior my-fit/posterior", "--posterior is a sample of a fit"),
    ],
)
def test_each_fault_of_the_commands_has_a_sentence(place, monkeypatch, line, sentence):
    monkeypatch.chdir(place[0])
    found = CliRunner().invoke(app, shlex.split(line)[1:])
    assert found.exit_code != 0
    assert sentence in " ".join((found.output + str(found.exception)).split())


def test_the_table_of_the_page_is_that_of_the_study(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
    study = importlib.import_module("calibration_study")
    stored = json.loads(study.STORED.read_text(encoding="utf-8"))
    assert study.table(stored).strip() in PAGE
    for name in study.CENTRES:
        assert study.uniform(np.array([row["ranks"][name] for row in stored["data sets"]])) > 0.01
    assert max(row["r_hat"] for row in stored["data sets"]) <= 1.01
