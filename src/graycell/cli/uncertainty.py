"""Commands that say how sure a fit is: sample, ensemble, profile."""

import re
from pathlib import Path

import typer

from graycell.cli.exit_codes import FAULTS, UNFINISHED
from graycell.cli.frames import print_frame
from graycell.cli.printing import progress_bar
from graycell.cli.sentences import counted, print_error, say
from graycell.errors import nearest
from graycell.inference import Fit, load_fit
from graycell.storage import require_place, written_together
from graycell.uncertainty import (
    Profile,
    fit_ensemble,
    profile,
    profile_prediction,
    sample_posterior,
    save_ensemble,
    save_sample,
)

_PREDICTED = re.compile(r"\s*(?P<quantity>\S+)\s+of\s+(?P<run>.+?)\s+at\s+(?:day\s+)?(?P<day>[-+.0-9eE]+)\s*d?\s*")


def _sample(folder: Path, out: Path | None, draws: int, warm_up: int, chains: int, target: float, seed: int) -> None:
    fit, place = load_fit(folder), out or folder / "posterior"
    require_place(place)
    for sentence in fit.remarks():
        say(f"warning: {sentence}")
    with progress_bar("sample") as update:
        found = sample_posterior(fit, draws=draws, warm_up=warm_up, chains=chains, target=target, seed=seed,
                                 progress=update)  # fmt: skip
    from graycell.reporting import write_table

    summary, remarks = found.summary(), found.remarks()
    with written_together(place) as stage:
        write_table(found.to_frame(), stage / "draws.csv")
        write_table(summary, stage / "summary.csv")
        save_sample(found, stage)
    print_frame(summary, f"Posterior of {fit.model.name}, internal units")
    for sentence in remarks:
        say(f"warning: {sentence}")
    say(f"{counted(chains, 'chain')} of {counted(draws, 'draw')} in {found.seconds:.0f} s; largest R-hat "
        f"{summary['R-hat'].max():.3f}.")  # fmt: skip
    say(f"Draws: {place / 'draws.csv'}; their summary: {place / 'summary.csv'}")
    if remarks:
        raise typer.Exit(UNFINISHED)


def _ensemble(folder: Path, out: Path | None, members: int, resampled: str | None, seed: int) -> None:
    fit, place = load_fit(folder), out or folder / "ensemble"
    require_place(place)
    for sentence in fit.remarks():
        say(f"warning: {sentence}")
    with progress_bar("ensemble") as update:
        found = fit_ensemble(fit, members, resampled=resampled, seed=seed, progress=update)
    from graycell.reporting import write_table

    summary = found.summary()
    with written_together(place) as stage:
        write_table(found.to_frame(), stage / "members.csv")
        write_table(summary, stage / "summary.csv")
        save_ensemble(found, stage)
    drawn = "runs drawn with replacement" if found.resampled == "runs" else "errors of the assays added"
    print_frame(summary, f"{len(found.values)} fits of {fit.model.name}, {drawn}, internal units")
    for sentence in found.remarks():
        say(f"warning: {sentence}")
    say(f"Members: {place / 'members.csv'}; their summary: {place / 'summary.csv'}")


def _profile(folder: Path, parameters: list[str], level: float, predicted: str | None, out: Path | None) -> None:
    fit, place = load_fit(folder), out or folder / "profiles"
    require_place(place)
    for sentence in fit.remarks():
        say(f"warning: {sentence}")
    if predicted is None:
        with progress_bar("profile") as update:
            found = list(profile(fit, parameters, level=level, progress=update).values())
    else:
        found = [_predicted(fit, predicted, level)]
    from graycell.reporting import file_word, write_table
    from graycell.reporting.profiles import intervals_frame, points_frame, profile_page

    intervals = intervals_frame(found)
    with written_together(place) as stage:
        write_table(intervals, stage / "intervals.csv")
        write_table(points_frame(found), stage / "points.csv")
        for one in found:
            (stage / f"{file_word(one.name)}.html").write_text(profile_page(one), encoding="utf-8")
    print_frame(intervals, f"Profile likelihoods, {100 * level:g} %, internal units")
    for sentence in dict.fromkeys(sentence for one in found for sentence in one.remarks()):
        say(f"warning: {sentence}")
    say(f"Intervals: {place / 'intervals.csv'}; a figure of each beside it")


def _predicted(fit: Fit, text: str, level: float) -> Profile:
    """Return the profile of a predicted value that is described in words."""
    found, day = _PREDICTED.fullmatch(text), float("nan")
    try:
        day = float(found["day"]) if found else day
    except ValueError:
        found = None
    runs = {run.name: run for run in fit.runs}
    if found is None:
        print_error(f"--predict: found '{text}'; a quantity, a run and a day are needed, as in '"
                    f"{fit.model.quantities[0]} of {fit.runs[0].name} at {fit.runs[0].end:g}'.")  # fmt: skip
        raise typer.Exit(FAULTS)
    if found["run"] not in runs:
        print_error(f"--predict: found no run '{found['run']}' in the fit; {nearest(found['run'], runs)}.")
        raise typer.Exit(FAULTS)
    return profile_prediction(fit, runs[found["run"]], found["quantity"], day, level=level)
