"""A table of an analyser, a row for each sample -> samples, by the words of its headings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise

from graycell.errors import Finding
from graycell.imports.analysers.samples import CELLS, Export, Reading, Sample, in_units_of_laboratories
from graycell.imports.analysers.values import cleaned, decimal_mark, moment, month_is_first, reading
from graycell.runs.format.tables import parse_number
from graycell.runs.records import TCD, VCD

Quantities = Mapping[str, tuple[str, str]]
"""A quantity and its unit by the word of a heading, see `word_of`."""
OfTable = tuple[list[Sample], list[Finding], list[str]]
"""The samples of a table, remarks, and the headings that were not read."""
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]\s*")
_POWER = re.compile(r"x?\s*10\^?(\d)")
_DENSITY = {"viable cells counted": VCD, "cells counted": TCD, "dead cells counted": "dead cells"}
"""What a count is where its heading states a density."""
_DEEPEST_HEADER = 40
"""Rows from the top in which the headings are looked for."""
_FEWEST_NUMBERS = 3
"""Cells from which a row that counts its columns is taken for that."""


@dataclass(frozen=True)
class Roles:
    """The words of the headings that are no quantities.

    Attributes:
        name: of the sample.
        measured: when it was measured.
        drawn: when it was taken from the vessel.
        vessel: the vessel.
        batch: the batch.
    """

    name: tuple[str, ...]
    measured: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    vessel: tuple[str, ...] = ()
    batch: tuple[str, ...] = ()


def word_of(heading: str) -> str:
    """Return the letters and digits of a heading.

    Args:
        heading: of a column.

    Returns:
        The word.

    >>> word_of("Viable (x10^6) cells/mL"), word_of("Average diameter (μm)"), word_of("NH4+")
    ('viablex106cellsml', 'averagediameterum', 'nh4')
    """
    return re.sub(r"[^a-z0-9%]", "", heading.lower().replace("μ", "u").replace("µ", "u")).replace("%", "")


def quantity_in(heading: str, known: Quantities) -> tuple[str, str] | None:
    """Return the quantity of a heading and its unit; a unit in brackets goes before the usual one.

    Args:
        heading: of a column.
        known: the usual units.

    Returns:
        The quantity and the unit; None if the heading is not known.

    >>> known = {"lac": ("LAC", "g/L"), "viablecellsml": ("VCD", "cells/mL")}
    >>> quantity_in("Lac", known), quantity_in("Lac (mmol/L)", known), quantity_in("Viable (x10^5) cells/mL", known)
    (('LAC', 'g/L'), ('LAC', 'mmol/L'), ('VCD', '10^5 cells/mL'))
    """
    found = known.get(word_of(heading))
    if found is not None:
        return found
    bracket = _BRACKETS.search(heading)
    bare = known.get(word_of(_BRACKETS.sub(" ", heading)))
    if bare is None or bracket is None:
        return None
    power = _POWER.fullmatch(bracket[1].strip())
    unit = f"10^{power[1]} cells/mL" if power else bracket[1].strip()
    counted = (in_units_of_laboratories(unit) or ("",))[0] == CELLS and not bare[1]
    return _DENSITY.get(bare[0], bare[0]) if counted else bare[0], unit


def row_of_headings(rows: Sequence[Sequence[str]], words: Sequence[str]) -> int | None:
    """Return the first row that has all of some headings.

    Args:
        rows: of a sheet.
        words: of the headings.

    Returns:
        The row, counted from 0; None if there is none.
    """
    for i, row in enumerate(rows[:_DEEPEST_HEADER]):
        if set(words) <= {word_of(cell) for cell in row}:
            return i
    return None


def samples_of(
    place: str, headings: Sequence[str], rows: Sequence[Sequence[str]], first: int, known: Quantities, roles: Roles
) -> OfTable:
    """Return the samples of a table.

    Args:
        place: of the sheet.
        headings: of the columns.
        rows: below them.
        first: the row of the first of these as a spreadsheet counts it.
        known: the quantities of the analyser.
        roles: the other columns.

    Returns:
        The samples, remarks, and the headings that were not read.
    """
    columns: dict[int, tuple[str, str]] = {}
    taken = set[str]()
    for i, heading in enumerate(headings):
        quantity = quantity_in(heading, known)
        if quantity is not None and quantity[0] not in taken:
            columns[i] = quantity
            taken.add(quantity[0])
    at = {role: next((i for i, heading in enumerate(headings) if word_of(heading) in words), None)
          for role, words in vars(roles).items()}  # fmt: skip
    mark = decimal_mark(_at(row, i) for row in rows for i in columns)
    dates = {role: [_at(row, i) for row in rows] for role in ("measured", "drawn") if (i := at[role]) is not None}
    order = {role: month_is_first(cells) for role, cells in dates.items()}
    samples, remarks = [], list[Finding]()
    for offset, row in enumerate(rows):
        if not any(cell.strip() for cell in row) or _counts_columns(row):
            continue
        where = f"{place}, row {first + offset}"
        text = {role: cleaned(_at(row, i)) for role, i in at.items() if i is not None}
        found = [reading(quantity, unit, _at(row, i), mark) for i, (quantity, unit) in columns.items()]
        readings = tuple(one for one in found if one is not None)
        times = {role: moment(text.get(role, ""), order.get(role) is not False) for role in dates}
        if not text.get("name") and not readings:
            continue
        for role, time in times.items():
            if time is None and text.get(role):
                needed, remedy = "a date is needed", "without one the sample has no time of its own"
                remarks.append(Finding(where, f"'{text[role]}'", needed, remedy, "warning"))
        samples.append(
            Sample(text.get("name", ""), readings, times.get("measured"), times.get("drawn"),
                   text.get("vessel", ""), text.get("batch", ""))
        )  # fmt: skip
    remarks += remarks_of_order(place, {cell for role, cells in dates.items() if order[role] is None for cell in cells})
    not_read = [cleaned(heading) for i, heading in enumerate(headings)
                if heading.strip() and i not in columns and i not in at.values()]  # fmt: skip
    return samples, remarks, not_read


def joined(instrument: str, tables: Sequence[OfTable]) -> Export:
    """Return the tables of a file as one export.

    Args:
        instrument: which analyser wrote it.
        tables: in the order of the file.

    Returns:
        All samples and remarks; a heading that was not read is there once.
    """
    samples, remarks, not_read = (list(chain.from_iterable(parts)) for parts in zip(*tables, ([], [], []), strict=True))
    return Export(instrument, tuple(samples), tuple(remarks), tuple(dict.fromkeys(not_read)))


def remarks_of_order(place: str, cells: set[str]) -> list[Finding]:
    """Return the remark that dates can be read in two ways.

    Args:
        place: of the sheet.
        cells: that hold dates.

    Returns:
        The remark; none if each of the cells is the same in both orders.
    """
    for cell in sorted(cells):
        first, second = moment(cell, True), moment(cell, False)
        if first is not None and first != second:
            needed = "the day is before or after the month"
            remedy = f"it was read as {first:%d %B %Y}; if that is wrong, export the dates as ISO 8601"
            return [Finding(place, f"'{cleaned(cell)}'", needed, remedy, "warning")]
    return []


def sample_of(
    pairs: Mapping[str, str], known: Quantities, name: str, measured: datetime | None, mark: str = "."
) -> Sample:
    """Return the one sample of a file that has a line for each value.

    Args:
        pairs: values by heading.
        known: the quantities of the analyser.
        name: of the sample.
        measured: when.
        mark: the decimal mark.

    Returns:
        The sample.
    """
    readings: dict[str, Reading] = {}
    for heading, cell in pairs.items():
        quantity = quantity_in(heading, known)
        one = None if quantity is None else reading(*quantity, cell, mark)
        if one is not None:
            readings.setdefault(one.quantity, one)
    return Sample(cleaned(name), tuple(readings.values()), measured)


def _at(row: Sequence[str], i: int) -> str:
    return row[i] if i < len(row) else ""


def _counts_columns(row: Sequence[str]) -> bool:
    """Return whether a row holds the numbers of its columns, as a hidden row of some exports does."""
    cells = [cell.strip() for cell in row if cell.strip()]
    if len(cells) < _FEWEST_NUMBERS or parse_number(cells[0]) not in (0.0, 1.0):
        return False
    numbers = [parse_number(cell) for cell in cells]
    whole = [number for number in numbers if number is not None and number.is_integer()]
    return len(whole) == len(numbers) and all(a < b for a, b in pairwise(whole))
