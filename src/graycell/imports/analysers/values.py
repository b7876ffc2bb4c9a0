"""Cells of an analyser's file -> numbers with their flags, and dates."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from graycell.imports.amounts import plain
from graycell.imports.analysers.samples import Reading, in_units_of_laboratories
from graycell.runs.format.tables import parse_number

_NOTHING = ("", "-", "--", "n/a", "na", "nan", "none", "null")
_BOUND = re.compile(r"([<>≤≥])\s*=?\s*(.+)")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\ufeff": ""})
_CLOCK = r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*([AaPp]\.?[Mm]\.?)?)?"
_ZONE = r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?"
_ISO = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}{_ZONE}")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T_-](\d{2})(\d{2})(\d{2}))?")
_NUMBERS = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_CLOCK}")
_NAMED = re.compile(rf"(\d{{1,2}})[ .-]+([A-Za-zÀ-ÿ]{{3,10}})\.?[ .-]+(\d{{4}}){_CLOCK}")
_MONTHS = ("jan", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt", "nov", "dec dez")
_MONTH = {word: i for i, words in enumerate(_MONTHS, 1) for word in words.split()}
_LAST_MONTH = 12
_NOON = 12
_LONGEST_CELL = 60
"""Characters of a number or a date, and of the flag beside it."""


def cleaned(cell: str) -> str:
    """Return a cell with single plain spaces.

    Args:
        cell: of the file.

    Returns:
        The text without spaces at its ends.
    """
    return " ".join(cell.translate(_SPACES).split())


def decimal_mark(cells: Iterable[str]) -> str:
    """Return the decimal mark of a file.

    Args:
        cells: that hold numbers, among others.

    Returns:
        "," if more cells have a decimal comma than a decimal point, else ".".

    >>> decimal_mark(["0,78", "96,9", "12"]), decimal_mark(["0.78", "1,234"])
    (',', '.')
    """
    commas = points = 0
    for cell in cells:
        commas += bool(_DECIMAL_COMMA.fullmatch(cell.strip()))
        points += bool(_DECIMAL_POINT.fullmatch(cell.strip()))
    return "," if commas > points else "."


def reading(quantity: str, unit: str, cell: str, mark: str = ".", flag: str = "", code: str = "") -> Reading | None:
    """Return the reading in a cell, in the unit of laboratories.

    Args:
        quantity: its name.
        unit: of the file.
        cell: its text.
        mark: the decimal mark of the file.
        flag: what the file says of it in another cell.
        code: of the test.

    Returns:
        The reading; None for an empty cell.

    >>> reading("LAC", "mg/L", "  121.277").value, reading("LDH", "U/L", "< 20.00").bound
    (0.121277, '<20')
    >>> reading("TCD", "cells/ml", "3.58E3 (Out of optimal range)")
    Reading(quantity='TCD', unit='1e6 cells/mL', value=None, flag='3.58E3 (Out of optimal range)', bound='', code='')
    """
    text = cleaned(cell)
    if text.lower() in _NOTHING:
        return None
    kept, exponent = in_units_of_laboratories(unit) or (unit, 0)
    bounded = _BOUND.fullmatch(text[:_LONGEST_CELL])
    if bounded:
        limit = _scaled(bounded[2], mark, exponent)
        sign = "<" if bounded[1] in "<≤" else ">"
        # a limit of 0, as an analyser writes that rounds, bounds nothing
        bound = f"{sign}{limit!r}".removesuffix(".0") if limit else ""
        return Reading(quantity, kept, None, flag=text, bound=bound, code=code)
    number = _scaled(text, mark, exponent)
    if number is None and text.endswith("%"):
        number, flag = _scaled(text[:-1], mark, exponent), flag if unit == "%" else text
    if number is None:
        return Reading(quantity, kept, None, flag=text[:_LONGEST_CELL], code=code)
    return Reading(quantity, kept, number, flag=flag, code=code)


def _scaled(text: str, mark: str, exponent: int) -> float | None:
    """Return a number times a power of ten, rounded once; None if it is none."""
    digits = plain(text.strip(), mark)
    number = parse_number(digits)
    if number is None or len(digits) > _LONGEST_CELL:
        return None
    return float(Decimal(digits).scaleb(exponent)) if exponent else number


def month_is_first(cells: Iterable[str]) -> bool | None:
    """Return whether dates like 3/4/2022 have the month before the day.

    Args:
        cells: that hold the dates of a file.

    Returns:
        Whether they do; None where all dates can be read both ways.

    >>> month_is_first(["3/21/2022 16:56"]), month_is_first(["21.3.2022"]), month_is_first(["3/4/2022"])
    (True, False, None)
    """
    first = second = False
    for cell in cells:
        match = _NUMBERS.fullmatch(cleaned(cell)[:_LONGEST_CELL])
        if match:
            if match[2] == ".":
                return False  # dates with points are those of countries that write the day first
            first, second = first or int(match[1]) > _LAST_MONTH, second or int(match[3]) > _LAST_MONTH
    return None if first == second else second


def moment(cell: str, month_first: bool = True) -> datetime | None:
    """Return the date and time in a cell.

    Args:
        cell: its text.
        month_first: whether 3/4/2022 is in March.

    Returns:
        The moment, with a time zone if the cell has one; None if the cell holds none.

    >>> print(moment("18 Oct 2022  9:08:24 AM"), moment("2/18/2021  10:28:04 PM"), moment("20231120 163016"))
    2022-10-18 09:08:24 2021-02-18 22:28:04 2023-11-20 16:30:16
    """
    text = cleaned(cell)
    if len(text) > _LONGEST_CELL:
        return None
    if iso := _ISO.fullmatch(text):
        return _made(iso[1], iso[2], iso[3], iso[4], iso[5], iso[6], iso[7], iso[8])
    if compact := _COMPACT.fullmatch(text):
        return _made(*compact.groups())
    if numbers := _NUMBERS.fullmatch(text):
        first, second = numbers[1], numbers[3]
        # a date that is possible in one order only is read in that one
        if int(first) > _LAST_MONTH or int(second) > _LAST_MONTH:
            month_first = int(second) > _LAST_MONTH
        month, day = (first, second) if month_first else (second, first)
        return _made(numbers[4], month, day, *numbers.groups()[4:])
    if named := _NAMED.fullmatch(text):
        month = _MONTH.get(named[2][:3].lower())
        return None if month is None else _made(named[3], str(month), named[1], *named.groups()[3:])
    return None


def _made(year: str, month: str, day: str, hour: str | None = None, minute: str | None = None,
          second: str | None = None, half: str | None = None, zone: str | None = None) -> datetime | None:  # fmt: skip
    """Return the moment of these digits, None if there is no such moment."""
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= _NOON:
            return None
        hours = hours % _NOON + (_NOON if half.lower().startswith("p") else 0)
    try:
        made = datetime(int(year), int(month), int(day), hours, int(minute or 0), int(second or 0))
        return made if zone is None else made.replace(tzinfo=_zone(zone))
    except ValueError:
        return None


def _zone(text: str) -> timezone:
    if text in ("Z", "UTC"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def with_offset(when: datetime | None, hours: str) -> datetime | None:
    """Return a moment with the offset of its time zone.

    Args:
        when: the moment.
        hours: from UTC, as the file writes it.

    Returns:
        The moment; as it was where the offset is none.
    """
    number = parse_number(hours.strip().replace(",", "."))
    if when is None or number is None or not -24.0 < number < 24.0:
        return when
    return when.replace(tzinfo=timezone(timedelta(hours=number)))
