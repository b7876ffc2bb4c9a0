"""Roots of functions of one or a few variables, differentiated as implicit functions, in array operations that map.

`rest_point` finds the root at which dx/ds = gap(x) comes to rest; `root_within` narrows a bracket.
"""

import enum
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from graycell.numerics.dense import orthonormal

PRECISE = 1e-10
"""Largest absolute gap that counts as solved, in the unit of the gap."""
_FIRST_STEP, _LONGEST_STEP = 1e-3, 0.05
"""First and longest step of the search, relative where the variable is above 1. The search may pass two roots together
if they are nearer to each other than a step."""
_MOST_STEPS = 400
_FLAT = 5e-15
"""Gap that may be rounding, relative where the variable is above 1. Over a stretch where the gap is flat and 0, every
point is a root; the search ends at the nearest one."""
_LEAST_DENOMINATOR = 1e-9
"""At a fold the derivative of the root is infinite; this keeps it finite. The status reports a fold once the branch has
ended."""


class RootStatus(enum.IntEnum):
    """How the search for a root ended."""

    solved = 0
    no_root = 2
    not_converged = 3
    not_finite = 4


def rest_point(
    gap: Callable[[Float[Array, "*k"]], Float[Array, "*k"]], start: Float[Array, "*k"]
) -> tuple[Float[Array, "*k"], Int[Array, ""]]:
    """Find where dx/ds = gap(x) comes to rest, starting at `start`.

    For one variable, this is the first root in the direction of the gap, found by steps and then within a bracket. For
    a few variables (shape (k,)), it is the root of a pseudo-transient continuation (Kelley & Keyes, SIAM J. Numer.
    Anal. 35 (1998) 508-523), which takes about the same path in implicit steps that grow. The derivatives by whatever
    the gap depends on are those of the implicit function, to any order and in both modes; `start` has none. All in
    plain array operations, so it maps.

    Args:
        gap: Function whose root is wanted; its value has the shape of its argument.
        start: Point at which the search starts.

    Returns:
        The root and a `RootStatus`.

    >>> root, status = rest_point(lambda x: jnp.cos(x) - x, jnp.array(3.0))
    >>> print(f"{root:.9f}", RootStatus(int(status)).name)
    0.739085133 solved
    """
    start = lax.stop_gradient(start)
    solve = _along_the_line if start.ndim == 0 else _pseudo_transient

    def tangent_solve(linear, right):
        if right.ndim == 0:
            slope = linear(jnp.ones_like(right))
            # at a stable root the gap falls, so its slope approaches 0 from below
            return right / jnp.where(jnp.abs(slope) < _LEAST_DENOMINATOR, -_LEAST_DENOMINATOR, slope)
        return _solve(jax.jacobian(linear)(jnp.zeros_like(right)), right)

    def solve_with_float(gap, start):  # custom_root makes the tangent of the status in its type
        root, status = solve(gap, start)
        return root, status.astype(root.dtype)

    root, status = lax.custom_root(gap, start, solve_with_float, tangent_solve, has_aux=True)
    return root, lax.stop_gradient(status).astype(jnp.int32)


def _solve(matrix, right):
    q, triangle = orthonormal(matrix)
    return triangle @ (q.T @ right)


def _status(value, stopped):
    """Return the status of a search that ended with the gap `value`; `stopped`: it ran out of steps."""
    size = jnp.max(jnp.abs(value))
    missed = jnp.where(stopped, RootStatus.not_converged, RootStatus.no_root)
    status = jnp.where(size <= PRECISE, RootStatus.solved, missed)
    return jnp.where(jnp.isfinite(size), status, RootStatus.not_finite).astype(jnp.int32)


