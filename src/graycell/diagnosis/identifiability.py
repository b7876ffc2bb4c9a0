"""undetermined_combinations: which combinations of parameters the data of a fit do not determine.

Single standard errors hide this: two parameters can each be uncertain while their product is known. In units of the
prior standard deviations, the posterior covariance has an eigenvalue of 1 in a direction about which the data say
nothing, so directions with an eigenvalue near 1 are known from the prior alone.
"""

from dataclasses import dataclass

import numpy as np

from graycell.errors import FitError
from graycell.inference.fitting import Fit
from graycell.parameters import Parameter

UNDETERMINED = 0.8
"""Posterior SD over prior SD [1] above which the data do not determine a parameter or a combination of parameters: they
reduce its standard deviation by less than a fifth."""
STRONG = 0.7
"""Correlation [1] from which on two parameters are reported as a pair: half of the variance is common."""
_LARGEST = 5  # most parameters that are named in a combination
_SMALLEST_LOADING = 0.15  # [1] a smaller part is less than 2 % of the variance and not named


@dataclass(frozen=True)
class Combination:
    """A combination of parameters that the data do not determine.

    Attributes:
        ratio: posterior SD over prior SD in this direction [1]; infinite without a prior.
        loadings: names and parts [1] of the largest parts, in prior standard deviations of each parameter;
            their squares sum to 1 over all parameters.
    """

    ratio: float
    loadings: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        words = "".join(f" {'-' if part < 0.0 else '+'} {abs(part):.2f} {name}" for name, part in self.loadings)
        return words.removeprefix(" + ").strip()


@dataclass(frozen=True)
class Correlation:
    """The posterior correlation of two parameters.

    Attributes:
        first: name of a parameter.
        second: name of another one.
        value: the correlation of both on the scale they are estimated on [1].
    """

    first: str
    second: str
    value: float


@dataclass(frozen=True)
class Undetermined:
    """What the data of a fit do not determine.

    Attributes:
        combinations: those with a ratio above `UNDETERMINED`, the least determined first.
        correlations: pairs with a correlation of `STRONG` or more, the strongest first.
        directions: number of independent combinations, which is that of the parameters.
    """

    combinations: tuple[Combination, ...]
    correlations: tuple[Correlation, ...]
    directions: int

    def __repr__(self) -> str:
        return (
            f"Undetermined({len(self.combinations)} of {self.directions} combinations; "
            f"{len(self.correlations)} pairs go together)"
        )


def undetermined_combinations(fit: Fit) -> Undetermined:
    r"""Return the combinations of parameters that the data do not determine, and strongly correlated pairs.

    With C the posterior covariance and D the prior standard deviations, the eigenvectors of $D^{-1} C D^{-1}$ with
    eigenvalues above `UNDETERMINED`$^2$ span what is not determined. Eigenvectors of similar eigenvalues are arbitrary
    mixtures, so they are rotated (varimax) until each names few parameters. For a parameter without a prior, D is that
    of a uniform prior between its bounds; a parameter of infinite variance is a combination by itself.

    Args:
        fit: the fit; weights of networks are left out.

    Returns:
        Combinations and correlations.

    Raises:
        FitError: where the fit has no covariance.
    """
    names, matrix = _parameters(fit)
    known = np.isfinite(np.diag(matrix))
    inner = [name for name, finite in zip(names, known, strict=True) if finite]
    table = fit.model.table  # once: it copies every value from the device
    scale = np.array([_prior_sd(table[name]) for name in inner])
    scaled = matrix[np.ix_(known, known)] / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(0.5 * (scaled + scaled.T))
    found = _varimax(vectors[:, values > UNDETERMINED**2])
    ratios = np.sqrt(np.einsum("ik,ij,jk->k", found, scaled, found))
    combinations = [Combination(float("inf"), ((name, 1.0),)) for name in names if name not in inner]
    combinations += [
        Combination(float(ratios[k]), _largest(inner, found[:, k])) for k in np.argsort(-ratios, kind="stable")
    ]
    return Undetermined(tuple(combinations), _pairs(*correlation_matrix(fit)), len(names))


def correlation_matrix(fit: Fit) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the posterior correlations of the parameters, on the scale they are estimated on.

    Args:
        fit: the fit; weights of networks are left out.

    Returns:
        Names, and (parameters, parameters) correlations [1]; 0 for a parameter whose variance is 0 or infinite.
    """
    names, matrix = _parameters(fit)
    variance = np.diag(matrix)
    usable = np.isfinite(variance) & (variance > 0.0)
    sd = np.where(usable, np.sqrt(np.where(usable, variance, 1.0)), 1.0)
    both = np.outer(usable, usable)
    correlations = np.where(both, np.where(both, matrix, 0.0) / np.outer(sd, sd), 0.0)
    np.fill_diagonal(correlations, 1.0)
    return names, np.clip(correlations, -1.0, 1.0)


def _parameters(fit: Fit) -> tuple[tuple[str, ...], np.ndarray]:
    """Return names and covariance of the parameters, without that of the weights of networks."""
    n = len(fit.estimates)
    if min(fit.covariance.shape, default=0) < n:
        raise FitError(f"found a covariance of {fit.covariance.shape} for {n} parameters; fit the model anew.")
    if not fit.has_covariance:
        raise FitError(
            f"fit of {fit.model.name}: found no covariance, which could not be computed; what the data determine is "
            "not known; fit again from other starting values."
        )
    return tuple(row.name for row in fit.estimates), np.asarray(fit.covariance)[:n, :n]


def _prior_sd(row: Parameter) -> float:
    if np.isfinite(row.prior_sd):
        return row.prior_sd
    lower, upper = row.bounds
    return float(np.log(upper / lower) if row.log_scale else upper - lower) / np.sqrt(12.0)


def _largest(names: list[str], direction: np.ndarray) -> tuple[tuple[str, float], ...]:
    """Return the largest parts of a direction, with the largest one positive, because the sign is arbitrary."""
    order = np.argsort(-np.abs(direction), kind="stable")[:_LARGEST]
    sign = 1.0 if direction[order[0]] >= 0.0 else -1.0
    kept = [i for i in order if abs(direction[i]) >= _SMALLEST_LOADING or i == order[0]]
    return tuple((names[i], float(sign * direction[i])) for i in kept)


def _pairs(names: tuple[str, ...], correlations: np.ndarray) -> tuple[Correlation, ...]:
    first, second = np.triu_indices(len(names), 1)
    found = [Correlation(names[i], names[j], float(correlations[i, j])) for i, j in zip(first, second, strict=True)
             if abs(correlations[i, j]) >= STRONG]  # fmt: skip
    return tuple(sorted(found, key=lambda pair: -abs(pair.value)))


def _varimax(directions: np.ndarray, most: int = 200, tolerance: float = 1e-10) -> np.ndarray:
    """Rotate orthonormal directions within their space so that each has few large parts (Kaiser 1958)."""
    count = directions.shape[1]
    if count < 2:
        return directions
    rotation, before = np.eye(count), 0.0
    for _ in range(most):
        rotated = directions @ rotation
        left, singular, right = np.linalg.svd(directions.T @ (rotated**3 - rotated * np.mean(rotated**2, axis=0)))
        rotation, now = left @ right, float(np.sum(singular))
        if now - before <= tolerance * now:
            break
        before = now
    return directions @ rotation
