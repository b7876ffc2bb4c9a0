"""Checks of one run for what no culture does; each yields a finding for everything implausible, see `plausibility`.

Names of solutes (GLC, LAC, NH3, amino acids) are those of `runs.solutes`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from graycell.balances.mass_balances import Balance, FlowInterval, MassBalances, flow_intervals, growth_rate, summed
from graycell.balances.outliers import cleaned
from graycell.balances.series import FEWEST, read_in, species_series
from graycell.balances.specific_rates import SpecificRates, specific_rates, yields_of
from graycell.errors import Finding, InputError
from graycell.runs.records import (
    REDOX,
    TCD,
    VCD,
    VIABILITY,
    AnyBolus,
    AnyFeed,
    Bolus,
    CultureRun,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Signal,
)
from graycell.runs.solutes import FORMULAS, NOT_MADE, atoms_of

FASTEST_GROWTH = 1.7
"""[1/d] A doubling in 9.8 h; a limit of this project."""
FASTEST_UPTAKE = 30.0
"""[mmol/(10^9 cells)/d] of glucose; a limit of this project."""
SURE = 4.0
"""Standard errors beyond which an assay error is no explanation."""
SMALL = 0.02
"""Part of its largest value below which a change of a quantity is not reported."""
_A_MOMENT = 3.0 / 86400.0
"""[d] Between a feed and a sample of one row."""
CLOSES = 0.02
"""Relative error [1] up to which a volume balance closes; a limit of this project."""
_NO_CARBON = (VCD, TCD, VIABILITY, REDOX, "BIOM", "ANTI")
"""What cells make of the carbon that is counted; anything else that is not in `FORMULAS` may be a source of carbon."""
_AMINO_ACIDS_FOR_NITROGEN = 10
"""If fewer are measured, ammonia may come from those that are not."""


def cells_double_as_cells_do(run: CultureRun) -> Iterator[Finding]:
    """Between two counts the cells grow no faster than any CHO cell does.

    Args:
        run: the run.

    Yields:
        A warning for the steepest pair of counts: yeasts and bacteria grow faster.
    """
    if VCD not in run.measurements:
        return
    counted = run.measurements[VCD]
    errors = cleaned(run, VCD).standard_error
    intervals = flow_intervals(run, counted.time)
    volumes = {interval.end: interval.end_volume for interval in intervals}
    steep: list[tuple[float, float, float]] = []
    for k, (start, end) in enumerate(pairwise(counted.time.tolist())):
        between = [interval for interval in intervals if start <= interval.end <= end]
        begin, found = counted.value[k] * volumes[start], counted.value[k + 1] * volumes[end]
        growth = growth_rate(between, start, end, begin, found)
        if not growth > FASTEST_GROWTH:
            continue
        error = np.hypot(*errors[k : k + 2] / counted.value[k : k + 2]) / (end - start)
        if growth - SURE * error > FASTEST_GROWTH:
            steep.append((growth, start, end))
    if steep:
        growth, start, end = max(steep)
        more = f", and {len(steep) - 1} more such times" if len(steep) > 1 else ""
        yield Finding(
            f"run '{run.name}', {VCD} from {start:g} to {end:g} d",
            f"cells that double in {24.0 * np.log(2.0) / growth:.1f} h{more}",
            "no CHO cell doubles in less than 10 h; yeasts and bacteria do",
            "leave it for a microbe; else look at the counts and their unit", "warning",
        )  # fmt: skip


def what_cells_do_not_make_rises_only_when_fed(run: CultureRun) -> Iterator[Finding]:
    """Glucose and essential amino acids rise by no more than what is fed, between two samples and over the run.

    Args:
        run: the run.

    Yields:
        An error for glucose and a warning for amino acids, which peptides of a feed release.
    """
    mass_balances = MassBalances(run)
    for species in (name for name in NOT_MADE if name in run.measurements):
        series, balances = run.measurements[species], _known(mass_balances, species)
        # a rise that is too slow to be significant between two samples is significant over the run
        for part in [*([balance] for balance in balances), *([balances] if len(balances) > 1 else [])]:
            made = sum(balance.net_production for balance in part)
            is_large = made > SMALL * np.max(series.value) * part[-1].end_volume
            if is_large and made > SURE * summed(series, part)[1]:
                severity = "error" if species == "GLC" else "warning"
                factor, unit = read_in(run, species, part[0].unit)
                yield Finding(
                    f"run '{run.name}', {species} from {part[0].start:g} to {part[-1].end:g} d",
                    f"{factor * made:.3g} {unit} more than was there and fed", "cells take it up and do not make it",
                    "look for a feed that is missing or too small, and at its composition", severity,
                )  # fmt: skip


def carbon_and_nitrogen_come_from_somewhere(run: CultureRun) -> Iterator[Finding]:
    """The measured solutes gain no more carbon, or nitrogen, than is fed.

    Args:
        run: the run.

    Yields:
        An error for carbon, unless something is fed whose carbon is not known; a warning for nitrogen, of which a part
        may not be measured.
    """
    fed = {name for composition in (run.initial, *run.media.values()) for name, value in composition.items() if value}
    is_all_known = fed <= {*FORMULAS, *_NO_CARBON}
    mass_balances, names = MassBalances(run), [name for name in FORMULAS if name in run.measurements]
    known = {name: _known(mass_balances, name) for name in names}
    rich = len(set(names) - {"GLC", "LAC", "NH3"}) >= _AMINO_ACIDS_FOR_NITROGEN and {"GLN", "ASN"} <= set(names)
    for element, letter, complete in (("carbon", "C", "GLC" in names), ("nitrogen", "N", rich)):
        rows = _together(known) if complete else {}
        if not any(rows.values()):
            continue
        made = there = variance = 0.0
        for name, balances in rows.items():
            count = atoms_of(name).get(letter, 0)
            net_production, error = summed(run.measurements[name], balances)
            made, variance = made + count * net_production, variance + (count * error) ** 2
            there += count * (balances[0].begin + sum(balance.fed for balance in balances))
        if made > SURE * np.sqrt(variance) and made > SMALL * there:
            yield Finding(
                f"run '{run.name}', measurements", f"{made:.3g} mmol of {element} that was never fed",
                "what is measured holds no more than was there and fed",
                "look at the units, and for a feed that is missing",
                "error" if element == "carbon" and is_all_known else "warning",
            )  # fmt: skip


def rates_are_those_of_cells(run: CultureRun) -> Iterator[Finding]:
    """Glucose is taken up no faster than by any cell, and yields no more than two lactate.

    Args:
        run: the run.

    Yields:
        A warning for the interval in which uptake is fastest if it is too fast, and one for a yield that is too large.
    """
    mass_balances = MassBalances(run)
    balances = {name: _known(mass_balances, name) for name in ("GLC", "LAC") if name in run.measurements}
    glucose = balances.get("GLC", [])
    if VCD in run.measurements and any(_looks_fast(run.measurements[VCD], balance) for balance in glucose):
        measured = _rates_of(run, (VCD, "GLC"))
        fast = [rate for rate in (measured.rates if measured else ()) if rate.quantity == "GLC" and not rate.since_start
                and -rate.value - SURE * rate.standard_error > FASTEST_UPTAKE]  # fmt: skip
        if fast:
            rate = min(fast, key=lambda one: one.value)
            more = f", and {len(fast) - 1} more such times" if len(fast) > 1 else ""
            yield Finding(
                f"run '{run.name}', GLC from {rate.start:g} to {rate.end:g} d",
                f"{-rate.value:.3g} {rate.unit} taken up{more}", f"{FASTEST_UPTAKE:g} is the most of animal cells",
                "look at the units of glucose and cells", "warning",
            )  # fmt: skip
    try:
        both = [balance for known in balances.values() for balance in known]
        lactate, error = yields_of(run, both, "GLC").get("LAC", (0.0, 0.0)) if glucose else (0.0, 0.0)
    except InputError:  # no glucose was taken up
        return
    if lactate - SURE * error > 2.0:
        yield Finding(f"run '{run.name}', LAC and GLC", f"{lactate:.3g} lactate of a glucose",
                      "a glucose gives two lactate at most", "look at the units of both", "warning")  # fmt: skip


def the_start_is_that_of_the_first_sample(run: CultureRun) -> Iterator[Finding]:
    """The initial concentrations of a run are those that were measured at time 0.

    Args:
        run: the run.

    Yields:
        A warning for each species whose two values differ.
    """
    for name, series in species_series(run).items():
        known = series.time[0] == 0.0 and (series.below is None or not series.below[0])
        initial = run.initial.get(name) if known else None
        if initial is not None and abs(initial - series.value[0]) > SURE * series.standard_error[0]:
            factor, unit = read_in(run, name, series.unit)
            yield Finding(f"run '{run.name}', {name} at 0 d", f"{factor * initial:.4g} {unit} at the start",
                          f"{factor * series.value[0]:.4g} was measured then", "see which of the two is right",
                          "warning")  # fmt: skip


def the_start_is_above_the_detection_limit(run: CultureRun) -> Iterator[Finding]:
    """The initial concentration of a species is a measured value and not the detection limit of its first sample.

    Args:
        run: the run.

    Yields:
        A warning for each species whose initial concentration is a detection limit.
    """
    for name, series in species_series(run).items():
        below = series.time[0] == 0.0 and series.below is not None and series.below[0]
        if below and run.initial.get(name) == series.value[0] > 0.0:
            factor, unit = read_in(run, name, series.unit)
            yield Finding(f"run '{run.name}', {name} at 0 d", f"less than {factor * series.value[0]:.4g} {unit}",
                          "a model begins with this limit", "give what was there, such as 0, if it is known",
                          "warning")  # fmt: skip


def product_is_not_taken_up(run: CultureRun, product: str = "ANTI") -> Iterator[Finding]:
    """The product falls by no more than what is taken out.

    Args:
        run: the run.
        product: name of the product among the species.

    Yields:
        A warning for each interval in which product disappears.
    """
    if product not in run.measurements:
        return
    series = run.measurements[product]
    for balance in _known(MassBalances(run), product):
        lost = -balance.net_production
        if lost > SMALL * np.max(series.value) * balance.end_volume and lost > SURE * summed(series, [balance])[1]:
            factor, unit = read_in(run, product, balance.unit)
            yield Finding(f"run '{run.name}', {product} from {balance.start:g} to {balance.end:g} d",
                          f"{factor * lost:.3g} {unit} of product gone", "cells do not take it up",
                          "look at both values, and for a dilution that is missing", "warning")  # fmt: skip


def series_look_measured(run: CultureRun) -> Iterator[Finding]:
    """Measured series scatter: they are not constant, not on straight lines, and not proportional to each other.

    Args:
        run: the run.

    Yields:
        A warning for each series that looks copied or interpolated.
    """
    for name, series in species_series(run).items():
        known = np.ones(len(series.time), bool) if series.below is None else ~series.below
        equal = _longest((np.diff(series.value) == 0.0) & (series.value[1:] > 0.0) & known[1:] & known[:-1])
        if equal >= FEWEST - 1:
            yield Finding(f"run '{run.name}', {name}", f"{equal + 1} equal values in a row", "assays scatter",
                          "see whether a value was copied down", "warning")  # fmt: skip
        straight = _longest(_on_a_line(series))
        if straight >= 3:
            yield Finding(f"run '{run.name}', {name}", f"{straight + 2} values in a row on one straight line",
                          "assays scatter", "give what was measured, not what was interpolated", "warning")  # fmt: skip
    shapes: dict[tuple, list[str]] = defaultdict(list)
    for name, series in species_series(run).items():
        if len(np.unique(series.value)) >= FEWEST and series.below is None:
            shapes[(*series.time, *np.round(series.value / np.max(series.value), 6))].append(name)
    for names in shapes.values():
        if len(names) > 1:
            yield Finding(f"run '{run.name}', {' and '.join(names)}", "values in one proportion at all times",
                          "two assays differ", "see whether a column was copied", "warning")  # fmt: skip


def boluses_and_samples_fit_the_vessel(run: CultureRun) -> Iterator[Finding]:
    """Boluses and samples are not too large for the vessel, and no bolus is given twice.

    Args:
        run: the run.

    Yields:
        A warning for each of these faults.
    """
    boluses = [event for event in run.events if isinstance(event, Bolus)]
    added = sum(bolus.volume for bolus in boluses)
    flows = any(isinstance(event, Outflow) for event in run.events)
    if not flows and added > 2.0 * run.initial_volume:
        yield Finding(f"run '{run.name}', boluses", f"{added:.3g} L in all for {run.initial_volume:.3g} L at the start",
                      "a fed batch is not fed twice its volume", "look at the units of both", "warning")  # fmt: skip
    for event in run.events:
        if isinstance(event, Sample) and event.volume > 0.25 * run.initial_volume:
            yield Finding(f"run '{run.name}', sample at {event.time:g} d", f"{event.volume:.3g} L",
                          "a sample is a small part of the culture", "look at its unit", "warning")  # fmt: skip
    for first, second in combinations(boluses, 2):
        same_feed = first.volume > 0.0 and (first.medium, first.volume) == (second.medium, second.volume)
        if same_feed and abs(first.time - second.time) < 1e-3:
            yield Finding(f"run '{run.name}', bolus at {first.time:g} d", "the same bolus twice",
                          "a feed counts once", "leave one out if it was given once", "warning")  # fmt: skip


def the_volume_closes(run: CultureRun) -> Iterator[Finding]:
    """A recorded volume is the initial volume plus what was fed less what was taken out.

    Args:
        run: the run; the recorded volume is its signal ``volume`` [L].

    Yields:
        A warning for the largest difference, if it is too large.
    """
    if "volume" not in run.signals or not len(run.signals["volume"].time):
        return
    recorded = run.signals["volume"]
    intervals = flow_intervals(run, recorded.time)
    volumes = {interval.end: interval.volumes() for interval in intervals}
    # before, between and after the events of that time; the nearest of them counts
    candidates = [volumes[time] for time in recorded.time.tolist()]
    difference = _nearest_differences(recorded.value, candidates)
    worst = int(np.argmax(np.abs(difference)))
    if abs(difference[worst]) > CLOSES * recorded.value[worst]:
        off = f"{difference[worst]:+.3g} L from what was there, fed and taken out"
        needed = f"a volume closes within {100 * CLOSES:g} %"
        remedy = "look for a feed, base or sample that is missing or counted twice, or for evaporation"
        fits = _fits(recorded, intervals)
        if fits:
            needed += f", as it does with samples {fits[0]} and volumes {fits[1]} the feeds of their rows"
            remedy = f'if it is so, say it in the mapping: volume = {{ column = "...", taken = "{fits[1]}" }}'
        yield Finding(f"run '{run.name}', volume at {recorded.time[worst]:g} d",
                      f"{recorded.value[worst]:.4g} L, {off}", needed, remedy, "warning")  # fmt: skip


def _nearest_differences(recorded: np.ndarray, candidates: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the differences of recorded volumes [L] from the nearest of several, shape (times,)."""
    return np.array([min((value - volume for volume in near), key=abs)
                     for value, near in zip(recorded, candidates, strict=True)])  # fmt: skip


