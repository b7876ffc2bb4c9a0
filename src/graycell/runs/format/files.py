"""Files -> tables of text: CSV, XLSX, Parquet and TOML. Files are data: bounded in size, and never executed.

`FORMATS` is the registry of formats: how a path is recognised, how its tables are read. `assembly` makes runs of them.
"""

import csv
import hashlib
import importlib.util
import io
import re
import tomllib
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from graycell.errors import Finding, InputError, nearest, shown
from graycell.names import resembling
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.separators import separator_of
from graycell.runs.format.tables import Table, unguarded

LARGEST_FILE = 50 * 2**20
"""[bytes]. A decade of online data at one a minute is below it."""
LARGEST_WORDS = 1_000_000
"""[bytes] of a TOML file. A larger file is something else."""
LARGEST_UNPACKED = 64 * 2**20
"""[bytes] that a workbook or a Parquet file may unpack to; a small file can hold terabytes. A workbook with 1000 runs
of 15 samples and 30 quantities has 20 MiB."""
MOST_SHEETS = 50
MOST_ROWS = 200_000
MOST_COLUMNS = 500
MOST_CELLS = 3_000_000
"""Filled cells of a table, in memory as text."""
MOST_CELLS_OF_WORKBOOK = 600_000
"""Cells of all sheets of a workbook, with empty ones that have a format, so that a hostile file is refused in seconds.
1000 runs of 15 samples and 30 quantities have 480 000."""
INSTRUCTIONS = "instructions"
"""A sheet or file of this name is for people and is not read."""

_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_SPLIT = "split the data into several files"
NO_PYARROW = ("no pyarrow", "Parquet files need it", "install graycell[parquet], or save the data as CSV or XLSX")


class UnreadableError(Exception):
    """A file that gives no table at all; ends the reading of that file only.

    Attributes:
        finding: what is wrong with it.
    """

    finding: Finding

    def __init__(self, place: str, found: str, needed: str, remedy: str):
        super().__init__(place)
        self.finding = Finding(place, found, needed, remedy)


@dataclass(frozen=True)
class Source:
    """What a path holds.

    Attributes:
        tables: by name.
        unreadable: names of tables that cannot be read.
        files: their names.
        sha256: of their bytes, in order.
        findings: what is wrong with them.
    """

    tables: Mapping[str, Table]
    unreadable: frozenset[str]
    files: tuple[str, ...]
    sha256: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Format:
    """One way to keep runs.

    Attributes:
        name: as messages give it.
        matches: whether a path is of this format.
        read: reads a path.
    """

    name: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Source]


def place_of(path: Path) -> str:
    """Return the name of a file or folder as places in it begin.

    Args:
        path: of the file or folder.

    Returns:
        The name, as it may be printed.
    """
    return shown(path.name or str(path))


def source_of(path: Path) -> Source:
    """Return what a file or folder holds.

    Args:
        path: in one of `FORMATS`.

    Returns:
        Its tables, and what is wrong with them.

    Raises:
        UnreadableError: it holds no table at all.
    """
    place = place_of(path)
    try:
        if not path.exists():
            raise UnreadableError(place, "nothing", "a file or a folder is needed", "look at the path")
        reader = next((known for known in FORMATS if known.matches(path)), None)
        if reader is None:
            needed = f"known formats are {', '.join(known.name for known in FORMATS)}"
            found = f"'{path.suffix}'" if path.suffix else "a file without an ending"
            raise UnreadableError(place, found, needed, "save the data in one of them")
        return reader.read(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        found = f"'{getattr(error, 'strerror', None) or error}'"
        raise UnreadableError(place, found, "the file must be readable", "look at its permissions") from error


def read_toml(path: Path, needed: str, remedy: str) -> dict[str, Any]:
    """Return the content of a TOML file.

    Args:
        path: of the file.
        needed: what a `Finding` says is needed if there is no file.
        remedy: what it says to do then.

    Returns:
        The content.

    Raises:
        InputError: there is no file, or it is no TOML.
    """
    try:
        if path.stat().st_size > LARGEST_WORDS:
            raise ValueError(f"{path.stat().st_size} bytes, at most {LARGEST_WORDS} are read")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = "no file"
    except (ValueError, OSError, RecursionError) as error:
        found, remedy = shown(str(error)), "correct the file; the text names the line where it can"
    raise InputError([Finding(str(path), found, needed, remedy)])


def unknown_table(place: str, name: str) -> Finding:
    """Return the finding of a table that is none of `KINDS`.

    Args:
        place: of the folder or workbook.
        name: of the table.

    Returns:
        An error if the name resembles that of a table, else a remark.
    """
    # a notes sheet may stay; a misspelt table must not be dropped in silence
    remedy = f"rename or remove it; {nearest(name, KINDS)}"
    severity = "error" if resembling(name, KINDS, 0.6) else "warning"
    return Finding(place, f"'{name}'", "only known tables are read", remedy, severity)


def text_table(path: Path, header: int | None) -> Source:
    """Return a CSV file of any usual separator and encoding as one table of its name.

    Args:
        path: of the file.
        header: the row of the headings, counted from 1; None if it is not known.

    Returns:
        The table.

    Raises:
        UnreadableError: it is no text, or beyond the bounds.
    """
    data = _bytes(path)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UnreadableError(place_of(path), "bytes that are no text", "the file is text", "save it as CSV UTF-8")
    table = _csv_table(place_of(path), text, separator_of(text, header))
    return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())


