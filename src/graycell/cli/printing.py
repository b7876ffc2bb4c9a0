"""What the commands print of models: trajectories, scores, and progress bars."""

import contextlib
import contextvars
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from graycell.cli.sentences import console, say
from graycell.errors import OutputError
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.reading import shown_quantities, shown_scores, values_of
from graycell.simulation.scores import mean_nrmse, scores, unexplained_variance
from graycell.simulation.simulate import SimulationStatus, Trajectory
from graycell.storage import PROGRESS_VARIABLE, write_whole
from graycell.units import TIME, VOLUME

_KEPT_EVERY = 0.25
"""[s] Between two entries in the file of the progress."""
_PUBLISHED_PARAMETERS = 47
"""Number of parameters of Nolan & Lee (2011), for the adjusted R2 of the published comparison."""

if TYPE_CHECKING:  # slow to import
    from graycell.comparison import ComparisonProgress
    from graycell.inference import Progress as FitProgress


_STOPPED = (SimulationStatus.too_many_steps, SimulationStatus.not_finite, SimulationStatus.level_not_reached)


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float, str], None]]:
    """Show a progress bar.

    Args:
        label: the words at its left.

    Yields:
        A function that takes the fraction done [1] and the words at the right of the bar.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[words]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    seen = not console.quiet  # rich would send what others print to the console, which is silent
    with Progress(*columns, console=console, redirect_stdout=seen, redirect_stderr=seen) as bar:
        task = bar.add_task(label, total=1.0, words="compiling")

        keep = progress_file()

        def update(done: float, words: str) -> None:
            bar.update(task, completed=done, words=words)
            keep(done, words)

        yield update
        bar.update(task, completed=1.0, words="done")


def progress_file() -> Callable[[float, str], None]:
    """Return what keeps the progress of a command in the file that the variable GRAYCELL_PROGRESS names.

    Returns:
        A function of the part that is done [1] and words; it does nothing where no file is named.
    """
    place, begun, last = os.environ.get(PROGRESS_VARIABLE), time.time(), 0.0

    def keep(done: float, words: str) -> None:
        nonlocal last
        now = time.time()
        if place and now - last >= _KEPT_EVERY:
            last = now
            with contextlib.suppress(OutputError):
                write_whole(Path(place), json.dumps({"done": done, "words": words, "at": now, "begun": begun}))

    return keep


@contextlib.contextmanager
def trainings_bar(
    label: str,
) -> Iterator[tuple[Callable[["ComparisonProgress"], None], Callable[["FitProgress"], None]]]:
    """Show a progress bar for trainings of which several may be under way.

    Args:
        label: the words at its left.

    Yields:
        A function for the progress of the comparison, called when a training begins, and one for that of its fit,
        called in the thread of that training or in one that works for it.
    """
    with progress_bar(label) as update:
        most = 0.0

        def show(now: "ComparisonProgress") -> None:
            nonlocal most
            most = max(most, now.done)
            _training.set(f"{now.candidate}, {now.split}, seed {now.seed}")
            update(most, _training.get())

        def show_fit(now: "FitProgress") -> None:
            update(most, f"{_training.get()}: {now.stage}, {100 * now.done:.0f} %")

        yield show, show_fit


_training: contextvars.ContextVar[str] = contextvars.ContextVar("training", default="")
"""The training that is under way; the engine hands it on to the threads that work for it."""


def print_trajectory(trajectory: Trajectory, adjusted: bool = False, units: Units = LABORATORY) -> None:
    """Print the last values of a trajectory and how well it agrees with the measurements.

    Args:
        trajectory: of one run.
        adjusted: print 1 - adjusted R2 too, as the published comparison does.
        units: of the table, see `DisplayUnits`.
    """
    if trajectory.status in _STOPPED:
        reached = trajectory.time[np.all(np.isfinite(trajectory.concentrations), axis=1)].max(initial=0.0)
        say(f"{trajectory.run.name}: stopped near t = {reached:.3g} d. {trajectory.status.remedy}")
        compared = [row for row in shown_scores(trajectory) if row.samples]
        if compared:
            lost = sum(row.failed for row in shown_scores(trajectory))
            mean = mean_nrmse(tuple(compared))
            say(f"Until then, mean NRMSE without VCD and R {mean:.4f}; {lost} samples are later.")
        return
    rows = {row.quantity: row for row in shown_scores(trajectory)}
    display = shown_in(units, [trajectory.run], [trajectory.model])
    table = Table("quantity", "unit", "at the end", "NRMSE", title=Text(trajectory.run.name))
    for column in table.columns[2:]:
        column.justify = "right"
    for name in shown_quantities(trajectory.model):
        values, unit = values_of(trajectory, name), trajectory.model.unit(name)
        last = "" if values is None else _value(float(display.values(values[-1], unit, name)))
        table.add_row(name, Text(display.unit(unit, name)), last, f"{rows[name].nrmse:.3f}" if name in rows else "")
    console.print(table)
    facts = [f"t = {trajectory.time[-1]:g} d"]
    if rows:
        facts.append(f"mean NRMSE without VCD and R {mean_nrmse(tuple(rows.values())):.4f}")
        variance = unexplained_variance(trajectory, _PUBLISHED_PARAMETERS)
        if adjusted and math.isfinite(variance):
            facts.append(f"1 - adjusted R2 {variance:.4f} ({_PUBLISHED_PARAMETERS} parameters)")
    say("; ".join([*facts, trajectory.status.remedy]))
    for bolus in trajectory.boluses:
        time, volume = display.values(bolus.time, TIME), display.values(bolus.volume, VOLUME)
        say(f"rule: {volume:.4g} {display.unit(VOLUME)} of {bolus.medium} at {time:.4g} {display.unit(TIME)}")
    for sentence in trajectory.remarks():
        say(f"remark: {sentence}")


def _value(value: float) -> str:
    """Return a value to three decimals, or to four digits where a unit makes it very small or large."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 1e5 or value == 0.0 else f"{value:.4g}"


def print_scores(trajectories: Mapping[str, Trajectory]) -> None:
    """Print the NRMSE of every species, one column a trajectory.

    Args:
        trajectories: of one run, by the head of their column.
    """
    table = Table("species", *(f"NRMSE, {label}" for label in trajectories), title="Measured against simulated")
    for column in table.columns[1:]:
        column.justify = "right"
    by_label = {label: {row.quantity: row for row in scores(trajectory)} for label, trajectory in trajectories.items()}
    for name in next(iter(trajectories.values())).model.species:
        table.add_row(name, *(f"{rows[name].nrmse:.3f}" if name in rows else "" for rows in by_label.values()))
    table.add_section()
    means = [mean_nrmse(tuple(rows.values())) for rows in by_label.values()]
    table.add_row("mean", *(f"{mean:.3f}" if math.isfinite(mean) else "" for mean in means))
    console.print(table)
