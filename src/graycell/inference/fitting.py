"""fit: a model and runs -> the model with learned parameters, and everything needed to repeat it.

From published parameters, a fit with a closed redox loop stops on the wrong branch. The recipe therefore opens the loop
and closes it again: first the rate laws see the measured R, then R is drawn to the measured values at a rate that falls
to zero. The loop is closed in the last stage, and only its result is returned. Without a measured R the loop is closed
from the start.

Networks are learned together with the parameters, in one least-squares problem. Where the rates can be evaluated along
smooth curves of the samples (no loop, or R measured), integral matching comes first: Adam from several starts in one
compiled function, then Levenberg-Marquardt; see `matching`. Then the horizon grows to whole runs or, where R is
measured, the loop is opened and closed again. Held-out samples stop the last stage early.
"""

import functools
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import diffrax
import jax.numpy as jnp
import numpy as np

from graycell.cell.neural import MLP, drawn_weights, weights_of
from graycell.engine import Engine, current_engine, one_thread_each, using
from graycell.errors import FitError
from graycell.hybrid.smoothing import smooth_run, stack_smooth
from graycell.inference import checkpoint
from graycell.inference.between import require_all_learned, settled
from graycell.inference.group_effects import GroupPrior, groups_of
from graycell.inference.initial_error import InitialError
from graycell.inference.initial_prior import initial_prior
from graycell.inference.least_squares import Point
from graycell.inference.likelihood import Objective, objective_of
from graycell.inference.matching import Matching, adam
from graycell.inference.outcome import ended_at, result_of, why_it_stops
from graycell.inference.problem import Problem, require_distinct
from graycell.inference.results import Estimate, Fit, FitSettings, FitStatus, Progress
from graycell.inference.search import Search, Started, Watch, follow_start, row_of
from graycell.inference.stages import CLOSED, OPEN_AND_CLOSE, Stage, recipe_for
from graycell.model import CultureModel
from graycell.packing import pack_all
from graycell.parameters import Parameter
from graycell.provenance import provenance_of
from graycell.runs.records import CultureRun
from graycell.simulation.solve import SolverSettings
from graycell.storage import require_place

__all__ = [
    "CLOSED",
    "OPEN_AND_CLOSE",
    "Estimate",
    "Fit",
    "FitSettings",
    "FitStatus",
    "Progress",
    "Stage",
    "fit",
    "objective_for",
]


def fit(
    model: CultureModel | Problem,
    runs: Sequence[CultureRun] | CultureRun | None = None,
    settings: FitSettings = FitSettings(),  # noqa: B008  immutable
    *,
    folder: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    engine: Engine | None = None,
) -> Fit:
    """Fit the estimated parameters of a model and its networks to runs; model and runs stay as they are.

    Residuals are in standard errors of the assay. Parameters stay between their bounds and have their priors; the
    weights of networks have the prior `cell.neural.PRIOR`.

    Args:
        model: a model, with the parameters that it declares, or a `Problem`.
        runs: with measurements; left out with a `Problem`.
        settings: how it is fitted.
        folder: for a checkpoint after every iteration; a fit that finds its own checkpoint there resumes from it and
            ends at the same result.
        progress: called after every iteration, once at a time, and while starts are followed in any thread.
        engine: where starts and runs are tasks; the present one if left out, which is threads on all cores. The result
            does not depend on it.

    Returns:
        The result; `Fit.status` says how it ended, also where the model could not be followed to the end.

    Raises:
        FitError: for runs beside a `Problem`, a model with the lagged closure, runs of one name, nothing to learn or to
            learn it from, too few runs to hold some out, a model that cannot be simulated from any start, or a
            checkpoint of another fit.
        OutputError: where the folder cannot be written to.
        ModelError: for a parameter that cannot be estimated as it is described.
        InputError: where a run does not fit the model.
    """
    if isinstance(runs, FitSettings) or (isinstance(model, Problem) and runs is not None):
        raise FitError(
            f"fit: found {type(runs).__name__} in the place of the runs; a model needs its runs there, and a Problem "
            "has its own; give settings by name: settings=FitSettings(...)."
        )
    problem = model if isinstance(model, Problem) else Problem(model, () if runs is None else runs)
    model, runs = problem.start, list(problem.runs)  # type: ignore[arg-type]
    solver = SolverSettings(rtol=settings.rtol, atol=settings.atol, adjoint=diffrax.ForwardMode())
    errors, groups = InitialError.of(problem.initial_error), groups_of(runs, problem.groups)
    objective = objective_for(model, runs, model.table.estimated, solver, settings.regularisation, errors, groups)
    stages = settings.stages or recipe_for(model, runs)
    matching = None
    if any(stage.matching for stage in stages):
        matching = Matching(objective, stack_smooth([smooth_run(model, run) for run in runs]))
    held = _held_out(objective, settings)
    measured = np.isfinite(np.asarray(objective.packed.standard_error)).ravel()
    kept = np.r_[measured, np.ones(objective.prior_count, bool)] & ~held
    search = Search(objective, matching, kept, held, settings)
    require_all_learned(model.table.estimated, search)
    fitter = _Fitter(search, stages, _fingerprint(model, runs, stages, settings, errors, groups), folder, progress)
    with using(engine), one_thread_each():
        fitter.run()
        try:
            end = ended_at(objective, stages, fitter.reached, fitter.converged)
            if end.jacobian is not None and end.stage is stages[-1]:
                found = settled(search, end.stage, end.x, model.table.estimated, model.table)
                if found is not None:
                    objective, model = found.objective, model.with_table(found.table)
                    end = ended_at(objective, stages, [end.x, found.x], fitter.converged)
        except FitError as error:
            raise FitError(f"{error} {why_it_stops(model, runs)}".strip()) from None
    return result_of(end, model, runs, objective, settings, tuple(fitter.history), fitter.fingerprint, errors, groups)


