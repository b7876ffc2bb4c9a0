"""in_units_of: a run with its numbers in the units of a model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.runs.records import CultureRun, Measurement
from graycell.units import convert, converts


class _Other(NamedTuple):
    """Numbers of one name that are in another unit than the model's."""

    table: str
    name: str
    unit: str
    wanted: str


def in_units_of(run: CultureRun, model: CultureModel) -> CultureRun:
    """Return a run with measurements, signals, initial values and media in the units of a model.

    Args:
        run: its numbers may be traced.
        model: gives the units.

    Returns:
        The run; itself where no unit differs.

    Raises:
        InputError: for every unit of a species, an observable or a variable that does not convert to that of the model.

    >>> model = CultureModel(reactions={"growth": "GLC => VCD"}, rates={"growth": 1.0}, parameters={})
    >>> in_units_of(CultureRun("a", 1.0, {"GLC": 0.5}, units={"GLC": "mol/L"}), model).initial  # mmol/L
    {'GLC': 500.0}
    """
    others = list(_others(run, model))
    findings = [
        Finding(f"run '{run.name}', {one.table}, {one.name}", f"the unit '{one.unit}'",
                f"model '{model.name}' has {one.name} in '{one.wanted}'",
                "give one of the two in a unit that converts; for moles of masses use graycell import")
        for one in others if not converts(one.unit, one.wanted)
    ]  # fmt: skip
    if findings:
        raise InputError(findings)
    if not others:
        return run
    tables = {"measurements": dict(run.measurements), "signals": dict(run.signals), "initial": dict(run.initial)}
    media = {f"medium '{name}'": dict(composition) for name, composition in run.media.items()}
    for table, name, unit, wanted in others:
        numbers: dict[str, Any] = media[table] if table in media else tables[table]
        given = numbers[name]
        numbers[name] = _converted(given, wanted) if table in ("measurements", "signals") else convert(
            given, unit, wanted)  # fmt: skip
    units = {name: unit for name, unit in run.units.items() if name not in model.species}
    return replace(run, **tables, media={name: media[f"medium '{name}'"] for name in run.media}, units=units)


def _others(run: CultureRun, model: CultureModel) -> Iterator[_Other]:
    """Yield what is in another unit than the model's."""
    for table, given in (("measurements", run.measurements), ("signals", run.signals)):
        for name, series in given.items():
            if not series.unit or name not in (*model.quantities, *model.input_names):
                continue
            wanted = model.unit(name)
            # the unit of an input may be a word that no converter knows, so one that does not convert is no fault
            is_compared = table == "measurements" and name in model.quantities
            if series.unit != wanted and (is_compared or converts(series.unit, wanted)):
                yield _Other(table, name, series.unit, wanted)
    for name, unit in run.units.items():
        if name not in model.species or unit == model.unit(name):
            continue
        tables = {"initial": run.initial, **{f"medium '{medium}'": part for medium, part in run.media.items()}}
        for table, numbers in tables.items():
            if name in numbers:
                yield _Other(table, name, unit, model.unit(name))


def _converted(series: Any, unit: str) -> Any:
    """Return a measurement or a signal in another unit."""
    value = convert(series.value, series.unit, unit)
    if not isinstance(series, Measurement):
        return replace(series, unit=unit, value=value)
    # an error is a difference, to which an offset such as that of degC does not apply
    error = convert(series.standard_error, series.unit, unit) - convert(0.0, series.unit, unit)
    return replace(series, unit=unit, value=value, standard_error=error)
