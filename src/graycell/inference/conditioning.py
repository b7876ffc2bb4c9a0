"""conditioned: a fit that knows the samples of one more culture so far, by least squares over all of them.

The culture is simulated from its beginning, so a sample that comes late counts at its own time. Unknown are the
parameters, the weights of networks and the initial concentrations: what the fit says of them is the prior, the samples
are the rest. Everything that takes a fit, as `Fit.predict`, takes the result.
"""

import contextlib
import math
from dataclasses import replace
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.neural import weights_of, with_weights
from graycell.compiling import compiled_once
from graycell.engine import current_engine
from graycell.errors import FitError
from graycell.inference.agreement import Agreement, agreement_of
from graycell.inference.censoring import below_limit
from graycell.inference.coordinates import Coordinates
from graycell.inference.initial_error import InitialError
from graycell.inference.initial_prior import begun, initial_prior
from graycell.inference.initial_states import InitialStates
from graycell.inference.least_squares import Linearisation, Point, step
from graycell.inference.results import Estimate, Fit
from graycell.model import CultureModel
from graycell.packing import PackedRun, in_units_of, pack, stack
from graycell.packing.segments import breakpoints, standard_size
from graycell.provenance import hash_of_run
from graycell.runs.records import VCD, CultureRun, Measurement, Signal
from graycell.simulation.solve import Loop, SolverSettings, integrate
from graycell.simulation.trajectory import has_finished

CELL_COUNT_ERROR = 0.1
"""[1] Error of the first count of cells where the fit took starts as exact: counts err by 5 to 20 %."""
_SETTINGS = SolverSettings(rtol=1e-4, atol=1e-5, derivative_rtol=math.inf, adjoint=diffrax.ForwardMode())
_LEAST_GAIN, _MOST_STEPS = 1e-4, 40
"""The search ends where a step of Gauss and Newton would gain less than this part of the cost, or after so many."""
_SAMPLES_A_DAY = 2
"""Room for samples to come, so that one compiled function serves a whole culture."""


def scaled_estimate(fit: Fit, run: str = "", group: str | None = None) -> Float[np.ndarray, " learned"]:
    """Return what a fit learned: parameters on their own scales, then weights of networks.

    Args:
        fit: of a model.
        run: name of a run, whose own values are taken where it is one of the fit.
        group: of the run.

    Returns:
        (learned,)
    """
    table = fit.model_of(run, group).table
    rows = [table[row.name] for row in fit.estimates]
    weights = np.asarray(weights_of(fit.model.nets)) if fit.model.nets else np.zeros(0)
    return np.r_[np.asarray(Coordinates.of(rows).centre), weights]


def known_covariance(fit: Fit) -> Float[np.ndarray, "learned learned"]:
    """Return what is known before the next run: the covariance of a fit.

    What its runs do not determine has the variance of its prior, or that of a uniform distribution between its bounds.

    Args:
        fit: with a covariance.

    Returns:
        (learned, learned)

    Raises:
        FitError: the covariance could not be computed.
    """
    if not fit.has_covariance:
        raise FitError(f"fit of {fit.model.name}: found no covariance, so nothing says what is known before the next "
                       "run; fit again from other starting values.")  # fmt: skip
    table = fit.model.table
    coordinates = Coordinates.of([table[row.name] for row in fit.estimates])
    covariance, n = np.array(fit.covariance), len(fit.estimates)
    widest = np.square(np.asarray(coordinates.upper - coordinates.lower)) / 12.0
    widest = np.minimum(widest, np.square(np.asarray(coordinates.prior_sd)))
    widest = np.r_[widest, np.ones(len(covariance) - n)]
    unknown = ~np.isfinite(np.diag(covariance)) | (np.diag(covariance) > widest)
    covariance[unknown], covariance[:, unknown] = 0.0, 0.0
    covariance[unknown, unknown] = widest[unknown]
    return 0.5 * (covariance + covariance.T)


