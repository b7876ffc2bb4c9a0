"""Learning from runs.

fit(model, runs) -> Fit        scores(trajectory) -> how well it meets the measurements
save_fit, load_fit             a fit on disk
recovered_law(fit, reaction)   what was learned of a rate law, beside the true and the known one
undetermined_combinations(fit) what the data leave open
audit_gradients                every derivative that a fit uses, against central differences
"""

from graycell.inference.audit import DerivativeCheck, GradientAudit, Verdict, audit_gradients
from graycell.inference.combinations import (
    UNDETERMINED,
    Combination,
    Correlation,
    Undetermined,
    correlation_matrix,
    undetermined_combinations,
)
from graycell.inference.fitting import Estimate, Fit, FitSettings, Progress, Stage, fit
from graycell.inference.laws import LawCurve, RecoveredLaw, learned_reactions, recovered_law, recovered_laws
from graycell.inference.storage import load_fit, save_fit
from graycell.inference.validation import Score, mean_nrmse, scores, unexplained_variance

__all__ = [
    "UNDETERMINED",
    "Combination",
    "Correlation",
    "DerivativeCheck",
    "Estimate",
    "Fit",
    "FitSettings",
    "GradientAudit",
    "LawCurve",
    "Progress",
    "RecoveredLaw",
    "Score",
    "Stage",
    "Undetermined",
    "Verdict",
    "audit_gradients",
    "correlation_matrix",
    "fit",
    "learned_reactions",
    "load_fit",
    "mean_nrmse",
    "recovered_law",
    "recovered_laws",
    "save_fit",
    "scores",
    "undetermined_combinations",
    "unexplained_variance",
]
