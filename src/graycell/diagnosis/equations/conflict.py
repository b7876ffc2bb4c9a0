"""conflicts, singular_weights: where rate laws and balances of a model contradict each other along a run."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.cell.flux import PublishedWeights
from graycell.model import CultureModel
from graycell.simulation.simulate import Trajectory

_NEAR_ZERO = 1e-12
"""Part of the largest kinetic rate [1]. The published rule gives a rate of 0 no weight, and one near 0 the largest."""


@dataclass(frozen=True)
class Conflict:
    """How far the balances pull one kinetic flux from its rate law during a run.

    Attributes:
        reaction: its name.
        share: of the weighted sum of squares that the flux projection minimises, over time and reactions [1].
        typical: root mean square of the conflict over time [1].
        largest: the conflict of the largest magnitude [1].
        time: of the largest conflict [d].
        bound: part of the time in which a bound of the reaction is active [1].
    """

    reaction: str
    share: float
    typical: float
    largest: float
    time: float
    bound: float


@dataclass(frozen=True)
class SingularWeight:
    """A kinetic rate that comes near zero, where the published weight 1/w^2 is singular.

    Attributes:
        reaction: its name.
        crossings: times at which the rate changes its sign [d].
        least: smallest magnitude during the run [mmol/(10^9 cells)/d].
        time: of the smallest magnitude [d].
        weight_ratio: the weight 1/w^2 there, over that of the median of the other rates [1].
        jump: largest change of a flux, by the published rule, from w near 0, where the weight holds the reaction, to
            w = 0, where it is left out, over the largest flux [1].
        jumping: the reaction with that flux.
    """

    reaction: str
    crossings: tuple[float, ...]
    least: float
    time: float
    weight_ratio: float
    jump: float
    jumping: str


def conflicts(trajectory: Trajectory) -> tuple[Conflict, ...]:
    """Return the conflict of every rate law with the balances.

    Args:
        trajectory: of a model with a network.

    Returns:
        One conflict for each rate law, the largest share first.
    """
    model, time = trajectory.model, trajectory.time
    square = trajectory.conflict**2
    over_time = np.trapezoid(square, time, axis=0)
    total = max(float(np.sum(over_time)), 1e-300)
    active = _bound_is_active(trajectory)
    length = max(float(time[-1] - time[0]), 1e-300)
    rows = []
    for j, name in enumerate(model.kinetic):
        at = int(np.argmax(square[:, j]))
        rows.append(
            Conflict(
                name,
                float(over_time[j] / total),
                float(np.sqrt(over_time[j] / length)),
                float(trajectory.conflict[at, j]),
                float(time[at]),
                float(np.trapezoid(active[:, j], time) / length),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.share))


def relation_gaps(trajectory: Trajectory) -> Float[np.ndarray, "n relations"]:
    """Return left minus right side of every surplus relation for the kinetic rates.

    Args:
        trajectory: of a model with a network.

    Returns:
        (n, relations) [mmol/(10^9 cells)/d].
    """
    layer = trajectory.model.require_projection()
    surplus = [layer.network.index(name) for name in layer.surplus]
    left = [layer.kinetic.index(name) for name in layer.surplus]
    shift = jnp.asarray(trajectory.stoichiometry_shift)
    rows = jax.vmap(lambda shift: layer.flux_map(shift).take(surplus).matrix)(shift)
    implied = np.einsum("nrk,nk->nr", np.asarray(rows)[:, :, : len(layer.kinetic)], trajectory.kinetic_rates)
    return trajectory.kinetic_rates[:, left] - implied


def singular_weights(trajectory: Trajectory) -> tuple[SingularWeight, ...]:
    """Return the kinetic rates that change sign during the run, or fall below a thousandth of the largest rate.

    Args:
        trajectory: of a model with a network.

    Returns:
        The rates with the most changes of sign first.
    """
    model, kinetic_rates, time = trajectory.model, trajectory.kinetic_rates, trajectory.time
    size = np.abs(kinetic_rates)
    rows = []
    for j, name in enumerate(model.kinetic):
        before, after = kinetic_rates[:-1, j], kinetic_rates[1:, j]
        changes = np.flatnonzero((before * after < 0.0) & (np.diff(time) > 0.0))
        shares = before[changes] / (before[changes] - after[changes])
        crossings = time[changes] + shares * np.diff(time)[changes]
        at = int(np.argmin(size[:, j]))
        if not len(changes) and size[at, j] > 1e-3 * np.max(size[at]):
            continue
        k = int(changes[0]) if len(changes) else at
        others = np.median(np.delete(size[at], j)) if len(model.kinetic) > 1 else size[at, j]
        jump, jumping = _jump(model, np.asarray(kinetic_rates[k]), float(trajectory.stoichiometry_shift[k]), j)
        ratio = float((others / max(size[at, j], _NEAR_ZERO * np.max(size), 1e-150)) ** 2)
        rows.append(
            SingularWeight(
                name, tuple(map(float, crossings)), float(size[at, j]), float(time[at]), ratio, jump, jumping
            )
        )
    return tuple(sorted(rows, key=lambda row: (-len(row.crossings), row.least)))


def _jump(model: CultureModel, kinetic_rates: np.ndarray, shift: float, j: int) -> tuple[float, str]:
    near, at = kinetic_rates.copy(), kinetic_rates.copy()
    near[j], at[j] = _NEAR_ZERO * np.max(np.abs(kinetic_rates)), 0.0
    with_it, without = np.asarray(_project(model, np.stack([near, at]), shift))
    largest = max(float(np.max(np.abs(without))), 1e-300)
    most = int(np.argmax(np.abs(with_it - without)))
    return float(abs(with_it[most] - without[most]) / largest), model.reactions[most]


@eqx.filter_jit
def _project(model: CultureModel, kinetic_rates, shift):
    published = PublishedWeights()
    # one after the other: mapped, the flux projection takes twice as long to compile
    return jax.lax.map(
        lambda w: model.require_projection()(w, shift, variance=published.variance(w)).fluxes,
        jnp.asarray(kinetic_rates),
    )


def _bound_is_active(trajectory: Trajectory) -> np.ndarray:
    """Return whether a kinetic flux is at a bound of its reaction, (n, kinetic)."""
    model = trajectory.model
    index = [model.require_projection().network.index(name) for name in model.kinetic]
    fluxes = trajectory.fluxes[:, index]
    rounding = 1e-9 * np.max(np.abs(trajectory.fluxes), axis=1, keepdims=True)
    lower, upper = model.require_projection().network.lower[index], model.require_projection().network.upper[index]
    return (fluxes <= lower + rounding) | (fluxes >= upper - rounding)
