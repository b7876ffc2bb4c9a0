"""Bands of candidates: scores against numerical integrals and by hand, and that no run sizes its own band."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binomtest, norm, t

from graycell.comparison.band_scores import clopper_pearson, crps_of_student, interval_score
from graycell.comparison.bands import LEAST_RUNS, calibration_of, in_sizes
from graycell.comparison.baselines import MeanOfRuns
from graycell.comparison.comparison import cross_validate, learning_curve
from graycell.comparison.intervals import ALL
from graycell.comparison.residuals import ResidualProcess, Residuals
from graycell.comparison.splits import Split, forward_in_time, held_out, leave_one_run_out
from graycell.errors import SimulationError
from graycell.runs.records import CultureRun, Measurement

DAYS = np.arange(0.0, 11.0)


def measured(name, values, below=None, quantity="GLC"):
    values = np.asarray(values, float)
    series = Measurement(quantity, "mmol/L", DAYS, values, np.full(len(DAYS), 0.01), below)
    return CultureRun(name, 1.0, {quantity: float(values[0])}, {quantity: series}, end=10.0)


def noisy_runs(count, seed=0, size=1.0):
    noise = size * np.random.default_rng(seed).standard_normal((count, 11))
    return [measured(f"r{i}", 20.0 + 10.0 * np.cos(0.3 * DAYS) + one) for i, one in enumerate(noise)]


@dataclass(frozen=True)
class Truth:
    """Predicts the curve that the runs scatter around, plus an offset, plus the seed; fails where it is told to."""

    name: str = "truth"
    offset: float = 0.0
    per_seed: float = 0.0
    fails_at: tuple = ()

    def train(self, runs, seed):
        return replace(self, offset=self.offset + self.per_seed * seed)

    def predict(self, known, times):
        if known.name in self.fails_at:
            raise SimulationError("too many steps; loosen the tolerance.")
        return {name: 20.0 + 10.0 * np.cos(0.3 * time) + self.offset for name, time in times.items()}


@pytest.mark.parametrize("degrees", [1.5, 2.0, 3.0, 10.0, 200.0])
@pytest.mark.parametrize("error", [-4.0, -0.3, 0.0, 1.7])
def test_the_crps_is_the_integral_of_the_squared_difference_of_distributions(degrees, error):
    # Gneiting & Raftery 2007, equation 20: the integral of (F(x) - 1[x >= y])^2
    below = quad(lambda x: t.cdf(x, degrees) ** 2, -np.inf, error, epsabs=1e-11)[0]
    above = quad(lambda x: t.sf(x, degrees) ** 2, error, np.inf, epsabs=1e-11)[0]
    for size in (1.0, 2.5):
        found = crps_of_student(np.array([size * error]), np.array([size]), degrees)
        assert found == pytest.approx(size * (below + above), rel=1e-7)


def test_with_many_degrees_the_crps_is_that_of_the_normal_distribution():
    error = np.linspace(-3.0, 3.0, 13)  # Gneiting & Raftery 2007, equation 21
    normal = error * (2.0 * norm.cdf(error) - 1.0) + 2.0 * norm.pdf(error) - 1.0 / np.sqrt(np.pi)
    assert crps_of_student(error, np.ones(13), 1e6) == pytest.approx(normal, abs=1e-5)


def test_the_interval_score_by_hand_punishes_a_miss_by_twenty_times_its_distance():
    found = interval_score(np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0]), np.array([2.0, 3.5, 0.9]), 0.9)
    assert found == pytest.approx([2.0, 2.0 + 20.0 * 0.5, 2.0 + 20.0 * 0.1])


@pytest.mark.parametrize(("held", "of"), [(0, 5), (5, 5), (3, 5), (17, 20), (1, 1), (0, 1)])
def test_the_interval_of_clopper_and_pearson_is_the_exact_one_of_scipy(held, of):
    exact = binomtest(held, of).proportion_ci(0.95, "exact")
    assert clopper_pearson(held, of) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_runs_as_trials_are_never_too_short_however_samples_go_along():
    random, counts = np.random.default_rng(0), {"together": 0, "apart": 0}
    for _ in range(2000):
        for word, samples in (("together", 1), ("apart", 12)):
            share = np.mean(random.random((8, samples)) < 0.9, axis=1)
            low, high = clopper_pearson(float(np.sum(share)), 8)
            counts[word] += low <= 0.9 <= high
    assert counts["together"] >= 0.95 * 2000
    assert counts["apart"] >= 0.99 * 2000


def test_the_runs_own_residuals_never_size_its_band():
    runs = noisy_runs(6)
    found = cross_validate([Truth()], leave_one_run_out(runs))
    wild = [*runs[:5], measured("r5", runs[5].measurements["GLC"].value + np.where(DAYS > 5.0, 4.0, 0.0))]
    ranges = found.ranges
    other = replace(cross_validate([Truth()], leave_one_run_out(wild)), ranges=ranges)
    of = [{one.run: one for one in each.bands} for each in (found, other)]
    width = [np.array(each["r5"].high) - np.array(each["r5"].low) for each in of]
    # the length of the correlation, which comes from all runs, counts the degrees of freedom: one factor for all times
    assert width[1] / width[0] == pytest.approx(np.full(10, width[1][0] / width[0][0]), rel=1e-9)
    assert width[1] == pytest.approx(width[0], rel=0.35)
    others = [np.array(each["r0"].high) - np.array(each["r0"].low) for each in of]
    assert np.mean(others[1][5:]) > 1.3 * np.mean(others[0][5:])
    assert of[1]["r5"].held < of[0]["r5"].held


def test_the_band_of_a_run_is_that_of_the_process_of_the_others_by_hand():
    runs = noisy_runs(4, seed=3)
    score = cross_validate([Truth()], leave_one_run_out(runs)).bands[1]
    later = DAYS[1:]
    error = [run.measurements["GLC"].value[1:] - 20.0 - 10.0 * np.cos(0.3 * later) for run in runs]
    residuals = [Residuals({"GLC": later}, {"GLC": one}) for one in error]
    usual = {"GLC": (DAYS, np.mean([run.measurements["GLC"].value for run in runs], axis=0))}
    process = ResidualProcess.of(residuals, ["GLC"], usual, {"GLC": 0.003}, 10.0)
    rest = [0, 2, 3]
    without = {"GLC": (DAYS, np.mean([runs[i].measurements["GLC"].value for i in rest], axis=0))}
    process = process.with_levels(without)
    scaled = [in_sizes(process.without(residuals, 1, j), residuals[j]) for j in rest]
    own = process.without(residuals, 1)
    half = own.quantile(0.9) * calibration_of(own, scaled) * own.size("GLC", later)
    predicted = 20.0 + 10.0 * np.cos(0.3 * later)
    assert np.array(score.low) == pytest.approx(predicted - half, rel=1e-9)
    assert np.array(score.high) == pytest.approx(predicted + half, rel=1e-9)
    assert score.held == np.sum(np.abs(error[1]) <= half)
    whole = float(np.ptp([run.measurements["GLC"].value for run in runs]))
    assert score.width == pytest.approx(np.mean(2.0 * half) / whole)


def test_bands_of_noise_hold_about_nine_of_ten_and_a_biased_candidate_pays_by_width():
    held, widths = [], {}
    for seed in range(12):
        found = cross_validate([Truth(), Truth("biased", 3.0)], leave_one_run_out(noisy_runs(8, seed)))
        of = {one.candidate: one for one in found.band_summary() if one.quantity == ALL}
        held.append([of["truth"].coverage, of["biased"].coverage])
        widths = {name: one.width for name, one in of.items()}
        assert of["truth"].crps < of["biased"].crps
        assert of["truth"].interval_score < of["biased"].interval_score
    assert np.mean(held, axis=0) == pytest.approx([0.9, 0.95], abs=0.06)
    assert widths["biased"] > 2.0 * widths["truth"]


def test_the_crps_of_the_right_size_is_that_of_the_noise():
    found = cross_validate([Truth()], leave_one_run_out(noisy_runs(40)))
    summary = found.band_summary()[0]
    # of a normal distribution with its own noise: 1 / sqrt pi standard deviations
    assert summary.crps * found.ranges["GLC"] == pytest.approx(1.0 / np.sqrt(np.pi), rel=0.06)
    assert summary.runs == 40


def test_with_two_runs_there_are_no_bands_and_a_sentence():
    found = cross_validate([Truth()], leave_one_run_out(noisy_runs(2)))
    assert found.bands == ()
    assert np.isnan(found.band_summary()[0].coverage)
    assert found.without_bands()[0].startswith("There are no bands: found 2 predicted runs, and 3 are needed")
    assert found.plain()["bands"]["of predictions"] == []


def test_a_candidate_that_failed_in_too_many_runs_has_none_and_the_other_has():
    found = cross_validate([Truth(), Truth("fails", 0.0, 0.0, ("r0", "r1"))], leave_one_run_out(noisy_runs(4)))
    assert {one.candidate for one in found.bands} == {"truth"}
    assert found.without_bands() == (f"fails has no bands of GLC, because it predicted them in fewer than {LEAST_RUNS} "
                                     "runs.",)  # fmt: skip
    fewer = cross_validate([Truth("fails", 0.0, 0.0, ("r0",))], leave_one_run_out(noisy_runs(4)))
    assert fewer.band_summary()[0].runs == 3


def test_seeds_are_averaged_and_a_run_is_one_trial():
    runs = noisy_runs(5)
    candidate = Truth("seeded", 0.0, 0.5)
    both = cross_validate([candidate], leave_one_run_out(runs), (0, 1)).band_summary()[0]
    each = [cross_validate([candidate], leave_one_run_out(runs), (seed,)).band_summary()[0] for seed in (0, 1)]
    assert both.runs == 5
    for name in ("coverage", "width", "interval_score", "crps"):
        assert getattr(both, name) == pytest.approx(np.mean([getattr(one, name) for one in each]))


def test_a_run_that_several_splits_test_is_one_trial():
    runs = noisy_runs(5)
    splits = [*leave_one_run_out(runs), Split("again", tuple(runs[:2]), tuple(runs[2:]))]
    found = cross_validate([Truth()], splits)
    assert len(found.bands) == 8
    assert found.band_summary()[0].runs == 5
    again = [one for one in found.bands if one.run == "r3"]
    assert again[0].low == again[1].low  # neither comes from the run's residual in the other split


def test_runs_held_out_together_and_samples_after_a_day_have_bands_too():
    runs = noisy_runs(7)
    assert cross_validate([Truth()], held_out(runs, ["r0", "r1", "r2"])).band_summary()[0].runs == 3
    forward = cross_validate([Truth()], forward_in_time(runs, 5.0))
    assert forward.band_summary()[0].runs == 7
    assert {len(one.low) for one in forward.bands} == {5}


def test_a_learning_curve_has_bands_for_each_number_of_training_runs():
    runs = noisy_runs(8)
    found = learning_curve([Truth(), MeanOfRuns()], runs[:4], runs[4:], (1, 3), (0, 1))
    assert len(found.bands) == 2 * 2 * 2 * 4
    assert found.of_size(3).band_summary()[0].runs == 4


def test_a_value_below_a_detection_limit_says_nothing_where_the_prediction_is_below_it_too():
    below = DAYS > 8.0
    runs = [measured(run.name, np.where(below, 30.0, run.measurements["GLC"].value), below) for run in noisy_runs(4)]
    assert {one.samples for one in cross_validate([Truth()], leave_one_run_out(runs)).bands} == {8}
    above = cross_validate([Truth("above", 20.0)], leave_one_run_out(runs))
    assert {one.samples for one in above.bands} == {8, 9, 10} & {one.samples for one in above.bands}
    assert all(one.samples > 8 for one in above.bands)


def test_ends_are_not_below_zero_where_no_other_run_was():
    runs = [measured(f"r{i}", np.maximum(8.0 - DAYS, 0.0) + 0.3 * (i % 3)) for i in range(5)]
    assert min(min(one.low) for one in cross_validate([MeanOfRuns()], leave_one_run_out(runs)).bands) == 0.0


def test_bands_are_in_the_record_and_trainings_are_read_with_their_predictions(tmp_path):
    runs = noisy_runs(4)
    first = cross_validate([MeanOfRuns()], leave_one_run_out(runs), folder=tmp_path)
    again = cross_validate([MeanOfRuns()], leave_one_run_out(runs), folder=tmp_path)
    assert again.reused == 4
    assert again.bands == first.bands
    record = json.loads(json.dumps(first.plain(), allow_nan=False))["bands"]
    assert record["level"] == 0.9
    assert record["summary"][0]["coverage"] == pytest.approx(first.band_summary()[0].coverage)
    assert len(record["of predictions"]) == 4