def transposed(table: Table) -> Table:
    """Return a sheet with its columns as rows.

    Args:
        table: the sheet.

    Returns:
        The turned table, which knows where its cells were.

    Raises:
        UnreadableError: the sheet has more rows than a table may have columns.
    """
    from openpyxl.utils import get_column_letter  # slow to import, as is all of openpyxl

    every = [table.headings, *table.rows]
    while every and not any(cell.strip() for cell in every[-1]):
        every.pop()
    if len(every) > MOST_COLUMNS:
        needed = f"a table that is transposed has at most {MOST_COLUMNS} rows"
        raise UnreadableError(table.place, f"{len(every)} rows", needed, "see whether it has a column for each sample")
    headings, *rows = zip_longest(*every, fillvalue="") if any(every) else [()]
    places = [f"{table.place} transposed, row {i + 2} (column {get_column_letter(i + 2)})" for i in range(len(rows))]
    return Table(table.place, headings, tuple(rows), tuple(places))


def workbook(path: Path, wanted: Collection[str] | None, decimal: str = ".") -> Source:
    """Return the sheets of a workbook as tables.

    Args:
        path: of the workbook.
        wanted: names of sheets, every other of which becomes a finding; None for all sheets.
        decimal: the decimal mark of numbers as text, so that they are like those that the workbook keeps as text.

    Returns:
        The tables by sheet.

    Raises:
        UnreadableError: it is no workbook, or beyond the bounds.
    """
    from graycell.runs.format.opening import opened  # with openpyxl, which is slow to import

    data, place = _bytes(path), place_of(path)
    tables: dict[str, Table] = {}
    unreadable: set[str] = set()
    findings: list[Finding] = []
    try:
        computed = _formulas_within_bounds(data, place)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validations, which are not read
            values, formulas = opened(data, stored=True), opened(data, stored=False) if computed else None
            if len(values.sheetnames) > MOST_SHEETS:
                found, needed = f"{len(values.sheetnames)} sheets", f"a workbook has at most {MOST_SHEETS}"
                raise UnreadableError(place, found, needed, _SPLIT)
            for sheet in values.sheetnames:
                if wanted is not None and sheet not in wanted:
                    findings += [] if sheet == INSTRUCTIONS else [unknown_table(place, sheet)]
                    continue
                try:
                    rows = _sheet_rows(values[sheet], None if formulas is None else formulas[sheet], decimal)
                    first = list(islice(rows, 1))
                    if wanted is None and not first:
                        continue  # somebody's workbook may have sheets of charts
                    tables[sheet] = _table(f"{place}, sheet '{shown(sheet)}'", chain(first, rows))
                except UnreadableError as error:
                    findings.append(error.finding)
                    unreadable.add(sheet)
    except UnreadableError:
        raise
    except Exception as error:  # a broken workbook raises many kinds, of zip, XML and openpyxl
        found = f"a broken workbook ({type(error).__name__})"
        raise UnreadableError(place, found, "it is XLSX", "save it again as XLSX") from error
    return Source(tables, frozenset(unreadable), (path.name,), hashlib.sha256(data).hexdigest(), tuple(findings))


