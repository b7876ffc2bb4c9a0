"""The command line: graycell demo | import | check | rates | simulate | generate | inspect | fit | compare | ...

All commands stand here, past 500 lines: how each asks and what it prints is read side by side.
"""

import contextlib
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from graycell.balances.checking import check_paths
from graycell.balances.plausibility import implausible
from graycell.balances.specific_rates import specific_rates
from graycell.cell.closures import Algebraic, Closure, Dynamic, Lagged
from graycell.comparison.comparison import Comparison, ComparisonProgress, compare, learning_curve
from graycell.diagnosis import GradientCheck, Verdict, check_gradients
from graycell.diagnosis.equations import inspect
from graycell.errors import Finding, GraycellError, InputError, ModelError, gathered, nearest
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import imported
from graycell.imports.ready import profiles
from graycell.inference import Fit, FitSettings, fit, load_fit, save_fit
from graycell.inference.fitting import Progress as FitProgress
from graycell.insilico import Design, generate
from graycell.model import CultureModel
from graycell.models import MODELS, model_of, published_feed
from graycell.packing import quantities_of
from graycell.reporting import (
    UNDETERMINED,
    audit_frame,
    diagnosis_frames,
    diagnosis_report,
    file_word,
    headline,
    report,
    trajectory_frame,
    write_table,
)
from graycell.reporting.comparison.page import comparison_report
from graycell.reporting.comparison.page import headline as comparison_headline
from graycell.reporting.comparison.tables import comparison_frames
from graycell.reporting.rates.balances import bookkeeping_frame
from graycell.reporting.rates.page import headline as rates_headline
from graycell.reporting.rates.page import phase_frame, rates_report
from graycell.runs import Bolus, CultureRun, bundled_run, check_runs, read_runs
from graycell.runs.format.tables import shown
from graycell.runs.format.template import write_template
from graycell.runs.format.writing import write_runs
from graycell.runs.records import REDOX, VCD
from graycell.simulation.scores import mean_nrmse, scores, unexplained_variance
from graycell.simulation.simulate import SimulationStatus, SolverSettings, Trajectory, simulate
from graycell.storage import write_whole
from graycell.study import Study, read_study

FAULTS, UNFINISHED, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 for success and 2 for a command that was written wrongly."""

_PRINTED_RUNS = 4
"""Runs up to which a table of each one is printed."""
_WIDEST = 1000
"""Letters of the widest table that is printed."""
_PUBLISHED_PARAMETERS = 47
"""Parameters of Nolan & Lee (2011), for the adjusted R2 of the published comparison."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Hybrid modelling of CHO fed-batch bioreactors.

A RUN is a folder of CSV files, an XLSX workbook with sheets of the same names, or one CSV of measurements. Where a
RUN may be left out, the bundled one is used: cell line A of Nolan & Lee (2011).

**First steps**

    graycell demo                          fit the bundled run with two models and write a report

    graycell import runs.xlsx              propose how to read a workbook of your own; then make runs of it

    graycell template my-runs.xlsx         or write a workbook to fill in

    graycell check my-run/                 list every fault of a run at once

    graycell rates my-run/                 specific rates, growth and yields as the samples show them

    graycell generate --out my-runs/       make in-silico runs of a known truth

    graycell fit my-run/ --out my-fit/     fit a model to it (again, to go on after a stop)

    graycell report my-fit/                write my-fit/report.html

    graycell fit study.toml                fit white, gray and black models of a study

    graycell compare study.toml            compare them, and with baselines, on runs they have not seen

    graycell inspect my-run/               see what the equations of a model disagree about

    graycell audit my-run/                 see whether the derivatives that a fit uses are right

