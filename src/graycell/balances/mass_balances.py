"""balances_of: the balance of a species, or of the cells, between each two samples of it.

A sample is measured before the events of the same time. Between two samples the cells are assumed to produce the
quantity at a constant rate, the one that leads from the first sample to the second. Every interval therefore closes
exactly, ``begin + fed - taken out + net production = found``, whatever is fed, sampled or drained in it. If nothing
flows out between the samples, the net production does not depend on that assumption.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from graycell.balances.rule_volumes import with_known_volumes
from graycell.runs.records import (
    TCD,
    VCD,
    Bolus,
    CultureRun,
    Feed,
    FeedRamp,
    Measurement,
    Outflow,
    Replacement,
    Sample,
)
from graycell.units import MASS_CONCENTRATION

CELLS = (VCD, TCD)
"""Quantities that count cells."""
RETAINED = (*CELLS, "BIOM")
"""Quantities that a cell filter retains in a harvest, unless others are named."""
_PIECE = 1.0 / 24.0
"""[d] A ramp counts as steps of at most so long at their mean rates: what it feeds by the end of each is exact, and
what flows out between is off by the square of the step."""
_ROUNDING = 1e-14
"""Part of the amounts below which an amount taken out is the rounding error of their sum."""
AMOUNT, MASS, AMOUNT_OF_CELLS = "mmol", "g", "1e9 cells"


class FlowInterval(NamedTuple):
    """A time without events: flows are constant, and the volume changes linearly.

    Attributes:
        start: [d].
        end: [d].
        volume: at the start [L].
        end_volume: at the end, before its events [L].
        fed: feed rates [L/d] by medium.
        bleed: outflow with cells [L/d].
        harvest: outflow without cells [L/d].
        events: boluses and samples at the end, in order.
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
        """Return the integral of outflow/V over the first part of the interval [1].

        Args:
            outflow: [L/d].
            share: the part of the interval that is integrated over [1].

        Returns:
            The integral [1].
        """
        change = share * (self.end_volume - self.volume) / self.volume
        # for a change near 0 the logarithm is not divided by a small difference of volumes
        return (
            outflow * share * (self.end - self.start) / self.volume * (math.log1p(change) / change if change else 1.0)
        )

    def volumes(self) -> list[float]:
        """Return the volumes before, between and after the events at the end.

        Returns:
            One volume [L] more than there are events.
        """
        volumes = [self.end_volume]
        for event in self.events:
            volumes.append(volumes[-1] + (event.volume if isinstance(event, Bolus) else -event.volume))
        return volumes

    def kept(self) -> float:
        """Return the part of an amount in the vessel that remains after the samples at the end.

        Returns:
            The part [1].
        """
        kept, volume = 1.0, self.end_volume
        for event in self.events:
            if isinstance(event, Sample):
                kept, volume = kept * (1.0 - event.volume / volume), volume - event.volume
            else:
                volume += event.volume
        return kept


