"""Predicted against measured: what every candidate predicted of runs that it had not seen, as figures."""

from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go

from graycell.comparison.comparison import Comparison
from graycell.comparison.splits import Split
from graycell.comparison.trainings import ErrorRow
from graycell.reporting.comparison.figures import looks_of
from graycell.reporting.comparison.tables import bands_by_prediction, display_of, key_of
from graycell.reporting.curves import add_band, add_measured, at_time, one_legend
from graycell.reporting.display import LABORATORY, Units
from graycell.reporting.style import mark_events, panels, plain
from graycell.runs.records import CultureRun
from graycell.units import TIME

MOST_RUNS = 12
"""Runs that a page draws: each figure adds to its size and to the time in which a browser shows it."""
_COLUMNS = 3


def best_of(comparison: Comparison) -> str:
    """Return the candidate that a comparison ranks first.

    Args:
        comparison: errors of several candidates.

    Returns:
        Its name.
    """
    return min(comparison.overall(), key=lambda row: row.rank).candidate


def predicted_runs(comparison: Comparison) -> list[tuple[CultureRun, Split]]:
    """Return the runs that were predicted, each with the first split that tests it.

    Args:
        comparison: of one number of training runs.

    Returns:
        Runs and splits, in order.
    """
    found: dict[str, tuple[CultureRun, Split]] = {}
    for split in comparison.splits:
        for run in split.test:
            if run.name in comparison.runs:
                found.setdefault(run.name, (run, split))
    return list(found.values())


def predicted_and_measured(
    comparison: Comparison, run: CultureRun, split: Split, units: Units = LABORATORY
) -> go.Figure:
    """Draw what was measured of a run that was left out, and what every candidate predicted of it.

    Args:
        comparison: of one number of training runs; of several seeds the first is drawn.
        run: a run that was predicted.
        split: in which it was predicted.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel for each quantity that was scored; a click on a name of the legend hides its curves. The band is that
        of the best candidate.
    """
    display, bands, best = display_of(comparison, units), bands_by_prediction(comparison), best_of(comparison)
    rows = list(_rows_of(comparison, run, split))
    names = [name for name in comparison.quantities if any(row.quantity == name for row in rows)]
    unit = {row.quantity: row.unit for row in rows}
    titles = [f"<b>{plain(name)}</b> [{plain(display.text(unit[name], name))}]" for name in names]
    figure = panels(titles, _COLUMNS, float(display.values(run.end, TIME)), display.unit(TIME))
    looks = looks_of(list(comparison.candidates))
    for panel, name in enumerate(names):
        place = {"row": panel // _COLUMNS + 1, "col": panel % _COLUMNS + 1}
        series = run.measurements[name]
        time = np.asarray(display.values(series.time[split.counted(series)], TIME))
        of = [row for row in rows if row.quantity == name and not row.failure]
        score = next((bands.get(key_of(row)) for row in of if row.candidate == best), None)
        if score is not None:
            low, high = (display.values(np.array(end), unit[name], name) for end in (score.low, score.high))
            add_band(figure, time, low, high, _pale(looks[best]["color"]), name=f"90 % band of {plain(best)}",
                     legendgroup="band", **place)  # fmt: skip
        for row in of:
            figure.add_scatter(
                x=time, y=display.values(np.array(row.predicted), unit[name], name), mode="lines+markers",
                name=plain(row.candidate), legendgroup=f"candidate {row.candidate}",
                line={"color": looks[row.candidate]["color"], "width": 1.5},
                marker={**looks[row.candidate], "size": 5},
                hovertemplate=f"{at_time(display)}: %{{y:.4g}}", **place,
            )  # fmt: skip
        add_measured(figure, series, unit[name], name, display, **place)
    one_legend(figure)
    mark_events(figure, run, len(names), float(display.values(1.0, TIME)))
    return figure


def _rows_of(comparison: Comparison, run: CultureRun, split: Split) -> Iterator[ErrorRow]:
    seed = next(row.seed for row in comparison.rows if (row.run, row.split) == (run.name, split.name))
    return (row for row in comparison.rows if (row.run, row.split, row.seed) == (run.name, split.name, seed))


def _pale(colour: str) -> str:
    """Return a colour of a band, through which curves are seen."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
