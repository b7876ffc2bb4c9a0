"""Specific rates of measured runs as DataFrames with units in their heads."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.balances.specific_rates import SpecificRate, SpecificRates
from graycell.errors import InputError
from graycell.reporting.rates.balances import mass_balances_frame
from graycell.units import TIME


def rates_frames(measured: Sequence[SpecificRates], per: str = "GLC") -> dict[str, pd.DataFrame]:
    """Return every table of measured rates.

    Args:
        measured: specific rates of some runs.
        per: the species that yields refer to; a run that does not take it up has no yields.

    Returns:
        Tables by a name that serves as file name.
    """
    return {
        "rates-of-the-phase": phase_frame(measured),
        "yields": _yields_frame(measured, per),
        "rates": _rates_since_frame(measured),
        "viable-cells": _cells_frame(measured),
        "balances": _balances_frame(measured),
        "mass-balances": mass_balances_frame([run_rates.run for run_rates in measured]),
    }


def phase_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    """Return the rates over the whole phase.

    Args:
        measured: specific rates of some runs.

    Returns:
        One row a run and quantity; the doubling time [d] is that of what grows.
    """
    rates = [rate for run_rates in measured for rate in run_rates.of_phase()]
    times = [rate.doubling_time if np.isfinite(rate.doubling_time) else np.nan for rate in rates]
    return _rates_frame(rates).assign(**{f"doubling time [{TIME}]": times})


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
    rates = [rate for run_rates in measured for rate in run_rates.rates]
    return _rates_frame(rates).assign(**{
        "since": ["first sample" if rate.since_start else "last sample" for rate in rates],
        "net production [mmol or 1e9 cells]": [rate.net_production for rate in rates],
        "integral of viable cells [1e9 cells d]": [rate.viable_cells for rate in rates],
    })  # fmt: skip


def _yields_frame(measured: Sequence[SpecificRates], per: str) -> pd.DataFrame:
    rows = []
    for run_rates in measured:
        try:
            found = run_rates.yields(per)
        except InputError:  # the page says so
            continue
        rows += [(run_rates.run.name, name, *value) for name, value in found.items()]
    return pd.DataFrame(
        rows, columns=["run", f"formed per {per} consumed", "yield [mmol/mmol]", "standard error [mmol/mmol]"]
    )


def _cells_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"run": run_rates.run.name, f"time [{TIME}]": run_rates.time,
                      "viable cells [1e9 cells]": run_rates.cells,
                      "integral of viable cells [1e9 cells d]": run_rates.integral})
        for run_rates in measured
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _balances_frame(measured: Sequence[SpecificRates]) -> pd.DataFrame:
    balances = [balance for run_rates in measured for balance in run_rates.balances]
    columns = {
        "run": "run", "species": "quantity", f"from [{TIME}]": "start", f"to [{TIME}]": "end", "begin [mmol]": "begin",
        "fed [mmol]": "fed", "taken out [mmol]": "taken_out",
        "net production [mmol]": "net_production", "found [mmol]": "found",
        "volume at begin [L]": "begin_volume", "volume at end [L]": "end_volume",
    }  # fmt: skip
    return pd.DataFrame({head: [getattr(balance, name) for balance in balances] for head, name in columns.items()})
