"""Learning from runs: `fit(model, runs)` or `fit(Problem(...))` -> Fit; `save_fit`, `load_fit`; `Fit.predict`."""

from graycell.inference.fitting import fit
from graycell.inference.prediction import Prediction
from graycell.inference.problem import Problem
from graycell.inference.results import Estimate, Fit, FitSettings, FitStatus, Progress
from graycell.inference.stages import Stage
from graycell.inference.storage import load_fit, require_no_other_fit, save_fit

__all__ = [
    "Estimate",
    "Fit",
    "FitSettings",
    "FitStatus",
    "Prediction",
    "Problem",
    "Progress",
    "Stage",
    "fit",
    "load_fit",
    "require_no_other_fit",
    "save_fit",
]
