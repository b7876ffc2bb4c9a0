"""measured_rates: a run -> specific rates, growth and death as its samples show them, without any model.

The amount that the cells turned over between two samples (`runs.bookkeeping`) over the integral of the viable cells
there. Cells grow or decline exponentially between two counts, apart from what samples and a bleed take. Errors are
those of the assays, to first order, and take the counts of different times and species as independent.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graycell.errors import Finding, InputError, nearest
from graycell.runs.bookkeeping import CELLS, Balance, Stretch, balances_of, stretches_of
from graycell.runs.checks import check_runs
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY, Bolus, CultureRun, Measurement, Sample
from graycell.units import CELL_DENSITY, SPECIFIC_RATE

GROWTH, DEATH = "growth", "death"
GROWTH_UNIT = "1/d"
NOT_TURNED_OVER = (REDOX, VIABILITY, *CELLS)
"""Measured quantities that cells do not make or take up as they do a species."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_PART = 1e-4
"""Part of a count by which it is changed to see what depends on it."""


@dataclass(frozen=True)
class MeasuredRate:
    """A specific rate between two samples.

    quantity: a species, ``growth`` (of viable cells, so growth less death) or ``death`` (viable cells that became dead
    ones, lysis not counted); start, end: [d]; turned_over: by the cells [mmol, 10^9 cells], negative where they take
    up; viable_cells: their integral over the time [10^9 cells d]; value, standard_error: in `unit`, [mmol/(10^9
    cells)/d] or [1/d]; since_start: whether `start` is the first sample of the phase, not the one before.
    """

    run: str
    quantity: str
    unit: str
    start: float
    end: float
    turned_over: float
    viable_cells: float
    value: float
    standard_error: float
    since_start: bool

    @property
    def doubling_time(self) -> float:
        """Of growth, the time [d] in which the viable cells double; infinite where they do not grow, NaN of others."""
        if self.quantity != GROWTH:
            return float("nan")
        return float(np.log(2.0) / self.value) if self.value > 0.0 else float("inf")


@dataclass(frozen=True)
class MeasuredRates:
    """What the samples of a run show.

    rates: between each two samples of a quantity, and since the first one of the phase; balances: the amounts that they
    come from; time, cells, integral: (points,) [d], viable cells [10^9 cells] and their integral over the phase so far
    [10^9 cells d], at every count, event and sample.
    """

    run: CultureRun
    rates: tuple[MeasuredRate, ...]
    balances: tuple[Balance, ...]
    time: np.ndarray
    cells: np.ndarray
    integral: np.ndarray

    def __repr__(self) -> str:
        quantities = dict.fromkeys(rate.quantity for rate in self.rates)
        phase = f"day {self.time[0]:g} to {self.time[-1]:g}"
        return f"MeasuredRates(run '{self.run.name}', {phase}: {', '.join(quantities)})"

    def of_phase(self) -> tuple[MeasuredRate, ...]:
        """Return the rate of each quantity over the whole phase."""
        return tuple({rate.quantity: rate for rate in self.rates if rate.since_start}.values())

    def yields(self, per: str = "GLC") -> dict[str, tuple[float, float]]:
        """Return what was made per `per` that was taken up [mmol/mmol], with its standard error.

        Both are summed over the samples that they share, from the first of them to the last. Raises `InputError` where
        `per` was not measured, or not taken up.
        """
        of = {name: [one for one in self.balances if one.quantity == name] for name in
              dict.fromkeys(one.quantity for one in self.balances)}  # fmt: skip
        place = f"run '{self.run.name}', yields"
        if per not in of:
            raise InputError([Finding(place, f"no '{per}'", "what yields are per was measured", nearest(per, of))])
        found = {}
        for name, rows in of.items():
            shared = {(one.start, one.end) for one in rows} & {(one.start, one.end) for one in of[per]}
            if name == per or not shared:
                continue
            made, error = _turned_over(self.run, name, [one for one in rows if (one.start, one.end) in shared])
            taken, of_taken = _turned_over(self.run, per, [one for one in of[per] if (one.start, one.end) in shared])
            if taken >= 0.0:
                raise InputError([Finding(place, f"{per} was made", "yields are per what is taken up", "name another")])
            found[name] = -made / taken, float(np.hypot(error, made / taken * of_taken) / abs(taken))
        return found


