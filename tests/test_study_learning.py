"""docs/learning.md is what docs/learning.json says, whatever that is: its judgements follow the numbers.

Nothing is trained here. The stored claims are computed anew from the stored tasks, not by the code of the page; and the
page is made from made-up tasks, good, bad, missing and failed, to see that its words turn with them.
"""

import copy
import importlib
import json
import math
import re
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = ROOT / "docs" / "learning.json"
QUANTITIES = ("GLC", "LAC", "VCD")
RUNS = ("run01", "run02")
sys.path.insert(0, str(ROOT))
page_of = importlib.import_module("studies.learning_page").page
numbers = importlib.import_module("studies.learning_numbers")
SEEDS = importlib.import_module("studies.learning").SEEDS
stored = pytest.mark.skipif(not DATA.exists(), reason="docs/learning.json is not there")


@pytest.fixture(scope="module")
def data():
    return json.loads(DATA.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def names():
    return list(importlib.import_module("studies.learning").tasks())


def same_for_all(error):
    return dict.fromkeys(QUANTITIES, error)


def task_of(name, good):
    """Return a made-up task: gray and white are exact where `good`, and wrong where not."""
    known, wrong = (0.01, 0.2) if good else (0.2, 0.01)
    counts = {
        "as tested": {"mass": [0, 26], "below zero": [0, 40]},
        "extrapolation": {"mass": [0, 26], "below zero": [0, 40]},
    }
    kind, seed = name.split()[0], int(name.split()[-1])
    if kind in ("forward", "insilico", "umn"):
        of = {"forward": ["white", "gray", numbers.HYBRID, *numbers.BASELINES]}.get(
            kind, [" ".join(name.split()[1:-2])]
        )
        best = {"white", numbers.HYBRID} if kind == "forward" else {numbers.HYBRID}
        errors = {one: known if one in best else wrong for one in of}
        errors |= {"gray": 0.9 * known} if kind == "forward" else {}
        return {"task": name, "failures": [], "consistency": [],
                "errors": {one: {quantity: dict.fromkeys(RUNS, error) for quantity in QUANTITIES}
                           for one, error in errors.items()}}  # fmt: skip
    if kind == "real":
        error = {"gray": 0.02 if good else 0.09}.get(name.split()[1], 0.1)
        return {"task": name, "seconds": 60.0, "nrmse": same_for_all(error), "mean": error, "consistency": counts}
    error = known if kind in ("white", "law") else wrong
    made = {"task": name, "seconds": 60.0, "test": same_for_all(error), "test mean": error * (1.0 + 0.01 * seed),
            "test against truth": same_for_all(error), "test against truth mean": error}  # fmt: skip
    if kind != "baseline":
        made["consistency"] = copy.deepcopy(counts)
    if kind == "white":
        z = 0.5 if good else 3.0
        row = {"name": "vmax1f", "true": 1.0, "estimate": 1.0, "relative error": 0.1, "prior ratio": 0.3, "z": z}
        made |= {"floor": same_for_all(0.01), "floor mean": 0.01, "parameters": [row, {**row, "name": "Km1"}]}
    if kind == "law":
        line = [0.1 * i for i in range(10)]
        points = {"LAC": line, "R": line, "cold": [0.0] * 5 + [1.0] * 5, "true": line, "learned": line}
        made |= {"law error": known, "flux error": known, "points": points}
        if not good:
            made["consistency"]["extrapolation"]["mass"] = [3, 26]
    return made


def made_up(names, good=True):
    tasks = {name: task_of(name, good) for name in names}
    return {"seeds": list(SEEDS), "sizes": [2, 4, 8, 16], "tested runs": 16, "scatter": 0.2, "wanted": names,
            "versions": {"graycell": "0"}, "python": "3", "tasks": tasks}  # fmt: skip


def verdicts(text):
    """Return the last column of the table of what was asked."""
    rows = re.search(r"\| asked \|.*?\n\n", text, re.DOTALL)[0].strip().splitlines()[2:]
    return [row.strip("| ").split(" | ")[-1] for row in rows]


# ------------------------------------------------------------------------------------------------- the stored page


@stored
def test_the_page_is_made_of_the_stored_numbers(data):
    assert page_of(data) == (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")


@stored
def test_the_page_and_its_figures_can_be_made_anew(data, tmp_path):
    pytest.importorskip("matplotlib")
    importlib.import_module("studies.learning_page").write(data, tmp_path)
    text = (tmp_path / "learning.md").read_text(encoding="utf-8")
    assert text == (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    assert len(pictures) == len(list((tmp_path / "images").iterdir()))
    for picture in pictures:
        assert (tmp_path / picture).stat().st_size > 1000
        assert (ROOT / "docs" / picture).stat().st_size > 1000


@stored
def test_the_stored_numbers_are_few_enough_to_keep(data):
    assert DATA.stat().st_size < 2e6
    assert numbers.plain(data) == data
    assert all(numbers.thinned(one) == one for one in data["tasks"].values())


@stored
def test_no_gray_model_does_what_cannot_be(data):
    counts = [
        count
        for name, one in data["tasks"].items()
        if name.startswith(("law ", "real gray")) and "consistency" in one
        for place in one["consistency"].values()
        for count in place.values()
    ]
    if not counts:
        pytest.skip("no gray model is trained")
    assert sum(counted for counted, _ in counts) == 0


@stored
def test_the_coverage_of_the_page_is_that_of_the_stored_parameters(data):
    rows = [
        row
        for seed in data["seeds"]
        for row in data["tasks"].get(f"white 4 runs seed {seed}", {}).get("parameters", ())
        if row["prior ratio"] < 0.8
    ]
    if not rows:
        pytest.skip("the white model is not trained")
    held = sum(row["z"] is not None and abs(row["z"]) <= 1.96 for row in rows)
    assert f"{held} of {len(rows)}" in page_of(data)
    for row in rows:  # the stored distance is that of the stored numbers, on a logarithmic or a plain scale
        if row["z"] is None:
            continue
        scales = [(row["true"] - row["estimate"]) / (row["relative error"] * row["estimate"])]
        if row["true"] > 0.0 and row["estimate"] > 0.0:
            scales.append(math.log(row["true"] / row["estimate"]) / row["relative error"])
        assert min(abs(one - row["z"]) for one in scales) < 1e-3 * max(1.0, abs(row["z"]))


@stored
@pytest.mark.parametrize("law", ["v17", "v2", "v1 inhibition"])
def test_the_law_errors_of_the_page_are_the_stored_ones(data, law):
    tasks = [data["tasks"].get(f"law {law} 8 runs seed {seed}", {}) for seed in data["seeds"]]
    errors = [one["law error"] for one in tasks if one.get("law error") is not None]
    if not errors or any("failed" in one for one in tasks):
        pytest.skip("not trained")
    assert f"{100 * statistics.median(errors):.1f} %" in page_of(data)
    for one in tasks:
        if "points" in one:  # the points are a part of what the error was computed from
            pairs = list(zip(one["points"]["true"], one["points"]["learned"], strict=True))
            off = math.sqrt(statistics.fmean((a - b) ** 2 for a, b in pairs)) / (
                max(a for a, _ in pairs) - min(a for a, _ in pairs)
            )
            assert off == pytest.approx(one["law error"], rel=0.5, abs=0.01)


# ------------------------------------------------------------------------------------------------- made-up pages


def test_with_good_numbers_every_answer_is_yes_and_with_bad_ones_every_answer_is_no(names):
    good, bad = (verdicts(page_of(made_up(names, which))) for which in (True, False))
    assert set(good) == {"yes"}
    assert set(bad[:-1]) == {"no"}
    assert bad[-1] == "yes"  # the time is the same
    assert len(good) == len(bad) == 20


def test_the_words_turn_with_the_numbers(names):
    good, bad = page_of(made_up(names)), page_of(made_up(names, good=False))
    assert "can be taken at their word" in " ".join(good.split())
    assert "are too narrow" in " ".join(bad.split())
    assert "Better than every baseline: white, gray and specific rates." in " ".join(good.split())
    assert "none of them earned trust there" in " ".join(bad.split())
    assert "runs read the learned law" in " ".join(good.split())
    assert "runs do not read the learned law" in " ".join(bad.split())
    assert "In the mean the hybrid is below every baseline" in " ".join(good.split())
    assert "In the mean the hybrid is not below every baseline" in " ".join(bad.split())


def test_most_seeds_are_a_yes_with_their_count_and_a_minority_is_none(names):
    data = made_up(names)
    data["tasks"][f"law v17 8 runs seed {SEEDS[1]}"]["law error"] = 0.3
    assert verdicts(page_of(data))[3] == "yes, in 2 of 3 seeds"
    data["tasks"][f"law v17 8 runs seed {SEEDS[2]}"]["law error"] = 0.3
    assert verdicts(page_of(data))[3] == "in 1 of 3 seeds"


def test_a_page_without_any_task_says_that_nothing_is_trained(names, tmp_path):
    data = {**made_up(names), "tasks": {}}
    text = page_of(data)
    assert set(verdicts(text)) == {"not trained"}
    assert f"0 of {len(names)} tasks are trained" in text
    assert "](images/" not in text


def test_whatever_task_is_missing_or_failed_there_is_a_page_and_no_number_is_made_up(names):
    whole = made_up(names)
    for name in names:
        for found in (None, {"task": name, "failed": "fit: found no finite cost; loosen the bounds."}):
            tasks = {key: one for key, one in whole["tasks"].items() if key != name}
            text = page_of({**whole, "tasks": tasks if found is None else {**tasks, name: found}})
            assert "nan" not in re.sub(r"[a-z]nan|nan[a-z]", "", text)
            assert "inf" not in re.sub(r"inf[a-z]", "", text)
            assert "None" not in text
            assert ("Not finished" in text) is (found is None)
            assert (f"- {name}: fit: found no finite cost" in text) is (found is not None)


def test_what_failed_is_never_better_than_what_did_not(names):
    data = made_up(names)
    failed = {"failed": "fit: found no finite cost; loosen the bounds."}
    for seed in SEEDS:
        data["tasks"][f"insilico specific rates seed {seed}"] = failed
        data["tasks"][f"law v17 2 runs seed {seed}"] = failed
    found = verdicts(page_of(data))
    assert found[9] == found[17] == "no"


def test_without_one_of_the_black_boxes_nobody_knows_the_better_one(names):
    data = made_up(names)
    del data["tasks"][f"black evolution 16 runs seed {SEEDS[2]}"]
    assert verdicts(page_of(data))[9] == "yes, in the 2 of 3 seeds that are trained"


def test_data_that_are_not_there_are_no_failure_of_a_model(names):
    data = made_up(names)
    for seed in SEEDS:
        data["tasks"][f"umn specific rates seed {seed}"] = {
            "failed": "runs.xlsx: no such file; the open data lie beside"
        }
    assert verdicts(page_of(data))[18] == "not trained"


def test_a_far_run_that_ends_early_is_told(names):
    data = made_up(names)
    data["tasks"][f"law v17 8 runs seed {SEEDS[0]}"]["consistency"]["extrapolation"]["below zero"] = [0, 30]
    text = page_of(data)
    assert verdicts(text)[14] == "yes, where the simulation got to"
    assert "10 places extrapolation were not reached" in text


def test_every_figure_can_be_drawn_and_has_a_unit_on_its_axes(names, tmp_path):
    pytest.importorskip("matplotlib")
    importlib.import_module("studies.learning_page").write(made_up(names), tmp_path)
    for name in numbers.FIGURES:
        assert re.search(
            r"\[(1|mmol|standard errors)", (tmp_path / "images" / f"learning-{name}.svg").read_text(encoding="utf-8")
        )


def test_a_flux_is_told_beside_its_law_and_does_not_replace_it(names):
    data = made_up(names, good=False)
    for seed in SEEDS:
        data["tasks"][f"law v2 8 runs seed {seed}"] |= {"law error": 0.08, "flux error": 0.021}
        data["tasks"][f"law v2 alone 8 runs seed {seed}"] |= {"law error": 0.07, "flux error": 0.012}
    text = page_of(data)
    assert re.search(r"v2, lactate dehydrogenase \| 8.0 %.*\| 7.0 %.*\| 2.1 %.*\| 1.2 %", text)
    assert "The law of v2 is missed even where it is the only unknown" in text
    assert verdicts(text)[5] == "no"
    for seed in SEEDS:
        data["tasks"][f"law v2 alone 8 runs seed {seed}"]["law error"] = 0.02
    assert "The law of v2 is found where it is the only unknown" in page_of(data)


def test_thinning_keeps_the_errors_and_the_failures():
    row = {"candidate": "white", "split": "a", "seed": 0, "training_runs": 1, "run": "one", "quantity": "GLC",
           "unit": "mmol/L", "rmse": 1.0, "nrmse": 0.123456789, "samples": 3, "failure": ""}  # fmt: skip
    failed = {**row, "quantity": "LAC", "rmse": None, "nrmse": None, "failure": "white: no solution."}
    thin = numbers.thinned({"task": "forward seed 0", "errors": [row, failed]})
    assert thin["errors"] == {"white": {"GLC": {"one": 0.123457}, "LAC": {"one": None}}}
    assert thin["failures"] == ["white: no solution."]
    assert numbers.folded(thin)["white"]["LAC"]["one"] == math.inf
