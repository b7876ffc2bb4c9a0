"""What a comparison scores: quantities that were measured in one unit, and their ranges."""

from collections.abc import Sequence

import numpy as np

from graycell.comparison.splits import Split
from graycell.errors import FitError, nearest
from graycell.runs.records import REDOX, TCD, VIABILITY
from graycell.units import convert, converts

NOT_SCORED = (REDOX, VIABILITY, TCD)
"""Measured quantities that are not scored unless the caller chooses."""


def require_unique(kind: str, names: list) -> None:
    """Check that there are names, and none twice.

    Args:
        kind: of what is named, for the message.
        names: of candidates, splits or seeds.

    Raises:
        FitError: for none, and for one that is there twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        found = f"{', '.join(map(str, twice))} more than once" if twice else "none"
        raise FitError(f"comparison, {kind}: found {found}; at least one is needed, and each needs its own name; "
                       "give others.")  # fmt: skip


def require_one_unit(splits: Sequence[Split]) -> None:
    """Check that the numbers of each quantity mean the same in all runs; no unit is that of the model.

    Args:
        splits: of the comparison.

    Raises:
        FitError: for quantities in several units.
    """
    first: dict[str, tuple[str, str]] = {}
    mixed: dict[str, str] = {}
    for run in (run for split in splits for run in (*split.train, *split.test)):
        for quantity, unit in ((name, series.unit) for name, series in run.measurements.items() if series.unit):
            known, of = first.setdefault(quantity, (unit, run.name))
            if unit != known and not (converts(unit, known) and convert(1.0, unit, known) == 1.0):
                mixed[quantity] = f"{quantity} in {known} (run '{of}') and {unit} (run '{run.name}')"
    if mixed:
        raise FitError(f"comparison: found {'; '.join(mixed.values())}; one unit for each quantity is needed, because "
                       "errors and baselines have it; write the runs in one unit.")  # fmt: skip


def ranges_of(splits: Sequence[Split], chosen: Sequence[str] | None = None) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the range of every scored quantity in its unit, and the quantities that have none.

    Args:
        splits: of the comparison.
        chosen: names of what is scored; all but `NOT_SCORED` if left out.

    Returns:
        Ranges by quantity, and the quantities that never change.

    Raises:
        FitError: for a chosen quantity that no run measured.
    """
    values: dict[str, list[np.ndarray]] = {}
    runs = [run for split in splits for run in (*split.train, *split.test)]
    for quantity, series in (item for run in runs for item in run.measurements.items()):
        scored = quantity not in NOT_SCORED if chosen is None else quantity in chosen
        if scored and len(series.value):
            values.setdefault(quantity, []).append(series.value)
    for quantity in chosen or ():
        if quantity not in values:
            measured = dict.fromkeys(name for run in runs for name in run.measurements)
            raise FitError(f"comparison: found '{quantity}' in quantities, which no run measured; "
                           f"{nearest(quantity, tuple(measured))}.")  # fmt: skip
    ranges = {quantity: float(np.ptp(np.concatenate(parts))) for quantity, parts in values.items()}
    return (
        {quantity: width for quantity, width in ranges.items() if width > 0.0},
        tuple(quantity for quantity, width in ranges.items() if width == 0.0),
    )
