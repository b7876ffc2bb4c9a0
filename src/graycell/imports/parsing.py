"""spec_of: a mapping, as a TOML file holds it -> `ImportSpec`, with all its faults that show without a file."""

import re
from collections.abc import Mapping
from typing import Any

from graycell.errors import Faults, nearest, shown
from graycell.imports.amounts import with_unit
from graycell.imports.parsing_columns import ColumnParser, is_number
from graycell.imports.parsing_feeds import FeedParser
from graycell.imports.rows import ids_pattern
from graycell.imports.rules import RuleParser
from graycell.imports.sides import AFTER, BEFORE, SIDE
from graycell.imports.spec import (
    BELOW_THE_HEADINGS,
    QUANTITY,
    RUN,
    TAKEN,
    UNIT,
    Amount,
    ColumnSpec,
    ErrorSpec,
    IdsSpec,
    ImportSpec,
    LogSpec,
    LongSpec,
    RunPatterns,
    SidesSpec,
    pattern_of,
)
from graycell.imports.vocabulary import words_of
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import MOST_ROWS
from graycell.units import TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError

_WORDS = ("like", "run", "time", "taken", "rows", "long", "log", "measured", "start", "sample", "volume", "temperature",
          "bleed", "harvest", "feeds", "sheet", "transposed", "header", "units", "fill", "empty", "flags",
          "above", "decimal", "round_off", "replicates", "leave_out", "ids", "join", "groups", "analyser",
          "errors")  # fmt: skip
_LOG = ("sheet", "run", "time", "clock", "feed", "volume")


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


