r"""Closures of the redox loop: R shapes the rate laws, these shape the fluxes, and the fluxes give R back.

The ratio is that of the cytosolic NADH made by the reactions other than lactate dehydrogenase to the NADH that the
shuttle carries into the mitochondria. For the network of Nolan & Lee (2011),

    R' = (2 v1 + 0.6391 v16) / v34,

with the stoichiometric coefficients of NADH in v1 and v16. What R is, given R', is a choice:

- `Lagged(step)`: R is the R' of the stage before. The published scheme; its answer depends on the step, so it
  serves for reproduction only.
- `Dynamic(turnover_time)`: dR/dt = (R' - R)/tau, the turnover of the cytosolic redox pool. A true ODE.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]


class RedoxRatio(eqx.Module):
    """The ratio R' = sum(production * v) / sum(consumption * v) of fluxes.

    production, consumption: (reactions,) coefficients [1].
    ceiling: R' [1] is never more; without it a vanishing shuttle flux would make R' infinite. 50 is ten times the
        largest ratio that was measured in cell line A of Nolan & Lee (2011). A cell that does nothing has the ratio 0.
    """

    production: Float[Array, " reactions"]
    consumption: Float[Array, " reactions"]
    ceiling: float = 50.0

    def __call__(self, fluxes: Float[Array, " reactions"]) -> Scalar:
        """Return R' [1] of the fluxes [mmol/(10^9 cells)/d], in 0..ceiling."""
        made = jnp.maximum(self.production @ fluxes, 0.0)
        carried = jnp.maximum(self.consumption @ fluxes, 0.0)
        # made/carried, written so that neither the value nor its derivative divides by zero
        above = (made > 0.0) & (made >= self.ceiling * carried)
        return jnp.where(above, self.ceiling, made / jnp.where(above | (carried == 0.0), 1.0, carried))


class Lagged(eqx.Module):
    """The published closure: every stage of a fixed-step scheme uses the R' of the stage before.

    step: [d]. The answer depends on it.
    """

    step: float = eqx.field(static=True, default=0.05)


class Dynamic(eqx.Module):
    r"""A balance of the redox pool, $dR/dt = (R' - R)/\tau + k (R_m - R)$.

    turnover_time: name of the parameter tau [d].
    The second term nudges R toward a measured one with the gain k [1/d]; a fit opens the loop with it and lets it
    go to 0. With `opened` 1 the rate laws see the measured R itself (0: the state R); R' is still followed.
    """

    turnover_time: str = eqx.field(static=True, default="tau")

    def derivative(self, ratio: Scalar, redox: Scalar, measured: Scalar, gain: Scalar, tau: Scalar) -> Scalar:
        """Return dR/dt [1/d]."""
        return (ratio - redox) / tau + gain * (measured - redox)
