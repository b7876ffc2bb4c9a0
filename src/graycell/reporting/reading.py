"""What reports ask of a model and read from a trajectory; no other module of `reporting` reads these attributes.

A report shows nothing about what a model does not have: `has_loop` and `has_network` decide.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from graycell.cell.closures import LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.model import CultureModel
from graycell.runs.records import REDOX, VCD
from graycell.runs.solutes import MOLAR_MASS
from graycell.simulation.scores import Score, scores
from graycell.simulation.simulate import Trajectory
from graycell.units import CELL_DENSITY, CONCENTRATION, SPECIFIC_RATE, TIME


def has_loop(model: CultureModel) -> bool:
    """Return whether the model has a variable that closes a loop with the fluxes, such as the redox ratio R.

    Args:
        model: any model.

    Returns:
        Whether the first loop variable, its target and the status of the loop are reported.
    """
    return model.has_loop


def has_network(model: CultureModel) -> bool:
    """Return whether the model balances species inside the cell, so that fluxes differ from kinetic rates.

    Args:
        model: any model; a black box has exchange reactions alone.

    Returns:
        Whether kinetic rates, conflicts and the status of the flux projection are reported.
    """
    return model.network is not None and bool(model.network.internal)


def label_of(model: CultureModel, reaction: str) -> str:
    """Return the descriptive label of a reaction.

    Args:
        model: a model with that reaction.
        reaction: its name.

    Returns:
        The label, for instance ``glycolysis``; empty where the network gives none.

    Raises:
        ModelError: if the reaction is unknown; the message names the nearest one.
    """
    if model.network is None or reaction in (*model.direct, *model.definition_names):
        return ""
    return model.network.reactions[model.network.index(reaction)].label


def shown_quantities(model: CultureModel) -> list[str]:
    """Return the quantities that a report of the model shows: its species, observables and loop variables.

    Args:
        model: any model.

    Returns:
        Names in the order of `Trajectory.predicted`.
    """
    shown = [*model.species, *model.observable_names, *model.loops]
    return [*[name for name in shown if name not in (VCD, REDOX)], *[name for name in (VCD, REDOX) if name in shown]]


def values_of(trajectory: Trajectory, quantity: str) -> np.ndarray | None:
    """Return a quantity at all points of a trajectory.

    Args:
        trajectory: a simulated run.
        quantity: a species, an observable or a loop variable.

    Returns:
        (n,) values, or None where the model does not have the quantity.
    """
    if quantity not in shown_quantities(trajectory.model):
        return None
    return np.asarray(trajectory[quantity])


def loop_value_of(trajectory: Trajectory) -> np.ndarray:
    """Return the first loop variable, such as the redox ratio R.

    Args:
        trajectory: a simulated run of a model with a loop.

    Returns:
        (n,) values in the unit of the variable.
    """
    return np.asarray(trajectory.loop_value)


def loop_target_of(trajectory: Trajectory) -> np.ndarray:
    """Return the target of the first loop variable, such as the redox ratio R' of the fluxes.

    Args:
        trajectory: a simulated run of a model with a loop.

    Returns:
        (n,) values [1].
    """
    return np.asarray(trajectory.loop_target)


def fluxes_of(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Return the fluxes by reaction.

    Args:
        trajectory: a simulated run.

    Returns:
        (n,) values [mmol/(10^9 cells)/d] for every reaction of the network.
    """
    return _by_name(trajectory.model.reactions, trajectory.fluxes)


def kinetic_rates_of(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Return the kinetic rates by reaction.

    Args:
        trajectory: a simulated run.

    Returns:
        (n,) values [mmol/(10^9 cells)/d] for every reaction with a rate law.
    """
    return _by_name(trajectory.model.kinetic, trajectory.kinetic_rates)


def conflicts_of(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """Return the conflicts, (flux - kinetic rate) over the size of the kinetic rate, by reaction.

    Args:
        trajectory: a simulated run.

    Returns:
        (n,) values [1] for every reaction with a rate law.
    """
    return _by_name(trajectory.model.kinetic, trajectory.conflict)


def flux_statuses(trajectory: Trajectory) -> list[FluxStatus]:
    """Return how the flux projection ended at every point.

    Args:
        trajectory: a simulated run.

    Returns:
        n statuses.
    """
    return [FluxStatus(int(status)) for status in trajectory.flux_status]


def loop_statuses(trajectory: Trajectory) -> list[LoopStatus]:
    """Return how the loop was closed at every point.

    Args:
        trajectory: a simulated run of a model with a loop.

    Returns:
        n statuses.
    """
    return [LoopStatus(int(status)) for status in trajectory.loop_status]


def shown_scores(trajectory: Trajectory) -> list[Score]:
    """Return the errors of the measured quantities that the model has.

    Args:
        trajectory: a simulated run.

    Returns:
        One `Score` a quantity.
    """
    return [row for row in scores(trajectory) if row.quantity in shown_quantities(trajectory.model)]


def _by_name(names: Sequence[str], columns: ArrayLike) -> dict[str, np.ndarray]:
    return dict(zip(names, np.asarray(columns).T, strict=True))


def made_by(model: CultureModel, reaction: str) -> str:
    """Return the species of which the rate of a reaction is the rate, so that it is shown in a unit of that species.

    Args:
        model: any model.
        reaction: one of its reactions.

    Returns:
        The only species of the liquid that it makes or uses, one for one; "" if there is none. A metabolite of a
        network has none: its flux is compared with those inside the cell, which are amounts.
    """
    column = np.asarray(model.exchange)[:, model.reactions.index(reaction)]
    changed = np.flatnonzero(column)
    name = model.species[int(changed[0])] if len(changed) == 1 and abs(column[changed[0]]) == 1.0 else ""
    return "" if has_network(model) and name in MOLAR_MASS else name


def rate_unit(model: CultureModel, reaction: str) -> str:
    """Return the unit of the rate of a reaction.

    Args:
        model: any model.
        reaction: one of its reactions.

    Returns:
        An amount of its first species per cells and day, per litre and day if it is volumetric; cells per cells are 1.
    """
    i = model.reactions.index(reaction)
    if model.network is not None and reaction in model.network.names:
        return SPECIFIC_RATE
    changed = np.flatnonzero(np.asarray(model.exchange)[:, i])
    unit = model.species_specs[int(changed[0])].unit if len(changed) else CONCENTRATION
    if model.volumetric[i]:
        return f"{unit}/{TIME}"
    if unit == CELL_DENSITY:
        return f"1/{TIME}"
    amount = unit.removesuffix("/L") if unit.endswith("/L") else f"({unit})*L"
    return f"{amount}/(1e9 cells)/{TIME}"
