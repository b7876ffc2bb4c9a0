"""compare: candidates and splits -> who predicts what how well, in pairs, with intervals by whole runs.

The error of a quantity in a run is the root of the mean squared difference over the range of that quantity: of all its
measured values in all runs of the comparison. Samples at time 0 never count, for they are given. A value below a
detection limit counts by how far the prediction is above the limit. Every measured quantity is scored but R, viability
and the total cell density, which models take as inputs. A candidate that fails is infinitely wrong there, and is told.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from graycell.comparison import intervals
from graycell.comparison.baselines import Candidate, Predictor
from graycell.comparison.intervals import Difference, OverallError, QuantityError, SizeError
from graycell.comparison.splits import Split
from graycell.comparison.trainings import Consistency, ErrorRow, Trainings
from graycell.errors import FitError, GraycellError, nearest
from graycell.provenance import hash_of_code, hash_of_run, where_it_ran
from graycell.runs.records import REDOX, TCD, VIABILITY, CultureRun

NOT_SCORED = (REDOX, VIABILITY, TCD)
"""Measured quantities that are not scored."""


@runtime_checkable
class ChecksConsistency(Candidate, Protocol):
    """A candidate that can say how often its predictions contradict what is known."""

    def consistency(self, predictor: Predictor, runs: Sequence[CultureRun]) -> Mapping[str, tuple[int, int]]:
        """Return, by the name of a check, how many faults were counted and out of how many.

        runs: what is known of the test runs, see `splits.known_of`.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A candidate that says in plain data what it is, for the record; a frozen dataclass of numbers needs not."""

    def described(self) -> Mapping[str, object]:
        """Return plain data: settings, hashes."""
        ...


@dataclass(frozen=True)
class ComparisonProgress:
    """What a comparison tells while it runs: the part done [1], and what is trained next."""

    done: float
    candidate: str
    split: str
    seed: int


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    rows: one for each candidate, split, seed, run and quantity; ranges: of each quantity, in its unit; left_out:
    quantities that never change, so have no range; candidates: what each is, by name and in order, as plain data;
    is_curve: from `learning_curve`, so the numbers of one size are those of `of_size`; reused: how many trainings were
    on disk and not done again.
    """

    rows: tuple[ErrorRow, ...]
    ranges: Mapping[str, float]
    left_out: tuple[str, ...]
    candidates: Mapping[str, Mapping[str, object]]
    splits: tuple[Split, ...]
    seeds: tuple[int, ...]
    consistency: tuple[Consistency, ...] = ()
    is_curve: bool = False
    reused: int = 0

    def __repr__(self) -> str:
        return (
            f"Comparison({', '.join(self.candidates)}: {len(self.runs)} runs, {len(self.quantities)} quantities, "
            f"{len(self.splits)} splits, {len(self.seeds)} seeds)"
        )

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of the runs that were predicted, in order."""
        return tuple(dict.fromkeys(row.run for row in self.rows))

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of the quantities that were scored, in order."""
        return tuple(dict.fromkeys(row.quantity for row in self.rows))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many runs were learned from, rising."""
        return tuple(sorted({row.training_runs for row in self.rows}))

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong, a sentence each, and each once."""
        told = [row.failure for row in (*self.rows, *self.consistency) if row.failure]
        return tuple(dict.fromkeys(told))

    def of_size(self, training_runs: int) -> "Comparison":
        """Return the part in which so many runs were learned from. Raises `FitError` where there is none."""
        if training_runs not in self.sizes:
            known = ", ".join(map(str, self.sizes))
            raise FitError(f"found no predictions from {training_runs} training runs; choose one of {known}.")
        rows = tuple(row for row in self.rows if row.training_runs == training_runs)
        splits = tuple(split for split in self.splits if len(split.train) == training_runs)
        names = {split.name for split in splits}
        consistency = tuple(row for row in self.consistency if row.split in names)
        return replace(self, rows=rows, splits=splits, consistency=consistency, is_curve=False)

    def per_quantity(self) -> tuple[QuantityError, ...]:
        """Return the error of each candidate in each quantity: the mean over the runs, the median over the seeds."""
        units = {row.quantity: row.unit for row in self.rows}
        found = []
        for name in self.candidates:
            errors, failed = self._errors(name), self._failed(name)
            for j, quantity in enumerate(self.quantities):
                interval = intervals.mean_of_quantity(errors[:, :, j])
                failures = sum(one == quantity for one in failed)
                found.append(QuantityError(name, quantity, units[quantity], self.ranges[quantity], interval, failures))
        return tuple(found)

    def overall(self) -> tuple[OverallError, ...]:
        """Return the error of each candidate: the mean over the quantities of a run, then over the runs.

        Of several seeds the median is told, and the least and the largest beside it.
        """
        found = []
        for name in self.candidates:
            errors = self._errors(name)
            seeds = intervals.mean_by_seed(errors)
            finite = np.where(np.isfinite(errors), errors, np.nan)
            found.append(
                OverallError(
                    name, intervals.mean_of_all(errors), float(np.min(seeds)), float(np.max(seeds)),
                    intervals.mean_of_all(finite).value, len(self._failed(name)),
                )
            )  # fmt: skip
        return tuple(found)

    def by_size(self) -> tuple[SizeError, ...]:
        """Return the overall error of each candidate by how many runs it learned from: the learning curve."""
        return tuple(
            SizeError(one.candidate, size, one.nrmse.value, one.least, one.largest, one.failed)
            for size in self.sizes
            for one in self.of_size(size).overall()
        )

    def against(self, reference: str) -> tuple[Difference, ...]:
        """Return what each other candidate errs more than `reference`: in each quantity, and last in all together.

        Pairs are of the same run, quantity and seed; a pair in which one of the two failed is left out, and counted.
        Raises `FitError` for a reference that was not compared.
        """
        if reference not in self.candidates:
            raise FitError(f"found no candidate '{reference}'; {nearest(reference, self.candidates)}.")
        found: list[Difference] = []
        for name in self.candidates:
            if name != reference:
                found += intervals.differences(
                    name, reference, self._errors(name), self._errors(reference), self.quantities
                )
        return tuple(found)

    def plain(self) -> dict:
        """Return everything as plain data for JSON: errors that are infinite are null, with their sentence."""
        return {
            "candidates": _plain(self.candidates),
            "seeds": list(self.seeds),
            "splits": [
                {
                    "name": split.name,
                    "cut [d]": split.cut,
                    "viability is a known input": split.viability_known,
                    "train": {run.name: hash_of_run(run) for run in split.train},
                    "test": {run.name: hash_of_run(run) for run in split.test},
                }
                for split in self.splits
            ],
            "ranges": dict(self.ranges),
            "left out": list(self.left_out),
            "errors": [_plain(asdict(row)) for row in self.rows],
            "consistency": [asdict(row) for row in self.consistency],
            "bootstrap": {"draws": intervals.DRAWS, "seed": intervals.SEED},
            "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scikit-learn")),
        }

    def _errors(self, candidate: str) -> np.ndarray:
        """Return the errors of a candidate, (seeds, runs, quantities) [1]; NaN where nothing was measured.

        A run that several splits test has the mean of them.
        """
        seeds, runs, quantities = (
            {one: i for i, one in enumerate(of)} for of in (self.seeds, self.runs, self.quantities)
        )
        total, count = (np.zeros((len(seeds), len(runs), len(quantities))) for _ in range(2))
        for row in self.rows:
            if row.candidate == candidate:
                place = seeds[row.seed], runs[row.run], quantities[row.quantity]
                total[place] += row.nrmse
                count[place] += 1
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def _failed(self, candidate: str) -> list[str]:
        return [row.quantity for row in self.rows if row.candidate == candidate and row.failure]


