"""design: the next runs that tell most, for parameters, for the prediction of a plan, or to tell two models apart.

Candidates are plans within the bounds of the decisions: quasi-random ones, corners, axes and the centre. The runs are
chosen one after the other, then exchanged as long as the set becomes better. What a set is worth is averaged over draws
of the parameters, because how much a run tells depends on them.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import qmc

from graycell.comparison.splits import known_of
from graycell.decisions.decision import Decision, decided
from graycell.decisions.fit_source import FitSource
from graycell.decisions.goals import NOTHING, Constraint, Goals
from graycell.decisions.information import (
    Assays,
    Sensitivities,
    information_of,
    sensitivities,
)
from graycell.decisions.next_runs import NextRuns
from graycell.decisions.optimising import latest_end, require_decidable
from graycell.decisions.verdict import Verdict
from graycell.errors import Finding, FitError, InputError, nearest
from graycell.inference.conditioning import known_covariance, scaled_estimate
from graycell.inference.results import Fit
from graycell.packing import molar_mass_of
from graycell.runs.records import CultureRun
from graycell.units import UnitError, convert_amount

_KEPT = 1e-4
"""[1] A constraint that is broken by less than this of its size counts as kept."""
_MOST_CORNERS = 6
"""Decisions, of which all corners are candidates."""
_EXCHANGES = 20
"""Passes through the chosen runs, at most."""
_RANDOM = "random"
"""Kind of the quasi-random candidates."""
_RANDOM_SETS = 50
"""Random sets of candidates with which the chosen one is compared."""


PREDICTIONS, PARAMETERS = "predictions", "parameters"
"""What the next runs may be for."""


class Task(NamedTuple):
    """What sets of candidates are worth.

    Attributes:
        purpose: predictions, parameters, prediction (of a target) or models.
        worth: from the numbers of candidates to what they are worth; larger is better.
        error: from that to what a reader understands: the remaining error, or how far two models differ.
        words: what that is.
    """

    purpose: str
    worth: Callable[[Sequence[int]], float]
    error: Callable[[float], float]
    words: str


def design(
    fit: Fit,
    plan: CultureRun,
    decisions: Sequence[Decision],
    count: int,
    *,
    purpose: str = PREDICTIONS,
    target: CultureRun | None = None,
    against: Fit | None = None,
    constraints: Sequence[Constraint | str | Mapping[str, Any]] = (),
    units: Mapping[str, str] | None = None,
    may_run_out: Sequence[str] = (),
    group: str | None = None,
    candidates: int = 64,
    draws: int = 4,
    seed: int = 0,
    progress: Callable[[float, str], None] = lambda done, words: None,
) -> NextRuns:
    """Return the next runs that tell most.

    Args:
        fit: what is known so far.
        plan: that the next runs vary; its samples say when they are measured, what and how well as in the runs of the
            fit.
        decisions: what is varied, within which bounds.
        count: number of runs, which are done together.
        purpose: ``predictions`` of all plans within the bounds, or ``parameters``, where none of the next two is given.
        target: a plan whose prediction is to become sure.
        against: a fit of another model, from which this one is to be told.
        constraints: that every run keeps, see `Constraint`.
        units: of names in the constraints, see `optimise`.
        may_run_out: substrates that the runs may run out of, although no run was ever without them.
        group: of the next runs, where parameters of the fit differ between groups.
        candidates: number of quasi-random candidates.
        draws: of the parameters, over which is averaged.
        seed: of candidates and draws.
        progress: called with the part that is done [1] and words.

    Returns:
        The runs, with what they are expected to tell, beside random candidates, corners of the bounds and points of a
        central composite design.

    Raises:
        InputError: for all faults of decisions and constraints at once.
        FitError: the fit has no covariance, or too few candidates keep the constraints.
    """
    _require_one_purpose(count, purpose, target is not None and against is not None)
    plan, source = known_of(plan), FitSource(fit, max(draws, 4), seed, group=fit.group_of(plan.name, group))
    goals = Goals(NOTHING, tuple(map(Constraint.of, constraints)), tuple((units or {}).items()), tuple(may_run_out))
    _require_no_samples(decisions)
    require_decidable(source, plan, decisions, goals)
    values, kinds = _candidates(decisions, plan, candidates, seed)
    progress(0.05, f"{len(values)} candidates")
    kept = np.array([_is_kept(source, plan, decisions, goals, row) for row in values])
    progress(0.3, f"{int(np.sum(kept))} candidates keep the constraints")
    if not np.any(kept):
        raise FitError(f"design: none of {len(kept)} candidates keeps the constraints and can be simulated; widen the "
                       "bounds, or ease the constraints.")  # fmt: skip
    values, kinds = values[kept], [kind for kind, is_kept in zip(kinds, kept, strict=True) if is_kept]
    assays = Assays.of(fit, plan, latest_end(plan, decisions))
    drawn = _drawn(fit, draws, seed, source.group)
    found = sensitivities(fit, plan, decisions, values, assays, drawn, source.group)
    usable = np.all(np.isfinite(found.values), axis=(1, 2, 3))
    if not np.any(usable):
        raise FitError(f"design: none of {len(kept)} candidates can be simulated in all draws; narrow the bounds.")
    values, kinds = values[usable], [kind for kind, is_usable in zip(kinds, usable, strict=True) if is_usable]
    found = Sensitivities(*(part[usable] for part in found))
    progress(0.7, "the best set")
    start_sd = _start_sd(fit, plan)
    information, covariance = information_of(found, assays, start_sd), known_covariance(fit)
    if against is not None:
        rival = _rival_of(fit, against, plan, decisions, values, assays, group)
        task = _between_models(found, start_sd, covariance, rival, assays)
    elif purpose == PARAMETERS and target is None:
        task = _for_parameters(information, covariance)
    else:
        task = _for_predictions(_of_target(fit, known_of(target), drawn, source.group) if target is not None
                                else _of_plans(found, kinds), information, covariance)  # fmt: skip
    chosen = _best_set(task.worth, len(values), count)
    progress(0.95, "beside other designs")
    names = tuple(row.name for row in fit.estimates)
    runs = tuple(decided(replace(plan, name=f"{plan.name}-{k + 1}"), decisions, [float(x) for x in values[i]])
                 for k, i in enumerate(chosen))  # fmt: skip
    return NextRuns(
        plan, runs, tuple(decisions), values[chosen], task.purpose, task.words, task.error(task.worth([])),
        task.error(task.worth(chosen)),
        {words: task.error(worth) for words, worth in _others(task.worth, kinds, count, seed).items()},
        names, np.sqrt(np.diag(covariance))[: len(names)], _sd_after(information, covariance, chosen)[: len(names)],
        assays, (len(kept), len(values)), tuple(fit.runs), seed,
    )  # fmt: skip


def _require_one_purpose(count: int, purpose: str, both: bool) -> None:
    """Raise `FitError` for no run, an unknown purpose, or two of them."""
    if count < 1:
        raise FitError(f"design: found {count} runs; at least 1 is needed.")
    if purpose not in (PREDICTIONS, PARAMETERS):
        raise FitError(f"design: found the purpose '{purpose}'; it is {PREDICTIONS} or {PARAMETERS}; "
                       f"{nearest(purpose, (PREDICTIONS, PARAMETERS))}.")  # fmt: skip
    if both:
        raise FitError("design: found a target and another model; the runs are for one of them; leave one out.")


def _require_no_samples(decisions: Sequence[Decision]) -> None:
    """Raise `InputError` for decisions on samples: when is measured is the plan's, the same for all candidates."""
    findings = [Finding(f"decision '{one.name}'", "a number of samples", "a design varies what is done, and measures "
                        "all its runs on the days of the plan", "leave the decision out, and give the plan the samples")
                for one in decisions if one.event == "sample"]  # fmt: skip
    if findings:
        raise InputError(findings)


