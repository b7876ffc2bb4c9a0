"""Uncertain initial concentrations: known answers of cells that grow exponentially, all in closed form."""

import json
from dataclasses import replace

import diffrax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from small_models import monod

import graycell as gc
from graycell.cell.neural import weights_of
from graycell.cell.rates import ViableCells
from graycell.comparison import ModelCandidate
from graycell.comparison.candidates import predicted
from graycell.errors import FitError, InputError
from graycell.hybrid.smoothing import smooth_run, stack_smooth
from graycell.inference.fitting import objective_for
from graycell.inference.initial_prior import initial_prior
from graycell.inference.likelihood import linearise, residuals
from graycell.inference.matching import Matching, linearise_matching
from graycell.packing import pack_all
from graycell.reporting import initial_states_frame, report
from graycell.runs.records import CultureRun, Measurement
from graycell.simulation.solve import Loop, SolverSettings

DAYS = np.arange(0.0, 5.01, 0.5)
MU, UPTAKE = 0.5, 1.2
"""True growth [1/d] and uptake [mmol/(10^9 cells)/d]."""
TRUE = {"a": 1.0, "b": 1.2, "c": 0.8}
"""True inocula [10^9 cells/L], which were counted 10 % too low."""
CLOSED = Loop(jnp.asarray(0.0), jnp.asarray(0.0))
SETTINGS = gc.FitSettings(starts=1)
BETWEEN = 0.2


def growing(**changes):
    """Return a model of cells that grow exponentially and take up glucose."""
    return gc.CultureModel(
        name="exponential",
        reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        rates={"growth": gc.Rate("mu"), "uptake": gc.Rate("q")},
        parameters={
            "mu": gc.Parameter(0.6, "1/d", 0.05, 3.0, prior_sd=1.0, **changes),
            "q": gc.Parameter(1.0, "mmol/(1e9 cells)/d", 0.1, 10.0, prior_sd=1.0),
        },
    )


def counted(name, true, given, seed=0, noise=0.02):
    """Return a run whose inoculum was counted with an error of 10 %, and everything later with a small one."""
    random = np.random.default_rng(seed)
    cells, glucose = true * np.exp(MU * DAYS), 100.0 - UPTAKE * true * (np.exp(MU * DAYS) - 1.0) / MU
    seen, sd = cells * np.exp(noise * random.standard_normal(len(DAYS))), noise * cells
    seen[0], sd[0] = given, 0.1 * given
    glucose[1:] += random.standard_normal(len(DAYS) - 1)
    measured = [
        Measurement("VCD", "1e9 cells/L", DAYS, seen, sd),
        Measurement("GLC", "mmol/L", DAYS, glucose, np.ones(len(DAYS))),
    ]
    return CultureRun(name, 1.0, {"VCD": given, "GLC": 100.0}, {one.quantity: one for one in measured})


def only_started(name, given, sample=None):
    """Return a run of which nothing is known but its start: one sample of glucose at time 0, and perhaps of cells."""
    measured = {"GLC": Measurement("GLC", "mmol/L", np.zeros(1), np.full(1, 100.0), np.ones(1))}
    if sample is not None:
        measured["VCD"] = Measurement("VCD", "1e9 cells/L", np.zeros(1), np.full(1, sample), np.full(1, 0.1 * sample))
    return CultureRun(name, 1.0, {"VCD": given, "GLC": 100.0}, measured, end=1.0)


def plan(given=0.9):
    return CultureRun("next", 1.0, {"VCD": given, "GLC": 100.0}, end=5.0)


@pytest.fixture(scope="module")
def runs():
    return [counted(name, true, 0.9 * true, seed) for seed, (name, true) in enumerate(TRUE.items(), 1)]


@pytest.fixture(scope="module")
def fitted(runs):
    return gc.fit(gc.Problem(growing(), runs, initial_error={"VCD": "measured"}), settings=SETTINGS)


@pytest.fixture(scope="module")
def related(runs):
    error = gc.InitialError({"VCD": "measured"}, between_runs={"VCD": BETWEEN})
    return gc.fit(gc.Problem(growing(), runs, initial_error=error), settings=SETTINGS)


def chi_squared(fit):
    """Return the sum of squared residuals over the number of measurements that say something."""
    return 2.0 * fit.cost / sum(len(series.time) - 1 for run in fit.runs for series in run.measurements.values())


