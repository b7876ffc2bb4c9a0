"""Exports of analysers -> one table, a row for each sample, with the samples of several files joined by their names."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from graycell.errors import Finding
from graycell.imports.analysers.chemistry import ANOTHER_SAMPLE
from graycell.imports.analysers.identities import Identity, identity_of, plain
from graycell.imports.analysers.samples import Export, Reading, Sample, counted
from graycell.imports.sides import AFTER
from graycell.runs.format.files import Source
from graycell.runs.format.tables import Table
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, converts

SAMPLE, RUN, DAY, SIDE, VESSEL, BATCH, DRAWN, MEASURED = (
    "sample name", "run", "day [d]", "side of a feed", "vessel", "batch", "drawn at", "measured at")  # fmt: skip
"""The headings beside those of quantities."""
_MOST_CANDIDATES = 100
"""Samples of one name that a sample of the next file is compared with."""
_LONGEST_LATE = 1.0
"""[d] by which the day of a name may differ from that of the measurement."""


@dataclass
class Row:
    """A sample in all files.

    Attributes:
        name: of the sample, in the first file.
        identity: the run and the day that the name tells; None if it does not.
        samples: by the position of the file.
    """

    name: str
    identity: Identity | None
    samples: dict[int, Sample] = field(default_factory=dict)

    @property
    def measured(self) -> datetime | None:
        """When the sample was measured first."""
        times = [sample.measured for sample in self.samples.values() if sample.measured is not None]
        return min(times, key=_without_zone, default=None)


@dataclass(frozen=True)
class Tidy:
    """The samples of files as a table.

    Attributes:
        table: with a row for each sample, as text.
        told: the headings of what tells runs apart and of the time; "" for what the files do not tell.
        replicates: whether several rows are of one run and time.
        left_out: samples whose names tell no run and day, where those of the others do.
        remarks: on values that do not count or have a flag.
        instruments: that wrote the files.
    """

    table: Table
    told: tuple[str, str]
    replicates: bool
    left_out: tuple[str, ...]
    remarks: tuple[Finding, ...]
    instruments: tuple[str, ...]


def tidied(exports: Sequence[Export]) -> Tidy:
    """Return the samples of files of analysers as a table.

    Args:
        exports: at least one.

    Returns:
        The table; samples of one name are one row.
    """
    rows = _joined(exports)
    identities = [row.identity for row in rows if row.identity is not None]
    by_name = 2 * len(identities) >= len(rows) and bool(identities)
    left_out = [row.name for row in rows if row.identity is None] if by_name else []
    if by_name:
        rows, identities = _by_run_and_day([row for row in rows if row.identity is not None])
    remarks = _Remarks(exports)
    cells = [_cells(row, remarks) for row in rows]
    units = _units(cells)
    quantities = list(dict.fromkeys(quantity for of_row in cells for quantity in of_row))
    quantities = [heading for name in quantities for heading in _headings(name, cells, units)]
    columns: dict[str, list[str]] = {SAMPLE: [row.name for row in rows]}
    if by_name:
        columns[RUN] = [identity.run for identity in identities]
        columns[DAY] = [repr(identity.day).removesuffix(".0") for identity in identities]
        if any(identity.side for identity in identities):
            columns[SIDE] = [identity.side for identity in identities]
    columns |= _about(rows)
    for quantity, unit in quantities:
        heading = f"{quantity} [{unit}]" if unit else quantity
        columns[heading] = [_text(of_row.get(quantity, ()), unit) for of_row in cells]
    told, replicates = _told(rows, columns, by_name)
    place = ", ".join(export.file for export in exports)
    origins = tuple(f"{exports[min(row.samples)].file}, sample '{row.name}'" for row in rows)
    table = Table(place, tuple(columns), tuple(zip(*columns.values(), strict=True)), origins)
    remarks.left_out(left_out)
    if by_name:
        remarks.late(rows)
    instruments = tuple(dict.fromkeys(export.instrument for export in exports))
    return Tidy(table, told, replicates, tuple(left_out), remarks.findings(), instruments)


def source_of(exports: Sequence[Export]) -> Source:
    """Return the samples of files of analysers as the source of an import.

    Args:
        exports: at least one.

    Returns:
        One table, with the remarks on it.
    """
    tidy = tidied(exports)
    digest = hashlib.sha256("".join(export.sha256 for export in exports).encode()).hexdigest()
    sha256 = exports[0].sha256 if len(exports) == 1 else digest
    files = tuple(export.file for export in exports)
    remarks = (*(remark for export in exports for remark in export.remarks), *tidy.remarks)
    return Source({"samples": tidy.table}, frozenset(), files, sha256, remarks)


# ------------------------------------------------------------------------------------------------------------- the rows


def _joined(exports: Sequence[Export]) -> list[Row]:
    """Return a row for each sample; a sample of a second file is that of the first with its name."""
    rows: list[Row] = []
    for position, export in enumerate(exports):
        count = Counter(_key(sample) for sample in export.samples)
        free: dict[object, list[Row]] = {}
        for row in rows:
            free.setdefault(_key(next(iter(row.samples.values()))), []).append(row)
        before = {key: len(of_key) for key, of_key in free.items()}
        for sample in export.samples:
            key = _key(sample)
            alone = isinstance(key, tuple) or (count[key] == 1 and before.get(key) == 1)
            candidates = free.get(key, [])[:_MOST_CANDIDATES]
            row = next((row for row in candidates if alone or _near(row.measured, sample.measured)), None)
            if row is None:
                row = Row(sample.name, _identity(sample))
                rows.append(row)
            else:
                free[key].remove(row)
            row.samples[position] = sample
    return rows


def _by_run_and_day(rows: Sequence[Row]) -> tuple[list[Row], list[Identity]]:
    """Return rows whose names tell run and day in that order, and where they are from; each run is spelt in one way."""
    spelt: dict[str, tuple[int, str]] = {}
    told = [(row, row.identity) for row in rows if row.identity is not None]
    for i, (_, identity) in enumerate(told):
        spelt.setdefault(plain(identity.run), (i, identity.run))
    told.sort(key=lambda pair: (spelt[plain(pair[1].run)][0], pair[1].day, pair[1].side == AFTER))
    return [row for row, _ in told], [one._replace(run=spelt[plain(one.run)][1]) for _, one in told]


def _key(sample: Sample) -> object:
    """Return what samples of one name have in common: their run and day where the name tells them."""
    identity = _identity(sample)
    return plain(sample.name) if identity is None else (plain(identity.run), identity.day, identity.side)


def _identity(sample: Sample) -> Identity | None:
    return identity_of(sample.name, sample.batch or sample.vessel)


def _near(first: datetime | None, second: datetime | None) -> bool:
    return first is None or second is None or abs(_without_zone(first) - _without_zone(second)) <= ANOTHER_SAMPLE


def _without_zone(time: datetime) -> datetime:
    return time.replace(tzinfo=None)  # the clock of the laboratory


def _about(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the columns of the vessel, the batch and the times, as far as the files have them."""
    columns: dict[str, list[str]] = {}
    ways: dict[str, Callable[[Sample], str | datetime | None]] = {
        VESSEL: lambda sample: sample.vessel, BATCH: lambda sample: sample.batch,
        DRAWN: lambda sample: sample.drawn, MEASURED: lambda sample: sample.measured}  # fmt: skip
    for heading, of in ways.items():
        values = [next((value for sample in row.samples.values() if (value := of(sample))), None) for row in rows]
        zones = {value.tzinfo is None for value in values if isinstance(value, datetime)}
        if any(value is not None for value in values):
            columns[heading] = [_about_text(value, zones == {False}) for value in values]
    return columns


