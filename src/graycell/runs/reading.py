"""CSV and XLSX -> runs. Files are data: bounded in size, never executed, and all their faults told at once.

`FORMATS` is the registry: how to recognise a format, and how to get its tables of text. What they mean is in
`graycell.runs.assembly`; their columns are in `graycell.runs.tables.KINDS`.
"""

import csv
import hashlib
import io
import tomllib
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from graycell.errors import Finding, InputError, nearest
from graycell.runs.assembly import assemble
from graycell.runs.checks import check_runs
from graycell.runs.plausibility import implausible
from graycell.runs.records import CultureRun, Provenance
from graycell.runs.tables import KINDS, Table, shown

LARGEST_FILE = 50 * 2**20
"""[bytes]. A decade of online data at one a minute is below it."""
LARGEST_WORDS = 1_000_000
"""[bytes] of a TOML file: it is words, and a file above this is something else."""
LARGEST_UNPACKED = 200 * 2**20
"""[bytes] that a workbook may unpack to; a small zip file can hold terabytes."""
MOST_SHEETS = 50
MOST_ROWS = 200_000
MOST_COLUMNS = 500

_SPLIT = "split the data into several files"


class UnreadableError(Exception):
    """A file that gives no table at all; ends the reading of that file only."""

    def __init__(self, place: str, found: str, needed: str, remedy: str):
        super().__init__(place)
        self.finding = Finding(place, found, needed, remedy)


@dataclass(frozen=True)
class Source:
    """What a path gave: tables by name, names of tables that gave nothing, file names, SHA-256, faults."""

    tables: Mapping[str, Table]
    unreadable: frozenset[str]
    files: tuple[str, ...]
    sha256: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Format:
    """One way to keep runs: its name, how a path of it is recognised, and its reader."""

    name: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Source]


def read_runs(path: str | Path) -> list[CultureRun]:
    r"""Return the runs in a folder of CSV files, an XLSX workbook or a single CSV file of measurements.

    Headings carry units, such as ``GLC [mmol/L]``; every unit that converts to the house unit may be used. A
    single CSV file needs a row at time 0, which is the initial state. Numbers are returned in house units: d,
    L, mmol/L, 10^9 cells/L, degC.

    Raises `InputError` with all faults of all tables.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run07.csv"
    ...     _ = path.write_text("time [h],VCD [1e6 cells/mL],GLC [mmol/L]\n0,0.4,40\n24,0.9,36.5\n")
    ...     [run] = read_runs(path)
    >>> print(run.name, run.measurements["GLC"].time, run.measurements["GLC"].value)
    run07 [0. 1.] [40.  36.5]
    """
    runs, findings = _read(Path(path))
    _raise_errors(findings)
    return runs


def check_path(path: str | Path, species: Iterable[str] | None = None) -> list[Finding]:
    """Return all that is wrong or odd about the files at `path` and the runs in them.

    Never raises `InputError`: a file that is missing or broken is a finding too.
    `species` are the names of the model's species, where a model is at hand.

    >>> print(*check_path("no/such/run.csv"))
    run.csv: found nothing; a file or a folder is needed; look at the path.
    """
    return check_paths([path], species)


def check_paths(paths: Iterable[str | Path], species: Iterable[str] | None = None) -> list[Finding]:
    """Return what `check_path` does, of several paths, whose runs are compared with each other too."""
    species = None if species is None else tuple(species)
    findings: list[Finding] = []
    sound: list[CultureRun] = []
    for path in paths:
        runs, faults = _read(Path(path))
        findings += [*faults, *check_runs(runs, species)]
        if not any(finding.severity == "error" for finding in faults):  # else its consequences would be told as well
            sound += runs
    return list(dict.fromkeys([*findings, *implausible(sound)]))


def runs_from_tables(tables: Mapping[str, pd.DataFrame], name: str = "run") -> list[CultureRun]:
    """Return the runs in data frames whose columns are headings with units.

    The names of the tables are those of `graycell.runs.tables.KINDS`, such as measurements and initial.
    Raises `InputError` with all faults.

    >>> frame = pd.DataFrame({"time [d]": [0.0, 1.0], "LAC [mmol/L]": [1.0, 9.5]})
    >>> runs_from_tables({"measurements": frame})[0].measurements["LAC"].value
    array([1. , 9.5])
    """
    findings = [_unknown_table("tables", key) for key in tables if key not in KINDS]
    known = {key: _from_frame(key, frame) for key, frame in tables.items() if key in KINDS}
    runs, faults = assemble(known, name, Provenance())
    _raise_errors([*findings, *faults])
    return runs


