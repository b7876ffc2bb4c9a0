"""The parts of a culture model, from what its user gives: network, species, cells, exchange matrix, limits of uptake.

Every name is checked here, once, and becomes an index; see `model.CultureModel`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from graycell.cell import flux
from graycell.cell.conditions import Conditions
from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork, Reaction
from graycell.cell.rates import Concentration, InputValue, RateLaw, Scalar, ViableCells, Volumetric, law_of
from graycell.cell.variables import RelaxingVariable, Species, Variable
from graycell.errors import ModelError, nearest

VCD, BIOMASS, VIABILITY = "VCD", "BIOM", "viability"
"""Names with a meaning: viable cell density [1e9 cells/L], the biomass of all cells [mmol/L], the viable fraction."""
CELL_UNIT = "1e9 cells/L"
BIOMASS_PER_CELL = "biomass_per_cell"
"""Parameter [mmol/(1e9 cells)] between the species BIOM and the number of cells."""
_PREPARED_BOUND = 1e6
"""[mmol/(10^9 cells)/d] Bound where uptake is limited: the projection needs a finite one to prepare for that bound."""


def network_of(given: MetabolicNetwork | Mapping[str, str | Reaction] | Sequence[Reaction] | None):
    """Return the network of a model.

    Args:
        given: a network, equations or reactions by name, reactions, or None.

    Returns:
        The network; None for a model without one.
    """
    return given if given is None or isinstance(given, MetabolicNetwork) else MetabolicNetwork.from_reactions(given)


def laws_of(given: Mapping[str, RateLaw | float], kind: str) -> dict[str, RateLaw]:
    """Return laws by name, with a `Constant` for each number.

    Args:
        given: by name.
        kind: of what has the laws, such as "reaction", for the message.

    Returns:
        The laws, in the same order.

    Raises:
        ModelError: for anything that is neither a law nor a number.
    """
    return {name: law_of(law, f"{kind} '{name}'") for name, law in given.items()}


def observables_of(given: Mapping[str, RateLaw | float | tuple[RateLaw | float, str]]):
    """Return laws and units of observables.

    Args:
        given: a law, or a law and its unit, by name.

    Returns:
        Laws, and units, 1 where none is given, in the order of the names.

    Raises:
        ModelError: for anything that is neither a law nor a number.
    """
    pairs = {name: law if isinstance(law, tuple) and len(law) == 2 else (law, "1") for name, law in given.items()}
    laws = laws_of({name: law for name, (law, _) in pairs.items()}, "observable")
    return tuple(laws.values()), tuple(unit for _, unit in pairs.values())


class _Withheld(dict):
    """A table of which a law may look up nothing; `sentence` says so."""

    def __init__(self, sentence: str):
        super().__init__()
        self.sentence = sentence

    def __contains__(self, name: object) -> bool:
        raise ModelError(self.sentence)


def check_relaxing(
    names: Sequence[str], variables: Sequence[Variable], inputs: Mapping[str, Scalar], parameters: Mapping[str, Scalar]
) -> None:
    """Check that the laws of relaxing variables use inputs and parameters only: they are solved apart from the rest.

    Args:
        names: of the variables.
        variables: of the model.
        inputs: values by name.
        parameters: values by name.

    Raises:
        ModelError: where a target or rate uses anything else.
    """
    for name, variable in zip(names, variables, strict=True):
        if not isinstance(variable, RelaxingVariable):
            continue
        for part, law in (("target", variable.target), ("rate", variable.rate)):
            no = _Withheld(f"the {part} of variable '{name}' may use inputs and parameters only; use StateVariable.")
            law(Conditions(no, no, inputs, parameters, no, no, no, no))


def value_of(law: RateLaw, at: Conditions, place: str) -> Scalar:
    """Return the value of a law.

    Args:
        law: any law.
        at: the operating point.
        place: where the law is, for the message.

    Returns:
        Its value, in its unit.

    Raises:
        ModelError: where the law asks for what the model does not know, with the place.
    """
    try:
        return law(at)
    except ModelError as error:
        raise ModelError(f"{place}: {error}") from None


def liquid_species(
    network: MetabolicNetwork | None,
    gases: Sequence[str],
    columns: Mapping[str, Mapping[str, float]],
    given: Mapping[str, Species | str],
) -> tuple[tuple[str, ...], tuple[Species, ...]]:
    """Return the species in the liquid.

    Args:
        network: whose external species are in the liquid or in the gas phase.
        gases: external species of the gas phase.
        columns: coefficients by species, by reaction of the liquid.
        given: unit or `Species` by name.

    Returns:
        Names without the suffix ``_ext``, and unit and initial value of each.

    Raises:
        ModelError: for a gas that is not external in the network.
    """
    external = () if network is None else tuple(name.removesuffix(EXTERNAL_SUFFIX) for name in network.external)
    for gas in gases:
        if gas not in external:
            raise ModelError(f"species '{gas}' is not external in the network; {nearest(gas, external)}.")
    found = [name for name in external if name not in gases]
    found += [name.removesuffix(EXTERNAL_SUFFIX) for column in columns.values() for name in column]
    names: tuple[str, ...] = (*dict.fromkeys([*found, *given]),)
    return names, tuple(_species_spec(name, given.get(name)) for name in names)


def _species_spec(name: str, given: Species | str | None) -> Species:
    if isinstance(given, Species):
        return given
    return Species(given if given is not None else CELL_UNIT if name == VCD else "mmol/L")


def retained_shares(names: Sequence[str], specs: Sequence[Species], cells: RateLaw | None) -> Float[Array, " species"]:
    """Return the share of each species that a cell filter retains.

    Args:
        names: of the species.
        specs: of the species.
        cells: law of the viable cell density.

    Returns:
        (species,) 1 or 0.
    """

    def share(name: str, spec: Species) -> float:
        if spec.retained is not None:
            return float(spec.retained)
        counts = isinstance(cells, ViableCells) and cells.species == name
        return float(counts or "cells" in spec.unit)

    return jnp.array([share(name, spec) for name, spec in zip(names, specs, strict=True)])


def check_reactions(
    network: MetabolicNetwork | None, direct: Mapping[str, str], rates: Mapping[str, RateLaw]
) -> tuple[str, ...]:
    """Check that reactions and rate laws belong together.

    Args:
        network: reactions of the cell.
        direct: equations of the reactions of the liquid, by name.
        rates: rate laws by reaction.

    Returns:
        Names of all reactions: of the network, then of the liquid.

    Raises:
        ModelError: for a reaction in both, a reaction of the liquid without a rate law, a rate law without a reaction,
            a volumetric rate inside the cell, and one inside another law.
    """
    known = (*(() if network is None else network.names), *direct)
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
        law = rates[name]
        inner = law.law if isinstance(law, Volumetric) else law
        if any(map(_is_volumetric, jax.tree.leaves(inner, is_leaf=_is_volumetric))):
            raise ModelError(
                f"reaction '{name}': found a Volumetric inside another law, where it does not make the rate "
                "volumetric; write it around the whole: Volumetric(0.5 * law)."
            )
    return known


def _is_volumetric(part: object) -> bool:
    return isinstance(part, Volumetric)


def cells_of(
    given: RateLaw | float | str | None, names: Sequence[str], rates: Mapping[str, RateLaw], balanced: bool
) -> RateLaw | None:
    """Return the law of the viable cell density [10^9 cells/L], see `model.CultureModel`.

    Args:
        given: a law, the name of the species that counts cells, or None.
        names: of the species in the liquid.
        rates: rate laws by reaction.
        balanced: whether the vessel has balances.

    Returns:
        The law; None where no rate is specific.

    Raises:
        ModelError: where specific rates have no cells, or the cells are not among the species.
    """
    cells = ViableCells(given) if isinstance(given, str) else None if given is None else law_of(given, "cells")
    if cells is None and VCD in names:
        cells = ViableCells(VCD)
    if cells is None and BIOMASS in names:
        cells = ViableCells(BIOMASS, BIOMASS_PER_CELL, VIABILITY)
    if cells is None and balanced and any(not isinstance(law, Volumetric) for law in rates.values()):
        raise ModelError(
            f"found rates per cell and no cells among the species {', '.join(names)}; name the species that counts "
            "them: cells='X', or make the rates Volumetric."
        )
    if isinstance(cells, ViableCells) and cells.species not in names:
        raise ModelError(
            f"species '{cells.species}' counts the cells and is not in the model; {nearest(cells.species, names)}."
        )
    return cells


def with_own_dead_cells(
    cells: RateLaw | None,
    specs: Mapping[str, Species],
    columns: Mapping[str, Mapping[str, float]],
    shown: dict[str, Any],
    taken: Sequence[str],
) -> tuple[RateLaw | None, dict[str, Any]]:
    """Return the law of the viable cell density and the observables of a model that may have dead cells of its own.

    Such a model computes the viability. So the law has no input viability, with which dead cells would count twice, and
    the viability is an observable, so that a measured one can be fitted.

    Args:
        cells: law of the viable cell density.
        specs: of the species in the liquid, by name.
        columns: coefficients by species, by reaction of the liquid.
        shown: the observables by name.
        taken: names of variables and definitions.

    Returns:
        Law and observables, unchanged for a model without dead cells and without an observable viability.

    Raises:
        ModelError: where dead cells are those of a species that the model does not have.
    """
    dead, law = _dead_cells(cells, specs, columns), shown.get(VIABILITY)
    law = law[0] if isinstance(law, tuple) else law
    computed = bool(dead) or (law is not None and not takes_input(law, VIABILITY))
    counts_twice = computed and isinstance(cells, ViableCells) and cells.viability is not None
    if counts_twice:
        cells = ViableCells(cells.species, cells.biomass_per_cell)  # type: ignore[union-attr]
    if not dead or VIABILITY in (*specs, *shown, *taken):
        return cells, shown
    living = cells.species if isinstance(cells, ViableCells) else specs[dead[0]].dead_of
    if living is None or not (counts_twice or any(spec.dead_of for spec in specs.values())):
        return cells, shown
    total: RateLaw = Concentration(living)
    for name in dead:
        total = total + Concentration(name)
    return cells, {**shown, VIABILITY: Concentration(living) / total}


def _dead_cells(
    cells: RateLaw | None, specs: Mapping[str, Species], columns: Mapping[str, Mapping[str, float]]
) -> tuple[str, ...]:
    """Return the species that say that they are dead cells, and those that living cells turn into one to one."""
    for name, spec in specs.items():
        if spec.dead_of is not None and spec.dead_of not in specs:
            raise ModelError(
                f"species '{name}' is the dead cells of '{spec.dead_of}', which is not in the model; "
                f"{nearest(spec.dead_of, specs)}."
            )
    if not isinstance(cells, ViableCells):
        return tuple(name for name, spec in specs.items() if spec.dead_of is not None)
    living = cells.species
    dead = [name for name, spec in specs.items() if spec.dead_of == living]
    for column in columns.values():
        gone = column.get(living, 0.0)
        dead += [
            name for name, made in column.items()
            if gone < 0.0 and made == -gone and specs[name].unit == specs[living].unit
        ]  # fmt: skip
    return tuple(dict.fromkeys(dead))


def takes_input(law: Any, name: str) -> bool:
    """Return whether a law of graycell takes an input, or is made of one that does.

    Args:
        law: a law, a variable, or a number.
        name: of the input.

    Returns:
        Whether it does.
    """
    waiting = [law]
    while waiting:
        part = waiting.pop()
        takes = isinstance(part, InputValue) and part.name == name
        takes = takes or (isinstance(part, ViableCells) and part.viability == name)
        if takes or (isinstance(part, RateLaw) and name in getattr(part, "names", ())):  # of a formula
            return True
        children = vars(part).values() if isinstance(part, eqx.Module) else part if isinstance(part, tuple) else ()
        waiting += [child for child in children if isinstance(child, eqx.Module | tuple)]
    return False


def counts_cells(cells: RateLaw, names: Sequence[str], specs: Sequence[Species]) -> bool:
    """Return whether a law gives a density in 10^9 cells/L, so that it is what a cell counter shows.

    Args:
        cells: law of the viable cell density.
        names: of the species in the liquid.
        specs: of the species.

    Returns:
        Whether it does; not for cells that are weighed, in g/L.
    """
    if not isinstance(cells, ViableCells) or cells.biomass_per_cell is not None:
        return True
    return specs[names.index(cells.species)].unit == CELL_UNIT


def projection_of(
    network: MetabolicNetwork,
    kinetic: Sequence[str],
    weights: flux.PublishedWeights | flux.SoftWeights | None,
    reference: Mapping[str, float] | None,
) -> flux.FluxProjection:
    """Return the flux projection of a network.

    Args:
        network: reactions of the cell.
        kinetic: names of the reactions with a rate law.
        weights: of the projection; `SoftWeights()` if None.
        reference: fluxes by name that decide where the rate laws leave fluxes open.

    Returns:
        The projection.

    Raises:
        ModelError: where the shifted stoichiometry changes an exchange with the medium.
    """
    external = network.is_external
    if np.any(network.stoichiometry[external] != network.shifted_stoichiometry[external]):
        raise ModelError(
            "the shifted stoichiometry changes an exchange with the medium; it may change the inside only."
        )
    return flux.prepare(network, kinetic, weights, reference)


def fluxes_by_name(projection: flux.FluxProjection) -> dict[str, float]:
    """Return the reference fluxes of a projection that are not 0.

    Args:
        projection: of a model.

    Returns:
        Fluxes [mmol/(10^9 cells)/d] by reaction.
    """
    pairs = zip(projection.network.names, np.asarray(projection.reference), strict=True)
    return {name: float(value) for name, value in pairs if value}


def exchange_matrix(
    network: MetabolicNetwork | None, names: Sequence[str], columns: Mapping[str, Mapping[str, float]]
) -> Float[np.ndarray, "species reactions"]:
    """Return the stoichiometry of the liquid.

    Args:
        network: reactions of the cell.
        names: of the species in the liquid.
        columns: coefficients by species, by reaction of the liquid.

    Returns:
        (species, reactions) [1], reactions of the network first.
    """
    parts = []
    if network is not None:
        inside = np.zeros((len(names), len(network.names)))
        for i, name in enumerate(names):
            if name + EXTERNAL_SUFFIX in network.species:
                inside[i] = network.rows([name + EXTERNAL_SUFFIX])[0]
        parts.append(inside)
    direct = np.zeros((len(names), len(columns)))
    for j, column in enumerate(columns.values()):
        for species, coefficient in column.items():
            direct[names.index(species.removesuffix(EXTERNAL_SUFFIX)), j] += coefficient
    return np.hstack([*parts, direct])


def limited(
    network: MetabolicNetwork, exchange: Float[np.ndarray, "species reactions"]
) -> tuple[MetabolicNetwork, tuple[tuple[int, int, float], ...]]:
    """Return a network with a finite bound wherever uptake is limited.

    Args:
        network: reactions of the cell.
        exchange: see `exchange_matrix`.

    Returns:
        The network, and its limited uptakes, see `model.CultureModel.uptakes`.
    """
    uptakes = []
    for i, j in np.argwhere(exchange[:, : len(network.names)]):
        ahead = bool(exchange[i, j] < 0.0)
        if not ahead and network.lower[j] >= 0.0:
            continue  # it produces the species and cannot run backwards
        uptakes.append((int(j), int(i), float(exchange[i, j])))
        low, high = float(network.lower[j]), float(network.upper[j])
        low, high = (low, min(high, _PREPARED_BOUND)) if ahead else (max(low, -_PREPARED_BOUND), high)
        network = network.with_bounds(network.names[j], low, high)
    return network, tuple(uptakes)
