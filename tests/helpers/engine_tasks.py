"""Tasks for tests of engines; in a module of their own, so that worker processes import little."""

import os
import signal
import threading
from pathlib import Path


def square(number: int) -> int:
    """Return the square of a number."""
    return number * number


def scaled(factor: int, number: int) -> int:
    """Return a multiple of a number."""
    return factor * number


def fail_above(limit: int, number: int) -> int:
    """Return a number; raise above a limit."""
    if number > limit:
        raise ValueError(f"{number} is above {limit}")
    return number


def die_once(folder: str, number: int) -> int:
    """Return the square of a number; the worker of the first attempt is killed."""
    mark = Path(folder) / str(number)
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_always(number: int) -> int:
    """Return a number, but for 3, whose worker is killed."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process_and_jobs(number: int) -> tuple[int, int]:
    """Return the process of a task, and how many tasks it may run itself."""
    from graycell.engine import current_engine

    return os.getpid(), current_engine().jobs


class NeedsTwo(Exception):
    """An exception that can be pickled, and not be read again."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where}")


def fail_with_two(number: int) -> int:
    """Raise an exception that another process cannot read."""
    raise NeedsTwo(f"fault {number}", "home")


def not_to_be_sent(number: int) -> object:
    """Return what cannot be pickled."""
    return threading.Lock()
