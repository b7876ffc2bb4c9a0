"""Checks of the single numbers of a run: what physics forbids is an error, what is unusual a remark."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from graycell.errors import Finding
from graycell.runs.limits import LIMITS, limit_of, value_fault, within
from graycell.runs.model_names import ModelNames
from graycell.runs.ranges import unusual
from graycell.runs.records import (
    TEMPERATURE,
    VIABILITY,
    Bolus,
    CellFeed,
    CultureRun,
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
from graycell.units import convert, converts


def event_place(run: CultureRun, event: Event) -> str:
    """Return where an event is, for a `Finding`.

    Args:
        run: that it belongs to.
        event: of the run; its time may be traced.

    Returns:
        The place.
    """
    try:
        when = f"at {float(event.time):.6g} d"
    except TypeError:  # JAX traces the time
        when = "at a traced time"
    return f"run '{run.name}', {type(event).__name__} {when}"


def _event_values(event: Event) -> Iterator[tuple[str, float]]:
    match event:
        case Bolus() | Sample():
            yield "volume", event.volume
        case LevelBolus(most=most) if most is not None:
            yield "volume", most
        case ShareBolus():
            yield "fraction", event.share
        case Feed() | Outflow() | FeedRamp():
            yield "rate", event.rate
        case CellFeed() | IvcdBolus():
            yield "rate per cells", event.rate
        case Setpoint(input=name) if name == TEMPERATURE:
            yield "temperature", event.value
        case Replacement():
            yield "fraction", event.fraction


class _Numbers(NamedTuple):
    """Numbers of one quantity at one place of a run.

    Attributes:
        place: of all of them.
        of: the quantity of the culture or medium that they belong to, for remarks on all of its numbers.
        quantity: its name.
        limit: the key of `LIMITS`.
        value: in the unit of the limit.
        time: [d] of each; None for a single number.
    """

    place: str
    of: str
    quantity: str
    limit: str
    value: np.ndarray
    time: np.ndarray | None = None

    def at(self, k: int) -> str:
        """Return the place of one of the numbers."""
        return self.place if self.time is None else f"{self.place} at {self.time[k]:.6g} d"


def values_are_possible(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """No negative amount, no viability above 1, nothing that physics forbids.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    for numbers in _numbers(run, model):
        for k in np.flatnonzero(~within(numbers.limit, numbers.value, numbers.quantity)):
            fault = value_fault(numbers.at(int(k)), numbers.limit, float(numbers.value[k]), quantity=numbers.quantity)
            if fault is not None:
                yield fault
    for series in run.measurements.values():
        if np.any(~(series.standard_error > 0.0)):
            found = f"a standard error of {np.min(series.standard_error):.3g}"
            place = f"run '{run.name}', {series.quantity}"
            yield Finding(place, found, "an assay error is > 0", "correct the table assay_error")


def values_are_usual(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """Numbers are as large as they are in most cultures, by quantity and organism; see `runs.ranges`.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        A remark for each quantity of the culture or of a medium that is not.
    """
    groups: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for one in _numbers(run, model):
        groups.setdefault((one.of, one.quantity, one.limit), []).append(one.value)
    for (of, quantity, limit), values in groups.items():
        remark = unusual(of, quantity, limit, np.concatenate(values))
        if remark is not None:
            yield remark


def _numbers(run: CultureRun, model: ModelNames | None) -> Iterator[_Numbers]:
    """Yield all numbers of a run that have a range."""
    here = f"run '{run.name}'"
    yield _number(f"{here}, initial volume", here, "volume", "initial volume", run.initial_volume)
    yield _number(f"{here}, initial temperature", f"{here}, temperature", "", "temperature", run.initial_temperature)
    for name, value in run.initial.items():
        yield _number(f"{here}, initial {name}", f"{here}, {name}", name, *_limited(run, name, value, model))
    for medium, composition in run.media.items():
        for name, value in composition.items():
            limit, value = _limited(run, name, value, model)
            limit = "medium concentration" if limit == "concentration" else limit
            place = f"{here}, medium '{medium}', {name}"
            yield _number(place, place, name, limit, value)
    for series in run.measurements.values():
        limit, place = limit_of(series.quantity, series.unit), f"{here}, {series.quantity}"
        value = np.asarray(_in_unit_of(limit, series.value, series.unit), float)
        yield _Numbers(place, place, series.quantity, limit, value, series.time)
    if VIABILITY in run.signals:
        signal, place = run.signals[VIABILITY], f"{here}, signal {VIABILITY}"
        yield _Numbers(place, place, VIABILITY, VIABILITY, np.asarray(signal.value, float), signal.time)
    for event in run.events:
        for limit, value in _event_values(event):
            yield _number(event_place(run, event), f"{here}, {limit}", "", limit, value)
        if isinstance(event, LevelBolus):
            for level in (event.level,) if event.below is None else (event.level, event.below):
                limited = _limited(run, event.species, level, model)
                yield _number(event_place(run, event), f"{here}, {event.species}", event.species, *limited)


def _number(place: str, of: str, quantity: str, limit: str, value: float) -> _Numbers:
    return _Numbers(place, of, quantity, limit, np.array([value], float))


def _limited(run: CultureRun, name: str, value: float, model: ModelNames | None) -> tuple[str, float]:
    """Return the limit of an initial value or of a part of a medium, and the value in the unit of that limit.

    The unit is that of the run; else that of the model, where only amounts of substance and counts of cells in internal
    units have a range; else that of the measurement.
    """
    if model is not None and name in model.others:
        return "value", value  # of a variable, an input or an observable: any number
    known = "" if model is None else model.units.get(name, "")
    if name not in run.units and known:
        limit = limit_of(name)
        return limit if known == LIMITS[limit].unit else "other concentration", value
    series = run.measurements.get(name)
    unit = run.units.get(name, "" if series is None else series.unit)
    return (limit := limit_of(name, unit)), _in_unit_of(limit, value, unit)


def _in_unit_of(limit: str, value, unit: str):
    """Return numbers in the unit of a limit, or as they are if they do not convert."""
    to = LIMITS[limit].unit
    return convert(value, unit, to) if unit and to and unit != to and converts(unit, to) else value
