"""Models and baselines compared on runs that they have not seen: splits, candidates, scores with intervals."""

from graycell.comparison.baselines import (
    BASELINES,
    BoostedTrees,
    Candidate,
    GaussianProcess,
    LastValue,
    MeanOfRuns,
    Predictor,
)
from graycell.comparison.candidates import FittedPredictor, ModelCandidate
from graycell.comparison.comparison import Comparison, ComparisonProgress, compare, learning_curve
from graycell.comparison.consistency import Count, count_inconsistencies, extrapolated
from graycell.comparison.splits import Split, forward_in_time, held_out, leave_one_run_out

__all__ = [
    "BASELINES",
    "BoostedTrees",
    "Candidate",
    "Comparison",
    "ComparisonProgress",
    "Count",
    "FittedPredictor",
    "GaussianProcess",
    "LastValue",
    "MeanOfRuns",
    "ModelCandidate",
    "Predictor",
    "Split",
    "compare",
    "count_inconsistencies",
    "extrapolated",
    "forward_in_time",
    "held_out",
    "learning_curve",
    "leave_one_run_out",
]
