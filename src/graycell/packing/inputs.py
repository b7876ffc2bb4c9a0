"""What a run gives as the inputs of a model: by a signal, by measurements, or at the start.

Viability is special. Most models take it as an input; a model with dead cells of its own computes it. There, a measured
viability is something to compare with and to fit, and does not act on the cells: else dead cells would count twice.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from graycell.errors import Finding
from graycell.model import CultureModel
from graycell.packing.pytrees import is_tracer
from graycell.runs.records import TCD, TEMPERATURE, VCD, VIABILITY, CultureRun, Setpoint, Signal
from graycell.units import DIMENSIONLESS

FAR = 1.0
"""[d] An input whose last value is held for longer, and for longer than its largest interval, is worth a remark."""


def first_value(run: CultureRun, name: str, model: CultureModel) -> Any:
    """Return the value of an input before the events of time 0.

    Args:
        run: any run.
        name: of an input of the model.
        model: has the default.

    Returns:
        The value in the unit of the input; None where neither run nor model gives it.
    """
    default = model.inputs[model.input_names.index(name)].default
    if name == TEMPERATURE:
        return run.initial_temperature
    if name == VIABILITY and model.predicts_viability:
        return 1.0 if default is None else default
    return run.initial.get(name, default)


def input_of(run: CultureRun, name: str, model: CultureModel) -> tuple[np.ndarray, np.ndarray] | None:
    """Return an input of a run over time, as a signal or a measurement gives it.

    Viability is a signal if there is one, else as measured, else VCD over TCD; for a model that computes viability it
    is none of them. A temperature follows its set-points unless there is a signal.

    Args:
        run: any run.
        name: of the input.
        model: that has it.

    Returns:
        Times [d] and values; None where set-points or a default give it.
    """
    if name == VIABILITY:
        known = None if model.predicts_viability else viability_of(run)
        return None if known is None else (np.asarray(known.time), np.asarray(known.value))
    if name in run.signals:
        return run.signals[name].time, run.signals[name].value
    set_by_events = name == TEMPERATURE or _is_set(run, name)
    return None if set_by_events else series_of(run, name)


def _is_set(run: CultureRun, name: str) -> bool:
    return any(isinstance(event, Setpoint) and event.input == name for event in run.events)


def viability_of(run: CultureRun) -> Signal | None:
    """Return viability over time: a signal if there is one, else as measured, else VCD over TCD where TCD is above 0.

    Args:
        run: any run.

    Returns:
        The signal; None where the run does not have any of them.
    """
    for given in (run.signals.get(VIABILITY), run.measurements.get(VIABILITY)):
        if given is not None and len(given.time):
            return given if isinstance(given, Signal) else Signal(VIABILITY, given.unit, given.time, given.value)
    viable, total = run.measurements.get(VCD), run.measurements.get(TCD)
    if viable is None or total is None:
        return None
    time, of_viable, of_total = np.intersect1d(viable.time, total.time, return_indices=True)
    counted = total.value[of_total] > 0.0
    if not np.any(counted):
        return None
    share = viable.value[of_viable][counted] / total.value[of_total][counted]
    return Signal(VIABILITY, DIMENSIONLESS, time[counted], np.clip(share, 0.0, 1.0))


def series_of(run: CultureRun, quantity: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a quantity over time, as a signal or else a measurement gives it.

    Args:
        run: any run.
        quantity: its name.

    Returns:
        Times [d] and values; None where the run has neither.
    """
    for source in (run.signals, run.measurements):
        if quantity in source and len(source[quantity].time):
            return np.asarray(source[quantity].time), np.asarray(source[quantity].value)
    return None


def known_signals(run: CultureRun, model: CultureModel) -> dict[str, Signal]:
    """Return the signals of a run without a viability that the model computes.

    Args:
        run: any run.
        model: any model.

    Returns:
        Signals by name.
    """
    computed = VIABILITY if model.predicts_viability else None
    return {name: signal for name, signal in run.signals.items() if name != computed}


def unused_viability(run: CultureRun, model: CultureModel) -> Iterator[Finding]:
    """Yield a remark where a run gives a viability that the model has as an input, and computes itself.

    Args:
        run: any run.
        model: any model.

    Yields:
        The remark.
    """
    if VIABILITY not in model.input_names or not model.predicts_viability:
        return
    if viability_of(run) is not None or VIABILITY in run.initial:
        used = first_value(run, VIABILITY, model)
        yield Finding(
            f"run '{run.name}', {VIABILITY}", "it given, and dead cells in the model, which computes it",
            f"given values are compared with the model and do not act on it: its laws see {used:g}",
            f"leave the input {VIABILITY} out of the model", "warning",
        )  # fmt: skip


def held_inputs(run: CultureRun, model: CultureModel) -> Iterator[Finding]:
    """Yield a remark for every input of a model that is held long after its last value, or before its first.

    Set-points hold by intention and are left out; so is a value of time 0 alone, but that of viability.

    Args:
        run: whose numbers are not traced.
        model: any model.

    Yields:
        Remarks.

    >>> model = CultureModel(reactions={"growth": "=> BIOM"}, rates={"growth": 0.5}, parameters={})
    >>> known = {"viability": Signal("viability", "1", np.array([0.0]), np.array([0.98]))}
    >>> print(*held_inputs(CultureRun("plan", 1.0, {"BIOM": 1.0}, signals=known, end=12.0), model))
    run 'plan', viability: found its last value, 0.98, at 0 d and the end at 12 d; the model takes viability as known, \
and holds this value for 12 d; write its course, what was measured included, into the table signals.
    """
    for name in model.input_names:
        curve = input_of(run, name, model)
        if curve is None:
            first = first_value(run, name, model)
            alone = name == VIABILITY and name in run.initial and not _is_set(run, name) and not is_tracer(first)
            if not alone or (name == VIABILITY and model.predicts_viability):
                continue
            curve = np.zeros(1), np.array([float(first)])
        if is_tracer(run.end):
            continue
        time, value = (np.asarray(part, float) for part in curve)
        after, before = float(run.end) - float(time[-1]), float(time[0])
        far = max(FAR, float(np.max(np.diff(time), initial=0.0)))
        remedy = "write its course, what was measured included, into the table signals"
        if after > far:
            yield Finding(
                f"run '{run.name}', {name}",
                f"its last value, {value[-1]:.4g}, at {time[-1]:.4g} d and the end at {run.end:.4g} d",
                f"the model takes {name} as known, and holds this value for {after:.4g} d", remedy, "warning",
            )  # fmt: skip
        if before > far:
            yield Finding(
                f"run '{run.name}', {name}", f"its first value, {value[0]:.4g}, at {time[0]:.4g} d",
                f"the model takes {name} as known, and has this value from 0 d on", remedy, "warning",
            )  # fmt: skip
