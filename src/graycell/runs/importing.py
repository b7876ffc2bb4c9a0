"""import_runs: a file as someone has it, and a mapping that says what its columns are -> runs.

    file --layout--> a row for each run and time --mapping: a plan--> the tables of `read_runs` --assembly--> runs

Everything in both files is data. The columns become the tables that `read_runs` takes, so all that it finds is found
here too. The words of a mapping are told in docs/import.md.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from graycell.errors import Finding, InputError
from graycell.runs.assembly import assemble
from graycell.runs.files import Source, UnreadableError, read_toml
from graycell.runs.layout import Grid, grid_of, source_of_any
from graycell.runs.mapping import AMOUNT_RATE, RATE_PER_VOLUME, Column, FeedColumn, Plan, plan_of, words_with_profile
from graycell.runs.records import CultureRun, Provenance
from graycell.runs.tables import MOST_FAULTS, Table, parse_number, shown
from graycell.units import CONCENTRATION, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE

_MAPPING = ("a mapping in TOML is needed", "name a TOML file, see graycell import --help")
_A_MOMENT = 1.0 / 86400.0
"""[d] What is said to be after a feed of the same time is a second after it."""
_NOTHING = ("na", "n/a", "n.a.", "nan", "null", "none", "missing", "-", "--", "---", "#n/a")
_BELOW = ("lod", "loq", "lloq", "dl", "bdl", "bql", "blq", "bloq", "blod", "n.d.", "n.d", "nd")
_GROUPS = {
    ".": re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d*|(,\d{3}){2,}|([ ']\d{3})+(\.\d*)?)"),
    ",": re.compile(r"[+-]?\d{1,3}([. ']\d{3})+(,\d*)?"),
}
"""Numbers with their thousands apart, by the decimal mark. ``1,234`` alone may be a decimal comma: it is none."""


@dataclass(frozen=True)
class Imported:
    """Runs of a file; remarks on them; optional columns that the file does not have; headings that nothing used."""

    runs: list[CultureRun]
    remarks: tuple[Finding, ...]
    not_there: tuple[str, ...]
    not_read: tuple[str, ...]


def import_runs(path: str | Path, mapping: str | Path | Mapping[str, Any]) -> list[CultureRun]:
    r"""Return the runs in a CSV, XLSX or Parquet file, by a mapping: a TOML file, or what stands in one.

    Raises `InputError` with all faults of the mapping, or else of the file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sheet.csv"
    ...     _ = path.write_text("Day,Viable cells (10^6 cells/mL),Glc_gL\n0,0.4,7.2\n1,0.9,6.5\n")
    ...     mapping = {"time": {"column": "Day", "unit": "d"},
    ...                "measured": {"VCD": "Viable cells (10^6 cells/mL)", "GLC": "Glc_gL"}}
    ...     [run] = import_runs(path, mapping)
    >>> run.measurements["GLC"].value.round(2)  # mmol/L
    array([39.97, 36.08])
    """
    return imported(path, mapping).runs


def imported(path: str | Path, mapping: str | Path | Mapping[str, Any]) -> Imported:
    """Return what `import_runs` does, with what was not read and what is odd; raises as it does."""
    path = Path(path)
    where = "mapping" if isinstance(mapping, Mapping) else shown(Path(mapping).name)
    words = dict(mapping) if isinstance(mapping, Mapping) else read_toml(Path(mapping), *_MAPPING)
    words = words_with_profile(words, where)
    findings: list[Finding] = []

    def fault(what: str, found: str, needed: str, remedy: str) -> None:
        if len(findings) < MOST_FAULTS:
            findings.append(Finding(f"{where}, {what}", found, needed, remedy))

    source, grid = _grid(path, words, where, fault)
    plan = None if grid is None else plan_of(words, source, grid, fault)
    if findings or grid is None or plan is None:
        raise InputError([*source.findings, *findings])
    numbers_as_such = path.suffix.lower() != ".csv"
    tables = _tables(plan, grid, findings, numbers_as_such)
    runs, more = assemble(tables, path.stem, Provenance(source.files, source.sha256))
    findings = list(dict.fromkeys([*source.findings, *findings, *more]))
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)
    return Imported(runs, tuple(findings), plan.not_there, plan.not_read)


def _grid(path: Path, words: Mapping[str, Any], where: str, fault) -> tuple[Source, Grid | None]:
    try:
        source = source_of_any(path, words, where)
        return source, grid_of(source, words, where, fault)
    except UnreadableError as error:
        raise InputError([error.finding]) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{shown(str(getattr(error, 'strerror', None) or error))}'"
        raise InputError([Finding(shown(path.name), found, "the file must be readable", "look at its path")]) from error


# ------------------------------------------------------------------------------------------------- cells


class _Cells:
    """The cells of a table as numbers in house units; what is wrong with them is noted."""

    def __init__(self, table: Table, plan: Plan, findings: list[Finding], numbers_as_such: bool):
        self.table, self.plan, self.findings = table, plan, findings
        self.numbers_as_such = numbers_as_such
        """Whether the file keeps numbers as numbers, so that a point in one is a decimal point in any case."""

    def word(self, row: int, position: int) -> str:
        """Return the text of a cell with single spaces, "" where there is none."""
        cells = self.table.rows[row]
        return " ".join(cells[position].split()) if position < len(cells) else ""

    def filled(self, row: int) -> bool:
        """Return whether something stands in a row."""
        return any(cell.strip() for cell in self.table.rows[row])

    def cell(self, row: int, column: Column) -> str:
        """Return the text that a column has in a row, "" for words that say there is nothing."""
        text = column.value if column.position is None else self.word(row, column.position)
        return "" if text.lower() in _NOTHING else text

    def text(self, row: int, column: Column) -> str:
        """Return a measured value in the unit that its column is given; "" where empty or faulty.

        That is its own where it converts, so that a fault quotes what stands in the file. ``<`` stands before a limit.
        """
        cell = self.cell(row, column)
        if cell.lower().lstrip("< ") in _BELOW:
            if column.limit is None:
                needed = "below a detection limit is a number after <, and not determined an empty cell"
                example = f'give limit = "0.1 {column.unit}" to {column.name} in the mapping, or empty the cell'
                self.fault(row, column.name, f"'{shown(cell)}'", needed, example)
                return ""
            return f"<{column.limit if column.is_direct else column.in_house(column.limit)!r}"
        below = "<" if cell.startswith("<") else ""
        found = self._number(row, column, cell.removeprefix("<").strip() if below else cell)
        if found is None:
            return ""
        digits, number = found
        return below + (digits if column.is_direct and number else repr(number))

    def number(self, row: int, column: Column | None) -> float | None:
        """Return a number in its house unit, None where the cell is empty or faulty."""
        found = None if column is None else self._number(row, column, self.cell(row, column))
        return None if found is None else found[1]

    def _number(self, row: int, column: Column, cell: str) -> tuple[str, float] | None:
        """Return a number as plain digits in the unit of the column, and in the house unit."""
        if not cell:
            return None
        digits = cell.removesuffix("%").strip() if column.unit == "%" else cell
        digits = digits if column.position is None else self.plain(digits)
        number = parse_number(digits)
        number = None if number is None else column.in_house(number)
        if number is None or not math.isfinite(number):
            remedy = "write it, or leave the cell empty"
            if cell.startswith("="):
                remedy = "write the value instead of the formula, or let the spreadsheet compute and save it"
            elif re.search(r"\d[.,]\d", cell):
                remedy = 'write it, or say which decimal mark the file has, with decimal = ","'
            self.fault(row, column.name, f"'{shown(cell)}'", "a number is needed", remedy)
            return None
        return digits, 0.0 if -self.plan.round_off <= number < 0.0 else number

    def plain(self, digits: str) -> str:
        """Return digits with a decimal point and without marks of thousands."""
        mark = self.plan.decimal
        if mark == "," and self.numbers_as_such and "," not in digits:
            return digits
        if _GROUPS[mark].fullmatch(digits):
            digits = re.sub(r"[.,]" if mark == "," else ",", lambda one: one[0] if one[0] == mark else "", digits)
            digits = re.sub(r"[ ']", "", digits)
        elif mark == "," and "." in digits:
            return ""  # a point is no decimal mark of this file
        return digits.replace(",", ".") if mark == "," else digits

    def times(self, rows: Sequence[int], column: Column) -> list[float | None]:
        """Return the times [d] of the rows of a run; of dates, from the first of them."""
        for row in rows:
            if not self.cell(row, column):
                self.fault(row, column.name, "an empty cell", "every row has a time", "write it, or remove the row")
        if column.unit != "date":
            return [self.number(row, column) for row in rows]
        dates = [self.date(row, column) for row in rows]
        begin = next((one for one in dates if one is not None), None)
        times: list[float | None] = []
        for row, one in zip(rows, dates, strict=True):
            if one is not None and begin is not None and (one.tzinfo is None) != (begin.tzinfo is None):
                self.fault(row, column.name, f"'{shown(self.cell(row, column))}'",
                           "dates of a run all have a time zone, or none has", "write them alike")  # fmt: skip
                one = None
            times.append(None if one is None or begin is None else (one - begin).total_seconds() / 86400.0)
        return times

    def date(self, row: int, column: Column) -> datetime | None:
        """Return the moment in a cell; a workbook's own dates are ISO 8601."""
        cell = self.cell(row, column)
        if not cell:
            return None
        try:
            return datetime.strptime(cell, column.written) if column.written else datetime.fromisoformat(cell)
        except ValueError:
            remedy = 'write it like 2026-03-31 14:05, or say how it is written, like written = "%d.%m.%Y %H:%M"'
            self.fault(row, column.name, f"'{shown(cell)}'", "a date is needed", remedy)
            return None

    def first(self, rows: Iterable[int], column: Column) -> float | None:
        """Return the first number of a column in the rows of a run."""
        for row in rows:
            if self.cell(row, column):
                return self.number(row, column)
        return None

    def fault(self, row: int, column: str, found: str, needed: str, remedy: str) -> None:
        """Note what is wrong with a cell."""
        if len(self.findings) < MOST_FAULTS:
            self.findings.append(Finding(self.table.at(row, column or None), found, needed, remedy))


