"""BoostedTrees: a baseline that learns each quantity as gradient-boosted trees over the features of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graycell.comparison.features import features_of
from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.comparison.samples import (
    Samples,
    Target,
    last_known,
    mean_curve,
    offset_of,
    require_learned,
    runs_by_quantity,
    samples_of,
)
from graycell.runs.records import CultureRun

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingRegressor


@dataclass(frozen=True)
class BoostedTrees(DependsOnFields):
    """Gradient-boosted trees for each quantity over the columns of `features_of`.

    The target (the value, its change since time 0, or its deviation from the mean of the runs) and the number of trees
    are those with the lowest error in a cross-validation over whole training runs. A forecast that starts after time 0
    is shifted so that it starts at the last known value, because trees do not extrapolate in time.

    Attributes:
        name: in all tables.
        trees: largest number of trees.
        depth: of each tree.
        rate: learning rate [1].
        leaf: fewest samples of a leaf.
        folds: most groups of runs in the cross-validation.
    """

    name: str = "boosted trees"
    trees: int = 300
    depth: int = 3
    rate: float = 0.05
    leaf: int = 3
    folds: int = 4

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Train on runs.

        Args:
            runs: training runs.
            seed: the only source of random numbers.

        Returns:
            The trees of the measured quantities.

        Raises:
            FitError: nothing was measured.
        """
        import sklearn  # slow to import

        by_quantity = runs_by_quantity(runs)
        # thousands of small trees, whose parameters are the same and would be checked for each
        with sklearn.config_context(skip_parameter_validation=True):
            forests = {name: self._forest(samples_of(measured, name), seed) for name, measured in by_quantity.items()}
        return _Forests(forests)

    def _forest(self, samples: Samples, seed: int) -> "_Forest":
        target, count = self._choose(samples, seed)
        regressor = self._regressor(count, seed).fit(samples.x, samples.values - samples.offset(target))
        return _Forest(samples, target, regressor)

    def _choose(self, samples: Samples, seed: int) -> tuple[Target, int]:
        """Return the target and number of trees with the least squared error in the runs left out."""
        folds = min(self.folds, len(samples.runs))
        if folds < 2:
            return "value", self.trees
        fold = np.random.default_rng(seed).permutation(len(samples.runs))[samples.run] % folds
        errors: dict[Target, np.ndarray] = {}
        for target in samples.targets:
            squares = np.zeros(self.trees)
            for k in range(folds):
                inside, outside = fold != k, fold == k
                offset = samples.offset(target, np.unique(samples.run[inside]))
                regressor = self._regressor(self.trees, seed)
                regressor.fit(samples.x[inside], (samples.values - offset)[inside])
                expected = (samples.values - offset)[outside]
                squares += [np.sum((found - expected) ** 2) for found in regressor.staged_predict(samples.x[outside])]
            errors[target] = squares
        best = min(errors, key=lambda target: float(np.min(errors[target])))
        return best, int(np.argmin(errors[best])) + 1

    def _regressor(self, count: int, seed: int) -> "GradientBoostingRegressor":
        from sklearn.ensemble import GradientBoostingRegressor  # slow to import

        return GradientBoostingRegressor(
            n_estimators=count, learning_rate=self.rate, max_depth=self.depth, min_samples_leaf=self.leaf,
            subsample=0.8, random_state=seed,
        )  # fmt: skip


@dataclass(frozen=True)
class _Forest:
    samples: Samples
    target: Target
    regressor: "GradientBoostingRegressor"

    def predict(self, known: CultureRun, time: np.ndarray) -> np.ndarray:
        quantity = self.samples.quantity
        curve = mean_curve(self.samples.runs, quantity)
        last, value = last_known(known, quantity)
        at = np.append(time, last)
        found = self.regressor.predict(self.samples.scaling(features_of(known, at)))
        found = found + offset_of(self.target, curve, known, quantity, at)
        return found[:-1] + (value - found[-1] if last > 0.0 else 0.0)


@dataclass(frozen=True)
class _Forests:
    forests: Mapping[str, _Forest]

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        require_learned(times, self.forests, known)
        return {quantity: self.forests[quantity].predict(known, time) for quantity, time in times.items()}
