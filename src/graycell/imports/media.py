"""The compositions of feeds that a sheet lists."""

from collections.abc import Iterable, Sequence

from graycell.errors import Faults, nearest
from graycell.imports.amounts import in_internal_units, plain
from graycell.imports.spec import ImportSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import bare, quantity_of, unit_of_heading, words_of
from graycell.runs.format.files import Source
from graycell.runs.format.tables import parse_number
from graycell.units import CONCENTRATION, UnitError, converts


class Media:
    """Reads compositions from sheets and notes what is wrong with them."""

    def __init__(self, source: Source, spec: ImportSpec, faults: Faults):
        """Begin.

        Args:
            source: the file.
            spec: the mapping; the headings of its measured quantities name solutes too.
            faults: takes every fault.
        """
        self.source, self.spec, self.fault = source, spec, faults.of_mapping
        self.quantities = {column.heading: quantity for quantity, column in spec.measured.items()}
        self.passed_over: list[str] = []
        """Rows that are no solutes."""

    def listed(self, what: str, name: str, media: MediaSheet) -> dict[str, float]:
        """Return the composition of a medium; media may be the columns of the sheet or its rows.

        Args:
            what: the key of the mapping.
            name: of the medium.
            media: the sheet.

        Returns:
            [mmol/L] by solute.
        """
        if media.sheet not in self.source.tables:
            hint = nearest(media.sheet, self.source.tables)
            self.fault(what, f"no sheet '{media.sheet}'", "a sheet is named as in the workbook", hint)
            return {}
        table = self.source.tables[media.sheet]
        lines = [[words_of(cell) for cell in row] for row in (table.headings, *table.rows)]
        at = next(((r, c) for r, row in enumerate(lines) for c, cell in enumerate(row) if cell == media.names), None)
        if at is None:
            self.fault(what, f"no '{media.names}' in the sheet '{media.sheet}'",
                       "the cell that names the media is needed", 'write names = "Feed Name"')  # fmt: skip
            return {}
        width = max(map(len, lines))
        rows = [(line + [""] * (width - len(line)))[at[1] :] for line in lines[at[0] :]]
        if name not in rows[0][1:]:  # then the media are below each other
            rows = [list(column) for column in zip(*rows, strict=True)]
        places = [i for i, cell in enumerate(rows[0]) if cell == name and i > 0]
        if not places:
            known = [cell for cell in (*rows[0][1:], *(row[0] for row in rows[1:])) if cell]
            found = f"no '{name}' in the sheet '{media.sheet}'"
            self.fault(what, found, "media are named as in that sheet", nearest(name, known))
            return {}
        return self._of_rows(what, rows[1:], places)

    def _of_rows(self, what: str, rows: Iterable[Sequence[str]], places: Sequence[int]) -> dict[str, float]:
        """Return the composition in rows of solutes; rows without a known name or unit are passed over."""
        media: dict[str, float] = {}
        for label, *cells in rows:
            filled = sorted({cells[i - 1] for i in places if cells[i - 1]})
            if not label or not filled:
                continue
            known = self.quantities.get(label) or quantity_of(label)
            quantity, unit = known or bare(label), unit_of_heading(label)
            mass = molar_mass_of(quantity, self.spec.measured)
            if not known and not (unit and (converts(unit, CONCENTRATION) or mass)):
                self.passed_over.append(f"{label} of the media")
                continue
            numbers = {parse_number(plain(cell, self.spec.decimal)) for cell in filled}
            place, quoted = f"{what} {quantity}", ", ".join(f"'{cell}'" for cell in filled)
            if None in numbers:
                needed = f"the row '{label}' holds numbers"
                self.fault(place, quoted, needed, "write the number, or empty the cell")
            elif len(numbers) > 1:
                needed = "a medium of one name has one composition, in numbers"
                self.fault(place, quoted, needed, "give media of other compositions other names")
            elif quantity in media:
                self.fault(place, f"a second row '{label}'", "a solute has one row", "remove one")
            else:
                try:
                    media[quantity] = in_internal_units(numbers.pop() or 0.0, unit, CONCENTRATION, mass)
                except UnitError as error:
                    remedy = f"write it into the heading, like '{bare(label)} (mM)'"
                    self.fault(place, str(error) if unit else "no unit", "a concentration has one", remedy)
        return media
