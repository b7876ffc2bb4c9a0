"""check_path: all that is wrong or odd about files and the runs in them."""

from collections.abc import Iterable
from pathlib import Path

from graycell.balances.plausibility import implausible
from graycell.errors import Finding
from graycell.runs.checks import check_runs
from graycell.runs.format.reading import read_with_findings
from graycell.runs.records import CultureRun


def check_path(path: str | Path, species: Iterable[str] | None = None) -> list[Finding]:
    """Return all that is wrong or odd about the files at `path` and the runs in them.

    Never raises `InputError`: a file that is missing or broken is a finding too.
    `species` are the names of the model's species, where a model is at hand.

    >>> print(*check_path("no/such/run.csv"))
    run.csv: found nothing; a file or a folder is needed; look at the path.
    """
    return check_paths([path], species)


def check_paths(paths: Iterable[str | Path], species: Iterable[str] | None = None) -> list[Finding]:
    """Return what `check_path` does, of several paths, whose runs are compared with each other too."""
    species = None if species is None else tuple(species)
    findings: list[Finding] = []
    sound: list[CultureRun] = []
    for path in paths:
        runs, faults = read_with_findings(path)
        findings += [*faults, *check_runs(runs, species)]
        if not any(finding.severity == "error" for finding in faults):  # else its consequences would be told as well
            sound += runs
    return list(dict.fromkeys([*findings, *implausible(sound)]))
