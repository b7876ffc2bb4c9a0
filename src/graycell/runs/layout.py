"""How runs lie in a file -> one table with a row for each run and time.

A file may hold a row for each sample (nothing to do), a row for each value (`long`), runs on sheets of their own, runs
side by side, or a sheet for each quantity with a column for each run (`run` as a pattern of sheets and headings); and
its feeds in a log on another sheet. Every row of the table says where in the file it stands.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graycell.errors import Faults, Finding, nearest
from graycell.runs.files import MOST_ROWS, Source, UnreadableError, parquet, text_table, workbook
from graycell.runs.tables import Table, shown
from graycell.runs.vocabulary import unit_of_heading

RUN = "{run}"
"""The heading of the runs, where they stood in names of sheets or in headings."""
_PATTERNS = ("{run}", "{quantity}")
_LONGEST_NAME = 200
_LONGEST_LIST = 3


@dataclass(frozen=True)
class Grid:
    """A table with a row for each run and time.

    above: by position, the heading of the row above, which holds for the columns to its right. units: of columns whose
    unit stood in cells. merged: whether rows come from several sheets, and so are to be sorted by time; logged: how
    many of the last of them come from a log. native: whether the file keeps numbers and dates as such. left: headings
    that the layout left out; sheets: those that it read.
    """

    table: Table
    above: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    merged: bool = False
    logged: int = 0
    native: bool = False
    left: tuple[str, ...] = ()
    sheets: frozenset[str] = frozenset()


def words_of(heading: str) -> str:
    """Return a heading with single spaces, as mappings name it."""
    return " ".join(heading.split())


def source_of_any(path: Path, words: Mapping[str, Any], where: str) -> Source:
    """Return all tables of a CSV, XLSX or Parquet file of someone; raises `UnreadableError`."""
    suffix = path.suffix.lower()
    decimal = "," if words.get("decimal") == "," else "."
    try:
        if suffix in (".xls", ".xlsm", ".xlsb", ".ods", ".numbers"):
            raise UnreadableError(shown(path.name), f"'{suffix}'", "CSV, XLSX and Parquet are read", "save it as .xlsx")
        if suffix == ".xlsx":
            return workbook(path, None, decimal)
        if suffix == ".parquet":
            table, data = parquet(path, decimal)
            return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())
        return text_table(path, _header(words, where))
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{shown(str(getattr(error, 'strerror', None) or error))}'"
        raise UnreadableError(shown(path.name), found, "the file must be readable", "look at its path") from error


def grid_of(source: Source, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows of the file as a mapping lays them out, None where that is noted as a fault."""
    sheets = _sheets(source, words, faults)
    grids = {name: _filled(_headed(table, words, faults.where), words, faults) for name, table in sheets.items()}
    if not grids:
        return None
    run = words.get("run")
    if isinstance(run, Mapping) or len(grids) > 1:
        grid = _stacked(grids, run if isinstance(run, Mapping) else {}, words, faults)
    else:
        [grid] = grids.values()
    if grid is not None and "long" in words:
        grid = _gathered(grid, words, faults)
    if grid is not None and "log" in words:
        grid = _with_log(grid, source, words, faults)
    native = not source.files[0].lower().endswith(".csv")
    log = words.get("log")
    read = {*grids, str(log["sheet"])} if isinstance(log, Mapping) and "sheet" in log else set(grids)
    return None if grid is None else replace(grid, native=native, sheets=frozenset(read))


