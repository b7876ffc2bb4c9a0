"""Tasks in threads of this process: compiled code releases the interpreter, so they fill the cores."""

import contextvars
import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from typing import Any

Done = Callable[[int, Any], None]
"""Called with the number of a task and its result, for one task at a time."""
_above: contextvars.ContextVar[tuple[threading.Event, ...]] = contextvars.ContextVar("maps above", default=())
"""Of every map whose task this is: set when Ctrl-C has ended it."""


class _Ended(BaseException):
    """Raised in a task of a map that Ctrl-C has ended, as soon as the task maps tasks itself."""


def map_in_threads(
    helpers: Executor | None, most: int, function: Callable, tasks: Sequence[tuple], done: Done | None
) -> list[Any]:
    """Return the result of every task; the calling thread works as well, so a task may itself map tasks.

    The caller takes the tasks that nobody has begun. So nobody waits for a thread that waits for another one, however
    deep the maps are nested, and all threads work as long as there are tasks.

    Args:
        helpers: threads beside the calling one; None for the caller alone.
        most: how many of them at once.
        function: of the arguments of a task.
        tasks: arguments by task.
        done: called after each task.

    Returns:
        The results in the order of the tasks.

    Raises:
        Exception: that of the first task, in the order of the tasks, that raised one; no task is begun after it.
        KeyboardInterrupt: of Ctrl-C in the calling thread, or of a task; the other tasks end when they next map tasks.
    """
    results: list[Any] = [None] * len(tasks)
    faults: dict[int, BaseException] = {}
    number, reporting, stop, interrupted = itertools.count(), threading.Lock(), threading.Event(), threading.Event()
    above = _above.get()

    def work() -> None:
        while not stop.is_set():
            _require_going_on(above)
            i = next(number)  # one operation of the interpreter, so no two threads get one number
            if i >= len(tasks):
                return
            try:
                results[i] = function(*tasks[i])
                if done is not None:
                    with reporting:
                        done(i, results[i])
            except BaseException as fault:  # noqa: BLE001  raised in the calling thread
                faults[i] = fault
                stop.set()
                if not isinstance(fault, Exception):
                    interrupted.set()

    begun: list[Future] = []
    token = _above.set((*above, interrupted))
    try:
        if helpers is not None:
            for _ in range(min(most, len(tasks) - 1)):
                begun.append(helpers.submit(contextvars.copy_context().run, work))
        work()
    except BaseException:  # Ctrl-C between two tasks
        stop.set()
        interrupted.set()
        raise
    finally:
        _above.reset(token)
        for future in begun:
            future.cancel()  # those that no thread was free for
        # no task goes on when the caller does: it could write the state of a fit that has been resumed
        wait([future for future in begun if not future.cancelled()])
    _require_going_on(above)
    if faults:
        raise faults[min(faults, key=lambda i: (_order(faults[i]), i))]
    return results


def _require_going_on(above: tuple[threading.Event, ...]) -> None:
    if any(one.is_set() for one in above):
        raise _Ended


def _order(fault: BaseException) -> int:
    """Return which of several faults is raised: Ctrl-C, then those of tasks, and not those that Ctrl-C has caused."""
    return 2 if isinstance(fault, _Ended) else 1 if isinstance(fault, Exception) else 0


_limit_lock = threading.Lock()
_limits: list[Any] = []
"""The present limit, once for everyone who asked for it."""


@functools.lru_cache(maxsize=1)
def _libraries(modules: int) -> Any:
    """Return what limits the libraries of this process: to look for them takes longer than most that is limited.

    Args:
        modules: number of imported modules; with more of them there may be more libraries.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let libraries use one thread for each task: matrices are small, and tasks fill the cores, so more only wait.

    Returns:
        The context; the last one to leave it gives the threads back.
    """
    with _limit_lock:
        _limits.append(None if _limits else _libraries(len(sys.modules)).limit(limits=1))
    try:
        yield
    finally:
        with _limit_lock:
            limit = _limits[0] if len(_limits) == 1 else None
            _limits.pop()
            if limit is not None:
                limit.restore_original_limits()
