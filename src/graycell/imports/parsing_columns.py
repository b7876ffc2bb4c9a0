"""ColumnParser: what any part of a mapping may hold -> columns, amounts and lists of text; faults are noted."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from graycell.errors import Faults, nearest, shown
from graycell.imports.amounts import MASS_OF_LIQUID, with_unit
from graycell.imports.spec import Amount, ColumnSpec
from graycell.imports.vocabulary import words_of
from graycell.names import resembling
from graycell.runs.checks import LIMITS, limit_of
from graycell.units import TEMPERATURE, TIME, VOLUME, UnitError

_COLUMN = ("column", "under", "unit", "molar_mass", "density", "written", "clock", "zone", "limit", "optional")
_HEAVIEST = 1e9
"""[g/mol] A virus is lighter."""
_DENSEST = 25.0
"""[kg/L] Every known substance is lighter."""


class ColumnParser:
    """Reads the words of a mapping and notes what is wrong with them."""

    def __init__(self, words: Mapping[str, Any], faults: Faults):
        """Begin.

        Args:
            words: the mapping.
            faults: takes every fault.
        """
        self.words, self.faults, self.fault = words, faults, faults.of_mapping

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
            if str(name).startswith("?"):
                place, needed = f"[{table}] {name}", "the file does not say which quantity it is"
                self.fault(place, "a ? that is left", needed, "write the name of the quantity, or remove the line")
                continue
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
            zone=self.zone(f"{what} zone", entry["zone"]) if "zone" in entry else "",
            optional=entry.get("optional") is True,
            amount=_amount_of(name) if fixed else None,
        )  # fmt: skip

    def molar_mass(self, what: str, value: object) -> float:
        """Return a molar mass [g/mol]."""
        if isinstance(value, int | float) and is_number(value, _HEAVIEST):
            return float(value)
        self.fault(what, f"molar_mass {shown(str(value))}", "a molar mass is a number [g/mol]", "write 180.16")
        return 0.0

    def density(self, what: str, value: object, unit: str) -> float | None:
        """Return a density [kg/L]."""
        if unit not in MASS_OF_LIQUID:
            needed, remedy = "only a volume has one", "remove it"
        elif value and isinstance(value, int | float) and is_number(value, _DENSEST):
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

    def zone(self, what: str, name: object) -> str:
        """Return the name of a time zone."""
        try:
            return ZoneInfo(str(name)).key
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
            close = resembling(str(name), available_timezones(), 0.6) or "Europe/Berlin"
            self.fault(what, f"'{name}'", "the name of a time zone is needed", f'write it like zone = "{close}"')
            return ""

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


def _amount_of(text: str) -> Amount | None:
    """Return a text such as "1.5 L" as an amount, None if it is none."""
    try:
        return Amount(*with_unit(text))
    except UnitError:
        return None


def is_number(value: float, below: float) -> bool:
    """Return whether a value is from 0 on and below a bound, and not true or false."""
    return not isinstance(value, bool) and 0 <= value < below
