"""The objective of a fit: residuals of measurements, weighted by assay error, and of priors."""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.cell.neural import PRIOR, weight_labels, with_weights
from graycell.compiling import compiled_once
from graycell.engine import current_engine
from graycell.inference.censoring import below_limit
from graycell.inference.coordinates import Coordinates
from graycell.inference.group_effects import GroupPrior
from graycell.inference.initial_prior import InitialPrior, begun
from graycell.model import CultureModel
from graycell.packing import PackedRun
from graycell.parameters import Parameter
from graycell.simulation.solve import Loop, SolverSettings, integrate, usable


class Objective(eqx.Module):
    """Residuals of a model on packed runs as a function of coordinates x; a PyTree, so it compiles once.

    x holds the estimated parameters (see `Coordinates`), then the random effects of every run: the deviations from the
    shared values, for the parameters that differ between runs, and those of its true from its given initial
    concentrations (see `InitialPrior`); then the common means of initial concentrations, the random effects of groups
    of runs (see `GroupPrior`), and the weights of the networks.

    Attributes:
        model: at the values where the fit starts.
        packed: the runs, with a leading axis.
        coordinates: of the estimated parameters.
        between_runs_sd: (per_run,) standard deviations between runs, on the parameters' own scales.
        weights_sd: (weights,) [1] standard deviation of the prior of every weight, around 0.
        initial: priors of the initial concentrations; of none, where the given ones are exact.
        groups: priors of the effects of groups; of none, where no parameter differs between groups.
        settings: of the ODE solver.
        names: of the estimated parameters.
        per_run: indices of the parameters that differ between runs.
    """

    model: CultureModel
    packed: PackedRun
    coordinates: Coordinates
    between_runs_sd: Float[Array, " per_run"]
    weights_sd: Float[Array, " weights"]
    initial: InitialPrior
    groups: GroupPrior
    settings: SolverSettings = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    per_run: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return self.first_of_groups + self.groups.size + self.weights_sd.shape[0]

    @property
    def first_of_groups(self) -> int:
        """Where the effects of groups begin in x."""
        return len(self.names) + self.run_count * self.effects + len(self.initial.common)

    @property
    def effects(self) -> int:
        """How many random effects each run has."""
        return len(self.per_run) + len(self.initial.species)

    @property
    def prior_count(self) -> int:
        """How many residuals of priors there are: one a coordinate, and those of runs around their common means."""
        return self.size + self.run_count * len(self.initial.common)

    @property
    def run_count(self) -> int:
        """How many runs there are."""
        return self.packed.start.shape[0]

    @property
    def measured_count(self) -> int:
        """How many residuals of measurements each run has, those that were not taken included."""
        return math.prod(self.packed.standard_error.shape[1:])

    def of_run(self, i: int) -> "Objective":
        """Return the objective of one run alone, with the same priors.

        Args:
            i: number of the run.

        Returns:
            An objective of one run; all runs share one compiled function.
        """
        packed, initial = jax.tree.map(lambda leaf: leaf[i : i + 1], (self.packed, self.initial))
        return replace(self, packed=packed, initial=initial, groups=self.groups.of_one_run())

    def coordinates_of_run(self, i: int, group: int | None = None) -> np.ndarray:
        """Return which coordinates the objective of one run has.

        Args:
            i: number of the run.
            group: number of a group; that of the run if left out.

        Returns:
            Their indices in x.
        """
        n, count, first = len(self.names), self.effects, self.first_of_groups
        deviations, each = n + count * i + np.arange(count), self.groups.shape[1]
        own = first + each * (self.groups.number_of(i) if group is None else group) + np.arange(each)
        common, weights = np.arange(n + count * self.run_count, first), np.arange(first + self.groups.size, self.size)
        return np.r_[np.arange(n), deviations, common, own, weights]

    def rows_of_run(self, i: int) -> np.ndarray:
        """Return which residuals the objective of one run has.

        Args:
            i: number of the run.

        Returns:
            Their indices among all residuals: those of its measurements, then of priors.
        """
        measured, priors, common = self.measured_count, self.run_count * self.measured_count, len(self.initial.common)
        between = priors + self.size + common * i + np.arange(common)
        return np.r_[i * measured + np.arange(measured), priors + self.coordinates_of_run(i), between]

    def labels(self, runs: Sequence[str], groups: Sequence[str] = ()) -> list[str]:
        """Return a name for every coordinate, such as vmax1f, vmax1f of run07, VCD at time 0 of run07, v17.hidden[2].

        Args:
            runs: names of the runs.
            groups: names of the groups, where parameters differ between them.

        Returns:
            The names in the order of x.
        """
        effects = [*(self.names[i] for i in self.per_run), *(f"{name} at time 0" for name in self.initial.species)]
        per_run = [f"{name} of {run}" for run in runs for name in effects]
        common = [f"common {name} at time 0" for name in self.initial.names_of_common]
        per_group = [f"{self.names[i]} of group {group}" for group in groups for i in self.groups.per_group]
        return [*self.names, *per_run, *common, *per_group, *weight_labels(self.model.nets)]

    def parts(self, x: Float[Array, " n"]) -> "Parts":
        """Return the parts of x.

        Args:
            x: (n,) coordinates.

        Returns:
            The parts.
        """
        n, p, count = len(self.names), len(self.per_run), self.run_count * self.effects
        each, first = x[n : n + count].reshape(self.run_count, self.effects), self.first_of_groups
        end = first + self.groups.size
        groups = x[first:end].reshape(self.groups.shape)
        return Parts(x[:n], each[:, :p], each[:, p:], x[n + count : first], groups, x[end:])

    def join(self, parameters: Array, weights: Array) -> Array:
        """Return x with deviations of 0, and common means at the mean of the given values.

        Args:
            parameters: coordinates of the parameters.
            weights: (weights,) [1].

        Returns:
            (n,)
        """
        zeros = jnp.zeros(self.first_of_groups - len(self.names) + self.groups.size)
        return jnp.concatenate([parameters, zeros, weights])

    def with_coordinates(
        self,
        x: Float[Array, " n"],
        deviations: Float[Array, " per_run"] | None = None,
        of_group: Float[Array, " per_group"] | None = None,
    ) -> CultureModel:
        """Return the model at coordinates.

        Args:
            x: (n,) coordinates.
            deviations: (per_run,) of one run; 0 if left out.
            of_group: (per_group,) deviations of its group; 0 if left out.

        Returns:
            The model of that run.
        """
        parameters, *_, weights = self.parts(x)
        scaled = self.coordinates.scaled(parameters)
        if deviations is not None and self.per_run:
            scaled = scaled.at[jnp.array(self.per_run)].add(deviations)
        if of_group is not None and self.groups.per_group:
            scaled = scaled.at[jnp.array(self.groups.per_group)].add(of_group)
        values = self.coordinates.unscaled(scaled)
        learned = {name: values[i] for i, name in enumerate(self.names)}
        model = self.model.with_parameters(learned)
        return model.changed(nets=with_weights(model.nets, weights))

    def predicted(self, x: Float[Array, " n"], loop: Loop, horizon: Array) -> Float[Array, "runs segments quantities"]:
        """Return the predicted measurements of every run at the end of every segment.

        Args:
            x: (n,) coordinates.
            loop: how far the loops are open.
            horizon: [d] to which the runs are simulated.

        Returns:
            (runs, segments, quantities) in internal units, see `CultureModel.quantities`.
        """
        parts = self.parts(x)

        def of_run(run):
            packed, deviations, initial, carried, of_group = run
            model = self.with_coordinates(x, deviations, of_group)
            if self.initial.species:
                packed = begun(packed, initial, carried)
            return _usable_predictions(model, until(packed, horizon), loop, self.settings)

        # one run after the other: mapped together, every run would wait for the one with the most steps
        of_groups = self.groups.of_runs(parts.per_group)
        return lax.map(of_run, (self.packed, parts.per_run, parts.initial, self.initial.carried, of_groups))

    def residuals(self, x: Float[Array, " n"], loop: Loop, horizon: Array) -> Float[Array, " residuals"]:
        """Return all residuals.

        Args:
            x: (n,) coordinates.
            loop: how far the loops are open.
            horizon: [d] to which the runs are simulated.

        Returns:
            (residuals,) [standard errors] of measurements, 0 beyond the horizon, then of priors.
        """
        asked = self.packed.end[..., None] <= horizon
        return self.misfits(x, self.predicted(x, loop, horizon), asked)

    def misfits(self, x: Array, predicted: Array, asked: Array) -> Float[Array, " residuals"]:
        """Return all residuals of predictions.

        Args:
            x: (n,) coordinates.
            predicted: (runs, segments, quantities) in internal units.
            asked: (runs, segments, 1) whether the measurements there count.

        Returns:
            (residuals,) [standard errors] of measurements, 0 where nothing was measured, then of priors.
        """
        measured = jnp.isfinite(self.packed.standard_error) & asked
        error = jnp.where(measured, self.packed.standard_error, 1.0)
        misfit = (predicted - jnp.nan_to_num(self.packed.measured)) / error
        misfit = jnp.where(self.packed.below > 0.0, below_limit(misfit), misfit)
        parts, initial = self.parts(x), self.initial
        per_run = parts.per_run / self.between_runs_sd[None, :]
        between = []
        if initial.species:
            per_run = jnp.concatenate([per_run, parts.initial / initial.sd], axis=1)
            # a common mean has no prior: it is known from the runs
            between = [jnp.zeros(len(initial.common)), initial.between(parts.initial, parts.common).ravel()]
        per_group = parts.per_group / self.groups.sd[None, :]
        priors = [self.coordinates.prior_residuals(parts.parameters), per_run.ravel(), *between[:1], per_group.ravel(),
                  parts.weights / self.weights_sd, *between[1:]]  # fmt: skip
        return jnp.concatenate([jnp.where(measured, misfit, 0.0).ravel(), *priors])


