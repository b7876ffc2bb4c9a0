"""A culture model: species, variables, inputs, rate laws, a network with its flux projection, observables.

A PyTree of laws and arrays; nothing here knows a run. Two models of equal content are equal, and a function that was
compiled for one serves the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from graycell.cell import flux
from graycell.cell.closures import (
    Algebraic,
    Closed,
    Closure,
    Dynamic,
    Lagged,
    LoopControl,
    LoopStatus,
    close_algebraic,
    rest_of,
)
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork, Reaction, parse_equation
from graycell.cell.neural import MLP
from graycell.cell.rates import Conditions, Named, RateLaw, ViableCells, Volumetric
from graycell.cell.variables import Input, LoopVariable, RelaxingVariable, Species, StateVariable, Variable
from graycell.errors import ModelError, nearest
from graycell.parameters import Parameter, ParameterTable
from graycell.reactor import Balances, Flows, NeuralODE, Reactor

Scalar = Float[Array, ""]
Values = Float[Array, " names"] | Mapping[str, Any] | None

VCD, BIOMASS, VIABILITY = "VCD", "BIOM", "viability"
"""Names with a meaning: viable cell density [1e9 cells/L], the biomass of all cells [mmol/L], the viable fraction."""
CELL_UNIT = "1e9 cells/L"
_BIOMASS_PER_CELL = Parameter(2.31, "mmol/(1e9 cells)", 0.5, 10.0, estimated=False, meaning="biomass per cell",
                              source="Nolan & Lee 2011")  # fmt: skip


class CultureState(NamedTuple):
    """State of a culture. Amounts and volume are per litre of initial volume.

    Attributes:
        amounts: (species,) in the amount of each species' unit, such as mmol, per litre.
        volume: [1].
        variables: (variables,) the states of the variables; of an algebraic loop where its root is searched.
    """

    amounts: Float[Array, " species"]
    volume: Scalar
    variables: Float[Array, " variables"]

    @property
    def concentrations(self) -> Float[Array, " species"]:
        """Concentrations (species,) in the unit of each species."""
        return self.amounts / self.volume


class Surroundings(NamedTuple):
    """What acts on a culture at one time and is not modelled.

    Attributes:
        inputs: (inputs,) in the unit of each.
        flows: see `reactor.Flows`.
        media: (media, species) concentrations.
        control: what a fit does to the loops; nothing in a simulation.
    """

    inputs: Float[Array, " inputs"]
    flows: Flows
    media: Float[Array, "media species"]
    control: LoopControl = LoopControl()


class Evaluation(NamedTuple):
    """The cell at one operating point.

    Attributes:
        kinetic_rates: (kinetic,) of the reactions of the network that have a rate law.
        fluxes: (reactions,) specific [mmol/(10^9 cells)/d], volumetric [mmol/L/d] for volumetric reactions.
        conflict: (kinetic,) [1] how far the balances pull each flux from its rate law.
        flux_status: `FluxStatus`.
        targets: (loops,) what the fluxes make of each loop variable.
        observables: (observables,) in the unit of each.
        cells: viable cell density [10^9 cells/L]; 1 for a model without cells.
    """

    kinetic_rates: Float[Array, " kinetic"]
    fluxes: Float[Array, " reactions"]
    conflict: Float[Array, " kinetic"]
    flux_status: Int[Array, ""]
    targets: Float[Array, " loops"]
    observables: Float[Array, " observables"]
    cells: Scalar


class Aside:
    """Words that belong to a model and never decide how it is compiled: equal to every other.

    So a change of bounds or of a meaning compiles nothing anew. A compiled function that returns a model may return it
    with the words of an equal one; graycell has no such function.

    Attributes:
        content: anything.
    """

    def __init__(self, content: Any):
        self.content = content

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Aside)

    def __hash__(self) -> int:
        return hash(Aside)


class CultureModel(eqx.Module):
    """A model of a culture in a vessel.

    Attributes:
        name: for reports and files.
        species: in the liquid, without the suffix ``_ext``.
        species_specs: unit and initial value of each species.
        network: reactions between species inside and outside of the cell; None for a model without one.
        projection: kinetic rates -> fluxes; None without a network.
        direct: reactions outside of the network, whose rates act directly on the liquid.
        direct_equations: their equations.
        volumetric: (reactions) whether a rate is per litre of culture and not per cell.
        exchange: (species, reactions) stoichiometry of the liquid.
        rate_names, laws: the rate laws, in the order of evaluation; a law may use the rates before it.
        variable_names, variables: see `cell.variables`.
        input_names, inputs: see `cell.variables.Input`.
        observable_names, observables, observable_units: what an instrument shows, as laws of all of the above.
        cells: law of the viable cell density [10^9 cells/L]; None where no rate is specific.
        reactor: balances of the vessel.
        parameters: values by name, in internal units.
        nets: networks by name, see `cell.neural`: what a gray or black model learns.
        clearance: the parameter [L/(10^9 cells)/d] that limits uptake to clearance times concentration, or None.
        uptakes: (reaction, species, coefficient) of the exchanges that are limited.
        stoichiometry_weight: the variable that weighs the shifted stoichiometry of the network, or None.
        gases: external species that the gas phase holds: they have fluxes and no balance in the liquid.

    >>> model = CultureModel(
    ...     reactions={"growth": "GLC => VCD"},
    ...     rates={"growth": Rate("mu") * Monod("GLC", "K")},
    ...     parameters={"mu": Parameter(1.0, "1/d"), "K": Parameter(1.0, "mmol/L")},
    ... )
    >>> model.species, model.species_specs[1].unit
    (('GLC', 'VCD'), '1e9 cells/L')
    """

    name: str = eqx.field(static=True)
    species: tuple[str, ...] = eqx.field(static=True)
    species_specs: tuple[Species, ...] = eqx.field(static=True)
    network: MetabolicNetwork | None = eqx.field(static=True)
    projection: flux.FluxProjection | None
    direct: tuple[str, ...] = eqx.field(static=True)
    direct_equations: tuple[str, ...] = eqx.field(static=True)
    volumetric: tuple[bool, ...] = eqx.field(static=True)
    exchange: Float[Array, "species reactions"]
    rate_names: tuple[str, ...] = eqx.field(static=True)
    laws: tuple[RateLaw, ...]
    variable_names: tuple[str, ...] = eqx.field(static=True)
    variables: tuple[Variable, ...]
    input_names: tuple[str, ...] = eqx.field(static=True)
    inputs: tuple[Input, ...] = eqx.field(static=True)
    observable_names: tuple[str, ...] = eqx.field(static=True)
    observables: tuple[RateLaw, ...]
    observable_units: tuple[str, ...] = eqx.field(static=True)
    cells: RateLaw | None
    reactor: Balances
    parameters: dict[str, Array]
    nets: dict[str, MLP]
    clearance: str | None = eqx.field(static=True)
    uptakes: tuple[tuple[int, int, float], ...] = eqx.field(static=True)
    stoichiometry_weight: str | None = eqx.field(static=True)
    gases: tuple[str, ...] = eqx.field(static=True)
    about: Aside = eqx.field(static=True)

    def __init__(
        self,
        *,
        rates: Mapping[str, RateLaw],
        parameters: Mapping[str, Parameter | float] | ParameterTable,
        network: MetabolicNetwork | Mapping[str, str | Reaction] | Sequence[Reaction] | None = None,
        reactions: Mapping[str, str] | None = None,
        species: Mapping[str, Species | str] | None = None,
        variables: Mapping[str, Variable] | None = None,
        inputs: Mapping[str, Input | float] | None = None,
        observables: Mapping[str, RateLaw | tuple[RateLaw, str]] | None = None,
        cells: RateLaw | str | None = None,
        weights: flux.PublishedWeights | flux.SoftWeights | None = None,
        reference: Mapping[str, float] | None = None,
        nets: Mapping[str, MLP] | None = None,
        gases: Sequence[str] = (),
        clearance: str | None = None,
        stoichiometry_weight: str | None = None,
        balanced: bool = True,
        name: str = "model",
    ):
        """Put a model together; every name is checked here and not while compiling.

        Args:
            rates: rate laws by reaction, in the order of evaluation. `Volumetric(law)` acts per litre of culture.
            parameters: by name; a plain number is not estimated.
            network: reactions of a cell, whose inside is at steady state; external species end in ``_ext``.
            reactions: reactions between species of the liquid, whose rates act directly; each needs a rate law.
            species: unit (a string) or `Species` of the species that are not in mmol/L or not in any reaction.
            variables: by name, see `cell.variables`.
            inputs: by name, what a run gives; a plain number is a default.
            observables: by name, a law or a law and its unit, such as ``(Concentration("titer") * 0.15, "g/L")``.
            cells: law of the viable cell density [10^9 cells/L], or the name of the species that counts them. If left
                out, the species VCD; else the biomass BIOM [mmol/L] times the input viability over the parameter
                biomass_per_cell (2.31 mmol/(10^9 cells), Nolan & Lee 2011, unless the model has its own).
            weights: of the flux projection, `SoftWeights()` by default.
            reference: fluxes, by name, that decide where the rate laws leave fluxes open.
            nets: networks by name that laws use.
            gases: external species that the gas phase holds.
            clearance: name of the parameter that limits uptake [L/(10^9 cells)/d].
            stoichiometry_weight: name of the variable that weighs the shifted stoichiometry of the network.
            balanced: without it the rates are dc/dt, see `reactor.NeuralODE`.
            name: for reports and files.

        Raises:
            ModelError: where a name is not known, or a rate law names what the model has not.
        """
        table = ParameterTable.of(parameters)
        if network is not None and not isinstance(network, MetabolicNetwork):
            network = _network_of(network)
        direct = dict(reactions or {})
        external = () if network is None else tuple(one.removesuffix(EXTERNAL_SUFFIX) for one in network.external)
        for gas in gases:
            if gas not in external:
                raise ModelError(f"species '{gas}' is not external in the network; {nearest(gas, external)}.")
        columns = {reaction: parse_equation(equation) for reaction, equation in direct.items()}
        found: list[str] = [one for one in external if one not in gases]
        found += [one.removesuffix(EXTERNAL_SUFFIX) for column in columns.values() for one in column]
        names: tuple[str, ...] = (*dict.fromkeys([*found, *(species or {})]),)
        specs = tuple(_species_spec(one, (species or {}).get(one)) for one in names)
        known = (*(() if network is None else network.names), *direct)
        _check_reactions(network, direct, rates, known)
        kinetic = [one for one in rates if network is not None and one in network.names]
        cells, table, inputs = _cells(cells, names, table, dict(inputs or {}), rates, balanced)
        exchange = _exchange(network, names, columns)
        uptakes: tuple[tuple[int, int, float], ...] = ()
        if clearance is not None and network is not None:
            network, uptakes = _limited(network, exchange)
        shown = dict(observables or {})
        if cells is not None and VCD not in names and VCD not in shown:
            shown = {VCD: (cells, CELL_UNIT), **shown}
        self.name = name
        self.species, self.species_specs = names, specs
        self.network = network
        self.projection = None if network is None else _projection(network, kinetic, weights, reference)
        self.direct, self.direct_equations = tuple(direct), tuple(direct.values())
        self.volumetric = tuple(isinstance(rates.get(one), Volumetric) for one in known)
        self.exchange = jnp.asarray(exchange)
        self.rate_names, self.laws = tuple(rates), tuple(rates.values())
        self.variable_names, self.variables = tuple(variables or {}), tuple((variables or {}).values())
        self.input_names = tuple(inputs)
        self.inputs = tuple(one if isinstance(one, Input) else Input(default=float(one)) for one in inputs.values())
        self.observable_names = tuple(shown)
        pairs = [one if isinstance(one, tuple) else (one, "1") for one in shown.values()]
        self.observables, self.observable_units = tuple(law for law, _ in pairs), tuple(unit for _, unit in pairs)
        self.cells = cells
        self.reactor = Reactor(jnp.array([_retained(*one, cells) for one in zip(names, specs, strict=True)]))
        if not balanced:
            self.reactor = NeuralODE()
        self.parameters = _as_arrays(table)
        self.nets = dict(nets or {})
        self.clearance, self.uptakes, self.gases = clearance, uptakes, tuple(gases)
        self.stoichiometry_weight = stoichiometry_weight
        self.about = Aside(table)
        self._check_names(table)

    # ------------------------------------------------------------------------------------------ what it is made of

    def __repr__(self) -> str:
        learned = f"{self.weight_count} weights of networks, " if self.nets else ""
        closures = "".join(f", {name} {self.variables[i].closure}" for name, i in self._loops)  # type: ignore[attr-defined]
        return (
            f"CultureModel('{self.name}': {len(self.species)} species, {len(self.reactions)} reactions, "
            f"{len(self.laws)} rate laws, {learned}{len(self.parameters)} parameters{closures})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CultureModel) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple:
        leaves, structure = jax.tree.flatten(self)
        arrays = tuple((str(np.asarray(leaf).dtype), np.shape(leaf), np.asarray(leaf).tobytes()) for leaf in leaves)
        return structure, arrays, self.table

    def changed(self, **fields) -> "CultureModel":
        """Return the model with other values of some attributes, which are taken as they are.

        Args:
            **fields: attributes and their values.

        Returns:
            The changed model.
        """
        new = object.__new__(type(self))
        for name in self.__dataclass_fields__:
            object.__setattr__(new, name, fields.pop(name) if name in fields else getattr(self, name))
        if fields:
            raise ModelError(f"a model has no attribute '{next(iter(fields))}'.")
        return new

    def definition(self) -> dict[str, Any]:
        """Return what the model is made of: the arguments that build it anew.

        Returns:
            The keyword arguments of `CultureModel`.
        """
        own = (VCD,) if VCD not in self.species else ()
        shown = zip(self.observable_names, self.observables, self.observable_units, strict=True)
        return {
            "name": self.name,
            "network": self.network,
            "reactions": dict(zip(self.direct, self.direct_equations, strict=True)),
            "species": dict(zip(self.species, self.species_specs, strict=True)),
            "rates": self.rates,
            "parameters": self.table,
            "variables": dict(zip(self.variable_names, self.variables, strict=True)),
            "inputs": dict(zip(self.input_names, self.inputs, strict=True)),
            "observables": {name: (law, unit) for name, law, unit in shown if name not in own or law != self.cells},
            "cells": self.cells,
            "weights": None if self.projection is None else self.projection.weights,
            "reference": None if self.projection is None else _fluxes_by_name(self.projection),
            "nets": self.nets,
            "gases": self.gases,
            "clearance": self.clearance,
            "stoichiometry_weight": self.stoichiometry_weight,
            "balanced": not isinstance(self.reactor, NeuralODE),
        }

    def rebuilt(self, **changes) -> "CultureModel":
        """Return a model that is built anew from the same definition with some changes.

        Args:
            **changes: arguments of `CultureModel`.

        Returns:
            The new model.

        Raises:
            ModelError: as `CultureModel` does.
        """
        return CultureModel(**{**self.definition(), **changes})

    @property
    def rates(self) -> dict[str, RateLaw]:
        """Rate laws by reaction, in the order of evaluation."""
        return dict(zip(self.rate_names, self.laws, strict=True))

    @property
    def table(self) -> ParameterTable:
        """The parameters with units, bounds, priors and sources, at the present values."""
        return self.about.content.with_values({name: float(value) for name, value in self.parameters.items()})

    @property
    def weight_count(self) -> int:
        """How many weights the networks have."""
        return sum(leaf.size for net in self.nets.values() for leaf in net.weights)

    @property
    def reactions(self) -> tuple[str, ...]:
        """Names of all reactions, in the order of the fluxes."""
        return (*(() if self.network is None else self.network.names), *self.direct)

    @property
    def kinetic(self) -> tuple[str, ...]:
        """Names of the reactions of the network that have a rate law, in the order of the kinetic rates."""
        return () if self.projection is None else self.projection.kinetic

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of all that can be measured: species, observables, variables."""
        return (*self.species, *self.observable_names, *self.variable_names)

    def unit(self, quantity: str) -> str:
        """Return the unit of a quantity; raises `ModelError` for one that the model has not.

        Args:
            quantity: a species, observable, variable or input.

        Returns:
            The unit.
        """
        for names, units in (
            (self.species, [one.unit for one in self.species_specs]),
            (self.observable_names, self.observable_units),
            (self.variable_names, [one.unit for one in self.variables]),
            (self.input_names, [one.unit for one in self.inputs]),
        ):
            if quantity in names:
                return units[names.index(quantity)]
        raise ModelError(f"quantity '{quantity}' is not in the model; {nearest(quantity, self.quantities)}.")

    @property
    def _loops(self) -> list[tuple[str, int]]:
        return [(self.variable_names[i], i) for i, one in enumerate(self.variables) if isinstance(one, LoopVariable)]

    @property
    def loops(self) -> tuple[str, ...]:
        """Names of the variables whose targets the fluxes make."""
        return tuple(name for name, _ in self._loops)

    @property
    def has_loop(self) -> bool:
        """Whether a variable depends on the fluxes that it shapes."""
        return bool(self._loops)

    @property
    def closure(self) -> Closure | None:
        """The closure of the first loop; None for a model without one."""
        return self._loop_variables[0].closure if self._loops else None

    @property
    def _loop_variables(self) -> list[LoopVariable]:
        return [one for one in self.variables if isinstance(one, LoopVariable)]

    @property
    def is_lagged(self) -> bool:
        """Whether a loop is closed by the published fixed-step scheme."""
        return any(isinstance(one.closure, Lagged) for one in self._loop_variables)

    @property
    def biomass(self) -> str | None:
        """The species that counts cells; None where no single one does."""
        return self.cells.species if isinstance(self.cells, ViableCells) else None

    def with_parameters(self, values: Mapping[str, Any]) -> "CultureModel":
        """Return the model with other parameter values, which may lie outside of the bounds of a fit or be traced.

        Args:
            values: by name, in internal units.

        Returns:
            The changed model.

        Raises:
            ModelError: for an unknown name.
        """
        for name in values:
            if name not in self.parameters:
                raise ModelError(f"parameter '{name}' is not in the model; {nearest(name, self.parameters)}.")
        new = {name: jnp.asarray(value, jnp.float64) for name, value in values.items()}
        return self.changed(parameters={**self.parameters, **new})

    def with_table(self, table: ParameterTable) -> "CultureModel":
        """Return the model with another parameter table, and its values.

        Args:
            table: with the names of the present one.

        Returns:
            The changed model.
        """
        return self.changed(parameters=_as_arrays(table), about=Aside(table))

    def with_closure(self, closure: Closure) -> "CultureModel":
        """Return the model with another closure of its loops.

        Args:
            closure: for every loop.

        Returns:
            The changed model; the same where it has no loop.
        """
        variables = tuple(
            replace(one, closure=closure) if isinstance(one, LoopVariable) else one for one in self.variables
        )
        return self.changed(variables=variables)

    def _check_names(self, table: ParameterTable) -> None:
        """Raise `ModelError` here, and not while compiling, for a name that a law, closure or net does not find."""
        for one in self._loop_variables:
            if not isinstance(one.closure, Lagged):
                table[one.closure.turnover_time]
        if self.clearance is not None:
            table[self.clearance]
        if self.stoichiometry_weight is not None and self.stoichiometry_weight not in self.variable_names:
            raise ModelError(
                f"variable '{self.stoichiometry_weight}' is to weigh the shifted stoichiometry and is not in the "
                f"model; {nearest(self.stoichiometry_weight, self.variable_names)}."
            )
        n, m, k = len(self.species), len(self.variable_names), len(self.input_names)
        at = CultureState(jnp.ones(n), jnp.ones(()), jnp.ones(m))
        surroundings = Surroundings(
            jnp.ones(k), Flows(jnp.zeros(1), jnp.zeros(()), jnp.zeros(())), jnp.zeros((1, n)),
            LoopControl(jnp.zeros(len(self._loops))),
        )  # fmt: skip
        model = self if not self.is_lagged else self.with_closure(Dynamic(next(iter(self.parameters))))
        eqx.filter_eval_shape(lambda one, s, a: one.derivative(s, a), model, at, surroundings)

    # ----------------------------------------------------------------------------------------------- what it computes

    def conditions(
        self, concentrations: Float[Array, " species"], variables: Values = None, inputs: Values = None, fed=None
    ) -> Conditions:
        """Return what rate laws see at an operating point, with all rates.

        Args:
            concentrations: (species,) in the unit of each.
            variables: (variables,) or by name; their initial values where not given.
            inputs: (inputs,) or by name; their defaults where not given.
            fed: (species,) what flows in over the volume [mmol/L/d]; 0 if left out.

        Returns:
            The conditions, without fluxes.
        """
        fed = jnp.zeros(len(self.species)) if fed is None else fed
        at = Conditions(
            Named(self.species, concentrations),
            Named(self.variable_names, self.variable_vector(variables)),
            Named(self.input_names, self.input_vector(inputs)),
            self.parameters,
            {},
            {},
            Named(self.species, fed),
        )
        at = at._replace(outputs={name: net(at) for name, net in self.nets.items()})
        for reaction, law in zip(self.rate_names, self.laws, strict=True):
            at = at._replace(rates={**at.rates, reaction: law(at)})
        return at

    def variable_vector(self, values: Values = None) -> Float[Array, " variables"]:
        """Return the variables as an array.

        Args:
            values: (variables,) or by name; initial values where not given.

        Returns:
            (variables,)
        """
        return _vector(values, self.variable_names, [one.initial for one in self.variables], "variable")

    def input_vector(self, values: Values = None) -> Float[Array, " inputs"]:
        """Return the inputs as an array.

        Args:
            values: (inputs,) or by name; defaults, else 0, where not given.

        Returns:
            (inputs,)
        """
        return _vector(values, self.input_names, [one.default or 0.0 for one in self.inputs], "input")

    def kinetic_rates(
        self, concentrations: Float[Array, " species"], variables: Values = None, inputs: Values = None, fed=None
    ) -> Float[Array, " kinetic"]:
        """Return the kinetic rates of the network [mmol/(10^9 cells)/d], without the balances; see `evaluate`.

        Args:
            concentrations: see `conditions`.
            variables: see `conditions`.
            inputs: see `conditions`.
            fed: see `conditions`.

        Returns:
            (kinetic,)
        """
        return self._kinetic(self.conditions(concentrations, variables, inputs, fed))

    def _kinetic(self, at: Conditions) -> Float[Array, " kinetic"]:
        return jnp.stack([at.rates[name] for name in self.kinetic]) if self.kinetic else jnp.zeros(0)

    def evaluate(
        self,
        concentrations: Float[Array, " species"],
        variables: Values = None,
        inputs: Values = None,
        *,
        fed: Float[Array, " species"] | None = None,
        stoichiometry: Scalar | float | None = None,
    ) -> Evaluation:
        """Return rates, fluxes, targets and observables at an operating point.

        Args:
            concentrations: (species,) in the unit of each.
            variables: (variables,) or by name; their initial values where not given.
            inputs: (inputs,) or by name; their defaults where not given.
            fed: (species,) what flows in over the volume [mmol/L/d], for networks that see it.
            stoichiometry: weight [1] of the shifted stoichiometry where it differs from the model's variable.

        Returns:
            See `Evaluation`.
        """
        at = self.conditions(concentrations, variables, inputs, fed)
        kinetic_rates, conflict = self._kinetic(at), jnp.zeros(len(self.kinetic))
        fluxes, status = jnp.zeros(0), jnp.asarray(flux.FluxStatus.solved)
        if self.projection is not None:
            if stoichiometry is None:
                name = self.stoichiometry_weight
                stoichiometry = 0.0 if name is None else at.variable(name)
            solution = self.projection(kinetic_rates, stoichiometry, **self._limits(concentrations))
            fluxes, conflict, status = solution.fluxes, solution.conflict, solution.status
        if self.direct:
            fluxes = jnp.concatenate([fluxes, jnp.stack([jnp.asarray(at.rates[name]) for name in self.direct])])
        at = at._replace(fluxes=Named(self.reactions, fluxes))
        return Evaluation(
            kinetic_rates,
            fluxes,
            conflict,
            status,
            _stack([one.target(at) for one in self._loop_variables]),
            _stack([law(at) for law in self.observables]),
            jnp.ones(()) if self.cells is None else self.cells(at),
        )

    def production(self, cell: Evaluation) -> Float[Array, " species"]:
        """Return what the cells and the reactions of the liquid make of each species [mmol/L/d].

        Args:
            cell: see `evaluate`.

        Returns:
            (species,), in the unit of each species per day.
        """
        if not self.reactor.per_cell:
            return cell.fluxes @ self.exchange.T
        if not any(self.volumetric):
            return cell.cells * (cell.fluxes @ self.exchange.T)
        factor = jnp.where(jnp.asarray(self.volumetric), 1.0, cell.cells)
        return (factor * cell.fluxes) @ self.exchange.T

    def _limits(self, concentrations: Float[Array, " species"]) -> dict[str, Any]:
        """Return the bounds of the fluxes where uptake is limited, see `clearance`."""
        if self.clearance is None or self.network is None:
            return {}
        reactions, species, coefficients = (np.array(part) for part in zip(*self.uptakes, strict=True))
        there = jnp.maximum(concentrations, 0.0)[species]
        most = self.parameters[self.clearance] * there / jnp.asarray(np.abs(coefficients))
        ahead = coefficients < 0.0
        upper = jnp.asarray(self.network.upper).at[reactions[ahead]].min(most[ahead])
        lower = jnp.asarray(self.network.lower).at[reactions[~ahead]].max(-most[~ahead])
        return {"lower": lower, "upper": upper, "rest_allowed": True}

    # ----------------------------------------------------------------------------------------------------- its states

    def begin(self, given: Float[Array, " variables"], inputs: Float[Array, " inputs"]) -> Float[Array, " variables"]:
        """Return the variables at time 0.

        Args:
            given: (variables,) what a run says, NaN where it says nothing.
            inputs: (inputs,) at time 0.

        Returns:
            (variables,)
        """
        at = Conditions({}, {}, Named(self.input_names, inputs), self.parameters)
        own = [one.target(at) if isinstance(one, RelaxingVariable) else jnp.asarray(one.initial, jnp.float64)
               for one in self.variables]  # fmt: skip
        return jnp.where(jnp.isnan(given), _stack(own), given)

    def turnover_times(self) -> Float[Array, " loops"]:
        """Return the turnover time [d] of every loop; 1 for the lagged closure.

        Returns:
            (loops,)
        """
        return _stack([
            jnp.ones(()) if isinstance(one.closure, Lagged) else self.parameters[one.closure.turnover_time]
            for one in self._loop_variables
        ])  # fmt: skip

    def close(self, state: CultureState, at: Surroundings) -> Closed:
        """Return the variables as the closures make them of their states.

        Args:
            state: of the culture.
            at: what acts on it.

        Returns:
            All variables (variables,), where they would rest, and the status of the algebraic loops.

        Raises:
            ModelError: for the lagged closure, which is no ODE.
        """
        algebraic = self._algebraic()
        if not algebraic:
            return Closed(state.variables, state.variables, jnp.asarray(LoopStatus.solved, jnp.int32))
        index = np.array(algebraic)
        found = close_algebraic(self._closures(algebraic), self._gap(state, at, algebraic), state.variables[index])
        values, rest = (state.variables.at[index].set(part) for part in found[:2])
        return Closed(values, rest, found.status)

    def after_event(self, state: CultureState, at: Surroundings) -> CultureState:
        """Return the state once amounts, volume or inputs have changed at once.

        Args:
            state: of the culture.
            at: what acts on it from now on.

        Returns:
            The state, in which algebraic loops are at rest.
        """
        algebraic = self._algebraic()
        if not algebraic:
            return state
        index = np.array(algebraic)
        rest = rest_of(self._gap(state, at, algebraic), state.variables[index])
        return state._replace(variables=state.variables.at[index].set(rest))

    def derivative(self, state: CultureState, at: Surroundings) -> CultureState:
        """Return d(state)/dt [per d]: the reactor's balances with the cell's fluxes, and the variables.

        Args:
            state: of the culture.
            at: what acts on it.

        Returns:
            The derivative of every part of the state.
        """
        closed, c = self.close(state, at), state.concentrations
        fed = at.flows.feed @ at.media / state.volume
        cell = self.evaluate(c, self.seen(closed.values, at.control), at.inputs, fed=fed)
        amounts, volume = self.reactor.derivative(
            state.amounts, state.volume, self.production(cell), at.flows, at.media
        )
        return CultureState(amounts, volume, self._variable_derivatives(state, closed, cell, at, fed))

    def seen(self, values: Float[Array, " variables"], control: LoopControl) -> Float[Array, " variables"]:
        """Return the variables as the rate laws see them, where a fit opens the loops.

        Args:
            values: (variables,)
            control: see `LoopControl`.

        Returns:
            (variables,)
        """
        loops = [i for _, i in self._loops]
        return values.at[np.array(loops)].set(control.seen(values[np.array(loops)])) if loops else values

    def _variable_derivatives(self, state, closed: Closed, cell: Evaluation, at: Surroundings, fed):
        if not self.variables:
            return jnp.zeros(0)
        loops = [i for _, i in self._loops]
        tau = self.turnover_times()
        gap = at.control.gap(cell.targets, closed.values[np.array(loops, int)], tau)
        where = None
        rates = []
        for i, one in enumerate(self.variables):
            if isinstance(one, LoopVariable):
                k = loops.index(i)
                rest = (closed.rest[i] - state.variables[i]) / getattr(one.closure, "memory", 1.0)
                rates.append(gap[k] / tau[k] if isinstance(one.closure, Dynamic) else rest)
            elif isinstance(one, RelaxingVariable):
                inputs = Conditions({}, {}, Named(self.input_names, at.inputs), self.parameters)
                rates.append(one.rate(inputs) * (one.target(inputs) - state.variables[i]))
            elif isinstance(one, StateVariable):
                if where is None:
                    seen = self.seen(closed.values, at.control)
                    where = self.conditions(state.concentrations, seen, at.inputs, fed)
                    where = where._replace(fluxes=Named(self.reactions, cell.fluxes))
                rates.append(one.derivative(where))
        return _stack(rates)

    def _algebraic(self) -> list[int]:
        if self.is_lagged:
            raise ModelError(
                "the lagged closure is no ODE; use graycell.simulate, or a model with the closure Dynamic."
            )
        return [i for _, i in self._loops if isinstance(self.variables[i].closure, Algebraic)]  # type: ignore[attr-defined]

    def _closures(self, which: Sequence[int]) -> tuple:
        return tuple(self.variables[i].closure for i in which)  # type: ignore[attr-defined]

    def _gap(self, state: CultureState, at: Surroundings, which: Sequence[int]) -> Callable[[Array], Array]:
        loops = [i for _, i in self._loops]
        places, index, tau = np.array([loops.index(i) for i in which]), np.array(which), self.turnover_times()

        def gap(values: Array) -> Array:
            full = state.variables.at[index].set(values)
            cell = self.evaluate(state.concentrations, self.seen(full, at.control), at.inputs)
            return at.control.gap(cell.targets, full[np.array(loops)], tau)[places]

        return gap


