"""place_of: a file -> where its headings are and how its runs seem to be arranged, as far as names show it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import Any, NamedTuple

from graycell.errors import Faults
from graycell.imports.grids import Grid, positions
from graycell.imports.layout import grid_of
from graycell.imports.parsing import spec_of
from graycell.imports.spec import RUN, match, pattern_of
from graycell.imports.units_row import row_of_units
from graycell.imports.vocabulary import other_quantity_of, quantity_of, role_of, words_of
from graycell.runs.format.files import MOST_COLUMNS, Source, UnreadableError
from graycell.runs.format.tables import Table, parse_number

DEEPEST_HEADER = 100
"""Rows from the top in which the headings are looked for."""
_DEEPEST_COLUMN = 8
"""The same of columns, in a table with a column for each sample."""
_MOST_HEADINGS = 20_000
"""Cells of a sheet that may be headings; wider sheets are looked at less deeply."""
_LESS_FOR_A_NUMBER = 0.1
_FAR_UNITS = 3
_ALIKE = 0.7
"""Part of the headings of a sheet, or of a run, that another of the same kind has."""
_FEWEST = 2
"""Known quantities in a column of headings; runs side by side; sheets of one kind."""


class Place(NamedTuple):
    """Where headings are, and the rows below.

    Attributes:
        source: the file.
        sheet: its name.
        header: the row of the headings counted from 1, or their column if the sheet is transposed.
        transposed: whether the sheet has a column for each sample.
        grid: the rows.
        run: the words of a mapping for runs beside or below each other, {} where a column tells them apart.
        sheets: names of the sheets that are arranged so.
    """

    source: Source
    sheet: str
    header: int
    transposed: bool
    grid: Grid
    run: Mapping[str, Any]
    sheets: frozenset[str]

    @property
    def units(self) -> int | None:
        """The row of the units, counted from 1; None if there is none."""
        return _row_of_units(self)


def place_of(source: Source, header: int | None = None) -> Place:
    """Return where the headings of a file are: where most of them are known.

    Args:
        source: the file.
        header: the row of the headings counted from 1, or their column; None to look for it.

    Returns:
        The place.

    Raises:
        UnreadableError: the file has no table, or no such row.
    """
    found: list[tuple[float, Place]] = []
    for transposed in (False, True):
        for sheet, table in source.tables.items():
            place = Place(source, sheet, 1, transposed, Grid(table), {}, frozenset([sheet]))
            found += [(known, place._replace(header=row)) for row, known in _known_headings(place, header)]
    for _, place in sorted(found, key=lambda one: -one[0]):  # stable: of equal ones the first
        grid = _laid(place, units=place.units)
        if grid is not None:
            return place._replace(grid=grid)
    if header is not None and source.tables:
        longest = max(len(table.rows) + 1 for table in source.tables.values())
        needed = f"a sheet has at most {longest} rows"
        raise UnreadableError(source.files[0], f"header {header}", needed, "count rows as the spreadsheet does")
    raise UnreadableError("the file", "no table", "a sheet with a row of headings is needed", "look at the file")


def _known_headings(place: Place, header: int | None) -> Iterator[tuple[int, float]]:
    """Yield the rows that may hold the headings of a sheet, counted from 1, and how many of them are known."""
    rows = _lines_of(place)
    deepest = _DEEPEST_COLUMN if place.transposed else DEEPEST_HEADER
    widest = max((len(row) for row in rows[:deepest]), default=1)
    deepest = min(deepest, max(_MOST_HEADINGS // max(widest, 1), _DEEPEST_COLUMN), len(rows))
    for r in range(deepest) if header is None else range(header - 1, min(header, len(rows))):
        cells = [words_of(cell) for cell in rows[r]]
        if not any(cells):
            continue
        over = [words_of(cell) for cell in rows[r - 1]] if r > 0 else []
        heads = {cell or above for cell, above in zip_longest(cells, over, fillvalue="")} - {""}
        quantities = sum(bool(quantity_of(head)) for head in heads)
        roles = [role for head in heads if (role := role_of(head))]
        if place.transposed and not ("time" in roles and quantities >= _FEWEST):
            continue  # a column that names quantities is no column of headings
        # a row of a long table names a quantity too, but has values beside it
        numbers = sum(parse_number(cell.replace(",", ".")) is not None for cell in cells)
        yield r + 1, 2.0 * quantities + len(roles) - _LESS_FOR_A_NUMBER * numbers


def _lines_of(place: Place) -> Sequence[Sequence[str]]:
    """Return the rows of a sheet with the headings, or its columns if it is transposed."""
    table = place.source.tables[place.sheet]
    rows = (table.headings, *table.rows)
    if not place.transposed:
        return rows
    return list(islice(zip_longest(*rows[:MOST_COLUMNS], fillvalue=""), _DEEPEST_COLUMN + _FAR_UNITS))


def _row_of_units(place: Place) -> int | None:
    """Return the row of the units below the headings of a place, counted from 1."""
    rows = _lines_of(place)[place.header - 1 :]
    units = row_of_units([words_of(head) for head in rows[0]], rows[1:]) if rows else None
    return None if units is None else place.header + units.row


def _laid(place: Place, **more: object) -> Grid | None:
    """Return the rows of a place as these words of a mapping arrange them, None where they cannot."""
    words = {"header": place.header, "sheet": place.sheet, "transposed": place.transposed, **more}
    words = {word: value for word, value in words.items() if value is not None}
    try:
        spec = spec_of(words, Faults("draft", 0))
        return grid_of(place.source, spec, Faults("draft", 0)) if spec.is_laid_out else None
    except UnreadableError:  # fewer rows
        return None


def with_runs(place: Place) -> Place:
    """Return a place with what tells its runs apart; runs beside each other are put below each other.

    Args:
        place: where the headings are.

    Returns:
        The place with the words for its runs, and the rows arranged by them.
    """
    run = _sheets_of_quantities(place)
    if not run and len(alike := _sheets_alike(place)) >= _FEWEST:
        # "Reactor " of Reactor 1 and Reactor 2; the whole name of BR01 and BR02
        prefix = re.sub(r"[^ _-]+$", "", os.path.commonprefix(alike))  # noqa: RUF071, of letters
        return place._replace(run={"sheet": prefix + "{run}"}, sheets=frozenset(alike))
    run = run or _above(place.grid) or _beside(place.grid)
    if not run and (below := _quantities_above(place)):
        run, place = {"above": "{quantity}", "heading": "{run}"}, below
    if not run:
        return place
    headings = positions(place.grid.table.headings)
    time = next((head for head in headings if role_of(head) == "time"), "")
    more: dict[str, Any] = {"units": place.units}
    if "sheet" in run:
        more["sheet"] = [sheet for sheet in place.source.tables if quantity_of(sheet) and sheet.isprintable()]
    grid = _laid(place, run=run, time=time, **more)
    return place if grid is None else place._replace(run=run, grid=grid, sheets=grid.sheets)


def _sheets_alike(place: Place) -> list[str]:
    """Return the names of sheets that have the headings of this one in the same row, this one among them."""
    own = {words_of(head) for head in place.grid.table.headings} - {""}
    alike = []
    for name, table in place.source.tables.items():
        there = {words_of(head) for head in _headings(table, place)} - {""}
        if name.isprintable() and len(own & there) >= _ALIKE * len(own):
            alike.append(name)
    return alike


def _headings(table: Table, place: Place) -> tuple[str, ...]:
    rows, at = (table.headings, *table.rows), place.header - 1
    if place.transposed:
        return tuple(row[at] for row in rows if at < len(row))
    return rows[at] if at < len(rows) else ()


def _above(grid: Grid) -> dict[str, str]:
    """Return the words for runs whose names are above headings that are repeated."""
    measured: dict[str, set[str]] = {}
    for above, heading in zip(grid.above, grid.table.headings, strict=False):
        if above and quantity_of(words_of(heading)):
            measured.setdefault(above, set()).add(words_of(heading))
    alike = measured and len(set.intersection(*measured.values())) >= _ALIKE * len(set.union(*measured.values()))
    return {"above": "{run}"} if len(measured) >= _FEWEST and alike and not any(map(quantity_of, measured)) else {}


def _beside(grid: Grid) -> dict[str, Any]:
    """Return the words for runs side by side, whose names are in the headings before or after the quantity."""
    every = positions(grid.table.headings)
    headings = [head for head in every if not (quantity_of(head) or role_of(head))]
    if any(map(quantity_of, every)):  # it would be shared by all runs
        return {}
    firsts = {head.split()[0] for head in headings if " " in head}
    before = [f"{word} " for word in sorted(firsts) if all(head.startswith(f"{word} ") for head in headings)]
    patterns = ["{quantity} {run} [{unit}]", "{quantity} {run} ({unit})"]
    patterns += [f"{{run}}{mark}{{quantity}}" for mark in " _:-"] + [f"{{quantity}}{mark}{{run}}" for mark in " _-"]
    for text in [
        *(f"{word}{pattern}" for word in before for pattern in patterns if pattern.startswith(RUN)),
        *patterns,
    ]:
        if any(text.count(part) > 1 for part in (RUN, "{quantity}", "{unit}")):
            continue  # a heading that looks like a pattern
        pattern = pattern_of(text)
        named = {heading: names for heading in headings if (names := match(pattern, heading))}
        runs_of: dict[str, set[str]] = {}
        for names in named.values():
            if quantity_of(names["quantity"]) and not set(names["run"]) & set("()[]"):  # a unit is no part of a run
                runs_of.setdefault(names["quantity"], set()).add(names["run"])
        if any(len(runs) >= _FEWEST for runs in runs_of.values()):
            others = [heading for heading, names in named.items()
                      if not any(of(names["quantity"])
                                 for of in (quantity_of, role_of, other_quantity_of))]  # fmt: skip
            return {"heading": text, **({"without": others} if others else {})}
    return {}


def _quantities_above(place: Place) -> Place | None:
    """Return the place with its headings one row below, if quantities are above names of runs, else None."""
    rows, row = place.grid.table.rows, place.header - 1
    if place.transposed or row >= len(rows):
        return None
    runs_of: dict[str, list[str]] = {}
    above = ""
    for heading, name in zip_longest(map(words_of, place.grid.table.headings), map(words_of, rows[row]), fillvalue=""):
        above = heading or above
        if quantity_of(above) and name:
            runs_of.setdefault(above, []).append(name)
    names = {name for of in runs_of.values() for name in of}
    same = all(set(of) == names and len(of) == len(names) for of in runs_of.values())
    if len(names) < _FEWEST or not same or any(parse_number(name.replace(",", ".")) is not None for name in names):
        return None
    place = place._replace(header=place.header + 1)
    grid = _laid(place)
    return None if grid is None else place._replace(grid=grid)


def _sheets_of_quantities(place: Place) -> dict[str, Any]:
    """Return the words for sheets whose names are quantities, with a column for each run."""
    named = [sheet for sheet in place.source.tables if quantity_of(sheet) and sheet.isprintable()]
    headings = positions(place.grid.table.headings)
    if len(named) < _FEWEST or place.sheet not in named or any(map(quantity_of, headings)):
        return {}
    beside = [head for head in headings if role_of(head) and role_of(head) != "time"]
    return {"sheet": "{quantity}", "heading": "{run}", **({"without": beside} if beside else {})}
