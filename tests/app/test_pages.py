"""What the pages make of runs and plans: rows to edit, commands, a first file of decisions."""

import tomllib
from dataclasses import replace

import pytest

pytest.importorskip("nicegui", reason="part of the extra 'app'")

import graycell as gc
from graycell.app.pages import answer_at
from graycell.app.pages.decide import drafted
from graycell.app.pages.models import free_folder, words_of_fit
from graycell.app.pages.plan import Row, plan_with, rows_of
from graycell.app.project import Project
from graycell.cli import app
from graycell.comparison import known_of
from graycell.decisions.reading import read_decisions
from graycell.runs.records import VCD


def test_a_plan_is_edited_and_the_rest_of_it_stays():
    run = known_of(gc.bundled_run())
    run = replace(run, initial={**run.initial, VCD: 2.0}, events=(*run.events, gc.Sample(9.5, 0.01)))
    rows, kept = rows_of(run)
    assert Row(3.0, None, 31.0) in rows
    assert {type(one) for one in kept} == {gc.End, gc.Sample}
    rows = [*rows[1:], Row(2.0, "feed", 25.0), Row(5.0, None, 33.0)]
    changed = plan_with(run, rows, kept, 9.0, 0.5)
    assert changed.end == 9.0
    assert changed.initial == {**run.initial, VCD: 0.5}
    assert changed.media == run.media
    assert gc.Bolus(2.0, "feed", 0.025) in changed.events
    assert gc.Setpoint(5.0, 33.0) in changed.events
    assert not any(isinstance(event, gc.Sample | gc.End) for event in changed.events)  # later than the end
    assert [event.time for event in changed.events] == sorted(event.time for event in changed.events)


def test_the_first_decisions_are_those_of_the_plan_and_are_accepted(tmp_path):
    run = known_of(gc.bundled_run())
    text = drafted(run, ["VCD", "GLC", "ANTI"])
    found = tomllib.loads(text)
    assert found["maximise"] == "ANTI"
    assert {"shift", "harvest", "bolus_3", "bolus_9"} <= set(found["decisions"])
    assert found["decisions"]["shift"]["lower"] == 1.0
    (tmp_path / "decisions.toml").write_text(text)
    read_decisions(tmp_path / "decisions.toml", run)
    two = replace(run, media={**run.media, "salt 2": {"GLC": 1.0}}, events=(
        gc.Bolus(3.0, "feed", 0.03), gc.Bolus(3.0, "salt 2", 0.003), gc.Bolus(5.0, "feed", 0.0)))  # fmt: skip
    text = drafted(two, ["ANTI"])
    found = tomllib.loads(text)["decisions"]
    assert (found["bolus_3_feed"]["upper"], found["bolus_3_salt_2"]["upper"]) == ("60 mL", "6 mL")
    assert found["bolus_5_feed"]["upper"] == "60 mL"  # of one that is given as 0, the largest
    (tmp_path / "decisions.toml").write_text(text)
    read_decisions(tmp_path / "decisions.toml", two)
    bare = tomllib.loads(drafted(replace(run, events=(), end=5.0), ["NH3"]))
    assert list(bare["decisions"]) == ["harvest"]
    assert bare["maximise"] == "?"  # no product was measured


def test_the_commands_that_are_shown_can_be_given():
    import shlex

    import typer

    commands = typer.main.get_command(app).commands
    for words in (
        words_of_fit("my model/2", 3, "a"), ["check", "runs"],
        ["predict", "runs", "plan", "--out", "results/prediction"],
        ["optimise", "fits/a", "plan", "decisions.toml", "--out", "results/best"],
        ["import", "uploads/a.csv", "--map", "mapping.toml", "--out", "runs"],
    ):  # fmt: skip
        name, *arguments = shlex.split(shlex.join(words))
        commands[name].make_context(name, arguments)


def test_a_fit_of_other_runs_has_a_folder_of_its_own(tmp_path):
    project = Project(tmp_path)
    for folder in ("my-model-2", "my-model-2-2", "my-model-2-3"):
        assert free_folder(project, "my model/2") == folder
        project.path("fits", folder).mkdir(parents=True)
        assert free_folder(project, "my model/2") == folder  # a fit that was stopped goes on there
        project.path("fits", folder, "fit.json").write_text("{}")


@pytest.mark.parametrize("path", ["uploads/a.csv", "../other", "results", "results/../uploads/a.csv", "a\0b", ""])
def test_only_answers_are_served(tmp_path, path):
    project = Project(tmp_path / "study")
    for name in ("uploads/a.csv", "results/best/optimum.html"):
        project.path(name).parent.mkdir(parents=True)
        project.path(name).write_text("x")
    assert answer_at(project, path) is None
    assert answer_at(project, "results/best/optimum.html") == project.path("results/best/optimum.html")
