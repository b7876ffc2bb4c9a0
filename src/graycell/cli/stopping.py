"""Ctrl-C ends a command within seconds, and keeps the state of a fit.

Python runs a handler of a signal between two of its own operations, and there is none while XLA compiles or a compiled
program runs: that may take minutes. So a thread waits for the signal, which C code writes to a socket at once; jaxlib
lets threads run meanwhile. The command has a moment to end by itself, as a fit does after an iteration; then the
process ends without clean-up, which compiled code would not survive. Checkpoints and results are on disk whole or not
at all, so nothing is lost but the present iteration. Where other compiled code keeps the lock of Python, the thread
waits too, and `guard`, a process of its own, ends this one.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from graycell.cli import guard
from graycell.cli.exit_codes import INTERRUPTED
from graycell.cli.sentences import add_to_log, end_output
from graycell.storage import discard_stages

GRACE = 1.5
"""[s] In which a command may end by itself after Ctrl-C."""
_LEAVING = 0.2
"""[s] In which what is printed and tidied up at the end must be done."""
_asked = threading.Event()
"""Set by the first Ctrl-C while a command runs."""
_kept: list[Path] = []
"""Folders that hold the state of what is being done."""
_line: socket.socket | None = None
"""To the guard, while there is one."""


@contextlib.contextmanager
def keeps_state(folder: Path) -> Iterator[None]:
    """Name the folder that holds the state of what is being done, and say so after Ctrl-C.

    Args:
        folder: with checkpoints.

    Yields:
        Nothing.
    """
    _kept.append(folder)
    _tell_guard()
    try:
        yield
    except KeyboardInterrupt:
        raise  # it is named afterwards, see `last_sentence`
    except BaseException:
        _kept.remove(folder)
        _tell_guard()
        raise
    _kept.remove(folder)
    _tell_guard()


def last_sentence() -> str:
    """Return what is said when a command was stopped.

    Returns:
        The sentence.
    """
    return guard.last_sentence(_kept)


def was_asked() -> bool:
    """Return whether Ctrl-C came while a command ran: what it raises after that is of no interest.

    A module in C that is being imported turns the exception of Ctrl-C into an ImportError, for example.

    Returns:
        Whether it came.
    """
    return _asked.is_set()


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raise the exception of Ctrl-C; end the process where it imports: modules in C crash when they are interrupted."""
    _asked.set()
    while frame is not None:
        if frame.f_globals.get("__name__") in ("importlib._bootstrap", "_frozen_importlib"):
            try:
                _tidy()
            finally:
                os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


@contextlib.contextmanager
def end_soon_after_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end this process within seconds, while a command runs; in the main thread, before any work.

    Yields:
        Nothing.
    """
    global _line
    _kept.clear()  # of a command before, in a process that has several
    _asked.clear()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as of a command that a shell runs in the background
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    watching = _start_guard(theirs)
    heard = theirs if watching is None else ours  # the guard gives the news back
    before = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    atexit.register(_leave_at_once)
    thread = threading.Thread(target=_wait, args=(heard,), name="ctrl-c", daemon=True)
    thread.start()
    _line = None if watching is None else ours
    if ours_to_handle := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:  # the command ended by itself
        _line = None
        if ours_to_handle:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(before)
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)
        thread.join(_LEAVING)
        ours.close()
        theirs.close()
        if watching is not None:
            _end_guard(watching)


def _start_guard(theirs: socket.socket) -> subprocess.Popen | None:
    """Start the process that hears of Ctrl-C at a socket; None where there can be none."""
    if os.name != "posix" or not sys.executable:
        return None
    command = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid())]
    try:
        with theirs.dup() as its:
            # a group of its own, so that the terminal does not send it the signal too
            return subprocess.Popen(command, stdin=its.fileno(), stderr=subprocess.DEVNULL, process_group=0)
    except OSError:
        return None


def _end_guard(watching: subprocess.Popen) -> None:
    try:
        watching.wait(1.0)
    except subprocess.TimeoutExpired:
        watching.kill()
        watching.wait()


def _tell_guard() -> None:
    """Tell the guard which folders hold the state, for its last sentence."""
    if _line is not None:
        with contextlib.suppress(OSError):
            _line.send(json.dumps([os.fspath(folder) for folder in _kept]).encode() + b"\n")


def _wait(heard: socket.socket) -> None:
    """Wait for Ctrl-C, and end the process a moment after the first, or at the second, if the command goes on."""
    if not _came(heard, None):
        return
    _asked.set()
    try:
        if not _came(heard, GRACE):
            return
    except TimeoutError:
        pass
    # printing could wait for a lock that the main thread holds
    tidying = threading.Thread(target=_tidy, daemon=True)
    tidying.start()
    tidying.join(_LEAVING)
    os._exit(INTERRUPTED)


def _came(heard: socket.socket, seconds: float | None) -> bool:
    """Wait for Ctrl-C, so long at most; return whether it came, and not the end of the command."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([heard], [], [], left)[0]:
            raise TimeoutError
        received = heard.recv(64)
        if not received or signal.SIGINT in received:
            return bool(received)


def _leave_at_once() -> None:
    """End the process before Python tears itself down, which crashes where a compiler was interrupted."""
    if _asked.is_set():
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        discard_stages()
        os._exit(INTERRUPTED)


def _tidy() -> None:
    discard_stages()
    show = "\x1b[?25h" if sys.stdout.isatty() else ""  # a progress bar hides the cursor
    os.write(sys.stdout.fileno(), f"{show}\n{last_sentence()}\n".encode(errors="replace"))
    add_to_log(last_sentence())
    end_output(INTERRUPTED)


__all__ = ["GRACE", "end_soon_after_ctrl_c", "keeps_state", "last_sentence", "was_asked"]
