"""Specific rates of measured runs as DataFrames with units in their heads."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.balances.specific_rates import SpecificRate, SpecificRates
from graycell.errors import InputError
from graycell.reporting.display import LABORATORY, Shown, Units, shown_in
from graycell.reporting.rates.balances import mass_balances_frame
from graycell.units import VOLUME

_COUNT, _COUNT_TIME = "1e9 cells", "1e9 cells d"


def rates_frames(
    measured: Sequence[SpecificRates], per: str = "GLC", units: Units = LABORATORY
) -> dict[str, pd.DataFrame]:
    """Return every table of measured rates.

    Args:
        measured: specific rates of some runs.
        per: the species that yields refer to; a run that does not take it up has no yields.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        Tables by a name that serves as file name.
    """
    display = display_of(measured, units)
    return {
        "rates-of-the-phase": phase_frame(measured, display),
        "yields": _yields_frame(measured, per, display),
        "rates": _rates_since_frame(measured, display),
        "viable-cells": _cells_frame(measured, display),
        "balances": _balances_frame(measured, display),
        "mass-balances": mass_balances_frame([run_rates.run for run_rates in measured], display),
    }


def display_of(measured: Sequence[SpecificRates], units: Units) -> Shown:
    """Return the units of tables and figures of measured rates.

    Args:
        measured: specific rates of some runs.
        units: that were chosen.

    Returns:
        The units, with what the runs know.
    """
    return shown_in(units, [run_rates.run for run_rates in measured])


def phase_frame(measured: Sequence[SpecificRates], units: Units = LABORATORY) -> pd.DataFrame:
    """Return the rates over the whole phase.

    Args:
        measured: specific rates of some runs.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a run and quantity; the doubling time is that of what grows.
    """
    display = display_of(measured, units)
    rates = [rate for run_rates in measured for rate in run_rates.of_phase()]
    times = [rate.doubling_time if np.isfinite(rate.doubling_time) else np.nan for rate in rates]
    return _rates_frame(rates, display).assign(**display.times(np.array(times, float), "doubling time"))


def _rates_frame(rates: Sequence[SpecificRate], display: Shown) -> pd.DataFrame:
    return pd.DataFrame({
        "run": [rate.run for rate in rates],
        "quantity": [rate.quantity for rate in rates],
        **display.times(np.array([rate.start for rate in rates], float), "from"),
        **display.times(np.array([rate.end for rate in rates], float), "to"),
        "rate": [display.values(rate.value, rate.unit, rate.quantity) for rate in rates],
        "standard error": [display.differences(rate.standard_error, rate.unit, rate.quantity) for rate in rates],
        "unit": [display.unit(rate.unit, rate.quantity) for rate in rates],
    })  # fmt: skip


def _rates_since_frame(measured: Sequence[SpecificRates], display: Shown) -> pd.DataFrame:
    rates = [rate for run_rates in measured for rate in run_rates.rates]
    amounts = [(rate.unit_of_amount, rate.quantity) for rate in rates]
    return _rates_frame(rates, display).assign(**{
        "since": ["first sample" if rate.since_start else "last sample" for rate in rates],
        "net production": [display.values(rate.net_production, *of) for rate, of in zip(rates, amounts, strict=True)],
        "unit of net production": [display.unit(*of) for of in amounts],
        **display.column("integral of viable cells", _COUNT_TIME,
                         np.array([rate.viable_cells for rate in rates], float), ""),
    })  # fmt: skip


def _yields_frame(measured: Sequence[SpecificRates], per: str, display: Shown) -> pd.DataFrame:
    rows = []
    for run_rates in measured:
        try:
            found = run_rates.yields(per)
        except InputError:  # the page says so
            continue
        units = {balance.quantity: balance.unit for balance in run_rates.balances}
        for name, value in found.items():
            factor = display.values(1.0, units[name], name) / display.values(1.0, units[per], per)
            unit = f"{display.unit(units[name], name)}/{display.unit(units[per], per)}"
            rows.append((run_rates.run.name, name, *(factor * number for number in value), unit))
    return pd.DataFrame(rows, columns=["run", f"formed per {per} consumed", "yield", "standard error", "unit"])


def _cells_frame(measured: Sequence[SpecificRates], display: Shown) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"run": run_rates.run.name, **display.times(run_rates.time),
                      **display.column("viable cells", _COUNT, run_rates.cells, ""),
                      **display.column("integral of viable cells", _COUNT_TIME, run_rates.integral, "")})
        for run_rates in measured
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _balances_frame(measured: Sequence[SpecificRates], display: Shown) -> pd.DataFrame:
    balances = [balance for run_rates in measured for balance in run_rates.balances]
    amounts = {"begin": "begin", "fed": "fed", "taken out": "taken_out", "net production": "net_production",
               "found": "found"}  # fmt: skip

    def numbers(name: str) -> np.ndarray:
        return np.array([getattr(balance, name) for balance in balances], float)

    return pd.DataFrame({
        "run": [balance.run for balance in balances],
        "species": [balance.quantity for balance in balances],
        **display.times(numbers("start"), "from"),
        **display.times(numbers("end"), "to"),
        **{head: [display.values(getattr(balance, name), balance.unit, balance.quantity) for balance in balances]
           for head, name in amounts.items()},
        "unit": [display.unit(balance.unit, balance.quantity) for balance in balances],
        **display.column("volume at begin", VOLUME, numbers("begin_volume"), ""),
        **display.column("volume at end", VOLUME, numbers("end_volume"), ""),
    })  # fmt: skip
