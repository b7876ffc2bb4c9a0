"""Grids -> one grid: sheets below each other, runs side by side, a row for each value, and a log of feeds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graycell.errors import Faults, nearest
from graycell.imports.grids import Grid, heading_of, positions, words_of
from graycell.imports.vocabulary import unit_of_heading
from graycell.runs.format.files import MOST_CELLS, MOST_COLUMNS, MOST_ROWS, Source, UnreadableError
from graycell.runs.format.tables import Table, shown

RUN = "{run}"
"""The heading of the runs, where they stood in names of sheets or in headings."""
_UNIT = "{unit}"
_PATTERNS = ("{run}", "{quantity}")
_LONGEST_NAME = 200
"""Letters of a name that are matched with a pattern."""
_MOST_PLACES = 3
"""Places that are told beside the first of a row that was put together."""


def named_beside_quantities(words: Mapping[str, Any]) -> set[str]:
    """Return the headings that a mapping names for anything but what was measured."""
    run, parts = words.get("run"), [words.get(one) for one in ("start", "sample", "rows")]
    entries = [words.get(one) for one in ("time", "volume", "temperature", "bleed", "harvest")]
    entries += [run] if isinstance(run, str) else list(run) if isinstance(run, list) else []
    feeds = words.get("feeds")
    parts += list(feeds.values()) if isinstance(feeds, Mapping) else []
    entries += [entry for part in parts if isinstance(part, Mapping) for entry in part.values()]
    return ({heading_of(entry) for entry in entries} | {_clock_of(words)}) - {""}


def _clock_of(words: Mapping[str, Any]) -> str:
    time = words.get("time")
    clock = time.get("clock") if isinstance(time, Mapping) else None
    return words_of(clock) if isinstance(clock, str) else ""


def _bounded(place: str, columns: int, rows: int) -> None:
    """Raise `UnreadableError` for a table that would be beyond the bounds of one in a file."""
    if columns > MOST_COLUMNS or rows > MOST_ROWS or columns * rows > MOST_CELLS:
        needed = f"a table has at most {MOST_COLUMNS} columns, {MOST_ROWS} rows and {MOST_CELLS} cells"
        raise UnreadableError(place, f"{columns} columns and {rows} rows, put together", needed, "split the data")


# ------------------------------------------------------------------------------------------------- sheets


def pattern_of(text: object, what: str, faults: Faults) -> re.Pattern | None:
    """Return the pattern of names with {run} and {quantity} in them, None where that is a fault."""
    if not isinstance(text, str) or not any(one in text for one in _PATTERNS):
        needed = "a name with {run} or {quantity} in it is needed"
        faults.of_mapping(what, shown(str(text)), needed, 'write "{run} {quantity}"')
        return None
    if any(text.count(one) > 1 for one in (*_PATTERNS, _UNIT)):
        faults.of_mapping(what, shown(text), "{run} and {quantity} stand once", "remove one")
        return None
    escaped = re.escape(words_of(text))
    escaped = escaped.replace(r"\{run\}", "(?P<run>.+?)").replace(r"\{quantity\}", "(?P<quantity>.+)")
    return re.compile(escaped.replace(r"\{unit\}", "(?P<unit>.+?)"))


def match(pattern: re.Pattern, name: str) -> dict[str, str] | None:
    """Return the run and the quantity that a name tells, None if it does not fit; a unit goes with its quantity."""
    found = pattern.fullmatch(words_of(name)[:_LONGEST_NAME])
    if found is None:
        return None
    told = {key: value.strip() for key, value in found.groupdict().items()}
    unit = told.pop("unit", "")
    return told | ({"quantity": f"{told['quantity']} ({unit})"} if unit and "quantity" in told else {})


class _Rows:
    """Rows that are put together from cells of several places; a filled cell is kept, and another one is a fault."""

    def __init__(self, faults: Faults):
        self.faults = faults
        self.rows: dict[tuple, dict[str, str]] = {}
        self.origins: dict[tuple, list[str]] = {}
        self.above: dict[str, str] = {}
        self.units: dict[str, str] = {}

    def head(self, heading: str, above: str, unit: str, place: str) -> None:
        """Add a heading, of which all sheets state one unit."""
        self.above.setdefault(heading, above)
        if self.units.setdefault(heading, unit) != unit:
            found = f"the unit '{shown(unit)}' of '{shown(heading)}'"
            self.faults.of_file(place, found, f"elsewhere it is '{shown(self.units[heading])}'", "write one unit")

    def add(self, key: tuple, cells: Mapping[str, str], place: str) -> None:
        """Add the cells of one place to a row."""
        row = self.rows.setdefault(key, {})
        for heading, cell in cells.items():
            known = row.get(heading, "")
            if known.strip() and cell.strip() and words_of(known) != words_of(cell):
                needed = f"'{shown(words_of(known))}' stands for the same run and time"
                self.faults.of_file(place, f"a second value of {shown(heading)}, '{shown(words_of(cell))}'", needed,
                                    "remove one")  # fmt: skip
            elif not known.strip():
                row[heading] = cell
        self.origins.setdefault(key, []).append(place)

    def grid(self, place: str, merged: bool) -> Grid:
        """Return them."""
        heads = tuple(self.above)
        _bounded(place, len(heads), len(self.rows))
        body = tuple(tuple(row.get(head, "") for head in heads) for row in self.rows.values())
        units = {i: self.units[head] for i, head in enumerate(heads) if self.units.get(head)}
        table = Table(place, heads, body, tuple(_places(self.origins[key]) for key in self.rows))
        return Grid(table, tuple(self.above.values()), units, merged)


def stacked(grids: Mapping[str, Grid], run: Mapping, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows of sheets below each other; runs and quantities that their names or headings tell as columns."""
    patterns: dict[str, re.Pattern] = {}
    for word in run:
        if word not in ("sheet", "heading", "above", "without"):
            found, needed = f"the word '{shown(str(word))}'", "only sheet, heading, above and without are known"
            faults.of_mapping(f"run {word}", found, needed, "remove it")
            return None
        pattern = None if word == "without" else pattern_of(run[word], f"run {word}", faults)
        if pattern is not None:
            patterns[word] = pattern
        elif word != "without":
            return None
    for one in _PATTERNS:
        count = sum(one in str(run[word]) for word in patterns)
        if count > 1 or (count == 0 and one == RUN and run):
            found = f"{one} in {count} of {', '.join(patterns)}"
            faults.of_mapping("run", found, "one of them tells it", f"write {one} into one of them")
            return None
    without = {words_of(str(one)) for one in _listed(run.get("without", []))}
    moments = [one for one in (heading_of(words.get("time")), _clock_of(words)) if one]
    of_all = without | (set() if "above" in patterns else named_beside_quantities(words))
    by_quantity = "sheet" in run and "{quantity}" in str(run["sheet"])
    made = _Rows(faults)
    if run:
        made.head(RUN, "", "", "")
    for name, grid in grids.items():
        told = match(patterns["sheet"], name) if "sheet" in patterns else {}
        once = [one for one in moments if [words_of(head) for head in grid.table.headings].count(one) == 1]
        whose = _whose(grid, told or {}, patterns, of_all | set(once), faults)
        if run and set(patterns) != {"sheet"} and all(of is None for of, _ in whose.values()):
            remedy = "look at the pattern" + ("" if grid.above else ", or write header = 2" if "above" in run else "")
            needed = "the whole name fits the pattern"
            faults.of_mapping("run", f"no heading that fits in '{shown(name)}'", needed, remedy)
            return None
        _stack(made, grid, name, whose, (told or {}).get("run", ""), moments, by_quantity)
    place = next(iter(grids.values())).table.place.split(", sheet")[0]
    if not made.rows:
        faults.of_mapping("run", "no rows with values", "rows below the headings are needed", "look at the header")
        return None
    return made.grid(place, by_quantity or len(grids) > 1)


