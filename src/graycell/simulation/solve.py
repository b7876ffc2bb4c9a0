"""The compiled core of a simulation: a packed run -> states at the ends of its segments.

Between two events the model is a smooth ODE, solved with adaptive steps; the events are met exactly. Explicit
Runge-Kutta methods are stepped by `simulation.stepping`; implicit ones, models with triggers and given adjoints but
`ForwardMode` are left to diffrax. Where times of events are traced, time is scaled to 0..1 in every segment, so that
derivatives by them are exact.
"""

import enum
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from graycell.cell.closures import LoopControl, LoopStatus
from graycell.cell.flux import FluxStatus
from graycell.model import CultureModel, CultureState, Evaluation, Surroundings
from graycell.packing import PackedRun
from graycell.reactor import Flows, Interventions, intervene
from graycell.simulation.discrete_adjoint import solve_with_adjoint
from graycell.simulation.given import Given, feeds_at, given_by_rules
from graycell.simulation.short_solve import short_solve
from graycell.simulation.stepping import Limits, is_explicit, solve_by_steps
from graycell.simulation.tangent import Moving, NormOfBoth, Tangent
from graycell.simulation.triggers import solve_with_triggers


class SimulationStatus(enum.IntEnum):
    """How a simulation ended. `remedy` is the sentence for the user."""

    finished = 0
    too_many_steps = 1
    not_finite = 2
    flux_failed = 3
    loop_failed = 4
    level_not_reached = 5

    @property
    def remedy(self) -> str:
        """A sentence: what happened and what to do."""
        return {
            0: "The run was simulated to its end.",
            1: "The solver ran out of steps, or no step was short enough: the model is stiff here, or a rate is not a "
            "number. See whether the times and units of the run are right, and whether triggers set each other off "
            "without end; else loosen rtol, raise the turnover time of a loop, close an algebraic loop, which may jump "
            "to and fro between its solutions, by a pool (--closure dynamic), or, in Python, give SolverSettings an "
            "implicit solver such as diffrax.Kvaerno5().",
            2: "A state is not finite. Check the parameters and the initial state.",
            3: "At some point no flux meets bounds and balances; see the column 'flux status' of the trajectory.",
            4: "At some point no value closes a loop; see the column 'loop status' of the trajectory, and "
            "graycell diagnose.",
            5: "A medium does not hold more of a species than the level to which a bolus was to bring it. Lower the "
            "level, or take a medium that holds more.",
        }[int(self)]


@dataclass(frozen=True)
class SolverSettings:
    """How the ODE is solved.

    Attributes:
        solver: any diffrax solver.
        rtol: [1] tolerance of the whole trajectory, relative to the largest value of a state; that of a step is a
            hundredth of it, because errors of steps add up and a closed loop amplifies them.
        atol: tolerance of states near zero, in the unit of the species per litre of initial volume, and 1 for volume
            and variables.
        most_steps: per segment.
        derivative_rtol: [1] tolerance of the derivatives of the whole trajectory by parameters, relative to the
            largest. None is twice `rtol` where uptake is limited, and else leaves derivatives as precise as the steps
            make them; inf does so always. `simulate` takes None for inf unless JAX traces its model or run.
            Where a substrate runs out, derivatives are otherwise far less precise than the trajectory, and keeping them
            costs three to five times the time; see `simulation.tangent`.
        adjoint: how it is differentiated: `diffrax.ForwardMode()` for Jacobians by columns. None is for reverse
            mode: the discrete adjoint of `simulation.discrete_adjoint` where the solver is an explicit Runge-Kutta
            method, and else `diffrax.RecursiveCheckpointAdjoint()`. With another one diffrax solves.
    """

    solver: diffrax.AbstractSolver = field(default_factory=diffrax.Tsit5)
    rtol: float | Array = 1e-6
    atol: float | Array = 1e-7
    most_steps: int = 4096
    derivative_rtol: float | None = None
    adjoint: diffrax.AbstractAdjoint | None = None

    def derivative_share(self, model: CultureModel) -> float | Array | None:
        """Return the tolerance of a trajectory over that of its derivatives.

        Args:
            model: to be solved.

        Returns:
            It [1]; None where derivatives are left as they are.
        """
        given = self.derivative_rtol
        if model.triggers or given == math.inf:  # through triggers there is no derivative
            return None
        if given is None:
            return None if model.clearance is None else _DERIVATIVE_SHARE
        return self.rtol / given


