"""The tables and figures of docs/learning.md from docs/learning.json; nothing is trained."""

import importlib
import json
import math
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = json.loads((ROOT / "docs" / "learning.json").read_text(encoding="utf-8"))
numbers = importlib.import_module("learning_numbers")
tables = importlib.import_module("learning_tables").tables


def test_the_stored_numbers_are_thin_and_few_enough_to_keep():
    assert (ROOT / "docs" / "learning.json").stat().st_size < 2e6
    assert all(numbers.thinned(task) == task for task in DATA["tasks"].values())


def test_every_task_of_the_study_has_its_place_in_the_file():
    assert list(DATA["tasks"]) == list(importlib.import_module("learning").tasks())


def test_every_table_has_a_cell_for_every_head():
    for table in tables(DATA).values():
        lines = table.splitlines()
        assert len(lines) > 2
        assert {line.count("|") for line in lines} == {lines[0].count("|")}
        assert not re.search(r"\b(nan|inf|None)\b", table)


def test_a_seed_that_failed_has_an_infinite_error_and_one_without_data_is_left_out():
    data = {"seeds": [3, 4], "tasks": {"umn a seed 3": {"failed": "fit: found no finite cost."}}}
    assert numbers.spread(data, "umn a", "test mean").median == math.inf
    data["tasks"]["umn a seed 3"] = {"failed": "runs.xlsx: no such file; the open data lie elsewhere"}
    assert numbers.spread(data, "umn a", "test mean") is None


def test_points_that_an_extrapolation_does_not_reach_are_counted():
    counts = {"as tested": {"mass": [0, 30]}, "extrapolation": {"mass": [1, 20]}}
    data = {"seeds": [3], "tasks": {"white 4 runs seed 3": {"consistency": counts}}}
    assert numbers.consistency(data)["white"]["extrapolation"]["mass"] == numbers.Counted(1, 20, 10)


def test_thinning_keeps_the_errors_and_the_failures():
    row = {"candidate": "white", "split": "a", "seed": 0, "training_runs": 1, "run": "one", "quantity": "GLC",
           "unit": "mmol/L", "rmse": 1.0, "nrmse": 0.123456789, "samples": 3, "failure": ""}  # fmt: skip
    failed = {**row, "quantity": "LAC", "rmse": None, "nrmse": None, "failure": "white: no solution."}
    thin = numbers.thinned({"task": "forward seed 0", "errors": [row, failed]})
    assert thin["errors"] == {"white": {"GLC": {"one": 0.123457}, "LAC": {"one": None}}}
    assert thin["failures"] == ["white: no solution."]
    assert numbers.folded(thin)["white"]["LAC"]["one"] == math.inf


def test_every_figure_of_both_pages_can_be_drawn_and_has_a_unit_on_its_axes(tmp_path):
    pytest.importorskip("matplotlib")
    results = json.loads((ROOT / "docs" / "inconsistency.json").read_text(encoding="utf-8"))
    importlib.import_module("learning_figures").draw(DATA, tmp_path)
    importlib.import_module("inconsistency_figures").draw(results, tmp_path)
    shown = set()
    for page in ("learning.md", "inconsistency.md"):
        shown |= set(re.findall(r"\]\(images/([^)]+)\)", (ROOT / "docs" / page).read_text(encoding="utf-8")))
    assert {path.name for path in tmp_path.iterdir()} == shown
    for path in tmp_path.iterdir():
        assert re.search(r"\[(1|d|mmol|standard errors)", path.read_text(encoding="utf-8"))
        assert (ROOT / "docs" / "images" / path.name).stat().st_size > 1000
