"""A culture model: species, variables, inputs, rate laws, a network with its flux projection, observables.

A model is a PyTree of laws and arrays and is independent of runs. Two models of equal content are equal, so a function
compiled for one serves the other. `cell.building` makes the parts of a model.

Past 500 lines: `CultureModel` is one class, and its docstrings are half of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from graycell.cell import building, flux
from graycell.cell.building import BIOMASS_PER_CELL, CELL_UNIT, VCD, VIABILITY
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
from graycell.cell.conditions import Concentrations, Conditions, Definitions, Named, Recorder
from graycell.cell.network import MetabolicNetwork, Reaction, parse_equation
from graycell.cell.neural import MLP
from graycell.cell.rates import RateLaw, ViableCells, Volumetric
from graycell.cell.triggers import Trigger, Triggered, check_targets, triggered
from graycell.cell.variables import Clock, Input, LoopVariable, RelaxingVariable, Species, StateVariable, Variable
from graycell.errors import ModelError, nearest
from graycell.parameters import Parameter, ParameterTable
from graycell.reactor import Balances, Flows, NeuralODE, Reactor

Scalar = Float[Array, ""]
Values = Float[Array, " _names"] | Mapping[str, Any] | None

_DEFAULT_BIOMASS_PER_CELL = Parameter(2.31, "mmol/(1e9 cells)", 0.5, 10.0, estimated=False, name=BIOMASS_PER_CELL,
                                      meaning="biomass per cell", source="Nolan & Lee 2011")  # fmt: skip
_SCARCE = 1e-6
"""Concentration, in the unit of the species, below which limited uptake falls with the square of the concentration.
What is used up then nears 0 as 1/t and not as exp(-t): it is not stiff where nothing is left, and stays above 0."""


class CultureState(NamedTuple):
    """State of a culture. Amounts and volume are per litre of initial volume.

    Attributes:
        amounts: (species,) in the amount of each species' unit, such as mmol, per litre.
        volume: [1].
        variables: (variables,) states of the variables; of an algebraic loop, where the search for its root starts.
    """

    amounts: Float[Array, " species"]
    volume: Scalar
    variables: Float[Array, " variables"]

    @property
    def concentrations(self) -> Float[Array, " species"]:
        """Concentrations (species,) in the unit of each species."""
        return self.amounts / self.volume


class Surroundings(NamedTuple):
    """Inputs, flows and media that act on a culture at one time.

    Attributes:
        inputs: (inputs,) in the unit of each.
        flows: see `reactor.Flows`.
        media: (media, species) concentrations.
        control: how a fit opens the loops; not at all in a simulation.
        elapsed: [d] since the state of the relaxing variables, whose targets are constant since then, so that their
            values are known exactly; None where they are integrated with the others.
        time: [d] since the beginning of the run; None where no variable needs it.
    """

    inputs: Float[Array, " inputs"]
    flows: Flows
    media: Float[Array, "media species"]
    control: LoopControl = LoopControl()
    elapsed: Scalar | None = None
    time: Scalar | None = None


class Evaluation(NamedTuple):
    """The cell at one operating point.

    Attributes:
        kinetic_rates: (kinetic,) of the reactions of the network that have a rate law.
        fluxes: (reactions,) specific [mmol/(10^9 cells)/d], volumetric [mmol/L/d] for volumetric reactions.
        conflict: (kinetic,) [1] deviation of each flux from its rate law, caused by the balances.
        flux_status: `FluxStatus`.
        targets: (loops,) target of each loop variable, as the fluxes give it.
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
    """Metadata of a model that do not affect compiled code; every `Aside` is equal to every other.

    So a change of bounds or of a meaning compiles nothing anew. A function that the caller compiles and that returns a
    model, as one in a `Trajectory`, may return it with the metadata of the equal model that it was compiled for.

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
        rate_names: reactions of the rate laws, in the order of evaluation.
        laws: the rate laws; a law may use the rates before it.
        definition_names: names of the definitions.
        definitions: quantities that laws share, such as a growth rate, as laws; each is computed once.
        variable_names: names of the variables.
        variables: see `cell.variables`.
        input_names: names of the inputs.
        inputs: see `cell.variables.Input`.
        observable_names: names of the observables.
        observables: readings of an instrument, as laws of all of the above.
        observable_units: units of the observables.
        trigger_names: names of the triggers.
        triggers: what happens when a condition becomes true, see `cell.triggers`.
        cells: law of the viable cell density [10^9 cells/L]; None where no rate is specific.
        reactor: balances of the vessel.
        parameters: values by name, in internal units.
        nets: neural networks by name, see `cell.neural`: the learned part of a gray or black model.
        clearance: the parameter [L/(10^9 cells)/d] that limits uptake to clearance times concentration, or None.
        uptakes: (reaction, species, coefficient) of the exchanges that are limited.
        stoichiometry_weight: the variable that weighs the shifted stoichiometry of the network, or None.
        gases: external species of the gas phase: they have fluxes and no balance in the liquid.
        about: the parameter table, with units, bounds, priors and sources.

    >>> from graycell.cell.rates import Monod, Rate
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
    definition_names: tuple[str, ...] = eqx.field(static=True)
    definitions: tuple[RateLaw, ...]
    variable_names: tuple[str, ...] = eqx.field(static=True)
    variables: tuple[Variable, ...]
    input_names: tuple[str, ...] = eqx.field(static=True)
    inputs: tuple[Input, ...] = eqx.field(static=True)
    observable_names: tuple[str, ...] = eqx.field(static=True)
    observables: tuple[RateLaw, ...]
    observable_units: tuple[str, ...] = eqx.field(static=True)
    trigger_names: tuple[str, ...] = eqx.field(static=True)
    triggers: tuple[Trigger, ...]
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
        rates: Mapping[str, RateLaw | float],
        parameters: Mapping[str, Parameter | float] | ParameterTable,
        network: MetabolicNetwork | Mapping[str, str | Reaction] | Sequence[Reaction] | None = None,
        reactions: Mapping[str, str] | None = None,
        species: Mapping[str, Species | str] | None = None,
        definitions: Mapping[str, RateLaw | float] | None = None,
        variables: Mapping[str, Variable] | None = None,
        inputs: Mapping[str, Input | float] | None = None,
        observables: Mapping[str, RateLaw | float | tuple[RateLaw | float, str]] | None = None,
        triggers: Mapping[str, Trigger] | None = None,
        cells: RateLaw | float | str | None = None,
        weights: flux.PublishedWeights | flux.SoftWeights | None = None,
        reference: Mapping[str, float] | None = None,
        nets: Mapping[str, MLP] | None = None,
        gases: Sequence[str] = (),
        clearance: str | None = None,
        stoichiometry_weight: str | None = None,
        balanced: bool = True,
        name: str = "model",
    ):
        """Build a model; every name is checked here and not while compiling.

        Args:
            rates: rate laws or numbers by reaction, in the order of evaluation. `Volumetric(law)` acts per litre of
                culture.
            parameters: by name; a plain number is not estimated.
            network: reactions of a cell at internal steady state; external species end in ``_ext``.
            reactions: reactions between species of the liquid, whose rates act directly; each needs a rate law.
            species: unit (a string) or `Species` of the species that are not in mmol/L or not in any reaction.
            definitions: by name, quantities that laws share; a law takes one with `at.definition(name)`.
            variables: by name, see `cell.variables`.
            inputs: by name, functions of time that a run gives; a plain number is a default.
            observables: by name, a law or a law and its unit, such as ``(Concentration("titer") * 0.15, "g/L")``.
            triggers: by name, see `cell.triggers`. A model with triggers is simulated, and not fitted.
            cells: law of the viable cell density [10^9 cells/L], or the name of the species that counts them. If left
                out, the species VCD; else the biomass BIOM [mmol/L] times the input viability over the parameter
                biomass_per_cell (2.31 mmol/(10^9 cells), Nolan & Lee 2011, unless the model has its own). A model with
                dead cells of its own computes the viability, which is then no factor of this law.
            weights: of the flux projection, `SoftWeights()` by default.
            reference: fluxes, by name, that decide where the rate laws leave fluxes open.
            nets: neural networks by name that laws use.
            gases: external species of the gas phase.
            clearance: name of the parameter that limits uptake [L/(10^9 cells)/d].
            stoichiometry_weight: name of the variable that weighs the shifted stoichiometry of the network.
            balanced: without it the rates are dc/dt, see `reactor.NeuralODE`.
            name: for reports and files.

        Raises:
            ModelError: for an unknown name, also in a rate law, and where reactions and rate laws do not match.
        """
        table, rates = ParameterTable.of(parameters), building.laws_of(rates, "reaction")
        network, direct = building.network_of(network), dict(reactions or {})
        columns = {reaction: parse_equation(equation) for reaction, equation in direct.items()}
        names, specs = building.liquid_species(network, gases, columns, species or {})
        known = building.check_reactions(network, direct, rates)
        kinetic = [reaction for reaction in rates if network is not None and reaction in network.names]
        of, taken = dict(zip(names, specs, strict=True)), (*(variables or {}), *(definitions or {}))
        cells = building.cells_of(cells, names, rates, balanced)
        cells, shown = building.with_own_dead_cells(cells, of, columns, dict(observables or {}), taken)
        table, inputs = _with_cells(cells, table, inputs or {})
        exchange = building.exchange_matrix(network, names, columns)
        uptakes: tuple[tuple[int, int, float], ...] = ()
        if clearance is not None and network is not None:
            network, uptakes = building.limited(network, exchange)
        if cells is not None and building.counts_cells(cells, names, specs) and VCD not in (*of, *shown):
            shown = {VCD: (cells, CELL_UNIT), **shown}
        self.name, self.network = name, network
        self.species, self.species_specs = names, specs
        self.projection = None if network is None else building.projection_of(network, kinetic, weights, reference)
        self.direct, self.direct_equations = tuple(direct), tuple(direct.values())
        self.volumetric = tuple(isinstance(rates.get(reaction), Volumetric) for reaction in known)
        self.exchange, self.rate_names, self.laws = jnp.asarray(exchange), tuple(rates), tuple(rates.values())
        self.definition_names = tuple(definitions or {})
        self.definitions = tuple(building.laws_of(definitions or {}, "definition").values())
        self.variable_names, self.variables = tuple(variables or {}), tuple((variables or {}).values())
        self.input_names, self.inputs = tuple(inputs), tuple(inputs.values())
        self.observable_names = tuple(shown)
        self.observables, self.observable_units = building.observables_of(shown)
        self.trigger_names, self.triggers = tuple(triggers or {}), tuple((triggers or {}).values())
        self.cells = cells
        self.reactor = Reactor(building.retained_shares(names, specs, cells)) if balanced else NeuralODE()
        self.parameters = _as_arrays(table)
        self.nets = dict(nets or {})
        self.clearance, self.uptakes, self.gases = clearance, uptakes, tuple(gases)
        self.stoichiometry_weight = stoichiometry_weight
        self.about = Aside(table)
        self._check_names(table)

    # ----------------------------------------------------------------------------------------------------- its parts

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

    def changed(self, **fields: Any) -> "CultureModel":
        """Return the model with other values of some attributes, without any check of them.

        Args:
            **fields: attributes and their values.

        Returns:
            The changed model.

        Raises:
            ModelError: for an unknown attribute.
        """
        new = object.__new__(type(self))
        for name in self.__dataclass_fields__:
            object.__setattr__(new, name, fields.pop(name) if name in fields else getattr(self, name))
        if fields:
            raise ModelError(f"a model has no attribute '{next(iter(fields))}'.")
        return new

    def definition(self) -> dict[str, Any]:
        """Return the arguments from which the model can be built again.

        Returns:
            The keyword arguments of `CultureModel`.
        """
        added = (VCD,) if VCD not in self.species else ()
        shown = zip(self.observable_names, self.observables, self.observable_units, strict=True)
        return {
            "name": self.name,
            "network": self.network,
            "reactions": dict(zip(self.direct, self.direct_equations, strict=True)),
            "species": dict(zip(self.species, self.species_specs, strict=True)),
            "rates": self.rates,
            "definitions": dict(zip(self.definition_names, self.definitions, strict=True)),
            "parameters": self.table,
            "variables": dict(zip(self.variable_names, self.variables, strict=True)),
            "inputs": dict(zip(self.input_names, self.inputs, strict=True)),
            "observables": {name: (law, unit) for name, law, unit in shown if name not in added or law != self.cells},
            "triggers": dict(zip(self.trigger_names, self.triggers, strict=True)),
            "cells": self.cells,
            "weights": None if self.projection is None else self.projection.weights,
            "reference": None if self.projection is None else building.fluxes_by_name(self.projection),
            "nets": self.nets,
            "gases": self.gases,
            "clearance": self.clearance,
            "stoichiometry_weight": self.stoichiometry_weight,
            "balanced": not isinstance(self.reactor, NeuralODE),
        }

    def rebuilt(self, **changes: Any) -> "CultureModel":
        """Return a model built from the same definition with some changes.

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
        """The parameters with units, bounds, priors and sources, at their present values."""
        return self.about.content.with_values({name: float(value) for name, value in self.parameters.items()})

    @property
    def weight_count(self) -> int:
        """Number of weights of the neural networks."""
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
        """Names of everything that can be measured: species, observables, variables."""
        return (*self.species, *self.observable_names, *self.variable_names)

    @property
    def predicts_viability(self) -> bool:
        """Whether the model computes the viability: a measured one is then compared with it, and is no input of it."""
        parts = (self.observable_names, self.observables), (self.variable_names, self.variables)
        computed = [part for names, several in parts for name, part in zip(names, several, strict=True)
                    if name == VIABILITY]  # fmt: skip
        return VIABILITY in self.species or any(not building.takes_input(part, VIABILITY) for part in computed)

    def require_projection(self) -> flux.FluxProjection:
        """Return the flux projection of a model that has a network.

        Returns:
            The projection; its `network` is that of the model.

        Raises:
            ModelError: the model has no network, so there is nothing to project.
        """
        if self.projection is None:
            raise ModelError(f"model '{self.name}' has no network inside the cell; use a model with one.")
        return self.projection

    def unit(self, quantity: str) -> str:
        """Return the unit of a quantity.

        Args:
            quantity: a species, observable, variable or input.

        Returns:
            The unit.

        Raises:
            ModelError: for a quantity that is not in the model.
        """
        for names, units in (
            (self.species, [spec.unit for spec in self.species_specs]),
            (self.observable_names, self.observable_units),
            (self.variable_names, [variable.unit for variable in self.variables]),
            (self.input_names, [given.unit for given in self.inputs]),
        ):
            if quantity in names:
                return units[names.index(quantity)]
        raise ModelError(f"quantity '{quantity}' is not in the model; {nearest(quantity, self.quantities)}.")

    @property
    def _loops(self) -> list[tuple[str, int]]:
        kinds = enumerate(self.variables)
        return [(self.variable_names[i], i) for i, variable in kinds if isinstance(variable, LoopVariable)]

    @property
    def loops(self) -> tuple[str, ...]:
        """Names of the variables whose targets depend on the fluxes."""
        return tuple(name for name, _ in self._loops)

    @property
    def has_loop(self) -> bool:
        """Whether a variable depends on fluxes that depend on it."""
        return bool(self._loops)

    @property
    def closure(self) -> Closure | None:
        """The closure of the first loop; None for a model without one."""
        return self._loop_variables[0].closure if self._loops else None

    @property
    def _loop_variables(self) -> list[LoopVariable]:
        return [variable for variable in self.variables if isinstance(variable, LoopVariable)]

    @property
    def is_lagged(self) -> bool:
        """Whether a loop is closed by the published fixed-step scheme."""
        return any(isinstance(variable.closure, Lagged) for variable in self._loop_variables)

    @property
    def biomass(self) -> str | None:
        """The species that counts cells; None where no single species does."""
        return self.cells.species if isinstance(self.cells, ViableCells) else None

    def with_parameters(self, values: Mapping[str, Any]) -> "CultureModel":
        """Return the model with other parameter values, which may lie outside of their bounds or be traced.

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

        Raises:
            ModelError: for a turnover time that is not a parameter.
        """
        if self.has_loop and not isinstance(closure, Lagged) and closure.turnover_time not in self.parameters:
            known = nearest(closure.turnover_time, self.parameters)
            raise ModelError(f"parameter '{closure.turnover_time}', a turnover time, is not in the model; {known}.")
        variables = tuple(
            replace(variable, closure=closure) if isinstance(variable, LoopVariable) else variable
            for variable in self.variables
        )
        return self.changed(variables=variables)

    def _check_names(self, table: ParameterTable) -> None:
        """Raise `ModelError` here, and not while compiling, for an unknown name in a law, closure or network."""
        for variable in self._loop_variables:
            if not isinstance(variable.closure, Lagged):
                table[variable.closure.turnover_time]
        if self.clearance is not None:
            table[self.clearance]
        if self.stoichiometry_weight is not None and self.stoichiometry_weight not in self.variable_names:
            raise ModelError(
                f"variable '{self.stoichiometry_weight}' is to weigh the shifted stoichiometry and is not in the "
                f"model; {nearest(self.stoichiometry_weight, self.variable_names)}."
            )
        n, m, k = len(self.species), len(self.variable_names), len(self.input_names)
        at = CultureState(_shape(n), _shape(), _shape(m))
        loops = LoopControl(_shape(len(self._loops)))
        surroundings = Surroundings(_shape(k), Flows(_shape(1), _shape(), _shape()), _shape(1, n), loops)
        check_targets(dict(zip(self.trigger_names, self.triggers, strict=True)), (*self.species, *self.variable_names))
        model = self if not self.is_lagged else self.with_closure(Dynamic(next(iter(self.parameters))))

        def evaluated(model: CultureModel, state: CultureState, around: Surroundings):
            inputs = Named(model.input_names, around.inputs)
            building.check_relaxing(model.variable_names, model.variables, inputs, model.parameters)
            derivative = model.derivative(state, around)
            return derivative, model.triggered(state, around) if model.triggers else None

        eqx.filter_eval_shape(evaluated, model, at, surroundings)

    # ----------------------------------------------------------------------------------------------- what it computes

    def conditions(
        self, concentrations: Float[Array, " species"], variables: Values = None, inputs: Values = None,
        fed: Array | None = None,
    ) -> Conditions:
        """Return the conditions that rate laws see at an operating point, with all rates.

        Args:
            concentrations: (species,) in the unit of each.
            variables: (variables,) or by name; their initial values where not given.
            inputs: (inputs,) or by name; their defaults where not given.
            fed: (species,) inflow per volume [mmol/L/d]; 0 if left out.

        Returns:
            The conditions, without fluxes.

        Raises:
            ModelError: for an input without a default that is not given.
        """
        fed = jnp.zeros(len(self.species)) if fed is None else fed
        rates: dict[str, Scalar] = {}  # grows below, so that a law sees the rates before it
        at = Conditions(
            Concentrations(self.species, concentrations),
            Named(self.variable_names, self.variable_vector(variables)),
            Named(self.input_names, self.input_vector(inputs)),
            self.parameters,
            rates,
            {},
            Named(self.species, fed),
        )
        at = self._with_definitions(at._replace(outputs={name: net(at) for name, net in self.nets.items()}))
        for reaction, law in zip(self.rate_names, self.laws, strict=True):
            rates[reaction] = building.value_of(law, at, f"rate law of '{reaction}'")
        return at

    def _with_definitions(self, at: Conditions) -> Conditions:
        if not self.definitions:
            return at
        defined = Definitions(dict(zip(self.definition_names, self.definitions, strict=True)))
        at = defined.at = at._replace(definitions=defined)
        return at

    def variable_vector(self, values: Values = None) -> Float[Array, " variables"]:
        """Return the variables as an array.

        Args:
            values: (variables,) or by name; initial values where not given.

        Returns:
            (variables,)
        """
        return _vector(values, self.variable_names, [variable.initial for variable in self.variables], "variable")

    def input_vector(self, values: Values = None) -> Float[Array, " inputs"]:
        """Return the inputs as an array.

        Args:
            values: (inputs,) or by name; defaults where not given.

        Returns:
            (inputs,)

        Raises:
            ModelError: for an input without a default that is not given.
        """
        return _vector(values, self.input_names, [given.default for given in self.inputs], "input")

    def kinetic_rates(
        self, concentrations: Float[Array, " species"], variables: Values = None, inputs: Values = None,
        fed: Array | None = None,
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
    ) -> Evaluation:
        """Return rates, fluxes, targets and observables at an operating point.

        Args:
            concentrations: (species,) in the unit of each.
            variables: (variables,) or by name; their initial values where not given.
            inputs: (inputs,) or by name; their defaults where not given.
            fed: (species,) inflow per volume [mmol/L/d], for neural networks that see it.

        Returns:
            See `Evaluation`.
        """
        return self._evaluated(concentrations, variables, inputs, fed)[0]

    def _evaluated(self, concentrations, variables, inputs, fed) -> tuple[Evaluation, Conditions]:
        """Return an evaluation, and the conditions with the fluxes."""
        at = self.conditions(concentrations, variables, inputs, fed)
        kinetic_rates, conflict = self._kinetic(at), jnp.zeros(len(self.kinetic))
        fluxes, status = jnp.zeros(0), jnp.asarray(flux.FluxStatus.solved)
        if self.projection is not None:
            name = self.stoichiometry_weight
            shift = 0.0 if name is None else at.variable(name)
            solution = self.projection(kinetic_rates, shift, **self._limits(concentrations))
            fluxes, conflict, status = solution.fluxes, solution.conflict, solution.status
        if self.direct:
            fluxes = jnp.concatenate([fluxes, jnp.stack([jnp.asarray(at.rates[name]) for name in self.direct])])
        at = at._replace(fluxes=Named(self.reactions, fluxes))
        if self.network is not None:  # a definition may use rates, which are fluxes from now on
            at = self._with_definitions(at)
        evaluation = Evaluation(
            kinetic_rates,
            fluxes,
            conflict,
            status,
            _stack([
                building.value_of(variable.target, at, f"variable '{name}'")
                for name, variable in zip(self.loops, self._loop_variables, strict=True)
            ]),
            _stack([
                building.value_of(law, at, f"observable '{name}'")
                for name, law in zip(self.observable_names, self.observables, strict=True)
            ]),
            jnp.ones(()) if self.cells is None else self.cells(at),
        )
        return evaluation, at

    def production(self, cell: Evaluation) -> Float[Array, " species"]:
        """Return the production of each species by cells and reactions of the liquid.

        Args:
            cell: see `evaluate`.

        Returns:
            (species,) in the unit of each species per day, such as [mmol/L/d].
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
        present = jnp.maximum(concentrations, 0.0)[species]
        available = present * (present / (present + _SCARCE))
        most = self.parameters[self.clearance] * available / jnp.asarray(np.abs(coefficients))
        ahead = coefficients < 0.0
        upper = jnp.asarray(self.network.upper).at[reactions[ahead]].min(most[ahead])
        lower = jnp.asarray(self.network.lower).at[reactions[~ahead]].max(-most[~ahead])
        return {"lower": lower, "upper": upper, "rest_allowed": True}

    # ----------------------------------------------------------------------------------------------------- its states

    def begin(self, given: Float[Array, " variables"], inputs: Float[Array, " inputs"]) -> Float[Array, " variables"]:
        """Return the variables at time 0.

        Args:
            given: (variables,) initial values of a run, NaN where it gives none.
            inputs: (inputs,) at time 0.

        Returns:
            (variables,)
        """
        at = Conditions({}, {}, Named(self.input_names, inputs), self.parameters)
        initial = [
            variable.target(at)
            if isinstance(variable, RelaxingVariable)
            else jnp.asarray(variable.initial, jnp.float64)
            for variable in self.variables
        ]
        return jnp.where(jnp.isnan(given), _stack(initial), given)

    def turnover_times(self) -> Float[Array, " loops"]:
        """Return the turnover time [d] of every loop; 1 for the lagged closure.

        Returns:
            (loops,)
        """
        return _stack([
            jnp.ones(()) if isinstance(variable.closure, Lagged) else self.parameters[variable.closure.turnover_time]
            for variable in self._loop_variables
        ])  # fmt: skip

    def close(self, state: CultureState, at: Surroundings) -> Closed:
        """Return the variables, which the closures compute from their states.

        Args:
            state: of the culture.
            at: its surroundings.

        Returns:
            All variables (variables,), the values at which they would rest, and the status of the algebraic loops.

        Raises:
            ModelError: for the lagged closure, which is not an ODE.
        """
        algebraic, values = self._algebraic(), self.relaxed(state.variables, at)
        if not algebraic:
            return Closed(values, values, jnp.asarray(LoopStatus.solved, jnp.int32))
        index = np.array(algebraic)
        found = close_algebraic(self._closures(algebraic), self._gap(state, at, algebraic), values[index])
        closed, rest = (values.at[index].set(part) for part in found[:2])
        return Closed(closed, rest, found.status)

    def relaxed(self, values: Float[Array, " variables"], at: Surroundings) -> Float[Array, " variables"]:
        """Return the variables, with clocks at the time, and those that relax to a constant target after `at.elapsed`.

        x = target + (x_0 - target) exp(-rate elapsed): exact, and without a limit on the steps of the solver.

        Args:
            values: (variables,) the relaxing ones at elapsed = 0.
            at: surroundings.

        Returns:
            (variables,); as they are where `at.elapsed` is None.
        """
        if at.elapsed is None and at.time is None:
            return values
        known = Conditions({}, {}, Named(self.input_names, at.inputs), self.parameters)
        entries = list(jnp.unstack(values))
        for i, variable in enumerate(self.variables):
            if isinstance(variable, Clock) and at.time is not None:
                entries[i] = at.time
            elif isinstance(variable, RelaxingVariable) and at.elapsed is not None:
                target, left = variable.target(known), jnp.exp(-variable.rate(known) * at.elapsed)
                entries[i] = target + (entries[i] - target) * left
        return _stack(entries)

    @property
    def relaxing_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that the targets and rates of relaxing variables use."""
        asked = Recorder({}, 1.0)
        for variable in self.variables:
            if isinstance(variable, RelaxingVariable):
                for law in (variable.target, variable.rate):
                    law(Conditions({}, {}, asked, self.parameters))
        return tuple(asked.asked)

    def after_event(self, state: CultureState, at: Surroundings) -> CultureState:
        """Return the state after a sudden change of amounts, volume or inputs.

        Args:
            state: of the culture.
            at: its surroundings from now on.

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
            at: its surroundings.

        Returns:
            The derivative of every part of the state.
        """
        closed, c = self.close(state, at), state.concentrations
        values = self.seen(closed.values, at.control)
        flows = self.flows(at.flows, c, state.volume, values, at.inputs)
        cell, seen = self._evaluated(c, values, at.inputs, flows.feed @ at.media / state.volume)
        amounts, volume = self.reactor.derivative(state.amounts, state.volume, self.production(cell), flows, at.media)
        return CultureState(amounts, volume, self._variable_derivatives(state, closed, cell.targets, seen, at))

    def flows(
        self, flows: Flows, concentrations: Float[Array, " species"], volume: Scalar, variables: Values, inputs: Values
    ) -> Flows:
        """Return flows in which feeds per viable cell are feeds.

        Args:
            flows: with feeds per cell or without.
            concentrations: see `conditions`.
            volume: [1].
            variables: see `conditions`.
            inputs: see `conditions`.

        Returns:
            The flows, none of them per cell.
        """
        if flows.per_cells is None:
            return flows
        return flows.of_cells(volume * self._density(concentrations, variables, inputs))

    def cells_in(self, state: CultureState, at: Surroundings) -> Scalar:
        """Return the viable cells in the vessel.

        Args:
            state: of the culture.
            at: its surroundings.

        Returns:
            Per litre of initial volume [10^9 cells/L].
        """
        seen = self.seen(self.close(state, at).values, at.control)
        return state.volume * self._density(state.concentrations, seen, at.inputs)

    def _density(self, concentrations: Float[Array, " species"], variables: Values, inputs: Values) -> Scalar:
        at = self.conditions(concentrations, variables, inputs)
        return jnp.ones(()) if self.cells is None else self.cells(at)

    def seen(self, values: Float[Array, " variables"], control: LoopControl) -> Float[Array, " variables"]:
        """Return the variables as the rate laws see them when a fit opens the loops.

        Args:
            values: (variables,)
            control: see `LoopControl`.

        Returns:
            (variables,)
        """
        if not self._loops:
            return values
        entries, loops = list(jnp.unstack(values)), [i for _, i in self._loops]
        for i, value in zip(loops, jnp.unstack(control.seen(_stack([entries[i] for i in loops]))), strict=True):
            entries[i] = value
        return _stack(entries)

    def _variable_derivatives(self, state: CultureState, closed: Closed, targets, at: Conditions, around: Surroundings):
        loops, tau, held = [i for _, i in self._loops], self.turnover_times(), around.elapsed is not None
        gap = around.control.gap(targets, closed.values[np.array(loops, int)], tau)
        rates = []
        for i, variable in enumerate(self.variables):
            if isinstance(variable, RelaxingVariable):
                rates.append(0.0 if held else variable.rate(at) * (variable.target(at) - state.variables[i]))
            elif isinstance(variable, StateVariable):
                place = f"variable '{self.variable_names[i]}'"
                rates.append(building.value_of(variable.derivative, at, place))
            elif isinstance(variable, Clock):
                rates.append(1.0)
            elif isinstance(variable, LoopVariable) and isinstance(variable.closure, Algebraic):
                rates.append((closed.rest[i] - state.variables[i]) / variable.closure.memory)
            else:
                rates.append(gap[loops.index(i)] / tau[loops.index(i)])
        return _stack(rates)

    @property
    def has_clock(self) -> bool:
        """Whether a variable is the time."""
        return any(isinstance(variable, Clock) for variable in self.variables)

    def triggered(self, state: CultureState, at: Surroundings) -> Triggered:
        """Return the conditions of the triggers, and what each would set now.

        Args:
            state: of the culture.
            at: its surroundings.

        Returns:
            See `cell.triggers.Triggered`.
        """
        values = self.close(state, at).values
        seen = self.conditions(state.concentrations, self.seen(values, at.control), at.inputs)
        named = dict(zip(self.trigger_names, self.triggers, strict=True))
        return triggered(named, (*self.species, *self.variable_names), seen)

    def _algebraic(self) -> list[int]:
        if self.is_lagged:
            raise ModelError(
                "the lagged closure is no ODE; use graycell.simulate, or a model with the closure Dynamic."
            )
        return [i for _, i in self._loops if isinstance(self.variables[i].closure, Algebraic)]  # type: ignore[attr-defined]

    def _closures(self, which: Sequence[int]) -> tuple:
        return tuple(self.variables[i].closure for i in which)  # type: ignore[attr-defined]

    def _gap(self, state: CultureState, at: Surroundings, which: Sequence[int]) -> Callable[[Array], Array]:
        loops, constant = [i for _, i in self._loops], at.flows.feed @ at.media / state.volume
        places, index, tau = np.array([loops.index(i) for i in which]), np.array(which), self.turnover_times()

        def gap(values: Array) -> Array:
            full = self.relaxed(state.variables, at).at[index].set(values)
            c, seen, fed = state.concentrations, self.seen(full, at.control), constant
            if at.flows.per_cells is not None:
                fed = self.flows(at.flows, c, state.volume, seen, at.inputs).feed @ at.media / state.volume
            cell = self.evaluate(c, seen, at.inputs, fed=fed)
            return at.control.gap(cell.targets, full[np.array(loops)], tau)[places]

        return gap


