"""The functions of formulas: how many arguments, their value in numpy or JAX, and their rule of units.

Operators and elementary functions are those of SBML Level 3. The factors of culture kinetics stand at the end.
"""

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from graycell.cell.constants import GAS_CONSTANT, ZERO_CELSIUS

Units = Literal["same", "plain", "product", "quotient", "power", "root", "condition", "comparison", "choice",
                "saturation", "gaussian", "arrhenius", "haldane", "kelvin", "first"]  # fmt: skip
"""Rules of units, see `units.unit_of`."""


@dataclass(frozen=True)
class Function:
    """A function of formulas.

    Attributes:
        arguments: fewest and most; None for any number.
        value: from a module of arrays (numpy or jax.numpy) and the arguments to the value.
        units: rule of units.
        usage: one line, for the documentation and for messages.
    """

    arguments: tuple[int, int | None]
    value: Callable[..., Any]
    units: Units = "plain"
    usage: str = ""


def number(xp: Any, value: Any) -> Any:
    """Return a value as a number: true is 1, false is 0.

    Args:
        xp: numpy or jax.numpy.
        value: a number or a truth value.

    Returns:
        The number.
    """
    return xp.asarray(value, float) if _is_truth(value) else value


def truth(xp: Any, value: Any) -> Any:
    """Return a value as a truth value: every number but 0 is true.

    Args:
        xp: numpy or jax.numpy.
        value: a number or a truth value.

    Returns:
        The truth value.
    """
    return value if _is_truth(value) else xp.asarray(value) != 0.0


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _folded(operation: Callable[[Any, Any, Any], Any], empty: float) -> Callable[..., Any]:
    def value(xp, *given):
        numbers = [number(xp, one) for one in given]
        return functools.reduce(lambda a, b: operation(xp, a, b), numbers) if numbers else empty

    return value


def _minus(xp, *given):
    first, *rest = (number(xp, one) for one in given)
    return first - rest[0] if rest else -first


def power(xp: Any, base: Any, exponent: Any) -> Any:
    """Return a power; a base below 0 with a broken exponent counts as 0, because a solver may overshoot zero.

    Its derivative at a base of 0 is finite: that of a power between 0 and 1 counts as 0 there.

    Args:
        xp: numpy or jax.numpy.
        base: any number.
        exponent: any number.

    Returns:
        The power.
    """
    base, exponent = number(xp, base), number(xp, exponent)
    if isinstance(exponent, float | int) and float(exponent).is_integer() and abs(exponent) <= 16:
        return base ** int(exponent) if exponent >= 0 else 1.0 / base ** int(-exponent)
    base, exponent = xp.asarray(base, float), xp.asarray(exponent, float)
    whole = exponent == xp.floor(exponent)
    odd = xp.floor(exponent / 2.0) * 2.0 != exponent
    size = xp.abs(base)
    positive = xp.where(size > 0.0, size, 1.0) ** exponent
    at_zero = xp.where(exponent > 0.0, 0.0, xp.where(exponent == 0.0, 1.0, math.inf))
    at_zero = xp.where(exponent == 1.0, base, at_zero)  # its derivative is 1
    negative = xp.where(whole, xp.where(odd, -positive, positive), at_zero)
    return xp.where(base > 0.0, positive, xp.where(base == 0.0, at_zero, negative))


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def value(xp, *given):
        numbers = [number(xp, one) for one in given]
        pairs = [xp.asarray(compare(a, b)) for a, b in itertools.pairwise(numbers)]
        return functools.reduce(xp.logical_and, pairs) if pairs else xp.asarray(True)

    return value


def _logical(name: str, empty: bool) -> Callable[..., Any]:
    def value(xp, *given):
        return functools.reduce(getattr(xp, name), (truth(xp, one) for one in given), xp.asarray(empty))

    return value


