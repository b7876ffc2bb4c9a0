"""optimise: known optima and exact derivatives with a fit; forecasts; what an answer says."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cultures
import diffrax
import numpy as np
import pandas as pd
import pytest

import graycell as gc
from graycell.comparison.baselines import MeanOfRuns
from graycell.decisions import Constraint, Decision, Goals, decided, optimise
from graycell.decisions.fit_source import FitSource
from graycell.decisions.forecast_source import ForecastSource
from graycell.decisions.optimising import source_of
from graycell.decisions.search import Search
from graycell.errors import GraycellError, InputError
from graycell.inference.results import Estimate
from graycell.prediction import Forecaster, MeanRates
from graycell.reporting.decisions import comparison_frame, decisions_frame, optimum_report
from graycell.runs.records import VCD, Bolus, CultureRun, LevelBolus, Setpoint

WHATIF = Path(__file__).parents[3] / "shared" / "cases" / "first-day"
K, END, FED = 0.4, 10.0, 100.0
"""[1/d] rate at which S becomes P; [d]; [mmol/L] of S in the feed."""
EXACT = gc.SolverSettings(rtol=1e-9, atol=1e-10, derivative_rtol=math.inf, adjoint=diffrax.ForwardMode())


def conversion():
    """Return a model in which S becomes P at a rate k S, the faster the warmer."""
    return gc.CultureModel(
        name="conversion", species={"S": "mmol/L", "P": "mmol/L"},
        reactions={"change": "S => P"},
        rates={"change": gc.Volumetric(gc.Rate("k") * gc.Concentration("S") * gc.InputValue("temperature") / 37.0)},
        parameters={"k": gc.Parameter(K, "1/d", lower=0.01, upper=10.0)},
        inputs={"temperature": gc.Input("degC", 37.0)},
    )  # fmt: skip


PLAN = CultureRun("next", 1.0, {"S": 10.0, "P": 0.0}, events=(Bolus(4.0, "feed", 0.02),), media={"feed": {"S": FED}},
                  end=END)  # fmt: skip


def made(volume, time=4.0, end=END, k=K):
    """Return the amount of P in the end, for a bolus of a volume at a time."""
    return 10.0 * (1.0 - np.exp(-k * end)) + FED * volume * (1.0 - np.exp(-k * (end - time)))


@pytest.fixture(scope="module")
def fitted():
    """Return a fit of `conversion` to a run in which S and P were in a wide range, with an error of 10 % of k."""
    model, days = conversion(), np.array([0.0, 5.0, 10.0])
    series = {name: gc.Measurement(name, "mmol/L", days, np.array(values), np.ones(3))
              for name, values in (("S", [40.0, 2.0, 20.0]), ("P", [0.0, 60.0, 80.0]))}  # fmt: skip
    run = replace(PLAN, name="seen", measurements=series)
    estimate = Estimate("k", K, "1/d", 0.1 * K, 0.1, K, False, math.inf)
    return gc.Fit(model, (run,), (estimate,), np.array([[0.01]]), 0.0, True, gc.FitSettings())


FEED = Decision("feed", "volume", 0.0, 0.5, event="bolus")


def test_the_best_volume_is_that_of_the_closed_form(fitted):
    found = optimise(fitted, PLAN, [FEED], "P * volume - 200 * feed^2", caution=0.0, draws=40, starts=1, rules=False)
    drawn = source_of(fitted, 40)._drawn(PLAN)[0]
    share = np.mean(1.0 - np.exp(-np.asarray(drawn.values)[:, 0] * 6.0))
    assert found.values[0] == pytest.approx(FED * share / 400.0, rel=1e-3)
    assert found.plan.events == (Bolus(4.0, "feed", found.values[0]),)
    assert found.sensitivities[0] == pytest.approx(0.0, abs=0.05)
    worth = [float(np.mean(made(v, k=np.asarray(drawn.values)[:, 0]))) - 200.0 * v**2 for v in (0.02, found.values[0])]
    assert (found.verdict_before.mean, found.verdict.mean) == pytest.approx(worth, rel=1e-4)
    assert found.sure == 1.0
    assert "the plan is better in 100 of 100 draws" in " ".join(found.sentences())


def test_constraints_and_steps_are_kept(fitted):
    found = optimise(fitted, PLAN, [replace(FEED, step=0.03)], "P * volume", ["volume <= 1.1"], caution=0.0, draws=4,
                     starts=1, rules=False)  # fmt: skip
    assert found.values[0] == pytest.approx(0.09)
    assert found.margins()[0][1] == pytest.approx((1.1 - 1.09) / 1.1, abs=1e-6)
    without = optimise(fitted, PLAN, [FEED], "P * volume", ["volume <= 1.1"], draws=4, starts=1, rules=False)
    assert without.values[0] == pytest.approx(0.1, abs=1e-4)
    assert "Volume <= 1.1 has no room." in without.sentences()


def test_what_cannot_be_kept_is_said_first(fitted):
    found = optimise(fitted, PLAN, [FEED], "P", ["S >= 30"], draws=4, starts=1, rules=False)
    assert found.sentences()[0].startswith("No plan was found that keeps all constraints; this one breaks S >= 30")


def test_derivatives_through_events_are_exact(fitted):
    plan = replace(PLAN, events=(*PLAN.events, Setpoint(6.0, 33.0)))
    chosen = [FEED, Decision("feed_day", "time", 0.0, 9.0, event="bolus"), Decision("harvest", "end", 8.0, 12.0),
              Decision("cold_day", "time", 2.0, 9.0, event="temperature"),
              Decision("cold", "temperature", 30.0, 37.0, event="temperature"),
              Decision("start", "start", 1.0, 20.0, species="S"),
              Decision("strength", "medium", 50.0, 200.0, medium="feed", species="S"),
              Decision("liquid", "initial volume", 0.5, 2.0)]  # fmt: skip
    source = FitSource(fitted, draws=3, settings=EXACT)
    goals = Goals("P * volume", (Constraint("S >= 1"), Constraint("feed <= 0.1"), Constraint("S <= 15", (3.0, 6.0))))
    x = np.array([0.05, 3.7, 9.5, 5.2, 32.0, 9.0, 110.0, 1.2])
    exact = source.judge(plan, chosen, x, goals, slopes=True)
    for k, one in enumerate(chosen):
        step = 1e-4 * x[k] * (np.arange(len(x)) == k)
        low, high = (source.judge(plan, chosen, x + side * step, goals) for side in (-1.0, 1.0))
        by = (high.objective - low.objective) / (2.0 * step[k])
        assert np.allclose(exact.slopes[:, 0, k], by, rtol=1e-5, atol=1e-7), one.name
        finite = np.isfinite(exact.margins)
        rows = (np.where(finite, high.margins, 0.0) - np.where(finite, low.margins, 0.0)) / (2.0 * step[k])
        assert np.allclose(np.where(finite, exact.slopes[:, 1:-1, k], 0.0), rows, rtol=1e-4, atol=1e-5), one.name
    # without the change of the temperature the answer is known
    bare = source.judge(PLAN, chosen[:3], x[:3], Goals("P * volume"), slopes=True)
    ks = np.asarray(source._drawn(PLAN)[0].values)[:, 0]
    assert np.allclose(bare.objective, made(0.05, 3.7, 9.5, ks), rtol=1e-7)
    later = np.exp(-ks * (9.5 - 3.7))
    wanted = [FED * (1.0 - later), -FED * 0.05 * ks * later, ks * (10.0 * np.exp(-ks * 9.5) + FED * 0.05 * later)]
    assert np.allclose(bare.slopes[:, 0, :].T, wanted, rtol=1e-6)


def test_the_cautious_goal_has_exact_derivatives_too(fitted):
    source = FitSource(fitted, draws=5, settings=EXACT)
    harvest = Decision("harvest", "end", 8.0, 12.0)
    goals = Goals("P * volume", (Constraint("S <= 90"),))
    search = Search(source, PLAN, (replace(FEED, upper=2.0), harvest), goals, 1.5)
    place = np.array([0.9, 0.4])  # more S than was ever seen
    found = search.verdict(place, slopes=True)
    assert found.outside > 0.0
    assert found.risk > 0.0
    for k in range(2):
        step = 1e-5 * (np.arange(2) == k)
        low, high = search.verdict(place - step), search.verdict(place + step)
        width = (search.upper - search.lower)[k]
        assert found.slope[k] * width == pytest.approx((high.cautious - low.cautious) / 2e-5, rel=1e-4)
        assert np.allclose(found.margin_slopes[:, k] * width, (high.margins - low.margins) / 2e-5, rtol=1e-4, atol=1e-6)


def test_more_caution_stays_nearer_to_what_was_seen(fitted):
    wide, goal = [replace(FEED, upper=2.0)], "P * volume - 5 * feed^2"
    bold, careful = (optimise(fitted, PLAN, wide, goal, caution=caution, draws=6, starts=1, rules=False)
                     for caution in (0.0, 5.0))  # fmt: skip
    assert careful.values[0] < 0.8 * bold.values[0]
    assert bold.verdict.outside > careful.verdict.outside
    assert any(sentence.startswith("S is above what was learned from day 4") for sentence in bold.novelties)


def test_simple_rules_stand_beside_the_answer(fitted):
    found = optimise(fitted, PLAN, [FEED], "P * volume", ["volume <= 1.03"], draws=4, starts=1)
    (words, verdict), *_ = found.rules
    assert words.startswith("'feed' up to")
    assert "of S" not in words
    # the rule is simulated: the bolus that brings S to its level
    level = float(words.split("up to ")[1].split()[0])
    run = replace(PLAN, events=(LevelBolus(4.0, "feed", "S", level),))
    path = gc.simulate(fitted.model, run)
    assert verdict.mean == pytest.approx(float(path["P"][-1] * path.volume[-1]), rel=0.05)


@pytest.fixture(scope="module")
def seen():
    """Return a forecaster of five exponential cultures whose glucose feeds differ."""
    random = np.random.default_rng(0)
    runs = [cultures.culture(f"run{k}", 0.005 + 0.005 * k, random=random) for k in range(5)]
    return Forecaster.of(runs, candidates=(MeanOfRuns(), MeanRates()))


def test_a_forecast_feeds_what_a_level_at_the_end_asks_for(seen):
    plan = cultures.planned(cultures.culture("next", 0.01))
    feed = Decision("feed", "volume", 0.002, 0.03, event="bolus")
    found = optimise(seen, plan, [feed], "-feed", [{"holds": "GLC >= 40", "when": "end"}], caution=0.0, draws=100,
                     starts=1, rules=False)  # fmt: skip
    cells = cultures.START * np.exp(cultures.GROWTH * 7.0)
    eaten = cultures.UPTAKE / cultures.GROWTH * (cells - cultures.START)
    left = (60.0 - eaten + 1000.0 * found.values[0]) / (1.0 + found.values[0])
    assert left == pytest.approx(40.0, abs=3.0)  # the error of the assay is 5 %
    assert found.values[0] > 0.004
    assert "COBYQA" in found.method
    assert found.verdict.by_quantile


@pytest.mark.skipif(not WHATIF.is_dir(), reason="the folder of cases is absent")
@pytest.mark.parametrize("caution", [0.0, 0.5, 2.0])
def test_the_feed_of_the_first_day_is_near_the_best_and_never_starves(caution, first_day):
    plan, truth, forecaster = first_day
    feed = Decision("glucose", "volume", 0.25, 2.15, event="bolus", medium="Glucose feed", relative=True)
    found = optimise(forecaster, plan, [feed], "ANTI", caution=caution, draws=100, starts=1, rules=False)
    titer = np.interp(found.values[0], truth.iloc[:, 0], truth["titer [g/L]"])
    assert titer >= 0.99 * truth["titer [g/L]"].max()
    assert np.interp(found.values[0], truth.iloc[:, 0], truth["GLC [mmol/L]"]) > 0.05
    assert any("volume: fed is above" in sentence for sentence in found.novelties)


@pytest.fixture(scope="module")
def first_day():
    return (gc.read_runs(WHATIF / "whatif/plan")[0], pd.read_csv(WHATIF / "whatif/truth.csv"),
            Forecaster.of(gc.read_runs(WHATIF / "runs")))  # fmt: skip


def test_an_answer_can_be_repeated_and_is_written_with_what_it_depends_on(fitted, tmp_path):
    first, second = (optimise(fitted, PLAN, [FEED], "P * volume", ["volume <= 1.1"], draws=4, starts=2)
                     for _ in range(2))  # fmt: skip
    assert first.plain() == second.plain()
    path = optimum_report(first, tmp_path / "best")
    assert path.is_file()
    written = json.loads((tmp_path / "best" / "optimum.json").read_text(encoding="utf-8"))
    assert (written["format"], written["kind"]) == (1, "optimum")
    assert written["learned from"].keys() == {"seen"}
    again = gc.read_runs(tmp_path / "best" / "plan")[0]
    assert [event for event in again.events if isinstance(event, Bolus)] == list(first.plan.events)
    table = decisions_frame(first, "internal")
    assert table["now"][0] == pytest.approx(first.values[0])
    assert decisions_frame(first, "volume=mL")["now"][0] == pytest.approx(1000.0 * first.values[0])
    assert comparison_frame(first)["plan"].tolist()[:2] == ["plan of before", "best plan"]


@pytest.mark.parametrize(
    ("decisions", "goal", "constraints", "sentence"),
    [
        ([], "P", [], "a number of the plan is chosen"),
        ([FEED, FEED], "P", [], "two of this name"),
        ([replace(FEED, name="P")], "P", [], "the name of a quantity"),
        ([FEED], "Q", [], "maximise: found 'Q'"),
        ([FEED], "P", ["feet <= 1"], "did you mean 'feed'"),
        ([replace(FEED, day=3.0)], "P", [], "no bolus on day 3"),
    ],
)
def test_each_fault_has_a_sentence(fitted, decisions, goal, constraints, sentence):
    with pytest.raises(InputError, match=sentence):
        optimise(fitted, PLAN, decisions, goal, constraints)


def test_units_of_names_are_those_that_are_asked_for(fitted):
    grams = optimise(fitted, PLAN, [FEED], "P", ["S <= 15000"], units={"S": "umol/L"}, draws=4, starts=1, rules=False)
    plain = optimise(fitted, PLAN, [FEED], "P", ["S <= 15"], draws=4, starts=1, rules=False)
    assert grams.values == pytest.approx(plain.values, rel=1e-3)
    with pytest.raises(InputError, match="units, S"):
        optimise(fitted, PLAN, [FEED], "P", ["S <= 15"], units={"S": "d"}, draws=4)


def test_something_else_judges_nothing():
    with pytest.raises(GraycellError, match="found a str; plans are judged with a Fit or a Forecaster"):
        optimise("fit", PLAN, [FEED], "P")


def test_sources_know_names_and_units(seen, fitted):
    forecast = ForecastSource(seen)
    assert set(forecast.names) == {VCD, "GLC"}
    assert forecast.unit(VCD) == "1e9 cells/L"
    assert source_of(fitted).names == ("S", "P", "temperature")
    assert decided(PLAN, [FEED], [0.1]).events[0].volume == 0.1
