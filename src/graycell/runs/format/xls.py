"""XLS, the workbooks of old spreadsheets and of instruments -> tables of text.

xlrd reads it because it keeps short rows: a reader that lays out a full rectangle needs gigabytes for a small file
with one cell in the far corner.
"""

import hashlib
import io
from pathlib import Path

import xlrd
from xlrd.xldate import xldate_as_datetime

from graycell.errors import shown
from graycell.runs.format import files
from graycell.runs.format.files import Source, UnreadableError
from graycell.runs.format.tables import Table

LARGEST_XLS = 16 * 2**20
"""[bytes]. An XLS has at most 65 536 rows; a full sheet of 25 columns of numbers is below it."""


def xls(path: Path, decimal: str = ".") -> Source:
    """Return the sheets of an XLS workbook as tables.

    Args:
        path: of the workbook.
        decimal: see `files.workbook`.

    Returns:
        The tables by sheet, as `files.workbook` gives them.

    Raises:
        UnreadableError: it is no XLS, or beyond the bounds.
    """
    place = files.place_of(path)
    with path.open("rb") as file:
        data = file.read(LARGEST_XLS + 1)
    if len(data) > LARGEST_XLS:
        needed = f"an XLS has at most {LARGEST_XLS / 2**20:g} MiB"
        raise UnreadableError(place, "a larger file", needed, "save it as XLSX, or split it")
    try:
        book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO(), ragged_rows=True)
        if book.nsheets > files.MOST_SHEETS:
            needed = f"a workbook has at most {files.MOST_SHEETS}"
            raise UnreadableError(place, f"{book.nsheets} sheets", needed, "split it")
        tables, cells = {}, 0
        for sheet in book.sheets():
            rows = []
            for i in range(sheet.nrows):
                row = [_cell(book, kind, value, decimal)
                       for kind, value in zip(sheet.row_types(i), sheet.row_values(i), strict=True)]  # fmt: skip
                while row and not row[-1]:
                    row.pop()
                rows.append(tuple(row))
                cells += len(row)
            if cells > files.MOST_CELLS_OF_WORKBOOK:
                needed = f"a workbook has at most {files.MOST_CELLS_OF_WORKBOOK} cells"
                raise UnreadableError(place, "more cells", needed, "split it, or save the sheet as CSV")
            if rows:
                tables[sheet.name] = Table(f"{place}, sheet '{shown(sheet.name)}'", rows[0], tuple(rows[1:]))
    except UnreadableError:
        raise
    except Exception as error:  # a broken workbook raises many kinds
        found = f"a broken workbook ({type(error).__name__})"
        raise UnreadableError(place, found, "it is XLS", "save it again as XLSX") from error
    return Source(tables, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())


def _cell(book: xlrd.Book, kind: int, value: object, decimal: str) -> str:
    """Return a cell as text; a date as ISO 8601, an error of a formula as its name."""
    if kind == xlrd.XL_CELL_DATE and isinstance(value, float):
        return files.cell_text(xldate_as_datetime(value, book.datemode), decimal)
    if kind == xlrd.XL_CELL_ERROR and isinstance(value, int):
        return xlrd.error_text_from_code.get(value, "#ERROR")
    if kind == xlrd.XL_CELL_BOOLEAN:
        return str(bool(value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # XLS knows no whole numbers
        return str(int(value))
    return files.cell_text(value, decimal)
