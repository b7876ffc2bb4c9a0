from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_models import fed_batch, monod

import graycell as gc
from graycell.cell.closures import Lagged
from graycell.errors import InputError, ModelError
from graycell.models import nolan_lee, published_feed
from graycell.packing import pack, pack_all, stack
from graycell.runs import Bolus, End, Feed, Measurement, Outflow, Sample, Setpoint
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SimulationStatus, SolverSettings, integrate

FORWARD = SolverSettings(rtol=1e-10, atol=1e-11, adjoint=diffrax.ForwardMode())


@eqx.filter_jit
def ends(model, packed):
    return integrate(model, packed, Loop(), FORWARD).predicted


class Inflow(gc.RateLaw):
    """What flows in of a species, as a neural network sees it."""

    species: str

    def __call__(self, at):
        return at.seen(f"feed {self.species}")


@pytest.mark.parametrize("closure", [gc.Dynamic("ts"), gc.Algebraic("ts")])
def test_loops_and_predictions_see_the_feed_that_is_integrated(closure):
    model = gc.CultureModel(
        species={"VCD": "1e9 cells/L"}, reactions={"growth": "=> VCD", "uptake": "GLC =>"},
        rates={"growth": 0.1, "uptake": (1.0 + Inflow("GLC")) / (1.0 + gc.VariableValue("P"))},
        parameters={"ts": 0.01}, variables={"P": gc.LoopVariable(gc.FluxValue("uptake"), closure)},
        observables={"inflow": (Inflow("GLC"), "mmol/L/d")},
    )  # fmt: skip
    times = np.array([0.5, 2.0, 3.0])
    series = gc.Measurement("GLC", "mmol/L", times, np.ones(3), np.ones(3))
    run = gc.CultureRun("fed", 1.0, {"VCD": 1.0, "GLC": 20.0, "P": 0.6}, {"GLC": series}, (gc.Feed(1.0, "feed", 0.1),),
                        {"feed": {"GLC": 100.0}})  # fmt: skip
    path = simulate(model, run).require_finished()
    inflow, away = np.where(path.time > 1.0, 10.0, 0.0) / path.volume, path.time != 1.0
    assert path["inflow"][away] == pytest.approx(inflow[away], rel=1e-6)
    assert path.fed[away, model.species.index("GLC")] == pytest.approx(inflow[away], rel=1e-6)
    predicted = path.predicted[:, model.quantities.index("inflow")]
    assert predicted == pytest.approx([0.0, 10.0 / 1.1, 10.0 / 1.2], rel=1e-6)
    late = path.time > 2.0  # P (1 + P) = 1 + inflow: about 2.8, and 0.6 without the feed
    assert path["P"][late] == pytest.approx(0.5 * (np.sqrt(5.0 + 4.0 * inflow[late]) - 1.0), rel=0.01)


@pytest.fixture(scope="module")
def trajectory(published, run):
    return simulate(published, run)


def test_a_trajectory_covers_the_run_and_is_finite(trajectory, run):
    assert trajectory.status is SimulationStatus.finished
    assert trajectory.time[0] == 0.0
    assert trajectory.time[-1] == run.end == 10.0
    for name in ("concentrations", "fluxes", "kinetic_rates", "conflict", "loop_value", "loop_target", "volume"):
        assert np.all(np.isfinite(getattr(trajectory, name))), name
    assert trajectory.require_finished() is trajectory


@pytest.mark.parametrize("network", ["published", "extended"])
def test_solutions_do_not_depend_on_the_tolerance(network, request, run):
    """From rtol 1e-6 to 1e-9 no state changes by more than 1e-5 of its largest value."""
    model = request.getfixturevalue(network)
    coarse, fine = simulate(model, run), simulate(model, run, SolverSettings(rtol=1e-9, atol=1e-10))
    for name in ("concentrations", "loop_value", "volume"):
        rough, sharp = getattr(coarse, name), getattr(fine, name)
        assert np.max(np.abs(rough - sharp) / np.max(np.abs(sharp), axis=0)) <= 1e-5


def test_every_event_has_a_point_before_and_after_it(trajectory, run):
    for event in run.events:
        if isinstance(event, Bolus):
            at = np.flatnonzero(trajectory.time == event.time)
            before, after = trajectory.volume[at[0]], trajectory.volume[at[-1]]
            assert after - before == pytest.approx(event.volume, rel=1e-9)


def test_the_balance_holds_between_the_fluxes_and_the_change_of_concentration(trajectory, published):
    """dc/dt = X_v S v - (dV/dt) c/V inside a segment without flow, checked by differences of the dense points."""
    inside = (trajectory.time > 0.4) & (trajectory.time < 1.15)
    time, c = trajectory.time[inside], trajectory.concentrations[inside]
    rate = trajectory.viable_cell_density[:, None] * (trajectory.fluxes @ np.asarray(published.exchange).T)
    middle = 0.5 * (time[2:] + time[:-2])
    slope = (c[2:] - c[:-2]) / (time[2:] - time[:-2])[:, None]
    expected = rate[inside][1:-1]
    assert np.allclose(middle, time[1:-1], atol=1e-9)
    assert np.max(np.abs(slope - expected) / np.max(np.abs(expected), axis=0)) < 2e-3