def _about_text(value: str | datetime | None, zoned: bool) -> str:
    if isinstance(value, datetime):
        return (value if zoned else _without_zone(value)).isoformat(" ")
    return value or ""


def _told(rows: Sequence[Row], columns: dict[str, list[str]], by_name: bool) -> tuple[tuple[str, str], bool]:
    """Return the headings of the run and the time, "" for what is not told, and whether rows are replicates."""
    times = [DAY] if by_name else [heading for heading in (DRAWN, MEASURED) if all(columns.get(heading, ()))]
    time = next((heading for heading in times if heading in columns), "")
    run = RUN if by_name else next((heading for heading in (BATCH, VESSEL) if all(columns.get(heading, [""]))), "")
    if not (run and time):
        return (run, time), False
    names: dict[tuple[str, str, str], list[str]] = {}
    sides = columns.get(SIDE, [""] * len(rows))
    for row, *where in zip(rows, columns[run], columns[time], sides, strict=True):
        names.setdefault((where[0], where[1], where[2]), []).append(plain(row.name))
    several = [of for of in names.values() if len(of) > 1]
    if not by_name and any(len(set(of)) > 1 for of in several):
        return ("", time), False  # samples of several vessels
    return (run, time), bool(several)


# ---------------------------------------------------------------------------------------------------------- the values