_SOME_BOUND = 1e6
"""[mmol/(10^9 cells)/d] Bound where a limit of uptake is given at run time: the layer prepares a bound there."""


def _stack(values: Sequence[Array]) -> Array:
    return jnp.stack([jnp.asarray(one, jnp.float64) for one in values]) if values else jnp.zeros(0)


def _vector(values: Values, names: tuple[str, ...], defaults: Sequence[float], kind: str) -> Array:
    if values is None or isinstance(values, Mapping):
        given = values or {}
        for name in given:
            if name not in names:
                raise ModelError(f"{kind} '{name}' is not in the model; {nearest(name, names)}.")
        return _stack([given.get(name, default) for name, default in zip(names, defaults, strict=True)])
    return values


def _as_arrays(table: ParameterTable) -> dict[str, Array]:
    return {name: jnp.asarray(value, jnp.float64) for name, value in table.values().items()}


def _network_of(network: Mapping[str, str | Reaction] | Sequence[Reaction]) -> MetabolicNetwork:
    if isinstance(network, Mapping):
        return MetabolicNetwork.from_reactions(
            [one if isinstance(one, Reaction) else Reaction(name, one) for name, one in network.items()]
        )
    return MetabolicNetwork.from_reactions(network)


def _species_spec(name: str, given: Species | str | None) -> Species:
    if isinstance(given, Species):
        return given
    return Species(given if given is not None else CELL_UNIT if name == VCD else "mmol/L")