# ------------------------------------------------------------------------------------------------- rows


class _Event(NamedTuple):
    """A row of the table of events, in house units, and the row of the file that told it."""

    row: int
    time: float
    event: str
    medium: str = ""
    volume: float | None = None
    rate: float | None = None
    temperature: float | None = None


class _Step(NamedTuple):
    """A row of a run: when it was measured, when it was fed [d], and which side of a feed it is ("" if not said)."""

    row: int
    seen: float
    fed: float
    side: str


def _rows_of_runs(cells: _Cells, plan: Plan) -> dict[str, list[int]]:
    """Return the rows of each run by its name; rows with nothing in them belong to none."""
    runs: dict[str, list[int]] = {}
    for row in range(len(cells.table.rows)):
        if not cells.filled(row):
            continue
        words = [cells.word(row, position) for position in plan.run]
        if plan.run and not any(words):
            heading = cells.table.headings[plan.run[0]]
            cells.fault(row, heading, "an empty cell", "every row names its run", "write the name in every row")
            continue
        runs.setdefault("-".join(word for word in words if word) or "run", []).append(row)
    return runs


def _steps(cells: _Cells, plan: Plan, rows: Sequence[int], merged: bool) -> list[_Step]:
    """Return the rows of a run that have a time. Those after a feed of one time with others are a second later."""
    timed = [(time, row) for row, time in zip(rows, cells.times(rows, plan.time), strict=True) if time is not None]
    if merged:
        timed.sort(key=lambda one: one[0])
    steps: list[_Step] = []
    for time, row in timed:
        side = "after" if plan.after else ""
        if plan.moment is not None:
            position, *sides = plan.moment
            word = cells.word(row, position).lower()
            side = next((name for name, of in zip(("before", "after"), sides, strict=True) if word == of.lower()), "")
        seen = fed = time
        if side == "after":
            fed = max(time - _A_MOMENT, 0.0)
            if plan.moment is not None and steps and fed < steps[-1].seen:
                fed = max(time, steps[-1].seen)
                seen = fed + _A_MOMENT
        steps.append(_Step(row, seen, fed, side))
    return steps


