import diffrax
import diffrax._integrate
import equinox.internal
import jax
import jax.numpy as jnp
import pytest

from graycell.simulation.short_end import _Shortened, short_end


@pytest.mark.parametrize("end", [-3.0, 0.0, 1.0, 240.0])
def test_a_hundred_calls_at_once_end_where_a_hundred_roundings_end(end):
    below, shortened = jnp.asarray(end), _Shortened()
    for _ in range(100):
        below = equinox.internal.prevbefore(below)
    at = jnp.asarray(end)
    for _ in range(100):
        at = shortened(at)
    assert end - 2.0 * abs(end - float(below)) <= float(at) <= float(below) or at == end == 0.0


def test_a_solve_has_no_chain_inside():
    def steps():
        term = diffrax.ODETerm(lambda t, y, _: -y)  # a new one each time, of which no trace is kept
        solve = lambda stop: diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, stop, 0.1, jnp.ones(()))  # noqa: E731
        return str(jax.make_jaxpr(lambda stop: solve(stop).ys)(2.0)).count(" nextafter ")

    long = steps()
    with short_end():
        assert steps() == long - 100


def test_diffrax_is_changed_inside_alone():
    with short_end():
        assert diffrax._integrate.eqxi is not equinox.internal
    assert diffrax._integrate.eqxi is equinox.internal
