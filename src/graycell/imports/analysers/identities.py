"""The vessel and the day in the name of a sample, such as BR07_D3, where it has them."""

import re
from functools import lru_cache
from typing import NamedTuple

from graycell.imports.sides import ending_of, side_of

_HOURS_OF_A_DAY = 24.0
_NUMBER = r"(?P<number>\d{1,4}(?:[.,]\d{1,4})?)"
_APART = r"[ _\-./]"
_DAY = rf"(?:culture ?)?(?:day|tag|d)[ _]?{_NUMBER}"
_HOUR = rf"t?{_NUMBER} ?(?:hours|hrs|hr|std|h)"
_AGAIN = rf"(?:{_APART}+(?:replicate|rep\.?|r|#)? ?\d{{1,2}})?"
"""A count of the replicate at the end."""
_RUN = r"(?P<run>[^\s_].{0,80}?)"
_WAYS = tuple(
    (re.compile(pattern, re.IGNORECASE), units)
    for part, units, mark in ((_DAY, 1.0, rf"(?:{_APART}+|(?<=\d))"), (_HOUR, _HOURS_OF_A_DAY, rf"{_APART}+"))
    for pattern in (
        rf"{_RUN}{mark}{part}{_AGAIN}",
        rf"{_RUN} ?\({part}\){_AGAIN}",
        rf"{part}{_APART}+(?=.*[a-z]){_RUN}",
    )
)
"""Patterns, and how many of their units are a day. ``D-3``, before the start, fits none."""


_DAYS = tuple(
    (re.compile(part + _AGAIN, re.IGNORECASE), units) for part, units in ((_DAY, 1.0), (_HOUR, _HOURS_OF_A_DAY))
)


class Identity(NamedTuple):
    """Where a sample is from.

    Attributes:
        run: the vessel or the run.
        day: [d] since the start.
        side: "before" or "after" a feed, "" if not told.
    """

    run: str
    day: float
    side: str = ""


@lru_cache(maxsize=100_000)
def identity_of(name: str, vessel: str = "") -> Identity | None:
    """Return the run and the day that the name of a sample tells.

    Args:
        name: as somebody typed it into an analyser.
        vessel: of the sample, where another column has it; the name then need not.

    Returns:
        The run and the day; None if they are not told.

    >>> identity_of("BR07_D3"), identity_of("BR07 72 h")
    (Identity(run='BR07', day=3.0, side=''), Identity(run='BR07', day=3.0, side=''))
    >>> identity_of("CLB001"), identity_of("BR07_D-1")
    (None, None)
    >>> identity_of("Day 3", "BR07")
    Identity(run='BR07', day=3.0, side='')
    >>> identity_of("BR07_D3_pre").side, identity_of("BR07 D3 (post feed)").side
    ('before', 'after')
    """
    text = " ".join(name.split())
    ending = ending_of(text)
    text, side = (ending[0], side_of(ending[2])) if ending else (text, "")
    for pattern, units in (*(_DAYS if vessel else ()), *_WAYS):
        found = pattern.fullmatch(text)
        if found:
            run = found.groupdict().get("run", vessel).strip(" _-./")
            return Identity(run, float(found["number"].replace(",", ".")) / units, side)
    return None


def plain(name: str) -> str:
    """Return a name without what people write differently: capitals, spaces, and marks between its parts.

    Args:
        name: of a sample or a run.

    Returns:
        The letters and digits.

    >>> plain("BR-07 "), plain("br_07")
    ('br07', 'br07')
    """
    return re.sub(r"[\s_\-./]+", "", name).casefold()
