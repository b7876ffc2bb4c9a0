"""ForecastSource: plans are judged by draws of what a `Forecaster` foresees from runs; without derivatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import stdtrit

from graycell.comparison.features import features_of
from graycell.decisions.courses import Course, Judged, margins_of, rows_of
from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import VOLUME, Goals
from graycell.errors import FitError
from graycell.formulas.tree import TIME
from graycell.formulas.values import value_of
from graycell.prediction.forecaster import Forecaster
from graycell.prediction.next_run import NextRun
from graycell.runs.records import CellFeed, CultureRun, Sample
from graycell.runs.solutes import MOLAR_MASS

_POINTS = 49
"""Times at which constraints are looked at."""


@dataclass(frozen=True)
class ForecastSource:
    """Draws of what a `Forecaster` foresees; bands and warnings widen them outside of what was learned.

    Attributes:
        forecaster: trained.
        draws: number of draws.
        seed: of the draws.
    """

    forecaster: Forecaster
    draws: int = 200
    seed: int = 0
    has_slopes: bool = field(default=False, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that formulas may use."""
        return tuple(self.forecaster.weights)

    def unit(self, name: str) -> str:
        """Return the unit of a quantity.

        Args:
            name: one of `names`.

        Returns:
            That of its measurements.
        """
        return next(run.measurements[name].unit for run in self.forecaster.runs if name in run.measurements)

    def judge(self, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, goals: Goals,
              slopes: bool = False) -> Judged:  # fmt: skip
        """Return the goals of a plan with chosen numbers, in every draw; see `FitSource.judge`.

        Args:
            plan: the current plan.
            decisions: what is chosen.
            values: (decisions,) in internal units.
            goals: of the plan.
            slopes: not given by a forecast.

        Returns:
            The goals.

        Raises:
            FitError: the plan cannot be predicted.
        """
        run = decided(plan, decisions, [float(value) for value in values])
        times = _times(run.end, goals.windows)
        ahead = self.forecaster.predict(run, times)
        drawn = ahead.draws(self.draws, self.seed)
        factors = goals.factors(self.unit, lambda name: _molar_mass(self.forecaster.runs, name))
        flat: dict[str, Any] = {name: factors.get(name, 1.0) * drawn[:, :, j] for j, name in enumerate(ahead.names)}
        flat[TIME] = np.broadcast_to(times, drawn.shape[:2])
        if VOLUME in goals.names:
            flat[VOLUME] = np.broadcast_to(self._volume(run, times), drawn.shape[:2])
        chosen: dict[str, Any] = {one.name: np.float64(value) for one, value in zip(decisions, values, strict=True)}
        objective, margins = [], []
        for k in range(self.draws):
            of = {name: value[k] for name, value in flat.items()} | chosen
            ends = {name: value if np.ndim(value) == 0 else value[-1] for name, value in of.items()}
            objective.append(float(value_of(goals.tree, ends.__getitem__, np)))
            margins.append(margins_of(goals, of, ends, np))
        reserves = {name: left for name, left in ahead.reserves.items() if name not in goals.may_run_out}
        margins = np.hstack([np.array(margins).reshape(self.draws, -1), *self._left(ahead, reserves)])
        rows = rows_of(goals, {*flat}, margins.shape[1], len(reserves))
        # the draws hold how wrong forecasts were, and are wider outside of what was learned
        zero = np.zeros(self.draws)
        return Judged(np.array(objective), margins, zero, zero, *rows, tuple(reserves))

    def _left(self, ahead: NextRun, reserves: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return what may be left of the substrates that no run was without, (draws, times) [1] each.

        Around what balances leave, with the deviation of such predictions of runs, without what widens bands.
        """
        found, level = [], stdtrit(ahead.degrees, (np.arange(self.draws) + 0.5) / self.draws)
        for name, left in reserves.items():
            largest = max(float(np.max(run.measurements[name].value)) for run in ahead.runs if name in run.measurements)
            sd = ahead.model_sd[:, ahead.column(name)] / ahead.widening / largest
            found.append(left[None, :] + level[:, None] * sd[None, :])
        return found

    def novelties(self, plan: CultureRun) -> list[str]:
        """Return what of a plan leaves the training runs; the draws are wider for it.

        Args:
            plan: with chosen numbers.

        Returns:
            The warnings of its prediction.
        """
        return list(self.forecaster.predict(plan).warnings)

    def course(self, plan: CultureRun) -> Course:
        """Return what a plan leads to.

        Args:
            plan: with chosen numbers.

        Returns:
            The course.
        """
        found = self.forecaster.predict(plan)
        low, high = (np.stack([found.interval(name, of="model")[side] for name in found.names], axis=1)
                     for side in (0, 1))  # fmt: skip
        return Course(found.time, found.names, found.units, found.estimate, low, high)

    def _volume(self, run: CultureRun, times: np.ndarray) -> np.ndarray:
        """Return the volume of a plan [L], with the boluses that its rules give by the mean rates."""
        if any(isinstance(event, CellFeed) for event in run.events):
            raise FitError("optimise: found a feed per cell and a formula with volume; what such a feed gives is not "
                           "known beforehand from runs; judge by a fit, or leave volume out.")  # fmt: skip
        run, failures = self.forecaster.realised(run)
        if failures:
            raise FitError(f"optimise: found a formula with volume, and {failures[0]}")
        columns, taken = features_of(run, times), np.zeros(len(times))
        for event in run.events:
            if isinstance(event, Sample):
                taken += event.volume * (times > event.time)
        flows = columns["volume: fed"] - columns["volume: bled"] - columns["volume: harvested"]
        return run.initial_volume * (1.0 + flows) - taken

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The training runs."""
        return self.forecaster.runs


def _times(end: float, windows: Sequence[float]) -> np.ndarray:
    """Return times to the end, the days of windows among them; their number does not depend on the end."""
    times = np.union1d(np.linspace(0.0, end, _POINTS), [day for day in windows if day <= end])
    for _ in range(_POINTS + len(windows) - len(times)):
        widest = int(np.argmax(np.diff(times)))
        times = np.insert(times, widest + 1, 0.5 * (times[widest] + times[widest + 1]))
    return times


def _molar_mass(runs: Sequence[CultureRun], name: str) -> float | None:
    """Return the molar mass [g/mol] by which a quantity was measured; None where it is not known."""
    return next((run.molar_masses[name] for run in runs if name in run.molar_masses), MOLAR_MASS.get(name))
