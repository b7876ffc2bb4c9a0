"""Small checks of values and runs, whose faults are all reported at once.

`LIMITS` of `runs.limits` holds what is impossible; the reader applies it to every cell, `check_runs` to a finished
`CultureRun`. What is only unusual, by `runs.ranges`, is a remark. A check of a whole run is a generator of `Finding` in
`CHECKS`; to add one, write it and list it there.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from graycell.errors import Finding, nearest
from graycell.names import resembling
from graycell.runs.limits import LIMITS as LIMITS
from graycell.runs.limits import NOT_SPECIES, limits_for
from graycell.runs.limits import limit_of as limit_of
from graycell.runs.limits import value_fault as value_fault
from graycell.runs.model_names import ModelNames
from graycell.runs.ranges import few_cells
from graycell.runs.records import (
    TCD,
    VCD,
    VIABILITY,
    AnyBolus,
    AnyFeed,
    Bolus,
    CellFeed,
    CultureRun,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Outflow,
    Replacement,
    Sample,
    ShareBolus,
)
from graycell.runs.rule_checks import levels_are_of_what_media_hold, levels_can_be_reached, ramps_stay_above_zero
from graycell.runs.solutes import FORMULAS
from graycell.runs.value_checks import event_place, values_are_possible, values_are_usual

FEWEST_SAMPLES = 3
"""Sample times below which a run says little about a rate: two points have no curvature."""
LONGEST_RUN = 60.0
"""[d] Fed-batch cultures last about two weeks and perfusion cultures up to two months."""

_CONCENTRATIONS = ("concentration", "mass concentration", VCD)
"""Keys of `LIMITS` for what is dissolved or suspended."""
_MOST_MISSING = 3
"""Species without a beginning that have a finding each."""
Check = Callable[[CultureRun, ModelNames | None], Iterator[Finding]]


def a_run_lasts_as_long_as_a_culture(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """No run is longer than `LONGEST_RUN`; hours under a heading in days would make it 24 times as long.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    if run.end > LONGEST_RUN:
        needed = f"few cultures last longer than {LONGEST_RUN:g} d"
        remedy = "if the times are hours, write the heading time [h]"
        yield Finding(f"run '{run.name}', times", f"an end at {run.end:.6g} d", needed, remedy, "warning")


