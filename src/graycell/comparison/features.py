"""features_of: a run as columns of numbers that any regression can learn from.

The columns are time, the initial state, and what was done to the culture. Of the measurements only those at time 0 and
the signals, which are known inputs, are among them. The part of a column's name before the colon is its group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graycell.balances.rule_volumes import volumes_of_rules
from graycell.runs.records import (
    TEMPERATURE,
    VCD,
    Bolus,
    CultureRun,
    Feed,
    FeedRamp,
    Outflow,
    Replacement,
    Setpoint,
)

TIME = "time: d"
"""Name of the column of time, which is always present."""
_SAME = 1e-6
"""Two standardised columns [1] that differ by less, up to their sign, are the same."""


def features_of(run: CultureRun, time: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a run at given times.

    time [d]; initial: each species [mmol/L], VCD [10^9 cells/L] and R [1] at time 0; fed: each species fed with any
    medium before that time [mmol per litre of initial volume]; volume: fed, bled and harvested, per initial volume [1];
    temperature: now, and the mean since time 0 [degC]; setpoint: that of each other input, in its unit; before the
    first one it is the initial value, or else the first set-point; signal: each known input. An event acts on later
    times only. Rules count with the volumes that the samples of the run give. A bolus to a level without a sample of
    its species at that time, as in a run that is predicted, one per IVCD without counts, and a feed per cell do not
    count as fed.

    Args:
        run: the run.
        time: (times,) [d].

    Returns:
        (times,) columns by name.

    >>> run = CultureRun("a", 2.0, {"GLC": 30.0}, events=(Bolus(1.0, "feed", 0.1),), media={"feed": {"GLC": 400.0}})
    >>> features_of(run, np.array([1.0, 2.0]))["fed: GLC"]
    array([ 0., 20.])
    """
    time = np.asarray(time, dtype=float)
    columns = {TIME: time}
    columns |= {f"initial: {name}": np.full(time.shape, value) for name, value in _initial(run).items()}
    fed, fed_volume = _fed(volumes_of_rules(run).run, time)
    columns |= {f"fed: {name}": amount / run.initial_volume for name, amount in fed.items()}
    columns["volume: fed"] = fed_volume / run.initial_volume
    for word, retains in (("bled", False), ("harvested", True)):
        steps = [(event.time, event.rate) for event in run.events
                 if isinstance(event, Outflow) and event.retains_cells is retains]  # fmt: skip
        columns[f"volume: {word}"] = _integral(steps, time) / run.initial_volume
    columns |= _temperature(run, time)
    columns |= _setpoints(run, time)
    columns |= {
        f"signal: {name}": np.interp(time, signal.time, signal.value)
        for name, signal in run.signals.items()
        if len(signal.time)
    }
    return columns


@dataclass(frozen=True)
class Scaling:
    """Which columns are used and how they are standardised, learned from training runs.

    Attributes:
        names: of the columns.
        mean: (columns,) in their units.
        deviation: (columns,) standard deviations in their units.
        groups: (columns,) index of the group of each column.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    groups: tuple[int, ...]

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the standardised columns, (times, columns) [1]; a missing column has its mean."""
        count = len(next(iter(columns.values())))
        missing = np.full(count, np.nan)
        raw = np.stack([columns.get(name, missing) for name in self.names], axis=1)
        return np.nan_to_num((raw - self.mean) / self.deviation, nan=0.0)


