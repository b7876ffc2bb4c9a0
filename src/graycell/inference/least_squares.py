"""Levenberg-Marquardt steps with a small explicit state, so that a fit can be interrupted and resumed anywhere.

Why not a library: a fit here must checkpoint after every iteration and resume to the same result, bit for bit.
scipy's trust region does not give its radius away, and optimistix holds compiled closures in its state. The state here
is a point and a damping. A trial is linearised at once: most are accepted, and one function is compiled.

K. Madsen, H. B. Nielsen, O. Tingleff, "Methods for non-linear least squares problems", 2nd ed., DTU (2004), 3.2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float

_FIRST_DAMPING = 1e-2
"""Damping of the first step, relative to the largest diagonal element of J^T J."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e12


class Point(NamedTuple):
    """State of a minimisation.

    Attributes:
        x: (n,) coordinates [1].
        damping: relative to the largest diagonal element of J^T J [1]; negative before the first step.
        growth: factor of the next increase of the damping [1].
        cost: half the sum of squares at x.
        iteration: accepted and refused trials so far.
        stalled: trials in a row with next to no gain.
    """

    x: Float[np.ndarray, " n"]
    damping: float = -1.0
    growth: float = 2.0
    cost: float = np.inf
    iteration: int = 0
    stalled: int = 0


class Linearisation(NamedTuple):
    """Residuals and their Jacobian at a point.

    Attributes:
        residuals: (m,)
        jacobian: (m, n)
        held: (k,) residuals of what is not learned from.
    """

    residuals: Float[np.ndarray, " m"]
    jacobian: Float[np.ndarray, "m n"]
    held: Float[np.ndarray, " k"] = np.zeros(0)

    @property
    def cost(self) -> float:
        """Half the sum of squares; infinite where a number of any of them is not finite."""
        if not all(np.all(np.isfinite(part)) for part in self):
            return np.inf
        return 0.5 * float(self.residuals @ self.residuals)


def step(
    now: Point,
    at: Linearisation,
    linearise: Callable[[np.ndarray], Linearisation],
    least_gain: float,
) -> tuple[Point, Linearisation]:
    """Try one damped step.

    A trial where residuals or derivatives are not finite is refused, like one that is worse.

    Args:
        now: the present state.
        at: the linearisation at `now`.
        linearise: from x (n,) to the linearisation there.
        least_gain: relative decrease of the cost [1] below which a trial counts as stalled.

    Returns:
        The next state, and the linearisation there: `at` itself where the trial was refused.

    >>> def linear(x):
    ...     return Linearisation(x, np.array([[1.0]]))
    >>> point, at = step(Point(np.array([2.0])), linear(np.array([2.0])), linear, 1e-6)
    >>> bool(point.cost < 0.1), bool(at.residuals[0] == point.x[0])
    (True, True)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # derivatives may be so large that they have no square
        hessian, gradient = at.jacobian.T @ at.jacobian, at.jacobian.T @ at.residuals
    damping = now.damping if now.damping > 0.0 else _FIRST_DAMPING
    largest = float(np.max(np.diag(hessian), initial=0.0))
    scale = max(largest, 1e-300) if largest < np.inf else 1e300
    # solved as a least-squares problem: J^T J would square the condition of a poorly determined fit
    n, cost = len(now.x), at.cost
    stacked = np.vstack([at.jacobian, np.sqrt(damping * scale) * np.eye(n)])
    try:
        # by a QR decomposition with pivoting: with hundreds of weights an SVD takes longer than the ODE
        target = -np.concatenate([at.residuals, np.zeros(n)])
        move = np.asarray(scipy.linalg.lstsq(stacked, target, lapack_driver="gelsy")[0])  # type: ignore[index]
        trial = linearise(now.x + move)
    except (np.linalg.LinAlgError, ValueError):  # derivatives of very different size; more damping evens them out
        move, trial = np.zeros(n), at
    trial_cost = np.inf if trial is at else trial.cost
    predicted = 0.5 * float(move @ (damping * scale * move - gradient))
    quality = (cost - trial_cost) / max(predicted, 1e-300)
    gained = cost - trial_cost > least_gain * cost
    stalled = 0 if gained else now.stalled + 1
    if quality > 0.0:
        damping = np.clip(damping * max(1.0 / 3.0, 1.0 - (2.0 * quality - 1.0) ** 3), _LEAST_DAMPING, _MOST_DAMPING)
        return Point(now.x + move, float(damping), 2.0, trial_cost, now.iteration + 1, stalled), trial
    damping = float(min(damping * now.growth, _MOST_DAMPING))
    return Point(now.x, damping, now.growth * 2.0, cost, now.iteration + 1, stalled), at
