"""Exports of chemistry analysers: Cedex Bio HT, and Nova BioProfile FLEX2."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from graycell.errors import Finding
from graycell.imports.analysers.contents import Content, Rows
from graycell.imports.analysers.samples import Export, Reading, Sample
from graycell.imports.analysers.tables import OfTable, Roles, joined, row_of_headings, samples_of, word_of
from graycell.imports.analysers.values import cleaned, decimal_mark, moment, reading

ANOTHER_SAMPLE = timedelta(hours=12)
"""Results of one name that are further apart are of two samples."""
_NOVA = {
    "gln": ("GLN", "mmol/L"), "glu": ("GLU", "mmol/L"), "gluc": ("GLC", "g/L"), "lac": ("LAC", "g/L"),
    "nh4": ("NH3", "mmol/L"), "na": ("Na", "mmol/L"), "k": ("K", "mmol/L"), "ca": ("Ca", "mmol/L"), "ph": ("pH", ""),
    "po2": ("pO2", "mmHg"), "pco2": ("pCO2", "mmHg"), "osm": ("osmolality", "mOsm/kg"),
    "o2saturation": ("O2 saturation", "%"), "co2saturation": ("CO2 saturation", "%"),
    "hco3": ("bicarbonate", "mmol/L"), "vesseltemperaturec": ("temperature", "degC"),
    "totaldensity": ("TCD", "10^6 cells/mL"), "viabledensity": ("VCD", "10^6 cells/mL"),
    "viability": ("viability", "%"),
    "avglivediameter": ("viable diameter", "um"), "totallivecount": ("viable cells counted", ""),
    "totalcellcount": ("cells counted", ""),
    "phtemp": ("pH at temperature", ""), "po2temp": ("pO2 at temperature", "mmHg"),
    "pco2temp": ("pCO2 at temperature", "mmHg"),
}  # fmt: skip
"""Source of the units: the converter of the public examples, Gluc and Lac in g/L and ions in mmol/L."""
_NOVA_MASSES = [word for word, (_, unit) in _NOVA.items() if unit == "g/L"]
_NOVA_ROLES = Roles(("sampleid",), ("datetime",), ("sampletime",), ("vesselid",), ("batchid",))
_FEWEST_QUANTITIES = 2
_CEDEX = {
    "GLN": "GLN", "GLU": "GLU", "GLC": "GLC", "LAC": "LAC", "NH3": "NH3", "LDH": "LDH", "IGG": "IgG", "IGGH": "IgG",
    "ASN": "ASN", "ASP": "ASP", "PYR": "pyruvate", "AC": "acetate", "GLY": "glycerol", "FE": "Fe", "CA": "Ca",
    "MG": "Mg", "K": "K", "NA": "Na", "PHO": "phosphate", "TP": "total protein", "OD": "OD", "ETOH": "ethanol",
    "FOR": "formate", "CHO": "cholesterol",
}  # fmt: skip
"""Quantities by the beginning of the code of a test."""
_CODE = re.compile(r"([A-Z]+?3?)\d?([LH]?)[A-Z]")
_RECORD = "40"
_SAMPLE = "SAM"
_FLAGS = {"v": "verification", "c": "calibration"}
_ARCHIVE = "#ARC-FILE#"


@dataclass(frozen=True)
class _Layout:
    """Where the parts of a record are, by the position of the word SAM."""

    name: int
    code: int
    unit: int
    flag: int
    result: int
    batch: int | None = None


_LAYOUTS = {4: _Layout(2, 6, 8, 9, 10, batch=3), 6: _Layout(5, 2, 7, 8, 9)}
"""The second is that of version 5."""


@dataclass
class _Open:
    """A sample to which results are still added."""

    name: str
    measured: datetime | None
    batch: str
    readings: list[Reading] = field(default_factory=list)

    def takes(self, one: Reading, when: datetime | None) -> bool:
        """Return whether a result is of this sample: it was not measured yet, and soon after the first."""
        late = when is not None and self.measured is not None and abs(when - self.measured) > ANOTHER_SAMPLE
        return not late and all((one.quantity, one.code) != (known.quantity, known.code) for known in self.readings)


class Gathered:
    """Results one by one -> samples."""

    def __init__(self) -> None:
        self._samples: list[_Open] = []
        self._last: dict[str, _Open] = {}

    def add(self, name: str, one: Reading, when: datetime | None, batch: str = "") -> None:
        """Add a result to the last sample of its name, or begin a sample.

        Args:
            name: of the sample.
            one: the result.
            when: it was measured.
            batch: of the sample.
        """
        sample = self._last.get(name)
        if sample is None or not sample.takes(one, when):
            sample = self._last[name] = _Open(name, when, batch)
            self._samples.append(sample)
        sample.readings.append(one)
        if when is not None and (sample.measured is None or when < sample.measured):
            sample.measured = when

    def samples(self) -> tuple[Sample, ...]:
        """Return the samples.

        Returns:
            In the order of their first results.
        """
        return tuple(Sample(one.name, tuple(one.readings), one.measured, batch=one.batch) for one in self._samples)


def is_cedex(content: Content) -> bool:
    """Return whether a Cedex Bio HT wrote a file.

    Args:
        content: of the file.

    Returns:
        Whether it did.
    """
    return any(_ARCHIVE in row and any("cedex" in cell.lower() for cell in row)
               for rows in content.sheets.values() for row in rows[:5])  # fmt: skip


def read_cedex(content: Content) -> Export:
    """Return the samples of a Cedex Bio HT: a line for each result.

    Args:
        content: of the file.

    Returns:
        The samples; results that the analyser could not give have their range.
    """
    gathered, remarks = Gathered(), list[Finding]()
    others, unknown = Counter[str](), Counter[str]()
    for name, rows in content.sheets.items():
        place = content.place_of(name)
        marks = decimal_mark(row[layout.result].strip("<> ") for row in rows
                             if (layout := _layout_of(row)) is not None and layout.result < len(row))  # fmt: skip
        for number, cells in enumerate(rows, 1):
            row = [cleaned(cell) for cell in cells]
            layout = _layout_of(row)
            if not any(row) or _ARCHIVE in row:
                continue
            if row[0] != _RECORD or layout is None or layout.result >= len(row):
                if row[0] == _RECORD and layout is None and len(row) > 6:
                    others[row[4] or row[6]] += 1
                else:
                    needed, remedy = "a result has a code, a unit and a number", "look at the line"
                    remarks.append(Finding(f"{place}, row {number}", f"'{' '.join(row)}'", needed, remedy, "warning"))
                continue
            one = _result(row, layout, marks)
            if one is None:
                continue
            if _CODE.fullmatch(one.code) is None or one.quantity == one.code:
                unknown[one.code] += 1
            gathered.add(row[layout.name], one, moment(row[1]), "" if layout.batch is None else row[layout.batch])
    if others:
        listed = ", ".join(f"{count} of the kind '{kind}'" for kind, count in others.items())
        needed = f"results of samples have the word {_SAMPLE}"
        remarks.append(Finding(content.place, listed, needed, "controls and calibrations are left out", "warning"))
    for code, count in unknown.items():
        needed, remedy = "the quantity of the test is not known", "it has a column of this name"
        remarks.append(Finding(content.place, f"{count} of the test '{code}'", needed, remedy, "warning"))
    return Export("Cedex Bio HT", gathered.samples(), tuple(remarks))


def _layout_of(row: list[str]) -> _Layout | None:
    """Return where the parts of a record are, None if it is not one of a sample."""
    return next((layout for at, layout in _LAYOUTS.items() if at < len(row) and row[at].strip() == _SAMPLE), None)


def _result(row: list[str], layout: _Layout, mark: str) -> Reading | None:
    """Return the result in a record."""
    code, unit, flag = row[layout.code], row[layout.unit], row[layout.flag]
    unit = "" if unit == "OD" else unit
    named = _FLAGS.get(flag)
    return reading(quantity_of_test(code), unit, row[layout.result], mark, f"{flag} ({named})" if named else flag, code)


def quantity_of_test(code: str) -> str:
    """Return the quantity that a test of a Cedex Bio HT measures.

    Args:
        code: of the test.

    Returns:
        The quantity; the code where it is not known.

    >>> quantity_of_test("GLC3B"), quantity_of_test("IGGHD"), quantity_of_test("NH3B"), quantity_of_test("XYZB")
    ('GLC', 'IgG', 'NH3', 'XYZB')
    """
    if code.startswith("NH3"):
        return "NH3"
    match = re.fullmatch(r"([A-Z]+)\d?[A-Z]*", code)
    letters = "" if match is None else match[1]
    # the letters behind the quantity are the kit: B, D (diluted before), L or H (low or high)
    known = [name for name in _CEDEX if letters.startswith(name) and re.fullmatch(r"[LH]?[A-Z]?", letters[len(name) :])]
    return _CEDEX[max(known, key=len)] if known else code


def is_nova(content: Content) -> bool:
    """Return whether a Nova BioProfile FLEX2 wrote a file.

    Args:
        content: of the file.

    Returns:
        Whether it did.
    """
    return any(_nova_headings(rows) is not None for rows in content.sheets.values())


def _nova_headings(rows: Rows) -> int | None:
    """Return the row of the headings, which has known quantities beside the sample and the time."""
    at = row_of_headings(rows, ("sampleid", "datetime"))
    known = 0 if at is None else len({word_of(cell) for cell in rows[at]} & _NOVA.keys())
    return at if known >= _FEWEST_QUANTITIES else None


def read_nova(content: Content) -> Export:
    """Return the samples of a Nova BioProfile FLEX2.

    Args:
        content: of the file.

    Returns:
        The samples.
    """
    return joined("Nova BioProfile FLEX2", [
        _of_nova_sheet(content.place_of(name), rows, at) for name, rows in content.sheets.items()
        if (at := _nova_headings(rows)) is not None
    ])  # fmt: skip


def _of_nova_sheet(place: str, rows: Rows, at: int) -> OfTable:
    samples, remarks, not_read = samples_of(place, rows[at], rows[at + 1 :], at + 2, _NOVA, _NOVA_ROLES)
    bare = [cleaned(cell) for cell in rows[at] if word_of(cell) in _NOVA_MASSES]
    if bare:
        needed, remedy = "the file has no units", "if the analyser is set otherwise, convert the table of samples"
        found = f"{' and '.join(bare)} read in g/L, other concentrations in mmol/L"
        remarks = [*remarks, Finding(place, found, needed, remedy, "warning")]
    return samples, remarks, not_read
