"""Predicted against measured curves of runs that were left out: figures, their table and their bounds."""

import comparisons
import numpy as np
import pandas as pd
import pytest

from graycell.comparison.baselines import LastValue, MeanOfRuns
from graycell.comparison.comparison import cross_validate
from graycell.comparison.splits import forward_in_time, leave_one_run_out
from graycell.reporting.comparison.page import comparison_report
from graycell.reporting.comparison.predicted import MOST_RUNS, best_of, predicted_and_measured, predicted_runs
from graycell.reporting.comparison.tables import predictions_frame
from graycell.reporting.curves import MEASURED
from graycell.reporting.style import plain
from graycell.runs.records import CultureRun, Measurement


@pytest.fixture(scope="module")
def comparison():
    return comparisons.left_out()


def many(count):
    days, noise = np.arange(6.0), np.random.default_rng(0).standard_normal((count, 6))
    series = [Measurement("GLC", "mmol/L", days, 20.0 - 2.0 * days + one, np.full(6, 0.5)) for one in noise]
    return [CultureRun(f"r{i}", 1.0, {"GLC": 20.0}, {"GLC": one}, end=5.0) for i, one in enumerate(series)]


def test_every_candidate_has_a_line_at_the_samples_and_the_best_a_band(comparison):
    run, split = predicted_runs(comparison)[0]
    figure = predicted_and_measured(comparison, run, split)
    of = {name: [trace for trace in figure.data if trace.name == plain(name)] for name in comparison.candidates}
    assert [len(traces) for traces in of.values()] == [2, 2, 2]
    row = next(row for row in comparison.rows if row.candidate == "good" and row.run == run.name)
    assert of["good"][0].y == pytest.approx(row.predicted)
    assert of["good"][0].x == pytest.approx(comparisons.DAYS[1:])
    measured = [trace for trace in figure.data if trace.error_y.array is not None]
    assert measured[0].y == pytest.approx(comparisons.TRUTH["GLC"][run.name])
    assert measured[0].error_y.array == pytest.approx(np.ones(6))
    bands = [trace for trace in figure.data if trace.fill == "tonexty"]
    assert {trace.name for trace in bands} == {"90 % band of good"}
    score = next(one for one in comparison.bands if (one.candidate, one.run) == ("good", run.name))
    assert bands[0].y == pytest.approx(score.low)


def test_a_name_of_the_legend_toggles_its_curves_in_all_panels(comparison):
    figure = predicted_and_measured(comparison, *predicted_runs(comparison)[0])
    named = [trace for trace in figure.data if trace.name]
    shown = [trace.name for trace in named if trace.showlegend]
    assert len(shown) == len(set(shown)) == 5  # three candidates, the band, what was measured
    groups = {}
    for trace in named:
        groups.setdefault(trace.name, set()).add(trace.legendgroup)
    assert all(len(of) == 1 and None not in of for of in groups.values())
    colours = {trace.name: trace.line.color for trace in named if trace.mode == "lines+markers"}
    assert len(set(colours.values())) == 3


def test_a_candidate_that_failed_in_a_run_has_no_line_there(comparison):
    run, split = predicted_runs(comparison)[1]
    assert "=breaks" not in {trace.name for trace in predicted_and_measured(comparison, run, split).data}


def test_hostile_names_are_shown_letter_by_letter(comparison):
    figure = predicted_and_measured(comparison, *predicted_runs(comparison)[0])
    assert "<i>LAC" not in " ".join(one.text for one in figure.layout.annotations)


def test_the_table_has_every_prediction_with_its_band(comparison):
    frame = predictions_frame(comparison, "internal")
    assert len(frame) == sum(len(row.predicted) for row in comparison.rows)
    good = frame[(frame["candidate"] == "good") & (frame["run"] == "c") & (frame["quantity"] == "GLC")]
    assert good["measured [unit]"].to_numpy()[:5] == pytest.approx(comparisons.TRUTH["GLC"]["c"][1:])
    assert (good["90 % band, low [unit]"] <= good["predicted [unit]"]).all()
    assert (good["predicted [unit]"] <= good["90 % band, high [unit]"]).all()
    assert frame[frame["candidate"] == "=breaks"]["90 % band, low [unit]"].isna().all()


def test_units_are_those_that_were_chosen(comparison):
    run, split = predicted_runs(comparison)[0]
    days, hours = (predicted_and_measured(comparison, run, split, units) for units in ("internal", "time=h"))
    assert hours.data[0].x == pytest.approx(24.0 * np.asarray(days.data[0].x))
    assert "time [h]" in predictions_frame(comparison, "time=h").columns


def test_many_runs_are_bounded_with_a_sentence(tmp_path):
    found = cross_validate([MeanOfRuns(), LastValue()], leave_one_run_out(many(MOST_RUNS + 2)))
    html = comparison_report(found, tmp_path).read_text(encoding="utf-8")
    assert f"The first {MOST_RUNS} of {MOST_RUNS + 2} runs are drawn" in html
    assert html.count('id="predicted-') == MOST_RUNS
    assert pd.read_csv(tmp_path / "predictions.csv")["run"].nunique() == MOST_RUNS + 2
    assert best_of(found) == "mean of the runs"


def test_samples_before_the_cut_are_drawn_and_not_predicted():
    runs = many(4)
    found = cross_validate([LastValue()], forward_in_time(runs, 2.0))
    figure = predicted_and_measured(found, *predicted_runs(found)[0])
    line, measured = (next(trace for trace in figure.data if trace.name == name) for name in ("last value", MEASURED))
    assert (len(line.x), len(measured.x)) == (3, 6)
