"""Grids -> one grid: sheets below each other, runs side by side, a row for each value, and a log of feeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from graycell.errors import Faults, nearest
from graycell.imports.amounts import plain
from graycell.imports.grids import Grid, positions
from graycell.imports.spec import RUN, ColumnSpec, ImportSpec, LogSpec, LongSpec, RunPatterns, match
from graycell.imports.units_row import row_of_units
from graycell.imports.vocabulary import unit_of_heading, words_of
from graycell.runs.format.files import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Source, UnreadableError
from graycell.runs.format.tables import Table, parse_number
from graycell.units import TIME, convert, converts

_MOST_PLACES = 3
"""Places that are named beside the first of a row that was put together."""


def require_bounded(place: str, columns: int, rows: int) -> None:
    """Raise `UnreadableError` for a table that would be beyond the bounds of one in a file.

    Args:
        place: of the table.
        columns: how many.
        rows: how many.

    Raises:
        UnreadableError: it would be.
    """
    if columns > MOST_COLUMNS or rows > MOST_ROWS or columns * rows > MOST_CELLS:
        needed = f"a table has at most {MOST_COLUMNS} columns, {MOST_ROWS} rows and {MOST_CELLS} cells"
        raise UnreadableError(place, f"{columns} columns and {rows} rows, put together", needed, "split the data")


class _Rows:
    """Rows that are put together from cells of several places; a second, different value of a cell is a fault."""

    def __init__(self, faults: Faults):
        self.faults = faults
        self.rows: dict[tuple, dict[str, str]] = {}
        self.origins: dict[tuple, list[str]] = {}
        self.above: dict[str, str] = {}
        self.units: dict[str, str] = {}

    def head(self, heading: str, above: str, unit: str, place: str) -> None:
        """Add a heading, for which all sheets state one unit."""
        self.above.setdefault(heading, above)
        if self.units.setdefault(heading, unit) != unit:
            needed = f"elsewhere it is '{self.units[heading]}'"
            self.faults.of_file(place, f"the unit '{unit}' of '{heading}'", needed, "write one unit")

    def add(self, key: tuple, cells: Mapping[str, str], place: str) -> None:
        """Add the cells of one place to a row."""
        row = self.rows.setdefault(key, {})
        for heading, cell in cells.items():
            known = row.get(heading, "")
            if known.strip() and cell.strip() and words_of(known) != words_of(cell):
                found = f"a second value of {heading}, '{words_of(cell)}'"
                needed = f"'{words_of(known)}' is there for the same run and time"
                self.faults.of_file(place, found, needed, "remove one")
            elif not known.strip():
                row[heading] = cell
        self.origins.setdefault(key, []).append(place)

    def grid(self, place: str, merged: bool) -> Grid:
        """Return the rows as a grid."""
        heads = tuple(self.above)
        require_bounded(place, len(heads), len(self.rows))
        body = tuple(tuple(row.get(head, "") for head in heads) for row in self.rows.values())
        units = {i: self.units[head] for i, head in enumerate(heads) if self.units.get(head)}
        table = Table(place, heads, body, tuple(_places(self.origins[key]) for key in self.rows))
        return Grid(table, tuple(self.above.values()), units, merged)


def _places(places: Iterable[str]) -> str:
    """Return several places as one: the first in full, of the others what differs."""
    first, *others = dict.fromkeys(places)
    sheet = first.rsplit(", row", 1)[0]
    rows = [place.removeprefix(f"{sheet}, row ") if place.startswith(f"{sheet}, row ") else place.split(", ", 1)[-1]
            for place in others]  # fmt: skip
    more = f" and {len(rows) - _MOST_PLACES} more" if len(rows) > _MOST_PLACES else ""
    return first + "".join(f", {row}" for row in rows[:_MOST_PLACES]) + more


# ------------------------------------------------------------------------------------------------- sheets


def stacked(grids: Mapping[str, Grid], spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return the rows of sheets below each other, with columns of the runs and quantities that names give.

    Args:
        grids: by sheet.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grid; None where a fault was noted.

    Raises:
        UnreadableError: the rows are beyond the bounds.
    """
    runs = spec.patterns or RunPatterns({})
    of_all = runs.without | (set() if "above" in runs.patterns else spec.beside)
    rows = _Rows(faults)
    if runs.patterns:
        rows.head(RUN, "", "", "")
    for sheet, grid in grids.items():
        named = match(runs.patterns["sheet"], sheet) if "sheet" in runs.patterns else {}
        headings = [words_of(heading) for heading in grid.table.headings]
        once = {heading for heading in spec.times if headings.count(heading) == 1}
        owners = _owners(grid, named or {}, runs.patterns, of_all | once, faults)
        if set(runs.patterns) - {"sheet"} and all(run is None for run, _ in owners.values()):
            needs_header = "above" in runs.patterns and not grid.above
            remedy = "look at the pattern" + (", or write header = 2" if needs_header else "")
            found = f"no heading that fits in '{sheet}'"
            faults.of_mapping("run", found, "the whole name fits the pattern", remedy)
            return None
        _stack(rows, grid, sheet, owners, (named or {}).get("run", ""), spec.times, runs.by_quantity)
    place = next(iter(grids.values())).table.place.split(", sheet")[0]
    if not rows.rows:
        faults.of_mapping("run", "no rows with values", "rows below the headings are needed", "look at the header")
        return None
    return rows.grid(place, runs.by_quantity or len(grids) > 1)


