"""fit: a model and runs -> the model with learned parameters, and everything needed to repeat it.

The redox loop makes a fit from published parameters stop on the wrong branch, so the recipe opens the loop and
closes it again: first the rate laws see the measured R, then the balance of R is nudged toward it with a gain that
falls to zero. The last stage is the closed loop; only its result is returned. Runs without a measured R start closed.

Networks are learned with the parameters, in one least-squares problem. Where the rates can be seen along smooth curves
of the samples (no redox loop, or R measured), integral matching comes first: Adam from several starts in one program,
then Levenberg-Marquardt; see `starting`. Then the horizon grows to whole runs or, where R is measured, the loop is
opened and closed again. Samples that are held out say when to stop.

Past 500 lines: the recipes and the loop that follows them are read together.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import diffrax
import jax.numpy as jnp
import numpy as np

from graycell.cell.neural import MLP, drawn_weights, weights_of, with_weights
from graycell.errors import FitError
from graycell.hybrid.smoothing import smooth_run, stack_smooth
from graycell.inference import checkpoint, least_squares
from graycell.inference.least_squares import Linearisation, Point
from graycell.inference.likelihood import Objective, linearise, objective_of, residuals
from graycell.inference.matching import (
    Matching,
    adam,
    linearise_matching,
    matching_residuals,
)
from graycell.inference.prediction import Prediction, predict, to_arviz
from graycell.inference.problem import Problem
from graycell.model import CultureModel
from graycell.packing import pack_all
from graycell.parameters import Parameter, ParameterTable
from graycell.provenance import provenance_of
from graycell.runs.records import CultureRun
from graycell.simulation.solve import Loop, SolverSettings


@dataclass(frozen=True)
class Stage:
    """One stage of a fit: how far the redox loop is open, and how many iterations it may take.

    gain: [1/d] with which R is nudged toward the measured one; opened: 1 if the rate laws see the measured R.
    horizon: part [1] of the longest run that is asked for; matching: the rates see smooth curves of the samples, and
    nothing is integrated beyond a sample, see `starting`.
    """

    name: str
    iterations: int
    gain: float = 0.0
    opened: float = 0.0
    horizon: float = 1.0
    matching: bool = False


def _open_and_close(opened: int, nudged: int, closed: int) -> tuple[Stage, ...]:
    """Return the stages that open the redox loop and close it again, with so many iterations each."""
    gains = (30.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1)
    return (
        Stage("loop open", opened, opened=1.0),
        *(Stage(f"nudged, {gain:g}/d", nudged, gain=gain) for gain in gains),
        Stage("loop closed", closed),
    )


OPEN_AND_CLOSE = _open_and_close(120, 60, 200)
"""The recipe for runs with a measured R."""
CLOSED = (Stage("loop closed", 300),)
"""The recipe for runs without one."""
MATCH = (Stage("integral matching", 40, opened=1.0, matching=True),)
"""What comes first where networks are learned and the rates can be seen along the samples."""
GROW = (
    *(Stage(f"{100 * part:.0f} % of the time", 15, horizon=part) for part in (0.15, 0.3, 0.45, 0.6, 0.8)),
    Stage("whole runs", 150),
)
"""The recipe for networks: a trajectory that is wrong early says nothing of what is late."""
MATCH_AND_CLOSE = MATCH + _open_and_close(40, 20, 150)
"""The recipe for networks where R is measured: an unknown law in a closed loop sends runs to any branch at first."""


def recipe_for(model: CultureModel, runs: Sequence[CultureRun]) -> tuple[Stage, ...]:
    """Return the stages of a fit as chosen by default."""
    seen = not model.has_loop or all(name in run.measurements for run in runs for name in model.loops)
    if model.nets:
        if model.has_loop:
            return MATCH_AND_CLOSE if seen else GROW
        return MATCH + GROW
    return OPEN_AND_CLOSE if seen and model.has_loop else CLOSED


@dataclass(frozen=True)
class FitSettings:
    """How a fit is made.

    stages: None for those of `recipe_for`.
    starts: the model's own parameters, and starts - 1 drawn around them, each followed for `screening` iterations of
        the first stage. Where integral matching comes first, Adam begins at all of them instead.
    start_spread: standard deviation of the drawn ones, in units of the prior's. Every stage begins at the best point
        reached so far, by its own cost.
    seed: of the drawn starts. least_gain, patience: a stage ends when the cost fell by less than this part
        [1] in so many trials in a row.
    rtol, atol: of the solver during the fit, see `SolverSettings`.
    adam: iterations of Adam in integral matching.
    regularisation: [1] the standard deviations of the priors of all weights are divided by it.
    held_out: what is not learned from but says when the last stage stops: whole ``runs``, the last samples in ``time``,
        or ``nothing``; ``auto`` is ``runs`` where networks alone are learned from 5 runs or more, else ``nothing``: the
        known part of a gray model holds it, and every run counts.
    held_out_share: part [1] of the runs, or of the time of every run, that is held out.
    """

    stages: tuple[Stage, ...] | None = None
    starts: int = 4
    screening: int = 20
    start_spread: float = 0.3
    seed: int = 0
    least_gain: float = 2e-4
    patience: int = 8
    rtol: float = 1e-3
    atol: float = 1e-4
    adam: int = 400
    regularisation: float = 1.0
    held_out: Literal["auto", "runs", "time", "nothing"] = "auto"
    held_out_share: float = 0.2


@dataclass(frozen=True)
class Progress:
    """What a fit tells while it runs: the part done [1], a name for where it is, the cost and the iteration."""

    done: float
    stage: str
    cost: float
    iteration: int


@dataclass(frozen=True)
class Estimate:
    """One estimated parameter.

    value: in `unit`; standard_error: in `unit`, and relative_error = standard_error/value, both from the curvature
    at the optimum with the prior; start: the value before; at_bound: within 1 % of a bound on its scale.
    sd_ratio: posterior over prior standard deviation [1]; near 1 the data say nothing about the parameter.
        Without a prior 0, or 1 where the standard error is infinite.
    """

    name: str
    value: float
    unit: str
    standard_error: float
    relative_error: float
    start: float
    at_bound: bool
    sd_ratio: float


@dataclass(frozen=True)
class Fit:
    """The result of `fit`.

    model: with the learned parameters and networks; runs: what it was fitted to; estimates: by parameter; covariance:
    of the parameters on their own scales (natural logarithm or unit), in the order of the estimates, and after them of
    the weights of the networks; cost: half the sum of squared residuals, in standard errors, priors and what was held
    out included; history: one row an iteration; settings, provenance: everything needed to repeat the fit; converged:
    the last stage ended by `least_gain` or by what was held out, not by its iterations; own: by run, the values [house
    units] of the parameters that every run has its own of.
    """

    model: CultureModel
    runs: tuple[CultureRun, ...]
    estimates: tuple[Estimate, ...]
    covariance: np.ndarray
    cost: float
    converged: bool
    settings: FitSettings
    history: tuple[dict, ...] = field(default_factory=tuple)
    provenance: dict = field(default_factory=dict)
    own: dict[str, dict[str, float]] = field(default_factory=dict)

    def model_of(self, run: str) -> CultureModel:
        """Return the model with the own values of a run of the fit, by its name; of any other run, the shared ones."""
        own = {name: jnp.asarray(value) for name, value in self.own.get(run, {}).items()}
        # not through the table: a value of one run may lie beyond the bounds of the shared one
        return self.model.with_parameters(own)

    def predict(self, run: CultureRun, draws: int = 200, **options) -> Prediction:
        """Return a distribution of trajectories of a run, from the distribution of what was learned.

        Args:
            run: what is planned.
            draws: how many.
            **options: see `inference.prediction.predict`.

        Returns:
            The prediction.
        """
        return predict(self, run, draws, **options)

    def to_arviz(self, draws: int = 1000, seed: int = 0) -> Any:
        """Return draws of the estimates as ArviZ InferenceData; needs the extra ``export``.

        Args:
            draws: how many.
            seed: of the draws.

        Returns:
            The group ``posterior``, one variable a parameter, in internal units.

        Raises:
            FitError: where ArviZ is not installed.
        """
        return to_arviz(self, draws, seed)

    def __repr__(self) -> str:
        runs = ", ".join(run.name for run in self.runs)
        weights = f" and {self.model.weight_count} weights" if self.model.nets else ""
        return (
            f"Fit({self.model.name} to {runs}: {len(self.estimates)} parameters{weights}, cost {self.cost:.1f}, "
            f"{'converged' if self.converged else 'not converged'})"
        )


def fit(
    model: CultureModel | Problem,
    runs: Sequence[CultureRun] | CultureRun | None = None,
    settings: FitSettings = FitSettings(),
    *,
    folder: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit the estimated parameters of a model and its networks to runs; model and runs stay as they are.

    Residuals are in standard errors of the assay; parameters are kept between their bounds, and held by their priors
    as the weights of networks are by `cell.neural.PRIOR`.

    Args:
        model: a model, with the parameters that it declares, or a `Problem`.
        runs: with measurements; left out with a `Problem`.
        settings: how it is fitted.
        folder: the state is written there after every iteration, and a fit that finds its own checkpoint in it goes on
            from there to the same result.
        progress: called after every iteration.

    Returns:
        The result.

    Raises:
        FitError: for a model with the lagged closure, runs of one name, nothing to learn, too few runs to hold some
            out, a result that cannot be simulated, or a checkpoint of another fit.
        ModelError: for a parameter that cannot be estimated as it is described.
        InputError: where a run does not fit the model.
    """
    problem = model if isinstance(model, Problem) else Problem(model, () if runs is None else runs)
    model, runs = problem.started, list(problem.runs)  # type: ignore[arg-type]
    solver = SolverSettings(rtol=settings.rtol, atol=settings.atol, adjoint=diffrax.ForwardMode())
    objective = objective_for(model, runs, model.table.estimated, solver, settings.regularisation)
    stages = settings.stages or recipe_for(model, runs)
    matching = None
    if any(stage.matching for stage in stages):
        matching = Matching(objective, stack_smooth([smooth_run(model, run) for run in runs]))
    fitter = _Fitter(
        objective, matching, stages, settings, _fingerprint(model, runs, stages, settings), folder, progress
    )
    point = fitter.run()
    return _result(model, runs, objective, stages[-1], settings, fitter, point)


