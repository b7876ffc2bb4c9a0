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
from graycell.errors import FitError, GraycellError, InputError
from graycell.inference.results import Estimate
from graycell.prediction import Forecaster, MeanRates
from graycell.reporting.decisions import comparison_frame, decisions_frame, optimum_report
from graycell.runs.records import VCD, Bolus, CellFeed, CultureRun, LevelBolus, Setpoint

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


def test_a_search_begins_with_few_draws_and_ends_with_all(fitted, monkeypatch):
    asked, judge = [], FitSource.judge

    def counted(source, *given, **more):
        asked.append(source.draws)
        return judge(source, *given, **more)

    monkeypatch.setattr(FitSource, "judge", counted)
    found = optimise(fitted, PLAN, [FEED], "P * volume - 200 * feed^2", draws=24, starts=3, rules=False)
    assert {8, 24} == set(asked)
    assert asked.count(8) > asked.count(24)
    assert found.judged == len(asked)
    assert len(found.ends) == 3
    assert found.verdict.cautious >= max(worth for worth, _ in found.ends) - 1e-9
    few = FitSource(fitted, draws=12)
    assert few.with_fewer_draws() is few


def test_constraints_and_steps_are_kept(fitted):
    found = optimise(fitted, PLAN, [replace(FEED, step=0.03)], "P * volume", ["volume <= 1.1"], caution=0.0, draws=4,
                     starts=1, rules=False)  # fmt: skip
    assert found.values[0] == pytest.approx(0.09)
    assert found.margins()[0][1] == pytest.approx((1.1 - 1.09) / 1.1, abs=1e-6)
    without = optimise(fitted, PLAN, [FEED], "P * volume", ["volume <= 1.1"], draws=4, starts=1, rules=False)
    assert without.values[0] == pytest.approx(0.1, abs=1e-4)
    assert "What keeps the plan from being better: 'volume <= 1.1' has no room." in without.sentences()


def test_what_cannot_be_kept_is_said_first(fitted):
    found = optimise(fitted, PLAN, [FEED], "P", ["S >= 30"], draws=4, starts=1, rules=False)
    assert found.sentences()[0].startswith("No plan was found that keeps all constraints; this one breaks 'S >= 30'")


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
        assert np.allclose(np.where(finite, exact.slopes[:, 1:-2, k], 0.0), rows, rtol=1e-4, atol=1e-5), one.name
        by = (high.wrong - low.wrong) / (2.0 * step[k])
        assert np.allclose(exact.slopes[:, -1, k], by, rtol=1e-4, atol=1e-6), one.name
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


def test_the_error_of_the_model_goes_through_the_formula(fitted):
    source = FitSource(fitted, draws=3)
    errors = fitted.model_errors

    def wrong(goal, decisions=(FEED,), values=(0.1,)):
        return source.judge(PLAN, decisions, np.array(values), Goals(goal)).wrong

    ends = source.judge(PLAN, [FEED], np.array([0.1]), Goals("P")).objective
    assert np.allclose(wrong("P"), errors["P"] * ends)
    assert np.allclose(wrong("3 * P - 3000"), 3.0 * errors["P"] * ends)  # a cost is no error
    assert np.allclose(wrong("-feed"), 0.0)
    left = source.judge(PLAN, [FEED], np.array([0.1]), Goals("S")).objective
    assert np.allclose(wrong("P + 5 * S"), np.hypot(errors["P"] * ends, 5.0 * errors["S"] * left))


def test_a_window_is_asked_for_on_its_days_alone(fitted):
    source, plan = FitSource(fitted, draws=2, settings=EXACT), replace(PLAN, events=())
    harvest, goals = Decision("harvest", "end", 2.0, 12.0), Goals("P", (Constraint("S >= 2", (3.1, 3.2)),), (), ("S",))
    for end in (9.0, 3.2):
        found = source.judge(plan, [harvest], np.array([end]), goals)
        ks = np.asarray(source._drawn(plan)[0].values)[:, 0]
        asked = np.where(np.isfinite(found.margins), found.margins, np.inf)
        assert np.allclose(np.min(asked, axis=1), 10.0 * np.exp(-3.2 * ks) - 2.0, rtol=1e-6)
    early = source.judge(plan, [harvest], np.array([2.5]), goals)
    assert not np.any(np.isfinite(early.margins))


