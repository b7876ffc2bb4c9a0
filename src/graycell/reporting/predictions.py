"""Figures of predictions: the estimate, the band of the draws, and what was measured."""

import plotly.graph_objects as go

from graycell.inference.prediction import Prediction
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.style import BAND, COLOURS, INK, TEMPLATE, plain
from graycell.units import TIME


def band(prediction: Prediction, quantity: str, level: float = 0.9, units: Units = LABORATORY) -> go.Figure:
    """Return a figure of one quantity of a prediction.

    Args:
        prediction: of one run.
        quantity: its name.
        level: [1] of the band.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The figure.

    Raises:
        ModelError: for a quantity that the model has not.
    """
    display, unit = shown_in(units, [prediction.run], [prediction.model]), prediction.model.unit(quantity)
    time = display.values(prediction.time, TIME)
    low, high = (display.values(end, unit, quantity) for end in prediction.interval(quantity, level))
    figure = go.Figure()
    figure.add_scatter(x=time, y=high, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=time, y=low, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=BAND,
        name=f"{100 * level:g} % of the draws",
    )  # fmt: skip
    best = display.values(prediction.best[:, prediction.names.index(quantity)], unit, quantity)
    figure.add_scatter(x=time, y=best, mode="lines", line={"color": COLOURS[0]}, name="estimate")
    series = prediction.run.measurements.get(quantity)
    if series is not None:
        figure.add_scatter(
            x=display.values(series.time, TIME), y=display.values(series.value, unit, quantity), mode="markers",
            marker={"color": INK}, name="measured",
            error_y={"type": "data", "array": display.differences(series.standard_error, unit, quantity)},
        )  # fmt: skip
    remarks = "".join(f"<br><sup>{plain(sentence)}</sup>" for sentence in prediction.remarks())
    figure.update_layout(template=TEMPLATE, title=plain(f"{prediction.run.name}: {quantity}") + remarks)
    figure.update_xaxes(title=f"time [{display.unit(TIME)}]")
    figure.update_yaxes(title=f"{plain(quantity)} [{plain(display.text(unit, quantity))}]")
    return figure
