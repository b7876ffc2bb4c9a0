"""Cultures that use their substrates up are simulated to their end by the models with limited uptake.

The cases were stopped by the solver before: batches of the bundled initial state without this or that, with a shift,
with boluses, with many cells. Each model is compiled once: all runs are packed to one shape.
"""

from dataclasses import replace
from functools import cache

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from graycell import Bolus, Feed, Setpoint, bundled_run, model_of
from graycell.cell.rates import Conditions, FluxRatio
from graycell.diagnosis.gradients import RTOL
from graycell.packing import pack
from graycell.simulation.solve import SolverSettings, integrate

MODELS = ("nolan-lee-limited", "nolan-lee-extended-limited")
SUBSTRATES = ("GLC", "ASN", "SER", "CYSTINE", "ASP", "GLN", "GLU")


@cache
def case(model_name, seed):
    """A batch or fed-batch that runs out of one to four substrates."""
    base, random = bundled_run(), np.random.default_rng(seed)
    initial, end = dict(base.initial), float(random.uniform(5.0, 10.0))
    for name in random.choice(SUBSTRATES, random.integers(1, 5), replace=False):
        initial[name] *= float(10.0 ** random.uniform(-2.5, -0.3))
    initial["BIOM"] *= float(10.0 ** random.uniform(-0.3, 1.2))
    initial["R"] = float(random.uniform(0.5, 7.0))
    events = [Setpoint(float(random.uniform(1.0, 4.0)), 31.0)] if random.uniform() < 0.5 else []
    if kind := random.integers(3):
        medium, volume = "feed", base.initial_volume
        bolus = Bolus(float(random.uniform(0.5, 4.5)), medium, float(volume * random.uniform(0.002, 0.05)))
        events += [bolus] * int(kind)
        events += [Feed(1.0, medium, float(volume * 0.01)), Feed(2.5, medium, 0.0)] if kind == 2 else []
    events = tuple(sorted(events, key=lambda event: event.time))
    run = replace(base, name=f"{seed}", initial=initial, events=events, measurements={}, end=end)
    return run, pack(run, model_of(model_name), segments=8, points=110, media=1)


@eqx.filter_jit
def simulated(model, packed):
    return integrate(model, packed, points=3)


@pytest.fixture(params=MODELS, scope="module")
def model(request):
    return model_of(request.param)


@cache
def conserved(name):
    """Combinations of species that no allowed flux changes, at any temperature."""
    model = model_of(name)
    maps = [np.asarray(model.exchange @ model.projection.flux_map(cold).matrix) for cold in (0.0, 0.3, 1.0)]
    return scipy.linalg.null_space(np.hstack(maps).T).T


@pytest.mark.ode
def test_runs_that_use_substrates_up_go_to_their_end_with_mass_and_nothing_below_zero(model):
    used_up = 0
    for seed in range(30):
        run, packed = case(model.name, seed)
        path = simulated(model, packed)
        assert not np.any(path.failed), run.name
        assert not np.any(path.flux_status), run.name
        volume, c = np.asarray(path.states.volume), np.asarray(path.states.amounts / path.states.volume[..., None])
        scale = np.maximum(np.max(np.abs(c), axis=(0, 1)), 1e-3)
        assert np.min(c / scale) >= -1e-9, run.name
        used_up += int(np.sum(np.min(c, axis=(0, 1)) < 1e-4))
        fed = sum(event.volume for event in run.events if isinstance(event, Bolus))
        rates = [event for event in run.events if isinstance(event, Feed)]
        fed += rates[0].rate * (rates[1].time - rates[0].time) if rates else 0.0
        medium = np.array([run.media["feed"].get(name, 0.0) for name in model.species])
        expected = np.array([run.initial[name] for name in model.species]) * run.initial_volume + fed * medium
        found = volume[-1, -1] * c[-1, -1] * run.initial_volume
        total = conserved(model.name)
        assert np.max(np.abs(total @ (found - expected)) / (np.abs(total) @ np.abs(expected))) <= 1e-9, run.name
    assert used_up >= 30  # the cases are what they say


@pytest.mark.ode
@pytest.mark.parametrize("change", [
    {"GLC": 0.5}, {"GLC": 2.0}, {"GLC": 5.0}, {"GLC": 10.0}, {"GLC": 20.0}, {"GLC": 40.0}, {"GLC": 73.0},
    {"ASN": 0.05}, {"SER": 0.05}, {"CYSTINE": 0.05}, {"ASP": 0.05}, {"GLN": 0.05}, {"BIOM": 462.0},
], ids=lambda change: "-".join(map(str, *change.items())))  # fmt: skip
def test_a_batch_of_the_bundled_start_goes_to_its_end(model, change):
    base = bundled_run()
    run = replace(base, events=(), measurements={}, end=8.0, initial={**base.initial, **change})
    path = simulated(model, pack(run, model, segments=8, points=110, media=1))
    assert not np.any(path.failed)


@eqx.filter_jit
def final(model, packed, direction, step):
    """Final concentrations with all parameters p exp(step direction)."""
    moved = {name: value * jnp.exp(step * direction[name]) for name, value in model.parameters.items()}
    settings = SolverSettings(rtol=RTOL, atol=0.1 * RTOL, most_steps=100_000, adjoint=diffrax.ForwardMode())
    states = integrate(model.changed(parameters=moved), packed, settings=settings).states
    return states.amounts[-1, -1] / states.volume[-1, -1]


@eqx.filter_jit
def derivative(model, packed, direction):
    return jax.jvp(lambda step: final(model, packed, direction, step), (0.0,), (1.0,))[1]


@pytest.mark.ode
def test_derivatives_through_depletion_are_those_of_central_differences():
    """In random directions of all estimated parameters."""
    model, random, worst = model_of(MODELS[0]), np.random.default_rng(5), []
    estimated = {row.name for row in model.table.rows if row.estimated}
    for seed in (0, 3):
        _, packed = case(model.name, seed)
        direction = {name: float(random.normal()) * (name in estimated) for name in model.parameters}
        exact = np.asarray(derivative(model, packed, direction))
        ahead, back = (np.asarray(final(model, packed, direction, step)) for step in (1e-5, -1e-5))
        difference = (ahead - back) / 2e-5
        worst.append(np.max(np.abs(exact - difference)) / np.max(np.abs(difference)))
    assert max(worst) <= 1e-4, worst


def test_a_ratio_of_fluxes_with_its_variable_rests_where_no_flux_is_and_keeps_its_roots():
    ratio = FluxRatio((("made", 2.0),), (("used", 1.0),), variable="R")

    def value(made, used, variable):
        return float(ratio(Conditions({}, {"R": jnp.array(variable)}, fluxes={"made": made, "used": used})))

    for resting in (0.0, 1e-17, -1e-17):
        assert value(jnp.array(resting), jnp.array(-resting), 3.0) == pytest.approx(3.0, abs=1e-14)
    for made, used in ((1.0, 2.0), (1e-3, 4e-3), (5.0, 1.0)):
        root = 2.0 * made / used
        assert value(jnp.array(made), jnp.array(used), root) == pytest.approx(root, rel=1e-14)
        assert value(jnp.array(made), jnp.array(used), 0.5 * root) > 0.5 * root
        assert value(jnp.array(made), jnp.array(used), 1.5 * root) < 1.5 * root
    assert value(jnp.array(1e6), jnp.array(0.0), 1.0) == ratio.ceiling
