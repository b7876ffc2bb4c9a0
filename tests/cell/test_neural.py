"""Learned laws keep their sign and bound for any weights and inputs, and change nothing where they say nothing."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.cell.neural import MLP, PRIOR, NeuralRate, Weights, drawn_weights
from graycell.cell.rates import Conditions, Monod, Product, Rate, Sum
from graycell.errors import ModelError

SCALE, HALF_UPTAKE = 2.5, 0.4
HUGE = st.floats(-1e6, 1e6)


def net_of(weights: Weights, inputs=("GLC", "feed GLC", "R", "shift")) -> MLP:
    count = len(inputs)
    centre, sd = jnp.linspace(1.0, 2.0, count), jnp.linspace(0.5, 3.0, count)
    return MLP(inputs, centre, sd, jnp.full(1, SCALE), jnp.full(1, HALF_UPTAKE), weights)


def conditions(glc=30.0, fed=2.0, redox=1.4, shift=0.3):
    return Conditions(
        {"GLC": jnp.asarray(glc)},
        {"R": jnp.asarray(redox), "shift": jnp.asarray(shift)},
        parameters={"vmax": jnp.asarray(3.0), "K": jnp.asarray(10.0)},
        fed={"GLC": jnp.asarray(fed)},
    )


def at(net, *where):
    point = conditions(*where)
    return point._replace(outputs={"n": net(point)})


@eqx.filter_jit
def all_forms(net, glc, fed, redox, shift):
    now = at(net, glc, fed, redox, shift)
    laws = NeuralRate("n"), NeuralRate("n", form="any", bound=10.0), NeuralRate("n", form="fraction")
    uptake = NeuralRate("n", form="any", bound=10.0, consumes="GLC")
    return [law(now) for law in (*laws, uptake)]


@given(st.lists(HUGE, min_size=25, max_size=25), st.floats(-10.0, 1e5), HUGE, HUGE, HUGE)
@settings(deadline=None, max_examples=200)
def test_sign_and_bound_hold_for_any_weights_and_inputs(numbers, glc, fed, redox, shift):
    parts = np.split(np.array(numbers), [16, 20, 24])
    weights = Weights(*map(jnp.asarray, (parts[0].reshape(4, 4), parts[1], parts[2].reshape(1, 4), parts[3])))
    seen = map(jnp.asarray, (glc, fed, redox, shift))  # a Python number would be compiled into the function
    positive, either, fraction, uptake = map(float, all_forms(net_of(weights), *seen))
    slack = 1.0 + 1e-12
    assert SCALE / 100.0 / slack <= positive <= 100.0 * SCALE * slack
    assert abs(either) <= 10.0 * SCALE * slack
    assert 0.0 <= fraction <= 1.0
    assert uptake == either or (uptake <= 0.0 and abs(uptake) <= abs(either))
    c = max(glc, 1e-9)
    assert (
        uptake >= -10.0 * SCALE * c / (c + HALF_UPTAKE) * slack
    )  # a negative rate falls with the species that it consumes


def test_an_uptake_falls_to_a_half_at_its_half_uptake_and_a_release_does_not():
    def weights(bias):
        return Weights(jnp.zeros((1, 4)), jnp.zeros(1), jnp.zeros((1, 1)), jnp.full(1, bias))

    law = NeuralRate("n", form="any", bound=10.0, consumes="GLC")
    full = -10.0 * SCALE * np.tanh(0.1)
    assert law(at(net_of(weights(-1.0)), HALF_UPTAKE)) == pytest.approx(full / 2.0, rel=1e-12)
    assert law(at(net_of(weights(-1.0)), 1e6)) == pytest.approx(full, rel=1e-6)
    assert law(at(net_of(weights(-1.0)), 0.0)) == pytest.approx(0.0, abs=1e-7)
    assert law(at(net_of(weights(1.0)), 0.0)) == pytest.approx(-full, rel=1e-12)


def test_a_network_is_the_formula_of_its_docstring():
    weights = drawn_weights(4, 3, 1, np.random.default_rng(1), sd=1.0)
    weights = weights._replace(output=weights.output + 1.0, output_bias=jnp.full(1, 0.7))
    net, seen = net_of(weights), np.array([30.0, 2.0, 1.4, 0.3])
    z = (seen - np.asarray(net.centre)) / np.asarray(net.sd)
    hidden = np.tanh(np.asarray(weights.hidden) @ z + np.asarray(weights.hidden_bias))
    expected = np.asarray(weights.output) @ hidden + 0.7
    assert np.asarray(net(conditions()).value) == pytest.approx(expected, rel=1e-12)


def test_a_gray_law_with_an_output_of_0_is_the_known_law():
    nothing = drawn_weights(4, 3, 1, np.random.default_rng(0))._replace(output=jnp.zeros((1, 3)))
    factor = net_of(nothing)
    one = eqx.tree_at(lambda net: net.scale, factor, jnp.ones(1))
    known = Product((Rate("vmax"), Monod("GLC", "K")))
    assert Product((known, NeuralRate("n")))(at(one)) == known(at(one))
    assert Sum((known, NeuralRate("n", form="any")))(at(factor)) == known(at(factor))
    assert Product((known, NeuralRate("n")))(at(factor)) != known(at(factor))  # of scale 2.5


@pytest.mark.parametrize("form", ["positive", "any", "fraction", "uptake"])
def test_derivatives_by_weights_and_inputs_are_those_of_central_differences(form):
    law = (
        NeuralRate("n", form="any", bound=10.0, consumes="GLC")
        if form == "uptake"
        else NeuralRate("n", form=form, bound=10.0)
    )
    drawn = drawn_weights(4, 3, 1, np.random.default_rng(2), sd=1.0)
    drawn = drawn._replace(output=10.0 * drawn.output, output_bias=jnp.full(1, -2.0))
    flat, back = jax.flatten_util.ravel_pytree(drawn)

    @jax.jit
    def rate(x):
        return law(at(net_of(back(x[4:])), *x[:4]))

    x = np.r_[0.9, 2.0, 1.4, 0.3, np.asarray(flat)]
    exact = np.asarray(jax.jit(jax.grad(rate))(jnp.asarray(x)))
    step = 1e-5
    central = np.array([float(rate(x + h) - rate(x - h)) / (2.0 * step) for h in step * np.eye(len(x))])
    assert np.max(np.abs(central[:4])) > 1e-3
    assert np.max(np.abs(exact - central)) <= 1e-5 * np.max(np.abs(central))
    assert np.all(np.abs(exact - central) <= 1e-5 * np.abs(central) + 1e-9)


def test_drawn_weights_are_of_the_prior_and_begin_near_no_correction():
    many = drawn_weights(50, 40, 30, np.random.default_rng(0), sd=0.5)
    assert np.std(many.hidden) == pytest.approx(0.5 * PRIOR.hidden, rel=0.05)
    assert np.std(many.output) == pytest.approx(0.05 * PRIOR.output, rel=0.1)
    assert not np.any(many.output_bias)
    again = drawn_weights(50, 40, 30, np.random.default_rng(0), sd=0.5)
    assert all(np.array_equal(a, b) for a, b in zip(many, again, strict=True))


def test_what_a_network_cannot_see_is_an_error_with_the_nearest_name():
    weights = drawn_weights(1, 1, 1, np.random.default_rng(0))
    with pytest.raises(ModelError, match="'GLX' is not known to the model; did you mean 'GLC'"):
        net_of(weights, ("GLX",))(conditions())
    with pytest.raises(ModelError, match=r"network 'm' is not known"):
        NeuralRate("m")(conditions())
