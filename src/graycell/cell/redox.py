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
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from graycell.cell.qp import orthonormal

Scalar = Float[Array, ""]

PRECISE = 1e-10
"""Largest |R - R'(R)| [1] that counts as solved."""
_FIRST_STEP, _LONGEST_STEP = 1e-3, 0.05
"""Steps [1], relative where the variable is above 1, in which the search goes from the start: two roots that are
nearer to each other than a step may be passed together. R is measured to some 0.05."""
_MOST_STEPS = 400
_LEAST_DENOMINATOR = 1e-9
"""At a fold the derivative of the root is infinite; this keeps it finite. The status tells of a fold once the branch is
gone."""


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

    step: [d]. The answer depends on it. It is no ODE, and `graycell.lagged` steps through it.
    """

    step: float = eqx.field(static=True, default=0.05)


# ---------------------------------------------------------------------------------------------- the root


def rest_point(
    gap: Callable[[Float[Array, "*k"]], Float[Array, "*k"]], start: Float[Array, "*k"]
) -> tuple[Float[Array, "*k"], Int[Array, ""]]:
    """Return where dx/ds = gap(x) comes to rest from `start`, and a `LoopStatus`.

    Of one variable it is the first root in the direction of the gap, found by steps and then within a bracket; of a few
    (shape (k,)), that of a pseudo-transient continuation (Kelley & Keyes, SIAM J. Numer. Anal. 35 (1998) 508-523),
    which takes about the same way, in implicit steps that grow. Derivatives by whatever the gap depends on are those
    of the implicit function, to any order and in both modes; `start` has none. In plain array operations, so it maps.

    >>> root, status = rest_point(lambda x: jnp.cos(x) - x, jnp.array(3.0))
    >>> print(f"{root:.9f}", LoopStatus(int(status)).name)
    0.739085133 solved
    """
    start = lax.stop_gradient(start)
    solve = _along_the_line if start.ndim == 0 else _pseudo_transient

    def tangent_solve(linear, right):
        if right.ndim == 0:
            slope = linear(jnp.ones_like(right))
            # the gap falls at a root that a pool holds, so its slope comes to 0 from below
            return right / jnp.where(jnp.abs(slope) < _LEAST_DENOMINATOR, -_LEAST_DENOMINATOR, slope)
        return _solve(jax.jacobian(linear)(jnp.zeros_like(right)), right)

    def solve_with_float(gap, start):  # custom_root gives what stands beside the root a tangent of its own type
        root, status = solve(gap, start)
        return root, status.astype(root.dtype)

    root, status = lax.custom_root(gap, start, solve_with_float, tangent_solve, has_aux=True)
    return root, lax.stop_gradient(status).astype(jnp.int32)


def _solve(matrix, right):
    q, triangle = orthonormal(matrix)
    return triangle @ (q.T @ right)


def _status(value, stopped):
    """Return the status of a search that ended with `value`; `stopped`: it ran out of steps."""
    size = jnp.max(jnp.abs(value))
    missed = jnp.where(stopped, LoopStatus.not_converged, LoopStatus.no_root)
    status = jnp.where(size <= PRECISE, LoopStatus.solved, missed)
    return jnp.where(jnp.isfinite(size), status, LoopStatus.not_finite).astype(jnp.int32)


class _Bracket(NamedTuple):
    """A bracket as Chandrupatla keeps it (Adv. Eng. Softw. 28 (1997) 145-149).

    new: the newest point; across: the one on the other side of the root; before: the one that the newest replaced.
    """

    new: Array
    new_gap: Array
    across: Array
    across_gap: Array
    before: Array
    before_gap: Array

    @property
    def narrow(self):
        """Whether nothing is left to search in."""
        rounding = jnp.abs(self.across - self.new) <= 4e-16 * jnp.abs(self.new) + 1e-300
        return rounding | (self.new_gap == 0.0) | (self.across_gap == 0.0)

    def place(self):
        """Return where to look next: by inverse quadratic interpolation where it is safe, else in the middle."""
        reach = _not_zero(self.before - self.across)
        place = (self.new - self.across) / reach
        height = (self.new_gap - self.across_gap) / _not_zero(self.before_gap - self.across_gap)
        safe = (height**2 < place) & ((1.0 - height) ** 2 < 1.0 - place)
        ratio = (self.before - self.new) / _not_zero(self.across - self.new)
        to_across, to_before = _not_zero(self.across_gap - self.new_gap), _not_zero(self.before_gap - self.new_gap)
        apart = _not_zero(self.across_gap - self.before_gap)
        share = self.new_gap / to_across * self.before_gap / apart
        share -= ratio * self.new_gap / to_before * self.across_gap / apart
        least = jnp.minimum(2e-16 * jnp.abs(self.new) / _not_zero(jnp.abs(self.across - self.new)), 0.5)
        share = jnp.clip(jnp.where(safe, share, 0.5), least, 1.0 - least)
        return self.new + share * (self.across - self.new)

    def with_point(self, x, value) -> "_Bracket":
        """Return the bracket once the gap at `x` is known."""
        same = jnp.sign(value) == jnp.sign(self.new_gap)
        of = jax.tree.map(partial(jnp.where, same), (*self[2:4], *self[:2]), (*self[:2], *self[2:4]))
        return _Bracket(x, value, *of)

    def best(self):
        """Return the end with the smaller gap, and this gap."""
        better = jnp.abs(self.new_gap) <= jnp.abs(self.across_gap)
        return jnp.where(better, self.new, self.across), jnp.where(better, self.new_gap, self.across_gap)


def root_within(gap, one, one_gap, other, other_gap):
    """Return a root of `gap` between two points where its signs differ, and the gap there.

    The bracket narrows to rounding, so where the gap jumps through zero what is left is one side of the jump.
    """

    def step(now):
        steps, bracket = now
        x = bracket.place()
        return steps + 1, bracket.with_point(x, gap(x))

    begun = _Bracket(one, one_gap, other, other_gap, other, other_gap)
    last = lax.while_loop(lambda now: ~now[1].narrow & (now[0] < 100), step, (jnp.asarray(0), begun))
    return last[1].best()


def _along_the_line(gap, start):
    """Walk from the start until the gap changes its sign, then narrow the bracket.

    Both in one loop, which has the gap once, because what is compiled is mostly the gap.
    """

    class Carry(NamedTuple):
        steps: Array
        x: Array
        step: Array
        walking: Array
        bracket: _Bracket

    def body(now: Carry) -> Carry:
        value = gap(now.x)
        first = now.steps == 0
        near_gap = jnp.where(first, value, now.bracket.new_gap)
        walking = now.walking & (value * near_gap > 0.0)
        walked = _Bracket(now.x, value, *(2 * jax.tree.map(partial(jnp.where, first), (now.x, value), now.bracket[:2])))
        bracket = jax.tree.map(partial(jnp.where, now.walking), walked, now.bracket.with_point(now.x, value))
        ahead = now.x + jnp.sign(value) * now.step
        longest = jnp.minimum(2.0 * now.step, _LONGEST_STEP * jnp.maximum(1.0, jnp.abs(ahead)))
        return Carry(now.steps + 1, jnp.where(walking, ahead, bracket.place()), longest, walking, bracket)

    def runs(now: Carry):
        return (now.walking | ~now.bracket.narrow) & (now.steps < _MOST_STEPS)

    nowhere = _Bracket(*(6 * (jnp.full_like(start, jnp.inf),)))
    begun = Carry(jnp.asarray(0), start, jnp.asarray(_FIRST_STEP, start.dtype), jnp.asarray(True), nowhere)
    last = lax.while_loop(runs, body, begun)
    root, value = last.bracket.best()
    return root, _status(value, last.walking)


def _not_zero(x):
    return jnp.where(x == 0.0, 1.0, x)


def _pseudo_transient(gap, start):
    class Carry(NamedTuple):
        steps: Array
        x: Array
        value: Array
        length: Array

    def step(now: Carry) -> Carry:
        system = jnp.eye(start.shape[0], dtype=start.dtype) / now.length - jax.jacfwd(gap)(now.x)
        x = now.x + _solve(system, now.value)
        value = gap(x)
        # the length of a step grows as the gap falls, and shrinks where it rose
        growth = jnp.clip(jnp.max(jnp.abs(now.value)) / _not_zero(jnp.max(jnp.abs(value))), 0.2, 10.0)
        return Carry(now.steps + 1, x, value, now.length * growth)

    def runs(now: Carry):
        return (jnp.max(jnp.abs(now.value)) > 0.01 * PRECISE) & (now.steps < _MOST_STEPS)

    first = gap(start)
    length = 0.1 / jnp.maximum(1.0, jnp.max(jnp.abs(first)))
    last = lax.while_loop(runs, step, Carry(jnp.asarray(0), start, first, length))
    return last.x, _status(last.value, last.steps >= _MOST_STEPS)