def _fits(recorded: Signal, intervals: Sequence[FlowInterval]) -> tuple[str, str] | None:
    """Return on which sides of a feed samples and volumes are, if the volumes then close; None if they do not."""
    at_start = next(interval.volumes() for interval in intervals if interval.end == 0.0)
    by_end = {interval.end: interval.volumes() for interval in intervals}
    after = [by_end[time][-1] - at_start[-1] + at_start[0] for time in recorded.time.tolist()]
    # a feed before the sample of its row is a second earlier
    before = [next((by_end[end][0] for end in sorted(by_end) if 0.0 < time - end < _A_MOMENT), by_end[time][0])
              for time in recorded.time.tolist()]  # fmt: skip
    for sides, volumes in ((("before", "after"), after), (("after", "before"), before)):
        if np.all(np.abs(recorded.value - volumes) <= CLOSES * recorded.value):
            return sides
    return None


def media_that_are_fed_hold_something(run: CultureRun) -> Iterator[Finding]:
    """A medium that is fed has a composition.

    Args:
        run: the run.

    Yields:
        A warning for each medium that is fed and contains nothing.
    """
    used = {event.medium for event in run.events if isinstance(event, AnyBolus | AnyFeed | Replacement)}
    for name in sorted(used):
        is_empty = all(concentration <= 0.0 for concentration in run.media.get(name, {}).values())
        if is_empty and set(FORMULAS) & set(run.measurements):
            yield Finding(f"run '{run.name}', medium '{name}'", "nothing in it", "a feed has a composition",
                          "write it into the table media, unless it is water", "warning")  # fmt: skip


