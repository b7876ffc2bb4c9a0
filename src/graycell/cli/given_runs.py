"""The runs that the arguments of a command name."""

from collections.abc import Sequence
from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS
from graycell.cli.sentences import print_findings
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
