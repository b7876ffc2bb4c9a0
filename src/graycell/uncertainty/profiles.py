"""Profile likelihoods: how far a parameter or a predicted value can be moved, all else estimated anew.

A value belongs to the interval if the best fit with that value is worse by less than the quantile of chi-square with
one degree of freedom. Where the sum of squares does not rise so far, the interval is open, and the data do not
determine the parameter (A. Raue et al., "Structural and practical identifiability analysis", Bioinformatics 25 (2009)
1923-1929). A predicted value is profiled like a parameter, by a datum that draws the prediction to a value and does not
count (C. Kreutz, A. Raue, J. Timmer, "Likelihood based observability analysis", BMC Syst. Biol. 6 (2012) 120).
Parameters go the same way here, so both share one search. Priors and bounds count as in the fit.
"""

import importlib
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.engine import Engine, current_engine, one_thread_each, using
from graycell.errors import FitError, ModelError, nearest
from graycell.inference.least_squares import Linearisation, Point, step
from graycell.inference.likelihood import linearise, robust_linearisation
from graycell.inference.refound import Refound, refound
from graycell.inference.results import Fit
from graycell.packing import pack
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import times_within
from graycell.simulation.solve import segments_at

_TIGHT = 0.05
"""[standard errors] Deviation of the datum that draws a value: how near it comes to where it is drawn does not matter,
because the value that is reached is on the profile."""
_ITERATIONS, _PATIENCE, _GAIN, _DAMPING = 30, 5, 1e-3, 1e-4
"""Of one refit: at most; trials in a row that end it; the gain of half the sum of squares below which a trial is one of
them; the first damping, which five refused trials raise to a gradient step."""
_REFINED, _CLOSE = 6, 0.05
"""Points between which the end of an interval is sought, and the part of the root of the threshold that is close."""
_SHARE, _MOST_POINTS = 0.3, 40
"""Part of the root of the threshold by which a step should raise the root of the sum of squares; points on a side."""
_STUCK = 0.05
"""Part of a step by which a value must move, else nothing within the bounds moves it farther."""
_EDGE, _NEAR = 1e-3, 1e-2
"""Parts of the range between two bounds: how near a value is drawn to one, and within which it counts as there."""


class _At(NamedTuple):
    """What a search knows at a point.

    Attributes:
        free: residuals of the fit and their Jacobian.
        value: that is profiled, on its own scale.
        slope: (n,) its derivative.
    """

    free: Linearisation
    value: float
    slope: Float[np.ndarray, " n"]


class ProfilePoint(NamedTuple):
    """One point of a profile.

    Attributes:
        value: of the parameter or the prediction, in its internal unit.
        rise: of the sum of squares above its minimum [1].
    """

    value: float
    rise: float


