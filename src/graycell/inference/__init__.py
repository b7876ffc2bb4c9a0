"""Learning from runs: `fit(model, runs)` -> Fit; `save_fit`, `load_fit`."""

from graycell.inference.fitting import Estimate, Fit, FitSettings, Progress, Stage, fit
from graycell.inference.storage import load_fit, save_fit

__all__ = [
    "Estimate",
    "Fit",
    "FitSettings",
    "Progress",
    "Stage",
    "fit",
    "load_fit",
    "save_fit",
]
