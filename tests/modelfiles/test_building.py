"""Models that are built from files: units in their own unit outside and coherent inside, and every kind of entry."""

import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.closures import Dynamic
from graycell.errors import InputError, ModelError
from graycell.modelfiles import build, definition_of, parse_model_file

pytestmark = pytest.mark.ode
DAYS = np.linspace(0.0, 4.0, 9)
EXACT = gc.SolverSettings(rtol=1e-9, atol=1e-10)


def model(text, parameters=""):
    return build(parse_model_file("format = 1\n" + text), parameters)


def simulated(text, initial, parameters="", **run):
    described = gc.CultureRun("run", 1.0, initial, **{"end": 4.0, **run})
    return gc.simulate(model(text, parameters), described, EXACT, save_at=DAYS).require_finished()


COHERENT = """
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
dead = { unit = "1e9 cells/L", role = "dead cells", initial = 0.1 }
GLC = { unit = "mmol/L", formula = "C6H12O6" }
ANTI = { unit = "mg/L", role = "product", initial = 10 }
[variables]
eaten = { derivative = "uptake * VCD", unit = "mmol/L" }
age = { derivative = "1 - age * k_d", unit = "d" }
[definitions]
late = "piecewise(1, time > t_late, 0.5)"
[reactions]
growth = { equation = "=> VCD", rate = "mu * monod(GLC, K)" }
death = { equation = "VCD => dead", rate = "k_d * late" }
uptake = { equation = "GLC =>", rate = "q * monod(GLC, K)" }
decay = { equation = "GLC =>", rate = "k_d * GLC / 10", volumetric = true }
product = { equation = "=> ANTI", rate = "q_p * late" }
[observables]
sugar = { formula = "GLC", unit = "g/L" }
titer = { formula = "ANTI", unit = "g/L" }
[parameters]
mu = { value = 0.72, unit = "1/d" }
K = { value = 2, unit = "mmol/L" }
k_d = { value = 0.12, unit = "1/d" }
q = { value = 2.4, unit = "mmol/(1e9 cells)/d" }
q_p = { value = 24, unit = "mg/(1e9 cells)/d" }
t_late = { value = 1.5, unit = "d" }
"""
OTHER_UNITS = [
    ('"1e9 cells/L", role = "viable', '"1e6 cells/L", role = "viable', "VCD", 1e3),
    ('"1e9 cells/L", role = "dead cells", initial = 0.1', '"cells/mL", role = "dead cells", initial = 1e5', "dead",
     1e6),
    ('"mmol/L", formula', '"umol/L", formula', "GLC", 1e3),
    ('"mg/L", role = "product", initial = 10', '"g/L", role = "product", initial = 0.01', "ANTI", 1e-3),
    ('"uptake * VCD", unit = "mmol/L"', '"uptake * VCD", unit = "umol/mL"', "eaten", 1.0),
    ('k_d", unit = "d"', 'k_d", unit = "h"', "age", 24.0),
    ('0.72, unit = "1/d"', '0.03, unit = "1/h"', None, 1.0),
    ('2, unit = "mmol/L"', '2e-3, unit = "mol/L"', None, 1.0),
    ('2.4, unit = "mmol/(1e9 cells)/d"', '0.1, unit = "pmol/cell/h"', None, 1.0),
    ('24, unit = "mg/(1e9 cells)/d"', '24, unit = "pg/cell/d"', None, 1.0),
    ('1.5, unit = "d"', '36, unit = "h"', None, 1.0),
]
"""A unit, another one, the quantity whose unit it is, and what its numbers are multiplied by."""


def test_a_model_in_other_units_is_the_same_model():
    initial = {"VCD": 0.5, "GLC": 20.0}
    first = simulated(COHERENT, initial)
    text, factors = COHERENT, {}
    for old, new, quantity, factor in OTHER_UNITS:
        if quantity == "dead":
            continue  # beside cells in another unit the factor would be hidden
        assert old in text
        text = text.replace(old, new)
        factors[quantity] = factor
    text = text.replace('"1e9 cells/L", role = "dead cells", initial = 0.1',
                        '"1e6 cells/L", role = "dead cells", initial = 100')
    factors |= {"dead": 1e3}
    other = simulated(text, {name: value * factors[name] for name, value in initial.items()})
    for name in ("VCD", "dead", "GLC", "ANTI", "eaten", "age"):
        assert np.allclose(np.asarray(other[name]), factors[name] * np.asarray(first[name]), rtol=2e-7), name
    for name in ("viability", "TCD", "sugar", "titer"):
        assert np.allclose(np.asarray(other[name]), np.asarray(first[name]), rtol=2e-7), name
    assert np.allclose(np.asarray(other.viable_cell_density), np.asarray(first.viable_cell_density), rtol=2e-7)


