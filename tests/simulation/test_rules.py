"""Rules as events: boluses to a level, of a share and per IVCD, feeds per cell, ramps of a pump."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruled_runs import FINE, MEDIA, plan, salted
from small_models import fed_batch, monod, pool

import graycell as gc
from graycell.cell.closures import Algebraic
from graycell.cli.printing import print_trajectory
from graycell.errors import InputError
from graycell.packing import pack, pack_all
from graycell.reporting import trajectory_frame
from graycell.runs import Bolus, CellFeed, End, Feed, FeedRamp, IvcdBolus, LevelBolus, Outflow, Sample, ShareBolus
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SolverSettings, integrate

TIMES = (0.0, 0.7, 1.5, 2.5, 3.0)


def with_all_rules(events):
    """Return a schedule with each kind of rule, and samples of nothing: one program serves all schedules."""
    nothing = [Sample(time, 0.0) for time in TIMES]
    kinds = [LevelBolus(0.7, "feed", "GLC", 1e-3), IvcdBolus(0.7, "salt", 0.0), CellFeed(3.0, "salt", 0.0),
             FeedRamp(3.0, "feed", 0.0, 0.0)]  # fmt: skip
    return (*nothing, *kinds, *events, End(4.0))


@st.composite
def schedules(draw):
    """Up to 10 rules, boluses, samples, feeds and bleeds over 4 days, in any order, some at one time."""
    times, media, rate = st.sampled_from(TIMES), st.sampled_from(["feed", "salt"]), st.floats(0.0, 0.2)
    level, limit = st.floats(10.0, 150.0), st.one_of(st.none(), st.floats(0.0, 0.2))
    some = st.one_of(
        st.builds(lambda time, level, share, most: LevelBolus(time, "feed", "GLC", level, share * level, most),
                  times, level, st.floats(0.2, 1.0), limit),
        st.builds(LevelBolus, times, st.just("salt"), st.just("SALT"), st.floats(3.0, 45.0), st.none(), limit),
        st.builds(ShareBolus, times, media, st.floats(0.0, 0.2)),
        st.builds(IvcdBolus, times, media, st.floats(0.0, 0.1)),
        st.builds(CellFeed, times, media, st.floats(0.0, 0.05)),
        st.builds(FeedRamp, times, media, rate, st.floats(0.0, 0.1)),
        st.builds(Feed, times, media, rate),
        st.builds(Bolus, times, media, rate),
        st.builds(Sample, times, st.floats(0.0, 0.05)),
        st.builds(Outflow, times, st.floats(0.0, 0.05)),
    )  # fmt: skip
    return with_all_rules(draw(st.lists(some, max_size=10)))


def sampled(run, trajectory):
    """Return the amounts of glucose and salt [mmol] that samples take, by going through the events of each time."""
    names, given, total = ("GLC", "SALT"), iter(trajectory.boluses), np.zeros(2)
    for time in sorted({event.time for event in run.events}):
        before = int(np.flatnonzero(trajectory.time == time)[0])
        volume = trajectory.volume[before]
        held = volume * np.array([trajectory[name][before] for name in names])
        for event in (event for event in run.events if event.time == time):
            if isinstance(event, Sample):
                taken = held * event.volume / volume
                held, volume, total = held - taken, volume - event.volume, total + taken
            elif isinstance(event, Bolus | LevelBolus | ShareBolus | IvcdBolus):
                added = event if isinstance(event, Bolus) else next(given)
                held = held + added.volume * np.array([MEDIA[added.medium].get(name, 0.0) for name in names])
                volume += added.volume
                if isinstance(event, ShareBolus):
                    assert added.volume == pytest.approx(event.share * (volume - added.volume), rel=1e-12)
                elif isinstance(event, LevelBolus):
                    check_level(event, added, held[names.index(event.species)], volume)
    return total


def check_level(rule, given, held, volume):
    """Check a bolus to a level by the amounts after it."""
    concentration = MEDIA[rule.medium][rule.species]
    before = (held - given.volume * concentration) / (volume - given.volume)
    if before >= (rule.level if rule.below is None else rule.below) * (1.0 + 1e-12):
        assert given.volume == 0.0
    elif rule.most is not None and given.volume == pytest.approx(rule.most, rel=1e-12):  # less what was planned there
        assert held / volume <= rule.level * (1.0 + 1e-12)
    elif given.volume:
        assert held / volume == pytest.approx(rule.level, rel=1e-13)
        assert rule.most is None or given.volume < rule.most


@given(schedules())
@settings(deadline=None, max_examples=60)
def test_every_mole_that_rules_feed_is_found(events):
    without_bleed = tuple(event for event in events if not isinstance(event, Outflow))
    run = plan(*without_bleed)
    path = simulate(salted(), run, SolverSettings(rtol=1e-4, atol=1e-5), points=2)
    salt, fed = MEDIA["feed"]["SALT"], path.fed_volumes[-1]
    expected = 2.0 * 5.0 + fed[0] * salt + fed[1] * MEDIA["salt"]["SALT"]
    found = path.volume[-1] * path["SALT"][-1] + sampled(run, path)[1]
    assert found == pytest.approx(expected, rel=1e-12)
    taken = sum(event.volume for event in run.events if isinstance(event, Sample))
    assert path.volume[-1] == pytest.approx(2.0 + np.sum(fed) - taken, rel=1e-12)


@given(schedules())
@settings(deadline=None, max_examples=30)
def test_a_run_of_the_volumes_that_rules_gave_has_the_same_answer(events):
    settings = SolverSettings(rtol=1e-7, atol=1e-8)
    by_rules = simulate(salted(), plan(*events), settings, points=2)
    again = simulate(salted(), by_rules.realised, settings, points=2)
    assert not any(isinstance(event, LevelBolus | ShareBolus | IvcdBolus) for event in by_rules.realised.events)
    for name in salted().quantities:
        assert by_rules.final[name] == pytest.approx(float(again.final[name]), rel=1e-7, abs=1e-9)
    assert again.fed_volumes[-1] == pytest.approx(by_rules.fed_volumes[-1], rel=1e-7, abs=1e-9)


def test_the_concentration_after_a_bolus_to_a_level_is_the_level():
    rules = LevelBolus(1.5, "feed", "GLC", 80.0), LevelBolus(2.5, "feed", "GLC", 90.0, below=10.0)
    path = simulate(salted(), plan(*with_all_rules(rules)), points=2)
    at = np.flatnonzero(path.time == 1.5)
    assert path["GLC"][at[0]] < 60.0
    assert path["GLC"][at[-1]] == pytest.approx(80.0, rel=1e-14)
    # the first two do nothing, and the last is not given, because there is more than 10 mmol/L
    assert [bolus.volume > 0.0 for bolus in path.boluses] == [False, False, True, False]


def test_rules_act_in_the_order_of_the_events_of_their_time():
    rule, bolus, share = LevelBolus(1.5, "feed", "GLC", 80.0), Bolus(1.5, "feed", 0.05), ShareBolus(1.5, "salt", 0.1)
    path = simulate(salted(), plan(*with_all_rules([bolus, rule, share])), points=2)
    later = simulate(salted(), plan(*with_all_rules([rule, bolus, share])), points=2)
    assert path["GLC"][np.flatnonzero(path.time == 1.5)[-1]] == pytest.approx(80.0 / 1.1, rel=1e-12)
    assert later["GLC"][np.flatnonzero(later.time == 1.5)[-1]] > 80.0 / 1.1
    assert path.boluses[2].volume < later.boluses[2].volume
    before = path.volume[np.flatnonzero(path.time == 1.5)[0]]
    assert path.boluses[3].volume == pytest.approx(0.1 * (before + 0.05 + path.boluses[2].volume), rel=1e-12)


def test_the_same_rule_twice_gives_two_boluses():
    rule = ShareBolus(1.5, "feed", 0.1)
    path = simulate(salted(), plan(*with_all_rules([rule, rule])), points=2)
    first, second = (bolus.volume for bolus in path.boluses[2:])
    assert second == pytest.approx(1.1 * first, rel=1e-12)


RULES = (
    LevelBolus(0.7, "feed", "GLC", 75.0), LevelBolus(1.5, "feed", "GLC", 90.0, below=85.0),
    LevelBolus(1.5, "salt", "SALT", 100.0, most=0.05), ShareBolus(2.5, "salt", 0.03), CellFeed(2.5, "feed", 0.004),
    FeedRamp(2.5, "salt", 0.01, 0.02), IvcdBolus(2.5, "feed", 0.01), IvcdBolus(3.2, "feed", 0.02),
)  # fmt: skip


def with_rule(index, **changes):
    ruled = plan(*RULES)
    return replace(ruled, events=tuple(replace(e, **changes) if i == index else e for i, e in enumerate(ruled.events)))


def summed(run, model=None):
    final = simulate(salted() if model is None else model, run, FINE, points=2).final
    return final["LAC"] + 3.0 * final["mAb"] + 0.1 * final["GLC"] + 0.2 * final["SALT"]


of_run = jax.jit(lambda run: (summed(run), jax.grad(summed)(run)))


@jax.jit
def of_parameter(mu):
    return jax.value_and_grad(lambda mu: summed(plan(*RULES), salted().with_parameters({"mu": mu})))(mu)


VARIED = {
    "the level": (lambda x: with_rule(0, level=x), 75.0, lambda g: g.events[0].level),
    "the level of a rule with another threshold": (lambda x: with_rule(1, level=x), 90.0, lambda g: g.events[1].level),
    "the largest volume": (lambda x: with_rule(2, most=x), 0.05, lambda g: g.events[2].most),
    "a share": (lambda x: with_rule(3, share=x), 0.03, lambda g: g.events[3].share),
    "a rate per cell": (lambda x: with_rule(4, rate=x), 0.004, lambda g: g.events[4].rate),
    "a rate per IVCD": (lambda x: with_rule(6, rate=x), 0.01, lambda g: g.events[6].rate),
    "the time of a bolus per IVCD": (lambda x: with_rule(6, time=x), 2.6, lambda g: g.events[6].time),
    "the rate of a ramp": (lambda x: with_rule(5, rate=x), 0.01, lambda g: g.events[5].rate),
    "the slope of a ramp": (lambda x: with_rule(5, slope=x), 0.02, lambda g: g.events[5].slope),
    "the time of a rule": (lambda x: with_rule(0, time=x), 0.7, lambda g: g.events[0].time),
    "the time of a feed per cell": (lambda x: with_rule(4, time=x), 2.7, lambda g: g.events[4].time),
    "the time of a ramp": (lambda x: with_rule(5, time=x), 2.7, lambda g: g.events[5].time),
    "an initial concentration": (lambda x: plan(*RULES).with_initial(GLC=x), 50.0, lambda g: g.initial["GLC"]),
    "the inoculum": (lambda x: plan(*RULES).with_initial(VCD=x), 0.5, lambda g: g.initial["VCD"]),
    "the initial volume": (lambda x: replace(plan(*RULES), initial_volume=x), 2.0, lambda g: g.initial_volume),
    "a medium": (lambda x: replace(plan(*RULES), media={**MEDIA, "feed": {"GLC": x, "SALT": 10.0}}), 500.0,
                 lambda g: g.media["feed"]["GLC"]),
}  # fmt: skip


@pytest.mark.parametrize("what", VARIED)
def test_rules_are_differentiated_exactly(what):
    build, x, part = VARIED[what]
    step = 1e-5 * x
    exact = float(part(of_run(build(x))[1]))
    expected = float(of_run(build(x + step))[0] - of_run(build(x - step))[0]) / (2.0 * step)
    assert abs(expected) > 1e-6
    assert exact == pytest.approx(expected, rel=2e-5, abs=1e-7)


def test_a_parameter_is_differentiated_through_rules():
    step = 1e-5
    expected = float(of_parameter(0.7 + step)[0] - of_parameter(0.7 - step)[0]) / (2.0 * step)
    assert abs(expected) > 0.1
    assert float(of_parameter(0.7)[1]) == pytest.approx(expected, rel=1e-6)


def test_the_volumes_that_rules_gave_are_differentiated():
    def volumes(glucose):
        return simulate(salted(), plan(*RULES).with_initial(GLC=glucose), FINE, points=2).bolus_volumes

    slope = np.asarray(jax.jacrev(volumes)(50.0))
    around = [simulate(salted(), plan(*RULES).with_initial(GLC=g), FINE, points=2).bolus_volumes for g in (49.9, 50.1)]
    assert slope == pytest.approx((around[1] - around[0]) / 0.2, rel=1e-4, abs=1e-9)
    assert slope[0] == pytest.approx(-2.0 / (500.0 - 75.0), rel=0.1)  # what is there at 0.7 d need not be fed
    assert slope[2] == 0.0  # the largest volume is given


def test_events_whose_times_are_traced_have_the_answer_of_known_ones():
    known = simulate(salted(), plan(*RULES), FINE, points=2)
    traced = jax.jit(lambda run: simulate(salted(), run, FINE, points=2))(plan(*RULES))
    assert np.asarray(traced.bolus_volumes) == pytest.approx(known.bolus_volumes, rel=1e-8)
    assert np.asarray(traced.fed_volumes[-1]) == pytest.approx(known.fed_volumes[-1], rel=1e-8)
    assert float(traced.final["GLC"]) == pytest.approx(float(known.final["GLC"]), rel=1e-8)


def test_the_answer_does_not_depend_on_the_tolerance():
    loose, tight = (simulate(salted(), plan(*RULES), SolverSettings(rtol=rtol, atol=rtol / 10.0), points=2)
                    for rtol in (1e-4, 1e-10))  # fmt: skip
    assert loose.bolus_volumes == pytest.approx(tight.bolus_volumes, rel=1e-4)
    assert loose.fed_volumes[-1] == pytest.approx(tight.fed_volumes[-1], rel=1e-4)
    assert loose["GLC"][-1] == pytest.approx(tight["GLC"][-1], rel=1e-4)


def growing(mu=0.5):
    """Return a model of cells that grow at a constant rate."""
    return gc.CultureModel(reactions={"growth": "=> VCD"}, rates={"growth": mu}, parameters={}, name="growing",
                           species={"VCD": "1e9 cells/L", "GLC": "mmol/L"})  # fmt: skip


def test_a_feed_per_cell_has_its_closed_form():
    mu, n, per_cell = 0.5, 0.4 * 2.0, 0.03
    run = gc.CultureRun("per cell", 2.0, {"VCD": 0.4, "GLC": 10.0}, media={"feed": {"GLC": 300.0}, "salt": {}},
                        events=(CellFeed(1.0, "feed", per_cell), CellFeed(1.0, "salt", 2.0 * per_cell),
                                Feed(3.0, "salt", 0.0), CellFeed(5.0, "feed", 0.0)), end=6.0)  # fmt: skip
    path = simulate(growing(mu), run, FINE)
    cells = np.exp(mu * path.time) * n
    assert path["VCD"] * path.volume == pytest.approx(cells, rel=1e-9)

    def fed(rate, end):
        until = np.clip(path.time, 1.0, end)
        return rate * n * (np.exp(mu * until) - np.exp(mu)) / mu

    assert path.fed_volumes[:, 0] == pytest.approx(fed(per_cell, 5.0), rel=1e-9, abs=1e-14)
    assert path.fed_volumes[:, 1] == pytest.approx(fed(2.0 * per_cell, 3.0), rel=1e-9, abs=1e-14)
    assert path.volume == pytest.approx(2.0 + np.sum(path.fed_volumes, axis=1), rel=1e-12)
    assert path["GLC"] * path.volume == pytest.approx(20.0 + 300.0 * path.fed_volumes[:, 0], rel=1e-12)
    flowing = (path.time > 1.0) & (path.time < 3.0)
    assert path.fed[flowing, 1] == pytest.approx((300.0 * per_cell * cells / path.volume)[flowing], rel=1e-9)
    assert path.dilution_rate[flowing] == pytest.approx((3.0 * per_cell * cells / path.volume)[flowing], rel=1e-9)
    assert not np.any(path.dilution_rate[path.time > 5.0])


def test_a_ramp_has_a_quadratic_volume_until_the_next_feed():
    ramp, held = FeedRamp(1.0, "feed", 0.3, -0.1), Feed(3.0, "feed", 0.05)
    run = gc.CultureRun("ramp", 2.0, {"VCD": 0.4, "GLC": 10.0}, media={"feed": {"GLC": 300.0}},
                        events=(ramp, held, Outflow(3.5, 0.04)), end=5.0)  # fmt: skip
    path = simulate(growing(), run)
    x = np.clip(path.time - 1.0, 0.0, 2.0)
    fed = 0.3 * x - 0.05 * x**2 + 0.05 * np.clip(path.time - 3.0, 0.0, None)
    assert path.fed_volumes[:, 0] == pytest.approx(fed, rel=1e-13, abs=1e-15)
    assert path.volume == pytest.approx(2.0 + fed - 0.04 * np.clip(path.time - 3.5, 0.0, None), rel=1e-12)
    saved = simulate(growing(), run, save_at=[0.5, 2.0, 4.5])
    assert saved.fed_volumes[:, 0] == pytest.approx([0.0, 0.25, 0.475], rel=1e-12, abs=1e-15)


def test_a_bolus_per_ivcd_has_its_closed_form():
    mu, n, rate = 0.5, 0.4 * 2.0, 0.03
    rules = (IvcdBolus(1.0, "feed", rate), Sample(1.5, 0.2), IvcdBolus(2.0, "salt", 0.01), IvcdBolus(2.0, "feed", rate),
             Bolus(3.0, "salt", 0.5), CellFeed(3.0, "salt", 0.02), IvcdBolus(4.0, "feed", rate),
             IvcdBolus(4.0, "feed", rate))  # fmt: skip
    run = gc.CultureRun("IVCD", 2.0, {"VCD": 0.4, "GLC": 10.0}, media={"feed": {"GLC": 300.0}, "salt": {}},
                        events=rules, end=4.5)  # fmt: skip
    path = simulate(growing(mu), run, FINE)

    def integral(start, end):
        return n * (np.exp(mu * end) - np.exp(mu * start)) / mu

    first = rate * integral(0.0, 1.0)
    kept = 1.0 - 0.2 / (2.0 + first)  # of the cells, where the sample is taken
    between = integral(1.0, 1.5) + kept * integral(1.5, 2.0)
    expected = [first, 0.01 * (integral(0.0, 1.0) + between), rate * between, rate * kept * integral(2.0, 4.0), 0.0]
    assert [bolus.volume for bolus in path.boluses] == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert path.fed_volumes[-1, 0] == pytest.approx(sum(expected) - expected[1], rel=1e-9)


def test_a_feed_per_cell_of_a_closed_loop_has_its_closed_form():
    model = pool(Algebraic("ts"))
    run = gc.CultureRun("pool", 1.0, {"VCD": 1.0, "GLC": 20.0}, media={"feed": {"GLC": 100.0}},
                        events=(CellFeed(0.0, "feed", 0.02), IvcdBolus(3.0, "feed", 0.1)), end=3.0)  # fmt: skip
    path = simulate(model, run, FINE).require_finished()
    integral = (np.exp(0.1 * path.time) - 1.0) / 0.1
    at_end = 0.1 * integral[-1]
    assert path.boluses[0].volume == pytest.approx(at_end, rel=1e-9)
    assert path.volume[:-1] == pytest.approx(1.0 + 0.02 * integral[:-1], rel=1e-9)
    assert path.volume[-1] == pytest.approx(1.0 + 0.02 * integral[-1] + at_end, rel=1e-9)


def test_a_run_without_rules_has_nothing_of_them():
    packed = pack(fed_batch(), monod())
    assert not packed.has_rules
    assert (packed.interventions.rule, packed.flows.slope, packed.flows.per_cells) == (None, None, None)
    path = simulate(monod(), fed_batch())
    assert (path.boluses, path.fed_volumes, path.realised) == ((), None, path.run)


def test_runs_with_rules_and_without_are_solved_together():
    plain = plan(Bolus(1.5, "feed", 0.1), name="plain")
    packed = pack_all([plan(*RULES), plain], salted())
    together = jax.vmap(lambda one: integrate(salted(), one, Loop(), FINE).states.amounts)(packed)[:, -1, -1]
    for run, amounts in zip((plan(*RULES), plain), together, strict=True):
        alone = simulate(salted(), run, FINE, points=2)
        expected = alone.concentrations[-1] * alone.volume[-1] / 2.0
        assert np.asarray(amounts) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_what_rules_gave_is_printed_and_in_the_table(capsys):
    path = simulate(salted(), plan(*RULES), points=2)
    print_trajectory(path)
    printed = capsys.readouterr().out
    for bolus in path.boluses:
        assert f"rule: {bolus.volume:.4g} L of {bolus.medium} at {bolus.time:g} d" in printed
    table = trajectory_frame(path)
    assert table["fed feed [L]"].to_numpy() == pytest.approx(path.fed_volumes[:, 0])
    assert table["fed salt [L]"].iloc[-1] == pytest.approx(path.fed_volumes[-1, 1])
    assert not any(column.startswith("fed ") for column in trajectory_frame(simulate(monod(), fed_batch())).columns)


def test_a_batch_of_runs_gives_a_batch_of_boluses():
    levels = jnp.array([70.0, 75.0, 80.0])
    path = jax.vmap(lambda level: simulate(salted(), with_rule(0, level=level), FINE, points=2))(levels)
    first = path.boluses[0]
    assert np.asarray(first.volume).shape == (3,)
    assert np.all(np.diff(np.asarray(first.volume)) > 0.0)
    assert float(first.volume[1]) == pytest.approx(simulate(salted(), plan(*RULES), FINE, points=2).boluses[0].volume)


def test_a_rule_sees_the_unit_of_its_species():
    grams = 0.18016  # g/mmol
    media = {"feed": {"GLC": 500.0 * grams}}
    run = fed_batch(initial={**fed_batch().initial, "GLC": 60.0 * grams}, media=media, units={"GLC": "g/L"},
                    events=(LevelBolus(2.0, "feed", "GLC", 80.0 * grams, below=70.0 * grams),))  # fmt: skip
    model = monod(species={"DCD": "1e9 cells/L", "mAb": "g/L", "GLC": gc.Species("mmol/L", molar_mass=180.16)})
    path = simulate(model, run, points=2)
    assert path["GLC"][np.flatnonzero(path.time == 2.0)[-1]] == pytest.approx(80.0, rel=1e-12)


@pytest.mark.parametrize(
    ("rule", "clause"),
    [
        (LevelBolus(1.0, "feed", "GLC", 600.0), "lower the level, or take a medium that holds more"),
        (LevelBolus(1.0, "feed", "GLC", 0.0), "a level of 0; a level is > 0"),
        (LevelBolus(1.0, "feed", "GLC", -5.0), "concentrations are >= 0"),
        (LevelBolus(1.0, "feed", "GLC", 20.0, below=30.0), "not given above the level"),
        (LevelBolus(1.0, "feed", "GLC", 20.0, most=-0.1), "volumes are >= 0"),
        (LevelBolus(1.0, "feed", "LAC", 20.0), "the medium 'feed' without 'LAC'"),
        (LevelBolus(1.0, "feed", "GLUC", 20.0), "did you mean 'GLC'"),
        (LevelBolus(1.0, "fed", "GLC", 20.0), "did you mean 'feed'"),
        (ShareBolus(1.0, "fed", 0.1), "did you mean 'feed'"),
        (ShareBolus(1.0, "feed", 1.5), "a fraction is 0 to 1"),
        (IvcdBolus(1.0, "feed", -0.1), "rates are >= 0"),
        (IvcdBolus(1.0, "fed", 0.1), "did you mean 'feed'"),
        (CellFeed(1.0, "feed", -0.1), "rates are >= 0"),
        (CellFeed(1.0, "fed", 0.1), "did you mean 'feed'"),
        (FeedRamp(1.0, "feed", 0.1, -0.05), "with a feed of feed at 3 d"),
        (FeedRamp(1.0, "feed", -0.1, 0.05), "rates are >= 0"),
        (FeedRamp(1.0, "feed", -0.1, 0.0), "rates are >= 0"),
        (FeedRamp(1.0, "feed", 0.0, -0.1), "correct the slope, or end the ramp with a feed."),
    ],
)
def test_a_rule_that_cannot_be_met_is_refused_with_what_to_do(rule, clause):
    with pytest.raises(InputError) as error:
        pack(plan(rule), salted())
    assert clause in str(error.value)
    assert len(error.value.findings) == 1, error.value


def test_a_feed_per_cell_needs_cells():
    model = gc.CultureModel(reactions={"made": "=> A"}, rates={"made": gc.Volumetric(gc.Rate("k"))},
                            parameters={"k": 1.0}, name="flask")  # fmt: skip
    run = gc.CultureRun("a", 1.0, {"A": 1.0}, media={"feed": {"A": 2.0}}, events=(CellFeed(0.0, "feed", 0.1),), end=1.0)
    with pytest.raises(InputError, match="model 'flask' has no cells; give the rate of the feed in L/d"):
        pack(run, model)
    with pytest.raises(InputError, match="a bolus per IVCD; model 'flask' has no cells; give its volume in L"):
        pack(replace(run, events=(IvcdBolus(0.5, "feed", 0.1),)), model)


def test_a_level_that_cannot_be_reached_ends_a_traced_simulation_with_a_status():
    def final(level):
        return simulate(salted(), with_rule(0, level=level), FINE, points=2)

    path = jax.jit(final)(jnp.asarray(600.0))
    assert path.status is gc.SimulationStatus.level_not_reached
    assert "take a medium that holds more" in path.status.remedy
