"""A mapping, words that say what the columns of a file are -> a plan that fits the file; all its faults at once.

What the words mean is told in docs/import.md.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from graycell.errors import Faults, nearest
from graycell.imports.amounts import (
    AMOUNT_RATE,
    MASS,
    MASS_OF_LIQUID,
    RATE_PER_VOLUME,
    as_counted,
    in_internal_units,
    is_with_unit,
    with_unit,
)
from graycell.imports.grids import Grid, heading_of, positions, words_of
from graycell.imports.media import Media
from graycell.imports.plan import Column, FeedColumn, Moment, Plan
from graycell.imports.rearranging import RUN
from graycell.imports.vocabulary import quantity_of, unit_of_heading
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import Source
from graycell.runs.format.tables import shown
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import DIMENSIONLESS, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError, convert, converts

_WORDS = ("like", "run", "time", "taken", "rows", "long", "log", "measured", "start", "sample", "volume", "temperature",
          "bleed", "harvest", "feeds", "sheet", "transposed", "header", "units", "fill", "empty", "decimal",
          "round_off", "replicates")  # fmt: skip
_ENTRY = ("column", "under", "unit", "molar_mass", "density", "written", "clock", "limit", "optional")
_HEAVIEST = 1e9
"""[g/mol] A virus is lighter."""
_DENSEST = 25.0
"""[kg/L] All that is known is lighter."""
_LOOKED_AT = 30
"""Rows in which a heading that is not there is looked for."""
_FEED = ("volume", "cumulative", "rate", "rise")
_PARTS_OF = ("start", "culture")
EVERY = "*"
"""The feed of this name stands for every column under a heading."""


class _Planner:
    """Turns words into a plan; what is wrong with them is noted."""

    def __init__(self, words: Mapping[str, Any], source: Source, grid: Grid, faults: Faults):
        self.words, self.source, self.grid, self.faults, self.fault = words, source, grid, faults, faults.of_mapping
        self.sheets = set(grid.sheets)
        self.headings = [words_of(heading) for heading in grid.table.headings]
        self.known = [heading for heading in self.headings if heading]
        self.used: set[int] = set()
        self.passed_over: list[str] = list(grid.left)
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
            if "?" in name.split():
                return self.fault(what, "a ? that is left", "the file does not say it", "write what it is")
            rows = self.grid.table.rows[:_LOOKED_AT]
            at = next((r for r, row in enumerate(rows) if name in map(words_of, row)), None)
            known = [one for one in (*self.known, *self.grid.left) if one != RUN]
            hint = "mend those first" if self.faults.is_full else nearest(name, known)
            if at is not None:
                hint = f"it stands in row {at + 2}: if the headings do, write header = {at + 2}"
                hint += "" if words_of(rows[at][0]) != name else ", or transposed = true if they stand in a column"
            if re.match(r"\d+,\d", name):
                hint = "write a number with a decimal point"
            self.fault(what, f"no heading '{shown(name)}'", "headings are named as in the file", hint)
        return None

    def mass(self, quantity: str) -> float:
        """Return the molar mass of a quantity [g/mol]: that of the mapping, or that which is known, or 0."""
        entry = self.part("measured").get(quantity)
        told = entry.get("molar_mass") if isinstance(entry, Mapping) else None
        return float(told) if told and _is_number(told, _HEAVIEST) else MOLAR_MASS.get(quantity, 0.0)

    def column(self, what: str, entry: Any, house: str, quantity: str = "", fixed: bool = False) -> Column | None:
        """Return a column, None and a fault if it cannot be used; with `fixed`, "1.5 L" stands for one value."""
        entry = {"column": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or not isinstance(entry.get("column"), str):
            number = isinstance(entry, int | float) and fixed
            remedy = f'write it in quotes with its unit, like "{entry} {house}"' if number else "write it in quotes"
            self.fault(what, f"{shown(str(entry))}", "the name of a column is needed", remedy)
            return None
        self.known_words(what, entry, _ENTRY)
        name = words_of(entry["column"])
        if entry.get("optional") is True and name not in self.known:
            self.not_there.append(name)
            return None
        mass, density = entry.get("molar_mass", self.mass(quantity)), entry.get("density", 0.0)
        if not _is_number(mass, _HEAVIEST):
            self.fault(what, f"molar_mass {shown(str(mass))}", "a molar mass is a number [g/mol]", "write 180.16")
            mass = 0.0
        if "density" in entry and (house not in MASS_OF_LIQUID or not density or not _is_number(density, _DENSEST)):
            needed, remedy = f"a density is above 0 and below {_DENSEST:g} kg/L", "write 1.05, without quotes"
            if house not in MASS_OF_LIQUID:
                needed, remedy = "only what is a volume has one", "remove it"
            self.fault(what, f"density {shown(str(density))}", needed, remedy)
            density = 0.0
        position = None
        if fixed and name not in self.known and (told := is_with_unit(name)):
            found = Column("", None, told[1], house, repr(told[0]))
        else:
            position = self.position(what, name, entry.get("under"))
            if position is None:
                return None
            stated = self.grid.stated(position)
            unit = as_counted(str(entry.get("unit") or stated), house)
            self.compare(what, name, unit, stated, house)
            found = Column(name, position, unit, house)
        found = replace(found, molar_mass=float(mass), density=float(density))
        if found.unit == "date" and house == TIME:
            clock = self.position(f"{what} clock", str(entry["clock"])) if "clock" in entry else None
            return replace(found, written=self.written(what, entry.get("written", "")), clock=clock)
        if not found.unit:
            remedy = f'give unit = "{house}" or another'
            self.fault(what, f"no unit of '{shown(name)}'", "a unit is never guessed", remedy)
            return None
        try:
            found.in_internal_units(1.0)
        except UnitError as error:
            remedy = "give its unit" + (", and molar_mass [g/mol] for a mass" if house in MASS else "")
            if house in MASS_OF_LIQUID:
                remedy = f"write it in {house}" if position is None else f"{remedy}, and density [kg/L] for a mass"
            meant = quantity_of(quantity)
            if quantity and meant not in ("", quantity):
                remedy = f"name it {meant}, whose molar mass is known"
            if what.startswith("[feeds.") and house == VOLUME and converts(found.unit, DIMENSIONLESS):
                remedy = 'say of what a feed is a part: of = "start", or of = "culture" before the feed'
            found_words = "a ? that is left" if found.unit == "?" else str(error)
            self.fault(what, found_words, f"a unit of {house} is needed", remedy)
            return None
        return self.with_limit(what, found, entry.get("limit"))

    def compare(self, what: str, name: str, unit: str, stated: str, house: str) -> None:
        """Note where the unit of a mapping is not that of the heading."""
        stated = as_counted(stated, house)
        if not stated or unit in (stated, "?") or "date" in (unit, stated):
            return
        try:
            if float(convert(1.0, unit, stated)) == 1.0:
                return
        except UnitError:
            if not any(
                converts(stated, one) for one in (house, MASS.get(house, house), MASS_OF_LIQUID.get(house, house))
            ):
                return  # what stands there is no unit of this kind
        self.fault(what, f"the unit '{shown(unit)}' of '{shown(name)}'", f"the heading says '{shown(stated)}'",
                   "see which of the two is right", "warning")  # fmt: skip

    def written(self, what: str, form: object) -> str:
        """Return how dates are written; a form that cannot be read back is a fault."""
        try:
            day = datetime(2026, 3, 31, 14, 5)
            if form and datetime.strptime(day.strftime(str(form)), str(form)).date() != day.date():
                raise ValueError
        except (ValueError, re.error):  # re.error: a letter that stands twice
            needed = "the letters of a date, each once, are those of strftime"
            self.fault(f"{what} written", f"'{shown(str(form))}'", needed, 'write "%d.%m.%Y %H:%M"')
        return str(form)

    def with_limit(self, what: str, column: Column, limit: object) -> Column:
        """Return a column with what its ``<LOD`` stands for."""
        if limit is None:
            return column
        try:
            number, unit = with_unit(limit)
            if number < 0.0:
                raise UnitError(f"'{shown(str(limit))}' is below 0")
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
        if "replicates" in words and words["replicates"] != "mean":
            found, needed = shown(str(words["replicates"])), "replicates of a sample count by their mean"
            self.fault("replicates", found, needed, 'write replicates = "mean"')
        moment, feeds = self.moment(), self.feeds()
        if (feeds or sample is not None or outflows) and "volume" not in start:
            self.fault("[start] volume", "nothing", "feeds, samples and outflows change a volume",
                       'write volume = "1.5 L", or the name of a column')  # fmt: skip
        for feed in feeds:
            if feed.told == "rise" and moment is None:
                needed = "a volume rises from a row before a feed to one after"
                self.fault(f"[feeds.{feed.name}] rise", "no [rows]", needed, "say in [rows] which is which")
        if moment is not None and "taken" in words:
            needed, remedy = "[rows] says it row by row", "remove one of the two"
            self.fault("taken", shown(str(words["taken"])), needed, remedy)
        boluses = [feed for feed in feeds if feed.told == "volume"]
        if (boluses or "taken" in words) and moment is None and words.get("taken") not in ("before", "after"):
            self.fault("taken", f"{shown(str(words.get('taken', 'nothing')))}",
                       "whether samples are taken before or after a feed of the same row is never guessed",
                       'write taken = "before" or taken = "after"')  # fmt: skip
        plan = Plan(
            self.run(), (self.column("time", words["time"], TIME) if "time" in words else None) or nothing,
            words.get("taken") == "after" and moment is None, _there(measured), self.decimal(), self.round_off(),
            self.empty(), moment, _there(start),
            None if sample is None else self.column("[sample] volume", sample, VOLUME, fixed=True),
            self.column("temperature", words["temperature"], TEMPERATURE) if "temperature" in words else None,
            self.column("volume", words["volume"], VOLUME) if "volume" in words else None,
            _there(outflows), feeds, words.get("replicates") == "mean",
        )  # fmt: skip
        if "measured" in words and not self.part("measured"):
            self.fault("[measured]", "nothing", "at least one quantity is needed", 'write GLC = "Glc (mM)"')
        if "measured" in words and not plan.measured and self.not_there:
            self.fault("[measured]", "none of its columns in the file", "at least one is needed",
                       f"the file has {', '.join(shown(one) for one in self.known[:10])}")  # fmt: skip
        read = {self.headings[i] for i in self.used}
        if "log" in words:
            log = words["log"]["sheet"]
            for i in range(len(self.headings)):
                if i not in self.used and i < len(self.grid.above) and self.grid.above[i] == log:
                    one = shown(self.headings[i])
                    self.fault("[log]", f"the feed '{one}'", "every feed of a log has a table of its own",
                               f'add [feeds."{one}"], or [feeds."*"]')  # fmt: skip
        unread = [one if one not in read else f"another {one}" for i, one in enumerate(self.headings)
                  if one and i not in self.used and self.filled(i)]  # fmt: skip
        width = max(map(len, self.grid.table.rows), default=0)
        if any(self.filled(i) for i in range(width) if i >= len(self.headings) or not self.headings[i]):
            unread.append("cells without a heading")
        unread += self.passed_over
        sheets = [*self.source.tables, *self.source.unreadable] if len(self.source.tables) > 1 else []
        unread += [f"the sheet '{one}'" for one in sheets if one not in self.sheets]
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
            needed = "the name of a column or a list of names is needed"
            self.fault("run", shown(str(run)), needed, "write it in quotes")
            return ()
        found = [self.position("run", name) for name in names]
        return tuple(one for one in found if one is not None)

    def moment(self) -> Moment | None:
        """Return what tells rows before a feed from those after it."""
        part = self.part("rows")
        if not part:
            return None
        self.known_words("[rows]", part, ("column", "before", "after", "neither"))
        neither = part.get("neither", [])
        neither = [neither] if isinstance(neither, str) else neither
        named = [part.get(word) for word in ("column", "before", "after")]
        if not isinstance(neither, list) or not all(isinstance(one, str) for one in [*named, *neither]):
            self.fault("[rows]", shown(str(dict(part))), "column, before and after are needed, neither is a list",
                       'write column = "Sample", before = "pre feed", after = "post feed"')  # fmt: skip
            return None
        position = self.position("[rows] column", part["column"])
        if position is None:
            return None
        there = {words_of(row[position]).lower() for row in self.grid.table.rows if position < len(row)}
        for word in ("before", "after"):
            if words_of(part[word]).lower() not in there:
                needed = f"it stands somewhere below '{shown(words_of(part['column']))}'"
                hint = nearest(part[word], sorted(there - {""}))
                self.fault(f"[rows] {word}", f"'{shown(part[word])}'", needed, hint)
        others = tuple(words_of(one).lower() for one in neither)
        return Moment(position, words_of(part["before"]), words_of(part["after"]), others)

    def feeds(self) -> tuple[FeedColumn, ...]:
        """Return all feeds; that which is called "*" is every column under a heading that no other feed names."""
        found: dict[int, FeedColumn] = {}
        entries = sorted(self.part("feeds").items(), key=lambda one: one[0] == EVERY)  # named ones first
        for name, entry in entries:
            what = f"[feeds.{name}]"
            entry = entry if isinstance(entry, Mapping) else {}
            given = [word for word in _FEED if word in entry]
            self.known_words(what, entry, (*_FEED, "media"))
            if len(given) != 1:
                self.fault(what, f"{len(given)} of {', '.join(_FEED)}", "one of them is needed", "name its column")
                continue
            [told] = given
            for one, column in self.named(name, entry[told]).items():
                at = self.headings.index(one) if name == EVERY else None
                if at in found:
                    continue  # a feed of its own
                if "media" not in entry:
                    needed = "every feed has a composition"
                    self.fault(what, "no media", needed, 'write media = { GLC = "400 g/L" }, or {} for water')
                media = self.media(what, one, entry.get("media", {}))
                made = self.feed(f"[feeds.{one}]", told, column, media)
                if made is None or made.position is None:
                    continue
                if made.position in found:
                    other = found[made.position].name
                    self.fault(f"[feeds.{one}]", f"the column of [feeds.{other}]", "a column is one feed", "remove one")
                of = str(column.get("of", "")) if isinstance(column, Mapping) else ""
                found[made.position] = FeedColumn(one, told, made, media, of)
        return tuple(found.values())

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
        if isinstance(entry, Mapping) and "of" in entry:
            if entry["of"] not in _PARTS_OF or told != "volume":
                needed = "a volume may be a part of that at the start, or of the culture before the feed"
                self.fault(what, f"of = {shown(str(entry['of']))}", needed, 'write of = "start" or of = "culture"')
            return self.column(what, {word: of for word, of in entry.items() if word != "of"}, DIMENSIONLESS)
        if told != "rate":
            return self.column(what, entry, VOLUME)
        unit = entry.get("unit") if isinstance(entry, Mapping) else None
        weighed = isinstance(entry, Mapping) and "density" in entry
        name = words_of(str(entry.get("column") if isinstance(entry, Mapping) else entry))
        at = positions(self.grid.table.headings).get(name)
        unit = str(unit or (unit_of_heading(name) if at is None else self.grid.stated(at)))
        [solute, *more] = list(media) or [""]
        for house in (VOLUMETRIC_RATE, AMOUNT_RATE, RATE_PER_VOLUME):
            try:
                in_internal_units(1.0, unit, house, self.mass(solute), 1.0 if weighed else 0.0)
            except UnitError:
                continue
            stated = isinstance(entry, Mapping) and "molar_mass" in entry
            if house == AMOUNT_RATE and not (stated or converts(unit, AMOUNT_RATE)):
                needed = "the mass of a feed has a density, and the mass of its solute a molar mass"
                remedy = "give density [kg/L] if the feed was weighed, or else molar_mass [g/mol]"
                self.fault(what, f"the unit '{shown(unit)}'", needed, remedy)
                return None
            if house != VOLUMETRIC_RATE and (more or not media.get(solute)):
                needed = "a feed told as an amount has one solute, whose concentration tells the volume"
                self.fault(what, f"{len(media)} solutes", needed, 'write media = { GLC = "500 g/L" }')
                return None
            return self.column(what, entry, house, solute)
        return self.column(what, entry, VOLUMETRIC_RATE)  # and tells what is wrong with its unit

    def media(self, what: str, name: str, words: Any) -> dict[str, float]:
        """Return the composition of a feed [mmol/L]."""
        listed = isinstance(words, Mapping) and "sheet" in words
        if listed:
            self.known_words(f"{what} media", words, ("sheet", "names"))
            self.sheets.add(str(words["sheet"]))
        of_media = Media(self.source, self.mass, self.measured_headings(), self.decimal(), self.faults)
        found = of_media.listed(f"{what} media", name, words) if listed else of_media.written(f"{what} media", words)
        self.passed_over += of_media.passed_over
        return found

    def measured_headings(self) -> dict[str, str]:
        return {quantity: heading_of(entry) for quantity, entry in self.part("measured").items()}

    def empty(self) -> tuple[str, ...]:
        """Return the words that say there is nothing in a cell."""
        told = self.words.get("empty", [])
        told = [told] if isinstance(told, str) else told
        if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
            self.fault("empty", shown(str(told)), "a list of words is needed", 'write empty = ["n.d."]')
            return ()
        return tuple(words_of(one).lower() for one in told)

    def decimal(self) -> str:
        mark = self.words.get("decimal", ".")
        if mark not in (".", ","):
            needed = "a decimal mark is a point or a comma"
            self.fault("decimal", f"'{shown(str(mark))}'", needed, 'write "." or ","')
            return "."
        return str(mark)

    def round_off(self) -> float:
        value = self.words.get("round_off", 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < 1.0:
            self.fault("round_off", shown(str(value)), "a number from 0 to 1 is needed", "write how far below 0 is 0")
            return 0.0
        return float(value)


def _is_number(told: object, below: float) -> bool:
    """Return whether a word is a number from 0 on and below a bound."""
    return isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < below


def _there(columns: Mapping[str, Column | None]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if column is not None}


def plan_of(words: Mapping[str, Any], source: Source, grid: Grid, faults: Faults) -> Plan:
    """Return a mapping as a plan for a table; every fault is noted, and the plan is of use only if there is none."""
    return _Planner(words, source, grid, faults).plan()