def parquet(path: Path, decimal: str = ".") -> tuple[Table, bytes]:
    """Return the table in a Parquet file, and the bytes of the file.

    Args:
        path: of the file.
        decimal: see `workbook`.

    Returns:
        The table and the bytes.

    Raises:
        UnreadableError: it is no Parquet file, or beyond the bounds, or pyarrow is not installed.
    """
    data, place = _bytes(path), place_of(path)
    if importlib.util.find_spec("pyarrow") is None:
        raise UnreadableError(place, *NO_PYARROW)
    from pyarrow import BufferReader, types
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(BufferReader(data), thrift_string_size_limit=10**7, thrift_container_size_limit=10**6)
        metadata = file.metadata
        unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if not 0 <= unpacked <= LARGEST_UNPACKED:
            needed = f"a Parquet file unpacks to at most {LARGEST_UNPACKED / 2**20:g} MiB"
            raise UnreadableError(place, f"{unpacked / 2**20:.0f} MiB", needed, _SPLIT)
        if metadata.num_rows > MOST_ROWS:
            raise UnreadableError(place, "more rows", f"a table has at most {MOST_ROWS} rows", _SPLIT)
        nested = [field.name for field in file.schema_arrow if types.is_nested(field.type)]
        if nested:
            found, needed = f"a nested column '{nested[0]}'", "cells are numbers or words"
            raise UnreadableError(place, found, needed, "write each part as a column of its own")

        def rows() -> Iterator[list[str]]:
            yield list(file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=1024):
                columns = [[cell_text(value, decimal) for value in column.to_pylist()] for column in batch.columns]
                yield from map(list, zip(*columns, strict=True))

        return _table(place, rows(), guards=False), data
    except UnreadableError:
        raise
    except Exception as error:  # pyarrow raises many kinds
        found = f"a broken Parquet file ({type(error).__name__})"
        raise UnreadableError(place, found, "it is Parquet", "save it again") from error


def cell_text(value: object, decimal: str = ".") -> str:
    """Return a cell as text; a float keeps all its digits, and a duration has hours, minutes and seconds.

    Args:
        value: of a cell.
        decimal: the decimal mark.

    Returns:
        The text, "" for an empty cell.

    >>> cell_text(1.5, ","), cell_text(timedelta(days=1, hours=2, minutes=30))
    ('1,5', '26:30:00')
    """
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return repr(float(value)).replace(".", decimal)
    if isinstance(value, timedelta) and value >= timedelta(0):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _bytes(path: Path) -> bytes:
    place = place_of(path)
    if not path.is_file():
        raise UnreadableError(place, "something that is not a file", "a file is needed", "look at the path")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise UnreadableError(place, "a larger file", f"a file has at most {LARGEST_FILE / 2**20:g} MiB", _SPLIT)
    return data


def _table(place: str, rows: Iterable[list[str]], guards: bool = True) -> Table:
    """Return the table of rows of text, the headings first, within the bounds; `guards`: text may be `guarded`."""
    kept: list[tuple[str, ...]] = []
    cells = 0
    for row in rows:
        cells += len(row)
        if len(kept) > MOST_ROWS:
            raise UnreadableError(place, "more rows", f"a table has at most {MOST_ROWS} rows", _SPLIT)
        if len(row) > MOST_COLUMNS:
            raise UnreadableError(place, "more columns", f"a table has at most {MOST_COLUMNS} columns", _SPLIT)
        if cells > MOST_CELLS:
            raise UnreadableError(place, "more cells", f"a table has at most {MOST_CELLS} cells", _SPLIT)
        kept.append(tuple(map(unguarded, row) if guards else row))
    if not kept:
        raise UnreadableError(place, "no rows", "the first row holds the headings", "add the table, or remove it")
    return Table(place, kept[0], tuple(kept[1:]))