def measured_rates(run: CultureRun, start: float = 0.0, end: float = float("inf")) -> MeasuredRates:
    """Return the specific rates of a run, from the samples of the phase between `start` and `end` [d].

    Detection limits are taken as values. Raises `InputError` where the run is faulty, where viable cells were counted
    fewer than twice, or where no quantity has two samples in the phase.
    """
    errors = [finding for finding in check_runs([run]) if finding.severity == "error"]
    counted = run.measurements.get(VCD)
    if counted is None or len(counted.time) < 2:
        errors.append(Finding(f"run '{run.name}', {VCD}", f"{0 if counted is None else len(counted.time)} counts",
                              "rates are per viable cell, so 2 or more are needed", f"give {VCD}"))  # fmt: skip
    if errors or counted is None:
        raise InputError(errors)
    times = np.unique(np.concatenate([series.time for series in run.measurements.values()]))
    cells = _Cells(run, stretches_of(run, times), counted.time, counted.value, counted.standard_error)
    first, last = max(start, float(counted.time[0])), min(end, float(counted.time[-1]))

    rates, balances = [*_growth(run, cells, first, last)], []
    for quantity in run.measurements:
        if quantity in NOT_TURNED_OVER:
            continue
        within = [one for one in balances_of(run, quantity) if one.start >= first and one.end <= last]
        balances += within
        rates += _rates_of(run, quantity, within, cells)
    rates += _death(run, cells, first, last)
    if not rates:
        raise InputError([Finding(f"run '{run.name}'", f"no two samples between {start:g} and {min(end, run.end):g} d",
                                  "a rate needs two", "choose a longer phase")])  # fmt: skip
    return MeasuredRates(run, tuple(rates), tuple(balances), *cells.path(first, last))


