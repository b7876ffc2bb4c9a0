"""Problems, and predictions from the posterior of a fit; with a model of five reactions."""

from dataclasses import replace

import numpy as np
import pytest
from small_models import fed_batch, monod

import graycell as gc
from graycell.simulation.solve import SolverSettings

MEASURED = ("VCD", "viability", "GLC", "LAC", "mAb")
TIMES = np.arange(0.5, 6.1, 0.5)


def measured(model, run, seed=0, noise=0.02):
    """Return the run with measurements of the model, with noise of known size."""
    random, path = np.random.default_rng(seed), gc.simulate(model, run, save_at=TIMES)
    series = {}
    for name in MEASURED:
        true = np.asarray(path[name])
        sd = noise * np.max(true) * np.ones(len(TIMES))
        seen = np.maximum(true + sd * random.normal(size=len(TIMES)), 0.0)
        series[name] = gc.Measurement(name, model.unit(name), TIMES, seen, sd)
    return replace(run, measurements=series)


@pytest.fixture(scope="module")
def fitted():
    truth = monod()
    start = truth.with_parameters({"mu": 0.5, "q": 1.0, "Y": 1.0, "qp": 0.03, "kd": 0.1})
    problem = gc.Problem(start, measured(truth, fed_batch()), parameters={
        "K": replace(start.table["K"], estimated=False), "Ki": replace(start.table["Ki"], prior_sd=0.5),
    })  # fmt: skip
    return gc.fit(problem, settings=gc.FitSettings(starts=1))


def test_a_model_of_four_states_and_more_is_fitted_to_one_run(fitted):
    truth, names = monod(), [row.name for row in fitted.estimates]
    assert "K" not in names
    assert fitted.converged
    for row in fitted.estimates:
        known = float(truth.parameters[row.name])
        assert abs(np.log(row.value / known)) <= 4.0 * row.relative_error, row.name


def test_a_prediction_is_a_distribution_around_the_estimate(fitted):
    ahead = fitted.predict(fed_batch(), draws=40, seed=1)
    low, high = ahead.interval("mAb", level=0.9)
    assert ahead.failed == 0
    assert ahead["mAb"].shape == (40, 101)
    assert np.all(low <= high)
    assert low[-1] < ahead.best[-1, ahead.names.index("mAb")] < high[-1]
    assert 0.001 < (high[-1] - low[-1]) / high[-1] < 0.3  # neither a point nor everything
    again = fitted.predict(fed_batch(), draws=40, seed=1)
    assert np.array_equal(ahead.values, again.values)
    exact = gc.simulate(fitted.model, fed_batch(), SolverSettings(rtol=1e-5, atol=1e-6), save_at=ahead.time)
    assert np.allclose(ahead.best[:, ahead.names.index("GLC")], exact["GLC"], rtol=1e-6, atol=1e-9)


def test_a_parameter_that_differs_between_runs_keeps_its_value_in_a_run_of_the_fit(fitted):
    own = replace(fitted, per_run={"fed batch": {"mu": 0.9}})
    ahead = own.predict(fed_batch(), draws=3, times=[3.0, 6.0])
    direct = gc.simulate(fitted.model.with_parameters({"mu": 0.9}), fed_batch(), save_at=[3.0, 6.0])
    assert float(ahead.best[0, ahead.names.index("VCD")]) == pytest.approx(float(direct["VCD"][0]), rel=1e-4)


def test_a_value_of_one_run_beyond_the_bounds_is_the_best_one_as_it_is(fitted):
    beyond = 2.0 * fitted.model.table["qp"].upper
    own = replace(fitted, per_run={"fed batch": {"qp": beyond}})
    ahead = own.predict(fed_batch(), draws=3, times=[3.0, 6.0])
    fine = SolverSettings(rtol=1e-5, atol=1e-6)
    direct = gc.simulate(own.model_of("fed batch"), fed_batch(), fine, save_at=[3.0, 6.0])
    titer = ahead.names.index("mAb")
    assert float(ahead.best[1, titer]) == pytest.approx(float(direct["mAb"][1]), rel=1e-9)
    assert np.all(ahead["mAb"][:, 1] > 0.5 * ahead.best[1, titer])  # the draws keep it too