class Parts(NamedTuple):
    """The parts of the coordinates of an `Objective`.

    Attributes:
        parameters: coordinates of the estimated parameters.
        per_run: (runs, per_run) deviations of the parameters that differ between runs.
        initial: (runs, species) deviations of the uncertain initial concentrations.
        common: common means of initial concentrations, see `InitialPrior`.
        per_group: (groups, per_group) deviations of the parameters that differ between groups.
        weights: (weights,) of the networks.
    """

    parameters: Float[Array, " parameters"]
    per_run: Float[Array, "runs per_run"]
    initial: Float[Array, "runs species"]
    common: Float[Array, " common"]
    per_group: Float[Array, "groups per_group"]
    weights: Float[Array, " weights"]


def until(packed: PackedRun, horizon: Array) -> PackedRun:
    """Return a packed run that ends at a horizon; segments beyond it get length 0.

    Args:
        packed: see `packing.pack`.
        horizon: [d].

    Returns:
        The shorter run, of the same shape.
    """
    return replace(packed, start=jnp.minimum(packed.start, horizon), end=jnp.minimum(packed.end, horizon))


def _usable_predictions(model: CultureModel, packed: PackedRun, loop: Loop, settings: SolverSettings) -> Array:
    """Return the predictions, NaN where the solver, a flux projection or a loop failed: the fit then refuses the step.

    A solver that ran out of steps leaves the state that it reached, which is no prediction of what was measured later.
    """
    path = integrate(model, packed, loop, settings)
    kept = usable(path.flux_status, FluxStatus) & usable(path.loop_status[:, -1], LoopStatus) & (path.failed == 0)
    return jnp.where(kept[:, None], path.predicted, jnp.nan)