def objective_for(
    model: CultureModel,
    runs: Sequence[CultureRun],
    rows: Sequence[Parameter],
    solver: SolverSettings,
    regularisation: float = 1.0,
    initial_error: InitialError | None = None,
    groups: Mapping[str, str] | None = None,
) -> Objective:
    """Return the objective that a fit minimises, see `Objective`.

    Args:
        model: at the values where the fit starts.
        runs: with measurements.
        rows: the estimated parameters.
        solver: settings of the ODE solver.
        regularisation: [1] the standard deviations of the priors of all weights are divided by it.
        initial_error: of the initial concentrations of the runs; they are exact if left out.
        groups: group of each run by its name, where parameters differ between groups.

    Returns:
        The objective on all runs.

    Raises:
        FitError: for a model with the lagged closure, two runs of one name, nothing to estimate, nothing measured, or a
            run without a group where a parameter differs between groups.
        InputError: where a run does not fit the model.
    """
    if model.is_lagged:
        raise FitError("the lagged closure depends on its step and cannot be fitted; use the closure Dynamic.")
    require_distinct(runs)
    if not (rows or model.nets) or not runs:
        raise FitError(
            f"found {len(rows)} parameters and {len(model.nets)} networks to learn and {len(runs)} runs; something to "
            "learn and a run are needed."
        )
    of_groups = GroupPrior.of(rows, [run.name for run in runs], groups)
    packed = pack_all(runs, model)
    if not np.any(np.isfinite(np.asarray(packed.standard_error))):
        raise FitError(
            f"runs {', '.join(run.name for run in runs)}: found no measured value that the model predicts; a fit and "
            f"its derivatives need some; measure any of {', '.join(model.quantities)}."
        )
    initial, packed = initial_prior(initial_error, runs, model, packed)
    return objective_of(model, packed, rows, solver, regularisation, initial, of_groups)


