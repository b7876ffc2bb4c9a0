"""Sentences and findings that the commands print, and their log; nothing is imported that a command might not need."""

import contextlib
import io
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control

from graycell.errors import Finding, gathered
from graycell.storage import cannot_write

_WARNING = "warning: "
_WIDTH = 160
"""[characters] Of tables in a log."""


class _Terminal(Console):
    """The terminal, whose words go into the log too, and are held back while all is well with --quiet."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, see rich."""
        super().print(*objects, **options)
        if any(isinstance(one, Control) for one in objects):  # a progress bar moves by these
            return
        if self.quiet and _held is not None:
            _held.print(*objects, **options)
        _print_in_log(*objects, **options)


console = _Terminal()
_errors = _Terminal(stderr=True)
_log: Console | None = None
_held: Console | None = None
_held_text = io.StringIO()
_shows_times = False
_begun = time.monotonic()
MOST_PRINTED_RUNS = 4
"""Number of runs up to which a table is printed for each of them."""


def say(sentence: str) -> None:
    """Print a sentence literally: a name from a file is not markup.

    Args:
        sentence: the text; one that begins with "warning: " is printed on stderr with --quiet.
    """
    _say(sentence, sentence.startswith(_WARNING))


def _say(sentence: str, is_warning: bool) -> None:
    where = _errors if console.quiet and is_warning else console
    at = f"{time.monotonic() - _begun:7.1f} s  " if _shows_times else ""
    where.print(at + sentence, highlight=False, markup=False, soft_wrap=True)


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
        is_error = finding.severity == "error"
        _say(f"{'' if is_error else 'remark: '}{finding}", is_error)


def begin_output(quiet: bool, verbose: bool, log: Path | None, words: Sequence[str]) -> None:
    """Set what is printed of a command, and where it is kept.

    Args:
        quiet: print warnings only, and all where the command ends with another exit code than 0.
        verbose: print the seconds since the command began before every sentence.
        log: a file to which all that is printed is added; None for none.
        words: of the command, for the log.

    Raises:
        OutputError: where the log cannot be written to.
    """
    global _log, _held, _held_text, _shows_times, _begun
    end_output(0)
    console.quiet, _shows_times, _begun, _held_text = quiet, verbose, time.monotonic(), io.StringIO()
    _held = Console(file=_held_text, width=console.width, color_system=None) if quiet else None
    if log is None:
        return
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        # by lines: a command that is stopped ends at once
        file = log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise cannot_write(log, error) from None
    _log = Console(file=file, width=_WIDTH, color_system=None)
    add_to_log(f"{time.strftime('%Y-%m-%d %H:%M:%S')} in {Path.cwd()}: graycell {shlex.join(words)}")


def end_output(code: object) -> None:
    """Print what was held back if a command did not end well, and end its log.

    Args:
        code: the exit code.
    """
    global _log, _held
    was_held, _held, console.quiet = _held is not None, None, False
    if was_held and code not in (0, None):
        sys.stderr.write(_held_text.getvalue())
    add_to_log(f"exit code {code or 0} after {time.monotonic() - _begun:.1f} s")
    log, _log = _log, None
    if log is not None:
        log.file.close()


def add_to_log(text: str) -> None:
    """Add what is not printed here to the log, if there is one.

    Args:
        text: such as a traceback.
    """
    _print_in_log(text, highlight=False, markup=False, soft_wrap=True)


def _print_in_log(*objects: Any, **options: Any) -> None:
    """Print in the log; one that can no longer be written to is given up, and the command goes on."""
    global _log
    if _log is None:
        return
    try:
        _log.print(*objects, **options)
    except OSError as error:
        lost, _log = _log, None
        with contextlib.suppress(OSError):
            lost.file.close()
        print_error(f"{_WARNING}the log ends here: {error.strerror or error}")
