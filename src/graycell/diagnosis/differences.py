"""Verdict: a derivative compared with central differences of several steps, for all measured values at once."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FLAT = 1e-3
"""[standard errors per unit of a coordinate] A unit of a coordinate moves a parameter from a quarter of its range to
half of it; a fit cannot see a residual that changes by less than this."""
_MOST_NOISE = 1e-3
"""The relative error [1] up to which noise excuses a difference."""


class Verdict(StrEnum):
    """The result for one derivative; `remedy` is the sentence for the user."""

    agrees = "agrees"
    kink = "kink"
    flat = "flat"
    disagrees = "disagrees"
    not_finite = "not finite"

    @property
    def remedy(self) -> str:
        """What the verdict means, and what to do."""
        return {
            "agrees": "The derivative is that of central differences.",
            "kink": "The differences to either side disagree, and the derivative lies between them: the trajectory "
            "has a kink here, as where a bound becomes active. A fit can use it; it may take more iterations.",
            "flat": "No residual changes by as much as a thousandth of its standard error when the coordinate moves "
            "by 1: the runs say nothing about the parameter. Fix it, or give it a prior.",
            "disagrees": "The derivative is not that of the differences. Look for a rule of differentiation written by "
            "hand, a stop_gradient, or a rounding or table look-up in the rate laws that use the parameter.",
            "not finite": "The derivative or the simulations beside it are not finite. Look for a root, logarithm or "
            "quotient at 0 in the rate laws. One such place can spoil the derivatives by every parameter: check them "
            "one at a time to find it.",
        }[self.value]

    @property
    def passes(self) -> bool:
        """Whether a fit can use the derivative."""
        return self not in (Verdict.disagrees, Verdict.not_finite)


class Differences(NamedTuple):
    """Residuals at a point, and at points beside it along one coordinate, all in standard errors.

    Attributes:
        here: (measured,) at the point.
        above: (steps, measured) at the point plus each step.
        below: (steps, measured) at the point less each step.
    """

    here: Float[np.ndarray, " measured"]
    above: Float[np.ndarray, "steps measured"]
    below: Float[np.ndarray, "steps measured"]


class Judgement(NamedTuple):
    """One derivative compared with differences.

    Attributes:
        verdict: the result.
        error: largest difference from the central difference, over `size` [1].
        size: largest derivative by either way [standard errors per unit of the coordinate].
        row: index of the measured value with the largest difference.
        step: the one whose differences agree best [1].
    """

    verdict: Verdict
    error: float
    size: float
    row: int
    step: float


def judge(
    exact: Float[np.ndarray, " measured"],
    differences: Differences,
    steps: Sequence[float],
    tolerance: float,
    noise: float,
) -> Judgement:
    """Compare a derivative with central differences.

    Args:
        exact: the derivative of each residual [standard errors per unit of the coordinate].
        differences: residuals at and beside the point.
        steps: of the coordinate [1], descending.
        tolerance: accepted relative error [1].
        noise: of a residual [standard errors]; an error that the largest step, whose difference is the least affected,
            cannot resolve is accepted.

    Returns:
        The verdict with its numbers; error and size are NaN if something is not finite.
    """
    here, above, below = differences
    usable = np.all(np.isfinite(above) & np.isfinite(below), axis=1)
    if not (np.all(np.isfinite(exact)) and np.any(usable)):
        return Judgement(Verdict.not_finite, math.nan, math.nan, int(np.argmin(np.isfinite(exact))), float(steps[0]))
    h, above, below = np.asarray(steps)[usable, None], above[usable], below[usable]
    central = (above - below) / (2.0 * h)
    deviation = np.abs(central - exact)
    best = int(np.argmin(np.max(deviation, axis=1)))
    worst, step = int(np.argmax(deviation[best])), float(h[best, 0])
    size = float(max(np.max(np.abs(exact)), np.max(np.abs(central[best]))))
    error = float(deviation[best, worst]) / size if size > 0.0 else 0.0
    if size <= FLAT:
        verdict = Verdict.flat
    elif error <= tolerance + min(noise / (h[0, 0] * size), _MOST_NOISE):
        verdict = Verdict.agrees
    elif _is_kink(exact, (above - here) / h, (here - below) / h, tolerance * size + noise / h[:, 0]):
        verdict = Verdict.kink
    else:
        verdict = Verdict.disagrees
    return Judgement(verdict, error, size, worst, step)


def _is_kink(exact: np.ndarray, ahead: np.ndarray, behind: np.ndarray, resolved: np.ndarray) -> bool:
    """Return whether the one-sided differences, (steps, measured), disagree at a point, with `exact` between them.

    resolved: (steps,) the smallest gap that differences of each step can resolve. On a smooth curve the gap between the
    two sides shrinks in proportion to the step, a hundredfold from the first to the last; at a kink it stays.
    """
    gap = np.max(np.abs(ahead - behind), axis=1)
    seen = np.flatnonzero(gap > 10.0 * resolved)
    if not seen.size or seen[-1] == 0 or gap[seen[-1]] < 0.3 * gap[0]:
        return False
    last = seen[-1]
    low, high = np.minimum(ahead[last], behind[last]), np.maximum(ahead[last], behind[last])
    slack = 0.1 * gap[last]
    return bool(np.all((low - slack <= exact) & (exact <= high + slack)))
