"""A mapping, words that say what the columns of a file are -> a plan that fits the file; all its faults at once.

What the words mean is told in docs/import.md. Ready mappings are in `profiles/`.
"""

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import resources
from typing import Any

from graycell.errors import Finding, InputError, nearest
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.files import Source, read_toml
from graycell.runs.layout import RUN, Fault, Grid, words_of
from graycell.runs.solutes import MOLAR_MASS
from graycell.runs.tables import Table, parse_number, shown
from graycell.runs.vocabulary import bare, quantity_of, unit_of_heading
from graycell.units import CONCENTRATION, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError, convert

AMOUNT_RATE, RATE_PER_VOLUME = "mmol/d", "mmol/L/d"
"""What a feed may be told as where its volume is not: amount per time, or per time and volume of the culture."""
_MASS = {CONCENTRATION: "g/L", AMOUNT_RATE: "g/d", RATE_PER_VOLUME: "g/L/d"}
_WORDS = ("like", "run", "time", "taken", "rows", "long", "log", "measured", "start", "sample", "volume", "temperature",
          "bleed", "harvest", "feeds", "sheet", "header", "decimal", "round_off")  # fmt: skip
_ENTRY = ("column", "under", "unit", "molar_mass", "written", "limit", "optional")
_FEED = ("volume", "cumulative", "rate", "rise")
EVERY = "*"
"""The feed of this name stands for every column under a heading."""


@dataclass(frozen=True)
class Column:
    """A column of the file, or one value for all rows, and how its numbers become those of a unit of the house.

    position: from the left, None for `value`; unit: of what is in it; house: the unit that is needed; molar_mass:
    [g/mol], 0 for none; written: how a date is written, in the letters of `datetime.strptime`, or "" for ISO 8601;
    limit: what a cell such as ``<LOD`` stands for, in the unit of the column.
    """

    name: str
    position: int | None
    unit: str
    house: str
    value: str = ""
    molar_mass: float = 0.0
    written: str = ""
    limit: float | None = None

    @property
    def is_direct(self) -> bool:
        """Whether the unit converts without a molar mass."""
        return converts(self.unit, self.house)

    def in_house(self, number: float) -> float:
        """Return a number of the column in its house unit."""
        return in_house(number, self.unit, self.house, self.molar_mass)


@dataclass(frozen=True)
class FeedColumn:
    """A feed: how its column tells it (one of `_FEED`), and its composition [mmol/L]."""

    name: str
    told: str
    column: Column
    media: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """A mapping that fits a table.

    run: positions of the columns that tell runs apart; after: samples are taken after a feed of their row; moment: the
    position of the column that tells whether a row is before or after a feed, and its words for the two; volume: of the
    culture, as somebody wrote it down.
    not_there: optional columns that the file does not have; not_read: headings that nothing uses.
    """

    run: tuple[int, ...]
    time: Column
    after: bool
    measured: Mapping[str, Column]
    decimal: str
    round_off: float
    moment: tuple[int, str, str] | None = None
    start: Mapping[str, Column] = field(default_factory=dict)
    sample: Column | None = None
    temperature: Column | None = None
    volume: Column | None = None
    outflows: Mapping[str, Column] = field(default_factory=dict)
    feeds: tuple[FeedColumn, ...] = ()
    not_there: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()


def in_house(number: float, unit: str, house: str, molar_mass: float) -> float:
    """Return a number in a house unit; masses become moles by molar mass [g/mol]. Raises `UnitError`."""
    if house in _MASS and molar_mass and not converts(unit, house):
        return float(convert(number, unit, _MASS[house])) * 1000.0 / molar_mass
    return float(convert(number, unit, house))


@functools.lru_cache(maxsize=4096)
def converts(unit: str, house: str) -> bool:
    """Return whether a unit measures the same as another; remembered, since a unit that does not takes long to read."""
    try:
        convert(1.0, unit, house)
    except UnitError:
        return False
    return True


def profiles() -> dict[str, str]:
    """Return the ready mappings as text, by name."""
    folder = resources.files("graycell.runs") / "profiles"
    found = [one for one in folder.iterdir() if one.name.endswith(".toml")]
    return {one.name.removesuffix(".toml"): one.read_text(encoding="utf-8") for one in sorted(found, key=str)}


