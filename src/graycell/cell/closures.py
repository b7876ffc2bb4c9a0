r"""Closures of a loop: a variable enters rate laws, these determine the fluxes, and the fluxes give its target.

The redox ratio R of Nolan & Lee (2011) is such a variable. Its target R' = (2 v1 + 0.6391 v16)/v34 is the NADH made in
the cytosol, apart from lactate dehydrogenase, over the NADH carried into the mitochondria. A closure determines the
variable x from its target x':

- `Dynamic(turnover_time)`: dx/dt = (x' - x)/tau, the turnover of a pool. A true ODE.
- `Algebraic()`: x = x'(x) at every time. Where there are several roots, x is the one at which an infinitely fast pool
  would come to rest from the preceding x: the limit of `Dynamic` as tau goes to 0. So x stays on its branch as long as
  the branch exists, and where the branch ends in a fold, x moves in the direction of x' - x.
- `Lagged(step)`: x is the x' of the stage before. This is the published scheme of Nolan & Lee; its result depends on
  the step, so use it for reproduction only.

A model may have several loops; algebraic ones are solved together.
"""

import enum
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from graycell.numerics.roots import rest_point

Scalar = Float[Array, ""]


class LoopStatus(enum.IntEnum):
    """How the loops were closed at one point. `remedy` is the sentence for the user."""

    solved = 0
    branch_ended = 1
    no_root = 2
    not_converged = 3
    not_finite = 4

    @property
    def remedy(self) -> str:
        """A sentence: what happened and what to do."""
        return {
            0: "The loop is closed.",
            1: "The branch of R ended in a fold here or since the point before, and R goes to the next stable root. "
            "Derivatives leave out how the time of the fold moves: use the closure Dynamic to fit through it.",
            2: "R' jumps across R, so no R solves the loop: the rate laws or weights are not continuous here. Give the "
            "switches a width, and use SoftWeights.",
            3: "The search for R ran out of steps. Look at the map from R to R', see graycell diagnose.",
            4: "R' is not finite. Check concentrations and parameters.",
        }[int(self)]

    @property
    def usable(self) -> bool:
        """Whether the value can be used."""
        return self in (LoopStatus.solved, LoopStatus.branch_ended)


class LoopControl(NamedTuple):
    """How a fit opens the loops of a model to find the right branch; by default not at all.

    Attributes:
        measured: (loops,) the measured values, in the units of the variables.
        gain: () or (loops,) [1/d] rate at which the variables are drawn to the measured values.
        opened: () or (loops,) 1 if the rate laws see the measured values in place of the variables, else 0.
    """

    measured: Array | float = 0.0
    gain: Array | float = 0.0
    opened: Array | float = 0.0

    def seen(self, values: Array) -> Array:
        """Return the values that the rate laws see.

        Args:
            values: (loops,) of the variables.

        Returns:
            (loops,)
        """
        return (1.0 - self.opened) * values + self.opened * self.measured

    def gap(self, target: Array, values: Array, tau: Array) -> Array:
        """Return target - value + tau gain (measured - value), 0 where the pools are at rest.

        Args:
            target: (loops,) as the fluxes give it.
            values: (loops,) of the variables.
            tau: (loops,) turnover times [d].

        Returns:
            (loops,)

        >>> print(LoopControl(measured=9.0, gain=5.0).gap(jnp.array([3.0]), jnp.array([1.0]), jnp.array([0.1])))
        [6.]
        """
        return target - values + tau * self.gain * (self.measured - values)


class Closed(NamedTuple):
    """Loops, closed at one point.

    Attributes:
        values: (loops,) of the variables.
        rest: (loops,) where the pools would come to rest.
        status: `LoopStatus`.
    """

    values: Array
    rest: Array
    status: Int[Array, ""]


class Dynamic(eqx.Module):
    r"""A pool with a turnover time, $dx/dt = (x' - x)/\tau$. The state is x itself.

    Attributes:
        turnover_time: name of the parameter tau [d].
    """

    turnover_time: str = eqx.field(static=True, default="tau")


class Algebraic(eqx.Module):
    """x = x'(x), on the branch that a pool follows as its turnover time goes to 0.

    The state holds the branch: it follows x with the time constant `memory`, and the search for the root starts at it.
    On a branch x does not depend on the state. Where the branch ends, the nearest root is farther from the state than
    `trust`. Then x is the state itself while it moves to that root, for a few times `memory`, with a status.

    Attributes:
        turnover_time: name of the parameter tau [d]; it matters only where a fit draws the loop to measured values.
        memory: time constant [d] with which the state follows x.
        trust: largest distance of a root from the state on one branch [1], relative where x is above 1.
    """

    turnover_time: str = eqx.field(static=True, default="tau")
    memory: float = eqx.field(static=True, default=0.005)
    trust: float = eqx.field(static=True, default=0.25)


class Lagged(eqx.Module):
    """The published closure: every stage of a fixed-step scheme uses the target of the stage before.

    Attributes:
        step: [d]. The result depends on it. The scheme is not an ODE; see `graycell.simulation.lagged`.
    """

    step: float = eqx.field(static=True, default=0.05)


Closure = Dynamic | Algebraic | Lagged


def close_algebraic(
    closures: tuple[Algebraic, ...], gap: Callable[[Float[Array, " k"]], Float[Array, " k"]], state: Float[Array, " k"]
) -> Closed:
    """Return the values of algebraic loops, closed together.

    Args:
        closures: one for each loop.
        gap: from values (k,) to target - value (k,).
        state: (k,) where the search starts.

    Returns:
        Values, the roots and the worst status.
    """
    rest, status = _rest(gap, state)
    trust = jnp.array([closure.trust for closure in closures])
    beyond = jnp.abs(rest - state) / (trust * jnp.maximum(1.0, jnp.abs(state))) - 1.0
    # x must not jump: if the response of the cells restored the branch, x would flicker between two roots
    share = jnp.clip(beyond, 0.0, 1.0)
    share = share**2 * (3.0 - 2.0 * share)
    left = jnp.any(share > 0.0) & (status == LoopStatus.solved)
    status = jnp.where(left, LoopStatus.branch_ended, status).astype(jnp.int32)
    return Closed(rest + share * (state - rest), rest, status)


def rest_of(gap: Callable[[Array], Array], state: Float[Array, " k"]) -> Float[Array, " k"]:
    """Return the values at which algebraic loops come to rest after a sudden change of the conditions.

    Args:
        gap: from values (k,) to target - value (k,).
        state: (k,) where the search starts.

    Returns:
        (k,)
    """
    return _rest(gap, state)[0]


def _rest(gap, state):
    if state.shape[0] != 1:
        return rest_point(gap, state)
    # for a single loop the search along the line finds every root; in several variables it finds the next one only
    rest, status = rest_point(lambda value: gap(value[None])[0], state[0])
    return rest[None], status
