"""Times: the times in the rows of a run, counted, as dates, or as times of day -> days since its first sample."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from graycell.imports.amounts import plain
from graycell.imports.columns import Column
from graycell.imports.dates import clock_of, date_in
from graycell.imports.vocabulary import named_time
from graycell.runs.format.tables import parse_number
from graycell.units import convert

if TYPE_CHECKING:
    from graycell.imports.cells import Cells

_IS_DATED = re.compile(r"(1899|19\d\d)-\d\d-\d\d")
"""What a workbook makes of a duration whose format is that of a date."""
_SPOILT = re.compile(r"^=|^\s*$|^[+-]?[\d., ]*$")
"""Cells whose fault is that of any number: a formula, a decimal mark; an empty cell is reported for all times."""
_MOST_FORMS = 3
"""Ways to write a date that are proposed."""


class Times:
    """The times of a column."""

    def __init__(self, cells: "Cells", column: Column):
        """Begin.

        Args:
            cells: of the file.
            column: of the times.
        """
        self.cells, self.column = cells, column

    def of(self, rows: Sequence[int]) -> list[float | None]:
        """Return the times of the rows of a run; dates and times of day are counted from the first of its samples.

        Args:
            rows: of the run.

        Returns:
            [d] for each row; None where the cell is empty or faulty.
        """
        column = self.column
        for row in rows:
            if not self.cells.cell(row, column):
                remedy = "write it, or remove the row"
                self.cells.fault(row, column.name, "an empty cell", "every row has a time", remedy)
        if column.unit == "clock":
            return self._clocks(rows)
        if column.unit != "date" and column.clock is None:
            return self._rising_clocks(rows, [self._time(row) for row in rows])
        if column.unit != "date":
            return self._from_the_first(rows, [self._day(row) for row in rows])
        dates = self._in_zone([self._date(row) for row in rows])
        of_samples = [
            date for row, date in zip(rows, dates, strict=True) if date is not None and row < self.cells.grid.sampled
        ]
        if not of_samples:
            return [None] * len(rows)
        begin, times = of_samples[0], list[float | None]()
        if self.cells.grid.merged:  # rows of several sheets are not in order yet
            begin = min(of_samples, key=lambda date: (date.tzinfo is None, date.replace(tzinfo=None)))
        for row, date in zip(rows, dates, strict=True):
            if date is not None and (date.tzinfo is None) != (begin.tzinfo is None):
                self.cells.fault(row, column.name, f"'{self.cells.cell(row, column)}'",
                           "dates of a run all have a time zone, or none has", "write them alike")  # fmt: skip
                date = None
            times.append(None if date is None else (date - begin).total_seconds() / 86400.0)
        return times

    def _from_the_first(self, rows: Sequence[int], times: Sequence[float | None]) -> list[float | None]:
        """Return times [d] from the first of the samples on."""
        own = [time for row, time in zip(rows, times, strict=True) if row < self.cells.grid.sampled]
        sampled = [time for time in own if time is not None]
        begin = (min(sampled) if self.cells.grid.merged else sampled[0]) if sampled else 0.0
        # in seconds, so that 1.125 d are no 1.1249999999999998 d
        return [None if time is None else round((time - begin) * 86400.0, 3) / 86400.0 for time in times]

    def _in_zone(self, dates: Sequence[datetime | None]) -> list[datetime | None]:
        """Return dates of a time zone as those of UTC; the hour that a clock repeats in autumn counts as it rises."""
        column = self.column
        if not column.zone:
            return list(dates)
        zone, found, last = ZoneInfo(column.zone), list[datetime | None](), None
        for date in dates:
            if date is not None:
                local = date if date.tzinfo is not None else date.replace(tzinfo=zone)
                world = local.astimezone(UTC)
                if last is not None and world < last and date.tzinfo is None:
                    world = max(world, local.replace(fold=1).astimezone(UTC))
                date = last = world
            found.append(date)
        return found

    def _day(self, row: int) -> float | None:
        """Return a day and its time of day [d]."""
        column = self.column
        day, position = self._time(row), column.clock
        if day is None or position is None:
            return None
        if day != round(day):
            remedy = "write the day alone, or leave clock out of the mapping"
            found = f"'{self.cells.cell(row, column)}'"
            self.cells.fault(row, column.name, found, "beside a time of day is a whole day", remedy)
            return None
        clock = self._clock(row, position)
        return None if clock is None else day + clock

    def _clock(self, row: int, position: int) -> float | None:
        """Return the time of day [d] in a cell."""
        cell = re.sub(r"^(1899-12-3[01]|1900-01-0[01]) ", "", self.cells.word(row, position))
        clock = clock_of(cell)
        if clock is None:
            heading, found = self.cells.table.headings[position], f"'{cell}'" if cell else "an empty cell"
            self.cells.fault(row, heading, found, "a time of day is needed", "write it like 14:05, or 2:05 pm")
        return clock

    def _clocks(self, rows: Sequence[int]) -> list[float | None]:
        """Return times of day as times [d] from the first on: one before that of the row above is of the next day."""
        column = self.column
        days, last, found = 0, 0.0, list[float | None]()
        for row in rows:
            clock = (
                self._clock(row, column.position)
                if column.position is not None and self.cells.cell(row, column)
                else None
            )
            if clock is not None:
                days, last = days + (clock < last), clock
            found.append(None if clock is None else days + clock)
        return self._from_the_first(rows, found)

    def _rising_clocks(self, rows: Sequence[int], times: Sequence[float | None]) -> list[float | None]:
        """Return times; where hours and minutes pass midnight it is noted that they are times of day."""
        column = self.column
        if self.cells.grid.merged or not any(":" in self.cells.cell(row, column) for row in rows[:2]):
            return list(times)
        last, found = -math.inf, list[float | None]()
        for row, time in zip(rows, times, strict=True):
            if time is not None and time < last and clock_of(self.cells.cell(row, column)) is not None:
                needed = "times since the start rise within a run"
                remedy = 'give it unit = "clock" if these are times of day, or sort the rows'
                self.cells.fault(
                    row, column.name, f"'{self.cells.cell(row, column)}' after a later time", needed, remedy
                )
                time = None
            last = last if time is None else time
            found.append(time)
        return found

    def _time(self, row: int) -> float | None:
        """Return a time [d]. ``D3``, ``Day 3`` and ``72 h`` name the unit of their column; 26:30 is in hours."""
        column = self.column
        cell = self.cells.cell(row, column)
        named = named_time(cell)
        is_number = named is not None or parse_number(plain(cell, self.cells.plan.decimal)) is not None
        if cell and not is_number and (self.cells.forms(column) or not _SPOILT.search(cell)):
            remedy = f"write a number, or one with its unit, such as 3 {column.unit}"
            if _IS_DATED.match(cell):
                remedy = "give the cells the format [h]:mm, or the column the unit date"
            elif (forms := self.cells.forms(column)) or date_in(cell, "") is not None:
                written = f", {_or(forms)}" if any(forms) else ""
                remedy = f'these are dates: give the column unit = "date"{written}'
            elif clock_of(cell) is not None:
                remedy = 'give the column unit = "clock" if these are times of day, or clock beside a day'
            self.cells.fault(row, column.name, f"'{cell}'", f"a time in {column.unit} is needed", remedy)
            return None
        if named is None:
            return self.cells.number(row, column)
        digits, unit = named
        if convert(1.0, unit, column.unit) != 1.0:
            needed = f"times of this column are in {column.unit}"
            remedy = "write all in one unit, or give another in the mapping"
            self.cells.fault(row, column.name, f"'{cell}'", needed, remedy)
            return None
        return (
            self.cells.number_of(row, column, digits) if isinstance(digits, str) else column.in_internal_units(digits)
        )

    def _date(self, row: int) -> datetime | None:
        """Return the date in a cell. A workbook's own dates are ISO 8601, however its other dates are written."""
        column = self.column
        cell = self.cells.cell(row, column)
        if not cell:
            return None
        clock = "" if column.clock is None else self.cells.word(row, column.clock)
        if column.clock is not None and not clock:
            heading = self.cells.table.headings[column.clock]
            self.cells.fault(row, heading, "an empty cell", "a date has its time of day there", "write it")
            return None
        # a workbook gives a date without a time the time 00:00:00
        day = re.sub(r" 00:00:00$", "", cell) if clock else cell
        for form in [column.written, ""] if column.written and self.cells.grid.native else [column.written]:
            found = date_in(f"{day} {clock}".strip(), form)
            if found is None and not form and clock and (of_day := clock_of(clock)) is not None:
                date = date_in(day, "")  # whatever is written like 8:30 or 8:30 pm
                found = None if date is None else date + timedelta(seconds=round(of_day * 86400.0, 3))
            if found is not None:
                return found
        forms = [] if clock else self.cells.forms(column)
        remedy = 'write it like 2026-03-31 14:05, or say how it is written, like written = "%d.%m.%Y %H:%M"'
        if column.written in forms:
            remedy = f'write it like the others, "{column.written}"'
        elif any(forms):
            remedy = f"write it like 2026-03-31 14:05, or say how it is written: {_or(forms)}"
        elif forms:
            remedy = "write it like 2026-03-31 14:05" + (", or leave written out" if column.written else "")
        self.cells.fault(row, column.name, f"'{f'{day} {clock}'.strip()}'", "a date is needed", remedy)
        return None


def _or(forms: Sequence[str]) -> str:
    """Return ways to write a date as a mapping says them."""
    return " or ".join(f'written = "{form}"' for form in forms[:_MOST_FORMS])
