"""cross_validate: train candidates on splits and score what they predict, in pairs, with intervals by whole runs.

The error of a quantity in a run is the root mean square error over the range of that quantity: of all its measured
values in all runs of the comparison. Samples at time 0 never count, because they are given. A value below a detection
limit counts by how far the prediction is above the limit. The measured quantities that all candidates predict are
scored except R, viability and the total cell density, which models take as inputs, unless the caller chooses. If a
candidate fails, its error there is infinite; means are over the predictions that were made, and failures are counted
beside them and reported. Bands of 90 % come from how a candidate missed the other runs, see `bands`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graycell.comparison import intervals
from graycell.comparison.bands import LEAST_RUNS, LEVEL, BandScore, BandSummary, bands_of, summary_of
from graycell.comparison.intervals import Difference, OverallError, QuantityError, RunError, SizeError
from graycell.comparison.protocols import Candidate, Described
from graycell.comparison.scored import NOT_SCORED as NOT_SCORED
from graycell.comparison.scored import not_shared_by, ranges_of, require_one_unit, require_unique
from graycell.comparison.scoring import ComparisonProgress as ComparisonProgress
from graycell.comparison.scoring import scores_of
from graycell.comparison.splits import Split
from graycell.comparison.trainings import Consistency, ErrorRow, Trainings
from graycell.engine import Engine, using
from graycell.errors import FitError, nearest
from graycell.provenance import hash_of_run
from graycell.runs.records import CultureRun
from graycell.saved import SavedFormat
from graycell.versions import hash_of_code, where_it_ran
from graycell.views import Viewed

COMPARISONS = SavedFormat("comparison", 1, "compare anew with: graycell cross-validate", unnumbered=1)
"""The format of `comparison.json`, for those who read it."""


@dataclass(frozen=True)
class Comparison(Viewed):
    """The result of `cross_validate` or `learning_curve`.

    Attributes:
        rows: one for each candidate, split, seed, run and quantity.
        ranges: of each quantity, in its unit.
        left_out: quantities that never change, so that they have no range and are not scored.
        not_shared: measured quantities that are not scored, with the candidates that do not predict them.
        candidates: description of each candidate as plain data, by name and in order.
        splits: which runs were trained on, and which predicted.
        seeds: of the trainings.
        consistency: counts of predictions that contradict what is known.
        is_curve: whether this is a learning curve; its numbers for one size are those of `of_size`.
        reused: number of trainings whose scores were read from disk.
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
    not_shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
        """Numbers of training runs, ascending."""
        return tuple(sorted({row.training_runs for row in self.rows}))

    @property
    def failures(self) -> tuple[str, ...]:
        """One sentence for each failure, without repetition."""
        failures = [row.failure for row in (*self.rows, *self.consistency) if row.failure]
        return tuple(dict.fromkeys(failures))

    def of_size(self, training_runs: int) -> "Comparison":
        """Return the part with one number of training runs.

        Args:
            training_runs: one of `sizes`.

        Returns:
            The comparison restricted to that number.

        Raises:
            FitError: no candidate was trained on that many runs.
        """
        if training_runs not in self.sizes:
            known = ", ".join(map(str, self.sizes))
            raise FitError(f"found no predictions from {training_runs} training runs; choose one of {known}.")
        if training_runs in self._by_size:
            return self._by_size[training_runs]
        rows = tuple(row for row in self.rows if row.training_runs == training_runs)
        splits = tuple(split for split in self.splits if len(split.train) == training_runs)
        names = {split.name for split in splits}
        consistency = tuple(row for row in self.consistency if row.split in names)
        part = replace(self, rows=rows, splits=splits, consistency=consistency, is_curve=False)
        return self._by_size.setdefault(training_runs, part)

    @cached_property
    def _by_size(self) -> dict[int, "Comparison"]:
        """Parts that were asked for: each keeps its bands, which take a while."""
        return {}

    def per_quantity(self) -> tuple[QuantityError, ...]:
        """Return the error of each candidate in each quantity: the mean over the runs, the median over the seeds.

        Returns:
            One error for each candidate and quantity.
        """
        units = {row.quantity: row.unit for row in self.rows}
        found = []
        for name in self.candidates:
            errors, failed = self._errors(name), self._failed(name)
            for j, quantity in enumerate(self.quantities):
                interval = intervals.mean_of_quantity(errors[:, :, j])
                failures = failed.count(quantity)
                found.append(QuantityError(name, quantity, units[quantity], self.ranges[quantity], interval, failures))
        return tuple(found)

    def overall(self) -> tuple[OverallError, ...]:
        """Return the error of each candidate: the mean over the quantities of a run, then over the runs.

        Returns:
            One error for each candidate: the median over the seeds, with the least and the largest.
        """
        found = []
        for name in self.candidates:
            errors = self._errors(name)
            seeds = intervals.mean_by_seed(errors)
            least, largest = np.min(seeds, where=~np.isnan(seeds), initial=np.inf), np.fmax.reduce(seeds)
            found.append(
                OverallError(
                    name, intervals.mean_of_all(errors), float(least) if np.isfinite(least) else np.nan, float(largest),
                    len(self._failed(name)), sum(row.candidate == name for row in self.rows),
                )
            )  # fmt: skip
        return tuple(found)

    def by_run(self) -> tuple[RunError, ...]:
        """Return the error of each candidate in each run: the mean over quantities, seeds and splits.

        Returns:
            One error for each candidate and run.
        """
        found = []
        for name in self.candidates:
            for run in self.runs:
                rows = [row for row in self.rows if (row.candidate, row.run) == (name, run)]
                made = [row.nrmse for row in rows if np.isfinite(row.nrmse)]
                failures = [row.failure for row in rows if row.failure]
                mean = float(np.mean(made)) if made else np.nan
                found.append(RunError(name, run, mean, len(failures), len(rows), next(iter(failures), "")))
        return tuple(found)

    def by_size(self) -> tuple[SizeError, ...]:
        """Return the learning curve: the overall error of each candidate over the number of training runs.

        Returns:
            One error for each number of training runs and candidate.
        """
        return tuple(
            SizeError(error.candidate, size, error.nrmse.value, error.least, error.largest, error.failed)
            for size in self.sizes
            for error in self.of_size(size).overall()
        )

    @cached_property
    def bands(self) -> tuple[BandScore, ...]:
        """The bands of all predictions, each from how its candidate missed the other runs, with their scores."""
        if self.is_curve:
            return tuple(score for size in self.sizes for score in self.of_size(size).bands)
        return tuple(bands_of(self.rows, self.splits, self.ranges))

    def band_summary(self) -> tuple[BandSummary, ...]:
        """Return how often the bands of each candidate held, and how wide and good they were.

        Returns:
            For each candidate the summary of all quantities, then of each.
        """
        return summary_of(self.bands, tuple(self.candidates), self.quantities)

    def without_bands(self) -> tuple[str, ...]:
        """Return why candidates have no bands.

        Returns:
            A sentence for all candidates or for each; none where all have bands in every quantity.
        """
        if len(self.runs) < LEAST_RUNS:
            runs = f"{len(self.runs)} predicted run{'s' * (len(self.runs) != 1)}"
            return (f"There are no bands: found {runs}, and {LEAST_RUNS} are needed, because the band of a run comes "
                    "from how the others were missed; leave out or test more.",)  # fmt: skip
        lacking: dict[str, list[str]] = {}
        for one in self.band_summary():
            if one.quantity in self.quantities and not one.runs:
                lacking.setdefault(one.candidate, []).append(one.quantity)
        return tuple(
            f"{name} has no bands of {', '.join(of)}, because it predicted them in fewer than {LEAST_RUNS} runs."
            for name, of in lacking.items()
        )

    def against(self, reference: str) -> tuple[Difference, ...]:
        """Return the differences in error of each other candidate to a reference, in each quantity and in all together.

        Pairs are of the same run, quantity and seed; a pair in which one of the two failed is left out and counted.

        Args:
            reference: name of a candidate.

        Returns:
            For each other candidate one difference by quantity, and last the one of all quantities.

        Raises:
            FitError: there is no candidate of that name.
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
        """Return everything as plain data for JSON; an infinite error is null, with the sentence of its failure.

        Returns:
            Dictionaries, lists, numbers and texts.
        """
        return {
            **COMPARISONS.stamp(),
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
            "not predicted by all": {name: list(candidates) for name, candidates in self.not_shared.items()},
            "errors": [_plain(asdict(row)) for row in self.rows],
            "consistency": [asdict(row) for row in self.consistency],
            "bands": {
                "level": LEVEL,
                "summary": [_plain(asdict(row)) for row in self.band_summary()],
                "of predictions": [_plain(asdict(row)) for row in self.bands],
                "missing": list(self.without_bands()),
            },
            "bootstrap": {"draws": intervals.DRAWS, "seed": intervals.SEED},
            "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scikit-learn")),
        }

    def _errors(self, candidate: str) -> np.ndarray:
        """Return the errors of a candidate, (seeds, runs, quantities) [1]; NaN where nothing was measured.

        A run that several splits test has the mean of the errors that are finite; of none it is infinite.
        """
        seeds, runs, quantities = (
            {name: i for i, name in enumerate(names)} for names in (self.seeds, self.runs, self.quantities)
        )
        total, count, failed = (np.zeros((len(seeds), len(runs), len(quantities))) for _ in range(3))
        for row in self.rows:
            if row.candidate == candidate:
                place = seeds[row.seed], runs[row.run], quantities[row.quantity]
                if np.isfinite(row.nrmse):
                    total[place] += row.nrmse
                    count[place] += 1
                else:
                    failed[place] = 1
        return np.where(count > 0, total / np.maximum(count, 1), np.where(failed > 0, np.inf, np.nan))

    def _failed(self, candidate: str) -> list[str]:
        return [row.quantity for row in self.rows if row.candidate == candidate and row.failure]


def cross_validate(
    candidates: Sequence[Candidate],
    splits: Sequence[Split],
    seeds: Sequence[int] = (0,),
    progress: Callable[[ComparisonProgress], None] | None = None,
    *,
    folder: str | Path | None = None,
    quantities: Sequence[str] | None = None,
    engine: Engine | None = None,
) -> Comparison:
    """Train every candidate on every split with every seed, and score what it predicts.

    A `GraycellError` of a candidate, or a prediction that is not finite, is a failure of the candidate and is recorded
    in the rows. `baselines` shows an own candidate.

    Args:
        candidates: models, as `ModelCandidate`, and baselines.
        splits: which runs are trained on, and which predicted.
        seeds: of the trainings.
        progress: called before each training.
        folder: keeps the scores of every training, so that a comparison can be interrupted and continued. A training
            is repeated if its candidate, runs, quantities, code or versions changed, or if its candidate is not
            `Repeatable`. None keeps nothing.
        quantities: names of the measured quantities that are scored. If left out, those that every candidate predicts,
            but for R, viability and the total cell density.
        engine: where trainings are tasks; the present one if left out, which is threads on all cores.

    Returns:
        The errors of all candidates.

    Raises:
        FitError: names are not unique, a measured quantity has several units, even if it is not scored, one of
            `quantities` is not measured, nothing can be scored, or a prediction has a wrong shape.
    """
    plan = [(seed, split) for seed in seeds for split in splits]
    return _cross_validate(candidates, splits, plan, seeds, progress, folder, quantities, engine)


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
    quantities: Sequence[str] | None = None,
    engine: Engine | None = None,
) -> Comparison:
    """Train on growing subsets of runs and score on test runs; `Comparison.by_size` is the curve.

    A seed draws one order of the runs, of which the first n are trained on: a larger subset contains the smaller ones,
    and all candidates are trained on the same.

    Args:
        candidates: models, as `ModelCandidate`, and baselines.
        runs: runs to train on.
        test_runs: runs to predict.
        sizes: numbers of training runs.
        seeds: of the orders and the trainings.
        progress: called before each training.
        viability_known: whether viability is a known input, see `Split`.
        folder: keeps the scores of every training, see `cross_validate`.
        quantities: names of the measured quantities that are scored, see `cross_validate`.
        engine: where trainings are tasks, see `cross_validate`.

    Returns:
        The errors of all candidates.

    Raises:
        FitError: as `cross_validate`, or a size is below 1 or above the number of runs.
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
    found = _cross_validate(candidates, [split for _, split in plan], plan, seeds, progress, folder, quantities, engine)
    return replace(found, is_curve=True)


