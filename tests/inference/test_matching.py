"""Integral matching: its residuals vanish at the truth, have right derivatives, and Adam makes them smaller."""

from dataclasses import replace

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import DAYS, SPECIES, batch

from graycell.cell.neural import weights_of
from graycell.hybrid import neural_rates_model
from graycell.hybrid.smoothing import smooth_run, stack_smooth
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import residuals
from graycell.inference.matching import CHUNK, Matching, adam, linearise_matching
from graycell.runs.records import Bolus, Feed, FeedRamp, LevelBolus, Sample, ShareBolus
from graycell.simulation.simulate import Loop, SolverSettings, simulate

SOLVER = SolverSettings(rtol=1e-6, atol=1e-7, adjoint=diffrax.ForwardMode())
matching_residuals = eqx.filter_jit(Matching.residuals)
EVENTS = (Sample(1.0, 0.02), Bolus(1.5, "feed", 0.04), Feed(2.0, "feed", 0.02), Bolus(3.0, "feed", 0.04))


def measured(model, plan):
    """Return a run that is measured eight times a day, without noise."""
    times = np.arange(0.125, DAYS[-1] + 0.01, 0.125)
    series = next(iter(plan.measurements.values()))
    asked = {name: replace(series, quantity=name, time=times, value=np.ones(len(times)),
                           standard_error=np.ones(len(times))) for name in SPECIES}  # fmt: skip
    path = simulate(model, replace(plan, measurements=asked), points=2).require_finished()
    values = {name: path.at_samples(name) for name in SPECIES}
    error = {name: np.full(len(times), 0.02 * np.ptp(value)) for name, value in values.items()}
    of_plan = {name: replace(asked[name], value=values[name], standard_error=error[name]) for name in SPECIES}
    return replace(plan, measurements=of_plan)


@pytest.fixture(scope="module")
def truth():
    """A model that counts as the truth, and two runs of it: fed, sampled, measured eight times a day, without noise."""
    plans = [replace(batch(name, glucose), events=EVENTS, media={"feed": {"GLC": 300.0}})
             for name, glucose in (("rich", 40.0), ("poor", 25.0))]  # fmt: skip
    model = neural_rates_model(plans, inputs=("GLC", "LAC"), hidden=2, seed=1)
    assert model.species == SPECIES
    weights = model.nets["rates"].weights
    weights = weights._replace(output=5.0 * weights.output, output_bias=jnp.array([0.8, -0.6, 0.7]))
    model = model.changed(nets={"rates": replace(model.nets["rates"], weights=weights)})
    runs = [measured(model, plan) for plan in plans]
    return model, runs


@pytest.fixture(scope="module")
def matching(truth):
    model, runs = truth
    return Matching(objective_for(model, runs, (), SOLVER), stack_smooth([smooth_run(model, run) for run in runs]))


def of_samples(matching, values):
    return np.asarray(values)[: -matching.objective.size]


def test_at_the_truth_the_residuals_are_small_beside_those_of_another_model(truth, matching):
    x = weights_of(truth[0].nets)
    at_truth = of_samples(matching, matching_residuals(matching, x))
    elsewhere = of_samples(matching, matching_residuals(matching, 1.3 * x))
    assert np.sqrt(np.mean(at_truth**2)) < 0.05  # standard errors
    assert np.max(np.abs(at_truth)) < 0.3
    assert np.max(np.abs(elsewhere)) > 2.0


def test_ramps_and_boluses_by_rules_are_matched_as_feeds_are(truth):
    model, runs = truth
    rules = (Sample(1.0, 0.02), LevelBolus(1.5, "feed", "GLC", 40.0), FeedRamp(2.0, "feed", 0.01, 0.02),
             ShareBolus(3.0, "feed", 0.04))  # fmt: skip
    ruled = [measured(model, replace(run, events=rules)) for run in runs]
    smooth = stack_smooth([smooth_run(model, run) for run in ruled])
    of_rules = Matching(objective_for(model, ruled, (), SOLVER), smooth)
    at_truth = of_samples(of_rules, matching_residuals(of_rules, weights_of(model.nets)))
    assert np.sqrt(np.mean(at_truth**2)) < 0.05
    assert np.max(np.abs(at_truth)) < 0.3


def test_the_residuals_are_near_those_of_the_full_fit(truth, matching):
    """A little away from the truth both see the same misfit, in the same order."""
    x = 1.05 * weights_of(truth[0].nets)
    matched = of_samples(matching, matching_residuals(matching, x))
    solved = of_samples(matching, residuals(matching.objective, x, Loop(jnp.asarray(0.0), jnp.asarray(0.0))))
    assert matched.shape == solved.shape
    assert np.max(np.abs(solved)) > 0.5
    assert np.corrcoef(matched, solved)[0, 1] > 0.98
    priors = slice(-matching.objective.size, None)
    assert np.asarray(matching_residuals(matching, x))[priors] == pytest.approx(
        np.asarray(residuals(matching.objective, x, Loop(jnp.asarray(0.0), jnp.asarray(0.0))))[priors]
    )


def test_the_jacobian_is_that_of_central_differences(truth, matching):
    x = np.asarray(weights_of(truth[0].nets))
    value, exact = map(np.asarray, linearise_matching(matching, jnp.asarray(x)))
    assert value == pytest.approx(np.asarray(matching_residuals(matching, jnp.asarray(x))), rel=1e-9, abs=1e-9)
    step = 1e-5
    ends = [[np.asarray(matching_residuals(matching, jnp.asarray(x + sign * h))) for sign in (1, -1)]
            for h in step * np.eye(len(x))]  # fmt: skip
    central = np.stack([(up - down) / (2.0 * step) for up, down in ends], axis=1)
    size = np.max(np.abs(central), axis=0)
    assert np.all(size > 1e-2)
    assert np.all(np.max(np.abs(exact - central), axis=0) <= 1e-5 * size)


def test_adam_lowers_the_cost_from_every_start_and_is_deterministic(truth, matching):
    x = np.asarray(weights_of(truth[0].nets))
    starts = np.stack([x + 0.5 * np.random.default_rng(seed).standard_normal(len(x)) for seed in range(3)])
    weights, told = np.ones(len(matching_residuals(matching, jnp.asarray(x)))), []
    reached = adam(matching, starts, weights, 150, lambda done, cost: told.append((done, cost)))

    def cost(one):
        return 0.5 * np.sum(np.asarray(matching_residuals(matching, jnp.asarray(one))) ** 2)

    before, after = sorted(map(cost, starts)), list(map(cost, reached))
    assert [done for done, _ in told] == [CHUNK, 2 * CHUNK]
    assert told[1][1] < told[0][1]
    assert max(after) < 0.5 * min(before)
    assert after == sorted(after)  # best first
    assert told[-1][1] == pytest.approx(after[0], rel=0.1)
    again = adam(matching, starts, weights, 150, lambda done, cost: None)
    assert np.array_equal(again, reached)


def test_samples_that_are_held_out_do_not_pull(truth, matching):
    """With all samples held out, Adam sees the prior alone and goes to 0."""
    x = np.asarray(weights_of(truth[0].nets))
    starts = np.stack([x + 0.5 * np.random.default_rng(seed).standard_normal(len(x)) for seed in range(3)])
    weights = np.zeros(len(matching_residuals(matching, jnp.asarray(x))))
    weights[-matching.objective.size :] = 1.0
    reached = adam(matching, starts, weights, 150, lambda done, cost: None)
    assert np.all(np.abs(reached) < 0.2 * np.abs(starts).max())
