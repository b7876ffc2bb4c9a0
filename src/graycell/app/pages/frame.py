"""What all pages have in common: the head, the command that does the same, faults, work and its answer."""

import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nicegui import run, ui

from graycell.app.project import Project
from graycell.app.work import DONE, FAILED, LOST, RUNNING, STOPPED, Job, jobs, start
from graycell.errors import GraycellError, InputError
from graycell.runs.records import CultureRun

PAGES = (("/", "1 Files"), ("/runs", "2 Runs"), ("/models", "3 Models"), ("/plan", "4 Plan"),
         ("/decide", "5 Decide"), ("/results", "Work"))  # fmt: skip
"""Addresses and names, in the order of a study."""
_WORDS = {RUNNING: "runs", DONE: "is done", FAILED: "failed", STOPPED: "was stopped", LOST: "was lost"}
_COLOURS = {RUNNING: "text-primary", DONE: "text-positive", FAILED: "text-negative", STOPPED: "text-grey-8",
            LOST: "text-negative"}  # fmt: skip
_MINUTE = 60.0
_EVERY = 0.5
"""[s] Between two looks at what runs."""


@contextmanager
def frame(project: Project, here: str, words: str) -> Iterator[None]:
    """Show the head of a page; its content comes into the context.

    Args:
        project: whose page it is.
        here: address of the page.
        words: what it is for, in a sentence.

    Yields:
        Nothing.
    """
    ui.add_head_html("<style>body { font-size: 16px } .q-field__label { color: inherit } a:focus-visible, "
                     "button:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px }</style>")
    ui.colors(primary="#005a8f", positive="#00664b", negative="#b3261e")
    with ui.header().classes("items-center bg-primary text-white"), ui.element("nav").props('aria-label="Pages"') \
            .classes("flex items-center gap-1"):  # fmt: skip
        ui.label(project.folder.name).classes("text-lg font-bold mr-4")
        for address, name in PAGES:
            link = ui.link(name, address).classes("no-underline px-3 py-2 rounded")
            if address == here:
                link.classes("bg-white text-primary font-bold").props('aria-current="page"')
            else:
                link.classes("text-white")
    with ui.element("main").classes("w-full max-w-6xl mx-auto flex flex-col gap-4 p-2"):
        heading(dict(PAGES)[here].lstrip("12345 "), 1)
        ui.label(words).classes("text-base")
        yield


async def runs_of(project: Project) -> list[CultureRun]:
    """Return the runs of a project; where there are none, or they are faulty, the page says so.

    Args:
        project: the project.

    Returns:
        The runs; none where the page has nothing to show.
    """
    try:
        found = await run.io_bound(project.runs) or []
    except GraycellError as error:
        faults(error)
        return []
    if not found:
        ui.label("There are no runs yet.")
        ui.link("Make some of your files", "/")
    return found


def save_toml(editor: ui.textarea, place: Path) -> bool:
    """Write what was edited, if it is TOML; else the page says why it is not.

    Args:
        editor: with the text.
        place: the file.

    Returns:
        Whether it was written.
    """
    text = editor.value or ""
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        ui.notify(f"{editor.props['label']} is not TOML: {error}", type="negative", close_button="Close", timeout=0)
        return False
    place.write_text(text, encoding="utf-8")
    return True


def heading(text: str, level: int = 2) -> None:
    """Show a heading.

    Args:
        text: of it.
        level: 1 for that of the page.
    """
    size = "text-2xl" if level == 1 else "text-lg"
    with ui.element(f"h{level}").classes(f"{size} font-bold mt-2"):
        ui.label(text)


def command(words: Sequence[str]) -> None:
    """Show the command that does the same.

    Args:
        words: without graycell.
    """
    text = "graycell " + shlex.join(words)
    with ui.row().classes("items-center gap-2 w-full no-wrap"):
        ui.label("The same as a command:").classes("whitespace-nowrap text-sm")
        ui.label(text).classes("font-mono text-sm break-all")


def faults(error: GraycellError) -> None:
    """Show the sentences of an error.

    Args:
        error: with its findings, or one sentence.
    """
    lines = [str(one) for one in error.findings] if isinstance(error, InputError) else [str(error)]
    with ui.column().classes("gap-1").props('role="alert"'):
        for line in lines:
            ui.label(line).classes("text-negative")


