"""What a worker does: it compares its versions with those of the caller, and keeps what tasks share."""

import functools
import hashlib
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import cloudpickle

from graycell.errors import GraycellError
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

_KEPT = 8
"""Shared inputs that a worker keeps: those of the maps that may be under way at once."""


class EngineError(GraycellError):
    """Work that cannot be done where it was to be done: a worker of another version, or lost again and again."""


class Difference(NamedTuple):
    """What a worker returns in place of a result if it has other versions.

    Attributes:
        found: a clause with the versions of the worker and those of the caller.
    """

    found: str


class Raised(NamedTuple):
    """What a worker returns in place of a result if a task raised an exception.

    Attributes:
        fault: the exception.
    """

    fault: BaseException


@functools.cache
def own_versions() -> dict[str, str]:
    """Return what must be the same in a caller and its workers, by name.

    Returns:
        Versions of packages and of Python, and the beginning of the hash of the code of graycell.
    """
    here = where_it_ran(VERSIONS)
    return {**here["versions"], "Python": here["python"], "code of graycell": hash_of_code()[:12]}


def as_bytes(what: Any) -> bytes:
    """Return an object as bytes, also one that was defined in a script or a notebook.

    Args:
        what: a function with what it holds, the arguments of a task, or its result.

    Returns:
        Its pickle.

    Raises:
        EngineError: for what cannot be sent to another process, such as an open file.
    """
    try:
        return cloudpickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
    except (TypeError, pickle.PicklingError, AttributeError, RecursionError) as fault:
        raise EngineError(
            f"engine: found a task or a result that cannot be sent to another process: {fault}. Leave out what it "
            "holds, such as open files and locks, or run it in threads, as without processes=True and executor."
        ) from fault


_kept: dict[str, Any] = {}
_lock = threading.Lock()


def _opened(data: bytes) -> Any:
    """Return the object of bytes: the same one for all tasks of a map, so that nothing is traced again."""
    key = hashlib.sha256(data).hexdigest()
    with _lock:
        if key not in _kept:
            while len(_kept) >= _KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[key] = pickle.loads(data)  # noqa: S301  sent by the caller of this process, not read from a file
        return _kept[key]


def run_task(versions: dict[str, str], work: bytes, task: bytes) -> "bytes | Difference | Raised":
    """Run one task on a worker; a worker runs what a task itself maps one after the other.

    Args:
        versions: those of the caller.
        work: the function, and what its tasks share, as bytes.
        task: the arguments of the task, as bytes.

    Returns:
        The result as bytes, a `Difference`, or what the task `Raised`.
    """
    from graycell.engine.engine import Engine, using  # the engine sends this function

    here = own_versions()
    differing = [f"{name} {here.get(name, 'none')}, not {value}" for name, value in versions.items()
                 if here.get(name) != value]  # fmt: skip
    if differing:
        return Difference("; ".join(differing))
    try:
        function: Callable = _opened(work)
        with using(Engine(jobs=1)):
            return as_bytes(function(*pickle.loads(task)))  # noqa: S301  as above
    except Exception as fault:  # noqa: BLE001  raised by the caller, which knows the order of the tasks
        return Raised(_readable(fault))


def _readable(fault: Exception) -> Exception:
    """Return an exception that the caller can read; one that only this process can would break an executor."""
    try:
        pickle.loads(pickle.dumps(fault))  # noqa: S301
    except Exception:  # noqa: BLE001  whatever its own methods raise
        return GraycellError(f"{type(fault).__name__}: {fault}")
    return fault


def begin_worker(environment: dict[str, str]) -> None:
    """Prepare a worker process that this machine started: one thread, and an end when its parent ends.

    Args:
        environment: variables to be set before anything is imported.
    """
    os.environ.update(environment)
    import multiprocessing

    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
