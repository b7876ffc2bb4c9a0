"""Runs -> the tables that `read_runs` reads: a folder, a workbook or data frames, written whole or not at all.

The tables are read back and compared with the runs before they take their place, so nothing is lost in silence.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from graycell.errors import Finding, InputError
from graycell.runs.checks import check_runs
from graycell.runs.format.assay import laws_of_errors
from graycell.runs.format.event_rows import LEVELS, VALUE_COLUMNS, WORDS, cells_of, number_text, with_end
from graycell.runs.format.files import UnreadableError, place_of, source_of
from graycell.runs.format.internal import in_internal_units
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.marks import MARK, digest_in, mark_of, mark_text
from graycell.runs.format.reading import read_runs
from graycell.runs.format.tables import parse_number
from graycell.runs.format.writers import Rows, columns_of_words, frame_of, write_folder, write_parquet, write_workbook
from graycell.runs.limits import LIMITS, limit_of
from graycell.runs.records import TCD, VIABILITY, CultureRun, LevelBolus, Measurement
from graycell.storage import cannot_write, require_place
from graycell.units import PER_MOLE, TEMPERATURE, TIME, VOLUME, parse_heading

_REMEDY = "choose another folder, or empty this one"


def tables_of(runs: Sequence[CultureRun]) -> dict[str, pd.DataFrame]:
    """Return runs as the data frames that `runs_from_tables` reads.

    Args:
        runs: any number.

    Returns:
        The tables by name; headings carry units.

    >>> from graycell.runs.format.reading import bundled_run, runs_from_tables
    >>> frames = tables_of([bundled_run()])
    >>> float(runs_from_tables(frames)[0].measurements["GLC"].value[0])  # mmol/L
    69.31
    """
    return {kind: frame_of(rows, kind) for kind, rows in _tables(in_internal_units(list(runs)))[0].items()}


def write_runs(runs: Sequence[CultureRun], path: str | Path, parquet: bool = False) -> Path:
    r"""Write runs so that `read_runs` returns them again, all of them or none.

    Headings carry internal units (d, L, mmol/L, 1e9 cells/L, degC), and numbers all their digits. The runs come back
    as they are, with these exceptions:

    - If two runs have media of the same name and different compositions, those of the later run are renamed, for
      example to ``feed (run03)``. All runs then have all media.
    - A quantity without an initial value that was sampled at time 0 gets that value.
    - Values in other units, such as mg/L, come back in internal ones, and masses of known solutes in mmol/L.
    - Citations and notes of several runs are joined. A run that ends after its last sample or event without an `End`
      gets one.

    Standard errors are written as the law $s^2 = (r y)^2 + a^2$ of a value y if those of a quantity follow one in all
    runs, else one by one. Text that a spreadsheet would take for a formula gets an apostrophe, which reading removes.

    Args:
        runs: with unique names.
        path: a workbook if it ends in ``.xlsx``, else a folder. What graycell wrote, and nobody changed, is replaced.
        parquet: whether a folder has Parquet files instead of CSV files.

    Returns:
        The path.

    Raises:
        InputError: the path holds anything else, the runs have faults, or the tables cannot hold them.
        OutputError: where they cannot be written.

    >>> import tempfile
    >>> from graycell.runs.format.reading import bundled_run
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     [run] = read_runs(write_runs([bundled_run()], Path(parent) / "run07"))
    >>> float(run.measurements["GLC"].standard_error[0])  # mmol/L
    1.6028
    """
    runs, path = in_internal_units(list(runs)), Path(path)
    book = path.suffix.lower() == ".xlsx"
    _require_writable(runs, path, book)
    tables, names = _tables(runs)
    _require_printable(tables, path)
    stage = path.parent / f".{path.name}.{os.getpid()}.part"
    part = stage / path.name  # so that a fault in reading it back names the path that was asked for
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
        if book:
            write_workbook(tables, part, mark_text(_digest_of(tables)))
        else:
            part.mkdir()
            (write_parquet if parquet else write_folder)(tables, part)
            (part / MARK).write_text(mark_text(_digest(part)), encoding="utf-8")
        _require_same(runs, read_runs(part), names)
        _put(part, path, stage / "old")
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return path


def _tables(runs: Sequence[CultureRun]) -> tuple[dict[str, Rows], list[dict[str, str]]]:
    """Return the tables that are not empty as rows of text, and the written names of the media of every run."""
    media, names = _media(runs)
    laws, single = laws_of_errors(runs)
    tables = {
        "measurements": _measurements(runs),
        "standard_errors": _standard_errors(runs, single),
        "initial": _initial(runs),
        "media": _media_rows(runs, media),
        "events": _events(runs, names),
        "signals": _signals(runs),
        "assay_error": laws,
        "molar_masses": _molar_masses(runs),
        "about": _about(runs),
    }
    return {kind: rows for kind, rows in tables.items() if len(rows) > 1}, names


def _put(part: Path, place: Path, old: Path) -> None:
    """Move `place` to `old` and `part` to `place`; a failure changes nothing."""
    if place.exists():
        os.replace(place, old)
    try:
        os.replace(part, place)
    except OSError:
        if old.exists():
            os.replace(old, place)
        raise


def _digest(folder: Path) -> str:
    """Return the SHA-256 of the tables in a folder."""
    digest = hashlib.sha256()
    for kind in sorted(KINDS):
        for suffix in ("csv", "parquet"):
            path = folder / f"{kind}.{suffix}"
            if suffix == "csv" or path.is_file():
                digest.update(f"{kind}\n".encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def _digest_of(tables: Mapping[str, Rows]) -> str:
    """Return the SHA-256 of tables as text; numbers count by their value, as a workbook keeps them."""
    digest = hashlib.sha256()
    for kind in sorted(tables):
        words = columns_of_words(kind, tables[kind][0])
        for row in tables[kind]:
            numbers = [None if i in words else parse_number(cell) for i, cell in enumerate(row)]
            cells = [cell if number is None else repr(number) for cell, number in zip(row, numbers, strict=True)]
            while cells and not cells[-1]:
                cells.pop()
            digest.update(repr((kind, cells)).encode())
    return digest.hexdigest()


def _require_printable(tables: Mapping[str, Rows], path: Path) -> None:
    """Raise `InputError` for text that no table can hold."""
    needed, remedy = "words are printable and have no spaces at their ends", "correct the name"
    findings = [Finding(f"{place_of(path)}, {kind}", f"'{cell}'", needed, remedy)
                for kind, rows in tables.items() for row in rows for cell in row
                if not cell.isprintable() or cell != cell.strip()]  # fmt: skip
    if findings:
        raise InputError(dict.fromkeys(findings))


def _workbook_is_ours(path: Path) -> bool:
    try:
        source = source_of(path)
    except UnreadableError:
        return False
    return digest_in(mark_of(path)) == _digest_of(
        {kind: [table.headings, *table.rows] for kind, table in source.tables.items()}
    )


def require_place_for_runs(path: str | Path) -> None:
    """Check, before work that takes long, that runs can be written to a path.

    Args:
        path: see `write_runs`.

    Raises:
        InputError: the path holds anything else than what graycell wrote.
        OutputError: it cannot be written to.
    """
    path = Path(path)
    findings = _of_place(path, path.suffix.lower() == ".xlsx")
    if findings:
        raise InputError(findings)
    require_place(path.parent)


def _require_writable(runs: Sequence[CultureRun], path: Path, book: bool) -> None:
    findings = [finding for finding in check_runs(runs) if finding.severity == "error"]
    if not runs:
        findings.append(Finding(place_of(path), "no runs", "at least one is needed", "give some"))
    findings += _of_place(path, book)
    if findings:
        raise InputError(findings)


def _of_place(path: Path, book: bool) -> list[Finding]:
    """Return what speaks against writing runs to a path."""
    place, findings = place_of(path), []
    if book and path.is_dir():
        findings.append(Finding(place, "a folder", "a workbook is a file", "choose another name"))
    elif book and path.exists():
        if not _workbook_is_ours(path):
            needed = "only a workbook that graycell wrote, and nobody changed, is replaced"
            findings.append(Finding(place, "a workbook of someone", needed, "choose another name"))
    elif path.exists() and not path.is_dir():
        findings.append(Finding(place, "a file", "runs are written into a folder, or a .xlsx", "choose another name"))
    elif path.exists():
        ours = {MARK, *(f"{kind}{suffix}" for kind in KINDS for suffix in (".csv", ".parquet"))}
        other = sorted(file.name for file in path.iterdir() if file.name not in ours)
        mark = digest_in(mark_of(path))
        if other:
            found = f"'{other[0]}'" + (f" and {len(other) - 1} more" if len(other) > 1 else "")
            findings.append(Finding(place, found, "only what graycell wrote is replaced", _REMEDY))
        elif any(path.iterdir()) and not (mark and mark == _digest(path)):
            needed = "only tables that graycell wrote, and nobody changed, are replaced"
            findings.append(Finding(place, "tables of someone", needed, _REMEDY))
    return findings


def _of_run(runs: Sequence[CultureRun], run: CultureRun) -> list[str]:
    """Return the cell of the column `run`, which is there for several runs only."""
    return [run.name] if len(runs) > 1 else []


def _headings(runs: Sequence[CultureRun], names: Iterable[str]) -> list[str]:
    """Return names with the units that a run has them in: of its measurement, or of its initial values and media."""
    units: dict[str, str] = {}
    for run in runs:
        for name, unit in (*((name, series.unit) for name, series in run.measurements.items()), *run.units.items()):
            units.setdefault(name, unit)
    return [f"{name} [{units.get(name) or LIMITS[limit_of(name)].unit}]" for name in names]


def _head(runs: Sequence[CultureRun], *columns: str) -> list[str]:
    return [*(["run"] if len(runs) > 1 else []), *columns]


def _measurements(runs: Sequence[CultureRun]) -> Rows:
    quantities = list(dict.fromkeys(name for run in runs for name in run.measurements))
    rows = [_head(runs, f"time [{TIME}]", *_headings(runs, quantities))]
    for run in runs:
        at = {
            name: dict(zip(series.time.tolist(), _cells(series), strict=True))
            for name, series in run.measurements.items()
        }
        # a run without measurements has to have a row, or it would not be one
        for time in sorted({time for values in at.values() for time in values}) or [0.0]:
            cells = [at.get(name, {}).get(time, "") for name in quantities]
            rows.append([*_of_run(runs, run), number_text(time), *cells])
    return rows


def _cells(series: Measurement) -> list[str]:
    """Return the values as cells; a detection limit has ``<`` before it."""
    below = np.zeros(len(series.value), bool) if series.below is None else series.below
    return [f"{'<' if limit else ''}{number_text(value)}" for value, limit in zip(series.value, below, strict=True)]


def _by_time(time: np.ndarray, value: np.ndarray) -> dict[float, float]:
    return dict(zip(time.tolist(), value.tolist(), strict=True))


def _initial(runs: Sequence[CultureRun]) -> Rows:
    names = list(dict.fromkeys(name for run in runs for name in run.initial))
    rows = [_head(runs, f"volume [{VOLUME}]", f"temperature [{TEMPERATURE}]", *_headings(runs, names))]
    for run in runs:
        cells = [run.initial_volume, run.initial_temperature, *(run.initial.get(name) for name in names)]
        rows.append([*_of_run(runs, run), *map(number_text, cells)])
    return rows


def _media(runs: Sequence[CultureRun]) -> tuple[dict[str, Mapping[str, float]], list[dict[str, str]]]:
    """Return the compositions by written name, and for every run the written name of each of its media."""
    written: dict[str, Mapping[str, float]] = {}
    names: list[dict[str, str]] = []
    for run in runs:
        own = {}
        for medium, composition in run.media.items():
            same = [name for name, other in written.items() if dict(other) == dict(composition)]
            named = [name for name in same if name == medium or name.startswith(f"{medium} (")]
            name = named[0] if named else medium
            if not named and name in written:
                name = f"{medium} ({run.name})"
            while not named and name in written:
                name += "'"
            written[name] = composition
            own[medium] = name
        names.append(own)
    return written, names


def _media_rows(runs: Sequence[CultureRun], media: Mapping[str, Mapping[str, float]]) -> Rows:
    species = list(dict.fromkeys(name for composition in media.values() for name in composition))
    rows = [["medium", *_headings(runs, species)]]
    return rows + [
        [name, *(number_text(composition.get(name_of)) for name_of in species)] for name, composition in media.items()
    ]


def _events(runs: Sequence[CultureRun], names: Sequence[Mapping[str, str]]) -> Rows:
    found = [(run, cells_of(event, own)) for run, own in zip(runs, names, strict=True) for event in with_end(run)]
    names_of_columns = (*WORDS, *LEVELS, *VALUE_COLUMNS)
    columns = [column for column in names_of_columns if any(column in cells for _, cells in found)]
    species = {event.species for run in runs for event in run.events if isinstance(event, LevelBolus)}
    units = {parse_heading(heading)[1] for heading in _headings(runs, species)}
    # of several units none is in the heading: a level is then in that of its species in the table media
    unit = f" [{units.pop()}]" if len(units) == 1 else ""
    heads = [VALUE_COLUMNS.get(column, f"{column}{unit}" if column in LEVELS else column) for column in columns]
    rows = [_head(runs, f"time [{TIME}]", "event", *heads)]
    return rows + [
        [*_of_run(runs, run), *(cells.get(column, "") for column in ("time", "event", *columns))]
        for run, cells in found
    ]


def _signals(runs: Sequence[CultureRun]) -> Rows:
    """Return the rows of the signals; those that all runs share are written once, without a run."""
    points = [{name: _by_time(signal.time, signal.value) for name, signal in run.signals.items()} for run in runs]
    units = {name: signal.unit for run in runs for name, signal in run.signals.items()}
    shared = all(of_run == points[0] for of_run in points)
    rows = [_head([] if shared else runs, f"time [{TIME}]", *(f"{name} [{unit}]" for name, unit in units.items()))]
    for run, at in zip(runs[:1] if shared else runs, points, strict=False):
        for time in sorted({time for values in at.values() for time in values}):
            cells = [number_text(at.get(name, {}).get(time)) for name in units]
            rows.append([*_of_run([] if shared else runs, run), number_text(time), *cells])
    return rows


def _standard_errors(runs: Sequence[CultureRun], quantities: Collection[str]) -> Rows:
    """Return the standard error of every value of these quantities."""
    names = sorted(quantities)
    rows = [_head(runs, f"time [{TIME}]", *_headings(runs, names))]
    for run in runs:
        at = {name: _by_time(series.time, series.standard_error) for name in names
              if (series := run.measurements.get(name)) is not None}  # fmt: skip
        for time in sorted({time for values in at.values() for time in values}):
            cells = [number_text(at.get(name, {}).get(time)) for name in names]
            rows.append([*_of_run(runs, run), number_text(time), *cells])
    return rows


def _molar_masses(runs: Sequence[CultureRun]) -> Rows:
    """Return the rows of the molar masses of what was measured; those that all runs share are written once."""
    of_runs = [{name: mass for name, mass in run.molar_masses.items() if name in run.measurements} for run in runs]
    shared = all(of_run == of_runs[0] for of_run in of_runs)
    rows = [_head([] if shared else runs, "quantity", f"molar mass [{PER_MOLE}]")]
    for run, masses in zip(runs[:1] if shared else runs, of_runs, strict=False):
        rows += [[*_of_run([] if shared else runs, run), name, number_text(mass)] for name, mass in masses.items()]
    return rows


def _about(runs: Sequence[CultureRun]) -> Rows:
    rows = [["key", "value"]]
    if len(runs) == 1:
        rows.append(["name", runs[0].name])
    for key in ("citation", "notes"):
        words = dict.fromkeys(" ".join(str(getattr(run.provenance, key)).split()) for run in runs)
        text = " ".join(word for word in words if word)
        rows += [[key, text]] if text else []
    return rows


def _require_same(runs: Sequence[CultureRun], back: Sequence[CultureRun], names: Sequence[Mapping[str, str]]) -> None:
    """Raise `InputError` with everything that would not come back."""
    findings = []
    came = {run.name: run for run in back}
    for run, own in zip(runs, names, strict=True):
        place = f"run '{run.name}'"
        if run.name not in came:
            needed = "a name has no spaces at its ends, none twice, and is printable"
            findings.append(Finding(place, "a name that a table changes", needed, "rename it"))
            continue
        for what in _differences(run, came[run.name], own):
            found = f"{what} that would be read as another"
            findings.append(Finding(place, found, "what is written is what is read", "correct its names and units"))
    if findings:
        raise InputError(findings)


def _differences(run: CultureRun, back: CultureRun, names: Mapping[str, str]) -> Iterator[str]:
    if (run.initial_volume, run.initial_temperature, run.end) != (
        back.initial_volume, back.initial_temperature, back.end,
    ):  # fmt: skip
        yield "a volume, temperature or end"
    # a cell density at time 0 is not used, and the reader takes one from the samples
    if {**_sampled_at_zero(run), **back.initial, "VCD": 0.0} != {**_sampled_at_zero(run), **run.initial, "VCD": 0.0}:
        yield "an initial state"
    if any(back.units.get(name, unit) != unit for name, unit in run.units.items()):
        yield "the unit of an initial state or of a medium"
    if any(back.molar_masses.get(name, mass) != mass for name, mass in run.molar_masses.items()):
        yield "a molar mass"
    same = {name: name for name in back.media}
    if [cells_of(event, names) for event in with_end(run)] != [cells_of(event, same) for event in back.events]:
        yield "an event"
    if any(back.media.get(names[medium]) != dict(composition) for medium, composition in run.media.items()):
        yield "a medium"
    for which, series, other in (
        ("measurement", run.measurements, back.measurements), ("signal", run.signals, back.signals),
    ):  # fmt: skip
        full = {name for name, values in series.items() if len(values.time)}
        if full != set(other) or any(
            series[name].unit != other[name].unit
            or not np.array_equal(series[name].time, other[name].time)
            or not np.array_equal(series[name].value, other[name].value)
            or _limits_of(series[name]) != _limits_of(other[name])
            for name in full
        ):
            yield f"a {which}"


def _sampled_at_zero(run: CultureRun) -> dict[str, float]:
    """Return what was measured at time 0, where a quantity begins that has no initial value of its own."""
    return {
        name: float(series.value[0])
        for name, series in run.measurements.items()
        if len(series.time) and series.time[0] == 0.0 and name not in (TCD, VIABILITY)
    }


def _limits_of(series: object) -> list[bool]:
    """Return which values of a series are detection limits; of a signal none is."""
    below = getattr(series, "below", None)
    return [] if below is None or not np.any(below) else np.asarray(below).tolist()
