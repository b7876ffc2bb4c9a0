"""Results show themselves: a table, a figure, and a view in a notebook whose texts are escaped."""

import math
from dataclasses import replace

import cultures
import jax
import numpy as np
import pytest
from small_models import fed_batch, monod

import graycell as gc
from graycell.inference.results import Estimate
from graycell.prediction import MeanRates
from graycell.reporting import trajectory_frame
from graycell.reporting.views import FIGURES, FRAMES, figure_of, frame_of, html_of
from graycell.views import Tabled, Viewed


def kinds(of=Tabled):
    """Return all kinds of results."""
    for name in gc.__all__:
        getattr(gc, name)  # loaded
    return [one for kind in of.__subclasses__() for one in (kinds(kind) or [kind])]


def test_every_kind_of_result_has_its_table_and_its_figure():
    found = kinds()
    assert {gc.CultureRun, gc.Trajectory, gc.Fit, gc.Prediction, gc.NextRun, gc.Comparison, gc.Optimum} <= set(found)
    assert set(FRAMES) == set(found)
    assert set(FIGURES) == {kind for kind in found if issubclass(kind, Viewed)}
    with pytest.raises(TypeError, match="no table is known of a int"):
        frame_of(3)
    with pytest.raises(TypeError, match="no figure is known of a int"):
        figure_of(3)


def test_a_run_is_a_table_of_its_samples_in_the_units_of_a_laboratory(run):
    frame = run.frame()
    assert list(frame.columns[:2]) == ["time [d]", "VCD [1e6 cells/mL]"]
    assert frame["VCD [1e6 cells/mL]"].tolist() == run.measurements["VCD"].value.tolist()
    assert run.frame("time=h").columns[0] == "time [h]"
    apart = replace(run, measurements={**run.measurements, "pH": gc.Measurement(
        "pH", "1", np.array([0.5, 2.5]), np.array([7.0, 7.1]), np.full(2, 0.1))})  # fmt: skip
    assert apart.frame()["pH [1]"].notna().sum() == 2
    assert len(run.plot().data) == len(run.measurements)
    assert replace(run, measurements={}).frame().empty


def test_a_notebook_shows_names_as_text(run):
    shown = html_of(replace(run, name="<img src=x onerror=alert(1)>"))
    assert "<img" not in shown
    assert "&lt;img src=x" in shown
    assert shown == replace(run, name="<img src=x onerror=alert(1)>")._repr_html_()
    assert "VCD [1e6 cells/mL]" in shown


def test_rates_trajectories_and_fits_show_themselves(run):
    rates = gc.specific_rates(run)
    assert len(rates.frame()) > 5
    assert rates.plot().data
    model, plan = monod(), fed_batch()
    path = gc.simulate(model, plan)
    assert path.frame("internal").equals(trajectory_frame(path, "internal"))
    assert "more rows: frame(); a figure: plot()" in path._repr_html_()
    assert path.plot().data
    inside = []
    jax.jit(lambda mu: (inside.append(gc.simulate(model.with_parameters({"mu": mu}), plan)._repr_html_()), mu)[1])(0.5)
    assert "traced" in inside[0]
    days = np.array([1.0, 2.0])
    measured = {"GLC": gc.Measurement("GLC", "mmol/L", days, np.array([30.0, 20.0]), np.ones(2))}
    estimate = Estimate("mu", 0.5, "1/d", 0.05, 0.1, 0.5, False, math.inf)
    fitted = gc.Fit(model, (replace(plan, measurements=measured),), (estimate,), np.array([[0.01]]), 0.0, True,
                    gc.FitSettings())  # fmt: skip
    assert fitted.frame().iloc[0, 0] == "mu"
    assert fitted.plot().data
    assert "mu" in fitted._repr_html_()


def test_a_prediction_of_the_next_run_shows_itself():
    runs = [cultures.culture(name, 0.01 * k) for k, name in enumerate(("a", "b", "c"), 1)]
    found = gc.predict_next(runs, cultures.planned(cultures.culture("next", 0.03)), candidates=[MeanRates()])
    assert "estimate" in found.frame()
    assert found.plot().data
    assert "estimate" in found._repr_html_()
