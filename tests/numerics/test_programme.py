"""The least-distance programme by its laws: feasible, stationary, complementary; and its derivatives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.numerics import programme as qp

UNKNOWNS, EQUALITIES, INEQUALITIES = 6, 2, 8
solve = jax.jit(qp.least_distance, static_argnames="equalities")


def problem(seed, decades=0.0):
    """A programme that is feasible by construction, with many rows near the target."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(EQUALITIES + INEQUALITIES, UNKNOWNS))
    inside = random.normal(size=UNKNOWNS)
    slack = np.concatenate([np.zeros(EQUALITIES), random.uniform(0.0, 0.5, INEQUALITIES)])
    target = inside + random.normal(size=UNKNOWNS)
    variance = 10.0 ** random.uniform(-decades, decades, UNKNOWNS)
    return jnp.array(target), jnp.array(variance), jnp.array(rows), jnp.array(rows @ inside - slack)


@given(st.integers(0, 2**31), st.sampled_from([0.0, 2.0, 6.0]))
@settings(deadline=None, max_examples=150)
def test_the_solution_meets_the_optimality_conditions(seed, decades):
    target, variance, rows, offset = problem(seed, decades)
    answer = solve(target, variance, rows, offset, equalities=EQUALITIES)
    assert int(answer.status) == qp.SOLVED
    gap = np.asarray(rows @ answer.point - offset)
    size = float(jnp.max(jnp.abs(target))) + float(jnp.max(jnp.abs(answer.point)))
    assert np.all(np.abs(gap[:EQUALITIES]) < 1e-8 * size)
    assert np.all(gap[EQUALITIES:] > -1e-8 * size)
    multipliers = np.asarray(answer.multipliers)
    assert np.all(multipliers[EQUALITIES:] >= 0.0)
    assert np.all(np.abs(multipliers * gap) < 1e-7 * size * (1.0 + np.abs(multipliers)))
    stationary = np.asarray(target + variance * (answer.multipliers @ rows))
    # rounding of the multipliers enters in proportion to the terms of the sum
    terms = size + np.asarray(variance * (jnp.abs(answer.multipliers) @ jnp.abs(rows)))
    assert np.all(np.abs(answer.point - stationary) < 1e-9 * terms)


def test_a_target_that_meets_all_rows_is_the_solution():
    rows = jnp.array([[1.0, -1.0], [1.0, 0.0]])
    answer = solve(jnp.array([2.0, 2.0]), jnp.ones(2), rows, jnp.zeros(2), equalities=1)
    assert np.array_equal(answer.point, [2.0, 2.0])
    assert not answer.active[1]


def test_an_unknown_with_infinite_weight_stays_at_its_target():
    rows = jnp.array([[1.0, -1.0]])
    answer = solve(jnp.array([1.0, 3.0]), jnp.array([0.0, 1.0]), rows, jnp.zeros(1), equalities=1)
    assert np.allclose(answer.point, [1.0, 1.0], atol=1e-15)


def test_contradicting_rows_are_infeasible():
    rows = jnp.array([[1.0, 0.0], [-1.0, 0.0]])
    answer = solve(jnp.zeros(2), jnp.ones(2), rows, jnp.array([1.0, 1.0]), equalities=0)
    assert int(answer.status) == qp.INFEASIBLE
    assert np.all(np.isfinite(answer.point))
    assert float(answer.violation) > 0.5


def test_equalities_that_contradict_each_other_are_infeasible():
    rows = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    answer = solve(jnp.zeros(2), jnp.ones(2), rows, jnp.array([1.0, 2.0]), equalities=2)
    assert int(answer.status) == qp.INFEASIBLE
    held = solve(jnp.array([1.0, 0.0]), jnp.zeros(2), rows[:1], jnp.array([3.0]), equalities=1)
    assert int(held.status) == qp.INFEASIBLE


