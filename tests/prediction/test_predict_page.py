"""The page "Predict the next run" works: its commands and its Python, in their order; and the command's faults."""

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
from graycell.prediction import MeanRates
from graycell.reporting.next_run import next_run_figure, next_run_frame

PAGE = (Path(__file__).parents[2] / "docs" / "predict.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def run(line):
    found = CliRunner().invoke(app, shlex.split(line)[1:])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which everything that stands on the page was done, and what its commands said."""
    folder, said = tmp_path_factory.mktemp("page"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("groups.csv").write_text("run,group\nrun01,A\nrun02,A\nrun03,A\nrun04,A\nrun07,A\nrun99,B\n")
        first, *blocks = BLOCKS  # the first one is what the page promises; what it needs is made after it
        for i, (kind, text) in enumerate(ordered := [*blocks, first]):
            if kind == "toml":
                Path("my-model.toml").write_text(text, encoding="utf-8")
            if kind == "python":
                exec(compile(text, "docs/predict.md", "exec"), {})  # noqa: S102  the page's own code
            if (kind, text) not in ordered[i + 1 :]:  # what is written twice is done once
                said += [run(line) for line in text.splitlines() if not kind]
    return folder, said


def test_the_model_of_the_page_is_fitted_and_takes_part(place):
    with_model = next(said for said in place[1] if "two-substrates" in said)
    assert "could not be trained" not in with_model
    assert with_model.index("graycell predict") < with_model.index("two-substrates")  # it knows of no shift


def test_the_page_writes_what_it_says(place):
    folder, said = place
    made = folder / "my-prediction"
    assert {"prediction.html", "prediction.csv", "prediction.json", "weights.csv", "left-out.csv"} <= {
        path.name for path in made.iterdir()
    }
    assert "Bands of 90 % held" in said[-1]
    assert "85.7 % of cases, 6 of 7" in said[-1]
    written = json.loads((made / "prediction.json").read_text(encoding="utf-8"))
    assert written["format"] == 1
    assert set(written["training runs"]) == {f"run0{k}" for k in range(1, 7)}  # run07 is the plan
    assert "http" not in (made / "prediction.html").read_text(encoding="utf-8").split("<body>")[1].split("<script")[0]


def test_the_table_has_rising_quantiles_and_bands_inside_of_each_other(place):
    folder, _ = place
    table = pd.read_csv(folder / "my-prediction" / "prediction.csv")
    for of in ("model", "measurement"):
        columns = [f"{of} q{q:02d}" for q in (5, 25, 50, 75, 95)]
        assert np.all(np.diff(table[columns].to_numpy(), axis=1) >= 0.0)
    assert np.all(table["measurement q05"] <= table["model q05"] + 1e-12)
    assert np.all(table["whole run low"] <= table["estimate"])
    assert np.allclose(pd.read_csv(folder / "my-prediction" / "weights.csv").iloc[:, 1:].sum(axis=1), 1.0)


def test_a_group_file_with_an_unknown_run_gets_a_remark(place):
    assert any("'run99'" in text for text in place[1])


def test_a_fit_predicts_a_plan_by_the_same_command(tmp_path):
    model = gc.CultureModel(
        reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        rates={"growth": gc.Rate("mu"), "uptake": gc.Rate("q")},
        parameters={"mu": gc.Parameter(0.3, "1/d", lower=0.1, upper=1.0, estimated=True),
                    "q": gc.Parameter(1.0, "mmol/(1e9 cells)/d", lower=0.1, upper=5.0, estimated=True)},
    )  # fmt: skip
    random = np.random.default_rng(0)
    runs = [cultures.culture(name, 0.01, random=random) for name in ("a", "b")]
    gc.save_fit(gc.fit(model, runs, gc.FitSettings(starts=1)), tmp_path / "fit")
    gc.write_runs([cultures.planned(cultures.culture("next", 0.03))], tmp_path / "plan")
    said = run(f"graycell predict {tmp_path / 'fit'} {tmp_path / 'plan'} --draws 20 --out {tmp_path / 'out'}")
    table = pd.read_csv(tmp_path / "out" / "prediction.csv").query("quantity == 'VCD'")
    cells = cultures.START * np.exp(cultures.GROWTH * table["time [d]"]) / np.where(table["time [d]"] > 3.5, 1.03, 1.0)
    assert "Prediction: " in said
    assert "contradicts" not in said
    assert np.all(table["model q05"] <= table["model q95"])
    assert np.allclose(table["estimate"], cells, rtol=0.05)


def test_units_are_those_that_are_asked_for(place):
    folder, _ = place
    runs = gc.read_runs(folder / "my-runs")
    found = gc.predict_next(runs[:3], replace(runs[3], measurements={}), candidates=[MeanRates()], times=[0.0, 8.0])
    hours = next_run_frame(found, "time=h")
    assert hours["time [h]"].max() == pytest.approx(192.0)
    assert len(next_run_figure(found).data) > 4 * len(found.names)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("graycell predict {runs}", "found one path; runs or a fit to learn from and, last, a plan are needed"),
        ("graycell predict {plan} {runs}", "found 7 runs; the plan is one run"),
        ("graycell predict {plan} {plan}", "found 0 training runs with samples after time 0; 2 are needed"),
        ("graycell predict {runs} {plan} --groups {bad}", "the columns run and group are needed"),
    ],
)
def test_each_fault_of_the_command_has_a_sentence(place, tmp_path, line, sentence):
    folder, _ = place
    (tmp_path / "bad.csv").write_text("name,clone\nrun01,A\n")
    line = line.format(runs=folder / "my-runs", plan=folder / "my-plan", bad=tmp_path / "bad.csv")
    found = CliRunner().invoke(app, [*shlex.split(line)[1:], "--out", str(tmp_path / "out")])
    said = " ".join((found.output + str(found.exception)).split())
    assert found.exit_code != 0
    assert sentence in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_table_of_the_page_is_that_of_the_study(monkeypatch):
    studies = Path(__file__).parents[2] / "studies"
    monkeypatch.syspath_prepend(str(studies))
    coverage = importlib.import_module("coverage_study")
    stored = json.loads(coverage.STORED.read_text(encoding="utf-8"))["tasks"]
    assert coverage.table({name: task["rows"] for name, task in stored.items()}) in PAGE
