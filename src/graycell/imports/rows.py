"""Which rows of a sheet are left out, and names of samples that hold several things: both before rows are arranged."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from graycell.errors import Faults, nearest
from graycell.imports.amounts import plain
from graycell.imports.grids import Grid, positions
from graycell.imports.sides import SIDE, ending_of, side_of, with_side
from graycell.imports.spec import IdsSpec, ImportSpec
from graycell.imports.vocabulary import named_time, words_of
from graycell.runs.format.tables import parse_number

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": lambda number, bound: number < bound, "<=": lambda number, bound: number <= bound,
    ">": lambda number, bound: number > bound, ">=": lambda number, bound: number >= bound,
}  # fmt: skip
_BOUND = re.compile(r"(?P<sign>[<>]=?)\s*(?P<number>[+-]?\d{1,9}(\.\d{1,9})?)")
_NO_SAMPLE = re.compile(
    r"pre[- ]?inoc\w*|before inoc\w*|vor (der )?(inokulation|animpfen)|uninoculated|blank\W*\w*|blindwert|leerwert|"
    r"(fresh |basal |cell[- ]free )?(medium|media)( only| control| blank)?|background|calibrat\w*|calibrator\w*|"
    r"(qc|standard|std|control)[- ]?(sample|medium|solution)?\W?\d*|water|wash|flush|rinse", re.IGNORECASE)  # fmt: skip
"""Words of rows that are no samples of a culture."""
_LONGEST_NAME = 200
"""Characters of a name that are matched with a pattern."""
_DATED_NAMES = (
    (re.compile(r"[^{}]*?\w(?P<before>[ _.-]?(d|day|tag)[ _.-]?)\d+(\.\d+)?(?P<after>)", re.IGNORECASE), "day"),
    (re.compile(r"[^{}]*?\w(?P<before>[ _.-])\d+(\.\d+)?(?P<after> ?h)", re.IGNORECASE), "hour"),
    (re.compile(r"[^{}]*?\w(?P<before>[ _.-](t|h)[ _.-]?)\d+(\.\d+)?(?P<after> ?h?)", re.IGNORECASE), "hour"),
)
"""Names of samples that end in a time."""
_HOURS = {"day": 24.0, "hour": 1.0, "minute": 1.0 / 60.0}


def bound_of(text: str) -> tuple[str, float] | None:
    """Return a bound such as "< 0".

    Args:
        text: a word of a mapping.

    Returns:
        The sign and the number; None if it is no bound.

    >>> bound_of("< 0"), bound_of("blank")
    (('<', 0.0), None)
    """
    found = _BOUND.fullmatch(text)
    return (found["sign"], float(found["number"])) if found else None


def without_rows(grids: Mapping[str, Grid], spec: ImportSpec, faults: Faults) -> dict[str, Grid]:
    """Return sheets without the rows that a mapping leaves out; rows keep their numbers.

    Args:
        grids: by sheet.
        spec: the mapping.
        faults: takes every fault.

    Returns:
        The grids, with what was left out.
    """
    found = dict(grids)
    for heading, words in spec.leave_out.items():
        there = [sheet for sheet, grid in found.items() if heading in positions(grid.table.headings)]
        if not there:
            known = dict.fromkeys(name for grid in found.values() for name in positions(grid.table.headings))
            faults.of_mapping(f"leave_out '{heading}'", f"no heading '{heading}'", "headings are named as in the file",
                              nearest(heading, known))  # fmt: skip
        for word in words if there else ():
            count = 0
            for sheet in there:
                found[sheet], gone = _without(found[sheet], heading, word, spec.decimal)
                count += gone
            if count:
                left = f"{count} row{'s' if count > 1 else ''} with '{word}' in '{heading}'"
                found[there[0]] = replace(found[there[0]], left=(*found[there[0]].left, left))
            else:
                faults.of_mapping(f"leave_out '{heading}'", f"no row with '{word}'", "a row has it",
                                  "remove the word if all rows count", "warning")  # fmt: skip
    return found


def _without(grid: Grid, heading: str, word: str, decimal: str) -> tuple[Grid, int]:
    """Return a grid without the rows that have a word in a column, and how many they are."""
    at, bound = positions(grid.table.headings)[heading], bound_of(word)
    pattern = re.compile(re.escape(word).replace(r"\*", ".*"), re.IGNORECASE | re.DOTALL)
    rows, count = list(grid.table.rows), 0
    for r, row in enumerate(rows):
        if not any(cell.strip() for cell in row):
            continue
        cell = words_of(row[at])[:_LONGEST_NAME] if at < len(row) else ""
        if bound is None:
            is_out = pattern.fullmatch(cell) is not None
        else:
            number = _number(cell, decimal)
            is_out = number is not None and _COMPARED[bound[0]](number, bound[1])
        if is_out:
            rows[r], count = (), count + 1
    return replace(grid, table=replace(grid.table, rows=tuple(rows))), count


def _number(cell: str, decimal: str) -> float | None:
    """Return the number of a cell, also of a time such as ``D-1``."""
    named = named_time(cell)
    digits = named[0] if named else cell
    return parse_number(plain(digits, decimal)) if isinstance(digits, str) else digits


def no_samples(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the words of rows that are probably no samples of a culture.

    Args:
        columns: the filled cells by heading.

    Returns:
        The words by heading, where other rows have other words.
    """
    found = {}
    for heading, cells in columns.items():
        words = list(dict.fromkeys(cells))
        out = [word for word in words if word.isprintable() and "*" not in word and _NO_SAMPLE.fullmatch(word)]
        if out and len(out) < len(words):
            found[heading] = list({word.lower(): word for word in reversed(out)}.values())[::-1]
    return found