def _cross_validate(
    candidates: Sequence[Candidate],
    splits: Sequence[Split],
    plan: Sequence[tuple[int, Split]],
    seeds: Sequence[int],
    progress: Callable[[ComparisonProgress], None] | None,
    folder: str | Path | None,
    quantities: Sequence[str] | None,
    engine: Engine | None,
) -> Comparison:
    require_unique("candidates", [candidate.name for candidate in candidates])
    require_unique("splits", [split.name for split in splits])
    require_unique("seeds", list(seeds))
    require_one_unit(run for split in splits for run in (*split.train, *split.test))
    not_shared = not_shared_by(candidates, splits, seeds) if quantities is None else {}
    ranges, left_out = ranges_of(splits, quantities, not_shared)
    trainings = Trainings(None if folder is None else Path(folder), ranges)
    trained = [(seed, split, candidate) for seed, split in plan for candidate in candidates]
    with using(engine) as chosen:
        scored = scores_of(trained, ranges, trainings, progress, chosen)
    rows = [row for found, _ in scored for row in found]
    consistency = [row for _, found in scored for row in found]
    if not rows:
        lacking = "; ".join(f"{name} is not predicted by {', '.join(who)}" for name, who in not_shared.items())
        lacking = f" of a quantity that all candidates predict ({lacking})" if lacking else ""
        needed = f"a test run needs some after its start or cut{lacking}"
        raise FitError(f"found no sample to score; {needed}; give other runs.")
    described = {candidate.name: _described(candidate) for candidate in candidates}
    return Comparison(tuple(rows), ranges, left_out, described, tuple(splits), tuple(seeds), tuple(consistency),
                      reused=trainings.reused, not_shared=not_shared)  # fmt: skip


def _described(candidate: Candidate) -> Mapping[str, object]:
    kind = {"kind": type(candidate).__name__}
    if isinstance(candidate, Described):
        return {**kind, **candidate.described()}
    fields = asdict(candidate) if is_dataclass(candidate) and not isinstance(candidate, type) else {}
    return {**kind, **{name: value for name, value in fields.items() if isinstance(value, str | int | float)}}


def _plain(value: object) -> Any:
    """Return plain data for JSON: None for numbers that are not finite, text for what is not plain."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value)
