"""import_runs: a file as someone has it, and a mapping that says what its columns are -> runs.

A mapping is a TOML file of a few lines; columns are named as they stand in the file:

    run = "Batch"                         # the column that tells runs apart, or a list of columns
    time = "Time (h)"                     # or { column = "Date", unit = "date" }: days from the first row of each run;
                                          # a date that is not ISO 8601 with written = "%d.%m.%Y %H:%M", or as it is
    taken = "before"                      # samples are taken before or after a feed of the same row

    [measured]                            # quantity = column; the unit is that of its heading, or given
    VCD = "Viable cells (10^6 cells/mL)"
    GLC = { column = "Glc", unit = "g/L" }                     # mass units by molar mass, which the library knows
    ANTI = { column = "IgG (mg/L)", molar_mass = 150000.0 }    # g/mol of what it does not know

    [start]
    volume = "74 mL"                      # or a column

    [sample]
    volume = { column = "Sample (mL)" }

    [feeds.F01]
    volume = { column = "F01", unit = "mL" }    # added in that row; or cumulative = ..., what was added so far
    media = { GLC = "444 mmol/L" }              # its composition

Further words: `sheet` of a workbook; `header`, the row of the headings (1); `decimal`, the decimal mark ("."); and
`round_off`, how far below zero a number may be and count as 0 (0). Everything in both files is data. The columns become
the tables that `read_runs` takes, so all that it finds is found here too.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from graycell.errors import Finding, InputError, nearest
from graycell.runs.assembly import assemble
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.files import Source, UnreadableError, read_toml, text_table, workbook
from graycell.runs.records import CultureRun, Provenance
from graycell.runs.solutes import MOLAR_MASS
from graycell.runs.tables import Table, cell_place, parse_number, shown
from graycell.units import CONCENTRATION, TIME, VOLUME, VOLUMETRIC_RATE, UnitError, convert

_MAPPING = ("a mapping in TOML is needed", "name a TOML file, see graycell import --help")
_WORDS = ("run", "time", "taken", "measured", "start", "sample", "feeds", "sheet", "header", "decimal", "round_off")
_JUST_BEFORE = 1.0 / 86400.0
"""[d] A feed of the same row that a sample was taken after is given one second earlier."""
_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]\s*$")
_AT_THE_END = re.compile(r"[_ ](g/?L|mg/?L|mg/?dL|mM|uM|mmol/?L|h|hours|d|days|min|mL|L)\s*$", re.IGNORECASE)
_SPELT = {"gl": "g/L", "mgl": "mg/L", "mgdl": "mg/dL", "mmoll": "mmol/L", "hours": "h", "days": "d"}


@dataclass(frozen=True)
class Column:
    """A column of the file, or one value for all rows, and how its numbers become those of a unit of the house.

    name: as it stands in the file, or "" for `value`; unit: of what is in it; molar_mass: [g/mol], 0 for none;
    written: how a date is written, in the letters of `datetime.strptime`, or "" for ISO 8601.
    """

    name: str
    unit: str
    value: str = ""
    molar_mass: float = 0.0
    written: str = ""

    def number(self, cell: str, house: str) -> tuple[str, str]:
        """Return a cell in the house unit as text, with ``<`` kept, and what is wrong with it, or ""."""
        limit, digits = ("<", cell[1:].strip()) if cell.startswith("<") else ("", cell)
        number = parse_number(digits)
        if number is None:
            return "", f"'{shown(cell)}'"
        return f"{limit}{_in_house(number, self.unit, house, self.molar_mass)!r}", ""


def unit_of_heading(heading: str) -> str:
    """Return the unit that a heading of someone's file states, "" if there is none.

    >>> unit_of_heading("Viable Cell Concentration (10^6 cells/mL)"), unit_of_heading("Glc_gL"), unit_of_heading("ID")
    ('10^6 cells/mL', 'g/L', '')
    """
    match = _IN_BRACKETS.search(heading) or _AT_THE_END.search(heading)
    unit = match[1].strip() if match else ""
    return _SPELT.get(unit.lower().replace("/", ""), unit)


def _in_house(number: float, unit: str, house: str, molar_mass: float) -> float:
    """Return a number in a house unit; mass concentrations by molar mass [g/mol]. Raises `UnitError`."""
    try:
        return float(convert(number, unit, house))
    except UnitError:
        if house != CONCENTRATION or not molar_mass:
            raise
        return float(convert(number, unit, "g/L")) * 1000.0 / molar_mass


def import_runs(path: str | Path, mapping: str | Path | Mapping[str, Any]) -> list[CultureRun]:
    """Return the runs in a CSV file or workbook, by a mapping: a TOML file or what stands in one.

    Raises `InputError` with all faults of the mapping, or else of the file.
    """
    path = Path(path)
    findings: list[Finding] = []
    where = "mapping" if isinstance(mapping, Mapping) else shown(Path(mapping).name)
    words = dict(mapping) if isinstance(mapping, Mapping) else read_toml(Path(mapping), *_MAPPING)
    try:
        source, table = _table(path, words, where)
    except UnreadableError as error:
        raise InputError([error.finding]) from error
    plan = _plan(words, table, where, findings)
    if findings:
        raise InputError(findings)
    tables = plan.tables(table, findings)
    provenance = Provenance(source.files, source.sha256)
    runs, more = assemble(tables, path.stem, provenance)
    findings += more
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise InputError(dict.fromkeys(errors))
    return runs


def _table(path: Path, words: Mapping[str, Any], where: str) -> tuple[Source, Table]:
    """Return the source and its table, whose headings are in the row that the mapping names."""
    header = words.get("header", 1)
    if isinstance(header, bool) or not isinstance(header, int) or header < 1:
        raise UnreadableError(f"{where}, header", shown(str(header)), "a row is needed", "count rows from 1")
    if path.suffix.lower() == ".xlsx":
        source = workbook(path, None)
        sheet = words.get("sheet", next(iter(source.tables), ""))
        if sheet not in source.tables:
            raise UnreadableError(f"{where}, sheet", f"'{shown(str(sheet))}'", "it is a sheet of the workbook",
                                  nearest(str(sheet), source.tables))  # fmt: skip
        table = source.tables[sheet]
    else:
        source = text_table(path, header)
        (table,) = source.tables.values()
    if header > len(table.rows):
        needed = f"a row from 1 to {len(table.rows)} is needed"
        raise UnreadableError(f"{where}, header", str(header), needed, "count rows as the spreadsheet does")
    if header == 1:
        return source, table
    # empty rows stay in place of those above, so that rows count as the spreadsheet counts them
    above, headings = [()] * (header - 1), table.rows[header - 2]
    return source, Table(table.place, headings, (*above, *table.rows[header - 1 :]))


@dataclass(frozen=True)
class _Feed:
    """A feed: its columns, and its composition as cells of the table of media."""

    name: str
    volume: Column
    cumulative: bool
    media: Mapping[str, float]


@dataclass(frozen=True)
class _Plan:
    """A mapping that fits a table."""

    run: tuple[str, ...]
    time: Column
    after: bool
    measured: Mapping[str, Column]
    decimal: str
    round_off: float
    start: Mapping[str, Column] = field(default_factory=dict)
    sample: Column | None = None
    feeds: tuple[_Feed, ...] = ()

    def tables(self, table: Table, findings: list[Finding]) -> dict[str, Table]:
        """Return the tables of `read_runs`; cells that are no numbers are told."""
        cells = _Cells(table, self.decimal, self.round_off, findings)
        runs: dict[str, list[int]] = {}
        for row in range(len(table.rows)):
            if any(cell.strip() for cell in table.rows[row]):
                name = "-".join(cells.word(row, column) for column in self.run) or "run"
                runs.setdefault(name, []).append(row)
        heads = ["run", f"time [{TIME}]", *(f"{one} [{LIMITS[limit_of(one)].unit}]" for one in self.measured)]
        measured: list[list[str]] = [heads, *([] for _ in table.rows)]  # rows count as in the file
        first = [["run", *(f"{name} [{_START[name]}]" for name in self.start)]]
        events = [["run", f"time [{TIME}]", "event", "medium", f"volume [{VOLUME}]", f"rate [{VOLUMETRIC_RATE}]"]]
        for name, rows in runs.items():
            times = cells.times(rows, self.time)
            first.append([name, *(cells.number(rows[0], one, _START[of]) for of, one in self.start.items())])
            so_far = {feed.name: 0.0 for feed in self.feeds}
            for i, (row, time) in enumerate(zip(rows, times, strict=True)):
                if time is None:
                    continue
                values = [cells.number(row, one, LIMITS[limit_of(of)].unit or "") for of, one in self.measured.items()]
                if any(values):
                    measured[1 + row] = [name, repr(time), *values]
                drawn = cells.amount(row, self.sample) if self.sample else 0.0
                fed = []
                for feed in self.feeds:
                    given = cells.amount(row, feed.volume)
                    if feed.cumulative:
                        given, so_far[feed.name] = given - so_far[feed.name], max(given, so_far[feed.name])
                        earlier = [one for one in times[:i] if one is not None]
                        if given > 0.0 and earlier:  # what was added since the row before, evenly
                            rate = repr(given / (time - earlier[-1]))
                            fed.append([name, repr(earlier[-1]), "feed", feed.name, "", rate])
                            fed.append([name, repr(time), "feed", feed.name, "", "0.0"])
                            continue
                    if given != 0.0:
                        when = max(time - _JUST_BEFORE, 0.0) if self.after else time
                        fed.append([name, repr(when), "bolus", feed.name, repr(given), ""])
                taken = [[name, repr(time), "sample", "", repr(drawn), ""]] if drawn > 0.0 else []
                events += [*fed, *taken] if self.after else [*taken, *fed]
        species = list(dict.fromkeys(name for feed in self.feeds for name in feed.media))
        media = [["medium", *(f"{one} [{CONCENTRATION}]" for one in species)]]
        media += [[feed.name, *(repr(feed.media.get(one, 0.0)) for one in species)] for feed in self.feeds]
        order = {name: i for i, name in enumerate(runs)}
        events[1:] = sorted(events[1:], key=lambda row: (order[row[0]], float(row[1])))
        found = {"measurements": measured}
        found |= {"initial": first} if self.start else {}
        found |= {"events": events} if len(events) > 1 else {}
        found |= {"media": media} if self.feeds else {}
        places = {kind: table.place if kind == "measurements" else f"{table.place}, as {kind}" for kind in found}
        return {kind: Table(places[kind], tuple(rows[0]), tuple(map(tuple, rows[1:]))) for kind, rows in found.items()}


_START = {"volume": VOLUME, "temperature": "degC"}


class _Cells:
    """The cells of a table by the names of its columns; what is wrong with them is noted."""

    def __init__(self, table: Table, decimal: str, round_off: float, findings: list[Finding]):
        self.table, self.decimal, self.round_off, self.findings = table, decimal, round_off, findings
        self.position = {}
        for i, heading in enumerate(table.headings):  # of two columns of one name the first counts
            self.position.setdefault(" ".join(heading.split()), i)

    def word(self, row: int, column: str) -> str:
        cells, i = self.table.rows[row], self.position[column]
        return " ".join(cells[i].split()) if i < len(cells) else ""

    def number(self, row: int, column: Column, house: str) -> str:
        """Return a cell in a house unit as text, "" where it is empty or faulty."""
        cell = column.value or self.word(row, column.name)
        if self.decimal == "," and not column.value:
            cell = cell.replace(".", "").replace(",", ".")
        if not cell:
            return ""
        text, fault = column.number(cell, house)
        if fault:
            self.fault(row, column.name, fault, "a number is needed", "write it, or leave the cell empty")
        return "0.0" if text.startswith("-") and -float(text) <= self.round_off else text

    def amount(self, row: int, column: Column) -> float:
        """Return a volume [L], 0 where the cell is empty."""
        text = self.number(row, column, VOLUME)
        return float(text.lstrip("<")) if text else 0.0

    def times(self, rows: Sequence[int], column: Column) -> list[float | None]:
        """Return the times [d] of rows; of dates, from that of the first."""
        if column.unit != "date":
            texts = [self.number(row, column, TIME) for row in rows]
            return [float(text.lstrip("<")) if text else None for text in texts]
        dates = [self.date(row, column) for row in rows]
        begin = next((one for one in dates if one is not None), None)
        return [None if one is None or begin is None else (one - begin).total_seconds() / 86400.0 for one in dates]

    def date(self, row: int, column: Column) -> datetime | None:
        """Return the moment in a cell; a workbook's own dates are ISO 8601."""
        cell = self.word(row, column.name)
        try:
            return datetime.strptime(cell, column.written) if column.written else datetime.fromisoformat(cell)
        except ValueError:
            remedy = 'write it like 2026-03-31 14:05, or say how it is written, like written = "%d.%m.%Y %H:%M"'
            self.fault(row, column.name, f"'{shown(cell)}'", "a date is needed", remedy)
            return None

    def fault(self, row: int, column: str, found: str, needed: str, remedy: str) -> None:
        """Note what is wrong with a cell."""
        self.findings.append(Finding(cell_place(self.table.place, row, column), found, needed, remedy))