class _Parser(ColumnParser):
    """Turns the words of a mapping into a spec and notes what is wrong with them."""

    def spec(self) -> ImportSpec:
        """Return the spec."""
        self.known_words("", self.words, _WORDS)
        earlier = self.faults.errors
        ids = self.ids()
        faultless = self.faults.errors == earlier
        of_ids = {"{day}": "d", "{hour}": "h", "{minute}": "min", "{time}": "d"}
        in_ids = next((part for part in (ids.parts if ids else ()) if part in of_ids), "")
        time = self.optional_column("time", TIME)
        if in_ids and "time" not in self.words:
            time = ColumnSpec("time", in_ids, of_ids[in_ids])
        elif ids is None or not in_ids:
            self.required("time")
        earlier = self.faults.errors
        patterns = self.patterns() if isinstance(self.words.get("run"), Mapping) else None
        header = self.header()
        layout = {
            "sheets": self.sheets(), "transposed": self.transposed(), "header": header, "units": self.units(header),
            "analyser": self.analyser(),
            "fill": tuple(map(words_of, self.texts("fill", "a list of headings is needed", 'write fill = ["Vessel"]'))),
            "run": (RUN,) if ids and RUN in ids.parts and "run" not in self.words else self.run(),
            "patterns": patterns, "long": self.long(), "log": self.log(), "ids": ids,
            "leave_out": self.leave_out(), "join": self.join(),
        }  # fmt: skip
        faultless = faultless and self.faults.errors == earlier
        self.required("measured")
        measured = self.columns("measured")
        if "measured" in self.words and not self.table("measured"):
            self.fault("[measured]", "nothing", "at least one quantity is needed", 'write GLC = "Glc (mM)"')
        groups = self.groups()
        start_of = self.start_of(groups)
        sample = self.table("sample")
        self.known_words("[sample]", sample, ("volume",))
        sides = self.sides()
        if sides is None and ids is not None and SIDE in ids.parts and "rows" not in self.words:
            sides = SidesSpec(SIDE, BEFORE, AFTER)
        of_feeds = FeedParser(self, measured, groups)
        feeds, rules = tuple(of_feeds.feeds()), tuple(RuleParser(of_feeds).rules())
        return ImportSpec(
            **layout, is_laid_out=faultless, time=time, measured=measured, start=self.columns("start"),
            start_of=start_of, groups=groups, errors=self.errors(measured),
            sample=self.column("[sample] volume", sample["volume"], VOLUME, fixed=True) if "volume" in sample else None,
            volume=self.volume(), volume_taken=self.volume_taken(), sides=sides, taken=self.taken(),
            temperature=self.optional_column("temperature", TEMPERATURE),
            outflows={word: column for word in ("bleed", "harvest")
                      if (column := self.optional_column(word, VOLUMETRIC_RATE))},
            feeds=feeds, rules=rules, masses=of_feeds.masses, decimal=self.decimal(), round_off=self.round_off(),
            averages=self.averages(),
            flags=self.flags(), above_is_empty=self.above_is_empty(),
            empty=tuple(words_of(word).lower()
                        for word in self.texts("empty", "a list of words is needed", 'write empty = ["n.d."]')),
        )  # fmt: skip

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

    def ids(self) -> IdsSpec | None:
        """Return how names of samples hold the run, the time and more."""
        if "ids" not in self.words:
            return None
        ids = self.words["ids"]
        given = [ids.get(word) for word in ("column", "pattern")] if isinstance(ids, Mapping) else []
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) != 2 or len(ids) != 2:
            self.wrong("ids", ids, "a column and a pattern of its names are needed",
                       'write column = "Sample ID" and pattern = "{run}_D{day}"')  # fmt: skip
            return None
        parts = re.findall(r"\{(.*?)\}", texts[1])
        if not parts or len(set(parts)) < len(parts) or not all(re.fullmatch(r"[a-z]{1,20}", part) for part in parts):
            needed = "a pattern has parts in braces, each once: {run}, {day}, {hour}, {minute} or other words"
            self.wrong("ids pattern", texts[1], needed, 'write "{run}_D{day}"')
            return None
        return IdsSpec(words_of(texts[0]), *ids_pattern(texts[1]), texts[1])

    def leave_out(self) -> dict[str, tuple[str, ...]]:
        """Return words of rows that are left out, by heading."""
        found = {}
        for heading, words in self.table("leave_out").items():
            words = [words] if isinstance(words, str) else words
            if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
                self.wrong(f"leave_out '{heading}'", words, "words of its cells are needed, or a bound",
                           'write leave_out = { "Sample type" = ["blank", "pre*"], "Day" = "< 0" }')  # fmt: skip
                continue
            found[words_of(str(heading))] = tuple(map(words_of, words))
        return found

    def join(self) -> dict[str, tuple[str, ...]]:
        """Return the headings that name samples in several sheets or files, by their names, "" for all."""
        given = self.words.get("join", {})
        given = given if isinstance(given, Mapping) else {"": given}
        found = {}
        for name, headings in given.items():
            headings = [headings] if isinstance(headings, str) else headings
            if not isinstance(headings, list) or not headings or not all(isinstance(text, str) for text in headings):
                self.wrong("join", headings, "the columns that name the samples are needed",
                           'write join = "Sample ID", or join = ["Run", "Day"]')  # fmt: skip
                continue
            found[str(name)] = tuple(map(words_of, headings))
        if found and isinstance(self.words.get("run"), Mapping):
            needed = "names of sheets or headings tell runs apart"
            self.wrong("join", self.words["join"], needed, "name a column of runs")
        return found

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
        known = isinstance(log, Mapping) and {"sheet"} <= set(log) <= set(_LOG)
        if not known or ("feed" in log and "volume" not in log):
            needed = f"known words are {', '.join(_LOG)}; sheet is needed, and volume beside feed"
            remedy = 'write sheet = "Feeds" and volume = "Volume (mL)"; or sheet alone if feeds name columns of it'
            self.wrong("[log]", log, needed, remedy)
            return None
        if not isinstance(log["sheet"], str):
            self.wrong("[log] sheet", log["sheet"], "the name of a sheet is needed", "write it in quotes")
            return None
        volume = self.column("[log] volume", log["volume"], VOLUME) if "volume" in log else None
        if volume is None and "volume" in log:
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

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the runs of each group."""
        found = {}
        for name, runs in self.table("groups").items():
            runs = [runs] if isinstance(runs, str) else runs
            if isinstance(runs, list) and runs and all(isinstance(run, str) for run in runs):
                found[str(name)] = tuple(map(words_of, runs))
            else:
                self.wrong(f"[groups] {name}", runs, "a list of runs is needed", 'write high = ["R1", "R2"] or "R1*"')
        return found

    def start_of(self, groups: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, ColumnSpec]]:
        """Return what is given at the start by group, { high = "1.5 L", low = "2 L" }, and take it out of the words."""
        found: dict[str, dict[str, ColumnSpec]] = {}
        self.words = {**self.words}
        start = {**self.table("start")}
        for what, entry in list(start.items()):
            if not isinstance(entry, Mapping) or not set(entry) & set(groups):
                continue
            self.known_words(f"[start] {what}", entry, groups)
            del start[what]
            for group, value in entry.items():
                unit = {"volume": VOLUME, "temperature": TEMPERATURE}.get(what, LIMITS[limit_of(what)].unit or "")
                column = self.column(f"[start] {what} {group}", value, unit, fixed=True)
                if column is not None and group in groups:
                    found.setdefault(group, {})[what] = column
        if found:
            self.words["start"] = start
        return found

    def errors(self, measured: Mapping[str, ColumnSpec]) -> dict[str, ErrorSpec]:
        """Return the assay errors of quantities: "5 %", "0.2 mM", both in a list, or a column."""
        found = {}
        for quantity, entry in self.table("errors").items():
            what = f"[errors] {quantity}"
            if quantity not in measured:
                needed = "an error belongs to a measured quantity"
                self.fault(what, f"'{quantity}'", needed, nearest(quantity, measured))
                continue
            if isinstance(entry, Mapping):
                column = self.column(what, entry, LIMITS[limit_of(quantity)].unit or "")
                found[quantity] = ErrorSpec(column=column)
                continue
            relative, absolute = 0.0, None
            for text in entry if isinstance(entry, list) else [entry]:
                try:
                    amount = Amount(*with_unit(text))
                except UnitError:
                    amount = Amount(0.0, "")
                if not amount.number > 0.0:
                    self.wrong(what, text, "an error is a part of the value, or a number with its unit",
                               'write "5 %", "0.2 mM", both in a list, or { column = "SD (mM)" }')  # fmt: skip
                elif amount.unit == "%":
                    relative = amount.number / 100.0
                else:
                    absolute = amount
            found[quantity] = ErrorSpec(relative, absolute)
        return found

    def volume(self) -> ColumnSpec | None:
        """Return the column of the volume of the culture."""
        entry = self.words.get("volume")
        if isinstance(entry, Mapping):
            entry = {word: value for word, value in entry.items() if word != "taken"}
        return None if entry is None else self.column("volume", entry, VOLUME)

    def volume_taken(self) -> str:
        """Return whether the volume was read before or after what was fed and drawn in its row, "" if not said."""
        entry = self.words.get("volume")
        taken = entry.get("taken", "") if isinstance(entry, Mapping) else ""
        if taken in ("", "before", "after"):
            return taken
        needed = "a volume is read before or after what is fed and drawn in its row"
        self.wrong("volume taken", taken, needed, 'write taken = "before" or taken = "after"')
        return ""

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

    def flags(self) -> tuple[str, ...]:
        """Return the marks beside numbers that are read past, the longest first."""
        flags = [words_of(word) for word in self.texts("flags", "a list of marks is needed", 'write flags = ["*"]')]
        for flag in flags:
            if not re.search(r"[^\d.,<>+\-\s]", flag):
                self.wrong("flags", f"'{flag}'", "a mark is no digit, no sign and no decimal mark", "remove it")
        return tuple(sorted(flags, key=len, reverse=True))

    def above_is_empty(self) -> bool:
        """Return whether a value above the range of its assay counts as not measured."""
        if "above" in self.words and self.words["above"] != "empty":
            self.wrong("above", self.words["above"], "values above a limit can be left out", 'write above = "empty"')
        return "above" in self.words

    def round_off(self) -> float:
        """Return how far below 0 is 0."""
        value = self.words.get("round_off", 0.0)
        if isinstance(value, int | float) and is_number(value, 1.0):
            return float(value)
        self.wrong("round_off", value, "a number from 0 to 1 is needed", "write how far below 0 is 0")
        return 0.0
