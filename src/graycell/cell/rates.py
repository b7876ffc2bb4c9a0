"""Rate laws: from concentrations, variables and inputs to a specific or volumetric rate.

A law is written for one operating point and mapped from outside. It names its species, variables, inputs and
parameters. Names are looked up while the model is compiled, so compiled code has none. Laws compose with ``*``, ``/``,
``+`` and ``-``; a known law times a learned factor is a gray law:

    Rate("qmax") * Monod("GLC", "K") / (1.0 + Rate("k") * Concentration("LAC"))

Concentrations are in the unit of their species (mmol/L unless the model says otherwise), specific rates in
mmol/(10^9 cells)/d, volumetric ones in mmol/L/d.
"""

import abc
import contextlib
import inspect
from typing import Any, get_args, get_origin

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.cell.conditions import CONCENTRATION_FLOOR, Conditions, Named, Output, Scalar, look_up
from graycell.errors import ModelError, shown

__all__ = [
    "CONCENTRATION_FLOOR",
    "Between",
    "Concentration",
    "Conditions",
    "Constant",
    "FluxRatio",
    "FluxValue",
    "Inhibition",
    "InputValue",
    "Monod",
    "Named",
    "Output",
    "Product",
    "Proportional",
    "Quotient",
    "Ramp",
    "Rate",
    "RateLaw",
    "Scalar",
    "Sum",
    "VariableValue",
    "ViableCells",
    "Volumetric",
    "switch",
]

NO_FLUX = 1e-12
"""[mmol/(10^9 cells)/d] What rounding leaves of fluxes that are 0: a millionth of a millionth of a usual flux."""


class RateLaw(eqx.Module):
    """Parent of every rate law and factor. A field of type `str` is static: it names something.

    To write your own law, declare the names of species, parameters, ... as fields and write one `__call__`:

    >>> class Haldane(RateLaw):
    ...     species: str
    ...     def __call__(self, at):
    ...         c = at.concentration(self.species)
    ...         return c / (at.parameter("K") + c + c**2 / at.parameter("Ki"))
    >>> at = Conditions({"GLC": jnp.array(2.0)}, parameters={"K": jnp.array(1.0), "Ki": jnp.array(4.0)})
    >>> print((2.0 * Haldane("GLC"))(at))
    1.0
    """

    def __init_subclass__(cls, **kwargs):
        # a name is not an array: static, so that a model is a PyTree of arrays that every transformation takes
        for field, kind in inspect.get_annotations(cls).items():
            if _is_name(kind) and not _is_field(cls.__dict__.get(field)):
                default = {"default": cls.__dict__[field]} if field in cls.__dict__ else {}
                setattr(cls, field, eqx.field(static=True, **default))
        super().__init_subclass__(**kwargs)

    @abc.abstractmethod
    def __call__(self, at: Conditions) -> Scalar:
        """Return the rate [mmol/(10^9 cells)/d or mmol/L/d], or the factor [1], at these conditions."""

    def __mul__(self, other: "RateLaw | float") -> "RateLaw":
        return Product((*_parts(self, Product), *_parts(law_of(other), Product)))

    def __rmul__(self, other: "RateLaw | float") -> "RateLaw":
        return law_of(other) * self

    def __add__(self, other: "RateLaw | float") -> "RateLaw":
        return Sum((*_parts(self, Sum), *_parts(law_of(other), Sum)))

    def __radd__(self, other: "RateLaw | float") -> "RateLaw":
        return law_of(other) + self

    def __neg__(self) -> "RateLaw":
        return Constant(-1.0) * self

    def __sub__(self, other: "RateLaw | float") -> "RateLaw":
        return self + (-law_of(other))

    def __rsub__(self, other: "RateLaw | float") -> "RateLaw":
        return law_of(other) - self

    def __truediv__(self, other: "RateLaw | float") -> "RateLaw":
        return Quotient(self, law_of(other))

    def __rtruediv__(self, other: "RateLaw | float") -> "RateLaw":
        return Quotient(law_of(other), self)


def _is_name(kind: Any) -> bool:
    if isinstance(kind, str):  # from __future__ import annotations
        return kind.replace(" ", "") in ("str", "str|None", "tuple[str,...]", "bool")
    return kind in (str, bool) or (get_origin(kind) is not None and set(get_args(kind)) <= {str, type(None), Ellipsis})


def _is_field(value: Any) -> bool:
    return hasattr(value, "metadata") and hasattr(value, "default_factory")


def law_of(value: Any, what: str = "") -> "RateLaw":
    """Return a law as it is, and a number as a `Constant`.

    Args:
        value: a law or a number.
        what: has this law, for the message, such as "reaction 'growth'".

    Returns:
        The law.

    Raises:
        ModelError: for anything else.
    """
    if isinstance(value, RateLaw):
        return value
    if not isinstance(value, str):
        with contextlib.suppress(TypeError, ValueError):
            return Constant(float(value))
    raise ModelError(
        f"{f'{what}: ' if what else ''}found {shown(repr(value))}; a rate law or a number is needed; write it as "
        "Rate('k') or Concentration('GLC'), for example."
    )


