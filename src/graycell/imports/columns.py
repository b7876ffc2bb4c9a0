"""Plan: where the columns of a file are, and how their numbers become those of internal units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graycell.imports.amounts import in_internal_units
from graycell.imports.computed import Formula
from graycell.imports.spec import RuleSpec
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, converts


@dataclass(frozen=True)
class Column:
    """A column of the file, or one value for all rows, and how its numbers become those of an internal unit.

    Attributes:
        name: its heading.
        position: from the left; None for one value.
        unit: of its numbers.
        internal_unit: the unit that is needed.
        value: the one value, in `unit`.
        molar_mass: [g/mol], 0 for none.
        density: [kg/L], 0 for none.
        written: how dates are written, in the letters of `datetime.strptime`; "" for ISO 8601.
        limit: what a cell such as ``<LOD`` means, in `unit`.
        clock: the position of the time of day of a date or a day.
        zone: the time zone of dates, "" if they are counted as they are written.
        per_mole: mol of the quantity in one mol of what the column names [1], such as 2 of calcium lactate.
        formula: what the numbers are computed by; None if they are in the file.
    """

    name: str
    position: int | None
    unit: str
    internal_unit: str
    value: float | None = None
    molar_mass: float = 0.0
    density: float = 0.0
    written: str = ""
    limit: float | None = None
    clock: int | None = None
    zone: str = ""
    per_mole: float = 1.0
    formula: Formula | None = None

    @property
    def is_mass(self) -> bool:
        """Whether the numbers are masses per volume, such as mg/L, of what is an amount in internal units."""
        is_amount = self.internal_unit == CONCENTRATION and bool(self.molar_mass)
        return is_amount and converts(self.unit, MASS_CONCENTRATION)

    def in_internal_units(self, number: float) -> float:
        """Return a number of the column in its internal unit.

        Args:
            number: in the unit of the column.

        Returns:
            The number in `internal_unit`.
        """
        return self.per_mole * in_internal_units(
            number, self.unit, self.internal_unit, self.molar_mass, self.density
        )


@dataclass(frozen=True)
class Lot:
    """One of several compositions of a feed.

    Attributes:
        medium: its name.
        media: the composition [mmol/L], or [g/L] of what `Plan.masses` lists.
        since: the time [d] from which it holds.
        runs: names of the runs that it is of; all if empty.
        lot: the cell that names it, "" if no column does.
    """

    medium: str
    media: Mapping[str, float]
    since: float = 0.0
    runs: tuple[str, ...] = ()
    lot: str = ""


@dataclass(frozen=True)
class FeedColumn:
    """A feed: its column and its composition.

    Attributes:
        name: of the medium.
        kind: what the column holds: "volume", "cumulative", "rate", "rise" or "interval".
        column: where it is recorded.
        media: the composition [mmol/L], or [g/L] of what `Plan.masses` lists.
        of: for a volume given as a part [1]: the part of the volume at the "start", or of the "culture" before the
            feeds of that time; else "".
        holds: whether a rate holds "after" its row or "before" it.
        total: the column of what was added so far, which checks the feed; None if there is none.
        lot: the position of the column of the lot; None if there is none.
        lots: its compositions, if it has several.
    """

    name: str
    kind: str
    column: Column
    media: Mapping[str, float]
    of: str = ""
    holds: str = "after"
    total: Column | None = None
    lot: int | None = None
    lots: tuple[Lot, ...] = ()


@dataclass(frozen=True)
class Sides:
    """The column that says whether a row was measured before or after a feed.

    Attributes:
        position: of the column, from the left.
        before: its word for rows before a feed.
        after: its word for rows after a feed.
        neither: its other words, in small letters.
        otherwise: "before" or "after" for rows without a word; "" if that is not said.
    """

    position: int
    before: str
    after: str
    neither: tuple[str, ...] = ()
    otherwise: str = ""


@dataclass(frozen=True)
class AssayError:
    """The assay error of a quantity.

    Attributes:
        relative: part of the value [1].
        absolute: in `unit`.
        unit: the internal unit of the quantity.
        column: of the standard errors of single values; None if there is none.
    """

    relative: float
    absolute: float
    unit: str
    column: Column | None = None


@dataclass(frozen=True)
class Plan:
    """A mapping resolved for a table.

    Attributes:
        run: positions of the columns that tell runs apart.
        time: the column of the times.
        after: whether samples are taken after a feed of their row.
        measured: columns by quantity.
        decimal: the decimal mark.
        round_off: how far below 0 a number may be to count as 0, in internal units.
        empty: words of empty cells, in small letters.
        flags: marks beside numbers that are read past.
        above_is_empty: whether a value above the range of its assay counts as not measured.
        sides: which rows are before and after a feed; None if no column says so.
        start: columns by what they give at time 0.
        start_of: columns that give it for a group of runs, by group.
        groups: runs of each group; a ``*`` stands for any letters.
        errors: assay errors by quantity.
        sample: the volume of samples.
        temperature: the set-point.
        volume: of the culture, as somebody wrote it down.
        volume_taken: whether it was read "before" or "after" what was fed and drawn in its row; "" if not said.
        outflows: the rates "bleed" and "harvest".
        feeds: every feed in the file.
        rules: feeds that follow a rule, with their compositions.
        averages: whether rows of one time are replicates of one sample, whose mean counts.
        masses: solutes of feeds whose concentrations are in g/L, because no molar mass is known.
        not_there: optional columns that the file does not have.
        not_read: headings and sheets that nothing uses.
    """

    run: tuple[int, ...]
    time: Column
    after: bool
    measured: Mapping[str, Column]
    decimal: str
    round_off: float
    empty: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    above_is_empty: bool = False
    sides: Sides | None = None
    start: Mapping[str, Column] = field(default_factory=dict)
    start_of: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, AssayError] = field(default_factory=dict)
    sample: Column | None = None
    temperature: Column | None = None
    volume: Column | None = None
    volume_taken: str = ""
    outflows: Mapping[str, Column] = field(default_factory=dict)
    feeds: tuple[FeedColumn, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    averages: bool = False
    masses: frozenset[str] = frozenset()
    not_there: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()

    @property
    def of_culture(self) -> list[Column]:
        """The columns that describe the culture and not a sample of it."""
        measured = {column.position for column in self.measured.values()} | {None}
        columns = [self.sample, self.temperature, self.volume, *self.outflows.values(), *self.start.values()]
        columns += [column for feed in self.feeds for column in (feed.column, feed.total)]
        columns += [part for column in columns if column and column.formula for part in column.formula.columns.values()]
        return [column for column in columns if column is not None and column.position not in measured]
