"""The samples of one quantity in training runs, as the baselines that learn from features see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graycell.comparison.features import Scaling, features_of, scaling_of
from graycell.errors import FitError, nearest
from graycell.runs.records import CultureRun

Target = Literal["value", "change", "deviation"]
"""What is learned of a quantity: its value, its change since time 0, or its deviation from the mean of the runs."""

_SAME_START = 1e-9
"""[1] Relative difference up to which values at time 0 are equal."""


@dataclass(frozen=True)
class Samples:
    """All samples of one quantity in the training runs.

    Attributes:
        quantity: its name.
        runs: the training runs, all of which measured it.
        scaling: of the features.
        x: (samples, columns) standardised features [1].
        values: (samples,) measured values in the internal unit.
        time: (samples,) [d].
        run: (samples,) index of the run of each sample.
    """

    quantity: str
    runs: tuple[CultureRun, ...]
    scaling: Scaling
    x: np.ndarray
    values: np.ndarray
    time: np.ndarray
    run: np.ndarray

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that differ: a change needs the value at time 0 of every run, and values there that differ."""
        starts = np.array([value_at_start(run, self.quantity) for run in self.runs])
        if not np.all(np.isfinite(starts)):
            return "value", "deviation"
        # of a run that begins elsewhere, the change knows more
        same = np.ptp(starts) <= _SAME_START * np.max(np.abs(starts))
        return ("change", "deviation") if same else ("value", "change", "deviation")

    def offset(self, target: Target, inside: np.ndarray | None = None) -> np.ndarray:
        """Return what is subtracted from the values before learning.

        Args:
            target: what is learned.
            inside: indices of the runs that the mean is over; None for all.

        Returns:
            (samples,) in the internal unit.
        """
        chosen = self.runs if inside is None else [self.runs[i] for i in inside]
        curve = mean_curve(chosen, self.quantity)
        parts = [
            offset_of(target, curve, run, self.quantity, run.measurements[self.quantity].time) for run in self.runs
        ]
        return np.concatenate(parts)


def runs_by_quantity(runs: Sequence[CultureRun]) -> dict[str, list[CultureRun]]:
    """Return the runs that measured each quantity.

    Args:
        runs: training runs.

    Returns:
        Runs by quantity.

    Raises:
        FitError: nothing was measured.
    """
    by_quantity: dict[str, list[CultureRun]] = {}
    for run in runs:
        for quantity, series in run.measurements.items():
            if len(series.time):
                by_quantity.setdefault(quantity, []).append(run)
    if not by_quantity:
        raise FitError(f"found {len(runs)} training runs without measurements; a baseline learns from some; add them.")
    return by_quantity


def samples_of(runs: Sequence[CultureRun], quantity: str) -> Samples:
    """Return the samples of a quantity.

    Args:
        runs: runs that all measured it.
        quantity: its name.

    Returns:
        The samples in the order of the runs.
    """
    series = [run.measurements[quantity] for run in runs]
    tables = [features_of(run, measured.time) for run, measured in zip(runs, series, strict=True)]
    scaling = scaling_of(tables)
    return Samples(
        quantity,
        tuple(runs),
        scaling,
        np.concatenate([scaling(table) for table in tables]),
        np.concatenate([measured.value for measured in series]),
        np.concatenate([measured.time for measured in series]),
        np.repeat(np.arange(len(runs)), [len(measured.time) for measured in series]),
    )


def mean_curve(runs: Sequence[CultureRun], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of a quantity over runs, each interpolated between its first and last sample.

    Args:
        runs: runs that all measured it.
        quantity: its name.

    Returns:
        Times [d] and means in the internal unit, (times,) each.
    """
    series = [run.measurements[quantity] for run in runs]
    grid = np.unique(np.concatenate([measured.time for measured in series]))
    curves = [np.interp(grid, measured.time, measured.value, left=np.nan, right=np.nan) for measured in series]
    return grid, np.nanmean(curves, axis=0)


def offset_of(
    target: Target, curve: tuple[np.ndarray, np.ndarray], run: CultureRun, quantity: str, time: np.ndarray
) -> np.ndarray:
    """Return what is subtracted from a quantity of a run before learning, and added to a prediction.

    Args:
        target: what is learned.
        curve: of `mean_curve`.
        run: the run.
        quantity: its name.
        time: (times,) [d].

    Returns:
        (times,) in the internal unit.
    """
    if target == "deviation":
        return np.interp(time, *curve)
    if target == "value":
        return np.zeros(np.shape(time))
    start = value_at_start(run, quantity)
    return np.full(np.shape(time), start if np.isfinite(start) else curve[1][0])


def value_at_start(run: CultureRun, quantity: str) -> float:
    """Return the value of a quantity at time 0.

    Args:
        run: the run.
        quantity: its name.

    Returns:
        The value in the internal unit, NaN if it is unknown.
    """
    series = run.measurements.get(quantity)
    if series is not None and len(series.time) and series.time[0] <= 0.0:
        return float(series.value[0])
    return float(run.initial.get(quantity, np.nan))


def last_known(run: CultureRun, quantity: str) -> tuple[float, float]:
    """Return the last known value of a quantity.

    Args:
        run: what is known of a run.
        quantity: its name.

    Returns:
        Its time [d] and the value in the internal unit, NaN if none is known.
    """
    series = run.measurements.get(quantity)
    if series is not None and len(series.time):
        return float(series.time[-1]), float(series.value[-1])
    return 0.0, value_at_start(run, quantity)


def require_learned(times: Mapping[str, np.ndarray], learned: Mapping[str, object], run: CultureRun) -> None:
    """Raise an error if a quantity is to be predicted that no training run measured.

    Args:
        times: times by quantity, as given to `Predictor.predict`.
        learned: what was learned, by quantity.
        run: the run that is predicted.

    Raises:
        FitError: a quantity was not learned.
    """
    for quantity in times:
        if quantity not in learned:
            raise FitError(f"run '{run.name}': found '{quantity}', which no training run measured; "
                           f"{nearest(quantity, learned)}.")  # fmt: skip
