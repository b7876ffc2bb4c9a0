"""predict_next: bands that hold, plans that leave what was learned, samples so far, groups."""

import sys
from dataclasses import replace
from pathlib import Path

import cultures
import numpy as np
import pandas as pd
import pytest

import graycell as gc
from graycell.comparison import usable_models
from graycell.comparison.baselines import MeanOfRuns
from graycell.comparison.splits import known_of
from graycell.errors import FitError, InputError, ModelError
from graycell.models.library import model_text
from graycell.prediction import (
    MIXTURE,
    Forecaster,
    GroupMean,
    MeanRates,
    default_candidates,
    model_candidate,
    predict_next,
)
from graycell.runs.records import VCD, Bolus, CultureRun, LevelBolus

WHATIF = Path(__file__).parents[3] / "shared" / "cases" / "first-day"
QUICK = (MeanOfRuns(), MeanRates())


def curves(count, seed, samples=8):
    """Return runs of one quantity whose level and slope differ, with an assay error: no model, so no simulation."""
    random, days = np.random.default_rng(seed), np.arange(float(samples))
    runs = []
    for k in range(count):
        level, slope = 20.0 + 2.0 * random.standard_normal(), 1.0 + 0.2 * random.standard_normal()
        series = cultures.measured("GLC", "mmol/L", days, level + slope * days, 0.02, random)
        runs.append(CultureRun(f"run{k}", 1.0, {"GLC": 20.0}, {"GLC": series}, end=float(days[-1])))
    return runs


@pytest.fixture(scope="module")
def fed():
    """Return five runs with different feeds, and their forecaster."""
    random = np.random.default_rng(0)
    runs = [cultures.culture(f"run{k}", 0.01 + 0.01 * k, random=random) for k in range(5)]
    return runs, Forecaster.of(runs, candidates=QUICK)


def test_bands_hold_as_often_as_they_say():
    held, samples, whole = 0, 0, []
    for seed in range(60):
        *runs, new = curves(7, seed)
        found = predict_next(runs, cultures.planned(new), candidates=[MeanOfRuns()], times=np.arange(8.0))
        value = new.measurements["GLC"].value
        low, high = found.interval("GLC")
        held, samples = held + int(np.sum((value >= low) & (value <= high))), samples + len(value)
        whole.append(np.all((value >= found.whole_run[0, :, 0]) & (value <= found.whole_run[1, :, 0])))
    assert 0.84 < held / samples < 0.97
    assert found.certified == pytest.approx(6 / 7)
    assert np.mean(whole) > 6 / 7 - 3 * np.sqrt(6 / 49 / 60)


def test_the_band_of_the_culture_lies_within_that_of_a_measurement(fed):
    runs, forecaster = fed
    found = forecaster.predict(cultures.planned(runs[2]))
    for name in found.names:
        inner, outer = found.interval(name, of="model"), found.interval(name)
        assert np.all(inner[0] >= outer[0])
        assert np.all(inner[1] <= outer[1])
        assert np.all(outer[0] >= 0.0)


def test_a_plan_with_another_feed_is_predicted_by_its_balances(fed):
    _, forecaster = fed
    truth = cultures.culture("new", 0.035)
    found = forecaster.predict(cultures.planned(truth), cultures.DAYS)
    mean = np.mean([run.measurements["GLC"].value for run in forecaster.runs], axis=0)
    error = np.abs(found.estimate[:, found.column("GLC")] - truth.measurements["GLC"].value)
    assert np.mean(error) < 0.5 * np.mean(np.abs(mean - truth.measurements["GLC"].value))
    assert found.errors()[MIXTURE][0] <= found.errors()["mean of the runs"][0]
    assert found.warnings == ()


