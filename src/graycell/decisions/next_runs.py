"""NextRuns: the runs that tell most, and what they are expected to tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graycell.decisions.decision import Decision
from graycell.decisions.information import Assays
from graycell.provenance import hash_of_run
from graycell.runs.records import CultureRun
from graycell.saved import SavedFormat
from graycell.versions import hash_of_code, where_it_ran
from graycell.views import Viewed

DESIGNS = SavedFormat("next runs", 1, "design anew with: graycell design", unnumbered=None)
"""The format of `design.json`."""
_LITTLE = 0.9
"""[1] A remaining error above this part of the present one is hardly worth the runs."""


@dataclass(frozen=True)
class NextRuns(Viewed):
    """The runs that tell most.

    Attributes:
        plan: that they vary.
        runs: the next runs.
        decisions: what is varied.
        values: (runs, decisions) in internal units.
        purpose: predictions, parameters, prediction (of a target) or models.
        words: what `before`, `after` and `others` are.
        before: error now, or how far the models differ without another run.
        after: expected after the runs.
        others: the same of other designs of as many runs, by name.
        parameters: names of the estimated parameters.
        sd_before: (parameters,) standard deviations now, on the parameters' own scales.
        sd_after: (parameters,) expected after the runs.
        assays: what is measured, when, and how well.
        candidates: how many plans were looked at, and how many keep the constraints.
        learned_from: the runs of the fit.
        seed: of candidates and draws.
    """

    plan: CultureRun
    runs: tuple[CultureRun, ...]
    decisions: tuple[Decision, ...]
    values: np.ndarray
    purpose: str
    words: str
    before: float
    after: float
    others: Mapping[str, float]
    parameters: tuple[str, ...]
    sd_before: np.ndarray
    sd_after: np.ndarray
    assays: Assays
    candidates: tuple[int, int]
    learned_from: tuple[CultureRun, ...]
    seed: int

    def __repr__(self) -> str:
        return f"NextRuns({len(self.runs)} for {self.purpose}: {self.before:.3g} -> {self.after:.3g})"

    def sentences(self) -> list[str]:
        """Return what a reader should know first: another design that is as good, before anything else.

        Returns:
            Sentences.
        """
        more_is_better = self.purpose == "models"
        found = []
        best = min(self.others.items(), key=lambda pair: -pair[1] if more_is_better else pair[1], default=None)
        if best is not None and (best[1] >= self.after if more_is_better else best[1] <= self.after):
            found.append(f"As good as these runs: {best[0]}, {best[1]:.3g}.")
        found.append(f"{self.words[0].upper()}{self.words[1:]}: {self.before:.3g} now, {self.after:.3g} expected after "
                     f"{len(self.runs)} runs.")  # fmt: skip
        found += [f"{words[0].upper()}{words[1:]}: {value:.3g}." for words, value in self.others.items()]
        if not more_is_better and self.after > _LITTLE * self.before:
            found.append("The runs tell next to nothing more: what is open cannot be seen within these bounds and "
                         "assays.")  # fmt: skip
        looked, kept = self.candidates
        if kept < looked:
            found.append(f"{looked - kept} of {looked} candidates break a constraint, starve the cells or cannot be "
                         "simulated, and are left out.")  # fmt: skip
        open_still = [name for name, now, then in zip(self.parameters, self.sd_before, self.sd_after, strict=True)
                      if then > _LITTLE * now]  # fmt: skip
        if open_still and self.purpose == "parameters":
            named = ", ".join(open_still[:5]) + (", ..." if len(open_still) > 5 else "")
            found.append(f"Of {len(open_still)} parameters these runs tell little: {named}.")
        return found

    def plain(self) -> dict[str, Any]:
        """Return what the design depends on and says, as plain data for JSON.

        Returns:
            Dictionaries, lists, numbers and texts; values in internal units.
        """
        return {
            **DESIGNS.stamp(),
            "plan": {"name": self.plan.name, "sha256": hash_of_run(self.plan)},
            "learned from": {run.name: hash_of_run(run) for run in self.learned_from},
            "purpose": self.purpose, "measure": self.words, "now": self.before, "expected": self.after,
            "other designs": dict(self.others),
            "decisions": [one.name for one in self.decisions], "values": self.values.tolist(),
            "measured": {"quantities": list(self.assays.quantities), "days": self.assays.times.tolist(),
                         "relative errors": self.assays.relative.tolist(), "floors": self.assays.floor.tolist()},
            "candidates": list(self.candidates), "seed": self.seed,
            "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scipy")),
        }  # fmt: skip
