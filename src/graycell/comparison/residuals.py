"""ResidualProcess: how the measurements of a run differ from its prediction, learned from the runs that were left out.

The differences, divided by their size at that time, are a Gaussian process over time and quantities:

    cov = (1 - noise) ((1 - share) C[q, q'] exp(-|t - t'|/length) + share S[q t, q' t']) + noise [q t = q' t']

C is the correlation between quantities, drawn to the unit matrix for few runs. S is the empirical correlation of the
runs over times and quantities, and its share grows with their number: so that a run that begins as some of the others
did is expected to go on as they did. `length` and `noise` have the largest marginal likelihood on a grid, without S.
The smooth part is how a run deviates from its prediction, the noise is the assay and what else differs from sample to
sample. The size is a local mean square, in proportion to the level of the quantity at that time. Once samples of a run
are known, the process is conditioned on all of them, and this moves and narrows what is predicted, as far as such
samples foretold the later ones of the training runs. The size is itself an estimate from few runs, so that quantiles
are those of Student's t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import stdtrit

_WINDOW = 0.15
"""[1] Standard deviation of the window of a local mean square, as part of the duration."""
_BEFOREHAND = 3.0
"""[samples] Weight of the mean square over the whole time in a local one."""
_LEAST_LEVEL = 0.1
"""[1] Least level, as part of the largest."""
_LENGTHS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""[1] Correlation lengths that are tried, as part of the duration."""
_NOISES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95)
"""[1] Parts of noise in the variance that are tried."""
_FEW = 6.0
"""[runs] With as many runs the correlation between quantities counts half."""
_SEEN = 20.0
"""[runs] With as many runs the correlation as it was seen counts half."""
_GRID = 25
"""Times between which the correlation as it was seen is interpolated."""
_EXPECTED = 1.0
"""[runs] Weight of the expectation that a process foretells as much as it says."""
_MOST_PIECES = 3.0
"""[1] Independent pieces of one run, at most, of which the degrees of freedom are counted."""
_JITTER = 1e-9


