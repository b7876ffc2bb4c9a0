"""Numbers in the units of somebody's file -> internal units: masses become moles or, of liquids, volumes."""

import re

from graycell.imports.substances import Substance
from graycell.imports.vocabulary import plain_unit
from graycell.runs.format.tables import parse_number
from graycell.units import CELL_DENSITY, CONCENTRATION, VOLUME, VOLUMETRIC_RATE, UnitError, convert, converts

AMOUNT_RATE, RATE_PER_VOLUME = "mmol/d", "mmol/L/d"
"""Units of a feed that is given as an amount: per time, or per time and volume of the culture."""
MASS = {CONCENTRATION: "g/L", AMOUNT_RATE: "g/d", RATE_PER_VOLUME: "g/L/d"}
"""The unit of mass beside a unit of moles."""
MASS_OF_LIQUID = {VOLUME: "kg", VOLUMETRIC_RATE: "kg/d"}
"""The unit of mass beside a unit of volume: feeds and samples are often weighed."""

_GROUPS = {
    ".": re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d*|(,\d{3}){2,}|([ ']\d{3})+(\.\d*)?)"),
    ",": re.compile(r"[+-]?\d{1,3}([. ']\d{3})+(,\d*)?"),
}
"""Numbers with their thousands apart, by the decimal mark. ``1,234`` alone may have a decimal comma: it is left out."""


def plain(digits: str, mark: str) -> str:
    """Return digits with a decimal point and without marks of thousands.

    Args:
        digits: a number as somebody wrote it.
        mark: the decimal mark, "." or ",".

    Returns:
        The digits, "" where they do not fit the decimal mark.

    >>> plain("1.234,5", ","), plain("1,234.5", "."), plain("6.1", ",")
    ('1234.5', '1234.5', '')
    """
    if _GROUPS[mark].fullmatch(digits):
        digits = "".join(letter for letter in digits if letter.isdigit() or letter in (mark, "-", "+"))
    elif mark == "," and "." in digits:
        return ""  # a point is no decimal mark of this file
    return digits.replace(",", ".") if mark == "," else digits


def in_internal_units(
    number: float, unit: str, internal_unit: str, molar_mass: float = 0.0, density: float = 0.0
) -> float:
    """Return a number in an internal unit; masses become moles, and weighed liquids volumes.

    Args:
        number: in `unit`.
        unit: of the file.
        internal_unit: the unit that is needed.
        molar_mass: [g/mol], 0 if not known.
        density: [kg/L], 0 if not known.

    Returns:
        The number in `internal_unit`.

    Raises:
        UnitError: the unit does not convert.

    >>> round(in_internal_units(1.8016, "g/L", "mmol/L", 180.16), 9)
    10.0
    >>> round(in_internal_units(52.5, "g", "L", density=1.05), 9)
    0.05
    """
    if internal_unit in MASS_OF_LIQUID and density and not converts(unit, internal_unit):
        return float(convert(number, unit, MASS_OF_LIQUID[internal_unit])) / density
    if internal_unit in MASS and molar_mass and not converts(unit, internal_unit):
        return float(convert(number, unit, MASS[internal_unit])) * 1000.0 / molar_mass
    return float(convert(number, unit, internal_unit))


IN_WHICH_FORM = "the water and the counter-ions of a solid decide how much of it is the solute"
"""What is needed where the name of a solid does not tell its form."""


def in_form(substance: Substance | None, quantity: str, unit: str, molar_mass: float) -> tuple[float, float] | None:
    """Return how much of a quantity a solid holds.

    Args:
        substance: what its name says; None if that is not known.
        quantity: what it counts as.
        unit: of its concentration, or of a rate.
        molar_mass: [g/mol] of the quantity alone, 0 if not known.

    Returns:
        The mass [g] that holds one mol of the quantity, and mol of the quantity in a mol [1]; None where the name
        leaves open which form it is.

    >>> from graycell.imports.vocabulary import substance_in
    >>> in_form(substance_in("L-Asparagine x H2O"), "ASN", "g/L", 132.12) is None
    True
    """
    if substance is None or substance.quantity != quantity:
        return molar_mass, 1.0
    is_amount = any(converts(unit, of) for of in MASS)
    if not (substance.per_mole if is_amount else substance.molar_mass):
        return None
    return substance.molar_mass or molar_mass, substance.per_mole if is_amount else 1.0


def as_counted(unit: str, internal_unit: str) -> str:
    """Return a unit of a cell density with its cells: what is counted in ``1e6/mL`` are cells.

    Args:
        unit: of the file.
        internal_unit: the unit that is needed.

    Returns:
        The unit, which is as it was if it is of anything else.

    >>> as_counted("x10^6/mL", "1e9 cells/L")
    '10^6 cells/mL'
    """
    unit = re.sub(r"^[x*]\s*", "", plain_unit(unit))
    counted = unit.replace("/", " cells/", 1)
    is_density = internal_unit == CELL_DENSITY and not converts(unit, CELL_DENSITY) and converts(counted, CELL_DENSITY)
    return counted if is_density else unit


def with_unit(text: object) -> tuple[float, str]:
    """Return the number and the unit of a text such as "1.5 L".

    Args:
        text: a value of a mapping.

    Returns:
        The number, and its unit as it is written.

    Raises:
        UnitError: it is no number with a unit.

    >>> with_unit("1.5 L")
    (1.5, 'L')
    """
    value, _, unit = str(text).strip().partition(" ")
    number = parse_number(value)
    if number is None or not unit:
        raise UnitError(f"'{text}' is no number with a unit")
    return number, unit
