from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_models import monod, pool

import graycell as gc
from graycell.errors import GraycellError, ModelError
from graycell.reporting import (
    conflict_heatmap,
    key_fluxes,
    loop_variables,
    measured_and_simulated,
    residuals,
)
from graycell.reporting.equations.figures import branches_over_time
from graycell.reporting.equations.page import loop_sentence
from graycell.reporting.equations.tables import branches_frame
from graycell.reporting.tables import residuals_frame
from graycell.simulation.branches import Branches


def _titles(figure):
    return [annotation.text for annotation in figure.layout.annotations]


def test_every_species_and_vcd_and_r_has_a_panel_with_its_unit(trajectories):
    figure = measured_and_simulated(trajectories)
    assert len(_titles(figure)) == 15
    assert _titles(figure)[0] == "<b>VCD</b> [10⁶ cells/mL]"
    assert _titles(figure)[-1] == "<b>R</b> [1]"
    assert all(figure.layout[f"yaxis{i or ''}"].range[0] == 0.0 for i in (0, *range(2, 16)))


def test_a_model_has_one_colour_and_is_in_the_legend_once(trajectories):
    figure = measured_and_simulated(trajectories)
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(shown) == ["&lt;i&gt;twin&lt;/i&gt;", "measured, ± 1 standard error", "published"]
    assert len({trace.line.color for trace in figure.data if trace.name == "published"}) == 1


def test_measured_points_carry_one_standard_error(trajectories, trajectory):
    measured = [t for t in measured_and_simulated(trajectories).data if t.mode == "markers"]
    glucose = trajectory.run.measurements["GLC"]
    assert any(
        np.array_equal(t.y, glucose.value) and np.array_equal(t.error_y.array, glucose.standard_error) for t in measured
    )


def test_shifts_and_boluses_are_marked_in_every_panel(trajectories):
    lines = [shape for shape in loop_variables(trajectories).layout.shapes if shape.type == "line"]
    assert [line.x0 for line in lines if line.y1 == 1.0] == [3.0]
    assert [line.x0 for line in lines if line.y1 < 1.0] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_kinetic_rate_is_drawn_beside_its_flux(trajectories):
    figure = key_fluxes(trajectories)
    assert [title.split("</b>")[0] for title in _titles(figure)] == [
        f"<b>{name}" for name in ("v1", "v2", "v16", "v17", "v20", "v30", "v34")  # v35 is not in this network
    ]
    dashed = [trace for trace in figure.data if trace.line.dash == "dash" and not trace.showlegend]
    assert len(dashed) == 4 * len(trajectories)  # v1, v2, v16, v17


def test_an_unknown_reaction_is_an_error_that_names_the_nearest(trajectories):
    with pytest.raises(ModelError, match="did you mean"):
        key_fluxes(trajectories, ["v166"])


def test_conflict_is_clipped_and_centred_at_zero(trajectory):
    heat = conflict_heatmap(trajectory).data[0]
    assert (heat.zmin, heat.zmax) == (-1.0, 1.0)
    assert np.max(np.abs(heat.z)) <= 1.0
    assert len(heat.y) == len(trajectory.model.kinetic)
    assert heat.y[-1] == "<b>v1</b> glycolysis"


def test_residuals_have_a_band_in_every_panel(trajectories):
    figure = residuals(trajectories)
    bands = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(band.y0, band.y1) for band in bands] == [(-2.0, 2.0)] * len(_titles(figure))


def test_a_figure_of_nothing_is_an_error():
    with pytest.raises(GraycellError, match="found no trajectories"):
        measured_and_simulated({})


@pytest.fixture(scope="module")
def looped():
    """A run whose loop variable is not the redox ratio, with measurements of it."""
    model = pool(gc.Dynamic("ts"), variables={
        "P": gc.LoopVariable(gc.FluxValue("uptake"), gc.Dynamic("ts"), unit="mmol/(1e9 cells)/d")})  # fmt: skip
    time = np.arange(3.0)
    measured = {"P": gc.Measurement("P", "mmol/(1e9 cells)/d", time, np.ones(3), np.ones(3)),
                "VCD": gc.Measurement("VCD", "1e6 cells/mL", time, np.ones(3), np.ones(3))}  # fmt: skip
    run = gc.CultureRun("a", 1.0, {"VCD": 0.5, "GLC": 40.0, "P": 1.0}, measured, (gc.Setpoint(1.0, 6.8, "pH"),))
    return gc.simulate(model, run)


def test_a_loop_of_another_name_is_drawn_in_its_unit_and_other_set_points_are_no_shifts(looped):
    figure = loop_variables({"pool": looped})
    assert _titles(figure) == ["<b>P</b> [pmol/cell/d]"]
    assert [trace.name for trace in figure.data][:3] == ["pool", "P' of the fluxes", "measured, ± 1 standard error"]
    assert np.array_equal(figure.data[0].y, looped["P"])
    assert not [shape for shape in figure.layout.shapes if shape.type == "line"]
    with pytest.raises(GraycellError, match="no model with a loop"):
        loop_variables({"open": replace(looped, model=monod())})


def test_units_of_tables_and_figures_are_those_of_the_model(looped):
    frame = residuals_frame(looped, "internal")
    assert dict(zip(frame["quantity"], frame["unit"], strict=True)) == {"P": "mmol/(1e9 cells)/d", "VCD": "1e9 cells/L"}
    assert "<b>P</b> [mmol/(10⁹ cells)/d]" in _titles(measured_and_simulated({"pool": looped}, units="internal"))
    frame = residuals_frame(looped)
    assert dict(zip(frame["quantity"], frame["unit"], strict=True)) == {"P": "pmol/cell/d", "VCD": "1e6 cells/mL"}
    assert "<b>P</b> [pmol/cell/d]" in _titles(measured_and_simulated({"pool": looped}))


def test_a_diagnosis_names_the_loop_that_the_model_has(looped):
    found = Branches(np.array([0.0, 2.0]), np.array([[1.0, 1.0], [2.0, 2.0]]), np.zeros((2, 2)), np.zeros((0, 2)))
    diagnosis: Any = SimpleNamespace(model=looped.model, trajectory=looped, run=looped.run, over_time=found)
    figure = branches_over_time(diagnosis)
    assert _titles(figure) == ["<b>P</b> [pmol/cell/d]"]
    assert [trace.name for trace in figure.data][-2:] == ["simulated P", "measured, ± 1 standard error"]
    in_hours = branches_over_time(diagnosis, "time=h")
    assert in_hours.layout.xaxis.title.text == "time [h]"
    for new, old in zip(in_hours.data, figure.data, strict=True):
        np.testing.assert_allclose(np.asarray(new.x, float), 24.0 * np.asarray(old.x, float), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(new.y, float), np.asarray(old.y, float), rtol=1e-12)
    columns = list(branches_frame(diagnosis, found, "time [d]").columns)
    assert columns[2:] == ["P [pmol/cell/d]", "slope dP'/dP [1]"]
    assert "more than one value of P is stable" in loop_sentence(diagnosis)
