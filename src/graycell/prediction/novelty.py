"""What of a plan lies outside of what the training runs did, and how far: the quantity, the time, and a distance.

The columns of `comparison.features` are compared: what a run begins with, what was fed until a time, volumes,
temperatures and set-points. The distance of a column is how far it is outside of the range of the training runs at the
same time, over the width of that range. The range is taken wider by a margin on both sides, a part of the largest
value: few runs do not show the whole range, and what a culture begins with is known by an assay. A prediction is
widened by 1 + the largest distance so far.
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
                f"{seen}; the bands are widened by {self.distance:.2g} times.")  # fmt: skip


def novelties(runs: Sequence[CultureRun], plan: CultureRun) -> tuple[tuple[Novelty, ...], np.ndarray, np.ndarray]:
    """Return what of a plan leaves the training runs.

    Args:
        runs: training runs.
        plan: the run that is predicted.

    Returns:
        What leaves them, the farthest first; times (n,) [d] and the largest distance so far (n,) [1] of all of it.
    """
    times = np.linspace(0.0, plan.end, _PLACES)
    tables = [features_of(run, np.minimum(times, run.end)) for run in runs]
    planned = features_of(plan, times)
    total, found = np.zeros(_PLACES), []
    by_cells = any(isinstance(event, CellFeed) for event in plan.events)  # nobody knows beforehand how much that is
    for name in dict.fromkeys([*planned, *(name for table in tables for name in table)]):
        group = name.split(":")[0]
        if name == TIME or group not in _COMPARED or (by_cells and group in ("fed", "volume")):
            continue
        absent = 0.0 if name.startswith(("fed", "volume")) else np.nan
        seen = np.array([table.get(name, np.full(_PLACES, absent)) for table in tables])
        value = planned.get(name, np.full(_PLACES, absent))
        if not np.any(np.isfinite(seen)) or not np.all(np.isfinite(value)):
            continue
        low, high = np.nanmin(seen, axis=0), np.nanmax(seen, axis=0)
        margin = _MARGIN_OF_CELLS if name in (f"initial: {VCD}", "initial: BIOM") else _MARGIN
        # of the whole run: early in it ranges are narrow, and little was fed
        margin = margin * float(np.max(np.maximum(np.abs(high), np.abs(low))))
        width = np.maximum(high - low + 2.0 * margin, 0.0)
        outside = np.maximum(np.maximum(low - margin - value, value - high - margin), 0.0)
        distance = outside / np.where(width > 0.0, width, np.maximum(np.abs(value), 1e-300))
        total = np.maximum(total, distance)
        worst = int(np.argmax(distance))
        if distance[worst] >= _WORTH_SAYING:
            first = int(np.argmax(distance >= _WORTH_SAYING))
            found.append(Novelty(name, float(times[first]), float(distance[worst]), float(value[worst]),
                                 float(low[worst]), float(high[worst])))  # fmt: skip
    found.sort(key=lambda one: -one.distance)
    return tuple(found), times, np.maximum.accumulate(total)
