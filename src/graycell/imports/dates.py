"""Dates and times of day as instruments and people write them -> how they are written, and what they are.

`forms_of` gives every way in which the cells of a column can be read, in the letters of `strptime`. Where day and month
can be exchanged there are two, and a person has to say which it is.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import product

from graycell.imports.vocabulary import words_of

_LONGEST = 60
"""Characters of a date with its weekday and its time of day."""
_MOST_CELLS = 2000
"""Different cells of a column that are tried."""
_PART = 0.9
"""[1] Part of the cells that a form reads: a few may be faulty, and are reported as such."""
_YEARS = range(1980, 2100)
_ONE_YEAR = 300.0
"""[d] No culture takes a year: with a year of two digits, 02/03/26 would be 26 March 2002 too."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november",
                "december")  # fmt: skip
_SPELT_MONTHS = {"sept": "Sep", "januar": "January", "februar": "February", "mär": "Mar", "mrz": "Mar",
                 "märz": "March", "maerz": "March", "mai": "May", "juni": "June", "juli": "July", "okt": "Oct",
                 "oktober": "October", "dez": "Dec", "dezember": "December"}  # fmt: skip
_WEEKDAYS = {"mon": "%a", "tue": "%a", "wed": "%a", "thu": "%a", "fri": "%a", "sat": "%a", "sun": "%a", "monday": "%A",
             "tuesday": "%A", "wednesday": "%A", "thursday": "%A", "friday": "%A", "saturday": "%A",
             "sunday": "%A"}  # fmt: skip
_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?P<mark>[:h])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?P<part>\.\d+)?)?"
                    r"(?P<gap> ?)(?P<half>[AaPp][Mm])?")  # fmt: skip
_WITH_CLOCK = re.compile(rf"(?P<day>.*[\dA-Za-z])(?P<between>,? |T){_CLOCK.pattern}")
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_TOKEN = re.compile(r"\d+|[^\W\d_]+|[\W_]+")


def plain_date(text: str) -> str:
    """Return a date with the names of its months in English, and without words beside its time of day.

    Args:
        text: of a cell.

    Returns:
        The text as `strptime` can read it.

    >>> plain_date("2.  März 2026 9:15 Uhr"), plain_date("3/2/2026 9:15 a.m.")
    ('2. March 2026 9:15', '3/2/2026 9:15 am')
    """
    text = re.sub(r"\b([ap])\.\s?m\.?", r"\1m", words_of(text), flags=re.IGNORECASE)
    text = re.sub(r" (Uhr|h|hrs)$", "", text)
    return re.sub(r"[^\W\d_]+", lambda word: _SPELT_MONTHS.get(word[0].lower(), word[0]), text)


