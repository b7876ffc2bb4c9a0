"""Learned rates: cultures whose growth follows the temperature, which the runs change on different days."""

import cultures
import numpy as np
import pytest

from graycell.prediction import LearnedRates, MeanRates
from graycell.prediction.learned_rates import learned_deviations
from graycell.prediction.mean_rates import mean_profile
from graycell.runs.records import TEMPERATURE, VCD, CultureRun, Setpoint

WARM, COLD = 0.5, 0.1
DAYS = np.arange(9.0)


def shifted(name, day, random=None):
    """Return a run that grows by 0.5/d at 37 and by 0.1/d at 33 degC, from `day` on, and takes up glucose."""

    def cells(time):
        return 0.4 * np.exp(WARM * np.minimum(time, day) + COLD * np.maximum(time - day, 0.0))

    early = np.minimum(DAYS, day)
    integral = 0.4 / WARM * np.expm1(WARM * early) + cells(day) / COLD * np.expm1(COLD * np.maximum(DAYS - day, 0.0))
    series = {VCD: cultures.measured(VCD, "1e9 cells/L", DAYS, cells(DAYS), 0.02, random),
              "GLC": cultures.measured("GLC", "mmol/L", DAYS, 80.0 - integral, 0.02, random)}  # fmt: skip
    return CultureRun(name, 1.0, {VCD: 0.4, "GLC": 80.0}, series, (Setpoint(float(day), 33.0),), end=8.0)


@pytest.fixture(scope="module")
def runs():
    random = np.random.default_rng(0)
    return [shifted(f"run{day}", day, random) for day in (1, 2, 3, 4, 5, 6, 7)]


def test_the_slope_of_growth_by_temperature_is_found(runs):
    found = learned_deviations(runs, mean_profile(runs))
    assert found.names[0] == TEMPERATURE
    slope = found.slopes["growth"][0] / found.scales[0]
    assert slope == pytest.approx((WARM - COLD) / 4.0, rel=0.25)


def test_a_shift_on_another_day_is_predicted(runs):
    truth = shifted("new", 1.5)
    errors = []
    for candidate in (MeanRates(), LearnedRates()):
        found = candidate.train(runs, 0).predict(cultures.planned(truth), {VCD: DAYS, "GLC": DAYS})
        errors.append([float(np.mean(np.abs(found[name] - truth.measurements[name].value))) for name in found])
    assert np.all(np.array(errors[1]) < 0.4 * np.array(errors[0]))


def test_nothing_is_learned_from_noise():
    random = np.random.default_rng(1)
    alike = [cultures.culture(f"run{k}", 0.02, random=random) for k in range(6)]
    found = learned_deviations(alike, mean_profile(alike))
    sizes = [np.max(np.abs(slopes)) / found.bounds[name] for name, slopes in found.slopes.items()]
    assert np.max(sizes) < 0.2


def test_few_runs_look_at_few_quantities_and_three_at_nothing(runs):
    assert learned_deviations(runs[:3], mean_profile(runs[:3])).names == ()
    assert len(learned_deviations(runs[:4], mean_profile(runs[:4])).names) == 2
    assert LearnedRates().train(runs[:3], 0).deviations.names == ()


def test_a_deviation_is_bounded(runs):
    hot = shifted("hot", 8.0)
    wild = CultureRun("wild", 1.0, dict(hot.initial), {}, (Setpoint(0.0, 60.0),), end=8.0)
    found = LearnedRates().train(runs, 0).predict(wild, {VCD: DAYS})[VCD]
    profile = mean_profile(runs)
    fastest = np.max(profile.rates["growth"]) + learned_deviations(runs, profile).bounds["growth"]
    assert np.all(np.isfinite(found))
    assert found[-1] < 0.45 * np.exp(8.0 * fastest)
