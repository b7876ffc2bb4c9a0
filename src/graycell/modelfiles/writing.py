"""model_file_text: a ModelFile -> the text of a model file, which is read back and compared before it is returned."""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from graycell.errors import ModelError
from graycell.modelfiles.content import FormulaEntry, InputEntry, ModelFile, SpeciesEntry
from graycell.modelfiles.reading import FORMAT, parse_model_file
from graycell.parameters import Parameter

_TABLES = ("species", "inputs", "variables", "definitions", "reactions", "network", "triggers", "observables",
           "parameters")  # fmt: skip


def model_file_text(file: ModelFile) -> str:
    """Return the text of a model file.

    Args:
        file: its contents.

    Returns:
        The text, in TOML.

    Raises:
        ModelError: where the text would not be read back as the same contents.
        InputError: where the contents have faults.
    """
    lines = [f"format = {FORMAT}", f"name = {_value(file.name)}"]
    for word in ("about", "source"):
        if getattr(file, word):
            lines.append(f"{word} = {_value(getattr(file, word))}")
    if file.doubts:
        lines += ["doubts = [", *(f"  {_value(doubt)}," for doubt in file.doubts), "]"]
    if not file.checked_units:
        lines.append("check_units = false")
    if file.cells is not None:
        lines.append(f"cells = {_value(file.cells)}")
    for table in _TABLES:
        entries = getattr(file, table)
        if entries:
            lines += ["", f"[{table}]", *(f"{name} = {_entry(entry)}" for name, entry in entries.items())]
    projection = _words(file.projection)
    if projection:
        lines += ["", "[projection]", *(f"{word} = {_value(value)}" for word, value in projection.items())]
    for name, values in file.sets.items():
        lines += ["", f"[sets.{json.dumps(name)}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    text = "\n".join(lines) + "\n"
    again = parse_model_file(text, file.path or "model.toml")
    if replace(again, remarks=(), path=file.path) != replace(file, remarks=()):
        raise ModelError(f"model '{file.name}' cannot be written: its text would be read as another model.")
    return text


def _entry(entry: Any) -> str:
    """Return an entry: its only word alone where the others are as they are without it."""
    words = _words(entry)
    if isinstance(entry, SpeciesEntry):
        words = {"unit": entry.unit, **words}
    if isinstance(entry, Parameter):
        plain = set(words) == {"value", "estimated"} and not entry.estimated
        return _value(entry.value if plain else words)
    short = {SpeciesEntry: "unit", FormulaEntry: "formula", InputEntry: "default"}.get(type(entry), "")
    return _value(words[short] if set(words) == {short} else words)


def _words(entry: Any) -> dict[str, Any]:
    """Return the words of an entry that differ from what is there without them."""
    found = {}
    for one in fields(entry):
        value = getattr(entry, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if one.name == "name" or value == default:
            continue
        found[one.name] = value
    if isinstance(entry, Parameter):
        same = Parameter(entry.value)
        found = {word: value for word, value in found.items()
                 if word not in ("lower", "upper", "log_scale") or value != getattr(same, word)}  # fmt: skip
    return found


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return repr(float(value)).removesuffix(".0") if abs(value) < 1e15 else repr(float(value))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }" if value else "{}"
    return "[" + ", ".join(_value(item) for item in value) + "]"
