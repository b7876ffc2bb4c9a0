"""The page "Decide" works: its files, its Python and its commands, in an order in which they can be done."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from graycell.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "decide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which everything that stands on the page was done, and what its commands said."""
    folder, said = tmp_path_factory.mktemp("page"), {}
    first, decisions, cells, runs, *rest = BLOCKS  # what the first command needs is made after it
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for (_, text), name in ((decisions, "decisions.toml"), (cells, "cells.toml")):
            Path(name).write_text(text, encoding="utf-8")
        for kind, text in (runs, rest[0], first, *rest[1:]):
            if kind == "python":
                exec(compile(text, "docs/decide.md", "exec"), {})  # noqa: S102  the page's own code
            for line in text.splitlines() if not kind else ():
                found = CliRunner().invoke(app, shlex.split(line)[1:])
                assert found.exit_code == 0, found.output
                said[line] = found.output
    return folder, said


def test_the_page_writes_what_it_says(place):
    folder, said = place
    made = folder / "my-best"
    there = {path.name for path in made.iterdir()}
    assert there == {"optimum.html", "optimum.json", "decisions.csv", "plans.csv", "plan"}
    written = json.loads((made / "optimum.json").read_text(encoding="utf-8"))
    assert written["method"].startswith("SLSQP")
    assert min(one["least"] for one in written["margins"]) > -1e-3
    assert written["after"]["mean"] > written["before"]["mean"]
    table = pd.read_csv(made / "decisions.csv").set_index("decision")
    assert (1000.0 * table["best"]["feed_3"]) % 1.0 == pytest.approx(0.0, abs=1e-6)  # steps of 1 mL
    assert table["best"]["harvest"] % 0.5 == pytest.approx(0.0, abs=1e-9)
    assert "What to do in next" in next(text for line, text in said.items() if "--out my-best" in line)


def test_runs_judge_plans_without_a_model(place):
    folder, _ = place
    written = json.loads((folder / "best-from-runs" / "optimum.json").read_text(encoding="utf-8"))
    assert written["method"].startswith("COBYQA")
    assert set(written["learned from"]) == {"run1", "run2", "run3", "run4"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("graycell optimise {plan} {words}", "found 2 paths; a fit or runs, a plan and a file of decisions are needed"),
        ("graycell optimise {fit} {runs} {words}", "found 4 runs; the plan is one run"),
        ("graycell optimise {fit} {plan} {none}", "a file of decisions in TOML is needed"),
    ],
)
def test_each_fault_of_the_command_has_a_sentence(place, tmp_path, line, sentence):
    folder, _ = place
    line = line.format(fit=folder / "my-fit", runs=folder / "my-runs", plan=folder / "my-plan",
                       words=folder / "decisions.toml", none=tmp_path / "none.toml")  # fmt: skip
    found = CliRunner().invoke(app, [*shlex.split(line)[1:], "--out", str(tmp_path / "out")])
    said = " ".join((found.output + str(found.exception)).split())
    assert found.exit_code != 0
    assert sentence in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_the_next_runs_are_written(place):
    folder, said = place
    made = folder / "my-design"
    assert len(pd.read_csv(made / "design.csv")) == 4
    assert {path.name for path in made.iterdir()} == {
        "design.html", "design.json", "design.csv", "parameters.csv", "designs.csv", "plans"
    }  # fmt: skip
    assert "expected after 4 runs" in next(text for line, text in said.items() if "graycell design" in line)


def test_a_running_culture_is_followed(place):
    folder, said = place
    made = folder / "my-advice"
    written = json.loads((made / "follow.json").read_text(encoding="utf-8"))
    assert written["now"] == 5.0
    state = {one["quantity"]: one for one in written["state"]}
    assert state["titer"]["low"] < state["titer"]["estimate"] < state["titer"]["high"]
    assert set(written["no longer chosen"]) == {"feed_3"}
    assert set(written["advice"]["decisions"]) == {"feed_6", "second_feed", "harvest"}
    assert "Nothing is left to choose of feed_3." in next(text for line, text in said.items() if "follow" in line)
    assert (made / "plan").is_dir()


def test_the_tables_of_the_page_are_those_of_the_study(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "studies"))
    study = importlib.import_module("decision_study")
    *tables, _ = study.tables(json.loads(study.STORED.read_text(encoding="utf-8"))).split("\n\n")
    assert len(tables) >= 2
    for table in tables:
        assert table in PAGE
