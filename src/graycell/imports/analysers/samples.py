"""What an analyser exports: samples, and the readings of each; in the units of the laboratory."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from graycell.errors import Finding
from graycell.units import MASS_CONCENTRATION

CELLS = "1e6 cells/mL"
"""Cell densities of a laboratory; the same number as the internal unit of graycell."""


class Reading(NamedTuple):
    """One value of one sample, as the analyser gave it.

    Attributes:
        quantity: such as "VCD" or "GLC"; the analyser's own name for what graycell has no name for.
        unit: g/L of masses, mmol/L of amounts, 1e6 cells/mL of cells, else that of the analyser; "" for none.
        value: None where the analyser gave no number.
        flag: what it wrote beside the number or in its place, such as "< 20.00" or "v"; "" for nothing.
        bound: "<0.1" or ">25" in `unit`, where the value is outside of the range; "" elsewhere.
        code: of the test, where one quantity has several; "" elsewhere.
    """

    quantity: str
    unit: str
    value: float | None
    flag: str = ""
    bound: str = ""
    code: str = ""

    @property
    def heading(self) -> str:
        """The heading of its column, with the unit."""
        return f"{self.quantity} [{self.unit}]" if self.unit else self.quantity


@dataclass(frozen=True)
class Sample:
    """A sample, with all that one analyser measured in it.

    Attributes:
        name: as somebody typed it into the analyser.
        readings: in the order of the file.
        measured: when; None if the file does not say.
        drawn: when it was taken from the vessel, where the file says so.
        vessel: where the file says so; else "".
        batch: where the file says so; else "".
    """

    name: str
    readings: tuple[Reading, ...]
    measured: datetime | None = None
    drawn: datetime | None = None
    vessel: str = ""
    batch: str = ""

    def value(self, quantity: str) -> float | None:
        """Return the value of a quantity.

        Args:
            quantity: its name.

        Returns:
            The value of its reading that counts, see `counted`; None if there is none.
        """
        reading = counted([reading for reading in self.readings if reading.quantity == quantity])
        return None if reading is None else reading.value


@dataclass(frozen=True)
class Export:
    """What a file of an analyser holds.

    Attributes:
        instrument: which analyser wrote it.
        samples: in the order of the file.
        remarks: what was passed over, and what is odd.
        not_read: headings that no quantity was read from.
        file: its name.
        sha256: of its bytes.
    """

    instrument: str
    samples: tuple[Sample, ...]
    remarks: tuple[Finding, ...] = ()
    not_read: tuple[str, ...] = ()
    file: str = ""
    sha256: str = field(default="", repr=False)


def counted(readings: Sequence[Reading]) -> Reading | None:
    """Return the reading that counts, of several of one quantity in one sample.

    Args:
        readings: in the order in which they were made.

    Returns:
        One with a number before one without, one without a flag before one with, and the last of these; None of none.

    >>> low, high = Reading("GLC", "g/L", None, "> 7.5", ">7.5", "GLC3B"), Reading("GLC", "g/L", 8.1, "", "", "GLC3D")
    >>> counted([high, low]).code
    'GLC3D'
    """
    return max(
        enumerate(readings),
        key=lambda pair: (pair[1].value is not None, not pair[1].flag, bool(pair[1].bound), pair[0]),
        default=(0, None),
    )[1]


@functools.lru_cache(maxsize=1024)  # asked for every cell
def in_units_of_laboratories(unit: str) -> tuple[str, int] | None:
    """Return the unit in which a concentration or a cell density is kept, and by which power of ten it differs.

    Args:
        unit: of the file.

    Returns:
        The unit and the exponent; None for a unit of another kind, which stays as it is.

    >>> in_units_of_laboratories("mg/L"), in_units_of_laboratories("mM"), in_units_of_laboratories("(x10^6) cells/mL")
    (('g/L', -3), ('mmol/L', 0), ('1e6 cells/mL', 0))
    """
    plain = re.sub(r"[ ()^*]", "", unit).replace("μ", "u").replace("µ", "u")
    if plain in _MOLAR:  # the case counts: mm and um are lengths
        return "mmol/L", _MOLAR[plain]
    plain = plain.lower().removeprefix("x")
    cells = _CELLS.fullmatch(plain)
    if cells:
        return CELLS, int(cells[1] or cells[2] or 0) - 6
    return _UNITS.get(plain)


_CELLS = re.compile(r"(?:(?:10|1e)(\d))?(?:cells?)?/ml(?:x10(\d))?")
_UNITS = {
    "g/l": (MASS_CONCENTRATION, 0), "mg/ml": (MASS_CONCENTRATION, 0), "mg/l": (MASS_CONCENTRATION, -3),
    "ug/ml": (MASS_CONCENTRATION, -3), "ug/l": (MASS_CONCENTRATION, -6), "g/dl": (MASS_CONCENTRATION, 1),
    "mg/dl": (MASS_CONCENTRATION, -2),
    "mmol/l": ("mmol/L", 0), "umol/l": ("mmol/L", -3), "mol/l": ("mmol/L", 3),
}  # fmt: skip
_MOLAR = {"mM": 0, "uM": -3, "M": 3}
