"""Errors of many runs -> means and paired differences with intervals of 95 %, by drawing whole runs again.

Samples of one run share its faults, so the run is what is drawn (a cluster bootstrap); draws are the same for all
candidates, so a difference is paired. Where there is one run, quantities are drawn instead, and `Interval.drawn` says
so: such an interval says how even the error is over the quantities, nothing of other runs. With few runs the
percentile interval is too short; it is told together with their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

ALL = "all quantities"
"""Name of the row of all quantities together."""
DRAWS = 10_000
"""Draws [1] of an interval."""
SEED = 20260101
"""Of the draws: with these two, an end of an interval repeats to a hundredth of its length."""


@dataclass(frozen=True)
class Interval:
    """A mean with its interval of 95 %: `value`, `low`, `high` [1].

    drawn: what was drawn again, "nothing" where there were fewer than two; count: of how many. Low and high are NaN
    where nothing was drawn or the mean is not finite.
    """

    value: float
    low: float
    high: float
    drawn: Literal["runs", "quantities", "nothing"]
    count: int


@dataclass(frozen=True)
class QuantityError:
    """The error of a candidate in a quantity.

    nrmse: [1]; range: of the quantity, in `unit`; failed: in how many runs there is no prediction.
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
    """The error of a candidate in all quantities and runs [1].

    nrmse: median over the seeds; least, largest: of the seeds; without_failures: where what failed is left out;
    failed: how many predictions of a quantity of a run failed.
    """

    candidate: str
    nrmse: Interval
    least: float
    largest: float
    without_failures: float
    failed: int


@dataclass(frozen=True)
class SizeError:
    """The overall error [1] of a candidate that learned from `training_runs` runs; least, largest: of the seeds."""

    candidate: str
    training_runs: int
    nrmse: float
    least: float
    largest: float
    failed: int


@dataclass(frozen=True)
class Difference:
    """By how much a candidate errs more than the reference: `nrmse` [1], below 0 where it is the better one.

    quantity: its name, or `ALL`; better: part [1] of the pairs in which the candidate erred less; pairs: of a run and
    a quantity; left_out: pairs in which one of the two failed.
    """

    candidate: str
    reference: str
    quantity: str
    nrmse: Interval
    better: float
    pairs: int
    left_out: int


def mean_of_quantity(errors: np.ndarray) -> Interval:
    """Return the mean over the runs that measured a quantity; errors: (seeds, runs) [1], NaN where not measured."""
    return _interval(errors[:, ~np.any(np.isnan(errors), axis=0)], "runs")


def mean_by_seed(errors: np.ndarray) -> np.ndarray:
    """Return the mean over the quantities of a run, then over the runs, (seeds,); errors: (seeds, runs, quantities)."""
    by_run = _means(errors)
    return np.mean(by_run, axis=1) if by_run.size else np.full(len(errors), np.nan)


def mean_of_all(errors: np.ndarray) -> Interval:
    """Return the mean over the quantities of a run, then over the runs; errors: (seeds, runs, quantities) [1].

    >>> interval = mean_of_all(np.array([[[0.1, 0.3], [0.4, 0.4]]]))
    >>> round(interval.value, 3), round(interval.low, 3), round(interval.high, 3)
    (0.3, 0.2, 0.4)
    """
    by_run = _means(errors)
    if by_run.shape[1] != 1:
        return _interval(by_run, "runs")
    measured = np.any(np.isfinite(errors) | np.isinf(errors), axis=(0, 2))
    quantities = errors[:, measured, :][:, 0, :]
    return _interval(quantities[:, ~np.any(np.isnan(quantities), axis=0)], "quantities")


def differences(
    candidate: str, reference: str, errors: np.ndarray, others: np.ndarray, quantities: Sequence[str]
) -> list[Difference]:
    """Return the differences of a candidate to the reference in each quantity, and last in all.

    errors: of the candidate, others: of the reference, (seeds, runs, quantities) [1].
    """
    measured = ~np.any(np.isnan(errors) | np.isnan(others), axis=0)
    failed = np.any(np.isinf(errors) | np.isinf(others), axis=0)
    used = measured & ~failed
    mine, theirs = (np.where(used, one, np.nan) for one in (errors, others))
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
        first, second = (np.nanmean(one[:, :, used], axis=1) for one in (mine, theirs))
        drawn = "quantities"
    return _interval(first, drawn, second)


def _means(errors: np.ndarray) -> np.ndarray:
    """Return the mean over the quantities, (seeds, runs); runs without any are left out."""
    some = ~np.all(np.isnan(errors), axis=(0, 2))
    return np.nanmean(errors[:, some, :], axis=2)


def _interval(values: np.ndarray, drawn: Literal["runs", "quantities"], others: np.ndarray | None = None) -> Interval:
    """Return the mean over columns, the median over rows; less that of `others`, drawn alike, if they are given."""
    count = values.shape[1]
    if count == 0:
        return Interval(np.nan, np.nan, np.nan, "nothing", 0)
    value = float(np.median(np.mean(values, axis=1)))
    if others is not None:
        value -= float(np.median(np.mean(others, axis=1)))
    if count == 1 or not np.isfinite(value):
        return Interval(value, np.nan, np.nan, "nothing" if count == 1 else drawn, count)
    random = np.random.default_rng(SEED)
    weights = random.multinomial(count, np.full(count, 1.0 / count), size=DRAWS) / count
    means = np.median(weights @ values.T, axis=1)
    if others is not None:
        means = means - np.median(weights @ others.T, axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(value, float(low), float(high), drawn, count)
