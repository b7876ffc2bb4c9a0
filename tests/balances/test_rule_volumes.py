"""The volumes that the samples of a run give its rules, by hand."""

import numpy as np
import pytest

from graycell.balances.mass_balances import balances_of, flow_intervals
from graycell.balances.plausibility import implausible
from graycell.balances.rule_volumes import volumes_of_rules, with_known_volumes
from graycell.balances.specific_rates import specific_rates
from graycell.comparison.features import features_of
from graycell.errors import InputError
from graycell.runs import (
    Bolus,
    CellFeed,
    CultureRun,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    ShareBolus,
)

GROWN = np.exp(0.4 * np.arange(4.0))
"""[1e9 cells/L] What is counted each day."""
MEDIA = {"F": {"GLC": 1000.0, "GLN": 50.0}, "W": {}}


def run_of(values, times, *events, below=None, **changes):
    """A run of 1 L with glucose [mmol/L] of these values, and counted cells."""
    values, times = np.array(values, float), np.array(times, float)
    limits = None if below is None else np.array(below)
    measured = {
        "GLC": Measurement("GLC", "mmol/L", times, values, np.full(len(times), 0.1), limits),
        "VCD": Measurement("VCD", "1e9 cells/L", times, np.exp(0.4 * times), np.full(len(times), 0.05)),
    }
    described = {"name": "run", "initial_volume": 1.0, "initial": {"GLC": values[0], "VCD": 1.0},
                 "measurements": measured, "events": events, "media": MEDIA}  # fmt: skip
    return CultureRun(**{**described, **changes})


def given(run):
    """Return the volumes [L] of the boluses of a run, none of which may be unknown."""
    found = volumes_of_rules(run)
    assert found.unknown == ()
    return [event.volume for event in found.run.events if isinstance(event, Bolus)]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([LevelBolus(1.0, "F", "GLC", 40.0)], [20.0 / 960.0]),
        ([Sample(1.0, 0.1), LevelBolus(1.0, "F", "GLC", 40.0)], [0.9 * 20.0 / 960.0]),
        ([LevelBolus(1.0, "F", "GLC", 40.0), Sample(1.0, 0.1)], [20.0 / 960.0]),
        ([LevelBolus(1.0, "F", "GLC", 40.0, most=0.01)], [0.01]),
        ([LevelBolus(1.0, "F", "GLC", 40.0, below=15.0)], [0.0]),
        ([LevelBolus(1.0, "F", "GLC", 15.0)], [0.0]),
        ([Bolus(1.0, "W", 1.0), LevelBolus(1.0, "F", "GLC", 40.0)], [1.0, 2.0 * 30.0 / 960.0]),
        ([ShareBolus(1.0, "W", 0.25), LevelBolus(1.0, "F", "GLC", 40.0)], [0.25, 1.25 * 24.0 / 960.0]),
        ([Replacement(1.0, "F", 0.01), LevelBolus(1.0, "F", "GLC", 40.0)], [(40.0 - 29.8) / 960.0]),
        ([ShareBolus(0.5, "F", 0.1), ShareBolus(1.5, "F", 0.1)], [0.1, 0.11]),
        ([Feed(0.0, "W", 0.2), LevelBolus(1.0, "F", "GLC", 40.0)], [1.2 * 20.0 / 960.0]),
        ([FeedRamp(0.0, "W", 0.2, 0.2), LevelBolus(1.0, "F", "GLC", 40.0)], [1.3 * 20.0 / 960.0]),
        ([FeedRamp(0.0, "W", 0.2, 0.2), Feed(0.5, "W", 0.0), ShareBolus(1.0, "F", 0.1)], [0.1125]),
        ([Outflow(0.0, 0.2), ShareBolus(1.0, "F", 0.1)], [0.08]),
        ([CellFeed(0.0, "W", 0.0), ShareBolus(1.0, "F", 0.1)], [0.1]),
        ([IvcdBolus(1.0, "F", 0.1)], [0.1 * (GROWN[1] - 1.0) / 0.4]),
        ([IvcdBolus(2.0, "F", 0.1)], [0.1 * (GROWN[2] - 1.0) / 0.4]),
        ([IvcdBolus(1.0, "W", 0.0), IvcdBolus(2.0, "F", 0.1)], [0.0, 0.1 * (GROWN[2] - 1.0) / 0.4]),
        ([IvcdBolus(1.0, "F", 0.0), IvcdBolus(2.0, "F", 0.1)], [0.0, 0.1 * (GROWN[2] - GROWN[1]) / 0.4]),
        # of half the volume half the cells; the count after it is of the other half
        ([Sample(1.0, 0.5), IvcdBolus(1.0, "W", 0.0), IvcdBolus(2.0, "W", 0.1)],
         [0.0, 0.05 * (GROWN[2] - GROWN[1]) / 0.4]),
        # the same count in twice the volume is twice the cells
        ([Bolus(1.0, "W", 1.0), IvcdBolus(2.0, "F", 0.1)],
         [1.0, 0.1 * ((GROWN[1] - 1.0) / 0.4 + (2.0 * GROWN[2] - GROWN[1]) / np.log(2.0 * GROWN[2] / GROWN[1]))]),
    ],
)
def test_a_rule_is_the_volume_that_follows_from_its_sample(events, expected):
    run = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 2.0], *events)
    assert given(run) == pytest.approx(expected, rel=1e-12)


