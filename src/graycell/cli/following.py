"""The command that follows a running culture: follow."""

import time
from dataclasses import replace
from pathlib import Path

import typer

from graycell.cli.deciding import in_units_of_tables
from graycell.cli.exit_codes import FAULTS
from graycell.cli.frames import print_frame
from graycell.cli.given_runs import plan_of
from graycell.cli.given_units import display_units
from graycell.cli.printing import progress_bar
from graycell.cli.sentences import print_error, print_findings, say
from graycell.decisions.optimising import CAUTION, source_of
from graycell.decisions.reading import read_decisions
from graycell.errors import GraycellError, InputError
from graycell.following import Followed, follow
from graycell.following.watching import changes
from graycell.inference.results import Fit
from graycell.inference.storage import load_fit
from graycell.runs import read_runs
from graycell.runs.records import CultureRun
from graycell.storage import require_place

_HOURS = 1.0 / 24.0
_MINUTES = _HOURS / 60.0


class _Asked:
    """What one call of the command asks for, again and again where it watches."""

    def __init__(
        self, folder: Path, run: Path, decisions: Path | None, out: Path, now: float | None, signals: Path | None,
        delay: float, window: float, group: str | None, draws: int, seed: int, units: str,
    ) -> None:  # fmt: skip
        self.fit: Fit = load_fit(folder)
        self.run, self.decisions, self.signals, self.out, self.now = run, decisions, signals, out, now
        self.delay, self.window, self.group, self.draws, self.seed = delay, window, group, draws, seed
        self.units, self.before = units, None

    @property
    def watched(self) -> list[Path]:
        return [path for path in (self.run, self.signals, self.decisions) if path is not None]

    def done(self) -> Followed:
        """Follow the culture as its files are now, and write what is found."""
        run, fit = plan_of(self.run), self.fit
        shown = display_units(self.units, [*fit.runs, run], [fit.model])
        signals = None if self.signals is None else _signals_of(self.signals, run)
        chosen, goals, caution = (), None, CAUTION
        if self.decisions is not None:
            wanted = read_decisions(self.decisions, run)
            chosen, caution = wanted.decisions, CAUTION if wanted.caution is None else wanted.caution
            goals = in_units_of_tables(wanted.goals, source_of(fit), shown, [*fit.runs, run])
        begun = time.monotonic()
        with progress_bar("follow") as update:
            found = follow(fit, run, chosen, goals, now=self.now, signals=signals, delay=self.delay, window=self.window,
                           group=self.group, before=self.before, caution=caution, draws=self.draws, seed=self.seed,
                           progress=update)  # fmt: skip
        self.before = found
        from graycell.reporting.following import follow_report, state_frame  # with plotly, which is slow to import

        path = follow_report(found, self.out, shown)
        for sentence in found.sentences():
            say(sentence)
        for sentence in (*fit.remarks(), *(found.best.novelties if found.best is not None else ())):
            say(f"warning: {sentence}")
        print_frame(state_frame(found, shown), f"{run.name} on day {found.now:.4g}")
        say(f"Culture: {path}; its numbers: {self.out / 'follow.json'} ({time.monotonic() - begun:.1f} s)")
        return found


def _follow(
    folder: Path, run: Path, decisions: Path | None, out: Path, now: float | None, signals: Path | None, delay: float,
    window: float, watch: float | None, group: str | None, draws: int, seed: int, units: str,
) -> None:  # fmt: skip
    if watch is not None and now is not None:
        print_error("follow: --watch follows the last sample, and --now is one day; leave one out.")
        raise typer.Exit(FAULTS)
    require_place(out)
    asked = _Asked(folder, run, decisions, out, now, signals, delay * _MINUTES, window * _HOURS, group, draws, seed,
                   units)  # fmt: skip
    if watch is None:
        asked.done()
        return
    say(f"Watching {' and '.join(map(str, asked.watched))}; Ctrl-C ends it, and so does a sample at the end of the "
        "plan.")  # fmt: skip
    for _ in changes(asked.watched, watch):
        try:
            found = asked.done()
        except InputError as error:  # a file that is wrong now may be right at the next change
            print_findings(error.findings)
        except typer.Exit:
            pass
        except (GraycellError, OSError) as error:
            print_error(f"graycell: {error}")
        else:
            if found.now >= found.run.end:
                return
        say("Waiting for the next change.")


def _signals_of(path: Path, run: CultureRun) -> CultureRun:
    """Return the signals of a run: those of its name, or the only ones of a file."""
    found = read_runs(path)
    own = [one for one in found if one.name == run.name] or found
    if len(own) != 1:
        print_error(f"{path}: found the signals of {len(found)} runs, and none of run '{run.name}'; give those of that "
                    "run.")  # fmt: skip
        raise typer.Exit(FAULTS)
    return replace(own[0], name=run.name)
