"""A culture model: rate laws + flux projection + redox closure + reactor. A PyTree; nothing here knows a run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from graycell.cell import flux
from graycell.cell.closures import Closed, Closure, Dynamic, Lagged, NoLoop, RedoxPool, RedoxRatio
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork
from graycell.cell.neural import MLP, Weights
from graycell.cell.rates import Conditions, RateLaw
from graycell.errors import ModelError, nearest
from graycell.parameters import ParameterTable
from graycell.reactor import Balances, Flows, NeuralODE, Reactor

Scalar = Float[Array, ""]


class CultureState(NamedTuple):
    """State of a culture. Amounts and volume are per litre of initial volume.

    amounts: (species,) [mmol/L]; volume: [1]; redox: the state of the closure [1], R itself for `Dynamic`.
    """

    amounts: Float[Array, " species"]
    volume: Scalar
    redox: Scalar

    @property
    def concentrations(self) -> Float[Array, " species"]:
        """Concentrations [mmol/L]."""
        return self.amounts / self.volume


class Inputs(NamedTuple):
    """What acts on a culture at one time and is not modelled.

    cold: temperature weight [1]; viability: [1]; flows: see `reactor.Flows`; media: (media, species) [mmol/L];
    pool: the redox pool, with what opens the loop.
    """

    cold: Scalar
    viability: Scalar
    flows: Flows
    media: Float[Array, "media species"]
    pool: RedoxPool


class Evaluation(NamedTuple):
    """The cell at one point: kinetic rates (kinetic,), flux solution, R' of the fluxes [1]."""

    kinetic_rates: Float[Array, " kinetic"]
    solution: flux.FluxSolution
    ratio: Scalar


