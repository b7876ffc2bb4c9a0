"""Small checks of values and runs, whose faults are all reported at once.

`LIMITS` and `value_fault` of `runs.limits` check one number; the reader applies them to every cell, `check_runs` to a
finished `CultureRun`. A check of a whole run is a generator of `Finding` in `CHECKS`; to add one, write it and list it
there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from graycell.errors import Finding, nearest
from graycell.names import resembling
from graycell.runs.limits import LIMITS, NOT_SPECIES, limit_of, value_fault, within
from graycell.runs.records import (
    TCD,
    VCD,
    VIABILITY,
    Bolus,
    CultureRun,
    Event,
    Feed,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
)
from graycell.units import DIMENSIONLESS, convert, converts

FEWEST_SAMPLES = 3
"""Sample times below which a run says little about a rate: two points have no curvature."""
LONGEST_RUN = 60.0
"""[d] Fed-batch cultures last about two weeks and perfusion cultures up to two months."""
FEWEST_CELLS = 0.05
"""[10^6 cells/mL] An inoculum has ten times as many; a column in cells/L headed in cells/mL has a thousandth."""

ModelSpecies = tuple[str, ...] | Mapping[str, str] | None
"""Names of the species of the model that the run is meant for, or their units by name; None if there is no model."""
Check = Callable[[CultureRun, ModelSpecies], Iterator[Finding]]


def _event_values(event: Event) -> Iterator[tuple[str, float]]:
    match event:
        case Bolus() | Sample():
            yield "volume", event.volume
        case Feed() | Outflow():
            yield "rate", event.rate
        case Setpoint(input="temperature"):
            yield "temperature", event.value
        case Replacement():
            yield "fraction", event.fraction


def _place(run: CultureRun, event: Event) -> str:
    try:
        when = f"at {float(event.time):.6g} d"
    except TypeError:  # JAX traces the time
        when = "at a traced time"
    return f"run '{run.name}', {type(event).__name__} {when}"


def values_are_possible(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """No negative amount, no viability above 1, no magnitude that a wrong unit would explain.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    here = f"run '{run.name}'"
    judged = [(f"{here}, initial volume", "initial volume", run.initial_volume)]
    judged += [(f"{here}, initial temperature", "temperature", run.initial_temperature)]
    for name, value in run.initial.items():
        judged.append((f"{here}, initial {name}", *_limited(run, name, value, species)))
    for medium, composition in run.media.items():
        for name, value in composition.items():
            limit, value = _limited(run, name, value, species)
            limit = "medium concentration" if limit == "concentration" else limit
            judged.append((f"{here}, medium '{medium}', {name}", limit, value))
    for series in run.measurements.values():
        limit = limit_of(series.quantity, series.unit)
        value = _in_unit_of(limit, series.value, series.unit)
        for k in np.flatnonzero(~within(limit, value)):
            judged.append((f"{here}, {series.quantity} at {series.time[k]:.6g} d", limit, float(value[k])))
        if np.any(~(series.standard_error > 0.0)):
            found = f"a standard error of {np.min(series.standard_error):.3g}"
            yield Finding(f"{here}, {series.quantity}", found, "an assay error is > 0", "correct the table assay_error")
    if VIABILITY in run.signals:
        signal = run.signals[VIABILITY]
        for time, value in zip(signal.time, signal.value, strict=True):
            judged.append((f"{here}, signal {VIABILITY} at {time:.6g} d", VIABILITY, float(value)))
    for event in run.events:
        judged += [(_place(run, event), limit, value) for limit, value in _event_values(event)]
    yield from (fault for place, limit, value in judged if (fault := value_fault(place, limit, value)) is not None)


def _limited(run: CultureRun, name: str, value: float, species: ModelSpecies) -> tuple[str, float]:
    """Return the limit of an initial value or of a part of a medium, and the value in the unit of that limit.

    The unit is that of the run; else that of the model, where only amounts of substance and counts of cells in internal
    units have a magnitude that is implausible; else that of the measurement.
    """
    if name not in run.units and isinstance(species, Mapping) and name in species:
        limit, unit = limit_of(name), species[name]
        return limit if unit == LIMITS[limit].unit else "other concentration", value
    series = run.measurements.get(name)
    unit = run.units.get(name, "" if series is None else series.unit)
    return (limit := limit_of(name, unit)), _in_unit_of(limit, value, unit)


def _in_unit_of(limit: str, value, unit: str):
    """Return numbers in the unit of a limit, or as they are if they do not convert."""
    to = LIMITS[limit].unit
    return convert(value, unit, to) if unit and to and unit != to and converts(unit, to) else value


