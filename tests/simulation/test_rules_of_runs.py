"""Rules in runs with samples: what these say of them, fits, smooth curves, what goes on after them, and triggers."""

from dataclasses import replace

import numpy as np
import pytest
from ruled_runs import FINE, plan, salted

import graycell as gc
from graycell.balances import balances_of
from graycell.balances.rule_volumes import volumes_of_rules
from graycell.errors import InputError
from graycell.formulas import Formula
from graycell.hybrid.smoothing import smooth_run
from graycell.runs import Bolus, CellFeed, FeedRamp, IvcdBolus, LevelBolus, Outflow, Sample, ShareBolus
from graycell.simulation.forecast import from_last_samples
from graycell.simulation.simulate import simulate


def with_samples(run, days, quantities, model):
    """Return a run with exact values of what a model computes at these times, before the events of each."""
    path = simulate(model, run, FINE, save_at=days)
    measured = {name: gc.Measurement(name, model.unit(name), np.array(days), np.asarray(path[name]), np.ones(len(days)))
                for name in quantities}  # fmt: skip
    return replace(run, measurements=measured), simulate(model, run, FINE, points=2)


def test_the_samples_of_a_run_say_what_its_rules_gave():
    """The balances and the solver agree, at rules after samples, boluses and other rules of their time."""
    rules = (
        Sample(0.7, 0.05), LevelBolus(0.7, "feed", "GLC", 75.0), Bolus(1.5, "feed", 0.01), Outflow(1.2, 0.1),
        LevelBolus(1.5, "feed", "GLC", 90.0, below=85.0), LevelBolus(1.5, "salt", "SALT", 100.0, most=0.05),
        ShareBolus(2.5, "salt", 0.03), FeedRamp(2.5, "salt", 0.01, 0.02), LevelBolus(3.0, "salt", "SALT", 40.0),
        IvcdBolus(4.0, "feed", 0.01),
    )  # fmt: skip
    run, path = with_samples(plan(*rules), [0.0, 0.7, 1.5, 3.0, 4.0], ("GLC", "SALT", "VCD"), salted())
    found = volumes_of_rules(run)
    assert found.unknown == ()
    given = [event.volume for event in found.run.events if isinstance(event, Bolus)]
    expected = [event.volume for event in path.realised.events if isinstance(event, Bolus)]
    assert given[:-1] == pytest.approx(expected[:-1], rel=1e-9)
    assert given[-1] == pytest.approx(expected[-1], rel=0.02)  # per IVCD: between counts cells grow exponentially
    assert all(volume > 0.0 for volume in given)
    for balance in balances_of(run, "SALT"):
        assert balance.net_production == pytest.approx(0.0, abs=1e-5 * balance.found)


def test_a_fit_learns_from_runs_with_rules_and_without_and_keeps_them(tmp_path):
    model = gc.CultureModel(reactions={"growth": "=> VCD", "uptake": "GLC =>"}, name="growing",
                            rates={"growth": gc.Rate("mu"), "uptake": 0.5}, species={"VCD": "1e9 cells/L"},
                            parameters={"mu": gc.Parameter(0.5, "1/d")})  # fmt: skip
    initial, media = {"VCD": 0.5, "GLC": 30.0}, {"feed": {"GLC": 300.0}}
    rules = LevelBolus(1.0, "feed", "GLC", 40.0), CellFeed(1.5, "feed", 0.01), FeedRamp(2.5, "feed", 0.01, 0.02)
    ruled, plain = (
        with_samples(gc.CultureRun(name, 1.0, initial, events=events, media=media, end=4.0), [0.5, 1.0, 2.0, 3.0, 4.0],
                     ("VCD", "GLC"), model)[0]
        for name, events in (("ruled", rules), ("plain", (Bolus(1.0, "feed", 0.1),)))
    )  # fmt: skip
    start = model.with_parameters({"mu": 0.4})
    fitted = gc.fit(start, [ruled, plain], gc.FitSettings(starts=1))
    assert fitted.model.table["mu"].value == pytest.approx(0.5, rel=1e-3)
    gc.save_fit(fitted, tmp_path)
    assert gc.load_fit(tmp_path, model=start).runs[0].events == ruled.events


