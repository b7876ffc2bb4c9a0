"""Commands run apart from the app, say how far they are, and can be stopped."""

import json
import os
import signal
import subprocess
import time

import pytest

import graycell as gc
from graycell.app import work
from graycell.app.project import Project
from graycell.app.work import jobs, start


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "study")


def until(condition, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_command_runs_and_its_words_are_kept(project):
    job = start(project, "The version", ["--version"])
    assert job.state == work.RUNNING
    until(lambda: job.state != work.RUNNING)
    assert job.state == work.DONE
    assert job.log().startswith("graycell ")
    assert (job.number, job.title, job.words, job.out) == (1, "The version", ["--version"], "")


def test_a_command_that_fails_says_why_and_the_last_one_comes_first(project):
    start(project, "First", ["--version"])
    job = start(project, "Check", ["check", "no-such-folder"])
    until(lambda: all(one.state != work.RUNNING for one in jobs(project)))
    assert job.state == work.FAILED
    assert "no-such-folder" in job.log()
    assert [one.title for one in jobs(project)] == ["Check", "First"]


def test_progress_and_time_left_are_those_that_the_command_keeps(project, tmp_path, monkeypatch):
    from graycell.cli.printing import progress_file

    job = work.Job(tmp_path / "0001")
    job.folder.mkdir()
    assert job.progress() == (0.0, "", None)
    monkeypatch.setenv("GRAYCELL_PROGRESS", str(job.folder / work.PROGRESS))
    keep = progress_file()
    keep(0.25, "start 2 of 8")
    done, words, left = job.progress()
    assert (done, words, left) == (0.25, "start 2 of 8", None)  # not known after so short a time
    found = json.loads((job.folder / work.PROGRESS).read_text())
    (job.folder / work.PROGRESS).write_text(json.dumps(found | {"begun": found["at"] - 10.0}))
    assert job.progress()[2] == pytest.approx(30.0)
    monkeypatch.delenv("GRAYCELL_PROGRESS")
    progress_file()(0.5, "nowhere")
    assert job.progress()[0] == 0.25


def test_a_fit_is_stopped_within_seconds(project):
    gc.write_runs([gc.bundled_run()], project.path("runs"))
    words = ["fit", "runs", "--model", "nolan-lee", "--starts", "1", "--out", "fits/a"]
    job = start(project, "Fitting", words, "fits/a")
    until(lambda: job.progress()[1] != "")
    job.stop()
    until(lambda: job.state != work.RUNNING, 9.0)  # before it would be ended by force; 2 s on an idle machine
    assert job.state == work.STOPPED
    assert project.fits() == []


def test_a_command_whose_machine_was_switched_off_is_lost_and_not_running_for_ever(project, monkeypatch):
    job = start(project, "Waiting", ["demo", "--out", "results/demo"])

    def mine():
        """Return the process that works for the job, and those that it started."""
        words = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]  # whole lines
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        workers = [pid for pid, _, words in rows if str(job.folder) in words]
        return [int(pid) for pid, parent, _ in rows if pid in workers or parent in workers]

    until(lambda: len(mine()) == 2)
    for number in mine():
        os.kill(number, signal.SIGKILL)
    monkeypatch.setattr(work, "_STARTING", 0.0)
    until(lambda: job.state != work.RUNNING, 10.0)
    assert job.state == work.LOST
