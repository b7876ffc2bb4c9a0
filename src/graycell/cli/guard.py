"""The last resort after Ctrl-C: a small process of its own that ends a command whose threads cannot.

Some compiled code keeps the lock of Python for all its time: the linear algebra of scipy does, which the steps of a fit
use, and other libraries may. No thread of the process can end it then. The guard is started before anything slow is
imported, runs this file alone, and waits at a socket. On it come the numbers of signals, which C code of Python writes
at once, and the folders that hold the state of the work. It gives the news of Ctrl-C back, for the thread in
`stopping`. If the process has not ended after a while, the guard says where the state is and ends it. It ends with the
process, which closes the socket.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence

LONGEST = 2.3
"""[s] After Ctrl-C, in which the process may end by itself, or by its thread."""
AGAIN = 0.5
"""[s] The same after a second Ctrl-C."""
_SOCKET, _OUT = 0, 1
"""File descriptors."""


def last_sentence(folders: Sequence[str | os.PathLike]) -> str:
    """Return what is said when a command was stopped.

    Args:
        folders: that hold the state of what is being done, as soon as they hold any JSON; the last one is named first.

    Returns:
        The sentence.
    """
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            if any(name.endswith(".json") for name in os.listdir(folder)):
                return f"Stopped. To continue, give the same command again: the state is kept in {os.fspath(folder)}."
    return "Stopped."


def main(process: int) -> None:
    """Wait for Ctrl-C, and end the process if it goes on.

    Args:
        process: its number; the parent of this one.
    """
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # not of the group of the terminal, and writes to it all the same
    deadline, folders, rest = float("inf"), [], b""
    while True:
        left = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        if not select.select([_SOCKET], [], [], left)[0]:
            break
        received = os.read(_SOCKET, 65536)
        if not received:
            return
        if signal.SIGINT in received:
            with contextlib.suppress(OSError):
                os.write(_SOCKET, bytes([signal.SIGINT]))
            deadline = min(deadline, time.monotonic() + (LONGEST if deadline == float("inf") else AGAIN))
        *lines, rest = (rest + received).split(b"\n")
        for line in lines:
            text = bytes(byte for byte in line if byte >= ord(" "))  # the others are signals
            folders = json.loads(text) if text else folders
    if os.getppid() == process:
        show = "\x1b[?25h" if os.isatty(_OUT) else ""  # a progress bar hides the cursor
        with contextlib.suppress(OSError):
            if select.select([], [_OUT], [], 0.1)[1]:  # nobody may read what is printed
                os.write(_OUT, f"{show}\n{last_sentence(folders)}\n".encode(errors="replace"))
        os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
