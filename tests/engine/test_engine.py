"""Engine: the same results in the same order, wherever tasks run and whatever happens to workers."""

import functools
import os
import pickle
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import pytest
from engine_tasks import (
    die_always,
    die_once,
    fail_above,
    fail_with_two,
    not_to_be_sent,
    process_and_jobs,
    scaled,
    square,
)

from graycell.engine import Engine, EngineError, available_cores, current_engine, executors, using
from graycell.engine.threads import map_in_threads
from graycell.engine.workers import as_bytes
from graycell.errors import GraycellError

_TASKS = [(number,) for number in range(12)]
_SQUARES = [number * number for number in range(12)]


@pytest.fixture(scope="module")
def processes():
    with Engine(jobs=2, processes=True) as engine:
        yield engine


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_results_are_in_the_order_of_the_tasks(jobs):
    def slow_at_first(number):
        time.sleep(0.02 if number < 2 else 0.0)
        return number * number

    with Engine(jobs=jobs) as engine:
        assert engine.map(slow_at_first, _TASKS) == _SQUARES


def test_threads_work_at_the_same_time():
    both = threading.Barrier(2, timeout=20.0)  # broken, with an exception, unless two tasks are there at once

    with Engine(jobs=2) as engine:
        engine.map(lambda _: both.wait(), [(0,), (1,)])


def test_an_engine_given_nothing_uses_all_cores():
    assert Engine().jobs == available_cores() == current_engine().jobs


def test_a_task_may_map_tasks_itself():
    def outer(number):
        return sum(current_engine().map(lambda k: sum(current_engine().map(square, [(k,)] * 3)), [(number,)] * 4))

    with Engine(jobs=2) as engine:
        assert engine.map(outer, _TASKS) == [12 * square for square in _SQUARES]


def test_the_first_fault_in_the_order_of_the_tasks_is_raised():
    def late(number):
        time.sleep(0.05 if number == 4 else 0.0)
        return fail_above(3, number)

    with Engine(jobs=4) as engine, pytest.raises(ValueError, match="4 is above 3"):
        engine.map(late, _TASKS)


def test_after_a_fault_no_task_is_begun():
    begun = []

    def task(number):
        begun.append(number)
        return fail_above(0, number)

    with Engine(jobs=1) as engine, pytest.raises(ValueError, match="1 is above 0"):
        engine.map(task, _TASKS)
    assert begun == [0, 1]


def test_ctrl_c_in_a_task_ends_the_other_tasks_when_they_map_tasks():
    begun, both = [], threading.Barrier(2, timeout=20.0)

    def task(number):
        both.wait()
        if number == 1:
            raise KeyboardInterrupt
        for _ in range(400):
            time.sleep(0.01)
            current_engine().map(begun.append, [(number,)])

    with Engine(jobs=2) as engine, pytest.raises(KeyboardInterrupt):
        engine.map(task, [(0,), (1,)])
    assert len(begun) < 400


def test_ctrl_c_is_raised_and_not_a_fault_of_another_task():
    both = threading.Barrier(2, timeout=20.0)

    def task(number):
        both.wait()
        raise KeyboardInterrupt if number == 1 else ValueError(number)

    with Engine(jobs=2) as engine, pytest.raises(KeyboardInterrupt):
        engine.map(task, [(0,), (1,)])


def test_no_task_goes_on_after_ctrl_c_where_tasks_are_handed_out():
    running, first = [], threading.Event()

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *given):
            if first.is_set():
                raise KeyboardInterrupt
            future = super().submit(*given)
            assert first.wait(20.0)  # until the task runs
            return future

    def task(number):
        running.append(number)
        first.set()
        time.sleep(0.1)
        running.remove(number)

    with Interrupted(3) as pool:
        with pytest.raises(KeyboardInterrupt):
            map_in_threads(pool, 3, task, _TASKS, None)
        assert running == []


def test_every_result_is_reported_once():
    seen = []
    with Engine(jobs=3) as engine:
        engine.map(square, _TASKS, lambda i, found: seen.append((i, found)))
    assert sorted(seen) == list(enumerate(_SQUARES))


def test_using_lends_an_engine_and_gives_it_back():
    before = current_engine()
    with Engine(jobs=3) as engine, using(engine):
        assert current_engine() is engine
        with using(None) as same:
            assert same is engine
    assert current_engine() is before


def test_a_number_of_jobs_below_one_is_refused():
    with pytest.raises(EngineError, match=r"found 0 jobs; at least 1 is needed"):
        Engine(jobs=0)


def test_processes_return_the_same_and_run_one_task_each(processes):
    assert processes.map(functools.partial(scaled, 3), _TASKS) == [3 * number for number in range(12)]
    places = processes.map(process_and_jobs, _TASKS)
    assert {jobs for _, jobs in places} == {1}
    assert os.getpid() not in {process for process, _ in places}