def _plan(words: Mapping[str, Any], table: Table, where: str, findings: list[Finding]) -> _Plan:
    """Return the mapping as a plan for the table; every fault is noted."""
    known = [" ".join(heading.split()) for heading in table.headings if heading.strip()]

    def fault(what: str, found: str, needed: str, remedy: str) -> None:
        findings.append(Finding(f"{where}, {what}", found, needed, remedy))

    def column(what: str, entry: Any, quantity: str = "", house: str = CONCENTRATION) -> Column:
        """Return a column; "1.5 L" and numbers with a unit stand for one value."""
        entry = {"column": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or not isinstance(entry.get("column"), str):
            fault(what, f"{shown(str(entry))}", "the name of a column is needed", "write it in quotes")
            return Column("", house)
        _known_words(what, entry, ("column", "unit", "molar_mass", "written"), fault)
        name = " ".join(entry["column"].split())
        value, _, unit = name.partition(" ")
        if name not in known and parse_number(value) is not None and unit:
            found = Column("", unit, value)
        else:
            if name not in known:
                fault(what, f"'{shown(name)}'", "it is a heading of the file", nearest(name, known))
                return Column("", house)
            found = Column(name, str(entry.get("unit") or unit_of_heading(name)))
        mass = entry.get("molar_mass", MOLAR_MASS.get(quantity, 0.0))
        found = replace(found, molar_mass=float(mass) if isinstance(mass, int | float) else 0.0)
        if found.unit == "date" and house == TIME:
            return replace(found, written=str(entry.get("written", "")))
        if not found.unit:
            fault(what, f"no unit of '{shown(name)}'", "a unit is never guessed", f'give unit = "{house}" or another')
            return found
        try:
            _in_house(1.0, found.unit, house, found.molar_mass)
        except UnitError as error:
            remedy = "give its unit" + (", and molar_mass [g/mol] for a mass" if house == CONCENTRATION else "")
            fault(what, str(error), f"a unit of {house} is needed", remedy)
        return found

    _known_words("", words, _WORDS, fault)
    for word in ("time", "measured"):
        if word not in words:
            fault(word, "nothing", "it is required", f"add {word}")
    run = words.get("run", [])
    run = tuple(" ".join(str(one).split()) for one in ([run] if isinstance(run, str) else run))
    for name in run:
        if name not in known:
            fault("run", f"'{shown(name)}'", "it is a heading of the file", nearest(name, known))
    measured = {name: column(f"[measured] {name}", entry, name, LIMITS[limit_of(name)].unit or "")
                for name, entry in _part(words, "measured", fault).items()}  # fmt: skip
    start = {name: column(f"[start] {name}", entry, house=_START[name])
             for name, entry in _part(words, "start", fault).items() if name in _START}  # fmt: skip
    sample = _part(words, "sample", fault)
    _known_words("[start]", _part(words, "start", fault), _START, fault)
    _known_words("[sample]", sample, ("volume",), fault)
    if words.get("decimal", ".") not in (".", ","):
        fault(
            "decimal", f"'{shown(str(words['decimal']))}'", "a decimal mark is a point or a comma", 'write "." or ","'
        )
    feeds = tuple(_feed(name, entry, column, fault) for name, entry in _part(words, "feeds", fault).items())
    if feeds and words.get("taken") not in ("before", "after"):
        fault("taken", f"{shown(str(words.get('taken', 'nothing')))}",
              "whether samples are taken before or after a feed of the same row is never guessed",
              'write taken = "before" or taken = "after"')  # fmt: skip
    return _Plan(
        run, column("time", words.get("time", ""), house=TIME) if "time" in words else Column("", TIME),
        words.get("taken") == "after", measured, str(words.get("decimal", ".")), _round_off(words, fault), start,
        column("[sample] volume", sample["volume"], house=VOLUME) if "volume" in sample else None,
        tuple(feed for feed in feeds if feed is not None),
    )  # fmt: skip


def _known_words(where: str, given: Iterable[str], known: Collection[str], fault) -> None:
    for word in given:
        if word not in known:
            fault(
                where or str(word),
                f"the word '{shown(str(word))}'",
                "only known words are read",
                nearest(str(word), known),
            )


def _round_off(words: Mapping[str, Any], fault) -> float:
    value = words.get("round_off", 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        fault("round_off", shown(str(value)), "a number from 0 to 1 is needed", "write how far below zero is zero")
        return 0.0
    return float(value)


def _part(words: Mapping[str, Any], name: str, fault) -> Mapping[str, Any]:
    part = words.get(name, {})
    if isinstance(part, Mapping):
        return part
    fault(name, shown(str(part)), f"[{name}] is a table", f"write [{name}] and lines below it")
    return {}


def _feed(name: str, entry: Any, column, fault) -> _Feed | None:
    """Return a feed of the mapping, or None and what is wrong with it."""
    entry = entry if isinstance(entry, Mapping) else {}
    given = [word for word in ("volume", "cumulative") if word in entry]
    _known_words(f"[feeds.{name}]", entry, ("volume", "cumulative", "media"), fault)
    if len(given) != 1:
        fault(f"[feeds.{name}]", f"{len(given)} of volume and cumulative", "one of them is needed", "name its column")
        return None
    media = {}
    composition = entry.get("media", {})
    for species, text in (composition if isinstance(composition, Mapping) else {}).items():
        value, _, unit = str(text).strip().partition(" ")
        number = parse_number(value)
        try:
            if number is None or not unit:
                raise UnitError(f"'{shown(str(text))}' is no number with a unit")
            media[str(species)] = _in_house(number, unit, CONCENTRATION, MOLAR_MASS.get(str(species), 0.0))
        except UnitError as error:
            fault(f"[feeds.{name}] media {species}", str(error), "a concentration is needed", 'write "444 mmol/L"')
    return _Feed(name, column(f"[feeds.{name}]", entry[given[0]], house=VOLUME), given[0] == "cumulative", media)
