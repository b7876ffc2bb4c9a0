"""The command that follows a running culture: follow."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import LABORATORY, UnitsOption

commands = typer.Typer()
_PANEL = "Decision"


@long_command(commands, "follow", _PANEL)
def _follow(
    fit: Annotated[Path, typer.Argument(metavar="FIT", help="A folder written by graycell fit, of other cultures.")],
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="The culture: its samples so far, what was done, and what is planned."),
    ],
    decisions: Annotated[
        Path | None,
        typer.Argument(metavar="DECISIONS", help="A TOML file of what may be chosen, as for graycell optimise."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the page, its tables, its JSON, and the best rest of the plan as a run.")
    ] = Path("results/follow"),
    now: Annotated[
        float | None,
        typer.Option(help="Day [d]: later samples are not used, and earlier events are done. Default: the last sample.",
                     min=0.0, show_default=False),
    ] = None,
    signals: Annotated[
        Path | None,
        typer.Option(help="Signals of probes, as samples of a run with a table assay_error: capacitance as VCD, ..."),
    ] = None,
    delay: Annotated[
        float, typer.Option(help="Minutes after which a signal is written down.", min=0.0, max=10_000.0)
    ] = 0.0,
    window: Annotated[
        float, typer.Option(help="Hours; the values of a signal within it count as one.", min=0.01, max=1000.0)
    ] = 12.0,
    watch: Annotated[
        float | None,
        typer.Option(help="Look at the files every so many seconds, and follow again when one has changed.",
                     min=0.1, max=86_400.0, show_default=False),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Group of the culture, where parameters of the fit differ between groups.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws of the forecast.", min=10, max=10_000)] = 100,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0, max=2**32 - 1)] = 0,
    units: UnitsOption = LABORATORY,
) -> None:
    """Follow a running culture: what it is now, measured or not, what it will be, and how to go on.

    All samples so far count, each at its own time, however late it came: least squares around what the fit says of
    parameters and initial concentrations. With DECISIONS the rest of the plan is chosen with what is known now; nothing
    that was done before is touched. Files in, files out: no controller is touched either.

    Example: graycell follow my-fit/ my-running-culture/ decisions.toml --watch 60 --out results/follow
    """
    from graycell.cli import following as bodies

    bodies._follow(fit, run, decisions, out, now, signals, delay, window, watch, group, draws, seed, units)
