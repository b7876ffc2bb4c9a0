"""Beliefs: what the runs so far say of the parameters of every clone, by a normal distribution around the likeliest.

Clones are independent given the prior of the parameter table. The goals of runs are compared by their logarithms. The
likeliest parameters are looked for from the best of some draws from the prior and from those of before.

Why no library searches: the runs of all clones are simulated in one call, which takes as long as one run of each alone;
a search for each clone, as scipy and `inference.least_squares` have it, would wait for a call at every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from graycell.campaigns.rows import Rows
from graycell.inference.coordinates import Coordinates

_DRAWS = 512
"""From the prior, among which a search begins."""
_MOST = 15
"""Iterations of a search."""
_ENOUGH = 1e-3
"""A search ends where no clone improves its minus log posterior by more than this."""
_INSIDE = 1e-3
"""[1] Part of the width between its bounds by which a parameter stays away from them."""
_MOST_DAMPING = 1e8
_ATTEMPTS = 4
"""Damped steps that are tried before the derivatives are asked for again."""
_FIRST_DAMPING, _EASED, _DAMPED = 1e-2, 5.0, 6.0
"""[1] Of the search, and the factors by which it is divided after a better step and multiplied after a worse one."""
_TINY = 1e-12
"""Least goal whose logarithm is taken; a run that cannot be simulated counts as if it reached this."""


class Seen(NamedTuple):
    """Runs that were done.

    Attributes:
        clone: (runs,) number of the clone.
        fixed: (runs, names) parameters that the scale sets.
        chosen: (runs, decisions) chosen numbers, in internal units.
        goal: (runs,) above 0.
        error: (runs,) [1] relative standard deviation.
    """

    clone: np.ndarray
    fixed: np.ndarray
    chosen: np.ndarray
    goal: np.ndarray
    error: np.ndarray


class Belief(NamedTuple):
    """What is known of all clones.

    Attributes:
        mean: (clones, p) the likeliest parameters, on their own scales.
        covariance: (clones, p, p) around them.
        misfit: (clones,) chi-square of the runs of each.
    """

    mean: np.ndarray
    covariance: np.ndarray
    misfit: np.ndarray


@dataclass(frozen=True)
class Learner:
    """Learns of every clone from the runs of a campaign.

    Attributes:
        rows: simulates them; its first parameters are those that are learned, then come those of the scales.
        coordinates: scales, bounds and priors of the learned ones.
        clones: number of clones.
        seed: of the draws from the prior.
    """

    rows: Rows
    coordinates: Coordinates
    clones: int
    seed: int = 0
    _of_draws: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def _size(self) -> int:
        return len(np.asarray(self.coordinates.centre))

    def inside(self, scaled: np.ndarray) -> np.ndarray:
        """Return parameters within their bounds.

        Args:
            scaled: (..., p) on their own scales.

        Returns:
            (..., p)
        """
        lower, upper = np.asarray(self.coordinates.lower), np.asarray(self.coordinates.upper)
        away = _INSIDE * (upper - lower)
        return np.clip(scaled, lower + away, upper - away)

    def parameters(self, scaled: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Return the parameters of rows.

        Args:
            scaled: (rows, p) learned ones, on their own scales.
            fixed: (rows, names) those of the scales.

        Returns:
            (rows, p + names) in the units of the model.
        """
        return np.concatenate([np.asarray(jax.vmap(self.coordinates.unscaled)(jnp.asarray(scaled))), fixed], axis=1)

    def log_goals(self, scaled: np.ndarray, fixed: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return the logarithms of goals.

        Args:
            scaled: (rows, p) parameters on their own scales.
            fixed: (rows, names) those of the scales.
            chosen: (rows, decisions).

        Returns:
            (rows,)
        """
        return _log(self.rows.values(self.parameters(scaled, fixed), chosen))

    def log_slopes(self, scaled: np.ndarray, fixed: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithms of goals, and their derivatives by the parameters on their own scales.

        Args:
            scaled: (rows, p) parameters on their own scales.
            fixed: (rows, names) those of the scales.
            chosen: (rows, decisions).

        Returns:
            (rows,) and (rows, p).
        """
        parameters = self.parameters(scaled, fixed)
        value, slope = self.rows.slopes(parameters, chosen, self._size)
        by_scale = np.where(np.asarray(self.coordinates.log_scale), parameters[:, : self._size], 1.0)
        slope = slope * by_scale / np.maximum(value, _TINY)[:, None]
        return _log(value), np.where(np.isfinite(slope) & (value > _TINY)[:, None], slope, 0.0)

    def learn(self, seen: Seen, before: Belief | None = None, anew: Sequence[int] | None = None) -> Belief:
        """Return what runs say.

        Args:
            seen: all runs so far.
            before: what was known without the last of them.
            anew: clones of which there are new runs; all if left out.

        Returns:
            What is known now.
        """
        clones = np.arange(self.clones) if anew is None else np.unique(anew)
        best = self._begin(seen, clones)
        if before is not None:
            others = before.mean[clones]
            best = np.where((self._cost(seen, clones, others) < self._cost(seen, clones, best))[:, None], others, best)
        mean, covariance, misfit = self._search(seen, clones, best)
        if before is None:
            whole = Belief(np.tile(np.asarray(self.coordinates.centre), (self.clones, 1)),
                           np.tile(np.diag(np.asarray(self.coordinates.prior_sd) ** 2), (self.clones, 1, 1)),
                           np.zeros(self.clones))  # fmt: skip
        else:
            whole = Belief(*(part.copy() for part in before))
        for part, new in zip(whole, (mean, covariance, misfit), strict=True):
            part[clones] = new
        return whole

    def _begin(self, seen: Seen, clones: np.ndarray) -> np.ndarray:
        """Return the best of draws from the prior, for some clones."""
        centre, sd = np.asarray(self.coordinates.centre), np.asarray(self.coordinates.prior_sd)
        draws = self.inside(centre + sd * np.random.default_rng(self.seed).standard_normal((_DRAWS, self._size)))
        keys = [(*fixed, *chosen) for fixed, chosen in zip(seen.fixed.tolist(), seen.chosen.tolist(), strict=True)]
        missing = [key for key in dict.fromkeys(keys) if key not in self._of_draws]
        if missing:
            width = seen.fixed.shape[1]
            each = np.repeat(np.array(missing), _DRAWS, axis=0)
            logs = self.log_goals(np.tile(draws, (len(missing), 1)), each[:, :width], each[:, width:])
            self._of_draws.update(zip(missing, logs.reshape(len(missing), _DRAWS), strict=True))
        prior = np.sum(((draws - centre) / sd) ** 2, axis=1)
        best = []
        for clone in clones:
            cost = prior.copy()
            for j in np.flatnonzero(seen.clone == clone):
                cost += ((np.log(seen.goal[j]) - self._of_draws[keys[j]]) / seen.error[j]) ** 2
            best.append(draws[np.argmin(cost)])
        return np.stack(best)

    def _rows_of(self, seen: Seen, clones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the runs of some clones, and the place of the clone of each."""
        which = np.flatnonzero(np.isin(seen.clone, clones))
        return which, np.searchsorted(clones, seen.clone[which])

    def _cost(self, seen: Seen, clones: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        """Return twice the minus log posterior of each of some clones."""
        which, place = self._rows_of(seen, clones)
        logs = self.log_goals(scaled[place], seen.fixed[which], seen.chosen[which])
        return self._sums(seen, clones, which, place, logs, scaled)[0]

    def _sums(self, seen: Seen, clones: np.ndarray, which: np.ndarray, place: np.ndarray, logs: np.ndarray,
              scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        residual = (logs - np.log(seen.goal[which])) / seen.error[which]
        data = np.bincount(place, residual**2, len(clones))
        away = (scaled - np.asarray(self.coordinates.centre)) / np.asarray(self.coordinates.prior_sd)
        return data + np.sum(away**2, axis=1), residual, data

    def _search(self, seen: Seen, clones: np.ndarray, scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the likeliest parameters by Levenberg and Marquardt's method, all clones at once."""
        which, place = self._rows_of(seen, clones)
        fixed, chosen, error = seen.fixed[which], seen.chosen[which], seen.error[which]
        precision = 1.0 / np.asarray(self.coordinates.prior_sd) ** 2
        centre = np.asarray(self.coordinates.centre)
        damping, active = np.full(len(clones), _FIRST_DAMPING), np.ones(len(clones), bool)
        logs, slopes = self.log_slopes(scaled[place], fixed, chosen)
        for _ in range(_MOST):
            cost, residual, _ = self._sums(seen, clones, which, place, logs, scaled)
            hessian, gradient = self._normal(place, len(clones), slopes / error[:, None], residual)
            hessian += np.diag(precision)
            gradient += precision * (scaled - centre)
            diagonal = np.einsum("cpp->cp", hessian)
            for _ in range(_ATTEMPTS):
                damped = hessian + damping[:, None, None] * np.eye(self._size) * diagonal[:, None, :]
                step = np.linalg.solve(damped, gradient[..., None])[..., 0]
                tried = np.where(active[:, None], self.inside(scaled - step), scaled)
                mine = active[place]
                new = logs.copy()
                new[mine] = self.log_goals(tried[place[mine]], fixed[mine], chosen[mine])
                cost_of_tried, *_ = self._sums(seen, clones, which, place, new, tried)
                better = active & (cost_of_tried < cost)
                damping = np.where(better, damping / _EASED, np.where(active, damping * _DAMPED, damping))
                if np.any(better):
                    break
            else:
                break
            gained = np.where(better, cost - cost_of_tried, 0.0)
            scaled = np.where(better[:, None], tried, scaled)
            active &= ~(better & (gained < _ENOUGH)) & (damping < _MOST_DAMPING)
            moved = better[place]
            logs[moved], slopes[moved] = self.log_slopes(scaled[place[moved]], fixed[moved], chosen[moved])
            if not np.any(active):
                break
        _, residual, data = self._sums(seen, clones, which, place, logs, scaled)
        hessian, _ = self._normal(place, len(clones), slopes / error[:, None], residual)
        return scaled, np.linalg.inv(hessian + np.diag(precision)), data

    def _normal(self, place: np.ndarray, count: int, slopes: np.ndarray, residual: np.ndarray):
        hessian, gradient = np.zeros((count, self._size, self._size)), np.zeros((count, self._size))
        np.add.at(hessian, place, slopes[:, :, None] * slopes[:, None, :])
        np.add.at(gradient, place, slopes * residual[:, None])
        return hessian, gradient


def _log(goal: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.where(np.isfinite(goal), goal, 0.0), _TINY))
