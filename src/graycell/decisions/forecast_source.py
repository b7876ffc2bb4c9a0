"""ForecastSource: plans are judged by draws of what a `Forecaster` foresees from runs; without derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import stdtrit

from graycell.comparison.features import features_of
from graycell.decisions.courses import Course, Judged, margins_of, rows_of
from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import VOLUME, Goals
from graycell.formulas.tree import TIME
from graycell.formulas.values import value_of
from graycell.prediction.forecaster import Forecaster
from graycell.prediction.next_run import NextRun
from graycell.runs.records import CultureRun, Sample
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
            plan: as it was before.
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
        times = np.linspace(0.0, run.end, _POINTS)
        ahead = self.forecaster.predict(run, times)
        drawn = ahead.draws(self.draws, self.seed)
        factors = goals.factors(self.unit, lambda name: _molar_mass(self.forecaster.runs, name))
        flat: dict[str, Any] = {name: factors.get(name, 1.0) * drawn[:, :, j] for j, name in enumerate(ahead.names)}
        flat |= {name: np.broadcast_to(values, drawn.shape[:2])
                 for name, values in ((TIME, times), (VOLUME, _volume(run, times)))}  # fmt: skip
        chosen: dict[str, Any] = {one.name: np.float64(value) for one, value in zip(decisions, values, strict=True)}
        objective, margins = [], []
        for k in range(self.draws):
            of = {name: value[k] for name, value in flat.items()} | chosen
            ends = {name: value if np.ndim(value) == 0 else value[-1] for name, value in of.items()}
            objective.append(float(value_of(goals.tree, ends.__getitem__, np)))
            margins.append(margins_of(goals, of, ends, np))
        margins = np.hstack([np.array(margins).reshape(self.draws, -1), *self._left(ahead)])
        rows = rows_of(goals, {*flat}, margins.shape[1], len(ahead.reserves))
        return Judged(np.array(objective), margins, np.zeros(self.draws), *rows, tuple(ahead.reserves))

    def _left(self, ahead: NextRun) -> list[np.ndarray]:
        """Return what may be left of the substrates that no run was without, (draws, times) [1] each.

        Around what balances leave, with the deviation of such predictions of runs, without what widens bands.
        """
        found, level = [], stdtrit(ahead.degrees, (np.arange(self.draws) + 0.5) / self.draws)
        for name, left in ahead.reserves.items():
            largest = max(float(np.max(run.measurements[name].value)) for run in ahead.runs if name in run.measurements)
            sd = ahead.model_sd[:, ahead.column(name)] / ahead.widening / largest
            found.append(left[None, :] + level[:, None] * sd[None, :])
        return found

    def error(self, goals: Goals) -> float:
        """Return 0: the draws of a forecast hold how wrong it was.

        Args:
            goals: of a plan.

        Returns:
            0.
        """
        return 0.0

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

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The training runs."""
        return self.forecaster.runs


def _molar_mass(runs: Sequence[CultureRun], name: str) -> float | None:
    """Return the molar mass [g/mol] by which a quantity was measured; None where it is not known."""
    return next((run.molar_masses[name] for run in runs if name in run.molar_masses), MOLAR_MASS.get(name))


def _volume(run: CultureRun, times: np.ndarray) -> np.ndarray:
    """Return the volume of a plan [L]; feeds that follow the culture do not count."""
    columns = features_of(run, times)
    taken = np.zeros(len(times))
    for event in run.events:
        if isinstance(event, Sample):
            taken += event.volume * (times > event.time)
    flows = columns["volume: fed"] - columns["volume: bled"] - columns["volume: harvested"]
    return run.initial_volume * (1.0 + flows) - taken