def bundled_run(name: str = "nolan-lee-2011-cell-line-a") -> CultureRun:
    """Return a run that comes with graycell. Raises `InputError` for a name that is not there.

    >>> bundled_run().initial["GLC"]  # mmol/L
    73.0
    """
    with resources.as_file(resources.files("graycell.runs") / "bundled") as folder:
        known = sorted(one.name for one in folder.iterdir() if one.is_dir())
        if name not in known:
            needed = "it comes with graycell"
            raise InputError([Finding("bundled runs", f"'{shown(name)}'", needed, nearest(name, known))])
        return read_runs(folder / name)[0]


def read_toml(path: Path, needed: str, remedy: str) -> dict[str, Any]:
    """Return what stands in a TOML file; raises `InputError`, with the words of what is needed and of what to do."""
    try:
        if path.stat().st_size > LARGEST_WORDS:
            raise ValueError(f"{path.stat().st_size} bytes, at most {LARGEST_WORDS} are read")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = "no file"
    except (ValueError, OSError, RecursionError) as error:
        found, remedy = shown(str(error)), "correct the file; the text names the line where it can"
    raise InputError([Finding(str(path), found, needed, remedy)])


def _raise_errors(findings: Iterable[Finding]) -> None:
    findings = tuple(findings)
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)


def _read(path: Path) -> tuple[list[CultureRun], list[Finding]]:
    place = shown(path.name or str(path))
    try:
        if not path.exists():
            return [], [Finding(place, "nothing", "a file or a folder is needed", "look at the path")]
        reader = next((one for one in FORMATS if one.matches(path)), None)
        if reader is None:
            needed = f"known formats are {', '.join(one.name for one in FORMATS)}"
            found = f"'{shown(path.suffix)}'" if path.suffix else "a file without an ending"
            return [], [Finding(place, found, needed, "save the data in one of them")]
        source = reader.read(path)
    except UnreadableError as error:
        return [], [error.finding]
    except OSError as error:
        found = f"'{error.strerror}'"
        return [], [Finding(place, found, "the file must be readable", "look at its permissions")]
    name = shown(path.resolve().name if path.is_dir() else path.stem)
    provenance = Provenance(source.files, source.sha256)
    runs, findings = assemble(source.tables, name, provenance, source.unreadable)
    return runs, [*source.findings, *findings]


def _unknown_table(place: str, name: str) -> Finding:
    # a notes sheet may stay; a misspelt table must not be dropped in silence
    misspelt = get_close_matches(name.lower(), KINDS, n=1, cutoff=0.6)
    remedy = f"rename or remove it; {nearest(name, KINDS)}"
    severity = "error" if misspelt else "warning"
    return Finding(place, f"'{shown(name)}'", "only known tables are read", remedy, severity)


def _bytes(path: Path) -> bytes:
    place = shown(path.name)
    if not path.is_file():
        raise UnreadableError(place, "something that is not a file", "a file is needed", "look at the path")
    with path.open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise UnreadableError(place, "a larger file", f"a file has at most {LARGEST_FILE / 2**20:g} MiB", _SPLIT)
    return data


def _table(place: str, rows: Iterable[list[str]]) -> Table:
    """Return the table of rows of text, the headings first, within the bounds."""
    kept: list[tuple[str, ...]] = []
    for row in rows:
        if len(kept) > MOST_ROWS:
            raise UnreadableError(place, "more rows", f"a table has at most {MOST_ROWS} rows", _SPLIT)
        if len(row) > MOST_COLUMNS:
            raise UnreadableError(place, "more columns", f"a table has at most {MOST_COLUMNS} columns", _SPLIT)
        kept.append(tuple(row))
    if not kept:
        raise UnreadableError(place, "no rows", "the first row holds the headings", "add the table, or remove it")
    return Table(place, kept[0], tuple(kept[1:]))


