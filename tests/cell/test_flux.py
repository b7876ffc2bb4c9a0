import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graycell.cell.flux import FluxStatus, PublishedWeights, SoftWeights, prepare
from graycell.cell.network import MetabolicNetwork, Reaction
from graycell.errors import ModelError
from graycell.models.nolan_lee import published_network

KINETIC = ("v1", "v2", "v3", "v8", "v9", "v10", "v11", "v12", "v13", "v16", "v17", "v33")
NETWORK = published_network()
LAYER = prepare(NETWORK, KINETIC, SoftWeights(0.05))
allocate = jax.jit(lambda kinetic_rates, shift: LAYER(kinetic_rates, shift))


def mixed(shift):
    inside = ~NETWORK.is_external
    return (1.0 - shift) * NETWORK.stoichiometry[inside] + shift * NETWORK.shifted_stoichiometry[inside]


@given(st.integers(0, 2**31), st.floats(0.0, 1.0), st.sampled_from([0.0, 1.0, 3.0]))
@settings(deadline=None, max_examples=100)
def test_fluxes_balance_the_inside_and_keep_their_signs(seed, shift, decades):
    random = np.random.default_rng(seed)
    kinetic_rates = random.normal(size=12) * 10.0 ** random.uniform(-decades, decades, 12)
    solution = allocate(jnp.array(kinetic_rates), jnp.array(shift))
    fluxes = np.asarray(solution.fluxes)
    assert int(solution.status) == FluxStatus.solved
    size = np.max(np.abs(kinetic_rates))
    assert np.max(np.abs(mixed(shift) @ fluxes)) < 1e-9 * size
    assert np.min(fluxes[NETWORK.lower == 0.0]) > -1e-8 * size


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_kinetic_rates_that_balance_are_the_fluxes(seed):
    random = np.random.default_rng(seed)
    # draw inside the cone: a mixture of solutions with every sign kept
    corners = [np.asarray(allocate(jnp.array(random.normal(size=12)), jnp.array(0.0)).fluxes) for _ in range(3)]
    fluxes = np.maximum(random.uniform(size=3), 0.1) @ np.stack(corners)
    index = [NETWORK.index(name) for name in KINETIC]
    solution = allocate(jnp.array(fluxes[index]), jnp.array(0.0))
    assert np.allclose(solution.fluxes, fluxes, atol=1e-9 * np.max(np.abs(fluxes)))
    assert np.allclose(solution.conflict, 0.0, atol=1e-7)


@given(st.integers(0, 2**31))
@settings(deadline=None, max_examples=100)
def test_no_feasible_change_comes_nearer_to_the_kinetic_rates(seed):
    random = np.random.default_rng(seed)
    kinetic_rates = jnp.array(random.normal(size=12))
    variance = np.asarray(LAYER.weights.variance(kinetic_rates))
    index = [NETWORK.index(name) for name in KINETIC]

    def distance(fluxes):
        return np.sum((np.asarray(fluxes)[index] - np.asarray(kinetic_rates)) ** 2 / variance)

    best = allocate(kinetic_rates, jnp.array(0.0)).fluxes
    other = allocate(jnp.array(random.normal(size=12)), jnp.array(0.0)).fluxes
    for share in (1e-3, 0.1, 1.0):  # the feasible set is convex, so every mixture is feasible
        assert distance(best) <= distance((1.0 - share) * best + share * other) * (1.0 + 1e-9)


@jax.jit
def by_published_weights(kinetic_rates):
    return jax.lax.map(prepare(NETWORK, KINETIC, PublishedWeights()), kinetic_rates)


def test_weights_may_span_twelve_orders():
    """Published weights 1/w^2 are singular where a kinetic rate crosses zero; the answer stays feasible."""
    random = np.random.default_rng(7)
    kinetic_rates = jnp.array(random.normal(size=(500, 12)) * 10.0 ** random.uniform(-6.0, 0.5, (500, 12)))
    solutions = by_published_weights(kinetic_rates)
    fluxes = np.asarray(solutions.fluxes)
    assert np.all(np.asarray(solutions.status) == FluxStatus.solved)
    assert np.max(np.abs(fluxes @ mixed(0.0).T)) < 1e-9
    assert np.min(fluxes[:, NETWORK.lower == 0.0]) > -1e-9