def _candidates(
    decisions: Sequence[Decision], plan: CultureRun, count: int, seed: int
) -> tuple[np.ndarray, list[str]]:
    """Return values of candidates, (candidates, decisions), and of which kind each is."""
    k = len(decisions)
    lower, upper = (np.array([getattr(one, end) for one in decisions]) for end in ("lower", "upper"))
    random = qmc.Sobol(k, rng=np.random.default_rng(seed)).random_base2(int(np.ceil(np.log2(max(count, 2)))))[:count]
    axes = [0.5 + 0.5 * side * np.eye(k)[j] for j in range(k) for side in (-1.0, 1.0)]
    corners = list(itertools.product((0.0, 1.0), repeat=k)) if k <= _MOST_CORNERS else []
    places = [*((place, _RANDOM) for place in random), *((np.array(place), "corner") for place in corners),
              *((place, "axis") for place in axes), (np.full(k, 0.5), "centre")]  # fmt: skip
    rows = [[one.rounded(float(value)) for one, value in zip(decisions, lower + (upper - lower) * place, strict=True)]
            for place, _ in places]  # fmt: skip
    kinds = [kind for _, kind in places]
    return np.array([*rows, [one.present(plan) for one in decisions]]), [*kinds, "plan"]


def _is_kept(source: FitSource, plan: CultureRun, decisions: Sequence[Decision], goals: Goals, row: np.ndarray) -> bool:
    """Return whether a candidate keeps the constraints, and starves no cells that were never without a substrate."""
    judged = source.judge(plan, decisions, row, goals)
    if not np.all(np.isfinite(judged.objective)):
        return False
    return Verdict(judged, 0.0).broken <= _KEPT


