"""Groups of runs with own parameters: known answers, in closed form where the model is linear."""

import json
from dataclasses import replace

import diffrax
import jax.numpy as jnp
import numpy as np
import pytest
from straight_runs import exact, measured, straight

import graycell as gc
from graycell.errors import FitError, ModelError
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import linearise, residuals
from graycell.inference.refound import refound
from graycell.simulation.solve import Loop, SolverSettings

ONE_START = gc.FitSettings(starts=1)
CLOSED = Loop(jnp.asarray(0.0), jnp.asarray(0.0))
DAYS = np.arange(1.0, 6.0)
TRUE = {"wild": 0.5, "knocked": 0.65}
"""[1/d] Growth rates of two clones, which differ by 30 %."""
PER_RUN, PER_GROUP = 0.4, 0.9
"""[mmol/L/d] Standard deviations of a parameter of a linear model."""
SLOPES = {"one": 2.0, "two": 2.7, "three": 4.1, "four": 4.4, "five": 4.9}
OF_RUN = {"one": "A", "two": "A", "three": "B", "four": "B", "five": "B"}


def growing(**changes):
    return gc.CultureModel(
        name="exponential",
        reactions={"growth": "=> VCD"},
        rates={"growth": gc.Rate("mu")},
        parameters={"mu": gc.Parameter(0.4, "1/d", 0.05, 3.0, prior_sd=1.0, **changes)},
    )


def counted(name, mu, seed):
    """Return a run that was counted with an error of 5 %."""
    cells = np.exp(mu * DAYS)
    seen = cells * (1.0 + 0.05 * np.random.default_rng(seed).standard_normal(len(DAYS)))
    series = gc.Measurement("VCD", "1e9 cells/L", DAYS, seen, 0.05 * cells)
    return gc.CultureRun(name, 1.0, {"VCD": 1.0}, {"VCD": series})


@pytest.fixture(scope="module")
def clones():
    groups = {f"{name}{i}": name for name in TRUE for i in range(3)}
    return [counted(run, TRUE[name], seed) for seed, (run, name) in enumerate(groups.items())], groups


@pytest.fixture(scope="module")
def of_clones(clones):
    return gc.fit(gc.Problem(growing(between_groups_sd=0.3), clones[0], groups=clones[1]), settings=ONE_START)


@pytest.fixture(scope="module")
def runs():
    return [measured(name, a, 1.0, seed=i) for i, (name, a) in enumerate(SLOPES.items())]


@pytest.fixture(scope="module")
def linear(runs):
    """Runs differ, and groups of runs: both standard deviations for one parameter."""
    return gc.fit(gc.Problem(straight(PER_RUN, PER_GROUP), runs, groups=OF_RUN), settings=ONE_START)


def new_run(name="new"):
    return gc.CultureRun(name, 1.0, {"A": 10.0, "B": 10.0}, end=4.0)


def test_the_growth_of_two_clones_is_found_again(of_clones):
    [row] = of_clones.estimates
    effects = of_clones.group_effects
    errors = effects.errors(of_clones.covariance, [0])[:, 0]
    for name, error in zip(effects.names, errors, strict=True):
        assert abs(np.log(of_clones.per_group[name]["mu"] / TRUE[name])) < 2.0 * error, name
        assert of_clones.model_of_group(name).parameters["mu"] == of_clones.per_group[name]["mu"]
        assert of_clones.model_of(f"{name}1").parameters["mu"] == of_clones.per_group[name]["mu"]
    # two groups say less about the shared value than three runs say about a group
    assert row.relative_error == pytest.approx(0.3 / np.sqrt(2.0), rel=0.1)
    assert np.all(errors < 0.1 * row.relative_error)
    assert of_clones.groups["wild2"] == "wild"
    assert of_clones.model_of("another").parameters["mu"] == of_clones.model.parameters["mu"]
    assert of_clones.per_run == {}


def test_estimates_and_covariances_are_those_of_the_linear_model(linear, runs):
    mean, covariance = exact(runs, PER_RUN, PER_GROUP, [0, 0, 1, 1, 1])
    assert [row.value for row in linear.estimates] == pytest.approx(mean[:2], abs=1e-4)
    assert linear.covariance == pytest.approx(covariance[:2, :2], rel=1e-3, abs=1e-6)
    effects = linear.group_effects
    assert effects.names == ("A", "B")
    assert effects.deviation[:, 0] == pytest.approx(mean[7:], abs=1e-4)
    assert effects.values[:, 0] == pytest.approx(mean[0] + mean[7:], abs=1e-4)
    assert effects.cross == pytest.approx(covariance[7:, :2], rel=1e-3, abs=1e-6)
    assert effects.within == pytest.approx(covariance[7:, 7:], rel=1e-3, abs=1e-6)
    for i, run in enumerate(runs):  # the value of a run has the effects of its group and of itself
        expected = mean[0] + mean[2 + i] + mean[7 + (i > 1)]
        assert linear.per_run[run.name]["a"] == pytest.approx(expected, abs=1e-4)
        assert float(linear.model_of(run.name).parameters["a"]) == pytest.approx(expected, abs=1e-4)
    value = np.zeros(9)
    value[[0, 7]] = 1.0
    error = effects.errors(linear.covariance, [0])[0, 0]
    assert error == pytest.approx(np.sqrt(value @ covariance @ value), rel=1e-3)


