"""Files and data frames -> runs, with all their faults at once; and runs -> data frames."""

from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from graycell.errors import Finding, InputError, nearest, shown
from graycell.runs.format.assembly import assemble
from graycell.runs.format.files import UnreadableError, cell_text, place_of, source_of, unknown_table
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.marks import findings_of
from graycell.runs.format.tables import Table
from graycell.runs.records import CultureRun, Provenance

if TYPE_CHECKING:
    import pandas as pd  # slow to import, and files are read without it


def read_runs(path: str | Path) -> list[CultureRun]:
    r"""Return the runs in a folder of CSV or Parquet files, an XLSX workbook or a single file of measurements.

    Headings carry units, such as ``GLC [mmol/L]``; every unit that converts to the internal unit may be used. A
    single CSV or Parquet file needs a row at time 0, which is the initial state.

    Args:
        path: of the folder or the file.

    Returns:
        The runs, in internal units: d, L, mmol/L, 10^9 cells/L, degC; masses in g/L, or in mmol/L where the molar mass
        is known.

    Raises:
        InputError: with all faults of all tables.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run07.csv"
    ...     _ = path.write_text("time [h],VCD [1e6 cells/mL],GLC [mmol/L]\n0,0.4,40\n24,0.9,36.5\n")
    ...     [run] = read_runs(path)
    >>> print(run.name, run.measurements["GLC"].time, run.measurements["GLC"].value)
    run07 [0. 1.] [40.  36.5]
    """
    runs, findings = read_with_findings(path)
    _raise_errors(findings)
    return runs


def runs_from_tables(tables: Mapping[str, "pd.DataFrame"], name: str = "run") -> list[CultureRun]:
    """Return the runs in data frames whose columns are headings with units.

    Args:
        tables: by name; the names are those of `graycell.runs.format.kinds.KINDS`, such as measurements and initial.
        name: of the run, if no column `run` gives names.

    Returns:
        The runs, in internal units.

    Raises:
        InputError: with all faults.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"time [d]": [0.0, 1.0], "LAC [mmol/L]": [1.0, 9.5]})
    >>> runs_from_tables({"measurements": frame})[0].measurements["LAC"].value
    array([1. , 9.5])
    """
    findings = [unknown_table("tables", key) for key in tables if key not in KINDS]
    known = {key: _from_frame(key, frame) for key, frame in tables.items() if key in KINDS}
    runs, faults = assemble(known, name, Provenance())
    _raise_errors([*findings, *faults])
    return runs


def bundled_run(name: str = "nolan-lee-2011-cell-line-a") -> CultureRun:
    """Return a run that comes with graycell.

    Args:
        name: of the run.

    Returns:
        The run.

    Raises:
        InputError: there is no run of this name.

    >>> bundled_run().initial["GLC"]  # mmol/L
    73.0
    """
    with resources.as_file(resources.files("graycell.runs") / "bundled") as folder:
        known = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if name not in known:
            needed = "it comes with graycell"
            raise InputError([Finding("bundled runs", f"'{name}'", needed, nearest(name, known))])
        return read_runs(folder / name)[0]


def _raise_errors(findings: Iterable[Finding]) -> None:
    findings = tuple(findings)
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)


def read_with_findings(path: str | Path) -> tuple[list[CultureRun], list[Finding]]:
    """Return runs and all that is wrong or odd about their files, without raising `InputError`.

    Args:
        path: see `read_runs`.

    Returns:
        The runs, which are incomplete if they have faults, and the findings.
    """
    path = Path(path)
    try:
        source = source_of(path)
    except UnreadableError as error:
        return [], [error.finding]
    name = shown(path.resolve().name if path.is_dir() else path.stem)
    provenance = Provenance(source.files, source.sha256)
    runs, findings = assemble(source.tables, name, provenance, source.unreadable)
    return runs, [*findings_of(path, place_of(path)), *source.findings, *findings]


def _from_frame(name: str, frame: "pd.DataFrame") -> Table:
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    texts = tuple(tuple(cell_text(cell) for cell in row) for row in rows)
    return Table(f"table '{name}'", tuple(str(column) for column in frame.columns), texts)