@dataclass(frozen=True)
class Residuals:
    """Differences measured - predicted of one run.

    Attributes:
        time: (samples,) [d] by quantity.
        value: (samples,) by quantity, in its unit.
    """

    time: Mapping[str, np.ndarray]
    value: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ResidualProcess:
    """The process of residuals; see the module.

    Attributes:
        names: quantities.
        duration: [d] of the longest run.
        times: by quantity, (samples,) [d] of all residuals.
        squares: by quantity, (samples,) squares of all residuals over the level there [1].
        level: by quantity, (times,) what is usual, on even times from 0 to the duration, in its unit.
        floor: by quantity, the smallest size.
        correlation: (quantities, quantities) C.
        seen: (quantities, times, runs) a root of S, on even times from 0 to the duration.
        length: [d] of the correlation in time.
        noise: [1] part of the variance.
        runs: number of runs.
    """

    names: tuple[str, ...]
    duration: float
    times: Mapping[str, np.ndarray]
    squares: Mapping[str, np.ndarray]
    level: Mapping[str, np.ndarray]
    floor: Mapping[str, float]
    correlation: np.ndarray
    seen: np.ndarray
    length: float
    noise: float
    runs: int

    @classmethod
    def of(
        cls,
        residuals: Sequence[Residuals],
        names: Sequence[str],
        curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
        floor: Mapping[str, float],
        duration: float,
    ) -> "ResidualProcess":
        """Learn the process.

        Args:
            residuals: of each run that was left out.
            names: quantities.
            curves: by quantity, times [d] and usual values.
            floor: by quantity, the smallest size, in its unit.
            duration: [d] of the longest run.

        Returns:
            The process.
        """
        level = _levels(names, curves, duration)
        times, squares = _pooled(residuals, names, level, duration)
        shape = np.eye(len(names)), np.zeros((len(names), _GRID, 0)), duration, 0.5
        first = cls(tuple(names), duration, times, squares, level, dict(floor), *shape, len(residuals))
        scaled = [_scaled(first, one) for one in residuals]
        length, noise = _most_likely(scaled, duration)
        between = _correlation(scaled, first.names)
        seen = _seen(scaled, first.names, duration)
        return replace(first, correlation=between, seen=seen, length=length, noise=noise)

    def without(self, residuals: Sequence[Residuals], *left: int) -> "ResidualProcess":
        """Return the process with the sizes that the other runs give.

        Args:
            residuals: of each run, from which the process was learned.
            *left: numbers of the runs that are left out.

        Returns:
            The process; correlations stay those of all runs.
        """
        others = [one for i, one in enumerate(residuals) if i not in left]
        times, squares = _pooled(others, self.names, self.level, self.duration)
        seen = np.delete(self.seen, left, axis=-1)
        return replace(self, times=times, squares=squares, seen=seen, runs=len(others))

    def with_levels(self, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> "ResidualProcess":
        """Return the process with other usual values, to which sizes are in proportion; `without` learns them anew.

        Args:
            curves: by quantity, times [d] and usual values.

        Returns:
            The process.
        """
        return replace(self, level=_levels(self.names, curves, self.duration))

    def gain_after(self, residuals: Sequence[Residuals], known: Residuals) -> float:
        """Return how much of what the samples so far say of the later ones is true, as the training runs show.

        The process is conditioned on the samples that each training run has up to the same time, in the same
        quantities, and its later residuals are regressed on their conditional means. The sum of squares is drawn to the
        gain 1 as strongly as by `_EXPECTED` runs.

        Args:
            residuals: of each run, from which the process was learned.
            known: residuals of the run that is predicted.

        Returns:
            0 (the samples say nothing) to 1 (as much as the process expects).
        """
        until = {name: float(time[-1]) for name, time in known.time.items()}
        products, squares = 0.0, 0.0
        for k, one in enumerate(residuals):
            early = {name: one.time[name] <= end for name, end in until.items() if name in one.time}
            begun = Residuals({name: one.time[name][chosen] for name, chosen in early.items()},
                              {name: one.value[name][chosen] for name, chosen in early.items()})  # fmt: skip
            others = self.without(residuals, k)
            conditioned, last = others.conditioned(begun), max(until.values())
            for name, time in one.time.items():
                later = time > until.get(name, last)
                if np.any(later):
                    mean = conditioned.mean_and_variance(name, time[later])[0]
                    found = one.value[name][later] / others.size(name, time[later])
                    # the mean over the samples, so that each quantity of each run counts the same
                    products, squares = products + float(np.mean(mean * found)), squares + float(np.mean(mean**2))
        if not squares > 0.0:
            return 1.0
        beforehand = _EXPECTED * squares / max(len(residuals), 1)
        return float(np.clip((products + beforehand) / (squares + beforehand), 0.0, 1.0))

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the size: the runs, and pieces of them that are independent."""
        return self.runs * float(np.clip(0.5 * self.duration / self.length, 1.0, _MOST_PIECES))

    @property
    def independent(self) -> float:
        """How many quantities there are, those that go along with each other counted as less (participation ratio)."""
        return len(self.names) ** 2 / float(np.sum(self.correlation**2))

    def size(self, name: str, time: np.ndarray) -> np.ndarray:
        """Return the size of residuals.

        Args:
            name: of the quantity.
            time: (n,) [d].

        Returns:
            (n,) standard deviations in the unit of the quantity.
        """
        at, square = self.times[name], self.squares[name]
        floor, time = self.floor[name], np.asarray(time, float)
        if not len(at):
            return np.full(time.shape, floor)
        window = np.exp(-0.5 * ((time[:, None] - at[None, :]) / (_WINDOW * self.duration)) ** 2)
        local = (window @ square + _BEFOREHAND * np.mean(square)) / (np.sum(window, axis=1) + _BEFOREHAND)
        return np.maximum(np.sqrt(local) * _at(self.level[name], time, self.duration), floor)

    def quantile(self, level: float) -> float:
        """Return how many sizes from the middle the ends of a central band are.

        Args:
            level: [1] of the band.

        Returns:
            A quantile of Student's t [1].
        """
        return float(stdtrit(self.degrees, 0.5 + 0.5 * level))

    def conditioned(self, known: Residuals, gain: float = 1.0) -> "Conditioned":
        """Return the process given residuals of the run that is predicted.

        Args:
            known: residuals of its samples so far; possibly none.
            gain: [1] part of what they say that is believed, see `gain_after`.

        Returns:
            The conditioned process.
        """
        counts = [len(known.time.get(name, ())) for name in self.names]
        which = np.repeat(np.arange(len(self.names)), counts)
        time = np.concatenate([np.asarray(known.time.get(name, ()), float) for name in self.names])
        value = np.concatenate([
            np.asarray(known.value[name], float) / self.size(name, np.asarray(known.time[name], float))
            if name in known.time else np.zeros(0) for name in self.names
        ])  # fmt: skip
        return Conditioned(self, which, time, value, gain)

    def smooth(self, of: np.ndarray, at: np.ndarray, other: np.ndarray, then: np.ndarray) -> np.ndarray:
        """Return the covariance of the smooth part between two sets of points.

        Args:
            of: (n,) numbers of quantities.
            at: (n,) [d].
            other: (m,) numbers of quantities.
            then: (m,) [d].

        Returns:
            (n, m) [1]
        """
        kernel = self.correlation[np.ix_(of, other)] * np.exp(-np.abs(at[:, None] - then[None, :]) / self.length)
        as_seen = self.root(of, at) @ self.root(other, then).T
        # what is not seen, as after the last sample, varies by itself
        as_seen = np.where((of[:, None] == other[None, :]) & (at[:, None] == then[None, :]), 1.0, as_seen)
        return (1.0 - self.noise) * ((1.0 - self.share) * kernel + self.share * as_seen)

    @property
    def share(self) -> float:
        """Share of the correlation as it was seen [1]."""
        return self.runs / (self.runs + _SEEN)

    def root(self, of: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the root of S at points, interpolated between its times.

        Args:
            of: (n,) numbers of quantities.
            at: (n,) [d].

        Returns:
            (n, runs) [1]
        """
        place = np.clip(at / self.duration, 0.0, 1.0) * (_GRID - 1)
        low = np.minimum(place.astype(int), _GRID - 2)
        part = (place - low)[:, None]
        return (1.0 - part) * self.seen[of, low] + part * self.seen[of, low + 1]


@dataclass(frozen=True)
class Conditioned:
    """A process of residuals given samples of the run; all in sizes.

    Attributes:
        process: before.
        which: (known,) numbers of the quantities of the samples.
        time: (known,) [d].
        value: (known,) [sizes].
        gain: [1] part of the conditional mean that is believed.
    """

    process: ResidualProcess
    which: np.ndarray
    time: np.ndarray
    value: np.ndarray
    gain: float = 1.0

    def mean_and_variance(self, name: str, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of the smooth part of a quantity.

        Args:
            name: of the quantity.
            time: (n,) [d].

        Returns:
            (n,) [sizes] and (n,) [sizes^2].
        """
        process, time = self.process, np.asarray(time, float)
        prior = np.full(time.shape, 1.0 - process.noise)
        if not len(self.time):
            return np.zeros(time.shape), prior
        here = np.full(len(time), process.names.index(name), int)
        cross = process.smooth(here, time, self.which, self.time)
        factor = self._factor()
        explained = np.sum(cross.T * cho_solve(factor, cross.T), axis=0)
        # the error of a share g of the best linear prediction
        variance = prior - self.gain * (2.0 - self.gain) * explained
        return self.gain * (cross @ cho_solve(factor, self.value)), np.maximum(variance, 0.0)

    def draws(self, time: np.ndarray, count: int, random: np.random.Generator, noisy: bool = False) -> np.ndarray:
        """Return draws of the smooth part, of all quantities together.

        Args:
            time: (n,) [d].
            count: number of draws.
            random: source of random numbers.
            noisy: whether the noise of a measurement is added.

        Returns:
            (count, n, quantities) [sizes]
        """
        process = self.process
        every = np.unique(np.concatenate([time, self.time]))
        in_time = np.exp(-np.abs(every[:, None] - every[None, :]) / process.length)
        along = np.linalg.cholesky(in_time + _JITTER * np.eye(len(every)))
        across = np.linalg.cholesky(process.correlation + _JITTER * np.eye(len(process.names)))
        normal = random.standard_normal((count, len(every), len(process.names)))
        drawn = np.sqrt(1.0 - process.share) * np.einsum("ij,djq,pq->dip", along, normal, across)
        runs = random.standard_normal((process.seen.shape[-1], count))
        for q in range(len(process.names)):
            root = process.root(np.full(len(every), q, int), every)
            rest = np.sqrt(np.maximum(1.0 - np.sum(root**2, axis=1), 0.0))
            alone = rest * random.standard_normal((count, len(every)))
            drawn[:, :, q] += np.sqrt(process.share) * ((root @ runs).T + alone)
        drawn *= np.sqrt(1.0 - process.noise)
        if len(self.time):  # Matheron's rule: a draw before, moved by what the samples say of it
            rows = np.searchsorted(every, self.time)
            seen = drawn[:, rows, self.which]
            seen = seen + np.sqrt(process.noise) * random.standard_normal(seen.shape)
            moved = self.gain * cho_solve(self._factor(), (self.value[None, :] - seen).T)
            for q in range(len(process.names)):
                cross = process.smooth(np.full(len(every), q, int), every, self.which, self.time)
                drawn[:, :, q] += (cross @ moved).T
        # one factor for a draw: the size of residuals is not known exactly
        spread = np.sqrt(process.degrees / random.chisquare(process.degrees, count))
        centre = np.stack([self.mean_and_variance(name, every)[0] for name in process.names], axis=1)
        if noisy:
            drawn = drawn + np.sqrt(process.noise) * random.standard_normal(drawn.shape)
        drawn = centre + spread[:, None, None] * (drawn - centre)
        return drawn[:, np.searchsorted(every, time)]

    def _factor(self):
        process = self.process
        among = process.smooth(self.which, self.time, self.which, self.time)
        return cho_factor(among + (process.noise + _JITTER) * np.eye(len(self.time)))


def _levels(
    names: Sequence[str], curves: Mapping[str, tuple[np.ndarray, np.ndarray]], duration: float
) -> dict[str, np.ndarray]:
    """Return what residuals are in proportion to: the usual value, at least a part of its largest one."""
    found = {}
    for name in names:
        usual = np.abs(np.interp(np.linspace(0.0, duration, _GRID), *curves[name]))
        found[name] = np.maximum(usual, _LEAST_LEVEL * float(np.max(usual, initial=0.0))) + 1e-300
    return found


def _at(level: np.ndarray, time: np.ndarray, duration: float) -> np.ndarray:
    return np.interp(time, np.linspace(0.0, duration, len(level)), level)


def _pooled(
    residuals: Sequence[Residuals], names: Sequence[str], level: Mapping[str, np.ndarray], duration: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return times and squares of all residuals over the level there, by quantity."""
    times, squares = {}, {}
    for name in names:
        of = [one for one in residuals if name in one.time]
        times[name] = np.concatenate([np.zeros(0), *(one.time[name] for one in of)])
        value = np.concatenate([np.zeros(0), *(one.value[name] for one in of)])
        squares[name] = (value / _at(level[name], times[name], duration)) ** 2
    return times, squares


def _scaled(process: ResidualProcess, one: Residuals) -> Residuals:
    value = {name: one.value[name] / process.size(name, one.time[name]) for name in one.time if name in process.names}
    return Residuals({name: one.time[name] for name in value}, value)


def _most_likely(scaled: Sequence[Residuals], duration: float) -> tuple[float, float]:
    """Return correlation length [d] and part of noise [1] with the largest likelihood, quantities apart."""
    best, found = -np.inf, (0.2 * duration, 0.5)
    for length in (share * duration for share in _LENGTHS):
        for noise in _NOISES:
            total = sum(_log_likelihood(one.time[name], one.value[name], length, noise)
                        for one in scaled for name in one.time)  # fmt: skip
            if total > best:
                best, found = total, (length, noise)
    return found


def _log_likelihood(time: np.ndarray, value: np.ndarray, length: float, noise: float) -> float:
    if len(time) < 2:
        return 0.0
    covariance = (1.0 - noise) * np.exp(-np.abs(time[:, None] - time[None, :]) / length)
    factor = np.linalg.cholesky(covariance + (noise + _JITTER) * np.eye(len(time)))
    whitened = np.linalg.solve(factor, value)
    return float(-0.5 * whitened @ whitened - np.sum(np.log(np.diag(factor))))


def _correlation(scaled: Sequence[Residuals], names: Sequence[str]) -> np.ndarray:
    """Return the correlation of residuals between quantities at equal times, drawn to the unit matrix."""
    total, count = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)))
    for one in scaled:
        every = np.unique(np.concatenate([np.zeros(0), *one.time.values()]))
        table = np.full((len(every), len(names)), np.nan)
        for i, name in enumerate(names):
            if name in one.time:
                table[np.searchsorted(every, one.time[name]), i] = one.value[name]
        there = np.isfinite(table)
        filled = np.where(there, table, 0.0)
        total += filled.T @ filled
        count += there.T.astype(float) @ there
    mean = total / np.maximum(count, 1.0)
    size = np.sqrt(np.maximum(np.diag(mean), 1e-12))
    share = len(scaled) / (len(scaled) + _FEW)
    found = share * mean / np.outer(size, size) + (1.0 - share) * np.eye(len(names))
    np.fill_diagonal(found, 1.0)
    # samples of different times in different quantities may leave a matrix that is none of correlations
    values, vectors = np.linalg.eigh(found)
    found = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    return found / np.sqrt(np.outer(np.diag(found), np.diag(found)))


def _seen(scaled: Sequence[Residuals], names: Sequence[str], duration: float) -> np.ndarray:
    """Return a root of the correlation of the runs as they were seen, (quantities, times, runs)."""
    grid = np.linspace(0.0, duration, _GRID)
    table = np.zeros((len(names), _GRID, len(scaled)))
    for k, one in enumerate(scaled):
        for i, name in enumerate(names):
            if name in one.time and len(one.time[name]):
                # nothing deviates before the first sample; after the last one nothing is known
                inside = np.interp(grid, one.time[name], one.value[name], left=0.0, right=0.0)
                table[i, :, k] = inside
    size = np.sqrt(np.sum(table**2, axis=-1, keepdims=True))
    return table / np.where(size > 0.0, size, 1.0)