def test_a_plan_outside_of_what_was_learned_is_named_and_its_band_widens(fed):
    _, forecaster = fed
    inside, outside = (forecaster.predict(cultures.planned(cultures.culture("new", bolus)), cultures.DAYS)
                       for bolus in (0.03, 0.15))  # fmt: skip
    assert any("fed: GLC is above what was learned from day 3" in sentence for sentence in outside.warnings)
    assert np.all(outside.widening[:3] == pytest.approx(1.0))  # before the bolus nothing is new
    assert outside.widening[-1] > 2.0
    width = [np.subtract(*found.interval("GLC")[::-1])[-1] for found in (inside, outside)]
    assert width[1] > 1.8 * width[0]


def test_a_feed_by_a_rule_follows_the_course_of_this_run(fed):
    _, forecaster = fed
    rule = LevelBolus(3.5, "feed", "GLC", 70.0, below=60.0)
    hungry = cultures.planned(cultures.culture("hungry", start=0.6)).with_events(rule)
    times = np.array([3.5, 3.5 + 1e-6, 7.0])
    found = forecaster.predict(hungry, times)
    of_rates = found.by_candidate[found.candidates.index("mean rates"), :, found.column("GLC")]
    assert of_rates[0] < 60.0
    assert of_rates[1] == pytest.approx(70.0, rel=1e-3)
    assert not any("fed: GLC" in sentence for sentence in found.warnings)  # as much as the training runs were fed
    (given,) = forecaster.predictors["mean rates"].realised(hungry).events
    assert given.volume == pytest.approx((70.0 - of_rates[0]) / (1000.0 - 70.0), rel=1e-3)


def test_a_substrate_that_runs_out_is_named_with_its_day(fed):
    _, forecaster = fed
    plan = cultures.planned(cultures.culture("hungry")).with_initial(GLC=20.0)
    found = forecaster.predict(plan)
    empty = [sentence for sentence in found.warnings if "GLC runs out at day" in sentence]
    day = float(empty[0].split("day ")[1].split(",")[0])
    cells = cultures.START * np.exp(cultures.GROWTH * day)
    assert cultures.UPTAKE / cultures.GROWTH * (cells - cultures.START) == pytest.approx(20.0, rel=0.15)


def test_samples_so_far_move_and_narrow_the_prediction():
    errors = np.zeros((40, 2))
    for seed in range(40):
        *runs, new = curves(11, seed)
        forecaster = Forecaster.of(runs, candidates=[MeanOfRuns()])
        plans = cultures.planned(new), known_of(new, 3.0)
        blank, moved = (forecaster.predict(plan, np.arange(8.0)) for plan in plans)
        truth = new.measurements["GLC"].value[4:]
        errors[seed] = [np.mean(np.abs(found.estimate[4:, 0] - truth)) for found in (blank, moved)]
        assert np.all(moved.model_sd <= blank.model_sd + 1e-12)
        assert moved.whole_run is None
    assert np.mean(errors[:, 1]) < 0.7 * np.mean(errors[:, 0])


def test_draws_lie_in_the_bands(fed):
    runs, forecaster = fed
    found = forecaster.predict(cultures.planned(runs[1]))
    drawn = found.draws(400)
    assert drawn.shape == (400, len(found.time), len(found.names))
    low, high = found.interval("GLC", 0.9, of="model")
    inside = (drawn[:, :, found.column("GLC")] >= low) & (drawn[:, :, found.column("GLC")] <= high)
    assert np.mean(inside[:, 20:]) == pytest.approx(0.9, abs=0.04)
    assert np.array_equal(drawn, found.draws(400))


def test_runs_of_the_same_group_say_more_than_others():
    random, days, runs = np.random.default_rng(0), np.arange(6.0), []
    for k in range(10):
        series = cultures.measured("GLC", "mmol/L", days, (20.0 if k % 2 else 40.0) + days, 0.02, random)
        runs.append(CultureRun(f"run{k}", 1.0, {"GLC": 30.0}, {"GLC": series}, end=5.0))
    groups = {run.name: "AB"[k % 2] for k, run in enumerate(runs)}
    candidates = [MeanOfRuns(), GroupMean(groups)]
    found = predict_next(runs[:-1], cultures.planned(runs[-1]), candidates=candidates, groups=groups, times=days)
    assert found.estimate[:, 0] == pytest.approx(20.0 + days, abs=1.0)
    assert found.warnings == ()
    other = predict_next(runs[:-1], replace(cultures.planned(runs[-1]), name="new"), candidates=candidates,
                         groups={**groups, "new": "C"}, times=days)  # fmt: skip
    assert any("the group of run 'new', C, is that of no training run" in sentence for sentence in other.warnings)


