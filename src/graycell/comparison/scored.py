"""What a comparison scores: the measured quantities that all candidates predict, and their ranges."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graycell.comparison.protocols import Candidate, KnowsQuantities
from graycell.comparison.splits import Split
from graycell.errors import FitError, GraycellError, nearest
from graycell.runs.records import REDOX, TCD, VIABILITY, CultureRun
from graycell.units import convert, converts

NOT_SCORED = (REDOX, VIABILITY, TCD)
"""Measured quantities that are not scored unless the caller chooses."""


def require_unique(kind: str, names: list, what: str = "comparison") -> None:
    """Check that there are names, and none twice.

    Args:
        kind: of what is named, for the message.
        names: of candidates, splits or seeds.
        what: is done with them, for the message.

    Raises:
        FitError: for none, and for one that is there twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        found = f"{', '.join(map(str, twice))} more than once" if twice else "none"
        raise FitError(f"{what}, {kind}: found {found}; at least one is needed, and each needs its own name; "
                       "give others.")  # fmt: skip


def require_one_unit(runs: Iterable[CultureRun], what: str = "comparison") -> None:
    """Refuse quantities whose numbers mean different things in two runs; no unit is that of the model.

    Args:
        runs: all that are compared.
        what: is done with them, for the message.

    Raises:
        FitError: a quantity has two units.
    """
    first: dict[str, tuple[str, str]] = {}
    mixed: dict[str, str] = {}
    for run in runs:
        for quantity, unit in ((name, series.unit) for name, series in run.measurements.items() if series.unit):
            known, of = first.setdefault(quantity, (unit, run.name))
            if unit != known and not (converts(unit, known) and convert(1.0, unit, known) == 1.0):
                mixed[quantity] = f"{quantity} in {known} (run '{of}') and {unit} (run '{run.name}')"
    if mixed:
        raise FitError(f"{what}: found {'; '.join(mixed.values())}; one unit for each quantity is needed, because "
                       "errors and baselines have it; write the runs in one unit.")  # fmt: skip


def not_shared_by(
    candidates: Sequence[Candidate], splits: Sequence[Split], seeds: Sequence[int]
) -> dict[str, tuple[str, ...]]:
    """Return the measured quantities that some candidates do not predict.

    Args:
        candidates: of a comparison.
        splits: whose first one tells models what they learn from.
        seeds: whose first one they are built with.

    Returns:
        The names of these candidates by quantity.
    """
    runs = [run for split in splits for run in (*split.train, *split.test)]
    measured = dict.fromkeys(name for run in runs for name in run.measurements if name not in NOT_SCORED)
    lacking: dict[str, list[str]] = {}
    for candidate in candidates:
        if not isinstance(candidate, KnowsQuantities):
            continue
        try:
            known = candidate.quantities(splits[0].training_runs(), seeds[0])
        except GraycellError:  # the training will raise it again
            continue
        for name in measured:
            if name not in known:
                lacking.setdefault(name, []).append(candidate.name)
    return {name: tuple(who) for name, who in lacking.items()}


def ranges_of(
    splits: Sequence[Split], chosen: Sequence[str] | None, not_shared: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the range of every scored quantity, and the quantities that have none.

    Args:
        splits: of a comparison.
        chosen: names of the quantities that are scored; None for all that every candidate predicts.
        not_shared: see `not_shared_by`.

    Returns:
        The ranges in the unit of each quantity, and the names of those that never change.

    Raises:
        FitError: one of `chosen` was not measured.
    """
    values: dict[str, list[np.ndarray]] = {}
    runs = [run for split in splits for run in (*split.train, *split.test)]
    for quantity, series in (item for run in runs for item in run.measurements.items()):
        scored = quantity not in (*NOT_SCORED, *not_shared) if chosen is None else quantity in chosen
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
