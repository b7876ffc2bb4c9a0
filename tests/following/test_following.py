"""follow: what is known of a culture that the tests know, the rest of its plan, signals, watching and the command."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from running import BOLUSES, K, exact, fit_of, measured, plan
from typer.testing import CliRunner

import graycell as gc
from graycell.cli import app
from graycell.decisions import Decision
from graycell.errors import InputError
from graycell.following import follow, with_signals
from graycell.following.following import open_decisions
from graycell.following.watching import changes
from graycell.inference.storage import save_fit
from graycell.provenance import provenance_of
from graycell.reporting.following import course_frame, follow_report, state_frame

TRUE_K = 0.5
DAYS = np.arange(1.0, 6.0)


@pytest.fixture(scope="module")
def fit():
    return fit_of()


def running(until=5.0, quantities=("S",), name="now", error=0.5, seed=0):
    """Return a culture that is faster than those of the fit, with samples of some quantities."""
    random, days = np.random.default_rng(seed), np.arange(1.0, until + 0.5)
    truth = exact(plan(name), TRUE_K, days)
    return measured(plan(name), {one: (days, truth[one] + error * random.standard_normal(len(days)), error)
                                 for one in quantities})  # fmt: skip


@pytest.fixture(scope="module")
def followed(fit):
    return follow(fit, running())


def test_what_is_not_measured_is_known_better_than_without_samples(followed):
    truth = exact(plan("now"), TRUE_K, np.array([5.0, 10.0]))
    rows = {one.quantity: one for one in followed.state()}
    p = rows["P"]
    assert np.isnan(p.measured)
    assert p.low < truth["P"][0] < p.high
    assert abs(p.estimate - truth["P"][0]) < 0.5 * abs(p.without - truth["P"][0])
    narrow, wide = (np.subtract(*one.interval("P")[::-1])[-1] for one in (followed.forecast, followed.without))
    assert narrow < 0.5 * wide
    low, high = followed.forecast.interval("P")
    assert low[-1] < truth["P"][1] < high[-1]
    assert rows["S"].measured_on == 5.0
    assert followed.samples == 5


def test_later_samples_are_not_used(fit, followed):
    again = follow(fit, running(8.0), now=5.0)
    assert again.known.estimates[0].value == pytest.approx(followed.known.estimates[0].value, rel=1e-6)
    assert again.now == 5.0
    moved = follow(fit, running(8.0), before=followed)
    assert moved.now == 8.0
    assert abs(np.log(moved.known.estimates[0].value / TRUE_K)) < 0.05


def test_only_what_is_to_come_is_chosen(fit):
    decisions = [Decision("early", "volume", 0.0, 0.05, event="bolus", day=3.0),
                 Decision("late", "volume", 0.0, 0.05, event="bolus", day=6.0),
                 Decision("day", "time", 2.0, 9.0, event="bolus", day=6.0),
                 Decision("start", "start", 1.0, 50.0, species="S")]  # fmt: skip
    found = follow(fit, running(), decisions, "P * volume - 1000 * early", ["early + late <= 0.05"], draws=20)
    assert found.left_out == {"early": 0.02, "start": 30.0}
    assert found.best is not None
    assert found.best.plan.events[0] == BOLUSES[0]
    late = found.best.plan.events[1]
    assert late.volume == pytest.approx(0.03, abs=1e-3)  # what the earlier one has left
    assert late.time == pytest.approx(5.0, abs=0.01)  # the earlier the more becomes P
    assert late.time >= 5.0
    assert "Nothing is left to choose of early, start." in found.sentences()


def test_decisions_on_several_events_are_on_the_later_ones():
    both = Decision("both", "volume", 0.5, 2.0, event="bolus", relative=True)
    (later,), left = open_decisions([both], plan("now"), 4.0)
    assert not left
    changed = gc.decided(plan("now"), [later], [2.0])
    assert [event.volume for event in changed.events] == [0.02, 0.04]
    composition = Decision("c", "medium", 10.0, 2000.0, medium="feed", species="S")
    assert open_decisions([composition], plan("now"), 4.0)[1] == {"c": 1000.0}
    assert open_decisions([composition], plan("now"), 2.0)[0] == [composition]
    harvest = Decision("h", "end", 4.0, 12.0)
    assert open_decisions([harvest], plan("now"), 8.0)[0][0].lower == pytest.approx(8.0, abs=1e-5)
    assert open_decisions([replace(harvest, upper=7.0)], plan("now"), 8.0)[1] == {"h": 10.0}


def test_what_was_done_otherwise_than_planned_and_past_faults_do_not_matter(fit):
    """One volume for all boluses, of which the first was given otherwise, and a constraint that was broken before."""
    done = replace(running(), events=(gc.Bolus(3.0, "feed", 0.021), *BOLUSES[1:]))
    both = Decision("both", "volume", 0.0, 0.05, event="bolus")
    found = follow(fit, done, [both], "P * volume", ["S <= 25"], draws=20)  # S was 30 at the beginning
    assert found.best is not None
    assert found.best.verdict.broken <= 1e-4
    assert found.best.plan.events[0].volume == 0.021
    assert found.best.plan.events[1].volume > 0.01


def test_what_is_planned_for_now_can_be_chosen():
    six = Decision("six", "volume", 0.0, 0.05, event="bolus", day=6.0)
    assert open_decisions([six], plan("now"), 6.0)[0][0].name == "six"
    assert open_decisions([six], plan("now"), 6.1)[1] == {"six": 0.02}
    day = Decision("day", "time", 2.0, 6.2, 1.0, event="bolus", day=6.0)
    assert open_decisions([day], plan("now"), 5.5)[0][0].lower == 5.5
    assert open_decisions([replace(day, upper=5.9)], plan("now"), 5.4)[1] == {"day": 6.0}


def signals_of(name="now", every=0.05, error=1.0):
    days = np.arange(every, 5.0, every)
    truth = exact(plan(name), TRUE_K, days)["S"]
    value = truth + error * np.random.default_rng(3).standard_normal(len(days))
    return measured(plan(name), {"S": (days, value, error)})


def test_signals_are_means_of_windows_that_reach_over_no_event():
    bare, signals = plan("now"), signals_of()
    found = with_signals(bare, signals, window=0.5).measurements["S"]
    assert np.all(np.diff(found.time) > 0.0)
    series = signals.measurements["S"]
    inside = series.time < 0.5 - 1e-9
    assert found.value[0] == pytest.approx(np.mean(series.value[inside]))
    assert found.standard_error[0] == pytest.approx(1.0 / np.sqrt(np.sum(inside)))
    wide = with_signals(bare, signals, window=5.0).measurements["S"]
    assert len(wide.time) == 2  # before and after the bolus of day 3
    before = series.time <= 3.0 + 1e-9
    assert wide.value[0] == pytest.approx(np.mean(series.value[before]))
    late = with_signals(bare, signals, window=0.5, delay=0.25, until=1.0).measurements["S"]
    assert late.time[-1] <= 1.0
    assert late.value[0] == pytest.approx(np.mean(series.value[(series.time > 0.25) & (series.time < 0.75 - 1e-9)]))


def test_a_signal_stands_beside_samples_and_in_their_unit():
    own = measured(plan("now"), {"S": ([1.0], [17.0], 0.5)})
    other = measured(plan("now"), {"S": ([1.0, 2.0], [17000.0, 12000.0], 2000.0)})
    other = replace(other, measurements={"S": replace(other.measurements["S"], unit="umol/L")})
    found = with_signals(own, other, window=0.1).measurements["S"]
    assert found.value.tolist() == [17.0, 12.0]
    assert found.standard_error == pytest.approx([0.5, 2.0])
    wrong = replace(other, measurements={"S": replace(other.measurements["S"], unit="d")})
    with pytest.raises(InputError, match="give both in one unit"):
        with_signals(own, wrong)
    with pytest.raises(InputError, match="a delay is 0 or more"):
        with_signals(own, other, delay=-1.0)


def test_signals_alone_follow_a_culture(fit, followed):
    found = follow(fit, plan("now"), signals=signals_of(), draws=20)
    assert found.now == pytest.approx(4.95)
    assert abs(np.log(found.known.estimates[0].value / TRUE_K)) < 0.5 * abs(np.log(K / TRUE_K))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"now": 11.0}, "is from day 0 to 10"),
        ({"now": 0.5}, "no sample of a quantity of the model between day 0 and day 0.5"),
        ({"signals": measured(plan("now"), {"capacitance": ([1.0], [5.0], 0.5)})}, "capacitance: found no quantity"),
        ({"decisions": [Decision("late", "volume", 0.0, 0.05, event="bolus", day=6.0)]}, "a formula says"),
        ({"decisions": [Decision("late", "volume", 0.0, 0.05, event="bolus", day=7.0)], "maximise": "Q"},
         "(?s)no bolus on day 7.*found 'Q'"),
    ],
)  # fmt: skip
def test_each_fault_has_a_sentence(fit, options, sentence):
    with pytest.raises(InputError, match=sentence):
        follow(fit, running(), **options)


def test_a_culture_unlike_the_others_is_named(fit):
    days = np.arange(1.0, 6.0)
    fast = measured(plan("now"), {"S": (days, exact(plan("now"), 1.2, days)["S"], 0.5)})
    found = follow(fit, fast, draws=20)
    assert found.moved()[0][0] == "k"
    assert any(one.startswith("This culture is not like those of the fit") for one in found.sentences())


def test_a_page_and_its_tables_are_written(followed, tmp_path):
    path = follow_report(followed, tmp_path / "out")
    assert {one.name for one in path.parent.iterdir()} == {"follow.html", "follow.json", "state.csv", "course.csv"}
    written = json.loads((tmp_path / "out" / "follow.json").read_text(encoding="utf-8"))
    assert (written["format"], written["kind"], written["now"]) == (1, "followed culture", 5.0)
    assert written["advice"] is None
    assert list(state_frame(followed, "internal")["quantity"]) == ["S", "P"]
    course = course_frame(followed, "internal")
    assert set(course["to come"]) == {True, False}
    assert course[course["quantity"] == "P"]["estimate"].iloc[-1] == pytest.approx(followed.forecast.best[-1, 1])


def test_changes_are_told_when_files_are_quiet(tmp_path):
    place, steps = tmp_path / "run", []
    place.mkdir()
    (place / "a.csv").write_text("1")

    def sleep(_):
        steps.append(None)
        if len(steps) in (3, 4):  # a file that is written in two steps
            (place / "b.csv").write_text("2" * len(steps))
            os.utime(place / "b.csv", ns=(len(steps), len(steps)))

    told = changes([place, tmp_path / "none"], 1.0, sleep)
    assert [name for name, *_ in next(told)] == [str(place / "a.csv")]
    second = next(told)
    assert [size for _, size, _ in second] == [1, 4]
    assert len(steps) == 5


@pytest.fixture
def folders(fit, tmp_path):
    save_fit(replace(fit, provenance=provenance_of(fit.model, fit.runs, {})), tmp_path / "fit")
    gc.write_runs([running()], tmp_path / "run")
    (tmp_path / "decisions.toml").write_text(
        'maximise = "P * volume"\n[decisions.late]\nchange = "volume"\nevent = "bolus"\nday = 6\nlower = 0\n'
        'upper = "50 mL"\n'
    )
    (tmp_path / "no.toml").write_text(
        'maximise = "P"\n[decisions.early]\nchange = "volume"\nevent = "bolus"\nday = 3\nlower = 0\nupper = 0.05\n'
    )
    return tmp_path


def test_the_command_writes_the_culture_and_the_rest_of_its_plan(folders):
    found = CliRunner().invoke(app, ["follow", str(folders / "fit"), str(folders / "run"),
                                     str(folders / "decisions.toml"), "--out", str(folders / "out")])  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "Day 5 of 10: 5 values of 1 quantity so far." in found.output
    table = pd.read_csv(folders / "out" / "decisions.csv")
    assert table["decision"].tolist() == ["late"]
    mine = folders / "out" / "mine"
    mine.mkdir()
    late = CliRunner().invoke(app, ["follow", str(folders / "fit"), str(folders / "run"), str(folders / "no.toml"),
                                    "--out", str(folders / "out")])  # fmt: skip
    assert late.exit_code == 0, late.output
    assert mine.is_dir()
    assert pd.read_csv(folders / "out" / "decisions.csv")["decision"].tolist() == ["early"]
    again = gc.read_runs(folders / "out" / "plan")[0]
    assert next(event.volume for event in again.events if isinstance(event, gc.Bolus)) == 0.02


def test_watching_goes_on_to_the_end_of_the_plan_and_over_a_fault(folders, monkeypatch):
    seen = iter([4.0, None, 10.0])

    def fake(paths, every):
        for until in seen:
            if until is None:
                (folders / "run" / "measurements.csv").write_text("run,time [d],S [mmol/L]\nnow,1,many\n")
            else:
                shutil.rmtree(folders / "run")
                gc.write_runs([running(until)], folders / "run")
            yield ()

    monkeypatch.setattr("graycell.cli.following.changes", fake)
    found = CliRunner().invoke(app, ["follow", str(folders / "fit"), str(folders / "run"), "--watch", "1", "--out",
                                     str(folders / "out")])  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "Day 4 of 10" in found.output
    assert "'many'" in found.output
    assert "Day 10 of 10" in found.output
    both = CliRunner().invoke(app, ["follow", "a", "b", "--watch", "1", "--now", "2"])
    assert "leave one out" in both.output