def _utf8(place: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"bytes that are not UTF-8 in line {line}"
        raise UnreadableError(place, found, "the text is UTF-8", "save it again as CSV UTF-8") from error


def _csv_table(place: str, text: str, separator: str = ",") -> Table:
    if "\0" in text:
        raise UnreadableError(place, "a zero byte", "the file is text", "save it again as CSV UTF-8")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    try:
        return _table(place, rows)
    except csv.Error as error:
        needed, remedy = "the file is CSV", "look near that line for a quote that is not closed"
        raise UnreadableError(f"{place}, line {rows.line_num}", f"'{error}'", needed, remedy) from error


def _one_table(path: Path, place: str) -> tuple[Table, bytes]:
    """Return the table in a CSV or Parquet file, and the bytes of the file."""
    if path.suffix.lower() == ".parquet":
        table, data = parquet(path)
        return Table(place, table.headings, table.rows), data
    data = _bytes(path)
    return _csv_table(place, _utf8(place, data)), data


def _source(parts: Iterable[tuple[str, str, Path]], findings: list[Finding]) -> Source:
    """Return the tables of CSV and Parquet files, given as (table, place, path)."""
    tables, names, digest = {}, [], hashlib.sha256()
    unreadable = set()
    for kind, place, path in parts:
        try:
            if kind in tables:
                needed = f"there is one table '{kind}'"
                raise UnreadableError(place, "a second file of it", needed, "remove the CSV or the Parquet file")
            tables[kind], data = _one_table(path, place)
            names.append(path.name)
            digest.update(data)
        except UnreadableError as error:
            findings.append(error.finding)
            unreadable.add(kind)
    return Source(tables, frozenset(unreadable), tuple(names), digest.hexdigest(), tuple(findings))


def _read_single(path: Path) -> Source:
    return _source([("measurements", place_of(path), path)], [])


def _read_folder(path: Path) -> Source:
    name = place_of(path.resolve())
    findings: list[Finding] = []
    parts = []
    for file in sorted(path.iterdir(), key=lambda file: file.name):
        # spreadsheets leave hidden lock files beside the true ones
        if file.suffix.lower() not in (".csv", ".parquet") or file.name.startswith((".", "~")):
            continue
        if file.stem in KINDS:
            parts.append((file.stem, f"{name}/{place_of(file)}", file))
        elif file.stem != INSTRUCTIONS:
            findings.append(unknown_table(name, file.stem))
    return _source(parts, findings)


def _read_workbook(path: Path) -> Source:
    return workbook(path, KINDS)


def _formulas_within_bounds(data: bytes, place: str) -> bool:
    """Return whether a sheet of a workbook has formulas; raises `UnreadableError` for one that is beyond bounds.

    A document type could name entities that grow without end or are in other files; no spreadsheet writes one.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        unpacked = sum(part.file_size for part in parts)
        if unpacked > LARGEST_UNPACKED:
            needed = f"a workbook unpacks to at most {LARGEST_UNPACKED / 2**20:g} MiB"
            raise UnreadableError(place, f"{unpacked / 2**20:.0f} MiB", needed, _SPLIT)
        formulas, cells = False, 0
        for part in parts:
            if not part.filename.lower().endswith((".xml", ".rels")):
                continue
            text = archive.read(part)
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                raise UnreadableError(place, "a document type", "XML of a workbook has none", "save it again as XLSX")
            cells += len(_CELL.findall(text)) if "worksheet" in part.filename.lower() else 0
            if cells > MOST_CELLS_OF_WORKBOOK:
                needed = f"a workbook has at most {MOST_CELLS_OF_WORKBOOK} cells, empty ones with a format too"
                raise UnreadableError(place, "more cells", needed, "split it, or save the sheet as CSV")
            formulas = formulas or b"<f>" in text or b"<f " in text or b":f>" in text or b"<f/" in text
    return formulas


def _sheet_rows(values, formulas, decimal: str) -> Iterator[list[str]]:
    """Yield the rows of a sheet as text; a formula without a stored value stays one, and so is noted."""
    for sheet in (values, formulas):
        if sheet is not None:
            sheet.reset_dimensions()  # the size that a file states may be wrong
    if formulas is None:
        pairs: Iterable = ((row, row) for row in values.iter_rows(values_only=True))
    else:
        pairs = zip(values.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=True)
    for stored, written in pairs:
        cells = zip(stored, written, strict=True)
        row = [cell_text(formula if value is None else value, decimal) for value, formula in cells]
        while row and not row[-1]:
            row.pop()
        yield row


FORMATS = (
    Format("a folder of CSV or Parquet files", lambda path: path.is_dir(), _read_folder),
    Format("XLSX", lambda path: path.suffix.lower() == ".xlsx", _read_workbook),
    Format("CSV", lambda path: path.suffix.lower() == ".csv", _read_single),
    Format("Parquet", lambda path: path.suffix.lower() == ".parquet", _read_single),
)
"""Every format that `read_runs` takes; the first that matches reads."""
