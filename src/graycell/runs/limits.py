"""LIMITS: the range of each kind of number, and what is wrong with a number outside of it."""

import math
from dataclasses import dataclass

import numpy as np

from graycell.errors import Finding
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    SPECIFIC_RATE,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    convert,
    converts,
)


@dataclass(frozen=True)
class Limit:
    """The range of a number.

    Attributes:
        unit: internal unit of the bounds; None for a number whose heading has no unit.
        lowest: below it a number is impossible.
        highest: above it a number is impossible.
        needed: the sentence of a `Finding`.
        remedy: what the finding says to do.
        plausible: above it the unit of a number is probably wrong.
        open_below: whether `lowest` itself is impossible too.
    """

    unit: str | None
    lowest: float
    highest: float
    needed: str
    remedy: str = "correct the number"
    plausible: float = math.inf
    open_below: bool = False


_LEAST_PERCENT = 1.1
"""A part from which it may be meant as percent; a count that is a little too large gives less."""
_IF_EMPTY = "leave the cell empty if no sample was taken, or write it like <0.1 if it is noise around 0"

LIMITS = {
    "time": Limit(TIME, 0.0, math.inf, "times are >= 0", "count the time from inoculation"),
    "volume": Limit(VOLUME, 0.0, math.inf, "volumes are >= 0"),
    "initial volume": Limit(
        VOLUME, 0.0, math.inf, "an initial volume is > 0", "write the volume at inoculation", open_below=True
    ),
    "rate": Limit(VOLUMETRIC_RATE, 0.0, math.inf, "rates are >= 0", "use a bleed or a harvest for an outflow"),
    "temperature": Limit(TEMPERATURE, 20.0, 42.0, "cultures are at 20 to 42 degC", "look at the unit"),
    "fraction": Limit(DIMENSIONLESS, 0.0, 1.0, "a fraction is 0 to 1", "for percent write [%]"),
    # 2000 mmol/L: far above any culture; 5000 mmol/L: glucose saturates in water at 25 degC (909 g/L);
    # 1000 g/L: the liquid itself weighs about as much; 300e6 cells/mL: above the densest perfusion
    "concentration": Limit(CONCENTRATION, 0.0, math.inf, "concentrations are >= 0", _IF_EMPTY, plausible=2000.0),
    "medium concentration": Limit(CONCENTRATION, 0.0, math.inf, "concentrations are >= 0", plausible=5000.0),
    "mass concentration": Limit(
        MASS_CONCENTRATION, 0.0, math.inf, "concentrations are >= 0", _IF_EMPTY, plausible=1000.0
    ),
    "other concentration": Limit(None, 0.0, math.inf, "concentrations are >= 0"),
    VCD: Limit(CELL_DENSITY, 0.0, math.inf, "cell densities are >= 0", _IF_EMPTY, plausible=300.0),
    VIABILITY: Limit(DIMENSIONLESS, 0.0, 1.0, "viability is 0 to 1", "for percent write [%]"),
    REDOX: Limit(DIMENSIONLESS, 0.0, math.inf, "the redox ratio R is >= 0", _IF_EMPTY),
    "relative error": Limit(DIMENSIONLESS, 0.0, math.inf, "errors are >= 0"),
    "absolute error": Limit(None, 0.0, math.inf, "errors are >= 0"),
    "specific rate": Limit(SPECIFIC_RATE, -math.inf, math.inf, "any number"),
    "number": Limit(DIMENSIONLESS, -math.inf, math.inf, "any number"),
    "value": Limit(None, -math.inf, math.inf, "any number"),
}
"""The range of each kind of number."""

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

    Args:
        quantity: its name.
        limits: keys of `LIMITS`, amounts of substance first.

    Returns:
        The keys.

    >>> limits_for("GLC", MEASURED), limits_for("pH", ("concentration", "number"))
    (('concentration',), ('concentration', 'number'))
    """
    return limits[:1] if quantity in MOLAR_MASS else limits


def value_fault(
    place: str, limit: str, value: float, found: str | None = None, unit: str = ""
) -> Finding | None:
    """Return what is wrong with a number.

    Args:
        place: where the number is.
        limit: a key of `LIMITS`.
        value: the number in the internal unit.
        found: the text to quote, if the number was written in another unit.
        unit: in which it was written; that of the limit if not given.

    Returns:
        The finding; None if there is nothing wrong.

    >>> print(value_fault("run07.csv, row 14, column 'viability [1]'", "viability", 97.5))
    run07.csv, row 14, column 'viability [1]': found 97.5; viability is 0 to 1; for percent write [%].
    >>> value_fault("", "viability", 1.004, "100.4", "%").needed
    'viability is at most 100 %'
    """
    bounds = LIMITS[limit]
    found = f"{value:.6g}" if found is None else found
    inside = bounds.lowest <= value <= bounds.highest and not (bounds.open_below and value == bounds.lowest)
    if not inside and bounds.unit == DIMENSIONLESS and bounds.highest < value:
        return Finding(place, found, *_above_the_whole(bounds, value, unit or DIMENSIONLESS))
    if not inside:
        return Finding(place, found, bounds.needed, bounds.remedy)
    if value > bounds.plausible:
        most = f"nothing above {bounds.plausible:g} {bounds.unit} is plausible"
        return Finding(place, found, most, "look at the unit of the column")
    return None


def _above_the_whole(bounds: Limit, value: float, unit: str) -> tuple[str, str]:
    """Return what a part of a whole should be that is above it, and what to do."""
    name = bounds.needed.split(" is ")[0]
    if convert(1.0, unit, DIMENSIONLESS) != 1.0:
        most = f"{convert(1.0, DIMENSIONLESS, unit):g} {unit}"
        return f"{name} is at most {most}", f"correct it; write {most.split()[0]} if it is the noise of a count"
    if value < _LEAST_PERCENT:
        return f"{name} is at most 1", "correct it; write 1 if it is the noise of a count"
    return bounds.needed, bounds.remedy


def within(limit: str, value: np.ndarray) -> np.ndarray:
    """Return for which numbers `value_fault` finds nothing wrong.

    Args:
        limit: a key of `LIMITS`.
        value: numbers in the internal unit, of any shape.

    Returns:
        Whether each is in range, of the same shape.
    """
    bounds = LIMITS[limit]
    above = value > bounds.lowest if bounds.open_below else value >= bounds.lowest
    return above & (value <= min(bounds.highest, bounds.plausible))