def conditioned(
    fit: Fit,
    run: CultureRun,
    *,
    group: str | None = None,
    initial_error: InitialError | float | None = None,
    before: Fit | None = None,
    settings: SolverSettings = _SETTINGS,
) -> Fit:
    """Return a fit that knows the samples of one more culture.

    Residuals count in the errors of the assays, and in the error of the model beside them in the runs of the fit, each
    for itself. Where a model errs in one direction for days, the result is surer than it should be.

    Args:
        fit: what is known without the culture, with a covariance.
        run: the culture, with its samples so far and its plan; it is none of the runs of the fit.
        group: of the culture, where parameters differ between groups.
        initial_error: of its initial concentrations; that of the fit if left out, or, where the fit took them as exact,
            10 % of the cells.
        before: what was known at an earlier sample, where the search starts.
        settings: of the solver.

    Returns:
        A fit of the culture alone, whose parameters and initial concentrations are those of this culture, with their
        joint covariance.

    Raises:
        FitError: the fit has no covariance, knows the culture already, or cannot simulate it.
        InputError: the culture does not fit the model.
    """
    prior = Prior.of(fit, run, fit.group_of(run.name, group), initial_error)
    asked = prior.asked(fit, run, settings)
    start = np.zeros(prior.whitened) if before is None else prior.place_of(before)

    def linearise(x: np.ndarray) -> Linearisation:
        value, slope = _sloped(asked, prior.unknowns(x), prior.spread)
        return Linearisation(np.r_[value, x], np.vstack([slope, np.eye(len(x))]))

    at = linearise(start)
    if not np.isfinite(at.cost) and np.any(start):
        start = np.zeros(prior.whitened)
        at = linearise(start)
    if not np.isfinite(at.cost):
        raise FitError(f"run '{run.name}' cannot be simulated to its last sample with what the fit knows; simulate it "
                       "and see its status.")  # fmt: skip
    now = Point(start, cost=at.cost)
    while not _is_least(at) and now.iteration < _MOST_STEPS:
        now, at = step(now, at, linearise, _LEAST_GAIN)
    count, x = len(at.residuals) - prior.whitened, now.x
    if _is_least(at):  # the last step is not damped, and too small to be looked at
        x = x - _newton(at)[0]
    hessian = np.eye(prior.whitened) + at.jacobian[:count].T @ at.jacobian[:count]
    covariance = prior.spread @ np.linalg.solve(hessian, prior.spread.T)
    agreement = _agreement(asked, at.residuals[:count])
    return _fit_of(fit, run, prior, prior.unknowns(x), covariance, at.cost, agreement, _is_least(at))


def _is_least(at: Linearisation) -> bool:
    """Return whether the next step would gain next to nothing, so that no refused step is taken for an end."""
    return _newton(at)[1] < _LEAST_GAIN * max(at.cost, 1.0)


def _newton(at: Linearisation) -> tuple[np.ndarray, float]:
    """Return the negative of a step of Gauss and Newton, and what it would gain."""
    gradient, hessian = at.jacobian.T @ at.residuals, at.jacobian.T @ at.jacobian
    move = np.linalg.solve(hessian, gradient)
    return move, 0.5 * float(gradient @ move)


