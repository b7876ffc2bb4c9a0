"""What a browser shows: one module for each page, and what they have in common.

frame     the head of every page, the command that does the same, faults, answers
files     files as they come, their mapping, runs from them
runs      what was measured, what is odd
models    models that fit what was measured; fits
plan      the plan, its prediction
decide    what is chosen of the plan
results   everything that runs or ran
"""

from pathlib import Path

from fastapi.responses import FileResponse, PlainTextResponse, Response
from nicegui import app

from graycell.app.pages import decide, files, models, plan, results, runs
from graycell.app.project import FITS, RESULTS, Project
from graycell.errors import GraycellError

_NOT_FOUND = 404


def answer_at(project: Project, path: str) -> Path | None:
    """Return a file that a command wrote.

    Args:
        project: the project.
        path: of the file within it, as a browser asks for it.

    Returns:
        The file; None where there is none, or where it is no answer, such as a file that was dropped.
    """
    try:
        found = project.path(path)
        is_answer = any(found.is_relative_to(project.path(one)) for one in (FITS, RESULTS))
        return found if is_answer and found.is_file() else None
    except (GraycellError, ValueError):  # a path that leads out, or that no file can have
        return None


def add_pages(project: Project) -> None:
    """Add all pages of a project.

    Args:
        project: whose pages they are.
    """
    for page in (files, runs, models, plan, decide, results):
        page.add(project)

    @app.get("/answers/{path:path}")
    def _answer(path: str) -> Response:
        found = answer_at(project, path)
        if found is None:
            return PlainTextResponse("There is no such answer.", _NOT_FOUND)
        # a page of an answer runs apart: it cannot reach the app
        return FileResponse(found, headers={"Content-Security-Policy": "sandbox allow-scripts allow-downloads",
                                            "Cache-Control": "no-store"})  # fmt: skip
