"""serve: the app at an address of this machine, for whoever has the token."""

import contextlib
import html
import importlib
import os
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path

from graycell.app.access import OnlyWithToken
from graycell.app.project import Project
from graycell.errors import GraycellError


def serve(folder: Path, port: int = 0, show: bool = True, say: Callable[[str], None] = lambda words: None) -> None:
    """Serve a project until Ctrl-C.

    Args:
        folder: of the project; made if it is not there.
        port: at which; a free one for 0.
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
    with contextlib.ExitStack() as open_until_then:
        if show:
            # by a file that only this user can read: others see the arguments of processes, as of a browser
            file = open_until_then.enter_context(tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8"))
            file.write(f'<meta http-equiv="refresh" content="0;url={html.escape(address)}">')
            file.flush()
            nicegui.app.on_startup(lambda: webbrowser.open(Path(file.name).as_uri()))
        nicegui.ui.run(host="127.0.0.1", port=port, title=f"graycell: {project.folder.name}", show=False, reload=False,
                       favicon="🧫", show_welcome_message=False, dark=None, timeout_graceful_shutdown=1)  # fmt: skip


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
