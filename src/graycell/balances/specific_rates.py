"""specific_rates: a run -> specific rates, growth and death as its samples show them, without any model.

The amount that the cells turned over between two samples (`runs.bookkeeping`) over the integral of the viable cells
there. Cells grow or decline exponentially between two counts, apart from what samples and a bleed take. Errors are
those of the assays, to first order, and take the counts of different times and species as independent. An interval that
begins or ends at a detection limit has no rate, nor has one between samples of one moment, such as before and after a
feed; what is since the start is since the first sample above its detection limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graycell.balances.mass_balances import (
    CELLS,
    Balance,
    MassBalances,
    balances_of,
    flow_intervals,
    growth_rate,
    summed,
)
from graycell.errors import Finding, InputError, nearest
from graycell.runs.checks import check_runs
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY, CultureRun, Measurement
from graycell.units import CELL_DENSITY, SPECIFIC_RATE

GROWTH, DEATH = "growth", "death"
GROWTH_UNIT = "1/d"
NOT_TURNED_OVER = (REDOX, VIABILITY, *CELLS)
"""Measured quantities that cells do not make or take up as they do a species."""
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(8)
_SHARES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _NODE_WEIGHTS
"""Gauss-Legendre nodes and weights on 0..1, for an exponential over one stretch."""
MOMENT = 1.0 / 1440.0
"""[d] Samples that are nearer to each other, a minute, are of one moment."""
_PART = 1e-4
"""Part of a count by which it is changed to see what depends on it."""


@dataclass(frozen=True)
class SpecificRate:
    """A specific rate between two samples.

    quantity: a species, ``growth`` (of viable cells, so growth less death) or ``death`` (viable cells that became dead
    ones, lysis not counted); start, end: [d]; net_production: by the cells [mmol, 10^9 cells], negative where they take
    up; viable_cells: their integral over the time [10^9 cells d]; value, standard_error: in `unit`, [mmol/(10^9
    cells)/d] or [1/d]; since_start: whether `start` is the first sample of the phase that is above its
    detection limit, not the sample before.
    """

    run: str
    quantity: str
    unit: str
    start: float
    end: float
    net_production: float
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
class SpecificRates:
    """What the samples of a run show.

    rates: between each two samples of a quantity, and since the first one of the phase; balances: the amounts that they
    come from; time, cells, integral: (points,) [d], viable cells [10^9 cells] and their integral over the phase so far
    [10^9 cells d], at every count, event and sample.
    """

    run: CultureRun
    rates: tuple[SpecificRate, ...]
    balances: tuple[Balance, ...]
    time: np.ndarray
    cells: np.ndarray
    integral: np.ndarray

    def __repr__(self) -> str:
        quantities = dict.fromkeys(rate.quantity for rate in self.rates)
        phase = f"day {self.time[0]:g} to {self.time[-1]:g}"
        return f"SpecificRates(run '{self.run.name}', {phase}: {', '.join(quantities)})"

    def of_phase(self) -> tuple[SpecificRate, ...]:
        """Return the rate of each quantity over the whole phase."""
        return tuple({rate.quantity: rate for rate in self.rates if rate.since_start}.values())

    def yields(self, per: str = "GLC") -> dict[str, tuple[float, float]]:
        """Return what was made per `per` that was taken up [mmol/mmol], with its standard error.

        Both are summed over the samples that they share, from the first of them to the last. Raises `InputError` where
        `per` was not measured, or not taken up.
        """
        return yields_of(self.run, self.balances, per)


def yields_of(run: CultureRun, balances: Iterable[Balance], per: str) -> dict[str, tuple[float, float]]:
    """Return the yields [mmol/mmol] that balances of a run tell, as `SpecificRates.yields` does; raises as it does."""
    of: dict[str, dict[tuple[float, float], Balance]] = {}
    for one in balances:
        if one.is_known:
            of.setdefault(one.quantity, {})[one.start, one.end] = one
    place = f"run '{run.name}', yields"
    if per not in of:
        raise InputError([Finding(place, f"no '{per}'", "what yields are per was measured", nearest(per, of))])
    found = {}
    for name, rows in of.items():
        shared = [span for span in rows if span in of[per]]
        if name == per or not shared:
            continue
        made, error = summed(run.measurements[name], [rows[span] for span in shared])
        taken, of_taken = summed(run.measurements[per], [of[per][span] for span in shared])
        if taken >= 0.0:
            raise InputError([Finding(place, f"{per} was made", "yields are per what is taken up", "name another")])
        found[name] = -made / taken, float(np.hypot(error, made / taken * of_taken) / abs(taken))
    return found


def specific_rates(run: CultureRun, start: float = 0.0, end: float = float("inf")) -> SpecificRates:
    """Return the specific rates of a run, from the samples of the phase between `start` and `end` [d].

    Raises `InputError` where the run is faulty, where viable cells were counted fewer than twice, or where no quantity
    has two samples in the phase.
    """
    errors = [finding for finding in check_runs([run]) if finding.severity == "error"]
    counted = run.measurements.get(VCD)
    if counted is None or len(counted.time) < 2:
        errors.append(Finding(f"run '{run.name}', {VCD}", f"{0 if counted is None else len(counted.time)} counts",
                              "rates are per viable cell, so 2 or more are needed", f"give {VCD}"))  # fmt: skip
    if errors or counted is None:
        raise InputError(errors)
    times = np.unique(np.concatenate([series.time for series in run.measurements.values()]))
    cells = _Cells(run, times, counted)
    first, last = max(start, float(counted.time[0])), min(end, float(counted.time[-1]))

    rates, balances, books = [*_growth(run, cells, first, last)], [], MassBalances(run)
    for quantity in run.measurements:
        if quantity in NOT_TURNED_OVER:
            continue
        within = [one for one in books.balances(quantity) if one.start >= first and one.end <= last]
        balances += within
        rates += _rates_of(run, quantity, within, cells)
    rates += _death(run, cells, first, last)
    if not rates:
        raise InputError([Finding(f"run '{run.name}'", f"no two samples between {start:g} and {min(end, run.end):g} d",
                                  "a rate needs two", "choose a longer phase")])  # fmt: skip
    return SpecificRates(run, tuple(rates), tuple(balances), *cells.path(first, last))


class _Cells:
    """Viable cells [10^9 cells] along the stretches of a run: exponential between counts."""

    def __init__(self, run: CultureRun, times: np.ndarray, counted: Measurement):
        self.stretches = flow_intervals(run, times)
        self.time, self.error, self.density = counted.time, counted.standard_error, counted.value
        volumes = {stretch.end: stretch.end_volume for stretch in self.stretches}
        self.volume = np.array([volumes[time] for time in self.time.tolist()])
        self.integrals, self.at_end = np.zeros(len(self.stretches)), np.zeros(len(self.stretches))
        self.by_count = np.zeros((len(self.stretches), len(self.time)))
        for k in range(len(self.time) - 1):
            inside = [i for i, one in enumerate(self.stretches) if self.time[k] <= one.end <= self.time[k + 1]]
            ends = self.density[k : k + 2]
            # decided once: a count of 0 that is changed by its error would else come to be grown from over decades
            straight = not np.all(ends > 0.0)
            integrals, self.at_end[inside] = self._between_counts(k, inside, ends, straight)
            self.integrals[inside] += integrals  # the first one ended at the count before, and lasts no longer
            for side in (0, 1):
                step = np.zeros(2)
                step[side] = _PART * ends[side] or self.error[k + side]
                up, down = ends + step, np.maximum(ends - step, 0.0)
                change = self._between_counts(k, inside, up, straight)[0]
                change = change - self._between_counts(k, inside, down, straight)[0]
                self.by_count[inside, k + side] += change / (up - down)[side]

    def growth(self, first: int, last: int) -> float:
        """Return the specific growth rate [1/d] from one count to a later one; NaN where one found no cells."""
        start, end = self.time[first], self.time[last]
        amounts = self.density * self.volume
        between = [one for one in self.stretches if start <= one.end <= end]
        return growth_rate(between, start, end, amounts[first], amounts[last])

    def between(self, start: float, end: float) -> tuple[float, np.ndarray]:
        """Return the integral of viable cells [10^9 cells d] from `start` to `end`, and its derivative by counts."""
        inside = [i for i, one in enumerate(self.stretches) if one.start >= start and one.end <= end]
        return float(np.sum(self.integrals[inside])), np.sum(self.by_count[inside], axis=0)

    def path(self, first: float, last: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return from first to last the ends of the stretches [d], and there cells and their integral since first."""
        inside = [i for i, one in enumerate(self.stretches) if first <= one.end <= last]
        ends = np.array([self.stretches[i].end for i in inside])
        return ends, self.at_end[inside], np.cumsum(np.where(ends > first, self.integrals[inside], 0.0))

    def _between_counts(
        self, k: int, inside: Sequence[int], ends: np.ndarray, straight: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return for stretches between two counts [10^9 cells/L] the integral of the cells, and the cells at the end.

        straight: whether the density goes evenly, because there were no cells at one end.
        """
        stretches = [self.stretches[i] for i in inside]
        start, end = self.time[k], self.time[k + 1]
        first, last = ends * self.volume[k : k + 2]
        rate = 0.0 if straight else growth_rate(stretches, start, end, first, last)
        integrals, at_end = np.zeros(len(inside)), np.zeros(len(inside))
        amount = first
        for i, one in enumerate(stretches):
            if one.end > start:
                length = one.end - one.start
                if straight:
                    here = np.interp([one.start, one.end], [start, end], ends) * [one.volume, one.end_volume]
                    integrals[i], amount = length * np.mean(here), here[1]
                else:
                    shares = (*_SHARES, 1.0)
                    along = amount * np.exp([rate * length * x - one.dilution(one.bleed, x) for x in shares])
                    integrals[i], amount = length * float(_WEIGHTS @ along[:-1]), along[-1]
            at_end[i] = amount
            amount *= one.kept()
        return integrals, at_end


def _rates_of(run: CultureRun, quantity: str, balances: Sequence[Balance], cells: _Cells) -> list[SpecificRate]:
    """Return the rates of a species, between samples and since the first."""
    found = []
    known = next((k for k, one in enumerate(balances) if not one.begin_below), 0)
    for since in (False, True):
        for k in range(known, len(balances)):
            parts = balances[known if since else k : k + 1]
            if parts[0].begin_below or parts[-1].found_below or parts[-1].end - parts[0].start < MOMENT:
                continue
            net_production, off = summed(run.measurements[quantity], parts)
            integral, by_count = cells.between(parts[0].start, parts[-1].end)
            if integral <= 0.0:
                continue
            value = net_production / integral
            of_cells = np.sqrt(np.sum((by_count * cells.error) ** 2)) / integral
            found.append(SpecificRate(
                run.name, quantity, SPECIFIC_RATE, parts[0].start, parts[-1].end, net_production, integral, value,
                float(np.hypot(off / integral, value * of_cells)), since,
            ))  # fmt: skip
    return found


def _growth(run: CultureRun, cells: _Cells, first: float, last: float) -> list[SpecificRate]:
    """Return the growth rates of viable cells, between counts and since the first of the phase."""
    inside = [k for k in range(len(cells.time) - 1) if cells.time[k] >= first and cells.time[k + 1] <= last]
    found = []
    for since in (False, True):
        for k in inside:
            begin = inside[0] if since else k
            start, end = float(cells.time[begin]), float(cells.time[k + 1])
            value = cells.growth(begin, k + 1)
            if not np.isfinite(value) or end - start < MOMENT:
                continue
            integral = cells.between(start, end)[0]
            # the counts between do not matter
            off = np.hypot(cells.error[begin] / cells.density[begin], cells.error[k + 1] / cells.density[k + 1])
            found.append(SpecificRate(run.name, GROWTH, GROWTH_UNIT, start, end, value * integral, integral, value,
                                      float(off / (end - start)), since))  # fmt: skip
    return found


def _death(run: CultureRun, cells: _Cells, first: float, last: float) -> list[SpecificRate]:
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