def date_in(text: str, form: str) -> datetime | None:
    """Return the date that a text is.

    Args:
        text: of a cell.
        form: how it is written, in the letters of `strptime`; "" for ISO 8601.

    Returns:
        The date; None if it is not written so.

    >>> date_in("31.03.2026 14:05", "%d.%m.%Y %H:%M")
    datetime.datetime(2026, 3, 31, 14, 5)
    """
    if len(text) > _LONGEST:
        return None
    try:
        return datetime.strptime(plain_date(text), form) if form else datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def forms_of(cells: Sequence[str]) -> list[str]:
    """Return how the dates of a column may be written.

    Args:
        cells: filled ones.

    Returns:
        Every form with which nearly all cells are dates, "" for ISO 8601; none if they are no dates.

    >>> forms_of(["31.03.2026 14:05", "1.4.2026 9:00"]), forms_of(["01/04/2026", "02/04/2026"]), forms_of(["12.5", "7"])
    (['%d.%m.%Y %H:%M'], ['%d/%m/%Y', '%m/%d/%Y'], [])
    """
    cells = list(dict.fromkeys(cells))[:_MOST_CELLS]
    if not cells or any(len(cell) > _LONGEST for cell in cells[:1]):
        return []
    iso = [date_in(cell, "") for cell in cells if not cell.isdigit()]
    if sum(date is not None for date in iso) >= max(_PART * len(cells), 1.0):
        return [""]
    found: dict[str, tuple[int, float]] = {}
    for cell in cells[:: max(len(cells) // 3, 1)][:3]:  # the first cell may be a faulty one
        for form in _forms(plain_date(cell)):
            dates = [date for cell in cells if (date := date_in(cell, form)) is not None and date.year in _YEARS]
            if form not in found and len(dates) >= max(_PART * len(cells), 1.0):
                found[form] = len(dates), (max(dates) - min(dates)).total_seconds() / 86400.0
    most = max((count for count, _ in found.values()), default=0)
    return _plausible({form: days for form, (count, days) in found.items() if count == most})


def days_of(cells: Sequence[str], form: str) -> float:
    """Return how long the dates of a column take, read in one way.

    Args:
        cells: filled ones.
        form: see `date_in`.

    Returns:
        From the first date to the last [d].

    >>> days_of(["01/04/2026", "03/04/2026"], "%d/%m/%Y"), days_of(["01/04/2026", "03/04/2026"], "%m/%d/%Y")
    (2.0, 59.0)
    """
    dates = [date for cell in list(cells)[:_MOST_CELLS] if (date := date_in(cell, form)) is not None]
    naive = [date.replace(tzinfo=None) for date in dates]
    return (max(naive) - min(naive)).total_seconds() / 86400.0 if naive else 0.0


def _plausible(found: dict[str, float]) -> list[str]:
    """Return the forms, given with the days that they make of a column, that somebody may have meant."""
    short = [form for form, days in found.items() if days <= _ONE_YEAR]
    forms = short or list(found)
    # with points the day is first, and a year of two digits is first only if nothing else fits
    usual = [form for form in forms if form.startswith("%d.")] or [form for form in forms if not form.startswith("%y")]
    once = {form.replace("%B", "%b"): form for form in reversed(usual or forms)}  # May is May
    return list(reversed(once.values()))


def _forms(text: str) -> Iterator[str]:
    """Yield the forms that a text may be written in."""
    if text.isdigit() and len(text) in _COMPACT:
        yield _COMPACT[len(text)]
        return
    compact = re.fullmatch(r"\d{8}([T _])(\d{4}|\d{6})", text)
    if compact:
        yield f"%Y%m%d{compact[1]}" + ("%H%M" if len(compact[2]) == 4 else "%H%M%S")
        return
    clock = _WITH_CLOCK.fullmatch(text)
    day, after = (clock["day"], clock["between"] + _form_of_clock(clock)) if clock else (text, "")
    for form in _forms_of_day(day):
        yield form + after


def _form_of_clock(clock: re.Match[str]) -> str:
    form = ("%I" if clock["half"] else "%H") + clock["mark"] + "%M"
    form += ":%S" if clock["second"] else ""
    return form + (".%f" if clock["part"] else "") + (f"{clock['gap']}%p" if clock["half"] else "")


def _forms_of_day(text: str) -> Iterator[str]:
    """Yield the forms of a day: its year, month and day in any order that is in use."""
    tokens = _TOKEN.findall(text)
    marks: list[str | None] = [None if re.match(r"[^\W_]", token) else token.replace("%", "%%") for token in tokens]
    if tokens and tokens[0].lower() in _WEEKDAYS:
        marks[0] = _WEEKDAYS[tokens[0].lower()]
    places = [i for i, mark in enumerate(marks) if mark is None]
    if len(places) != 3:
        return
    for letters in product(*(_letters(tokens[i]) for i in places)):
        order = "".join(letter[1].lower().replace("b", "m") for letter in letters)
        # day first, month first, year first; nobody writes year, day, month
        if order in ("dmy", "mdy", "ymd"):
            given = iter(letters)
            yield "".join(next(given) if mark is None else mark for mark in marks)


def _letters(token: str) -> tuple[str, ...]:
    """Return what a part of a date may be."""
    if not token.isdigit():
        name = token.lower()
        if name == "may":
            return ("%b", "%B")
        return ("%b",) if name in _MONTHS else ("%B",) if name in _FULL_MONTHS else ()
    if len(token) == 4:
        return ("%Y",)
    return ("%d", "%m", "%y") if len(token) == 2 else ("%d", "%m") if len(token) == 1 else ()


def clock_of(text: str) -> float | None:
    """Return a time of day.

    Args:
        text: of a cell.

    Returns:
        [d] since midnight, below 1; None if it is none.

    >>> clock_of("18:00"), clock_of("6:00 pm"), clock_of("6h00"), clock_of("26:00")
    (0.75, 0.75, 0.25, None)
    """
    found = _CLOCK.fullmatch(plain_date(text[:_LONGEST]))
    if found is None:
        return None
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    seconds = 3600 * hour + 60 * int(found["minute"]) + int(found["second"] or 0) + float(found["part"] or 0)
    return seconds / 86400.0 if seconds < 86400.0 else None
