"""Commands that simulate and report: simulate, report, demo."""

import time
from pathlib import Path

import typer

from graycell.cell.closures import Algebraic, Dynamic, Lagged
from graycell.cli.commands.options import EXTENDED, LIBRARY_PARAMETERS, PUBLISHED, ClosureName
from graycell.cli.exit_codes import UNFINISHED
from graycell.cli.given_models import known_runs, model_with_parameters
from graycell.cli.given_runs import runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import print_scores, print_trajectory
from graycell.cli.sentences import print_error, say
from graycell.models import model_of, published_feed
from graycell.packing import require_usable
from graycell.reporting.writing import file_word, table_ending
from graycell.runs import Bolus, bundled_run
from graycell.simulation.scores import mean_nrmse, scores
from graycell.simulation.simulate import SimulationStatus, SolverSettings, simulate
from graycell.storage import require_place, written_together


def _simulate(
    run: Path | None, model: str | None, closure: ClosureName, redox: ClosureName | None, step: float, parameters: str,
    rtol: float, out: Path | None, units: str,
) -> None:  # fmt: skip
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
    require_usable(runs, built)
    frames = {}
    for culture, known in known_runs(parameters, runs, built):
        if closure is ClosureName.lagged and any(isinstance(event, Bolus) for event in culture.events):
            culture = published_feed(culture)
        trajectory = simulate(known, culture, SolverSettings(rtol=rtol, atol=rtol / 10))
        print_trajectory(trajectory, parameters in LIBRARY_PARAMETERS and built.name == PUBLISHED, shown_units)
        unfinished |= trajectory.status is not SimulationStatus.finished
        if out is not None:
            from graycell.reporting import trajectory_frame  # with pandas, which is slow to import

            name = f"{out.stem}-{file_word(culture.name)}{out.suffix}" if len(runs) > 1 else out.name
            frames[name] = trajectory_frame(trajectory, shown_units)
    if out is not None:
        from graycell.reporting.writing import write_table

        with written_together(out.parent) as stage:
            for name, frame in frames.items():
                write_table(frame, stage / name)
        for name in frames:
            say(f"Trajectory written to {out.with_name(name)}")
    if unfinished:
        raise typer.Exit(UNFINISHED)


def _report(folders: list[Path], out: Path | None, truth: str | None, units: str) -> None:
    from graycell.inference import load_fit
    from graycell.reporting import report

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


def _demo(out: Path, starts: int, units: str) -> None:
    from graycell.cli.fitting import fit_with_progress  # slow to import, and a simulation does not need it
    from graycell.inference import FitSettings, save_fit
    from graycell.reporting import report

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