def _owners(
    grid: Grid, named: Mapping[str, str], patterns: Mapping, of_all: set[str] | frozenset[str], faults: Faults
) -> dict[int, tuple[str | None, str]]:
    """Return by position the run of a column, None if all runs of the row share it, and the heading of its quantity.

    named: the run and quantity in the name of the sheet; of_all: headings that all runs share. Of columns of one name
    the first counts; a second one of a run is a fault.
    """
    headings = [words_of(heading) for heading in grid.table.headings]
    owners: dict[int, tuple[str | None, str]] = {}
    for i, heading in enumerate(headings):
        if not heading or ("above" not in patterns and heading in headings[:i]):
            continue
        parts = {"above": grid.above[i] if i < len(grid.above) else "", "heading": heading}
        matches = [match(patterns[part], name) for part, name in parts.items() if part in patterns]
        fits = [names for names in matches if names is not None]
        if heading in of_all or len(fits) < len(matches) or not (matches or "quantity" in named):
            if (None, heading) not in owners.values():
                owners[i] = (None, heading)
            continue
        known = {word: name for names in (named, *fits) for word, name in names.items()}
        owner = (known.get("run", ""), known.get("quantity") or heading)
        if owner in owners.values():
            found = f"a second '{owner[1]}' of '{owner[0]}'"
            faults.of_file(grid.table.place, found, "a run has one column of a name", "rename one, or its run")
        owners.setdefault(i, owner)
    return owners


def _stack(
    rows: _Rows, grid: Grid, sheet: str, owners: Mapping[int, tuple[str | None, str]], run_of_sheet: str,
    times: Sequence[str], by_quantity: bool,
) -> None:  # fmt: skip
    """Add the rows of a sheet, which are of the run `run_of_sheet` if no column belongs to one.

    A run gets no row where it has neither a value nor a time.
    """
    table = grid.table
    runs = list(dict.fromkeys(run for run, _ in owners.values() if run is not None)) or [run_of_sheet]
    require_bounded(table.place, len({heading for _, heading in owners.values()}), len(runs) * len(table.rows))
    for i, (run, heading) in owners.items():
        above = grid.above[i] if run is None and i < len(grid.above) else ""
        rows.head(heading, above, grid.units.get(i, ""), table.place)
    for r, cells in enumerate(table.rows):
        if not any(cell.strip() for cell in cells):
            continue
        cells_of: dict[str | None, dict[str, str]] = {}
        for i, (run, heading) in owners.items():
            if i < len(cells):
                cells_of.setdefault(run, {})[heading] = cells[i]
        shared = cells_of.get(None, {})
        when = tuple(words_of(shared.get(heading, "")) for heading in times)
        for run in runs:
            own = cells_of.get(run, {})
            if len(runs) > 1 and not any(cell.strip() for cell in (*own.values(), *when)):
                continue
            key = (run, *when) if by_quantity else (run, sheet, r)
            rows.add(key, ({RUN: run} if RUN in rows.above else {}) | shared | own, table.at(r))


