"""GaussianProcess: a baseline that learns each quantity as a Gaussian process over the features of a run."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, WhiteKernel
from threadpoolctl import threadpool_limits

from graycell.comparison.features import TIME, GroupedRBF, Scaling, features_of
from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.comparison.samples import (
    Samples,
    Target,
    mean_curve,
    offset_of,
    require_learned,
    runs_by_quantity,
    samples_of,
)
from graycell.runs.records import CultureRun


@dataclass(frozen=True)
class GaussianProcess(DependsOnFields):
    """A Gaussian process for each quantity over the standardised columns of `features_of`.

    The kernel is a sum of squared exponentials over time (a curve common to all runs), over all columns (deviations
    from it that the features explain) and over time within a run (deviations that nothing explains), and of white noise
    (the assay). The second has a length scale for every column, or for every group of columns; the target is the
    value, its change since time 0, or its deviation from the mean of the runs. The combination of kernel and target
    with the lowest error in a leave-one-run-out validation is chosen. The process is conditioned on all samples, and
    on what is known of the run itself.

    Attributes:
        name: in all tables.
        starts: starting points for the marginal likelihood of the chosen kernel.
        largest: most samples, of whole runs, on which hyperparameters are estimated.
    """

    name: str = "Gaussian process"
    starts: int = 2
    largest: int = 250

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Train on runs.

        Args:
            runs: training runs.
            seed: the only source of random numbers.

        Returns:
            The processes of the measured quantities.

        Raises:
            FitError: nothing was measured.
        """
        return _Processes(
            {
                name: _process(samples_of(measured, name), self.starts, self.largest, seed)
                for name, measured in runs_by_quantity(runs).items()
            }
        )


@dataclass(frozen=True)
class _Process:
    """A Gaussian process of one quantity; `mean` and `deviation` standardise what is learned."""

    samples: Samples
    target: Target
    kernel: Kernel
    mean: float
    deviation: float

    def predict(self, known: CultureRun, time: np.ndarray) -> np.ndarray:
        samples = self.samples
        curve = mean_curve(samples.runs, samples.quantity)
        x, y = _with_run(samples.x, samples.run), self._standard(samples.values - samples.offset(self.target))
        series, names = known.measurements.get(samples.quantity), [run.name for run in samples.runs]
        index = names.index(known.name) if known.name in names else len(names)
        # samples of a training run are in the data already and must not count twice
        if index == len(names) and series is not None:
            start = offset_of(self.target, curve, known, samples.quantity, series.time)
            x = np.concatenate([x, _with_run(samples.scaling(features_of(known, series.time)), index)])
            y = np.concatenate([y, self._standard(series.value - start)])
        fixed = cast(Any, None)  # keep the hyperparameters; the annotation of scikit-learn does not allow None
        with threadpool_limits(1):
            process = GaussianProcessRegressor(self.kernel, optimizer=fixed).fit(x, y)
            found = np.asarray(process.predict(_with_run(samples.scaling(features_of(known, time)), index)))
        return self.mean + self.deviation * found + offset_of(self.target, curve, known, samples.quantity, time)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.deviation


@dataclass(frozen=True)
class _Processes:
    processes: Mapping[str, _Process]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        require_learned(times, self.processes, known)
        return {name: self.processes[name].predict(known, time) for name, time in times.items()}


def _with_run(x: np.ndarray, run: np.ndarray | int) -> np.ndarray:
    """Append the index of the run as a last column, which only the kernel within a run sees."""
    return np.column_stack([x, np.broadcast_to(run, len(x))])


def _process(samples: Samples, starts: int, largest: int, seed: int) -> _Process:
    """Return the process with the lowest error in a leave-one-run-out validation."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(samples.runs))
    counts = np.cumsum(np.bincount(samples.run, minlength=len(samples.runs))[order])
    chosen = np.isin(samples.run, order[: max(1, int(np.sum(counts <= largest)))])
    x, tried = _with_run(samples.x, samples.run), []
    for target in samples.targets:
        z = samples.values - samples.offset(target)
        mean, deviation = float(np.mean(z)), float(np.std(z)) or 1.0
        y = (z - mean) / deviation
        for kernel in _kernels(samples.scaling):
            kernel = _learned(kernel, x[chosen], y[chosen], 0, seed)
            error = _left_out_error(samples, target, deviation, np.asarray(kernel(x)), y)
            tried.append((error, _Process(samples, target, kernel, mean, deviation), y))
    # a single run cannot be left out
    _, best, y = tried[0] if len(samples.runs) == 1 else min(tried, key=lambda entry: entry[0])
    return replace(best, kernel=_learned(best.kernel, x[chosen], y[chosen], starts - 1, seed))


def _learned(kernel: Kernel, x: np.ndarray, y: np.ndarray, restarts: int, seed: int) -> Kernel:
    """Return the kernel of the largest marginal likelihood, from its present values and `restarts` random starts."""
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=restarts, random_state=seed)
    # the matrices are small, so threads cost more time than they save
    with warnings.catch_warnings(), threadpool_limits(1):
        # a length scale at its bound is no fault: that column does not matter
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cast(Kernel, process.fit(x, y).kernel_)


def _kernels(scaling: Scaling) -> tuple[Kernel, ...]:
    """Return the kernels to choose from: a length scale for every column, or for every group of columns."""
    wide = (0.3, 100.0)  # runs are few: a variation over less than 0.3 standard deviations is noise
    count = len(scaling.names)
    over_time = (*(0 if name == TIME else -1 for name in scaling.names), -1)
    same_run = GroupedRBF(
        (*[-1] * count, 0), 0.01, "fixed"
    )  # indices differ by 1 or more, so it is 0 for two different runs

    def scaled(value: float, kernel: Kernel) -> Kernel:
        return ConstantKernel(value, (1e-4, 1e3)) * kernel

    def whole(groups: tuple[int, ...]) -> Kernel:
        explained = GroupedRBF((*groups, -1), np.full(max(groups) + 1, 2.0), wide)
        # slow and small: else it would explain every run by itself, and a new run could not be predicted
        unexplained = ConstantKernel(0.01, (1e-4, 0.05)) * same_run * GroupedRBF(over_time, 2.0, (1.0, 100.0))
        common = scaled(1.0, GroupedRBF(over_time, 1.0, wide))
        return common + scaled(0.3, explained) + unexplained + WhiteKernel(0.03, (1e-5, 1.0))

    every = tuple(range(count))
    return (whole(every),) if scaling.groups == every else (whole(every), whole(scaling.groups))


def _left_out_error(samples: Samples, target: Target, deviation: float, covariance: np.ndarray, y: np.ndarray) -> float:
    """Return the sum of squared errors in a leave-one-run-out validation; y: standardised values.

    The residual of a block B is ([K^-1]_BB)^-1 [K^-1 y]_B (Rasmussen & Williams 2006, sec. 5.4.2).
    """
    inverse = np.linalg.inv(covariance + 1e-10 * np.eye(len(y)))
    weighted = inverse @ y
    offset, squares = samples.offset(target), 0.0
    for index in range(len(samples.runs)) if len(samples.runs) > 1 else ():
        block = samples.run == index
        residual = deviation * np.linalg.solve(inverse[np.ix_(block, block)], weighted[block])
        if target == "deviation":  # the mean of the runs leaves this run out as well
            others = np.delete(np.arange(len(samples.runs)), index)
            residual = residual + (offset - samples.offset(target, others))[block]
        squares += float(np.sum(residual**2))
    return squares
