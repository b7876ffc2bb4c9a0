from dataclasses import replace

import numpy as np
import pytest

from graycell.diagnosis import correlation_matrix, undetermined_combinations
from graycell.errors import FitError
from graycell.inference.fitting import Estimate, Fit, FitSettings
from graycell.models import nolan_lee
from graycell.runs import bundled_run

NAMES = ("vmax1f", "vmax16", "TC16b", "vmax17")
SD = np.array([0.5, 0.2, 1.0, 2.0])


def fit_of(covariance, prior_sd=tuple(SD)):
    model = nolan_lee()
    table = model.table
    for row in table:
        sd = dict(zip(NAMES, prior_sd, strict=True)).get(row.name, 1.0)
        table = table.with_changes(row.name, estimated=row.name in NAMES, prior_sd=sd)
    model = model.with_table(table)
    rows = [model.table[name] for name in NAMES]
    estimates = tuple(Estimate(r.name, r.value, r.unit, 0.1, 0.1, r.value, False, 0.5) for r in rows)
    return Fit(model, (bundled_run(),), estimates, np.asarray(covariance), 1.0, True, FitSettings())


def posterior(directions, information):
    """Covariance after data that know these directions, in prior standard deviations, with this information."""
    precision = np.eye(4) + sum(i * np.outer(d, d) for d, i in zip(directions, information, strict=True))
    return np.linalg.inv(precision) * np.outer(SD, SD)


def test_the_sum_is_known_and_the_difference_is_not():
    half = 1.0 / np.sqrt(2.0)
    known = [np.array([half, half, 0.0, 0.0]), np.eye(4)[2], np.eye(4)[3]]
    found = undetermined_combinations(fit_of(posterior(known, [1e4, 1e4, 1e4])))
    assert found.directions == 4
    (combination,) = found.combinations
    assert combination.ratio == pytest.approx(1.0)
    assert dict(combination.loadings) == pytest.approx({"vmax1f": half, "vmax16": -half}) or dict(
        combination.loadings
    ) == pytest.approx({"vmax1f": -half, "vmax16": half})
    (pair,) = found.correlations
    assert {pair.first, pair.second} == {"vmax1f", "vmax16"}
    assert pair.value == pytest.approx(-1.0, abs=1e-3)


def test_parameters_that_nothing_is_known_of_are_named_one_by_one_and_not_mixed():
    found = undetermined_combinations(fit_of(posterior([np.eye(4)[2]], [1e4])))
    assert sorted(str(combination) for combination in found.combinations) == [
        "1.00 vmax16",
        "1.00 vmax17",
        "1.00 vmax1f",
    ]
    assert all(combination.ratio == pytest.approx(1.0) for combination in found.combinations)
    assert not found.correlations


def test_data_that_know_everything_leave_nothing_open():
    assert undetermined_combinations(fit_of(0.25 * np.diag(SD**2))).combinations == ()


def test_every_combination_is_above_the_limit_also_after_it_was_turned(random):
    root = random.standard_normal((4, 4))
    found = undetermined_combinations(fit_of(posterior(list(root), [0.1, 0.2, 0.3, 5.0])))
    assert found.combinations
    assert all(combination.ratio > 0.8 for combination in found.combinations)
    assert [combination.ratio for combination in found.combinations] == sorted(
        (combination.ratio for combination in found.combinations), reverse=True
    )


def test_a_parameter_of_infinite_variance_is_a_combination_by_itself_and_goes_with_none():
    covariance = 0.01 * np.diag(SD**2)
    covariance[1, 1] = np.inf
    fit = fit_of(covariance, (0.5, np.inf, 1.0, 2.0))
    (combination,) = undetermined_combinations(fit).combinations
    assert (combination.ratio, combination.loadings) == (np.inf, (("vmax16", 1.0),))
    _, matrix = correlation_matrix(fit)
    assert np.array_equal(matrix, np.eye(4))


def test_weights_of_networks_are_left_out():
    whole = np.eye(7)
    whole[:4, :4] = 0.25 * np.diag(SD**2)
    names, matrix = correlation_matrix(fit_of(whole))
    assert (names, matrix.shape) == (NAMES, (4, 4))


def test_a_covariance_of_fewer_parameters_is_an_error():
    with pytest.raises(FitError, match="fit the model anew"):
        undetermined_combinations(replace(fit_of(np.eye(4)), covariance=np.eye(3)))
