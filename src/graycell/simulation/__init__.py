"""Simulation: a model and a run -> a trajectory.

simulate(model, run)             a `Trajectory`; traceable, so it may be jitted, mapped and differentiated
from_last_samples(model, run)    the rest of a running culture, started from its last samples
scores(trajectory)               agreement with the measurements
"""

from graycell.simulation.forecast import from_last_samples
from graycell.simulation.scores import Score, mean_nrmse, scores, unexplained_variance
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SimulationStatus, SolverSettings
from graycell.simulation.trajectory import Trajectory

__all__ = [
    "Loop",
    "Score",
    "SimulationStatus",
    "SolverSettings",
    "Trajectory",
    "from_last_samples",
    "mean_nrmse",
    "scores",
    "simulate",
    "unexplained_variance",
]
