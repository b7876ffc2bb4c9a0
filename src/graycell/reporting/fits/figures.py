"""Plotly figures of fits: estimates and convergence."""

import numpy as np
import plotly.graph_objects as go

from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.inference.fitting import Estimate, Fit
from graycell.reporting.style import BAND, COLOURS, GRID, MUTED, PALE, TEMPLATE, plain
from graycell.reporting.tables import history_frame
from graycell.units import pretty_unit

_NORMAL_95 = 1.96  # quantile of the standard normal distribution for a 95 % interval


def parameters(fit: Fit, colour: str = COLOURS[0]) -> go.Figure:
    """Draw the estimates over their starting values [1] on a logarithmic axis, sorted, with 95 % intervals.

    Args:
        fit: a fit; parameters whose ratio to their start is not positive are left out.
        colour: of the parameters that the data determine.

    Returns:
        A figure in which parameters that the data do not determine (posterior SD / prior SD above `UNDETERMINED`) are
        grey and parameters at a bound are open diamonds.
    """
    rows = sorted((row for row in fit.estimates if row.start != 0.0 and row.value / row.start > 0.0),
                  key=lambda row: row.value / row.start)  # fmt: skip
    figure, table = go.Figure(), fit.model.table
    kinds = (
        ("determined by the data", colour, False),
        (f"not determined by the data (posterior SD / prior SD > {UNDETERMINED:g})", PALE, True),
    )
    for name, shade, wanted in kinds:
        chosen = [row for row in rows if (row.sd_ratio > UNDETERMINED) is wanted]
        ratio = np.array([row.value / row.start for row in chosen])
        bounds = np.array([_interval(row, bool(table[row.name].log_scale)) for row in chosen]).reshape(-1, 2)
        words = [f"{row.value:.4g} ± {row.standard_error:.2g} {pretty_unit(row.unit)}, start {row.start:.4g}"
                 for row in chosen]  # fmt: skip
        figure.add_scatter(
            x=ratio,
            y=[plain(row.name) for row in chosen],
            mode="markers",
            name=name,
            marker={"color": shade, "size": 8, "line": {"color": shade, "width": 1.5},
                    "symbol": ["diamond-open" if row.at_bound else "circle" for row in chosen]},
            error_x={"type": "data", "symmetric": False, "array": bounds[:, 1] - ratio,
                     "arrayminus": ratio - bounds[:, 0], "color": shade, "thickness": 1.4, "width": 0},
            customdata=words,
            hovertemplate="%{y}: %{customdata}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(template=TEMPLATE, height=19 * len(rows) + 110, showlegend=True)
    figure.update_xaxes(
        type="log",
        title_text="estimate / start [1]",
        dtick=1,
        minor_showgrid=True,
        minor_gridcolor=GRID,
    )
    figure.update_yaxes(automargin=True, ticks="", categoryorder="array", dtick=1,
                        categoryarray=[plain(row.name) for row in rows])  # fmt: skip
    figure.update_yaxes(range=[-0.8, len(rows) - 0.2])
    figure.add_vline(1.0, line={"color": MUTED, "width": 1, "dash": "dot"})
    return figure


def convergence(fit: Fit, colour: str = COLOURS[0]) -> go.Figure:
    """Draw the cost [1] after every trial step of a fit, on a logarithmic axis.

    Args:
        fit: a fit with a history.
        colour: of the line.

    Returns:
        A figure with the stages shaded alternately.
    """
    history = history_frame(fit)
    stages, cost = history["stage"].to_numpy(), history["cost [1]"].to_numpy(dtype=float)
    figure = go.Figure()
    begins = [i for i in range(len(stages)) if i == 0 or stages[i] != stages[i - 1]]
    for k, begin in enumerate(begins):
        end = begins[k + 1] if k + 1 < len(begins) else len(stages)
        # one line a stage: stages minimise different objectives, so their costs do not connect
        figure.add_scatter(
            x=np.arange(begin, end) + 1,
            y=cost[begin:end],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 5},
            name=plain(str(stages[begin])),
            hovertemplate="trial %{x}: cost %{y:.4g}",
            showlegend=False,
        )
        figure.add_vrect(begin + 0.5, end + 0.5, line_width=0, layer="below", fillcolor=BAND if k % 2 else "white")
        narrow = (end - begin) / len(stages) * 1000.0 < 7.0 * len(stages[begin])  # in pixels, about
        figure.add_annotation(
            x=begin + 0.5,
            y=1.0,
            yref="paper",
            xanchor="left",
            yanchor="top" if narrow else "bottom",
            text=plain(str(stages[begin])),
            textangle=-90 if narrow else 0,
            showarrow=False,
            font={"size": 11, "color": MUTED},
        )
    figure.update_layout(template=TEMPLATE, height=350, margin={"t": 50, "l": 64})
    figure.update_xaxes(title_text="trial step, counted over all stages", range=[0.5, len(stages) + 0.5])
    figure.update_yaxes(type="log", title_text="cost [1]", **_decimal_ticks(cost))
    return figure


def _decimal_ticks(values: np.ndarray) -> dict:
    """Return 1, 2, 5, 10 ... around positive values as the ticks of a logarithmic axis."""
    values = values[np.isfinite(values) & (values > 0.0)]
    if not len(values):
        return {}
    low, high = (int(np.floor(np.log10(value))) for value in (values.min(), values.max()))
    steps = (1, 2, 5) if high - low < 3 else (1,)
    ticks = [step * 10.0**power for power in range(low, high + 2) for step in steps]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _interval(row: Estimate, log_scale: bool) -> tuple[float, float]:
    """Return the 95 % interval over the start [1], symmetric on the scale that the parameter is estimated on."""
    ratio = row.value / row.start
    if log_scale:
        factor = float(np.exp(_NORMAL_95 * row.relative_error))
        return ratio / factor, ratio * factor
    half = _NORMAL_95 * row.standard_error / abs(row.start)
    return max(ratio - half, 1e-3 * ratio), ratio + half  # a logarithmic axis has no zero
