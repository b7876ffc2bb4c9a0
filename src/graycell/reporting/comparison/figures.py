"""Plotly figures of a `Comparison`: errors by quantity, paired differences, learning curve."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from graycell.comparison.comparison import Comparison
from graycell.comparison.intervals import ALL, Interval
from graycell.reporting.style import COLOURS, GRID, MUTED, TEMPLATE, colours_of, plain

_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
_APART = 0.62
"""Part [1] of the height of a row over which the dots of its candidates are distributed."""


def errors_by_quantity(comparison: Comparison) -> go.Figure:
    """Draw the NRMSE [1] of each candidate in every quantity, with 95 % intervals.

    Args:
        comparison: errors of several candidates; means are over the predictions that were made.

    Returns:
        A figure of dots, with the mean over the quantities on top.
    """
    intervals = {(row.candidate, row.quantity): row.nrmse for row in comparison.per_quantity()}
    intervals |= {(row.candidate, ALL): row.nrmse for row in comparison.overall()}
    figure = _dots(
        [*reversed(comparison.quantities), ALL], list(comparison.candidates), list(comparison.candidates), intervals
    )
    figure.update_xaxes(title_text="NRMSE [1]", rangemode="tozero")
    return figure


def paired_differences(comparison: Comparison, reference: str) -> go.Figure:
    """Draw the error [1] of each candidate minus that of the reference, with 95 % intervals.

    Args:
        comparison: errors of several candidates.
        reference: name of a candidate.

    Returns:
        A figure of dots; left of 0 a candidate is better than the reference.

    Raises:
        FitError: if the reference was not compared.
    """
    rows = comparison.against(reference)
    intervals = {(row.candidate, row.quantity): row.nrmse for row in rows}
    others = [name for name in comparison.candidates if name != reference]
    figure = _dots([*reversed(comparison.quantities), ALL], others, list(comparison.candidates), intervals)
    figure.add_vline(0.0, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text=f"NRMSE minus that of {plain(reference)} [1]")
    return figure


def learning_curves(comparison: Comparison) -> go.Figure:
    """Draw the NRMSE [1] of each candidate over the number of training runs, both on logarithmic axes.

    Args:
        comparison: a learning curve; failed predictions are not drawn.

    Returns:
        A figure of lines; a point is the median over the seeds, its bar the range.
    """
    looks = looks_of(list(comparison.candidates))
    figure = go.Figure()
    values = []
    for name, look in looks.items():
        rows = [row for row in comparison.by_size() if row.candidate == name and np.isfinite(row.nrmse)]
        values += [value for row in rows for value in (row.least, row.nrmse)]
        figure.add_scatter(
            x=[row.training_runs for row in rows],
            y=[row.nrmse for row in rows],
            mode="lines+markers",
            name=plain(name),
            line={"color": look["color"], "width": 2},
            marker={**look, "size": 8},
            error_y={"type": "data", "symmetric": False,
                     "array": [max(row.largest - row.nrmse, 0.0) if np.isfinite(row.largest) else 0.0 for row in rows],
                     "arrayminus": [row.nrmse - row.least for row in rows], "color": look["color"], "thickness": 1.2,
                     "width": 3},
            hovertemplate="%{x} runs: %{y:.3g}",
        )  # fmt: skip
    figure.update_layout(template=TEMPLATE, height=420, margin={"l": 64})
    sizes = list(comparison.sizes)
    figure.update_xaxes(type="log", title_text="training runs [1]", tickvals=sizes, ticktext=[str(n) for n in sizes])
    figure.update_yaxes(type="log", title_text="NRMSE [1]", minor_showgrid=True, minor_gridcolor=GRID)
    positive = [value for value in values if value > 0.0]
    if positive:  # within one decade plotly labels no tick but the first
        low, high = np.floor(np.log10(min(positive))), np.ceil(np.log10(max(positive)))
        ticks = [step * 10.0**power for power in np.arange(low, high + 1.0) for step in (1, 2, 5)]
        figure.update_yaxes(tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    return figure


def _dots(
    quantities: Sequence[str],
    names: Sequence[str],
    all_names: Sequence[str],
    intervals: Mapping[tuple[str, str], Interval],
) -> go.Figure:
    """Draw one row of dots a quantity, the last on top; candidates are in order from top to bottom."""
    looks = looks_of(all_names)
    figure = go.Figure()
    for i, name in enumerate(names):
        shift = _APART * (0.5 - (i + 0.5) / len(names))
        chosen = [(j, intervals[name, quantity]) for j, quantity in enumerate(quantities)]
        chosen = [(j, interval) for j, interval in chosen if np.isfinite(interval.value)]
        above, below, texts = [], [], []
        for j, interval in chosen:
            has_interval = np.isfinite(interval.low)
            above.append(interval.high - interval.value if has_interval else 0.0)
            below.append(interval.value - interval.low if has_interval else 0.0)
            span = f"95 % {interval.low:.3g} to {interval.high:.3g}" if has_interval else "no interval"
            texts.append(f"{plain(quantities[j])}, {plain(name)}: {interval.value:.3g}, {span}")
        figure.add_scatter(
            x=[interval.value for _, interval in chosen],
            y=[j + shift for j, _ in chosen],
            mode="markers",
            name=plain(name),
            marker={**looks[name], "size": 8},
            error_x={
                "type": "data", "symmetric": False, "thickness": 1.4, "width": 0, "color": looks[name]["color"],
                "array": above, "arrayminus": below,
            },
            customdata=texts,
            hovertemplate="%{customdata}<extra></extra>",
        )  # fmt: skip
    row = 14 * len(names) + 12
    figure.update_layout(template=TEMPLATE, height=row * len(quantities) + 120, showlegend=True)
    figure.update_yaxes(
        tickvals=list(range(len(quantities))),
        ticktext=[f"<b>{quantity}</b>" if quantity == ALL else plain(quantity) for quantity in quantities],
        range=[-0.6, len(quantities) - 0.4],
        automargin=True,
        ticks="",
        showgrid=False,
    )
    for j in range(1, len(quantities)):
        figure.add_hline(j - 0.5, line={"color": GRID, "width": 1})
    return figure


def looks_of(names: Sequence[str]) -> dict[str, dict]:
    """Return colour and symbol of every candidate; the symbol changes where the colours repeat.

    Args:
        names: of all candidates, in order.

    Returns:
        By name.
    """
    colours = colours_of(names)
    return {
        name: {"color": colours[name], "symbol": _SYMBOLS[(i // len(COLOURS)) % len(_SYMBOLS)]}
        for i, name in enumerate(names)
    }
