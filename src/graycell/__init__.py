"""graycell: hybrid (white-, gray- and black-box) modelling of CHO fed-batch bioreactors.

The way of the data, from a file to a report:

    read_runs, bundled_run, check_path     files -> CultureRun (names, house units)
    nolan_lee                              a CultureModel: rate laws + flux allocation + redox closure + reactor
    simulate                               model, run -> Trajectory
    generate, write_runs                   model as the truth, Design -> in-silico runs; runs -> files
    fit                                    model, runs -> Fit; scores says how well it meets the measurements
    recovered_law                          Fit, reaction -> what was learned of its rate law, with what is left open
    inspect                                model, run -> what its equations disagree about
    audit_gradients                        model, runs -> the derivatives that a fit uses against differences
    solve_flux                             the flux layer alone: network, wished rates -> FluxSolution
    report, trajectory_frame               Fit -> HTML, Trajectory -> DataFrame

House units: day, litre, mmol, 10^9 cells. See ARCHITECTURE.md for the map.
"""

import jax

jax.config.update("jax_enable_x64", True)  # before any array: fluxes and sensitivities need float64

from graycell.cell.flux import FluxSolution, FluxStatus, PublishedWeights, SoftWeights, solve_flux  # noqa: E402
from graycell.cell.network import MetabolicNetwork, Reaction  # noqa: E402
from graycell.cell.redox import Algebraic, Dynamic, Lagged  # noqa: E402
from graycell.generation import Design, designed_runs, generate  # noqa: E402
from graycell.inference import (  # noqa: E402
    Fit,
    FitSettings,
    GradientAudit,
    audit_gradients,
    fit,
    load_fit,
    mean_nrmse,
    recovered_law,
    save_fit,
    scores,
)
from graycell.inspection import Inspection, inspect  # noqa: E402
from graycell.library import model_of, nolan_lee, published_feed  # noqa: E402
from graycell.model import CultureModel  # noqa: E402
from graycell.reporting import inspection_report, report, trajectory_frame, write_table  # noqa: E402
from graycell.runs import (  # noqa: E402
    Bolus,
    CultureRun,
    Feed,
    Sample,
    Setpoint,
    bundled_run,
    check_path,
    check_runs,
    read_runs,
)
from graycell.runs.writing import write_runs  # noqa: E402
from graycell.simulation import SolverSettings, Trajectory, simulate  # noqa: E402

__all__ = [
    "Algebraic",
    "Bolus",
    "CultureModel",
    "CultureRun",
    "Design",
    "Dynamic",
    "Feed",
    "Fit",
    "FitSettings",
    "FluxSolution",
    "FluxStatus",
    "GradientAudit",
    "Inspection",
    "Lagged",
    "MetabolicNetwork",
    "PublishedWeights",
    "Reaction",
    "Sample",
    "Setpoint",
    "SoftWeights",
    "SolverSettings",
    "Trajectory",
    "audit_gradients",
    "bundled_run",
    "check_path",
    "check_runs",
    "designed_runs",
    "fit",
    "generate",
    "inspect",
    "inspection_report",
    "load_fit",
    "mean_nrmse",
    "model_of",
    "nolan_lee",
    "published_feed",
    "read_runs",
    "recovered_law",
    "report",
    "save_fit",
    "scores",
    "simulate",
    "solve_flux",
    "trajectory_frame",
    "write_runs",
    "write_table",
]
