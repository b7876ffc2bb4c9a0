"""Black boxes: one neural network gives all specific rates, or dc/dt.

`neural_rates_model` has exact balances of the vessel and learned specific rates, the usual hybrid model of the field;
`neural_ode_model` learns dc/dt itself.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from graycell.cell.building import BIOMASS
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork, Reaction
from graycell.cell.neural import MLP, NeuralRate, drawn_weights
from graycell.cell.rates import Ramp, Rate, ViableCells
from graycell.cell.variables import Input, RelaxingVariable
from graycell.errors import ModelError
from graycell.hybrid.scaling import HALF_UPTAKE, scales, sizes
from graycell.hybrid.smoothing import smooth_run
from graycell.model import CultureModel
from graycell.parameters import Parameter
from graycell.runs.records import REDOX, TCD, TEMPERATURE, VCD, VIABILITY, AnyFeed, CultureRun, Setpoint
from graycell.units import CONCENTRATION, DIMENSIONLESS

SHIFT = "shift"
"""The variable that follows the temperature of the runs: 0 at the highest, 1 at the lowest."""
_SHIFT_RATE = Parameter(33.94, "1/d", 1.0, 1000.0, estimated=False, source="Nolan & Lee 2011",
                        meaning="rate of the transition after a temperature shift")  # fmt: skip


def neural_rates_model(
    runs: Sequence[CultureRun],
    *,
    inputs: Sequence[str] = (),
    hidden: int = 6,
    biomass_per_cell: float = 2.31,
    seed: int = 0,
) -> CultureModel:
    """Return the usual hybrid model: exact balances of the vessel, and a network that gives all specific rates.

    The species are those that every run has at time 0. Uptake falls to 0 as its species runs out.

    Args:
        runs: training runs; they scale the network.
        inputs: of the network; by default all species, and ``shift`` where a run changes its temperature.
        hidden: nodes of the network.
        biomass_per_cell: [mmol/(10^9 cells)] of the species BIOM.
        seed: of the first weights.

    Returns:
        The model; rates are [mmol/(10^9 cells)/d].

    Raises:
        ModelError: where a run has no BIOM at time 0, and for an input that is not known.
    """
    return _black("neural-rates", runs, tuple(inputs), hidden, biomass_per_cell, seed)


def neural_ode_model(
    runs: Sequence[CultureRun],
    *,
    inputs: Sequence[str] = (),
    hidden: int = 6,
    biomass_per_cell: float = 2.31,
    seed: int = 0,
) -> CultureModel:
    """Return the pure black box, dc/dt = NN(c, u): no balances, the effect of feeds is learned too.

    Args:
        runs: training runs; they scale the network.
        inputs: by default all species, ``shift`` where a run changes its temperature, and the feeding of every
            species that flows in.
        hidden: nodes of the network.
        biomass_per_cell: [mmol/(10^9 cells)] of the species BIOM.
        seed: of the first weights.

    Returns:
        The model; rates are [mmol/L/d].

    Raises:
        ModelError: where a run has no BIOM at time 0, and for an input that is not known.
    """
    return _black("neural-ode", runs, tuple(inputs), hidden, biomass_per_cell, seed)


BLACK_BOXES = {"neural-rates": neural_rates_model, "neural-ode": neural_ode_model}
"""Builders of black boxes by name."""


def _black(name, runs, inputs, hidden, biomass_per_cell, seed) -> CultureModel:
    species = _species_of(runs)
    balanced = name == "neural-rates"
    temperatures = _temperatures(runs)
    if not inputs:
        fed = [] if balanced else [name for name in species if _flows_in(name, runs)]
        inputs = (*species, *((SHIFT,) if temperatures else ()), *(f"feed {name}" for name in fed))
    n, m = len(inputs), len(species)
    empty = MLP(inputs, jnp.zeros(n), jnp.ones(n), jnp.ones(m), jnp.ones(m),
                drawn_weights(n, hidden, m, np.random.default_rng(seed)))  # fmt: skip
    rates = {
        f"r {name}": NeuralRate("rates", i, "any", 10.0, name if balanced and name != BIOMASS else None)
        for i, name in enumerate(species)
    }
    parameters = {"biomass_per_cell": Parameter(biomass_per_cell, "mmol/(1e9 cells)", 0.1, 10.0, estimated=False,
                                                meaning="biomass per cell")}  # fmt: skip
    variables = {}
    if temperatures:
        variables[SHIFT] = RelaxingVariable(Ramp(TEMPERATURE, *temperatures), Rate("shift_rate"))
        parameters["shift_rate"] = _SHIFT_RATE
    model = CultureModel(
        name=name,
        species={species: unit for species in species if (unit := _unit_of(species, runs)) != CONCENTRATION},
        network=MetabolicNetwork.from_reactions(
            [Reaction(f"r {name}", f"<=> {name}{EXTERNAL_SUFFIX}") for name in species]
        ),
        rates=rates,
        parameters=parameters,
        variables=variables,
        inputs={TEMPERATURE: Input("degC", 37.0), VIABILITY: Input("1", 1.0)},
        cells=ViableCells(BIOMASS, "biomass_per_cell", VIABILITY),
        nets={"rates": empty},
        balanced=balanced,
    )
    smooth = [smooth_run(model, run) for run in runs]
    most = np.array([max(float(jnp.max(run.concentrations[..., i])) for run in smooth) for i in range(m)])
    net = MLP(inputs, *scales(model, inputs, smooth), jnp.asarray(sizes(model, smooth, balanced)),
              jnp.asarray(np.maximum(HALF_UPTAKE * most, 1e-6)), empty.weights)  # fmt: skip
    return model.changed(nets={"rates": net})


def _temperatures(runs: Sequence[CultureRun]) -> tuple[float, float] | None:
    """Return the highest and the lowest temperature [degC] of the runs; None where it never changes."""
    found = {run.initial_temperature for run in runs}
    found |= {event.value for run in runs for event in run.events
              if isinstance(event, Setpoint) and event.input == TEMPERATURE}  # fmt: skip
    return (max(found), min(found)) if len(found) > 1 else None


def _species_of(runs: Sequence[CultureRun]) -> tuple[str, ...]:
    others = (REDOX, VCD, TCD, VIABILITY)
    common = [name for name in runs[0].initial if name not in others and all(name in run.initial for run in runs)]
    common = [name for name in common if _unit_of(name, runs) != DIMENSIONLESS]  # such as pH
    if BIOMASS not in common:
        raise ModelError(
            f"runs {', '.join(run.name for run in runs)}: found no concentration of {BIOMASS} at time 0 in every run; "
            "a black box counts cells by it; give it in the table initial, 2.31 VCD/viability."
        )
    return tuple(sorted(common))


def _unit_of(species: str, runs: Sequence[CultureRun]) -> str:
    """Return the unit that the runs have a species in, that of the initial value before that of the measurement."""
    given = [run.units[species] for run in runs if species in run.units]
    measured = [run.measurements[species].unit for run in runs if species in run.measurements]
    return next((unit for unit in (*given, *measured) if unit), CONCENTRATION)


def _flows_in(species: str, runs: Sequence[CultureRun]) -> bool:
    return any(run.media[event.medium].get(species, 0.0) > 0.0
               for run in runs for event in run.events if isinstance(event, AnyFeed))  # fmt: skip