def _parts(law: "RateLaw", kind: type) -> tuple:
    return (
        law.factors
        if kind is Product and isinstance(law, Product)
        else (law.terms if kind is Sum and isinstance(law, Sum) else (law,))
    )


class Constant(RateLaw):
    """A plain number.

    Attributes:
        value: in whatever unit the law around it needs.
    """

    value: float = eqx.field(static=True)

    def __call__(self, at: Conditions) -> Scalar:
        return jnp.asarray(self.value, jnp.float64)


class Rate(RateLaw):
    """A parameter as a law: a maximal rate, or any constant that is estimated.

    Attributes:
        name: of the parameter.

    >>> print(Rate("qmax")(Conditions({}, parameters={"qmax": jnp.array(2.0)})))
    2.0
    """

    name: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.parameter(self.name)


class Concentration(RateLaw):
    """A concentration as a law, never below `CONCENTRATION_FLOOR`.

    Attributes:
        species: its name.
    """

    species: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.concentration(self.species)


class InputValue(RateLaw):
    """An input of the run, such as pH, as a law.

    Attributes:
        name: of the input.
    """

    name: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.input(self.name)


class VariableValue(RateLaw):
    """A variable of the model as a law.

    Attributes:
        name: of the variable.
    """

    name: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.variable(self.name)


class FluxValue(RateLaw):
    """A flux after the projection, for variables and observables.

    Attributes:
        reaction: its name.
    """

    reaction: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.flux(self.reaction)


class Monod(RateLaw):
    """Saturation c/(K + c) in one species (Monod 1949).

    Attributes:
        species: its name.
        half_saturation: name of the parameter K, in the unit of the species.

    >>> at = Conditions({"GLC": jnp.array(30.0)}, parameters={"Km1": jnp.array(10.0)})
    >>> print(Monod("GLC", "Km1")(at))
    0.75
    """

    species: str
    half_saturation: str

    def __call__(self, at: Conditions) -> Scalar:
        c = at.concentration(self.species)
        return c / (at.parameter(self.half_saturation) + c)


class Inhibition(RateLaw):
    """Inhibition 1/(1 + (c/K)^n) by one species.

    Attributes:
        species: its name.
        constant: name of the parameter K, in the unit of the species.
        exponent: the exponent n [1] as a law; 1 if left out.

    >>> at = Conditions({"LAC": jnp.array(20.0)}, parameters={"Ki": jnp.array(20.0)})
    >>> print(Inhibition("LAC", "Ki")(at))
    0.5
    """

    species: str
    constant: str
    exponent: RateLaw = Constant(1.0)

    def __call__(self, at: Conditions) -> Scalar:
        return 1.0 / (1.0 + (at.concentration(self.species) / at.parameter(self.constant)) ** self.exponent(at))


class Proportional(RateLaw):
    """A fixed share of the rate of an earlier reaction.

    Attributes:
        reaction: its name.
        share: name of the parameter [1].
    """

    reaction: str
    share: str

    def __call__(self, at: Conditions) -> Scalar:
        return at.parameter(self.share) * at.rate(self.reaction)


class Between(RateLaw):
    """A mixture (1 - p) first + p second of two laws, by a variable p between 0 and 1.

    Attributes:
        first: the law where p is 0.
        second: the law where p is 1.
        weight: name of the variable p.
    """

    first: RateLaw
    second: RateLaw
    weight: str = "shift"

    def __call__(self, at: Conditions) -> Scalar:
        p = at.variable(self.weight)
        return (1.0 - p) * self.first(at) + p * self.second(at)


def _scalar(value: Any) -> Array:
    return jnp.asarray(value, jnp.float64)


class Ramp(RateLaw):
    """0 at and beyond one value of an input, 1 at and beyond another, linear between.

    Attributes:
        input: name of the input.
        zero: value of the input at which the law is 0; an array, so that laws of other values compile once.
        one: value of the input at which the law is 1.

    >>> print(Ramp("temperature", 37.0, 31.0)(Conditions({}, inputs={"temperature": jnp.array(34.0)})))
    0.5
    """

    input: str
    zero: Float[Array, ""] = eqx.field(converter=_scalar)
    one: Float[Array, ""] = eqx.field(converter=_scalar)

    def __call__(self, at: Conditions) -> Scalar:
        return jnp.clip((at.input(self.input) - self.zero) / (self.one - self.zero), 0.0, 1.0)


class Product(RateLaw):
    """The product of laws and factors.

    Attributes:
        factors: at least one law.
    """

    factors: tuple[RateLaw, ...]

    def __call__(self, at: Conditions) -> Scalar:
        value = self.factors[0](at)
        for factor in self.factors[1:]:
            value = value * factor(at)
        return value


