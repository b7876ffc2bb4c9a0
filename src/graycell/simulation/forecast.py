"""from_last_samples: the rest of a running culture, started from its last samples.

The simulation of an imperfect model drifts away from the samples. So the state at the last sample is the simulated one,
corrected by measured - simulated at the last sample of each quantity, and the rest of the run is simulated from there.
"""

from dataclasses import replace

import numpy as np

from graycell.cell.rates import FluxRatio
from graycell.model import CultureModel
from graycell.packing.conversion import in_units_of
from graycell.packing.inputs import input_of
from graycell.runs.records import (
    VCD,
    Bolus,
    CellFeed,
    CultureRun,
    Event,
    Feed,
    FeedRamp,
    IvcdBolus,
    Measurement,
    Outflow,
    Setpoint,
    Signal,
)
from graycell.simulation.simulate import simulate
from graycell.simulation.trajectory import Trajectory


def from_last_samples(model: CultureModel, run: CultureRun) -> CultureRun:
    """Return the rest of a run as a run of its own, without measurements, whose time 0 is the last sample of `run`.

    Its initial state is the simulated one plus measured - simulated at the last sample of each quantity, of species not
    below zero. Biomass follows the viable cell density where it was not measured itself. A value below a detection
    limit corrects only a simulated value above the limit. Measured inputs of the model, such as pH or viability, become
    signals. Events at the time of the last sample happen after it. In the time of the whole run, its trajectory is at
    ``simulate(fitted.model, rest).time + running.last_sample``.

    Args:
        model: any model.
        run: a running culture, with measurements so far and the planned events.

    Returns:
        The rest of the run, with its own time.

    Raises:
        SimulationError: where the run cannot be simulated up to its last sample.
    """
    run = in_units_of(run, model)  # what is left of it has the state of the model
    at = max(run.last_sample, 0.0)
    begun = run.ended_at(at)
    path = simulate(model, begun).require_finished()
    later = tuple(replace(event, time=event.time - at) for event in _with_cells_so_far(model, run, at))
    signals = {**run.signals, **_measured_inputs(model, run)}
    given = {name: run.initial[name] for name in model.input_names if name in run.initial}
    return replace(
        run,
        initial_volume=float(path.volume[-1]),
        initial={**given, **_corrected(model, run, path)},
        measurements={},
        events=_still_going(begun) + later,
        signals={name: replace(signal, time=signal.time - at) for name, signal in signals.items()},
        end=run.end - at,
    )


def _with_cells_so_far(model: CultureModel, run: CultureRun, at: float) -> list[Event]:
    """Return the events from a time on; a bolus for the cells until then is before the first one per IVCD of a medium.

    The integral of a later run begins at its time 0, and volumes per IVCD add up.
    """
    found, media = [], set[str]()
    for event in run.events:
        if event.time < at:
            continue
        if isinstance(event, IvcdBolus) and event.medium not in media:
            media.add(event.medium)
            so_far = run.ended_at(at).with_events(IvcdBolus(at, event.medium, event.rate))
            *_, bolus = simulate(model, so_far).boluses
            found.append(Bolus(event.time, event.medium, bolus.volume))
        found.append(event)
    return found


def _corrected(model: CultureModel, run: CultureRun, path: Trajectory) -> dict[str, float]:
    """Return species and variables at the end of a path, corrected by the last measurements."""
    names = (*model.species, *model.variable_names)
    state = {name: float(path[name][-1]) for name in names}
    sampled = {name: series for name, series in run.measurements.items() if len(series.time)}
    for name in set(state) & set(sampled):
        state[name] += _off(sampled[name], path.at_samples(name))
    if VCD in sampled and VCD in model.observable_names and model.biomass is not None and model.biomass not in sampled:
        simulated = path.at_samples(VCD)[-1]
        if simulated > 0.0:
            state[model.biomass] *= max(1.0 + _off(run.measurements[VCD], path.at_samples(VCD)) / simulated, 0.0)
    # a trajectory may go a little below zero, where no species and no ratio of fluxes is; other variables may be there
    ratios = [
        name for name, one in zip(model.variable_names, model.variables, strict=True)
        if isinstance(getattr(one, "target", None), FluxRatio)
    ]  # fmt: skip
    return {name: max(value, 0.0) if name in (*model.species, *ratios) else value for name, value in state.items()}


def _measured_inputs(model: CultureModel, run: CultureRun) -> dict[str, Signal]:
    """Return the inputs that a run gives over time, also as measurements, which the rest of the run has not."""
    found = {name: input_of(run, name, model) for name in model.input_names}
    return {name: Signal(name, model.unit(name), *curve) for name, curve in found.items() if curve is not None}


def _off(series: Measurement, simulated: np.ndarray) -> float:
    """Return measured - simulated at the last sample; 0 below a detection limit."""
    off = float(series.value[-1] - simulated[-1])
    return min(off, 0.0) if series.below is not None and series.below[-1] else off


def _still_going(begun: CultureRun) -> tuple[Event, ...]:
    """Return feeds, outflows and set-points that continue, as events at time 0."""
    going: dict[object, Event] = {}
    for event in begun.events:
        match event:
            case Feed(medium=medium) | CellFeed(medium=medium):
                going[medium] = replace(event, time=0.0)
            case FeedRamp(medium=medium, rate=rate, slope=slope):
                going[medium] = replace(event, time=0.0, rate=rate + slope * (begun.end - event.time))
            case Outflow(retains_cells=retains):
                going[retains] = replace(event, time=0.0)
            case Setpoint():
                going["set-point", event.input] = replace(event, time=0.0)
    return tuple(going.values())
