"""Plotly figures of trajectories; `figure.show()` or `figure.write_html(path)` shows one by itself.

A label names a model and has the same colour in every figure of a report. Measured values are dark, with bars of one
standard error.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from graycell.errors import GraycellError
from graycell.model import CultureModel
from graycell.reporting.curves import add_measured, at_time, one_legend
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in
from graycell.reporting.reading import (
    conflicts_of,
    fluxes_of,
    has_loop,
    kinetic_rates_of,
    label_of,
    loop_target_of,
    loop_value_of,
    made_by,
    rate_unit,
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
)
from graycell.reporting.tables import residuals_frame
from graycell.runs.records import REDOX, VCD
from graycell.simulation.simulate import Trajectory
from graycell.units import SPECIFIC_RATE, TIME

KEY_REACTIONS = ("v1", "v2", "v16", "v17", "v20", "v30", "v34", "v35")
"""In the networks of Nolan & Lee (2011): glycolysis, lactate dehydrogenase, biomass, antibody, uptake of glucose
and of oxygen, NADH shuttle, ATP maintenance."""


def measured_and_simulated(
    trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None, units: Units = LABORATORY
) -> go.Figure:
    """Draw every quantity over time, measured and simulated.

    Args:
        trajectories: simulations of one run by label.
        colours: by label; None for the default ones.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Panels of VCD, every species and, with a loop, R [1] over time.
    """
    first, display = _first(trajectories), _display(trajectories, units)
    quantities = list(
        dict.fromkeys(name for trajectory in trajectories.values() for name in shown_quantities(trajectory.model))
    )
    quantities.sort(key=lambda name: (name == REDOX, name != VCD))
    titles = [_quantity_title(name, _model_with(trajectories, name), display) for name in quantities]
    figure = _panels(titles, 5, first, display)
    for panel, quantity in enumerate(quantities):
        tops = [0.0]
        for label, trajectory in trajectories.items():
            values = values_of(trajectory, quantity)
            if values is None:
                continue
            values = display.values(values, trajectory.model.unit(quantity), quantity)
            line = _Line(trajectory, label, _colour(label, trajectories, colours), display)
            line.add(figure, panel, 5, values)
            tops.append(_top(values))
        tops.append(_add_measured(figure, panel, 5, first, quantity, display))
        _axis_from_zero(figure, panel, 5, max(tops))
    one_legend(figure)
    _mark_events(figure, first, len(quantities), display)
    return figure


def loop_variables(
    trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None, units: Units = LABORATORY
) -> go.Figure:
    """Draw the first loop variable over time, such as the redox ratio R: measured, simulated, and (dashed) R'.

    Args:
        trajectories: simulations of one run by label; those without a loop are not drawn.
        colours: by label; None for the default ones.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel for each name of a loop variable.

    Raises:
        GraycellError: if no model has a loop.
    """
    first, display = _first(trajectories), _display(trajectories, units)
    closed = {label: trajectory for label, trajectory in trajectories.items() if has_loop(trajectory.model)}
    names = list(dict.fromkeys(trajectory.model.loops[0] for trajectory in closed.values()))
    if not names:
        raise GraycellError("figure: found no model with a loop; one is needed; draw another figure.")
    columns = len(names)
    titles = [_quantity_title(name, _model_with(closed, name), display) for name in names]
    figure = _panels(titles, columns, first, display)
    for panel, name in enumerate(names):
        tops = [0.0]
        for label, trajectory in closed.items():
            if trajectory.model.loops[0] != name:
                continue
            values, target = (display.values(found, trajectory.model.unit(name), name)
                              for found in (loop_value_of(trajectory), loop_target_of(trajectory)))  # fmt: skip
            line = _Line(trajectory, label, _colour(label, trajectories, colours), display)
            line.add(figure, panel, columns, values)
            line.add(figure, panel, columns, target, f"{name}' of the fluxes", dash="dash")
            tops.append(_top(values))
        tops.append(_add_measured(figure, panel, columns, first, name, display))
        _axis_from_zero(figure, panel, columns, max(tops))
    one_legend(figure)
    _mark_events(figure, first, columns, display)
    return figure.update_layout(height=360)


def key_fluxes(
    trajectories: Mapping[str, Trajectory],
    reactions: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
    units: Units = LABORATORY,
) -> go.Figure:
    """Draw fluxes and (dashed) kinetic rates over time.

    Args:
        trajectories: simulations of one run by label.
        reactions: names; by default those of `KEY_REACTIONS` that are known, or the first 8 with a rate law.
        colours: by label; None for the default ones.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Panels over time.

    Raises:
        ModelError: for a reaction that no model has.
    """
    first, display = _first(trajectories), _display(trajectories, units)
    fluxes = {label: fluxes_of(trajectory) for label, trajectory in trajectories.items()}
    kinetic_rates = {label: kinetic_rates_of(trajectory) for label, trajectory in trajectories.items()}
    known = dict.fromkeys(name for by_name in fluxes.values() for name in by_name)
    if reactions is None:
        reactions = [name for name in KEY_REACTIONS if name in known] or list(first.model.kinetic[:8])
    models = [
        next((trajectory.model for label, trajectory in trajectories.items() if name in fluxes[label]), first.model)
        for name in reactions
    ]
    titles = [_reaction_title(name, label_of(model, name)) for name, model in zip(reactions, models, strict=True)]
    texts = [display.text(*_rate(model, name)) for name, model in zip(reactions, models, strict=True)]
    if len(set(texts)) > 1:
        titles = [f"{title} [{text}]" for title, text in zip(titles, texts, strict=True)]
    figure = _panels(titles, 4, first, display)
    for panel, name in enumerate(reactions):
        drawn = []
        for label, trajectory in trajectories.items():
            line = _Line(trajectory, label, _colour(label, trajectories, colours), display)
            if name in kinetic_rates[label]:
                rate = display.values(kinetic_rates[label][name], *_rate(trajectory.model, name))
                line.add(figure, panel, 4, rate, "kinetic rate", dash="dash")
            if name in fluxes[label]:
                drawn.append(display.values(fluxes[label][name], *_rate(trajectory.model, name)))
                line.add(figure, panel, 4, drawn[-1])
        row, column = panel // 4 + 1, panel % 4 + 1
        figure.update_yaxes(range=_flux_range(drawn), zeroline=True, zerolinecolor="#c9d1d9", row=row, col=column)
    if len(set(texts)) == 1:
        figure.update_yaxes(title_text=texts[0], col=1)
    one_legend(figure)
    _mark_events(figure, first, len(reactions), display)
    return figure.update_layout(margin_l=64)


def _rate(model: CultureModel, reaction: str) -> tuple[str, str]:
    """Return the unit of a flux, and the species that it makes or uses."""
    if reaction not in model.reactions:
        return SPECIFIC_RATE, ""
    return rate_unit(model, reaction), made_by(model, reaction)


def _flux_range(fluxes: Sequence[np.ndarray]) -> list[float]:
    """Return a range that holds all fluxes and zero; a much larger kinetic rate is cut off."""
    finite = np.concatenate([*(flux[np.isfinite(flux)] for flux in fluxes), [0.0]])
    low, high = float(np.min(finite)), float(np.max(finite))
    room = 0.25 * max(high - low, 1e-9)
    return [low - (room if low < 0.0 else 0.0), high + room]


def conflict_heatmap(trajectory: Trajectory, units: Units = LABORATORY) -> go.Figure:
    """Draw the conflict of every reaction with a rate law.

    Args:
        trajectory: a simulated run of a model with a network.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A map of the conflict [1] over time, clipped at -1 and 1: blue where the balances hold the flux below the
        kinetic rate, red where they hold it above.
    """
    model, conflicts = trajectory.model, conflicts_of(trajectory)
    display = shown_in(units, [trajectory.run], [model])
    order = sorted(conflicts, key=model.reactions.index, reverse=True)
    titles = [_reaction_title(name, label_of(model, name), 40) for name in order]
    last = np.r_[np.diff(trajectory.time) > 0.0, True]  # of the two rows of an event, the one after it
    values = np.stack([conflicts[name][last] for name in order])
    figure = go.Figure(
        go.Heatmap(
            x=display.values(trajectory.time[last], TIME),
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
            hovertemplate=f"%{{y}}<br>{at_time(display)}: %{{customdata:.3g}}<extra></extra>",
        )
    )
    figure.update_layout(template=TEMPLATE, height=26 * len(order) + 92, margin={"t": 32, "l": 8})
    end = display.values(trajectory.run.end, TIME)
    figure.update_xaxes(title_text=f"time [{display.unit(TIME)}]", range=[0.0, end], showgrid=False)
    figure.update_yaxes(automargin=True, showgrid=False, ticks="", tickfont={"size": 12, "color": INK})
    return figure


def residuals(
    trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None = None, units: Units = LABORATORY
) -> go.Figure:
    """Draw standardised residuals, (simulated - measured) over the standard error, over time.

    The grey band is -2 to 2, where 95 of 100 residuals of a correct model lie.

    Args:
        trajectories: simulations of one run by label.
        colours: by label; None for the default ones.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Panels [1], one for each measured quantity.

    Raises:
        GraycellError: if nothing was measured in the run.
    """
    first, display = _first(trajectories), _display(trajectories, units)
    frames = {label: residuals_frame(trajectory, display) for label, trajectory in trajectories.items()}
    quantities = list(dict.fromkeys(name for frame in frames.values() for name in frame["quantity"]))
    if not quantities:
        raise GraycellError(
            f"run '{first.run.name}': found no measurements; at least one is needed; add it to the run."
        )
    quantities.sort(key=lambda name: (name == REDOX, name != VCD))
    figure = _panels([f"<b>{plain(name)}</b>" for name in quantities], 5, first, display)
    for panel, quantity in enumerate(quantities):
        row, column = panel // 5 + 1, panel % 5 + 1
        largest = 2.5
        for label, frame in frames.items():
            here = frame.loc[frame["quantity"] == quantity]
            values = np.asarray(here["standardised residual [1]"])
            line = _Line(trajectories[label], label, _colour(label, trajectories, colours), display)
            line.add(figure, panel, 5, values, points=np.asarray(here.iloc[:, 0]))
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
    one_legend(figure)
    _mark_events(figure, first, len(quantities), display)
    return figure


def _first(trajectories: Mapping[str, Trajectory]) -> Trajectory:
    if not trajectories:
        raise GraycellError("figure: found no trajectories; one or more are needed; simulate a run first.")
    return next(iter(trajectories.values()))


def _colour(label: str, trajectories: Mapping[str, Trajectory], colours: Mapping[str, str] | None) -> str:
    return (colours_of(trajectories) if colours is None else colours)[label]


def _display(trajectories: Mapping[str, Trajectory], units: Units) -> Shown:
    return shown_in(units, [one.run for one in trajectories.values()], [one.model for one in trajectories.values()])


def _panels(titles: Sequence[str], columns: int, first: Trajectory, display: Shown) -> go.Figure:
    return panels(titles, columns, display.values(first.run.end, TIME), display.unit(TIME))


def _mark_events(figure: go.Figure, first: Trajectory, count: int, display: Shown) -> None:
    mark_events(figure, first.run, count, display.values(1.0, TIME))


class _Line(NamedTuple):
    """How the lines of a trajectory look."""

    trajectory: Trajectory
    label: str
    colour: str
    display: Shown

    def add(self, figure, panel, columns, values, name="", *, dash=None, points=None) -> None:
        """Draw values at all times of the trajectory; points: at these times, in the unit of the axis, as points."""
        figure.add_scatter(
            x=self.display.values(self.trajectory.time, TIME) if points is None else points,
            y=values,
            mode="lines" if points is None else "lines+markers",
            name=plain(name or self.label),
            legendgroup=name or self.label,
            line={"color": self.colour, "width": 2 if points is None and not dash else 1, "dash": dash},
            marker={"size": 5},
            hovertemplate=f"{at_time(self.display)}: %{{y:.4g}}",
            row=panel // columns + 1,
            col=panel % columns + 1,
        )


def _add_measured(
    figure: go.Figure, panel: int, columns: int, trajectory: Trajectory, quantity: str, display: Shown
) -> float:
    """Draw the measured values and return the upper end of the highest error bar."""
    series = trajectory.run.measurements.get(quantity)
    if series is None:
        return 0.0
    unit = trajectory.model.unit(quantity) if quantity in trajectory.model.quantities else series.unit
    row, column = panel // columns + 1, panel % columns + 1
    return add_measured(figure, series, unit, quantity, display, row=row, col=column)


def _top(values: np.ndarray) -> float:
    """Return the largest finite value, or 0 if there is none, as in a simulation that failed."""
    return float(np.max(values[np.isfinite(values)], initial=0.0))


def _axis_from_zero(figure: go.Figure, panel: int, columns: int, top: float) -> None:
    figure.update_yaxes(range=[0.0, 1.06 * top or 1.0], row=panel // columns + 1, col=panel % columns + 1)


def _model_with(trajectories: Mapping[str, Trajectory], quantity: str) -> CultureModel:
    return next(one.model for one in trajectories.values() if quantity in one.model.quantities)


def _quantity_title(name: str, model: CultureModel, display: Shown) -> str:
    return f"<b>{plain(name)}</b> [{plain(display.text(model.unit(name), name))}]"


def _reaction_title(name: str, label: str, longest: int = 34) -> str:
    return f"<b>{plain(name)}</b> {plain(label, longest)}".rstrip()