WHOLE = float("inf")
"""[d] The horizon of whole runs."""


@compiled_once
def _residuals(objective: Objective, x: Array, loop: Loop, horizon: Array) -> Array:
    return objective.residuals(x, loop, horizon)


@compiled_once
def _linearise(objective: Objective, x: Array, loop: Loop, horizon: Array) -> tuple[Array, Array]:
    def twice(x):
        value = objective.residuals(x, loop, horizon)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


def residuals(objective: Objective, x: Array | np.ndarray, loop: Loop, horizon: float = WHOLE) -> np.ndarray:
    """Return `Objective.residuals`, compiled; runs are tasks of the engine.

    Args:
        objective: of a fit.
        x: (n,) coordinates.
        loop: how far the loops are open.
        horizon: [d] to which the runs are simulated.

    Returns:
        (residuals,) [standard errors].
    """
    found = _by_run(_residuals, objective, np.asarray(x), loop, horizon)
    value = np.zeros(objective.run_count * objective.measured_count + objective.prior_count)
    for one, of_run in zip(_alone(objective), found, strict=True):
        value[one.rows] = of_run
    return value


def linearise(
    objective: Objective, x: Array | np.ndarray, loop: Loop, horizon: float = WHOLE
) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals and their exact Jacobian, by forward sensitivities of the ODE, compiled; see `residuals`.

    Args:
        objective: of a fit.
        x: (n,) coordinates.
        loop: how far the loops are open.
        horizon: [d] to which the runs are simulated.

    Returns:
        (residuals,) [standard errors] and (residuals, n).
    """
    found = _by_run(_linearise, objective, np.asarray(x), loop, horizon)
    total = objective.run_count * objective.measured_count + objective.prior_count
    value, jacobian = np.zeros(total), np.zeros((total, objective.size))
    for one, (of_run, slope) in zip(_alone(objective), found, strict=True):
        value[one.rows] = of_run
        jacobian[np.ix_(one.rows, one.coordinates)] = slope
    return value, jacobian


def _by_run(compiled: Callable, objective: Objective, x: np.ndarray, loop: Loop, horizon: float) -> list:
    """Return what a compiled function of an objective gives for each run alone, in numpy."""
    alone = _alone(objective)

    def of_run(i: int):
        # in numpy: the compiled function takes it as it is, sooner than JAX makes an array of its own
        here = x[alone[i].coordinates]
        return jax.tree.map(np.asarray, compiled(alone[i].objective, here, loop, np.asarray(horizon)))

    return current_engine().here.map(of_run, [(i,) for i in range(len(alone))])


class _OfRun(NamedTuple):
    """The objective of one run, with its coordinates and residuals among all, see `Objective.of_run`."""

    objective: Objective
    coordinates: np.ndarray
    rows: np.ndarray


_apart: dict[int, list[_OfRun]] = {}
"""Objectives of single runs, by the identity of the objective of all runs, which has no hash; kept while it lives."""


def _alone(objective: Objective) -> list[_OfRun]:
    """Return the objectives of all runs; they are kept, because taking the runs apart takes as long as a short run."""
    key = id(objective)
    if key not in _apart:
        _apart[key] = [_OfRun(objective.of_run(i), objective.coordinates_of_run(i), objective.rows_of_run(i))
                       for i in range(objective.run_count)]  # fmt: skip
        weakref.finalize(objective, _apart.pop, key, None).atexit = False
    return _apart[key]


_STEP = 0.03
"""[1] Step of differences in a coordinate: some 3 % of a parameter, whose effect is well above the error of the solver
in a fit, 0.1 %."""


_WILD = 1e8
"""[standard errors] A derivative by a coordinate above this is none: a change of a parameter that no one can measure
would change a residual by a whole standard error."""


def robust_linearisation(
    objective: Objective, x: np.ndarray, loop: Loop, horizon: float = WHOLE
) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals and their Jacobian; a column without usable derivatives is replaced by differences.

    A law may have a value and no derivative at a point, as a square root at 0, and sensitivities may grow without bound
    where the trajectory does not. One such sample would end a fit, or hold it where it is.

    Args:
        objective: of a fit.
        x: (n,) coordinates.
        loop: how far the loops are open.
        horizon: [d] to which the runs are simulated.

    Returns:
        (residuals,) [standard errors] and (residuals, n), in which a column is NaN that cannot be had by differences.
    """
    value, exact = linearise(objective, x, loop, horizon)
    broken = np.flatnonzero(~np.all(np.abs(exact) < _WILD, axis=0))
    if not len(broken) or not np.all(np.isfinite(value)):
        return value, exact
    jacobian = np.array(exact)
    jacobian[:, broken] = np.nan
    for j in broken:
        step = np.zeros(len(x))
        step[j] = _STEP
        sides = [residuals(objective, at, loop, horizon) for at in (x - step, x + step)]
        low, high = ((side, sign) if np.all(np.isfinite(side)) else (value, 0.0)
                     for side, sign in zip(sides, (-1.0, 1.0), strict=True))  # fmt: skip
        if high[1] > low[1]:  # of one side alone where the other has no value
            jacobian[:, j] = (high[0] - low[0]) / ((high[1] - low[1]) * _STEP)
    return value, jacobian