class Sum(RateLaw):
    """The sum of laws.

    Attributes:
        terms: at least one law.
    """

    terms: tuple[RateLaw, ...]

    def __call__(self, at: Conditions) -> Scalar:
        value = self.terms[0](at)
        for term in self.terms[1:]:
            value = value + term(at)
        return value


class Quotient(RateLaw):
    """One law over another.

    Attributes:
        numerator: any law.
        denominator: a law that does not vanish.
    """

    numerator: RateLaw
    denominator: RateLaw

    def __call__(self, at: Conditions) -> Scalar:
        return self.numerator(at) / self.denominator(at)


class Volumetric(RateLaw):
    """A law whose rate is per litre of culture [mmol/L/d] and not per cell, such as a decay in the medium.

    Attributes:
        law: gives the volumetric rate.
    """

    law: RateLaw

    def __call__(self, at: Conditions) -> Scalar:
        return self.law(at)


class FluxRatio(RateLaw):
    """The ratio of two weighted sums of fluxes, in 0..ceiling, such as the redox ratio R' of Nolan & Lee (2011).

    Cells that starve may have neither flux, and the ratio then has no value: beside bounds it is that of two rounding
    errors. With a `variable` x, the ratio is (made + resting x)/(used + resting). A loop with this target is closed at
    the same x as without, where x used = made, and its variable keeps its value where the fluxes rest. For a pool this
    is dx/dt = (made - x used)/(tau (used + resting)): it turns over with the fluxes through it.

    Attributes:
        made: coefficients [1] of the numerator, by reaction.
        used: coefficients [1] of the denominator, by reaction.
        ceiling: upper limit of the ratio [1]; without it the ratio would be infinite where the denominator vanishes. 50
            is ten times the largest redox ratio measured in cell line A of Nolan & Lee (2011).
        variable: name of the loop variable of which this is the target; None for the plain ratio.
        resting: flux used [mmol/(10^9 cells)/d] at which the variable turns over at half its speed. 0.05 is the
            `softening` of the weights: below it relative errors of rates have no meaning.

    >>> at = Conditions({}, {"R": jnp.array(3.0)}, fluxes={"v1": jnp.array(1.0), "v34": jnp.array(4.0)})
    >>> print(FluxRatio((("v1", 2.0),), (("v34", 1.0),))(at))
    0.5
    >>> print(round(float(FluxRatio((("v1", 0.0),), (("v34", 0.0),), variable="R")(at)), 12))
    3.0
    """

    made: tuple[tuple[str, float], ...] = eqx.field(static=True)
    used: tuple[tuple[str, float], ...] = eqx.field(static=True)
    ceiling: float = eqx.field(static=True, default=50.0)
    variable: str | None = eqx.field(static=True, default=None)
    resting: float = eqx.field(static=True, default=0.05)

    def __call__(self, at: Conditions) -> Scalar:
        made, used = (
            jnp.maximum(sum(factor * at.flux(name) for name, factor in side), 0.0) for side in (self.made, self.used)
        )
        if self.variable is not None:
            ratio = (made + self.resting * at.variable(self.variable)) / (used + self.resting)
            return jnp.minimum(ratio, self.ceiling)
        # made/used, so written that neither the value nor its derivative divides by zero; a resting cell has 0: both
        # sums are then what rounding leaves, and their quotient would be anything
        resting = (made < NO_FLUX) & (used < NO_FLUX)
        above = ~resting & (made > 0.0) & (made >= self.ceiling * used)
        quotient = made / jnp.where(above | resting | (used == 0.0), 1.0, used)
        return jnp.where(above, self.ceiling, jnp.where(resting, 0.0, quotient))


class ViableCells(RateLaw):
    """The viable cell density X_v [10^9 cells/L]: a species that counts cells, or biomass over biomass per cell.

    X_v = viability c / biomass_per_cell. It is the factor between specific and volumetric rates.

    Attributes:
        species: viable cells [10^9 cells/L], or the biomass of all cells [mmol/L].
        biomass_per_cell: name of the parameter [mmol/(10^9 cells)]; None where the species counts cells.
        viability: name of the input [1] where the species includes dead cells; None where it has viable ones only.
    """

    species: str
    biomass_per_cell: str | None = None
    viability: str | None = None

    def __call__(self, at: Conditions) -> Scalar:
        density = look_up(at.concentrations, self.species, "species")
        if self.viability is not None:
            density = at.input(self.viability) * density
        return density if self.biomass_per_cell is None else density / at.parameter(self.biomass_per_cell)


def switch(x: Scalar, width: float) -> Scalar:
    """Return 1 where x is above 0 and 0 below: a step at width 0, else a sigmoid that rises over about 4 widths.

    Args:
        x: (), in any unit.
        width: in the unit of x.

    Returns:
        A number in 0..1; at width 0 and x = 0 it is 1.
    """
    return jnp.where(x >= 0.0, 1.0, 0.0) if width == 0.0 else jax.nn.sigmoid(x / width)
