"""Learning from runs.

fit(model, runs) -> Fit        scores(trajectory) -> how well it meets the measurements
save_fit, load_fit             a fit on disk
recovered_law(fit, reaction)   what was learned of a rate law, beside the true and the known one
undetermined_combinations(fit) what the data leave open
compare(candidates, splits)    who predicts runs that were not learned from how well; learning_curve
held_out, leave_one_run_out, forward_in_time   the splits; ModelCandidate and BASELINES are candidates
count_inconsistencies          what cannot be, counted in what a model predicts
audit_gradients                every derivative that a fit uses, against central differences
"""

from graycell.inference.audit import DerivativeCheck, GradientAudit, Verdict, audit_gradients
from graycell.inference.baselines import (
    BASELINES,
    BoostedTrees,
    Candidate,
    GaussianProcess,
    LastValue,
    MeanOfRuns,
    Predictor,
)
from graycell.inference.candidates import FittedPredictor, ModelCandidate
from graycell.inference.combinations import (
    UNDETERMINED,
    Combination,
    Correlation,
    Undetermined,
    correlation_matrix,
    undetermined_combinations,
)
from graycell.inference.comparison import Comparison, ComparisonProgress, compare, learning_curve
from graycell.inference.consistency import Count, count_inconsistencies, far_outside
from graycell.inference.fitting import Estimate, Fit, FitSettings, Progress, Stage, fit
from graycell.inference.laws import LawCurve, RecoveredLaw, learned_reactions, recovered_law, recovered_laws
from graycell.inference.splits import Split, forward_in_time, held_out, leave_one_run_out
from graycell.inference.storage import load_fit, save_fit
from graycell.inference.validation import Score, mean_nrmse, scores, unexplained_variance

__all__ = [
    "BASELINES",
    "UNDETERMINED",
    "BoostedTrees",
    "Candidate",
    "Combination",
    "Comparison",
    "ComparisonProgress",
    "Correlation",
    "Count",
    "DerivativeCheck",
    "Estimate",
    "Fit",
    "FitSettings",
    "FittedPredictor",
    "GaussianProcess",
    "GradientAudit",
    "LastValue",
    "LawCurve",
    "MeanOfRuns",
    "ModelCandidate",
    "Predictor",
    "Progress",
    "RecoveredLaw",
    "Score",
    "Split",
    "Stage",
    "Undetermined",
    "Verdict",
    "audit_gradients",
    "compare",
    "correlation_matrix",
    "count_inconsistencies",
    "far_outside",
    "fit",
    "forward_in_time",
    "held_out",
    "learned_reactions",
    "learning_curve",
    "leave_one_run_out",
    "load_fit",
    "mean_nrmse",
    "recovered_law",
    "recovered_laws",
    "save_fit",
    "scores",
    "undetermined_combinations",
    "unexplained_variance",
]
