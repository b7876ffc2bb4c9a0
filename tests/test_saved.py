"""The number of its format in every file that graycell saves, and what is said of another one."""

import json

import numpy as np
import openpyxl
import pytest

from graycell.comparison.trainings import Trainings
from graycell.errors import FitError, InputError
from graycell.inference import Fit, FitSettings, checkpoint, load_fit, save_fit
from graycell.inference.least_squares import Point
from graycell.modelfiles import model_file_text, parse_model_file
from graycell.models import model_file, nolan_lee
from graycell.provenance import provenance_of
from graycell.runs import bundled_run, read_runs
from graycell.runs.format.reading import read_with_findings
from graycell.runs.format.writing import write_runs
from graycell.saved import SavedFormat, version
from graycell.study import read_study
from helpers.small_models import fed_batch, monod

NONE = [0, -1, 99, 5, "1", 1.5, True, None, [1]]
"""Numbers that are no format, or a later one."""


@pytest.fixture
def fitted(tmp_path):
    """A folder with a small fit, and its content."""
    run, model = fed_batch(), monod()
    made = Fit(model, (run,), (), np.zeros((0, 0)), 1.0, True, FitSettings(), (), provenance_of(model, [run], {}))
    path = save_fit(made, tmp_path)
    return tmp_path, json.loads(path.read_text())


def rewritten(folder, data, name="fit.json"):
    (folder / name).write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize("number", NONE)
def test_a_fit_of_another_format_is_a_sentence(fitted, number):
    folder, data = fitted
    with pytest.raises(FitError, match=r"fit\.json: found a fit of format .*this one reads format 4"):
        load_fit(rewritten(folder, {**data, "format": number}))


def test_a_fit_of_a_later_format_names_the_version_that_wrote_it(fitted):
    folder, data = fitted
    with pytest.raises(FitError, match=r"written by graycell 9\.9; .*update graycell"):
        load_fit(rewritten(folder, {**data, "format": 99, "graycell": "9.9"}))
    with pytest.raises(FitError, match="without the number"):
        load_fit(rewritten(folder, {name: value for name, value in data.items() if name != "format"}))
    with pytest.raises(FitError, match="a fit is needed"):
        load_fit(rewritten(folder, {**data, "kind": "comparison"}))
    with pytest.raises(FitError, match="found no fit"):
        load_fit(rewritten(folder, [data]))


@pytest.mark.parametrize("place", ["stamp", "provenance"])
def test_a_fit_of_another_version_is_read_with_a_remark(fitted, place):
    folder, data = fitted
    assert load_fit(folder).remarks() == []
    if place == "stamp":
        data["graycell"] = "0.0.3"
    else:
        data["provenance"]["versions"]["graycell"] = "0.0.3"
    [remark] = load_fit(rewritten(folder, data)).remarks()
    assert f"graycell 0.0.3, and this is {version()}" in remark


def test_a_fit_of_the_format_before_is_brought_to_this_one(tmp_path):
    run, model = bundled_run(), nolan_lee()
    made = Fit(model, (run,), (), np.zeros((0, 0)), 1.0, True, FitSettings(), (), provenance_of(model, [run], {}))
    data = json.loads(save_fit(made, tmp_path).read_text())
    old = {name: value for name, value in data.items() if name not in ("definition", "weights", "per_run", "kind")}
    old |= {"format": 1, "recipe": {"base": "nolan-lee"}, "networks": {}, "own": {run.name: {"vmax17": 2.0}}}
    again = load_fit(rewritten(tmp_path, old))
    assert again.model == model
    assert again.per_run == {run.name: {"vmax17": 2.0}}
    with pytest.raises(FitError, match="learned laws"):
        load_fit(rewritten(tmp_path, {**old, "networks": {"v17": {}}}))


@pytest.mark.parametrize("number", NONE)
def test_a_checkpoint_of_another_format_is_a_sentence(tmp_path, number):
    point = Point(np.zeros(2))
    checkpoint.save(tmp_path, {"model": "m"}, checkpoint.Saved(0, point, (np.zeros(2),), (), 1.0))
    assert checkpoint.load(tmp_path, {"model": "m"}) is not None
    data = json.loads((tmp_path / checkpoint.FILE).read_text())
    with pytest.raises(FitError, match="delete it to start anew"):
        checkpoint.load(rewritten(tmp_path, {**data, "format": number}, checkpoint.FILE), {"model": "m"})


