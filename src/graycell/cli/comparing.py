"""Commands that make in-silico runs and compare models on held-out runs: generate, cross-validate."""

from pathlib import Path
from typing import Annotated

import typer

from graycell.cell.closures import Dynamic
from graycell.cli.arguments import (
    LIBRARY_PARAMETERS,
    TRUTH,
    UnitsOption,
    display_units,
    model_with_parameters,
    runs_from,
)
from graycell.cli.exit_codes import UNFINISHED
from graycell.cli.printing import counted, print_error, print_findings, print_frame, progress_bar, say
from graycell.cli.stopping import keeps_state
from graycell.comparison import Comparison, ComparisonProgress, cross_validate, learning_curve
from graycell.inference.fitting import Progress as FitProgress
from graycell.insilico import Design, generate
from graycell.models import MODELS
from graycell.reporting.comparison.page import comparison_report, headline, not_shared_sentences
from graycell.reporting.comparison.tables import comparison_frames
from graycell.reporting.display import LABORATORY
from graycell.runs.format.writing import require_place_for_runs, write_runs
from graycell.storage import require_place
from graycell.study import read_study

commands = typer.Typer()
_PANEL = "Comparison of models"


@commands.command("generate", rich_help_panel=_PANEL)
def _generate(
    out: Annotated[
        Path, typer.Option(help="Folder of the runs; only a folder that graycell wrote is replaced.")
    ] = Path("results/runs"),
    runs: Annotated[int, typer.Option(help="Number of runs.", min=1, max=4096)] = 64,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help=f"The true model: one of {', '.join(MODELS)}; default: the model of the fit in --parameters, "
            f"or {TRUTH}.",
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
    if redox is not None:
        print_error("--redox is now called --loops; the old name still works in this version, and takes precedence.")
        loops = redox
    require_place_for_runs(out)  # now, not after minutes of work
    truth = model_with_parameters(model or (TRUTH if parameters in LIBRARY_PARAMETERS else None), parameters, Dynamic())
    varied = runs_from([template] if template else [])[0]
    design = Design(runs=runs, seed=seed, days=days, sampling_interval=every, noise=noise, floor=floor, loops=loops)
    with progress_bar("generate") as update:
        made = generate(truth, design, varied, progress=update)
    path = write_runs(made, out)
    say(made[0].provenance.notes)
    say(f"{counted(len(made), 'run')} written to {path}. Next: graycell fit {out}")


@commands.command("cross-validate", rich_help_panel=_PANEL)
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
    quantity and overall, with intervals of 95 % by whole runs. Impossible predictions are counted: mass created from
    nothing, negative concentrations, fluxes that the network does not allow. If the study has `sizes`, a second page
    shows the error over the number of training runs.

    Every finished training is kept in OUT/trained: after a stop, the same command continues from there.

    Example: graycell cross-validate study.toml --out results/cross-validate
    """
    plan = read_study(study)
    print_findings(plan.remarks)
    shown_units = display_units(units, [*plan.training, *plan.tested])
    require_place(out / "trained")  # now, not after an hour of work
    pages = []
    with keeps_state(out / "trained"), progress_bar("cross-validate") as update:
        at = ComparisonProgress(0.0, "", "", 0)

        def show(now: ComparisonProgress) -> None:
            nonlocal at
            at = now
            update(now.done, f"{now.candidate}, {now.split}, seed {now.seed}")

        def show_fit(now: FitProgress) -> None:
            update(at.done, f"{at.candidate}, {at.split}, seed {at.seed}: {now.stage}, {100 * now.done:.0f} %")

        candidates = plan.candidates(show_fit)
        trained = out / "trained"
        found = cross_validate(candidates, plan.split(), plan.seeds, show, folder=trained)
        pages.append(comparison_report(found, out, units=shown_units))
    _print_reused(found, trained)
    _print_comparison(found)
    failed = bool(found.failures)
    if plan.sizes:
        with keeps_state(trained), progress_bar("learning curve") as update:
            curve = learning_curve(candidates, plan.training, plan.tested, plan.sizes, plan.seeds, show, folder=trained)
        _print_reused(curve, trained)
        failed |= bool(curve.failures)
        pages.append(comparison_report(curve, out / "curve", units=shown_units))
    for path in pages:
        say(f"Comparison: {path}")
    if failed:
        raise typer.Exit(UNFINISHED)


def _print_reused(found: Comparison, folder: Path) -> None:
    if found.reused:
        say(f"{counted(found.reused, 'training')} of an earlier comparison, in {folder}, not repeated.")


def _print_comparison(found: Comparison) -> None:
    reference = next(iter(found.candidates))
    for sentence in (*headline(found, reference), *not_shared_sentences(found)):
        say(sentence)
    frames = comparison_frames(found, reference)
    for name in ("overall", *(("by-run",) if found.failures else ()), "consistency"):
        if name in frames and len(frames[name]):
            print_frame(frames[name], name)
