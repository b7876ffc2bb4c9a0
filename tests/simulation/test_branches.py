"""The map R -> R' under held conditions, and the algebraic closure that rests on it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import pool

import graycell as gc
from graycell.cell.closures import Algebraic, LoopStatus
from graycell.errors import ModelError
from graycell.numerics.roots import PRECISE, rest_point
from graycell.simulation.branches import (
    FixedPoints,
    OperatingPoints,
    branches,
    fixed_points,
    jumps,
    response,
    resting_values,
)
from graycell.simulation.simulate import SimulationStatus, SolverSettings, simulate

ALGEBRAIC = Algebraic()


@pytest.fixture(scope="module")
def trajectory(published, run):
    return simulate(published, run)


@pytest.fixture(scope="module")
def algebraic(published, run):
    return simulate(published.with_closure(ALGEBRAIC), run)


@pytest.fixture(scope="module")
def folded(extended, run):
    """The extended network with published parameters: the branch on which the run begins ends on the first day."""
    return simulate(extended.with_closure(ALGEBRAIC), run)


class Hill(gc.RateLaw):
    """P^4/(1 + P^4) of a variable P."""

    variable: str

    def __call__(self, at):
        power = at.variable(self.variable) ** 4
        return power / (1.0 + power)


@pytest.fixture(scope="module")
def small():
    """P = 0.2 + 3 GLC/(5 + GLC) P^4/(1 + P^4): the upper branch ends in a fold while glucose is used up."""
    uptake = gc.Rate("q") * gc.Monod("GLC", "K") * Hill("P") + gc.Constant(0.2)
    model = pool(Algebraic("ts"), rates={"growth": 0.1, "uptake": uptake}, parameters={"q": 3.0, "K": 5.0, "ts": 0.1})
    return simulate(model, gc.CultureRun("fold", 1.0, {"VCD": 1.0, "GLC": 20.0, "P": 2.5}, end=8.0), points=41)


@pytest.fixture(scope="module", params=["small", pytest.param("cho", marks=pytest.mark.slow)])
def cell(request):
    """A model with a loop, and 200 random conditions around a run of it: of the CHO cell warm, cold and between."""
    random = np.random.default_rng(0)
    if request.param == "small":
        made = request.getfixturevalue("small")
        glucose = np.exp(random.uniform(-2.0, 4.0, 200))
        inputs = np.zeros((200, len(made.model.input_names)))
        return made.model, OperatingPoints(np.column_stack([np.ones(200), glucose]), np.ones((200, 1)), inputs)
    made = request.getfixturevalue("trajectory")
    rows = random.integers(0, len(made.time), 200)
    concentrations = made.concentrations[rows] * np.exp(0.3 * random.standard_normal((200, 13)))
    assert made.model.variable_names == ("R", "shift")
    variables = np.column_stack([np.ones(200), random.choice([0.0, 0.5, 1.0], 200)])
    return made.model, OperatingPoints(concentrations, variables, np.asarray(made.inputs)[rows])


@pytest.fixture(scope="module")
def points(cell):
    return fixed_points(*cell, -3.0, 14.0)


def test_all_fixed_points_are_found_that_a_scan_of_5000_points_finds(cell, points):
    model, states = cell
    grid = np.linspace(-3.0, 14.0, 5000)
    ratio, _ = response(model, states.take(np.repeat(np.arange(200), 5000)), np.tile(grid, 200))
    gap = ratio.reshape(200, 5000) - grid
    point, place = np.nonzero(gap[:, 1:] * gap[:, :-1] <= 0.0)
    assert len(point) > 200  # many states have more than one
    assert np.array_equal(points.point, point)
    assert np.all((points.loop_value >= grid[place]) & (points.loop_value <= grid[place + 1]))


def test_fixed_points_solve_the_loop_and_have_the_slope_of_central_differences(cell, points):
    model, here = cell[0], cell[1].take(points.point)
    assert np.max(np.abs(response(model, here, points.loop_value)[0] - points.loop_value)) <= PRECISE
    ends = [response(model, here, points.loop_value + sign * 1e-6)[0] for sign in (1.0, -1.0)]
    central = (ends[0] - ends[1]) / 2e-6
    # a bound may become active within the step: there the slope has two sides
    agrees = np.abs(points.slope - central) <= 1e-5 * np.maximum(np.abs(points.slope), 1.0)
    assert np.mean(agrees) > 0.99


def test_between_two_fixed_points_that_hold_lies_one_that_does_not(points):
    for k in range(200):
        held = points.stable_if_dynamic[points.point == k]
        assert len(held) % 2 == 1
        assert np.array_equal(held, np.arange(len(held)) % 2 == 0)


@pytest.mark.parametrize(("slope", "stays"), [(0.2, True), (-1.4, True), (-1.7, True), (-1.9, False), (1.2, False)])
def test_lagging_stays_where_its_stages_and_their_average_come_nearer(slope, stays):
    def ratio(redox):
        return 1.3 + slope * (redox - 1.3)

    redox = 1.31
    for _ in range(200):
        r1 = ratio(redox)
        r2 = ratio(r1)
        r3 = ratio(r2)
        redox = ratio((r1 + 2.0 * r2 + 2.0 * r3 + ratio(r3)) / 6.0)
    assert (abs(redox - 1.3) < 0.01) == stays
    assert bool(FixedPoints(np.zeros(1, int), np.array([1.3]), np.array([slope])).stable_if_lagged[0]) == stays


def test_a_pool_rests_at_the_fixed_point_that_its_start_is_drawn_to(cell, points):
    start = np.full(200, 3.0)
    found, status = resting_values(*cell, start)
    assert np.all(status == LoopStatus.solved)
    for k in range(200):
        roots, held = points.loop_value[points.point == k], points.stable_if_dynamic[points.point == k]
        below, above = roots[roots < 3.0], roots[roots >= 3.0]
        drawn_down = len(below) and held[len(below) - 1]
        assert found[k] == pytest.approx(below[-1] if drawn_down else above[0], abs=1e-9)


def test_the_derivative_of_the_rest_by_parameters_is_that_of_central_differences(cell, points):
    model, states = cell
    names = ("q", "K") if model.name == "pool" else ("vmax1f", "vmax2", "vmax16", "Km2", "R_switch", "vmax3r")
    rows = np.flatnonzero((points.slope < 0.5) & (np.bincount(points.point)[points.point] == 1))[:4]
    assert len(rows) == 4
    values = jnp.array([model.parameters[name] for name in names])
    loop = model.variable_names.index(model.loops[0])

    @jax.jit
    def root(logs, concentrations, variables, start):
        changed = model.with_parameters(dict(zip(names, values * jnp.exp(logs), strict=True)))

        def gap(r):
            return changed.evaluate(concentrations, variables.at[loop].set(r)).targets[0] - r

        return rest_point(gap, start)[0]

    by_parameters = jax.jit(jax.jacfwd(root))
    for row in rows:
        k = points.point[row]
        conditions = jnp.asarray(states.concentrations[k]), jnp.asarray(states.variables[k])
        at = *conditions, jnp.asarray(points.loop_value[row])
        exact = np.asarray(by_parameters(jnp.zeros(len(names)), *at))
        steps = 1e-5 * np.eye(len(names))
        central = np.array([(root(one, *at) - root(-one, *at)) / 2e-5 for one in steps])
        assert np.max(np.abs(exact - central)) <= 1e-5 * np.max(np.abs(central))


def test_a_loop_of_any_name_is_solved_to_the_end_of_its_branch_which_is_told(small):
    assert small.status is SimulationStatus.finished
    power, glucose = np.asarray(small["P"]) ** 4, np.asarray(small["GLC"])
    gap = np.abs(np.asarray(small["P"]) - 0.2 - 3.0 * glucose / (5.0 + glucose) * power / (1.0 + power))
    solved = np.asarray(small.loop_status) == LoopStatus.solved
    assert np.mean(solved) > 0.9
    assert np.max(gap[solved]) <= PRECISE
    [jump] = small.jumps
    # at a fold 0.2 + a P^4/(1 + P^4) = P and its derivative by P is 1, so 4 (P - 0.2) = P (1 + P^4)
    fold = max(root.real for root in np.roots([1.0, 0.0, 0.0, 0.0, -3.0, 0.8]) if abs(root.imag) < 1e-9)
    assert jump.before == pytest.approx(fold, abs=0.02)
    assert jump.slope == pytest.approx(1.0, abs=0.05)
    after = int(np.searchsorted(small.time, jump.time))
    assert small.loop_status[after] == LoopStatus.branch_ended
    assert any(f"P goes from {jump.before:.3g}" in one and "because its branch ends" in one for one in small.remarks())


@pytest.mark.slow
def test_where_the_algebraic_closure_is_solved_r_is_the_ratio_of_its_fluxes(algebraic, folded):
    for one in (algebraic, folded):
        assert one.status is SimulationStatus.finished
        gap = np.abs(one.loop_value - one.loop_target)
        assert np.max(gap[one.loop_status == LoopStatus.solved]) <= PRECISE
    assert set(algebraic.loop_status.tolist()) == {LoopStatus.solved}


@pytest.mark.slow
def test_r_does_not_depend_on_the_memory_of_the_branch(algebraic, published, run):
    other = simulate(published.with_closure(Algebraic(memory=0.01)), run)
    top = np.max(np.abs(algebraic.predicted), axis=0)
    assert np.max(np.abs(other.predicted - algebraic.predicted) / top) <= 1e-6


@pytest.mark.slow
def test_the_dynamic_closure_tends_to_the_algebraic_one_in_proportion_to_tau(algebraic, published, run):
    settings, top = SolverSettings(rtol=1e-7, atol=1e-8), np.max(np.abs(algebraic.predicted), axis=0)
    away = []
    for tau in (0.04, 0.02, 0.01, 0.005):
        one = simulate(published.with_parameters({"tau": tau}), run, settings)
        away.append(
            np.max(np.abs(one.predicted - algebraic.predicted)[:, :-2] / top[:-2])
        )  # without R and the temperature shift
    ratios = np.array(away[:-1]) / np.array(away[1:])
    assert np.all((ratios > 1.8) & (ratios < 2.2))
    assert np.all(np.diff(ratios) > 0.0)  # and nearer to 2 with every halving


@pytest.mark.slow
def test_the_end_of_a_branch_has_a_time_a_status_and_a_remark(folded):
    [jump] = folded.jumps
    assert jump.before - jump.after > 1.0
    assert jump.slope == pytest.approx(1.0, abs=0.05)  # a fold
    after = int(np.searchsorted(folded.time, jump.time))
    assert folded.loop_status[after] == LoopStatus.branch_ended
    assert any(f"at {jump.time:.2f} d, because its branch ends" in sentence for sentence in folded.remarks())


@pytest.mark.slow
def test_more_points_in_time_show_the_same_end_of_a_branch(folded, extended, run):
    [jump] = folded.jumps
    [again] = simulate(extended.with_closure(ALGEBRAIC), run, points=120).jumps
    assert again.time == pytest.approx(jump.time, abs=0.01)
    assert again.before == pytest.approx(jump.before, abs=0.1)


@pytest.mark.slow
def test_a_steep_change_of_r_along_its_branch_is_no_jump(algebraic):
    points = OperatingPoints.of(algebraic)
    assert np.max(np.abs(np.diff(algebraic.loop_value))) > 0.1
    assert jumps(algebraic.model, algebraic.time, points, algebraic.loop_value) == []
    assert algebraic.jumps == ()


@pytest.mark.slow
def test_branches_over_a_parameter_end_in_folds(published, trajectory):
    row = int(np.searchsorted(trajectory.time, 3.2))
    along = np.linspace(0.5, 2.0, 31)
    points = replace(OperatingPoints.of(trajectory, np.full(31, row)), changed={"R_switch": along})
    found = branches(published, points, along)
    count = np.sum(np.isfinite(found.loop_value), axis=0)
    assert {1, 3} <= set(count.tolist())
    assert len(found.folds) == np.count_nonzero(np.diff(count))
    for value, redox in found.folds:
        here = replace(points.take(np.arange(1)), changed={"R_switch": np.array([value])})
        assert response(published, here, np.array([redox]))[1][0] == pytest.approx(1.0, abs=0.15)


def test_the_map_compiles_once_for_all_changes_of_parameters():
    traced = []

    class Counted(gc.RateLaw):
        def __call__(self, at):
            traced.append(1)
            return at.parameter("q") / (1.0 + at.variable("P"))

    model = pool(gc.Dynamic("ts"), rates={"growth": 0.1, "uptake": Counted()})
    points = OperatingPoints(np.ones((2, 2)), np.ones((2, 1)), np.zeros((2, 0)))
    counts = []
    for changed in ({}, {}, {"q": np.array([1.0, 3.0])}, {"ts": np.ones(2)}):
        before = len(traced)
        found, _ = response(model, replace(points, changed=changed), np.ones(2))
        counts.append(len(traced) - before)
    assert counts[0] > counts[1]  # compiled; to build a model anew traces its laws too
    assert counts[1:] == [counts[1]] * 3
    assert response(model, replace(points, changed={"q": np.array([1.0, 3.0])}), np.ones(2))[0].tolist() == [0.5, 1.5]
    assert found.tolist() == [0.5, 0.5]


def test_an_unknown_parameter_is_named_with_the_nearest(published):
    one = OperatingPoints(np.ones((1, 13)), np.ones((1, 2)), np.ones((1, len(published.input_names))))
    points = replace(one, changed={"R_swich": np.ones(1)})
    with pytest.raises(ModelError, match="did you mean 'R_switch'"):
        response(published, points, np.ones(1))
