"""import_runs: somebody's files, and a mapping of their columns -> runs.

    mapping --parsing--> spec
    file --layout, by the spec--> a row for each run and time --plan--> the tables of runs --assembly--> runs

Everything in both files is data. The columns become the tables that `read_runs` takes, so what is checked there is
checked here too. docs/import.md describes the words of a mapping.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graycell.errors import Faults, Finding, InputError, shown
from graycell.imports.cells import Cells
from graycell.imports.columns import AssayError, Column, Plan
from graycell.imports.feeding import (
    RecordedEvent,
    Step,
    events_of_run,
    in_lots,
    samples_of_run,
    steps_of_run,
    time_of_volume,
    volume_at_start,
)
from graycell.imports.layout import grid_of, grid_of_joined, source_of_any
from graycell.imports.parsing import spec_of
from graycell.imports.plan import plan_of
from graycell.imports.ready import words_with_profile
from graycell.imports.rules import with_rules
from graycell.imports.spec import ImportSpec, is_of_group
from graycell.imports.totals import Totals
from graycell.runs.format.assembly import A_RUN_HAS_MEASUREMENTS, assemble
from graycell.runs.format.files import UnreadableError, place_of, read_toml
from graycell.runs.format.tables import IT_IS_REQUIRED, MOST_FAULTS, Below, Cell, MixedTable
from graycell.runs.records import CultureRun, Provenance
from graycell.units import (
    CONCENTRATION,
    MASS_CONCENTRATION,
    PER_MOLE,
    RATE_PER_CELLS,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
)

_MAPPING = ("a mapping in TOML is needed", "name a TOML file, see graycell import --help")


@dataclass(frozen=True)
class Imported:
    """Runs of files, and what is odd about the files.

    Attributes:
        runs: in the order of the files.
        remarks: findings that are no errors.
        not_there: optional columns that a file does not have.
        not_read: headings and sheets that nothing used.
        volume_is_nominal: whether the mapping gives no volume at the start.
    """

    runs: list[CultureRun]
    remarks: tuple[Finding, ...]
    not_there: tuple[str, ...]
    not_read: tuple[str, ...]
    volume_is_nominal: bool


def import_runs(path: str | Path | Sequence[str | Path], mapping: str | Path | Mapping[str, Any]) -> list[CultureRun]:
    r"""Return the runs in CSV, XLSX or Parquet files, by a mapping.

    Args:
        path: a file, or several that one mapping fits.
        mapping: a TOML file, or its content.

    Returns:
        The runs, in internal units: d, L, mmol/L, 10^9 cells/L, degC.

    Raises:
        InputError: with all faults of the mapping, or else of the files.

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
    """Return what `import_runs` does, with what was not read and what is odd.

    Args:
        path: see `import_runs`.
        mapping: see `import_runs`.

    Returns:
        The runs and the remarks.

    Raises:
        InputError: see `import_runs`.
    """
    paths = [Path(file) for file in ([path] if isinstance(path, str | Path) else path)]
    where = "mapping" if isinstance(mapping, Mapping) else place_of(Path(mapping))
    words = dict(mapping) if isinstance(mapping, Mapping) else read_toml(Path(mapping), *_MAPPING)
    faults = Faults(where, MOST_FAULTS)
    _require_numbers_of_toml(words, faults)
    spec = spec_of(words_with_profile(words, where), faults)
    if not paths:
        raise InputError([Finding("import", "no file", "at least one is needed", "name a CSV, XLSX or Parquet file")])
    found, faulty = list[tuple[Path, Imported]](), dict[Path, tuple[Finding, ...]]()
    beside = () if isinstance(mapping, Mapping) else (Path(mapping).parent,)
    # exports of analysers are one table: a sample may be in several
    together = bool(spec.join) or spec.analyser
    for several in [paths] if together else [[file] for file in paths]:
        file = several[0]
        try:
            of_file = _of_files(several, replace(spec, folders=(*beside, file.parent)), where, faults.findings)
            found.append((file, of_file))
        except InputError as error:
            faulty[file] = error.findings
    findings = _of_all_files(paths[:1] if together else paths, found, faulty, where)
    if findings:
        raise InputError(findings)
    suffixes = {file: f" in {place_of(file)}" if len(found) > 1 else "" for file in paths}
    return Imported(
        [run for _, of_file in found for run in of_file.runs],
        tuple(dict.fromkeys(remark for _, of_file in found for remark in of_file.remarks)),
        tuple(name + suffixes[file] for file, of_file in found for name in of_file.not_there),
        tuple(dict.fromkeys(name for _, of_file in found for name in of_file.not_read)),
        any(of_file.volume_is_nominal for _, of_file in found),
    )