def objective_for(
    model: CultureModel,
    runs: Sequence[CultureRun],
    rows: Sequence[Parameter],
    solver: SolverSettings,
    regularisation: float = 1.0,
) -> Objective:
    """Return what a fit of the parameters `rows` to runs makes small, see `Objective`.

    Raises `FitError` for a model with the lagged closure, runs of one name, or nothing to estimate; `InputError`
    where a run does not fit the model.
    """
    if model.is_lagged:
        raise FitError("the lagged closure depends on its step and cannot be fitted; use the closure Dynamic.")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise FitError(f"found runs {', '.join(names)}; results are told by name, so names must differ; rename one.")
    if not (rows or model.nets) or not runs:
        raise FitError(
            f"found {len(rows)} parameters and {len(model.nets)} networks to learn and {len(runs)} runs; something to "
            "learn and a run are needed."
        )
    ParameterTable(tuple(rows)).require_estimable()
    packed = pack_all(runs, model)
    return objective_of(model, packed, rows, solver, regularisation)


class _Fitter:
    """The loop over starts, stages and iterations, and its journal; used by `fit` alone."""

    def __init__(self, objective: Objective, matching, stages, settings: FitSettings, fingerprint, folder, progress):
        self.objective, self.matching, self.stages, self.settings = objective, matching, stages, settings
        self.fingerprint = fingerprint
        self.folder = None if folder is None else Path(folder)
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)  # now, not after minutes of work
        self.progress = progress or (lambda _: None)
        self.history: list[dict] = []
        self.converged = False
        self.longest = float(jnp.max(objective.packed.end))
        self.held = _held_out(objective, settings)
        measured = np.isfinite(np.asarray(objective.packed.standard_error)).ravel()
        self.kept = np.r_[measured, np.ones(objective.size, bool)] & ~self.held
        # before the stages proper, every start goes through a short first stage; Adam does it for all together
        screening = replace(stages[0], name="start", iterations=settings.screening)
        several = settings.starts > 1 and not stages[0].matching
        self.legs = [(screening, i) for i in range(settings.starts)] if several else []
        self.legs += [(stage, None) for stage in stages]
        self.total = sum(self._length(stage) for stage, _ in self.legs)

    def _length(self, stage: Stage) -> int:
        return stage.iterations * (2 if stage.matching else 1)  # Adam counts as one stage more

    def run(self) -> Point:
        """Go through all legs, from the checkpoint if there is one, and return the last point."""
        leg, point, spent = 0, None, 0.0
        starts = self._starts()
        reached = [starts[0]]
        watched = None
        saved = checkpoint.load(self.folder, self.fingerprint) if self.folder else None
        if saved is not None:
            leg, point, reached, spent = saved.leg, saved.point, list(saved.reached), saved.seconds
            self.history, watched = list(saved.history), saved.watch
        began = time.perf_counter() - spent
        last = Point(reached[-1])
        while leg < len(self.legs):
            stage, start = self.legs[leg]
            if point is None:
                if stage.matching:
                    reached += self._adam(leg, starts, began)
                point = Point(self._best(reached, stage) if start is None else starts[start])
            last = self._leg(leg, point, reached, began, watched)
            reached.append(last.x)
            point, watched, leg = None, None, leg + 1
        return last

    def _residuals(self, stage: Stage, x: np.ndarray) -> np.ndarray:
        if stage.matching:
            return np.asarray(matching_residuals(self.matching, jnp.asarray(x)))
        return np.asarray(residuals(self.objective, jnp.asarray(x), _loop(stage), stage.horizon * self.longest))

    def _linearised(self, stage: Stage, x: np.ndarray) -> Linearisation:
        if stage.matching:
            found = linearise_matching(self.matching, jnp.asarray(x))
        else:
            found = linearise(self.objective, jnp.asarray(x), _loop(stage), stage.horizon * self.longest)
        return Linearisation(*map(np.asarray, found))

    def _best(self, reached: Sequence[np.ndarray], stage: Stage) -> np.ndarray:
        """Return the point, of all reached so far, that is best by the cost of this stage.

        A stage that lost its way, as one that closes the loop can, is so not the start of the next.
        """
        costs = [_cost(self._residuals(stage, x)[self.kept]) for x in reached]
        return reached[int(np.argmin(costs))]

    def _adam(self, leg: int, starts: list[np.ndarray], began: float) -> list[np.ndarray]:
        """Return where Adam comes to from all starts in integral matching, best first."""
        stage, _ = self.legs[leg]

        def tell(done: int, cost: float) -> None:
            seconds = round(time.perf_counter() - began, 3)
            self.history.append({"stage": "Adam", "iteration": done, "cost": cost, "damping": 0.0, "accepted": True,
                                 "seconds": seconds})  # fmt: skip
            share = self._before(leg) + stage.iterations * done / max(self.settings.adam, 1)
            self.progress(Progress(min(share / self.total, 1.0), "Adam, all starts", cost, done))

        found = adam(self.matching, np.stack(starts), np.where(self.held, 0.0, 1.0), self.settings.adam, tell)
        return list(found)

    def _before(self, leg: int) -> int:
        return sum(self._length(stage) for stage, _ in self.legs[:leg])

    def _leg(self, leg: int, point: Point, reached: Sequence[np.ndarray], began: float, watched) -> Point:
        stage, start = self.legs[leg]
        label = stage.name if start is None else f"start {start + 1} of {self.settings.starts}"
        before = self._before(leg) + self._length(stage) - stage.iterations
        watch = _Watch(self.held, self.settings.patience, active=leg == len(self.legs) - 1)
        if watched is not None:
            watch.best, watch.least, watch.since = watched
            if self.history and not self.history[-1]["accepted"]:
                watch.seen = point.x  # a refused trial: this point was looked at before the stop
        at = None
        while point.iteration < stage.iterations and point.stalled < self.settings.patience and not watch.stops:
            if at is None:
                whole = self._linearised(stage, point.x)
                if not (np.all(np.isfinite(whole.residuals)) and np.all(np.isfinite(whole.jacobian))):
                    break  # a drawn start that cannot be simulated; _best leaves it out
                watch.look(point.x, whole.residuals)
                at = Linearisation(whole.residuals[self.kept], whole.jacobian[self.kept])
            point, moved = least_squares.step(
                point, at, lambda x: self._residuals(stage, x)[self.kept], self.settings.least_gain
            )
            at = None if moved else at
            seconds = time.perf_counter() - began
            row = {"stage": label, "iteration": point.iteration, "cost": point.cost, "damping": point.damping,
                   "accepted": moved, "seconds": round(seconds, 3)}  # fmt: skip
            self.history.append({**row, "held out": watch.cost} if watch.active else row)
            if self.folder:
                told = (watch.best, watch.least, watch.since)
                saved = checkpoint.Saved(leg, point, tuple(reached), tuple(self.history), seconds, told)
                checkpoint.save(self.folder, self.fingerprint, saved)
            self.progress(Progress((before + point.iteration) / self.total, label, point.cost, point.iteration))
        self.converged = point.stalled >= self.settings.patience or watch.stops
        return point if watch.best is None else point._replace(x=watch.best)

    def _starts(self) -> list[np.ndarray]:
        coordinates, model = self.objective.coordinates, self.objective.model
        random = np.random.default_rng(self.settings.seed)
        spread = np.where(np.isfinite(coordinates.prior_sd), coordinates.prior_sd, 1.0) * self.settings.start_spread
        centre = np.asarray(coordinates.centre)
        starts = []
        for i in range(self.settings.starts):
            drawn = centre if i == 0 else centre + spread * random.standard_normal(len(centre))
            weights = weights_of(model.nets if i == 0 else _drawn_nets(model, random))
            starts.append(np.asarray(self.objective.join(coordinates.of_scaled(jnp.asarray(drawn)), weights)))
        return starts


