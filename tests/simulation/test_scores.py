"""Scores of trajectories that end early: what was reached is scored, and what was not is counted."""

import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.cell.rates import RateLaw
from graycell.cli.printing import print_trajectory
from graycell.simulation.scores import mean_nrmse, scores

DAYS = np.array([0.0, 1.0, 2.0, 3.0, 4.0])


class Ends(RateLaw):
    """0.5/d; not a number once there are 2.5e9 cells/L."""

    def __call__(self, at):
        return jnp.where(at.concentration("VCD") > 2.5, jnp.nan, 0.5)


@pytest.mark.ode
def test_what_was_reached_is_scored_and_the_rest_counted(capsys):
    model = gc.CultureModel(reactions={"growth": "=> VCD", "product": "=> LAC"},
                            rates={"growth": Ends(), "product": 1.0}, parameters={})  # fmt: skip
    cells, lactate = np.exp(0.5 * DAYS), 2.0 * (np.exp(0.5 * DAYS) - 1.0)
    measured = {
        "VCD": gc.Measurement("VCD", "1e9 cells/L", DAYS, cells, 0.1 * cells),
        "LAC": gc.Measurement("LAC", "mmol/L", DAYS, lactate + 0.1, np.ones(5)),
    }
    run = gc.CultureRun("a", 1.0, {"VCD": 1.0, "LAC": 0.0}, measured, end=4.0)
    trajectory = gc.simulate(model, run)
    assert trajectory.status.name in ("too_many_steps", "not_finite")
    of = {row.quantity: row for row in scores(trajectory)}
    assert (of["LAC"].samples, of["LAC"].failed) == (1, 3)  # ln(2.5)/0.5 = 1.83 d
    assert of["LAC"].rmse == pytest.approx(0.1, rel=1e-3)
    assert of["VCD"].nrmse == pytest.approx(0.0, abs=1e-4)
    assert mean_nrmse(scores(trajectory)) == pytest.approx(0.1 / np.ptp(lactate), rel=1e-3)
    print_trajectory(trajectory)
    said = " ".join(capsys.readouterr().out.split())
    assert "Until then, mean NRMSE" in said
    assert "6 samples are later" in said