def test_a_rule_at_time_0_and_in_other_units_is_resolved():
    run = run_of([30.0, 20.0], [0.0, 1.0], LevelBolus(0.0, "F", "GLC", 40.0))
    assert given(run) == pytest.approx([10.0 / 960.0])
    grams = 0.180156
    run = run_of([30.0, 20.0], [0.0, 1.0], LevelBolus(0.0, "F", "GLC", 40.0 * grams), units={"GLC": "g/L"},
                 media={"F": {"GLC": 1000.0 * grams}})  # fmt: skip
    assert given(run) == pytest.approx([10.0 / 960.0], rel=1e-4)


def test_a_balance_closes_over_a_rule_as_over_its_volume():
    times, values = [0.0, 1.0, 2.0], [30.0, 20.0, 25.0]
    ruled = run_of(values, times, Sample(1.0, 0.05), LevelBolus(1.0, "F", "GLC", 40.0), ShareBolus(1.5, "W", 0.1))
    first, second = given(ruled)
    plain = run_of(values, times, Sample(1.0, 0.05), Bolus(1.0, "F", first), Bolus(1.5, "W", second))
    assert balances_of(ruled, "GLC") == balances_of(plain, "GLC")
    assert specific_rates(ruled).of_phase() == specific_rates(plain).of_phase()
    assert implausible([ruled]) == implausible([plain])


def test_volumes_of_rules_are_not_compared_with_each_other():
    rules = [LevelBolus(time, "F", "GLC", 40.0) for time in (1.0, 1.0, 2.0, 3.0, 4.0, 5.0)]
    times, values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [50.0, 45.0, 20.0, 20.5, 21.0, 39.0, 30.0]
    run = run_of(values, times, *rules)
    volumes = given(run)
    assert volumes[:2] == [0.0, 0.0]
    assert max(volumes) > 15.0 * volumes[-1] > 0.0
    assert not [finding for finding in implausible([run]) if "bolus" in finding.place]
    plain = with_known_volumes(run)
    assert [finding for finding in implausible([plain]) if "slip of ten" in finding.remedy]


UNKNOWN = [
    (LevelBolus(0.5, "F", "GLC", 40.0), "no value of GLC at that time", "or write the event as a bolus"),
    (LevelBolus(1.0, "F", "GLN", 4.0), "no value of GLN at that time", "give that sample"),
    (CellFeed(1.0, "F", 0.01), "a feed per cell", "write them as feeds, in L/d"),
    (IvcdBolus(0.5, "F", 0.01), "no count of viable cells at 0.5 d or at 0 d", "or write the event as a bolus"),
]


@pytest.mark.parametrize(("rule", "found", "remedy"), UNKNOWN)
def test_a_volume_that_no_sample_gives_is_asked_for(rule, found, remedy):
    run = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 2.0], rule)
    for wanted in (balances_of, specific_rates, flow_intervals):
        with pytest.raises(InputError) as error:
            wanted(run, *{balances_of: ("GLC",), flow_intervals: (np.zeros(0),)}.get(wanted, ()))
        [finding] = error.value.findings
        assert f"run 'run', {type(rule).__name__} at {rule.time:g} d" in finding.place
        assert (finding.found, remedy in finding.remedy) == (found, True)
    assert [(one.found, one.severity) for one in implausible([run])] == [(found, "warning")]


