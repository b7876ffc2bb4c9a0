"""Judging: a plan with chosen numbers -> its arrays -> its course in a draw -> its goals, with derivatives.

Each step is a program of its own. The course takes long to compile. It depends on the model, on the shapes of the
arrays and, for derivatives, on which of them the decisions move: plans with other numbers, other bounds and other
formulas find it again, also in another process.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from graycell.cell.neural import with_weights
from graycell.compiling import compiled_once
from graycell.decisions.courses import margins_of
from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import VOLUME, Goals
from graycell.engine import current_engine
from graycell.formulas.tree import TIME
from graycell.formulas.values import value_of
from graycell.inference.prediction import Draws
from graycell.model import CultureModel
from graycell.packing import PackedRun, pack
from graycell.prediction.forecaster import EMPTY
from graycell.runs.records import CultureRun
from graycell.simulation.solve import Loop, SolverSettings, integrate
from graycell.simulation.trajectory import has_finished

_POINTS = 3
"""Points of every segment at which constraints are looked at: its beginning, its middle and its end."""
_TOGETHER = 4
"""Draws in one task."""
SETTINGS = SolverSettings(rtol=1e-5, atol=1e-6, derivative_rtol=math.inf, adjoint=diffrax.ForwardMode())
"""Of the solver: its error is far below the width of a posterior."""


@dataclass(frozen=True)
class Judging:
    """Judges one plan with any numbers.

    Attributes:
        model: of the fit.
        plan: the current plan.
        decisions: which numbers are chosen.
        goals: of the plan.
        factors: of the units of names in formulas.
        reserves: numbers of the species that must not run out, and their largest measured values.
        ranges: (2, names) within which states and inputs were seen.
        errors: [1] of the model in each quantity that is maximised.
        drawn: parameters, weights and starts.
        carried: which species uncertain starts move.
        settings: of the solver.
        moved: numbers of the arrays that the decisions have moved so far; added to.
    """

    model: CultureModel
    plan: CultureRun
    decisions: tuple[Decision, ...]
    goals: Goals
    factors: tuple[tuple[str, float], ...]
    reserves: tuple[tuple[int, float], ...]
    ranges: Array
    errors: dict[str, Array]
    drawn: Draws
    carried: Array | None
    settings: SolverSettings
    moved: set[int]

    def __call__(self, values: np.ndarray, slopes: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the goals of the plan with chosen numbers, in every draw.

        Args:
            values: (decisions,) in internal units.
            slopes: whether derivatives by the values are wanted.

        Returns:
            (draws, rows): what is maximised, the margins, the reserves, how far the course leaves what was seen, and
            the error of the model; and (draws, rows, decisions), None without slopes.
        """
        x = jnp.asarray(values, jnp.float64)
        arrays, moves = arrays_of(self.model, self.plan, self.decisions, x, self.goals.windows, slopes)
        course, tangents = self._courses(arrays, moves)
        asked = _Goals((*self.model.quantities, *self.model.input_names), tuple(self.model.species),
                       tuple(one.name for one in self.decisions), self.goals, self.factors, self.reserves,
                       self.errors, self.ranges)  # fmt: skip
        value, slope = jax.tree.map(np.asarray, _goals(asked, x, course, tangents))
        return value, None if slope is None else np.moveaxis(slope, 1, 2)

    def _courses(self, arrays: "PlanArrays", moves: Any) -> tuple["_Course", "_Course | None"]:
        """Return the course of every draw, and its tangents."""
        leaves, moving = jax.tree.leaves(moves), None
        if moves is not None:  # once a number has moved an array, it stays among those that move
            self.moved.update(k for k, leaf in enumerate(leaves) if np.any(np.asarray(leaf)))
            wanted = self.moved or {0}  # where nothing moves, one of them has the derivative 0
            kept = [leaf if k in wanted else None for k, leaf in enumerate(leaves)]
            moving = jax.tree.unflatten(jax.tree.structure(moves), kept)
        asked = _Draw(self.model, self.drawn.names, self.carried, self.settings)
        count = len(self.drawn.values)
        order = np.r_[np.arange(count), np.zeros(-count % _TOGETHER, int)].reshape(-1, _TOGETHER)

        def some(of: np.ndarray) -> Any:
            initial = None if self.drawn.initial is None else jnp.asarray(np.asarray(self.drawn.initial)[of])
            return _course(asked, arrays, moving, self.drawn.values[of], self.drawn.weights[of], initial)

        found = current_engine().here.map(some, [(of,) for of in order])
        return jax.tree.map(lambda *parts: np.concatenate([np.asarray(part) for part in parts])[:count], *found)


