"""Courses: what the goals of a plan are in every draw of a prediction, with exact derivatives where a model gives it.

A source is what a plan is judged with. Two are known: `FitSource`, draws of the parameters of a fit, simulated, with
derivatives by all decisions, those by times of events and by the end among them; and `ForecastSource`, draws of the
courses that `graycell predict` foresees from runs, which has no derivatives.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array
from scipy.special import ndtri

from graycell.cell.neural import with_weights
from graycell.comparison.features import features_of
from graycell.compiling import compiled_once
from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import AT_END, VOLUME, Goals
from graycell.engine import current_engine
from graycell.errors import GraycellError
from graycell.formulas.tree import TIME, names_in
from graycell.formulas.values import value_of
from graycell.inference.prediction import Draws, drawn_for_run
from graycell.inference.results import Fit
from graycell.model import CultureModel
from graycell.packing import in_units_of, molar_mass_of, pack
from graycell.prediction.forecaster import EMPTY, WELL_FED, Forecaster
from graycell.prediction.next_run import NextRun
from graycell.runs.records import CultureRun, Sample
from graycell.runs.solutes import MOLAR_MASS
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SimulationStatus, SolverSettings, integrate
from graycell.simulation.trajectory import status_of

_POINTS = 3
"""Points of every segment at which constraints are looked at: its beginning, its middle and its end."""
_TOGETHER = 4
"""Draws in one task."""
_MARGIN = 0.15
"""[1] A state counts as seen within this part of its largest measured value around the measured range."""
_EATEN = 0.2
"""[1] A species of which less than this is gone in the end is not counted as eaten."""
_FORECAST_POINTS = 49
"""Times at which constraints on a forecast are looked at."""
_MARGIN_OF_INPUT = 0.01
"""[1] The same for an input, such as a temperature, which is set and not measured."""
_WORTH_SAYING = 0.05
"""[1] Distance from the measured range, in its widths, from which on it is said."""
_POINTS_OF_PLAN = 201
"""Times at which it is looked for."""
_DRAWS_OF_COURSE = 100
"""Least number of draws of a course that is shown."""
_LEAST_ERROR, _UNMEASURED_ERROR = 0.02, 0.1
"""[1] Least relative error of a model, and that for what was not measured."""
SETTINGS = SolverSettings(rtol=1e-5, atol=1e-6, derivative_rtol=math.inf, adjoint=diffrax.ForwardMode())
"""Of the solver: its error is far below the width of a posterior."""


class Judged(NamedTuple):
    """A plan in all draws.

    Attributes:
        objective: (draws,) what is maximised; NaN in a draw that could not be simulated.
        margins: (draws, rows) by how much each constraint is kept at each of its points; below 0 it is broken.
        outside: (draws,) [1] how far the course leaves the states that were measured, in widths of their ranges.
        sizes: (rows,) sizes of the constraints that the margins are of.
        owners: (rows,) numbers of these constraints; beyond them those of `reserves`.
        reserves: substrates that the training runs were never without, and a plan must not be either.
        slopes: (draws, 1 + rows + 1, decisions) derivatives of these three by the decisions; None without them.
    """

    objective: np.ndarray
    margins: np.ndarray
    outside: np.ndarray
    sizes: np.ndarray
    owners: np.ndarray
    reserves: tuple[str, ...] = ()
    slopes: np.ndarray | None = None


class Course(NamedTuple):
    """What a plan leads to.

    Attributes:
        time: (n,) [d].
        names: quantities.
        units: of each, by name.
        best: (n, quantities) the estimate.
        low: (n, quantities) the 5 % quantile of the culture.
        high: (n, quantities) the 95 % quantile.
    """

    time: np.ndarray
    names: tuple[str, ...]
    units: Mapping[str, str]
    best: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Source(Protocol):
    """What plans are judged with: `FitSource`, `ForecastSource`."""

    has_slopes: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names that formulas may use."""
        ...

    def unit(self, name: str) -> str:
        """Return the unit of a quantity."""
        ...

    def judge(self, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, goals: Goals,
              slopes: bool = False) -> Judged:  # fmt: skip
        """Return the goals of a plan with chosen numbers, in every draw."""
        ...

    def error(self, goals: Goals) -> float:
        """Return the relative error [1] of what is maximised that the draws do not hold."""
        ...

    def novelties(self, plan: CultureRun) -> list[str]:
        """Return sentences on what of a plan leaves what was learned."""
        ...

    def course(self, plan: CultureRun) -> Course:
        """Return what a plan leads to."""
        ...

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The runs that were learned from."""
        ...


@dataclass(frozen=True)
class FitSource:
    """Draws of a fit.

    Attributes:
        fit: with a covariance.
        draws: number of draws; the estimate itself is one more, and does not count.
        seed: of the draws.
        settings: of the solver.
    """

    fit: Fit
    draws: int = 24
    seed: int = 0
    settings: SolverSettings = SETTINGS
    has_slopes: bool = field(default=True, init=False)
    _kept: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that formulas may use."""
        return (*self.fit.model.quantities, *self.fit.model.input_names)

    def unit(self, name: str) -> str:
        """Return the unit of a quantity or an input.

        Args:
            name: one of `names`.

        Returns:
            That of the model.
        """
        return self.fit.model.unit(name)

    def judge(self, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, goals: Goals,
              slopes: bool = False) -> Judged:  # fmt: skip
        """Return the goals of a plan with chosen numbers, in every draw.

        Args:
            plan: as it was before.
            decisions: what is chosen.
            values: (decisions,) in internal units.
            goals: of the plan.
            slopes: whether derivatives by the values are wanted.

        Returns:
            The goals.

        Raises:
            FitError: the fit has no covariance.
            InputError: the plan does not fit the model.
        """
        chosen, carried = self._drawn(plan)
        count = len(chosen.values)
        order = np.r_[np.arange(count), np.zeros(-count % _TOGETHER, int)].reshape(-1, _TOGETHER)
        reserves = self._reserves
        kept = tuple((self.fit.model.species.index(name), largest) for name, largest in reserves.items())
        factors = goals.factors(self.unit, lambda name: molar_mass_of(self.fit.model, name, plan))
        parts = (self.fit.model_of(plan.name), plan, tuple(decisions), goals, tuple(factors.items()), kept,
                 self._ranges(names_in(goals.tree)))  # fmt: skip
        compiled, x = (_sloped if slopes else _judged), jnp.asarray(values, jnp.float64)

        def some(of: np.ndarray):
            initial = None if chosen.initial is None else jnp.asarray(chosen.initial[of])
            each = chosen.names, chosen.values[of], chosen.weights[of], initial, carried
            return jax.tree.map(np.asarray, compiled(*parts, x, *each, self.settings))

        found = current_engine().here.map(some, [(of,) for of in order])
        value, slope = (None if part[0] is None else np.concatenate(part)[:count]
                        for part in zip(*found, strict=True))  # fmt: skip
        rows = _rows(goals, {*self.names, VOLUME, TIME}, value.shape[1] - 2, len(reserves))
        return Judged(value[:, 0], value[:, 1:-1], value[:, -1], *rows, tuple(reserves), slope)

    def _drawn(self, plan: CultureRun) -> tuple[Draws, Array | None]:
        """Return the draws for a plan, without the estimate, and which species uncertain starts move."""
        if plan.name not in self._kept:
            states = self.fit.initial_states
            known = None if states is None else states.of_run(plan, self.fit.model)
            drawn = drawn_for_run(self.fit, self.draws, self.seed, plan.name, known)
            initial = None if drawn.initial is None else np.asarray(drawn.initial)[1:]
            kept = Draws(drawn.names, drawn.values[1:], drawn.weights[1:], initial)
            self._kept[plan.name] = kept, None if known is None else jnp.asarray(known.carried)
        return self._kept[plan.name]

    def _ranges(self, own: Sequence[str]) -> Array:
        """Return the range (2, names) within which each state was measured, and each input was; infinite without one.

        Args:
            own: what is maximised, which may leave its range.
        """
        ends = np.full((2, len(self.names)), np.array([[-np.inf], [np.inf]]))
        for j, name in enumerate(self.names):
            every = self._seen.get(name)
            if every is not None and name not in own:
                margin = _MARGIN * float(np.max(np.abs(every)))
                if name in self.fit.model.input_names:  # an input is known, and has no error of an assay
                    margin = _MARGIN_OF_INPUT * float(np.max(np.abs(every)))
                ends[:, j] = float(np.min(every)) - margin, float(np.max(every)) + margin
        return jnp.asarray(ends)

    @functools.cached_property
    def _seen(self) -> dict[str, np.ndarray]:
        """All measured values of each quantity, and the values of each input, in the units of the model."""
        model, found = self.fit.model, dict[str, list[np.ndarray]]()
        for given in self.fit.runs:
            run = in_units_of(given, model)
            for name in model.quantities:
                if name in run.measurements:
                    found.setdefault(name, []).append(run.measurements[name].value)
            path = simulate(self.fit.model_of(run.name), self.fit.run_of(given))
            for name in model.input_names:
                found.setdefault(name, []).append(np.asarray(path[name], float))
        return {name: np.concatenate(values) for name, values in found.items()}

    @functools.cached_property
    def _reserves(self) -> dict[str, float]:
        """The largest measured values of the species that cells eat and that no run was ever without."""
        return _well_fed([in_units_of(run, self.fit.model) for run in self.fit.runs], self.fit.model)

    def error(self, goals: Goals) -> float:
        """Return how wrong the model was in its own runs, in what is maximised.

        Args:
            goals: of a plan.

        Returns:
            [1] root mean square residual over the largest measured value; of several quantities that of all together.
        """
        own = [name for name in names_in(goals.tree) if name in self.fit.model.quantities]
        total, model = 0.0, self.fit.model
        paths = [simulate(self.fit.model_of(run.name), self.fit.run_of(run)) for run in self.fit.runs]
        for name in own:
            apart: list[float] = []
            for run, path in zip(self.fit.runs, paths, strict=True):
                series = in_units_of(run, model).measurements.get(name)
                if series is not None and len(series.time):
                    at = np.searchsorted(np.asarray(path.measured_time), series.time)
                    wrong = np.asarray(path.at_samples(name))[at] - series.value
                    apart += list(wrong / max(float(np.max(np.abs(series.value))), 1e-300))
            finite = np.array(apart)[np.isfinite(apart)]
            total += float(np.mean(finite**2)) if len(finite) else _UNMEASURED_ERROR**2
        return max(math.sqrt(total), _LEAST_ERROR)

    def novelties(self, plan: CultureRun) -> list[str]:
        """Return which states and inputs of a plan leave those that were measured.

        Args:
            plan: with chosen numbers.

        Returns:
            Sentences, the farthest first.
        """
        path = simulate(self.fit.model_of(plan.name), plan, save_at=np.linspace(0.0, plan.end, _POINTS_OF_PLAN))
        low, high = np.asarray(self._ranges(()))
        found = []
        for j, name in enumerate(self.names):
            value = np.asarray(path[name], float)
            if not np.isfinite(high[j]):
                continue
            beyond = np.maximum(low[j] - value, value - high[j]) / (high[j] - low[j])
            if np.nanmax(beyond) > _WORTH_SAYING:
                at = int(np.nanargmax(beyond))
                first = float(np.asarray(path.time)[np.argmax(beyond > 0.0)])
                side, end = ("below", low[j]) if value[at] < low[j] else ("above", high[j])
                found.append((float(beyond[at]), f"{name} is {side} what was learned from day {first:.3g} on: up to "
                              f"{value[at]:.3g} {self.unit(name)}, where {end:.3g} counts as seen; for this the plan is "
                              f"counted as up to {1.0 + beyond[at]:.2g} times as unsure."))  # fmt: skip
        return [sentence for _, sentence in sorted(found, reverse=True)]

    def course(self, plan: CultureRun) -> Course:
        """Return what a plan leads to, in the quantities that were measured.

        Args:
            plan: with chosen numbers.

        Returns:
            The course, from draws of the parameters.
        """
        found = self.fit.predict(plan, max(self.draws, _DRAWS_OF_COURSE), seed=self.seed)
        seen = {name for run in self.fit.runs for name in run.measurements}
        names = tuple(name for name in found.names if name in seen) or found.names
        low, high = (np.stack([found.interval(name)[side] for name in names], axis=1) for side in (0, 1))
        best = np.stack([found.best[:, found.names.index(name)] for name in names], axis=1)
        return Course(found.time, names, {name: self.unit(name) for name in names}, best, low, high)

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The runs of the fit."""
        return self.fit.runs


def _goals_of(
    model: CultureModel, plan: CultureRun, decisions: tuple[Decision, ...], goals: Goals,
    factors: tuple[tuple[str, float], ...], reserves: tuple[tuple[int, float], ...], ranges: Array, x: Array, drawn: tuple, names: tuple[str, ...], carried: Array | None, settings: SolverSettings,
) -> Array:  # fmt: skip
    """Return the objective, the margins and the distance of one draw, as one vector."""
    parameters, of_nets, start = drawn
    run = decided(plan, decisions, [x[i] for i in range(len(decisions))])
    packed = pack(run, model)
    if start is not None:
        begun = packed.initial * jnp.exp(start @ carried)
        packed = replace(packed, initial=begun)
    changed = model.with_parameters({name: parameters[i] for i, name in enumerate(names)})
    changed = changed.changed(nets=with_weights(changed.nets, of_nets))
    path = integrate(changed, packed, Loop(), settings, points=_POINTS)
    # the harvest comes before what is done at that time, and before what a plan has later
    last = jnp.argmax(packed.end >= jnp.asarray(run.end, jnp.float64) - 1e-9)
    concentrations = path.states.amounts / path.states.volume[..., None]
    states = jnp.concatenate([concentrations, path.cells.observables, path.variables, path.inputs], axis=2)
    flat = {name: states[..., j] for j, name in enumerate((*model.quantities, *model.input_names))}
    flat |= {TIME: path.time, VOLUME: path.states.volume * run.initial_volume}
    inside = jnp.arange(path.time.shape[0])[:, None] <= last
    # after the harvest every point repeats it
    flat = {name: jnp.where(inside, value, value[last, -1]).ravel() for name, value in flat.items()}
    left = [flat[model.species[j]] / largest - EMPTY for j, largest in reserves]
    flat |= {name: factor * flat[name] for name, factor in factors}
    flat |= {decision.name: x[i] for i, decision in enumerate(decisions)}
    ends = {name: value if value.ndim == 0 else value[-1] for name, value in flat.items()}
    objective = jnp.asarray(value_of(goals.tree, ends.__getitem__, jnp), jnp.float64)
    rows = [_margins(goals, flat, ends, jnp), *left]
    seen = jnp.where(inside[..., None], states, states[last, -1]).reshape(-1, states.shape[2])
    low, high = ranges
    bounded = jnp.isfinite(low)
    width = jnp.where(bounded, high - low, 1.0)
    beyond = jnp.maximum(jnp.where(bounded, low, 0.0) - seen, seen - jnp.where(bounded, high, 0.0)) / width
    outside = jnp.max(jnp.where(bounded, jnp.maximum(beyond, 0.0), 0.0), initial=0.0)
    finished = status_of(path.states.amounts[:, -1], path.variables, path.flux_status, path.loop_status,
                         jnp.any(path.failed != 0)) == SimulationStatus.finished  # fmt: skip
    found = jnp.concatenate([jnp.atleast_1d(objective), *rows, outside[None]])
    return jnp.where(finished, found, jnp.nan)


def _margins(goals: Goals, flat: Mapping[str, Any], ends: Mapping[str, Any], xp: Any) -> Any:
    """Return the margins of all constraints at all their points, as one vector."""
    rows = []
    for one in goals.constraints:
        constant = not any(getattr(flat[name], "ndim", 0) for name in names_in(one.tree))
        of = ends if one.when == AT_END or constant else flat
        for high, low in one.sides(of.__getitem__, xp):
            margin = xp.atleast_1d(xp.asarray(high - low, float))
            if isinstance(one.when, tuple) and not constant:
                first, last = one.when
                here = (flat[TIME] >= first - 1e-9) & (flat[TIME] <= last + 1e-9)
                margin = xp.where(here, margin, xp.inf)
            rows.append(margin)
    return xp.concatenate(rows) if rows else xp.zeros(0)


def _rows(goals: Goals, varying: set[str], total: int, reserves: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the size and the number of the constraint of every row of the margins, in the order of `_margins`."""
    pairs = [len(one.tree.arguments) - 1 for one in goals.constraints] + [1] * reserves
    single = [one.when == AT_END or not varying & set(names_in(one.tree)) for one in goals.constraints]
    single += [False] * reserves
    alone = sum(count for count, is_one in zip(pairs, single, strict=True) if is_one)
    points = (total - alone) // max(sum(pairs) - alone, 1)
    owners = np.repeat(np.arange(len(pairs)), [count * (1 if is_one else points)
                                               for count, is_one in zip(pairs, single, strict=True)])  # fmt: skip
    return np.array([one.size for one in goals.constraints] + [1.0] * reserves)[owners], owners


