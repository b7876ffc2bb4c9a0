"""specific_rates: specific rates, growth and death of a run, computed from its samples without a model.

A specific rate is the net production between two samples (`mass_balances`) over the integral of the viable cells in
that time. Between two counts the cells grow or decline exponentially, corrected for what samples and bleed take.
Standard errors come from the assays, to first order; counts of different times and species are independent. An interval
that begins or ends at a detection limit has no rate, and neither has one shorter than a minute, such as between a
sample before and one after a feed. Rates since the start begin at the first sample above its detection limit.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graycell.balances.mass_balances import (
    AMOUNT,
    AMOUNT_OF_CELLS,
    CELLS,
    MASS,
    RETAINED,
    Balance,
    MassBalances,
    balances_of,
    flow_intervals,
    growth_rate,
    summed,
)
from graycell.balances.rule_volumes import unknown_before_the_last_sample, with_known_volumes
from graycell.balances.series import has_balance
from graycell.errors import Finding, InputError, nearest
from graycell.runs.checks import check_runs
from graycell.runs.records import REDOX, TCD, VCD, VIABILITY, CultureRun, Measurement
from graycell.units import CELL_DENSITY, MASS_CONCENTRATION, MASS_RATE, SPECIFIC_RATE
from graycell.views import Viewed

GROWTH, DEATH = "growth", "death"
GROWTH_UNIT = "1/d"
NOT_PRODUCED = (REDOX, VIABILITY, *CELLS)
"""Measured quantities that are no species, so they have no specific rate of production."""
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(8)
_SHARES, _WEIGHTS = 0.5 * (_NODES + 1.0), 0.5 * _NODE_WEIGHTS
"""Gauss-Legendre nodes and weights on 0..1, for an exponential over one interval."""
ONE_MINUTE = 1.0 / 1440.0
"""[d] Two samples that are closer in time say nothing about a rate."""
_PART = 1e-4
"""Relative change [1] of a count in a numerical derivative."""


@dataclass(frozen=True)
class SpecificRate:
    """A specific rate between two samples.

    Attributes:
        run: name of the run.
        quantity: a species, ``growth`` (net growth of viable cells: growth less death) or ``death`` (viable cells that
            become dead ones; lysis is not counted).
        unit: of the rate: mmol/(10^9 cells)/d, g/(10^9 cells)/d for what was measured in g/L, or 1/d.
        start: [d].
        end: [d].
        net_production: by the cells, in `unit_of_amount`; negative for uptake.
        viable_cells: their integral over the time [10^9 cells d].
        value: the rate in `unit`.
        standard_error: of the rate in `unit`.
        since_start: True for a rate since the first sample of the phase above its detection limit, False for one since
            the sample before.
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
    def unit_of_amount(self) -> str:
        """Unit of `net_production`: mmol, g for a rate in g/(10^9 cells)/d, or 10^9 cells for growth and death."""
        return {SPECIFIC_RATE: AMOUNT, MASS_RATE: MASS}.get(self.unit, AMOUNT_OF_CELLS)

    @property
    def doubling_time(self) -> float:
        """Time [d] in which the viable cells double: infinite if they do not grow, NaN for other rates than growth."""
        if self.quantity != GROWTH:
            return float("nan")
        return float(np.log(2.0) / self.value) if self.value > 0.0 else float("inf")


