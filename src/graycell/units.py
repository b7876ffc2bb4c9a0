"""Internal units, and the only converters.

Inside graycell everything is in one coherent set: day, litre, mmol, 10^9 cells, and g of what has no known molar mass.
Because 10^9 cells/L = 10^6 cells/mL and 1 mmol/(10^9 cells)/d = 1 pmol/cell/d, equations have no conversion factors.
Units are converted here, once, when data come in.
"""

import functools
import math
import re
from fractions import Fraction
from typing import Any

import pint

from graycell.errors import GraycellError

TIME = "d"
VOLUME = "L"
CONCENTRATION = "mmol/L"
MASS_CONCENTRATION = "g/L"
CELL_DENSITY = "1e9 cells/L"
SPECIFIC_RATE = "mmol/(1e9 cells)/d"
VOLUMETRIC_RATE = "L/d"
TEMPERATURE = "degC"
DIMENSIONLESS = "1"

INTERNAL_UNITS = (
    TIME,
    VOLUME,
    CONCENTRATION,
    MASS_CONCENTRATION,
    CELL_DENSITY,
    SPECIFIC_RATE,
    VOLUMETRIC_RATE,
    TEMPERATURE,
    DIMENSIONLESS,
)

_HEADING = re.compile(r"^\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?\s*$")
_COUNTED_CELLS = re.compile(r"(?<!\()(\b1e\d+|\b10\^\d+)\s*cells?\b")
_READABLE = re.compile(r"[A-Za-zµμ0-9 ./*^()_-]*")
_POWER = re.compile(r"\^(?!-?\d{1,2}(?!\d))")
_LONGEST_UNIT = 40


class UnitError(GraycellError):
    """A unit that cannot be read, or that does not measure what is needed."""


@functools.cache
def _registry() -> pint.UnitRegistry:
    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    registry.define("cell = [cell] = cells")
    return registry


@functools.lru_cache(maxsize=4096)
def _factor_and_offset(unit: str, to: str) -> tuple[float, float, float]:
    """Return (a, b, c) with  value_in_to = value_in_unit * a / b + c."""
    offset = _convert_one(0.0, unit, to)
    scale = _convert_one(1.0, unit, to) - offset
    if not (math.isfinite(scale) and scale > 0.0):
        raise UnitError(f"unit '{unit}' cannot be read; write it like mmol/L or 1e6 cells/mL")
    # 3800 * 0.001 is not 3.8 when the factor carries pint's rounding, 3800 / 1000 is
    ratio = Fraction(scale).limit_denominator(10**9)
    if abs(float(ratio) - scale) <= 4 * math.ulp(scale):
        return float(ratio.numerator), float(ratio.denominator), offset
    return scale, 1.0, offset


def _quantity(value: float, unit: str) -> Any:
    text = unit.strip().replace("°C", "degC").replace("%", "percent") or "1"
    # pint computes numbers, so a tower of powers would hang or overflow
    hostile = "**" in text or text.count("^") > 1 or _POWER.search(text)
    if len(text) > _LONGEST_UNIT or hostile or not _READABLE.fullmatch(text):
        raise UnitError(f"unit '{text[:_LONGEST_UNIT]}' cannot be read; write it like mmol/L or 1e6 cells/mL")
    # "nmol/1e6 cells/d" means per million cells; read from left to right it would be times cells
    text = _COUNTED_CELLS.sub(r"(\1 cells)", text)
    registry = _registry()
    if text in ("degC", "degF", "K"):
        return registry.Quantity(value, text)
    try:
        parsed = registry.parse_expression(text)
    except Exception as error:  # pint raises many kinds, token errors among them
        raise UnitError(f"unit '{text}' cannot be read; write it like mmol/L or 1e6 cells/mL") from error
    return value * parsed if hasattr(parsed, "to") else registry.Quantity(value * float(parsed), "")


def _convert_one(value: float, unit: str, to: str) -> float:
    source, target = _quantity(value, unit), _quantity(1.0, to)
    if not target.magnitude:
        raise UnitError(f"unit '{to}' cannot be read; write it like mmol/L or 1e6 cells/mL")
    try:
        converted = source.to(target.units)
    except pint.DimensionalityError as error:
        raise UnitError(f"unit '{unit}' does not measure the same thing as '{to}'") from error
    return float(converted.magnitude) / (1.0 if to in ("degC", "degF", "K") else float(target.magnitude))


def convert(value, unit: str, to: str):
    """Return a value in another unit.

    Args:
        value: a number or an array.
        unit: of the value.
        to: the other unit.

    Returns:
        The value in `to`.

    Raises:
        UnitError: a unit cannot be read, or the two do not measure the same thing.

    >>> convert(3800.0, "nmol/1e6 cells/d", SPECIFIC_RATE)
    3.8
    >>> convert(24.0, "h", TIME)
    1.0
    >>> convert(310.15, "K", TEMPERATURE)
    37.0
    """
    factor, divisor, offset = _factor_and_offset(unit, to)
    # adding an offset of zero would turn -0.0 into 0.0 and cost an array copy
    return value * factor / divisor + offset if offset else value * factor / divisor


@functools.lru_cache(maxsize=4096)
def converts(unit: str, to: str) -> bool:
    """Return whether two units measure the same thing; cached, since a unit that does not convert takes long to read.

    Args:
        unit: one unit.
        to: the other.

    Returns:
        Whether they do.

    >>> converts("g/L", "mg/dL"), converts("g/L", "mmol/L")
    (True, False)
    """
    try:
        convert(1.0, unit, to)
    except UnitError:
        return False
    return True


def parse_heading(heading: str) -> tuple[str, str | None]:
    """Return the name and the unit of a column heading such as ``GLC [mmol/L]``.

    Args:
        heading: of a column.

    Returns:
        The name, and the unit or None.

    Raises:
        UnitError: the heading cannot be read.

    >>> parse_heading("VCD [1e6 cells/mL]")
    ('VCD', '1e6 cells/mL')
    >>> parse_heading("event")
    ('event', None)
    """
    match = _HEADING.match(heading)
    if match is None:
        example = "write a name and a unit in brackets, like GLC [mmol/L]"
        raise UnitError(f"heading '{heading}' cannot be read; {example}")
    return match["name"], match["unit"]
