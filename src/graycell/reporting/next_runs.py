"""The runs that tell most, as tables, a figure and one self-contained HTML page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.decisions import NextRuns
from graycell.decisions.reading import unit_of_decision
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.page import Section, drawing, facts, number, page, table, text
from graycell.reporting.style import COLOURS, PALE, TEMPLATE, plain
from graycell.reporting.writing import write_table
from graycell.runs.format.writing import write_runs
from graycell.storage import write_whole, written_together

PAGE = "design.html"
_CAPTION = (
    "Grey: the standard deviation of a parameter now; blue: expected after the runs, both relative, for a parameter on "
    "a logarithmic scale. Look for pairs that are nearly equal: of these parameters the runs tell little."
)


def next_runs_frame(found: NextRuns, units: Units = LABORATORY) -> pd.DataFrame:
    """Return what is varied in the next runs, one row for each run.

    Args:
        found: the runs.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The name of the run, and the value of every decision.
    """
    shown = shown_in(units, [*found.learned_from, found.plan])
    columns: dict[str, object] = {"run": [run.name for run in found.runs]}
    for one, values in zip(found.decisions, found.values.T, strict=True):
        unit = unit_of_decision(one, found.plan)
        columns |= shown.column(one.name, unit, np.asarray(values), one.species)
    return pd.DataFrame(columns)


def parameters_frame(found: NextRuns) -> pd.DataFrame:
    """Return how sure the parameters are now, and after the runs.

    Args:
        found: the runs.

    Returns:
        Name, standard deviation now, and that expected, on the parameter's own scale.
    """
    return pd.DataFrame({"parameter": found.parameters, "sd now": found.sd_before, "sd expected": found.sd_after})


def designs_frame(found: NextRuns) -> pd.DataFrame:
    """Return the design beside others of as many runs.

    Args:
        found: the runs.

    Returns:
        Words and what each is expected to leave, or to tell apart.
    """
    rows = [("no more runs", found.before), ("these runs", found.after), *found.others.items()]
    return pd.DataFrame(rows, columns=["design", found.words])


def next_runs_figure(found: NextRuns) -> go.Figure:
    """Return a figure of the standard deviations of the parameters, now and after the runs.

    Args:
        found: the runs.

    Returns:
        The figure.
    """
    names, figure = [plain(name) for name in found.parameters], go.Figure()
    for values, colour, word in ((found.sd_before, PALE, "now"), (found.sd_after, COLOURS[0], "after the runs")):
        figure.add_bar(x=names, y=values, marker={"color": colour}, name=word)
    figure.update_layout(template=TEMPLATE, barmode="group", height=360)
    figure.update_yaxes(title="standard deviation", type="log")
    return figure


def design_report(found: NextRuns, folder: str | Path, units: Units = LABORATORY) -> Path:
    """Write `design.html`, its tables as CSV, `design.json` with all that it depends on, and the runs as plans.

    Args:
        found: the runs.
        folder: where the files are written; the runs are the folder `plans` in it.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder, plain_data = Path(folder), found.plain()
    frames = {"design": next_runs_frame(found, units), "parameters": parameters_frame(found),
              "designs": designs_frame(found)}  # fmt: skip
    lead, *rest = found.sentences()
    rows = [("purpose", found.purpose), ("measured", ", ".join(found.assays.quantities)),
            ("on days", ", ".join(number(float(day), 3) for day in found.assays.times)), ("seed", str(found.seed)),
            *((f"run {name}", digest) for name, digest in plain_data["learned from"].items()),
            ("plan", plain_data["plan"]["sha256"]), ("code", plain_data["code"]),
            *((name, version) for name, version in plain_data["versions"].items())]  # fmt: skip
    summary = f'<p class="lead">{text(lead)}</p>' + "".join(f"<p>{text(one)}</p>" for one in rest)
    made = page(f"Next runs for {found.plan.name}", [
        Section("summary", "Summary", summary),
        Section("design", "What to do", table(frames["design"])),
        Section("parameters", "What they tell", drawing(next_runs_figure(found), "parameters", _CAPTION)
                + table(frames["designs"])),
        Section("made", "How this was made", facts(rows)),
    ])  # fmt: skip
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "design.json", json.dumps(plain_data, indent=1, allow_nan=False))
        write_whole(stage / PAGE, made)
    write_runs(list(found.runs), folder / "plans")
    return folder / PAGE
