"""Learned laws as tables and plotly figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from graycell.diagnosis.laws import LawCurve, RecoveredLaw
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in
from graycell.reporting.style import BAND, COLOURS, INK, MUTED, grid, plain
from graycell.units import DIMENSIONLESS, SPECIFIC_RATE, pretty_unit

_MOST_POINTS = 500
"""States that a scatter shows; more would cover each other."""
_COLUMNS = 3


def laws_frame(laws: Sequence[RecoveredLaw], units: Units = LABORATORY) -> pd.DataFrame:
    """Return the curves of learned laws in long form.

    Args:
        laws: learned laws of one model.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a reaction, input and value of the input. The value is in the unit of the column ``unit``; low and high
        are the ends of the 95 % interval; samples near [1] counts those within a tenth of the visited range.
    """
    display = shown_in(units)
    of_laws = {display.unit(law.unit) for law in laws} or {display.unit(SPECIFIC_RATE)}
    unit = of_laws.pop() if len(of_laws) == 1 else "unit of the law"
    heads = (
        "reaction", "input", "value [unit]", "unit", f"learned [{unit}]", f"low [{unit}]", f"high [{unit}]",
        f"true [{unit}]", f"known [{unit}]", f"samples near [{DIMENSIONLESS}]", "supported",
    )  # fmt: skip
    parts = [
        pd.DataFrame(dict(zip(heads, (
            law.reaction, curve.input, curve.grid, curve.input_unit, curve.learned, curve.low, curve.high, curve.true,
            curve.known, curve.near, curve.supported,
        ), strict=True)))
        for law in (_in_units(law, display) for law in laws)
        for curve in law.curves
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({head: [] for head in heads})


def _in_units(law: RecoveredLaw, display: Shown) -> RecoveredLaw:
    """Return a law with its numbers in the units in which they are shown."""

    def rates(values):
        return display.values(values, law.unit)

    curves = []
    for curve in law.curves:
        name = curve.input.removeprefix("feed ")
        grid, samples, *visited = (display.values(values, curve.input_unit, name)
                                   for values in (curve.grid, curve.samples, *curve.visited))  # fmt: skip
        curves.append(replace(
            curve, input_unit=display.unit(curve.input_unit, name), grid=grid, samples=samples,
            visited=tuple(visited), learned=rates(curve.learned), low=rates(curve.low), high=rates(curve.high),
            true=rates(curve.true), known=rates(curve.known),
        ))  # fmt: skip
    shown = display.unit(law.unit)
    return replace(law, unit=shown, curves=tuple(curves), learned=rates(law.learned), true=rates(law.true))


def law_errors_frame(laws: Sequence[RecoveredLaw]) -> pd.DataFrame:
    """Return the error of each learned law.

    Args:
        laws: learned laws of one model.

    Returns:
        One row a reaction. The error [1] is the root mean square of learned - true over the range of the true rate in
        the visited states; supported [1] is the part of the drawn range with samples nearby, as mean over the inputs.
    """
    return pd.DataFrame(
        {
            "reaction": [law.reaction for law in laws],
            "the network is": [f"the {law.role}" if law.role == "law" else f"a {law.role} of the law" for law in laws],
            "inputs": [", ".join(curve.input for curve in law.curves) for law in laws],
            f"error [{DIMENSIONLESS}]": [law.error for law in laws],
            f"supported [{DIMENSIONLESS}]": [
                float(np.mean([np.mean(curve.supported) for curve in law.curves])) for law in laws
            ],
        }
    )


def recovered(law: RecoveredLaw, colour: str = COLOURS[0], units: Units = LABORATORY) -> go.Figure:
    """Draw a learned law over every input.

    Line and band are the learned rate and its 95 % interval, the dotted line is the known law, the dashed line the true
    one. Grey ranges have no sample nearby; ticks at the bottom are samples.

    Args:
        law: a learned law.
        colour: of the learned law.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel for each input; if the truth is known, a last panel shows learned over true rates in the visited states.
    """
    law = _in_units(law, shown_in(units))
    titles = [f"<b>{plain(curve.input)}</b> [{pretty_unit(curve.input_unit)}]" for curve in law.curves]
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


def _draw_curve(figure: go.Figure, place: dict, curve: LawCurve, colour: str, in_legend: bool) -> None:
    low, high = _span(curve)
    for begin, end in _unsupported(curve):
        figure.add_shape(type="rect", x0=begin, x1=end, y0=low, y1=high, fillcolor=BAND, line_width=0, layer="below",
                         **place)  # fmt: skip
    shade = "rgba({}, {}, {}, 0.18)".format(*hex_to_rgb(colour))
    # an end of the interval that is outside the panel, or infinite, is drawn at the end of the panel
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
    """Return the range of a panel: it holds all lines, and at most as much of the band above and below."""
    lines = np.concatenate([values[np.isfinite(values)] for values in (curve.learned, curve.true, curve.known)])
    low, high = float(np.min(lines)), float(np.max(lines))
    size = max(high - low, 0.1 * max(abs(low), abs(high)), 1e-12)
    bottom = max(float(np.min(curve.low)), low - size)
    top = min(float(np.max(curve.high)), high + size)
    room = 0.06 * (top - bottom) or 1e-12
    return min(bottom, low) - room, max(top, high) + room


def _unsupported(curve: LawCurve) -> Iterator[tuple[float, float]]:
    """Yield the ranges without samples nearby; each ends halfway between two points of the grid."""
    middle = np.r_[curve.grid[0], 0.5 * (curve.grid[1:] + curve.grid[:-1]), curve.grid[-1]]
    change = np.flatnonzero(np.diff(np.r_[False, ~curve.supported, False].astype(int)))
    for begin, end in zip(change[::2], change[1::2], strict=True):
        yield float(middle[begin]), float(middle[end])
