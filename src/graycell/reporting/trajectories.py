"""Plotly figures of trajectories; `figure.show()` or `figure.write_html(path)` shows one by itself.

A label names a model and has the same colour in every figure of a report. Measured values are dark, with bars of one
standard error.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from graycell.errors import GraycellError
from graycell.model import CultureModel
from graycell.reporting.reading import (
    conflicts_of,
    fluxes_of,
    has_loop,
    kinetic_rates_of,
    label_of,
    loop_target_of,
    loop_value_of,
    shown_quantities,
    values_of,
)
from graycell.reporting.style import (
    BAND,
    DIVERGING,
    INK,
    MUTED,
    TEMPLATE,
    colours_of,
    mark_events,
    panels,
    plain,
    pretty_unit,
)
from graycell.reporting.tables import residuals_frame
from graycell.runs.records import REDOX, VCD
from graycell.simulation.simulate import Trajectory
from graycell.units import SPECIFIC_RATE

KEY_REACTIONS = ("v1", "v2", "v16", "v17", "v20", "v30", "v34", "v35")
"""In the networks of Nolan & Lee (2011): glycolysis, lactate dehydrogenase, biomass, antibody, uptake of glucose
and of oxygen, NADH shuttle, ATP maintenance."""
_MEASURED = "measured, ± 1 standard error"


def measured_and_simulated(
    trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None
) -> go.Figure:
    """Draw every quantity over time, measured and simulated.

    Args:
        trajectories: simulations of one run by label.
        colours: by label; None for the default ones.

    Returns:
        Panels of VCD [10^9 cells/L], every species [mmol/L] and, with a loop, R [1] over time [d].
    """
    first = _first(trajectories)
    quantities = list(
        dict.fromkeys(name for trajectory in trajectories.values() for name in shown_quantities(trajectory.model))
    )
    quantities.sort(key=lambda name: (name == REDOX, name != VCD))
    titles = [_quantity_title(name, _model_with(trajectories, name)) for name in quantities]
    figure = panels(titles, 5, first.run.end)
    for panel, quantity in enumerate(quantities):
        tops = [0.0]
        for label, trajectory in trajectories.items():
            values = values_of(trajectory, quantity)
            if values is None:
                continue
            _add_line(figure, panel, 5, trajectory.time, values, label, _colour(label, trajectories, colours))
            tops.append(_top(values))
        tops.append(_add_measured(figure, panel, 5, first, quantity))
        _axis_from_zero(figure, panel, 5, max(tops))
    _one_legend(figure)
    mark_events(figure, first.run, len(quantities))
    return figure


def loop_variables(trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None) -> go.Figure:
    """Draw the first loop variable over time [d], such as the redox ratio R: measured, simulated, and (dashed) R'.

    Args:
        trajectories: simulations of one run by label; those without a loop are not drawn.
        colours: by label; None for the default ones.

    Returns:
        A panel for each name of a loop variable.

    Raises:
        GraycellError: if no model has a loop.
    """
    first = _first(trajectories)
    closed = {label: trajectory for label, trajectory in trajectories.items() if has_loop(trajectory.model)}
    names = list(dict.fromkeys(trajectory.model.loops[0] for trajectory in closed.values()))
    if not names:
        raise GraycellError("figure: found no model with a loop; one is needed; draw another figure.")
    columns = len(names)
    titles = [_quantity_title(name, _model_with(closed, name)) for name in names]
    figure = panels(titles, columns, first.run.end)
    for panel, name in enumerate(names):
        tops = [0.0]
        for label, trajectory in closed.items():
            if trajectory.model.loops[0] != name:
                continue
            values, target = loop_value_of(trajectory), loop_target_of(trajectory)
            colour = _colour(label, trajectories, colours)
            _add_line(figure, panel, columns, trajectory.time, values, label, colour)
            _add_line(figure, panel, columns, trajectory.time, target, f"{name}' of the fluxes", colour, dash="dash")
            tops.append(_top(values))
        tops.append(_add_measured(figure, panel, columns, first, name))
        _axis_from_zero(figure, panel, columns, max(tops))
    _one_legend(figure)
    mark_events(figure, first.run, columns)
    return figure.update_layout(height=360)


def key_fluxes(
    trajectories: Mapping[str, Trajectory],
    reactions: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Draw fluxes and (dashed) kinetic rates over time.

    Args:
        trajectories: simulations of one run by label.
        reactions: names; by default those of `KEY_REACTIONS` that are known, or the first 8 with a rate law.
        colours: by label; None for the default ones.

    Returns:
        Panels [mmol/(10^9 cells)/d] over time [d].

    Raises:
        ModelError: for a reaction that no model has.
    """
    first = _first(trajectories)
    fluxes = {label: fluxes_of(trajectory) for label, trajectory in trajectories.items()}
    kinetic_rates = {label: kinetic_rates_of(trajectory) for label, trajectory in trajectories.items()}
    known = dict.fromkeys(name for by_name in fluxes.values() for name in by_name)
    if reactions is None:
        reactions = [name for name in KEY_REACTIONS if name in known] or list(first.model.kinetic[:8])
    titles = []
    for name in reactions:
        model = next(
            (trajectory.model for label, trajectory in trajectories.items() if name in fluxes[label]), first.model
        )
        titles.append(_reaction_title(name, label_of(model, name)))
    figure = panels(titles, 4, first.run.end)
    for panel, name in enumerate(reactions):
        for label, trajectory in trajectories.items():
            time, colour = trajectory.time, _colour(label, trajectories, colours)
            if name in kinetic_rates[label]:
                rate = kinetic_rates[label][name]
                _add_line(figure, panel, 4, time, rate, "kinetic rate", colour, dash="dash")
            if name in fluxes[label]:
                _add_line(figure, panel, 4, time, fluxes[label][name], label, colour)
        row, column = panel // 4 + 1, panel % 4 + 1
        span = _flux_range([by_name[name] for by_name in fluxes.values() if name in by_name])
        figure.update_yaxes(range=span, zeroline=True, zerolinecolor="#c9d1d9", row=row, col=column)
    figure.update_yaxes(title_text=pretty_unit(SPECIFIC_RATE), col=1)
    _one_legend(figure)
    mark_events(figure, first.run, len(reactions))
    return figure.update_layout(margin_l=64)