def _fed(cells: _Cells, plan: Plan, steps: Sequence[_Step], feed: FeedColumn, volume: float) -> Iterator[_Event]:
    """Yield what a feed does in a run that begins with this volume [L]."""
    so_far, since, rate, before = 0.0, None, 0.0, None
    name, column = feed.name, feed.column
    concentration = next(iter(feed.media.values()), 0.0)  # a feed told as an amount has one solute
    per = {AMOUNT_RATE: concentration, RATE_PER_VOLUME: concentration / volume}.get(column.house, 1.0)
    for i, step in enumerate(steps):
        given = cells.number(step.row, column)
        if given is None:
            since = step.seen if i == 0 else since  # nothing was added so far
            continue
        if feed.told == "rate":
            if given != rate:
                rate = given
                yield _Event(step.row, step.seen, "feed", name, rate=given / per)
            continue
        if feed.told == "rise":
            if step.side != "after":
                before = given if step.side == "before" else before
                continue
            if before is None:
                cells.fault(step.row, column.name, "a row after a feed", "the row before the feed stands above it",
                            "write that row, or mend the words of [rows]")  # fmt: skip
                continue
            given, before = given - before, None
        elif feed.told == "cumulative":
            if given < so_far:
                cells.fault(step.row, column.name, f"{given:.6g} L after {so_far:.6g} L",
                            "what was added so far does not fall",
                            "write the sum, or use volume in the mapping")  # fmt: skip
                continue
            rose, so_far = given - so_far, given
            begin, since = since, step.seen
            if rose == 0.0:
                continue
            if begin is None:
                _tell_early(cells, step, column)
                continue
            yield _Event(step.row, begin, "feed", name, rate=rose / (step.seen - begin) if step.seen > begin else 0.0)
            yield _Event(step.row, step.seen, "feed", name, rate=0.0)
            continue
        if given == 0.0:
            continue
        if step.side == "after" and (i == 0 or step.seen <= 0.0):
            _tell_early(cells, step, column)
        elif plan.moment is not None and not step.side:
            _, one, other = plan.moment
            cells.fault(step.row, column.name, "a feed", f"its row is said to be '{shown(one)}' or '{shown(other)}'",
                        "write one of them into the column of [rows]")  # fmt: skip
        else:
            yield _Event(step.row, step.fed, "bolus", name, volume=given)


