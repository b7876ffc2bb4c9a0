"""Campaigns: derivatives of rows, what runs say of clones against Bayes' rule, and which batch is worth most."""

from dataclasses import replace

import numpy as np
import pytest

import graycell as gc
from graycell.campaigns.beliefs import Belief
from graycell.errors import InputError

LINE = """
format = 1
name = "line"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
titer = { unit = "g/L", role = "product", initial = 0 }
[reactions]
product = { equation = "=> titer", rate = "p * vessel" }
[parameters]
p = { value = 0.1, unit = "g/(1e9 cells)/d", lower = 0.0001, upper = 100, prior_sd = 0.5 }
vessel = { value = 1, estimated = false }
"""
"""Cells that do not grow: the titer is p times their number times ten days, and its logarithm is a straight line."""
SCALES = (gc.Scale("small", 1.0, 3, 0.2, {"vessel": 0.5}), gc.Scale("large", 50.0, 1, 0.02))


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "line.toml"
    path.write_text(LINE)
    plan = gc.CultureRun("line", 1.0, {"VCD": 1.0}, end=10.0)
    decision = gc.Decision("cells", "start", 0.5, 2.0, species="VCD")
    return gc.Campaign(gc.read_model(path), plan, (decision,), "titer", ("A", "B", "C"), SCALES, "large",
                       model_error=1e-3)  # fmt: skip


def done(clone, scale, cells, goal):
    return gc.Tried(clone, scale, (cells,), goal)


def test_goals_and_their_derivatives_are_those_of_the_closed_form(campaign):
    learner = campaign._learner
    scaled, fixed = np.log([[0.1], [0.3]]), np.array([[1.0], [0.5]])
    chosen = np.array([[1.0], [2.0]])
    log, slope = learner.log_slopes(scaled, fixed, chosen)
    assert log == pytest.approx(np.log([1.0, 3.0]), abs=1e-6)
    assert slope == pytest.approx(np.ones((2, 1)), abs=1e-6)
    assert learner.log_goals(scaled, fixed, chosen) == pytest.approx(log, abs=1e-9)


def test_what_runs_say_is_that_of_bayes(campaign):
    """The logarithm of p has a normal prior, and every goal is a measurement of it with a known error."""
    tried = [done("A", "small", 1.0, 0.9), done("A", "large", 2.0, 2.6), done("B", "small", 1.0, 0.4)]
    belief = campaign.learn(tried)
    for j, seen in enumerate(([(0.9 / 5.0, 0.2), (2.6 / 20.0, 0.02)], [(0.4 / 5.0, 0.2)], [])):
        precision, total = 1.0 / 0.5**2, np.log(0.1) / 0.5**2
        for value, error in seen:
            weight = 1.0 / (error**2 + 1e-6)
            precision, total = precision + weight, total + weight * np.log(value)
        assert belief.mean[j, 0] == pytest.approx(total / precision, abs=1e-4)
        assert belief.covariance[j, 0, 0] == pytest.approx(1.0 / precision, rel=1e-4)


def test_what_is_learned_in_two_steps_is_what_is_learned_at_once(campaign):
    tried = [done("A", "small", 1.0, 0.9), done("B", "small", 1.0, 0.4), done("A", "large", 2.0, 2.6)]
    before = campaign.learn(tried[:2])
    after = campaign.learn(tried, before, 1)
    at_once = campaign.learn(tried)
    assert after.mean == pytest.approx(at_once.mean, abs=1e-5)
    assert after.covariance == pytest.approx(at_once.covariance, rel=1e-4)
    assert before.mean[0] != pytest.approx(after.mean[0], abs=1e-3)  # and nothing of before was changed


def test_the_scale_that_says_most_for_its_cost_comes_first(campaign):
    """Small runs say much of clones of which nothing is known, and next to nothing of one that is known to 2 %."""
    tried = [done(clone, "small", 1.0, 0.5) for clone in "ABC" for _ in range(3)]
    unknown = Belief(np.log([[0.1], [0.1], [0.1]]), np.full((3, 1, 1), 0.5**2), np.zeros(3))
    assert next(iter(campaign.proposals(tried, unknown))) == "small"
    known = Belief(np.log([[0.2], [0.01], [0.01]]), np.array([0.05**2, 1e-6, 1e-6]).reshape(3, 1, 1), np.zeros(3))
    cheap = replace(campaign, scales=(replace(SCALES[0], error=5.0), replace(SCALES[1], cost=2.0)))
    assert next(iter(cheap.proposals(tried, known))) == "large"


def test_runs_of_a_batch_are_of_several_clones_where_one_run_says_all(campaign):
    tried = [done(clone, "small", 1.0, 0.5) for clone in "ABC" for _ in range(3)]
    alike = Belief(np.log([[0.1], [0.1], [0.1]]), np.full((3, 1, 1), 0.5**2), np.zeros(3))
    precise = replace(campaign, scales=(replace(SCALES[0], error=1e-3), SCALES[1]))
    batch = precise.proposals(tried, alike)["small"].runs
    assert {run.clone for run in batch} == set("ABC")
    assert all(run.values[0] == pytest.approx(2.0, abs=0.05) for run in batch)  # more cells, more titer
    assert batch[0].at_target == pytest.approx(2.0, rel=0.05)
    assert batch[0].expected == pytest.approx(1.0, rel=0.05)  # at half the rate


def test_constraints_are_kept(campaign):
    bounded = replace(campaign, constraints=("cells <= 1.2",))
    tried = [done(clone, "small", 1.0, 0.5) for clone in "ABC" for _ in range(3)]
    batch = bounded.proposals(tried)["small"].runs
    assert max(run.values[0] for run in batch) <= 1.2 + 1e-9
    assert max(run.values[0] for run in batch) > 1.1
    assert all(run.values[0] <= 1.2 for k in range(5) for run in bounded.screening("small", k))


