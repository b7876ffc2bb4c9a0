"""Tables, and their columns as numbers in internal units.

A `Table` is what a file holds: text. `typed` reads it by its `Kind`, which defines the columns, and notes a `Finding`
with row and column for every cell that cannot be used; such a cell is then empty.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from graycell.errors import Finding, nearest
from graycell.errors import shown as shown
from graycell.names import resembling
from graycell.runs.format.assay_range import below_of, is_above
from graycell.runs.format.kinds import ANY_UNIT, TEXT, Kind
from graycell.runs.limits import LIMITS, limits_for, value_fault
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, UnitError, convert, converts, is_readable, parse_heading

MOST_FAULTS = 200
"""Faults that are listed for one table; a file of another kind would otherwise give one for every cell."""
IT_IS_REQUIRED = "it is required"
_LEAST = 0.6
"""[1] Resemblance from which a column may be a misspelt one."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""


class Below(NamedTuple):
    """A cell that holds a detection limit.

    Attributes:
        limit: less than that was there.
    """

    limit: float


Cell = str | float | Below
"""Text of a file, or a number that was made of it, in the unit of its column."""


@dataclass(frozen=True)
class MixedTable:
    """A table whose cells are text or numbers. Rows may be shorter than the headings.

    Attributes:
        place: where it is, as it may be printed.
        headings: of the columns, with units in brackets.
        rows: the cells.
        origins: the place of each row, for a table made from others; else `rows[0]` is row 2 of the spreadsheet.
        named: the headings in the file, for a table made from others.
    """

    place: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    origins: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)

    def at(self, row: int, heading: str | None = None) -> str:
        """Return where a cell is.

        Args:
            row: counted from 0 below the headings.
            heading: of its column; None for the whole row.

        Returns:
            The place, as a `Finding` takes it.

        >>> Table("run07/measurements.csv", (), ()).at(12, "GLC [mmol/L]")
        "run07/measurements.csv, row 14, column 'GLC [mmol/L]'"
        """
        place = self.origins[row] if self.origins else f"{self.place}, row {row + 2}"
        return place if heading is None else f"{place}, column '{self.named.get(heading, heading)}'"


@dataclass(frozen=True)
class Table(MixedTable):
    """A table whose cells are text; see `MixedTable`.

    Attributes:
        rows: the cells.
    """

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Typed:
    """A table by column: numbers in internal units or words, None where a cell is empty or faulty.

    Attributes:
        table: what was read.
        headings: by column, as in the table.
        numbers: by column, for each row.
        words: by column, for each row.
        limits: the key of `LIMITS` of each column of numbers.
        faulty: (row, column) of cells with a finding.
        rejected: columns with a finding, so that the values they would give are not reported as missing.
        below: (row, column) of cells whose number is a detection limit.
    """

    table: MixedTable
    headings: Mapping[str, str]
    numbers: Mapping[str, list[float | None]]
    words: Mapping[str, list[str]]
    limits: Mapping[str, str]
    faulty: frozenset[tuple[int, str]]
    rejected: frozenset[str]
    below: frozenset[tuple[int, str]] = frozenset()

    def __len__(self) -> int:
        return len(self.table.rows)

    def place(self, row: int, column: str | None = None) -> str:
        """Return where a cell is, with the row as a spreadsheet counts it.

        Args:
            row: counted from 0.
            column: its name; None for the whole row.

        Returns:
            The place, as a `Finding` takes it.
        """
        heading = None if column is None else self.headings.get(column, column)
        return self.table.at(row, heading)

    def number(self, row: int, column: str) -> float | None:
        """Return the number of a cell.

        Args:
            row: counted from 0.
            column: its name.

        Returns:
            The number in its internal unit; None if there is none.
        """
        return self.numbers[column][row] if column in self.numbers else None

    def word(self, row: int, column: str) -> str:
        """Return the text of a cell.

        Args:
            row: counted from 0.
            column: its name.

        Returns:
            The text, "" if there is none.
        """
        return self.words[column][row] if column in self.words else ""

    def is_mass_of_solute(self, column: str) -> bool:
        """Return whether a column has a mass of a solute of known molar mass, which is an amount in internal units.

        Args:
            column: its name.

        Returns:
            Whether its heading is in a unit such as g/L.
        """
        unit = parse_heading(self.headings[column])[1] or ""
        return _is_mass_of_solute(column, unit, self.limits[column])

    def is_faulty(self, row: int, column: str) -> bool:
        """Return whether a cell or its column has a finding.

        Args:
            row: counted from 0.
            column: its name.

        Returns:
            Whether it has.
        """
        return (row, column) in self.faulty or column in self.rejected

    def is_blank(self, row: int) -> bool:
        """Return whether a row has nothing in it.

        Args:
            row: counted from 0.

        Returns:
            Whether all its cells are empty.
        """
        return not any(cell.strip() if isinstance(cell, str) else True for cell in self.table.rows[row])


