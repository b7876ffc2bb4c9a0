"""Commands that choose the numbers of a plan, or of the next runs: optimise, design, campaign."""

from dataclasses import replace
from pathlib import Path

import typer

from graycell.campaigns import next_step, read_campaign, read_tried
from graycell.cli.exit_codes import FAULTS
from graycell.cli.frames import print_frame
from graycell.cli.given_runs import plan_of, runs_from
from graycell.cli.given_units import display_units
from graycell.cli.printing import progress_bar
from graycell.cli.sentences import print_error, say
from graycell.decisions import Goals, design, optimise
from graycell.decisions.designing import PREDICTIONS
from graycell.decisions.optimising import CAUTION, source_of
from graycell.decisions.reading import read_decisions
from graycell.decisions.search import Source
from graycell.hybrid import read_model
from graycell.inference.storage import FILE, load_fit
from graycell.prediction import Forecaster
from graycell.reporting.display import DisplayUnits, shown_in
from graycell.runs.records import CultureRun
from graycell.storage import require_place

_TRAINING = 0.3
"""[1] Part of the bar for training, where runs are given."""


def _optimise(
    sources: list[Path], out: Path, caution: float | None, draws: int | None, starts: int | None, group: str | None,
    seed: int, units: str,
) -> None:  # fmt: skip
    if len(sources) < 3:
        print_error(f"optimise: found {len(sources)} paths; a fit or runs, a plan and a file of decisions are needed; "
                    "write graycell optimise my-fit/ my-plan/ decisions.toml.")  # fmt: skip
        raise typer.Exit(FAULTS)
    require_place(out)
    *given, last, words = sources
    plan = plan_of(last)
    wanted = read_decisions(words, plan)
    caution = caution if caution is not None else CAUTION if wanted.caution is None else wanted.caution
    fitted = load_fit(given[0]) if len(given) == 1 and (given[0] / FILE).is_file() else None
    if fitted is None and group is not None:
        print_error("optimise: --group is for a fit whose parameters differ between groups, and runs were given; leave "
                    "it out.")  # fmt: skip
        raise typer.Exit(FAULTS)
    runs = list(fitted.runs) if fitted is not None else [run for run in runs_from(given) if run.name != plan.name]
    chosen = display_units(units, [*runs, plan], [] if fitted is None else [fitted.model])
    with progress_bar("optimise") as update:
        share = 0.0 if fitted is not None else _TRAINING
        if fitted is not None:
            source = source_of(fitted, draws, seed, group)
        else:
            trained = Forecaster.of(runs, seed=seed, progress=lambda done, of: update(share * done, of))
            source = source_of(trained, draws, seed)
        goals = in_units_of_tables(wanted.goals, source, chosen, [*runs, plan])
        found = optimise(source, plan, wanted.decisions, goals, caution=caution, starts=starts, seed=seed,
                         progress=lambda done, of: update(share + (1.0 - share) * done, of))  # fmt: skip
    from graycell.reporting.decisions import decisions_frame, optimum_report  # with plotly, which is slow to import

    path = optimum_report(found, out, chosen)
    remarks = [] if fitted is None else fitted.remarks()
    for sentence in found.sentences():
        say(sentence)
    for sentence in (*remarks, *found.novelties):
        say(f"warning: {sentence}")
    print_frame(decisions_frame(found, chosen), f"What to do in {found.plan.name}")
    say(f"Best plan: {path}; as a run: {out / 'plan'}")


def in_units_of_tables(goals: Goals, source: Source, units: DisplayUnits, runs: list[CultureRun]) -> Goals:
    """Return goals whose quantities are in the units of tables, where the file does not say otherwise.

    Args:
        goals: of a file.
        source: that judges plans.
        units: of tables.
        runs: that tables show.

    Returns:
        The goals.
    """
    given, shown = dict(goals.units), shown_in(units, runs)
    names = [name for name in goals.names if name in source.names and name not in given]
    own = {name: shown.unit(source.unit(name), name) for name in names}
    others = [(name, unit) for name, unit in own.items() if unit != source.unit(name)]
    return replace(goals, units=(*goals.units, *others))


def _design(
    folder: Path, plan: Path, words: Path, count: int, purpose: str | None, target: Path | None, against: Path | None,
    out: Path, candidates: int, draws: int, group: str | None, seed: int, units: str,
) -> None:  # fmt: skip
    given = {"--for": purpose, "--target": target, "--against": against}
    asked = [word for word, value in given.items() if value is not None]
    if len(asked) > 1:
        print_error(f"design: found {' and '.join(asked)}; a design has one purpose; leave all but one out.")
        raise typer.Exit(FAULTS)
    require_place(out)
    base, fitted = plan_of(plan), load_fit(folder)
    wanted = read_decisions(words, base, goal_is_needed=False)
    ahead = None if target is None else plan_of(target)
    rival = None if against is None else load_fit(against)
    chosen = display_units(units, [*fitted.runs, base], [fitted.model])
    goals = in_units_of_tables(wanted.goals, source_of(fitted), chosen, [*fitted.runs, base])
    with progress_bar("design") as update:
        found = design(
            fitted, base, wanted.decisions, count, purpose=purpose or PREDICTIONS, target=ahead, against=rival,
            constraints=goals.constraints, units=dict(goals.units), may_run_out=goals.may_run_out, group=group,
            candidates=candidates, draws=draws, seed=seed, progress=update,
        )  # fmt: skip
    from graycell.reporting.next_runs import design_report, next_runs_frame  # with plotly, which is slow to import

    path = design_report(found, out, chosen)
    for sentence in found.sentences():
        say(sentence)
    for sentence in fitted.remarks():
        say(f"warning: {sentence}")
    print_frame(next_runs_frame(found, chosen), "The next runs")
    say(f"Design: {path}; its runs: {out / 'plans'}")


def _campaign(model: str, plan: Path, words: Path, tried: Path | None, scale: str | None, budget: float | None,
              out: Path, seed: int) -> None:  # fmt: skip
    require_place(out)
    base = plan_of(plan)
    campaign = read_campaign(words, read_model(model, [base]), base, seed)
    done = [] if tried is None else read_tried(tried, campaign)
    with progress_bar("campaign") as update:
        found = next_step(campaign, done, scale=scale, budget=budget, progress=update)
    from graycell.reporting.campaigns import campaign_report, proposed_frame  # with plotly, which is slow to import

    path = campaign_report(found, out)
    for sentence in found.sentences():
        say(sentence)
    print_frame(proposed_frame(campaign, found.batch.runs), f"The next batch, at {found.scale}")
    say(f"Campaign: {path}; the batch, to fill in: {out / 'next-batch.csv'}")