class Prior(NamedTuple):
    """What is known of a culture before its samples: a normal distribution of what is unknown.

    Attributes:
        model: of the culture, with the values of its group.
        names: of the parameters.
        coordinates: of the parameters, around the values of the culture.
        learned: number of parameters and weights.
        mean: (unknowns,) parameters on their own scales, weights, deviations of initial concentrations.
        spread: (unknowns, whitened) the root of the covariance.
        error: of initial concentrations; None where they are exact.
        species: whose initial concentrations are uncertain.
        given: (species,) given concentrations.
        sd: (species,) their errors [1]; NaN where they are exact.
        carried: (species, species of the model) which of them each deviation moves.
    """

    model: CultureModel
    names: tuple[str, ...]
    coordinates: Coordinates
    learned: int
    mean: np.ndarray
    spread: np.ndarray
    error: InitialError | None
    species: tuple[str, ...]
    given: np.ndarray
    sd: np.ndarray
    carried: np.ndarray

    @classmethod
    def of(
        cls, fit: Fit, run: CultureRun, group: str | None, initial_error: InitialError | float | None
    ) -> "Prior":
        """Return what a fit says of a new culture.

        Args:
            fit: with a covariance.
            run: the culture.
            group: of it; None for none.
            initial_error: see `conditioned`.

        Returns:
            The prior.

        Raises:
            FitError: the fit has no covariance, or knows the culture already.
        """
        if run.name in {one.name for one in fit.runs}:
            raise FitError(f"run '{run.name}' is one of the runs of the fit, so its samples would count twice; fit "
                           "again without it, or give the culture another name.")  # fmt: skip
        model, states = fit.model_of(run.name, group), fit.initial_states
        rows = [model.table[row.name] for row in fit.estimates]
        covariance, mean = known_covariance(fit), scaled_estimate(fit, run.name, group)
        between, effects = np.array([row.between_runs_sd for row in rows]), fit.group_effects
        if effects is not None and group is not None and group in effects.names:
            covariance = _of_group(fit, covariance, group)
        elif effects is not None:
            between = np.hypot(between, [row.between_groups_sd for row in rows])
        covariance[np.arange(len(rows)), np.arange(len(rows))] += between**2
        error = InitialError.of(initial_error)
        if error is None and states is not None:
            error = states.error
        elif error is None and (model.biomass is not None or VCD in model.species):
            error = InitialError({VCD: CELL_COUNT_ERROR})
        known, centre, sd = None, np.zeros(0), np.zeros(0)
        if error is not None:
            if states is None or initial_error is not None:
                states = _states_of(error, run, model)
            if states is not None:
                known = states.of_run(run, model)
                centre, sd = states.of_new(known, model)
        learned, total = len(mean), len(mean) + len(sd)
        whole = np.zeros((total, total))
        whole[:learned, :learned] = covariance
        whole[np.arange(learned, total), np.arange(learned, total)] = sd**2
        size, vectors = np.linalg.eigh(whole)
        there = size > 1e-15 * np.max(size, initial=0.0)
        return cls(
            model, tuple(row.name for row in fit.estimates), Coordinates.of(rows), learned, np.r_[mean, centre],
            (vectors * np.sqrt(np.maximum(size, 0.0)))[:, there], None if known is None else error,
            () if known is None or states is None else states.species, np.zeros(0) if known is None else known.given,
            np.zeros(0) if known is None else known.sd,
            np.zeros((0, len(model.species))) if known is None else known.carried,
        )  # fmt: skip

    @property
    def whitened(self) -> int:
        """Number of coordinates of a search."""
        return self.spread.shape[1]

    def unknowns(self, x: np.ndarray) -> np.ndarray:
        """Return what is unknown.

        Args:
            x: (whitened,) coordinates of a search.

        Returns:
            (unknowns,)
        """
        return self.mean + self.spread @ x

    def place_of(self, fit: Fit) -> np.ndarray:
        """Return the coordinates of what an earlier call found of the same culture.

        Args:
            fit: what it returned.

        Returns:
            (whitened,); 0 where that does not fit.
        """
        start = np.zeros(len(self.species)) if fit.initial_states is None else fit.initial_states.deviation[0]
        there = np.r_[scaled_estimate(fit), start]
        if len(there) != len(self.mean):
            return np.zeros(self.whitened)
        return np.linalg.lstsq(self.spread, there - self.mean, rcond=None)[0]

    def asked(self, fit: Fit, run: CultureRun, settings: SolverSettings) -> "_Asked":
        """Return what is compiled: the culture up to its last sample, padded for samples to come.

        Args:
            fit: without the culture.
            run: the culture.
            settings: of the solver.

        Returns:
            It.
        """
        last = max(run.last_sample, 0.0)
        room = _SAMPLES_A_DAY * math.ceil(run.end) + 1
        segments = room + len(breakpoints(replace(run, measurements={})))
        every = (*run.measurements.values(), *run.signals.values())
        packed = pack(run.ended_at(last), self.model, segments=segments, media=len(run.media),
                      points=standard_size(max([room, *map(_length, every)])))
        if self.error is not None:  # a sample that the start was taken from counts once
            with contextlib.suppress(FitError):  # where the run has no sample at time 0, nothing is repeated
                stacked = initial_prior(self.error, [run.ended_at(last)], self.model, stack([packed]))[1]
                packed = jax.tree.map(lambda leaf: leaf[0], stacked)
        wrong, runs = fit.model_errors, [in_units_of(one, self.model) for one in fit.runs]
        errors = [_beside_assays([one.measurements[name] for one in runs if name in one.measurements], wrong[name])
                  for name in self.model.quantities]  # fmt: skip
        return _Asked(self.model, packed, self.coordinates, self.names, jnp.asarray(self.carried), jnp.asarray(errors),
                      settings)  # fmt: skip


