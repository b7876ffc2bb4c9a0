"""Standard deviations between runs and groups that are estimated: those of the largest marginal likelihood."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from straight_runs import measured, straight

import graycell as gc
from graycell.errors import FitError, ModelError
from graycell.inference.likelihood import residuals
from graycell.inference.refound import refound
from graycell.study import ModelPlan

ONE_START = gc.FitSettings(starts=1)


def learning(runs=0.0, groups=0.0):
    """Return a linear model whose standard deviations are estimated where they are above 0."""
    model = straight(runs, groups)
    table = model.table.with_changes("a", between_runs_estimated=runs > 0.0, between_groups_estimated=groups > 0.0)
    return model.with_table(table)


def largest(runs, between, between_groups, groups):
    """Return the standard deviations of the largest marginal likelihood, of a linear model in numpy."""
    design, y = [], []
    for i, run in enumerate(runs):
        for one, series in run.measurements.items():
            for day, value in zip(series.time, series.value, strict=True):
                design.append((day, day if one == "B" else 0.0, i))
                y.append((value - 10.0 - 3.0 * day - (day if one == "B" else 0.0)) / 0.5)
    (slope, of_b, run), y = (np.array(column) for column in zip(*design, strict=True)), np.array(y)
    same, together = run[:, None] == run[None, :], np.array(groups)[run][:, None] == np.array(groups)[run][None, :]
    known = np.eye(len(y)) + (4.0 * np.outer(slope, slope) + 1.5**2 * np.outer(of_b, of_b)) / 0.25

    def cost(logs):
        sds = np.exp(logs)
        covariance = known + np.outer(slope, slope) * (sds[0] ** 2 * same + sds[1] ** 2 * together) / 0.25
        return 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * y @ np.linalg.solve(covariance, y)

    start = np.log([between or 1e-8, between_groups or 1e-8])
    fixed = [one == 0.0 for one in (between, between_groups)]
    found = minimize(lambda free: cost(np.where(fixed, start, free)), start, method="Nelder-Mead",
                     options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 4000})  # fmt: skip
    return np.exp(np.where(fixed, start, found.x))


@pytest.fixture(scope="module")
def runs():
    random = np.random.default_rng(4)
    slopes = np.repeat(3.0 + 1.5 * random.standard_normal(6), 2) + 0.4 * random.standard_normal(12)
    return [measured(f"run{i:02d}", a, 1.0, seed=i) for i, a in enumerate(slopes)]


def test_a_standard_deviation_between_runs_is_that_of_the_largest_marginal_likelihood(runs):
    fit = gc.fit(learning(0.2), runs, ONE_START)
    assert not any("standard deviation" in one for one in fit.remarks())
    [expected, _] = largest(runs, 0.2, 0.0, range(12))
    assert fit.model.table["a"].between_runs_sd == pytest.approx(expected, rel=0.02)
    assert 0.8 < expected < 2.5
    problem = refound(fit)
    found = residuals(problem.objective, problem.x, problem.loop)
    assert 0.5 * float(found @ found) == pytest.approx(fit.cost, rel=1e-6)
    from_above = gc.fit(learning(20.0), runs, ONE_START)
    assert from_above.model.table["a"].between_runs_sd == pytest.approx(expected, rel=0.02)


def test_those_between_runs_and_between_groups_are_told_apart(runs, tmp_path):
    numbers = [i // 2 for i in range(12)]
    groups = {run.name: f"group{number}" for run, number in zip(runs, numbers, strict=True)}
    fit = gc.fit(gc.Problem(learning(0.3, 0.3), runs, groups=groups), settings=ONE_START)
    row, expected = fit.model.table["a"], largest(runs, 0.3, 0.3, numbers)
    assert (row.between_runs_sd, row.between_groups_sd) == pytest.approx(tuple(expected), rel=0.03)
    assert fit.group_effects.sd[0] == row.between_groups_sd
    gc.save_fit(fit, tmp_path)
    assert gc.load_fit(tmp_path).model.table["a"] == row


def test_runs_that_do_not_differ_have_a_small_one():
    runs = [measured(f"run{i}", 3.0, 1.0, seed=i) for i in range(6)]
    expected = largest(runs, 0.3, 0.0, range(6))[0]
    found = gc.fit(learning(0.3), runs, ONE_START).model.table["a"].between_runs_sd
    assert found == pytest.approx(expected, rel=0.05, abs=0.03)
    assert found < 0.15


def test_few_runs_that_tell_it_are_named():
    runs = [measured(f"run{i}", a, 1.0, seed=i) for i, a in enumerate((2.0, 3.5, 4.0))]
    [said] = [one for one in gc.fit(learning(0.3), runs, ONE_START).remarks() if "standard deviation of a" in one]
    assert "between runs, " in said
    assert "was estimated from 3 runs, which hardly tell it: give it as a number if it is known." in said


def test_what_makes_no_sense_gets_a_sentence(runs):
    zero = straight().with_table(straight().table.with_changes("a", between_runs_estimated=True))
    with pytest.raises(ModelError, match="between runs that is estimated from 0 on; it must be > 0; write between"):
        gc.fit(zero, runs, ONE_START)
    with pytest.raises(FitError, match="found samples that are held out, and a standard deviation"):
        gc.fit(learning(0.3), runs, replace(ONE_START, held_out="time"))


def test_a_study_asks_for_it_by_a_word():
    own = {"per_run": {"vmax17": "estimated"}, "per_group": {"vmax16": "estimated", "vmax17": 0.1}}
    plan = ModelPlan("own", "nolan-lee", **own)
    table = plan.build([]).table
    assert (table["vmax17"].between_runs_sd, table["vmax17"].between_runs_estimated) == (0.2, True)
    assert (table["vmax17"].between_groups_sd, table["vmax17"].between_groups_estimated) == (0.1, False)
    assert table["vmax16"].between_groups_estimated
