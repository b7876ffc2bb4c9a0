"""First the kinetic rates, then the reference: at every size of rates and weights, against exact rational solutions."""

import inspect
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.flux import FluxStatus, SoftWeights, prepare, project_fluxes
from graycell.cell.network import MetabolicNetwork
from graycell.errors import ModelError

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import exact
import small_networks

SUPPLY = MetabolicNetwork.from_reactions({"a": " => X", "b": " => X", "out": "X => "}).with_bounds("a", 0.0, 1.0)
CHAIN = MetabolicNetwork.from_reactions({"in": "A_ext => A", "out": "A => B_ext"})
BRANCH = MetabolicNetwork.from_reactions({"in": "A_ext => A", "b": "A => B_ext", "c": "A => C_ext"})
SIZES = 10.0 ** np.arange(-6.0, 7.0)


def test_one_rate_that_nothing_contradicts_is_met_at_every_size():
    """a <= 1 and b supply out, whose rate alone is kinetic: half and half, until a is full; with both derivatives."""

    def fluxes(rate, bound):
        return project_fluxes(SUPPLY, {"out": rate}, upper={"a": bound}).fluxes

    def both(rate, bound):  # one function, so that the projection is compiled once
        found, forward = jax.linearize(fluxes, rate, bound)
        columns = jnp.stack([forward(1.0, 0.0), forward(0.0, 1.0)])
        return found, columns, jnp.stack([jnp.stack(jax.linear_transpose(forward, rate, bound)(e)) for e in jnp.eye(3)])

    found, forward, reverse = jax.jit(jax.vmap(both, (0, None)))(jnp.asarray(SIZES), 1.0)
    full = SIZES > 2.0
    a = np.where(full, 1.0, SIZES / 2.0)
    off = np.abs(np.asarray(found) - np.stack([a, SIZES - a, SIZES], axis=1))
    assert np.max(off / SIZES[:, None]) < 1e-14
    by_rate = np.where(full[:, None], [0.0, 1.0, 1.0], [0.5, 0.5, 1.0])
    by_bound = np.where(full[:, None], [1.0, -1.0, 0.0], 0.0)
    assert np.allclose(forward, np.stack([by_rate, by_bound], axis=1), atol=1e-12)
    assert np.allclose(reverse, np.stack([by_rate, by_bound], axis=2), atol=1e-12)


@pytest.fixture(scope="module")
def small():
    """Small networks whose rates leave fluxes open, with a function for each: fluxes and derivatives of a problem."""
    random, found = np.random.default_rng(7), []
    while len(found) < 4:
        layer = small_networks.small_layer(random)
        if layer.directions.shape[1] == 0 or not layer.bound_names or len(layer.kinetic) < 2 * (len(found) % 2):
            continue

        def both(at, along, weight, layer=layer):
            def fluxes(rates, variance, lower, upper):
                answer = layer(rates, variance=variance, lower=lower, upper=upper, rest_allowed=True)
                return answer.fluxes, (answer.fluxes, answer.active, answer.status)

            _, forward, rest = jax.linearize(fluxes, *at, has_aux=True)
            gradient = jax.linear_transpose(forward, *at)(weight)
            product = sum(jnp.sum(g * x) for g, x in zip(gradient, along, strict=True))
            return *rest, forward(*along), product

        found.append((layer, jax.jit(jax.vmap(both))))
    return found


def test_small_networks_are_solved_to_1e_8_of_the_exact_solution_at_every_size_of_rates(small):
    random = np.random.default_rng(3)
    worst, count = {True: 0.0, False: 0.0}, 0
    for layer, both in small:
        for family in small_networks.FAMILIES:
            problems = small_networks.small_problems(layer, family, 20, random)
            at = (problems.rates, problems.variance, problems.lower, problems.upper)
            found, _, status, *_ = both(at, at, np.ones_like(problems.lower))
            expected = [exact.project(*given) for given in problems.exact_inputs(layer)]
            fluxes = np.array([each.fluxes for each in expected])
            size = np.maximum(np.max(np.abs(fluxes), axis=1), 1e-8 * np.max(np.abs(problems.rates), axis=1))
            off = np.max(np.abs(np.asarray(found) - fluxes), axis=1) / size
            well_posed = np.max(problems.variance, axis=1) <= 1e8 * np.min(problems.variance, axis=1)
            # a flux that is a rounding of the rates has no more digits than they have
            well_posed &= np.max(np.abs(problems.rates), axis=1) <= 1e7 * np.max(np.abs(fluxes), axis=1)
            for kind in worst:
                worst[kind] = max(worst[kind], float(np.max(off[well_posed == kind], initial=0.0)))
            assert not any(each.unique for each in expected)
            assert np.all(np.asarray(status) == FluxStatus.not_unique)
            count += len(expected)
    assert count == 400
    assert worst[True] < 1e-8
    assert worst[False] < 1e-6


