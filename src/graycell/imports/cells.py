"""Cells: the cells of somebody's table -> numbers in internal units, times in days; faulty cells are noted."""

import functools
import math
import re
from collections.abc import Iterator, Sequence

from graycell.errors import Faults, shown
from graycell.imports.amounts import plain
from graycell.imports.columns import Column, Plan
from graycell.imports.dates import forms_of
from graycell.imports.grids import Grid
from graycell.imports.quantities import limit_in
from graycell.imports.times import Times
from graycell.imports.vocabulary import words_of
from graycell.runs.checks import value_fault
from graycell.runs.format.assay_range import below_of, is_above, is_limit_word
from graycell.runs.format.tables import Below, parse_number

_NOTHING = ("na", "n/a", "n.a.", "nan", "null", "none", "missing", "-", "--", "---", "#n/a")
_NUMBER = r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?"
_SPREAD = re.compile(rf"({_NUMBER}) ?(±|\+/-|\+-) ?{_NUMBER}")
_FLAGGED = re.compile(rf"(?P<before>(?:[^\d+\-.,<>]|\.(?!\d))*)(?P<number>{_NUMBER})"
                      r"(?P<after>(?: ?\(\w*\)| ?\[\w*\]|[^\d.,]*))")  # fmt: skip
_FEWEST_MARKS = 2
"""Cells with the other decimal mark from which it may be that of the file."""
_NOISE = 0.02
"""[1] Part of the largest number of a column, up to which one below 0 may be noise."""


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
        self._forms_of: dict[int | None, list[str]] = {}

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
        text = below_of(text)
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
            outside = None if number is None else value_fault("", limit_in(quantity, column.internal_unit), number)
            if outside is not None:
                self.fault(row, column.name, f"{number:.6g}", outside.needed, "look at the formula and its columns")
            return None if outside is not None else number
        cell = self.cell(row, column)
        is_limit = cell.startswith("<")
        digits = cell.removeprefix("<").strip() if is_limit else cell
        is_word = is_limit_word(digits) or ((is_limit or cell.endswith("<")) and not re.search(r"\d", digits))
        if digits and is_word:
            if column.limit is not None:
                return Below(column.in_internal_units(column.limit))
            needed = "below a detection limit is a number after <, and not determined an empty cell"
            example = f'give limit = "0.1 {column.unit}" to {column.name} in the mapping, or empty the cell'
            self.fault(row, column.name, f"'{cell}'", needed, example)
            return None
        if is_above(cell):
            if not self.plan.above_is_empty:
                needed = "a value above the range of an assay is no number"
                remedy = 'write what the diluted sample had, or give above = "empty" in the mapping to leave it out'
                self.fault(row, column.name, f"'{cell}'", needed, remedy)
            else:
                needed = "a value above the range of its assay is left out"
                remedy = "write what the diluted sample had, if there is one"
                self.faults.of_file(self.table.at(row, column.name), f"'{cell}'", needed, remedy, "warning")
            return None
        number = self.number_of(row, column, digits, required=is_limit)
        if number is None:
            return None
        limit = limit_in(quantity, column.internal_unit)
        outside = value_fault("", limit, number, quantity=quantity, unit=column.unit)
        if outside is not None:
            remedy = self._remedy_below_zero(quantity) if number < 0.0 else outside.remedy
            self.fault(row, column.name, shown(cell), outside.needed, remedy or outside.remedy)
            return None
        return Below(number) if is_limit else number

    def _remedy_below_zero(self, quantity: str) -> str:
        """Return what to do about numbers just below 0, "" where none of a column is noise of its size."""
        lowest = self._noise_below_zero.get(quantity, 0.0)
        if not lowest:
            return ""
        digits = 10.0 ** math.floor(math.log10(-lowest))
        enough = math.ceil(-lowest / digits * (1.0 - 1e-12)) * digits
        return (f"correct it, or give round_off = {enough:.0e} in the mapping, so that numbers down to -{enough:.0e} "
                "in internal units such as mmol/L count as 0")  # fmt: skip

    @functools.cached_property
    def _noise_below_zero(self) -> dict[str, float]:
        """The lowest number of all measured columns that may be noise around 0, for each that has one."""
        lowest: dict[str, float] = {}
        for quantity, column in self.plan.measured.items():
            numbers = [
                number
                for cell in self._of_column(column)
                if (digits := self._digits(cell, column)) and (number := parse_number(digits)) is not None
            ]
            values = [value for value in map(column.in_internal_units, numbers) if math.isfinite(value)]
            small = [value for value in values if -_NOISE * max(map(abs, values)) <= value < -self.plan.round_off]
            if small and min(small) > -1.0:
                lowest[quantity] = min(small)
        return dict.fromkeys(lowest, min(lowest.values(), default=0.0))

    def _of_column(self, column: Column) -> Iterator[str]:
        """Yield the filled cells of a column."""
        if column.position is not None:
            yield from filter(None, (self.cell(row, column) for row in range(len(self.table.rows))))

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
        if self._lacks_a_part(row, column):
            return None
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

    def _lacks_a_part(self, row: int, column: Column) -> bool:
        """Return whether a volume, a rate or a set-point that is computed lacks a cell; note it if others are there."""
        if column.formula is None or column in self.plan.measured.values():
            return False
        parts = {name: of for name, of in column.formula.columns.items() if of.value is None}
        empty = [name for name, of in parts.items() if not self.cell(row, of)]
        if 0 < len(empty) < len(parts):
            names, needed = ", ".join(empty), "the formula needs all of its columns, and nothing is counted here"
            self.faults.of_file(self.table.at(row, column.name), f"an empty cell of {names}", needed,
                                "write it, 0 if there was nothing", "warning")  # fmt: skip
        return bool(empty)

    def number(self, row: int, column: Column | None) -> float | None:
        """Return a number in its internal unit.

        Args:
            row: counted from 0.
            column: of the file, or one value; None for no number.

        Returns:
            The number; None where the cell is empty or faulty.
        """
        if column is not None and column.formula is not None:
            return self.computed(row, column)
        return None if column is None else self.number_of(row, column, self.cell(row, column))

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

    def number_of(self, row: int, column: Column, cell: str, required: bool = False) -> float | None:
        """Return the number that a text of a cell is, in its internal unit.

        Args:
            row: counted from 0.
            column: of the cell.
            cell: the text.
            required: whether an empty one is a fault.

        Returns:
            The number; None where there is none, or a faulty one.
        """
        if not cell and not required:
            return None
        number = column.value if column.position is None else parse_number(self._digits(cell, column))
        number = None if number is None else column.in_internal_units(number)
        if number is None or not math.isfinite(number):
            self.fault(row, column.name, f"'{self.cell(row, column)}'", *self._no_number(cell))
            return None
        return 0.0 if -self.plan.round_off <= number < 0.0 else number

    def _digits(self, cell: str, column: Column) -> str:
        """Return the digits of a cell with a decimal point, without its flags and a sign of percent."""
        for flag in self.plan.flags:
            cell = cell.removesuffix(flag).removeprefix(flag).strip()
        digits = cell.removesuffix("%").strip() if column.unit == "%" else cell
        return plain(digits, self.plan.decimal)

    def _no_number(self, cell: str) -> tuple[str, str]:
        """Return what a cell that is no number should be, and what to do."""
        needed, remedy = "a number is needed", "write it, or leave the cell empty"
        other = "." if self.plan.decimal == "," else ","
        flagged, spread = _FLAGGED.fullmatch(cell), _SPREAD.fullmatch(cell)
        if cell.startswith("="):
            remedy = "write the value instead of the formula, or let the spreadsheet compute and save it"
        elif parse_number(plain(cell, other)) is not None:
            name, here, there = "comma" if other == "," else "point", self._marks[self.plan.decimal], self._marks[other]
            if there > here and there >= _FEWEST_MARKS:
                return needed, f'write it, or say in the mapping which decimal mark the file has: decimal = "{other}"'
            is_odd = f"this cell has a decimal {name}, and {here} others do not" if here else needed
            remedy = f"write it with a decimal {'point' if other == ',' else 'comma'}, or without marks of thousands"
            return is_odd, remedy
        elif spread:
            remedy = "write the number alone; how exact it is belongs into the assay errors"
        elif re.fullmatch(r"[A-Za-z][A-Za-z .-]{0,29}", cell):
            remedy = f'{remedy}; if it says that nothing was measured, give empty = ["{cell}"] in the mapping'
        elif flagged and (flag := (flagged["before"] or flagged["after"]).strip()):
            needed = "a number is needed, without a mark beside it"
            escaped = flag.replace("\\", "\\\\").replace('"', '\\"')
            remedy = (f'write the number alone if it counts, or give flags = ["{escaped}"] in the mapping, which reads '
                      "past the mark; empty the cell if it does not count")  # fmt: skip
        return needed, remedy

    @functools.cached_property
    def _marks(self) -> dict[str, int]:
        """How many cells of the columns of numbers have a decimal point and no comma, and the other way round."""
        counts = {".": 0, ",": 0}
        columns = [*self.plan.measured.values(), *self.plan.of_culture]
        for position in {column.position for column in columns if column.position is not None}:
            for row in range(len(self.table.rows)):
                found = re.search(r"\d([.,])\d", self.word(row, position))
                if found and len(set(re.findall(r"[.,]", self.word(row, position)))) == 1:
                    counts[found[1]] += 1
        return counts

    def times(self, rows: Sequence[int], column: Column) -> list[float | None]:
        """Return the times of the rows of a run; dates and times of day are counted from the first of its samples.

        Args:
            rows: of the run.
            column: of the times.

        Returns:
            [d] for each row; None where the cell is empty or faulty.
        """
        return Times(self, column).of(rows)

    def forms(self, column: Column) -> list[str]:
        """Return how the dates of a column may be written.

        Args:
            column: of the file.

        Returns:
            See `forms_of`.
        """
        if column.position not in self._forms_of:
            self._forms_of[column.position] = forms_of(list(self._of_column(column)))
        return self._forms_of[column.position]

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
