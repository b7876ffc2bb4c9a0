from dataclasses import replace

import numpy as np
import pytest
from culture_runs import DAYS, consuming, culture, series

from graycell.comparison.baselines import BASELINES, BoostedTrees, GaussianProcess, LastValue, MeanOfRuns
from graycell.comparison.splits import known_of
from graycell.errors import FitError

TIMES = {"GLC": DAYS[1:], "LAC": DAYS[1:]}
QUICK = (GaussianProcess(starts=1), BoostedTrees(trees=40))


def rmse(candidate, train, run):
    predicted = candidate.train(train, 0).predict(known_of(run), TIMES)
    return {name: np.sqrt(np.mean((predicted[name] - run.measurements[name].value[1:]) ** 2)) for name in TIMES}


@pytest.fixture(scope="module")
def runs():
    return [consuming(f"run {i}", 30.0 + 3.0 * i, 0.01 * (i % 3)) for i in range(6)]


def test_the_last_value_of_a_constant_series_is_right():
    run = culture("a", GLC=5.0)
    assert LastValue().train([], 0).predict(known_of(run), {"GLC": DAYS})["GLC"] == pytest.approx(np.full(8, 5.0))


def test_the_last_value_is_that_at_the_cut(runs):
    known = known_of(runs[0], 3.0)
    assert LastValue().train([], 0).predict(known, {"GLC": np.array([4.0])})["GLC"] == pytest.approx([24.0])


def test_the_last_value_of_what_was_never_known_is_an_error(runs):
    with pytest.raises(FitError, match="no known value of ASN"):
        LastValue().train(runs, 0).predict(runs[0], {"ASN": DAYS})


def test_the_mean_of_two_runs_is_between_them():
    runs = [culture("a", GLC=2.0), culture("b", GLC=series("GLC", [4.0, 6.0], [0.0, 2.0]))]
    predicted = MeanOfRuns().train(runs, 0).predict(runs[0], {"GLC": np.array([0.0, 1.0, 2.0, 3.0, 9.0])})
    assert predicted["GLC"] == pytest.approx([3.0, 3.5, 4.0, 2.0, 2.0])  # b was not measured after day 2


def test_a_gaussian_process_learns_what_start_and_feed_do(runs):
    errors = rmse(GaussianProcess(), runs[:5], consuming("new", 38.0, 0.015))
    mean = rmse(MeanOfRuns(), runs[:5], consuming("new", 38.0, 0.015))
    assert errors["GLC"] < 0.25 * mean["GLC"]
    assert errors["LAC"] < 0.05  # of 21 mmol/L


def test_boosted_trees_beat_the_mean_where_runs_differ():
    runs = [consuming(f"run {i}", 20.0 + 4.0 * i) for i in range(8)]
    new = consuming("new", 45.0)
    assert rmse(BoostedTrees(), runs, new)["GLC"] < 0.25 * rmse(MeanOfRuns(), runs, new)["GLC"]


@pytest.mark.parametrize("candidate", QUICK)
def test_the_same_seed_gives_the_same_predictions(candidate, runs):
    first, second = (candidate.train(runs[:3], 7).predict(known_of(runs[3]), TIMES) for _ in range(2))
    for name in TIMES:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("candidate", BASELINES[2:])
def test_one_constant_run_is_learned_without_a_warning(candidate):
    run = culture("a", GLC=5.0, LAC=0.0)
    predicted = candidate.train([run], 0).predict(known_of(culture("b", GLC=5.0, LAC=0.0)), TIMES)
    assert predicted["GLC"] == pytest.approx(np.full(7, 5.0))
    assert predicted["LAC"] == pytest.approx(np.zeros(7))


@pytest.mark.parametrize("candidate", BASELINES[1:])
def test_a_baseline_does_not_predict_what_no_run_measured(candidate, runs):
    with pytest.raises(FitError, match="did you mean 'GLC'"):
        candidate.train([replace(run, measurements={"GLC": run.measurements["GLC"]}) for run in runs[:2]], 0).predict(
            known_of(runs[3]), {"GLCX": DAYS}
        )


@pytest.mark.parametrize("candidate", BASELINES[1:])
def test_runs_without_measurements_teach_nothing(candidate, runs):
    with pytest.raises(FitError, match="without measurements"):
        candidate.train([replace(runs[0], measurements={})], 0)


def test_a_gaussian_process_uses_what_is_known_of_the_run_itself():
    # runs that differ by an offset that nothing in their start or feed tells
    hidden = [replace(culture(f"{i}", X=series("X", 10.0 + i - DAYS[1:], DAYS[1:])), initial={}) for i in range(5)]
    candidate = GaussianProcess()
    predictor = candidate.train(hidden[:4], 0)
    blind = predictor.predict(known_of(hidden[4]), {"X": DAYS[4:]})["X"]
    informed = predictor.predict(known_of(hidden[4], 3.0), {"X": DAYS[4:]})["X"]
    expected = 14.0 - DAYS[4:]
    assert np.mean(np.abs(informed - expected)) < 0.8 * np.mean(np.abs(blind - expected))


def test_a_forecast_of_trees_begins_at_the_last_known_value():
    runs = [consuming(f"run {i}", 30.0 + i) for i in range(3)]
    known = [known_of(run, 4.0) for run in runs]
    predicted = BoostedTrees(trees=40).train(known, 0).predict(known[2], {"GLC": np.array([4.0 + 1e-9])})
    assert predicted["GLC"] == pytest.approx([24.0])