def _of_all_files(
    paths: Sequence[Path],
    found: Sequence[tuple[Path, Imported]],
    faulty: Mapping[Path, tuple[Finding, ...]],
    where: str,
) -> list[Finding]:
    """Return the faults of several files, each once, and runs of one name."""
    findings: list[Finding] = []
    homonyms = len({file.name for file in paths}) < len(paths)
    named = {file: f"{shown(file.parent.name)}/{place_of(file)}" if homonyms else place_of(file) for file in paths}
    first_of: dict[str, Path] = {}
    for file, of_file in found:
        for run in of_file.runs:
            if first_of.setdefault(run.name, file) is not file:
                needed = f"a run of {named[first_of[run.name]]} has this name"
                remedy = "rename one; without run in the mapping a file is one run of its name"
                findings.append(Finding(named[file], f"a run '{run.name}'", needed, remedy))
    in_all = set.intersection(*map(set, faulty.values())) if len(faulty) == len(paths) else set[Finding]()
    for file, faults in faulty.items():
        for fault in faults:
            place = _place_in(fault.place, file, named[file], "" if fault in in_all else where)
            findings.append(replace(fault, place=place))
    if len(paths) > 1 and _are_of_one_sample(faulty, len(paths)):
        findings.append(Finding(where, "columns that are in one file and not in the other",
                                "a mapping fits every file, or the files hold the same samples",
                                'if they do, write join = "the column that names the samples"'))  # fmt: skip
    return list(dict.fromkeys(findings))


def _are_of_one_sample(faulty: Mapping[Path, Sequence[Finding]], count: int) -> bool:
    """Return whether every file lacks columns that another one has."""
    missing = [{fault.found for fault in faults if fault.found.startswith("no heading")} for faults in faulty.values()]
    return len(missing) == count and all(missing) and not set.intersection(*missing)


def _place_in(place: str, file: Path, named: str, where: str) -> str:
    """Return a place with its file; where: of a mapping that may fit other files, "" if it fits none."""
    if place.startswith(place_of(file)):
        return named + place.removeprefix(place_of(file))
    return f"{place}, for {named}" if where and place.startswith(where) else place


def _of_files(paths: Sequence[Path], spec: ImportSpec, where: str, known: Sequence[Finding]) -> Imported:
    """Return the runs of one file, or of several that hold the same samples; `known` are the faults of the mapping."""
    path = paths[0]
    faults = Faults(where, MOST_FAULTS, known)
    if not spec.is_laid_out:
        raise InputError(known)
    try:
        if len(paths) > 1 and not spec.analyser:
            of_all = {file.name: source_of_any(file, replace(spec, transposed=True)) for file in paths}
            source, grid = grid_of_joined(of_all, spec, faults)
        else:
            source = source_of_any(path, spec, paths[1:])
            for remark in source.findings if spec.analyser else ():
                faults.of_file(remark.place, remark.found, remark.needed, remark.remedy, remark.severity)
            grid = grid_of(source, spec, faults)
        plan = None if grid is None else plan_of(spec, source, grid, faults)
    except UnreadableError as error:
        raise InputError([*known, error.finding]) from error
    if faults.errors or grid is None or plan is None:
        raise InputError(faults.findings)
    tables = _tables(Cells(grid, plan, faults), where, shown(path.stem))
    runs, more = assemble(tables, path.stem, Provenance(source.files, source.sha256))
    if not runs and not faults.errors:
        needed, remedy = "rows below the headings are needed", "look at the header and the sheet of the mapping"
        faults.of_file(grid.table.place, "no rows with values", needed, remedy)
    if faults.errors:  # that a value is missing because its cell is faulty is no fault of its own
        more = [finding for finding in more if finding.needed not in (A_RUN_HAS_MEASUREMENTS, IT_IS_REQUIRED)]
    findings = list(dict.fromkeys([*faults.findings, *more]))
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)
    is_nominal = not any("volume" in of for of in (plan.start, *plan.start_of.values()))
    return Imported(runs, tuple(findings), plan.not_there, plan.not_read, is_nominal)