**Exit codes**: 0 success, 1 faulty input, a question that cannot be answered or a wrong derivative, 2 a command
written wrongly, 3 a simulation or fit that did not reach its end, 130 stopped by Ctrl-C.
""",
)
console = Console()


class Redox(StrEnum):
    """Closures of the redox loop, for --redox."""

    dynamic = "dynamic"
    algebraic = "algebraic"
    lagged = "lagged"


RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Folder, XLSX or CSV; the bundled run if left out.")
]
ModelOption = Annotated[str, typer.Option("--model", help=f"One of {', '.join(MODELS)}.")]
PUBLISHED, EXTENDED, TRUTH = "nolan-lee", "nolan-lee-extended", "nolan-lee-extended-limited"


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders, XLSX or CSV files.")],
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"Tell what this model lacks too; one of {', '.join(MODELS)}."),
    ] = None,
) -> None:
    """List every fault and remark of runs at once: what cannot be read or used, and what no culture does.

    Each sentence says where, what was found, what is needed and what to do. Exit code 1 if there is an error;
    remarks alone leave it 0.

    Example: graycell check run07/ run08.xlsx

    Before a fit: graycell check run07/ --model nolan-lee-extended
    """
    species = None if model is None else model_of(model).species
    findings = check_paths(files, species)
    _print_findings(findings)
    errors = sum(finding.severity == "error" for finding in findings)
    remarks = len(findings) - errors
    names = ", ".join(path.name or str(path) for path in files[:_PRINTED_RUNS])
    more = f" and {len(files) - _PRINTED_RUNS} more" if len(files) > _PRINTED_RUNS else ""
    _say(f"Checked {names}{more}: {_count(errors, 'error')}, {_count(remarks, 'remark')}.")
    raise typer.Exit(FAULTS if errors else 0)


@app.command(name="import")
def import_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, XLSX or Parquet, as they are; several of one kind.")
    ],
    like: Annotated[str | None, typer.Option(help=f"A ready mapping: {', '.join(profiles())}.")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="A TOML file that says what the columns are.")] = None,
    draft: Annotated[
        Path | None, typer.Option(help="Write a first draft of the mapping here, to be looked through.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder or .xlsx of the runs, as graycell reads them; results/FILE if left out.")
    ] = None,
) -> None:
    """Make runs of files as someone has them, by a mapping that says what their columns are.

    Without --like and --map a first draft of the mapping is proposed from the first file. Look it through, replace
    every ?, and give it with --map; docs/import.md tells its words. Nothing is guessed: a unit that no heading states,
    and whether samples are taken before or after a feed, have to be given.

    Told are the bookkeeping of every run (begin + fed - taken out + turned over = found), what no culture does, and
    which columns were not read.

    Example: graycell import runs.xlsx --draft runs.toml

    Then: graycell import runs.xlsx --map runs.toml --out my-runs/
    """
    if (like is not None) + (mapping is not None) + (draft is not None) > 1:
        raise typer.BadParameter("--like, --map and --draft exclude each other")
    words, file = {"like": like} if like is not None else mapping, files[0]
    if words is None:
        _propose(files, draft)
        return
    with console.status("Reading"):
        found = imported(files, words)
        remarks = [*found.remarks, *check_runs(found.runs), *implausible(found.runs)]
    place = write_runs(found.runs, out or Path("results") / file.stem)
    if len(found.runs) <= _PRINTED_RUNS:
        for run in found.runs:
            _print_frame(bookkeeping_frame([run]).drop(columns="run"), f"{run.name}: bookkeeping")
    _print_findings(remarks)
    if found.volume_is_nominal:
        _say("No volume at the start was told: 1 L is nominal.")
    if found.not_there:
        _say(f"Not in the file: {', '.join(map(shown, found.not_there))}.")
    if found.not_read:
        _say(f"Not read: {', '.join(map(shown, found.not_read))}.")
    more = f" and {_count(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    _say(f"{_count(len(found.runs), 'run')} of {file.name}{more}: {place}. Next: graycell rates {place}")
    if any(one.severity == "error" for one in remarks):
        _say("The runs are written, but look at the errors above before you use them.")
        raise typer.Exit(FAULTS)


def _propose(files: Sequence[Path], draft: Path | None) -> None:
    """Print a first draft of the mapping of the first of some files, or write it where nothing is yet."""
    file, named = files[0], " ".join(map(str, files))
    text = propose(file)
    if draft is None:
        _say(text)
        _say(f"Write it with: graycell import {named} --draft {file.stem}.toml")
        return
    if draft.exists():
        needed = "what you wrote is never overwritten"
        raise InputError([Finding(str(draft), "a file of this name", needed, "choose another name")])
    write_whole(draft, text)
    _say(f"Draft written to {draft}. Look it through, then: graycell import {named} --map {draft}")


@app.command(name="export")
def export_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders, XLSX, CSV or Parquet files.")],
    out: Annotated[Path, typer.Option(help="A folder, or a workbook where it ends in .xlsx.")],
    parquet: Annotated[bool, typer.Option("--parquet", help="Parquet files in the folder instead of CSV.")] = False,
) -> None:
    """Write runs as a folder of CSV or Parquet files or as a workbook; graycell reads all of them without loss.

    Several runs become one set. Written whole or not at all; nothing but what graycell wrote is replaced.

    Example: graycell export run07/ run08/ --out runs.xlsx
    """
    if parquet and out.suffix.lower() == ".xlsx":
        raise typer.BadParameter("--parquet writes a folder; --out names a workbook")
    _say(f"Runs: {write_runs([run for path in runs for run in read_runs(path)], out, parquet)}")


@app.command()
def template(
    out: Annotated[Path, typer.Argument(metavar="[FILE.xlsx]", help="The workbook; nothing is overwritten.")] = Path(
        "runs.xlsx"
    ),
) -> None:
    """Write a workbook to fill in: instructions, all sheets with their headings, and a short example.

    Example: graycell template my-runs.xlsx
    """
    _say(f"Template: {write_template(out)}. Fill it in, then: graycell check {out}")


@app.command()
def rates(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Folders, XLSX or CSV; the bundled run if left out.")
    ] = None,
    start: Annotated[float, typer.Option("--from", help="The phase begins at this day.")] = 0.0,
    end: Annotated[float, typer.Option("--to", help="The phase ends at this day.")] = math.inf,
    per: Annotated[
        str | None, typer.Option(help="Yields are per this species that is taken up; GLC if left out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and its tables.")] = Path("results/rates"),
) -> None:
    """Show specific rates, growth, death and yields as the samples show them; no model is needed.

    From sample to sample and over the whole phase, with standard errors from those of the assays; feeds, samples and
    flows are accounted for, and balances.csv shows how: begin + fed - taken out + turned over = found.

    Example, the growth phase: graycell rates run07/ run08/ --from 1 --to 5
    """
    found = [specific_rates(culture, start, end) for culture in _runs(runs or [])]
    known = dict.fromkeys(balance.quantity for one in found for balance in one.balances)
    if per is not None and per not in known:
        needed = "yields are per a measured species"
        raise InputError([Finding("--per", f"'{per}'", needed, nearest(per, known) if known else "leave it out")])
    for one in found:
        for sentence in rates_headline(one):
            _say(sentence)
        if len(found) <= _PRINTED_RUNS:
            over = phase_frame([one]).drop(columns=["run", "doubling time [d]"])
            _print_frame(over, f"{one.run.name}: over the phase")
    _say(f"Rates: {rates_report(found, out, per or 'GLC')}")


@app.command(name="simulate")
def simulate_command(
    run: RunArgument = None,
    model: Annotated[
        str | None, typer.Option("--model", help=f"One of {', '.join(MODELS)}; that of the fit, or {PUBLISHED}.")
    ] = None,
    redox: Annotated[
        Redox,
        typer.Option(
            help="dynamic: a balance of the redox pool; algebraic: R = R' at all times; lagged: the published scheme."
        ),
    ] = Redox.dynamic,
    step: Annotated[float, typer.Option(help="Step of the lagged scheme [d].", min=1e-4, max=1.0)] = 0.05,
    parameters: Annotated[
        str, typer.Option(help="published, refit, or a folder written by graycell fit.")
    ] = "published",
    rtol: Annotated[float, typer.Option(help="Relative tolerance of the trajectory.", min=1e-9, max=1e-2)] = 1e-6,
    out: Annotated[Path | None, typer.Option(help="Write the trajectory to this .csv, .xlsx or .parquet file.")] = None,
) -> None:
    """Simulate a run and compare it with its measurements.

    Example, the published scheme and its refit: graycell simulate --redox lagged --step 0.05 --parameters refit
    """
    cultures = _runs([run] if run else [])
    unfinished = False
    for culture in cultures:
        trajectory = _simulate(culture, model, redox, step, parameters, rtol)
        _print_trajectory(trajectory, adjusted=parameters in ("published", "refit"))
        unfinished |= trajectory.status is not SimulationStatus.finished
        if out is not None:
            path = out.with_name(f"{out.stem}-{file_word(culture.name)}{out.suffix}") if len(cultures) > 1 else out
            write_table(trajectory_frame(trajectory), path)
            _say(f"Trajectory written to {path}")
    if unfinished:
        raise typer.Exit(UNFINISHED)


@app.command(name="generate")
def generate_command(
    out: Annotated[Path, typer.Option(help="Folder of the runs; one that graycell wrote before is replaced.")] = Path(
        "results/runs"
    ),
    runs: Annotated[int, typer.Option(help="How many.", min=1, max=4096)] = 64,
    model: Annotated[
        str | None,
        typer.Option("--model", help=f"The truth: one of {', '.join(MODELS)}; that of the fit, or {TRUTH}."),
    ] = None,
    parameters: Annotated[
        str, typer.Option(help="Of the truth: published, refit, or a folder written by graycell fit.")
    ] = "published",
    template: Annotated[
        Path | None, typer.Option(help="The run to vary: its initial state, feed and viability; the bundled one.")
    ] = None,
    noise: Annotated[float, typer.Option(help="Relative standard deviation of a value.", min=0.0, max=1.0)] = 0.05,
    floor: Annotated[
        float, typer.Option(help="That at 0, as a part of the largest value of the quantity.", min=1e-6, max=1.0)
    ] = 0.02,
    seed: Annotated[int, typer.Option(help="Of the design and of the noise.", min=0, max=2**32 - 1)] = 0,
    days: Annotated[float, typer.Option(help="How long a run lasts [d].", min=0.1, max=60.0)] = 10.0,
    every: Annotated[float, typer.Option(help="Time between two samples [d].", min=0.05)] = 1.0,
    redox: Annotated[bool, typer.Option("--redox/--no-redox", help="Measure the redox ratio R too.")] = False,
) -> None:
    """Make in-silico runs of a known truth and write them as the tables of a run.

    A model with its parameters counts as the truth. The runs vary seeding, medium, feeding and temperature shift
    evenly around the template; their values get noise of known size. Points of the design whose run is not plausible
    (no flux, no R, a concentration below zero) are replaced, and a sentence says how many. In Python, graycell.Design
    has every range. The same seed gives the same runs.

    Example, then fit them: graycell generate --runs 8 --parameters results/fit --redox --out results/runs
    """
    truth = _built(model or (TRUTH if parameters in ("published", "refit") else None), parameters, Dynamic())
    cultures = _runs([template] if template else [])
    design = Design(runs=runs, seed=seed, days=days, sampling_interval=every, noise=noise, floor=floor, redox=redox)
    with _progress("generate") as tell:
        made = generate(truth, design, cultures[0], progress=tell)
    path = write_runs(made, out)
    _say(made[0].provenance.notes)
    _say(f"{_count(len(made), 'run')} written to {path}. Next: graycell fit {out}")


@app.command(name="fit")
def fit_command(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Runs, or a study; the bundled run if left out.")
    ] = None,
    model: ModelOption = EXTENDED,
    out: Annotated[Path, typer.Option(help="Folder of the result, and of the checkpoint to go on from.")] = Path(
        "results/fit"
    ),
    starts: Annotated[int, typer.Option(help="Starting points.", min=1, max=64)] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the drawn starting points.")] = 0,
    only: Annotated[str | None, typer.Option(help="Fit this model of the study alone.")] = None,
) -> None:
    """Fit a model to runs, or the models of a study.

    RUN may be a study instead: a TOML file with runs and models, whose rate laws are white (known), gray (corrected) or
    black (learned). Every model of it is fitted into a folder of its own below --out.

    The fit of one model starts from the published parameters. It is written to the folder after every iteration: stop
    it at any time, give the same command again, and it goes on to the same result. Next: graycell report FOLDER

    Example: graycell fit run07/ run08/ --model nolan-lee-extended --out results/clone-x

    Example, a study: graycell fit study.toml --only gray --out results/study
    """
    if runs and runs[0].suffix == ".toml":
        if len(runs) > 1:
            raise typer.BadParameter("a study names its own runs; give the TOML file alone")
        if (model, starts, seed) != (EXTENDED, 4, 0):
            raise typer.BadParameter("a study says itself how it is fitted: write model, starts and seed into it")
        _fit_study(read_study(runs[0]), only, out)
        return
    if only:
        raise typer.BadParameter("--only chooses a model of a study; give a TOML file, or use --model")
    cultures = _runs(runs or [])
    if not _finish_fit(_fit(cultures, model_of(model), out, FitSettings(starts=starts, seed=seed)), out):
        raise typer.Exit(UNFINISHED)


def _fit_study(study: Study, only: str | None, out: Path) -> None:
    finished = True
    for name in [only] if only else study.models:
        model = study.plan(name).build(study.training, study.settings.seed)
        folder = out / file_word(name)
        _say(f"{name}: {model}")
        finished &= _finish_fit(_fit(list(study.training), model, folder, study.settings, name), folder)
    _say(f"Next: graycell compare {study.path}")
    if not finished:
        raise typer.Exit(UNFINISHED)


def _finish_fit(result: Fit, out: Path) -> bool:
    """Write a fit, say how well it meets its runs, and return whether it converged and its runs can be simulated."""
    path = save_fit(result, out)
    trajectories = [simulate(result.model_of(culture.name), culture) for culture in result.runs]
    if len(trajectories) <= _PRINTED_RUNS:
        for trajectory in trajectories:
            _print_trajectory(trajectory)
    else:
        errors = [mean_nrmse(scores(trajectory)) for trajectory in trajectories]
        _say(
            f"{len(errors)} runs, mean NRMSE of the species: median {np.median(errors):.4f}, largest {max(errors):.4f}."
        )
    unknown = sum(row.sd_ratio > UNDETERMINED for row in result.estimates)
    if unknown:
        _say(
            f"The data do not determine {unknown} of {len(result.estimates)} parameters: these stay near their priors."
        )
    _say(f"Fit written to {path}. Next: graycell report {out}")
    if not result.converged:
        _say("The last stage ended by its number of iterations, not by convergence: read the result with care.")
    return result.converged and all(one.status is SimulationStatus.finished for one in trajectories)


@app.command(name="compare")
def compare_command(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A TOML file, see graycell fit.")],
    out: Annotated[Path, typer.Option(help="Folder of the page, its tables and its JSON.")] = Path("results/compare"),
) -> None:
    """Compare the models of a study with each other and with baselines, on runs that they did not learn from.

    Every model and baseline learns from the same runs and predicts the same ones: those that the study holds out, each
    run in turn, or what comes after a day. Errors are per quantity and overall, with intervals of 95 % by whole runs;
    what cannot be (mass from nothing, less than nothing, fluxes that no cell has) is counted. With `sizes` in the study
    a second page shows the error over the number of training runs.

    Every training that ends is kept in OUT/trained: give the command again after a stop, and it goes on.

    Example: graycell compare study.toml --out results/compare
    """
    plan = read_study(study)
    out.mkdir(parents=True, exist_ok=True)  # now, not after an hour of work
    pages = []
    with _progress("compare") as tell:
        at = ComparisonProgress(0.0, "", "", 0)

        def told(now: ComparisonProgress) -> None:
            nonlocal at
            at = now
            tell(now.done, f"{now.candidate}, {now.split}, seed {now.seed}")

        def told_of_a_fit(now: FitProgress) -> None:
            tell(at.done, f"{at.candidate}, {at.split}, seed {at.seed}: {now.stage}, {100 * now.done:.0f} %")

        candidates = plan.candidates(told_of_a_fit)
        trained = out / "trained"
        found = compare(candidates, plan.split(), plan.seeds, told, folder=trained)
        pages.append(comparison_report(found, out))
    _tell_reused(found, trained)
    _print_comparison_of(found)
    failed = bool(found.failures)
    if plan.sizes:
        with _progress("learning curve") as tell:
            curve = learning_curve(candidates, plan.training, plan.tested, plan.sizes, plan.seeds, told, folder=trained)
        _tell_reused(curve, trained)
        failed |= bool(curve.failures)
        pages.append(comparison_report(curve, out / "curve"))
    for path in pages:
        _say(f"Comparison: {path}")
    if failed:
        raise typer.Exit(UNFINISHED)


def _tell_reused(found: Comparison, folder: Path) -> None:
    if found.reused:
        _say(f"{_count(found.reused, 'training')} of an earlier comparison, in {folder}, not done again.")


def _print_comparison_of(found: Comparison) -> None:
    reference = next(iter(found.candidates))
    for sentence in comparison_headline(found, reference):
        _say(sentence)
    frames = comparison_frames(found, reference)
    for name in ("overall", "consistency"):
        if name in frames and len(frames[name]):
            _print_frame(frames[name], name)


@app.command(name="inspect")
def inspect_command(
    run: RunArgument = None,
    model: Annotated[
        str | None, typer.Option("--model", help=f"One of {', '.join(MODELS)}; that of the fit, or {PUBLISHED}.")
    ] = None,
    parameters: Annotated[
        str, typer.Option(help="published, refit, or a folder written by graycell fit.")
    ] = "published",
    at: Annotated[
        list[float] | None,
        typer.Option("--at", help="Look at the map R -> R' at this time [d]; give it again for more."),
    ] = None,
    parameter: Annotated[
        str | None, typer.Option(help="Draw the branches of R over this parameter; R_switch if left out.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page and its tables.")] = Path("results/inspect"),
) -> None:
    """Show what the equations of a model disagree about along a run.

    How many equations are too many and which relations they would have to satisfy; which rate laws the balances
    contradict; where weights are singular; the fixed points of the redox loop, over time and over a parameter; and how
    the answer of each closure of the loop changes with its step or tolerance. Under a minute for the bundled run.

    Example, the state of a fit: graycell inspect run07/ --parameters results/fit --parameter vmax2
    """
    cultures = _runs([run] if run else [])
    built = _built(model, parameters, Dynamic())
    out.mkdir(parents=True, exist_ok=True)  # now, not after a minute of work
    for culture in cultures:
        with _progress("inspect") as tell:
            found = inspect(built, culture, times=at or None, parameter=parameter, progress=tell)
        frames = diagnosis_frames(found)
        left_out = set(quantities_of(built.species)) - set(_PRINTED_ENDS)
        for sentence in headline(found):
            _say(sentence)
        for name, title in _INSPECTED.items():
            heads = [head for head in frames[name].columns if head.split(" [")[0] not in left_out]
            _print_frame(frames[name].loc[:, heads], title)
        folder = out / file_word(culture.name) if len(cultures) > 1 else out
        _say(f"ModelDiagnosis: {diagnosis_report(found, folder)}")


_INSPECTED = {
    "equations": "Equations and unknowns",
    "surplus-relations": "Surplus relations",
    "without-a-rate-law": "Do the fluxes stay unique without a rate law?",
    "conflicts": "What the balances contradict",
    "singular-weights": "Kinetic rates near zero",
    "fixed-points": "Fixed points of R -> R'",
    "closures": "The end of the run by closure",
}
"""Tables that are printed, of those that are written."""
_PRINTED_ENDS = ("GLC", "LAC", "ANTI", VCD, REDOX)
"""Quantities whose values at the end of the run are printed; the table that is written has all."""


@app.command()
def audit(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]...", help="Runs; the bundled one if left out.")
    ] = None,
    model: ModelOption = EXTENDED,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="Audit this one; give it again for more. All estimated ones if left out."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the result: audit.csv and audit.json.")] = Path("results/audit"),
) -> None:
    """Compare every derivative that a fit uses with central differences.

    A fit follows derivatives of the residuals by the parameters. Each is compared with simulations a little to
    either side, with a much tighter tolerance than a fit needs. The verdicts: *agrees*; *kink*, the two sides differ,
    as where a bound becomes active; *flat*, the runs say nothing about the parameter; *disagrees* and *not finite*,
    exit code 1: a rate law cannot be differentiated as it is written. One to two minutes for the bundled run.

    Example: graycell audit run07/ --model nolan-lee --parameter vmax1f --parameter Km1
    """
    cultures = _runs(runs or [])
    with _progress("audit") as tell:
        result = check_gradients(model_of(model), cultures, parameter or None, progress=tell)
    table = write_table(audit_frame(result), out / "audit.csv")
    write_whole(out / "audit.json", json.dumps(result.plain(), indent=1))
    _print_audit(result)
    _say(f"Audit written to {table}")
    raise typer.Exit(0 if result.passed else FAULTS)


@app.command(name="report")
def report_command(
    folders: Annotated[list[Path], typer.Argument(metavar="FIT...", help="Folders written by graycell fit.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; the first fit's if left out.")] = None,
    truth: Annotated[
        str | None,
        typer.Option(help=f"Of in-silico runs: one of {', '.join(MODELS)}, or the folder of a fit."),
    ] = None,
) -> None:
    """Write one HTML file, readable without a network, and its tables as CSV.

    With several folders their fits stand side by side. With --truth learned laws stand beside the true ones.

    Example: graycell report results/fit
    """
    fits = {_label(folder, folders): load_fit(folder) for folder in folders}
    path = report(fits, out if out is not None else folders[0], truth=None if truth is None else _truth_of(truth))
    _say(f"Report: {path}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("results/demo"),
    starts: Annotated[int, typer.Option(help="Starting points of each fit.", min=1, max=64)] = 4,
) -> None:
    """Fit the bundled run with the published network and the extended one, and write a report.

    The run: cell line A of Nolan & Lee (2011), ten samples of thirteen species. Two to four minutes.
    """
    began = time.perf_counter()
    run = bundled_run()
    first = simulate(model_of(PUBLISHED), run).require_finished()
    _say(
        f"{run.name}: {len(first.measured_time)} samples, {len(run.measurements)} quantities. Published parameters, "
        f"simulated after {time.perf_counter() - began:.0f} s: mean NRMSE {mean_nrmse(scores(first)):.3f}."
    )
    fits = {}
    for label, model in (("published network", PUBLISHED), ("extended network", EXTENDED)):
        folder = out / model
        fits[label] = _fit([run], model_of(model), folder, FitSettings(starts=starts), label)
        save_fit(fits[label], folder)
    path = report(fits, out, note=_DEMO_NOTE)
    trajectories = {label: simulate(one.model, run) for label, one in fits.items()}
    _print_comparison(trajectories)
    _say(f"Report: {path}")


_DEMO_NOTE = (
    "The published network balances ATP strictly, without maintenance or leak, which ties glycolysis to the demand "
    "of ATP. So the glucose that is taken up after the temperature shift cannot be met together with lactate uptake. "
    "The extended model has one more reaction, v35: ATP is used for maintenance, at a rate of its own warm and cold, "
    "and the redox ratio at which lactate turns from made to used is estimated too. "
    "Cystine is met by neither: its uptake is (0.0261 v16 + 0.024 v17)/2 by the balances of cysteine and cystine, "
    "so growth and antibody alone fix it and no rate law can move it."
)


def main() -> None:
    """Run the command line; a deliberate error is printed as its sentences, without a traceback."""
    try:
        app()
    except InputError as error:
        _print_findings(error.findings)
        sys.exit(FAULTS)
    except KeyboardInterrupt:
        _say("Stopped.")
        sys.exit(INTERRUPTED)
    except (GraycellError, OSError) as error:
        Console(stderr=True).print(f"graycell: {error}", highlight=False, markup=False, soft_wrap=True)
        sys.exit(FAULTS)


def _runs(paths: list[Path]) -> list[CultureRun]:
    runs = [run for path in paths for run in read_runs(path)] if paths else [bundled_run()]
    remarks = check_runs(runs)
    _print_findings(remarks)
    if any(remark.severity == "error" for remark in remarks):
        raise typer.Exit(FAULTS)
    return runs


def _simulate(
    run: CultureRun, model: str | None, redox: Redox, step: float, parameters: str, rtol: float
) -> Trajectory:
    closure = {Redox.dynamic: Dynamic(), Redox.algebraic: Algebraic(), Redox.lagged: Lagged(step)}[redox]
    built = _built(model, parameters, closure)
    if redox is Redox.lagged and any(isinstance(event, Bolus) for event in run.events):
        run = published_feed(run)
    return simulate(built, run, SolverSettings(rtol=rtol, atol=rtol / 10))


def _truth_of(told: str) -> CultureModel:
    """Return a model of the library with its own parameters, or that of a fit in a folder."""
    return load_fit(told).model if Path(told).is_dir() else model_of(told)


def _built(model: str | None, parameters: str, closure: Closure | Lagged) -> CultureModel:
    """Return a model of the library with published or refit parameters, or those of a fit in a folder."""
    if parameters in ("published", "refit"):
        return model_of(model or PUBLISHED, closure=closure, parameters=parameters)
    fitted = load_fit(parameters).model
    if model is not None and model != fitted.name:
        raise ModelError(f"{parameters} holds a fit of {fitted.name}, not of {model}; leave --model out.")
    return replace(fitted, closure=closure) if fitted.has_loop else fitted


def _fit(runs: list[CultureRun], model: CultureModel, folder: Path, settings: FitSettings, label: str = "fit") -> Fit:
    with _stop_between_iterations(folder) as stopping, _progress(label) as tell:

        def tell_or_stop(now: FitProgress) -> None:
            tell(now.done, f"{now.stage}, cost {now.cost:.1f}")
            if stopping:
                raise KeyboardInterrupt

        return fit(model, runs, settings, folder=folder, progress=tell_or_stop)


@contextlib.contextmanager
def _stop_between_iterations(folder: Path) -> Iterator[list]:
    """Let Ctrl-C stop a fit after its iteration: within compiled code or the compiler it would be a crash."""
    stopping: list = []

    def stop(signum, frame) -> None:
        if stopping:
            os._exit(INTERRUPTED)  # asked twice: at once, and without the clean-up that compiled code would not survive
        stopping.append(signum)
        _say(f"Stopping after this iteration. To go on, give the same command again: the state is kept in {folder}.")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[float, str], None]]:
    """Show a bar; what is given takes the part done [1] and words."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=1.0, told="compiling")

        def tell(done: float, told: str) -> None:
            bar.update(task, completed=done, told=told)

        yield tell
        bar.update(task, completed=1.0, told="done")


