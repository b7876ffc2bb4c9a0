"""Grid: a sheet as someone has it, below its row of headings; with what stands above them, and units in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graycell.errors import Faults, nearest
from graycell.imports.vocabulary import is_word_for_unit, unit_of_heading
from graycell.runs.format.files import MOST_ROWS, UnreadableError
from graycell.runs.format.tables import Table, shown


@dataclass(frozen=True)
class Grid:
    """A table with a row for each run and time.

    above: by position, the heading of the row above, which holds for the columns to its right. units: by position, of
    columns whose unit stood in a cell. merged: whether rows of several places were put together, and so are to be
    sorted by time; logged: how many of the last of them come from a log. native: whether the file keeps numbers and
    dates as such. left: headings that a layout left out; sheets: those that it read.
    """

    table: Table
    above: tuple[str, ...] = ()
    units: Mapping[int, str] = field(default_factory=dict)
    merged: bool = False
    logged: int = 0
    native: bool = False
    left: tuple[str, ...] = ()
    sheets: frozenset[str] = frozenset()

    @property
    def sampled(self) -> int:
        """The number of rows that do not come from a log."""
        return len(self.table.rows) - self.logged

    def stated(self, position: int) -> str:
        """Return the unit of a column that the file states, in a row of units or in its heading, "" if it does not."""
        return self.units.get(position) or unit_of_heading(words_of(self.table.headings[position]))


def words_of(heading: str) -> str:
    """Return a heading with single spaces, as mappings name it."""
    return " ".join(heading.split())


def positions(headings: Sequence[str]) -> dict[str, int]:
    """Return where each heading stands, the first of its name."""
    found: dict[str, int] = {}
    for i, heading in enumerate(headings):
        if heading.strip():
            found.setdefault(words_of(heading), i)
    return found


def heading_of(entry: object) -> str:
    """Return the heading that a word of a mapping names, "" if it names none."""
    name = entry.get("column") if isinstance(entry, Mapping) else entry
    return words_of(name) if isinstance(name, str) else ""


def header_of(words: Mapping[str, Any], where: str) -> int:
    """Return the row of the headings, counted from 1; raises `UnreadableError`."""
    header = words.get("header", 1)
    if isinstance(header, bool) or not isinstance(header, int) or not 1 <= header <= MOST_ROWS:
        raise UnreadableError(f"{where}, header", shown(str(header)), "a row is needed", "count rows from 1")
    return header


def grid_of_sheet(table: Table, words: Mapping[str, Any], native: bool, faults: Faults) -> Grid:
    """Return the rows of a sheet below its headings; raises `UnreadableError` where there are none."""
    grid = replace(_headed(table, words, faults.where), native=native)
    if not native:
        _note_widths(grid.table, faults)
    return _filled(grid, words, faults)


def _headed(table: Table, words: Mapping[str, Any], where: str) -> Grid:
    header, unit_row = header_of(words, where), words.get("units")
    if header > len(table.rows) + 1:
        needed = f"the headings are in a row from 1 to {len(table.rows) + 1}"
        raise UnreadableError(table.place, f"header {header}", needed, "count rows as the spreadsheet does")
    every = (table.headings, *table.rows)
    headings, above, last = list(every[header - 1]), [], ""
    over = every[header - 2] if header > 1 else ()
    headings += [""] * (len(over) - len(headings))
    for i in range(len(headings)):
        here = words_of(over[i]) if i < len(over) else ""
        last = here or last
        above.append(last)
        headings[i] = headings[i] if headings[i].strip() else here  # a heading merged over both rows
    # empty rows stay in place of those above, so that rows count as the spreadsheet counts them
    rows = [()] * (header - 1) + list(every[header:])
    units: dict[int, str] = {}
    if unit_row is not None:
        if isinstance(unit_row, bool) or not isinstance(unit_row, int) or not header < unit_row <= len(every):
            needed = "the row of the units stands below that of the headings"
            raise UnreadableError(f"{where}, units", shown(str(unit_row)), needed, "count rows from 1")
        for i, unit in enumerate(every[unit_row - 1][: len(headings)]):
            units[i] = "" if is_word_for_unit(unit) else unit_of_heading(f"({unit.strip().strip('()[]')})")
        rows[unit_row - 2] = ()
    return Grid(replace(table, headings=tuple(headings), rows=tuple(rows)), tuple(above) if header > 1 else (), units)


def _note_widths(table: Table, faults: Faults) -> None:
    """Note rows of a CSV with more cells than headings, as a decimal comma makes them, or with fewer."""
    count = len(table.headings)
    for row, cells in enumerate(table.rows):
        if any(cell.strip() for cell in cells[count:]):
            needed, remedy = f"the headings name {count} columns", "put cells with a comma into quotes"
            faults.of_file(table.at(row), f"{len(cells)} cells", needed, remedy)
        elif len(cells) < count and any(cell.strip() for cell in cells):
            needed, remedy = f"the headings name {count} columns", "see whether the row was cut short"
            faults.of_file(table.at(row), f"{len(cells)} cells", needed, remedy, "warning")


def _filled(grid: Grid, words: Mapping[str, Any], faults: Faults) -> Grid:
    """Return the grid with the empty cells of some columns filled from above, as cells that were merged need it."""
    names = words.get("fill", [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        faults.of_mapping("fill", shown(str(names)), "a list of headings is needed", 'write fill = ["Vessel"]')
        return grid
    known = positions(grid.table.headings)
    for name in (words_of(one) for one in names):
        if name not in known:
            needed = "headings are named as in the file"
            faults.of_mapping("fill", f"no heading '{shown(name)}'", needed, nearest(name, known))
    at = [known[words_of(name)] for name in names if words_of(name) in known]
    if not at:
        return grid
    rows, last = [], dict.fromkeys(at, "")
    for cells in grid.table.rows:
        if any(cell.strip() for cell in cells):
            made = list(cells) + [""] * (max(at) + 1 - len(cells))
            for i in at:
                last[i] = made[i] = made[i] if made[i].strip() else last[i]
            cells = tuple(made)
        rows.append(cells)
    return replace(grid, table=replace(grid.table, rows=tuple(rows)))
