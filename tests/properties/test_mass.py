"""Every mole fed is found, whatever the schedule."""

import functools
import itertools
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.models import nolan_lee
from graycell.runs import Bolus, End, Feed, Sample, Setpoint, bundled_run
from graycell.simulation.simulate import SolverSettings, simulate

SETTINGS = SolverSettings(rtol=1e-4, atol=1e-5)  # conservation is exact at any tolerance
ERROR = 1e-9
TIMES = (0.0, 0.31, 0.5, 1.0, 2.25, 3.0, 3.5, 4.0, 4.75)


@st.composite
def schedules(draw):
    """Up to 14 boluses, samples and rate changes over 5 days, in any order, some at one time."""
    times = st.sampled_from([*TIMES, 1.0])
    media = st.sampled_from(["feed", "glucose"])
    events = draw(
        st.lists(
            st.one_of(
                st.builds(Bolus, times, media, st.floats(0.0, 0.3)),
                st.builds(Sample, times, st.floats(0.0, 0.02)),
                st.builds(Feed, times, media, st.floats(0.0, 0.2)),
            ),
            max_size=14,
        )
    )
    return whole(events)


def whole(events):
    """Return a schedule with samples of nothing: all have much the same number of segments, and one is compiled."""
    nothing = [Sample(time, 0.0) for time in TIMES]
    return tuple(sorted([*nothing, *events, Setpoint(3.0, 31.0), End(5.0)], key=lambda event: event.time))


@functools.cache
def published():
    # not a fixture: Hypothesis prints every argument of a property, and a model is long
    return nolan_lee()


@functools.cache
def base():
    run = bundled_run()
    media = {**run.media, "glucose": {"GLC": 2500.0}}
    return replace(run, media=media, measurements={}, end=5.0)


def composition(run, medium, species):
    return np.array([run.media[medium].get(name, 0.0) for name in species])


def fed(run, species):
    """Return amounts [mmol] that all boluses and feeds bring in."""
    total = np.zeros(len(species))
    for event in run.events:
        if isinstance(event, Bolus):
            total += event.volume * composition(run, event.medium, species)
    for medium in run.media:
        changes = [event for event in run.events if isinstance(event, Feed) and event.medium == medium]
        for now, after in itertools.zip_longest(changes, changes[1:]):
            until = run.end if after is None else after.time
            total += now.rate * (until - now.time) * composition(run, medium, species)
    return total


def sampled(run, trajectory):
    """Return amounts [mmol] that samples take: their volume at the concentration of that moment.

    Starts at each time from the simulated state before its events and goes through them in the order of the file.
    """
    total = np.zeros(trajectory.concentrations.shape[1])
    for time in sorted({event.time for event in run.events}):
        before = int(np.flatnonzero(trajectory.time == time)[0])
        volume = trajectory.volume[before]
        held = volume * trajectory.concentrations[before]
        for event in (event for event in run.events if event.time == time):
            if isinstance(event, Sample):
                taken = held * event.volume / volume
                held, volume, total = held - taken, volume - event.volume, total + taken
            elif isinstance(event, Bolus):
                held = held + event.volume * composition(run, event.medium, trajectory.model.species)
                volume += event.volume
    return total


def amounts(trajectory, at):
    return trajectory.volume[at] * trajectory.concentrations[at]


@given(schedules())
@settings(deadline=None, max_examples=40)
def test_without_cells_every_mole_fed_is_found(events):
    viability = base().signals["viability"]
    dead = replace(viability, value=np.zeros_like(viability.value))
    run = replace(base(), events=events, signals={"viability": dead})
    trajectory = simulate(published(), run, SETTINGS, points=2)
    start = np.array([run.initial[name] for name in published().species]) * run.initial_volume
    found = amounts(trajectory, -1) + sampled(run, trajectory)
    expected = start + fed(run, published().species)
    assert np.max(np.abs(found - expected) / expected) <= ERROR


@functools.cache
def conserved():
    """Combinations of species that no allowed flux changes, at any temperature: what nitrogen is, for example."""
    model = published()
    maps = [np.asarray(model.exchange @ model.projection.flux_map(cold).matrix) for cold in (0.0, 0.3, 1.0)]
    combinations = scipy.linalg.null_space(np.hstack(maps).T)
    assert combinations.shape[1] >= 2
    return combinations.T


@given(schedules())
@settings(deadline=None, max_examples=40)
def test_with_cells_every_conserved_combination_is_found(events):
    run = replace(base(), events=events)
    trajectory = simulate(published(), run, SETTINGS, points=2)
    start = np.array([run.initial[name] for name in published().species]) * run.initial_volume
    found = amounts(trajectory, -1) + sampled(run, trajectory)
    expected = start + fed(run, published().species)
    size = np.abs(conserved()) @ np.abs(expected)
    assert np.max(np.abs(conserved() @ (found - expected)) / size) <= ERROR
    assert np.max(np.abs(found - expected) / expected) > 1e-3  # the cells did live


def test_the_volume_is_the_sum_of_what_went_in_and_out():
    events = whole([Feed(0.0, "feed", 0.1), Bolus(1.0, "glucose", 0.05), Sample(2.0, 0.02), Feed(3.0, "feed", 0.0)])
    trajectory = simulate(published(), replace(base(), events=events), SETTINGS, points=2)
    assert trajectory.volume[-1] == pytest.approx(1.0 + 0.3 + 0.05 - 0.02, rel=1e-12)
    assert bool(jnp.all(jnp.diff(jnp.asarray(trajectory.time)) >= 0.0))
