"""Decisions: how to feed, when to shift, when to harvest, and which runs to do next, from a fit or from runs.

decision     Decision: a number of a plan that is chosen; decided: the plan with chosen numbers
goals        Goals, Constraint: what is maximised and what must hold, as formulas
reading      read_decisions: a file of these
courses      Judged, Course: what the goals of a plan are in every draw, and what it leads to
fit_source, forecast_source   what plans are judged with: draws of a fit, or of a forecast
judging      a plan -> its arrays -> its course in a draw -> its goals, with derivatives
verdict      Verdict: what the draws say of a plan
search       Search: the best numbers of a plan, by scipy; simple rules
optimising   optimise
optimum      Optimum: the best plan beside that of before
designing    design: the next runs that tell most
information  what a run would tell of the parameters
next_runs    NextRuns: these runs, and what they are expected to tell
"""

from graycell.decisions.decision import Decision, decided
from graycell.decisions.designing import design
from graycell.decisions.goals import Constraint, Goals
from graycell.decisions.next_runs import NextRuns
from graycell.decisions.optimising import optimise
from graycell.decisions.optimum import Optimum

__all__ = ["Constraint", "Decision", "Goals", "NextRuns", "Optimum", "decided", "design", "optimise"]
