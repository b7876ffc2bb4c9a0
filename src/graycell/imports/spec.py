"""ImportSpec: a mapping, parsed: which column of a file is what, and how its runs and feeds are arranged.

`graycell.imports.parsing` makes it, once, and notes the faults of a mapping. What a file adds, such as where a heading
is and which unit it states, is resolved in `graycell.imports.plan`. docs/import.md describes the keys of a mapping.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from graycell.imports.substances import other_mass
from graycell.imports.vocabulary import words_of
from graycell.runs.solutes import MOLAR_MASS

RUN = "{run}"
"""In a pattern, and the heading of the runs where sheets or headings name them."""
QUANTITY, UNIT = "{quantity}", "{unit}"
EVERY = "*"
"""All sheets; the feed that is every column under a heading."""
FEED_KINDS = ("volume", "cumulative", "rate", "rise", "interval")
BELOW_THE_HEADINGS = "the row of the units is below that of the headings"
TAKEN = (
    "whether samples are taken before or after a feed of the same row is never guessed",
    'write taken = "before" or taken = "after"',
)
"""What is needed where a mapping does not say when samples are taken, and the remedy."""
_LONGEST_NAME = 200
"""Characters of a name that are matched with a pattern."""


class Amount(NamedTuple):
    """A number with its unit, such as "1.5 L".

    Attributes:
        number: in `unit`.
        unit: as it is written.
    """

    number: float
    unit: str


@dataclass(frozen=True)
class ColumnSpec:
    """A column of the file, as the mapping describes it.

    Attributes:
        what: the key of the mapping, such as "[measured] GLC".
        heading: its heading with single spaces.
        unit: of its numbers, "" where the file states it.
        under: the heading in the row above; None if any.
        molar_mass: [g/mol]; None if not given.
        density: [kg/L]; None if not given.
        limit: what a cell such as ``<LOD`` means.
        written: how dates are written, in the letters of `datetime.strptime`; "" for ISO 8601.
        clock: the heading of the time of day, "" if there is none.
        zone: the time zone of dates, "" if they are counted as they are written.
        optional: whether the file may lack the column.
        amount: one value for all rows, if no heading is called so.
        formula: what the column is computed by, if no heading is called so; "" if it is not.
        parts: the columns and numbers that the names of the formula stand for, beside measured quantities.
    """

    what: str
    heading: str
    unit: str = ""
    under: str | None = None
    molar_mass: float | None = None
    density: float | None = None
    limit: Amount | None = None
    written: str = ""
    clock: str = ""
    zone: str = ""
    optional: bool = False
    amount: Amount | None = None
    formula: str = ""
    parts: Mapping[str, "ColumnSpec"] = field(default_factory=dict)


@dataclass(frozen=True)
class MediaSheet:
    """A sheet that lists compositions.

    Attributes:
        sheet: its name, "" for the first of another file.
        names: the cell that heads the names of the media, "" if it is not said.
        molar_mass: [g/mol] by the heading of a solute, with or without its unit.
        medium: its name there, "" for that of the feed.
        file: the name of another file, "" for that of the samples.
        averages: whether several numbers of a solute are assays, whose mean counts.
    """

    sheet: str = ""
    names: str = ""
    molar_mass: Mapping[str, float] = field(default_factory=dict)
    medium: str = ""
    file: str = ""
    averages: bool = False


@dataclass(frozen=True)
class LotSpec:
    """One of several compositions of a feed.

    Attributes:
        media: the composition [mmol/L], or [g/L] of `ImportSpec.masses`; or the sheet that lists it.
        since: the time [d] from which it holds.
        runs: names of the runs that it is of; all if empty.
        lot: the cell that names it, "" if no column does.
        group: what the runs are called.
    """

    media: Mapping[str, float] | MediaSheet
    since: float = 0.0
    runs: tuple[str, ...] = ()
    lot: str = ""
    group: str = ""


@dataclass(frozen=True)
class FeedSpec:
    """A feed, as the mapping describes it.

    Attributes:
        name: of the medium, or `EVERY`.
        kind: one of `FEED_KINDS`.
        column: where it is recorded; its heading is "" for `EVERY`.
        media: the composition [mmol/L], or [g/L] of `ImportSpec.masses`; or the sheet that lists it.
        of: for a volume given as a part [1]: "start" or "culture", which the part refers to; else "".
        holds: whether a rate holds "after" its row or "before" it.
        total: the column of what was added so far, which checks the feed; None if there is none.
        lot: the heading of the lot of the feed, "" if there is none.
        lots: the compositions of a feed that has several.
    """

    name: str
    kind: str
    column: ColumnSpec
    media: Mapping[str, float] | MediaSheet
    of: str = ""
    holds: str = "after"
    total: ColumnSpec | None = None
    lot: str = ""
    lots: tuple[LotSpec, ...] = ()


@dataclass(frozen=True)
class RuleSpec:
    """A feed that follows a rule, as the mapping describes it.

    Attributes:
        name: of the medium.
        kind: "to level", "share", "per IVCD" or "per cells".
        media: the composition [mmol/L], or [g/L] of `ImportSpec.masses`; or the sheet that lists it.
        species: that is brought to a level.
        level: in the unit of the composition.
        below: the bolus is given where the concentration is below this, in the same unit; None for the level.
        most: the largest volume [L]; None for any.
        share: of the volume [1].
        rate: per viable cell [L/(10^9 cells)/d].
        since: time [d] from which the rule holds; None for after the first sample.
        until: time [d] to which it holds; None for the end.
    """

    name: str
    kind: str
    media: Mapping[str, float] | MediaSheet
    species: str = ""
    level: float | None = None
    below: float | None = None
    most: float | None = None
    share: float | None = None
    rate: float | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class SidesSpec:
    """A column that says whether a row was measured before or after a feed.

    Attributes:
        heading: of that column.
        before: its word for rows before a feed.
        after: its word for rows after a feed.
        neither: its other words, in small letters.
    """

    heading: str
    before: str
    after: str
    neither: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunPatterns:
    """How names of sheets and headings name runs and quantities.

    Attributes:
        patterns: by "sheet", "heading" and "above", the row above the headings.
        without: headings that all runs share.
    """

    patterns: Mapping[str, re.Pattern[str]]
    without: frozenset[str] = frozenset()

    @property
    def by_quantity(self) -> bool:
        """Whether the names of sheets name quantities."""
        return "sheet" in self.patterns and "quantity" in self.patterns["sheet"].groupindex


@dataclass(frozen=True)
class LongSpec:
    """The columns of a table with a row for each value.

    Attributes:
        quantity: the heading of what was measured.
        value: the heading of the values.
        unit: the heading of the units, "" if there is none.
    """

    quantity: str
    value: str
    unit: str = ""


@dataclass(frozen=True)
class ErrorSpec:
    """The assay error of a quantity.

    Attributes:
        relative: part of the value [1].
        absolute: a number with its unit; None for none.
        column: of the standard errors of single values; None if there is none.
    """

    relative: float = 0.0
    absolute: Amount | None = None
    column: ColumnSpec | None = None


@dataclass(frozen=True)
class IdsSpec:
    """A column whose names of samples hold several things, such as ``BR07_D3``.

    Attributes:
        heading: of the column.
        pattern: of the names, with a group for each part.
        parts: the headings that the parts get, such as "{run}" and "{day}".
        text: the pattern as it is written.
    """

    heading: str
    pattern: re.Pattern[str]
    parts: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class LogSpec:
    """A sheet with a row for each feed, or with columns of what a controller fed.

    Attributes:
        sheet: its name.
        volume: the column of the volumes; None where the feeds name columns of the sheet, such as totals.
        feed: the heading of the names of the feeds, "" where there is one feed.
        run: the headings of the runs; None if as for the samples.
        time: the column of the times; None if as for the samples.
        clock: the heading of the time of day, "" if as for the samples.
    """

    sheet: str
    volume: ColumnSpec | None = None
    feed: str = ""
    run: tuple[str, ...] | None = None
    time: ColumnSpec | None = None
    clock: str = ""


@dataclass(frozen=True)
class ImportSpec:
    """A mapping, parsed.

    Attributes:
        sheets: names of sheets, or `EVERY`; None for the first, or all that fit the pattern of the runs.
        transposed: whether the sheet has a column for each sample.
        header: the row of the headings, counted from 1.
        units: the row of the units; None if there is none.
        analyser: whether the files are exports of analysers, read as one table of samples.
        fill: headings of columns whose empty cells take the value above.
        run: headings of the columns that tell runs apart.
        patterns: how sheets and headings name runs; None if they do not.
        long: the columns of a table with a row for each value; None if it has a row for each sample.
        log: the sheet of the feeds; None if there is none.
        leave_out: words or bounds of rows that are no samples of a culture, by heading.
        ids: names of samples that hold several things; None if there are none.
        join: the headings that name the samples, by sheet or file, "" for all; empty if nothing is joined.
        is_laid_out: whether the attributes up to here have no fault, so that the rows of a file can be found.
        time: the column of the times; None if it is faulty.
        measured: columns by quantity.
        start: columns or values by what they give at time 0: volume, temperature, quantities.
        start_of: values at time 0 that differ between groups of runs, by group.
        groups: runs of each group; a ``*`` stands for any letters.
        errors: assay errors by quantity.
        sample: the volume of samples.
        volume: the volume of the culture as somebody wrote it down.
        volume_taken: whether the volume was read "before" or "after" what was fed and drawn in its row; "" if not said.
        temperature: the set-point.
        outflows: the rates "bleed" and "harvest".
        feeds: named ones first.
        rules: feeds that follow a rule.
        masses: solutes of feeds whose concentrations are in g/L, because no molar mass is known.
        sides: the column that says which side of a feed a row is on.
        taken: "before" or "after": samples are taken before or after a feed of their row; "" if not said.
        decimal: the decimal mark of the file.
        round_off: how far below 0 a number may be to count as 0, in internal units.
        empty: words of empty cells, in small letters.
        flags: marks beside numbers that are read past, such as ``*``.
        above_is_empty: whether a value above the range of its assay counts as not measured.
        averages: whether rows of one time are replicates of one sample.
        folders: where other files are looked for: beside the mapping, and beside the file.
    """

    sheets: tuple[str, ...] | None = None
    transposed: bool = False
    header: int = 1
    units: int | None = None
    analyser: bool = False
    fill: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    patterns: RunPatterns | None = None
    long: LongSpec | None = None
    log: LogSpec | None = None
    leave_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ids: IdsSpec | None = None
    join: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_laid_out: bool = True
    time: ColumnSpec | None = None
    measured: Mapping[str, ColumnSpec] = field(default_factory=dict)
    start: Mapping[str, ColumnSpec] = field(default_factory=dict)
    start_of: Mapping[str, Mapping[str, ColumnSpec]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, ErrorSpec] = field(default_factory=dict)
    sample: ColumnSpec | None = None
    volume: ColumnSpec | None = None
    volume_taken: str = ""
    temperature: ColumnSpec | None = None
    outflows: Mapping[str, ColumnSpec] = field(default_factory=dict)
    feeds: tuple[FeedSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    masses: frozenset[str] = frozenset()
    sides: SidesSpec | None = None
    taken: str = ""
    decimal: str = "."
    round_off: float = 0.0
    empty: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    above_is_empty: bool = False
    averages: bool = False
    folders: tuple[Path, ...] = ()

    @property
    def times(self) -> tuple[str, ...]:
        """The headings of the time and of the time of day."""
        return tuple(name for name in (self.time.heading, self.time.clock) if name) if self.time else ()

    @property
    def beside(self) -> set[str]:
        """The headings that the mapping names for anything but measured quantities."""
        columns = [self.sample, self.volume, self.temperature, *self.start.values(), *self.outflows.values()]
        columns += [column for of in self.start_of.values() for column in of.values()]
        columns += [error.column for error in self.errors.values()]
        columns += [column for feed in self.feeds for column in (feed.column, feed.total)]
        sides = [*([self.sides.heading] if self.sides else []), *(feed.lot for feed in self.feeds)]
        return {*self.run, *self.times, *sides, *(column.heading for column in columns if column)} - {""}


def molar_mass_of(quantity: str, measured: Mapping[str, ColumnSpec]) -> float:
    """Return the molar mass of a quantity.

    Args:
        quantity: its name.
        measured: the measured columns of the mapping, which may give one that is not known. That of a known solute is
            of the form in its column, such as a hydrate, and serves no other.

    Returns:
        [g/mol]; 0 if it is not known.

    >>> round(molar_mass_of("GLC", {}), 2), molar_mass_of("ANTI", {})
    (180.16, 0.0)
    """
    column = measured.get(quantity)
    return MOLAR_MASS.get(quantity, 0.0) or (column.molar_mass if column else None) or other_mass(quantity)


def is_of_group(run: str, names: Iterable[str]) -> bool:
    """Return whether a run is one of several.

    Args:
        run: its name.
        names: of runs; a ``*`` stands for any letters.

    Returns:
        Whether it is.

    >>> is_of_group("BR07", ["R1", "BR*"]), is_of_group("BR07", ["BR0"])
    (True, False)
    """
    return any(re.fullmatch(re.escape(name).replace(r"\*", ".*"), run, re.DOTALL) for name in names)


def match(pattern: re.Pattern[str], name: str) -> dict[str, str] | None:
    """Return the run and the quantity in a name.

    Args:
        pattern: see `RunPatterns`.
        name: of a sheet, or a heading.

    Returns:
        "run" and "quantity", as far as the pattern has them, the unit behind the quantity; None if it does not fit.

    >>> match(pattern_of("{quantity} {run} [{unit}]"), "Glc R1 [mM]")
    {'quantity': 'Glc (mM)', 'run': 'R1'}
    """
    found = pattern.fullmatch(words_of(name)[:_LONGEST_NAME])
    if found is None:
        return None
    parts = {key: value.strip() for key, value in found.groupdict().items()}
    unit = parts.pop("unit", "")
    return parts | ({"quantity": f"{parts['quantity']} ({unit})"} if unit and "quantity" in parts else {})


def pattern_of(text: str) -> re.Pattern[str]:
    """Return the pattern of names in which {run}, {quantity} and {unit} each are written once at most.

    Args:
        text: such as "{run} {quantity}".

    Returns:
        The pattern for `match`.
    """
    escaped = re.escape(words_of(text))
    escaped = escaped.replace(r"\{run\}", "(?P<run>.+?)").replace(r"\{quantity\}", "(?P<quantity>.+)")
    return re.compile(escaped.replace(r"\{unit\}", "(?P<unit>.+?)"))
