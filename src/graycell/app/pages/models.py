"""The models that fit what was measured; fits."""

import re
from functools import partial

from nicegui import run, ui

from graycell.app.pages.frame import begin, command, faults, frame, heading, show_page, work
from graycell.app.project import FITS, RUNS, Project
from graycell.errors import GraycellError

_FITTING, _REPORTING = "Fitting", "The report of"
_STARTS = 2
"""Of a fit, where nothing else is chosen."""


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    @ui.page("/models")
    async def _page() -> None:
        with frame(project, "/models", "Which models your measurements allow, and how well each describes the runs."):
            try:
                found = await run.io_bound(project.runs)
            except GraycellError as error:
                faults(error)
                return
            if not found:
                ui.label("There are no runs yet.")
                ui.link("Make some of your files", "/")
                return
            _fits(project)
            heading("Fit a model")
            starts = ui.number("Starts of the fit", value=_STARTS, min=1, max=64, step=1, format="%d").classes("w-48")
            work(project, lambda job: job.title.startswith(_FITTING), ended=lambda: ui.navigate.to("/models"))
            place = ui.column().classes("w-full gap-2")
            with place:
                waiting = ui.label("Looking which models the measurements allow ...")
            usable, reasons = await run.io_bound(_usable, found) or ({}, {})
            waiting.delete()
            with place:
                _choices(project, usable, reasons, starts)


def _usable(found: list) -> tuple[dict[str, str], dict[str, str]]:
    """Return the models that can be fitted with their titles, and why others cannot."""
    from graycell.comparison.choosing import usable_models  # with JAX

    usable = usable_models(found)
    return {name: file.about or name for name, file in usable.models.items()}, dict(usable.reasons)


def words_of_fit(name: str, starts: int) -> list[str]:
    """Return the command that fits a model.

    Args:
        name: of the model.
        starts: of the fit.

    Returns:
        Words, without graycell.
    """
    return ["fit", RUNS, "--model", name, "--starts", str(starts), "--out", f"{FITS}/{_folder(name)}"]


def _folder(name: str) -> str:
    return re.sub(r"[^\w.-]", "-", name)


def _choices(project: Project, usable: dict[str, str], reasons: dict[str, str], starts: ui.number) -> None:
    """Show the models, those that can be fitted first."""

    def fit(name: str) -> None:
        count = int(starts.value or _STARTS)
        begin(project, f"{_FITTING} {name}", words_of_fit(name, count), f"{FITS}/{_folder(name)}")

    for name, title in usable.items():
        with ui.card().classes("w-full"), ui.row().classes("items-center gap-4 w-full no-wrap"):
            ui.button("Fit", on_click=partial(fit, name)).props(f'aria-label="Fit {name}"')
            with ui.column().classes("gap-0"):
                ui.label(name).classes("font-bold")
                ui.label(title)
    if usable:
        command(words_of_fit(next(iter(usable)), _STARTS))
    with ui.expansion(f"{len(reasons)} models need what was not measured").classes("w-full"):
        for name, why in reasons.items():
            ui.label(f"{name}: {why}")


def _fits(project: Project) -> None:
    """Show the fits, and the report of one."""
    if not project.fits():
        return
    heading("Fits")
    chosen = ui.select(project.fits(), value=project.fits()[-1], label="Fit").classes("w-64")

    @ui.refreshable
    def report() -> None:
        folder = f"{FITS}/{chosen.value}"
        words = ["report", folder]
        if project.path(folder, "report.html").is_file():
            show_page(f"{folder}/report.html", f"Report of {chosen.value}")
        else:
            title = f"{_REPORTING} {chosen.value}"
            with ui.row():
                ui.button("Write its report", on_click=lambda: begin(project, title, words, folder))
        command(words)

    chosen.on_value_change(report.refresh)
    report()
    work(project, lambda job: job.title.startswith(_REPORTING), ended=report.refresh)
