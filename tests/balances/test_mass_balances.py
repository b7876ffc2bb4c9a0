"""Balances of runs whose course is known in closed form."""

import numpy as np
import pytest

from graycell.balances.mass_balances import balances_of, flow_intervals
from graycell.balances.run_checks import the_volume_closes
from graycell.reporting.rates.balances import mass_balances_frame
from graycell.runs import Bolus, CultureRun, Feed, Measurement, Outflow, Sample, Signal


def run_of(values, times, *events, volume=1.0, signals=None):
    """A run with glucose [mmol/L] of these values, and a feed of 1000 mmol/L."""
    values, times = np.array(values, float), np.array(times, float)
    series = Measurement("GLC", "mmol/L", times, values, np.full(len(times), 0.1))
    return CultureRun("run", volume, {"GLC": values[0]}, {"GLC": series}, events, {"F": {"GLC": 1000.0}}, signals or {})


def test_a_bolus_before_a_bleed_in_one_interval():
    """What is bled from a well-mixed vessel that nothing flows into leaves its concentration: 110/1.1 mmol/L stays."""
    run = run_of([10.0, 100.0], [0.0, 1.0], Bolus(0.0, "F", 0.1), Outflow(0.0, 0.1))
    (balance,) = balances_of(run, "GLC")
    assert (balance.begin, balance.fed, balance.found) == pytest.approx((10.0, 100.0, 100.0))
    assert balance.taken_out == pytest.approx(10.0)
    assert balance.net_production == pytest.approx(0.0, abs=1e-12)


def test_a_bleed_that_makes_way_for_a_feed():
    """At constant volume c = c_feed (1 - exp(-D t))."""
    run = run_of([0.0, 1000.0 * -np.expm1(-0.4)], [0.0, 2.0], Feed(0.0, "F", 0.2), Outflow(0.0, 0.2))
    (balance,) = balances_of(run, "GLC")
    assert balance.fed == pytest.approx(400.0)
    assert balance.net_production == pytest.approx(0.0, abs=1e-10)


def test_a_sample_between_two_boluses_takes_of_the_first_alone():
    run = run_of([0.0, 200.0 / 1.1], [0.0, 1.0], Bolus(0.5, "F", 0.1), Sample(0.5, 0.11), Bolus(0.5, "F", 0.11))
    (balance,) = balances_of(run, "GLC")
    assert (balance.fed, balance.taken_out) == pytest.approx((210.0, 10.0))
    assert balance.net_production == pytest.approx(0.0, abs=1e-12)


def test_nothing_is_taken_out_where_nothing_flows_out():
    run = run_of([30.0, 24.7, 17.3], [0.0, 1.0, 2.0], Bolus(1.0, "F", 0.013))
    assert [balance.taken_out for balance in balances_of(run, "GLC")] == [0.0, 0.0]
    frame = mass_balances_frame([run]).set_index("of")
    assert frame.loc["volume", ["begin", "fed", "taken out", "found"]].tolist() == [1.0, 0.013, 0.0, 1.013]
    assert frame.loc["GLC", "fed"] == pytest.approx(13.0)


def test_a_volume_may_be_read_before_between_or_after_the_events():
    for recorded, closes in ((1.0, True), (0.9, True), (1.1, True), (0.8, False), (1.2, False)):
        signal = Signal("volume", "L", np.array([1.0]), np.array([recorded]))
        run = run_of([30.0, 25.0], [0.0, 2.0], Sample(1.0, 0.1), Bolus(1.0, "F", 0.2), signals={"volume": signal})
        assert (list(the_volume_closes(run)) == []) == closes
    nothing = Signal("volume", "L", np.zeros(0), np.zeros(0))
    assert list(the_volume_closes(run_of([30.0, 25.0], [0.0, 2.0], signals={"volume": nothing}))) == []


def test_an_interval_keeps_what_its_samples_leave():
    run = run_of([30.0, 25.0], [0.0, 2.0], Sample(1.0, 0.1), Bolus(1.0, "F", 0.1), Sample(1.0, 0.5))
    kept = [interval.kept() for interval in flow_intervals(run, np.array([0.0, 2.0]))]
    assert kept == pytest.approx([1.0, 0.9 * 0.5, 1.0])


def test_a_species_that_a_filter_retains_is_not_taken_out_with_the_harvest():
    run = run_of([10.0, 10.0], [0.0, 1.0], Feed(0.0, "F", 0.2), Outflow(0.0, 0.2, retains_cells=True))
    assert balances_of(run, "GLC")[0].taken_out == pytest.approx(2.0, rel=1e-6)
    assert balances_of(run, "GLC", retained=["GLC"])[0].taken_out == 0.0
