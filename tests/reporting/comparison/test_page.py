import json
import re

import comparisons
import pandas as pd
import pytest

from graycell.comparison.comparison import cross_validate
from graycell.comparison.splits import held_out, leave_one_run_out
from graycell.errors import FitError
from graycell.reporting.comparison.page import comparison_report, headline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return comparison_report(comparisons.left_out(), tmp_path_factory.mktemp("compared")).parent


@pytest.fixture(scope="module")
def html(folder):
    return (folder / "comparison.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_and_shows_names_letter_by_letter(html):
    assert not re.search(r"https?:|//cdn|@import|url\(|<link|\bsrc=", html, re.IGNORECASE)
    assert "<script>alert" not in html
    assert "<b>worse" not in html
    assert html.count("<script>") == html.count("</script>")


def test_every_link_leads_to_a_section(html):
    assert set(re.findall(r'href="#([^"]+)"', html)) == set(re.findall(r'<section id="([^"]+)"', html))
    identifiers = re.findall(r' id="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))


def test_the_page_tells_failures_and_what_is_not_scored(html):
    assert "too many steps; loosen the tolerance." in html
    assert "NACL never changes" in html
    assert not re.search(r"\bnan\b|\bNaN\b|\binf\b|Infinity", html)


def test_the_files_beside_the_page_are_whole(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"comparison.html", "comparison.json", "overall.csv", "bands.csv", "by-quantity.csv",
                     "differences.csv", "by-quantity-intervals.csv", "errors.csv", "predictions.csv", "by-run.csv",
                     "consistency.csv"}  # fmt: skip
    record = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert record["seeds"] == [0, 1]
    assert len(record["errors"]) == len(pd.read_csv(folder / "errors.csv")) == 36
    assert pd.read_csv(folder / "overall.csv")["candidate"].tolist()[2] == "'=breaks"


def test_bands_are_scored_for_every_candidate_and_who_has_none_is_told(folder, html):
    frame = pd.read_csv(folder / "bands.csv")
    assert frame["candidate"].tolist()[:3] == ["good", "<b>worse</b>", "'=breaks"]
    assert frame["quantity"].tolist()[:3] == ["all quantities"] * 3
    assert frame["runs [1]"].tolist()[:3] == [3, 3, 0]
    scores = ["width [1]", "interval score [1]", "CRPS [1]"]
    assert (frame[scores].iloc[0] < frame[scores].iloc[1]).all()
    assert "Bands of 90 % from how a candidate missed the other runs held this part of the samples: good " in html
    assert "=breaks has no bands of GLC, " in html
    errors = pd.read_csv(folder / "errors.csv")
    assert (errors["held by the 90 % band [1]"] <= errors["scored by the band [1]"]).all()


def test_with_two_predicted_runs_a_sentence_stands_in_place_of_the_bands(tmp_path):
    two = cross_validate([comparisons.Scaled("good", 0.1)], leave_one_run_out(comparisons.runs()[:2]))
    page = comparison_report(two, tmp_path).read_text(encoding="utf-8")
    assert "There are no bands: found 2 predicted runs, and 3 are needed" in page


def test_the_headline_says_which_is_better_and_whether_the_runs_suffice(html):
    sentences = headline(comparisons.left_out(), "good")
    assert "% (4 of 12 predictions failed)" in sentences[0]
    assert sentences[1].startswith("<b>worse</b> minus good: ")
    assert sentences[1].endswith("good is better, as far as 3 runs can show.")
    assert "Mean error as a part of the measured range" in html


def test_the_headline_warns_of_a_single_predicted_run():
    candidates = [comparisons.Scaled("good", 0.1), comparisons.Scaled("bad", 0.4)]
    one = cross_validate(candidates, held_out(comparisons.runs(), ["c"]))
    assert "only one run was predicted" in headline(one, "good")[1]


def test_a_learning_curve_has_its_section(tmp_path):
    page = comparison_report(comparisons.curve(), tmp_path, "bad").read_text(encoding="utf-8")
    assert 'id="curve-over-runs"' in page
    assert "the part of the learning curve with 4 training runs" in page
    assert (tmp_path / "learning-curve.csv").exists()


def test_a_single_candidate_has_no_pairs(tmp_path):
    alone = cross_validate([comparisons.Scaled("good", 0.1)], held_out(comparisons.runs(), ["c"]))
    assert 'id="differences"' not in comparison_report(alone, tmp_path).read_text(encoding="utf-8")


def test_a_reference_that_was_not_compared_is_an_error_before_anything_is_written(tmp_path):
    with pytest.raises(FitError, match="no candidate 'x'"):
        comparison_report(comparisons.left_out(), tmp_path, "x")
    assert not list(tmp_path.iterdir())