class _Bracket(NamedTuple):
    """The bracket of the method of Chandrupatla (Adv. Eng. Softw. 28 (1997) 145-149).

    new: the newest point; across: the point on the other side of the root; before: the point that `new` replaced.
    `with_point` leaves it open which of the last two is across; `ordered` says so from the stored gaps. In the step
    that evaluates a gap, a compiler may evaluate it twice and round differently, so that its sign is not that of
    the gap that is stored.
    """

    new: Array
    new_gap: Array
    across: Array
    across_gap: Array
    before: Array
    before_gap: Array

    @property
    def ordered(self) -> "_Bracket":
        """The bracket, with the root between `new` and `across`."""
        same = jnp.sign(self.new_gap) == jnp.sign(self.before_gap)
        ends = jax.tree.map(partial(jnp.where, same), (*self[2:4], *self[4:]), (*self[4:], *self[2:4]))
        return _Bracket(*self[:2], *ends)

    @property
    def narrow(self):
        """Whether the bracket, ordered, cannot become narrower."""
        rounding = jnp.abs(self.across - self.new) <= 4e-16 * jnp.abs(self.new) + 1e-300
        return rounding | (self.new_gap == 0.0) | (self.across_gap == 0.0)

    def place(self):
        """Return the next point: by inverse quadratic interpolation if it is safe, else in the middle."""
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
        """Return the ordered bracket with a new point, not ordered."""
        return _Bracket(x, value, *self[2:4], *self[:2])

    def best(self):
        """Return the end with the smaller gap, and this gap."""
        better = jnp.abs(self.new_gap) <= jnp.abs(self.across_gap)
        return jnp.where(better, self.new, self.across), jnp.where(better, self.new_gap, self.across_gap)


def root_within(
    gap: Callable[[Float[Array, ""]], Float[Array, ""]],
    near: Float[Array, ""],
    near_gap: Float[Array, ""],
    far: Float[Array, ""],
    far_gap: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Find a root of `gap` between two points at which its signs differ.

    The bracket narrows to rounding. If the gap jumps through zero, the result is one side of the jump.

    Args:
        gap: Function whose root is wanted.
        near: One end of the bracket.
        near_gap: The gap there.
        far: The other end.
        far_gap: The gap there.

    Returns:
        The root and the gap there.
    """

    def step(now):
        steps, bracket = now[0], now[1].ordered
        x = bracket.place()
        return steps + 1, bracket.with_point(x, gap(x))

    begun = _Bracket(near, near_gap, far, far_gap, far, far_gap)
    last = lax.while_loop(lambda now: ~now[1].ordered.narrow & (now[0] < 100), step, (jnp.asarray(0), begun))
    return last[1].ordered.best()


def _along_the_line(gap, start):
    """Step from the start until the gap is `_FLAT` or less, seen in its first direction, then narrow the bracket.

    Both are in one loop, so that the gap, which is most of what is compiled, is compiled once.
    """

    class Carry(NamedTuple):
        steps: Array
        step: Array
        walks: Array  # while it walks, the bracket is the last two points
        bracket: _Bracket  # of the gap in its first direction, less _FLAT
        first: Array

    def body(now: Carry) -> Carry:
        begins, bracket = now.steps == 0, now.bracket.ordered
        x = jnp.where(now.walks, bracket.new + jnp.sign(now.first) * now.step, bracket.place())
        x = jnp.where(begins, start, x)
        value = gap(x)
        first = jnp.where(begins, value, now.first)
        value = jnp.sign(first) * value - _FLAT * jnp.maximum(1.0, jnp.abs(x))
        left = jax.tree.map(partial(jnp.where, begins), (x, value), bracket[:2])
        walking = _Bracket(x, value, *left, *left)
        bracket = jax.tree.map(partial(jnp.where, now.walks), walking, bracket.with_point(x, value))
        longer = jnp.minimum(2.0 * now.step, _LONGEST_STEP * jnp.maximum(1.0, jnp.abs(x)))
        step = jnp.where(begins, now.step, longer)
        return Carry(now.steps + 1, step, now.walks & (value > 0.0), bracket, first)

    def runs(now: Carry):
        return (now.walks | ~now.bracket.ordered.narrow) & (now.steps < _MOST_STEPS)

    nowhere = _Bracket(*(6 * (jnp.full_like(start, jnp.inf),)))
    begun = (jnp.asarray(0), jnp.asarray(_FIRST_STEP, start.dtype), jnp.asarray(True), nowhere, nowhere.new)
    last = lax.while_loop(runs, body, Carry(*begun))
    root, value = last.bracket.ordered.best()
    return root, _status(value, last.walks)


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
