"""How well a trajectory meets the measurements."""

from dataclasses import dataclass

import numpy as np

from graycell.runs.packing import quantities_of
from graycell.runs.records import REDOX, VCD
from graycell.simulation import Trajectory


@dataclass(frozen=True)
class Score:
    """Agreement of one quantity in one run.

    rmse: root of the mean squared difference, in `unit`; nrmse: rmse over the range of the measured values [1];
    samples: how many were compared.
    """

    quantity: str
    unit: str
    rmse: float
    nrmse: float
    samples: int


def scores(trajectory: Trajectory) -> tuple[Score, ...]:
    """Return the score of every quantity that was measured, species first, then VCD and R."""
    rows = []
    quantities = quantities_of(trajectory.model.species)
    for j, quantity in enumerate(quantities):
        if quantity not in trajectory.run.measurements:
            continue
        series = trajectory.run.measurements[quantity]
        at = [int(np.flatnonzero(trajectory.measured_time == time)[0]) for time in series.time]
        rmse = float(np.sqrt(np.mean((trajectory.predicted[at, j] - series.value) ** 2)))
        spread = float(np.ptp(series.value))
        rows.append(Score(quantity, series.unit, rmse, rmse / spread if spread > 0 else np.nan, len(series.time)))
    return tuple(rows)


def mean_nrmse(rows: tuple[Score, ...]) -> float:
    """Return the mean range-normalised RMSE [1] over the species, VCD and R left out; NaN if none was measured."""
    of_species = [row.nrmse for row in rows if row.quantity not in (VCD, REDOX) and np.isfinite(row.nrmse)]
    return float(np.mean(of_species)) if of_species else float("nan")


def unexplained_variance(trajectory: Trajectory, parameters: int) -> float:
    """Return 1 - adjusted R2 [1] over all measured concentrations of the species together.

    With n values and p parameters, (residual / total sum of squares) (n - 1)/(n - p - 1), about one pooled mean:
    large concentrations dominate it. Raises ZeroDivisionError for n = p + 1.
    """
    predicted, measured = [], []
    for j, species in enumerate(trajectory.model.species):
        if species in trajectory.run.measurements:
            series = trajectory.run.measurements[species]
            at = [int(np.flatnonzero(trajectory.measured_time == time)[0]) for time in series.time]
            predicted.append(trajectory.predicted[at, j])
            measured.append(series.value)
    found, wanted = np.concatenate(predicted), np.concatenate(measured)
    share = np.sum((found - wanted) ** 2) / np.sum((wanted - wanted.mean()) ** 2)
    return float(share * (len(wanted) - 1) / (len(wanted) - parameters - 1))
