"""Campaign: which clone, where and how, from few runs at several scales; what may be run next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy.stats import norm, qmc

from graycell.campaigns.beliefs import Belief, Learner, Seen
from graycell.campaigns.faults import faults_of
from graycell.campaigns.records import Batch, BestPlans, Proposed, Scale, Tried
from graycell.campaigns.rows import Rows
from graycell.decisions.courses import margins_of
from graycell.decisions.decision import Decision
from graycell.decisions.goals import Constraint, Goals
from graycell.errors import Finding, InputError, nearest
from graycell.inference.coordinates import Coordinates
from graycell.model import CultureModel
from graycell.packing import molar_mass_of
from graycell.runs.records import CultureRun

MODEL_ERROR = 0.02
"""[1] Relative error of the model in a goal, beside that of the assay."""
_LEAST = 1e-6
"""[1] Standard deviation of what is known exactly."""
_COMPARED = 64
"""Runs so far of which it is asked how sure they are."""
_PLANS = 64
"""Quasi-random plans that are looked at for every clone."""
_BEST, _AROUND, _PASSES = 3, 12, 3
"""Plans of each clone that are improved, changes of each that are tried, and how often."""
_WIDEST, _NARROWER, _CHANGED = 0.25, 0.4, 0.6
"""[widths of the bounds] The first changes; how much smaller the next are; part of the numbers that is changed."""
_SPREAD = 1024
"""Plans that are spread over the bounds, before those that break a constraint are left out."""
_ENOUGH = 64
"""Plans that are enough to choose from."""
_HALVINGS = 6
"""How often a plan that breaks a constraint is moved half the way back to one that does not."""
_KEPT = 1e-9
"""[1] A constraint that is broken by less than this of its size is kept."""
_NOTHING, _OF_NOTHING = 1e-3, 1.0
"""[1] Part of the largest goal as which nothing counts, and how far it may be from that."""
_ROUNDS = 8
"""How often as many plans are drawn again where few keep the constraints."""
_NINE_OF_TEN = 1.645
"""Standard deviations around the mean within which a normal number is in nine of ten cases."""
_LARGEST = 700.0
"""Logarithm of the largest number that is said."""
_FIRST_LOOKS = 3
"""Runs that every clone has before anything is concluded."""


@dataclass(frozen=True)
class Campaign:
    """Batches of runs of several clones at several scales; the best run at the target scale is wanted.

    All clones follow one model with parameters of their own. Their prior is the parameter table: the estimated rows
    with their `value` and `prior_sd`. Only the goal of a run, at its end, is measured.

    Attributes:
        model: of all clones.
        plan: that is varied.
        decisions: which of its numbers are chosen.
        maximise: a formula at the end of a run, above 0, see `optimise`.
        clones: their names.
        scales: where runs are done.
        target: name of the scale at which the best run is wanted.
        constraints: inequalities of decisions.
        units: of names in the formulas, see `optimise`.
        model_error: [1] relative error of the model in the goal.
        seed: of all that is drawn.

    Raises:
        InputError: for all faults at once.
    """

    model: CultureModel
    plan: CultureRun
    decisions: tuple[Decision, ...]
    maximise: str
    clones: tuple[str, ...]
    scales: tuple[Scale, ...]
    target: str
    constraints: tuple[Constraint | str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    model_error: float = MODEL_ERROR
    seed: int = 0

    def __post_init__(self) -> None:
        findings = faults_of(self)
        if findings:
            raise InputError(findings)

    @cached_property
    def goals(self) -> Goals:
        """What is maximised, and what must hold."""
        return Goals(self.maximise, tuple(map(Constraint.of, self.constraints)), tuple(self.units.items()))

    @cached_property
    def _set(self) -> tuple[str, ...]:
        """Names of the parameters that scales set."""
        return tuple(dict.fromkeys(name for scale in self.scales for name in scale.changes))

    @cached_property
    def _learner(self) -> Learner:
        rows = [row for row in self.model.table.estimated if row.name not in self._set]
        factors = self.goals.factors(self.model.unit, lambda name: molar_mass_of(self.model, name, self.plan))
        names = (*(row.name for row in rows), *self._set)
        many = Rows(self.model, self.plan, self.decisions, self.goals, tuple(factors.items()), names)
        return Learner(many, Coordinates.of(rows), len(self.clones), self.seed)

    def scale(self, name: str) -> Scale:
        """Return a scale.

        Args:
            name: of it.

        Returns:
            The scale.

        Raises:
            InputError: there is none of this name.
        """
        for one in self.scales:
            if one.name == name:
                return one
        names = [one.name for one in self.scales]
        raise InputError([Finding("scale", f"'{name}'", "a scale of the campaign is needed", nearest(name, names))])

    def _fixed(self, scale: Scale) -> np.ndarray:
        return np.array([scale.changes.get(name, self.model.table[name].value) for name in self._set])

    def learn(self, tried: Sequence[Tried], before: Belief | None = None, new: int | None = None) -> Belief:
        """Return what runs say of the clones.

        Args:
            tried: all runs so far.
            before: what was known without the last of them.
            new: number of the runs, the last ones, that `before` does not know.

        Returns:
            What is known now. A goal of nothing counts as a thousandth of the largest one, known to a factor of e.

        Raises:
            InputError: for a clone or a scale that the campaign does not have, or without any goal above 0.
        """
        numbers = {name: j for j, name in enumerate(self.clones)}
        self.require_known(tried)
        done = [one for one in tried if math.isfinite(one.goal)]
        largest = max((one.goal for one in done), default=0.0)
        if largest <= 0.0:
            raise InputError([Finding("runs", "no goal above 0", "the logarithms of goals are compared",
                                      "look at the clones under other conditions")])  # fmt: skip
        scales, least = [self.scale(one.scale) for one in done], _NOTHING * largest
        error = np.hypot([scale.error for scale in scales], self.model_error)
        seen = Seen(
            np.array([numbers[one.clone] for one in done]),
            np.stack([self._fixed(scale) for scale in scales]),
            np.array([one.values for one in done]),
            np.array([max(one.goal, least) for one in done]),
            np.where([one.goal > least for one in done], error, np.maximum(error, _OF_NOTHING)),
        )
        anew = None if before is None or new is None else sorted({numbers[one.clone] for one in tried[-new:]})
        return self._learner.learn(seen, before, anew)

    def require_known(self, tried: Sequence[Tried]) -> None:
        """Raise for runs of other clones or scales.

        Args:
            tried: all runs so far.

        Raises:
            InputError: with all of them.
        """
        known = {"clone": self.clones, "scale": tuple(one.name for one in self.scales)}
        findings = [Finding(f"run {k + 1}", f"{word} '{getattr(one, word)}'", f"it is a {word} of the campaign",
                            nearest(getattr(one, word), names))
                    for k, one in enumerate(tried) for word, names in known.items()
                    if getattr(one, word) not in names]  # fmt: skip
        if findings:
            raise InputError(findings)

    def proposals(self, tried: Sequence[Tried], belief: Belief | None = None,
                  best: BestPlans | None = None) -> dict[str, Batch]:  # fmt: skip
        """Return a next batch for every scale, the one that is worth most for its cost first.

        The runs of a batch are chosen one after the other. Each is the clone and the plan that are expected to improve
        most on the best run so far at the target scale, as a factor, times the part of the uncertainty that the run
        removes, where the runs before it came out as expected. The best run so far counts a standard deviation less
        than is expected of it. As long as a clone has fewer than three runs, the cheapest scale comes
        first, where all clones are looked at in turn.

        Args:
            tried: all runs so far.
            belief: what is known, see `learn`; learned if left out.
            best: see `best_plans`; looked for if left out.

        Returns:
            Batches by the name of the scale; without runs, last, where no plan keeps the constraints.

        Raises:
            InputError: see `learn`; no plan keeps the constraints.
        """
        if not self.is_screened(tried):
            first = min(self.scales, key=lambda scale: scale.cost * scale.runs).name
            return {first: Batch(self.screening(first, self.batches(tried, first)), math.nan)}
        belief = self.learn(tried) if belief is None else belief
        best = self.best_plans(belief) if best is None else best
        reached = self._reached(belief, tried)
        found = {scale.name: self._batch(belief, best, reached, scale) for scale in self.scales}
        return dict(sorted(found.items(), key=lambda pair: -pair[1].worth))

    def is_screened(self, tried: Sequence[Tried]) -> bool:
        """Return whether every clone has three runs.

        Args:
            tried: all runs so far.

        Returns:
            Whether anything is concluded from them; not before one has a goal above 0.
        """
        counts = [sum(one.clone == name for one in tried) for name in self.clones]
        return min(counts) >= _FIRST_LOOKS and any(one.goal > 0.0 for one in tried)

    def batches(self, tried: Sequence[Tried], scale: str) -> int:
        """Return how many batches were done.

        Args:
            tried: all runs so far.
            scale: name of where.

        Returns:
            Their number; a part of one counts whole.

        Raises:
            InputError: for an unknown scale.
        """
        return -(-sum(one.scale == scale for one in tried) // self.scale(scale).runs)

    def best(self, belief: Belief, plans: BestPlans) -> list[Proposed]:
        """Return the best plan of every clone at the target scale, the most promising first.

        Args:
            belief: what is known, see `learn`.
            plans: see `best_plans`.

        Returns:
            One for each clone, with what is expected, and within which bounds it is in nine of ten cases.
        """
        sd = _NINE_OF_TEN * np.hypot(_sd(plans.slopes, belief.covariance[plans.clone]), self.model_error)
        order = np.argsort(-plans.logs, kind="stable")
        first = [n for k, n in enumerate(order) if plans.clone[n] not in plans.clone[order[:k]]]
        return [self._proposed(int(plans.clone[n]), self.target, plans.values[n], float(plans.logs[n]), float(sd[n]),
                               float(plans.logs[n])) for n in first]  # fmt: skip

    def _proposed(
        self, clone: int, scale: str, values: np.ndarray, log: float, spread: float, at_target: float
    ) -> Proposed:
        """Return a run, of which the logarithms of what is expected are given."""
        numbers = [math.exp(min(one, _LARGEST)) for one in (log, log - spread, log + spread, at_target)]
        return Proposed(self.clones[clone], scale, tuple(map(float, values)), *numbers)

    def screening(self, scale: str, batch: int) -> list[Proposed]:
        """Return a batch that looks at all clones in turn, under conditions that are spread over the bounds.

        Args:
            scale: name of where it is done.
            batch: its number, from 0.

        Returns:
            The runs; what is expected of them is unknown, NaN.

        Raises:
            InputError: for an unknown scale; no plan keeps the constraints.
        """
        at, found, nan = self.scale(scale), [], math.nan
        alike = self._alike(at)
        points = self._plans(_SPREAD, at)
        shared, others = points[batch % len(points)], np.random.default_rng((self.seed, 1)).permutation(points)
        together = np.where(alike, shared, others)
        together = together[self._kept(together)] if np.any(alike) else others
        for k in range(batch * at.runs, (batch + 1) * at.runs):
            lap, place = divmod(k, len(self.clones))
            order = np.random.default_rng((self.seed, 2, lap)).permutation(len(self.clones))
            values = together[k % len(together)]
            found.append(Proposed(self.clones[order[place]], scale, tuple(map(float, values)), nan, nan, nan, nan))
        return found

    def _alike(self, scale: Scale) -> np.ndarray:
        """Return which decisions have one value in a batch, (decisions,)."""
        return np.array([one.name in scale.together for one in self.decisions])

    def _batch(self, belief: Belief, best: BestPlans, reached: float, at: Scale) -> Batch:
        """Return the batch at a scale, and what it is worth for its cost."""
        clone, plans = best.clone, best.values
        here, left = self._at(plans, at), belief.covariance.copy()
        alike = self._alike(at)
        log_here, of_here = self._logs(belief, clone, here, at)
        allowed = self._kept(here)
        if not np.any(allowed):  # what the scale fixes breaks a constraint
            return Batch((), -math.inf)
        error = float(np.hypot(at.error, self.model_error))
        used, found, worth = np.zeros(len(clone), bool), list[Proposed](), 0.0
        for _ in range(at.runs):
            sd = _sd(best.slopes, left[clone]) + _LEAST
            above = (best.logs - reached) / sd
            improves = sd * (above * norm.cdf(above) + norm.pdf(above))
            shared = np.einsum("np,npq,nq->n", best.slopes, left[clone], of_here)
            seen = _sd(of_here, left[clone]) ** 2 + error**2
            removed = 1.0 - np.sqrt(np.maximum(1.0 - shared**2 / seen / sd**2, 0.0))
            used &= not np.all(used | ~allowed)  # more runs than plans: some are done twice
            score = np.where(used | ~allowed, -np.inf, improves * removed)
            n = int(np.argmax(score))
            worth += max(float(score[n]), 0.0)
            if not found and np.any(alike):  # the others go into the same batch
                here = self._at(np.where(alike, here[n], plans), at)
                log_here, of_here = self._logs(belief, clone, here, at)
                allowed = self._kept(here)
            spread = _NINE_OF_TEN * float(np.hypot(_sd(of_here[n : n + 1], left[clone[n : n + 1]])[0], error))
            found.append(self._proposed(int(clone[n]), at.name, here[n], float(log_here[n]), spread,
                                        float(best.logs[n])))  # fmt: skip
            gain = left[clone[n]] @ of_here[n]
            left[clone[n]] -= np.outer(gain, gain) / (of_here[n] @ gain + error**2)
            reached, used[n] = max(reached, float(best.logs[n])), True
        return Batch(tuple(found), worth / (at.cost * at.runs))

    def _logs(self, belief: Belief, clone: np.ndarray, values: np.ndarray, at: Scale) -> tuple[np.ndarray, np.ndarray]:
        """Return the logarithms of goals, and their derivatives by the parameters, as the likeliest ones have them."""
        return self._learner.log_slopes(belief.mean[clone], self._each(at, len(clone)), values)

    def _each(self, scale: Scale, count: int) -> np.ndarray:
        return np.tile(self._fixed(scale), (count, 1))

    def _reached(self, belief: Belief, tried: Sequence[Tried]) -> float:
        """Return the logarithm of what the best run so far reaches at the target scale, less a standard deviation."""
        target = self.scale(self.target)
        clone = np.array([self.clones.index(one.clone) for one in tried])
        values = self._at(np.array([one.values for one in tried]), target)
        logs = self._learner.log_goals(belief.mean[clone], self._each(target, len(clone)), values)
        some = np.argsort(-logs)[:_COMPARED]
        logs, slopes = self._logs(belief, clone[some], values[some], target)
        return float(np.max(logs - _sd(slopes, belief.covariance[clone[some]])))

    def best_plans(self, belief: Belief) -> BestPlans:
        """Return the plans of every clone that are expected to reach most at the target scale.

        Args:
            belief: what is known, see `learn`.

        Returns:
            Some for each clone, with what is expected of them.

        Raises:
            InputError: no plan keeps the constraints.
        """
        target, learner, count = self.scale(self.target), self._learner, len(self.clones)
        lower, upper = self._bounds
        plans = self._plans(_SPREAD, target)[:_PLANS]
        clone, values = np.repeat(np.arange(count), len(plans)), np.tile(plans, (count, 1))
        logs = learner.log_goals(belief.mean[clone], self._each(target, len(clone)), values).reshape(count, -1)
        best = np.argsort(-logs, axis=1)[:, :_BEST]
        clone, values = np.repeat(np.arange(count), best.shape[1]), plans[best].reshape(-1, len(lower))
        logs, random = np.take_along_axis(logs, best, 1).ravel(), np.random.default_rng((self.seed, 3))
        each = np.arange(len(values))
        for width in _WIDEST * _NARROWER ** np.arange(_PASSES):
            moved = np.repeat(values, _AROUND, axis=0)
            which = random.random(moved.shape) < _CHANGED
            moved = np.clip(moved + which * width * (upper - lower) * random.standard_normal(moved.shape), lower, upper)
            moved = self._drawn_back(self._at(moved, target), np.repeat(values, _AROUND, axis=0))
            owner = np.repeat(clone, _AROUND)
            new = learner.log_goals(belief.mean[owner], self._each(target, len(owner)), moved).reshape(-1, _AROUND)
            place = np.argmax(new, axis=1)
            better = new[each, place] > logs
            values = np.where(better[:, None], moved.reshape(len(values), _AROUND, -1)[each, place], values)
            logs = np.where(better, new[each, place], logs)
        return BestPlans(clone, values, *self._logs(belief, clone, values, target))

    def _plans(self, count: int, scale: Scale) -> np.ndarray:
        """Return plans that are spread over the bounds and keep the constraints, at a scale."""
        (lower, upper), sampler, found = self._bounds, qmc.Halton(len(self.decisions), rng=self.seed), []
        for _ in range(_ROUNDS):
            drawn = self._at(lower + (upper - lower) * sampler.random(_SPREAD), scale)
            found.append(drawn[self._kept(drawn)])
            if sum(map(len, found)) >= min(count, _ENOUGH):
                return np.concatenate(found)
        present = np.clip([one.present(self.plan) for one in self.decisions], lower, upper)
        anchors = np.concatenate([*found, self._at(present[None, :], scale)])
        anchors = anchors[self._kept(anchors)]
        if not len(anchors):
            raise InputError([Finding(f"constraints, scale '{scale.name}'", "no plan that keeps them all", "some plan "
                                      "is needed", "loosen one, or let PLAN itself keep them")])  # fmt: skip
        drawn = self._at(lower + (upper - lower) * sampler.random(_SPREAD), scale)
        return self._drawn_back(drawn, anchors[np.arange(len(drawn)) % len(anchors)])

    def _at(self, values: np.ndarray, scale: Scale) -> np.ndarray:
        """Return plans with what a scale fixes, and with the steps of the decisions."""
        values = values.copy()
        for j, one in enumerate(self.decisions):
            if one.name in scale.fixed:
                values[:, j] = scale.fixed[one.name]
        return self._stepped(values, scale.fixed)

    def _stepped(self, values: np.ndarray, fixed: Mapping[str, float] = MappingProxyType({})) -> np.ndarray:
        """Return plans with the steps of the decisions; the values are changed."""
        for j, one in enumerate(self.decisions):
            if one.step > 0.0 and one.name not in fixed:
                values[:, j] = [one.rounded(float(value)) for value in values[:, j]]
        return values

    @property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = ([getattr(one, end) for one in self.decisions] for end in ("lower", "upper"))
        return np.array(lower), np.array(upper)

    def _kept(self, values: np.ndarray) -> np.ndarray:
        """Return which plans keep the constraints, (plans,)."""
        if not self.goals.constraints:
            return np.ones(len(values), bool)
        named = [dict(zip((one.name for one in self.decisions), row, strict=True)) for row in values]
        sizes = [one.size for one in self.goals.constraints for _ in one.tree.arguments[1:]]
        margins = np.stack([margins_of(self.goals, one, one, np) for one in named])
        return np.all(margins >= -_KEPT * np.array(sizes), axis=1)

    def _drawn_back(self, values: np.ndarray, towards: np.ndarray) -> np.ndarray:
        """Return plans that keep the constraints: those that do not go back towards others that do."""
        for _ in range(_HALVINGS):
            broken = ~self._kept(values)
            if not np.any(broken):
                return values
            values[broken] = self._stepped(0.5 * (values[broken] + towards[broken]))
        return np.where(self._kept(values)[:, None], values, towards)


def _sd(slopes: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each of some goals, (n,)."""
    return np.sqrt(np.maximum(np.einsum("np,npq,nq->n", slopes, covariance, slopes), 0.0))