def _require_numbers_of_toml(words: Any, faults: Faults) -> None:
    """Raise `InputError` for whole numbers beyond 64 bits, which TOML does not have and which cannot all be printed."""
    parts = words.values() if isinstance(words, Mapping) else words if isinstance(words, list) else ()
    for part in parts:
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            faults.of_mapping("a number", "more than 64 bits", "a whole number of TOML has 64 bits", "correct it")
            raise InputError(faults.findings)
        _require_numbers_of_toml(part, faults)


class _Rows:
    """A table that is made row by row, with the place of each row in the file."""

    def __init__(self, *headings: str) -> None:
        self.headings = headings
        self.rows: list[tuple[Cell, ...]] = []
        self.origins: list[str] = []

    def add(self, origin: str, *row: Cell | None) -> None:
        """Add a row; None is an empty cell."""
        self.rows.append(tuple("" if cell is None else cell for cell in row))
        self.origins.append(origin)

    def table(self, place: str, named: Mapping[str, str]) -> MixedTable:
        """Return the table; `named` are headings of the file."""
        return MixedTable(place, self.headings, tuple(self.rows), tuple(self.origins), named)


def _tables(cells: Cells, where: str, name_of_all: str) -> dict[str, MixedTable]:
    """Return the tables of runs; every row knows its place in the file.

    name_of_all: of the run, where no column tells runs apart.
    """
    plan, place = cells.plan, cells.table.place
    of_all = dict(plan.start)
    if plan.temperature is not None:
        of_all.setdefault("temperature", plan.temperature)
    every = {name: column for of in (*plan.start_of.values(), of_all) for name, column in of.items()}
    rows = _rows_of_tables(plan, every)
    for feed in plan.feeds:
        species = _species_of(plan)
        for medium, media in [(lot.medium, lot.media) for lot in feed.lots] or [(feed.name, feed.media)]:
            rows["media"].add(f"{where}, [feeds.{feed.name}]", medium, *(media.get(name, 0.0) for name in species))
    for rule in plan.rules:
        composition = dict(rule.media) if isinstance(rule.media, Mapping) else {}
        rows["media"].add(f"{where}, [feeds.{rule.name}]", rule.name,
                          *(composition.get(name, 0.0) for name in _species_of(plan)))  # fmt: skip
    totals = Totals(cells)
    for name, of_run in _rows_of_runs(cells, name_of_all).items():
        samples = samples_of_run(cells, steps_of_run(cells, of_run))
        start = of_all | _start_of_group(cells, of_run[0], name)
        for replicates in samples:
            _add_sample(cells, name, replicates, rows)
        row, numbers = _start_of(cells, samples, start)
        if "volume" in numbers:
            numbers["volume"] = volume_at_start(cells, samples[0][0] if samples else None, start, numbers["volume"])
        rows["initial"].add(cells.table.at(of_run[0] if row is None else row), name, *map(numbers.get, every))
        # without a volume at the start nothing is fed, or the mapping is faulty
        steps = [replicates[0] for replicates in samples]
        events = events_of_run(cells, steps, numbers.get("volume", 1.0), numbers.get("temperature"))
        totals.add(steps, events)
        for event in with_rules(cells, steps, in_lots(cells, events, name)):
            rows["events"].add(cells.table.at(event.row), name, *_cells_of(event, plan))
    totals.note()
    time = {f"time [{TIME}]": plan.time.name}
    tables = {kind: made.table(f"{place}, as {kind}", time) for kind, made in rows.items() if made.rows}
    # a run may record nothing at its start: what a model needs of it is asked when there is a model
    tables["initial"] = rows["initial"].table(f"{place}, as initial", {})
    for quantity, error in plan.errors.items():
        if error.relative or error.absolute:
            key = f"{where}, [errors] {quantity}"
            rows["assay_error"].add(key, quantity, error.relative, error.absolute, error.unit)
    for quantity, column in plan.measured.items():
        if column.is_mass:
            rows["molar_masses"].add(f"{where}, [measured] {quantity}", quantity, column.molar_mass)
    more = ("assay_error", "standard_errors", "molar_masses")
    errors = {kind: rows[kind].table(f"{place}, as {kind}", time) for kind in more if rows[kind].rows}
    named = {f"{quantity} [{column.internal_unit}]": column.name for quantity, column in plan.measured.items()}
    return {**tables, **errors, "measurements": rows["measurements"].table(place, named | time)}


