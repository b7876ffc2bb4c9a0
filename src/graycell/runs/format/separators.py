"""separator_of: the text of a CSV file -> the character between its cells, whatever is in quotes or above headings."""

import csv
import io
import re
from collections import Counter
from itertools import islice

SEPARATORS = ";\t,|"
"""Of two that fit equally well the first counts: a comma is also a decimal mark."""
_LOOKED_AT = 2**18
"""Characters from the beginning of a file whose separator is looked for."""
_MOST_ROWS = 400
_STATED = re.compile(r"sep=(.)\r?\n")
"""The first line of a file that a spreadsheet wrote for another country."""


def separator_of(text: str, header: int | None = None) -> str:
    r"""Return the character that separates the cells of a CSV file.

    It is the one with which the most rows have the same number of cells: as many as the headings, or where they are not
    known as most rows. Separators within quotes do not count.

    Args:
        text: of the file.
        header: the row of the headings, counted from 1; None if it is not known.

    Returns:
        One of `SEPARATORS`, the comma if no row has two cells.

    >>> separator_of('"Time [h]";"Glc [g/L]"\n"0,0";"6,85"\n')
    ';'
    """
    stated = _STATED.match(text)
    if stated and stated[1] in SEPARATORS:
        return stated[1]
    scores: dict[str, tuple[int, int]] = {}
    for separator in SEPARATORS:
        widths = _widths(text[:_LOOKED_AT], separator)
        counted = Counter(width for width in widths if width > 1)
        wanted = max(counted, key=lambda width: counted[width], default=0)
        if header is not None and header <= len(widths):
            wanted = widths[header - 1]
        scores[separator] = (counted[wanted], wanted) if wanted > 1 else (0, 0)
    best = max(SEPARATORS, key=scores.__getitem__)
    return best if scores[best][0] else ","


def _widths(text: str, separator: str) -> list[int]:
    """Return the number of cells of the first rows, 0 for an empty row."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    try:
        return [len(row) if any(row) else 0 for row in islice(rows, _MOST_ROWS)]
    except csv.Error:  # a cell without an end
        return []
