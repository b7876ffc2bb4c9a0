"""The command fit: a model, the models of a study, or the models of the library that runs allow."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from graycell.cli.commands.options import EXTENDED
from graycell.cli.exit_codes import INTERRUPTED, UNFINISHED
from graycell.cli.frames import print_frame
from graycell.cli.given_groups import groups_from
from graycell.cli.given_runs import runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import print_trajectory, progress_bar, trainings_bar
from graycell.cli.sentences import MOST_PRINTED_RUNS, print_error, print_findings, say
from graycell.cli.stopping import keeps_state
from graycell.comparison import choose_model
from graycell.diagnosis.identifiability import UNDETERMINED
from graycell.errors import Finding, GraycellError, InputError
from graycell.hybrid import read_model
from graycell.inference import Fit, FitSettings, fit, require_no_other_fit, save_fit
from graycell.inference.fitting import Progress as FitProgress
from graycell.inference.initial_error import InitialError, faults_of
from graycell.inference.problem import Problem
from graycell.model import CultureModel
from graycell.reporting import comparison_report, file_word
from graycell.reporting.display import Units, shown_in
from graycell.runs import CultureRun
from graycell.runs.records import VCD
from graycell.simulation.scores import mean_nrmse, scores
from graycell.simulation.simulate import SimulationStatus, simulate
from graycell.storage import require_place
from graycell.study import Study, read_study
from graycell.study.library import library_model

_UNKNOWN = 1.0
"""[1] A parameter whose standard error is above its value is not known."""
_MOST_LISTED = 8
"""Names in one sentence."""


def _fit(
    runs: list[Path] | None, model: str | None, out: Path, starts: int, seed: int, only: str | None, units: str,
    initial_error: str | None, groups: Path | None,
) -> None:  # fmt: skip
    if runs and runs[0].suffix == ".toml":
        if len(runs) > 1:
            raise typer.BadParameter("a study names its own runs; give the TOML file alone")
        if (model, starts, seed, initial_error, groups) != (None, 4, 0, None, None):
            raise typer.BadParameter(
                "a study has its own settings of the fit: write model, starts, seed, initial_error and [groups] into it"
            )
        _fit_study(read_study(runs[0]), only, out, units)
        return
    if only:
        raise typer.BadParameter("--only chooses a model of a study; give a TOML file, or use --model")
    cultures = runs_from(runs or [])
    shown_in(units, cultures)  # the faults of --units now, not after the fit
    errors = _errors_of(initial_error, cultures)
    of_runs = None if groups is None else groups_from(groups, cultures)
    if groups is not None and (model is None or not model.endswith(".toml")):
        # those of the library have none
        needed = "the model says which of its parameters differ between groups"
        remedy = "name one with --model, in which parameters have a between_groups_sd, or write a study with per_group"
        raise InputError([Finding("--groups", "no model file", needed, remedy)])
    require_place(out)
    require_no_other_fit(out, cultures)  # now, not after the choice of a model
    settings = FitSettings(starts=starts, seed=seed)
    if model is None:
        model = EXTENDED if not runs or _allow_extended(cultures) else _choose(cultures, settings, out, units, errors)
    built = read_model(model, cultures, seed=seed)
    shown_units = display_units(units, cultures, [built])
    result = fit_with_progress(cultures, built, out, settings, initial_error=errors, groups=of_runs)
    if not _save_and_print(result, out, shown_units):
        raise typer.Exit(UNFINISHED)


def _allow_extended(runs: list[CultureRun]) -> bool:
    needed = library_model(EXTENDED).species
    return all(name in run.measurements or name in run.initial for run in runs for name in needed)


def _errors_of(given: str | None, runs: list[CultureRun]) -> InitialError | None:
    """Return what --initial-error says: a number, measured, or NAME=NUMBER with commas between."""
    if given is None:
        return None
    named = [part.partition("=") for part in given.split(",")] if "=" in given else []
    assay = {name.strip(): _number_or_word(value) for name, _, value in named} or _number_or_word(given)
    findings = list(faults_of(assay, {}, "--initial-error"))
    if not findings:
        errors = InitialError(assay)
        known = tuple(dict.fromkeys(name for run in runs for name in (*run.initial, *run.measurements)))
        findings = errors.unknown_names(known, VCD, "--initial-error")
        if not findings:
            return errors
    raise InputError(findings)


def _number_or_word(given: str) -> float | str:
    try:
        return float(given)
    except ValueError:
        return given.strip()


def _choose(
    runs: list[CultureRun], settings: FitSettings, out: Path, units: str, initial_error: InitialError | None
) -> str:
    """Compare the models of the library that runs allow, print the comparison, and return the name of the best."""
    with trainings_bar("choosing a model") as (show, show_fit):
        choice = choose_model(runs, replace(settings, starts=1), show, show_fit, folder=out / "trained",
                              initial_error=initial_error)  # fmt: skip
    comparison_report(choice.comparison, out / "choice", units=units)
    failed = {row.candidate: row.failed for row in choice.comparison.overall()}
    rows = [{"model": name, "error [1]": error, "failed [1]": failed[name],
             "is": "a model" if name in choice.usable.models else "a baseline"}
            for name, error in choice.errors.items()]  # fmt: skip
    what = "runs left out in turn" if len(runs) > 1 else "the later samples"
    print_frame(pd.DataFrame(rows), f"Mean error (NRMSE) in {what}, of {', '.join(choice.comparison.quantities)}")
    for name, reason in choice.usable.reasons.items():
        say(f"Not used: {name} {reason}.")
    if choice.winner not in choice.usable.models:
        say(f"The baseline '{choice.winner}' predicts better than every model: do not trust a model beyond these runs.")
    say(f"Taken: {choice.best}. The comparison: {out / 'choice' / 'comparison.html'}")
    return choice.best


def _fit_study(study: Study, only: str | None, out: Path, units: str) -> None:
    """Fit all models of a study, or one of them, into folders below `out`."""
    print_findings(study.remarks)
    shown_in(units, study.training)  # the faults of --units now, not after the fits
    finished = True
    for name in [only] if only else study.models:
        folder = out / file_word(name)
        try:
            plan = study.plan(name)
            model = plan.build(study.training, study.settings.seed)
            say(f"{name}: {model}")
            result = fit_with_progress(
                list(study.training), model, folder, study.settings, name, plan.initial, study.groups_in(model)
            )
        except GraycellError as error:
            if len(study.models) == 1 or only:
                raise
            print_error(f"{name} cannot be fitted to these runs:\n{error}")  # the runs serve the others all the same
            finished = False
            continue
        finished &= _save_and_print(result, folder, units)
    say(f"Next: graycell cross-validate {study.path}")
    if not finished:
        raise typer.Exit(UNFINISHED)


def fit_with_progress(
    runs: list[CultureRun],
    model: CultureModel,
    folder: Path,
    settings: FitSettings,
    label: str = "fit",
    initial_error: InitialError | None = None,
    groups: Mapping[str, str] | None = None,
) -> Fit:
    """Fit a model, with a progress bar; Ctrl-C stops it between two iterations, or after a moment, see `stopping`.

    Args:
        runs: to fit to.
        model: to be fitted.
        folder: of the checkpoint.
        settings: of the fit.
        label: of the bar.
        initial_error: of the initial concentrations of the runs; they are exact if left out.
        groups: group of each run by its name, where parameters differ between groups.

    Returns:
        The fit.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the checkpoint is kept.
        FitError: where the folder holds the result of another model or of other runs.
    """
    problem = Problem(model, runs, initial_error=initial_error, groups=groups)  # its faults first
    require_no_other_fit(folder, runs, model)
    with keeps_state(folder), _stop_between_iterations() as stopping, progress_bar(label) as update:

        def update_or_stop(now: FitProgress) -> None:
            update(now.done, f"{now.stage}, cost {now.cost:.1f}")
            if stopping:
                raise KeyboardInterrupt

        return fit(problem, settings=settings, folder=folder, progress=update_or_stop)


@contextlib.contextmanager
def _stop_between_iterations() -> Iterator[list]:
    """Let Ctrl-C stop a fit after its iteration: within compiled code or the compiler it would be a crash."""
    stopping: list = []

    def stop(signum, frame) -> None:
        if stopping:
            os._exit(INTERRUPTED)  # asked twice: at once, and without the clean-up that compiled code would not survive
        stopping.append(signum)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)


def _print_undetermined(result: Fit) -> None:
    """Name the parameters that the data do not determine, and those at a bound."""
    rows = result.estimates
    unknown = [row.name for row in rows if row.sd_ratio > UNDETERMINED or row.relative_error > _UNKNOWN]
    if unknown:
        what = f"{len(unknown)} of {len(rows)} parameters: {_listed(unknown)}"
        say(f"The data do not determine {what}. With a prior they stay near it; without one they may be anything.")
    at_bound = [row.name for row in rows if row.at_bound]
    if at_bound:
        say(f"At a bound: {_listed(at_bound)}. Widen the bound if the value is possible.")


def _print_initial(result: Fit) -> None:
    """Tell by how much estimated initial concentrations differ from the given ones."""
    states = result.initial_states
    if states is None:
        return
    told = []
    for name, apart, sd in zip(states.species, states.deviation.T, states.prior_sd.T, strict=True):
        changes = 100.0 * np.expm1(apart[np.isfinite(sd)])
        told.append(f"{name} {np.min(changes):+.1f} to {np.max(changes):+.1f} %")
    say(f"Initial concentrations were estimated, against the given ones: {_listed(told)}.")


def _print_groups(result: Fit) -> None:
    """Tell the own values of groups, and the standard deviations that were estimated."""
    for row in result.model.table.estimated if result.per_run or result.per_group else ():
        for of in ("runs", "groups"):
            if getattr(row, f"between_{of}_estimated"):
                scale = "of its natural logarithm" if row.log_scale else f"[{row.unit}]"
                say(f"{row.name}: standard deviation {scale} between {of} {getattr(row, f'between_{of}_sd'):.3g}.")
    effects = result.group_effects
    if effects is None:
        return
    units = {row.name: row.unit for row in result.estimates}
    for k, name in enumerate(effects.parameters):
        values = [f"{group} {value:.4g}" for group, value in zip(effects.names, effects.values[:, k], strict=True)]
        say(f"{name} [{units[name]}] by group: {_listed(values)}.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def _save_and_print(result: Fit, out: Path, units: Units) -> bool:
    """Write a fit, print how well it agrees with its runs; return whether it converged and its runs are simulated."""
    path = save_fit(result, out)
    trajectories = [simulate(result.model_of(run.name), result.run_of(run)) for run in result.runs]
    if len(trajectories) <= MOST_PRINTED_RUNS:
        for trajectory in trajectories:
            print_trajectory(trajectory, units=units)
    else:
        errors = np.array([mean_nrmse(scores(trajectory)) for trajectory in trajectories])
        there = errors[np.isfinite(errors)]
        if len(there):
            say(f"{len(there)} of {len(errors)} runs, mean NRMSE without VCD and R: median {np.median(there):.4f}, "
                f"largest {np.max(there):.4f}.")  # fmt: skip
        for trajectory in trajectories:
            if trajectory.status is not SimulationStatus.finished:
                print_trajectory(trajectory, units=units)
    _print_undetermined(result)
    _print_initial(result)
    _print_groups(result)
    say(f"Fit written to {path}. Next: graycell report {out}")
    for sentence in result.remarks():
        say(sentence)
    return result.converged and all(trajectory.status is SimulationStatus.finished for trajectory in trajectories)
