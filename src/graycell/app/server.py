"""serve: the app at an address of this machine, which only requests with a token reach."""

import html
import importlib
import os
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

from graycell.app.access import OnlyWithToken
from graycell.app.project import Project
from graycell.errors import GraycellError

_OPENING = ".open.html"
"""The page of a project that leads a browser to the app."""
_TRIES, _BETWEEN = 300, 0.1
"""Looks whether the app answers, and the time [s] between two of them: half a minute on the slowest of machines."""


def serve(folder: Path, port: int = 0, show: bool = True, say: Callable[[str], None] = lambda words: None) -> None:
    """Serve a project until Ctrl-C.

    Args:
        folder: the project; made if it is not there.
        port: number of a port of this machine; 0 for any free one.
        show: whether a browser is opened.
        say: called with the address.

    Raises:
        GraycellError: the extra ``app`` is not installed, or the port is taken.
    """
    try:
        nicegui = importlib.import_module("nicegui")
    except ImportError as error:
        raise GraycellError("graycell app needs the package nicegui; install it with: pip install 'graycell[app]'.") \
            from error  # fmt: skip
    from graycell.app.pages import add_pages  # with nicegui

    project, token = Project(folder), secrets.token_urlsafe(32)
    port = _free_port(port)
    add_pages(project)
    nicegui.app.add_middleware(OnlyWithToken, token=token, port=port)
    address = f"http://127.0.0.1:{port}/?token={token}"
    say(f"graycell app: {address}")
    say(f"Project: {project.folder}. Ctrl-C ends the app; commands that run go on, and are there when it starts again.")
    page = project.path(_OPENING)
    try:
        if show:
            _write_opening(page, address)
            threading.Thread(target=_open, args=(page, port), daemon=True).start()
        nicegui.ui.run(host="127.0.0.1", port=port, title=f"graycell: {project.folder.name}", show=False, reload=False,
                       favicon="🧫", show_welcome_message=False, dark=None, language="en-US",
                       timeout_graceful_shutdown=1)  # fmt: skip
    finally:
        page.unlink(missing_ok=True)


def _write_opening(page: Path, address: str) -> None:
    """Write a page that leads to the address, which no other user can read: arguments of a browser are seen by all."""
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(address)}">')


def _open(page: Path, port: int) -> None:
    """Open the page in a browser as soon as the app answers."""
    for _ in range(_TRIES):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                webbrowser.open(page.as_uri())
                return
        time.sleep(_BETWEEN)


def _free_port(port: int) -> int:
    """Return a port that is free."""
    with socket.socket() as probe:
        if os.name == "posix":  # a port that an app left a minute ago is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise GraycellError(f"port {port}: found '{error.strerror}'; a free one is needed; leave --port out, and "
                                "one is found.") from None  # fmt: skip
        return probe.getsockname()[1]