def test_every_clone_is_looked_at_in_turn(campaign):
    seen = [run.clone for k in range(4) for run in campaign.screening("small", k)]
    assert all(set(seen[3 * lap : 3 * lap + 3]) == set("ABC") for lap in range(4))
    assert not campaign.is_screened([done("A", "small", 1.0, 1.0)] * 9)


def test_the_same_runs_give_the_same_answer(campaign):
    tried = [done(clone, "small", 1.0, goal) for clone, goal in zip("ABC", (0.4, 0.5, 0.6), strict=True)] * 3
    first, again = (gc.next_step(campaign, tried) for _ in range(2))
    assert first.plain() == again.plain()
    assert first.best[0].clone == "C"
    assert first.spent == 9.0


def test_a_clone_that_contradicts_the_model_is_named(campaign):
    tried = [done(clone, "small", 1.0, 0.5) for clone in "ABC" for _ in range(3)]
    tried += [done("B", "large", 1.0, 1.0), done("B", "large", 1.0, 3.0)]  # twice the same, and three times as much
    found = gc.next_step(campaign, tried)
    assert found.contradicted == ("B",)
    assert any("contradicts the runs of 1 clones: B" in sentence for sentence in found.sentences())


def test_all_faults_come_at_once(campaign):
    table = campaign.model.table.with_changes("p", prior_sd=np.inf)
    with pytest.raises(InputError) as caught:
        replace(campaign, model=campaign.model.with_table(table), target="huge", clones=("A", "A"), maximise="tider")
    parts = ("no prior_sd or no bounds", "target: found 'huge'", "two of this name", "'tider'")
    assert [part for part in parts if part not in str(caught.value)] == []
    with pytest.raises(InputError, match="it is a clone of the campaign"):
        campaign.learn([done("Z", "small", 1.0, 1.0)])


def test_decisions_are_not_named_as_quantities_or_columns(campaign):
    (cells,) = campaign.decisions
    for name in ("titer", "goal", "volume"):
        with pytest.raises(InputError, match="names of their own"):
            replace(campaign, decisions=(replace(cells, name=name),))


def test_steps_are_kept(campaign):
    (cells,) = campaign.decisions
    stepped = replace(campaign, decisions=(replace(cells, step=0.3),))
    tried = [done(clone, "small", 1.0, 0.5) for clone in "ABC" for _ in range(3)]
    values = [run.values[0] for run in (*stepped.proposals(tried)["small"].runs, *stepped.screening("small", 0))]
    assert np.abs(np.array(values) / 0.3 - np.round(np.array(values) / 0.3)).max() < 1e-9
    assert 0.6 - 1e-9 <= min(values) <= max(values) <= 1.8 + 1e-9


def test_what_a_batch_shares_and_a_scale_fixes_keeps_the_constraints(campaign):
    decisions = (*campaign.decisions, gc.Decision("day", "end", 5.0, 10.0))
    shared = replace(SCALES[0], together=("day",))
    bounded = replace(campaign, decisions=decisions, scales=(shared, SCALES[1]), constraints=("cells + day <= 10.5",))
    tried = [gc.Tried(clone, "small", (1.0, 8.0), 0.4) for clone in "ABC" for _ in range(3)]
    for batch in (bounded.proposals(tried)["small"].runs, *(bounded.screening("small", k) for k in range(20))):
        assert len({run.values[1] for run in batch}) == 1
        assert all(sum(run.values) <= 10.5 + 1e-9 for run in batch)
    fixed = replace(bounded, scales=(replace(SCALES[0], fixed={"cells": 1.5}), SCALES[1]))
    assert all(run.values[0] == 1.5 and run.values[1] <= 9.0 + 1e-9 for run in fixed.screening("small", 0))


def test_constraints_that_few_plans_keep_are_kept_and_those_that_none_keeps_are_a_sentence(campaign):
    narrow = replace(campaign, constraints=("cells <= 1.0001", "cells >= 0.9999"))  # the plan has 1
    assert all(abs(run.values[0] - 1.0) <= 1.1e-4 for run in narrow.screening("small", 0))
    with pytest.raises(InputError, match="no plan that keeps them all"):
        replace(campaign, constraints=("cells <= 0.1",)).screening("small", 0)


def test_a_clone_that_makes_nothing_is_not_asked_again(campaign):
    tried = [done(clone, "small", 1.0, 0.0 if clone == "A" else 0.5) for clone in "ABC" for _ in range(3)]
    found = gc.next_step(campaign, tried, scale="small")
    assert {run.clone for run in found.batch.runs} == {"B", "C"}
    assert [one.clone for one in found.best][-1] == "A"
    nothing = [done(clone, "small", 1.0, 0.0) for clone in "ABC" for _ in range(3)]
    assert gc.next_step(campaign, nothing).best == ()  # it goes on to look


def test_a_batch_may_have_more_runs_than_there_are_plans(campaign):
    single = replace(campaign, clones=("A",), scales=(replace(SCALES[0], runs=9), SCALES[1]))
    batch = single.proposals([done("A", "small", 1.0, 0.5)] * 3)["small"].runs
    assert len(batch) == 9
    assert all(run.clone == "A" for run in batch)


def test_a_plan_or_a_unit_that_does_not_fit_is_found_before_the_first_batch(campaign):
    with pytest.raises(InputError, match="VCD"):
        replace(campaign, plan=replace(campaign.plan, initial={"GLC": 1.0}))
    with pytest.raises(InputError, match="units, titer"):
        replace(campaign, units={"titer": "degC"})