def there_are_cells(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """The viable cell density is that of a culture at some time; with a wrong power of ten it is not.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    if VCD in run.measurements:
        remark = few_cells(f"run '{run.name}', {VCD}", run.measurements[VCD].value.tolist())
        if remark is not None:
            yield remark


def a_viability_is_no_percentage_of_a_percentage(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """The viability exceeds 1 % at some time; fractions under a heading in percent do not.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    if VIABILITY in run.measurements and 0.0 < np.max(run.measurements[VIABILITY].value, initial=0.0) <= 0.01:
        found = f"at most {np.max(run.measurements[VIABILITY].value):.3g}"
        remedy = "if the cells hold fractions, as a spreadsheet keeps what it shows as 97 %, their unit is 1"
        yield Finding(f"run '{run.name}', {VIABILITY}", found, "a culture is alive somewhere", remedy)


def events_are_within_the_run(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """No event and no sample before time 0 or after the end.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

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
            yield Finding(event_place(run, event), f"{event.time:.6g} d", needed, "correct the time or the end")


def times_rise(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """The times of every measurement and signal rise; those of the events do not fall.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

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
            yield Finding(event_place(run, event), found, "events are in the order of time", "sort the events")


def the_vessel_holds_what_is_taken(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """No sample is larger than the volume at its time, and outflows do not empty the vessel.

    Where a rule gives a volume that is not known, the volume counts as the largest that there may be.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    volume, now = run.initial_volume, 0.0
    inflow: dict[str, tuple[float, float]] = {}  # rate [L/d] now, and its slope [L/d^2]
    outflow: dict[bool, float] = {}
    # from the last event to the end there is no further event
    for event in (*sorted(run.events, key=lambda event: event.time), None):
        time = run.end if event is None else event.time
        passed = max(time - now, 0.0)
        if passed:
            volume += sum(rate + 0.5 * slope * passed for rate, slope in inflow.values()) * passed
            volume -= sum(outflow.values()) * passed
            inflow = {medium: (rate + slope * passed, slope) for medium, (rate, slope) in inflow.items()}
        now = max(time, now)
        if volume <= 0.0 and outflow:
            found = f"a volume of {volume:.3g} L at {now:.6g} d"
            remedy = "lower the rate of the bleed or the harvest, or end it with a rate of 0"
            yield Finding(f"run '{run.name}', events", found, "the vessel never runs empty", remedy)
            return
        match event:
            case Bolus():
                volume += event.volume
            case LevelBolus():
                volume += math.inf if event.most is None else event.most
            case ShareBolus():
                volume *= 1.0 + event.share
            case IvcdBolus():
                volume += math.inf if event.rate else 0.0
            case Feed():
                inflow[event.medium] = event.rate, 0.0
            case CellFeed():
                inflow[event.medium] = math.inf if event.rate else 0.0, 0.0
            case FeedRamp():
                inflow[event.medium] = event.rate, event.slope
            case Outflow():
                outflow[event.retains_cells] = event.rate
            case Sample():
                # the tolerance is for volumes that were written with few digits
                if event.volume >= volume * (1.0 - 1e-9):
                    needed = f"the vessel holds {volume:.6g} L, and a sample leaves some of it"
                    remedy = "correct the sample, its unit or the initial volume"
                    yield Finding(event_place(run, event), f"{event.volume:.6g} L", needed, remedy)
                    return
                volume -= event.volume


def media_have_a_composition(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """Every medium that an event names is in the media.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    for event in run.events:
        if isinstance(event, AnyBolus | AnyFeed | Replacement) and event.medium not in run.media:
            hint = nearest(event.medium, run.media) if run.media else "add a table of media"
            found = f"the medium '{event.medium}'"
            yield Finding(event_place(run, event), found, "a medium needs a composition", hint)


def names_are_those_of_the_model(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """Every name of a medium or of the initial state is in the model, or is known to be left out.

    A name that the run measures, or that has a meaning of its own, is a quantity that this model does not have: one set
    of runs serves several models. Any other that resembles a species without a value there is a misspelling of it.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        An error for each name that is probably a misspelling, and a remark for every other one.
    """
    if model is None:
        return
    tables = [("initial", run.initial), *((f"medium '{name}'", medium) for name, medium in run.media.items())]
    for where, given in tables:
        for name in given:
            if name in model.known:
                continue
            is_meant = name in run.measurements or name in FORMULAS
            absent = [species for species in model.units if species not in given]
            misspelt = not is_meant and bool(resembling(name, absent, 0.7))  # the model would lose what is fed
            needed = "the model has no such species and leaves it out"
            remedy = f"rename the column if it was meant otherwise; {nearest(name, model.units)}"
            severity = "error" if misspelt else "warning"
            yield Finding(f"run '{run.name}', {where}", f"'{name}'", needed, remedy, severity)


def every_species_has_a_beginning(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """Every species that a model needs, or without a model every measured one, has an initial concentration.

    For a model a sample at time 0 is one.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    measured = [name for name, series in run.measurements.items() if _is_dissolved(name, series.unit)]
    wanted = model.required if model is not None else measured
    sampled = {name for name, series in run.measurements.items() if len(series.time) and series.time[0] == 0.0}
    missing = [name for name in wanted if name not in run.initial and (model is None or name not in sampled)]
    severity = "warning" if model is None else "error"  # rates do without
    if len(missing) > _MOST_MISSING:
        place, found = f"run '{run.name}', initial", f"no value of {', '.join(missing)}"
        remedy = "add their columns to the table initial, 0 if they were absent"
        if model is not None:
            remedy += ", or take a model that needs fewer: graycell models lists them"
        yield Finding(place, found, f"{len(missing)} species need a concentration at time 0", remedy, severity)
        return
    for name in missing:
        needed = f"{name} needs a concentration at time 0"
        remedy = "add its column to the table initial, 0 if it was absent"
        yield Finding(f"run '{run.name}', initial {name}", "no value", needed, remedy, severity)


def _is_dissolved(name: str, unit: str) -> bool:
    """Return whether a measured quantity has a concentration: no sensor, number, temperature or osmolality has."""
    return name not in NOT_SPECIES and limits_for(name, (limit_of(name, unit), "value"))[0] in _CONCENTRATIONS


def measured_quantities_are_in_the_model(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """A measured quantity that the model does not compute is a remark: nothing is compared with it.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    if model is None:
        return
    for name in run.measurements:
        if name not in model.known:
            place = f"run '{run.name}', measurements"
            needed = "only quantities of the model can be compared with it"
            remedy = f"leave it, or rename the column if it was meant otherwise; {nearest(name, model.known)}"
            yield Finding(place, f"'{name}'", needed, remedy, "warning")


def there_are_enough_samples(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """A run has at least `FEWEST_SAMPLES` sample times.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    samples = len({float(time) for series in run.measurements.values() for time in series.time})
    if samples < FEWEST_SAMPLES:
        needed = f"a fit needs at least {FEWEST_SAMPLES}"
        place = f"run '{run.name}', measurements"
        yield Finding(place, f"{samples} sample times", needed, "only simulate this run", "warning")


def viability_is_known(run: CultureRun, model: ModelNames | None) -> Iterator[Finding]:
    """There is a viability, or viable and total cells to compute it from, in a run with measurements.

    Args:
        run: what is checked.
        model: the names of the model; None if there is no model.

    Yields:
        Each fault.
    """
    counted = VCD in run.measurements and TCD in run.measurements
    if run.measurements and VIABILITY not in run.measurements and VIABILITY not in run.signals and not counted:
        found = "neither viability nor both VCD and TCD"
        needed = "without them all cells count as alive"
        remedy = "add a column viability [1] or TCD [1e6 cells/mL]"
        yield Finding(f"run '{run.name}', measurements", found, needed, remedy, "warning")


CHECKS: tuple[Check, ...] = (
    values_are_possible,
    values_are_usual,
    a_run_lasts_as_long_as_a_culture,
    there_are_cells,
    a_viability_is_no_percentage_of_a_percentage,
    events_are_within_the_run,
    times_rise,
    the_vessel_holds_what_is_taken,
    media_have_a_composition,
    levels_are_of_what_media_hold,
    levels_can_be_reached,
    ramps_stay_above_zero,
    names_are_those_of_the_model,
    every_species_has_a_beginning,
    measured_quantities_are_in_the_model,
    there_are_enough_samples,
    viability_is_known,
)
"""Every check of a run, in the order in which its findings are listed."""


def check_runs(
    runs: Iterable[CultureRun], species: Iterable[str] | Mapping[str, str] | ModelNames | None = None
) -> list[Finding]:
    """Return all that is wrong or odd about runs.

    Args:
        runs: any number.
        species: names of the model's species, or their units by name, so that numbers in other units than the internal
            ones are not taken for implausible, or all names of a model (`packing.names_of`); None if there is no model.

    Returns:
        Errors and warnings; an empty list if there is nothing wrong.

    >>> run = CultureRun("run07", initial_volume=-1.0, initial={})
    >>> print(check_runs([run])[0])
    run 'run07', initial volume: found -1; an initial volume is > 0; write the volume at inoculation.
    """
    runs = list(runs)
    model = ModelNames.of(species)
    findings = [finding for run in runs for check in CHECKS for finding in check(run, model)]
    for name, count in Counter(run.name for run in runs).items():
        if count > 1:
            found = f"{count} runs of this name"
            findings.append(Finding(f"run '{name}'", found, "names are unique", "rename one"))
    return findings
