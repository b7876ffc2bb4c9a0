"""plan_of: a spec and the rows of a file -> `Plan`: where the columns are, in which unit, and what nothing used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from graycell.errors import Faults, nearest
from graycell.imports.amounts import (
    AMOUNT_RATE,
    IN_WHICH_FORM,
    MASS,
    MASS_OF_LIQUID,
    RATE_PER_VOLUME,
    as_counted,
    in_form,
    in_internal_units,
)
from graycell.imports.grids import Grid
from graycell.imports.media import Media
from graycell.imports.spec import EVERY, RUN, TAKEN, ColumnSpec, FeedSpec, ImportSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import quantity_of, substance_in, unit_of_heading, words_of
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import Source
from graycell.units import DIMENSIONLESS, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError, convert, converts

_LOOKED_AT = 30
"""Rows in which a heading that is missing is looked for."""


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

    def in_internal_units(self, number: float) -> float:
        """Return a number of the column in its internal unit.

        Args:
            number: in the unit of the column.

        Returns:
            The number in `internal_unit`.
        """
        return self.per_mole * in_internal_units(number, self.unit, self.internal_unit, self.molar_mass, self.density)


@dataclass(frozen=True)
class FeedColumn:
    """A feed: its column and its composition.

    Attributes:
        name: of the medium.
        kind: what the column holds: "volume", "cumulative", "rate" or "rise".
        column: where it is recorded.
        media: the composition [mmol/L].
        of: for a volume given as a part [1]: the part of the volume at the "start", or of the "culture" before the
            feeds of that time; else "".
    """

    name: str
    kind: str
    column: Column
    media: Mapping[str, float]
    of: str = ""


@dataclass(frozen=True)
class Sides:
    """The column that says whether a row was measured before or after a feed.

    Attributes:
        position: of the column, from the left.
        before: its word for rows before a feed.
        after: its word for rows after a feed.
        neither: its other words, in small letters.
    """

    position: int
    before: str
    after: str
    neither: tuple[str, ...] = ()


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
        sample: the volume of samples.
        temperature: the set-point.
        volume: of the culture, as somebody wrote it down.
        outflows: the rates "bleed" and "harvest".
        feeds: every feed in the file.
        averages: whether rows of one time are replicates of one sample, whose mean counts.
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
    sample: Column | None = None
    temperature: Column | None = None
    volume: Column | None = None
    outflows: Mapping[str, Column] = field(default_factory=dict)
    feeds: tuple[FeedColumn, ...] = ()
    averages: bool = False
    not_there: tuple[str, ...] = ()
    not_read: tuple[str, ...] = ()

    @property
    def of_culture(self) -> list[Column]:
        """The columns that describe the culture and not a sample of it."""
        measured = {column.position for column in self.measured.values()} | {None}
        columns = [self.sample, self.temperature, self.volume, *self.outflows.values(), *self.start.values()]
        columns += [feed.column for feed in self.feeds]
        return [column for column in columns if column is not None and column.position not in measured]


def plan_of(spec: ImportSpec, source: Source, grid: Grid, faults: Faults) -> Plan:
    """Return a mapping resolved for a table.

    Args:
        spec: the mapping.
        source: the file.
        grid: its rows.
        faults: takes every fault.

    Returns:
        The plan; it is of use only if there was no fault.
    """
    return _Planner(spec, source, grid, faults).plan()


class _Planner:
    """Finds the columns of a spec in a table and notes what is missing."""

    def __init__(self, spec: ImportSpec, source: Source, grid: Grid, faults: Faults):
        self.spec, self.source, self.grid, self.faults, self.fault = spec, source, grid, faults, faults.of_mapping
        self.sheets = set(grid.sheets)
        self.headings = [words_of(heading) for heading in grid.table.headings]
        self.known = [heading for heading in self.headings if heading]
        self.used: set[int] = set()
        self.media_reader = Media(source, spec, faults)
        self.not_there: list[str] = []

    def plan(self) -> Plan:
        """Return the plan."""
        spec = self.spec
        plan = Plan(
            run=tuple(at for name in spec.run if (at := self.position("run", name)) is not None),
            time=self.column(spec.time, TIME) or Column("", None, TIME, TIME),
            after=spec.taken == "after",
            measured=self.columns(spec.measured, {}),
            decimal=spec.decimal, round_off=spec.round_off, empty=spec.empty,
            flags=spec.flags, above_is_empty=spec.above_is_empty,
            sides=self.sides(),
            start=self.columns(spec.start, {"volume": VOLUME, "temperature": TEMPERATURE}),
            sample=self.column(spec.sample, VOLUME),
            temperature=self.column(spec.temperature, TEMPERATURE),
            volume=self.column(spec.volume, VOLUME),
            outflows=self.columns(spec.outflows, dict.fromkeys(spec.outflows, VOLUMETRIC_RATE)),
            feeds=self.feeds(),
            averages=spec.averages,
        )  # fmt: skip
        self.check(plan)
        return replace(plan, not_there=tuple(self.not_there), not_read=self.not_read())

    def check(self, plan: Plan) -> None:
        """Note what the feeds need beside their columns."""
        spec = self.spec
        if (plan.feeds or spec.sample is not None or spec.outflows) and "volume" not in spec.start:
            self.fault("[start] volume", "nothing", "feeds, samples and outflows change a volume",
                       'write volume = "1.5 L", or the name of a column')  # fmt: skip
        for feed in plan.feeds:
            if feed.kind == "rise" and plan.sides is None:
                needed = "a volume rises from a row before a feed to one after"
                self.fault(f"[feeds.{feed.name}] rise", "no [rows]", needed, "say in [rows] which is which")
        boluses = [feed for feed in plan.feeds if feed.kind == "volume"]
        if boluses and plan.sides is None and not spec.taken:
            self.fault("taken", "nothing", *TAKEN)
        if spec.measured and not plan.measured and self.not_there:
            self.fault("[measured]", "none of its columns in the file", "at least one is needed",
                       f"the file has {', '.join(self.known[:10])}")  # fmt: skip
        for i, heading in enumerate(self.headings):
            if spec.log and i not in self.used and i < len(self.grid.above) and self.grid.above[i] == spec.log.sheet:
                self.fault("[log]", f"the feed '{heading}'", "every feed of a log has a table of its own",
                           f'add [feeds."{heading}"], or [feeds."*"]')  # fmt: skip

    def not_read(self) -> tuple[str, ...]:
        """Return the headings and sheets that nothing uses."""
        read = {self.headings[i] for i in self.used}
        unread = [heading if heading not in read else f"another {heading}" for i, heading in enumerate(self.headings)
                  if heading and i not in self.used and self.is_filled(i)]  # fmt: skip
        width = max(map(len, self.grid.table.rows), default=0)
        if any(self.is_filled(i) for i in range(width) if i >= len(self.headings) or not self.headings[i]):
            unread.append("cells without a heading")
        unread += [*self.grid.left, *self.media_reader.passed_over]
        sheets = [*self.source.tables, *self.source.unreadable] if len(self.source.tables) > 1 else []
        unread += [f"the sheet '{sheet}'" for sheet in sheets if sheet not in self.sheets]
        return tuple(dict.fromkeys(unread))

    def is_filled(self, position: int) -> bool:
        """Return whether a column has a filled cell."""
        return any(position < len(row) and row[position].strip() for row in self.grid.table.rows)

    # ------------------------------------------------------------------------------------------------------- columns

    def position(self, what: str, name: str, under: str | None = None) -> int | None:
        """Return where a heading is, the first of its name, or the first below another heading."""
        for i, heading in enumerate(self.headings):
            above = self.grid.above[i] if i < len(self.grid.above) else ""
            if heading == name and (under is None or above == under):
                self.used.add(i)
                return i
        if name in self.known:
            remedy = nearest(str(under), self.grid.above) if any(self.grid.above) else "leave it out"
            self.fault(what, f"no '{name}' under '{under}'", "the row above names it", remedy)
        elif "?" in name.split():
            self.fault(what, "a ? that is left", "the file does not say it", "write what it is")
        else:
            self.fault(what, f"no heading '{name}'", "headings are named as in the file", self.hint(name))
        return None

    def hint(self, name: str) -> str:
        """Return what to do about a heading that is missing."""
        if re.match(r"\d+,\d", name):
            return "write a number with a decimal point"
        rows = self.grid.table.rows[:_LOOKED_AT]
        at = next((r for r, row in enumerate(rows) if name in map(words_of, row)), None)
        if at is not None:
            hint = f"it is in row {at + 2}: if the headings are there, write header = {at + 2}"
            first = words_of(rows[at][0]) == name
            return f"{hint}, or transposed = true if they are in a column" if first else hint
        if self.faults.is_full:  # a suggestion takes time
            return "correct those first"
        return nearest(name, [heading for heading in (*self.known, *self.grid.left) if heading != RUN])

    def columns(self, specs: Mapping[str, ColumnSpec], units: Mapping[str, str]) -> dict[str, Column]:
        """Return the columns that are there; `units` are internal ones by name, else that of a quantity is needed."""
        found = {name: self.column(spec, units.get(name) or LIMITS[limit_of(name)].unit or "", name)
                 for name, spec in specs.items()}  # fmt: skip
        return {name: column for name, column in found.items() if column is not None}

    def column(self, spec: ColumnSpec | None, unit: str, quantity: str = "") -> Column | None:
        """Return a column, None and a fault if it cannot be used; `unit`: the internal unit of its numbers."""
        if spec is None:
            return None
        if spec.optional and spec.heading not in self.known:
            self.not_there.append(spec.heading)
            return None
        mass = molar_mass_of(quantity, self.spec.measured) if spec.molar_mass is None else spec.molar_mass
        density = spec.density or 0.0
        if density and unit not in MASS_OF_LIQUID:
            self.fault(spec.what, f"density {density}", "only a volume has one", "remove it")
            density = 0.0
        if spec.amount is not None and spec.heading not in self.known:
            number, of_number = spec.amount
            found = Column("", None, of_number, unit, number, mass, density)
        else:
            position = self.position(spec.what, spec.heading, spec.under)
            if position is None:
                return None
            stated = self.grid.stated(position)
            of_column = as_counted(spec.unit or stated, unit)
            self.compare(spec, of_column, stated, unit)
            form = None if spec.molar_mass else in_form(substance_in(spec.heading), quantity, of_column, mass)
            if form is None and not spec.molar_mass and of_column:
                self.fault(spec.what, f"'{spec.heading}'", IN_WHICH_FORM,
                           f"give molar_mass, the g that hold one mol of {quantity}")  # fmt: skip
                return None
            mass, per_mole = form or (mass, 1.0)
            found = Column(spec.heading, position, of_column, unit, None, mass, density, per_mole=per_mole)
        if unit == TIME and (found.unit in ("date", "clock") or spec.clock or spec.zone):
            return self.of_clocks(spec, found)
        return self.with_limit(spec, found) if self.has_unit(spec, found, quantity) else None

    def of_clocks(self, spec: ColumnSpec, column: Column) -> Column | None:
        """Return a column of dates, of days with a time of day beside them, or of times of day alone."""
        if column.unit not in ("date", "clock") and not self.has_unit(spec, column, ""):
            return None
        days = column.unit == "date" or (column.unit != "clock" and column.in_internal_units(1.0) == 1.0)
        if spec.clock and not days:
            needed, remedy = "a time of day is beside a date or a day", 'give unit = "date" or "d", or leave clock out'
            self.fault(f"{spec.what} clock", f"the unit '{column.unit}'", needed, remedy)
            return None
        if spec.zone and column.unit != "date":
            needed, remedy = "dates have a time zone", 'leave zone out, or give unit = "date"'
            self.fault(f"{spec.what} zone", f"the unit '{column.unit}'", needed, remedy)
            return None
        if column.unit == "clock" and self.grid.logged:
            needed = "times of day alone do not tell the days of a log"
            self.fault(spec.what, "the unit 'clock'", needed, "write a column of days or dates on both sheets")
            return None
        clock = self.position(f"{spec.what} clock", spec.clock) if spec.clock else None
        return replace(column, written=spec.written, clock=clock, zone=spec.zone)

    def has_unit(self, spec: ColumnSpec, column: Column, quantity: str) -> bool:
        """Return whether the unit of a column converts to its internal unit, and note it if not."""
        unit = column.internal_unit
        if not column.unit:
            self.fault(spec.what, f"no unit of '{spec.heading}'", "a unit is never guessed",
                       f'give unit = "{unit}" or another')  # fmt: skip
            return False
        try:
            column.in_internal_units(1.0)
        except UnitError as error:
            remedy = "give its unit" + (", and molar_mass [g/mol] for a mass" if unit in MASS else "")
            remedy += ", and density [kg/L] for a mass" if unit in MASS_OF_LIQUID else ""
            if unit in MASS_OF_LIQUID and column.position is None:
                remedy = f"write it in {unit}"
            known = quantity_of(quantity)
            if quantity and known not in ("", quantity):
                remedy = f"name it {known}, whose molar mass is known"
            if spec.what.startswith("[feeds.") and unit == VOLUME and converts(column.unit, DIMENSIONLESS):
                remedy = 'say of what a feed is a part: of = "start", or of = "culture" before the feed'
            found = "a ? that is left" if column.unit == "?" else str(error)
            self.fault(spec.what, found, f"a unit of {unit} is needed", remedy)
            return False
        return True

    def compare(self, spec: ColumnSpec, unit: str, stated: str, internal_unit: str) -> None:
        """Note where the unit of a mapping is not that of the heading."""
        stated = as_counted(stated, internal_unit)
        if not stated or unit in (stated, "?") or {"date", "clock"} & {unit, stated}:
            return
        try:
            if float(convert(1.0, unit, stated)) == 1.0:
                return
        except UnitError:
            kinds = {internal_unit, MASS.get(internal_unit, internal_unit)}
            kinds.add(MASS_OF_LIQUID.get(internal_unit, internal_unit))
            if not any(converts(stated, kind) for kind in kinds):
                return  # what is there is no unit of this kind
        self.fault(spec.what, f"the unit '{unit}' of '{spec.heading}'", f"the heading says '{stated}'",
                   "see which of the two is right", "warning")  # fmt: skip

    def with_limit(self, spec: ColumnSpec, column: Column) -> Column:
        """Return a column with its detection limit in its own unit."""
        if spec.limit is None:
            return column
        try:
            return replace(column, limit=float(convert(spec.limit.number, spec.limit.unit, column.unit)))
        except UnitError as error:
            needed, remedy = "a detection limit is needed", f'write "0.1 {column.unit}"'
            self.fault(f"{spec.what} limit", str(error), needed, remedy)
            return column

    def sides(self) -> Sides | None:
        """Return the column that says which side of a feed a row is on."""
        spec = self.spec.sides
        position = None if spec is None else self.position("[rows] column", spec.heading)
        if spec is None or position is None:
            return None
        there = {words_of(row[position]).lower() for row in self.grid.table.rows if position < len(row)}
        for word, text in (("before", spec.before), ("after", spec.after)):
            if text.lower() not in there:
                needed, hint = f"it is somewhere below '{spec.heading}'", nearest(text, sorted(there - {""}))
                self.fault(f"[rows] {word}", f"'{text}'", needed, hint)
        return Sides(position, spec.before, spec.after, spec.neither)

    # --------------------------------------------------------------------------------------------------------- feeds

    def feeds(self) -> tuple[FeedColumn, ...]:
        """Return all feeds; `EVERY` is every column under a heading that no other feed names."""
        found: dict[int, FeedColumn] = {}
        for spec in self.spec.feeds:
            for name, column in self.columns_of_feed(spec).items():
                if spec.name == EVERY and self.headings.index(name) in found:
                    continue  # a feed of its own
                media = self.media(f"[feeds.{spec.name}] media", name, spec.media)
                made = self.rate(column, media) if spec.kind == "rate" else self.column(
                    column, DIMENSIONLESS if spec.of else VOLUME)  # fmt: skip
                if made is None or made.position is None:
                    continue
                if made.position in found:
                    of_other = f"the column of [feeds.{found[made.position].name}]"
                    self.fault(column.what, of_other, "a column is one feed", "remove one")
                found[made.position] = FeedColumn(name, spec.kind, made, media, spec.of)
        return tuple(found.values())

    def columns_of_feed(self, spec: FeedSpec) -> dict[str, ColumnSpec]:
        """Return the columns of a feed by its name: one, or all of those under a heading."""
        if spec.name != EVERY:
            return {spec.name: spec.column}
        under = spec.column.under or ""
        here = [self.headings[i] for i, above in enumerate(self.grid.above) if under and above == under]
        unit = spec.column.unit or unit_of_heading(under)
        found = {heading: replace(spec.column, what=f"[feeds.{heading}]", heading=heading, unit=unit)
                 for heading in here if heading}  # fmt: skip
        if not found:
            remedy = nearest(under, self.grid.above) if any(self.grid.above) else "name every feed"
            self.fault("[feeds.*]", f"under '{under}'", "it is in the row above the headings", remedy)
        return found

    def rate(self, spec: ColumnSpec, media: Mapping[str, float]) -> Column | None:
        """Return the column of a rate: of a volume, or of the amount of the only solute."""
        at = next((i for i, heading in enumerate(self.headings) if heading == spec.heading), None)
        unit = spec.unit or (unit_of_heading(spec.heading) if at is None else self.grid.stated(at))
        [solute, *more] = list(media) or [""]
        mass = molar_mass_of(solute, self.spec.measured)
        for kind in (VOLUMETRIC_RATE, AMOUNT_RATE, RATE_PER_VOLUME):
            try:
                in_internal_units(1.0, unit, kind, mass, 0.0 if spec.density is None else 1.0)
            except UnitError:
                continue
            if kind == AMOUNT_RATE and spec.molar_mass is None and not converts(unit, AMOUNT_RATE):
                needed = "the mass of a feed has a density, and the mass of its solute a molar mass"
                remedy = "give density [kg/L] if the feed was weighed, or else molar_mass [g/mol]"
                self.fault(spec.what, f"the unit '{unit}'", needed, remedy)
                return None
            if kind != VOLUMETRIC_RATE and (more or not media.get(solute)):
                needed = "a feed given as an amount has one solute, whose concentration gives the volume"
                self.fault(spec.what, f"{len(media)} solutes", needed, 'write media = { GLC = "500 g/L" }')
                return None
            return self.column(spec, kind, solute)
        return self.column(spec, VOLUMETRIC_RATE)  # and notes what is wrong with its unit

    def media(self, what: str, name: str, media: Mapping[str, float] | MediaSheet) -> Mapping[str, float]:
        """Return the composition of a feed [mmol/L]."""
        if not isinstance(media, MediaSheet):
            return media
        if not media.file:
            self.sheets.add(media.sheet)
        return self.media_reader.listed(what, name, media)
