"""in_internal_units: runs made in Python -> the units in which the tables hold them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from graycell.errors import Finding, InputError
from graycell.runs.format.kinds import KINDS
from graycell.runs.format.tables import fitting_limit
from graycell.runs.limits import LIMITS
from graycell.runs.records import CultureRun, Event, LevelBolus, Measurement, Signal
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import convert_amount, converts

_Series = TypeVar("_Series", Measurement, Signal)


def in_internal_units(runs: Sequence[CultureRun]) -> list[CultureRun]:
    """Return runs in the units that tables hold: g/L for mg/L, mmol/L for a mass of a known solute.

    A unit that tables keep as it is, such as mOsm/kg, becomes that of the first run that has the quantity.

    Args:
        runs: any.

    Returns:
        The runs; themselves where nothing is converted.

    Raises:
        InputError: for every quantity whose units no table can hold, or that differ between runs and do not convert.
    """
    findings: list[Finding] = []
    kept: dict[tuple[str, str], str] = {}
    found = [_in_internal_units(run, kept, findings) for run in runs]
    if findings:
        raise InputError(dict.fromkeys(findings))
    return found


def _in_internal_units(run: CultureRun, kept: dict[tuple[str, str], str], findings: list[Finding]) -> CultureRun:
    """Return a run in internal units; `kept` are the units of quantities that tables hold in any unit."""
    measured = {name: _series(run, one, kept, findings) for name, one in run.measurements.items()}
    signals = {name: _series(run, one, kept, findings) for name, one in run.signals.items()}
    units, initial, events = dict(run.units), dict(run.initial), list(run.events)
    media = {medium: dict(composition) for medium, composition in run.media.items()}
    for name in dict.fromkeys([*initial, *(name for composition in media.values() for name in composition)]):
        series = run.measurements.get(name)
        given = run.units.get(name) or (series.unit if series is not None else "")
        limit = fitting_limit(name, given, KINDS["initial"]) if given else None
        internal = LIMITS[limit].unit if limit else None
        if internal and internal != given:
            units[name] = internal
            for table in (initial, *media.values()):
                if name in table:
                    table[name] = convert_amount(table[name], given, internal, MOLAR_MASS.get(name))
            events = [_with_level(event, name, given, internal) for event in events]
    new, old = (*measured.values(), *signals.values()), (*run.measurements.values(), *run.signals.values())
    if units == dict(run.units) and all(one is other for one, other in zip(new, old, strict=True)):
        return run
    return replace(run, measurements=measured, signals=signals, initial=initial, media=media, units=units,
                   events=tuple(events))  # fmt: skip


def _with_level(event: Event, name: str, unit: str, to: str) -> Event:
    """Return an event with the level of a rule for a species in another unit."""
    if not isinstance(event, LevelBolus) or event.species != name:
        return event
    numbers = {part: convert_amount(value, unit, to, MOLAR_MASS.get(name))
               for part in ("level", "below") if (value := getattr(event, part)) is not None}  # fmt: skip
    return replace(event, **numbers)


def _series(
    run: CultureRun, series: _Series, kept: dict[tuple[str, str], str], findings: list[Finding]
) -> _Series:
    """Return a measurement or a signal in the unit that a table holds."""
    kind = "measurements" if isinstance(series, Measurement) else "signals"
    if not series.unit:
        return series
    limit = fitting_limit(series.quantity, series.unit, KINDS[kind])
    place = f"run '{run.name}', {series.quantity}"
    if limit is None:
        findings.append(Finding(place, f"the unit '{series.unit}'", f"the table {kind} has no place for it",
                                "convert the values, or rename the quantity"))  # fmt: skip
        return series
    unit = LIMITS[limit].unit or kept.setdefault((kind, series.quantity), series.unit)
    if unit == series.unit:
        return series
    if not LIMITS[limit].unit and not converts(series.unit, unit):
        findings.append(Finding(place, f"the unit '{series.unit}'", f"another run has {series.quantity} in '{unit}'",
                                "convert one of the two, or write the runs apart"))  # fmt: skip
        return series

    def converted(value: Any) -> Any:
        return convert_amount(value, series.unit, unit, MOLAR_MASS.get(series.quantity))

    if isinstance(series, Signal):
        return replace(series, unit=unit, value=converted(series.value))
    # an error is a difference, to which an offset such as that of degC does not apply
    error = converted(series.standard_error) - converted(0.0)
    return replace(series, unit=unit, value=converted(series.value), standard_error=error)
