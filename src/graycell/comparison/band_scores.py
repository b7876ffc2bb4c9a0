"""How good bands and distributions are: the interval score, the CRPS of Student's t, and the share that held.

Both scores are in the unit of the value, smaller is better, and reward narrow bands as far as they hold.
"""

import numpy as np
from scipy.special import betaincinv, betaln, gammaln, stdtr


def interval_score(low: np.ndarray, high: np.ndarray, value: np.ndarray, level: float = 0.9) -> np.ndarray:
    """Return the interval score: the width, and 2/(1 - level) times what a value is outside.

    Source: Gneiting & Raftery 2007, Journal of the American Statistical Association 102, 359, equation 43.

    Args:
        low: (n,) lower ends.
        high: (n,) upper ends.
        value: (n,) what was measured.
        level: [1] of the central interval.

    Returns:
        (n,) scores in the unit of the values.

    >>> interval_score(np.zeros(3), np.ones(3), np.array([0.5, 1.25, -0.5]))
    array([ 1.,  6., 11.])
    """
    outside = np.maximum(low - value, 0.0) + np.maximum(value - high, 0.0)
    return high - low + 2.0 / (1.0 - level) * outside


def crps_of_student(error: np.ndarray, size: np.ndarray, degrees: float) -> np.ndarray:
    """Return the continuous ranked probability score of Student's t around a prediction.

    Source: Jordan, Krueger & Lerch 2019, Journal of Statistical Software 90(12), appendix A.

    Args:
        error: (n,) measured - predicted.
        size: (n,) scale of the distribution, above 0.
        degrees: [1] of freedom, above 1.

    Returns:
        (n,) scores in the unit of the error.

    >>> normal = crps_of_student(np.zeros(1), np.ones(1), 1e7)  # so many degrees: (sqrt 2 - 1) / sqrt pi
    >>> print(normal.round(4))
    [0.2337]
    """
    scaled = error / size
    log_density = (gammaln(0.5 * (degrees + 1.0)) - gammaln(0.5 * degrees) - 0.5 * np.log(np.pi * degrees)
                   - 0.5 * (degrees + 1.0) * np.log1p(scaled**2 / degrees))  # fmt: skip
    between = 2.0 * np.sqrt(degrees) / (degrees - 1.0)
    between = between * np.exp(betaln(0.5, degrees - 0.5) - 2.0 * betaln(0.5, 0.5 * degrees))
    tails = 2.0 * np.exp(log_density) * (degrees + scaled**2) / (degrees - 1.0)
    return size * (scaled * (2.0 * stdtr(degrees, scaled) - 1.0) + tails - between)


def clopper_pearson(held: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson of a share.

    `held` need not be whole: the sum over runs of the parts of their samples that held counts each run as one trial.
    Of all distributions of such parts with one mean, that in which samples of a run hold or miss together varies most,
    and it is the binomial one; so the interval is not too short however samples of a run go along.

    Source: Clopper & Pearson 1934, Biometrika 26, 404.

    Args:
        held: number of trials that held.
        of: number of all.
        level: [1] of the interval.

    Returns:
        Low and high [1]; 0 and 1 without a trial.

    >>> low, high = clopper_pearson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.555, 0.997)
    """
    tail, missed = 0.5 * (1.0 - level), of - held
    low = float(betaincinv(held, missed + 1.0, tail)) if held > 0.0 else 0.0
    high = float(betaincinv(held + 1.0, missed, 1.0 - tail)) if missed > 0.0 else 1.0
    return low, high