class CultureModel(eqx.Module):
    """A model of a culture. Build one with `build_model` or take one from `graycell.models`.

    Fields:
        name: for reports and files.
        species: external species with a balance in the reactor, without the suffix ``_ext``.
        rates: (reaction, rate law) in the order of evaluation; a law may use the rates before it.
        parameters: values by name, in internal units: what a white-box fit learns.
        table: their units, bounds and sources; not used in compiled code.
        biomass, biomass_per_cell: the species that counts cells, and the parameter [mmol/(10^9 cells)].
        shift_rate: the parameter [1/d] of the transition after a change of temperature.
        warm_temperature, cold_temperature: [degC] of the temperature weights 0 and 1.
        nets: networks by name, see `cell.learned`: what a gray or black fit learns; empty in a white model.
        clearance: the parameter [L/(10^9 cells)/d] that limits uptake to clearance times concentration, or None for no
            limit. Without one the balances can take up what is not there.
        uptakes: (reaction, species, coefficient) of the exchanges that are limited.
        recipe: how to build the model anew, as JSON of `graycell.models`; not used in compiled code.
    """

    name: str = eqx.field(static=True)
    network: MetabolicNetwork = eqx.field(static=True)
    species: tuple[str, ...] = eqx.field(static=True)
    rates: tuple[tuple[str, RateLaw], ...]
    projection: flux.FluxProjection
    ratio: RedoxRatio
    closure: Closure | Lagged
    reactor: Balances
    exchange: Float[Array, "species reactions"]
    parameters: dict[str, Array]
    table: ParameterTable = eqx.field(static=True)
    biomass: str = eqx.field(static=True)
    biomass_per_cell: str = eqx.field(static=True)
    shift_rate: str = eqx.field(static=True)
    warm_temperature: float = eqx.field(static=True)
    cold_temperature: float = eqx.field(static=True)
    nets: dict[str, MLP] = eqx.field(default_factory=dict)
    clearance: str | None = eqx.field(static=True, default=None)
    uptakes: tuple[tuple[int, int, float], ...] = eqx.field(static=True, default=())
    recipe: str = eqx.field(static=True, default="")

    def __repr__(self) -> str:
        learned = f"{self.weight_count} weights of networks, " if self.nets else ""
        return (
            f"CultureModel('{self.name}': {len(self.species)} species, {len(self.reactions)} reactions, "
            f"{len(self.kinetic)} rate laws, {len(self.parameters)} parameters, {learned}{self.closure})"
        )

    @property
    def weight_count(self) -> int:
        """How many weights the networks have."""
        return sum(leaf.size for net in self.nets.values() for leaf in net.weights)

    @property
    def has_loop(self) -> bool:
        """Whether the rates depend on a redox ratio R that the model computes."""
        return not isinstance(self.closure, NoLoop)

    @property
    def reactions(self) -> tuple[str, ...]:
        """Names of all reactions, in the order of the fluxes."""
        return self.network.names

    @property
    def kinetic(self) -> tuple[str, ...]:
        """Names of the reactions that have a rate law, in the order of the kinetic rates."""
        return self.projection.kinetic

    def with_parameters(self, values: dict[str, float] | dict[str, Array]) -> "CultureModel":
        """Return the model with other parameter values (internal units); the table's values follow."""
        table = self.table.with_values({name: float(value) for name, value in values.items()})
        return replace(self, parameters=_as_arrays(table), table=table)

    def with_table(self, table: ParameterTable) -> "CultureModel":
        """Return the model with another parameter table, and its values."""
        return replace(self, parameters=_as_arrays(table), table=table)

    def kinetic_rates(
        self,
        concentrations: Float[Array, " species"],
        redox: Scalar,
        cold: Scalar,
        fed: Float[Array, " species"] | None = None,
    ) -> Float[Array, " kinetic"]:
        """Return what the rate laws wish for [mmol/(10^9 cells)/d], without the balances; see `evaluate`."""
        fed = jnp.zeros(len(self.species)) if fed is None else fed
        at = Conditions(
            {name: concentrations[i] for i, name in enumerate(self.species)},
            redox,
            cold,
            self.parameters,
            {},
            {name: fed[i] for i, name in enumerate(self.species)},
        )
        at = at._replace(outputs={name: net(at) for name, net in self.nets.items()})
        for reaction, law in self.rates:
            at = at._replace(rates={**at.rates, reaction: law(at)})
        return jnp.stack([at.rates[name] for name in self.kinetic])

    def evaluate(
        self,
        concentrations: Float[Array, " species"],
        redox: Scalar,
        cold: Scalar,
        cold_stoichiometry: Scalar | None = None,
        fed: Float[Array, " species"] | None = None,
    ) -> Evaluation:
        """Return kinetic rates and fluxes [mmol/(10^9 cells)/d] at concentrations [mmol/L], R [1] and cold [1].

        `cold_stoichiometry` [1] is the weight of the cold stoichiometry where it differs from `cold`; `fed`
        [mmol/L/d] what flows in, for networks that see it, else 0. Rates of a model without balances are [mmol/L/d].
        """
        kinetic_rates = self.kinetic_rates(concentrations, redox, cold, fed)
        solution = self.projection(
            kinetic_rates, cold if cold_stoichiometry is None else cold_stoichiometry, **self._limits(concentrations)
        )
        return Evaluation(kinetic_rates, solution, self.ratio(solution.fluxes))

    def _limits(self, concentrations: Float[Array, " species"]) -> dict[str, Any]:
        """Return the bounds of the fluxes where uptake is limited, see `clearance`."""
        if self.clearance is None:
            return {}
        reactions, species, coefficients = (np.array(part) for part in zip(*self.uptakes, strict=True))
        there = jnp.maximum(concentrations, 0.0)[species]
        most = self.parameters[self.clearance] * there / jnp.asarray(np.abs(coefficients))
        ahead = coefficients < 0.0
        upper = jnp.asarray(self.network.upper).at[reactions[ahead]].min(most[ahead])
        lower = jnp.asarray(self.network.lower).at[reactions[~ahead]].max(-most[~ahead])
        return {"lower": lower, "upper": upper, "rest_allowed": True}

    def viable_cell_density(self, concentrations: Float[Array, " species"], viability: Scalar) -> Scalar:
        """Return X_v [10^9 cells/L] = viability * biomass / biomass per cell."""
        biomass = concentrations[self.species.index(self.biomass)]
        return viability * biomass / self.parameters[self.biomass_per_cell]

    def close(self, state: CultureState, inputs: Inputs) -> Closed:
        """Return R [1] as the closure makes it of its state; raises `ModelError` for the lagged closure."""
        return self._closure.close(self._gap(state, inputs), state.redox)

    def after_event(self, state: CultureState, inputs: Inputs) -> CultureState:
        """Return the state once amounts, volume or inputs have changed at once."""
        return state._replace(redox=self._closure.after_event(self._gap(state, inputs), state.redox))

    def derivative(self, state: CultureState, inputs: Inputs) -> CultureState:
        """Return d(state)/dt [per d]: the reactor's balances with the cell's fluxes, and the redox closure."""
        closed, c, pool = self.close(state, inputs), state.concentrations, inputs.pool
        fed = inputs.flows.feed @ inputs.media / state.volume
        cell = self.evaluate(c, pool.seen(closed.redox), inputs.cold, fed=fed)
        production = cell.solution.fluxes @ self.exchange.T
        if self.reactor.per_cell:
            production = self.viable_cell_density(c, inputs.viability) * production
        amounts, volume = self.reactor.derivative(state.amounts, state.volume, production, inputs.flows, inputs.media)
        gap = pool.gap(cell.ratio, closed.redox)
        return CultureState(amounts, volume, self._closure.derivative(gap, closed, state.redox, pool.tau))

    def _gap(self, state: CultureState, inputs: Inputs) -> Callable[[Scalar], Scalar]:
        c, pool = state.concentrations, inputs.pool
        return lambda redox: pool.gap(self.evaluate(c, pool.seen(redox), inputs.cold).ratio, redox)

    @property
    def _closure(self) -> Closure:
        if isinstance(self.closure, Lagged):
            raise ModelError(
                "the lagged closure is no ODE; use graycell.simulate, or a model with the closure Dynamic."
            )
        return self.closure

    def pool(
        self, measured: Scalar | float = 0.0, gain: Scalar | float = 0.0, opened: Scalar | float = 0.0
    ) -> RedoxPool:
        """Return the redox pool of the model; with the defaults the loop is closed."""
        name = self._closure.turnover_time
        return RedoxPool(1.0 if name is None else self.parameters[name], measured, gain, opened)


