"""simulate: a model and a run -> a trajectory.

Pure and traceable, from PyTrees to a PyTree: the caller may jit, map and differentiate it with respect to parameters,
initial concentrations, media, volumes and rates of feeds, and the times of events and set-points.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from graycell.cell.closures import Algebraic, LoopControl, LoopStatus
from graycell.model import CultureModel, Evaluation
from graycell.packing import PackedRun, is_traced, pack
from graycell.runs.records import CultureRun
from graycell.simulation import lagged
from graycell.simulation.branches import OperatingPoints, jumps
from graycell.simulation.solve import Loop, Path, SimulationStatus, SolverSettings, integrate
from graycell.simulation.trajectory import Trajectory, status_of

_SETTINGS = SolverSettings()


def simulate(
    model: CultureModel,
    run: CultureRun,
    settings: SolverSettings = _SETTINGS,
    points: int = 13,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    *,
    save_at: Sequence[float] | Float[Array | np.ndarray, " n"] | None = None,
    throw: bool = False,
) -> Trajectory:
    """Simulate a run.

    The model is compiled once for all runs of one shape, all parameter values, and every equal model. A model with
    the `Lagged` closure goes through the published fixed-step scheme; `settings`, `points` and `save_at` are not used.

    Args:
        model: any model.
        run: measurements are not needed. Its numbers may be traced by JAX.
        settings: of the solver.
        points: number of points in every segment, the time between two events or measurements.
        loop: how far the loops are open; closed unless a fit opens them.
        save_at: [d] times of the trajectory in place of the points; at the time of an event, the state before it.
        throw: whether to raise where the simulation does not reach its end. Otherwise `Trajectory.status` reports it,
            and `Trajectory.require_finished` turns it into an exception.

    Returns:
        The trajectory.

    Raises:
        InputError: where the run does not fit the model.
        SimulationError: with `throw`, where the simulation does not reach its end.
    """
    wanted = () if save_at is None else tuple(jnp.asarray(save_at)) if _is_traced(save_at) else _times(save_at)
    packed = pack(run, model, save_at=wanted)
    traced = is_traced(run) or _is_traced((model, save_at, loop))
    if model.is_lagged:
        trajectory = _simulate_lagged(model, run, packed)
    else:
        loop = Loop(*(jnp.asarray(part, jnp.float64) for part in loop))
        path = _integrate(model, packed, loop, settings, 1 if wanted else points)
        trajectory = _of_path(model, run, packed, path, loop, jnp.asarray(wanted) if wanted else None, traced)
    if (
        not traced
        and _is_algebraic(model)
        and not np.any(np.asarray(loop.opened))
        and not np.any(np.asarray(loop.gain))
    ):
        trajectory = _with_jumps(trajectory)
    if throw:
        return _checked(trajectory) if traced else trajectory.require_finished()
    return trajectory


def _times(save_at) -> tuple[float, ...]:
    return tuple(float(time) for time in np.ravel(np.asarray(save_at)))


def _is_traced(tree) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def _is_algebraic(model: CultureModel) -> bool:
    return isinstance(model.closure, Algebraic)


def _checked(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory; raise at run time, from inside of compiled code, where it did not finish."""
    time = eqx.error_if(
        trajectory.time, trajectory.status_code != SimulationStatus.finished,
        f"run '{trajectory.run.name}': the simulation did not reach its end; see the status that it has without throw.",
    )  # fmt: skip
    return eqx.tree_at(lambda one: one.time, trajectory, time)


@eqx.filter_jit
def _integrate(model: CultureModel, packed: PackedRun, loop: Loop, settings: SolverSettings, points: int) -> Path:
    return integrate(model, packed, loop, settings, points)


@eqx.filter_jit
def evaluate_all(model: CultureModel, concentrations, variables, inputs, fed=None, stoichiometry=None) -> Evaluation:
    """Return `CultureModel.evaluate` at n operating points, compiled.

    Args:
        model: any model.
        concentrations: (n, species).
        variables: (n, variables).
        inputs: (n, inputs).
        fed: (n, species) inflow per volume [mmol/L/d]; 0 if left out.
        stoichiometry: (n,) weight of the shifted stoichiometry where it differs from the model's variable.

    Returns:
        The evaluations with a leading axis.
    """

    def evaluate(c, x, u, f, s):
        return model.evaluate(c, x, u, fed=f, stoichiometry=s)

    return jax.vmap(evaluate)(concentrations, variables, inputs, fed, stoichiometry)


