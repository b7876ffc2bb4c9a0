import comparisons
import numpy as np
import pytest

from graycell.reporting.comparison.tables import (
    comparison_frames,
    differences_frame,
    errors_frame,
    learning_curve_frame,
    overall_frame,
    quantities_frame,
    runs_frame,
)


@pytest.fixture(scope="module")
def comparison():
    return comparisons.left_out()


def test_every_head_has_its_unit(comparison):
    for frame in (*comparison_frames(comparison, "good").values(), learning_curve_frame(comparisons.curve())):
        for head in frame.columns:
            numbers = frame[head].dtype.kind in "if" and head not in ("seed",)
            assert head.endswith("]") or not numbers, head


def test_the_least_error_comes_first_and_what_failed_last(comparison):
    frame = overall_frame(comparison)
    assert list(frame["candidate"]) == ["good", "<b>worse</b>", "=breaks"]
    assert frame["failed predictions [1]"].tolist() == [0, 0, 4]
    assert frame["of [1]"].tolist() == [12, 12, 12]
    assert np.isfinite(frame["NRMSE [1]"]).all()
    assert frame["interval by resampling"].iloc[0] == "3 runs"


def test_every_run_has_a_row_with_what_failed_beside(comparison):
    frame = runs_frame(comparison).set_index(["candidate", "run"])
    assert len(frame) == 9
    broken = frame.loc[("=breaks", comparisons.NAMES[1])]
    assert np.isnan(broken["NRMSE [1]"])
    assert (broken["failed predictions [1]"], broken["of [1]"]) == (4, 4)
    assert "loosen the tolerance" in broken["failure"]
    assert np.isfinite(frame["NRMSE [1]"]).sum() == 8
    assert quantities_frame(comparison)["=breaks, failed [1]"].tolist() == [2, 2, 4]
    assert "good, failed [1]" not in quantities_frame(comparison)


def test_the_last_row_of_the_quantities_is_the_mean_of_all(comparison):
    frame = quantities_frame(comparison)
    assert frame["good [1]"].iloc[-1] == comparison.overall()[0].nrmse.value
    assert list(frame["quantity"])[:2] == ["GLC", "<i>LAC</i>"]
    assert frame["range [unit]"].iloc[0] == comparison.ranges["GLC"]


def test_a_worse_candidate_has_a_difference_above_0(comparison):
    frame = differences_frame(comparison, "good").set_index(["candidate", "quantity"])
    row = frame.loc[("<b>worse</b>", "all quantities")]
    assert 0.0 < row["low [1]"] <= row["difference of NRMSE [1]"] <= row["high [1]"]
    assert row["share of pairs in which it is better [1]"] == 0.0
    assert frame.loc[("=breaks", "all quantities")]["pairs left out [1]"] == 2


def test_every_error_has_a_row_and_a_failure_its_sentence(comparison):
    frame = errors_frame(comparison)
    assert len(frame) == 3 * 3 * 2 * 2
    assert (frame["failure"] != "").sum() == 4
    assert frame.loc[frame["failure"] != "", "failure"].str.contains("loosen the tolerance").all()


def test_the_learning_curve_has_a_row_for_each_candidate_and_size():
    frame = learning_curve_frame(comparisons.curve())
    assert frame["training runs [1]"].tolist() == [1, 1, 2, 2, 4, 4]
    assert (frame["smallest over seeds [1]"] < frame["largest over seeds [1]"]).all()
