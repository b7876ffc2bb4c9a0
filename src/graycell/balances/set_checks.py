"""Checks that compare runs; each yields a finding for everything implausible, see `plausibility`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from graycell.balances.series import FEWEST, species_series
from graycell.errors import Finding
from graycell.runs.records import Bolus, CultureRun, Measurement, Sample
from graycell.runs.solutes import MOLAR_MASS


def no_run_is_there_twice(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """No run, and no series of a run, is a copy of another one.

    Args:
        runs: the runs.

    Yields:
        A warning for each pair of runs with equal series.
    """
    holders: dict[tuple, list[CultureRun]] = defaultdict(list)
    for run in runs:
        for name, series in species_series(run, cells=True).items():
            if len(np.unique(series.value)) >= FEWEST:
                holders[(name, *series.value.tolist())].append(run)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (name, *_), equal in holders.items():
        for first, second in pairwise(equal):
            shared[first.name, second.name].append(name)
    measured = {run.name: set(species_series(run, cells=True)) for run in runs}
    for (first, second), names in shared.items():
        rest = measured[first] & measured[second] - set(names)
        others = f", and others of {', '.join(sorted(rest))}" if rest else ""
        remedy = "see whether it is one culture, or a column that was copied"
        yield Finding(f"runs '{first}' and '{second}'", f"the same values of {', '.join(names)}{others}",
                      "two cultures differ", remedy, "warning")  # fmt: skip


def parallels_are_known(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """No two runs have the same sampling times and volumes, unless they are parallels.

    Args:
        runs: the runs.

    Yields:
        A warning for each group of such runs.
    """
    alike: dict[tuple, list[str]] = defaultdict(list)
    for run in runs:
        instants = tuple(event for event in run.events if isinstance(event, Bolus | Sample))
        if len({event.volume for event in instants}) >= FEWEST:  # few different volumes come from a common plan
            # media are not compared by name: each run may have its own name for one medium
            given = tuple((type(event).__name__, f"{event.time:.6g}", f"{event.volume:.6g}") for event in instants)
            times = tuple(f"{time:.6g}" for _, series in sorted(run.measurements.items()) for time in series.time)
            alike[(run.initial_volume, given, times)].append(run.name)
    for names in alike.values():
        if len(names) > 1:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            yield Finding(f"runs '{names[0]}' and '{names[1]}'{more}", "the same times and volumes throughout",
                          "independent cultures differ in them",
                          "see whether it is one culture under two names; hold parallels out together",
                          "warning")  # fmt: skip


def units_are_those_of_the_other_runs(runs: Sequence[CultureRun]) -> Iterator[Finding]:
    """The values of a quantity have the magnitude of those in the other runs, and do not differ by a unit.

    Args:
        runs: the runs.

    Yields:
        A warning for each run and quantity that differs from the others by the factor of a unit.
    """
    for name in dict.fromkeys(name for run in runs for name in species_series(run, cells=True)):
        typical = {run.name: _typical(run.measurements[name]) for run in runs if name in run.measurements}
        typical = {run: value for run, value in typical.items() if value > 0.0}
        logs = np.log(list(typical.values()))
        rank, ordered = np.argsort(np.argsort(logs)), np.sort(logs)
        if len(logs) < 3:
            continue
        middle = (len(logs) - 2) // 2, (len(logs) - 1) // 2  # of the others: the values that their median is from
        for (run, value), k in zip(typical.items(), rank.tolist(), strict=True):
            width = np.exp(ordered[-1 if k < len(logs) - 1 else -2] - ordered[0 if k > 0 else 1])
            ratio = value / float(np.exp(np.mean([ordered[i if i < k else i + 1] for i in middle])))
            factor = _unit_factor(name, ratio)
            if factor and width < max(ratio, 1.0 / ratio) ** 0.7:
                yield Finding(f"run '{run}', {name}", f"values {ratio:.3g} times those of the other runs",
                              f"that is {factor}", "look at the unit of the column", "warning")  # fmt: skip


def _typical(series: Measurement) -> float:
    """Return the geometric mean of the positive values."""
    positive = series.value[series.value > 0.0]
    return float(np.exp(np.mean(np.log(positive)))) if len(positive) else 0.0


def _unit_factor(name: str, ratio: float) -> str:
    """Return in words the change of unit that a ratio of values looks like, empty if it looks like none."""
    large = max(ratio, 1.0 / ratio)
    for size in (1e3, 1e6):
        if 0.4 < large / size < 2.5:
            return f"near a factor of {size:g}"
    if name in MOLAR_MASS:
        for factor, units in ((MOLAR_MASS[name] / 1e3, "g/L and mmol/L"), (MOLAR_MASS[name], "mg/L and mmol/L"),
                              (MOLAR_MASS[name] / 10.0, "mg/dL and mmol/L")):  # fmt: skip
            near = any(0.75 < ratio / change < 1.33 for change in (factor, 1.0 / factor))
            if near and max(factor, 1.0 / factor) > 3.0:
                return f"near the {factor:.3g} between {units}"
    return ""
