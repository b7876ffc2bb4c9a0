r"""simulate: a model and a run -> a trajectory.

Between two events the model is a smooth ODE, solved by diffrax with adaptive steps; the events are met exactly.
The work runs in compiled functions that see arrays only: `integrate` for one packed run, to be mapped over
parameters and runs, and `graycell.simulation.lagged` for the published scheme.
"""

import enum
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from graycell.cell.closures import Algebraic, Lagged, LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.errors import SimulationError
from graycell.model import CultureModel, CultureState, Evaluation, Inputs, cell_of, lean
from graycell.packing import PackedRun, pack, quantities_of
from graycell.reactor import intervene
from graycell.runs.records import REDOX, CultureRun, Setpoint
from graycell.simulation import lagged
from graycell.simulation.branches import Jump, OperatingPoints, jumps

Scalar = Float[Array, ""]


class SimulationStatus(enum.IntEnum):
    """How a simulation ended. `remedy` is the sentence for the user."""

    finished = 0
    too_many_steps = 1
    not_finite = 2
    flux_failed = 3
    loop_failed = 4

    @property
    def remedy(self) -> str:
        return {
            0: "The run was simulated to its end.",
            1: "The solver ran out of steps: the model is stiff here. See whether the times and units of the run are "
            "right; else loosen rtol, raise the turnover time of the redox pool, or, in Python, give SolverSettings an "
            "implicit solver such as diffrax.Kvaerno5().",
            2: "A state is not finite. Check the parameters and the initial state.",
            3: "At some point no flux could be allocated; see the column 'flux status' of the trajectory.",
            4: "At some point no redox ratio closes the loop; see the column 'loop status' of the trajectory, and "
            "graycell inspect.",
        }[int(self)]


@dataclass(frozen=True)
class SolverSettings:
    """How the ODE is solved.

    solver: any diffrax solver. rtol: [1] wanted for the whole trajectory, relative to the largest value of a
    state; a step is held to a hundredth of it, because errors of steps add up and the redox loop amplifies them.
    atol: the same for states near zero, in mmol per litre of initial volume for amounts and 1 for volume and R.
    most_steps: per segment;
    adjoint: how diffrax differentiates (`diffrax.ForwardMode()` for Jacobians by columns).
    """

    solver: diffrax.AbstractSolver = field(default_factory=diffrax.Tsit5)
    rtol: float = 1e-6
    atol: float = 1e-7
    most_steps: int = 4096
    adjoint: diffrax.AbstractAdjoint = field(default_factory=diffrax.RecursiveCheckpointAdjoint)


_STEP_SHARE = 0.01
"""Part of the wanted tolerance that one step may use: errors of steps add up over some hundred steps, and the redox
loop amplifies them. tests/test_simulation.py holds the trajectory to what is wanted."""


ZERO_SHARE = 0.01
"""Part of its largest value by which a concentration may go below zero before it is remarked on: less than an assay
tells from zero."""


class Loop(NamedTuple):
    """How far the redox loop is open: `gain` [1/d] and `opened` [1] of `RedoxPool`."""

    gain: Scalar | float = 0.0
    opened: Scalar | float = 0.0


class Path(NamedTuple):
    """States at the chosen points of every segment (before its interventions), with a status of the solver.

    time: (segments, points) [d]; states: (segments, points, ...); redox: (segments, points) R [1], and loop_status its
    `LoopStatus`; cold, viability: (segments, points) [1]; failed: 1 from the first segment on that ran out of steps;
    flux_status: `FluxStatus` at the end of every segment.
    """

    time: Float[Array, "segments points"]
    states: CultureState
    redox: Float[Array, "segments points"]
    loop_status: Int[Array, "segments points"]
    cold: Float[Array, "segments points"]
    viability: Float[Array, "segments points"]
    failed: Int[Array, " segments"]
    flux_status: Int[Array, " segments"]


