"""What the command check does."""

from pathlib import Path

import typer

from graycell.balances.checking import check_paths
from graycell.cli.exit_codes import FAULTS
from graycell.cli.sentences import MOST_PRINTED_RUNS, counted, print_findings, say


def _check(files: list[Path], model: str | None) -> None:
    models, files = [path for path in files if path.suffix == ".toml"], [one for one in files if one.suffix != ".toml"]
    usable, asked, inputs = True, None, []
    if models or model is not None:
        from graycell.cli import models as of_models  # slow to import, and files of runs are checked without it

        usable = of_models.check_model_files(models)
        if not files:
            raise typer.Exit(0 if usable else FAULTS)
        if model is not None:
            asked, inputs = of_models.names_and_inputs(model, files)
    findings = [*check_paths(files, asked), *inputs]
    print_findings(findings)
    errors = sum(finding.severity == "error" for finding in findings)
    names = ", ".join(path.name or str(path) for path in files[:MOST_PRINTED_RUNS])
    more = f" and {len(files) - MOST_PRINTED_RUNS} more" if len(files) > MOST_PRINTED_RUNS else ""
    say(f"Checked {names}{more}: {counted(errors, 'error')}, {counted(len(findings) - errors, 'remark')}.")
    raise typer.Exit(FAULTS if errors or not usable else 0)
