"""Derivatives of the layer: exact on the active set, in both modes, mapped, at kinks, twice, inside a solver."""

from dataclasses import replace

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.flux import FluxStatus, SoftWeights, prepare, project_fluxes
from graycell.cell.network import MetabolicNetwork, Reaction
from graycell.models.nolan_lee import published_network

KINETIC = ("v1", "v2", "v3", "v8", "v9", "v10", "v11", "v12", "v13", "v16", "v17", "v33")
UPPER = ("v1", "v4", "v16", "v20", "v33")
"""Reactions that get an upper bound on top of the network's lower ones."""
NETWORK = published_network()
for _name in UPPER:
    NETWORK = NETWORK.with_bounds(_name, NETWORK.lower[NETWORK.index(_name)], 2.0)
LAYER = prepare(NETWORK, KINETIC, SoftWeights(0.05))
ENTRIES = np.argwhere((NETWORK.stoichiometry != 0.0) & (np.abs(NETWORK.stoichiometry) != 1.0))
"""Coefficients of the stoichiometry that are no whole molecule: biomass, product, P/O ratios."""
PROBLEMS, STEP = 1000, 1e-5
CHAIN = MetabolicNetwork.from_reactions([Reaction("in", "A_ext => A"), Reaction("out", "A => B_ext")])


def fluxes(kinetic_rates, variance, bounds, coefficients):
    entries = jnp.asarray(NETWORK.stoichiometry).at[ENTRIES[:, 0], ENTRIES[:, 1]]
    layer = LAYER.with_stoichiometry(entries.multiply(coefficients, unique_indices=True))
    lower, upper = NETWORK.lower + bounds[0], NETWORK.upper + bounds[1]
    # the bounds allow zero flux; those that may contradict the balances have a test of their own
    solution = layer(kinetic_rates, variance=variance, lower=lower, upper=upper, rest_allowed=True)
    return solution.fluxes, solution.active, solution.status


@pytest.fixture(scope="module")
def problems():
    """Problems with two or three active bounds on average, and a direction for every kind of input."""
    random = np.random.default_rng(11)

    def normal(*shape):
        return random.normal(size=(PROBLEMS, *shape))

    count = len(NETWORK.names)
    at = (
        normal(12),
        10.0 ** random.uniform(-2.0, 1.0, (PROBLEMS, 12)),
        (-0.05 * np.abs(normal(count)), 0.05 * np.abs(normal(count))),
        np.exp(0.03 * normal(len(ENTRIES))),
    )
    along = (normal(12), at[1] * normal(12), (normal(count), normal(count)), at[3] * normal(len(ENTRIES)))
    return jax.tree.map(jnp.asarray, (at, along))


@pytest.fixture(scope="module")
def evaluate():
    """Fluxes, active bounds and status; forward: the fluxes' change along a direction; reverse: the gradient of a
    weighted sum, along the direction. One function, so that the projection is compiled once."""

    def both(at, along, weight):
        found, forward, rest = jax.linearize(lambda *x: (lambda v, *other: (v, other))(*fluxes(*x)), *at, has_aux=True)
        gradient = jax.linear_transpose(forward, *at)(weight)
        products = jax.tree.map(lambda a, b: jnp.sum(a * b), gradient, along)
        return found, *rest, forward(*along), sum(jax.tree.leaves(products))

    return jax.jit(jax.vmap(both))


@pytest.mark.parametrize("kind", [0, 1, 2, 3], ids=["kinetic rates", "weights", "bounds", "stoichiometry"])
def test_derivatives_of_a_thousand_problems_are_those_of_central_differences(problems, evaluate, kind):
    at, every = problems
    along = tuple(part if i == kind else jax.tree.map(jnp.zeros_like, part) for i, part in enumerate(every))
    weight = jnp.asarray(np.random.default_rng(kind).normal(size=(PROBLEMS, len(NETWORK.names))))
    plus, active, status, *_ = evaluate(jax.tree.map(lambda a, b: a + STEP * b, at, along), along, weight)
    minus, before, *_ = evaluate(jax.tree.map(lambda a, b: a - STEP * b, at, along), along, weight)
    assert np.all(np.asarray(status) == FluxStatus.solved)
    away = np.all(np.asarray(active) == np.asarray(before), axis=1)  # no kink within the step
    assert np.mean(away) > 0.98
    assert np.mean(np.sum(np.asarray(active), axis=1)) > 1.0
    differences = np.asarray(plus - minus) / (2.0 * STEP)
    forward, reverse = (np.asarray(part) for part in evaluate(at, along, weight)[3:])
    size = np.max(np.abs(differences), axis=1) + 1e-3
    assert np.max((np.max(np.abs(forward - differences), axis=1) / size)[away]) <= 1e-5
    paired = np.sum(np.asarray(weight) * forward, axis=1)
    terms = np.sum(np.abs(np.asarray(weight) * forward), axis=1) + 1e-3
    assert np.max(np.abs(reverse - paired) / terms) <= 1e-9