def test_the_redox_pool_turns_over_in_its_turnover_time(trajectory, published):
    """dR/dt = (R' - R)/tau, checked by differences of the dense points inside a segment."""
    inside = (trajectory.time > 0.4) & (trajectory.time < 1.15)
    time, redox, ratio = trajectory.time[inside], trajectory.loop_value[inside], trajectory.loop_target[inside]
    slope = (redox[2:] - redox[:-2]) / (time[2:] - time[:-2])
    expected = (ratio - redox)[1:-1] / float(published.parameters["tau"])
    assert np.max(np.abs(slope - expected)) < 2e-2 * np.max(np.abs(expected))


def test_a_perfusion_washes_a_tracer_out_exponentially():
    """Without living cells dc/dt = D (c_feed - c); the volume stays."""
    d, fed, fine = 0.7, 3.0, SolverSettings(rtol=1e-9, atol=1e-10)
    events = (Feed(0.0, "feed", 2.0 * d), Outflow(0.0, 2.0 * d, retains_cells=True))
    dead = fed_batch(initial={**fed_batch().initial, "VCD": 0.0}, media={"feed": {"LAC": fed}}, events=events)
    flowing = simulate(monod(), dead, fine)
    assert np.allclose(flowing["LAC"], fed + (1.0 - fed) * np.exp(-d * flowing.time), rtol=1e-8)
    assert np.allclose(flowing.volume, 2.0, rtol=1e-12)
    assert np.allclose(flowing["DCD"], 0.01, rtol=1e-12)


def test_one_compiled_function_serves_runs_of_one_shape():
    traces = []

    @eqx.filter_jit
    def counted(model, packed):
        traces.append(1)
        return integrate(model, packed, Loop(), FORWARD).predicted

    model, run = monod(), fed_batch()
    other = replace(run, name="another", initial={**run.initial, "GLC": 40.0}, initial_volume=0.5)
    changed = model.with_table(model.table.with_changes("mu", upper=1e3))
    for one in (model, model.with_parameters({"mu": 0.5}), changed, monod(), model.rebuilt()):
        for culture in (run, other):
            counted(one, pack(culture, one))
    assert len(traces) == 1


def test_runs_and_parameters_map():
    """vmap over packed runs of different length, and over parameters, gives what one by one gives."""
    model, run = monod(), fed_batch()
    shorter = replace(run, name="short", events=(*run.events[:2], Sample(3.2, 0.05)), end=4.17)
    packed = pack_all([run, shorter], model)
    together = jax.jit(jax.vmap(lambda one: ends(model, one)))(packed)
    alone = jnp.stack([ends(model, jax.tree.map(lambda leaf, i=i: leaf[i], packed)) for i in range(2)])
    assert np.allclose(together, alone, rtol=1e-8, atol=1e-8)

    def scaled(factor):
        return ends(model.with_parameters({"mu": model.parameters["mu"] * factor}), pack(run, model))

    mapped = jax.jit(jax.vmap(scaled))(jnp.array([0.9, 1.0, 1.1]))
    assert np.allclose(mapped[1], scaled(1.0), rtol=1e-8, atol=1e-8)
    assert not np.allclose(mapped[0], mapped[2])


def test_packed_runs_of_one_shape_stack(published, run):
    one = pack(run, published)
    assert stack([one, one]).end.shape == (2, *one.end.shape)


def test_a_species_that_goes_below_zero_is_remarked_on(trajectory, extended, run):
    """With the published parameters the extended network takes up alanine that is not there."""
    assert trajectory.remarks() == []
    sentences = simulate(extended, run).remarks()
    assert any("ALA falls to -" in sentence for sentence in sentences)


def test_a_run_without_an_initial_concentration_is_an_error_that_names_all(published, run):
    with pytest.raises(InputError) as error:
        simulate(published, replace(run, initial={"GLC": 40.0, "R": 6.2}))
    missing = [name for name in published.species if name != "GLC"]
    assert len(missing) == 12
    assert all(name in str(error.value) for name in missing)


@pytest.mark.parametrize(
    ("step", "change", "told"),
    [
        (0.05, lambda run: run, "published_feed"),
        (0.3, published_feed, "misses some"),
        (0.05, lambda run: replace(published_feed(run), events=(Setpoint(3.0, 34.0), End(10.0))), "one shift"),
    ],
    ids=["bolus", "step", "temperature"],
)
def test_the_lagged_scheme_refuses_what_it_does_not_know(run, step, change, told):
    with pytest.raises(ModelError, match=told):
        simulate(nolan_lee(closure=Lagged(step)), change(run))


@pytest.mark.parametrize("times", [(0.03, 0.42), (0.28, 3.97)])
def test_times_whose_difference_rounds_badly_are_simulated(times):
    """start + (end - start) misses end by one rounding here; the solver refuses a time outside of its interval."""
    sampled = Measurement("GLC", "mmol/L", np.array(times), np.ones(2), np.ones(2))
    trajectory = simulate(monod(), fed_batch(measurements={"GLC": sampled}))
    assert trajectory.status is SimulationStatus.finished
    assert np.all(np.diff(trajectory.time) >= 0.0)
    assert all(time in trajectory.time for time in times)


def test_what_the_model_does_not_know_is_remarked_on(published, run):
    initial = {name: value for name, value in run.initial.items() if name != "R"}
    events = tuple(Setpoint(3.0, 25.0) if isinstance(event, Setpoint) else event for event in run.events)
    sentences = " ".join(simulate(published, replace(run, initial=initial, events=events)).remarks())
    assert "R at time 0 is not given" in sentences
    assert "25 degC" in sentences