def test_inocula_and_growth_are_found_again_where_counts_at_time_0_are_wrong(fitted):
    for row, true in zip(fitted.estimates, (MU, UPTAKE), strict=True):
        assert abs(row.value - true) < 3.0 * row.standard_error, row.name
    states = fitted.initial_states
    for i, (name, true) in enumerate(TRUE.items()):
        assert abs(np.log(fitted.initial[name]["VCD"] / true)) < 3.0 * states.sd[i, 0]
    assert np.all(states.sd < 0.02)  # the growth that follows tells more than the count
    assert chi_squared(fitted) < 1.3


def test_with_exact_counts_growth_is_wrong_by_many_standard_errors_and_chi_squared_shows_it(runs, fitted):
    exact = gc.fit(growing(), runs, SETTINGS)
    growth = exact.estimates[0]
    assert growth.value - MU > 10.0 * growth.standard_error
    assert chi_squared(exact) > 2.0 * chi_squared(fitted)
    assert exact.initial == {}
    assert exact.initial_states is None
    assert exact.run_of(runs[0]) is runs[0]


def test_over_many_truths_errors_of_starts_and_growth_are_as_large_as_they_say():
    """16 truths of 3 runs; with exact counts the growth rate is off by more than ten of its standard errors."""
    of_growth, of_starts = [], []
    for k in range(16):
        random = np.random.default_rng(1000 + k)
        true = np.exp(0.05 * random.standard_normal(3))
        given = true * np.exp(0.1 * random.standard_normal(3))
        made = [counted("abc"[i], true[i], given[i], seed=5000 + 10 * k + i) for i in range(3)]
        fit = gc.fit(gc.Problem(growing(), made, initial_error={"VCD": 0.1}), settings=SETTINGS)
        of_growth.append(np.log(fit.estimates[0].value / MU) / fit.estimates[0].relative_error)
        found = np.array([fit.initial[name]["VCD"] for name in "abc"])
        of_starts.append(np.log(found / true) / fit.initial_states.sd[:, 0])
    assert 0.6 < np.sqrt(np.mean(np.square(of_growth))) < 1.5
    assert 0.7 < np.sqrt(np.mean(np.square(of_starts))) < 1.3


def test_a_run_begins_with_its_estimate(fitted, runs):
    begun = fitted.run_of(runs[1])
    assert begun.initial["VCD"] == fitted.initial["b"]["VCD"]
    assert begun.initial["GLC"] == 100.0
    path = gc.simulate(fitted.model_of("b"), begun)
    seen = runs[1].measurements["VCD"]
    assert np.max(np.abs(path.at_samples("VCD") - seen.value)[1:] / seen.standard_error[1:]) < 3.5
    # a run of that name with another count is another run
    assert fitted.run_of(runs[1].with_initial(VCD=2.0)).initial["VCD"] == 2.0


@pytest.mark.parametrize("error", [{"VCD": 0.1}, {"VCD": "measured"}, "measured"])
def test_a_count_that_the_start_was_taken_from_counts_once(error):
    """Without any other data the start is as uncertain as its assay, sample at time 0 or not."""
    told = gc.fit(gc.Problem(growing(), only_started("a", 0.9, 0.9), initial_error=error), settings=SETTINGS)
    place = told.initial_states.species.index("VCD")
    assert told.initial_states.sd[0, place] == pytest.approx(0.1, rel=1e-6)
    assert told.initial["a"]["VCD"] == pytest.approx(0.9, rel=1e-6)
    if error == {"VCD": 0.1}:
        alone = gc.fit(gc.Problem(growing(), only_started("a", 0.9), initial_error=error), settings=SETTINGS)
        assert alone.initial_states.sd[0, 0] == pytest.approx(0.1, rel=1e-6)


def test_a_rounded_count_is_the_same_one_and_another_count_is_a_second_measurement():
    rounded = gc.fit(
        gc.Problem(growing(), only_started("a", 0.9, 0.9004), initial_error={"VCD": 0.1}), settings=SETTINGS
    )
    assert rounded.initial_states.sd[0, 0] == pytest.approx(0.1, rel=1e-6)
    second = gc.fit(gc.Problem(growing(), only_started("a", 0.9, 1.0), initial_error={"VCD": 0.1}), settings=SETTINGS)
    assert second.initial_states.sd[0, 0] == pytest.approx(0.1 / np.sqrt(2.0), rel=0.06)
    assert second.initial["a"]["VCD"] == pytest.approx(np.sqrt(0.9), rel=0.01)


