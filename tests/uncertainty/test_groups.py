"""Samples, ensembles and profiles of fits with groups of runs: known answers of a linear model."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2
from straight_runs import exact, measured, straight

import graycell as gc
from graycell.errors import FitError
from graycell.inference.refound import refound
from graycell.uncertainty import load_ensemble, save_ensemble
from graycell.uncertainty.density import cost_and_gradient, linearised

PER_GROUP = 1.5
GROUPS = {"one": "A", "two": "B", "three": "A", "four": "B"}
NUMBERS = [0, 1, 0, 1]


@pytest.fixture(scope="module")
def runs():
    slopes = dict(zip(GROUPS, (2.0, 3.9, 2.2, 4.1), strict=True))
    return [measured(name, a, 1.0, seed=i) for i, (name, a) in enumerate(slopes.items())]


@pytest.fixture(scope="module")
def fitted(runs):
    return gc.fit(gc.Problem(straight(0.0, PER_GROUP), runs, groups=GROUPS), settings=gc.FitSettings(starts=1))


@pytest.fixture(scope="module")
def ensemble(fitted):
    return gc.fit_ensemble(fitted, 16, seed=1)


def new_run():
    return gc.CultureRun("new", 1.0, {"A": 10.0, "B": 10.0}, end=4.0)


def test_a_posterior_with_groups_is_sampled(fitted, runs):
    pytest.importorskip("numpyro", reason="part of the extra 'sampling'")
    sample = gc.sample_posterior(fitted, draws=400, warm_up=100, chains=2)
    mean, covariance = exact(runs, 0.0, PER_GROUP, NUMBERS)
    assert sample.names == ("a", "b", "a of group A", "a of group B")
    x = sample.values.reshape(-1, 4)
    of_groups = np.zeros((2, 4))
    of_groups[[0, 1], [2, 3]], of_groups[:, 0] = 1.0, 1.0
    sd = np.sqrt(np.diag(of_groups @ covariance @ of_groups.T))
    assert np.all(np.abs(np.mean(x[:, 2:], axis=0) - of_groups @ mean) < 0.3 * sd)
    assert np.std(x[:, 2:], axis=0) == pytest.approx(sd, rel=0.15)
    assert np.std(x[:, 0]) == pytest.approx(np.sqrt(covariance[0, 0]), rel=0.15)
    known = sample.predict(new_run(), draws=800, times=[4.0], group="B")
    assert known["A"][:, 0] == pytest.approx(10.0 + 4.0 * x[:, 3], rel=1e-6)
    assert known.remarks() == []
    unseen = sample.predict(new_run(), draws=800, times=[4.0], group="C")
    assert np.std(unseen["A"]) == pytest.approx(4.0 * np.sqrt(covariance[0, 0] + PER_GROUP**2), rel=0.15)
    assert "group 'C', which was never seen" in unseen.remarks()[0]
    of_fit = sample.predict(runs[2], draws=800, times=[4.0])
    assert of_fit["A"][:, 0] == pytest.approx(10.0 + 4.0 * x[:, 2], rel=1e-6)


def test_the_gradient_of_a_density_with_groups_is_that_of_its_residuals(fitted):
    problem = refound(fitted)
    y = np.r_[[row.value for row in fitted.estimates], fitted.group_effects.deviation.ravel() + 0.3]
    value, gradient = cost_and_gradient(problem.objective, jnp.asarray(y), problem.loop)
    at = linearised(problem, y)
    assert float(value) == pytest.approx(at.cost, rel=1e-8)
    assert np.asarray(gradient) == pytest.approx(at.jacobian.T @ at.residuals, rel=1e-6, abs=1e-8)


def test_the_profile_of_a_prediction_is_that_of_the_group(fitted, runs):
    mean, covariance = exact(runs, 0.0, PER_GROUP, NUMBERS)
    along = 4.0 * np.array([1.0, 0.0, 0.0, 1.0])
    goal = np.sqrt(chi2.ppf(0.95, 1))
    found = gc.profile_prediction(fitted, new_run(), "A", 4.0, group="B")
    sd = np.sqrt(along @ covariance @ along)
    assert found.interval == pytest.approx(10.0 + along @ mean + goal * sd * np.array([-1.0, 1.0]), abs=0.03 * sd)
    shared = gc.profile_prediction(fitted, new_run(), "A", 4.0)
    assert shared.estimate == pytest.approx(10.0 + 4.0 * mean[0], abs=0.02)
    with pytest.raises(FitError, match="group 'C' is not one of the fit of straight"):
        gc.profile_prediction(fitted, new_run(), "A", 4.0, group="C")


def test_members_of_an_ensemble_have_all_groups(fitted, ensemble, runs):
    _, covariance = exact(runs, 0.0, PER_GROUP, NUMBERS)
    assert ensemble.per_group.shape == (16, 2, 2)
    sd = np.sqrt(np.sum(covariance[np.ix_([0, 3], [0, 3])]))
    assert np.std(ensemble.per_group[:, 1, 0]) == pytest.approx(sd, rel=0.6)
    assert np.all(np.isnan(ensemble.per_group[:, :, 1]))  # b is that of all groups
    ahead = ensemble.predict(new_run(), times=[4.0], group="B")
    assert ahead["A"][:, 0] == pytest.approx(10.0 + 4.0 * ensemble.per_group[:, 1, 0], rel=1e-4)
    unseen = ensemble.predict(new_run(), times=[4.0])
    assert np.std(unseen["A"]) > 3.0 * np.std(ahead["A"])
    assert "is in no group" in unseen.remarks()[0]
    drawn = gc.fit_ensemble(fitted, 3, resampled="runs", seed=2)
    assert np.all(np.isfinite(drawn.per_group[:, :, 0]))


def test_an_ensemble_with_groups_is_read_as_it_was_written(fitted, ensemble, tmp_path):
    path = save_ensemble(ensemble, tmp_path)
    again = load_ensemble(tmp_path, fitted)
    assert np.array_equal(again.per_group, ensemble.per_group, equal_nan=True)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "per_group": {"shape": [16, 0, 2], "values": []}}))
    with pytest.raises(FitError, match="its groups are not those of the fit"):
        load_ensemble(tmp_path, fitted)


def test_an_ensemble_of_the_format_before_is_read(runs, tmp_path):
    plain = gc.fit(straight(), runs[:2], gc.FitSettings(starts=1))
    path = save_ensemble(gc.fit_ensemble(plain, 2), tmp_path)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**{name: value for name, value in whole.items() if name != "per_group"}, "format": 1}))
    assert load_ensemble(tmp_path, plain).per_group.shape == (2, 0, 2)


def test_groups_are_found_again_beside_own_values_and_starts_of_runs(runs):
    problem = gc.Problem(straight(0.4, PER_GROUP), runs, groups=GROUPS, initial_error={"A": 0.05})
    fit = gc.fit(problem, settings=gc.FitSettings(starts=1))
    found = refound(fit)
    at = linearised(found, np.r_[[row.value for row in fit.estimates], found.x[2:]])
    assert 0.5 * float(at.residuals[:-2] @ at.residuals[:-2]) == pytest.approx(fit.cost, rel=1e-6)
    assert found.labels[2:4] == ("a of one", "A at time 0 of one")
    assert found.labels[-2:] == ("a of group A", "a of group B")
