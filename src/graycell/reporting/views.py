"""Views: the table and the figure of each kind of result, for `frame`, `plot` and notebooks."""

import dataclasses
import html
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jax.core import Tracer

from graycell.balances.specific_rates import SpecificRates
from graycell.citations import Citations
from graycell.comparison.comparison import Comparison
from graycell.decisions.next_runs import NextRuns
from graycell.decisions.optimum import Optimum
from graycell.following.followed import Followed
from graycell.inference.prediction import Prediction
from graycell.inference.results import Fit
from graycell.prediction.next_run import NextRun
from graycell.reporting.comparison.figures import errors_by_quantity
from graycell.reporting.comparison.tables import overall_frame
from graycell.reporting.decisions import decisions_frame, optimum_figure
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.following import followed_figure, state_frame
from graycell.reporting.next_run import next_run_figure, next_run_frame
from graycell.reporting.next_runs import next_runs_figure, next_runs_frame
from graycell.reporting.overlay import runs_figure
from graycell.reporting.predictions import prediction_frame
from graycell.reporting.rates.page import rates_between_samples
from graycell.reporting.rates.tables import phase_frame
from graycell.reporting.tables import estimates_frame, trajectory_frame
from graycell.reporting.trajectories import measured_and_simulated
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import simulate
from graycell.simulation.trajectory import Trajectory
from graycell.units import TIME

_ROWS = 12
"""Of a table in a notebook."""
_DIGITS = 5


def frame_of(result: Any, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the table of a result.

    Args:
        result: of one of the kinds in `FRAMES`.
        units: see `DisplayUnits`.

    Returns:
        A table with units in its heads.

    Raises:
        TypeError: for another kind.
    """
    return _of(FRAMES, result, "table")(result, units)


def figure_of(result: Any, units: Units = LABORATORY) -> go.Figure:
    """Return the figure of a result.

    Args:
        result: of one of the kinds in `FIGURES`.
        units: see `DisplayUnits`.

    Returns:
        A plotly figure.

    Raises:
        TypeError: for another kind.
    """
    return _of(FIGURES, result, "figure")(result, units)


def _of(views: Mapping[type, Callable[[Any, Units], Any]], result: Any, word: str) -> Callable[[Any, Units], Any]:
    for kind, view in views.items():
        if isinstance(result, kind):
            return view
    raise TypeError(f"no {word} is known of a {type(result).__name__}")


def html_of(result: Any) -> str:
    """Return a result as a notebook shows it: what it is, and the first rows of its table.

    Args:
        result: of one of the kinds in `FRAMES`.

    Returns:
        HTML; text of the result is escaped.
    """
    heading = f"<p><b>{html.escape(repr(result))}</b></p>"
    if isinstance(result, Trajectory) and (isinstance(result.time, Tracer) or np.ndim(result.time) != 1):
        return heading  # inside of a compiled function, or a batch
    frame = frame_of(result, LABORATORY)
    more = f"<p>{len(frame) - _ROWS} more rows: frame(); a figure: plot()</p>" if len(frame) > _ROWS else ""
    return heading + frame.head(_ROWS).to_html(index=False, float_format=lambda x: f"{x:.{_DIGITS}g}", na_rep="") + more


def _samples(run: CultureRun, units: Units) -> pd.DataFrame:
    """Return what was measured in a run, a row for each time."""
    shown = shown_in(units, [run])
    columns = [pd.Series(shown.values(series.value, series.unit, name), shown.values(series.time, TIME),
                         name=f"{name} [{shown.unit(series.unit, name)}]")
               for name, series in run.measurements.items()]  # fmt: skip
    table = pd.concat(columns, axis=1).sort_index() if columns else pd.DataFrame(index=pd.Index([], dtype=float))
    return table.rename_axis(f"time [{shown.unit(TIME)}]").reset_index()


def _first_run(fit: Fit, units: Units) -> go.Figure:
    """Return the first run of a fit, measured and simulated."""
    first = fit.runs[0]
    return measured_and_simulated({fit.model.name: simulate(fit.model_of(first.name), fit.run_of(first))}, units=units)


def _works(cited: Citations) -> pd.DataFrame:
    rows = [{**dataclasses.asdict(work), "authors": ", ".join(work.authors)} for work in cited]
    return pd.DataFrame(rows).rename(columns={"used_for": "used for"})


FRAMES: Mapping[type, Callable[[Any, Units], pd.DataFrame]] = {
    CultureRun: _samples, Trajectory: trajectory_frame, Prediction: prediction_frame, NextRun: next_run_frame,
    Optimum: decisions_frame, NextRuns: next_runs_frame, Followed: state_frame,
    SpecificRates: lambda rates, units: phase_frame([rates], units),
    Fit: lambda fit, units: estimates_frame(fit), Comparison: lambda comparison, units: overall_frame(comparison),
    Citations: lambda cited, units: _works(cited),
}  # fmt: skip
"""The table of each kind of result."""
FIGURES: Mapping[type, Callable[[Any, Units], go.Figure]] = {
    Fit: _first_run, NextRun: next_run_figure, Optimum: optimum_figure, Followed: followed_figure,
    CultureRun: lambda run, units: runs_figure([run], units),
    SpecificRates: lambda rates, units: rates_between_samples([rates], units),
    Trajectory: lambda path, units: measured_and_simulated({path.model.name: path}, units=units),
    Comparison: lambda comparison, units: errors_by_quantity(comparison),
    NextRuns: lambda found, units: next_runs_figure(found),
}  # fmt: skip
"""The figure of each kind of result; that of a prediction by a fit is of one quantity, see `Prediction.plot`."""
