"""read_model_file: a TOML file -> ModelFile, with every fault at once, each with its line and column."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from graycell.errors import Finding, InputError, nearest, shown
from graycell.modelfiles import content
from graycell.modelfiles.checks import check
from graycell.modelfiles.positions import Positions
from graycell.parameters import Parameter
from graycell.runs.format.files import LARGEST_WORDS

FORMAT = 1
"""Number of the file format."""
_LEARNED = ("kind", "inputs", "form", "hidden", "bound", "consumes", "scale")
_TABLES = {
    "species": content.SpeciesEntry, "reactions": content.ReactionEntry, "network": content.ReactionEntry,
    "definitions": content.FormulaEntry, "variables": content.VariableEntry, "inputs": content.InputEntry,
    "observables": content.FormulaEntry, "parameters": Parameter, "triggers": content.TriggerEntry,
}  # fmt: skip
"""Tables by name, and what each of their entries is."""
_SHORT = {"species": "unit", "network": "equation", "definitions": "formula", "inputs": "default",
          "observables": "formula", "parameters": "value"}  # fmt: skip
"""The key that a plain value stands for, in place of a table: GLC = "mmol/L"."""
_REQUIRED = {"reactions": ("equation",), "network": ("equation",), "definitions": ("formula",),
             "observables": ("formula",), "parameters": ("value",), "triggers": ("when", "set")}  # fmt: skip
_WORDS = {
    "species": ("unit", "initial", "role", "formula", "charge", "retained", "molar_mass", "meaning"),
    "reactions": ("equation", "rate", "volumetric", "law", "meaning"),
    "network": ("equation", "rate", "law", "shifted", "lower", "upper", "meaning"),
    "definitions": ("formula", "unit", "law", "meaning"),
    "observables": ("formula", "unit", "meaning"),
    "variables": tuple(one.name for one in fields(content.VariableEntry)),
    "inputs": ("unit", "default", "meaning"),
    "parameters": tuple(one.name for one in fields(Parameter) if one.name != "name"),
    "triggers": tuple(one.name for one in fields(content.TriggerEntry)),
}
_NUMBERS = ("initial", "charge", "molar_mass", "default", "value", "lower", "upper", "prior_sd", "between_runs_sd")
_TRUTHS = ("retained", "volumetric", "log_scale", "estimated", "persistent", "initially", "at_trigger")
_TOP = ("format", "name", "about", "source", "doubts", "check_units", "cells", *_TABLES, "sets", "projection")


def read_model_file(path: str | Path) -> content.ModelFile:
    """Return the contents of a model file, checked like data: nothing in it is executed.

    Args:
        path: a TOML file.

    Returns:
        Its contents, with remarks.

    Raises:
        InputError: with every fault, each with its line and column.
    """
    path = Path(path)
    fault = Finding(str(path), "no file", "a model file in TOML is needed",
                    "name one, or a model of the library, see graycell models")  # fmt: skip
    try:
        size = path.stat().st_size
        if size > LARGEST_WORDS:
            raise InputError([replace(fault, found=f"{size} bytes", needed=f"at most {LARGEST_WORDS} are read",
                                      remedy="give a smaller file")])  # fmt: skip
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError([fault]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([replace(fault, found=shown(str(error)), remedy="save it as a text file in UTF-8")]) from None
    return parse_model_file(text, str(path))


def parse_model_file(text: str, path: str = "model.toml") -> content.ModelFile:
    """Return the contents of the text of a model file; see `read_model_file`.

    Args:
        text: in TOML.
        path: of the file, for messages.

    Returns:
        Its contents.

    Raises:
        InputError: with every fault.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError([Finding(path, shown(str(error)), "a model file in TOML is needed",
                                  "correct the line that is named")]) from None  # fmt: skip
    reader = _Reader(path, Positions(text))
    file = reader.file(data)
    reader.findings += check(file, reader.place, reader.unread)
    if any(finding.severity == "error" for finding in reader.findings):
        raise InputError(sorted(reader.findings, key=reader.order))
    return replace(file, remarks=tuple(sorted(reader.findings, key=reader.order)))