_STEP_SHARE = 0.01
"""Part of the tolerance for one step: errors add up over some hundred steps, and a closed loop amplifies them.
tests/simulation/test_simulate.py checks that trajectories keep the tolerance."""

_DERIVATIVE_SHARE = 0.5
"""Tolerance of a trajectory over that of its derivatives where none is given: with it, nearly all derivatives of a
usual trajectory are right to a ten-thousandth of the largest, see benchmarks/depletion.py."""


class Loop(NamedTuple):
    """How far the loops are open in a fit.

    Attributes:
        gain: [1/d] rate at which loop variables are drawn to their measured values.
        opened: 1 if the rate laws see the measured values, else 0.
    """

    gain: Array | float = 0.0
    opened: Array | float = 0.0


class Path(NamedTuple):
    """States and cells at the chosen points of every segment, before its interventions.

    Attributes:
        time: (segments, points) [d].
        states: (segments, points, ...).
        variables: (segments, points, variables) after the closures.
        loop_status: (segments, points) `LoopStatus`.
        inputs: (segments, points, inputs).
        fed: (segments, points, species) inflow per volume, in the unit of each species per day.
        feed: (segments, points, media) flow of each medium per litre of initial volume [1/d]; (segments, 1, media)
            where no feed changes within a segment.
        given: what was fed by rules; None for a run without any.
        cells: (segments, points, ...).
        failed: (segments,) 1 for the first segment whose end was not reached, and for all after it.
    """

    time: Float[Array, "segments points"]
    states: CultureState
    variables: Float[Array, "segments points variables"]
    loop_status: Int[Array, "segments points"]
    inputs: Float[Array, "segments points inputs"]
    fed: Float[Array, "segments points species"]
    feed: Float[Array, "segments _ media"]
    given: Given | None
    cells: Evaluation
    failed: Int[Array, " segments"]

    @property
    def flux_status(self) -> Int[Array, " segments"]:
        """`FluxStatus` at the end of every segment."""
        return self.cells.flux_status[:, -1]

    @property
    def quantities(self) -> Float[Array, "segments points quantities"]:
        """All quantities, in the order of `CultureModel.quantities`."""
        concentrations = self.states.amounts / self.states.volume[..., None]
        return jnp.concatenate([concentrations, self.cells.observables, self.variables], axis=2)

    @property
    def predicted(self) -> Float[Array, "segments quantities"]:
        """Predicted measurements at the end of every segment."""
        return self.quantities[:, -1]


class _Segment(NamedTuple):
    """The constants of one segment."""

    start: Array
    end: Array
    setpoints: Array
    flows: Flows
    done: Interventions


class _Carry(NamedTuple):
    """State between two segments.

    Attributes:
        state: of the culture.
        changed: whether interventions changed it just before.
        alive: whether no segment failed so far.
        true: (triggers,) whether the condition of each trigger held.
        tangent: derivative of the state, where the steps keep it; events leave it as it is.
        ivcd: (media,) integral of viable cells since the last bolus per IVCD of each medium, per litre of initial
            volume [10^9 cells d/L]; None where no bolus needs it.
    """

    state: CultureState
    changed: Array
    alive: Array
    true: Array
    tangent: CultureState | None
    ivcd: Array | None


