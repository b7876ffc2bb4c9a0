"""Profile likelihoods: intervals of linear problems in closed form, open sides, and predicted values."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2
from straight_runs import DAYS, exact, measured, straight

import graycell as gc
from graycell.errors import FitError
from graycell.reporting.profiles import intervals_frame, profile_figure
from graycell.uncertainty.profiles import _joined, _Side, _Target

GOAL = np.sqrt(chi2.ppf(0.95, 1))


@pytest.fixture(scope="module")
def fitted():
    return gc.fit(straight(), [measured("one", 2.5, 1.2, seed=1), measured("two", 2.7, 1.2, seed=2)],
                  gc.FitSettings(starts=1))  # fmt: skip


def test_the_interval_of_a_linear_parameter_is_that_of_chi_square(fitted):
    mean, covariance = exact(fitted.runs, 0.0)
    found = gc.profile(fitted, ["b", "a"])
    assert list(found) == ["b", "a"]
    for j, name in enumerate(("a", "b")):
        sd = np.sqrt(covariance[j, j])
        assert found[name].estimate == pytest.approx(mean[j], abs=0.02 * sd)
        assert np.allclose(found[name].interval, mean[j] + GOAL * sd * np.array([-1.0, 1.0]), atol=0.02 * sd)
        points = np.array(found[name].points)
        assert np.allclose(points[:, 1], ((points[:, 0] - mean[j]) / sd) ** 2, atol=0.02)
        assert found[name].remarks() == []


def test_another_level_gives_another_interval(fitted):
    _, covariance = exact(fitted.runs, 0.0)
    low, high = gc.profile(fitted, "b", level=0.5).interval
    assert high - low == pytest.approx(2.0 * np.sqrt(chi2.ppf(0.5, 1) * covariance[1, 1]), rel=0.01)


@pytest.mark.parametrize("name", ["one", "new"])
def test_the_interval_of_a_linear_prediction_is_that_of_chi_square(fitted, name):
    mean, covariance = exact(fitted.runs, 0.0)
    run = replace(fitted.runs[0], name=name)
    found = gc.profile_prediction(fitted, run, "B", 3.5)
    along = np.array([3.5, 3.5])
    sd = np.sqrt(along @ covariance @ along)
    assert np.allclose(found.interval, 10.0 + along @ mean + GOAL * sd * np.array([-1.0, 1.0]), atol=0.02 * sd)
    assert found.unit == "mmol/L"
    assert found.name == f"B of {name} at day 3.5"


def test_a_side_that_the_data_leave_open_is_told_with_its_bound():
    # nothing but B tells of b, and B was not measured: all of b between its bounds fits equally well
    table = straight().table.with_changes("b", lower=-1.0, upper=2.0, prior_sd=np.inf)
    fitted = gc.fit(straight().with_table(table), measured("one", 2.5, 1.2, species=("A",)), gc.FitSettings(starts=1))
    found = gc.profile(fitted, "b")
    assert found.interval == (-np.inf, np.inf)
    said = " ".join(found.remarks())
    assert "b: the 95 % interval is open to the lower side: up to its bound the fit is never worse by 3.84" in said
    assert "open to the upper side" in said
    closed = gc.profile(fitted, "a")
    assert np.all(np.isfinite(closed.interval))


def test_a_profile_of_a_curved_problem_is_that_of_its_sum_of_squares():
    # one parameter: the profile is the sum of squares itself, on a logarithmic scale, and the interval is not even
    model = gc.CultureModel(
        name="falling", reactions={"decay": "A =>"},
        rates={"decay": gc.Volumetric(gc.Rate("k") * gc.Concentration("A"))},
        parameters={"k": gc.Parameter(0.5, "1/d")},
    )  # fmt: skip
    true, sd = 10.0 * np.exp(-0.7 * DAYS), 1.0
    seen = true + sd * np.array([0.4, -0.6, 0.3, 0.1])
    series = {"A": gc.Measurement("A", "mmol/L", DAYS, seen, np.full(4, sd))}
    fitted = gc.fit(model, gc.CultureRun("falling", 1.0, {"A": 10.0}, series, end=4.0), gc.FitSettings(starts=1))
    found = gc.profile(fitted, "k")
    rates = np.linspace(0.3, 2.0, 20001)
    squares = np.sum(((10.0 * np.exp(-rates[:, None] * DAYS) - seen) / sd) ** 2, axis=1)
    inside = rates[squares - np.min(squares) < GOAL**2]
    low, high = found.interval
    assert (low, high) == pytest.approx((inside[0], inside[-1]), rel=0.01)
    assert high - found.estimate > 1.1 * (found.estimate - low)


def test_a_fit_that_was_not_at_its_minimum_is_told(fitted):
    moved = replace(fitted, estimates=(replace(fitted.estimates[0], value=fitted.estimates[0].value + 1.0),
                                       *fitted.estimates[1:]))  # fmt: skip
    found = gc.profile(moved, "a")
    assert any("fit again with more starts" in sentence for sentence in found.remarks())
    assert found.interval == pytest.approx(gc.profile(fitted, "a").interval, abs=0.01)


def test_both_ends_are_found_where_the_search_began_far_from_the_minimum():
    target = _Target("k", "1/d", lambda x: None, (-np.inf, np.inf), False)
    # half the square of the value; the search began at 5, and the minimum at 0 was on its lower side
    lower, upper = (_Side(tuple((v, 0.5 * v**2) for v in values), "")
                    for values in (np.arange(5.0, -3.5, -1.0), (5.0, 6.0)))  # fmt: skip
    found = _joined(target, (lower, upper), 0.95, GOAL**2, 5.0)
    assert found.estimate == 0.0
    assert found.interval == pytest.approx((-GOAL, GOAL))
    assert found.gain == 25.0


def test_profiles_are_the_same_on_one_core_and_report_their_progress(fitted):
    told = []
    found = gc.profile(fitted, progress=lambda *now: told.append(now))
    with gc.Engine(jobs=1) as alone:
        assert gc.profile(fitted, engine=alone) == found
    assert [part for part, _ in told] == [0.25, 0.5, 0.75, 1.0]


def test_a_profile_is_a_table_and_a_figure(fitted):
    found = gc.profile(fitted, "a")
    frame = found.to_frame()
    assert frame["rise"].min() == 0.0
    assert np.all(np.diff(frame["value"]) > 0.0)
    ends = intervals_frame([found]).iloc[0]
    assert (ends["low"], ends["high"]) == found.interval
    assert "a [mmol/L/d]" in profile_figure(found).layout.xaxis.title.text


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda fit: gc.profile(fit, "c"), FitError, "found 'c', which the fit of straight has not estimated"),
        (lambda fit: gc.profile(fit, ["a", "d"]), FitError, "found 'd'"),
        (lambda fit: gc.profile(fit, "a", level=95.0), FitError, "found the level 95"),
        (lambda fit: gc.profile_prediction(fit, fit.runs[0], "C", 1.0), gc.ModelError, "quantity 'C' is not in"),
        (lambda fit: gc.profile_prediction(fit, fit.runs[0], "A", 9.0), gc.ModelError, "simulated from 0 to 4 d"),
    ],
)
def test_what_cannot_be_profiled_is_a_sentence(fitted, call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(fitted)
