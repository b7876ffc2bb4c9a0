"""Plan: what the columns of a file are, and how their numbers become those of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graycell.imports.amounts import in_internal_units
from graycell.units import converts


@dataclass(frozen=True)
class Column:
    """A column of the file, or one value for all rows, and how its numbers become those of a unit of the house.

    position: from the left, None for `value`; unit: of what is in it; house: the unit that is needed; molar_mass:
    [g/mol] and density: [kg/L], 0 for none; written: how a date is written, in the letters of `datetime.strptime`, or
    "" for ISO 8601; clock: the position of the time of day of a date; limit: what a cell such as ``<LOD`` stands for,
    in the unit of the column.
    """

    name: str
    position: int | None
    unit: str
    house: str
    value: str = ""
    molar_mass: float = 0.0
    density: float = 0.0
    written: str = ""
    limit: float | None = None
    clock: int | None = None

    @property
    def is_direct(self) -> bool:
        """Whether the unit converts without a molar mass or a density."""
        return converts(self.unit, self.house)

    def in_internal_units(self, number: float) -> float:
        """Return a number of the column in its internal unit."""
        return in_internal_units(number, self.unit, self.house, self.molar_mass, self.density)


@dataclass(frozen=True)
class FeedColumn:
    """A feed: how its column tells it, and its composition [mmol/L].

    told: volume, cumulative, rate or rise; of: what a volume that is told as a part [1] is a part of: the volume at the
    "start", or that of the "culture" before the feeds of that time.
    """

    name: str
    told: str
    column: Column
    media: Mapping[str, float]
    of: str = ""


@dataclass(frozen=True)
class Moment:
    """What tells rows before a feed from those after it: a column, and its words for the two and for neither."""

    position: int
    before: str
    after: str
    neither: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A mapping that fits a table.

    run: positions of the columns that tell runs apart; after: samples are taken after a feed of their row; moment: what
    says so row by row; empty: words of cells, in small letters, that say there is nothing; volume: of the culture, as
    somebody wrote it down; averaged: rows of one time are of one sample, and their mean counts.
    not_there: optional columns that the file does not have; not_read: headings that nothing uses.
    """

    run: tuple[int, ...]
    time: Column
    after: bool
    measured: Mapping[str, Column]
    decimal: str
    round_off: float
    empty: tuple[str, ...] = ()
    moment: Moment | None = None
    start: Mapping[str, Column] = field(default_factory=dict)
    sample: Column | None = None
    temperature: Column | None = None
    volume: Column | None = None
    outflows: Mapping[str, Column] = field(default_factory=dict)
    feeds: tuple[FeedColumn, ...] = ()
    averaged: bool = False
    not_there: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()

    def of_culture(self) -> list[Column]:
        """Return the columns of the file that tell of the culture and not of a sample of it."""
        measured = {column.position for column in self.measured.values()} | {None}
        told = [self.sample, self.temperature, self.volume, *self.outflows.values(), *self.start.values()]
        told += [feed.column for feed in self.feeds]
        return [one for one in told if one is not None and one.position not in measured]