def said(error: Exception) -> str:
    """Return what an error says, as one text.

    Args:
        error: any.

    Returns:
        Its sentences.
    """
    return "\n".join(str(one) for one in error.findings) if isinstance(error, InputError) else str(error)


def show_error(error: Exception) -> None:
    """Show an error above the page, until it is closed.

    Args:
        error: that was met.
    """
    ui.notify(said(error), type="negative", multi_line=True, close_button="Close", timeout=0)


def begin(project: Project, title: str, words: Sequence[str], out: str = "") -> None:
    """Start a command, unless the same one runs.

    Args:
        project: in whose folder.
        title: what it does.
        words: the command, without graycell.
        out: folder of its answer.
    """
    if any(job.state == RUNNING and job.words == list(words) for job in jobs(project)):
        ui.notify("This runs already.", type="warning")
        return
    start(project, title, words, out)
    ui.notify(f"Begun: {title}", type="info")


def work(project: Project, of: Callable[[Job], bool], answer: str = "", ended: Callable[[], Any] | None = None) -> None:
    """Show the last command of a kind: how far it is, what it says, and its answer.

    Args:
        project: the project.
        of: a function that returns whether a command is of the kind.
        answer: name of the page that the command writes; none if left out.
        ended: called when one is done that ran while the page was open.
    """
    place, before = ui.column().classes("w-full gap-2"), dict[str, Any](job=None, state="")

    def look() -> None:
        job = next((one for one in jobs(project) if of(one)), None)
        if job is None:
            return
        state = job.state
        if (job, state) == (before["job"], before["state"]) and state != RUNNING:
            return
        if (job, state) != (before["job"], before["state"]):
            has_ended = before["job"] == job and before["state"] == RUNNING and state == DONE
            before.update(job=job, state=state)
            place.clear()
            with place:
                _shown(project, job, state, answer, before)
            if has_ended and ended is not None:
                ended()
        if state == RUNNING:
            before["tick"]()

    look()
    ui.timer(_EVERY, look)


def _shown(project: Project, job: Job, state: str, answer: str, kept: dict[str, Any]) -> None:
    """Show a command in its state."""
    with ui.row().classes("items-center gap-3"):
        ui.label(f"{job.title} {_WORDS[state]}.").classes(f"font-bold {_COLOURS[state]}").props('role="status"')
        if state == RUNNING:
            ui.button("Stop", on_click=job.stop).props("outline color=negative")
        elif state in (STOPPED, LOST, FAILED):
            ui.button("Start again", on_click=lambda: begin(project, job.title, job.words, job.out)).props("outline")
    if state == RUNNING:
        bar = ui.linear_progress(0.0, show_value=False).classes("w-full").props('aria-label="Progress"')
        words = ui.label("").classes("text-sm")

        def tick() -> None:
            done, about, left = job.progress()
            bar.set_value(done)
            time_left = "" if left is None else f", {_time(left)} left"
            words.set_text(f"{100 * done:.0f} % {about}, {_time(job.seconds)} so far{time_left}")

        kept["tick"] = tick
    elif state in (FAILED, LOST):
        output(job)
    if state == DONE and job.out and answer:
        try:
            there = project.path(job.out, answer).is_file()
        except GraycellError as error:  # of a project that somebody else made
            faults(error)
            return
        if there:
            show_page(f"{job.out}/{answer}", job.title)


def output(job: Job) -> None:
    """Show the output of a command, as text.

    Args:
        job: the command.
    """
    text = ui.label(job.log() or "no output")
    text.classes("w-full font-mono text-sm whitespace-pre-wrap break-all p-2 border rounded")


def show_page(path: str, title: str) -> None:
    """Show a page that a command wrote.

    Args:
        path: of the page within the project.
        title: for those who cannot see it.
    """
    address = "/answers/" + quote(path)
    ui.link("Open by itself", address, new_tab=True).classes("text-primary underline")
    inner = ui.element("iframe").classes("w-full border rounded bg-white").style("height: 75vh")
    inner.props.update(src=address, sandbox="allow-scripts allow-downloads", title=title)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} min"