def integrate(
    model: CultureModel,
    packed: PackedRun,
    loop: Loop = Loop(),  # noqa: B008  an immutable tuple
    settings: SolverSettings = SolverSettings(),
    points: int = 1,
    initial_state: CultureState | None = None,
) -> Path:
    """Solve a packed run; pure, to be compiled, mapped and differentiated by the caller.

    Args:
        model: without a lagged closure.
        packed: see `packing.pack`.
        loop: how far the loops are open.
        settings: of the solver.
        points: number of points of every segment: its end, before its interventions, or, for 2 and more, its
            beginning, after the interventions before it, its end, and points evenly between.
        initial_state: before the first segment, without triggers and boluses per IVCD; that of the run if left out.

    Returns:
        States, cells and statuses.
    """
    controller, direction = _step_control(model, settings)
    fractions = jnp.linspace(0.0, 1.0, points) if points > 1 else jnp.ones(1)

    def segment(carry: _Carry, now: _Segment):
        length = now.end - now.start
        # the limits of an integral have no derivative in diffrax, so a length that has one goes into the integrand
        unit, last_s = (length, jnp.ones(())) if packed.traced_times else (1.0, length)

        def at(s) -> Surroundings:
            elapsed = s * unit
            time = now.start + elapsed
            control = LoopControl(packed.loops_at(time), loop.gain, loop.opened)
            clock = jnp.where(s == last_s, now.end, time) if model.has_clock else None
            inputs, flows = packed.inputs_at(time, now.setpoints), now.flows.after(elapsed)
            since = elapsed if packed.steady_targets else None
            return Surroundings(inputs, flows, packed.media, control, since, clock)

        def per_day(s, moving: Moving) -> Moving:
            cells = model.cells_in(moving.state, at(s)) if packed.counts_cells else None
            return Moving(model.derivative(moving.state, at(s)), cells)

        @jax.jit  # it is traced several times; compiled as one function it is traced once
        def rate(s, moving: Moving) -> Moving:
            return jax.tree.map(lambda part: unit * part, per_day(s, moving))

        @jax.jit
        def rates(s, both: tuple[Moving, CultureState | None]) -> tuple[Moving, CultureState | None]:
            moving, tangent = both
            tangent = None if direction is None or tangent is None else direction.rate(at(s), moving.state, tangent)
            return rate(s, moving), jax.tree.map(lambda part: lax.stop_gradient(unit) * part, tangent)

        at_rest = model.after_event(carry.state, at(0.0))
        state = jax.tree.map(lambda new, old: jnp.where(carry.changed, new, old), at_rest, carry.state)
        # after a failure no segment is solved: it would take the most steps in every segment that is left
        stop = jnp.where(carry.alive & (length > 0.0), last_s, 0.0)
        first_step = lax.stop_gradient(jnp.where(stop > 0.0, _first_share(settings) * last_s, 1.0))
        shares = fractions * last_s
        times = None if points == 1 else jnp.minimum(shares, stop)
        begin = Moving(state, jnp.zeros(()) if packed.counts_cells else None)
        limits = Limits(controller, first_step, stop)
        ends, tangent, true, successful = _ends(model, settings, at, (rate, rates), begin, carry, limits, times)
        if packed.traced_times:
            ends = _moved_end(ends, length, per_day(jnp.zeros(()), begin))
        states, last = ends.state, jax.tree.map(lambda leaf: leaf[-1], ends)
        # one point after the other: mapped, the search of the algebraic closure takes three times as long to compile
        closed = lax.map(lambda point: model.close(point[1], at(point[0])), (shares, states))
        ivcd = None if carry.ivcd is None else carry.ivcd + last.cell_days
        done, amounts, volume, ivcd = _intervened(packed, now.done, last.state, ivcd)
        changed = jnp.any(done.bolus != 0.0) | jnp.any(done.replacement != 0.0)  # a sample changes nothing
        # start + (end - start) may miss the end by one rounding
        time = jnp.where(fractions == 1.0, now.end, jnp.minimum(now.start + fractions * length, now.end))
        inputs, failed = jax.vmap(lambda s: at(s).inputs)(shares), jnp.where(carry.alive & successful, 0, 1)
        after = CultureState(amounts, volume, model.relaxed(last.state.variables, at(last_s)))
        vessel = (carry.state.volume, done.bolus) if packed.has_rules else None
        out = (time, states, closed.values, closed.status, inputs, failed, vessel)
        return _Carry(after, changed, carry.alive & successful, true, tangent, ivcd), out

    first = _begun(model, packed, direction, initial_state)
    given = _Segment(packed.start, packed.end, packed.setpoints, packed.flows, packed.interventions)
    return _path(model, packed, loop, *lax.scan(segment, first, given)[1])


