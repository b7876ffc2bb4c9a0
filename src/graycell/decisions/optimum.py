"""Optimum: the best plan that was found, beside the current one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graycell.decisions.courses import Course
from graycell.decisions.decision import Decision
from graycell.decisions.goals import ALWAYS, Constraint, Goals
from graycell.decisions.verdict import Verdict
from graycell.provenance import hash_of_run
from graycell.runs.records import CultureRun
from graycell.saved import SavedFormat
from graycell.versions import hash_of_code, where_it_ran
from graycell.views import Viewed

OPTIMA = SavedFormat("optimum", 1, "optimise anew with: graycell optimise", unnumbered=None)
"""The format of `optimum.json`."""
_NEAR = 1e-3
"""[1] A constraint binds within this of its size; a decision, within this part of its bounds."""
_WORTH_SAYING = 0.05
"""[1] Distance from what was learned from which on it is said."""
_SURE = 0.9
"""[1] A gain in fewer draws than this is called unsure."""


@dataclass(frozen=True)
class Optimum(Viewed):
    """The best plan that was found.

    Attributes:
        before: the current plan.
        plan: with the chosen numbers.
        decisions: which numbers were chosen.
        first: (decisions,) their values in the current plan, in internal units.
        values: (decisions,) the chosen values.
        goals: of the plan.
        verdict_before: what the draws say of the current plan.
        verdict: what they say of the best plan.
        sensitivities: (decisions,) derivatives of the mean objective; NaN where they could not be computed.
        rules: simple rules and what they reach.
        novelties: sentences on what of the best plan leaves what was learned.
        ends: what the search from each start ended with: the cautious objective with all draws, and the values.
        judged: number of plans that were judged.
        seconds: how long it took.
        caution: [1] standard deviations that were taken off the mean.
        seed: of draws and starts.
        method: what searched.
        course_before: what the current plan leads to; None where it cannot be simulated.
        course: what the best plan leads to.
        runs: that were learned from.
    """

    before: CultureRun
    plan: CultureRun
    decisions: tuple[Decision, ...]
    first: np.ndarray
    values: np.ndarray
    goals: Goals
    verdict_before: Verdict
    verdict: Verdict
    sensitivities: np.ndarray
    rules: tuple[tuple[str, Verdict], ...]
    novelties: tuple[str, ...]
    ends: tuple[tuple[float, np.ndarray], ...]
    judged: int
    seconds: float
    caution: float
    seed: int
    method: str
    course_before: Course | None
    course: Course
    runs: tuple[CultureRun, ...]

    def __repr__(self) -> str:
        return (f"Optimum('{self.plan.name}': {self.goals.maximise} {self.verdict_before.mean:.4g} -> "
                f"{self.verdict.mean:.4g}, {len(self.decisions)} decisions)")  # fmt: skip

    @property
    def unit(self) -> str:
        """Unit of what is maximised; empty where it is not one quantity."""
        name = self.goals.maximise.strip()
        return dict(self.goals.units).get(name, self.course.units.get(name, ""))

    @property
    def gains(self) -> np.ndarray:
        """(draws,) by how much the objective is larger than by the current plan; those that both plans reach.

        Draws of a fit are compared one by one: the same cells under two plans. Those of a forecast are two cultures,
        because how they differ from their prediction is not known to be the same under both plans.
        """
        if self.verdict.judged is None or self.verdict_before.judged is None:
            return np.zeros(0)
        before = self.verdict_before.judged.objective
        before = np.roll(before, len(before) // 2) if self.verdict.by_quantile else before
        apart = self.verdict.judged.objective - before
        return apart[np.isfinite(apart)]

    @property
    def sure(self) -> float:
        """[1] Part of the draws in which the best plan is better than the current one; NaN without any."""
        return float(np.mean(self.gains > 0.0)) if len(self.gains) else np.nan

    @property
    def stays(self) -> bool:
        """Whether the best plan is the current one."""
        return bool(np.array_equal(self.first, self.values))

    def binding(self) -> list[str]:
        """Return what keeps the plan from being better.

        Returns:
            Words for decisions at their bounds, and for constraints without room.
        """
        found = []
        for one, value in zip(self.decisions, self.values, strict=True):
            near = _NEAR * (one.upper - one.lower)
            if value <= one.lower + near or value >= one.upper - near:
                found.append(f"{one.name} is at its {'lower' if value <= one.lower + near else 'upper'} bound")
        found += [f"'{text}' has no room" for text, least in self.margins() if least < _NEAR]
        return found

    def margins(self) -> list[tuple[str, float]]:
        """Return the least margin of every constraint.

        Returns:
            Its text and the margin [1], in its size, less `caution` standard deviations; below 0 it is broken, and NaN
            where the plan ends before the constraint is asked for.
        """
        judged = self.verdict.judged
        if judged is None:
            return []
        texts = [_words_of(one) for one in self.goals.constraints]
        texts += [f"{name} does not run out" for name in judged.reserves]
        return list(zip(texts, map(float, self.verdict.least_margins), strict=True))

    def sentences(self) -> list[str]:
        """Return what a reader should know first, a simple rule or a current plan that wins before anything else.

        Returns:
            Sentences.
        """
        found, before, after = [], self.verdict_before, self.verdict
        broken = [f"'{text}' (by {-least:.2g} of its size)" for text, least in self.margins() if least < -_NEAR]
        if broken:
            found.append(f"No plan was found that keeps all constraints; this one breaks {', '.join(broken)}.")
        better = [words for words, verdict in self.rules
                  if verdict.cautious > after.cautious + _NEAR * abs(after.mean)
                  and verdict.broken <= after.broken + _NEAR]  # fmt: skip
        if better:
            found.append(f"A simple rule is better: {better[0]}.")
        if self.stays:
            found.append("No better plan than the current one was found.")
        outside = [one.name for one, value in zip(self.decisions, self.first, strict=True)
                   if not one.lower <= value <= one.upper]  # fmt: skip
        if outside:
            found.append(f"The current plan is outside of the bounds in {', '.join(outside)}.")
        low, high = after.interval()
        unit = f" {self.unit}" if self.unit else ""
        was = f", {before.mean:.4g} by the current plan" if before.is_plan else "; the current plan could not be judged"
        found.append(f"'{self.goals.maximise}' at the end: {after.mean:.4g}{unit} ({low:.4g} to {high:.4g} in 90 of "
                     f"100 cases){was}.")  # fmt: skip
        if len(self.gains) and not self.stays:
            less, more = np.quantile(self.gains, (0.05, 0.95))
            of = "two cultures differ by" if after.by_quantile else "in 90 of 100 draws"
            where = "pairs of cultures" if after.by_quantile else "draws"
            found.append(f"The gain is {after.mean - before.mean:.3g} ({of} {less:.3g} to {more:.3g}); the plan is "
                         f"better in {100.0 * self.sure:.0f} of 100 {where}"
                         + ("." if self.sure >= _SURE else ": that is not sure."))  # fmt: skip
        if before.is_plan and before.broken > _NEAR:
            found.append("The current plan breaks a constraint.")
        found += [f"{words} reaches {verdict.mean:.4g}." for words, verdict in self.rules]
        binding = self.binding()
        found += [f"What keeps the plan from being better: {'; '.join(binding)}."] if binding else []
        never = [f"'{text}'" for text, least in self.margins() if np.isnan(least)]
        found += [f"The plan ends before {' and '.join(never)} is asked for."] if never else []
        if after.outside > _WORTH_SAYING:
            found.append("The plan leaves what was learned, and is counted as "
                         f"{1.0 + after.outside:.2g} times as unsure.")  # fmt: skip
        lost = 0 if after.judged is None else int(np.sum(~np.isfinite(after.judged.objective)))
        if lost:
            found.append(f"{lost} draws could not be simulated, and are left out.")
        return found

    def plain(self) -> dict[str, Any]:
        """Return what the answer depends on and says, as plain data for JSON.

        Returns:
            Dictionaries, lists, numbers and texts; values in internal units.
        """
        def as_data(verdict: Verdict) -> dict[str, Any]:
            if not verdict.is_plan:
                return {"simulated": False}
            return {"mean": verdict.mean, "sd": verdict.sd, "cautious": verdict.cautious,
                    "90 %": list(map(float, verdict.interval())), "outside": verdict.outside}  # fmt: skip

        return {
            **OPTIMA.stamp(),
            "plan": {"name": self.before.name, "sha256": hash_of_run(self.before)},
            "learned from": {run.name: hash_of_run(run) for run in self.runs},
            "maximise": self.goals.maximise, "units": dict(self.goals.units),
            "constraints": [{"holds": one.text, "when": one.when} for one in self.goals.constraints],
            "may run out": list(self.goals.may_run_out),
            "margins": [{"holds": text, "least": _finite(least)} for text, least in self.margins()],
            "decisions": {one.name: {"change": one.change, "before": float(first), "value": float(value),
                                     "lower": one.lower, "upper": one.upper, "step": one.step, "slope": _finite(slope)}
                          for one, first, value, slope in zip(self.decisions, self.first, self.values,
                                                              self.sensitivities, strict=True)},
            "before": as_data(self.verdict_before), "after": as_data(self.verdict),
            "gains": {"mean": float(np.mean(self.gains)) if len(self.gains) else None,
                      "better": self.sure if len(self.gains) else None},
            "rules": {words: as_data(verdict) for words, verdict in self.rules},
            "novelties": list(self.novelties),
            "caution": self.caution, "seed": self.seed, "method": self.method, "judged": self.judged,
            "code": hash_of_code(),
            **where_it_ran(("graycell", "jax", "numpy", "scipy")),
        }  # fmt: skip


def _words_of(one: Constraint) -> str:
    """Return a constraint with the time at which it holds, where that is not always."""
    if isinstance(one.when, tuple):
        return f"{one.text} from day {one.when[0]:g} to {one.when[1]:g}"
    return one.text if one.when == ALWAYS else f"{one.text} at the end"


def _finite(value: float) -> float | None:
    """Return a number for JSON, which knows no NaN."""
    return float(value) if np.isfinite(value) else None
