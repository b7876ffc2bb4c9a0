"""Feeds of a draft: the columns of feeds on the sheet of the samples, and on a sheet of a log."""

from collections.abc import Mapping, Sequence

from graycell.imports.drafting.views import View, has_unit, in_comment, line, quoted
from graycell.imports.grids import Grid
from graycell.imports.totals import is_summed, paired
from graycell.imports.vocabulary import bare, role_of, unit_of_heading, words_of
from graycell.runs.format.tables import Table
from graycell.units import VOLUME, VOLUMETRIC_RATE

_FEEDS_OF_A_LOG = ("feed", "medium", "media", "solution", "addition", "feed name", "type", "name", "what")
_MOST_FEEDS = 20
_MEDIA = line('media = { GLC = "? mmol/L" }', "its composition; {} for water")


def of_volume(view: View, heading: str, is_required: bool = False) -> str:
    """Return a column of volumes as a mapping names it, and mark it as used.

    Args:
        view: the columns.
        heading: of the column.
        is_required: whether the name of the column says that it is one, so that an unknown unit is asked for.

    Returns:
        TOML, "" if it is no column of volumes.
    """
    unit = view.unit(heading)
    is_known = any(has_unit(unit, of) for of in (VOLUME, "kg", "%", VOLUMETRIC_RATE, "kg/d", "mmol/d"))
    weighed, part = has_unit(unit, "kg"), unit == "%" and role_of(heading) == "feed"
    asked = view.is_numeric(heading) and (not unit or (is_required and not is_known))
    if not (has_unit(unit, VOLUME) or weighed or part or asked):
        return ""
    view.used.add(heading)
    if part:
        return f'{{ column = {quoted(heading)}, of = "?" }}'
    if weighed:
        return f'{{ column = {quoted(heading)}, density = "?" }}'
    return f'{{ column = {quoted(heading)}, unit = "?" }}' if asked else quoted(heading)


def lines_of_feeds(view: View) -> list[str]:
    """Return the lines of the feeds in the columns of a table, and mark these as used.

    Args:
        view: the columns.

    Returns:
        A table of TOML for each feed.
    """
    lines: list[str] = []
    names: dict[str, str] = {}
    headings = view.of_role("feed")
    rows = {head: [words_of(_at(row, view.columns[head])) for row in view.rows] for head in headings}
    totals, copies = paired(rows)
    for heading in [head for head in headings if head not in copies and head not in totals.values()]:
        kind, ask = ("cumulative", "added so far") if is_summed(heading) else ("volume", "added in the row")
        column = of_volume(view, heading)
        if not column and has_unit(view.unit(heading), VOLUMETRIC_RATE):
            kind, ask, column = "rate", "from the row on", quoted(heading)
        elif not column and has_unit(view.unit(heading), "kg/d"):
            kind, ask = "rate", "density if of the feed, molar_mass if of its solute"
            column = f'{{ column = {quoted(heading)}, density = "?" }}'
        if not column:
            continue
        view.used.add(heading)
        name, count = bare(heading), 2
        while name in names:
            name, count = f"{bare(heading)} {count}", count + 1
        names[name] = heading
        total = of_volume(view, totals[heading]) if heading in totals else ""
        lines += ["", f"[feeds.{quoted(name)}]", line(f"{kind} = {column}", ask)]
        lines += [line(f"total = {total}", "added so far, which checks it")] if total else []
        lines += [_MEDIA]
    repeated = [head for head in copies if view.is_numeric(head)]
    lines += [""] if repeated else []
    told = "a second column of the same numbers, which would be fed twice"
    lines += [f"# {told}: {in_comment(head)}" for head in repeated]
    return lines


def _at(row: Sequence[str], i: int) -> str:
    return row[i] if i < len(row) else ""


def lines_of_rise(view: View) -> list[str]:
    """Return the lines of a feed that is recorded as the volume of the culture before and after it.

    Args:
        view: the columns; that of the volume stays free, because the volume at the start is read of it too.

    Returns:
        A table of TOML, [] if there is no volume.
    """
    for heading in view.of_role("volume"):
        column = of_volume(view, heading)
        view.used.discard(heading)
        if column:
            return ["", '[feeds."Feed"]', line(f"rise = {column}", "read before and after the feed"), _MEDIA]
    return []


def lines_of_log(tables: Mapping[str, Table], has_clock: bool) -> list[str]:
    """Return the lines of a log of feeds on another sheet: one with times, and with volumes or columns of feeds.

    Args:
        tables: the sheets that are not read for samples, by name.
        has_clock: whether the time of the samples is in two columns.

    Returns:
        The lines, [] if no sheet is a log.
    """
    for name, table in tables.items():
        if not name.isprintable():
            continue
        view = View(Grid(table))
        times = sorted((head for head in view.columns if role_of(head) == "time"), key=view.is_clock)
        clocks = [head for head in times[1:] if view.is_clock(head)]
        if not times or not view.cells(times[0]):
            continue
        volumes = [head for head in view.columns
                   if has_unit(unit_of_heading(head), VOLUME) and role_of(head) != "sample"]  # fmt: skip
        feeds = [head for head in view.columns if head.lower() in _FEEDS_OF_A_LOG]
        weighed = [head for head in view.columns if feeds and has_unit(unit_of_heading(head), "kg")]
        totals = [] if feeds else [head for head in view.of_role("feed") if view.is_numeric(head)]
        runs = [head for head in view.columns if role_of(head) == "run" and head not in feeds]
        lines = ["", "[log]", f"sheet = {quoted(name)}"]
        lines += [f"time = {quoted(times[0])}"]
        lines += [f"clock = {quoted(clocks[0])}"] if clocks and has_clock else []
        lines += [line(f"run = {quoted(runs[0])}", "where it differs from that of the samples")] if runs else []
        if totals and (tables_of_feeds := lines_of_feeds(view)):
            return [*lines, "# the feeds below name columns of that sheet", *tables_of_feeds]
        if not volumes and not weighed:
            continue
        lines += [f"feed = {quoted(feeds[0])}"] if feeds else []
        lines += [f"volume = {quoted([*volumes, *weighed][0])}"]
        named: dict[str, None] = {[*volumes, *weighed][0]: None}
        if feeds:
            at = view.columns[feeds[0]]
            named = dict.fromkeys(words_of(row[at]) if at < len(row) else "" for row in table.rows)
        for feed in [feed for feed in named if feed and feed.isprintable()][:_MOST_FEEDS]:
            column = quoted(feed) if volumes else f'{{ column = {quoted(feed)}, density = "?" }}'
            lines += ["", f"[feeds.{quoted(feed)}]", f"volume = {column}", _MEDIA]
        return lines
    return []
