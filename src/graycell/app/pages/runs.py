"""What was measured, and what is wrong or odd about it."""

import numpy as np
from nicegui import run, ui

from graycell.app.pages.frame import command, frame, heading, runs_of
from graycell.app.project import RUNS, Project
from graycell.balances.checking import check_path
from graycell.errors import Finding
from graycell.reporting.overlay import runs_figure
from graycell.runs.records import AnyBolus, CultureRun

_MOST = 200
"""Findings that are shown."""


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    @ui.page("/runs")
    async def _page() -> None:
        with frame(project, "/runs", "What was measured, and what is wrong or odd about it."):
            found = await runs_of(project)
            if not found:
                return
            _table(found)
            heading("What the checks say")
            command(["check", RUNS])
            place = ui.column().classes("gap-1")
            heading("All runs over each other")
            ui.plotly(runs_figure(found)).classes("w-full")
            with place:
                waiting = ui.label("Checking ...")
            findings = await run.io_bound(check_path, project.path(RUNS)) or []
            waiting.delete()
            with place:
                _findings(findings)


def _table(found: list[CultureRun]) -> None:
    """Show a row for each run."""
    rows = [{"run": one.name, "days": f"{one.end:.4g}",
             "samples": max([len(series.time) for series in one.measurements.values()], default=0),
             "feeds": sum(isinstance(event, AnyBolus) for event in one.events),
             "measured": ", ".join(one.measurements)} for one in found]  # fmt: skip
    columns = [{"name": name, "label": name, "field": name, "align": "left",
                "style": "white-space: normal" if name == "measured" else ""} for name in rows[0]]  # fmt: skip
    ui.table(columns=columns, rows=rows, row_key="run").classes("w-full").props("dense flat bordered wrap-cells")


def _findings(findings: list[Finding]) -> None:
    """Show errors first, then remarks."""
    if not findings:
        ui.label("Nothing is wrong or odd.").classes("text-positive")
    order = np.argsort([one.severity != "error" for one in findings], kind="stable")
    for k in order[:_MOST]:
        one = findings[int(k)]
        ui.label(str(one)).classes("text-negative" if one.severity == "error" else "")
    if len(findings) > _MOST:
        ui.label(f"and {len(findings) - _MOST} more")