def _flux_range(fluxes: Sequence[np.ndarray]) -> list[float]:
    """Return a range that holds all fluxes and zero; a much larger kinetic rate is cut off."""
    finite = np.concatenate([*(flux[np.isfinite(flux)] for flux in fluxes), [0.0]])
    low, high = float(np.min(finite)), float(np.max(finite))
    room = 0.25 * max(high - low, 1e-9)
    return [low - (room if low < 0.0 else 0.0), high + room]


def conflict_heatmap(trajectory: Trajectory) -> go.Figure:
    """Draw the conflict of every reaction with a rate law.

    Args:
        trajectory: a simulated run of a model with a network.

    Returns:
        A map of the conflict [1] over time [d], clipped at -1 and 1: blue where the balances hold the flux below the
        kinetic rate, red where they hold it above.
    """
    model, conflicts = trajectory.model, conflicts_of(trajectory)
    order = sorted(conflicts, key=model.reactions.index, reverse=True)
    titles = [_reaction_title(name, label_of(model, name), 40) for name in order]
    last = np.r_[np.diff(trajectory.time) > 0.0, True]  # of the two rows of an event, the one after it
    values = np.stack([conflicts[name][last] for name in order])
    figure = go.Figure(
        go.Heatmap(
            x=trajectory.time[last],
            y=titles,
            z=np.clip(values, -1.0, 1.0),
            customdata=values,
            zmin=-1.0,
            zmax=1.0,
            colorscale=[list(stop) for stop in DIVERGING],
            colorbar={
                "title": {"text": "conflict [1]", "side": "right", "font": {"size": 12, "color": MUTED}},
                "tickvals": [-1.0, -0.5, 0.0, 0.5, 1.0],
                "ticktext": ["≤ \N{MINUS SIGN}1", "\N{MINUS SIGN}0.5", "0", "0.5", "≥ 1"],
                "thickness": 12,
                "outlinewidth": 0,
                "tickfont": {"size": 11, "color": MUTED},
            },
            hovertemplate="%{y}<br>day %{x:.2f}: %{customdata:.3g}<extra></extra>",
        )
    )
    figure.update_layout(template=TEMPLATE, height=26 * len(order) + 92, margin={"t": 32, "l": 8})
    figure.update_xaxes(title_text="time [d]", range=[0.0, trajectory.run.end], showgrid=False)
    figure.update_yaxes(automargin=True, showgrid=False, ticks="", tickfont={"size": 12, "color": INK})
    return figure


