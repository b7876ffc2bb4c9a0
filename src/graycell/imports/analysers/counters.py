"""Exports of cell counters: Vi-CELL BLU and XR, Cedex HiRes, NucleoView and NC-View."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from graycell.errors import Finding
from graycell.imports.analysers.contents import Content, Rows
from graycell.imports.analysers.samples import Export, Sample
from graycell.imports.analysers.tables import OfTable, Roles, joined, row_of_headings, sample_of, samples_of, word_of
from graycell.imports.analysers.values import cleaned, decimal_mark, moment, month_is_first, with_offset

_COUNTS = {"totalcells": ("cells counted", ""), "cellcount": ("cells counted", ""),
           "totalcellcount": ("cells counted", ""), "viablecells": ("viable cells counted", ""),
           "viablecellcount": ("viable cells counted", ""), "nonviablecells": ("dead cells counted", ""),
           "deadcellcount": ("dead cells counted", "")}  # fmt: skip
_DENSITIES = {"totalcellsml": ("TCD", "cells/mL"), "viablecellsml": ("VCD", "cells/mL"),
              "totalviablecellsml": ("VCD", "cells/mL"), "livecellsml": ("VCD", "cells/mL"),
              "deadcellsml": ("dead cells", "cells/mL"), "viability": ("viability", "%"),
              "totalcellsmlx106": ("TCD", "10^6 cells/mL"), "viablecellsmlx106": ("VCD", "10^6 cells/mL"),
              "totalviablecellsmlx106": ("VCD", "10^6 cells/mL")}  # fmt: skip
_SHAPES = {"averagediameter": ("diameter", "um"), "avgdiam": ("diameter", "um"), "avgdiammicrons": ("diameter", "um"),
           "averagediametermicrons": ("diameter", "um"), "averagediameterum": ("diameter", "um"),
           "averageviablediameterum": ("viable diameter", "um"), "averageviablediameter": ("viable diameter", "um"),
           "averagecircularity": ("circularity", ""), "avgcirc": ("circularity", ""),
           "averageviablecircularity": ("viable circularity", "")}  # fmt: skip
_VI_CELL = {**_COUNTS, **_DENSITIES, **_SHAPES, "totalx106cellsml": ("TCD", "10^6 cells/mL"),
            "viablex106cellsml": ("VCD", "10^6 cells/mL")}  # fmt: skip
_HIRES = {**_COUNTS, "viability": ("viability", "%"), "viablecellconc": ("VCD", "cells/mL"),
          "deadcellconc": ("dead cells", "cells/mL"), "totalcellconc": ("TCD", "cells/mL"),
          "avgdiameter": ("viable diameter", "um"), "aggregaterate": ("aggregates", "%"),
          "totalobjectcount": ("objects counted", ""), "avgcompactness": ("compactness", ""),
          "avgarea": ("area", ""), "avgperimeter": ("perimeter", "um"),
          "avgsegmarea": ("segment area", "")}  # fmt: skip
_CHEMOMETEC = {"total": ("TCD", "cells/mL"), "live": ("VCD", "cells/mL"), "dead": ("dead cells", "cells/mL"),
               "viability": ("viability", "%"), "diameter": ("diameter", "um"), "diameterum": ("diameter", "um"),
               "estimatedcelldiameter": ("diameter", "um"),
               "celldiameterstandarddeviation": ("SD of the diameter", "um"),
               "aggregates": ("aggregates", "%"), "debrisindex": ("debris index", ""),
               "ofcellsinaggregateswithfiveormorecells": ("aggregates", "%"),
               **_DENSITIES}  # fmt: skip
_XR_ROLES = Roles(("sampleid",), ("sampledatetime", "sampledate", "rundate"))
_HIRES_ROLES = Roles(("sampleidentifer", "sampleidentifier"), ("datefinished",), ("sampledrawtime",),
                     ("reactoridentifer", "reactoridentifier"))  # fmt: skip
_NC_ROLES = Roles(("sampleid",))
_MOST_LINES = 2000
"""Lines of a text of one sample."""
_IMAGE_NAME = re.compile(r"\d{8}-\d{4}-[a-z0-9]+-(.+)", re.IGNORECASE)
_PLOT_DATA = "plotdata"


@dataclass(frozen=True)
class CounterTable:
    """The export of a counter that has a row for each sample.

    Attributes:
        instrument: its name.
        words: of headings that only this export has together.
        quantities: name and unit by the word of a heading.
        roles: of the other columns.
        day_in_name: whether the column ``name`` holds the date and a number.
    """

    instrument: str
    words: tuple[str, ...]
    quantities: Mapping[str, tuple[str, str]]
    roles: Roles
    day_in_name: bool = False

    def wrote(self, content: Content) -> bool:
        """Return whether the counter wrote a file.

        Args:
            content: of the file.

        Returns:
            Whether it did.
        """
        return any(row_of_headings(rows, self.words) is not None for rows in content.sheets.values())

    def read(self, content: Content) -> Export:
        """Return the samples of every sheet that has the headings.

        Args:
            content: of the file.

        Returns:
            The samples.
        """
        return joined(self.instrument, [
            self._of_sheet(content.place_of(name), rows, at) for name, rows in content.sheets.items()
            if (at := row_of_headings(rows, self.words)) is not None
        ])  # fmt: skip

    def _of_sheet(self, place: str, rows: Rows, at: int) -> OfTable:
        below = rows[at + 1 :]
        if self.day_in_name:
            column = next((i for i, cell in enumerate(rows[at]) if word_of(cell) == "name"), len(rows[at]))
            below = [_with_day(row, column) for row in below]
        return samples_of(place, rows[at], below, at + 2, self.quantities, self.roles)


BLU = CounterTable("Vi-CELL BLU", ("sampleid", "analysisdatetime", "viability"), _VI_CELL,
                   Roles(("sampleid",), ("analysisdatetime",)))  # fmt: skip
HIRES = CounterTable("Cedex HiRes", ("viability", "viablecellconc", "avgcompactness"), _HIRES, _HIRES_ROLES)
NC_VIEW = CounterTable("NC-View", ("sampleid", "livecellsml", "protocol"), _CHEMOMETEC,
                       Roles(_NC_ROLES.name, ("name",)), day_in_name=True)  # fmt: skip


def _with_day(row: list[str], column: int) -> list[str]:
    """Return a row whose name, such as 20240219-00019, is its day."""
    day, _, number = (row[column] if column < len(row) else "").partition("-")
    if column < len(row) and number and moment(day) is not None:
        row = list(row)
        row[column] = day
    return row


# ----------------------------------------------------------------------------------------------------------- Vi-CELL XR


def is_xr(content: Content) -> bool:
    """Return whether a Vi-CELL XR wrote a file: as a table, as reports, or as a text of one sample.

    Args:
        content: of the file.

    Returns:
        Whether it did.
    """
    return any("vi-cell xr" in " ".join(row).lower() for rows in content.sheets.values() for row in rows[:3])


def read_xr(content: Content) -> Export:
    """Return the samples of a Vi-CELL XR.

    Args:
        content: of the file.

    Returns:
        The samples.
    """
    blocks = [pairs for block in _blocks(content.lines) if "Viability (%)" in (pairs := _pairs(block))]
    if blocks:
        return Export("Vi-CELL XR", tuple(map(_report, blocks)))
    return joined("Vi-CELL XR", [_of_xr_sheet(content.place_of(name), rows) for name, rows in content.sheets.items()])


def _of_xr_sheet(place: str, rows: Rows) -> OfTable:
    at = row_of_headings(rows, ("sampleid", "filename"))
    if at is None or not {"viability", "totalcells"} & {word_of(cell) for cell in rows[at]}:
        return _reports(rows), [], []
    below = rows[at + 1] if at + 1 < len(rows) else []
    two = not (below and below[0].strip())  # the headings go on in a second row
    headings = [f"{over} {under}".strip() for over, under in zip_longest(rows[at], below if two else [], fillvalue="")]
    first = at + 1 + two
    return samples_of(place, headings, rows[first:], first + 1, _VI_CELL, _XR_ROLES)


def _reports(rows: Rows) -> list[Sample]:
    """Return the samples of reports: names at the left, and values to their right; one below the other."""
    found: list[dict[str, str]] = []
    is_plot = False
    for row in rows:
        filled = [(i, cell.strip()) for i, cell in enumerate(row) if cell.strip()]
        if not filled or filled[0][0] > 0:
            continue
        word = word_of(filled[0][1])
        if word == "sampleid":
            found.append({})
            is_plot = False
        is_plot = is_plot or word.endswith(_PLOT_DATA)
        if found and not is_plot and len(filled) > 1:
            found[-1].setdefault(filled[0][1], filled[1][1])
    return [_report(pairs) for pairs in found]


def _report(pairs: Mapping[str, str]) -> Sample:
    """Return the sample of a report, given as values by their names."""
    by_word = {word_of(head): cell for head, cell in reversed(list(pairs.items()))}
    when = next((by_word[word] for word in _XR_ROLES.measured if word in by_word), "")
    time = moment(when, month_is_first([when]) is not False)
    return sample_of(pairs, _VI_CELL, by_word.get("sampleid", ""), time, decimal_mark(pairs.values()))


def _pairs_of(content: Content) -> dict[str, str]:
    """Return the values of a text or a sheet with a line for each value, by what is before them."""
    if content.lines:
        return _pairs(content.lines)
    first: Rows = next(iter(content.sheets.values()), [])
    return {cleaned(row[0]): row[1] for row in reversed(first[:_MOST_LINES]) if len(row) > 1 and row[0].strip()}


def _pairs(lines: Sequence[str]) -> dict[str, str]:
    """Return what is behind the first mark between two parts of each line, by what is before it."""
    found: dict[str, str] = {}
    for line in lines[:_MOST_LINES]:
        ends = [at for mark in ":;\t," if (at := line.find(mark)) >= 0]
        if ends:
            found.setdefault(cleaned(line[: min(ends)]), line[min(ends) + 1 :].strip().rstrip(";,").strip())
    return found


def _blocks(lines: Sequence[str]) -> list[list[str]]:
    """Return the lines of each sample of a text: each begins with its name."""
    blocks: list[list[str]] = []
    for line in lines:
        if word_of(line.partition(":")[0]) == "sampleid":
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return blocks


# ----------------------------------------------------------------------------------------------------------- NucleoView


def is_nucleoview(content: Content) -> bool:
    """Return whether NucleoView, or a NucleoCounter, wrote a file of one sample.

    Args:
        content: of the file.

    Returns:
        Whether it did.
    """
    words = {word_of(head) for head in _pairs_of(content)}
    if "viability" not in words or not {"totalcellsml", "deadcellsml"} & words:
        return False
    return {"sampleid", "protocol"} <= words or bool({"instrumenttype", "csvfileversion", "cmfilename"} & words)


def read_nucleoview(content: Content) -> Export:
    """Return the sample of NucleoView.

    Args:
        content: of the file.

    Returns:
        The sample.
    """
    pairs = _pairs_of(content)
    by_word = {word_of(head): cleaned(cell) for head, cell in pairs.items()}
    image = _IMAGE_NAME.fullmatch(by_word.get("image", ""))
    name = by_word.get("sampleid") or (image[1] if image else by_word.get("image", ""))
    when = by_word.get("datetime") or by_word.get("timeutc", "")
    measured = moment(when, month_is_first([when]) is not False)
    if "timeutc" in by_word:
        measured = with_offset(measured, "0")
    measured = with_offset(measured, by_word.get("timezoneoffset", ""))
    remarks = []
    if measured is None and when:
        needed, remedy = "a date is needed", "without one the sample has no time of its own"
        remarks.append(Finding(content.place, f"'{when}'", needed, remedy, "warning"))
    sample = sample_of(pairs, _CHEMOMETEC, name, measured, decimal_mark(pairs.values()))
    return Export("NucleoView", (sample,), tuple(remarks))
