"""Sentences and findings that the commands print, and their log; nothing is imported that a command might not need."""

import shlex
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control

from graycell.errors import Finding, gathered


class _Spoken(Console):
    """A console whose words go into the log too, where there is one."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, see rich."""
        super().print(*objects, **options)
        if _log is not None and not any(isinstance(one, Control) for one in objects):  # a bar moves by these
            _log.print(*objects, **options)


console = _Spoken()
_errors = _Spoken(stderr=True)
_log: Console | None = None
_begun = time.monotonic()
_tells_times = False
_WARNING = "warning: "
_LOG_WIDTH = 160

MOST_PRINTED_RUNS = 4
"""Number of runs up to which a table is printed for each of them."""


def say(sentence: str) -> None:
    """Print a sentence literally: a name from a file is not markup.

    Args:
        sentence: the text; one that begins with "warning: " is said to those too who want to hear nothing else.
    """
    heard = _errors if console.quiet and sentence.startswith(_WARNING) else console
    at = f"{time.monotonic() - _begun:7.1f} s  " if _tells_times else ""
    heard.print(at + sentence, highlight=False, markup=False, soft_wrap=True)


def print_error(sentence: str) -> None:
    """Print a sentence literally on stderr.

    Args:
        sentence: the text.
    """
    _errors.print(sentence, highlight=False, markup=False, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is 1.

    Args:
        number: how many.
        noun: in the singular; the plural adds an s.

    Returns:
        The words.

    >>> counted(2, "run")
    '2 runs'
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings, those that several runs share as one.

    Args:
        findings: errors and remarks.
    """
    for finding in gathered(findings):
        if finding.severity == "error" and console.quiet:
            print_error(str(finding))
        else:
            say(f"{'' if finding.severity == 'error' else 'remark: '}{finding}")


def speak(quiet: bool, verbose: bool) -> None:
    """Set how much is said.

    Args:
        quiet: faults and warnings alone, on stderr; results are in files.
        verbose: before every sentence, the seconds since the command began.
    """
    global _tells_times
    console.quiet, _tells_times = quiet, verbose


def keep_log(path: Path, words: Sequence[str]) -> None:
    """Let all that is printed from now on go into a file too, after what is there.

    Args:
        path: the file.
        words: of the command, written at the beginning.

    Raises:
        OSError: where it cannot be written to.
    """
    global _log
    path.parent.mkdir(parents=True, exist_ok=True)
    # by lines: a command that is stopped ends at once
    _log = Console(file=path.open("a", encoding="utf-8", buffering=1), width=_LOG_WIDTH, color_system=None)
    _logged(f"{time.strftime('%Y-%m-%d %H:%M:%S')} in {Path.cwd()}: graycell {shlex.join(words)}")


def end_log(code: object) -> None:
    """Write into the log, if there is one, how the command ended.

    Args:
        code: the exit code.
    """
    _logged(f"exit code {code} after {time.monotonic() - _begun:.1f} s")


def _logged(sentence: str) -> None:
    if _log is not None:
        _log.print(sentence, highlight=False, markup=False, soft_wrap=True)
