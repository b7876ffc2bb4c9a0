"""Left-out predictions of every candidate, and the weights with which they are mixed (stacking).

Each training run is left out in turn, every candidate is trained on the others and predicts it. The weights of a
quantity are those of a mixture, 0 or above with the sum 1, that meets the runs that were left out best (Wolpert 1992,
Neural Networks 5, 241; Breiman 1996, Machine Learning 24, 49): with the smallest sum over the runs of the root mean
square error of each, so that one run which went astray does not decide. They are drawn towards weights in proportion
to 1/error^4, as strongly as one run more would, because few runs say little about a mixture.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from graycell.comparison.protocols import Candidate, Predictor
from graycell.comparison.splits import known_of
from graycell.engine import Engine
from graycell.errors import GraycellError
from graycell.runs.records import CultureRun

_SUM_TO_ONE = 1e3
"""[1] Weight of the sum of the weights among squares of order 1."""
_ROUNDS = 12
"""Of least squares, each with the runs weighted by 1/error of the round before, for a sum of errors of runs."""
_LAST_RESORT = 1e-9
"""[1] Weight of a candidate without any, where no other one predicts."""
_PERFECT = 1e-6
"""[1] Part of a range below which errors of candidates are equal."""


@dataclass(frozen=True)
class LeftOut:
    """What the candidates predict of one run that they were not trained on.

    Attributes:
        run: the run.
        predictors: by name of the candidate; one that failed is not here.
        predicted: (candidates, samples) by quantity, in its unit; NaN where a candidate predicts nothing.
        measured: (samples,) by quantity.
        time: (samples,) [d] by quantity, after time 0.
        below: (samples,) by quantity, whether the measured value is a detection limit.
    """

    run: CultureRun
    predictors: Mapping[str, Predictor]
    predicted: Mapping[str, np.ndarray]
    measured: Mapping[str, np.ndarray]
    time: Mapping[str, np.ndarray]
    below: Mapping[str, np.ndarray]


def leave_out_each(
    runs: Sequence[CultureRun],
    candidates: Sequence[Candidate],
    seed: int,
    engine: Engine,
    progress: Callable[[float, str], None] = lambda done, run: None,
) -> tuple[list[LeftOut], list[str]]:
    """Return what the candidates predict of every run, trained on the others.

    Args:
        runs: two or more.
        candidates: what is trained.
        seed: of the trainings.
        engine: runs are its tasks.
        progress: called after each run with the part that is done [1] and its name.

    Returns:
        One entry for each run, and a sentence for each candidate that failed.
    """
    done, changing = 0, threading.Lock()

    def of_run(k: int) -> tuple[LeftOut, list[str]]:
        nonlocal done
        others = [run for i, run in enumerate(runs) if i != k]
        found = _left_out(runs[k], others, candidates, seed)
        with changing:
            done += 1
            progress(done / len(runs), runs[k].name)
        return found

    found = engine.here.map(of_run, [(k,) for k in range(len(runs))])
    return [one for one, _ in found], list(dict.fromkeys(sentence for _, said in found for sentence in said))


def _left_out(
    run: CultureRun, others: Sequence[CultureRun], candidates: Sequence[Candidate], seed: int
) -> tuple[LeftOut, list[str]]:
    later = {name: series.time > 0.0 for name, series in run.measurements.items()}
    time = {name: run.measurements[name].time[chosen] for name, chosen in later.items() if np.any(chosen)}
    predictors, failed = trained(others, candidates, seed)
    predicted, more = predictions(predictors, [one.name for one in candidates], known_of(run, None, False), time)
    below = {name: np.zeros(len(at), bool) for name, at in time.items()}
    for name in time:
        limits = run.measurements[name].below
        if limits is not None:
            below[name] = limits[later[name]]
    measured = {name: run.measurements[name].value[later[name]] for name in time}
    return LeftOut(run, predictors, predicted, measured, time, below), [*failed, *more]


def trained(
    runs: Sequence[CultureRun], candidates: Sequence[Candidate], seed: int
) -> tuple[dict[str, Predictor], list[str]]:
    """Return the trained candidates.

    Args:
        runs: training runs.
        candidates: what is trained.
        seed: of the trainings.

    Returns:
        Predictors by name, and a sentence for each candidate that failed.
    """
    found, failed = {}, []
    for one in candidates:
        try:
            found[one.name] = one.train(runs, seed)
        except GraycellError as error:
            failed.append(f"{one.name} could not be trained: {error}")
    return found, failed


def predictions(
    predictors: Mapping[str, Predictor], names: Sequence[str], known: CultureRun, time: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return what trained candidates predict of a run.

    Args:
        predictors: by name.
        names: of all candidates, in the order of the rows.
        known: what is known of the run.
        time: (samples,) [d] by quantity.

    Returns:
        (candidates, samples) by quantity, NaN where a candidate predicts nothing; a sentence for each that failed.
    """
    found = {quantity: np.full((len(names), len(at)), np.nan) for quantity, at in time.items()}
    failed = []
    for row, name in enumerate(names):
        if name not in predictors:
            continue
        made: dict[str, np.ndarray] = {}
        try:
            made |= predictors[name].predict(known, time)
        except GraycellError as error:
            for quantity, at in time.items():  # what it has not learned does not count against the others
                with contextlib.suppress(GraycellError):
                    made |= predictors[name].predict(known, {quantity: at})
            if not made:
                failed.append(f"{name} could not predict run '{known.name}': {error}")
        for quantity, values in made.items():
            if quantity in found and np.all(np.isfinite(values)):
                found[quantity][row] = values
    return found, failed


