import numpy as np
import pytest
from culture_runs import consuming, culture

from graycell.comparison.features import features_of, scaling_of
from graycell.runs.records import Bolus, CultureRun, Feed, Outflow, Replacement, Setpoint, Signal

MEDIA = {"feed": {"GLC": 400.0, "GLN": 40.0}}


def test_what_was_fed_is_the_volume_times_the_concentration():
    events = (Feed(1.0, "feed", 0.1), Bolus(2.0, "feed", 0.05), Feed(3.0, "feed", 0.0), Replacement(4.0, "feed", 0.1))
    run = CultureRun("a", 2.0, {"GLC": 30.0}, events=events, media=MEDIA)
    columns = features_of(run, np.array([0.5, 2.0, 2.5, 5.0]))
    assert columns["volume: fed"] == pytest.approx([0.0, 0.05, 0.1, 0.125])
    assert columns["fed: GLC"] == pytest.approx([0.0, 20.0, 40.0, 50.0 + 40.0])  # a replacement adds no volume
    assert columns["fed: GLN"] == pytest.approx(columns["fed: GLC"] / 10.0)


def test_an_event_acts_on_later_times_alone():
    run = CultureRun("a", 1.0, {}, events=(Bolus(2.0, "feed", 0.1), Setpoint(2.0, 33.0)), media=MEDIA)
    columns = features_of(run, np.array([2.0, 2.5]))
    assert columns["fed: GLC"] == pytest.approx([0.0, 40.0])
    assert columns["temperature: now"] == pytest.approx([37.0, 33.0])
    assert columns["temperature: mean so far"] == pytest.approx([37.0, (2.0 * 37.0 + 0.5 * 33.0) / 2.5])


def test_a_set_point_of_another_input_is_a_column_of_its_own():
    events = (Setpoint(1.0, 6.8, "pH"), Setpoint(1.0, 40.0, "DO"), Setpoint(2.0, 33.0), Setpoint(3.0, 6.9, "pH"))
    columns = features_of(CultureRun("a", 1.0, {"pH": 7.1}, events=events), np.array([0.5, 1.5, 4.0]))
    assert columns["temperature: now"] == pytest.approx([37.0, 37.0, 33.0])
    assert columns["setpoint: pH"] == pytest.approx([7.1, 6.8, 6.9])
    assert columns["setpoint: DO"] == pytest.approx([40.0, 40.0, 40.0])


def test_a_bleed_and_a_harvest_are_different_columns():
    run = CultureRun("a", 2.0, {}, events=(Outflow(0.0, 0.2), Outflow(1.0, 1.0, retains_cells=True)))
    columns = features_of(run, np.array([2.0]))
    assert columns["volume: bled"] == pytest.approx([0.2])
    assert columns["volume: harvested"] == pytest.approx([0.5])


def test_a_signal_is_a_column_and_a_later_measurement_is_none():
    run = culture("a", GLC=np.arange(8.0))
    signal = Signal("viability", "1", np.array([0.0, 2.0]), np.array([1.0, 0.8]))
    columns = features_of(CultureRun("a", 1.0, run.initial, run.measurements, signals={"viability": signal}),
                          np.array([1.0, 3.0]))  # fmt: skip
    assert columns["signal: viability"] == pytest.approx([0.9, 0.8])
    assert columns["initial: GLC"] == pytest.approx([0.0, 0.0])
    assert not any(name.endswith("GLC") for name in columns if not name.startswith("initial"))


def test_what_is_constant_or_said_twice_is_left_out():
    runs = [consuming("a", 30.0, 0.01), consuming("b", 40.0, 0.02)]
    scaling = scaling_of([features_of(run, run.measurements["GLC"].time) for run in runs])
    assert scaling.names == ("time: d", "initial: GLC", "fed: GLC")  # not volume: fed, nor a temperature
    assert scaling.groups == (0, 1, 2)


def test_what_a_run_does_not_say_is_the_mean():
    scaling = scaling_of([features_of(run, np.arange(3.0)) for run in (consuming("a", 30.0), consuming("b", 40.0))])
    columns = {"time: d": np.array([1.0])}
    assert scaling(columns)[0] == pytest.approx([0.0, 0.0])
