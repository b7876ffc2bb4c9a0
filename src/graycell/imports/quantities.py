"""internal_unit_of: a measured quantity, and the unit of its column -> the unit in which runs hold it.

Cells, viability and solutes of known molar mass have one each. Of anything else the unit of its column decides: an
amount stays an amount, a mass a mass, a number a number, and what a sensor shows, such as mOsm/kg, stays as it is.
"""

from graycell.imports.amounts import as_counted
from graycell.imports.vocabulary import quantity_of
from graycell.names import meanings
from graycell.runs.limits import LIMITS, MEASURED, NOT_SPECIES
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    TEMPERATURE,
    converts,
    is_readable,
)

_NO_UNIT = ("-", "\u2013", "\u2014", "none", "unitless", "dimensionless", "ph", "ph unit", "ph units", "au", "a.u.",
            "od", "abs")  # fmt: skip
"""Units in small letters that say that a number has none."""
_OF_NO_UNIT = ("pH",)
"""Quantities that need no unit."""


def as_measured(quantity: str, unit: str) -> str:
    """Return the unit of a column of a quantity, in which a number without a unit has the unit 1.

    Args:
        quantity: what the mapping calls it.
        unit: of the mapping or the file, "" if neither states one.

    Returns:
        The unit, "" where one is missing.

    >>> as_measured("pH", ""), as_measured("OD600", "a.u."), as_measured("GLC", "-"), as_measured("GLC", "g/L")
    ('1', '1', '-', 'g/L')
    """
    if quantity in NOT_SPECIES or quantity in MOLAR_MASS:
        return unit
    is_bare = unit.strip().lower() in _NO_UNIT
    return DIMENSIONLESS if is_bare or (not unit and meanings(quantity) & set(_OF_NO_UNIT)) else unit


def internal_unit_of(quantity: str, unit: str, molar_mass: float) -> str:
    """Return the unit in which runs hold a measured quantity.

    Args:
        quantity: what the mapping calls it.
        unit: of its column, see `as_measured`.
        molar_mass: [g/mol], 0 if it is not known.

    Returns:
        An internal unit, or the unit of the column where runs hold it as it is. A unit that cannot be read needs one of
        mmol/L.

    >>> internal_unit_of("GLC", "g/L", 180.156), internal_unit_of("biomass", "g/L", 0.0)
    ('mmol/L', 'g/L')
    >>> internal_unit_of("pH", "1", 0.0), internal_unit_of("osmolality", "mOsm/L", 0.0)
    ('1', 'mOsm/L')
    """
    if quantity in NOT_SPECIES:
        return LIMITS[NOT_SPECIES[quantity]].unit or ""
    # GLC is a name of its own, and a solute under another name is told to be named so
    if quantity in MOLAR_MASS or quantity_of(quantity) in MOLAR_MASS or not unit or not is_readable(unit):
        return CONCENTRATION
    if meanings(quantity) & {"osmolality"}:
        return unit
    if converts(unit, MASS_CONCENTRATION) and molar_mass:
        return CONCENTRATION
    if converts(as_counted(unit, CELL_DENSITY), CELL_DENSITY):
        return CELL_DENSITY
    fitting = (LIMITS[limit].unit or "" for limit in MEASURED)
    return next((one for one in (*fitting, TEMPERATURE) if converts(unit, one)), unit)


def unit_of_computed(quantity: str, stated: str, unit: str | None, molar_mass: float) -> str:
    """Return the unit in which runs hold a quantity that a formula computes.

    Args:
        quantity: what the mapping calls it.
        stated: the unit of the mapping, "" if there is none.
        unit: that the formula gives; None where any would fit.
        molar_mass: [g/mol], 0 if it is not known.

    Returns:
        An internal unit: what sensors show is measured, and not computed.

    >>> unit_of_computed("biomass", "", "mg/L", 0.0), unit_of_computed("X", "g", "1e9 cells/L", 0.0)
    ('g/L', 'mmol/L')
    """
    if not stated and (unit is None or not converts(unit, MASS_CONCENTRATION)):
        return internal_unit_of(quantity, "", molar_mass)
    found = internal_unit_of(quantity, as_measured(quantity, stated) or unit or "", molar_mass)
    return found if found in {LIMITS[limit].unit for limit in MEASURED} or quantity in NOT_SPECIES else CONCENTRATION


def limit_in(quantity: str, internal_unit: str) -> str:
    """Return the key of `LIMITS` of a quantity that runs hold in a unit.

    Args:
        quantity: its name.
        internal_unit: see `internal_unit_of`.

    Returns:
        The key; ``value``, any number, for what a sensor shows.

    >>> limit_in("biomass", "g/L"), limit_in("osmolality", "mOsm/kg"), limit_in("GLC", "mmol/L")
    ('mass concentration', 'value', 'concentration')
    """
    if quantity in NOT_SPECIES:
        return NOT_SPECIES[quantity]
    limits = {LIMITS[limit].unit: limit for limit in reversed(MEASURED)} | {TEMPERATURE: "temperature"}
    return limits.get(internal_unit, "value")
