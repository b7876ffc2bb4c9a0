"""A running culture as tables, a figure and one self-contained HTML page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.comparison.splits import known_of
from graycell.following import Followed
from graycell.reporting.curves import add_band
from graycell.reporting.decisions import decisions_frame
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.page import Section, drawing, facts, page, table, text
from graycell.reporting.style import COLOURS, INK, MUTED, mark_events, panels, plain
from graycell.reporting.writing import write_table
from graycell.runs.format.writing import write_runs
from graycell.storage import write_whole, written_together
from graycell.units import CONCENTRATION, TIME

PAGE = "follow.html"
_BANDS = ("rgba(120,120,120,0.15)", "rgba(0,114,178,0.25)")
_COLUMNS = 3
_CAPTION = (
    "Blue: the culture with all its samples so far; grey: what was foreseen without them; bands hold 90 of 100 draws. "
    "Dots: samples, means of signals among them. The line: now. Look for dots that leave the blue band: there the "
    "culture does what the model does not know."
)


def state_frame(followed: Followed, units: Units = LABORATORY) -> pd.DataFrame:
    """Return what is known of a culture now, one row for each quantity, measured or not.

    Args:
        followed: a culture.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Quantity, unit, estimate, the ends of a 90 % interval, what was foreseen without samples, the last sample and
        its time.
    """
    shown = shown_in(units, [*followed.fit.runs, followed.run], [followed.known.model])
    rows = []
    for one in followed.state():
        values = (float(shown.values(value, one.unit, one.quantity))
                  for value in (one.estimate, one.low, one.high, one.without, one.measured))  # fmt: skip
        rows.append((one.quantity, shown.unit(one.unit, one.quantity), *values,
                     float(shown.values(one.measured_on, TIME))))  # fmt: skip
    heads = ["quantity", "unit", "now", "q05", "q95", "without samples", "last sample"]
    return pd.DataFrame(rows, columns=[*heads, f"taken at [{shown.unit(TIME)}]"])


def course_frame(followed: Followed, units: Units = LABORATORY) -> pd.DataFrame:
    """Return the course of a culture, past and to come, one row for each time and quantity.

    Args:
        followed: a culture.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Time, quantity, unit, whether it is to come, estimate and the ends of a 90 % interval.
    """
    shown, found = shown_in(units, [*followed.fit.runs, followed.run], [followed.known.model]), followed.forecast
    parts = []
    for name in followed.names:
        unit, best = found.model.unit(name), found.best[:, found.names.index(name)]
        low, high = found.interval(name)
        parts.append(pd.DataFrame({
            **shown.times(found.time), "quantity": name, "unit": shown.unit(unit, name),
            "to come": found.time > followed.now,
            **{head: np.asarray(shown.values(values, unit, name), float)
               for head, values in (("estimate", best), ("q05", low), ("q95", high))},
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def followed_figure(followed: Followed, units: Units = LABORATORY) -> go.Figure:
    """Return a figure of a culture: its samples, its course with and without them, and now.

    Args:
        followed: a culture.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A plotly figure with a panel for each quantity.
    """
    shown, model = shown_in(units, [*followed.fit.runs, followed.run], [followed.known.model]), followed.known.model
    names = followed.names
    titles = [f"{plain(name)} [{plain(shown.text(model.unit(name) or CONCENTRATION, name))}]" for name in names]
    figure = panels(titles, _COLUMNS, float(shown.values(followed.run.end, TIME)), shown.unit(TIME))
    for index, name in enumerate(names):
        place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}
        unit, first = model.unit(name) or CONCENTRATION, index == 0
        for which, word, colour, band in ((followed.without, "without samples", MUTED, _BANDS[0]),
                                          (followed.forecast, "with all samples", COLOURS[0], _BANDS[1])):  # fmt: skip
            j, time = which.names.index(name), shown.values(which.time, TIME)
            low, high, best = (shown.values(part, unit, name) for part in (*which.interval(name), which.best[:, j]))
            add_band(figure, time, low, high, band, name=f"{word}, 90 %", legendgroup=word, showlegend=False, **place)
            figure.add_scatter(x=time, y=best, mode="lines", line={"color": colour, "width": 2}, name=word,
                               legendgroup=word, showlegend=first, **place)  # fmt: skip
        series = followed.run.measurements.get(name)
        if series is not None:
            figure.add_scatter(x=shown.values(series.time, TIME),
                               y=shown.values(series.value, series.unit or unit, name), mode="markers",
                               marker={"color": INK, "size": 5}, name="samples", legendgroup="samples",
                               showlegend=first, **place)  # fmt: skip
    mark_events(figure, followed.run, len(names), float(shown.values(1.0, TIME)))
    figure.add_vline(x=float(shown.values(followed.now, TIME)), line={"color": INK, "width": 1})  # in all panels
    return figure


def follow_report(followed: Followed, folder: str | Path, units: Units = LABORATORY) -> Path:
    """Write `follow.html`, its tables as CSV, `follow.json` with the advice, and the best plan as a run.

    Args:
        followed: a culture.
        folder: where the files are written; the plan, where decisions were given, is the folder `plan` in it, without
            samples: the culture as it is planned where nothing is left to choose.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder, data = Path(folder), followed.plain()
    frames = {"state": state_frame(followed, units), "course": course_frame(followed, units)}
    lead, *rest = followed.sentences()
    summary = f'<p class="lead">{text(lead)}</p>' + "".join(f"<p>{text(one)}</p>" for one in rest)
    advice = "<p>Nothing was to be chosen.</p>"
    if followed.left_out:
        advice = "<p>Nothing is left to choose.</p>"
        frames["decisions"] = pd.DataFrame({"decision": list(followed.left_out), "chosen": "done before"})
    if followed.best is not None:
        frames["decisions"] = decisions_frame(followed.best, units)
        items = "".join(f"<li>{text(one)}</li>" for one in followed.best.novelties)
        advice = table(frames["decisions"]) + (f'<ul class="warnings">{items}</ul>' if items else "")
    rows = [("culture", data["run"]["sha256"]), *((f"run {name}", digest) for name, digest in
                                                  data["learned from"].items()),
            ("seed", str(followed.seed)), ("code", data["code"]), *data["versions"].items()]  # fmt: skip
    made = page(f"{followed.run.name} on day {followed.now:.4g}", [
        Section("summary", "Summary", summary),
        Section("advice", "What to do", advice),
        Section("state", "The culture now", table(frames["state"])),
        Section("course", "Past and to come", drawing(followed_figure(followed, units), "course", _CAPTION)),
        Section("made", "How this was made", facts(rows)),
    ])  # fmt: skip
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "follow.json", json.dumps(data, indent=1, allow_nan=False))
        write_whole(stage / PAGE, made)
    if followed.best is not None or followed.left_out:  # also where nothing is left: it replaces that of an earlier day
        write_runs([known_of(followed.run if followed.best is None else followed.best.plan)], folder / "plan")
    return folder / PAGE
