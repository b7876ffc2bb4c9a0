import jax.numpy as jnp
import numpy as np
import pytest

from graycell.reactor import Flows, Interventions, Reactor, intervene

AMOUNTS, VOLUME = jnp.array([20.0, 4.0, 8.0]), jnp.array(2.0)
MEDIA = jnp.array([[400.0, 0.0, 0.0], [0.0, 50.0, 0.0]])
SUPPLIED = jnp.where(MEDIA > 0, 1.0, 0.0)
REACTOR = Reactor(jnp.array([0.0, 0.0, 1.0]))


def done(sample=0.0, bolus=(0.0, 0.0), replacement=(0.0, 0.0)):
    return Interventions(jnp.asarray(sample), jnp.array(bolus), jnp.array(replacement))


def flows(feed=(0.0, 0.0), bleed=0.0, harvest=0.0):
    return Flows(jnp.array(feed), jnp.asarray(bleed), jnp.asarray(harvest))


def test_a_sample_takes_volume_and_leaves_every_concentration():
    amounts, volume = intervene(AMOUNTS, VOLUME, done(sample=0.5), MEDIA, SUPPLIED)
    assert float(volume) == 1.5
    assert np.allclose(amounts / volume, AMOUNTS / VOLUME, rtol=1e-15)


def test_a_bolus_adds_its_volume_and_what_is_in_it():
    amounts, volume = intervene(AMOUNTS, VOLUME, done(bolus=(0.1, 0.2)), MEDIA, SUPPLIED)
    assert float(volume) == pytest.approx(2.3, rel=1e-15)
    assert np.allclose(amounts, AMOUNTS + jnp.array([40.0, 10.0, 0.0]), rtol=1e-15)


def test_the_published_replacement_acts_on_fed_species_alone():
    amounts, volume = intervene(AMOUNTS, VOLUME, done(replacement=(0.03, 0.0)), MEDIA, SUPPLIED)
    concentrations = np.asarray(amounts / volume)
    assert float(volume) == 2.0
    assert concentrations[0] == pytest.approx(0.97 * 10.0 + 0.03 * 400.0, rel=1e-14)
    assert np.array_equal(concentrations[1:], np.asarray(AMOUNTS / VOLUME)[1:])


def test_without_flows_it_is_a_batch():
    change, growth = REACTOR.derivative(AMOUNTS, VOLUME, jnp.array([-1.0, 2.0, 0.5]), flows(), MEDIA)
    assert np.array_equal(change, [-2.0, 4.0, 1.0])
    assert float(growth) == 0.0


def test_a_harvest_keeps_the_cells_and_a_bleed_does_not():
    still = jnp.zeros(3)
    harvest, _ = REACTOR.derivative(AMOUNTS, VOLUME, still, flows(harvest=0.5), MEDIA)
    bleed, shrinking = REACTOR.derivative(AMOUNTS, VOLUME, still, flows(bleed=0.5), MEDIA)
    assert np.array_equal(harvest, [-5.0, -1.0, 0.0])
    assert np.array_equal(bleed, [-5.0, -1.0, -2.0])
    assert float(shrinking) == -0.5


def test_feed_equal_to_harvest_keeps_the_volume():
    _, change = REACTOR.derivative(AMOUNTS, VOLUME, jnp.zeros(3), flows(feed=(0.3, 0.2), harvest=0.5), MEDIA)
    assert float(change) == pytest.approx(0.0, abs=1e-16)