def test_derivatives_on_two_levels_are_those_of_central_differences_at_every_size_of_rates(small):
    random = np.random.default_rng(4)
    compared = 0
    for layer, both in small:
        problems = small_networks.small_problems(layer, "one size of rates, weights over 8 orders", 20, random)
        size = np.max(np.abs(problems.rates), axis=1, keepdims=True)
        lower, upper = (np.where(np.isfinite(part), part, np.sign(part) * 1e3 * size) for part in (
            problems.lower, problems.upper))  # fmt: skip
        at = (problems.rates, problems.variance, lower, upper)
        along = (
            size * random.normal(size=problems.rates.shape),
            problems.variance * random.normal(size=problems.rates.shape),
            # bounds of 0 stay: where several of them meet, moving one is a kink
            np.where(problems.lower < 0.0, np.isfinite(problems.lower) * size * random.normal(size=lower.shape), 0.0),
            np.where(np.isfinite(problems.upper), size * random.normal(size=lower.shape), 0.0),
        )
        weight = random.normal(size=lower.shape)
        step = 1e-6
        ends = [
            both([a + sign * step * b for a, b in zip(at, along, strict=True)], along, weight) for sign in (1.0, -1.0)
        ]
        forward, product = (np.asarray(part) for part in both(at, along, weight)[3:])
        differences = np.asarray(ends[0][0] - ends[1][0]) / (2.0 * step)
        away = np.all(np.asarray(ends[0][1]) == np.asarray(ends[1][1]), axis=1)  # no kink within the step
        largest = np.max(np.abs(differences), axis=1, keepdims=True) + 1e-3 * size
        assert np.max((np.abs(forward - differences) / largest)[away]) < 1e-5
        terms = np.sum(np.abs(weight * forward), axis=1) + 1e-3 * size[:, 0]
        # weights over 8 orders let rounding grow by as many; how much of it shows depends on the processor
        assert np.max(np.abs(product - np.sum(weight * forward, axis=1)) / terms) < 1e8 * np.finfo(float).eps
        compared += int(np.sum(away))
    assert compared > 70


def test_e_coli_core_grows_as_fast_in_any_unit_of_time():
    """A growth of 0.852 1/h on 10 mmol/gDW/h of glucose and 21.8 of oxygen, in rates per hour, day, second and year."""
    network = gc.e_coli_core_network()
    hour = {"GLCpts": 10.0, "O2t": 21.8, "Biomass_Ecoli_core": 0.852}
    place = [network.index(name) for name in hour]
    layer = prepare(network, list(hour), SoftWeights(0.05))
    rates = jnp.asarray([1.0, 24.0, 1.0 / 3600.0, 8766.0])[:, None] * jnp.asarray(list(hour.values()))[None]
    # the need for maintenance has the unit of the rates as well
    solve = jax.jit(jax.vmap(lambda w: layer(w, lower=network.lower * (w[0] / 10.0))))
    answer = solve(rates)
    assert np.all(np.asarray(answer.status) == FluxStatus.not_unique)
    assert np.allclose(np.asarray(answer.fluxes)[:, place], rates, rtol=1e-9)
    same = np.asarray(answer.fluxes) / np.asarray(rates)[:, :1]
    assert np.allclose(same, same[0], atol=1e-9 * np.max(np.abs(same[0])))


def test_float32_has_both_levels_to_four_digits():
    layer = prepare(SUPPLY, ["out"])
    rates = jnp.asarray(SIZES, jnp.float32)[:, None]
    found = jax.jit(jax.vmap(lambda w: layer(w).fluxes))(rates)
    a = np.minimum(1.0, SIZES / 2.0)
    assert found.dtype == jnp.float32
    expected = np.stack([a, SIZES - a, SIZES], axis=1)
    assert np.max(np.abs(np.asarray(found) - expected) / SIZES[:, None]) < 1e-4