def test_a_trajectory_is_that_of_the_equations_written_by_hand():
    found = simulated(COHERENT, {"VCD": 0.5, "GLC": 20.0})
    by_hand = gc.CultureModel(
        species={"dead": gc.Species("1e9 cells/L", 0.1), "ANTI": gc.Species("mg/L", 10.0)},
        reactions={"growth": "=> VCD", "death": "VCD => dead", "uptake": "GLC =>", "decay": "GLC =>",
                   "product": "=> ANTI"},
        definitions={"late": gc.Formula("piecewise(1, time > 1.5, 0.5)")},
        variables={"time": gc.Clock()},
        rates={
            "growth": gc.Rate("mu") * gc.Monod("GLC", "K"), "death": 0.12 * gc.Formula("late"),
            "uptake": 2.4 * gc.Monod("GLC", "K"), "decay": gc.Volumetric(0.012 * gc.Concentration("GLC")),
            "product": 24.0 * gc.Formula("late"),
        },
        parameters={"mu": 0.72, "K": 2.0},
    )  # fmt: skip
    run = gc.CultureRun("run", 1.0, {"VCD": 0.5, "GLC": 20.0}, end=4.0)
    expected = gc.simulate(by_hand, run, EXACT, save_at=DAYS).require_finished()
    for name in ("VCD", "dead", "GLC", "ANTI"):
        assert np.allclose(np.asarray(found[name]), np.asarray(expected[name]), rtol=1e-7), name


def test_observables_are_in_their_unit_and_follow_from_the_molar_mass():
    found = simulated(COHERENT.replace("[observables]",
                                       '[observables]\npercent = { formula = "VCD / (VCD + dead)", unit = "%" }'),
                      {"VCD": 0.5, "GLC": 20.0})  # fmt: skip
    assert np.allclose(found["sugar"], 0.180156 * np.asarray(found["GLC"]))
    assert np.allclose(found["titer"], 1e-3 * np.asarray(found["ANTI"]))
    assert np.allclose(found["percent"], 100.0 * np.asarray(found["viability"]))
    assert found.model.unit("sugar") == "g/L"


def test_viability_and_total_cells_follow_from_the_roles():
    found = simulated(COHERENT, {"VCD": 0.5, "GLC": 20.0})
    cells = np.asarray(found["VCD"]) + np.asarray(found["dead"])
    assert np.allclose(found["TCD"], cells)
    assert np.allclose(found["viability"], np.asarray(found["VCD"]) / cells)
    total = COHERENT.replace("dead cells", "total cells").replace("VCD => dead", "VCD =>")
    built = model(total)
    assert "TCD" not in built.quantities
    at = built.evaluate(jnp.array([2.0 if name == "dead" else 1.0 for name in built.species]))
    assert float(at.observables[built.observable_names.index("viability")]) == 0.5
    own = COHERENT.replace("[observables]", "[observables]\nviability = 'VCD / VCD'")
    assert model(own).observable_names.count("viability") == 1


def test_time_in_a_formula_is_a_clock_that_is_exact_at_every_saved_time():
    found = simulated(COHERENT, {"VCD": 0.5, "GLC": 20.0})
    assert isinstance(found.model.variables[found.model.variable_names.index("time")], gc.Clock)
    assert np.array_equal(np.asarray(found["time"]), DAYS)
    assert "time" not in model(COHERENT.replace("time > t_late", "mu > k_d").replace("t_late", "#")).variable_names


def test_a_variable_relaxes_to_its_target_at_its_rate():
    text = """
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
[inputs]
temperature = { unit = "degC", default = 37 }
[variables]
lag = { target = "T_0 + temperature / 2", rate = "k", unit = "degC" }
[reactions]
growth = { equation = "=> VCD", rate = "k * lag / T_0" }
[parameters]
T_0 = { value = 10, unit = "degC", estimated = false }
k = { value = 0.05, unit = "1/h", estimated = false }
"""
    found = simulated(text, {"VCD": 1.0}, events=(gc.Setpoint(2.0, 31.0),))
    after = np.maximum(DAYS - 2.0, 0.0)
    expected = np.where(DAYS > 2.0, 25.5 + 3.0 * np.exp(-1.2 * after), 28.5)
    assert np.allclose(found["lag"], expected, atol=1e-9)


LOOP = """
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { unit = "mmol/L" }
[reactions]
growth = { equation = "=> VCD", rate = "mu" }
uptake = { equation = "GLC =>", rate = "q / (1 + pool)" }
[variables]
pool = { loop = "uptake / q", turnover_time = "tau", initial = 0.8 }
[parameters]
mu = { value = 0.1, unit = "1/d" }
q = { value = 1, unit = "mmol/(1e9 cells)/d" }
tau = { value = 0.1, unit = "d" }
"""