def _looks_fast(counted: Measurement, balance: Balance) -> bool:
    """Return whether an uptake may exceed the limit, by the fewer of the cells at both ends; cheaper than rates."""
    begin, end = np.interp([balance.start, balance.end], counted.time, counted.value)
    fewer = min(begin * balance.begin_volume, end * balance.end_volume)
    return -balance.net_production > 0.5 * FASTEST_UPTAKE * fewer * (balance.end - balance.start)


def _rates_of(run: CultureRun, names: Iterable[str]) -> SpecificRates | None:
    """Return the rates of these quantities, None if they cannot be computed."""
    series = {name: run.measurements[name] for name in names if name in run.measurements}
    try:
        return specific_rates(replace(run, measurements=series))
    except InputError:
        return None


def _known(mass_balances: MassBalances, quantity: str) -> list[Balance]:
    """Return the balances of a quantity between values above the detection limit."""
    return [balance for balance in mass_balances.balances(quantity) if balance.is_known]


def _together(known: Mapping[str, Sequence[Balance]]) -> dict[str, list[Balance]]:
    """Return the balances of species in the intervals that all of them share."""
    rows = {name: {(each.start, each.end): each for each in balances} for name, balances in known.items()}
    shared = set.intersection(*map(set, rows.values())) if rows else set()
    return {name: [balance for span, balance in spans.items() if span in shared] for name, spans in rows.items()}


def _on_a_line(series: Measurement) -> np.ndarray:
    """Return for each inner sample whether it lies on the line between its neighbours, which is not level."""
    t, y = series.time, series.value
    rounded = [float(f"{value:.2e}") == value for value in y]  # values of three digits lie on a line now and then
    if len(t) < 3 or np.ptp(y) == 0.0 or all(rounded):
        return np.zeros(0, bool)
    between = y[:-2] + (y[2:] - y[:-2]) * (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    return (np.abs(y[1:-1] - between) <= 1e-6 * np.ptp(y)) & (y[2:] != y[:-2])


def _longest(where: np.ndarray) -> int:
    """Return the length of the longest sequence of True."""
    best = now = 0
    for is_true in where:
        now = now + 1 if is_true else 0
        best = max(best, now)
    return best
