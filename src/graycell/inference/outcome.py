"""What a fit reached -> its result: estimates, covariance, and a status.

A model need not be what a fit expects of it: a trajectory may end early, a law may have no derivative at a point, a
matrix may not be decomposed. What was reached is a result all the same; what could not be computed is NaN and told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from graycell.cell.neural import with_weights
from graycell.errors import FitError
from graycell.inference.agreement import Agreement, agreement_of
from graycell.inference.group_effects import GroupEffects, groups_in_order
from graycell.inference.initial_error import InitialError
from graycell.inference.initial_states import InitialStates
from graycell.inference.likelihood import Objective, Parts, robust_linearisation
from graycell.inference.results import Estimate, Fit, FitSettings, FitStatus
from graycell.inference.stages import Stage, loop_of
from graycell.model import CultureModel
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import SimulationStatus, simulate

_FARTHEST = float(np.log(1e6 - 1.0))
"""[1] Coordinate of a point as near to a bound as where a fit may start: beyond it the slope of the logit vanishes in
rounding, and with it every derivative."""


class End(NamedTuple):
    """The point at which a fit ended.

    Attributes:
        x: (n,) coordinates.
        residuals: (residuals,) [standard errors] in the last stage; in that of the point where it cannot be simulated.
        jacobian: (residuals, n), or None where it is not finite.
        status: how the fit ended.
        stage: the stage of the residuals.
    """

    x: Float[np.ndarray, " n"]
    residuals: Float[np.ndarray, " residuals"]
    jacobian: Float[np.ndarray, "residuals n"] | None
    status: FitStatus
    stage: Stage


def ended_at(objective: Objective, stages: Sequence[Stage], reached: Sequence[np.ndarray], converged: bool) -> End:
    """Return the point at which a fit ended: the last, unless the model cannot be simulated there.

    Args:
        objective: of the fit.
        stages: of the fit, in order.
        reached: (n,) each, where attempts ended, the last one last.
        converged: whether the last stage did.

    Returns:
        The last point; else, of all that were reached, the best that can be simulated in the last stage, or the last
        that can be simulated in an earlier one.

    Raises:
        FitError: where no point can be simulated in any stage.
    """
    points = [_within(objective, x) for x in reached]
    for stage in reversed([stage for stage in stages if not stage.matching] or stages[-1:]):
        usable = []
        for x in reversed(points):
            value, jacobian = robust_linearisation(objective, x, loop_of(stage))
            if np.all(np.isfinite(value)):
                exact = jacobian if np.all(np.isfinite(jacobian)) else None
                usable.append(End(x, value, exact, _status(exact, stage is stages[-1], converged), stage))
                if x is points[-1] or exact is not None:
                    break  # the usual case: nothing else is evaluated
        if usable and usable[0].x is points[-1]:
            return usable[0]
        if usable:
            return min(usable, key=lambda end: float(end.residuals @ end.residuals))
    raise FitError(
        f"the model cannot be simulated to the end of every run at any of the {len(reached)} points that the fit "
        "started from or reached; give other starting values, or leave out the runs that it does not describe."
    )


def _status(jacobian: np.ndarray | None, in_last_stage: bool, converged: bool) -> FitStatus:
    if not in_last_stage:
        return FitStatus.last_stage_failed
    if jacobian is None:
        return FitStatus.no_derivative
    return FitStatus.converged if converged else FitStatus.out_of_iterations


def _within(objective: Objective, x: np.ndarray) -> np.ndarray:
    """Return coordinates of which those of parameters are not so near to a bound that derivatives vanish."""
    n = len(objective.names)
    if not n or np.max(np.abs(x[:n]), initial=0.0) <= _FARTHEST:
        return x
    return np.r_[np.clip(x[:n], -_FARTHEST, _FARTHEST), x[n:]]


def result_of(
    end: End,
    model: CultureModel,
    runs: Sequence[CultureRun],
    objective: Objective,
    settings: FitSettings,
    history: tuple[dict, ...],
    provenance: dict[str, Any],
    initial_error: InitialError | None = None,
    groups: Mapping[str, str] | None = None,
) -> Fit:
    """Return the result of a fit.

    Args:
        end: where it ended.
        model: as it was before.
        runs: that it was fitted to.
        objective: of the fit.
        settings: of the fit.
        history: its iterations.
        provenance: what it depends on.
        initial_error: of the initial concentrations of the runs, if those were estimated.
        groups: group of each run by its name, if parameters differ between groups.

    Returns:
        The fit, with standard errors of NaN where they cannot be computed.
    """
    x, coordinates, n = jnp.asarray(end.x), objective.coordinates, len(objective.names)
    parts = objective.parts(x)
    parameters, deviations, weights = parts.parameters, parts.per_run, parts.weights
    place = 1.0 / (1.0 + np.exp(-np.asarray(parameters)))
    slope = np.asarray(coordinates.upper - coordinates.lower) * place * (1.0 - place)
    covariance = np.full((objective.size, objective.size), np.nan)
    if end.jacobian is not None and end.status is not FitStatus.last_stage_failed:
        covariance = covariance_of(end.jacobian / np.r_[slope, np.ones(objective.size - n)])
    learned = np.r_[np.arange(n), np.arange(objective.size - weights.size, objective.size)]
    own = objective.first_of_groups + np.arange(objective.groups.size)
    initial = _initial_states(objective, runs, parts, covariance, np.r_[learned, own], initial_error)
    effects = _group_effects(objective, groups or {}, x, covariance, learned, own)
    covariance = covariance[np.ix_(learned, learned)]
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))[:n]
    rows = model.table.estimated
    # at a bound, a logarithm and back can miss it by a rounding
    lower, upper = np.array([row.bounds for row in rows], float).reshape(-1, 2).T
    values = np.clip(np.asarray(coordinates.values(parameters)), lower, upper)
    log = np.asarray(coordinates.log_scale)
    estimates = []
    for i, row in enumerate(rows):
        value, error = float(values[i]), float(values[i] * sd[i] if log[i] else sd[i])
        relative = error / abs(value) if value else np.inf if error > 0.0 else error
        estimates.append(
            Estimate(
                row.name, value, row.unit, error, relative, row.value,
                bool(not 0.01 < place[i] < 0.99), _sd_ratio(float(sd[i]), row.prior_sd),
            )
        )  # fmt: skip
    fitted = model.with_parameters({row.name: row.value for row in estimates})
    fitted = fitted.changed(nets=with_weights(model.nets, weights))
    per_run = {}
    if objective.per_run:
        of_groups = objective.groups.of_runs(parts.per_group)
        for run, deviation, of_group in zip(runs, deviations, of_groups, strict=True):
            values_of_run = objective.with_coordinates(x, deviation, of_group).parameters
            names = [objective.names[i] for i in objective.per_run]
            per_run[run.name] = {name: float(values_of_run[name]) for name in names}
    # the residuals of another stage are not those of the model
    cost = np.inf if end.status is FitStatus.last_stage_failed else 0.5 * float(end.residuals @ end.residuals)
    return Fit(
        fitted, tuple(runs), tuple(estimates), covariance, cost, end.status is FitStatus.converged, settings,
        history, provenance, per_run, end.status, initial, _agreement(end, objective), effects,
    )  # fmt: skip


def _agreement(end: End, objective: Objective) -> Agreement | None:
    """Return how the model agrees with its data; None where it cannot be simulated in the last stage."""
    if end.status is FitStatus.last_stage_failed:
        return None
    error, packed = np.asarray(objective.packed.standard_error), objective.packed
    residuals = end.residuals[: objective.run_count * objective.measured_count].reshape(error.shape)
    measured, below = np.isfinite(error), np.asarray(packed.below) > 0.0
    return agreement_of(objective.model.quantities, np.asarray(packed.end), residuals, measured, below)


def _group_effects(
    objective: Objective,
    groups: Mapping[str, str],
    x: Float[Array, " n"],
    covariance: np.ndarray,
    shared: np.ndarray,
    own: np.ndarray,
) -> GroupEffects | None:
    """Return what a fit found of groups; None where no parameter differs between them."""
    prior, deviation = objective.groups, objective.parts(x).per_group
    if not prior.size:
        return None
    names = [objective.names[i] for i in prior.per_group]
    values = [objective.with_coordinates(x, None, one).parameters for one in deviation]
    return GroupEffects(
        dict(groups),
        groups_in_order(list(groups), groups),
        tuple(names),
        np.asarray(prior.sd),
        np.asarray(deviation),
        np.array([[float(of_group[name]) for name in names] for of_group in values]),
        covariance[np.ix_(own, shared)],
        covariance[np.ix_(own, own)],
    )


def _initial_states(
    objective: Objective,
    runs: Sequence[CultureRun],
    parts: Parts,
    covariance: np.ndarray,
    shared: np.ndarray,
    error: InitialError | None,
) -> InitialStates | None:
    """Return the initial states that a fit found; None where they were exact. `covariance`: of all coordinates."""
    prior = objective.initial
    if error is None:
        return None
    carried, given = np.asarray(prior.carried), np.asarray(objective.packed.initial)
    own = [objective.model.species.index(name) for name in prior.species]
    uncertain = carried[:, np.arange(len(own)), own] > 0.0
    effects, common = objective.effects, len(prior.common)
    end = objective.first_of_groups - common
    rows = [
        np.r_[len(objective.names) + effects * i + np.arange(effects), end + np.arange(common)]
        for i in range(len(runs))
    ]
    return InitialStates(
        error,
        tuple(run.name for run in runs),
        prior.species,
        given[:, own],
        np.where(uncertain, np.asarray(prior.sd), np.nan),
        np.where(uncertain, np.asarray(parts.initial), 0.0),
        prior.names_of_common,
        np.asarray(prior.centre)[0] + np.asarray(parts.common),
        np.array([covariance[np.ix_(row, shared)] for row in rows]),
        np.array([covariance[np.ix_(row, row)] for row in rows]),
    )


def why_it_stops(model: CultureModel, runs: Sequence[CultureRun]) -> str:
    """Return a sentence on the first run that a model cannot be simulated for.

    Args:
        model: any model.
        runs: that it was to be fitted to.

    Returns:
        The sentence, with the time and the remedy of the status; empty if all runs can be simulated.
    """
    for run in runs:
        trajectory = simulate(model, run)
        if trajectory.status is not SimulationStatus.finished:
            finite = np.all(np.isfinite(np.asarray(trajectory.concentrations)), axis=1)
            near = float(np.max(np.asarray(trajectory.time)[finite], initial=0.0))
            return f"At the starting values run '{run.name}' stops near {near:.3g} d: {trajectory.status.remedy}"
    return ""


def require_simulated(residuals: np.ndarray) -> None:
    """Check that residuals are finite: else the model has no trajectory.

    Args:
        residuals: (residuals,) [standard errors].

    Raises:
        FitError: where one is not finite.
    """
    if not np.all(np.isfinite(residuals)):
        raise FitError("the model cannot be simulated at its parameters; simulate it first and see its status.")


def _sd_ratio(sd: float, prior_sd: float) -> float:
    return sd / prior_sd if np.isfinite(prior_sd) else float(np.isinf(sd)) if not np.isnan(sd) else sd


def covariance_of(jacobian: np.ndarray) -> np.ndarray:
    """Return the inverse of J^T J, with infinite variance for parameters in the null space of J.

    Args:
        jacobian: (residuals, n).

    Returns:
        (n, n); NaN where it cannot be computed.

    >>> covariance_of(np.array([[2.0, 0.0], [0.0, 0.5]]))
    array([[0.25, 0.  ],
           [0.  , 4.  ]])
    """
    n = jacobian.shape[1]
    unknown_all = np.full((n, n), np.nan)
    if not np.all(np.isfinite(jacobian)):
        return unknown_all
    try:
        _, singular, directions = np.linalg.svd(jacobian, full_matrices=False)
    except np.linalg.LinAlgError:
        try:  # slower, and converges where the usual method does not
            _, singular, directions = scipy.linalg.svd(jacobian, full_matrices=False, lapack_driver="gesvd")
        except np.linalg.LinAlgError:
            return unknown_all
    known = singular > np.max(singular, initial=0.0) * max(jacobian.shape) * np.finfo(float).eps
    # the square of a very small singular value has no inverse that a float can hold
    inverse = directions[known] / singular[known, None]
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = inverse.T @ inverse
    # a parameter has a part in the null space if that part is more than rounding
    unknown = np.sum(directions[~known] ** 2, axis=0) > 1e-12
    covariance[unknown, unknown] = np.inf
    return covariance
