"""spec_of: a mapping, as a TOML file holds it -> `ImportSpec`, with all its faults that show without a file."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from graycell.errors import Faults, nearest, shown
from graycell.imports.amounts import MASS_OF_LIQUID, in_internal_units, with_unit
from graycell.imports.spec import (
    BELOW_THE_HEADINGS,
    EVERY,
    FEED_KINDS,
    QUANTITY,
    RUN,
    TAKEN,
    UNIT,
    Amount,
    ColumnSpec,
    FeedSpec,
    ImportSpec,
    LogSpec,
    LongSpec,
    MediaSheet,
    RunPatterns,
    SidesSpec,
    molar_mass_of,
    pattern_of,
)
from graycell.imports.vocabulary import quantity_of, words_of
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import MOST_ROWS
from graycell.units import CONCENTRATION, DIMENSIONLESS, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError

_WORDS = ("like", "run", "time", "taken", "rows", "long", "log", "measured", "start", "sample", "volume", "temperature",
          "bleed", "harvest", "feeds", "sheet", "transposed", "header", "units", "fill", "empty", "decimal",
          "round_off", "replicates", "analyser")  # fmt: skip
_COLUMN = ("column", "under", "unit", "molar_mass", "density", "written", "clock", "limit", "optional")
_LOG = ("sheet", "run", "time", "clock", "feed", "volume")
_PARTS_OF = ("start", "culture")
_HEAVIEST = 1e9
"""[g/mol] A virus is lighter."""
_DENSEST = 25.0
"""[kg/L] Every known substance is lighter."""


def spec_of(words: Mapping[str, Any], faults: Faults) -> ImportSpec:
    """Return a mapping as a spec.

    Args:
        words: the mapping.
        faults: takes every fault of the mapping that shows without a file.

    Returns:
        The spec; it is of use only if there was no fault.

    >>> faults = Faults("mapping", 9)
    >>> spec_of({"time": "Day (d)", "measured": {"GLC": "Glc (mM)"}, "takn": "before"}, faults).measured["GLC"].heading
    'Glc (mM)'
    >>> print(faults.findings[0].found)
    the word 'takn'
    """
    return _Parser(words, faults).spec()


class _Parser:
    """Turns the words of a mapping into a spec and notes what is wrong with them."""

    def __init__(self, words: Mapping[str, Any], faults: Faults):
        self.words, self.faults, self.fault = words, faults, faults.of_mapping
        self.measured: dict[str, ColumnSpec] = {}

    def spec(self) -> ImportSpec:
        """Return the spec."""
        self.known_words("", self.words, _WORDS)
        self.required("time")
        time = self.optional_column("time", TIME)
        earlier = self.faults.errors
        patterns = self.patterns() if isinstance(self.words.get("run"), Mapping) else None
        header = self.header()
        layout = {
            "sheets": self.sheets(), "transposed": self.transposed(), "header": header, "units": self.units(header),
            "analyser": self.analyser(),
            "fill": tuple(map(words_of, self.texts("fill", "a list of headings is needed", 'write fill = ["Vessel"]'))),
            "run": self.run(), "patterns": patterns, "long": self.long(), "log": self.log(),
        }  # fmt: skip
        faultless = self.faults.errors == earlier
        self.required("measured")
        self.measured = self.columns("measured")
        if "measured" in self.words and not self.table("measured"):
            self.fault("[measured]", "nothing", "at least one quantity is needed", 'write GLC = "Glc (mM)"')
        sample = self.table("sample")
        self.known_words("[sample]", sample, ("volume",))
        sides = self.sides()
        return ImportSpec(
            **layout, is_laid_out=faultless, time=time, measured=self.measured, start=self.columns("start"),
            sample=self.column("[sample] volume", sample["volume"], VOLUME, fixed=True) if "volume" in sample else None,
            volume=self.optional_column("volume", VOLUME), sides=sides, taken=self.taken(),
            temperature=self.optional_column("temperature", TEMPERATURE),
            outflows={word: column for word in ("bleed", "harvest")
                      if (column := self.optional_column(word, VOLUMETRIC_RATE))},
            feeds=tuple(self.feeds()), decimal=self.decimal(), round_off=self.round_off(), averages=self.averages(),
            empty=tuple(words_of(word).lower()
                        for word in self.texts("empty", "a list of words is needed", 'write empty = ["n.d."]')),
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- parts of any mapping

    def wrong(self, what: str, value: object, needed: str, remedy: str) -> None:
        """Note a value of another type or range than what is needed."""
        self.fault(what, shown(str(value)), needed, remedy)

    def required(self, word: str) -> None:
        """Note a word that is missing."""
        if word not in self.words:
            self.fault(word, "nothing", "it is required", f"add {word}")

    def known_words(self, where: str, given: Iterable[object], known: Collection[str]) -> None:
        """Note unknown words."""
        for word in given:
            if word not in known:
                found = f"the word '{word}'"
                self.fault(where or str(word), found, "only known words are read", nearest(str(word), known))

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a table of the mapping."""
        table = self.words.get(name, {})
        if isinstance(table, Mapping):
            return table
        self.wrong(name, table, f"[{name}] is a table", f"write [{name}] and lines below it")
        return {}

    def texts(self, word: str, needed: str, remedy: str) -> list[str]:
        """Return a word that holds one text or a list of them."""
        value = self.words.get(word, [])
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return texts
        self.wrong(word, value, needed, remedy)
        return []

    def heading(self, what: str, entry: object) -> str:
        """Return the heading that an entry names, "" and a fault if it names none."""
        name = entry.get("column") if isinstance(entry, Mapping) else entry
        if isinstance(name, str):
            return words_of(name)
        self.wrong(what, entry, "the name of a column is needed", "write it in quotes")
        return ""

    def columns(self, table: str) -> dict[str, ColumnSpec]:
        """Return the columns of a table of the mapping by name."""
        found = {}
        for name, entry in self.table(table).items():
            unit = LIMITS[limit_of(name)].unit or ""
            if table == "start":
                unit = {"volume": VOLUME, "temperature": TEMPERATURE}.get(name, unit)
            found[name] = self.column(f"[{table}] {name}", entry, unit, fixed=table == "start")
        return {name: column for name, column in found.items() if column is not None}

    def optional_column(self, word: str, unit: str) -> ColumnSpec | None:
        """Return a column that need not be named."""
        return self.column(word, self.words[word], unit) if word in self.words else None

    def column(self, what: str, entry: Any, unit: str, fixed: bool = False) -> ColumnSpec | None:
        """Return a column, None and a fault if none is named; if `fixed`, "1.5 L" may be one value for all rows.

        unit: the internal unit of its numbers.
        """
        entry = {"column": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, Mapping) or not isinstance(entry.get("column"), str):
            number = isinstance(entry, int | float) and fixed
            remedy = f'write it in quotes with its unit, like "{entry} {unit}"' if number else "write it in quotes"
            self.wrong(what, entry, "the name of a column is needed", remedy)
            return None
        self.known_words(what, entry, _COLUMN)
        name, clock = words_of(entry["column"]), entry.get("clock")
        stated = str(entry.get("unit") or "")
        return ColumnSpec(
            what, name, stated,
            under=words_of(str(entry["under"])) if "under" in entry else None,
            molar_mass=self.molar_mass(what, entry["molar_mass"]) if "molar_mass" in entry else None,
            density=self.density(what, entry["density"], unit) if "density" in entry else None,
            limit=self.limit(what, entry["limit"], stated or unit) if "limit" in entry else None,
            written=self.written(what, entry["written"]) if "written" in entry and unit == TIME else "",
            clock="" if clock is None else self.heading(f"{what} clock", clock),
            optional=entry.get("optional") is True,
            amount=_amount_of(name) if fixed else None,
        )  # fmt: skip

    def molar_mass(self, what: str, value: object) -> float:
        """Return a molar mass [g/mol]."""
        if isinstance(value, int | float) and _is_number(value, _HEAVIEST):
            return float(value)
        self.fault(what, f"molar_mass {shown(str(value))}", "a molar mass is a number [g/mol]", "write 180.16")
        return 0.0

    def density(self, what: str, value: object, unit: str) -> float | None:
        """Return a density [kg/L]."""
        if unit not in MASS_OF_LIQUID:
            needed, remedy = "only a volume has one", "remove it"
        elif value and isinstance(value, int | float) and _is_number(value, _DENSEST):
            return float(value)
        else:
            needed, remedy = f"a density is above 0 and below {_DENSEST:g} kg/L", "write 1.05, without quotes"
        self.fault(what, f"density {shown(str(value))}", needed, remedy)
        return None

    def limit(self, what: str, value: object, unit: str) -> Amount | None:
        """Return a detection limit."""
        try:
            limit = Amount(*with_unit(value))
            if limit.number < 0.0:
                raise UnitError(f"'{value}' is below 0")
        except UnitError as error:
            self.fault(f"{what} limit", str(error), "a detection limit is needed", f'write "0.1 {unit}"')
            return None
        return limit

    def written(self, what: str, form: object) -> str:
        """Return how dates are written; a form that cannot be read back is a fault."""
        try:
            day = datetime(2026, 3, 31, 14, 5)
            if form and datetime.strptime(day.strftime(str(form)), str(form)).date() != day.date():
                raise ValueError
        except (ValueError, re.error):  # re.error: a letter that is there twice
            needed = "the letters of a date, each once, are those of strftime"
            self.fault(f"{what} written", f"'{form}'", needed, 'write "%d.%m.%Y %H:%M"')
        return str(form)

    # ------------------------------------------------------------------------------------------------------ the layout

    def sheets(self) -> tuple[str, ...] | None:
        """Return the names of the sheets."""
        if "sheet" not in self.words:
            return None
        needed, remedy = "the name of a sheet or a list of names is needed", 'write "*" for all'
        if self.words["sheet"] == []:
            self.wrong("sheet", [], needed, remedy)
        return tuple(self.texts("sheet", needed, remedy))

    def transposed(self) -> bool:
        """Return whether columns are samples."""
        value = self.words.get("transposed", False)
        if not isinstance(value, bool):
            self.wrong("transposed", value, "true or false is needed", "write transposed = true")
        return value is True

    def analyser(self) -> bool:
        """Return whether the files are exports of analysers."""
        value = self.words.get("analyser", False)
        if not isinstance(value, bool):
            self.wrong("analyser", value, "true or false is needed", "write analyser = true; the file says which it is")
        return value is True

    def header(self) -> int:
        """Return the row of the headings."""
        value = self.words.get("header", 1)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_ROWS:
            return value
        self.wrong("header", value, "a row is needed", "count rows from 1")
        return 1

    def units(self, header: int) -> int | None:
        """Return the row of the units."""
        value = self.words.get("units")
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > header):
            return value
        self.wrong("units", value, BELOW_THE_HEADINGS, "count rows from 1")
        return None

    def run(self) -> tuple[str, ...]:
        """Return the headings of the columns that tell runs apart."""
        if isinstance(self.words.get("run"), Mapping):
            return (RUN,)
        needed = "the name of a column or a list of names is needed"
        return tuple(map(words_of, self.texts("run", needed, "write it in quotes")))

    def patterns(self) -> RunPatterns | None:
        """Return how sheets and headings name runs."""
        run = self.words["run"]
        patterns: dict[str, re.Pattern[str]] = {}
        for word, text in run.items():
            if word not in ("sheet", "heading", "above", "without"):
                needed = "only sheet, heading, above and without are known"
                self.fault(f"run {word}", f"the word '{word}'", needed, "remove it")
            elif word != "without":
                pattern = self.pattern(f"run {word}", text)
                if pattern is None:
                    return None
                patterns[word] = pattern
        for part, group in ((RUN, "run"), (QUANTITY, "quantity")):
            count = sum(group in pattern.groupindex for pattern in patterns.values())
            if count > 1 or (count == 0 and part == RUN):
                found = f"{part} in {count} of {', '.join(patterns) or 'sheet, heading and above'}"
                self.fault("run", found, "one of them has it", f"write {part} into one of them")
        without = run.get("without", [])
        return RunPatterns(
            patterns, frozenset(words_of(str(name)) for name in (without if isinstance(without, list) else [without]))
        )

    def pattern(self, what: str, text: object) -> re.Pattern[str] | None:
        """Return a pattern, None and a fault if it is none."""
        if not isinstance(text, str) or not any(part in text for part in (RUN, QUANTITY)):
            self.wrong(what, text, "a name with {run} or {quantity} in it is needed", 'write "{run} {quantity}"')
        elif any(text.count(part) > 1 for part in (RUN, QUANTITY, UNIT)):
            self.wrong(what, text, "{run} and {quantity} are written once", "remove one")
        else:
            return pattern_of(text)
        return None

    def long(self) -> LongSpec | None:
        """Return the columns of a table with a row for each value."""
        if "long" not in self.words:
            return None
        long = self.words["long"]
        if not isinstance(long, Mapping) or not {"quantity", "value"} <= set(long) <= {"quantity", "value", "unit"}:
            needed = "the columns of quantity and value are needed, and of unit if there is one"
            self.wrong("[long]", long, needed, 'write quantity = "Analyte" and value = "Result"')
            return None
        return LongSpec(**{word: self.heading(f"[long] {word}", name) for word, name in long.items()})

    def log(self) -> LogSpec | None:
        """Return the sheet of the feeds."""
        if "log" not in self.words:
            return None
        log = self.words["log"]
        if not isinstance(log, Mapping) or not {"sheet", "volume"} <= set(log) <= set(_LOG):
            needed = f"known words are {', '.join(_LOG)}; sheet and volume are needed"
            self.wrong("[log]", log, needed, 'write sheet = "Feeds" and volume = "Volume (mL)"')
            return None
        if not isinstance(log["sheet"], str):
            self.wrong("[log] sheet", log["sheet"], "the name of a sheet is needed", "write it in quotes")
            return None
        volume = self.column("[log] volume", log["volume"], VOLUME)
        if volume is None:
            return None
        run = log.get("run")
        return LogSpec(
            log["sheet"], volume, self.heading("[log] feed", log["feed"]) if "feed" in log else "",
            None if run is None else tuple(self.heading("[log] run", name)
                                           for name in (run if isinstance(run, list) else [run])),
            self.column("[log] time", log["time"], TIME) if "time" in log else None,
            self.heading("[log] clock", log["clock"]) if "clock" in log else "",
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- what the columns are

    def sides(self) -> SidesSpec | None:
        """Return the column that says which side of a feed a row is on."""
        table = self.table("rows")
        if not table:
            return None
        self.known_words("[rows]", table, ("column", "before", "after", "neither"))
        neither = table.get("neither", [])
        neither = [neither] if isinstance(neither, str) else neither
        named = [table.get(word) for word in ("column", "before", "after")]
        if not isinstance(neither, list) or not all(isinstance(word, str) for word in [*named, *neither]):
            self.wrong("[rows]", dict(table), "column, before and after are needed, neither is a list",
                       'write column = "Sample", before = "pre feed", after = "post feed"')  # fmt: skip
            return None
        heading, before, after = (words_of(table[word]) for word in ("column", "before", "after"))
        return SidesSpec(heading, before, after, tuple(words_of(word).lower() for word in neither))

    def taken(self) -> str:
        """Return whether samples are taken before or after a feed of their row."""
        if "taken" not in self.words:
            return ""
        taken = self.words["taken"]
        if self.words.get("rows"):
            self.wrong("taken", taken, "[rows] says it row by row", "remove one of the two")
        elif taken not in ("before", "after"):
            self.wrong("taken", taken, *TAKEN)
        return "after" if taken == "after" else "before"

    def feeds(self) -> Iterable[FeedSpec]:
        """Yield the feeds, named ones first."""
        for name, entry in sorted(self.table("feeds").items(), key=lambda item: item[0] == EVERY):
            what = f"[feeds.{name}]"
            entry = entry if isinstance(entry, Mapping) else {}
            kinds = [word for word in FEED_KINDS if word in entry]
            self.known_words(what, entry, (*FEED_KINDS, "media"))
            if len(kinds) != 1:
                found = f"{len(kinds)} of {', '.join(FEED_KINDS)}"
                self.fault(what, found, "one of them is needed", "name its column")
                continue
            if "media" not in entry:
                remedy = 'write media = { GLC = "400 g/L" }, or {} for water'
                self.fault(what, "no media", "every feed has a composition", remedy)
            [kind] = kinds
            column, of = self.feed_column(what, name, kind, entry[kind])
            media = self.media(f"{what} media", entry.get("media", {}))
            if column is not None:
                yield FeedSpec(str(name), kind, column, media, of)

    def feed_column(self, what: str, name: str, kind: str, entry: Any) -> tuple[ColumnSpec | None, str]:
        """Return the column of a feed, and what a volume given as a part refers to."""
        of, unit = "", VOLUMETRIC_RATE if kind == "rate" else VOLUME
        if isinstance(entry, Mapping) and "of" in entry:
            of, unit = str(entry["of"]), DIMENSIONLESS
            if of not in _PARTS_OF or kind != "volume":
                needed = "a volume may be a part of that at the start, or of the culture before the feed"
                self.fault(what, f"of = {shown(of)}", needed, 'write of = "start" or of = "culture"')
            entry = {word: value for word, value in entry.items() if word != "of"}
        if name != EVERY:
            return self.column(what, entry, unit), of
        entry = entry if isinstance(entry, Mapping) else {}
        return self.column(what, {"under": "", **entry, "column": ""}, unit), of

    def media(self, what: str, words: Any) -> Mapping[str, float] | MediaSheet:
        """Return a composition [mmol/L], such as ``{ GLC = "400 g/L" }``, or the sheet that lists it."""
        if not isinstance(words, Mapping):
            self.wrong(what, words, "a composition is a table", 'write { GLC = "2 mol/L" }')
            return {}
        if "sheet" in words:
            self.known_words(what, words, ("sheet", "names"))
            return MediaSheet(str(words["sheet"]), words_of(str(words.get("names", "medium"))))
        media = {}
        for name, text in words.items():
            known = quantity_of(str(name))
            if known and known != name and name not in self.table("measured"):
                self.fault(what, f"the solute '{name}'", f"it is called {known}", f"write {known}")
                continue
            try:
                mass = molar_mass_of(name, self.measured)
                media[str(name)] = in_internal_units(*with_unit(text), CONCENTRATION, mass)
            except UnitError as error:
                self.fault(f"{what} {name}", str(error), "a concentration is needed", 'write "444 mmol/L"')
        return media

    def averages(self) -> bool:
        """Return whether rows of one time are replicates."""
        if "replicates" in self.words and self.words["replicates"] != "mean":
            needed = "the mean of the replicates of a sample counts"
            self.wrong("replicates", self.words["replicates"], needed, 'write replicates = "mean"')
        return "replicates" in self.words

    def decimal(self) -> str:
        """Return the decimal mark."""
        mark = self.words.get("decimal", ".")
        if mark in (".", ","):
            return mark
        self.fault("decimal", f"'{shown(str(mark))}'", "a decimal mark is a point or a comma", 'write "." or ","')
        return "."

    def round_off(self) -> float:
        """Return how far below 0 is 0."""
        value = self.words.get("round_off", 0.0)
        if isinstance(value, int | float) and _is_number(value, 1.0):
            return float(value)
        self.wrong("round_off", value, "a number from 0 to 1 is needed", "write how far below 0 is 0")
        return 0.0


def _amount_of(text: str) -> Amount | None:
    """Return a text such as "1.5 L" as an amount, None if it is none."""
    try:
        return Amount(*with_unit(text))
    except UnitError:
        return None


def _is_number(value: float, below: float) -> bool:
    """Return whether a value is from 0 on and below a bound, and not true or false."""
    return not isinstance(value, bool) and 0 <= value < below
