"""check_path: everything that is wrong or implausible in files of runs, as a list of findings."""

from collections.abc import Iterable
from pathlib import Path

from graycell.balances.plausibility import RUN_CHECKS, SET_CHECKS, RunCheck, SetCheck, implausible
from graycell.errors import Finding
from graycell.runs.checks import check_runs
from graycell.runs.format.reading import read_with_findings
from graycell.runs.model_names import ModelNames
from graycell.runs.records import CultureRun


def check_path(
    path: str | Path,
    species: Iterable[str] | ModelNames | None = None,
    *,
    run_checks: Iterable[RunCheck] = RUN_CHECKS,
    set_checks: Iterable[SetCheck] = SET_CHECKS,
) -> list[Finding]:
    """Check the files at a path and the runs in them.

    Never raises `InputError`: a missing or broken file is a finding too.

    >>> print(*check_path("no/such/run.csv"))
    run.csv: found nothing; a file or a folder is needed; look at the path.

    Args:
        path: a file or a folder in any format that `read_runs` reads.
        species: of the model: names, or all that `packing.names_of` says; None skips the checks against a model.
        run_checks: checks of single runs; add your own as in `plausibility`.
        set_checks: checks that compare runs.

    Returns:
        Every finding once, errors of reading first.
    """
    return check_paths([path], species, run_checks=run_checks, set_checks=set_checks)


def check_paths(
    paths: Iterable[str | Path],
    species: Iterable[str] | ModelNames | None = None,
    *,
    run_checks: Iterable[RunCheck] = RUN_CHECKS,
    set_checks: Iterable[SetCheck] = SET_CHECKS,
) -> list[Finding]:
    """Check several paths as `check_path` does, and compare the runs of all of them with each other.

    Args:
        paths: files or folders.
        species: of the model: names, or all that `packing.names_of` says; None skips the checks against a model.
        run_checks: checks of single runs.
        set_checks: checks that compare runs.

    Returns:
        Every finding once, errors of reading first.
    """
    names = ModelNames.of(species)
    findings: list[Finding] = []
    sound: list[CultureRun] = []
    for path in paths:
        runs, faults = read_with_findings(path)
        findings += [*faults, *check_runs(runs, names)]
        # a run that was read with errors would be reported again for their consequences
        if not any(finding.severity == "error" for finding in faults):
            sound += runs
    return list(dict.fromkeys([*findings, *implausible(sound, run_checks, set_checks)]))
