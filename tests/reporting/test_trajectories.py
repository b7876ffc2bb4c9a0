import numpy as np
import pytest

from graycell.errors import GraycellError, ModelError
from graycell.reporting import (
    conflict_heatmap,
    key_fluxes,
    measured_and_simulated,
    redox,
    residuals,
)


def _titles(figure):
    return [annotation.text for annotation in figure.layout.annotations]


def test_every_species_and_vcd_and_r_has_a_panel_with_its_unit(trajectories):
    figure = measured_and_simulated(trajectories)
    assert len(_titles(figure)) == 15
    assert _titles(figure)[0] == "<b>VCD</b> [10⁹ cells/L]"
    assert _titles(figure)[-1] == "<b>R</b> [1]"
    assert all(figure.layout[f"yaxis{i or ''}"].range[0] == 0.0 for i in (0, *range(2, 16)))


def test_a_model_has_one_colour_and_is_in_the_legend_once(trajectories):
    figure = measured_and_simulated(trajectories)
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert sorted(shown) == ["&lt;i&gt;twin&lt;/i&gt;", "extended", "measured, ± 1 standard error"]
    assert len({trace.line.color for trace in figure.data if trace.name == "extended"}) == 1


def test_measured_points_carry_one_standard_error(trajectories, trajectory):
    measured = [t for t in measured_and_simulated(trajectories).data if t.mode == "markers"]
    glucose = trajectory.run.measurements["GLC"]
    assert any(
        np.array_equal(t.y, glucose.value) and np.array_equal(t.error_y.array, glucose.standard_error) for t in measured
    )


def test_shifts_and_boluses_are_marked_in_every_panel(trajectories):
    lines = [shape for shape in redox(trajectories).layout.shapes if shape.type == "line"]
    assert [line.x0 for line in lines if line.y1 == 1.0] == [3.0]
    assert [line.x0 for line in lines if line.y1 < 1.0] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_a_kinetic_rate_is_drawn_beside_its_flux(trajectories):
    figure = key_fluxes(trajectories)
    assert [title.split("</b>")[0] for title in _titles(figure)] == [
        f"<b>{name}" for name in ("v1", "v2", "v16", "v17", "v20", "v30", "v34", "v35")
    ]
    dashed = [trace for trace in figure.data if trace.line.dash == "dash" and not trace.showlegend]
    assert len(dashed) == 5 * len(trajectories)  # v1, v2, v16, v17, v35


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