def _rows_of_tables(plan: Plan, start: Mapping[str, Column]) -> dict[str, _Rows]:
    """Return the tables of runs with their headings and without rows."""
    return {
        "measurements": _Rows("run", f"time [{TIME}]", *_headings(plan.measured)),
        "initial": _Rows("run", *_headings(start)),
        "events": _Rows("run", f"time [{TIME}]", "event", "medium", f"volume [{VOLUME}]", f"rate [{VOLUMETRIC_RATE}]",
                        f"temperature [{TEMPERATURE}]", *(_OF_RULES if plan.rules else ())),
        "signals": _Rows("run", f"time [{TIME}]", f"volume [{VOLUME}]"),
        "assay_error": _Rows("quantity", "relative [1]", "absolute", "unit"),
        "standard_errors": _Rows("run", f"time [{TIME}]",
                                 *(f"{name} [{error.unit}]" for name, error in _columned(plan))),
        "molar_masses": _Rows("quantity", f"molar mass [{PER_MOLE}]"),
        "media": _Rows("medium", *(f"{name} [{MASS_CONCENTRATION if name in plan.masses else CONCENTRATION}]"
                                   for name in _species_of(plan))),
    }  # fmt: skip


_OF_RULES = ("species", "level", "below", "fraction [1]", f"rate per cells [{RATE_PER_CELLS}]")
"""Columns of events that follow a rule; a level is in the unit of its species in the media."""


def _cells_of(event: RecordedEvent, plan: Plan) -> Iterator[Cell | None]:
    """Yield the cells of an event from its time on."""
    rule = event.rule
    yield from (event.time, event.event, event.medium, event.volume if rule is None else rule.most, event.rate,
                event.temperature)  # fmt: skip
    if plan.rules:
        per_cells = None if rule is None else rule.rate
        of_rule = (None, None, None, None) if rule is None else (rule.species, rule.level, rule.below, rule.share)
        yield from (*of_rule, per_cells)


def _species_of(plan: Plan) -> list[str]:
    """Return what the media hold."""
    media = [lot.media for feed in plan.feeds for lot in (feed.lots or [feed])]
    media += [rule.media for rule in plan.rules if isinstance(rule.media, Mapping)]
    return list(dict.fromkeys(name for composition in media for name in composition))


def _columned(plan: Plan) -> list[tuple[str, AssayError]]:
    """Return the quantities whose standard errors have a column."""
    return [(name, error) for name, error in plan.errors.items() if error.column is not None]


