"""Claims of docs/inconsistency.md, computed anew and compared with docs/inconsistency.json.

Those about fits are in tests/inference/test_fitting.py; those about tau and tolerances in tests/simulation and
tests/diagnosis.
"""

import importlib
import json
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.closures import Lagged
from graycell.diagnosis.equations import structure_of
from graycell.simulation.branches import OperatingPoints, fixed_points

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STORED = json.loads((ROOT / "docs" / "inconsistency.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lagged(run):
    """The published scheme with the refit parameters, by step [d]."""
    fed = gc.published_feed(run)
    return {
        step: gc.simulate(gc.nolan_lee(closure=Lagged(step), parameters="refit"), fed) for step in (0.1, 0.05, 0.025)
    }


def at_day(trajectory, days):
    rows = [int(np.argmin(np.abs(trajectory.time - day))) for day in days]
    return OperatingPoints.of(trajectory, rows)


def end(trajectory, species):
    return float(trajectory.concentrations[-1, trajectory.model.species.index(species)])


def coefficients(relation):
    """Return a surplus relation without the words for the temperature."""
    return re.sub(r"\([^:]*: ", "(", relation)


@pytest.mark.parametrize("name", ["nolan-lee", "nolan-lee-extended"])
def test_both_networks_have_two_equations_too_many_and_these_relations(name):
    found, stored = structure_of(gc.model_of(name)), STORED["equations"][name]
    assert found.surplus == stored["surplus"] == 2
    assert [coefficients(str(relation)) for relation in found.relations] == list(map(coefficients, stored["relations"]))
    assert [law for law, free in found.free_without.items() if free] == stored["not unique without"] == ["v10"]


def test_v1_jumps_at_r_1_with_published_weights_and_not_with_soft_ones(lagged):
    here, redox = at_day(lagged[0.05], [STORED["v1"]["day"]]), jnp.array([1.0 - 1e-8, 1.0, 1.0 + 1e-8])
    ranges = []
    for name, weights in (("1/w^2", gc.PublishedWeights()), ("soft", gc.SoftWeights())):
        model = gc.nolan_lee(parameters="refit", weights=weights)
        c, shift = jnp.asarray(here.concentrations[0]), here.variables[0, model.variable_names.index("shift")]
        variables = jax.vmap(lambda r, shift=shift, model=model: model.variable_vector({"R": r, "shift": shift}))(redox)
        fluxes = jax.vmap(lambda x, c=c, model=model: model.evaluate(c, x).fluxes)(variables)
        v1 = np.asarray(fluxes[:, model.reactions.index("v1")])
        middle = [STORED["v1"][name][STORED["v1"]["R"].index(ratio)] for ratio in (1.0 - 1e-8, 1.0, 1.0 + 1e-8)]
        assert np.allclose(v1, middle, rtol=1e-6)
        ranges.append(np.ptp(v1) / np.max(v1))
    assert ranges[0] > 0.2
    assert ranges[1] < 1e-6


def test_the_answer_of_the_published_scheme_depends_on_its_step(lagged):
    found = [end(lagged[step], "LAC") for step in (0.1, 0.05, 0.025)]
    assert np.allclose(found, STORED["steps"]["LAC"][:3], atol=0.05)
    assert np.ptp(found) > 5.0


def test_three_fixed_points_follow_the_shift_and_lagging_leaves_a_steep_one_where_lactate_is_made(lagged):
    stored = STORED["maps"]
    days = [day for day in stored["day"] if day > 3.0]
    for name, model in (("published", lagged[0.05].model), ("soft", gc.nolan_lee(parameters="refit"))):
        points = fixed_points(model, at_day(lagged[0.05], days))
        for k, day in enumerate(days):
            here = points.point == k
            row = stored["day"].index(day)
            assert np.allclose(points.loop_value[here], stored[name]["points"][row], atol=1e-3)
            assert points.stable_if_dynamic[here].tolist() == [True, False, True]
            assert points.stable_if_lagged[here].tolist() == [True, False, day == 8.0]


def test_the_ratio_above_1_is_what_lactate_serine_and_cystine_leave_of_the_shuttle(lagged):
    """R' - 1 = (v2 + v12 + v13)/v34, and v12 and v13 cannot be negative: the barrier at R = 1.

    The published R' counts 0.64 for v16, which makes 0.6391.
    """
    trajectory, model = lagged[0.05], lagged[0.05].model
    flux = {name: trajectory.fluxes[:, model.reactions.index(name)] for name in ("v2", "v12", "v13", "v16", "v34")}
    inside = trajectory.loop_target < 49.0
    above = (flux["v2"] + flux["v12"] + flux["v13"] + (0.64 - 0.6391) * flux["v16"]) / flux["v34"]
    assert np.allclose(trajectory.loop_target[inside] - 1.0, above[inside], atol=1e-6)
    lower = model.network.lower
    assert lower[model.network.index("v12")] == lower[model.network.index("v13")] == 0.0


def test_no_well_posed_closure_takes_the_refit_to_where_lactate_is_used(run):
    one = gc.simulate(gc.nolan_lee(parameters="refit"), run)
    stored = STORED["closures"]["paths"]
    assert end(one, "LAC") == pytest.approx(stored["dynamic, tau 0.1 d"]["LAC"], abs=1e-3)
    limit = gc.simulate(gc.nolan_lee(parameters="refit", closure=gc.Algebraic()), run)
    assert end(limit, "LAC") == pytest.approx(stored["algebraic"]["LAC"], abs=1e-3)
    assert np.min(one.loop_value) > 1.0
    assert np.min(limit.loop_value) > 1.0
    assert limit.jumps == ()
    measured = np.array(STORED["closures"]["measured"]["R"])
    assert np.min(measured) < 1.0


def test_the_orders_are_those_of_the_code_that_is_here(monkeypatch):
    module = importlib.import_module("inconsistency")
    monkeypatch.setattr(module, "ORDER_STEPS", (0.008, 0.004))
    monkeypatch.setattr(module, "ORDER_METHODS", {"Heun": module.ORDER_METHODS["Heun"]})
    monkeypatch.setattr(module, "WELL_POSED", {"dynamic": module.WELL_POSED["dynamic"]})
    coarse, fine = module.orders()["dynamic"]["Heun"]
    assert np.log2(coarse / fine) == pytest.approx(2.0, abs=0.05)
    assert coarse == pytest.approx(STORED["orders"]["dynamic"]["Heun"][0], rel=1e-3)
