"""FeedPlanner: the feeds of a spec -> their columns in a table and their compositions; faults are noted."""

from collections.abc import Mapping
from dataclasses import replace

from graycell.errors import nearest
from graycell.imports.amounts import AMOUNT_RATE, RATE_PER_VOLUME, in_internal_units
from graycell.imports.columns import Column, FeedColumn, Lot
from graycell.imports.media import Media
from graycell.imports.plan_columns import ColumnPlanner
from graycell.imports.spec import EVERY, ColumnSpec, FeedSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import unit_of_heading, words_of
from graycell.units import DIMENSIONLESS, VOLUME, VOLUMETRIC_RATE, UnitError, converts


class FeedPlanner:
    """Finds the columns of feeds and notes what is missing."""

    def __init__(self, planner: ColumnPlanner, media: Media):
        """Begin.

        Args:
            planner: of the columns of the table.
            media: reads compositions from sheets.
        """
        self.planner, self.media_reader = planner, media
        self.spec, self.grid, self.fault = planner.spec, planner.grid, planner.fault
        self.sheets: set[str] = set()
        """The sheets of media that were read."""

    def feeds(self) -> tuple[FeedColumn, ...]:
        """Return all feeds; `EVERY` is every column under a heading that no other feed names.

        Returns:
            The feeds without a fault in their column.
        """
        found: dict[int | str, FeedColumn] = {}
        for spec in self.spec.feeds:
            for name, column in self._columns_of_feed(spec).items():
                if spec.name == EVERY and self.planner.headings.index(name) in found:
                    continue  # a feed of its own
                lot = None if not spec.lot else self.planner.position(f"[feeds.{spec.name}] lot", spec.lot)
                lots = self._lots(spec, name, lot)
                media = lots[0].media if lots else self._media(f"[feeds.{spec.name}] media", name, spec.media)
                made = self._rate(column, media) if spec.kind == "rate" else self.planner.column(
                    column, DIMENSIONLESS if spec.of else VOLUME)  # fmt: skip
                if made is None or (made.position is None and made.formula is None):
                    continue
                place = f"the formula of {name}" if made.position is None else made.position
                if place in found:
                    of_other = f"the column of [feeds.{found[place].name}]"
                    self.fault(column.what, of_other, "a column is one feed", "remove one")
                if lots and made.internal_unit in (AMOUNT_RATE, RATE_PER_VOLUME):
                    needed = "a feed that is given as an amount has one composition"
                    self.fault(column.what, f"{len(lots)} compositions", needed, "give it as a volume")
                total = self.planner.column(spec.total, VOLUME)
                found[place] = FeedColumn(
                    name, spec.kind, made, media, spec.of, spec.holds, total, lot, lots)  # fmt: skip
        return tuple(found.values())

    def _lots(self, spec: FeedSpec, name: str, at: int | None) -> tuple[Lot, ...]:
        """Return the compositions of a feed that has several; `at` is the column of its lot."""
        what = f"[feeds.{spec.name}] media"
        if at is not None and spec.lots and not spec.lots[0].lot:  # a sheet lists them by name
            cells = dict.fromkeys(words_of(row[at]) for row in self.grid.table.rows if at < len(row))
            media = spec.lots[0].media
            if not isinstance(media, MediaSheet):
                self.fault(what, "one composition", "with lot there is one for each", "remove lot, or write the others")
                return ()
            return tuple(Lot(f"{name} {cell}", self._media(what, cell, media), lot=cell) for cell in cells if cell)
        lots: list[Lot] = []
        for lot in spec.lots:
            more = lot.lot or (f"of {lot.group}" if lot.group else "") + (
                f" from {lot.since:g} d" if lot.since else "")  # fmt: skip
            medium = f"{name} {more.strip()}".strip()
            if medium in [other.medium for other in lots]:
                self.fault(what, f"two compositions {more}".strip(), "they differ in from or runs", "remove one")
                continue
            lots.append(Lot(medium, self._media(what, name, lot.media), lot.since, lot.runs, lot.lot))
        return tuple(lots)

    def _columns_of_feed(self, spec: FeedSpec) -> dict[str, ColumnSpec]:
        """Return the columns of a feed by its name: one, or all of those under a heading."""
        if spec.name != EVERY:
            return {spec.name: spec.column}
        under = spec.column.under or ""
        here = [self.planner.headings[i] for i, above in enumerate(self.grid.above) if under and above == under]
        unit = spec.column.unit or unit_of_heading(under)
        found = {heading: replace(spec.column, what=f"[feeds.{heading}]", heading=heading, unit=unit)
                 for heading in here if heading}  # fmt: skip
        if not found:
            remedy = nearest(under, self.grid.above) if any(self.grid.above) else "name every feed"
            self.fault("[feeds.*]", f"under '{under}'", "it is in the row above the headings", remedy)
        return found

    def _rate(self, spec: ColumnSpec, media: Mapping[str, float]) -> Column | None:
        """Return the column of a rate: of a volume, or of the amount of the only solute."""
        if spec.formula:
            return self.planner.column(spec, VOLUMETRIC_RATE)
        at = next((i for i, heading in enumerate(self.planner.headings) if heading == spec.heading), None)
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
            return self.planner.column(spec, kind, solute)
        return self.planner.column(spec, VOLUMETRIC_RATE)  # and notes what is wrong with its unit

    def composition(self, name: str, media: Mapping[str, float] | MediaSheet) -> Mapping[str, float]:
        """Return the composition of a feed.

        Args:
            name: of the feed.
            media: as the mapping has it.

        Returns:
            [mmol/L], or [g/L] of masses.
        """
        return self._media(f"[feeds.{name}] media", name, media)

    def _media(self, what: str, name: str, media: Mapping[str, float] | MediaSheet) -> Mapping[str, float]:
        """Return the composition of a feed [mmol/L]."""
        if not isinstance(media, MediaSheet):
            return media
        if not media.file:
            self.sheets.add(media.sheet)
        return self.media_reader.listed(what, name, media)
