"""balances_of: a run and a quantity -> what was there, fed, taken out and turned over, from sample to sample.

A sample is measured before what happens at its time. Between two samples the cells are taken to make the quantity at a
constant rate, which is the one that leads from the first to the second: so every interval closes exactly,
``begin + fed - taken out + turned over = found``, whatever is fed, sampled or drained between. Where nothing flows out
between the samples, what was turned over does not depend on that assumption.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from graycell.runs.records import TCD, VCD, Bolus, CultureRun, Feed, Measurement, Outflow, Replacement, Sample

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

    def dilution(self, outflow: float, share: float = 1.0) -> float:
        """Return the integral of outflow/V [1] over this share [1] of the stretch, the outflow in [L/d]."""
        change = share * (self.end_volume - self.volume) / self.volume
        # the logarithm is not divided by a difference of near volumes
        return outflow * share * (self.end - self.start) / self.volume * (np.log1p(change) / change if change else 1.0)

    def kept(self) -> float:
        """Return the part [1] of what is in the vessel that the samples at the end leave there."""
        return _after_events(1.0, self, defaultdict(float))


@dataclass(frozen=True)
class Balance:
    """The balance of a quantity between two samples of it.

    start, end: [d]; begin, found: in the vessel before the events of `start` and of `end`; fed, taken_out: between;
    turned_over: by the cells, negative where they take up. All in `unit`: mmol, or 10^9 cells. begin_volume,
    end_volume: [L], before the events of these times. by_begin, by_found: [1] derivatives of turned_over by the two.
    begin_below, found_below: whether the sample there was a detection limit, so that only a limit of it is known.
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
    begin_below: bool = False
    found_below: bool = False

    @property
    def is_known(self) -> bool:
        """Whether both samples were measured, and neither is a detection limit."""
        return not (self.begin_below or self.found_below)


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
    stretches = stretches_of(run, series.time)
    unit = AMOUNT_OF_CELLS if quantity in CELLS else AMOUNT
    below = np.zeros(len(series.time), bool) if series.below is None else series.below
    volumes = {stretch.end: stretch.end_volume for stretch in stretches}
    found = []
    for k in range(len(series.time) - 1):
        start, end = float(series.time[k]), float(series.time[k + 1])
        within = [stretch for stretch in stretches if start <= stretch.end <= end]
        begin, there = series.value[k] * volumes[start], series.value[k + 1] * volumes[end]

        def carried(begin: float, made: float, start=start, end=end, within=within) -> tuple[float, float]:
            return _carried(run, quantity, within, start, end, begin, made)

        # what is there at the end is linear in what was there and in what is made a day
        fed, without = carried(begin, 0.0)
        by_found = (end - start) / (carried(begin, 1.0)[1] - without)
        by_begin = -by_found * (carried(begin + 1.0, 0.0)[1] - without)
        turned_over = by_found * (there - without)
        found.append(Balance(
            run.name, quantity, unit, start, end, begin, fed, begin + fed + turned_over - there, turned_over, there,
            volumes[start], volumes[end], by_begin, by_found, bool(below[k]), bool(below[k + 1]),
        ))  # fmt: skip
    return found


def summed(series: Measurement, balances: Sequence[Balance]) -> tuple[float, float]:
    """Return what was turned over in these intervals of a series together, and its standard error.

    A sample between two of them counts with both sides, so that what it was off goes out but for what was drained.
    """
    error = dict(zip(series.time.tolist(), series.standard_error.tolist(), strict=True))
    by_sample: dict[float, float] = defaultdict(float)
    for one in balances:
        by_sample[one.start] += one.by_begin * one.begin_volume
        by_sample[one.end] += one.by_found * one.end_volume
    off = np.sqrt(sum((weight * error[time]) ** 2 for time, weight in by_sample.items()))
    return float(sum(one.turned_over for one in balances)), float(off)


def growth_rate(stretches: Iterable[Stretch], start: float, end: float, begin: float, found: float) -> float:
    """Return the specific growth rate [1/d] of cells that were `begin` at `start` and are `found` at `end`.

    Apart from what the samples and the bleed of the stretches between take; NaN where there were none.
    """
    if begin <= 0.0 or found <= 0.0:
        return float("nan")
    kept = 1.0
    for stretch in stretches:
        if stretch.end > start:
            kept *= np.exp(-stretch.dilution(stretch.bleed))
        if stretch.end < end:
            kept *= stretch.kept()
    return float(np.log(found / (begin * kept)) / (end - start))


def _carried(
    run: CultureRun, quantity: str, stretches: list[Stretch], start: float, end: float, amount: float, made: float
) -> tuple[float, float]:
    """Return what was fed, and what is there at `end` if `amount` was at `start` and the cells make `made` a day.

    No medium holds cells, and a harvest keeps them.
    """
    fed = 0.0
    content = {name: 0.0 if quantity in CELLS else one.get(quantity, 0.0) for name, one in run.media.items()}
    for stretch in stretches:
        if stretch.end > start:
            inflow = sum(flow * content[medium] for medium, flow in stretch.fed.items())
            fed += inflow * (stretch.end - stretch.start)
            outflow = stretch.bleed + (0.0 if quantity in RETAINED else stretch.harvest)
            amount = _flowing(amount, inflow + made, outflow, stretch)
        if stretch.end == end:
            break
        more = sum(event.volume * content[event.medium] for event in stretch.events if isinstance(event, Bolus))
        amount, fed = _after_events(amount, stretch, content), fed + more
    return fed, amount


def _after_events(amount: float, stretch: Stretch, content: Mapping[str, float]) -> float:
    """Return the amount after the events at the end of a stretch, in their order."""
    volume = stretch.end_volume
    for event in stretch.events:
        match event:
            case Sample(volume=taken):
                amount, volume = amount * (1.0 - taken / volume), volume - taken
            case Bolus(medium=medium, volume=added):
                amount, volume = amount + added * content[medium], volume + added
    return amount


def _flowing(amount: float, source: float, outflow: float, stretch: Stretch) -> float:
    """Return the amount after a stretch: A' = source - outflow A/V.

    c = A/V has V c' = source - (outflow + V') c; with s the integral of 1/V and x = (outflow + V') s it is
    c exp(-x) + source s (1 - exp(-x))/x. Written so that no difference of near numbers is divided by another.
    """
    time = stretch.end - stretch.start
    if time == 0.0:
        return amount
    x = stretch.dilution(outflow + (stretch.end_volume - stretch.volume) / time)
    mean = -np.expm1(-x) / x if x else 1.0
    return float((amount / stretch.volume * np.exp(-x) + source * stretch.dilution(1.0) * mean) * stretch.end_volume)
