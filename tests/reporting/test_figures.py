import numpy as np
import pytest

from graycell.errors import GraycellError, ModelError
from graycell.reporting import (
    conflict_heatmap,
    convergence,
    key_fluxes,
    measured_and_simulated,
    parameters,
    redox,
    residuals,
)
from graycell.reporting.fits.figures import UNDETERMINED


def _titles(figure):
    return [annotation.text for annotation in figure.layout.annotations]


def test_every_species_and_vcd_and_r_has_a_panel_with_its_unit(trajectories):
    figure = measured_and_simulated(trajectories)
    assert len(_titles(figure)) == 15
    assert _titles(figure)[0] == "<b>VCD</b> [10⁹ cells/L]"
    assert _titles(figure)[-1] == "<b>R</b> [1]"
    assert all(figure.layout[f"yaxis{i or ''}"].range[0] == 0.0 for i in (0, *range(2, 16)))


def test_a_model_has_one_colour_and_stands_in_the_legend_once(trajectories):
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


def test_a_kinetic_flux_stands_beside_its_wished_rate(trajectories):
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


def test_a_parameter_that_the_data_do_not_determine_is_grey(fit):
    determined, loose = parameters(fit).data
    wanted = {row.name for row in fit.estimates if row.sd_ratio > UNDETERMINED}
    assert set(loose.y) == wanted
    assert len(determined.y) + len(loose.y) == len(fit.estimates)
    assert determined.marker.color != loose.marker.color


def test_the_interval_of_a_logarithmic_parameter_is_a_factor(fit):
    first = parameters(fit).data[0]
    upper, lower = first.x + first.error_x.array, first.x - first.error_x.arrayminus
    np.testing.assert_allclose(upper / first.x, first.x / lower)
    np.testing.assert_allclose(np.log(upper / first.x), 1.96 * 0.2 / 1.1)


def test_each_stage_of_a_fit_is_named_and_drawn_by_itself(fit):
    figure = convergence(fit)
    assert _titles(figure) == ["loop open", "&lt;b&gt;loop closed&lt;/b&gt;"]
    assert [len(trace.y) for trace in figure.data] == [4, 4]


def test_a_figure_of_nothing_is_an_error():
    with pytest.raises(GraycellError, match="found no trajectories"):
        measured_and_simulated({})
