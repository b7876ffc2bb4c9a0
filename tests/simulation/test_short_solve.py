import diffrax
import diffrax._integrate
import equinox.internal
import jax
import jax.numpy as jnp
import pytest

from graycell.simulation.short_solve import _Shortened, short_solve


@pytest.mark.parametrize("end", [-3.0, 0.0, 1.0, 240.0])
def test_a_hundred_calls_at_once_end_where_a_hundred_roundings_end(end):
    below, shortened = jnp.asarray(end), _Shortened()
    for _ in range(100):
        below = equinox.internal.prevbefore(below)
    at = jnp.asarray(end)
    for _ in range(100):
        at = shortened(at)
    assert end - 2.0 * abs(end - float(below)) <= float(at) <= float(below) or at == end == 0.0


def test_a_solve_has_no_chain_and_no_call_into_python_inside():
    def program():
        term = diffrax.ODETerm(lambda t, y, _: -y)  # a new one each time, of which no trace is kept

        def solve(stop):
            at = diffrax.SaveAt(ts=stop * jnp.linspace(0.0, 1.0, 3))
            return diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, stop, 0.1, jnp.ones(()), saveat=at, throw=False).ys

        return str(jax.make_jaxpr(solve)(2.0))

    whole = program()
    with short_solve():
        short = program()
    assert short.count(" nextafter ") == whole.count(" nextafter ") - 100
    assert "pure_callback[" in whole
    assert "pure_callback[" not in short


def test_diffrax_is_changed_inside_alone():
    with short_solve():
        assert diffrax._integrate.eqxi is not equinox.internal
    assert diffrax._integrate.eqxi is equinox.internal
