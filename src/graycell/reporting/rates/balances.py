"""mass_balances_frame: initial amount, feed, removal, net production and final amount of a run, as one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.balances.mass_balances import MassBalances, flow_intervals
from graycell.balances.rule_volumes import with_known_volumes
from graycell.balances.series import has_balance
from graycell.errors import InputError
from graycell.reporting.display import LABORATORY, Units, shown_in
from graycell.runs.checks import check_runs
from graycell.runs.records import Bolus, CultureRun, Sample
from graycell.units import VOLUME


def mass_balances_frame(runs: Sequence[CultureRun], units: Units = LABORATORY) -> pd.DataFrame:
    """Return the balance of the volume and of every measured species and cell number.

    Args:
        runs: runs without errors.
        units: see `DisplayUnits`; a setting such as "internal" will do.

    Returns:
        One row a run and quantity, from its first to its last sample that is not below the detection limit (the volume:
        over the whole run): begin + fed - taken out + net production by the cells = found, in the unit of the column
        ``unit``.

    Raises:
        InputError: if `check_runs` finds an error.
    """
    errors = [finding for finding in check_runs(runs) if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    rows = [row for run in runs for row in (_volume_row(run), *_quantity_rows(run))]
    display = shown_in(units, runs)
    amounts = np.array([row[4:9] for row in rows], float).reshape(-1, 5)
    of = [(unit, quantity) for _, quantity, *_, unit in rows]
    return pd.DataFrame({
        "run": [row[0] for row in rows],
        "of": [row[1] for row in rows],
        **display.times(np.array([row[2] for row in rows], float), "from"),
        **display.times(np.array([row[3] for row in rows], float), "to"),
        **{head: [display.values(value, *one) for value, one in zip(amounts[:, j], of, strict=True)]
           for j, head in enumerate(_AMOUNTS)},
        "unit": [display.unit(*one) for one in of],
    })  # fmt: skip


_AMOUNTS = ("begin", "fed", "taken out", "net production", "found")


def _volume_row(run: CultureRun) -> tuple:
    run = with_known_volumes(run)
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
    for quantity in run.measurements:
        if not has_balance(run, quantity):
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
