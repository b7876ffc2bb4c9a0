"""A file and a spec -> one grid with a row for each run and time, however runs are arranged.

A file may hold a row for each sample (nothing to do), a column for each sample (`transposed`), a row for each value
(`long`), runs on sheets of their own, runs side by side, or a sheet for each quantity with a column for each run
(`run` as a pattern of sheets and headings); and its feeds in a log on another sheet. Every row of the grid knows its
place in the file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from graycell.errors import Faults, nearest, shown
from graycell.imports.analysers.contents import content_of
from graycell.imports.analysers.reading import ANALYSERS, export_of
from graycell.imports.analysers.samples import Export
from graycell.imports.analysers.tidying import source_of
from graycell.imports.grids import Grid, grid_of_sheet, positions
from graycell.imports.joining import joined
from graycell.imports.rearranging import gathered_by_row, stacked, with_log
from graycell.imports.rows import with_ids_split, without_rows
from graycell.imports.spec import EVERY, ImportSpec, match
from graycell.imports.vocabulary import words_of
from graycell.runs.format.files import Source, UnreadableError, parquet, text_table, transposed, workbook
from graycell.runs.format.tables import Table
from graycell.runs.format.xls import xls

_LOOKED_AT = 30
"""Rows in which the headings of a file that is joined are looked for."""
_OTHER_WORKBOOKS = (".xlsm", ".xlsb", ".ods", ".numbers")


def source_of_any(path: Path, spec: ImportSpec, others: Sequence[Path] = ()) -> Source:
    """Return all tables of somebody's CSV, XLSX, XLS or Parquet file, or of exports of analysers.

    Args:
        path: the file.
        spec: the mapping.
        others: further exports of analysers, whose samples are joined with those of the first.

    Returns:
        The tables by sheet.

    Raises:
        UnreadableError: it is no such file, or beyond the bounds.
    """
    suffix, place = path.suffix.lower(), shown(path.name)
    try:
        if spec.analyser:
            return source_of([_export(file) for file in (path, *others)])
        if suffix == ".xls":
            return xls(path, spec.decimal)
        if suffix in _OTHER_WORKBOOKS:
            raise UnreadableError(place, f"'{suffix}'", "CSV, XLSX, XLS and Parquet are read", "save it as .xlsx")
        if suffix == ".xlsx":
            return workbook(path, None, spec.decimal)
        if suffix == ".parquet":
            table, data = parquet(path, spec.decimal)
            return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())
        try:
            return text_table(path, None if spec.transposed else spec.header)
        except UnreadableError:
            if spec.transposed:
                raise
            return text_table(path, None)  # the headings may be in another row, with the separator of the rest
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{getattr(error, 'strerror', None) or error}'"
        raise UnreadableError(place, found, "the file must be readable", "look at its path") from error


def _export(path: Path) -> Export:
    """Return the samples in a file of an analyser; raises `UnreadableError` for a file of another kind."""
    export = export_of(path)
    if export is None:
        content_of(path)  # where that cannot be read, it says why
        known = ", ".join(analyser.name for analyser in ANALYSERS)
        remedy = "leave analyser out of the mapping, or look at what was exported"
        raise UnreadableError(shown(path.name), "a file of another kind", f"files of {known} are read", remedy)
    return export


def grid_of(source: Source, spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return the rows of a file as a mapping lays them out.

    Args:
        source: the file.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grid; None where a fault was noted.

    Raises:
        UnreadableError: a sheet cannot be read, or the rows are beyond the bounds.
    """
    native = not source.files[0].lower().endswith(".csv")
    sheets = _sheets(source, spec, faults)
    if spec.transposed:
        sheets = {name: transposed(table) for name, table in sheets.items()}
    grids = {name: grid_of_sheet(table, _headed(table, spec, name), native, faults) for name, table in sheets.items()}
    found = _arranged(grids, source, spec, faults)
    return None if found is None else replace(found, native=native)


