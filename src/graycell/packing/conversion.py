"""in_units_of: a run with its numbers in the units of a model."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.runs.records import CultureRun, Event, LevelBolus, Measurement
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import UnitError, convert_amount, converts

_LEVELS = "events"


class _Other(NamedTuple):
    """Numbers of one name that are in another unit than the model's."""

    table: str
    name: str
    unit: str
    wanted: str
    molar_mass: float | None = None

    @property
    def is_convertible(self) -> bool:
        """Whether the unit converts to the one that is wanted."""
        if converts(self.unit, self.wanted):
            return True
        try:
            convert_amount(1.0, self.unit, self.wanted, self.molar_mass)
        except UnitError:
            return False
        return True

    def converted(self, value: Any) -> Any:
        """Return a value in the unit that is wanted."""
        return convert_amount(value, self.unit, self.wanted, self.molar_mass)


def in_units_of(run: CultureRun, model: CultureModel) -> CultureRun:
    """Return a run with measurements, signals, initial values, media and levels in the units of a model.

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
                "give the species of the model its molar mass, or convert the runs with graycell import")
        for one in others if not one.is_convertible
    ]  # fmt: skip
    if findings:
        raise InputError(findings)
    if not others:
        return run
    tables = {"measurements": dict(run.measurements), "signals": dict(run.signals), "initial": dict(run.initial)}
    media = {f"medium '{name}'": dict(composition) for name, composition in run.media.items()}
    for one in others:
        if one.table == _LEVELS:
            continue
        numbers: dict[str, Any] = media[one.table] if one.table in media else tables[one.table]
        given = numbers[one.name]
        is_series = one.table in ("measurements", "signals")
        numbers[one.name] = _converted(given, one) if is_series else one.converted(given)
    units = {name: unit for name, unit in run.units.items() if name not in model.species}
    of_levels = {one.name: one for one in others if one.table == _LEVELS}
    events = tuple(_with_level(event, of_levels) for event in run.events)
    media = {name: media[f"medium '{name}'"] for name in run.media}
    return replace(run, **tables, events=events, media=media, units=units)


def _with_level(event: Event, others: Mapping[str, _Other]) -> Event:
    """Return an event with the level of a rule in the unit of a model."""
    if not isinstance(event, LevelBolus) or event.species not in others:
        return event
    one = others[event.species]
    below = None if event.below is None else one.converted(event.below)
    return replace(event, level=one.converted(event.level), below=below)


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
                yield _Other(table, name, series.unit, wanted, molar_mass_of(model, name, run))
    for name, unit in run.units.items():
        if name not in model.species or unit == model.unit(name):
            continue
        tables = {"initial": run.initial, **{f"medium '{medium}'": part for medium, part in run.media.items()}}
        tables[_LEVELS] = {event.species: event.level for event in run.events if isinstance(event, LevelBolus)}
        for table, numbers in tables.items():
            if name in numbers:
                yield _Other(table, name, unit, model.unit(name), molar_mass_of(model, name, run))


def molar_mass_of(model: CultureModel, name: str, run: CultureRun | None = None) -> float | None:
    """Return the molar mass that converts between a run and a model: the model's own, or that of a known solute.

    A product has that by which the run was measured: its masses then come back as the laboratory gave them.

    Args:
        model: any model.
        name: of a quantity.
        run: whose numbers are converted, if there is one.

    Returns:
        [g/mol]; None for what is no species, or has no known molar mass.
    """
    if name not in model.species:
        return None
    if run is not None and name in run.molar_masses and name not in MOLAR_MASS:
        return run.molar_masses[name]
    return model.species_specs[model.species.index(name)].molar_mass or MOLAR_MASS.get(name)


def _converted(series: Any, one: _Other) -> Any:
    """Return a measurement or a signal in another unit."""
    value = one.converted(series.value)
    if not isinstance(series, Measurement):
        return replace(series, unit=one.wanted, value=value)
    # an error is a difference, to which an offset such as that of degC does not apply
    error = one.converted(series.standard_error) - one.converted(0.0)
    return replace(series, unit=one.wanted, value=value, standard_error=error)
