"""ColumnPlanner: the columns of a spec -> where they are in a table, or how they are computed; faults are noted."""

import re
from collections.abc import Mapping
from dataclasses import replace

from graycell.errors import Faults, nearest
from graycell.formulas.parsing import parse
from graycell.formulas.tree import names_in
from graycell.imports.amounts import IN_WHICH_FORM, MASS, MASS_OF_LIQUID, as_counted, in_form
from graycell.imports.columns import Column
from graycell.imports.computed import Formula, has_factor, with_units
from graycell.imports.grids import Grid
from graycell.imports.quantities import as_measured, internal_unit_of, unit_of_computed
from graycell.imports.spec import RUN, ColumnSpec, ImportSpec, molar_mass_of
from graycell.imports.vocabulary import quantity_of, substance_for, words_of
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import DIMENSIONLESS, TIME, VOLUME, UnitError, convert, converts

_LOOKED_AT = 30
"""Rows in which a heading that is missing is looked for."""


class ColumnPlanner:
    """Finds the columns of a spec in a table and notes what is missing."""

    def __init__(self, spec: ImportSpec, grid: Grid, faults: Faults):
        """Begin.

        Args:
            spec: the mapping.
            grid: the rows of the file.
            faults: takes every fault.
        """
        self.spec, self.grid, self.faults, self.fault = spec, grid, faults, faults.of_mapping
        self.headings = [words_of(heading) for heading in grid.table.headings]
        self.known = [heading for heading in self.headings if heading]
        self.used: set[int] = set()
        self.not_there: list[str] = []
        self.measured: Mapping[str, Column] = {}
        """The measured columns, which formulas name."""
        self.kept: dict[str, str] = {}
        """The units in which runs hold quantities, by name."""

    def position(self, what: str, name: str, under: str | None = None) -> int | None:
        """Return where a heading is, the first of its name, or the first below another heading.

        Args:
            what: the key of the mapping.
            name: the heading.
            under: the heading above it; None for any.

        Returns:
            The position from the left; None, and a fault, if it is not there.
        """
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
            self.fault(what, f"no heading '{name}'", "headings are named as in the file", self._hint(name))
        return None

    def _hint(self, name: str) -> str:
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

    def columns(self, specs: Mapping[str, ColumnSpec], units: Mapping[str, str]) -> dict[str, Column]:
        """Return the columns that are there.

        Args:
            specs: columns by what they give.
            units: internal units by name; of any other the unit of its column decides.

        Returns:
            The columns without a fault, by name.
        """
        computed = {name: spec for name, spec in specs.items() if spec.formula and spec.heading not in self.known}
        found: dict[str, Column | None] = {}
        for name, spec in specs.items():
            if name not in computed:
                found[name] = self.column(spec, units.get(name) or self.kept.get(name, ""), name)
        self._compute(computed, found, units)
        return {name: column for name in specs if (column := found.get(name)) is not None}

    def _compute(
        self, specs: Mapping[str, ColumnSpec], found: dict[str, Column | None], units: Mapping[str, str]
    ) -> None:
        """Add the columns that are computed, those first that others need; `units` are internal ones by name."""
        left = dict(specs)
        while left:
            ready = [name for name, spec in left.items()
                     if not set(names_in(parse(spec.formula))) & (set(left) - set(spec.parts))]  # fmt: skip
            for name in ready or left:
                if ready:
                    unit = units.get(name) or self.kept.get(name, "")
                    found[name] = self._computed(name, left[name], {**self.measured, **found}, unit)
                else:
                    needed = "a quantity is not computed from itself"
                    self.fault(left[name].what, f"'{left[name].formula}'", needed, "name the column that was measured")
            left = {name: spec for name, spec in left.items() if name not in ready} if ready else {}

    def _computed(
        self, quantity: str, spec: ColumnSpec, known: Mapping[str, Column | None], needed_unit: str = ""
    ) -> Column | None:
        """Return a column that is computed from others; `needed_unit` is the internal one where no quantity has it."""
        tree = parse(spec.formula)
        columns: dict[str, Column] = {}
        for name in names_in(tree):
            column = self._part(spec.parts[name]) if name in spec.parts else known.get(name)
            if column is None:
                self.not_there.append(quantity or spec.what)
                return None
            columns[name] = column
        quantities = {name: "" if name in spec.parts else name for name in columns}
        units = {name: column.internal_unit for name, column in columns.items()}
        formula, unit, faults = with_units(Formula(tree, columns, quantities), units)
        mass = spec.molar_mass or molar_mass_of(quantity, self.spec.measured)
        needed_unit = needed_unit or unit_of_computed(quantity, spec.unit, unit, mass)
        for found, needed in faults:
            self.fault(f"{spec.what} formula", found, needed, "correct it, or give its numbers a unit by name")
        if faults:
            return None
        wanted = spec.unit or needed_unit
        is_mass = unit is not None and ((bool(mass) and converts(unit, MASS.get(wanted, wanted))) or (
            bool(spec.density) and converts(unit, MASS_OF_LIQUID.get(wanted, wanted))))  # fmt: skip
        if unit is None or (not converts(unit, wanted) and not is_mass and has_factor(tree)):
            if unit is not None and not spec.unit:
                needed = f"{quantity or spec.what} is in {wanted}, which the number in it is taken to give"
                remedy = f'write unit = "{wanted}" beside formula, or its number by a name with its unit'
                self.fault(f"{spec.what} formula", f"a value in {unit}", needed, remedy, "warning")
            unit = wanted
        column = Column(spec.formula, None, unit, needed_unit, None, mass, spec.density or 0.0, formula=formula)
        if spec.unit and not converts(unit, spec.unit) and not is_mass:
            self.fault(f"{spec.what} unit", f"'{spec.unit}'", f"the formula gives {unit}", "correct one of the two")
            return None
        return column if self._has_unit(spec, column, quantity) else None

    def _part(self, spec: ColumnSpec) -> Column | None:
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
        """Return a column.

        Args:
            spec: of the column; None for no column.
            unit: the internal unit of its numbers, "" where the unit of the column decides which one it is.
            quantity: what it gives, "" for what is no quantity.

        Returns:
            The column; None, and a fault, if it cannot be used.
        """
        if spec is None:
            return None
        if spec.formula:
            return self._computed(quantity, spec, self.measured, unit)
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
            self._compare(spec, of_column, stated, unit)
            form = None if spec.molar_mass else in_form(
                substance_for(spec.heading, quantity), quantity, of_column, mass)  # fmt: skip
            if form is None and not spec.molar_mass and of_column:
                self.fault(spec.what, f"'{spec.heading}'", IN_WHICH_FORM,
                           f"give molar_mass, the g that hold one mol of {quantity}")  # fmt: skip
                return None
            mass, per_mole = form or (mass, 1.0)
            found = Column(spec.heading, position, of_column, unit, None, mass, density, per_mole=per_mole)
        if unit == TIME and (found.unit in ("date", "clock") or spec.clock or spec.zone):
            return self._of_clocks(spec, found)
        return self._with_limit(spec, found) if self._has_unit(spec, found, quantity) else None

    def _of_clocks(self, spec: ColumnSpec, column: Column) -> Column | None:
        """Return a column of dates, of days with a time of day beside them, or of times of day alone."""
        if column.unit not in ("date", "clock") and not self._has_unit(spec, column, ""):
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

    def _has_unit(self, spec: ColumnSpec, column: Column, quantity: str) -> bool:
        """Return whether the unit of a column converts to its internal unit, and note it if not."""
        unit = column.internal_unit
        if not column.unit:
            self.fault(spec.what, f"no unit of '{spec.heading}'", "a unit is never guessed",
                       f'give unit = "{unit}" or another')  # fmt: skip
            return False
        try:
            column.in_internal_units(1.0)
        except UnitError as error:
            is_known = quantity_of(quantity) in MOLAR_MASS or bool(spec.molar_mass)
            remedy = "give its unit" + (", and molar_mass [g/mol] for a mass" if unit in MASS and not is_known else "")
            remedy += ", and density [kg/L] for a mass" if unit in MASS_OF_LIQUID else ""
            if unit in MASS_OF_LIQUID and column.position is None:
                remedy = f"write it in {unit}"
            known = quantity_of(quantity)
            if quantity and known != quantity and known in MOLAR_MASS:
                remedy = "give its unit, and " if column.unit == "?" else ""
                remedy += f"name it {known}, whose molar mass is known"
            if spec.what.startswith("[feeds.") and unit == VOLUME and converts(column.unit, DIMENSIONLESS):
                remedy = 'say of what a feed is a part: of = "start", or of = "culture" before the feed'
            found, needed = str(error), f"a unit of {unit} is needed"
            if column.unit == "?":
                of_mass = f" or {MASS[unit]}" if unit in MASS else ""
                found, needed = "a ? that is left", f"a unit of {unit}{of_mass} is needed"
            self.fault(spec.what, found, needed, remedy)
            return False
        return True

    def _compare(self, spec: ColumnSpec, unit: str, stated: str, internal_unit: str) -> None:
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

    def _with_limit(self, spec: ColumnSpec, column: Column) -> Column:
        """Return a column with its detection limit in its own unit."""
        if spec.limit is None:
            return column
        try:
            return replace(column, limit=float(convert(spec.limit.number, spec.limit.unit, column.unit)))
        except UnitError as error:
            needed, remedy = "a detection limit is needed", f'write "0.1 {column.unit}"'
            self.fault(f"{spec.what} limit", str(error), needed, remedy)
            return column