def test_a_detection_limit_gives_no_volume():
    run = run_of([30.0, 1.0, 25.0], [0.0, 1.0, 2.0], LevelBolus(1.0, "F", "GLC", 40.0), below=[False, True, False])
    with pytest.raises(InputError, match="no value of GLC"):
        balances_of(run, "GLC")


def test_all_unknown_volumes_are_asked_for_at_once():
    run = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 2.0], *(rule for rule, _, _ in UNKNOWN))
    with pytest.raises(InputError) as error:
        specific_rates(run)
    assert len(error.value.findings) == 4


@pytest.mark.parametrize(
    "rule",
    [LevelBolus(2.0, "F", "GLN", 4.0), CellFeed(2.0, "F", 0.01), LevelBolus(3.0, "F", "GLC", 9.0),
     IvcdBolus(3.0, "F", 0.01)],
)
def test_rules_after_the_last_sample_are_a_plan_that_no_balance_needs(rule):
    run = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 2.0], Bolus(1.0, "F", 0.01), rule, end=4.0)
    plain = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 2.0], Bolus(1.0, "F", 0.01))
    assert balances_of(run, "GLC") == balances_of(plain, "GLC")
    assert implausible([run]) == implausible([plain])
    assert with_known_volumes(run).end == rule.time


def test_a_ramp_is_balanced_with_what_it_fed():
    ramp = FeedRamp(0.0, "F", 0.05, 0.02)
    fed = 0.05 * 2.0 + 0.02 * 2.0
    run = run_of([10.0, (10.0 + 1000.0 * fed) / (1.0 + fed)], [0.0, 2.0], ramp)
    [balance] = balances_of(run, "GLC")
    assert (balance.fed, balance.end_volume) == pytest.approx((1000.0 * fed, 1.0 + fed), rel=1e-12)
    assert balance.net_production == pytest.approx(0.0, abs=1e-9)


def test_what_is_bled_beside_a_steep_ramp_is_right_far_below_any_assay_error():
    """c' = F (c_feed - c)/V with V' = F - B, by the exponential of the integral of F/V."""
    ramp, bleed, n = FeedRamp(0.0, "F", 0.1, 0.3), Outflow(0.0, 0.2), 200_000
    time = (np.arange(n) + 0.5) * 2.0 / n
    flow = 0.1 + 0.3 * time
    volume = 1.0 + 0.1 * time + 0.15 * time**2 - 0.2 * time
    left = np.exp(-np.cumsum((flow / volume)[::-1])[::-1] * 2.0 / n)
    run = run_of([0.0, 1000.0 * (1.0 - left[0])], [0.0, 2.0], ramp, bleed)
    [balance] = balances_of(run, "GLC")
    assert balance.net_production == pytest.approx(0.0, abs=3e-5 * balance.fed)
    assert balance.taken_out > 0.1 * balance.fed


def test_features_count_what_is_known_of_rules():
    events = (ShareBolus(0.5, "F", 0.1), LevelBolus(1.0, "F", "GLC", 40.0), FeedRamp(1.0, "W", 0.1, 0.1),
              CellFeed(2.0, "W", 0.3))  # fmt: skip
    run = run_of([30.0, 20.0, 25.0], [0.0, 1.0, 3.0], *events, end=4.0)
    columns = features_of(run, np.array([0.5, 1.0, 1.5, 4.0]))
    level = 1.1 * 20.0 / 960.0
    ramp = 0.1 * 0.5 + 0.05 * 0.25
    assert columns["volume: fed"] == pytest.approx([0.0, 0.1, 0.1 + level + ramp, 0.1 + level + 0.15])
    assert columns["fed: GLC"] == pytest.approx([0.0, 100.0, 100.0 + 1000.0 * level, 100.0 + 1000.0 * level])
    unmeasured = features_of(run_of([30.0], [0.0], *events, end=4.0), np.array([4.0]))
    assert unmeasured["volume: fed"] == pytest.approx([0.1 + 0.15])