def test_replicates_share_their_inoculum():
    """The posterior of a normal distribution of runs around a common mean, each counted once."""
    given = {"a": 0.8, "b": 1.0, "c": 1.3}
    error = gc.InitialError({"VCD": 0.1}, between_runs={"VCD": 0.05})
    told = gc.fit(
        gc.Problem(growing(), [only_started(*one) for one in given.items()], initial_error=error), settings=SETTINGS
    )
    logs, share = np.log(list(given.values())), 0.1**2 / (0.1**2 + 0.05**2)
    mean = np.mean(logs)
    assert told.initial_states.common_mean == pytest.approx([mean], abs=1e-6)
    expected = np.exp(logs + share * (mean - logs))
    assert [told.initial[name]["VCD"] for name in given] == pytest.approx(expected, rel=1e-6)
    own, of_mean = share * 0.05**2, (0.1**2 + 0.05**2) / 3.0
    assert told.initial_states.sd[:, 0] == pytest.approx(np.sqrt(own + share**2 * of_mean), rel=1e-6)
    # a run that was not fitted is drawn to the common mean by the same share
    assert told.run_of(plan(0.8)).initial["VCD"] == pytest.approx(expected[0], rel=1e-6)


def test_an_inoculum_that_two_runs_tell_serves_the_third(runs, related):
    """A third run without a usable sample is drawn to the common mean."""
    states = related.initial_states
    share = 0.1**2 / (0.1**2 + BETWEEN**2)
    expected = np.log(0.9) + share * (states.common_mean[0] - np.log(0.9))
    assert np.log(related.run_of(plan()).initial["VCD"]) == pytest.approx(expected, abs=1e-9)
    assert np.exp(states.common_mean[0]) == pytest.approx(np.exp(np.mean(np.log(list(TRUE.values())))), rel=0.03)


def effects_of(fit, i):
    """Return the covariance of ln mu and the deviation of the inoculum of a run."""
    states, covariance = fit.initial_states, np.zeros((2, 2))
    covariance[0, 0] = fit.covariance[0, 0]
    covariance[0, 1] = covariance[1, 0] = states.cross[i, 0, 0]
    covariance[1, 1] = states.within[i, 0, 0]
    return covariance


def test_a_new_run_is_predicted_with_the_error_of_its_count(fitted, related):
    """In a new run ln VCD = ln VCD(0) + mu t, of independent parts."""
    times, rate = np.array([0.0, 2.5, 5.0]), fitted.estimates[0].value
    ahead = fitted.predict(plan(), draws=600, times=times)
    expected = np.sqrt(0.1**2 + (times * rate) ** 2 * fitted.covariance[0, 0])
    assert np.std(np.log(ahead["VCD"]), axis=0) == pytest.approx(expected, rel=0.08)
    assert np.all(ahead.values[:, :, ahead.names.index("VCD")] > 0.0)
    low, high = ahead.interval("VCD", 0.9)
    assert np.log(high[0] / low[0]) == pytest.approx(2.0 * 1.645 * 0.1, rel=0.1)
    # with a distribution between runs less is left of it, and what the common mean is not known by
    shared = related.predict(plan(), draws=600, times=times)
    share, states = 0.1**2 / (0.1**2 + BETWEEN**2), related.initial_states
    variance = share * BETWEEN**2 + share**2 * states.within[0, 1, 1]
    assert np.std(np.log(shared["VCD"][:, 0])) == pytest.approx(np.sqrt(variance), rel=0.08)


@pytest.mark.parametrize("kind", ["fitted", "related"])
def test_a_run_of_the_fit_is_predicted_with_its_start_and_parameters_together(kind, runs, request):
    fit = request.getfixturevalue(kind)
    times, rate = np.array([0.0, 1.0, 5.0]), fit.estimates[0].value
    ahead = fit.predict(replace(runs[0], measurements={}), draws=600, times=times)
    slope = np.column_stack([times * rate, np.ones(3)])
    expected = np.sqrt(np.einsum("ti,ij,tj->t", slope, effects_of(fit, 0), slope))
    assert np.std(np.log(ahead["VCD"]), axis=0) == pytest.approx(expected, rel=0.08)
    assert expected[2] < 0.6 * np.sqrt(
        np.sum((slope[2] ** 2) * np.diag(effects_of(fit, 0)))
    )  # they are not independent
    assert ahead.best[0, ahead.names.index("VCD")] == pytest.approx(fit.initial["a"]["VCD"], rel=1e-12)


