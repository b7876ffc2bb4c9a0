"""joined: several sheets or files of the same samples -> one grid, by the names of the samples."""

import math
import re
from collections.abc import Mapping

from graycell.errors import Faults, nearest
from graycell.imports.grids import Grid, positions
from graycell.imports.rearranging import require_bounded
from graycell.imports.spec import ImportSpec
from graycell.imports.vocabulary import words_of
from graycell.runs.format.tables import Table, parse_number

_COUNTED = re.compile(r"-?(0|[1-9]\d{0,9})([.,]\d{1,9})?")
"""A number that may be written in two ways, 1 and 1.0; 007 is a name."""


class _Joined:
    """Rows that are put together by the names of their samples."""

    def __init__(self, spec: ImportSpec, faults: Faults):
        self.spec, self.faults = spec, faults
        self.columns: dict[tuple[str, str], int] = {}
        self.above: list[str] = []
        self.units: dict[int, str] = {}
        self.rows: dict[tuple, list[str]] = {}
        self.places: dict[tuple, list[str]] = {}
        self.sheets_of: dict[tuple, set[str]] = {}

    def column(self, sheet: str, heading: str, above: str, unit: str, is_shared: bool) -> int:
        """Return the number of a column; those that all sheets share are one."""
        key = ("" if is_shared else sheet, heading)
        if key not in self.columns:
            self.columns[key] = len(self.columns)
            self.above.append(above or ("" if is_shared else sheet))
        if unit:
            self.units.setdefault(self.columns[key], unit)
        return self.columns[key]

    def add(self, sheet: str, grid: Grid, names: tuple[str, ...], first_names: tuple[str, ...]) -> None:
        """Add the rows of a sheet; `names` are its headings of the ids, called `first_names` in the first."""
        at, renamed = positions(grid.table.headings), dict(zip(names, first_names, strict=True))
        shared = {*first_names, *self.spec.run, *self.spec.times}
        where = {i: self.column(sheet, heading, grid.above[i] if i < len(grid.above) else "", grid.units.get(i, ""),
                                heading in shared)
                 for i, given in enumerate(map(words_of, grid.table.headings)) if given and at.get(given) == i
                 for heading in [renamed.get(given, given)]}  # fmt: skip
        seen: dict[tuple[str, ...], int] = {}
        for r, row in enumerate(grid.table.rows):
            if not any(cell.strip() for cell in row):
                continue
            place = grid.table.at(r)
            ids = tuple(_name(words_of(row[at[name]]) if at[name] < len(row) else "") for name in names)
            if not all(ids):
                self.faults.of_file(place, "an empty cell", f"every row names its sample in {', '.join(names)}",
                                    "write it, or leave the row out with leave_out")  # fmt: skip
                continue
            seen[ids] = seen.get(ids, 0) + 1
            if seen[ids] > 1 and not self.spec.averages:
                remedy = 'name more columns in join, or write replicates = "mean"'
                found = f"a second row of the sample '{' '.join(ids)}'"
                self.faults.of_file(place, found, "a sample has one row", remedy)
                continue
            self._put((ids, seen[ids]), sheet, place, {k: row[i] for i, k in where.items() if i < len(row)}, shared)

    def _put(self, key: tuple, sheet: str, place: str, cells: Mapping[int, str], shared: set[str]) -> None:
        row = self.rows.setdefault(key, [])
        row += [""] * (len(self.columns) - len(row))
        headings = {k: heading for (_, heading), k in self.columns.items() if heading in shared}
        for k, cell in cells.items():
            if row[k].strip() and cell.strip() and _differ(row[k], cell):
                found = f"a second value of {headings.get(k, 'a column')}, '{words_of(cell)}'"
                needed = f"'{words_of(row[k])}' is there for the same sample"
                self.faults.of_file(place, found, needed, "see which is right")
            elif not row[k].strip():
                row[k] = cell
        self.places.setdefault(key, []).append(place)
        self.sheets_of.setdefault(key, set()).add(sheet)

    def complete(self) -> None:
        """Give replicates what names their sample, and take out rows that no sheet gives a run and a time."""
        needed = [k for (_, heading), k in self.columns.items() if heading in {*self.spec.run, *self.spec.times}]
        width = len(self.columns)
        alone: dict[str, list[tuple]] = {}
        for key, row in self.rows.items():
            row += [""] * (width - len(row))
            first = self.rows.get((key[0], 1))
            for k in needed:
                row[k] = row[k] if row[k].strip() or first is None else first[k]
            if not all(row[k].strip() for k in needed):
                alone.setdefault(next(iter(self.sheets_of[key])), []).append(key)
        for sheet, keys in alone.items():
            every = sum(sheet in sheets for sheets in self.sheets_of.values())
            named = [" ".join(key[0]) for key in self.rows if key not in keys]
            for key in keys:
                name = " ".join(key[0])
                remedy = f"correct its name, or leave it; {nearest(name, named)}" if named else "look at join"
                self.faults.of_file(self.places[key][0], f"the sample '{name}'",
                                    "no other file has it, and this one does not say its run and time", remedy,
                                    "error" if len(keys) == every else "warning")  # fmt: skip
                del self.rows[key]


def joined(grids: Mapping[str, Grid], spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return the rows of several sheets or files as one grid; rows of one sample are one row.

    Columns of one name, beside those of runs, times and names, stay apart: the name of their sheet or file is above
    them.

    Args:
        grids: by sheet or file.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grid; None where a fault was noted.

    Raises:
        UnreadableError: the rows are beyond the bounds.
    """
    made, first_names, earlier = _Joined(spec, faults), None, faults.errors
    for sheet, grid in grids.items():
        names = spec.join.get(sheet) or spec.join.get(sheet.rsplit(".", 1)[0]) or spec.join.get("") or ()
        known = positions(grid.table.headings)
        missing = [name for name in names if name not in known]
        first_names = first_names or names
        if missing or not names or len(names) != len(first_names):
            found = f"no heading '{missing[0]}' in '{sheet}'" if missing else f"nothing for '{sheet}'"
            hint = nearest(missing[0], known) if missing else "write them"
            hint += f'; where they have other names, write join = {{ "{sheet}" = "Sample", ... }} for each'
            faults.of_mapping("join", found, "every sheet and file has the columns that name its samples", hint)
            continue
        made.add(sheet, grid, names, first_names)
    if faults.errors > earlier or not grids:
        return None
    made.complete()
    first = next(iter(grids.values()))
    place = first.table.place
    require_bounded(place, len(made.columns), len(made.rows))
    table = Table(place, tuple(heading for _, heading in made.columns), tuple(map(tuple, made.rows.values())),
                  tuple(" and ".join(dict.fromkeys(made.places[key])) for key in made.rows))  # fmt: skip
    left = tuple(name for grid in grids.values() for name in grid.left)
    native = any(grid.native for grid in grids.values())
    return Grid(table, tuple(made.above), made.units, True, native=native, left=left)


def _name(cell: str) -> str:
    """Return a name of a sample, or a number in one way of writing."""
    return repr(float(cell.replace(",", "."))) if _COUNTED.fullmatch(cell) else cell


def _differ(one: str, other: str) -> bool:
    """Return whether two cells say different things; dates that are written in two ways are not compared."""
    one, other = words_of(one), words_of(other)
    numbers = [parse_number(cell.replace(",", ".")) for cell in (one, other)]
    if numbers[0] is not None and numbers[1] is not None:
        return not math.isclose(numbers[0], numbers[1], rel_tol=1e-9)
    return one != other and re.sub(r"\d", "0", one) == re.sub(r"\d", "0", other)
