"""Arguments and options that several commands share, and the runs and models that they name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from graycell.cell.closures import Closure, Dynamic, Lagged
from graycell.cli.exit_codes import FAULTS
from graycell.cli.printing import print_findings, say
from graycell.errors import ModelError, nearest, shown
from graycell.hybrid import read_model
from graycell.inference import load_fit
from graycell.model import CultureModel
from graycell.models import FILE_MODELS, model_of
from graycell.reporting.display import KINDS, DisplayUnits, shown_in, units_of
from graycell.runs import CultureRun, bundled_run, check_runs, read_runs

PUBLISHED, EXTENDED, TRUTH = "nolan-lee", "nolan-lee-extended", "nolan-lee-extended-limited"
"""Default models: to simulate, to fit, and to generate in-silico runs with."""
LIBRARY_PARAMETERS = ("published", "refit")
"""Parameter sets of Nolan & Lee."""

RunArgument = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Folder, XLSX or CSV; default: the bundled run.")
]
RunsArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="RUN", help="Folders, XLSX or CSV; default: the bundled run.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model file (.toml), or a model of the library, see graycell models. Left out: of the models that the "
        "measurements allow, the one that predicts runs best that it has not seen.",
    ),
]
ModelOrFitsOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model file (.toml), or a model of the library, see graycell models; default: the model of the fit in "
        f"--parameters, or {PUBLISHED}.",
    ),
]
ParametersOption = Annotated[
    str, typer.Option(help="published, another set of the model, or a folder written by graycell fit.")
]

UnitsOption = Annotated[
    str,
    typer.Option(
        "--units",
        metavar="UNITS",
        envvar="GRAYCELL_UNITS",
        help="Units of tables and figures. laboratory: 1e6 cells/mL, mmol/L, pmol/cell/d, and g/L, pg/cell/d for "
        "titers and what else was measured as a mass; internal: those of run files; or single ones, of quantities and "
        "of time, volume, cells, concentration, rate, growth ..., such as 'ANTI=mg/L, GLC=g/L, time=h'.",
    ),
]


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


def display_units(setting: str, runs: Sequence[CultureRun], models: Sequence[CultureModel] = ()) -> DisplayUnits:
    """Return the units that --units names, before any work, and print a remark for each name that nothing has.

    Args:
        setting: see `DisplayUnits.of`.
        runs: that are shown.
        models: that are shown.

    Returns:
        The units.

    Raises:
        InputError: with all faults of the setting, and units that do not fit the quantities.
    """
    units, known = DisplayUnits.of(setting), units_of(runs, models)
    shown_in(units, runs, models)
    for name in units.own:
        if name not in known:
            say(f"remark: --units: nothing here is called '{shown(name)}'; {nearest(name, [*known, *KINDS])}.")
    return units


def model_with_parameters(
    model: str | None, parameters: str, closure: Closure | Lagged, runs: Sequence[CultureRun] = ()
) -> CultureModel:
    """Return the model that --model and --parameters name.

    Args:
        model: path of a model file, name of a model of the library, or None for the default.
        parameters: ``published``, another parameter set of the model, or the folder of a fit.
        closure: of the redox loop; a fit keeps its own turnover time.
        runs: that the model is for, which decide the unit of its product.

    Returns:
        A model of the library with that parameter set, or the model of the fit.

    Raises:
        ModelError: if the model is unknown, or is not the one that was fitted.
    """
    name = model or PUBLISHED
    if not Path(parameters).is_dir():
        chosen = "" if parameters == "published" else parameters
        if name.endswith(".toml") or name in FILE_MODELS:
            built = read_model(name, runs, chosen)
            return built.with_closure(closure) if built.has_loop and closure != Dynamic() else built
        return model_of(name, closure=closure, parameters=parameters)
    fit = load_fit(parameters)
    for sentence in fit.remarks():
        say(f"remark: {parameters}: {sentence}")
    fitted = fit.model
    if model is not None and model != fitted.name:
        raise ModelError(f"{parameters} holds a fit of {fitted.name}, not of {model}; leave --model out.")
    own = getattr(fitted.closure, "turnover_time", None)
    if own is not None and not isinstance(closure, Lagged):
        closure = replace(closure, turnover_time=own)  # an own model may name it otherwise
    return fitted.with_closure(closure)