def _tell_early(cells: _Cells, step: _Step, column: Column) -> None:
    """Note a feed that was given before the first sample."""
    cells.fault(step.row, column.name, "a feed before the first sample",
                "the state and the volume at the start are those of the first row",
                "count it into the initial volume and write 0 here, or add a row before it")  # fmt: skip


def _controlled(cells: _Cells, plan: Plan, steps: Sequence[_Step]) -> Iterator[_Event]:
    """Yield setpoints and outflows where they change."""
    setpoint = None
    rates = dict.fromkeys(plan.outflows, 0.0)
    for step in steps:
        told = cells.number(step.row, plan.temperature)
        if told is not None and told != setpoint:
            if setpoint is not None:
                yield _Event(step.row, step.seen, "temperature", temperature=told)
            setpoint = told
        for name, column in plan.outflows.items():
            rate = cells.number(step.row, column)
            if rate is not None and rate != rates[name]:
                rates[name] = rate
                yield _Event(step.row, step.seen, name, rate=rate)


def _events(cells: _Cells, plan: Plan, steps: Sequence[_Step], volume: float) -> list[_Event]:
    """Return the events of a run in the order of time; a sample before a feed of its time where it is said so."""
    drawn = [_Event(step.row, step.seen, "sample", volume=taken)
             for step in steps if (taken := cells.number(step.row, plan.sample))]  # fmt: skip
    fed = [event for feed in plan.feeds for event in _fed(cells, plan, steps, feed, volume)]
    return sorted([*drawn, *fed, *_controlled(cells, plan, steps)], key=lambda one: one.time)  # stable


