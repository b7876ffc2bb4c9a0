"""Allotrope Simple Model (ASM): JSON of any analyser, of any version, read by the names of its content.

Every measurement of cells, analytes, gases, pH or osmolality becomes a reading of its sample; the sample and the time
are those of the nearest document around it.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from graycell.errors import Finding
from graycell.imports.analysers.chemistry import Gathered
from graycell.imports.analysers.contents import Content
from graycell.imports.analysers.samples import Export, Reading, in_units_of_laboratories
from graycell.imports.analysers.values import moment, reading

_QUANTITIES = {
    "viable cell density": "VCD", "total cell density": "TCD", "dead cell density": "dead cells",
    "viability": "viability", "average total cell diameter": "diameter",
    "average live cell diameter": "viable diameter", "average viable cell diameter": "viable diameter",
    "average dead cell diameter": "dead diameter", "total cell count": "cells counted",
    "viable cell count": "viable cells counted", "dead cell count": "dead cells counted",
    "average total cell circularity": "circularity", "average viable cell circularity": "viable circularity",
    "average live cell circularity": "viable circularity", "cell aggregation percentage": "aggregates",
    "debris index": "debris index", "aggregate rate": "aggregates", "ph": "pH", "po2": "pO2", "pco2": "pCO2",
    "oxygen saturation": "O2 saturation", "carbon dioxide saturation": "CO2 saturation", "osmolality": "osmolality",
    "temperature": "temperature", "absorbance": "absorbance",
}  # fmt: skip
_ANALYTES = {
    "glucose": "GLC", "lactate": "LAC", "lactic acid": "LAC", "glutamine": "GLN", "glutamate": "GLU",
    "glutamic acid": "GLU", "ammonia": "NH3", "ammonium": "NH3", "sodium": "Na", "potassium": "K", "calcium": "Ca",
    "magnesium": "Mg", "iron": "Fe", "igg": "IgG", "igg human": "IgG", "ldh": "LDH", "asparagine": "ASN",
    "aspartate": "ASP", "bicarbonate": "bicarbonate",
}  # fmt: skip
_UNITS = {"(unitless)": "", "unitless": "", "cell": "", "ph": "", "µm": "um", "μm": "um", "mosm/kg": "mOsm/kg",
          "osm/kg": "Osm/kg"}  # fmt: skip
_PASSED_OVER = ("device control", "data processing", "data system", "device system", "image", "peak", "calculated data",
                "data cube", "diagnostic trace", "statistics", "detection kit", "location", "error")  # fmt: skip
"""Beginnings of documents that hold settings and details, and no quantity of a culture."""
_DEEPEST = 60
"""Documents within documents; ASM has about 12."""
_LONGEST_NAME = 200
"""Characters."""
_ENZYME = "LDH"


@dataclass(frozen=True)
class _Around:
    """What the documents around a value say of it."""

    sample: str = ""
    batch: str = ""
    time: datetime | None = None
    errors: Mapping[str, str] | None = None


def is_asm(content: Content) -> bool:
    """Return whether a file is an Allotrope Simple Model.

    Args:
        content: of the file.

    Returns:
        Whether it is.
    """
    return isinstance(content.json, dict) and any(
        key in ("$asm.manifest", "manifest") or str(key).endswith("aggregate document") for key in content.json
    )


def read_asm(content: Content) -> Export:
    """Return the samples of an Allotrope Simple Model.

    Args:
        content: of the file.

    Returns:
        The samples.
    """
    walk = _Walk()
    walk.document(content.json, _Around(), 0)
    remarks = []
    if walk.unknown:
        names = ", ".join(f"'{name}'" for name in list(walk.unknown)[:10])
        needed = "quantities of a culture are read"
        remarks.append(Finding(content.place, f"{len(walk.unknown)} other kinds of values: {names}", needed,
                               "they are passed over", "warning"))  # fmt: skip
    if any(one.quantity == _ENZYME and one.unit == "mmol/L" for one in walk.readings):
        needed = "an enzyme has an activity and no amount of substance"
        remedy = "the converter of the file wrote 0.0167 mmol/L for 1 U/L; it is kept as it is"
        remarks.append(Finding(content.place, f"{_ENZYME} in mmol/L", needed, remedy, "warning"))
    return Export(_instrument(content.json), walk.gathered.samples(), tuple(remarks))


class _Walk:
    """Visits every document once, the nearest sample and time at hand."""

    def __init__(self) -> None:
        self.gathered = Gathered()
        self.readings: list[Reading] = []
        self.unknown: Counter[str] = Counter()

    def document(self, node: Any, around: _Around, depth: int) -> None:
        """Read a document and those within it."""
        if depth > _DEEPEST:
            return
        if isinstance(node, list):
            for one in node:
                self.document(one, around, depth + 1)
        if not isinstance(node, dict):
            return
        around = _within(node, around)
        analyte = node.get("analyte name")
        for name, value in node.items():
            if isinstance(value, dict) and "value" in value:
                self.value(str(name), value, around, analyte, node)
            elif not str(name).startswith(_PASSED_OVER):
                self.document(value, around, depth + 1)

    def value(self, name: str, value: Mapping[str, Any], around: _Around, analyte: object, node: Mapping) -> None:
        """Read a value with its unit."""
        plain = name.lower().removesuffix(" (cell counter)")
        if isinstance(analyte, str) and plain.endswith(("concentration", "activity", "level")):
            quantity = _ANALYTES.get(analyte.lower(), _plain(analyte))
        elif plain in _QUANTITIES and not isinstance(analyte, str):
            quantity = _QUANTITIES[plain]
        else:
            self.unknown[name] += 1
            return
        custom = node.get("custom information document")
        code = _plain(custom.get("analyte code", "")) if isinstance(custom, dict) else ""
        kit = str(custom.get("detection kit", "")) if isinstance(custom, dict) else ""
        flag = _plain(custom.get("flag", "")) if isinstance(custom, dict) else ""
        known_as = analyte.lower() if isinstance(analyte, str) else plain
        error = _error_of(known_as, kit, around.errors or {})
        one = _reading(quantity, value, flag, code, error)
        if one is not None:
            self.readings.append(one)
            self.gathered.add(around.sample, one, around.time, around.batch)


def _within(node: Mapping[str, Any], around: _Around) -> _Around:
    """Return what is around the values of a document: its own sample, time and errors before those further out."""
    sample = node.get("sample document")
    for part in (node, sample if isinstance(sample, dict) else {}):
        name, batch, time = (
            part.get(f"{word}") for word in ("sample identifier", "batch identifier", "measurement time")
        )
        if isinstance(name, str | int):
            around = replace(around, sample=_plain(name))
        if isinstance(batch, str | int):
            around = replace(around, batch=_plain(batch))
        if isinstance(time, str):
            around = replace(around, time=moment(time))
    errors = {str(error.get("error feature", "")).lower(): str(error.get("error", "")) for error in _errors(node)}
    return replace(around, errors=errors) if errors else around


def _plain(text: object) -> str:
    """Return text of JSON without what no text file can hold."""
    plain = "".join(letter if letter.isprintable() else " " for letter in str(text)[:_LONGEST_NAME])
    return " ".join(plain.split())


def _errors(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what a document says that could not be measured."""
    aggregate = node.get("error aggregate document")
    errors = aggregate.get("error document") if isinstance(aggregate, dict) else None
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict):
            yield error