def test_a_run_of_the_fit_keeps_its_own_growth_and_its_start_goes_with_it(runs):
    """ln VCD(0) given the run's own growth rate: narrower than its own posterior."""
    own = growing(between_runs_sd=0.3)
    fit = gc.fit(gc.Problem(own, runs, initial_error={"VCD": "measured"}), settings=SETTINGS)
    states = fit.initial_states
    ahead = fit.predict(replace(runs[0], measurements={}), draws=600, times=[0.0, 5.0])
    cross, within = states.cross[0], states.within[0]
    total = fit.covariance[0, 0] + 2.0 * cross[0, 0] + within[0, 0]
    conditional = within[1, 1] - (cross[1, 0] + within[0, 1]) ** 2 / total
    assert np.std(np.log(ahead["VCD"][:, 0])) == pytest.approx(np.sqrt(conditional), rel=0.08)
    assert conditional < 0.7 * within[1, 1]
    # its growth is fixed, so the band keeps its width; the shared growth, which the draws also move, has none of it
    assert np.std(np.log(ahead["VCD"][:, 1])) == pytest.approx(np.sqrt(conditional), rel=0.08)


def test_derivatives_by_initial_states_agree_with_central_differences(runs):
    solver = SolverSettings(rtol=1e-8, atol=1e-9, adjoint=diffrax.ForwardMode())
    error = gc.InitialError({"VCD": "measured", "GLC": 0.05}, between_runs={"VCD": BETWEEN})
    model = growing(between_runs_sd=0.3)
    objective = objective_for(model, runs, model.table.estimated, solver, initial_error=error)
    labels = objective.labels([run.name for run in runs])
    assert labels[2:5] == ["mu of a", "VCD at time 0 of a", "GLC at time 0 of a"]
    assert labels[-1] == "common VCD at time 0"
    x = np.asarray(objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), jnp.zeros(0)))
    x = x + 0.05 * np.random.default_rng(1).standard_normal(len(x))
    value, jacobian = linearise(objective, x, CLOSED)
    assert len(value) == objective.run_count * objective.measured_count + objective.prior_count
    assert np.array_equal(value, residuals(objective, x, CLOSED))
    step = 1e-4
    for j in range(len(x)):
        low, high = (residuals(objective, x + sign * step * np.eye(len(x))[j], CLOSED) for sign in (-1.0, 1.0))
        central = (high - low) / (2.0 * step)
        assert jacobian[:, j] == pytest.approx(central, rel=1e-4, abs=1e-5 * np.max(np.abs(central))), labels[j]


def test_exact_starts_add_nothing_to_a_fit(runs):
    objective = objective_for(growing(), runs, growing().table.estimated, SolverSettings())
    assert objective.initial.sd.shape == (3, 0)
    assert (objective.size, objective.prior_count) == (2, 2)
    assert np.array_equal(objective.packed.standard_error, pack_all(runs, growing()).standard_error)


def test_a_fit_with_initial_states_is_the_same_from_its_file(related, runs, tmp_path):
    gc.save_fit(related, tmp_path)
    read = gc.load_fit(tmp_path)
    assert read.initial == related.initial
    assert read.initial_states.error == related.initial_states.error
    for name in ("given", "prior_sd", "deviation", "common_mean", "cross", "within"):
        assert np.array_equal(getattr(read.initial_states, name), getattr(related.initial_states, name)), name
    for run in (plan(), runs[2]):
        now, then = (fit.predict(run, draws=20, times=[0.0, 5.0]).values for fit in (related, read))
        assert np.array_equal(now, then)
    path = tmp_path / "fit.json"
    data = json.loads(path.read_text())
    data["initial_states"]["deviation"].pop()
    path.write_text(json.dumps(data))
    with pytest.raises(FitError, match="found no readable fit"):
        gc.load_fit(tmp_path)


class Killed(Exception):
    pass