def _of_group(fit: Fit, covariance: np.ndarray, group: str) -> np.ndarray:
    """Return the covariance of the parameters of a group, shared values and deviations together."""
    effects, learned = fit.group_effects, len(covariance)
    assert effects is not None
    sure = np.isfinite(np.diag(fit.covariance)) & (np.diag(covariance) == np.diag(np.asarray(fit.covariance)))
    whole = effects.with_groups(covariance, sure)
    both = np.eye(learned, len(whole))
    names = [row.name for row in fit.estimates]
    for name, column in zip(effects.parameters, effects.columns(group).tolist(), strict=True):
        both[names.index(name), learned + column] = 1.0
    return both @ whole @ both.T


def _length(series: Measurement | Signal) -> int:
    return len(series.time)


def _states_of(error: InitialError, run: CultureRun, model: CultureModel) -> InitialStates | None:
    """Return initial states that know of no run yet; None where nothing of a run is uncertain."""
    try:
        prior = initial_prior(error, [run], model, stack([pack(run, model)]))[0]
    except FitError:
        return None
    none, count = np.zeros((0, len(prior.species))), len(prior.species)
    return InitialStates(error, (), prior.species, none, none, none, (), np.zeros(0), np.zeros((0, count, 0)),
                         np.zeros((0, count, count)))  # fmt: skip


def _beside_assays(series: list[Measurement], wrong: float) -> float:
    """Return the error of a model beside those of the assays, in the unit of the quantity; 0 without measurements."""
    if not series:
        return 0.0
    value, error = (np.concatenate([getattr(one, name) for one in series]) for name in ("value", "standard_error"))
    largest, finite = float(np.max(np.abs(value))), np.isfinite(error)
    of_assays = float(np.mean(error[finite] ** 2)) if np.any(finite) else 0.0
    return math.sqrt(max((wrong * largest) ** 2 - of_assays, 0.0))


class _Asked(NamedTuple):
    """What is asked of a culture.

    Attributes:
        model: of the culture.
        packed: the culture up to its last sample.
        coordinates: of the parameters.
        names: of the parameters.
        carried: which species uncertain starts move.
        errors: (quantities,) of the model, beside those of the assays.
        settings: of the solver.
    """

    model: CultureModel
    packed: PackedRun
    coordinates: Coordinates
    names: tuple[str, ...]
    carried: Array
    errors: Array
    settings: SolverSettings


