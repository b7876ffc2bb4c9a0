"""filtered: a line, where the filter of Kalman is that of Bayes; late values; cultures that only the filter follows."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from running import exact, fit_of, line_fit, measured, plan

import graycell as gc
from graycell.errors import FitError
from graycell.following.filtering import filtered
from graycell.inference.conditioning import conditioned
from graycell.modelfiles.building import build

pytest.importorskip("cuthbert")


CELLS = """
format = 1
name = "cells"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
[reactions]
growth = { equation = "=> VCD", rate = "mu" }
[parameters]
mu = { value = 0.4, unit = "1/d", lower = 0.01, upper = 4.0 }
"""


def noise_of(amount, largest, end):
    """Return the variance that the filter adds in a day."""
    return (0.02 * np.hypot(amount, 0.01 * largest)) ** 2 / end


def test_a_line_is_that_of_kalman():
    fit, days, values = line_fit(), np.array([1.0, 2.0, 4.0]), np.array([4.1, 5.8, 13.0])
    run = measured(gc.CultureRun("now", 1.0, {"P": 1.0}, end=8.0), {"P": (days, values, 1.0)})
    found = filtered(fit, run)
    mean, covariance, before = np.array([2.0, 1.0]), np.diag([0.25, 0.0]), 0.0
    for day, value in zip(days, values, strict=True):
        move = np.array([[1.0, 0.0], [day - before, 1.0]])
        noise = noise_of(mean[1], 11.0, 5.0)  # P of the run of the fit at its end, on day 5
        mean = move @ mean
        covariance = move @ covariance @ move.T + np.diag([0.0, noise * (day - before)])
        gain = covariance[:, 1] / (covariance[1, 1] + 1.0)
        mean = mean + gain * (value - mean[1])
        covariance = covariance - np.outer(gain, covariance[1])
        before = day
        now = found.at(day)["P"]
        assert now == pytest.approx((mean[1], np.sqrt(covariance[1, 1])), rel=1e-5)


def test_boluses_are_met_and_a_late_value_is_that_of_its_time():
    fit, days = fit_of(), np.arange(0.5, 8.1, 0.5)
    truth = exact(plan("now"), 0.5, days)
    value = truth["S"] + 0.3 * np.random.default_rng(0).standard_normal(len(days))
    whole = measured(plan("now"), {"S": (days, value, 0.3)})
    found = filtered(fit, whole)
    error = np.array([found.at(day)["P"][0] for day in days]) - truth["P"]
    sd = np.array([found.at(day)["P"][1] for day in days])
    assert np.mean(np.abs(error / sd) < 1.96) >= 0.9
    bare = np.array([exact(plan("now"), 0.4, days)["P"]])[0] - truth["P"]
    assert np.sqrt(np.mean(error[4:] ** 2)) < 0.5 * np.sqrt(np.mean(bare[4:] ** 2))
    # one value is missing at first, and comes when the others are there
    kept = np.arange(len(days)) != 6
    without = filtered(fit, measured(plan("now"), {"S": (days[kept], value[kept], 0.3)}))
    again = filtered(fit, whole, before=without)
    assert np.allclose(again.mean, found.mean, rtol=1e-9)
    assert np.allclose(again.sd, found.sd, rtol=1e-9)
    assert again.at(3.0)["S"] == without.at(3.0)["S"]
    other = replace(fit, covariance=2.0 * fit.covariance)
    assert np.allclose(filtered(other, whole, before=found).mean, filtered(other, whole).mean, rtol=1e-9)
    assert again.at(8.0)["S"] != without.at(8.0)["S"]


def test_a_filter_follows_what_the_model_does_not_know():
    """From day 4 on the culture takes up four times as much; parameters that hold for all days cannot say that."""
    fit, days = fit_of(), np.arange(0.1, 8.01, 0.1)
    fit = replace(fit, runs=(measured(fit.runs[0], {"S": (np.array([1.0, 3.0]), np.array([34.0, 20.0]), 1.0)}),))
    events = (gc.Feed(0.0, "feed", 0.01), gc.End(8.0))
    first = exact(plan("now", events), 0.2, days[:40])
    half = replace(plan("now", events), initial={"S": float(first["S"][-1]), "P": 0.0}, initial_volume=1.04, end=8.0)
    second = exact(replace(half, events=(gc.Feed(0.0, "feed", 0.01),)), 0.8, days[40:] - days[39])
    value = np.r_[first["S"], second["S"]]
    run = measured(replace(plan("now", events), end=8.0), {"S": (days, value, 0.2)})
    found, least = filtered(fit, run), conditioned(fit, run).predict(run, 10, times=days)
    late = days > 5.0
    of_filter = np.array([found.at(day)["S"][0] for day in days[late]]) - value[late]
    of_least = least.best[late, 0] - value[late]
    assert np.sqrt(np.mean(of_filter**2)) < 0.5 * np.sqrt(np.mean(of_least**2))


def test_each_fault_has_a_sentence(monkeypatch):
    fit, run = fit_of(), measured(plan("now"), {"S": ([1.0], [20.0], 0.5)})
    cells = build(gc.parse_model_file(CELLS))
    estimate = replace(fit.estimates[0], name="mu")
    seen = measured(gc.CultureRun("seen", 1.0, {"VCD": 1.0}, end=5.0), {"VCD": ([1.0], [1.5], 0.1)},
                    "1e9 cells/L")  # fmt: skip
    per = gc.CultureRun("now", 1.0, {"VCD": 1.0}, events=(gc.IvcdBolus(2.0, "feed", 0.001),), media={"feed": {}},
                        end=5.0)  # fmt: skip
    per = measured(per, {"VCD": ([1.0, 3.0], [1.5, 3.0], 0.1)}, "1e9 cells/L")
    with pytest.raises(FitError, match="a bolus per IVCD, which a filter does not follow"):
        filtered(replace(fit, model=cells, runs=(seen,), estimates=(estimate,), initial_states=None), per)
    with pytest.raises(FitError, match="count twice"):
        filtered(fit, replace(run, name="seen"))
    monkeypatch.setitem(sys.modules, "cuthbert", None)
    with pytest.raises(FitError, match=r"graycell\[following\]"):
        filtered(fit, run)