def test_the_band_of_a_new_run_is_that_of_its_group_and_wider_for_one_that_was_never_seen(linear, runs):
    _, covariance = exact(runs, PER_RUN, PER_GROUP, [0, 0, 1, 1, 1])
    value = np.zeros(9)
    value[[0, 8]] = 1.0
    known = np.sqrt(value @ covariance @ value + PER_RUN**2)
    unknown = np.sqrt(covariance[0, 0] + PER_RUN**2 + PER_GROUP**2)
    assert known < 0.7 * unknown
    of_group = linear.predict(new_run(), draws=2000, times=[4.0], group="B")
    assert np.std(of_group["A"][:, 0]) == pytest.approx(4.0 * known, rel=0.06)
    assert np.mean(of_group["A"][:, 0]) == pytest.approx(10.0 + 4.0 * linear.per_group["B"]["a"], abs=0.2)
    assert of_group.remarks() == []
    never = "is of the group 'C', which was never seen (seen: A, B): a is drawn with"
    for group, said in (("C", never), (None, "is in no group (seen: A, B)")):
        unseen = linear.predict(new_run(), draws=2000, times=[4.0], group=group)
        assert np.std(unseen["A"][:, 0]) == pytest.approx(4.0 * unknown, rel=0.06)
        assert unseen.best[0, 0] == pytest.approx(10.0 + 4.0 * linear.estimates[0].value, rel=1e-4)
        assert said in unseen.remarks()[0]
    of_fit = linear.predict(replace(runs[4], measurements={}), draws=200, times=[4.0])
    assert of_fit.group == "B"
    assert of_fit.remarks() == []
    assert of_fit.best[0, 0] == pytest.approx(10.0 + 4.0 * linear.per_run["five"]["a"], rel=1e-4)


def test_bands_of_new_runs_hold_as_often_as_they_say():
    """12 truths with three groups of two runs: new runs of a known and of a new group are in 90 % bands."""
    held, model = {"known": [], "new": []}, straight(PER_RUN, PER_GROUP)
    for k in range(12):
        random = np.random.default_rng(100 + k)
        shared, b = 3.0 + 2.0 * random.standard_normal(), 1.0 + 1.5 * random.standard_normal()
        slopes = {group: shared + PER_GROUP * random.standard_normal() for group in "ABCE"}
        names = {f"{group}{i}": group for group in "ABC" for i in range(2)}
        made = [measured(name, slopes[group] + PER_RUN * random.standard_normal(), b, seed=1000 * k + i)
                for i, (name, group) in enumerate(names.items())]  # fmt: skip
        fitted = gc.fit(gc.Problem(model, made, groups=names), settings=ONE_START)
        for kind, group in (("known", "A"), ("new", "E")):
            ahead = fitted.predict(new_run(), draws=200, times=[4.0], group=group)
            low, high = ahead.interval("A")
            for _ in range(5):  # runs of that group
                true = 10.0 + 4.0 * (slopes[group] + PER_RUN * random.standard_normal())
                held[kind].append(low[0] <= true <= high[0])
    assert 0.8 < np.mean(held["known"]) < 0.97
    assert 0.75 < np.mean(held["new"]) <= 1.0  # runs of one new group hold or miss together


def test_groups_of_one_run_are_the_runs(runs):
    each = {name: name for name in SLOPES}
    of_groups = gc.fit(gc.Problem(straight(0.0, 0.7), runs, groups=each), settings=ONE_START)
    of_runs = gc.fit(gc.Problem(straight(0.7), runs), settings=ONE_START)
    assert of_groups.cost == pytest.approx(of_runs.cost, rel=1e-6)
    assert of_groups.covariance == pytest.approx(of_runs.covariance, rel=1e-6)
    for name in SLOPES:
        assert of_groups.per_group[name]["a"] == pytest.approx(of_runs.per_run[name]["a"], rel=1e-6)
    for ours, theirs in zip(of_groups.estimates, of_runs.estimates, strict=True):
        assert ours.value == pytest.approx(theirs.value, rel=1e-6)


