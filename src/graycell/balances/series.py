"""The measured series that checks of plausibility look at."""

from graycell.balances.mass_balances import CELLS
from graycell.runs.checks import NOT_SPECIES
from graycell.runs.records import CultureRun, Measurement

FEWEST = 5
"""Samples from which on equal values of a series are taken for copied ones."""


def species_series(run: CultureRun, cells: bool = False) -> dict[str, Measurement]:
    """Return the measured series of species.

    Args:
        run: the run.
        cells: whether counts of cells are included.

    Returns:
        The series by quantity.
    """
    return {
        name: series
        for name, series in run.measurements.items()
        if name not in NOT_SPECIES or (cells and name in CELLS)
    }
