"""plan_of: a spec and the rows of a file -> `Plan`: where the columns are, in which unit, and what nothing used."""

from collections.abc import Mapping
from dataclasses import replace

from graycell.errors import Faults, nearest
from graycell.imports.amounts import in_internal_units
from graycell.imports.columns import AssayError, Column, Plan, Sides
from graycell.imports.grids import Grid
from graycell.imports.media import Media
from graycell.imports.plan_columns import ColumnPlanner
from graycell.imports.plan_feeds import FeedPlanner
from graycell.imports.rules import planned_rules
from graycell.imports.sides import SIDE
from graycell.imports.spec import TAKEN, ImportSpec, molar_mass_of
from graycell.imports.vocabulary import words_of
from graycell.runs.checks import LIMITS, limit_of
from graycell.runs.format.files import Source
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, TEMPERATURE, TIME, VOLUME, VOLUMETRIC_RATE, UnitError


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


class _Planner(ColumnPlanner):
    """Puts the parts of a plan together and notes what they need of each other."""

    def __init__(self, spec: ImportSpec, source: Source, grid: Grid, faults: Faults):
        super().__init__(spec, grid, faults)
        self.source = source
        self.media_reader = Media(source, spec, faults)
        self.of_feeds = FeedPlanner(self, self.media_reader)

    def plan(self) -> Plan:
        """Return the plan."""
        spec = self.spec
        measured = self.columns(spec.measured, {})
        self.measured = measured
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
            feeds=self.of_feeds.feeds(), rules=planned_rules(self.of_feeds, spec.rules),
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
        if (plan.feeds or plan.rules or spec.sample is not None or spec.outflows) and not is_given:
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
        media += [rule.media for rule in plan.rules if isinstance(rule.media, Mapping)]
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
        read_sheets = {*self.grid.sheets, *self.of_feeds.sheets}
        unread += [f"the sheet '{sheet}'" for sheet in sheets if sheet not in read_sheets]
        return tuple(dict.fromkeys(unread))

    def is_filled(self, position: int) -> bool:
        """Return whether a column has a filled cell."""
        return any(position < len(row) and row[position].strip() for row in self.grid.table.rows)

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

    def sides(self) -> Sides | None:
        """Return the column that says which side of a feed a row is on."""
        spec = self.spec.sides
        position = None if spec is None else self.position("[rows] column", spec.heading)
        if spec is None or position is None:
            return None
        there = {words_of(row[position]).lower() for row in self.grid.table.rows if position < len(row)}
        for word, text in (("before", spec.before), ("after", spec.after)):
            if text.lower() not in there and spec.heading != SIDE:
                needed, hint = f"it is somewhere below '{spec.heading}'", nearest(text, sorted(there - {""}))
                self.fault(f"[rows] {word}", f"'{text}'", needed, hint)
        return Sides(position, spec.before, spec.after, spec.neither, self.spec.taken if spec.heading == SIDE else "")
