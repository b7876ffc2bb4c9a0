"""A project keeps to its folder, and takes the files that are read."""

import pytest

import graycell as gc
from graycell.app import project as of
from graycell.app.project import Project
from graycell.errors import GraycellError


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "study")


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("runs.xlsx", "runs.xlsx"), ("../../etc/runs.csv", "runs.csv"), ("C:\\data\\BR 7 (2).csv", "BR 7 (2).csv"),
        ("a\0b;rm -rf.csv", "a_b_rm -rf.csv"), ("..csv.csv", "csv.csv"), ("x" * 300 + ".csv", "x" * 80 + ".csv"),
    ],
)  # fmt: skip
def test_a_file_goes_into_the_project_whatever_it_is_called(project, name, taken):
    place = project.place_for(name, 10)
    assert place == project.folder / "uploads" / taken
    place.write_text("x")
    assert project.uploads() == [place]


@pytest.mark.parametrize(("name", "sentence"), [
    ("virus.exe", "'virus.exe' was not taken: files that end in .csv"), ("", "was not taken"),
    (".csv", "was not taken"),
])  # fmt: skip
def test_other_files_are_not_taken(project, name, sentence):
    with pytest.raises(GraycellError, match=sentence):
        project.place_for(name, 10)
    assert project.uploads() == []


def test_files_are_bounded_alone_and_together(project, monkeypatch):
    with pytest.raises(GraycellError, match="at most 50 MiB, all of a project 500 MiB"):
        project.place_for("a.csv", 50 * 2**20 + 1)
    monkeypatch.setattr(of, "LARGEST_UPLOADS", 100)
    project.place_for("a.csv", 60).write_text("x" * 60)
    project.place_for("a.csv", 90)  # in its own place
    with pytest.raises(GraycellError, match="was not taken"):
        project.place_for("b.csv", 50)


@pytest.mark.parametrize("parts", [("..",), ("results", "../../other"), ("/etc/passwd",)])
def test_no_path_leads_out_of_it(project, parts):
    with pytest.raises(GraycellError, match="is not within the project"):
        project.path(*parts)


def test_runs_and_a_plan_are_kept(project):
    assert (project.runs(), project.plan(), project.fits()) == ([], None, [])
    run = gc.bundled_run()
    gc.write_runs([run], project.path("runs"))
    assert [one.name for one in project.runs()] == [run.name]
    project.save_plan(gc.comparison.known_of(run))
    project.save_plan(gc.comparison.known_of(run.with_bolus(1.0, "feed", 0.01)))
    plan = project.plan()
    assert plan is not None
    assert gc.Bolus(1.0, "feed", 0.01) in plan.events
