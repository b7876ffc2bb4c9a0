"""diagnose: everything that the equations of a model contradict each other about, for one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from graycell.cell.closures import Algebraic, Dynamic, Lagged
from graycell.diagnosis.equations.closures import ClosureAnswers, answers, lagged_answers
from graycell.diagnosis.equations.conflict import Conflict, SingularWeight, conflicts, relation_gaps, singular_weights
from graycell.diagnosis.equations.structure import Structure, structure_of
from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.provenance import provenance_of
from graycell.runs.records import TEMPERATURE, CultureRun, Setpoint
from graycell.simulation.branches import Branches, FixedPoints, OperatingPoints, branches, fixed_points, response
from graycell.simulation.simulate import Trajectory, simulate

_POINTS = 61
"""Points of a diagram of branches."""
_GRID, _BEYOND = 401, 1.5
"""Points of a curve of the map, from 0 to 1.5 times the largest value of the loop variable, simulated or fixed point:
the curve goes on beyond all that is marked on it."""
_AFTER_SHIFT = 0.2
"""[d] after a change of temperature at which the map is evaluated, when most of the transition is over."""
DiagnosisProgress = Callable[[float, str], None]
"""Called with the part done [1] and a description."""


@dataclass(frozen=True)
class LoopMap:
    """The map R -> R' at chosen times of a run.

    Attributes:
        time: (times,) [d].
        simulated: (times,) R of the trajectory there [1].
        loop_value: (grid,) R [1].
        target: (times, grid) R' of the fluxes [1].
        points: fixed points of the map; `points.point` is the index of the time.
    """

    time: Float[np.ndarray, " times"]
    simulated: Float[np.ndarray, " times"]
    loop_value: Float[np.ndarray, " grid"]
    target: Float[np.ndarray, "times grid"]
    points: FixedPoints


@dataclass(frozen=True)
class ModelDiagnosis:
    """The result of `diagnose` for one model and run.

    Attributes:
        model: the model.
        run: the run.
        trajectory: of the model along the run.
        structure: counts and ranks of the equations for the fluxes.
        relation_gaps: (n, relations) left minus right side of the surplus relations [mmol/(10^9 cells)/d].
        conflicts: of rate laws with balances.
        singular_weights: kinetic rates near zero.
        map: R -> R' at chosen times.
        over_time: branches of R along the run.
        parameter: name of the parameter of `over_parameter`.
        parameter_time: time of `over_parameter` [d].
        over_parameter: branches of R over values of the parameter.
        answers: of each closure.
        provenance: everything needed to repeat it, as plain data.
    """

    model: CultureModel
    run: CultureRun
    trajectory: Trajectory
    structure: Structure
    relation_gaps: Float[np.ndarray, "n relations"]
    conflicts: tuple[Conflict, ...]
    singular_weights: tuple[SingularWeight, ...]
    map: LoopMap
    over_time: Branches
    parameter: str
    parameter_time: float
    over_parameter: Branches
    answers: tuple[ClosureAnswers, ...]
    provenance: dict


def diagnose(
    model: CultureModel,
    run: CultureRun,
    *,
    times: Sequence[float] | None = None,
    parameter: str | None = None,
    values: Sequence[float] | None = None,
    parameter_time: float | None = None,
    progress: DiagnosisProgress | None = None,
) -> ModelDiagnosis:
    """Diagnose a model along a run, which is simulated with the model's closure.

    Args:
        model: a model with a loop.
        run: the run; a `SimulationError` if it cannot be simulated to its end.
        times: at which the map R -> R' is evaluated [d]; None for the start, shortly after every change of temperature,
            and the quarters of the run.
        parameter: over which the branches of R are followed; None for ``R_switch``, or else the first estimated one.
        values: of the parameter, in its internal unit; None for half to twice its value, within its bounds.
        parameter_time: time of these branches [d]; None for that with the most fixed points.
        progress: called with the part done [1] and a description.

    Returns:
        Structure, conflicts, singular weights, maps, branches, and the results of all closures.

    Raises:
        ModelError: the model has no loop or the closure `Lagged`, the parameter is unknown, or a time is outside
            of the run.
    """
    report = progress or (lambda done, what: None)
    closure = model.closure
    if model.network is None or closure is None:
        raise ModelError(
            f"diagnose: {model.name} has no loop of a network, so there is nothing to disagree about; use a model "
            "with both."
        )
    if isinstance(closure, Lagged):
        raise ModelError("diagnose: the lagged closure is only compared with others; use the closure Dynamic.")
    turnover_time = closure.turnover_time
    parameter = _parameter(model, parameter)
    _require_within(run, [*(times or ()), *([] if parameter_time is None else [parameter_time])])
    report(0.0, "simulating")
    trajectory = simulate(model, run).require_finished()
    structure = structure_of(model)
    report(0.2, "conflicts")
    found, singular, gaps = conflicts(trajectory), singular_weights(trajectory), relation_gaps(trajectory)
    report(0.3, "fixed points")
    loop = loop_maps(trajectory, times)
    events = sorted({event.time for event in run.events if 0.0 < event.time < run.end})
    every = np.unique(np.concatenate([np.linspace(0.0, run.end, _POINTS), events]))
    breaks = [int(k) for k in np.searchsorted(every, events)]
    over_time = branches(model, operating_points(trajectory, every), every, breaks)
    report(0.5, f"branches over {parameter}")
    many = np.sum(np.isfinite(over_time.loop_value), axis=0)
    at = float(every[int(np.argmax(many))]) if parameter_time is None else float(parameter_time)
    along = _range(model, parameter) if values is None else np.asarray(values, float)
    here = operating_points(trajectory, np.full(len(along), at))
    over_parameter = branches(model, replace(here, changed={parameter: along}), along)
    results = []
    for done, what, call in (
        (0.6, "dynamic closure", lambda: answers(model, run, Dynamic(turnover_time))),
        (0.7, "algebraic closure", lambda: answers(model, run, Algebraic(turnover_time))),
        (0.9, "lagged closure", lambda: lagged_answers(model, run)),
    ):
        report(done, what)
        results.append(call())
    settings = {"times": loop.time.tolist(), "parameter": parameter, "values": along.tolist(), "parameter_time": at}
    report(1.0, "done")
    return ModelDiagnosis(
        model, run, trajectory, structure, gaps, found, singular, loop, over_time, parameter, at, over_parameter,
        tuple(results), provenance_of(model, [run], settings),
    )  # fmt: skip


def loop_maps(trajectory: Trajectory, times: Sequence[float] | None = None) -> LoopMap:
    """Return the map R -> R' at chosen times of a trajectory, with its fixed points.

    Args:
        trajectory: of a model with a loop.
        times: [d]; None as in `diagnose`.

    Returns:
        The map.
    """
    model, run = trajectory.model, trajectory.run
    chosen = np.array(sorted(times) if times else _times(run), float)
    conditions = operating_points(trajectory, chosen)
    points = fixed_points(model, conditions)
    largest = max(float(np.max(trajectory.loop_value)), float(np.max(points.loop_value, initial=0.0)))
    grid = np.linspace(0.0, _BEYOND * largest if largest > 0.0 else 1.0, _GRID)
    target, _ = response(model, conditions.take(np.repeat(np.arange(len(chosen)), _GRID)), np.tile(grid, len(chosen)))
    simulated = _at(trajectory, chosen, trajectory.loop_value[:, None])[:, 0]
    return LoopMap(chosen, simulated, grid, target.reshape(len(chosen), -1), points)


def operating_points(trajectory: Trajectory, times: Sequence[float] | np.ndarray) -> OperatingPoints:
    """Return the conditions of a trajectory at given times, after the events of these times.

    Args:
        trajectory: the trajectory.
        times: [d]; one outside of the run is a `ModelError`.

    Returns:
        One operating point for each time.
    """
    times = np.asarray(times, float)
    _require_within(trajectory.run, times)
    parts = (trajectory.concentrations, trajectory.variables, trajectory.inputs, trajectory.fed)
    concentrations, variables, inputs, fed = (_at(trajectory, times, np.asarray(part)) for part in parts)
    return OperatingPoints(concentrations, variables, inputs, fed=fed)


def _at(trajectory: Trajectory, times: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Interpolate columns of a trajectory at times; the point after an event counts."""
    last = np.r_[np.diff(trajectory.time) > 0.0, True]
    first = np.r_[True, np.diff(trajectory.time) > 0.0]
    after = np.searchsorted(trajectory.time[first], times, side="right")
    out = np.empty((len(times), columns.shape[1]))
    starts, ends = columns[last], columns[first]
    grid = trajectory.time[first]
    for i, (time, k) in enumerate(zip(times, after, strict=True)):
        if k >= len(grid):
            out[i] = starts[-1]
            continue
        share = (time - grid[k - 1]) / (grid[k] - grid[k - 1])
        out[i] = (1.0 - share) * starts[k - 1] + share * ends[k]
    return out


