"""Search: the best numbers of one plan, by scipy; and the simple rules that an answer is compared with."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.optimize
from scipy.stats import qmc

from graycell.decisions.courses import Judged
from graycell.decisions.decision import Decision, decided
from graycell.decisions.fit_source import FitSource
from graycell.decisions.forecast_source import ForecastSource
from graycell.decisions.goals import Goals
from graycell.decisions.verdict import Verdict
from graycell.errors import FitError
from graycell.runs.records import Bolus, CultureRun, LevelBolus

Rank = tuple[bool, float, float]
"""Places are compared by it, see `rank_of`."""
Source = FitSource | ForecastSource
"""What plans are judged with: draws of a fit, with derivatives; draws of a forecast, without."""
_MOST = {True: 40, False: 80}
"""Steps of a search with derivatives; plans that are judged by one without."""
_SCREENED = 4
"""Random plans that are judged for each start beside the current plan; the best of them are the starts."""
_LOST = 0.2
"""[1] A plan that cannot be simulated in a larger part of the draws is none."""
_TOLERANCE = 1e-5
"""[1] Of the search, relative to the size of the objective."""
_BAD = 1e3
"""[sizes of the objective] What a plan that cannot be judged counts in the steps of a search."""
_DIFFERENCE = 0.02
"""[1] Step of differences, as part of the bounds, where there are no derivatives."""
_KEPT = 1e-4
"""[1] A constraint that is broken by less than this of its size counts as kept."""
_LEVELS = (0.1, 0.25, 0.45, 0.7, 1.0)
"""Levels of the simple rule, as parts of the start of the plan."""


@dataclass
class Search:
    """The search for the best numbers of one plan; places are in shares of the bounds, 0 to 1.

    Attributes:
        source: that judges plans.
        plan: the current plan.
        decisions: which numbers are chosen.
        goals: of the plan.
        caution: standard deviations that are taken off.
        judged: number of plans that were judged.
        reference: (draws,) the objective of the current plan, where draws of two plans are the same cells.
        failure: why the last plan that could not be judged could not; empty where all could.
        lower: (decisions,) least values.
        upper: (decisions,) largest values.
        first: (decisions,) values of the current plan, as they are, within the bounds or not.
        before: the verdict of the current plan.
        present: (decisions,) place of the current plan, or the nearest one within the bounds.
        size: of the objective.
    """

    source: Source
    plan: CultureRun
    decisions: tuple[Decision, ...]
    goals: Goals
    caution: float
    judged: int = 0
    reference: np.ndarray | None = None
    failure: str = ""
    _verdicts: dict[bytes, Verdict] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.lower, self.upper = (np.array([getattr(one, end) for one in self.decisions], float)
                                  for end in ("lower", "upper"))  # fmt: skip
        self.first = np.array([one.present(self.plan) for one in self.decisions], float)
        self.present = np.clip((self.first - self.lower) / (self.upper - self.lower), 0.0, 1.0)
        self.before = self._of_values(self.first)
        if self.before.judged is not None and not self.before.by_quantile and self.reference is None:
            self.reference = self.before.judged.objective
            self._verdicts = {key: replace(one, reference=self.reference) for key, one in self._verdicts.items()}
        self.size = 0.0
        self._measure([self.before])
        if self.size == 0.0:  # as that of a feed that the current plan does not give
            self._measure(self.verdict(np.full(len(self.present), place)) for place in (0.5, 1.0))

    def _measure(self, verdicts: Iterable[Verdict]) -> None:
        """Let the size of the objective be the largest that was seen; 1 where none was, see `scale`."""
        self.size = max([self.size, *(abs(one.mean) for one in verdicts if one.is_plan)])

    def with_fewer_draws(self) -> "Search":
        """Return the same search with fewer draws, which finds about the same place sooner.

        Returns:
            The search; itself where its source has few draws, or judges all at once.
        """
        rough = self.source.with_fewer_draws() if isinstance(self.source, FitSource) else self.source
        if rough is self.source:
            return self
        return Search(rough, self.plan, self.decisions, self.goals, self.caution)

    @property
    def scale(self) -> float:
        """Size of the objective, by which searches divide it; 1 where it is 0 in all plans."""
        return self.size if self.size > 0.0 else 1.0

    @property
    def is_within(self) -> bool:
        """Whether the current plan is within the bounds."""
        return bool(np.allclose(self.values(self.present), self.first, rtol=1e-12, atol=1e-12))

    @property
    def method(self) -> str:
        """What searches."""
        return "SLSQP with exact derivatives" if self.source.has_slopes else "COBYQA, without derivatives"

    def values(self, place: np.ndarray) -> np.ndarray:
        """Return the values of the decisions at a place.

        Args:
            place: (decisions,) [1].

        Returns:
            (decisions,) in internal units.
        """
        return self.lower + (self.upper - self.lower) * np.clip(place, 0.0, 1.0)

    def plan_at(self, place: np.ndarray) -> CultureRun:
        """Return the plan at a place.

        Args:
            place: (decisions,) [1].

        Returns:
            The plan with chosen numbers.
        """
        return decided(self.plan, self.decisions, [float(value) for value in self.values(place)])

    def verdict(self, place: np.ndarray, slopes: bool = False) -> Verdict:
        """Return what the draws say of the plan at a place; kept, because a search asks for it several times.

        Args:
            place: (decisions,) [1].
            slopes: whether derivatives are wanted.

        Returns:
            The verdict.
        """
        return self._of_values(self.values(place), slopes)

    def _of_values(self, values: np.ndarray, slopes: bool = False) -> Verdict:
        """Return what the draws say of the plan with chosen numbers, see `verdict`."""
        key = np.ascontiguousarray(values, float).tobytes()
        kept = self._verdicts.get(key)
        if kept is not None and not (slopes and kept.judged is not None and kept.judged.slopes is None):
            return kept
        judged: Judged | None = None
        self.judged += 1
        try:
            judged = self.source.judge(self.plan, self.decisions, values, self.goals, slopes)
        except FitError as error:  # a plan that cannot be predicted is none
            self.failure = str(error)
        if judged is not None and np.mean(~np.isfinite(judged.objective)) > _LOST:
            lost = int(np.sum(~np.isfinite(judged.objective)))
            self.failure = f"{lost} of {len(judged.objective)} draws could not be simulated"
            judged = None
        by_quantile = not self.source.has_slopes
        self._verdicts[key] = found = Verdict(judged, self.caution, self.reference, by_quantile)
        return found

    def rank(self, place: np.ndarray) -> Rank:
        """Return what a place is worth beside others.

        Args:
            place: (decisions,) [1].

        Returns:
            See `rank_of`.
        """
        return rank_of(self.verdict(place))

    def starts(self, count: int, seed: int) -> list[np.ndarray]:
        """Return the places at which the search starts.

        Args:
            count: how many.
            seed: of random places.

        Returns:
            The current plan, or the nearest one within the bounds, and the best of random ones.
        """
        wanted = _SCREENED * (count - 1)
        if wanted < 1:
            return [self.present]
        sampler = qmc.Sobol(len(self.decisions), rng=np.random.default_rng(seed))
        others = sampler.random_base2(int(np.ceil(np.log2(wanted))))[:wanted]
        self._measure(self.verdict(place) for place in others)
        return [self.present, *sorted(others, key=self.rank, reverse=True)[: count - 1]]

    def from_place(self, place: np.ndarray) -> np.ndarray:
        """Return where a search from a place ends.

        Args:
            place: (decisions,) [1].

        Returns:
            The end, or the place itself where that is better, or where it is no plan.
        """
        slopes, width, size = self.source.has_slopes, self.upper - self.lower, self.scale
        if not self.verdict(place).is_plan:
            return place
        rows = len(self.verdict(place).margins)

        def worth(x: np.ndarray) -> float:
            found = self.verdict(x, slopes)
            return -found.cautious / size if found.is_plan else _BAD

        def slope(x: np.ndarray) -> np.ndarray:
            found = self.verdict(x, True)
            return -found.slope * width / size if found.is_plan else np.zeros(len(x))

        def margins(x: np.ndarray) -> np.ndarray:
            found = self.verdict(x, slopes)
            return found.margins if found.is_plan else np.full(rows, -1.0)

        def margin_slopes(x: np.ndarray) -> np.ndarray:
            found = self.verdict(x, True)
            return found.margin_slopes * width if found.is_plan else np.zeros((rows, len(x)))

        bounds = [(0.0, 1.0)] * len(place)
        if slopes:
            limits = [{"type": "ineq", "fun": margins, "jac": margin_slopes}] if rows else []
            found = scipy.optimize.minimize(worth, place, jac=slope, method="SLSQP", bounds=bounds, constraints=limits,
                                            options={"maxiter": _MOST[True], "ftol": _TOLERANCE})  # fmt: skip
        else:
            limits = [scipy.optimize.NonlinearConstraint(margins, 0.0, np.inf)] if rows else []
            found = scipy.optimize.minimize(worth, place, method="COBYQA", bounds=bounds, constraints=limits,
                                            options={"maxfev": _MOST[False], "initial_tr_radius": 0.2,
                                                     "final_tr_radius": 1e-3})  # fmt: skip
        end = np.clip(found.x, 0.0, 1.0)
        return end if np.all(np.isfinite(end)) and self.rank(end) >= self.rank(place) else place

    def settled(self, place: np.ndarray) -> np.ndarray:
        """Return the best place near one whose values can be set: multiples of the steps of the decisions.

        Args:
            place: (decisions,) [1].

        Returns:
            The place; the same where no decision has a step.
        """
        steps = np.array([one.step for one in self.decisions]) / (self.upper - self.lower)
        if not np.any(steps > 0.0):
            return place
        best, before = self._on_steps(place), None
        while before is None or not np.array_equal(before, best):
            before = best
            for k in np.flatnonzero(steps > 0.0).tolist():
                for other in map(self._on_steps, _sides(best, k, float(steps[k]))):
                    if self.rank(other) > self.rank(best):
                        best = other
        return best

    def _on_steps(self, place: np.ndarray) -> np.ndarray:
        values = [one.rounded(float(value)) for one, value in zip(self.decisions, self.values(place), strict=True)]
        return (np.array(values) - self.lower) / (self.upper - self.lower)

    def sensitivities(self, place: np.ndarray) -> np.ndarray:
        """Return the derivatives of the mean objective by the values of the decisions.

        Args:
            place: (decisions,) [1].

        Returns:
            (decisions,) in the unit of the objective per that of each decision; by differences without derivatives;
            NaN where a neighbour is no plan.
        """
        if self.source.has_slopes:
            return self.verdict(place, True).mean_slope
        found = np.zeros(len(place))
        for k in range(len(place)):
            low, high = _sides(place, k, _DIFFERENCE)
            apart = self.values(high)[k] - self.values(low)[k]
            found[k] = (self.verdict(high).mean - self.verdict(low).mean) / apart
        return found


def rank_of(verdict: Verdict) -> Rank:
    """Return what a plan is worth beside others: first whether it is one, then constraints, then the goal.

    Args:
        verdict: of a plan.

    Returns:
        Whether it is a plan, minus by how much its worst constraint is broken, and the cautious objective.
    """
    return verdict.is_plan, -max(verdict.broken - _KEPT, 0.0), verdict.cautious


def _sides(place: np.ndarray, k: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours of a place in one decision, within the bounds."""
    moved = step * (np.arange(len(place)) == k)
    return np.clip(place - moved, 0.0, 1.0), np.clip(place + moved, 0.0, 1.0)


