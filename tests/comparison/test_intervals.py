import numpy as np
import pytest

from graycell.comparison.intervals import ALL, differences, mean_of_all, mean_of_quantity


def only(rows, quantity=ALL):
    return next(row for row in rows if row.quantity == quantity)


def test_a_difference_that_is_the_same_everywhere_has_no_width(random):
    errors = random.uniform(0.1, 0.5, size=(1, 4, 3))
    row = only(differences("a", "b", errors - 0.05, errors, ["x", "y", "z"]))
    assert (row.nrmse.value, row.nrmse.low, row.nrmse.high) == pytest.approx((-0.05, -0.05, -0.05))
    assert (row.better, row.pairs, row.left_out, row.nrmse.count) == (1.0, 12, 0, 4)


def test_two_runs_give_the_interval_of_their_draws():
    # means of two draws of (0, 1): 0 and 1 with a chance of a quarter each
    row = only(differences("a", "b", np.array([[[0.2], [1.2]]]), np.full((1, 2, 1), 0.2), ["x"]), "x")
    assert (row.nrmse.value, row.nrmse.low, row.nrmse.high) == pytest.approx((0.5, 0.0, 1.0))
    assert row.nrmse.drawn == "runs"


def test_the_interval_of_many_runs_is_that_of_their_mean(random):
    values = random.normal(size=200)
    interval = mean_of_quantity(values[None])
    half = 1.96 * np.std(values) / np.sqrt(200)
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_a_pair_is_closer_than_its_two_errors(random):
    hard = random.uniform(0.0, 1.0, size=(1, 10, 1))  # runs differ far more than candidates
    row = only(differences("a", "b", hard + random.normal(0.02, 0.005, size=hard.shape), hard, ["x"]))
    assert 0.0 < row.nrmse.low < row.nrmse.high < 0.03
    assert mean_of_all(hard).high - mean_of_all(hard).low > 0.2


def test_whole_runs_are_drawn_so_many_quantities_of_one_run_do_not_narrow_it(random):
    by_run = random.normal(size=(1, 6, 1))
    narrow, wide = (mean_of_all(np.repeat(by_run, count, axis=2)) for count in (1, 50))
    assert (narrow.low, narrow.high) == pytest.approx((wide.low, wide.high))


def test_of_one_run_quantities_are_drawn_and_it_is_said():
    rows = differences("a", "b", np.array([[[0.1, 0.3]]]), np.zeros((1, 1, 2)), ["x", "y"])
    assert only(rows).nrmse.drawn == "quantities"
    assert (only(rows).nrmse.low, only(rows).nrmse.high) == pytest.approx((0.1, 0.3))
    assert only(rows, "x").nrmse.drawn == "nothing"
    assert np.isnan(only(rows, "x").nrmse.low)


def test_the_mean_is_over_the_quantities_of_a_run_and_then_over_runs():
    errors = np.array([[[0.1, 0.3], [0.6, np.nan]]])  # the second run measured one quantity
    assert mean_of_all(errors).value == pytest.approx((0.2 + 0.6) / 2.0)


def test_the_error_over_several_seeds_is_their_median():
    assert mean_of_all(np.array([0.1, 0.2, 0.9])[:, None, None]).value == pytest.approx(0.2)


def test_a_pair_that_failed_is_left_out_and_counted():
    errors, others = np.array([[[0.1, np.inf], [0.3, 0.2]]]), np.array([[[0.2, 0.2], [np.inf, 0.3]]])
    row = only(differences("a", "b", errors, others, ["x", "y"]))
    assert row.nrmse.value == pytest.approx(-0.1)
    assert (row.pairs, row.left_out) == (2, 2)


def test_what_failed_is_infinitely_wrong_and_has_no_interval():
    interval = mean_of_all(np.array([[[0.1], [np.inf]]]))
    assert interval.value == np.inf
    assert np.isnan(interval.low)


def test_draws_are_the_same_every_time(random):
    values = random.normal(size=(2, 7, 3))
    assert mean_of_all(values) == mean_of_all(values)
