"""What a campaign deals with: scales, runs that were done, runs that are proposed, and batches of these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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

    def faults(self, decisions: Sequence[str], parameters: Sequence[str]) -> list[Finding]:
        """Return what is wrong with the scale.

        Args:
            decisions: names of those of the campaign.
            parameters: names of those of the model.

        Returns:
            Findings.
        """
        where, found = f"scale '{self.name}'", list[Finding]()
        for label, value, least in (("cost", self.cost, 0.0), ("runs", self.runs, 1), ("error", self.error, 0.0)):
            if not (math.isfinite(value) and value >= least) or (label == "cost" and value == 0.0):
                words = "above 0" if label == "cost" else f"at least {least:g}"
                found.append(Finding(where, f"{label} {value:g}", f"it is finite and {words}", "correct it"))
        for label, names, known in (("together", self.together, decisions), ("fixed", self.fixed, decisions),
                                    ("changes", self.changes, parameters)):  # fmt: skip
            kind = "a parameter of the model" if label == "changes" else "a decision"
            found += [Finding(f"{where}, {label}", f"'{name}'", f"it is {kind}", nearest(name, known))
                      for name in names if name not in known]  # fmt: skip
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
        at_target: goal that is expected at the target scale.
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