def test_derivatives_by_effects_of_groups_agree_with_central_differences(runs):
    solver = SolverSettings(rtol=1e-8, atol=1e-9, adjoint=diffrax.ForwardMode())
    error = gc.InitialError({"A": 0.1}, between_runs={"A": 0.2})
    model = straight(PER_RUN, PER_GROUP)
    objective = objective_for(model, runs, model.table.estimated, solver, initial_error=error, groups=OF_RUN)
    labels = objective.labels(list(SLOPES), ("A", "B"))
    assert labels[-3:] == ["common A at time 0", "a of group A", "a of group B"]
    assert len(labels) == objective.size
    x = np.asarray(objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), jnp.zeros(0)))
    x = x + 0.05 * np.random.default_rng(1).standard_normal(len(x))
    value, jacobian = linearise(objective, x, CLOSED)
    assert np.array_equal(value, residuals(objective, x, CLOSED))
    whole = np.asarray(objective.residuals(jnp.asarray(x), CLOSED, jnp.asarray(np.inf)))
    assert value == pytest.approx(whole, rel=1e-6, abs=1e-8)  # of each run alone, and of all together
    step = 1e-3
    for j, label in enumerate(labels):
        low, high = (residuals(objective, x + sign * step * np.eye(len(x))[j], CLOSED) for sign in (-1.0, 1.0))
        central = (high - low) / (2.0 * step)
        assert jacobian[:, j] == pytest.approx(central, rel=1e-3, abs=1e-4 * np.max(np.abs(central))), label
    # the objective of one run has no column of another group
    own = objective.coordinates_of_run(3)
    assert [labels[j] for j in own][-2:] == ["common A at time 0", "a of group B"]


def test_all_runs_of_a_fit_share_one_compiled_function(runs):
    model = straight(PER_RUN, PER_GROUP)
    objective = objective_for(model, runs, model.table.estimated, SolverSettings(), groups=OF_RUN)
    first, last = (objective.of_run(i).groups for i in (0, 4))
    assert first.membership.shape == last.membership.shape == (1, 1)
    assert np.array_equal(first.membership, last.membership)


def test_without_groups_an_objective_has_no_effects_of_groups(runs):
    objective = objective_for(straight(), runs, straight().table.estimated, SolverSettings())
    assert (objective.size, objective.prior_count, objective.groups.size) == (2, 2, 0)
    plain = gc.fit(straight(), runs[:2], ONE_START)
    assert (plain.groups, plain.per_group, plain.group_effects) == ({}, {}, None)
    assert "groups" not in plain.provenance["settings"]


def test_a_fit_with_groups_is_the_same_from_its_file_and_is_found_again(linear, tmp_path):
    gc.save_fit(linear, tmp_path)
    read = gc.load_fit(tmp_path)
    assert (read.groups, read.per_group) == (OF_RUN, linear.per_group)
    assert read.provenance["settings"]["groups"] == OF_RUN
    for name in ("sd", "deviation", "values", "cross", "within"):
        assert np.array_equal(getattr(read.group_effects, name), getattr(linear.group_effects, name)), name
    now, then = (fit.predict(new_run(), draws=20, times=[4.0], group="A").values for fit in (linear, read))
    assert np.array_equal(now, then)
    problem = refound(read)
    found = residuals(problem.objective, problem.x, problem.loop)
    assert 0.5 * float(found @ found) == pytest.approx(linear.cost, rel=1e-6)
    assert problem.labels[-2:] == ("a of group A", "a of group B")
    path = tmp_path / "fit.json"
    whole = json.loads(path.read_text())
    for wrong in ({"within": [[1.0]]}, {"names": ["A"]}, {"of_run": {**OF_RUN, "one": "Z"}}):
        path.write_text(json.dumps({**whole, "groups": {**whole["groups"], **wrong}}))
        with pytest.raises(FitError, match="found no readable fit"):
            gc.load_fit(tmp_path)


def test_a_fit_of_the_format_without_groups_is_read(runs, tmp_path):
    gc.save_fit(gc.fit(straight(), runs[:2], ONE_START), tmp_path)
    path = tmp_path / "fit.json"
    whole = json.loads(path.read_text())
    whole["parameters"] = [{name: value for name, value in row.items() if name != "between_groups_sd"}
                           for row in whole["parameters"]]  # fmt: skip
    path.write_text(json.dumps({**{name: value for name, value in whole.items() if name != "groups"}, "format": 3}))
    assert gc.load_fit(tmp_path).groups == {}


