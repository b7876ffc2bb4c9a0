"""Views: the table and the figure of each kind of result, for `frame`, `plot` and notebooks."""

import html
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jax.core import Tracer

from graycell.balances.specific_rates import SpecificRates
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


@singledispatch
def frame_of(result: Any, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the table of a result.

    Args:
        result: of one of the kinds below.
        units: see `DisplayUnits`.

    Returns:
        A table with units in its heads.

    Raises:
        TypeError: for another kind.
    """
    raise TypeError(f"no table is known of a {type(result).__name__}")


@singledispatch
def figure_of(result: Any, units: Units = LABORATORY) -> go.Figure:
    """Return the figure of a result.

    Args:
        result: of one of the kinds below.
        units: see `DisplayUnits`.

    Returns:
        A plotly figure.

    Raises:
        TypeError: for another kind.
    """
    raise TypeError(f"no figure is known of a {type(result).__name__}")


def html_of(result: Any) -> str:
    """Return a result as a notebook shows it: what it is, and the first rows of its table.

    Args:
        result: of one of the kinds below.

    Returns:
        HTML; text of the result is escaped.
    """
    heading = f"<p><b>{html.escape(repr(result))}</b></p>"
    if isinstance(result, Trajectory) and (isinstance(result.time, Tracer) or np.ndim(result.time) != 1):
        return heading  # inside of a compiled function, or a batch
    frame = frame_of(result, LABORATORY)
    more = f"<p>{len(frame) - _ROWS} more rows: frame(); a figure: plot()</p>" if len(frame) > _ROWS else ""
    return heading + frame.head(_ROWS).to_html(index=False, float_format=lambda x: f"{x:.{_DIGITS}g}", na_rep="") + more


@frame_of.register
def _(run: CultureRun, units: Units = LABORATORY) -> pd.DataFrame:
    shown = shown_in(units, [run])
    columns = [pd.Series(shown.values(series.value, series.unit, name), shown.values(series.time, TIME),
                         name=f"{name} [{shown.unit(series.unit, name)}]")
               for name, series in run.measurements.items()]  # fmt: skip
    table = pd.concat(columns, axis=1).sort_index() if columns else pd.DataFrame(index=pd.Index([], dtype=float))
    return table.rename_axis(f"time [{shown.unit(TIME)}]").reset_index()


@frame_of.register
def _(rates: SpecificRates, units: Units = LABORATORY) -> pd.DataFrame:
    return phase_frame([rates], units)


@frame_of.register
def _(trajectory: Trajectory, units: Units = LABORATORY) -> pd.DataFrame:
    return trajectory_frame(trajectory, units)


@frame_of.register
def _(fit: Fit, units: Units = LABORATORY) -> pd.DataFrame:
    return estimates_frame(fit)


@frame_of.register
def _(prediction: Prediction, units: Units = LABORATORY) -> pd.DataFrame:
    return prediction_frame(prediction, units)


@frame_of.register
def _(prediction: NextRun, units: Units = LABORATORY) -> pd.DataFrame:
    return next_run_frame(prediction, units)


@frame_of.register
def _(comparison: Comparison, units: Units = LABORATORY) -> pd.DataFrame:
    return overall_frame(comparison)


@frame_of.register
def _(optimum: Optimum, units: Units = LABORATORY) -> pd.DataFrame:
    return decisions_frame(optimum, units)


@frame_of.register
def _(found: NextRuns, units: Units = LABORATORY) -> pd.DataFrame:
    return next_runs_frame(found, units)


@frame_of.register
def _(followed: Followed, units: Units = LABORATORY) -> pd.DataFrame:
    return state_frame(followed, units)


@figure_of.register
def _(run: CultureRun, units: Units = LABORATORY) -> go.Figure:
    return runs_figure([run], units)


@figure_of.register
def _(rates: SpecificRates, units: Units = LABORATORY) -> go.Figure:
    return rates_between_samples([rates], units)


@figure_of.register
def _(trajectory: Trajectory, units: Units = LABORATORY) -> go.Figure:
    return measured_and_simulated({trajectory.model.name: trajectory}, units=units)


@figure_of.register
def _(fit: Fit, units: Units = LABORATORY) -> go.Figure:
    first = fit.runs[0]
    return measured_and_simulated({fit.model.name: simulate(fit.model_of(first.name), fit.run_of(first))}, units=units)


@figure_of.register
def _(prediction: NextRun, units: Units = LABORATORY) -> go.Figure:
    return next_run_figure(prediction, units)


@figure_of.register
def _(comparison: Comparison, units: Units = LABORATORY) -> go.Figure:
    return errors_by_quantity(comparison)


@figure_of.register
def _(optimum: Optimum, units: Units = LABORATORY) -> go.Figure:
    return optimum_figure(optimum, units)


@figure_of.register
def _(found: NextRuns, units: Units = LABORATORY) -> go.Figure:
    return next_runs_figure(found)


@figure_of.register
def _(followed: Followed, units: Units = LABORATORY) -> go.Figure:
    return followed_figure(followed, units)
