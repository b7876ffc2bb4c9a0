"""Runs along smooth curves: exact where what the cells turn over is linear, without jumps from feeds and samples."""

from dataclasses import replace

import numpy as np
import pytest

from graycell.hybrid import neural_rates_model
from graycell.hybrid.scaling import sizes
from graycell.hybrid.smoothing import NODE_WEIGHTS, NODES, smooth_run, stack_smooth
from graycell.runs.records import VCD, Bolus, CultureRun, Feed, Measurement, Sample, Signal

MADE = {"BIOM": 0.6, "GLC": -3.0, "LAC": 2.0}
"""[mmol/L/d] of the initial volume that the cells turn over, all the time."""
START = {"ALA": 1.0, "BIOM": 3.0, "GLC": 40.0, "LAC": 1.0}
FEED = {"GLC": 400.0, "ALA": 20.0}
PER_CELL = 2.31


def constant_turnover(times, events=(), measured=("BIOM", "GLC", "LAC"), end=8.0, density=False):
    """A run of 2 L that follows from the balances by hand; `events` in the order of time."""
    amount, volume, rate, now = dict(START), 1.0, 0.0, 0.0
    found = {name: [] for name in START}

    def go(until):
        nonlocal volume, now
        for name in START:
            amount[name] += (MADE.get(name, 0.0) + rate * FEED.get(name, 0.0)) * (until - now)
        volume, now = volume + rate * (until - now), until

    for time, event in sorted([(t, None) for t in times] + [(e.time, e) for e in events], key=lambda one: one[0]):
        go(time)
        if event is None:
            for name in START:
                found[name].append(amount[name] / volume)
        elif isinstance(event, Sample):
            for name in START:
                amount[name] *= 1.0 - 0.5 * event.volume / volume
            volume -= 0.5 * event.volume
        elif isinstance(event, Bolus):
            for name in START:
                amount[name] += 0.5 * event.volume * FEED.get(name, 0.0)
            volume += 0.5 * event.volume
        else:
            rate = 0.5 * event.rate
    series = {
        name: Measurement(name, "mmol/L", np.array(times), np.array(found[name]), 0.02 * np.array(found[name]))
        for name in measured
    }
    if density:
        value = 0.9 * np.array(found["BIOM"]) / PER_CELL
        series[VCD] = Measurement(VCD, "1e9 cells/L", np.array(times), value, 0.05 * value)
    signals = {"viability": Signal("viability", "1", np.array([0.0]), np.array([0.9]))} if density else {}
    return CultureRun("by hand", 2.0, START, series, tuple(events), {"feed": FEED}, signals, end=end)


