"""The compositions of feeds: written out in a mapping, or listed in a sheet of media."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graycell.errors import Faults, nearest
from graycell.imports.amounts import in_internal_units, plain, with_unit
from graycell.imports.grids import words_of
from graycell.imports.vocabulary import bare, quantity_of, unit_of_heading
from graycell.runs.format.files import Source
from graycell.runs.format.tables import parse_number, shown
from graycell.units import CONCENTRATION, UnitError, converts


class Media:
    """Reads compositions [mmol/L]; what is wrong with them is noted.

    mass: gives the molar mass of a quantity [g/mol], or 0; headings: of the measured quantities, which name solutes
    too; decimal: the decimal mark of the file; passed_over: rows of a list that are no solutes.
    """

    def __init__(
        self, source: Source, mass: Callable[[str], float], headings: Mapping[str, str], decimal: str, faults: Faults
    ):
        self.source, self.mass, self.decimal, self.fault = source, mass, decimal, faults.of_mapping
        self.meant = {words_of(heading): quantity for quantity, heading in headings.items()}
        self.passed_over: list[str] = []

    def written(self, what: str, words: Any) -> dict[str, float]:
        """Return a composition that is written out, such as ``{ GLC = "400 g/L" }``."""
        if not isinstance(words, Mapping):
            self.fault(what, shown(str(words)), "a composition is a table", 'write { GLC = "2 mol/L" }')
            return {}
        media = {}
        for species, text in words.items():
            meant = quantity_of(str(species))
            if meant and meant != species and species not in self.meant.values():
                self.fault(what, f"the solute '{shown(str(species))}'", f"it is called {meant}", f"write {meant}")
                continue
            try:
                media[str(species)] = in_internal_units(*with_unit(text), CONCENTRATION, self.mass(str(species)))
            except UnitError as error:
                self.fault(f"{what} {species}", str(error), "a concentration is needed", 'write "444 mmol/L"')
        return media

    def listed(self, what: str, name: str, words: Mapping[str, Any]) -> dict[str, float]:
        """Return the composition of a medium in a sheet of media, which stand in its columns or in its rows."""
        sheet, names = str(words["sheet"]), words_of(str(words.get("names", "medium")))
        if sheet not in self.source.tables:
            hint = nearest(sheet, self.source.tables)
            self.fault(what, f"no sheet '{shown(sheet)}'", "a sheet is named as in the workbook", hint)
            return {}
        table = self.source.tables[sheet]
        lines = [[words_of(cell) for cell in row] for row in (table.headings, *table.rows)]
        at = next(((r, c) for r, row in enumerate(lines) for c, cell in enumerate(row) if cell == names), None)
        if at is None:
            self.fault(what, f"no '{shown(names)}' in the sheet '{shown(sheet)}'",
                       "the cell that names the media is needed", 'write names = "Feed Name"')  # fmt: skip
            return {}
        width = max(map(len, lines))
        rows = [(line + [""] * (width - len(line)))[at[1] :] for line in lines[at[0] :]]
        if name not in rows[0][1:]:  # then media stand below each other
            rows = [list(column) for column in zip(*rows, strict=True)]
        places = [i for i, cell in enumerate(rows[0]) if cell == name and i > 0]
        if not places:
            listed = [cell for cell in (*rows[0][1:], *(row[0] for row in rows[1:])) if cell]
            self.fault(what, f"no '{shown(name)}' in the sheet '{shown(sheet)}'", "media are named as in that sheet",
                       nearest(name, listed))  # fmt: skip
            return {}
        return self._of_rows(what, rows[1:], places)

    def _of_rows(self, what: str, rows: Iterable[Sequence[str]], places: Sequence[int]) -> dict[str, float]:
        """Return what a medium holds, of rows of solutes; those of no known name and unit are passed over."""
        media: dict[str, float] = {}
        for label, *cells in rows:
            told = sorted({cells[i - 1] for i in places if cells[i - 1]})
            known = self.meant.get(label) or quantity_of(label)
            quantity, unit = known or bare(label), unit_of_heading(label)
            if not label or not told:
                continue
            if not known and not (unit and (converts(unit, CONCENTRATION) or self.mass(quantity))):
                self.passed_over.append(f"{label} of the media")
                continue
            numbers = {parse_number(plain(cell, self.decimal)) for cell in told}
            if None in numbers:
                found, needed = (
                    ", ".join(f"'{shown(one)}'" for one in told),
                    f"numbers stand in the row '{shown(label)}'",
                )
                self.fault(f"{what} {quantity}", found, needed, "write the number, or empty the cell")
            elif len(numbers) > 1:
                needed = "a medium of one name has one composition, in numbers"
                self.fault(f"{what} {quantity}", ", ".join(f"'{shown(one)}'" for one in told), needed,
                           "give media of other compositions other names")  # fmt: skip
            elif quantity in media:
                self.fault(f"{what} {quantity}", f"a second row '{shown(label)}'", "a solute stands once", "remove one")
            else:
                try:
                    media[quantity] = in_internal_units(numbers.pop() or 0.0, unit, CONCENTRATION, self.mass(quantity))
                except UnitError as error:
                    remedy = f"write it into the heading, like '{shown(bare(label))} (mM)'"
                    found = str(error) if unit else "no unit"
                    self.fault(f"{what} {quantity}", found, "a concentration has one", remedy)
        return media
