"""optimise: the numbers of a plan that make its goal as large as possible, as far as that is sure.

What is maximised is the mean of the objective over draws, less `caution` times the risk of the gain over the current
plan, see `Verdict`. Constraints hold less as many standard deviations. scipy searches from several starts: SLSQP
where a fit gives exact derivatives, COBYQA, which needs none, where a forecaster does not. A fit's draws cost a
simulation each, so its starts are searched with some of them, and the best end again with all.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graycell.comparison.splits import known_of
from graycell.decisions.decision import Decision
from graycell.decisions.fit_source import FitSource
from graycell.decisions.forecast_source import ForecastSource
from graycell.decisions.goals import VOLUME, Constraint, Goals
from graycell.decisions.optimum import Optimum
from graycell.decisions.search import Search, Source, rank_of, simple_rules
from graycell.errors import Finding, FitError, GraycellError, InputError
from graycell.formulas.tree import TIME
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
    may_run_out: Sequence[str] = (),
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
        plan: the current plan; its measurements after time 0 are not used.
        decisions: which numbers of it are chosen.
        maximise: a formula at the end of the culture: quantities in the units of the model, inputs, the names of
            decisions, `volume` [L] and `time` [d]; such as ``ANTI * volume``.
        constraints: inequalities, see `Constraint`; ``always`` unless they say otherwise.
        units: of names in the formulas, such as ``{"ANTI": "g/L"}``; those of the model, or of the measurements, if
            left out.
        may_run_out: substrates that a plan may run out of, although no run was ever without them.
        group: of the plan, where parameters of the fit differ between groups.
        caution: standard deviations [1] that are taken off the mean, of the objective and of the margins.
        draws: of the parameters or courses; of 16 and more draws of a fit, starts are searched with 8, and the best end
            again with all.
        starts: of the search.
        seed: of draws and starts.
        rules: whether the answer is compared with simple rules, boluses to a level at the same times.
        progress: called with the part that is done [1] and words.

    Returns:
        The best plan, compared with the current one.

    Raises:
        InputError: for all faults of decisions and goals at once.
        FitError: no plan can be judged.
    """
    source, plan = source_of(given, draws, seed, group), known_of(plan)
    if isinstance(maximise, Goals):
        goals = maximise
    else:
        goals = Goals(maximise, tuple(map(Constraint.of, constraints)), tuple((units or {}).items()),
                      tuple(may_run_out))  # fmt: skip
    require_decidable(source, plan, decisions, goals)
    begun = time.monotonic()
    progress(0.0, "the current plan")
    search = Search(source, plan, tuple(decisions), goals, caution)
    rough = search.with_fewer_draws()
    places = rough.starts(STARTS[source.has_slopes] if starts is None else starts, seed)
    ends = []
    for k, place in enumerate(places):
        progress(0.1 + 0.5 * k / len(places), f"start {k + 1} of {len(places)}")
        ends.append(rough.from_place(place))
    best = max((end for end in ends if search.verdict(end).is_plan), key=search.rank, default=None)
    if best is None:
        raise FitError(f"optimise: no plan could be judged from any of {len(places)} starts; the last failed with: "
                       f"{search.failure or rough.failure}")  # fmt: skip
    if rough is not search:
        progress(0.6, "the best of them, with all draws")
        best = search.from_place(best)
    progress(0.8, "steps and sensitivities")
    best = search.settled(best)
    stays = search.is_within and rank_of(search.before) >= search.rank(best)
    values = search.first if stays else search.values(best)
    best = search.present if stays else best
    slopes = search.sensitivities(best)
    progress(0.9, "simple rules")
    found = tuple(simple_rules(search)) if rules else ()
    progress(0.95, "courses")
    judged = search.judged if rough is search else rough.judged + search.judged
    chosen = plan if stays else search.plan_at(best)
    current = source.course(plan) if search.before.is_plan else None
    return Optimum(
        plan, chosen, search.decisions, search.first, values, goals, search.before, search.verdict(best), slopes, found,
        tuple(source.novelties(chosen)), tuple((search.verdict(end).cautious, search.values(end)) for end in ends),
        judged, time.monotonic() - begun, caution, seed, search.method, current, source.course(chosen), source.runs,
    )  # fmt: skip


def require_decidable(source: Source, plan: CultureRun, decisions: Sequence[Decision], goals: Goals) -> None:
    """Raise for decisions and goals that do not fit a plan.

    Args:
        source: that judges it.
        plan: the current plan.
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
    findings += [Finding(f"decision '{name}'", "the name of a quantity", "formulas tell decisions and quantities apart "
                         "by their names", "rename the decision")
                 for name in dict.fromkeys(names) if name in (*source.names, VOLUME, TIME)]  # fmt: skip
    findings += goals.faults(source.names, names, latest_end(plan, decisions))
    if findings:
        raise InputError(findings)


def latest_end(plan: CultureRun, decisions: Sequence[Decision]) -> float:
    """Return when a plan ends at the latest.

    Args:
        plan: the current plan.
        decisions: which numbers are chosen.

    Returns:
        [d] its own end, or the upper bound of a chosen one.
    """
    chosen = [one.upper * (plan.end if one.relative else 1.0) for one in decisions if one.change == "end"]
    return max(chosen, default=plan.end)


def source_of(given: Any, draws: int | None = None, seed: int = 0, group: str | None = None) -> Source:
    """Return what plans are judged with.

    Args:
        given: a `Fit`, a `Forecaster`, or what this returned.
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
    if isinstance(given, FitSource | ForecastSource):
        return given
    raise GraycellError(f"optimise: found a {type(given).__name__}; plans are judged with a Fit or a Forecaster; fit "
                        "a model, or train a forecaster by Forecaster.of(runs).")  # fmt: skip
