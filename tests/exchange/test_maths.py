import time

import pytest
from sbml_models import sbml

from graycell.errors import InputError
from graycell.exchange.reading import imported


def formula(text, parameters=None, **parts):
    """Return the formula of an assignment rule as the model file has it."""
    data = sbml(parameters={"y": {"constant": False}, "a": 2.0, "b": 3.0, **(parameters or {})},
                assigned={"y": text}, **parts)  # fmt: skip
    return imported(data, "model.xml").file.definitions["y"].formula


def refusal(text, **parts):
    with pytest.raises(InputError) as caught:
        formula(text, **parts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a + b + 1", "a + b + 1"),
        ("a * b * a", "a * b * a"),
        ("a && b", "a && b"),
        ("sqrt(a)", "root(2, a)"),
        ("piecewise(a, b > 1, 0)", "piecewise(a, b > 1, 0)"),
        ("1.5e-5 * a", "1.5e-05 * a"),
        ("avogadro * 1", "avogadro * 1"),
        ("time", "time"),
        ("plus()", "0"),
        ("and(a)", "and(a)"),
        ("or()", "false"),
    ],
)
def test_mathml_becomes_a_formula(text, wanted):
    assert formula(text) == wanted


def test_functions_of_the_model_are_written_out():
    functions = {"twice": "lambda(x, 2 * x)", "mixed": "lambda(x, y, twice(x) - y)"}
    assert formula("mixed(b, twice(a))", functions=functions) == "2 * b - 2 * a"


def test_arguments_come_before_symbols_and_time_is_no_argument():
    assert formula("f(a)", functions={"f": "lambda(b, b + time)"}) == "a + time"


def test_a_function_that_needs_itself_is_refused():
    assert "the function 'f' inside itself" in refusal(
        "f(a)", functions={"f": "lambda(x, g(x))", "g": "lambda(x, f(x))"}
    )


def test_functions_of_functions_do_not_grow_without_end():
    functions = {"f0": "lambda(x, x * x)"}
    functions |= {f"f{i}": f"lambda(x, f{i - 1}(x) * f{i - 1}(x))" for i in range(1, 40)}
    began = time.perf_counter()
    assert "grows too large" in refusal("f39(a)", functions=functions)
    assert time.perf_counter() - began < 5.0


def test_a_wrong_number_of_arguments_is_refused():
    assert "2 arguments of 'f'; it takes 1" in refusal("f(a, b)", functions={"f": "lambda(x, x)"})


def test_a_function_of_something_else_than_its_arguments_is_refused():
    assert "'b' inside 'f'" in refusal("f(a)", functions={"f": "lambda(x, x + b)"})


def test_the_past_is_refused():
    assert "found delay; the past of a symbol is not kept" in refusal("delay(a, 1)")


def test_the_rate_of_an_expression_is_refused():
    assert "rateOf of an expression" in refusal("f(a * b)", functions={"f": "lambda(x, rateOf(x))"})


def test_an_unknown_symbol_is_refused_with_the_nearest():
    assert "'aa'; a formula uses symbols of the model; did you mean 'a'" in refusal("aa + 1")


def test_a_deep_formula_is_refused():
    text = "a"
    for _ in range(90):
        text = f"sin({text})"
    deep = {"f": f"lambda(a, {text})"}
    assert "levels" in refusal("f(f(a))", functions=deep)


def test_long_sums_stay_as_they_are():
    assert formula(" + ".join(["a"] * 300)) == " + ".join(["a"] * 300)


@pytest.mark.parametrize(
    "name", ["pi", "Pi", "INF", "nan", "time", "Time", "sin", "max", "monod", "avogadro", "true", "BIOM"]
)
def test_a_name_that_means_something_else_gets_a_line_behind_it(name):
    data = sbml(parameters={"y": {"constant": False}, "zz": 7.0}, assigned={"y": "2 * zz"}).decode()
    data = data.replace('"zz"', f'"{name}"').replace("> zz <", f"> {name} <").encode()
    file = imported(data, "model.xml").file
    assert file.definitions["y"].formula == f"2 * {name}_"
    assert file.parameters[f"{name}_"].value == 7.0
    assert any("names that formulas use otherwise" in remark.found for remark in file.remarks)
