"""Plotly figures of trajectories; `figure.show()` or `figure.write_html(path)` shows one alone.

A label names a model; its colour is the same in every figure of a report. Measured values are dark, with bars
of one standard error.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from graycell.errors import GraycellError
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
from graycell.reporting.tables import residuals_frame, unit_of
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
    """Return panels of VCD [10^9 cells/L], every species [mmol/L] and R [1] over time [d], for one run."""
    first = _first(trajectories)
    species = dict.fromkeys(name for one in trajectories.values() for name in one.model.species)
    quantities = (VCD, *species, REDOX)
    titles = [f"<b>{plain(name)}</b> [{pretty_unit(unit_of(name))}]" for name in quantities]
    figure = panels(titles, 5, first.run.end)
    for panel, quantity in enumerate(quantities):
        tops = [0.0]
        for label, trajectory in trajectories.items():
            values = _simulated(trajectory, quantity)
            if values is None:
                continue
            _add_line(figure, panel, 5, trajectory.time, values, label, _colour(label, trajectories, colours))
            tops.append(_top(values))
        tops.append(_add_measured(figure, panel, 5, first, quantity))
        _axis_from_zero(figure, panel, 5, max(tops))
    _one_legend(figure)
    mark_events(figure, first.run, len(quantities))
    return figure


def redox(trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None) -> go.Figure:
    """Return R [1] over time [d] for one run: measured, of the state, and (dashed) the R' of the fluxes."""
    first = _first(trajectories)
    figure = panels(["<b>R</b> [1]"], 1, first.run.end)
    tops = [0.0]
    for label, trajectory in trajectories.items():
        colour = _colour(label, trajectories, colours)
        _add_line(figure, 0, 1, trajectory.time, trajectory.redox, label, colour)
        _add_line(figure, 0, 1, trajectory.time, trajectory.ratio, "R' of the fluxes", colour, dash="dash")
        tops.append(_top(trajectory.redox))
    tops.append(_add_measured(figure, 0, 1, first, REDOX))
    _axis_from_zero(figure, 0, 1, max(tops))
    _one_legend(figure)
    mark_events(figure, first.run, 1)
    return figure.update_layout(height=360)


def key_fluxes(
    trajectories: Mapping[str, Trajectory],
    reactions: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> go.Figure:
    """Return fluxes [mmol/(10^9 cells)/d] over time [d]; dashed beside them the kinetic rates of rate laws.

    `reactions`: by default those of `KEY_REACTIONS` that a model has, else kinetic ones of the first model.
    Raises `ModelError` for a reaction that the first model with any of them does not know.
    """
    first = _first(trajectories)
    known = dict.fromkeys(name for one in trajectories.values() for name in one.model.reactions)
    if reactions is None:
        reactions = [name for name in KEY_REACTIONS if name in known] or first.model.kinetic[:8]
    for name in reactions:
        if name not in known:
            first.model.network.index(name)  # raises, and names the nearest
    titles = []
    for name in reactions:
        model = next(one.model for one in trajectories.values() if name in one.model.reactions)
        titles.append(_reaction_title(name, model.network.reactions[model.network.index(name)].label))
    figure = panels(titles, 4, first.run.end)
    for panel, name in enumerate(reactions):
        for label, trajectory in trajectories.items():
            model, colour = trajectory.model, _colour(label, trajectories, colours)
            if name in model.kinetic:
                kinetic_rates = trajectory.kinetic_rates[:, model.kinetic.index(name)]
                _add_line(
                    figure,
                    panel,
                    4,
                    trajectory.time,
                    kinetic_rates,
                    "kinetic_rates by the rate law",
                    colour,
                    dash="dash",
                )
            if name in model.reactions:
                flux = trajectory.fluxes[:, model.reactions.index(name)]
                _add_line(figure, panel, 4, trajectory.time, flux, label, colour)
        row, column = divmod(panel, 4)
        figure.update_yaxes(
            range=_flux_range(trajectories, name), zeroline=True, zerolinecolor="#c9d1d9", row=row + 1, col=column + 1
        )
    figure.update_yaxes(title_text=pretty_unit(SPECIFIC_RATE), col=1)
    _one_legend(figure)
    mark_events(figure, first.run, len(reactions))
    return figure.update_layout(margin_l=64)


def _flux_range(trajectories: Mapping[str, Trajectory], reaction: str) -> list[float]:
    """Return a range that holds all fluxes and zero; a kinetic rate that is a hundred times as large leaves it."""
    fluxes = [one.fluxes[:, one.model.reactions.index(reaction)] for one in trajectories.values()
              if reaction in one.model.reactions]  # fmt: skip
    finite = np.concatenate([*(flux[np.isfinite(flux)] for flux in fluxes), [0.0]])
    low, high = float(np.min(finite)), float(np.max(finite))
    room = 0.25 * max(high - low, 1e-9)
    return [low - (room if low < 0.0 else 0.0), high + room]


def conflict_heatmap(trajectory: Trajectory) -> go.Figure:
    """Return the conflict [1] of every kinetic reaction over time [d].

    Blue where the balances hold a flux below the rate that its law wishes, red where above; clipped at
    -1 and 1.
    """
    model = trajectory.model
    order = sorted(model.kinetic, key=model.reactions.index, reverse=True)
    titles = [_reaction_title(name, model.network.reactions[model.network.index(name)].label, 40) for name in order]
    last = np.r_[np.diff(trajectory.time) > 0.0, True]  # of the two rows of an event, the one after it
    values = trajectory.conflict[last][:, [model.kinetic.index(name) for name in order]].T
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
    """Return standardised residuals [1], (simulated - measured)/standard error, over time [d], for one run.

    The grey band is -2 to 2, where 95 of 100 residuals of a right model lie. Raises `GraycellError` for a run
    without measurements.
    """
    first = _first(trajectories)
    frames = {label: residuals_frame(trajectory) for label, trajectory in trajectories.items()}
    quantities = list(dict.fromkeys(name for frame in frames.values() for name in frame["quantity"]))
    if not quantities:
        raise GraycellError(f"run '{first.run.name}': found no measurements; residuals need some; measure something.")
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


def _simulated(trajectory: Trajectory, quantity: str) -> np.ndarray | None:
    if quantity in (VCD, REDOX):
        return trajectory.viable_cell_density if quantity == VCD else trajectory.redox
    species = trajectory.model.species
    return trajectory.concentrations[:, species.index(quantity)] if quantity in species else None


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
    """Draw the measured values, and return the top of the highest bar."""
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
    """Return the largest finite value, and 0 where there is none: a simulation that failed is drawn as well."""
    return float(np.max(values[np.isfinite(values)], initial=0.0))


def _axis_from_zero(figure: go.Figure, panel: int, columns: int, top: float) -> None:
    figure.update_yaxes(range=[0.0, 1.06 * top or 1.0], row=panel // columns + 1, col=panel % columns + 1)


def _one_legend(figure: go.Figure) -> None:
    """Show each name in the legend once, however many panels it is drawn in; a dashed line as one in grey."""
    seen: set[str] = set()
    traces: list[Any] = list(figure.select_traces())
    for trace in traces:
        dashed = trace.line.dash == "dash"
        trace.showlegend = trace.name not in seen and not dashed
        if dashed and trace.name not in seen:
            line = {"color": MUTED, "width": 1, "dash": "dash"}
            figure.add_scatter(x=[None], y=[None], mode="lines", name=trace.name, line=line, showlegend=True)
        seen.add(trace.name)


def _reaction_title(name: str, label: str, longest: int = 34) -> str:
    return f"<b>{plain(name)}</b> {plain(label, longest)}".rstrip()
