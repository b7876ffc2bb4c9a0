"""Values of formulas: known numbers, powers of what a solver overshot, derivatives also beside singular branches."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.formulas import parse
from graycell.formulas.functions import FUNCTIONS, GAS_CONSTANT
from graycell.formulas.tree import Call, names_in
from graycell.formulas.values import value_of


def value(text, xp=np, **names):
    return value_of(parse(text), names.__getitem__, xp)


def slope(text, **names):
    """The derivatives by all names, in reverse mode as in a fit."""
    given = {name: jnp.asarray(number, jnp.float64) for name, number in names.items()}
    found = jax.grad(lambda at: jnp.asarray(value_of(parse(text), at.__getitem__, jnp), jnp.float64))(given)
    return {name: float(number) for name, number in found.items()}


KNOWN = {
    "1 + 2 * 3 - 4 / 8": 6.5, "plus()": 0.0, "plus(4)": 4.0, "times()": 1.0, "2 * 3 * 4": 24.0, "-(2 - 5)": 3.0,
    "2 ^ 10": 1024.0, "2 ^ -1": 0.5, "(-2) ^ 3": -8.0, "9 ^ 0.5": 3.0, "0 ^ 0": 1.0, "pow(2, 0.5)": math.sqrt(2.0),
    "1 < 2": 1.0, "2 < 1": 0.0, "1 < 2 < 3": 1.0, "1 < 3 < 2": 0.0, "2 >= 2": 1.0, "2 <= 1": 0.0, "2 > 2": 0.0,
    "1 == 1": 1.0, "1 != 1": 0.0,
    "true && false": 0.0, "true || false": 1.0, "!true": 0.0, "xor(true, true, true)": 1.0, "and()": 1.0, "or()": 0.0,
    "implies(true, false)": 0.0, "implies(false, false)": 1.0, "5 && 1": 1.0, "!0": 1.0, "(1 < 2) + 1": 2.0,
    "piecewise(1, 2 < 1, 3)": 3.0, "piecewise(1, 1 < 2, 3)": 1.0, "piecewise(1, false, 2, true, 3)": 2.0,
    "piecewise(7)": 7.0, "abs(-3)": 3.0, "ceil(1.2)": 2.0, "floor(-1.2)": -2.0, "max(1, 5, 3)": 5.0,
    "min(1, 5, -3)": -3.0,
    "rem(7, 3)": 1.0, "rem(-7, 3)": -1.0, "-7 % 3": -1.0, "quotient(7, 3)": 2.0, "quotient(-7, 3)": -2.0,
    "exp(1)": math.e, "ln(exponentiale)": 1.0, "log10(1000)": 3.0, "log(2, 8)": 3.0, "sqrt(16)": 4.0,
    "root(3, 27)": 3.0,
    "factorial(5)": 120.0, "factorial(0)": 1.0, "avogadro": 6.02214179e23, "pi": math.pi,
    "sin(1)": math.sin(1), "cos(1)": math.cos(1), "tan(1)": math.tan(1), "arcsin(0.5)": math.asin(0.5),
    "arccos(0.5)": math.acos(0.5), "arctan(2)": math.atan(2), "sinh(1)": math.sinh(1), "cosh(1)": math.cosh(1),
    "tanh(1)": math.tanh(1), "arcsinh(2)": math.asinh(2), "arccosh(2)": math.acosh(2), "arctanh(0.5)": math.atanh(0.5),
    "sec(1)": 1 / math.cos(1), "csc(1)": 1 / math.sin(1), "cot(1)": 1 / math.tan(1), "sech(1)": 1 / math.cosh(1),
    "csch(1)": 1 / math.sinh(1), "coth(1)": 1 / math.tanh(1), "arcsec(2)": math.acos(0.5), "arccsc(2)": math.asin(0.5),
    "arccot(2)": math.atan(0.5), "arcsech(0.5)": math.acosh(2), "arccsch(2)": math.asinh(0.5),
    "arccoth(2)": math.atanh(0.5),
    "monod(3, 1)": 0.75, "inhibition(3, 1)": 0.25, "inhibition(3, 1, 2)": 0.1, "hill(3, 1, 2)": 0.9,
    "haldane(2, 1, 4)": 0.5, "gaussian(36, 37, 2)": math.exp(-0.25), "sigmoid(0)": 0.5,
    "sigmoid(2)": 1 / (1 + math.exp(-2)),
    "arrhenius(37, 50000, 37)": 1.0, "kelvin(37)": 310.15,
    "arrhenius(27, 50000, 37)": math.exp(50000 / GAS_CONSTANT * (1 / 310.15 - 1 / 300.15)),
}  # fmt: skip


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
def test_every_function_has_the_value_that_is_known(xp):
    for text, expected in KNOWN.items():
        found = float(np.asarray(value(text, xp), float))
        assert found == pytest.approx(expected, rel=1e-13, abs=1e-15), text


def test_no_function_is_without_a_known_value():
    tested = {part.function for text in KNOWN for part in _calls(parse(text))}
    assert tested == set(FUNCTIONS)


def _calls(tree):
    if isinstance(tree, Call):
        yield tree
        for part in tree.arguments:
            yield from _calls(part)


@pytest.mark.parametrize("xp", [np, jnp], ids=["numpy", "jax"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("1/0", math.inf), ("-1/0", -math.inf), ("0/0", math.nan), ("1/x", math.inf), ("x^-1", math.inf),
     ("ln(x)", -math.inf),
     ("1e300^2", math.inf), ("exp(1000)", math.inf), ("monod(x, x)", math.nan), ("rem(1, x)", math.nan),
     ("log(1, 2)", math.inf), ("arcsin(2)", math.nan), ("sqrt(0 - 1)", 0.0)],
)  # fmt: skip
def test_what_has_no_finite_value_is_a_value_and_no_exception(xp, text, expected):
    assert float(np.asarray(value(text, xp, x=0.0))) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("base", "exponent", "expected"),
    [(-0.1, 1.5, 0.0), (-0.1, 0.5, 0.0), (-2.0, 2.0, 4.0), (-2.0, 3.0, -8.0), (-2.0, -1.0, -0.5), (0.0, 1.5, 0.0),
     (0.0, 0.0, 1.0), (0.0, -1.5, math.inf), (4.0, 1.5, 8.0), (0.0, 1.0, 0.0)],
)  # fmt: skip
def test_a_power_of_what_a_solver_overshot_below_zero_is_zero(base, exponent, expected):
    for text in ("x ^ n", f"x ^ ({exponent!r})"):
        for xp in (np, jnp):
            assert float(value(text, xp, x=base, n=exponent)) == expected
    if math.isfinite(expected):
        assert all(map(math.isfinite, slope("x ^ n", x=base, n=exponent).values()))


def test_the_derivative_of_a_power_at_zero_is_that_from_above():
    assert slope("x ^ n", x=0.0, n=1.0)["x"] == 1.0
    assert slope("x ^ n", x=0.0, n=2.5)["x"] == 0.0
    assert slope("x ^ 1", x=0.0)["x"] == 1.0
    assert slope("hill(x, 2, n)", x=0.0, n=1.0)["x"] == 0.5


@pytest.mark.parametrize("x", [-900.0, -30.0, 0.0, 30.0, 900.0])
def test_a_sigmoid_has_a_derivative_however_far_it_is(x):
    exact = math.exp(-abs(x)) / (1.0 + math.exp(-abs(x))) ** 2
    assert slope("sigmoid(x)", x=x)["x"] == pytest.approx(exact, rel=1e-12, abs=1e-15)


SINGULAR = ("1/x", "x^-1", "x^-2.5", "x^0.5", "ln(x)", "log10(x)", "log(x, 2)", "sqrt(x)", "root(3, x)",
            "exp(1000 - x)",
            "1/ln(x)", "ln(ln(x))", "monod(x, x)", "monod(1, 0*x)", "inhibition(1, x)", "hill(1, x, 2)",
            "haldane(1, 1, x)",
            "gaussian(1, 2, x)", "csc(x)", "cot(x)", "csch(x)", "coth(x)", "arccosh(x)", "arcsin(1 + x)",
            "arccos(1 + x)",
            "arctanh(1 + x)", "arcsec(x)", "arccsc(x)", "arccot(x)", "arcsech(x)", "arccsch(x)", "arccoth(x)",
            "quotient(1, x)", "rem(1, x)", "factorial(x - 1)", "sinh(1000 - x)", "cosh(1000 - x)", "x/x")  # fmt: skip


@pytest.mark.parametrize("text", SINGULAR)
@pytest.mark.parametrize("around",
                         ["piecewise({}, x > 0, 3 * x)", "piecewise(3 * x, x <= 0, 2 * {})",
                          "max(3 * x, min({}, 3*x))"])
def test_a_singular_branch_that_is_not_taken_leaves_the_derivative_finite(text, around):
    whole = around.format(text)
    found = slope(whole, x=0.0)["x"]
    assert math.isfinite(found)
    if "piecewise" in whole:
        assert float(np.asarray(value(whole, jnp, x=jnp.zeros(())))) == 0.0
        assert found == 3.0


def test_a_branch_that_is_taken_keeps_its_value_and_derivative():
    for text in SINGULAR:
        at = 1.5 if text.startswith(("arcsec(", "arccsc(", "arccoth", "arccosh", "1/ln", "ln(ln")) else 0.4
        if text in ("arcsin(1 + x)", "arccos(1 + x)", "arctanh(1 + x)"):
            at = -0.4
        at = 400.0 if "1000" in text else at
        inside = f"piecewise({text}, x > -1, 0)"
        assert float(value(inside, jnp, x=jnp.asarray(at))) == float(value(text, jnp, x=jnp.asarray(at))), text
        assert slope(inside, x=at)["x"] == pytest.approx(slope(text, x=at)["x"], rel=1e-14, nan_ok=True), text


FORMULAS = ("mu * monod(GLC, K) * inhibition(LAC, Ki, n)", "q * GLC^n / (K^n + GLC^n) - m",
            "hill(GLC, K, n) + haldane(LAC, K, Ki)",
            "gaussian(T, 37, w) * arrhenius(T, 1000 * E, 37)", "sigmoid((GLC - K) / w) * exp(-mu * LAC)",
            "piecewise(mu * GLC, GLC < K, mu * K) + abs(LAC - Ki)", "max(mu * GLC, q * LAC) - min(K, Ki, w)",
            "sqrt(GLC * LAC) / log10(1 + K) + ln(w) * root(3, E)", "tanh(mu) + arctan(q * w) - cosh(n / 5)",
            "rem(LAC, Ki) * factorial(n)", "log(w + 2, GLC)")  # fmt: skip
RANGES = {"mu": (0.1, 2), "q": (0.1, 3), "K": (0.5, 9), "Ki": (3, 40), "n": (1, 4), "m": (0, 1), "GLC": (0.1, 30),
          "LAC": (0.1, 40), "T": (30, 40), "w": (1, 6), "E": (10, 90)}  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_derivatives_are_those_of_differences(text):
    random = np.random.default_rng(0)
    for _ in range(5):
        used = {name: random.uniform(*ends) for name, ends in RANGES.items() if name in names_in(parse(text))}
        for name, found in slope(text, **used).items():
            step = 1e-5 * used[name]
            ends = [float(value(text, **{**used, name: used[name] + sign * step})) for sign in (1, -1)]
            assert found == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-8), name


def test_numpy_and_jax_give_the_same_also_for_arrays():
    random = np.random.default_rng(0)
    names = {name: random.uniform(*ends, size=5) for name, ends in RANGES.items()}
    on_device = jax.jit(lambda names: {text: value(text, jnp, **names) for text in FORMULAS})  # compiled once
    for text, found in on_device(names).items():
        assert np.allclose(value(text, **names), found, rtol=1e-12), text
