"""The cells of an event in the table of events; `events` reads them."""

from collections.abc import Mapping

from graycell.runs.records import (
    Bolus,
    CellFeed,
    CultureRun,
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
from graycell.units import RATE_PER_CELLS, RATE_SLOPE, TEMPERATURE, VOLUME, VOLUMETRIC_RATE

VALUE_COLUMNS = {
    "volume": f"volume [{VOLUME}]",
    "rate": f"rate [{VOLUMETRIC_RATE}]",
    "temperature": f"temperature [{TEMPERATURE}]",
    "fraction": "fraction [1]",
    "value": "value",  # in the unit of the input
    "rate per cells": f"rate per cells [{RATE_PER_CELLS}]",
    "slope": f"slope [{RATE_SLOPE}]",
}
LEVELS = ("level", "below")
WORDS = ("medium", "input", "species")


def number_text(value: float | None) -> str:
    """Return a number as a cell, with all its digits.

    Args:
        value: it; None for an empty cell.

    Returns:
        The text.
    """
    return "" if value is None else repr(float(value))


def with_end(run: CultureRun) -> tuple[Event, ...]:
    """Return the events, with an `End` where a reader would let the run end at another time.

    Args:
        run: any run.

    Returns:
        The events.
    """
    ends = [event.time for event in run.events if isinstance(event, End)]
    last = ends or [float(series.time[-1]) for series in run.measurements.values()] + [
        event.time for event in run.events
    ]
    return run.events if max(last, default=0.0) == run.end else (*run.events, End(run.end))


def cells_of(event: Event, names: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of an event by column.

    Args:
        event: of a run in internal units.
        names: of its media, as they are written.

    Returns:
        The cells that are filled.
    """
    time = {"time": number_text(event.time)}
    match event:
        case Bolus(medium=medium, volume=volume):
            return {**time, "event": "bolus", "medium": names[medium], "volume": number_text(volume)}
        case LevelBolus(medium=medium, species=species, level=level, below=below, most=most):
            given = {"level": level, "below": below, "volume": most}
            numbers = {column: number_text(value) for column, value in given.items() if value is not None}
            return {**time, "event": "bolus to level", "medium": names[medium], "species": species, **numbers}
        case ShareBolus(medium=medium, share=share):
            return {**time, "event": "bolus share", "medium": names[medium], "fraction": number_text(share)}
        case IvcdBolus(medium=medium, rate=rate):
            return {**time, "event": "bolus per IVCD", "medium": names[medium], "rate per cells": number_text(rate)}
        case CellFeed(medium=medium, rate=rate):
            return {**time, "event": "feed per cells", "medium": names[medium], "rate per cells": number_text(rate)}
        case FeedRamp(medium=medium, rate=rate, slope=slope):
            numbers = {"rate": number_text(rate), "slope": number_text(slope)}
            return {**time, "event": "feed ramp", "medium": names[medium], **numbers}
        case Sample(volume=volume):
            return {**time, "event": "sample", "volume": number_text(volume)}
        case Feed(medium=medium, rate=rate):
            return {**time, "event": "feed", "medium": names[medium], "rate": number_text(rate)}
        case Outflow(rate=rate, retains_cells=retains_cells):
            return {**time, "event": "harvest" if retains_cells else "bleed", "rate": number_text(rate)}
        case Setpoint(input="temperature", value=value):
            return {**time, "event": "temperature", "temperature": number_text(value)}
        case Setpoint(input=name, value=value):
            return {**time, "event": "setpoint", "input": name, "value": number_text(value)}
        case Replacement(medium=medium, fraction=fraction):
            return {**time, "event": "replacement", "medium": names[medium], "fraction": number_text(fraction)}
    return {**time, "event": "end"}
