"""FeedParser: the feeds of a mapping and their compositions -> specs; faults are noted."""

from collections.abc import Iterable, Mapping
from typing import Any

from graycell.errors import shown
from graycell.imports.amounts import IN_WHICH_FORM, in_form, in_internal_units, with_unit
from graycell.imports.parsing_columns import ColumnParser
from graycell.imports.spec import EVERY, FEED_KINDS, ColumnSpec, FeedSpec, LotSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import doubts_about, quantity_of, substance_in, words_of
from graycell.units import (
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    UnitError,
    convert,
    converts,
)

_PARTS_OF = ("start", "culture")


class FeedParser:
    """Reads the feeds of a mapping."""

    def __init__(
        self, parser: ColumnParser, measured: Mapping[str, ColumnSpec], groups: Mapping[str, tuple[str, ...]]
    ):
        """Begin.

        Args:
            parser: of the columns of the mapping.
            measured: the measured columns by quantity.
            groups: runs of each group.
        """
        self.parser, self.measured, self.groups, self.fault = parser, measured, groups, parser.fault
        self._units: dict[str, str] = {}

    @property
    def masses(self) -> frozenset[str]:
        """The solutes whose concentrations are in g/L, because no molar mass is known."""
        return frozenset(name for name, unit in self._units.items() if unit == MASS_CONCENTRATION)

    def feeds(self) -> Iterable[FeedSpec]:
        """Yield the feeds, named ones first.

        Yields:
            A spec for each feed without a fault in its column.
        """
        for name, entry in sorted(self.parser.table("feeds").items(), key=lambda item: item[0] == EVERY):
            what = f"[feeds.{name}]"
            entry = entry if isinstance(entry, Mapping) else {}
            if "rule" in entry:
                continue  # see `rules`
            kinds = [word for word in FEED_KINDS if word in entry]
            self.parser.known_words(what, entry, (*FEED_KINDS, "media", "total", "lot"))
            if len(kinds) != 1:
                found = f"{len(kinds)} of {', '.join(FEED_KINDS)}"
                needed, remedy = "one of them is needed", "name its column"
                if "cumulative" in kinds and len(kinds) == 2:
                    remedy = 'name its column; what was added so far beside it is written as total = "..."'
                self.fault(what, found, needed, remedy)
                continue
            if "media" not in entry:
                remedy = 'write media = { GLC = "400 g/L" }, or {} for water'
                self.fault(what, "no media", "every feed has a composition", remedy)
            [kind] = kinds
            column, of, holds = self._feed_column(what, name, kind, entry[kind])
            total = self.parser.column(f"{what} total", entry["total"], VOLUME) if "total" in entry else None
            if total is not None and (kind in ("cumulative", "rise") or name == EVERY):
                needed = "a total checks the volumes or rates of one feed"
                self.fault(f"{what} total", f"a total of '{kind}'", needed, "remove it, or name the feed")
            lot = self.parser.heading(f"{what} lot", entry["lot"]) if "lot" in entry else ""
            lots = self._lots(f"{what} media", entry.get("media", {}), lot)
            media = lots[0].media if lots else self._media(f"{what} media", entry.get("media", {}))
            if column is not None:
                yield FeedSpec(str(name), kind, column, media, of, holds, total, lot, lots)

    def _feed_column(self, what: str, name: str, kind: str, entry: Any) -> tuple[ColumnSpec | None, str, str]:
        """Return the column of a feed, what a volume given as a part refers to, and when a rate holds."""
        of, holds, unit = "", "after", VOLUMETRIC_RATE if kind == "rate" else VOLUME
        if isinstance(entry, Mapping) and "of" in entry:
            of, unit = str(entry["of"]), DIMENSIONLESS
            if of not in _PARTS_OF or kind != "volume":
                needed = "a volume may be a part of that at the start, or of the culture before the feed"
                self.fault(what, f"of = {shown(of)}", needed, 'write of = "start" or of = "culture"')
        if isinstance(entry, Mapping) and "holds" in entry:
            holds = str(entry["holds"])
            if holds not in ("before", "after") or kind != "rate":
                needed = "a rate may hold after its row, until the next, or before it, since the last"
                self.fault(what, f"holds = {shown(holds)}", needed, 'write holds = "before" or holds = "after"')
        if isinstance(entry, Mapping):
            entry = {word: value for word, value in entry.items() if word not in ("of", "holds")}
        if name != EVERY:
            return self.parser.column(what, entry, unit), of, holds
        entry = entry if isinstance(entry, Mapping) else {}
        return self.parser.column(what, {"under": "", **entry, "column": ""}, unit), of, holds

    def _lots(self, what: str, words: Any, lot: str) -> tuple[LotSpec, ...]:
        """Return the compositions of a feed that changes: with time, by run, or by its lot; () if it does not."""
        if lot:
            if not isinstance(words, Mapping) or "sheet" in words or "file" in words:
                return (LotSpec(self._media(what, words)),)
            if not words or not all(isinstance(of, Mapping) for of in words.values()):
                self.parser.wrong(what, dict(words), "with lot there is a composition for each",
                                  'write media = { L1 = { GLC = "400 g/L" }, L2 = { GLC = "410 g/L" } }')  # fmt: skip
                return ()
            return tuple(LotSpec(self._media(f"{what} {name}", of), lot=words_of(str(name)))
                         for name, of in words.items())  # fmt: skip
        if not isinstance(words, list) or not words or not all(isinstance(one, Mapping) for one in words):
            return ()
        found = []
        for one in words:
            since, runs = 0.0, one.get("runs", [])
            if "from" in one:
                try:
                    since = float(convert(*with_unit(one["from"]), TIME))
                except UnitError as error:
                    self.fault(f"{what} from", str(error), "a time is needed", 'write from = "5 d"')
            runs = [runs] if isinstance(runs, str) else runs
            if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
                self.parser.wrong(f"{what} runs", runs, "a list of runs is needed", 'write runs = ["R1", "R2"]')
                runs = []
            solutes = {word: value for word, value in one.items() if word not in ("from", "runs")}
            named = tuple(name for run in map(words_of, runs) for name in self.groups.get(run, (run,)))
            found.append(LotSpec(self._media(what, solutes), since, named, group=" and ".join(map(words_of, runs))))
        return tuple(found)

    def composition(self, what: str, words: Any) -> Mapping[str, float] | MediaSheet:
        """Return the composition of a feed.

        Args:
            what: the key of the mapping.
            words: as they are written.

        Returns:
            The composition [mmol/L], of `masses` [g/L], or the sheet that lists it.
        """
        return self._media(what, words)

    def concentration(self, what: str, solute: str, given: Any) -> float | None:
        """Return a concentration in the unit that the solute has in compositions.

        Args:
            what: the key of the mapping.
            solute: its name.
            given: a number with its unit.

        Returns:
            [mmol/L], or [g/L] of one in `masses`; None, and a fault, if it is none.
        """
        return self._solute(what, solute, given)[1]

    def _media(self, what: str, words: Any) -> Mapping[str, float] | MediaSheet:
        """Return a composition [mmol/L], of `masses` [g/L], as ``{ GLC = "400 g/L" }``, or the sheet that lists it."""
        if not isinstance(words, Mapping):
            self.parser.wrong(what, words, "a composition is a table", 'write { GLC = "2 mol/L" }')
            return {}
        if "sheet" in words or "file" in words:
            return self._media_sheet(what, words)
        media: dict[str, float] = {}
        for name, given in words.items():
            solute, concentration = self._solute(what, str(name), given)
            if solute in media:
                self.fault(what, f"{solute} twice", "a solute is there once", "add them up, in mmol/L")
            elif concentration is not None:
                media[solute] = concentration
        return media

    def _solute(self, what: str, name: str, given: Any) -> tuple[str, float | None]:
        """Return a solute of a composition and its concentration, such as ``"L-Asparagine H2O" = "6 g/L"``."""
        place, mass = f"{what} {name}", 0.0
        if isinstance(given, Mapping):  # { value = "6 g/L", molar_mass = 150.13 }
            self.parser.known_words(place, given, ("value", "molar_mass"))
            mass = self.parser.molar_mass(place, given["molar_mass"]) if "molar_mass" in given else 0.0
            given = given.get("value")
        substance, known = substance_in(name), quantity_of(name)
        quantity = known if substance is not None and not substance.is_pure else name
        if known and known != quantity and name not in self.parser.table("measured"):
            remedy = doubts_about(name, "", self.measured) or f"write {known}"
            self.fault(what, f"the solute '{name}'", f"it is called {known}", remedy)
            return name, None
        try:
            number, unit = with_unit(given)
            form = (mass, 1.0) if mass else in_form(
                substance if quantity != name else None, quantity, unit, molar_mass_of(quantity, self.measured)
            )  # fmt: skip
            if form is None:
                remedy = f'write {known} = {{ value = "{number:g} {unit}", molar_mass = the g that hold one mol }}'
                self.fault(place, f"'{name}'", IN_WHICH_FORM, remedy)
                return quantity, None
            kept = MASS_CONCENTRATION if not form[0] and converts(unit, MASS_CONCENTRATION) else CONCENTRATION
            concentration = form[1] * in_internal_units(number, unit, kept, form[0])
            if self._units.setdefault(quantity, kept) != kept:
                remedy = f"give {quantity} a molar_mass in [measured], or write all as masses or all as amounts"
                self.fault(place, f"'{given}'", f"another feed has it in a unit of {self._units[quantity]}", remedy)
            return quantity, concentration
        except UnitError as error:
            is_open = "?" in str(given)
            self.fault(place, "a ? that is left" if is_open else str(error),
                       "a composition is never guessed" if is_open else "a concentration is needed",
                       'write the concentration, such as "400 g/L" or "20 mmol/L"')  # fmt: skip
            return quantity, None

    def _media_sheet(self, what: str, words: Mapping[str, Any]) -> MediaSheet:
        """Return where a sheet lists compositions."""
        self.parser.known_words(what, words, ("sheet", "file", "names", "medium", "molar_mass", "replicates"))
        masses = words.get("molar_mass", {})
        if not isinstance(masses, Mapping):
            self.parser.wrong(f"{what} molar_mass", masses, "a table by the names of solutes is needed",
                       'write molar_mass = { "L-Asparagine H2O" = 150.13 }')  # fmt: skip
            masses = {}
        if "replicates" in words and words["replicates"] != "mean":
            self.parser.wrong(f"{what} replicates", words["replicates"], "the mean of assays counts",
                              'write replicates = "mean"')  # fmt: skip
        texts = ("sheet", "names", "medium", "file")
        sheet, names, medium, file = (words_of(str(words.get(word, ""))) for word in texts)
        masses = {words_of(str(name)): self.parser.molar_mass(f"{what} {name}", mass) for name, mass in masses.items()}
        return MediaSheet(sheet, names, masses, medium, file, "replicates" in words)