def _piecewise(xp, *given):
    *pairs, last = given if len(given) % 2 else (*given, math.nan)
    result = number(xp, last)
    for value, condition in reversed(list(zip(pairs[::2], pairs[1::2], strict=True))):
        result = xp.where(truth(xp, condition), number(xp, value), result)
    return result


def _called(name: str) -> Callable[..., Any]:
    return lambda xp, value: getattr(xp, name)(number(xp, value))


def _of_inverse(name: str) -> Callable[..., Any]:
    return lambda xp, value: getattr(xp, name)(1.0 / number(xp, value))


def _inverse_of(name: str) -> Callable[..., Any]:
    return lambda xp, value: 1.0 / getattr(xp, name)(number(xp, value))


def _root(xp, degree, value):
    return power(xp, value, 1.0 / number(xp, degree))


def _sigmoid(xp, value):
    if xp is np:
        from scipy.special import expit

        return expit(number(xp, value))
    from jax.nn import sigmoid  # 1/(1 + exp(-x)) has no derivative where exp(-x) is infinite

    return sigmoid(number(xp, value))


def _factorial(xp, value):
    if xp is np:
        from scipy.special import gammaln
    else:
        from jax.scipy.special import gammaln

    return xp.exp(gammaln(number(xp, value) + 1.0))


def _quotient(xp, above, below):
    return xp.trunc(number(xp, above) / number(xp, below))


def _remainder(xp, above, below):
    return number(xp, above) - number(xp, below) * _quotient(xp, above, below)


FUNCTIONS: dict[str, Function] = {
    "+": Function((0, None), _folded(lambda xp, a, b: a + b, 0.0), "same"),
    "-": Function((1, 2), _minus, "same"),
    "*": Function((0, None), _folded(lambda xp, a, b: a * b, 1.0), "product"),
    "/": Function((2, 2), lambda xp, a, b: number(xp, a) / number(xp, b), "quotient"),
    "^": Function((2, 2), power, "power", "pow(x, n) or x^n"),
    "==": Function((2, None), _comparison(lambda a, b: a == b), "comparison"),
    "!=": Function((2, 2), _comparison(lambda a, b: a != b), "comparison"),
    "<": Function((2, None), _comparison(lambda a, b: a < b), "comparison"),
    ">": Function((2, None), _comparison(lambda a, b: a > b), "comparison"),
    "<=": Function((2, None), _comparison(lambda a, b: a <= b), "comparison"),
    ">=": Function((2, None), _comparison(lambda a, b: a >= b), "comparison"),
    "&&": Function((0, None), _logical("logical_and", True), "condition"),
    "||": Function((0, None), _logical("logical_or", False), "condition"),
    "xor": Function((0, None), _logical("logical_xor", False), "condition", "xor(a, b)"),
    "!": Function((1, 1), lambda xp, a: xp.logical_not(truth(xp, a)), "condition"),
    "implies": Function((2, 2), lambda xp, a, b: xp.logical_or(xp.logical_not(truth(xp, a)), truth(xp, b)), "condition",
                        "implies(a, b)"),
    "piecewise": Function((1, None), _piecewise, "choice",
                          "piecewise(a, x < 1, b): a where x < 1, else b; pairs of value and condition, then the rest"),
    "abs": Function((1, 1), _called("abs"), "first", "abs(x)"),
    "ceil": Function((1, 1), _called("ceil"), "first", "ceil(x)"),
    "floor": Function((1, 1), _called("floor"), "first", "floor(x)"),
    "max": Function((1, None), _folded(lambda xp, a, b: xp.maximum(a, b), 0.0), "same", "max(a, b, ...)"),
    "min": Function((1, None), _folded(lambda xp, a, b: xp.minimum(a, b), 0.0), "same", "min(a, b, ...)"),
    "rem": Function((2, 2), _remainder, "first", "rem(a, b): remainder of a / b"),
    "quotient": Function((2, 2), _quotient, "quotient", "quotient(a, b): whole part of a / b"),
    "exp": Function((1, 1), _called("exp"), "plain", "exp(x)"),
    "ln": Function((1, 1), _called("log"), "plain", "ln(x): natural logarithm"),
    "log": Function((2, 2), lambda xp, base, a: xp.log(number(xp, a)) / xp.log(number(xp, base)), "plain",
                    "log(base, x); also log10(x)"),
    "root": Function((2, 2), _root, "root", "sqrt(x), root(n, x)"),
    "factorial": Function((1, 1), _factorial, "plain", "factorial(n)"),
}  # fmt: skip
for _name, _array in (("sin", "sin"), ("cos", "cos"), ("tan", "tan"), ("arcsin", "arcsin"), ("arccos", "arccos"),
                      ("arctan", "arctan"), ("sinh", "sinh"), ("cosh", "cosh"), ("tanh", "tanh"),
                      ("arcsinh", "arcsinh"), ("arccosh", "arccosh"), ("arctanh", "arctanh")):  # fmt: skip
    FUNCTIONS[_name] = Function((1, 1), _called(_array), "plain", f"{_name}(x)")
