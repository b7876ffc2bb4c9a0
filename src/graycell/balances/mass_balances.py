"""balances_of: a run and a quantity -> what was there, fed, taken out and turned over, from sample to sample.

A sample is measured before what happens at its time. Between two samples the cells are taken to make the quantity at a
constant rate, which is the one that leads from the first to the second: so every interval closes exactly,
``begin + fed - taken out + turned over = found``, whatever is fed, sampled or drained between. Where nothing flows out
between the samples, what was turned over does not depend on that assumption.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from graycell.runs.records import TCD, VCD, Bolus, CultureRun, Feed, Measurement, Outflow, Replacement, Sample

CELLS = (VCD, TCD)
"""Quantities that count cells."""
RETAINED = (*CELLS, "BIOM")
"""Quantities that a harvest keeps back."""
_ROUNDING = 1e-14
"""Part of the amounts below which what was taken out is the rounding of their sum."""
AMOUNT, AMOUNT_OF_CELLS = "mmol", "1e9 cells"


class FlowInterval(NamedTuple):
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
        return (
            outflow * share * (self.end - self.start) / self.volume * (math.log1p(change) / change if change else 1.0)
        )

    def volumes(self) -> list[float]:
        """Return the volumes [L] before, between and after the events at the end."""
        found = [self.end_volume]
        for event in self.events:
            found.append(found[-1] + (event.volume if isinstance(event, Bolus) else -event.volume))
        return found

    def kept(self) -> float:
        """Return the part [1] of what is in the vessel that the samples at the end leave there."""
        kept, volume = 1.0, self.end_volume
        for event in self.events:
            if isinstance(event, Sample):
                kept, volume = kept * (1.0 - event.volume / volume), volume - event.volume
            else:
                volume += event.volume
        return kept


class Balance(NamedTuple):
    """The balance of a quantity between two samples of it.

    start, end: [d]; begin, found: in the vessel before the events of `start` and of `end`; fed, taken_out: between;
    net_production: by the cells, negative where they take up. All in `unit`: mmol, or 10^9 cells. begin_volume,
    end_volume: [L], before the events of these times. by_begin, by_found: [1] derivatives of net_production by the two.
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
    net_production: float
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


def flow_intervals(run: CultureRun, times: np.ndarray) -> list[FlowInterval]:
    """Return the stretches of a run from time 0 on, with a border at every event and at each of `times` [d].

    A `Replacement` is not a mass balance: it is counted as a sample of its fraction and a bolus of as much.
    """
    borders = np.unique(np.r_[0.0, times, [event.time for event in run.events if event.time <= run.end], run.end])
    volume, fed, bleed, harvest = run.initial_volume, dict[str, float](), 0.0, 0.0
    found: list[FlowInterval] = []
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
        found.append(FlowInterval(start, float(end), volume, end_volume, *flows, tuple(done)))
        start, volume = float(end), after
    return found


def balances_of(run: CultureRun, quantity: str) -> list[Balance]:
    """Return the balance of a measured species [mmol], or of cells [10^9 cells], between each two of its samples."""
    return MassBalances(run).balances(quantity)