def test_a_flux_with_a_kinetic_rate_of_zero_is_left_out_by_the_published_weights():
    network = MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A"), Reaction("v2", "A => B_ext")])
    layer = prepare(network, ["v1", "v2"], PublishedWeights())
    assert np.allclose(layer(jnp.array([0.0, 2.0])).fluxes, 2.0, rtol=1e-9)


def test_soft_weights_change_continuously_through_zero():
    kinetic_rates = np.array([0.6, 0.8, 0.1, 0.3, -0.05, 0.15, 0.08, 0.02, 0.01, 0.4, 0.03, 0.06])
    through = np.linspace(-1e-4, 1e-4, 41)
    answers = [
        allocate(jnp.array(np.r_[kinetic_rates[0], w2, kinetic_rates[2:]]), jnp.array(0.0)).fluxes for w2 in through
    ]
    assert np.max(np.abs(np.diff(np.stack(answers), axis=0))) < 1e-4


def test_without_the_rate_of_v10_the_status_says_not_unique():
    layer = prepare(NETWORK, [name for name in KINETIC if name != "v10"], SoftWeights(0.05))
    solution = layer(jnp.full(11, 0.3))
    assert layer.directions.shape[1] == 1
    assert int(solution.status) == FluxStatus.not_unique
    assert FluxStatus(int(solution.status)).usable
    assert np.max(np.abs(mixed(0.0) @ np.asarray(solution.fluxes))) < 1e-9


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_kinetic_rate_that_is_not_finite_is_named(bad):
    solution = allocate(jnp.full(12, 0.3).at[4].set(bad), jnp.array(0.0))
    assert int(solution.status) == FluxStatus.not_finite
    assert np.all(np.isfinite(solution.fluxes))


def test_a_network_without_any_flux_is_an_error():
    with pytest.raises(ModelError, match="allow no flux"):
        prepare(MetabolicNetwork.from_reactions([Reaction("v1", "A_ext => A")]), ["v1"])


def test_a_reaction_with_two_rate_laws_is_an_error():
    with pytest.raises(ModelError, match="v1"):
        prepare(NETWORK, ["v1", *KINETIC])


def test_published_weights_answer_over_any_range_of_rates():
    random = np.random.default_rng(3)
    kinetic_rates = jnp.array(random.normal(size=(500, 12)) * 10.0 ** random.uniform(-6.0, 5.0, (500, 12)))
    solutions = by_published_weights(kinetic_rates)
    assert np.all(np.asarray(solutions.status) == FluxStatus.solved)
    size = np.max(np.abs(kinetic_rates), axis=1)
    assert np.max(np.abs(np.asarray(solutions.fluxes) @ mixed(0.0).T) / size[:, None]) < 1e-9


def test_derivatives_by_kinetic_rates_and_temperature_are_those_of_central_differences():
    kinetic_rates = jnp.array([0.6, 0.8, 0.1, 0.3, -0.05, 0.15, 0.08, 0.02, 0.01, 0.4, 0.03, 0.06])
    shift = jnp.array(0.4)
    exact = jax.jit(jax.jacfwd(lambda w, p: LAYER(w, p).fluxes, argnums=(0, 1)))(kinetic_rates, shift)
    by_rates, by_shift = map(np.asarray, exact)
    central = np.stack(
        [
            (allocate(kinetic_rates + 1e-6 * e, shift).fluxes - allocate(kinetic_rates - 1e-6 * e, shift).fluxes) / 2e-6
            for e in np.eye(12)
        ],
        axis=1,
    )
    assert np.max(np.abs(by_rates - central)) <= 1e-5 * np.max(np.abs(central))
    central = (
        np.asarray(allocate(kinetic_rates, shift + 1e-6).fluxes - allocate(kinetic_rates, shift - 1e-6).fluxes) / 2e-6
    )
    assert np.max(np.abs(by_shift - central)) <= 1e-5 * np.max(np.abs(central))


def test_all_statuses_have_a_remedy():
    assert all(status.remedy.endswith(".") for status in FluxStatus)
