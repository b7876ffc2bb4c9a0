"""Rate laws of cultures that grow, slow down and die: factors of temperature, pH and inhibition, and death.

Each has the value of the function of the same name in a formula, see `formulas.functions`. `of` names a species, a
variable or an input. Multiply factors with a maximal rate, `Rate("mu_max") * Monod("GLC", "K") * Gaussian("pH", ...)`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from graycell.cell.conditions import Conditions
from graycell.cell.constants import GAS_CONSTANT, ZERO_CELSIUS
from graycell.cell.rates import Concentration, Constant, Rate, RateLaw, Scalar, Volumetric
from graycell.cell.variables import StateVariable


def _positive(at: Conditions, name: str) -> Scalar:
    """Return a quantity; of a species never below the floor of rate laws, so that a power has a derivative."""
    return at.concentration(name) if name in at.concentrations else at.value(name)


class Hill(RateLaw):
    """Saturation with an exponent, (c/K)^n/(1 + (c/K)^n) (Hill 1910).

    Attributes:
        of: name of the quantity c.
        constant: name of the parameter K, in the unit of c.
        exponent: name of the parameter n [1].

    >>> at = Conditions({"LAC": jnp.array(40.0)}, parameters={"K": jnp.array(20.0), "n": jnp.array(2.0)})
    >>> print(Hill("LAC", "K", "n")(at))
    0.8
    """

    of: str
    constant: str
    exponent: str

    def __call__(self, at: Conditions) -> Scalar:
        share = (_positive(at, self.of) / at.parameter(self.constant)) ** at.parameter(self.exponent)
        return share / (1.0 + share)


class Haldane(RateLaw):
    """Saturation with inhibition by the substrate, c/(K + c + c^2/Ki) (Haldane 1930, Andrews 1968).

    Attributes:
        of: name of the quantity c.
        half_saturation: name of the parameter K, in the unit of c.
        inhibition: name of the parameter Ki, in the unit of c.

    >>> at = Conditions({"GLC": jnp.array(2.0)}, parameters={"K": jnp.array(1.0), "Ki": jnp.array(4.0)})
    >>> print(Haldane("GLC", "K", "Ki")(at))
    0.5
    """

    of: str
    half_saturation: str
    inhibition: str

    def __call__(self, at: Conditions) -> Scalar:
        c = _positive(at, self.of)
        return c / (at.parameter(self.half_saturation) + c + c**2 / at.parameter(self.inhibition))


class Gaussian(RateLaw):
    """A bell around an optimum, exp(-((x - optimum)/width)^2), for temperature and pH (Moeller et al. 2020).

    Attributes:
        of: name of the quantity x.
        optimum: name of a parameter, in the unit of x.
        width: name of a parameter, in the unit of x.

    >>> at = Conditions({}, inputs={"pH": jnp.array(7.0)}, parameters={"best": jnp.array(7.0), "w": jnp.array(0.5)})
    >>> print(Gaussian("pH", "best", "w")(at))
    1.0
    """

    of: str
    optimum: str
    width: str

    def __call__(self, at: Conditions) -> Scalar:
        return jnp.exp(-(((at.value(self.of) - at.parameter(self.optimum)) / at.parameter(self.width)) ** 2))


class Arrhenius(RateLaw):
    """The effect of temperature, exp(E/R (1/Tref - 1/T)), and 0 above a cut-off (Arrhenius 1889).

    Attributes:
        energy: name of the parameter E [J/mol].
        reference: name of the parameter Tref [degC], at which the law is 1.
        of: name of the temperature T [degC].
        cutoff: name of the parameter [degC] from which on the law is 0; None for no cut-off.

    >>> at = Conditions({}, inputs={"temperature": jnp.array(37.0)},
    ...                 parameters={"E": jnp.array(6e4), "T0": jnp.array(37.0), "most": jnp.array(42.0)})
    >>> print(Arrhenius("E", "T0", cutoff="most")(at))
    1.0
    """

    energy: str
    reference: str
    of: str = "temperature"
    cutoff: str | None = None

    def __call__(self, at: Conditions) -> Scalar:
        temperature = at.value(self.of)
        inverse = 1.0 / (at.parameter(self.reference) + ZERO_CELSIUS) - 1.0 / (temperature + ZERO_CELSIUS)
        value = jnp.exp(at.parameter(self.energy) / GAS_CONSTANT * inverse)
        return value if self.cutoff is None else jnp.where(temperature < at.parameter(self.cutoff), value, 0.0)


class Sigmoid(RateLaw):
    """A smooth step from 0 to 1, 1/(1 + exp(-(x - middle)/width)), such as in the time since a shift.

    Attributes:
        of: name of the quantity x; `time_below` makes the time since a shift.
        middle: name of the parameter at which the law is 1/2, in the unit of x.
        width: name of a parameter, in the unit of x.

    >>> at = Conditions({}, {"since": jnp.array(2.0)}, parameters={"delay": jnp.array(2.0), "w": jnp.array(0.3)})
    >>> print(Sigmoid("since", "delay", "w")(at))
    0.5
    """

    of: str
    middle: str
    width: str

    def __call__(self, at: Conditions) -> Scalar:
        return jax.nn.sigmoid((at.value(self.of) - at.parameter(self.middle)) / at.parameter(self.width))


class Below(RateLaw):
    """1 where a quantity is below a parameter, else 0.

    Attributes:
        of: name of the quantity.
        limit: name of the parameter, in the unit of the quantity.
    """

    of: str
    limit: str

    def __call__(self, at: Conditions) -> Scalar:
        return jnp.where(at.value(self.of) < at.parameter(self.limit), 1.0, 0.0)


def time_below(limit: str, of: str = "temperature") -> StateVariable:
    """Return a variable: the time [d] that a quantity has been below a parameter, such as the time since a shift.

    Args:
        limit: name of the parameter, in the unit of the quantity.
        of: name of the quantity.

    Returns:
        The variable, 0 at the beginning.
    """
    return StateVariable(Below(of, limit), 0.0, "d")


def dying_cells(
    growth: RateLaw, death: RateLaw, lysis: RateLaw | float | str = 0.0, viable: str = "VCD", dead: str = "dead"
) -> dict[str, Any]:
    """Return the parts of a model with cells that grow, die and lyse: arguments of `CultureModel`.

    Args:
        growth: law of the specific growth rate [1/d].
        death: law of the specific death rate [1/d].
        lysis: law, number or name of the parameter [1/d] of the rate at which dead cells disappear.
        viable: name of the species of viable cells [1e9 cells/L].
        dead: name of the species of dead cells [1e9 cells/L].

    Returns:
        Reactions, species, rates, cells, and the observables viability [1] and TCD [1e9 cells/L], to be joined with
        those of the rest of the model.

    >>> parts = dying_cells(Rate("mu"), Rate("kd"), "k_lysis")
    >>> parts["reactions"], tuple(parts["observables"])
    ({'growth': '=> VCD', 'death': 'VCD => dead', 'lysis': 'dead =>'}, ('viability', 'TCD'))
    """
    rate = Rate(lysis) if isinstance(lysis, str) else Constant(lysis) if isinstance(lysis, float | int) else lysis
    total = Concentration(viable) + Concentration(dead)
    return {
        "reactions": {"growth": f"=> {viable}", "death": f"{viable} => {dead}", "lysis": f"{dead} =>"},
        "species": {viable: "1e9 cells/L", dead: "1e9 cells/L"},
        "rates": {"growth": growth, "death": death, "lysis": Volumetric(rate * Concentration(dead))},
        "cells": viable,
        "observables": {"viability": Concentration(viable) / total, "TCD": (total, "1e9 cells/L")},
    }