class _Watch:
    """The samples that are held out, in the last stage: where they were met best, and whether to stop there."""

    def __init__(self, held: np.ndarray, patience: int, active: bool):
        self.held, self.patience, self.active = held, patience, active and bool(np.any(held))
        self.best: np.ndarray | None = None
        self.cost, self.least, self.since = math.inf, math.inf, 0
        self.seen: np.ndarray | None = None

    def look(self, x: np.ndarray, residuals: np.ndarray) -> None:
        """Take notice of a point and all its residuals."""
        if not self.active:
            return
        self.cost = _cost(residuals[self.held])
        if self.seen is not None and np.array_equal(x, self.seen):
            return
        self.seen, self.since = x, self.since + 1
        if self.cost < self.least:
            self.best, self.least, self.since = x, self.cost, 0

    @property
    def stops(self) -> bool:
        return self.active and self.since >= self.patience


def _cost(residuals: np.ndarray) -> float:
    """Return half the sum of squares, infinite where a residual is not finite."""
    return 0.5 * float(np.sum(residuals**2)) if np.all(np.isfinite(residuals)) else math.inf


def _drawn_nets(model: CultureModel, random: np.random.Generator) -> dict[str, MLP]:
    nets = {}
    for name, net in model.nets.items():
        outputs, hidden = net.weights.output.shape
        nets[name] = replace(net, weights=drawn_weights(len(net.inputs), hidden, outputs, random))
    return nets


