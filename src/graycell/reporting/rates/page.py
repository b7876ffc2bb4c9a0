"""rates_report: specific rates of measured runs -> one self-contained HTML file, and its tables as CSV."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

from graycell.balances.specific_rates import GROWTH, SpecificRates
from graycell.reporting.display import LABORATORY, Shown, Units
from graycell.reporting.page import Section, drawing, page, table, text
from graycell.reporting.rates.tables import display_of, phase_frame, rates_frames
from graycell.reporting.style import colours_of, mark_events, panels, plain
from graycell.reporting.writing import write_table
from graycell.storage import write_whole, written_together
from graycell.units import TIME

__all__ = ["headline", "phase_frame", "rates_between_samples", "rates_frames", "rates_report"]

RATES = "rates.html"
_COLUMNS = 4
_CAPTION = (
    "Specific rate between two samples, at the middle of the interval, ± 1 standard error. Uptake is negative. Growth "
    "is that of the viable cells: growth minus death."
)


def rates_report(
    measured: Sequence[SpecificRates], folder: str | Path, per: str = "GLC", units: Units = LABORATORY
) -> Path:
    """Write `rates.html` and a CSV for every table.

    Args:
        measured: specific rates of some runs.
        folder: where the files are written.
        per: the species that yields refer to.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        The path of the page.
    """
    folder = Path(folder)
    display = display_of(measured, units)
    frames = rates_frames(measured, per, display)
    runs = ", ".join(run_rates.run.name for run_rates in measured)
    made = page(f"Measured rates of {runs}", _sections(measured, frames, per, display))
    with written_together(folder) as stage:
        for name, frame in frames.items():
            write_table(frame, stage / f"{name}.csv")
        write_whole(stage / RATES, made)
    return folder / RATES


def rates_between_samples(measured: Sequence[SpecificRates], units: Units = LABORATORY) -> go.Figure:
    """Draw the rates between samples over time.

    Args:
        measured: specific rates of some runs.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        A panel for each quantity and unit, a colour for each run.
    """
    display = display_of(measured, units)
    # a titer may be in g/L in one run and in mmol/L in another: each unit has its panel
    shown_as = {(rate.quantity, display.unit(rate.unit, rate.quantity)): rate.unit
                for run_rates in measured for rate in run_rates.rates}  # fmt: skip
    titles = [f"<b>{plain(name)}</b> [{plain(display.text(of, name))}]" for (name, _), of in shown_as.items()]
    end = display.values(max(float(run_rates.time[-1]) for run_rates in measured), TIME)
    figure = panels(titles, _COLUMNS, end, display.unit(TIME))
    colours = colours_of(run_rates.run.name for run_rates in measured)
    for run_rates in measured:
        shown = False
        for i, (quantity, unit) in enumerate(shown_as):
            rates = [rate for rate in run_rates.rates if rate.quantity == quantity and not rate.since_start
                     and display.unit(rate.unit, quantity) == unit]  # fmt: skip
            if not rates:
                continue
            middle = [display.values(0.5 * (rate.start + rate.end), TIME) for rate in rates]
            values = [display.values(rate.value, rate.unit, quantity) for rate in rates]
            errors = [display.differences(rate.standard_error, rate.unit, quantity) for rate in rates]
            figure.add_scatter(
                x=middle, y=values, mode="lines+markers", name=plain(run_rates.run.name),
                legendgroup=run_rates.run.name, showlegend=not shown, marker={"size": 5},
                line={"color": colours[run_rates.run.name], "width": 1},
                error_y={"type": "data", "array": errors, "thickness": 1, "width": 2},
                hovertemplate=f"%{{x:.4g}} {display.unit(TIME)}: %{{y:.4g}}",
                row=i // _COLUMNS + 1, col=i % _COLUMNS + 1,
            )  # fmt: skip
            shown = True
    if len(measured) == 1:
        mark_events(figure, measured[0].run, len(titles), display.values(1.0, TIME))
    return figure


def _sections(
    measured: Sequence[SpecificRates], frames: dict[str, pd.DataFrame], per: str, display: Shown
) -> list[Section]:
    said = [sentence for run_rates in measured for sentence in headline(run_rates, display)]
    sentences = "".join(f"<p>{text(sentence)}</p>" for sentence in said)
    drawn = drawing(rates_between_samples(measured, display), "between", _CAPTION)
    yields = (
        table(frames["yields"]) if len(frames["yields"]) else f"<p>{text(per)} was not measured or not consumed.</p>"
    )
    equation = "<p>begin + fed - taken out + net production by the cells = found. "
    return [
        Section("phase", "Over the phase", sentences + table(frames["rates-of-the-phase"])),
        Section("samples", "Between samples", drawn),
        Section("yields", "Yields", yields),
        Section(
            "mass-balances",
            "Mass balances of the run",
            f"{equation}From the first sample of a quantity to its last; the volume to the end of the run.</p>"
            + table(frames["mass-balances"]),
        ),
        Section(
            "balances",
            "Mass balances between samples",
            f"{equation}In the vessel, before the events at the time of a sample.</p>" + table(frames["balances"]),
        ),
    ]


def headline(measured: SpecificRates, units: Units = LABORATORY) -> list[str]:
    """Return the main results of a run.

    Args:
        measured: specific rates of a run.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Sentences; they count days.
    """
    display = display_of([measured], units)
    growth = [rate for rate in measured.rates if rate.quantity == GROWTH and not rate.since_start]
    sentences = [
        f"{measured.run.name}: {measured.integral[-1]:.4g} x 10⁹ viable cell days from day {measured.time[0]:g} to "
        f"{measured.time[-1]:g}."
    ]
    if growth:
        best = max(growth, key=lambda rate: rate.value)
        if best.value > 0.0:
            sentences.append(
                f"Fastest growth {display.values(best.value, best.unit):.3g} ± "
                f"{display.values(best.standard_error, best.unit):.2g} {display.unit(best.unit)} from day "
                f"{best.start:g} to {best.end:g}: a doubling time of "
                f"{display.values(best.doubling_time, TIME):.3g} {display.unit(TIME)}."
            )
    return sentences
