"""The training of `GaussianProcess`: its kernel, the hyperparameters of the largest likelihood, the choice of one.

A regression of scikit-learn with the same kernel has the same likelihood (a test compares them) and takes several times
as long for some hundred samples, much of it to pass hyperparameters around. Here the squared distances are computed
once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve, get_lapack_funcs
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from graycell.comparison.features import TIME, features_of
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

_WIDE = (0.3, 100.0)
"""[1] Bounds of length scales: runs are few, and a variation over less than 0.3 standard deviations is noise."""
_SCALES = ((1.0, 1e-4, 1e3), (1.0, *_WIDE), (0.3, 1e-4, 1e3), (0.01, 1e-4, 0.05), (2.0, 1.0, 100.0), (0.03, 1e-5, 1.0))
"""First value and bounds [1]: variance and length of the curve that all runs share; variance of what the features
explain; variance and length in time of what nothing explains within a run, slow and small, because else it would
explain every run by itself, and a new run could not be predicted; variance of the noise."""
_FIRST_LENGTH = 2.0
"""[1] First value of the length scales of what the features explain."""
_ENOUGH = 1e-6
"""[1] Relative change of the logarithm of a likelihood that is none."""
_FIRST_STEPS, _STEPS = 12, 1000
"""Of a search, while kernels and targets are compared, and for the one that is taken: it goes on from there."""
_JITTER = 1e-10
_FACTORISED, _SOLVED, _INVERTED = get_lapack_funcs(("potrf", "potrs", "potri"), dtype=np.float64)
"""Of LAPACK, for a positive definite matrix: without the checks of scipy, which take as long."""


@dataclass(frozen=True)
class SampleKernel:
    r"""The covariance of samples: a curve in common, what the features explain, what is left within a run, noise.

    $k = v_0 e^{-d_t^2/2l_0^2} + v_1 \exp(-\frac12 \sum_g d_g^2/l_g^2) + v_2 [\text{same run}] e^{-d_t^2/2l_2^2}$,
    and the variance of the noise for a sample with itself. $d_g^2$ is the mean of the squared differences over the
    columns of group g: a group has the same weight whatever its size.

    Attributes:
        groups: (columns,) index of the group of each column of the features.
        column_of_time: its index.
        theta: (hyperparameters,) natural logarithms, in the order of `start`; the lengths of the groups come last.
    """

    groups: tuple[int, ...]
    column_of_time: int
    theta: np.ndarray

    @classmethod
    def start(cls, groups: Sequence[int], column_of_time: int) -> "SampleKernel":
        """Return the kernel with its first values.

        Args:
            groups: (columns,) index of the group of each column.
            column_of_time: its index.

        Returns:
            The kernel.
        """
        first = [value for value, _, _ in _SCALES] + [_FIRST_LENGTH] * (max(groups) + 1)
        return cls(tuple(groups), column_of_time, np.log(first))

    @property
    def bounds(self) -> np.ndarray:
        """(hyperparameters, 2) bounds of `theta`."""
        return np.log([bounds for _, *bounds in _SCALES] + [list(_WIDE)] * (max(self.groups) + 1))

    def squares(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Return the squared distances between samples.

        Args:
            x: (n, columns) standardised features [1].
            other: (m, columns).

        Returns:
            (1 + groups, n, m) [1]: in time, and in each group.
        """
        groups, time = np.asarray(self.groups), [self.column_of_time]
        columns = [time, *(np.flatnonzero(groups == group) for group in range(max(groups) + 1))]
        return np.stack([cdist(x[:, of], other[:, of], "sqeuclidean") / len(of) for of in columns])

    def parts(self, squares: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the three smooth parts of the covariance.

        Args:
            squares: (1 + groups, n, m), see `squares`.
            same: (n, m) whether two samples are of one run.

        Returns:
            (n, m) each [1].
        """
        common, length, explained, within, slow, _, *lengths = np.exp(self.theta)
        along = np.tensordot(np.asarray(lengths) ** -2.0, squares[1:], axes=1)
        return (common * np.exp(-0.5 * squares[0] / length**2), explained * np.exp(-0.5 * along),
                np.where(same, within * np.exp(-0.5 * squares[0] / slow**2), 0.0))  # fmt: skip

    @property
    def noise(self) -> float:
        """Variance of the noise [1]."""
        return float(np.exp(self.theta[5]))

    def likelihood(self, squares: np.ndarray, same: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the logarithm of the marginal likelihood, and its derivatives (Rasmussen & Williams 2006, eq. 5.9).

        Args:
            squares: (1 + groups, n, n), see `squares`.
            same: (n, n) whether two samples are of one run.
            y: (n,) standardised values [1].

        Returns:
            The logarithm, and (hyperparameters,) by `theta`.
        """
        return MarginalLikelihood(squares, same, y)(self.theta)


class MarginalLikelihood:
    """The marginal likelihood of samples and its derivatives; what does not depend on the kernel is computed once.

    All matrices are symmetric, so the numbers of one triangle stand for them: half of the work.
    """

    def __init__(self, squares: np.ndarray, same: np.ndarray, y: np.ndarray) -> None:
        """Prepare what all kernels share.

        Args:
            squares: (1 + groups, n, n), see `SampleKernel.squares`.
            same: (n, n) whether two samples are of one run.
            y: (n,) standardised values [1].
        """
        n = len(y)
        rows, columns = np.triu_indices(n)
        self.y, self.triangle = np.ascontiguousarray(y, dtype=float), rows * n + columns
        self.rows, self.columns = rows, columns
        self.time = squares[0][rows, columns]
        self.groups = np.ascontiguousarray(squares[1:, rows, columns])
        self.diagonal, self.same = np.flatnonzero(rows == columns), np.flatnonzero(same[rows, columns])
        self.time_within = self.time[self.same]
        self.half = np.where(rows == columns, 0.5, 1.0)  # of 0.5: numbers beside the diagonal stand for two
        self.covariance = np.zeros((n, n))

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the logarithm of the marginal likelihood and its derivatives (Rasmussen & Williams 2006, eq. 5.9).

        Args:
            theta: (hyperparameters,) see `SampleKernel`.

        Returns:
            The logarithm, minus infinity where the covariance cannot be inverted, and (hyperparameters,).
        """
        scales = np.exp(theta)
        v_common, length, v_explained, v_within, slow, noise = scales[:6]
        shares = scales[6:] ** -2.0
        common = v_common * np.exp((-0.5 / length**2) * self.time)
        explained = v_explained * np.exp(-0.5 * (shares @ self.groups))
        within = v_within * np.exp((-0.5 / slow**2) * self.time_within)
        entries = common + explained
        entries[self.same] += within
        entries[self.diagonal] += noise + _JITTER
        self.covariance.ravel()[self.triangle] = entries
        # by rows the upper triangle is what LAPACK, by columns, calls the lower one
        factor, wrong = _FACTORISED(self.covariance.T, lower=1, clean=0)
        if wrong:
            return -np.inf, np.zeros(len(theta))
        weighted = _SOLVED(factor, self.y, lower=1)[0]
        logarithms = np.log(factor.diagonal()).sum()
        inverse = _INVERTED(factor, lower=1, overwrite_c=1)[0].T
        value = -0.5 * (self.y @ weighted) - logarithms - 0.5 * len(self.y) * np.log(2.0 * np.pi)
        slope = weighted[self.rows] * weighted[self.columns] - inverse.ravel()[self.triangle]
        slope *= self.half
        by_common, by_explained, by_within = slope * common, slope * explained, slope[self.same] * within
        found = np.empty(len(theta))
        found[:6] = (
            by_common.sum(), by_common @ self.time / length**2, by_explained.sum(), by_within.sum(),
            by_within @ self.time_within / slow**2, noise * slope[self.diagonal].sum(),
        )  # fmt: skip
        found[6:] = shares * (self.groups @ by_explained)
        return float(value), found


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
    with one_thread_each():
        return _Processes({name: _process(samples_of(measured, name), starts, largest, seed)
                           for name, measured in by_quantity.items()})  # fmt: skip


@dataclass(frozen=True)
class _Process:
    """A Gaussian process of one quantity; `mean` and `deviation` standardise what is learned."""

    samples: Samples
    target: Target
    kernel: SampleKernel
    mean: float
    deviation: float

    def predict(self, known: CultureRun, time: np.ndarray) -> np.ndarray:
        samples = self.samples
        curve = mean_curve(samples.runs, samples.quantity)
        x, y, run = samples.x, self._standard(samples.values - samples.offset(self.target)), samples.run
        series, names = known.measurements.get(samples.quantity), [run.name for run in samples.runs]
        index = names.index(known.name) if known.name in names else len(names)
        # samples of a training run are in the data already and must not count twice
        if index == len(names) and series is not None:
            start = offset_of(self.target, curve, known, samples.quantity, series.time)
            x = np.concatenate([x, samples.scaling(features_of(known, series.time))])
            y = np.concatenate([y, self._standard(series.value - start)])
            run = np.concatenate([run, np.full(len(series.time), index)])
        wanted, kernel = samples.scaling(features_of(known, time)), self.kernel
        with one_thread_each():
            among = sum(kernel.parts(kernel.squares(x, x), run[:, None] == run[None, :]))
            across = sum(kernel.parts(kernel.squares(wanted, x), np.broadcast_to(run == index, (len(time), len(run)))))
            factor = cho_factor(among + (kernel.noise + _JITTER) * np.eye(len(y)))
            found = across @ cho_solve(factor, y)
        return self.mean + self.deviation * found + offset_of(self.target, curve, known, samples.quantity, time)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.deviation


@dataclass(frozen=True)
class _Processes:
    processes: Mapping[str, _Process]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        require_learned(times, self.processes, known)
        return {name: self.processes[name].predict(known, time) for name, time in times.items()}


def _process(samples: Samples, starts: int, largest: int, seed: int) -> _Process:
    """Return the process with the lowest error in a leave-one-run-out validation."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(samples.runs))
    counts = np.cumsum(np.bincount(samples.run, minlength=len(samples.runs))[order])
    chosen = np.isin(samples.run, order[: max(1, int(np.sum(counts <= largest)))])
    same = samples.run[:, None] == samples.run[None, :]
    mates, tried = same[np.ix_(chosen, chosen)], []
    for kernel in _kernels(samples):
        squares = kernel.squares(samples.x, samples.x)
        near = squares[:, chosen][:, :, chosen]
        for target in samples.targets:
            z = samples.values - samples.offset(target)
            mean, deviation = float(np.mean(z)), float(np.std(z)) or 1.0
            y = (z - mean) / deviation
            learned = _learned(kernel, near, mates, y[chosen], kernel.theta[None], _FIRST_STEPS)
            covariance = sum(learned.parts(squares, same)) + learned.noise * np.eye(len(y))
            error = _left_out_error(samples, target, deviation, covariance, y)
            tried.append((error, _Process(samples, target, learned, mean, deviation), y, near))
    # a single run cannot be left out
    _, best, y, near = tried[0] if len(samples.runs) == 1 else min(tried, key=lambda entry: entry[0])
    low, high = best.kernel.bounds.T
    drawn = random.uniform(low, high, (starts - 1, len(low)))
    return replace(best, kernel=_learned(best.kernel, near, mates, y[chosen], np.vstack([best.kernel.theta, drawn])))


def _learned(
    kernel: SampleKernel, squares: np.ndarray, same: np.ndarray, y: np.ndarray, starts: np.ndarray,
    steps: int = _STEPS,
) -> SampleKernel:  # fmt: skip
    """Return the kernel of the largest marginal likelihood, from some starting points, within some steps."""
    likelihood = MarginalLikelihood(squares, same, y)

    def cost(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = likelihood(theta)
        return (-value, -slope) if np.isfinite(value) else (1e25, np.zeros_like(theta))

    options = {"ftol": _ENOUGH, "maxiter": steps}
    found = [minimize(cost, start, jac=True, method="L-BFGS-B", bounds=kernel.bounds, options=options)
             for start in starts]  # fmt: skip
    return replace(kernel, theta=min(found, key=lambda one: one.fun).x)


def _kernels(samples: Samples) -> tuple[SampleKernel, ...]:
    """Return the kernels to choose from: a length scale for every column, or for every group of columns."""
    scaling = samples.scaling
    every, at = tuple(range(len(scaling.names))), scaling.names.index(TIME)
    grouped = () if scaling.groups == every else (SampleKernel.start(scaling.groups, at),)
    return (SampleKernel.start(every, at), *grouped)


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
