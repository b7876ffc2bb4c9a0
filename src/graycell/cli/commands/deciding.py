"""Commands that choose the numbers of a plan, or of the next runs: optimise, design, campaign."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cli.commands.long_command import long_command
from graycell.cli.commands.options import LABORATORY, UnitsOption

commands = typer.Typer()
_PANEL = "Decision"


@long_command(commands, "optimise", _PANEL)
def _optimise(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="FIT|RUNS... PLAN DECISIONS",
            help="A folder written by graycell fit, or runs to learn from; then the current plan; last a TOML file "
            "of what is chosen, what is maximised, and what must hold.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the page, its tables, its JSON, and the best plan as a run.")
    ] = Path("results/optimise"),
    caution: Annotated[
        float | None,
        typer.Option(
            help="Standard deviations that are taken off what is maximised and off the room of constraints; 0 trusts "
            "the mean. Default: that of the file, or 0.5.",
            min=0.0, max=10.0, show_default=False,
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="Draws with which a plan is judged; default: 24 of a fit, 200 of runs.", min=4, max=10_000,
                     show_default=False),
    ] = None,
    starts: Annotated[
        int | None,
        typer.Option(help="Starts of the search; default: 3 with a fit, 2 with runs.", min=1, max=100,
                     show_default=False),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Group of the plan, where parameters of the fit differ between groups.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of draws and starts.", min=0, max=2**32 - 1)] = 0,
    units: UnitsOption = LABORATORY,
) -> None:
    """Choose the numbers of a plan: feeds, their times, the shift, the seeding density, the day of the harvest.

    With a fit, plans are judged by draws of its parameters, with exact derivatives by every number, times of events
    among them; with runs, by what graycell predict foresees from them. What is maximised is the mean less --caution
    standard deviations of the gain, which are larger where a plan leaves what was learned. No plan may run out of a
    substrate that no run was without, unless the file says may_run_out = ["ASN"]. The answer is compared with the
    current plan and with simple rules.

    DECISIONS is such a file:

        maximise = "ANTI"

        constraints = ["LAC <= 40", { holds = "viability >= 0.6", when = "end" }]

        [decisions.glucose]

        change = "volume"

        event = "bolus"

        medium = "Glucose feed"

        relative = true

        lower = 0.5

        upper = 2.0

    Names in formulas are quantities in the units of the tables, the names of decisions, volume and time. Next:
    graycell predict RUNS results/optimise/plan

    Example: graycell optimise my-fit/ my-plan/ decisions.toml --out results/optimise
    """
    from graycell.cli import deciding as bodies

    bodies._optimise(sources, out, caution, draws, starts, group, seed, units)


@long_command(commands, "design", _PANEL)
def _design(
    fit: Annotated[Path, typer.Argument(metavar="FIT", help="A folder written by graycell fit.")],
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan that the next runs vary, with its samples.")],
    decisions: Annotated[
        Path, typer.Argument(metavar="DECISIONS", help="A TOML file of what is varied, and what every run must keep.")
    ],
    runs: Annotated[int, typer.Option(help="Number of next runs, done together.", min=1, max=100)] = 4,
    purpose: Annotated[
        str | None,
        typer.Option(
            "--for", show_default=False,
            help="predictions of plans within the bounds (the default), or parameters, which are to become sure.",
        ),
    ] = None,
    target: Annotated[Path | None, typer.Option(help="A plan whose prediction is to become sure.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="A fit of another model, from which this one is to be told.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page, its tables, its JSON, and the runs as plans.")] = Path(
        "results/design"
    ),
    candidates: Annotated[int, typer.Option(help="Random plans that are looked at.", min=2, max=10_000)] = 64,
    draws: Annotated[int, typer.Option(help="Draws of the parameters that are averaged.", min=1, max=1000)] = 4,
    group: Annotated[
        str | None, typer.Option(help="Group of the next runs, where parameters of the fit differ between groups.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of candidates and draws.", min=0, max=2**32 - 1)] = 0,
    units: UnitsOption = LABORATORY,
) -> None:
    """Choose the next runs that tell most: for predictions, for the parameters, or to tell two models apart.

    What a run would tell follows from the exact sensitivities of the fitted model, at the samples of the plan, with the
    assays of the runs of the fit. Runs that break a constraint, or starve cells that were never without a substrate,
    are left out. The answer is compared with random plans, with random corners of the bounds, with random points of a
    central composite design, and with the plan again.

    DECISIONS is a file as for graycell optimise; it needs no maximise. A design has one purpose: --for, --target or
    --against.

    Example: graycell design my-fit/ my-plan/ decisions.toml --runs 4 --out results/design
    """
    from graycell.cli import deciding as bodies

    bodies._design(fit, plan, decisions, runs, purpose, target, against, out, candidates, draws, group, seed, units)


@long_command(commands, "campaign", _PANEL)
def _campaign(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file or a model of the library, which all clones follow.")
    ],
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan that is varied.")],
    campaign: Annotated[
        Path, typer.Argument(metavar="CAMPAIGN", help="A TOML file of clones, scales, decisions and what is maximised.")
    ],
    tried: Annotated[
        Path | None,
        typer.Option(help="A CSV file of the runs so far: the files next-batch.csv below each other, goals filled in."),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(help="Where the next batch is done; default: the scale that is worth most for its cost.",
                     show_default=False),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Cost of all runs that is not to be exceeded.", min=0.0, show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the page, the next batch and the clones as tables, and their JSON.")
    ] = Path("results/campaign"),
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Choose the next batch of a campaign: which clones, at which scale, under which conditions.

    Many clones are looked at in small and cheap vessels, few in large and expensive ones, and the best run at the
    target scale is wanted. All clones follow MODEL with parameters of their own, around its values with its prior_sd;
    what a scale changes is a parameter too. Of each run the goal at its end is measured.

    CAMPAIGN is a file as for graycell optimise, with

        clones = ["A", "B", "C"]

        target = "pilot"

        [scales.plate]

        cost = 10

        runs = 12

        error = 0.15

        together = ["warmth"]

        changes = { growth_scale = 0.5 }

        [scales.pilot]

        cost = 2000

        runs = 1

        error = 0.05

    A batch is worth what its runs are expected to improve at the target scale, times the part of the uncertainty that
    they remove, for its cost.

    Example: graycell campaign clones.toml my-plan/ campaign.toml --tried tried.csv --out results/campaign
    """
    from graycell.cli import deciding as bodies

    bodies._campaign(model, plan, campaign, tried, scale, budget, out, seed)
