import libsbml
import numpy as np
import pytest
from sbml_models import sbml

import graycell as gc
from graycell.errors import InputError, ModelError
from graycell.exchange import sbml_text
from graycell.exchange.reading import imported
from graycell.modelfiles import build, parse_model_file

pytestmark = pytest.mark.ode

CULTURE = """
format = 1
name = "small culture"
about = "With <, & and everything that can be written"
source = "none"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells", initial = 0.5 }
GLC = { initial = 30 }
ANTI = { unit = "g/L", role = "product", initial = 0 }
[inputs]
temperature = { unit = "degC", default = 36 }
[variables]
age = { derivative = "VCD", unit = "1e9 cells*d/L" }
cold = { target = "max(0, (T_ref - temperature) / step)", rate = "k_cold", unit = "1" }
pool = { loop = "growth * tau", turnover_time = "tau", initial = 1.0 }
shifts = { derivative = "0 * k_cold", initial = 0 }
[definitions]
mu = "mu_max * monod(GLC, K) * inhibition(age, K_age, 2) * arrhenius(temperature, E, T_ref) * (1 - 0.1 * min(1, cold))"
warmth = "kelvin(temperature) / kelvin(T_ref)"
[reactions]
growth = { equation = "=> VCD", rate = "mu" }
glucose = { equation = "GLC =>", rate = "(mu / Y + m * sigmoid(pool)) * hill(GLC, K, 2)" }
product = { equation = "=> ANTI", rate = "q_p * growth * gaussian(cold, 1, 3) * haldane(GLC, K, Ki) * warmth" }
decay = { equation = "GLC =>", rate = "k_decay * GLC * inhibition(GLC, K)", volumetric = true }
[triggers]
late = { when = "time > t_late && VCD > few", set = { GLC = "GLC + 20 * K", shifts = "shifts + 1" }, priority = "2" }
[observables]
titer = { formula = "ANTI", unit = "mg/L" }
glucose_mass = { formula = "GLC * M", unit = "g/L" }
[parameters]
mu_max = { value = 0.03, unit = "1/h" }
K = { value = 0.5, unit = "mmol/L", estimated = false }
Ki = { value = 100, unit = "mmol/L", estimated = false }
step = { value = 1, unit = "degC", estimated = false }
t_late = { value = 72, unit = "h", estimated = false }
few = { value = 1, unit = "1e6 cells/mL", estimated = false }
K_age = { value = 30, unit = "1e9 cells*d/L" }
E = { value = 60, unit = "kJ/mol", estimated = false }
T_ref = { value = 37, unit = "degC", estimated = false }
Y = { value = 0.5, unit = "1e9 cells/mmol" }
m = { value = 0.3, unit = "mmol/(1e9 cells)/d" }
q_p = { value = 20, unit = "mg/(1e9 cells)" }
k_cold = { value = 1, unit = "1/d" }
k_decay = { value = 0.001, unit = "1/h" }
tau = { value = 0.1, unit = "d" }
M = { value = 180.16, unit = "g/mol", estimated = false }
"""


def trajectory(file, names, times, initial=None):
    run = gc.CultureRun("r", 1.0, initial or {}, end=float(times[-1]), initial_temperature=36.0)
    found = gc.simulate(build(file), run, gc.SolverSettings(rtol=1e-9, atol=1e-10), save_at=times, throw=True)
    return np.stack([np.asarray(found[name]) for name in names], axis=1)


def errors_of(text):
    document = libsbml.readSBMLFromString(text)
    document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
    document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    return [error.getMessage() for error in errors if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR]


@pytest.fixture(scope="module")
def culture():
    return parse_model_file(CULTURE)


def test_a_culture_that_is_written_and_read_has_the_same_trajectory(culture):
    times = np.linspace(0.0, 6.0, 13)
    written = sbml_text(culture, {"cold": 0.3})
    again = imported(written.encode(), "culture.xml").file
    names = ["VCD", "GLC", "age", "cold", "pool", "shifts"]
    first = trajectory(culture, names, times, {"cold": 0.3})
    np.testing.assert_allclose(trajectory(again, names, times), first, rtol=1e-6, atol=1e-9)
    assert first[-1, -1] == 1.0
    # formulas are in mg/L, the file in g/L
    product = trajectory(culture, ["ANTI"], times, {"cold": 0.3})
    np.testing.assert_allclose(trajectory(again, ["ANTI"], times), 1000.0 * product, rtol=1e-6, atol=1e-9)


