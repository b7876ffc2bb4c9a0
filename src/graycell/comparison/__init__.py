"""Comparison of models and baselines on runs that they have not seen.

splits         Split, leave_one_run_out, held_out, forward_in_time: what is trained on and what is predicted
protocols      Candidate and Predictor, which every candidate fulfils, and what it may offer in addition
baselines      predictors without biology, and how an own one is written; their features and samples
candidates     ModelCandidate: a model of graycell to be fitted
choosing       choose_model: which models of the library runs allow, and which predicts best
comparison     cross_validate, learning_curve -> Comparison
scored         which quantities are scored, and their ranges
intervals      means and paired differences with bootstrap intervals
consistency    how often predictions are physically impossible
trainings      the scores of each training, kept on disk
"""

from graycell.comparison.baselines import BASELINES, BoostedTrees, GaussianProcess, LastValue, MeanOfRuns
from graycell.comparison.candidates import FittedPredictor, ModelCandidate
from graycell.comparison.choosing import Choice, Usable, choose_model, usable_models
from graycell.comparison.comparison import Comparison, ComparisonProgress, cross_validate, learning_curve
from graycell.comparison.consistency import Count, count_inconsistencies, extrapolated
from graycell.comparison.protocols import (
    Candidate,
    ChecksConsistency,
    Described,
    KnowsQuantities,
    Predictor,
    Repeatable,
)
from graycell.comparison.splits import Split, forward_in_time, held_out, leave_one_run_out

__all__ = [
    "BASELINES",
    "BoostedTrees",
    "Candidate",
    "ChecksConsistency",
    "Choice",
    "Comparison",
    "ComparisonProgress",
    "Count",
    "Described",
    "FittedPredictor",
    "GaussianProcess",
    "KnowsQuantities",
    "LastValue",
    "MeanOfRuns",
    "ModelCandidate",
    "Predictor",
    "Repeatable",
    "Split",
    "Usable",
    "choose_model",
    "count_inconsistencies",
    "cross_validate",
    "extrapolated",
    "forward_in_time",
    "held_out",
    "learning_curve",
    "leave_one_run_out",
    "usable_models",
]
