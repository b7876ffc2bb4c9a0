"""Predictors without any biology, which a model of a culture has to beat; and the protocol of own candidates.

Anything with a `name` and a method `train` is a `Candidate`; what `train` returns is a `Predictor`. All numbers are
NumPy arrays in internal units, so that anything can be compared with anything. A baseline in ten lines, which moves
on from the last known value by the mean rate of the training runs:

>>> class MeanRate:
...     name = "mean rate"
...     def train(self, runs, seed):
...         self.rate = {}
...         for name in runs[0].measurements:
...             series = [run.measurements[name] for run in runs]
...             self.rate[name] = np.mean([np.polyfit(each.time, each.value, 1)[0] for each in series])
...         return self
...     def predict(self, known, times):
...         return {name: known.initial[name] + self.rate[name] * time for name, time in times.items()}

It is compared like any model. Here glucose falls by exactly 2 mmol/L/d in every run:

>>> from graycell.comparison import cross_validate, leave_one_run_out
>>> from graycell.runs import Measurement
>>> days = np.arange(5.0)
>>> runs = []
>>> for name, start in (("a", 20.0), ("b", 30.0)):
...     glucose = Measurement("GLC", "mmol/L", days, start - 2.0 * days, np.ones(5))
...     runs.append(CultureRun(name, 1.0, {"GLC": start}, {"GLC": glucose}))
>>> comparison = cross_validate([MeanRate(), LastValue()], leave_one_run_out(runs))
>>> for error in comparison.overall():
...     print(f"{error.candidate}: {error.nrmse.value:.3f}")
mean rate: 0.000
last value: 0.304

`GaussianProcess` and `BoostedTrees` choose their settings by leaving out training runs, one quantity at a time; they
never see a test run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graycell.comparison.boosted_trees import BoostedTrees
from graycell.comparison.gaussian_process import GaussianProcess
from graycell.comparison.protocols import Candidate, DependsOnFields, Predictor
from graycell.comparison.samples import last_known, mean_curve, require_learned, runs_by_quantity
from graycell.errors import FitError
from graycell.runs.records import CultureRun

__all__ = [
    "BASELINES",
    "BoostedTrees",
    "Candidate",
    "GaussianProcess",
    "LastValue",
    "MeanOfRuns",
    "Predictor",
]


@dataclass(frozen=True)
class LastValue(DependsOnFields):
    """Every quantity stays at its last known value; for a new run this is the one at time 0.

    Attributes:
        name: in all tables.
    """

    name: str = "last value"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return the predictor; nothing is learned.

        Args:
            runs: not used.
            seed: not used.

        Returns:
            The predictor; it raises `FitError` for a quantity without a known value.
        """
        return _Stays()


@dataclass(frozen=True)
class MeanOfRuns(DependsOnFields):
    """The mean of the training runs at that time, whatever was done to them.

    Each run is interpolated linearly between its first and last sample and does not count outside of them; before the
    first and after the last sample of all runs, the mean stays constant.

    Attributes:
        name: in all tables.
    """

    name: str = "mean of the runs"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Compute the mean curves.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            The mean curves of the measured quantities.

        Raises:
            FitError: nothing was measured.
        """
        return _Curves({name: mean_curve(measured, name) for name, measured in runs_by_quantity(runs).items()})


BASELINES: tuple[Candidate, ...] = (LastValue(), MeanOfRuns(), GaussianProcess(), BoostedTrees())
"""The baselines, the simplest first."""


class _Stays:
    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        predicted = {}
        for quantity, time in times.items():
            value = last_known(known, quantity)[1]
            if not np.isfinite(value):
                raise FitError(
                    f"run '{known.name}': found no known value of {quantity}; the last value needs one at time 0; give "
                    "it in the table initial."
                )
            predicted[quantity] = np.full(np.shape(time), value)
        return predicted


@dataclass(frozen=True)
class _Curves:
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        require_learned(times, self.curves, known)
        return {quantity: np.interp(time, *self.curves[quantity]) for quantity, time in times.items()}