def _cells(row: Row, remarks: "_Remarks") -> dict[str, tuple[Reading, ...]]:
    """Return the readings that count, by quantity: one of each, of the first file that has it."""
    found: dict[str, tuple[Reading, ...]] = {}
    for position, sample in row.samples.items():
        by_quantity: dict[str, list[Reading]] = {}
        for one in sample.readings:
            by_quantity.setdefault(one.quantity, []).append(one)
        for quantity, readings in by_quantity.items():
            best = counted(readings)
            if best is None:
                continue
            numbers = [one for one in readings if one.value is not None]
            if len(numbers) > 1:
                remarks.several(position, row.name, quantity, numbers, best)
            known = found.get(quantity)
            if known is not None and known[0].value is not None:
                remarks.twice(position, row.name, quantity)
                continue
            found[quantity] = (best,)
            remarks.flagged(position, row.name, best)
    return found


def _units(cells: Sequence[dict[str, tuple[Reading, ...]]]) -> dict[str, Counter[str]]:
    """Return how often each quantity has each unit."""
    units: dict[str, Counter[str]] = {}
    for of_row in cells:
        for quantity, readings in of_row.items():
            units.setdefault(quantity, Counter()).update(one.unit for one in readings)
    return units


def _headings(
    quantity: str, cells: Sequence[dict[str, tuple[Reading, ...]]], units: dict[str, Counter[str]]
) -> list[tuple[str, str]]:
    """Return the columns of a quantity: one, in its most frequent unit, and more for units that do not convert."""
    if not any(_text(of_row.get(quantity, ()), unit) for of_row in cells for unit in units[quantity]):
        return []
    (first, _), *others = units[quantity].most_common()
    return [(quantity, first), *((quantity, unit) for unit, _ in others if not _between(quantity, unit, first))]


def _between(quantity: str, unit: str, wanted: str) -> bool:
    """Return whether numbers in a unit become those of another: they are equal, or one is a mass and one an amount."""
    kinds = (CONCENTRATION, MASS_CONCENTRATION)
    return unit == wanted or (quantity in MOLAR_MASS and unit in kinds and wanted in kinds)


def _text(readings: Sequence[Reading], unit: str) -> str:
    """Return the cell of a reading in a unit: a number, ``<`` with a limit, or nothing."""
    for one in readings:
        if not _between(one.quantity, one.unit, unit):
            continue
        factor = 1.0
        if one.unit != unit:
            mass = MOLAR_MASS[one.quantity]
            factor = 1000.0 / mass if converts(unit, CONCENTRATION) else mass / 1000.0
        if one.value is not None:
            value = one.value * factor if factor != 1.0 else one.value
            return repr(value).removesuffix(".0")
        if one.bound.startswith("<"):
            return one.bound if factor == 1.0 else f"<{float(one.bound[1:]) * factor!r}"
    return ""


