"""Laws of cultures that die: the values of formulas, derivatives, and a model of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.conditions import Conditions
from graycell.cell.culture_laws import Below
from graycell.formulas import Formula

PARAMETERS = {"K": 20.0, "n": 2.5, "Ki": 60.0, "best": 36.5, "w": 3.0, "E": 6e4, "T0": 37.0, "most": 40.0, "delay": 0.7}
PAIRS = [
    (gc.Hill("LAC", "K", "n"), "hill(LAC, K, n)"),
    (gc.Haldane("LAC", "K", "Ki"), "haldane(LAC, K, Ki)"),
    (gc.Gaussian("temperature", "best", "w"), "gaussian(temperature, best, w)"),
    (gc.Arrhenius("E", "T0"), "arrhenius(temperature, E, T0)"),
    (gc.Arrhenius("E", "T0", cutoff="most"), "arrhenius(temperature, E, T0) * piecewise(1, temperature < most, 0)"),
    (gc.Sigmoid("since", "delay", "w"), "sigmoid((since - delay) / w)"),
    (Below("temperature", "most"), "piecewise(1, temperature < most, 0)"),
]


def conditions(lactate, temperature, since, parameters=PARAMETERS):
    return Conditions({"LAC": jnp.asarray(lactate)}, {"since": jnp.asarray(since)},
                      {"temperature": jnp.asarray(temperature)},
                      {name: jnp.asarray(value) for name, value in parameters.items()})  # fmt: skip


@pytest.mark.parametrize(("law", "formula"), PAIRS)
@pytest.mark.parametrize("point", [(5.0, 33.0, 0.1), (45.0, 37.0, 1.4), (80.0, 41.0, 6.0)])
def test_a_law_has_the_value_of_its_formula(law, formula, point):
    at = conditions(*point)
    assert float(law(at)) == pytest.approx(float(Formula(formula)(at)), rel=1e-14)


@pytest.mark.parametrize(("law", "formula"), PAIRS)
def test_the_derivatives_are_those_of_differences(law, formula):
    names, point = list(PARAMETERS), np.array([25.0, 35.0, 0.9, *PARAMETERS.values()])

    def value(x):
        return law(conditions(x[0], x[1], x[2], dict(zip(names, x[3:], strict=True))))

    slope = np.asarray(jax.grad(value)(jnp.asarray(point)))
    for i in range(len(point)):
        step = 1e-6 * abs(point[i])
        up, down = point.copy(), point.copy()
        up[i], down[i] = up[i] + step, down[i] - step
        difference = (float(value(jnp.asarray(up))) - float(value(jnp.asarray(down)))) / (2.0 * step)
        assert slope[i] == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_a_hill_factor_has_a_finite_derivative_without_its_species():
    assert np.isfinite(jax.grad(lambda c: gc.Hill("LAC", "K", "n")(conditions(c, 37.0, 0.0)))(0.0))


@pytest.mark.ode
def test_cells_that_die_are_found_again_as_dead_or_lysed():
    parts = gc.dying_cells(gc.Rate("mu") * gc.Sigmoid("since", "delay", "w"), gc.Rate("kd"), 0.0)
    model = gc.CultureModel(
        **parts, variables={"since": gc.time_below("most")}, inputs={"temperature": gc.Input("degC", 37.0)},
        parameters={"mu": 0.5, "kd": 0.2, "delay": 1.0, "w": 0.2, "most": 36.0},
    )  # fmt: skip
    run = gc.CultureRun("shifted", 1.0, {"VCD": 2.0, "dead": 0.1}, events=(gc.Setpoint(2.0, 33.0),), end=6.0)
    made = gc.simulate(model, run, save_at=[0.0, 2.0, 3.0, 6.0])
    assert np.asarray(made["since"]) == pytest.approx([0.0, 0.0, 1.0, 4.0], abs=1e-6)
    # before the shift the sigmoid of 0 holds; growth and death are both in the balance of all cells
    growth = 0.5 / (1.0 + np.exp(1.0 / 0.2))
    assert float(made["VCD"][1]) == pytest.approx(2.0 * np.exp((growth - 0.2) * 2.0), rel=1e-5)
    total = np.asarray(made["VCD"]) + np.asarray(made["dead"])
    assert np.asarray(made["TCD"]) == pytest.approx(total)
    assert np.asarray(made["viability"]) == pytest.approx(np.asarray(made["VCD"]) / total)
