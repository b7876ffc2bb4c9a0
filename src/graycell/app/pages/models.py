"""The models that fit what was measured; fits."""

import re
from functools import partial

from nicegui import run, ui

from graycell.app.pages.frame import begin, command, frame, heading, runs_of, show_page, work
from graycell.app.project import FITS, RUNS, Project

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
            found = await runs_of(project)
            if not found:
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


def words_of_fit(name: str, starts: int, folder: str) -> list[str]:
    """Return the command that fits a model.

    Args:
        name: of the model.
        starts: of the fit.
        folder: of the fit.

    Returns:
        Words, without graycell.
    """
    return ["fit", RUNS, "--model", name, "--starts", str(starts), "--out", f"{FITS}/{folder}"]


def free_folder(project: Project, name: str) -> str:
    """Return a folder for a fit of a model: of other runs, a fit needs another one.

    Args:
        project: the project.
        name: of the model.

    Returns:
        The name of the model where there is no fit in such a folder, else with a number.
    """
    stem, number = re.sub(r"[^\w.-]", "-", name), 1
    while project.path(FITS, folder := stem if number == 1 else f"{stem}-{number}", "fit.json").exists():
        number += 1
    return folder


def _choices(project: Project, usable: dict[str, str], reasons: dict[str, str], starts: ui.number) -> None:
    """Show the models, those that can be fitted first."""

    def fit(name: str) -> None:
        folder = free_folder(project, name)
        words = words_of_fit(name, int(starts.value or _STARTS), folder)
        begin(project, f"{_FITTING} {name}", words, f"{FITS}/{folder}")

    for name, title in usable.items():
        with ui.card().classes("w-full"), ui.row().classes("items-center gap-4 w-full no-wrap"):
            ui.button("Fit", on_click=partial(fit, name)).props["aria-label"] = f"Fit {name}"
            with ui.column().classes("gap-0"):
                ui.label(name).classes("font-bold")
                ui.label(title)
    if usable:
        first = next(iter(usable))
        command(words_of_fit(first, _STARTS, free_folder(project, first)))
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
        title, page, fit = f"{_REPORTING} {chosen.value}", "report.html", project.path(folder, "fit.json")
        with ui.row():
            ui.button("Write its report", on_click=lambda: begin(project, title, words, folder))
        command(words)
        there = project.path(folder, page)
        if there.is_file() and there.stat().st_mtime >= fit.stat().st_mtime:
            show_page(f"{folder}/{page}", f"Report of {chosen.value}")

    chosen.on_value_change(report.refresh)
    report()
    work(project, lambda job: job.title.startswith(_REPORTING), ended=report.refresh)
