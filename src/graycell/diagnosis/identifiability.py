"""undetermined_combinations: which combinations of parameters the data of a fit leave open, and which go together.

Single standard errors hide it: two parameters can each be uncertain while their product is known. In units of the
prior's standard deviations the posterior covariance has the length 1 where the data say nothing, so its directions with
a length near 1 are what the fit knows from the prior alone.
"""

from dataclasses import dataclass

import numpy as np

from graycell.errors import FitError
from graycell.inference.fitting import Fit

UNDETERMINED = 0.8
"""Prior ratio [1] above which the data are said not to determine a parameter, or a combination of parameters: they took
less than a fifth off the standard deviation of its prior."""
STRONG = 0.7
"""Correlation [1] from which on two parameters are said to go together: half of the variance is common."""
_LARGEST = 5  # parameters that are named of a combination
_SMALLEST_LOADING = 0.15  # [1] a part below is 2 % of a combination and not named


@dataclass(frozen=True)
class Combination:
    """A combination of parameters that the data do not determine.

    ratio: [1] posterior over prior standard deviation along it, infinite without a prior; loadings: (name, part [1]) of
    the largest parts, in prior standard deviations of each parameter; their squares sum to 1 over all parameters.
    """

    ratio: float
    loadings: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        words = "".join(f" {'-' if part < 0.0 else '+'} {abs(part):.2f} {name}" for name, part in self.loadings)
        return words.removeprefix(" + ").strip()


@dataclass(frozen=True)
class Correlation:
    """Two parameters and their posterior correlation [1], on their own scales."""

    first: str
    second: str
    value: float


@dataclass(frozen=True)
class Undetermined:
    """What the data of a fit do not determine.

    combinations: those with a ratio above `UNDETERMINED`, the least determined first; correlations: the pairs with a
    correlation of `STRONG` or more, the strongest first; directions: how many independent combinations there are.
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
    r"""Return the combinations of parameters that the data do not determine, and the pairs that go together.

    With C the posterior covariance and D the prior's standard deviations, the eigenvectors of $D^{-1} C D^{-1}$ with
    eigenvalues above `UNDETERMINED`$^2$ span what is not determined. Eigenvectors of like eigenvalues are mixtures of
    each other, so within this space they are turned (varimax) until each names few parameters. For a parameter without
    a prior, D is that of an even one between its bounds; one of infinite variance is a combination by itself.
    """
    names, matrix = _parameters(fit)
    known = np.isfinite(np.diag(matrix))
    inner = [name for name, finite in zip(names, known, strict=True) if finite]
    scale = np.array([_prior_sd(fit, name) for name in inner])
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
    """Return the names and the posterior correlations [1] of the parameters, on their own scales.

    A parameter whose variance is 0 or infinite is said to go with no other: 0.
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
    return tuple(row.name for row in fit.estimates), np.asarray(fit.covariance)[:n, :n]


def _prior_sd(fit: Fit, name: str) -> float:
    row = fit.model.table[name]
    if np.isfinite(row.prior_sd):
        return row.prior_sd
    return float(np.log(row.upper / row.lower) if row.log_scale else row.upper - row.lower) / np.sqrt(12.0)


def _largest(names: list[str], direction: np.ndarray) -> tuple[tuple[str, float], ...]:
    """Return the largest parts of a direction, the largest positive: its sign means nothing."""
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
    """Return orthonormal directions that span the same space with few large parts each (Kaiser 1958)."""
    count = directions.shape[1]
    if count < 2:
        return directions
    rotation, before = np.eye(count), 0.0
    for _ in range(most):
        turned = directions @ rotation
        left, singular, right = np.linalg.svd(directions.T @ (turned**3 - turned * np.mean(turned**2, axis=0)))
        rotation, now = left @ right, float(np.sum(singular))
        if now - before <= tolerance * now:
            break
        before = now
    return directions @ rotation
