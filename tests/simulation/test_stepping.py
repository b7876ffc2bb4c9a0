"""Explicit methods take the steps of diffrax, and end soon where they cannot go on."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.simulation.stepping import Limits, Tableau, is_explicit, solve_by_steps

BEGIN = {"cells": jnp.array(0.3), "sugar": jnp.array([20.0, 0.0])}
STOP = jnp.array(5.0)
TIMES = jnp.array([0.0, 0.7, 0.71, 3.0, 5.0])


def rate(mu):
    """Return growth on a sugar that runs out."""

    def at(time, now):
        growth = (mu + 0.1 * jnp.sin(3.0 * time)) * now["sugar"][0] / (0.5 + now["sugar"][0])
        made = growth * now["cells"]
        return {"cells": made, "sugar": jnp.stack([-2.0 * made, 0.4 * made])}

    return at


def limits(rtol=1e-6, first_step: Any = 0.05, stop: Any = STOP):
    return Limits(diffrax.PIDController(rtol=rtol, atol=1e-8), jnp.asarray(first_step), jnp.asarray(stop))


def by_diffrax(solver, mu, times=None):
    given = limits()
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda time, now, _: rate(mu)(time, now)), solver, 0.0, given.stop, given.first_step, BEGIN,
        saveat=diffrax.SaveAt(t1=True) if times is None else diffrax.SaveAt(ts=times),
        stepsize_controller=given.controller, adjoint=diffrax.ForwardMode(), max_steps=10_000,
    )  # fmt: skip


def by_steps(solver, mu, times=None, keep=0, **given):
    return solve_by_steps(rate(mu), BEGIN, solver, limits(**given), 10_000, times, keep)


def read_back(solved, steps):
    """Return what there is of a solve, without rows that were never written."""
    kept = solved.kept
    of_steps = kept.times[: steps + 1], kept.states, kept.slopes[:steps], kept.stride, kept.steps
    return jax.tree.leaves((solved.ends, solved.reached, solved.attempted, of_steps))


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
    assert int(found.attempted) == int(expected.stats["num_steps"])


def test_derivatives_in_forward_mode_are_those_of_diffrax():
    of = [jax.jit(jax.jacfwd(lambda mu, solve=solve: solve(mu))) for solve in (
        lambda mu: by_diffrax(diffrax.Tsit5(), mu, TIMES).ys, lambda mu: by_steps(diffrax.Tsit5(), mu, TIMES).ends,
    )]  # fmt: skip
    expected, found = (each(0.9) for each in of)
    assert same(found, expected, 1e-9)


def test_each_of_a_batch_in_a_batch_is_as_alone():
    """They take different numbers of steps, and one of them none."""

    def solve(mu, stop):
        return by_steps(diffrax.Tsit5(), mu, keep=3, stop=stop)

    mus, stops = jnp.array([[0.2, 0.9], [1.5, 0.9]]), jnp.array([[5.0, 0.0], [0.4, 3.0]])
    found = jax.jit(jax.vmap(jax.vmap(solve)))(mus, stops)
    alone = jax.jit(solve)
    for at in np.ndindex(2, 2):
        one, of_batch = alone(mus[at], stops[at]), jax.tree.map(lambda leaf, at=at: leaf[at], found)
        steps = int(one.kept.steps)
        for mine, expected in zip(*map(read_back, (of_batch, one), (steps, steps)), strict=True):
            assert np.allclose(mine, expected, rtol=1e-12, atol=1e-14)


def test_without_a_way_to_go_nothing_is_attempted():
    found = by_steps(diffrax.Tsit5(), 0.9, keep=2, stop=0.0)
    assert bool(found.reached)
    assert int(found.attempted) == 0
    assert float(found.ends["cells"][-1]) == 0.3


def test_a_step_that_leaves_where_rates_are_numbers_is_shortened():
    """A root falls below 0 in the stages of a step that is too long, which is not accepted."""

    def falling(time, now):
        return 1e-3 - jnp.sqrt(now)

    def of_diffrax(first, begin) -> Any:
        given = limits(first_step=first, stop=1.5)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda time, now, _: falling(time, now)), diffrax.Tsit5(), 0.0, given.stop,
            given.first_step, begin, stepsize_controller=given.controller, adjoint=diffrax.ForwardMode(),
            max_steps=10_000,
        ).ys  # fmt: skip

    def ours(first, begin):
        return solve_by_steps(falling, begin, diffrax.Tsit5(), limits(first_step=first, stop=1.5), 10_000).ends

    firsts, begins = jnp.array([1.4, 0.01, 1.5]), jnp.array([0.3, 0.3, 0.6])
    expected, found = (jax.jit(jax.vmap(jax.jacfwd(solve, 1)))(firsts, begins) for solve in (of_diffrax, ours))
    assert np.all(np.isfinite(found))
    assert np.allclose(found, expected, rtol=1e-7)
    alone = ours(firsts[0], begins[0])
    assert np.allclose(alone, of_diffrax(firsts[0], begins[0]), rtol=1e-10)


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

    def solve(most_steps, until):
        def at(time, now):
            return jax.tree.map(lambda leaf: jnp.where(time > until, jnp.nan, -leaf), now)

        return solve_by_steps(at, BEGIN, diffrax.Tsit5(), limits(), most_steps, jnp.array([0.5, 2.0]), 4)

    later, at_once, short = solve(10_000, 1.0), solve(10_000, -1.0), solve(5, 9.0)
    for found in (later, at_once, short):
        assert not bool(found.reached)
        assert np.isinf(found.ends["cells"][-1])
    assert float(later.ends["cells"][0]) == pytest.approx(0.3 * np.exp(-0.5), rel=1e-6)
    assert int(later.attempted) < 200
    assert int(at_once.attempted) < 50
    assert int(short.attempted) == 5


def test_a_table_ends_with_a_stage_at_the_end_of_the_step():
    for solver in SOLVERS:
        tableau = Tableau.of(solver)
        assert tableau.nodes[-1] == 1.0
        assert np.array_equal(tableau.before[-1], tableau.weights)
        assert np.sum(tableau.errors) == pytest.approx(0.0, abs=1e-12)
    assert (Tableau.of(diffrax.Heun()).listed, len(Tableau.of(diffrax.Heun()).weights)) == (2, 3)


def test_only_explicit_methods_are_stepped():
    assert is_explicit(diffrax.Dopri5())
    assert not is_explicit(diffrax.Kvaerno5())
    assert not is_explicit(diffrax.Euler())  # it has no table of stages
