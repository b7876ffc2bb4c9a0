from dataclasses import replace

import numpy as np
import pytest
from culture_runs import DAYS, consuming, culture, series

from graycell.comparison.splits import (
    Split,
    forward_in_time,
    held_out,
    known_of,
    leave_one_run_out,
    with_viability_known,
)
from graycell.errors import FitError
from graycell.insilico import Design, designed_runs
from graycell.packing import viability_of
from graycell.runs.records import CultureRun, Measurement, Signal


@pytest.fixture
def runs():
    return [consuming(name, 30.0, 0.01) for name in "abc"]


def test_every_run_is_left_out_once(runs):
    splits = leave_one_run_out(runs)
    assert [[run.name for run in split.test] for split in splits] == [["a"], ["b"], ["c"]]
    assert [[run.name for run in split.train] for split in splits] == [["b", "c"], ["a", "c"], ["a", "b"]]


def test_named_runs_are_held_out_and_an_unknown_name_is_an_error(runs):
    (split,) = held_out(runs, ["b"])
    assert [run.name for run in split.train] == ["a", "c"]
    with pytest.raises(FitError, match="Known: a, b, c"):
        held_out(runs, ["x"])


def test_of_a_new_run_the_samples_at_time_0_and_the_plans_are_known(runs):
    known = known_of(runs[0])
    assert known.measurements["GLC"].time.tolist() == [0.0]
    assert (known.events, known.end, known.initial) == (runs[0].events, runs[0].end, runs[0].initial)


def test_a_forecast_learns_from_nothing_after_the_cut(runs):
    (split,) = forward_in_time(runs, 3.0)
    assert split.begins == 3.0
    for run in (*split.training_runs(), *split.known_runs()):
        assert run.measurements["GLC"].time.tolist() == [0.0, 1.0, 2.0, 3.0]
    learned, known = split.training_runs()[0], split.known_runs()[0]
    assert (known.events, known.end) == (runs[0].events, 7.0)
    assert learned.end == 3.0
    assert learned.events == ()  # the feed of day 3 comes after the samples of that day
    assert [event.time for event in known.events] == [3.0]


@pytest.mark.parametrize("day", [-1.0, 7.0])
def test_a_cut_outside_of_the_samples_is_an_error(runs, day):
    with pytest.raises(FitError, match="choose a day between"):
        forward_in_time(runs, day)


def test_a_run_that_is_predicted_is_never_learned_from(runs):
    with pytest.raises(FitError, match="a test run is never learned from"):
        Split("wrong", tuple(runs), (runs[0],))
    with pytest.raises(FitError, match="nothing is known after the cut"):
        Split("wrong", tuple(runs), (runs[0],), cut=3.0)


def test_a_split_without_runs_to_learn_from_is_an_error(runs):
    with pytest.raises(FitError, match="found 0 training and 1 test runs"):
        leave_one_run_out(runs[:1])


def test_viability_is_an_input_over_the_whole_run_unless_it_is_not():
    run = culture("a", GLC=1.0, viability=np.linspace(1.0, 0.6, 8))
    assert known_of(run).signals["viability"].value[-1] == pytest.approx(0.6)
    assert not known_of(run, viability_known=False).signals
    assert known_of(run, viability_known=False).measurements["viability"].time.tolist() == [0.0]


def test_viability_comes_from_the_cell_counts_where_it_was_not_measured():
    run = culture("a", VCD=series("VCD", [1.0, 3.0], [0.0, 2.0]), TCD=series("TCD", [1.0, 2.0, 4.0], [0.0, 1.0, 2.0]))
    signal = with_viability_known(run).signals["viability"]
    assert signal.time.tolist() == [0.0, 2.0]
    assert signal.value == pytest.approx([1.0, 0.75])


def test_a_detection_limit_stays_with_its_sample():
    glucose = replace(series("GLC", DAYS), below=DAYS > 2.0)
    assert known_of(culture("a", GLC=glucose), 3.0).measurements["GLC"].below.tolist() == [False, False, False, True]


def test_viability_is_the_same_everywhere_and_leaves_out_samples_without_cells():
    time = np.arange(3.0)
    viable, total = (Measurement(name, "1e9 cells/L", time, np.array(values), np.ones(3))
                     for name, values in (("VCD", [0.0, 1.8, 1.0]), ("TCD", [0.0, 2.0, 2.0])))  # fmt: skip
    signals = {name: Signal(name, "1", time, np.ones(3)) for name in ("pH", "volume")}
    run = CultureRun("a", 1.0, {"BIOM": 1.0}, {"VCD": viable, "TCD": total}, media={"feed": {}}, signals=signals)
    [designed] = designed_runs(Design(runs=1, initial={}), run)
    for found in (viability_of(run), with_viability_known(run).signals["viability"], designed.signals["viability"]):
        assert found.time.tolist() == [1.0, 2.0]
        assert found.value.tolist() == [0.9, 0.5]
    assert designed.signals["pH"] is run.signals["pH"]
    assert "volume" not in designed.signals  # that of the template follows from its own events