def ids_in(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Return the column whose names of samples end in a day or an hour, and their pattern.

    Args:
        columns: the filled cells by heading.

    Returns:
        The heading and the pattern; None if there is no such column.

    >>> ids_in({"Sample": ["BR07_D0", "BR07_D3"]}), ids_in({"Sample": ["BR07_D0", "BR07_D3_pre", "BR07_D3_post"]})
    (('Sample', '{run}_D{day}'), ('Sample', '{run}_D{day}_{side}'))
    """
    for heading, cells in columns.items():
        endings = [ending_of(cell[:_LONGEST_NAME]) for cell in cells]
        marks = {ending[1] for ending in endings if ending}
        mark = next(iter(marks), "")
        side = f"{mark}{SIDE}" + ")" * mark.endswith("(") if len(marks) == 1 else ""
        names = [ending[0] if ending and side else cell for cell, ending in zip(cells, endings, strict=True)]
        for form, part in _DATED_NAMES:
            fits = [form.fullmatch(name[:_LONGEST_NAME]) for name in names]
            around = {(fit["before"].lower(), fit["after"].lower()) for fit in fits if fit}
            if len(cells) > 1 and len(around) == 1 and None not in fits and fits[0] is not None:
                return heading, f"{{run}}{fits[0]['before']}{{{part}}}{fits[0]['after']}{side}"
    return None


def with_ids_split(grid: Grid, ids: IdsSpec, decimal: str, faults: Faults) -> Grid:
    """Return a sheet with a column for each part of its names of samples, such as ``BR07_D3``.

    Args:
        grid: the sheet.
        ids: where the names are, and their pattern.
        decimal: the decimal mark.
        faults: takes every fault.

    Returns:
        The grid; as it was where it has no such column.
    """
    at = positions(grid.table.headings).get(ids.heading)
    if at is None:
        return grid
    width, rows = len(grid.table.headings), []
    for r, row in enumerate(grid.table.rows):
        parts = dict.fromkeys(ids.parts, "")
        name = words_of(row[at]) if at < len(row) else ""
        if any(cell.strip() for cell in row):
            fits = ids.pattern.fullmatch(name[:_LONGEST_NAME])
            if fits is None:
                remedy = "correct it, leave the row out with leave_out, or change the pattern"
                faults.of_file(grid.table.at(r, ids.heading), f"'{name}'", f"names are like {ids.text}",
                               _remedy_of_side(name, ids) or remedy)  # fmt: skip
            else:
                parts |= _parts_of(fits.groupdict(), ids, decimal)
        cells = (*row, *[""] * (width - len(row)))[:width]
        rows.append((*cells, *parts.values(), *row[width:]) if any(row) else ())
    headings = (*grid.table.headings, *ids.parts)
    above = (*grid.above, *[""] * (width - len(grid.above)), *[""] * len(ids.parts)) if grid.above else ()
    return replace(grid, table=replace(grid.table, headings=headings, rows=tuple(rows)), above=above)


def _remedy_of_side(name: str, ids: IdsSpec) -> str:
    """Return what to do about a name that fits but for the side of a feed at its end, "" for any other."""
    ending = ending_of(name)
    if ending is None or SIDE in ids.parts or not ids.pattern.fullmatch(ending[0]):
        return ""
    pattern = f"{ids.text}{ending[1]}{SIDE}" + ")" * ending[1].endswith("(")
    return f'write pattern = "{pattern}", which reads whether a sample was taken before or after a feed'


def _parts_of(found: Mapping[str, str | None], ids: IdsSpec, decimal: str) -> dict[str, str]:
    """Return the parts of a name by the headings that they get; a time of several parts is in days."""
    parts = {f"{{{part}}}": (text or "").strip() for part, text in found.items()}
    if SIDE in parts:
        parts[SIDE] = side_of(parts[SIDE])
    times = {part: text for part, text in found.items() if part in _HOURS and text}
    if "{time}" in ids.parts and len(times) > 1:
        hours = [(_number(text, decimal) or 0.0) * _HOURS[part] for part, text in times.items()]
        parts["{time}"] = repr(sum(hours) / 24.0).replace(".", decimal)
    return {heading: text for heading, text in parts.items() if heading in ids.parts}


def ids_pattern(text: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return the pattern of names of samples, and the headings of its parts.

    Args:
        text: such as "{run}_D{day}".

    Returns:
        The pattern and the headings, such as "{run}"; a time of several parts is "{time}".

    >>> pattern, parts = ids_pattern("{run}_D{day}")
    >>> parts, pattern.fullmatch("BR_07_D3").groupdict()
    (('{run}', '{day}'), {'run': 'BR_07', 'day': '3'})
    """
    named = re.findall(r"\{([a-z]+)\}", text)
    escaped = with_side(re.escape(words_of(text)))
    for part in named:
        inside = r"[+-]?\d{1,6}(?:[.,]\d{1,6})?" if part in _HOURS else ".+?"
        escaped = escaped.replace(rf"\{{{part}\}}", f"(?P<{part}>{inside})")
    times = [part for part in named if part in _HOURS]
    parts: Iterable[str] = [part for part in named if part not in _HOURS] + (["time"] if len(times) > 1 else times)
    return re.compile(escaped, re.IGNORECASE), tuple(f"{{{part}}}" for part in parts)
