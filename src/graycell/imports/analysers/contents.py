"""Bytes of an analyser's file -> rows of text by sheet, or what its JSON holds; recognised by content, not by name."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graycell.runs.format.files import (
    LARGEST_FILE,
    MOST_COLUMNS,
    UnreadableError,
    place_of,
    workbook,
)
from graycell.runs.format.xls import xls

_XLS, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_LOOKED_AT = 4000
"""Characters in which the separator of a text is counted, and bytes in which an encoding shows."""
_MOST_ROWS = 50_000
"""Rows of a text. Twenty samples a day for six years are below it."""
_LONGEST_CELL = 100_000
"""Characters. Cells with all counts of a sample's images have some thousands."""

Rows = list[list[str]]


@dataclass(frozen=True)
class Content:
    """A file, before it is known what wrote it.

    Attributes:
        place: its name, as it may be printed.
        sheets: rows of text by sheet; a text has one, "".
        lines: of a text; [] of a workbook or JSON.
        json: what JSON holds; None for anything else.
        sha256: of its bytes.
    """

    place: str
    sheets: Mapping[str, Rows]
    lines: list[str]
    json: Any
    sha256: str

    def place_of(self, sheet: str) -> str:
        """Return the place of a sheet for a message.

        Args:
            sheet: its name; "" for that of a text.

        Returns:
            The name of the file, with that of the sheet.
        """
        return f"{self.place}, sheet '{sheet}'" if sheet else self.place


def content_of(path: Path) -> Content:
    """Return what a file holds.

    Args:
        path: of a text, a workbook (XLSX or XLS) or JSON.

    Returns:
        The content.

    Raises:
        UnreadableError: it is none of these, or beyond the bounds.
    """
    place = place_of(path)
    try:
        if not path.is_file():
            raise UnreadableError(place, "something that is not a file", "a file is needed", "look at the path")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{getattr(error, 'strerror', None) or error}'"
        raise UnreadableError(place, found, "the file must be readable", "look at its path") from error
    if len(data) > LARGEST_FILE:
        needed = f"a file has at most {LARGEST_FILE / 2**20:g} MiB"
        raise UnreadableError(place, "a larger file", needed, "split it")
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith((_XLS, _ZIP)):
        source = xls(path) if data.startswith(_XLS) else workbook(path, None)
        tables = source.tables.items()
        sheets = {name: [list(row) for row in (table.headings, *table.rows)] for name, table in tables}
        return Content(place, sheets, [], None, digest)
    text = _decoded(data, place)
    if text.lstrip()[:1] in ("{", "["):
        try:
            return Content(place, {}, [], json.loads(text), digest)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(place, "broken JSON", "it is JSON", "save it again") from error
    return Content(place, {"": _rows(text, place)}, text.splitlines(), None, digest)


def _decoded(data: bytes, place: str) -> str:
    """Return the text of bytes: UTF-8, UTF-16 with or without its mark, or the Windows encoding of western Europe."""
    head = data[:_LOOKED_AT]
    encodings = ["utf-8-sig", "cp1252", "latin-1"]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ["utf-16"]
    elif head.count(0) > len(head) / 3:  # every second byte of western text in UTF-16
        encodings = ["utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise UnreadableError(place, "bytes that are no text", "the file is text", "export it again")


def _rows(text: str, place: str) -> Rows:
    """Return the cells of a text by its most frequent separator."""
    separator = max(",;\t", key=text[:_LOOKED_AT].count)
    rows: Rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if len(rows) >= _MOST_ROWS:
                raise UnreadableError(place, "more rows", f"an export has at most {_MOST_ROWS} rows", "split it")
            # image data may have more cells than a table has columns; what is beyond is no quantity
            rows.append([cell[:_LONGEST_CELL] for cell in row[:MOST_COLUMNS]])
    except csv.Error as error:
        remedy = "look for a quote that is not closed"
        raise UnreadableError(place, f"'{error}'", "the file is a table of text", remedy) from error
    return rows
