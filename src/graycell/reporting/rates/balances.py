"""bookkeeping_frame: what was there, fed, taken out, turned over and found in a run, as one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.balances.mass_balances import CELLS, MassBalances, flow_intervals
from graycell.errors import InputError
from graycell.runs.checks import NOT_SPECIES, check_runs
from graycell.runs.records import Bolus, CultureRun, Sample
from graycell.units import TIME, VOLUME


def bookkeeping_frame(runs: Sequence[CultureRun]) -> pd.DataFrame:
    """Return the balance of the volume of every run, and of every species and cells over its samples.

    Columns: run, of what, from and to [d], what was there at the begin, fed, taken out, turned over by the cells, found
    at the end, unit: begin + fed - taken out + turned over = found. Samples that are detection limits at either end are
    left out. Raises `InputError` for faulty runs.
    """
    errors = [finding for finding in check_runs(runs) if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    rows = []
    for run in runs:
        books, stretches = MassBalances(run), flow_intervals(run, np.zeros(0))
        fed = sum(sum(one.fed.values()) * (one.end - one.start) for one in stretches)
        out = sum((one.bleed + one.harvest) * (one.end - one.start) for one in stretches)
        done = [event for one in stretches[:-1] for event in one.events]  # found is before what happens at the end
        fed += sum(event.volume for event in done if isinstance(event, Bolus))
        out += sum(event.volume for event in done if isinstance(event, Sample))
        left = run.initial_volume + fed - out
        rows.append((run.name, "volume", 0.0, run.end, run.initial_volume, fed, out, 0.0, left, VOLUME))
        for quantity in run.measurements:
            if quantity in NOT_SPECIES and quantity not in CELLS:
                continue
            balances = books.balances(quantity)
            while balances and balances[0].begin_below:
                balances = balances[1:]
            while balances and balances[-1].found_below:
                balances = balances[:-1]
            if balances:
                first, last = balances[0], balances[-1]
                sums = (sum(getattr(one, name) for one in balances) for name in ("fed", "taken_out", "net_production"))
                rows.append((run.name, quantity, first.start, last.end, first.begin, *sums, last.found, first.unit))
    heads = ["run", "of", f"from [{TIME}]", f"to [{TIME}]", "begin", "fed", "taken out", "turned over", "found", "unit"]
    return pd.DataFrame(rows, columns=heads)
