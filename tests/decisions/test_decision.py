"""Decision and Goals: what is selected and changed, and a sentence for each fault; files of decisions."""

from dataclasses import replace

import numpy as np
import pytest

import graycell as gc
from graycell.decisions import Constraint, Decision, Goals, decided
from graycell.decisions.reading import read_decisions, unit_of_decision
from graycell.errors import InputError
from graycell.runs.records import Bolus, CultureRun, End, Feed, LevelBolus, Sample, Setpoint

PLAN = CultureRun(
    "next", 1.5, {"VCD": 0.5, "BIOM": 1.2, "GLC": 30.0}, events=(
        Sample(1.0, 0.01), Bolus(3.0, "A", 0.02), Bolus(3.0, "B", 0.05), LevelBolus(4.0, "A", "GLC", 20.0),
        Setpoint(5.0, 33.0), Bolus(6.0, "A", 0.04), Feed(7.0, "B", 0.1), End(10.0),
    ), media={"A": {"GLC": 2000.0}, "B": {"GLC": 50.0}}, end=10.0, molar_masses={"GLC": 180.0},
)  # fmt: skip
A, B = ("volume", 0.0, 1.0), {"event": "bolus", "medium": "A"}


def volumes(plan, medium="A"):
    return [event.volume for event in plan.events if isinstance(event, Bolus) and event.medium == medium]


@pytest.mark.parametrize(
    ("decision", "value", "found"),
    [
        (Decision("x", *A, **B, day=3.0), 0.03, lambda plan: (volumes(plan), [0.03, 0.04])),
        (Decision("x", *A, **B, relative=True), 2.0, lambda plan: (volumes(plan), [0.04, 0.08])),
        (Decision("x", *A, event="bolus", medium="B"), 0.01, lambda plan: (volumes(plan, "B"), [0.01])),
        (Decision("x", "level", 5.0, 30.0, event="bolus to level"), 15.0, lambda plan: (plan.events[3].level, 15.0)),
        (Decision("x", "rate", 0.0, 1.0, event="feed"), 0.2, lambda plan: (plan.events[6].rate, 0.2)),
        (Decision("x", "temperature", 30.0, 37.0, event="temperature"), 31.0,
         lambda plan: (plan.events[4].value, 31.0)),
        (Decision("x", "medium", 0.0, 3000.0, medium="A", species="GLC"), 1000.0,
         lambda plan: (plan.media["A"]["GLC"], 1000.0)),
        (Decision("x", "start", 0.1, 2.0, species="VCD"), 1.0,
         lambda plan: ((plan.initial["VCD"], plan.initial["BIOM"]), (1.0, 2.4))),
        (Decision("x", "initial volume", 1.0, 2.0), 2.0, lambda plan: (plan.initial_volume, 2.0)),
        (Decision("x", "initial temperature", 30.0, 38.0), 36.0, lambda plan: (plan.initial_temperature, 36.0)),
    ],
)  # fmt: skip
def test_what_is_selected_gets_the_value_and_nothing_else_does(decision, value, found):
    assert not decision.faults(PLAN)
    changed = decided(PLAN, [decision], [value])
    now, wanted = found(changed)
    assert now == pytest.approx(wanted)
    back = decided(changed, [decision], [decision.present(PLAN) / (value if decision.relative else 1.0)])
    assert [replace(one, volume=round(one.volume, 12)) if isinstance(one, Bolus) else one for one in back.events] == [
        *PLAN.events
    ]
    for of in (lambda plan: plan.initial, lambda plan: plan.media["A"],
               lambda plan: {"volume": plan.initial_volume, "temperature": plan.initial_temperature,
                             "end": plan.end}):  # fmt: skip
        assert of(back) == pytest.approx(of(PLAN))


def test_a_start_of_0_can_be_chosen_and_cells_of_0_move_no_others():
    plan = replace(PLAN, initial={"VCD": 0.0, "BIOM": 0.0, "P": 0.0})
    assert decided(plan, [Decision("x", "start", 0.0, 1.0, species="P")], [0.4]).initial["P"] == 0.4
    assert decided(plan, [Decision("x", "start", 0.0, 1.0, species="VCD")], [0.4]).initial == {
        "VCD": 0.4, "BIOM": 0.0, "P": 0.0
    }  # fmt: skip


