"""Runs over each other: one panel for each measured quantity, one colour for each run."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from graycell.reporting.curves import at_time, one_legend
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.style import colours_of, panels, plain
from graycell.runs.records import CultureRun
from graycell.units import TIME

_COLUMNS = 3


def runs_figure(runs: Sequence[CultureRun], units: Units = LABORATORY) -> go.Figure:
    """Return a figure of what was measured in runs, over each other.

    Args:
        runs: one or more.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A plotly figure with a panel for each measured quantity, in the order of the runs. Values below a detection
        limit are open marks.
    """
    shown = shown_in(units, runs)
    names = list(dict.fromkeys(name for run in runs for name, series in run.measurements.items() if len(series.time)))
    unit = {name: next(run.measurements[name].unit for run in runs if name in run.measurements) for name in names}
    titles = [f"{plain(name)} [{plain(shown.text(unit[name], name))}]" for name in names]
    end = max([float(run.end) for run in runs], default=1.0)
    figure = panels(titles, _COLUMNS, float(shown.values(end, TIME)), shown.unit(TIME))
    colours = colours_of(run.name for run in runs)
    for k, run in enumerate(runs):
        for index, name in enumerate(names):
            series = run.measurements.get(name)
            if series is None or not len(series.time):
                continue
            below = np.zeros(len(series.time), bool) if series.below is None else series.below
            figure.add_scatter(
                x=shown.values(series.time, TIME), y=shown.values(series.value, series.unit, name),
                mode="lines+markers", line={"color": colours[run.name], "width": 1.5},
                marker={"size": 6, "symbol": ["circle-open" if one else "circle" for one in below]},
                name=plain(run.name), legendgroup=str(k),
                hovertemplate=f"{plain(run.name)}, {at_time(shown)}: %{{y:.4g}}<extra></extra>",
                row=index // _COLUMNS + 1, col=index % _COLUMNS + 1,
            )  # fmt: skip
    one_legend(figure)
    return figure