def test_what_is_written_is_valid_sbml(culture):
    assert errors_of(sbml_text(culture)) == []


def test_units_are_written_where_sbml_has_them(culture):
    document = libsbml.readSBMLFromString(sbml_text(culture))
    model = document.getModel()
    assert model.getParameter("mu_max").getValue() == pytest.approx(0.72)
    unit = model.getUnitDefinition(model.getParameter("mu_max").getUnits()).getUnit(0)
    assert (unit.getExponent(), unit.getMultiplier()) == (-1, 86400.0)
    assert model.getParameter("T_ref").getUnits() == ""
    assert model.getSpecies("VCD").getSubstanceUnits() == "unit_cells_e9"


def test_functions_of_culture_kinetics_are_defined(culture):
    model = libsbml.readSBMLFromString(sbml_text(culture)).getModel()
    ids = {one.getId() for one in model.getListOfFunctionDefinitions()}
    assert {
        "monod",
        "inhibition",
        "inhibition_hill",
        "hill",
        "haldane",
        "gaussian",
        "sigmoid",
        "arrhenius",
        "kelvin",
    } == ids


def test_what_a_run_must_give_has_no_value_until_it_is_given():
    file = parse_model_file(CULTURE.replace(", initial = 0.5 }", " }"))
    assert not libsbml.readSBMLFromString(sbml_text(file)).getModel().getSpecies("VCD").isSetInitialConcentration()
    assert imported(sbml_text(file, {"VCD": 2.0}).encode(), "c.xml").file.species["VCD"].initial == 2.0


def test_an_unknown_initial_value_is_refused(culture):
    with pytest.raises(ModelError, match="'GLUC' is no species"):
        sbml_text(culture, {"GLUC": 1.0})


def test_learned_laws_are_refused():
    file = parse_model_file(CULTURE.replace('rate = "mu" }', 'law = { kind = "black", inputs = ["GLC"] } }'))
    with pytest.raises(InputError, match="learned laws of growth"):
        sbml_text(file)


def test_a_flux_projection_is_refused():
    from graycell.models import model_file

    with pytest.raises(InputError, match="a network with a flux projection"):
        sbml_text(model_file("nolan-lee"))


def test_an_algebraic_loop_is_refused():
    file = parse_model_file(CULTURE.replace('turnover_time = "tau"', 'turnover_time = "tau", closure = "algebraic"'))
    with pytest.raises(InputError, match="the algebraic loop 'pool'"):
        sbml_text(file)


@pytest.mark.parametrize(
    "parts",
    [
        {"compartments": {"C": 2.0}, "reactions": {"J": ({"A": 1.0}, {"B": 2.0}, "k * A * C")}},
        {"compartments": {"C": {"size": 2.0, "constant": False}}, "rates": {"C": "0.1 * C"},
         "reactions": {"J": ({"A": 1.0}, {"B": 2.0}, "k * A * C")}},
        {"reactions": {"J": ({"A": 1.0}, {"B": {"id": "n", "constant": False}}, "k * A")},
         "assigned": {"n": "1 + time"}},
        {"reactions": {"J": ({"A": 1.0}, {"B": 2.0}, "k * A")},
         "events": {"E": {"when": "A < 3", "set": {"A": "A + 5", "B": "0"}}}},
    ],
    ids=["size", "growing", "stoichiometry", "event"],
)  # fmt: skip
def test_what_was_imported_is_written_and_read_with_the_same_trajectory(parts):
    first = imported(sbml(**{"species": {"A": 10.0, "B": 0.0}, "parameters": {"k": 0.5}, **parts}), "a.xml").file
    again = imported(sbml_text(first).encode(), "b.xml").file
    times = np.linspace(0.0, 5.0, 6)
    wanted = trajectory(first, ["A", "B"], times)
    np.testing.assert_allclose(trajectory(again, ["A", "B"], times), wanted, rtol=1e-7, atol=1e-9)
