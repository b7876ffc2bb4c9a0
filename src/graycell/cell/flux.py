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
  directions*, orthonormal vectors of the null space in which no kinetic flux changes. The rule has two levels: of the
  allowed fluxes that are nearest to the kinetic rates, the nearest to a reference along these directions. It is exact,
  at any size of rates and weights, and makes the solution unique. If no flux meets both bounds and balances, the bounds
  are relaxed by the slack with the least sum of squares.

`project_fluxes` is the short way for one call; docs/flux-layer.md is the page about it.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from graycell.cell.network import MetabolicNetwork
from graycell.cell.preparation import prepare
from graycell.cell.projection import FluxProjection
from graycell.cell.solution import FluxSolution, FluxStatus
from graycell.cell.weights import PublishedWeights, SoftWeights
from graycell.errors import ModelError

__all__ = [
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
    lower: Float[Array | np.ndarray, " reactions"] | Mapping[str, Float[Array, ""] | float] | None = None,
    upper: Float[Array | np.ndarray, " reactions"] | Mapping[str, Float[Array, ""] | float] | None = None,
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
            `SoftWeights()` by default. The derivative by a weight of 0 is 0. Traced weights, which may become 0, cost
            a larger programme.
        lower: Lower bounds [mmol/(10^9 cells)/d] in place of those of the network: of all reactions, -inf where there
            is none, or of some, by name.
        upper: Upper bounds, in the same way; inf where there is none.
        stoichiometry: Coefficients [1] in place of those of the network; see `FluxProjection.with_stoichiometry`.
        reference: Fluxes [mmol/(10^9 cells)/d] that decide what the rates leave undetermined; plain numbers.
        smoothing: Weight of a logarithmic barrier [1]; see `FluxProjection`.

    Returns:
        The solution; trouble with numbers is its status.

    Raises:
        ModelError: If a name does not fit, or if there is not one number for each.

    >>> network = MetabolicNetwork.from_reactions({"in": "A_ext => A", "out": "A => B_ext"})
    >>> print(project_fluxes(network, {"in": 1.0, "out": 2.0}, {"in": 1.0, "out": 3.0}).fluxes)
    [1.75 1.75]
    """
    if not isinstance(kinetic_rates, Mapping):
        raise ModelError(f"kinetic rates: found {kinetic_rates!r}; give a number for each reaction by name.")
    kinetic = tuple(kinetic_rates)
    low, network = _bounds(network, "lower", lower)
    high, network = _bounds(network, "upper", upper)
    projection = _prepared(network, kinetic, _reference(reference))
    rates = _stacked("kinetic rate", kinetic_rates, kinetic)
    variance, may_leave_out = None, False
    if isinstance(weights, Mapping):
        variance = _variance_of(weights, kinetic)
        may_leave_out = isinstance(variance, Tracer) or bool(np.any(np.isposinf(variance)))
    elif weights is not None:
        if not callable(getattr(weights, "variance", None)):
            raise ModelError(
                f"weights: found {weights!r}; give a number for each kinetic rate by name, SoftWeights or "
                "PublishedWeights."
            )
        projection = replace(projection, weights=weights)
    if stoichiometry is not None:
        if np.shape(stoichiometry) != network.stoichiometry.shape:
            raise ModelError(
                f"stoichiometry: found the shape {np.shape(stoichiometry)}; {network.stoichiometry.shape} is needed, "
                "in the order of network.species and network.names."
            )
        projection = projection.with_stoichiometry(stoichiometry)
    return projection(rates, lower=low, upper=high, variance=variance, smoothing=smoothing, may_leave_out=may_leave_out)


def _number(title: str, value) -> np.ndarray | Array:
    """Return a number: of numpy if it is plain, so that it stays plain inside a trace."""
    try:
        if value is None or isinstance(value, str | bytes):  # numpy would take None for nan, and read numbers in text
            raise TypeError
        number = (jnp if isinstance(value, Tracer) else np).asarray(value, float)
    except (TypeError, ValueError, OverflowError):
        raise ModelError(f"{title}: found {value!r}; a number is needed.") from None
    if number.shape != ():
        raise ModelError(f"{title}: found an array of shape {number.shape}; one number is needed.")
    return number


def _stacked(title: str, values: Mapping, names: tuple[str, ...]) -> np.ndarray | Array:
    """Return the numbers of names in one array, of numpy if all of them are plain."""
    numbers = [_number(f"{title} of '{name}'", values[name]) for name in names]
    traced = any(isinstance(number, Tracer) for number in numbers)
    return jnp.stack(numbers) if traced else np.array(numbers, float)


def _variance_of(weights: Mapping, kinetic: tuple[str, ...]) -> Float[Array | np.ndarray, " kinetic"]:
    """Return the variances of weights by name: inf leaves a rate out, and what is no weight becomes nan."""
    unknown = [name for name in weights if name not in kinetic]
    missing = [name for name in kinetic if name not in weights]
    if unknown or missing:
        raise ModelError(
            f"weights: '{(unknown or missing)[0]}' has {'no kinetic rate' if unknown else 'no weight'}; give every "
            "kinetic rate one weight."
        )
    weight = _stacked("weight", weights, kinetic)
    own = np if isinstance(weight, np.ndarray) else jnp
    with np.errstate(over="ignore"):  # a weight below the smallest number is 0
        variance = 1.0 / own.where(weight > 0.0, weight, 1.0)
    return own.where(weight == 0.0, np.inf, own.where(weight > 0.0, variance, np.nan))


def _reference(reference: Mapping[str, float] | None) -> tuple[tuple[str, float], ...]:
    """Return a reference as plain numbers, in an order of their own."""
    if not isinstance(reference, Mapping | None):
        raise ModelError(f"reference: found {reference!r}; give fluxes by name.")
    found = []
    for name, value in (reference or {}).items():
        if isinstance(value, Tracer):
            raise ModelError(f"reference of '{name}': a plain number is needed; it cannot be traced.")
        found.append((name, float(_number(f"reference of '{name}'", value))))
    return tuple(sorted(found, key=lambda pair: str(pair[0])))


def _bounds(network: MetabolicNetwork, side: str, given) -> tuple[np.ndarray | Array | None, MetabolicNetwork]:
    """Return bounds of all reactions, and the network with a place for each of them."""
    if given is None:
        return None, network
    own, none = (network.lower, -np.inf) if side == "lower" else (network.upper, np.inf)
    if isinstance(given, Mapping):
        index = [network.index(name) for name in given]
        values, some = own.copy(), _stacked(f"{side} bound", given, tuple(given))
        if isinstance(some, np.ndarray):
            values[index] = some
        else:
            values = jnp.asarray(values).at[np.array(index, int)].set(some)
        placed = np.isin(np.arange(len(own)), index)
    else:
        try:
            values = (jnp if isinstance(given, Tracer) else np).asarray(given, float)
        except (TypeError, ValueError):
            raise ModelError(f"{side}: found {given!r}; numbers are needed.") from None
        if values.shape != own.shape:
            raise ModelError(
                f"{side}: found the shape {values.shape}; one bound for each of {len(own)} reactions is needed, or "
                "bounds by name."
            )
        placed = values != none if isinstance(values, np.ndarray) else np.full(len(own), True)
    missing = placed & ~np.isfinite(own)
    if np.any(missing):  # any finite number does: the values come with the call
        network = replace(network, **{side: np.where(missing, 0.0, own)})
    return values, network


@lru_cache(maxsize=32)
def _prepared(network: MetabolicNetwork, kinetic: tuple[str, ...], reference: tuple) -> FluxProjection:
    with jax.ensure_compile_time_eval():  # the result is kept, so it must not be part of the caller's trace
        return prepare(network, kinetic, reference=dict(reference))
