"""Cells: the cells of someone's table -> numbers in internal units, times in days. What is wrong with a cell is noted."""

import math
import re
from collections.abc import Sequence
from datetime import datetime

from graycell.errors import Faults
from graycell.imports.amounts import plain
from graycell.imports.grids import Grid, words_of
from graycell.imports.plan import Column, Plan
from graycell.imports.vocabulary import named_time
from graycell.runs.checks import limit_of, value_fault
from graycell.runs.format.tables import parse_number, shown
from graycell.units import convert

_NOTHING = ("na", "n/a", "n.a.", "nan", "null", "none", "missing", "-", "--", "---", "#n/a")
_BELOW = ("lod", "loq", "lloq", "dl", "bdl", "bql", "blq", "bloq", "blod", "n.d.", "n.d", "nd")
_IS_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_SPOILT = re.compile(r"^=|^\s*$|\d[.,]\d")
"""What is told of any number: a formula, a decimal mark; an empty cell is told of all times."""


class Cells:
    """The cells of a grid, read as a plan says."""

    def __init__(self, grid: Grid, plan: Plan, faults: Faults):
        self.grid, self.table, self.plan, self.faults = grid, grid.table, plan, faults
        self._joined: dict[tuple[int, int], str] = {}  # by row and position: told in another row of the same sample

    def word(self, row: int, position: int) -> str:
        """Return the text of a cell with single spaces, "" where there is none."""
        if (row, position) in self._joined:
            return self._joined[row, position]
        cells = self.table.rows[row]
        return words_of(cells[position]) if position < len(cells) else ""

    def cell(self, row: int, column: Column) -> str:
        """Return the text that a column has in a row, "" for words that say there is nothing."""
        text = column.value if column.position is None else self.word(row, column.position)
        return "" if text.lower() in _NOTHING or text.lower() in self.plan.empty else text

    def is_measured(self, row: int) -> bool:
        """Return whether something was measured in a row."""
        return any(self.cell(row, column) for column in self.plan.measured.values())

    def join(self, first: int, row: int) -> None:
        """Let a row tell what another row of the same sample tells of the culture; note where they differ."""
        for column in self.plan.of_culture():
            cell, told = self.cell(row, column), self.cell(first, column)
            if column.position is not None and cell and not told:
                self._joined[first, column.position] = cell
            elif cell and self.number(row, column) != self.number(first, column):
                needed = f"another row of this sample says '{shown(told)}'"
                self.fault(row, column.name, f"'{shown(cell)}'", needed, "see which of the two is right")

    def text(self, row: int, column: Column, quantity: str) -> str:
        """Return a measured value in the unit that its column is given; "" where empty or faulty.

        That is its own where it converts, so that no digit is lost. ``<`` stands before a detection limit.
        """
        cell = self.cell(row, column)
        if cell.lower().lstrip("< ") in _BELOW:
            if column.limit is None:
                needed = "below a detection limit is a number after <, and not determined an empty cell"
                example = f'give limit = "0.1 {column.unit}" to {column.name} in the mapping, or empty the cell'
                self.fault(row, column.name, f"'{shown(cell)}'", needed, example)
                return ""
            return f"<{column.limit if column.is_direct else column.in_internal_units(column.limit)!r}"
        below = "<" if cell.startswith("<") else ""
        found = self._number(row, column, cell.removeprefix("<").strip() if below else cell, limited=bool(below))
        if found is None:
            return ""
        digits, number = found
        outside = value_fault("", limit_of(quantity), number)
        if outside is not None:
            self.fault(row, column.name, shown(cell), outside.needed, outside.remedy)
            return ""
        return below + (digits if column.is_direct and number else repr(number))

    def number(self, row: int, column: Column | None) -> float | None:
        """Return a number in its internal unit, None where the cell is empty or faulty."""
        found = None if column is None else self._number(row, column, self.cell(row, column))
        return None if found is None else found[1]

    def amount(self, row: int, column: Column | None) -> float | None:
        """Return a volume or a rate in its internal unit, which is not below 0."""
        number = self.number(row, column)
        if column is not None and number is not None and number < 0.0:
            found = f"'{shown(self.cell(row, column))}'"
            self.fault(
                row, column.name, found, "volumes and rates are >= 0", "mend the sign; what is taken out is a sample"
            )
            return None
        return number

    def _number(self, row: int, column: Column, cell: str, limited: bool = False) -> tuple[str, float] | None:
        """Return a number as plain digits in the unit of the column, and in the internal unit."""
        if not cell and not limited:
            return None
        digits = cell.removesuffix("%").strip() if column.unit == "%" else cell
        digits = digits if column.position is None else plain(digits, self.plan.decimal)
        number = parse_number(digits)
        number = None if number is None else column.in_internal_units(number)
        if number is None or not math.isfinite(number):
            remedy = "write it, or leave the cell empty"
            if cell.startswith("="):
                remedy = "write the value instead of the formula, or let the spreadsheet compute and save it"
            elif re.search(r"\d[.,]\d", cell):
                other = "." if self.plan.decimal == "," else ","
                remedy = f'write it, or say in the mapping which decimal mark the file has: decimal = "{other}"'
            self.fault(row, column.name, f"'{shown(self.cell(row, column))}'", "a number is needed", remedy)
            return None
        return digits, 0.0 if -self.plan.round_off <= number < 0.0 else number

    def times(self, rows: Sequence[int], column: Column) -> list[float | None]:
        """Return the times [d] of the rows of a run; of dates, from the first of its samples."""
        for row in rows:
            if not self.cell(row, column):
                self.fault(row, column.name, "an empty cell", "every row has a time", "write it, or remove the row")
        if column.unit != "date":
            return [self._moment(row, column) for row in rows]
        dates = [self._date(row, column) for row in rows]
        of_samples = [one for row, one in zip(rows, dates, strict=True) if one is not None and row < self.grid.sampled]
        if not of_samples:
            return [None] * len(rows)
        begin, times = of_samples[0], list[float | None]()
        if self.grid.merged:  # rows of several sheets are not in order yet
            begin = min(of_samples, key=lambda one: (one.tzinfo is None, one.replace(tzinfo=None)))
        for row, one in zip(rows, dates, strict=True):
            if one is not None and (one.tzinfo is None) != (begin.tzinfo is None):
                self.fault(row, column.name, f"'{shown(self.cell(row, column))}'",
                           "dates of a run all have a time zone, or none has", "write them alike")  # fmt: skip
                one = None
            times.append(None if one is None else (one - begin).total_seconds() / 86400.0)
        return times

    def _moment(self, row: int, column: Column) -> float | None:
        """Return a time [d]. ``D3``, ``Day 3`` and ``72 h`` name the unit of their column; 26:30 is in hours."""
        cell = self.cell(row, column)
        named = named_time(cell)
        if named is None and parse_number(plain(cell, self.plan.decimal)) is None and not _SPOILT.search(cell):
            remedy = f"write a number, or one with its unit, such as 3 {column.unit}"
            if _IS_DATED.match(cell):
                remedy = "give the cells the format [h]:mm, or the column the unit date"
            self.fault(row, column.name, f"'{shown(cell)}'", f"a time in {column.unit} is needed", remedy)
            return None
        if named is None:
            return self.number(row, column)
        digits, unit = named
        if convert(1.0, unit, column.unit) != 1.0:
            needed = f"times of this column are in {column.unit}"
            remedy = "write all in one unit, or give another in the mapping"
            self.fault(row, column.name, f"'{shown(cell)}'", needed, remedy)
            return None
        if not isinstance(digits, str):
            return column.in_internal_units(digits)
        found = self._number(row, column, digits)
        return None if found is None else found[1]

    def _date(self, row: int, column: Column) -> datetime | None:
        """Return the moment in a cell. A workbook's own dates are ISO 8601, however its other dates are written."""
        cell = self.cell(row, column)
        if not cell:
            return None
        clock = "" if column.clock is None else self.word(row, column.clock)
        if column.clock is not None and not clock:
            heading = self.table.headings[column.clock]
            self.fault(row, heading, "an empty cell", "a date has its time of day there", "write it")
            return None
        clock = f"0{clock}" if re.match(r"\d:", clock) else clock  # ISO 8601 has two digits for the hour
        # a workbook gives a date without a time the time 00:00:00
        day = re.sub(r" 00:00:00$", "", cell) if clock else cell
        text = f"{day} {clock}".strip()
        forms = [column.written, ""] if column.written and self.grid.native else [column.written]
        for form in forms:
            try:
                return datetime.strptime(text, form) if form else datetime.fromisoformat(text)
            except ValueError:
                continue
        remedy = 'write it like 2026-03-31 14:05, or say how it is written, like written = "%d.%m.%Y %H:%M"'
        self.fault(row, column.name, f"'{shown(text)}'", "a date is needed", remedy)
        return None

    def first(self, rows: Sequence[int], column: Column) -> tuple[int, float] | None:
        """Return the row of the first sample of a run, and what a column has there; None if that is nothing.

        A value that comes later only is noted: it says nothing of the start.
        """
        for i, row in enumerate(rows):
            if not self.cell(row, column):
                continue
            number = self.number(row, column)
            if i > 0 and column.position is not None and number is not None:
                found = f"the first value, '{shown(self.cell(row, column))}'"
                needed = "the row of the first sample has it"
                self.fault(row, column.name, found, needed, "write it there, or a number into [start]")
            return None if number is None else (row, number)
        return None

    def fault(self, row: int, column: str, found: str, needed: str, remedy: str) -> None:
        """Note what is wrong with a cell."""
        self.faults.of_file(self.table.at(row, column or None), found, needed, remedy)