def test_what_an_event_does_not_have_stays_so():
    one = Decision("x", "most", 0.0, 0.1, event="bolus to level")
    events = (LevelBolus(2.0, "A", "GLC", 20.0), LevelBolus(4.0, "A", "GLC", 20.0, most=0.05))
    changed = decided(replace(PLAN, events=events), [one], [0.03])
    assert [event.most for event in changed.events] == [None, 0.03]


def test_events_are_selected_by_their_former_days_and_come_back_in_the_order_of_time():
    chosen = [Decision("t", "time", 2.0, 9.0, event="bolus", medium="A", day=3.0),
              Decision("v", *A, **B, day=3.0)]  # fmt: skip
    changed = decided(PLAN, chosen, [8.0, 0.5])
    times = [event.time for event in changed.events]
    assert times == sorted(times)
    assert Bolus(8.0, "A", 0.5) in changed.events


def test_an_earlier_harvest_leaves_out_what_is_later():
    changed = decided(PLAN, [Decision("end", "end", 5.0, 12.0)], [6.5])
    assert changed.end == 6.5
    assert max(event.time for event in changed.events) == 6.0
    assert decided(PLAN, [Decision("end", "end", 5.0, 12.0)], [12.0]).end == 12.0


def test_a_new_start_is_not_undone_by_the_sample_at_time_0():
    one = np.array([0.0])
    series = gc.Measurement("VCD", "1e9 cells/L", one, np.array([0.5]), np.array([0.05]))
    plan = replace(PLAN, measurements={"VCD": series})
    assert "VCD" not in decided(plan, [Decision("x", "start", 0.1, 2.0, species="VCD")], [1.0]).measurements


def test_values_are_set_in_steps_within_the_bounds():
    one = Decision("x", "volume", 0.0, 0.05, 0.02, event="bolus")
    found = [one.rounded(value) for value in (0.0, 0.009, 0.011, 0.05, 1.0)]
    assert found == pytest.approx([0.0, 0.0, 0.02, 0.04, 0.04])
    assert replace(one, step=0.0).rounded(0.0123) == 0.0123
    days = Decision("x", "time", 3.5, 7.25, 0.5, event="temperature")
    assert [days.rounded(value) for value in (3.5, 7.24, 9.0)] == [3.5, 7.0, 7.0]


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (Decision("x", "volum", 0.0, 1.0, event="bolus"), "did you mean 'volume'"),
        (Decision("x", "volume", 0.0, 1.0, event="feed"), "events with a volume are: bolus, sample"),
        (Decision("x", "volume", 1.0, 0.0, event="bolus"), "bounds 1 to 0"),
        (Decision("x", "volume", -1.0, 1.0, event="bolus", day=6.0), "a volume is not negative"),
        (Decision("x", "volume", 0.0, 1.0, -0.1, event="bolus", day=6.0), "a step of -0.1"),
        (Decision("x", "volume", 0.0, 1.0, event="bolus", day=5.0), "it has: bolus on day 3"),
        (Decision("x", "volume", 0.0, 1.0, event="bolus", medium="C"), "no bolus of 'C'"),
        (Decision("x", "time", 1.0, 12.0, event="temperature"), "the plan ends at 10 d"),
        (Decision("x", "start", 0.0, 1.0, species="GLD"), "did you mean 'GLC'"),
        (Decision("x", "medium", 0.0, 1.0, medium="a", species="GLC"), "did you mean 'A'"),
        (Decision("x", "volume", 0.0, 1.0, event="bolus"), "write relative = true"),
        (Decision("x", "time", 0.0, 1.0, event="bolus"), "3 numbers from 3 to 6"),
        (Decision("x", "time", 0.5, 2.0, event="bolus", relative=True), "times up to 12 d"),
        (Decision("x", "volume", 0.011, 0.019, 0.01, event="bolus", day=6.0), "none lies between the bounds"),
    ],
)
def test_each_fault_of_a_decision_has_a_sentence(decision, sentence):
    assert sentence in " ".join(map(str, decision.faults(PLAN)))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Constraint("GLC"), "no inequality"),
        (lambda: Constraint("GLC >="), "no formula"),
        (lambda: Constraint("GLC >= 1", "sometimes"), "when = 'sometimes'"),
        (lambda: Constraint.of({"holds": "GLC >= 1", "wen": "end"}), "'wen'"),
        (lambda: Constraint.of({"when": "end"}), "no text 'holds'"),
        (lambda: Constraint.of({"holds": "GLC >= 1", "when": [1, 2, 3]}), "two days are needed"),
        (lambda: Constraint.of({"holds": "GLC >= 1", "when": [9, 2]}), "write the earlier first"),
        (lambda: Constraint.of({"holds": "GLC >= 1", "when": [-1, 2]}), "from a first day, 0 or later"),
        (lambda: Goals("titer *"), "no formula"),
    ],
)
def test_each_fault_of_a_goal_has_a_sentence(made, sentence):
    with pytest.raises(InputError, match=sentence):
        made()