def scaling_of(tables: Sequence[Mapping[str, np.ndarray]]) -> Scaling:
    """Learn the scaling from the columns of training runs.

    Left out are columns, but never time, that a run does not have, that are constant, or that repeat another column in
    another unit, as the species of a single medium do.

    Args:
        tables: columns by name, one table for each run.

    Returns:
        The scaling.
    """
    names = [name for name in tables[0] if all(name in table for table in tables)]
    kept: dict[str, np.ndarray] = {}
    for name in names:
        column = np.concatenate([table[name] for table in tables])
        deviation = float(np.std(column))
        constant = not np.all(np.isfinite(column)) or deviation <= 1e-9 * max(1.0, float(np.max(np.abs(column))))
        if constant and name != TIME:
            continue
        standard = (column - column.mean()) / (1.0 if constant else deviation)
        if any(
            min(np.max(np.abs(standard - other)), np.max(np.abs(standard + other))) < _SAME for other in kept.values()
        ):
            continue
        kept[name] = standard
    raw = {name: np.concatenate([table[name] for table in tables]) for name in kept}
    kinds = list(dict.fromkeys(name.split(":")[0] for name in kept))
    return Scaling(
        names=tuple(kept),
        mean=np.array([column.mean() for column in raw.values()]),
        deviation=np.array([column.std() or 1.0 for column in raw.values()]),  # time may be constant
        groups=tuple(kinds.index(name.split(":")[0]) for name in kept),
    )


def _initial(run: CultureRun) -> dict[str, float]:
    values = {name: float(value) for name, value in run.initial.items()}
    series = run.measurements.get(VCD)
    if series is not None and len(series.time) and series.time[0] <= 0.0:
        values[VCD] = float(series.value[0])
    return values


def _fed(run: CultureRun, time: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the amounts [mmol] by species and the volume [L] that were fed before each time."""
    volumes = {name: np.zeros(time.shape) for name in run.media}
    exchanged = {name: np.zeros(time.shape) for name in run.media}  # a replacement adds amounts and no volume
    rates: dict[str, list[tuple[float, float, float]]] = {}
    for event in run.events:
        if isinstance(event, Bolus):
            volumes[event.medium] = volumes[event.medium] + event.volume * (time > event.time)
        elif isinstance(event, Replacement):
            added = event.fraction * run.initial_volume * (time > event.time)
            exchanged[event.medium] = exchanged[event.medium] + added
        elif isinstance(event, Feed | FeedRamp):
            slope = event.slope if isinstance(event, FeedRamp) else 0.0
            rates.setdefault(event.medium, []).append((event.time, event.rate, slope))
    for medium, steps in rates.items():
        volumes[medium] = volumes[medium] + _integral(steps, time)
    amounts: dict[str, np.ndarray] = {}
    for medium, composition in run.media.items():
        for species, concentration in composition.items():
            amount = concentration * (volumes[medium] + exchanged[medium])
            amounts[species] = amounts.get(species, 0.0) + amount
    return amounts, np.sum([np.zeros(time.shape), *volumes.values()], axis=0)


def _integral(steps: Sequence[tuple[float, ...]], time: np.ndarray) -> np.ndarray:
    """Return the integral up to each time of a rate that is set in steps: since [d], rate [1/d], slope [1/d^2] or 0."""
    total = np.zeros(time.shape)
    for i, (begin, rate, *slope) in enumerate(steps):
        end = steps[i + 1][0] if i + 1 < len(steps) else np.inf
        passed = np.clip(time - begin, 0.0, end - begin)
        total = total + rate * passed + sum(slope) * 0.5 * passed**2
    return total


def _temperature(run: CultureRun, time: np.ndarray) -> dict[str, np.ndarray]:
    now = np.full(time.shape, run.initial_temperature)
    steps = [(0.0, run.initial_temperature)]
    for event in run.events:
        if isinstance(event, Setpoint) and event.input == TEMPERATURE:
            now = np.where(time > event.time, event.value, now)
            steps.append((event.time, event.value))
    mean = np.where(time > 0.0, _integral(steps, time) / np.maximum(time, 1e-12), now)
    return {"temperature: now": now, "temperature: mean so far": mean}


def _setpoints(run: CultureRun, time: np.ndarray) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for event in run.events:
        if isinstance(event, Setpoint) and event.input != TEMPERATURE:
            name = f"setpoint: {event.input}"
            before = columns.get(name, np.full(time.shape, run.initial.get(event.input, event.value), dtype=float))
            columns[name] = np.where(time > event.time, event.value, before)
    return columns
