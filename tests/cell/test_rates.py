import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.rates import Between, Conditions, Inhibition, Monod, Product, Rate, Sum
from graycell.errors import ModelError
from graycell.models.nolan_lee import parameter_table, rate_laws

CONCENTRATIONS = {
    "GLC": 40.0, "LAC": 12.0, "GLN": 2.0, "GLU": 1.5, "NH3": 1.2, "ASN": 9.0, "ASP": 2.5, "ALA": 3.0, "SER": 7.0,
    "GLY": 3.5, "CYSTINE": 0.9,
}  # fmt: skip
VALUES = parameter_table().values()


def kinetic_rates(width, concentrations, redox, cold, values):
    table = {name: jnp.asarray(value, jnp.float64) for name, value in values.items()}
    species = {name: jnp.asarray(value, jnp.float64) for name, value in concentrations.items()}
    variables = {"R": jnp.asarray(redox, jnp.float64), "shift": jnp.asarray(cold, jnp.float64)}
    at = Conditions(species, variables, parameters=table)
    for reaction, law in rate_laws(width):
        at = at._replace(rates={**at.rates, reaction: law(at)})
    return at.rates


def published_rates(c, R, p, k):
    """The rate laws of Nolan & Lee (2011) written out once more, in their own form, as the known answer."""

    def tc(name):
        return (1 - p) + p * k[name]

    e1, e17 = (1 - p) * k["exp1a"] + p * k["exp1b"], (1 - p) * k["exp17a"] + p * k["exp17b"]
    w = {}
    x = c["GLC"] / k["Km1"]
    w["v1"] = k["vmax1f"] / tc("TC1b") * x / (1 + x) / (1 + (c["LAC"] / k["Ki1"]) ** e1)
    x = c["LAC"] / k["Km2"]
    w["v2"] = k["vmax2"] * (R - 1) * (1.0 if R >= 1 else x / (1 + x))
    a, s = c["ALA"] / k["Km3b"], (c["GLC"] / k["Km3c"] if R > 1 else c["LAC"] / k["Km3a"])
    w["v3"] = (k["vmax3f"] * s - k["vmax3r"] * a) / (1 + s + a)
    if w["v3"] < 0:
        w["v3"] = -k["vmax3r"] / tc("TC3b") * a / (1 + a)
    for i, amide, acid in ((8, "GLN", "GLU"), (10, "ASN", "ASP")):
        q, u, n = c[amide] / k[f"Km{i}a"], c[acid] / k[f"Km{i}b"], c["NH3"] / k[f"Km{i}c"]
        forward, reverse = k[f"vmax{i}f"] / tc(f"TC{i}b"), k[f"vmax{i}r"] / (tc("TC10b") if i == 10 else 1.0)
        w[f"v{i}"] = (forward * q - reverse * u * n) / (1 + q + u + n + u * n)
    w["v11"] = k["vmax11"] * w["v10"]
    n = c["NH3"] / k["Km9"]
    w["v9"] = (k["vmax9f"] * w["v3"] * n - k["vmax9r"] * w["v11"]) / (1 + n)
    x = c["CYSTINE"] / k["Km13"]
    w["v13"] = ((1 - p) * R + p) * k["vmax13"] * x / (1 + x)
    q, s, g = c["GLN"] / k["Km16a"], c["ASN"] / k["Km16b"], c["GLC"] / k["Km16c"]
    warm, cold = q * s / (1 + q + s + q * s), s * g / (1 + s + g + s * g)
    w["v16"] = k["vmax16"] / tc("TC16b") * ((1 - p) * warm + p * cold)
    q, u = c["SER"] / k["Km12a"], c["GLY"] / k["Km12b"]
    w["v12"] = (k["vmax12f"] * w["v16"] * q - k["vmax12r"] * u**2) / (1 + q + u + u**2)
    w["v17"] = k["vmax17"] / (1 + (c["LAC"] / k["Ki17"]) ** e17)
    w["v33"] = k["vmax33a"] * w["v8"] + k["vmax33b"] * w["v11"]
    return w


