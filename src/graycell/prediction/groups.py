"""GroupMean: the mean of the training runs of the same group, such as clone, scale or feeding strategy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graycell.comparison.baselines import MeanOfRuns
from graycell.comparison.protocols import DependsOnFields, Predictor
from graycell.runs.records import CultureRun


@dataclass(frozen=True)
class GroupMean(DependsOnFields):
    """The mean of the training runs of the group; of all runs where the group was not seen, and after its last sample.

    Attributes:
        groups: group of each run by its name.
        name: in all tables.
    """

    groups: Mapping[str, str] = field(default_factory=dict)
    name: str = "mean of the group"

    def train(self, runs: Sequence[CultureRun], seed: int) -> Predictor:
        """Compute the mean curves of each group.

        Args:
            runs: training runs.
            seed: not used.

        Returns:
            The predictor.

        Raises:
            FitError: nothing was measured.
        """
        by_group: dict[str, list[CultureRun]] = {}
        for run in runs:
            if run.name in self.groups:
                by_group.setdefault(self.groups[run.name], []).append(run)
        means = {group: MeanOfRuns().train(members, seed) for group, members in by_group.items()}
        last = {
            group: {name: max(run.measurements[name].time[-1] for run in members if name in run.measurements)
                    for name in dict.fromkeys(name for run in members for name in run.measurements)}
            for group, members in by_group.items()
        }  # fmt: skip
        return _OfGroup(self.groups, means, last, MeanOfRuns().train(runs, seed))


@dataclass(frozen=True)
class _OfGroup:
    groups: Mapping[str, str]
    means: Mapping[str, Predictor]
    last: Mapping[str, Mapping[str, float]]
    whole: Predictor

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        found, group = dict(self.whole.predict(known, times)), self.groups.get(known.name, "")
        last = {name: end for name, end in self.last.get(group, {}).items() if name in times}
        if last:
            of_group = self.means[group].predict(known, {name: times[name] for name in last})
            for name, end in last.items():  # after the last sample of the group the others say more than a constant
                found[name] = np.where(times[name] <= end, of_group[name], found[name])
        return found
