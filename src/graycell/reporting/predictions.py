"""Figures of predictions: the estimate, the band of the draws, and what was measured."""

import plotly.graph_objects as go

from graycell.inference.prediction import Prediction
from graycell.reporting.style import BAND, COLOURS, INK, TEMPLATE, plain, pretty_unit
from graycell.units import TIME


def band(prediction: Prediction, quantity: str, level: float = 0.9) -> go.Figure:
    """Return a figure of one quantity of a prediction.

    Args:
        prediction: of one run.
        quantity: its name.
        level: [1] of the band.

    Returns:
        The figure.

    Raises:
        ModelError: for a quantity that the model has not.
    """
    low, high = prediction.interval(quantity, level)
    figure = go.Figure()
    figure.add_scatter(x=prediction.time, y=high, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=prediction.time, y=low, mode="lines", line={"width": 0}, fill="tonexty", fillcolor=BAND,
        name=f"{100 * level:g} % of the draws",
    )  # fmt: skip
    best = prediction.best[:, prediction.names.index(quantity)]
    figure.add_scatter(x=prediction.time, y=best, mode="lines", line={"color": COLOURS[0]}, name="estimate")
    series = prediction.run.measurements.get(quantity)
    if series is not None:
        figure.add_scatter(
            x=series.time, y=series.value, mode="markers", marker={"color": INK}, name="measured",
            error_y={"type": "data", "array": series.standard_error},
        )  # fmt: skip
    unit = pretty_unit(prediction.model.unit(quantity))
    remarks = "".join(f"<br><sup>{plain(sentence)}</sup>" for sentence in prediction.remarks())
    figure.update_layout(template=TEMPLATE, title=plain(f"{prediction.run.name}: {quantity}") + remarks)
    figure.update_xaxes(title=f"time [{TIME}]")
    figure.update_yaxes(title=f"{plain(quantity)} [{unit}]")
    return figure
