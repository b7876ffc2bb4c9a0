"""Every export in ../shared/peers/analysers against the values that the JSON beside it expects.

The expected values are read here by their own names, and not by the reader of ASM under test, which has tests below.
"""

import json
import math
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import pytest

from graycell.imports.analysers.reading import export_of

ANALYSERS = Path(__file__).parents[4] / "shared" / "peers" / "analysers"
EXAMPLES = sorted(path for path in ANALYSERS.glob("*/*") if path.suffix != ".json")
pytestmark = pytest.mark.skipif(not EXAMPLES, reason="the examples of analysers are not there")

CULTURE = {
    "viability (cell counter)": "viability", "viable cell density (cell counter)": "VCD",
    "total cell density (cell counter)": "TCD", "dead cell density (cell counter)": "dead cells",
    "average total cell diameter": "diameter", "average live cell diameter (cell counter)": "viable diameter",
    "total cell count": "cells counted", "viable cell count": "viable cells counted",
    "dead cell count": "dead cells counted", "average total cell circularity": "circularity",
    "average viable cell circularity": "viable circularity", "cell aggregation percentage": "aggregates",
    "aggregate rate": "aggregates", "debris index": "debris index", "average compactness": "compactness",
    "average area": "area", "average perimeter": "perimeter", "average segment area": "segment area",
    "total object count": "objects counted", "pO2": "pO2", "pCO2": "pCO2", "pH": "pH", "osmolality": "osmolality",
    "carbon dioxide saturation": "CO2 saturation", "oxygen saturation": "O2 saturation", "absorbance": "OD",
    "temperature": "temperature",
}  # fmt: skip
"""Names of the values of a measurement, and of graycell."""
ANALYTES = {
    "glucose": "GLC", "lactate": "LAC", "glutamine": "GLN", "glutamate": "GLU", "ammonia": "NH3", "ammonium": "NH3",
    "sodium": "Na", "potassium": "K", "calcium": "Ca", "magnesium": "Mg", "iron": "Fe", "IgG human": "IgG",
    "ldh": "LDH", "asparagine": "ASN", "aspartate": "ASP",
}  # fmt: skip
NOT_OF_THE_CULTURE = {"dilution volume", "standard deviation", "sample volume setting", "cell density dilution factor",
                      "minimum cell diameter setting", "maximum cell diameter setting"}  # fmt: skip
UNITS = {"10^6 cells/mL": "1e6 cells/mL", "µm": "um", "(unitless)": "", "cell": "", "pH": "", "mosm/kg": "mOsm/kg"}
"""Their units, and how graycell writes them."""
U_PER_L = 0.0167
"""mmol/L that the converter of the examples writes for 1 U/L."""


def values_in(node):
    """Yield (name, value, unit) of all values in a measurement, apart from those of analytes."""
    for name, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, dict) and "value" in value:
            yield name, value["value"], value["unit"]
        elif name != "analyte aggregate document":
            for part in value if isinstance(value, list) else [value]:
                yield from values_in(part)


def expected(path):
    """Return what is expected of an export: by sample, in order, by (quantity, code), the values and units."""
    content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    (aggregate,) = [value for value in content.values() if isinstance(value, dict)]
    (documents,) = [value for name, value in aggregate.items() if isinstance(value, list)]
    found = defaultdict(lambda: defaultdict(list))
    times = defaultdict(list)
    for document in documents:
        for measurement in document["measurement aggregate document"]["measurement document"]:
            sample = measurement["sample document"]["sample identifier"]
            times[sample].append(datetime.fromisoformat(measurement["measurement time"]))
            errors = measurement.get("error aggregate document", {}).get("error document", ())
            missing = {error["error feature"] for error in errors}
            for name, value, unit in values_in(measurement):
                if name not in NOT_OF_THE_CULTURE:
                    gone = name.removesuffix(" (cell counter)") in missing
                    found[sample][CULTURE[name], ""].append((None if gone else value, unit))
            for analyte in measurement.get("analyte aggregate document", {}).get("analyte document", ()):
                name, custom = analyte["analyte name"], analyte.get("custom information document", {})
                value = analyte.get("mass concentration") or analyte["molar concentration"]
                gone = f"{name} - {custom.get('detection kit')}" in missing
                key = ANALYTES.get(name, name), custom.get("analyte code", "")
                found[sample][key].append((None if gone else value["value"], value["unit"]))
    return found, times


def close(ours, theirs):
    """Return whether a value is as expected: exactly, but for the rounding of their change of unit."""
    return ours == theirs or (ours is not None and theirs is not None and math.isclose(ours, theirs, rel_tol=1e-15))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_value_of_a_culture_is_as_expected(path):
    wanted, _ = expected(path)
    export = export_of(path)
    ours = defaultdict(lambda: defaultdict(list))
    for sample in export.samples:
        for reading in sample.readings:
            code = "" if reading.quantity == "OD" else reading.code
            value, unit = reading.value, "mAU" if reading.quantity == "OD" else reading.unit
            if unit == "U/L":
                value, unit = None if value is None else value * U_PER_L, "mmol/L"
            ours[sample.name][reading.quantity, code].append((value, unit))
    assert set(ours) == set(wanted)
    compared = Counter()
    for sample, quantities in wanted.items():
        for key, values in quantities.items():
            # a value that was not measured may be left out, or have its bound
            nothing = [(None, UNITS.get(unit, unit)) for _, unit in values]
            for (value, unit), (mine, of_mine) in zip(values, ours[sample].get(key) or nothing, strict=True):
                assert close(mine, value) or (mine == pytest.approx(value, rel=1e-12) and "LDH" in key), (sample, key)
                assert of_mine == UNITS.get(unit, unit)
                compared["value" if value is not None else "none"] += 1
    assert compared["value"] > 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_sample_was_measured_when_the_file_says(path):
    _, times = expected(path)
    for sample in export_of(path).samples:
        first = min(times[sample.name])
        if first.year == 1970:  # 1999-09-99 of the file is no date
            assert sample.measured is None
        else:
            ours = sample.measured if sample.measured.tzinfo else sample.measured.replace(tzinfo=first.tzinfo)
            assert ours in times[sample.name]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_json_itself_has_the_same_samples(path):
    ours, asm = export_of(path), export_of(path.with_suffix(".json"))
    assert asm.instrument.startswith("Allotrope ASM")
    assert {sample.name for sample in asm.samples} == {sample.name for sample in ours.samples}
    wanted, _ = expected(path)
    for sample in asm.samples:
        for reading in sample.readings:
            quantity = "OD" if reading.quantity == "absorbance" else reading.quantity
            assert reading.value in [value for value, _ in wanted[sample.name][quantity, reading.code]]