EVENTS = (
    Sample(1.0, 0.04),
    Bolus(2.0, "feed", 0.2),
    Feed(3.0, "feed", 0.1),
    Sample(4.0, 0.06),
    Bolus(5.0, "feed", 0.1),
)
FEW, MANY = (1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


@pytest.fixture(scope="module")
def model():
    return neural_rates_model([constant_turnover(MANY)])


def column(model, smooth, name):
    return np.asarray(smooth.net_production)[:, model.species.index(name)]


@pytest.mark.parametrize("times", [FEW, MANY], ids=["through the points", "smoothing spline"])
def test_what_the_cells_turn_over_is_exact_where_it_is_linear_whatever_is_fed_and_sampled(model, times):
    smooth = smooth_run(model, constant_turnover(times, EVENTS))
    length = np.asarray(smooth.length)
    assert np.sum(length) == pytest.approx(8.0)
    for name, rate in MADE.items():
        assert column(model, smooth, name) == pytest.approx(rate * length, abs=2e-5), name


def test_concentrations_follow_the_balances_between_and_across_events(model):
    """At the nodes, by the same balances without any curve."""
    run = constant_turnover(MANY, EVENTS)
    smooth = smooth_run(model, run)
    starts = np.r_[0.0, np.cumsum(np.asarray(smooth.length))[:-1]]
    times = (starts[:, None] + np.asarray(smooth.length)[:, None] * NODES).ravel()
    inside = np.repeat(np.asarray(smooth.length) > 0.0, len(NODES))
    by_hand = constant_turnover(tuple(times[inside]), EVENTS)
    i = model.species.index("GLC")
    found = np.asarray(smooth.concentrations)[..., i].ravel()[inside]
    assert found == pytest.approx(by_hand.measurements["GLC"].value, abs=1e-3)
    volume = np.asarray(smooth.volume).ravel()[inside]
    at_three = times[inside] > 3.0
    assert volume[~at_three & (times[inside] > 2.0)] == pytest.approx(1.0 - 0.02 + 0.1, rel=1e-12)


def test_a_species_that_was_not_measured_is_only_fed(model):
    run = constant_turnover(MANY, EVENTS)
    smooth = smooth_run(model, run)
    assert not np.any(column(model, smooth, "ALA"))
    truth = constant_turnover((8.0,), EVENTS, measured=("ALA",)).measurements["ALA"].value  # MADE has no ALA
    at_end = np.asarray(smooth.at_end)[-1, model.species.index("ALA")] / float(smooth.end_volume[-1])
    assert at_end == pytest.approx(truth[0], rel=1e-9)


@pytest.mark.parametrize("times", [FEW, MANY])
def test_after_its_last_sample_a_species_is_only_fed(model, times):
    """A cubic that went on would be anything: the truth here bends, and ends at day 8 of 14."""
    run = constant_turnover(times, (), end=14.0)
    bent = run.measurements["LAC"]
    run = replace(run, measurements={**run.measurements, "LAC": replace(bent, value=1.0 + 0.2 * bent.time**2)})
    smooth = smooth_run(model, run)
    after = np.cumsum(np.asarray(smooth.length)) > 8.0 + 1e-9
    assert np.any(np.asarray(smooth.length)[after] > 0.0)
    assert not np.any(np.asarray(smooth.net_production)[after])


def test_the_biomass_follows_the_viable_cell_density_where_it_was_not_measured(model):
    smooth = smooth_run(model, constant_turnover(MANY, EVENTS, measured=("GLC",), density=True))
    assert column(model, smooth, "BIOM") == pytest.approx(MADE["BIOM"] * np.asarray(smooth.length), abs=2e-5)
    assert np.asarray(smooth.inputs)[..., model.input_names.index("viability")] == pytest.approx(0.9)


def test_specific_rates_from_smooth_curves_are_those_of_exponential_cells(model):
    """By the formula for a batch: growth 0.5/d and an uptake of 1.2; the curves have 1 % of error left."""
    time = np.arange(0.0, 4.01, 0.25)[1:]
    made = (np.exp(0.5 * time) - 1.0) / 0.5
    values = {"BIOM": PER_CELL * np.exp(0.5 * time), "GLC": 40.0 - 1.2 * made, "LAC": 1.0 + 1.8 * made}
    series = {name: Measurement(name, "mmol/L", time, v, np.full(len(v), 0.01)) for name, v in values.items()}
    run = CultureRun("batch", 1.0, {**START, "BIOM": PER_CELL}, series, end=4.0)
    found = dict(zip(model.species, sizes(model, [smooth_run(model, run)], balanced=True), strict=True))
    assert found["BIOM"] == pytest.approx(0.5 * PER_CELL, rel=0.01)
    assert found["GLC"] == pytest.approx(1.2, rel=0.01)
    assert found["LAC"] == pytest.approx(1.8, rel=0.01)
    assert found["ALA"] == pytest.approx(1e-3)  # nothing was seen


def test_nodes_integrate_a_polynomial_of_the_fifth_degree():
    for power in range(6):
        assert NODE_WEIGHTS @ NODES**power == pytest.approx(1.0 / (power + 1), rel=1e-13)


def test_stacked_runs_are_padded_with_segments_that_take_no_time(model):
    long, short = (
        smooth_run(model, constant_turnover(times, EVENTS)) for times in (tuple(np.arange(0.5, 8.1, 0.5)), FEW)
    )
    both = stack_smooth([long, short])
    assert np.asarray(both.length).sum(axis=1) == pytest.approx([8.0, 8.0])
    assert np.asarray(both.net_production).sum(axis=1)[:, model.species.index("GLC")] == pytest.approx([-24.0, -24.0])