def _sheets(source: Source, words: Mapping[str, Any], faults: Faults) -> dict[str, Table]:
    """Return the sheets that a mapping names: one, several in a list, all with "*"; the first if it names none."""
    names = list(source.tables)
    run = words.get("run")
    every = isinstance(run, Mapping) and "sheet" in run
    wanted = words.get("sheet", "*" if every else names[:1])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list) or not wanted or not all(isinstance(one, str) for one in wanted):
        needed = "the name of a sheet or a list of names is needed"
        faults.of_mapping("sheet", shown(str(wanted)), needed, 'write "*" for all')
        return {}
    if wanted == ["*"]:
        pattern = _pattern(run["sheet"], "run sheet", faults) if isinstance(run, Mapping) and every else None
        found = {name: one for name, one in source.tables.items() if not pattern or _match(pattern, name) is not None}
        if not found:
            needed = "a sheet whose whole name fits is needed"
            faults.of_mapping(
                "run sheet", f"no such sheet among {', '.join(map(shown, names))}", needed, "mend the pattern"
            )
        return found
    for name in wanted:
        if name in source.unreadable:
            raise next(UnreadableError(*_words(one)) for one in source.findings if f"'{shown(name)}'" in one.place)
        if name not in source.tables:
            needed, hint = "a sheet is named as in the workbook", nearest(name, names)
            faults.of_mapping("sheet", f"no sheet '{shown(name)}'", needed, hint)
    return {name: source.tables[name] for name in wanted if name in source.tables}


def _words(finding: Finding) -> tuple[str, str, str, str]:
    return finding.place, finding.found, finding.needed, finding.remedy


def _header(words: Mapping[str, Any], where: str) -> int:
    """Return the row of the headings, counted from 1."""
    header = words.get("header", 1)
    if isinstance(header, bool) or not isinstance(header, int) or not 1 <= header <= MOST_ROWS:
        raise UnreadableError(f"{where}, header", shown(str(header)), "a row is needed", "count rows from 1")
    return header


def _headed(table: Table, words: Mapping[str, Any], where: str) -> Grid:
    """Return the table below a row of headings, with what stands above each of them, and units of a row of units."""
    header, unit_row = _header(words, where), words.get("units")
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
    units: dict[str, str] = {}
    if unit_row is not None:
        if isinstance(unit_row, bool) or not isinstance(unit_row, int) or not header < unit_row <= len(every):
            needed = "the row of the units stands below that of the headings"
            raise UnreadableError(f"{where}, units", shown(str(unit_row)), needed, "count rows from 1")
        for heading, unit in zip(headings, every[unit_row - 1], strict=False):
            units.setdefault(words_of(heading), unit_of_heading(f"({unit.strip().strip('()[]')})"))
        rows[unit_row - 2] = ()
    return Grid(Table(table.place, tuple(headings), tuple(rows)), tuple(above) if header > 1 else (), units)


def _filled(grid: Grid, words: Mapping[str, Any], faults: Faults) -> Grid:
    """Return the grid with the empty cells of some columns filled from above, as cells that were merged need it."""
    names = words.get("fill", [])
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        faults.of_mapping("fill", shown(str(names)), "a list of headings is needed", 'write fill = ["Vessel"]')
        return grid
    at = [i for i, heading in enumerate(grid.table.headings) if words_of(heading) in {words_of(one) for one in names}]
    if len(at) < len(names):
        needed, known = "all of them are headings of the file", [words_of(one) for one in grid.table.headings if one]
        faults.of_mapping("fill", shown(", ".join(names)), needed, nearest(names[0], known))
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


def _heading_of(entry: object) -> str:
    """Return the heading that a word of a mapping names, "" if it names none."""
    name = entry.get("column") if isinstance(entry, Mapping) else entry
    return words_of(name) if isinstance(name, str) else ""


def _named_beside_quantities(words: Mapping[str, Any]) -> set[str]:
    """Return the headings that a mapping names for anything but what was measured."""
    run, parts = words.get("run"), [words.get(one) for one in ("start", "sample", "rows")]
    entries = [words.get(one) for one in ("time", "volume", "temperature", "bleed", "harvest")]
    entries += [run] if isinstance(run, str) else list(run) if isinstance(run, list) else []
    feeds = words.get("feeds")
    parts += list(feeds.values()) if isinstance(feeds, Mapping) else []
    entries += [entry for part in parts if isinstance(part, Mapping) for entry in part.values()]
    return {_heading_of(entry) for entry in entries} - {""}


# ------------------------------------------------------------------------------------------------- sheets


