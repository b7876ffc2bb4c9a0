"""Internal units, and the only converters.

Inside graycell everything is in one coherent set: day, litre, mmol, 10^9 cells, and g of what has no known molar mass.
Because 10^9 cells/L = 10^6 cells/mL and 1 mmol/(10^9 cells)/d = 1 pmol/cell/d, equations have no conversion factors.
Units are converted here, once, when data come in.
"""

import functools
import math
import re
import shutil
import sys
from fractions import Fraction
from typing import Any

import pint

from graycell.compiling import cache_folder
from graycell.errors import GraycellError

TIME = "d"
VOLUME = "L"
CONCENTRATION = "mmol/L"
MASS_CONCENTRATION = "g/L"
CELL_DENSITY = "1e9 cells/L"
SPECIFIC_RATE = "mmol/(1e9 cells)/d"
MASS_RATE = "g/(1e9 cells)/d"
VOLUMETRIC_RATE = "L/d"
RATE_SLOPE = "L/d^2"
RATE_PER_CELLS = "L/(1e9 cells)/d"
TEMPERATURE = "degC"
PER_MOLE = "g/mol"
DIMENSIONLESS = "1"

INTERNAL_UNITS = (
    TIME,
    VOLUME,
    CONCENTRATION,
    MASS_CONCENTRATION,
    CELL_DENSITY,
    SPECIFIC_RATE,
    MASS_RATE,
    VOLUMETRIC_RATE,
    RATE_SLOPE,
    RATE_PER_CELLS,
    TEMPERATURE,
    PER_MOLE,
    DIMENSIONLESS,
)

_AMOUNTS_AND_MASSES = ((CONCENTRATION, MASS_CONCENTRATION), ("mmol", "g"), (SPECIFIC_RATE, MASS_RATE),
                       ("mmol/L/d", "g/L/d"))  # fmt: skip
"""Units of amounts, and those of masses of them; a molar mass in g/mol is 1000 times their quotient."""
_HEADING = re.compile(r"^\s*(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?\s*$")
_COUNTED_CELLS = re.compile(r"(?<!\()(\b1e\d+|\b10\^\d+)\s*cells?\b")
_READABLE = re.compile(r"[A-Za-zµμ0-9 ./*^()_-]*")
_POWER = re.compile(r"\^(?!-?\d{1,2}(?!\d))")
_LONGEST_UNIT = 40
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class UnitError(GraycellError):
    """A unit that cannot be read, or that does not measure what is needed."""


def _new_registry() -> pint.UnitRegistry:
    """Return a registry of pint's units; what pint has read of them is kept in the user's cache folder."""
    folder = cache_folder()
    if folder is not None:
        kept = folder / f"units-{pint.__version__}-{sys.implementation.cache_tag}"
        try:
            return pint.UnitRegistry(autoconvert_offset_to_baseunit=True, cache_folder=kept)
        except Exception:  # noqa: BLE001  a folder that cannot be written, a file that another process is writing
            shutil.rmtree(kept, ignore_errors=True)
    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


@functools.cache
def _registry() -> pint.UnitRegistry:
    registry = _new_registry()
    registry.define("cell = [cell] = cells")
    registry.define("celsius_step = [celsius]")
    registry.define("osmol = mol = Osm")
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


def convert_amount(value, unit: str, to: str, molar_mass: float | None = None):
    """Return a value in another unit; with a molar mass, also an amount as a mass and a mass as an amount.

    Args:
        value: a number or an array.
        unit: of the value.
        to: the other unit.
        molar_mass: [g/mol] or None.

    Returns:
        The value in `to`.

    Raises:
        UnitError: the two do not measure the same thing, and no molar mass brings them together.

    >>> convert_amount(2.0, "mmol/L", "g/L", 180.0)
    0.36
    """
    if molar_mass and not converts(unit, to):
        for amount, mass in _AMOUNTS_AND_MASSES:
            if converts(unit, amount) and converts(to, mass):
                return convert(convert(value, unit, amount) * molar_mass / 1000.0, mass, to)
            if converts(unit, mass) and converts(to, amount):
                return convert(convert(value, unit, mass) * 1000.0 / molar_mass, amount, to)
    return convert(value, unit, to)


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


ENERGY = "J/mol"
"""Unit of an activation energy in a formula."""
Dimensions = tuple[tuple[str, Fraction], ...]
"""Powers of the base units `d`, `L`, `mmol`, `1e9 cells`, `mg`, `degC`, `K`, sorted by name; empty for a number."""
_BASES = {"[time]": "d", "[substance]": "mmol", "[cell]": "1e9 cells", "[mass]": "mg", "[temperature]": "K",
          "[celsius]": "degC", "[current]": "A", "[luminosity]": "cd"}  # fmt: skip


