"""Ctrl-C ends a command within seconds, and keeps the state of a fit.

Python runs a handler of a signal between two of its own operations, and there is none while a compiled program runs:
that may take minutes. So a thread waits for the signal, which C code writes to a socket at once. The command has a
moment to end by itself, as a fit does after an iteration; then the process ends without clean-up, which compiled code
would not survive. Checkpoints and results are on disk whole or not at all, so nothing is lost but the present
iteration. While XLA compiles, jaxlib 0.10 holds the lock of Python, and the thread waits until that is over.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from graycell.cli.exit_codes import INTERRUPTED
from graycell.cli.sentences import say
from graycell.storage import discard_stages

GRACE = 1.5
"""[s] In which a command may end by itself after Ctrl-C."""
_LEAVING = 0.2
"""[s] In which what is printed and tidied up at the end must be done."""
_asked = threading.Event()
"""Set by the first Ctrl-C."""
_kept: list[Path] = []
"""Folders that hold the state of what is being done."""


@contextlib.contextmanager
def keeps_state(folder: Path) -> Iterator[None]:
    """Name the folder that holds the state of what is being done, and say so after Ctrl-C.

    Args:
        folder: with checkpoints.

    Yields:
        Nothing.
    """
    _kept.append(folder)
    try:
        yield
    except KeyboardInterrupt:
        say(last_sentence())
        raise
    finally:
        _kept.remove(folder)


def last_sentence() -> str:
    """Return what is said when a command was stopped.

    Returns:
        The sentence.
    """
    if not _kept or not any(_kept[-1].glob("*.json")):
        return "Stopped."
    return f"Stopped. To continue, give the same command again: the state is kept in {_kept[-1]}."


@contextlib.contextmanager
def end_soon_after_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end this process within seconds, while a command runs; in the main thread, before any work.

    Yields:
        Nothing.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as of a command that a shell runs in the background
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    atexit.register(_leave_at_once)
    threading.Thread(target=_wait, args=(receiver,), name="ctrl-c", daemon=True).start()
    try:
        yield
    finally:  # the command ended by itself
        signal.set_wakeup_fd(before)
        sender.close()


def _wait(receiver: socket.socket) -> None:
    """Wait for Ctrl-C, and end the process a moment after the first, or at the second, if the command goes on."""
    with receiver:
        if not _came(receiver):
            return
        _asked.set()
        receiver.settimeout(GRACE)
        try:
            if not _came(receiver):
                return
        except TimeoutError:
            pass
    # printing could wait for a lock that the main thread holds
    tidying = threading.Thread(target=_tidy, daemon=True)
    tidying.start()
    tidying.join(_LEAVING)
    os._exit(INTERRUPTED)


def _came(receiver: socket.socket) -> bool:
    """Wait for Ctrl-C; return whether it came, and not the end of the command."""
    received = b"-"
    while received and signal.SIGINT not in received:
        received = receiver.recv(64)
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


__all__ = ["GRACE", "end_soon_after_ctrl_c", "keeps_state", "last_sentence"]
