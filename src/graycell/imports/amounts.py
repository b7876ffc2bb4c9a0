"""Numbers in the units of someone's file -> internal units: masses become moles or, of liquids, volumes."""

import re

from graycell.runs.format.tables import parse_number, shown
from graycell.units import CELL_DENSITY, CONCENTRATION, VOLUME, VOLUMETRIC_RATE, UnitError, convert, converts

AMOUNT_RATE, RATE_PER_VOLUME = "mmol/d", "mmol/L/d"
"""What a feed may be told as where its volume is not: amount per time, or per time and volume of the culture."""
MASS = {CONCENTRATION: "g/L", AMOUNT_RATE: "g/d", RATE_PER_VOLUME: "g/L/d"}
"""The unit of mass beside a unit of moles."""
MASS_OF_LIQUID = {VOLUME: "kg", VOLUMETRIC_RATE: "kg/d"}
"""The unit of mass beside a unit of volume: feeds and samples are often weighed."""

_GROUPS = {
    ".": re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d*|(,\d{3}){2,}|([ ']\d{3})+(\.\d*)?)"),
    ",": re.compile(r"[+-]?\d{1,3}([. ']\d{3})+(,\d*)?"),
}
"""Numbers with their thousands apart, by the decimal mark. ``1,234`` alone may be a decimal comma: it is none."""


def plain(digits: str, mark: str) -> str:
    """Return digits with a decimal point and without marks of thousands, "" where they do not fit the decimal mark.

    >>> plain("1.234,5", ","), plain("1,234.5", "."), plain("6.1", ",")
    ('1234.5', '1234.5', '')
    """
    if _GROUPS[mark].fullmatch(digits):
        digits = "".join(one for one in digits if one.isdigit() or one in (mark, "-", "+"))
    elif mark == "," and "." in digits:
        return ""  # a point is no decimal mark of this file
    return digits.replace(",", ".") if mark == "," else digits


def in_internal_units(number: float, unit: str, house: str, molar_mass: float = 0.0, density: float = 0.0) -> float:
    """Return a number in a internal unit. Raises `UnitError`.

    Masses become moles by the molar mass [g/mol], weighed liquids volumes by their density [kg/L]; 0 if not known.

    >>> round(in_internal_units(1.8016, "g/L", "mmol/L", 180.16), 9), round(in_internal_units(52.5, "g", "L", density=1.05), 9)
    (10.0, 0.05)
    """
    if house in MASS_OF_LIQUID and density and not converts(unit, house):
        return float(convert(number, unit, MASS_OF_LIQUID[house])) / density
    if house in MASS and molar_mass and not converts(unit, house):
        return float(convert(number, unit, MASS[house])) * 1000.0 / molar_mass
    return float(convert(number, unit, house))


def as_counted(unit: str, house: str) -> str:
    """Return a unit of a cell density with its cells: what is counted in ``1e6/mL`` are cells.

    >>> as_counted("x10^6/mL", "1e9 cells/L")
    '10^6 cells/mL'
    """
    unit = re.sub(r"^[x*]\s*", "", unit)
    counted = unit.replace("/", " cells/", 1)
    return counted if house == CELL_DENSITY and not converts(unit, house) and converts(counted, house) else unit


def is_with_unit(text: object) -> tuple[float, str] | None:
    """Return the number and the unit of a text such as "1.5 L", None if it is none."""
    value, _, unit = str(text).strip().partition(" ")
    number = parse_number(value)
    return None if number is None or not unit else (number, unit)


def with_unit(text: object) -> tuple[float, str]:
    """Return the number and the unit of a text; raises `UnitError`."""
    found = is_with_unit(text)
    if found is None:
        raise UnitError(f"'{shown(str(text))}' is no number with a unit")
    return found