def _retained(name: str, spec: Species, cells: RateLaw | None) -> float:
    if spec.retained is not None:
        return float(spec.retained)
    counts = isinstance(cells, ViableCells) and cells.species == name
    return float(counts or "cells" in spec.unit)


def _check_reactions(network, direct: Mapping[str, str], rates: Mapping[str, RateLaw], known: Sequence[str]) -> None:
    for name in direct:
        if network is not None and name in network.names:
            raise ModelError(f"reaction '{name}' is in the network and among the reactions; give it once.")
        if name not in rates:
            raise ModelError(f"reaction '{name}' has no rate law; {nearest(name, rates)}.")
    for name in rates:
        if name not in known:
            raise ModelError(f"reaction '{name}' has a rate law and is not in the model; {nearest(name, known)}.")
        if network is not None and name in network.names and isinstance(rates[name], Volumetric):
            raise ModelError(f"reaction '{name}' is inside the cell, so its rate is per cell; leave Volumetric out.")


def _cells(cells, names, table: ParameterTable, inputs: dict, rates, balanced: bool):
    """Return the law of the viable cell density, and table and inputs with what it needs."""
    if isinstance(cells, str):
        cells = ViableCells(cells)
    if cells is None and VCD in names:
        cells = ViableCells(VCD)
    if cells is None and BIOMASS in names:
        cells = ViableCells(BIOMASS, "biomass_per_cell", VIABILITY)
    if cells is None and balanced and any(not isinstance(law, Volumetric) for law in rates.values()):
        raise ModelError(
            f"found rates per cell and no cells among the species {', '.join(names)}; name the species that counts "
            "them: cells='X', or make the rates Volumetric."
        )
    if isinstance(cells, ViableCells):
        if cells.species not in names:
            raise ModelError(f"species '{cells.species}' counts the cells and is not in the model; "
                             f"{nearest(cells.species, names)}.")  # fmt: skip
        if cells.biomass_per_cell == "biomass_per_cell" and "biomass_per_cell" not in table.names:
            table = ParameterTable((*table.rows, replace(_BIOMASS_PER_CELL, name="biomass_per_cell")))
        if cells.biomass_per_cell is not None:
            table[cells.biomass_per_cell]
        if cells.viability is not None:
            inputs.setdefault(cells.viability, Input("1", 1.0))
    return cells, table, inputs


