"""Tables of text cells, and their columns as numbers in internal units.

A `Table` is what stands in a file. `typed` reads it by its `Kind`, which says what columns there may be, and
notes a `Finding` with row and column for every cell that cannot be used; such a cell is then empty.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from graycell.errors import Finding, nearest
from graycell.runs.checks import LIMITS, NOT_SPECIES, value_fault
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY
from graycell.units import UnitError, convert, converts, parse_heading

MOST_FAULTS = 200
"""Faults that are listed of one table; a file of another kind would otherwise give one for every cell."""
IT_IS_REQUIRED = "it is required"
TEXT = "text"
"""Instead of a key of `LIMITS`: the column holds words."""

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST_QUOTE = 60


@dataclass(frozen=True)
class Table:
    """Cells as text. Rows may be shorter than the headings.

    origins: where each row stands, for a table that was made of others; else `rows[0]` is row 2 of the spreadsheet.
    named: how headings stand in the file, where they were made of others.
    """

    place: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    origins: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)

    def at(self, row: int, heading: str | None = None) -> str:
        """Return where a cell is. `row` counts from 0 below the headings.

        >>> Table("run07/measurements.csv", (), ()).at(12, "GLC [mmol/L]")
        "run07/measurements.csv, row 14, column 'GLC [mmol/L]'"
        """
        place = self.origins[row] if self.origins else f"{self.place}, row {row + 2}"
        return place if heading is None else f"{place}, column '{shown(self.named.get(heading, heading))}'"


@dataclass(frozen=True)
class Kind:
    """What a table may hold: limit (a key of `LIMITS`, or `TEXT`) by column name.

    `others` are the limits of columns with any other name, the first one whose unit fits; none forbids them.
    `censored`: whether a cell may be a detection limit, such as ``<0.5``: less than that was there.
    """

    columns: Mapping[str, str]
    required: tuple[str, ...]
    others: tuple[str, ...] = ()
    censored: bool = False


KINDS = {
    "measurements": Kind({"run": TEXT, "time": "time", **NOT_SPECIES}, ("time",), ("concentration",), censored=True),
    "standard_errors": Kind({"run": TEXT, "time": "time", **NOT_SPECIES}, ("time",), ("concentration",)),
    "initial": Kind(
        {"run": TEXT, "volume": "initial volume", "temperature": "temperature", REDOX: REDOX, VCD: VCD},
        (),
        ("concentration",),
    ),
    "media": Kind({"medium": TEXT}, ("medium",), ("medium concentration",)),
    "events": Kind(
        {
            "run": TEXT,
            "time": "time",
            "event": TEXT,
            "medium": TEXT,
            "volume": "volume",
            "rate": "rate",
            "temperature": "temperature",
            "fraction": "fraction",
        },
        ("time", "event"),
    ),
    "signals": Kind(
        {"run": TEXT, "time": "time", VIABILITY: VIABILITY, VCD: VCD, TCD: VCD, REDOX: REDOX},
        ("time",),
        ("concentration", VCD, "temperature", "rate", "volume", "specific rate", "number"),
    ),
    "assay_error": Kind(
        {"quantity": TEXT, "relative": "relative error", "absolute": "absolute error", "unit": TEXT},
        ("quantity",),
    ),
    "about": Kind({"key": TEXT, "value": TEXT}, ("key", "value")),
}
"""The tables of a run, by name; a folder holds them as CSV files, a workbook as sheets."""


@dataclass(frozen=True)
class Typed:
    """A table by column: numbers in internal units or words, None where a cell is empty or faulty.

    `limits` holds the key of `LIMITS` of each column; `faulty` the (row, column) of cells with a finding and
    `rejected` the columns with one, so that what lacks for that reason is not told a second time; `below` the cells
    whose number is a detection limit.
    """

    table: Table
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
        """Return where a cell is, with the row as a spreadsheet counts it."""
        heading = None if column is None else self.headings.get(column, column)
        return self.table.at(row, heading)

    def number(self, row: int, column: str) -> float | None:
        """Return the number of a cell in its internal unit."""
        return self.numbers[column][row] if column in self.numbers else None

    def word(self, row: int, column: str) -> str:
        """Return the text of a cell, empty if there is none."""
        return self.words[column][row] if column in self.words else ""

    def is_faulty(self, row: int, column: str) -> bool:
        """Return whether a cell or its column has a finding."""
        return (row, column) in self.faulty or column in self.rejected

    def is_blank(self, row: int) -> bool:
        """Return whether a row has nothing in it."""
        return not any(cell.strip() for cell in self.table.rows[row])


ABSENT = Typed(Table("", (), ()), {}, {}, {}, {}, frozenset(), frozenset())
"""A table that is not there."""


def shown(text: str) -> str:
    r"""Return text from a file as it may be printed: short, and with control characters escaped.

    >>> shown("1 \x1b[2J")
    '1 \\x1b[2J'
    """
    text = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."
    return text if text.isprintable() else repr(text)[1:-1]


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""


def guarded(text: str) -> str:
    """Return text as a spreadsheet may open it: what is no number and looks like a formula gets an apostrophe.

    >>> guarded("=1+1"), guarded("-1.5"), guarded("run07"), unguarded(guarded("=1+1"))
    ("'=1+1", '-1.5', 'run07', '=1+1')
    """
    formula = text.lstrip("'").startswith(_FORMULA)
    return f"'{text}" if formula and parse_number(text) is None else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def nearest_shown(name: str, known: Iterable[str]) -> str:
    """Return a clause with the nearest of the known names from a file, as it may be printed."""
    known = [shown(one) for one in known]
    return nearest(name, known) if known else "there is none yet; add it"


def parse_number(text: str) -> float | None:
    """Return the number that a cell holds, or None if it is not a plain decimal number.

    `float` alone would also take ``nan``, ``inf`` and ``1_000``.

    >>> parse_number("1.5e3"), parse_number("nan"), parse_number("3,2")
    (1500.0, None, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def typed(table: Table, kind: Kind, findings: list[Finding]) -> Typed:
    """Return the columns of `table`; every fault is appended to `findings`."""
    found: list[Finding] = []
    columns, rejected = _columns(table, kind, found)
    headings, numbers, words, limits = {}, {}, {}, {}
    faulty: set[tuple[int, str]] = set()
    below: set[tuple[int, str]] = set()
    for position, (name, unit, limit) in columns.items():
        heading = headings[name] = table.headings[position]
        cells = [row[position].strip() if position < len(row) else "" for row in table.rows]
        if limit == TEXT:
            words[name] = _words(table, name, cells, found, faulty, heading)
            continue
        limits[name] = limit
        numbers[name] = []
        for row, cell in enumerate(cells):
            censored = kind.censored and name != "time" and cell.startswith("<")
            value, fault = _value(cell[1:].strip() if censored else cell, unit, limit)
            if censored:
                below.add((row, name))
                fault = fault or (None if value is not None else _no_limit(cell))
            numbers[name].append(value)
            if fault is not None:
                faulty.add((row, name))
                if len(found) < MOST_FAULTS:
                    found.append(replace(fault, place=table.at(row, heading)))
    for row, cells in enumerate(table.rows):
        if any(cell.strip() for cell in cells[len(table.headings) :]):
            needed = f"the headings name {len(table.headings)} columns"
            remedy = "remove the cells beyond them; write a decimal comma as a point"
            found.append(Finding(table.at(row), f"{len(cells)} cells", needed, remedy))
    if len(found) >= MOST_FAULTS:
        listed = f"{MOST_FAULTS} faults of a table are listed"
        found[MOST_FAULTS:] = [Finding(table.place, "more faults", listed, "mend those first")]
    findings += found
    return Typed(table, headings, numbers, words, limits, frozenset(faulty), rejected, frozenset(below))


def _no_limit(cell: str) -> Finding:
    return Finding("", f"'{shown(cell)}'", "a detection limit is a number after <", "write it, like <0.5")


def _words(
    table: Table,
    name: str,
    cells: list[str],
    findings: list[Finding],
    faulty: set[tuple[int, str]],
    heading: str,
) -> list[str]:
    """Return cells as words with single spaces; control characters could forge what is printed."""
    words = [" ".join(cell.split()) for cell in cells]
    for row, word in enumerate(words):
        if not word.isprintable():
            place = table.at(row, heading)
            findings.append(Finding(place, f"'{shown(word)}'", "words are printable", "write it anew"))
            faulty.add((row, name))
            words[row] = ""
    return words


def _value(cell: str, unit: str, limit: str) -> tuple[float | None, Finding | None]:
    """Return the number of a cell in its internal unit, or what is wrong with it, its place left open."""
    if not cell:
        return None, None
    number = parse_number(cell)
    if number is None:
        remedy = "write the number with a decimal point, or leave the cell empty if no sample was taken"
        if cell.startswith("="):
            remedy = "write the value instead of the formula"
        return None, Finding("", f"'{shown(cell)}'", "a number is needed", remedy)
    house = LIMITS[limit].unit
    value = number if house is None else float(convert(number, unit, house))
    fault = value_fault("", limit, value, shown(cell))
    if fault is None and not math.isfinite(value):
        fault = Finding("", shown(cell), "a finite number is needed", "look at the unit of the column")
    return (value, None) if fault is None else (None, fault)


def _columns(
    table: Table, kind: Kind, findings: list[Finding]
) -> tuple[dict[int, tuple[str, str, str]], frozenset[str]]:
    """Return (name, unit, limit) by position for the headings that can be used, and the other names."""
    columns: dict[int, tuple[str, str, str]] = {}
    names: set[str] = set()
    for position, written in enumerate(table.headings):
        heading = " ".join(written.split())
        cells = (row[position] for row in table.rows if position < len(row))
        if not heading.strip() and not any(cell.strip() for cell in cells):
            continue  # spreadsheets save empty columns too
        place = f"{table.place}, row 1, column '{shown(heading)}'"
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
            found = f"a second column '{shown(name)}'"
            findings.append(Finding(place, found, "names are unique", "remove one"))
            continue
        names.add(name)
        limit = _limit(place, name, unit, kind, findings)
        if limit is not None:
            columns[position] = (name, unit or "", limit)
    for name in kind.required:
        if name not in names:
            close = get_close_matches(name, [n.lower() for n in names], n=1)
            hint = f"; is it '{close[0]}'?" if close else ""
            remedy = f"add the column '{_example(name, kind.columns[name])}'{hint}"
            findings.append(Finding(f"{table.place}, row 1", f"no column '{name}'", IT_IS_REQUIRED, remedy))
    return columns, frozenset(names - {name for name, _, _ in columns.values()})


def _example(name: str, limit: str) -> str:
    unit = None if limit == TEXT else LIMITS[limit].unit
    return name if unit is None else f"{name} [{unit}]"


def _limit(place: str, name: str, unit: str | None, kind: Kind, findings: list[Finding]) -> str | None:
    """Return the limit of a column, or None and a finding if its name or its unit cannot be used."""
    if name not in kind.columns and not kind.others:
        hint = nearest(name, kind.columns)
        found = f"an unknown column '{shown(name)}'"
        findings.append(Finding(place, found, "only known columns are read", hint))
        return None
    candidates = (kind.columns[name],) if name in kind.columns else kind.others
    if candidates == (TEXT,):
        return TEXT
    example = _example(name, candidates[0])
    if LIMITS[candidates[0]].unit is None:
        return candidates[0]
    if unit is None:
        remedy = f"write the unit in brackets, like '{shown(example)}'"
        findings.append(Finding(place, "no unit", "a column of numbers needs its unit", remedy))
        return None
    for limit in candidates:
        try:
            convert(1.0, unit, LIMITS[limit].unit or "")
        except UnitError:
            continue
        return limit
    lower = {column.lower(): column for column in kind.columns}
    close = [] if name in kind.columns else get_close_matches(name.lower(), lower, n=1)
    remedy = f"write a unit that converts, like '{shown(example)}'"
    if "concentration" in candidates and converts(unit, "g/L"):
        remedy = "masses need a molar mass: use graycell import"
    elif close:
        remedy = f"name the column '{lower[close[0]]}' if that is meant"
    needed = f"a unit of {LIMITS[candidates[0]].unit} is needed"
    findings.append(Finding(place, f"the unit '{shown(unit)}'", needed, remedy))
    return None


def rising_rows(table: Typed, rows: Iterable[int], findings: list[Finding], *, strictly: bool = True) -> list[int]:
    """Return those of `rows` whose time can be used: times rise, or do not fall if not `strictly`."""
    usable: list[int] = []
    last = None
    for row in rows:
        if table.is_blank(row) or "time" not in table.numbers:
            continue
        time = table.number(row, "time")
        place = table.place(row, "time")
        if time is None:
            if not table.is_faulty(row, "time"):
                findings.append(Finding(place, "an empty cell", "every row has a time", "write the time"))
        elif last is not None and (time <= last if strictly else time < last):
            needed = "times rise within a run" if strictly else "events are in the order of time"
            remedy = "sort the rows, and join rows of the same time" if strictly else "sort the rows"
            findings.append(Finding(place, f"{time:.6g} d after {last:.6g} d", needed, remedy))
        else:
            usable.append(row)
            last = time
    return usable