def test_a_killed_fit_with_groups_goes_on_and_one_of_other_groups_is_refused(linear, runs, tmp_path):
    class Killed(Exception):
        pass

    def kill(now):
        if now.iteration == 3:
            raise Killed

    problem = gc.Problem(straight(PER_RUN, PER_GROUP), runs, groups=OF_RUN)
    with pytest.raises(Killed):
        gc.fit(problem, settings=ONE_START, folder=tmp_path, progress=kill)
    other = gc.Problem(straight(PER_RUN, PER_GROUP), runs, groups={**OF_RUN, "two": "B"})
    with pytest.raises(FitError, match="checkpoint of a fit with other settings"):
        gc.fit(other, settings=ONE_START, folder=tmp_path)
    assert gc.fit(problem, settings=ONE_START, folder=tmp_path).per_group == linear.per_group


@pytest.mark.parametrize(
    ("model", "groups", "said"),
    [
        (straight(0.0, 0.5), None, r"found 5 of 5 runs in none \('one', 'two'.*every run needs one; name it in"),
        (straight(0.0, 0.5), {"one": "A", "two": "A", "three": "", "five": "B"}, r"2 of 5 .* \('three', 'four'\)"),
        (straight(0.5), OF_RUN, "found 2, and no estimated parameter of straight differs between groups; give one a"),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_meant_get_a_sentence(runs, model, groups, said):
    with pytest.raises(FitError, match=said):
        gc.Problem(model, runs, groups=groups)


def test_a_standard_deviation_between_groups_is_checked_as_one_between_runs(runs):
    for sd in (-0.1, np.inf, np.nan):
        with pytest.raises(ModelError, match=r"parameter a: .* deviation between groups of .*; use 0 for one value of"):
            gc.Problem(straight(0.0, sd), runs, groups=OF_RUN)


def test_a_group_that_a_run_cannot_have_gets_a_sentence(linear, runs):
    with pytest.raises(FitError, match=r"found the group 'B' for run 'one', which the fit knows in the group 'A'"):
        linear.predict(runs[0], group="B")
    plain = gc.fit(straight(), runs[:2], ONE_START)
    with pytest.raises(FitError, match="no parameter of this fit of straight differs between groups; leave"):
        plain.predict(new_run(), group="A")
    with pytest.raises(FitError, match=r"group 'a' is not one of the fit of straight; did you mean 'A'"):
        linear.model_of_group("a")
    with pytest.raises(FitError, match="it has none"):
        plain.model_of_group("A")


def test_numbers_may_name_groups(runs):
    problem = gc.Problem(straight(0.0, 0.5), runs, groups={name: int(k > 1) for k, name in enumerate(SLOPES)})
    assert set(problem.groups.values()) == {"0", "1"}


def test_initial_states_and_groups_are_drawn_together(runs):
    """The start and the slope of a group are known together: a joint covariance, as the linear model has it nearly."""
    problem = gc.Problem(straight(0.3, PER_GROUP), runs, groups=OF_RUN, initial_error={"A": 0.05})
    fit = gc.fit(problem, settings=ONE_START)
    found = refound(fit)
    jacobian = linearise(found.objective, found.x, found.loop)[1]
    place = 1.0 / (1.0 + np.exp(-found.x[:2]))
    scale = np.r_[200.0 * place * (1.0 - place), np.ones(len(found.x) - 2)]
    covariance = np.linalg.inv((jacobian / scale).T @ (jacobian / scale))
    labels = list(found.labels)
    value = np.zeros(len(labels))
    value[[0, labels.index("a of group B")]] = 1.0
    expected = np.sqrt(value @ covariance @ value + 0.3**2)
    ahead = fit.predict(new_run(), draws=3000, times=[0.0, 4.0], group="B")
    rise = ahead["A"][:, 1] - ahead["A"][:, 0]
    assert np.std(rise) == pytest.approx(4.0 * expected, rel=0.06)
    # in a run of the fit the own slope is fixed, and the start is what is left
    there = labels.index("A at time 0 of five")
    fixed = np.zeros(len(labels))
    fixed[[0, labels.index("a of five"), labels.index("a of group B")]] = 1.0
    conditional = covariance[there, there] - (covariance[there] @ fixed) ** 2 / (fixed @ covariance @ fixed)
    ahead = fit.predict(replace(runs[4], measurements={}), draws=3000, times=[0.0, 4.0])
    assert np.std(np.log(ahead["A"][:, 0])) == pytest.approx(np.sqrt(conditional), rel=0.06)
    assert np.std(ahead["A"][:, 1] - ahead["A"][:, 0]) < 0.01