class _Fitter:
    """The loop over starts, stages and iterations, with its history and checkpoint; used by `fit` alone."""

    def __init__(self, search: Search, stages, fingerprint, folder, progress):
        self.search, self.stages, self.settings = search, stages, search.settings
        self.fingerprint = fingerprint
        self.folder = None if folder is None else Path(folder)
        if self.folder:
            require_place(self.folder)  # now, not after minutes of work
        self.progress = progress or (lambda _: None)
        self.history: list[dict] = []
        self.converged = False
        self.reached: list[np.ndarray] = []
        # before the stages proper, every start goes through a short first stage; Adam does it for all together
        several = self.settings.starts > 1 and not stages[0].matching
        self.screening = replace(stages[0], name="start", iterations=self.settings.screening) if several else None
        self.before = self.settings.starts * self.settings.screening if several else 0
        self.total = self.before + sum(self._length(stage) for stage in stages)

    def _length(self, stage: Stage) -> int:
        return stage.iterations * (2 if stage.matching else 1)  # Adam counts as one stage more

    def run(self) -> None:
        """Go through all starts and stages, from the checkpoint on if there is one; `reached` holds where each ended.

        Raises:
            FitError: for the checkpoint of another fit.
        """
        starts = self._starts()
        saved = checkpoint.load(self.folder, self.fingerprint) if self.folder else None
        saved = saved or checkpoint.Saved(0, None, (starts[0],), (), 0.0)
        self.began = time.perf_counter() - saved.seconds
        attempt, point, watched = saved.attempt, saved.point, saved.watch
        self.reached, self.history = list(saved.reached), list(saved.history)
        if self.screening is not None and point is None and attempt == 0:
            begun = saved.starts or tuple(Started(Point(start)) for start in starts)
            for start in self._screen(self.screening, begun):
                self.reached.append(start.point.x)
                self.history += start.history
        while attempt < len(self.stages):
            stage = self.stages[attempt]
            if point is None:
                if stage.matching:
                    self.reached += self._adam(attempt, starts)
                point = Point(self._best(stage))
            self.reached.append(self._follow(attempt, point, watched).x)
            point, watched, attempt = None, checkpoint.UNWATCHED, attempt + 1

    def _screen(self, stage: Stage, begun: Sequence[Started]) -> list[Started]:
        """Return where every start ends; starts are tasks of the engine."""
        now, engine, written = list(begun), current_engine(), -math.inf
        changing = threading.Lock()

        def keep(i: int, start: Started) -> None:
            nonlocal written
            with changing:
                now[i] = self._timed(start, now[i])
                done = sum(one.point.iteration for one in now)
                # from any of its states a start ends at the same point, so not every one has to be written
                if self.folder and (start.finished or time.perf_counter() - written > _SECONDS_BETWEEN):
                    self._save(checkpoint.Saved(0, None, tuple(self.reached), (), self._seconds, starts=tuple(now)))
                    written = time.perf_counter()
                self.progress(Progress(done / self.total, self._label(i), start.point.cost, start.point.iteration))

        task = functools.partial(follow_start, self.search, stage)
        left = [i for i, start in enumerate(now) if not start.finished]
        given: list[tuple] = [(self._label(i), now[i]) for i in left]
        if engine.shares_memory:
            given = [(*one, functools.partial(keep, i)) for i, one in zip(left, given, strict=True)]
        engine.map(task, given, lambda k, start: keep(left[k], start))
        return now

    def _label(self, start: int) -> str:
        return f"start {start + 1} of {self.settings.starts}"

    def _timed(self, start: Started, before: Started) -> Started:
        """Return a start whose rows have the times that they had before, and new ones the present time."""
        new = start.history[len(before.history) :]
        return start._replace(history=(*before.history, *({**row, "seconds": self._seconds} for row in new)))

    @property
    def _seconds(self) -> float:
        return round(time.perf_counter() - self.began, 3)

    def _save(self, saved: checkpoint.Saved) -> None:
        if self.folder:
            checkpoint.save(self.folder, self.fingerprint, saved)

    def _best(self, stage: Stage) -> np.ndarray:
        """Return the point, of all reached so far, with the lowest cost of this stage.

        So the next stage does not start where a stage went astray, as one that closes the loop can.
        """
        if len(self.reached) == 1:
            return self.reached[0]
        costs = current_engine().map(functools.partial(self.search.cost, stage), [(x,) for x in self.reached])
        return self.reached[int(np.argmin(costs))]

    def _adam(self, attempt: int, starts: list[np.ndarray]) -> list[np.ndarray]:
        """Return the points that Adam reaches from all starts in integral matching, best first."""
        stage = self.stages[attempt]

        def report(done: int, cost: float) -> None:
            self.history.append({"stage": "Adam", "iteration": done, "cost": cost, "damping": 0.0, "accepted": True,
                                 "seconds": self._seconds})  # fmt: skip
            share = self._before(attempt) + stage.iterations * done / max(self.settings.adam, 1)
            self.progress(Progress(min(share / self.total, 1.0), "Adam, all starts", cost, done))

        learned = np.where(self.search.held, 0.0, 1.0)
        assert self.search.matching is not None  # a stage asks for it
        return list(adam(self.search.matching, np.stack(starts), learned, self.settings.adam, report))

    def _before(self, attempt: int) -> int:
        return self.before + sum(self._length(stage) for stage in self.stages[:attempt])

    def _follow(self, attempt: int, point: Point, watched: tuple) -> Point:
        stage = self.stages[attempt]
        before = self._before(attempt) + self._length(stage) - stage.iterations
        last = attempt == len(self.stages) - 1
        watch = Watch(self.settings.patience) if last and np.any(self.search.held) else None
        if watch is not None:
            watch.best, watch.least, watch.since = watched
            if self.history and not self.history[-1]["accepted"]:
                watch.seen = point.x  # a refused trial: this point was looked at before the stop

        def each(point: Point, moved: bool) -> None:
            row = {**row_of(stage.name, point, moved), "seconds": self._seconds}
            self.history.append({**row, "held out": watch.cost} if watch else row)
            seen = (watch.best, watch.least, watch.since) if watch else checkpoint.UNWATCHED
            self._save(checkpoint.Saved(attempt, point, tuple(self.reached), tuple(self.history), self._seconds, seen))
            self.progress(Progress((before + point.iteration) / self.total, stage.name, point.cost, point.iteration))

        point = self.search.follow(stage, point, each, watch)
        self.converged = point.stalled >= self.settings.patience or bool(watch and watch.stops)
        return point if watch is None or watch.best is None else point._replace(x=watch.best)

    def _starts(self) -> list[np.ndarray]:
        objective = self.search.objective
        coordinates, model = objective.coordinates, objective.model
        random = np.random.default_rng(self.settings.seed)
        sd = np.where(np.isfinite(coordinates.prior_sd), coordinates.prior_sd, 1.0) * self.settings.start_sd
        centre = np.asarray(coordinates.centre)
        starts = []
        for i in range(self.settings.starts):
            drawn = centre if i == 0 else centre + sd * random.standard_normal(len(centre))
            weights = weights_of(model.nets if i == 0 else drawn_nets(model, random))
            starts.append(np.asarray(objective.join(coordinates.of_scaled(jnp.asarray(drawn)), weights)))
        return starts