def integrate(
    model: CultureModel,
    packed: PackedRun,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    settings: SolverSettings = SolverSettings(),
    points: int = 1,
) -> Path:
    """Solve a packed run; pure, to be compiled, mapped and differentiated by the caller.

    `points` states are returned per segment: its end, before the interventions, or for 2 and more also its
    beginning, after the interventions before it, and points evenly between.
    """
    shift_rate = model.parameters[model.shift_rate]
    controller = diffrax.PIDController(rtol=_STEP_SHARE * settings.rtol, atol=_STEP_SHARE * settings.atol)
    fractions = jnp.linspace(0.0, 1.0, points) if points > 1 else jnp.ones(1)

    def segment(carry, now):
        before, cold_before, at_once, alive = carry
        start, end, cold_target, flows, done = now

        def cold_at(time):
            return cold_target + (cold_before - cold_target) * jnp.exp(-shift_rate * (time - start))

        def inputs_at(time):
            pool = model.pool(packed.redox(time), loop.gain, loop.opened)
            return Inputs(cold_at(time), packed.viability(time), flows, packed.media, pool)

        def derivative(time, state, _):
            return model.derivative(state, inputs_at(time))

        after = model.after_event(before, inputs_at(start))
        state = jax.tree.map(lambda new, old: jnp.where(at_once, new, old), after, before)
        # after a failure nothing is tried again: it would cost all steps of every segment that is left
        stop = jnp.where(alive, end, start)
        # start + (end - start) can miss end by a rounding, and diffrax refuses a time outside the interval
        times = jnp.where(fractions == 1.0, end, jnp.minimum(start + (end - start) * fractions, end))
        saveat = diffrax.SaveAt(t1=True) if points == 1 else diffrax.SaveAt(ts=jnp.minimum(times, stop))
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(derivative),
            settings.solver,
            start,
            stop,
            None,
            state,
            stepsize_controller=controller,
            saveat=saveat,
            max_steps=settings.most_steps,
            adjoint=settings.adjoint,
            throw=False,
        )
        states = cast(CultureState, solution.ys)
        last = jax.tree.map(lambda leaf: leaf[-1], states)
        # one after the other: mapped, the search of the algebraic closure takes three times as long to compile
        closed = lax.map(lambda now: model.close(now[1], inputs_at(now[0])), (times, states))
        seen = inputs_at(end).pool.seen(closed.redox[-1])
        amounts, volume = intervene(last.amounts, last.volume, done, packed.media, packed.supplied)
        successful = solution.result == diffrax.RESULTS.successful
        changed = jnp.any(done.bolus != 0.0) | jnp.any(done.replacement != 0.0)  # a sample changes no concentration
        out = Path(
            times,
            states,
            closed.redox,
            closed.status,
            jax.vmap(cold_at)(times),
            jax.vmap(packed.viability)(times),
            jnp.where(alive & successful, 0, 1),
            model.evaluate(last.concentrations, seen, cold_at(end)).solution.status,
        )
        return (CultureState(amounts, volume, last.redox), cold_at(end), changed, alive & successful), out

    first = CultureState(packed.initial, jnp.ones(()), packed.initial_redox)
    xs = (packed.start, packed.end, packed.cold_target, packed.flows, packed.interventions)
    true = jnp.asarray(True)
    return lax.scan(segment, (first, packed.initial_cold, true, true), xs)[1]


def predictions(model: CultureModel, path: Path) -> Float[Array, "segments quantities"]:
    """Return what would be measured at the end of every segment: species [mmol/L], VCD [10^9 cells/L], R [1]."""
    ends = jax.tree.map(lambda leaf: leaf[:, -1], path.states)
    concentrations = ends.amounts / ends.volume[:, None]
    density = jax.vmap(model.viable_cell_density)(concentrations, path.viability[:, -1])
    return jnp.concatenate([concentrations, density[:, None], path.redox[:, -1, None]], axis=1)