def base_unit(name: str) -> Dimensions:
    """Return what a base unit measures, without a look at the registry of units, which takes time to load.

    Args:
        name: a name of `_BASES`, or `L`.

    Returns:
        The first power of it.

    >>> all(base_unit(name) == dimensions(name) for name in ("d", "L", "mmol", "1e9 cells", "mg", "K", "degC"))
    True
    """
    return ((name, Fraction(1)),)


@functools.lru_cache(maxsize=4096)
def dimensions(unit: str) -> Dimensions:
    """Return what a unit measures, in powers of the coherent base units.

    Degrees Celsius are apart from kelvins, because an offset lies between them.

    Args:
        unit: any.

    Returns:
        The powers.

    Raises:
        UnitError: the unit cannot be read.

    >>> dimensions("g/L") == dimensions("mg/mL"), dimensions("1/h")
    (True, (('d', Fraction(-1, 1)),))
    """
    powers: dict[str, Fraction] = {}
    for base, exponent in _linear(unit).dimensionality.items():
        power = Fraction(exponent).limit_denominator(100)
        if base == "[length]":
            name, power = ("L", power / 3) if power % 3 == 0 else ("dm", power)
        else:
            name = _BASES.get(str(base), str(base))
        if power:
            powers[name] = power
    return tuple(sorted(powers.items()))


def is_readable(unit: str) -> bool:
    """Return whether a unit can be read.

    Args:
        unit: as written.

    Returns:
        Whether it can.

    >>> is_readable("1/min"), is_readable("per day")
    (True, False)
    """
    try:
        dimensions(unit)
    except UnitError:
        return False
    return True


def unit_text(powers: Dimensions) -> str:
    """Return a unit with given powers of the base units.

    Args:
        powers: see `dimensions`.

    Returns:
        The unit as text.

    >>> unit_text(dimensions("umol/1e6 cells/h"))
    'mmol/(1e9 cells)/d'
    """
    if powers == dimensions(ENERGY):
        return ENERGY
    ordered = sorted(powers, key=lambda one: ("mg", "mmol", "L", "dm", "1e9 cells", "degC", "K", "d").index(one[0])
                     if one[0] in ("mg", "mmol", "L", "dm", "1e9 cells", "degC", "K", "d") else 99)  # fmt: skip

    def written(base: str, power: Fraction) -> str:
        base = f"({base})" if " " in base and (power != 1 or above) else base
        return base if power == 1 else f"{base}^{power}" if power.denominator == 1 else f"{base}^({power})"

    above = [one for one in ordered if one[1] > 0]
    counted = above == [("1e9 cells", Fraction(1))]
    text = "1e9 cells" if counted else "*".join(written(base, power) for base, power in above) or "1"
    above = above or [("", Fraction(0))]
    return text + "".join(f"/{written(base, -power)}" for base, power in ordered if power < 0)


def coherent_factor(unit: str) -> float:
    """Return what a number in a unit is multiplied by to be in the coherent base units.

    Args:
        unit: any; a temperature counts as a difference.

    Returns:
        The factor [1].

    Raises:
        UnitError: the unit cannot be read.

    >>> coherent_factor("1/h"), coherent_factor("g/L"), coherent_factor("1e6 cells/mL"), coherent_factor("degC")
    (24.0, 1000.0, 1.0, 1.0)
    """
    factor = float(_linear(unit).to_base_units().magnitude)
    for base, power in dimensions(unit):
        factor /= float(_linear(base).to_base_units().magnitude) ** float(power)
    if dimensions(unit) == dimensions(ENERGY):
        return convert(1.0, unit, ENERGY)
    return float(f"{factor:.15g}")  # without the rounding of pint: 24 and not 23.999999999999996


def _linear(unit: str) -> Any:
    """Return one of a unit, in which a degree Celsius is a unit of its own without an offset."""
    text = unit.replace("°C", "degC").replace("degC", "celsius_step")
    quantity = _quantity(1.0, text)
    if not math.isfinite(float(quantity.magnitude)) or float(quantity.magnitude) <= 0.0:
        raise UnitError(f"unit '{unit}' cannot be read; write it like mmol/L or 1e6 cells/mL")
    return quantity


def pretty_unit(unit: str) -> str:
    """Return a unit as it is printed.

    Args:
        unit: any.

    Returns:
        The unit with superscripts.

    >>> pretty_unit("mmol/(1e9 cells)/d"), pretty_unit("1e6 cells/mL")
    ('mmol/(10⁹ cells)/d', '10⁶ cells/mL')
    """
    return re.sub(r"\b1e(\d+)(?= cells?\b)", lambda power: "10" + power[1].translate(_RAISED), unit)
