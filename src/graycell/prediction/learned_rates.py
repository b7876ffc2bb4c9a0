"""LearnedRates: mean specific rates, and a bounded deviation from them by what a culture is like, learned from runs.

The rates that the samples show between each two of them are regressed on how concentrations and the temperature differ
from their usual values at that time: a ridge regression, whose strength is chosen for each rate by leaving runs out. No
differential equation is solved for it. n runs may look at n - 2 quantities, and fewer than four at nothing: the
prediction is then that of the mean rates, and so it is for a run that is like the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graycell.comparison.features import features_of
from graycell.comparison.protocols import Predictor
from graycell.comparison.samples import mean_curve
from graycell.prediction.mean_rates import (
    Deviations,
    MeanRates,
    MeanRatesPredictor,
    Profile,
    balanced,
    is_counted,
    mean_profile,
    rates_of,
    with_start,
)
from graycell.runs.records import TEMPERATURE, VCD, CultureRun

_FIRST = (TEMPERATURE, "GLC", VCD, "LAC", "NH3", "GLN", "ASN")
"""What is looked at first where not all can be."""
_STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, np.inf)
"""Of the ridge, in samples of unit weight; infinite for no deviation."""
_BOUND = 1.5
"""[1] Largest deviation, as part of the root mean square of a rate."""
_INSIDE = np.linspace(0.1, 0.9, 5)
"""Places in an interval at which its conditions are looked at."""
_BETTER = 0.98
"""[1] Part of the error of the mean rates below which a deviation is worth it."""


@dataclass(frozen=True)
class LearnedRates(MeanRates):
    """Balances with mean rates and learned deviations; see `comparison.Candidate`.

    Attributes:
        name: in all tables.
    """

    name: str = "learned rates"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Learn the deviations.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            The predictor; it leaves out what has no balance, such as viability.

        Raises:
            InputError: a run is faulty.
            FitError: no run has two counts of viable cells.
        """
        profile = mean_profile(runs)
        return MeanRatesPredictor.of(runs, profile, learned_deviations(runs, profile))


def learned_deviations(runs: Sequence[CultureRun], profile: Profile) -> Deviations:
    """Return how rates deviate from their means with what a culture is like.

    Args:
        runs: training runs.
        profile: their mean rates.

    Returns:
        The deviations; none where there are too few runs.
    """
    counted, runs = [run for run in runs if is_counted(run)], [with_start(run) for run in runs]
    names = _looked_at(runs, profile)
    if not names:
        return Deviations()
    usual = {name: _usual(name, runs, profile.time) for name in names}
    rows: dict[str, list[tuple[int, float, float, np.ndarray]]] = {}
    for k, (run, rates) in enumerate((with_start(run), rates_of(run)) for run in counted):
        for rate in rates:
            if rate.quantity not in profile.rates:
                continue
            times = rate.start + _INSIDE * (rate.end - rate.start)
            away = np.array([np.mean(_course(name, run, times) - np.interp(times, profile.time, usual[name]))
                             for name in names])  # fmt: skip
            mean = float(np.mean(np.interp(times, profile.time, profile.rates[rate.quantity])))
            rows.setdefault(rate.quantity, []).append((k, rate.value - mean, rate.standard_error, away))
    every = np.array([row[3] for of in rows.values() for row in of])
    scales = np.maximum(np.std(every, axis=0), 1e-12)
    slopes, bounds = {}, {}
    for quantity, of in rows.items():
        run, target, error = (np.array([row[i] for row in of]) for i in range(3))
        size = float(np.sqrt(np.mean(profile.rates[quantity] ** 2) + np.mean(target**2)))
        if not size > 0.0:  # as the death of cells that are all alive
            continue
        # an interval that says little of its rate, as an early one with few cells, counts little
        weight = 1.0 / (error**2 + np.median(error) ** 2 + (0.05 * size) ** 2)
        slopes[quantity] = _ridge(run, target, weight / np.mean(weight), np.array([row[3] for row in of]) / scales)
        bounds[quantity] = max(_BOUND * size, 1e-12)
    return Deviations(names, usual, scales, slopes, bounds)


def _looked_at(runs: Sequence[CultureRun], profile: Profile) -> tuple[str, ...]:
    """Return what is looked at: what every run measured, and the temperature where runs differ in it."""
    shared = [name for name in balanced(runs) if all(name in run.measurements for run in runs)]
    known = [name for name in shared if name == VCD or name in profile.rates]
    courses = np.array([_course(TEMPERATURE, run, profile.time) for run in runs])
    if np.max(np.ptp(courses, axis=0)) > 0.5:
        known.insert(0, TEMPERATURE)
    known.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return tuple(known[: len(runs) - 2]) if len(runs) > 3 else ()


def _course(name: str, run: CultureRun, times: np.ndarray) -> np.ndarray:
    if name == TEMPERATURE:
        return features_of(run, times)["temperature: now"]
    series = run.measurements[name]
    return np.interp(times, series.time, series.value)


def _usual(name: str, runs: Sequence[CultureRun], times: np.ndarray) -> np.ndarray:
    if name == TEMPERATURE:
        return np.mean([_course(name, run, times) for run in runs], axis=0)
    return np.interp(times, *mean_curve(runs, name))


def _ridge(run: np.ndarray, target: np.ndarray, weight: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Return the slopes of a rate, with the strength that predicts runs best that were left out."""

    def slopes(inside: np.ndarray, strength: float) -> np.ndarray:
        if not np.isfinite(strength):
            return np.zeros(away.shape[1])
        weighted = away[inside] * weight[inside, None]
        among = weighted.T @ away[inside] + strength * np.eye(away.shape[1])
        return np.linalg.solve(among, weighted.T @ target[inside])

    errors = []
    for strength in _STRENGTHS:
        parts = [weight[run == k] @ (target[run == k] - away[run == k] @ slopes(run != k, strength)) ** 2
                 for k in np.unique(run)]  # fmt: skip
        errors.append(float(np.sum(parts)))
    best = int(np.argmin(errors))
    if errors[best] > _BETTER * errors[-1]:
        best = len(_STRENGTHS) - 1
    return slopes(np.ones(len(run), bool), _STRENGTHS[best])


