"""Plotly figures of a `ModelDiagnosis`: the map R -> R', its branches, the convergence of the closures."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from graycell.diagnosis.equations import ModelDiagnosis
from graycell.reporting.display import LABORATORY, Shown, Units
from graycell.reporting.equations.tables import display_of, parameter_head
from graycell.reporting.reading import loop_value_of
from graycell.reporting.style import COLOURS, INK, MUTED, mark_events, panels, plain
from graycell.simulation.branches import Branches
from graycell.units import TIME

STABLE, UNSTABLE = "stable for a pool (slope < 1)", "unstable (slope > 1)"


def loop_maps(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> go.Figure:
    """Draw R' over R [1], or the target of another loop variable over it, with the fixed points.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel for each chosen time.
    """
    loop, display, name = diagnosis.map, display_of(diagnosis, units), diagnosis.model.loops[0]
    loop_name, unit = plain(name), diagnosis.model.unit(name)

    def values(found):
        return display.values(found, unit, name)

    head = f"{loop_name} [{plain(display.text(unit, name))}]"
    figure = panels([f"<b>{_at(time, display)}</b>" for time in loop.time], 3, 1.0)
    shown: set[str] = set()
    for i in range(len(loop.time)):
        place: dict[str, Any] = {"row": i // 3 + 1, "col": i % 3 + 1}
        here = loop.points.point == i
        roots, slopes = values(loop.points.loop_value[here]), loop.points.slope[here]
        top = 1.25 * max(float(np.max(roots, initial=0.0)), float(np.max(values(loop.simulated))))
        inside = values(loop.loop_value) <= top
        lines = [
            (f"{loop_name}' of the fluxes", loop.target[i][inside], COLOURS[0], None),
            (f"{loop_name}' = {loop_name}", loop.loop_value[inside], MUTED, "dot"),
        ]
        for words, found, colour, dash in lines:
            figure.add_scatter(
                x=values(loop.loop_value[inside]), y=values(found), mode="lines", name=words, legendgroup=words,
                showlegend=words not in shown, line={"color": colour, "width": 2 if dash is None else 1, "dash": dash},
                hovertemplate=f"{loop_name} %{{x:.3g}}: {loop_name}' %{{y:.3g}}", **place,
            )  # fmt: skip
            shown.add(words)
        for words, chosen, symbol in ((STABLE, slopes < 1.0, "circle"), (UNSTABLE, slopes >= 1.0, "circle-open")):
            if not np.any(chosen):
                continue
            figure.add_scatter(
                x=roots[chosen], y=roots[chosen], mode="markers", name=words, legendgroup=words,
                showlegend=words not in shown, marker={"color": INK, "size": 9, "symbol": symbol},
                customdata=slopes[chosen], hovertemplate=f"{loop_name} %{{x:.4g}}, slope %{{customdata:.3g}}", **place,
            )  # fmt: skip
            shown.add(words)
        figure.add_vline(values(loop.simulated[i]), line={"color": COLOURS[1], "width": 1, "dash": "dash"}, **place)
        span = [0.0, top]
        figure.update_xaxes(range=span, title_text=head, **place)
        figure.update_yaxes(range=span, **place)
    figure.update_yaxes(title_text=head.replace(" [", "' [", 1), col=1)
    return figure


def branches_over_time(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> go.Figure:
    """Draw all fixed points of R [1] over time [d], with the simulated and the measured R.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A figure of one panel.
    """
    trajectory, run = diagnosis.trajectory, diagnosis.run
    display, name = display_of(diagnosis, units), diagnosis.model.loops[0]
    unit = diagnosis.model.unit(name)
    loop_value = display.values(loop_value_of(trajectory), unit, name)
    figure = panels([_title(diagnosis, display)], 1, display.values(run.end, TIME), display.unit(TIME))
    _add_branches(figure, diagnosis, diagnosis.over_time, display, TIME)
    figure.add_scatter(
        x=display.values(trajectory.time, TIME), y=loop_value, mode="lines", name=f"simulated {plain(name)}",
        line={"color": COLOURS[1], "width": 2},
    )  # fmt: skip
    measured = trajectory.run.measurements.get(name)  # in the unit of the model
    if measured is not None:
        error = display.differences(measured.standard_error, unit, name)
        figure.add_scatter(
            x=display.values(measured.time, TIME), y=display.values(measured.value, unit, name), mode="markers",
            name="measured, ± 1 standard error",
            error_y={"type": "data", "array": error, "color": INK, "thickness": 1, "width": 2},
            marker={"color": INK, "size": 5, "symbol": "square"},
        )  # fmt: skip
    tops = [display.values(np.nanmax(diagnosis.over_time.loop_value, initial=1.0), unit, name), np.max(loop_value)]
    figure.update_yaxes(range=[0.0, 1.06 * float(max(tops))])
    mark_events(figure, run, 1, display.values(1.0, TIME))
    return figure.update_layout(height=420)


def branches_over_parameter(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> go.Figure:
    """Draw all fixed points of R [1] over the values of a parameter, at one time of the run.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A figure of one panel.
    """
    display = display_of(diagnosis, units)
    title = f"{_title(diagnosis, display)} at {_at(diagnosis.parameter_time, display, '.3g')}"
    figure = panels([title], 1, 1.0)
    _add_branches(figure, diagnosis, diagnosis.over_parameter, display)
    value = float(diagnosis.model.parameters[diagnosis.parameter])
    figure.add_vline(value, line={"color": COLOURS[1], "width": 1, "dash": "dash"})
    along = diagnosis.over_parameter.along
    figure.update_xaxes(title_text=plain(parameter_head(diagnosis)), range=[along[0], along[-1]])
    return figure.update_layout(height=420)


def closure_answers(diagnosis: ModelDiagnosis, units: Units = LABORATORY) -> go.Figure:
    """Draw the difference [1] between the end of the run and that with the finest step or tolerance.

    Args:
        diagnosis: of a model and a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel over the step [d] and one over the relative tolerance [1].
    """
    display = display_of(diagnosis, units)
    figure = panels([f"<b>step</b> [{display.unit(TIME)}]", "<b>rtol</b> [1]"], 2, 1.0)
    settings = {"step [d]": 1, "rtol [1]": 2}
    for i, answer in enumerate(diagnosis.answers):
        if not len(answer.change):
            continue
        figure.add_scatter(
            x=display.values(answer.values[:-1], TIME) if settings[answer.setting] == 1 else answer.values[:-1],
            y=np.maximum(answer.change, 1e-16), mode="lines+markers", name=answer.closure,
            line={"color": COLOURS[i % len(COLOURS)]}, row=1, col=settings[answer.setting],
        )  # fmt: skip
    figure.update_xaxes(type="log", autorange=True, title_text="step or tolerance", exponentformat="power")
    figure.update_yaxes(type="log", autorange=True, exponentformat="power")
    figure.update_yaxes(title_text="difference [1]", col=1)
    return figure.update_layout(height=320)


def _title(diagnosis: ModelDiagnosis, display: Shown) -> str:
    name = diagnosis.model.loops[0]
    return f"<b>{plain(name)}</b> [{plain(display.text(diagnosis.model.unit(name), name))}]"


def _at(time: float, display: Shown, digits: str = "g") -> str:
    """Return a time as text."""
    unit, time = display.unit(TIME), display.values(time, TIME)
    return f"day {time:{digits}}" if unit == TIME else f"{time:{digits}} {unit}"


def _add_branches(
    figure: go.Figure, diagnosis: ModelDiagnosis, branches: Branches, display: Shown, along: str = ""
) -> None:
    """Draw branches over times, if `along` is their unit, or over values of a parameter, which keep theirs."""
    loop = diagnosis.model.loops[0]
    loop_name, unit = plain(loop), diagnosis.model.unit(loop)

    def over(values):
        return display.values(values, along) if along else values

    folds = branches.folds.reshape(-1, 2)
    found = Branches(over(branches.along), display.values(branches.loop_value, unit, loop), branches.slope,
                     np.column_stack([over(folds[:, 0]), display.values(folds[:, 1], unit, loop)]))  # fmt: skip
    for name, wanted in ((STABLE, True), (UNSTABLE, False)):
        x, y = [], []
        for loop_value, slope in zip(found.loop_value, found.slope, strict=True):
            chosen = np.isfinite(loop_value) & ((slope < 1.0) == wanted)
            x += [*np.where(chosen, found.along, np.nan), np.nan]
            y += [*np.where(chosen, loop_value, np.nan), np.nan]
        figure.add_scatter(
            x=x, y=y, mode="lines+markers", name=name, connectgaps=False, marker={"size": 4, "color": COLOURS[0]},
            line={"color": COLOURS[0], "width": 2 if wanted else 1, "dash": None if wanted else "dot"},
            hovertemplate=f"%{{x:.3g}}: {loop_name} %{{y:.4g}}",
        )  # fmt: skip
    if len(found.folds):
        figure.add_scatter(
            x=found.folds[:, 0], y=found.folds[:, 1], mode="markers", name="fold: two branches end",
            marker={"color": COLOURS[1], "size": 10, "symbol": "x-thin-open", "line": {"width": 2}},
        )  # fmt: skip
