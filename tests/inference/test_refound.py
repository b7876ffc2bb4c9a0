"""The objective of a fit is found again from its result, with random effects and initial states."""

import numpy as np
import pytest
from straight_runs import measured, straight

import graycell as gc
from graycell.inference.likelihood import residuals
from graycell.inference.refound import refound
from graycell.uncertainty import sample_posterior


@pytest.fixture(scope="module")
def fitted():
    runs = [measured("one", 2.5, 1.2, seed=1), measured("two", 3.4, 1.2, seed=2)]
    errors = gc.InitialError(assay={"A": 0.1, "B": 0.05}, between_runs={"A": 0.2})
    return gc.fit(gc.Problem(straight(0.6), runs, initial_error=errors), settings=gc.FitSettings(starts=1))


def test_the_cost_at_the_coordinates_is_that_of_the_fit(fitted, tmp_path):
    gc.save_fit(fitted, tmp_path)
    for fit in (fitted, gc.load_fit(tmp_path)):
        problem = refound(fit)
        found = residuals(problem.objective, problem.x, problem.loop)
        assert 0.5 * float(found @ found) == pytest.approx(fitted.cost, rel=1e-6)
        assert problem.labels[:4] == ("a", "b", "a of one", "A at time 0 of one")
        assert problem.labels[-1] == "common A at time 0"


def test_initial_concentrations_are_sampled_and_begin_predictions(fitted):
    pytest.importorskip("numpyro", reason="part of the extra 'sampling'")
    sample = sample_posterior(fitted, draws=100, warm_up=60, chains=2)
    flat = sample.values.reshape(200, -1)
    states = fitted.initial_states
    for i, run in enumerate(fitted.runs):
        column = sample.names.index(f"A at time 0 of {run.name}")
        given = states.given[i, 0] * np.exp(states.deviation[i, 0])
        assert np.mean(np.log(flat[:, column] / given)) == pytest.approx(0.0, abs=0.5 * states.sd[i, 0])
        assert np.std(np.log(flat[:, column])) == pytest.approx(states.sd[i, 0], rel=0.35)
        ahead = sample.predict(run, draws=200, times=[0.0, 4.0])
        assert np.allclose(ahead["A"][:, 0], flat[:, column], rtol=1e-6)
    new = sample.predict(gc.CultureRun("new", 1.0, {"A": 10.0, "B": 10.0}, end=4.0), draws=200, times=[0.0])
    spread = np.std(np.log(new["A"]))
    assert 0.05 < spread < 0.11  # the assay and the distribution between runs are two measurements of it
