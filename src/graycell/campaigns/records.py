"""What a campaign deals with: scales, runs that were done, runs that are proposed, and batches of these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from graycell.decisions.decision import Decision
from graycell.errors import Finding, nearest


@dataclass(frozen=True)
class Scale:
    """A scale of cultivation.

    Attributes:
        name: such as MTP or pilot.
        cost: of a run, in any unit.
        runs: in a batch.
        error: [1] relative standard deviation of the goal there.
        changes: parameters of the model that the scale sets, by name.
        together: names of decisions that have one value in a batch, as the temperature of a plate has.
        fixed: decisions that cannot be chosen there, with their values in internal units.
    """

    name: str
    cost: float
    runs: int
    error: float
    changes: Mapping[str, float] = field(default_factory=dict)
    together: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)

    def faults(self, decisions: Sequence[Decision], parameters: Sequence[str]) -> list[Finding]:
        """Return what is wrong with the scale.

        Args:
            decisions: those of the campaign.
            parameters: names of those of the model.

        Returns:
            Findings.
        """
        where, found, by_name = f"scale '{self.name}'", list[Finding](), {one.name: one for one in decisions}
        for label, value in (("cost", self.cost), ("error", self.error)):
            if not (math.isfinite(value) and value >= 0.0) or (label == "cost" and value == 0.0):
                words = "above 0" if label == "cost" else "at least 0"
                found.append(Finding(where, f"{label} {value:g}", f"it is finite and {words}", "correct it"))
        if not (isinstance(self.runs, int) and self.runs >= 1):
            found.append(Finding(where, f"runs {self.runs:g}", "a whole number of at least 1 is needed", "correct it"))
        for label, names, known in (("together", self.together, by_name), ("fixed", self.fixed, by_name),
                                    ("changes", self.changes, parameters)):  # fmt: skip
            kind = "a parameter of the model" if label == "changes" else "a decision"
            found += [Finding(f"{where}, {label}", f"'{name}'", f"it is {kind}", nearest(name, known))
                      for name in names if name not in known]  # fmt: skip
        found += [Finding(f"{where}, fixed", f"{name} {value:g}", f"it is within the bounds of the decision, "
                          f"{by_name[name].lower:g} to {by_name[name].upper:g}", "correct one of them")
                  for name, value in self.fixed.items()
                  if name in by_name and not by_name[name].lower <= value <= by_name[name].upper]  # fmt: skip
        return found


@dataclass(frozen=True)
class Tried:
    """A run of a campaign that was done.

    Attributes:
        clone: its name.
        scale: its name.
        values: (decisions,) in internal units.
        goal: what was measured of the goal, at the end.
    """

    clone: str
    scale: str
    values: tuple[float, ...]
    goal: float


@dataclass(frozen=True)
class Proposed:
    """A run that is to be done.

    Attributes:
        clone: its name.
        scale: its name.
        values: (decisions,) in internal units.
        expected: goal that is expected there.
        low, high: within which it is in nine of ten cases.
        at_target: goal that is expected of the best plan of the clone at the target scale, for which the run is done.
    """

    clone: str
    scale: str
    values: tuple[float, ...]
    expected: float
    low: float
    high: float
    at_target: float


class Batch(NamedTuple):
    """A batch that may be next.

    Attributes:
        runs: of it.
        worth: the improvement that it is expected to bring for its cost, as a logarithm; NaN where nothing is known.
    """

    runs: Sequence[Proposed]
    worth: float


class BestPlans(NamedTuple):
    """Plans that are expected to reach most at the target scale, some of each clone.

    Attributes:
        clone: (n,) number of the clone.
        values: (n, decisions) in internal units.
        logs: (n,) logarithms of the goals that are expected.
        slopes: (n, p) their derivatives by the parameters, on the parameters' own scales.
    """

    clone: np.ndarray
    values: np.ndarray
    logs: np.ndarray
    slopes: np.ndarray
