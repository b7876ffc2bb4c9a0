"""Coordinates: the estimated parameters as unbounded numbers, in which a fit moves."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.parameters import Parameter


class Coordinates(eqx.Module):
    """The estimated parameters as unbounded coordinates: the logit of the place between their bounds.

    The place is measured on the parameter's own scale, logarithmic or linear.

    Attributes:
        lower: (n,) bounds on the parameters' own scales: natural logarithm, or internal unit.
        upper: (n,) like `lower`.
        log_scale: (n,) whether a scale is logarithmic.
        centre: (n,) centres of the priors, on the parameters' own scales; the values where a fit starts.
        prior_sd: (n,) on the parameters' own scales; infinite without a prior.
    """

    lower: Float[Array, " n"]
    upper: Float[Array, " n"]
    log_scale: Array
    centre: Float[Array, " n"]
    prior_sd: Float[Array, " n"]

    @classmethod
    def of(cls, rows: Sequence[Parameter]) -> "Coordinates":
        """Return the coordinates of parameters.

        Args:
            rows: the estimated parameters.

        Returns:
            The coordinates.
        """
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
        """Return the parameters on their own scales.

        Args:
            x: (n,) coordinates [1].

        Returns:
            (n,) natural logarithm, or internal unit.
        """
        return self.lower + (self.upper - self.lower) * jax.nn.sigmoid(x)

    def values(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the parameters in internal units.

        Args:
            x: (n,) coordinates [1].

        Returns:
            (n,)
        """
        return self.unscaled(self.scaled(x))

    def unscaled(self, scaled: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the parameters in internal units.

        Args:
            scaled: (n,) parameters on their own scales.

        Returns:
            (n,)
        """
        return jnp.where(self.log_scale, jnp.exp(jnp.where(self.log_scale, scaled, 0.0)), scaled)

    def of_scaled(self, scaled: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return the coordinates of parameters.

        Args:
            scaled: (n,) parameters on their own scales.

        Returns:
            (n,) [1]; at a bound, of a point just inside it.
        """
        place = jnp.clip((scaled - self.lower) / (self.upper - self.lower), 1e-6, 1.0 - 1e-6)
        return jnp.log(place) - jnp.log1p(-place)

    def prior_residuals(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """Return (parameter - prior centre)/prior standard deviation.

        Args:
            x: (n,) coordinates [1].

        Returns:
            (n,) [1]; 0 without a prior.
        """
        return (self.scaled(x) - self.centre) / self.prior_sd
