"""mass_balances_frame: initial amount, feed, removal, net production and final amount of a run, as one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.balances.mass_balances import MassBalances, flow_intervals
from graycell.balances.series import is_balanced
from graycell.errors import InputError
from graycell.runs.checks import check_runs
from graycell.runs.records import Bolus, CultureRun, Sample
from graycell.units import TIME, VOLUME

_HEADS = ["run", "of", f"from [{TIME}]", f"to [{TIME}]", "begin", "fed", "taken out", "net production", "found", "unit"]


def mass_balances_frame(runs: Sequence[CultureRun]) -> pd.DataFrame:
    """Return the balance of the volume and of every measured species and cell number.

    Args:
        runs: runs without errors.

    Returns:
        One row a run and quantity, from its first to its last sample that is not below the detection limit (the volume:
        over the whole run): begin + fed - taken out + net production by the cells = found.

    Raises:
        InputError: if `check_runs` finds an error.
    """
    errors = [finding for finding in check_runs(runs) if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    rows = [row for run in runs for row in (_volume_row(run), *_quantity_rows(run))]
    return pd.DataFrame(rows, columns=_HEADS)


def _volume_row(run: CultureRun) -> tuple:
    intervals = flow_intervals(run, np.zeros(0))
    fed = sum(sum(interval.fed.values()) * (interval.end - interval.start) for interval in intervals)
    out = sum((interval.bleed + interval.harvest) * (interval.end - interval.start) for interval in intervals)
    # the final volume is that before the events at the end of the run
    events = [event for interval in intervals[:-1] for event in interval.events]
    fed += sum(event.volume for event in events if isinstance(event, Bolus))
    out += sum(event.volume for event in events if isinstance(event, Sample))
    volume = run.initial_volume
    return (run.name, "volume", 0.0, run.end, volume, fed, out, 0.0, volume + fed - out, VOLUME)


def _quantity_rows(run: CultureRun) -> list[tuple]:
    rows, of_run = [], MassBalances(run)
    for quantity, series in run.measurements.items():
        if not is_balanced(quantity, series):
            continue
        balances = of_run.balances(quantity)
        while balances and balances[0].begin_below:
            balances = balances[1:]
        while balances and balances[-1].found_below:
            balances = balances[:-1]
        if balances:
            first, last = balances[0], balances[-1]
            sums = (
                sum(getattr(balance, name) for balance in balances) for name in ("fed", "taken_out", "net_production")
            )
            rows.append((run.name, quantity, first.start, last.end, first.begin, *sums, last.found, first.unit))
    return rows