def lean(model: CultureModel) -> CultureModel:
    """Return the model without its table: units, bounds and words would recompile whatever they touch."""
    return replace(model, table=_NO_TABLE, recipe="")


def cell_of(model: CultureModel) -> CultureModel:
    """Return the lean model with the usual closure: what looks at the cell alone compiles once for all closures."""
    return replace(lean(model), closure=Dynamic() if model.has_loop else NoLoop())


_NO_TABLE = ParameterTable(())


def _as_arrays(table: ParameterTable) -> dict[str, Array]:
    return {name: jnp.asarray(value, jnp.float64) for name, value in table.values().items()}


def build_model(
    name: str,
    network: MetabolicNetwork,
    rates: Sequence[tuple[str, RateLaw]],
    table: ParameterTable,
    *,
    ratio: RedoxRatio,
    closure: Closure | Lagged,
    weights: flux.PublishedWeights | flux.SoftWeights,
    biomass: str,
    biomass_per_cell: str,
    shift_rate: str,
    gases: Sequence[str] = (),
    warm_temperature: float = 37.0,
    cold_temperature: float = 31.0,
    nets: dict[str, MLP] | None = None,
    balanced: bool = True,
    clearance: str | None = None,
    recipe: str = "",
) -> CultureModel:
    """Put a model together.

    `gases` are external species that the gas phase holds (oxygen, carbon dioxide): they have fluxes and no balance
    in the liquid. `nets` are the networks that the laws name. Without `balanced` the rates are dc/dt, see
    `reactor.NeuralODE`. `clearance` names the parameter that limits uptake, see `CultureModel`. Temperatures: [degC].

    Raises `ModelError` where a name is not known, or a rate law names what the model has not.
    """
    external = tuple(name.removesuffix(EXTERNAL_SUFFIX) for name in network.external)
    for one in (*gases, biomass):
        if one not in external:
            raise ModelError(f"species '{one}' is not external in the network; {nearest(one, external)}.")
    species = tuple(one for one in external if one not in gases)
    if np.any(network.stoichiometry[network.is_external] != network.cold_stoichiometry[network.is_external]):
        raise ModelError("the cold stoichiometry changes an exchange with the medium; it may change the inside only.")
    exchange = network.rows([one + EXTERNAL_SUFFIX for one in species])
    uptakes: tuple[tuple[int, int, float], ...] = ()
    if clearance is not None:
        network, uptakes = _limited(network, exchange)
    model = CultureModel(
        name=name,
        network=network,
        species=species,
        rates=tuple(rates),
        projection=flux.prepare(network, [reaction for reaction, _ in rates], weights),
        ratio=ratio,
        closure=closure,
        reactor=Reactor(jnp.array([1.0 if one == biomass else 0.0 for one in species])) if balanced else NeuralODE(),
        exchange=jnp.asarray(exchange),
        parameters=_as_arrays(table),
        table=table,
        biomass=biomass,
        biomass_per_cell=biomass_per_cell,
        shift_rate=shift_rate,
        warm_temperature=warm_temperature,
        cold_temperature=cold_temperature,
        nets=dict(nets or {}),
        clearance=clearance,
        uptakes=uptakes,
        recipe=recipe,
    )
    turnover_time = None if isinstance(closure, Lagged) else closure.turnover_time
    for one in (biomass_per_cell, shift_rate, turnover_time, clearance):
        if one is not None:
            table[one]  # an unknown name raises here, not while compiling
    eqx.filter_eval_shape(model.evaluate, jnp.ones(len(species)), jnp.ones(()), jnp.zeros(()))
    return model


