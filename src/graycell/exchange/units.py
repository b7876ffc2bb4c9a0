"""SbmlUnits: units of a model file as unit definitions of SBML, where they are simple."""

from typing import Any

from graycell.errors import GraycellError
from graycell.units import ENERGY, coherent_factor, dimensions

_KINDS = {"d": ("second", 0, 86400.0), "L": ("litre", 0, 1.0), "mmol": ("mole", -3, 1.0), "mg": ("gram", -3, 1.0),
          "1e9 cells": ("item", 0, 1e9), "K": ("kelvin", 0, 1.0), "dm": ("metre", -1, 1.0)}  # fmt: skip
"""Kind, scale and multiplier in SBML of the coherent base units."""
_SPELLED = {"d": "day", "L": "litre", "mmol": "mmol", "mg": "mg", "1e9 cells": "cells_e9", "K": "kelvin", "dm": "dm"}
AMOUNTS = ("mmol", "mg", "1e9 cells")
"""Base units that a species may be counted in."""


class SbmlUnits:
    """Writes unit definitions, each once.

    Attributes:
        model: a `libsbml.Model`, which gets the definitions.
        checked: whether the model file has units; without them numbers stand as they are.
    """

    def __init__(self, model: Any, checked: bool):
        self.model, self.checked = model, checked

    def factor(self, unit: str) -> float:
        """Return what a number is multiplied by to be in the coherent units of the SBML model.

        Args:
            unit: of the number.

        Returns:
            The factor [1].
        """
        return coherent_factor(unit) if self.checked else 1.0

    def id(self, unit: str) -> str:
        """Return the id of a unit, and define it where it is new.

        Args:
            unit: of a number of the model file; it is written in coherent units.

        Returns:
            The id; "" for a unit that SBML does not have, such as degrees Celsius.
        """
        if not self.checked:
            return ""
        try:
            powers = dimensions(unit)
            if any(base not in _KINDS for base, _ in powers) or powers == dimensions(ENERGY):
                return ""
        except GraycellError:
            return ""
        if not powers:
            return "dimensionless"
        return self.defined(tuple((base, float(power)) for base, power in powers))

    def defined(self, powers: tuple[tuple[str, float], ...]) -> str:
        """Return the id of a product of powers of base units.

        Args:
            powers: base units, each with its power.

        Returns:
            The id.
        """
        name = "_".join(
            ("" if power > 0 else "per_")
            + _SPELLED[base]
            + ("" if abs(power) == 1 else f"_{abs(power):g}".replace(".", "p"))
            for base, power in sorted(powers, key=lambda pair: -pair[1])
        )
        name = f"unit_{name}"
        if self.model.getUnitDefinition(name) is None:
            import libsbml

            definition = self.model.createUnitDefinition()
            definition.setId(name)
            for base, power in powers:
                kind, scale, multiplier = _KINDS[base]
                unit = definition.createUnit()
                unit.setKind(libsbml.UnitKind_forName(kind))
                unit.setExponent(power)
                unit.setScale(scale)
                unit.setMultiplier(multiplier)
        return name

    def substance(self, unit: str) -> str:
        """Return the id of the unit of an amount, for the unit of a concentration.

        Args:
            unit: of a species.

        Returns:
            The id; "" where there is none.
        """
        if not self.checked:
            return ""
        powers = dict(dimensions(unit))
        base = next((base for base in AMOUNTS if powers == {base: 1, "L": -1}), None)
        return "" if base is None else self.defined(((base, 1.0),))


_AMOUNTS = {("mole", 1.0): "mol", ("mole", 1e-3): "mmol", ("mole", 1e-6): "umol", ("gram", 1.0): "g",
            ("gram", 1e-3): "mg", ("item", 1e9): "1e9 cells", ("item", 1e6): "1e6 cells"}  # fmt: skip
"""Units of amounts by kind and factor, as they are in SBML."""


def substance_unit(model: Any, species: Any) -> str:
    """Return the unit of the amount of a species, if its model declares one that graycell has.

    Args:
        model: a `libsbml.Model`.
        species: one of its species.

    Returns:
        Such as mmol; "" where nothing is declared, or something else, or the volume is not in litres.
    """
    place = model.getCompartment(species.getCompartment())
    volume = "" if place is None else place.getUnits() or (model.getVolumeUnits() if model.getLevel() > 2 else "")
    default = model.getSubstanceUnits() if model.getLevel() > 2 else ""
    if volume and _single(model, volume) != ("litre", 1.0):
        return ""
    return _AMOUNTS.get(_single(model, species.getSubstanceUnits() or default), "")


def _single(model: Any, unit: str) -> tuple[str, float]:
    """Return kind and factor of a unit that is one base unit; ("", 0) for any other."""
    import libsbml

    definition = model.getUnitDefinition(unit)
    if definition is None:
        return (unit, 1.0) if libsbml.UnitKind_isValidUnitKindString(unit, 3, 1) else ("", 0.0)
    if definition.getNumUnits() != 1 or definition.getUnit(0).getExponentAsDouble() != 1.0:
        return "", 0.0
    base = definition.getUnit(0)
    factor = base.getMultiplier() * 10.0 ** base.getScale()
    return libsbml.UnitKind_toString(base.getKind()), float(f"{factor:.12g}")
