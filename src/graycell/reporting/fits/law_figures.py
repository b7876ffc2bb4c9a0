"""Plotly figures of learned laws, and of the parameters that go together."""

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from graycell.diagnosis.identifiability import STRONG, correlation_matrix, undetermined_combinations
from graycell.diagnosis.laws import LawCurve, RecoveredLaw
from graycell.errors import GraycellError
from graycell.inference.fitting import Fit
from graycell.reporting.style import BAND, COLOURS, DIVERGING, INK, MUTED, TEMPLATE, grid, plain, pretty_unit

_MOST_POINTS = 500
"""States that a scatter shows; more hide each other."""
_MOST_PARAMETERS = 30
_COLUMNS = 3


def recovered(law: RecoveredLaw, colour: str = COLOURS[0]) -> go.Figure:
    """Return the learned rate over every input, a panel each, beside the true and the known one.

    Line and band: learned, with its interval of 95 %; dashed: the truth; dotted: the known law. Grey: no sample was
    near; ticks at the foot: samples. With a truth a last panel shows learned over true rates in the visited states.
    """
    titles = [f"<b>{plain(one.input)}</b> [{pretty_unit(one.input_unit)}]" for one in law.curves]
    compared = bool(np.any(np.isfinite(law.true)))
    if compared:
        titles.append(f"<b>true rate</b> [{pretty_unit(law.unit)}]")
    figure = grid(titles, _COLUMNS)
    for panel, curve in enumerate(law.curves):
        place = {"row": panel // _COLUMNS + 1, "col": panel % _COLUMNS + 1}
        _draw_curve(figure, place, curve, colour, panel == 0)
    if compared:
        place = {"row": len(law.curves) // _COLUMNS + 1, "col": len(law.curves) % _COLUMNS + 1}
        _draw_states(figure, place, law, colour)
    figure.update_yaxes(title_text=f"{plain(law.reaction)} [{pretty_unit(law.unit)}]", col=1)
    return figure.update_layout(margin_l=64, showlegend=True)


def correlations(fit: Fit) -> go.Figure:
    """Return the correlations [1] of the parameters that go with another, those alike side by side.

    At most the 30 with the strongest ones are shown. Raises `GraycellError` where no two parameters go together.
    """
    pairs = undetermined_combinations(fit).correlations
    chosen = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))[:_MOST_PARAMETERS]
    if not chosen:
        raise GraycellError(f"correlations: found no pair with {STRONG:g} or more; there is none to draw.")
    names, matrix = correlation_matrix(fit)
    at = [names.index(name) for name in chosen]
    matrix = matrix[np.ix_(at, at)]
    apart = np.round(1.0 - np.abs(0.5 * (matrix + matrix.T)), 12)
    np.fill_diagonal(apart, 0.0)
    order = leaves_list(linkage(squareform(apart), "average"))
    labels = [plain(chosen[i]) for i in order]
    shown = matrix[np.ix_(order, order)]
    figure = go.Figure(
        go.Heatmap(
            x=labels,
            y=labels,
            z=shown,
            zmin=-1.0,
            zmax=1.0,
            colorscale=[list(stop) for stop in DIVERGING],
            colorbar={
                "title": {"text": "correlation [1]", "side": "right", "font": {"size": 12, "color": MUTED}},
                "thickness": 12,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": MUTED},
            },
            hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
        )
    )
    figure.update_layout(template=TEMPLATE, height=20 * len(labels) + 150, margin={"t": 24, "l": 8})
    figure.update_xaxes(automargin=True, showgrid=False, ticks="", tickangle=-90, dtick=1)
    figure.update_yaxes(automargin=True, showgrid=False, ticks="", dtick=1, autorange="reversed")
    return figure