def _error_of(name: str, kit: str, errors: Mapping[str, str]) -> str:
    """Return what is said of a value that could not be measured, "" where nothing is."""
    for feature in (f"{name} - {kit}".lower(), name):
        if feature in errors:
            return errors[feature] or "not measured"
    return ""


def _reading(quantity: str, value: Mapping[str, Any], flag: str, code: str, error: str) -> Reading | None:
    """Return the reading of a value with its unit; None if it has no number."""
    number, stated = value.get("value"), _plain(value.get("unit", ""))
    unit = _UNITS.get(stated.lower(), stated)
    kept = (in_units_of_laboratories(unit) or (unit, 0))[0]
    if error and number == 0:  # -0.0 stands for a number that was not measured
        return Reading(quantity, kept, None, error, "", code)
    if isinstance(number, str):
        return reading(quantity, unit, number, flag=flag, code=code)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if not math.isfinite(number):
        return Reading(quantity, kept, None, str(number), "", code)
    return reading(quantity, unit, repr(float(number)), flag=flag, code=code)


def _instrument(document: Mapping[str, Any]) -> str:
    """Return the name of the analyser that an ASM names."""
    for aggregate in document.values():
        device = aggregate.get("device system document") if isinstance(aggregate, dict) else None
        name = device.get("model number") if isinstance(device, dict) else None
        if isinstance(name, str) and name not in ("", "N/A"):
            return f"Allotrope ASM of {name}"
    return "Allotrope ASM"
