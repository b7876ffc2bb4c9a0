"""graycell: hybrid (white-, gray- and black-box) modelling of CHO fed-batch bioreactors, and of any culture.

The way of the data, from a file to a report:

    read_runs, import_runs, check_path   files -> CultureRun (names, internal units); Finding is one fault of a file
    specific_rates                       CultureRun -> its specific rates as the samples show them, without a model
    CultureModel, read_model             a model: in Python, or from a model file or the library by name
    read_sbml, read_antimony, sbml_text  models of other tools -> ModelFile, and back
    choose_model                         runs -> the models of the library that they allow, compared
    with_neural_rates                    CultureModel, runs -> one with some rate laws learned (gray)
    neural_rates_model, neural_ode_model runs -> a model with all specific rates, or dc/dt, learned (black)
    simulate                             model, run -> Trajectory; may be jitted, mapped and differentiated
    generate, write_runs                 model as the truth, Design -> in-silico runs; runs -> files
    Problem, fit                         model, runs -> Fit; Fit.predict: a distribution of trajectories of a run
    cross_validate, learning_curve       candidates, splits -> Comparison, on runs that no candidate has seen
    diagnose, check_gradients            what the equations of a model contradict; derivatives against differences
    recovered_law                        Fit, reaction -> what was learned of its rate law
    project_fluxes                       the flux projection alone: network, kinetic rates -> FluxSolution
    report, trajectory_frame             Fit -> HTML, Trajectory -> DataFrame
    DisplayUnits                         the units of tables and figures; those of a laboratory by default

To write an own model: rate laws (`RateLaw`, `Rate`, `Monod`, ..., composed with * and +), variables, inputs,
observables, checks, baselines and candidates; see docs/your-own-model.md.

Internal units: day, litre, mmol, 10^9 cells; tables and figures have those of `DisplayUnits`. See ARCHITECTURE.md for
the map.
"""

import importlib
import warnings
from typing import Any

import jax

jax.config.update("jax_enable_x64", True)  # before any array: fluxes and sensitivities need float64

from graycell.balances.checking import check_path  # noqa: E402
from graycell.balances.specific_rates import SpecificRates, specific_rates  # noqa: E402
from graycell.cell.closures import Algebraic, Dynamic, Lagged, LoopStatus  # noqa: E402
from graycell.cell.culture_laws import (  # noqa: E402
    Arrhenius,
    Gaussian,
    Haldane,
    Hill,
    Sigmoid,
    dying_cells,
    time_below,
)
from graycell.cell.flux import (  # noqa: E402
    FluxProjection,
    FluxSolution,
    FluxStatus,
    PublishedWeights,
    SoftWeights,
    prepare,
    project_fluxes,
)
from graycell.cell.network import MetabolicNetwork, Reaction  # noqa: E402
from graycell.cell.neural import MLP, NeuralRate  # noqa: E402
from graycell.cell.rates import (  # noqa: E402
    Between,
    Concentration,
    Conditions,
    Constant,
    FluxRatio,
    FluxValue,
    Inhibition,
    InputValue,
    Monod,
    Product,
    Proportional,
    Quotient,
    Ramp,
    Rate,
    RateLaw,
    Sum,
    VariableValue,
    ViableCells,
    Volumetric,
    switch,
)
from graycell.cell.triggers import Trigger  # noqa: E402
from graycell.cell.variables import (  # noqa: E402
    Clock,
    Input,
    LoopVariable,
    RelaxingVariable,
    Species,
    StateVariable,
    Variable,
)
from graycell.comparison import (  # noqa: E402
    BASELINES,
    Candidate,
    Choice,
    Comparison,
    ModelCandidate,
    Predictor,
    choose_model,
    cross_validate,
    forward_in_time,
    held_out,
    learning_curve,
    leave_one_run_out,
)
from graycell.diagnosis import GradientCheck, check_gradients, recovered_law  # noqa: E402
from graycell.diagnosis.equations import ModelDiagnosis, diagnose  # noqa: E402
from graycell.errors import (  # noqa: E402
    Finding,
    FitError,
    GraycellError,
    InputError,
    ModelError,
    SimulationError,
)
from graycell.exchange import read_antimony, read_sbml, sbml_text  # noqa: E402
from graycell.formulas import Formula  # noqa: E402
from graycell.hybrid import (  # noqa: E402
    NeuralRateSpec,
    build_model,
    neural_ode_model,
    neural_rates_model,
    read_model,
    with_neural_rates,
)
from graycell.imports.importing import import_runs  # noqa: E402
from graycell.inference import Fit, FitSettings, Prediction, Problem, fit, load_fit, save_fit  # noqa: E402
from graycell.insilico import Design, designed_runs, generate  # noqa: E402
from graycell.model import CultureModel  # noqa: E402
from graycell.modelfiles import ModelFile, model_file_text, parse_model_file, read_model_file  # noqa: E402
from graycell.models import e_coli_core_network, model_of, nolan_lee, published_feed  # noqa: E402
from graycell.parameters import Parameter, ParameterTable  # noqa: E402
from graycell.reporting import (  # noqa: E402
    DisplayUnits,
    comparison_report,
    diagnosis_report,
    report,
    trajectory_frame,
    write_table,
)
from graycell.runs import (  # noqa: E402
    Bolus,
    CultureRun,
    End,
    Event,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    Signal,
    bundled_run,
    check_runs,
    read_runs,
    runs_from_tables,
)
from graycell.runs.format.writing import write_runs  # noqa: E402
from graycell.simulation import (  # noqa: E402
    SimulationStatus,
    SolverSettings,
    Trajectory,
    from_last_samples,
    mean_nrmse,
    scores,
    simulate,
)
from graycell.study import Study, read_study  # noqa: E402