def test_a_fault_in_a_process_is_that_of_the_first_task(processes):
    with pytest.raises(ValueError, match="6 is above 5"):
        processes.map(functools.partial(fail_above, 5), _TASKS)
    assert processes.map(square, _TASKS) == _SQUARES  # the engine goes on


def test_what_was_written_here_is_sent(processes):
    offset = 5
    assert processes.map(lambda number: number + offset, _TASKS[:3]) == [5, 6, 7]


def test_what_cannot_be_sent_is_a_sentence(processes):
    lock = threading.Lock()
    with pytest.raises(EngineError, match=r"cannot be sent to another process: .*lock.* run it in threads"):
        processes.map(lambda number: lock, _TASKS[:3])


def test_a_fault_that_only_its_process_can_read_is_told_by_its_words(processes):
    with pytest.raises(GraycellError, match="NeedsTwo: fault 0 at home"):
        processes.map(fail_with_two, _TASKS[:1])


def test_a_result_that_cannot_be_sent_is_a_fault_of_its_task(processes):
    with pytest.raises(EngineError, match="a result that cannot be sent to another process"):
        processes.map(not_to_be_sent, _TASKS[:2])
    assert processes.map(square, _TASKS) == _SQUARES


def test_an_executor_that_broke_is_replaced_once():
    with Engine(jobs=2, processes=True) as engine:
        broken = engine._executor(None)
        other = engine._executor(broken)
        assert other is not broken
        assert engine._executor(broken) is other  # a second thread whose tasks were with the broken one


def test_tasks_that_wait_in_an_executor_are_cancelled_after_a_fault_of_the_caller():
    def refuse(i, found):
        raise KeyboardInterrupt

    begun, go_on = [], threading.Event()

    def task(number):
        begun.append(number)
        if number > 0:
            go_on.wait(20.0)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyboardInterrupt):
            _map_here(pool, task, refuse)
        go_on.set()
    assert len(begun) <= 2


def test_a_fault_is_raised_and_not_that_its_executor_broke_afterwards():
    class Breaks(Executor):
        count = 0

        def submit(self, function, *args, **options):
            future = Future()
            self.count += 1
            if self.count == 1:
                future.set_result(function(*args, **options))
            else:
                future.set_exception(BrokenExecutor())
            return future

    with pytest.raises(ValueError, match="0 is above -1"):
        Engine(jobs=1, executor=Breaks()).map(functools.partial(fail_above, -1), _TASKS[:2])


def test_tasks_of_killed_workers_are_run_again(tmp_path):
    with Engine(jobs=2, processes=True) as engine:
        found = engine.map(functools.partial(die_once, str(tmp_path)), _TASKS[:3])
    assert found == _SQUARES[:3]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_task_that_kills_every_worker_is_named():
    with Engine(jobs=2, processes=True) as engine, pytest.raises(EngineError, match=r"task 4 ended its worker"):
        engine.map(die_always, _TASKS[:5])


def _map_here(pool, task, done):
    """Map a task that is not pickled: `run_task` is what a pool of threads would be given by another caller."""
    class Direct(Executor):
        def submit(self, function, *args, **options):
            number = pickle.loads(args[-1])  # noqa: S301
            return pool.submit(lambda: as_bytes(task(*number)))

    return Engine(jobs=3, executor=Direct()).map(square, _TASKS[:6], done)


class _Flaky(Executor):
    """An executor, as of a cluster, that loses every third task."""

    def __init__(self, fault):
        self.count, self.fault = 0, fault

    def submit(self, function, *args, **options):
        future = Future()
        self.count += 1
        if self.count % 3 == 0:
            future.set_exception(self.fault)
        else:
            future.set_result(function(*args, **options))
        return future


def test_tasks_that_a_cluster_lost_are_run_again():
    killed = type("KilledWorker", (Exception,), {})("worker gone")
    flaky = _Flaky(killed)
    assert Engine(executor=flaky).map(square, _TASKS) == _SQUARES
    assert flaky.count > len(_TASKS)


def test_a_broken_executor_that_was_given_is_told():
    with pytest.raises(EngineError, match="executor that it was given broken"):
        Engine(executor=_Flaky(BrokenExecutor())).map(square, _TASKS)


def test_a_worker_of_another_version_is_refused(monkeypatch):
    other = {**executors.own_versions(), "jaxlib": "0.0.1"}
    monkeypatch.setattr(executors, "own_versions", lambda: other)
    with ThreadPoolExecutor(1) as pool, pytest.raises(EngineError, match=r"a worker with jaxlib .*, not 0\.0\.1"):
        Engine(executor=pool).map(square, _TASKS)


def test_few_tasks_wait_in_an_executor():
    most, given = 0, []

    class Counting(ThreadPoolExecutor):
        def submit(self, function, *args, **options):
            nonlocal most
            given.append(super().submit(function, *args, **options))
            most = max(most, sum(not future.done() for future in given))
            return given[-1]

    with Counting(2) as pool:
        Engine(executor=pool).map(square, [(number,) for number in range(200)])
    assert most <= 4
