"""Commands that simulate and report: simulate, report, demo."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import (
    LABORATORY,
    ClosureName,
    ModelOrFitsOption,
    ParametersOption,
    RunArgument,
    UnitsOption,
)

commands = typer.Typer()
_PANEL = "Models"


@long_command(commands, "simulate", _PANEL)
def _simulate(
    run: RunArgument = None,
    model: ModelOrFitsOption = None,
    closure: Annotated[
        ClosureName,
        typer.Option(
            help="How the loop of the redox ratio R [1] is closed. dynamic: by a balance of the redox pool; algebraic: "
            "R = R' at all times; lagged: the published scheme."
        ),
    ] = ClosureName.dynamic,
    redox: Annotated[ClosureName | None, typer.Option(help="Old name of --closure.", hidden=True)] = None,
    step: Annotated[float, typer.Option(help="Step of the lagged scheme [d].", min=1e-4, max=1.0)] = 0.05,
    parameters: ParametersOption = "published",
    rtol: Annotated[float, typer.Option(help="Relative tolerance of the ODE solver [1].", min=1e-9, max=1e-2)] = 1e-6,
    out: Annotated[Path | None, typer.Option(help="Write the trajectory to this .csv, .xlsx or .parquet file.")] = None,
    units: UnitsOption = LABORATORY,
) -> None:
    """Simulate a run and compare it with its measurements.

    Example: graycell simulate run07/ --parameters results/fit --out run07.csv

    The published scheme with its refit parameters: graycell simulate --closure lagged --step 0.05 --parameters refit
    """
    from graycell.cli import modelling as bodies

    bodies._simulate(run, model, closure, redox, step, parameters, rtol, out, units)


@long_command(commands, "report", _PANEL)
def _report(
    folders: Annotated[list[Path], typer.Argument(metavar="FIT", help="Folders written by graycell fit.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; default: that of the first fit.")] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help="The model that generated in-silico runs: a model of the library, see graycell models, or the folder "
            "of a fit."
        ),
    ] = None,
    units: UnitsOption = LABORATORY,
) -> None:
    """Write one HTML file, readable without a network, and its tables as CSV.

    Several fits are shown side by side. With --truth, learned laws are shown with the true ones.

    Example: graycell report results/fit
    """
    from graycell.cli import modelling as bodies

    bodies._report(folders, out, truth, units)


@long_command(commands, "demo", _PANEL)
def _demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/demo"),
    starts: Annotated[int, typer.Option(help="Number of starting points of each fit.", min=1, max=64)] = 4,
    units: UnitsOption = LABORATORY,
) -> None:
    """Fit the published network and the extended one to the bundled run, and write a report.

    The run: cell line A of Nolan & Lee (2011), ten samples of thirteen species. Two to four minutes.

    Example: graycell demo --out results/demo
    """
    from graycell.cli import modelling as bodies

    bodies._demo(out, starts, units)
