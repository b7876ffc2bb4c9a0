"""propose: a file -> a first draft of its mapping, for a person to check.

A draft takes from the headings only what they say. What they leave open becomes a ``?``, which `import_runs` reports,
with a question in a comment: units, compositions, the volume at the start, and whether samples are taken before or
after a feed.
"""

import functools
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from graycell.errors import Faults, InputError, shown
from graycell.imports.amounts import as_counted, in_form
from graycell.imports.drafting.recognising import Place, place_of, with_runs
from graycell.imports.grids import Grid, positions
from graycell.imports.layout import grid_of, source_of_any
from graycell.imports.parsing import spec_of
from graycell.imports.plan import plan_of
from graycell.imports.ready import profiles, words_with_profile
from graycell.imports.spec import RUN, ImportSpec
from graycell.imports.vocabulary import (
    bare,
    is_word_for_unit,
    named_time,
    quantity_of,
    role_of,
    substance_in,
    time_unit,
    unit_of_heading,
    words_of,
)
from graycell.runs.format.files import Source, UnreadableError
from graycell.runs.format.tables import Table, parse_number
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import (
    CELL_DENSITY,
    CONCENTRATION,
    DIMENSIONLESS,
    TEMPERATURE,
    TIME,
    VOLUME,
    VOLUMETRIC_RATE,
    converts,
)

_LOOKED_AT = 200
"""Rows whose cells are looked at."""
_DATES = ("%d.%m.%Y %H:%M", "%d.%m.%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y")
_FEWEST_UNITS = 2
"""Units that a row needs to be taken for the row of the units."""
_FEWEST_ROWS = 4
"""Rows from which a name that is never repeated is that of a sample."""
_FEEDS_OF_A_LOG = ("feed", "medium", "media", "solution", "addition", "feed name", "type", "name", "what")
_MOST_FEEDS = 20
_FED = r"(?:[ -]?(?:the )?(?:feed|feeding|bolus|addition|fütterung|zugabe))?"
_SIDES = (re.compile(rf"(pre|before|vor){_FED}", re.IGNORECASE), re.compile(rf"(post|after|nach){_FED}", re.IGNORECASE))
"""Words for rows before a feed and after it."""
_MOST_WORDS = 5
"""Words of that column for rows that are neither."""
_HOURS_OF_A_DAY = 24.0
_UNIT_OF = {VCD: CELL_DENSITY, TCD: CELL_DENSITY, VIABILITY: DIMENSIONLESS}
_ASKED = {CELL_DENSITY: "which unit? 1e6 cells/mL ...", DIMENSIONLESS: "% or 1?"}
_AMMONIUM = 18.04
"""[g/mol] of NH4+."""
_ANTIBODY = 150000.0
"""[g/mol] An IgG with its glycans."""


def propose(path: str | Path) -> str:
    """Return a draft of the mapping of a file.

    Args:
        path: of a CSV, XLSX or Parquet file.

    Returns:
        TOML, with a ``?`` wherever the file does not say what is needed.

    Raises:
        InputError: the file cannot be read.
    """
    path = Path(path)
    is_text = path.suffix.lower() == ".csv"

    @functools.cache
    def read(header: int | None) -> Source:
        return source_of_any(path, ImportSpec(transposed=header is None, header=header or 1))

    def source_at(header: int | None) -> Source:
        return read(header if is_text else 1)  # the headings show the separator of a CSV

    try:
        ready = _ready(source_at)
        if ready:
            return _line(f'like = "{ready}"', "the file has the columns of this ready profile") + "\n"
        place = place_of(source_at)
    except UnreadableError as error:
        raise InputError([error.finding]) from error
    return _Draft(path, place).text()


