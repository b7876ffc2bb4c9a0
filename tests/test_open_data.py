"""The open data of ../shared/data as runs; skipped where the folder is absent, as it is outside this workplace."""

import importlib.util
import sys
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp

import graycell
import graycell as gc
from graycell import check_runs
from graycell.balances import balances_of
from graycell.balances.rule_volumes import volumes_of_rules
from graycell.packing import pack_all
from graycell.reactor import Flows, Reactor
from graycell.runs.records import VCD, VIABILITY, Bolus, Feed, Outflow, Sample

ROOT = Path(__file__).parent.parent


def study(name):
    """Import a file of studies/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "studies" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


open_data = study("open_data")
insilico_is_here = pytest.mark.skipif(
    not (open_data.DATA / "insilico-fed-batch").is_dir(), reason="the folder insilico-fed-batch is absent"
)
umn_is_here = pytest.mark.skipif(
    not (open_data.DATA / "umn-fed-batch").is_dir(), reason="the folder umn-fed-batch is absent"
)


@pytest.fixture(scope="module")
def insilico():
    return open_data.insilico_runs()


@pytest.fixture(scope="module")
def umn():
    return open_data.umn_runs()


def errors(runs, species):
    return [str(finding) for finding in check_runs(runs, species)]


@pytest.mark.parametrize("read", [open_data.insilico_runs, open_data.umn_runs])
def test_an_absent_file_is_named(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"(train_owu\.csv|runs\.xlsx): no such file; the open data lie beside"):
        read(tmp_path)


def test_the_true_rates_are_those_of_the_law_by_hand():
    # G = K_g, no lactate: half the growth; G = 75 with L = K_d: death is 1.5 times its half
    at_half = open_data.true_rates(np.array([2.0, 0.0, 1.0, 0.0]))
    assert np.allclose(at_half, [0.6, 24.0 * 0.5 * 0.25, -0.96 / 1.05, 1.44], rtol=1e-12)
    dying = open_data.true_rates(np.array([2.0, 0.0, 75.0, 50.0]))[0]
    assert dying == pytest.approx(24.0 * (0.05 * 75.0 / 76.0 * 30.0 / 80.0 - 0.025 * 1.5 * 0.5), rel=1e-12)


def test_a_filter_that_keeps_all_feeds_without_dilution():
    reactor = Reactor(jnp.ones(2))
    flow = jnp.array(15.0 / open_data.CONCENTRATE)
    change, growth = reactor.derivative(
        jnp.array([3.0, 20.0]),
        jnp.array(1.0),
        jnp.array([1.0, -4.0]),
        Flows(flow[None], jnp.array(0.0), flow),
        jnp.array([[0.0, open_data.CONCENTRATE]]),
    )
    assert np.allclose(change, [1.0, 11.0], rtol=1e-12)
    assert growth == 0.0


def test_keep_solutes_changes_the_filter_alone():
    model = graycell.nolan_lee()
    kept = open_data.keep_solutes(model)
    assert np.all(np.asarray(kept.reactor.retained) == 1.0)
    assert kept.species == model.species
    assert float(np.sum(model.reactor.retained)) == 1.0


def liquid(species):
    """Return a model of these species, in which nothing happens: for the arrays of a run."""
    units = {name: "mg/L" if name == "ANTI" else "mmol/L" for name in species}  # as the runs have them
    return gc.CultureModel(species=units, rates={}, parameters={}, cells=gc.Constant(1.0))


@insilico_is_here
def test_the_in_silico_runs_are_fifty_and_fifty_and_pack(insilico):
    training, test = insilico
    assert (len(training), len(test)) == (50, 50)
    assert errors([*training, *test], open_data.INSILICO_SPECIES) == []
    packed = pack_all(training + test, liquid(open_data.INSILICO_SPECIES))
    assert int(np.sum(np.isfinite(packed.measured))) == 100 * 15 * 4
    assert np.all(packed.flows.harvest == packed.flows.feed[..., 0])
    assert all(set(run.initial) == set(open_data.INSILICO_SPECIES) for run in training)
    assert all(run.initial["BIOM"] == run.measurements[VCD].value[0] for run in training)


@insilico_is_here
def test_all_in_silico_runs_share_the_parameters_of_the_module():
    for kind in ("train", "test"):
        plan = pd.read_csv(open_data.DATA / "insilico-fed-batch" / f"{kind}_owu_doe.csv")
        for name, value in open_data.TRUE_PARAMETERS.items():
            assert np.all(plan[name] == value)


def solved(run):
    """Solve the law of the generator with what the events feed, [species of INSILICO_SPECIES] on each day."""
    flows = [(event.time, event.rate * open_data.CONCENTRATE) for event in run.events if isinstance(event, Feed)]
    (start, rate), (stop, _) = flows
    now, days = np.array([run.initial[name] for name in open_data.INSILICO_SPECIES]), run.measurements[VCD].time
    found = {0.0: now}
    for before, after in pairwise(sorted({*days, start, stop})):
        fed = np.array([0.0, 0.0, rate if start <= before < stop else 0.0, 0.0])
        steps = solve_ivp(
            lambda _, c, fed=fed: c[0] * open_data.true_rates(c) + fed,
            (before, after),
            now,
            method="LSODA",
            rtol=1e-8,
            atol=1e-9,
        )
        now = steps.y[:, -1]
        found[after] = now
    return np.array([found[day] for day in days])


@insilico_is_here
@pytest.mark.parametrize("number", [0, 7, 28, 35, 41])
def test_the_law_and_the_feed_events_give_the_values_of_the_files(insilico, number):
    # the tolerances are the generator's, see the docstring of the module; run 35 is the worst of training, 41 of test
    for runs in insilico:
        run = runs[number]
        known = [run.measurements[VCD if name == "BIOM" else name].value for name in open_data.INSILICO_SPECIES]
        largest = np.max(np.abs(solved(run) - np.array(known).T), axis=0)
        assert np.all(largest < [3e-4, 0.04, 4e-3, 4e-3])


@insilico_is_here
def test_glucose_fed_is_glucose_found(insilico):
    # while there is glucose, 1.5 lactate is made of each: what was used is known from lactate alone
    for run in insilico[0] + insilico[1]:
        glucose, lactate = run.measurements["GLC"].value, run.measurements["LAC"].value
        if np.min(glucose) < 5.0:
            continue
        fed = [event for event in run.events if isinstance(event, Feed)]
        amount = fed[0].rate * open_data.CONCENTRATE * (fed[1].time - fed[0].time)
        # uptake saturates with 0.05 mmol/L, so at 5 mmol/L it is 1 % below its largest
        assert glucose[0] + amount - glucose[-1] == pytest.approx(lactate[-1] / 1.5, rel=0.01)


@insilico_is_here
def test_the_feed_column_is_the_schedule_in_whole_days(insilico):
    for kind, runs in zip(("train", "test"), insilico, strict=True):
        column = pd.read_csv(open_data.DATA / "insilico-fed-batch" / f"{kind}_owu.csv").groupby("run")["F:Glc"]
        for run, (_, listed) in zip(runs, column, strict=True):
            start, stop = (event.time for event in run.events if isinstance(event, Feed))
            days = np.arange(15)
            rate = run.events[0].rate * open_data.CONCENTRATE
            expected = np.where((days >= int(start)) & (days < int(stop)), rate, 0.0)
            assert np.allclose(listed.to_numpy(float), expected, rtol=1e-12)


@insilico_is_here
def test_the_volume_of_an_in_silico_run_is_constant(insilico):
    for run in insilico[0] + insilico[1]:
        feeds = [(event.time, event.rate) for event in run.events if isinstance(event, Feed)]
        assert feeds == [(event.time, event.rate) for event in run.events if isinstance(event, Outflow)]


def volumes(run):
    """Return the volume before the sample and after it, at each time of a sample [L]."""
    volume, before, after = run.initial_volume, {}, {}
    for event in run.events:
        if isinstance(event, Sample):
            before[event.time] = volume
            volume -= event.volume
            after[event.time] = volume
        elif isinstance(event, Bolus):
            volume += event.volume
    return before, after


@umn_is_here
def test_the_measured_runs_are_three_of_thirteen_samples_and_pack(umn):
    assert [run.name for run in umn] == ["umn-11", "umn-12", "umn-21"]
    assert errors(umn, open_data.UMN_SPECIES) == []
    packed = pack_all(umn, liquid(open_data.UMN_SPECIES))
    assert int(np.sum(np.isfinite(packed.measured))) == 3 * 13 * len(open_data.UMN_SPECIES)
    assert all(np.all(run.signals[VIABILITY].value == 1.0) for run in umn)
    assert {run.measurements["ANTI"].unit for run in umn} == {"mg/L"}


@umn_is_here
def test_the_volume_closes_and_feeds_are_shares_of_what_the_sample_left(umn):
    for run in umn:
        _, after = volumes(run)
        f01 = [event.volume / after[event.time] for event in run.events if getattr(event, "medium", "")[:3] == "F01"]
        f02 = [event.volume / after[event.time] for event in run.events if getattr(event, "medium", "")[:3] == "F02"]
        assert np.allclose(f01, [0.02, *[0.03] * 6], rtol=1e-9)
        assert np.allclose(f02, 0.005, rtol=1e-9)
        assert after[run.end] == pytest.approx(0.060265, abs=5e-7)


@umn_is_here
def test_the_feeds_written_as_rules_have_the_recorded_volumes_and_balances(umn):
    """A share of the volume, or the level of glucose that was reached: the samples give the volumes back."""
    for run in umn:
        volume, glucose, rules = run.initial_volume, run.measurements["GLC"], []
        at = dict(zip(glucose.time.tolist(), glucose.value.tolist(), strict=True))
        for event in run.events:
            if isinstance(event, Bolus):
                held = run.media[event.medium].get("GLC", 0.0)
                level = (at[event.time] * volume + held * event.volume) / (volume + event.volume)
                to_level = gc.LevelBolus(event.time, event.medium, "GLC", level, most=1.0)
                rules.append(to_level if held else gc.ShareBolus(event.time, event.medium, event.volume / volume))
                volume, at[event.time] = volume + event.volume, level
            else:
                rules.append(event)
                volume -= getattr(event, "volume", 0.0)
        ruled = replace(run, events=tuple(rules))
        recorded = [event.volume for event in run.events if isinstance(event, Bolus)]
        found = volumes_of_rules(ruled)
        assert found.unknown == ()
        given = [event.volume for event in found.run.events if isinstance(event, Bolus)]
        assert given == pytest.approx(recorded, rel=1e-9)
        assert sum(isinstance(event, gc.LevelBolus) for event in rules) == 7
        for quantity in ("GLC", "LAC", "VCD"):
            pairs = zip(balances_of(ruled, quantity), balances_of(run, quantity), strict=True)
            assert all(a.net_production == pytest.approx(b.net_production, rel=1e-6, abs=1e-9) for a, b in pairs)


@umn_is_here
def test_glucose_was_measured_before_the_feed_of_the_same_time(umn):
    # measured after it, glucose could not rise from the last feed to the last sample
    for run in umn:
        glucose, last = run.measurements["GLC"].value, run.measurements["GLC"].time[-2]
        assert not [event for event in run.events if isinstance(event, Bolus) and event.time > last]
        assert glucose[-1] > glucose[-2] + 1.5


@umn_is_here
def test_glucose_used_is_what_was_there_and_fed_less_what_was_taken_and_left(umn):
    for run, known in zip(umn, (6.156, 6.367, 6.524), strict=True):  # mmol, from the workbook by another route
        before, after = volumes(run)
        glucose = run.measurements["GLC"]
        at = dict(zip(glucose.time, glucose.value, strict=True))
        fed = sum(event.volume * run.media[event.medium]["GLC"] for event in run.events if isinstance(event, Bolus))
        taken = sum(event.volume * at[event.time] for event in run.events if isinstance(event, Sample))
        used = run.initial_volume * run.initial["GLC"] + fed - taken - after[run.end] * at[run.end]
        assert fed == pytest.approx(4.853, abs=5e-4)
        assert used == pytest.approx(known, abs=5e-4)
        assert before[0.0] == run.initial_volume


@umn_is_here
def test_no_measured_run_repeats_the_values_of_another(umn):
    # runs 12 and 21 were sampled at the same minutes and fed alike; their values are their own
    _, twelve, twenty_one = umn
    assert np.array_equal(twelve.measurements[VCD].time, twenty_one.measurements[VCD].time)
    volumes_of = [[event.volume for event in run.events] for run in (twelve, twenty_one)]
    assert np.allclose(*volumes_of, rtol=1e-9)  # written with another number of digits
    for run, other in combinations(umn, 2):
        for name, series in run.measurements.items():
            same = (series.value == other.measurements[name].value) & (series.value != 0.0)
            assert not np.any(same)


@umn_is_here
def test_histidine_is_found_that_no_feed_lists(umn):
    for run in umn:
        histidine = run.measurements["HIS"].value
        assert all(medium.get("HIS", 0.0) == 0.0 for medium in run.media.values())
        assert histidine[-1] > np.min(histidine) + 0.05