def _tables(plan: Plan, grid: Grid, findings: list[Finding], numbers_as_such: bool) -> dict[str, Table]:
    """Return the tables of `read_runs`; cells that are no numbers are told."""
    table = grid.table
    cells = _Cells(table, plan, findings, numbers_as_such)
    measured, initial, events, signals = _Made(), _Made(), _Made(), _Made()
    beginning = dict(plan.start)
    if plan.temperature is not None:
        beginning.setdefault("temperature", plan.temperature)
    for name, rows in _rows_of_runs(cells, plan).items():
        steps = _steps(cells, plan, rows, grid.merged)
        for step in steps:
            values = [cells.text(step.row, column) for column in plan.measured.values()]
            if any(values):
                measured.add((name, repr(step.seen), *values), table.at(step.row))
            volume = cells.number(step.row, plan.volume)
            if volume is not None:
                signals.add((name, repr(step.seen), repr(volume)), table.at(step.row))
        first = {of: cells.first(rows, column) for of, column in beginning.items()}
        initial.add((name, *map(_written, first.values())), table.at(rows[0]))
        volume = first.get("volume") or 1.0  # without one the feeds are told as volumes or the run is faulty
        for one in _events(cells, plan, steps, volume):
            numbers = map(_written, (one.volume, one.rate, one.temperature))
            events.add((name, repr(one.time), one.event, one.medium, *numbers), table.at(one.row))
    species = list(dict.fromkeys(name for feed in plan.feeds for name in feed.media))
    media = _Made()
    for feed in plan.feeds:
        media.add((feed.name, *(repr(feed.media.get(one, 0.0)) for one in species)), f"mapping, [feeds.{feed.name}]")
    measured_heads = (f"{name} [{one.unit if one.is_direct else one.house}]" for name, one in plan.measured.items())
    heads = {
        "measurements": ("run", f"time [{TIME}]", *measured_heads),
        "initial": ("run", *(f"{name} [{column.house}]" for name, column in beginning.items())),
        "events": ("run", f"time [{TIME}]", "event", "medium", f"volume [{VOLUME}]", f"rate [{VOLUMETRIC_RATE}]",
                   f"temperature [{TEMPERATURE}]"),
        "signals": ("run", f"time [{TIME}]", f"volume [{VOLUME}]"),
        "media": ("medium", *(f"{one} [{CONCENTRATION}]" for one in species)),
    }  # fmt: skip
    made = {"measurements": measured, "initial": initial, "events": events, "signals": signals, "media": media}
    needed = {kind: bool(rows.rows) for kind, rows in made.items()} | {"measurements": True, "initial": bool(beginning)}
    return {
        kind: Table(table.place if kind == "measurements" else f"{table.place}, as {kind}", heads[kind],
                    tuple(made[kind].rows), tuple(made[kind].origins))
        for kind in made if needed[kind]
    }  # fmt: skip


def _written(number: float | None) -> str:
    return "" if number is None else repr(number)


class _Made:
    """Rows of a table, and where in the file each of them stands."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []
        self.origins: list[str] = []

    def add(self, row: tuple[str, ...], origin: str) -> None:
        """Add a row."""
        self.rows.append(row)
        self.origins.append(origin)