_RENAMED = {
    "inspect": "diagnose",
    "inspection_report": "diagnosis_report",
    "Inspection": "ModelDiagnosis",
    "compare": "cross_validate",
    "audit_gradients": "check_gradients",
    "GradientAudit": "GradientCheck",
    "measured_rates": "specific_rates",
    "MeasuredRates": "SpecificRates",
    "solve_flux": "project_fluxes",
    "evolution": "neural_ode_model",
    "with_learned_laws": "with_neural_rates",
    "LearnedLaw": "NeuralRateSpec",
}
"""Names of before 0.2, and what they are called now. `specific_rates` of runs is now `neural_rates_model`."""


def __getattr__(name: str) -> Any:
    if name == "testing":
        return importlib.import_module("graycell.testing")
    if name in _RENAMED:
        now = _RENAMED[name]
        warnings.warn(f"graycell.{name} is now called graycell.{now}; the old name goes in 0.3.", DeprecationWarning, 2)
        return globals()[now]
    raise AttributeError(f"module 'graycell' has no attribute '{name}'")


__all__ = [
    "BASELINES",
    "MLP",
    "Algebraic",
    "Arrhenius",
    "Between",
    "Bolus",
    "Candidate",
    "Choice",
    "Clock",
    "Comparison",
    "Concentration",
    "Conditions",
    "Constant",
    "CultureModel",
    "CultureRun",
    "Design",
    "DisplayUnits",
    "Dynamic",
    "End",
    "Event",
    "Feed",
    "Finding",
    "Fit",
    "FitError",
    "FitSettings",
    "FluxProjection",
    "FluxRatio",
    "FluxSolution",
    "FluxStatus",
    "FluxValue",
    "Formula",
    "Gaussian",
    "GradientCheck",
    "GraycellError",
    "Haldane",
    "Hill",
    "Inhibition",
    "Input",
    "InputError",
    "InputValue",
    "Lagged",
    "LoopStatus",
    "LoopVariable",
    "Measurement",
    "MetabolicNetwork",
    "ModelCandidate",
    "ModelDiagnosis",
    "ModelError",
    "ModelFile",
    "Monod",
    "NeuralRate",
    "NeuralRateSpec",
    "Outflow",
    "Parameter",
    "ParameterTable",
    "Prediction",
    "Predictor",
    "Problem",
    "Product",
    "Proportional",
    "PublishedWeights",
    "Quotient",
    "Ramp",
    "Rate",
    "RateLaw",
    "Reaction",
    "RelaxingVariable",
    "Replacement",
    "Sample",
    "Setpoint",
    "Sigmoid",
    "Signal",
    "SimulationError",
    "SimulationStatus",
    "SoftWeights",
    "SolverSettings",
    "Species",
    "SpecificRates",
    "StateVariable",
    "Study",
    "Sum",
    "Trajectory",
    "Trigger",
    "Variable",
    "VariableValue",
    "ViableCells",
    "Volumetric",
    "build_model",
    "bundled_run",
    "check_gradients",
    "check_path",
    "check_runs",
    "choose_model",
    "comparison_report",
    "cross_validate",
    "designed_runs",
    "diagnose",
    "diagnosis_report",
    "dying_cells",
    "e_coli_core_network",
    "fit",
    "forward_in_time",
    "from_last_samples",
    "generate",
    "held_out",
    "import_runs",
    "learning_curve",
    "leave_one_run_out",
    "load_fit",
    "mean_nrmse",
    "model_file_text",
    "model_of",
    "neural_ode_model",
    "neural_rates_model",
    "nolan_lee",
    "parse_model_file",
    "prepare",
    "project_fluxes",
    "published_feed",
    "read_antimony",
    "read_model",
    "read_model_file",
    "read_runs",
    "read_sbml",
    "read_study",
    "recovered_law",
    "report",
    "runs_from_tables",
    "save_fit",
    "sbml_text",
    "scores",
    "simulate",
    "specific_rates",
    "switch",
    "time_below",
    "trajectory_frame",
    "with_neural_rates",
    "write_runs",
    "write_table",
]