def residuals(trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None) -> go.Figure:
    """Draw standardised residuals, (simulated - measured) over the standard error, over time [d].

    The grey band is -2 to 2, where 95 of 100 residuals of a correct model lie.

    Args:
        trajectories: simulations of one run by label.
        colours: by label; None for the default ones.

    Returns:
        Panels [1], one for each measured quantity.

    Raises:
        GraycellError: if nothing was measured in the run.
    """
    first = _first(trajectories)
    frames = {label: residuals_frame(trajectory) for label, trajectory in trajectories.items()}
    quantities = list(dict.fromkeys(name for frame in frames.values() for name in frame["quantity"]))
    if not quantities:
        raise GraycellError(
            f"run '{first.run.name}': found no measurements; at least one is needed; add it to the run."
        )
    quantities.sort(key=lambda name: (name == REDOX, name != VCD))
    figure = panels([f"<b>{plain(name)}</b>" for name in quantities], 5, first.run.end)
    for panel, quantity in enumerate(quantities):
        row, column = panel // 5 + 1, panel % 5 + 1
        largest = 2.5
        for label, frame in frames.items():
            here = frame.loc[frame["quantity"] == quantity]
            time, values = np.asarray(here["time [d]"]), np.asarray(here["standardised residual [1]"])
            _add_line(figure, panel, 5, time, values, label, _colour(label, trajectories, colours), points=True)
            largest = max(largest, _top(np.abs(values)))
        figure.add_shape(
            type="rect",
            xref="x domain",
            x0=0.0,
            x1=1.0,
            y0=-2.0,
            y1=2.0,
            fillcolor=BAND,
            line_width=0,
            layer="below",
            row=row,
            col=column,
        )
        span = [-1.12 * largest, 1.12 * largest]
        figure.update_yaxes(range=span, zeroline=True, zerolinecolor=MUTED, row=row, col=column)
    figure.update_yaxes(title_text="standard errors", col=1)
    _one_legend(figure)
    mark_events(figure, first.run, len(quantities))
    return figure


def _first(trajectories: Mapping[str, Trajectory]) -> Trajectory:
    if not trajectories:
        raise GraycellError("figure: found no trajectories; one or more are needed; simulate a run first.")
    return next(iter(trajectories.values()))


def _colour(label: str, trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None) -> str:
    return (colours_of(trajectories) if colours is None else colours)[label]


def _add_line(figure, panel, columns, time, values, name, colour, *, dash=None, points=False) -> None:
    figure.add_scatter(
        x=time,
        y=values,
        mode="lines+markers" if points else "lines",
        name=plain(name),
        legendgroup=name,
        line={"color": colour, "width": 1 if points or dash else 2, "dash": dash},
        marker={"size": 5},
        hovertemplate="day %{x:.2f}: %{y:.4g}",
        row=panel // columns + 1,
        col=panel % columns + 1,
    )


def _add_measured(figure: go.Figure, panel: int, columns: int, trajectory: Trajectory, quantity: str) -> float:
    """Draw the measured values and return the upper end of the highest error bar."""
    series = trajectory.run.measurements.get(quantity)
    if series is None:
        return 0.0
    figure.add_scatter(
        x=series.time,
        y=series.value,
        error_y={"type": "data", "array": series.standard_error, "color": INK, "thickness": 1, "width": 2},
        mode="markers",
        name=_MEASURED,
        legendgroup=_MEASURED,
        legendrank=1,
        marker={"color": INK, "size": 5},
        hovertemplate="day %{x:.2f}: %{y:.4g}",
        row=panel // columns + 1,
        col=panel % columns + 1,
    )
    return float(np.max(series.value + series.standard_error, initial=0.0))


def _top(values: np.ndarray) -> float:
    """Return the largest finite value, or 0 if there is none, as in a simulation that failed."""
    return float(np.max(values[np.isfinite(values)], initial=0.0))


def _axis_from_zero(figure: go.Figure, panel: int, columns: int, top: float) -> None:
    figure.update_yaxes(range=[0.0, 1.06 * top or 1.0], row=panel // columns + 1, col=panel % columns + 1)


def _one_legend(figure: go.Figure) -> None:
    """Show each name in the legend once; a dashed line is shown in grey, because every label has one."""
    seen: set[str] = set()
    traces: list[Any] = list(figure.select_traces())
    for trace in traces:
        dashed = trace.line.dash == "dash"
        trace.showlegend = trace.name not in seen and not dashed
        if dashed and trace.name not in seen:
            line = {"color": MUTED, "width": 1, "dash": "dash"}
            figure.add_scatter(x=[None], y=[None], mode="lines", name=trace.name, line=line, showlegend=True)
        seen.add(trace.name)


def _model_with(trajectories: Mapping[str, Trajectory], quantity: str) -> CultureModel:
    return next(one.model for one in trajectories.values() if quantity in one.model.quantities)


def _quantity_title(name: str, model: CultureModel) -> str:
    return f"<b>{plain(name)}</b> [{plain(pretty_unit(model.unit(name)))}]"


def _reaction_title(name: str, label: str, longest: int = 34) -> str:
    return f"<b>{plain(name)}</b> {plain(label, longest)}".rstrip()