def text_table(path: Path, header: int) -> Source:
    """Return a CSV file of any separator (comma, semicolon, tab) and usual encoding as one table of its name.

    The separator is the one that the row of the headings, counted from 1, has most of.
    """
    data = _bytes(path)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise UnreadableError(shown(path.name), "bytes that are no text", "the file is text", "save it as CSV UTF-8")
    headings = text.split("\n", header)[min(header, text.count("\n") + 1) - 1]
    table = _csv_table(shown(path.name), text, max(",;\t", key=headings.count))
    return Source({path.stem: table}, frozenset(), (path.name,), hashlib.sha256(data).hexdigest(), ())


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
    try:
        return _table(place, csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        remedy = "look for a quote that is not closed"
        raise UnreadableError(place, f"'{error}'", "the file is CSV", remedy) from error


def _source(parts: Iterable[tuple[str, str, Path]], findings: list[Finding]) -> Source:
    """Return the tables of CSV files, given as (table, place, path)."""
    tables, names, digest = {}, [], hashlib.sha256()
    unreadable = set()
    for kind, place, path in parts:
        try:
            data = _bytes(path)
            names.append(path.name)
            digest.update(data)
            tables[kind] = _csv_table(place, _utf8(place, data))
        except UnreadableError as error:
            findings.append(error.finding)
            unreadable.add(kind)
    return Source(tables, frozenset(unreadable), tuple(names), digest.hexdigest(), tuple(findings))


def _read_csv(path: Path) -> Source:
    return _source([("measurements", shown(path.name), path)], [])


def _read_folder(path: Path) -> Source:
    name = shown(path.resolve().name)
    findings: list[Finding] = []
    parts = []
    for one in sorted(path.iterdir(), key=lambda one: one.name):
        # spreadsheets leave hidden lock files beside the true ones
        if one.suffix.lower() != ".csv" or one.name.startswith((".", "~")):
            continue
        if one.stem in KINDS:
            parts.append((one.stem, f"{name}/{shown(one.name)}", one))
        else:
            findings.append(_unknown_table(name, one.stem))
    return _source(parts, findings)


def _read_workbook(path: Path) -> Source:
    return workbook(path, KINDS)


def workbook(path: Path, wanted: Collection[str] | None) -> Source:
    """Return the sheets of a workbook as tables: those of these names, and a finding of every other, or all (None)."""
    data, place = _bytes(path), shown(path.name)
    tables: dict[str, Table] = {}
    unreadable: set[str] = set()
    findings: list[Finding] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(one.file_size for one in archive.infolist())
        if unpacked > LARGEST_UNPACKED:
            needed = f"a workbook unpacks to at most {LARGEST_UNPACKED / 2**20:g} MiB"
            raise UnreadableError(place, f"{unpacked / 2**20:.0f} MiB", needed, _SPLIT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validations, which are not read
            values, formulas = (
                openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=value, keep_links=False)
                for value in (True, False)
            )
            if len(values.sheetnames) > MOST_SHEETS:
                found, needed = f"{len(values.sheetnames)} sheets", f"a workbook has at most {MOST_SHEETS}"
                raise UnreadableError(place, found, needed, _SPLIT)
            for sheet in values.sheetnames:
                if wanted is not None and sheet not in wanted:
                    findings.append(_unknown_table(place, sheet))
                    continue
                try:
                    rows = _sheet_rows(values[sheet], formulas[sheet])
                    tables[sheet] = _table(f"{place}, sheet '{sheet}'", rows)
                except UnreadableError as error:
                    findings.append(error.finding)
                    unreadable.add(sheet)
    except UnreadableError:
        raise
    except Exception as error:  # a broken workbook raises many kinds, of zip, XML and openpyxl
        found = f"a broken workbook ({type(error).__name__})"
        raise UnreadableError(place, found, "it is XLSX", "save it again as XLSX") from error
    return Source(tables, frozenset(unreadable), (path.name,), hashlib.sha256(data).hexdigest(), tuple(findings))


def _sheet_rows(values, formulas) -> Iterator[list[str]]:
    """Yield the rows of a sheet as text; a formula without a stored value stays one, and so is noted."""
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # the size that a file states may be wrong
    pairs = zip(
        values.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True),
        formulas.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True),
        strict=True,
    )
    for stored, written in pairs:
        cells = zip(stored, written, strict=True)
        row = [_text(formula if value is None else value) for value, formula in cells]
        while row and not row[-1]:
            row.pop()
        yield row


def _text(value: object) -> str:
    """Return a cell as text; a float keeps all its digits."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _from_frame(name: str, frame: pd.DataFrame) -> Table:
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    texts = tuple(tuple(_text(cell) for cell in row) for row in rows)
    return Table(f"table '{name}'", tuple(str(column) for column in frame.columns), texts)


FORMATS = (
    Format("a folder of CSV files", lambda path: path.is_dir(), _read_folder),
    Format("XLSX", lambda path: path.suffix.lower() == ".xlsx", _read_workbook),
    Format("CSV", lambda path: path.suffix.lower() == ".csv", _read_csv),
)
"""Every format that `read_runs` takes; the first that matches reads."""
