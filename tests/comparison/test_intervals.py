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


@pytest.mark.parametrize(
    ("errors", "mean"),
    [
        ([[[0.1], [np.inf]]], 0.1),  # a run
        ([[[0.1, np.inf], [0.3, 0.5]]], 0.25),  # a quantity of a run
        ([[[0.1], [np.inf]], [[0.3], [0.5]]], 0.25),  # a run of one seed
        ([[[np.inf], [0.4]], [[0.2], [np.inf]]], 0.3),  # another run of each seed
        ([[[np.inf], [np.inf]], [[0.2], [0.4]]], 0.3),  # all of one seed
        ([[[0.1, np.inf]]], 0.1),  # a quantity of a single run
        ([[[np.nan, np.inf], [0.2, np.nan]]], 0.2),  # beside what was not measured
    ],
)
def test_a_mean_is_over_what_was_reached(errors, mean):
    found = mean_of_all(np.array(errors))
    assert found.value == pytest.approx(mean)
    assert not found.low > found.value
    by_quantity = [mean_of_quantity(np.array(errors)[:, :, j]).value for j in range(np.shape(errors)[2])]
    assert not np.any(np.isinf(by_quantity))


def test_where_everything_failed_there_is_no_mean():
    for errors in (np.full((1, 3, 2), np.inf), np.full((2, 1, 1), np.inf)):
        found = mean_of_all(errors)
        assert np.isnan(found.value)
        assert np.isnan(found.low)
        assert np.isnan(mean_of_quantity(errors[:, :, 0]).value)


def test_an_interval_of_what_was_reached_is_that_of_the_runs_alone(random):
    errors = random.uniform(0.1, 0.5, size=(1, 8, 3))
    with_failures = np.concatenate([errors, np.full((1, 2, 3), np.inf)], axis=1)
    assert mean_of_all(with_failures) == mean_of_all(errors)


def test_draws_are_the_same_every_time(random):
    values = random.normal(size=(2, 7, 3))
    assert mean_of_all(values) == mean_of_all(values)
