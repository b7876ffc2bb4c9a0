"""Weights of the flux projection: how strongly each flux is held to its kinetic rate."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

FREE_VARIANCE = 1e12
"""Variance of a flux that is left out, as a multiple of the largest other: it moves 10^12 times as easily."""
LEAST_VARIANCE = 1e-14
"""Least variance, as a part of the largest: 7 decades of kinetic rates. The solver works with the roots of variances,
and these still leave half of the digits of float64. A smaller rate is held as if it were this large."""


class PublishedWeights(eqx.Module):
    """Weights 1/w^2 (Nolan & Lee 2011); they are singular where a kinetic rate w crosses zero.

    A flux whose kinetic rate is 0 is left out.

    >>> print(PublishedWeights().variance(jnp.array([2.0, -3.0])))
    [4. 9.]
    """

    def variance(self, kinetic_rates: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Compute the inverse weight of each kinetic flux.

        Args:
            kinetic_rates: Kinetic rates w [mmol/(10^9 cells)/d].

        Returns:
            w^2 [(mmol/(10^9 cells)/d)^2], limited to 14 decades.
        """
        square = kinetic_rates**2
        largest = jnp.max(square) + 1e-300
        return jnp.where(square == 0.0, FREE_VARIANCE * largest, jnp.maximum(square, LEAST_VARIANCE * largest))


class SoftWeights(eqx.Module):
    """Weights 1/(w^2 + e^2): errors are relative if the kinetic rate w is above e, absolute if it is below.

    Attributes:
        softening: The rate e [mmol/(10^9 cells)/d].

    >>> print(SoftWeights(0.05).variance(jnp.array([0.0, 1.0])))
    [0.0025 1.0025]
    """

    softening: float | Float[Array, ""] = 0.05

    def variance(self, kinetic_rates: Float[Array, " kinetic"]) -> Float[Array, " kinetic"]:
        """Compute the inverse weight of each kinetic flux.

        Args:
            kinetic_rates: Kinetic rates w [mmol/(10^9 cells)/d].

        Returns:
            w^2 + e^2 [(mmol/(10^9 cells)/d)^2].
        """
        return kinetic_rates**2 + self.softening**2