class PlanArrays(NamedTuple):
    """A plan with chosen numbers.

    Attributes:
        packed: for the solver.
        end: () [d]
        volume: () [L] in the beginning.
    """

    packed: PackedRun
    end: Array
    volume: Array


class _Numbers(NamedTuple):
    """What decides about the arrays of a plan; it is known before a program is compiled."""

    model: CultureModel
    plan: CultureRun
    decisions: tuple[Decision, ...]
    times: tuple[float, ...]


class _Draw(NamedTuple):
    """What decides about the course of a draw, beside the arrays of the plan."""

    model: CultureModel
    names: tuple[str, ...]
    carried: Array | None
    settings: SolverSettings


class _Course(NamedTuple):
    """The course of a draw: times (points,), states (points, names), volumes (points,), and whether it was finished."""

    time: Array
    states: Array
    volume: Array
    finished: Array


class _Goals(NamedTuple):
    """What is asked of a course, see `Judging`."""

    names: tuple[str, ...]
    species: tuple[str, ...]
    decisions: tuple[str, ...]
    goals: Goals
    factors: tuple[tuple[str, float], ...]
    reserves: tuple[tuple[int, float], ...]
    errors: dict[str, Array]
    ranges: Array


def arrays_of(
    model: CultureModel, plan: CultureRun, decisions: Sequence[Decision], x: Array, times: Sequence[float] | np.ndarray,
    slopes: bool = False,
) -> tuple[PlanArrays, Any]:  # fmt: skip
    """Return the arrays of a plan with chosen numbers.

    Args:
        model: that will simulate it.
        plan: the current plan.
        decisions: which numbers are chosen.
        x: (decisions,) their values in internal units.
        times: [d] at which states are wanted, beside those of the plan.
        slopes: whether derivatives by the values are wanted.

    Returns:
        The arrays, and, with a leading axis of decisions, their derivatives; None without.

    Raises:
        InputError: the plan does not fit the model.
    """
    # what only formulas and messages ask for is left out: it would compile the arrays anew
    blank = tuple(replace(one, name="", lower=0.0, upper=1.0, step=0.0) for one in decisions)
    return _arrays(_Numbers(model, plan, blank, tuple(map(float, times))), x, slopes)


@compiled_once
def _arrays(asked: _Numbers, x: Array, slopes: bool) -> tuple[PlanArrays, Any]:
    def made(x: Array) -> Any:
        run = decided(asked.plan, asked.decisions, [x[i] for i in range(len(asked.decisions))])
        packed = pack(run, asked.model, save_at=asked.times)
        whole = PlanArrays(packed, jnp.asarray(run.end, jnp.float64), jnp.asarray(run.initial_volume, jnp.float64))
        return eqx.partition(jax.tree.map(jnp.asarray, whole), eqx.is_inexact_array)

    if not slopes:
        return eqx.combine(*made(x)), None
    _, moves, others = jax.vmap(lambda move: jax.jvp(made, (x,), (move,), has_aux=True), out_axes=(None, 0, None))(
        jnp.eye(len(asked.decisions)))  # fmt: skip
    return eqx.combine(made(x)[0], others), moves


@compiled_once
def _course(asked: _Draw, arrays: PlanArrays, moves: Any, values: Array, weights: Array,
            initial: Array | None) -> tuple[_Course, _Course | None]:  # fmt: skip
    def one(drawn: tuple[Array, Array, Array | None]) -> tuple[_Course, _Course | None]:
        if moves is None:
            return _course_of(asked, arrays, drawn), None
        still, tangents = jax.tree.structure(moves, is_leaf=_is_none), jax.tree.leaves(moves, is_leaf=_is_none)
        floats, others = eqx.partition(arrays, eqx.is_inexact_array)
        primals = still.flatten_up_to(floats)
        moving = [k for k, tangent in enumerate(tangents) if tangent is not None]

        def of(some: list[Array]) -> _Course:
            whole = list(primals)
            for k, value in zip(moving, some, strict=True):
                whole[k] = value
            return _course_of(asked, eqx.combine(still.unflatten(whole), others), drawn)

        at = [primals[k] for k in moving]
        return jax.vmap(lambda some: jax.jvp(of, (at,), (some,)), out_axes=(None, 0))([tangents[k] for k in moving])

    return lax.map(one, (values, weights, initial))


