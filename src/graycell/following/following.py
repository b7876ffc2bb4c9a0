"""follow: a fit, and the samples of a running culture -> what it is now, what it will be, the best rest of its plan."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from graycell.comparison.splits import known_of
from graycell.decisions.decision import CHANGES, FIELDS, Decision
from graycell.decisions.fit_source import FitSource
from graycell.decisions.goals import ALWAYS, Constraint, Goals
from graycell.decisions.optimising import CAUTION, latest_end, optimise
from graycell.errors import Finding, InputError, nearest
from graycell.following.followed import Followed
from graycell.following.signals import WINDOW, with_signals
from graycell.formulas.parsing import parse
from graycell.formulas.tree import Number, text_of, with_names
from graycell.inference.conditioning import conditioned
from graycell.inference.initial_error import InitialError
from graycell.inference.results import Fit
from graycell.runs.records import CultureRun

POINTS = 101
"""Times of a forecast."""
DRAWS = 100
"""Draws of a forecast."""
_SAME_TIME = 1e-6
"""[d]"""


def follow(
    fit: Fit,
    run: CultureRun,
    decisions: Sequence[Decision] = (),
    maximise: str | Goals | None = None,
    constraints: Sequence[Constraint | str | Mapping[str, Any]] = (),
    *,
    now: float | None = None,
    signals: CultureRun | None = None,
    delay: float = 0.0,
    window: float = WINDOW,
    units: Mapping[str, str] | None = None,
    may_run_out: Sequence[str] = (),
    group: str | None = None,
    initial_error: InitialError | float | None = None,
    before: Followed | None = None,
    caution: float = CAUTION,
    starts: int = 1,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> Followed:
    """Return what a running culture is, what it will be, and how to go on.

    All samples so far count, each at its own time, however late it came: by least squares around what the fit says of
    parameters and initial concentrations, see `conditioned`. The rest of the plan is chosen with that, and its
    constraints hold from now on.

    Args:
        fit: of other cultures, with a covariance.
        run: the culture: its samples, what was done, and what is planned.
        decisions: numbers of the plan that may be chosen; of what was done before now nothing is.
        maximise: see `optimise`; needed where something is chosen.
        constraints: see `optimise`.
        now: [d] later samples are not used, and events before it are done; the time of the last sample if left out.
            What is planned for now itself can still be chosen: samples are taken first.
        signals: of probes, as measurements of a run, each with its error.
        delay: [d] of the signals, see `with_signals`.
        window: [d] of the signals.
        units: see `optimise`.
        may_run_out: see `optimise`.
        group: of the culture, where parameters differ between groups.
        initial_error: of its initial concentrations, see `conditioned`.
        before: what was found at an earlier time, where the search starts.
        caution: see `optimise`.
        starts: of the search for the rest of the plan.
        draws: of the forecast.
        seed: of draws and starts.
        progress: called with the part that is done [1] and words.

    Returns:
        What is known now.

    Raises:
        FitError: the fit has no covariance, knows the culture already, or cannot simulate it.
        InputError: for a time outside of the culture, and for all faults of decisions and goals at once.
    """
    last = max(run.last_sample, _last_of(signals, delay), 0.0)
    now = last if now is None else float(now)
    if not 0.0 <= now <= run.end:
        raise InputError([Finding("now", f"day {now:g}", f"the plan of run '{run.name}' is from day 0 to {run.end:g}",
                                  "give a day within it, or let the plan end later")])  # fmt: skip
    seen = known_of(run, now, viability_known=False)
    if signals is not None:
        _require_known(signals, fit)
        seen = with_signals(seen, signals, until=now, delay=delay, window=window)
    used = [series for name, series in seen.measurements.items() if name in fit.model.quantities]
    if not any(np.any(series.time > 0.0) for series in used):
        found = f"no sample of a quantity of the model between day 0 and day {now:g}"
        raise InputError([Finding(f"run '{run.name}'", found, "a culture is followed by its samples",
                                  "predict it with: graycell predict")])  # fmt: skip
    progress(0.0, "least squares over all samples")
    known = conditioned(fit, seen, group=group, initial_error=initial_error,
                        before=None if before is None else before.known)  # fmt: skip
    progress(0.3, "forecast")
    times = np.unique(np.r_[np.linspace(0.0, run.end, POINTS), now])
    forecast = known.predict(seen, draws, seed=seed, times=times)
    without = fit.predict(known_of(seen), draws, seed=seed, times=times, group=group)
    best, left_out = None, {}
    if decisions:
        progress(0.5, "the rest of the plan")
        goals = _goals_of(maximise, constraints, units, may_run_out)
        still, left_out = open_decisions(decisions, seen, now)
        if still:
            source, goals = FitSource(known, seed=seed, learned=fit), _from_now(goals, left_out, now,
                                                                               latest_end(seen, still))  # fmt: skip
            best = optimise(source, seen, still, goals, caution=caution, starts=starts, seed=seed, rules=False,
                            progress=lambda done, words: progress(0.5 + 0.5 * done, words))  # fmt: skip
    return Followed(fit, known, seen, now, forecast, without, best, left_out, seed)


def _goals_of(
    maximise: str | Goals | None, constraints: Sequence[Constraint | str | Mapping[str, Any]],
    units: Mapping[str, str] | None, may_run_out: Sequence[str],
) -> Goals:  # fmt: skip
    """Return the goals of the whole plan."""
    if maximise is None:
        raise InputError([Finding("maximise", "nothing", "where something is chosen, a formula says what is large",
                                  'write it like maximise = "titer * volume"')])  # fmt: skip
    if isinstance(maximise, Goals):
        return maximise
    return Goals(maximise, tuple(map(Constraint.of, constraints)), tuple((units or {}).items()), tuple(may_run_out))


def _require_known(signals: CultureRun, fit: Fit) -> None:
    """Raise `InputError` for signals of what is no quantity of the model."""
    known = (*fit.model.quantities, *fit.model.input_names)
    findings = [Finding(f"signals, {name}", "no quantity of the model", f"model '{fit.model.name}' has others",
                        nearest(name, known)) for name in signals.measurements if name not in known]  # fmt: skip
    if findings:
        raise InputError(findings)


def _last_of(signals: CultureRun | None, delay: float) -> float:
    """Return the time of the last value of a signal [d]."""
    return -np.inf if signals is None else signals.last_sample - delay


def open_decisions(
    decisions: Sequence[Decision], plan: CultureRun, now: float
) -> tuple[list[Decision], dict[str, float]]:
    """Return what of decisions can still be chosen.

    Args:
        decisions: of the whole plan.
        plan: of the culture.
        now: [d]

    Returns:
        Decisions on events from now on, and the values of all others, by name. What is faulty is among the first.
    """
    found, left_out = [], {}
    for decision in decisions:
        later = _later(decision, plan, now)
        if later is None:
            left_out[decision.name] = decision.present(plan)
        else:
            found.append(later)
    return found, left_out


def _later(one: Decision, plan: CultureRun, now: float) -> Decision | None:
    """Return a decision on what is done from now on; None where nothing is left to choose, a faulty one as it is."""
    is_known = one.change in CHANGES and (one.change not in FIELDS or one.event in FIELDS[one.change][1])
    if not is_known or not one.numbers(plan) or not one.can_be_set:
        return one
    least = -np.inf
    if one.change in FIELDS:
        one = replace(one, after=now)
        numbers = one.numbers(plan)
        if not numbers:
            return None
        if one.change == "time":
            least = now / (min(numbers) if one.relative else 1.0)
    elif one.change == "end":
        least = now / (plan.end if one.relative else 1.0)
    elif one.change == "medium":
        if any(getattr(event, "medium", None) == one.medium and float(event.time) < now - _SAME_TIME
               for event in plan.events):  # fmt: skip
            return None  # it has been given, and another composition would change the past
    else:
        return None
    one = replace(one, lower=max(one.lower, least))
    return one if one.can_be_set else None


def _from_now(goals: Goals, left_out: Mapping[str, float], now: float, end: float) -> Goals:
    """Return goals of the rest of a plan: what is no longer chosen is a number, and constraints hold from now on."""
    constraints = []
    for one in goals.constraints:
        when = (0.0, end) if one.when == ALWAYS else one.when
        if isinstance(when, tuple):
            when = (max(when[0], now), when[1])
            if when[0] >= when[1]:
                continue
        constraints.append(Constraint(_filled(one.text, left_out), when))
    return replace(goals, maximise=_filled(goals.maximise, left_out), constraints=tuple(constraints))


def _filled(formula: str, values: Mapping[str, float]) -> str:
    """Return a formula in which numbers stand for names."""
    numbers = {name: Number(value) for name, value in values.items()}
    return text_of(with_names(parse(formula), numbers)) if numbers else formula