def _listed(one: object) -> list:
    return one if isinstance(one, list) else [one]


def _whose(
    grid: Grid, told: Mapping[str, str], patterns: Mapping[str, re.Pattern], of_all: set[str], faults: Faults
) -> dict[int, tuple[str | None, str]]:
    """Return by position the run of a column, None if all runs of the row share it, and the heading of its quantity.

    told: what the name of the sheet tells; of_all: headings that all runs share. Of columns of one name the first
    counts; a second one of a run is a fault.
    """
    headings = [words_of(heading) for heading in grid.table.headings]
    whose: dict[int, tuple[str | None, str]] = {}
    for i, heading in enumerate(headings):
        if not heading or ("above" not in patterns and heading in headings[:i]):
            continue
        parts = {"above": grid.above[i] if i < len(grid.above) else "", "heading": heading}
        found = [match(patterns[part], name) for part, name in parts.items() if part in patterns]
        fits = [one for one in found if one is not None]
        if heading in of_all or len(fits) < len(found) or not (found or "quantity" in told):
            if (None, heading) not in whose.values():
                whose[i] = (None, heading)
            continue
        known = {word: name for one in (told, *fits) for word, name in one.items()}
        own = (known.get("run", ""), known.get("quantity") or heading)
        if own in whose.values():
            found_words = f"a second '{shown(own[1])}' of '{shown(own[0])}'"
            faults.of_file(grid.table.place, found_words, "a run has one column of a name", "rename one, or its run")
        whose.setdefault(i, own)
    return whose


