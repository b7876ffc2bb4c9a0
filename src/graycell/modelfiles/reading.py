"""read_model_file: a TOML file -> ModelFile, with every fault at once, each with its line and column."""

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from graycell.errors import Faults, Finding, InputError, nearest, shown
from graycell.modelfiles import content
from graycell.modelfiles.checked import MOST_FAULTS, TooManyFaultsError
from graycell.modelfiles.checks import check_into
from graycell.modelfiles.positions import Positions
from graycell.parameters import Parameter
from graycell.runs.format.files import LARGEST_WORDS

_TOML_HELP = "correct it; text is in quotes, a list in [ ], 0.5 has a point, and yes is true"
FORMAT = 1
"""Number of the file format."""
MOST_ENTRIES = 5000
"""Entries of all tables: reactions of the largest metabolic networks, whose flux projection takes long already."""
MOST_VALUES = 50_000
"""Values of a file: ten words for each entry."""
DEEPEST_KEY = 256
"""Parts of a dotted key, of which two or three make sense: tomllib reads a key in a time that grows as its square."""
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
_NUMBERS = ("initial", "charge", "molar_mass", "default", "value", "lower", "upper", "prior_sd", "between_runs_sd",
            "between_groups_sd")  # fmt: skip
_UNBOUNDED = ("lower", "upper", "prior_sd")
"""Numbers that may be infinite."""
_CHOICES = {"kind": ("white", "gray", "black"), "form": ("positive", "any", "fraction")}
"""Words of a learned law that have one of a few values."""
_LEAST = {"bound": 1.0, "scale": 0.0}
"""Numbers of a learned law, and above what they must be."""
_LARGEST_LAYER = 64
"""Nodes of the hidden layer of a learned law."""
_TRUTHS = ("retained", "volumetric", "log_scale", "estimated", "persistent", "initially", "at_trigger",
           "between_runs_estimated", "between_groups_estimated")  # fmt: skip
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
    text = text.removeprefix("\ufeff")  # which editors of Windows write first
    fault = Finding(path, f"{len(text)} characters", f"at most {LARGEST_WORDS} are read", "give a smaller file")
    if len(text) > LARGEST_WORDS:
        raise InputError([fault])
    if _deepest_key(text) > DEEPEST_KEY:
        raise InputError([replace(fault, found=f"a key of more than {DEEPEST_KEY} parts", needed="no word is that deep",
                                  remedy="write the tables of the documentation")])  # fmt: skip
    try:
        data = tomllib.loads(text)
        positions = Positions(text)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        said, line, column = _toml_fault(str(error), text)
        place = f"{path}, line {line}, column {column}" if line else path
        raise InputError([replace(fault, place=place, found=said, needed="a model file in TOML is needed",
                                  remedy=_TOML_HELP)]) from None
    except RecursionError:
        raise InputError([_too_deep(fault)]) from None
    if "models" in data and "runs" in data:
        raise InputError([replace(fault, found="a study", needed="a model file describes one model",
                                  remedy=f"give it to the command of studies: graycell fit {path}")])  # fmt: skip
    reader, file = _Reader(path, positions), None
    try:
        reader.require_bounded(data)
        file = reader.file(data)
        check_into(reader.faults, file, reader.place, reader.unread, reader.wrong)
    except TooManyFaultsError:
        pass  # they are listed below
    except RecursionError:
        raise InputError([_too_deep(fault)]) from None
    findings = sorted(reader.faults.findings, key=reader.order)
    if reader.faults.errors or file is None:
        raise InputError(findings)
    return replace(file, remarks=tuple(findings))


def _too_deep(fault: Finding) -> Finding:
    return replace(fault, found="tables or lists in many levels", needed="a model file has three", remedy="correct it")


def _deepest_key(text: str) -> int:
    """Return about how many parts the longest dotted key has; text counts too, from a comma or newline to the next."""
    deepest, parts, last = 0, 0, 0
    for match in re.finditer(r"\.", text):
        parts = parts + 1 if re.fullmatch(r"[\w \t\"'-]*", text[last : match.start()]) else 1
        deepest, last = max(deepest, parts), match.end()
    return deepest


def _toml_fault(message: str, text: str) -> tuple[str, int, int]:
    """Return what tomllib says, and the line and column that it names, 0 for none."""
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
    if match is None:
        return shown(message, 200), 0, 0
    lines = text.split("\n")
    line, column = (int(match[1]), int(match[2])) if match[1] else (len(lines), len(lines[-1]) + 1)
    return f"{shown(message[: match.start()], 200)[:1].lower()}{shown(message[1 : match.start()], 200)}", line, column