def test_a_row_that_occurs_twice_does_no_harm():
    rows = jnp.array([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    answer = solve(jnp.array([-1.0, 5.0]), jnp.ones(2), rows, jnp.zeros(3), equalities=0)
    assert int(answer.status) == qp.SOLVED
    assert np.allclose(answer.point, [0.0, 5.0], atol=1e-12)


def test_running_out_of_steps_is_a_status():
    target, variance, rows, offset = problem(1)
    answer = jax.jit(lambda *parts: qp.least_distance(*parts, EQUALITIES, most_steps=1))(target, variance, rows, offset)
    assert int(answer.status) == qp.NOT_CONVERGED


def point(*parts):
    return qp.least_distance(*parts, EQUALITIES).point


def test_a_batch_gives_what_one_by_one_gives():
    problems = [problem(seed, 2.0) for seed in range(64)]
    stacked = [jnp.stack(parts) for parts in zip(*problems, strict=True)]
    together = jax.jit(jax.vmap(point))(*stacked)
    alone = jnp.stack([solve(*parts, equalities=EQUALITIES).point for parts in problems])
    assert np.allclose(together, alone, rtol=1e-12, atol=1e-12)


def test_a_batch_may_have_fewer_unknowns_than_rows_that_are_tried_at_once():
    rows = jnp.array([[1.0, -1.0], [1.0, 0.0], [0.0, 1.0]])
    targets = jnp.array([[1.0, 2.0], [-1.0, -2.0]])
    for equalities, expected in ((1, [[1.5, 1.5], [0.0, 0.0]]), (3, [[0.0, 0.0], [0.0, 0.0]])):
        one = jax.vmap(lambda t, e=equalities: qp.least_distance(t, jnp.ones(2), rows, jnp.zeros(3), e))
        batch = jax.jit(one)(targets)
        assert np.all(np.asarray(batch.status) == qp.SOLVED)
        assert np.allclose(batch.point, expected, atol=1e-12)


JACOBIANS = [
    functools.cache(lambda argument, kind=kind: jax.jit(kind(point, argument))) for kind in (jax.jacfwd, jax.jacrev)
]
"""Forward and reverse mode by one of the arguments, compiled for all seeds."""


@pytest.mark.parametrize("argument", [0, 1, 2, 3], ids=["target", "variance", "rows", "offset"])
@pytest.mark.parametrize("seed", range(4))
def test_derivatives_are_those_of_central_differences(seed, argument):
    """Multipliers of these problems are at least 1e-3, so a step of 1e-6 stays on the active set."""
    parts = problem(seed)
    answer = solve(*parts, equalities=EQUALITIES)
    at_stake = np.asarray(answer.multipliers)[EQUALITIES:][np.asarray(answer.active)[EQUALITIES:]]
    assert np.all(at_stake > 1e-3)

    forward, reverse = (np.asarray(jacobian(argument)(*parts)).reshape(UNKNOWNS, -1) for jacobian in JACOBIANS)
    flat, differences = np.asarray(parts[argument]).ravel(), []
    for i in range(len(flat)):
        ends = []
        for sign in (1.0, -1.0):
            moved = flat.copy()
            moved[i] += sign * 1e-6
            changed = [*parts[:argument], jnp.array(moved.reshape(parts[argument].shape)), *parts[argument + 1 :]]
            ends.append(np.asarray(solve(*changed, equalities=EQUALITIES).point))
        differences.append((ends[0] - ends[1]) / 2e-6)
    central = np.stack(differences, axis=1)
    assert np.max(np.abs(forward - central)) <= 1e-5 * np.max(np.abs(central))
    assert np.allclose(forward, reverse, rtol=1e-10, atol=1e-12)


def test_the_least_slack_has_the_least_sum_of_squares():
    """Three half-planes around a triangle that is turned inside out: by symmetry each gets the same slack."""
    angles = 2.0 * np.pi * np.arange(3) / 3.0
    matrix = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    slack = jax.jit(lambda sides: qp.least_slack(matrix, sides))
    assert np.allclose(slack(jnp.ones(3)), 1.0, atol=1e-12)
    assert np.allclose(slack(-jnp.ones(3)), 0.0)
