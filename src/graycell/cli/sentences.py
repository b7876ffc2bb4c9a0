"""Sentences and findings that the commands print; nothing is imported here that a command might not need."""

from collections.abc import Iterable

from rich.console import Console

from graycell.errors import Finding, gathered

console = Console()

MOST_PRINTED_RUNS = 4
"""Number of runs up to which a table is printed for each of them."""


def say(sentence: str) -> None:
    """Print a sentence literally: a name from a file is not markup.

    Args:
        sentence: the text.
    """
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def print_error(sentence: str) -> None:
    """Print a sentence literally on stderr.

    Args:
        sentence: the text.
    """
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)


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
        say(f"{'' if finding.severity == 'error' else 'remark: '}{finding}")
