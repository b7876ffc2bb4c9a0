import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.closures import Algebraic, Dynamic, LoopControl, LoopStatus, close_algebraic
from graycell.cell.rates import Conditions, Constant, FluxRatio, FluxValue, Named, RateLaw
from graycell.cell.variables import LoopVariable
from graycell.model import CultureModel, CultureState, Surroundings
from graycell.numerics.roots import rest_point
from graycell.reactor import Flows

RATIO = FluxRatio((("v1", 2.0), ("v16", 0.6391)), (("v34", 1.0),))


def ratio(fluxes):
    return RATIO(Conditions({}, fluxes=Named(("v1", "v16", "v34"), fluxes)))


def with_loop(target, closure):
    """A model of one reaction of rate 3 with one loop x."""
    return CultureModel(
        reactions={"growth": "GLC => VCD"},
        rates={"growth": Constant(3.0)},
        parameters={"tau": 0.1},
        variables={"x": LoopVariable(target, closure)},
    )


def at_rest(x):
    return CultureState(jnp.ones(2), jnp.ones(()), jnp.full(1, x))


def surroundings(**control):
    flows = Flows(jnp.zeros(1), jnp.zeros(()), jnp.zeros(()))
    return Surroundings(jnp.zeros(0), flows, jnp.zeros((1, 2)), LoopControl(**control))


def test_the_ratio_is_nadh_made_over_nadh_carried():
    assert float(ratio(jnp.array([1.0, 0.5, 2.0]))) == pytest.approx((2.0 + 0.5 * 0.6391) / 2.0, rel=1e-14)


def test_the_published_ratio_takes_its_coefficients_from_the_network(published):
    assert published.loops == ("R",)
    target = published.variables[published.variable_names.index("R")].target
    assert dict(target.made) == {"v1": 2.0, "v16": 0.6391}
    assert dict(target.used) == {"v34": 1.0}


@pytest.mark.parametrize("carried", [0.0, 1e-300, -1.0])
def test_a_vanishing_shuttle_gives_the_ceiling_and_finite_derivatives(carried):
    fluxes = jnp.array([1.0, 0.0, carried])
    assert float(ratio(fluxes)) == 50.0
    assert np.all(np.isfinite(jax.grad(ratio)(fluxes)))


def test_the_pool_relaxes_to_the_ratio_with_its_turnover_time():
    model = with_loop(FluxValue("growth"), Dynamic())

    def change(**control):
        return float(model.derivative(at_rest(1.0), surroundings(**control)).variables[0])

    assert change() == pytest.approx(20.0)
    assert change(measured=jnp.full(1, 9.0)) == pytest.approx(20.0)
    assert change(measured=jnp.full(1, 9.0), gain=5.0) == pytest.approx(20.0 + 40.0)


def test_a_cell_that_does_nothing_has_the_ratio_zero():
    assert float(ratio(jnp.zeros(3))) == 0.0
    assert np.all(np.isfinite(jax.grad(ratio)(jnp.zeros(3))))


def three_roots(x):
    """Of slope -2, 1, -2 at its roots 1, 2, 3."""
    return -(x - 1.0) * (x - 2.0) * (x - 3.0)


@pytest.mark.parametrize(("start", "root"), [(-4.0, 1.0), (1.9, 1.0), (2.1, 3.0), (40.0, 3.0), (2.0, 2.0)])
def test_the_pool_comes_to_rest_at_the_first_root_in_the_direction_of_the_gap(start, root):
    found, status = rest_point(three_roots, jnp.array(start))
    assert float(found) == pytest.approx(root, rel=1e-14)
    assert int(status) == LoopStatus.solved


