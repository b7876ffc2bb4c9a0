"""What the equations of a model contradict each other about, and the result of each closure of a loop.

diagnose(model, run) -> ModelDiagnosis     all of it, for one run
structure_of(model)                        counts, ranks, surplus relations
conflicts, singular_weights                along a trajectory
loop_maps                                  R -> R' at chosen times
operating_points                           conditions of a trajectory at chosen times
lagged_answers, answers                    how the result of a closure depends on its step or tolerance
"""

from graycell.diagnosis.equations.closures import ClosureAnswers, answers, lagged_answers
from graycell.diagnosis.equations.conflict import Conflict, SingularWeight, conflicts, relation_gaps, singular_weights
from graycell.diagnosis.equations.diagnose import (
    DiagnosisProgress,
    LoopMap,
    ModelDiagnosis,
    diagnose,
    loop_maps,
    operating_points,
)
from graycell.diagnosis.equations.structure import Structure, SurplusRelation, Term, structure_of

__all__ = [
    "ClosureAnswers",
    "Conflict",
    "DiagnosisProgress",
    "LoopMap",
    "ModelDiagnosis",
    "SingularWeight",
    "Structure",
    "SurplusRelation",
    "Term",
    "answers",
    "conflicts",
    "diagnose",
    "lagged_answers",
    "loop_maps",
    "operating_points",
    "relation_gaps",
    "singular_weights",
    "structure_of",
]