def _projection(network, kinetic, weights, reference) -> flux.FluxProjection:
    external = network.is_external
    if np.any(network.stoichiometry[external] != network.cold_stoichiometry[external]):
        raise ModelError(
            "the shifted stoichiometry changes an exchange with the medium; it may change the inside only."
        )
    return flux.prepare(network, kinetic, weights, reference)


def _fluxes_by_name(projection: flux.FluxProjection) -> dict[str, float]:
    pairs = zip(projection.network.names, np.asarray(projection.reference), strict=True)
    return {name: float(value) for name, value in pairs if value}


def _exchange(network, names: Sequence[str], columns: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Return the stoichiometry of the liquid, (species, reactions)."""
    parts = []
    if network is not None:
        inside = np.zeros((len(names), len(network.names)))
        for i, name in enumerate(names):
            if name + EXTERNAL_SUFFIX in network.species:
                inside[i] = network.rows([name + EXTERNAL_SUFFIX])[0]
        parts.append(inside)
    direct = np.zeros((len(names), len(columns)))
    for j, column in enumerate(columns.values()):
        for one, coefficient in column.items():
            direct[names.index(one.removesuffix(EXTERNAL_SUFFIX)), j] += coefficient
    return np.hstack([*parts, direct])


def _limited(network: MetabolicNetwork, exchange: np.ndarray):
    """Return the network with a bound wherever uptake is limited, and these uptakes, see `CultureModel.uptakes`."""
    uptakes = []
    for i, j in np.argwhere(exchange[:, : len(network.names)]):
        ahead = bool(exchange[i, j] < 0.0)
        if not ahead and network.lower[j] >= 0.0:
            continue  # it makes the species, and cannot go backwards
        uptakes.append((int(j), int(i), float(exchange[i, j])))
        low, high = float(network.lower[j]), float(network.upper[j])
        low, high = (low, min(high, _SOME_BOUND)) if ahead else (max(low, -_SOME_BOUND), high)
        network = network.with_bounds(network.names[j], low, high)
    return network, tuple(uptakes)