for _name, _array in (("sec", "cos"), ("csc", "sin"), ("cot", "tan"),
                      ("sech", "cosh"), ("csch", "sinh"), ("coth", "tanh")):  # fmt: skip
    FUNCTIONS[_name] = Function((1, 1), _inverse_of(_array), "plain", f"{_name}(x)")
    FUNCTIONS[f"arc{_name}"] = Function((1, 1), _of_inverse(f"arc{_array}"), "plain", f"arc{_name}(x)")
OPERATORS = ("+", "-", "*", "/", "^", "==", "!=", "<", ">", "<=", ">=", "&&", "||", "!")


def _inhibition(xp, c, constant, *exponent):
    share = c / constant
    return 1.0 / (1.0 + (power(xp, share, exponent[0]) if exponent else share))


def _hill(xp, c, constant, exponent):
    share = power(xp, c / constant, exponent)
    return share / (1.0 + share)


def _gaussian(xp, x, optimum, width):
    return xp.exp(-(((x - optimum) / width) ** 2))


def _arrhenius(xp, temperature, energy, reference):
    return xp.exp(energy / GAS_CONSTANT * (1.0 / (reference + ZERO_CELSIUS) - 1.0 / (temperature + ZERO_CELSIUS)))


CULTURE_FUNCTIONS: dict[str, Function] = {
    "monod": Function((2, 2), lambda xp, c, k: c / (k + c), "saturation", "monod(c, K) = c/(K + c)"),
    "inhibition": Function((2, 3), _inhibition, "saturation",
                           "inhibition(c, K) = 1/(1 + c/K); with an exponent, inhibition(c, K, n) = 1/(1 + (c/K)^n)"),
    "hill": Function((3, 3), _hill, "saturation", "hill(c, K, n) = (c/K)^n/(1 + (c/K)^n)"),
    "haldane": Function((3, 3), lambda xp, c, k, i: c / (k + c + c * c / i), "haldane",
                        "haldane(c, K, Ki) = c/(K + c + c^2/Ki)"),
    "gaussian": Function((3, 3), _gaussian, "gaussian", "gaussian(x, optimum, width) = exp(-((x - optimum)/width)^2)"),
    "sigmoid": Function((1, 1), _sigmoid, "plain", "sigmoid(x) = 1/(1 + exp(-x))"),
    "arrhenius": Function((3, 3), _arrhenius, "arrhenius",
                          "arrhenius(T, E, Tref) = exp(E/R (1/Tref - 1/T)), temperatures in degC, E in J/mol"),
    "kelvin": Function((1, 1), lambda xp, t: t + ZERO_CELSIUS, "kelvin", "kelvin(T): degC to K"),
}  # fmt: skip
"""Factors of culture kinetics."""
FUNCTIONS.update(CULTURE_FUNCTIONS)