def words_with_profile(words: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping with what it is like beneath it: its own words go first, table by table."""
    name = words.get("like")
    if name is None:
        return dict(words)
    folder = resources.files("graycell.runs") / "profiles"
    known = profiles()
    if name not in known:
        needed = "it is the name of a profile"
        raise InputError([Finding(f"{where}, like", f"'{shown(str(name))}'", needed, nearest(str(name), known))])
    with resources.as_file(folder / f"{name}.toml") as path:
        ready = read_toml(path, "a profile", "install graycell anew")
    merged = dict(ready)
    for word, value in words.items():
        both = isinstance(value, Mapping) and isinstance(ready.get(word), Mapping)
        merged[word] = {**ready[word], **value} if both else value
    return merged


class _Planner:
    """Turns words into a plan; what is wrong with them is noted."""

    def __init__(self, words: Mapping[str, Any], source: Source, grid: Grid, fault: Fault):
        self.words, self.source, self.grid, self.fault = words, source, grid, fault
        self.headings = [words_of(heading) for heading in grid.table.headings]
        self.known = [heading for heading in self.headings if heading]
        self.used: set[int] = {i for i, heading in enumerate(self.headings) if heading in grid.read}
        self.not_there: list[str] = []

    def position(self, what: str, name: str, under: object = None) -> int | None:
        """Return where a heading stands, the first of its name, or the first below another heading."""
        name = words_of(name)
        for i, heading in enumerate(self.headings):
            above = self.grid.above[i] if i < len(self.grid.above) else ""
            if heading == name and (under is None or above == words_of(str(under))):
                self.used.add(i)
                return i
        if name in self.known:
            self.fault(what, f"no '{shown(name)}' under '{shown(str(under))}'", "the row above names it",
                       nearest(str(under), self.grid.above) if any(self.grid.above) else "leave it out")  # fmt: skip
        else:
            self.fault(what, f"'{shown(name)}'", "it is a heading of the file", nearest(name, self.known))
        return None

    def column(self, what: str, entry: Any, house: str, quantity: str = "", fixed: bool = False) -> Column | None:
        """Return a column, None and a fault if it cannot be used; with `fixed`, "1.5 L" stands for one value."""
        entry = {"column": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or not isinstance(entry.get("column"), str):
            self.fault(what, f"{shown(str(entry))}", "the name of a column is needed", "write it in quotes")
            return None
        self.known_words(what, entry, _ENTRY)
        name = words_of(entry["column"])
        if entry.get("optional") is True and name not in self.known:
            self.not_there.append(name)
            return None
        value, _, unit = name.partition(" ")
        mass = entry.get("molar_mass", MOLAR_MASS.get(quantity, 0.0))
        if isinstance(mass, bool) or not isinstance(mass, int | float) or not 0.0 <= mass < 1e9:
            self.fault(what, f"molar_mass {shown(str(mass))}", "a molar mass is a number [g/mol]", "write 180.16")
            mass = 0.0
        position = None
        if fixed and name not in self.known and parse_number(value) is not None and unit:
            found = Column("", None, unit, house, value)
        else:
            position = self.position(what, name, entry.get("under"))
            if position is None:
                return None
            unit = str(entry.get("unit") or self.grid.units.get(name) or unit_of_heading(name))
            found = Column(name, position, unit, house)
        found = replace(found, molar_mass=float(mass))
        if found.unit == "date" and house == TIME:
            return replace(found, written=self.written(what, entry.get("written", "")))
        if not found.unit:
            self.fault(
                what, f"no unit of '{shown(name)}'", "a unit is never guessed", f'give unit = "{house}" or another'
            )
            return None
        try:
            found.in_house(1.0)
        except UnitError as error:
            remedy = "give its unit" + (", and molar_mass [g/mol] for a mass" if house in _MASS else "")
            self.fault(what, str(error), f"a unit of {house} is needed", remedy)
            return None
        return self.with_limit(what, found, entry.get("limit"))

    def written(self, what: str, form: object) -> str:
        """Return how dates are written; a form that cannot be read back is a fault."""
        try:
            datetime.strptime(datetime(2026, 3, 31, 14, 5).strftime(str(form)), str(form))
        except (ValueError, re.error):  # re.error: a letter that stands twice
            needed = "the letters of a date, each once, are those of strftime"
            self.fault(f"{what} written", f"'{shown(str(form))}'", needed, 'write "%d.%m.%Y %H:%M"')
        return str(form)

    def with_limit(self, what: str, column: Column, limit: object) -> Column:
        """Return a column with what its ``<LOD`` stands for."""
        if limit is None:
            return column
        value, _, unit = str(limit).strip().partition(" ")
        number = parse_number(value)
        try:
            if number is None or not unit:
                raise UnitError(f"'{shown(str(limit))}' is no number with a unit")
            return replace(column, limit=float(convert(number, unit, column.unit)))
        except UnitError as error:
            self.fault(f"{what} limit", str(error), "a detection limit is needed", f'write "0.1 {column.unit}"')
            return column

    def part(self, name: str) -> Mapping[str, Any]:
        """Return a table of the mapping."""
        part = self.words.get(name, {})
        if isinstance(part, Mapping):
            return part
        self.fault(name, shown(str(part)), f"[{name}] is a table", f"write [{name}] and lines below it")
        return {}

    def known_words(self, where: str, given: Iterable[str], known: Collection[str]) -> None:
        for word in given:
            if word not in known:
                found = f"the word '{shown(str(word))}'"
                self.fault(where or str(word), found, "only known words are read", nearest(str(word), known))

    def plan(self) -> Plan:
        """Return the plan; it is of use only if there was no fault."""
        words = self.words
        self.known_words("", words, _WORDS)
        for word in ("time", "measured"):
            if word not in words:
                self.fault(word, "nothing", "it is required", f"add {word}")
        measured = {name: self.column(f"[measured] {name}", entry, LIMITS[limit_of(name)].unit or "", name)
                    for name, entry in self.part("measured").items()}  # fmt: skip
        start = {}
        for name, entry in self.part("start").items():
            house = {"volume": VOLUME, "temperature": TEMPERATURE}.get(name) or LIMITS[limit_of(name)].unit or ""
            start[name] = self.column(f"[start] {name}", entry, house, name, fixed=True)
        self.known_words("[sample]", self.part("sample"), ("volume",))
        sample = self.part("sample").get("volume")
        nothing = Column("", None, TIME, TIME)
        outflows = {word: self.column(word, words[word], VOLUMETRIC_RATE)
                    for word in ("bleed", "harvest") if word in words}  # fmt: skip
        moment, feeds = self.moment(), self.feeds()
        if (feeds or sample is not None or outflows) and "volume" not in start:
            self.fault("[start] volume", "nothing", "feeds, samples and outflows change a volume",
                       'write volume = "1.5 L", or the name of a column')  # fmt: skip
        for feed in feeds:
            if feed.told == "rise" and moment is None:
                needed = "a volume rises from a row before a feed to one after"
                self.fault(f"[feeds.{feed.name}] rise", "no [rows]", needed, "say in [rows] which is which")
        boluses = [feed for feed in feeds if feed.told == "volume"]
        if boluses and moment is None and words.get("taken") not in ("before", "after"):
            self.fault("taken", f"{shown(str(words.get('taken', 'nothing')))}",
                       "whether samples are taken before or after a feed of the same row is never guessed",
                       'write taken = "before" or taken = "after"')  # fmt: skip
        plan = Plan(
            self.run(), (self.column("time", words["time"], TIME) if "time" in words else None) or nothing,
            words.get("taken") == "after" and moment is None, _there(measured), self.decimal(), self.round_off(),
            moment, _there(start),
            None if sample is None else self.column("[sample] volume", sample, VOLUME, fixed=True),
            self.column("temperature", words["temperature"], TEMPERATURE) if "temperature" in words else None,
            self.column("volume", words["volume"], VOLUME) if "volume" in words else None,
            _there(outflows), feeds,
        )  # fmt: skip
        if "measured" in words and not plan.measured and self.not_there:
            self.fault("[measured]", "none of its columns in the file", "at least one is needed",
                       f"the file has {', '.join(shown(one) for one in self.known[:10])}")  # fmt: skip
        unread = [
            heading for i, heading in enumerate(self.headings) if heading and i not in self.used and self.filled(i)
        ]
        return replace(plan, not_there=tuple(self.not_there), not_read=tuple(dict.fromkeys(unread)))

    def filled(self, position: int) -> bool:
        return any(position < len(row) and row[position].strip() for row in self.grid.table.rows)

    def run(self) -> tuple[int, ...]:
        """Return the positions of the columns that tell runs apart."""
        run = self.words.get("run", [])
        if isinstance(run, Mapping):
            run = [RUN]
        names = [run] if isinstance(run, str) else run
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            self.fault(
                "run", shown(str(run)), "the name of a column or a list of names is needed", "write it in quotes"
            )
            return ()
        found = [self.position("run", name) for name in names]
        return tuple(one for one in found if one is not None)

    def moment(self) -> tuple[int, str, str] | None:
        """Return what tells rows before a feed from those after it."""
        part = self.part("rows")
        if not part:
            return None
        self.known_words("[rows]", part, ("column", "before", "after"))
        if not all(isinstance(part.get(word), str) for word in ("column", "before", "after")):
            self.fault("[rows]", shown(str(dict(part))), "column, before and after are needed",
                       'write column = "Sample", before = "pre feed", after = "post feed"')  # fmt: skip
            return None
        position = self.position("[rows] column", part["column"])
        return None if position is None else (position, words_of(part["before"]), words_of(part["after"]))

    def feeds(self) -> tuple[FeedColumn, ...]:
        """Return all feeds; one that is called "*" gives a feed for every column under its heading."""
        found = []
        for name, entry in self.part("feeds").items():
            what = f"[feeds.{name}]"
            entry = entry if isinstance(entry, Mapping) else {}
            given = [word for word in _FEED if word in entry]
            self.known_words(what, entry, (*_FEED, "media"))
            if len(given) != 1:
                found_words = f"{len(given)} of {', '.join(_FEED)}"
                self.fault(what, found_words, "one of them is needed", "name its column")
                continue
            [told] = given
            for one, column in self.named(name, entry[told]).items():
                media = self.media(what, one, entry.get("media", {}))
                made = self.feed(f"[feeds.{one}]", told, column, media)
                found += [] if made is None else [FeedColumn(one, told, made, media)]
        return tuple(found)

    def named(self, name: str, entry: Any) -> dict[str, Any]:
        """Return the columns of a feed by its name: one, or all of those under a heading."""
        if name != EVERY:
            return {name: entry}
        under = words_of(str(entry.get("under", ""))) if isinstance(entry, Mapping) else ""
        here = [self.headings[i] for i, above in enumerate(self.grid.above) if under and above == under]
        unit = None if not here else entry.get("unit") or unit_of_heading(under)
        found = {heading: {**entry, "column": heading, "unit": unit} for heading in here if heading}
        if not found:
            self.fault("[feeds.*]", f"under '{shown(under)}'", "it stands in the row above the headings",
                       nearest(under, self.grid.above) if any(self.grid.above) else "name every feed")  # fmt: skip
        return found

    def feed(self, what: str, told: str, entry: Any, media: Mapping[str, float]) -> Column | None:
        """Return the column of a feed. A rate may be one of volume, or of the amount of the only solute."""
        if told != "rate":
            return self.column(what, entry, VOLUME)
        unit = entry.get("unit") if isinstance(entry, Mapping) else None
        name = words_of(str(entry.get("column") if isinstance(entry, Mapping) else entry))
        unit = str(unit or self.grid.units.get(name) or unit_of_heading(name))
        [solute, *more] = list(media) or [""]
        for house in (VOLUMETRIC_RATE, AMOUNT_RATE, RATE_PER_VOLUME):
            try:
                in_house(1.0, unit, house, MOLAR_MASS.get(solute, 0.0))
            except UnitError:
                continue
            if house != VOLUMETRIC_RATE and (more or not media.get(solute)):
                needed = "a feed told as an amount has one solute, whose concentration tells the volume"
                self.fault(what, f"{len(media)} solutes", needed, 'write media = { GLC = "500 g/L" }')
                return None
            return self.column(what, entry, house, solute)
        return self.column(what, entry, VOLUMETRIC_RATE)  # and tells what is wrong with its unit

    def media(self, what: str, name: str, composition: Any) -> dict[str, float]:
        """Return the composition of a feed [mmol/L]: written out, or of a sheet that lists them."""
        if not isinstance(composition, Mapping):
            self.fault(
                f"{what} media", shown(str(composition)), "a composition is a table", 'write { GLC = "2 mol/L" }'
            )
            return {}
        if "sheet" in composition:
            return self.listed(what, name, composition)
        media = {}
        for species, text in composition.items():
            value, _, unit = str(text).strip().partition(" ")
            number = parse_number(value)
            try:
                if number is None or not unit:
                    raise UnitError(f"'{shown(str(text))}' is no number with a unit")
                media[str(species)] = in_house(number, unit, CONCENTRATION, MOLAR_MASS.get(str(species), 0.0))
            except UnitError as error:
                self.fault(f"{what} media {species}", str(error), "a concentration is needed", 'write "444 mmol/L"')
        return media

    def listed(self, what: str, name: str, words: Mapping) -> dict[str, float]:
        """Return the composition of a medium in a sheet of media, which stand in its columns or in its rows."""
        self.known_words(f"{what} media", words, ("sheet", "names"))
        sheet, names = str(words["sheet"]), words_of(str(words.get("names", "medium")))
        if sheet not in self.source.tables:
            hint = nearest(sheet, self.source.tables)
            self.fault(f"{what} media", f"'{shown(sheet)}'", "it is a sheet of the workbook", hint)
            return {}
        table = self.source.tables[sheet]
        lines = [tuple(words_of(cell) for cell in row) for row in (table.headings, *table.rows)]
        at = next(((r, c) for r, row in enumerate(lines) for c, cell in enumerate(row) if cell == names), None)
        if at is None:
            self.fault(f"{what} media", f"no '{shown(names)}' in the sheet '{shown(sheet)}'",
                       "the cell that names the media is needed", 'write names = "Feed Name"')  # fmt: skip
            return {}
        meant = {words_of(heading): quantity for quantity, heading in self.measured_headings().items()}
        right = [cell for cell in lines[at[0]][at[1] + 1 :] if cell]
        if any(quantity_of(cell) or cell in meant for cell in right):  # solutes go right, media down
            width = max(map(len, lines))
            wide = [(*row, *[""] * (width - len(row))) for row in lines]
            turned = list(zip(*(row[at[1] :] for row in wide[at[0] :]), strict=True))
        else:
            turned = [row[at[1] :] for row in lines[at[0] :]]
        places = [i for i, cell in enumerate(turned[0]) if cell == name and i > 0]
        if not places:
            self.fault(f"{what} media", f"no '{shown(name)}' in the sheet '{shown(sheet)}'", "it is listed there",
                       nearest(name, [cell for cell in turned[0][1:] if cell]))  # fmt: skip
            return {}
        media: dict[str, float] = {}
        for row in turned[1:]:
            label = row[0] if row else ""
            unit = unit_of_heading(label)
            told = {row[i] for i in places if i < len(row) and row[i]}
            if not unit or not told:
                continue
            quantity = meant.get(label) or quantity_of(label) or bare(label)
            numbers = {parse_number(cell) for cell in told}
            if len(numbers) > 1 or None in numbers:
                found = ", ".join(sorted(f"'{shown(one)}'" for one in told))
                needed = "a medium of one name has one composition, in numbers"
                self.fault(f"{what} media {quantity}", found, needed, "give media of other compositions other names")
                continue
            try:
                media[quantity] = in_house(numbers.pop() or 0.0, unit, CONCENTRATION, MOLAR_MASS.get(quantity, 0.0))
            except UnitError as error:
                self.fault(f"{what} media {quantity}", str(error), "a concentration is needed", "mend its heading")
        return media

    def measured_headings(self) -> dict[str, str]:
        found = {}
        for quantity, entry in self.part("measured").items():
            heading = entry.get("column") if isinstance(entry, Mapping) else entry
            found[quantity] = heading if isinstance(heading, str) else ""
        return found

    def decimal(self) -> str:
        mark = self.words.get("decimal", ".")
        if mark not in (".", ","):
            needed = "a decimal mark is a point or a comma"
            self.fault("decimal", f"'{shown(str(mark))}'", needed, 'write "." or ","')
        return str(mark)

    def round_off(self) -> float:
        value = self.words.get("round_off", 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < 1.0:
            self.fault("round_off", shown(str(value)), "a number from 0 to 1 is needed", "write how far below 0 is 0")
            return 0.0
        return float(value)


def _there(columns: Mapping[str, Column | None]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if column is not None}


def plan_of(words: Mapping[str, Any], source: Source, grid: Grid, fault: Fault) -> Plan:
    """Return a mapping as a plan for a table; every fault is noted, and the plan is of use only if there is none."""
    return _Planner(words, source, grid, fault).plan()


def headings_of(table: Table) -> list[str]:
    """Return the headings of a table that are not empty."""
    return [words_of(heading) for heading in table.headings if heading.strip()]
