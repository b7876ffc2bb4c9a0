"""Decisions: how to feed, when to shift, when to harvest, from a fit or from runs.

decision     Decision: a number of a plan that is chosen; decided: the plan with chosen numbers
goals        Goals, Constraint: what is maximised and what must hold, as formulas
courses      what the goals of a plan are in every draw, with exact derivatives where a fit judges
verdict      Verdict: what the draws say of a plan
search       Search: the best numbers of a plan, by scipy; simple rules
optimising   optimise
optimum      Optimum: the best plan beside that of before
"""

from graycell.decisions.decision import Decision, decided
from graycell.decisions.goals import Constraint, Goals
from graycell.decisions.optimising import optimise
from graycell.decisions.optimum import Optimum

__all__ = ["Constraint", "Decision", "Goals", "Optimum", "decided", "optimise"]
