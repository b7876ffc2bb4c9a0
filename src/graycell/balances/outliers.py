"""Values that stand apart from their neighbours: slips of ten, other units in single cells; robust to the slip itself.

A value is compared with the samples before and after it and with what lies between them once feeds and samples are
accounted for. Assay errors have no part in it, because those that nobody gave grow with the largest value, so that an
outlier hides itself. The usual distance of the values of a series from their neighbours is the median of all of them,
which a single outlier does not change.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graycell.balances.mass_balances import CELLS, MassBalances
from graycell.balances.series import is_balanced
from graycell.errors import Finding
from graycell.runs.records import REDOX, VIABILITY, Bolus, CultureRun, Measurement
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, MASS_CONCENTRATION

APART = 3.0
"""Factor [1] by which a value must exceed both neighbours, or fall below both, to stand apart from them."""
_OF_THE_MEDIAN = 0.25
"""Part of the median of a series that a solute must be off: what is nearly used up scatters by more than `APART`."""
_ROBUST = 5.0
"""Usual distances (medians) from the neighbours that a value must be off."""
_AT_AN_END = 4.0
"""The factor for the first and the last value, which have one neighbour only."""
_DEFAULT_ERROR = (0.05, 0.02)
"""Assay error of a run that gives none: a part of the value, and of the largest value, see `runs.format.assembly`."""
_ALIKE = 1.5
"""Factor [1] between the largest and the smallest of volumes that follow a plan; feeds to a level vary by more."""
ONE_MINUTE = 1.0 / 1440.0
"""[d] Samples that are closer in time say nothing about a rate."""
_MOST = 4
"""Values of one series that are listed."""


class Stray(NamedTuple):
    """A value that stands apart.

    Attributes:
        index: of the sample in its series.
        expected: what the neighbours let expect, in the unit of the series.
    """

    index: int
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
            value, time = float(series.value[stray.index]), float(series.time[stray.index])
            unit = "" if series.unit in ("", "1") else f" {series.unit}"
            around = " and ".join(f"{series.value[k]:.4g}" for k in _neighbours(stray.index, len(series.value)))
            between = "between" if " and " in around else "next to"
            yield Finding(
                f"run '{run.name}', {name} at {time:g} d", f"{value:.4g}{unit} {between} {around}",
                f"about {stray.expected:.3g} would follow its neighbours", slip(name, value / stray.expected),
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
    large = max(factor, 1.0 / factor)
    for size, word in ((10.0, "ten"), (100.0, "a hundred"), (1000.0, "a thousand")):
        if size / 1.6 < large < 1.6 * size:
            return f"look for a slip of {word} in this value, and correct it or leave the cell empty"
    if name in MOLAR_MASS and 0.75 < large / (1e3 / MOLAR_MASS[name]) < 1.33:
        return "look whether this value is in g/L and the others in mmol/L"
    return "look at this value, and correct it or leave the cell empty"


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
        value = series.value.copy()
        value[worst.index] = worst.expected
        series = replace(series, value=value)
    return []  # a series with that many is of another kind


def cleaned(run: CultureRun, name: str) -> Measurement:
    """Return a series with what stands apart replaced, and with the default assay errors that it then has.

    Args:
        run: the run.
        name: of a measured quantity.

    Returns:
        The series; as it is where nothing stands apart. Assay errors that were given are kept.
    """
    series = run.measurements[name]
    found = strays(run, name)
    if not found:
        return series
    value = series.value.copy()
    for stray in found:
        value[stray.index] = stray.expected
    relative, absolute = _DEFAULT_ERROR
    by_default = np.hypot(relative * series.value, absolute * np.max(np.abs(series.value)))
    is_default = np.allclose(series.standard_error, by_default, rtol=1e-6)
    error = np.hypot(relative * value, absolute * np.max(np.abs(value))) if is_default else series.standard_error
    return replace(series, value=value, standard_error=error)


def _is_steady(name: str, series: Measurement) -> bool:
    """Return whether a quantity changes as slowly as a culture does: counts, solutes and masses."""
    if len(series.value) < 3 or np.any(series.value < 0.0):
        return False
    return is_balanced(name, series) or series.unit in (MASS_CONCENTRATION, CELL_DENSITY)


def _neighbours(k: int, samples: int) -> list[int]:
    return [j for j in (k - 1, k + 1) if 0 <= j < samples]


def _worst(run: CultureRun, name: str, series: Measurement) -> Stray | None:
    """Return the value that is farthest from its neighbours by a factor; None if none stands apart."""
    value, known = series.value, np.ones(len(series.value), bool) if series.below is None else ~series.below
    expected = _expected(run, name, series)
    distance = np.abs(value - expected)[1:-1]
    usual = float(np.median(distance)) if len(distance) > 2 else 0.0
    least = 0.0 if name in CELLS else _OF_THE_MEDIAN * float(np.median(value[known])) if np.any(known) else math.inf
    best, found = 0.0, None
    for k in range(1, len(value) - 1):
        if not np.all(known[k - 1 : k + 2]) or not value[k] > 0.0:
            continue
        around = [value[k - 1], value[k + 1], expected[k]]
        high, low = max(around), max(min(around), 0.0)
        factor = value[k] / high if value[k] > high > 0.0 else low / value[k]
        if factor > max(APART, best) and abs(value[k] - expected[k]) > max(least, _ROBUST * usual):
            between = float(expected[k]) if expected[k] > 0.0 else math.sqrt(value[k - 1] * value[k + 1])
            best, found = factor, Stray(k, between)
    return found or _at_an_end(run, name, series, known)


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
    value = series.value
    if len(value) < 4 or not np.all(known) or not np.all(value > 0.0):
        return None
    steps = np.diff(np.log(value))
    if name not in CELLS and is_balanced(name, series):
        balances = MassBalances(replace(run, measurements={name: series})).balances(name)
        carried = [(one.begin + one.fed) / one.end_volume for one in balances]
        steps = np.log(value[1:] / np.maximum(carried, 1e-12))
    lengths = np.diff(series.time)
    for k, step, others in ((len(value) - 1, -1, slice(None, -1)), (0, 0, slice(1, None))):
        length, rates = lengths[step], steps[others] / np.maximum(lengths[others], ONE_MINUTE)
        least = max(math.log(_AT_AN_END), 2.0 * float(np.max(np.abs(steps[others]))),
                    2.0 * length * float(np.max(np.abs(rates))))  # fmt: skip
        change = steps[step] if k else -steps[0]
        # cells die and substrates run out within a day, at the end; nothing multiplies that fast
        if abs(change) > least and (change > 0.0 or (k == 0 and name in CELLS)):
            neighbour = float(value[_neighbours(k, len(value))[0]])
            return Stray(k, neighbour * math.exp(length * float(np.median(rates)) * (1 if k else -1)))
    return None


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