def test_a_killed_fit_goes_on_to_the_same_initial_states_and_one_of_other_errors_is_refused(runs, related, tmp_path):
    def kill(now):
        if now.iteration == 3:
            raise Killed

    problem = gc.Problem(growing(), runs, initial_error=related.initial_states.error)
    with pytest.raises(Killed):
        gc.fit(problem, settings=SETTINGS, folder=tmp_path, progress=kill)
    with pytest.raises(FitError, match="the checkpoint of a fit with other settings"):
        gc.fit(replace(problem, initial_error={"VCD": 0.2}), settings=SETTINGS, folder=tmp_path)
    resumed = gc.fit(problem, settings=SETTINGS, folder=tmp_path)
    assert np.array_equal(resumed.initial_states.deviation, related.initial_states.deviation)
    assert np.array_equal(resumed.covariance, related.covariance)
    assert [row["cost"] for row in resumed.history] == [row["cost"] for row in related.history]


def test_a_start_far_from_its_count_is_told(runs):
    wrong = [counted("a", 1.0, 0.5, 1), *runs[1:]]
    fit = gc.fit(gc.Problem(growing(), wrong, initial_error={"VCD": "measured"}), settings=SETTINGS)
    [sentence] = fit.remarks()
    assert sentence.startswith("Run 'a': VCD at time 0 is estimated +9")
    assert "standard deviations of its assay" in sentence


def prior_of(error, run, model):
    return initial_prior(gc.InitialError.of(error), [run], model, pack_all([run], model))


def test_what_is_absent_stays_absent_and_one_number_serves_all_that_is_given():
    run = CultureRun("a", 1.0, {"VCD": 0.5, "DCD": 0.0, "GLC": 60.0, "LAC": 0.0, "mAb": 0.0}, end=1.0)
    prior, _ = prior_of(0.1, run, monod())
    assert set(prior.species) == {"VCD", "GLC"}
    prior, _ = prior_of({"VCD": 0.1, "LAC": 0.1}, run, monod())
    assert prior.species == ("VCD",)
    with pytest.raises(FitError, match="no initial concentration above 0 with an error"):
        prior_of({"LAC": 0.1}, run, monod())
    with pytest.raises(FitError, match="no initial concentration above 0 with an error"):
        prior_of("measured", run, monod())


def test_dead_cells_that_follow_from_viability_move_with_the_viable_ones():
    model = monod(species={"DCD": gc.Species("1e9 cells/L", initial=0.0, dead_of="VCD"), "mAb": "g/L"})
    viability = Measurement("viability", "1", np.zeros(1), np.full(1, 0.9), np.full(1, 0.01))
    run = CultureRun("a", 1.0, {"VCD": 0.9, "GLC": 60.0, "LAC": 0.0, "mAb": 0.0}, {"viability": viability}, end=1.0)
    prior, packed = prior_of({"VCD": 0.1}, run, model)
    viable, dead = (model.species.index(name) for name in ("VCD", "DCD"))
    assert packed.initial[0, dead] == pytest.approx(0.1)
    assert np.flatnonzero(prior.carried[0, 0]).tolist() == sorted((viable, dead))
    later = replace(viability, time=np.ones(1))
    prior, packed = prior_of({"VCD": 0.1}, replace(run, measurements={"viability": later}), model)
    assert packed.initial[0, dead] == 0.0
    assert np.flatnonzero(prior.carried[0, 0]).tolist() == [viable]
    prior, _ = prior_of({"VCD": 0.1}, run.with_initial(DCD=0.2), model)
    assert np.flatnonzero(prior.carried[0, 0]).tolist() == [viable]


def test_a_total_count_of_the_same_sample_counts_once_too():
    total = gc.Concentration("VCD") + gc.Concentration("DCD")
    dying = monod(
        species={"DCD": gc.Species("1e9 cells/L", dead_of="VCD"), "mAb": "g/L"},
        observables={"TCD": (total, "1e9 cells/L")},
    )

    def kept(counted):
        one = Measurement("TCD", "1e9 cells/L", np.zeros(1), np.full(1, counted), np.full(1, 0.05))
        start = {"VCD": 0.9, "DCD": 0.1, "GLC": 60.0, "LAC": 0.0, "mAb": 0.0}
        _, packed = prior_of({"VCD": 0.1}, CultureRun("a", 1.0, start, {"TCD": one}, end=1.0), dying)
        return bool(np.any(np.isfinite(packed.standard_error)))

    assert not kept(1.0)
    assert kept(1.2)


