"""Predictors without any biology: what a model of a culture has to beat, and what any candidate must offer.

A candidate learns from runs and gives a predictor; a predictor says what would be measured in a run of which only the
beginning is known. All of it is plain NumPy in internal units, so that anything can be compared with anything. The two
that learn, `GaussianProcess` and `BoostedTrees`, choose what they learn by leaving out training runs, one quantity at a
time; they never see a test run.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, cast

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, WhiteKernel
from threadpoolctl import threadpool_limits

from graycell.comparison.features import TIME, GroupedRBF, Scaling, features_of, scaling_of
from graycell.errors import FitError, nearest
from graycell.runs.records import CultureRun

Target = Literal["value", "change", "deviation"]
"""What is learned of a quantity: itself, its change since time 0, or its deviation from the mean of the runs."""


class Predictor(Protocol):
    """Something trained that predicts a run."""

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return, for every quantity in `times`, its values there, in its internal unit; times [d].

        `known` holds what is known in advance: initial state, events, media, signals and the measurements up to the
        cut (those at time 0 for a run that is new). Raises `GraycellError` where it cannot be predicted.
        """
        ...


class Candidate(Protocol):
    """Something that can be trained on runs; `name` stands in every table."""

    @property
    def name(self) -> str:
        """The name, unlike that of any other candidate."""
        ...

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return what was learned from runs; what is drawn at random is drawn from `seed` alone.

        Raises `GraycellError` where nothing can be learned.
        """
        ...


class _Settings:
    """A baseline: its training depends on its fields alone."""

    def depends_on(self, runs: Sequence[CultureRun], seed: int) -> dict[str, object]:
        """Return all that a training depends on beside runs and seed: kind and settings."""
        return {"kind": type(self).__name__, **asdict(cast(Any, self))}


@dataclass(frozen=True)
class LastValue(_Settings):
    """Every quantity stays at its last known value: for a new run the one at time 0."""

    name: str = "last value"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return the predictor; nothing is learned."""
        return _Stays()


@dataclass(frozen=True)
class MeanOfRuns(_Settings):
    """The mean of the training runs at that time, whatever was done to them.

    Each is interpolated linearly between its samples and left out where it has none; before the first and after the
    last sample of all, the mean stays as it is there.
    """

    name: str = "mean of the runs"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return the mean curves of the measured quantities. Raises `FitError` where nothing was measured."""
        return _Curves({name: _mean_curve(of, name) for name, of in _measured(runs).items()})


@dataclass(frozen=True)
class GaussianProcess(_Settings):
    """A Gaussian process for each quantity over the columns of `features_of`, standardised.

    The kernel is the sum of squared exponentials over time (a curve common to all runs), over all columns (deviations
    from it that they tell), over time within a run (deviations that nothing tells), and of white noise (the assay). The
    second has one length scale for every column, or one for every group of columns; the quantity is learned itself, its
    change since time 0, or its deviation from the mean of the runs. Of these the one is kept that best predicts the
    training runs when each is left out. Hyperparameters maximise the marginal likelihood on `largest` samples at most,
    of whole runs, and for the one that is kept from `starts` starts; the process is conditioned on all samples, and on
    what is known of the run itself.
    """

    name: str = "Gaussian process"
    starts: int = 2
    largest: int = 250

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return the processes of the measured quantities. Raises `FitError` where nothing was measured."""
        return _Processes(
            {
                name: _process(_samples(of, name), self.starts, self.largest, seed)
                for name, of in _measured(runs).items()
            }
        )