class MassBalances:
    """The balances of a run; what all its quantities share is worked out once."""

    def __init__(self, run: CultureRun):
        self.run = run
        self._stretches: dict[bytes, list[FlowInterval]] = {}
        self._carried: dict[tuple[bytes, float, float, bool], _Carried] = {}

    def balances(self, quantity: str) -> list[Balance]:
        """Return what `balances_of` does; raises `KeyError` for what was not measured."""
        run, series = self.run, self.run.measurements[quantity]
        key = series.time.tobytes()
        if key not in self._stretches:
            self._stretches[key] = flow_intervals(run, series.time)
        stretches = self._stretches[key]
        unit = AMOUNT_OF_CELLS if quantity in CELLS else AMOUNT
        # no medium holds cells
        media = {} if quantity in CELLS else run.media
        content = [(name, one[quantity]) for name, one in media.items() if one.get(quantity, 0.0)]
        times, values = series.time.tolist(), series.value.tolist()
        below = [False] * len(times) if series.below is None else series.below.tolist()
        volumes = {stretch.end: stretch.end_volume for stretch in stretches}
        found = []
        for k, (start, end) in enumerate(pairwise(times)):
            of = (key, start, end, quantity in RETAINED)
            if of not in self._carried:
                within = [stretch for stretch in stretches if start <= stretch.end <= end]
                self._carried[of] = _carried(within, start, end, quantity in RETAINED)
            carried = self._carried[of]
            begin, there = values[k] * volumes[start], values[k + 1] * volumes[end]
            fed = left = 0.0
            for medium, concentration in content:
                fed += concentration * carried.fed.get(medium, 0.0)
                left += concentration * carried.left.get(medium, 0.0)
            # what is there at the end is linear in what was there and in what is made a day
            by_found = (end - start) / carried.made
            net_production = by_found * (there - (carried.kept * begin + left))
            taken_out = begin + fed + net_production - there
            if abs(taken_out) < _ROUNDING * (begin + fed + there):
                taken_out = 0.0
            found.append(Balance(
                run.name, quantity, unit, start, end, begin, fed, taken_out, net_production, there,
                volumes[start], volumes[end], -by_found * carried.kept, by_found, below[k], below[k + 1],
            ))  # fmt: skip
        return found


class _Carried(NamedTuple):
    """What of an amount comes through the time between two samples.

    kept: [1] of what was there; made: [d] of what is made a day; fed, left: [L] of each medium, in all and at the end.
    """

    kept: float
    made: float
    fed: dict[str, float]
    left: dict[str, float]


def _carried(stretches: Sequence[FlowInterval], start: float, end: float, retained: bool) -> _Carried:
    """Return what comes through these stretches; a harvest keeps what is `retained`.

    A' = source - outflow A/V along a stretch: c = A/V has V c' = source - (outflow + V') c; with s the integral of 1/V
    and x = (outflow + V') s it is c exp(-x) + source s (1 - exp(-x))/x. Written so that no difference of near numbers
    is divided by another.
    """
    kept, made = 1.0, 0.0
    fed, left = defaultdict[str, float](float), defaultdict[str, float](float)
    for stretch in stretches:
        time = stretch.end - stretch.start
        if stretch.end > start and time > 0.0:
            outflow = stretch.bleed + (0.0 if retained else stretch.harvest)
            x = stretch.dilution(outflow + (stretch.end_volume - stretch.volume) / time)
            part = math.exp(-x) * stretch.end_volume / stretch.volume
            gain = stretch.dilution(1.0) * (-math.expm1(-x) / x if x else 1.0) * stretch.end_volume
            kept, made = kept * part, made * part + gain
            for medium in {*left, *stretch.fed}:
                flow = stretch.fed.get(medium, 0.0)
                left[medium] = left[medium] * part + gain * flow
                fed[medium] += flow * time
        if stretch.end == end:
            break
        volume = stretch.end_volume
        for event in stretch.events:
            if isinstance(event, Sample):
                part = 1.0 - event.volume / volume
                kept, made, volume = kept * part, made * part, volume - event.volume
                for medium in left:
                    left[medium] *= part
            else:
                left[event.medium] += event.volume
                fed[event.medium] += event.volume
                volume += event.volume
    return _Carried(kept, made, fed, left)


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
    return float(sum(one.net_production for one in balances)), float(off)


def growth_rate(stretches: Iterable[FlowInterval], start: float, end: float, begin: float, found: float) -> float:
    """Return the specific growth rate [1/d] of cells that were `begin` at `start` and are `found` at `end`.

    Apart from what the samples and the bleed of the stretches between take; NaN where there were none.
    """
    if begin <= 0.0 or found <= 0.0:
        return float("nan")
    kept = 1.0
    for stretch in stretches:
        if stretch.end > start:
            kept *= math.exp(-stretch.dilution(stretch.bleed))
        if stretch.end < end:
            kept *= stretch.kept()
    return float(np.log(found / (begin * kept)) / (end - start))