class _Remarks:
    """Counts what is odd about values, one remark of each kind for each file."""

    def __init__(self, exports: Sequence[Export]):
        self.files = [export.file for export in exports]
        self.counts: dict[tuple, list[str]] = {}
        self.last: list[Finding] = []

    def note(self, kind: str, position: int, about: str, example: str) -> None:
        """Count one of a kind."""
        self.counts.setdefault((kind, position, about), []).append(example)

    def flagged(self, position: int, name: str, one: Reading) -> None:
        """Note a value with a flag, or none with one."""
        if one.value is not None:
            if one.flag:
                self.note("kept", position, one.flag, f"{one.quantity} of '{name}'")
        elif not one.bound.startswith("<"):
            self.note("empty", position, "", f"{one.quantity} '{one.flag}' of '{name}'")

    def several(self, position: int, name: str, quantity: str, numbers: Sequence[Reading], best: Reading) -> None:
        """Note a quantity that several tests of one sample have measured."""
        others = ", ".join(f"{one.value:g} by {one.code or 'another'}" for one in numbers if one is not best)
        self.note("several", position, quantity, f"{best.value:g} by {best.code or 'one'} and {others} in '{name}'")

    def twice(self, position: int, name: str, quantity: str) -> None:
        """Note a quantity that an earlier file has too."""
        self.note("twice", position, quantity, f"'{name}'")

    def left_out(self, names: Sequence[str]) -> None:
        """Note samples whose names tell no run and day."""
        if names:
            listed = ", ".join(f"'{name}'" for name in names[:5]) + (" ..." if len(names) > 5 else "")
            needed = "the names of the other samples tell the run and the day"
            self.last.append(Finding(", ".join(self.files), listed, needed, "they are left out", "warning"))

    def late(self, rows: Sequence[Row]) -> None:
        """Note samples that were measured on another day than their name tells."""
        runs: dict[str, list[tuple[Row, float, float]]] = {}
        for row in rows:
            if row.identity is not None and row.measured is not None:
                at = _without_zone(row.measured).timestamp() / 86400.0
                runs.setdefault(plain(row.identity.run), []).append((row, row.identity.day, at))
        for of_run in runs.values():
            offsets = sorted(at - day for _, day, at in of_run)
            usual = offsets[len(offsets) // 2]
            odd = [row for row, day, at in of_run if abs(at - day - usual) > _LONGEST_LATE]
            # samples that were kept and measured together have no days of their own
            if odd and 4 * len(odd) <= len(of_run):
                listed = ", ".join(f"'{row.name}' measured {row.measured:%Y-%m-%d}" for row in odd[:3])
                needed = "the other samples of the run were measured on the day of their name"
                self.last.append(Finding(", ".join(self.files), listed, needed, "look at the name", "warning"))

    def findings(self) -> tuple[Finding, ...]:
        """Return the remarks."""
        return tuple(_remark(self.files[at], kind, about, of) for (kind, at, about), of in self.counts.items()) + tuple(
            self.last
        )


def _remark(file: str, kind: str, about: str, examples: Sequence[str]) -> Finding:
    """Return the remark on values of one kind."""
    count = f"{len(examples)} value{'' if len(examples) == 1 else 's'}"
    such = f"{'' if len(examples) == 1 else 'such as '}{examples[0]}"
    if kind == "kept":
        found, needed = f"{count} with '{about}', {such}", "a value with a flag of the analyser may be no good"
        remedy = "it is kept; to leave it out, write the table with --out samples.csv and empty the cell"
    elif kind == "empty":
        found, needed = f"{count} without a number, {such}", "only numbers and < with a limit count"
        remedy = "the cell is left empty; if you know the value, write the table with --out samples.csv and fill it in"
    elif kind == "several":
        found, needed = f"{count} of {about} by several tests, {such}", "one value of a quantity counts"
        remedy = "the first named counts: one without a flag, or else the last"
    else:
        found, needed = f"{count} of {about} in an earlier file too, {such}", "one value of a quantity counts"
        remedy = "that of the earlier file counts; name the files in another order if the other should"
    return Finding(file, found, needed, remedy, "warning")
