"""What can be trusted: gradients, parameters that the data determine, learned laws, contradictions of the equations.

gradients          check_gradients: derivatives that a fit uses, against central differences
identifiability    undetermined_combinations: combinations of parameters that the data do not determine
laws               recovered_law: what a fit learned of a rate law
equations          diagnose: where rate laws, balances and closure of a model contradict each other
"""

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
