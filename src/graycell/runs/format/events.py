"""The table of events -> what was done to a culture, and when."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from graycell.errors import Finding, nearest
from graycell.runs.format.rows import rising_rows
from graycell.runs.format.tables import Typed, in_internal_unit
from graycell.runs.limits import LIMITS
from graycell.runs.records import (
    Bolus,
    CellFeed,
    End,
    Event,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    ShareBolus,
)
from graycell.units import UnitError, parse_heading

EVENTS = {
    "bolus": ("medium", "volume"),
    "bolus to level": ("medium", "species", "level"),
    "bolus share": ("medium", "fraction"),
    "bolus per IVCD": ("medium", "rate per cells"),
    "sample": ("volume",),
    "feed": ("medium", "rate"),
    "feed per cells": ("medium", "rate per cells"),
    "feed ramp": ("medium", "rate", "slope"),
    "bleed": ("rate",),
    "harvest": ("rate",),
    "temperature": ("temperature",),
    "setpoint": ("input", "value"),
    "replacement": ("medium", "fraction"),
    "end": (),
}
"""The columns that each event needs."""
OPTIONAL = {"bolus to level": ("below", "volume")}
"""The columns that an event may have beside them."""
_WORDS = ("medium", "input", "species")
_COLUMNS = (*_WORDS, "volume", "rate", "temperature", "fraction", "value", "level", "below", "rate per cells", "slope")
_LEVELS = ("level", "below")


def check_events(table: Typed, media: Collection[str], contents: Typed, findings: list[Finding]) -> None:
    """Note every row of the events that lacks something, or that is out of order.

    Args:
        table: of the events.
        media: their names.
        contents: the table of media.
        findings: takes every fault.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row in range(len(table)):
        groups[table.word(row, "run")].append(row)
        if not table.is_blank(row) and "event" in table.words:
            findings += _faults(table, row, media)
            findings += _faults_of_level(table, row, contents)
    for rows in groups.values():
        rising_rows(table, rows, findings, strictly=False)


def _faults(table: Typed, row: int, media: Collection[str]) -> Iterable[Finding]:
    kind = table.word(row, "event")
    if kind not in EVENTS:
        place = table.place(row, "event")
        yield Finding(place, f"'{kind}'", "an event has a known name", nearest(kind, EVENTS))
        return
    for column in _COLUMNS:
        place = table.place(row, column)
        given = table.word(row, column) or table.number(row, column) is not None
        if given and column not in (*EVENTS[kind], *OPTIONAL.get(kind, ())):
            taken = [*EVENTS[kind], *OPTIONAL.get(kind, ())] or ["a time"]
            listed = ", ".join([*taken[:-2], " and ".join(taken[-2:])])
            needed = f"the event {kind} takes {listed} alone"
            yield Finding(place, "a filled cell", needed, "leave the cell empty")
        elif not given and column in EVENTS[kind] and not table.is_faulty(row, column):
            needed = f"the event {kind} needs {'an' if column == 'input' else 'a'} {column}"
            yield Finding(place, "an empty cell", needed, "fill the cell")
    medium = table.word(row, "medium")
    if medium and "medium" in EVENTS[kind] and medium not in media:
        place = table.place(row, "medium")
        needed = "a medium has a row in the table media"
        yield Finding(place, f"'{medium}'", needed, nearest(medium, media))


def _faults_of_level(table: Typed, row: int, contents: Typed) -> Iterable[Finding]:
    """Yield what is wrong with the species of a level, and with the unit of the level."""
    kind, species = table.word(row, "event"), table.word(row, "species")
    if "species" not in EVENTS.get(kind, ()) or not species or species in contents.rejected:
        return
    if species not in contents.limits:
        needed = "a species that a bolus brings to a level has a column in the table media"
        yield Finding(table.place(row, "species"), f"'{species}'", needed, nearest(species, contents.limits))
        return
    for column in _LEVELS:
        try:
            _level(table, row, column, contents)
        except UnitError:
            unit, known = parse_heading(table.headings[column])[1], LIMITS[contents.limits[species]].unit
            needed = f"the table media has {species} in a unit of {known}"
            remedy = "write one that converts to it, or the heading without a unit for that of the table media"
            yield Finding(table.place(row, column), f"the unit '{unit}'", needed, remedy)


def _level(table: Typed, row: int, column: str, contents: Typed) -> float | None:
    """Return a level in the internal unit of its species; a heading without a unit is in that of the table media."""
    number, species = table.number(row, column), table.word(row, "species")
    if number is None or species not in contents.limits:
        return None
    unit = parse_heading(table.headings[column])[1] or parse_heading(contents.headings[species])[1] or ""
    return in_internal_unit(number, species, unit, contents.limits[species])


def events_of(table: Typed, rows: Iterable[int], media: Collection[str], contents: Typed) -> tuple[Event, ...]:
    """Return the events of a run in the order of time.

    Args:
        table: of the events.
        rows: of the run.
        media: their names.
        contents: the table of media.

    Returns:
        The events, without rows in which `check_events` finds a fault.
    """
    found = [_event(table, row, media, contents) for row in rows]
    # sorting is stable, so events of one time stay in the order of the file
    return tuple(sorted((event for event in found if event is not None), key=lambda event: event.time))


def _event(table: Typed, row: int, media: Collection[str], contents: Typed) -> Event | None:
    kind, medium, time = table.word(row, "event"), table.word(row, "medium"), table.number(row, "time")
    if time is None or kind not in EVENTS or ("medium" in EVENTS[kind] and medium not in media):
        return None
    if any(not table.word(row, column) for column in EVENTS[kind] if column in _WORDS):
        return None
    number = {column: table.number(row, column) for column in _COLUMNS if column not in _WORDS}
    if any(number[column] is None for column in EVENTS[kind] if column not in _WORDS):
        return None
    name, species = table.word(row, "input"), table.word(row, "species")
    if kind == "bolus to level":
        try:
            level, below = (_level(table, row, column, contents) for column in _LEVELS)
        except UnitError:
            return None
        return None if level is None else LevelBolus(time, medium, species, level, below, number["volume"])
    # of the others, every number is there
    filled = {column: value for column, value in number.items() if value is not None}
    match kind:
        case "bolus":
            return Bolus(time, medium, filled["volume"])
        case "bolus share":
            return ShareBolus(time, medium, filled["fraction"])
        case "bolus per IVCD":
            return IvcdBolus(time, medium, filled["rate per cells"])
        case "sample":
            return Sample(time, filled["volume"])
        case "feed":
            return Feed(time, medium, filled["rate"])
        case "feed per cells":
            return CellFeed(time, medium, filled["rate per cells"])
        case "feed ramp":
            return FeedRamp(time, medium, filled["rate"], filled["slope"])
        case "temperature":
            return Setpoint(time, filled["temperature"])
        case "setpoint":
            return Setpoint(time, filled["value"], name)
        case "replacement":
            return Replacement(time, medium, filled["fraction"])
        case "end":
            return End(time)
    return Outflow(time, filled["rate"], retains_cells=kind == "harvest")