def _held_out(objective: Objective, settings: FitSettings) -> np.ndarray:
    """Return which residuals are held out: True for a sample of `settings.held_out`, by the seed."""
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
"""From so many runs on one may be spared."""


def _result(model, runs, objective: Objective, stage: Stage, settings, fitter: _Fitter, point: Point) -> Fit:
    x = jnp.asarray(point.x)
    value, jacobian = map(np.asarray, linearise(objective, x, _loop(stage)))
    require_simulated(value)
    coordinates, n = objective.coordinates, len(objective.names)
    parameters, deviations, weights = objective.parts(x)
    place = 1.0 / (1.0 + np.exp(-np.asarray(parameters)))
    slope = np.asarray(coordinates.upper - coordinates.lower) * place * (1.0 - place)
    covariance = _covariance(jacobian / np.r_[slope, np.ones(objective.size - n)])
    learned = np.r_[np.arange(n), np.arange(n + deviations.size, objective.size)]
    covariance = covariance[np.ix_(learned, learned)]
    sd = np.sqrt(np.diag(covariance))[:n]
    rows = model.table.estimated
    # at a bound, a logarithm and back can miss it by a rounding
    values = np.clip(coordinates.values(parameters), [row.lower for row in rows], [row.upper for row in rows])
    log = np.asarray(coordinates.log_scale)
    estimates = []
    for i, row in enumerate(rows):
        error = float(values[i] * sd[i] if log[i] else sd[i])
        estimates.append(
            Estimate(
                row.name, float(values[i]), row.unit, error, error / abs(float(values[i])), row.value,
                bool(not 0.01 < place[i] < 0.99), _prior_ratio(float(sd[i]), row.prior_sd),
            )
        )  # fmt: skip
    fitted = model.with_parameters({row.name: row.value for row in estimates})
    fitted = fitted.changed(nets=with_weights(model.nets, weights))
    own = {}
    if objective.own:
        for run, apart in zip(runs, deviations, strict=True):
            of_run = objective.with_coordinates(x, apart).parameters
            own[run.name] = {objective.names[i]: float(of_run[objective.names[i]]) for i in objective.own}
    return Fit(
        fitted, tuple(runs), tuple(estimates), covariance, 0.5 * float(value @ value), fitter.converged, settings,
        tuple(fitter.history), fitter.fingerprint, own,
    )  # fmt: skip