def compare(
    candidates: Sequence[Candidate],
    splits: Sequence[Split],
    seeds: Sequence[int] = (0,),
    progress: Callable[[ComparisonProgress], None] | None = None,
    *,
    folder: str | Path | None = None,
) -> Comparison:
    """Train every candidate on every split with every seed, and score what it predicts.

    folder: keeps the scores of every training, so that a comparison which was stopped goes on where it was. What
    changed since, of candidates, runs, quantities, code or versions, is trained anew, as is a candidate that does not
    say what it depends on, see `trainings.Repeatable`.

    Raises `FitError` where names are not unique or there is nothing to score. A `GraycellError` of a candidate, or a
    prediction that is not finite, is a failure of the candidate there and stands in the rows; predictions of a wrong
    shape raise `FitError`. `progress` is told before each training.
    """
    return _compare(candidates, splits, [(seed, split) for seed in seeds for split in splits], seeds, progress, folder)


def learning_curve(
    candidates: Sequence[Candidate],
    runs: Sequence[CultureRun],
    test_runs: Sequence[CultureRun],
    sizes: Sequence[int],
    seeds: Sequence[int] = (0, 1, 2),
    progress: Callable[[ComparisonProgress], None] | None = None,
    *,
    viability_known: bool = True,
    folder: str | Path | None = None,
) -> Comparison:
    """Train on ever more of `runs`, score on `test_runs`; `Comparison.by_size` is the curve.

    A seed draws one order of the runs, and its first n are learned from: a larger set holds the smaller ones, and all
    candidates learn from the same; folder: see `compare`. Raises `FitError` for a size below 1 or above the number of
    runs.
    """
    wrong = [size for size in sizes if not 1 <= size <= len(runs)]
    if wrong or not sizes:
        raise FitError(f"learning curve: found {len(runs)} runs and the sizes {', '.join(map(str, sizes)) or 'none'}; "
                       f"a size is 1 to {len(runs)}; choose others.")  # fmt: skip
    orders = {seed: np.random.default_rng(seed).permutation(len(runs)) for seed in seeds}
    plan = []
    for seed, order in orders.items():
        for size in sorted(set(sizes)):
            train = tuple(runs[i] for i in order[:size])
            name = f"{size} run{'s' * (size > 1)}, draw {seed}"
            plan.append((seed, Split(name, train, tuple(test_runs), viability_known=viability_known)))
    found = _compare(candidates, [split for _, split in plan], plan, seeds, progress, folder)
    return replace(found, is_curve=True)


