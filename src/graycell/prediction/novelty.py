"""What of a plan lies outside of what the training runs did, and how far: the quantity, the time, and a distance.

The columns of `comparison.features` are compared: what a run begins with, what was fed until a time, volumes,
temperatures and set-points. The distance of a column is how far it is outside of the range of the training runs at the
same time, over the width of that range. The range is taken wider by a margin on both sides: few runs do not show the
whole range, and what a culture begins with is known by an assay. The margin of an amount is a part of its largest
value, that of a temperature or a set-point is fixed. A prediction is widened by 1 + the largest distance so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graycell.comparison.features import TIME, features_of
from graycell.runs.records import VCD, CellFeed, CultureRun

_PLACES = 25
"""Times at which a plan is compared."""
_MARGIN = 0.15
"""[1] Margin of a range on each side, as part of its largest value."""
_MARGIN_OF_CELLS = 0.4
"""[1] That of cells at the start: a count has an error of 5 to 20 %, and runs begin with different counts."""
_MARGIN_OF_TEMPERATURE, _LEAST_WIDTH = 0.5, 4.0
"""[degC] Margin of a temperature, and least width of its range."""
_MARGIN_OF_SETPOINT, _LEAST_SHARE = 0.01, 0.05
"""[1] Margin of another set-point, such as pH, and least width of its range, as parts of its largest value."""
_BALANCED = ("initial", "fed", "volume")
"""Groups of columns that mass balances know how to take into account."""
_WORTH_SAYING = 0.1
"""[1] Distance from which on it is said."""
_COMPARED = ("initial", "fed", "volume", "temperature", "setpoint")


@dataclass(frozen=True)
class Novelty:
    """One thing that leaves what was learned.

    Attributes:
        column: of `features_of`, such as "fed: GLC".
        time: [d] at which it first does.
        distance: [1] the largest.
        value: in the plan, where the distance is largest.
        low: least value of the training runs at that time.
        high: their largest value.
    """

    column: str
    time: float
    distance: float
    value: float
    low: float
    high: float

    def sentence(self) -> str:
        """Return it in words.

        Returns:
            A sentence with the quantity, the time and the range that was seen.
        """
        side = "below" if self.value < self.low else "above"
        seen = f"the training runs had {self.low:.3g} to {self.high:.3g}"
        return (f"{self.column} is {side} what was learned from day {self.time:.3g} on: {self.value:.3g}, where "
                f"{seen}; for this the bands are up to {1.0 + self.distance:.2g} times as wide.")  # fmt: skip


@dataclass(frozen=True)
class Outside:
    """All that leaves what was learned, over time.

    Attributes:
        found: what it is, the farthest first.
        time: (n,) [d].
        distance: (n,) [1] the largest so far.
        balanced: (n,) [1] the largest so far of what mass balances take into account: starts, feeds, volumes.
        unseen: set-points that no training run has.
    """

    found: tuple[Novelty, ...]
    time: np.ndarray
    distance: np.ndarray
    balanced: np.ndarray
    unseen: tuple[str, ...]


def novelties(runs: Sequence[CultureRun], plan: CultureRun) -> Outside:
    """Return what of a plan leaves the training runs.

    Args:
        runs: training runs.
        plan: the run that is predicted.

    Returns:
        What leaves them.
    """
    times = np.linspace(0.0, plan.end, _PLACES)
    tables = [features_of(run, np.minimum(times, run.end)) for run in runs]
    planned = features_of(plan, times)
    total, balances, found, unseen = np.zeros(_PLACES), np.zeros(_PLACES), list[Novelty](), list[str]()
    by_cells = any(isinstance(event, CellFeed) for event in plan.events)  # nobody knows beforehand how much that is
    for name in dict.fromkeys([*planned, *(name for table in tables for name in table)]):
        group = name.split(":")[0]
        if name == TIME or group not in _COMPARED or (by_cells and group in ("fed", "volume")):
            continue
        absent = 0.0 if name.startswith(("fed", "volume")) else np.nan
        seen = np.array([table.get(name, np.full(_PLACES, absent)) for table in tables])
        value = planned.get(name, np.full(_PLACES, absent))
        if group == "setpoint" and not np.any(np.isfinite(seen)):
            unseen.append(name)
        if not np.any(np.isfinite(seen)) or not np.all(np.isfinite(value)):
            continue
        low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
        # of the whole run: early in it ranges are narrow, and little was fed
        largest = float(np.max(np.maximum(np.abs(high), np.abs(low))))
        margin, least = _margin(name, largest)
        width = np.maximum(high - low + 2.0 * margin, least)
        outside = np.maximum(np.maximum(low - margin - value, value - high - margin), 0.0)
        distance = outside / np.where(width > 0.0, width, np.maximum(np.abs(value), 1e-300))
        total = np.maximum(total, distance)
        balances = np.maximum(balances, distance) if group in _BALANCED else balances
        worst = int(np.argmax(distance))
        if distance[worst] >= _WORTH_SAYING:
            first = int(np.argmax(distance >= _WORTH_SAYING))
            found.append(Novelty(name, float(times[first]), float(distance[worst]), float(value[worst]),
                                 float(low[worst]), float(high[worst])))  # fmt: skip
    found.sort(key=lambda one: -one.distance)
    return Outside(tuple(found), times, np.maximum.accumulate(total), np.maximum.accumulate(balances), tuple(unseen))


def _margin(name: str, largest: float) -> tuple[float, float]:
    """Return the margin of the range of a column, and the least width of the range with it."""
    group = name.split(":")[0]
    if group == "temperature":
        return _MARGIN_OF_TEMPERATURE, _LEAST_WIDTH
    if group == "setpoint":
        return _MARGIN_OF_SETPOINT * largest, _LEAST_SHARE * largest
    return (_MARGIN_OF_CELLS if name in (f"initial: {VCD}", "initial: BIOM") else _MARGIN) * largest, 0.0