@pytest.mark.parametrize(
    ("gap", "status"),
    [
        (lambda x: jnp.where(x < 1.0, 1.0, -1.0), LoopStatus.no_root),
        (lambda x: 1.0 + 0.0 * x, LoopStatus.not_converged),
        (lambda x: x * jnp.nan, LoopStatus.not_finite),
    ],
)
def test_a_loop_without_a_root_has_a_status_with_a_remedy(gap, status):
    found = rest_point(gap, jnp.array(0.0))[1]
    assert int(found) == status
    assert not LoopStatus(int(found)).usable
    assert LoopStatus(int(found)).remedy.endswith(".")


def test_the_root_has_the_derivatives_of_the_implicit_function_in_both_modes_and_twice():
    def root(p):
        return rest_point(lambda x: jnp.cos(p * x) - x, jnp.array(1.0))[0]

    p, step = 1.3, 1e-4
    first = float(jax.grad(root)(p))
    assert first == pytest.approx(float(root(p + step) - root(p - step)) / (2.0 * step), rel=1e-5)
    assert float(jax.jvp(root, (p,), (1.0,))[1]) == pytest.approx(first, rel=1e-12)
    second = (jax.grad(root)(p + step) - jax.grad(root)(p - step)) / (2.0 * step)
    assert float(jax.grad(jax.grad(root))(p)) == pytest.approx(float(second), rel=1e-5)


def test_a_loop_of_two_variables_is_closed_with_its_derivatives():
    @jax.jit
    def root(p):
        def gap(x):
            return jnp.array([p * x[1] / (1.0 + x[1]) - x[0], 2.0 * x[0] ** 2 / (0.5 + x[0] ** 2) - x[1]])

        found, status = rest_point(gap, jnp.array([1.0, 1.0]))
        return found, (gap(found), status)

    found, (left, status) = root(1.5)
    assert int(status) == LoopStatus.solved
    assert np.max(np.abs(left)) <= 1e-10
    assert np.all(found > 0.5)  # not the root at zero
    central = (root(1.5 + 1e-6)[0] - root(1.5 - 1e-6)[0]) / 2e-6
    for derivative in (jax.jacfwd, jax.jacrev):
        assert np.allclose(jax.jit(derivative(root, has_aux=True))(1.5)[0], central, rtol=1e-5)


def test_roots_map_over_a_batch():
    starts = jnp.array([-4.0, 1.9, 2.1, 40.0])
    found, status = jax.jit(jax.vmap(lambda one: rest_point(three_roots, one)))(starts)
    assert np.allclose(found, [1.0, 1.0, 3.0, 3.0], rtol=1e-14)
    assert np.all(np.asarray(status) == LoopStatus.solved)


class Lost(RateLaw):
    """A target x'(x) whose roots at 2 and 3 are gone."""

    def __call__(self, at):
        x = at.variable("x")
        return x + three_roots(x) - 1.0


def test_where_the_branch_ends_x_is_the_state_on_its_way_and_the_status_says_so():
    closure = Algebraic(memory=0.01, trust=0.25)

    def gap(x):  # the roots at 2 and 3 are gone
        return three_roots(x) - 1.0

    near, far = (close_algebraic((closure,), gap, jnp.full(1, x)) for x in (0.8, 3.0))
    assert LoopStatus(int(near.status)) is LoopStatus.solved
    assert float(near.values[0]) == float(near.rest[0])
    assert LoopStatus(int(far.status)) is LoopStatus.branch_ended
    assert float(far.values[0]) == 3.0
    model = with_loop(Lost(), closure)
    closed = model.close(at_rest(3.0), surroundings())
    assert LoopStatus(int(closed.status)) is LoopStatus.branch_ended
    assert float(closed.rest[0]) == pytest.approx(float(far.rest[0]), rel=1e-12)
    assert float(closed.values[0]) == 3.0
    change = model.derivative(at_rest(3.0), surroundings()).variables[0]
    assert float(change) == pytest.approx((float(far.rest[0]) - 3.0) / 0.01)
    assert float(model.after_event(at_rest(3.0), surroundings()).variables[0]) == float(closed.rest[0])
