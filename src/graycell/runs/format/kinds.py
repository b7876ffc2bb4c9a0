"""KINDS: the tables of runs, and the columns that each of them may hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from graycell.runs.limits import MEASURED, NOT_SPECIES
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY

ANY_UNIT = "value"
"""The key of `LIMITS` of a column that may have any unit: a sensor shows what it shows."""
TEXT = "text"
"""Instead of a key of `LIMITS`: the column holds words."""
_ANYTHING = (*MEASURED, "temperature", ANY_UNIT)


@dataclass(frozen=True)
class Kind:
    """What a table may hold.

    Attributes:
        columns: by name, a key of `LIMITS`, or `TEXT`.
        required: names of columns that must be there.
        others: keys of `LIMITS` of columns with any other name, the first whose unit fits; none forbids them.
        censored: whether a cell may be a detection limit, such as ``<0.5``: less than that was there.
    """

    columns: Mapping[str, str]
    required: tuple[str, ...]
    others: tuple[str, ...] = ()
    censored: bool = False


KINDS = {
    "measurements": Kind({"run": TEXT, "time": "time", **NOT_SPECIES}, ("time",), _ANYTHING, censored=True),
    "standard_errors": Kind({"run": TEXT, "time": "time", **NOT_SPECIES}, ("time",), _ANYTHING),
    "initial": Kind(
        {"run": TEXT, "volume": "initial volume", "temperature": "temperature", REDOX: REDOX, VCD: VCD},
        (),
        MEASURED,
    ),
    "media": Kind({"medium": TEXT}, ("medium",), ("medium concentration", *MEASURED[1:])),
    "events": Kind(
        {
            "run": TEXT,
            "time": "time",
            "event": TEXT,
            "medium": TEXT,
            "input": TEXT,
            "species": TEXT,
            "volume": "volume",
            "rate": "rate",
            "rate per cells": "rate per cells",
            "slope": "slope",
            "level": "level",
            "below": "level",
            "temperature": "temperature",
            "fraction": "fraction",
            "value": "value",
        },
        ("time", "event"),
    ),
    "signals": Kind(
        {"run": TEXT, "time": "time", VIABILITY: VIABILITY, VCD: VCD, TCD: VCD, REDOX: REDOX},
        ("time",),
        (*MEASURED[:3], "temperature", "rate", "volume", "specific rate", "number", ANY_UNIT),
    ),
    "assay_error": Kind(
        {"quantity": TEXT, "relative": "relative error", "absolute": "absolute error", "unit": TEXT},
        ("quantity",),
    ),
    "molar_masses": Kind(
        {"run": TEXT, "quantity": TEXT, "molar mass": "molar mass"},
        ("quantity", "molar mass"),
    ),
    "about": Kind({"key": TEXT, "value": TEXT}, ("key", "value")),
}
"""The tables of runs by name: CSV files of a folder, sheets of a workbook."""
