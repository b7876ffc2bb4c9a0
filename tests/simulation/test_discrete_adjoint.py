"""The discrete adjoint is the derivative of the numbers that the solver found, and that of central differences."""

import functools
from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import fed_batch, monod

from graycell.packing import pack
from graycell.simulation import discrete_adjoint
from graycell.simulation.solve import SolverSettings, integrate

MODEL, RUN = monod(), fed_batch()
PACKED = pack(RUN, MODEL)
KNOWN = {name: jnp.asarray(float(MODEL.parameters[name])) for name in ("mu", "Ki", "qp", "recovery")}
WHOLE = SolverSettings(adjoint=diffrax.RecursiveCheckpointAdjoint())  # the loop of diffrax as a whole


def answer(known, initial, settings, points):
    """Return one number that every quantity at every point changes, and whose last points count for less."""
    packed = eqx.tree_at(lambda packed: packed.initial, PACKED, initial)
    found = integrate(MODEL.with_parameters(known), packed, settings=settings, points=points).quantities
    return jnp.sum(jnp.sin(found) / jnp.linspace(1.0, 9.0, len(found))[:, None, None])


@functools.cache
def derivative(settings, points):
    """Return value and derivative; compiled once for each way."""
    return jax.jit(jax.value_and_grad(functools.partial(answer, settings=settings, points=points), (0, 1)))


def all_of(found):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


@pytest.mark.parametrize(("points", "kept"), [(1, 64), (4, 3)])
def test_it_is_the_derivative_of_the_whole_loop(points, kept, monkeypatch):
    """With all states kept, and with so few that those between are found again; at ends, and between them."""
    monkeypatch.setattr(discrete_adjoint, "_KEPT", kept)
    derivative.cache_clear()
    value, found = derivative(SolverSettings(), points)(KNOWN, PACKED.initial)
    expected_value, expected = derivative(WHOLE, points)(KNOWN, PACKED.initial)
    assert float(value) == pytest.approx(float(expected_value), rel=1e-12)
    assert np.allclose(all_of(found), all_of(expected), rtol=1e-10, atol=1e-12 * np.max(np.abs(all_of(expected))))
    assert np.all(all_of(found)[:4] != 0.0)


@pytest.mark.parametrize(("solver", "points", "kept"), [(diffrax.Heun(), 1, 3), (diffrax.Dopri8(), 3, 64)])
def test_other_methods_have_the_derivative_of_forward_mode(solver, points, kept, monkeypatch):
    """One does not end with a stage; the other has stages for what is between alone."""
    monkeypatch.setattr(discrete_adjoint, "_KEPT", kept)
    settings = SolverSettings(solver=solver, rtol=1e-3, atol=1e-4)
    _, (found, _) = derivative(settings, points)(KNOWN, PACKED.initial)
    forward = replace(settings, adjoint=diffrax.ForwardMode())
    expected = jax.jit(jax.jacfwd(lambda known: answer(known, PACKED.initial, forward, points)))(KNOWN)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-9)


def test_derivatives_are_those_of_central_differences():
    """With a method whose stages are others."""
    settings = SolverSettings(solver=diffrax.Bosh3(), rtol=1e-8, atol=1e-9, most_steps=100_000)
    of = jax.jit(functools.partial(answer, settings=settings, points=2))
    _, (found, _) = derivative(settings, 2)(KNOWN, PACKED.initial)
    for name, value in KNOWN.items():
        step = 1e-5 * value
        up, down = (float(of(KNOWN | {name: value + way * step}, PACKED.initial)) for way in (1.0, -1.0))
        assert float(found[name]) == pytest.approx((up - down) / (2.0 * float(step)), rel=1e-5)


def test_mapped_over_a_batch_each_has_its_own_derivative():
    """They take different numbers of steps."""
    factors = jnp.array([0.3, 1.0, 3.0])
    known = {name: value * factors for name, value in KNOWN.items()}
    _, (batch, _) = jax.jit(jax.vmap(derivative(SolverSettings(), 1), (0, None)))(known, PACKED.initial)
    for i in range(len(factors)):
        _, (alone, _) = derivative(SolverSettings(), 1)({name: each[i] for name, each in known.items()}, PACKED.initial)
        for name, value in alone.items():
            assert float(batch[name][i]) == pytest.approx(float(value), rel=1e-9)


def test_a_derivative_of_the_derivative_is_that_of_central_differences():
    settings = SolverSettings(rtol=1e-8, atol=1e-9)
    slope = jax.grad(lambda mu: answer(KNOWN | {"mu": mu}, PACKED.initial, settings, 1))
    at, step = KNOWN["mu"], 1e-4
    up, down = jax.jit(jax.vmap(slope))(jnp.array([at + step, at - step]))
    assert float(jax.jit(jax.jacfwd(slope))(at)) == pytest.approx(float(up - down) / (2.0 * step), rel=1e-4)


def test_a_run_that_ran_out_of_steps_has_a_finite_derivative():
    settings = replace(SolverSettings(), most_steps=8)
    assert np.any(integrate(MODEL, PACKED, settings=settings).failed)
    value, found = derivative(settings, 1)(KNOWN, PACKED.initial)
    assert np.isfinite(value)
    assert np.all(np.isfinite(all_of(found)))
