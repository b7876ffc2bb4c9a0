"""simulate: a model and a run -> a trajectory.

Pure and traceable, from PyTrees to a PyTree: the caller may jit, map and differentiate it with respect to parameters,
initial concentrations, media, volumes and rates of feeds, and the times of events and set-points.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from graycell.cell.closures import Algebraic, LoopStatus
from graycell.compiling import compiled_once
from graycell.errors import ModelError
from graycell.model import CultureModel, Evaluation
from graycell.packing import PackedRun, in_units_of, is_traced, pack
from graycell.runs.records import CultureRun, RuleBolus
from graycell.simulation import lagged
from graycell.simulation.branches import OperatingPoints, jumps
from graycell.simulation.solve import (
    SAME_TIME,
    Loop,
    SimulationStatus,
    SolverSettings,
    integrate,
    joined,
    segments_at,
)
from graycell.simulation.trajectory import Trajectory, status_of

_SETTINGS = SolverSettings()
_FEWEST_SEGMENTS = 16
"""To which a run is padded: with and without its measurements, most runs then share one compiled function."""
_SAVED_TOGETHER = 16
"""Times to save are padded to a multiple, for the same reason."""


def simulate(
    model: CultureModel,
    run: CultureRun,
    settings: SolverSettings = _SETTINGS,
    points: int = 13,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    *,
    save_at: Sequence[float | Float[Array, ""]] | Float[Array | np.ndarray, " n"] | None = None,
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
        loop: how far the loops are open; closed unless a fit opens them. An open loop follows a curve through its
            initial value, which then must not be traced.
        save_at: [d] times of the trajectory in place of the points; at the time of an event, the state before it.
        throw: whether to raise where the simulation does not reach its end. Otherwise `Trajectory.status` reports it,
            and `Trajectory.require_finished` turns it into an exception.

    Returns:
        The trajectory.

    Raises:
        InputError: where the run does not fit the model.
        ModelError: for times to save outside of the run, something else in the place of the run, or an open loop whose
            initial value is traced.
        SimulationError: with `throw`, where the simulation does not reach its end.
    """
    if not isinstance(run, CultureRun):
        raise ModelError(
            f"simulate: found {type(run).__name__} in the place of the run; a CultureRun is needed; of a list, such as "
            "read_runs returns, give one after the other."
        )
    if _is_traced(save_at):
        wanted = tuple(jnp.asarray(save_at))
    else:
        wanted = () if save_at is None else times_within(save_at, run, "save_at")
    _require_known_start(model, run, loop)
    run = in_units_of(run, model)  # what is measured is compared with the trajectory
    packed = pack(run, model, save_at=wanted, segments=_FEWEST_SEGMENTS)
    traced = is_traced(run) or _is_traced((model, save_at, loop))
    if model.is_lagged:
        trajectory = _simulate_lagged(model, run, packed)
    else:
        if settings.derivative_rtol is None and not traced:  # nobody differentiates it
            settings = replace(settings, derivative_rtol=math.inf)
        loop = Loop(*(jnp.asarray(part, jnp.float64) for part in loop))
        tolerances = jnp.asarray(settings.rtol, jnp.float64), jnp.asarray(settings.atol, jnp.float64)
        others = replace(settings, rtol=1.0, atol=1.0)  # the tolerances are traced: one compiled function serves all
        given = model, packed, loop, others, *tolerances, jnp.asarray(run.initial_volume, jnp.float64)
        last = wanted[-1:] * (-len(wanted) % _SAVED_TOGETHER)
        solved = _solved(*given, 1 if wanted else points, jnp.asarray((*wanted, *last)) if wanted else None)
        trajectory = _named(model, run, packed, solved, traced, len(wanted))
    if not traced and isinstance(model.closure, Algebraic) and not np.any(np.asarray(loop)):
        trajectory = _with_jumps(trajectory)
    if throw:
        return _checked(trajectory) if traced else trajectory.require_finished()
    return trajectory


def _require_known_start(model: CultureModel, run: CultureRun, loop: Loop) -> None:
    """Raise where an open loop would follow a curve through an initial value that is not known before compiling."""
    if not _is_traced(loop) and not np.any(np.asarray(loop)):
        return
    for name in model.loops:
        if _is_traced(run.initial.get(name)):
            raise ModelError(
                f"simulate: found an initial value of '{name}' that JAX traces, with its loop open; give it as a "
                "number, or close the loop."
            )