@dataclass(frozen=True)
class Profile:
    """The profile likelihood of one value.

    Attributes:
        name: of the parameter, or a description of the predicted value.
        unit: internal.
        estimate: where the sum of squares is least, in `unit`.
        level: of the interval [1].
        threshold: rise of the sum of squares at its ends [1].
        points: in rising order of their values.
        low: end of the interval, in `unit`; -inf if it is open to the lower side.
        high: inf if it is open to the upper side.
        reasons: why sides are open: sentences.
        fitted: the estimate of the fit, in `unit`.
        gain: by how much the sum of squares is below that of the fit [1].
    """

    name: str
    unit: str
    estimate: float
    level: float
    threshold: float
    points: tuple[ProfilePoint, ...]
    low: float
    high: float
    reasons: tuple[str, ...] = ()
    fitted: float = math.nan
    gain: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends, in `unit`."""
        return self.low, self.high

    def remarks(self) -> list[str]:
        """Return a sentence for each open side, and for a fit that was not at the minimum.

        Returns:
            Possibly none.
        """
        found = list(self.reasons)
        if self.gain > _LEAST_GAIN * self.threshold:
            found.append(f"{self.name}: the sum of squares is lower by {self.gain:.3g} than where the fit ended "
                         f"({self.estimate:.4g} in place of {self.fitted:.4g} {self.unit}): fit again with more "
                         "starts.")  # fmt: skip
        return found

    def to_frame(self) -> Any:
        """Return the points as a pandas DataFrame.

        Returns:
            Name, unit, value, and the rise of the sum of squares [1].
        """
        # reporting is above this package, so it is imported when a table or a figure is made
        return importlib.import_module("graycell.reporting.profiles").points_frame([self])

    def plot(self) -> Any:
        """Return a plotly figure: the rise of the sum of squares, its threshold, and the interval.

        Returns:
            The figure.
        """
        return importlib.import_module("graycell.reporting.profiles").profile_figure(self)


_LEAST_GAIN = 0.1
"""Part of the threshold by which the sum of squares must be below that of the fit to be reported."""


class _Side(NamedTuple):
    """One side of a profile: values on their own scale with half sums of squares, and why it is open."""

    points: tuple[tuple[float, float], ...]
    why: str


class _Target(NamedTuple):
    """What is profiled.

    Attributes:
        name: in sentences.
        unit: internal.
        evaluate: from the coordinates of the fit to value and slope; None where it cannot be simulated.
        ends: of the own scale.
        log: whether the own scale is the natural logarithm.
    """

    name: str
    unit: str
    evaluate: Callable[[np.ndarray], tuple[float, np.ndarray] | None]
    ends: tuple[float, float]
    log: bool

    def plain(self, value: float) -> float:
        """Return a value in its unit."""
        return math.exp(value) if self.log else value


class _Search:
    """The search along one target; used by `_profiled` alone."""

    def __init__(self, problem: Refound, target: _Target) -> None:
        self.problem, self.target = problem, target

    def at(self, x: np.ndarray) -> _At | None:
        """Return residuals and the value at a point; None where a run cannot be simulated."""
        found = self.target.evaluate(x)
        free = Linearisation(*robust_linearisation(self.problem.objective, x, self.problem.loop))
        return _At(free, *found) if found is not None and np.isfinite(free.cost) else None

    def refit(self, x: np.ndarray, drawn_to: float | None, width: float) -> tuple[np.ndarray, _At] | None:
        """Return where a refit from a point ends, with its value drawn to one, or left free."""
        known: dict[bytes, _At] = {}

        def stacked(x: np.ndarray) -> Linearisation:
            at = self.at(x)
            if at is None:
                return Linearisation(np.full(1, np.nan), np.zeros((1, len(x))))
            known[x.tobytes()] = at
            if drawn_to is None:
                return at.free
            away = (at.value - drawn_to) / width
            return Linearisation(np.r_[at.free.residuals, away], np.vstack([at.free.jacobian, at.slope / width]))

        point, now = Point(x, damping=_DAMPING), stacked(x)
        while np.isfinite(now.cost) and point.iteration < _ITERATIONS and point.stalled < _PATIENCE:
            point, now = step(point, now, stacked, _GAIN / max(now.cost, _GAIN))
        return (point.x, known[point.x.tobytes()]) if point.x.tobytes() in known else None

    def side(self, begin: np.ndarray, at: _At, sign: float, threshold: float) -> _Side:
        """Return the profile on one side of the minimum."""
        x, least = begin, at.free.cost
        move, sd = _tangent(at)
        low, high = self.target.ends
        edge = _EDGE * (high - low) if math.isfinite(high - low) else 0.0
        goal, size = math.sqrt(threshold), _SHARE * math.sqrt(threshold) * (sd or 1.0)
        points, failures = [(at.value, at.free.cost)], 0
        while len(points) < _MOST_POINTS:
            wanted = float(np.clip(at.value + sign * size, low + edge, high - edge))
            if sign * (wanted - at.value) <= 0.0:
                return _Side(tuple(points), "bound")
            found = self.refit(x + move * (wanted - at.value), wanted, _TIGHT * (sd or 1.0))
            if found is None:  # a run cannot be simulated there
                failures, size = failures + 1, 0.5 * size
                if failures > _FAILURES:
                    return _Side(tuple(points), "simulation")
                continue
            advance = sign * (found[1].value - at.value)
            if advance < _STUCK * abs(wanted - at.value):
                at_bound = min(at.value - low, high - at.value) < _NEAR * (high - low) < math.inf
                return _Side(tuple(points), "bound" if at_bound else "stuck")
            before = _root_of_rise(at, least)
            least = min(least, found[1].free.cost)
            now = _root_of_rise(found[1], least)
            points.append((found[1].value, found[1].free.cost))
            if now > goal:
                points += self.refined(x, at, points[-1], least, goal)
                return _Side(tuple(sorted(points, key=lambda point: sign * point[0])), "")
            x, at = found
            move, _ = _tangent(at)
            size *= float(np.clip(_SHARE * goal / max(now - before, 1e-9), 0.5, 2.0))
        return _Side(tuple(points), "points")

    def refined(
        self, x: np.ndarray, at: _At, outside: tuple[float, float], least: float, goal: float
    ) -> list[tuple[float, float]]:
        """Return more points between one inside of the interval and one outside, until one is close to its end."""
        points: list[tuple[float, float]] = []
        high = math.sqrt(2.0 * (outside[1] - least))
        while len(points) < _REFINED and high > (1.0 + _CLOSE) * goal:
            low = _root_of_rise(at, least)
            if low > (1.0 - _CLOSE) * goal:
                break
            move, sd = _tangent(at)
            # a root that is no line, as beyond a kink, is halved at least every other time
            share = (goal - low) / (high - low) if len(points) % 2 == 0 else 0.5
            wanted = at.value + share * (outside[0] - at.value)
            found = self.refit(x + move * (wanted - at.value), wanted, _TIGHT * (sd or 1.0))
            if found is None:
                break
            points.append((found[1].value, found[1].free.cost))
            root = _root_of_rise(found[1], least)
            if root > goal:
                outside, high = points[-1], root
            else:
                x, at = found
        return points


def _root_of_rise(at: _At, least: float) -> float:
    return math.sqrt(max(2.0 * (at.free.cost - least), 0.0))


_FAILURES = 6
"""Halvings of a step beyond which no run can be simulated."""


def _tangent(at: _At) -> tuple[np.ndarray, float]:
    """Return how the coordinates move with the value when all else follows, and its standard error."""
    size = np.sqrt(np.sum(at.free.jacobian**2, axis=0)) + 1e-12
    inverse = np.linalg.pinv(at.free.jacobian / size, rcond=1e-8) / size[:, None]
    along = inverse @ (at.slope @ inverse)
    variance = float(at.slope @ along)
    return along / variance if variance > 0.0 else np.zeros_like(at.slope), math.sqrt(max(variance, 0.0))


def _crossing(points: Sequence[tuple[float, float]], least: float, threshold: float) -> float | None:
    """Return where the rise crosses the threshold, on the own scale: its root is nearly a line; None if it does not."""
    goal = math.sqrt(threshold)
    roots = [math.sqrt(max(2.0 * (cost - least), 0.0)) for _, cost in points]
    for (a, _), (b, _), low, high in zip(points, points[1:], roots, roots[1:], strict=False):
        if low <= goal < high:
            return a + (b - a) * (goal - low) / (high - low)
    return None


def _side(problem: Refound, target: _Target, begin: np.ndarray, sign: float, threshold: float) -> _Side:
    """Return one side of a profile; a task of the engine."""
    search = _Search(problem, target)
    at = search.at(begin)
    assert at is not None  # it was, when the minimum was found
    return search.side(begin, at, sign, threshold)


def _begun(problem: Refound, target: _Target) -> tuple[np.ndarray, _At]:
    """Return the minimum of the sum of squares, from the estimates of the fit."""
    found = _Search(problem, target).refit(problem.x, None, 1.0)
    if found is None:
        raise FitError("the model cannot be simulated at its estimates, so nothing can be profiled around them; "
                       "simulate it and see its status, or fit it from other values.")  # fmt: skip
    return found


_WHY = {
    "bound": "up to its bound the fit is never worse by {threshold:.2f}, so the runs do not determine it there",
    "stuck": "nothing within the bounds moves it beyond {last:.4g} {unit}, so the runs do not determine it there",
    "simulation": "beyond {last:.4g} {unit} a run cannot be simulated",
    "points": f"after {_MOST_POINTS} steps, at {{last:.4g}} {{unit}}, the fit is not worse by {{threshold:.2f}}",
}


def _joined(target: _Target, sides: Sequence[_Side], level: float, threshold: float, fitted: float) -> Profile:
    """Return the profile of two sides, the lower one first."""
    every = [*reversed(sides[0].points), *sides[1].points[1:]]
    base = sides[0].points[0][1]
    place = min(range(len(every)), key=lambda i: every[i][1])
    (best, least), outward = every[place], (every[place::-1], every[place:])
    ends, reasons = [], []
    for side, points, word, outside in zip(sides, outward, ("lower", "upper"), (-math.inf, math.inf), strict=True):
        end = _crossing(points, least, threshold)
        if end is None:
            last = target.plain(side.points[-1][0])
            why = _WHY[side.why or "points"].format(threshold=threshold, last=last, unit=target.unit)
            reasons.append(f"{target.name}: the {100 * level:g} % interval is open to the {word} side: {why}.")
        ends.append(outside if end is None else target.plain(end))
    points = tuple(ProfilePoint(target.plain(value), 2.0 * (cost - least)) for value, cost in every)
    low, high = ends
    return Profile(target.name, target.unit, target.plain(best), level, threshold, points, low, high, tuple(reasons),
                   fitted, 2.0 * (base - least))  # fmt: skip


def _profiled(
    problem: Refound,
    targets: Sequence[_Target],
    fitted: Sequence[float],
    level: float,
    progress: Callable[[float, str], None] | None,
    engine: Engine | None,
) -> list[Profile]:
    """Return the profiles of targets; every side is a task of the engine."""
    if not 0.0 < level < 1.0:
        raise FitError(f"profile: found the level {level:g}; it is a share between 0 and 1, such as 0.95.")
    from scipy.stats import chi2

    threshold, done, counting = float(chi2.ppf(level, 1)), 0, threading.Lock()

    def report(number: int, _: _Side) -> None:
        nonlocal done
        with counting:
            done += 1
            if progress is not None:
                progress(done / (2 * len(targets)), targets[number // 2].name)

    with using(engine), one_thread_each():
        begin, at = _begun(problem, targets[0])
        from_fit = 2.0 * (0.5 * _sum_at(problem) - at.free.cost)
        tasks = [(problem, target, begin, sign, threshold) for target in targets for sign in (-1.0, 1.0)]
        sides = current_engine().here.map(_side, tasks, report)
    pairs = zip(targets, sides[::2], sides[1::2], fitted, strict=True)
    found = [_joined(target, (low, high), level, threshold, value) for target, low, high, value in pairs]
    return [replace(one, gain=one.gain + max(from_fit, 0.0)) for one in found]


def _sum_at(problem: Refound) -> float:
    value, _ = linearise(problem.objective, problem.x, problem.loop)
    return float(value @ value)


def profile(
    fit: Fit,
    names: str | Sequence[str] = (),
    *,
    level: float = 0.95,
    progress: Callable[[float, str], None] | None = None,
    engine: Engine | None = None,
) -> Any:
    """Return profile likelihoods of parameters of a fit, all else estimated anew at each of their values.

    Args:
        fit: any fit whose model can be simulated at its estimates.
        names: one parameter, or several; all estimated ones if left out.
        level: of the intervals [1].
        progress: called with the part done [1] and a name, in any thread.
        engine: where the two sides of parameters are tasks; the present one if left out, threads of this process.

    Returns:
        The `Profile` of one parameter; for several a dictionary of them by name.

    Raises:
        FitError: for a name that was not estimated, or a model that cannot be simulated at its estimates.
        InputError: where a run does not fit the model.
    """
    estimates = {row.name: row for row in fit.estimates}
    wanted = [names] if isinstance(names, str) else list(names) or list(estimates)
    unknown = [name for name in wanted if name not in estimates]
    if unknown or not wanted:
        named = ", ".join(f"'{name}'" for name in unknown) or "no parameter"
        known = nearest(unknown[0], estimates) if unknown and estimates else "the fit estimated none"
        raise FitError(f"profile: found {named}, which the fit of {fit.model.name} has not estimated; {known}.")
    problem = refound(fit)
    targets = [_parameter(problem, name, estimates[name].unit) for name in dict.fromkeys(wanted)]
    fitted = [estimates[target.name].value for target in targets]
    found = _profiled(problem, targets, fitted, level, progress, engine)
    return found[0] if isinstance(names, str) else {one.name: one for one in found}


def _parameter(problem: Refound, name: str, unit: str) -> _Target:
    coordinates, i = problem.objective.coordinates, problem.objective.names.index(name)
    low, high = float(coordinates.lower[i]), float(coordinates.upper[i])

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray]:
        place = 1.0 / (1.0 + math.exp(-min(max(x[i], -_FARTHEST), _FARTHEST)))
        slope = np.zeros(len(x))
        slope[i] = (high - low) * place * (1.0 - place)
        return low + (high - low) * place, slope

    return _Target(name, unit, evaluate, (low, high), bool(coordinates.log_scale[i]))


_FARTHEST = 500.0
"""Largest coordinate whose exponential a float holds."""


def profile_prediction(
    fit: Fit,
    run: CultureRun,
    quantity: str,
    time: float,
    *,
    level: float = 0.95,
    group: str | None = None,
    engine: Engine | None = None,
) -> Profile:
    """Return the profile likelihood of a predicted value, all parameters estimated anew for each of its values.

    Args:
        fit: any fit whose model can be simulated at its estimates.
        run: one of the fit, or a new one, which is predicted with the parameters of its group, else with the shared
            ones, and with its estimated start.
        quantity: that the model computes.
        time: [d] within the run.
        level: of the interval [1].
        group: of a new run, where parameters differ between groups.
        engine: where the two sides are tasks; the present one if left out, threads of this process.

    Returns:
        The profile, in the unit of the quantity.

    Raises:
        FitError: where the model cannot be simulated, and for a group that the fit never saw.
        ModelError: for an unknown quantity, or a time outside of the run.
        InputError: where the run does not fit the model.
    """
    model = fit.model
    if quantity not in model.quantities:
        raise ModelError(f"quantity '{quantity}' is not in the model; {nearest(quantity, model.quantities)}.")
    wanted = times_within([time], run, "time")
    problem, names = refound(fit), [one.name for one in fit.runs]
    number = names.index(run.name) if run.name in names else None
    packed = pack(run if number is not None else fit.run_of(run), model, save_at=wanted)
    segment = int(segments_at(np.asarray(packed.end), np.array(wanted, float))[0])
    column, size = model.quantities.index(quantity), len(model.quantities)
    error = np.full(packed.standard_error.shape, np.inf)
    error[segment, column] = 1.0
    packed = replace(packed, measured=jnp.zeros_like(packed.measured), standard_error=jnp.asarray(error),
                     below=jnp.zeros_like(packed.below))  # fmt: skip
    packed = jax.tree.map(lambda leaf: leaf[None], packed)
    group = fit.group_of(run.name, group)
    place = number if number is not None or group is None else names.index(fit.run_in(group))
    alone = replace(problem.objective.of_run(place or 0), packed=packed)
    chosen = problem.objective.coordinates_of_run(place or 0)
    p, effects, first = len(problem.objective.names), problem.objective.effects, problem.objective.first_of_groups
    unknown = np.zeros(len(chosen), bool)
    unknown[p : p + effects] = number is None  # of another run nothing is known
    if place is None:
        unknown |= (chosen >= first) & (chosen < first + problem.objective.groups.size)

    def evaluate(x: np.ndarray) -> tuple[float, np.ndarray] | None:
        here = np.where(unknown, 0.0, x[chosen])
        values, jacobian = linearise(alone, here, problem.loop)
        row = segment * size + column
        if not (np.isfinite(values[row]) and np.all(np.isfinite(jacobian[row]))):
            return None
        slope = np.zeros(len(x))
        slope[chosen] = np.where(unknown, 0.0, jacobian[row])
        return float(values[row]), slope

    target = _Target(f"{quantity} of {run.name} at day {float(wanted[0]):g}", model.unit(quantity), evaluate,
                     (-math.inf, math.inf), False)  # fmt: skip
    at_fit = evaluate(problem.x)
    if at_fit is None:
        raise FitError(f"profile: run '{run.name}' cannot be simulated to day {float(wanted[0]):g} at the estimates; "
                       "simulate it and see its status.")  # fmt: skip
    return _profiled(problem, [target], [at_fit[0]], level, None, engine)[0]
