"""Work that needs more memory than there is, is refused before it begins."""

import os
import sys

import pytest

from graycell.engine import Engine, MemoryLimitError, available_cores, memory, require_memory


def test_the_memory_of_this_machine_is_known():
    if sys.platform == "linux":
        assert 1e6 < memory.available_memory() < 1e14


def test_work_that_fits_is_not_refused():
    require_memory(1000, "work", "do less")


def test_work_that_does_not_fit_is_refused_with_both_sizes(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000_000)
    sentence = r"^work: about 3\.0 GB of memory are needed and 2\.0 GB are free; do less\.$"
    with pytest.raises(MemoryLimitError, match=sentence):
        require_memory(3_000_000_000, "work", "do less")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts")
def test_files_that_were_read_do_not_count_as_memory_in_use(monkeypatch, tmp_path):
    for name, text in {"max": "1000000", "current": "900000", "stat": "anon 5\ninactive_file 300000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.available_memory() == 400_000


@pytest.mark.parametrize(("limit", "cores"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2),
                                              ("50000 100000", 1), ("9900000 100000", 8), ("", 8)])  # fmt: skip
def test_a_container_may_have_fewer_cores_than_its_machine(monkeypatch, tmp_path, limit, cores):
    if limit:
        (tmp_path / "cpu.max").write_text(limit + "\n")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_cores() == cores


def test_nothing_is_refused_where_the_system_does_not_say(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    require_memory(10**18, "work", "do less")


@pytest.mark.parametrize(("free", "jobs"), [(None, 8), (10**12, 8), (2_500_000_000, 4), (10**8, 1)])
def test_no_more_processes_are_started_than_there_is_memory_for(monkeypatch, free, jobs):
    from graycell.engine import engine

    monkeypatch.setattr(engine, "available_cores", lambda: 8)
    monkeypatch.setattr(engine, "available_memory", lambda: free)
    assert Engine(processes=True).jobs == jobs
    assert Engine(jobs=6, processes=True).jobs == 6  # who asks gets it
    assert Engine().jobs == 8