def _print_findings(findings: Iterable[Finding]) -> None:
    for finding in gathered(findings):
        word = "" if finding.severity == "error" else "remark: "
        _say(f"{word}{finding}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _say(sentence: str) -> None:
    """Print a sentence as it is: a name from a file is not markup."""
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def _print_trajectory(trajectory: Trajectory, adjusted: bool = False) -> None:
    if trajectory.status in (SimulationStatus.too_many_steps, SimulationStatus.not_finite):
        reached = trajectory.time[np.all(np.isfinite(trajectory.concentrations), axis=1)].max(initial=0.0)
        _say(f"{trajectory.run.name}: stopped near t = {reached:.3g} d. {trajectory.status.remedy}")
        return
    rows = {row.quantity: row for row in scores(trajectory)}
    table = Table("quantity", "unit", "at the end", "NRMSE", title=Text(trajectory.run.name))
    for column in table.columns[2:]:
        column.justify = "right"
    last = {name: trajectory.concentrations[-1, i] for i, name in enumerate(trajectory.model.species)}
    last |= {"VCD": trajectory.viable_cell_density[-1], "R": trajectory.redox[-1]}
    for name, value in last.items():
        unit = {"VCD": "1e9 cells/L", "R": "1"}.get(name, "mmol/L")
        table.add_row(name, unit, f"{value:.3f}", f"{rows[name].nrmse:.3f}" if name in rows else "")
    console.print(table)
    facts = [f"t = {trajectory.time[-1]:g} d", trajectory.status.remedy]
    if rows:
        facts.insert(1, f"mean NRMSE of the species {mean_nrmse(tuple(rows.values())):.4f}")
        variance = unexplained_variance(trajectory, _PUBLISHED_PARAMETERS)
        if adjusted and math.isfinite(variance):
            facts.insert(2, f"1 - adjusted R2 {variance:.4f} ({_PUBLISHED_PARAMETERS} parameters)")
    _say("; ".join(facts))
    for sentence in trajectory.remarks():
        _say(f"remark: {sentence}")


def _print_frame(frame: pd.DataFrame, title: str) -> None:
    """Print a table: text left, numbers right and to four digits."""
    numeric = [pd.api.types.is_numeric_dtype(frame[head]) for head in frame.columns]
    table = Table(title=title, title_justify="left")
    for head, number in zip(frame.columns, numeric, strict=True):
        table.add_column(Text(str(head)), justify="right" if number else "left")
    for row in frame.itertuples(index=False):
        cells = (
            ("" if math.isnan(cell) else f"{cell:.4g}") if number else str(cell)
            for cell, number in zip(row, numeric, strict=True)
        )
        table.add_row(*(Text(cell) for cell in cells))
    # numbers are never cut: a table that is wider than the terminal goes on beyond it
    options = console.options.update(max_width=_WIDEST)
    width = max(Measurement.get(console, options, table).maximum, console.width)
    console.print(Segments(console.render(table, options.update(width=width))), crop=False)


def _print_comparison(trajectories: dict[str, Trajectory]) -> None:
    table = Table("species", *(f"NRMSE, {label}" for label in trajectories), title="Measured against simulated")
    for column in table.columns[1:]:
        column.justify = "right"
    all_rows = {label: {row.quantity: row for row in scores(one)} for label, one in trajectories.items()}
    any_one = next(iter(trajectories.values()))
    for name in any_one.model.species:
        table.add_row(name, *(f"{rows[name].nrmse:.3f}" if name in rows else "" for rows in all_rows.values()))
    table.add_section()
    means = [mean_nrmse(tuple(rows.values())) for rows in all_rows.values()]
    table.add_row("mean", *(f"{mean:.3f}" if math.isfinite(mean) else "" for mean in means))
    console.print(table)


def _print_audit(result: GradientCheck) -> None:
    table = Table("parameter", "verdict", "relative error", "largest derivative", "worst at", "step")
    for i in (2, 3, 5):
        table.columns[i].justify = "right"
    for row in result.worst_first:
        where = (
            f"{row.run}, {row.quantity}, {row.time:g} d" if len(result.runs) > 1 else f"{row.quantity}, {row.time:g} d"
        )
        table.add_row(
            Text(row.name), row.verdict.value, f"{row.error:.1e}", f"{row.size:.3g}", Text(where), f"{row.step:.0e}"
        )
    console.print(table)
    for verdict in Verdict:
        names = [row.name for row in result.checks if row.verdict is verdict]
        if names and verdict is not Verdict.agrees:
            _say(f"{verdict.value}: {', '.join(names)}. {verdict.remedy}")
    _say(f"{result.summary()}.")


def _label(folder: Path, folders: list[Path]) -> str:
    names = [one.resolve().name for one in folders]
    return folder.resolve().name if names.count(folder.resolve().name) == 1 else str(folder)


if __name__ == "__main__":
    main()
