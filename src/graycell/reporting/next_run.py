"""The prediction of a run as tables, figures and one self-contained HTML page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.prediction import MIXTURE, NextRun
from graycell.reporting.curves import add_band
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in
from graycell.reporting.page import Section, drawing, facts, number, page, table, text
from graycell.reporting.predictions import LEVELS
from graycell.reporting.style import COLOURS, INK, MUTED, PALE, mark_events, panels, plain
from graycell.reporting.writing import write_table
from graycell.storage import write_whole, written_together
from graycell.units import CONCENTRATION, TIME

PAGE = "prediction.html"
_MODEL_BAND, _MEASUREMENT_BAND = "rgba(0,114,178,0.28)", "rgba(0,114,178,0.13)"
_COLUMNS = 3
_CAPTION = (
    "Line: the estimate. Dark band: where the culture is expected, in 90 of 100 runs. Light band: where a measurement "
    "of it is expected. Grey: the training runs. Dots: samples of this run, from which the prediction was made anew. "
    "Look for grey lines that leave the band, and for bands that widen: there the plan leaves what was learned."
)


def next_run_frame(prediction: NextRun, units: Units = LABORATORY) -> pd.DataFrame:
    """Return a prediction as a table, one row for each time and quantity.

    Args:
        prediction: of a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Time, quantity, unit, estimate; quantiles of the culture and of a measurement; the ends of the band of whole
        runs, where there is one.
    """
    shown = shown_in(units, [*prediction.runs, prediction.plan])
    parts = []
    for j, name in enumerate(prediction.names):
        unit = prediction.units[name] or CONCENTRATION

        def values(of: np.ndarray, unit: str = unit, name: str = name) -> np.ndarray:
            return np.asarray(shown.values(of, unit, name), float)

        columns = {
            **shown.times(prediction.time), "quantity": name, "unit": shown.unit(unit, name),
            "estimate": values(prediction.estimate[:, j]),
        }  # fmt: skip
        for of in ("model", "measurement"):
            for level in LEVELS:
                side = prediction.interval(name, abs(2.0 * level - 1.0), of)[int(level > 0.5)]  # type: ignore[arg-type]
                columns[f"{of} q{100 * level:02.0f}"] = values(side)
        if prediction.whole_run is not None:
            for word, end in zip(("low", "high"), prediction.whole_run, strict=True):
                columns[f"whole run {word}"] = values(end[:, j])
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def weights_frame(prediction: NextRun) -> pd.DataFrame:
    """Return who contributed what.

    Args:
        prediction: of a run.

    Returns:
        A row for each quantity, and the weight [1] of each candidate.
    """
    columns = {f"{name} [1]": prediction.weights[i] for i, name in enumerate(prediction.candidates)}
    return pd.DataFrame({"quantity": prediction.names, **columns})


def left_out_frame(prediction: NextRun) -> pd.DataFrame:
    """Return how the training runs were predicted, each from the others.

    Args:
        prediction: of a run.

    Returns:
        A row for each run and quantity: errors (NRMSE [1]) of the candidates and of the mixture, and how many samples
        the 90 % band held.
    """
    rows = [
        {"run": score.run, "quantity": score.quantity, "samples": score.samples, "in the 90 % band": score.held,
         **{f"{name} [1]": float(score.nrmse[name]) for name in (*prediction.candidates, MIXTURE)}}
        for score in prediction.scores
    ]  # fmt: skip
    return pd.DataFrame(rows)


def headline_of(prediction: NextRun) -> list[str]:
    """Return what a reader should know first, a baseline that wins before anything else.

    Args:
        prediction: of a run.

    Returns:
        Sentences.
    """
    errors, (held, samples) = prediction.errors(), prediction.held()
    whole = errors[MIXTURE][0]
    ranked = ", ".join(f"{name} {own:.3f}" + (f" (in its quantities, where the mixture has {mixture:.3f})"
                                               if abs(mixture - whole) > 1e-9 else "")
                       for name, (own, mixture) in errors.items())  # fmt: skip
    count = len(prediction.runs)
    found = [f"Mean error as a part of the measured range (NRMSE) where each of the {count} training runs was left out "
             f"and predicted from the others: {ranked}."]  # fmt: skip
    better = [name for name, (own, mixture) in errors.items() if name != MIXTURE and own < mixture]
    if better:
        found.insert(0, f"{' and '.join(better)} alone predicted the runs that were left out better than the mixture.")
    if samples:
        found.append(f"Bands of 90 % held {held} of {samples} of their samples, {100 * held / samples:.0f} %.")
    if prediction.whole_run is not None:
        found.append(f"The band of whole runs holds all of a new run in at least {100 * prediction.certified:.1f} % of "
                     f"cases, {count} of {count + 1}, if it is drawn as the training "
                     "runs were.")  # fmt: skip
    else:
        found.append("Samples of the run are known, so there is no band of whole runs.")
    return found


def next_run_figure(prediction: NextRun, units: Units = LABORATORY) -> go.Figure:
    """Return the bands of all quantities, with the training runs behind and the samples so far.

    Args:
        prediction: of a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A plotly figure with a panel for each quantity.
    """
    shown = shown_in(units, [*prediction.runs, prediction.plan])
    titles = [f"{plain(name)} [{plain(shown.text(prediction.units[name] or CONCENTRATION, name))}]"
              for name in prediction.names]  # fmt: skip
    last = max([prediction.plan.end, *(run.end for run in prediction.runs)])
    figure = panels(titles, _COLUMNS, float(shown.values(last, TIME)), shown.unit(TIME))
    for index, name in enumerate(prediction.names):
        _panel(figure, prediction, shown, index, name)
    mark_events(figure, prediction.plan, len(prediction.names), float(shown.values(1.0, TIME)))
    return figure


def _panel(figure: go.Figure, prediction: NextRun, shown: Shown, index: int, name: str) -> None:
    place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}
    unit, first = prediction.units[name] or CONCENTRATION, index == 0
    time = shown.values(prediction.time, TIME)
    for k, run in enumerate(run for run in prediction.runs if name in run.measurements):
        series = run.measurements[name]
        figure.add_scatter(
            x=shown.values(series.time, TIME), y=shown.values(series.value, unit, name), mode="lines",
            line={"color": PALE, "width": 1}, name="training runs", legendgroup="runs", showlegend=first and k == 0,
            hovertext=plain(run.name), **place,
        )  # fmt: skip
    for of, colour, word in (("measurement", _MEASUREMENT_BAND, "90 % of measurements"),
                             ("model", _MODEL_BAND, "90 % of cultures")):  # fmt: skip
        low, high = (shown.values(end, unit, name) for end in prediction.interval(name, 0.9, of))  # type: ignore[arg-type]
        add_band(figure, time, low, high, colour, name=word, legendgroup=of, showlegend=first, **place)
    estimate = shown.values(prediction.estimate[:, prediction.column(name)], unit, name)
    figure.add_scatter(x=time, y=estimate, mode="lines", line={"color": COLOURS[0], "width": 2}, name="estimate",
                       legendgroup="estimate", showlegend=first, **place)  # fmt: skip
    series = prediction.plan.measurements.get(name)
    if series is not None and len(series.time):
        figure.add_scatter(
            x=shown.values(series.time, TIME), y=shown.values(series.value, unit, name), mode="markers",
            marker={"color": INK, "size": 5}, name="samples so far", legendgroup="samples", showlegend=first, **place,
        )  # fmt: skip
    if np.any(prediction.widening > 1.1):
        left = float(prediction.time[np.argmax(prediction.widening > 1.1)])
        figure.add_vline(x=float(shown.values(left, TIME)), line={"color": MUTED, "dash": "dot", "width": 1}, **place)  # pyright: ignore[reportArgumentType]


def next_run_report(prediction: NextRun, folder: str | Path, units: Units = LABORATORY) -> Path:
    """Write `prediction.html`, its tables as CSV, and `prediction.json` with all that it depends on.

    Args:
        prediction: of a run.
        folder: where the files are written.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder, plain_data = Path(folder), prediction.plain()
    frames = {"prediction": next_run_frame(prediction, units), "weights": weights_frame(prediction),
              "left-out": left_out_frame(prediction)}  # fmt: skip
    made = page(f"Prediction of {prediction.plan.name}", _sections(prediction, frames, plain_data, units))
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "prediction.json", json.dumps(plain_data, indent=1, allow_nan=False))
        write_whole(stage / PAGE, made)
    return folder / PAGE


