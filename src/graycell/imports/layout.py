"""How runs lie in a file -> one grid with a row for each run and time.

A file may hold a row for each sample (nothing to do), a column for each sample (`transposed`), a row for each value
(`long`), runs on sheets of their own, runs side by side, or a sheet for each quantity with a column for each run (`run`
as a pattern of sheets and headings); and its feeds in a log on another sheet. Every row of the grid says where in the
file it stands.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from graycell.errors import Faults, nearest
from graycell.imports.grids import Grid, grid_of_sheet, header_of
from graycell.imports.rearranging import gathered_by_row, match, pattern_of, stacked, with_log
from graycell.runs.format.files import Source, UnreadableError, parquet, text_table, transposed, workbook
from graycell.runs.format.tables import Table, shown

_OTHER_WORKBOOKS = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


def source_of_any(path: Path, words: Mapping[str, Any], where: str) -> Source:
    """Return all tables of a CSV, XLSX or Parquet file of someone; raises `UnreadableError`."""
    suffix = path.suffix.lower()
    decimal = "," if words.get("decimal") == "," else "."
    try:
        if suffix in _OTHER_WORKBOOKS:
            raise UnreadableError(shown(path.name), f"'{suffix}'", "CSV, XLSX and Parquet are read", "save it as .xlsx")
        if suffix == ".xlsx":
            return workbook(path, None, decimal)
        if suffix == ".parquet":
            table, data = parquet(path, decimal)
            return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())
        return text_table(path, None if words.get("transposed") is True else header_of(words, where))
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{shown(str(getattr(error, 'strerror', None) or error))}'"
        raise UnreadableError(shown(path.name), found, "the file must be readable", "look at its path") from error


def grid_of(source: Source, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows of the file as a mapping lays them out, None where that is noted as a fault."""
    native = not source.files[0].lower().endswith(".csv")
    sheets = _sheets(source, words, faults)
    if not isinstance(words.get("transposed", False), bool):
        found = shown(str(words["transposed"]))
        faults.of_mapping("transposed", found, "true or false is needed", "write transposed = true")
    if words.get("transposed") is True:
        sheets = {name: transposed(table) for name, table in sheets.items()}
    grids = {name: grid_of_sheet(table, words, native, faults) for name, table in sheets.items()}
    if not grids:
        return None
    run = words.get("run")
    if isinstance(run, Mapping) or len(grids) > 1:
        grid = stacked(grids, run if isinstance(run, Mapping) else {}, words, faults)
    else:
        [grid] = grids.values()
    if grid is not None and "long" in words:
        grid = gathered_by_row(grid, words, faults)
    if grid is not None and "log" in words:
        grid = with_log(grid, source, words, faults)
    log = words.get("log")
    read = {*grids, str(log["sheet"])} if isinstance(log, Mapping) and "sheet" in log else set(grids)
    return None if grid is None else replace(grid, native=native, sheets=frozenset(read))


def _sheets(source: Source, words: Mapping[str, Any], faults: Faults) -> dict[str, Table]:
    """Return the sheets that a mapping names: one, several in a list, all with "*"; the first if it names none."""
    names, run = list(source.tables), words.get("run")
    pattern = None
    if isinstance(run, Mapping) and "sheet" in run:
        pattern = pattern_of(run["sheet"], "run sheet", faults)
        if pattern is None:
            return {}
    wanted = words.get("sheet", names[:1] if pattern is None else "*")
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, str) for one in wanted):
        needed = "the name of a sheet or a list of names is needed"
        faults.of_mapping("sheet", shown(str(wanted)), needed, 'write "*" for all')
        return {}
    if wanted == ["*"]:
        wanted = [name for name in names if pattern is None or match(pattern, name) is not None]
        if not wanted:
            found = f"no such sheet among {', '.join(map(shown, names))}"
            faults.of_mapping("run sheet", found, "a sheet whose whole name fits is needed", "mend the pattern")
    for name in wanted:
        if name in source.unreadable:
            finding = next(one for one in source.findings if f"'{shown(name)}'" in one.place)
            raise UnreadableError(finding.place, finding.found, finding.needed, finding.remedy)
        if name not in source.tables:
            needed, hint = "a sheet is named as in the workbook", nearest(name, names)
            faults.of_mapping("sheet", f"no sheet '{shown(name)}'", needed, hint)
        elif pattern is not None and match(pattern, name) is None:
            needed = "sheets that are named fit the pattern of run"
            faults.of_mapping("sheet", f"'{shown(name)}'", needed, "mend one of the two")
    return {name: source.tables[name] for name in wanted if name in source.tables}
