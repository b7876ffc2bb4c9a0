"""What a fit makes small: residuals of measurements, weighted by assay error, and of the parameters' priors."""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from graycell.cell.flux import FluxStatus
from graycell.cell.redox import LoopStatus
from graycell.model import CultureModel, lean
from graycell.parameters import Parameter
from graycell.runs.packing import PackedRun
from graycell.simulation import Loop, SolverSettings, integrate, predictions


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
        """Return the parameters on their own scales: natural logarithm, or house unit."""
        return self.lower + (self.upper - self.lower) * jax.nn.sigmoid(x)

    def values(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the parameters in house units."""
        scaled = self.scaled(x)
        return jnp.where(self.log_scale, jnp.exp(jnp.where(self.log_scale, scaled, 0.0)), scaled)

    def of_scaled(self, scaled: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the coordinates of parameters on their own scales; at a bound, a point just inside it."""
        place = jnp.clip((scaled - self.lower) / (self.upper - self.lower), 1e-6, 1.0 - 1e-6)
        return jnp.log(place) - jnp.log1p(-place)

    def prior_residuals(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return (parameter - prior centre)/prior standard deviation, 0 without a prior."""
        return (self.scaled(x) - self.centre) / self.prior_sd


class Objective(eqx.Module):
    """Residuals of a model on packed runs as a function of coordinates; a PyTree, so it compiles once."""

    model: CultureModel
    packed: PackedRun
    coordinates: Coordinates
    settings: SolverSettings = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def with_coordinates(self, x: Float[Array, " n"]) -> CultureModel:
        """Return the model at the coordinates `x`."""
        values = self.coordinates.values(x)
        learned = {name: values[i] for i, name in enumerate(self.names)}
        return replace(self.model, parameters={**self.model.parameters, **learned})

    def predicted(self, x: Float[Array, " n"], loop: Loop) -> Float[Array, "runs segments quantities"]:
        """Return what would be measured in every run at the end of every segment."""
        model = self.with_coordinates(x)
        # one run after the other: mapped together, every run would wait for the one with the most steps
        return lax.map(lambda packed: _usable_predictions(model, packed, loop, self.settings), self.packed)

    def residuals(self, x: Float[Array, " n"], loop: Loop) -> Float[Array, " residuals"]:
        """Return all residuals [standard errors]: measurements first, then priors; 0 where nothing was measured."""
        measured = jnp.isfinite(self.packed.standard_error)
        error = jnp.where(measured, self.packed.standard_error, 1.0)
        misfit = (self.predicted(x, loop) - jnp.nan_to_num(self.packed.measured)) / error
        return jnp.concatenate([jnp.where(measured, misfit, 0.0).ravel(), self.coordinates.prior_residuals(x)])


def _usable_predictions(model: CultureModel, packed: PackedRun, loop: Loop, settings: SolverSettings) -> Array:
    """Return `predictions`, NaN where no flux was allocated or the loop was not closed: the fit refuses such a step."""
    path = integrate(model, packed, loop, settings)
    usable = jnp.isin(path.flux_status, jnp.array([status for status in FluxStatus if status.usable]))
    usable &= jnp.isin(path.loop_status[:, -1], jnp.array([status for status in LoopStatus if status.usable]))
    return jnp.where(usable[:, None], predictions(model, path), jnp.nan)


@eqx.filter_jit
def residuals(objective: Objective, x: Array, loop: Loop) -> Array:
    """Return `Objective.residuals`, compiled."""
    return objective.residuals(x, loop)


@eqx.filter_jit
def linearise(objective: Objective, x: Array, loop: Loop) -> tuple[Array, Array]:
    """Return residuals and their exact Jacobian, by forward sensitivities of the ODE, compiled."""

    def twice(x):
        value = objective.residuals(x, loop)
        return value, value

    jacobian, value = jax.jacfwd(twice, has_aux=True)(x)
    return value, jacobian


def objective_of(model: CultureModel, packed: PackedRun, rows: Sequence[Parameter], settings) -> Objective:
    """Return the objective of a model on stacked runs, with the parameters `rows` to estimate."""
    return Objective(lean(model), packed, Coordinates.of(rows), settings, tuple(row.name for row in rows))
