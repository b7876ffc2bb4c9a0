"""optimise: the numbers of a plan that make its goal as large as possible, as far as that is sure.

What is maximised is the mean of the objective over draws, less `caution` times the risk of the gain over the plan of
before, see `Verdict`. Constraints hold less as many standard deviations. scipy searches from several starts: SLSQP
where a fit gives exact derivatives, COBYQA, which needs none, where a forecaster does not.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graycell.comparison.splits import known_of
from graycell.decisions.courses import Source
from graycell.decisions.decision import Decision
from graycell.decisions.fit_source import FitSource
from graycell.decisions.forecast_source import ForecastSource
from graycell.decisions.goals import Constraint, Goals
from graycell.decisions.optimum import Optimum
from graycell.decisions.search import Search, simple_rules
from graycell.errors import Finding, FitError, GraycellError, InputError
from graycell.inference.results import Fit
from graycell.prediction.forecaster import Forecaster
from graycell.runs.records import CultureRun

CAUTION = 0.5
"""[1] Standard deviations that are taken off where nothing else is said."""
STARTS = {True: 3, False: 2}
"""Starts of a search, with derivatives and without."""


def optimise(
    given: Any,
    plan: CultureRun,
    decisions: Sequence[Decision],
    maximise: str | Goals,
    constraints: Sequence[Constraint | str | Mapping[str, Any]] = (),
    *,
    units: Mapping[str, str] | None = None,
    group: str | None = None,
    caution: float = CAUTION,
    draws: int | None = None,
    starts: int | None = None,
    seed: int = 0,
    rules: bool = True,
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> Optimum:
    """Return the best plan that is found.

    Args:
        given: what plans are judged with: a `Fit`, with exact derivatives, or a `Forecaster`.
        plan: the plan of before; its measurements after time 0 are not used.
        decisions: which numbers of it are chosen.
        maximise: a formula at the end of the culture: quantities in the units of the model, inputs, the names of
            decisions, `volume` [L] and `time` [d]; such as ``ANTI * volume``.
        constraints: inequalities, see `Constraint`; ``always`` unless they say otherwise.
        units: of names in the formulas, such as ``{"ANTI": "g/L"}``; those of the model, or of the measurements, if
            left out.
        group: of the plan, where parameters of the fit differ between groups.
        caution: standard deviations [1] that are taken off the mean, of the objective and of the margins.
        draws: of the parameters or courses.
        starts: of the search.
        seed: of draws and starts.
        rules: whether the answer is compared with simple rules, boluses to a level at the same times.
        progress: called with the part that is done [1] and words.

    Returns:
        The best plan, compared with that of before.

    Raises:
        InputError: for all faults of decisions and goals at once.
        FitError: no plan can be judged.
    """
    source, plan = source_of(given, draws, seed, group), known_of(plan)
    if isinstance(maximise, Goals):
        goals = maximise
    else:
        goals = Goals(maximise, tuple(map(Constraint.of, constraints)), tuple((units or {}).items()))
    require_decidable(source, plan, decisions, goals)
    begun = time.monotonic()
    progress(0.0, "the plan of before")
    search = Search(source, plan, tuple(decisions), goals, caution)
    places = search.starts(STARTS[source.has_slopes] if starts is None else starts, seed)
    ends = []
    for k, place in enumerate(places):
        progress(0.1 + 0.7 * k / len(places), f"start {k + 1} of {len(places)}")
        ends.append(search.from_place(place))
    best = max((end for end in ends if search.verdict(end).is_plan), key=search.rank, default=None)
    if best is None:
        raise FitError(f"optimise: no plan could be simulated from any of {len(places)} starts, the present plan among "
                       "them; simulate it with the fitted model and see its status.")  # fmt: skip
    progress(0.8, "steps and sensitivities")
    best = search.settled(best)
    best = search.present if search.rank(search.present) >= search.rank(best) else best
    slopes = search.sensitivities(best)
    progress(0.9, "simple rules")
    found = tuple(simple_rules(search)) if rules else ()
    progress(0.95, "courses")
    courses = [source.course(search.plan_at(place)) if search.verdict(place).is_plan else None
               for place in (search.present, best)]  # fmt: skip
    assert courses[1] is not None
    return Optimum(
        plan, search.plan_at(best), search.decisions, search.values(search.present), search.values(best), goals,
        search.verdict(search.present), search.verdict(best), slopes, found,
        tuple(source.novelties(search.plan_at(best))), tuple((search.rank(end), search.values(end)) for end in ends),
        search.judged, time.monotonic() - begun, caution, seed, search.method, courses[0], courses[1], source.runs,
    )  # fmt: skip


def require_decidable(source: Source, plan: CultureRun, decisions: Sequence[Decision], goals: Goals) -> None:
    """Raise for decisions and goals that do not fit a plan.

    Args:
        source: that judges it.
        plan: of before.
        decisions: which numbers are chosen.
        goals: of the plan.

    Raises:
        InputError: with all faults at once.
    """
    names = [one.name for one in decisions]
    findings = [finding for one in decisions for finding in one.faults(plan)]
    if not decisions:
        findings.append(Finding("decisions", "none", "a number of the plan is chosen", "name one"))
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        findings.append(Finding(f"decision '{name}'", "two of this name", "names tell decisions apart", "rename one"))
    for name in names:
        if name in source.names:
            findings.append(Finding(f"decision '{name}'", "the name of a quantity", "formulas tell decisions and "
                                    "quantities apart by their names", "rename the decision"))  # fmt: skip
    findings += goals.faults([*source.names, *names])
    if any(finding.severity == "error" for finding in findings):
        raise InputError(findings)


def source_of(given: Any, draws: int | None = None, seed: int = 0, group: str | None = None) -> Source:
    """Return what plans are judged with.

    Args:
        given: a `Fit`, a `Forecaster`, or a source.
        draws: number of draws; that of the kind if left out.
        seed: of the draws.
        group: of the plan, for a fit whose parameters differ between groups.

    Returns:
        The source.

    Raises:
        GraycellError: for something else.
    """
    if isinstance(given, Fit):
        return FitSource(given, FitSource.draws if draws is None else draws, seed, group=group)
    if isinstance(given, Forecaster):
        return ForecastSource(given, seed=seed) if draws is None else ForecastSource(given, draws, seed)
    if all(hasattr(given, name) for name in ("judge", "error", "novelties")):
        return given
    raise GraycellError(f"optimise: found a {type(given).__name__}; plans are judged with a Fit or a Forecaster; fit "
                        "a model, or train a forecaster by Forecaster.of(runs).")  # fmt: skip
