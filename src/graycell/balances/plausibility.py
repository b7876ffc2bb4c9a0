"""Small named checks of what no culture does: each looks at runs that can be read, and says what is odd about them.

`implausible` asks all of `RUN_CHECKS`, run by run, and all of `SET_CHECKS`, which compare runs. A check is a generator
of `Finding`; ten lines make one, and it can be given beside the others:

    def titer_was_measured(run):
        '''A run has a titer.'''
        if "ANTI" not in run.measurements:
            yield Finding(f"run '{run.name}'", "no ANTI", "every run has a titer", "measure it", "warning")

    implausible(runs, [*RUN_CHECKS, titer_was_measured])

What contradicts a balance or a living cell beyond all assay errors is an error; what is only odd is a remark.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from graycell.balances.mass_balances import CELLS, Balance, MassBalances, flow_intervals, growth_rate, summed
from graycell.balances.specific_rates import SpecificRates, specific_rates, yields_of
from graycell.errors import Finding, InputError
from graycell.runs.checks import NOT_SPECIES, check_runs
from graycell.runs.records import (
    TCD,
    VCD,
    VIABILITY,
    Bolus,
    CultureRun,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
)
from graycell.runs.solutes import FORMULAS, MOLAR_MASS, NOT_MADE, atoms_of

RunCheck = Callable[[CultureRun], Iterator[Finding]]
SetCheck = Callable[[Sequence[CultureRun]], Iterator[Finding]]

FASTEST_GROWTH = 1.7
"""[1/d] A doubling in 9.8 h; a bound of ours."""
FASTEST_UPTAKE = 30.0
"""[mmol/(10^9 cells)/d] of glucose; a bound of ours."""
SURE = 4.0
"""Standard errors beyond which an assay error is no explanation."""
SMALL = 0.02
"""Part of its largest value below which a change of a quantity is not worth a sentence."""
CLOSES = 0.02
"""Part of a volume by which it may be off; a bound of ours."""
_AMINO_ACIDS_FOR_NITROGEN = 10
"""With fewer of them measured, ammonia may come from those that were not."""
_FEWEST = 5  # samples from which a series can be called copied


def implausible(
    runs: Sequence[CultureRun],
    run_checks: Iterable[RunCheck] | None = None,
    set_checks: Iterable[SetCheck] | None = None,
) -> list[Finding]:
    """Return what no culture does, of all runs at once; runs that `check_runs` finds faulty are left out.

    run_checks, set_checks: None for `RUN_CHECKS` and `SET_CHECKS`.
    """
    sound = [run for run in runs if not any(one.severity == "error" for one in check_runs([run]))]
    by_run = RUN_CHECKS if run_checks is None else tuple(run_checks)
    by_set = SET_CHECKS if set_checks is None else tuple(set_checks)
    found = [finding for run in sound for check in by_run for finding in check(run)]
    return found + [finding for check in by_set for finding in check(sound)]


# ------------------------------------------------------------------------------------------------- one run


def cells_double_as_cells_do(run: CultureRun) -> Iterator[Finding]:
    """Between two counts the cells grow no faster than any CHO cell does."""
    if VCD not in run.measurements:
        return
    counted = run.measurements[VCD]
    stretches = flow_intervals(run, counted.time)
    volumes = {one.end: one.end_volume for one in stretches}
    for k, (start, end) in enumerate(pairwise(counted.time.tolist())):
        between = [one for one in stretches if start <= one.end <= end]
        begin, found = counted.value[k] * volumes[start], counted.value[k + 1] * volumes[end]
        growth = growth_rate(between, start, end, begin, found)
        if not growth > FASTEST_GROWTH:
            continue
        off = np.hypot(*counted.standard_error[k : k + 2] / counted.value[k : k + 2]) / (end - start)
        if growth - SURE * off > FASTEST_GROWTH:
            yield Finding(
                f"run '{run.name}', {VCD} from {start:g} to {end:g} d",
                f"cells that double in {24.0 * np.log(2.0) / growth:.1f} h", "no CHO cell doubles in less than 10 h",
                "look at the counts and their unit",
            )  # fmt: skip


def what_cells_do_not_make_rises_only_when_fed(run: CultureRun) -> Iterator[Finding]:
    """Glucose and essential amino acids rise by what is fed, and no further, between two samples and over the run."""
    books = MassBalances(run)
    for species in (name for name in NOT_MADE if name in run.measurements):
        series, balances = run.measurements[species], _known(books, species)
        # what rises too slowly to be seen between two samples is seen over the run
        for of in [*([one] for one in balances), *([balances] if len(balances) > 1 else [])]:
            made = sum(one.net_production for one in of)
            worth_a_sentence = made > SMALL * np.max(series.value) * of[-1].end_volume
            if worth_a_sentence and made > SURE * summed(series, of)[1]:
                severity = "error" if species == "GLC" else "warning"  # peptides of a feed give amino acids
                yield Finding(
                    f"run '{run.name}', {species} from {of[0].start:g} to {of[-1].end:g} d",
                    f"{made:.3g} mmol more than was there and fed", "cells take it up and do not make it",
                    "look for a feed that is missing or too small, and at its composition", severity,
                )  # fmt: skip


def carbon_and_nitrogen_come_from_somewhere(run: CultureRun) -> Iterator[Finding]:
    """The measured solutes gain no more carbon, or nitrogen, than is fed; some nitrogen may not be measured."""
    books, names = MassBalances(run), [name for name in FORMULAS if name in run.measurements]
    known = {name: _known(books, name) for name in names}
    rich = len(set(names) - {"GLC", "LAC", "NH3"}) >= _AMINO_ACIDS_FOR_NITROGEN and {"GLN", "ASN"} <= set(names)
    for element, letter, complete in (("carbon", "C", "GLC" in names), ("nitrogen", "N", rich)):
        rows = _together(known) if complete else {}
        if not any(rows.values()):
            continue
        made = there = variance = 0.0
        for name, of in rows.items():
            count = atoms_of(name).get(letter, 0)
            net_production, error = summed(run.measurements[name], of)
            made, variance = made + count * net_production, variance + (count * error) ** 2
            there += count * (of[0].begin + sum(one.fed for one in of))
        if made > SURE * np.sqrt(variance) and made > SMALL * there:
            yield Finding(
                f"run '{run.name}', measurements", f"{made:.3g} mmol of {element} that was never fed",
                "what is measured holds no more than was there and fed",
                "look at the units, and for a feed that is missing", "error" if element == "carbon" else "warning",
            )  # fmt: skip


def rates_are_those_of_cells(run: CultureRun) -> Iterator[Finding]:
    """Glucose is taken up no faster than cells can, and gives no more than two lactate."""
    books = MassBalances(run)
    balances = {name: _known(books, name) for name in ("GLC", "LAC") if name in run.measurements}
    glucose = balances.get("GLC", [])
    if VCD in run.measurements and any(_looks_fast(run.measurements[VCD], one) for one in glucose):
        measured = _measured(run, (VCD, "GLC"))
        for one in measured.rates if measured else ():
            if (
                one.quantity == "GLC"
                and not one.since_start
                and -one.value - SURE * one.standard_error > FASTEST_UPTAKE
            ):
                yield Finding(
                    f"run '{run.name}', GLC from {one.start:g} to {one.end:g} d",
                    f"{-one.value:.3g} {one.unit} taken up", f"{FASTEST_UPTAKE:g} is the most",
                    "look at the units of glucose and cells", "warning",
                )  # fmt: skip
    try:
        of = [one for known in balances.values() for one in known]
        lactate, error = yields_of(run, of, "GLC").get("LAC", (0.0, 0.0)) if glucose else (0.0, 0.0)
    except InputError:  # no glucose was taken up
        return
    if lactate - SURE * error > 2.0:
        yield Finding(f"run '{run.name}', LAC and GLC", f"{lactate:.3g} lactate of a glucose",
                      "a glucose gives two lactate at most", "look at the units of both", "warning")  # fmt: skip


def _looks_fast(counted: Measurement, one: Balance) -> bool:
    """Return whether half of the fewer cells at its ends would take up more than they can; saves working out rates."""
    begin, end = np.interp([one.start, one.end], counted.time, counted.value)
    fewer = min(begin * one.begin_volume, end * one.end_volume)
    return -one.net_production > 0.5 * FASTEST_UPTAKE * fewer * (one.end - one.start)


def the_start_is_that_of_the_first_sample(run: CultureRun) -> Iterator[Finding]:
    """What a run is said to begin with is what was measured at time 0."""
    for name, series in _species(run).items():
        known = series.time[0] == 0.0 and (series.below is None or not series.below[0])
        told = run.initial.get(name) if known else None
        if told is not None and abs(told - series.value[0]) > SURE * series.standard_error[0]:
            yield Finding(f"run '{run.name}', {name} at 0 d", f"{told:.4g} mmol/L at the start",
                          f"{series.value[0]:.4g} was measured then", "see which of the two is right",
                          "warning")  # fmt: skip


def the_start_is_above_the_detection_limit(run: CultureRun) -> Iterator[Finding]:
    """What a run begins with was found, and is not the detection limit of its first sample."""
    for name, series in _species(run).items():
        below = series.time[0] == 0.0 and series.below is not None and series.below[0]
        if below and run.initial.get(name) == series.value[0] > 0.0:
            yield Finding(f"run '{run.name}', {name} at 0 d", f"less than {series.value[0]:.4g} mmol/L",
                          "a model begins with this limit", "give what was there, such as 0, if it is known",
                          "warning")  # fmt: skip


def product_is_not_taken_up(run: CultureRun) -> Iterator[Finding]:
    """The titer falls by what is taken out, and no further."""
    if "ANTI" in run.measurements:
        series = run.measurements["ANTI"]
        for one in _known(MassBalances(run), "ANTI"):
            worth_a_sentence = -one.net_production > SMALL * np.max(series.value) * one.end_volume
            if worth_a_sentence and -one.net_production > SURE * summed(series, [one])[1]:
                yield Finding(_place(run, "ANTI", one), f"{-one.net_production:.3g} mmol of product gone",
                              "cells do not take it up", "look at both values, and for a dilution that is missing",
                              "warning")  # fmt: skip


def counts_agree(run: CultureRun) -> Iterator[Finding]:
    """Viable cells are no more than all cells, and their share is the viability."""
    if VCD not in run.measurements or TCD not in run.measurements:
        return
    viable, total = run.measurements[VCD], run.measurements[TCD]
    time, i, j = np.intersect1d(viable.time, total.time, return_indices=True)
    error = np.hypot(viable.standard_error[i], total.standard_error[j])
    for k in np.flatnonzero(viable.value[i] - total.value[j] > SURE * error):
        found = f"{viable.value[i[k]]:.4g} viable of {total.value[j[k]]:.4g} [1e9 cells/L]"
        yield Finding(f"run '{run.name}', {VCD} at {time[k]:g} d", found,
                      "viable cells are a part of all cells", "see whether the columns are swapped")  # fmt: skip
    if VIABILITY in run.measurements:
        living = run.measurements[VIABILITY]
        _, a, b = np.intersect1d(time, living.time, return_indices=True)
        share = viable.value[i[a]] / np.maximum(total.value[j[a]], 1e-12)
        for k in np.flatnonzero((np.abs(share - living.value[b]) > 0.1) & (total.value[j[a]] > 0.0)):
            yield Finding(f"run '{run.name}', {VIABILITY} at {living.time[b[k]]:g} d", f"{living.value[b[k]]:.3g}",
                          f"VCD over TCD is {share[k]:.3g}", "see which of the three is wrong", "warning")  # fmt: skip


def series_look_measured(run: CultureRun) -> Iterator[Finding]:
    """No series stands still, lies on straight lines or is that of another quantity: a measured one does not."""
    for name, series in _species(run).items():
        known = np.ones(len(series.time), bool) if series.below is None else ~series.below
        still = _longest((np.diff(series.value) == 0.0) & (series.value[1:] > 0.0) & known[1:] & known[:-1])
        if still >= _FEWEST - 1:
            yield Finding(f"run '{run.name}', {name}", f"{still + 1} equal values in a row", "assays scatter",
                          "see whether a value was copied down", "warning")  # fmt: skip
        straight = _longest(_on_a_line(series))
        if straight >= 3:
            yield Finding(f"run '{run.name}', {name}", f"{straight + 2} values in a row on one straight line",
                          "assays scatter", "give what was measured, not what was interpolated", "warning")  # fmt: skip
    shapes: dict[tuple, list[str]] = defaultdict(list)
    for name, series in _species(run).items():
        if len(np.unique(series.value)) >= _FEWEST and series.below is None:
            shapes[(*series.time, *np.round(series.value / np.max(series.value), 6))].append(name)
    for names in shapes.values():
        if len(names) > 1:
            yield Finding(f"run '{run.name}', {' and '.join(names)}", "values in one proportion at all times",
                          "two assays differ", "see whether a column was copied", "warning")  # fmt: skip


def boluses_and_samples_fit_the_vessel(run: CultureRun) -> Iterator[Finding]:
    """Boluses and samples are not large for the vessel, and no bolus is written twice."""
    added = sum(event.volume for event in run.events if isinstance(event, Bolus))
    flows = any(isinstance(event, Outflow) for event in run.events)
    if not flows and added > 2.0 * run.initial_volume:
        yield Finding(f"run '{run.name}', boluses", f"{added:.3g} L in all for {run.initial_volume:.3g} L at the start",
                      "a fed batch is not fed twice its volume", "look at the units of both", "warning")  # fmt: skip
    for event in run.events:
        if isinstance(event, Sample) and event.volume > 0.25 * run.initial_volume:
            yield Finding(f"run '{run.name}', sample at {event.time:g} d", f"{event.volume:.3g} L",
                          "a sample is a small part of the culture", "look at its unit", "warning")  # fmt: skip
    boluses = [event for event in run.events if isinstance(event, Bolus)]
    for one, other in combinations(boluses, 2):
        if abs(one.time - other.time) < 1e-3 and (one.medium, one.volume) == (other.medium, other.volume):
            yield Finding(f"run '{run.name}', bolus at {one.time:g} d", "the same bolus twice",
                          "a feed counts once", "leave one out if it was given once", "warning")  # fmt: skip


def the_volume_closes(run: CultureRun) -> Iterator[Finding]:
    """A volume that somebody wrote down is what was there and fed, less what was taken out."""
    if "volume" not in run.signals or not len(run.signals["volume"].time):
        return
    told = run.signals["volume"]
    volumes = {one.end: one.volumes() for one in flow_intervals(run, told.time)}
    sides = [volumes[time] for time in told.time.tolist()]  # before, between and after what happens then
    off = np.array([min((value - one for one in of), key=abs) for value, of in zip(told.value, sides, strict=True)])
    worst = int(np.argmax(np.abs(off)))
    if abs(off[worst]) > CLOSES * told.value[worst]:
        yield Finding(f"run '{run.name}', volume at {told.time[worst]:g} d",
                      f"{told.value[worst]:.4g} L, {off[worst]:+.3g} L from what was there, fed and taken out",
                      f"a volume closes within {100 * CLOSES:g} %",
                      "look for a feed, base or sample that is missing or counted twice, or for evaporation",
                      "warning")  # fmt: skip


def media_that_are_fed_hold_something(run: CultureRun) -> Iterator[Finding]:
    """A medium that is fed holds something."""
    used = {event.medium for event in run.events if isinstance(event, Bolus | Feed | Replacement)}
    for name in sorted(used):
        content = {one: value for one, value in run.media.get(name, {}).items() if value > 0.0}
        if not content and set(FORMULAS) & set(run.measurements):
            yield Finding(f"run '{run.name}', medium '{name}'", "nothing in it", "a feed has a composition",
                          "write it into the table media, unless it is water", "warning")  # fmt: skip


# ------------------------------------------------------------------------------------------------- several runs


def no_run_is_there_twice(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """No run, and no series of a run, is that of another under another name."""
    holders: dict[tuple, list[CultureRun]] = defaultdict(list)
    for run in runs:
        for name, series in _species(run, cells=True).items():
            if len(np.unique(series.value)) >= _FEWEST:
                holders[(name, *series.value.tolist())].append(run)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (name, *_), of in holders.items():
        for one, other in pairwise(of):
            shared[one.name, other.name].append(name)
    measured = {run.name: set(_species(run, cells=True)) for run in runs}
    for (one, other), names in shared.items():
        rest = measured[one] & measured[other] - set(names)
        found = f"the same values of {', '.join(names)}" + (
            f", and others of {', '.join(sorted(rest))}" if rest else ""
        )
        remedy = "see whether it is one culture, or a column that was copied"
        yield Finding(f"runs '{one}' and '{other}'", found, "two cultures differ", remedy, "warning")


def parallels_are_known(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """No two runs were sampled at the same times and given the same volumes, unless they are parallels."""
    alike: dict[tuple, list[str]] = defaultdict(list)
    for run in runs:
        done = tuple(event for event in run.events if isinstance(event, Bolus | Sample))
        if len({event.volume for event in done}) >= _FEWEST:  # equal ones come of a plan
            # a medium may have a name of its own in each run
            given = tuple((type(event).__name__, f"{event.time:.6g}", f"{event.volume:.6g}") for event in done)
            times = tuple(f"{time:.6g}" for _, one in sorted(run.measurements.items()) for time in one.time)
            alike[(run.initial_volume, given, times)].append(run.name)
    for names in alike.values():
        if len(names) > 1:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            yield Finding(f"runs '{names[0]}' and '{names[1]}'{more}", "the same times and volumes throughout",
                          "two cultures of their own differ in them",
                          "see whether it is one culture under two names; hold parallels out together",
                          "warning")  # fmt: skip


def units_are_those_of_the_other_runs(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """The values of a quantity are of the size of those in the other runs, not a unit away."""
    for name in dict.fromkeys(name for run in runs for name in _species(run, cells=True)):
        typical = {run.name: _typical(run.measurements[name]) for run in runs if name in run.measurements}
        typical = {run: value for run, value in typical.items() if value > 0.0}
        logs = np.log(list(typical.values()))
        rank, ordered = np.argsort(np.argsort(logs)), np.sort(logs)
        if len(logs) < 3:
            continue
        middle = (len(logs) - 2) // 2, (len(logs) - 1) // 2  # of the others, those that the median is of
        for (run, value), k in zip(typical.items(), rank.tolist(), strict=True):
            spread = np.exp(ordered[-1 if k < len(logs) - 1 else -2] - ordered[0 if k > 0 else 1])
            ratio = value / float(np.exp(np.mean([ordered[i if i < k else i + 1] for i in middle])))
            factor = _unit_factor(name, ratio)
            if factor and spread < max(ratio, 1.0 / ratio) ** 0.7:
                yield Finding(f"run '{run}', {name}", f"values {ratio:.3g} times those of the other runs",
                              f"that is {factor}", "look at the unit of the column", "warning")  # fmt: skip


# ------------------------------------------------------------------------------------------------- pieces


def _place(run: CultureRun, quantity: str, one: Balance) -> str:
    return f"run '{run.name}', {quantity} from {one.start:g} to {one.end:g} d"


def _measured(run: CultureRun, names: Iterable[str]) -> SpecificRates | None:
    """Return the rates of these quantities, or None where the counts say nothing of them."""
    some = {name: run.measurements[name] for name in names if name in run.measurements}
    try:
        return specific_rates(replace(run, measurements=some))
    except InputError:
        return None


def _known(books: MassBalances, quantity: str) -> list[Balance]:
    """Return the balances of a quantity between values that were measured."""
    return [one for one in books.balances(quantity) if one.is_known]


def _together(known: Mapping[str, Sequence[Balance]]) -> dict[str, list[Balance]]:
    """Return the balances of species in the intervals that all of them share."""
    rows = {name: {(one.start, one.end): one for one in of} for name, of in known.items()}
    shared = set.intersection(*map(set, rows.values())) if rows else set()
    return {name: [one for span, one in of.items() if span in shared] for name, of in rows.items()}


def _species(run: CultureRun, cells: bool = False) -> dict[str, Measurement]:
    """Return the series of species, and of cells if asked for."""
    return {name: series for name, series in run.measurements.items()
            if name not in NOT_SPECIES or (cells and name in CELLS)}  # fmt: skip


def _typical(series: Measurement) -> float:
    positive = series.value[series.value > 0.0]
    return float(np.exp(np.mean(np.log(positive)))) if len(positive) else 0.0


def _unit_factor(name: str, ratio: float) -> str:
    """Return in words what unit a ratio of values looks like, or nothing."""
    large = max(ratio, 1.0 / ratio)
    for size in (1e3, 1e6):
        if 0.4 < large / size < 2.5:
            return f"near a factor of {size:g}"
    if name in MOLAR_MASS:
        for factor, units in ((MOLAR_MASS[name] / 1e3, "g/L and mmol/L"), (MOLAR_MASS[name], "mg/L and mmol/L"),
                              (MOLAR_MASS[name] / 10.0, "mg/dL and mmol/L")):  # fmt: skip
            if max(factor, 1.0 / factor) > 3.0 and any(0.75 < ratio / one < 1.33 for one in (factor, 1.0 / factor)):
                return f"near the {factor:.3g} between {units}"
    return ""


def _on_a_line(series: Measurement) -> np.ndarray:
    """Return for each inner sample whether it lies on the line between its neighbours, which is not level."""
    t, y = series.time, series.value
    rounded = [float(f"{one:.2e}") == one for one in y]  # three digits that are written lie on a line now and then
    if len(t) < 3 or np.ptp(y) == 0.0 or all(rounded):
        return np.zeros(0, bool)
    between = y[:-2] + (y[2:] - y[:-2]) * (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    return (np.abs(y[1:-1] - between) <= 1e-6 * np.ptp(y)) & (y[2:] != y[:-2])


def _longest(where: np.ndarray) -> int:
    """Return the length of the longest row of True."""
    best = now = 0
    for one in where:
        now = now + 1 if one else 0
        best = max(best, now)
    return best


RUN_CHECKS: tuple[RunCheck, ...] = (
    cells_double_as_cells_do,
    what_cells_do_not_make_rises_only_when_fed,
    carbon_and_nitrogen_come_from_somewhere,
    rates_are_those_of_cells,
    the_start_is_that_of_the_first_sample,
    the_start_is_above_the_detection_limit,
    product_is_not_taken_up,
    counts_agree,
    series_look_measured,
    boluses_and_samples_fit_the_vessel,
    the_volume_closes,
    media_that_are_fed_hold_something,
)
"""Every check of one run, in the order in which its findings are listed."""
SET_CHECKS: tuple[SetCheck, ...] = (no_run_is_there_twice, parallels_are_known, units_are_those_of_the_other_runs)
"""Every check that compares runs."""
