"""Learning from runs.

fit(model, runs) -> Fit        scores(trajectory) -> how well it meets the measurements
save_fit, load_fit             a fit on disk
audit_gradients                every derivative that a fit uses, against central differences
"""

from graycell.inference.audit import DerivativeCheck, GradientAudit, Verdict, audit_gradients
from graycell.inference.fitting import Estimate, Fit, FitSettings, Progress, Stage, fit
from graycell.inference.storage import load_fit, save_fit
from graycell.inference.validation import Score, mean_nrmse, scores, unexplained_variance

__all__ = [
    "DerivativeCheck",
    "Estimate",
    "Fit",
    "FitSettings",
    "GradientAudit",
    "Progress",
    "Score",
    "Stage",
    "Verdict",
    "audit_gradients",
    "fit",
    "load_fit",
    "mean_nrmse",
    "save_fit",
    "scores",
    "unexplained_variance",
]
