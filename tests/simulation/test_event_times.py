"""The CHO cell: exact derivatives by the times of events, through the flux projection and the redox loop."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffrax import ForwardMode

from graycell.runs import Bolus, Setpoint
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings


@pytest.mark.slow
def test_the_times_of_the_shift_and_of_a_bolus_have_exact_derivatives(extended, run):
    kept = tuple(event for event in run.events if event.time <= 4.0)
    places = [next(i for i, event in enumerate(kept) if isinstance(event, kind)) for kind in (Setpoint, Bolus)]
    fine = SolverSettings(rtol=1e-11, atol=1e-12, most_steps=20_000, adjoint=ForwardMode())

    def final(times):
        moved = dict(zip(places, times, strict=True))
        events = tuple(replace(event, time=moved.get(i, event.time)) for i, event in enumerate(kept))
        end = simulate(extended, replace(run, events=events, measurements={}, end=4.5), fine, points=2).final
        values = jnp.stack([end["ANTI"], end["LAC"]])
        return values, values

    at = np.array([3.1, 3.2])  # where both happen at once, the derivatives of the two sides differ
    both = jax.jit(jax.jacfwd(final, has_aux=True))  # compiled once, for the derivatives and the values
    exact, steps = np.asarray(both(at)[0]), 1e-4 * np.eye(2)
    expected = np.stack([(both(at + step)[1] - both(at - step)[1]) / 2e-4 for step in steps], axis=1)
    assert np.min(np.abs(expected)) > 1e-3
    assert exact == pytest.approx(expected, rel=1e-4)