def simple_rules(search: Search) -> list[tuple[str, Verdict]]:
    """Return what simple rules reach: each medium whose boluses are chosen, given up to a level at the same times.

    Args:
        search: of a plan.

    Returns:
        Words and the verdict for the best level of each medium, the best first; none where it feeds nothing that is
        predicted, or where formulas use the volumes.
    """
    found = []
    chosen = [one for one in search.decisions if one.change == "volume"]
    media = dict.fromkeys(event.medium for event in search.plan.events if isinstance(event, Bolus)
                          and any(one.selects(event) for one in chosen))  # fmt: skip
    for medium in media:
        rule = _up_to_a_level(search, medium)
        found += [] if rule is None else [rule]
    return sorted(found, key=lambda pair: rank_of(pair[1]), reverse=True)


def _up_to_a_level(search: Search, medium: str) -> tuple[str, Verdict] | None:
    """Return the best of some levels of what a medium is given for; None where there is no such thing."""
    plan, composition = search.plan, search.plan.media[medium]
    fed = {name: value for name, value in composition.items() if name in search.source.names and value > 0.0}
    starts = {name: plan.initial.get(name, 0.0) for name in fed}
    species = max(fed, key=lambda name: fed[name] / max(starts[name], 1e-3), default=None)
    if species is None or not 0.0 < starts[species] < fed[species]:
        return None
    events = tuple(
        LevelBolus(event.time, medium, species, starts[species])
        if isinstance(event, Bolus) and event.medium == medium else event for event in plan.events
    )  # fmt: skip
    by_rule = replace(plan, events=events)
    kept = tuple(one for one in search.decisions if one.numbers(by_rule))
    if {one.name for one in search.decisions} - {one.name for one in kept} & set(search.goals.names):
        return None
    level = Decision("level", "level", 0.0, starts[species], event="bolus to level", medium=medium, species=species)
    other = Search(search.source, by_rule, (*kept, level), search.goals, search.caution, reference=search.reference)
    places = [np.r_[other.present[:-1], share] for share in _LEVELS]
    best = max(places, key=other.rank)
    verdict = other.verdict(best)
    if not verdict.is_plan:
        return None
    unit = search.source.unit(species)
    return f"'{medium}' up to {other.values(best)[-1]:.3g} {unit} {species} at the same times", verdict