def test_a_quantity_that_some_runs_did_not_measure_is_no_hindrance(fed):
    runs, _ = fed
    only = replace(runs[0], measurements={**runs[0].measurements, "LAC": cultures.measured(
        "LAC", "mmol/L", cultures.DAYS, 1.0 + cultures.DAYS)})  # fmt: skip
    empty = replace(cultures.planned(runs[1]), name="empty")
    forecaster = Forecaster.of([only, *runs[1:], empty], candidates=QUICK)
    assert set(forecaster.weights) == {VCD, "GLC"}  # nobody could check what is predicted of lactate
    assert forecaster.failures == ("run 'empty' has no samples after time 0, and nothing is learned from it.",)
    alone = Forecaster.of(runs, candidates=QUICK).weights["GLC"]
    assert forecaster.weights["GLC"] == pytest.approx(alone, abs=1e-3)


def test_one_unit_for_all_runs_and_the_plan(fed):
    runs, forecaster = fed
    grams = cultures.measured("GLC", "g/L", cultures.DAYS, 10.0 - cultures.DAYS)
    other = replace(runs[0], name="other", measurements={**runs[0].measurements, "GLC": grams})
    with pytest.raises(FitError, match=r"predict: found GLC in mmol/L \(run 'run0'\) and g/L \(run 'other'\)"):
        forecaster.predict(other)
    with pytest.raises(FitError, match=r"predict: found GLC in"):
        Forecaster.of([*runs, other], candidates=QUICK)


def test_another_temperature_and_another_setpoint_are_named(fed):
    _, forecaster = fed
    plan = cultures.planned(cultures.culture("new", 0.03))
    cold = forecaster.predict(plan.with_setpoint(2.0, 33.0))
    assert any("temperature: now is below what was learned from day 2" in sentence for sentence in cold.warnings)
    assert cold.widening[-1] > 1.5
    acid = forecaster.predict(plan.with_setpoint(2.0, 6.8, input="pH"))
    assert any("setpoint: pH is in no training run" in sentence for sentence in acid.warnings)


def test_a_plan_that_does_not_say_what_it_begins_with_begins_as_the_others_did(fed):
    _, forecaster = fed
    full = cultures.planned(cultures.culture("new", 0.03))
    bare = replace(full, initial={VCD: cultures.START})
    found = [forecaster.predict(plan, cultures.DAYS) for plan in (full, bare)]
    assert np.allclose(found[0].estimate, found[1].estimate, rtol=0.05)
    assert any("does not say what it begins with of GLC" in sentence for sentence in found[1].warnings)


def test_a_plan_without_an_end_goes_on_to_that_of_the_training_runs(fed):
    _, forecaster = fed
    running = known_of(cultures.culture("new", 0.03), 3.0)
    running = replace(running, events=(), end=3.0)
    assert forecaster.predict(running).time[-1] == pytest.approx(7.0)


def test_a_run_with_the_name_of_the_plan_is_left_out(fed):
    runs, _ = fed
    found = predict_next(runs, cultures.planned(runs[0]), candidates=QUICK)
    assert {run.name for run in found.runs} == {run.name for run in runs[1:]}
    assert any("has the name of the plan, and nothing was learned from it" in sentence for sentence in found.warnings)


