"""The look of every figure: colours, type, grids of small panels, marks of events."""

import html
from collections.abc import Iterable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from graycell.runs.records import TEMPERATURE, AnyBolus, CultureRun, Replacement, Setpoint
from graycell.units import TIME

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
INK = "#1b2733"
MUTED = "#66727f"
GRID = "#e9edf1"
BAND = "#eef1f4"
"""Background of stages, and of the range in which residuals are expected."""
PALE = "#b4bdc6"
"""Estimates that the data do not determine."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Of the labels, in order. Source: Okabe & Ito, Color Universal Design (2008); safe for the colour-blind."""
DIVERGING = ((0.0, "#2166ac"), (0.25, "#92c5de"), (0.5, "#f7f7f7"), (0.75, "#f4a582"), (1.0, "#b2182b"))
"""Blue to red through white. Source: ColorBrewer, RdBu; safe for the colour-blind."""

_AXIS = {
    "gridcolor": GRID,
    "linecolor": "#c9d1d9",
    "showline": True,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 3,
    "tickcolor": "#c9d1d9",
    "tickfont": {"size": 11, "color": MUTED},
    "title": {"font": {"size": 12, "color": MUTED}, "standoff": 6},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"family": FONT, "size": 12}},
        "legend": {
            "orientation": "h",
            "x": 0.0,
            "y": 1.0,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": 12},
        },
        "margin": {"l": 48, "r": 12, "t": 64, "b": 44},
    }
)

_PANEL = 168  # height of one panel [px]
_GAP = 62  # between two rows, for ticks and the title of the next [px]


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """Return a colour for every label.

    Args:
        labels: names in order; the colour depends on the position alone.

    Returns:
        Hexadecimal colours by label.

    >>> colours_of(["published", "extended"])
    {'published': '#0072b2', 'extended': '#d55e00'}
    """
    return {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}


def plain(text: str, longest: int = 80) -> str:
    """Return text that plotly shows literally; plotly interprets tags, and names come from files.

    Args:
        text: any text.
        longest: characters after which the text is cut.

    Returns:
        Escaped text.

    >>> plain("<b>GLC</b>")
    '&lt;b&gt;GLC&lt;/b&gt;'
    """
    text = text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
    return html.escape(text, quote=False)


def panels(titles: Sequence[str], columns: int, end: float, unit: str = TIME) -> go.Figure:
    """Return an empty grid of panels over time.

    Args:
        titles: one for each panel.
        columns: panels in a row.
        end: end of the time axis, in `unit`.
        unit: of times.

    Returns:
        A figure with titles at the left of the panels.
    """
    figure = grid(titles, columns)
    columns = max(1, min(columns, len(titles)))
    figure.update_xaxes(range=[-0.02 * end, 1.02 * end])  # so that a marker at either end is not cut
    for index in range(max(0, len(titles) - columns), len(titles)):
        figure.update_xaxes(title_text=f"time [{unit}]", row=index // columns + 1, col=index % columns + 1)
    return figure


def grid(titles: Sequence[str], columns: int) -> go.Figure:
    """Return an empty grid of panels.

    Args:
        titles: one for each panel.
        columns: panels in a row.

    Returns:
        A figure with titles at the left of the panels.
    """
    columns = max(1, min(columns, len(titles)))
    rows = -(-len(titles) // columns)
    inner = rows * _PANEL + (rows - 1) * _GAP
    figure = make_subplots(
        rows, columns, subplot_titles=titles, horizontal_spacing=0.22 / columns, vertical_spacing=_GAP / inner
    )
    figure.update_layout(template=TEMPLATE, height=inner + 64 + 44)
    for index, annotation in enumerate(figure.layout.annotations):
        row, column = divmod(index, columns)
        left = next(figure.select_xaxes(row=row + 1, col=column + 1)).domain[0]
        annotation.update(x=left, xanchor="left", font={"size": 12.5, "color": INK})
    for index in range(len(titles), rows * columns):
        row, column = divmod(index, columns)
        figure.update_xaxes(visible=False, row=row + 1, col=column + 1)
        figure.update_yaxes(visible=False, row=row + 1, col=column + 1)
    return figure


def mark_events(figure: go.Figure, run: CultureRun, count: int, per_day: float = 1.0) -> None:
    """Draw a dotted line at every temperature shift and a tick at every bolus.

    Args:
        figure: a figure of `panels`, which is changed.
        run: the run with the events.
        count: number of panels, from the first, that are marked.
        per_day: one day in the unit of the axis.
    """
    shifts = [per_day * event.time for event in run.events
              if isinstance(event, Setpoint) and event.input == TEMPERATURE and event.time > 0.0]  # fmt: skip
    boluses = sorted({per_day * event.time for event in run.events if isinstance(event, AnyBolus | Replacement)})
    shapes = list(figure.layout.shapes)
    for panel in range(1, count + 1):
        axis = "" if panel == 1 else str(panel)
        common = {"type": "line", "xref": f"x{axis}", "yref": f"y{axis} domain", "y0": 0.0}
        line = {"color": "#98a3ae", "width": 1, "dash": "dot"}
        shapes += [go.layout.Shape(common, x0=t, x1=t, y1=1.0, line=line, layer="below") for t in shifts]
        line = {"color": MUTED, "width": 1}
        shapes += [go.layout.Shape(common, x0=t, x1=t, y1=0.045, line=line) for t in boluses]
    figure.update_layout(shapes=shapes)