def one_by_one(function):
    """Map a function over the first axis, one after the other: a batch takes longer to compile."""
    return jax.jit(lambda x: jax.lax.map(function, x))


def central(function, at, step):
    """Central differences of a function that is mapped over the first axis, at points (n, k): (n, k, ...)."""
    moved = step * jnp.eye(at.shape[1])[None]
    ends = [function((at[:, None] + sign * moved).reshape(-1, at.shape[1])) for sign in (1.0, -1.0)]
    return ((ends[0] - ends[1]) / (2.0 * step)).reshape(*at.shape, *ends[0].shape[1:])


def test_derivatives_where_bounds_may_contradict_the_balances_are_those_of_central_differences():
    """By bounds, rates and weights of the chain: a bound binds, or none, or two that contradict each other."""
    network = CHAIN.with_bounds("out", 0.0, 10.0)

    def flux(x):
        lower, upper = jnp.array([x[0], 0.0]), jnp.array([jnp.inf, x[1]])
        rates, weights = {"in": x[2], "out": x[3]}, {"in": x[4], "out": x[5]}
        solution = project_fluxes(network, rates, weights, lower=lower, upper=upper)
        return solution.fluxes[0], (solution.fluxes[0], solution.status)

    def both(x):  # one function, so that the projection is compiled once
        _, forward, found = jax.linearize(flux, x, has_aux=True)
        return jax.vmap(forward)(jnp.eye(6)), jax.linear_transpose(forward, x)(1.0)[0], *found

    evaluate = jax.jit(jax.vmap(both))
    bounds, others = [[1.0, 2.0], [0.1, 0.2], [0.1, 2.0], [1.0, 0.5]], [0.3, 0.9, 1.0, 2.0]
    at = jnp.array([[*pair, *others] for pair in bounds])
    forward, reverse, fluxes, status = evaluate(at)
    # the bound that binds, the weighted mean of the rates, the mean of bounds that contradict each other
    assert np.allclose(fluxes, [1.0, 0.2, 0.7, 0.75], atol=1e-8)
    assert status.tolist() == [FluxStatus.solved] * 3 + [FluxStatus.infeasible]
    ends = [
        jnp.stack([evaluate(at + sign * 1e-5 * step[None])[2] for step in jnp.eye(6)], axis=1) for sign in (1.0, -1.0)
    ]
    differences = (ends[0] - ends[1]) / 2e-5
    assert np.allclose(forward, differences, atol=1e-6)
    assert np.allclose(reverse, forward, atol=1e-9)


def test_at_a_kink_the_derivative_is_that_of_the_side_where_the_bound_does_not_bind():
    """The flux of the chain is max(w, 0); its one-sided derivatives at 0 are 0 and 1."""

    def flux(w):
        return project_fluxes(CHAIN, {"in": w, "out": w}).fluxes[0]

    at = jnp.array([-1e-6, 0.0, 1e-6])
    value, forward, reverse = (one_by_one(f)(at) for f in (flux, jax.jacfwd(flux), jax.grad(flux)))
    assert np.asarray(jnp.diff(value) / 1e-6) == pytest.approx([0.0, 1.0], abs=1e-9)
    assert np.asarray(forward) == pytest.approx([0.0, 1.0, 1.0], abs=1e-12)
    assert np.asarray(reverse) == pytest.approx([0.0, 1.0, 1.0], abs=1e-12)


