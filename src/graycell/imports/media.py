"""The compositions of feeds that a sheet lists, in the file of the samples or in another."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from graycell.errors import Faults, nearest
from graycell.imports.amounts import IN_WHICH_FORM, in_form, in_internal_units, plain
from graycell.imports.layout import source_of_any
from graycell.imports.spec import ImportSpec, MediaSheet, molar_mass_of
from graycell.imports.vocabulary import bare, is_word_for_unit, quantity_of, substance_in, unit_of_heading, words_of
from graycell.runs.format.files import Source
from graycell.runs.format.tables import parse_number
from graycell.runs.limits import NOT_SPECIES
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, UnitError, converts

_NAMES = "medium"
"""The cell that heads the names of the media where the mapping does not say it."""


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
        self.masses: set[str] = set()
        """Solutes in g/L, which are measured so."""
        self._others: dict[str, Source] = {}

    def listed(self, what: str, name: str, media: MediaSheet) -> dict[str, float]:
        """Return the composition of a medium; media may be the columns of the sheet or its rows.

        Args:
            what: the key of the mapping.
            name: of the medium.
            media: the sheet.

        Returns:
            [mmol/L] by solute.

        Raises:
            UnreadableError: the file of the media cannot be read.
        """
        name = media.medium or name
        source = self.source if not media.file else self._other(what, media.file)
        sheet = media.sheet or next(iter(source.tables if source else ()), "")
        if source is None or sheet not in source.tables:
            if source is not None:
                self.fault(what, f"no sheet '{sheet}'", "a sheet is named as in the workbook",
                           nearest(sheet, source.tables))  # fmt: skip
            return {}
        table = source.tables[sheet]
        lines = [[words_of(cell) for cell in row] for row in (table.headings, *table.rows)]
        width = max(map(len, lines))
        lines = [line + [""] * (width - len(line)) for line in lines]
        head = media.names or _NAMES
        at = next(((r, c) for r, row in enumerate(lines) for c, cell in enumerate(row) if cell == head), None)
        where = f"the sheet '{sheet}'" + (f" of {media.file}" if media.file else "")
        if at is None:
            return self._alone(what, lines, media, where)
        rows = [line[at[1] :] for line in lines[at[0] :]]
        if name not in rows[0][1:]:  # then the media are below each other
            rows = [list(column) for column in zip(*rows, strict=True)]
        places = [i for i, cell in enumerate(rows[0]) if cell == name and i > 0]
        if not places:
            known = [cell for cell in (*rows[0][1:], *(row[0] for row in rows[1:])) if cell]
            remedy = f"{nearest(name, known)}; another name than that of the feed is written as medium"
            self.fault(what, f"no '{name}' in {where}", "media are named as in that sheet", remedy)
            return {}
        return self._of_rows(what, rows[1:], places, _units_at(rows), media)

    def _other(self, what: str, file: str) -> Source | None:
        """Return another file, beside the mapping or beside the samples; None and a fault if there is none."""
        if file not in self._others:
            path = next((folder / file for folder in self.spec.folders if (folder / file).is_file()), None)
            if path is None or Path(file).is_absolute() or ".." in Path(file).parts:
                needed = "a file of media is beside the mapping or the file of the samples"
                self.fault(what, f"no file '{file}'", needed, "look at its name")
                return None
            self._others[file] = source_of_any(path, ImportSpec(decimal=self.spec.decimal))
        return self._others[file]

    def _alone(self, what: str, lines: Sequence[Sequence[str]], media: MediaSheet, where: str) -> dict[str, float]:
        """Return the only composition of a sheet, whose numbers have no name."""
        columns = [list(column) for column in zip(*lines, strict=True)]
        known = [max((sum(map(self._is_solute, line)), -i) for i, line in enumerate(every))
                 for every in (lines, columns)]  # fmt: skip
        is_alone = known[0][0] == 1 and not any(any(line[1 - known[1][1] :]) for line in lines)
        is_below = known[0][0] > known[1][0] or is_alone  # the solutes are beside each other, numbers below them
        solutes, at = (columns, known[0][1]) if is_below else (list(map(list, lines)), known[1][1])
        rows = [row[-at:] for row in solutes]
        units = _units_at(rows)
        named = [row for row in rows if self._is_solute(row[0])]
        cells = {i: [row[i] for row in named if row[i]] for i in range(1, len(rows[0])) if i != units}
        mark = self.spec.decimal
        places = [i for i, filled in cells.items()
                  if filled and None not in [parse_number(plain(cell, mark)) for cell in filled]]  # fmt: skip
        if media.names or not places:
            needed = "the cell that heads the names of the media is needed"
            remedy = 'write names = "Feed Name", or leave names out if the sheet has one composition'
            self.fault(what, f"no '{media.names or _NAMES}' in {where}", needed, remedy)
            return {}
        return self._of_rows(what, rows, places, units, media)

    def _is_solute(self, label: str) -> bool:
        return bool(label) and (label in self.quantities or bool(quantity_of(label)))

    def _of_rows(
        self, what: str, rows: Iterable[Sequence[str]], places: Sequence[int], units: int | None, media: MediaSheet
    ) -> dict[str, float]:
        """Return the composition in rows of solutes; rows without a known name or unit are passed over.

        places: of the numbers; units: of the units, None where the labels state them.
        """
        found: dict[str, float] = {}
        for row in rows:
            label, filled = row[0], sorted({row[i] for i in places if row[i]})
            if not label or not filled:
                continue
            known = self.quantities.get(label) or quantity_of(label)
            quantity = known or bare(label)
            unit = unit_of_heading(label) or (unit_of_heading(f"({row[units].strip('()[]')})") if units else "")
            mass = media.molar_mass.get(label) or media.molar_mass.get(bare(label)) or 0.0
            form = (mass, 1.0) if mass else in_form(
                substance_in(label), quantity, unit, molar_mass_of(quantity, self.spec.measured))  # fmt: skip
            is_mass = form is not None and not form[0] and quantity in self.spec.measured and converts(
                unit, MASS_CONCENTRATION)  # fmt: skip
            is_solute = known or is_mass or (unit and (converts(unit, CONCENTRATION) or (form and form[0])))
            if known in NOT_SPECIES or not is_solute:
                self.passed_over.append(f"{label} of the media")
                continue
            numbers = [parse_number(plain(row[i], self.spec.decimal)) for i in places if row[i]]
            place, quoted = f"{what} {quantity}", ", ".join(f"'{cell}'" for cell in filled)
            if None in numbers:
                needed = f"the row '{label}' holds numbers"
                self.fault(place, quoted, needed, "write the number, or empty the cell")
            elif len(set(numbers)) > 1 and not media.averages:
                needed = "a medium of one name has one composition, in numbers"
                remedy = 'give others other names, or write replicates = "mean" into media if these are assays of one'
                self.fault(place, quoted, needed, remedy)
            elif quantity in found:
                self.fault(place, f"a second row '{label}'", "a solute has one row", "remove one, or add them up")
            elif form is None:
                remedy = f'write molar_mass = {{ "{bare(label)}" = the g that hold one mol of {quantity} }} into media'
                self.fault(place, f"'{label}'", IN_WHICH_FORM, remedy)
            else:
                try:
                    given = [number or 0.0 for number in numbers]
                    mean = sum(given) / len(given) if len(set(given)) > 1 else given[0]
                    kept = MASS_CONCENTRATION if is_mass else CONCENTRATION
                    found[quantity] = form[1] * in_internal_units(mean, unit, kept, form[0])
                    self.masses |= {quantity} if is_mass else set()
                except UnitError as error:
                    remedy = f"write it into the heading, like '{bare(label)} (mM)'"
                    self.fault(place, str(error) if unit else "no unit", "a concentration has one", remedy)
        return found


def _units_at(rows: Sequence[Sequence[str]]) -> int | None:
    """Return where the units are that no label states, None if they are not there; the first row holds the names."""
    names, *below = rows
    for i in range(1, len(names)):
        filled = {row[i].strip("()[]") for row in below if row[i]}
        are_units = bool(filled) and not names[i] and all(
            any(converts(unit_of_heading(f"({unit})"), of) for of in (CONCENTRATION, MASS_CONCENTRATION))
            for unit in filled)  # fmt: skip
        if is_word_for_unit(names[i]) or are_units:
            return i
    return None
