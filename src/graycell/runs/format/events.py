"""The table of events -> what was done to a culture, and when."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from graycell.errors import Finding, nearest
from graycell.runs.format.rows import rising_rows
from graycell.runs.format.tables import Typed
from graycell.runs.records import Bolus, End, Event, Feed, Outflow, Replacement, Sample, Setpoint

EVENTS = {
    "bolus": ("medium", "volume"),
    "sample": ("volume",),
    "feed": ("medium", "rate"),
    "bleed": ("rate",),
    "harvest": ("rate",),
    "temperature": ("temperature",),
    "setpoint": ("input", "value"),
    "replacement": ("medium", "fraction"),
    "end": (),
}
"""The columns of each event; the last is its number."""
_COLUMNS = ("medium", "input", "volume", "rate", "temperature", "fraction", "value")


def check_events(table: Typed, media: Collection[str], findings: list[Finding]) -> None:
    """Note every row of the events that lacks something, or that is out of order.

    Args:
        table: of the events.
        media: their names.
        findings: takes every fault.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row in range(len(table)):
        groups[table.word(row, "run")].append(row)
        if not table.is_blank(row) and "event" in table.words:
            findings += _faults(table, row, media)
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
        if given and column not in EVENTS[kind]:
            needed = f"the event {kind} takes {' and '.join(EVENTS[kind]) or 'a time'} alone"
            yield Finding(place, "a filled cell", needed, "leave the cell empty")
        elif not given and column in EVENTS[kind] and not table.is_faulty(row, column):
            needed = f"the event {kind} needs {'an' if column == 'input' else 'a'} {column}"
            yield Finding(place, "an empty cell", needed, "fill the cell")
    medium = table.word(row, "medium")
    if medium and "medium" in EVENTS[kind] and medium not in media:
        place = table.place(row, "medium")
        needed = "a medium has a row in the table media"
        yield Finding(place, f"'{medium}'", needed, nearest(medium, media))


def events_of(table: Typed, rows: Iterable[int], media: Collection[str]) -> tuple[Event, ...]:
    """Return the events of a run in the order of time.

    Args:
        table: of the events.
        rows: of the run.
        media: their names.

    Returns:
        The events, without rows in which `check_events` finds a fault.
    """
    found = [_event(table, row, media) for row in rows]
    # sorting is stable, so events of one time stay in the order of the file
    return tuple(sorted((event for event in found if event is not None), key=lambda event: event.time))


def _event(table: Typed, row: int, media: Collection[str]) -> Event | None:
    kind, medium, time = table.word(row, "event"), table.word(row, "medium"), table.number(row, "time")
    name = table.word(row, "input")
    if kind == "end" and time is not None:
        return End(time)
    number = table.number(row, EVENTS[kind][-1]) if EVENTS.get(kind) else None
    if time is None or number is None or ("medium" in EVENTS[kind] and medium not in media):
        return None
    if "input" in EVENTS[kind] and not name:
        return None
    match kind:
        case "bolus":
            return Bolus(time, medium, number)
        case "sample":
            return Sample(time, number)
        case "feed":
            return Feed(time, medium, number)
        case "temperature":
            return Setpoint(time, number)
        case "setpoint":
            return Setpoint(time, number, name)
        case "replacement":
            return Replacement(time, medium, number)
    return Outflow(time, number, retains_cells=kind == "harvest")
