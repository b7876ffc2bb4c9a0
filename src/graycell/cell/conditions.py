"""Conditions: what a rate law sees at one operating point, with names in place of indices."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from graycell.errors import ModelError, nearest

CONCENTRATION_FLOOR = 1e-9
"""[mmol/L] Lowest concentration in a rate law: a solver may overshoot zero, and a power has no derivative at a base of
zero or below. A million times below the detection limit of any assay."""

Scalar = Float[Array, ""]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Named(Mapping):
    """An array with a name for each entry of its first axis; looking a name up takes the entry.

    Attributes:
        names: one for each entry.
        entries: those of the array. It is taken apart once, because laws look up the same names many times.
    """

    def __init__(self, names: Sequence[str], values: Array):
        self.names, self.entries = tuple(names), tuple(jnp.unstack(values))

    def __getitem__(self, name: str) -> Array:
        if name not in self.names:
            raise KeyError(name)
        return self.entries[self.names.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names


class Concentrations(Named):
    """Concentrations by species; the floor of rate laws is put in once for all, and not at every look-up.

    Attributes:
        floored: the same, never below `CONCENTRATION_FLOOR`.
    """

    def __init__(self, names: Sequence[str], values: Array):
        super().__init__(names, values)
        self.floored = Named(names, jnp.maximum(values, CONCENTRATION_FLOOR))


class Recorder(dict):
    """A table that records the names that are looked up, to find out what a law asks for.

    Attributes:
        default: answer for names that the table does not hold; None for none.
        asked: names in the order in which they were looked up first.
    """

    def __init__(self, table: Mapping[str, Any], default: float | None = None):
        super().__init__(table)
        self.default, self.asked = default, {}

    def __contains__(self, name: object) -> bool:
        return self.default is not None or super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        self.asked[name] = None
        if self.default is None or super().__contains__(name):
            return super().__getitem__(name)
        return jnp.asarray(self.default, jnp.float64)


class Definitions(Mapping):
    """Quantities that a model defines by laws; each is computed when it is first looked up, once for all laws.

    Attributes:
        laws: by name.
        at: the conditions that the laws see; set after both exist, because the conditions hold the definitions.
    """

    def __init__(self, laws: Mapping[str, Any]):
        self.laws, self._known = laws, {}
        self.at: Conditions | None = None

    def __getitem__(self, name: str) -> Array:
        path = [] if name in self._known else [name]
        while path:
            law = self.laws[path[-1]]
            # what a formula needs is computed first: a law that asks for it inside of others may be too deep for Python
            needed = (one for one in getattr(law, "names", ()) if one in self.laws and one not in self._known)
            first = next(needed, None)
            if first in path:
                raise ModelError(f"definition '{first}' needs itself; make it a variable.")
            if first is None:
                self._known[path.pop()] = law(self.at)
            else:
                path.append(first)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.laws)

    def __len__(self) -> int:
        return len(self.laws)

    def __contains__(self, name: object) -> bool:
        return name in self.laws


class Conditions(NamedTuple):
    """What a rate law sees at one operating point.

    Attributes:
        concentrations: by species, in the unit of the species.
        variables: by name, such as a redox ratio R or a temperature that follows its set-point.
        inputs: by name, given by the run, such as temperature [degC] or pH [1].
        parameters: by name, in their internal units.
        rates: the rates computed so far, by reaction [mmol/(10^9 cells)/d].
        fluxes: by reaction, after the flux projection; empty for rate laws, filled for variables and observables.
        fed: by species, inflow per volume [mmol/L/d].
        outputs: of the neural networks, by name, see `cell.neural`.
        definitions: quantities that the model defines, by name, see `Definitions`.
    """

    concentrations: Mapping[str, Scalar]
    variables: Mapping[str, Scalar] = _NOTHING
    inputs: Mapping[str, Scalar] = _NOTHING
    parameters: Mapping[str, Scalar] = _NOTHING
    rates: Mapping[str, Scalar] = _NOTHING
    fluxes: Mapping[str, Scalar] = _NOTHING
    fed: Mapping[str, Scalar] = _NOTHING
    outputs: Mapping[str, "Output"] = _NOTHING
    definitions: Mapping[str, Scalar] = _NOTHING

    def concentration(self, species: str) -> Scalar:
        """Return a concentration, never below `CONCENTRATION_FLOOR`.

        Args:
            species: its name.

        Returns:
            The concentration in the unit of the species.

        Raises:
            ModelError: for a name that is not in the model.
        """
        if isinstance(self.concentrations, Concentrations):
            return look_up(self.concentrations.floored, species, "species")
        # another mapping, such as a dict with which a law is tried alone
        return jnp.maximum(look_up(self.concentrations, species, "species"), CONCENTRATION_FLOOR)

    def variable(self, name: str) -> Scalar:
        """Return a variable of the model; raises `ModelError` for an unknown name.

        Args:
            name: of the variable.

        Returns:
            Its value, in its unit.
        """
        return look_up(self.variables, name, "variable")

    def input(self, name: str) -> Scalar:
        """Return an input that the run gives; raises `ModelError` for an unknown name.

        Args:
            name: of the input.

        Returns:
            Its value, in its unit.
        """
        return look_up(self.inputs, name, "input")

    def parameter(self, name: str) -> Scalar:
        """Return a parameter in its internal unit; raises `ModelError` for an unknown name.

        Args:
            name: of the parameter.

        Returns:
            Its value.
        """
        return look_up(self.parameters, name, "parameter")

    def rate(self, reaction: str) -> Scalar:
        """Return the rate of a reaction whose law comes earlier in the model; raises `ModelError` for another.

        Args:
            reaction: its name.

        Returns:
            The rate as its law gives it, before the flux projection.
        """
        return look_up(self.rates, reaction, "rate of an earlier reaction")

    def flux(self, reaction: str) -> Scalar:
        """Return the flux of a reaction, for variables and observables; raises `ModelError` in a rate law.

        Args:
            reaction: its name.

        Returns:
            The flux after the projection [mmol/(10^9 cells)/d].
        """
        return look_up(self.fluxes, reaction, "flux")

    def definition(self, name: str) -> Scalar:
        """Return a quantity that the model defines; raises `ModelError` for an unknown name.

        Args:
            name: of the definition.

        Returns:
            Its value, in its unit.
        """
        return look_up(self.definitions, name, "definition")

    def value(self, name: str) -> Scalar:
        """Return what a name stands for in a formula; a concentration without a floor.

        Args:
            name: of a parameter, a definition, a variable, an input, a species or a reaction. The name of a reaction is
                its flux where fluxes are known, else its rate.

        Returns:
            The value, in its unit.

        Raises:
            ModelError: for an unknown name.
        """
        tables = (self.parameters, self.inputs, self.definitions, self.variables, self.concentrations, self.fluxes,
                  self.rates)  # fmt: skip
        for table in tables:
            if name in table:
                return table[name]
        known = [one for table in tables for one in table]
        raise ModelError(f"'{name}' is not known to the model; {nearest(name, known)}.")

    def output(self, net: str) -> "Output":
        """Return the outputs of a neural network; raises `ModelError` for an unknown name.

        Args:
            net: name of the network.

        Returns:
            Its outputs with their scales.
        """
        return look_up(self.outputs, net, "network")

    def seen(self, name: str) -> Scalar:
        """Return an input of a neural network: a species, ``feed`` and a species [mmol/L/d], a variable or an input.

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
            return look_up(self.fed, name.removeprefix("feed "), "species")
        return look_up(self.concentrations, name, "species")


class Output(NamedTuple):
    """The outputs of a network.

    Attributes:
        value: (outputs,) [1].
        scale: (outputs,) rate at an output of 1, in the unit of its law.
        half_uptake: (outputs,) [mmol/L] concentration at which uptake has fallen to a half.
    """

    value: Float[Array, " outputs"]
    scale: Float[Array, " outputs"]
    half_uptake: Float[Array, " outputs"]


def look_up(table: Mapping[str, Any], name: str, kind: str) -> Any:
    """Return an entry of a table.

    Args:
        table: by name.
        name: of the entry.
        kind: of the name, for the message.

    Returns:
        The entry.

    Raises:
        ModelError: for an unknown name, with the nearest known one.
    """
    if name not in table:
        raise ModelError(f"{kind} '{name}' is not known to the model; {nearest(name, table)}.")
    return table[name]
