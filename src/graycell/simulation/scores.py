"""Agreement of a trajectory with the measurements."""

from dataclasses import dataclass

import numpy as np

from graycell.runs.records import REDOX, VCD
from graycell.simulation.solve import SimulationStatus
from graycell.simulation.trajectory import Trajectory


@dataclass(frozen=True)
class Score:
    """Agreement of one quantity in one run.

    Attributes:
        quantity: its name.
        unit: of the quantity.
        rmse: root of the mean squared difference, in `unit`; NaN where the simulation reached no sample.
        nrmse: rmse over the range of the measured values [1]; NaN where all are the same.
        samples: number of samples that were compared.
        failed: number of samples that the simulation did not reach.
    """

    quantity: str
    unit: str
    rmse: float
    nrmse: float
    samples: int
    failed: int = 0


def scores(trajectory: Trajectory) -> tuple[Score, ...]:
    """Return the score of every measured quantity, in the order of `CultureModel.quantities`.

    Samples at time 0 are left out, because they are the initial state and not predicted; so are those that the
    simulation did not reach, which are counted.

    Args:
        trajectory: of a run with measurements.

    Returns:
        One score for each quantity.
    """
    rows = []
    for quantity in trajectory.model.quantities:
        if quantity not in trajectory.run.measurements:
            continue
        series = trajectory.run.measurements[quantity]
        later = series.time > 0.0
        if not np.any(later):
            continue
        simulated, end = trajectory.at_samples(quantity), _reached(trajectory)
        compared = later & np.isfinite(simulated) & (series.time <= end)
        failed = int(np.sum(later & ~compared))
        off = (simulated - series.value)[compared]
        rmse = float(np.sqrt(np.mean(off**2))) if len(off) else np.nan
        extent = float(np.ptp(series.value))
        nrmse = rmse / extent if extent > 0 else np.nan
        rows.append(Score(quantity, series.unit, rmse, nrmse, int(np.sum(compared)), failed))
    return tuple(rows)


def _reached(trajectory: Trajectory) -> float:
    """Return the time [d] up to which a trajectory was simulated: the last with finite numbers, if it stopped."""
    if trajectory.status not in (SimulationStatus.too_many_steps, SimulationStatus.not_finite):
        return np.inf
    time, values = np.asarray(trajectory.time), np.asarray(trajectory.concentrations)
    finite = np.all(np.isfinite(values), axis=1)
    # a solver that stops leaves the state that it reached: from where nothing changes any more, nothing was simulated
    still = np.all(values == values[finite][-1], axis=1) if np.any(finite) else finite
    moving = np.flatnonzero(finite & ~still)
    return float(time[moving[-1]]) if len(moving) else 0.0


def mean_nrmse(rows: tuple[Score, ...]) -> float:
    """Return the mean range-normalised RMSE [1] over all quantities but VCD and R; NaN if none was measured.

    Args:
        rows: see `scores`.

    Returns:
        The mean [1].
    """
    of_species = [row.nrmse for row in rows if row.quantity not in (VCD, REDOX) and np.isfinite(row.nrmse)]
    return float(np.mean(of_species)) if of_species else float("nan")


def unexplained_variance(trajectory: Trajectory, parameters: int) -> float:
    """Return 1 - adjusted R2 [1] over all measured concentrations of the species together.

    With n values and p parameters it is (residual / total sum of squares) (n - 1)/(n - p - 1), with one mean of all
    values: large concentrations dominate it.

    Args:
        trajectory: of a run with measurements.
        parameters: number p of fitted parameters.

    Returns:
        A number [1]; NaN unless n is above p + 1.
    """
    species = [name for name in trajectory.model.species if name in trajectory.run.measurements]
    if sum(len(trajectory.run.measurements[name].time) for name in species) <= parameters + 1:
        return float("nan")
    found = np.concatenate([trajectory.at_samples(name) for name in species])
    wanted = np.concatenate([trajectory.run.measurements[name].value for name in species])
    share = np.sum((found - wanted) ** 2) / np.sum((wanted - wanted.mean()) ** 2)
    return float(share * (len(wanted) - 1) / (len(wanted) - parameters - 1))
