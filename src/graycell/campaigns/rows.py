"""Rows: many runs of one plan at once, each with its own clone, scale and chosen numbers; the goal of each."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from graycell.compiling import compiled_once
from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import VOLUME, Goals
from graycell.engine import current_engine
from graycell.formulas.tree import TIME
from graycell.formulas.values import value_of
from graycell.model import CultureModel
from graycell.packing import pack
from graycell.runs.records import CultureRun
from graycell.simulation.solve import Loop, SolverSettings, integrate
from graycell.simulation.trajectory import has_finished

TOGETHER = 128
"""Rows in one task."""
SETTINGS = SolverSettings(rtol=1e-3, atol=1e-6, derivative_rtol=math.inf)
"""Of the solver: its error is far below that of an assay."""


class Rows(NamedTuple):
    """Runs of one plan, each with its own parameters and chosen numbers.

    Attributes:
        model: of all clones.
        plan: that is varied.
        decisions: which numbers are chosen.
        goals: what is maximised.
        factors: of the units of names in the formula, by name.
        names: of the parameters that differ between rows.
        settings: of the solver.
    """

    model: CultureModel
    plan: CultureRun
    decisions: tuple[Decision, ...]
    goals: Goals
    factors: tuple[tuple[str, float], ...]
    names: tuple[str, ...]
    settings: SolverSettings = SETTINGS

    def values(self, parameters: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return the goal of every row.

        Args:
            parameters: (rows, names) in the units of the model.
            chosen: (rows, decisions) in internal units.

        Returns:
            (rows,) NaN where a run could not be simulated.
        """
        if not len(parameters):
            return np.zeros(0)
        return self._in_parts(_values, parameters, chosen)[0]

    def slopes(self, parameters: np.ndarray, chosen: np.ndarray, by: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the goal of every row and its derivatives by the first parameters.

        Args:
            parameters: (rows, names) in the units of the model.
            chosen: (rows, decisions) in internal units.
            by: number of parameters by which it is derived.

        Returns:
            (rows,) and (rows, by).
        """
        if not len(parameters):
            return np.zeros(0), np.zeros((0, by))
        value, slope = self._in_parts(_sloped, parameters, chosen, by)
        return value, slope

    def _in_parts(self, compiled: Any, parameters: np.ndarray, chosen: np.ndarray, *by: int) -> Sequence[Any]:
        count = len(parameters)
        order = np.r_[np.arange(count), np.zeros(-count % TOGETHER, int)].reshape(-1, TOGETHER)

        def some(of: np.ndarray) -> Any:
            return jax.tree.map(np.asarray, compiled(self, parameters[of], chosen[of], *by))

        found = current_engine().here.map(some, [(of,) for of in order])
        return [np.concatenate(parts)[:count] for parts in zip(*found, strict=True)]


def _goal_of(asked: Rows, parameters: Array, x: Array) -> Array:
    run = decided(asked.plan, asked.decisions, [x[i] for i in range(len(asked.decisions))])
    model = asked.model.with_parameters({name: parameters[i] for i, name in enumerate(asked.names)})
    packed = pack(run, model)
    path = integrate(model, packed, Loop(), asked.settings)
    states = jnp.concatenate([path.predicted, path.inputs[:, -1]], axis=1)
    last = jnp.argmax(packed.end >= jnp.asarray(run.end, jnp.float64) - 1e-9)
    ends = {name: states[last, j] for j, name in enumerate((*model.quantities, *model.input_names))}
    ends |= {TIME: path.time[last, -1], VOLUME: path.states.volume[last, -1] * run.initial_volume}
    ends |= {name: factor * ends[name] for name, factor in asked.factors}
    ends |= {decision.name: x[i] for i, decision in enumerate(asked.decisions)}
    goal = jnp.asarray(value_of(asked.goals.tree, ends.__getitem__, jnp), jnp.float64)
    finished = has_finished(path)
    return jnp.where(finished, goal, jnp.nan)


@compiled_once
def _values(asked: Rows, parameters: Array, chosen: Array) -> tuple[Array]:
    return (jax.vmap(lambda of, x: _goal_of(asked, of, x))(parameters, chosen),)


@compiled_once
def _sloped(asked: Rows, parameters: Array, chosen: Array, by: int) -> tuple[Array, Array]:
    def one(of: Array, x: Array) -> tuple[Array, Array]:
        # one goal and many parameters: backwards it takes half the time
        return jax.value_and_grad(lambda some: _goal_of(asked, jnp.concatenate([some, of[by:]]), x))(of[:by])

    return jax.vmap(one)(parameters, chosen)