def test_second_derivatives_on_two_levels():
    """b is open; where in is limited to u, b - c stays as it is: the flux of b is (w^2 + 0.6)/2, then (u + 0.6)/2."""

    def flux(w):
        return project_fluxes(BRANCH, {"in": w**2}, reference={"b": 0.6}, upper={"in": 4.0}).fluxes[1]

    second = jax.jit(jax.vmap(jax.jacfwd(jax.grad(flux))))(jnp.array([1.0, 1.5, 3.0]))
    assert np.allclose(second, [1.0, 1.0, 0.0], atol=1e-9)


# ------------------------------------------------------------------------------------------ weights and bounds


def test_a_weight_of_0_leaves_a_rate_out_as_if_it_had_not_been_given(small):
    random = np.random.default_rng(9)
    layer = next(layer for layer, _ in small if len(layer.kinetic) > 1)
    problems = small_networks.small_problems(layer, "one size of rates, soft weights", 30, random)
    variance = np.where(random.random(problems.rates.shape) < 0.5, np.inf, problems.variance)
    solve = jax.jit(jax.vmap(lambda w, s, low, high: layer(
        w, variance=s, lower=low, upper=high, rest_allowed=True, may_leave_out=True)))  # fmt: skip
    found = solve(problems.rates, variance, problems.lower, problems.upper)
    expected = [exact.project(*given) for given in replace(problems, variance=variance).exact_inputs(layer)]
    fluxes = np.array([each.fluxes for each in expected])
    size = np.max(np.abs(problems.rates), axis=1, keepdims=True)
    assert np.max(np.abs(np.asarray(found.fluxes) - fluxes) / size) < 1e-9
    unique = [int(status) == FluxStatus.solved for status in found.status]
    assert unique == [each.unique for each in expected]
    assert np.all(np.asarray(found.conflict)[np.isinf(variance)] == 0.0)


@pytest.mark.parametrize(
    ("weights", "expected", "status"),
    [
        ({"in": 1.0, "b": 0.0}, [1.0, 0.8, 0.2], FluxStatus.not_unique),
        ({"in": 0.0, "b": 1.0}, [0.3, 0.3, 0.0], FluxStatus.not_unique),
        ({"in": 0.0, "b": 0.0}, [0.3, 0.3, 0.0], FluxStatus.not_unique),
        ({"in": 1.0, "b": 2.0}, [1.0, 0.3, 0.7], FluxStatus.solved),
        ({"in": np.inf, "b": 0.0}, [1.0, 0.8, 0.2], FluxStatus.not_unique),
        ({"in": -1.0, "b": 1.0}, None, FluxStatus.not_finite),
        ({"in": np.nan, "b": 1.0}, None, FluxStatus.not_finite),
    ],
    ids=str,
)
def test_weights_that_are_plain_and_traced_ones_mean_the_same(weights, expected, status, traced_branch):
    plain = project_fluxes(BRANCH, {"in": 1.0, "b": 0.3}, weights, reference={"b": 0.6})
    for found in (plain, traced_branch(weights)):
        assert int(found.status) == status
        assert np.all(np.isfinite(found.fluxes))
        assert expected is None or np.allclose(found.fluxes, expected, atol=1e-9)


@pytest.fixture(scope="module")
def traced_branch():
    return jax.jit(lambda weights: project_fluxes(BRANCH, {"in": 1.0, "b": 0.3}, weights, reference={"b": 0.6}))


def test_relative_weights_of_rates_from_1e_6_to_1e6_keep_the_small_ones():
    """Two lines, every rate of its own size; in the second one supply and product contradict each other."""
    network = MetabolicNetwork.from_reactions({"a": " => X", "b": " => Y", "c": "X => ", "d": "Y => "})
    rates = {"a": 1e6, "c": 1e6, "b": 1e-6, "d": 2e-6}
    fluxes = project_fluxes(network, rates, {name: rate**-2 for name, rate in rates.items()}).fluxes
    assert np.allclose(fluxes, [1e6, 1.2e-6, 1e6, 1.2e-6], rtol=1e-9)