def _drawn(fit: Fit, draws: int, seed: int, group: str | None = None) -> np.ndarray:
    """Return draws (draws, learned), the estimate first, parameters on their own scales."""
    estimate, covariance = scaled_estimate(fit, group=group), known_covariance(fit)
    size, vectors = np.linalg.eigh(covariance)
    random = np.random.default_rng(seed).standard_normal((max(draws, 1) - 1, len(size)))
    moved = (random * np.sqrt(np.maximum(size, 0.0))) @ vectors.T
    table = fit.model.table
    rows = [table[row.name] for row in fit.estimates]
    found = np.vstack([estimate, estimate + moved])
    for j, row in enumerate(rows):
        low, high = np.log(row.bounds) if row.log_scale else np.array(row.bounds)
        found[:, j] = np.clip(found[:, j], low, high)
    return found


def _posterior(information: np.ndarray, precision: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Return the precision (draws, learned, learned) after the chosen runs."""
    return precision + np.sum(information[list(chosen)], axis=0)


def _for_parameters(information: np.ndarray, covariance: np.ndarray) -> Task:
    """Return the task of the D-criterion, averaged over draws."""
    precision = np.linalg.inv(covariance)
    start, count = np.linalg.slogdet(precision)[1], len(precision)

    def worth(chosen: Sequence[int]) -> float:
        return float(np.mean(np.linalg.slogdet(_posterior(information, precision, chosen))[1]) - start)

    return Task("parameters", worth, lambda gain: float(np.exp(-0.5 * gain / count)),
                "standard deviation of the parameters, times that of now (geometric mean)")  # fmt: skip


def _of_plans(found: Sensitivities, kinds: Sequence[str]) -> tuple[str, str, Sensitivities]:
    """Return what is predicted of the random candidates, with the purpose and words for its error."""
    within = [i for i, kind in enumerate(kinds) if kind == _RANDOM] or list(range(len(kinds)))
    words = "standard deviation of predictions of plans within the bounds, as a part of the largest values"
    return PREDICTIONS, words, Sensitivities(*(part[within] for part in found))


def _of_target(fit: Fit, target: CultureRun, drawn: np.ndarray, group: str | None) -> tuple[str, str, Sensitivities]:
    """Return what is predicted of a target, as of one plan, with the purpose and words for its error."""
    ahead = sensitivities(fit, target, (), np.zeros((1, 0)), Assays.of(fit, target), drawn, group)
    if not np.all(np.isfinite(ahead.values)):
        raise FitError(f"design: the target '{target.name}' cannot be simulated in all draws; simulate it with the "
                       "fitted model and see its status.")  # fmt: skip
    words = f"standard deviation of the prediction of '{target.name}', as a part of the largest values"
    return "prediction", words, ahead


def _for_predictions(of: tuple[str, str, Sensitivities], information: np.ndarray, covariance: np.ndarray) -> Task:
    """Return the task of the error of predictions, averaged over plans, draws, quantities and times."""
    purpose, words, ahead = of
    largest = np.maximum(np.max(np.abs(ahead.values), axis=(0, 1, 2)), 1e-12)
    slopes = np.swapaxes(ahead.slopes / largest[:, None], 0, 1).reshape(ahead.values.shape[1], -1, len(covariance))
    # the mean variance is the trace of covariance times this
    weight = np.swapaxes(slopes, 1, 2) @ slopes / slopes.shape[1]
    precision = np.linalg.inv(covariance)

    def worth(chosen: Sequence[int]) -> float:
        after = np.linalg.solve(_posterior(information, precision, chosen) + np.zeros_like(weight), weight)
        return -float(np.mean(np.trace(after, axis1=1, axis2=2)))

    return Task(purpose, worth, lambda value: float(np.sqrt(max(-value, 0.0))), words)


class _Rival(NamedTuple):
    """What another model predicts of the candidates, in the units of the first.

    Attributes:
        columns: of the quantities that both models have, among those of the assays.
        found: values and derivatives at its estimate.
        covariance: (learned, learned) of its parameters.
        start_sd: (species,) [1] errors of its uncertain starts.
    """

    columns: list[int]
    found: Sensitivities
    covariance: np.ndarray
    start_sd: np.ndarray


def _rival_of(
    fit: Fit, other: Fit, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, assays: Assays,
    group: str | None,
) -> _Rival:  # fmt: skip
    """Return what another model predicts of the candidates."""
    shared = [name for name in assays.quantities if name in other.model.quantities]
    if not shared:
        raise FitError("design: the two models have no measured quantity in common.")
    of = other.group_of(plan.name, group if other.group_effects is not None else None)
    both = replace(assays, quantities=tuple(shared))
    found = sensitivities(other, plan, decisions, values, both, _drawn(other, 1, 0, of), of)
    factors = []
    for name in shared:
        mass = molar_mass_of(fit.model, name, plan) or molar_mass_of(other.model, name, plan)
        try:
            factors.append(float(convert_amount(1.0, other.model.unit(name), fit.model.unit(name), mass)))
        except UnitError as error:
            raise FitError(f"design: {name} of the two models cannot be compared: {error}; give both models one "
                           "unit, or leave out the other one.") from None  # fmt: skip
    scale = np.array(factors)
    found = Sensitivities(found.values * scale, *(part * scale[:, None] for part in (found.slopes, found.starts)))
    return _Rival([assays.quantities.index(name) for name in shared], found, known_covariance(other),
                  _start_sd(other, plan))  # fmt: skip


def _start_sd(fit: Fit, plan: CultureRun) -> np.ndarray:
    """Return the errors (species,) [1] of the uncertain starts of a plan; none where a fit has exact ones."""
    known = None if fit.initial_states is None else fit.initial_states.of_run(plan, fit.model)
    return np.zeros(0) if known is None else np.nan_to_num(known.sd)


def _between_models(
    found: Sensitivities, start_sd: np.ndarray, covariance: np.ndarray, rival: _Rival, assays: Assays
) -> Task:
    """Return the task of telling two models apart: how far their predictions differ, in what both leave open.

    Errors of the assays and of the starts are those of one run; those of the parameters are shared by all runs, so a
    difference that another parameter explains tells nothing, however often it is measured.
    """
    shared = np.asarray(block_diag(covariance, rival.covariance))
    count, learned = len(found.values), len(shared)
    # of a candidate that the other model cannot simulate nothing is known, and it tells nothing
    squares, cross, information = np.zeros(count), np.zeros((count, learned)), np.zeros((count, learned, learned))
    for i in np.flatnonzero(np.all(np.isfinite(rival.found.values), axis=(1, 2, 3))):
        mean = found.values[i, 0][:, rival.columns]
        gap = (mean - rival.found.values[i, 0]).ravel()
        slopes, starts = ([part[i, 0].reshape(gap.size, -1) for part in parts]
                          for parts in ((found.slopes[:, :, :, rival.columns], rival.found.slopes),
                                        (found.starts[:, :, :, rival.columns], rival.found.starts)))  # fmt: skip
        error = assays.sd(found.values[i, 0])[:, rival.columns].ravel()
        own = np.diag(error**2)
        for part, sd in zip(starts, (start_sd, rival.start_sd), strict=True):
            own += (part * sd) @ (part * sd).T if len(sd) else 0.0
        both = np.hstack([slopes[0], -slopes[1]])
        weighed = np.linalg.solve(own, np.column_stack([gap, both]))
        squares[i], cross[i], information[i] = gap @ weighed[:, 0], both.T @ weighed[:, 0], both.T @ weighed[:, 1:]

    def worth(chosen: Sequence[int]) -> float:
        of = list(chosen)
        moved = np.sum(cross[of], axis=0)
        # the inverse of D + J C J^T is D^-1 - D^-1 J (C^-1 + J^T D^-1 J)^-1 J^T D^-1; here for a singular C too
        inner = np.eye(learned) + shared @ np.sum(information[of], axis=0)
        return float(np.sum(squares[of]) - moved @ np.linalg.solve(inner, shared @ moved))

    return Task("models", worth, lambda value: value, "chi-square between the two models in all samples of the runs")


def _best_set(worth: Callable[[Sequence[int]], float], count: int, wanted: int) -> list[int]:
    """Return the numbers of the best candidates: one after the other, then exchanged; one may be done twice."""
    chosen: list[int] = []
    for _ in range(wanted):
        chosen.append(max(range(count), key=lambda i: worth([*chosen, i])))
    for _ in range(_EXCHANGES):
        before = worth(chosen)
        for k in range(wanted):
            others = chosen[:k] + chosen[k + 1 :]
            best = max(range(count), key=lambda i: worth([*others, i]))
            if worth([*others, best]) > worth(chosen):
                chosen = [*others, best]
        if worth(chosen) <= before + 1e-9 * abs(before):
            break
    return sorted(chosen)


def _others(
    worth: Callable[[Sequence[int]], float], kinds: Sequence[str], count: int, seed: int
) -> dict[str, float]:
    """Return what other designs are worth on the mean, as far as there are enough candidates of their kinds."""
    random, found = np.random.default_rng(seed), {}
    for words, of in (("random plans", (_RANDOM,)), ("random corners of the bounds", ("corner",)),
                      ("random points of a central composite design", ("corner", "axis", "centre"))):  # fmt: skip
        there = [i for i, kind in enumerate(kinds) if kind in of]
        if len(there) >= count:
            sets = [random.choice(there, count, replace=False).tolist() for _ in range(_RANDOM_SETS)]
            found[words] = float(np.mean([worth(one) for one in sets]))
    if "plan" in kinds:
        found["the plan again"] = worth([kinds.index("plan")] * count)
    return found


def _sd_after(information: np.ndarray, covariance: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Return the expected standard deviations after the chosen runs, (learned,)."""
    after = np.linalg.inv(_posterior(information, np.linalg.inv(covariance), chosen))
    return np.sqrt(np.mean(np.diagonal(after, axis1=1, axis2=2), axis=0))