@dataclass(frozen=True)
class BoostedTrees(_Settings):
    """Gradient-boosted trees for each quantity over the columns of `features_of`.

    Of what is learned (the quantity, its change since time 0, its deviation from the mean of the runs) and of the
    number of trees, up to `trees`, those are kept that best predict training runs that were left out, in up to `folds`
    groups. A forecast after the start begins at the last known value, for trees do not extrapolate in time. `depth`,
    `rate` [1] and `leaf` (samples) are of the trees.
    """

    name: str = "boosted trees"
    trees: int = 300
    depth: int = 3
    rate: float = 0.05
    leaf: int = 3
    folds: int = 4

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Return the trees of the measured quantities. Raises `FitError` where nothing was measured."""
        return _Forests({name: self._forest(_samples(of, name), seed) for name, of in _measured(runs).items()})

    def _forest(self, samples: "_Samples", seed: int) -> "_Forest":
        target, count = self._choose(samples, seed)
        regressor = self._regressor(count, seed).fit(samples.x, samples.values - samples.offset(target))
        return _Forest(samples, target, regressor)

    def _choose(self, samples: "_Samples", seed: int) -> tuple[Target, int]:
        """Return the target and number of trees with the least squared error in runs that were left out."""
        folds = min(self.folds, len(samples.runs))
        if folds < 2:
            return "value", self.trees
        fold = np.random.default_rng(seed).permutation(len(samples.runs))[samples.run] % folds
        errors: dict[Target, np.ndarray] = {}
        for target in samples.targets:
            squares = np.zeros(self.trees)
            for k in range(folds):
                inside, outside = fold != k, fold == k
                offset = samples.offset(target, np.unique(samples.run[inside]))
                regressor = self._regressor(self.trees, seed)
                regressor.fit(samples.x[inside], (samples.values - offset)[inside])
                wanted = (samples.values - offset)[outside]
                squares += [np.sum((found - wanted) ** 2) for found in regressor.staged_predict(samples.x[outside])]
            errors[target] = squares
        best = min(errors, key=lambda target: float(np.min(errors[target])))
        return best, int(np.argmin(errors[best])) + 1

    def _regressor(self, count: int, seed: int) -> GradientBoostingRegressor:
        return GradientBoostingRegressor(
            n_estimators=count, learning_rate=self.rate, max_depth=self.depth, min_samples_leaf=self.leaf,
            subsample=0.8, random_state=seed,
        )  # fmt: skip


BASELINES: tuple[Candidate, ...] = (LastValue(), MeanOfRuns(), GaussianProcess(), BoostedTrees())
"""The baselines, the simplest first."""


class _Stays:
    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        predicted = {}
        for quantity, time in times.items():
            value = _last(known, quantity)[1]
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
        _require(times, self.curves, known)
        return {quantity: np.interp(time, *self.curves[quantity]) for quantity, time in times.items()}


@dataclass(frozen=True)
class _Samples:
    """All samples of one quantity in the training runs.

    x: (samples, columns) [1]; values, time [d], run (index): (samples,).
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
        starts = [_start(run, self.quantity) for run in self.runs]
        return ("value", "change", "deviation") if np.all(np.isfinite(starts)) else ("value", "deviation")

    def offset(self, target: Target, inside: np.ndarray | None = None) -> np.ndarray:
        """Return what is taken off the values; the mean is of the runs `inside` alone, by index, if they are given."""
        chosen = self.runs if inside is None else [self.runs[i] for i in inside]
        curve = _mean_curve(chosen, self.quantity)
        parts = [_offset(target, curve, run, self.quantity, run.measurements[self.quantity].time) for run in self.runs]
        return np.concatenate(parts)


@dataclass(frozen=True)
class _Process:
    """A Gaussian process of one quantity; `mean` and `deviation` standardise what is learned."""

    samples: _Samples
    target: Target
    kernel: Kernel
    mean: float
    deviation: float

    def predict(self, known: CultureRun, time: np.ndarray) -> np.ndarray:
        samples = self.samples
        curve = _mean_curve(samples.runs, samples.quantity)
        x, y = _with_run(samples.x, samples.run), self._standard(samples.values - samples.offset(self.target))
        series, names = known.measurements.get(samples.quantity), [run.name for run in samples.runs]
        index = names.index(known.name) if known.name in names else len(names)
        # what is known of a training run was learned from; twice in the data it would count for too much
        if index == len(names) and series is not None:
            start = _offset(self.target, curve, known, samples.quantity, series.time)
            x = np.concatenate([x, _with_run(samples.scaling(features_of(known, series.time)), index)])
            y = np.concatenate([y, self._standard(series.value - start)])
        fixed = cast(Any, None)  # the hyperparameters stay; the signature of scikit-learn does not say that it may be
        with threadpool_limits(1):
            process = GaussianProcessRegressor(self.kernel, optimizer=fixed).fit(x, y)
            found = np.asarray(process.predict(_with_run(samples.scaling(features_of(known, time)), index)))
        return self.mean + self.deviation * found + _offset(self.target, curve, known, samples.quantity, time)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        return (values - self.mean) / self.deviation


