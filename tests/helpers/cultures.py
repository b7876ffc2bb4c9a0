"""Small cultures with known answers, for the tests of predictions."""

from dataclasses import replace

import numpy as np

from graycell.runs.records import VCD, Bolus, CultureRun, Measurement

GROWTH, UPTAKE, START = 0.4, 1.5, 0.5
"""[1/d], [mmol/(1e9 cells)/d] and [1e9 cells/L]: constant rates, so that all curves are closed expressions."""
DAYS = np.arange(8.0)


def measured(name, unit, time, value, error=0.05, random=None):
    """Return a series with a relative error, which is added if random numbers are given."""
    value = np.asarray(value, float)
    sd = np.hypot(error * value, 1e-3 * np.max(np.abs(value)))
    seen = value if random is None else np.maximum(value + sd * random.standard_normal(len(value)), 0.0)
    return Measurement(name, unit, np.asarray(time, float), seen, sd)


def culture(name, bolus=0.0, start=START, random=None, days=DAYS, growth=GROWTH):
    """Return a run of exponential cells that take up glucose, with a bolus of 1000 mmol/L in the evening of day 3."""
    cells = start * np.exp(growth * days)
    eaten = UPTAKE / growth * (cells - start)
    volume = np.where(days > 3.5, 1.0 + bolus, 1.0)
    # of one litre at first: amounts of cells and glucose do not depend on the bolus before it
    glucose = (60.0 - eaten + np.where(days > 3.5, 1000.0 * bolus, 0.0)) / volume
    series = {VCD: measured(VCD, "1e9 cells/L", days, cells / volume, random=random),
              "GLC": measured("GLC", "mmol/L", days, glucose, random=random)}  # fmt: skip
    events = (Bolus(3.5, "feed", bolus),) if bolus else ()
    return CultureRun(name, 1.0, {VCD: start, "GLC": 60.0}, series, events, {"feed": {"GLC": 1000.0}}, end=days[-1])


def planned(run):
    """Return a run without its measurements."""
    return replace(run, measurements={})
