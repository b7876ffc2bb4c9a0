"""Bands of the candidates of a comparison, each from how the candidate missed the other runs, and their scores.

A candidate predicts curves. Its band around the prediction of a run is that of a `ResidualProcess` which was learned
from its residuals in all other predicted runs (cross-conformal), so that no run sizes its own band: sizes, usual
values and the factor by which bands are widened come from the others, only the correlation length and the correlation
between quantities from all. The distribution is Student's t around the curve. A value below a detection limit
is left out where the prediction is below the limit too, because it then says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graycell.comparison.band_scores import clopper_pearson, crps_of_student, interval_score
from graycell.comparison.intervals import ALL
from graycell.comparison.residuals import ResidualProcess, Residuals
from graycell.comparison.samples import mean_curve
from graycell.comparison.splits import Split
from graycell.comparison.trainings import ErrorRow
from graycell.runs.records import VIABILITY, CultureRun

LEVEL = 0.9
"""[1] Of the bands."""
LEAST_RUNS = 3
"""[runs] With fewer a band would come from a single run."""
_SMALLEST = 0.3
"""[1] Least size of residuals, as part of the assay error: few runs may agree by chance."""
_BELIEVED = 4.0
"""[runs] Weight of the quantiles of the process beside those of the runs that were left out."""


@dataclass(frozen=True)
class BandScore:
    """The band of one prediction, and how good it was.

    Attributes:
        candidate: its name.
        split: name of the split.
        seed: of the training.
        run: name of the predicted run.
        quantity: its name.
        low: (samples,) lower ends of the band at the samples that count, in the unit of the quantity.
        high: (samples,) upper ends.
        samples: number of samples that are scored.
        held: number of these inside of the band.
        width: mean width over the range of the quantity [1].
        interval_score: mean interval score over the range [1].
        crps: mean continuous ranked probability score over the range [1].
    """

    candidate: str
    split: str
    seed: int
    run: str
    quantity: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    samples: int
    held: int
    width: float
    interval_score: float
    crps: float


@dataclass(frozen=True)
class BandSummary:
    """How good the bands of a candidate were.

    Every number is the mean over the seeds and splits of a run, over its quantities, then over runs.

    Attributes:
        candidate: its name.
        quantity: its name, or `ALL`.
        coverage: part of the samples inside of the band of 90 % [1]; NaN like all others where there is no band.
        low: lower end of the 95 % interval of the coverage, see `clopper_pearson`; a run is one trial [1].
        high: upper end [1].
        width: mean width over the range of the quantity [1].
        interval_score: over the range [1].
        crps: continuous ranked probability score over the range [1].
        runs: number of runs.
    """

    candidate: str
    quantity: str
    coverage: float
    low: float
    high: float
    width: float
    interval_score: float
    crps: float
    runs: int


@dataclass(frozen=True)
class _Predicted:
    """One row with what was measured."""

    row: ErrorRow
    time: np.ndarray
    value: np.ndarray
    predicted: np.ndarray
    error: np.ndarray
    says: np.ndarray


def bands_of(rows: Sequence[ErrorRow], splits: Sequence[Split], ranges: Mapping[str, float]) -> list[BandScore]:
    """Return the bands of all predictions whose candidate predicted enough runs.

    Args:
        rows: errors with their predictions; of several numbers of training runs those of one.
        splits: in which they were made.
        ranges: of each quantity, in its unit.

    Returns:
        One score for each row that has a band, by candidate and seed.
    """
    by_name = {split.name: split for split in splits}
    tested = {run.name: run for split in splits for run in split.test}
    runs = list(({run.name: run for split in splits for run in split.train} | tested).values())
    grouped: dict[tuple[str, int], dict[str, list[_Predicted]]] = {}
    for row in rows:
        if not row.failure:
            of = grouped.setdefault((row.candidate, row.seed), {})
            of.setdefault(row.run, []).append(_predicted(row, by_name[row.split]))
    return [score for of in grouped.values() for score in _of_candidate(of, runs, ranges)]


def _predicted(row: ErrorRow, split: Split) -> _Predicted:
    series = next(run for run in split.test if run.name == row.run).measurements[row.quantity]
    counted = split.counted(series)
    value, predicted = series.value[counted], np.array(row.predicted)
    limit = np.zeros(len(value), bool) if series.below is None else series.below[counted]
    error = value - predicted
    return _Predicted(row, series.time[counted], value, predicted, error, ~limit | (error < 0.0))


def _of_candidate(
    by_run: Mapping[str, Sequence[_Predicted]], runs: Sequence[CultureRun], ranges: Mapping[str, float]
) -> list[BandScore]:
    """Return the bands of what one candidate predicted with one seed."""
    counts: dict[str, int] = {}
    for of in by_run.values():
        for name in {one.row.quantity for one in of if np.any(one.says)}:
            counts[name] = counts.get(name, 0) + 1
    names = [name for name in ranges if counts.get(name, 0) >= LEAST_RUNS]
    predicted = {run: [one for one in of if one.row.quantity in names] for run, of in by_run.items()}
    predicted = {run: of for run, of in predicted.items() if of}
    if not names or len(predicted) < LEAST_RUNS:
        return []
    residuals = [_residuals(of) for of in predicted.values()]
    usual = {name: mean_curve([run for run in runs if name in run.measurements], name) for name in names}
    process = ResidualProcess.of(residuals, names, usual, floors_of(runs, names), max(run.end for run in runs))
    found = []
    for k, (run, of) in enumerate(predicted.items()):
        others = [other for other in runs if other.name != run]
        usual = {name: mean_curve([other for other in others if name in other.measurements], name) for name in names}
        relevelled = process.with_levels(usual)
        own = relevelled.without(residuals, k)
        scaled = [in_sizes(relevelled.without(residuals, k, j), one) for j, one in enumerate(residuals) if j != k]
        factor = calibration_of(own, scaled)
        found += [_score(one, own, factor, others, ranges[one.row.quantity]) for one in of]
    return found


def _residuals(of: Sequence[_Predicted]) -> Residuals:
    """Return the residuals of a run in all splits that predict it, in the order of time."""
    time, value = {}, {}
    for name in dict.fromkeys(one.row.quantity for one in of):
        parts = [one for one in of if one.row.quantity == name]
        at = np.concatenate([one.time[one.says] for one in parts])
        order = np.argsort(at, kind="stable")
        time[name], value[name] = at[order], np.concatenate([one.error[one.says] for one in parts])[order]
    return Residuals(time, value)


def _score(
    one: _Predicted, process: ResidualProcess, factor: float, others: Sequence[CultureRun], width: float
) -> BandScore:
    """Return the band of a prediction; width: range of the quantity."""
    row, name = one.row, one.row.quantity
    size = factor * process.size(name, one.time)
    half = process.quantile(LEVEL) * size
    low, high = (possible(others, name, end) for end in (one.predicted - half, one.predicted + half))
    says, value = one.says, one.value
    held = (value >= low) & (value <= high) & says
    scores = interval_score(low, high, value, LEVEL), crps_of_student(one.error, size, process.degrees), high - low
    interval, crps, across = (float(np.mean(each[says])) / width if np.any(says) else np.nan for each in scores)
    return BandScore(row.candidate, row.split, row.seed, row.run, name, tuple(map(float, low)), tuple(map(float, high)),
                     int(np.sum(says)), int(np.sum(held)), across, interval, crps)  # fmt: skip


def summary_of(
    scores: Sequence[BandScore], candidates: Sequence[str], quantities: Sequence[str]
) -> tuple[BandSummary, ...]:
    """Return how good bands were, of each candidate over all quantities and in each.

    Args:
        scores: of predictions.
        candidates: their names.
        quantities: their names.

    Returns:
        For each candidate the summary of `ALL` first.
    """
    # the part that held, width, interval score and CRPS of every seed and split, by candidate, run and quantity
    parts: dict[tuple[str, str, str], list[tuple[float, ...]]] = {}
    for one in scores:
        if one.samples:
            of = parts.setdefault((one.candidate, one.run, one.quantity), [])
            of.append((one.held / one.samples, one.width, one.interval_score, one.crps))
    found = []
    for candidate in candidates:
        means = {(run, name): np.mean(of, axis=0) for (who, run, name), of in parts.items() if who == candidate}
        for quantity in (ALL, *quantities):
            by_run: dict[str, list[np.ndarray]] = {}
            for (run, name), mean in means.items():
                if quantity in (ALL, name):
                    by_run.setdefault(run, []).append(mean)
            if not by_run:
                found.append(BandSummary(candidate, quantity, *[np.nan] * 6, runs=0))
                continue
            of_runs = np.array([np.mean(of, axis=0) for of in by_run.values()])
            coverage, *others = map(float, np.mean(of_runs, axis=0))
            ends = clopper_pearson(coverage * len(of_runs), len(of_runs))
            found.append(BandSummary(candidate, quantity, coverage, *ends, *others, runs=len(of_runs)))
    return tuple(found)


def floors_of(runs: Sequence[CultureRun], names: Sequence[str]) -> dict[str, float]:
    """Return the smallest sizes of residuals, a part of the assay error.

    Args:
        runs: that measured the quantities.
        names: quantities.

    Returns:
        By quantity, in its unit.
    """
    found = {}
    for name in names:
        errors = np.concatenate([run.measurements[name].standard_error for run in runs if name in run.measurements])
        found[name] = max(_SMALLEST * float(np.sqrt(np.mean(errors**2))), 1e-12)
    return found


def in_sizes(others: ResidualProcess, residuals: Residuals) -> dict[str, np.ndarray]:
    """Return how large the residuals of a run are beside those of other runs.

    Args:
        others: process with the sizes of the other runs.
        residuals: of the run.

    Returns:
        (samples,) [sizes] by quantity, 0 or above.
    """
    return {name: np.abs(error) / others.size(name, residuals.time[name]) for name, error in residuals.value.items()}


def calibration_of(process: ResidualProcess, scaled: Sequence[Mapping[str, np.ndarray]]) -> float:
    """Return by how much wider than its quantiles a band of 90 % must be, to hold 90 % of what was left out.

    It is drawn to 1 as strongly as by some runs.

    Args:
        process: of the residuals.
        scaled: of each run that was left out, its residuals in sizes of the others, see `in_sizes`.

    Returns:
        The factor [1].
    """
    every = [values for of in scaled for values in of.values() if len(values)]
    if not every:
        return 1.0
    # each quantity of each run counts the same, however many samples it has
    values, weights = np.concatenate(every), np.concatenate([np.full(len(one), 1.0 / len(one)) for one in every])
    order = np.argsort(values)
    # as in conformal prediction: one more than there are, because the next one may be the largest
    share = min(LEVEL * (1.0 + 1.0 / (process.degrees * process.independent)), 1.0)
    place = np.searchsorted(np.cumsum(weights[order]), share * np.sum(weights))
    needed = float(values[order][min(place, len(values) - 1)]) / process.quantile(LEVEL)
    count = len(scaled)
    return (count * needed + _BELIEVED) / (count + _BELIEVED)


def possible(runs: Sequence[CultureRun], quantity: str, values: np.ndarray) -> np.ndarray:
    """Return values without what is impossible: below 0 where no run was, and a viability above 1.

    Args:
        runs: from which it was learned.
        quantity: its name.
        values: of any shape.

    Returns:
        The values.
    """
    measured = [run.measurements[quantity] for run in runs if quantity in run.measurements]
    if all(np.all(series.value >= 0.0) for series in measured):
        values = np.maximum(values, 0.0)
    return np.minimum(values, 1.0) if quantity == VIABILITY else values
