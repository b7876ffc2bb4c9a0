"""Commands of graycell as processes of their own: they go on when a page, or the app, is closed.

What is known of each is in a folder of the project: `job.json` (the command), `log.txt`, `progress.json`, `ended.json`
(its exit code), and a lock that its process holds as long as it lives.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from graycell.app.project import WORK, Project
from graycell.storage import write_whole

RUNNING, DONE, FAILED, STOPPED, LOST = "running", "done", "failed", "stopped", "lost"
"""States of a job; lost: nothing is known of its end, as when the machine was switched off."""
JOB, LOG, PROGRESS, ENDED, STOP, LOCK = "job.json", "log.txt", "progress.json", "ended.json", "stop", "lock"
_STARTING = 15.0
"""[s] Within which a process holds its lock."""
_ENOUGH = 0.02
"""[1] Part of the work from which on the time left follows from the time that passed; and a second of it."""
_TAIL = 20_000
"""Characters of a log that are shown."""
_INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C."""


@dataclass(frozen=True)
class Job:
    """A command that runs or ran.

    Attributes:
        folder: its own folder in the project.
    """

    folder: Path

    @property
    def number(self) -> int:
        """In the order of their beginning."""
        return int(self.folder.name)

    @property
    def _job(self) -> dict[str, Any]:
        return _read(self.folder / JOB)

    @property
    def title(self) -> str:
        """What it does, in words."""
        return str(self._job.get("title", ""))

    @property
    def words(self) -> list[str]:
        """The command, without graycell."""
        return list(self._job.get("words", []))

    @property
    def out(self) -> str:
        """The folder of its answer within the project."""
        return str(self._job.get("out", ""))

    @property
    def state(self) -> str:
        """One of the states above."""
        if not (self.folder / ENDED).exists() and (
            self._is_alive or time.time() - float(self._job.get("begun", 0.0)) < _STARTING
        ):
            return RUNNING
        ended = _read(self.folder / ENDED)  # which may have come while the lock was looked at
        if not ended:
            return LOST
        if ended.get("code") == 0:
            return DONE
        return STOPPED if ended.get("code") == _INTERRUPTED or (self.folder / STOP).exists() else FAILED

    @property
    def _is_alive(self) -> bool:
        lock = filelock.FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        lock.release()
        return False

    @property
    def seconds(self) -> float:
        """How long it ran, or runs."""
        ended = _read(self.folder / ENDED)
        return float(ended.get("at", time.time())) - float(self._job.get("begun", time.time()))

    def progress(self) -> tuple[float, str, float | None]:
        """Return how far it is.

        Returns:
            The part that is done [1], words, and the time left [s]; None where that is not known yet.
        """
        found = _read(self.folder / PROGRESS)
        done = min(max(float(found.get("done", 0.0)), 0.0), 1.0)
        passed = float(found.get("at", 0.0)) - float(found.get("begun", 0.0))
        left = passed * (1.0 - done) / done if done > _ENOUGH and passed > 1.0 else None
        return done, str(found.get("words", "")), left

    def log(self) -> str:
        """Return its output.

        Returns:
            The end of it.
        """
        path = self.folder / LOG
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL, 0))
            return file.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """Ask it to stop; a fit keeps its state and can be gone on with."""
        (self.folder / STOP).touch()


def start(project: Project, title: str, words: Sequence[str], out: str = "") -> Job:
    """Start a command.

    Args:
        project: in whose folder it runs.
        title: what it does, in words.
        words: the command, without graycell; paths are within the project.
        out: the folder of its answer within the project.

    Returns:
        The job.

    Raises:
        OutputError: the project cannot be written to.
    """
    place = project.path(WORK)
    place.mkdir(exist_ok=True)
    number = 1 + max([job.number for job in jobs(project)], default=0)
    folder = place / f"{number:04d}"
    folder.mkdir()
    write_whole(folder / JOB, json.dumps({"title": title, "words": list(words), "out": out, "begun": time.time()}))
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    alone: dict[str, Any] = {"start_new_session": True} if os.name != "nt" else \
        {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}  # type: ignore[attr-defined]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "graycell.app.worker", str(folder), str(project.folder)], env=env,
                               **quiet, **alone)  # fmt: skip
    threading.Thread(target=process.wait, daemon=True).start()  # as long as the app lives, it takes note of the end
    return Job(folder)


def jobs(project: Project) -> list[Job]:
    """Return all jobs of a project.

    Args:
        project: the project.

    Returns:
        The last one first.
    """
    folders = [path for path in project.path(WORK).glob("*") if path.name.isdigit()]
    return [Job(path) for path in sorted(folders, key=lambda path: int(path.name), reverse=True)]


def _read(path: Path) -> dict[str, Any]:
    """Return a file of a job; empty where it is not there, or is being written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
