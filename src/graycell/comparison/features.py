"""A culture over time as numbers that any regression can learn from: time, how it began, what was done to it.

Nothing that was measured after the start is among them, apart from signals, which are known inputs. Each number is a
column with a name, and the part of the name before the colon is its group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, NormalizedKernelMixin, StationaryKernelMixin

from graycell.runs.records import VCD, Bolus, CultureRun, Feed, Outflow, Replacement, Setpoint

TIME = "time: d"
"""Name of the column of time, which is always there."""
_SAME = 1e-6
"""Two standardised columns [1] that differ by less, up to their sign, say the same."""


def features_of(run: CultureRun, time: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of a run at times [d], each of shape (times,), by name.

    time [d]; initial: each species [mmol/L], VCD [10^9 cells/L] and R [1] at time 0; fed: each species that came with
    any medium before that time [mmol per litre of initial volume]; volume: what was fed, bled and harvested [1], per
    initial volume; temperature: now and the mean so far [degC]; signal: each known input at that time. An event acts
    on what is later than it.

    >>> run = CultureRun("a", 2.0, {"GLC": 30.0}, events=(Bolus(1.0, "feed", 0.1),), media={"feed": {"GLC": 400.0}})
    >>> features_of(run, np.array([1.0, 2.0]))["fed: GLC"]
    array([ 0., 20.])
    """
    time = np.asarray(time, dtype=float)
    columns = {TIME: time}
    columns |= {f"initial: {name}": np.full(time.shape, value) for name, value in _initial(run).items()}
    fed, fed_volume = _fed(run, time)
    columns |= {f"fed: {name}": amount / run.initial_volume for name, amount in fed.items()}
    columns["volume: fed"] = fed_volume / run.initial_volume
    for word, retains in (("bled", False), ("harvested", True)):
        steps = [(one.time, one.rate) for one in run.events
                 if isinstance(one, Outflow) and one.retains_cells is retains]  # fmt: skip
        columns[f"volume: {word}"] = _integral(steps, time) / run.initial_volume
    columns |= _temperature(run, time)
    columns |= {
        f"signal: {name}": np.interp(time, signal.time, signal.value)
        for name, signal in run.signals.items()
        if len(signal.time)
    }
    return columns


@dataclass(frozen=True)
class Scaling:
    """Which columns are used and how they are standardised, learned from training runs.

    names: of the columns; mean, deviation: (columns,) in their units; groups: (columns,) index of the group of each.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray
    groups: tuple[int, ...]

    def __call__(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the standardised columns, (times, columns) [1]; what a run does not say is taken as the mean."""
        count = len(next(iter(columns.values())))
        missing = np.full(count, np.nan)
        raw = np.stack([columns.get(name, missing) for name in self.names], axis=1)
        return np.nan_to_num((raw - self.mean) / self.deviation, nan=0.0)


def scaling_of(tables: Sequence[Mapping[str, np.ndarray]]) -> Scaling:
    """Return the scaling learned from the columns of training runs.

    Left out are columns, but never time, that a run does not have, that are constant, or that are another column in
    another unit, as the species of a single medium are.
    """
    names = [name for name in tables[0] if all(name in table for table in tables)]
    kept: dict[str, np.ndarray] = {}
    for name in names:
        column = np.concatenate([table[name] for table in tables])
        spread = float(np.std(column))
        constant = not np.all(np.isfinite(column)) or spread <= 1e-9 * max(1.0, float(np.max(np.abs(column))))
        if constant and name != TIME:
            continue
        standard = (column - column.mean()) / (1.0 if constant else spread)
        if any(min(np.max(np.abs(standard - one)), np.max(np.abs(standard + one))) < _SAME for one in kept.values()):
            continue
        kept[name] = standard
    raw = {name: np.concatenate([table[name] for table in tables]) for name in kept}
    kinds = list(dict.fromkeys(name.split(":")[0] for name in kept))
    return Scaling(
        names=tuple(kept),
        mean=np.array([column.mean() for column in raw.values()]),
        deviation=np.array([column.std() or 1.0 for column in raw.values()]),  # time may be one
        groups=tuple(kinds.index(name.split(":")[0]) for name in kept),
    )


