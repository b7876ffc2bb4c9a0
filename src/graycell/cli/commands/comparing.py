"""Commands that make in-silico runs and compare models on held-out runs: generate, cross-validate."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import LABORATORY, TRUTH, UnitsOption

commands = typer.Typer()
_PANEL = "Comparison of models"


@long_command(commands, "generate", _PANEL)
def _generate(
    out: Annotated[
        Path, typer.Option(help="Folder of the runs; only a folder that graycell wrote is replaced.")
    ] = Path("results/runs"),
    runs: Annotated[int, typer.Option(help="Number of runs.", min=1, max=4096)] = 64,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="The true model: a model file (.toml), or a model of the library, see graycell models; default: the "
            f"model of the fit in --parameters, or {TRUTH}.",
        ),
    ] = None,
    parameters: Annotated[
        str, typer.Option(help="True parameters: published, refit, or a folder written by graycell fit.")
    ] = "published",
    template: Annotated[
        Path | None,
        typer.Option(help="The run to vary: its initial state, feed and viability; default: the bundled run."),
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Relative standard deviation of a measured value [1].", min=0.0, max=1.0)
    ] = 0.05,
    floor: Annotated[
        float,
        typer.Option(
            help="Standard deviation at value 0, as a fraction of the largest value of the quantity [1].",
            min=1e-6,
            max=1.0,
        ),
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Seed of the design and of the noise.", min=0, max=2**32 - 1)] = 0,
    days: Annotated[float, typer.Option(help="Duration of a run [d].", min=0.1, max=60.0)] = 10.0,
    every: Annotated[float, typer.Option(help="Time between two samples [d].", min=0.05)] = 1.0,
    loops: Annotated[bool, typer.Option(help="Measure the loop variables too, such as the redox ratio R.")] = False,
    redox: Annotated[bool | None, typer.Option(help="Old name of --loops.", hidden=True)] = None,
) -> None:
    """Make in-silico runs with known parameters and write them as the tables of runs.

    A model is simulated and its values get noise of known size. The runs vary seeding, medium, feeding and temperature
    shift evenly around the template. Points of the design that give no plausible run (no flux, no R, a negative
    concentration) are replaced, and a sentence reports how many. In Python, graycell.Design has every range. The same
    seed gives the same runs.

    Example, from a fit: graycell generate --runs 8 --parameters results/fit --loops --out results/runs
    """
    from graycell.cli import comparing as bodies

    bodies._generate(out, runs, model, parameters, template, noise, floor, seed, days, every, loops, redox)


@long_command(commands, "cross-validate", _PANEL)
def _cross_validate(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A TOML file, see graycell fit.")],
    out: Annotated[Path, typer.Option(help="Folder of the page, its tables and its JSON.")] = Path(
        "results/cross-validate"
    ),
    units: UnitsOption = LABORATORY,
) -> None:
    """Compare the models of a study with each other and with baselines, on runs that they did not learn from.

    Every model and baseline is trained on the same runs and predicts the same ones: the runs that the study holds out,
    each run in turn, or all samples after a day. Errors are given as a fraction of the measured range (NRMSE [1]), by
    quantity and overall, with intervals of 95 % by whole runs, and beside them how often bands of 90 % held, how wide
    they were, and how good (interval score, CRPS). Impossible predictions are counted: mass created from
    nothing, negative concentrations, fluxes that the network does not allow. If the study has `sizes`, a second page
    shows the error over the number of training runs.

    Every finished training is kept in OUT/trained: after a stop, the same command continues from there.

    Example: graycell cross-validate study.toml --out results/cross-validate
    """
    from graycell.cli import comparing as bodies

    bodies._cross_validate(study, out, units)