def _is_none(given: Any) -> bool:
    return given is None


def _course_of(asked: _Draw, arrays: PlanArrays, drawn: tuple[Array, Array, Array | None]) -> _Course:
    parameters, of_nets, start = drawn
    packed = arrays.packed
    if start is not None and asked.carried is not None:
        packed = replace(packed, initial=packed.initial * jnp.exp(start @ asked.carried))
    changed = asked.model.with_parameters({name: parameters[i] for i, name in enumerate(asked.names)})
    changed = changed.changed(nets=with_weights(changed.nets, of_nets))
    path = integrate(changed, packed, Loop(), asked.settings, points=_POINTS)
    # the harvest comes before what is done at that time, and before what a plan has later
    last = jnp.argmax(packed.end >= arrays.end - 1e-9)
    inside = jnp.arange(path.time.shape[0])[:, None] <= last
    states = jnp.concatenate([path.quantities, path.inputs], axis=2)
    # after the harvest every point repeats it
    states = jnp.where(inside[..., None], states, states[last, -1][None, None, :])
    time, volume = (jnp.where(inside, value, value[last, -1]).ravel()
                    for value in (path.time, path.states.volume * arrays.volume))  # fmt: skip
    finished = has_finished(path)
    return _Course(time, states.reshape(-1, states.shape[2]), volume, jnp.where(finished, 1.0, 0.0))


@compiled_once
def _goals(asked: _Goals, x: Array, course: _Course, tangents: _Course | None) -> tuple[Array, Array | None]:
    """Return the goals of every draw, (draws, rows), and their derivatives (draws, decisions, rows)."""
    if tangents is None:
        return jax.vmap(lambda of: _goals_of(asked, x, of))(course), None

    def one(of: _Course, moves: _Course) -> tuple[Array, Array]:
        return jax.vmap(lambda step, move: jax.jvp(lambda x, of: _goals_of(asked, x, of), (x, of), (step, move)),
                        out_axes=(None, 0))(jnp.eye(len(asked.decisions)), moves)  # fmt: skip

    return jax.vmap(one)(course, tangents)


def _goals_of(asked: _Goals, x: Array, course: _Course) -> Array:
    """Return the objective, the margins, the distance and the error of the model of one draw, as one vector."""
    goals = asked.goals
    flat = {name: course.states[:, j] for j, name in enumerate(asked.names)}
    flat |= {TIME: course.time, VOLUME: course.volume}
    left = [flat[asked.species[j]] / largest - EMPTY for j, largest in asked.reserves]
    flat |= {name: factor * flat[name] for name, factor in asked.factors}
    flat |= {name: x[i] for i, name in enumerate(asked.decisions)}
    ends = {name: value if value.ndim == 0 else value[-1] for name, value in flat.items()}

    def at_end(given):
        return jnp.asarray(value_of(goals.tree, (ends | given).__getitem__, jnp), jnp.float64)

    # the error of each quantity, through the formula
    moves = [{name: error * ends[name]} for name, error in asked.errors.items()]
    errors = [jax.jvp(at_end, ({name: ends[name] for name in move},), (move,))[1] for move in moves]
    wrong = jnp.sqrt(sum((error**2 for error in errors), jnp.zeros(())) + 1e-300)
    outside = _beyond(course.states, asked.ranges)
    found = jnp.concatenate([at_end({})[None], margins_of(goals, flat, ends, jnp), *left, outside[None], wrong[None]])
    return jnp.where(course.finished > 0.5, found, jnp.nan)


def _beyond(states: Array, ranges: Array) -> Array:
    """Return how far states leave their ranges at most, in widths of these."""
    low, high = ranges[:1], ranges[1:]
    bounded = jnp.isfinite(low)
    width = jnp.where(bounded, high - low, 1.0)
    beyond = jnp.maximum(jnp.where(bounded, low, 0.0) - states, states - jnp.where(bounded, high, 0.0)) / width
    return jnp.max(jnp.where(bounded, jnp.maximum(beyond, 0.0), 0.0), initial=0.0)


__all__ = ["SETTINGS", "Judging", "PlanArrays", "arrays_of"]
