"""What figures of curves over time have in common: a band, measured values, one entry of the legend for each name."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from graycell.reporting.display import Shown
from graycell.reporting.style import INK, MUTED
from graycell.runs.records import Measurement
from graycell.units import TIME

MEASURED = "measured, ± 1 standard error"
"""Name of measured values."""


def add_band(figure: go.Figure, x: np.ndarray, low: np.ndarray, high: np.ndarray, fill: str, **of_band: Any) -> None:
    """Draw a band between two ends.

    Args:
        figure: which is changed.
        x: (n,) times in the unit of the axis.
        low: (n,) lower ends.
        high: (n,) upper ends.
        fill: colour.
        **of_band: of plotly's trace, such as name and legendgroup, row and col.
    """
    place = {key: of_band[key] for key in ("row", "col", "legendgroup") if key in of_band}
    line = {"width": 0}
    figure.add_scatter(x=x, y=high, mode="lines", line=line, showlegend=False, hoverinfo="skip", **place)
    shown = {"hoverinfo": "skip"} | of_band
    figure.add_scatter(x=x, y=low, mode="lines", line=line, fill="tonexty", fillcolor=fill, **shown)


def add_measured(
    figure: go.Figure, series: Measurement, unit: str, quantity: str, display: Shown, **place: int
) -> float:
    """Draw measured values with their standard errors.

    Args:
        figure: which is changed.
        series: the values.
        unit: of the values.
        quantity: its name.
        display: units of the figure.
        **place: row and column of the panel.

    Returns:
        The upper end of the highest error bar, in the unit of the figure.
    """
    value = display.values(series.value, unit, quantity)
    error = display.differences(series.standard_error, unit, quantity)
    figure.add_scatter(
        x=display.values(series.time, TIME),
        y=value,
        error_y={"type": "data", "array": error, "color": INK, "thickness": 1, "width": 2},
        mode="markers",
        name=MEASURED,
        legendgroup=MEASURED,
        legendrank=1,
        marker={"color": INK, "size": 5},
        hovertemplate=f"{at_time(display)}: %{{y:.4g}}",
        **place,
    )
    return float(np.max(value + error, initial=0.0))


def at_time(display: Shown) -> str:
    """Return a time as hover labels show it.

    Args:
        display: units of the figure.

    Returns:
        A template of plotly.
    """
    unit = display.unit(TIME)
    return "day %{x:.2f}" if unit == TIME else f"%{{x:.4g}} {unit}"


def one_legend(figure: go.Figure) -> None:
    """Show each name in the legend once; a dashed line is shown in grey, because every label has one.

    Args:
        figure: which is changed.
    """
    seen: set[str | None] = set()
    traces: list[Any] = list(figure.select_traces())
    for trace in traces:
        dashed = trace.line.dash == "dash"
        trace.showlegend = trace.name is not None and trace.name not in seen and not dashed
        if dashed and trace.name not in seen:
            line = {"color": MUTED, "width": 1, "dash": "dash"}
            figure.add_scatter(x=[None], y=[None], mode="lines", name=trace.name, line=line, showlegend=True)
        seen.add(trace.name)
