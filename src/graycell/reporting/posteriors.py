"""Samples of posteriors and ensembles as tables: the draws, and what they say of every unknown; in internal units."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from graycell.uncertainty.ensemble import Ensemble
    from graycell.uncertainty.posterior import PosteriorSample

LEVELS = (0.05, 0.5, 0.95)
"""Quantiles of the summary."""


def draws_frame(sample: "PosteriorSample") -> pd.DataFrame:
    """Return the draws of a sample.

    Args:
        sample: of a posterior.

    Returns:
        Chain, draw, the unknowns in internal units, and whether the trajectory to the draw was lost.
    """
    chains, draws, count = sample.values.shape
    frame = pd.DataFrame(sample.values.reshape(-1, count), columns=list(sample.names))
    frame.insert(0, "chain", np.repeat(np.arange(chains), draws))
    frame.insert(1, "draw", np.tile(np.arange(draws), chains))
    return frame.assign(diverging=sample.diverging.ravel())


def summary_frame(sample: "PosteriorSample") -> pd.DataFrame:
    """Return what a sample says of every unknown.

    Args:
        sample: of a posterior.

    Returns:
        Name, unit and estimate of the fit, where the unknown is a parameter of it; mean, standard deviation and
        quantiles in internal units; R-hat and effective numbers of draws.
    """
    found = sample.convergence
    return _summary(sample, sample.values.reshape(-1, len(sample.names))).assign(
        **{"R-hat": found.r_hat, "ESS bulk": found.ess_bulk, "ESS tail": found.ess_tail}
    )


def members_frame(ensemble: "Ensemble") -> pd.DataFrame:
    """Return the members of an ensemble.

    Args:
        ensemble: of fits.

    Returns:
        A row for each member, a column for each parameter in its internal unit.
    """
    frame = pd.DataFrame(ensemble.values, columns=list(ensemble.names))
    frame.insert(0, "member", np.arange(len(frame)))
    return frame


def members_summary(ensemble: "Ensemble") -> pd.DataFrame:
    """Return what an ensemble says of every parameter.

    Args:
        ensemble: of fits.

    Returns:
        Name, unit and estimate of the fit; mean, standard deviation and quantiles over the members.
    """
    return _summary(ensemble, ensemble.values)


def _summary(of: "PosteriorSample | Ensemble", flat: np.ndarray) -> pd.DataFrame:
    estimates = {row.name: row for row in of.fit.estimates}
    known = [estimates.get(name) for name in of.names]
    return pd.DataFrame({
        "unknown": list(of.names),
        "unit": ["" if row is None else row.unit for row in known],
        "estimate": [np.nan if row is None else row.value for row in known],
        "mean": np.mean(flat, axis=0),
        "sd": np.std(flat, axis=0, ddof=1),
        **{f"q{100 * level:02.0f}": np.quantile(flat, level, axis=0) for level in LEVELS},
    })  # fmt: skip