def test_a_loop_is_closed_over_its_turnover_time():
    found = simulated(LOOP, {"VCD": 1.0, "GLC": 30.0})
    by_hand = gc.CultureModel(
        reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        rates={"growth": 0.1, "uptake": gc.Rate("q") / (1.0 + gc.VariableValue("pool"))},
        parameters={"q": 1.0, "tau": 0.1},
        variables={"pool": gc.LoopVariable(gc.FluxValue("uptake"), Dynamic("tau"), 0.8)},
    )
    run = gc.CultureRun("run", 1.0, {"VCD": 1.0, "GLC": 30.0}, end=4.0)
    expected = gc.simulate(by_hand, run, EXACT, save_at=DAYS).require_finished()
    assert np.allclose(found["pool"], expected["pool"], rtol=1e-8)
    golden = (np.sqrt(5.0) - 1.0) / 2.0  # pool = 1 / (1 + pool)
    assert float(found["pool"][-1]) == pytest.approx(golden, rel=1e-6)


def test_a_set_of_parameters_takes_the_place_of_the_own_values():
    text = COHERENT + "[sets]\nfast = { mu = 1.44, K = 1 }\n"
    assert model(text).table["mu"].value == 0.72
    fast = model(text, "fast")
    assert (fast.table["mu"].value, fast.table["K"].value, fast.table["q"].value) == (1.44, 1.0, 2.4)
    assert fast.table["mu"].bounds == model(text).table["mu"].bounds
    with pytest.raises(ModelError, match="model 'model' has no parameter set 'fats'; did you mean 'fast'"):
        model(text, "fats")


BIOMASS = """
[species]
BIOM = {{ unit = "mmol/L" }}
GLC = {{ unit = "mmol/L" }}
{cells}
[reactions]
growth = {{ equation = "=> BIOM", rate = "q / 4", meaning = "per cell" }}
uptake = {{ equation = "GLC =>", rate = "q" }}
[parameters]
q = {{ value = 1, unit = "mmol/(1e9 cells)/d" }}
per_cell = {{ value = 2, unit = "mmol/(1e9 cells)", estimated = false }}
"""


@pytest.mark.parametrize(
    "cells", ['[cells]\nspecies = "BIOM"\nbiomass_per_cell = "per_cell"', ""], ids=["a table", "a formula"]
)
def test_cells_may_be_a_table_or_a_formula(cells):
    head = "" if cells else 'cells = "BIOM / per_cell"\n'
    found = simulated(head + BIOMASS.format(cells=cells), {"BIOM": 1.0, "GLC": 20.0})
    assert np.allclose(found.viable_cell_density, np.asarray(found["BIOM"]) / 2.0, rtol=1e-9)
    assert np.allclose(found["BIOM"], np.exp(0.125 * DAYS), rtol=1e-7)


NETWORK = """
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { unit = "mmol/L" }
LAC = { unit = "mmol/L" }
[inputs]
temperature = { unit = "degC", default = 37 }
[variables]
cold = { target = "piecewise(1, temperature < T_cold, 0)", rate = "k" }
[network]
uptake = { equation = "GLC_ext => 2 PYR", rate = "q * monod(GLC, K)" }
ldh = { equation = "PYR => LAC_ext", rate = "1.5 * uptake", upper = 3.2 }
growth = { equation = "0.1 PYR => VCD_ext", shifted = "0.2 PYR => VCD_ext" }
vent = "PYR => CO2_ext"
[projection]
reference = { vent = 0.01 }
gases = ["CO2"]
shift = "cold"
softening = 0.02
[parameters]
q = { value = 2, unit = "pmol/cell/d" }
K = { value = 1, unit = "mmol/L" }
k = { value = 5, unit = "1/d", estimated = false }
T_cold = { value = 35, unit = "degC", estimated = false }
"""