# ------------------------------------------------------------------------------------------------- long


def gathered_by_row(grid: Grid, long: LongSpec, spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return a table with a column for each quantity that the mapping measures.

    Rows are joined by what the mapping names, such as run and time; other columns and quantities are left out.

    Args:
        grid: a table with a row for each value.
        long: its columns of quantities and values.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grid; None where a fault was noted.

    Raises:
        UnreadableError: the rows are beyond the bounds.
    """
    table, known = grid.table, positions(grid.table.headings)
    at: dict[str, int] = {}
    for word, name in (("quantity", long.quantity), ("value", long.value), ("unit", long.unit)):
        if name and name not in known:
            needed = "headings are named as in the file"
            faults.of_mapping(f"[long] {word}", f"no heading '{name}'", needed, nearest(name, known))
            return None
        if name:
            at[word] = known[name]
    wanted = {one.heading for column in spec.measured.values() for one in (column, *column.parts.values())}
    small = {heading.lower(): heading for heading in wanted}
    named = spec.beside | {RUN}
    beside = {heading: i for heading, i in known.items() if heading in named and i not in at.values()}
    left = [heading for heading, i in known.items() if heading not in beside and i not in at.values()]
    rows = _Rows(faults)
    for heading, i in beside.items():
        rows.head(heading, "", grid.units.get(i, ""), "")
    for r, cells in enumerate(table.rows):
        place = table.at(r)
        quantity = _cell(cells, at["quantity"])
        if not quantity:
            if any(cell.strip() for cell in cells):
                needed = "every row names its quantity"
                faults.of_file(place, "an empty cell", needed, "write it, or remove the row")
            continue
        key = tuple(_cell(cells, i) for i in beside.values())
        rows.add(key, dict(zip(beside, key, strict=True)), place)
        if quantity in wanted:
            rows.head(quantity, "", _cell(cells, at["unit"]) if "unit" in at else "", place)
            if rows.rows[key].get(quantity):
                remedy = "remove one, or tell rows apart by a column of run"
                faults.of_file(place, f"a second value of {quantity}", "a quantity is measured once a time", remedy)
            else:
                rows.add(key, {quantity: _cell(cells, at["value"])}, place)
        elif quantity.lower() in small:
            needed = f"it is '{small[quantity.lower()]}' in the mapping"
            faults.of_file(place, f"the quantity '{quantity}'", needed, "write it one way")
        else:
            left.append(quantity)
    found = rows.grid(table.place, merged=True)
    return replace(found, native=grid.native, left=tuple(dict.fromkeys(left)))


def _cell(row: Sequence[str], i: int) -> str:
    return words_of(row[i]) if i < len(row) else ""


# ------------------------------------------------------------------------------------------------- log


def with_log(grid: Grid, source: Source, log: LogSpec, spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return the rows with those of a log below them: a column for each of its feeds, under the name of its sheet.

    Args:
        grid: the rows of the samples.
        source: the file.
        log: the sheet of the feeds.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grid; None where a fault was noted.

    Raises:
        UnreadableError: the rows are beyond the bounds.
    """
    if log.sheet not in source.tables:
        needed = "a sheet is named as in the workbook"
        faults.of_mapping("[log] sheet", f"no sheet '{log.sheet}'", needed, nearest(log.sheet, source.tables))
        return None
    table, units = _without_units(source.tables[log.sheet])
    at = _columns_of_log(table, log, spec, faults)
    timed = None if at is None else _in_one_unit(grid, table, at["time"], log, spec, units.get(at["time"], ""), faults)
    if at is None or timed is None:
        return None
    table = timed
    if log.volume is None:
        return _with_columns_of_log(grid, table, units, at, log, spec, faults)
    rows = _rows_of_log(grid, table, log, at, faults)
    if rows is None:
        return None
    feeds = {feed: i for i, feed in enumerate(dict.fromkeys(cells["feed"] for _, cells in rows))}
    heads, width = positions(grid.table.headings), len(grid.table.headings)
    require_bounded(table.place, width + len(feeds), len(grid.table.rows) + len(rows))
    body = []
    for _, cells in rows:
        row = _row_of_log(width + 1 + feeds[cells["feed"]], cells, heads, spec)
        row[-1] = cells["volume"]
        body.append(tuple(row))
    origins = [grid.table.at(r) for r in range(len(grid.table.rows))] + [table.at(r) for r, _ in rows]
    above = (*(*grid.above, *[""] * width)[:width], *[log.sheet] * len(feeds))
    unit = _unit_of_log(log.volume) or units.get(at["volume"], "")
    left = [f"{heading} of the sheet '{log.sheet}'" for heading, i in positions(table.headings).items()
            if i not in at.values()]  # fmt: skip
    return replace(
        grid, table=Table(grid.table.place, (*grid.table.headings, *feeds), (*grid.table.rows, *body), tuple(origins)),
        above=above, units={**grid.units, **{width + i: unit for i in feeds.values()}}, merged=True, logged=len(body),
        left=(*grid.left, *left),
    )  # fmt: skip


def _without_units(table: Table) -> tuple[Table, Mapping[int, str]]:
    """Return the sheet of a log without a row of units, and the units by position."""
    found = row_of_units(table.headings, table.rows)
    if found is None:
        return table, {}
    rows = (*table.rows[: found.row - 1], (), *table.rows[found.row :])
    return replace(table, rows=rows), found.units


def _row_of_log(width: int, cells: Mapping[str, str], heads: Mapping[str, int], spec: ImportSpec) -> list[str]:
    """Return a row of the samples with the run and the time of a row of a log."""
    row = [""] * width
    for i, heading in enumerate(spec.run):
        row[heads.get(heading, 0)] = cells[f"run {i + 1}"]
    if spec.time and spec.time.clock:
        row[heads.get(spec.time.clock, 0)] = cells["clock"]
    row[heads.get(spec.time.heading if spec.time else "", 0)] = cells["time"]
    return row


def _with_columns_of_log(
    grid: Grid, table: Table, units: Mapping[int, str], at: Mapping[str, int], log: LogSpec, spec: ImportSpec,
    faults: Faults,
) -> Grid | None:  # fmt: skip
    """Return the rows with those of a log below them, and its columns that feeds, outflows and sides name."""
    columns = [*spec.outflows.values(), *(feed.column for feed in spec.feeds), *(feed.total for feed in spec.feeds)]
    named = {column.heading for column in columns if column is not None}
    named |= {spec.sides.heading} if spec.sides else set()
    known = {heading: i for heading, i in positions(table.headings).items() if i not in at.values()}
    there = {heading: i for heading, i in known.items() if heading in named}
    if not there:
        needed = f"a feed names a column of the sheet '{log.sheet}', or volume the column of the volumes"
        remedy = f"the sheet has {', '.join(list(known)[:10])}" if known else "look at the sheet"
        faults.of_mapping("[log]", "no column that a feed names", needed, remedy)
        return None
    heads, width = positions(grid.table.headings), len(grid.table.headings)
    new = {heading: width + k for k, heading in enumerate(head for head in there if head not in heads)}
    require_bounded(table.place, width + len(new), len(grid.table.rows) + len(table.rows))
    body, places = [], []
    for r, cells in enumerate(table.rows):
        if any(cell.strip() for cell in cells):
            row = _row_of_log(width + len(new), {word: _cell(cells, i) for word, i in at.items()}, heads, spec)
            for heading, i in there.items():
                row[new.get(heading, heads.get(heading, 0))] = _cell(cells, i)
            body.append(tuple(row))
            places.append(table.at(r))
    origins = [*(grid.table.at(r) for r in range(len(grid.table.rows))), *places]
    stated = {new[heading]: unit for heading, i in there.items() if heading in new and (unit := units.get(i, ""))}
    left = tuple(f"{heading} of the sheet '{log.sheet}'" for heading in known if heading not in there)
    headings = (*grid.table.headings, *new)
    return replace(
        grid, table=Table(grid.table.place, headings, (*grid.table.rows, *body), tuple(origins)),
        above=(*(*grid.above, *[""] * width)[:width], *[log.sheet] * len(new)), units={**grid.units, **stated},
        merged=True, logged=len(body), left=(*grid.left, *left),
    )  # fmt: skip


def _rows_of_log(
    grid: Grid, table: Table, log: LogSpec, at: Mapping[str, int], faults: Faults
) -> list[tuple[int, dict[str, str]]] | None:
    """Return the filled rows of a log, by number, with their cells by word; None for a name that samples have too."""
    heads = positions(grid.table.headings)
    rows: list[tuple[int, dict[str, str]]] = []
    for r, row in enumerate(table.rows):
        if not any(cell.strip() for cell in row):
            continue
        cells = {word: _cell(row, i) for word, i in at.items()}
        feed = cells.get("feed", log.volume.heading if log.volume else "")
        if not feed:
            needed = "every row of a log names its feed"
            faults.of_file(table.at(r), "an empty cell", needed, "write it, or remove the row")
            continue
        if not cells["volume"]:
            faults.of_file(table.at(r), "no volume", "every row of a log has one", "write it, or remove the row")
        if feed in heads:
            needed = "a column of the samples has that name"
            faults.of_file(table.at(r), f"the feed '{feed}'", needed, "rename one of them")
            return None
        rows.append((r, cells | {"feed": feed}))
    return rows


def _unit_of_log(column: ColumnSpec) -> str:
    """Return the unit of a column of a log, which its entry or its heading states."""
    return column.unit or unit_of_heading(column.heading)


def _columns_of_log(table: Table, log: LogSpec, spec: ImportSpec, faults: Faults) -> dict[str, int] | None:
    """Return where run, time, feed and volume of a log are; run and time are named as those of the samples."""
    known = positions(table.headings)
    runs = spec.run if log.run is None else log.run
    if len(runs) != len(spec.run):
        found, needed = f"{len(runs)} columns", f"runs are told apart by {len(spec.run)}"
        faults.of_mapping("[log] run", found, needed, "name as many")
        return None
    time = log.time or spec.time
    named = {"volume": log.volume.heading} if log.volume else {}
    named |= {"feed": log.feed} if log.feed else {}
    named["time"] = time.heading if time else ""
    if spec.time and spec.time.clock:
        named["clock"] = log.clock or spec.time.clock
    named |= {f"run {i + 1}": name for i, name in enumerate(runs)}
    for word, name in named.items():
        if name not in known:
            needed = "headings are named as in that sheet"
            faults.of_mapping(f"[log] {word}", f"no heading '{name}'", needed, nearest(name, known))
            return None
    return {word: known[name] for word, name in named.items()}


def _in_one_unit(
    grid: Grid, table: Table, at: int, log: LogSpec, spec: ImportSpec, stated: str, faults: Faults
) -> Table | None:
    """Return a log with its times in the unit of the samples; None where it states no unit of time, which is noted.

    at: the column of the times; stated: its unit in a row of units.
    """
    heading = words_of(table.headings[at])
    known = positions(grid.table.headings)
    time = spec.time.heading if spec.time else ""
    unit = (spec.time.unit if spec.time else "") or (grid.stated(known[time]) if time in known else "")
    of_log = stated or (_unit_of_log(log.time) if log.time else unit_of_heading(heading))
    of_log = of_log or (unit if heading == time else "")
    if unit == "date" or of_log == unit:
        return table
    if converts(of_log or "?", TIME) and converts(unit, TIME) and not (spec.time and spec.time.clock):
        rows = tuple(_with_time(row, at, of_log, unit, spec.decimal) for row in table.rows)
        return replace(table, rows=rows)
    found = f"the unit '{of_log}' of '{heading}'" if of_log else f"no unit of '{heading}'"
    remedy = f'give it, time = {{ column = "{heading}", unit = "h" }}, or write both in one unit'
    faults.of_mapping("[log] time", found, f"the times of the samples are in {unit}", remedy)
    return None


def _with_time(row: tuple[str, ...], at: int, unit: str, to: str, mark: str) -> tuple[str, ...]:
    """Return a row with its time in another unit; a cell that is no number stays as it is, and names its unit."""
    number = parse_number(plain(words_of(row[at]), mark)) if at < len(row) else None
    if number is None:
        return row
    return (*row[:at], repr(float(convert(number, unit, to))).replace(".", mark), *row[at + 1 :])