_SECONDS_BETWEEN = 0.5
"""[s] Between two checkpoints of starts that run at the same time."""


def drawn_nets(model: CultureModel, random: np.random.Generator) -> dict[str, MLP]:
    """Return the networks of a model with newly drawn weights, as a start of a fit has them.

    Args:
        model: any model.
        random: source of random numbers.

    Returns:
        The networks by name.
    """
    nets = {}
    for name, net in model.nets.items():
        outputs, hidden = net.weights.output.shape
        nets[name] = replace(net, weights=drawn_weights(len(net.inputs), hidden, outputs, random))
    return nets


def _held_out(objective: Objective, settings: FitSettings) -> np.ndarray:
    """Return which residuals are held out, (residuals,) bool."""
    packed, runs = objective.packed, objective.run_count
    what = settings.held_out
    if what == "auto":
        black = objective.model.nets and not objective.names
        what = "runs" if black and runs >= _RUNS_TO_HOLD_OUT else "nothing"
    shape = packed.standard_error.shape
    held = np.zeros(shape, bool)
    if what == "runs":
        count = max(1, round(settings.held_out_share * runs))
        if count >= runs:
            raise FitError(
                f"found {runs} runs of which {count} would be held out; at least one must be learned from; give more "
                "runs, or hold out 'time' or 'nothing'."
            )
        held[np.random.default_rng(settings.seed).permutation(runs)[:count]] = True
    elif what == "time":
        last = np.max(np.asarray(packed.end), axis=1)
        held |= (np.asarray(packed.end) > (1.0 - settings.held_out_share) * last[:, None])[..., None]
    held &= np.isfinite(np.asarray(packed.standard_error))
    return np.r_[held.ravel(), np.zeros(objective.prior_count, bool)]


_RUNS_TO_HOLD_OUT = 5
"""With fewer runs, every one is needed for learning."""


def _fingerprint(
    model: CultureModel,
    runs: Sequence[CultureRun],
    stages,
    settings: FitSettings,
    errors: InitialError | None,
    groups: Mapping[str, str],
) -> dict:
    """Return everything that the result of a fit depends on, as plain data; a checkpoint of another fit is refused."""
    plain = {**asdict(settings), "stages": [asdict(stage) for stage in stages]}
    plain |= {} if errors is None else {"initial_error": errors.plain()}
    return provenance_of(model, runs, {**plain, "groups": groups} if groups else plain)
