"""Levenberg-Marquardt steps with a small explicit state, so that a fit can be interrupted and resumed anywhere.

Why not a library: a fit here must checkpoint after every iteration and resume to the same result, bit for bit.
scipy's trust region does not give its radius away, and optimistix holds compiled closures in its state and linearises
anew at every trial, also a refused one. The state here is a point and a damping.

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
    """

    residuals: Float[np.ndarray, " m"]
    jacobian: Float[np.ndarray, "m n"]


def step(
    now: Point,
    at: Linearisation,
    residuals: Callable[[np.ndarray], np.ndarray],
    least_gain: float,
) -> tuple[Point, bool]:
    """Try one damped step.

    A trial whose residuals are not finite is refused, like one that is worse.

    Args:
        now: the present state.
        at: residuals and Jacobian at `now`.
        residuals: from x (n,) to residuals (m,).
        least_gain: relative decrease of the cost [1] below which a trial counts as stalled.

    Returns:
        The next state, and whether its point is a new one.

    >>> linear = Linearisation(np.array([2.0]), np.array([[1.0]]))
    >>> point, moved = step(Point(np.array([2.0])), linear, lambda x: x, 1e-6)
    >>> moved, bool(point.cost < 0.1)
    (True, True)
    """
    hessian, gradient = at.jacobian.T @ at.jacobian, at.jacobian.T @ at.residuals
    cost = 0.5 * float(at.residuals @ at.residuals)
    damping = now.damping if now.damping > 0.0 else _FIRST_DAMPING
    scale = max(float(np.max(np.diag(hessian))), 1e-300)
    # solved as a least-squares problem: J^T J would square the condition of a poorly determined fit
    n = len(now.x)
    stacked = np.vstack([at.jacobian, np.sqrt(damping * scale) * np.eye(n)])
    try:
        # by a QR decomposition with pivoting: with hundreds of weights an SVD takes longer than the ODE
        target = -np.concatenate([at.residuals, np.zeros(n)])
        move = np.asarray(scipy.linalg.lstsq(stacked, target, lapack_driver="gelsy")[0])  # type: ignore[index]
        trial = residuals(now.x + move)
    except (np.linalg.LinAlgError, ValueError):  # derivatives of very different size; more damping evens them out
        move, trial = np.zeros(n), np.array([np.nan])
    trial_cost = 0.5 * float(trial @ trial) if np.all(np.isfinite(trial)) else np.inf
    predicted = 0.5 * float(move @ (damping * scale * move - gradient))
    quality = (cost - trial_cost) / max(predicted, 1e-300)
    gained = cost - trial_cost > least_gain * cost
    stalled = 0 if gained else now.stalled + 1
    if quality > 0.0:
        damping = np.clip(damping * max(1.0 / 3.0, 1.0 - (2.0 * quality - 1.0) ** 3), _LEAST_DAMPING, _MOST_DAMPING)
        return Point(now.x + move, float(damping), 2.0, trial_cost, now.iteration + 1, stalled), True
    damping = float(min(damping * now.growth, _MOST_DAMPING))
    return Point(now.x, damping, now.growth * 2.0, cost, now.iteration + 1, stalled), False
