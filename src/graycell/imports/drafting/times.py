"""line_of_time: the columns of a table -> the line of a draft that says where times are and how they are written."""

import re
from typing import NamedTuple

from graycell.imports.dates import days_of, forms_of
from graycell.imports.drafting.views import View, has_unit, line, quoted, small
from graycell.imports.vocabulary import bare, named_time, time_unit
from graycell.runs.format.tables import parse_number
from graycell.units import TIME

_WORDS_OF_CLOCKS = ("hhmm", "hhmmss", "clock", "timeofday", "clocktime", "uhrzeit", "sampletime", "samplingtime",
                    "time", "zeit")  # fmt: skip
_HOURS_OF_A_DAY = 24.0


class DraftOfTime(NamedTuple):
    """The time of a draft.

    Attributes:
        line: of TOML.
        clock: the heading of the time of day, "" if none is used.
    """

    line: str
    clock: str = ""


def line_of_time(view: View) -> DraftOfTime:
    """Return the line of the time, and mark its columns as used.

    A counted time is better than a date, one with a unit better than one without, one with parts of a day better than
    whole days, and a time of day alone is none.

    Args:
        view: the columns.

    Returns:
        The line.
    """
    found = [head for head in view.of_role("time") if view.cells(head)]
    if not found:
        return DraftOfTime(line('time = "?"', "the column of the times"))
    forms = {head: forms_of(view.cells(head, of_all=True)) for head in found}
    found.sort(key=lambda head: (
        view.is_clock(head), bool(forms[head]), not _unit_of(view, head), _is_whole(view, head)))  # fmt: skip
    heading = found[0]
    view.used.add(heading)
    clocks = [head for head in found[1:] if view.is_clock(head) and small(bare(head)) in _WORDS_OF_CLOCKS]
    if forms[heading]:
        has_clock = all("H" not in form and "I" not in form for form in forms[heading]) and not any(
            ":" in cell and not cell.endswith(" 00:00:00") for cell in view.cells(heading)
        )
        return _of_dates(view, heading, forms[heading], clocks[0] if clocks and has_clock else "")
    unit = _unit_of(view, heading)
    if clocks and unit == "d" and _is_whole(view, heading):
        view.used.add(clocks[0])
        text = f'time = {{ column = {quoted(heading)}, unit = "d", clock = {quoted(clocks[0])} }}'
        return DraftOfTime(line(text, "day and time of day, counted from the first sample of a run"), clocks[0])
    if has_unit(view.unit(heading), TIME) and not view.is_clock(heading):
        return DraftOfTime(f"time = {quoted(heading)}")
    ask = "" if unit else "h or d?"
    if view.is_clock(heading) and not unit:
        ask = '"h" since the start, or "clock": times of day, each within a day of the one before?'
    return DraftOfTime(line(f'time = {{ column = {quoted(heading)}, unit = "{unit or "?"}" }}', ask))


def _of_dates(view: View, heading: str, forms: list[str], clock: str) -> DraftOfTime:
    """Return the line of a column of dates, with the time of day of another column if there is one."""
    of_clock = ""
    if clock:
        view.used.add(clock)
        cells = view.cells(clock)
        of_clock = " %H:%M:%S" if any(cell.count(":") == 2 for cell in cells) else " %H:%M"
        if any(cell.lower().endswith("m") for cell in cells):
            of_clock = of_clock.replace("%H", "%I") + (" %p" if any(" " in cell for cell in cells) else "%p")
    written = [f"{form}{of_clock}" if form or "%p" in of_clock else "" for form in forms]
    if forms == [""] and "%p" in of_clock:
        written = [f"%Y-%m-%d{of_clock}"]
    ask = ""
    if len(forms) > 1:
        days = [days_of(view.cells(heading, of_all=True), form) for form in forms]
        ask = " or ".join(f'"{form}" ({day:.0f} d from first to last)' for form, day in zip(written, days, strict=True))
        ask += "?"
    form = "?" if len(written) > 1 else written[0]
    more = f", clock = {quoted(clock)}" if clock else ""
    more += f", written = {quoted(form)}" if form else ""
    return DraftOfTime(line(f'time = {{ column = {quoted(heading)}, unit = "date"{more} }}', ask), clock)


def _unit_of(view: View, heading: str) -> str:
    """Return the unit of a time that its heading or all of its cells state, "" if they do not."""
    unit, cells = view.unit(heading), view.cells(heading)
    named = [time for time in map(named_time, cells) if time is not None]
    units, hours = {unit for _, unit in named}, [of for of, _ in named if not isinstance(of, str)]
    # perhaps the time of day
    is_day = bool(hours) and (hours[0] > 0.0 or max(hours) < _HOURS_OF_A_DAY)
    if is_day and len(named) == len(cells):
        return ""
    if has_unit(unit, TIME):
        return unit
    if len(named) == len(cells) and len(units) == 1:
        return units.pop()
    return time_unit(small(bare(heading)))


def _is_whole(view: View, heading: str) -> bool:
    """Return whether all times of a column are whole days."""
    numbers = [re.sub(r"[^0-9.,]", "", cell).replace(",", ".") for cell in view.cells(heading)]
    values = [parse_number(number) for number in numbers]
    return all(value is not None and value == round(value) for value in values)
