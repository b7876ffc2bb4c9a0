"""Every problem gets an answer with a status: certified optima, and a rule for each awkward case."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell import projection
from graycell.cell.flux import FluxStatus, SoftWeights, prepare, project_fluxes
from graycell.cell.network import MetabolicNetwork, Reaction
from graycell.errors import ModelError
from graycell.models.nolan_lee import published_network

KINETIC = ("v1", "v2", "v3", "v8", "v9", "v10", "v11", "v12", "v13", "v16", "v17", "v33")
NETWORK = published_network()
LAYER = prepare(NETWORK, KINETIC, SoftWeights(0.05))
CHAIN = MetabolicNetwork.from_reactions([Reaction("in", "A_ext => A"), Reaction("out", "A => B_ext")])
BRANCH = MetabolicNetwork.from_reactions(
    [Reaction("in", "A_ext => A"), Reaction("b", "A => B_ext"), Reaction("c", "A => C_ext")]
)


_solve = jax.jit(jax.vmap(lambda w, s: LAYER(w, variance=s)))


def solved(kinetic_rates, variance):
    """Solve problems in batches of one size, so that the projection is compiled once for the tests of this file."""
    rows, size = len(kinetic_rates), 500
    padded = [np.resize(np.asarray(part), (-(-rows // size) * size, 12)) for part in (kinetic_rates, variance)]
    batches = [_solve(*(part[i : i + size] for part in padded)) for i in range(0, len(padded[0]), size)]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:rows], *batches)


def awkward(count, seed):
    """Kinetic rates and variances: near a culture's, of all sizes and signs, at zero, at a kink, of unlike weights."""
    random = np.random.default_rng(seed)
    near = np.array([0.6, 0.8, 0.1, 0.3, -0.05, 0.15, 0.08, 0.02, 0.01, 0.4, 0.03, 0.06])
    kinetic_rates = np.empty((count, 12))
    variance = np.empty((count, 12))
    kinds = 5
    for kind in range(kinds):
        part = slice(kind, None, kinds)
        size = len(kinetic_rates[part])
        noise = random.normal(size=(size, 12))
        kinetic_rates[part] = near * np.exp(0.3 * noise)
        if kind == 1:
            kinetic_rates[part] = noise * 10.0 ** random.uniform(-6.0, 5.0, (size, 1))
        if kind == 2:
            kinetic_rates[part] *= random.choice([0.0, 1e-6, -1e-6, 1.0], size=(size, 12))
        if kind == 3:  # balanced to begin with, then a little off: most bounds are met with multipliers near 0
            fluxes = solved(noise, noise**2 + 0.05**2).fluxes
            kinetic_rates[part] = fluxes[:, [NETWORK.index(name) for name in KINETIC]] * (1.0 + 1e-9 * noise)
        variance[part] = kinetic_rates[part] ** 2 + 0.05**2
        if kind == 4:
            variance[part] = 10.0 ** random.uniform(-6.0, 6.0, (size, 12))
    return kinetic_rates, variance


def certified(kinetic_rates, variance, active):
    """Return the optimum on an active set in extended precision, and by how much it fails to be the optimum.

    The second is the larger of: a bound that is missed, in units of the largest flux; a multiplier of wrong sign,
    in units of the largest.
    """
    full = np.asarray(LAYER.unshifted_map)[:, [KINETIC.index(name) for name in LAYER.basis]].astype(np.longdouble)
    kinetic = full[[NETWORK.index(name) for name in KINETIC]]
    bounds = full[list(LAYER.lower_index)][active]
    weight = 1.0 / variance.astype(np.longdouble)
    n, m = full.shape[1], len(bounds)
    system = np.zeros((n + m, n + m + 1), np.longdouble)
    system[:n, :n] = (kinetic.T * weight) @ kinetic
    system[:n, n : n + m], system[n:, :n] = -bounds.T, bounds
    system[:n, -1] = (kinetic.T * weight) @ kinetic_rates.astype(np.longdouble)
    scale = np.r_[1.0 / np.sqrt(np.diag(system[:n, :n])), np.ones(m)]
    system = scale[:, None] * system * np.r_[scale, 1.0][None]
    for k in range(n + m):  # numpy's solver knows float64 only
        pivot = k + int(np.argmax(np.abs(system[k:, k])))
        system[[k, pivot]] = system[[pivot, k]]
        system[k] /= system[k, k]
        others = np.arange(n + m) != k
        system[others] -= system[others, k][:, None] * system[k][None]
    solution = system[:, -1] * scale
    fluxes, multipliers = full @ solution[:n], solution[n:]
    missed = np.max(-fluxes[list(LAYER.lower_index)], initial=0.0) / np.max(np.abs(fluxes))
    wrong = np.max(-multipliers, initial=0.0) / np.max(np.abs(multipliers), initial=1e-30)
    return fluxes.astype(float), float(max(missed, wrong))