_SOME_BOUND = 1e6
"""[mmol/(10^9 cells)/d] Stands where a limit of uptake is given at run time: the layer prepares a bound there."""


def _limited(network: MetabolicNetwork, exchange: np.ndarray):
    """Return the network with a bound wherever uptake is limited, and these uptakes, see `CultureModel.uptakes`."""
    uptakes = []
    for i, j in np.argwhere(exchange):
        ahead = bool(exchange[i, j] < 0.0)
        if not ahead and network.lower[j] >= 0.0:
            continue  # it makes the species, and cannot go backwards
        uptakes.append((int(j), int(i), float(exchange[i, j])))
        low, high = float(network.lower[j]), float(network.upper[j])
        low, high = (low, min(high, _SOME_BOUND)) if ahead else (max(low, -_SOME_BOUND), high)
        network = network.with_bounds(network.names[j], low, high)
    return network, tuple(uptakes)


def weight_labels(model: CultureModel) -> list[str]:
    """Return a name for every weight in the order of `weights_of`: v17.hidden[2] is the third of the hidden ones."""
    return [
        f"{name}.{field}[{k}]"
        for name in sorted(model.nets)
        for field, leaf in zip(Weights._fields, model.nets[name].weights, strict=True)
        for k in range(leaf.size)
    ]


def weights_of(model: CultureModel) -> Float[Array, " weights"]:
    """Return the weights [1] of all networks of a model as one vector."""
    return ravel_pytree({name: net.weights for name, net in model.nets.items()})[0]


def with_weights(model: CultureModel, weights: Float[Array, " weights"]) -> CultureModel:
    """Return the model with the weights of all its networks taken from one vector."""
    if not model.nets:
        return model
    learned = ravel_pytree({name: net.weights for name, net in model.nets.items()})[1](weights)
    return replace(model, nets={name: replace(net, weights=learned[name]) for name, net in model.nets.items()})
