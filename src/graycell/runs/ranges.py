"""What is usual for each quantity and organism; numbers outside of it are remarks, because no physics forbids them.

The ranges are wide limits of this project: all measured runs that it was tried on lie within them. A number outside is
right for another organism, or its unit is wrong; nobody but the user knows which.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from graycell.errors import Finding
from graycell.runs.limits import LIMITS
from graycell.runs.records import VCD
from graycell.runs.solutes import MOLAR_MASS


class Usual(NamedTuple):
    """A range that a quantity has in most cultures.

    Attributes:
        low: its lower end, in the unit of its limit.
        high: its upper end.
        words: whose range it is, and who leaves it.
        remedy: what to do.
    """

    low: float
    high: float
    words: str
    remedy: str = "look at the unit of the column"


_TEMPERATURE = Usual(
    20.0, 42.0,
    "animal cells, yeasts and most bacteria are kept at 20 to 42 degC; psychrophiles grow below, thermophiles above",
    "leave it if that is meant; else look at the unit",
)
_CELLS = Usual(
    0.0, 300.0, "animal cells reach 300e6/mL in the densest perfusion; yeasts and bacteria reach more",
    "leave it for a microbe; else look at the unit of the column",
)
_AMINO_ACID = Usual(0.0, 150.0, "cultures of animal cells hold less than 150 mmol/L of an amino acid")
_CULTURE = {
    # 54 g/L: fed-batches of animal cells stay below 15 g/L, batches of yeast begin with up to 200 g/L
    "GLC": Usual(0.0, 300.0, "animal cells are kept below 300 mmol/L (54 g/L) of glucose; yeasts stand more"),
    "LAC": Usual(0.0, 300.0, "animal cells die above 300 mmol/L (27 g/L) of lactate; lactic acid bacteria make more"),
    "NH3": Usual(0.0, 40.0, "animal cells stand less than 40 mmol/L of ammonia; microbes are fed with more"),
}
_ANY_CULTURE = Usual(0.0, 2000.0, "few cultures hold more than 2000 mmol/L of anything")
_MEDIUM = Usual(
    # glucose saturates in water at 25 degC with 909 g/L
    0.0, 5000.0, "few media hold more than 5000 mmol/L; pure methanol has 24700 and 25 % ammonia 13400",
    "leave it if the feed is such a liquid; else look at the unit of the column",
)
_MASS = Usual(0.0, 1000.0, "few media hold more than 1000 g/L")
_PER_CELLS = Usual(
    0.0, 1.0, "cells in perfusion are fed at 0.01 to 0.1 L/(10^9 cells)/d (10 to 100 pL/cell/d), and few at 1"
)
_PH = Usual(3.0, 10.0, "cultures are kept at pH 3 to 10")
_FEWEST_CELLS = 0.05
"""[10^6 cells/mL] An inoculum has ten times as many; a column in cells/L headed in cells/mL has fewer."""


def usual_range(quantity: str, limit: str) -> Usual | None:
    """Return the usual range of a quantity.

    Args:
        quantity: its name.
        limit: the key of `LIMITS` that its numbers have.

    Returns:
        The range, in the unit of the limit; None if there is none.

    >>> usual_range("GLC", "concentration").high, usual_range("GLC", "medium concentration").high
    (300.0, 5000.0)
    """
    if limit == "concentration":
        return _CULTURE.get(quantity) or (_AMINO_ACID if quantity in MOLAR_MASS else _ANY_CULTURE)
    if limit == "number":
        return _PH if quantity == "pH" else None
    return {"medium concentration": _MEDIUM, "mass concentration": _MASS, "temperature": _TEMPERATURE,
            VCD: _CELLS, "rate per cells": _PER_CELLS}.get(limit)  # fmt: skip


def unusual(place: str, quantity: str, limit: str, values: Iterable[float]) -> Finding | None:
    """Return a remark on numbers that are possible and outside of what is usual.

    Args:
        place: of the numbers.
        quantity: its name.
        limit: the key of `LIMITS` of the numbers.
        values: in the unit of the limit.

    Returns:
        One finding, with the number farthest from the range; None if all are usual.

    >>> print(unusual("run 'a', medium 'base', NH3", "NH3", "medium concentration", [13400.0]).needed)
    few media hold more than 5000 mmol/L; pure methanol has 24700 and 25 % ammonia 13400
    """
    usual = usual_range(quantity, limit)
    numbers = np.asarray(list(values), float)
    if usual is None or not numbers.size:
        return None
    off = np.maximum(numbers - usual.high, usual.low - numbers)
    outside = int(np.sum(off > 0.0))
    if not outside:
        return None
    unit = LIMITS[limit].unit
    unit = "" if unit in (None, "1") else f" {unit}"
    many = f", and {outside - 1} more values" if outside > 1 else ""
    found = f"{numbers[int(np.argmax(off))]:.6g}{unit}{many}"
    return Finding(place, found, usual.words, usual.remedy, "warning")


def few_cells(place: str, densities: Sequence[float]) -> Finding | None:
    """Return a remark on counts that never reach `_FEWEST_CELLS`, as with a wrong power of ten.

    Args:
        place: of the counts.
        densities: [10^9 cells/L].

    Returns:
        The finding; None if there are enough cells, or no counts.
    """
    most = max(densities, default=math.inf)
    if most >= _FEWEST_CELLS:
        return None
    return Finding(place, f"at most {most:.3g} 10^6 cells/mL", f"a culture reaches {_FEWEST_CELLS:g} 10^6 cells/mL",
                   "look at the unit of the column", "warning")  # fmt: skip

