"""Predictions of a fit: figures, a table and a page: the estimate, the band of the draws, and what was measured."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.inference.prediction import Prediction
from graycell.inference.results import Fit
from graycell.provenance import hash_of_run
from graycell.reporting.curves import add_band, add_measured
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.page import Section, drawing, facts, page, text
from graycell.reporting.style import BAND, COLOURS, TEMPLATE, plain
from graycell.reporting.writing import write_table
from graycell.saved import SavedFormat
from graycell.storage import write_whole, written_together
from graycell.units import TIME
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

if TYPE_CHECKING:
    from graycell.uncertainty import Ensemble, PosteriorSample

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of the table."""
_FORMAT = SavedFormat("prediction of a fit", 1, "predict anew with: graycell predict", unnumbered=None)
_CAPTION = (
    "Line: the fitted model. Band: 90 % of the draws of its parameters; it holds neither the assay error nor what the "
    "model leaves out, so look at how the fit met its runs before you trust it. Dots: measurements of this run."
)


def prediction_frame(prediction: Prediction, units: Units = LABORATORY) -> pd.DataFrame:
    """Return a prediction of a fit as a table, one row for each time and quantity.

    Args:
        prediction: of one run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Time, quantity, unit, the fitted model, and quantiles of the draws.
    """
    shown, parts = shown_in(units, [prediction.run], [prediction.model]), []
    for j, name in enumerate(prediction.names):
        unit = prediction.model.unit(name)
        ends = np.nanquantile(prediction.values[:, :, j], LEVELS, axis=0)
        columns = {**shown.times(prediction.time), "quantity": name, "unit": shown.unit(unit, name),
                   "estimate": np.asarray(shown.values(prediction.best[:, j], unit, name), float)}  # fmt: skip
        columns |= {f"model q{100 * level:02.0f}": np.asarray(shown.values(end, unit, name), float)
                    for level, end in zip(LEVELS, ends, strict=True)}  # fmt: skip
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def prediction_report(
    prediction: Prediction,
    fit: Fit,
    folder: str | Path,
    units: Units = LABORATORY,
    drawn: "PosteriorSample | Ensemble | None" = None,
) -> Path:
    """Write `prediction.html`, `prediction.csv`, and `prediction.json` with all that the prediction depends on.

    Args:
        prediction: of one run.
        fit: from which it comes.
        folder: where the files are written.
        units: see `DisplayUnits`; a setting such as "internal" will do.
        drawn: where the draws are from, if it is not the covariance of the fit.

    Returns:
        The path of the page.
    """
    folder, source, remarks = Path(folder), "normal distribution around the estimates", fit.remarks()
    if drawn is not None:
        source, remarks = drawn.description, [*remarks, *drawn.remarks()]
    whole = {
        **_FORMAT.stamp(), "plan": {"name": prediction.run.name, "sha256": hash_of_run(prediction.run)},
        "model": prediction.model.name, "training runs": {run.name: hash_of_run(run) for run in fit.runs},
        "seed": prediction.seed, "draws": len(prediction.values), "failed draws": prediction.failed,
        "draws from": source, "group": prediction.group, "warnings": [*remarks, *prediction.remarks()],
        "code": hash_of_code(), **where_it_ran(VERSIONS),
    }  # fmt: skip
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in whole["warnings"])
    measured = {name for run in fit.runs for name in run.measurements}
    shown = [name for name in prediction.names if name in prediction.model.species or name in measured]
    figures = "".join(drawing(band(prediction, name, units=units), f"band-{i}", _CAPTION if i == 0 else name)
                      for i, name in enumerate(shown))  # fmt: skip
    rows = [(name, str(whole[name])) for name in ("model", "seed", "draws", "draws from", "failed draws", "code")]
    made = page(f"Prediction of {prediction.run.name}", [
        Section("warnings", "Warnings", f'<ul class="warnings">{items}</ul>' if items else "<p>None.</p>"),
        Section("prediction", "Prediction", figures),
        Section("made", "How this was made", facts([*rows, *whole["versions"].items()])),
    ])  # fmt: skip
    with written_together(folder) as stage:
        write_table(prediction_frame(prediction, units), stage / "prediction.csv")
        write_whole(stage / "prediction.json", json.dumps(whole, indent=1))
        write_whole(stage / "prediction.html", made)
    return folder / "prediction.html"


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
    add_band(figure, time, low, high, BAND, name=f"{100 * level:g} % of the draws", hoverinfo=None)
    best = display.values(prediction.best[:, prediction.names.index(quantity)], unit, quantity)
    figure.add_scatter(x=time, y=best, mode="lines", line={"color": COLOURS[0]}, name="estimate")
    series = prediction.run.measurements.get(quantity)
    if series is not None:
        add_measured(figure, series, unit, quantity, display)
    remarks = "".join(f"<br><sup>{plain(sentence)}</sup>" for sentence in prediction.remarks())
    figure.update_layout(template=TEMPLATE, title=plain(f"{prediction.run.name}: {quantity}") + remarks)
    figure.update_xaxes(title=f"time [{display.unit(TIME)}]")
    figure.update_yaxes(title=f"{plain(quantity)} [{plain(display.text(unit, quantity))}]")
    return figure
