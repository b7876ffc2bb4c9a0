"""A formula as a tree of numbers, names and calls; nothing in it is code."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

CONSTANTS = {
    "pi": math.pi,
    "exponentiale": math.e,
    "avogadro": 6.02214179e23,
    "true": 1.0,
    "false": 0.0,
    "infinity": math.inf,
    "notanumber": math.nan,
}
"""Names with a fixed value [1], as SBML Level 3 defines them."""
TIME = "time"
"""Name of the time [d] since the beginning of the run."""


@dataclass(frozen=True)
class Number:
    """A number.

    Attributes:
        value: without a unit [1].
    """

    value: float


@dataclass(frozen=True)
class Name:
    """A name: of a species, a parameter, a definition, a reaction, ... or of one of `CONSTANTS`.

    Attributes:
        name: as written.
    """

    name: str


@dataclass(frozen=True)
class Call:
    """An operator or a function with its arguments.

    Attributes:
        function: one of `functions.FUNCTIONS`.
        arguments: trees.
    """

    function: str
    arguments: tuple["Tree", ...]


Tree = Number | Name | Call


def parts(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and all trees inside it.

    Args:
        tree: of a formula.

    Returns:
        The trees, each before those inside it.
    """
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, Call):
            waiting.extend(reversed(one.arguments))


def names_in(tree: Tree) -> tuple[str, ...]:
    """Return the names of a formula that are no constants, each once, in the order in which they are written.

    Args:
        tree: of a formula.

    Returns:
        The names.

    >>> names_in(Call("*", (Name("k"), Call("^", (Name("c"), Name("k"))))))
    ('k', 'c')
    """
    found = (part.name for part in parts(tree) if isinstance(part, Name))
    return tuple(dict.fromkeys(name for name in found if name not in CONSTANTS))


def replaced(tree: Tree, change: Callable[[Tree], Tree | None]) -> Tree:
    """Return a tree with some parts replaced.

    Args:
        tree: of a formula.
        change: from a part to what stands in its place, or None to look further inside.

    Returns:
        The new tree.
    """
    found = change(tree)
    if found is not None:
        return found
    if isinstance(tree, Call):
        return Call(tree.function, tuple(replaced(part, change) for part in tree.arguments))
    return tree


def with_names(tree: Tree, trees: Mapping[str, Tree]) -> Tree:
    """Return a tree in which names are replaced by trees.

    Args:
        tree: of a formula.
        trees: by name.

    Returns:
        The new tree.
    """
    return replaced(tree, lambda part: trees.get(part.name) if isinstance(part, Name) else None)


_BINDING = {"||": 1, "&&": 1, "==": 3, "!=": 3, "<": 3, ">": 3, "<=": 3, ">=": 3, "+": 4, "-": 4, "*": 5, "/": 5,
            "^": 8}  # fmt: skip
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
_CHAINS = ("+", "*", "&&", "||")
"""Operators whose chains are read as one call, whatever brackets are in their first argument."""
_UNARY = 7


def text_of(tree: Tree) -> str:
    """Return a formula as text that `parsing.parse` reads back to the same tree.

    Args:
        tree: of a formula.

    Returns:
        The text.

    >>> text_of(Call("*", (Name("a"), Call("+", (Name("b"), Number(-2.0))))))
    'a * (b + (-2))'
    """
    return _printed(tree, 0)


def _printed(tree: Tree, least: int) -> str:
    """Return a tree as text, in brackets where it binds less strongly than `least`."""
    if isinstance(tree, Number):
        return _number(tree.value)
    if isinstance(tree, Name):
        return tree.name
    function, arguments = tree.function, tree.arguments
    if function in ("-", "!") and len(arguments) == 1:
        text = function + _printed(arguments[0], _UNARY + 1)
        return f"({text})" if least > 0 else text
    level = _BINDING.get(function)
    first = arguments[0].function if arguments and isinstance(arguments[0], Call) else ""
    is_chain = len(arguments) > 1 and function in _CHAINS and first != function
    is_pair = len(arguments) == 2 and function not in _CHAINS and not (level == 3 and first in _COMPARISONS)
    if level is None or not (is_chain or is_pair):
        return f"{_CALLED.get(function, function)}({', '.join(_printed(part, 0) for part in arguments)})"
    # the operators of one level are read from the left; && and || are of one level, a power is bracketed
    left = level if level in (4, 5) else level + 1
    text = f" {function} ".join(_printed(part, level + 1 if i else left) for i, part in enumerate(arguments))
    return f"({text})" if level < least else text


_CALLED = {"+": "plus", "*": "times", "&&": "and", "||": "or", "!": "not", "==": "eq", "!=": "neq", "<": "lt",
           ">": "gt", "<=": "leq", ">=": "geq", "^": "pow", "-": "minus", "/": "divide"}  # fmt: skip
"""Names of operators that are called with another number of arguments than two."""


def _number(value: float) -> str:
    if math.isnan(value):
        return "notanumber"
    if math.isinf(value):
        return "infinity" if value > 0.0 else "(-infinity)"
    text = repr(float(value)).removesuffix(".0")
    mantissa, _, exponent = text.partition("e")
    if exponent and float(f"{float(mantissa)!r}e{exponent}") != value:  # libsbml rounds the mantissa by itself
        text = format(Decimal(text), "f")
    return f"({text})" if text.startswith("-") else text