class GroupedRBF(StationaryKernelMixin, NormalizedKernelMixin, Kernel):
    r"""A squared exponential kernel with one length scale [1] for each group of columns.

    $k(x, x') = \exp(-\frac12 \sum_g d_g^2 / l_g^2)$, where $d_g^2$ is the mean of the squared differences over the
    columns of group g: a group counts as one, whatever its size. groups: index of the group of each column, -1 for one
    that is not seen; length_scale: a number, or one for each group.
    """

    def __init__(self, groups, length_scale, length_scale_bounds=(0.1, 100.0)):
        self.groups = groups
        self.length_scale = length_scale
        self.length_scale_bounds = length_scale_bounds

    @property
    def hyperparameter_length_scale(self) -> Hyperparameter:
        """Where scikit-learn finds what may be fitted."""
        return Hyperparameter("length_scale", "numeric", self.length_scale_bounds, max(self.groups) + 1)

    def __call__(self, X, Y=None, eval_gradient=False):
        """Return the kernel of the rows of X and Y, and its derivatives by log(length_scale) if they are wanted."""
        groups = np.asarray(self.groups)
        other = X if Y is None else Y
        squares = []
        # scikit-learn turns a length scale of one entry into a number
        for group, scale in enumerate(np.atleast_1d(self.length_scale)):
            seen = groups == group
            difference = X[:, None, seen] - other[None, :, seen]
            squares.append(np.sum(difference**2, axis=2) / max(int(np.sum(seen)), 1) / scale**2)
        kernel = np.exp(-0.5 * np.sum(squares, axis=0))
        if not eval_gradient:
            return kernel
        if self.hyperparameter_length_scale.fixed:
            return kernel, np.empty((*kernel.shape, 0))
        return kernel, np.stack([kernel * square for square in squares], axis=2)


def _initial(run: CultureRun) -> dict[str, float]:
    values = {name: float(value) for name, value in run.initial.items()}
    series = run.measurements.get(VCD)
    if series is not None and len(series.time) and series.time[0] <= 0.0:
        values[VCD] = float(series.value[0])
    return values


def _fed(run: CultureRun, time: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the amounts [mmol] by species and the volume [L] that were fed before each time."""
    volumes = {name: np.zeros(time.shape) for name in run.media}
    exchanged = {name: np.zeros(time.shape) for name in run.media}  # a replacement feeds amounts and no volume
    rates: dict[str, list[tuple[float, float]]] = {}
    for event in run.events:
        if isinstance(event, Bolus):
            volumes[event.medium] = volumes[event.medium] + event.volume * (time > event.time)
        elif isinstance(event, Replacement):
            added = event.fraction * run.initial_volume * (time > event.time)
            exchanged[event.medium] = exchanged[event.medium] + added
        elif isinstance(event, Feed):
            rates.setdefault(event.medium, []).append((event.time, event.rate))
    for medium, steps in rates.items():
        volumes[medium] = volumes[medium] + _integral(steps, time)
    amounts: dict[str, np.ndarray] = {}
    for medium, composition in run.media.items():
        for species, concentration in composition.items():
            amount = concentration * (volumes[medium] + exchanged[medium])
            amounts[species] = amounts.get(species, 0.0) + amount
    return amounts, np.sum([np.zeros(time.shape), *volumes.values()], axis=0)


def _integral(steps: Sequence[tuple[float, float]], time: np.ndarray) -> np.ndarray:
    """Return the integral until each time of a rate that changes in steps (from when on [d], rate per day)."""
    total = np.zeros(time.shape)
    for i, (begin, rate) in enumerate(steps):
        end = steps[i + 1][0] if i + 1 < len(steps) else np.inf
        total = total + rate * np.clip(time - begin, 0.0, end - begin)
    return total


def _temperature(run: CultureRun, time: np.ndarray) -> dict[str, np.ndarray]:
    now = np.full(time.shape, run.initial_temperature)
    steps = [(0.0, run.initial_temperature)]
    for event in run.events:
        if isinstance(event, Setpoint):
            now = np.where(time > event.time, event.temperature, now)
            steps.append((event.time, event.temperature))
    mean = np.where(time > 0.0, _integral(steps, time) / np.maximum(time, 1e-12), now)
    return {"temperature: now": now, "temperature: mean so far": mean}
