"""count_inconsistencies: how often predictions of a model are physically impossible.

Counted are mass that appears from nothing, irreversible reactions that run backwards, concentrations below zero, and
exchange rates that no flux of the network can produce. A fit to a few runs can look right and still be impossible, so
every model is checked on the same runs, and on extrapolations of them far outside the training data.
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
from graycell.runs.records import REDOX, VCD, Bolus, CellFeed, CultureRun, Feed, FeedRamp, IvcdBolus
from graycell.simulation.simulate import simulate
from graycell.simulation.trajectory import ZERO_SHARE, Trajectory

MASS, BELOW_ZERO, BACKWARDS, STOICHIOMETRY = "mass", "below zero", "backwards", "stoichiometry"
"""Checks: amounts that appear or vanish in a vessel without cells; concentrations below zero; fluxes of irreversible
reactions below zero; exchange rates with the medium that no flux of the network can produce."""

POINTS = 3
"""Points of every segment that are checked; a prediction has as many, so that it shares the compiled function."""
_MASS = 1e-6
"""Part [1] of the largest amount in a vessel without cells that is accepted as an error of the solver."""
_ROUNDING = 1e-7
"""Part [1] of the largest flux that is accepted as rounding, in a steady state or below a bound."""
_EXTRAPOLATION = 3.0
"""Factor [1] of initial concentrations and feeds in an extrapolation."""
_EXPLAINED = 0.01
"""Part [1] of the exchange rates that a network may leave unexplained."""
_HEAVY = 1e4
"""Weight [1] of the steady state beside the exchange rates in a non-negative least-squares problem."""


@dataclass(frozen=True)
class Count:
    """How often a check failed.

    Attributes:
        check: its name.
        counted: number of places where it failed.
        of: number of places that were checked: species and runs for `MASS`, else points in time.
    """

    check: str
    counted: int
    of: int


_SCALED = {Bolus: ("volume",), Feed: ("rate",), CellFeed: ("rate",), IvcdBolus: ("rate",), FeedRamp: ("rate", "slope")}
"""Which numbers of an event say how much is fed."""


def extrapolated(run: CultureRun, biomass: str = "BIOM") -> CultureRun:
    """Return a run with threefold initial concentrations and feeds; cells and R start as they were.

    Levels to which a culture is fed stay, because its media may not hold more, and so do shares of the volume.

    Args:
        run: the run.
        biomass: the species that counts cells, `CultureModel.biomass`.

    Returns:
        The run, under another name.
    """
    initial = {
        name: value * (1.0 if name in (biomass, VCD, REDOX) else _EXTRAPOLATION) for name, value in run.initial.items()
    }
    events = tuple(
        replace(event, **{name: _EXTRAPOLATION * getattr(event, name) for name in _SCALED.get(type(event), ())})
        for event in run.events
    )
    return replace(run, name=f"{run.name}, extrapolation", initial=initial, events=events)


def count_inconsistencies(
    model: CultureModel, runs: Sequence[CultureRun], network: MetabolicNetwork | None = None
) -> tuple[Count, ...]:
    """Count how often each check fails over runs.

    Args:
        model: the model; one with balances inside the cell is checked against its own network.
        runs: the runs; a run that cannot be simulated to its end is checked at the points that were reached.
        network: the reactions that a black box is checked against; None leaves out `BACKWARDS` and `STOICHIOMETRY`.

    Returns:
        One count for each check.
    """
    totals: dict[str, list[int]] = {}

    def add(check: str, counted: int, of: int) -> None:
        before = totals.setdefault(check, [0, 0])
        before[0] += counted
        before[1] += of

    for run in runs:
        planned = without_measurements(run)
        trajectory = simulate(model, planned, points=POINTS)
        add(MASS, *_mass(model, planned))
        finite = np.all(np.isfinite(trajectory.concentrations), axis=1)
        c = trajectory.concentrations[finite]
        add(BELOW_ZERO, int(np.sum(np.any(c < -ZERO_SHARE * np.max(np.abs(c), axis=0), axis=1))), len(c))
        if model.network is not None and model.network.internal:
            add(BACKWARDS, *_backwards(model, trajectory, finite))
            add(STOICHIOMETRY, *_steady(model, trajectory, finite))
        elif network is not None:
            add(STOICHIOMETRY, *_explained(model, trajectory, finite, network))
    return tuple(Count(check, *numbers) for check, numbers in totals.items())


def without_measurements(run: CultureRun) -> CultureRun:
    """Return a run without measurements, except viability as a known input.

    Args:
        run: the run.

    Returns:
        The run.
    """
    return replace(with_viability_known(run), measurements={})


def _mass(model: CultureModel, run: CultureRun) -> tuple[int, int]:
    """Compare a vessel without cells with its mass balances alone."""
    cells = {} if model.biomass is None else {model.biomass: 0.0}
    sterile = replace(run, initial={**run.initial, **cells})
    reactor = Reactor(jnp.zeros(len(model.species))) if isinstance(model.reactor, NeuralODE) else model.reactor
    alone = model.changed(exchange=0.0 * model.exchange, reactor=reactor)
    # as many points as above, so that the compiled function is reused
    predicted, balanced = (simulate(vessel, sterile, points=POINTS) for vessel in (model, alone))
    amounts, expected = (path.concentrations[-1] * path.volume[-1] for path in (predicted, balanced))
    largest = np.max(np.abs(expected), initial=1e-12)
    off = ~(np.abs(amounts - expected) <= _MASS * largest)  # also where it is not finite
    return int(np.sum(off)), off.size


def _backwards(model: CultureModel, trajectory: Trajectory, finite: np.ndarray) -> tuple[int, int]:
    fluxes = trajectory.fluxes[finite]
    size = np.max(np.abs(fluxes), axis=1, keepdims=True) + 1e-12
    lower = model.require_projection().network.lower
    return int(np.sum(np.any(fluxes < lower - _ROUNDING * size, axis=1))), len(fluxes)


def _steady(model: CultureModel, trajectory: Trajectory, finite: np.ndarray) -> tuple[int, int]:
    network, fluxes = model.require_projection().network, trajectory.fluxes[finite]
    inside = ~network.is_external
    shift = np.asarray(trajectory.stoichiometry_shift)[finite][:, None]
    before, change = network.stoichiometry[inside], (network.shifted_stoichiometry - network.stoichiometry)[inside]
    left = fluxes @ before.T + shift * (fluxes @ change.T)
    size = np.max(np.abs(fluxes), axis=1) + 1e-12
    return int(np.sum(np.max(np.abs(left), axis=1) > _ROUNDING * size)), len(fluxes)


def _explained(model, trajectory: Trajectory, finite: np.ndarray, network: MetabolicNetwork) -> tuple[int, int]:
    """Count the points at which no flux of `network` produces the exchange rates of a black box."""
    species = [name for name in model.species if name + EXTERNAL_SUFFIX in network.external]
    columns = [model.species.index(name) for name in species]
    rates = _by_cells(model, trajectory)[finite][:, columns]
    scale = np.sqrt(np.mean(rates**2, axis=0)) + 1e-12
    outside = network.rows([name + EXTERNAL_SUFFIX for name in species])
    inside, change = (
        matrix[~network.is_external]
        for matrix in (network.stoichiometry, network.shifted_stoichiometry - network.stoichiometry)
    )
    reversible = np.array([reaction.reversible for reaction in network.reactions])
    counted = 0
    for rate, shift in zip(rates, np.asarray(trajectory.stoichiometry_shift)[finite], strict=True):
        rows = np.vstack([outside / scale[:, None], _HEAVY * (inside + shift * change)])
        both = np.hstack([rows, -rows[:, reversible]])
        target = np.r_[rate / scale, np.zeros(len(inside))]
        try:
            left = nnls(both, target)[1]
        except RuntimeError:  # no convergence
            left = np.inf
        counted += bool(left > _EXPLAINED * np.linalg.norm(target))
    return counted, len(rates)


def _by_cells(model: CultureModel, trajectory: Trajectory) -> np.ndarray:
    """Return the exchange rates of the cells, (points, species), of a black box, whose reactions are its species.

    In mmol/(10^9 cells)/d; for a model without balances in mmol/L/d: dc/dt less the contribution of the feeds.
    """
    if not isinstance(model.reactor, NeuralODE):
        return np.asarray(trajectory.fluxes)
    fed = trajectory.fed - trajectory.concentrations * trajectory.dilution_rate[:, None]
    return np.asarray(trajectory.fluxes - fed)