def _ends(model, settings, at, rates, begin: Moving, carry: _Carry, limits: Limits, times: Array | None) -> tuple:
    """Return what moves at the times of a segment, its tangent, the conditions of triggers, whether it was solved.

    rates: of what moves, and of this and its tangent; times: None for the end alone.
    """
    rate, of_both = rates
    if model.triggers:
        solve = functools.partial(_solved, settings, limits, rate)
        end, true, reached = solve_with_triggers(model, solve, rate, at, begin, carry.true, limits.stop, carry.alive)
        count = 1 if times is None else len(times)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), end), None, true, reached
    adjoint, solver, most_steps = settings.adjoint, settings.solver, settings.most_steps
    if is_explicit(solver) and adjoint is None:
        given = begin, carry.tangent, solver, limits, most_steps, times
        ends, tangent, reached = solve_with_adjoint(rate, of_both, *given)
        return ends, tangent, carry.true, reached
    if is_explicit(solver) and isinstance(adjoint, diffrax.ForwardMode):
        ends, reached, *_ = solve_by_steps(of_both, (begin, carry.tangent), solver, limits, most_steps, times)
    else:
        saveat = diffrax.SaveAt(t1=True) if times is None else diffrax.SaveAt(ts=times)
        solution = _solved(settings, limits, of_both, jnp.zeros(()), (begin, carry.tangent), saveat)
        ends, reached = solution.ys, solution.result == diffrax.RESULTS.successful
    moving, tangents = cast(tuple[Moving, CultureState | None], ends)
    return moving, jax.tree.map(lambda leaf: leaf[-1], tangents), carry.true, reached


def _first_share(settings: SolverSettings) -> Array | float:
    """Return the first step as a part of a segment [1].

    Searched by diffrax it takes two more evaluations, and a third more time to compile. A method of order 5 has steps
    in proportion to the fifth root of the tolerance, and the controller corrects the rest.
    """
    return (_STEP_SHARE * settings.rtol) ** 0.2


def _intervened(packed: PackedRun, done: Interventions, last: CultureState, ivcd: Array | None):
    """Return interventions with the bolus of their rule, amounts and volume after them, and the cells counted anew."""
    given = done.resolved(last.amounts, last.volume, packed.media, ivcd)
    amounts, volume = intervene(last.amounts, last.volume, given, packed.media, packed.supplied)
    return given, amounts, volume, ivcd if ivcd is None or done.rule is None else done.rule.counted_anew(ivcd)


def _path(model, packed: PackedRun, loop: Loop, time, states, closed, loop_status, inputs, failed, vessel) -> Path:
    """Return the path of solved segments; vessel: volume and boluses at their beginnings and ends, with rules alone."""
    concentrations, volume = states.amounts / states.volume[..., None], states.volume
    feed = feeds_at(model, packed, loop, time, concentrations, volume, closed, inputs)
    fed = feed @ packed.media / volume[..., None]
    cells = _cells(model, packed, loop, time, concentrations, closed, inputs, fed)
    by_rules = None if vessel is None else given_by_rules(packed, time, volume, *vessel)
    return Path(time, states, closed, loop_status, inputs, fed, feed, by_rules, cells, failed)


def _begun(
    model: CultureModel, packed: PackedRun, direction: Tangent | None, given: CultureState | None = None
) -> _Carry:
    """Return what goes into the first segment: the beginning of the run, or a given state, which nothing changed."""
    variables = model.begin(packed.initial_variables, packed.inputs_at(jnp.zeros(()), packed.first_setpoints))
    state, yes = CultureState(packed.initial, jnp.ones(()), variables), jnp.asarray(True)
    initially = jnp.asarray([trigger.initially for trigger in model.triggers], bool)
    tangent = None if direction is None else jax.tree.map(jnp.zeros_like, state)
    ivcd = jnp.zeros(packed.media.shape[0]) if packed.counts_cells else None
    state, changed = (state, yes) if given is None else (given, jnp.asarray(False))
    return _Carry(state, changed, yes, initially, tangent, ivcd)


