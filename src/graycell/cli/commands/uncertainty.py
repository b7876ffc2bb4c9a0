"""Commands that say how sure a fit is: sample, ensemble, profile."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command

commands = typer.Typer()
_PANEL = "Prediction"


@long_command(commands, "sample", _PANEL)
def _sample(
    fit: Annotated[Path, typer.Argument(metavar="FIT", help="A folder written by graycell fit.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sample and its tables; default: posterior in that of the fit.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Of every chain, after its warm-up.", min=4, max=100_000)] = 500,
    warm_up: Annotated[
        int, typer.Option(help="Draws of every chain in which the sampler adapts.", min=20, max=100_000)
    ] = 300,
    chains: Annotated[int, typer.Option(help="Independent chains; two run at once on two cores.", min=1, max=64)] = 4,
    target: Annotated[
        float,
        typer.Option(help="Share of proposals accepted; nearer to 1 is slower and loses fewer.", min=0.5, max=0.99),
    ] = 0.8,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Draw from the posterior of a fit by NUTS, where its covariance may not be enough.

    The density is that of the fit: measurements with their errors and detection limits, priors, bounds, and what
    differs between runs. For models of up to some 60 unknowns; needs the extra sampling.

    Writes draws.csv, summary.csv with R-hat and effective numbers of draws, and sample.json with seed, versions and
    hashes, and says where the chains did not converge. Next: graycell predict FIT PLAN --posterior FOLDER

    Example: graycell sample results/fit --chains 4 --draws 500
    """
    from graycell.cli import uncertainty as bodies

    bodies._sample(fit, out, draws, warm_up, chains, target, seed)


@long_command(commands, "ensemble", _PANEL)
def _ensemble(
    fit: Annotated[Path, typer.Argument(metavar="FIT", help="A folder written by graycell fit.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ensemble and its tables; default: ensemble in that of the fit.")
    ] = None,
    members: Annotated[int, typer.Option(help="Number of fits.", min=2, max=10_000)] = 20,
    resampled: Annotated[
        str | None,
        typer.Option(
            help="runs: drawn with replacement; errors: those of the assays, added to what was measured. Default: runs "
            "where there are five or more."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the members.", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Fit a model again and again, from other starts and priors, to resampled data.

    The members show how far parameters and predictions depend on the runs that happened to be made, on the errors of
    their assays, and on where a fit starts, for models of any size and with networks too.

    Writes members.csv, summary.csv, and ensemble.json with seed, versions and hashes, and says which members were left
    out. Next: graycell predict FIT PLAN --posterior FOLDER

    Example: graycell ensemble results/fit --members 40
    """
    from graycell.cli import uncertainty as bodies

    bodies._ensemble(fit, out, members, resampled, seed)


@long_command(commands, "profile", _PANEL)
def _profile(
    fit: Annotated[Path, typer.Argument(metavar="FIT", help="A folder written by graycell fit.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="PARAMETER", help="Names; default: all estimated parameters.")
    ] = None,
    level: Annotated[float, typer.Option(help="Of the intervals.", min=0.01, max=0.9999)] = 0.95,
    predict: Annotated[
        str | None,
        typer.Option(help="Profile a predicted value of a run of the fit instead, such as 'ANTI of run07 at 10'."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the tables and figures; default: profiles in that of the fit.")
    ] = None,
) -> None:
    """Profile likelihoods: how far a parameter can be moved, if all others are estimated anew.

    Gives an interval of each parameter without a normal approximation, and says on which side it is open: there the
    runs do not determine the parameter. Writes intervals.csv, points.csv and a figure of each.

    Example: graycell profile results/fit Km1 vmax17
    """
    from graycell.cli import uncertainty as bodies

    bodies._profile(fit, parameters or [], level, predict, out)
