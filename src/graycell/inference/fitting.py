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

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import diffrax
import jax.numpy as jnp
import numpy as np

from graycell.cell.neural import MLP, drawn_weights, weights_of
from graycell.errors import FitError
from graycell.hybrid.smoothing import smooth_run, stack_smooth
from graycell.inference import checkpoint, least_squares
from graycell.inference.least_squares import Linearisation, Point
from graycell.inference.likelihood import Objective, loop_of, objective_of, robust_linearisation
from graycell.inference.matching import Matching, adam, linearise_matching
from graycell.inference.outcome import ended_at, result_of, why_it_stops
from graycell.inference.problem import Problem, require_distinct
from graycell.inference.results import Estimate, Fit, FitSettings, FitStatus, Progress
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
        progress: called after every iteration.

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
    objective = objective_for(model, runs, model.table.estimated, solver, settings.regularisation)
    stages = settings.stages or recipe_for(model, runs)
    matching = None
    if any(stage.matching for stage in stages):
        matching = Matching(objective, stack_smooth([smooth_run(model, run) for run in runs]))
    fitter = _Fitter(
        objective, matching, stages, settings, _fingerprint(model, runs, stages, settings), folder, progress
    )
    fitter.run()
    try:
        end = ended_at(objective, stages, fitter.reached, fitter.converged)
    except FitError as error:
        raise FitError(f"{error} {why_it_stops(model, runs)}".strip()) from None
    return result_of(end, model, runs, objective, settings, tuple(fitter.history), fitter.fingerprint)


