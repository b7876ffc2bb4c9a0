"""Grid: a sheet below its row of headings, with the row above them and the units in a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from graycell.errors import Faults, nearest
from graycell.imports.spec import BELOW_THE_HEADINGS, ImportSpec
from graycell.imports.units_row import row_of_units, unit_of_cell
from graycell.imports.vocabulary import is_doubtful, unit_of_heading, words_of
from graycell.runs.format.files import UnreadableError
from graycell.runs.format.tables import Table

_MOST_QUOTED = 4
"""Units of a row that are quoted."""


@dataclass(frozen=True)
class Grid:
    """A table with a row for each run and time.

    Attributes:
        table: the headings and the rows.
        above: by position, the heading in the row above, which holds for the columns to its right.
        units: by position, the units of columns whose unit is in a cell.
        merged: whether rows of several places were put together, so that they are sorted by time.
        logged: how many of the last rows come from a log of feeds.
        native: whether the file keeps numbers and dates as such, and not as text.
        left: headings that a layout left out.
        sheets: names of the sheets that were read.
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
        """Return the unit of a column that the file states, in a row of units or in its heading.

        Args:
            position: of the column, from the left.

        Returns:
            The unit, "" if the file states none, or one that people write for another.
        """
        unit = self.units.get(position) or unit_of_heading(words_of(self.table.headings[position]))
        return "" if is_doubtful(unit) else unit


def positions(headings: Sequence[str]) -> dict[str, int]:
    """Return where each heading is.

    Args:
        headings: a row of them.

    Returns:
        The position of the first of each name, from the left.

    >>> positions(["Day", " Glc  (mM)", "Day", ""])
    {'Day': 0, 'Glc (mM)': 1}
    """
    found: dict[str, int] = {}
    for i, heading in enumerate(headings):
        if heading.strip():
            found.setdefault(words_of(heading), i)
    return found


def grid_of_sheet(table: Table, spec: ImportSpec, native: bool, faults: Faults) -> Grid:
    """Return the rows of a sheet below its headings.

    Args:
        table: the sheet.
        spec: the mapping.
        native: see `Grid`.
        faults: takes every fault.

    Returns:
        The grid.

    Raises:
        UnreadableError: the sheet has no such row of headings or units.
    """
    grid = replace(_headed(table, spec, faults.where), native=native)
    if not native:
        _note_widths(grid.table, faults)
    if spec.units is None:
        grid = _without_units(grid, spec.header, faults)
    return _filled(grid, spec.fill, faults)


def _headed(table: Table, spec: ImportSpec, where: str) -> Grid:
    """Return a sheet with its headings, the row above them and the row of units."""
    header = spec.header
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
    # empty rows replace those above, so that rows count as the spreadsheet counts them
    rows = [()] * (header - 1) + list(every[header:])
    units: dict[int, str] = {}
    if spec.units is not None:
        if spec.units > len(every):
            raise UnreadableError(f"{where}, units", str(spec.units), BELOW_THE_HEADINGS, "count rows from 1")
        for i, unit in enumerate(every[spec.units - 1][: len(headings)]):
            units[i] = unit_of_cell(unit)
        rows[spec.units - 2] = ()
    return Grid(replace(table, headings=tuple(headings), rows=tuple(rows)), tuple(above) if header > 1 else (), units)


def _without_units(grid: Grid, header: int, faults: Faults) -> Grid:
    """Return a grid without a row of units that the mapping does not name, which is noted: its cells are no values."""
    rows = grid.table.rows
    found = row_of_units(grid.table.headings, rows[header - 1 :])
    if found is None:
        return grid
    at = header - 2 + found.row
    quoted = ", ".join(f"'{unit}'" for unit in list(found.units.values())[:_MOST_QUOTED])
    needed, remedy = "the row of the units is named in the mapping", f"add units = {header + found.row} to it"
    faults.of_file(grid.table.at(at), f"units: {quoted}", needed, remedy)
    return replace(grid, table=replace(grid.table, rows=(*rows[:at], (), *rows[at + 1 :])))


def _note_widths(table: Table, faults: Faults) -> None:
    """Note rows of a CSV with more cells than headings, as a decimal comma makes them, or with fewer."""
    count = len(table.headings)
    needed, remedy = f"the headings name {count} columns", "put cells with a comma into quotes"
    wide = [len(cells) for cells in table.rows if any(cell.strip() for cell in cells[count:])]
    if len(set(wide)) == 1 and 2 * len(wide) > sum(any(cell.strip() for cell in cells) for cells in table.rows):
        remedy = "if the headings are in a later row, write header = its number into the mapping"
    for row, cells in enumerate(table.rows):
        if any(cell.strip() for cell in cells[count:]):
            faults.of_file(table.at(row), f"{len(cells)} cells", needed, remedy)
        elif len(cells) < count and any(cell.strip() for cell in cells):
            remedy = "see whether the row was cut short"
            faults.of_file(table.at(row), f"{len(cells)} cells", needed, remedy, "warning")


def _filled(grid: Grid, names: Sequence[str], faults: Faults) -> Grid:
    """Return the grid with the empty cells of some columns filled from above, as cells that were merged need it."""
    known = positions(grid.table.headings)
    for name in names:
        if name not in known:
            faults.of_mapping("fill", f"no heading '{name}'", "headings are named as in the file", nearest(name, known))
    at = [known[name] for name in names if name in known]
    if not at:
        return grid
    rows, last = [], dict.fromkeys(at, "")
    for cells in grid.table.rows:
        if any(cell.strip() for cell in cells):
            filled = list(cells) + [""] * (max(at) + 1 - len(cells))
            for i in at:
                last[i] = filled[i] = filled[i] if filled[i].strip() else last[i]
            cells = tuple(filled)
        rows.append(cells)
    return replace(grid, table=replace(grid.table, rows=tuple(rows)))