def _well_fed(runs: Sequence[CultureRun], model: CultureModel) -> dict[str, float]:
    """Return the species that the cells of measured runs eat, and that no run was without, with their largest values.

    A species is eaten where the runs end with less of it than they began with and were fed, by a fifth or more.
    """
    found = {}
    for name, spec in zip(model.species, model.species_specs, strict=True):
        values = [run.measurements[name].value for run in runs if name in run.measurements]
        if not values or name == model.biomass or spec.dead_of is not None:
            continue
        largest, given, left = float(np.max(np.concatenate(values))), 0.0, 0.0
        for run in (run for run in runs if name in run.measurements):
            columns = features_of(run, np.array([0.0, run.end]))
            given += float(run.measurements[name].value[0] + columns.get(f"fed: {name}", np.zeros(2))[-1])
            left += float(run.measurements[name].value[-1] * (1.0 + columns["volume: fed"][-1]))
        if min(float(np.min(one)) for one in values) > WELL_FED * largest and left < (1.0 - _EATEN) * given:
            found[name] = largest
    return found


@compiled_once
def _judged(model, plan, decisions, goals, factors, reserves, ranges, x, names, values, weights, initial, carried, settings):
    def one(drawn):
        return _goals_of(model, plan, decisions, goals, factors, reserves, ranges, x, drawn, names, carried, settings)

    return lax.map(one, (values, weights, initial)), None


