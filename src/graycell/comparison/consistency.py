"""Counts of what no culture can do, in what a model predicts: mass from nothing, fluxes backwards, less than nothing.

A fit to a few runs can look right and be impossible, so this is counted for every model on the same runs, and on the
same runs extrapolation of what was learned from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from scipy.optimize import nnls

from graycell.cell.network import EXTERNAL_SUFFIX, MetabolicNetwork
from graycell.comparison.splits import with_viability_known
from graycell.model import CultureModel
from graycell.reactor import NeuralODE, Reactor
from graycell.runs.records import VCD, Bolus, CultureRun, Feed
from graycell.simulation.simulate import ZERO_SHARE, Trajectory, pack_for, simulate

MASS, BELOW_ZERO, BACKWARDS, STOICHIOMETRY = "mass", "below zero", "backwards", "stoichiometry"
"""Checks: amounts that appear or vanish in a vessel without cells; concentrations below zero; fluxes of irreversible
reactions below zero; exchange with the medium that no flux of the network can make."""

_POINTS = 3
"""Points of every segment at which is counted."""
_MASS = 1e-6
"""Part [1] of the largest amount in a vessel without cells that the solver may lose or find."""
_ROUNDING = 1e-7
"""Part [1] of the largest flux that rounding may leave in a steady state or below a bound."""
_FAR = 3.0
"""Factor [1] by which a run extrapolation has more of everything at time 0, and larger feeds."""
_EXPLAINED = 0.01
"""Part [1] of the exchange rates that a network may leave unexplained."""
_HEAVY = 1e4
"""Weight [1] of the steady state beside the exchange rates in a non-negative least-squares problem."""


@dataclass(frozen=True)
class Count:
    """How often a check failed: `counted` out of `of` places (species and runs for `MASS`, else points in time)."""

    check: str
    counted: int
    of: int


def extrapolated(run: CultureRun, biomass: str = "BIOM") -> CultureRun:
    """Return the run with three times as much of everything but cells and R at time 0, and three times the feeds."""
    initial = {name: value * (1.0 if name in (biomass, VCD, "R") else _FAR) for name, value in run.initial.items()}
    events = tuple(
        replace(event, volume=_FAR * event.volume) if isinstance(event, Bolus)
        else replace(event, rate=_FAR * event.rate) if isinstance(event, Feed) else event
        for event in run.events
    )  # fmt: skip
    return replace(run, name=f"{run.name}, extrapolation", initial=initial, events=events)


def count_inconsistencies(
    model: CultureModel, runs: Sequence[CultureRun], network: MetabolicNetwork | None = None
) -> tuple[Count, ...]:
    """Return the counts of all checks over the runs.

    A model with balances inside the cell is held to its own network; a black box to `network`, or to none, and then
    `BACKWARDS` and `STOICHIOMETRY` are not counted. A run that cannot be simulated to its end counts by the points that
    were reached.
    """
    totals: dict[str, list[int]] = {}

    def add(check: str, counted: int, of: int) -> None:
        before = totals.setdefault(check, [0, 0])
        before[0] += counted
        before[1] += of

    for run in runs:
        planned = without_measurements(run)
        trajectory = simulate(model, planned, points=_POINTS)
        add(MASS, *_mass(model, planned))
        finite = np.all(np.isfinite(trajectory.concentrations), axis=1)
        c = trajectory.concentrations[finite]
        add(BELOW_ZERO, int(np.sum(np.any(c < -ZERO_SHARE * np.max(np.abs(c), axis=0), axis=1))), len(c))
        if model.network.internal:
            add(BACKWARDS, *_backwards(model, trajectory, finite))
            add(STOICHIOMETRY, *_steady(model, trajectory, finite))
        elif network is not None:
            add(STOICHIOMETRY, *_explained(model, trajectory, finite, network))
    return tuple(Count(check, *numbers) for check, numbers in totals.items())


def without_measurements(run: CultureRun) -> CultureRun:
    """Return the plan of a run: nothing was measured of it but viability, which is an input."""
    return replace(with_viability_known(run), measurements={})


def _mass(model: CultureModel, run: CultureRun) -> tuple[int, int]:
    """Compare the vessel without cells with balances alone: what is fed has to be found again."""
    cells = {model.biomass: 0.0}
    sterile = replace(run, initial={**run.initial, **cells})
    reactor = Reactor(jnp.zeros(len(model.species))) if isinstance(model.reactor, NeuralODE) else model.reactor
    alone = replace(model, exchange=0.0 * model.exchange, reactor=reactor)
    # as many points as above, so that nothing is compiled for them anew
    found, wanted = (simulate(one, sterile, points=_POINTS) for one in (model, alone))
    amounts, expected = (one.concentrations[-1] * one.volume[-1] for one in (found, wanted))
    largest = np.max(np.abs(expected), initial=1e-12)
    off = ~(np.abs(amounts - expected) <= _MASS * largest)  # what is not finite is off
    return int(np.sum(off)), off.size


def _backwards(model: CultureModel, trajectory: Trajectory, finite: np.ndarray) -> tuple[int, int]:
    fluxes = trajectory.fluxes[finite]
    size = np.max(np.abs(fluxes), axis=1, keepdims=True) + 1e-12
    return int(np.sum(np.any(fluxes < model.network.lower - _ROUNDING * size, axis=1))), len(fluxes)


def _steady(model: CultureModel, trajectory: Trajectory, finite: np.ndarray) -> tuple[int, int]:
    network, fluxes = model.network, trajectory.fluxes[finite]
    inside = ~network.is_external
    cold = trajectory.cold[finite][:, None]
    warm, change = network.stoichiometry[inside], (network.cold_stoichiometry - network.stoichiometry)[inside]
    left = fluxes @ warm.T + cold * (fluxes @ change.T)
    size = np.max(np.abs(fluxes), axis=1) + 1e-12
    return int(np.sum(np.max(np.abs(left), axis=1) > _ROUNDING * size)), len(fluxes)


def _explained(model, trajectory: Trajectory, finite: np.ndarray, network: MetabolicNetwork) -> tuple[int, int]:
    """Count the points at which no flux of `network` makes the exchange rates of a black box."""
    species = [name for name in model.species if name + EXTERNAL_SUFFIX in network.external]
    columns = [model.species.index(name) for name in species]
    rates = _by_cells(model, trajectory)[finite][:, columns]
    scale = np.sqrt(np.mean(rates**2, axis=0)) + 1e-12
    outside = network.rows([name + EXTERNAL_SUFFIX for name in species])
    inside, change = (
        matrix[~network.is_external]
        for matrix in (network.stoichiometry, network.cold_stoichiometry - network.stoichiometry)
    )
    reversible = np.array([reaction.reversible for reaction in network.reactions])
    counted = 0
    for rate, cold in zip(rates, trajectory.cold[finite], strict=True):
        rows = np.vstack([outside / scale[:, None], _HEAVY * (inside + cold * change)])
        both = np.hstack([rows, -rows[:, reversible]])
        target = np.r_[rate / scale, np.zeros(len(inside))]
        try:
            left = nnls(both, target)[1]
        except RuntimeError:  # no fluxes were found within its iterations
            left = np.inf
        counted += bool(left > _EXPLAINED * np.linalg.norm(target))
    return counted, len(rates)


def _by_cells(model: CultureModel, trajectory: Trajectory) -> np.ndarray:
    """Return what the cells exchange, (points, species), for a black box, whose reactions are its species.

    [mmol/(10^9 cells)/d]; of a model without balances [mmol/L/d], dc/dt less what the feeds do.
    """
    if not isinstance(model.reactor, NeuralODE):
        return trajectory.fluxes
    packed = pack_for(model, trajectory.run)
    time, end = trajectory.time, np.asarray(packed.end)
    # of two points at one time the first ends a segment, the others begin one
    ends_one = np.r_[True, np.diff(time) > 0.0]
    segment = np.where(ends_one, np.searchsorted(end, time), np.searchsorted(end, time, side="right"))
    feed = np.asarray(packed.flows.feed)[np.minimum(segment, len(end) - 1)]
    volume = trajectory.volume[:, None] / trajectory.run.initial_volume
    fed = feed @ np.asarray(packed.media) - trajectory.concentrations * np.sum(feed, axis=1, keepdims=True)
    return trajectory.fluxes - fed / volume
