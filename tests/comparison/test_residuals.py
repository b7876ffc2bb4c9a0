"""The process of residuals: against a dense Gaussian process, its draws, and what early samples foretell."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from graycell.comparison.residuals import ResidualProcess, Residuals

DAYS = np.arange(1.0, 11.0)


def process_of(values, names=("GLC",)):
    """Return the process of (runs, samples) residuals of one quantity with the level 1."""
    residuals = [Residuals(dict.fromkeys(names, DAYS), dict.fromkeys(names, row)) for row in values]
    curves = {name: (np.array([0.0, 10.0]), np.ones(2)) for name in names}
    return ResidualProcess.of(residuals, names, curves, dict.fromkeys(names, 1e-6), 10.0), residuals


def smooth_runs(count, length=4.0, noise=0.1, seed=0):
    """Return draws of the process without what is as seen."""
    covariance = (1.0 - noise) * np.exp(-np.abs(DAYS[:, None] - DAYS[None, :]) / length) + noise * np.eye(len(DAYS))
    return multivariate_normal(np.zeros(len(DAYS)), covariance).rvs(count, random_state=seed)


def test_length_noise_and_size_are_found():
    process, _ = process_of(smooth_runs(60))
    assert process.length == pytest.approx(4.0)
    assert process.noise in (0.05, 0.1, 0.2)
    assert process.size("GLC", np.array([2.0, 8.0])) == pytest.approx([1.0, 1.0], abs=0.15)


def test_the_conditional_mean_and_variance_are_those_of_the_joint_normal_distribution():
    process, _ = process_of(smooth_runs(5))
    known = Residuals({"GLC": DAYS[:4]}, {"GLC": np.array([0.5, 0.9, 0.7, 1.2])})
    mean, variance = process.conditioned(known).mean_and_variance("GLC", DAYS[4:])
    apart = np.abs(DAYS[:, None] - DAYS[None, :])
    share = process.runs / (process.runs + 20.0)  # of the correlation as it was seen, which is that of its root
    root = process.root(np.zeros(len(DAYS), int), DAYS)
    seen = np.where(apart == 0.0, 1.0, root @ root.T)
    joint = (1.0 - process.noise) * ((1.0 - share) * np.exp(-apart / process.length) + share * seen)
    among = joint[:4, :4] + process.noise * np.eye(4)
    scaled = known.value["GLC"] / process.size("GLC", DAYS[:4])
    assert mean == pytest.approx(joint[4:, :4] @ np.linalg.solve(among, scaled), rel=1e-6)
    expected = joint[4:, 4:] - joint[4:, :4] @ np.linalg.solve(among, joint[:4, 4:])
    assert variance == pytest.approx((1.0 - process.noise) - (np.diag(joint[4:, 4:]) - np.diag(expected)), rel=1e-5)


def test_draws_have_the_conditional_mean_and_variance():
    process, _ = process_of(smooth_runs(5))
    process = replace(process, runs=4000)  # Student's t of so many degrees is normal
    conditioned = process.conditioned(Residuals({"GLC": DAYS[:4]}, {"GLC": np.array([0.5, 0.9, 0.7, 1.2])}))
    drawn = conditioned.draws(DAYS, 20_000, np.random.default_rng(0))[:, :, 0]
    mean, variance = conditioned.mean_and_variance("GLC", DAYS)
    assert np.mean(drawn, axis=0) == pytest.approx(mean, abs=0.03)
    assert np.var(drawn, axis=0)[-1] == pytest.approx(variance[-1], abs=0.03)


def test_samples_that_foretell_nothing_are_not_believed():
    random = np.random.default_rng(1)
    # each run deviates early and late, and the one says nothing of the other
    values = np.repeat(random.choice([-1.0, 1.0], (20, 2)), 5, axis=1) + 0.05 * random.standard_normal((20, 10))
    process, residuals = process_of(values)
    process = replace(process, length=30.0, noise=0.02)
    known = Residuals({"GLC": DAYS[:5]}, {"GLC": np.full(5, 1.0)})
    assert process.gain_after(residuals, known) < 0.35
    steady = np.repeat(random.choice([-1.0, 1.0], (20, 1)), 10, axis=1) + 0.05 * random.standard_normal((20, 10))
    process, residuals = process_of(steady)
    assert process.gain_after(residuals, known) > 0.9


def test_a_run_that_begins_as_some_others_did_goes_on_as_they_did():
    random = np.random.default_rng(2)
    early, late = np.r_[np.ones(5), np.zeros(5)], np.r_[np.zeros(5), np.ones(5)]
    kinds = [early - late, late - early]  # what is high early is low late, which no decaying correlation knows
    values = np.array([kinds[k % 2] + 0.05 * random.standard_normal(10) for k in range(40)])
    process, _ = process_of(values)
    known = Residuals({"GLC": DAYS[:5]}, {"GLC": np.ones(5)})
    assert process.conditioned(known).mean_and_variance("GLC", DAYS[-1:])[0][0] < -0.4


def test_another_quantity_that_goes_along_is_moved_too():
    values = smooth_runs(40)
    process, _ = process_of(values, ("GLC", "VCD"))
    known = Residuals({"VCD": DAYS[:6]}, {"VCD": np.ones(6)})
    assert process.conditioned(known).mean_and_variance("GLC", DAYS[5:6])[0][0] > 0.5
