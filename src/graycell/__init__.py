"""graycell: hybrid (white-, gray- and black-box) modelling of CHO fed-batch bioreactors.

The way of the data, from a file to a report:

    read_runs, bundled_run, check_path     files -> CultureRun (names, internal units)
    import_runs                            a file of any layout, a mapping of its columns -> CultureRun
    specific_rates                         CultureRun -> its specific rates as the samples show them, without a model
    nolan_lee, model_of                    a CultureModel: rate laws + flux projection + redox closure + reactor
    with_neural_rates, NeuralRateSpec          CultureModel, runs -> one with some rate laws learned (gray)
    neural_rates_model, neural_ode_model              runs -> a model with all specific rates, or dc/dt, learned (black)
    simulate                               model, run -> Trajectory
    from_last_samples                      model, running culture -> the rest of it, begun from what was measured last
    generate, write_runs                   model as the truth, Design -> in-silico runs; runs -> files
    fit                                    model, runs -> Fit; scores says how well it meets the measurements
    read_study                             TOML -> Study: runs, models, fits and their comparison
    held_out, leave_one_run_out, forward_in_time   runs -> what is learned from and what is predicted
    compare, learning_curve                candidates, splits -> Comparison; comparison_report writes its page
    recovered_law                          Fit, reaction -> what was learned of its rate law, with what is left open
    inspect                                model, run -> what its equations disagree about
    check_gradients                        model, runs -> the derivatives that a fit uses against differences
    project_fluxes                             the flux layer alone: network, kinetic rates -> FluxSolution
    report, trajectory_frame               Fit -> HTML, Trajectory -> DataFrame

Internal units: day, litre, mmol, 10^9 cells. See ARCHITECTURE.md for the map.
"""

import jax

jax.config.update("jax_enable_x64", True)  # before any array: fluxes and sensitivities need float64

from graycell.balances.checking import check_path  # noqa: E402
from graycell.balances.specific_rates import SpecificRates, specific_rates  # noqa: E402
from graycell.cell.closures import Algebraic, Dynamic, Lagged  # noqa: E402
from graycell.cell.flux import FluxSolution, FluxStatus, PublishedWeights, SoftWeights, project_fluxes  # noqa: E402
from graycell.cell.network import MetabolicNetwork, Reaction  # noqa: E402
from graycell.comparison import (  # noqa: E402
    BASELINES,
    Comparison,
    ModelCandidate,
    compare,
    forward_in_time,
    held_out,
    learning_curve,
    leave_one_run_out,
)
from graycell.diagnosis import GradientCheck, check_gradients, recovered_law  # noqa: E402
from graycell.diagnosis.equations import ModelDiagnosis, inspect  # noqa: E402
from graycell.hybrid import NeuralRateSpec, neural_ode_model, neural_rates_model, with_neural_rates  # noqa: E402
from graycell.imports.importing import import_runs  # noqa: E402
from graycell.inference import Fit, FitSettings, fit, load_fit, save_fit  # noqa: E402
from graycell.insilico import Design, designed_runs, generate  # noqa: E402
from graycell.model import CultureModel  # noqa: E402
from graycell.models import model_of, nolan_lee, published_feed  # noqa: E402
from graycell.reporting import (  # noqa: E402
    comparison_report,
    diagnosis_report,
    report,
    trajectory_frame,
    write_table,
)
from graycell.runs import Bolus, CultureRun, Feed, Sample, Setpoint, bundled_run, check_runs, read_runs  # noqa: E402
from graycell.runs.format.writing import write_runs  # noqa: E402
from graycell.simulation.forecast import from_last_samples  # noqa: E402
from graycell.simulation.scores import mean_nrmse, scores  # noqa: E402
from graycell.simulation.simulate import SolverSettings, Trajectory, simulate  # noqa: E402
from graycell.study import Study, read_study  # noqa: E402

__all__ = [
    "BASELINES",
    "Algebraic",
    "Bolus",
    "Comparison",
    "CultureModel",
    "CultureRun",
    "Design",
    "Dynamic",
    "Feed",
    "Fit",
    "FitSettings",
    "FluxSolution",
    "FluxStatus",
    "GradientCheck",
    "Lagged",
    "MetabolicNetwork",
    "ModelCandidate",
    "ModelDiagnosis",
    "NeuralRateSpec",
    "PublishedWeights",
    "Reaction",
    "Sample",
    "Setpoint",
    "SoftWeights",
    "SolverSettings",
    "SpecificRates",
    "Study",
    "Trajectory",
    "bundled_run",
    "check_gradients",
    "check_path",
    "check_runs",
    "compare",
    "comparison_report",
    "designed_runs",
    "diagnosis_report",
    "fit",
    "forward_in_time",
    "from_last_samples",
    "generate",
    "held_out",
    "import_runs",
    "inspect",
    "learning_curve",
    "leave_one_run_out",
    "load_fit",
    "mean_nrmse",
    "model_of",
    "neural_ode_model",
    "neural_rates_model",
    "nolan_lee",
    "project_fluxes",
    "published_feed",
    "read_runs",
    "read_study",
    "recovered_law",
    "report",
    "save_fit",
    "scores",
    "simulate",
    "specific_rates",
    "trajectory_frame",
    "with_neural_rates",
    "write_runs",
    "write_table",
]
