"""propose: a file -> a first draft of its mapping, for a person to check.

A draft takes from the headings only what they say. What they leave open becomes a ``?``, which `import_runs` reports,
with a question in a comment: units, compositions, the volume at the start, and whether samples are taken before or
after a feed.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from graycell.errors import Faults, InputError, shown
from graycell.imports.amounts import as_counted, in_form
from graycell.imports.drafting.feeds import lines_of_feeds, lines_of_log, lines_of_rise, of_volume
from graycell.imports.drafting.recognising import DEEPEST_HEADER, Place, place_of, with_runs
from graycell.imports.drafting.times import DraftOfTime, line_of_time
from graycell.imports.drafting.views import View, has_unit, in_comment, line, quoted
from graycell.imports.layout import grid_of, source_of_any
from graycell.imports.parsing import spec_of
from graycell.imports.plan import plan_of
from graycell.imports.quantities import as_measured
from graycell.imports.ready import profiles, words_with_profile
from graycell.imports.rows import ids_in, no_samples
from graycell.imports.sides import AFTER, BEFORE, SIDE, ending_of, side_of
from graycell.imports.spec import ImportSpec
from graycell.imports.vocabulary import (
    doubts_about,
    is_doubtful,
    other_quantity_of,
    quantity_of,
    substance_in,
    unit_of_heading,
    words_of,
)
from graycell.runs.format.assay_range import is_above, is_limit_word
from graycell.runs.format.files import Source, UnreadableError
from graycell.runs.format.tables import parse_number
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, CONCENTRATION, DIMENSIONLESS, TEMPERATURE, is_readable

_FEWEST_ROWS = 4
"""Rows from which a name that is never repeated is that of a sample."""
_MOST_WORDS = 5
"""Words of that column for rows that are neither."""
_MOST_ODD = 3
"""Cells with another decimal mark that are named."""
_UNIT_OF = {VCD: CELL_DENSITY, TCD: CELL_DENSITY, VIABILITY: DIMENSIONLESS}
_ASKED = {CELL_DENSITY: "which unit? 1e6 cells/mL ...", DIMENSIONLESS: "% or 1?"}
_AMMONIUM = 18.04
"""[g/mol] of NH4+."""
_ANTIBODY = 150000.0
"""[g/mol] An IgG with its glycans."""


def propose(path: str | Path, header: int | None = None) -> str:
    """Return a draft of the mapping of a file.

    Args:
        path: of a CSV, XLSX or Parquet file.
        header: the row of the headings, counted from 1; None to look for it.

    Returns:
        TOML, with a ``?`` wherever the file does not say what is needed.

    Raises:
        InputError: the file cannot be read, or has no such row.
    """
    path = Path(path)
    try:
        source = source_of_any(path, ImportSpec(header=header) if header else ImportSpec(transposed=True))
        ready = _ready(source) if header is None else ""
        if ready:
            return line(f'like = "{ready}"', "the file has the columns of this ready profile") + "\n"
        place = place_of(source, header)
    except UnreadableError as error:
        raise InputError([error.finding]) from error
    return _Draft(path, place).text()


def _ready(source: Source) -> str:
    """Return the name of the ready profile that fits a file without a fault, "" if there is none."""
    for name in profiles():
        faults = Faults("draft", 1)
        spec = spec_of(words_with_profile({"like": name}, "draft"), faults)
        try:
            grid = grid_of(source, spec, faults)
        except UnreadableError:  # fewer rows
            continue
        if grid is not None and plan_of(spec, source, grid, faults) and not faults.findings:
            return name
    return ""


class _Draft:
    """A mapping that is written line by line."""

    def __init__(self, path: Path, place: Place):
        self.path, self.source, self.sheet = path, place.source, place.sheet
        self.transposed = place.transposed
        laid = with_runs(place)
        self.run_words, self.read, self.header = laid.run, laid.sheets, laid.header
        self.units_row = place.units if laid.header == place.header else None
        self.view = View(laid.grid)
        self.columns, self.used = self.view.columns, self.view.used

    def text(self) -> str:
        """Return the mapping."""
        name, view = shown(self.path.name), self.view
        lines = [
            f"# A draft of the mapping of {name}. Where a ? is left, the file does not say it: write what it is.",
            "",
        ]
        if self.run_words:
            words = ", ".join(f"{word} = {quoted(text)}" for word, text in self.run_words.items())
            lines += [line(f"run = {{ {words} }}", "are these runs? if not, remove the line")]
        if self.run_words.get("sheet") == "{quantity}" and len(self.read) < len(self.source.tables):
            lines += [f"sheet = {quoted([sheet for sheet in self.source.tables if sheet in self.read])}"]
        if "sheet" not in self.run_words and len(self.source.tables) > 1:
            sheets = ", ".join(quoted(sheet) for sheet in self.source.tables if sheet.isprintable())
            lines += [line(f"sheet = {quoted(self.sheet)}", f"there are {sheets}")]
        lines += [line("transposed = true", "a column for each sample")] if self.transposed else []
        lines += [f"header = {self.header}"] if self.header > 1 else []
        lines += [line(f"units = {self.units_row}", "the row of the units")] if self.units_row else []
        every = {head: view.cells(head) for head in self.columns}
        ids = None if self.run_words or view.of_role("time") else ids_in(every)
        time = DraftOfTime("")
        if ids:
            self.used.add(ids[0])
            lines += [f"ids = {{ column = {quoted(ids[0])}, pattern = {quoted(ids[1])} }}"]
        else:
            runs = [] if self.run_words else self.run()
            time = line_of_time(view)
            lines += [*runs, time.line]
        lines += [*self.temperature(), *self.decimal(), *self.above(), *self.left_out(every)]
        sides, long = self.sides(), self.long()
        measured = [] if long else self.measured()
        others = {name: table for name, table in self.source.tables.items() if name not in {self.sheet, *self.read}}
        feeds, sample = [*lines_of_feeds(view), *lines_of_log(others, bool(time.clock))], self.sample()
        feeds = feeds or (lines_of_rise(view) if sides else [])
        sides = sides if feeds else []
        named = [ending_of(name) for name in every[ids[0]]] if ids and SIDE in ids[1] else []
        if any(text.startswith("volume") for text in feeds) and not sides and not (named and all(named)):
            others = "samples without pre or post are" if named else "samples are"
            lines += [line('taken = "?"', f'{others} taken "before" or "after" a feed of the same row')]
        lines += long or ["", "[measured]", *measured]
        if feeds or sample:
            lines += self.start()
        lines += sample + sides + feeds
        left = [shown(head) for head in self.columns if head not in self.used]
        lines += ["", *(f"# not used: {head}" for head in left)] if left else []
        return "\n".join(lines) + "\n"

    def run(self) -> list[str]:
        """Return the line of the columns that tell runs apart."""
        named = [head for head in self.view.of_role("run") if self.view.cells(head)]
        found = named or self.repeated()
        filled = {heading: self.view.cells(heading, of_all=True) for heading in found}
        # a column that differs in every row names the sample
        found = [
            head for head in found if len(filled[head]) < _FEWEST_ROWS or len(set(filled[head])) < len(filled[head])
        ]
        self.used |= set(found)
        found = [head for head in found if len(set(filled[head])) > 1] or found[:1]  # a constant column says nothing
        if not found:
            return [line('# run = "?"', "the column that tells runs apart; without it all rows are of one run")]
        fill = [head for head in found if self.is_merged(head, filled[head])]
        if not named:
            return [line(f"run = {quoted(found[0])}", "are these runs? within each of them the times rise")]
        lines = [f"run = {quoted(found[0])}" if len(found) == 1 else f"run = [{', '.join(map(quoted, found))}]"]
        return lines + ([line(f"fill = {quoted(fill)}", "empty cells take the value above")] if fill else [])

    def repeated(self) -> list[str]:
        """Return a column of words between whose changes the times rise, and do not over all rows: it names runs."""
        times = [head for head in self.view.of_role("time") if self.view.is_numeric(head)]
        if not times:
            return []
        rows = [row for row in self.view.rows if any(cell.strip() for cell in row)]
        at = [parse_number(_at(row, self.columns[times[0]]).replace(",", ".")) for row in rows]
        if None in at or _rise(at):
            return []
        for heading in self.columns:
            names = [words_of(_at(row, self.columns[heading])) for row in rows]
            by_name: dict[str, list[float | None]] = {}
            for name, seen in zip(names, at, strict=True):
                by_name.setdefault(name, []).append(seen)
            is_word = not self.view.is_numeric(heading) and not any(map(side_of, names)) and not quantity_of(heading)
            several = is_word and heading not in times and all(names) and 1 < len(by_name) < len(rows)
            if several and all(map(_rise, by_name.values())):
                return [heading]
        return []

    def left_out(self, every: Mapping[str, list[str]]) -> list[str]:
        """Return the line of rows that are no samples of a culture."""
        out = no_samples({head: cells for head, cells in every.items() if not quantity_of(head)})
        self.used |= {*out}
        words = ", ".join(f"{quoted(head)} = {quoted(of)}" for head, of in out.items())
        return [line(f"leave_out = {{ {words} }}", "are these no samples of a culture?")] if out else []

    def is_merged(self, heading: str, filled: list[str]) -> bool:
        """Return whether a column of runs has empty cells below its names, as merged cells leave them."""
        rows = [row for row in self.view.grid.table.rows if any(cell.strip() for cell in row)]
        return len(filled) <= len(rows) / 2 and len(set(filled)) == len(filled)

    def temperature(self) -> list[str]:
        """Return the line of the set-point, [] if there is none with a unit."""
        for heading in self.view.of_role("temperature"):
            if has_unit(self.view.unit(heading), TEMPERATURE) and self.view.cells(heading):
                self.used.add(heading)
                return [line(f"temperature = {quoted(heading)}", "the set-point, not what was measured")]
        return []

    def decimal(self) -> list[str]:
        """Return the line of the decimal mark, [] for a point; a few cells with the other mark are named."""
        if self.view.grid.native:
            return []
        cells = [cell for head in self.columns for cell in self.view.cells(head)]
        commas = [cell for cell in cells if re.fullmatch(r"[<>]?-?\d+,\d+%?", cell)]
        points = [cell for cell in cells if re.fullmatch(r"[<>]?-?\d+\.\d+%?", cell)]
        if not commas:
            return []
        odd = points if len(commas) >= len(points) else commas
        told = ", ".join(dict.fromkeys(in_comment(cell) for cell in odd[:_MOST_ODD]))
        more = f" and {len(odd) - _MOST_ODD} more" if len(odd) > _MOST_ODD else ""
        if len(commas) < len(points):
            return [f"# most numbers have a decimal point, but not {told}{more}: correct the file there"]
        if all(re.fullmatch(r"[<>]?-?\d{1,3},\d{3}%?", cell) for cell in commas) and not points:
            first = commas[0]
            return [line('decimal = "?"', f'"," if {first} is near {first.split(",")[0]}, "." if it is thousands')]
        return [line('decimal = ","', f"but {told}{more} have a point: correct the file there" if odd else "")]

    def above(self) -> list[str]:
        """Return the line of values above the range of their assay, [] if there are none."""
        numeric = [head for head in self.columns if self.view.is_numeric(head)]
        cells = [cell for head in numeric for cell in self.view.cells(head, of_all=True) if is_above(cell)]
        if not cells:
            return []
        told = f"{len(cells)} cells such as {in_comment(cells[0])}: left out, unless a diluted sample was measured"
        return [line('above = "empty"', told if len(cells) > 1 else told.replace("cells such as", "cell,"))]

    def long(self) -> list[str]:
        """Return the lines of a table with a row for each value, [] if it is no such table."""
        for heading in self.columns:
            names = list(dict.fromkeys(self.view.cells(heading)))
            known = [name for name in names if quantity_of(name) or other_quantity_of(name)]
            values = [head for head in self.columns if re.search(r"value|result|reading", head, re.IGNORECASE)]
            if len(known) < 2 or len(known) < len(names) / 2 or not values or not any(map(quantity_of, known)):
                continue
            units = [head for head in self.columns if re.fullmatch(r"units?", head, re.IGNORECASE)]
            self.used |= {heading, values[0], *units[:1]}
            lines = [
                "",
                "[long]                                 # a row for each value",
                f"quantity = {quoted(heading)}",
            ]
            lines += [f"value = {quoted(values[0])}", *(f"unit = {quoted(head)}" for head in units[:1])]
            lines += ["", "[measured]"]
            meant = {name: quantity_of(name) or other_quantity_of(name) for name in known if name.isprintable()}
            first = {quantity: name for name, quantity in reversed(meant.items())}
            for name in [name for name, quantity in meant.items() if first[quantity] == name]:
                of_it = [row for row in self.view.rows if words_of(_at(row, self.columns[heading])) == name]
                unit = words_of(_at(of_it[0], self.columns[units[0]])) if units and of_it else unit_of_heading(name)
                if quantity_of(name):
                    lines.append(self.quantity(name, unit, quantity_of(name), stated=bool(units)))
                else:
                    is_known = bool(as_measured(meant[name], unit))
                    column = quoted(name) if is_known else f'{{ column = {quoted(name)}, unit = "?" }}'
                    lines.append(f"{meant[name]} = {column}")
            return lines
        return []

    def measured(self) -> list[str]:
        """Return the lines of the measured quantities; the first column of a quantity counts."""
        found: dict[str, str] = {}
        asked: list[str] = []
        free = [heading for heading in self.columns if heading not in self.used and self.view.cells(heading)]
        known = {quantity for heading in free if (quantity := quantity_of(heading))}
        for heading in free:
            doubt = doubts_about(heading, self.view.unit(heading), known)
            quantity = quantity_of(heading)
            if doubt and quantity not in found:
                self.used.add(heading)
                asked.append(line(f'"?" = {quoted(heading)}' if not asked else f'"? {len(asked) + 1}" = '
                                  f"{quoted(heading)}", doubt))  # fmt: skip
            elif quantity and quantity not in found:
                stated = heading in self.columns and bool(self.view.grid.units.get(self.columns[heading]))
                found[quantity] = self.quantity(heading, self.view.written_unit(heading), quantity, stated)
                self.used.add(heading)
        for heading in [heading for heading in free if heading not in self.used]:
            other = self.other(heading, found)
            if other:
                found[other_quantity_of(heading)] = other
                self.used.add(heading)
        nothing = f"quantity = column; no heading was recognised in the first {DEEPEST_HEADER} rows: "
        nothing += "if they are deeper, graycell import FILE --header ROW"
        return [*found.values(), *asked] or [line('# VCD = "?"', nothing)]

    def other(self, heading: str, found: Collection[str]) -> str:
        """Return the line of what else is measured, "" where the heading does not say in which unit."""
        quantity, written = other_quantity_of(heading), self.view.written_unit(heading)
        unit = as_measured(quantity, written)
        if quantity in ("", *found) or not unit or not is_readable(unit) or not self.view.is_numeric(heading):
            return ""
        is_stated = bool(written) and as_measured(quantity, self.stated(heading)) == unit
        more = "" if is_stated or (quantity == "pH" and not written) else f", unit = {quoted(unit)}"
        return f"{quantity} = " + (f"{{ column = {quoted(heading)}{more} }}" if more else quoted(heading))

    def stated(self, heading: str) -> str:
        """Return the unit of a column that the import finds by itself."""
        return self.view.grid.units.get(self.columns[heading]) or unit_of_heading(heading)

    def quantity(self, name: str, unit: str, quantity: str, stated: bool = False) -> str:
        """Return the line of a quantity: its column with what the heading does not say."""
        internal_unit = _UNIT_OF.get(quantity, CONCENTRATION)
        unit = as_counted(unit, internal_unit)
        more, ask, substance = "", "", substance_in(name)
        is_pure = substance is None or substance.is_pure
        if is_doubtful(unit) or not (has_unit(unit, internal_unit) or has_unit(unit, "g/L")):
            more, ask = ', unit = "?"', _ASKED.get(internal_unit, "which unit? mmol/L, g/L ...")
            ask += f" The file says '{in_comment(unit)}'" if unit else ""
            ask += ": 10e6 is ten million, 1e6 one" if is_doubtful(unit) else ""
        elif internal_unit == CONCENTRATION and not has_unit(unit, internal_unit) and quantity not in MOLAR_MASS:
            more, ask = f", molar_mass = {_ANTIBODY}", "g/mol; this is that of an IgG"
        elif is_pure and not has_unit(unit, internal_unit) and quantity == "NH3" and re.search(r"(?i)nh4|ammon", name):
            more, ask = f", molar_mass = {_AMMONIUM}", "g/mol of NH4+; 17.03 if it is counted as NH3"
        elif not stated and as_counted(unit_of_heading(name), internal_unit) != unit:
            more = f", unit = {quoted(unit)}"
        if unit and "?" not in more and in_form(substance, quantity, unit, 1.0) is None:
            more, ask = f'{more}, molar_mass = "?"', "g that hold one mol, with the water and the counter-ions"
        elif substance and not is_pure and not ask:
            ask = f"{substance.molar_mass:.2f} g hold one mol"
        words = [cell for cell in self.view.cells(name) if is_limit_word(cell)] if name in self.columns else []
        if words and internal_unit == CONCENTRATION:
            more += f', limit = "? {unit or internal_unit}"'
            ask = f"{ask}; " * bool(ask) + f"which limit does {in_comment(words[0])} mean? or list it in empty = [...]"
        column = f"{{ column = {quoted(name)}{more} }}" if more else quoted(name)
        return line(f"{quantity} = {column}", ask)

    def sides(self) -> list[str]:
        """Return the lines of a column that says which rows are before and after a feed, [] if there is none."""
        for heading in self.columns:
            texts = list(dict.fromkeys(self.view.cells(heading)))
            before, after = ([text for text in texts if side_of(text) == side] for side in (BEFORE, AFTER))
            if heading not in self.used and before and after:  # other spellings are reported as faulty cells
                self.used.add(heading)
                neither = [text for text in texts if text not in (*before, *after)]
                lines = ["", "[rows]", f"column = {quoted(heading)}", f"before = {quoted(before[0])}",
                         f"after = {quoted(after[0])}"]  # fmt: skip
                return lines + ([f"neither = {quoted(neither)}"] if 0 < len(neither) <= _MOST_WORDS else [])
        return []

    def start(self) -> list[str]:
        """Return the lines of the volume at the start."""
        for heading in self.view.of_role("volume"):
            column = of_volume(self.view, heading)
            if column:
                return ["", "[start]", line(f"volume = {column}", "the first value of each run")]
        return ["", "[start]", line('volume = "? L"', "the volume at the start, or a column of it")]

    def sample(self) -> list[str]:
        """Return the lines of the volume of samples."""
        for heading in self.view.of_role("sample"):
            if not self.view.written_unit(heading) and _is_count(self.view.cells(heading)):
                continue  # the number of the sample, and not what was taken
            column = of_volume(self.view, heading, is_required=True)
            if column:
                ask = "taken in the row"
                if "unit" in column and (written := self.view.written_unit(heading)):
                    ask += f"; the file says '{in_comment(written)}'"
                return ["", "[sample]", line(f"volume = {column}", ask)]
        return []


def _rise(times: Sequence[float | None]) -> bool:
    return all(one is not None and other is not None and one < other for one, other in pairwise(times))


def _is_count(cells: Sequence[str]) -> bool:
    """Return whether cells count 1, 2, 3, from 1 again in the next run."""
    numbers = [int(cell) if cell.isdecimal() else -1 for cell in cells]
    steps = zip([0, *numbers], numbers, strict=False)
    return len(numbers) > 1 and max(numbers) > 1 and all(number in (1, before + 1) for before, number in steps)


def _at(row, i: int) -> str:
    return row[i] if i < len(row) else ""