def _draw_curve(figure: go.Figure, place: dict, curve: LawCurve, colour: str, in_legend: bool) -> None:
    low, high = _span(curve)
    for begin, end in _unsupported(curve):
        figure.add_shape(type="rect", x0=begin, x1=end, y0=low, y1=high, fillcolor=BAND, line_width=0, layer="below",
                         **place)  # fmt: skip
    shade = "rgba({}, {}, {}, 0.18)".format(*hex_to_rgb(colour))
    # an end of the interval extrapolation of the panel, or infinite, is drawn at the panel's own end
    ends = [np.clip(end, low, high) for end in (curve.low, curve.high)]
    hover = "%{x:.4g}: %{y:.4g}"
    figure.add_scatter(
        x=np.concatenate([curve.grid, curve.grid[::-1]]), y=np.concatenate([ends[1], ends[0][::-1]]), fill="toself",
        fillcolor=shade, line={"width": 0, "color": shade}, mode="lines", name="95 % interval", hoverinfo="skip",
        legendgroup="band", showlegend=in_legend, **place,
    )  # fmt: skip
    lines = (
        ("learned", curve.learned, {"color": colour, "width": 2}),
        ("known law", curve.known, {"color": MUTED, "width": 2, "dash": "dot"}),
        ("truth", curve.true, {"color": INK, "width": 1.5, "dash": "dash"}),
    )
    for name, values, line in lines:
        if np.any(np.isfinite(values)):
            figure.add_scatter(x=curve.grid, y=values, mode="lines", name=name, legendgroup=name, line=line,
                               showlegend=in_legend, hovertemplate=hover, **place)  # fmt: skip
    if in_legend:
        square = {"symbol": "square", "size": 11, "color": BAND, "line": {"color": MUTED, "width": 0.5}}
        figure.add_scatter(x=[None], y=[None], mode="markers", name="no sample near", showlegend=True, marker=square,
                           **place)  # fmt: skip
    figure.add_scatter(
        x=curve.samples, y=np.full(len(curve.samples), low), mode="markers", name="sample", legendgroup="sample",
        marker={"symbol": "line-ns-open", "size": 9, "color": MUTED, "opacity": 0.6}, showlegend=in_legend,
        hovertemplate="sample at %{x:.4g}<extra></extra>", **place,
    )  # fmt: skip
    figure.update_yaxes(range=[low, high], **place)
    figure.update_xaxes(range=[float(curve.grid[0]), float(curve.grid[-1])], **place)


def _draw_states(figure: go.Figure, place: dict, law: RecoveredLaw, colour: str) -> None:
    every = max(1, -(-len(law.true) // _MOST_POINTS))
    ends = [float(np.min(law.true)), float(np.max(law.true))]
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": INK, "width": 1, "dash": "dash"},
                       showlegend=False, hoverinfo="skip", **place)  # fmt: skip
    error = f", error {100.0 * law.error:.1f} % of the range" if np.isfinite(law.error) else ""
    figure.add_scatter(
        x=law.true[::every], y=law.learned[::every], mode="markers", name=f"visited states{error}",
        marker={"color": colour, "size": 4, "opacity": 0.5}, showlegend=True,
        hovertemplate="true %{x:.4g}, learned %{y:.4g}<extra></extra>", **place,
    )  # fmt: skip


def _span(curve: LawCurve) -> tuple[float, float]:
    """Return the range of a panel: it holds all lines, and of the band as much again as the lines take."""
    lines = np.concatenate([one[np.isfinite(one)] for one in (curve.learned, curve.true, curve.known)])
    low, high = float(np.min(lines)), float(np.max(lines))
    size = max(high - low, 0.1 * max(abs(low), abs(high)), 1e-12)
    bottom = max(float(np.min(curve.low)), low - size)
    top = min(float(np.max(curve.high)), high + size)
    room = 0.06 * (top - bottom) or 1e-12
    return min(bottom, low) - room, max(top, high) + room


def _unsupported(curve: LawCurve) -> Iterator[tuple[float, float]]:
    """Yield the ranges in which a law is not supported, each to the middle between two points of the grid."""
    middle = np.r_[curve.grid[0], 0.5 * (curve.grid[1:] + curve.grid[:-1]), curve.grid[-1]]
    change = np.flatnonzero(np.diff(np.r_[False, ~curve.supported, False].astype(int)))
    for begin, end in zip(change[::2], change[1::2], strict=True):
        yield float(middle[begin]), float(middle[end])
