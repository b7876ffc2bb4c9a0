"""Units through a formula: what unit its value has, and where its parts do not fit together."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.tree import CONSTANTS, Call, Name, Number, Tree, names_in, text_of
from graycell.formulas.values import value_of
from graycell.units import ENERGY, Dimensions, base_unit, dimensions, unit_text

Unit = Dimensions | None
"""Dimensions of a value; None where any would fit, as for the number 0, or where a fault was reported already."""
_NONE: Dimensions = ()
_MAKE_PARAMETER = ", and a number has a unit only as a parameter"
_DEGREE = base_unit("degC")
_KELVIN = base_unit("K")


@dataclass(frozen=True)
class UnitFault:
    """Parts of a formula whose units do not fit.

    Attributes:
        part: the text of the part.
        found: its units.
        needed: what fits.
    """

    part: str
    found: str
    needed: str


def unit_of(tree: Tree, look_up: Callable[[str], Unit]) -> tuple[Unit, list[UnitFault]]:
    """Return the unit of a formula, and every place where units do not fit.

    A number without a name has no unit; 0 fits any.

    Args:
        tree: of the formula.
        look_up: from a name, which is no constant, to its dimensions.

    Returns:
        The dimensions, and the faults.
    """
    checker = _Checker(look_up)
    return checker.unit(tree), checker.faults


def times(*factors: tuple[Unit, int]) -> Unit:
    """Return a product of units with powers; None where one of them is not known.

    Args:
        factors: units, each with its power.

    Returns:
        The unit.
    """
    whole: dict[str, Fraction] = {}
    for unit, sign in factors:
        if unit is None:
            return None
        for base, exponent in unit:
            whole[base] = whole.get(base, Fraction(0)) + sign * exponent
    return tuple(sorted((base, exponent) for base, exponent in whole.items() if exponent))


class _Checker:
    def __init__(self, look_up: Callable[[str], Unit]):
        self.look_up, self.faults = look_up, []

    def fault(self, part: Tree, found: str, needed: str) -> None:
        self.faults.append(UnitFault(text_of(part), found, needed))

    def unit(self, tree: Tree) -> Unit:
        if isinstance(tree, Number):
            return None if tree.value == 0.0 or not np.isfinite(tree.value) else _NONE
        if isinstance(tree, Name):
            return _NONE if tree.name in CONSTANTS else self.look_up(tree.name)
        return getattr(self, f"_{FUNCTIONS[tree.function].units}")(tree)

    # ------------------------------------------------------------------------------------------------------ the rules

    def _alike(self, tree: Call, parts: tuple[Tree, ...]) -> Unit:
        """Return the unit of parts that must have the same one."""
        first: Unit = None
        for part in parts:
            unit = self.unit(part)
            if unit is None:
                continue
            if first is not None and unit != first:
                bare = any(isinstance(one, Number) for one in parts)
                self.fault(tree, f"'{text_of(part)}' in {unit_text(unit)} beside {unit_text(first)}",
                           "both must have the same unit" + (_MAKE_PARAMETER if bare else ""))  # fmt: skip
                return None
            first = unit
        return first

    def _require(self, tree: Call, part: Tree, wanted: Dimensions) -> None:
        unit = self.unit(part)
        if unit is not None and unit != wanted:
            bare = _MAKE_PARAMETER if isinstance(part, Number) else ""
            self.fault(tree, f"'{text_of(part)}' in {unit_text(unit)}", f"{unit_text(wanted)} is needed there{bare}")

    def _same(self, tree: Call) -> Unit:
        return self._alike(tree, tree.arguments)

    def _first(self, tree: Call) -> Unit:
        return self._alike(tree, tree.arguments)

    def _plain(self, tree: Call) -> Unit:
        for part in tree.arguments:
            self._require(tree, part, _NONE)
        return _NONE

    def _product(self, tree: Call) -> Unit:
        return times(*((self.unit(part), 1) for part in tree.arguments))

    def _quotient(self, tree: Call) -> Unit:
        above, below = tree.arguments
        return times((self.unit(above), 1), (self.unit(below), -1))

    def _power(self, tree: Call) -> Unit:
        return self._raised(tree, *tree.arguments, inverse=False)

    def _root(self, tree: Call) -> Unit:
        degree, base = tree.arguments
        return self._raised(tree, base, degree, inverse=True)

    def _raised(self, tree: Call, base: Tree, exponent: Tree, inverse: bool) -> Unit:
        unit = self.unit(base)
        self._require(tree, exponent, _NONE)
        if not unit:
            return unit
        if names_in(exponent):
            self.fault(tree, f"'{text_of(base)}' in {unit_text(unit)} to a power that is not a number",
                       "only a number without a unit has such a power")  # fmt: skip
            return None
        number = float(value_of(exponent, lambda name: np.nan))
        if not np.isfinite(number) or (inverse and number == 0.0):
            return None
        times = Fraction(number).limit_denominator(1000)
        times = 1 / times if inverse else times
        return tuple((base_, power * times) for base_, power in unit if power * times)

    def _condition(self, tree: Call) -> Unit:
        for part in tree.arguments:
            self.unit(part)
        return _NONE

    def _comparison(self, tree: Call) -> Unit:
        self._alike(tree, tree.arguments)
        return _NONE

    def _choice(self, tree: Call) -> Unit:
        values = tree.arguments[::2] if len(tree.arguments) % 2 else tree.arguments[:-1:2]
        for condition in tree.arguments[1::2]:
            self.unit(condition)
        return self._alike(tree, values)

    def _saturation(self, tree: Call) -> Unit:
        self._alike(tree, tree.arguments[:2])
        for exponent in tree.arguments[2:]:
            self._require(tree, exponent, _NONE)
        return _NONE

    def _gaussian(self, tree: Call) -> Unit:
        self._alike(tree, tree.arguments)
        return _NONE

    _haldane = _gaussian

    def _arrhenius(self, tree: Call) -> Unit:
        for part, wanted in zip(tree.arguments, (_DEGREE, dimensions(ENERGY), _DEGREE), strict=True):
            self._require(tree, part, wanted)
        return _NONE

    def _kelvin(self, tree: Call) -> Unit:
        self._require(tree, tree.arguments[0], _DEGREE)
        return _KELVIN