class _Reader:
    """Reads the tables of one file and collects its findings.

    Attributes:
        faults: what was found so far.
        unread: names of entries that cannot be read; formulas that use them are no faults.
        wrong: keys of values that were reported.
    """

    def __init__(self, path: str, positions: Positions):
        self.path, self.positions = path, positions
        self.faults = Faults(path, MOST_FAULTS)
        self.unread: set[str] = set()
        self.wrong: set[tuple[str, ...]] = set()
        self._places: dict[str, tuple[int, int]] = {}

    def place(self, keys: Sequence[str], offset: int | None = None, key: bool = False) -> str:
        """Return where a value is: the file, the line and the column, and the keys to it.

        Args:
            keys: to the value.
            offset: of a character in the text of the value, from 0; None for the value.
            key: whether its key is meant.
        """
        line, column = self.positions.of(tuple(keys), key, offset)
        where = f"{self.path}, line {line}, column {column}, {'.'.join(keys)}" if keys else self.path
        self._places[where] = line, column
        return where

    def order(self, finding: Finding) -> tuple[int, int]:
        return self._places.get(finding.place, (0, 0))

    def fault(self, keys: Sequence[str], found: str, needed: str, remedy: str, key: bool = False) -> None:
        self.wrong.add(tuple(keys))
        self.faults.of_file(self.place(keys, key=key), found, needed, remedy)
        if self.faults.is_full:
            raise TooManyFaultsError

    def require_bounded(self, data: Mapping[str, Any]) -> None:
        """Raise for more entries or values than are read."""
        tables = [data.get(name) for name in (*_TABLES, "sets")]
        entries = sum(len(table) for table in tables if isinstance(table, Mapping))
        values, waiting = 0, [data]
        while waiting and values <= MOST_VALUES:
            inside = waiting.pop()
            values += len(inside)
            members: Iterable[Any] = inside.values() if isinstance(inside, Mapping) else inside
            waiting += [one for one in members if isinstance(one, Mapping | list)]
        for count, most, what in ((entries, MOST_ENTRIES, "entries"), (values, MOST_VALUES, "values")):
            if count > most:
                self.fault((), f"more than {most} {what}", "a model is smaller", "leave out what it does not need")
                raise TooManyFaultsError

    # ------------------------------------------------------------------------------------------------ the whole file

    def file(self, data: Mapping[str, Any]) -> content.ModelFile:
        self.known((), data, _TOP)
        number = data.get("format")
        if number != FORMAT or not isinstance(number, int) or isinstance(number, bool):
            later = isinstance(number, int) and number > FORMAT
            self.fault(("format",) if "format" in data else (), f"format {shown(repr(number))}"
                       if "format" in data else "no format", f"this version reads format {FORMAT}",
                       "update graycell, which a later version wrote it for" if later else
                       f"write format = {FORMAT} at the top")  # fmt: skip
        tables: dict[str, Any] = {name: self.table(name, data.get(name, {})) for name in _TABLES}
        name = self.text(("name",), data.get("name", Path(self.path).stem))
        cells = data.get("cells")
        if isinstance(cells, Mapping):
            self.known(("cells",), cells, ("species", "biomass_per_cell", "viability"))
            cells = {word: self.text(("cells", word), value) for word, value in cells.items()}
            if "species" not in cells:
                self.fault(("cells",), "no species", "the species that counts the cells is needed",
                           "write species = 'VCD'")  # fmt: skip
                cells = None
        elif cells is not None:
            cells = self.text(("cells",), cells)
        return content.ModelFile(
            name, self.path, self.text(("about",), data.get("about", "")),
            self.text(("source",), data.get("source", "")), tuple(self.texts(("doubts",), data.get("doubts", []))),
            self.truth(("check_units",), data.get("check_units", True), otherwise=True),
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
            self.unread.add(name)
            return None
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
                given[word] = self.quantity(table, word, where, item)
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
        if missing or (table == "parameters" and given["value"] is None):
            self.unread.add(name)
            return None
        unknown = [word for word, item in given.items() if item is None]  # what was reported is as if it were not there
        given = {word: item for word, item in given.items() if word not in unknown}
        return Parameter(**given, name=name) if table == "parameters" else _TABLES[table](**given)

    def law(self, keys: Sequence[str], value: Any) -> Mapping[str, Any] | None:
        """Return the words of a learned law, without those that are at fault; None where nothing is left."""
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, Mapping):
            self.fault(keys, shown(repr(value)), "'white', 'gray', 'black' or a table is needed", "write law = 'gray'")
            return None
        self.known(keys, value, _LEARNED)
        found: dict[str, Any] = {}
        for word, item in value.items():
            where = (*keys, word)
            if word in ("kind", "form", "consumes"):
                found[word] = self.text(where, item)
                if word in _CHOICES and where not in self.wrong and item not in _CHOICES[word]:
                    self.fault(where, f"'{item}'", "a learned law has one of a few", nearest(item, _CHOICES[word]))
            elif word == "inputs":
                found[word] = self.texts(where, item)
            elif word == "hidden":
                found[word] = item
                if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= _LARGEST_LAYER:
                    self.fault(where, shown(repr(item)), f"1 to {_LARGEST_LAYER} nodes are possible",
                               "4 serve most laws")  # fmt: skip
            elif word in _LEAST:
                found[word] = self.number(where, item)
                if found[word] is not None and found[word] <= _LEAST[word]:
                    self.fault(where, f"{item:g}", f"it must be above {_LEAST[word]:g}", "leave it out for ours")
        return {word: item for word, item in found.items() if (*keys, word) not in self.wrong}

    def sets(self, data: Any, parameters: Mapping[str, Any]) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        if not isinstance(data, Mapping):
            self.fault(("sets",), shown(repr(data)), "a table for each set is needed", "write [sets.NAME]")
            return found
        for name, values in data.items():
            if not isinstance(values, Mapping):
                self.fault(("sets", name), shown(repr(values)), "a table of values is needed", f"write [sets.{name}]")
                continue
            for parameter in values:
                if parameter not in parameters and parameter not in self.unread:
                    self.fault(("sets", name, parameter), f"'{parameter}'",
                               "a set has values of parameters of the model",
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
                softening = self.number(keys, value)
                if softening is not None and softening <= 0.0:
                    self.fault(keys, f"{softening:g}", "it must be above 0", "leave it out for 0.05")
                given[word] = softening or 1.0
            elif word == "gases":
                given[word] = tuple(self.texts(keys, value))
            elif word == "reference":
                if not isinstance(value, Mapping):
                    self.fault(keys, shown(repr(value)), "a table of fluxes is needed", "write { v1 = 0.5 }")
                    continue
                given[word] = {name: self.number((*keys, name), item) or 0.0 for name, item in value.items()}
            elif word in words:
                given[word] = self.text(keys, value)
        if given.get("weights", "soft") not in ("soft", "published") and ("projection", "weights") not in self.wrong:
            self.fault(("projection", "weights"), f"'{given['weights']}'", "weights are soft or published",
                       nearest(given["weights"], ("soft", "published")))  # fmt: skip
        return content.ProjectionEntry(**given)

    # ---------------------------------------------------------------------------------------------------- the values

    def known(self, keys: Sequence[str], data: Mapping[str, Any], words: Sequence[str]) -> None:
        for word in data:
            if word not in words:
                self.fault((*keys, word), f"'{word}'", "this word is not known here", nearest(word, words), key=True)

    def quantity(self, table: str, word: str, keys: Sequence[str], value: Any) -> float | None:
        """Return a number of an entry, None for one that is out of bounds."""
        number = self.number(keys, value, bounded=word not in _UNBOUNDED)
        if number is None:
            return None
        if word == "initial" and table == "species" and number < 0.0:
            self.fault(keys, f"{number:g}", "concentrations are >= 0", "correct it, or leave it out")
            return None
        if word == "molar_mass" and number <= 0.0:
            self.fault(keys, f"{number:g}", "a molar mass in g/mol is above 0", "correct it, or leave it out")
            return None
        return number

    def number(self, keys: Sequence[str], value: Any, bounded: bool = True) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            self.fault(keys, shown(repr(value)), "a number is needed", "write it without quotes")
            return None
        with suppress(OverflowError):
            if not bounded or math.isfinite(float(value)):
                return float(value)
        self.fault(keys, "an infinite number" if isinstance(value, float) else "a number above 1e308",
                   "a finite number is needed", "correct it")  # fmt: skip
        return None

    def truth(self, keys: Sequence[str], value: Any, otherwise: bool = False) -> bool:
        if not isinstance(value, bool):
            self.fault(keys, shown(repr(value)), "true or false is needed", "write it without quotes")
            return otherwise
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
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = self.number(keys, value)
            return "" if number is None else repr(value)
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
