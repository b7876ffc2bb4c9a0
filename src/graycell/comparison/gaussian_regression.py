"""The training of `GaussianProcess`, with scikit-learn: its kernels, their hyperparameters, the choice of one."""

import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    ConstantKernel,
    Hyperparameter,
    Kernel,
    NormalizedKernelMixin,
    StationaryKernelMixin,
    WhiteKernel,
)

from graycell.comparison.features import TIME, Scaling, features_of
from graycell.comparison.protocols import Predictor
from graycell.comparison.samples import (
    Samples,
    Target,
    mean_curve,
    offset_of,
    require_learned,
    runs_by_quantity,
    samples_of,
)
from graycell.engine import one_thread_each
from graycell.runs.records import CultureRun

_FILTERS = threading.Lock()


class GroupedRBF(StationaryKernelMixin, NormalizedKernelMixin, Kernel):  # pyright: ignore[reportIncompatibleMethodOverride]
    r"""A squared exponential kernel with one length scale [1] for each group of columns.

    $k(x, x') = \exp(-\frac12 \sum_g d_g^2 / l_g^2)$, where $d_g^2$ is the mean of the squared differences over the
    columns of group g: a group has the same weight whatever its size.

    Attributes:
        groups: index of the group of each column, -1 for a column that is ignored.
        length_scale: a number, or one for each group [1].
        length_scale_bounds: for all of them [1], or "fixed".
    """

    def __init__(self, groups, length_scale, length_scale_bounds=(0.1, 100.0)):
        self.groups = groups
        self.length_scale = length_scale
        self.length_scale_bounds = length_scale_bounds

    @property
    def hyperparameter_length_scale(self) -> Hyperparameter:
        """The hyperparameter that scikit-learn may fit."""
        return Hyperparameter("length_scale", "numeric", self.length_scale_bounds, max(self.groups) + 1)

    def __call__(self, X, Y=None, eval_gradient=False):  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the kernel of the rows of X and Y, and its derivatives by log(length_scale) if requested."""
        groups = np.asarray(self.groups)
        other = X if Y is None else Y
        squares = []
        # scikit-learn turns a length scale of one entry into a number
        for group, scale in enumerate(np.atleast_1d(self.length_scale)):
            seen = groups == group
            difference = X[:, None, seen] - other[None, :, seen]
            squares.append(np.sum(difference**2, axis=2) / max(int(np.sum(seen)), 1) / scale**2)
        kernel = np.exp(-0.5 * np.sum(squares, axis=0))
        if not eval_gradient:
            return kernel
        if self.hyperparameter_length_scale.fixed:
            return kernel, np.empty((*kernel.shape, 0))
        return kernel, np.stack([kernel * square for square in squares], axis=2)


def train(runs: Sequence[CultureRun], starts: int, largest: int, seed: int) -> Predictor:
    """Train a Gaussian process for each measured quantity.

    Args:
        runs: training runs.
        starts: starting points for the marginal likelihood of the chosen kernel.
        largest: most samples, of whole runs, on which hyperparameters are estimated.
        seed: the only source of random numbers.

    Returns:
        The processes of the measured quantities.

    Raises:
        FitError: nothing was measured.
    """
    by_quantity = runs_by_quantity(runs)
    return _Processes(
        {name: _process(samples_of(measured, name), starts, largest, seed) for name, measured in by_quantity.items()}
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
        with one_thread_each():
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
    # filters of warnings belong to the process: one training at a time changes them
    with _FILTERS, warnings.catch_warnings(), one_thread_each():
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
