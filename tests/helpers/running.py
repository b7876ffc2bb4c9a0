"""A small running culture: S becomes P at a rate k S; and a line."""

import math
from dataclasses import replace

import numpy as np

import graycell as gc
from graycell.inference.results import Estimate
from graycell.modelfiles.building import build

K, K_SD, FIT_ERROR = 0.4, 0.2, 0.02
"""[1/d] the rate; [1] how well a fit knows its logarithm, and how wrong the model was in its own run."""
BOLUSES = (gc.Bolus(3.0, "feed", 0.02), gc.Bolus(6.0, "feed", 0.02))


MODEL = """
format = 1
name = "conversion"
[species]
S = { role = "substrate" }
P = { role = "product" }
[reactions]
change = { equation = "S => P", rate = "k * S", volumetric = true }
[parameters]
k = { value = 0.4, unit = "1/d", lower = 0.01, upper = 10.0 }
"""


def model():
    """Return S => P at a rate k S, from a model file, so that a fit of it can be read again."""
    return build(gc.parse_model_file(MODEL))


def line(parameter):
    """Return => P at a constant rate p."""
    return gc.CultureModel(name="line", species={"P": "mmol/L"}, reactions={"make": "=> P"},
                           rates={"make": gc.Volumetric(gc.Rate("p"))}, parameters={"p": parameter})  # fmt: skip


def plan(name, events=BOLUSES):
    """Return a culture of ten days with two boluses."""
    return gc.CultureRun(name, 1.0, {"S": 30.0, "P": 0.0}, events=events, media={"feed": {"S": 1000.0}}, end=10.0)


def measured(run, series, unit="mmol/L"):
    """Return a run with series of (times, values, error)."""
    made = {name: gc.Measurement(name, unit, np.array(time, float), np.array(value, float),
                                 np.full(len(time), float(error)))
            for name, (time, value, error) in series.items()}  # fmt: skip
    return replace(run, measurements=made)


def exact(run, k, days):
    """Return S and P of a run at some days, simulated with a rate."""
    path = gc.simulate(model().with_parameters({"k": k}), run, save_at=days)
    at = np.searchsorted(np.asarray(path.time), days)
    return {name: np.asarray(path[name])[at] for name in ("S", "P")}


def fit_of(initial_error=0.1):
    """Return a fit of `model` to one run that it met, with an assay error of 1, whose starts may be uncertain."""
    days = np.arange(0.0, 10.0)
    start = replace(plan("seen"), initial={"S": 40.0, "P": 0.0})
    run = measured(start, {name: (days, value, 1.0) for name, value in exact(start, K, days).items()})
    estimate = Estimate("k", K, "1/d", K_SD * K, K_SD, K, False, math.inf)
    states = None
    if initial_error is not None:
        error, one = gc.InitialError(initial_error), np.zeros((1, 1))
        states = gc.InitialStates(error, ("seen",), ("S",), np.array([[40.0]]), np.array([[initial_error]]), one, (),
                                  np.zeros(0), np.zeros((1, 1, 1)), np.array([[[initial_error**2]]]))  # fmt: skip
    return gc.Fit(model(), (run,), (estimate,), np.array([[K_SD**2]]), 0.0, True, gc.FitSettings(),
                  initial_states=states)  # fmt: skip


def line_fit(sd=0.5, between=0.0):
    """Return a fit of P = p t, with p known to a standard deviation on a linear scale."""
    days = np.array([1.0, 2.0, 4.0])
    parameter = gc.Parameter(2.0, "mmol/L/d", lower=-50.0, upper=50.0, log_scale=False, between_runs_sd=between)
    made = line(parameter)
    run = measured(gc.CultureRun("seen", 1.0, {"P": 1.0}, end=5.0), {"P": (days, 1.0 + 2.0 * days, 1.0)})
    return gc.Fit(made, (run,), (Estimate("p", 2.0, "mmol/L/d", sd, sd / 2.0, 2.0, False, 0.1),), np.array([[sd**2]]),
                  0.0, True, gc.FitSettings())  # fmt: skip
