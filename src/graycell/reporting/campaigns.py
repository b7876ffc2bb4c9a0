"""The next batch of a campaign, as tables, a figure and one self-contained HTML page."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from graycell.campaigns import Campaign, NextStep, Proposed
from graycell.campaigns.reading import headings
from graycell.reporting.page import Section, drawing, facts, page, table, text
from graycell.reporting.style import COLOURS, PALE, TEMPLATE
from graycell.reporting.writing import write_table
from graycell.storage import write_whole, written_together

PAGE = "campaign.html"
_CAPTION = (
    "Expected of the best plan of each clone at the target scale, with the bounds within which it is in nine of ten "
    "cases. Look for clones whose bars reach above the best one: they may still be better."
)
_SHOWN = 40
"""Clones of the figure."""


def proposed_frame(campaign: Campaign, runs: Sequence[Proposed], to_fill: bool = True) -> pd.DataFrame:
    """Return runs as a table that `read_tried` reads, once the goal is filled in.

    Args:
        campaign: whose runs they are.
        runs: of a batch, or the best of every clone.
        to_fill: whether there is an empty column for what is measured.

    Returns:
        One row for each run.
    """
    first, second, *names, goal = headings(campaign)
    rows = []
    for run in runs:
        row: dict[str, object] = {first: run.clone, second: run.scale, **dict(zip(names, run.values, strict=True))}
        row |= {goal: ""} if to_fill else {}
        row |= {"expected": run.expected, "low": run.low, "high": run.high}
        rows.append(row | ({"best at target": run.at_target} if to_fill else {}))
    return pd.DataFrame(rows)


def worth_frame(found: NextStep) -> pd.DataFrame:
    """Return what the best batch of every scale is worth.

    Args:
        found: the answer.

    Returns:
        Scale, runs and cost of its batch, and worth for its cost, the largest as 1.
    """
    scales = [found.campaign.scale(name) for name in found.worth]
    largest = max(found.worth.values(), default=0.0) or 1.0
    return pd.DataFrame({"scale": [one.name for one in scales], "runs": [one.runs for one in scales],
                         "cost": [one.cost * one.runs for one in scales],
                         "worth for its cost": [value / largest for value in found.worth.values()]})  # fmt: skip


def clones_figure(found: NextStep) -> go.Figure:
    """Return a figure of what is expected of every clone.

    Args:
        found: the answer.

    Returns:
        The figure.
    """
    some = found.best[:_SHOWN]
    seen = {one.clone for one in found.tried if one.scale == found.campaign.target}
    figure = go.Figure()
    for colour, word, those in ((COLOURS[0], "was run there", True), (PALE, "was not", False)):
        here = [one for one in some if (one.clone in seen) is those]
        figure.add_scatter(
            x=[one.clone for one in here], y=[one.expected for one in here], mode="markers", name=word,
            marker={"color": colour, "size": 9},
            error_y={"array": [one.high - one.expected for one in here], "color": colour,
                     "arrayminus": [one.expected - one.low for one in here]},
        )  # fmt: skip
    figure.update_layout(template=TEMPLATE, height=380)
    figure.update_xaxes(title="clone", type="category", categoryorder="array",
                        categoryarray=[one.clone for one in some])  # fmt: skip
    figure.update_yaxes(title=f"{found.campaign.maximise} at {found.campaign.target}", rangemode="tozero")
    return figure


def campaign_report(found: NextStep, folder: str | Path) -> Path:
    """Write `campaign.html`, `next-batch.csv`, `clones.csv`, `worth.csv`, and `campaign.json` with all it depends on.

    Args:
        found: the answer.
        folder: where the files are written.

    Returns:
        The path of the page.
    """
    folder, plain = Path(folder), found.plain()
    frames = {"next-batch": proposed_frame(found.campaign, found.batch.runs), "worth": worth_frame(found)}
    if found.best:
        frames["clones"] = proposed_frame(found.campaign, found.best, to_fill=False)
    lead, *rest = found.sentences()
    summary = f'<p class="lead">{text(lead)}</p>' + "".join(f"<p>{text(one)}</p>" for one in rest)
    sections = [Section("summary", "Summary", summary),
                Section("next", "The next batch", table(frames["next-batch"]) + table(frames["worth"]))]  # fmt: skip
    if found.best:
        sections.append(Section("clones", "The clones", drawing(clones_figure(found), "clones", _CAPTION)
                                + table(frames["clones"])))  # fmt: skip
    rows = [("model", plain["model"]["name"]), ("plan", plain["plan"]["sha256"]), ("runs", plain["runs"]["sha256"]),
            ("seed", str(found.campaign.seed)), ("code", plain["code"]),
            *((name, version) for name, version in plain["versions"].items())]  # fmt: skip
    sections.append(Section("made", "How this was made", facts(rows)))
    made = page(f"Campaign with {found.campaign.model.name}", sections)
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / "campaign.json", json.dumps(plain, indent=1, allow_nan=False))
        write_whole(stage / PAGE, made)
    return folder / PAGE


__all__ = ["campaign_report", "clones_figure", "proposed_frame", "worth_frame"]
