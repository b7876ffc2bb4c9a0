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
    sample_posterior, profile            Fit -> draws of its posterior (NUTS), profile likelihoods
    predict_next                         runs and a plan -> NextRun: the next run, with bands, weights and warnings
    optimise, design                     a plan and what may be chosen -> the best plan; the next runs that tell most
    conditioned, follow                  Fit, a running culture -> what it is now, its forecast, the rest of its plan
    cross_validate, learning_curve       candidates, splits -> Comparison, on runs that no candidate has seen
    diagnose, check_gradients            what the equations of a model contradict; derivatives against differences
    recovered_law                        Fit, reaction -> what was learned of its rate law
    project_fluxes                       the flux projection alone: network, kinetic rates -> FluxSolution
    report, trajectory_frame             Fit -> HTML, Trajectory -> DataFrame
    citation                             a result -> the papers and programs on which it rests
    DisplayUnits                         the units of tables and figures; those of a laboratory by default

To write an own model: rate laws (`RateLaw`, `Rate`, `Monod`, ..., composed with * and +), variables, inputs,
observables, checks, baselines and candidates; see docs/your-own-model.md.

Internal units: day, litre, mmol, 10^9 cells; tables and figures have those of `DisplayUnits`. See ARCHITECTURE.md for
the map.

The public names are listed in `__init__.pyi`; each is loaded at its first use, so that reading and checking runs waits
neither for JAX nor for plotly.
"""

import importlib
import importlib.util
import os
import sys
import warnings
from typing import Any

import lazy_loader

# Fluxes and sensitivities need float64. This module runs before any other of graycell, so it holds before their first
# array: JAX reads the variable while it is imported, and is told where it was imported before.
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)
else:
    os.environ["JAX_ENABLE_X64"] = "1"

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

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
    if name in __all__:
        return _public(name)
    if name in _RENAMED:
        now = _RENAMED[name]
        warnings.warn(f"graycell.{name} is now called graycell.{now}; the old name goes in 0.3.", DeprecationWarning, 2)
        return _public(now)
    if not name.startswith("_") and importlib.util.find_spec(f"graycell.{name}") is not None:  # a room, as gc.testing
        return importlib.import_module(f"graycell.{name}")
    raise AttributeError(f"module 'graycell' has no attribute '{name}'")