INF, NAN = np.inf, np.nan
unchecked = inspect.unwrap(project_fluxes)
"""Without the types that these tests check at every call, as users have it."""


@pytest.mark.parametrize(
    ("bounds", "status", "fluxes"),
    [
        ({"upper": {"out": 2.0}}, FluxStatus.solved, [2.0, 2.0]),
        ({"upper": np.array([INF, 2.0])}, FluxStatus.solved, [2.0, 2.0]),
        ({"lower": {"in": 7.0}}, FluxStatus.solved, [7.0, 7.0]),
        ({"lower": {"in": -INF, "out": -INF}, "upper": {"in": INF}}, FluxStatus.solved, [5.0, 5.0]),
        ({"lower": {"in": 2.0}, "upper": {"in": 1.0}}, FluxStatus.infeasible, [1.5, 1.5]),
        ({"lower": {"in": INF}}, FluxStatus.not_finite, None),
        ({"upper": {"in": -INF}}, FluxStatus.not_finite, None),
        ({"upper": np.array([-INF, 1.0])}, FluxStatus.not_finite, None),
        ({"lower": {"out": NAN}}, FluxStatus.not_finite, None),
    ],
    ids=str,
)
def test_bounds_by_name_or_for_all_get_a_status(bounds, status, fluxes):
    found = project_fluxes(CHAIN, {"in": 5.0}, **bounds)
    assert int(found.status) == status
    assert np.all(np.isfinite(found.fluxes))
    assert fluxes is None or np.allclose(found.fluxes, fluxes, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: project_fluxes(CHAIN, {}), "no reaction has a rate law"),
        (lambda: project_fluxes(MetabolicNetwork.from_reactions({}), {"a": 1.0}), "the network has no reactions"),
        (lambda: unchecked(CHAIN, [1.0]), "kinetic rates: found .* by name"),
        (lambda: unchecked(CHAIN, {"in": "fast"}), "kinetic rate of 'in': found 'fast'; a number is needed"),
        (lambda: unchecked(CHAIN, {"in": None}), "kinetic rate of 'in': found None"),
        (lambda: unchecked(CHAIN, {"in": np.ones(2)}), "found an array of shape"),
        (lambda: project_fluxes(CHAIN, {"inn": 1.0}), "did you mean 'in'"),
        (lambda: unchecked(CHAIN, {"in": "1.5"}), "kinetic rate of 'in': found '1.5'"),
        (lambda: unchecked(CHAIN, {"in": 1.0}, [1.0]), "weights: found"),
        (lambda: unchecked(CHAIN, {"in": 1.0}, {"in": "1 a"}), "weight of 'in'"),
        (lambda: project_fluxes(CHAIN, {"in": 1.0}, upper={"ot": 1.0}), "did you mean 'out'"),
        (lambda: project_fluxes(CHAIN, {"in": 1.0}, upper=np.ones(3)), "one bound for each of 2 reactions"),
        (lambda: project_fluxes(CHAIN, {"in": 1.0}, reference={"out": NAN}), "reference of 'out': found nan"),
        (lambda: project_fluxes(CHAIN, {"in": 1.0}, reference={"o": 1.0}), "reaction 'o' is not in the network"),
        (lambda: project_fluxes(CHAIN, {"in": 1.0}, stoichiometry=np.ones((1, 2))), "in the order of network.species"),
        (lambda: CHAIN.with_bounds("in", INF, INF), "bounds of 'in': found inf and inf"),
        (lambda: CHAIN.with_bounds("in", -INF, -INF), "bounds of 'in': found -inf and -inf"),
        (lambda: CHAIN.with_bounds("in", 0.0, NAN), "bounds of 'in': found 0 and nan"),
        (lambda: prepare(replace(CHAIN, lower=np.array([INF, 0.0])), ["in"]), "bounds of 'in': found inf and inf"),
        (lambda: prepare(CHAIN, ["in"])(np.ones(2)), "kinetic rates: found an array of shape"),
        (lambda: prepare(CHAIN, ["in"])(np.ones(1), upper=np.array([1.0, INF])), "no upper bound in the network"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(call, sentence):
    with pytest.raises(ModelError, match=sentence):
        call()
