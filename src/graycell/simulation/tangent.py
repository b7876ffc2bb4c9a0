"""Tangent: the derivative of a trajectory by one direction of the parameters, solved with it to choose the steps.

The rates of a culture have kinks, such as where a bound becomes active as a substrate runs out. A step across a kink is
right to the second order of its length for the state, to the first order only for derivatives: with the usual
tolerance of 1e-6 they are wrong by 1e-3 as a rule, and by up to 0.3 (benchmarks/depletion.py --runs 100). The error of
one derivative, by a random direction in which every parameter moves, tells the step control where the steps have to be
short for all of them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from graycell.model import CultureModel, CultureState, Surroundings


class Moving(NamedTuple):
    """What a solve moves, and what has a derivative.

    Attributes:
        state: of the culture.
        cell_days: integral of viable cells since the begin of the segment [10^9 cells d/L]; None where it is not asked
            for.
    """

    state: CultureState
    cell_days: Array | None


class Tangent(eqx.Module):
    """What the derivative of a trajectory by one direction needs. It has no derivative itself.

    Attributes:
        model: the model.
        direction: the parameters and networks of the model, each value times a random number.
    """

    model: CultureModel
    direction: Any

    @classmethod
    def of(cls, model: CultureModel) -> "Tangent":
        """Return the tangent of a model, with the same random numbers every time.

        Args:
            model: of any number of parameters and networks.

        Returns:
            The tangent.
        """
        model, random = lax.stop_gradient(model), np.random.default_rng(0)
        return cls(model, jax.tree.map(lambda leaf: random.normal(size=leaf.shape) * leaf, _learned(model)))

    def rate(self, at: Surroundings, state: CultureState, tangent: CultureState) -> CultureState:
        """Return d(tangent)/dt [per d].

        Args:
            at: surroundings of the culture.
            state: of the culture.
            tangent: derivative of the state by the direction.

        Returns:
            The derivative of every part, 0 where a law has a value and no derivative.
        """
        at, state, tangent = lax.stop_gradient((at, state, tangent))

        def rate(learned: Any, state: CultureState) -> CultureState:
            return self.model.changed(**eqx.combine(learned, _parts(self.model))).derivative(state, at)

        learned = _learned(self.model)
        found = jax.jvp(rate, (learned, state), (self.direction, tangent))[1]
        return jax.tree.map(lambda part: jnp.where(jnp.isfinite(part), part, 0.0), lax.stop_gradient(found))


def _parts(model: CultureModel) -> dict[str, Any]:
    return {"parameters": model.parameters, "nets": model.nets}


def _learned(model: CultureModel) -> Any:
    return eqx.filter(_parts(model), eqx.is_inexact_array)


class NormOfBoth(eqx.Module):
    """The norm by which a step of a state with its tangent is judged: the largest of the two, over their tolerances.

    Attributes:
        of_part: norm of the errors of either part, over the tolerance of the state.
        share: tolerance of the state over that of the tangent [1].
    """

    of_part: Callable[[Any], Any] = eqx.field(static=True)
    share: float | Array

    def __call__(self, errors: tuple[Any, Any]) -> Array:
        """Return the norm.

        Args:
            errors: of what moves, and of its tangent.

        Returns:
            It [1].
        """
        of_state, of_tangent = map(self.of_part, errors)
        return jnp.maximum(of_state, self.share * of_tangent)