def weighed():
    """Return a model whose cells are biomass, which a counter shows by the biomass of a cell and viability."""
    return gc.CultureModel(
        reactions={"growth": "=> BIOM"},
        rates={"growth": gc.Rate("mu")},
        parameters={"mu": gc.Parameter(0.6, "1/d"), "per_cell": gc.Parameter(2.0, "mmol/(1e9 cells)")},
        cells=ViableCells("BIOM", "per_cell", "viability"),
    )


def test_vcd_stands_for_the_species_of_the_cells():
    series = {
        "VCD": Measurement("VCD", "1e9 cells/L", np.array([0.0, 1.0]), np.array([0.9, 1.5]), np.array([0.18, 0.1])),
        "viability": Measurement("viability", "1", np.zeros(1), np.full(1, 0.9), np.full(1, 0.01)),
    }
    run, model = CultureRun("a", 1.0, {"BIOM": 2.0}, series), weighed()
    before = pack_all([run], model).standard_error[..., model.quantities.index("VCD")]
    for error, sd in (({"VCD": 0.1}, 0.1), ({"BIOM": 0.3}, 0.3), ("measured", 0.2)):
        prior, packed = prior_of(error, run, model)
        assert prior.species == ("BIOM",)
        assert prior.sd == pytest.approx(sd)
        after = packed.standard_error[..., model.quantities.index("VCD")]
        # the count at time 0, of which the biomass is 2 mmol/(1e9 cells)/0.9, is in the prior; the later one stays
        assert np.flatnonzero(np.asarray(np.isfinite(before) & ~np.isfinite(after))).tolist() == [0]
        assert np.sum(np.isfinite(after)) == 1
    _, packed = prior_of({"VCD": 0.1}, run.with_initial(BIOM=3.0), model)
    assert np.array_equal(packed.standard_error[..., model.quantities.index("VCD")], before)


@pytest.mark.parametrize("value", [0.0, -0.1, 3.0, float("nan"), "meassured", True, None])
def test_an_error_that_is_none_is_a_sentence(value, unchecked):
    with pytest.raises(InputError, match=r"initial_error.VCD: found .* from 0.0001 to 1 is needed, or 'measured'"):
        gc.InitialError({"VCD": value})


def test_faults_of_initial_errors_are_told_at_once_and_names_with_the_nearest():
    with pytest.raises(InputError) as told:
        gc.InitialError({"VCD": 2.0, "GLC": 0.1}, between_runs={"VCD": 0.0, "LAC": 0.1})
    assert len(told.value.findings) == 3
    assert "LAC" in str(told.value)
    with pytest.raises(InputError, match=r"'GLK'; it is not a species of the model; did you mean 'GLC'"):
        gc.Problem(monod(), only_started("a", 1.0), initial_error={"GLK": 0.1})
    with pytest.raises(InputError, match="is needed, or 'measured'"):
        gc.Problem(monod(), only_started("a", 1.0), initial_error="often")


def test_the_error_of_a_sample_is_bounded_and_a_limit_is_none():
    def prior_sd(value, error, below=None):
        one = Measurement("VCD", "1e9 cells/L", np.zeros(1), np.full(1, value), np.full(1, error), below)
        prior, _ = prior_of({"VCD": "measured"}, replace(only_started("a", 0.9), measurements={"VCD": one}), growing())
        return float(prior.sd[0, 0])

    assert prior_sd(0.9, 0.045) == pytest.approx(0.05)
    assert prior_sd(0.9, 1e-9) == pytest.approx(1e-3)
    assert prior_sd(0.9, 2.0) == pytest.approx(0.5)
    with pytest.raises(FitError, match="with an error"):
        prior_sd(0.9, 0.1, np.ones(1, bool))


@pytest.fixture(scope="module")
def matching(runs):
    """Return the integral matching of a network for the rates, with an uncertain inoculum."""
    runs = [replace(run, initial={"BIOM": run.initial["VCD"], "GLC": 100.0}, measurements={
        "BIOM": replace(run.measurements["VCD"], quantity="BIOM", unit="mmol/L"), "GLC": run.measurements["GLC"],
    }) for run in runs[:2]]  # fmt: skip
    model = gc.neural_rates_model(runs, inputs=("GLC",), hidden=1)
    solver = SolverSettings(rtol=1e-4, atol=1e-5, adjoint=diffrax.ForwardMode())
    objective = objective_for(model, runs, (), solver, initial_error=gc.InitialError({"BIOM": 0.1}))
    return Matching(objective, stack_smooth([smooth_run(model, run) for run in runs]))


