r"""Closures of the redox loop: R shapes the rate laws, these shape the fluxes, and the fluxes give R back.

The ratio is that of the cytosolic NADH made by the reactions other than lactate dehydrogenase to the NADH that the
shuttle carries into the mitochondria. For the network of Nolan & Lee (2011),

    R' = (2 v1 + 0.6391 v16) / v34,

with the stoichiometric coefficients of NADH in v1 and v16. What R is, given R', is a choice:

- `Lagged(step)`: R is the R' of the stage before. The published scheme; its answer depends on the step, so it
  serves for reproduction only.
- `Dynamic(turnover_time)`: dR/dt = (R' - R)/tau, the turnover of the cytosolic redox pool. A true ODE.
- `Algebraic(turnover_time)`: R = R'(R) in every moment. Where there are several roots, R is the one that the pool
  would come to rest at if it turned over infinitely fast, from the R of a moment before: the limit of `Dynamic` as
  tau goes to 0. So R stays on its branch as long as the branch lasts, and where the branch ends in a fold, R goes
  where R' - R points.
- `NoLoop()`: for a model whose rates do not depend on R.

`rest_point` is that root. It knows nothing of redox: the gap that it closes may be of one variable or of a few, such
as any that fluxes define and rate laws use.
"""

import abc
import enum
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from graycell.numerics.roots import rest_point

Scalar = Float[Array, ""]


class LoopStatus(enum.IntEnum):
    """How the redox loop was closed at one point. `remedy` is the sentence for the user."""

    solved = 0
    branch_ended = 1
    no_root = 2
    not_converged = 3
    not_finite = 4

    @property
    def remedy(self) -> str:
        return {
            0: "R is what the closure says.",
            1: "The branch of R ended in a fold here or since the point before, and R goes to the next stable root. "
            "Derivatives leave out how the time of the fold moves: use the closure Dynamic to fit through it.",
            2: "R' jumps across R, so no R solves the loop: the rate laws or weights are not continuous here. Give the "
            "switches a width, and use SoftWeights.",
            3: "The search for R ran out of steps. Look at the map from R to R', see graycell inspect.",
            4: "R' is not finite. Check concentrations and parameters.",
        }[int(self)]

    @property
    def usable(self) -> bool:
        return self in (LoopStatus.solved, LoopStatus.branch_ended)


class RedoxRatio(eqx.Module):
    """The ratio R' = sum(production * v) / sum(consumption * v) of fluxes.

    production, consumption: (reactions,) coefficients [1].
    ceiling: R' [1] is never more; without it a vanishing shuttle flux would make R' infinite. 50 is ten times the
        largest ratio that was measured in cell line A of Nolan & Lee (2011). A cell that does nothing has the ratio 0.
    """

    production: Float[Array, " reactions"]
    consumption: Float[Array, " reactions"]
    ceiling: float = 50.0

    def __call__(self, fluxes: Float[Array, " reactions"]) -> Scalar:
        """Return R' [1] of the fluxes [mmol/(10^9 cells)/d], in 0..ceiling."""
        made = jnp.maximum(self.production @ fluxes, 0.0)
        carried = jnp.maximum(self.consumption @ fluxes, 0.0)
        # made/carried, written so that neither the value nor its derivative divides by zero
        above = (made > 0.0) & (made >= self.ceiling * carried)
        return jnp.where(above, self.ceiling, made / jnp.where(above | (carried == 0.0), 1.0, carried))


class RedoxPool(NamedTuple):
    """What acts on the redox pool beside the fluxes.

    tau: turnover time [d]. The others are for a fit, which opens the loop: measured: R [1]; gain: [1/d] with which R is
    drawn to it; opened: 1 if the rate laws see the measured R in place of the model's, else 0.
    """

    tau: Scalar | float
    measured: Scalar | float = 0.0
    gain: Scalar | float = 0.0
    opened: Scalar | float = 0.0

    def seen(self, redox: Scalar) -> Scalar:
        """Return the R [1] that the rate laws see."""
        return (1.0 - self.opened) * redox + self.opened * self.measured

    def gap(self, ratio: Scalar, redox: Scalar) -> Scalar:
        """Return R' - R + tau gain (measured - R) [1], 0 where the pool is at rest.

        >>> print(RedoxPool(tau=0.1, measured=9.0, gain=5.0).gap(3.0, 1.0))
        6.0
        """
        return ratio - redox + self.tau * self.gain * (self.measured - redox)