def test_a_plan_that_ends_before_a_window_says_so(fitted):
    harvest = Decision("harvest", "end", 2.0, 12.0)
    found = optimise(fitted, replace(PLAN, events=()), [harvest], "-time", [{"holds": "S <= 2", "when": [6, 7]}],
                     may_run_out=["S"], draws=4, starts=1, rules=False)  # fmt: skip
    assert found.values[0] == pytest.approx(2.0)
    assert "The plan ends before 'S <= 2 from day 6 to 7' is asked for." in found.sentences()
    assert [one["least"] for one in found.plain()["margins"]] == [None]


def test_an_objective_of_0_does_not_let_constraints_be_broken(fitted):
    plan = replace(PLAN, events=(Bolus(4.0, "feed", 0.0),))
    found = optimise(fitted, plan, [FEED], "100 * feed", ["volume <= 1.1"], draws=4, starts=3, rules=False)
    assert found.verdict_before.mean == 0.0
    assert found.values[0] == pytest.approx(0.1, abs=1e-3)
    assert found.verdict.broken <= 1e-4


def test_the_current_plan_is_judged_as_it_is(fitted):
    plan = replace(PLAN, events=(Bolus(4.0, "feed", 0.6),))  # above the bounds
    found = optimise(fitted, plan, [FEED], "P * volume", draws=4, starts=1, rules=False)
    ks = np.asarray(source_of(fitted, 4)._drawn(plan)[0].values)[:, 0]
    assert found.first[0] == 0.6
    assert found.verdict_before.mean == pytest.approx(float(np.mean(made(0.6, k=ks))), rel=1e-4)
    assert found.values[0] == pytest.approx(0.5)
    assert "The current plan is outside of the bounds in feed." in found.sentences()
    assert np.all(found.gains < 0.0)
    # several boluses, each with its own number, by one factor
    two = replace(PLAN, events=(Bolus(2.0, "feed", 0.01), Bolus(4.0, "feed", 0.03)))
    factor = Decision("factor", "volume", 0.5, 2.0, event="bolus", relative=True)
    again = optimise(fitted, two, [factor], "-P", draws=4, starts=1, rules=False)
    wanted = np.mean(made(0.03, k=ks) + FED * 0.01 * (1.0 - np.exp(-ks * 8.0)) )
    before = again.verdict_before.judged
    volume = 1.04
    assert -np.mean(before.objective) * volume == pytest.approx(wanted, rel=1e-4)


def test_an_optimum_of_the_current_plan_is_that_plan(fitted):
    plan = replace(PLAN, events=(Bolus(4.0, "feed", 0.5),))
    found = optimise(fitted, plan, [FEED], "P * volume", draws=4, starts=1, rules=False)
    assert found.plan.events == plan.events
    assert "No better plan than the current one was found." in found.sentences()


def test_a_decision_that_moves_nothing_has_derivatives_of_0(fitted):
    plan = replace(PLAN, events=(Bolus(4.0, "feed", 0.0),))
    factor = Decision("factor", "volume", 0.5, 2.0, event="bolus", relative=True)
    judged = FitSource(fitted, 4).judge(plan, [factor], np.array([1.5]), Goals("P"), slopes=True)
    assert judged.slopes.shape[::2] == (4, 1)
    assert np.all(judged.slopes[:, :-1] == 0.0)
    assert judged.objective == pytest.approx(np.asarray(FitSource(fitted, 4).judge(plan, [], np.zeros(0), Goals("P"))
                                                        .objective))  # fmt: skip


def test_a_start_of_0_can_be_chosen(fitted):
    start = Decision("start", "start", 0.0, 5.0, species="P")
    found = optimise(fitted, PLAN, [start], "P", draws=4, starts=1, rules=False)
    assert found.values[0] == pytest.approx(5.0, abs=1e-3)
    assert found.plan.initial["P"] == pytest.approx(5.0, abs=1e-3)


def test_a_substrate_runs_out_where_that_is_allowed(fitted):
    runs = tuple(replace(run, measurements={**run.measurements, "S": replace(
        run.measurements["S"], value=np.array([40.0, 20.0, 10.0]))}) for run in fitted.runs)  # fmt: skip
    never = replace(fitted, runs=runs)
    long = replace(PLAN, end=14.0)
    harvest = Decision("harvest", "end", 1.0, 14.0)
    kept, free = (optimise(never, long, [harvest], "P * volume", may_run_out=names, caution=0.0, draws=4, starts=1,
                           rules=False) for names in ((), ["S"]))  # fmt: skip
    assert free.values[0] == pytest.approx(14.0, abs=1e-3)
    assert kept.values[0] < 13.0
    assert [words for words, _ in kept.margins()] == ["S does not run out"]
    assert free.margins() == []


