"""An explicit method of our own loop takes the steps of diffrax, and gives what the rate saw at the end."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.simulation.stepping import Limits, Stages, is_explicit, solve_by_steps

BEGIN = {"cells": jnp.array(0.3), "sugar": jnp.array([20.0, 0.0])}
STOP = jnp.array(5.0)
TIMES = jnp.array([0.0, 0.7, 0.71, 3.0, 5.0])


def rate(mu):
    """Return growth on a sugar that runs out; beside the slope, the rate of growth and the time."""

    def at(time, now):
        growth = (mu + 0.1 * jnp.sin(3.0 * time)) * now["sugar"][0] / (0.5 + now["sugar"][0])
        made = growth * now["cells"]
        return {"cells": made, "sugar": jnp.stack([-2.0 * made, 0.4 * made])}, (growth, time)

    return at


def limits(rtol=1e-6, first_step=0.05, stop=STOP):
    return Limits(diffrax.PIDController(rtol=rtol, atol=1e-8), jnp.asarray(first_step), jnp.asarray(stop))


def by_diffrax(solver, mu, times=None):
    given = limits()
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda time, now, _: rate(mu)(time, now)[0]), solver, 0.0, given.stop, given.first_step, BEGIN,
        saveat=diffrax.SaveAt(t1=True) if times is None else diffrax.SaveAt(ts=times),
        stepsize_controller=given.controller, adjoint=diffrax.ForwardMode(), max_steps=10_000,
    )  # fmt: skip


def by_steps(solver, mu, times=None, keep=0, **given):
    return solve_by_steps(rate(mu), BEGIN, solver, limits(**given), 10_000, times, keep)


def same(found, expected, rtol):
    return all(np.allclose(found[name], expected[name], rtol=rtol, atol=1e-12) for name in expected)


SOLVERS = [diffrax.Tsit5(), diffrax.Dopri8(), diffrax.Heun()]


@pytest.mark.parametrize("solver", SOLVERS, ids=lambda solver: type(solver).__name__)
def test_steps_and_values_are_those_of_diffrax(solver):
    """Heun's method does not end with a stage."""
    expected = jax.jit(lambda: by_diffrax(solver, 0.9, TIMES))()
    found = jax.jit(lambda: by_steps(solver, 0.9, TIMES, keep=4))()
    assert same(found.ends, expected.ys, 1e-10)
    assert int(found.kept.steps) == int(expected.stats["num_accepted_steps"])
    growth, time = found.seen
    end = jax.tree.map(lambda leaf: leaf[-1], found.ends)
    assert float(time) == 5.0
    assert float(growth) == pytest.approx(float(rate(0.9)(STOP, end)[1][0]), rel=1e-9)


def test_derivatives_in_forward_mode_are_those_of_diffrax():
    of = [jax.jit(jax.jacfwd(lambda mu, solve=solve: solve(mu))) for solve in (
        lambda mu: by_diffrax(diffrax.Tsit5(), mu, TIMES).ys, lambda mu: by_steps(diffrax.Tsit5(), mu, TIMES).ends,
    )]  # fmt: skip
    expected, found = (each(0.9) for each in of)
    assert same(found, expected, 1e-9)


def test_what_is_seen_has_the_derivative_of_central_differences():
    """Before the sugar runs out, so that it is not 0."""

    def seen(mu):
        return by_steps(diffrax.Tsit5(), mu, rtol=1e-10, stop=2.0).seen[0]

    step = 1e-4
    up, down = (float(seen(0.9 + way * step)) for way in (1.0, -1.0))
    assert float(jax.jacfwd(seen)(0.9)) == pytest.approx((up - down) / (2.0 * step), rel=1e-5)


def test_each_of_a_batch_in_a_batch_is_as_alone():
    """They take different numbers of steps, and one of them none."""

    def solve(mu, stop):
        return by_steps(diffrax.Tsit5(), mu, keep=3, stop=stop)

    mus, stops = jnp.array([[0.2, 0.9], [1.5, 0.9]]), jnp.array([[5.0, 0.0], [0.4, 3.0]])
    found = jax.jit(jax.vmap(jax.vmap(solve)))(mus, stops)
    alone = jax.jit(solve)
    for at in np.ndindex(2, 2):
        one, of_batch = alone(mus[at], stops[at]), jax.tree.map(lambda leaf, at=at: leaf[at], found)
        assert int(one.kept.steps) == int(of_batch.kept.steps)
        of_either = [(solved.ends, solved.seen, solved.reached, solved.kept.states) for solved in (of_batch, one)]
        for mine, expected in zip(*map(jax.tree.leaves, of_either), strict=True):
            assert np.allclose(mine, expected, rtol=1e-12, atol=1e-14)


def test_without_a_way_to_go_what_is_seen_is_that_of_the_beginning():
    found = by_steps(diffrax.Tsit5(), 0.9, keep=2, stop=0.0)
    assert bool(found.reached)
    assert int(found.kept.steps) == 0
    assert float(found.seen[0]) == pytest.approx(0.9 * 20.0 / 20.5)
    assert float(found.ends["cells"][-1]) == 0.3


def test_every_second_state_is_kept_where_there_is_no_room_for_all():
    wide, narrow = (by_steps(diffrax.Tsit5(), 0.9, keep=keep).kept for keep in (500, 7))
    steps, stride = int(wide.steps), int(narrow.stride)
    assert stride in (2, 4, 8, 16, 32)
    assert steps // stride < 7 <= 2 * (steps // stride) + 1
    of_all = np.asarray(wide.states)[: steps + 1 : stride]
    assert np.array_equal(np.asarray(narrow.states)[: len(of_all)], of_all)
    assert np.array_equal(narrow.times, wide.times)


def test_a_solve_that_cannot_go_on_ends_soon_and_says_so():
    """A rate that is not a number from a time on: no step is short enough, and there is no need to try 10 000."""

    def solve(most_steps, broken):
        def at(time, now):
            return jax.tree.map(lambda leaf: jnp.where(broken & (time > 1.0), jnp.nan, -leaf), now), time

        return solve_by_steps(at, BEGIN, diffrax.Tsit5(), limits(), most_steps, jnp.array([0.5, 2.0]), 4)

    broken, short = solve(10_000, True), solve(5, False)
    for found in (broken, short):
        assert not bool(found.reached)
        assert np.isinf(found.ends["cells"][-1])
    assert float(broken.ends["cells"][0]) == pytest.approx(0.3 * np.exp(-0.5), rel=1e-6)
    assert int(broken.kept.steps) < 200
    assert int(short.kept.steps) == 5


def test_a_table_ends_with_a_stage_at_the_end_of_the_step():
    for solver in SOLVERS:
        stages = Stages.of(solver)
        assert stages.shares[-1] == 1.0
        assert np.array_equal(stages.before[-1], stages.weights)
        assert np.sum(stages.errors) == pytest.approx(0.0, abs=1e-12)
    assert (Stages.of(diffrax.Heun()).own, len(Stages.of(diffrax.Heun()).weights)) == (2, 3)


def test_only_explicit_methods_are_stepped():
    assert is_explicit(diffrax.Dopri5())
    assert not is_explicit(diffrax.Kvaerno5())
    assert not is_explicit(diffrax.Euler())  # it has no table of stages
