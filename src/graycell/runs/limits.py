"""LIMITS: what physics forbids for each kind of number. What is only unusual is a remark, see `runs.ranges`."""

import math
from dataclasses import dataclass, replace

import numpy as np

from graycell.errors import Finding
from graycell.names import meanings
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    PER_MOLE,
    RATE_PER_CELLS,
    RATE_SLOPE,
    SPECIFIC_RATE,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    converts,
)


@dataclass(frozen=True)
class Limit:
    """The range of a number.

    Attributes:
        unit: internal unit of the bounds; None for a number whose heading has no unit.
        lowest: below it a number is impossible.
        highest: above it a number is impossible.
        needed: the sentence of a `Finding` for a number below the range, or outside of one with both ends.
        remedy: what that finding says to do.
        most: the sentence for a number above the range; that of `needed` if it is empty.
        open_below: whether `lowest` itself is impossible too.
    """

    unit: str | None
    lowest: float
    highest: float
    needed: str
    remedy: str = "correct the number"
    most: str = ""
    open_below: bool = False


_IF_EMPTY = "leave the cell empty if no sample was taken, or write it like <0.1 if it is noise around 0"
_THE_UNIT = "look at the unit of the column"
DENSEST = 2000.0
"""[g/L] Above the density of any organic solute (cystine has 1677 g/L, glucose 1540) and of culture media."""
_NOTHING_MORE = f"no liquid holds more than 60000 mmol/L (pure water has 55300), or {DENSEST:g} g/L of a solute"

_OF_TWO_COUNTS = 1.05
"""A viability [1] up to which the errors of two counts explain that it is above 1."""

LIMITS = {
    "time": Limit(TIME, 0.0, math.inf, "times are >= 0", "count the time from inoculation"),
    "volume": Limit(VOLUME, 0.0, math.inf, "volumes are >= 0"),
    "initial volume": Limit(
        VOLUME, 0.0, math.inf, "an initial volume is > 0", "write the volume at inoculation", open_below=True
    ),
    "rate": Limit(VOLUMETRIC_RATE, 0.0, math.inf, "rates are >= 0", "use a bleed or a harvest for an outflow"),
    "rate per cells": Limit(RATE_PER_CELLS, 0.0, math.inf, "rates are >= 0"),
    "slope": Limit(RATE_SLOPE, -math.inf, math.inf, "any number"),
    # in the unit that the species has in the media
    "level": Limit(None, 0.0, math.inf, "a level is > 0", "write the concentration to feed up to", open_below=True),
    # growth is known from -15 degC, in brine (Mykytczuk 2013), to 122 degC, under pressure (Takai 2008)
    "temperature": Limit(TEMPERATURE, -20.0, 125.0, "a culture is liquid, at -20 to 125 degC", "look at the unit"),
    "fraction": Limit(DIMENSIONLESS, 0.0, 1.0, "a fraction is 0 to 1", "for percent write [%]"),
    "concentration": Limit(CONCENTRATION, 0.0, 6e4, "concentrations are >= 0", _IF_EMPTY, _NOTHING_MORE),
    "medium concentration": Limit(CONCENTRATION, 0.0, 6e4, "concentrations are >= 0", most=_NOTHING_MORE),
    # salts are denser than organic solutes: a saturated solution of caesium chloride has 1300 g/L, and pure salt 4000
    "mass concentration": Limit(
        MASS_CONCENTRATION, 0.0, 4000.0, "concentrations are >= 0", _IF_EMPTY,
        "nothing that dissolves is denser than 4000 g/L",
    ),
    "other concentration": Limit(None, 0.0, math.inf, "concentrations are >= 0"),
    # cells of 1 fL that leave no room for liquid
    VCD: Limit(
        CELL_DENSITY, 0.0, 1e6, "cell densities are >= 0", _IF_EMPTY,
        "not even bacteria fit more than 1e9 10^6 cells into a litre"
    ),
    VIABILITY: Limit(DIMENSIONLESS, 0.0, 1.0, "viability is 0 to 1", "for percent write [%]"),
    REDOX: Limit(DIMENSIONLESS, 0.0, math.inf, "the redox ratio R is >= 0", _IF_EMPTY),
    "molar mass": Limit(
        PER_MOLE, 0.0, math.inf, "a molar mass is > 0", "write the g that hold one mol", open_below=True
    ),
    "relative error": Limit(DIMENSIONLESS, 0.0, math.inf, "errors are >= 0"),
    "absolute error": Limit(None, 0.0, math.inf, "errors are >= 0"),
    "specific rate": Limit(SPECIFIC_RATE, -math.inf, math.inf, "any number"),
    "number": Limit(DIMENSIONLESS, -math.inf, math.inf, "any number"),
    "value": Limit(None, -math.inf, math.inf, "any number"),
}  # fmt: skip
"""The range of each kind of number."""

OF_QUANTITY = {"pH": Limit(DIMENSIONLESS, -2.0, 16.0, "a pH is -2 to 16, of acids and bases too")}
"""The range of a number of a kind that has none, by the name of the quantity."""

