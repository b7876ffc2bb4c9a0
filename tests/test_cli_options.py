"""What a command prints, and what its log keeps."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import graycell as gc
from graycell import cli
from graycell.cli import sentences

BUNDLED = Path(gc.__file__).parent / "runs/bundled/nolan-lee-2011-cell-line-a"


@pytest.fixture
def graycell(tmp_path):
    def run(*words):
        command = [sys.executable, "-m", "graycell.cli", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_log_keeps_what_was_printed_with_the_command_and_its_exit_code(graycell, tmp_path):
    code, printed, _ = graycell("--log", "logs/my log.txt", "check", BUNDLED)
    assert code == 0
    kept = (tmp_path / "logs/my log.txt").read_text(encoding="utf-8")
    assert "graycell --log 'logs/my log.txt' check" in kept.splitlines()[0]
    assert printed.startswith("Checked")
    for line in printed.splitlines():
        assert line.strip() in kept
    assert re.fullmatch(r"exit code 0 after \d+\.\d s", kept.splitlines()[-1])
    graycell("--log", "logs/my log.txt", "check", "nothing.csv")
    added = (tmp_path / "logs/my log.txt").read_text(encoding="utf-8").removeprefix(kept)
    assert "nothing.csv" in added.splitlines()[1]
    assert added.splitlines()[-1].startswith("exit code 1 ")


def test_a_quiet_command_prints_nothing_where_it_succeeds_and_all_on_stderr_where_it_does_not(graycell, tmp_path):
    assert graycell("--quiet", "template", "my-run.xlsx") == (0, "", "")
    assert (tmp_path / "my-run.xlsx").exists()
    for words in (("check", "nothing.csv"), ("rates", "nothing.csv")):
        code, printed, errors = graycell("--quiet", *words)
        assert (code, printed) == (1, "")
        assert "nothing.csv" in errors
        assert "Traceback" not in errors


def test_a_warning_of_a_quiet_command_is_on_stderr(capsys):
    sentences.begin_output(True, False, None, [])
    sentences.say("what was done")
    sentences.say("warning: it may be wrong")
    sentences.end_output(0)
    assert capsys.readouterr() == ("", "warning: it may be wrong\n")
    sentences.begin_output(True, False, None, [])
    sentences.say("what was done")
    sentences.end_output(3)
    assert capsys.readouterr() == ("", "what was done\n")
    sentences.say("the next command is heard")
    assert capsys.readouterr().out == "the next command is heard\n"


def test_the_log_of_a_command_is_not_that_of_the_next(tmp_path, capsys):
    sentences.begin_output(False, False, tmp_path / "log.txt", ["one"])
    sentences.end_output(0)
    sentences.begin_output(False, False, None, ["two"])
    sentences.say("not of the first")
    assert "not of the first" not in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_a_log_that_can_no_longer_be_written_is_given_up_with_a_warning(tmp_path, capsys, monkeypatch):
    sentences.begin_output(False, False, tmp_path / "log.txt", ["one"])
    monkeypatch.setattr(sentences._log, "print", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    sentences.say("the command goes on")
    sentences.end_output(0)
    printed = capsys.readouterr()
    assert printed.out == "the command goes on\n"
    assert printed.err == "warning: the log ends here: No space left\n"


def test_an_error_that_nobody_expected_is_in_the_log(monkeypatch, tmp_path):
    def broken():
        sentences.begin_output(False, False, tmp_path / "log.txt", ["check"])
        raise ZeroDivisionError("a fault of graycell")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ZeroDivisionError):
        cli.main()
    kept = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "ZeroDivisionError: a fault of graycell" in kept
    assert "exit code 1 " in kept


def test_a_verbose_command_prints_when_and_where(graycell):
    code, printed, _ = graycell("--verbose", "check", BUNDLED)
    assert code == 0
    assert re.search(r"^ +\d+\.\d s  \S", printed, flags=re.MULTILINE)
    code, _, errors = graycell("--verbose", "rates", "nothing.csv")
    assert code == 1
    assert "Traceback" in errors


def test_a_log_that_cannot_be_written_is_a_sentence(graycell, tmp_path):
    (tmp_path / "here").write_text("a file", encoding="utf-8")
    code, _, errors = graycell("--log", "here/log.txt", "check", BUNDLED)
    assert code == 1
    assert "a place with room that can be written to is needed" in errors
    assert "Traceback" not in errors
