"""Everything that runs or ran: how far, its output, and its command."""

from functools import partial

from nicegui import ui

from graycell.app.pages.frame import begin, command, frame, heading, output
from graycell.app.project import Project
from graycell.app.work import RUNNING, Job, jobs

_MOST = 50


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    def again(job: Job) -> None:
        begin(project, job.title, job.words, job.out)
        ui.navigate.to("/results")

    @ui.page("/results")
    def _page() -> None:
        with frame(project, "/results", "Commands that run or ran. They go on when this page, or the app, is closed."):
            found = jobs(project)
            if not found:
                ui.label("Nothing was done yet.")
            for job in found[:_MOST]:
                state = job.state
                heading(f"{job.number}: {job.title}, {state}")
                command(job.words)
                with ui.row().classes("gap-3"):
                    if state == RUNNING:
                        ui.button("Stop", on_click=job.stop).props("outline color=negative")
                    else:
                        ui.button("Do it again", on_click=partial(again, job)).props("outline")
                if job.out:
                    ui.label(f"Its files are in the folder {job.out} of the project.").classes("text-sm")
                with ui.expansion("Output").classes("w-full"):
                    output(job)
