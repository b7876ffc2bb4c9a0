"""What the equations of a model disagree about, and which answer each closure of the redox loop gives.

inspect(model, run) -> ModelDiagnosis      all of it, for one run
structure_of(model)                    counts, ranks, surplus relations
conflicts, singular_weights            along a trajectory
loop_maps                              R -> R' at chosen times
lagged_answers, answers                how a closure's answer changes with its step or tolerance
"""

from graycell.diagnosis.equations.closures import ClosureAnswers, answers, lagged_answers
from graycell.diagnosis.equations.conflict import Conflict, SingularWeight, conflicts, relation_gaps, singular_weights
from graycell.diagnosis.equations.diagnose import (
    DiagnosisProgress,
    LoopMap,
    ModelDiagnosis,
    inspect,
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
    "inspect",
    "lagged_answers",
    "loop_maps",
    "operating_points",
    "relation_gaps",
    "singular_weights",
    "structure_of",
]
