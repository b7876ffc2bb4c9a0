"""Verdict: what draws say of a plan: the mean of its goal, how sure it is, and by how much constraints are kept."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtr, ndtri

from graycell.decisions.courses import Judged

_CAUTION_OF_RESERVES = 1.28
"""[1] Caution about a substrate that must not run out: it is kept in nine of ten cases."""


@dataclass(frozen=True)
class Verdict:
    """What the draws say of a plan.

    Attributes:
        judged: the draws; None for a plan that cannot be simulated in enough of them.
        caution: [1] standard deviations that are taken off the mean.
        reference: (draws,) the objective of the current plan; None for that plan itself.
        by_quantile: whether the quantile of the draws that a normal distribution has there is taken in place of a mean
            less standard deviations: draws that are cut at 0 have a mean well above their median.
        drawn: (draws,) the objective, without the draws that could not be simulated.
        margins: (rows,) cautious margins, in sizes of the constraints; 1 where a constraint is not asked for.
    """

    judged: Judged | None
    caution: float
    reference: np.ndarray | None = None
    by_quantile: bool = False
    drawn: np.ndarray = field(init=False, repr=False)
    margins: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        drawn, margins = np.zeros(0), np.zeros(0)
        if self.judged is not None:
            drawn, of_draws = self.judged.objective[self._kept], self.judged.margins[self._kept]
            asked = self._asked
            some = np.where(asked, of_draws, 0.0)
            if self.by_quantile:
                low = [np.quantile(row, ndtr(-caution)) for row, caution in zip(some.T, self._cautions, strict=True)]
            else:
                low = np.mean(some, axis=0) - self._cautions * np.std(some, axis=0)
            margins = np.where(asked, low / self.judged.sizes, 1.0)
        object.__setattr__(self, "drawn", drawn)
        object.__setattr__(self, "margins", margins)

    @property
    def _cautions(self) -> np.ndarray:
        """(rows,) standard deviations that are taken off the margins; of what must not run out always as many."""
        assert self.judged is not None
        count = self.judged.owners[-1] + 1 - len(self.judged.reserves) if len(self.judged.owners) else 0
        return np.where(self.judged.owners < count, self.caution, _CAUTION_OF_RESERVES)

    @property
    def _kept(self) -> np.ndarray:
        """Which draws were simulated."""
        assert self.judged is not None
        return np.isfinite(self.judged.objective)

    @property
    def _asked(self) -> np.ndarray:
        """Which rows of the margins a constraint is asked for at; elsewhere they are infinite."""
        assert self.judged is not None
        return np.all(np.isfinite(self.judged.margins[self._kept]), axis=0)

    @property
    def is_plan(self) -> bool:
        """Whether enough draws could be simulated."""
        return self.judged is not None

    @property
    def mean(self) -> float:
        """Mean of the objective, or median; NaN where it is no plan."""
        middle = np.median if self.by_quantile else np.mean
        return float(middle(self.drawn)) if self.is_plan else np.nan

    @property
    def outside(self) -> float:
        """[1] How far the course leaves what was measured, in widths of its range, on the mean over the draws."""
        return float(np.mean(self.judged.outside[self._kept])) if self.judged is not None else 0.0

    @property
    def sd(self) -> float:
        """Standard deviation of the objective: of the draws and of the model, wider outside of what was learned."""
        if not self.is_plan:
            return np.nan
        return float(np.hypot(np.std(self.drawn), self._wrong)) * (1.0 + self.outside)

    @property
    def _wrong(self) -> float:
        """Error of the model in the objective, on the mean over the draws."""
        return float(np.mean(self.judged.wrong[self._kept])) if self.judged is not None else 0.0

    @property
    def _apart(self) -> np.ndarray:
        """(draws,) what the plan gains over the current one, around its mean; 0 for that plan itself."""
        if self.reference is None:
            return np.zeros(len(self.drawn))
        gain = self.drawn - self.reference[self._kept]
        return np.nan_to_num(gain - np.nanmean(gain))

    @property
    def risk(self) -> float:
        """Standard deviation of the gain: of draws of a fit, which are the same cells under both plans.

        Outside of what was learned it is larger, and the error of the model counts as far as the course is outside.
        """
        outside = self.outside
        return float(np.hypot(np.std(self._apart) * (1.0 + outside), self._wrong * outside))

    @property
    def cautious(self) -> float:
        """The mean less `caution` times the risk; of a forecast, the quantile of the draws; minus infinity if none."""
        if not self.is_plan:
            return -np.inf
        if self.by_quantile:
            return float(np.quantile(self.drawn, ndtr(-self.caution)))
        return self.mean - self.caution * self.risk

    @property
    def least_margins(self) -> np.ndarray:
        """(constraints and reserves,) least margin of each [1]; NaN where it is asked for at no point."""
        if self.judged is None:
            return np.zeros(0)
        owners, asked = self.judged.owners, self._asked
        return np.array([np.min(self.margins[here], initial=np.inf) if np.any(here := (owners == k) & asked) else np.nan
                         for k in range(int(owners[-1]) + 1 if len(owners) else 0)])  # fmt: skip

    @property
    def broken(self) -> float:
        """[1] By how much the worst constraint is broken, in its size; 0 where all are kept."""
        return float(np.max(np.maximum(-self.margins, 0.0), initial=0.0))

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Return a central interval of the objective.

        Args:
            level: [1] of the draws.

        Returns:
            Its ends: quantiles of the draws around their mean, widened as the standard deviation is.
        """
        if self.by_quantile:
            low, high = np.quantile(self.drawn, (0.5 - 0.5 * level, 0.5 + 0.5 * level))
            return float(low), float(high)
        spread = float(np.std(self.drawn))
        low, high = np.quantile(self.drawn, (0.5 - 0.5 * level, 0.5 + 0.5 * level)) - self.mean
        # what the draws do not hold, as the error of the model, is taken as normal
        wider = 1.0 + self.outside
        more = float(ndtri(0.5 + 0.5 * level)) * np.sqrt(max(self.sd**2 - (wider * spread) ** 2, 0.0))
        low, high = (side * np.hypot(wider * size, more) for side, size in ((-1.0, low), (1.0, high)))
        return self.mean + low, self.mean + high

    @property
    def mean_slope(self) -> np.ndarray:
        """(decisions,) derivative of the mean."""
        return np.mean(self._slopes(0), axis=0)

    def _slopes(self, row: int) -> np.ndarray:
        """Return the derivatives (draws, decisions) of one row: the objective as the first, see `Judged`."""
        assert self.judged is not None
        assert self.judged.slopes is not None
        return self.judged.slopes[self._kept, row]

    @property
    def slope(self) -> np.ndarray:
        """(decisions,) derivative of `cautious`."""
        of_mean, apart, spread = self.mean_slope, self._apart, float(np.std(self._apart))
        of_outside, of_wrong = np.mean(self._slopes(-2), axis=0), np.mean(self._slopes(-1), axis=0)
        outside, wrong, risk = self.outside, self._wrong, self.risk
        if risk == 0.0:
            return of_mean
        of_variance = 2.0 * np.mean(apart[:, None] * self._slopes(0), axis=0)
        first = of_variance * (1.0 + outside) ** 2 + 2.0 * spread**2 * (1.0 + outside) * of_outside
        second = 2.0 * wrong * outside * (of_wrong * outside + wrong * of_outside)
        return of_mean - self.caution * 0.5 * (first + second) / risk

    @property
    def margin_slopes(self) -> np.ndarray:
        """(rows, decisions) derivative of `margins`."""
        assert self.judged is not None
        assert self.judged.slopes is not None
        slopes = self.judged.slopes[self._kept, 1:-2]
        some = np.where(self._asked, self.judged.margins[self._kept], 0.0)
        slopes = np.where(self._asked[None, :, None], slopes, 0.0)
        spread = np.std(some, axis=0)
        apart = some - np.mean(some, axis=0)
        of_spread = np.mean(apart[..., None] * slopes, axis=0) / np.maximum(spread, 1e-300)[:, None]
        of_spread = np.where(spread[:, None] > 0.0, of_spread, 0.0)
        return (np.mean(slopes, axis=0) - self._cautions[:, None] * of_spread) / self.judged.sizes[:, None]
