"""FeedParser: the feeds of a mapping and their compositions -> specs; faults are noted."""

from collections.abc import Iterable, Mapping
from typing import Any

from graycell.errors import shown
from graycell.imports.amounts import IN_WHICH_FORM, in_form, in_internal_units, with_unit
from graycell.imports.parsing_columns import ColumnParser
from graycell.imports.spec import EVERY, FEED_KINDS, ColumnSpec, FeedSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import doubts_about, quantity_of, substance_in, words_of
from graycell.units import CONCENTRATION, DIMENSIONLESS, VOLUME, VOLUMETRIC_RATE, UnitError

_PARTS_OF = ("start", "culture")


class FeedParser:
    """Reads the feeds of a mapping."""

    def __init__(self, parser: ColumnParser, measured: Mapping[str, ColumnSpec]):
        """Begin.

        Args:
            parser: of the columns of the mapping.
            measured: the measured columns by quantity.
        """
        self.parser, self.measured, self.fault = parser, measured, parser.fault

    def feeds(self) -> Iterable[FeedSpec]:
        """Yield the feeds, named ones first."""
        for name, entry in sorted(self.parser.table("feeds").items(), key=lambda item: item[0] == EVERY):
            what = f"[feeds.{name}]"
            entry = entry if isinstance(entry, Mapping) else {}
            kinds = [word for word in FEED_KINDS if word in entry]
            self.parser.known_words(what, entry, (*FEED_KINDS, "media"))
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
            return self.parser.column(what, entry, unit), of
        entry = entry if isinstance(entry, Mapping) else {}
        return self.parser.column(what, {"under": "", **entry, "column": ""}, unit), of

    def media(self, what: str, words: Any) -> Mapping[str, float] | MediaSheet:
        """Return a composition [mmol/L], such as ``{ GLC = "400 g/L" }``, or the sheet that lists it."""
        if not isinstance(words, Mapping):
            self.parser.wrong(what, words, "a composition is a table", 'write { GLC = "2 mol/L" }')
            return {}
        if "sheet" in words or "file" in words:
            return self.media_sheet(what, words)
        media: dict[str, float] = {}
        for name, given in words.items():
            solute, concentration = self.solute(what, str(name), given)
            if solute in media:
                self.fault(what, f"{solute} twice", "a solute is there once", "add them up, in mmol/L")
            elif concentration is not None:
                media[solute] = concentration
        return media

    def solute(self, what: str, name: str, given: Any) -> tuple[str, float | None]:
        """Return a solute of a composition and its concentration [mmol/L], such as ``"L-Asparagine H2O" = "6 g/L"``."""
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
            return quantity, form[1] * in_internal_units(number, unit, CONCENTRATION, form[0])
        except UnitError as error:
            self.fault(place, str(error), "a concentration is needed", 'write "444 mmol/L"')
            return quantity, None

    def media_sheet(self, what: str, words: Mapping[str, Any]) -> MediaSheet:
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
