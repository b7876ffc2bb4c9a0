"""row_of_units: the rows below headings -> the row that holds units and no values, and what it says."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from graycell.imports.amounts import as_counted
from graycell.imports.vocabulary import is_word_for_unit, named_time, quantity_of, role_of, unit_of_heading, words_of
from graycell.runs.format.tables import parse_number
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    converts,
    is_readable,
)

_FAR = 2
"""Rows below the headings in which the units are looked for; a blank row may lie between."""
_FEWEST = 2
"""Known units that make a row one of units; one is enough if the row holds nothing else."""
_KINDS = (CONCENTRATION, "g/L", CELL_DENSITY, VOLUME, TIME, VOLUMETRIC_RATE, "%", "kg", "kg/d", TEMPERATURE)
_OF_SENSORS = ("mmhg", "mbar", "bar", "kpa", "hpa", "mv", "rpm", "ppm", "au", "psi", "mosm", "mosmol", "ma", "lpm",
               "slpm", "nlpm", "sccm")  # fmt: skip
_NOTHING = ("", "-", "--", "---", "–", "—", "/", ".", "n/a", "na", "none", "n.a.")  # noqa: RUF001, dashes
_LIKE_A_NUMBER = re.compile(r"[+-]?\d+([.,:/-]\d+)*%?|\d{4}-\d\d-\d\d.*")


class RowOfUnits(NamedTuple):
    """A row of units.

    Attributes:
        row: counted from 1 below the headings.
        units: what it says, by the position of the column from the left; the words of a file, if they are no unit.
    """

    row: int
    units: dict[int, str]


def unit_of_cell(cell: str) -> str:
    """Return the unit that a cell of a row of units states.

    Args:
        cell: of that row.

    Returns:
        The unit, as it is written if it is none; "" for a dash or a word such as "Unit".

    >>> unit_of_cell("[E6/mL]"), unit_of_cell("-"), unit_of_cell("hh:mm"), unit_of_cell("Br#")
    ('1e6/mL', '', 'h', 'Br#')
    """
    text = words_of(cell).strip("()[] ")
    return "" if is_word_for_unit(text) or text.lower() in _NOTHING else unit_of_heading(f"({text})")


def row_of_units(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> RowOfUnits | None:
    """Return the row of units below headings.

    Args:
        headings: of the columns.
        rows: those below.

    Returns:
        The row; None if the first that is not empty holds values.

    >>> row_of_units(["Time", "VCD", "pH"], [["h", "E6/mL", "-"], ["0", "0.5", "7"]])
    RowOfUnits(row=1, units={0: 'h', 1: '1e6/mL'})
    """
    for number, row in enumerate(rows[:_FAR], 1):
        cells = {i: words_of(cell) for i, cell in enumerate(row[: len(headings)]) if cell.strip()}
        if cells:
            return _units_in(headings, number, cells)
    return None


def _units_in(headings: Sequence[str], number: int, cells: dict[int, str]) -> RowOfUnits | None:
    """Return a row as one of units, None if it holds a value."""
    units: dict[int, str] = {}
    known, others, meant = 0, 0, False
    for i, cell in cells.items():
        unit = unit_of_cell(cell)
        if not unit or not headings[i].strip():
            continue
        if cell != "1" and (_is_value(cell) or quantity_of(cell)):
            return None
        units[i] = unit
        if is_known_unit(unit):
            known, meant = known + 1, meant or bool(quantity_of(headings[i]) or role_of(headings[i]))
        elif cell != "1":
            others += 1
    alone = known == 1 and others == 0 and meant and len(cells) == 1
    return RowOfUnits(number, units) if alone or (known >= _FEWEST and known >= others) else None


def _is_value(cell: str) -> bool:
    """Return whether a cell is a number or a time, and so no unit."""
    if parse_number(cell.replace(",", ".")) is not None or _LIKE_A_NUMBER.fullmatch(cell):
        return True
    return named_time(cell) is not None


def is_known_unit(unit: str) -> bool:
    """Return whether a unit is one of what cultures are measured in.

    Args:
        unit: as written.

    Returns:
        Whether it is.

    >>> is_known_unit("E6 VC/mL"), is_known_unit("mOsm/kg"), is_known_unit("A"), is_known_unit("Br#")
    (True, True, False, False)
    """
    if any(converts(as_counted(unit, kind), kind) for kind in _KINDS):
        return True
    first = unit.lower().split("/")[0].strip()
    return first in _OF_SENSORS or unit.lower() in _OF_SENSORS or ("/" in unit and is_readable(unit))
