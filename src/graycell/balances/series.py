"""The measured series that checks of plausibility look at."""

from graycell.balances.mass_balances import CELLS
from graycell.runs.checks import NOT_SPECIES
from graycell.runs.records import CultureRun, Measurement
from graycell.units import CELL_DENSITY, CONCENTRATION, MASS_CONCENTRATION, convert_amount

FEWEST = 5
"""Samples from which on equal values of a series are taken for copied ones."""


def species_series(run: CultureRun, cells: bool = False) -> dict[str, Measurement]:
    """Return the measured series of species in mmol/L, whose balances are those of a metabolite.

    Args:
        run: the run.
        cells: whether counts of cells are included.

    Returns:
        The series by quantity.
    """
    return {
        name: series
        for name, series in run.measurements.items()
        if is_balanced(name, series) and (cells or name not in CELLS)
    }


def has_balance(run: CultureRun, name: str) -> bool:
    """Return whether a measured quantity has a balance, in mmol, in g or of cells, and a rate.

    Args:
        run: the run.
        name: of a measured quantity.

    Returns:
        Whether it is a count of cells, or is in mmol/L, or in g/L as in the media of the run.
    """
    series = run.measurements[name]
    is_mass = name not in NOT_SPECIES and series.unit == MASS_CONCENTRATION
    return is_balanced(name, series) or (is_mass and run.units.get(name, MASS_CONCENTRATION) == MASS_CONCENTRATION)


def is_balanced(name: str, series: Measurement) -> bool:
    """Return whether a measured quantity has a mass balance: counts of cells, and what is in mmol/L; pH has none.

    Args:
        name: of the quantity.
        series: of the quantity.

    Returns:
        Whether it has.
    """
    return name in CELLS or (name not in NOT_SPECIES and series.unit in ("", CONCENTRATION))


_READ_AS_MASS = {CONCENTRATION: MASS_CONCENTRATION, "mmol": "g"}


def read_in(run: CultureRun, name: str, unit: str) -> tuple[float, str]:
    """Return in which unit a laboratory reads numbers of a quantity, for the sentences of findings.

    Args:
        run: the run, which knows the molar masses of what was weighed.
        name: of the quantity.
        unit: of the numbers, "" for mmol/L.

    Returns:
        The factor, and the unit: a mass where the quantity was measured as one, and 10^6 cells/mL for counts.

    >>> run = CultureRun("A", 1.0, {}, {}, end=1.0, molar_masses={"ANTI": 150e3})
    >>> read_in(run, "ANTI", "mmol/L"), read_in(run, "GLC", "mmol"), read_in(run, "VCD", "1e9 cells/L")
    ((150.0, 'g/L'), (1.0, 'mmol'), (1.0, '1e6 cells/mL'))
    """
    unit, mass = unit or CONCENTRATION, run.molar_masses.get(name)
    if mass is not None and unit in _READ_AS_MASS:
        return float(convert_amount(1.0, unit, _READ_AS_MASS[unit], mass)), _READ_AS_MASS[unit]
    return 1.0, "1e6 cells/mL" if unit == CELL_DENSITY else unit
