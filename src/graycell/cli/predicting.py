"""The command that predicts a run: predict."""

from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS
from graycell.cli.frames import print_frame
from graycell.cli.given_groups import groups_from
from graycell.cli.given_runs import plan_of, runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import progress_bar
from graycell.cli.sentences import print_error, say
from graycell.errors import Finding, InputError
from graycell.inference.storage import FILE
from graycell.prediction import NextRun, default_candidates, predict_next
from graycell.runs.records import CultureRun
from graycell.storage import require_place


def _predict(
    sources: list[Path], out: Path, groups: Path | None, models: list[str], thorough: bool, draws: int, seed: int,
    posterior: Path | None, units: str,
) -> None:  # fmt: skip
    if len(sources) < 2:
        print_error("predict: found one path; runs or a fit to learn from and, last, a plan are needed; write graycell "
                    "predict my-runs/ my-plan/.")  # fmt: skip
        raise typer.Exit(FAULTS)
    require_place(out)
    *given, last = sources
    plan = plan_of(last)
    if len(given) == 1 and (given[0] / FILE).is_file():
        if models or thorough:
            print_error("predict: --model and --thorough are for predictions from runs, and a fit was given; leave "
                        "them out, or give the runs.")  # fmt: skip
            raise typer.Exit(FAULTS)
        _from_fit(given[0], plan, out, draws, seed, posterior, units, groups)
        return
    if posterior is not None:
        print_error("predict: --posterior is a sample of a fit, and runs were given; write graycell predict FIT PLAN "
                    f"--posterior {posterior}.")  # fmt: skip
        raise typer.Exit(FAULTS)
    runs = runs_from(given)
    words = None if groups is None else groups_from(groups, [*runs, plan])
    candidates = default_candidates(runs, words, thorough, models)
    shown_units = display_units(units, [*runs, plan])
    with progress_bar("predict") as update:
        found = predict_next(runs, plan, candidates=candidates, groups=words, seed=seed, progress=update)
    from graycell.reporting.next_run import headline_of, next_run_report  # with plotly, which is slow to import

    path = next_run_report(found, out, shown_units)
    for sentence in headline_of(found):
        say(sentence)
    for sentence in found.warnings:
        say(f"warning: {sentence}")
    _print_end(found, shown_units)
    say(f"Prediction: {path}; its numbers: {out / 'prediction.csv'}")


def _print_end(found: NextRun, units) -> None:
    from graycell.reporting.next_run import next_run_frame

    frame = next_run_frame(found, units).groupby("quantity", sort=False).tail(1)
    last = frame.filter(["quantity", "unit", "estimate", "measurement q05", "measurement q95"])
    print_frame(last, f"{found.plan.name} at day {found.time[-1]:g}: 90 % of measurements lie between")


def _from_fit(
    folder: Path, plan: CultureRun, out: Path, draws: int, seed: int, posterior: Path | None, units: str,
    groups: Path | None,
) -> None:  # fmt: skip
    from graycell.inference import load_fit
    from graycell.reporting.predictions import prediction_report

    fit = load_fit(folder)
    shown_units = display_units(units, [*fit.runs, plan], [fit.model])
    remarks, drawn, group = fit.remarks(), None, None
    if groups is not None:
        if fit.group_effects is None:
            needed = f"no parameter of the fit of {fit.model.name} differs between groups"
            raise InputError([Finding("--groups", f"{groups}", needed, "leave it out, or fit again with groups")])
        group = groups_from(groups, [*fit.runs, plan]).get(plan.name)
    if posterior is None:
        found = fit.predict(plan, draws, seed=seed, group=group)
    else:
        from graycell.uncertainty import load_ensemble, load_sample
        from graycell.uncertainty.storage import ENSEMBLE_FILE

        if (posterior / ENSEMBLE_FILE).is_file():
            drawn = load_ensemble(posterior, fit)
            found = drawn.predict(plan, seed=seed, group=group)
        else:
            drawn = load_sample(posterior, fit)
            found = drawn.predict(plan, draws, seed=seed, group=group)
        remarks = [*remarks, *drawn.remarks()]
    path = prediction_report(found, fit, out, shown_units, drawn)
    for sentence in (*remarks, *found.remarks()):
        say(f"warning: {sentence}")
    say(f"Prediction: {path}; its numbers: {out / 'prediction.csv'}")

