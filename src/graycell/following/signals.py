"""Signals of probes, as capacitance or Raman spectra, as samples of a run."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from graycell.errors import Finding, InputError
from graycell.runs.records import CultureRun, Measurement
from graycell.units import UnitError, convert_amount

WINDOW = 0.5
"""[d] Values of a signal within it are one sample: their mean."""
_SAME_TIME = 1e-6
"""[d]"""


def with_signals(
    run: CultureRun, signals: CultureRun, *, until: float = np.inf, delay: float = 0.0, window: float = WINDOW
) -> CultureRun:
    """Return a run whose samples hold the signals of probes too.

    The values of a signal within a window are one sample at their mean time, with the error of their mean. No window
    reaches over an event, at which a concentration may jump.

    Args:
        run: the culture, with its samples.
        signals: its signals as measurements of quantities, each with its error; nothing else of it is used.
        until: [d] later values are left out.
        delay: [d] how long after its time a value is written down; it counts before.
        window: [d]

    Returns:
        The run.

    Raises:
        InputError: for a unit that does not fit that of the samples, a negative delay or a window of no length.
    """
    if not 0.0 <= delay < np.inf or not 0.0 < window < np.inf:
        raise InputError([Finding("signals", f"a delay of {delay:g} d and a window of {window:g} d", "a delay is 0 or "
                                  "more, a window is longer than 0", "correct them")])  # fmt: skip
    found, findings = dict(run.measurements), []
    jumps = np.unique([float(event.time) for event in run.events])
    for name, series in signals.measurements.items():
        own = found.get(name)
        factor = 1.0
        if own is not None and own.unit != series.unit:
            try:
                factor = float(convert_amount(1.0, series.unit, own.unit, run.molar_masses.get(name)))
            except UnitError as error:
                findings.append(Finding(f"signals, {name}", f"'{series.unit}'", f"samples of it are in '{own.unit}': "
                                        f"{error}", "give both in one unit"))  # fmt: skip
                continue
        time = series.time - delay
        kept = (time > 0.0) & (time <= until) & np.isfinite(series.value)
        if series.below is not None:
            kept &= ~series.below
        if not np.any(kept):
            continue
        means = _means(time[kept], factor * series.value[kept], factor * series.standard_error[kept], jumps, window)
        found[name] = _joined(own, Measurement(name, series.unit if own is None else own.unit, *means))
    if findings:
        raise InputError(findings)
    return replace(run, measurements=MappingProxyType(found))


def _means(
    time: np.ndarray, value: np.ndarray, error: np.ndarray, jumps: np.ndarray, window: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return times, means and their errors of all windows; a value at the time of an event was before it."""
    place = np.stack([np.floor(time / window), np.searchsorted(jumps, time - _SAME_TIME)])
    _, of = np.unique(place, axis=1, return_inverse=True)
    of = of.ravel()
    count = np.bincount(of)
    mean_time, mean = (np.bincount(of, part) / count for part in (time, value))
    order = np.argsort(mean_time)
    return mean_time[order], mean[order], (np.sqrt(np.bincount(of, error**2)) / count)[order]


def _joined(own: Measurement | None, signal: Measurement) -> Measurement:
    """Return samples and a signal as one series; at one time the more exact value counts."""
    if own is None:
        return signal
    parts: Sequence[np.ndarray] = [
        np.r_[getattr(own, name), getattr(signal, name)] for name in ("time", "value", "standard_error")
    ]
    below = np.zeros(len(parts[0]), bool)
    if own.below is not None:
        below[: len(own.time)] = own.below
    order = np.lexsort((parts[2], parts[0]))
    time, value, error = (part[order] for part in parts)
    kept = np.r_[True, np.diff(time) > _SAME_TIME]
    return Measurement(own.quantity, own.unit, time[kept], value[kept], error[kept], below[order][kept])


