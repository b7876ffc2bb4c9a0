"""The runs that the arguments of a command name."""

from collections.abc import Sequence
from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS
from graycell.cli.sentences import print_error, print_findings
from graycell.runs import CultureRun, bundled_run, check_runs, read_runs


def runs_from(paths: Sequence[Path]) -> list[CultureRun]:
    """Read and check runs, and print what the check finds.

    Args:
        paths: folders, XLSX or CSV files; none for the bundled run.

    Returns:
        The runs of all paths.

    Raises:
        typer.Exit: with the code `FAULTS` if the check finds an error.
        InputError: with every fault, if a file cannot be read.
    """
    runs = [run for path in paths for run in read_runs(path)] if paths else [bundled_run()]
    findings = check_runs(runs)
    print_findings(findings)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(FAULTS)
    return runs


def plan_of(path: Path) -> CultureRun:
    """Read and check the one run that is a plan; it needs no samples, so nothing is said of their number.

    Args:
        path: folder, XLSX or CSV file.

    Returns:
        The plan.

    Raises:
        typer.Exit: with the code `FAULTS` if the check finds an error, or there is not one run.
        InputError: with every fault, if a file cannot be read.
    """
    runs = read_runs(path)
    findings = [one for one in check_runs(runs) if one.severity == "error" or "sample times" not in one.found]
    print_findings(findings)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(FAULTS)
    if len(runs) != 1:
        print_error(f"{path}: found {len(runs)} runs; the plan is one run; give the folder or file of that run.")
        raise typer.Exit(FAULTS)
    return runs[0]