class Balance(NamedTuple):
    """The balance of a quantity between two samples of it.

    Attributes:
        run: name of the run.
        quantity: name of a species, `VCD` or `TCD`.
        unit: of all amounts: mmol, g for what was measured in g/L, or 10^9 cells.
        start: time of the first sample [d].
        end: time of the second sample [d].
        begin: amount in the vessel at `start`, before the events of that time.
        fed: amount fed between the samples.
        taken_out: amount that left with samples, bleed and harvest.
        net_production: amount produced by the cells; negative if they take up more than they release.
        found: amount in the vessel at `end`, before the events of that time.
        begin_volume: volume at `start`, before the events of that time [L].
        end_volume: volume at `end`, before the events of that time [L].
        by_begin: derivative of `net_production` by `begin` [1].
        by_found: derivative of `net_production` by `found` [1].
        begin_below: whether the first sample is a detection limit.
        found_below: whether the second sample is a detection limit.
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
    """Divide a run into intervals of constant flows, from time 0 to its end.

    A `Replacement` is not a mass balance: it counts as a sample of its fraction and a bolus of the same volume. Rules
    are the volumes that they gave, and a ramp is a stair of its mean rates.

    Args:
        run: the run.
        times: further borders of intervals [d], beside the events.

    Returns:
        The intervals in order of time.

    Raises:
        InputError: for a rule before the last sample whose volume the samples do not give.
    """
    run = with_known_volumes(run)
    at_events = [event.time for event in run.events if event.time <= run.end]
    borders = np.unique(np.r_[0.0, times, at_events, run.end, _stairs(run)])
    ramps: dict[str, FeedRamp] = {}
    volume, fed, bleed, harvest = run.initial_volume, dict[str, float](), 0.0, 0.0
    intervals: list[FlowInterval] = []
    events_at = defaultdict(list)
    for event in run.events:
        events_at[event.time].append(event)
    start, end_volume = 0.0, volume
    for end in borders.tolist():
        fed |= {name: ramp.rate + ramp.slope * (0.5 * (start + end) - ramp.time) for name, ramp in ramps.items()}
        end_volume = volume + (sum(fed.values()) - bleed - harvest) * (end - start)
        instant: list[Bolus | Sample] = []
        after = end_volume
        flows = dict(fed), bleed, harvest
        for event in events_at[float(end)]:
            match event:
                case Sample(volume=taken):
                    instant.append(event)
                    after -= taken
                case Bolus(volume=added):
                    instant.append(event)
                    after += added
                case Replacement(medium=medium, fraction=fraction):
                    instant += [Sample(end, fraction * after), Bolus(end, medium, fraction * after)]
                case Feed(medium=medium, rate=rate):
                    fed[medium] = rate
                    ramps.pop(medium, None)
                case FeedRamp(medium=medium):
                    ramps[medium] = event
                case Outflow(rate=rate, retains_cells=True):
                    harvest = rate
                case Outflow(rate=rate):
                    bleed = rate
        intervals.append(FlowInterval(start, float(end), volume, end_volume, *flows, tuple(instant)))
        start, volume = float(end), after
    return intervals


def _stairs(run: CultureRun) -> list[float]:
    """Return times [d] between which ramps count as constant; none for a run without a ramp."""
    feeds = [event for event in run.events if isinstance(event, Feed | FeedRamp)]
    times: list[float] = []
    for i, event in enumerate(feeds):
        if isinstance(event, FeedRamp):
            until = next((later.time for later in feeds[i + 1 :] if later.medium == event.medium), run.end)
            pieces = 1 + math.ceil(max(until - event.time, 0.0) / _PIECE)
            times += np.linspace(event.time, max(until, event.time), pieces).tolist()
    return times


def balances_of(run: CultureRun, quantity: str, retained: Collection[str] = RETAINED) -> list[Balance]:
    """Return the balance of a measured quantity between each two samples of it.

    Args:
        run: the run.
        quantity: a measured species, `VCD` or `TCD`.
        retained: quantities that a cell filter retains in a harvest.

    Returns:
        The balances in order of time, in mmol, g or 10^9 cells.

    >>> glucose = Measurement("GLC", "mmol/L", np.array([0.0, 2.0]), np.array([30.0, 20.0]), np.array([0.3, 0.2]))
    >>> run = CultureRun("a", 1.0, {"GLC": 30.0}, {"GLC": glucose}, (Bolus(1.0, "F", 0.1),), {"F": {"GLC": 200.0}})
    >>> [balance] = balances_of(run, "GLC")
    >>> balance.begin, balance.fed, round(balance.net_production, 9), balance.found
    (30.0, 20.0, -28.0, 22.0)
    """
    return MassBalances(run, retained).balances(quantity)


class MassBalances:
    """The balances of a run; the intervals that its quantities share are computed once.

    Attributes:
        run: the run, whose rules are the volumes that they gave.
        retained: quantities that a cell filter retains in a harvest.
    """

    def __init__(self, run: CultureRun, retained: Collection[str] = RETAINED):
        self.run, self.retained = with_known_volumes(run), retained
        self._intervals: dict[bytes, list[FlowInterval]] = {}
        self._carried: dict[tuple[bytes, float, float, bool], _Carried] = {}

    def balances(self, quantity: str) -> list[Balance]:
        """Return the balances of a quantity, see `balances_of`.

        Args:
            quantity: a measured quantity; another one is a `KeyError`.

        Returns:
            The balances in order of time.
        """
        run, series = self.run, self.run.measurements[quantity]
        is_retained = quantity in self.retained
        key = series.time.tobytes()
        if key not in self._intervals:
            self._intervals[key] = flow_intervals(run, series.time)
        intervals = self._intervals[key]
        of_mass = MASS if series.unit == MASS_CONCENTRATION else AMOUNT
        unit = AMOUNT_OF_CELLS if quantity in CELLS else of_mass
        # media contain no cells
        media = {} if quantity in CELLS else run.media
        content = [(name, medium[quantity]) for name, medium in media.items() if medium.get(quantity, 0.0)]
        times, values = series.time.tolist(), series.value.tolist()
        below = [False] * len(times) if series.below is None else series.below.tolist()
        volumes = {interval.end: interval.end_volume for interval in intervals}
        balances = []
        for k, (start, end) in enumerate(pairwise(times)):
            place = (key, start, end, is_retained)
            if place not in self._carried:
                within = [interval for interval in intervals if start <= interval.end <= end]
                self._carried[place] = _carried(within, start, end, is_retained)
            carried = self._carried[place]
            begin, found = values[k] * volumes[start], values[k + 1] * volumes[end]
            fed = left = 0.0
            for medium, concentration in content:
                fed += concentration * carried.fed.get(medium, 0.0)
                left += concentration * carried.left.get(medium, 0.0)
            # the amount at the end is linear in the amount at the start and in the production per day
            by_found = (end - start) / carried.made
            net_production = by_found * (found - (carried.kept * begin + left))
            taken_out = begin + fed + net_production - found
            if abs(taken_out) < _ROUNDING * (begin + fed + found):
                taken_out = 0.0
            balances.append(Balance(
                run.name, quantity, unit, start, end, begin, fed, taken_out, net_production, found,
                volumes[start], volumes[end], -by_found * carried.kept, by_found, below[k], below[k + 1],
            ))  # fmt: skip
        return balances


class _Carried(NamedTuple):
    """The part of an amount that remains in the vessel from one sample to the next.

    kept: of the amount at the start [1]; made: of a production of 1 per day [d]; fed, left: volume [L] of each medium
    that was fed, and the part of it that remains at the end.
    """

    kept: float
    made: float
    fed: dict[str, float]
    left: dict[str, float]


def _carried(intervals: Sequence[FlowInterval], start: float, end: float, retained: bool) -> _Carried:
    """Return what remains at the end of these intervals; a harvest does not take what is `retained`.

    In an interval A' = source - outflow A/V. With c = A/V this is V c' = source - (outflow + V') c; with s the integral
    of 1/V and x = (outflow + V') s, the solution is c exp(-x) + source s (1 - exp(-x))/x. It is evaluated without a
    quotient of small differences.
    """
    kept, made = 1.0, 0.0
    fed, left = defaultdict[str, float](float), defaultdict[str, float](float)
    for interval in intervals:
        time = interval.end - interval.start
        if interval.end > start and time > 0.0:
            outflow = interval.bleed + (0.0 if retained else interval.harvest)
            x = interval.dilution(outflow + (interval.end_volume - interval.volume) / time)
            part = math.exp(-x) * interval.end_volume / interval.volume
            gain = interval.dilution(1.0) * (-math.expm1(-x) / x if x else 1.0) * interval.end_volume
            kept, made = kept * part, made * part + gain
            for medium in {*left, *interval.fed}:
                flow = interval.fed.get(medium, 0.0)
                left[medium] = left[medium] * part + gain * flow
                fed[medium] += flow * time
        if interval.end == end:
            break
        volume = interval.end_volume
        for event in interval.events:
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
    """Sum the net production of a quantity over several balances.

    A sample between two balances is the end of one and the start of the other, so that its error cancels except for
    what was drained.

    Args:
        series: the measured values with their standard errors.
        balances: balances of that quantity.

    Returns:
        The net production and its standard error, in the unit of the balances.
    """
    error = dict(zip(series.time.tolist(), series.standard_error.tolist(), strict=True))
    by_sample: dict[float, float] = defaultdict(float)
    for balance in balances:
        by_sample[balance.start] += balance.by_begin * balance.begin_volume
        by_sample[balance.end] += balance.by_found * balance.end_volume
    standard_error = np.sqrt(sum((weight * error[time]) ** 2 for time, weight in by_sample.items()))
    return float(sum(balance.net_production for balance in balances)), float(standard_error)


def growth_rate(intervals: Iterable[FlowInterval], start: float, end: float, begin: float, found: float) -> float:
    """Return the specific growth rate of cells between two counts, corrected for what samples and bleed take.

    Args:
        intervals: the intervals between the counts.
        start: time of the first count [d].
        end: time of the second count [d].
        begin: cells in the vessel at `start` [10^9 cells].
        found: cells in the vessel at `end` [10^9 cells].

    Returns:
        The rate [1/d]; NaN if a count is 0.
    """
    if begin <= 0.0 or found <= 0.0:
        return float("nan")
    kept = 1.0
    for interval in intervals:
        if interval.end > start:
            kept *= math.exp(-interval.dilution(interval.bleed))
        if interval.end < end:
            kept *= interval.kept()
    return float(np.log(found / (begin * kept)) / (end - start))