def test_lactate_that_is_used_up_is_no_substrate_that_runs_out():
    runs = []
    for k in range(4):
        run = cultures.culture(f"run{k}", 0.02)
        made = cultures.measured("LAC", "mmol/L", cultures.DAYS, 5.0 + 3.0 * cultures.DAYS)
        runs.append(replace(run, measurements={**run.measurements, "LAC": made}, initial={**run.initial, "LAC": 5.0}))
    plan = replace(cultures.planned(runs[0]), name="new").with_initial(LAC=0.0)
    found = Forecaster.of(runs, candidates=QUICK).predict(plan)
    assert not any("LAC runs out" in sentence for sentence in found.warnings)


def test_a_plan_that_is_among_the_training_runs_is_said(fed):
    runs, forecaster = fed
    assert any("is among the training runs too" in sentence for sentence in forecaster.predict(runs[0]).warnings)


def test_too_few_runs_and_unknown_names_get_a_sentence(fed):
    runs, forecaster = fed
    with pytest.raises(FitError, match=r"found 1 training runs with samples after time 0; 2 are needed"):
        predict_next(runs[:1], runs[1])
    with pytest.raises(ModelError, match=r"quantity 'GLD' is not predicted; did you mean 'GLC'"):
        forecaster.predict(cultures.planned(runs[0])).interval("GLD")


def test_a_prediction_can_be_repeated_and_says_what_it_depends_on(fed):
    runs, _ = fed
    plan = cultures.planned(runs[0])
    first, second = (predict_next(runs[1:], plan, candidates=QUICK) for _ in range(2))
    assert np.array_equal(first.estimate, second.estimate)
    assert first.plain() == second.plain()
    assert first.plain()["training runs"].keys() == {run.name for run in runs[1:]}
    assert first.plain()["format"] == 1


@pytest.mark.skipif(not WHATIF.is_dir(), reason="the folder of cases is absent")
def test_the_starving_plan_is_warned_of_and_the_best_plans_are_found():
    plan, truth = gc.read_runs(WHATIF / "whatif/plan")[0], pd.read_csv(WHATIF / "whatif/truth.csv")
    forecaster = Forecaster.of(gc.read_runs(WHATIF / "runs"), candidates=QUICK)

    def fed(share):
        return replace(plan, events=tuple(
            replace(event, volume=share * event.volume) if isinstance(event, Bolus) and "Glucose" in event.medium
            else event for event in plan.events))  # fmt: skip

    predicted = [forecaster.predict(fed(share)) for share in truth.iloc[:, 0]]
    starving = predicted[0]
    assert any("GLC runs out at day" in sentence for sentence in starving.warnings)
    assert any("fed: GLC is below what was learned" in sentence for sentence in starving.warnings)
    mass = 150.0  # [g/mmol], of the mapping with which the runs were imported
    for name, value in (("ANTI", truth["titer [g/L]"][0] / mass), (VCD, truth["VCD [1e6 cells/mL]"][0]),
                        ("GLC", truth["GLC [mmol/L]"][0]), ("LAC", truth["LAC [mmol/L]"][0])):  # fmt: skip
        low, high = starving.interval(name, of="model")
        assert low[-1] <= value <= high[-1], name
    lower = [found.interval("ANTI", of="model")[0][-1] for found in predicted]
    best = np.argsort(-truth["titer [g/L]"].to_numpy())[:3]
    assert set(best) <= set(np.argsort(lower)[-5:])


def test_before_the_first_sample_the_start_says_most(fed):
    _, forecaster = fed
    plan = known_of(cultures.culture("new", 0.02, start=0.6), None, False)
    found = forecaster.predict(plan, np.array([0.0, 0.5, 1.0, 1.5]))
    for name in found.names:
        series, j = plan.measurements[name], found.column(name)
        low, high = found.interval(name)
        error = series.standard_error[0]
        assert abs(found.estimate[0, j] - series.value[0]) < 0.5 * error
        # no wider than by the error of the assay, and narrower than the band at the first sample of the other runs
        assert (high - low)[0] < 2.0 * found.process.process.quantile(0.9) * error
        assert (high - low)[0] < (high - low)[1] < (high - low)[2]
    after = forecaster.predict(plan, np.array([1.0, 1.5]))
    assert np.allclose(after.estimate, found.estimate[2:], rtol=1e-4)
    # a start that is given and not measured
    given = forecaster.predict(cultures.planned(cultures.culture("new", 0.02)), np.array([0.0, 1.0]))
    assert given.estimate[0, given.column("GLC")] == pytest.approx(60.0, rel=0.02)


