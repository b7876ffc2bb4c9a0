"""Tables of text -> files: a folder of CSV or Parquet files, or a workbook."""

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import pandas as pd

from graycell.errors import Finding, InputError
from graycell.runs.format.files import INSTRUCTIONS, NO_PYARROW, place_of
from graycell.runs.format.kinds import KINDS, TEXT
from graycell.runs.format.tables import guarded, parse_number

Rows = Sequence[Sequence[str]]
"""A table as text, the headings first."""


def write_folder(tables: Mapping[str, Rows], folder: Path) -> None:
    """Write each table as a CSV file of its name.

    Args:
        tables: rows by name, the headings first.
        folder: that exists.
    """
    for kind, rows in tables.items():
        with (folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([guarded(cell) for cell in row] for row in rows)


def write_workbook(
    tables: Mapping[str, Rows], path: Path, mark: str = "", lines: Sequence[str] = (), width: float = 14.0
) -> None:
    """Write each table as a sheet; numbers as numbers, and nothing as a formula.

    Args:
        tables: rows by name, the headings first.
        path: of the workbook.
        mark: see `marks.mark_text`.
        lines: of a first sheet, which is not read.
        width: of the columns, in characters.
    """
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    book.properties.identifier = mark
    if lines:
        sheet = book.create_sheet(INSTRUCTIONS)
        for line in lines:
            sheet.append([line])
        sheet.column_dimensions["A"].width = 110
    for kind, rows in tables.items():
        sheet = book.create_sheet(kind)
        words = columns_of_words(kind, rows[0])
        for i, row in enumerate(rows, 1):
            for j, cell in enumerate(row, 1):
                if cell:
                    number = parse_number(cell) if i > 1 and j - 1 not in words else None
                    # a number goes in as text of type number: openpyxl would write 16 digits of the 17
                    written = sheet.cell(i, j, guarded(cell) if number is None else repr(number))
                    written.data_type = "s" if number is None else "n"
        sheet.freeze_panes = "A2"
        for column in sheet.iter_cols(max_row=1):
            sheet.column_dimensions[column[0].column_letter].width = width
            column[0].style = "Headline 4"
    whole = io.BytesIO()
    book.save(whole)  # in memory: on a disk without room a zip file is not closed
    path.write_bytes(whole.getvalue())


def write_parquet(tables: Mapping[str, Rows], folder: Path) -> None:
    """Write each table as a Parquet file of its name; a column of numbers alone as numbers, any other as text.

    Args:
        tables: rows by name, the headings first.
        folder: that exists.

    Raises:
        InputError: pyarrow is not installed.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError([Finding(place_of(folder), *NO_PYARROW)])
    for kind, rows in tables.items():
        frame_of(rows, kind).to_parquet(folder / f"{kind}.parquet", engine="pyarrow", index=False)


def columns_of_words(kind: str, headings: Sequence[str]) -> frozenset[int]:
    """Return the columns of a table that hold words, although a word such as ``01`` or ``2E3`` reads as a number.

    Args:
        kind: the name of the table, see `KINDS`.
        headings: of its columns.

    Returns:
        Their positions from the left.

    >>> sorted(columns_of_words("measurements", ["run", "time [d]", "GLC [mmol/L]"]))
    [0]
    """
    columns = KINDS[kind].columns if kind in KINDS else {}
    return frozenset(i for i, heading in enumerate(headings) if columns.get(heading.strip()) == TEXT)


def frame_of(rows: Rows, kind: str = "") -> pd.DataFrame:
    """Return rows of text as a data frame: columns of numbers alone as numbers.

    Args:
        rows: of text, the headings first.
        kind: the name of the table, whose columns of words stay text.

    Returns:
        The data frame.
    """
    heads, *cells = rows
    words = columns_of_words(kind, heads)
    columns = {}
    for j, head in enumerate(heads):
        column = [row[j] or None for row in cells]
        numbers = [None if cell is None else parse_number(cell) for cell in column]
        plain = any(column) and all((a is None) == (b is None) for a, b in zip(column, numbers, strict=True))
        plain = plain and j not in words
        columns[head] = pd.Series(numbers, dtype=float) if plain else pd.Series(column, dtype="string")
    return pd.DataFrame(columns)
