"""What can be trusted: gradients, what the data determine, learned laws, what the equations contradict."""

from graycell.diagnosis.gradients import DerivativeCheck, GradientCheck, Verdict, check_gradients
from graycell.diagnosis.identifiability import (
    UNDETERMINED,
    Combination,
    Correlation,
    Undetermined,
    correlation_matrix,
    undetermined_combinations,
)
from graycell.diagnosis.laws import LawCurve, RecoveredLaw, learned_reactions, recovered_law, recovered_laws

__all__ = [
    "UNDETERMINED",
    "Combination",
    "Correlation",
    "DerivativeCheck",
    "GradientCheck",
    "LawCurve",
    "RecoveredLaw",
    "Undetermined",
    "Verdict",
    "check_gradients",
    "correlation_matrix",
    "learned_reactions",
    "recovered_law",
    "recovered_laws",
    "undetermined_combinations",
]
