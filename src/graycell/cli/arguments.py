"""Arguments and options that several commands share, and the runs and models that they name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from graycell.cell.closures import Closure, Lagged
from graycell.cli.exit_codes import FAULTS
from graycell.cli.printing import print_findings
from graycell.errors import ModelError
from graycell.inference import load_fit
from graycell.model import CultureModel
from graycell.models import MODELS, model_of
from graycell.runs import CultureRun, bundled_run, check_runs, read_runs

PUBLISHED, EXTENDED, TRUTH = "nolan-lee", "nolan-lee-extended", "nolan-lee-extended-limited"
"""Default models: to simulate, to fit, and to generate in-silico runs with."""
LIBRARY_PARAMETERS = ("published", "refit")
"""Parameter sets of a model of the library; any other value of --parameters is the folder of a fit."""

RunArgument = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Folder, XLSX or CSV; default: the bundled run.")
]
RunsArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="RUN", help="Folders, XLSX or CSV; default: the bundled run.")
]
ModelOption = Annotated[str, typer.Option("--model", help=f"One of {', '.join(MODELS)}.")]
ModelOrFitsOption = Annotated[
    str | None,
    typer.Option(
        "--model", help=f"One of {', '.join(MODELS)}; default: the model of the fit in --parameters, or {PUBLISHED}."
    ),
]
ParametersOption = Annotated[str, typer.Option(help="published, refit, or a folder written by graycell fit.")]


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


def model_with_parameters(model: str | None, parameters: str, closure: Closure | Lagged) -> CultureModel:
    """Return the model that --model and --parameters name.

    Args:
        model: name of a model of the library, or None for the default.
        parameters: ``published``, ``refit``, or the folder of a fit.
        closure: of the redox loop; a fit keeps its own turnover time.

    Returns:
        A model of the library with that parameter set, or the model of the fit.

    Raises:
        ModelError: if the model is unknown, or is not the one that was fitted.
    """
    if parameters in LIBRARY_PARAMETERS:
        return model_of(model or PUBLISHED, closure=closure, parameters=parameters)
    fitted = load_fit(parameters).model
    if model is not None and model != fitted.name:
        raise ModelError(f"{parameters} holds a fit of {fitted.name}, not of {model}; leave --model out.")
    own = getattr(fitted.closure, "turnover_time", None)
    if own is not None and not isinstance(closure, Lagged):
        closure = replace(closure, turnover_time=own)  # an own model may name it otherwise
    return fitted.with_closure(closure)