def _of_path(model, run, packed: PackedRun, path: Path, loop: Loop, save_at, traced: bool) -> Trajectory:
    points = path.time.shape[1]
    kept = (path.time, path.states, path.variables, path.loop_status, path.inputs)
    if save_at is not None:
        # the first breakpoint of a time is the state before its events
        rows = jnp.argmax(path.time[None, :, 0] >= save_at[:, None] - _SAME_TIME, axis=1)
        kept = jax.tree.map(lambda leaf: leaf[rows], kept)
        segments = rows
    else:
        segments = np.repeat(np.arange(len(packed.end)), points)
    time, states, variables, loop_status, inputs = jax.tree.map(_joined, kept)
    concentrations = states.amounts / states.volume[:, None]
    fed = (packed.flows.feed @ packed.media)[segments] / states.volume[:, None]
    cells = _evaluate_path(model, packed, loop, time, concentrations, variables, inputs, fed)
    failed = jnp.any(path.failed != 0)
    code = status_of(concentrations, variables, cells.flux_status, loop_status, failed)
    taken = [] if traced else sorted({float(t) for series in run.measurements.values() for t in series.time})
    rows = _first_at(packed, taken) if taken else []
    return _trajectory(
        model, run, time, concentrations, states.volume, variables, inputs, cells, loop_status, code,
        np.array(taken), path.predicted[np.array(rows, int)], traced or save_at is not None,
    )  # fmt: skip


def _first_at(packed: PackedRun, times: Sequence[float]) -> list[int]:
    """Return the first segment that ends at each of these times."""
    ends = np.asarray(packed.end)
    return [int(np.flatnonzero(np.isclose(ends, time, rtol=0.0, atol=_SAME_TIME))[0]) for time in times]


def _joined(leaf: Array) -> Array:
    """Return an array with its first two axes joined; one of them may be empty, as the variables of a model may be."""
    return leaf.reshape((leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]))


_SAME_TIME = 1e-12
"""[d] Times that differ by less are the same one."""


@eqx.filter_jit
def _evaluate_path(model, packed, loop, time, concentrations, variables, inputs, fed) -> Evaluation:
    measured = jax.vmap(packed.loops_at)(time)

    def evaluate(c, x, u, f, m):
        return model.evaluate(c, model.seen(x, LoopControl(m, loop.gain, loop.opened)), u, fed=f)

    return jax.vmap(evaluate)(concentrations, variables, inputs, fed, measured)


def _trajectory(
    model, run, time, concentrations, volume, variables, inputs, cells: Evaluation, loop_status, code, measured_time,
    predicted, whole: bool,
) -> Trajectory:  # fmt: skip
    columns: dict[str, Any] = {
        "time": time,
        "concentrations": concentrations,
        "volume": volume * run.initial_volume,
        "variables": variables,
        "inputs": inputs,
        "observables": cells.observables,
        "viable_cell_density": cells.cells,
        "fluxes": cells.fluxes,
        "kinetic_rates": cells.kinetic_rates,
        "conflict": cells.conflict,
        "targets": cells.targets,
        "flux_status": cells.flux_status,
        "loop_status": loop_status,
    }
    if not whole:  # segments of length 0 repeat their point
        columns = {name: np.asarray(values) for name, values in columns.items()}
        state = np.column_stack([columns["concentrations"], columns["volume"], columns["variables"]])
        again = (np.diff(columns["time"]) == 0.0) & np.all(state[1:] == state[:-1], axis=1)
        columns = {name: values[np.r_[True, ~again]] for name, values in columns.items()}
    return Trajectory(
        model=model, run=run, measured_time=measured_time, predicted=predicted, status_code=code, **columns
    )


def _with_jumps(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory with the ends of branches that lie between its points."""
    at = OperatingPoints.of(trajectory)
    found = jumps(trajectory.model, np.asarray(trajectory.time), at, np.asarray(trajectory.redox))
    status = np.array(trajectory.loop_status)
    for after, _ in found:
        if status[after] == LoopStatus.solved:
            status[after] = LoopStatus.branch_ended
    return replace(trajectory, loop_status=status, jumps=tuple(jump for _, jump in found))


def _simulate_lagged(model: CultureModel, run: CultureRun, packed: PackedRun) -> Trajectory:
    path = lagged.integrate(model, run, packed)
    cells = evaluate_all(model, path.concentrations, path.variables, path.inputs, None, path.stoichiometry)
    columns = np.column_stack([path.concentrations, cells.observables, path.variables])
    taken = sorted({float(t) for series in run.measurements.values() for t in series.time})
    predicted = np.stack([np.interp(taken, np.asarray(path.time), column) for column in columns.T], axis=1)
    none = np.zeros(len(path.time), int)
    code = status_of(path.concentrations, path.variables, cells.flux_status, none, False)
    return _trajectory(
        model, run, path.time, path.concentrations, jnp.ones(len(path.time)), path.variables, path.inputs, cells, none,
        code, np.array(taken), predicted, False,
    )  # fmt: skip


__all__ = ["Loop", "Path", "SimulationStatus", "SolverSettings", "Trajectory", "evaluate_all",
           "integrate", "simulate"]  # fmt: skip