@pytest.mark.parametrize("redox", [4.0, 1.2, 1.0, 0.7])
@pytest.mark.parametrize("cold", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("alanine", [0.5, 30.0], ids=["alanine made", "alanine used"])
def test_laws_without_width_are_the_published_ones(redox, cold, alanine):
    concentrations = {**CONCENTRATIONS, "ALA": alanine}
    found = kinetic_rates(0.0, concentrations, redox, cold, VALUES)
    expected = published_rates(concentrations, redox, cold, VALUES)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("redox", [0.5, 2.0])
def test_a_narrow_switch_tends_to_the_published_step(redox):
    narrow = kinetic_rates(1e-3, CONCENTRATIONS, redox, 1.0, VALUES)
    sharp = kinetic_rates(0.0, CONCENTRATIONS, redox, 1.0, VALUES)
    assert all(float(narrow[name]) == pytest.approx(float(sharp[name]), rel=1e-12) for name in sharp)


VARIED = [name for name in VALUES if name not in ("tau", "shift_rate", "biomass_per_cell")]


def rates(logs, redox):
    values = {**VALUES, **dict(zip(VARIED, jnp.exp(logs), strict=True))}
    return jnp.stack(list(kinetic_rates(0.05, CONCENTRATIONS, redox, 0.4, values).values()))


by_parameters, at_parameters = jax.jit(jax.jacfwd(rates)), jax.jit(rates)


@pytest.mark.parametrize("redox", [0.8, 1.0, 1.03])
def test_derivatives_by_every_parameter_are_those_of_central_differences(redox):
    """Around the smooth switch too; relative to the largest derivative of the law."""
    start = jnp.log(jnp.array([VALUES[name] for name in VARIED]))
    exact = np.asarray(by_parameters(start, redox))
    steps = np.eye(len(VARIED)) * 1e-6
    ends = [[at_parameters(start + sign * step, redox) for step in steps] for sign in (1.0, -1.0)]
    central = (np.stack(ends[0], axis=1) - np.stack(ends[1], axis=1)) / 2e-6
    assert np.all(np.abs(exact - central) <= 1e-5 * np.max(np.abs(central), axis=1, keepdims=True) + 1e-12)


def test_nothing_is_nan_where_everything_is_used_up():
    empty = dict.fromkeys(CONCENTRATIONS, -1e-3)
    found = kinetic_rates(0.05, empty, 0.9, 0.5, VALUES)
    assert all(np.isfinite(float(value)) for value in found.values())


def test_laws_compose():
    at = Conditions({"GLC": jnp.array(10.0)}, parameters={"k": jnp.array(10.0), "vmax": jnp.array(4.0)})
    monod = Monod("GLC", "k")
    assert float(Product((Rate("vmax"), monod))(at)) == 2.0
    assert float(Sum((monod, monod, monod))(at)) == 1.5
    assert float((Rate("vmax") * monod)(at)) == 2.0
    assert float((monod + monod + monod)(at)) == 1.5
    assert float((Rate("vmax") / (1.0 + monod) - 2.0 * monod)(at)) == pytest.approx(4.0 / 1.5 - 1.0, rel=1e-15)


def test_an_unknown_species_is_named_with_the_nearest_one():
    one = jnp.array(1.0)
    at = Conditions({"GLC": one}, {"shift": one}, parameters={"Ki": one})
    with pytest.raises(ModelError, match="did you mean 'GLC'"):
        Monod("GLCC", "k")(at)
    with pytest.raises(ModelError, match="parameter 'a'"):
        Inhibition("GLC", "Ki", Between(Rate("a"), Rate("b")))(at)
    with pytest.raises(ModelError, match="variable 'shft' is not known to the model; did you mean 'shift'"):
        Between(Monod("GLC", "Ki"), Monod("GLC", "Ki"), weight="shft")(at)
