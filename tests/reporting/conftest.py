"""One fit, simulated once, for all tests of the reports; compiling it is what takes time."""

import warnings
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from graycell.inference.fitting import Estimate, Fit, FitSettings, Stage
from graycell.models.nolan_lee import nolan_lee
from graycell.reporting import report
from graycell.runs import bundled_run
from graycell.simulation.simulate import simulate

HOSTILE = "</script><script>alert(1)</script><a href='javascript:alert(2)'>x</a>"


@pytest.fixture(scope="session")
def fit():
    """A fit by hand, of a run whose name and citation come from a hostile file."""
    run = bundled_run()
    source = replace(run.provenance, citation=HOSTILE, files=("=cmd()",))
    run = replace(run, name=HOSTILE, media=MappingProxyType(dict(run.media)), provenance=source)
    model = nolan_lee()
    estimates = tuple(
        Estimate(row.name, row.value * 1.1, row.unit, 0.2 * row.value, 0.2 / 1.1, row.value, i == 0, 0.5 * (i % 3))
        for i, row in enumerate(model.table.estimated)
    )
    history = tuple(
        {"stage": stage, "iteration": i, "cost": 100.0 / (i + 1), "damping": 1.0, "accepted": True, "seconds": 0.1 * i}
        for stage in ("loop open", "<b>loop closed</b>")
        for i in range(4)
    )
    provenance = {"model": model.name, "runs": {run.name: "01e9f"}, "versions": {"graycell": "0.1.0"}}
    settings = FitSettings(stages=(Stage("loop closed", 2),), starts=1)
    covariance = np.eye(len(estimates))
    return Fit(model, (run,), estimates, covariance, 12.5, False, settings, history, provenance)


@pytest.fixture(scope="session")
def trajectory(fit):
    return simulate(fit.model, fit.runs[0])


@pytest.fixture(scope="session")
def trajectories(trajectory):
    return {"published": trajectory, "<i>twin</i>": trajectory}


@pytest.fixture(scope="session")
def report_folder(fit, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a session fixture would else hide them
        page = report({"=published": fit, "<i>twin</i>": fit}, tmp_path_factory.mktemp("report"), note="<u>note</u>")
    return page.parent
