"""Counts of impossible predictions: none for a gray model of any weights, many for a black box, and known answers."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import limited_network
from small_runs import batch

from graycell.comparison.candidates import predicted
from graycell.comparison.consistency import (
    BACKWARDS,
    BELOW_ZERO,
    MASS,
    STOICHIOMETRY,
    _by_cells,
    _explained,
    count_inconsistencies,
    extrapolated,
    without_measurements,
)
from graycell.hybrid import NeuralRateSpec, neural_ode_model, neural_rates_model, with_neural_rates
from graycell.models import nolan_lee
from graycell.runs import Bolus, CellFeed, CultureRun, Feed, FeedRamp, IvcdBolus, LevelBolus
from graycell.runs.records import VIABILITY, Measurement
from graycell.simulation.simulate import simulate


def with_random_weights(model, seed, sd):
    random = np.random.default_rng(seed)
    nets = {
        name: replace(net, weights=jax.tree.map(lambda leaf: jnp.asarray(sd * random.standard_normal(leaf.shape)),
                                                net.weights))
        for name, net in model.nets.items()
    }  # fmt: skip
    return model.changed(nets=nets)


def by_check(counts):
    return {count.check: (count.counted, count.of) for count in counts}


@pytest.fixture(scope="module", params=["small", pytest.param("cho", marks=pytest.mark.slow)])
def limited(request):
    """A gray model with limited uptake, and two days of a run with a bolus and a feed."""
    events = (Bolus(0.5, "feed", 0.03), Feed(1.0, "feed", 0.05))
    if request.param == "cho":
        run = replace(request.getfixturevalue("run"), events=events, measurements={}, end=2.0)
        laws = {"v17": "black", "v1": "gray", "v16": "gray"}
        return with_neural_rates(nolan_lee(extended=True, limited=True), laws, []), run
    run = CultureRun("short", 1.0, {"VCD": 1.0, "GLC": 2.0, "LAC": 1.0}, events=events, media={"feed": {"GLC": 300.0}},
                     end=2.0)  # fmt: skip
    laws = {kind: NeuralRateSpec(kind, inputs=("LAC",)) for kind in ("gray", "black")}
    return with_neural_rates(limited_network(), {"ldh": laws["gray"], "growth": laws["black"]}, [run]), run


@pytest.mark.parametrize(("seed", "sd"), [(0, 1.0), (1, 10.0)])
def test_a_gray_model_with_limited_uptake_counts_0_for_any_weights_also_in_extrapolation(limited, seed, sd):
    model, short = limited
    counts = by_check(count_inconsistencies(with_random_weights(model, seed, sd), [short, extrapolated(short)]))
    assert {check: counted for check, (counted, _) in counts.items()} == {
        MASS: 0, BELOW_ZERO: 0, BACKWARDS: 0, STOICHIOMETRY: 0,
    }  # fmt: skip
    assert counts[MASS][1] == 2 * len(model.species)
    assert counts[BACKWARDS][1] > 10


@pytest.fixture(scope="module")
def small():
    return replace(batch("small", 30.0), events=(Feed(1.0, "feed", 0.05),), media={"feed": {"GLC": 300.0}})


def test_a_neural_ode_of_any_weights_makes_mass_from_nothing_and_exchanges_no_network_makes(small, published):
    model = with_random_weights(neural_ode_model([small], hidden=2), 0, 1.0)
    counts = by_check(count_inconsistencies(model, [small], published.network))
    assert counts[MASS] == (3, 3)
    assert counts[STOICHIOMETRY][0] > 0.5 * counts[STOICHIOMETRY][1]
    assert BACKWARDS not in counts


def test_a_black_box_with_balances_conserves_mass_in_a_sterile_vessel(small):
    model = with_random_weights(neural_rates_model([small], hidden=2), 0, 1.0)
    counts = by_check(count_inconsistencies(model, [small]))
    assert counts[MASS] == (0, 3)
    assert set(counts) == {MASS, BELOW_ZERO}  # without a network the rest is not asked


def exchanging(rates, species, published):
    """Count points at which a black box exchanges these rates."""
    model = SimpleNamespace(species=species, reactor=published.reactor)
    rates = np.atleast_2d(rates)
    path = SimpleNamespace(fluxes=rates, stoichiometry_shift=np.zeros(len(rates)))
    return _explained(model, path, np.ones(len(rates), bool), published.network)


def test_exchange_that_no_flux_of_the_network_makes_is_counted(published):
    """Lactate out of nothing, glutamine from ammonia alone, and the exchange of the network itself."""
    assert exchanging([[-1.0, 1.8], [0.0, 1.8], [0.5, -1.0]], ("GLC", "LAC"), published) == (2, 3)
    cell = published.evaluate(jnp.full(len(published.species), 10.0), {"R": 1.5, "shift": 0.0})
    made = np.asarray(published.exchange @ cell.fluxes)
    assert exchanging(made, published.species, published) == (0, 1)
    backwards = exchanging(-made, published.species, published)
    assert backwards == (1, 1)


def test_the_feed_of_a_neural_ode_is_no_exchange_of_the_cells(small):
    """dc/dt of a vessel that is fed, without cells, is the feed: the cells exchange nothing."""
    model = neural_ode_model([small], hidden=1)
    path = simulate(model, without_measurements(small), points=3)
    rate = np.where(path.time > 1.0, 0.05, 0.0) / path.volume
    assert path.dilution_rate == pytest.approx(rate, rel=1e-6)
    assert path.fed == pytest.approx(rate[:, None] * np.array([0.0, 300.0, 0.0]), rel=1e-6)
    fed = rate[:, None] * (np.array([0.0, 300.0, 0.0]) - path.concentrations)
    assert _by_cells(model, replace(path, fluxes=fed)) == pytest.approx(0.0, abs=1e-9)


def test_an_extrapolation_starts_with_threefold_everything_but_cells(run):
    far = extrapolated(run)
    assert far.initial["GLC"] == pytest.approx(3.0 * run.initial["GLC"])
    assert far.initial["BIOM"] == run.initial["BIOM"]
    volumes = [[event.volume for event in culture.events if isinstance(event, Bolus)] for culture in (run, far)]
    assert volumes[1] == pytest.approx([3.0 * volume for volume in volumes[0]])
    assert far.end == run.end


def test_an_extrapolation_feeds_threefold_by_rules_too():
    rules = (CellFeed(1.0, "feed", 0.1), FeedRamp(2.0, "feed", 0.2, 0.3), LevelBolus(3.0, "feed", "GLC", 20.0),
             IvcdBolus(3.0, "feed", 0.4))  # fmt: skip
    far = extrapolated(CultureRun("a", 1.0, {"GLC": 10.0}, events=rules, end=4.0))
    assert far.events == (CellFeed(1.0, "feed", pytest.approx(0.3)),
                          FeedRamp(2.0, "feed", pytest.approx(0.6), pytest.approx(0.9)), rules[2],
                          IvcdBolus(3.0, "feed", pytest.approx(1.2)))  # fmt: skip


def test_the_plan_of_a_run_keeps_its_end_and_its_viability(run):
    without_signal = replace(
        run,
        signals={},
        measurements={**run.measurements, VIABILITY: Measurement(VIABILITY, "1", np.array([0.0, 9.0]),
                                                                 np.array([1.0, 0.6]), np.full(2, 0.01))},
    )  # fmt: skip
    plan = without_measurements(without_signal)
    assert not plan.measurements
    assert plan.end == run.end
    assert plan.signals[VIABILITY].value[-1] == 0.6


def test_a_prediction_at_asked_times_is_that_of_simulate(small):
    """Also of the viable cell density: a placeholder of 0 would be refused as a density in a wrong unit."""
    model = neural_rates_model([small], hidden=1)
    times = {"GLC": np.array([1.0, 4.0]), "VCD": np.array([2.0]), "nothing": np.array([1.0])}
    path = predicted(model, small, times)
    assert set(path.run.measurements) == {"GLC", "VCD"}
    whole = simulate(model, small)
    assert path.at_samples("GLC") == pytest.approx(whole.at_samples("GLC")[[1, -1]], rel=1e-5)
