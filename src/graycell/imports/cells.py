"""Cells: the cells of somebody's table -> numbers in internal units, times in days; faulty cells are noted."""

import math
import re
from collections.abc import Sequence
from datetime import datetime

from graycell.errors import Faults, shown
from graycell.imports.amounts import plain
from graycell.imports.columns import Column, Plan
from graycell.imports.grids import Grid
from graycell.imports.vocabulary import named_time, words_of
from graycell.runs.checks import limit_of, value_fault
from graycell.runs.format.tables import Below, parse_number
from graycell.units import convert

_NOTHING = ("na", "n/a", "n.a.", "nan", "null", "none", "missing", "-", "--", "---", "#n/a")
_BELOW = ("lod", "loq", "lloq", "dl", "bdl", "bql", "blq", "bloq", "blod", "n.d.", "n.d", "nd")
_IS_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_SPOILT = re.compile(r"^=|^\s*$|\d[.,]\d")
"""Cells whose fault is that of any number: a formula, a decimal mark; an empty cell is reported for all times."""


class Cells:
    """The cells of a grid, read as a plan says."""

    def __init__(self, grid: Grid, plan: Plan, faults: Faults):
        """Begin.

        Args:
            grid: the rows.
            plan: what the columns are.
            faults: takes every fault.
        """
        self.grid, self.table, self.plan, self.faults = grid, grid.table, plan, faults
        self._joined: dict[tuple[int, int], str] = {}  # by row and position: cells of another row of the same sample

    def word(self, row: int, position: int) -> str:
        """Return the text of a cell with single spaces.

        Args:
            row: counted from 0.
            position: of the column, from the left.

        Returns:
            The text, "" if there is none.
        """
        if (row, position) in self._joined:
            return self._joined[row, position]
        cells = self.table.rows[row]
        return words_of(cells[position]) if position < len(cells) else ""

    def cell(self, row: int, column: Column) -> str:
        """Return the text that a column has in a row.

        Args:
            row: counted from 0.
            column: of the file, or one value.

        Returns:
            The text, "" for words of empty cells.
        """
        if column.formula is not None:
            number = self.computed(row, column)
            return "" if number is None else f"{number:.6g}"
        text = repr(column.value) if column.position is None else self.word(row, column.position)
        return "" if text.lower() in _NOTHING or text.lower() in self.plan.empty else text

    def is_measured(self, row: int) -> bool:
        """Return whether something was measured in a row.

        Args:
            row: counted from 0.

        Returns:
            Whether a measured column has a filled cell.
        """
        return any(self.cell(row, column) for column in self.plan.measured.values())

    def join(self, first: int, row: int) -> None:
        """Add to a row what another row of the same sample has of the culture, and note where they differ.

        Args:
            first: the row that is added to.
            row: the other row.
        """
        for column in self.plan.of_culture:
            cell, known = self.cell(row, column), self.cell(first, column)
            if column.position is not None and cell and not known:
                self._joined[first, column.position] = cell
            elif cell and self.number(row, column) != self.number(first, column):
                needed = f"another row of this sample says '{known}'"
                self.fault(row, column.name, f"'{cell}'", needed, "see which of the two is right")

    def measured(self, row: int, column: Column, quantity: str) -> float | Below | None:
        """Return a measured value in its internal unit.

        Args:
            row: counted from 0.
            column: of the quantity.
            quantity: its name.

        Returns:
            The value, or the detection limit that it is below; None where the cell is empty or faulty.
        """
        if column.formula is not None:
            number = self.computed(row, column)
            outside = None if number is None else value_fault("", limit_of(quantity), number)
            if outside is not None:
                self.fault(row, column.name, f"{number:.6g}", outside.needed, "look at the formula and its columns")
            return None if outside is not None else number
        cell = self.cell(row, column)
        if cell.lower().lstrip("< ") in _BELOW:
            if column.limit is not None:
                return Below(column.in_internal_units(column.limit))
            needed = "below a detection limit is a number after <, and not determined an empty cell"
            example = f'give limit = "0.1 {column.unit}" to {column.name} in the mapping, or empty the cell'
            self.fault(row, column.name, f"'{cell}'", needed, example)
            return None
        is_limit = cell.startswith("<")
        number = self._number(row, column, cell.removeprefix("<").strip() if is_limit else cell, required=is_limit)
        if number is None:
            return None
        outside = value_fault("", limit_of(quantity), number, quantity=quantity, unit=column.unit)
        if outside is not None:
            self.fault(row, column.name, shown(cell), outside.needed, outside.remedy)
            return None
        return Below(number) if is_limit else number

    def computed(self, row: int, column: Column) -> float | None:
        """Return the number that a formula has in a row, in its internal unit.

        Args:
            row: counted from 0.
            column: that is computed.

        Returns:
            The number; None where a cell that it needs is empty, faulty or below a detection limit.
        """
        formula = column.formula
        if formula is None:
            return None
        numbers: dict[str, float] = {}
        for name, of in formula.columns.items():
            quantity = formula.quantities[name]
            given = self.measured(row, of, quantity) if quantity else self.number(row, of)
            if given is None:
                return None
            if isinstance(given, Below):
                self.faults.of_file(self.table.at(row, column.name), f"{name} below its detection limit",
                                    "a formula needs numbers", "it is left empty there", "warning")  # fmt: skip
                return None
            numbers[name] = given
        value = formula.value(numbers)
        if value is None:
            self.faults.of_file(self.table.at(row, column.name), "no finite number", "a formula gives one",
                                "it is left empty there", "warning")  # fmt: skip
            return None
        return column.in_internal_units(value)

    def number(self, row: int, column: Column | None) -> float | None:
        """Return a number in its internal unit.

        Args:
            row: counted from 0.
            column: of the file, or one value; None for no number.

        Returns:
            The number; None where the cell is empty or faulty.
        """
        return None if column is None else self._number(row, column, self.cell(row, column))

    def amount(self, row: int, column: Column | None) -> float | None:
        """Return a volume or a rate in its internal unit, which is not below 0.

        Args:
            row: counted from 0.
            column: of the file, or one value; None for no number.

        Returns:
            The number; None where the cell is empty or faulty.
        """
        number = self.number(row, column)
        if column is not None and number is not None and number < 0.0:
            self.fault(row, column.name, f"'{self.cell(row, column)}'", "volumes and rates are >= 0",
                       "correct the sign; a volume that is taken out is a sample")  # fmt: skip
            return None
        return number

    def _number(self, row: int, column: Column, cell: str, required: bool = False) -> float | None:
        """Return a number in its internal unit; `required`: an empty cell is a fault."""
        if not cell and not required:
            return None
        number = column.value
        if column.position is not None:
            digits = cell.removesuffix("%").strip() if column.unit == "%" else cell
            number = parse_number(plain(digits, self.plan.decimal))
        number = None if number is None else column.in_internal_units(number)
        if number is None or not math.isfinite(number):
            remedy = "write it, or leave the cell empty"
            if cell.startswith("="):
                remedy = "write the value instead of the formula, or let the spreadsheet compute and save it"
            elif re.search(r"\d[.,]\d", cell):
                other = "." if self.plan.decimal == "," else ","
                remedy = f'write it, or say in the mapping which decimal mark the file has: decimal = "{other}"'
            self.fault(row, column.name, f"'{self.cell(row, column)}'", "a number is needed", remedy)
            return None
        return 0.0 if -self.plan.round_off <= number < 0.0 else number

    def times(self, rows: Sequence[int], column: Column) -> list[float | None]:
        """Return the times of the rows of a run; dates are counted from the first of its samples.

        Args:
            rows: of the run.
            column: of the times.

        Returns:
            [d] for each row; None where the cell is empty or faulty.
        """
        for row in rows:
            if not self.cell(row, column):
                self.fault(row, column.name, "an empty cell", "every row has a time", "write it, or remove the row")
        if column.unit != "date":
            return [self._time(row, column) for row in rows]
        dates = [self._date(row, column) for row in rows]
        of_samples = [
            date for row, date in zip(rows, dates, strict=True) if date is not None and row < self.grid.sampled
        ]
        if not of_samples:
            return [None] * len(rows)
        begin, times = of_samples[0], list[float | None]()
        if self.grid.merged:  # rows of several sheets are not in order yet
            begin = min(of_samples, key=lambda date: (date.tzinfo is None, date.replace(tzinfo=None)))
        for row, date in zip(rows, dates, strict=True):
            if date is not None and (date.tzinfo is None) != (begin.tzinfo is None):
                self.fault(row, column.name, f"'{self.cell(row, column)}'",
                           "dates of a run all have a time zone, or none has", "write them alike")  # fmt: skip
                date = None
            times.append(None if date is None else (date - begin).total_seconds() / 86400.0)
        return times

    def _time(self, row: int, column: Column) -> float | None:
        """Return a time [d]. ``D3``, ``Day 3`` and ``72 h`` name the unit of their column; 26:30 is in hours."""
        cell = self.cell(row, column)
        named = named_time(cell)
        if named is None and parse_number(plain(cell, self.plan.decimal)) is None and not _SPOILT.search(cell):
            remedy = f"write a number, or one with its unit, such as 3 {column.unit}"
            if _IS_DATED.match(cell):
                remedy = "give the cells the format [h]:mm, or the column the unit date"
            self.fault(row, column.name, f"'{cell}'", f"a time in {column.unit} is needed", remedy)
            return None
        if named is None:
            return self.number(row, column)
        digits, unit = named
        if convert(1.0, unit, column.unit) != 1.0:
            needed = f"times of this column are in {column.unit}"
            remedy = "write all in one unit, or give another in the mapping"
            self.fault(row, column.name, f"'{cell}'", needed, remedy)
            return None
        return self._number(row, column, digits) if isinstance(digits, str) else column.in_internal_units(digits)

    def _date(self, row: int, column: Column) -> datetime | None:
        """Return the date in a cell. A workbook's own dates are ISO 8601, however its other dates are written."""
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
        self.fault(row, column.name, f"'{text}'", "a date is needed", remedy)
        return None

    def first(self, rows: Sequence[int], column: Column) -> tuple[int, float] | None:
        """Return what a column has in the first sample of a run; a value that comes later only is noted.

        Args:
            rows: of the samples of the run.
            column: of the file, or one value.

        Returns:
            The row and the number in its internal unit; None if the column is empty.
        """
        for i, row in enumerate(rows):
            if not self.cell(row, column):
                continue
            number = self.number(row, column)
            if i > 0 and column.position is not None and number is not None:
                found = f"the first value, '{self.cell(row, column)}'"
                needed = "the row of the first sample has it"
                self.fault(row, column.name, found, needed, "write it there, or a number into [start]")
            return None if number is None else (row, number)
        return None

    def fault(self, row: int, column: str, found: str, needed: str, remedy: str) -> None:
        """Note what is wrong with a cell.

        Args:
            row: counted from 0.
            column: its heading, "" for the whole row.
            found: see `Finding`.
            needed: see `Finding`.
            remedy: see `Finding`.
        """
        self.faults.of_file(self.table.at(row, column or None), found, needed, remedy)