def _sloped(asked: _Asked, unknowns: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals (n,), and their derivatives (n, whitened) by the coordinates of a search, on all cores."""
    engine = current_engine().here
    columns = spread.shape[1]
    each = max(math.ceil(columns / engine.jobs), 1)
    padded = np.hstack([spread, np.zeros((len(spread), -columns % each))]).T.reshape(-1, each, len(spread))

    def some(directions: np.ndarray):
        return jax.tree.map(np.asarray, _pushed(asked, jnp.asarray(unknowns), jnp.asarray(directions)))

    found = engine.map(some, [(directions,) for directions in padded])
    return found[0][0], np.concatenate([slope for _, slope in found])[:columns].T


@compiled_once
def _pushed(asked: _Asked, unknowns: Array, directions: Array) -> tuple[Array, Array]:
    """Return residuals (n,), and their derivatives (directions, n) along some directions."""

    def along(direction):
        return jax.jvp(lambda of: _residuals(asked, of), (unknowns,), (direction,))

    value, slope = jax.vmap(along)(directions)
    return value[0], slope


def _residuals(asked: _Asked, unknowns: Array) -> Array:
    n, s, packed = len(asked.names), asked.carried.shape[0], asked.packed
    scaled = jnp.clip(unknowns[:n], asked.coordinates.lower, asked.coordinates.upper)
    parameters = asked.coordinates.unscaled(scaled)
    changed = asked.model.with_parameters({name: parameters[i] for i, name in enumerate(asked.names)})
    changed = changed.changed(nets=with_weights(changed.nets, unknowns[n : len(unknowns) - s]))
    path = integrate(changed, begun(packed, unknowns[len(unknowns) - s :], asked.carried), Loop(), asked.settings)
    finished = has_finished(path)
    there = jnp.isfinite(packed.standard_error) & jnp.isfinite(packed.measured)
    sd = jnp.where(there, jnp.hypot(jnp.where(there, packed.standard_error, 1.0), asked.errors[None, :]), 1.0)
    misfit = jnp.where(there, path.predicted - jnp.where(there, packed.measured, 0.0), 0.0) / sd
    found = jnp.where(there & (packed.below > 0.0), below_limit(misfit), misfit)
    return jnp.where(finished, found, jnp.nan).ravel()


def _agreement(asked: _Asked, residuals: np.ndarray) -> Agreement:
    """Return how the model agrees with the samples of the culture, in errors of assays and of the model."""
    error = np.asarray(asked.packed.standard_error)
    measured, below = np.isfinite(error), np.asarray(asked.packed.below) > 0.0
    apart, time = residuals.reshape(error.shape), np.asarray(asked.packed.end)
    return agreement_of(asked.model.quantities, time[None], apart[None], measured[None], below[None])


def _fit_of(
    fit: Fit, run: CultureRun, prior: Prior, unknowns: np.ndarray, covariance: np.ndarray, cost: float,
    agreement: Agreement, converged: bool,
) -> Fit:  # fmt: skip
    """Return the fit of the culture alone."""
    n, learned = len(prior.names), prior.learned
    scaled = np.clip(unknowns[:n], prior.coordinates.lower, prior.coordinates.upper)
    values, log = np.asarray(prior.coordinates.unscaled(jnp.asarray(scaled))), np.asarray(prior.coordinates.log_scale)
    sd, before = np.sqrt(np.maximum(np.diag(covariance), 0.0)), np.sqrt(np.sum(prior.spread**2, axis=1))
    estimates = []
    for k, row in enumerate(fit.estimates):
        value, error = float(values[k]), float(values[k] * sd[k] if log[k] else sd[k])
        relative = error / abs(value) if value else (np.inf if error > 0.0 else error)
        ratio = float(sd[k] / before[k]) if before[k] > 0.0 else 1.0
        estimates.append(Estimate(row.name, value, row.unit, error, relative, row.value, False, ratio))
    model = prior.model
    for name in prior.names:  # this culture is one run, of one group
        model = model.with_table(model.table.with_changes(name, between_runs_sd=0.0, between_groups_sd=0.0,
                                                          between_runs_estimated=False,
                                                          between_groups_estimated=False))  # fmt: skip
    model = model.with_parameters({name: jnp.asarray(value) for name, value in zip(prior.names, values, strict=True)})
    model = model.changed(nets=with_weights(model.nets, jnp.asarray(unknowns[n:learned])))
    initial = None
    if prior.error is not None:
        initial = InitialStates(
            prior.error, (run.name,), prior.species, prior.given[None], prior.sd[None],
            np.where(np.isfinite(prior.sd), unknowns[learned:], 0.0)[None], (), np.zeros(0),
            covariance[None, learned:, :learned], covariance[None, learned:, learned:],
        )  # fmt: skip
    provenance = {**fit.provenance, "conditioned on": {"run": run.name, "sha256": hash_of_run(run)}}
    return replace(
        fit, model=model, runs=(run,), estimates=tuple(estimates), covariance=covariance[:learned, :learned], cost=cost,
        converged=converged, status=None, history=(), provenance=provenance, per_run={}, initial_states=initial,
        agreement=agreement, group_effects=None,
    )  # fmt: skip
