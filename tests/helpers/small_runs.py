"""Small runs whose truth is known in closed form, for tests of what learns: three species, constant specific rates."""

import numpy as np

from graycell.runs.records import CultureRun, Measurement

GROWTH, UPTAKE, RELEASE = 0.5, 1.2, 1.8
"""Growth [1/d], glucose uptake and lactate release [mmol/(10^9 cells)/d]."""
PER_CELL = 2.31
"""[mmol/(10^9 cells)] biomass per cell, as in `hybrid.neural_rates_model`."""
SPECIES = ("BIOM", "GLC", "LAC")
DAYS = np.arange(0.5, 4.01, 0.5)


def amounts(time: np.ndarray, glucose: float, cells: float = 1.0) -> dict[str, np.ndarray]:
    """Return concentrations [mmol/L] of cells that grow exponentially in a batch, from `cells` [10^9 cells/L]."""
    made = cells * (np.exp(GROWTH * time) - 1.0) / GROWTH
    return {
        "BIOM": PER_CELL * cells * np.exp(GROWTH * time),
        "GLC": glucose - UPTAKE * made,
        "LAC": 1.0 + RELEASE * made,
    }


def batch(name: str, glucose: float, cells: float = 1.0, relative_error: float = 0.02) -> CultureRun:
    """Return a batch that was measured twice a day without noise."""
    start = {species: float(value) for species, value in amounts(np.zeros(()), glucose, cells).items()}
    values = amounts(DAYS, glucose, cells)
    measured = {
        species: Measurement(species, "mmol/L", DAYS, value, np.full(len(DAYS), relative_error * np.max(value)))
        for species, value in values.items()
    }
    return CultureRun(name, 1.0, start, measured, end=float(DAYS[-1]))
