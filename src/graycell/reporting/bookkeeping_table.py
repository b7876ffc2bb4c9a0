"""bookkeeping_frame: what was there, fed, taken out, turned over and found in a run, as one table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graycell.runs.bookkeeping import CELLS, Books, stretches_of
from graycell.runs.checks import NOT_SPECIES
from graycell.runs.records import Bolus, CultureRun, Sample
from graycell.units import VOLUME


def bookkeeping_frame(runs: Sequence[CultureRun]) -> pd.DataFrame:
    """Return the balance of every run and species over its samples, and that of the volume.

    Columns: run, of what, initial, fed, taken out, turned over by the cells, found [unit]; an initial and what was
    fed, less what was taken out, with what was turned over is what was found.
    """
    rows = []
    for run in runs:
        books, stretches = Books(run), stretches_of(run, np.zeros(0))
        fed = sum(sum(one.fed.values()) * (one.end - one.start) for one in stretches)
        out = sum((one.bleed + one.harvest) * (one.end - one.start) for one in stretches)
        done = [event for one in stretches for event in one.events]
        fed += sum(event.volume for event in done if isinstance(event, Bolus))
        out += sum(event.volume for event in done if isinstance(event, Sample))
        left = run.initial_volume + fed - out
        rows.append((run.name, "volume", run.initial_volume, fed, out, 0.0, left, VOLUME))
        for quantity in run.measurements:
            balances = books.balances(quantity) if quantity not in NOT_SPECIES or quantity in CELLS else []
            if balances:
                sums = (sum(getattr(one, name) for one in balances) for name in ("fed", "taken_out", "turned_over"))
                rows.append((run.name, quantity, balances[0].begin, *sums, balances[-1].found, balances[0].unit))
    heads = ["run", "of", "initial", "fed", "taken out", "turned over", "found", "unit"]
    return pd.DataFrame(rows, columns=heads)
