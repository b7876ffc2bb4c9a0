"""Values that stand apart from their neighbours: slips of ten, other units in single cells; robust to the slip itself.

A value is compared with the samples before and after it and with what lies between them once feeds and samples are
accounted for. Assay errors that nobody gave grow with the largest value, so that an outlier would hide itself: they are
computed without it. The usual distance of the values of a series from their neighbours is the median of all of them,
which a single outlier does not change.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graycell.balances.mass_balances import CELLS, MassBalances
from graycell.balances.series import is_balanced, read_in
from graycell.errors import Finding
from graycell.runs.records import REDOX, VCD, VIABILITY, Bolus, CultureRun, Measurement
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, MASS_CONCENTRATION, converts

APART = 3.0
"""Factor [1] by which a value must exceed both neighbours, or fall below both, to stand apart from them."""
_SCATTER = 0.03
"""Part of the largest other value that a solute must be off: what is nearly used up scatters by more than `APART`."""
_ROBUST = 5.0
"""Usual distances (medians) from the neighbours that a value must be off."""
_AT_ANY_RATE = 4.5
"""The factor that stands apart however much a series scatters."""
_RUNS_OUT = 0.1
"""Part of the largest value below which a substrate may run out."""
SURE = 4.0
"""Standard errors, without the value itself, beyond which an assay error is no explanation."""
_AT_AN_END = 4.0
"""The factor for the first and the last value, which have one neighbour only."""
_DEFAULT_ERROR = (0.05, 0.02)
"""Assay error of a run that gives none: a part of the value, and of the largest value, see `runs.format.assembly`."""
_ALIKE = 1.5
"""Factor [1] between the largest and the smallest of volumes that follow a plan; feeds to a level vary by more."""
ONE_MINUTE = 1.0 / 1440.0
"""[d] Samples that are closer in time say nothing about a rate."""
_NEAR = 1.9
"""Factor [1] between a slip and the ten or hundred that it is taken for; a culture changes between two samples."""
_ENDS = ((-1, -1, slice(None, -1)), (0, 0, slice(1, None)))
"""The last and the first value: its place, the step to its neighbour, and the other steps."""
_MOST = 4
"""Values of one series that are listed."""


class Stray(NamedTuple):
    """A value that stands apart.

    Attributes:
        sample: its number in the series, from 0.
        expected: what the neighbours let expect, in the unit of the series.
    """

    sample: int
    expected: float


def values_follow_their_neighbours(run: CultureRun) -> Iterator[Finding]:
    """No value is several times as large or small as the samples around it, once feeds are accounted for.

    Args:
        run: the run.

    Yields:
        An error for counts of cells, which neither appear nor vanish, and a warning for other quantities.
    """
    for name, series in run.measurements.items():
        for stray in strays(run, name)[:_MOST]:
            value, time = float(series.value[stray.sample]), float(series.time[stray.sample])
            factor, unit = read_in(run, name, series.unit)
            unit = "" if series.unit in ("", "1") else f" {unit}"
            near = [factor * float(series.value[k]) for k in _neighbours(stray.sample, len(series.value))]
            around = " and ".join(f"{one:.4g}" for one in near)
            between = "between" if " and " in around else "next to"
            yield Finding(
                f"run '{run.name}', {name} at {time:g} d", f"{factor * value:.4g}{unit} {between} {around}",
                f"about {factor * stray.expected:.3g} would follow its neighbours", slip(name, value / stray.expected),
                "error" if name in CELLS else "warning",
            )  # fmt: skip


def slip(name: str, factor: float) -> str:
    """Return what a factor between a value and the expected one looks like, as a remedy.

    Args:
        name: of the quantity.
        factor: value over expected value [1].

    Returns:
        The remedy.

    >>> slip("VCD", 9.7)
    'look for a slip of ten in this value, and correct it or leave the cell empty'
    """
    large, correct = max(factor, 1.0 / factor), ", and correct it or leave the cell empty"
    # 1000/M [mmol/g], 11.1 for lactate, is no other factor than ten
    in_grams = name in MOLAR_MASS and factor < 1.0 and 0.75 < large / (1e3 / MOLAR_MASS[name]) < 1.33
    unit = "look whether this value is in g/L and the others in mmol/L"
    for size, word in ((10.0, "ten"), (100.0, "a hundred"), (1000.0, "a thousand")):
        if size / _NEAR < large < _NEAR * size:
            words = f"{unit}, or for" if in_grams else "look for"
            return f"{words} a slip of {word} in this value{correct}"
    return unit if in_grams else f"look at this value{correct}"


def strays(run: CultureRun, name: str) -> list[Stray]:
    """Return the values of a measured quantity that stand apart, the worst first.

    Args:
        run: the run.
        name: of a measured quantity.

    Returns:
        The values; none for viability, see `counts`, and for sensors, which jump when they are disturbed.
    """
    series, found = run.measurements[name], list[Stray]()
    if name in (VIABILITY, REDOX) or not _is_steady(name, series):
        return found
    for _ in range(_MOST + 1):
        worst = _worst(run, name, series)
        if worst is None:
            return found
        found.append(worst)
        series = _repaired(series, [worst])
    return []  # a series with that many is of another kind


def cleaned(run: CultureRun, name: str) -> Measurement:
    """Return a series with what stands apart replaced, and with the default assay errors that it then has.

    Args:
        run: the run.
        name: of a measured quantity.

    Returns:
        The series; as it is where nothing stands apart. Assay errors that were given are kept.
    """
    return _repaired(run.measurements[name], strays(run, name))


def without_strays(run: CultureRun) -> CultureRun:
    """Return a run in which all series are `cleaned`, and the values at its start that are among them.

    Args:
        run: the run.

    Returns:
        The run; as it is where nothing stands apart.
    """
    measured, initial = dict(run.measurements), dict(run.initial)
    for name, series in run.measurements.items():
        found = strays(run, name)
        if found:
            measured[name] = _repaired(series, found)
        for stray in found:
            if series.time[stray.sample] == 0.0 and initial.get(name) == series.value[stray.sample]:
                initial[name] = stray.expected
    return replace(run, measurements=measured, initial=initial)


def _repaired(series: Measurement, found: Iterable[Stray]) -> Measurement:
    """Return a series with the expected values in place of the strays, and the default errors that follow."""
    value = series.value.copy()
    for stray in found:
        value[stray.sample] = stray.expected
    is_default = len(value) > 0 and _is_default(series)
    error = _by_default(value, float(np.max(value))) if is_default else series.standard_error
    return replace(series, value=value, standard_error=error)


def _by_default(value: np.ndarray, largest: float) -> np.ndarray:
    """Return the assay errors of a run that gives none."""
    relative, absolute = _DEFAULT_ERROR
    return np.hypot(relative * value, absolute * largest)


def _is_default(series: Measurement) -> bool:
    """Return whether the assay errors of a series are those of a run that gives none."""
    return np.allclose(series.standard_error, _by_default(series.value, float(np.max(series.value))), rtol=1e-6)


def _error(series: Measurement, k: int, expected: float, largest: float) -> float:
    """Return the assay error of a value as it would be without the value itself, unless the run gives it."""
    if _is_default(series):
        return float(_by_default(np.array(max(expected, 0.0)), largest))
    return float(series.standard_error[k])


def _is_steady(name: str, series: Measurement) -> bool:
    """Return whether a quantity changes as slowly as a culture does: counts, solutes and masses."""
    if len(series.value) < 3 or np.any(series.value < 0.0):
        return False
    return is_balanced(name, series) or any(converts(series.unit, unit) for unit in (MASS_CONCENTRATION, CELL_DENSITY))


def _neighbours(k: int, samples: int) -> list[int]:
    return [j for j in (k - 1, k + 1) if 0 <= j < samples]


def _worst(run: CultureRun, name: str, series: Measurement) -> Stray | None:
    """Return the value that is farthest from its neighbours by a factor; None if none stands apart."""
    value, known = series.value, np.ones(len(series.value), bool) if series.below is None else ~series.below
    expected = _expected(run, name, series)
    usable = np.isfinite(expected) & (expected > 0.0) & (value > 0.0)
    distance = np.abs(np.log(np.where(usable, value, 1.0) / np.where(usable, expected, 1.0)))
    usual = float(np.median(distance[usable])) if np.sum(usable) > 2 else 0.0
    least_factor = max(APART, min(math.exp(_ROBUST * usual), _AT_ANY_RATE))
    is_used_up = name not in CELLS and is_balanced(name, series) and _is_taken_up(run, name, series)
    best, found = least_factor, None
    for k in range(1, len(value) - 1):
        if not np.all(known[k - 1 : k + 2]) or not value[k] > 0.0:
            continue
        around = [value[k - 1], value[k + 1], expected[k]]
        high, low = max(around), max(min(around), 0.0)
        factor = value[k] / high if value[k] > high > 0.0 else low / value[k]
        others = float(np.max(np.delete(value, k)))
        least = max(0.0 if name in CELLS else _SCATTER * others, SURE * _error(series, k, expected[k], others))
        # a substrate that runs out stays near 0 whatever was eaten before, until it is fed
        runs_out = is_used_up and value[k] < low < _RUNS_OUT * others
        if factor > best and abs(value[k] - expected[k]) > least and not runs_out:
            between = float(expected[k]) if expected[k] > 0.0 else math.sqrt(value[k - 1] * value[k + 1])
            best, found = factor, Stray(k, between)
    return found or _at_an_end(run, name, series, known)


def _is_taken_up(run: CultureRun, name: str, series: Measurement) -> bool:
    """Return whether the cells take up more of a solute than they make."""
    balances = MassBalances(replace(run, measurements={name: series})).balances(name)
    return sum(balance.net_production for balance in balances) < 0.0


def _expected(run: CultureRun, name: str, series: Measurement) -> np.ndarray:
    """Return what each inner value would be if the cells did the same before and after it; NaN at the ends.

    Cells grow exponentially; a solute is produced at a constant rate, and what is fed and taken out is accounted for.
    """
    value, time = series.value, series.time
    expected = np.full(len(value), np.nan)
    if not is_balanced(name, series) or name in CELLS:
        share = np.diff(time)[:-1] / (time[2:] - time[:-2])
        if name in CELLS and np.all(value > 0.0):
            logs = np.log(value)
            expected[1:-1] = np.exp(logs[:-2] + share * (logs[2:] - logs[:-2]))
        else:
            expected[1:-1] = value[:-2] + share * (value[2:] - value[:-2])
        return expected
    balances = MassBalances(replace(run, measurements={name: series})).balances(name)
    for k in range(1, len(value) - 1):
        before, after = balances[k - 1], balances[k]
        first, second = before.end - before.start, after.end - after.start
        # an error of the amount at k changes both productions; it is the one that makes their rates equal
        error = before.net_production / first - after.net_production / second
        error /= before.by_found / first - after.by_begin / second
        expected[k] = value[k] - error / before.end_volume
    return expected


def _at_an_end(run: CultureRun, name: str, series: Measurement, known: np.ndarray) -> Stray | None:
    """Return the last or first value if it is far off its only neighbour, and no other step is nearly as large."""
    value, lengths = series.value, np.maximum(np.diff(series.time), ONE_MINUTE)
    if len(value) < 4:
        return None
    for k, step, others in _ENDS:
        pair = [k, -2 if k else 1]
        if not np.all(known[pair]) or not np.all(value[pair] > 0.0):
            continue
        stray = _step_of_cells if name in CELLS else _step_of_a_solute
        found = stray(run, name, series, lengths, (k, step, others))
        if found is not None:
            return Stray(k % len(value), found)
    return None


def _step_of_cells(
    run: CultureRun, name: str, series: Measurement, lengths: np.ndarray, end: tuple[int, int, slice]
) -> float | None:
    """Return what a count at an end should be if its step exceeds all others that go its way; None if it does not."""
    k, step, others = end
    value = np.maximum(series.value, 1e-12)
    steps = np.diff(np.log(value))
    rates = steps[others] / lengths[others]
    alike = np.abs(rates[np.sign(rates) == np.sign(steps[step])])  # a fall is compared with other falls
    usual = 2.0 * lengths[step] * float(np.max(alike, initial=0.0))
    # cells die at the end, which is no fault, unless the viability stays as it is
    dies = k != 0 and steps[step] < 0.0 and (name != VCD or not _lives_on(run, series))
    if abs(steps[step]) <= max(math.log(_AT_AN_END), usual) or dies:
        return None
    typical = float(np.median(rates)) * lengths[step]
    return float(value[-2] * math.exp(typical) if k else value[1] * math.exp(-typical))


def _step_of_a_solute(
    run: CultureRun, name: str, series: Measurement, lengths: np.ndarray, end: tuple[int, int, slice]
) -> float | None:
    """Return what a value at an end should be if the cells made or took up many times more than in any other step."""
    k, step, others = end
    value, made = series.value, np.diff(series.value)
    carried = value[:-1]
    if is_balanced(name, series):
        balances = MassBalances(replace(run, measurements={name: series})).balances(name)
        made = np.array([one.net_production for one in balances])
        carried = np.array([(one.begin + one.fed) / one.end_volume for one in balances])
    rates = np.abs(made / lengths)
    # upwards only: substrates run out within a day, and a product may begin late
    factor = value[-1] / max(carried[-1], 1e-12) if k else carried[0] / value[1]
    if factor <= _AT_AN_END or rates[step] <= _ROBUST * float(np.max(rates[others])):
        return None
    return float(carried[-1] if k else value[1])


def _lives_on(run: CultureRun, series: Measurement) -> bool:
    """Return whether the viability of the last count is nearly that of the count before."""
    known = run.measurements.get(VIABILITY)
    if known is None:
        return False
    values = [known.value[known.time == time] for time in series.time[-2:]]
    return all(len(one) for one in values) and bool(values[1][0] > 0.8 * values[0][0])


def boluses_are_alike(run: CultureRun) -> Iterator[Finding]:
    """No bolus of a medium is ten times as large or small as its others, which are alike.

    Args:
        run: the run.

    Yields:
        A warning for each such bolus.
    """
    volumes: dict[str, list[tuple[float, float]]] = {}
    for event in run.events:
        if isinstance(event, Bolus):
            volumes.setdefault(event.medium, []).append((event.time, event.volume))
    for medium, given in volumes.items():
        for k, (time, volume) in enumerate(given):
            others = [other for j, (_, other) in enumerate(given) if j != k and other > 0.0]
            if len(others) < 3 or max(others) > _ALIKE * min(others) or not volume > 0.0:
                continue
            factor = volume / float(np.median(others))
            if max(factor, 1.0 / factor) > 8.0:
                yield Finding(
                    f"run '{run.name}', bolus of '{medium}' at {time:g} d", f"{volume:.4g} L",
                    f"its others are {min(others):.3g} to {max(others):.3g} L", "look for a slip of ten", "warning",
                )  # fmt: skip
