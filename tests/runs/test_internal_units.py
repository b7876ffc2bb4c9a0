"""Runs that were made in Python in other units than those of the tables are written, and come back in internal ones."""

from dataclasses import replace

import numpy as np
import pytest

from graycell.errors import InputError
from graycell.runs import Bolus, CultureRun, Measurement, read_runs
from graycell.runs.format.writing import write_runs
from graycell.runs.records import VCD, Signal

DAYS = np.array([0.0, 1.0, 2.0])


def run(name, unit, value, quantity="mAb", **more):
    value = np.asarray(value, float)
    series = Measurement(quantity, unit, DAYS, value, 0.1 * value + 0.5)
    return CultureRun(name, 1.0, {}, {quantity: series}, **more)


@pytest.mark.parametrize(("quantity", "unit", "internal", "factor"), [
    ("mAb", "mg/L", "g/L", 1e-3), ("mAb", "ug/mL", "g/L", 1e-3), ("biomass", "g/L", "g/L", 1.0),
    ("GLC", "g/L", "mmol/L", 1000.0 / 180.156), ("GLC", "mg/dL", "mmol/L", 10.0 / 180.156),
    ("LAC", "umol/L", "mmol/L", 1e-3), (VCD, "1e6 cells/mL", "1e9 cells/L", 1.0), ("viability", "%", "1", 0.01),
    ("DO", "%", "1", 0.01), ("osmolality", "mOsm/kg", "mOsm/kg", 1.0), ("osmolality", "mOsm/L", "mOsm/L", 1.0),
    ("pO2", "mmHg", "mmHg", 1.0), ("probe", "degF", "degC", None),
])  # fmt: skip
@pytest.mark.parametrize("book", [False, True])
def test_a_series_comes_back_in_its_internal_unit(tmp_path, quantity, unit, internal, factor, book):
    value = np.array([95.0, 80.0, 62.5])
    [back] = read_runs(write_runs([run("a", unit, value, quantity)], tmp_path / ("a.xlsx" if book else "a")))
    series = back.measurements[quantity]
    expected = value * factor if factor else (value - 32.0) / 1.8
    assert (series.unit, series.value) == (internal, pytest.approx(expected, rel=1e-12))
    assert series.standard_error == pytest.approx((0.1 * value + 0.5) * (factor or 1.0 / 1.8), rel=1e-9)


def test_initial_values_media_and_signals_are_converted_too(tmp_path):
    one = run("a", "mg/L", [200.0, 100.0, 50.0], "starch", initial_temperature=36.0)
    one = replace(one, initial={"starch": 200.0, "GLC": 3.6}, units={"GLC": "g/L"},
                  media={"F": {"starch": 5000.0, "GLC": 400.0}}, events=(Bolus(1.0, "F", 0.1),),
                  signals={"air": Signal("air", "L/h", DAYS, DAYS)})  # fmt: skip
    [back] = read_runs(write_runs([one], tmp_path / "a"))
    assert back.initial == {"starch": 0.2, "GLC": pytest.approx(3600.0 / 180.156)}
    assert back.media["F"] == {"starch": 5.0, "GLC": pytest.approx(400e3 / 180.156)}
    assert back.units == {"starch": "g/L", "GLC": "mmol/L"}
    assert back.signals["air"].value.tolist() == [0.0, 24.0, 48.0]


def test_runs_in_two_units_are_one_set(tmp_path):
    first, second = run("a", "mg/L", [1.0, 2.0, 3.0]), run("b", "g/L", [1.0, 2.0, 3.0])
    back = {one.name: one.measurements["mAb"] for one in read_runs(write_runs([first, second], tmp_path / "ab"))}
    assert back["a"].value.tolist() == pytest.approx([1e-3, 2e-3, 3e-3])
    assert back["b"].value.tolist() == [1.0, 2.0, 3.0]
    first, second = (run(name, unit, [300.0, 310.0, 320.0], "osmolality") for name, unit in
                     (("a", "mOsm/kg"), ("b", "Osm/kg")))  # fmt: skip
    back = {one.name: one.measurements["osmolality"] for one in read_runs(write_runs([first, second], tmp_path / "o"))}
    assert [back["b"].unit, back["b"].value[0]] == ["mOsm/kg", 300e3]


def test_units_that_no_table_holds_are_told(tmp_path):
    with pytest.raises(InputError, match="run 'a', GLC: found the unit 'mmHg'; the table measurements has no place"):
        write_runs([run("a", "mmHg", [1.0, 2.0, 3.0], "GLC")], tmp_path / "a")
    first, second = run("a", "mmHg", [1.0, 2.0, 3.0], "gas"), run("b", "rpm", [1.0, 2.0, 3.0], "gas")
    with pytest.raises(InputError, match="run 'b', gas: found the unit 'rpm'; another run has gas in 'mmHg'"):
        write_runs([first, second], tmp_path / "a")
