"""in_units_of: a run with its numbers in the units of a model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from graycell.errors import Finding, InputError
from graycell.model import CultureModel
from graycell.packing.pytrees import is_tracer
from graycell.runs.limits import DENSEST
from graycell.runs.records import CultureRun, Event, LevelBolus, Measurement
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CONCENTRATION, MASS_CONCENTRATION, PER_MOLE, UnitError, convert, convert_amount, converts

_LEVELS = "events"
_PRODUCT = "ANTI"
"""What is a product even where a model does not say so."""
_OTHERWISE = 10.0
"""[1] Ratio of two molar masses from which on they are not of the same: an antibody has some 1300 residues."""


class _Other(NamedTuple):
    """Numbers of one name that are in another unit than the model's."""

    table: str
    name: str
    unit: str
    wanted: str
    molar_mass: float | None = None
    counted: float | None = None
    """[g/mol] with which the run counts an amount, where the model counts something else."""

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
        if self.counted and converts(self.unit, CONCENTRATION) and converts(self.wanted, CONCENTRATION):
            return convert(value, self.unit, self.wanted) * (self.counted / (self.molar_mass or self.counted))
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
    findings = list(_not_dissolved(run, model, others))
    findings += [
        Finding(f"run '{run.name}', {one.table}, {one.name}", f"the unit '{one.unit}'",
                f"model '{model.name}' has {one.name} in '{one.wanted}'",
                "give the species of the model its molar mass, or convert the runs with graycell import")
        for one in others if not one.is_convertible
    ]  # fmt: skip
    if findings:
        raise InputError(findings)
    if not others:
        return run
    units = {name: unit for name, unit in run.units.items() if name not in model.species}
    masses = {one.name: one.molar_mass for one in others if one.counted and one.molar_mass}
    run = replace(run, molar_masses={**run.molar_masses, **masses}) if masses else run
    return _with_others(run, others, units)


def as_weighed(run: CultureRun) -> CultureRun:
    """Return a run with what was weighed, such as a titer, in g/L, as a laboratory writes it down.

    Args:
        run: any run.

    Returns:
        The run; what has a known formula, such as glucose, stays in mmol/L.

    >>> run = CultureRun("a", 1.0, {"ANTI": 0.02, "GLC": 30.0}, molar_masses={"ANTI": 150e3, "GLC": 180.2})
    >>> as_weighed(run).initial
    {'ANTI': 3.0, 'GLC': 30.0}
    """
    others, units = [], dict(run.units)
    for name, mass in run.molar_masses.items():
        if name in MOLAR_MASS:
            continue
        series = run.measurements.get(name)
        if series is not None and converts(series.unit, CONCENTRATION):
            others.append(_Other("measurements", name, series.unit, MASS_CONCENTRATION, mass))
        unit = run.units.get(name, CONCENTRATION)
        if converts(unit, CONCENTRATION):
            others += [_Other(table, name, unit, MASS_CONCENTRATION, mass) for table, _ in _numbers(run, name)]
            units[name] = MASS_CONCENTRATION
    return _with_others(run, others, units)


def with_product_weighed(run: CultureRun, model: CultureModel) -> CultureRun:
    """Return a run of a model with the molar mass of its product: a laboratory weighs that, whatever a model counts.

    Tables and figures then show the titer as a mass, and models that count it otherwise read the right amount.

    Args:
        run: with its numbers in the units of the model.
        model: with the molar mass of a species that is its product, or is called ANTI.

    Returns:
        The run.
    """
    specs = dict(zip(model.species, model.species_specs, strict=True))
    masses = {name: spec.molar_mass for name, spec in specs.items()
              if spec.molar_mass and (spec.product or name == _PRODUCT) and name in run.measurements}  # fmt: skip
    units = {name: model.unit(name) for name in masses}
    return replace(run, molar_masses={**run.molar_masses, **masses}, units={**run.units, **units})


def _with_others(run: CultureRun, others: Sequence[_Other], units: Mapping[str, str]) -> CultureRun:
    """Return a run with numbers in other units; units: of the run then."""
    tables = {"measurements": dict(run.measurements), "signals": dict(run.signals), "initial": dict(run.initial)}
    media = {f"medium '{name}'": dict(composition) for name, composition in run.media.items()}
    for one in others:
        if one.table == _LEVELS:
            continue
        numbers: dict[str, Any] = media[one.table] if one.table in media else tables[one.table]
        given = numbers[one.name]
        is_series = one.table in ("measurements", "signals")
        numbers[one.name] = _converted(given, one) if is_series else one.converted(given)
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
            counted = counts_otherwise(model, name, run) if is_compared else None
            if (series.unit != wanted or counted) and (is_compared or converts(series.unit, wanted)):
                yield _Other(table, name, series.unit, wanted, molar_mass_of(model, name, run), counted)
    for name in model.species:
        unit, counted = run.units.get(name, ""), counts_otherwise(model, name, run)
        if counted and not unit:
            unit = CONCENTRATION  # as the numbers that have the molar mass
        if not unit or (unit == model.unit(name) and not counted):
            continue
        for table, _ in _numbers(run, name):
            yield _Other(table, name, unit, model.unit(name), molar_mass_of(model, name, run), counted)


