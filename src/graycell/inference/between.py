r"""Standard deviations between runs, or between groups, that are estimated from the fit itself.

The deviations d of n runs have the standard deviation $\tau$ between them, and the posterior variances v given it. The
$\tau$ of the largest marginal likelihood, under the normal approximation of a fit, satisfies $n \tau^2 = \sum (d^2 +
v)$, a fixed point of EM (Dempster, Laird & Rubin, J. R. Stat. Soc. B 39 (1977) 1-38). EM itself comes near to it slowly
where runs say little about their deviations. The same equation as $\tau^2 = \sum d^2 / (n - \sum v / \tau^2)$ is met
sooner (D. J. C. MacKay, Neural Comput. 4 (1992) 415-447).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.errors import FitError
from graycell.inference.least_squares import Point
from graycell.inference.likelihood import Objective
from graycell.inference.outcome import covariance_of
from graycell.inference.search import Search
from graycell.inference.stages import Stage
from graycell.parameters import Parameter, ParameterTable

LEAST = 1e-3
"""[1] Part of the value at which the search starts, below which runs do not differ."""
_NOTHING = 1e-6
"""[1] Part of the deviations below which the data determine none of them."""
_DAMPING = 1e-6
"""[1] Of the first step of a round: the minimum is near, and a step that is nearly Gauss-Newton's ends there."""
_ROUNDS, _STEPS, _SETTLED, _MOST = 40, 3, 3e-3, 3.0
"""Rounds at most; iterations of the fit in each; the relative change that ends them [1]; the most in one round [1]."""


class Settled(NamedTuple):
    """Where a fit is when its standard deviations do not change any more.

    Attributes:
        objective: with them.
        table: the parameters with them.
        x: (n,) coordinates.
    """

    objective: Objective
    table: ParameterTable
    x: Float[np.ndarray, " n"]


def require_all_learned(rows: Sequence[Parameter], search: Search) -> None:
    """Check that no sample is held out where standard deviations are estimated.

    Args:
        rows: the estimated parameters.
        search: of the fit.

    Raises:
        FitError: where some are.
    """
    if any(_flags(row) != (False, False) for row in rows) and np.any(search.held):
        raise FitError(
            "found samples that are held out, and a standard deviation between runs or groups that is estimated, which "
            "needs all of them; write held_out = 'nothing', or give it as a number."
        )


def settled(
    search: Search, stage: Stage, x: Float[np.ndarray, " n"], rows: Sequence[Parameter], table: ParameterTable
) -> Settled | None:
    """Return where a fit ends when the standard deviations between runs and groups are estimated too.

    Args:
        search: of the fit.
        stage: its last one.
        x: (n,) where it ended, with the standard deviations that were given.
        rows: the estimated parameters.
        table: all parameters.

    Returns:
        The point; None where no standard deviation is estimated.
    """
    objective, names = search.objective, search.objective.names
    of_runs = [k for k, i in enumerate(objective.per_run) if _flags(rows[i])[0]]
    of_groups = [k for k, i in enumerate(objective.groups.per_group) if _flags(rows[i])[1]]
    if not of_runs and not of_groups:
        return None
    runs, groups = (np.array(sd) for sd in (objective.between_runs_sd, objective.groups.sd))
    least_run, least_group = LEAST * runs, LEAST * groups
    for _ in range(_ROUNDS):
        at = search.linearised(stage, x)
        variance = np.diag(covariance_of(at.jacobian)) if np.isfinite(at.cost) else np.full(len(x), np.nan)
        if not np.all(np.isfinite(at.jacobian)) or not np.all(np.isfinite(variance[len(names) :])):
            break
        each, of_group = _effects(search.objective, x), _effects(search.objective, variance)
        before = np.r_[runs, groups]
        for k in of_runs:
            runs[k] = _better(each[0][:, k], of_group[0][:, k], runs[k], least_run[k])
        for k in of_groups:
            groups[k] = _better(each[1][:, k], of_group[1][:, k], groups[k], least_group[k])
        objective = replace(objective, between_runs_sd=jnp.asarray(runs),
                            groups=replace(objective.groups, sd=jnp.asarray(groups)))  # fmt: skip
        search = replace(search, objective=objective)
        done = np.max(np.abs(np.log(np.r_[runs, groups] / before))) < _SETTLED
        x = search.follow(stage if done else replace(stage, iterations=_STEPS), Point(x, damping=_DAMPING)).x
        if done:
            break
    for k in of_runs:
        table = table.with_changes(names[objective.per_run[k]], between_runs_sd=float(runs[k]))
    for k in of_groups:
        table = table.with_changes(names[objective.groups.per_group[k]], between_groups_sd=float(groups[k]))
    return Settled(objective, table, x)


def _flags(row: Parameter) -> tuple[bool, bool]:
    """Return whether the standard deviation between runs, and that between groups, is estimated."""
    return (row.between_runs_estimated and row.between_runs_sd > 0.0,
            row.between_groups_estimated and row.between_groups_sd > 0.0)  # fmt: skip


def _effects(objective: Objective, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what x has for the deviations of runs (runs, per_run) and of groups (groups, per_group)."""
    n, first = len(objective.names), objective.first_of_groups
    each = x[n : n + objective.run_count * objective.effects].reshape(objective.run_count, objective.effects)
    return each, x[first : first + objective.groups.size].reshape(objective.groups.shape)


def _better(deviation: np.ndarray, variance: np.ndarray, sd: float, least: float) -> float:
    """Return a standard deviation that is nearer to the fixed point."""
    known = len(deviation) - float(np.sum(variance)) / sd**2  # how many deviations the data determine
    if known < _NOTHING * len(deviation):
        return sd
    found = np.sqrt(np.sum(deviation**2) / known)
    return float(max(np.clip(found, sd / _MOST, sd * _MOST), least))