@dataclass(frozen=True)
class SpecificRates(Viewed):
    """The specific rates of a run, and the balances and cell numbers they are computed from.

    Attributes:
        run: the run.
        rates: of each quantity, between each two samples and since the first one of the phase.
        balances: the balances of amounts in the phase.
        time: (points,) every count, event and sample of the phase [d].
        cells: (points,) viable cells there [10^9 cells].
        integral: (points,) integral of the viable cells since the start of the phase [10^9 cells d].
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
        """Return the rate of each quantity over the whole phase.

        Returns:
            One rate for each quantity.
        """
        return tuple({rate.quantity: rate for rate in self.rates if rate.since_start}.values())

    def yields(self, per: str = "GLC") -> dict[str, tuple[float, float]]:
        """Return the yield of each species per uptake of a substrate.

        Net production and uptake are summed over the samples that both have, from the first to the last.

        Args:
            per: name of the substrate.

        Returns:
            Yield and its standard error by species, in mmol/mmol; in g for what was measured in g/L.

        Raises:
            InputError: `per` was not measured, or was not taken up.
        """
        return yields_of(self.run, self.balances, per)


def yields_of(run: CultureRun, balances: Iterable[Balance], per: str) -> dict[str, tuple[float, float]]:
    """Return yields from the balances of a run, see `SpecificRates.yields`.

    Args:
        run: the run.
        balances: of the substrate and the species whose yields are wanted.
        per: name of the substrate.

    Returns:
        Yield and its standard error by species, in mmol/mmol; in g for what was measured in g/L.

    Raises:
        InputError: `per` was not measured, or was not taken up.
    """
    by_quantity: dict[str, dict[tuple[float, float], Balance]] = {}
    for balance in balances:
        if balance.is_known:
            by_quantity.setdefault(balance.quantity, {})[balance.start, balance.end] = balance
    place = f"run '{run.name}', yields"
    if per not in by_quantity:
        needed = "yields are per amount of a measured species"
        raise InputError([Finding(place, f"no '{per}'", needed, nearest(per, by_quantity))])
    yields = {}
    for name, rows in by_quantity.items():
        shared = [span for span in rows if span in by_quantity[per]]
        if name == per or not shared:
            continue
        made, made_error = summed(run.measurements[name], [rows[span] for span in shared])
        taken, taken_error = summed(run.measurements[per], [by_quantity[per][span] for span in shared])
        if taken >= 0.0:
            needed = "yields are per amount taken up"
            raise InputError([Finding(place, f"a net production of {per}", needed, "name another substrate")])
        yields[name] = -made / taken, float(np.hypot(made_error, made / taken * taken_error) / abs(taken))
    return yields


def specific_rates(
    run: CultureRun, start: float = 0.0, end: float = float("inf"), *, retained: Collection[str] = RETAINED
) -> SpecificRates:
    """Compute the specific rates of a run from its samples.

    Args:
        run: a run with two or more counts of viable cells.
        start: start of the phase [d].
        end: end of the phase [d].
        retained: quantities that a cell filter retains in a harvest.

    Returns:
        The rates of the samples between `start` and `end`.

    Raises:
        InputError: the run is faulty, has fewer than two counts of viable cells, or no quantity has two samples in the
            phase.
        TypeError: several runs were given, as before 0.2, when a function of this name made a model.
    """
    if not isinstance(run, CultureRun):
        raise TypeError(
            f"specific_rates takes one run, found a {type(run).__name__}; the model of before with learned specific "
            "rates is made by neural_rates_model(runs)."
        )
    errors = [finding for finding in check_runs([run]) if finding.severity == "error"]
    errors += unknown_before_the_last_sample(run)
    counted = run.measurements.get(VCD)
    if counted is None or len(counted.time) < 2:
        errors.append(Finding(f"run '{run.name}', {VCD}", f"{0 if counted is None else len(counted.time)} counts",
                              "rates are per viable cell, so 2 or more are needed", f"give {VCD}"))  # fmt: skip
    if errors or counted is None:
        raise InputError(errors)
    run = with_known_volumes(run)
    times = np.unique(np.concatenate([series.time for series in run.measurements.values()]))
    cells = _Cells(run, times, counted)
    first, last = max(start, float(counted.time[0])), min(end, float(counted.time[-1]))

    rates, balances, mass_balances = [*_growth(run, cells, first, last)], [], MassBalances(run, retained)
    for quantity in run.measurements:
        if quantity in NOT_PRODUCED or not has_balance(run, quantity):
            continue
        within = [
            balance for balance in mass_balances.balances(quantity) if balance.start >= first and balance.end <= last
        ]
        balances += within
        rates += _rates_of(run, quantity, within, cells)
    rates += _death(run, cells, first, last)
    if not rates:
        raise InputError([Finding(f"run '{run.name}'", f"no two samples between {start:g} and {min(end, run.end):g} d",
                                  "a rate needs two", "choose a longer phase")])  # fmt: skip
    return SpecificRates(run, tuple(rates), tuple(balances), *cells.path(first, last))


class _Cells:
    """Viable cells [10^9 cells] in the flow intervals of a run: exponential between counts."""

    def __init__(self, run: CultureRun, times: np.ndarray, counted: Measurement):
        self.intervals = flow_intervals(run, times)
        self.time, self.error, self.density = counted.time, counted.standard_error, counted.value
        volumes = {interval.end: interval.end_volume for interval in self.intervals}
        self.volume = np.array([volumes[time] for time in self.time.tolist()])
        self.integrals, self.at_end = np.zeros(len(self.intervals)), np.zeros(len(self.intervals))
        self.by_count = np.zeros((len(self.intervals), len(self.time)))
        for k in range(len(self.time) - 1):
            inside = [
                i for i, interval in enumerate(self.intervals) if self.time[k] <= interval.end <= self.time[k + 1]
            ]
            ends = self.density[k : k + 2]
            # decided before counts are changed: an exponential from a count of 0 plus its error would span decades
            straight = not np.all(ends > 0.0)
            integrals, self.at_end[inside] = self._between_counts(k, inside, ends, straight)
            self.integrals[inside] += integrals  # the first interval ended at the count before and has length 0 here
            for side in (0, 1):
                step = np.zeros(2)
                step[side] = _PART * ends[side] or self.error[k + side]
                up, down = ends + step, np.maximum(ends - step, 0.0)
                change = self._between_counts(k, inside, up, straight)[0]
                change = change - self._between_counts(k, inside, down, straight)[0]
                self.by_count[inside, k + side] += change / (up - down)[side]

    def growth(self, first: int, last: int) -> float:
        """Return the specific growth rate [1/d] from one count to a later one; NaN if one of them is 0."""
        start, end = self.time[first], self.time[last]
        amounts = self.density * self.volume
        between = [interval for interval in self.intervals if start <= interval.end <= end]
        return growth_rate(between, start, end, amounts[first], amounts[last])

    def between(self, start: float, end: float) -> tuple[float, np.ndarray]:
        """Return the integral of viable cells [10^9 cells d] over a time, and its derivative by the counts."""
        inside = [i for i, interval in enumerate(self.intervals) if interval.start >= start and interval.end <= end]
        return float(np.sum(self.integrals[inside])), np.sum(self.by_count[inside], axis=0)

    def path(self, first: float, last: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the ends of the intervals [d] in a phase, and the cells and their integral since `first` there."""
        inside = [i for i, interval in enumerate(self.intervals) if first <= interval.end <= last]
        ends = np.array([self.intervals[i].end for i in inside])
        return ends, self.at_end[inside], np.cumsum(np.where(ends > first, self.integrals[inside], 0.0))

    def _between_counts(
        self, k: int, inside: Sequence[int], ends: np.ndarray, straight: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the integral of the cells in each interval between two counts, and the cells at its end.

        inside: indices of the intervals; ends: the two counts [10^9 cells/L]; straight: whether the density is
        linear in time, because one of the counts is 0.
        """
        intervals = [self.intervals[i] for i in inside]
        start, end = self.time[k], self.time[k + 1]
        first, last = ends * self.volume[k : k + 2]
        rate = 0.0 if straight else growth_rate(intervals, start, end, first, last)
        integrals, at_end = np.zeros(len(inside)), np.zeros(len(inside))
        amount = first
        for i, interval in enumerate(intervals):
            if interval.end > start:
                length = interval.end - interval.start
                if straight:
                    here = np.interp([interval.start, interval.end], [start, end], ends) * [
                        interval.volume,
                        interval.end_volume,
                    ]
                    integrals[i], amount = length * np.mean(here), here[1]
                else:
                    shares = (*_SHARES, 1.0)
                    along = amount * np.exp([rate * length * x - interval.dilution(interval.bleed, x) for x in shares])
                    integrals[i], amount = length * float(_WEIGHTS @ along[:-1]), along[-1]
            at_end[i] = amount
            amount *= interval.kept()
        return integrals, at_end


def _rates_of(run: CultureRun, quantity: str, balances: Sequence[Balance], cells: _Cells) -> list[SpecificRate]:
    """Return the rates of a species, between samples and since the first."""
    rates, unit = [], MASS_RATE if run.measurements[quantity].unit == MASS_CONCENTRATION else SPECIFIC_RATE
    known = next((k for k, balance in enumerate(balances) if not balance.begin_below), 0)
    for since in (False, True):
        for k in range(known, len(balances)):
            parts = balances[known if since else k : k + 1]
            if parts[0].begin_below or parts[-1].found_below or parts[-1].end - parts[0].start < ONE_MINUTE:
                continue
            net_production, error = summed(run.measurements[quantity], parts)
            integral, by_count = cells.between(parts[0].start, parts[-1].end)
            if integral <= 0.0:
                continue
            value = net_production / integral
            cells_error = np.sqrt(np.sum((by_count * cells.error) ** 2)) / integral
            rates.append(SpecificRate(
                run.name, quantity, unit, parts[0].start, parts[-1].end, net_production, integral, value,
                float(np.hypot(error / integral, value * cells_error)), since,
            ))  # fmt: skip
    return rates


def _growth(run: CultureRun, cells: _Cells, first: float, last: float) -> list[SpecificRate]:
    """Return the growth rates of viable cells, between counts and since the first of the phase."""
    inside = [k for k in range(len(cells.time) - 1) if cells.time[k] >= first and cells.time[k + 1] <= last]
    rates = []
    for since in (False, True):
        for k in inside:
            begin = inside[0] if since else k
            start, end = float(cells.time[begin]), float(cells.time[k + 1])
            value = cells.growth(begin, k + 1)
            if not np.isfinite(value) or end - start < ONE_MINUTE:
                continue
            integral = cells.between(start, end)[0]
            # counts between the two cancel
            relative_error = np.hypot(
                cells.error[begin] / cells.density[begin], cells.error[k + 1] / cells.density[k + 1]
            )
            rates.append(SpecificRate(run.name, GROWTH, GROWTH_UNIT, start, end, value * integral, integral, value,
                                      float(relative_error / (end - start)), since))  # fmt: skip
    return rates


def _death(run: CultureRun, cells: _Cells, first: float, last: float) -> list[SpecificRate]:
    """Return the rates at which viable cells become dead ones; none if the dead cells are not known."""
    dead = _dead_cells(run)
    if dead is None:
        return []
    counted = replace(run, measurements={TCD: dead})
    within = [balance for balance in balances_of(counted, TCD) if balance.start >= first and balance.end <= last]
    return [replace(rate, quantity=DEATH, unit=GROWTH_UNIT) for rate in _rates_of(counted, TCD, within, cells)]


def _dead_cells(run: CultureRun) -> Measurement | None:
    """Return the dead cells of a run [10^9 cells/L]: total less viable cells, or from the viability."""
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
        known = run.signals[VIABILITY]  # a known input, without an error
        time, i = viable.time, np.arange(len(viable.time))
        value, error = _of_viability(viable, i, np.interp(time, known.time, known.value), np.zeros(len(time)))
    else:
        return None
    return Measurement(TCD, CELL_DENSITY, time, np.maximum(value, 0.0), error) if len(time) > 1 else None


def _of_viability(viable: Measurement, counts: np.ndarray, share: np.ndarray, error: np.ndarray):
    """Return the dead cells [10^9 cells/L] from counts and viabilities [1], and their standard error."""
    share = np.maximum(share, 1e-3)
    dead = viable.value[counts] * (1.0 / share - 1.0)
    return dead, np.hypot(viable.standard_error[counts] * (1.0 / share - 1.0), viable.value[counts] * error / share**2)
