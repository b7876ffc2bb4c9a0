"""What the commands print: sentences, findings, tables and progress bars."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from graycell.errors import Finding, gathered
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.reporting.reading import shown_quantities, shown_scores, values_of
from graycell.simulation.scores import mean_nrmse, scores, unexplained_variance
from graycell.simulation.simulate import SimulationStatus, Trajectory

console = Console()

MOST_PRINTED_RUNS = 4
"""Number of runs up to which a table is printed for each of them."""
_MOST_COLUMNS = 1000
"""Number of characters in a line of the widest table that is printed."""
_PUBLISHED_PARAMETERS = 47
"""Number of parameters of Nolan & Lee (2011), for the adjusted R2 of the published comparison."""


def say(sentence: str) -> None:
    """Print a sentence literally: a name from a file is not markup.

    Args:
        sentence: the text.
    """
    console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def print_error(sentence: str) -> None:
    """Print a sentence literally on stderr.

    Args:
        sentence: the text.
    """
    Console(stderr=True).print(sentence, highlight=False, markup=False, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, in the plural unless the number is 1.

    Args:
        number: how many.
        noun: in the singular; the plural adds an s.

    Returns:
        The words.

    >>> counted(2, "run")
    '2 runs'
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


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
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=1.0, words="compiling")

        def update(done: float, words: str) -> None:
            bar.update(task, completed=done, words=words)

        yield update
        bar.update(task, completed=1.0, words="done")


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings, those that several runs share as one.

    Args:
        findings: errors and remarks.
    """
    for finding in gathered(findings):
        say(f"{'' if finding.severity == 'error' else 'remark: '}{finding}")


def print_frame(frame: pd.DataFrame, title: str) -> None:
    """Print a table: text at the left, numbers at the right and to four digits.

    Args:
        frame: the table.
        title: the line above it.
    """
    numeric = [pd.api.types.is_numeric_dtype(frame[head]) for head in frame.columns]
    table = Table(title=title, title_justify="left")
    for head, is_number in zip(frame.columns, numeric, strict=True):
        table.add_column(Text(str(head)), justify="right" if is_number else "left")
    for row in frame.itertuples(index=False):
        cells = (
            ("" if math.isnan(cell) else f"{cell:.4g}") if is_number else str(cell)
            for cell, is_number in zip(row, numeric, strict=True)
        )
        table.add_row(*(Text(cell) for cell in cells))
    # numbers are never cut: a table that is wider than the terminal continues beyond it
    options = console.options.update(max_width=_MOST_COLUMNS)
    width = max(Measurement.get(console, options, table).maximum, console.width)
    console.print(Segments(console.render(table, options.update(width=width))), crop=False)


def print_trajectory(trajectory: Trajectory, adjusted: bool = False, units: Units = LABORATORY) -> None:
    """Print the last values of a trajectory and how well it agrees with the measurements.

    Args:
        trajectory: of one run.
        adjusted: print 1 - adjusted R2 too, as the published comparison does.
        units: of the table, see `DisplayUnits`.
    """
    if trajectory.status in (SimulationStatus.too_many_steps, SimulationStatus.not_finite):
        reached = trajectory.time[np.all(np.isfinite(trajectory.concentrations), axis=1)].max(initial=0.0)
        say(f"{trajectory.run.name}: stopped near t = {reached:.3g} d. {trajectory.status.remedy}")
        compared = [row for row in shown_scores(trajectory) if row.samples]
        if compared:
            lost = sum(row.failed for row in shown_scores(trajectory))
            say(f"Until then, mean NRMSE of the species {mean_nrmse(tuple(compared)):.4f}; {lost} samples are later.")
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
        facts.append(f"mean NRMSE of the species {mean_nrmse(tuple(rows.values())):.4f}")
        variance = unexplained_variance(trajectory, _PUBLISHED_PARAMETERS)
        if adjusted and math.isfinite(variance):
            facts.append(f"1 - adjusted R2 {variance:.4f} ({_PUBLISHED_PARAMETERS} parameters)")
    say("; ".join([*facts, trajectory.status.remedy]))
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
