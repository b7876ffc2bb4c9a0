"""Tables that the commands print."""

import math

import pandas as pd
from rich.measure import Measurement
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from graycell.cli.sentences import console

_MOST_COLUMNS = 1000
"""Number of characters in a line of the widest table that is printed."""
_MOST_COUNTED = 1e7
"""Up to which a whole number has all its digits."""


def print_frame(frame: pd.DataFrame, title: str) -> None:
    """Print a table: text at the left, numbers at the right and to four digits.

    Args:
        frame: the table.
        title: the line above it.
    """
    numeric = [pd.api.types.is_numeric_dtype(frame[head]) for head in frame.columns]
    table = Table(title=title, title_justify="left")
    for head, is_number in zip(frame.columns, numeric, strict=True):
        table.add_column(Text(str(head)), justify="right" if is_number else "left")
    for row in frame.itertuples(index=False):
        cells = (
            _number(float(cell)) if is_number else str(cell)
            for cell, is_number in zip(row, numeric, strict=True)
        )
        table.add_row(*(Text(cell) for cell in cells))
    # numbers are never cut: a table that is wider than the terminal continues beyond it
    options = console.options.update(max_width=_MOST_COLUMNS)
    width = max(Measurement.get(console, options, table).maximum, console.width)
    console.print(Segments(console.render(table, options.update(width=width))), crop=False)


def _number(value: float) -> str:
    """Return a number to four digits, and a whole one such as a count of cells in full."""
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if abs(value) < _MOST_COUNTED and value.is_integer() else f"{value:.4g}"
