"""Weights of candidates: simplex, the right one wins, one run that went astray does not decide."""

import cultures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graycell.prediction.stacking import LeftOut, mixed, stacking_weights


def left_out(errors):
    """Return runs that were left out, of the value 10, with (runs, candidates, samples) errors."""
    found = []
    for k, one in enumerate(errors):
        value = 10.0 + np.arange(one.shape[1])
        time, below = np.arange(1.0, one.shape[1] + 1.0), np.zeros(one.shape[1], bool)
        found.append(LeftOut(cultures.culture(f"run{k}"), {}, {"GLC": value - one}, {"GLC": value}, {"GLC": time},
                             {"GLC": below}))  # fmt: skip
    return found


@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 10**6))
def test_weights_are_0_or_above_with_the_sum_1(runs, candidates, seed):
    errors = np.random.default_rng(seed).standard_normal((runs, candidates, 5))
    weights = stacking_weights(left_out(errors), "GLC")
    assert np.all(weights >= 0.0)
    assert np.sum(weights) == pytest.approx(1.0)


def test_the_one_that_is_right_has_nearly_all_the_weight():
    random = np.random.default_rng(0)
    errors = np.stack([0.1 * random.standard_normal((6, 8)), 3.0 * random.standard_normal((6, 8))], axis=1)
    assert stacking_weights(left_out(errors), "GLC")[0] > 0.95


def test_errors_of_opposite_sign_are_mixed():
    random = np.random.default_rng(1)
    errors = np.stack([1.0 + 0.1 * random.standard_normal((6, 8)), -1.0 + 0.1 * random.standard_normal((6, 8))], axis=1)
    assert stacking_weights(left_out(errors), "GLC") == pytest.approx([0.5, 0.5], abs=0.05)


def test_one_run_that_went_astray_does_not_decide():
    random = np.random.default_rng(2)
    errors = np.stack([0.3 * random.standard_normal((12, 8)), 1.0 * random.standard_normal((12, 8))], axis=1)
    errors[3, 0] = 8.0  # in the mean of squares the first would be the worse one
    assert np.mean(errors[:, 0] ** 2) > np.mean(errors[:, 1] ** 2)
    assert stacking_weights(left_out(errors), "GLC")[0] > 0.55


def test_a_candidate_that_predicts_nothing_has_no_weight():
    errors = np.random.default_rng(3).standard_normal((4, 2, 5))
    errors[2, 1] = np.nan
    assert stacking_weights(left_out(errors), "GLC") == pytest.approx([1.0, 0.0])


def test_what_one_does_not_predict_the_others_share():
    found = mixed(np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.nan]]), np.array([0.75, 0.25]))
    assert found[:2] == pytest.approx([1.5, 4.0])
    assert np.isnan(found[2])
