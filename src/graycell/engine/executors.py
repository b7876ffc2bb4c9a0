"""Tasks on an executor of concurrent.futures: processes of this machine, or of others."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from typing import Any

from graycell.engine.threads import Done
from graycell.engine.workers import Difference, EngineError, Raised, as_bytes, own_versions, run_task

_SUSPECTED = 3
"""After so many losses a task is run with no other one beside it, to see whether it is the cause."""
_MOST_LOST = 4
"""A task that was alone at so many losses is the cause."""
_LOST = ("KilledWorker", "CommClosedError", "FutureCancelledError")
"""Names of the exceptions of Dask for a lost worker; Dask need not be installed."""


def map_on_executor(
    executor: Callable[[Executor | None], Executor],
    at_once: int,
    function: Callable,
    tasks: Sequence[tuple],
    done: Done | None,
) -> list[Any]:
    """Return the result of every task.

    A task whose worker was lost is run again. A task sent to an executor carries its own inputs, so it may run twice.

    Args:
        executor: returns the executor; given one that broke, another in its place.
        at_once: how many tasks are with the executor at a time; the others wait here, so that memory is bounded.
        function: of the arguments of a task; sent once, with all that it holds.
        tasks: arguments by task.
        done: called after each task.

    Returns:
        The results in the order of the tasks.

    Raises:
        EngineError: for a worker with other versions, or a task that ends its worker.
        Exception: that of the first task, in the order of the tasks, that raised one.
    """
    work, versions = as_bytes(function), own_versions()
    results: dict[int, Any] = {}
    faults: dict[int, BaseException] = {}
    lost, alone = dict.fromkeys(range(len(tasks)), 0), dict.fromkeys(range(len(tasks)), 0)
    waiting: list[int] = list(range(len(tasks)))[::-1]
    running: dict[Future, int] = {}
    now = executor(None)
    try:
        while (waiting and not faults) or running:
            broken = False
            while waiting and not faults and _may_begin(waiting[-1], running, lost, at_once):
                i = waiting.pop()
                try:
                    running[now.submit(run_task, versions, work, as_bytes(tasks[i]))] = i
                except BrokenExecutor:  # found broken before its futures were looked at
                    waiting.append(i)
                    broken = True
                    break
            for future in _finished(running):
                i = running.pop(future)
                was_alone = not running
                try:
                    found = future.result()
                except BaseException as fault:
                    if not _is_loss(fault):
                        raise
                    broken |= isinstance(fault, BrokenExecutor)
                    lost[i] += 1
                    alone[i] += was_alone and lost[i] > _SUSPECTED
                    if alone[i] >= _MOST_LOST:
                        raise EngineError(_ends_its_worker(i, lost[i])) from fault
                    waiting.append(i)
                    continue
                if isinstance(found, Difference):
                    raise EngineError(_other_versions(found))
                if isinstance(found, Raised):
                    faults[i] = found.fault
                    continue
                results[i] = pickle.loads(found)  # noqa: S301  of a worker, which got its task from here
                if done is not None:
                    done(i, results[i])
            if broken:
                for future, i in running.items():  # all of a broken executor are lost; the cause is unknown
                    future.cancel()
                    lost[i] += 1
                    waiting.append(i)
                running = {}
            if broken and not faults:
                now = executor(now)
            waiting.sort(key=lambda i: (lost[i] >= _SUSPECTED, i), reverse=True)  # suspects last, alone
    finally:
        for future in running:  # after an exception: nobody waits for them
            future.cancel()
    if faults:
        raise faults[min(faults)]
    return [results[i] for i in range(len(tasks))]


def _may_begin(i: int, running: dict[Future, int], lost: dict[int, int], at_once: int) -> bool:
    if lost[i] >= _SUSPECTED or any(lost[j] >= _SUSPECTED for j in running.values()):
        return not running
    return len(running) < at_once


def _finished(running: dict[Future, int]) -> Iterable[Future]:
    if not running:
        return []
    finished, _ = wait(list(running), return_when=FIRST_COMPLETED)
    return sorted(finished, key=lambda future: running[future])


def _is_loss(fault: BaseException) -> bool:
    return isinstance(fault, BrokenExecutor | CancelledError) or type(fault).__name__ in _LOST


def _other_versions(found: Difference) -> str:
    return (
        f"engine: found a worker with {found.found}; results would depend on where a task ran; install the same "
        "versions on all machines, as `pip freeze` on this one lists them."
    )


def _ends_its_worker(i: int, times: int) -> str:
    return (
        f"engine: found that task {i + 1} ended its worker {times} times, at last with no other task beside it; a "
        "worker that is out of memory ends like this; give it more memory, or run the task with jobs=1 and see."
    )