class _Reader:
    """Reads the tables of one file and collects its findings.

    Attributes:
        unread: names of entries that cannot be read; formulas that use them are no faults.
    """

    def __init__(self, path: str, positions: Positions):
        self.path, self.positions = path, positions
        self.findings: list[Finding] = []
        self.unread: set[str] = set()
        self._places: dict[str, tuple[int, int]] = {}

    def place(self, keys: Sequence[str], offset: int | None = None, key: bool = False) -> str:
        """Return where a value is: the file, the line and the column, and the keys to it.

        Args:
            keys: to the value.
            offset: of a character in the text of the value, from 0; None for the value.
            key: whether its key is meant.
        """
        line, column = self.positions.of(tuple(keys), key)
        column += 0 if offset is None else 1 + offset
        where = f"{self.path}, line {line}, column {column}, {'.'.join(keys)}" if keys else self.path
        self._places[where] = line, column
        return where

    def order(self, finding: Finding) -> tuple[int, int]:
        return self._places.get(finding.place, (0, 0))

    def fault(self, keys: Sequence[str], found: str, needed: str, remedy: str, key: bool = False) -> None:
        self.findings.append(Finding(self.place(keys, key=key), found, needed, remedy))

    # ------------------------------------------------------------------------------------------------ the whole file

    def file(self, data: Mapping[str, Any]) -> content.ModelFile:
        self.known((), data, _TOP)
        if data.get("format") != FORMAT:
            self.fault(("format",) if "format" in data else (), f"format {shown(repr(data.get('format')))}"
                       if "format" in data else "no format", f"this version reads format {FORMAT}",
                       f"write format = {FORMAT} at the top")  # fmt: skip
        tables = {name: self.table(name, data.get(name, {})) for name in _TABLES}
        name = self.text(("name",), data.get("name", Path(self.path).stem))
        cells = data.get("cells")
        if isinstance(cells, Mapping):
            self.known(("cells",), cells, ("species", "biomass_per_cell", "viability"))
            cells = {word: self.text(("cells", word), value) for word, value in cells.items()}
            if "species" not in cells:
                self.fault(("cells",), "no species", "the species that counts the cells is needed", "write species = 'VCD'")
                cells = None
        elif cells is not None:
            cells = self.text(("cells",), cells)
        return content.ModelFile(
            name, self.path, self.text(("about",), data.get("about", "")), self.text(("source",), data.get("source", "")),
            tuple(self.texts(("doubts",), data.get("doubts", []))),
            self.truth(("check_units",), data.get("check_units", True)),
            **tables, sets=self.sets(data.get("sets", {}), tables["parameters"]),
            projection=self.projection(data.get("projection", {})), cells=cells,
        )  # fmt: skip

    def table(self, table: str, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self.fault((table,), f"{shown(repr(data))}", "a table is needed", f"write [{table}] above its entries")
            return {}
        entries = {}
        for name, value in data.items():
            entry = self.entry(table, name, value)
            if entry is not None:
                entries[name] = entry
        return entries

    def entry(self, table: str, name: str, value: Any) -> Any:
        keys = (table, name)
        if not _is_name(name):
            self.fault(keys, f"the name '{name}'", "a name has letters, digits and _, and begins with no digit",
                       "rename it", key=True)  # fmt: skip
        if not isinstance(value, Mapping):
            if table not in _SHORT:
                self.fault(keys, shown(repr(value)), "a table is needed", f"write {name} = {{ ... }}")
                self.unread.add(name)
                return None
            short = {_SHORT[table]: value}
            if table == "parameters":
                short["estimated"] = False
            return self.made(table, name, short, plain=True)
        self.known(keys, value, _WORDS[table])
        return self.made(table, name, value, plain=False)

    def made(self, table: str, name: str, value: Mapping[str, Any], plain: bool) -> Any:
        """Return the entry of a table from its words, which are checked for their types."""
        keys, given = (table, name), {}
        for word, item in value.items():
            if word not in _WORDS[table]:
                continue
            where = keys if plain and word == _SHORT.get(table) else (*keys, word)
            if word in _NUMBERS:
                given[word] = self.number(where, item)
            elif word in _TRUTHS:
                given[word] = self.truth(where, item)
            elif word == "law":
                given[word] = self.law(where, item)
            elif word == "set":
                given[word] = self.formulas(where, item)
            else:
                given[word] = self.formula(where, item) if _is_formula(table, word) else self.text(where, item)
        missing = [word for word in _REQUIRED.get(table, ()) if word not in value]
        if table == "definitions" and "law" in given and missing == ["formula"]:
            missing, given["formula"] = [], ""
        for word in missing:
            self.fault(keys, f"no {word}", f"an entry of [{table}] needs it", f"write {word} = ...")
        wrong = [word for word in _NUMBERS if word in given and given[word] is None]
        if missing or (wrong and table == "parameters"):
            self.unread.add(name)
            return None
        if table == "parameters":
            return Parameter(**given, name=name)
        return _TABLES[table](**given)

    def law(self, keys: Sequence[str], value: Any) -> Mapping[str, Any] | None:
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            self.fault(keys, shown(repr(value)), "'white', 'gray', 'black' or a table is needed", "write law = 'gray'")
            return None
        self.known(keys, value, _LEARNED)
        if value.get("kind", "black") not in ("white", "gray", "black"):
            self.fault(keys, f"'{value['kind']}'", "a learned law is white, gray or black",
                       nearest(str(value["kind"]), ("white", "gray", "black")))  # fmt: skip
            return None
        return {word: item for word, item in value.items() if word in _LEARNED}

    def sets(self, data: Any, parameters: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        if not isinstance(data, Mapping) or not all(isinstance(value, Mapping) for value in data.values()):
            self.fault(("sets",), "something else than tables", "a table of values for each set is needed",
                       "write [sets.NAME]")  # fmt: skip
            return {}
        found: dict[str, dict[str, float]] = {}
        for name, values in data.items():
            for parameter in values:
                if parameter not in parameters:
                    self.fault(("sets", name, parameter), f"'{parameter}'", "a set has values of parameters of the model",
                               nearest(parameter, parameters), key=True)  # fmt: skip
            found[name] = {key: self.number(("sets", name, key), value) or 0.0 for key, value in values.items()}
        return found

    def projection(self, data: Any) -> content.ProjectionEntry:
        if not isinstance(data, Mapping):
            self.fault(("projection",), shown(repr(data)), "a table is needed", "write [projection]")
            return content.ProjectionEntry()
        words = tuple(one.name for one in fields(content.ProjectionEntry))
        self.known(("projection",), data, words)
        given: dict[str, Any] = {}
        for word, value in data.items():
            keys = ("projection", word)
            if word == "softening":
                given[word] = self.number(keys, value)
            elif word == "gases":
                given[word] = tuple(self.texts(keys, value))
            elif word == "reference":
                table = value if isinstance(value, Mapping) else {}
                given[word] = {name: self.number((*keys, name), item) or 0.0 for name, item in table.items()}
            elif word in words:
                given[word] = self.text(keys, value)
        if given.get("weights", "soft") not in ("soft", "published"):
            self.fault(("projection", "weights"), f"'{given['weights']}'", "weights are soft or published",
                       nearest(given["weights"], ("soft", "published")))  # fmt: skip
        return content.ProjectionEntry(**given)

    # ---------------------------------------------------------------------------------------------------- the values

    def known(self, keys: Sequence[str], data: Mapping[str, Any], words: Sequence[str]) -> None:
        for word in data:
            if word not in words:
                self.fault((*keys, word), f"'{word}'", "this word is not known here", nearest(word, words), key=True)

    def number(self, keys: Sequence[str], value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            self.fault(keys, shown(repr(value)), "a number is needed", "write it without quotes")
            return None
        return float(value)

    def truth(self, keys: Sequence[str], value: Any) -> bool:
        if not isinstance(value, bool):
            self.fault(keys, shown(repr(value)), "true or false is needed", "write it without quotes")
            return False
        return value

    def text(self, keys: Sequence[str], value: Any) -> str:
        if not isinstance(value, str):
            self.fault(keys, shown(repr(value)), "text is needed", "write it in quotes")
            return ""
        return value

    def texts(self, keys: Sequence[str], value: Any) -> list[str]:
        if not isinstance(value, list):
            self.fault(keys, shown(repr(value)), "a list of texts is needed", 'write ["..."]')
            return []
        return [self.text((*keys, str(i)), item) for i, item in enumerate(value)]

    def formula(self, keys: Sequence[str], value: Any) -> str:
        """Return a formula, which may be written as a number."""
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return repr(value)
        return self.text(keys, value)

    def formulas(self, keys: Sequence[str], value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            self.fault(keys, shown(repr(value)), "a table is needed", "write { GLC = 'GLC + 5' }")
            return {}
        return {name: self.formula((*keys, name), item) for name, item in value.items()}


def _is_formula(table: str, word: str) -> bool:
    return word in ("rate", "derivative", "target", "loop", "when", "priority") or (
        word == "formula" and table in ("definitions", "observables")
    )


def _is_name(name: str) -> bool:
    return name.isascii() and name.isidentifier()
