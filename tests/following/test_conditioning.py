"""conditioned: a straight line in closed form, least squares by scipy, and a sentence for each fault."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from running import FIT_ERROR, K, fit_of, line_fit, measured, model, plan

import graycell as gc
from graycell.errors import FitError
from graycell.inference.conditioning import Prior, _sloped, conditioned, known_covariance
from graycell.inference.group_effects import GroupEffects

DAYS = np.array([1.0, 2.0, 4.0])


@pytest.mark.parametrize("between", [0.0, 0.7])
def test_a_straight_line_is_that_of_bayes(between):
    fit, values, error = line_fit(between=between), np.array([4.1, 5.8, 13.0]), 1.0
    run = measured(gc.CultureRun("now", 1.0, {"P": 1.0}, end=8.0), {"P": (DAYS, values, error)})
    found = conditioned(fit, run)
    before = 0.5**2 + between**2
    precision = 1.0 / before + np.sum(DAYS**2) / error**2
    mean = (2.0 / before + np.sum(DAYS * (values - 1.0)) / error**2) / precision
    assert found.estimates[0].value == pytest.approx(mean, rel=1e-6)
    assert found.covariance[0, 0] == pytest.approx(1.0 / precision, rel=1e-6)
    assert found.estimates[0].sd_ratio == pytest.approx(np.sqrt(1.0 / precision / before), rel=1e-6)
    assert found.runs == (run,)
    assert found.model.table["p"].between_runs_sd == 0.0
    band = found.predict(run, 4000, times=[8.0])
    assert np.std(band["P"][:, 0]) == pytest.approx(8.0 / np.sqrt(precision), rel=0.05)


def test_the_error_of_the_model_counts_beside_those_of_the_assays():
    fit = line_fit()
    wrong = replace(fit, runs=(measured(fit.runs[0], {"P": (DAYS, np.array([2.0, 7.0, 8.0]), 0.1)}),))
    run = measured(gc.CultureRun("now", 1.0, {"P": 1.0}, end=8.0), {"P": (DAYS, np.array([4.0, 6.0, 13.0]), 0.1)})
    off = np.array([3.0, 5.0, 9.0]) - np.array([2.0, 7.0, 8.0])
    error = np.sqrt(np.mean((off / 8.0) ** 2))
    assert wrong.model_errors["P"] == pytest.approx(error, rel=1e-5)
    variance = 0.1**2 + (error * 8.0) ** 2 - 0.1**2
    precision = 1.0 / 0.25 + np.sum(DAYS**2) / variance
    assert conditioned(wrong, run).covariance[0, 0] == pytest.approx(1.0 / precision, rel=1e-4)


def test_a_group_that_the_fit_saw_has_the_variance_of_its_own_value():
    effects = GroupEffects({"seen": "a"}, ("a", "b"), ("p",), np.array([0.4]), np.array([[0.3], [-0.3]]),
                           np.array([[2.3], [1.7]]), np.array([[-0.1], [0.05]]),
                           np.array([[0.09, 0.01], [0.01, 0.2]]))  # fmt: skip
    fit = replace(line_fit(), group_effects=effects)
    run = measured(gc.CultureRun("now", 1.0, {"P": 1.0}, end=8.0), {"P": (DAYS, 1.0 + 2.3 * DAYS, 1.0)})
    prior = Prior.of(fit, run, "a", None)
    assert prior.mean.tolist() == [2.3]
    assert prior.spread @ prior.spread.T == pytest.approx(0.25 + 0.09 - 2.0 * 0.1)
    found = conditioned(fit, run, group="a")
    precision = 1.0 / (0.25 + 0.09 - 0.2) + np.sum(DAYS**2)
    assert found.estimates[0].value == pytest.approx(2.3, rel=1e-6)
    assert found.covariance[0, 0] == pytest.approx(1.0 / precision, rel=1e-6)


def test_parameters_and_beginnings_are_those_of_least_squares():
    fit, random = fit_of(initial_error=None), np.random.default_rng(0)
    days, error = np.array([0.5, 1.0, 2.0, 3.0]), 0.5
    value = 33.0 * np.exp(-0.45 * days) + error * random.standard_normal(4)
    run = measured(plan("now", events=()), {"S": (days, value, error)})
    found = conditioned(fit, run, initial_error=0.2)
    largest = 40.0
    sd = np.hypot(error, np.sqrt(max((FIT_ERROR * largest) ** 2 - 1.0, 0.0)))

    def residuals(x):
        return np.r_[(30.0 * np.exp(x[1] - K * np.exp(x[0]) * days) - value) / sd, x[0] / 0.2, x[1] / 0.2]

    best = scipy.optimize.least_squares(residuals, np.zeros(2), xtol=1e-12, ftol=1e-12)
    assert np.log(found.estimates[0].value / K) == pytest.approx(best.x[0], abs=2e-3)
    assert found.initial_states is not None
    place = found.initial_states.species.index("S")
    assert found.initial_states.deviation[0, place] == pytest.approx(best.x[1], abs=2e-3)
    covariance = np.linalg.inv(best.jac.T @ best.jac)
    assert found.covariance[0, 0] == pytest.approx(covariance[0, 0], rel=1e-2)
    assert found.initial_states.within[0, place, place] == pytest.approx(covariance[1, 1], rel=1e-2)
    assert found.initial_states.cross[0, place, 0] == pytest.approx(covariance[0, 1], rel=2e-2)
    # draws hold both, and how they hang together
    drawn = found.predict(run, 4000, times=[3.0])["S"][:, 0]
    at = 30.0 * np.exp(best.x[1] - K * np.exp(best.x[0]) * 3.0)
    slope = at * np.array([-K * np.exp(best.x[0]) * 3.0, 1.0])
    assert np.std(drawn) == pytest.approx(np.sqrt(slope @ covariance @ slope), rel=0.08)


def test_derivatives_are_those_of_differences():
    fit = fit_of(initial_error=0.1)
    run = measured(plan("now"), {"S": (np.array([1.0, 5.0]), np.array([20.0, 9.0]), 0.5),
                                 "P": (np.array([5.0]), np.array([15.0]), 0.5)})  # fmt: skip
    prior = Prior.of(fit, run, None, None)
    exact = gc.SolverSettings(rtol=1e-9, atol=1e-10, derivative_rtol=math.inf, adjoint=_forward())
    asked = prior.asked(fit, run, exact)
    at = 0.3 * np.ones(prior.whitened)
    value, slope = _sloped(asked, prior.unknowns(at), prior.spread)
    assert slope.shape == (len(value), prior.whitened)
    for k in range(prior.whitened):
        step = 1e-4 * (np.arange(prior.whitened) == k)
        high, low = (_sloped(asked, prior.unknowns(at + side * step), prior.spread)[0] for side in (1.0, -1.0))
        assert np.allclose(slope[:, k], (high - low) / 2e-4, rtol=1e-5, atol=1e-7)


def _forward():
    import diffrax

    return diffrax.ForwardMode()


def test_a_late_sample_counts_at_its_time_and_an_earlier_answer_changes_nothing():
    fit = fit_of(initial_error=0.1)
    early = measured(plan("now"), {"S": (np.array([1.0, 3.0]), np.array([21.0, 9.0]), 0.5)})
    late = measured(plan("now"), {"S": (np.array([1.0, 2.0, 3.0]), np.array([21.0, 13.0, 9.0]), 0.5)})
    first = conditioned(fit, early)
    again, anew = conditioned(fit, late, before=first), conditioned(fit, late)
    assert again.estimates[0].value == pytest.approx(anew.estimates[0].value, rel=1e-3)
    assert again.cost == pytest.approx(anew.cost, rel=1e-3)
    assert again.covariance[0, 0] < first.covariance[0, 0]


def test_a_value_below_a_limit_is_only_that():
    fit = line_fit()
    run = gc.CultureRun("now", 1.0, {"P": 1.0}, end=8.0)

    def found(limit):
        series = gc.Measurement("P", "mmol/L", np.array([4.0]), np.array([limit]), np.array([1.0]), np.array([True]))
        return conditioned(fit, replace(run, measurements={"P": series})).estimates[0].value

    assert found(30.0) == pytest.approx(2.0, abs=1e-4)

    def cost(p):
        return 0.5 * ((p - 2.0) / 0.5) ** 2 - scipy.stats.norm.logcdf(7.0 - 1.0 - 4.0 * p)

    assert found(7.0) == pytest.approx(scipy.optimize.minimize_scalar(cost, (1.0, 2.0)).x, abs=5e-3)


def test_a_surprising_sample_is_met_and_the_search_says_whether_it_ended():
    fit = fit_of(initial_error=None)
    wide = replace(fit, covariance=np.array([[4.0]]))
    days = np.array([1.0, 2.0])
    run = measured(plan("now", events=()), {"S": (days, 30.0 * np.exp(-4.0 * K * days), 0.3)})
    found = conditioned(wide, run)
    assert found.converged
    assert found.estimates[0].value == pytest.approx(4.0 * K, rel=0.1)
    prior = Prior.of(wide, run, None, None)
    assert prior.unknowns(prior.place_of(found))[0] == pytest.approx(np.log(found.estimates[0].value), abs=1e-6)


def test_what_the_fit_says_nothing_of_has_the_width_of_its_bounds():
    fit = replace(fit_of(initial_error=None), covariance=np.array([[np.inf]]))
    assert known_covariance(fit)[0, 0] == pytest.approx(np.log(1000.0) ** 2 / 12.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda fit: (fit, replace(plan("seen"))), "its samples would count twice"),
        (lambda fit: (replace(fit, covariance=np.array([[np.nan]])), plan("now")), "found no covariance"),
        (lambda fit: (replace(fit, model=fit.model.with_parameters({"k": jnp.asarray(np.nan)})), plan("now")),
         "cannot be simulated to its last sample"),
    ],
)  # fmt: skip
def test_each_fault_has_a_sentence(change, sentence):
    fit, run = change(fit_of(initial_error=None))
    run = measured(run, {"S": (np.array([1.0]), np.array([20.0]), 0.5)})
    with pytest.raises(FitError, match=sentence):
        conditioned(fit, run)


def test_the_model_of_the_tests_is_what_it_says():
    path = gc.simulate(model(), plan("now", events=()), save_at=[2.0])
    assert np.asarray(path["S"])[np.searchsorted(np.asarray(path.time), 2.0)] == pytest.approx(30.0 * np.exp(-K * 2.0))
