"""Commands that make in-silico runs and compare models on held-out runs: generate, cross-validate."""

from pathlib import Path

import typer

from graycell.cell.closures import Dynamic
from graycell.cli.commands.options import LIBRARY_PARAMETERS, TRUTH
from graycell.cli.exit_codes import UNFINISHED
from graycell.cli.frames import print_frame
from graycell.cli.given_models import model_with_parameters
from graycell.cli.given_runs import runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import progress_bar, trainings_bar
from graycell.cli.sentences import counted, print_error, print_findings, say
from graycell.cli.stopping import keeps_state
from graycell.comparison import Comparison, cross_validate, learning_curve
from graycell.comparison.intervals import ALL
from graycell.insilico import Design, generate
from graycell.packing import as_weighed
from graycell.reporting.comparison.page import band_sentences, comparison_report, headline, not_shared_sentences
from graycell.reporting.comparison.tables import comparison_frames
from graycell.runs.format.writing import require_place_for_runs, write_runs
from graycell.storage import require_place
from graycell.study import read_study


def _generate(
    out: Path, runs: int, model: str | None, parameters: str, template: Path | None, noise: float, floor: float,
    seed: int, days: float, every: float, loops: bool, redox: bool | None,
) -> None:  # fmt: skip
    if redox is not None:
        print_error("--redox is now called --loops; the old name still works in this version, and takes precedence.")
        loops = redox
    require_place_for_runs(out)  # now, not after minutes of work
    truth = model_with_parameters(model or (TRUTH if parameters in LIBRARY_PARAMETERS else None), parameters, Dynamic())
    varied = runs_from([template] if template else [])[0]
    design = Design(runs=runs, seed=seed, days=days, sampling_interval=every, noise=noise, floor=floor, loops=loops)
    with progress_bar("generate") as update:
        made = generate(truth, design, varied, progress=update)
    path = write_runs([as_weighed(run) for run in made], out)
    say(made[0].provenance.notes)
    say(f"{counted(len(made), 'run')} written to {path}. Next: graycell fit {out}")


def _cross_validate(study: Path, out: Path, units: str) -> None:
    plan = read_study(study)
    print_findings(plan.remarks)
    shown_units = display_units(units, [*plan.training, *plan.tested])
    require_place(out / "trained")  # now, not after an hour of work
    pages = []
    with keeps_state(out / "trained"), trainings_bar("cross-validate") as (show, show_fit):
        candidates = plan.candidates(show_fit)
        trained = out / "trained"
        found = cross_validate(candidates, plan.split(), plan.seeds, show, folder=trained)
        pages.append(comparison_report(found, out, units=shown_units))
    _print_reused(found, trained)
    _print_comparison(found)
    failed = bool(found.failures)
    if plan.sizes:
        with keeps_state(trained), trainings_bar("learning curve") as (show, show_fit):
            candidates = plan.candidates(show_fit)
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
    for sentence in (*headline(found, reference), *band_sentences(found), *not_shared_sentences(found)):
        say(sentence)
    frames = comparison_frames(found, reference)
    bands = frames["bands"]
    chosen = (bands["quantity"] == ALL) & (bands["runs [1]"] > 0)
    frames["bands"] = bands.loc[chosen, [name for name in bands.columns if name != "quantity"]]
    for name in ("overall", "bands", *(("by-run",) if found.failures else ()), "consistency"):
        if name in frames and len(frames[name]):
            print_frame(frames[name], name)
