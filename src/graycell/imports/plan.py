"""plan_of: a spec and the rows of a file -> `Plan`: where the columns are, in which unit, and what nothing used."""

import re
from collections.abc import Mapping
from dataclasses import replace

from graycell.errors import Faults, nearest
from graycell.formulas.parsing import parse
from graycell.formulas.tree import names_in
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
from graycell.imports.columns import AssayError, Column, FeedColumn, Lot, Plan, Sides
from graycell.imports.computed import Formula, has_factor, with_units
from graycell.imports.grids import Grid
from graycell.imports.media import Media
from graycell.imports.quantities import as_measured, internal_unit_of, unit_of_computed
from graycell.imports.spec import EVERY, RUN, TAKEN, ColumnSpec, FeedSpec, ImportSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import quantity_of, substance_for, unit_of_heading, words_of
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import Source
from graycell.units import (
    CONCENTRATION,
    DIMENSIONLESS,
    MASS_CONCENTRATION,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    UnitError,
    convert,
    converts,
)

_LOOKED_AT = 30
"""Rows in which a heading that is missing is looked for."""


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
        self.kept: dict[str, str] = {}
        """The units in which runs hold quantities, by name."""

    def plan(self) -> Plan:
        """Return the plan."""
        spec = self.spec
        measured = self.columns(spec.measured, {})
        self.kept = {name: column.internal_unit for name, column in measured.items()}
        plan = Plan(
            run=tuple(at for name in spec.run if (at := self.position("run", name)) is not None),
            time=self.column(spec.time, TIME) or Column("", None, TIME, TIME),
            after=spec.taken == "after",
            measured=measured,
            decimal=spec.decimal, round_off=spec.round_off, empty=spec.empty,
            flags=spec.flags, above_is_empty=spec.above_is_empty,
            sides=self.sides(),
            start=self.columns(spec.start, {"volume": VOLUME, "temperature": TEMPERATURE}),
            start_of={group: self.columns(of, {"volume": VOLUME, "temperature": TEMPERATURE})
                      for group, of in spec.start_of.items()},
            groups=spec.groups, errors=self.errors(),
            sample=self.column(spec.sample, VOLUME),
            temperature=self.column(spec.temperature, TEMPERATURE),
            volume=self.column(spec.volume, VOLUME), volume_taken=spec.volume_taken,
            outflows=self.columns(spec.outflows, dict.fromkeys(spec.outflows, VOLUMETRIC_RATE)),
            feeds=self.feeds(),
            averages=spec.averages,
        )  # fmt: skip
        self.check(plan)
        self.check_units(plan)
        masses = frozenset(spec.masses | self.media_reader.masses)
        return replace(plan, masses=masses, not_there=tuple(self.not_there), not_read=self.not_read())

    def check(self, plan: Plan) -> None:
        """Note what the feeds need beside their columns."""
        spec = self.spec
        is_given = "volume" in spec.start or any("volume" in of for of in spec.start_of.values())
        if (plan.feeds or spec.sample is not None or spec.outflows) and not is_given:
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
            above = self.grid.above[i] if i < len(self.grid.above) else ""
            if spec.log and spec.log.volume and i not in self.used and above == spec.log.sheet:
                self.fault("[log]", f"the feed '{heading}'", "every feed of a log has a table of its own",
                           f'add [feeds."{heading}"], or [feeds."*"]')  # fmt: skip

    def check_units(self, plan: Plan) -> None:
        """Note what is a mass in a feed and an amount among the measured columns, or the other way round."""
        masses = self.spec.masses | self.media_reader.masses
        media = [lot.media for feed in plan.feeds for lot in (feed.lots or [feed])]
        for name in dict.fromkeys(name for composition in media for name in composition):
            of_feed = MASS_CONCENTRATION if name in masses else CONCENTRATION
            kept = self.kept.get(name, of_feed)
            if kept != of_feed:
                self.fault(f"[measured] {name}", f"a unit of {kept}", f"the feeds have it in a unit of {of_feed}",
                           "give it molar_mass [g/mol], or write both as masses or both as amounts")  # fmt: skip

    def not_read(self) -> tuple[str, ...]:
        """Return the headings and sheets that nothing uses."""
        read = {self.headings[i] for i in self.used}
        of_rows = {*self.spec.leave_out, *(heading for names in self.spec.join.values() for heading in names)}
        of_rows |= {self.spec.ids.heading, *self.spec.ids.parts} if self.spec.ids else set()
        unread = [heading if heading not in read else f"another {heading}" for i, heading in enumerate(self.headings)
                  if heading not in ("", *of_rows) and i not in self.used and self.is_filled(i)]  # fmt: skip
        width = max(map(len, self.grid.table.rows), default=0)
        if any(self.is_filled(i) for i in range(width) if i >= len(self.headings) or not self.headings[i]):
            unread.append("cells without a heading")
        unread += [*(name for name in self.grid.left if name not in of_rows), *self.media_reader.passed_over]
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
        if re.search(r" [*/+-] ", name):
            unknown = [word for word in re.findall(r"[A-Za-z_]\w*", name) if word not in self.spec.measured]
            hint = nearest(unknown[0], self.spec.measured) if unknown else "look at it"
            return f"if it is a formula, its names are quantities of [measured]: {hint}"
        rows = self.grid.table.rows[:_LOOKED_AT]
        at = next((r for r, row in enumerate(rows) if name in map(words_of, row)), None)
        if at is not None:
            hint = f"it is in row {at + 2}: if the headings are there, write header = {at + 2}"
            first = words_of(rows[at][0]) == name
            return f"{hint}, or transposed = true if they are in a column" if first else hint
        if self.faults.is_full:  # a suggestion takes time
            return "correct those first"
        return nearest(name, [heading for heading in (*self.known, *self.grid.left) if heading != RUN])

    def errors(self) -> dict[str, AssayError]:
        """Return the assay errors in internal units."""
        found = {}
        for quantity, error in self.spec.errors.items():
            unit = self.kept.get(quantity) or LIMITS[limit_of(quantity)].unit or ""
            absolute = 0.0
            if error.absolute is not None:
                mass = self.spec.measured[quantity].molar_mass or molar_mass_of(quantity, self.spec.measured)
                try:
                    absolute = in_internal_units(*error.absolute, unit, mass)
                except UnitError as fault:
                    self.fault(f"[errors] {quantity}", str(fault), f"a unit of {unit} is needed",
                               f'write "0.1 {unit}", or a part of the value in %')  # fmt: skip
            found[quantity] = AssayError(error.relative, absolute, unit, self.column(error.column, unit, quantity))
        return found

    def columns(self, specs: Mapping[str, ColumnSpec], units: Mapping[str, str]) -> dict[str, Column]:
        """Return the columns that are there; `units` are internal ones by name, else a column decides."""
        computed = {name: spec for name, spec in specs.items() if spec.formula and spec.heading not in self.known}
        found: dict[str, Column | None] = {}
        for name, spec in specs.items():
            if name not in computed:
                found[name] = self.column(spec, units.get(name) or self.kept.get(name, ""), name)
        self.compute(computed, found)
        return {name: column for name in specs if (column := found.get(name)) is not None}

    def compute(self, specs: Mapping[str, ColumnSpec], found: dict[str, Column | None]) -> None:
        """Add the columns that are computed, those first that others need."""
        left = dict(specs)
        while left:
            ready = [name for name, spec in left.items()
                     if not set(names_in(parse(spec.formula))) & (set(left) - set(spec.parts))]  # fmt: skip
            for name in ready or left:
                if ready:
                    found[name] = self.computed(name, left[name], found)
                else:
                    needed = "a quantity is not computed from itself"
                    self.fault(left[name].what, f"'{left[name].formula}'", needed, "name the column that was measured")
            left = {name: spec for name, spec in left.items() if name not in ready} if ready else {}

    def computed(self, quantity: str, spec: ColumnSpec, known: Mapping[str, Column | None]) -> Column | None:
        """Return a column that is computed from others."""
        tree = parse(spec.formula)
        columns: dict[str, Column] = {}
        for name in names_in(tree):
            column = self.part(spec.parts[name]) if name in spec.parts else known.get(name)
            if column is None:
                self.not_there.append(quantity)
                return None
            columns[name] = column
        quantities = {name: "" if name in spec.parts else name for name in columns}
        units = {name: column.internal_unit for name, column in columns.items()}
        formula, unit, faults = with_units(Formula(tree, columns, quantities), units)
        mass = spec.molar_mass or molar_mass_of(quantity, self.spec.measured)
        needed_unit = unit_of_computed(quantity, spec.unit, unit, mass)
        for found, needed in faults:
            self.fault(f"{spec.what} formula", found, needed, "correct it, or give its numbers a unit by name")
        if faults:
            return None
        wanted = spec.unit or needed_unit
        is_mass = unit is not None and bool(mass) and converts(unit, MASS.get(wanted, wanted))
        if unit is None or (not converts(unit, wanted) and not is_mass and has_factor(tree)):
            if unit is not None and not spec.unit:
                needed = f"{quantity} is in {wanted}, which the number in it is taken to give"
                remedy = f'write unit = "{wanted}" beside formula, or its number by a name with its unit'
                self.fault(f"{spec.what} formula", f"a value in {unit}", needed, remedy, "warning")
            unit = wanted
        column = Column(spec.formula, None, unit, needed_unit, None, mass, formula=formula)
        if spec.unit and not converts(unit, spec.unit):
            self.fault(f"{spec.what} unit", f"'{spec.unit}'", f"the formula gives {unit}", "correct one of the two")
            return None
        return column if self.has_unit(spec, column, quantity) else None

    def part(self, spec: ColumnSpec) -> Column | None:
        """Return a column or a number of a formula's own, in its own unit."""
        if spec.amount is not None:
            return Column("", None, spec.amount.unit, spec.amount.unit, spec.amount.number)
        position = self.position(spec.what, spec.heading, spec.under)
        unit = spec.unit or ("" if position is None else self.grid.stated(position))
        if position is None:
            return None
        if not unit:
            remedy = f'write {{ column = "{spec.heading}", unit = "1" }}, or another unit'
            self.fault(spec.what, f"no unit of '{spec.heading}'", "a unit is never guessed", remedy)
            return None
        return Column(spec.heading, position, unit, unit)

    def column(self, spec: ColumnSpec | None, unit: str, quantity: str = "") -> Column | None:
        """Return a column, None and a fault if it cannot be used.

        unit: the internal unit of its numbers, "" where the unit of the column decides which one it is.
        """
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
            unit = unit or internal_unit_of(quantity, of_number, mass)
            found = Column("", None, of_number, unit, number, mass, density)
        else:
            position = self.position(spec.what, spec.heading, spec.under)
            if position is None:
                return None
            stated = self.grid.stated(position)
            of_column = as_measured(quantity, spec.unit or stated)
            unit = unit or internal_unit_of(quantity, of_column, mass)
            of_column = as_counted(of_column, unit)
            self.compare(spec, of_column, stated, unit)
            form = None if spec.molar_mass else in_form(
                substance_for(spec.heading, quantity), quantity, of_column, mass)  # fmt: skip
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
                lot = None if not spec.lot else self.position(f"[feeds.{spec.name}] lot", spec.lot)
                lots = self.lots(spec, name, lot)
                media = lots[0].media if lots else self.media(f"[feeds.{spec.name}] media", name, spec.media)
                made = self.rate(column, media) if spec.kind == "rate" else self.column(
                    column, DIMENSIONLESS if spec.of else VOLUME)  # fmt: skip
                if made is None or made.position is None:
                    continue
                if made.position in found:
                    of_other = f"the column of [feeds.{found[made.position].name}]"
                    self.fault(column.what, of_other, "a column is one feed", "remove one")
                if lots and made.internal_unit in (AMOUNT_RATE, RATE_PER_VOLUME):
                    needed = "a feed that is given as an amount has one composition"
                    self.fault(column.what, f"{len(lots)} compositions", needed, "give it as a volume")
                total = self.column(spec.total, VOLUME)
                found[made.position] = FeedColumn(
                    name, spec.kind, made, media, spec.of, spec.holds, total, lot, lots)  # fmt: skip
        return tuple(found.values())

    def lots(self, spec: FeedSpec, name: str, at: int | None) -> tuple[Lot, ...]:
        """Return the compositions of a feed that has several; `at` is the column of its lot."""
        what = f"[feeds.{spec.name}] media"
        if at is not None and spec.lots and not spec.lots[0].lot:  # a sheet lists them by name
            cells = dict.fromkeys(words_of(row[at]) for row in self.grid.table.rows if at < len(row))
            media = spec.lots[0].media
            if not isinstance(media, MediaSheet):
                self.fault(what, "one composition", "with lot there is one for each", "remove lot, or write the others")
                return ()
            return tuple(Lot(f"{name} {cell}", self.media(what, cell, media), lot=cell) for cell in cells if cell)
        lots: list[Lot] = []
        for lot in spec.lots:
            more = lot.lot or (f"of {lot.group}" if lot.group else "") + (
                f" from {lot.since:g} d" if lot.since else "")  # fmt: skip
            medium = f"{name} {more.strip()}".strip()
            if medium in [other.medium for other in lots]:
                self.fault(what, f"two compositions {more}".strip(), "they differ in from or runs", "remove one")
                continue
            lots.append(Lot(medium, self.media(what, name, lot.media), lot.since, lot.runs, lot.lot))
        return tuple(lots)

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
            if kind != VOLUMETRIC_RATE and solute in self.spec.masses | self.media_reader.masses:
                needed = "a feed given as an amount has a solute of known molar mass"
                self.fault(spec.what, f"the unit '{unit}'", needed, f"give molar_mass to {solute} in [measured]")
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
