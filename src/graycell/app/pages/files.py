"""Files as they come, how they are read, and runs from them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from nicegui import events, run, ui

from graycell.app.pages.frame import begin, command, frame, heading, save_toml, show_error, work
from graycell.app.project import LARGEST_FILE, MAPPING, RUNS, UPLOADS, Project
from graycell.errors import GraycellError, InputError
from graycell.imports.drafting.several import propose_for
from graycell.runs import bundled_run, read_runs
from graycell.runs.format.writing import write_runs
from graycell.runs.records import CultureRun

_TITLE = "Reading the files"
_NAMED = """<script>new MutationObserver(() => {
  for (const button of document.querySelectorAll('.q-uploader .q-btn:not([data-named])')) {
    button.dataset.named = '';
    const input = button.querySelector('input');
    if (!input) { button.setAttribute('aria-label', 'Take from this list'); continue; }
    button.removeAttribute('role');  // the input within it takes the keys
    button.tabIndex = -1;
    input.setAttribute('aria-label', 'Choose files');
    input.tabIndex = 0;
  }
}).observe(document.documentElement, {childList: true, subtree: true})</script>"""
"""Names of the buttons of the place for files, which show only signs, for those who hear the page."""


def add(project: Project) -> None:
    """Add the page.

    Args:
        project: whose page it is.
    """

    @ui.page("/")
    def _page() -> None:
        with frame(project, "/", "Drop the files of your laboratory, say what is in their columns, and make runs of "
                   "them. They stay on this machine."):  # fmt: skip
            changed: list[Callable[[], object]] = []
            _uploads(project, changed)
            changed.append(_mapping(project))
            work(project, lambda job: job.title == _TITLE, ended=lambda: ui.navigate.to("/runs"))
            if not project.path(RUNS).is_dir():
                heading("No file at hand?")
                with ui.row():
                    ui.button("Take the run that comes with graycell", on_click=lambda: _bundled(project)) \
                        .props("outline")  # fmt: skip


def _bundled(project: Project) -> None:
    _keep(project, [bundled_run()])


def _keep(project: Project, runs: list[CultureRun]) -> None:
    """Write runs as those of the project, and go to their page."""
    try:
        write_runs(runs, project.path(RUNS))
    except GraycellError as error:
        show_error(error)
        return
    ui.navigate.to("/runs")


def _uploads(project: Project, changed: list[Callable[[], object]]) -> None:
    """Show where files are dropped, and those that are there; what is called when they change."""

    async def take(event: events.UploadEventArguments) -> None:
        try:
            place = project.place_for(event.file.name, event.file.size())
            await event.file.save(place)
        except GraycellError as error:
            show_error(error)
            return
        refresh()

    def refresh() -> None:
        listed.refresh()
        for call in changed:
            call()

    ui.add_head_html(_NAMED)
    ui.upload(label="Drop files here, or choose them with +", multiple=True, auto_upload=True, on_upload=take,
              max_file_size=LARGEST_FILE,
              on_rejected=lambda: ui.notify(f"A file has at most {LARGEST_FILE / 2**20:.0f} MiB.", type="negative"),
              ).classes("w-full")  # fmt: skip

    def remove(path: Path) -> None:
        path.unlink(missing_ok=True)
        refresh()

    @ui.refreshable
    def listed() -> None:
        for path in project.uploads():
            with ui.row().classes("items-center gap-2"):
                ui.label(f"{path.name}, {path.stat().st_size / 1000:.0f} kB")
                button = ui.button("Remove", on_click=partial(remove, path)).props("flat dense")
                button.props["aria-label"] = f"Remove {path.name}"

    listed()


def _mapping(project: Project) -> Callable[[], object]:
    """Show the mapping of the files, to be corrected; return what shows its command anew."""
    heading("What the columns are")
    ui.label("A draft takes from the headings only what they say. Replace every ?; lines that begin with # are "
             "remarks.")  # fmt: skip
    place = project.path(MAPPING)
    text = place.read_text(encoding="utf-8") if place.is_file() else ""
    editor = ui.textarea(label="Mapping", value=text).classes("w-full font-mono").props("outlined rows=18")

    def names() -> list[str]:
        return [f"{UPLOADS}/{path.name}" for path in project.uploads()]

    def words() -> list[str]:
        own = ["--map", MAPPING] if (editor.value or "").strip() else []  # exports of analysers need none
        return ["import", *(names() or ["FILE"]), *own, "--out", RUNS]

    async def draft() -> None:
        paths = project.uploads()
        if not paths:
            ui.notify("Drop a file first.", type="warning")
            return
        try:
            if await _are_runs_already(project):
                return
            made = await run.io_bound(propose_for, paths)
        except GraycellError as error:
            show_error(error)
            return
        editor.set_value(made)
        ui.notify("A draft was made: replace every ?.", type="positive")

    def read() -> None:
        if save_toml(editor, place):
            begin(project, _TITLE, words(), RUNS)

    with ui.row():
        ui.button("Draft the mapping", on_click=draft)
        ui.button("Make runs", on_click=read)

    @ui.refreshable
    def shown() -> None:
        command(words())

    shown()
    editor.on("blur", shown.refresh)
    return shown.refresh


async def _are_runs_already(project: Project) -> bool:
    """Take files that have graycell's own format as they are; return whether they had."""
    found = []
    for path in project.uploads():
        try:
            found += await run.io_bound(read_runs, path) or []
        except InputError:
            return False
    _keep(project, found)
    return True
