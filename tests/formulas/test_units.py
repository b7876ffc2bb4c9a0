"""Units through formulas: what fits, what does not, and where."""

import pytest

from graycell.formulas import parse
from graycell.formulas.units import unit_of
from graycell.units import coherent_factor, convert, dimensions, unit_text

UNITS = {"c": "mmol/L", "K": "mmol/L", "g": "g/L", "mg": "mg/mL", "k": "1/h", "V": "L", "n": "1", "T": "degC",
         "Tk": "K",
         "E": "kJ/mol", "q": "mmol/(1e9 cells)/d", "X": "1e6 cells/mL", "dT": "degC", "J": "J",
         "time": "d"}  # fmt: skip


def unit(text):
    found, faults = unit_of(parse(text), lambda name: dimensions(UNITS[name]))
    return None if found is None else unit_text(found), [(fault.part, fault.found) for fault in faults]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c + K", "mmol/L"), ("g - mg", "mg/L"), ("-c", "mmol/L"), ("c * V", "mmol"), ("c / K", "1"), ("k * time", "1"),
        ("q * X", "mmol/L/d"), ("c ^ 2", "mmol^2/L^2"), ("c ^ 0.5", "mmol^(1/2)/L^(1/2)"), ("c ^ -1", "L/mmol"),
        ("sqrt(c * K)", "mmol/L"), ("root(3, V)", "L^(1/3)"), ("n ^ n", "1"), ("(c / K) ^ n", "1"),
        ("c ^ (1 / 2 + 1 / 2)", "mmol/L"),
        ("c + 0", "mmol/L"), ("c * 2", "mmol/L"), ("max(c, 0)", "mmol/L"), ("min(c, K, 0)", "mmol/L"),
        ("abs(c)", "mmol/L"),
        ("rem(c, K)", "mmol/L"), ("quotient(c, K)", "1"), ("floor(c)", "mmol/L"), ("exp(c / K)", "1"), ("ln(n)", "1"),
        ("c < K", "1"), ("c > 0 && n == 1", "1"), ("xor(c < K, true)", "1"), ("!(c < K)", "1"),
        ("piecewise(c, n > 1, K)", "mmol/L"), ("piecewise(0, n > 1, K)", "mmol/L"), ("piecewise(c, n > 1)", "mmol/L"),
        ("monod(c, K)", "1"), ("inhibition(c, K, n)", "1"), ("hill(c, K, 2)", "1"), ("haldane(c, K, K)", "1"),
        ("gaussian(T, 0, dT)", "1"), ("arrhenius(T, E, dT)", "1"), ("kelvin(T)", "K"), ("kelvin(T) / Tk", "1"),
        ("sigmoid((T - dT) / dT)", "1"), ("k * c * monod(c, K)", "mmol/L/d"), ("pi * n", "1"), ("E / E", "1"),
    ],
)  # fmt: skip
def test_a_formula_has_the_unit_of_its_value(text, expected):
    assert unit(text) == (expected, [])


def test_zero_and_infinity_fit_any_unit():
    assert unit("0") == (None, [])
    assert unit("c + 0 + g * 0")[1] == []
    assert unit("min(c, infinity)") == ("mmol/L", [])


@pytest.mark.parametrize(
    ("text", "part", "found"),
    [
        ("k * (c + g)", "c + g", "'g' in mg/L beside mmol/L"),
        ("c + 1", "c + 1", "'1' in 1 beside mmol/L"),
        ("2 * exp(c)", "exp(c)", "'c' in mmol/L"),
        ("ln(T)", "ln(T)", "'T' in degC"),
        ("c < g", "c < g", "'g' in mg/L beside mmol/L"),
        ("piecewise(c, n > 1, k)", "piecewise(c, n > 1, k)", "'k' in 1/d beside mmol/L"),
        ("monod(c, g)", "monod(c, g)", "'g' in mg/L beside mmol/L"),
        ("inhibition(c, K, k)", "inhibition(c, K, k)", "'k' in 1/d"),
        ("haldane(c, K, n)", "haldane(c, K, n)", "'n' in 1 beside mmol/L"),
        ("gaussian(T, Tk, dT)", "gaussian(T, Tk, dT)", "'Tk' in K beside degC"),
        ("arrhenius(Tk, E, T)", "arrhenius(Tk, E, T)", "'Tk' in K"),
        ("arrhenius(T, J, T)", "arrhenius(T, J, T)", "'J' in mg*dm^2/d^2"),
        ("kelvin(Tk)", "kelvin(Tk)", "'Tk' in K"),
        ("T + Tk", "T + Tk", "'Tk' in K beside degC"),
        ("c ^ n", "c ^ n", "'c' in mmol/L to a power that is not a number"),
        ("n ^ c", "n ^ c", "'c' in mmol/L"),
        ("sin(time)", "sin(time)", "'time' in d"),
    ],
)
def test_parts_that_do_not_fit_are_named(text, part, found):
    assert unit(text)[1] == [(part, found)]


def test_one_fault_is_reported_once_and_does_not_spread():
    assert unit("exp(c + g) + k * (c + g)") == ("1", [("c + g", "'g' in mg/L beside mmol/L")] * 2)
    assert unit("monod(c + g, K) * k") == ("1/d", [("c + g", "'g' in mg/L beside mmol/L")])
    assert len(unit("exp(c) + sin(g) + ln(k)")[1]) == 3


def test_a_temperature_has_an_offset_and_a_difference_of_temperatures_has_a_factor():
    assert convert(310.15, "K", "degC") == pytest.approx(37.0)
    assert coherent_factor("degC") == coherent_factor("K") == 1.0
    assert dimensions("degC") != dimensions("K")
    assert dimensions("1/degC") != dimensions("1/K")
    assert coherent_factor("kJ/mol") == 1000.0
    assert coherent_factor("J/mmol") == 1000.0