def objective_of(
    model: CultureModel,
    packed: PackedRun,
    rows: Sequence[Parameter],
    settings,
    regularisation: float = 1.0,
    initial: InitialPrior | None = None,
    groups: GroupPrior | None = None,
) -> Objective:
    """Return the objective of a model on stacked runs.

    Args:
        model: at the values where the fit starts; the weights of all its networks are learned.
        packed: runs with a leading axis, see `packing.pack_all`.
        rows: the estimated parameters.
        settings: `SolverSettings` of the ODE.
        regularisation: [1] the standard deviations of the priors of all weights are divided by it.
        initial: priors of the initial concentrations; those of the runs are exact if left out.
        groups: priors of the effects of groups; there are none if left out.

    Returns:
        The objective.
    """
    per_run = tuple(i for i, row in enumerate(rows) if row.between_runs_sd > 0.0)
    sds = {name: jax.tree.map(jnp.full_like, net.weights, PRIOR) for name, net in model.nets.items()}
    return Objective(
        model,
        packed,
        Coordinates.of(rows),
        jnp.array([rows[i].between_runs_sd for i in per_run], jnp.float64),
        ravel_pytree(sds)[0].astype(jnp.float64) / regularisation,
        InitialPrior.exact(packed) if initial is None else initial,
        GroupPrior.of((), [""] * packed.start.shape[0], None) if groups is None else groups,
        settings,
        tuple(row.name for row in rows),
        per_run,
    )