def _sections(prediction: NextRun, frames: dict, plain_data: dict, units: Units) -> list[Section]:
    lead, *rest = headline_of(prediction)
    items = "".join(f"<li>{text(sentence)}</li>" for sentence in prediction.warnings)
    warnings = f'<ul class="warnings">{items}</ul>' if items else "<p>The plan stays within what was learned.</p>"
    summary = f'<p class="lead">{text(lead)}</p>' + "".join(f"<p>{text(one)}</p>" for one in rest) + warnings
    final = frames["prediction"].groupby("quantity", sort=False).tail(1)
    shown = final[[name for name in final.columns if not name.startswith("whole") and "q25" not in name and "q75" not in
                   name and "q50" not in name]]  # fmt: skip
    bars = [name for name in frames["weights"].columns if name.endswith("[1]")]
    rows = [("seed", str(prediction.seed)), ("degrees of freedom of the bands", number(prediction.degrees, 3)),
            *((f"run {name}", digest) for name, digest in plain_data["training runs"].items()),
            ("plan", plain_data["plan"]["sha256"]), ("code", plain_data["code"]),
            *((name, version) for name, version in plain_data["versions"].items())]  # fmt: skip
    return [
        Section("summary", "Summary", summary),
        Section("prediction", "Prediction", drawing(next_run_figure(prediction, units), "bands", _CAPTION)
                + "<p>At the end:</p>" + table(shown)),
        Section("weights", "Who contributed what", table(frames["weights"], bars=bars)),
        Section("left-out", "Runs that were left out", table(frames["left-out"])),
        Section("made", "How this was made", facts(rows)),
    ]  # fmt: skip
