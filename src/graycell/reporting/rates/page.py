"""rates_report: the measured rates of runs -> one HTML file that needs no network, and its tables as CSV."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from graycell.balances.specific_rates import GROWTH, SpecificRate, SpecificRates
from graycell.errors import InputError
from graycell.reporting.page import Section, drawing, page, table, text
from graycell.reporting.rates.balances import bookkeeping_frame
from graycell.reporting.style import colours_of, mark_events, panels, plain, pretty_unit
from graycell.reporting.tables import write_table
from graycell.storage import write_whole
from graycell.units import TIME

RATES = "rates.html"
_COLUMNS = 4


def rates_frames(measured: Sequence[SpecificRates], per: str = "GLC") -> dict[str, pd.DataFrame]:
    """Return every table by a name that serves as a file name; no yields where `per` was not taken up."""
    return {
        "rates-of-the-phase": phase_frame(measured),
        "yields": _yields_frame(measured, per),
        "rates": _rates_since_frame(measured),
        "viable-cells": _cells_frame(measured),
        "balances": _balances_frame(measured),
        "bookkeeping": bookkeeping_frame([one.run for one in measured]),
    }


def phase_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    """Return the rates over the whole phase, and the doubling time of what grows."""
    rates = [rate for one in measured for rate in one.of_phase()]
    times = [rate.doubling_time if np.isfinite(rate.doubling_time) else np.nan for rate in rates]
    return _rates_frame(rates).assign(**{f"doubling time [{TIME}]": times})


def rates_report(measured: Sequence[SpecificRates], folder: str | Path, per: str = "GLC") -> Path:
    """Write `rates.html` and a CSV for every table into `folder`; return the page's path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = rates_frames(measured, per)
    for name, frame in frames.items():
        write_table(frame, folder / f"{name}.csv")
    runs = ", ".join(one.run.name for one in measured)
    write_whole(folder / RATES, page(f"Measured rates of {runs}", _sections(measured, frames, per)))
    return folder / RATES


def rates_between_samples(measured: Sequence[SpecificRates]) -> go.Figure:
    """Return panels of the rates between samples over time [d], one for each quantity, a colour for each run."""
    units = {rate.quantity: rate.unit for one in measured for rate in one.rates}
    quantities = list(units)
    titles = [f"<b>{plain(name)}</b> [{pretty_unit(unit)}]" for name, unit in units.items()]
    figure = panels(titles, _COLUMNS, max(float(one.time[-1]) for one in measured))
    colours = colours_of(one.run.name for one in measured)
    for one in measured:
        shown = False
        for i, quantity in enumerate(quantities):
            rates = [rate for rate in one.rates if rate.quantity == quantity and not rate.since_start]
            if not rates:
                continue
            middle = [0.5 * (rate.start + rate.end) for rate in rates]
            figure.add_scatter(
                x=middle, y=[rate.value for rate in rates], mode="lines+markers", name=plain(one.run.name),
                legendgroup=one.run.name, showlegend=not shown, marker={"size": 5},
                line={"color": colours[one.run.name], "width": 1},
                error_y={"type": "data", "array": [rate.standard_error for rate in rates], "thickness": 1, "width": 2},
                hovertemplate="%{x:.2f} d: %{y:.4g}", row=i // _COLUMNS + 1, col=i % _COLUMNS + 1,
            )  # fmt: skip
            shown = True
    if len(measured) == 1:
        mark_events(figure, measured[0].run, len(quantities))
    return figure


def _rates_frame(rates: Sequence[SpecificRate]) -> pd.DataFrame:
    return pd.DataFrame({
        "run": [rate.run for rate in rates],
        "quantity": [rate.quantity for rate in rates],
        f"from [{TIME}]": [rate.start for rate in rates],
        f"to [{TIME}]": [rate.end for rate in rates],
        "rate": [rate.value for rate in rates],
        "standard error": [rate.standard_error for rate in rates],
        "unit": [rate.unit for rate in rates],
    })  # fmt: skip


def _rates_since_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    rates = [rate for one in measured for rate in one.rates]
    return _rates_frame(rates).assign(**{
        "since": ["first sample" if rate.since_start else "last sample" for rate in rates],
        "turned over [mmol or 1e9 cells]": [rate.net_production for rate in rates],
        "integral of viable cells [1e9 cells d]": [rate.viable_cells for rate in rates],
    })  # fmt: skip


def _yields_frame(measured: Sequence[SpecificRates], per: str) -> pd.DataFrame:
    rows = []
    for one in measured:
        try:
            found = one.yields(per)
        except InputError:  # the page says that there is none
            continue
        rows += [(one.run.name, name, *value) for name, value in found.items()]
    return pd.DataFrame(
        rows, columns=["run", f"made per {per} taken up", "yield [mmol/mmol]", "standard error [mmol/mmol]"]
    )


def _cells_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"run": one.run.name, f"time [{TIME}]": one.time, "viable cells [1e9 cells]": one.cells,
                      "integral of viable cells [1e9 cells d]": one.integral})
        for one in measured
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _balances_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    balances = [balance for one in measured for balance in one.balances]
    columns = {
        "run": "run", "species": "quantity", f"from [{TIME}]": "start", f"to [{TIME}]": "end", "begin [mmol]": "begin",
        "fed [mmol]": "fed", "taken out [mmol]": "taken_out", "turned over [mmol]": "net_production",
        "found [mmol]": "found", "volume at begin [L]": "begin_volume", "volume at end [L]": "end_volume",
    }  # fmt: skip
    return pd.DataFrame({head: [getattr(balance, name) for balance in balances] for head, name in columns.items()})


def _sections(measured: Sequence[SpecificRates], frames: dict[str, pd.DataFrame], per: str) -> list[Section]:
    said = "".join(f"<p>{text(sentence)}</p>" for one in measured for sentence in headline(one))
    sections = [
        Section("phase", "Over the phase", said + table(frames["rates-of-the-phase"])),
        Section("samples", "From sample to sample", drawing(
            rates_between_samples(measured), "between",
            "Specific rate between two samples, at the middle of the time between, ± 1 standard error. Negative is "
            "taken up. Growth is of the viable cells, so growth less death.",
        )),
        Section("yields", "Yields", table(frames["yields"]) if len(frames["yields"]) else
                f"<p>{text(per)} was not measured, or not taken up.</p>"),
        Section("bookkeeping", "Bookkeeping of the run", "<p>begin + fed - taken out + turned over = found, from the "
                "first sample of a quantity to its last; the volume to the end of the run.</p>"
                + table(frames["bookkeeping"])),
        Section("balances", "Balances", "<p>begin + fed - taken out + turned over = found, in the vessel before "
                "what happens at the time of a sample.</p>" + table(frames["balances"])),
    ]  # fmt: skip
    return sections


def headline(one: SpecificRates) -> list[str]:
    """Return what was found, in sentences."""
    growth = [rate for rate in one.rates if rate.quantity == GROWTH and not rate.since_start]
    said = [f"{one.run.name}: {one.integral[-1]:.4g} x 10⁹ viable cell days from day {one.time[0]:g} "
            f"to {one.time[-1]:g}."]  # fmt: skip
    if growth:
        best = max(growth, key=lambda rate: rate.value)
        if best.value > 0.0:
            said.append(f"Fastest growth {best.value:.3g} ± {best.standard_error:.2g} 1/d from day {best.start:g} to "
                        f"{best.end:g}: doubled in {best.doubling_time:.3g} d.")  # fmt: skip
    return said
