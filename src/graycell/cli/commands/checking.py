"""Commands that check a model: diagnose, check-gradients."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import (
    EXTENDED,
    LABORATORY,
    ModelOrFitsOption,
    ParametersOption,
    RunArgument,
    RunsArgument,
    UnitsOption,
)

commands = typer.Typer()
_PANEL = "Checks of a model"


@long_command(commands, "diagnose", _PANEL)
def _diagnose(
    run: RunArgument = None,
    model: ModelOrFitsOption = None,
    parameters: ParametersOption = "published",
    at: Annotated[
        list[float] | None,
        typer.Option("--at", help="A time [d] at which to show the map R -> R'; repeat the option for more times."),
    ] = None,
    parameter: Annotated[
        str | None, typer.Option(help="Draw the branches of R over this parameter; default: R_switch.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and its tables.")] = Path("results/diagnose"),
    units: UnitsOption = LABORATORY,
) -> None:
    """Show where the equations of a model contradict each other along a run.

    Listed are the surplus equations and the relations that they would have to satisfy; the rate laws that the balances
    contradict; times with singular weights; the fixed points of the redox ratio R [1], over time and over a parameter;
    and how the result of each closure of the redox loop depends on its step or tolerance. It takes one to two
    minutes for the bundled run.

    Example, the state of a fit: graycell diagnose run07/ --parameters results/fit --parameter vmax2
    """
    from graycell.cli import checking as bodies

    bodies._diagnose(run, model, parameters, at, parameter, out, units)


@long_command(commands, "check-gradients", _PANEL)
def _check_gradients(
    runs: RunsArgument = None,
    model: Annotated[
        str, typer.Option("--model", help="A model file (.toml), or a model of the library, see graycell models.")
    ] = EXTENDED,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", help="Check this one; repeat the option for more. Default: all estimated parameters."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the result: gradients.csv and gradients.json.")] = Path(
        "results/check-gradients"
    ),
    units: UnitsOption = LABORATORY,
) -> None:
    """Compare every derivative that a fit uses with central differences.

    A fit follows the derivatives of the residuals [1] by the parameters. Each is compared with simulations at slightly
    smaller and larger values, with a much tighter tolerance than a fit needs. The verdicts: *agrees*; *kink*, the two
    sides differ, as where a bound becomes active; *flat*, the runs contain no information on the parameter;
    *disagrees* and *not finite*, exit code 1: a rate law cannot be differentiated as it is written. One to two minutes
    for the bundled run.

    Example: graycell check-gradients run07/ --model nolan-lee --parameter vmax1f --parameter Km1
    """
    from graycell.cli import checking as bodies

    bodies._check_gradients(runs, model, parameter, out, units)
