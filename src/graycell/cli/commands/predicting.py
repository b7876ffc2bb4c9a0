"""The command that predicts a run: predict."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import LABORATORY, UnitsOption

commands = typer.Typer()
_PANEL = "Prediction"


@long_command(commands, "predict", _PANEL)
def _predict(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS... PLAN",
            help="Folders, XLSX or CSV of the runs that are learned from, or one folder written by graycell fit; last "
            "the plan: a run with its start, its events and media, and its samples so far.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the page, its tables and its JSON.")] = Path("results/predict"),
    groups: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with the columns run and group, such as clone or feeding, of the plan too: runs of the group "
            "say more than others, and a fit has the own parameters of the group."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Mix in a model that is fitted to the runs: a model file (.toml), or a model of the library, see "
            "graycell models; the option may be repeated."
        ),
    ] = None,
    thorough: Annotated[
        bool,
        typer.Option(
            "--thorough",
            help="Mix in boosted trees and the models of the library that the measurements allow: often better, in "
            "minutes.",
        ),
    ] = False,
    draws: Annotated[int, typer.Option(help="Draws from a fit.", min=10, max=100_000)] = 200,
    seed: Annotated[int, typer.Option(help="Of trainings and draws.", min=0, max=2**32 - 1)] = 0,
    posterior: Annotated[
        Path | None,
        typer.Option(help="A folder of graycell sample or ensemble, whose draws are taken in place of the fit's own."),
    ] = None,
    units: UnitsOption = LABORATORY,
) -> None:
    """Predict a planned or running culture, with bands, from earlier runs or from a fit.

    From runs, several predictors are trained with each run left out in turn, and mixed by how well they predicted it:
    the mean of the runs, mass balances with the mean specific rates, from six runs on such balances whose rates deviate
    from the means by what the culture is like, a Gaussian process over the start, the feeds and the temperature, and
    the models that --model names, fitted to the runs.

    The bands come from how the runs that were left out differed from their prediction. Samples of the plan after time 0
    are known, and the prediction is made anew from all of them. A plan that leaves what was learned is named, with the
    quantity and the time, and its bands widen.

    Example: graycell predict my-runs/ my-plan/ --out results/predict
    """
    from graycell.cli import predicting as bodies

    bodies._predict(sources, out, groups, model or [], thorough, draws, seed, posterior, units)
