"""value_of: the value of a tree, in numbers or in JAX."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.tree import CONSTANTS, Call, Name, Number, Tree

_CHOICES = ("piecewise", "min", "max")
"""Functions that take one of their arguments and leave the others."""
_LARGEST = 700.0
"""[1] Of which the exponential function is finite."""


def value_of(tree: Tree, look_up: Callable[[str], Any], xp: Any = np) -> Any:
    """Return the value of a formula.

    The derivative of a branch of `piecewise`, `min` or `max` that is not taken is multiplied by 0, and infinity times 0
    is no number; so in branches a function counts as constant where it has no finite derivative.

    Args:
        tree: of the formula.
        look_up: from a name, which is no constant, to its value.
        xp: the module of arrays: numpy or jax.numpy.

    Returns:
        The value, a number or a truth value.

    >>> from graycell.formulas.parsing import parse
    >>> print(value_of(parse("2 * x^2 + 1"), {"x": 3.0}.__getitem__))
    19.0
    """
    with np.errstate(all="ignore"):  # infinite and undefined values are values
        return _value(tree, look_up, xp, False)


def _value(tree: Tree, look_up: Callable[[str], Any], xp: Any, in_branch: bool) -> Any:
    if isinstance(tree, Number):
        return np.float64(tree.value)  # which divides by 0 without an exception
    if isinstance(tree, Name):
        value = CONSTANTS[tree.name] if tree.name in CONSTANTS else look_up(tree.name)
        return np.float64(value) if isinstance(value, int | float) else value
    inside = in_branch or tree.function in _CHOICES
    given = [_value(part, look_up, xp, inside) for part in tree.arguments]
    if in_branch and xp is not np and tree.function in _SMOOTH:
        return _guarded(tree, given, xp)
    return FUNCTIONS[tree.function].value(xp, *given)


def _guarded(tree: Call, given: list[Any], xp: Any) -> Any:
    """Return the value of a call, which is constant where its derivative is not finite."""
    from jax import lax  # slow to import, and formulas of files have numbers of numpy

    function = FUNCTIONS[tree.function].value
    smooth, *instead = _SMOOTH[tree.function](xp, *given)
    inside = [one if other is None else xp.where(smooth, one, other)
              for one, other in zip(given, instead, strict=True)]  # fmt: skip
    return xp.where(smooth, function(xp, *inside), lax.stop_gradient(function(xp, *given)))


def _power(xp, base, exponent):
    if isinstance(exponent, float):  # a literal; the derivative of a power above 1 is finite
        return (base != 0.0) | (exponent >= 1.0), 1.0, None
    return base != 0.0, 1.0, None


_SMOOTH: dict[str, Callable[..., tuple]] = {
    "/": lambda xp, a, b: (b != 0.0, None, 1.0),
    "quotient": lambda xp, a, b: (b != 0.0, None, 1.0),
    "rem": lambda xp, a, b: (b != 0.0, None, 1.0),
    "^": _power,
    "root": lambda xp, n, x: ((x > 0.0) & (n != 0.0), 1.0, 1.0),
    "ln": lambda xp, x: (x > 0.0, 1.0),
    "log": lambda xp, b, x: ((x > 0.0) & (b > 0.0) & (b != 1.0), 2.0, 1.0),
    "exp": lambda xp, x: (x < _LARGEST, 0.0),
    "factorial": lambda xp, x: (x > -1.0, 0.0),
    "monod": lambda xp, c, k: (k + c != 0.0, 1.0, 1.0),
    "haldane": lambda xp, c, k, i: ((i != 0.0) & (k * i + c * i + c * c != 0.0), 1.0, 1.0, 1.0),
    "inhibition": lambda xp, c, k, *n: (k != 0.0, None, 1.0, *(None for _ in n)),
    "hill": lambda xp, c, k, n: (k != 0.0, None, 1.0, None),
    "gaussian": lambda xp, x, m, w: (w != 0.0, None, None, 1.0),
}
"""By function, from its arguments to where its derivative is finite, and arguments for elsewhere; None: as it is."""
for _name in ("sinh", "cosh", "sech"):
    _SMOOTH[_name] = lambda xp, x: (abs(x) < _LARGEST, 0.0)
for _name in ("csc", "cot", "csch", "coth"):
    _SMOOTH[_name] = lambda xp, x: ((x != 0.0) & (abs(x) < _LARGEST), 1.0)
for _name in ("arccot", "arccsch"):
    _SMOOTH[_name] = lambda xp, x: (x != 0.0, 1.0)
for _name in ("arcsin", "arccos", "arctanh"):
    _SMOOTH[_name] = lambda xp, x: (abs(x) < 1.0, 0.0)
for _name in ("arcsec", "arccsc", "arccoth"):
    _SMOOTH[_name] = lambda xp, x: (abs(x) > 1.0, 2.0)
_SMOOTH["arccosh"] = lambda xp, x: (x > 1.0, 2.0)
_SMOOTH["arcsech"] = lambda xp, x: ((x > 0.0) & (x < 1.0), 0.5)