class _Cells:
    """Viable cells [10^9 cells] along the stretches of a run: exponential between counts."""

    def __init__(self, run: CultureRun, stretches: Sequence[Stretch], time, value, error):
        self.stretches, self.time, self.error = list(stretches), np.asarray(time), np.asarray(error)
        self.density = np.asarray(value, float)
        self.volumes = {stretch.end: stretch.end_volume for stretch in self.stretches}
        # decided once: a count of 0 that is changed by its error would else come to be grown from over decades
        self.straight = [not np.isfinite(self.rate(k, self.density)) for k in range(len(self.density) - 1)]
        self.integrals = self._integrals(self.density)
        columns = []
        for k in range(len(self.density)):
            step = _PART * self.density[k] or float(self.error[k])
            up, down = self.density.copy(), self.density.copy()
            up[k], down[k] = up[k] + step, max(down[k] - step, 0.0)
            columns.append((self._integrals(up) - self._integrals(down)) / (up[k] - down[k]))
        self.by_count = np.array(columns).T

    def growth(self, first: int, last: int) -> float:
        """Return the specific growth rate [1/d] from one count to a later one; NaN where one found no cells."""
        return self._growth(first, last, self.density)

    def rate(self, k: int, density: np.ndarray) -> float:
        """Return the specific growth rate [1/d] between counts k and k + 1; NaN where there were no cells."""
        return self._growth(k, k + 1, density)

    def _growth(self, first: int, last: int, density: np.ndarray) -> float:
        start, end = self.time[first], self.time[last]
        kept = 1.0
        for stretch in self._within(start, end):
            if stretch.end > start:
                kept *= np.exp(-_drained(stretch, 1.0))
            if stretch.end < end:
                kept *= _kept(stretch)
        before, after = density[first] * self.volumes[start] * kept, density[last] * self.volumes[end]
        return float(np.log(after / before) / (end - start)) if before > 0.0 and after > 0.0 else float("nan")

    def between(self, start: float, end: float) -> tuple[float, np.ndarray]:
        """Return the integral of viable cells [10^9 cells d] from `start` to `end`, and its derivative by counts."""
        inside = [i for i, one in enumerate(self.stretches) if one.start >= start and one.end <= end]
        return float(np.sum(self.integrals[inside])), np.sum(self.by_count[inside], axis=0)

    def path(self, first: float, last: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return from first to last the ends of the stretches [d], and there cells and their integral since first."""
        inside = [i for i, one in enumerate(self.stretches) if first <= one.end <= last]
        ends = np.array([self.stretches[i].end for i in inside])
        whole = np.cumsum(np.where(ends > first, self.integrals[inside], 0.0))
        return ends, self._walk(self.density)[1][inside], whole

    def _within(self, start: float, end: float) -> list[Stretch]:
        return [stretch for stretch in self.stretches if start <= stretch.end <= end]

    def _integrals(self, density: np.ndarray) -> np.ndarray:
        return self._walk(density)[0]

    def _walk(self, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return by stretch the integral of the cells, and the cells at its end; 0 outside of the counts."""
        integrals, at_end = np.zeros(len(self.stretches)), np.zeros(len(self.stretches))
        for k in range(len(density) - 1):
            rate = self.rate(k, density)
            amount = density[k] * self.volumes[self.time[k]]
            straight = self.straight[k]  # no cells at one end: they come or go evenly
            for i, stretch in enumerate(self.stretches):
                if not self.time[k] <= stretch.end <= self.time[k + 1]:
                    continue
                if stretch.end > self.time[k]:
                    length = stretch.end - stretch.start
                    if straight:
                        ends = np.interp([stretch.start, stretch.end], self.time[k : k + 2], density[k : k + 2])
                        integrals[i] = length * np.mean(ends * [stretch.volume, stretch.end_volume])
                        amount = ends[1] * stretch.end_volume
                    else:
                        nodes = 0.5 * (_NODES + 1.0)
                        there = [np.exp(rate * length * x - _drained(stretch, x)) for x in nodes]
                        integrals[i] = amount * length * 0.5 * float(_WEIGHTS @ there)
                        amount *= np.exp(rate * length - _drained(stretch, 1.0))
                at_end[i] = amount
                if stretch.end < self.time[k + 1]:
                    amount *= _kept(stretch)
        return integrals, at_end


def _drained(stretch: Stretch, share: float) -> float:
    """Return the integral of bleed over volume [1] through this share of a stretch: what dilutes away of the cells."""
    if stretch.bleed == 0.0 or stretch.end == stretch.start:
        return 0.0
    length, change = share * (stretch.end - stretch.start), stretch.end_volume - stretch.volume
    if change == 0.0:
        return stretch.bleed * length / stretch.volume
    slope = change / (stretch.end - stretch.start)
    return stretch.bleed / slope * float(np.log1p(slope * length / stretch.volume))


def _kept(stretch: Stretch) -> float:
    """Return the part [1] of the cells that the events at the end of a stretch leave."""
    kept, volume = 1.0, stretch.end_volume
    for event in stretch.events:
        match event:
            case Sample(volume=taken):
                kept *= 1.0 - taken / volume
                volume -= taken
            case Bolus(volume=added):
                volume += added
    return kept


def _turned_over(run: CultureRun, quantity: str, balances: Sequence[Balance]) -> tuple[float, float]:
    """Return what was turned over in these intervals, and its standard error: samples between count with both sides."""
    series = run.measurements[quantity]
    error = dict(zip(series.time.tolist(), series.standard_error.tolist(), strict=True))
    by_sample: dict[float, float] = defaultdict(float)
    for one in balances:
        by_sample[one.start] += one.by_begin * one.begin_volume
        by_sample[one.end] += one.by_found * one.end_volume
    off = np.sqrt(sum((weight * error[time]) ** 2 for time, weight in by_sample.items()))
    return float(sum(one.turned_over for one in balances)), float(off)


def _rates_of(run: CultureRun, quantity: str, balances: Sequence[Balance], cells: _Cells) -> list[MeasuredRate]:
    """Return the rates of a species, between samples and since the first."""
    found = []
    for since in (False, True):
        for k in range(len(balances)):
            parts = balances[0 if since else k : k + 1]
            turned_over, off = _turned_over(run, quantity, parts)
            integral, by_count = cells.between(parts[0].start, parts[-1].end)
            if integral <= 0.0:
                continue
            value = turned_over / integral
            of_cells = np.sqrt(np.sum((by_count * cells.error) ** 2)) / integral
            found.append(MeasuredRate(
                run.name, quantity, SPECIFIC_RATE, parts[0].start, parts[-1].end, turned_over, integral, value,
                float(np.hypot(off / integral, value * of_cells)), since,
            ))  # fmt: skip
    return found


def _growth(run: CultureRun, cells: _Cells, first: float, last: float) -> list[MeasuredRate]:
    """Return the growth rates of viable cells, between counts and since the first of the phase."""
    inside = [k for k in range(len(cells.time) - 1) if cells.time[k] >= first and cells.time[k + 1] <= last]
    found = []
    for since in (False, True):
        for k in inside:
            begin = inside[0] if since else k
            start, end = float(cells.time[begin]), float(cells.time[k + 1])
            value = cells.growth(begin, k + 1)
            if not np.isfinite(value):
                continue
            integral = cells.between(start, end)[0]
            # the counts between do not matter
            off = np.hypot(cells.error[begin] / cells.density[begin], cells.error[k + 1] / cells.density[k + 1])
            found.append(MeasuredRate(run.name, GROWTH, GROWTH_UNIT, start, end, value * integral, integral, value,
                                      float(off / (end - start)), since))  # fmt: skip
    return found


def _death(run: CultureRun, cells: _Cells, first: float, last: float) -> list[MeasuredRate]:
    """Return the rates at which viable cells became dead ones, lysis not counted; none where these are not known."""
    dead = _dead_cells(run)
    if dead is None:
        return []
    counted = replace(run, measurements={TCD: dead})
    within = [one for one in balances_of(counted, TCD) if one.start >= first and one.end <= last]
    return [replace(rate, quantity=DEATH, unit=GROWTH_UNIT) for rate in _rates_of(counted, TCD, within, cells)]


def _dead_cells(run: CultureRun) -> Measurement | None:
    """Return the dead cells of a run [10^9 cells/L]: total less viable, or by the viability where it was measured."""
    viable = run.measurements[VCD]
    if TCD in run.measurements:
        total = run.measurements[TCD]
        time, i, j = np.intersect1d(viable.time, total.time, return_indices=True)
        value = total.value[j] - viable.value[i]
        error = np.hypot(total.standard_error[j], viable.standard_error[i])
    elif VIABILITY in run.measurements:
        living = run.measurements[VIABILITY]
        time, i, j = np.intersect1d(viable.time, living.time, return_indices=True)
        value, error = _of_viability(viable, i, living.value[j], living.standard_error[j])
    elif VIABILITY in run.signals:
        known = run.signals[VIABILITY]  # an input that is known at any time, without an error
        time, i = viable.time, np.arange(len(viable.time))
        value, error = _of_viability(viable, i, np.interp(time, known.time, known.value), np.zeros(len(time)))
    else:
        return None
    return Measurement(TCD, CELL_DENSITY, time, np.maximum(value, 0.0), error) if len(time) > 1 else None


def _of_viability(viable: Measurement, counts: np.ndarray, share: np.ndarray, error: np.ndarray):
    """Return the dead cells [10^9 cells/L] of these counts and viabilities [1], and their error."""
    share = np.maximum(share, 1e-3)
    dead = viable.value[counts] * (1.0 / share - 1.0)
    return dead, np.hypot(viable.standard_error[counts] * (1.0 / share - 1.0), viable.value[counts] * error / share**2)
