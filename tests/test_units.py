import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graycell import units
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    INTERNAL_UNITS,
    SPECIFIC_RATE,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    UnitError,
    convert,
    parse_heading,
)


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (3800.0, "nmol/1e6 cells/d", SPECIFIC_RATE, 3.8),
        (3800.0, "nmol/(1e6 cells)/d", SPECIFIC_RATE, 3.8),
        (3.8, "pmol/cell/d", SPECIFIC_RATE, 3.8),
        (1.0, "pmol/cell/h", SPECIFIC_RATE, 24.0),
        (2.51, "1e6 cells/mL", CELL_DENSITY, 2.51),
        (2.51e6, "cells/mL", CELL_DENSITY, 2.51),
        (2.51, "10^6 cells/mL", CELL_DENSITY, 2.51),
        (36.0, "h", TIME, 1.5),
        (1440.0, "min", TIME, 1.0),
        (5500.0, "uM", CONCENTRATION, 5.5),
        (5500.0, "µmol/L", CONCENTRATION, 5.5),
        (5.5, "mM", CONCENTRATION, 5.5),
        (750.0, "mL", VOLUME, 0.75),
        (1000.0, "mL/h", VOLUMETRIC_RATE, 24.0),
        (98.0, "%", DIMENSIONLESS, 0.98),
        (0.98, "", DIMENSIONLESS, 0.98),
        (310.15, "K", TEMPERATURE, 37.0),
        (36.8, "°C", TEMPERATURE, 36.8),
    ],
)
def test_known_conversions_are_exact(value, unit, to, expected):
    assert convert(value, unit, to) == expected


@pytest.mark.parametrize("unit", INTERNAL_UNITS)
def test_a_internal_unit_converts_to_itself_without_rounding(unit):
    assert convert(0.1, unit, unit) == 0.1


@given(
    st.floats(-1e12, 1e12, allow_subnormal=False),
    st.sampled_from([("h", TIME, 24.0), ("mL", VOLUME, 1e3), ("uM", CONCENTRATION, 1e3), ("%", DIMENSIONLESS, 1e2)]),
)
def test_a_number_survives_the_way_to_another_unit_and_back(value, units):
    unit, to, factor = units
    assert math.isclose(convert(value * factor, unit, to), value, rel_tol=1e-14, abs_tol=1e-300)


def test_arrays_convert_element_by_element():
    np.testing.assert_array_equal(convert(np.array([0.0, 24.0]), "h", TIME), [0.0, 1.0])


@pytest.mark.parametrize(
    ("unit", "to"),
    [("g/L", CONCENTRATION), ("mmol", CONCENTRATION), ("d", VOLUME), ("degC", TIME), ("1/d", TIME)],
)
def test_a_unit_of_another_kind_is_refused(unit, to):
    with pytest.raises(UnitError, match="does not measure the same thing"):
        convert(1.0, unit, to)


@pytest.mark.parametrize(
    "unit",
    [
        "furlongs per",
        "__import__('os')",
        "9^9^9 L",
        "9^99999999",
        "9⁹⁹⁹⁹⁹⁹⁹⁹",
        "10**99 L",
        "1e999 L",
        "0 L",
        "-1 L",
        "nan L",
        "L\n",
        "((((L",
        "L" * 1000,
    ],
)
def test_a_hostile_unit_is_refused_with_a_sentence_and_at_once(unit):
    with pytest.raises(UnitError):
        convert(1.0, unit + " L", VOLUME)


def test_a_heading_is_a_name_and_a_unit():
    assert parse_heading("GLC[mM] ") == ("GLC", "mM")
    for bad in ("", "[d]", "GLC [mmol/L", "a [b] [c]"):
        with pytest.raises(UnitError, match="heading"):
            parse_heading(bad)


def test_units_are_read_where_nothing_can_be_kept(monkeypatch, tmp_path):
    """What pint keeps of its units is an aid: a file of it that is broken is removed, and the units are read anew."""
    monkeypatch.setenv("GRAYCELL_CACHE", str(tmp_path))
    units._new_registry()
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        file.write_bytes(b"half")
    assert units._new_registry().Quantity(1.0, "mol/l").to("mmol/l").magnitude == pytest.approx(1000.0)
    assert not any(file.exists() for file in kept)

    monkeypatch.setenv("GRAYCELL_CACHE", "off")
    assert units._new_registry().Quantity(1.0, "day").to("hour").magnitude == pytest.approx(24.0)
