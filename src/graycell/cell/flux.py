r"""Flux projection: from the kinetic rates of the rate laws to the fluxes that the balances allow.

Rate laws give kinetic rates w for some reactions, the kinetic reactions K. The balances of the internal species at
steady state, S v = 0, hold exactly. Together they overdetermine the fluxes v, so w is projected onto the allowed
fluxes by weighted least squares,

    minimise  sum_{i in K} (v_i - w_i)^2 / variance_i    subject to  S v = 0,  lower <= v <= upper.

This is akin to MOMA (Segre, Vitkup & Church, PNAS 99 (2002) 15112-15117), which projects the fluxes of the wild type
onto those of a mutant; here the rate laws take the place of the wild type, and their weights are 1/variance.

- `weights` has the rules for the variance.
- `preparation` computes once what depends on the network alone. Of the kinetic reactions, a *basis* spans what they
  determine of the null space of S; each kinetic reaction outside the basis leaves one *surplus relation*, an equation
  between kinetic rates.
- `projection` is the prepared layer. Its programme has as many unknowns as there are kinetic reactions, and as many
  equalities as there are surplus relations.
- `solution` is the result. If the kinetic reactions do not determine all fluxes, the others are *undetermined
  directions*, orthonormal vectors of the null space in which no kinetic flux changes: along them the fluxes stay as
  near as possible to a reference, with the weight `REFERENCE_WEIGHT`, so the solution is unique and smooth. If no flux
  meets both bounds and balances, the bounds are relaxed by the slack with the least sum of squares.

`project_fluxes` is the short way for one call; docs/flux-layer.md is the page about it.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell.network import MetabolicNetwork
from graycell.cell.preparation import prepare
from graycell.cell.projection import REFERENCE_WEIGHT, FluxProjection
from graycell.cell.solution import FluxSolution, FluxStatus
from graycell.cell.weights import FREE_VARIANCE, PublishedWeights, SoftWeights
from graycell.errors import ModelError

__all__ = [
    "REFERENCE_WEIGHT",
    "FluxProjection",
    "FluxSolution",
    "FluxStatus",
    "PublishedWeights",
    "SoftWeights",
    "prepare",
    "project_fluxes",
]


def project_fluxes(
    network: MetabolicNetwork,
    kinetic_rates: Mapping[str, Float[Array, ""] | float],
    weights: Mapping[str, Float[Array, ""] | float] | PublishedWeights | SoftWeights | None = None,
    *,
    lower: Float[Array | np.ndarray, " reactions"] | None = None,
    upper: Float[Array | np.ndarray, " reactions"] | None = None,
    stoichiometry: Float[Array | np.ndarray, "species reactions"] | None = None,
    reference: Mapping[str, float] | None = None,
    smoothing: float | Float[Array, ""] = 0.0,
) -> FluxSolution:
    """Find the fluxes of a network that are nearest to kinetic rates, by name.

    The first call prepares the network; later calls with an equal network use what was prepared. Rates, weights,
    bounds and stoichiometry may be traced: differentiate with `jax.grad`, solve many problems with `jax.vmap`. Any
    consistent unit of rate will do.

    Args:
        network: The network.
        kinetic_rates: Kinetic rate of each reaction that has one [mmol/(10^9 cells)/d].
        weights: Weight of each kinetic rate [(mmol/(10^9 cells)/d)^-2], 0 to leave it out, inf to hold it; or a rule.
            `SoftWeights()` by default.
        lower: Lower bounds [mmol/(10^9 cells)/d] in place of those of the network; see `FluxProjection`.
        upper: Upper bounds, in the same way.
        stoichiometry: Coefficients [1] in place of those of the network; see `FluxProjection.with_stoichiometry`.
        reference: Fluxes [mmol/(10^9 cells)/d] that decide what the rates leave undetermined; plain numbers.
        smoothing: Weight of a logarithmic barrier [1]; see `FluxProjection`.

    Returns:
        The solution; trouble with numbers is its status.

    Raises:
        ModelError: If a name does not fit.

    >>> network = MetabolicNetwork.from_reactions({"in": "A_ext => A", "out": "A => B_ext"})
    >>> print(project_fluxes(network, {"in": 1.0, "out": 2.0}, {"in": 1.0, "out": 3.0}).fluxes)
    [1.75 1.75]
    """
    kinetic = tuple(kinetic_rates)
    projection = _prepared(network, kinetic, tuple(sorted((reference or {}).items())))
    variance = None
    if isinstance(weights, Mapping):
        variance = _variance_of(weights, kinetic)
    elif weights is not None:
        projection = replace(projection, weights=weights)
    if stoichiometry is not None:
        projection = projection.with_stoichiometry(stoichiometry)
    rates = jnp.stack([jnp.asarray(kinetic_rates[name], float) for name in kinetic])
    return projection(rates, lower=lower, upper=upper, variance=variance, smoothing=smoothing)


def _variance_of(weights: Mapping, kinetic: tuple[str, ...]) -> Float[Array, " kinetic"]:
    """Return the variances of weights by name."""
    unknown = [name for name in weights if name not in kinetic]
    missing = [name for name in kinetic if name not in weights]
    if unknown or missing:
        raise ModelError(
            f"weights: '{(unknown or missing)[0]}' has {'no kinetic rate' if unknown else 'no weight'}; give every "
            "kinetic rate one weight."
        )
    weight = jnp.stack([jnp.asarray(weights[name], float) for name in kinetic])
    free = weight <= 0.0
    variance = 1.0 / jnp.where(free, 1.0, weight)
    return jnp.where(free, FREE_VARIANCE * jnp.max(jnp.where(free, 0.0, variance), initial=1e-300), variance)


@lru_cache(maxsize=32)
def _prepared(network: MetabolicNetwork, kinetic: tuple[str, ...], reference: tuple) -> FluxProjection:
    with jax.ensure_compile_time_eval():  # the result is kept, so it must not be part of the caller's trace
        return prepare(network, kinetic, reference=dict(reference))