def _start_of_group(cells: Cells, row: int, run: str) -> dict[str, Column]:
    """Return what the group of a run gives at the start."""
    plan = cells.plan
    groups = [group for group in plan.start_of if is_of_group(run, plan.groups[group])]
    if plan.start_of and len(groups) != 1:
        found = f"the run '{run}' in {len(groups)} groups of [start]"
        cells.fault(row, "", found, "a run is in one of them", "correct [groups]")
    return dict(plan.start_of[groups[0]]) if groups else {}


def _headings(columns: Mapping[str, Column]) -> list[str]:
    return [f"{name} [{column.internal_unit}]" for name, column in columns.items()]


def _start_of(
    cells: Cells, samples: Sequence[Sequence[Step]], start: Mapping[str, Column]
) -> tuple[int | None, dict[str, float]]:
    """Return the first row that gives a value at the start, and these values in internal units."""
    plan = cells.plan
    sampled = [replicates[0].row for replicates in samples if replicates[0].row < cells.grid.sampled]
    first: dict[str, tuple[int, float]] = {}
    for name, column in start.items():
        # a first temperature that comes later is a shift, and is reported as such
        found = cells.first(sampled[:1] if column is plan.temperature else sampled, column)
        if found is not None:
            first[name] = found
    numbers = {name: number for name, (_, number) in first.items()}
    replicates = [step.row for step in samples[0]] if samples else []
    measured = {column.position for column in plan.measured.values()}
    for name, column in start.items():
        if len(replicates) > 1 and column.position in measured:
            values = [number for row in replicates if (number := cells.number(row, column)) is not None]
            numbers |= {name: math.fsum(values) / len(values)} if values else {}
    return min((row for row, _ in first.values()), default=None), numbers


def _add_sample(cells: Cells, name: str, replicates: Sequence[Step], rows: Mapping[str, _Rows]) -> None:
    """Add what was measured in a sample, and the volume that somebody wrote down."""
    first = replicates[0]
    place = cells.table.at(first.row)
    values = [_mean(cells, [step.row for step in replicates], column, quantity)
              for quantity, column in cells.plan.measured.items()]  # fmt: skip
    if any(value is not None for value in values):
        rows["measurements"].add(place, name, first.seen, *values)
    errors = [cells.amount(first.row, error.column) for _, error in _columned(cells.plan)]
    if any(errors):
        rows["standard_errors"].add(place, name, first.seen, *errors)
    volume = cells.amount(first.row, cells.plan.volume)
    if volume is not None:
        rows["signals"].add(place, name, time_of_volume(cells, first), volume)


def _mean(cells: Cells, rows: Sequence[int], column: Column, quantity: str) -> float | Below | None:
    """Return the mean of the values of replicates; all or none of them are below a detection limit."""
    read = {row: cells.measured(row, column, quantity) for row in rows}
    values = {row: value for row, value in read.items() if value is not None}
    if len(set(values.values())) <= 1:
        return next(iter(values.values()), None)
    numbers = [value for value in values.values() if isinstance(value, float)]
    if len(numbers) < len(values):
        found = ", ".join(shown(cells.cell(row, column)) for row in values)
        needed = "replicates are all below one detection limit, or none is"
        cells.fault(rows[0], column.name, found, needed, "empty the cells that do not count")
        return None
    return math.fsum(numbers) / len(numbers)


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
            remedy = f"write it in every row, or give fill = ['{heading}'] in the mapping to take the one above"
            cells.fault(row, heading, "an empty cell", "every row names its run", remedy)
            continue
        runs.setdefault(words, []).append(row)
    named: dict[str, list[int]] = {}
    for words, rows in runs.items():
        name = "-".join(word for word in words if word) or name_of_all
        if name in named:
            heading = table.headings[plan.run[0]]
            cells.fault(rows[0], heading, f"a second run '{name}'", "names are unique", "rename one")
        named.setdefault(name, rows)
    return named
