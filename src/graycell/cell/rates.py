"""Rate laws: from concentrations, the redox ratio and the temperature to a kinetic_rates specific rate.

A law is written for one point in time and mapped from outside. It names its species and parameters; the names are
looked up while the model is compiled, so none of them is in the compiled code. Laws compose: `Product` and `Sum`
take any laws, so a learned factor beside a known one makes a gray law.

Concentrations are in mmol/L, rates in mmol/(10^9 cells)/d, the redox ratio R and the temperature weight `cold` in 1.
"""

import abc
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.errors import ModelError, nearest

CONCENTRATION_FLOOR = 1e-9
"""[mmol/L] Concentrations below count as this in a rate law: a solver may overshoot zero, and a negative or zero
base of a power has no derivative. A million times below any assay."""

Scalar = Float[Array, ""]


class Conditions(NamedTuple):
    """What a rate law sees.

    concentrations: by species [mmol/L]; redox: R [1]; cold: temperature weight, 0 warm to 1 cold [1];
    parameters: by name, in their internal units; rates: the kinetic rates computed so far, by reaction; fed: by species,
    what flows in, over the volume [mmol/L/d]; outputs: of the networks that learn, by name, see `cell.learned`.
    """

    concentrations: Mapping[str, Scalar]
    redox: Scalar
    cold: Scalar
    parameters: Mapping[str, Scalar]
    rates: Mapping[str, Scalar]
    fed: Mapping[str, Scalar] = MappingProxyType({})
    outputs: Mapping[str, "Output"] = MappingProxyType({})

    def concentration(self, species: str) -> Scalar:
        """Return a concentration [mmol/L], never below `CONCENTRATION_FLOOR`."""
        return jnp.maximum(_look_up(self.concentrations, species, "species"), CONCENTRATION_FLOOR)

    def parameter(self, name: str) -> Scalar:
        """Return a parameter in its internal unit."""
        return _look_up(self.parameters, name, "parameter")

    def rate(self, reaction: str) -> Scalar:
        """Return the kinetic rate of a reaction whose law stands earlier in the model."""
        return _look_up(self.rates, reaction, "kinetic rate of an earlier reaction")

    def output(self, net: str) -> "Output":
        """Return what a network that learns says."""
        return _look_up(self.outputs, net, "network")

    def seen(self, name: str) -> Scalar:
        """Return what a network may see: a species [mmol/L], ``feed`` and a species [mmol/L/d], ``R`` or ``cold``."""
        if name == "R":
            return self.redox
        if name == "cold":
            return self.cold
        if name.startswith("feed "):
            return _look_up(self.fed, name.removeprefix("feed "), "species")
        return _look_up(self.concentrations, name, "species")

    def between(self, warm, cold):
        """Return (1 - cold weight) warm + (cold weight) cold."""
        return (1.0 - self.cold) * warm + self.cold * cold

    def slowing(self, factor: str) -> Scalar:
        """Return by how much the cold divides a rate: 1 when warm, the parameter `factor` when cold."""
        return self.between(1.0, self.parameter(factor))


class Output(NamedTuple):
    """What a network says.

    value: (outputs,) [1]; scale: (outputs,) what 1 stands for, in the unit of its law; fade: (outputs,) [mmol/L] where
    uptake has fallen to a half.
    """

    value: Float[Array, " outputs"]
    scale: Float[Array, " outputs"]
    fade: Float[Array, " outputs"]


def _look_up(table: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise ModelError(f"{kind} '{name}' is not known to the model; {nearest(name, table)}.")
    return table[name]


class RateLaw(eqx.Module):
    """Parent of every rate law and factor."""

    @abc.abstractmethod
    def __call__(self, at: Conditions) -> Scalar:
        """Return the rate [mmol/(10^9 cells)/d], or the factor [1], at these conditions."""


class Maximum(RateLaw):
    """A maximal rate, divided by a factor in the cold if `cold_factor` names one."""

    name: str = eqx.field(static=True)
    cold_factor: str | None = eqx.field(static=True, default=None)

    def __call__(self, at: Conditions) -> Scalar:
        value = at.parameter(self.name)
        return value if self.cold_factor is None else value / at.slowing(self.cold_factor)


class Monod(RateLaw):
    """Saturation c/(K + c) in one species (Monod 1949).

    >>> at = Conditions({"GLC": jnp.array(30.0)}, 1.0, 0.0, {"Km1": jnp.array(10.0)}, {})
    >>> print(Monod("GLC", "Km1")(at))
    0.75
    """

    species: str = eqx.field(static=True)
    half_saturation: str = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        c = at.concentration(self.species)
        return c / (at.parameter(self.half_saturation) + c)


class Inhibition(RateLaw):
    """Inhibition 1/(1 + (c/K)^n) by one species, with an exponent for the warm and one for the cold."""

    species: str = eqx.field(static=True)
    constant: str = eqx.field(static=True)
    warm_exponent: str = eqx.field(static=True)
    cold_exponent: str = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        exponent = at.between(at.parameter(self.warm_exponent), at.parameter(self.cold_exponent))
        return 1.0 / (1.0 + (at.concentration(self.species) / at.parameter(self.constant)) ** exponent)


class Proportional(RateLaw):
    """A fixed share of the kinetic rate of an earlier reaction."""

    reaction: str = eqx.field(static=True)
    share: str = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        return at.parameter(self.share) * at.rate(self.reaction)


class Between(RateLaw):
    """One law when warm, another when cold, mixed by the temperature weight."""

    warm: RateLaw
    cold: RateLaw

    def __call__(self, at: Conditions) -> Scalar:
        return at.between(self.warm(at), self.cold(at))


class Product(RateLaw):
    """The product of laws and factors."""

    factors: tuple[RateLaw, ...]

    def __call__(self, at: Conditions) -> Scalar:
        value = self.factors[0](at)
        for factor in self.factors[1:]:
            value = value * factor(at)
        return value


class Sum(RateLaw):
    """The sum of laws."""

    terms: tuple[RateLaw, ...]

    def __call__(self, at: Conditions) -> Scalar:
        value = self.terms[0](at)
        for term in self.terms[1:]:
            value = value + term(at)
        return value


def switch(x: Scalar, width: float) -> Scalar:
    """Return 1 where x is above 0 and 0 below: a step at width 0, else a sigmoid that rises over about 4 widths.

    At width 0 and x = 0 the value is 1.
    """
    return jnp.where(x >= 0.0, 1.0, 0.0) if width == 0.0 else jax.nn.sigmoid(x / width)