def _stack(
    made: _Rows, grid: Grid, name: str, whose: Mapping[int, tuple[str | None, str]], of_sheet: str,
    moments: Sequence[str], by_quantity: bool,
) -> None:  # fmt: skip
    """Add the rows of a sheet, of the run `of_sheet` if no column is of one.

    A run gets no row where it has neither a value nor a time.
    """
    table = grid.table
    runs = list(dict.fromkeys(run for run, _ in whose.values() if run is not None)) or [of_sheet]
    _bounded(table.place, len({heading for _, heading in whose.values()}), len(runs) * len(table.rows))
    for i, (run, heading) in whose.items():
        above = grid.above[i] if run is None and i < len(grid.above) else ""
        made.head(heading, above, grid.units.get(i, ""), table.place)
    for r, cells in enumerate(table.rows):
        if not any(cell.strip() for cell in cells):
            continue
        cells_of: dict[str | None, dict[str, str]] = {}
        for i, (run, heading) in whose.items():
            if i < len(cells):
                cells_of.setdefault(run, {})[heading] = cells[i]
        shared = cells_of.get(None, {})
        when = tuple(words_of(shared.get(one, "")) for one in moments)
        for run in runs:
            own = cells_of.get(run, {})
            if len(runs) > 1 and not any(cell.strip() for cell in (*own.values(), *when)):
                continue
            key = (run, *when) if by_quantity else (run, name, r)
            made.add(key, ({RUN: run} if RUN in made.above else {}) | shared | own, table.at(r))


# ------------------------------------------------------------------------------------------------- long