class Closed(NamedTuple):
    """The loop, closed at one point.

    redox: R [1]; rest: where the pool would come to rest [1]; status: `LoopStatus`.
    """

    redox: Scalar
    rest: Scalar
    status: Int[Array, ""]


class Closure(eqx.Module):
    """Parent of the closures. turnover_time: name of the parameter tau [d], None where nothing turns over."""

    turnover_time: eqx.AbstractVar[str | None]

    @abc.abstractmethod
    def close(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Closed:
        """Return R for the state of the closure [1] and the gap of the pool at any R."""

    @abc.abstractmethod
    def derivative(self, gap: Scalar, closed: Closed, state: Scalar, tau: Scalar | float) -> Scalar:
        """Return d(state)/dt [1/d], for the gap of the pool at R."""

    @abc.abstractmethod
    def after_event(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Scalar:
        """Return the state [1] after the conditions have changed at once."""


class Dynamic(Closure):
    r"""A balance of the redox pool, $dR/dt = (R' - R)/\tau$, plus the gain of an opened loop. The state is R."""

    turnover_time: str = eqx.field(static=True, default="tau")

    def close(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Closed:
        return Closed(state, state, jnp.asarray(LoopStatus.solved, jnp.int32))

    def derivative(self, gap: Scalar, closed: Closed, state: Scalar, tau: Scalar | float) -> Scalar:
        return gap / tau

    def after_event(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Scalar:
        return state


class Algebraic(Closure):
    """R = R'(R), on the branch that the pool follows as tau goes to 0.

    The state remembers the branch: it follows R with the time `memory` [d], and the root is searched from it. On a
    branch R does not depend on it. Where the branch ends, the nearest root is farther from the state than `trust` [1,
    relative where R is above 1]; then R is the state itself on its way, for a few times `memory`, and a status.
    tau plays no part unless the loop is nudged.
    """

    turnover_time: str = eqx.field(static=True, default="tau")
    memory: float = eqx.field(static=True, default=0.005)
    trust: float = eqx.field(static=True, default=0.25)

    def close(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Closed:
        rest, status = rest_point(gap, state)
        beyond = jnp.abs(rest - state) / (self.trust * jnp.maximum(1.0, jnp.abs(state))) - 1.0
        # R may not jump: where the cells' answer to the jump restored the branch, R would flicker between two roots
        share = jnp.clip(beyond, 0.0, 1.0)
        share = share**2 * (3.0 - 2.0 * share)
        left = (share > 0.0) & (status == LoopStatus.solved)
        status = jnp.where(left, LoopStatus.branch_ended, status).astype(jnp.int32)
        return Closed(rest + share * (state - rest), rest, status)

    def derivative(self, gap: Scalar, closed: Closed, state: Scalar, tau: Scalar | float) -> Scalar:
        return (closed.rest - state) / self.memory

    def after_event(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Scalar:
        return rest_point(gap, state)[0]


class NoLoop(Closure):
    """No redox loop: R stays what it was at time 0. For models whose rates do not ask for it."""

    turnover_time: None = eqx.field(static=True, default=None)

    def close(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Closed:
        return Closed(state, state, jnp.asarray(LoopStatus.solved, jnp.int32))

    def derivative(self, gap: Scalar, closed: Closed, state: Scalar, tau: Scalar | float) -> Scalar:
        return jnp.zeros_like(state)

    def after_event(self, gap: Callable[[Scalar], Scalar], state: Scalar) -> Scalar:
        return state


class Lagged(eqx.Module):
    """The published closure: every stage of a fixed-step scheme uses the R' of the stage before.

    step: [d]. The answer depends on it. It is no ODE, and `graycell.simulation.lagged` steps through it.
    """

    step: float = eqx.field(static=True, default=0.05)
