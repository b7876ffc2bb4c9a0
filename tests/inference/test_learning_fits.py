"""Fits of networks and of own values of runs: known rates found again, the journal, held-out runs, censored values."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from small_runs import GROWTH, PER_CELL, RELEASE, SPECIES, UPTAKE, batch

from graycell.cell.neural import weights_of
from graycell.cell.rates import Monod, Rate, ViableCells
from graycell.diagnosis import learned_reactions, recovered_law
from graycell.errors import FitError
from graycell.hybrid import neural_rates_model, with_neural_rates
from graycell.inference import Fit, FitSettings, Stage, fit, load_fit, save_fit
from graycell.inference.censoring import below_limit
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import residuals
from graycell.model import CultureModel
from graycell.parameters import Parameter
from graycell.provenance import provenance_of
from graycell.simulation.simulate import Loop, SolverSettings, simulate

STAGES = (Stage("integral matching", 15, opened=1.0, matching=True), Stage("whole runs", 25))
SETTINGS = FitSettings(stages=STAGES, starts=2, adam=100, held_out="nothing", seed=7)
CLOSED = Loop(jnp.asarray(0.0), jnp.asarray(0.0))


class Killed(Exception):
    pass


def killed_at(stage, iteration):
    def tell(now):
        if now.stage == stage and now.iteration == iteration:
            raise Killed

    return tell


@pytest.fixture(scope="module")
def runs():
    return [batch("rich", 40.0), batch("poor", 28.0), batch("many cells", 35.0, cells=1.3)]


@pytest.fixture(scope="module")
def black(runs):
    return neural_rates_model(runs, inputs=("GLC",), hidden=2)


@pytest.fixture(scope="module")
def fitted(black, runs):
    return fit(black, runs, SETTINGS)


def test_known_constant_rates_are_found_again(fitted, black):
    """Over the glucose that the runs went through, from simulated values without noise."""
    assert black.species == SPECIES
    for glucose in (15.0, 25.0, 38.0):
        found = np.asarray(fitted.model.kinetic_rates(jnp.array([4.0, glucose, 5.0])))
        assert found == pytest.approx([GROWTH * PER_CELL, -UPTAKE, RELEASE], rel=0.03)


def test_the_fit_meets_its_runs_and_tells_what_it_did(fitted, runs):
    assert fitted.estimates == ()
    assert fitted.covariance.shape == (fitted.model.weight_count,) * 2
    stages = list(dict.fromkeys(row["stage"] for row in fitted.history))
    assert stages == ["Adam", "integral matching", "whole runs"]
    path = simulate(fitted.model, runs[0], points=2).require_finished()
    for name in SPECIES:
        series = runs[0].measurements[name]
        assert np.max(np.abs(path.at_samples(name) - series.value) / series.standard_error) < 1.0


def test_a_law_has_a_band_of_the_covariance_of_its_fit(fitted):
    for reaction in learned_reactions(fitted.model):
        for curve in recovered_law(fitted, reaction, points=12).curves:
            assert np.all(np.isfinite(curve.high))
            assert np.all(curve.high > curve.learned)


def test_a_fit_of_networks_is_the_same_each_time_for_a_seed(fitted, black, runs):
    again = fit(black, runs, SETTINGS)
    assert np.array_equal(weights_of(again.model.nets), weights_of(fitted.model.nets))
    assert again.cost == fitted.cost
    assert [row["cost"] for row in again.history] == [row["cost"] for row in fitted.history]


@pytest.mark.parametrize(
    ("stage", "iteration"), [("Adam, all starts", 100), ("integral matching", 4), ("whole runs", 3)]
)
def test_a_killed_fit_of_networks_goes_on_to_the_same_result(stage, iteration, fitted, black, runs, tmp_path):
    with pytest.raises(Killed):
        fit(black, runs, SETTINGS, folder=tmp_path, progress=killed_at(stage, iteration))
    resumed = fit(black, runs, SETTINGS, folder=tmp_path)
    assert np.array_equal(weights_of(resumed.model.nets), weights_of(fitted.model.nets))
    assert [row["cost"] for row in resumed.history] == [row["cost"] for row in fitted.history]


HELD = replace(SETTINGS, held_out="runs", held_out_share=0.34, patience=3, least_gain=1e-9)


@pytest.fixture(scope="module")
def misleading(runs):
    """The runs, with the one that `HELD` holds out made to say something else from day 2 on."""
    held = int(np.random.default_rng(HELD.seed).permutation(len(runs))[0])
    series = runs[held].measurements["LAC"]
    bent = replace(series, value=series.value * np.where(series.time > 2.0, 1.15, 1.0))
    other = [*runs]
    other[held] = replace(runs[held], measurements={**runs[held].measurements, "LAC": bent})
    return held, other


@pytest.fixture(scope="module")
def stopped(black, misleading):
    return fit(black, misleading[1], HELD)


def held_cost(model, runs, held):
    objective = objective_for(model, runs, (), SolverSettings(rtol=1e-6, atol=1e-7))
    values = np.asarray(residuals(objective, weights_of(model.nets), CLOSED))[: -objective.size]
    return 0.5 * np.sum(values.reshape(len(runs), -1)[held] ** 2)


def test_a_fit_stops_where_the_held_out_run_is_met_best(stopped, misleading):
    held, runs = misleading
    rows = [row for row in stopped.history if row["stage"] == "whole runs"]
    seen = [row["held out"] for row in rows]
    assert len(rows) < 25  # it stopped before its iterations were spent
    assert held_cost(stopped.model, runs, held) == pytest.approx(min(seen), rel=1e-2)
    assert seen.index(min(seen)) < len(seen) - 1  # it went on for a while, to see that it only got worse
    assert all("held out" not in row for row in stopped.history if row["stage"] != "whole runs")


def test_nothing_is_learned_from_a_run_that_is_held_out(black, runs, misleading, stopped):
    """Until the last stage, the fit to other values of the held-out run is the same, bit for bit."""
    costs = [
        [row["cost"] for row in result.history if row["stage"] == "integral matching"]
        for result in (stopped, fit(black, runs, HELD))
    ]
    assert costs[0] == costs[1]
    assert costs[0] != [
        row["cost"] for row in fit(black, runs, SETTINGS).history if row["stage"] == "integral matching"
    ]


def test_a_killed_fit_that_is_stopped_by_a_held_out_run_goes_on_to_the_same_result(
    stopped, black, misleading, tmp_path
):
    with pytest.raises(Killed):
        fit(black, misleading[1], HELD, folder=tmp_path, progress=killed_at("whole runs", 2))
    resumed = fit(black, misleading[1], HELD, folder=tmp_path)
    assert np.array_equal(weights_of(resumed.model.nets), weights_of(stopped.model.nets))
    again = fit(black, misleading[1], HELD, folder=tmp_path)  # a finished fit is not made again, nor another one
    assert np.array_equal(weights_of(again.model.nets), weights_of(stopped.model.nets))


def test_holding_out_the_only_run_is_refused(black, runs):
    with pytest.raises(FitError, match="at least one must be learned from"):
        fit(black, runs[:1], HELD)


def white():
    """Cells that are made of glucose: one parameter, that every run may have its own value of."""
    return CultureModel(
        name="white",
        network={"in": "GLC_ext => G", "grow": "G => BIOM_ext"},
        rates={"grow": Rate("vmax") * Monod("GLC", "K")},
        parameters={
            "vmax": Parameter(1.0, "mmol/(1e9 cells)/d", 0.1, 5.0, between_runs_sd=0.4),
            "K": Parameter(2.0, "mmol/L", 0.1, 50.0, estimated=False),
            "per_cell": Parameter(PER_CELL, "mmol/(1e9 cells)", 1.0, 10.0, estimated=False),
        },
        cells=ViableCells("BIOM", "per_cell", "viability"),
    )


OWN = {"slow": 0.8, "fast": 1.3}


@pytest.fixture(scope="module")
def two_runs():
    model, found = white(), []
    for name, vmax in OWN.items():
        plan = batch(name, 40.0, relative_error=0.01)
        plan = replace(plan, measurements={one: plan.measurements[one] for one in ("BIOM", "GLC")})
        path = simulate(model.with_parameters({"vmax": vmax}), plan, points=2).require_finished()
        measured = {one: replace(series, value=path.at_samples(one)) for one, series in plan.measurements.items()}
        found.append(replace(plan, measurements=measured))
    return found


@pytest.fixture(scope="module")
def apart(two_runs):
    return fit(white(), two_runs, FitSettings(starts=1, stages=(Stage("whole runs", 40),)))


def test_a_parameter_that_differs_between_runs_is_found_again_for_each(apart):
    """The shared value is the geometric mean: both deviations are drawn to 0 by the same standard deviation."""
    assert {run: values["vmax"] for run, values in apart.per_run.items()} == pytest.approx(OWN, rel=0.01)
    assert apart.model.parameters["vmax"] == pytest.approx(np.sqrt(0.8 * 1.3), rel=0.01)
    assert apart.model_of("slow").parameters["vmax"] == pytest.approx(0.8, rel=0.01)
    assert apart.model_of("another run").parameters["vmax"] == apart.model.parameters["vmax"]
    [estimate] = apart.estimates
    # the deviations say how well the shared value is known: 0.4/sqrt(2)
    assert estimate.standard_error / estimate.value == pytest.approx(0.4 / np.sqrt(2.0), rel=0.05)


def test_own_values_are_saved_with_a_fit(apart, tmp_path):
    save_fit(apart, tmp_path)
    assert load_fit(tmp_path).per_run == load_fit(tmp_path, model=white()).per_run == apart.per_run


def test_an_own_value_beyond_the_bounds_of_the_shared_one_is_a_model_too(two_runs):
    narrow = white().with_table(white().table.with_changes("vmax", upper=1.25))
    result = fit(narrow, two_runs, FitSettings(starts=1, stages=(Stage("whole runs", 40),)))
    assert result.per_run["fast"]["vmax"] == pytest.approx(1.3, rel=0.02)
    assert result.model_of("fast").parameters["vmax"] == result.per_run["fast"]["vmax"]


def test_a_censored_residual_is_the_log_probability_of_scipy():
    u = np.array([-7.9, -3.0, -1.0, 0.0, 0.5, 2.0, 6.0, 30.0, 900.0, 1.1e3, 1e5])
    expected = -scipy.stats.norm.logcdf(-u)
    assert 0.5 * np.asarray(below_limit(jnp.asarray(u))) ** 2 == pytest.approx(expected, rel=1e-6, abs=1e-15)


def test_a_censored_residual_has_the_derivative_of_central_differences_and_none_far_below():
    u = np.array([-5.0, -1.0, 0.0, 2.0, 6.0, 30.0, 900.0, 2e3, 1e6])
    slope = np.asarray(jax.vmap(jax.grad(below_limit))(jnp.asarray(u)))
    step = 1e-4 * np.maximum(np.abs(u), 1.0)
    above, below = (np.asarray(below_limit(jnp.asarray(u + sign * step))) for sign in (1.0, -1.0))
    central = (above - below) / (2.0 * step)
    assert slope == pytest.approx(central, rel=1e-5)
    far = jnp.array([-8.5, -100.0, -1e9])
    assert not np.any(np.asarray(jax.vmap(jax.grad(below_limit))(far)))
    assert np.all(np.asarray(below_limit(far)) < 1e-6)


def test_a_value_below_its_limit_pulls_nothing_where_less_is_predicted(two_runs):
    """Glucose limits of 1000 mmol/L, and one of 1 mmol/L: the first say nothing, the second is far off."""
    series = two_runs[0].measurements["GLC"]
    limit = np.full(len(series.time), 1000.0)
    limit[3] = 1.0
    censored = replace(series, value=limit, below=np.ones(len(limit), bool))
    run = replace(two_runs[0], measurements={**two_runs[0].measurements, "GLC": censored})
    model = white().with_parameters({"vmax": 0.8})
    objective = objective_for(model, [run], (model.table["vmax"],), SolverSettings(rtol=1e-6, atol=1e-7))
    x = objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), weights_of(model.nets))
    values = np.asarray(residuals(objective, x, CLOSED))[: -objective.size].reshape(objective.packed.measured.shape)
    of_glucose = values[0, :, model.species.index("GLC")]
    rows = [int(np.flatnonzero(np.asarray(objective.packed.end[0]) == time)[0]) for time in series.time]
    assert np.delete(of_glucose[rows], 3) == pytest.approx(0.0, abs=1e-6)
    misfit = (series.value[3] - 1.0) / series.standard_error[3]
    assert of_glucose[rows][3] == pytest.approx(np.sqrt(-2.0 * scipy.stats.norm.logcdf(-misfit)), rel=1e-4)


def test_a_fit_of_a_black_box_on_disk_is_the_fit(fitted, tmp_path):
    save_fit(fitted, tmp_path)
    read = load_fit(tmp_path)
    assert np.array_equal(weights_of(read.model.nets), weights_of(fitted.model.nets))
    assert read.model.nets["rates"].inputs == ("GLC",)
    assert read.settings == fitted.settings
    assert read.history == fitted.history
    point = jnp.array([4.0, 25.0, 5.0])
    assert read.model == fitted.model
    assert np.array_equal(read.model.kinetic_rates(point), fitted.model.kinetic_rates(point))


def test_a_fit_of_a_gray_model_on_disk_is_the_fit(run, tmp_path, published):
    laws = {"v17": {"kind": "black", "hidden": 2}, "loss": {"kind": "black", "inputs": ["CYSTINE"], "scale": 0.01}}
    model = with_neural_rates(published, laws, [run], {"loss": "CYSTINE_ext =>"}, seed=4)
    model = model.with_table(model.table.with_changes("vmax16", value=1.5 * model.table["vmax16"].value))
    made = Fit(model, (run,), (), np.zeros((0, 0)), 1.0, True, FitSettings(), (), provenance_of(model, [run], {}))
    save_fit(made, tmp_path)
    read = load_fit(tmp_path)
    assert read.model.table == model.table
    assert np.array_equal(weights_of(read.model.nets), weights_of(model.nets))
    point = jnp.linspace(3.0, 7.0, 13), {"R": 1.7, "shift": 0.4}
    assert np.array_equal(read.model.kinetic_rates(*point), model.kinetic_rates(*point))
    # a network whose inputs are scaled otherwise is another law
    path = tmp_path / "fit.json"
    data = json.loads(path.read_text())
    dict(data["definition"]["nets"]["mapping"])["v17"]["fields"]["centre"]["array"][0] += 1.0
    path.write_text(json.dumps(data))
    with pytest.raises(FitError, match="rate laws"):
        load_fit(tmp_path)