def test_in_integral_matching_an_initial_state_is_the_constant_of_its_integrals(matching):
    objective = matching.objective
    x = np.asarray(objective.join(jnp.zeros(0), weights_of(objective.model.nets)))
    moved = x.copy()
    moved[0] = np.log(1.1)  # of the first run
    error = np.asarray(objective.packed.standard_error)
    size = error.size
    before, after = (np.asarray(matching.residuals(jnp.asarray(one)))[:size].reshape(error.shape) for one in (x, moved))
    change = np.where(np.isfinite(error), (after - before) * np.where(np.isfinite(error), error, 0.0), 0.0)
    cells = objective.model.species.index("BIOM")
    seen = np.isfinite(error[0, :, cells])
    assert np.sum(seen) == len(DAYS) - 1  # the sample at time 0 is the given start
    assert change[0, seen, cells] == pytest.approx(0.1 * 0.9, rel=1e-6)
    assert np.all(change[1] == 0.0)
    value, jacobian = map(np.asarray, linearise_matching(matching, jnp.asarray(x)))
    assert len(value) == size + objective.prior_count
    for j in range(2):
        step = 1e-5 * np.eye(len(x))[j]
        low, high = (np.asarray(matching.residuals(jnp.asarray(x + sign * step))) for sign in (-1.0, 1.0))
        assert jacobian[:, j] == pytest.approx((high - low) / 2e-5, rel=1e-6, abs=1e-5)


def test_a_report_shows_estimates_beside_given_values_and_marks_those_that_are_far(runs, tmp_path):
    wrong = [counted("a", 1.0, 0.5, 1), *runs[1:]]
    fit = gc.fit(gc.Problem(growing(), wrong, initial_error={"VCD": "measured"}), settings=SETTINGS)
    page = report(fit, tmp_path).read_text(encoding="utf-8")
    assert '<section id="initial-states"' in page
    assert "VCD at time 0 is estimated +9" in page
    frame = initial_states_frame(fit)
    assert frame["unit"].tolist() == ["1e6 cells/mL"] * 3
    assert frame["given [unit]"].tolist() == pytest.approx([0.5, 1.08, 0.72])
    assert frame["estimated [unit]"].tolist() == pytest.approx([fit.initial[name]["VCD"] for name in TRUE])
    assert abs(frame.iloc[0, -1]) > 2.0 > abs(frame.iloc[1, -1])
    assert len(pd.read_csv(tmp_path / "initial-states_exponential.csv")) == 3
    assert len(initial_states_frame(gc.fit(growing(), runs[:1], SETTINGS))) == 0


def test_a_comparison_predicts_a_run_that_was_left_out_with_what_the_others_tell_of_its_inoculum(runs):
    """The mean of the inocula and the count of the run itself, and species that the model lacks are left out."""
    errors = gc.InitialError({"VCD": 0.1, "mAb": 0.1}, between_runs={"VCD": 0.05})
    candidate = ModelCandidate("growing", lambda given, seed: growing(), SETTINGS, initial_error=errors)
    predictor = candidate.train(runs[:2], 0)
    at_zero = predictor.predict(plan(0.5), {"VCD": np.array([0.0, 1.0])})["VCD"][0]
    mean, share = predictor.fit.initial_states.common_mean[0], 0.1**2 / (0.1**2 + 0.05**2)
    assert np.log(at_zero) == pytest.approx(np.log(0.5) + share * (mean - np.log(0.5)), abs=1e-9)
    assert candidate.described()["initial_error"]["assay"] == {"VCD": 0.1, "mAb": 0.1}
    exact = ModelCandidate("growing", lambda given, seed: growing(), SETTINGS)
    assert candidate.depends_on(runs, 0) != exact.depends_on(runs, 0)
    assert "initial_error" not in exact.described()


def test_a_run_that_was_left_out_begins_with_its_sample_where_it_gives_no_other_start(runs):
    run, times = runs[0], {"VCD": np.array([1.0, 2.0])}
    sampled = replace(run, initial={"GLC": 100.0}, measurements={
        name: replace(one, **{part: getattr(one, part)[:1] for part in ("time", "value", "standard_error")})
        for name, one in run.measurements.items()
    })  # fmt: skip
    found = predicted(growing(), sampled, times)["VCD"]
    assert np.array_equal(found, predicted(growing(), replace(sampled, initial=run.initial), times)["VCD"])
