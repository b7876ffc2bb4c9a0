"""balances_of: a run and a quantity -> what was there, fed, taken out and turned over, from sample to sample.

A sample is measured before what happens at its time. Between two samples the cells are taken to make the quantity at a
constant rate, which is the one that leads from the first to the second: so every interval closes exactly,
``begin + fed - taken out + turned over = found``, whatever is fed, sampled or drained between. Where nothing flows out
between the samples, what was turned over does not depend on that assumption.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graycell.runs.records import TCD, VCD, Bolus, CultureRun, Feed, Outflow, Replacement, Sample

CELLS = (VCD, TCD)
"""Quantities that count cells."""
RETAINED = (*CELLS, "BIOM")
"""Quantities that a harvest keeps back."""
AMOUNT, AMOUNT_OF_CELLS = "mmol", "1e9 cells"


class Stretch(NamedTuple):
    """A time without events: flows are constant, and the volume [L] goes evenly from `volume` to `end_volume`.

    start, end: [d]; fed: [L/d] by medium; bleed, harvest: [L/d], the harvest without cells; events: what happens at
    its end.
    """

    start: float
    end: float
    volume: float
    end_volume: float
    fed: dict[str, float]
    bleed: float
    harvest: float
    events: tuple[Bolus | Sample, ...]


@dataclass(frozen=True)
class Balance:
    """The balance of a quantity between two samples of it.

    start, end: [d]; begin, found: in the vessel before the events of `start` and of `end`; fed, taken_out: between;
    turned_over: by the cells, negative where they take up. All in `unit`: mmol, or 10^9 cells. begin_volume,
    end_volume: [L], before the events of these times. by_begin, by_found: [1] derivatives of turned_over by the two.
    """

    run: str
    quantity: str
    unit: str
    start: float
    end: float
    begin: float
    fed: float
    taken_out: float
    turned_over: float
    found: float
    begin_volume: float
    end_volume: float
    by_begin: float
    by_found: float


def stretches_of(run: CultureRun, times: np.ndarray) -> list[Stretch]:
    """Return the stretches of a run from time 0 on, with a border at every event and at each of `times` [d].

    A `Replacement` is not a mass balance: it is counted as a sample of its fraction and a bolus of as much.
    """
    borders = np.unique(np.r_[0.0, times, [event.time for event in run.events if event.time <= run.end], run.end])
    volume, fed, bleed, harvest = run.initial_volume, dict[str, float](), 0.0, 0.0
    found: list[Stretch] = []
    at = defaultdict(list)
    for event in run.events:
        at[event.time].append(event)
    start, end_volume = 0.0, volume
    for end in borders.tolist():
        end_volume = volume + (sum(fed.values()) - bleed - harvest) * (end - start)
        done: list[Bolus | Sample] = []
        after = end_volume
        flows = dict(fed), bleed, harvest
        for event in at[float(end)]:
            match event:
                case Sample(volume=taken):
                    done.append(event)
                    after -= taken
                case Bolus(volume=added):
                    done.append(event)
                    after += added
                case Replacement(medium=medium, fraction=fraction):
                    done += [Sample(end, fraction * after), Bolus(end, medium, fraction * after)]
                case Feed(medium=medium, rate=rate):
                    fed[medium] = rate
                case Outflow(rate=rate, retains_cells=True):
                    harvest = rate
                case Outflow(rate=rate):
                    bleed = rate
        found.append(Stretch(start, float(end), volume, end_volume, *flows, tuple(done)))
        start, volume = float(end), after
    return found


def balances_of(run: CultureRun, quantity: str) -> list[Balance]:
    """Return the balance of a measured species [mmol], or of cells [10^9 cells], between each two of its samples."""
    series = run.measurements[quantity]
    is_cells = quantity in CELLS
    stretches = stretches_of(run, series.time)
    unit = AMOUNT_OF_CELLS if is_cells else AMOUNT
    volumes = {stretch.end: stretch.end_volume for stretch in stretches}
    found = []
    for k in range(len(series.time) - 1):
        start, end = float(series.time[k]), float(series.time[k + 1])
        within = [stretch for stretch in stretches if start <= stretch.end <= end]
        begin, there = series.value[k] * volumes[start], series.value[k + 1] * volumes[end]

        def carried(begin: float, rate: float, start=start, end=end, within=within) -> tuple[float, float]:
            return _carried(run, quantity, within, start, end, begin, rate)

        fed, without = carried(begin, 0.0)
        time, kept = (end - start) / (carried(begin, 1.0)[1] - without), carried(begin + 1.0, 0.0)[1] - without
        turned_over = time * (there - without)
        found.append(Balance(
            run.name, quantity, unit, start, end, begin, fed, begin + fed + turned_over - there, turned_over, there,
            volumes[start], volumes[end], -time * kept, time,
        ))  # fmt: skip
    return found


def _carried(
    run: CultureRun, quantity: str, stretches: list[Stretch], start: float, end: float, amount: float, rate: float
) -> tuple[float, float]:
    """Return what was fed, and what is there at `end` if `amount` was at `start` and the cells make `rate` a day.

    No medium holds cells, and a harvest keeps them.
    """
    fed = 0.0
    content = {name: 0.0 if quantity in CELLS else one.get(quantity, 0.0) for name, one in run.media.items()}
    for stretch in stretches:
        if stretch.end > start:
            time = stretch.end - stretch.start
            inflow = sum(flow * content[medium] for medium, flow in stretch.fed.items())
            fed += inflow * time
            outflow = stretch.bleed + (0.0 if quantity in RETAINED else stretch.harvest)
            amount = _flowing(amount, inflow + rate, outflow, stretch.volume, stretch.end_volume, time)
        if stretch.end == end:
            break
        volume = stretch.end_volume
        for event in stretch.events:
            match event:
                case Sample(volume=taken):
                    amount *= 1.0 - taken / volume
                    volume -= taken
                case Bolus(medium=medium, volume=added):
                    more = added * content[medium]
                    amount, fed, volume = amount + more, fed + more, volume + added
    return fed, amount


def _flowing(amount: float, source: float, outflow: float, volume: float, end_volume: float, time: float) -> float:
    """Return the amount after `time`: A' = source - outflow A/V, with V going evenly to its end.

    c = A/V has V c' = source - (outflow + V') c; with s the integral of 1/V and x = (outflow + V') s it is
    c exp(-x) + source s (1 - exp(-x))/x. Written so that no difference of near numbers is divided by another.
    """
    if time == 0.0:
        return amount
    change = (end_volume - volume) / volume
    spent = time / volume * (float(np.log1p(change)) / change if change else 1.0)
    x = (outflow + (end_volume - volume) / time) * spent
    mean = -float(np.expm1(-x)) / x if x else 1.0
    return (amount / volume * float(np.exp(-x)) + source * spent * mean) * end_volume