def _step_control(model: CultureModel, settings: SolverSettings) -> tuple[diffrax.PIDController, Tangent | None]:
    """Return the control of steps, and the derivative whose error counts in it, if one does."""
    controller = diffrax.PIDController(rtol=_STEP_SHARE * settings.rtol, atol=_STEP_SHARE * settings.atol)
    share = settings.derivative_share(model)
    if share is None:
        return controller, None
    return replace(controller, norm=NormOfBoth(controller.norm, share)), Tangent.of(model)


def _solved(
    settings: SolverSettings, limits: Limits, rates: Callable, s, begin, saveat, event=None
) -> diffrax.Solution:
    """Return the solution of diffrax from a time on."""
    controller, first_step, stop = limits
    with short_solve():
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda s, every, _: rates(s, every)),
            settings.solver,
            s,
            stop,
            first_step,
            begin,
            saveat=saveat,
            stepsize_controller=controller,
            max_steps=settings.most_steps,
            adjoint=settings.adjoint or diffrax.RecursiveCheckpointAdjoint(),
            throw=False,
            event=event,
        )


def _cells(model: CultureModel, packed: PackedRun, loop: Loop, *points: Array) -> Evaluation:
    """Evaluate the cells at points (segments, points): time, concentrations, variables, inputs, inflow per volume."""

    def cell(point: tuple[Array, ...]) -> Evaluation:
        time, concentrations, variables, inputs, fed = point
        seen = model.seen(variables, LoopControl(packed.loops_at(time), loop.gain, loop.opened))
        return model.evaluate(concentrations, seen, inputs, fed=fed)

    # one point after the other: mapped, the flux projection takes twice as long to compile
    cells = lax.map(cell, tuple(map(joined, points)))
    return jax.tree.map(lambda leaf: leaf.reshape((*points[0].shape, *leaf.shape[1:])), cells)


def joined(leaf: Array) -> Array:
    """Return an array with its first two axes joined, such as segments and points.

    Args:
        leaf: one of the two axes may be empty, as the variables of a model may be.

    Returns:
        The array.
    """
    return leaf.reshape((leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]))


def _moved_end(ends: Moving, length: Array, per_day: Moving) -> Moving:
    """Return ends with the derivative by the length of a segment of length 0, which no step of the solver sees."""
    return jax.tree.map(lambda end, slope: end + (_growth(length) * slope)[None], ends, per_day)


def _growth(length: Array) -> Array:
    """Return 0 with the derivative of the length of a segment of length 0."""
    return jnp.where(length > 0.0, 0.0, length - lax.stop_gradient(length))


def usable(
    status: Int[Array | np.ndarray, "*points"], kind: type[FluxStatus] | type[LoopStatus]
) -> Bool[Array, "*points"]:
    """Return where the result of a flux projection or of a loop can be used.

    Args:
        status: its numbers.
        kind: `FluxStatus` or `LoopStatus`, whose `usable` decides.

    Returns:
        Whether it can, in the shape of the status.
    """
    return jnp.isin(status, jnp.array([int(one) for one in kind if one.usable], status.dtype))


def segments_at(ends: Any, times: Any) -> Any:
    """Return the segments that end at given times, the first of each: before the events of that time.

    Args:
        ends: (segments,) [d] of a packed run, in numpy or JAX; each of the times is among them.
        times: (n,) [d], in the same.

    Returns:
        (n,) numbers of segments.
    """
    return (ends[None, :] >= times[:, None] - SAME_TIME).argmax(axis=1)


SAME_TIME = 1e-12
"""[d] Times that differ by less are the same one."""
