"""Tasks in threads of this process: compiled code releases the interpreter, so they fill the cores."""

import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, wait
from contextlib import contextmanager
from typing import Any

Done = Callable[[int, Any], None]
"""Called with the number of a task and its result, for one task at a time."""


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
    """
    results: list[Any] = [None] * len(tasks)
    faults: dict[int, BaseException] = {}
    number, reporting, stop = itertools.count(), threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set():
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

    begun = []
    if helpers is not None:
        count = min(most, len(tasks) - 1)
        begun = [helpers.submit(contextvars.copy_context().run, work) for _ in range(count)]
    try:
        work()
    except BaseException:  # Ctrl-C between two tasks
        stop.set()
        raise
    for future in begun:
        future.cancel()  # those that no thread was free for
    wait([future for future in begun if not future.cancelled()])
    if faults:
        raise faults[min(faults)]
    return results


_limit_lock = threading.Lock()
_limits: list[Any] = []
"""The present limit, once for everyone who asked for it."""


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let libraries use one thread for each task: matrices are small, and tasks fill the cores, so more only wait.

    Returns:
        The context; the last one to leave it gives the threads back.
    """
    from threadpoolctl import threadpool_limits

    with _limit_lock:
        _limits.append(None if _limits else threadpool_limits(1))
    try:
        yield
    finally:
        with _limit_lock:
            limit = _limits[0] if len(_limits) == 1 else None
            _limits.pop()
            if limit is not None:
                limit.restore_original_limits()
