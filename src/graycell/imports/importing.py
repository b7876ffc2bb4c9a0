"""import_runs: files as someone has them, and a mapping that says what its columns are -> runs.

    file --layout--> a row for each run and time --mapping: a plan--> the tables of `read_runs` --assembly--> runs

Everything in both files is data. The columns become the tables that `read_runs` takes, so all that it finds is found
here too. The words of a mapping are told in docs/import.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graycell.errors import Faults, Finding, InputError
from graycell.imports.cells import Cells
from graycell.imports.feeding import Step, events_of_run, samples_of_run, steps_of_run
from graycell.imports.layout import grid_of, source_of_any
from graycell.imports.mapping import plan_of
from graycell.imports.plan import Column
from graycell.imports.ready import words_with_profile
from graycell.runs.format.assembly import A_RUN_HAS_MEASUREMENTS, assemble
from graycell.runs.format.files import UnreadableError, read_toml
from graycell.runs.format.tables import IT_IS_REQUIRED, MOST_FAULTS, Table, shown
from graycell.runs.records import CultureRun, Provenance
from graycell.units import CONCENTRATION, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE

_MAPPING = ("a mapping in TOML is needed", "name a TOML file, see graycell import --help")


@dataclass(frozen=True)
class Imported:
    """Runs of files; remarks on them; optional columns that a file does not have; headings that nothing used.

    volume_is_nominal: whether no volume at the start was told.
    """

    runs: list[CultureRun]
    remarks: tuple[Finding, ...]
    not_there: tuple[str, ...]
    not_read: tuple[str, ...]
    volume_is_nominal: bool


def import_runs(path: str | Path | Sequence[str | Path], mapping: str | Path | Mapping[str, Any]) -> list[CultureRun]:
    r"""Return the runs in CSV, XLSX or Parquet files, by a mapping: a TOML file, or what stands in one.

    path: a file, or several that one mapping fits. Numbers are returned in internal units: d, L, mmol/L, 10^9 cells/L,
    degC. Raises `InputError` with all faults of the mapping, or else of the files.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sheet.csv"
    ...     _ = path.write_text("Day,Viable cells (10^6 cells/mL),Glc_gL\n0,0.4,7.2\n1,0.9,6.5\n")
    ...     mapping = {"time": {"column": "Day", "unit": "d"},
    ...                "measured": {"VCD": "Viable cells (10^6 cells/mL)", "GLC": "Glc_gL"}}
    ...     [run] = import_runs(path, mapping)
    >>> run.measurements["GLC"].value.round(2)  # mmol/L
    array([39.97, 36.08])
    """
    return imported(path, mapping).runs


def imported(path: str | Path | Sequence[str | Path], mapping: str | Path | Mapping[str, Any]) -> Imported:
    """Return what `import_runs` does, with what was not read and what is odd; raises as it does."""
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    where = "mapping" if isinstance(mapping, Mapping) else shown(Path(mapping).name)
    words = dict(mapping) if isinstance(mapping, Mapping) else read_toml(Path(mapping), *_MAPPING)
    faults = Faults(where, MOST_FAULTS)
    _require_numbers_of_toml(words, faults)
    words = words_with_profile(words, where)
    if not paths:
        raise InputError([Finding("import", "no file", "at least one is needed", "name a CSV, XLSX or Parquet file")])
    found, findings, whose = list[Imported](), list[Finding](), dict[str, Path]()
    faulty: dict[Path, tuple[Finding, ...]] = {}
    several = len({one.name for one in paths}) < len(paths)
    named = {one: f"{shown(one.parent.name)}/{shown(one.name)}" if several else shown(one.name) for one in paths}
    for one in paths:
        try:
            of_file = _of_file(one, words, where)
        except InputError as error:
            faulty[one] = error.findings
            continue
        found.append(of_file)
        for run in of_file.runs:
            if whose.setdefault(run.name, one) is not one:
                needed = f"a run of {named[whose[run.name]]} has this name"
                remedy = "rename one; without run in the mapping a file is one run of its name"
                findings.append(Finding(named[one], f"a run '{shown(run.name)}'", needed, remedy))
    of_all = set.intersection(*map(set, faulty.values())) if len(faulty) == len(paths) else set[Finding]()
    for one, of in faulty.items():
        findings += [replace(fault, place=_place_in(fault.place, one, named[one], "" if fault in of_all else where))
                     for fault in of]  # fmt: skip
    if findings:
        raise InputError(list(dict.fromkeys(findings)))
    files = [f" in {shown(one.name)}" if len(paths) > 1 else "" for one in paths]
    return Imported(
        [run for one in found for run in one.runs],
        tuple(dict.fromkeys(remark for one in found for remark in one.remarks)),
        tuple(name + file for one, file in zip(found, files, strict=True) for name in one.not_there),
        tuple(dict.fromkeys(name for one in found for name in one.not_read)),
        any(one.volume_is_nominal for one in found),
    )


def _place_in(place: str, file: Path, named: str, where: str) -> str:
    """Return a place with its file; where: of a mapping that may fit other files, "" if it fits none."""
    if place.startswith(file.name):
        return named + place.removeprefix(file.name)
    return f"{place}, for {named}" if where and place.startswith(where) else place


def _of_file(path: Path, words: Mapping[str, Any], where: str) -> Imported:
    """Return the runs of one file."""
    faults = Faults(where, MOST_FAULTS)
    try:
        source = source_of_any(path, words, where)
        grid = grid_of(source, words, faults)
        plan = None if grid is None else plan_of(words, source, grid, faults)
    except UnreadableError as error:
        raise InputError([error.finding]) from error
    if faults.are_errors or grid is None or plan is None:
        raise InputError(faults.findings)
    tables = _tables(Cells(grid, plan, faults), where, shown(path.stem))
    runs, more = assemble(tables, path.stem, Provenance(source.files, source.sha256))
    if not runs and not faults.are_errors:
        needed, remedy = "rows below the headings are needed", "look at the header and the sheet of the mapping"
        faults.of_file(grid.table.place, "no rows with values", needed, remedy)
    if faults.are_errors:  # what a cell that is faulty leaves without is no fault of its own
        more = [one for one in more if one.needed not in (A_RUN_HAS_MEASUREMENTS, IT_IS_REQUIRED)]
    findings = list(dict.fromkeys([*faults.findings, *more]))
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)
    return Imported(runs, tuple(findings), plan.not_there, plan.not_read, "volume" not in plan.start)


def _require_numbers_of_toml(words: Any, faults: Faults) -> None:
    """Raise `InputError` for whole numbers beyond 64 bits, which TOML does not have and which cannot all be printed."""
    parts = words.values() if isinstance(words, Mapping) else words if isinstance(words, list) else ()
    for part in parts:
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            faults.of_mapping("a number", "more than 64 bits", "a whole number of TOML has 64 bits", "mend it")
            raise InputError(faults.findings)
        _require_numbers_of_toml(part, faults)


def _tables(cells: Cells, where: str, name_of_all: str) -> dict[str, Table]:
    """Return the tables of `read_runs`; every row says where in the file it stands.

    name_of_all: of the run, where no column tells runs apart.
    """
    plan, table = cells.plan, cells.table
    beginning = dict(plan.start)
    if plan.temperature is not None:
        beginning.setdefault("temperature", plan.temperature)
    measured = {f"{name} [{one.unit if one.is_direct else one.house}]": one for name, one in plan.measured.items()}
    species = list(dict.fromkeys(name for feed in plan.feeds for name in feed.media))
    made = {
        "measurements": _Made("run", f"time [{TIME}]", *measured),
        "initial": _Made("run", *(f"{name} [{column.house}]" for name, column in beginning.items())),
        "events": _Made("run", f"time [{TIME}]", "event", "medium", f"volume [{VOLUME}]", f"rate [{VOLUMETRIC_RATE}]",
                        f"temperature [{TEMPERATURE}]"),
        "signals": _Made("run", f"time [{TIME}]", f"volume [{VOLUME}]"),
        "media": _Made("medium", *(f"{one} [{CONCENTRATION}]" for one in species)),
    }  # fmt: skip
    for feed in plan.feeds:
        made["media"].add(f"{where}, [feeds.{feed.name}]", feed.name, *(feed.media.get(one, 0.0) for one in species))
    for name, rows in _rows_of_runs(cells, name_of_all).items():
        samples = samples_of_run(cells, steps_of_run(cells, rows))
        for replicates in samples:
            _add_sample(cells, name, replicates, made)
        steps = [replicates[0] for replicates in samples]
        sampled = [step.row for step in steps if step.row < cells.grid.sampled]
        # a first temperature that is told later is a shift, and is told as such
        first = {of: cells.first(sampled[:1] if column is plan.temperature else sampled, column)
                 for of, column in beginning.items()}  # fmt: skip
        numbers = {of: one[1] for of, one in first.items() if one is not None}
        at_first = [replicate.row for replicate in samples[0]] if samples else []
        for of, column in beginning.items():
            if len(at_first) > 1 and column.position in {one.position for one in plan.measured.values()}:
                told = [number for row in at_first if (number := cells.number(row, column)) is not None]
                numbers |= {of: math.fsum(told) / len(told)} if told else {}
        there = min((row for row, _ in (one for one in first.values() if one is not None)), default=rows[0])
        made["initial"].add(table.at(there), name, *(numbers.get(of) for of in beginning))
        # without a volume at the start nothing is fed, or the mapping is faulty
        for one in events_of_run(cells, steps, numbers.get("volume", 1.0), numbers.get("temperature")):
            made["events"].add(table.at(one.row), name, *one[1:])
    time = {f"time [{TIME}]": plan.time.name}
    named = {head: one.name for head, one in measured.items()} | time
    tables = {kind: one.table(f"{table.place}, as {kind}") for kind, one in made.items() if one.rows}
    found = {kind: replace(one, named=time) for kind, one in tables.items()}
    # a run may say nothing of its beginning: what a model needs of it is asked when there is a model
    found["initial"] = made["initial"].table(f"{table.place}, as initial")
    return {**found, "measurements": replace(made["measurements"].table(table.place), named=named)}


def _add_sample(cells: Cells, name: str, replicates: Sequence[Step], made: Mapping[str, "_Made"]) -> None:
    """Add what was measured in a sample, and the volume that somebody wrote down."""
    first = replicates[0]
    place = cells.table.at(first.row)
    values = [_mean(cells, [one.row for one in replicates], column, quantity)
              for quantity, column in cells.plan.measured.items()]  # fmt: skip
    if any(values):
        made["measurements"].add(place, name, first.seen, *values)
    volume = cells.amount(first.row, cells.plan.volume)
    if volume is not None:
        made["signals"].add(place, name, first.seen, volume)


def _mean(cells: Cells, rows: Sequence[int], column: Column, quantity: str) -> str:
    """Return the mean of the values of replicates, as `Cells.text` returns one; all or none are below a limit."""
    texts = [text for row in rows if (text := cells.text(row, column, quantity))]
    below = {text.startswith("<") for text in texts}
    if len({float(text.removeprefix("<")) for text in texts}) <= 1 and len(below) <= 1:
        return texts[0] if texts else ""
    if any(below):
        needed = "replicates are all below one detection limit, or none is"
        cells.fault(rows[0], column.name, f"{', '.join(map(shown, texts))}", needed, "empty what does not count")
        return ""
    return repr(math.fsum(map(float, texts)) / len(texts))


def _rows_of_runs(cells: Cells, name_of_all: str) -> dict[str, list[int]]:
    """Return the rows of each run by its name; rows with nothing in them belong to none."""
    plan, table = cells.plan, cells.table
    runs: dict[tuple[str, ...], list[int]] = {}
    for row, given in enumerate(table.rows):
        if not any(cell.strip() for cell in given):
            continue
        words = tuple(cells.word(row, position) for position in plan.run)
        if plan.run and not any(words):
            heading = table.headings[plan.run[0]]
            remedy = f"write it in every row, or give fill = ['{shown(heading)}'] in the mapping to take the one above"
            cells.fault(row, heading, "an empty cell", "every row names its run", remedy)
            continue
        runs.setdefault(words, []).append(row)
    named: dict[str, list[int]] = {}
    for words, rows in runs.items():
        name = "-".join(word for word in words if word) or name_of_all
        if name in named:
            heading = table.headings[plan.run[0]]
            cells.fault(rows[0], heading, f"a second run '{shown(name)}'", "names are unique", "rename one")
        named.setdefault(name, rows)
    return named


class _Made:
    """A table that is made row by row, and where in the file each row stands."""

    def __init__(self, *headings: str) -> None:
        self.headings = headings
        self.rows: list[tuple[str, ...]] = []
        self.origins: list[str] = []

    def add(self, origin: str, *row: str | float | None) -> None:
        """Add a row; numbers keep all their digits, and None is an empty cell."""
        self.rows.append(tuple("" if one is None else one if isinstance(one, str) else repr(one) for one in row))
        self.origins.append(origin)

    def table(self, place: str) -> Table:
        """Return it."""
        return Table(place, self.headings, tuple(self.rows), tuple(self.origins))