@dataclass(frozen=True)
class _Processes:
    processes: Mapping[str, _Process]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        _require(times, self.processes, known)
        return {name: self.processes[name].predict(known, time) for name, time in times.items()}


def _with_run(x: np.ndarray, run: np.ndarray | int) -> np.ndarray:
    """Return the columns and the index of the run as a last one, which only the kernel within a run sees."""
    return np.column_stack([x, np.broadcast_to(run, len(x))])


def _process(samples: _Samples, starts: int, largest: int, seed: int) -> _Process:
    """Return the process that best predicts the training runs when each is left out."""
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
    _, best, y = tried[0] if len(samples.runs) == 1 else min(tried, key=lambda one: one[0])
    return replace(best, kernel=_learned(best.kernel, x[chosen], y[chosen], starts - 1, seed))


def _learned(kernel: Kernel, x: np.ndarray, y: np.ndarray, restarts: int, seed: int) -> Kernel:
    """Return the kernel of the largest marginal likelihood, from where it is and from `restarts` drawn starts."""
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=restarts, random_state=seed)
    # the matrices are small: threads take more time than they save, far more where others work beside them
    with warnings.catch_warnings(), threadpool_limits(1):
        # a length scale at its bound is no fault: the column does not matter
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cast(Kernel, process.fit(x, y).kernel_)


def _kernels(scaling: Scaling) -> tuple[Kernel, ...]:
    """Return kernels to choose from: with a length scale for every column, and for every group of columns."""
    wide = (0.3, 100.0)  # runs are few: what changes within less of a standard deviation is noise of the start
    count = len(scaling.names)
    over_time = (*(0 if name == TIME else -1 for name in scaling.names), -1)
    same_run = GroupedRBF((*[-1] * count, 0), 0.01, "fixed")  # indices differ by 1: of two runs it is 0

    def scaled(value: float, kernel: Kernel) -> Kernel:
        return ConstantKernel(value, (1e-4, 1e3)) * kernel

    def whole(groups: tuple[int, ...]) -> Kernel:
        told = GroupedRBF((*groups, -1), np.full(max(groups) + 1, 2.0), wide)
        # slow and small: else it would explain every run by itself, and nothing could be said of a new one
        untold = ConstantKernel(0.01, (1e-4, 0.05)) * same_run * GroupedRBF(over_time, 2.0, (1.0, 100.0))
        common = scaled(1.0, GroupedRBF(over_time, 1.0, wide))
        return common + scaled(0.3, told) + untold + WhiteKernel(0.03, (1e-5, 1.0))

    every = tuple(range(count))
    return (whole(every),) if scaling.groups == every else (whole(every), whole(scaling.groups))


def _left_out_error(
    samples: _Samples, target: Target, deviation: float, covariance: np.ndarray, y: np.ndarray
) -> float:
    """Return the sum of the squared errors of the runs, each predicted from the others; y: standardised values.

    The residual of a block B is ([K^-1]_BB)^-1 [K^-1 y]_B (Rasmussen & Williams 2006, sec. 5.4.2).
    """
    inverse = np.linalg.inv(covariance + 1e-10 * np.eye(len(y)))
    weighted = inverse @ y
    offset, squares = samples.offset(target), 0.0
    for index in range(len(samples.runs)) if len(samples.runs) > 1 else ():
        block = samples.run == index
        residual = deviation * np.linalg.solve(inverse[np.ix_(block, block)], weighted[block])
        if target == "deviation":  # the mean of the runs is without the run as well
            others = np.delete(np.arange(len(samples.runs)), index)
            residual = residual + (offset - samples.offset(target, others))[block]
        squares += float(np.sum(residual**2))
    return squares


