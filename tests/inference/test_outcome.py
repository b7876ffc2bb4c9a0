"""Fits of models that do not behave: no derivatives, no trajectory, no covariance; what was reached is a result."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cell.rates import RateLaw
from graycell.cli import app
from graycell.diagnosis import undetermined_combinations
from graycell.errors import FitError
from graycell.inference import FitSettings, FitStatus, Stage, fit, load_fit, save_fit
from graycell.inference.least_squares import Linearisation, Point, step
from graycell.inference.outcome import covariance_of
from graycell.reporting import report
from graycell.reporting.predictions import prediction_report

DAYS = np.array([0.5, 1.0, 2.0, 3.0])
QUICK = FitSettings(starts=1, stages=(Stage("whole", 60),))


@pytest.mark.parametrize(
    "jacobian",
    [
        [[1.0, np.nan], [0.0, 1.0]],
        [[np.inf, 0.0], [0.0, 1.0]],
        [[-np.inf, np.nan], [np.nan, np.nan]],
        np.full((40, 7), np.nan),
        [[1.0, 2.0, -np.inf]],
    ],
)
def test_a_covariance_that_cannot_be_computed_is_nan(jacobian):
    found = covariance_of(np.array(jacobian, float))
    assert found.shape == (np.shape(jacobian)[1],) * 2
    assert np.all(np.isnan(found))


@pytest.mark.parametrize(
    ("jacobian", "variances"),
    [
        ([[2.0, 0.0], [0.0, 0.5]], [0.25, 4.0]),
        ([[0.0, 0.0], [0.0, 0.0]], [np.inf, np.inf]),
        ([[1.0, 0.0], [1.0, 0.0]], [0.5, np.inf]),
        ([[1e200, 0.0], [0.0, 1e200]], [0.0, 0.0]),
        ([[1e-150, 0.0], [0.0, 1e-150]], [1e300, 1e300]),
        ([[1e-200, 0.0], [0.0, 1e-200]], [np.inf, np.inf]),
        (np.zeros((3, 0)), []),
    ],
)
def test_a_covariance_of_any_size_is_computed(jacobian, variances):
    assert np.diag(covariance_of(np.array(jacobian, float))) == pytest.approx(variances)


def test_a_step_with_derivatives_of_any_size_is_a_step():
    for jacobian in (1e200, 1e-200, 0.0):
        at = Linearisation(np.ones(1), np.full((1, 1), jacobian))
        point, _ = step(Point(np.zeros(1)), at, lambda x, at=at: at, 1e-6)
        assert np.all(np.isfinite(point.x))


class Bent(RateLaw):
    """A parameter, with no derivative at any value: that of a root at 0, times 0, is not a number."""

    name: str

    def __call__(self, at):
        value = at.parameter(self.name)
        return value + 0.0 * jnp.sqrt(0.0 * value)


class Wild(RateLaw):
    """A parameter whose derivative is finite and beyond all measure."""

    name: str

    def __call__(self, at):
        value = at.parameter(self.name)
        return value + 1e-60 * jnp.sin(1e100 * value)


class Fails(RateLaw):
    """A parameter; not a number above a limit of it."""

    name: str
    limit: float

    def __call__(self, at):
        value = at.parameter(self.name)
        return jnp.where(value > self.limit, jnp.nan, value)


def culture(law: RateLaw, **changes) -> gc.CultureModel:
    rows = {"mu": gc.Parameter(0.4, "1/d", 0.05, 4.0), "q": gc.Parameter(1.0, "mmol/(1e9 cells)/d", 0.1, 10.0)}
    return gc.CultureModel(
        species={"VCD": "1e9 cells/L"},
        reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        rates={"growth": law, "uptake": gc.Rate("q")},
        parameters={name: replace(row, **changes.get(name, {})) for name, row in rows.items()},
    )


def batch(name: str = "batch") -> gc.CultureRun:
    cells = np.exp(0.7 * DAYS)
    off = 1.0 + 0.02 * np.array([1.0, -1.0, -1.0, 1.0])  # so that a fit has a cost at which it stalls
    made = {"VCD": cells * off, "GLC": (40.0 - 1.5 * (cells - 1.0) / 0.7) * off}
    units = {"VCD": "1e9 cells/L", "GLC": "mmol/L"}
    measured = {one: gc.Measurement(one, units[one], DAYS, value, 0.03 * value + 0.1) for one, value in made.items()}
    return gc.CultureRun(name, 1.0, {"VCD": 1.0, "GLC": 40.0}, measured, end=3.0)


@pytest.mark.ode
@pytest.mark.parametrize("law", [Bent("mu"), Wild("mu")], ids=["none", "wild"])
def test_a_law_without_derivatives_is_fitted_by_differences(law):
    fitted = fit(culture(law), batch(), QUICK)
    assert [row.value for row in fitted.estimates] == pytest.approx([0.7, 1.5], rel=0.05)
    assert fitted.status is FitStatus.converged
    assert fitted.has_covariance
    assert fitted.remarks() == []


@pytest.mark.ode
def test_a_start_that_fails_is_left_for_one_that_does_not():
    model = culture(Fails("mu", 0.9), mu={"value": 1.0, "prior_sd": 2.0})  # drawn starts lie around it
    fitted = fit(model, batch(), replace(QUICK, starts=6, screening=2))
    assert [row.value for row in fitted.estimates] == pytest.approx([0.7, 1.5], rel=0.05)


@pytest.mark.ode
def test_a_model_that_fails_from_every_start_is_a_sentence():
    with pytest.raises(FitError, match=r"cannot be simulated.*At the starting values run 'batch' stops near 0 d"):
        fit(culture(Fails("mu", 0.01)), batch(), replace(QUICK, starts=3, screening=2))


class Opens(RateLaw):
    """A parameter while the loop is open; not a number once the loop variable leaves its measured value."""

    name: str

    def __call__(self, at):
        return jnp.where(at.variable("P") > 2.0, jnp.nan, at.parameter(self.name))


@pytest.fixture(scope="module")
def stopped():
    """A fit whose last stage cannot be simulated from anywhere: with its loop closed, P goes to where growth fails."""
    known = culture(gc.Rate("mu"))
    loop = gc.LoopVariable(gc.FluxValue("uptake") * 40.0, gc.Dynamic("ts"))
    rows = {row.name: row for row in known.table}
    model = known.rebuilt(
        variables={"P": loop}, rates={**known.rates, "growth": Opens("mu")}, parameters={**rows, "ts": 0.1}
    )
    run = batch()
    seen = gc.Measurement("P", "1", DAYS, np.ones(4), np.full(4, 0.1))
    run = replace(run, initial={**run.initial, "P": 1.0}, measurements={**run.measurements, "P": seen})
    stages = (Stage("open", 6, opened=1.0), Stage("closed", 6))
    return model, run, fit(model, run, FitSettings(starts=1, stages=stages))


@pytest.mark.ode
def test_what_an_earlier_stage_reached_is_the_result_where_the_last_one_fails(stopped, tmp_path):
    _, run, fitted = stopped
    assert fitted.status is FitStatus.last_stage_failed
    assert not fitted.converged
    assert np.isinf(fitted.cost)
    assert fitted.history  # the iterations of the earlier stage
    assert not fitted.has_covariance
    said = " ".join(fitted.remarks())
    assert "earlier one" in said
    assert "no standard errors" in said
    save_fit(fitted, tmp_path)
    again = load_fit(tmp_path, fitted.model)
    assert again.status is fitted.status
    assert not again.has_covariance
    for wanted in (lambda: again.predict(run, 2), lambda: undetermined_combinations(again)):
        with pytest.raises(FitError, match="no covariance"):
            wanted()


@pytest.mark.ode
def test_a_report_of_a_fit_without_covariance_says_so(stopped, tmp_path):
    page = report(stopped[2], tmp_path).read_text()
    assert "The covariance could not be computed" in page
    assert "last stage failed" in page


@pytest.mark.ode
def test_a_parameter_at_its_bound_has_derivatives():
    fitted = fit(culture(gc.Rate("mu"), mu={"upper": 0.5}), batch(), replace(QUICK, stages=(Stage("whole", 80),)))
    [row, _] = fitted.estimates
    assert row.at_bound
    assert fitted.has_covariance


@pytest.fixture(scope="module")
def contradicted(tmp_path_factory):
    """A fit of exponential growth to cells that stop growing, saved and read."""
    days = np.arange(0.0, 9.0)
    cells = 8.0 / (1.0 + 7.0 * np.exp(-1.2 * days))
    seen = {"VCD": cells, "GLC": 40.0 - 2.0 * days}
    units = {"VCD": "1e9 cells/L", "GLC": "mmol/L"}
    measured = {one: gc.Measurement(one, units[one], days, value, 0.03 * value) for one, value in seen.items()}
    run = gc.CultureRun("plateau", 1.0, {"VCD": 1.0, "GLC": 40.0}, measured, end=8.0)
    folder = tmp_path_factory.mktemp("contradicted")
    save_fit(fit(culture(gc.Rate("mu")), run, replace(QUICK, starts=2)), folder)
    return folder


@pytest.mark.ode
def test_a_model_that_contradicts_its_data_is_told_wherever_its_fit_is_read(contradicted, tmp_path):
    fitted = load_fit(contradicted)
    said = [sentence for sentence in fitted.remarks() if sentence.startswith("The model contradicts its data: chi-squ")]
    assert len(said) == 1
    assert fitted.agreement.values == 16
    assert fitted.agreement.chi_square == pytest.approx(2.0 * fitted.cost / 16, rel=0.3)  # but for priors
    page = report(fitted, tmp_path / "page").read_text(encoding="utf-8")
    assert said[0].partition(" (about")[0] in page
    assert "chi-square a value, about 1 expected" in page
    predicted = prediction_report(fitted.predict(fitted.runs[0], 4), fitted, tmp_path / "predicted")
    assert said[0] in predicted.with_suffix(".json").read_text(encoding="utf-8")
    assert said[0].partition(" (about")[0] in predicted.read_text(encoding="utf-8")
    gc.write_runs([replace(fitted.runs[0], measurements={})], tmp_path / "plan")
    line = ["predict", str(contradicted), str(tmp_path / "plan"), "--draws", "10", "--out", str(tmp_path / "out")]
    printed = " ".join(CliRunner().invoke(app, line).output.split())
    assert f"warning: {said[0]}" in printed