def test_a_checkpoint_from_before_there_was_a_number_is_of_an_earlier_format(tmp_path):
    checkpoint.save(tmp_path, {"model": "m"}, checkpoint.Saved(0, Point(np.zeros(2)), (np.zeros(2),), (), 1.0))
    data = json.loads((tmp_path / checkpoint.FILE).read_text())
    old = {name: value for name, value in data.items() if name not in ("format", "kind", "graycell", "starts")}
    with pytest.raises(FitError, match=r"a checkpoint of format 1, written by an earlier graycell; .* delete it"):
        checkpoint.load(rewritten(tmp_path, old, checkpoint.FILE), {"model": "m"})


@pytest.mark.parametrize("number", NONE)
def test_a_training_of_another_format_is_not_taken(tmp_path, number):
    kept = Trainings(tmp_path, {"GLC": 1.0})
    path = tmp_path / "one.json"
    kept.write(path, [], [])
    assert kept.read(path) == ([], [])
    data = json.loads(path.read_text())
    assert kept.read(rewritten(tmp_path, {**data, "format": number}, "one.json") / "one.json") is None


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("{digest} format 99 graycell 9.9", "runs of format 99, written by graycell 9.9"),
        ("{digest} format 0 graycell 0.0.1", "format 0, which is none"),
        ("{digest} format two", "'two', which is none"),
        ("{digest} format 4", "written by a later graycell"),
        ("{digest} format -1 graycell x", "which is none"),
        ("{digest} format 1 graycell 0.0.3", "written by graycell 0.0.3"),
        ("{digest}", ""),  # of before there was a number
        ("somebody else's file", ""),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "workbook"])
def test_runs_of_another_format_are_a_sentence_and_of_another_version_a_remark(tmp_path, mark, said, kind):
    place = write_runs([bundled_run()], tmp_path / ("runs" if kind == "folder" else "runs.xlsx"))
    assert not [one for one in read_with_findings(place)[1] if "written by" in one.found]
    if kind == "folder":
        file = place / ".written-by-graycell"
        digest = file.read_text().split()[0]
        file.write_text(mark.format(digest=digest) + "\n")
    else:
        book = openpyxl.load_workbook(place)
        book.properties.identifier = mark.format(digest=book.properties.identifier.split()[0])
        book.save(place)
    found = [str(one) for one in read_with_findings(place)[1] if "written by" in one.found or "none" in one.found]
    assert len(found) == (1 if said else 0)
    assert all(said in one for one in found)
    if said and "0.0.3" not in said:
        with pytest.raises(InputError):
            read_runs(place)
    else:
        assert read_runs(place)[0].name == bundled_run().name
    if "{digest} format 1 " in mark or mark == "{digest}":
        write_runs([bundled_run()], place)  # it is still known as graycell's own


STUDY = """
runs = ["runs"]
test = []
[models.white]
base = "nolan-lee"
"""


@pytest.mark.parametrize("number", ["0", "99", '"1"', "1.0", "true", "-3"])
def test_a_study_of_another_format_is_a_sentence(tmp_path, number):
    write_runs([bundled_run()], tmp_path / "runs")
    path = tmp_path / "study.toml"
    for text in (STUDY, "format = 1\n" + STUDY):
        path.write_text(text)
        assert read_study(path).models
    path.write_text(f"format = {number}\n" + STUDY)
    with pytest.raises(InputError, match="this one reads format 1"):
        read_study(path)


@pytest.mark.parametrize("number", ["0", "99", '"1"', "1.0", "true", "-3"])
def test_a_model_file_of_another_format_is_a_sentence(number):
    text = model_file_text(model_file("cho-basic"))
    assert text.startswith("format = 1\n")
    with pytest.raises(InputError, match="this version reads format 1"):
        parse_model_file(text.replace("format = 1", f"format = {number}", 1), "m.toml")


def test_migrations_follow_each_other():
    kind = SavedFormat("thing", 3, "make it anew", {1: lambda d: {**d, "a": 1}, 2: lambda d: {**d, "b": d["a"] + 1}})
    assert kind.migrated({"format": 1}) == {"format": 3, "a": 1, "b": 2}
    assert kind.migrated({"format": 2, "a": 5}) == {"format": 3, "a": 5, "b": 6}
    gap = SavedFormat("thing", 3, "make it anew", {2: dict})
    assert "earlier graycell" in gap.fault({"format": 1})
    assert gap.fault({"format": 2}) == ""
    assert kind.stamp() == {"format": 3, "kind": "thing", "graycell": version()}
    assert "0.0.3" in kind.remark({"graycell": "0.0.3"})
    assert kind.remark(kind.stamp()) == kind.remark({}) == ""
