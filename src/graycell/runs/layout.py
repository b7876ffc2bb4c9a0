"""How runs lie in a file -> one table with a row for each run and time.

A file may hold a row for each sample (nothing to do), a row for each value (`long`), runs on sheets of their own, runs
side by side, or a sheet for each quantity with a column for each run (`run` as a pattern of sheets and headings). Every
row of the table says where in the file it stands.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graycell.errors import nearest
from graycell.runs.files import Source, UnreadableError, parquet, text_table, workbook
from graycell.runs.tables import Table, parse_number, shown
from graycell.runs.vocabulary import unit_of_heading

RUN = "{run}"
"""The heading of the runs, where they stood in names of sheets or in headings."""
_LONGEST_NAME = 200
_LONGEST_LIST = 3

Fault = Callable[[str, str, str, str], None]
"""Notes what is wrong with a mapping: of which word, what was found, what is needed, what to do."""


@dataclass(frozen=True)
class Grid:
    """A table with a row for each run and time.

    above: by position, the heading of the row above, which holds for the columns to its right; units: of columns whose
    unit stood in cells; merged: whether rows of several sheets were joined, and so are to be sorted; read: headings
    that the layout itself used.
    """

    table: Table
    above: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    merged: bool = False
    read: frozenset[str] = frozenset()


def words_of(heading: str) -> str:
    """Return a heading with single spaces, as mappings name it."""
    return " ".join(heading.split())


def source_of_any(path: Path, words: Mapping[str, Any], where: str) -> Source:
    """Return all tables of a CSV, XLSX or Parquet file of someone."""
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return workbook(path, None)
    if suffix == ".parquet":
        table, data = parquet(path)
        return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())
    return text_table(path, _header(words, where))


def grid_of(source: Source, words: Mapping[str, Any], where: str, fault: Fault) -> Grid | None:
    """Return the rows of the file as a mapping lays them out, None where that is noted as a fault."""
    sheets = _sheets(source, words, fault)
    headed = {name: _headed(table, _header(words, where), where) for name, table in sheets.items()}
    if not headed:
        return None
    run, long = words.get("run"), words.get("long")
    if isinstance(run, Mapping):
        grid = _stacked({name: one[0] for name, one in headed.items()}, run, words.get("time"), fault)
    elif len(headed) == 1:
        grid = Grid(*next(iter(headed.values())))
    else:
        grid = _stacked({name: one[0] for name, one in headed.items()}, {}, words.get("time"), fault)
    if grid is not None and long is not None:
        grid = _gathered(grid, long, fault)
    return grid if grid is None or "log" not in words else _with_log(grid, source, words, fault)


def _sheets(source: Source, words: Mapping[str, Any], fault: Fault) -> dict[str, Table]:
    """Return the sheets that a mapping names: one, several in a list, all with "*"; the first if it names none."""
    names = list(source.tables)
    run = words.get("run")
    every = isinstance(run, Mapping) and "sheet" in run
    wanted = words.get("sheet", "*" if every else names[:1])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        fault("sheet", shown(str(wanted)), "the name of a sheet or a list of names is needed", 'write "*" for all')
        return {}
    if wanted == ["*"]:
        return dict(source.tables)
    for name in wanted:
        if name not in source.tables:
            fault("sheet", f"'{shown(name)}'", "it is a sheet of the workbook", nearest(name, names))
    return {name: source.tables[name] for name in wanted if name in source.tables}


def _header(words: Mapping[str, Any], where: str) -> int:
    """Return the row of the headings, counted from 1."""
    header = words.get("header", 1)
    if isinstance(header, bool) or not isinstance(header, int) or header < 1:
        raise UnreadableError(f"{where}, header", shown(str(header)), "a row is needed", "count rows from 1")
    return header


def _headed(table: Table, header: int, where: str) -> tuple[Table, tuple[str, ...]]:
    """Return the table below a row of headings, and what stands above each of them."""
    if header > len(table.rows) + 1:
        needed = f"a row from 1 to {len(table.rows) + 1} is needed"
        raise UnreadableError(f"{where}, header", str(header), needed, "count rows as the spreadsheet does")
    if header == 1:
        return table, ()
    every = (table.headings, *table.rows)
    above, last = [], ""
    for i in range(max(len(every[header - 1]), len(every[header - 2]))):
        last = (words_of(every[header - 2][i]) if i < len(every[header - 2]) else "") or last
        above.append(last)
    # empty rows stay in place of those above, so that rows count as the spreadsheet counts them
    return Table(table.place, every[header - 1], (*[()] * (header - 1), *every[header:])), tuple(above)


def _pattern(text: object, what: str, fault: Fault) -> re.Pattern | None:
    """Return the pattern of names with {run} and {quantity} in them."""
    if not isinstance(text, str) or not {"{run}", "{quantity}"} & set(re.findall(r"\{\w+\}", text)):
        fault(what, shown(str(text)), "a name with {run} or {quantity} in it is needed", 'write "{run} {quantity}"')
        return None
    if any(text.count(one) > 1 for one in ("{run}", "{quantity}")):
        fault(what, shown(text), "{run} and {quantity} stand once", "remove one")
        return None
    escaped = re.escape(words_of(text))
    return re.compile(escaped.replace(r"\{run\}", "(?P<run>.+?)").replace(r"\{quantity\}", "(?P<quantity>.+)"))


def _match(pattern: re.Pattern | None, name: str) -> dict[str, str] | None:
    found = pattern.fullmatch(words_of(name)[:_LONGEST_NAME]) if pattern is not None else None
    return None if found is None else {key: value.strip() for key, value in found.groupdict().items()}


def _stacked(sheets: Mapping[str, Table], run: Mapping, time: object, fault: Fault) -> Grid | None:
    """Return the rows of sheets below each other; runs and quantities that their names or headings tell as columns."""
    patterns = {}
    for word in run:
        if word not in ("sheet", "heading"):
            fault(f"run {word}", f"the word '{shown(str(word))}'", "only sheet and heading are known", "remove it")
            return None
        patterns[word] = _pattern(run[word], f"run {word}", fault)
        if patterns[word] is None:
            return None
    moment = _heading_of(time)
    rows: dict[tuple, dict[str, str]] = {}
    origins: dict[tuple, list[str]] = {}
    headings: dict[str, None] = {RUN: None} if run else {}
    by_quantity = "sheet" in run and "{quantity}" in str(run["sheet"])
    for name, table in sheets.items():
        told = _match(patterns.get("sheet"), name) if "sheet" in patterns else {}
        if told is None:
            continue
        columns = [(i, words_of(heading)) for i, heading in enumerate(table.headings) if heading.strip()]
        apart = {i: _match(patterns.get("heading"), heading) for i, heading in columns}
        apart = {i: None if heading == moment else apart[i] for i, heading in columns}
        for r, cells in enumerate(table.rows):
            if not any(cell.strip() for cell in cells):
                continue
            shared = {heading: cells[i] for i, heading in columns if apart[i] is None and i < len(cells)}
            groups: dict[str, dict[str, str]] = {} if "heading" in patterns else {told.get("run", ""): {}}
            for i, heading in columns:
                found = apart[i]
                if found is not None and i < len(cells) and cells[i].strip():
                    of = found.get("run") or told.get("run", "")
                    what = found.get("quantity") or told.get("quantity") or heading
                    groups.setdefault(of, {})[what] = cells[i]
            for of, own in groups.items():
                # sheets of quantities are joined by time; any other row stays a row
                key = (of, words_of(shared.get(moment, ""))) if by_quantity else (of, name, r)
                row = rows.setdefault(key, {RUN: of} if run else {})
                row |= shared | own
                origins.setdefault(key, []).append(table.at(r))
                headings |= dict.fromkeys([*shared, *own])
    if not rows:
        fault("run", "no sheet and no heading that fits", "names are matched whole", "look at the pattern")
        return None
    heads = tuple(headings)
    place = next(iter(sheets.values())).place.split(", sheet")[0]
    keys = list(rows)
    if by_quantity:  # in the order of time, run by run
        keys.sort(key=lambda key: (list(dict.fromkeys(one[0] for one in rows)).index(key[0]), _order(key[1])))
    made = Table(place, heads, tuple(tuple(rows[key].get(head, "") for head in heads) for key in keys),
                 tuple(_places(origins[key]) for key in keys))  # fmt: skip
    return Grid(made, merged=by_quantity)


def _with_log(grid: Grid, source: Source, words: Mapping[str, Any], fault: Fault) -> Grid | None:
    """Return the rows with those of a log below them: a column for each of its feeds, under the name of its sheet."""
    log = words["log"]
    known = ("sheet", "run", "time", "feed", "volume")
    if not isinstance(log, Mapping) or not {"sheet", "volume"} <= set(log) <= set(known):
        fault("[log]", shown(str(log)), f"known words are {', '.join(known)}; sheet and volume are needed",
              'write sheet = "Feeds", feed = "Medium" and volume = "Volume (mL)"')  # fmt: skip
        return None
    if log["sheet"] not in source.tables:
        hint = nearest(str(log["sheet"]), source.tables)
        fault("[log] sheet", f"'{shown(str(log['sheet']))}'", "it is a sheet of the workbook", hint)
        return None
    table = source.tables[log["sheet"]]
    at = {words_of(heading): i for i, heading in reversed(list(enumerate(table.headings)))}
    run, moment = words.get("run"), _heading_of(words.get("time"))
    runs = [RUN] if isinstance(run, Mapping) else [run] if isinstance(run, str) else list(run or [])
    told = log.get("run", runs)
    told = [told] if isinstance(told, str) else told
    named = {"time": words_of(str(log.get("time", moment))), "volume": words_of(str(log["volume"]))}
    named |= {f"run {i + 1}": words_of(str(name)) for i, name in enumerate(told)}
    named |= {"feed": words_of(str(log["feed"]))} if "feed" in log else {}
    for word, name in named.items():
        if name not in at:
            fault(f"[log] {word}", f"'{shown(name)}'", "it is a heading of that sheet", nearest(name, at))
    if len(told) != len(runs):
        fault("[log] run", f"{len(told)} columns", f"runs are told apart by {len(runs)}", "name as many")
    if not set(named.values()) <= set(at) or len(told) != len(runs):
        return None
    if unit_of_heading(named["time"]) != unit_of_heading(moment):
        fault(
            "[log] time",
            f"'{shown(named['time'])}'",
            f"its unit is that of '{shown(moment)}'",
            "write both in one unit",
        )
        return None
    heads = {words_of(heading): i for i, heading in reversed(list(enumerate(grid.table.headings)))}
    lasts = len(grid.table.headings)
    feeds: dict[str, int] = {}
    rows, origins = [], [grid.table.at(r) for r in range(len(grid.table.rows))]
    for r, cells in enumerate(table.rows):
        if not any(cell.strip() for cell in cells):
            continue

        def cell(word: str, cells=cells) -> str:
            return words_of(cells[at[named[word]]]) if at[named[word]] < len(cells) else ""

        name = cell("feed") if "feed" in named else named["volume"]
        if not name:
            fault(table.at(r), "an empty cell", "every row of a log names its feed", "write it, or remove the row")
            continue
        if name in heads:
            fault(
                table.at(r), f"the feed '{shown(name)}'", "a column of the samples has that name", "rename one of them"
            )
            return None
        row = [""] * (lasts + 1 + feeds.setdefault(name, len(feeds)))
        for i, heading in enumerate(runs):
            row[heads.get(words_of(heading), 0)] = cell(f"run {i + 1}")
        row[heads.get(moment, 0)], row[-1] = cell("time"), cell("volume")
        rows.append(tuple(row))
        origins.append(table.at(r))
    made = Table(grid.table.place, (*grid.table.headings, *feeds), (*grid.table.rows, *rows), tuple(origins))
    above = (*(*grid.above, *[""] * lasts)[:lasts], *[str(log["sheet"])] * len(feeds))
    units = {**grid.units, **dict.fromkeys(feeds, unit_of_heading(named["volume"]))}
    return replace(grid, table=made, above=above, units=units, merged=True)


def _heading_of(entry: object) -> str:
    """Return the heading that a word of a mapping names, "" if it names none."""
    name = entry.get("column") if isinstance(entry, Mapping) else entry
    return words_of(name) if isinstance(name, str) else ""


def _order(cell: str) -> tuple[float, str]:
    number = parse_number(cell.replace(",", "."))
    return (0.0, cell) if number is None else (number, "")


def _gathered(grid: Grid, long: object, fault: Fault) -> Grid | None:
    """Return a table with a column for each quantity, of one with a row for each value."""
    table = grid.table
    known = {words_of(heading): i for i, heading in reversed(list(enumerate(table.headings)))}
    if not isinstance(long, Mapping) or not {"quantity", "value"} <= set(long) <= {"quantity", "value", "unit"}:
        fault("[long]", shown(str(long)), "the columns of quantity and value are needed, and of unit if there is one",
              'write quantity = "Analyte" and value = "Result"')  # fmt: skip
        return None
    at = {}
    for word, name in long.items():
        if words_of(str(name)) not in known:
            fault(f"[long] {word}", f"'{shown(str(name))}'", "it is a heading of the file", nearest(str(name), known))
            return None
        at[word] = known[words_of(str(name))]
    others = [i for i in range(len(table.headings)) if i not in at.values() and table.headings[i].strip()]

    def cell(row: Sequence[str], i: int) -> str:
        return words_of(row[i]) if i < len(row) else ""

    rows: dict[tuple, dict[str, str]] = {}
    origins: dict[tuple, list[str]] = {}
    units: dict[str, str] = {}
    for r, cells in enumerate(table.rows):
        quantity = cell(cells, at["quantity"])
        if not quantity:
            if any(one.strip() for one in cells):
                fault(table.at(r), "an empty cell", "every row names its quantity", "write it, or remove the row")
            continue
        if "unit" in at:
            unit = cell(cells, at["unit"])
            if units.setdefault(quantity, unit) != unit:
                fault(table.at(r), f"the unit '{shown(unit)}' of {shown(quantity)}",
                      f"it was '{shown(units[quantity])}' before", "write one unit for a quantity")  # fmt: skip
        key = tuple(cell(cells, i) for i in others)
        row = rows.setdefault(key, {})
        if quantity in row:
            fault(table.at(r), f"a second value of {shown(quantity)}", "a quantity is measured once a time",
                  "remove one, or tell the rows apart by a column")  # fmt: skip
        row[quantity] = cell(cells, at["value"])
        origins.setdefault(key, []).append(table.at(r))
    quantities = list(dict.fromkeys(name for row in rows.values() for name in row))
    heads = (*(table.headings[i] for i in others), *quantities)
    body = tuple((*key, *(row.get(name, "") for name in quantities)) for key, row in rows.items())
    made = Table(table.place, heads, body, tuple(_places(one) for one in origins.values()))
    return replace(grid, table=made, above=(), units=units, read=frozenset(words_of(str(one)) for one in long.values()))


def _places(places: Iterable[str]) -> str:
    """Return several places as one, the first in full."""
    places = list(dict.fromkeys(places))
    first, *others = places
    rows = [place.rsplit(", ", 1)[-1].removeprefix("row ") for place in others]
    more = f" and {len(rows) - _LONGEST_LIST} more" if len(rows) > _LONGEST_LIST else ""
    return first + "".join(f", {row}" for row in rows[:_LONGEST_LIST]) + more
