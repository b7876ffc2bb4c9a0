"""What a command says, and what its log keeps."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import graycell as gc

BUNDLED = Path(gc.__file__).parent / "runs/bundled/nolan-lee-2011-cell-line-a"


@pytest.fixture
def graycell(tmp_path):
    def run(*words):
        command = [sys.executable, "-m", "graycell.cli", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_log_keeps_what_was_said_with_the_command_and_how_it_ended(graycell, tmp_path):
    code, said, _ = graycell("--log", "logs/my log.txt", "check", BUNDLED)
    assert code == 0
    kept = (tmp_path / "logs/my log.txt").read_text(encoding="utf-8")
    assert "graycell --log 'logs/my log.txt' check" in kept.splitlines()[0]
    for line in said.splitlines():
        assert line.strip() in kept
    assert re.fullmatch(r"exit code 0 after \d+\.\d s", kept.splitlines()[-1])
    graycell("--log", "logs/my log.txt", "check", "nothing.csv")
    added = (tmp_path / "logs/my log.txt").read_text(encoding="utf-8").removeprefix(kept)
    assert "nothing.csv" in added
    assert "exit code 1" in added


def test_a_quiet_command_says_its_faults_alone_on_stderr(graycell, tmp_path):
    assert graycell("--quiet", "check", BUNDLED) == (0, "", "")
    assert graycell("--quiet", "template", "my-run.xlsx") == (0, "", "")
    assert list(tmp_path.iterdir())
    code, said, faults = graycell("--quiet", "check", "nothing.csv")
    assert (code, said) == (1, "")
    assert "nothing.csv" in faults
    assert "Traceback" not in faults


def test_a_verbose_command_says_when_and_where(graycell):
    code, said, _ = graycell("--verbose", "check", BUNDLED)
    assert code == 0
    assert re.search(r"^ +\d+\.\d s  \S", said, flags=re.MULTILINE)
    code, said, faults = graycell("--verbose", "rates", "nothing.csv")
    assert code == 1
    assert "Traceback" in faults


def test_a_log_that_cannot_be_written_is_a_sentence(graycell, tmp_path):
    (tmp_path / "here").write_text("a file", encoding="utf-8")
    code, _, faults = graycell("--log", "here/log.txt", "check", BUNDLED)
    assert code == 1
    assert "here" in faults
    assert "Traceback" not in faults
