"""design: information in closed form, the best of few candidates, and what an answer says."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import graycell as gc
from graycell.decisions import Decision, design
from graycell.decisions.information import Assays, information_of, sensitivities
from graycell.errors import FitError, InputError
from graycell.inference.conditioning import known_covariance, scaled_estimate
from graycell.inference.results import Estimate
from graycell.reporting.next_runs import design_report
from graycell.runs.records import Bolus, CultureRun, Sample

K, Q, END, FED = 0.4, 0.3, 10.0, 100.0
"""[1/d] S becomes P, P decays; [d]; [mmol/L] of S in the feed."""
DAYS = np.array([2.0, 6.0, 10.0])
PLAN = CultureRun(
    "next", 1.0, {"S": 10.0, "P": 0.0},
    events=(Sample(2.0, 0.0), Bolus(5.0, "feed", 0.01), Sample(6.0, 0.0), Sample(10.0, 0.0)),
    media={"feed": {"S": FED}}, end=END,
)  # fmt: skip
FEED = Decision("feed", "volume", 0.0, 0.1, event="bolus")
START = Decision("start", "start", 1.0, 40.0, species="S")


def model(**changes):
    """Return S => P => at rates k S and q P."""
    return gc.CultureModel(**{
        "name": "decay", "species": {"S": "mmol/L", "P": "mmol/L"}, "reactions": {"change": "S => P", "loss": "P =>"},
        "rates": {"change": gc.Volumetric(gc.Rate("k") * gc.Concentration("S")),
                  "loss": gc.Volumetric(gc.Rate("q") * gc.Concentration("P"))},
        "parameters": {"k": gc.Parameter(K, "1/d", lower=0.01, upper=10.0),
                       "q": gc.Parameter(Q, "1/d", lower=0.01, upper=10.0)}, **changes,
    })  # fmt: skip


def fit_of(made, covariance=((0.04, 0.0), (0.0, 0.09)), initial_states=None):
    series = {name: gc.Measurement(name, "mmol/L", np.array([0.0, 5.0, 10.0]), np.array(values), np.ones(3))
              for name, values in (("S", [40.0, 5.0, 1.0]), ("P", [0.0, 20.0, 10.0]))}  # fmt: skip
    run = replace(PLAN, name="seen", measurements=series)
    estimates = tuple(Estimate(name, value, "1/d", 0.1, 0.2, value, False, math.inf)
                      for name, value in (("k", K), ("q", Q)))  # fmt: skip
    return gc.Fit(made, (run,), estimates, np.array(covariance), 0.0, True, gc.FitSettings(),
                  initial_states=initial_states)  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return fit_of(model())


def exact(k, q, time, start):
    """Return S and P of a batch without a bolus."""
    return np.array([start * np.exp(-k * time), start * k / (q - k) * (np.exp(-k * time) - np.exp(-q * time))])


def test_sensitivities_and_information_are_those_of_the_closed_form(fitted):
    assays = Assays(("S", "P"), np.array([0.05, 0.0]), np.array([0.1, 0.5]), DAYS)
    values = np.array([[0.0, 10.0], [0.0, 25.0]])
    found = sensitivities(fitted, PLAN, [FEED, START], values, assays, scaled_estimate(fitted)[None, :])
    information = information_of(found, assays, np.zeros(0))
    for i, (_, start) in enumerate(values):
        wanted = exact(K, Q, DAYS, start)
        assert np.allclose(found.values[i, 0].T, wanted, rtol=1e-5)
        slopes, step = [], 1e-5
        for j in range(2):  # on logarithmic scales
            low, high = ([K, Q] * np.exp(side * step * np.eye(2)[j]) for side in (-1.0, 1.0))
            slopes.append((exact(*high, DAYS, start) - exact(*low, DAYS, start)) / (2.0 * step))
        slopes = np.stack(slopes, axis=-1)  # (quantities, times, parameters)
        assert np.allclose(np.swapaxes(found.slopes[i, 0], 0, 1), slopes, rtol=1e-4, atol=1e-4)
        error = np.hypot(np.array([0.05, 0.0])[:, None] * wanted, np.array([0.1, 0.5])[:, None])
        scaled = (slopes / error[..., None]).reshape(-1, 2)
        assert np.allclose(information[i, 0], scaled.T @ scaled, rtol=1e-3)


def test_what_an_uncertain_start_lets_vary_tells_nothing():
    random = np.random.default_rng(0)
    slopes, starts = random.standard_normal((1, 1, 4, 2, 3)), random.standard_normal((1, 1, 4, 2, 2))
    assays = Assays(("a", "b"), np.zeros(2), np.array([0.5, 2.0]), np.arange(4.0))
    found = type("Found", (), {"values": np.ones((1, 1, 4, 2)), "slopes": slopes, "starts": starts})()
    sd = np.array([0.3, 0.8])
    flat, start, error = slopes.reshape(8, 3), starts.reshape(8, 2), np.tile([0.5, 2.0], 4)
    covariance = np.diag(error**2) + start @ np.diag(sd**2) @ start.T
    assert np.allclose(information_of(found, assays, sd)[0, 0], flat.T @ np.linalg.inv(covariance) @ flat)


def test_nothing_is_measured_after_the_harvest(fitted):
    assays, harvest = Assays.of(fitted, PLAN), Decision("harvest", "end", 5.0, 10.0)
    early, late = sensitivities(fitted, PLAN, [harvest], np.array([[6.0], [10.0]]), assays,
                                scaled_estimate(fitted)[None, :]).slopes[:, 0]  # fmt: skip
    assert np.allclose(early[:2], late[:2], rtol=1e-3, atol=1e-5)
    assert np.any(late[2] != 0.0)
    assert np.all(early[2] == 0.0)


def test_assays_are_those_of_the_fit_at_the_samples_of_the_plan(fitted):
    found = Assays.of(fitted, PLAN)
    assert found.quantities == ("S", "P")
    assert found.times.tolist() == DAYS.tolist()
    assert Assays.of(fitted, replace(PLAN, events=())).times.tolist() == list(range(1, 11))
    assert np.all(found.floor >= 0.01 * np.array([40.0, 20.0]))


def test_the_chosen_runs_are_the_best_of_all_sets(fitted):
    found = design(fitted, PLAN, [FEED, START], 2, purpose="parameters", candidates=8, draws=1)
    assays = Assays.of(fitted, PLAN)
    rows = np.array([[feed, start] for feed in (0.0, 0.05, 0.1) for start in (1.0, 20.5, 40.0)])
    slopes = sensitivities(fitted, PLAN, [FEED, START], rows, assays, scaled_estimate(fitted)[None, :])
    information = information_of(slopes, assays, np.zeros(0))[:, 0]
    precision = np.linalg.inv(known_covariance(fitted))
    pairs = [information[i] + information[j] for i in range(9) for j in range(i + 1)]
    best = max(np.linalg.slogdet(precision + pair)[1] for pair in pairs)
    gain = best - np.linalg.slogdet(precision)[1]
    assert found.after <= np.exp(-0.25 * gain) * (1.0 + 1e-9)  # corners are among the candidates
    assert found.after <= min(found.others.values())
    assert found.before == 1.0
    assert np.all(found.sd_after < found.sd_before)
    assert [run.name for run in found.runs] == ["next-1", "next-2"]


@pytest.mark.parametrize("purpose", [{}, {"target": replace(PLAN, name="ahead", initial={"S": 40.0, "P": 0.0})}])
def test_predictions_become_surer_than_by_other_designs(fitted, purpose):
    found = design(fitted, PLAN, [FEED, START], 2, candidates=8, draws=2, **purpose)
    assert found.after <= min(found.others.values())
    assert found.after < 0.5 * found.before
    assert found.purpose == ("prediction" if purpose else "predictions")


def test_two_models_are_told_apart_where_they_differ(fitted):
    same = design(fitted, PLAN, [START], 2, against=fitted, candidates=4)
    assert same.after == pytest.approx(0.0, abs=1e-12)
    slower = fit_of(model(parameters={"k": gc.Parameter(K, "1/d", lower=0.01, upper=10.0),
                                      "q": gc.Parameter(0.6, "1/d", lower=0.01, upper=10.0)}))  # fmt: skip
    found = design(fitted, PLAN, [START], 2, against=slower, candidates=4)
    assert found.after >= max(found.others.values())
    assert np.allclose(found.values, 40.0)  # more of S shows more of the difference


def test_what_tells_two_models_apart_is_that_of_the_whole_covariance(fitted):
    """Errors of the parameters are shared by all runs, and those of the assays are not."""
    slower = fit_of(model(parameters={"k": gc.Parameter(K, "1/d", lower=0.01, upper=10.0),
                                      "q": gc.Parameter(0.6, "1/d", lower=0.01, upper=10.0)}))  # fmt: skip
    found = design(fitted, PLAN, [START], 2, against=slower, candidates=4)
    assays = Assays.of(fitted, PLAN)
    rows = []
    for fit in (fitted, slower):
        rows.append(sensitivities(fit, PLAN, [START], found.values, assays, scaled_estimate(fit)[None, :]))
    gap = (rows[0].values - rows[1].values).ravel()
    noise = np.diag(assays.sd(rows[0].values).ravel() ** 2)
    both = [one.slopes.reshape(gap.size, -1) for one in rows]
    variance = noise + sum(j @ known_covariance(fit) @ j.T for j, fit in zip(both, (fitted, slower), strict=True))
    assert found.after == pytest.approx(float(gap @ np.linalg.solve(variance, gap)), rel=1e-6)
    one = design(fitted, PLAN, [START], 1, against=slower, candidates=4)
    assert found.after < 1.9 * one.after  # the same run again tells less than the first


def test_models_in_other_units_are_compared_in_those_of_the_first(fitted):
    other = fit_of(model(species={"S": "umol/L", "P": "umol/L"}))
    plan = replace(PLAN, units={"S": "mmol/L", "P": "mmol/L"})
    same = design(fitted, plan, [START], 2, against=other, candidates=4)
    assert same.after == pytest.approx(0.0, abs=1e-4)


def test_a_later_harvest_is_measured(fitted):
    harvest, daily = Decision("harvest", "end", 9.0, 14.0), replace(PLAN, events=PLAN.events[1:2])
    assert design(fitted, daily, [harvest], 1, candidates=4, draws=1).assays.times.tolist() == list(range(1, 15))


def test_runs_keep_the_constraints(fitted):
    found = design(fitted, PLAN, [FEED, START], 2, constraints=["S <= 20"], candidates=8, draws=1)
    assert np.all(found.values[:, 1] <= 20.0)
    assert any("break a constraint" in sentence for sentence in found.sentences())


def test_what_is_not_known_has_the_width_of_its_bounds():
    open_fit = fit_of(model(), covariance=((np.inf, 0.0), (0.0, 0.09)))
    found = known_covariance(open_fit)
    assert found[0, 0] == pytest.approx(np.log(1000.0) ** 2 / 12.0)
    assert found[1, 1] == pytest.approx(0.09)


def test_a_design_is_written_with_what_it_depends_on(fitted, tmp_path):
    found = design(fitted, PLAN, [FEED, START], 3, candidates=8, draws=1)
    assert design_report(found, tmp_path / "design").is_file()
    written = json.loads((tmp_path / "design" / "design.json").read_text(encoding="utf-8"))
    assert (written["format"], written["kind"]) == (1, "next runs")
    assert written["measured"]["quantities"] == ["S", "P"]
    again = gc.read_runs(tmp_path / "design" / "plans")
    assert [run.initial["S"] for run in again] == pytest.approx(found.values[:, 1].tolist())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"count": 0}, "found 0 runs"),
        ({"purpose": "parameter"}, "did you mean 'parameters'"),
        ({"constraints": ["S >= 1e6"]}, "none of"),
        ({"constraints": ["T >= 1"]}, "found 'T'"),
        ({"decisions": []}, "a number of the plan is chosen"),
        ({"decisions": [Decision("day", "time", 1.0, 4.0, event="sample", day=2.0)]}, "a number of samples"),
    ],
)
def test_each_fault_has_a_sentence(fitted, options, sentence):
    given = {"decisions": [START], "count": 2, "candidates": 2, "draws": 1, **options}
    with pytest.raises((FitError, InputError), match=sentence):
        design(fitted, PLAN, given.pop("decisions"), given.pop("count"), **given)


def test_a_fit_without_covariance_gets_a_sentence():
    with pytest.raises(FitError, match="found no covariance"):
        design(fit_of(model(), covariance=((np.nan, 0.0), (0.0, 0.09))), PLAN, [START], 1, candidates=2)