@dataclass(frozen=True)
class _Forest:
    samples: _Samples
    target: Target
    regressor: GradientBoostingRegressor

    def predict(self, known: CultureRun, time: np.ndarray) -> np.ndarray:
        quantity = self.samples.quantity
        curve = _mean_curve(self.samples.runs, quantity)
        last, value = _last(known, quantity)
        at = np.append(time, last)
        found = self.regressor.predict(self.samples.scaling(features_of(known, at)))
        found = found + _offset(self.target, curve, known, quantity, at)
        return found[:-1] + (value - found[-1] if last > 0.0 else 0.0)


@dataclass(frozen=True)
class _Forests:
    forests: Mapping[str, _Forest]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        _require(times, self.forests, known)
        return {quantity: self.forests[quantity].predict(known, time) for quantity, time in times.items()}


def _measured(runs: Sequence[CultureRun]) -> dict[str, list[CultureRun]]:
    """Return, for every quantity, the runs that measured it."""
    found: dict[str, list[CultureRun]] = {}
    for run in runs:
        for quantity, series in run.measurements.items():
            if len(series.time):
                found.setdefault(quantity, []).append(run)
    if not found:
        raise FitError(f"found {len(runs)} training runs without measurements; a baseline learns from some; add them.")
    return found


def _samples(runs: Sequence[CultureRun], quantity: str) -> _Samples:
    series = [run.measurements[quantity] for run in runs]
    tables = [features_of(run, one.time) for run, one in zip(runs, series, strict=True)]
    scaling = scaling_of(tables)
    return _Samples(
        quantity,
        tuple(runs),
        scaling,
        np.concatenate([scaling(table) for table in tables]),
        np.concatenate([one.value for one in series]),
        np.concatenate([one.time for one in series]),
        np.repeat(np.arange(len(runs)), [len(one.time) for one in series]),
    )


def _mean_curve(runs: Sequence[CultureRun], quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Return times [d] and the mean there of the runs that measured a quantity both before, or at, them and after."""
    series = [run.measurements[quantity] for run in runs]
    grid = np.unique(np.concatenate([one.time for one in series]))
    curves = [np.interp(grid, one.time, one.value, left=np.nan, right=np.nan) for one in series]
    return grid, np.nanmean(curves, axis=0)


def _offset(
    target: Target, curve: tuple[np.ndarray, np.ndarray], run: CultureRun, quantity: str, time: np.ndarray
) -> np.ndarray:
    """Return what is taken off a quantity of a run at times [d] before it is learned, and added again after."""
    if target == "deviation":
        return np.interp(time, *curve)
    if target == "value":
        return np.zeros(np.shape(time))
    start = _start(run, quantity)
    return np.full(np.shape(time), start if np.isfinite(start) else curve[1][0])


def _start(run: CultureRun, quantity: str) -> float:
    """Return the value of a quantity at time 0, NaN where it is not known."""
    series = run.measurements.get(quantity)
    if series is not None and len(series.time) and series.time[0] <= 0.0:
        return float(series.value[0])
    return float(run.initial.get(quantity, np.nan))


def _last(run: CultureRun, quantity: str) -> tuple[float, float]:
    """Return when [d] a quantity was last known, and its value; NaN where it never was."""
    series = run.measurements.get(quantity)
    if series is not None and len(series.time):
        return float(series.time[-1]), float(series.value[-1])
    return 0.0, _start(run, quantity)


def _require(times: Mapping[str, np.ndarray], learned: Mapping[str, object], run: CultureRun) -> None:
    for quantity in times:
        if quantity not in learned:
            raise FitError(f"run '{run.name}': found '{quantity}', which no training run measured; "
                           f"{nearest(quantity, learned)}.")  # fmt: skip
