"""Formula: a quantity of a mapping that is computed from others, row by row, with units through it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graycell.formulas.tree import Call, Number, Tree, parts
from graycell.formulas.units import Unit, unit_of
from graycell.formulas.values import value_of
from graycell.units import UnitError, coherent_factor, dimensions, unit_text


@dataclass(frozen=True)
class Formula:
    """A formula whose names are columns.

    Attributes:
        tree: of the formula.
        columns: by name; the numbers of each are in its internal unit.
        quantities: the measured quantity of each name, "" for a column or a number of the formula's own.
        factors: what a number is multiplied by to be in the coherent base units [1], by name.
    """

    tree: Tree
    columns: Mapping[str, Any]
    quantities: Mapping[str, str]
    factors: Mapping[str, float] = field(default_factory=dict)

    def value(self, numbers: Mapping[str, float]) -> float | None:
        """Return the value of the formula.

        Args:
            numbers: by name, each in the internal unit of its column.

        Returns:
            The value in coherent base units; None where it is no finite number.
        """
        value = float(value_of(self.tree, lambda name: numbers[name] * self.factors[name]))
        return value if math.isfinite(value) else None


def has_factor(tree: Tree) -> bool:
    """Return whether a formula multiplies or divides by a bare number, which may carry a unit that is not written.

    Args:
        tree: of the formula.

    Returns:
        Whether it does.
    """
    factors = (factor for part in parts(tree) if isinstance(part, Call) and part.function in ("*", "/")
               for factor in part.arguments)  # fmt: skip
    return any(isinstance(factor, Number) and factor.value != 0.0 for factor in factors)


def with_units(formula: Formula, units: Mapping[str, str]) -> tuple[Formula, str | None, list[tuple[str, str]]]:
    """Return a formula with the factors of its units, the unit of its value, and where units do not fit.

    Args:
        formula: without factors.
        units: by name.

    Returns:
        The formula; the coherent unit of its value, None where any would fit; and what was found and is needed, for
        each place where units do not fit.
    """
    known: dict[str, Unit] = {}
    factors: dict[str, float] = {}
    said: list[tuple[str, str]] = []
    for name, unit in units.items():
        try:
            known[name], factors[name] = dimensions(unit), coherent_factor(unit)
        except UnitError as error:
            known[name], factors[name] = None, 1.0
            said.append((f"{name}: {error}", "a unit of this kind can be read"))
    unit, faults = unit_of(formula.tree, lambda name: known.get(name))
    said += [(f"{fault.found} in '{fault.part}'", fault.needed) for fault in faults]
    made = Formula(formula.tree, formula.columns, formula.quantities, factors)
    return made, None if unit is None else unit_text(unit), said
