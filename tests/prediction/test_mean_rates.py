"""Mean rates: closed expressions of cultures whose rates are constant."""

import gc
from dataclasses import replace

import cultures
import numpy as np
import pytest

from graycell.errors import FitError
from graycell.prediction import MeanRates, mean_rates
from graycell.runs.records import VCD, CultureRun


@pytest.fixture(scope="module")
def predictor():
    return MeanRates().train([cultures.culture("a", 0.01), cultures.culture("b", 0.03)], 0)


@pytest.mark.parametrize("bolus", [0.0, 0.02, 0.06])
def test_a_run_with_another_feed_follows_the_balances(predictor, bolus):
    truth = cultures.culture("c", bolus)
    found = predictor.predict(cultures.planned(truth), {VCD: cultures.DAYS, "GLC": cultures.DAYS})
    for name, values in found.items():
        assert np.allclose(values, truth.measurements[name].value, rtol=5e-3), name


def test_the_profile_is_the_rates_of_the_runs(predictor):
    assert np.allclose(predictor.profile.rates["growth"], cultures.GROWTH, rtol=1e-6)
    assert np.allclose(predictor.profile.rates["GLC"], -cultures.UPTAKE, rtol=1e-6)


def test_uptake_ends_where_a_species_runs_out(predictor):
    hungry = cultures.planned(cultures.culture("hungry")).with_initial(GLC=5.0)
    found = predictor.predict(hungry, {"GLC": np.linspace(0.0, 7.0, 30)})["GLC"]
    assert np.all(found > -1e-3)
    assert found[-1] < 0.02


def test_a_count_that_is_off_by_its_error_is_drawn_to_those_of_the_other_runs():
    runs = [cultures.culture(name, 0.02, start=0.5 * factor) for name, factor in (("a", 0.97), ("b", 1.03), ("c", 1.0))]
    trained = MeanRates().train(runs, 0)
    drawn = trained.prepared(cultures.planned(cultures.culture("d", start=0.55))).initial[VCD]
    assert drawn == pytest.approx(0.5, rel=0.01)
    another = trained.prepared(cultures.planned(cultures.culture("e", start=1.5))).initial[VCD]
    assert another == pytest.approx(1.5, rel=0.05)  # no error of a count, but another inoculum


def test_runs_without_counts_are_refused():
    with pytest.raises(FitError, match=r"found 1 training runs without two counts of viable cells"):
        MeanRates().train([CultureRun("a", 1.0, {"GLC": 20.0})], 0)


def test_a_plan_without_a_count_begins_as_the_training_runs_did(predictor):
    plan = CultureRun("plan", 1.0, {"GLC": 60.0}, end=7.0)
    assert predictor.prepared(plan).initial[VCD] == pytest.approx(cultures.START)


def test_counts_of_every_hour_give_the_same_rates():
    days = np.arange(0.0, 7.0, 1.0 / 24.0)
    runs = [cultures.culture(name, start=start, days=days) for name, start in (("a", 0.5), ("b", 0.6))]
    found = MeanRates().train(runs, 0).profile
    assert len(found.time) > 20
    assert np.allclose(found.rates["growth"], cultures.GROWTH, rtol=1e-3)


def test_rates_of_a_run_are_computed_once_and_go_with_it(monkeypatch):
    counted, specific = [], mean_rates.specific_rates
    monkeypatch.setattr(mean_rates, "specific_rates", lambda run: (counted.append(run.name), specific(run))[1])
    runs = [cultures.culture(name, 0.01) for name in ("a", "b", "c")]
    whole = mean_rates.mean_profile(runs)
    mean_rates.mean_profile(runs[:2])
    assert sorted(counted) == ["a", "b", "c"]
    before = len(mean_rates._kept)
    assert np.allclose(mean_rates.mean_profile([replace(run) for run in runs]).rates["GLC"], whole.rates["GLC"])
    gc.collect()
    assert len(mean_rates._kept) == before  # the copies are gone