def test_a_fit_without_covariance_judges_nothing(fitted):
    with pytest.raises(FitError, match="found no covariance"):
        optimise(replace(fitted, covariance=np.array([[np.nan]])), PLAN, [FEED], "P")


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


def test_a_forecast_counts_what_rules_feed(seen):
    plan = cultures.planned(cultures.culture("next", 0.01))
    events = tuple(LevelBolus(event.time, event.medium, "GLC", 200.0) if isinstance(event, Bolus) else event
                   for event in plan.events)  # fmt: skip
    ruled = replace(plan, events=events)
    level = Decision("level", "level", 150.0, 250.0, event="bolus to level")
    judged = ForecastSource(seen, draws=8).judge(ruled, [level], np.array([200.0]), Goals("volume"))
    done, failures = seen.realised(ruled)
    given = sum(event.volume for event in done.events if isinstance(event, Bolus))
    assert not failures
    assert given > 0.05
    assert np.allclose(judged.objective, ruled.initial_volume + given, rtol=1e-9)
    fed = replace(plan, events=(CellFeed(1.0, events[0].medium, 0.001),))
    rate = Decision("rate", "rate per cells", 0.0, 0.002, event="feed per cells")
    with pytest.raises(FitError, match="a feed per cell and a formula with volume"):
        optimise(seen, fed, [rate], "volume", starts=1, rules=False)


def test_a_window_of_a_forecast_is_asked_for_on_its_days(seen):
    plan = cultures.planned(cultures.culture("next", 0.01))
    feed = Decision("feed", "volume", 0.002, 0.03, event="bolus")
    goals = Goals("-feed", (Constraint("GLC >= 1", (3.01, 3.02)),))
    judged = ForecastSource(seen, draws=8).judge(plan, [feed], np.array([0.01]), goals)
    times = np.unique(np.r_[np.linspace(0.0, plan.end, 49), 3.01, 3.02])
    asked = np.flatnonzero(np.isfinite(judged.margins[0, judged.owners == 0]))
    assert times[asked].tolist() == [3.01, 3.02]
    harvest = Decision("harvest", "end", 2.0, 8.0)
    goals = replace(goals, maximise="time")
    rows = {ForecastSource(seen, draws=8).judge(plan, [harvest], np.array([end]), goals).margins.shape[1]
            for end in (2.5, 3.01, 3.015, 6.0)}  # fmt: skip
    assert len(rows) == 1


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
    assert table["best"][0] == pytest.approx(first.values[0])
    assert decisions_frame(first, "volume=mL")["best"][0] == pytest.approx(1000.0 * first.values[0])
    assert comparison_frame(first)["plan"].tolist()[:2] == ["current plan", "best plan"]


@pytest.mark.parametrize(
    ("decisions", "goal", "constraints", "sentence"),
    [
        ([], "P", [], "a number of the plan is chosen"),
        ([FEED, FEED], "P", [], "two of this name"),
        ([replace(FEED, name="P")], "P", [], "the name of a quantity"),
        ([replace(FEED, name="volume")], "P", [], "decision 'volume'.*the name of a quantity"),
        ([replace(FEED, name="time")], "P", [], "decision 'time'.*the name of a quantity"),
        ([FEED], "P", [{"holds": "S >= 1", "when": [11, 12]}], "the plan ends at 10 d at the latest"),
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
    with pytest.raises(InputError, match="units: found 'T'"):
        optimise(fitted, PLAN, [FEED], "P", units={"T": "g/L"}, draws=4)
    with pytest.raises(InputError, match="may_run_out: found 'T'"):
        optimise(fitted, PLAN, [FEED], "P", may_run_out=["T"], draws=4)
    with pytest.raises(InputError, match="its 0 is not that of 'degC'"):
        optimise(fitted, PLAN, [FEED], "P", ["temperature <= 310"], units={"temperature": "K"}, draws=4)


def test_something_else_judges_nothing():
    with pytest.raises(GraycellError, match="found a str; plans are judged with a Fit or a Forecaster"):
        optimise("fit", PLAN, [FEED], "P")


def test_sources_know_names_and_units(seen, fitted):
    forecast = ForecastSource(seen)
    assert set(forecast.names) == {VCD, "GLC"}
    assert forecast.unit(VCD) == "1e9 cells/L"
    assert source_of(fitted).names == ("S", "P", "temperature")
    assert decided(PLAN, [FEED], [0.1]).events[0].volume == 0.1