ABSENT = Typed(Table("", (), ()), {}, {}, {}, {}, frozenset(), frozenset())
"""A table that is not there."""


def guarded(text: str) -> str:
    """Return text as a spreadsheet may open it: what is no number and looks like a formula gets an apostrophe.

    Args:
        text: of a cell.

    Returns:
        The text, which `unguarded` takes back.

    >>> guarded("=1+1"), guarded("-1.5"), guarded("run07"), unguarded(guarded("=1+1"))
    ("'=1+1", '-1.5', 'run07', '=1+1')
    """
    formula = text.lstrip("'").startswith(_FORMULA)
    return f"'{text}" if formula and parse_number(text) is None else text


def unguarded(text: str) -> str:
    """Return the text that `guarded` took.

    Args:
        text: of a cell.

    Returns:
        The text without the apostrophe.
    """
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def parse_number(text: str) -> float | None:
    """Return the number that a cell holds.

    `float` alone would also take ``nan``, ``inf`` and ``1_000``.

    Args:
        text: of a cell.

    Returns:
        The number; None if it is not a plain decimal number.

    >>> parse_number("1.5e3"), parse_number("nan"), parse_number("3,2")
    (1500.0, None, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def typed(table: MixedTable, kind: Kind, findings: list[Finding]) -> Typed:
    """Return a table by column.

    Args:
        table: what a file holds, or what was made from it.
        kind: what the table may hold.
        findings: takes every fault.

    Returns:
        The columns that can be used.
    """
    found: list[Finding] = []
    columns, rejected = _columns(table, kind, found)
    headings, numbers, words, limits = {}, {}, {}, {}
    faulty: set[tuple[int, str]] = set()
    below: set[tuple[int, str]] = set()

    def note(row: int, name: str, fault: Finding) -> None:
        faulty.add((row, name))
        if len(found) < MOST_FAULTS:
            found.append(replace(fault, place=table.at(row, headings[name])))

    for position, (name, unit, limit) in columns.items():
        headings[name] = table.headings[position]
        cells = [row[position] if position < len(row) else "" for row in table.rows]
        if limit == TEXT:
            words[name] = [_word(cell) for cell in cells]
            for row, word in enumerate(words[name]):
                if not word.isprintable():  # control characters could forge what is printed
                    note(row, name, Finding("", f"'{word}'", "words are printable", "write it anew"))
                    words[name][row] = ""
            continue
        limits[name], numbers[name] = limit, []
        for row, cell in enumerate(cells):
            value, fault, is_limit = _number(cell, name, unit, limit, kind.censored and name != "time")
            numbers[name].append(value)
            if is_limit:
                below.add((row, name))
            if fault is not None:
                note(row, name, fault)
    for row, cells in enumerate(table.rows):
        if any(_word(cell) for cell in cells[len(table.headings) :]):
            needed = f"the headings name {len(table.headings)} columns"
            remedy = "remove the cells beyond them; write a decimal comma as a point"
            found.append(Finding(table.at(row), f"{len(cells)} cells", needed, remedy))
    if len(found) >= MOST_FAULTS:
        listed = f"{MOST_FAULTS} faults of a table are listed"
        found[MOST_FAULTS:] = [Finding(table.place, "more faults", listed, "correct those first")]
    findings += found
    return Typed(table, headings, numbers, words, limits, frozenset(faulty), rejected, frozenset(below))


def _word(cell: Cell) -> str:
    """Return the text of a cell with single spaces."""
    return " ".join(cell.split()) if isinstance(cell, str) else str(cell)


def _number(cell: Cell, name: str, unit: str, limit: str, censored: bool) -> tuple[float | None, Finding | None, bool]:
    """Return the number of a cell in its internal unit, or its fault without a place, and if it is a detection limit.

    censored: whether ``<`` may be before a number.
    """
    if isinstance(cell, Below):
        return *_judged(cell.limit, f"{cell.limit!r}", name, unit, limit), True
    if not isinstance(cell, str):
        return *_judged(cell, f"{cell!r}", name, unit, limit), False
    cell = cell.strip()
    if censored and is_above(cell):
        needed = "a value above the range of an assay is no number"
        remedy = "write what the diluted sample had, or leave the cell empty"
        return None, Finding("", f"'{cell}'", needed, remedy), False
    cell = below_of(cell) if censored else cell
    is_limit = censored and cell.startswith("<")
    digits = cell[1:].strip() if is_limit else cell
    if not digits and is_limit:
        needed, remedy = "a detection limit is a number after <", "write it, like <0.5"
        return None, Finding("", f"'{cell}'", needed, remedy), True
    if not digits:
        return None, None, False
    number = parse_number(digits)
    if number is None:
        remedy = "write the number with a decimal point, or leave the cell empty if no sample was taken"
        if digits.startswith("="):
            remedy = "write the value instead of the formula"
        return None, Finding("", f"'{digits}'", "a number is needed", remedy), is_limit
    return *_judged(number, digits, name, unit, limit), is_limit


def in_internal_unit(number: float, name: str, unit: str, limit: str) -> float:
    """Return a number of a column in its internal unit; a mass of a solute of known molar mass as an amount.

    Args:
        number: in `unit`.
        name: of the column.
        unit: of the heading.
        limit: the key of `LIMITS` of the column.

    Returns:
        The number in the unit of the limit.

    Raises:
        UnitError: the unit does not convert.

    >>> round(in_internal_unit(1.8016, "GLC", "g/L", "concentration"), 2)
    10.0
    """
    internal_unit = LIMITS[limit].unit
    if internal_unit is None:
        return number
    if _is_mass_of_solute(name, unit, limit):
        return float(convert(number, unit, MASS_CONCENTRATION)) * 1000.0 / MOLAR_MASS[name]
    return float(convert(number, unit, internal_unit))


def _is_mass_of_solute(name: str, unit: str, limit: str) -> bool:
    return LIMITS[limit].unit == CONCENTRATION and name in MOLAR_MASS and converts(unit, MASS_CONCENTRATION)


def _judged(number: float, text: str, name: str, unit: str, limit: str) -> tuple[float | None, Finding | None]:
    """Return a number in its internal unit, or what is wrong with it; `text` is the number as it was written."""
    value = in_internal_unit(number, name, unit, limit)
    text = shown(text)
    fault = value_fault("", limit, value, text, name, unit)
    if fault is None and not math.isfinite(value):
        fault = Finding("", text, "a finite number is needed", "look at the unit of the column")
    return (value, None) if fault is None else (None, fault)


def _columns(
    table: MixedTable, kind: Kind, findings: list[Finding]
) -> tuple[dict[int, tuple[str, str, str]], frozenset[str]]:
    """Return (name, unit, limit) by position for the headings that can be used, and the other names."""
    columns: dict[int, tuple[str, str, str]] = {}
    names: set[str] = set()
    for position, written in enumerate(table.headings):
        heading = " ".join(written.split())
        cells = (row[position] for row in table.rows if position < len(row))
        if not heading and not any(_word(cell) for cell in cells):
            continue  # spreadsheets save empty columns too
        place = f"{table.place}, row 1, column '{heading}'"
        try:
            name, unit = parse_heading(heading if heading.isprintable() else "")
        except UnitError:
            remedy = "write a name and a unit in brackets, like 'GLC [mmol/L]'"
            if ";" in heading or "\t" in heading:
                remedy = "save the table as CSV with commas between the cells"
            found = "a heading that cannot be read"
            findings.append(Finding(place, found, "every column has a name", remedy))
            continue
        if name in names:
            found = f"a second column '{name}'"
            findings.append(Finding(place, found, "names are unique", "remove one"))
            continue
        names.add(name)
        limit = _limit(place, name, unit, kind, findings)
        if limit is not None:
            columns[position] = (name, unit or "", limit)
    for name in kind.required:
        if name not in names:
            close = resembling(name, names, _LEAST)
            hint = f"; is it '{close}'?" if close else ""
            remedy = f"add the column '{_example(name, kind.columns[name])}'{hint}"
            findings.append(Finding(f"{table.place}, row 1", f"no column '{name}'", IT_IS_REQUIRED, remedy))
    return columns, frozenset(names - {name for name, _, _ in columns.values()})


def _example(name: str, limit: str) -> str:
    unit = None if limit == TEXT else LIMITS[limit].unit
    return name if unit is None else f"{name} [{unit}]"


def fitting_limit(name: str, unit: str, kind: Kind, may_be_any: bool = True) -> str | None:
    """Return the limit that a column of numbers has by its name and its unit.

    Args:
        name: of the column.
        unit: of its heading.
        kind: of the table.
        may_be_any: whether a unit that is none of the internal ones is kept as it is, where the table allows that.

    Returns:
        A key of `LIMITS`; None where the table has no place for such a column.

    >>> from graycell.runs.format.kinds import KINDS
    >>> [fitting_limit(*column, KINDS["measurements"]) for column in (("mAb", "mg/L"), ("GLC", "g/L"), ("GLC", "mL"))]
    ['mass concentration', 'concentration', None]
    """
    candidates = (kind.columns[name],) if name in kind.columns else limits_for(name, kind.others)
    for limit in candidates:
        if limit == ANY_UNIT and may_be_any and is_readable(unit):
            return limit
        if converts(unit, LIMITS[limit].unit or "") or _is_mass_of_solute(name, unit, limit):
            return limit
    return None


def _limit(place: str, name: str, unit: str | None, kind: Kind, findings: list[Finding]) -> str | None:
    """Return the limit of a column, or None and a finding if its name or its unit cannot be used."""
    if name not in kind.columns and not kind.others:
        hint = nearest(name, kind.columns)
        found = f"an unknown column '{name}'"
        findings.append(Finding(place, found, "only known columns are read", hint))
        return None
    candidates = (kind.columns[name],) if name in kind.columns else limits_for(name, kind.others)
    if candidates == (TEXT,):
        return TEXT
    example = _example(name, candidates[0])
    if name in kind.columns and candidates == (ANY_UNIT,) and unit not in (None, ""):
        needed = "a set-point is in the unit of its input"
        findings.append(Finding(place, f"the unit '{unit}'", needed, f"write the heading '{name}' without a unit"))
        return None
    if name in kind.columns and LIMITS[candidates[0]].unit is None:
        return candidates[0]
    if unit is None:
        remedy = f"write the unit in brackets, like '{example}'"
        findings.append(Finding(place, "no unit", "a column of numbers needs its unit", remedy))
        return None
    lower = {column.lower(): column for column in kind.columns}
    close = "" if name in kind.columns else resembling(name, kind.columns, _LEAST)
    if name not in kind.columns and name.lower() in lower:
        meant = lower[name.lower()]
        if kind.columns[meant] != TEXT and converts(unit, LIMITS[kind.columns[meant]].unit or ""):
            remedy = f"name the column '{meant}' if that is meant, or give it another name"
            findings.append(Finding(place, f"a column '{name}'", "names differ by more than capitals", remedy))
            return None
    fitting = fitting_limit(name, unit, kind, not close)
    if fitting is not None:
        return fitting
    candidates = tuple(limit for limit in candidates if limit != ANY_UNIT) or ("concentration",)
    remedy = f"write a unit that converts, like '{example}'"
    if close:
        remedy = f"name the column '{close}' if that is meant"
    units = [LIMITS[limit].unit or "" for limit in candidates]
    needed = f"a unit of {', '.join(units[:-1])}{' or ' if units[1:] else ''}{units[-1]} is needed"
    findings.append(Finding(place, f"the unit '{unit}'", needed, remedy))
    return None
