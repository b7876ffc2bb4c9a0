"""Engine: where independent tasks run, and which engine a computation uses."""

import contextvars
import functools
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from graycell.engine import memory
from graycell.engine.executors import map_on_executor
from graycell.engine.memory import WORKER, available_memory
from graycell.engine.threads import Done, map_in_threads, one_thread_each
from graycell.engine.workers import EngineError, begin_worker

_WAITING = 2
"""Tasks for each worker that are with an executor at once: one that runs and one that waits."""
_UNKNOWN = 32
"""Workers of an executor that does not say how many it has; more than there are costs nothing but memory."""
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
"""Variables with which a worker process uses one thread."""


def available_cores() -> int:
    """Return how many cores this process may use, which a batch system or a container may have limited.

    Returns:
        The number.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:  # processor time of all processes of the container in a period, in the same unit
        time, period = map(int, (memory.CONTAINER / "cpu.max").read_text(encoding="ascii").split())
    except (OSError, ValueError):  # no Linux, no container, or one without a limit
        return cores
    return min(cores, math.ceil(time / period))


class Engine:
    """Where independent tasks run: threads of this process, processes of this machine, or any executor.

    Threads suit what graycell compiles, which releases the interpreter; they share what is compiled and cost nothing to
    start. Processes suit own laws and candidates that spend their time in Python. Neither the results nor their order
    depend on it.

    Attributes:
        jobs: how many tasks run at once.

    >>> with Engine(jobs=2) as engine:
    ...     engine.map(pow, [(2, 3), (3, 2)])
    [8, 9]
    """

    def __init__(self, jobs: int | None = None, *, executor: Executor | None = None, processes: bool = False) -> None:
        """Describe an engine; workers start with the first tasks.

        Args:
            jobs: how many tasks run at once; left out, as many as there are cores, or workers of the executor, or
                processes for which there is memory.
            executor: any executor of concurrent.futures, such as ``Client(...).get_executor()`` of Dask; the caller
                ends it. Left out for threads or processes of this machine.
            processes: whether to start processes in place of threads. The script that starts them needs
                ``if __name__ == "__main__":``, as for all processes that Python starts anew.

        Raises:
            EngineError: where fewer than one task would run at once.
        """
        if jobs is not None and jobs < 1:
            raise EngineError(f"engine: found {jobs} jobs; at least 1 is needed; leave it out to use all cores.")
        workers = getattr(executor, "_max_workers", None) if executor is not None else available_cores()
        if processes and executor is None:
            free = available_memory()
            workers = available_cores() if free is None else max(1, min(available_cores(), free // WORKER))
        self.jobs: int = jobs if jobs is not None else workers or _UNKNOWN
        self._given, self._processes = executor, processes and executor is None
        self._own: Executor | None = None
        self._changing = threading.Lock()

    def __repr__(self) -> str:
        kind = type(self._given).__name__ if self._given is not None else "processes" if self._processes else "threads"
        return f"Engine({self.jobs} at once, {kind})"

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def shares_memory(self) -> bool:
        """Whether tasks run in this process, so that they may report while they run."""
        return self._given is None and not self._processes

    @property
    def here(self) -> "Engine":
        """The engine for tasks that are too short to be sent elsewhere: threads of this process."""
        return self if self.shares_memory else _default_engine()

    def map(self, function: Callable, tasks: Sequence[tuple], done: Done | None = None) -> list[Any]:
        """Return the result of a function for every task.

        Args:
            function: pure, of the arguments of a task. For processes and executors it and all arguments can be pickled;
                what tasks share is best bound to the function by ``functools.partial``: it is sent once.
            tasks: arguments by task.
            done: called after each task with its number and its result, in the order in which they finish.

        Returns:
            The results in the order of the tasks.

        Raises:
            EngineError: for a worker with other versions, or a task that ends its worker again and again.
            Exception: that of the first task, in the order of the tasks, that raised one.
        """
        tasks = list(tasks)
        if self.shares_memory:
            helpers = self._threads() if self.jobs > 1 and len(tasks) > 1 else None
            with using(self), one_thread_each():
                return map_in_threads(helpers, self.jobs - 1, function, tasks, done)
        return map_on_executor(self._executor, _WAITING * self.jobs, function, tasks, done)

    def close(self) -> None:
        """End the workers that the engine started; an executor that was given stays."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)
            self._own = None

    def _threads(self) -> Executor:
        with self._changing:
            if self._own is None:
                self._own = ThreadPoolExecutor(self.jobs - 1, thread_name_prefix="graycell")
            return self._own

    def _executor(self, broken: Executor | None) -> Executor:
        if self._given is not None:
            if broken is not None:
                raise EngineError(
                    "engine: found the executor that it was given broken, and cannot make another; a worker ended, as "
                    "one that is out of memory does; make a new executor, or give processes=True in its place."
                )
            return self._given
        with self._changing:
            if broken is not None and self._own is broken:  # else another thread has replaced it already
                broken.shutdown(wait=False, cancel_futures=True)
                self._own = None
            if self._own is None:
                # never forked: a process that was forked after JAX started its threads waits forever
                self._own = ProcessPoolExecutor(self.jobs, get_context("spawn"), begin_worker, (_environment(),))
            return self._own


def _environment() -> dict[str, str]:
    flags = os.environ.get("XLA_FLAGS", "")
    own = _ONE_THREAD["XLA_FLAGS"]
    return {**_ONE_THREAD, "XLA_FLAGS": flags if own in flags else f"{flags} {own}".strip()}


_current: contextvars.ContextVar[Engine | None] = contextvars.ContextVar("graycell engine", default=None)


def current_engine() -> Engine:
    """Return the engine that a computation uses if it is given none.

    Returns:
        That of `using`, else threads on all cores.
    """
    return _current.get() or _default_engine()


@functools.cache
def _default_engine() -> Engine:
    return Engine()


@contextmanager
def using(engine: Engine | None) -> Iterator[Engine]:
    """Let every computation inside use an engine.

    Args:
        engine: None for the one that is in use already.

    Returns:
        A context that gives the engine.
    """
    chosen = engine or current_engine()
    token = _current.set(chosen)
    try:
        yield chosen
    finally:
        _current.reset(token)