def times_within(times: Any, run: CultureRun, argument: str) -> tuple[float, ...]:
    """Return times at which a trajectory is asked for, which must lie within the run.

    Args:
        times: (n,) [d].
        run: any run; where its end is traced by JAX nothing is checked.
        argument: name of the argument, for the message.

    Returns:
        The times [d].

    Raises:
        ModelError: for a time before 0 or after the end of the run.
    """
    wanted = tuple(float(time) for time in np.ravel(np.asarray(times)))
    outside = [time for time in wanted if not _is_traced(run.end) and not 0.0 <= time <= run.end]
    if outside:
        raise ModelError(
            f"run '{run.name}': found {outside[0]:g} d in {argument}; the run is simulated from 0 to {run.end:g} d; "
            "leave it out."
        )
    return wanted


def _is_traced(tree) -> bool:
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def _checked(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory; raise at run time, from inside of compiled code, where it did not finish."""
    time = eqx.error_if(
        trajectory.time, trajectory.status_code != SimulationStatus.finished,
        f"run '{trajectory.run.name}': the simulation did not reach its end; see the status that it has without throw.",
    )  # fmt: skip
    return eqx.tree_at(lambda one: one.time, trajectory, time)


class _Solved(NamedTuple):
    """Status of a simulation, predictions and boluses of rules at the ends of segments, columns of a `Trajectory`."""

    code: Int[Array, ""]
    predicted: Float[Array, "segments quantities"]
    boluses: Float[Array, " segments"] | None
    columns: dict[str, Any]


@compiled_once
def _solved(model, packed: PackedRun, loop: Loop, settings, rtol, atol, volume, points: int, save_at) -> _Solved:
    """Simulate; the columns hold all points of the path, or those at the times to save; volume: [L] at time 0."""
    path = integrate(model, packed, loop, replace(settings, rtol=rtol, atol=atol), points)
    rate = jnp.broadcast_to(jnp.sum(path.feed, axis=2), path.time.shape)
    volumes = None if path.given is None else path.given.fed
    kept = path.time, path.states, path.variables, path.inputs, path.fed, path.cells, volumes, path.loop_status, rate
    if save_at is None:
        time, states, variables, inputs, fed, cells, volumes, loop_status, rate = jax.tree.map(joined, kept)
    else:
        segments = segments_at(packed.end, save_at)
        _, *numbers, loop_status, rate = jax.tree.map(lambda leaf: leaf[segments, 0], kept)
        time, within = save_at, lambda leaf: _within(packed, save_at, leaf)
        states, variables, inputs, fed, cells, volumes = jax.tree.map(within, numbers)
    concentrations = states.amounts / states.volume[:, None]
    code = status_of(concentrations, variables, cells.flux_status, loop_status, jnp.any(path.failed != 0))
    columns = {
        "time": time,
        "concentrations": concentrations,
        "volume": states.volume * volume,
        "variables": variables,
        "inputs": inputs,
        "fed": fed,
        "dilution_rate": rate / states.volume,
        "loop_status": loop_status,
        **_of_cells(cells),
    }
    if path.given is None:
        return _Solved(code, path.predicted, None, columns)
    columns["fed_volumes"] = volumes * volume
    code = jnp.where(jnp.any(path.given.bolus == jnp.inf), jnp.asarray(SimulationStatus.level_not_reached), code)
    return _Solved(code, path.predicted, path.given.bolus * volume, columns)


def _named(model, run: CultureRun, packed: PackedRun, solved: _Solved, traced: bool, saved: int) -> Trajectory:
    """Return the trajectory of a run; saved: number of times to save, which are kept as they are; 0 for all points."""
    taken = _measured_times(run)
    columns: dict[str, Any] = solved.columns
    predicted: Any
    if traced:
        times = jnp.asarray(taken)
        predicted = _within(packed, times, solved.predicted[segments_at(packed.end, times)])
    else:
        predicted = np.asarray(solved.predicted)[segments_at(np.asarray(packed.end), taken)]
        columns = jax.device_get(columns) if saved else _without_repeats(columns)
    if saved:
        columns = {name: values[:saved] for name, values in columns.items()}
    if "fed_volumes" in columns:
        columns["fed_volumes"] = columns["fed_volumes"][:, : len(run.media)]
    return Trajectory(
        model=model, run=run, measured_time=taken, predicted=predicted, status_code=solved.code, **columns,
        bolus_volumes=_boluses(run, packed, solved.boluses, traced),
    )  # fmt: skip


def _boluses(run: CultureRun, packed: PackedRun, volumes: Array | None, traced: bool) -> Any:
    """Return the volumes (rules,) [L] of the boluses by rules, in the order of the events of the run."""
    count, rule = sum(isinstance(event, RuleBolus) for event in run.events), packed.interventions.rule
    if rule is None or volumes is None:
        return np.zeros(0)
    xp = jnp if traced else np
    numbers, rules = xp.asarray(rule.number)[None], np.arange(count, dtype=np.int32)[:, None]
    return xp.asarray(volumes)[xp.argmax(numbers == rules, axis=1)]


def _within(packed: PackedRun, times: Array, values: Array) -> Array:
    """Return values at times, NaN at those outside of the run, which are traced and so known only now."""
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return values
    outside = ~((times >= 0.0) & (times <= packed.end[-1] + SAME_TIME))
    return jnp.where(outside.reshape((-1, *(1,) * (values.ndim - 1))), jnp.nan, values)


def _of_cells(cells: Evaluation) -> dict[str, Any]:
    """Return the columns of a trajectory that are evaluated at its points."""
    return {
        "observables": cells.observables,
        "viable_cell_density": cells.cells,
        "fluxes": cells.fluxes,
        "kinetic_rates": cells.kinetic_rates,
        "conflict": cells.conflict,
        "targets": cells.targets,
        "flux_status": cells.flux_status,
    }


def _without_repeats(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns in numpy, without the points that segments of length 0 repeat."""
    columns = {name: np.asarray(values) for name, values in columns.items()}
    state = np.column_stack([columns["concentrations"], columns["volume"], columns["variables"]])
    again = (np.diff(columns["time"]) == 0.0) & np.all(state[1:] == state[:-1], axis=1)
    return {name: values[np.r_[True, ~again]] for name, values in columns.items()}


def _measured_times(run: CultureRun) -> np.ndarray:
    return np.array(sorted({float(time) for series in run.measurements.values() for time in series.time}))


def _with_jumps(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory with the ends of branches that lie between its points."""
    at = OperatingPoints.of(trajectory)
    found = jumps(trajectory.model, np.asarray(trajectory.time), at, np.asarray(trajectory.loop_value))
    status = np.array(trajectory.loop_status)
    for after, _ in found:
        if status[after] == LoopStatus.solved:
            status[after] = LoopStatus.branch_ended
    return replace(trajectory, loop_status=status, jumps=tuple(jump for _, jump in found))


def _simulate_lagged(model: CultureModel, run: CultureRun, packed: PackedRun) -> Trajectory:
    path = lagged.integrate(model, run, packed)
    quantities = np.column_stack([path.concentrations, path.cells.observables, path.variables])
    taken, none = _measured_times(run), np.zeros(len(path.time), int)
    columns = {
        "time": path.time,
        "concentrations": path.concentrations,
        "volume": np.full(len(path.time), run.initial_volume),
        "variables": path.variables,
        "inputs": path.inputs,
        "fed": np.zeros(path.concentrations.shape),  # the scheme knows no feed that flows
        "dilution_rate": np.zeros(len(path.time)),
        "loop_status": none,
        **_of_cells(path.cells),
    }
    return Trajectory(
        model=model,
        run=run,
        measured_time=taken,
        predicted=np.stack([np.interp(taken, np.asarray(path.time), column) for column in quantities.T], axis=1),
        status_code=status_of(path.concentrations, path.variables, path.cells.flux_status, none, False),
        **_without_repeats(columns),
    )


__all__ = ["Loop", "SimulationStatus", "SolverSettings", "Trajectory", "integrate", "simulate"]  # fmt: skip