def _pattern(text: object, what: str, faults: Faults) -> re.Pattern | None:
    """Return the pattern of names with {run} and {quantity} in them."""
    if not isinstance(text, str) or not any(one in text for one in _PATTERNS):
        needed = "a name with {run} or {quantity} in it is needed"
        faults.of_mapping(what, shown(str(text)), needed, 'write "{run} {quantity}"')
        return None
    if any(text.count(one) > 1 for one in _PATTERNS):
        faults.of_mapping(what, shown(text), "{run} and {quantity} stand once", "remove one")
        return None
    escaped = re.escape(words_of(text))
    return re.compile(escaped.replace(r"\{run\}", "(?P<run>.+?)").replace(r"\{quantity\}", "(?P<quantity>.+)"))


def _match(pattern: re.Pattern | None, name: str) -> dict[str, str] | None:
    found = pattern.fullmatch(words_of(name)[:_LONGEST_NAME]) if pattern is not None else None
    return None if found is None else {key: value.strip() for key, value in found.groupdict().items()}


def _stacked(grids: Mapping[str, Grid], run: Mapping, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows of sheets below each other; runs and quantities that their names or headings tell as columns."""
    patterns = {}
    for word in run:
        if word not in ("sheet", "heading", "without"):
            found, needed = f"the word '{shown(str(word))}'", "only sheet, heading and without are known"
            faults.of_mapping(f"run {word}", found, needed, "remove it")
            return None
        if word != "without":
            patterns[word] = _pattern(run[word], f"run {word}", faults)
            if patterns[word] is None:
                return None
    without = run.get("without", [])
    beside = _named_beside_quantities(words) | {
        words_of(str(one)) for one in (without if isinstance(without, list) else [without])
    }
    moment = _heading_of(words.get("time"))
    by_quantity = "sheet" in run and "{quantity}" in str(run["sheet"])
    rows: dict[tuple, dict[str, str]] = {}
    origins: dict[tuple, list[str]] = {}
    above: dict[str, str] = {RUN: ""} if run else {}
    units: dict[str, str] = {}
    for name, grid in grids.items():
        told = _match(patterns.get("sheet"), name) if "sheet" in patterns else {}
        if told is None:
            continue
        table, units = grid.table, {**grid.units, **units}
        columns = [(i, words_of(heading)) for i, heading in enumerate(table.headings) if heading.strip()]
        apart = {i: None if heading in beside else _match(patterns.get("heading"), heading) for i, heading in columns}
        for r, cells in enumerate(table.rows):
            if not any(cell.strip() for cell in cells):
                continue
            shared: dict[str, str] = {}
            groups: dict[str, dict[str, str]] = {} if "heading" in patterns else {told.get("run", ""): {}}
            for i, heading in columns:
                cell, found = cells[i] if i < len(cells) else "", apart[i]
                over = grid.above[i] if i < len(grid.above) else ""
                if found is None:  # of columns of one name the first counts
                    shared.setdefault(heading, cell)
                    above.setdefault(heading, over)
                elif cell.strip():
                    of = found.get("run") or told.get("run", "")
                    what = found.get("quantity") or told.get("quantity") or heading
                    groups.setdefault(of, {}).setdefault(what, cell)
                    above.setdefault(what, over)
            for of, own in groups.items():
                # sheets of quantities are joined by time; any other row stays a row
                key = (of, words_of(shared.get(moment, ""))) if by_quantity else (of, name, r)
                row = rows.setdefault(key, {RUN: of} if run else {})
                twice = [what for what in own if row.get(what, "").strip()]
                if twice:
                    faults.of_file(table.at(r), f"a second value of {shown(twice[0])}",
                                   "a quantity is measured once a time", "remove one")  # fmt: skip
                row |= shared | own
                origins.setdefault(key, []).append(table.at(r))
    if not rows:
        faults.of_mapping("run", "no sheet and no heading that fits", "names are matched whole", "look at the pattern")
        return None
    place = next(iter(grids.values())).table.place.split(", sheet")[0]
    made = Table(place, tuple(above), tuple(tuple(row.get(head, "") for head in above) for row in rows.values()),
                 tuple(_places(origins[key]) for key in rows))  # fmt: skip
    return Grid(made, tuple(above.values()), units, merged=by_quantity)


# ------------------------------------------------------------------------------------------------- long


def _gathered(grid: Grid, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return a table with a column for each quantity, of one with a row for each value.

    Rows are joined by what the mapping names, such as run and time; other columns are left out.
    """
    table, long = grid.table, words["long"]
    known = {words_of(heading): i for i, heading in reversed(list(enumerate(table.headings))) if heading.strip()}
    if not isinstance(long, Mapping) or not {"quantity", "value"} <= set(long) <= {"quantity", "value", "unit"}:
        needed = "the columns of quantity and value are needed, and of unit if there is one"
        faults.of_mapping("[long]", shown(str(long)), needed, 'write quantity = "Analyte" and value = "Result"')
        return None
    at = {}
    for word, name in long.items():
        if words_of(str(name)) not in known:
            hint = nearest(str(name), known)
            needed = "headings are named as in the file"
            faults.of_mapping(f"[long] {word}", f"no heading '{shown(str(name))}'", needed, hint)
            return None
        at[word] = known[words_of(str(name))]
    beside = _named_beside_quantities(words) | {RUN}
    others = {heading: i for heading, i in known.items() if heading in beside and i not in at.values()}

    def cell(row: Sequence[str], i: int) -> str:
        return words_of(row[i]) if i < len(row) else ""

    rows: dict[tuple, dict[str, str]] = {}
    origins: dict[tuple, list[str]] = {}
    units: dict[str, str] = {}
    for r, cells in enumerate(table.rows):
        quantity = cell(cells, at["quantity"])
        if not quantity:
            if any(one.strip() for one in cells):
                needed = "every row names its quantity"
                faults.of_file(table.at(r), "an empty cell", needed, "write it, or remove the row")
            continue
        if "unit" in at:
            unit = cell(cells, at["unit"])
            if units.setdefault(quantity, unit) != unit:
                found, needed = (
                    f"the unit '{shown(unit)}' of {shown(quantity)}",
                    f"it was '{shown(units[quantity])}' before",
                )
                faults.of_file(table.at(r), found, needed, "write one unit for a quantity")
        key = tuple(cell(cells, i) for i in others.values())
        row = rows.setdefault(key, {})
        if row.get(quantity):
            faults.of_file(table.at(r), f"a second value of {shown(quantity)}", "a quantity is measured once a time",
                           "remove one, or tell the rows apart by a column of run")  # fmt: skip
        row[quantity] = cell(cells, at["value"])
        origins.setdefault(key, []).append(table.at(r))
    quantities = list(dict.fromkeys(name for row in rows.values() for name in row))
    body = tuple((*key, *(row.get(name, "") for name in quantities)) for key, row in rows.items())
    made = Table(table.place, (*others, *quantities), body, tuple(_places(one) for one in origins.values()))
    left = tuple(heading for heading, i in known.items() if heading not in others and i not in at.values())
    return replace(grid, table=made, above=(), units={**grid.units, **units}, left=left, merged=True)


# ------------------------------------------------------------------------------------------------- log


def _with_log(grid: Grid, source: Source, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows with those of a log below them: a column for each of its feeds, under the name of its sheet."""
    log = words["log"]
    known = ("sheet", "run", "time", "feed", "volume")
    if not isinstance(log, Mapping) or not {"sheet", "volume"} <= set(log) <= set(known):
        needed = f"known words are {', '.join(known)}; sheet and volume are needed"
        faults.of_mapping("[log]", shown(str(log)), needed, 'write sheet = "Feeds" and volume = "Volume (mL)"')
        return None
    if not isinstance(log["sheet"], str) or log["sheet"] not in source.tables:
        hint = nearest(str(log["sheet"]), source.tables)
        found, needed = f"no sheet '{shown(str(log['sheet']))}'", "a sheet is named as in the workbook"
        faults.of_mapping("[log] sheet", found, needed, hint)
        return None
    table = source.tables[log["sheet"]]
    run, moment = words.get("run"), _heading_of(words.get("time"))
    runs = [RUN] if isinstance(run, Mapping) else [run] if isinstance(run, str) else run
    runs = [words_of(str(one)) for one in runs] if isinstance(runs, list) else []
    at = _columns_of_log(table, log, runs, moment, faults)
    if at is None:
        return None
    heads = {words_of(heading): i for i, heading in reversed(list(enumerate(grid.table.headings)))}
    width = len(grid.table.headings)
    feeds: dict[str, int] = {}
    rows, origins = [], [grid.table.at(r) for r in range(len(grid.table.rows))]
    for r, cells in enumerate(table.rows):
        if not any(cell.strip() for cell in cells):
            continue
        told = {word: words_of(cells[i]) if i < len(cells) else "" for word, i in at.items()}
        name = told.get("feed", words_of(str(log["volume"])))
        if not name:
            needed = "every row of a log names its feed"
            faults.of_file(table.at(r), "an empty cell", needed, "write it, or remove the row")
            continue
        if name in heads:
            found, needed = f"the feed '{shown(name)}'", "a column of the samples has that name"
            faults.of_file(table.at(r), found, needed, "rename one of them")
            return None
        row = [""] * (width + 1 + feeds.setdefault(name, len(feeds)))
        for i, heading in enumerate(runs):
            row[heads.get(heading, 0)] = told[f"run {i + 1}"]
        row[heads.get(moment, 0)], row[-1] = told["time"], told["volume"]
        rows.append(tuple(row))
        origins.append(table.at(r))
    made = Table(grid.table.place, (*grid.table.headings, *feeds), (*grid.table.rows, *rows), tuple(origins))
    above = (*(*grid.above, *[""] * width)[:width], *[str(log["sheet"])] * len(feeds))
    units = {**grid.units, **dict.fromkeys(feeds, unit_of_heading(str(log["volume"])))}
    return replace(grid, table=made, above=above, units=units, merged=True, logged=len(rows))


def _columns_of_log(
    table: Table, log: Mapping, runs: Sequence[str], moment: str, faults: Faults
) -> dict[str, int] | None:
    """Return where run, time, feed and volume of a log stand; the first two are named as those of the samples."""
    known = {words_of(heading): i for i, heading in reversed(list(enumerate(table.headings)))}
    told = log.get("run", list(runs))
    told = [told] if isinstance(told, str) else list(told) if isinstance(told, list) else []
    if len(told) != len(runs):
        found, needed = f"{len(told)} columns", f"runs are told apart by {len(runs)}"
        faults.of_mapping("[log] run", found, needed, "name as many")
        return None
    named = {word: words_of(str(log[word])) for word in ("volume", "feed") if word in log}
    named["time"] = words_of(str(log.get("time", moment)))
    named |= {f"run {i + 1}": words_of(str(name)) for i, name in enumerate(told)}
    for word, name in named.items():
        if name not in known:
            hint = nearest(name, known)
            needed = "headings are named as in that sheet"
            faults.of_mapping(f"[log] {word}", f"no heading '{shown(name)}'", needed, hint)
            return None
    if unit_of_heading(named["time"]) != unit_of_heading(moment):
        found, needed = f"'{shown(named['time'])}'", f"its unit is that of '{shown(moment)}'"
        faults.of_mapping("[log] time", found, needed, "write both in one unit")
        return None
    return {word: known[name] for word, name in named.items()}


def _places(places: Iterable[str]) -> str:
    """Return several places as one: the first in full, of the others what differs."""
    first, *others = dict.fromkeys(places)
    sheet = first.rsplit(", row", 1)[0]
    rows = [place.removeprefix(f"{sheet}, row ") if place.startswith(f"{sheet}, row ") else place.split(", ", 1)[-1]
            for place in others]  # fmt: skip
    more = f" and {len(rows) - _LONGEST_LIST} more" if len(rows) > _LONGEST_LIST else ""
    return first + "".join(f", {row}" for row in rows[:_LONGEST_LIST]) + more
