"""Watching: something is done again whenever files change."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def changes(
    paths: Sequence[Path], every: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[tuple[str, int, int], ...]]:
    """Yield what is there at once, and again after every change of files.

    A change is looked for by sizes and times, which works on the drive of a network too. Files that still change, as
    while they are copied, are waited for.

    Args:
        paths: files and folders, which need not be there yet.
        every: [s] between two looks.
        sleep: waits that long.

    Yields:
        Path, size and time of every file; without end.
    """
    seen, told = _state_of(paths), None
    while True:
        if seen != told:
            told = seen
            yield seen
        sleep(every)
        now = _state_of(paths)
        while now != seen:  # until it is quiet
            seen = now
            sleep(every)
            now = _state_of(paths)


def _state_of(paths: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Return path, size and time of every file."""
    found = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for one in inside:
            try:
                status = one.stat()
            except OSError:  # gone in between
                continue
            if one.is_file():
                found.append((str(one), status.st_size, status.st_mtime_ns))
    return tuple(found)