@dataclass(frozen=True)
class Trajectory:
    """A simulated run, as arrays over n points in time. `graycell.reporting.tables` makes DataFrames of it.

    time: (n,) [d], with a point before and one after every event; concentrations: (n, species) [mmol/L];
    viable_cell_density: (n,) [10^9 cells/L]; viability: (n,) [1]; volume: (n,) [L]; redox, ratio: (n,) R and the R'
    of the fluxes [1]; cold: (n,) temperature weight [1]; fluxes: (n, reactions) and kinetic_rates: (n, kinetic)
    [mmol/(10^9 cells)/d]; conflict: (n, kinetic) [1] how far the balances pull each flux from its rate law;
    flux_status: (n,) `FluxStatus`; loop_status: (n,) `LoopStatus`; status: `SimulationStatus`;
    measured_time: (m,) [d] times of the run's measurements; predicted: (m, quantities) the state there;
    jumps: where R left a branch that ended, for the closure `Algebraic`.
    """

    model: CultureModel
    run: CultureRun
    time: np.ndarray
    concentrations: np.ndarray
    viable_cell_density: np.ndarray
    viability: np.ndarray
    volume: np.ndarray
    redox: np.ndarray
    ratio: np.ndarray
    cold: np.ndarray
    fluxes: np.ndarray
    kinetic_rates: np.ndarray
    conflict: np.ndarray
    flux_status: np.ndarray
    loop_status: np.ndarray
    measured_time: np.ndarray
    predicted: np.ndarray
    status: SimulationStatus
    jumps: tuple[Jump, ...] = ()

    def __repr__(self) -> str:
        return (
            f"Trajectory(run '{self.run.name}', {self.model.name}, {len(self.time)} points to {self.time[-1]:g} d, "
            f"{self.status.name})"
        )

    def at_samples(self, quantity: str) -> np.ndarray:
        """Return what was simulated, (samples,), where `quantity` was measured, in the unit of the measurement."""
        series = self.run.measurements[quantity]
        rows = np.searchsorted(self.measured_time, series.time)
        return self.predicted[rows, quantities_of(self.model.species).index(quantity)]

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the trajectory should know.

        A species may fall below zero: the balances of the cell can ask for what the medium does not have, because rate
        laws fade with their substrate and transport reactions without a rate law do not.
        """
        sentences = []
        if self.model.has_loop and REDOX not in self.run.initial:
            sentences.append("R at time 0 is not given and taken as 1; write it into the table initial if you know it.")
        low, high = sorted((self.model.cold_temperature, self.model.warm_temperature))
        outside = [e for e in self.run.events if isinstance(e, Setpoint) and not low <= e.temperature <= high]
        if outside:
            sentences.append(
                f"{outside[0].temperature:g} degC is outside of what the model knows, {low:g} to {high:g} degC: "
                "it is treated as the nearer of the two."
            )
        for name, series in zip(self.model.species, self.concentrations.T, strict=True):
            at = int(np.argmin(series))
            if series[at] < -ZERO_SHARE * np.max(np.abs(series)):
                sentences.append(
                    f"{name} falls to {series[at]:.3g} mmol/L at {self.time[at]:.2f} d: the balances take up what is "
                    "not there; do not trust the trajectory from where it crosses zero."
                )
        for jump in self.jumps:
            sentences.append(
                f"R goes from {jump.before:.3g} to {jump.after:.3g} at {jump.time:.2f} d, because its branch ends: see "
                "graycell inspect."
            )
        return sentences

    def require_finished(self) -> "Trajectory":
        """Return self; raise `SimulationError` with the remedy if the simulation did not reach its end."""
        if self.status is not SimulationStatus.finished:
            raise SimulationError(f"run '{self.run.name}': {self.status.name}. {self.status.remedy}")
        return self


def pack_for(model: CultureModel, run: CultureRun) -> PackedRun:
    """Return the arrays of `run` for `model`."""
    return pack(
        run,
        model.species,
        warm_temperature=model.warm_temperature,
        cold_temperature=model.cold_temperature,
    )


def simulate(
    model: CultureModel,
    run: CultureRun,
    settings: SolverSettings = SolverSettings(),
    points: int = 13,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
) -> Trajectory:
    """Simulate a run with the model's closure of the redox loop.

    `points` per segment are returned, a segment being the time between two events or measurements. A model with
    the `Lagged` closure goes through the published fixed-step scheme, and `settings` and `points` are not used.
    Trouble is told by `Trajectory.status`; `Trajectory.require_finished` turns it into an exception.
    Raises `InputError` where the run does not fit the model.
    """
    packed = pack_for(model, run)
    if isinstance(model.closure, Lagged):
        return _simulate_lagged(model, run, packed, model.closure.step)
    path = _integrate(lean(model), packed, loop, settings, points)
    kept = (path.time, path.states, path.cold, path.redox, path.loop_status)
    time, states, cold, redox, loop_status = jax.tree.map(lambda leaf: leaf.reshape((-1, *leaf.shape[2:])), kept)
    concentrations = states.amounts / states.volume[:, None]
    seen = model.pool(jax.vmap(packed.redox)(time), opened=loop.opened).seen(redox)
    segments = np.repeat(np.arange(len(packed.end)), points)
    fed = (packed.flows.feed @ packed.media)[segments] / states.volume[:, None]
    cells = _evaluate(cell_of(model), concentrations, seen, cold, cold, fed)
    trajectory = _trajectory(
        model, run, packed, time, concentrations, states.volume, redox, cold, cells,
        predictions(model, path), np.asarray(packed.end), bool(jnp.any(path.failed != 0)), loop_status,
    )  # fmt: skip
    if isinstance(model.closure, Algebraic) and float(loop.opened) == float(loop.gain) == 0.0:
        return _with_jumps(trajectory)
    return trajectory


@eqx.filter_jit
def _integrate(model, packed, loop, settings, points):
    loop = Loop(*(jnp.asarray(value, jnp.float64) for value in loop))
    return integrate(model, packed, loop, settings, points)


@eqx.filter_jit
def _evaluate(model, concentrations, redox, cold, cold_stoichiometry, fed) -> Evaluation:
    return jax.vmap(model.evaluate)(concentrations, redox, cold, cold_stoichiometry, fed)


def _trajectory(
    model, run, packed, time, concentrations, volume, redox, cold, cells, predicted, ends, failed, loop_status
) -> Trajectory:
    time = np.asarray(time)
    state = np.column_stack([concentrations, volume, redox])
    new = np.r_[True, (np.diff(time) != 0.0) | np.any(state[1:] != state[:-1], axis=1)]
    viability = jax.vmap(packed.viability)(jnp.asarray(time))
    density = jax.vmap(model.viable_cell_density)(concentrations, viability)
    flux_status = np.asarray(cells.solution.status)
    finite = bool(jnp.all(jnp.isfinite(concentrations)) & jnp.all(jnp.isfinite(redox)))
    usable = all(FluxStatus(status).usable for status in set(flux_status.tolist()))
    closed = all(LoopStatus(status).usable for status in set(np.asarray(loop_status).tolist()))
    status = SimulationStatus.finished if closed else SimulationStatus.loop_failed
    status = status if usable else SimulationStatus.flux_failed
    status = status if finite else SimulationStatus.not_finite
    status = SimulationStatus.too_many_steps if failed else status
    taken = sorted({float(t) for series in run.measurements.values() for t in series.time})
    rows = [int(np.flatnonzero(np.isclose(ends, t, rtol=0.0, atol=1e-12))[0]) for t in taken]

    def keep(array) -> np.ndarray:
        return np.asarray(array)[new]

    return Trajectory(
        model=model,
        run=run,
        time=keep(time),
        concentrations=keep(concentrations),
        viable_cell_density=keep(density),
        viability=keep(viability),
        volume=keep(volume) * run.initial_volume,
        redox=keep(redox),
        ratio=keep(cells.ratio),
        cold=keep(cold),
        fluxes=keep(cells.solution.fluxes),
        kinetic_rates=keep(cells.kinetic_rates),
        conflict=keep(cells.solution.conflict),
        flux_status=keep(flux_status),
        loop_status=keep(loop_status),
        measured_time=np.array(taken),
        predicted=np.asarray(predicted)[rows],
        status=status,
    )


def _with_jumps(trajectory: Trajectory) -> Trajectory:
    """Return the trajectory with the ends of branches that lie between its points."""
    moments = OperatingPoints(trajectory.concentrations, trajectory.cold)
    found = jumps(trajectory.model, trajectory.time, moments, trajectory.redox)
    status = trajectory.loop_status.copy()
    for after, _ in found:
        if status[after] == LoopStatus.solved:
            status[after] = LoopStatus.branch_ended
    return replace(trajectory, loop_status=status, jumps=tuple(jump for _, jump in found))


def _simulate_lagged(model: CultureModel, run: CultureRun, packed: PackedRun, step: float) -> Trajectory:
    path = lagged.integrate(lean(model), run, packed, step)
    cells = _evaluate(cell_of(model), path.concentrations, path.redox, path.cold, path.cold_stoichiometry, None)
    density = jax.vmap(model.viable_cell_density)(path.concentrations, jax.vmap(packed.viability)(path.time))
    columns = np.column_stack([path.concentrations, density, path.redox])
    ends = np.asarray(packed.end)
    predicted = np.stack([np.interp(ends, np.asarray(path.time), column) for column in columns.T], axis=1)
    return _trajectory(
        model, run, packed, path.time, path.concentrations, jnp.ones(len(path.time)), path.redox, path.cold, cells,
        predicted, ends, False, np.zeros(len(path.time), int),
    )  # fmt: skip