def test_curves_through_samples_see_ramps_and_boluses_to_a_level():
    """Of a salt that nothing makes, the net production along the curves is 0."""
    rules = LevelBolus(0.7, "salt", "SALT", 30.0), FeedRamp(1.5, "salt", 0.05, 0.1), ShareBolus(3.0, "feed", 0.1)
    run, path = with_samples(plan(*rules), [0.0, 0.7, 1.5, 2.5, 3.0, 4.0], ("GLC", "SALT", "VCD"), salted())
    smooth = smooth_run(salted(), run)
    salt = salted().species.index("SALT")
    assert np.asarray(smooth.net_production[:, salt]) == pytest.approx(0.0, abs=1e-6)
    assert np.asarray(smooth.end_volume[-1]) * 2.0 == pytest.approx(path.volume[-1], rel=1e-9)
    ends = np.cumsum(np.asarray(smooth.length))
    ramp = (ends > 1.6) & (ends < 2.6) & (np.asarray(smooth.length) > 0.0)
    assert np.all(np.diff(np.asarray(smooth.fed[ramp][0, :, salt] * smooth.volume[ramp][0])) > 0.0)
    with pytest.raises(InputError, match="smooth curves need the rates that the pump gave"):
        smooth_run(salted(), replace(run, events=(CellFeed(1.0, "feed", 0.1),)))
    with pytest.raises(InputError, match="smooth curves need the volumes that were given; write them as boluses, in L"):
        smooth_run(salted(), replace(run, events=(IvcdBolus(1.0, "feed", 0.1),)))


def test_feeds_by_rules_go_on_after_the_last_sample():
    glucose = gc.Measurement("GLC", "mmol/L", np.array([0.0, 3.0]), np.array([60.0, 50.0]), np.ones(2))
    rules = (CellFeed(1.0, "feed", 0.01), FeedRamp(2.0, "salt", 0.02, 0.01), LevelBolus(3.5, "feed", "GLC", 60.0),
             IvcdBolus(3.5, "feed", 0.02), IvcdBolus(3.8, "feed", 0.02))  # fmt: skip
    run = plan(*rules, measurements={"GLC": glucose})
    rest = from_last_samples(salted(), run)
    carried = rest.events[3]
    assert rest.events == (CellFeed(0.0, "feed", 0.01), FeedRamp(0.0, "salt", pytest.approx(0.03), 0.01),
                           LevelBolus(0.5, "feed", "GLC", 60.0), carried, IvcdBolus(0.5, "feed", 0.02),
                           IvcdBolus(pytest.approx(0.8), "feed", 0.02))  # fmt: skip
    # what was fed for the cells before the last sample, and for those after it, is what the whole run gives
    assert carried.medium == "feed"
    _, until, _ = simulate(salted(), run, FINE).boluses
    _, after, _ = simulate(salted(), replace(rest, initial=rest.initial), FINE).boluses
    assert carried.volume + after.volume == pytest.approx(until.volume, rel=0.02)
    assert 0.5 < carried.volume / until.volume < 0.95


def test_a_bolus_by_a_rule_may_set_off_a_trigger():
    note = gc.Trigger(Formula("B > 2"), ("n",), (Formula("n + 1"),))
    model = gc.CultureModel(reactions={"decay": "B =>", "growth": "=> VCD"},
                            rates={"decay": gc.Volumetric(gc.Rate("k") * Formula("B")), "growth": 0.5},
                            parameters={"k": 0.7}, variables={"n": gc.StateVariable(0.0)}, triggers={"note": note},
                            name="decay", species={"VCD": "1e9 cells/L"})  # fmt: skip
    rules = LevelBolus(1.0, "feed", "B", 3.0), FeedRamp(1.5, "feed", 0.0, 0.01), IvcdBolus(1.8, "salt", 0.02)
    media = {"feed": {"B": 50.0}, "salt": {}}
    run = gc.CultureRun("a", 1.0, {"B": 1.0, "VCD": 0.3}, media=media, events=rules, end=2.0)
    path = simulate(model, run, FINE, points=2).require_finished()
    assert path.boluses[0].volume == pytest.approx((3.0 - np.exp(-0.7)) / (50.0 - 3.0), rel=1e-8)
    assert list(path["n"][[0, -1]]) == [0.0, 1.0]
    per_ivcd = 0.02 * 0.3 * (np.exp(0.9) - 1.0) / 0.5  # through the time of the trigger
    assert path.boluses[1].volume == pytest.approx(per_ivcd, rel=1e-8)
    added = path.boluses[0].volume + path.boluses[1].volume
    assert path.volume[-1] == pytest.approx(1.0 + added + 0.005 * 0.25, rel=1e-12)
