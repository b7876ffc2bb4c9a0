"""What a fit makes small: residuals of measurements, weighted by assay error, and of the priors of what it learns."""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.cell.neural import PRIOR, weight_labels, with_weights
from graycell.model import CultureModel
from graycell.packing import PackedRun
from graycell.parameters import Parameter
from graycell.simulation.solve import Loop, SolverSettings, integrate


class Coordinates(eqx.Module):
    """The estimated parameters as unbounded coordinates: the logit of the place between their bounds.

    The place is measured on the parameter's own scale, logarithmic or linear.
    """

    lower: Float[Array, " n"]
    upper: Float[Array, " n"]
    log_scale: Array
    centre: Float[Array, " n"]
    prior_sd: Float[Array, " n"]

    @classmethod
    def of(cls, rows: Sequence[Parameter]) -> "Coordinates":
        log = jnp.array([row.log_scale for row in rows])

        def scaled(values):
            values = jnp.array(values, jnp.float64)
            return jnp.where(log, jnp.log(jnp.where(log, values, 1.0)), values)

        return cls(
            scaled([row.lower for row in rows]),
            scaled([row.upper for row in rows]),
            log,
            scaled([row.value for row in rows]),
            jnp.array([row.prior_sd for row in rows], jnp.float64),
        )

    def scaled(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the parameters on their own scales: natural logarithm, or internal unit."""
        return self.lower + (self.upper - self.lower) * jax.nn.sigmoid(x)

    def values(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the parameters in internal units."""
        return self.unscaled(self.scaled(x))

    def unscaled(self, scaled: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return parameters on their own scales in internal units."""
        return jnp.where(self.log_scale, jnp.exp(jnp.where(self.log_scale, scaled, 0.0)), scaled)

    def of_scaled(self, scaled: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the coordinates of parameters on their own scales; at a bound, a point just inside it."""
        place = jnp.clip((scaled - self.lower) / (self.upper - self.lower), 1e-6, 1.0 - 1e-6)
        return jnp.log(place) - jnp.log1p(-place)

    def prior_residuals(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return (parameter - prior centre)/prior standard deviation, 0 without a prior."""
        return (self.scaled(x) - self.centre) / self.prior_sd


class Objective(eqx.Module):
    """Residuals of a model on packed runs as a function of coordinates x; a PyTree, so it compiles once.

    x holds first the estimated parameters (see `Coordinates`), then for every run how far its own values are from the
    shared ones, for the parameters that have own ones, then the weights of the networks.

    own: places of the parameters that every run has its own value of; own_sd: (own,) their standard deviation between
    runs; weights_sd: (weights,) standard deviation of the prior of every weight, around 0.
    """

    model: CultureModel
    packed: PackedRun
    coordinates: Coordinates
    own_sd: Float[Array, " own"]
    weights_sd: Float[Array, " weights"]
    settings: SolverSettings = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    own: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        """How many coordinates there are."""
        return len(self.names) + self.run_count * len(self.own) + self.weights_sd.shape[0]

    @property
    def run_count(self) -> int:
        """How many runs there are."""
        return self.packed.start.shape[0]

    def labels(self, runs: Sequence[str]) -> list[str]:
        """Return a name for every coordinate, given those of the runs: vmax1f, vmax1f of run07, v17.hidden[2]."""
        own = [f"{self.names[i]} of {run}" for run in runs for i in self.own]
        return [*self.names, *own, *weight_labels(self.model.nets)]

    def parts(self, x: Float[Array, " n"]) -> tuple[Array, Array, Array]:
        """Return the coordinates of the parameters, the (runs, own) deviations and the weights."""
        n, own = len(self.names), self.run_count * len(self.own)
        return x[:n], x[n : n + own].reshape(self.run_count, len(self.own)), x[n + own :]

    def join(self, parameters: Array, weights: Array) -> Array:
        """Return x, with no run apart from the others."""
        return jnp.concatenate([parameters, jnp.zeros(self.run_count * len(self.own)), weights])

    def with_coordinates(self, x: Float[Array, " n"], deviations: Float[Array, " own"] | None = None) -> CultureModel:
        """Return the model at the coordinates `x`, of a run with these `deviations` or of none."""
        parameters, _, weights = self.parts(x)
        scaled = self.coordinates.scaled(parameters)
        if deviations is not None and self.own:
            scaled = scaled.at[jnp.array(self.own)].add(deviations)
        values = self.coordinates.unscaled(scaled)
        learned = {name: values[i] for i, name in enumerate(self.names)}
        model = self.model.with_parameters(learned)
        return model.changed(nets=with_weights(model.nets, weights))

    def predicted(self, x: Float[Array, " n"], loop: Loop, horizon: Array) -> Float[Array, "runs segments quantities"]:
        """Return what would be measured in every run at the end of every segment, up to the `horizon` [d].

        In the internal units of the quantities, see `CultureModel.quantities`.
        """

        def of_run(of):
            return _usable_predictions(self.with_coordinates(x, of[1]), until(of[0], horizon), loop, self.settings)

        # one run after the other: mapped together, every run would wait for the one with the most steps
        return lax.map(of_run, (self.packed, self.parts(x)[1]))

    def residuals(self, x: Float[Array, " n"], loop: Loop, horizon: Array) -> Float[Array, " residuals"]:
        """Return all residuals [standard errors]: of measurements up to the `horizon` [d], then of the priors."""
        asked = self.packed.end[..., None] <= horizon
        return self.misfits(x, self.predicted(x, loop, horizon), asked)

    def misfits(self, x: Array, predicted: Array, asked: Array) -> Float[Array, " residuals"]:
        """Return all residuals [standard errors]: measurements first, then priors; 0 where nothing was measured."""
        measured = jnp.isfinite(self.packed.standard_error) & asked
        error = jnp.where(measured, self.packed.standard_error, 1.0)
        misfit = (predicted - jnp.nan_to_num(self.packed.measured)) / error
        misfit = jnp.where(self.packed.below > 0.0, _below_limit(misfit), misfit)
        parameters, deviations, weights = self.parts(x)
        priors = [self.coordinates.prior_residuals(parameters), (deviations / self.own_sd[None, :]).ravel()]
        return jnp.concatenate([jnp.where(measured, misfit, 0.0).ravel(), *priors, weights / self.weights_sd])


def _below_limit(misfit: Array) -> Array:
    """Return the residual of a value known to be below a limit; `misfit`: (predicted - limit)/standard error.

    Half its square is -log of the probability that a value with the assay's error comes out below the limit.
    """
    # beyond 8 standard errors the probability is 1 to rounding, and the root would have no derivative
    near = jnp.sqrt(-2.0 * norm.logcdf(jnp.clip(-misfit, -_FAR_ABOVE, 8.0)))
    # -log of the probability is u^2/2 + log(u sqrt(2 pi)) far above the limit, and JAX has no derivative of it there
    u = jnp.maximum(misfit, _FAR_ABOVE)
    return jnp.where(misfit > _FAR_ABOVE, jnp.sqrt(u**2 + 2.0 * jnp.log(u) + jnp.log(2.0 * jnp.pi)), near)


_FAR_ABOVE = 1e3
"""[standard errors] Above, the tail of the normal distribution is its first term, to a millionth."""


def until(packed: PackedRun, horizon: Array) -> PackedRun:
    """Return a packed run that ends at the `horizon` [d]: what comes later takes no time."""
    return replace(packed, start=jnp.minimum(packed.start, horizon), end=jnp.minimum(packed.end, horizon))


def _usable_predictions(model: CultureModel, packed: PackedRun, loop: Loop, settings: SolverSettings) -> Array:
    """Return `predictions`, NaN where no flux was allocated or the loop was not closed: the fit refuses such a step."""
    path = integrate(model, packed, loop, settings)
    usable = jnp.isin(path.flux_status, jnp.array([status for status in FluxStatus if status.usable]))
    usable &= jnp.isin(path.loop_status[:, -1], jnp.array([status for status in LoopStatus if status.usable]))
    return jnp.where(usable[:, None], path.predicted, jnp.nan)


WHOLE = float("inf")
"""[d] The horizon of whole runs."""


@eqx.filter_jit
def _residuals(objective: Objective, x: Array, loop: Loop, horizon: Array) -> Array:
    return objective.residuals(x, loop, horizon)


@eqx.filter_jit
def _linearise(objective: Objective, x: Array, loop: Loop, horizon: Array) -> tuple[Array, Array]:
    def twice(x):
        value = objective.residuals(x, loop, horizon)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


def residuals(objective: Objective, x: Array, loop: Loop, horizon: float = WHOLE) -> Array:
    """Return `Objective.residuals`, compiled."""
    return _residuals(objective, x, loop, jnp.asarray(horizon))


def linearise(objective: Objective, x: Array, loop: Loop, horizon: float = WHOLE) -> tuple[Array, Array]:
    """Return residuals and their exact Jacobian, by forward sensitivities of the ODE, compiled."""
    return _linearise(objective, x, loop, jnp.asarray(horizon))


def objective_of(
    model: CultureModel, packed: PackedRun, rows: Sequence[Parameter], settings, regularisation: float = 1.0
) -> Objective:
    """Return the objective of a model on stacked runs, with the parameters `rows` and all networks to learn.

    regularisation: [1] what the weights' standard deviations are divided by.
    """
    own = tuple(i for i, row in enumerate(rows) if row.between_runs_sd > 0.0)
    sds = {name: jax.tree.map(jnp.full_like, net.weights, PRIOR) for name, net in model.nets.items()}
    return Objective(
        model,
        packed,
        Coordinates.of(rows),
        jnp.array([rows[i].between_runs_sd for i in own], jnp.float64),
        ravel_pytree(sds)[0].astype(jnp.float64) / regularisation,
        settings,
        tuple(row.name for row in rows),
        own,
    )
