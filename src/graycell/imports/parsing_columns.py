"""ColumnParser: what any part of a mapping may hold -> columns, amounts and lists of text; faults are noted."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from graycell.errors import Faults, nearest, shown
from graycell.formulas.functions import FUNCTIONS
from graycell.formulas.parsing import FormulaError, parse
from graycell.formulas.tree import names_in
from graycell.imports.amounts import MASS_OF_LIQUID, with_unit
from graycell.imports.spec import Amount, ColumnSpec
from graycell.imports.vocabulary import words_of
from graycell.names import resembling
from graycell.runs.checks import LIMITS, limit_of
from graycell.units import DIMENSIONLESS, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError

_COLUMN = ("column", "under", "unit", "molar_mass", "density", "written", "clock", "zone", "limit", "optional")
_COMPUTED = (VOLUME, VOLUMETRIC_RATE, TEMPERATURE, DIMENSIONLESS)
"""Internal units of columns that a formula may compute beside measured quantities."""
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
        """Note a value of another type or range than what is needed.

        Args:
            what: the key of the mapping, such as "[measured] GLC".
            value: what is there.
            needed: see `Finding`.
            remedy: see `Finding`.
        """
        self.fault(what, shown(str(value)), needed, remedy)

    def required(self, word: str) -> None:
        """Note a word that is missing.

        Args:
            word: a key of the mapping.
        """
        if word not in self.words:
            self.fault(word, "nothing", "it is required", f"add {word}")

    def known_words(self, where: str, given: Iterable[object], known: Collection[str]) -> None:
        """Note unknown words.

        Args:
            where: the key of the table, "" for the mapping itself.
            given: the words that are there.
            known: those that are read.
        """
        for word in given:
            if word not in known:
                found = f"the word '{word}'"
                self.fault(where or str(word), found, "only known words are read", nearest(str(word), known))

    def table(self, name: str) -> Mapping[str, Any]:
        """Return a table of the mapping.

        Args:
            name: of the table.

        Returns:
            The table; empty, and a fault, if it is none.
        """
        table = self.words.get(name, {})
        if isinstance(table, Mapping):
            return table
        self.wrong(name, table, f"[{name}] is a table", f"write [{name}] and lines below it")
        return {}

    def texts(self, word: str, needed: str, remedy: str) -> list[str]:
        """Return a word that holds one text or a list of them.

        Args:
            word: a key of the mapping.
            needed: see `Finding`.
            remedy: see `Finding`.

        Returns:
            The texts; empty, and a fault, if it is none.
        """
        value = self.words.get(word, [])
        texts = [value] if isinstance(value, str) else value
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
            return texts
        self.wrong(word, value, needed, remedy)
        return []

    def heading(self, what: str, entry: object) -> str:
        """Return the heading that an entry names, "" and a fault if it names none.

        Args:
            what: the key of the mapping, such as "[measured] GLC".
            entry: what the mapping has there.

        Returns:
            The heading.
        """
        name = entry.get("column") if isinstance(entry, Mapping) else entry
        if isinstance(name, str):
            return words_of(name)
        self.wrong(what, entry, "the name of a column is needed", "write it in quotes")
        return ""

    def columns(self, table: str) -> dict[str, ColumnSpec]:
        """Return the columns of a table of the mapping by name.

        Args:
            table: its name.

        Returns:
            The columns that have no fault.
        """
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
        """Return a column that need not be named.

        Args:
            word: a key of the mapping.
            unit: the internal unit of the numbers.

        Returns:
            The column; None if it is not there or faulty.
        """
        return self.column(word, self.words[word], unit) if word in self.words else None

    def column(self, what: str, entry: Any, unit: str, fixed: bool = False) -> ColumnSpec | None:
        """Return a column, None and a fault if none is named; if `fixed`, "1.5 L" may be one value for all rows.

        Args:
            what: the key of the mapping, such as "[measured] GLC".
            entry: what the mapping has there.
            unit: the internal unit of the numbers.
            fixed: whether "1.5 L" may be one value for all rows.

        Returns:
            The column.
        """
        quantities = set(self.table("measured"))
        may_compute = unit in _COMPUTED or what.startswith(("[measured]", "[start]"))
        if isinstance(entry, Mapping) and "formula" in entry and may_compute and not what.startswith("[log]"):
            return self._computed(what, entry, quantities, unit)
        if isinstance(entry, str) and what.startswith("[measured]") and _is_formula(entry, quantities):
            column = self._computed(what, {"formula": entry}, quantities, unit)
            return None if column is None else replace(column, heading=words_of(entry))
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
            density=self._density(what, entry["density"], unit) if "density" in entry else None,
            limit=self._limit(what, entry["limit"], stated or unit) if "limit" in entry else None,
            written=self._written(what, entry["written"]) if "written" in entry and unit == TIME else "",
            clock="" if clock is None else self.heading(f"{what} clock", clock),
            zone=self._zone(f"{what} zone", entry["zone"]) if "zone" in entry else "",
            optional=entry.get("optional") is True,
            amount=_amount_of(name) if fixed else None,
        )  # fmt: skip

    def _computed(
        self, what: str, entry: Mapping[str, Any], quantities: Collection[str], unit: str
    ) -> ColumnSpec | None:
        """Return a column that is computed; its names are quantities, or words of the entry: columns and amounts."""
        text, parts = str(entry["formula"]), dict[str, ColumnSpec]()
        for name, given in entry.items():
            if name in ("formula", "unit", "molar_mass", "density"):
                continue
            amount = _amount_of(given) if isinstance(given, str) else None
            if isinstance(given, int | float) and not isinstance(given, bool):
                amount = Amount(float(given), DIMENSIONLESS)
            column = ColumnSpec(f"{what} {name}", str(given), amount=amount) if amount else self.column(
                f"{what} {name}", given, "")  # fmt: skip
            if column is not None:
                parts[str(name)] = column
        try:
            names = names_in(parse(text))
        except FormulaError as error:
            self.fault(f"{what} formula, character {error.column}", error.found, error.needed, error.remedy)
            return None
        for name in names:
            if name not in parts and name not in quantities:
                remedy = f'{nearest(name, [*quantities, *parts])}; or say what it is, {name} = "a column"'
                self.fault(f"{what} formula", f"'{name}'", "a name is a quantity, or a word beside formula", remedy)
                return None
        mass = self.molar_mass(what, entry["molar_mass"]) if "molar_mass" in entry else None
        density = self._density(what, entry["density"], unit) if "density" in entry else None
        return ColumnSpec(
            what, "", str(entry.get("unit") or ""), molar_mass=mass, density=density, formula=text, parts=parts
        )

    def molar_mass(self, what: str, value: object) -> float:
        """Return a molar mass [g/mol].

        Args:
            what: the key of the mapping, such as "[measured] GLC".
            value: what is there.

        Returns:
            The molar mass; 0, and a fault, if it is none.
        """
        if isinstance(value, int | float) and is_number(value, _HEAVIEST):
            return float(value)
        self.fault(what, f"molar_mass {shown(str(value))}", "a molar mass is a number [g/mol]", "write 180.16")
        return 0.0

    def _density(self, what: str, value: object, unit: str) -> float | None:
        """Return a density [kg/L]."""
        if unit not in MASS_OF_LIQUID:
            needed, remedy = "only a volume has one", "remove it"
        elif value and isinstance(value, int | float) and is_number(value, _DENSEST):
            return float(value)
        else:
            needed, remedy = f"a density is above 0 and below {_DENSEST:g} kg/L", "write 1.05, without quotes"
        self.fault(what, f"density {shown(str(value))}", needed, remedy)
        return None

    def _limit(self, what: str, value: object, unit: str) -> Amount | None:
        """Return a detection limit."""
        try:
            limit = Amount(*with_unit(value))
            if limit.number < 0.0:
                raise UnitError(f"'{value}' is below 0")
        except UnitError as error:
            self.fault(f"{what} limit", str(error), "a detection limit is needed", f'write "0.1 {unit}"')
            return None
        return limit

    def _zone(self, what: str, name: object) -> str:
        """Return the name of a time zone."""
        try:
            return ZoneInfo(str(name)).key
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
            close = resembling(str(name), available_timezones(), 0.6) or "Europe/Berlin"
            self.fault(what, f"'{name}'", "the name of a time zone is needed", f'write it like zone = "{close}"')
            return ""

    def _written(self, what: str, form: object) -> str:
        """Return how dates are written; a form that cannot be read back is a fault."""
        try:
            day = datetime(2026, 3, 31, 14, 5)
            if form and datetime.strptime(day.strftime(str(form)), str(form)).date() != day.date():
                raise ValueError
        except (ValueError, re.error):  # re.error: a letter that is there twice
            needed = "the letters of a date, each once, are those of strftime"
            self.fault(f"{what} written", f"'{form}'", needed, 'write "%d.%m.%Y %H:%M"')
        return str(form)


def _is_formula(text: str, quantities: Collection[str]) -> bool:
    """Return whether a text computes something from quantities; headings such as Glc (g/L) hold other words.

    pH (-) and DO (%) are headings too: nothing stands on both sides of an operator.
    """
    names = re.findall(r"[A-Za-z_]\w*", text)
    known = {*quantities, *FUNCTIONS}
    called = any(name in FUNCTIONS for name in re.findall(r"([A-Za-z_]\w*) ?\(", text))
    computes = called or re.search(r"[\w)]\s*[*/+^-]\s*[\w(.]", text) is not None
    return computes and any(name in quantities for name in names) and known >= set(names)


def _amount_of(text: str) -> Amount | None:
    """Return a text such as "1.5 L" as an amount, None if it is none."""
    try:
        return Amount(*with_unit(text))
    except UnitError:
        return None


def is_number(value: float, below: float) -> bool:
    """Return whether a value is from 0 on and below a bound, and not true or false.

    Args:
        value: of a mapping.
        below: the bound.

    Returns:
        Whether it is.
    """
    return not isinstance(value, bool) and 0 <= value < below