def grid_of_joined(sources: Mapping[str, Source], spec: ImportSpec, faults: Faults) -> tuple[Source, Grid | None]:
    """Return the rows of several files of the same samples.

    Args:
        sources: by the names of the files.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        All tables as those of one file, and the grid; None where a fault was noted.

    Raises:
        UnreadableError: a sheet cannot be read, or the rows are beyond the bounds.
    """
    grids: dict[str, Grid] = {}
    tables: dict[str, Table] = {}
    read: set[str] = set()
    there = {sheet for source in sources.values() for sheet in source.tables}
    for name in spec.sheets or ():
        if name not in (*there, EVERY):
            needed = "a sheet is named as in one of the workbooks"
            faults.of_mapping("sheet", f"no sheet '{name}'", needed, nearest(name, there))
    for file, source in sources.items():
        wanted = tuple(name for name in spec.sheets or () if name in (*source.tables, EVERY)) or None
        sheets = _sheets(source, replace(spec, sheets=wanted), faults)
        for name, table in sheets.items():
            table = transposed(table) if spec.transposed else table
            label = file if len(sheets) == 1 else name
            grids[label] = grid_of_sheet(table, _headed(table, spec, label), not file.lower().endswith(".csv"), faults)
        for name, table in source.tables.items():
            unique = name if name not in tables else f"{file}: {name}"
            tables[unique] = table
            read |= {unique} if name in sheets else set()
    digest = hashlib.sha256("".join(source.sha256 for source in sources.values()).encode()).hexdigest()
    unreadable = frozenset().union(*(source.unreadable for source in sources.values()))
    findings = tuple(finding for source in sources.values() for finding in source.findings)
    whole = Source(tables, unreadable, tuple(sources), digest, findings)
    found = _arranged(grids, whole, spec, faults)
    return whole, None if found is None else replace(found, sheets=found.sheets | read)


def _headed(table: Table, spec: ImportSpec, label: str) -> ImportSpec:
    """Return a spec with the row of the headings of a sheet that is joined: that which has the names of the samples."""
    names = spec.join.get(label) or spec.join.get(label.rsplit(".", 1)[0]) or spec.join.get("") or ()
    rows = [set(map(words_of, row)) for row in (table.headings, *table.rows[:_LOOKED_AT])] if names else []
    fits = [i for i, row in enumerate(rows, 1) if set(names) <= row]
    if spec.header in fits or not fits:
        return spec
    return replace(spec, header=fits[0], units=spec.units and spec.units + fits[0] - spec.header)


def _arranged(grids: Mapping[str, Grid], source: Source, spec: ImportSpec, faults: Faults) -> Grid | None:
    """Return the rows of sheets as one grid."""
    if not grids:
        return None
    names = {**grids}
    heads = set().union(*(positions(grid.table.headings) for grid in grids.values()))
    of_ids = set(spec.ids.parts) if spec.ids else set()
    in_file = {heading: words for heading, words in spec.leave_out.items() if heading not in of_ids}
    grids = without_rows(grids, replace(spec, leave_out=in_file), faults)
    if spec.ids is not None:
        if spec.ids.heading not in heads:
            needed = "headings are named as in the file"
            faults.of_mapping("ids", f"no heading '{spec.ids.heading}'", needed, nearest(spec.ids.heading, heads))
            return None
        in_ids = {heading: words for heading, words in spec.leave_out.items() if heading in of_ids}
        grids = {name: with_ids_split(grid, spec.ids, spec.decimal, faults) for name, grid in grids.items()}
        grids = without_rows(grids, replace(spec, leave_out=in_ids), faults)
    [grid, *others] = grids.values()
    if spec.join and others:
        grid = joined(grids, spec, faults)
    elif spec.patterns is not None or others:
        grid = stacked(grids, spec, faults)
    if grid is not None and spec.long is not None:
        grid = gathered_by_row(grid, spec.long, spec, faults)
    if grid is not None and spec.log is not None:
        grid = with_log(grid, source, spec.log, spec, faults)
    read = {*names, spec.log.sheet} if spec.log is not None else set(names)
    return None if grid is None else replace(grid, sheets=frozenset(read))


def _sheets(source: Source, spec: ImportSpec, faults: Faults) -> dict[str, Table]:
    """Return the sheets that a mapping names: one, several in a list, all with "*"; the first if it names none."""
    names = list(source.tables)
    pattern = spec.patterns.patterns.get("sheet") if spec.patterns else None
    wanted = spec.sheets
    if wanted is None:
        wanted = names[:1] if pattern is None else (EVERY,)
    if not wanted:
        needed = "a sheet with a row of headings is needed"
        faults.of_file(source.files[0], "no sheet with anything in it", needed, "look at the file")
    if tuple(wanted) == (EVERY,):
        wanted = [name for name in names if pattern is None or match(pattern, name) is not None]
        if not wanted:
            found, needed = f"no such sheet among {', '.join(names)}", "a sheet whose whole name fits is needed"
            faults.of_mapping("run sheet", found, needed, "correct the pattern")
    for name in wanted:
        if name in source.unreadable:
            fault = next(fault for fault in source.findings if f"'{shown(name)}'" in fault.place)
            raise UnreadableError(fault.place, fault.found, fault.needed, fault.remedy)
        if name not in source.tables:
            needed = "a sheet is named as in the workbook"
            faults.of_mapping("sheet", f"no sheet '{name}'", needed, nearest(name, names))
        elif pattern is not None and match(pattern, name) is None:
            needed = "sheets that are named fit the pattern of run"
            faults.of_mapping("sheet", f"'{name}'", needed, "correct one of the two")
    return {name: source.tables[name] for name in wanted if name in source.tables}