@pytest.mark.parametrize("time", [-1.0, 6.5, float("nan")])
def test_a_prediction_outside_of_the_run_is_refused(fitted, time):
    with pytest.raises(gc.ModelError, match=r"d in times; the run is simulated from 0 to 6 d"):
        fitted.predict(fed_batch(), draws=1, times=[1.0, time])


def test_settings_in_the_place_of_runs_are_refused(unchecked):
    for first in (monod(), gc.Problem(monod(), fed_batch())):
        with pytest.raises(gc.FitError, match=r"found FitSettings in the place of the runs; .*settings=FitSettings"):
            gc.fit(first, gc.FitSettings(starts=1))
    with pytest.raises(gc.FitError, match=r"found list in the place of the runs; .* a Problem has its own"):
        gc.fit(gc.Problem(monod(), fed_batch()), [fed_batch()])


def test_predictions_and_posteriors_open_in_other_tools(fitted):
    ahead = fitted.predict(fed_batch(), draws=3, times=[1.0, 2.0])
    data = ahead.to_xarray()
    assert data["mAb"].attrs["units"] == "g/L"
    assert data["mAb"].sel(draw=2, time=2.0).item() == ahead["mAb"][2, 1]
    figure = ahead.plot("mAb")
    assert "mAb [g/L]" in figure.layout.yaxis.title.text
    other = ahead.plot("mAb", units="mAb=mg/L, time=h")
    assert (other.layout.yaxis.title.text, other.layout.xaxis.title.text) == ("mAb [mg/L]", "time [h]")
    for new, old in zip(other.data, figure.data, strict=True):
        np.testing.assert_allclose(new.x, 24.0 * np.asarray(old.x), rtol=1e-12)
        np.testing.assert_allclose(new.y, 1000.0 * np.asarray(old.y), rtol=1e-12)
        if old.error_y.array is not None:
            np.testing.assert_allclose(new.error_y.array, 1000.0 * np.asarray(old.error_y.array), rtol=1e-12)
    with pytest.raises(gc.ModelError, match="did you mean 'mAb'"):
        ahead.plot("mab")


@pytest.mark.filterwarnings("ignore:\\s*ArviZ is undergoing:FutureWarning")  # of importorskip, once a day
def test_a_posterior_opens_in_arviz(fitted):
    pytest.importorskip("arviz", reason="part of the extra 'export'")
    posterior = fitted.to_arviz(draws=50, seed=3).posterior
    assert posterior["mu"].shape == (1, 50)
    assert float(posterior["mu"].mean()) == pytest.approx(float(fitted.model.parameters["mu"]), rel=0.05)


def test_a_problem_changes_priors_bounds_and_noise_of_a_fit_and_not_the_model():
    model, run = monod(), measured(monod(), fed_batch())
    wide = replace(model.table["mu"], upper=1000.0)
    problem = gc.Problem(model, run, parameters={"mu": wide}, noise={"GLC": (0.1, 2.0)})
    assert problem.parameters["mu"].upper == 1000.0
    assert model.table["mu"].upper == 14.0
    expected = np.hypot(0.1 * run.measurements["GLC"].value, 2.0)
    assert np.allclose(problem.runs[0].measurements["GLC"].standard_error, expected)
    assert np.array_equal(problem.runs[0].measurements["LAC"].standard_error, run.measurements["LAC"].standard_error)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"parameters": {"nu": gc.Parameter(1.0)}}, gc.ModelError, "did you mean 'mu'"),
        ({"noise": {"GLK": (0.1, 0.1)}}, gc.ModelError, "did you mean 'GLC'"),
        ({"noise": {"GLC": (0.0, 0.0)}}, gc.FitError, "one is above"),
        ({"parameters": {"mu": gc.Parameter(1.0, "1/d", 2.0, 3.0)}}, gc.ModelError, "must enclose the value"),
        ({"runs": [fed_batch(), fed_batch()]}, gc.FitError, "names must differ"),
    ],
)
def test_a_problem_that_contradicts_itself_is_a_sentence(changes, error, sentence):
    with pytest.raises(error, match=sentence):
        gc.Problem(**{"model": monod(), "runs": fed_batch(), **changes})


def test_a_fixed_parameter_may_lie_outside_of_its_bounds():
    table = monod().table.with_changes("recovery", upper=1.0)
    assert gc.Problem(monod(), fed_batch(), table).parameters["recovery"].value == 8.0
