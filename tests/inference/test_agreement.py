"""Whether a fitted model contradicts its data: the tests of size and signs, by hand and by how often they are wrong."""

import numpy as np
import pytest
from scipy.stats import binom, chi2

from graycell.inference.agreement import Agreement, QuantityAgreement, agreement_of

DAYS = np.arange(0.0, 11.0)


def agreement(residuals, below=None, names=("VCD", "GLC"), time=DAYS):
    residuals = np.asarray(residuals, float)
    below = np.zeros(residuals.shape, bool) if below is None else below
    times = np.broadcast_to(time, residuals.shape[:2])
    return agreement_of(names, times, np.nan_to_num(residuals), np.isfinite(residuals), below)


def noise(seed=0, runs=4):
    return np.random.default_rng(seed).standard_normal((runs, 11, 2))


def smooth(runs=4):
    return 1.5 * np.sin(0.4 * DAYS[None, :, None] + np.arange(runs)[:, None, None] + np.zeros(2))


def test_counts_are_those_by_hand():
    found = agreement([[[9.0], [1.0], [-2.0], [np.nan], [-1.0], [0.0], [2.0]]], names=("GLC",), time=np.arange(7.0))
    # without time 0 and what was not measured: +1, -2, -1, 0, +2; 0 has no sign
    assert found.quantities["GLC"] == QuantityAgreement(5, 10.0, 2, 3)
    assert found.chi_square == pytest.approx(2.0)


def test_samples_are_taken_in_the_order_of_time():
    found = agreement([[[1.0], [-1.0], [1.0], [-1.0]]], names=("GLC",), time=np.array([1.0, 3.0, 2.0, 4.0]))
    assert found.quantities["GLC"].changes == 1


def test_neighbours_are_of_one_run_and_one_quantity():
    found = agreement([[[1.0, -1.0], [1.0, -1.0]], [[-1.0, 1.0], [-1.0, 1.0]]], time=np.array([1.0, 2.0]))
    assert (found.changes, found.pairs, found.values) == (0, 4, 8)


def test_noise_is_told_in_at_most_one_of_a_hundred_fits():
    assert sum(bool(agreement(noise(seed)).remarks()) for seed in range(400)) <= 4


@pytest.mark.parametrize("size", [2.0, 8.0])
def test_errors_that_are_too_small_are_told_with_the_chi_square(size):
    found = agreement(size * noise())
    [sentence] = found.remarks()
    assert f"chi-square of {found.chi_square:.3g} a value over 80 values (about 1 expected), most in " in sentence
    assert found.chi_square == pytest.approx(size**2, rel=0.3)
    assert "change sign" not in sentence


def test_one_quantity_that_is_wrong_is_named_alone():
    residuals = noise()
    residuals[:, :, 1] *= 7.0
    [sentence] = agreement(residuals).remarks()
    assert "most in GLC (" in sentence
    assert "VCD" not in sentence


def test_a_course_around_the_data_is_told_by_its_signs_though_it_is_within_the_errors():
    found = agreement(0.5 * smooth() + 0.3 * noise())
    assert not found.too_large
    [sentence] = found.remarks()
    assert f"change sign {found.changes} times between 72 neighbours in time (about 36 expected)" in sentence


def test_a_series_of_one_sign_is_the_strongest_evidence_and_not_none():
    found = agreement(np.full((4, 11, 2), 0.8))
    assert (found.changes, found.too_large, found.too_steady) == (0, False, True)
    assert "fewest in VCD (0 of 36), GLC (0 of 36)" in found.remarks()[0]


def test_both_are_one_sentence():
    [sentence] = agreement(5.0 * smooth()).remarks()
    assert sentence.startswith("The model contradicts its data: chi-square of ")
    assert "; and residuals that change sign" in sentence
    assert sentence.endswith("Its bands hold only what the model knows: errors of prediction are larger.")


@pytest.mark.parametrize(
    "residuals",
    [
        0.05 * smooth(),  # what a solver leaves of data without noise
        1.05 * noise(),  # assay errors that are known to a twentieth
        np.full((1, 4, 2), 0.9),  # too few to say anything
        np.zeros((3, 11, 2)),
        np.full((3, 11, 2), np.nan),
        np.zeros((1, 1, 2)),
        np.full((2, 1, 2), 50.0),  # samples at time 0 alone
    ],
)
def test_what_says_nothing_is_not_told(residuals):
    time = DAYS[: residuals.shape[1]]
    assert agreement(residuals, time=time).remarks() == []


def test_a_detection_limit_counts_where_the_model_is_above_it():
    residuals, below = np.full((3, 11, 1), 0.5), np.ones((3, 11, 1), bool)
    assert agreement(residuals, below, ("GLC",)).quantities == {}
    assert agreement(residuals + 6.0, below, ("GLC",)).remarks()


def test_chance_is_that_of_the_two_distributions():
    for square, changes in ((1.3, 40), (1.9, 30), (1.0, 25), (1.0, 45)):
        found = Agreement({"GLC": QuantityAgreement(100, 100.0 * square, changes, 90)})
        assert found.too_large == (square > 1.25 and chi2.sf(100.0 * square, 100) < 1e-3)
        assert found.too_steady == (changes <= 36 and binom.cdf(changes, 90, 0.5) < 1e-3)


def test_an_agreement_is_read_as_it_was_saved():
    found = agreement(3.0 * smooth())
    assert Agreement.from_plain(found.plain()) == found
