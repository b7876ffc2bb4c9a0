"""The command fit: a model, the models of a study, or the models of the library that runs allow."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import LABORATORY, ModelOption, UnitsOption

commands = typer.Typer()
_PANEL = "Models"


@long_command(commands, "fit", _PANEL)
def _fit(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN", help="Runs, or a study; default: the bundled run.")
    ] = None,
    model: ModelOption = None,
    out: Annotated[Path, typer.Option(help="Folder of the result, and of the checkpoint to continue from.")] = Path(
        "results/fit"
    ),
    starts: Annotated[int, typer.Option(help="Number of starting points.", min=1, max=64)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the random starting points.")] = 0,
    only: Annotated[str | None, typer.Option(help="Fit only this model of the study.")] = None,
    units: UnitsOption = LABORATORY,
    initial_error: Annotated[
        str | None,
        typer.Option(
            help="Estimate what runs give for time 0, which has this error: VCD=0.1 (10 % of the first count), "
            "0.05 (of everything), or measured (the standard error of the sample at time 0). Default: exact."
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with the columns run and group, such as clone or scale: parameters of --model with "
            "between_groups_sd have a value for each group."
        ),
    ] = None,
) -> None:
    """Fit a model to runs, or the models of a study to its runs.

    Without --model, the models of the library that the measurements allow are fitted, compared on runs that they were
    not fitted to (of a single run: on its later samples), and the best one is fitted to all runs. The command says why
    the others could not be used. The bundled run, and runs measured like it, get nolan-lee-extended.

    RUN may be a study instead: a TOML file with runs and models, whose rate laws are white (known), gray (corrected) or
    black (learned). Every model of it is fitted into a folder of its own below --out.

    The fit of one model starts from the published parameters. Its state is written to the folder after every
    iteration: after a stop, the same command continues the fit to the same result. Next: graycell report FOLDER

    Example: graycell fit my-runs/ --out results/my-runs

    A model of your own: graycell fit my-runs/ --model my-model.toml --out results/my-model

    A study: graycell fit study.toml --only gray --out results/study
    """
    from graycell.cli import fitting as bodies

    bodies._fit(runs, model, out, starts, seed, only, units, initial_error, groups)