def test_inequalities_have_their_sides_and_sizes():
    values = {"GLC": 3.0, "LAC": 8.0}
    assert Constraint("GLC >= 2").sides(values.__getitem__, np) == [(3.0, 2.0)]
    assert Constraint("LAC <= 40").sides(values.__getitem__, np) == [(40.0, 8.0)]
    assert Constraint("1 <= GLC <= 30").sides(values.__getitem__, np) == [(3.0, 1.0), (30.0, 3.0)]
    assert [Constraint(text).size for text in ("GLC >= 2", "1 <= GLC <= 30", "GLC >= LAC")] == [2.0, 30.0, 1.0]
    known = [str(one) for one in Goals("titr", (Constraint("GLC >= 2"),)).faults(["titer", "GLC"], [], 10.0)]
    assert len(known) == 1
    assert "did you mean 'titer'" in known[0]


GOOD = """
maximise = "ANTI"
constraints = ["GLC >= 2", { holds = "LAC <= 40", when = [2, 5] }]
caution = 1
may_run_out = ["ASN"]
units = { GLC = "g/L" }
[decisions.feed]
change = "volume"
event = "bolus"
medium = "A"
day = "72 h"
lower = "0 mL"
upper = 0.08
step = "1 mL"
[decisions.level]
change = "level"
event = "bolus to level"
species = "GLC"
lower = "1.8 g/L"
upper = 30
"""


def test_a_file_gives_decisions_in_internal_units(tmp_path):
    path = tmp_path / "decisions.toml"
    path.write_text(GOOD)
    found = read_decisions(path, PLAN)
    first, second = found.decisions
    assert (first.lower, first.upper, first.day, first.medium) == (0.0, 0.08, 3.0, "A")
    assert first.step == pytest.approx(0.001)
    assert second.lower == pytest.approx(10.0)  # 180 g/mol
    assert found.caution == 1.0
    assert found.goals.constraints[1].when == (2.0, 5.0)
    assert dict(found.goals.units) == {"GLC": "g/L"}
    assert found.goals.may_run_out == ("ASN",)


def test_a_set_point_has_no_unit_but_its_own():
    chosen = Decision("x", "value", 6.8, 7.2, event="setpoint")
    assert unit_of_decision(chosen, PLAN) == "1"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('maximise = "ANTI"', "", "what is to be large is needed"),
        ('"GLC >= 2"', '"GLC"', "no inequality"),
        ("caution = 1", "caution = -1", "a number from 0 to 10 is needed"),
        ("caution", "cautoin", "did you mean 'caution'"),
        ("upper = 0.08", "uper = 0.08", "did you mean 'upper'"),
        ("upper = 0.08", "", "upper: found nothing; a number is needed"),
        ('"0 mL"', '"0 min"', "does not measure the same thing as 'L'"),
        ('"0 mL"', '"nothing"', "found 'nothing'; a number is needed"),
        ('change = "volume"', 'change = "volum"', "did you mean 'volume'"),
        ("[decisions.feed]", '[decisions."feed 1"]', "a name has letters"),
        ('medium = "A"', "medium = 3", "a text is needed"),
        ('medium = "A"', 'relative = "yes"', "it is true or false"),
        ("caution = 1", "format = 9", "written by a later graycell"),
        ('units = { GLC = "g/L" }', "units = 3", "no table of texts"),
        ('may_run_out = ["ASN"]', 'may_run_out = "ASN"', "a list of substrates is needed"),
    ],
)
def test_each_fault_of_a_file_has_a_sentence(tmp_path, old, new, sentence):
    path = tmp_path / "decisions.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=sentence):
        read_decisions(path, PLAN)


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    path = tmp_path / "decisions.toml"
    text = GOOD.replace("upper = 0.08", "uper = 0.08").replace('"1.8 g/L"', '"x"').replace("caution", "cauton")
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_decisions(path, PLAN)
    assert len(error.value.findings) == 3
    with pytest.raises(InputError, match="no file"):
        read_decisions(tmp_path / "none.toml", PLAN)