def gathered_by_row(grid: Grid, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return a table with a column for each quantity that the mapping measures, of one with a row for each value.

    Rows are joined by what the mapping names, such as run and time; other columns and quantities are left out.
    """
    table, long = grid.table, words["long"]
    known = positions(table.headings)
    if not isinstance(long, Mapping) or not {"quantity", "value"} <= set(long) <= {"quantity", "value", "unit"}:
        needed = "the columns of quantity and value are needed, and of unit if there is one"
        faults.of_mapping("[long]", shown(str(long)), needed, 'write quantity = "Analyte" and value = "Result"')
        return None
    at = {}
    for word, name in long.items():
        if words_of(str(name)) not in known:
            needed, hint = "headings are named as in the file", nearest(shown(str(name)), known)
            faults.of_mapping(f"[long] {word}", f"no heading '{shown(str(name))}'", needed, hint)
            return None
        at[word] = known[words_of(str(name))]
    beside = named_beside_quantities(words) | {RUN}
    measured = words.get("measured")
    wanted = {heading_of(one) for one in measured.values()} if isinstance(measured, Mapping) else set[str]()
    small = {one.lower(): one for one in wanted}
    others = {heading: i for heading, i in known.items() if heading in beside and i not in at.values()}
    left = [heading for heading, i in known.items() if heading not in others and i not in at.values()]
    made = _Rows(faults)
    for heading, i in others.items():
        made.head(heading, "", grid.units.get(i, ""), "")

    def cell(row: Sequence[str], i: int) -> str:
        return words_of(row[i]) if i < len(row) else ""

    for r, cells in enumerate(table.rows):
        quantity = cell(cells, at["quantity"])
        if not quantity:
            if any(one.strip() for one in cells):
                faults.of_file(
                    table.at(r), "an empty cell", "every row names its quantity", "write it, or remove the row"
                )
            continue
        key = tuple(cell(cells, i) for i in others.values())
        made.add(key, dict(zip(others, key, strict=True)), table.at(r))
        if quantity in wanted:
            made.head(quantity, "", cell(cells, at["unit"]) if "unit" in at else "", table.at(r))
            if made.rows[key].get(quantity):
                needed, remedy = (
                    "a quantity is measured once a time",
                    "remove one, or tell rows apart by a column of run",
                )
                faults.of_file(table.at(r), f"a second value of {shown(quantity)}", needed, remedy)
            else:
                made.add(key, {quantity: cell(cells, at["value"])}, table.at(r))
        elif quantity.lower() in small:
            needed = f"it is '{shown(small[quantity.lower()])}' in the mapping"
            faults.of_file(table.at(r), f"the quantity '{shown(quantity)}'", needed, "write it one way")
        else:
            left.append(quantity)
    found = made.grid(table.place, merged=True)
    return replace(found, native=grid.native, left=tuple(dict.fromkeys(left)))


# ------------------------------------------------------------------------------------------------- log


def with_log(grid: Grid, source: Source, words: Mapping[str, Any], faults: Faults) -> Grid | None:
    """Return the rows with those of a log below them: a column for each of its feeds, under the name of its sheet."""
    log, known = words["log"], ("sheet", "run", "time", "clock", "feed", "volume")
    if not isinstance(log, Mapping) or not {"sheet", "volume"} <= set(log) <= set(known):
        needed = f"known words are {', '.join(known)}; sheet and volume are needed"
        faults.of_mapping("[log]", shown(str(log)), needed, 'write sheet = "Feeds" and volume = "Volume (mL)"')
        return None
    if not isinstance(log["sheet"], str) or log["sheet"] not in source.tables:
        hint = nearest(shown(str(log["sheet"])), source.tables)
        found, needed = f"no sheet '{shown(str(log['sheet']))}'", "a sheet is named as in the workbook"
        faults.of_mapping("[log] sheet", found, needed, hint)
        return None
    table, run, moment = source.tables[log["sheet"]], words.get("run"), heading_of(words.get("time"))
    runs = [RUN] if isinstance(run, Mapping) else _listed(run) if run else []
    runs = [words_of(str(one)) for one in runs]
    heads, width = positions(grid.table.headings), len(grid.table.headings)
    at = _columns_of_log(table, words, runs, faults)
    if at is None or not _is_in_one_unit(grid, words, at["time"], table, faults):
        return None
    feeds: dict[str, int] = {}
    rows: list[tuple[int, dict[str, str]]] = []
    for r, cells in enumerate(table.rows):
        if not any(cell.strip() for cell in cells):
            continue
        told = {word: words_of(cells[i]) if i < len(cells) else "" for word, i in at.items()}
        name = told.get("feed", heading_of(log["volume"]))
        if not name:
            faults.of_file(
                table.at(r), "an empty cell", "every row of a log names its feed", "write it, or remove the row"
            )
            continue
        if not told["volume"]:
            faults.of_file(table.at(r), "no volume", "every row of a log has one", "write it, or remove the row")
        if name in heads:
            needed = "a column of the samples has that name"
            faults.of_file(table.at(r), f"the feed '{shown(name)}'", needed, "rename one of them")
            return None
        feeds.setdefault(name, len(feeds))
        rows.append((r, told | {"feed": name}))
    _bounded(table.place, width + len(feeds), len(grid.table.rows) + len(rows))
    body, clock = [], _clock_of(words)
    for _, told in rows:
        made = [""] * (width + 1 + feeds[told["feed"]])
        for i, heading in enumerate(runs):
            made[heads.get(heading, 0)] = told[f"run {i + 1}"]
        if clock:
            made[heads.get(clock, 0)] = told.get("clock", "")
        made[heads.get(moment, 0)], made[-1] = told["time"], told["volume"]
        body.append(tuple(made))
    origins = [grid.table.at(r) for r in range(len(grid.table.rows))] + [table.at(r) for r, _ in rows]
    above = (*(*grid.above, *[""] * width)[:width], *[log["sheet"]] * len(feeds))
    unit = _unit_of_log(log["volume"])
    left = [f"{heading} of the sheet '{log['sheet']}'" for heading, i in positions(table.headings).items()
            if i not in at.values()]  # fmt: skip
    return replace(
        grid, table=Table(grid.table.place, (*grid.table.headings, *feeds), (*grid.table.rows, *body), tuple(origins)),
        above=above, units={**grid.units, **{width + i: unit for i in feeds.values()}}, merged=True, logged=len(body),
        left=(*grid.left, *left),
    )  # fmt: skip


def _unit_of_log(entry: object) -> str:
    """Return the unit of a column of a log, which its entry or its heading states."""
    unit = entry.get("unit") if isinstance(entry, Mapping) else None
    return str(unit) if unit else unit_of_heading(heading_of(entry))


def _columns_of_log(
    table: Table, words: Mapping[str, Any], runs: Sequence[str], faults: Faults
) -> dict[str, int] | None:
    """Return where run, time, feed and volume of a log stand; run and time are named as those of the samples."""
    known, log = positions(table.headings), words["log"]
    told = _listed(log.get("run", list(runs)))
    if len(told) != len(runs):
        found, needed = f"{len(told)} columns", f"runs are told apart by {len(runs)}"
        faults.of_mapping("[log] run", found, needed, "name as many")
        return None
    named = {word: heading_of(log[word]) for word in ("volume", "feed") if word in log}
    named["time"] = heading_of(log.get("time", words.get("time")))
    if _clock_of(words):
        named["clock"] = heading_of(log.get("clock", _clock_of(words)))
    named |= {f"run {i + 1}": heading_of(name) for i, name in enumerate(told)}
    for word, name in named.items():
        if name not in known:
            needed, hint = "headings are named as in that sheet", nearest(name, known)
            faults.of_mapping(f"[log] {word}", f"no heading '{shown(name)}'", needed, hint)
            return None
    return {word: known[name] for word, name in named.items()}


def _is_in_one_unit(grid: Grid, words: Mapping[str, Any], at: int, table: Table, faults: Faults) -> bool:
    """Return whether the times of a log are in the unit of those of the samples, and note it if not."""
    time, moment = words.get("time"), heading_of(words.get("time"))
    known = positions(grid.table.headings)
    unit = str(time.get("unit") or "") if isinstance(time, Mapping) else ""
    unit = unit or (grid.stated(known[moment]) if moment in known else "")
    told, heading = words["log"].get("time"), words_of(table.headings[at])
    of_log = _unit_of_log(told if told is not None else heading) or (unit if heading == moment else "")
    if unit == "date" or of_log == unit:
        return True
    found = f"the unit '{shown(of_log)}' of '{shown(heading)}'" if of_log else f"no unit of '{shown(heading)}'"
    faults.of_mapping("[log] time", found, f"the times of the samples are in {shown(unit)}", "write both in one unit")
    return False


def _places(places: Iterable[str]) -> str:
    """Return several places as one: the first in full, of the others what differs."""
    first, *others = dict.fromkeys(places)
    sheet = first.rsplit(", row", 1)[0]
    rows = [place.removeprefix(f"{sheet}, row ") if place.startswith(f"{sheet}, row ") else place.split(", ", 1)[-1]
            for place in others]  # fmt: skip
    more = f" and {len(rows) - _MOST_PLACES} more" if len(rows) > _MOST_PLACES else ""
    return first + "".join(f", {row}" for row in rows[:_MOST_PLACES]) + more