def _times(run: CultureRun) -> list[float]:
    shifts = [event.time for event in run.events if isinstance(event, Setpoint) and event.input == TEMPERATURE]
    wanted = [0.0, *(time + _AFTER_SHIFT for time in shifts), *(run.end * share for share in (0.25, 0.5, 0.75, 1.0))]
    return sorted({round(time, 6) for time in wanted if time <= run.end})


def _require_within(run: CultureRun, times: Sequence[float] | np.ndarray) -> None:
    for time in times:
        if not 0.0 <= time <= run.end:
            raise ModelError(f"found the time {time:g} d; run '{run.name}' goes from 0 to {run.end:g} d.")


def _range(model: CultureModel, parameter: str) -> np.ndarray:
    """Return values from half to twice that of a parameter, within its bounds; the whole range if it is 0."""
    row, value = model.table[parameter], float(model.parameters[parameter])
    lower, upper = row.bounds
    low, high = sorted((0.5 * value, 2.0 * value)) if value else (lower, upper)
    return np.linspace(max(low, lower), min(high, upper), _POINTS)


def _parameter(model: CultureModel, parameter: str | None) -> str:
    if parameter is None:
        estimated = [row.name for row in model.table.estimated]
        return "R_switch" if "R_switch" in model.parameters else [*estimated, *model.parameters][0]
    if parameter not in model.parameters:
        raise ModelError(f"parameter '{parameter}' is not known to the model; {nearest(parameter, model.parameters)}.")
    return parameter