def require_simulated(residuals: np.ndarray) -> None:
    """Raise `FitError` where residuals are not finite: the model has no trajectory there."""
    if not np.all(np.isfinite(residuals)):
        raise FitError("the model cannot be simulated at its parameters; simulate it first and see its status.")


def _loop(stage: Stage) -> Loop:
    return Loop(jnp.asarray(stage.gain), jnp.asarray(stage.opened))


def _prior_ratio(sd: float, prior_sd: float) -> float:
    return sd / prior_sd if np.isfinite(prior_sd) else float(np.isinf(sd))


def _covariance(jacobian: np.ndarray) -> np.ndarray:
    """Return the inverse of J^T J; infinite variance for a parameter that is in a direction J says nothing about."""
    _, singular, directions = np.linalg.svd(jacobian, full_matrices=False)
    known = singular > np.max(singular) * max(jacobian.shape) * np.finfo(float).eps
    covariance = (directions[known].T / singular[known] ** 2) @ directions[known]
    # a parameter shares in an unknown direction if more than rounding of it lies there
    unknown = np.sum(directions[~known] ** 2, axis=0) > 1e-12
    covariance[unknown, unknown] = np.inf
    return covariance


def _fingerprint(model: CultureModel, runs: Sequence[CultureRun], stages, settings: FitSettings) -> dict:
    """Return what the result of a fit depends on, as plain data: it stands beside it, and guards a checkpoint."""
    return provenance_of(model, runs, {**asdict(settings), "stages": [asdict(stage) for stage in stages]})
