"""fit_ensemble: draws from the posterior of a linear model, runs drawn again, members that are left out."""

from dataclasses import replace

import numpy as np
import pytest
import straight_runs

import graycell as gc
from graycell.errors import FitError

pytestmark = pytest.mark.ode
FEW_STEPS = gc.FitSettings(starts=1)


@pytest.fixture(scope="module")
def fitted():
    runs = [straight_runs.measured(f"run{k}", 3.0, 1.0, seed=k) for k in range(2)]
    return gc.fit(straight_runs.straight(), runs, FEW_STEPS)


@pytest.fixture(scope="module")
def ensemble(fitted):
    return gc.fit_ensemble(fitted, 80, seed=1)


def test_members_of_a_linear_model_are_draws_from_its_posterior(fitted, ensemble):
    mean, covariance = straight_runs.exact(fitted.runs, 0.0)
    assert ensemble.resampled == "errors"
    assert ensemble.remarks() == []
    sd = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(np.mean(ensemble.values, axis=0) - mean) < 4.0 * sd / np.sqrt(80))
    # of 80 draws the standard deviation of a standard deviation is 8 %
    assert np.std(ensemble.values, axis=0, ddof=1) == pytest.approx(sd, rel=0.3)
    assert np.corrcoef(ensemble.values.T)[0, 1] == pytest.approx(covariance[0, 1] / sd[0] / sd[1], abs=0.25)


def test_a_prediction_has_a_trajectory_of_each_member(fitted, ensemble):
    ahead = ensemble.predict(replace(fitted.runs[0], name="new", measurements={}), times=[0.0, 4.0])
    assert ahead["A"].shape == (80, 2)
    assert ahead["A"][:, 1] == pytest.approx(10.0 + 4.0 * ensemble.values[:, 0], rel=1e-4)
    assert ahead.best[1] == pytest.approx(fitted.predict(fitted.runs[0], 2, times=[0.0, 4.0]).best[1], rel=1e-4)


def test_the_first_members_do_not_depend_on_how_many_there_are(fitted, ensemble):
    few = gc.fit_ensemble(fitted, 2, seed=1)
    assert np.array_equal(few.values, ensemble.values[:2])
    assert "The ensemble has 2 members; from 10 on" in few.remarks()[0]
    assert list(few.to_frame()) == ["member", "a", "b"]
    assert few.summary()["mean"].to_numpy() == pytest.approx(np.mean(few.values, axis=0))


def test_runs_are_drawn_with_replacement():
    # runs differ by far more than their assays explain, which only the bootstrap of runs shows
    slopes = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    runs = [straight_runs.measured(f"run{k}", a, 1.0, seed=k) for k, a in enumerate(slopes)]
    fitted = gc.fit(straight_runs.straight(between=2.0), runs, FEW_STEPS)
    found = gc.fit_ensemble(fitted, 24, seed=2)
    assert found.resampled == "runs"
    assert np.std(found.values[:, 0]) > 0.3 * np.std(slopes) / np.sqrt(len(slopes))
    # a run of the fit has the value of the members that were fitted to it
    there = found.per_run[:, 0, 0]
    assert 0 < np.sum(np.isfinite(there)) < 24  # a run is not drawn in about a third of the members
    assert there[np.isfinite(there)] == pytest.approx(1.0, abs=0.6)
    ahead = found.predict(replace(runs[0], measurements={}), times=[4.0])
    known = np.isfinite(there)
    assert ahead["A"][known, 0] == pytest.approx(10.0 + 4.0 * there[known], rel=1e-4)
    new = found.predict(replace(runs[0], name="new", measurements={}), times=[4.0], seed=3)
    assert np.std(new["A"][:, 0]) > 4.0  # new runs differ by 2 a day


def test_numbers_that_make_no_sense_get_a_sentence(fitted):
    with pytest.raises(FitError, match="found members=1; at least 2 are needed"):
        gc.fit_ensemble(fitted, 1)
    with pytest.raises(FitError, match="found resampled='cells'; 'runs' or 'errors' is needed"):
        gc.fit_ensemble(fitted, 4, resampled="cells")
    alone = replace(fitted, runs=fitted.runs[:1])
    with pytest.raises(FitError, match="found one run, which is the same whenever it is drawn"):
        gc.fit_ensemble(alone, 4, resampled="runs")


def test_own_parameters_of_a_new_run_stay_within_the_bounds():
    runs = [straight_runs.measured(f"run{k}", a, 1.0, seed=k) for k, a in enumerate((2.0, 4.0))]
    fitted = gc.fit(straight_runs.straight(between=2.0), runs, FEW_STEPS)
    found = gc.fit_ensemble(fitted, 3, seed=2)
    far = np.tile(found.values, (20, 1)) + np.array([100.0, 0.0])
    wide = replace(found, values=far, weights=np.zeros((60, 0)),
                   per_run=np.tile(found.per_run, (20, 1, 1)), initial=np.tile(found.initial, (20, 1, 1)),
                   per_group=np.tile(found.per_group, (20, 1, 1)))  # fmt: skip
    ahead = wide.predict(replace(runs[0], name="new", measurements={}), times=[4.0])
    assert np.max(ahead["A"][:, 0]) == pytest.approx(10.0 + 4.0 * 103.0, rel=1e-4)  # 103 is the upper bound