def objective_for(
    model: CultureModel,
    runs: Sequence[CultureRun],
    rows: Sequence[Parameter],
    solver: SolverSettings,
    regularisation: float = 1.0,
) -> Objective:
    """Return the objective that a fit minimises, see `Objective`.

    Args:
        model: at the values where the fit starts.
        runs: with measurements.
        rows: the estimated parameters.
        solver: settings of the ODE solver.
        regularisation: [1] the standard deviations of the priors of all weights are divided by it.

    Returns:
        The objective on all runs.

    Raises:
        FitError: for a model with the lagged closure, two runs of one name, nothing to estimate, or nothing measured.
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
    packed = pack_all(runs, model)
    if not np.any(np.isfinite(np.asarray(packed.standard_error))):
        raise FitError(
            f"runs {', '.join(run.name for run in runs)}: found no measured value that the model predicts; a fit and "
            f"its derivatives need some; measure any of {', '.join(model.quantities)}."
        )
    return objective_of(model, packed, rows, solver, regularisation)


class _Fitter:
    """The loop over starts, stages and iterations, with its history; used by `fit` alone."""

    def __init__(self, objective: Objective, matching, stages, settings: FitSettings, fingerprint, folder, progress):
        self.objective, self.matching, self.stages, self.settings = objective, matching, stages, settings
        self.fingerprint = fingerprint
        self.folder = None if folder is None else Path(folder)
        if self.folder:
            require_place(self.folder)  # now, not after minutes of work
        self.progress = progress or (lambda _: None)
        self.history: list[dict] = []
        self.converged = False
        self.reached: list[np.ndarray] = []
        self.longest = float(jnp.max(objective.packed.end))
        self.held = _held_out(objective, settings)
        measured = np.isfinite(np.asarray(objective.packed.standard_error)).ravel()
        self.kept = np.r_[measured, np.ones(objective.size, bool)] & ~self.held
        # before the stages proper, every start goes through a short first stage; Adam does it for all together
        screening = replace(stages[0], name="start", iterations=settings.screening)
        several = settings.starts > 1 and not stages[0].matching
        self.attempts = [(screening, i) for i in range(settings.starts)] if several else []
        self.attempts += [(stage, None) for stage in stages]
        self.total = sum(self._length(stage) for stage, _ in self.attempts)

    def _length(self, stage: Stage) -> int:
        return stage.iterations * (2 if stage.matching else 1)  # Adam counts as one stage more

    def run(self) -> None:
        """Make all attempts, from the checkpoint on if there is one; `reached` holds where each ended."""
        attempt, point, spent = 0, None, 0.0
        starts = self._starts()
        reached = self.reached = [starts[0]]
        watched = None
        saved = checkpoint.load(self.folder, self.fingerprint) if self.folder else None
        if saved is not None:
            attempt, point, spent = saved.attempt, saved.point, saved.seconds
            reached = self.reached = list(saved.reached)
            self.history, watched = list(saved.history), saved.watch
        began = time.perf_counter() - spent
        while attempt < len(self.attempts):
            stage, start = self.attempts[attempt]
            if point is None:
                if stage.matching:
                    reached += self._adam(attempt, starts, began)
                point = Point(self._best(reached, stage) if start is None else starts[start])
            reached.append(self._follow(attempt, point, reached, began, watched).x)
            point, watched, attempt = None, None, attempt + 1

    def _linearised(self, stage: Stage, x: np.ndarray) -> Linearisation:
        if stage.matching:
            found = linearise_matching(self.matching, jnp.asarray(x))
        else:
            found = robust_linearisation(self.objective, x, loop_of(stage), stage.horizon * self.longest)
        residuals, jacobian = map(np.asarray, found)
        return Linearisation(residuals[self.kept], jacobian[self.kept], residuals[self.held])

    def _best(self, reached: Sequence[np.ndarray], stage: Stage) -> np.ndarray:
        """Return the point, of all reached so far, with the lowest cost of this stage.

        So the next stage does not start where a stage went astray, as one that closes the loop can.
        """
        costs = [self._linearised(stage, x).cost for x in reached] if len(reached) > 1 else [0.0]
        return reached[int(np.argmin(costs))]

    def _adam(self, attempt: int, starts: list[np.ndarray], began: float) -> list[np.ndarray]:
        """Return the points that Adam reaches from all starts in integral matching, best first."""
        stage, _ = self.attempts[attempt]

        def report(done: int, cost: float) -> None:
            seconds = round(time.perf_counter() - began, 3)
            self.history.append({"stage": "Adam", "iteration": done, "cost": cost, "damping": 0.0, "accepted": True,
                                 "seconds": seconds})  # fmt: skip
            share = self._before(attempt) + stage.iterations * done / max(self.settings.adam, 1)
            self.progress(Progress(min(share / self.total, 1.0), "Adam, all starts", cost, done))

        found = adam(self.matching, np.stack(starts), np.where(self.held, 0.0, 1.0), self.settings.adam, report)
        return list(found)

    def _before(self, attempt: int) -> int:
        return sum(self._length(stage) for stage, _ in self.attempts[:attempt])

    def _follow(self, attempt: int, point: Point, reached: Sequence[np.ndarray], began: float, watched) -> Point:
        stage, start = self.attempts[attempt]
        label = stage.name if start is None else f"start {start + 1} of {self.settings.starts}"
        before = self._before(attempt) + self._length(stage) - stage.iterations
        watch = _Watch(self.held, self.settings.patience, active=attempt == len(self.attempts) - 1)
        if watched is not None:
            watch.best, watch.least, watch.since = watched
            if self.history and not self.history[-1]["accepted"]:
                watch.seen = point.x  # a refused trial: this point was looked at before the stop
        at, moved = self._linearised(stage, point.x), True
        while point.iteration < stage.iterations and point.stalled < self.settings.patience and not watch.stops:
            if not np.isfinite(at.cost):
                break  # a drawn start that cannot be simulated; _best leaves it out
            if moved:
                watch.look(point.x, at.held)
            point, tried = least_squares.step(point, at, lambda x: self._linearised(stage, x), self.settings.least_gain)
            at, moved = tried, tried is not at
            seconds = time.perf_counter() - began
            row = {"stage": label, "iteration": point.iteration, "cost": point.cost, "damping": point.damping,
                   "accepted": moved, "seconds": round(seconds, 3)}  # fmt: skip
            self.history.append({**row, "held out": watch.cost} if watch.active else row)
            if self.folder:
                seen = (watch.best, watch.least, watch.since)
                saved = checkpoint.Saved(attempt, point, tuple(reached), tuple(self.history), seconds, seen)
                checkpoint.save(self.folder, self.fingerprint, saved)
            self.progress(Progress((before + point.iteration) / self.total, label, point.cost, point.iteration))
        self.converged = point.stalled >= self.settings.patience or watch.stops
        return point if watch.best is None else point._replace(x=watch.best)

    def _starts(self) -> list[np.ndarray]:
        coordinates, model = self.objective.coordinates, self.objective.model
        random = np.random.default_rng(self.settings.seed)
        sd = np.where(np.isfinite(coordinates.prior_sd), coordinates.prior_sd, 1.0) * self.settings.start_sd
        centre = np.asarray(coordinates.centre)
        starts = []
        for i in range(self.settings.starts):
            drawn = centre if i == 0 else centre + sd * random.standard_normal(len(centre))
            weights = weights_of(model.nets if i == 0 else _drawn_nets(model, random))
            starts.append(np.asarray(self.objective.join(coordinates.of_scaled(jnp.asarray(drawn)), weights)))
        return starts


class _Watch:
    """Early stopping in the last stage: the point with the lowest cost of the held-out samples, and when to stop."""

    def __init__(self, held: np.ndarray, patience: int, active: bool):
        self.held, self.patience, self.active = held, patience, active and bool(np.any(held))
        self.best: np.ndarray | None = None
        self.cost, self.least, self.since = math.inf, math.inf, 0
        self.seen: np.ndarray | None = None

    def look(self, x: np.ndarray, held: np.ndarray) -> None:
        """Record the cost of the residuals of the held-out samples at a point."""
        if not self.active:
            return
        self.cost = 0.5 * float(held @ held)
        if self.seen is not None and np.array_equal(x, self.seen):
            return
        self.seen, self.since = x, self.since + 1
        if self.cost < self.least:
            self.best, self.least, self.since = x, self.cost, 0

    @property
    def stops(self) -> bool:
        return self.active and self.since >= self.patience


def _drawn_nets(model: CultureModel, random: np.random.Generator) -> dict[str, MLP]:
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
    return np.r_[held.ravel(), np.zeros(objective.size, bool)]


_RUNS_TO_HOLD_OUT = 5
"""With fewer runs, every one is needed for learning."""


def _fingerprint(model: CultureModel, runs: Sequence[CultureRun], stages, settings: FitSettings) -> dict:
    """Return everything that the result of a fit depends on, as plain data; a checkpoint of another fit is refused."""
    return provenance_of(model, runs, {**asdict(settings), "stages": [asdict(stage) for stage in stages]})