def _numbers(run: CultureRun, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of a species in the unit of `CultureRun.units`, with the table that each is in."""
    tables = {"initial": run.initial, **{f"medium '{medium}'": part for medium, part in run.media.items()}}
    tables[_LEVELS] = {event.species: event.level for event in run.events if isinstance(event, LevelBolus)}
    yield from ((table, numbers[name]) for table, numbers in tables.items() if name in numbers)


def _not_dissolved(run: CultureRun, model: CultureModel, others: Sequence[_Other]) -> Iterator[Finding]:
    """Yield amounts that a molar mass makes more than dissolves: it is then not the one with which they were counted.

    Of a species there is one finding, with its largest number.
    """
    largest: dict[str, tuple[float, float, _Other]] = {}
    for one in others:
        if not (one.molar_mass and converts(one.unit, CONCENTRATION) and converts(one.wanted, MASS_CONCENTRATION)):
            continue
        series = run.measurements.get(one.name)
        given = [series.value] if one.table == "measurements" and series is not None else (
            [value for table, value in _numbers(run, one.name) if table == one.table])  # fmt: skip
        numbers = np.concatenate([np.ravel(value) for value in given if not is_tracer(value)] or [np.zeros(0)])
        value = float(np.max(numbers, initial=0.0))
        mass = float(convert(one.converted(value), one.wanted, MASS_CONCENTRATION))
        if mass > DENSEST and mass > largest.get(one.name, (0.0,))[0]:
            largest[one.name] = mass, value, one
    for name, (mass, value, one) in largest.items():
        whose = f"the run's {name}" if name in run.molar_masses else f"model '{model.name}'"
        found = (f"{value:.4g} {one.unit}, which are {mass:.4g} g/L with the molar mass {one.molar_mass:g} {PER_MOLE} "
                 f"of {whose}")  # fmt: skip
        needed = f"model '{model.name}' has {name} in {one.wanted}, and no liquid holds more than {DENSEST:g} g/L"
        remedy = (f"give {name} as a mass, in g/L, or the run the molar mass with which it was counted, in its table "
                  "molar_masses; the residues that Nolan & Lee count have 110 g/mol")  # fmt: skip
        yield Finding(f"run '{run.name}', {one.table}, {name}", found, needed, remedy)


def molar_mass_of(model: CultureModel, name: str, run: CultureRun | None = None) -> float | None:
    """Return the molar mass that converts between a run and a model: the model's own, or that of a known solute.

    A product has that by which the run was measured: its masses then come back as the laboratory gave them. Where a
    model counts something else, see `counts_otherwise`, its amounts have its own.

    Args:
        model: any model.
        name: of a quantity.
        run: whose numbers are converted, if there is one.

    Returns:
        [g/mol]; None for what is no species, or has no known molar mass.
    """
    if name not in model.species:
        return None
    measured = run is not None and name in run.molar_masses and name not in MOLAR_MASS
    if run is not None and measured and counts_otherwise(model, name, run) is None:
        return run.molar_masses[name]
    return model.species_specs[model.species.index(name)].molar_mass or MOLAR_MASS.get(name)


def counts_otherwise(model: CultureModel, name: str, run: CultureRun) -> float | None:
    """Return the molar mass of a run where a model counts something else of a substance, such as its residues.

    Args:
        model: any model.
        name: of a species.
        run: with molar masses or without.

    Returns:
        [g/mol] of the run; None where the model has an amount of the same, or no amount, or one of the two has no own
        molar mass.
    """
    of_run = None if name in MOLAR_MASS or name not in model.species else run.molar_masses.get(name)
    own = model.species_specs[model.species.index(name)].molar_mass if of_run else None
    if not of_run or not own or not converts(model.unit(name), CONCENTRATION):
        return None
    return of_run if not 1.0 / _OTHERWISE < of_run / own < _OTHERWISE else None


def as_run_has(model: CultureModel, name: str, values: Any, unit: str, run: CultureRun) -> Any:
    """Return values of a model as a run has them: the way back of `in_units_of`.

    Args:
        model: any model.
        name: of a quantity.
        values: in the unit of the model.
        unit: of the run.
        run: with molar masses or without.

    Returns:
        The values in `unit`.
    """
    own, counted = molar_mass_of(model, name, run), counts_otherwise(model, name, run)
    if own and counted and converts(unit, CONCENTRATION):
        return convert(values, model.unit(name), unit) * (own / counted)
    return convert_amount(values, model.unit(name), unit, own)


def _converted(series: Any, one: _Other) -> Any:
    """Return a measurement or a signal in another unit."""
    value = one.converted(series.value)
    if not isinstance(series, Measurement):
        return replace(series, unit=one.wanted, value=value)
    # an error is a difference, to which an offset such as that of degC does not apply
    error = one.converted(series.standard_error) - one.converted(0.0)
    return replace(series, unit=one.wanted, value=value, standard_error=error)