def errors_of(left_out: Sequence[LeftOut], quantity: str) -> np.ndarray:
    """Return measured - predicted of the runs that were left out.

    Args:
        left_out: of every run.
        quantity: its name.

    Returns:
        (candidates, samples); of a detection limit only what is predicted above it.
    """
    parts = []
    for one in (one for one in left_out if quantity in one.predicted):
        error = one.measured[quantity] - one.predicted[quantity]
        parts.append(np.where(one.below[quantity], np.minimum(error, 0.0), error))
    return np.concatenate(parts, axis=-1)


def mixed(predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a mixture of predictions; what a candidate does not predict, the others share.

    Args:
        predicted: (candidates, samples), NaN where a candidate predicts nothing.
        weights: (candidates,) or (candidates, samples) [1].

    Returns:
        (samples,); NaN where nothing is predicted.
    """
    there = np.isfinite(predicted)
    weights = weights if weights.ndim == 2 else weights[:, None]
    share = np.where(there, np.maximum(weights, _LAST_RESORT), 0.0)
    total, found = np.sum(share, axis=0), np.sum(share * np.where(there, predicted, 0.0), axis=0)
    return np.where(total > 0.0, found / np.where(total > 0.0, total, 1.0), np.nan)


def stacking_weights(left_out: Sequence[LeftOut], quantity: str) -> np.ndarray:
    """Return the weights of the candidates for a quantity.

    Args:
        left_out: of every run.
        quantity: its name.

    Returns:
        (candidates,) [1], 0 or above with the sum 1; 0 for one that does not predict the quantity in every run.
    """
    errors = errors_of(left_out, quantity)
    usable = np.flatnonzero(np.all(np.isfinite(errors), axis=1))
    weights = np.zeros(len(errors))
    if not len(usable):
        return weights
    measured = np.concatenate([one.measured[quantity] for one in left_out if quantity in one.measured])
    size = max(float(np.ptp(measured)), 1e-12)
    error = errors[usable] / size
    counts = [len(one.measured[quantity]) for one in left_out if quantity in one.predicted]
    run = np.repeat(np.arange(len(counts)), counts)

    def of_runs(of: np.ndarray) -> np.ndarray:
        """Return the root mean square of errors (..., samples) in each run, (..., runs)."""
        squares = np.stack([np.mean(of[..., run == k] ** 2, axis=-1) for k in range(len(counts))], axis=-1)
        return np.sqrt(squares + _PERFECT**2)

    alone = np.mean(of_runs(error), axis=1)
    prior = (np.min(alone) / alone) ** 4
    found = prior = prior / np.sum(prior)
    for _ in range(_ROUNDS):
        each = of_runs(found @ error)
        scale = 1.0 / np.sqrt(each * np.array(counts))[run]  # the sum of squares over runs is then that of their errors
        pull = np.sqrt(np.mean(each))
        # a mixture with the sum 1 has the error that its weights mix
        rows = np.vstack([error.T * scale[:, None], pull * np.eye(len(usable)),
                          _SUM_TO_ONE * np.ones((1, len(usable)))])  # fmt: skip
        found = nnls(rows, np.r_[np.zeros(len(run)), pull * prior, _SUM_TO_ONE])[0]
        found = found / np.sum(found)
    weights[usable] = found
    return weights