@compiled_once
def _sloped(model, plan, decisions, goals, factors, reserves, ranges, x, names, values, weights, initial, carried, settings):
    def one(drawn):
        def twice(x):
            value = _goals_of(model, plan, decisions, goals, factors, reserves, ranges, x, drawn, names, carried, settings)
            return value, value

        slope, value = jax.jacfwd(twice, has_aux=True)(x)
        return value, slope

    return lax.map(one, (values, weights, initial))


@dataclass(frozen=True)
class ForecastSource:
    """Draws of what a `Forecaster` foresees; bands and warnings widen them outside of what was learned.

    Attributes:
        forecaster: trained.
        draws: number of draws.
        seed: of the draws.
    """

    forecaster: Forecaster
    draws: int = 200
    seed: int = 0
    has_slopes: bool = field(default=False, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that formulas may use."""
        return tuple(self.forecaster.weights)

    def unit(self, name: str) -> str:
        """Return the unit of a quantity.

        Args:
            name: one of `names`.

        Returns:
            That of its measurements.
        """
        return next(run.measurements[name].unit for run in self.forecaster.runs if name in run.measurements)

    def judge(self, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, goals: Goals,
              slopes: bool = False) -> Judged:  # fmt: skip
        """Return the goals of a plan with chosen numbers, in every draw; see `FitSource.judge`.

        Args:
            plan: as it was before.
            decisions: what is chosen.
            values: (decisions,) in internal units.
            goals: of the plan.
            slopes: not given by a forecast.

        Returns:
            The goals.

        Raises:
            FitError: the plan cannot be predicted.
        """
        run = decided(plan, decisions, [float(value) for value in values])
        times = np.linspace(0.0, run.end, _FORECAST_POINTS)
        ahead = self.forecaster.predict(run, times)
        drawn = ahead.draws(self.draws, self.seed)
        factors = goals.factors(self.unit, lambda name: _molar_mass(self.forecaster.runs, name))
        flat: dict[str, Any] = {name: factors.get(name, 1.0) * drawn[:, :, j] for j, name in enumerate(ahead.names)}
        flat |= {TIME: np.broadcast_to(times, drawn.shape[:2]), VOLUME: np.broadcast_to(_volume(run, times), drawn.shape[:2])}
        chosen = {one.name: np.float64(value) for one, value in zip(decisions, values, strict=True)}
        objective, margins = [], []
        for k in range(self.draws):
            of = {name: value[k] for name, value in flat.items()} | chosen
            ends = {name: value if np.ndim(value) == 0 else value[-1] for name, value in of.items()}
            objective.append(float(value_of(goals.tree, ends.__getitem__, np)))
            margins.append(_margins(goals, of, ends, np))
        margins = np.hstack([np.array(margins).reshape(self.draws, -1), *self._left(ahead)])
        rows = _rows(goals, {*flat}, margins.shape[1], len(ahead.reserves))
        return Judged(np.array(objective), margins, np.zeros(self.draws), *rows, tuple(ahead.reserves))

    def _left(self, ahead: NextRun) -> list[np.ndarray]:
        """Return what may be left of the substrates that no run was without, (draws, times) [1] each.

        Around what balances leave, with the deviation of such predictions of runs, without what widens bands.
        """
        found, level = [], ndtri((np.arange(self.draws) + 0.5) / self.draws)
        for name, left in ahead.reserves.items():
            largest = max(float(np.max(run.measurements[name].value)) for run in ahead.runs if name in run.measurements)
            sd = ahead.model_sd[:, ahead.column(name)] / ahead.widening / largest
            found.append(left[None, :] + level[:, None] * sd[None, :])
        return found

    def error(self, goals: Goals) -> float:
        """Return 0: the draws of a forecast hold how wrong it was.

        Args:
            goals: of a plan.

        Returns:
            0.
        """
        return 0.0

    def novelties(self, plan: CultureRun) -> list[str]:
        """Return what of a plan leaves the training runs; the draws are wider for it.

        Args:
            plan: with chosen numbers.

        Returns:
            The warnings of its prediction.
        """
        return list(self.forecaster.predict(plan).warnings)

    def course(self, plan: CultureRun) -> Course:
        """Return what a plan leads to.

        Args:
            plan: with chosen numbers.

        Returns:
            The course.
        """
        found = self.forecaster.predict(plan)
        low, high = (np.stack([found.interval(name, of="model")[side] for name in found.names], axis=1)
                     for side in (0, 1))  # fmt: skip
        return Course(found.time, found.names, found.units, found.estimate, low, high)

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The training runs."""
        return self.forecaster.runs


def _molar_mass(runs: Sequence[CultureRun], name: str) -> float | None:
    """Return the molar mass [g/mol] by which a quantity was measured; None where it is not known."""
    return next((run.molar_masses[name] for run in runs if name in run.molar_masses), MOLAR_MASS.get(name))


def _volume(run: CultureRun, times: np.ndarray) -> np.ndarray:
    """Return the volume of a plan [L]; feeds that follow the culture do not count."""
    columns = features_of(run, times)
    taken = np.zeros(len(times))
    for event in run.events:
        if isinstance(event, Sample):
            taken += event.volume * (times > event.time)
    flows = columns["volume: fed"] - columns["volume: bled"] - columns["volume: harvested"]
    return run.initial_volume * (1.0 + flows) - taken


def source_of(given: Any, draws: int | None = None, seed: int = 0) -> Source:
    """Return what plans are judged with.

    Args:
        given: a `Fit`, a `Forecaster`, or a source.
        draws: number of draws; that of the kind if left out.
        seed: of the draws.

    Returns:
        The source.

    Raises:
        GraycellError: for something else.
    """
    options = {} if draws is None else {"draws": draws}
    if isinstance(given, Fit):
        return FitSource(given, seed=seed, **options)
    if isinstance(given, Forecaster):
        return ForecastSource(given, seed=seed, **options)
    if all(hasattr(given, name) for name in ("judge", "error", "novelties")):
        return given
    raise GraycellError(f"optimise: found a {type(given).__name__}; plans are judged with a Fit or a Forecaster; fit "
                        "a model, or train a forecaster by Forecaster.of(runs).")  # fmt: skip
