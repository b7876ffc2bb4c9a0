"""View: the columns of a table as a draft sees them; and the lines of TOML that a draft is made of."""

import json
import re
from collections.abc import Sequence

from graycell.imports.dates import clock_of
from graycell.imports.grids import Grid, positions
from graycell.imports.spec import RUN
from graycell.imports.vocabulary import is_doubtful, role_of, unit_of_heading, words_of
from graycell.runs.format.tables import Table, parse_number
from graycell.units import converts

LOOKED_AT = 200
"""Rows whose cells are looked at."""


class View:
    """The columns of a table, and which of them a draft has used.

    Attributes:
        grid: the rows.
        columns: by heading, the position from the left.
        used: headings that the draft names.
    """

    def __init__(self, grid: Grid):
        """Begin.

        Args:
            grid: the rows.
        """
        self.grid, self.rows = grid, grid.table.rows[:LOOKED_AT]
        self.columns = {heading: i for heading, i in printable(grid.table).items() if heading != RUN}
        self.used: set[str] = set()

    def written_unit(self, heading: str) -> str:
        """Return the unit of a column as a row of units or its heading has it.

        Args:
            heading: of the column.

        Returns:
            The unit, "" where neither states one.
        """
        return self.grid.units.get(self.columns[heading]) or unit_of_heading(heading)

    def unit(self, heading: str) -> str:
        """Return the unit of a column.

        Args:
            heading: of the column.

        Returns:
            The unit, "" where the file states none, or one that people write for another.
        """
        unit = self.written_unit(heading)
        return "" if is_doubtful(unit) else unit

    def cells(self, heading: str, of_all: bool = False) -> list[str]:
        """Return the filled cells of a column.

        Args:
            heading: of the column.
            of_all: whether of all rows, and not of the first ones only.

        Returns:
            The text of each.
        """
        i = self.columns[heading]
        rows = self.grid.table.rows if of_all else self.rows
        return [words_of(row[i]) for row in rows if i < len(row) and row[i].strip()]

    def of_role(self, role: str) -> list[str]:
        """Return the headings of a role that are not used yet.

        Args:
            role: see `role_of`.

        Returns:
            The headings from the left.
        """
        return [heading for heading in self.columns if role_of(heading) == role and heading not in self.used]

    def is_numeric(self, heading: str) -> bool:
        """Return whether a column has a number.

        Args:
            heading: of the column.

        Returns:
            Whether one of its cells is one, with either decimal mark.
        """
        return any(parse_number(cell.replace(",", ".")) is not None for cell in self.cells(heading))

    def is_clock(self, heading: str) -> bool:
        """Return whether the cells of a column are times of a day.

        Args:
            heading: of the column.

        Returns:
            Whether all are.
        """
        cells = self.cells(heading)
        return bool(cells) and all(clock_of(cell) is not None for cell in cells)


def printable(table: Table) -> dict[str, int]:
    """Return where the headings are that a mapping can name; of columns of one name the first counts.

    Args:
        table: whose headings.

    Returns:
        The positions from the left.
    """
    return {heading: i for heading, i in positions(table.headings).items() if heading.isprintable()}


def line(text: str, comment: str = "") -> str:
    """Return a line of TOML with a comment.

    Args:
        text: the line.
        comment: "" for none.

    Returns:
        The line.
    """
    return f"{text:<38} # {comment}" if comment else text


def quoted(text: str | Sequence[str]) -> str:
    """Return text as a string of TOML, or several as a list.

    Args:
        text: one or several.

    Returns:
        The TOML.
    """
    return json.dumps(text, ensure_ascii=False)


def in_comment(text: str) -> str:
    """Return foreign text as a comment may hold it.

    Args:
        text: of the file.

    Returns:
        The text, short and printable.
    """
    text = text if len(text) <= 40 else text[:40] + "..."
    return "".join(letter for letter in text if letter.isprintable())


def has_unit(unit: str, internal_unit: str) -> bool:
    """Return whether a unit is there and converts.

    Args:
        unit: "" for none.
        internal_unit: to which.

    Returns:
        Whether it does.
    """
    return bool(unit) and converts(unit, internal_unit)


def small(text: str) -> str:
    """Return the letters of a text in small ones, as words are compared.

    Args:
        text: a heading.

    Returns:
        Its letters.
    """
    return re.sub(r"[^a-z]", "", text.lower())
