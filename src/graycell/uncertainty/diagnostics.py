"""Whether chains have converged, and how many independent draws they are worth.

A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Buerkner, "Rank-normalization, folding, and localization: an
improved R-hat for assessing convergence of MCMC", Bayesian Anal. 16 (2021) 667-718; splitting and the sum of
autocorrelations are numpyro's.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Convergence(NamedTuple):
    """What chains say of their convergence, one number for each unknown.

    Attributes:
        r_hat: (n,) [1] 1 where chains agree; more than 1.01 says that they do not.
        ess_bulk: (n,) independent draws that the sample is worth for means.
        ess_tail: (n,) the same for 5 and 95 % quantiles.
    """

    r_hat: Float[np.ndarray, " n"]
    ess_bulk: Float[np.ndarray, " n"]
    ess_tail: Float[np.ndarray, " n"]


def convergence(values: Float[np.ndarray, "chains draws n"]) -> Convergence:
    """Return R-hat and effective sample sizes.

    Args:
        values: draws of the unknowns.

    Returns:
        One number for each unknown; NaN for one that does not vary.
    """
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    def normal(values: np.ndarray) -> np.ndarray:
        from scipy.stats import norm, rankdata

        flat = values.reshape(-1, values.shape[-1])
        return norm.ppf((rankdata(flat, axis=0) - 0.375) / (len(flat) + 0.25)).reshape(values.shape)

    def ess(values: np.ndarray) -> np.ndarray:
        half = values.shape[1] // 2
        split = np.concatenate([values[:, :half], values[:, -half:]])
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(effective_sample_size(split))

    varies = np.ptp(values, axis=(0, 1)) > 0.0
    normed, folded = normal(values), normal(np.abs(values - np.median(values, axis=(0, 1))))
    ends = np.quantile(values, (0.05, 0.95), axis=(0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        r_hat = np.maximum(np.asarray(split_gelman_rubin(normed)), np.asarray(split_gelman_rubin(folded)))
    tail = np.minimum(*(ess((values <= end).astype(float)) for end in ends))
    return Convergence(*(np.where(varies, found, np.nan) for found in (r_hat, ess(normed), tail)))