def a_run_lasts_as_long_as_a_culture(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """No run is longer than `LONGEST_RUN`; hours under a heading in days would make it 24 times as long.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    if run.end > LONGEST_RUN:
        needed = f"few cultures last longer than {LONGEST_RUN:g} d"
        remedy = "if the times are hours, write the heading time [h]"
        yield Finding(f"run '{run.name}', times", f"an end at {run.end:.6g} d", needed, remedy, "warning")


def there_are_cells(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """The viable cell density reaches `FEWEST_CELLS` at some time; with a wrong power of ten it does not.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    if VCD in run.measurements and len(run.measurements[VCD].value):
        most = float(np.max(run.measurements[VCD].value))
        if most < FEWEST_CELLS:
            needed = f"a culture reaches {FEWEST_CELLS:g} 10^6 cells/mL"
            place = f"run '{run.name}', VCD"
            yield Finding(place, f"at most {most:.3g} 10^6 cells/mL", needed, "look at the unit of the column")


def a_viability_is_no_percentage_of_a_percentage(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """The viability exceeds 1 % at some time; fractions under a heading in percent do not.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    if VIABILITY in run.measurements and 0.0 < np.max(run.measurements[VIABILITY].value, initial=0.0) <= 0.01:
        found = f"at most {np.max(run.measurements[VIABILITY].value):.3g}"
        remedy = "if the cells hold fractions, as a spreadsheet keeps what it shows as 97 %, their unit is 1"
        yield Finding(f"run '{run.name}', {VIABILITY}", found, "a culture is alive somewhere", remedy)


def events_are_within_the_run(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """No event and no sample before time 0 or after the end.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    for series in run.measurements.values():
        if len(series.time) and not (series.time[0] >= 0.0 and series.time[-1] <= run.end):
            found = f"samples from {series.time[0]:.6g} to {series.time[-1]:.6g} d"
            needed = f"samples lie between 0 and the end of the run at {run.end:.6g} d"
            yield Finding(f"run '{run.name}', {series.quantity}", found, needed, "correct the times or the event end")
    for event in run.events:
        if not 0.0 <= event.time <= run.end:
            needed = f"events lie between 0 and the end of the run at {run.end:.6g} d"
            yield Finding(_place(run, event), f"{event.time:.6g} d", needed, "correct the time or the end")


def times_rise(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """The times of every measurement and signal rise; those of the events do not fall.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    for series in (*run.measurements.values(), *run.signals.values()):
        for before, after in zip(series.time[:-1], series.time[1:], strict=True):
            if not after > before:
                place = f"run '{run.name}', {series.quantity}"
                yield Finding(place, f"{after:.6g} d after {before:.6g} d", "times rise", "sort the samples")
    for before, event in zip(run.events[:-1], run.events[1:], strict=True):
        if event.time < before.time:
            found = f"{event.time:.6g} d after {before.time:.6g} d"
            yield Finding(_place(run, event), found, "events are in the order of time", "sort the events")


def the_vessel_holds_what_is_taken(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """No sample is larger than the volume at its time, and outflows do not empty the vessel.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    volume, now = run.initial_volume, 0.0
    inflow: dict[str, float] = {}
    outflow: dict[bool, float] = {}
    # from the last event to the end there is no further event
    for event in (*sorted(run.events, key=lambda event: event.time), None):
        time = run.end if event is None else event.time
        volume += (sum(inflow.values()) - sum(outflow.values())) * max(time - now, 0.0)
        now = max(time, now)
        if volume <= 0.0 and outflow:
            found = f"a volume of {volume:.3g} L at {now:.6g} d"
            remedy = "lower the rate of the bleed or the harvest, or end it with a rate of 0"
            yield Finding(f"run '{run.name}', events", found, "the vessel never runs empty", remedy)
            return
        match event:
            case Bolus():
                volume += event.volume
            case Feed():
                inflow[event.medium] = event.rate
            case Outflow():
                outflow[event.retains_cells] = event.rate
            case Sample():
                # the tolerance is for volumes that were written with few digits
                if event.volume >= volume * (1.0 - 1e-9):
                    needed = f"the vessel holds {volume:.6g} L, and a sample leaves some of it"
                    remedy = "correct the sample, its unit or the initial volume"
                    yield Finding(_place(run, event), f"{event.volume:.6g} L", needed, remedy)
                    return
                volume -= event.volume


def media_have_a_composition(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """Every medium that an event names is in the media.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    for event in run.events:
        if isinstance(event, Bolus | Feed | Replacement) and event.medium not in run.media:
            hint = nearest(event.medium, run.media) if run.media else "add a table of media"
            found = f"the medium '{event.medium}'"
            yield Finding(_place(run, event), found, "a medium needs a composition", hint)


def names_are_those_of_the_model(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """Every species of a medium or of the initial state is in the model, or is known to be left out.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    if species is None:
        return
    known = (*species, *NOT_SPECIES)
    named = [(f"medium '{medium}'", name) for medium, composition in run.media.items() for name in composition]
    named += [("initial", name) for name in run.initial]
    for where, name in named:
        if name not in known:
            # a name that resembles a species is a misspelling, and the model would lose what is fed
            misspelt = bool(resembling(name, species, 0.7))
            needed = "the model has no such species and leaves it out"
            remedy = f"rename the column if it was meant otherwise; {nearest(name, species)}"
            severity = "error" if misspelt else "warning"
            yield Finding(f"run '{run.name}', {where}", f"'{name}'", needed, remedy, severity)


def every_species_has_a_beginning(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """Every species of the model, or without a model every measured one, has an initial concentration.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    measured = [name for name, series in run.measurements.items() if series.unit != DIMENSIONLESS]
    wanted = species if species is not None else [name for name in measured if name not in NOT_SPECIES]
    for name in wanted:
        if name not in run.initial:
            needed = f"{name} needs a concentration at time 0"
            remedy = "add its column to the table initial, 0 if it was absent"
            severity = "warning" if species is None else "error"  # rates do without
            yield Finding(f"run '{run.name}', initial {name}", "no value", needed, remedy, severity)


def measured_quantities_are_in_the_model(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """A measured quantity that the model does not compute is a remark: nothing is compared with it.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    if species is None:
        return
    known = (*species, *NOT_SPECIES)
    for name in run.measurements:
        if name not in known:
            place = f"run '{run.name}', measurements"
            needed = "only quantities of the model can be compared with it"
            remedy = f"rename the column, or leave it out; {nearest(name, known)}"
            yield Finding(place, f"'{name}'", needed, remedy, "warning")


def there_are_enough_samples(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """A run has at least `FEWEST_SAMPLES` sample times.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    samples = len({float(time) for series in run.measurements.values() for time in series.time})
    if samples < FEWEST_SAMPLES:
        needed = f"a fit needs at least {FEWEST_SAMPLES}"
        place = f"run '{run.name}', measurements"
        yield Finding(place, f"{samples} sample times", needed, "only simulate this run", "warning")


def viability_is_known(run: CultureRun, species: ModelSpecies) -> Iterator[Finding]:
    """There is a viability, or viable and total cells to compute it from.

    Args:
        run: what is checked.
        species: names of the model's species; None if there is no model.

    Yields:
        Each fault.
    """
    counted = VCD in run.measurements and TCD in run.measurements
    if VIABILITY not in run.measurements and VIABILITY not in run.signals and not counted:
        found = "neither viability nor both VCD and TCD"
        needed = "without them all cells count as alive"
        remedy = "add a column viability [1] or TCD [1e6 cells/mL]"
        yield Finding(f"run '{run.name}', measurements", found, needed, remedy, "warning")


CHECKS: tuple[Check, ...] = (
    values_are_possible,
    a_run_lasts_as_long_as_a_culture,
    there_are_cells,
    a_viability_is_no_percentage_of_a_percentage,
    events_are_within_the_run,
    times_rise,
    the_vessel_holds_what_is_taken,
    media_have_a_composition,
    names_are_those_of_the_model,
    every_species_has_a_beginning,
    measured_quantities_are_in_the_model,
    there_are_enough_samples,
    viability_is_known,
)
"""Every check of a run, in the order in which its findings are listed."""


def check_runs(
    runs: Iterable[CultureRun], species: Iterable[str] | Mapping[str, str] | None = None
) -> list[Finding]:
    """Return all that is wrong or odd about runs.

    Args:
        runs: any number.
        species: names of the model's species, or their units by name, so that numbers in other units than the internal
            ones are not taken for implausible; None if there is no model.

    Returns:
        Errors and warnings; an empty list if there is nothing wrong.

    >>> run = CultureRun("run07", initial_volume=-1.0, initial={})
    >>> print(check_runs([run])[0])
    run 'run07', initial volume: found -1; an initial volume is > 0; write the volume at inoculation.
    """
    runs = list(runs)
    names = species if species is None or isinstance(species, Mapping) else tuple(species)
    findings = [finding for run in runs for check in CHECKS for finding in check(run, names)]
    for name, count in Counter(run.name for run in runs).items():
        if count > 1:
            found = f"{count} runs of this name"
            findings.append(Finding(f"run '{name}'", found, "names are unique", "rename one"))
    return findings
