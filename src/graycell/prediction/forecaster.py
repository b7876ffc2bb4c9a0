"""predict_next: the next run from runs and a plan; Forecaster is trained once and predicts one plan after the other."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graycell.comparison.bands import LEVEL, calibration_of, floors_of, in_sizes, possible
from graycell.comparison.baselines import MeanOfRuns
from graycell.comparison.candidates import FittedPredictor
from graycell.comparison.protocols import Candidate, Predictor
from graycell.comparison.residuals import ResidualProcess, Residuals
from graycell.comparison.samples import mean_curve
from graycell.comparison.scored import require_one_unit, require_unique
from graycell.comparison.splits import known_of
from graycell.engine import Engine, current_engine
from graycell.errors import FitError, GraycellError
from graycell.prediction.candidates import default_candidates
from graycell.prediction.groups import GroupMean
from graycell.prediction.mean_rates import MeanRates, MeanRatesPredictor
from graycell.prediction.next_run import MIXTURE, LeftOutScore, NextRun
from graycell.prediction.novelty import Outside, novelties
from graycell.prediction.stacking import LeftOut, leave_out_each, mixed, predictions, stacking_weights, trained
from graycell.runs.records import REDOX, TCD, CellFeed, CultureRun, End, RuleBolus

POINTS = 101
"""Number of times of a prediction where none are given."""
_NOT_PREDICTED = (REDOX, TCD)
EMPTY = 0.01
"""[1] Part of its largest measured value below which a substrate has run out."""
WELL_FED = 0.03
"""[1] Part below which no training run may have been, for a warning that a substrate runs out."""
_BLIND = 0.5
"""[1] Distance from what was learned at which a candidate that does not look at the plan has the weight 0."""
_TRUSTED = 0.5
"""[1] Square of the error of the best candidate over that of those which look at the plan, for these to be heard."""
_DAYS_WITHOUT = 1.0
"""[1/d] By how much bands widen with every day without a substrate."""
_HEARD = 0.1
"""[1] Weight in a quantity from which on the remarks of a fit are among the warnings."""
_BEYOND = 0.1
"""[1] Part of the measured range by which a predicted state may leave it without a warning."""


def predict_next(
    runs: Sequence[CultureRun],
    plan: CultureRun,
    *,
    candidates: Sequence[Candidate] | None = None,
    groups: Mapping[str, str] | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> NextRun:
    """Predict a run from other runs and its plan.

    Candidates are trained with each training run left out, mixed by what they predicted of it, and the mixture gets
    bands from how the runs that were left out differed from it. Samples of the plan after time 0 are known: the
    prediction is made anew from all of them.

    Args:
        runs: two training runs or more, with measurements; one with the name of the plan is left out.
        plan: its start, events, media, and its samples so far.
        candidates: what is mixed; see `default_candidates` if left out.
        groups: group of a run by its name, that of the plan too, such as clone or feeding.
        times: [d] of the prediction; evenly over the plan if left out.
        seed: of trainings and draws.
        engine: where trainings are tasks; the present one if left out.
        progress: called with the part that is done [1] and words.

    Returns:
        The prediction.

    Raises:
        FitError: fewer than two training runs, or nothing can be predicted.
    """
    others = [run for run in runs if run.name != plan.name]
    forecaster = Forecaster.of(others, candidates=candidates, groups=groups, seed=seed, engine=engine,
                               progress=progress)  # fmt: skip
    if len(others) < len(runs):
        left = f"run '{plan.name}' of the training runs has the name of the plan, and nothing was learned from it."
        forecaster = replace(forecaster, failures=(left, *forecaster.failures))
    return forecaster.predict(plan, times)


@dataclass(frozen=True)
class Forecaster:
    """Trained candidates with their weights and residuals: it predicts one plan after the other.

    Attributes:
        runs: training runs.
        candidates: what is mixed.
        predictors: trained on all runs, by name.
        left_out: what the candidates predicted of every run.
        weights: (candidates,) by quantity.
        process: of the residuals.
        residuals: of every run that was left out.
        scores: of the runs that were left out.
        calibration: [1] by which bands are wider than the quantiles of the process, so that they held where runs were
            left out.
        largest: (runs,) [sizes] largest residual of each run, of sizes from the others.
        groups: group of each run by its name.
        failures: sentences for candidates that failed.
        seed: of trainings and draws.
    """

    runs: tuple[CultureRun, ...]
    candidates: tuple[Candidate, ...]
    predictors: Mapping[str, Predictor]
    left_out: tuple[LeftOut, ...]
    weights: Mapping[str, np.ndarray]
    process: ResidualProcess
    residuals: tuple[Residuals, ...]
    scores: tuple[LeftOutScore, ...]
    calibration: float
    largest: np.ndarray
    groups: Mapping[str, str]
    failures: tuple[str, ...]
    seed: int

    @classmethod
    def of(
        cls,
        runs: Sequence[CultureRun],
        *,
        candidates: Sequence[Candidate] | None = None,
        groups: Mapping[str, str] | None = None,
        seed: int = 0,
        engine: Engine | None = None,
        progress: Callable[[float, str], None] = lambda done, words: None,
    ) -> "Forecaster":
        """Train candidates, and learn their weights and residuals; see `predict_next`.

        Args:
            runs: two or more, with measurements.
            candidates: what is mixed.
            groups: group of a run by its name.
            seed: of trainings.
            engine: where trainings are tasks.
            progress: called with the part that is done [1] and words.

        Returns:
            The forecaster.

        Raises:
            FitError: fewer than two runs, two candidates of one name, or nothing can be predicted.
        """
        given, runs = runs, tuple(_with_samples(runs))
        require_one_unit(runs, "predict")
        chosen = tuple(candidates) if candidates is not None else default_candidates(runs, groups)
        require_unique("candidates", [one.name for one in chosen], "predict")
        share = len(runs) / (len(runs) + 1)
        left_out, failures = leave_out_each(runs, chosen, seed, engine or current_engine(),
                                            lambda done, name: progress(share * done, f"without {name}"))  # fmt: skip
        names = tuple(dict.fromkeys(name for one in left_out for name in one.predicted if name not in _NOT_PREDICTED))
        weights = {name: stacking_weights(left_out, name) for name in names}
        names = tuple(name for name in names if np.any(weights[name] > 0.0))
        if not names:
            raise FitError("predict: no candidate predicts any quantity of all runs; " + " ".join(failures))
        residuals = [_nested(left_out, k, names) for k in range(len(runs))]
        usual = {name: mean_curve([run for run in runs if name in run.measurements], name) for name in names}
        process = ResidualProcess.of(residuals, names, usual, floors_of(runs, names), max(run.end for run in runs))
        scaled = [in_sizes(process.without(residuals, k), one) for k, one in enumerate(residuals)]
        calibration = calibration_of(process, scaled)
        scores = _scores(left_out, residuals, process, scaled, [one.name for one in chosen])
        largest = np.array([max((float(np.max(one)) for one in of.values()), default=0.0) for of in scaled])
        predictors, more = trained(runs, chosen, seed)
        progress(1.0, "all runs")
        empty = [f"run '{run.name}' has no samples after time 0, and nothing is learned from it."
                 for run in given if not any(run is one for one in runs)]  # fmt: skip
        heard = {one.name for k, one in enumerate(chosen) if any(weights[name][k] >= _HEARD for name in names)}
        failures = list(dict.fromkeys([*empty, *failures, *more, *_remarks(predictors, heard)]))
        return cls(
            runs, chosen, predictors, tuple(left_out), {name: weights[name] for name in names}, process,
            tuple(residuals), tuple(scores), calibration, largest, dict(groups or {}), tuple(failures), seed,
        )  # fmt: skip

    def predict(self, plan: CultureRun, times: Sequence[float] | np.ndarray | None = None) -> NextRun:
        """Predict a run.

        Args:
            plan: its start, events, media, and its samples so far.
            times: [d] of the prediction; evenly over the plan if left out.

        Returns:
            The prediction.

        Raises:
            FitError: no candidate can predict it.
        """
        names, rows = tuple(self.weights), [one.name for one in self.candidates]
        plan = self._to_its_end(plan)
        time = np.linspace(0.0, plan.end, POINTS) if times is None else np.asarray(times, float)
        require_one_unit([*self.runs, plan], "predict")
        start, failed = self.realised(known_of(plan, None, False))
        seen = {name: series for name, series in plan.measurements.items() if name in names}
        every = {name: np.unique(np.r_[0.0, time, seen[name].time if name in seen else ()]) for name in names}
        made, more = predictions(self.predictors, rows, start, every)
        failed += more
        starts = self._starts(start, made)
        outside = novelties(self.runs, start)
        weights = {name: functools.partial(self._weights_at, name, outside) for name in names}
        curves = {name: mixed(made[name], weights[name](every[name])) for name in names}
        if not all(np.all(np.isfinite(curve)) for curve in curves.values()):
            raise FitError(f"predict: run '{plan.name}' could not be predicted; " + " ".join(failed))
        place = {name: np.searchsorted(every[name], time) for name in names}
        known = self._known(seen, every, curves)
        gain = self.process.gain_after(self.residuals, known) if known.time else 1.0
        process = self.process.conditioned(known, gain)
        moments = {name: process.mean_and_variance(name, time) for name in names}
        sizes = np.stack([self.process.size(name, time) for name in names], axis=1)
        widening = 1.0 + np.interp(time, outside.time, outside.distance)
        curve = np.stack([curves[name][place[name]] for name in names], axis=1)
        moved = sizes * np.stack([moments[name][0] for name in names], axis=1)
        estimate = np.stack([possible(self.runs, name, (curve + moved)[:, j]) for j, name in enumerate(names)], axis=1)
        dry = np.stack([self._by_balances(name, made[name][:, place[name]], curve[:, j])
                        for j, name in enumerate(names)], axis=1) + moved  # fmt: skip
        reserves = self._reserves(names, dry)
        ends = {name: float(time[np.argmax(left < 0.0)]) for name, left in reserves.items() if np.any(left < 0.0)}
        if ends:
            widening = widening + _DAYS_WITHOUT * np.maximum(time - min(ends.values()), 0.0)
        variance = np.stack([moments[name][1] for name in names], axis=1)
        whole = None
        if not known.time:
            whole = self._whole_run(start, names, every, place, weights, sizes * widening[:, None])
            if not np.all(np.isfinite(whole)):
                whole, failed = None, [*failed, "no candidate could predict the plan in one of the runs left out, so "
                                       "there is no band of whole runs."]  # fmt: skip
        zero = np.zeros(1)  # what is predicted there: samples so far move that too
        at_start = {name: float((curves[name][:1] + self.process.size(name, zero)
                                 * process.mean_and_variance(name, zero)[0])[0]) for name in names}  # fmt: skip
        begun = [self._begun(plan, name, time, at_start[name], starts.get(name, np.nan)) for name in names]
        estimate = np.stack([possible(self.runs, name, estimate[:, j] + begun[j][0]) for j, name in enumerate(names)],
                            axis=1)  # fmt: skip
        sizes = self.calibration * sizes * np.stack([part for _, part in begun], axis=1)
        sizes_here = sizes * widening[:, None]
        warnings = (*self._warnings(plan, names, time, estimate, ends, outside), *self.failures, *failed)
        used = np.stack([np.mean(weights[name](time), axis=1) for name in names], axis=1)
        by_candidate = np.stack([made[name][:, place[name]] for name in names], axis=2)
        count = len(self.runs)
        return NextRun(
            plan, self.runs, time, names, _units(self.runs, names), estimate, sizes_here * np.sqrt(variance),
            sizes_here * np.sqrt(variance + self.process.noise), self.process.degrees, whole,
            count / (count + 1.0), tuple(rows), used / np.sum(used, axis=0), by_candidate, self.scores, outside.found,
            widening, tuple(dict.fromkeys(warnings)), self.seed, process, sizes, ends, reserves,
        )  # fmt: skip

    def realised(self, plan: CultureRun) -> tuple[CultureRun, list[str]]:
        """Return a plan with the boluses that its rules give, by the mean rates.

        Args:
            plan: any plan.

        Returns:
            The plan with boluses of known volumes, and sentences; where that fails the plan as it is, and why.
        """
        if not any(isinstance(event, RuleBolus) for event in plan.events):
            return plan, []
        of_rates, why = self.predictors.get(MeanRates().name), "the mean rates are not among the candidates"
        if isinstance(of_rates, MeanRatesPredictor):
            try:
                return of_rates.realised(plan), []
            except GraycellError as error:
                why = str(error)
        return plan, [f"the boluses that rules give could not be computed, so only balances know them: {why}"]

    def _starts(self, plan: CultureRun, made: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return what a plan begins with, as far as it says it, in the unit of the samples: where mean rates begin."""
        of_rates, rows = self.predictors.get(MeanRates().name), [one.name for one in self.candidates]
        if not isinstance(of_rates, MeanRatesPredictor):
            return {}
        row, unknown = rows.index(MeanRates().name), of_rates.unknown_starts(plan)
        return {name: float(values[row, 0]) for name, values in made.items() if name not in unknown}

    def _begun(
        self, plan: CultureRun, name: str, time: np.ndarray, predicted: float, by_rates: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much a prediction is moved to begin where the plan does, and the part of its size that is left.

        A size is learned from samples after time 0. Before the first of them, the value at time 0 says more: the
        variance rises from that of the start to the learned one, as that of a random walk does. A start that was given
        and not measured, or is below a detection limit, is as wrong as those of the training runs were.
        """
        series = {run.name: run.measurements[name] for run in self.runs if name in run.measurements}
        first = float(np.min(np.concatenate([one.time[one.time > 0.0] for one in series.values()]), initial=np.inf))
        start, own = by_rates, plan.measurements.get(name)
        if own is not None and len(own.time) and own.time[0] <= 0.0 and not (own.below is not None and own.below[0]):
            start, error = float(own.value[0]), float(own.standard_error[0])
        else:
            apart = [run.initial[name] - series[run.name].value[0] for run in self.runs
                     if name in run.initial and run.name in series and series[run.name].time[0] <= 0.0]  # fmt: skip
            assay = np.concatenate([one.standard_error for one in series.values()])
            error = float(np.sqrt(np.mean(np.square(assay)) + np.mean(np.square([0.0, *apart]))))
        if not np.isfinite(start) or not np.isfinite(first):
            return np.zeros_like(time), np.ones_like(time)
        size = self.calibration * float(self.process.size(name, np.zeros(1))[0])
        passed, known = np.clip(time / first, 0.0, 1.0), error**2 / (error**2 + size**2)
        return (1.0 - passed) * (1.0 - known) * (start - predicted), np.sqrt(known + (1.0 - known) * passed)

    def _to_its_end(self, plan: CultureRun) -> CultureRun:
        """Return a plan that does not say when it ends, to the end of the longest training run."""
        last = max([0.0, plan.last_sample, *(float(event.time) for event in plan.events)])
        if plan.end > last or any(isinstance(event, End) for event in plan.events):
            return plan
        return replace(plan, end=max(plan.end, *(run.end for run in self.runs)))

    def _weights_at(self, name: str, outside: Outside, time: np.ndarray) -> np.ndarray:
        """Return the weights over time, (candidates, times): outside of what was learned the blind candidates yield.

        They yield to those that look at the plan as far as these were as right where runs were left out, and as far as
        it is outside in something that balances know.
        """
        weights, (seeing, trust) = self.weights[name], self._seeing(name)
        kept = np.maximum(1.0 - np.interp(time, outside.time, outside.balanced) / _BLIND, 0.0) ** 2
        less = np.where(self._blind[:, None], 1.0 - trust * (1.0 - kept)[None, :], 1.0)
        yielded = trust * np.sum(weights[self._blind]) * (1.0 - kept)
        return weights[:, None] * less + seeing[:, None] * yielded[None, :]

    @property
    def _blind(self) -> np.ndarray:
        """Which candidates do not look at the plan."""
        return np.array([isinstance(one, MeanOfRuns | GroupMean) for one in self.candidates])

    def _seeing(self, name: str) -> tuple[np.ndarray, float]:
        """Return shares of the candidates that look at the plan, and how right they are beside the best of all.

        The shares are in proportion to 1/(mean square error) where runs were left out; both are 0 to 1.
        """
        scores = [score.nrmse for score in self.scores if score.quantity == name]
        error = np.array([np.mean([of[one.name] for of in scores] or [np.nan]) for one in self.candidates])
        seeing = np.where(~self._blind & np.isfinite(error), np.maximum(np.nan_to_num(error), 1e-9) ** -2.0, 0.0)
        if not np.any(seeing > 0.0):
            return seeing, 0.0
        trust = min(1.0, float(np.nanmin(error) / np.min(error[seeing > 0.0])) ** 2)
        return seeing / np.sum(seeing), trust

    def _by_balances(self, name: str, made: np.ndarray, mixture: np.ndarray) -> np.ndarray:
        """Return the course by the candidates that look at the plan, where they are trusted; else the mixture."""
        seeing, trust = self._seeing(name)
        curve = mixed(made, seeing) if trust >= _TRUSTED else mixture
        return np.where(np.isfinite(curve), curve, mixture)

    def _known(self, seen, every, curves) -> Residuals:
        """Return the residuals of the samples so far, after time 0."""
        time, value = {}, {}
        for name, series in seen.items():
            later = series.time > 0.0
            if np.any(later):
                error = series.value[later] - curves[name][np.searchsorted(every[name], series.time[later])]
                limit = np.zeros(len(error), bool) if series.below is None else series.below[later]
                says = ~limit | (error < 0.0)
                time[name], value[name] = series.time[later][says], error[says]
        return Residuals(time, value)

    def _whole_run(self, start, names, every, place, weights, sizes) -> np.ndarray:
        """Return the ends of the band of whole runs (jackknife+ of Barber et al. 2021, Annals of Statistics 49, 486).

        Each run that was left out gives the curve that is predicted without it, and its own largest residual.
        """
        rows, ends = [one.name for one in self.candidates], []
        for k, one in enumerate(self.left_out):
            made = predictions(one.predictors, rows, start, every)[0]
            curve = np.stack([mixed(made[name], weights[name](every[name]))[place[name]] for name in names], axis=1)
            ends.append((curve - self.largest[k] * sizes, curve + self.largest[k] * sizes))
        low, high = np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)
        sides = [np.stack([possible(self.runs, name, side[:, j]) for j, name in enumerate(names)], axis=1)
                 for side in (low, high)]  # fmt: skip
        return np.stack(sides)

    def _reserves(self, names, curves) -> dict[str, np.ndarray]:
        """Return what is left of the substrates that no training run was without, see `NextRun`."""
        found = {}
        for j, name in enumerate(names):
            values = [run.measurements[name].value for run in self.runs if name in run.measurements]
            largest = max(float(np.max(value)) for value in values)
            least = min(float(np.min(value)) for value in values)
            if least > WELL_FED * largest and self._is_eaten(name):
                found[name] = curves[:, j] / largest - EMPTY
        return found

    def _is_eaten(self, name: str) -> bool:
        """Return whether the cells take up a species on the whole, by the mean rates."""
        of_rates = self.predictors.get(MeanRates().name)
        rates = of_rates.profile.rates.get(name) if isinstance(of_rates, MeanRatesPredictor) else None
        return rates is not None and float(np.mean(rates)) < 0.0

    def _warnings(self, plan, names, time, estimate, ends, outside) -> list[str]:
        said = [one.sentence() for one in outside.found]
        said += [f"{name} is in no training run: what it does was not learned." for name in outside.unseen]
        of_rates = self.predictors.get(MeanRates().name)
        unknown = of_rates.unknown_starts(plan) if isinstance(of_rates, MeanRatesPredictor) else ()
        if unknown:
            said.append(f"the plan does not say what it begins with of {', '.join(unknown)}: the balances begin with "
                        "the mean of the training runs.")  # fmt: skip
        if plan.name in {run.name for run in self.runs}:
            said.append(f"run '{plan.name}' is among the training runs too, so its bands say nothing of a new run.")
        if any(isinstance(event, CellFeed) for event in plan.events):
            said.append("what is fed per cell is not known beforehand, and not compared with what was learned.")
        said += [f"{name} runs out at day {since:.3g}, and no training run was without it: how such cells behave was "
                 "not learned; the bands widen from then on." for name, since in ends.items()]  # fmt: skip
        longest = max(run.end for run in self.runs)
        if plan.end > longest * (1.0 + 1e-6):
            said.append(f"the plan ends at day {plan.end:.3g} and the longest training run at day {longest:.3g}: the "
                        "rates of its last days are held.")  # fmt: skip
        group = self.groups.get(plan.name)
        if self.groups and (group is None or all(self.groups.get(run.name) != group for run in self.runs)):
            said.append(f"the group of run '{plan.name}', {group or 'which has none'}, is that of no training run: it "
                        "is predicted from all groups.")  # fmt: skip
        for j, name in enumerate(names):
            values = np.concatenate([run.measurements[name].value for run in self.runs if name in run.measurements])
            if isinstance(of_rates, MeanRatesPredictor):  # with what they begin with, which is often not sampled
                values = np.r_[values, of_rates.starts.get(name, np.zeros(0))]
            low, high = float(np.min(values)), float(np.max(values))
            away = np.maximum(estimate[:, j] - high, low - estimate[:, j]) > _BEYOND * (high - low)
            if np.any(away) and name not in ends:
                said.append(f"{name} is predicted outside of the measured range from day {time[np.argmax(away)]:.3g} "
                            f"on: {low:.3g} to {high:.3g} were measured.")  # fmt: skip
        return said


def _with_samples(runs: Sequence[CultureRun]) -> list[CultureRun]:
    found = [run for run in runs if any(np.any(series.time > 0.0) for series in run.measurements.values())]
    if len(found) < 2:
        raise FitError(f"predict: found {len(found)} training runs with samples after time 0; 2 are needed, so that "
                       "each can be left out, and 5 or more are better; give more.")  # fmt: skip
    return found


def _nested(left_out: Sequence[LeftOut], k: int, names: Sequence[str]) -> Residuals:
    """Return the residuals of a run, of the mixture with the weights that the other runs give."""
    one, others = left_out[k], [left_out[i] for i in range(len(left_out)) if i != k]
    time, value = {}, {}
    for name in names:
        if name not in one.predicted:
            continue
        weights = stacking_weights(others, name) if any(name in other.predicted for other in others) else None
        if weights is None or not np.any(weights > 0.0):
            weights = stacking_weights(left_out, name)
        error = one.measured[name] - mixed(one.predicted[name], weights)
        says = ~one.below[name] | (error < 0.0)  # a prediction below a detection limit is neither right nor wrong
        time[name], value[name] = one.time[name][says], error[says]
    return Residuals(time, value)


def _remarks(predictors: Mapping[str, Predictor], names: set[str]) -> list[str]:
    """Return what the fits of some candidates say of themselves."""
    fits = {name: one.fit for name, one in predictors.items() if isinstance(one, FittedPredictor) and name in names}
    return [f"{name}: {sentence}" for name, fit in fits.items() for sentence in fit.remarks()]


def _scores(left_out, residuals, process: ResidualProcess, scaled, rows) -> list[LeftOutScore]:
    """Return the scores of the runs that were left out; the bands of each are those of the others."""
    ranges: dict[str, float] = {}
    for name in process.names:
        ranges[name] = float(np.ptp(np.concatenate([one.measured[name] for one in left_out if name in one.measured])))
    found = []
    for k, one in enumerate(left_out):
        others = process.without(residuals, k)
        within = others.quantile(LEVEL) * calibration_of(others, [*scaled[:k], *scaled[k + 1 :]])
        for name, error in residuals[k].value.items():
            if not ranges[name] > 0.0:
                continue
            single = one.measured[name] - one.predicted[name]
            single = np.where(one.below[name], np.minimum(single, 0.0), single)
            nrmse = dict(zip(rows, np.sqrt(np.mean(single**2, axis=1)) / ranges[name], strict=True))
            nrmse[MIXTURE] = float(np.sqrt(np.mean(error**2))) / ranges[name]
            held = int(np.sum(scaled[k][name] <= within))
            found.append(LeftOutScore(one.run.name, name, len(error), nrmse, held))
    return found


def _units(runs: Sequence[CultureRun], names: Sequence[str]) -> dict[str, str]:
    return {name: next((run.measurements[name].unit for run in runs if name in run.measurements), "") for name in names}