def test_samples_so_far_do_not_move_the_start_that_was_measured(fed):
    _, forecaster = fed
    run = cultures.culture("new", 0.02, start=0.6)
    series = run.measurements["GLC"]
    high = replace(series, value=np.where(series.time > 0.0, series.value + 8.0, series.value))
    plan = known_of(replace(run, measurements={**run.measurements, "GLC": high}), 4.0)
    found = forecaster.predict(plan, np.array([0.0, 4.0]))
    j = found.column("GLC")
    moved = found.process.mean_and_variance("GLC", np.zeros(1))[0][0] * forecaster.process.size("GLC", np.zeros(1))[0]
    assert moved > series.standard_error[0]  # so that the process alone would have moved it
    assert abs(found.estimate[0, j] - series.value[0]) < 0.5 * series.standard_error[0]


def test_what_runs_begin_with_is_within_what_was_learned():
    runs = []
    for k in range(4):
        run = cultures.culture(f"run{k}", 0.02)
        later = {name: replace(one, time=one.time[1:], value=one.value[1:], standard_error=one.standard_error[1:])
                 for name, one in run.measurements.items()}  # fmt: skip
        runs.append(replace(run, measurements=later))
    found = Forecaster.of(runs, candidates=QUICK).predict(cultures.planned(cultures.culture("new", 0.02)))
    assert found.estimate[0, found.column("GLC")] == pytest.approx(60.0, rel=0.02)
    assert found.warnings == ()


def test_starts_that_were_wrong_in_the_training_runs_are_not_believed(fed):
    runs, forecaster = fed
    recipes = [run.with_initial(GLC=60.0 + 20.0 * (-1) ** k) for k, run in enumerate(runs)]  # and 60 was measured
    plan, times = cultures.planned(cultures.culture("new", 0.02)), np.array([0.0, 7.0])
    ends = [one.predict(plan, times).interval("GLC") for one in (forecaster, Forecaster.of(recipes, candidates=QUICK))]
    widths = [float((high - low)[0]) for low, high in ends]
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.ode
def test_a_model_takes_part_where_its_fit_predicts_best():
    laws = {"growth": gc.Rate("mu"), "uptake": gc.Rate("q")}
    model = gc.CultureModel(
        name="constant rates", reactions={"growth": "=> VCD", "uptake": "GLC =>"}, rates=laws,
        parameters={"mu": gc.Parameter(0.2, "1/d", lower=0.01, upper=2.0),
                    "q": gc.Parameter(0.7, "mmol/(1e9 cells)/d", lower=0.01, upper=10.0)},
    )  # fmt: skip
    random = np.random.default_rng(3)
    runs = [cultures.culture(f"run{k}", 0.01 * k, 0.4 + 0.1 * k, random) for k in range(5)]
    forecaster = Forecaster.of(runs, candidates=[MeanOfRuns(), model_candidate(model)])
    fitted = forecaster.predictors["constant rates"].fit
    assert float(fitted.model.parameters["mu"]) == pytest.approx(cultures.GROWTH, rel=0.05)
    found = forecaster.predict(cultures.planned(cultures.culture("new", 0.08)), cultures.DAYS)
    truth = cultures.culture("new", 0.08)
    for name in found.names:
        assert found.weights[1, found.column(name)] > 0.8
        assert np.allclose(found.estimate[:, found.column(name)], truth.measurements[name].value, rtol=0.1)
    assert next(iter(found.errors())) in (MIXTURE, "constant rates")


