"""Rate laws: from concentrations, variables and inputs to a specific or volumetric rate.

A law is written for one operating point and mapped from outside. It names its species, variables, inputs and
parameters; the names are looked up while the model is compiled, so none of them is in the compiled code. Laws compose
with ``*``, ``/``, ``+`` and ``-``, so a learned factor beside a known one makes a gray law:

    Rate("qmax") * Monod("GLC", "K") / (1.0 + Rate("k") * Concentration("LAC"))

Concentrations are in the unit of their species (mmol/L unless the model says otherwise), specific rates in
mmol/(10^9 cells)/d, volumetric ones in mmol/L/d.
"""

import abc
import inspect
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, get_args, get_origin

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.errors import ModelError, nearest

CONCENTRATION_FLOOR = 1e-9
"""[mmol/L] Concentrations below count as this in a rate law: a solver may overshoot zero, and a negative or zero
base of a power has no derivative. A million times below any assay."""

Scalar = Float[Array, ""]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Named(Mapping):
    """An array with a name for each entry of its first axis; looking a name up takes the entry.

    Attributes:
        names: one for each entry.
        values: array with the entries along its first axis.
    """

    def __init__(self, names: Sequence[str], values: Array):
        self.names, self.values_of = tuple(names), values

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        return self.values_of[self.names.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names


class Conditions(NamedTuple):
    """What a rate law sees at one operating point.

    Attributes:
        concentrations: by species, in the unit of the species.
        variables: by name, such as a redox ratio R or a temperature that follows its set-point.
        inputs: by name, what the run gives, such as temperature [degC] or pH [1].
        parameters: by name, in their internal units.
        rates: the rates computed so far, by reaction [mmol/(10^9 cells)/d].
        fluxes: by reaction, after the flux projection; empty for rate laws, filled for variables and observables.
        fed: by species, what flows in over the volume [mmol/L/d].
        outputs: of the networks that learn, by name, see `cell.neural`.
    """

    concentrations: Mapping[str, Scalar]
    variables: Mapping[str, Scalar] = _NOTHING
    inputs: Mapping[str, Scalar] = _NOTHING
    parameters: Mapping[str, Scalar] = _NOTHING
    rates: Mapping[str, Scalar] = _NOTHING
    fluxes: Mapping[str, Scalar] = _NOTHING
    fed: Mapping[str, Scalar] = _NOTHING
    outputs: Mapping[str, "Output"] = _NOTHING

    def concentration(self, species: str) -> Scalar:
        """Return a concentration, never below `CONCENTRATION_FLOOR`.

        Args:
            species: its name.

        Returns:
            The concentration in the unit of the species.

        Raises:
            ModelError: for a name that the model has not.
        """
        return jnp.maximum(_look_up(self.concentrations, species, "species"), CONCENTRATION_FLOOR)

    def variable(self, name: str) -> Scalar:
        """Return a variable of the model; raises `ModelError` for an unknown name.

        Args:
            name: of the variable.

        Returns:
            Its value, in its unit.
        """
        return _look_up(self.variables, name, "variable")

    def input(self, name: str) -> Scalar:
        """Return an input that the run gives; raises `ModelError` for an unknown name.

        Args:
            name: of the input.

        Returns:
            Its value, in its unit.
        """
        return _look_up(self.inputs, name, "input")

    def parameter(self, name: str) -> Scalar:
        """Return a parameter in its internal unit; raises `ModelError` for an unknown name.

        Args:
            name: of the parameter.

        Returns:
            Its value.
        """
        return _look_up(self.parameters, name, "parameter")

    def rate(self, reaction: str) -> Scalar:
        """Return the rate of a reaction whose law comes earlier in the model; raises `ModelError` for another.

        Args:
            reaction: its name.

        Returns:
            The rate as its law gives it, before the flux projection.
        """
        return _look_up(self.rates, reaction, "rate of an earlier reaction")

    def flux(self, reaction: str) -> Scalar:
        """Return the flux of a reaction, for variables and observables; raises `ModelError` in a rate law.

        Args:
            reaction: its name.

        Returns:
            The flux after the projection [mmol/(10^9 cells)/d].
        """
        return _look_up(self.fluxes, reaction, "flux")

    def output(self, net: str) -> "Output":
        """Return the outputs of a network that learns; raises `ModelError` for an unknown name.

        Args:
            net: name of the network.

        Returns:
            Its outputs with their scales.
        """
        return _look_up(self.outputs, net, "network")

    def seen(self, name: str) -> Scalar:
        """Return what a network may see: a species, ``feed`` and a species [mmol/L/d], a variable or an input.

        Args:
            name: of the quantity.

        Returns:
            Its value; of a species without a floor.

        Raises:
            ModelError: for an unknown name.
        """
        for table in (self.variables, self.inputs):
            if name in table:
                return table[name]
        if name.startswith("feed "):
            return _look_up(self.fed, name.removeprefix("feed "), "species")
        return _look_up(self.concentrations, name, "species")


class Output(NamedTuple):
    """The outputs of a network.

    Attributes:
        value: (outputs,) [1].
        scale: (outputs,) what 1 stands for, in the unit of its law.
        half_uptake: (outputs,) [mmol/L] concentration at which uptake has fallen to a half.
    """

    value: Float[Array, " outputs"]
    scale: Float[Array, " outputs"]
    half_uptake: Float[Array, " outputs"]


def _look_up(table: Mapping[str, Any], name: str, kind: str) -> Any:
    if name not in table:
        raise ModelError(f"{kind} '{name}' is not known to the model; {nearest(name, table)}.")
    return table[name]


class RateLaw(eqx.Module):
    """Parent of every rate law and factor. A field of type `str` is static: it names something.

    Write an own law with the names of what it sees as fields and one `__call__`:

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
        # a name is no array: static, so that a model is a PyTree of arrays that any transformation takes
        for field, kind in inspect.get_annotations(cls).items():
            if _is_name(kind) and not _is_field(cls.__dict__.get(field)):
                default = {"default": cls.__dict__[field]} if field in cls.__dict__ else {}
                setattr(cls, field, eqx.field(static=True, **default))
        super().__init_subclass__(**kwargs)

    @abc.abstractmethod
    def __call__(self, at: Conditions) -> Scalar:
        """Return the rate [mmol/(10^9 cells)/d or mmol/L/d], or the factor [1], at these conditions."""

    def __mul__(self, other: "RateLaw | float") -> "RateLaw":
        return Product((*_parts(self, Product), *_parts(_law(other), Product)))

    def __rmul__(self, other: "RateLaw | float") -> "RateLaw":
        return _law(other) * self

    def __add__(self, other: "RateLaw | float") -> "RateLaw":
        return Sum((*_parts(self, Sum), *_parts(_law(other), Sum)))

    def __radd__(self, other: "RateLaw | float") -> "RateLaw":
        return _law(other) + self

    def __neg__(self) -> "RateLaw":
        return Constant(-1.0) * self

    def __sub__(self, other: "RateLaw | float") -> "RateLaw":
        return self + (-_law(other))

    def __rsub__(self, other: "RateLaw | float") -> "RateLaw":
        return _law(other) - self

    def __truediv__(self, other: "RateLaw | float") -> "RateLaw":
        return Quotient(self, _law(other))

    def __rtruediv__(self, other: "RateLaw | float") -> "RateLaw":
        return Quotient(_law(other), self)


def _is_name(kind: Any) -> bool:
    if isinstance(kind, str):  # from __future__ import annotations
        return kind.replace(" ", "") in ("str", "str|None", "tuple[str,...]", "bool")
    return kind in (str, bool) or (get_origin(kind) is not None and set(get_args(kind)) <= {str, type(None), Ellipsis})


def _is_field(value: Any) -> bool:
    return hasattr(value, "metadata") and hasattr(value, "default_factory")


def _law(value: "RateLaw | float") -> "RateLaw":
    return value if isinstance(value, RateLaw) else Constant(float(value))


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
        reaction: whose rate is taken.
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


class Ramp(RateLaw):
    """0 at and beyond one value of an input, 1 at and beyond another, linear between.

    Attributes:
        input: name of the input.
        zero: value of the input at which the law is 0.
        one: value of the input at which the law is 1.

    >>> print(Ramp("temperature", 37.0, 31.0)(Conditions({}, inputs={"temperature": jnp.array(34.0)})))
    0.5
    """

    input: str
    zero: float = eqx.field(static=True)
    one: float = eqx.field(static=True)

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

    Attributes:
        made: coefficients [1] of the numerator, by reaction.
        used: coefficients [1] of the denominator, by reaction.
        ceiling: the ratio [1] is never more; without it a vanishing denominator would make it infinite. 50 is ten
            times the largest redox ratio that was measured in cell line A of Nolan & Lee (2011).

    >>> at = Conditions({}, fluxes={"v1": jnp.array(1.0), "v34": jnp.array(4.0)})
    >>> print(FluxRatio((("v1", 2.0),), (("v34", 1.0),))(at))
    0.5
    """

    made: tuple[tuple[str, float], ...] = eqx.field(static=True)
    used: tuple[tuple[str, float], ...] = eqx.field(static=True)
    ceiling: float = eqx.field(static=True, default=50.0)

    def __call__(self, at: Conditions) -> Scalar:
        made, used = (
            jnp.maximum(sum(factor * at.flux(name) for name, factor in side), 0.0) for side in (self.made, self.used)
        )
        # made/used, so written that neither the value nor its derivative divides by zero; a resting cell has 0
        above = (made > 0.0) & (made >= self.ceiling * used)
        return jnp.where(above, self.ceiling, made / jnp.where(above | (used == 0.0), 1.0, used))


class ViableCells(RateLaw):
    """The viable cell density X_v [10^9 cells/L]: a species that counts cells, or biomass over biomass per cell.

    X_v = viability c / biomass_per_cell. It is the factor between specific and volumetric rates.

    Attributes:
        species: viable cells [10^9 cells/L], or the biomass of all cells [mmol/L].
        biomass_per_cell: name of the parameter [mmol/(10^9 cells)]; none where the species counts cells.
        viability: name of the input [1] where the species holds dead cells too; none where it holds viable ones only.
    """

    species: str
    biomass_per_cell: str | None = None
    viability: str | None = None

    def __call__(self, at: Conditions) -> Scalar:
        density = _look_up(at.concentrations, self.species, "species")
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
