"""Commands that simulate and report: simulate, report, demo."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from graycell.cell.closures import Algebraic, Dynamic, Lagged
from graycell.cli.arguments import (
    EXTENDED,
    LIBRARY_PARAMETERS,
    PUBLISHED,
    ModelOrFitsOption,
    ParametersOption,
    RunArgument,
    UnitsOption,
    display_units,
    model_with_parameters,
    runs_from,
)
from graycell.cli.exit_codes import UNFINISHED
from graycell.cli.fitting import fit_with_progress
from graycell.cli.printing import (
    print_error,
    print_scores,
    print_trajectory,
    say,
)
from graycell.inference import FitSettings, load_fit, save_fit
from graycell.models import MODELS, model_of, published_feed
from graycell.reporting import (
    file_word,
    report,
    table_ending,
    trajectory_frame,
    write_table,
)
from graycell.reporting.display import LABORATORY
from graycell.runs import Bolus, bundled_run
from graycell.simulation.scores import mean_nrmse, scores
from graycell.simulation.simulate import SimulationStatus, SolverSettings, simulate
from graycell.storage import require_place, written_together

commands = typer.Typer()
_PANEL = "Models"


class ClosureName(StrEnum):
    """Ways to close the loop of a model, for --closure."""

    dynamic = "dynamic"
    algebraic = "algebraic"
    lagged = "lagged"


@commands.command("simulate", rich_help_panel=_PANEL)
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
    if redox is not None:
        print_error("--redox is now called --closure; the old name still works in this version, and takes precedence.")
        closure = redox
    closures = {
        ClosureName.dynamic: Dynamic(), ClosureName.algebraic: Algebraic(), ClosureName.lagged: Lagged(step)
    }  # fmt: skip
    if out is not None:
        table_ending(out)
        require_place(out.parent)
    runs, unfinished = runs_from([run] if run else []), False
    built = model_with_parameters(model, parameters, closures[closure], runs)
    shown_units = display_units(units, runs, [built])
    frames: dict[str, pd.DataFrame] = {}
    for culture in runs:
        if closure is ClosureName.lagged and any(isinstance(event, Bolus) for event in culture.events):
            culture = published_feed(culture)
        trajectory = simulate(built, culture, SolverSettings(rtol=rtol, atol=rtol / 10))
        print_trajectory(trajectory, parameters in LIBRARY_PARAMETERS, shown_units)
        unfinished |= trajectory.status is not SimulationStatus.finished
        if out is not None:
            name = f"{out.stem}-{file_word(culture.name)}{out.suffix}" if len(runs) > 1 else out.name
            frames[name] = trajectory_frame(trajectory, shown_units)
    if out is not None:
        with written_together(out.parent) as stage:
            for name, frame in frames.items():
                write_table(frame, stage / name)
        for name in frames:
            say(f"Trajectory written to {out.with_name(name)}")
    if unfinished:
        raise typer.Exit(UNFINISHED)


@commands.command("report", rich_help_panel=_PANEL)
def _report(
    folders: Annotated[list[Path], typer.Argument(metavar="FIT", help="Folders written by graycell fit.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; default: that of the first fit.")] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            help=f"The model that generated in-silico runs: one of {', '.join(MODELS)}, or the folder of a fit."
        ),
    ] = None,
    units: UnitsOption = LABORATORY,
) -> None:
    """Write one HTML file, readable without a network, and its tables as CSV.

    Several fits are shown side by side. With --truth, learned laws are shown with the true ones.

    Example: graycell report results/fit
    """
    require_place(out if out is not None else folders[0])
    fits = {_label(folder, folders): load_fit(folder) for folder in folders}
    for label, one in fits.items():
        for sentence in one.remarks():
            say(f"remark: {label}: {sentence}")
    shown_units = display_units(units, [run for one in fits.values() for run in one.runs],
                                [one.model for one in fits.values()])  # fmt: skip
    true_model = None if truth is None else load_fit(truth).model if Path(truth).is_dir() else model_of(truth)
    path = report(fits, out if out is not None else folders[0], truth=true_model, units=shown_units)
    say(f"Report: {path}")


def _label(folder: Path, folders: list[Path]) -> str:
    """Return the name of a folder, or its path if others have that name too."""
    names = [other.resolve().name for other in folders]
    return folder.resolve().name if names.count(folder.resolve().name) == 1 else str(folder)


@commands.command("demo", rich_help_panel=_PANEL)
def _demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/demo"),
    starts: Annotated[int, typer.Option(help="Number of starting points of each fit.", min=1, max=64)] = 4,
    units: UnitsOption = LABORATORY,
) -> None:
    """Fit the published network and the extended one to the bundled run, and write a report.

    The run: cell line A of Nolan & Lee (2011), ten samples of thirteen species. Two to four minutes.

    Example: graycell demo --out results/demo
    """
    require_place(out)
    began = time.perf_counter()
    run = bundled_run()
    shown_units = display_units(units, [run])
    first = simulate(model_of(PUBLISHED), run).require_finished()
    say(
        f"{run.name}: {len(first.measured_time)} samples, {len(run.measurements)} quantities. Published parameters, "
        f"simulated after {time.perf_counter() - began:.0f} s: mean NRMSE {mean_nrmse(scores(first)):.3f}."
    )
    fits = {}
    for label, model in (("published network", PUBLISHED), ("extended network", EXTENDED)):
        folder = out / model
        fits[label] = fit_with_progress([run], model_of(model), folder, FitSettings(starts=starts), label)
        save_fit(fits[label], folder)
    path = report(fits, out, note=_DEMO_NOTE, units=shown_units)
    print_scores({label: simulate(fitted.model, run) for label, fitted in fits.items()})
    say(f"Report: {path}")


_DEMO_NOTE = (
    "The published network balances ATP strictly, without maintenance or leak, which ties glycolysis to the ATP "
    "demand. So it cannot reproduce both the glucose uptake after the temperature shift and the uptake of lactate. "
    "The extended model has one more reaction, v35: ATP is used for maintenance, at a different rate before and after "
    "the shift; the redox ratio at which lactate production turns to uptake is estimated too. "
    "Neither model reproduces cystine: the balances of cysteine and cystine fix its uptake to "
    "(0.0261 v16 + 0.024 v17)/2, so it follows from growth and antibody alone and no rate law can change it."
)