def test_awkward_problems_are_solved_to_a_relative_error_of_1e_8_of_a_certified_optimum():
    kinetic_rates, variance = awkward(2500, 3)
    solutions = solved(kinetic_rates, variance)
    assert np.all(np.asarray(solutions.status) == FluxStatus.solved)
    errors, certificates = [], []
    for w, s, v, active in zip(
        kinetic_rates, variance, *map(np.asarray, (solutions.fluxes, solutions.active)), strict=True
    ):
        if np.any(v):
            reference, certificate = certified(w, s, active)
            errors.append(np.max(np.abs(v - reference)) / np.max(np.abs(reference)))
            certificates.append(certificate)
    assert len(errors) > 2400
    assert np.max(certificates) < 1e-8
    assert np.max(errors) < 1e-8
    assert np.mean(np.sum(np.asarray(solutions.active), axis=1)) > 0.5


def test_one_batch_may_hold_every_kind_of_problem():
    lower, upper = jnp.asarray(CHAIN.lower), jnp.asarray(CHAIN.upper)
    network = CHAIN.with_bounds("out", 0.0, 10.0)
    layer = prepare(network, ["in", "out"], SoftWeights(0.0))
    kinetic_rates = jnp.array([[1.0, 2.0], [1.0, 2.0], [np.nan, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    lowers = jnp.stack([lower, lower.at[0].set(2.0), lower, lower.at[0].set(np.nan), lower - np.inf, lower])
    uppers = jnp.stack([upper, upper.at[1].set(1.0), upper, upper, upper, upper.at[1].set(0.5)])
    solve = jax.jit(jax.vmap(lambda w, low, high: layer(w, lower=low, upper=high)))
    solutions = solve(kinetic_rates, lowers, jnp.where(jnp.isinf(uppers), 10.0, uppers))
    names = [FluxStatus(int(status)).name for status in solutions.status]
    assert names == ["solved", "infeasible", "not_finite", "not_finite", "solved", "solved"]
    assert np.all(np.isfinite(np.asarray(solutions.fluxes)))
    assert np.allclose(solutions.fluxes[np.array([0, 4])], 1.2, atol=1e-12)
    assert np.allclose(solutions.fluxes[1], 1.5, atol=1e-8)
    assert np.allclose(solutions.fluxes[5], 0.5, atol=1e-12)


def test_where_bounds_contradict_each_other_the_least_slack_is_reported_by_name():
    layer = prepare(CHAIN.with_bounds("in", 2.0, np.inf).with_bounds("out", 0.0, 1.0), ["in", "out"])
    solution = jax.jit(lambda w: layer(w))(jnp.array([1.0, 1.0]))
    assert int(solution.status) == FluxStatus.infeasible
    assert np.asarray(solution.bound_slack) == pytest.approx([0.5, 0.0, 0.5], abs=1e-8)
    assert float(solution.violation) == pytest.approx(0.5, abs=1e-8)
    assert "in >= its bound, by 0.5; out <= its bound, by 0.5" in layer.explain(solution)
    fine = layer(jnp.array([1.0, 1.0]), lower=jnp.array([0.0, 0.0]), upper=jnp.array([np.inf, 5.0]))
    assert layer.explain(fine) == "solved: The fluxes are the nearest to the kinetic rates."


def test_bounds_of_a_culture_that_contradict_each_other_report_every_slack_at_once():
    """Glucose uptake at least 1 and all ways of its carbon closed: the sum of squares is distributed over the ways."""
    network = NETWORK.with_bounds("v1", 1.0, np.inf).with_bounds("v20", 0.0, 0.5)
    layer = prepare(network, KINETIC)
    solution, names = layer(jnp.full(12, 0.3)), layer.bound_names
    assert int(solution.status) == FluxStatus.infeasible
    assert float(solution.violation) > 0.1
    assert np.all(np.isfinite(solution.fluxes))
    assert "Relax the bounds" in FluxStatus.infeasible.remedy
    relaxed = {name for name, amount in zip(names, np.asarray(solution.bound_slack), strict=True) if amount > 1e-6}
    assert {"v1", "v20"} <= relaxed
    inside = NETWORK.stoichiometry[~NETWORK.is_external]
    assert np.max(np.abs(inside @ np.asarray(solution.fluxes))) < 1e-9


def test_undetermined_directions_stay_next_to_the_reference():
    """Only the sum of b and c is measured; their difference is the reference's as far as c >= 0 allows."""
    kinetic_rates = jnp.array([2.0, 1.0, 0.4])
    fluxes = jax.vmap(lambda w: project_fluxes(BRANCH, {"in": w}, {"in": 1.0}, reference={"b": 0.6}).fluxes)(
        kinetic_rates
    )
    expected = [[w, (w + 0.6) / 2.0, (w - 0.6) / 2.0] for w in (2.0, 1.0)]
    assert np.allclose(fluxes[:2], expected, atol=1e-12)
    assert np.allclose(fluxes[2], [0.4, 0.4, 0.0], atol=1e-12)
    solution = project_fluxes(BRANCH, {"in": 1.0})
    assert int(solution.status) == FluxStatus.not_unique
    assert np.allclose(solution.fluxes, [1.0, 0.5, 0.5], atol=1e-12)


def test_smoothing_keeps_inside_the_bounds_and_goes_to_the_exact_fluxes():
    kinetic_rates, variance = awkward(200, 5)
    keep = np.arange(200) % 5 == 0  # the sizes of a culture
    kinetic_rates, variance = jnp.asarray(kinetic_rates[keep] * np.array([1.0, -1.0] * 6)), jnp.asarray(variance[keep])

    @jax.jit
    def solve(smoothing):  # one after the other: a batch takes longer to compile
        each = lambda problem: LAYER(problem[0], variance=problem[1], smoothing=smoothing)  # noqa: E731
        return jax.lax.map(each, (kinetic_rates, variance))

    exact, off = solve(1e-12), []
    assert np.mean(np.sum(np.asarray(exact.active), axis=1)) > 2.0
    for smoothing in (1e-3, 1e-5, 1e-7):
        smooth = solve(smoothing)
        assert np.all(np.asarray(smooth.status) == FluxStatus.solved)
        assert np.min(np.asarray(smooth.fluxes)[:, list(LAYER.lower_index)]) > 0.0
        off.append(float(jnp.max(jnp.abs(smooth.fluxes - exact.fluxes))))
    assert off[0] > 5.0 * off[1] > 25.0 * off[2]
    assert off[2] < 1e-3


def test_smoothing_without_an_inside_is_reported():
    network = CHAIN.with_bounds("in", 1.0, 1.0)
    solution = jax.jit(lambda w: project_fluxes(network, {"in": w}, smoothing=1e-3))(2.0)
    assert int(solution.status) == FluxStatus.not_converged
    assert np.allclose(solution.fluxes, 1.0)


def test_float32_keeps_four_digits():
    kinetic_rates, variance = awkward(1000, 9)
    keep = np.arange(1000) % 5 == 0
    kinetic_rates, variance = jnp.asarray(kinetic_rates[keep]), jnp.asarray(variance[keep])
    single = _solve(kinetic_rates.astype(jnp.float32), variance.astype(jnp.float32))
    double = solved(kinetic_rates, variance)
    assert single.fluxes.dtype == jnp.float32
    assert np.all(np.asarray(single.status) == FluxStatus.solved)
    largest = np.max(np.abs(np.asarray(double.fluxes)), axis=1, keepdims=True)
    assert np.max(np.abs(np.asarray(single.fluxes) - np.asarray(double.fluxes)) / largest) < 1e-4


def test_many_surplus_relations_give_what_few_unknowns_give(monkeypatch):
    """All reactions are kinetic: 24 surplus relations. The programme may be stated in two ways."""
    layer = prepare(NETWORK, NETWORK.names)
    assert len(layer.surplus) == 24
    assert layer.directions.shape[1] == 0
    random = np.random.default_rng(1)
    drawn = random.uniform(0.0, 1.0, (64, 12))
    rates = solved(drawn, drawn**2 + 0.05**2).fluxes
    kinetic_rates = jnp.asarray(rates + 0.1 * random.normal(size=rates.shape))

    def solve():  # without the compiled call of the layer, which would not be traced again
        return jax.jit(jax.vmap(lambda w: layer._solve(w, jnp.asarray(0.0), *4 * (None,), False, False)))(kinetic_rates)

    by_coordinates = solve()
    monkeypatch.setattr(projection, "_FEW_RELATIONS", 24)
    by_rates = solve()
    assert np.all(np.asarray(by_coordinates.status) == FluxStatus.solved)
    assert np.allclose(by_coordinates.fluxes, by_rates.fluxes, atol=1e-10)
    one, other = np.asarray(by_coordinates.active), np.asarray(by_rates.active)
    assert np.max(np.sum(one, axis=1)) >= 4
    # where more bounds meet than are independent, rounding decides which of them are the active ones
    assert np.mean(np.all(one == other, axis=1)) > 0.95
    assert np.all(np.sum(one, axis=1) == np.sum(other, axis=1))
    bounded = np.asarray(by_coordinates.fluxes)[:, [NETWORK.index(name) for name in layer.bound_names]]
    assert np.max(np.abs(bounded[one | other])) < 1e-10


def test_weights_by_name_may_leave_out_and_hold():
    kinetic_rates = {"in": 1.0, "out": 3.0}
    left_out = project_fluxes(CHAIN, kinetic_rates, {"in": 0.0, "out": 2.0}).fluxes
    held = project_fluxes(CHAIN, kinetic_rates, {"in": np.inf, "out": 2.0}).fluxes
    assert np.allclose(left_out, 3.0, rtol=1e-9)
    assert np.allclose(held, 1.0, rtol=1e-9)
    assert np.allclose(project_fluxes(CHAIN, kinetic_rates, SoftWeights(1e6)).fluxes, 2.0, rtol=1e-9)


def test_names_that_do_not_fit_are_errors():
    with pytest.raises(ModelError, match="'out' has no weight"):
        project_fluxes(CHAIN, {"in": 1.0, "out": 1.0}, {"in": 1.0})
    with pytest.raises(ModelError, match="'out' has no kinetic rate"):
        project_fluxes(CHAIN, {"in": 1.0}, {"in": 1.0, "out": 1.0})
    with pytest.raises(ModelError, match="v99"):
        project_fluxes(CHAIN, {"v99": 1.0})
