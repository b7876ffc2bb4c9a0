"""The scores of trainings: each candidate is trained on a split and predicts its test runs. Trainings are tasks."""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graycell.comparison.protocols import Candidate, ChecksConsistency, Predictor
from graycell.comparison.splits import Split
from graycell.comparison.trainings import Consistency, ErrorRow, Trainings
from graycell.engine import Engine
from graycell.errors import FitError, GraycellError
from graycell.runs.records import CultureRun


@dataclass(frozen=True)
class ComparisonProgress:
    """The progress of a comparison, reported before each training.

    Attributes:
        done: part of the trainings done [1].
        candidate: name of the one trained next.
        split: name of its split.
        seed: of its training.
    """

    done: float
    candidate: str
    split: str
    seed: int


Training = tuple[int, Split, Candidate]
"""Seed, split and candidate."""
Scores = tuple[list[ErrorRow], list[Consistency]]
"""What one training was scored."""


def scores_of(
    trained: Sequence[Training],
    ranges: Mapping[str, float],
    trainings: Trainings,
    progress: Callable[[ComparisonProgress], None] | None,
    engine: Engine,
) -> list[Scores]:
    """Return the scores of all trainings; those that are on disk are read.

    Args:
        trained: seed, split and candidate of each.
        ranges: of each scored quantity, in its unit.
        trainings: where scores are kept.
        progress: called before each training, in its thread, or after it where it runs in another process.
        engine: trainings are its tasks.

    Returns:
        Errors and counts of each training, in order.

    Raises:
        FitError: a prediction has a wrong shape.
    """
    finished, reporting = 0, threading.Lock()

    def report(seed: int, split: Split, candidate: Candidate) -> None:
        if progress is not None:
            with reporting:
                progress(ComparisonProgress(finished / len(trained), candidate.name, split.name, seed))

    def scored(seed: int, split: Split, candidate: Candidate) -> Scores:
        nonlocal finished
        report(seed, split, candidate)
        path = trainings.path_of(candidate, split, seed)
        found = trainings.read(path)
        if found is None:
            found = _scored(ranges, candidate, split, seed)
            trainings.write(path, *found)
        with reporting:
            finished += 1
        return found

    if engine.shares_memory:
        return engine.map(scored, trained)

    paths = [trainings.path_of(candidate, split, seed) for seed, split, candidate in trained]
    all_scores = [trainings.read(path) for path in paths]
    left = [k for k, found in enumerate(all_scores) if found is None]
    finished = len(trained) - len(left)

    def keep(task: int, found: Scores) -> None:
        nonlocal finished
        all_scores[left[task]] = found
        trainings.write(paths[left[task]], *found)
        finished += 1
        report(*trained[left[task]])

    tasks = [(candidate, split, seed) for seed, split, candidate in (trained[k] for k in left)]
    engine.map(functools.partial(_scored, ranges), tasks, keep)
    return [found for found in all_scores if found is not None]


def _scored(ranges: Mapping[str, float], candidate: Candidate, split: Split, seed: int) -> Scores:
    """Return the scores of one candidate that is trained on one split."""
    candidate = _of_its_own(candidate)
    predictor, failure = _trained(candidate, split, seed)
    rows = [row for run, known in zip(split.test, split.known_runs(), strict=True)
            for row in _rows(candidate.name, split, seed, run, known, predictor, failure, ranges)]  # fmt: skip
    counted = isinstance(candidate, ChecksConsistency)
    return rows, _consistency(candidate, split, seed, predictor, failure) if counted else []


def _of_its_own(candidate: Candidate) -> Candidate:
    """Return a shallow copy of a candidate: many keep what they learned on themselves, and trainings run at once."""
    try:
        own = object.__new__(type(candidate))  # and not copy.copy, which leaves out what no other process needs
        vars(own).update(vars(candidate))
    except TypeError:  # no ordinary object, such as one with slots
        return candidate
    return own


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
        quantity: split.counted(run.measurements[quantity])
        for quantity in run.measurements
        if quantity in ranges and np.any(split.counted(run.measurements[quantity]))
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
        series, sentence, rmse, made = run.measurements[quantity], failure, np.inf, ()
        if not sentence:
            found = np.asarray(predicted.get(quantity, np.nan), dtype=float)
            if np.all(np.isfinite(found)) and found.shape != times[quantity].shape:
                raise FitError(f"{name}, run {run.name}, {quantity}: found predictions of shape {found.shape}; one for "
                               f"each of {len(times[quantity])} times is needed; correct the candidate.")  # fmt: skip
            if np.all(np.isfinite(found)):
                difference = found - series.value[chosen]
                if series.below is not None:
                    difference = np.where(series.below[chosen], np.maximum(difference, 0.0), difference)
                rmse, made = float(np.sqrt(np.mean(difference**2))), tuple(map(float, found))
            else:
                sentence = f"{name}, {split.name}, run {run.name}: found no finite prediction of {quantity}."
        rows.append(
            ErrorRow(name, split.name, seed, len(split.train), run.name, quantity, series.unit, rmse,
                     rmse / ranges[quantity], int(np.sum(chosen)), sentence, made)
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
