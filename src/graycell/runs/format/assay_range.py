"""Cells of values outside of the range of their assay: below a limit, or above one."""

import re

_UP_TO = re.compile("^(<\\s*=|=\\s*<|[\u2264\u2a7d\u2266])")
"""Up to a limit: at most, with the signs of several keyboards."""
_ABOVE = ("oor", "+++", "++++", "over", "above", "uloq", "aloq", "alq", "ovr", "ovf", "overrange", "over range",
          "out of range", "tntc", "too numerous to count", "saturated", "too high", "above range",
          "over limit")  # fmt: skip
"""Words of instruments for a value above the range of an assay."""
_LIMIT = ("lod", "loq", "lloq", "dl", "bdl", "bql", "blq", "bloq", "blod", "n.d.", "n.d", "nd")
"""Words for a value below a detection limit."""


def below_of(text: str) -> str:
    """Return a cell in which "up to a limit" is "below a limit", ``<``.

    Args:
        text: of a cell.

    Returns:
        The text.

    >>> below_of("<= 0.5"), below_of("\u22640.5"), below_of("0.5")
    ('< 0.5', '<0.5', '0.5')
    """
    return _UP_TO.sub("<", text)


def is_above(text: str) -> bool:
    """Return whether a cell says that a value was above the range of its assay.

    Args:
        text: of a cell.

    Returns:
        Whether it does.

    >>> is_above(">25.0"), is_above("OOR"), is_above("out of range >"), is_above("25"), is_above("OOR <")
    (True, True, True, False, False)
    """
    word = text.strip()
    if word.startswith("<") or word.endswith("<"):
        return False
    return word.startswith((">", "\u2265", "\u2a7e", "\u2267", "=>")) or word.lower().strip("> ") in _ABOVE


def is_limit_word(text: str) -> bool:
    """Return whether a cell says by a word that a value was below the detection limit of its assay.

    Args:
        text: of a cell.

    Returns:
        Whether it does.

    >>> is_limit_word("BDL"), is_limit_word("<LOD"), is_limit_word("<0.5")
    (True, True, False)
    """
    return text.strip().lower().removeprefix("<").strip() in _LIMIT