def test_a_network_is_projected_as_the_model_by_hand_is():
    built = model(NETWORK)
    by_hand = gc.CultureModel(
        network=[
            gc.Reaction("uptake", "GLC_ext => 2 PYR"), gc.Reaction("ldh", "PYR => LAC_ext"),
            gc.Reaction("growth", "0.1 PYR => VCD_ext", "", "0.2 PYR => VCD_ext"),
            gc.Reaction("vent", "PYR => CO2_ext"),
        ],
        species={"VCD": "1e9 cells/L"}, inputs={"temperature": gc.Input("degC", 37.0)},
        rates={"uptake": gc.Rate("q") * gc.Monod("GLC", "K"), "ldh": gc.Proportional("uptake", "share")},
        parameters={"q": 2.0, "K": 1.0, "k": 5.0, "share": 1.5}, gases=["CO2"], reference={"vent": 0.01},
        variables={"cold": gc.RelaxingVariable(gc.Formula("piecewise(1, temperature < 35, 0)"), gc.Rate("k"))},
        weights=gc.SoftWeights(0.02), stoichiometry_weight="cold",
    )  # fmt: skip
    assert float(built.network.upper[built.network.index("ldh")]) == 3.2
    for cold in (0.0, 1.0):
        for glucose in (0.2, 20.0):
            values = {"GLC": glucose, "LAC": 3.0, "VCD": 1.0}
            fluxes = [one.evaluate(jnp.array([values[name] for name in one.species]), {"cold": cold}).fluxes
                      for one in (built, by_hand)]  # fmt: skip
            assert np.all(np.asarray(fluxes[0]) > -1e-9)
            if float(fluxes[1][1]) < 3.2:
                assert np.allclose(*map(np.asarray, fluxes), atol=1e-9)
            else:
                assert float(fluxes[0][1]) <= 3.2 + 1e-9


def test_uptake_of_a_network_is_limited_by_a_clearance():
    limited = NETWORK.replace("softening = 0.02", 'softening = 0.02\nclearance = "CL"')
    limited += 'CL = { value = 0.5, unit = "L/(1e9 cells)/d" }\n'
    built = model(limited)
    at = jnp.array([{"GLC": 0.4, "LAC": 0.0, "VCD": 1.0}[name] for name in built.species])
    assert float(built.evaluate(at).fluxes[0]) == pytest.approx(0.2, abs=1e-6)


def test_rates_and_definitions_may_use_each_other_in_any_order_of_the_file():
    text = """
[reactions]
lactate = { equation = "=> LAC", rate = "2 * uptake * share" }
uptake = { equation = "GLC =>", rate = "specific * monod(GLC, K)" }
[definitions]
share = "uptake / (uptake + specific)"
specific = "q * warm"
warm = "1 + 0 * q / q"
[parameters]
q = { value = 1, unit = "mmol/L/d" }
K = { value = 1, unit = "mmol/L" }
[species]
LAC = "mmol/L"
GLC = "mmol/L"
"""
    text = text.replace('* share"', '* share", volumetric = true').replace('K)"', 'K)", volumetric = true')
    built = model(text)
    at = built.conditions(jnp.array([3.0, 0.0] if built.species[0] == "GLC" else [0.0, 3.0]))
    assert float(at.rates["uptake"]) == 0.75
    assert float(at.rates["lactate"]) == pytest.approx(2 * 0.75 * 0.75 / 1.75)
    assert built.cells is None


def test_units_that_nothing_converts_are_asked_for():
    weighed = BIOMASS.format(cells='[cells]\nspecies = "BIOM"\nbiomass_per_cell = "per_cell"')
    for text, place in (
        (LOOP.replace('0.1, unit = "d"', '2.4, unit = "h"'), "variables.pool.turnover_time: found 'tau' in h"),
        (weighed.replace('2, unit = "mmol/(', '2, unit = "mol/('),
         "cells.biomass_per_cell: found 'per_cell' in mol/(1e9 cells)"),
        (COHERENT.replace('"1e9 cells/L", role = "dead', '"cells/mL", role = "dead'),
         "reactions.death.equation: found species in 1e9 cells/L and cells/mL"),
    ):  # fmt: skip
        with pytest.raises(InputError) as raised:
            model(text)
        assert [place in str(finding) for finding in raised.value.findings] == [True]


def test_without_checked_units_numbers_are_used_as_they_are():
    plain = model("check_units = false\n" + COHERENT.replace('0.72, unit = "1/d"', '0.72, unit = "1/h"'))
    assert float(plain.conditions(jnp.full(4, 2.0)).rates["growth"]) == pytest.approx(0.36)
    assert float(model(COHERENT.replace('0.72, unit = "1/d"', '0.72, unit = "1/h"')).conditions(
        jnp.full(4, 2.0)).rates["growth"]) == pytest.approx(0.36 * 24)  # fmt: skip


def test_equal_files_are_equal_models_and_learned_laws_are_left_out():
    assert model(COHERENT) == model(COHERENT)
    assert hash(model(COHERENT)) == hash(model(COHERENT))
    learned = COHERENT.replace('rate = "q_p * late"', 'law = { inputs = ["GLC"] }')
    rates = definition_of(parse_model_file("format = 1\n" + learned))["rates"]
    assert rates["product"].value == 1.0