def _ready(source_at: Callable[[int | None], Source]) -> str:
    """Return the name of the ready profile that fits a file without a fault, "" if there is none."""
    for name in profiles():
        faults = Faults("draft", 1)
        spec = spec_of(words_with_profile({"like": name}, "draft"), faults)
        source = source_at(spec.header)
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
        self.path, self.source, self.sheet, self.header = path, place.source, place.sheet, place.header
        self.transposed = place.transposed
        self.look_at(place.grid)
        self.used: set[str] = set()
        self.units = self.row_of_units()
        self.units_row = self.header + 1 if self.units else None
        laid = with_runs(place, self.units_row)
        self.run_words, self.read, self.header = laid.run, laid.sheets, laid.header
        if laid.grid is not place.grid:
            self.look_at(laid.grid)
            self.units = {head: laid.grid.units[i] for head, i in self.columns.items() if laid.grid.units.get(i)}
        self.has_clock = False

    def look_at(self, grid: Grid) -> None:
        """Take the rows of a grid and its headings."""
        self.grid, self.rows = grid, grid.table.rows[:_LOOKED_AT]
        self.columns = {heading: i for heading, i in _printable(grid.table).items() if heading != RUN}

    def row_of_units(self) -> dict[str, str]:
        """Return the units of headings, if the row below them holds units alone; it is then no row of values."""
        first = self.header - 1
        row = self.rows[first] if first < len(self.rows) else ()
        units = {}
        for heading, i in self.columns.items():
            text = words_of(_at(row, i)).strip("()[]")
            if text and parse_number(text.replace(",", ".")) is None and not is_word_for_unit(text):
                units[heading] = unit_of_heading(f"({text})")
        kinds = (CONCENTRATION, "g/L", CELL_DENSITY, VOLUME, TIME, VOLUMETRIC_RATE, "%", "kg", "kg/d", TEMPERATURE)
        known = [unit for unit in units.values() if any(_converts(as_counted(unit, kind), kind) for kind in kinds)]
        if len(known) < _FEWEST_UNITS or len(known) < len(units):
            return {}
        self.rows = (*self.rows[:first], (), *self.rows[first + 1 :])
        return units

    def unit(self, heading: str) -> str:
        """Return the unit of a column, "" where neither its heading nor a row of units states one."""
        return self.units.get(heading) or unit_of_heading(heading)

    def cells(self, heading: str) -> list[str]:
        """Return the filled cells of a column."""
        i = self.columns[heading]
        return [words_of(row[i]) for row in self.rows if i < len(row) and row[i].strip()]

    def of_role(self, role: str) -> list[str]:
        """Return the headings of a role."""
        return [heading for heading in self.columns if role_of(heading) == role and heading not in self.used]

    def text(self) -> str:
        """Return the mapping."""
        name = shown(self.path.name)
        lines = [
            f"# A draft of the mapping of {name}. Where a ? is left, the file does not say it: write what it is.",
            "",
        ]
        if self.run_words:
            words = ", ".join(f"{word} = {_quoted(text)}" for word, text in self.run_words.items())
            lines += [_line(f"run = {{ {words} }}", "are these runs? if not, remove the line")]
        if self.run_words.get("sheet") == "{quantity}" and len(self.read) < len(self.source.tables):
            lines += [f"sheet = {_quoted([sheet for sheet in self.source.tables if sheet in self.read])}"]
        if "sheet" not in self.run_words and len(self.source.tables) > 1:
            sheets = ", ".join(_quoted(sheet) for sheet in self.source.tables if sheet.isprintable())
            lines += [_line(f"sheet = {_quoted(self.sheet)}", f"there are {sheets}")]
        lines += [_line("transposed = true", "a column for each sample")] if self.transposed else []
        lines += [f"header = {self.header}"] if self.header > 1 else []
        lines += [_line(f"units = {self.units_row}", "the row of the units")] if self.units_row else []
        lines += ([] if self.run_words else self.run()) + self.time() + self.temperature() + self.decimal()
        sides, long = self.sides(), self.long()
        measured = [] if long else self.measured()
        feeds, sample = [*self.feeds(), *self.log()], self.sample()
        feeds = feeds or (self.rising() if sides else [])
        sides = sides if feeds else []
        if feeds and not sides:
            lines += [_line('taken = "?"', 'samples are taken "before" or "after" a feed of the same row')]
        lines += long or ["", "[measured]", *measured]
        if feeds or sample:
            lines += self.start()
        lines += sample + sides + feeds
        left = [shown(head) for head in self.columns if head not in self.used]
        lines += ["", *(f"# not used: {head}" for head in left)] if left else []
        return "\n".join(lines) + "\n"

    def run(self) -> list[str]:
        """Return the line of the columns that tell runs apart."""
        found = [head for head in self.of_role("run") if self.cells(head)]
        cells = {head: [words_of(_at(row, self.columns[head])) for row in self.grid.table.rows] for head in found}
        filled = {heading: [cell for cell in column if cell] for heading, column in cells.items()}
        # a column that differs in every row names the sample
        found = [
            head for head in found if len(filled[head]) < _FEWEST_ROWS or len(set(filled[head])) < len(filled[head])
        ]
        self.used |= set(found)
        found = [head for head in found if len(set(filled[head])) > 1] or found[:1]  # a constant column says nothing
        if not found:
            return [_line('# run = "?"', "the column that tells runs apart; without it all rows are of one run")]
        return [f"run = {_quoted(found[0])}" if len(found) == 1 else f"run = [{', '.join(map(_quoted, found))}]"]

    def time(self) -> list[str]:
        """Return the line of the time."""
        found = [head for head in self.of_role("time") if self.cells(head)]
        if not found:
            return [_line('time = "?"', "the column of the times")]
        # a counted time is better than a date, and one with a unit better than one without
        is_clock = {head: _is_clock(self.grid.table, self.columns[head]) for head in found}
        found.sort(key=lambda head: (is_clock[head], self.dated(head) is not None, not self.unit_of_time(head)))
        heading = found[0]
        self.used.add(heading)
        written = self.dated(heading)
        if written is not None:
            clocks = [head for head in found[1:] if is_clock[head]]
            clock = f", clock = {_quoted(clocks[0])}" if clocks else ""
            self.used |= set(clocks[:1])
            self.has_clock = bool(clocks)
            of_clock = ""
            if clocks:
                of_clock = " %H:%M:%S" if any(cell.count(":") == 2 for cell in self.cells(clocks[0])) else " %H:%M"
            written = f"{written}{of_clock}" if written not in ("", "?") else written
            form = f"{clock}, written = {_quoted(written)}" if written else clock
            asked = f'day before month, "%d/%m/%Y{of_clock}", or after it, "%m/%d/%Y{of_clock}"?'
            ask = asked if written == "?" else ""
            return [_line(f'time = {{ column = {_quoted(heading)}, unit = "date"{form} }}', ask)]
        if _converts(self.unit(heading), TIME):
            return [f"time = {_quoted(heading)}"]
        unit = self.unit_of_time(heading)
        return [_line(f'time = {{ column = {_quoted(heading)}, unit = "{unit or "?"}" }}', "" if unit else "h or d?")]

    def unit_of_time(self, heading: str) -> str:
        """Return the unit of a time that its heading or all of its cells state, "" if they do not."""
        unit = self.unit(heading)
        if _converts(unit, TIME):
            return unit
        named = [time for time in map(named_time, self.cells(heading)) if time is not None]
        units, hours = {unit for _, unit in named}, [of for of, _ in named if not isinstance(of, str)]
        is_day = bool(hours) and (hours[0] > 0.0 or max(hours) < _HOURS_OF_A_DAY)  # perhaps the time of day
        if len(named) == len(self.cells(heading)) and len(units) == 1 and not is_day:
            return units.pop()
        return time_unit(re.sub(r"[^a-z]", "", bare(heading).lower()))

    def dated(self, heading: str) -> str | None:
        """Return how the dates of a column are written, "" for ISO 8601, None if they are no dates."""
        cells, fits = self.cells(heading), []
        for form in ("", *_DATES):
            try:
                for cell in cells:
                    if parse_number(cell) is not None:  # a count of hours, which ISO 8601 would take for a year
                        raise ValueError
                    datetime.strptime(cell, form) if form else datetime.fromisoformat(cell)
            except ValueError:
                continue
            fits.append(form)
        if not cells or not fits:
            return None
        return fits[0] if len(fits) == 1 else "?"

    def temperature(self) -> list[str]:
        """Return the line of the set-point, [] if there is none with a unit."""
        for heading in self.of_role("temperature"):
            if _converts(self.unit(heading), TEMPERATURE) and self.cells(heading):
                self.used.add(heading)
                return [_line(f"temperature = {_quoted(heading)}", "the set-point, not what was measured")]
        return []

    def decimal(self) -> list[str]:
        """Return the line of the decimal mark, [] for a point."""
        if self.path.suffix.lower() != ".csv":
            return []
        cells = [cell for head in self.columns for cell in self.cells(head) if re.fullmatch(r"-?\d+,\d+", cell)]
        if not cells:
            return []
        if all(re.fullmatch(r"-?\d{1,3},\d{3}", cell) for cell in cells):
            return [
                _line('decimal = "?"', f'"," if {cells[0]} is near {cells[0].split(",")[0]}, "." if it is thousands')
            ]
        return ['decimal = ","']

    def long(self) -> list[str]:
        """Return the lines of a table with a row for each value, [] if it is no such table."""
        for heading in self.columns:
            names = list(dict.fromkeys(self.cells(heading)))
            known = [name for name in names if quantity_of(name)]
            values = [head for head in self.columns if re.search(r"value|result|reading", head, re.IGNORECASE)]
            if len(known) < 2 or len(known) < len(names) / 2 or not values:
                continue
            units = [head for head in self.columns if re.fullmatch(r"units?", head, re.IGNORECASE)]
            self.used |= {heading, values[0], *units[:1]}
            lines = [
                "",
                "[long]                                 # a row for each value",
                f"quantity = {_quoted(heading)}",
            ]
            lines += [f"value = {_quoted(values[0])}", *(f"unit = {_quoted(head)}" for head in units[:1])]
            lines += ["", "[measured]"]
            first = {quantity_of(name): name for name in reversed(known) if name.isprintable()}
            for name in dict.fromkeys(name for name in known if first.get(quantity_of(name)) == name):
                of_it = [row for row in self.rows if words_of(_at(row, self.columns[heading])) == name]
                unit = words_of(_at(of_it[0], self.columns[units[0]])) if units and of_it else unit_of_heading(name)
                lines.append(self.quantity(name, unit, quantity_of(name), stated=bool(units)))
            return lines
        return []

    def measured(self) -> list[str]:
        """Return the lines of the measured quantities; the first column of a quantity counts."""
        found: dict[str, str] = {}
        for heading in self.columns:
            quantity = quantity_of(heading)
            if quantity and quantity not in found and heading not in self.used and self.cells(heading):
                found[quantity] = self.quantity(heading, self.unit(heading), quantity, stated=heading in self.units)
                self.used.add(heading)
        return list(found.values()) or [_line('# VCD = "?"', "quantity = column; no heading was recognised")]

    def quantity(self, name: str, unit: str, quantity: str, stated: bool = False) -> str:
        """Return the line of a quantity: its column with what the heading does not say."""
        internal_unit = _UNIT_OF.get(quantity, CONCENTRATION)
        unit = as_counted(unit, internal_unit)
        more, ask, substance = "", "", substance_in(name)
        is_pure = substance is None or substance.is_pure
        if not unit or not (_converts(unit, internal_unit) or _converts(unit, "g/L")):
            more, ask = ', unit = "?"', _ASKED.get(internal_unit, "which unit? mmol/L, g/L ...")
        elif internal_unit == CONCENTRATION and not _converts(unit, internal_unit) and quantity not in MOLAR_MASS:
            more, ask = f", molar_mass = {_ANTIBODY}", "g/mol; this is that of an IgG"
        elif (
            quantity == "NH3" and not _converts(unit, internal_unit) and re.search(r"nh4|ammonium", name, re.IGNORECASE)
            and is_pure
        ):  # fmt: skip
            more, ask = f", molar_mass = {_AMMONIUM}", "g/mol of NH4+; 17.03 if it is counted as NH3"
        elif not stated and as_counted(unit_of_heading(name), internal_unit) != unit:
            more = f", unit = {_quoted(unit)}"
        if unit and "?" not in more and in_form(substance, quantity, unit, 1.0) is None:
            more, ask = f'{more}, molar_mass = "?"', "g that hold one mol, with the water and the counter-ions"
        elif substance and not is_pure and not ask:
            ask = f"{substance.molar_mass:.2f} g hold one mol"
        column = f"{{ column = {_quoted(name)}{more} }}" if more else _quoted(name)
        return _line(f"{quantity} = {column}", ask)

    def sides(self) -> list[str]:
        """Return the lines of a column that says which rows are before and after a feed, [] if there is none."""
        for heading in self.columns:
            texts = list(dict.fromkeys(self.cells(heading)))
            before, after = ([text for text in texts if words.fullmatch(text)] for words in _SIDES)
            if heading not in self.used and before and after:  # other spellings are reported as faulty cells
                self.used.add(heading)
                neither = [text for text in texts if text not in (*before, *after)]
                lines = ["", "[rows]", f"column = {_quoted(heading)}", f"before = {_quoted(before[0])}",
                         f"after = {_quoted(after[0])}"]  # fmt: skip
                return lines + ([f"neither = {_quoted(neither)}"] if 0 < len(neither) <= _MOST_WORDS else [])
        return []

    def rising(self) -> list[str]:
        """Return the lines of a feed that is recorded as the volume of the culture before and after it."""
        for heading in self.of_role("volume"):
            column = self.of_volume(heading)
            self.used.discard(heading)  # the volume at the start is read of it too
            if column:
                return ["", '[feeds."Feed"]', _line(f"rise = {column}", "read before and after the feed"),
                        _line('media = { GLC = "? mmol/L" }', "its composition; {} for water")]  # fmt: skip
        return []

    def start(self) -> list[str]:
        """Return the lines of the volume at the start."""
        for heading in self.of_role("volume"):
            column = self.of_volume(heading)
            if column:
                return ["", "[start]", _line(f"volume = {column}", "the first value of each run")]
        return ["", "[start]", _line('volume = "? L"', "the volume at the start, or a column of it")]

    def sample(self) -> list[str]:
        """Return the lines of the volume of samples."""
        for heading in self.of_role("sample"):
            column = self.of_volume(heading)
            if column:
                return ["", "[sample]", _line(f"volume = {column}", "taken in the row")]
        return []

    def log(self) -> list[str]:
        """Return the lines of a log of feeds on another sheet: one with a time and a volume."""
        for name, table in self.source.tables.items():
            headings = _printable(table)
            clocks = [head for head in headings if _is_clock(table, headings[head])]
            times = [head for head in headings if role_of(head) == "time" and head not in clocks]
            volumes = [head for head in headings if _converts(unit_of_heading(head), VOLUME)]
            if name == self.sheet or name in self.read or not name.isprintable() or not times or not volumes:
                continue
            feeds = [head for head in headings if head.lower() in _FEEDS_OF_A_LOG]
            runs = [head for head in headings if role_of(head) == "run" and head not in feeds]
            lines = ["", "[log]", f"sheet = {_quoted(name)}", f"time = {_quoted(times[0])}"]
            lines += [f"clock = {_quoted(clocks[0])}"] if clocks and self.has_clock else []
            lines += [_line(f"run = {_quoted(runs[0])}", "where it differs from that of the samples")] if runs else []
            lines += [f"feed = {_quoted(feeds[0])}"] if feeds else []
            lines += [f"volume = {_quoted(volumes[0])}"]
            named = {volumes[0]: None}
            if feeds:
                named = dict.fromkeys(words_of(_at(row, headings[feeds[0]])) for row in table.rows)
            for feed in [feed for feed in named if feed and feed.isprintable()][:_MOST_FEEDS]:
                lines += ["", f"[feeds.{_quoted(feed)}]", f"volume = {_quoted(feed)}",
                          _line('media = { GLC = "? mmol/L" }', "its composition; {} for water")]  # fmt: skip
            return lines
        return []

    def of_volume(self, heading: str) -> str:
        """Return a column of volumes as a mapping names it, which then counts as used; "" if it is none."""
        unit = self.unit(heading)
        numeric = any(parse_number(cell.replace(",", ".")) is not None for cell in self.cells(heading))
        weighed, part = _converts(unit, "kg"), unit == "%" and role_of(heading) == "feed"
        if not (_converts(unit, VOLUME) or weighed or part or (not unit and numeric)):
            return ""
        self.used.add(heading)
        if part:
            return f'{{ column = {_quoted(heading)}, of = "?" }}'
        if weighed:
            return f'{{ column = {_quoted(heading)}, density = "?" }}'
        return _quoted(heading) if unit else f'{{ column = {_quoted(heading)}, unit = "?" }}'

    def feeds(self) -> list[str]:
        """Return the lines of the feeds."""
        lines: list[str] = []
        names: set[str] = set()
        for heading in self.of_role("feed"):
            summed = re.search(r"cum|total|so far", heading, re.IGNORECASE)
            kind, ask = ("cumulative", "added so far") if summed else ("volume", "added in the row")
            column = self.of_volume(heading)
            if not column and _converts(self.unit(heading), VOLUMETRIC_RATE):
                kind, ask, column = "rate", "from the row on", _quoted(heading)
                self.used.add(heading)
            elif not column and _converts(self.unit(heading), "kg/d"):
                kind, ask = "rate", "density if of the feed, molar_mass if of its solute"
                column = f'{{ column = {_quoted(heading)}, density = "?" }}'
                self.used.add(heading)
            if not column:
                continue
            name, count = bare(heading), 2
            while name in names:
                name, count = f"{bare(heading)} {count}", count + 1
            names.add(name)
            lines += ["", f"[feeds.{_quoted(name)}]", _line(f"{kind} = {column}", ask),
                      _line('media = { GLC = "? mmol/L" }', "its composition; {} for water")]  # fmt: skip
        return lines


def _printable(table: Table) -> dict[str, int]:
    """Return where the headings are that a mapping can name; of columns of one name the first counts."""
    return {heading: i for heading, i in positions(table.headings).items() if heading.isprintable()}


def _is_clock(table: Table, position: int) -> bool:
    """Return whether the cells of a column are times of a day."""
    cells = [words_of(_at(row, position)) for row in table.rows[:_LOOKED_AT]]
    hours = [time[0] if time else "" for time in (named_time(cell) for cell in cells if cell)]
    return bool(hours) and all(not isinstance(time, str) and time < _HOURS_OF_A_DAY for time in hours)


def _at(row: Sequence[str], i: int) -> str:
    return row[i] if i < len(row) else ""


def _line(text: str, comment: str) -> str:
    return f"{text:<38} # {comment}" if comment else text


def _quoted(text: str | Sequence[str]) -> str:
    """Return text as a string of TOML, or several as a list."""
    return json.dumps(text, ensure_ascii=False)


def _converts(unit: str, internal_unit: str) -> bool:
    return bool(unit) and converts(unit, internal_unit)
