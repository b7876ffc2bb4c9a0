"""A report shows nothing about what a model does not have."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from graycell.hybrid import neural_rates_model
from graycell.reporting import report
from graycell.reporting.reading import has_loop, has_network, shown_quantities
from graycell.runs import bundled_run


@pytest.fixture(scope="module")
def folder(fit, tmp_path_factory):
    run = bundled_run()
    black = replace(fit, model=neural_rates_model([run]), runs=(run,), estimates=(), covariance=np.zeros((0, 0)),
                    provenance={"closure": "NoLoop()", "weights": "SoftWeights()"})  # fmt: skip
    return report(black, tmp_path_factory.mktemp("black")).parent


def test_a_model_is_asked_for_its_loop_and_network(fit):
    assert has_loop(fit.model)
    assert has_network(fit.model)
    black = neural_rates_model([bundled_run()])
    assert not has_loop(black)
    assert not has_network(black)
    assert "R" not in shown_quantities(black)


def test_the_report_of_a_black_box_has_no_section_about_loops_fluxes_or_conflict(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    for section in ("loop-variable", "key-fluxes", "conflict", "parameters"):
        assert f'<section id="{section}"' not in page
    assert '<section id="measured-and-simulated"' in page
    for name in ("closure of the loop", "weights of the flux projection", "overdetermined by", "(nudged)"):
        assert name not in page


def test_the_tables_of_a_black_box_have_no_column_about_loops_or_conflict(folder):
    trajectory = pd.read_csv(next(folder.glob("trajectory_*.csv")))
    assert not [
        head for head in trajectory.columns if head.startswith(("R ", "R'", "conflict", "kinetic rate", "loop"))
    ]
    assert "R" not in set(pd.read_csv(next(folder.glob("residuals_*.csv")))["quantity"])
    assert "R" not in set(pd.read_csv(next(folder.glob("scores_*.csv")))["quantity"])