def _compare(
    candidates: Sequence[Candidate],
    splits: Sequence[Split],
    plan: Sequence[tuple[int, Split]],
    seeds: Sequence[int],
    progress: Callable[[ComparisonProgress], None] | None,
    folder: str | Path | None,
) -> Comparison:
    _require_unique("candidates", [one.name for one in candidates])
    _require_unique("splits", [one.name for one in splits])
    _require_unique("seeds", list(seeds))
    ranges, left_out = _ranges(splits)
    trainings = Trainings(None if folder is None else Path(folder), ranges)
    rows: list[ErrorRow] = []
    consistency: list[Consistency] = []
    for step, (seed, split, candidate) in enumerate((*one, candidate) for one in plan for candidate in candidates):
        if progress is not None:
            progress(ComparisonProgress(step / (len(plan) * len(candidates)), candidate.name, split.name, seed))
        path = trainings.path_of(candidate, split, seed)
        found = trainings.read(path)
        if found is None:
            found = _scored(candidate, split, seed, ranges)
            trainings.write(path, *found)
        rows += found[0]
        consistency += found[1]
    if not rows:
        raise FitError("found no sample to score; a test run needs some after its start or cut; give other runs.")
    described = {one.name: _described(one) for one in candidates}
    return Comparison(tuple(rows), ranges, left_out, described, tuple(splits), tuple(seeds), tuple(consistency),
                      reused=trainings.reused)  # fmt: skip


def _scored(
    candidate: Candidate, split: Split, seed: int, ranges: Mapping[str, float]
) -> tuple[list[ErrorRow], list[Consistency]]:
    """Return the scores of one candidate that is trained on one split."""
    predictor, failure = _trained(candidate, split, seed)
    rows = [row for run, known in zip(split.test, split.known_runs(), strict=True)
            for row in _rows(candidate.name, split, seed, run, known, predictor, failure, ranges)]  # fmt: skip
    counted = isinstance(candidate, ChecksConsistency)
    return rows, _consistency(candidate, split, seed, predictor, failure) if counted else []