def _shape(*sizes: int) -> Any:
    """Return the shape of an array in place of an array, for what is evaluated without numbers."""
    return jax.ShapeDtypeStruct(sizes, jnp.float64)


def _stack(values: Sequence[Array | float]) -> Array:
    return jnp.stack([jnp.asarray(value, jnp.float64) for value in values]) if values else jnp.zeros(0)


def _vector(values: Values, names: tuple[str, ...], defaults: Sequence[float | None], kind: str) -> Array:
    if values is None or isinstance(values, Mapping):
        given = values or {}
        for name in given:
            if name not in names:
                raise ModelError(f"{kind} '{name}' is not in the model; {nearest(name, names)}.")
        whole = [given.get(name, default) for name, default in zip(names, defaults, strict=True)]
        if None in [value if value is None else 0 for value in whole]:
            raise ModelError(f"{kind} '{names[whole.index(None)]}' has no default; give its value.")
        return _stack(whole)
    return values


def _with_cells(
    cells: RateLaw | None, table: ParameterTable, given: Mapping[str, Input | float]
) -> tuple[ParameterTable, dict[str, Input]]:
    """Return table and inputs with the parameter and input that the law of the viable cell density needs."""
    inputs = {name: one if isinstance(one, Input) else Input(default=float(one)) for name, one in given.items()}
    if isinstance(cells, ViableCells):
        if cells.biomass_per_cell == BIOMASS_PER_CELL and BIOMASS_PER_CELL not in table.names:
            table = ParameterTable((*table.rows, _DEFAULT_BIOMASS_PER_CELL))
        if cells.biomass_per_cell is not None:
            table[cells.biomass_per_cell]
        if cells.viability is not None:
            inputs.setdefault(cells.viability, Input("1", 1.0))
    return table, inputs


def _as_arrays(table: ParameterTable) -> dict[str, Array]:
    return {name: jnp.asarray(value, jnp.float64) for name, value in table.values().items()}