NOT_SPECIES = {VCD: VCD, TCD: VCD, VIABILITY: VIABILITY, REDOX: REDOX}
"""The measured quantities that are not species, and the key of `LIMITS` of each."""


MEASURED = ("concentration", "mass concentration", VCD, "number")
"""Keys of `LIMITS` for a quantity of any other name: its unit decides."""


def limit_of(quantity: str, unit: str = "") -> str:
    """Return the key of `LIMITS` for a measured quantity: its own, or that of its unit.

    Args:
        quantity: its name.
        unit: of the numbers; that of a species in mmol/L if it is not known.

    Returns:
        The key; ``value``, which takes any number, for a unit that `MEASURED` does not have.

    >>> limit_of("VCD"), limit_of("GLC"), limit_of("mAb", "mg/L"), limit_of("pH", "1")
    ('VCD', 'concentration', 'mass concentration', 'number')
    """
    if quantity in NOT_SPECIES:
        return NOT_SPECIES[quantity]
    if unit in ("", CONCENTRATION):
        return "concentration"
    return next((limit for limit in MEASURED if converts(unit, LIMITS[limit].unit or "")), "value")


def limits_for(quantity: str, limits: tuple[str, ...]) -> tuple[str, ...]:
    """Return which limits a quantity may have: a solute of known molar mass is a concentration and nothing else.

    An osmolality is none where it may be what a sensor shows: 300 mOsm/L are no 300 mmol/L of a solute.

    Args:
        quantity: its name.
        limits: keys of `LIMITS`, amounts of substance first.

    Returns:
        The keys.

    >>> limits_for("GLC", MEASURED), limits_for("pH", ("concentration", "number"))
    (('concentration',), ('concentration', 'number'))
    """
    if "value" in limits and "osmolality" in meanings(quantity):
        return ("value",)
    return limits[:1] if quantity in MOLAR_MASS else limits


def bounds_of(limit: str, quantity: str = "") -> Limit:
    """Return the range of a kind of number, and of a quantity where its name says more.

    Args:
        limit: a key of `LIMITS`.
        quantity: its name, "" if there is none.

    Returns:
        The range; of a solute up to about its pure substance.

    >>> round(bounds_of("medium concentration", "GLC").highest), bounds_of("medium concentration", "MEOH").highest
    (11101, 60000.0)
    """
    bounds = LIMITS[limit]
    if limit == "number":
        return OF_QUANTITY.get(quantity, bounds)
    if bounds.unit == CONCENTRATION and quantity in MOLAR_MASS:
        pure = min(1e3 * DENSEST / MOLAR_MASS[quantity], bounds.highest)
        return replace(bounds, highest=pure, most=f"pure {quantity} has less than {pure:.4g} mmol/L")
    return bounds


def value_fault(
    place: str, limit: str, value: float, found: str | None = None, quantity: str = "", unit: str = ""
) -> Finding | None:
    """Return why a number is impossible.

    Args:
        place: where the number is.
        limit: a key of `LIMITS`.
        value: the number in the internal unit.
        found: the text to quote, if the number was written in another unit.
        quantity: its name, where it says more than the limit.
        unit: in which the number was written, if it is known.

    Returns:
        The finding; None if the number is possible.

    >>> print(value_fault("run07.csv, row 14, column 'viability [%]'", "viability", 1.2, "120", unit="%"))
    run07.csv, row 14, column 'viability [%]': found 120; viability is at most 100 %; correct the value.
    """
    bounds = bounds_of(limit, quantity)
    found = f"{value:.6g}" if found is None else found
    if bounds.lowest <= value <= bounds.highest and not (bounds.open_below and value == bounds.lowest):
        return None
    if value > 1.0 == bounds.highest and unit not in ("", DIMENSIONLESS):  # it is written in percent already
        rounding = "; of a quotient of two counts write 100" if value <= _OF_TWO_COUNTS else ""
        what = bounds.needed.removesuffix(" is 0 to 1")
        return Finding(place, found, f"{what} is at most 100 %", f"correct the value{rounding}")
    if limit == VIABILITY and 1.0 < value <= _OF_TWO_COUNTS:
        return Finding(place, found, "viability is at most 1", "correct the value; of a quotient of two counts write 1")
    if value > bounds.highest and bounds.most:
        return Finding(place, found, bounds.most, _THE_UNIT)
    return Finding(place, found, bounds.needed, bounds.remedy)


def within(limit: str, value: np.ndarray, quantity: str = "") -> np.ndarray:
    """Return for which numbers `value_fault` finds nothing wrong.

    Args:
        limit: a key of `LIMITS`.
        value: numbers in the internal unit, of any shape.
        quantity: its name, where it says more than the limit.

    Returns:
        Whether each is in range, of the same shape.
    """
    bounds = bounds_of(limit, quantity)
    above = value > bounds.lowest if bounds.open_below else value >= bounds.lowest
    return above & (value <= bounds.highest)