def _require_unique(kind: str, names: list) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        found = f"{', '.join(map(str, twice))} more than once" if twice else "none"
        raise FitError(f"compare, {kind}: found {found}; at least one is needed, and results are told by name; "
                       "give others.")  # fmt: skip


def _ranges(splits: Sequence[Split]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the range of every quantity in its unit, and the quantities that have none."""
    values: dict[str, list[np.ndarray]] = {}
    for split in splits:
        for run in (*split.train, *split.test):
            for quantity, series in run.measurements.items():
                if quantity not in NOT_SCORED and len(series.value):
                    values.setdefault(quantity, []).append(series.value)
    spread = {quantity: float(np.ptp(np.concatenate(of))) for quantity, of in values.items()}
    return (
        {quantity: one for quantity, one in spread.items() if one > 0.0},
        tuple(quantity for quantity, one in spread.items() if one == 0.0),
    )


def _trained(candidate: Candidate, split: Split, seed: int) -> tuple[Predictor | None, str]:
    try:
        return candidate.train(split.training_runs(), seed), ""
    except GraycellError as error:
        return None, f"{candidate.name}, {split.name}: {error}"


def _rows(
    name: str,
    split: Split,
    seed: int,
    run: CultureRun,
    known: CultureRun,
    predictor: Predictor | None,
    failure: str,
    ranges: Mapping[str, float],
) -> list[ErrorRow]:
    """Return the rows of one run that was predicted by one candidate."""
    later = {
        quantity: run.measurements[quantity].time > split.begins
        for quantity in run.measurements
        if quantity in ranges and np.any(run.measurements[quantity].time > split.begins)
    }
    times = {quantity: run.measurements[quantity].time[chosen] for quantity, chosen in later.items()}
    predicted: Mapping[str, np.ndarray] = {}
    if predictor is not None and times:
        try:
            predicted = predictor.predict(known, times)
        except GraycellError as error:
            failure = f"{name}, {split.name}, run {run.name}: {error}"
    rows = []
    for quantity, chosen in later.items():
        series, told, rmse = run.measurements[quantity], failure, np.inf
        if not told:
            found = np.asarray(predicted.get(quantity, np.nan), dtype=float)
            if np.all(np.isfinite(found)) and found.shape != times[quantity].shape:
                raise FitError(f"{name}, run {run.name}, {quantity}: found predictions of shape {found.shape}; one for "
                               f"each of {len(times[quantity])} times is needed; mend the candidate.")  # fmt: skip
            if np.all(np.isfinite(found)):
                difference = found - series.value[chosen]
                if series.below is not None:
                    difference = np.where(series.below[chosen], np.maximum(difference, 0.0), difference)
                rmse = float(np.sqrt(np.mean(difference**2)))
            else:
                told = f"{name}, {split.name}, run {run.name}: found no finite prediction of {quantity}."
        rows.append(
            ErrorRow(name, split.name, seed, len(split.train), run.name, quantity, series.unit, rmse,
                     rmse / ranges[quantity], int(np.sum(chosen)), told)
        )  # fmt: skip
    return rows


def _consistency(
    candidate: ChecksConsistency, split: Split, seed: int, predictor: Predictor | None, failure: str
) -> list[Consistency]:
    name = candidate.name
    counts: Mapping[str, tuple[int, int]] = {}
    if predictor is not None:
        try:
            counts = candidate.consistency(predictor, split.known_runs())
        except GraycellError as error:
            failure = f"{name}, {split.name}, consistency: {error}"
    if failure:
        return [Consistency(name, split.name, seed, "", 0, 0, failure)]
    return [Consistency(name, split.name, seed, check, *count) for check, count in counts.items()]


def _described(candidate: Candidate) -> Mapping[str, object]:
    kind = {"kind": type(candidate).__name__}
    if isinstance(candidate, Described):
        return {**kind, **candidate.described()}
    fields = asdict(candidate) if is_dataclass(candidate) and not isinstance(candidate, type) else {}
    return {**kind, **{name: value for name, value in fields.items() if isinstance(value, str | int | float)}}


def _plain(value: object) -> Any:
    """Return plain data as JSON takes it: what is not finite is None, what is not plain is its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value)
