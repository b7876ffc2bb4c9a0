"""Means and paired differences of errors, with 95 % intervals from a bootstrap over whole runs.

Samples of one run share their errors, so runs are resampled (a cluster bootstrap); the draws are the same for all
candidates, so differences are paired. With a single run, quantities are resampled instead, and `Interval.drawn` says
so: such an interval describes how even the error is over the quantities, and says nothing about other runs. With few
runs a percentile interval is too short, so their number is reported with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

ALL = "all quantities"
"""Name of the row of all quantities together."""
DRAWS = 10_000
"""Bootstrap draws of an interval."""
SEED = 20260101
"""Seed of the draws. With `DRAWS` draws, the ends of an interval repeat to a hundredth of its length."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval.

    Attributes:
        value: the mean [1].
        low: lower end [1]; NaN if nothing was drawn or the mean is not finite.
        high: upper end [1]; NaN like `low`.
        drawn: what was resampled; "nothing" if there are fewer than two.
        count: number of these.
    """

    value: float
    low: float
    high: float
    drawn: Literal["runs", "quantities", "nothing"]
    count: int


@dataclass(frozen=True)
class QuantityError:
    """The error of a candidate in a quantity.

    Attributes:
        candidate: its name.
        quantity: its name.
        unit: of the quantity.
        range: of the quantity in `unit`.
        nrmse: root mean square error over the range, of the predictions that were made [1]; NaN if none was.
        failed: number of runs without a prediction.
    """

    candidate: str
    quantity: str
    unit: str
    range: float
    nrmse: Interval
    failed: int

    @property
    def rmse(self) -> float:
        """The error in `unit`."""
        return self.nrmse.value * self.range


@dataclass(frozen=True)
class OverallError:
    """The error of a candidate in all quantities and runs.

    Attributes:
        candidate: its name.
        nrmse: root mean square error over the range, of the predictions that were made, the median over the seeds [1];
            NaN if none was.
        least: of the seeds [1].
        largest: of the seeds [1].
        failed: number of failed predictions of a quantity of a run.
        predictions: number of all predictions, failed ones included.
    """

    candidate: str
    nrmse: Interval
    least: float
    largest: float
    failed: int
    predictions: int

    @property
    def rank(self) -> tuple[int, float]:
        """Sorts candidates, the best first: one that failed less often comes before one with a smaller error."""
        return self.failed, np.inf if np.isnan(self.nrmse.value) else self.nrmse.value


@dataclass(frozen=True)
class RunError:
    """The error of a candidate in one run.

    Attributes:
        candidate: its name.
        run: name of the predicted run.
        nrmse: root mean square error over the range, the mean over the predictions that were made [1]; NaN if none was.
        failed: number of failed predictions of a quantity.
        predictions: number of all predictions of a quantity, failed ones included.
        failure: why the first of them failed; empty if none did.
    """

    candidate: str
    run: str
    nrmse: float
    failed: int
    predictions: int
    failure: str


@dataclass(frozen=True)
class SizeError:
    """A point of a learning curve.

    Attributes:
        candidate: its name.
        training_runs: number of training runs.
        nrmse: root mean square error over the range, of the predictions that were made, the median over the seeds [1].
        least: of the seeds [1].
        largest: of the seeds [1].
        failed: number of failed predictions of a quantity of a run.
    """

    candidate: str
    training_runs: int
    nrmse: float
    least: float
    largest: float
    failed: int


@dataclass(frozen=True)
class Difference:
    """The difference in error of a candidate to a reference.

    Attributes:
        candidate: its name.
        reference: name of the reference.
        quantity: its name, or `ALL`.
        nrmse: error of the candidate less that of the reference [1]; negative if the candidate is better.
        better: part of the pairs in which the candidate has the lower error [1].
        pairs: number of pairs of a run and a quantity.
        left_out: pairs in which one of the two failed.
    """

    candidate: str
    reference: str
    quantity: str
    nrmse: Interval
    better: float
    pairs: int
    left_out: int


def mean_of_quantity(errors: np.ndarray) -> Interval:
    """Average the errors of one quantity over the runs that measured it.

    Args:
        errors: (seeds, runs) [1], NaN where it was not measured, infinite where the prediction failed.

    Returns:
        The mean of the predictions that were made, its median over the seeds.
    """
    made = reached(errors)
    return _interval(made[:, ~np.all(np.isnan(made), axis=0)], "runs")


def reached(errors: np.ndarray) -> np.ndarray:
    """Return errors with NaN in place of those of failed predictions, which are infinite.

    Args:
        errors: [1] of any shape.

    Returns:
        Errors of the same shape.
    """
    return np.where(np.isfinite(errors), errors, np.nan)


def mean_by_seed(errors: np.ndarray) -> np.ndarray:
    """Average errors over the quantities of a run, then over the runs.

    Args:
        errors: (seeds, runs, quantities) [1], NaN where not measured, infinite where the prediction failed.

    Returns:
        (seeds,) means of the predictions that were made [1].
    """
    return _mean(_means(reached(errors)))


def mean_of_all(errors: np.ndarray) -> Interval:
    """Average errors over the quantities of a run, then over the runs, with an interval.

    Args:
        errors: (seeds, runs, quantities) [1], NaN where not measured, infinite where the prediction failed.

    Returns:
        The mean of the predictions that were made, its median over the seeds.

    >>> interval = mean_of_all(np.array([[[0.1, 0.3], [0.4, 0.4]]]))
    >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3)
    (0.3, 0.2, 0.4)
    """
    errors = reached(errors)
    by_run = _means(errors)
    if by_run.shape[1] != 1:
        return _interval(by_run, "runs")
    quantities = errors[:, ~np.all(np.isnan(errors), axis=(0, 2)), :][:, 0, :]
    return _interval(quantities[:, ~np.all(np.isnan(quantities), axis=0)], "quantities")


def differences(
    candidate: str, reference: str, errors: np.ndarray, others: np.ndarray, quantities: Sequence[str]
) -> list[Difference]:
    """Return the differences in error of a candidate to a reference, in each quantity and last in all together.

    Args:
        candidate: its name.
        reference: name of the reference.
        errors: of the candidate, (seeds, runs, quantities) [1].
        others: of the reference, likewise.
        quantities: their names.

    Returns:
        One difference for each quantity, and one for `ALL`.
    """
    measured = ~np.any(np.isnan(errors) | np.isnan(others), axis=0)
    failed = np.any(np.isinf(errors) | np.isinf(others), axis=0)
    used = measured & ~failed
    mine, theirs = (np.where(used, part, np.nan) for part in (errors, others))
    found = []
    for j, quantity in enumerate((*quantities, ALL)):
        chosen = slice(None) if quantity == ALL else slice(j, j + 1)
        first, second = mine[:, :, chosen], theirs[:, :, chosen]
        interval = _paired(first, second, quantity == ALL)
        wins = np.median(first[:, used[:, chosen]], axis=0) < np.median(second[:, used[:, chosen]], axis=0)
        pairs, left_out = int(np.sum(used[:, chosen])), int(np.sum((measured & failed)[:, chosen]))
        better = float(np.mean(wins)) if pairs else np.nan
        found.append(Difference(candidate, reference, quantity, interval, better, pairs, left_out))
    return found


def _paired(mine: np.ndarray, theirs: np.ndarray, all_quantities: bool) -> Interval:
    first, second = _means(mine), _means(theirs)
    drawn: Literal["runs", "quantities"] = "runs"
    if first.shape[1] == 1 and all_quantities:
        used = ~np.all(np.isnan(mine), axis=(0, 1))
        first, second = (np.nanmean(part[:, :, used], axis=1) for part in (mine, theirs))
        drawn = "quantities"
    return _interval(first, drawn, second)


def _means(errors: np.ndarray) -> np.ndarray:
    """Return the mean over the quantities, (seeds, runs), without runs that have none."""
    some = ~np.all(np.isnan(errors), axis=(0, 2))
    return _mean(errors[:, some, :])


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where everything is."""
    there = ~np.isnan(values)
    count = np.sum(there, axis=-1)
    total = np.sum(np.where(there, values, 0.0), axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interval(values: np.ndarray, drawn: Literal["runs", "quantities"], others: np.ndarray | None = None) -> Interval:
    """Return the mean over columns, the median over rows; less that of `others` from the same draws, if given.

    What is NaN is left out; `others` has NaN in the same places.
    """
    count = values.shape[1]
    if count == 0:
        return Interval(np.nan, np.nan, np.nan, "nothing", 0)
    value = float(_median(_mean(values)))
    if others is not None:
        value -= float(_median(_mean(others)))
    if count == 1 or not np.isfinite(value):
        return Interval(value, np.nan, np.nan, "nothing" if count == 1 else drawn, count)
    random = np.random.default_rng(SEED)
    weights = random.multinomial(count, np.full(count, 1.0 / count), size=DRAWS) / count
    means = _median(_drawn_means(weights, values))
    if others is not None:
        means = means - _median(_drawn_means(weights, others))
    low, high = np.quantile(means[~np.isnan(means)], [0.025, 0.975])
    return Interval(value, float(low), float(high), drawn, count)


def _drawn_means(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the means (draws, rows) of values (rows, columns) with weights (draws, columns) that sum to 1."""
    there = ~np.isnan(values)
    if np.all(there):
        return weights @ values.T
    total, share = weights @ np.where(there, values, 0.0).T, weights @ there.T
    return np.where(share > 0.0, total / np.maximum(share, np.finfo(float).tiny), np.nan)


def _median(values: np.ndarray) -> np.ndarray:
    """Return the median over the last axis of what is not NaN; NaN where everything is."""
    empty = np.all(np.isnan(values), axis=-1)
    return np.where(empty, np.nan, np.nanmedian(np.where(empty[..., None], 0.0, values), axis=-1))
