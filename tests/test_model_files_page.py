"""The page "Your model as a text file" works: its files, and its commands in their order."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cli import app
from graycell.errors import InputError

PAGE = (Path(__file__).parent.parent / "docs" / "model-files.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, text in BLOCKS if not kind for line in text.splitlines() if line.startswith("graycell ")]


def toml(name):
    return next(text for kind, text in BLOCKS if kind == "toml" and f'name = "{name}"' in text)


def made_runs(model):
    """Return three runs of the page's model with other feeds and initial values, measured daily with 3 % noise."""
    random, days = np.random.default_rng(0), np.arange(9.0)
    runs = []
    for i, volume in enumerate((0.03, 0.05, 0.04)):
        plan = gc.CultureRun(
            f"run{i}",
            1.0,
            {"VCD": 0.4 + 0.1 * i, "GLC": 35.0 + 5 * i, "LAC": 1.0},
            media={"feed": {"GLC": 1000.0}},
            events=tuple(gc.Bolus(day + 0.0, "feed", volume) for day in (3.0, 4.0, 6.0)),
            end=8.0,
        )
        true = gc.simulate(model, plan, save_at=days)
        measured = {}
        for name in ("VCD", "viability", "GLC", "LAC", "ANTI"):
            value, unit = np.asarray(true[name]), model.unit(name)
            if name == "ANTI":  # a file of runs has masses in g/L
                value, unit = value / 1000.0, "g/L"
            noise = 1.0 + 0.03 * random.standard_normal(len(days))
            seen = np.clip(value * noise, 0.0, 1.0 if name == "viability" else None)
            error = np.maximum(0.03 * np.abs(value), 0.02 * np.max(np.abs(value)))
            measured[name] = gc.Measurement(name, unit, days[1:], seen[1:], error[1:])
        runs.append(
            gc.CultureRun(
                plan.name,
                1.0,
                {**plan.initial, "ANTI": 0.0},
                measured,
                events=plan.events,
                media=plan.media,
                end=8.0,
                units={"ANTI": "g/L"},
            )
        )
    return runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    (place / "my-model.toml").write_text(toml("my-model"))
    (place / "broken.toml").write_text(toml("broken"))
    [line] = [text for kind, text in BLOCKS if kind == "toml" and text.startswith("lactate")]
    changed = re.sub(r"^lactate = .*\n", line, toml("my-model"), flags=re.MULTILINE)
    changed = re.sub(r"^Y_lac = .*\n", "", changed, flags=re.MULTILINE)
    (place / "gray.toml").write_text(changed)
    gc.write_runs(made_runs(gc.read_model(place / "my-model.toml")), place / "my-runs")
    return place


def test_the_broken_file_is_reported_whole_with_lines_and_columns():
    with pytest.raises(InputError) as raised:
        gc.parse_model_file(toml("broken"), "broken.toml")
    places = [re.search(r"line (\d+), column (\d+), ([\w.]+)", finding.place) for finding in raised.value.findings]
    found = {(int(at[1]), at[3]): int(at[2]) for at in places if at}
    text = toml("broken").splitlines()

    def column(line, word):
        return text[line - 1].index(word) + 1

    assert found == {
        (10, "reactions.growth.rate"): column(10, "Kglc"),
        (11, "reactions.glycolysis.equation"): column(11, '"GLC'),
        (11, "reactions.glycolysis.rate"): column(11, "q + GLC"),
        (12, "reactions.decay.equation"): column(12, "LACT"),
        (12, "reactions.decay.rate"): found[12, "reactions.decay.rate"],
        (15, "parameters.mu_max.unit"): column(15, '"1/day'),
        (19, "parameters.unused"): 1,
    }
    assert found[12, "reactions.decay.rate"] >= column(12, "k * (LAC")


@pytest.mark.ode
def test_every_command_of_the_page_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert len(COMMANDS) == 12
    for command in COMMANDS:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        if "broken.toml" in command:
            assert result.exit_code == 1
            assert "6 errors, 1 remark" in result.output
            continue
        assert result.exit_code == 0, (command, result.output, result.exception)
    assert gc.load_fit(folder / "results/library").model.name == "cho-basic"
    mine = gc.load_fit(folder / "results/mine")
    values = {row.name: row.value for row in mine.estimates}
    assert values["mu_max"] == pytest.approx(0.04, rel=0.1)
    assert values["Y"] == pytest.approx(0.6e9, rel=0.1)
    gray = gc.load_fit(folder / "results/gray")
    assert gray.model.nets["lactate"].inputs == ("GLC", "LAC")
    errors = [gc.mean_nrmse(gc.scores(gc.simulate(gray.model_of(run.name), run))) for run in gray.runs]
    assert max(errors) < 0.1
