"""A fit, a prediction and a comparison are the same, bit for bit, wherever their tasks run."""

import gc as gc_of_python
import time
from dataclasses import replace

import diffrax
import numpy as np
import pytest
from small_models import monod

import graycell as gc
from graycell.comparison import LastValue, MeanOfRuns, ModelCandidate, cross_validate, leave_one_run_out
from graycell.engine import Engine, MemoryLimitError, using
from graycell.inference import FitSettings, Stage, fit, likelihood
from graycell.inference import checkpoint as checkpoints
from graycell.inference.fitting import objective_for
from graycell.simulation.solve import SolverSettings

TRUE = {"mu": 0.84, "q": 0.64}
SETTINGS = FitSettings(stages=(Stage("closed", 6),), starts=3, screening=4)


@pytest.fixture(scope="module")
def model():
    table = monod().table
    for row in table:
        table = table.with_changes(row.name, estimated=row.name in TRUE, prior_sd=10.0)
    return monod().with_table(table).with_parameters({"mu": 0.7, "q": 0.8})


@pytest.fixture(scope="module")
def runs(model):
    """Three runs of known parameters, with 3 % noise from a seed."""
    time, random, found = np.arange(0.5, 4.1, 0.5), np.random.default_rng(0), []
    for i, glucose in enumerate((20.0, 30.0, 40.0)):
        start = {"VCD": 0.4, "DCD": 0.0, "GLC": glucose, "LAC": 0.5, "mAb": 0.0}
        run = gc.CultureRun(f"run{i}", 1.0, start, end=4.0)
        truth = gc.simulate(model.with_parameters(TRUE), run, save_at=time)
        measured = {}
        for name in ("VCD", "GLC", "LAC"):
            value = np.asarray(truth[name]) * (1.0 + 0.03 * random.standard_normal(len(time)))
            measured[name] = gc.Measurement(name, model.unit(name), time, value, 0.03 * np.abs(value) + 0.01)
        found.append(replace(run, measurements=measured))
    return found


@pytest.fixture(scope="module")
def serial(model, runs):
    with Engine(jobs=1) as engine:
        return fit(model, runs, SETTINGS, engine=engine)


def same(one, other):
    assert [row.value for row in one.estimates] == [row.value for row in other.estimates]
    assert np.array_equal(one.covariance, other.covariance)
    assert one.cost == other.cost
    without_time = [[{**row, "seconds": 0.0} for row in fitted.history] for fitted in (one, other)]
    assert without_time[0] == without_time[1]


def test_the_fit_finds_the_truth(serial):
    for estimate in serial.estimates:
        assert estimate.value == pytest.approx(TRUE[estimate.name], rel=0.05)


@pytest.mark.parametrize("jobs", [2, 4])
def test_threads_fit_the_same(model, runs, serial, jobs):
    with Engine(jobs=jobs) as engine:
        same(fit(model, runs, SETTINGS, engine=engine), serial)


def test_processes_fit_the_same(model, runs, serial):
    with Engine(jobs=2, processes=True) as engine:
        same(fit(model, runs, SETTINGS, engine=engine), serial)


@pytest.mark.filterwarnings("ignore")  # of Dask, about its own ports and clean-up
def test_a_dask_cluster_of_processes_fits_and_compares_the_same(model, runs, serial):
    distributed = pytest.importorskip("distributed")
    candidates = [ModelCandidate("model", lambda given, seed: model, SETTINGS), MeanOfRuns(), LastValue()]
    splits = leave_one_run_out(runs)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        Engine(executor=client.get_executor(pure=False)) as engine,
    ):
        same(fit(model, runs, SETTINGS, engine=engine), serial)
        far = cross_validate(candidates, splits, engine=engine)
    with Engine(jobs=2) as engine:
        assert cross_validate(candidates, splits, engine=engine).rows == far.rows


def test_draws_are_the_same_for_every_engine(serial, runs):
    found = []
    for jobs in (1, 3):
        with Engine(jobs=jobs) as engine, using(engine):
            found.append(serial.predict(runs[0], draws=20, seed=1).values)
    assert np.array_equal(*found)


def test_fewer_draws_are_the_first_of_more(serial, runs):
    few, many = (serial.predict(runs[0], draws=draws, seed=1) for draws in (3, 20))
    assert np.array_equal(few.best, many.best)
    assert np.array_equal(few.values, many.values[:3])


@pytest.mark.parametrize("stop", [3, 7])
def test_a_fit_that_was_stopped_in_its_starts_goes_on_to_the_same_result(model, runs, serial, tmp_path, stop):
    seen = 0

    def interrupt(_):
        nonlocal seen
        seen += 1
        if seen == stop:
            raise KeyboardInterrupt

    with Engine(jobs=2) as engine:
        with pytest.raises(KeyboardInterrupt):
            fit(model, runs, SETTINGS, folder=tmp_path, progress=interrupt, engine=engine)
        assert (tmp_path / checkpoints.FILE).exists()
        done = []
        fitted = fit(model, runs, SETTINGS, folder=tmp_path, progress=lambda now: done.append(now.done), engine=engine)
    same(fitted, serial)
    assert done[0] > 1 / (SETTINGS.starts * SETTINGS.screening + 6)  # not from the beginning


def test_every_trial_of_a_start_has_its_own_time(model, runs):
    with Engine(jobs=2) as engine:
        fitted = fit(model, runs, SETTINGS, progress=lambda _: time.sleep(0.002), engine=engine)
    of_starts: dict[str, list[float]] = {}
    for row in fitted.history:
        of_starts.setdefault(row["stage"], []).append(row["seconds"])
    assert len(of_starts) == SETTINGS.starts + 1
    for times in of_starts.values():
        assert times == sorted(set(times))  # rising: a trial and a call of progress take more than a millisecond


def test_the_runs_of_an_objective_are_forgotten_with_it(model, runs):
    objective = objective_for(model, runs, model.table.estimated, SolverSettings(adjoint=diffrax.ForwardMode()))
    key = id(objective)
    assert len(likelihood._alone(objective)) == len(likelihood._apart[key]) == len(runs)
    del objective
    gc_of_python.collect()
    assert key not in likelihood._apart


def test_draws_that_do_not_fit_into_memory_are_refused_at_once(serial, runs):
    with pytest.raises(MemoryLimitError, match=r"predict, 10{12} draws at 101 times: about .* ask for fewer draws"):
        serial.predict(runs[0], draws=10**12)
