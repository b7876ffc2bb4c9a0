"""The CHO cell: exact derivatives by the times of events, through the flux projection and the redox loop."""

from dataclasses import replace

import jax
import pytest

from graycell.runs import Bolus, Setpoint
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings

FINE = SolverSettings(rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("kind", "quantity"), [(Setpoint, "ANTI"), (Bolus, "LAC")])
def test_the_time_of_the_shift_and_of_a_bolus_have_exact_derivatives(kind, quantity, extended, run):
    first = next(i for i, event in enumerate(run.events) if isinstance(event, kind))

    def final(time):
        events = tuple(replace(event, time=time) if i == first else event for i, event in enumerate(run.events))
        bare = replace(run, events=events, measurements={}, end=5.0)
        bare = replace(bare, events=tuple(event for event in events if not event_after(event, 5.0)))
        return simulate(extended, bare, FINE, points=2).final[quantity]

    def event_after(event, end):
        return not hasattr(event.time, "aval") and event.time > end

    at = run.events[first].time + 0.1
    exact = float(jax.grad(final)(at))
    expected = (float(final(at + 1e-4)) - float(final(at - 1e-4))) / 2e-4
    assert abs(expected) > 1e-3
    assert exact == pytest.approx(expected, rel=1e-4)