def test_second_derivatives_are_those_of_central_differences():
    """With soft weights the flux between the bounds is not linear in the kinetic rates; on a bound it is constant."""

    def flux(w):
        return project_fluxes(CHAIN, {"in": w[0], "out": w[1]}).fluxes[0]

    at = jnp.array([[0.5, 1.5], [-0.5, -0.2]])
    differences = central(one_by_one(jax.grad(flux)), at, 1e-5)
    assert np.max(np.abs(differences[0])) > 0.01
    assert np.allclose(jax.jit(jax.vmap(jax.jacfwd(jax.grad(flux))))(at), differences, atol=1e-7)
    assert np.allclose(one_by_one(jax.jacrev(jax.jacfwd(flux)))(at), differences, atol=1e-7)


def test_second_derivatives_by_a_coefficient_of_the_stoichiometry():
    """in: 2 A_ext => c A, out: A => B_ext, equal weights: v_in = (w_in + c w_out)/(1 + c^2)."""

    def flux(c):
        matrix = jnp.asarray(CHAIN.stoichiometry).at[CHAIN.species.index("A"), 0].set(c)
        return project_fluxes(CHAIN, {"in": 1.0, "out": 3.0}, {"in": 1.0, "out": 1.0}, stoichiometry=matrix).fluxes[0]

    expected = jax.grad(jax.grad(lambda c: (1.0 + 3.0 * c) / (1.0 + c**2)))(1.3)
    assert float(jax.jit(jax.grad(jax.grad(flux)))(1.3)) == pytest.approx(float(expected), rel=1e-9)


def pool(p, adjoint):
    """A pool with saturable uptake, secreted at a kinetic rate that falls below 0, so a bound binds."""

    def slope(t, y, p):
        layer = project_fluxes(CHAIN, {"in": p[0] * y / (0.3 + y), "out": p[1] - 0.4 * t})
        return -layer.fluxes[0]

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope), diffrax.Tsit5(), 0.0, 2.0, 0.002, jnp.array(1.0), args=p, adjoint=adjoint
    )
    return solution.ys[0]


@pytest.fixture(scope="module")
def differences_of_the_pool():
    """Central differences, which involve no adjoint."""
    return central(one_by_one(lambda p: pool(p, diffrax.ForwardMode())), jnp.array([[0.8, 0.5]]), 1e-5)[0]


@pytest.mark.parametrize(
    "adjoint",
    [diffrax.RecursiveCheckpointAdjoint(), diffrax.DirectAdjoint(), diffrax.ForwardMode(), diffrax.BacksolveAdjoint()],
    ids=lambda adjoint: type(adjoint).__name__,
)
def test_derivatives_inside_a_solver_of_differential_equations(adjoint, differences_of_the_pool):
    # the backward solve integrates the adjoint equation anew: exact only as its steps go to 0, so they are small
    tolerance = 1e-3 if isinstance(adjoint, diffrax.BacksolveAdjoint) else 1e-5
    differentiate = jax.jacfwd if isinstance(adjoint, diffrax.ForwardMode) else jax.grad
    exact = jax.jit(differentiate(lambda p: pool(p, adjoint)))(jnp.array([0.8, 0.5]))
    assert np.allclose(exact, differences_of_the_pool, rtol=tolerance, atol=tolerance)


def test_derivatives_with_smoothing_are_those_of_central_differences_at_kinks_too():
    def flux(x):
        return project_fluxes(CHAIN, {"in": x[0], "out": x[0] + 0.1}, smoothing=x[1]).fluxes[0]

    def both(x):  # one function, so that the projection is compiled once
        _, forward = jax.linearize(flux, x)
        return jax.vmap(forward)(jnp.eye(2)), jax.linear_transpose(forward, x)(1.0)[0]

    at = jnp.array([[0.3, 1e-3], [0.0, 1e-3], [-0.2, 1e-3]])
    differences = np.asarray(central(one_by_one(flux), at, 1e-6))
    for derivative in jax.jit(jax.vmap(both))(at):
        assert np.asarray(derivative) == pytest.approx(differences, rel=1e-5)


def test_a_rule_of_weights_is_differentiated_with_the_rates():
    def fluxes(softening):
        layer = replace(LAYER, weights=SoftWeights(softening[0]))
        return layer(jnp.linspace(0.05, 0.6, 12)).fluxes

    at = jnp.array([[0.05]])
    differences = central(one_by_one(fluxes), at, 1e-6)[0, 0]
    forward = np.asarray(jax.jit(jax.jacfwd(fluxes))(at[0]))[:, 0]
    assert np.max(np.abs(forward - differences)) <= 1e-5 * np.max(np.abs(differences))