def test_models_are_found_by_their_name_or_their_file(tmp_path):
    runs = curves(3, 0)
    path = tmp_path / "mine.toml"
    path.write_text(model_text("cho-basic").replace("cho-basic", "mine"), encoding="utf-8")
    named = [one.name for one in default_candidates(runs, models=["nolan-lee", path])]
    assert named == ["mean of the runs", "mean rates", "Gaussian process", "nolan-lee", "mine"]
    with pytest.raises(ModelError, match=r"model 'nolan' is not in the library; did you mean 'nolan-lee'"):
        default_candidates(runs, models=["nolan"])
    path.write_text("name = 3", encoding="utf-8")
    with pytest.raises(InputError):
        default_candidates(runs, models=[path])


def test_two_candidates_of_one_name_are_refused():
    with pytest.raises(FitError, match="predict, candidates: found mean of the runs more than once"):
        Forecaster.of(curves(3, 0), candidates=[MeanOfRuns(), MeanOfRuns()])


def test_thorough_candidates_are_the_models_that_the_measurements_allow():
    runs = [cultures.culture(f"run{k}") for k in range(3)]
    named = [one.name for one in default_candidates(runs, thorough=True)]
    assert named[3:] == [*usable_models(runs).models, "boosted trees"]


def test_draws_open_in_xarray(fed):
    pytest.importorskip("xarray", reason="part of the extra 'export'")
    runs, forecaster = fed
    found = forecaster.predict(cultures.planned(runs[1]), [0.0, 2.0, 4.0])
    data = found.to_xarray(50, seed=3)
    assert data["GLC"].dims == ("draw", "time")
    assert data["GLC"].attrs["units"] == found.units["GLC"] == "mmol/L"
    assert data["GLC"].sel(draw=7, time=2.0).item() == found.draws(50, 3)[7, 1, found.column("GLC")]
    assert data.attrs == {"run": runs[1].name, "training_runs": 5, "seed": 3}


@pytest.mark.filterwarnings("ignore:\\s*ArviZ is undergoing:FutureWarning")  # of importorskip, once a day
@pytest.mark.filterwarnings("ignore:More chains:UserWarning")  # one chain, and quantities with few samples
def test_draws_and_samples_so_far_open_in_arviz(fed):
    arviz = pytest.importorskip("arviz", reason="part of the extra 'export'")
    runs, forecaster = fed
    whole = forecaster.predict(cultures.planned(runs[1])).to_arviz(40)
    assert whole.groups() == ["predictions"]
    assert whole.predictions["GLC"].shape == (1, 40, 101)
    begun = known_of(runs[1], 4.0)
    found = forecaster.predict(begun)
    data = found.to_arviz(400)
    series = begun.measurements["GLC"]
    later = series.time > 0.0
    assert set(data.groups()) == {"predictions", "posterior_predictive", "observed_data"}
    assert data.observed_data["GLC"].to_numpy() == pytest.approx(series.value[later])
    assert data.posterior_predictive["GLC"].shape == (1, 400, int(np.sum(later)))
    assert data.posterior_predictive["GLC"].attrs["units"] == "mmol/L"
    assert data.predictions["GLC"].to_numpy()[0] == pytest.approx(found.draws(400)[:, :, found.column("GLC")])
    # what would be measured scatters as the band of a measurement says
    low, high = (np.interp(series.time[later], found.time, end) for end in found.interval("GLC", 0.8))
    drawn = data.posterior_predictive["GLC"].to_numpy()[0]
    assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(0.8, abs=0.06)
    assert arviz.summary(data.posterior_predictive, kind="stats").shape[0] == sum(
        of.sizes[of.dims[0]] for of in data.observed_data.data_vars.values()
    )


def test_without_the_package_a_sentence_says_what_to_install(fed, monkeypatch):
    runs, forecaster = fed
    found = forecaster.predict(cultures.planned(runs[1]), [0.0, 2.0])
    for package, method in (("xarray", found.to_xarray), ("arviz", found.to_arviz)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(FitError, match=rf"to_{package}: it needs the package {package}; install it with"):
            method()
