from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from graycell.cell.closures import Lagged
from graycell.errors import InputError, ModelError, SimulationError
from graycell.models import nolan_lee, published_feed
from graycell.packing import pack, pack_all, stack
from graycell.runs import Bolus, End, Feed, Outflow, Sample, Setpoint
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SimulationStatus, SolverSettings, integrate

FORWARD = SolverSettings(rtol=1e-10, atol=1e-11, adjoint=diffrax.ForwardMode())


@eqx.filter_jit
def ends(model, packed):
    return integrate(model, packed, Loop(), FORWARD).predicted


@pytest.fixture(scope="module")
def trajectory(published, run):
    return simulate(published, run)


def test_a_trajectory_covers_the_run_and_is_finite(trajectory, run):
    assert trajectory.status is SimulationStatus.finished
    assert trajectory.time[0] == 0.0
    assert trajectory.time[-1] == run.end == 10.0
    for name in ("concentrations", "fluxes", "kinetic_rates", "conflict", "redox", "ratio", "volume"):
        assert np.all(np.isfinite(getattr(trajectory, name))), name
    assert trajectory.require_finished() is trajectory


@pytest.mark.parametrize("network", ["published", "extended"])
def test_solutions_do_not_depend_on_the_tolerance(network, request, run):
    """From rtol 1e-6 to 1e-9 no state changes by more than 1e-5 of its largest value."""
    model = request.getfixturevalue(network)
    coarse, fine = simulate(model, run), simulate(model, run, SolverSettings(rtol=1e-9, atol=1e-10))
    for name in ("concentrations", "redox", "volume"):
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
    time, redox, ratio = trajectory.time[inside], trajectory.redox[inside], trajectory.ratio[inside]
    slope = (redox[2:] - redox[:-2]) / (time[2:] - time[:-2])
    expected = (ratio - redox)[1:-1] / float(published.parameters["tau"])
    assert np.max(np.abs(slope - expected)) < 2e-2 * np.max(np.abs(expected))


def test_a_perfusion_washes_a_tracer_out_exponentially(published, run):
    """Without living cells dc/dt = D (c_feed - c); the volume stays."""
    d, fed = 0.7, 3.0
    dead = replace(
        run,
        signals={"viability": replace(run.signals["viability"], value=np.zeros_like(run.signals["viability"].value))},
        media={"feed": {"LAC": fed}},
        events=(Feed(0.0, "feed", d), Outflow(0.0, d, retains_cells=True), Setpoint(3.0, 31.0), End(10.0)),
    )
    flowing = simulate(published, dead, SolverSettings(rtol=1e-9, atol=1e-10))
    names = published.species
    lactate = flowing.concentrations[:, names.index("LAC")]
    expected = fed + (run.initial["LAC"] - fed) * np.exp(-d * flowing.time)
    assert np.allclose(lactate, expected, rtol=1e-8)
    assert np.allclose(flowing.volume, run.initial_volume, rtol=1e-12)
    assert np.allclose(flowing.concentrations[:, names.index("BIOM")], run.initial["BIOM"], rtol=1e-12)


def test_derivatives_of_the_trajectory_are_those_of_central_differences(extended, run):
    packed = pack(run, extended)
    names = ["vmax1f", "Km2", "vmax16", "TC16b", "tau", "R_switch", "maintenance_cold"]

    def at(logs):
        values = {name: extended.parameters[name] * jnp.exp(logs[i]) for i, name in enumerate(names)}
        return ends(extended.with_parameters(values), packed)

    exact = np.asarray(jax.jacfwd(at)(jnp.zeros(len(names))))
    central = np.stack([np.asarray(at(h) - at(-h)) / 2e-4 for h in 1e-4 * np.eye(len(names))], axis=-1)
    scale = np.max(np.abs(central), axis=(0, 1))
    assert np.all(np.max(np.abs(exact - central), axis=(0, 1)) <= 1e-5 * scale)


def test_the_time_of_the_shift_has_a_derivative(extended, run):
    """The gradient goes through the ends of the segments."""
    packed = pack(run, extended)
    shifted = jnp.isclose(packed.end, 3.0)
    begins = jnp.isclose(packed.start, 3.0)

    def at(delay):
        moved = eqx.tree_at(
            lambda run: (run.start, run.end),
            packed,
            (packed.start + jnp.where(begins, delay, 0.0), packed.end + jnp.where(shifted, delay, 0.0)),
        )
        return ends(extended, moved)[:13]

    exact = np.asarray(jax.jacfwd(at)(0.0))
    central = np.asarray(at(1e-4) - at(-1e-4)) / 2e-4
    later = np.asarray(packed.end[:13]) > 3.0
    assert np.max(np.abs(central[later])) > 1e-2
    assert np.max(np.abs(exact - central)) <= 1e-5 * np.max(np.abs(central))


def test_one_compiled_function_serves_runs_of_one_shape(published, run):
    traces = []

    @eqx.filter_jit
    def counted(model, packed):
        traces.append(1)
        return integrate(model, packed, Loop(), FORWARD).predicted

    other = replace(run, name="another", initial={**run.initial, "GLC": 60.0}, initial_volume=0.5)
    changed = published.with_table(published.table.with_changes("Km1", upper=1e3))
    for model in (published, published.with_parameters({"Km1": 12.0}), changed, nolan_lee(), published.rebuilt()):
        for one in (run, other):
            counted(model, pack(one, model))
    assert len(traces) == 1


def test_runs_and_parameters_map(published, run):
    """vmap over packed runs of different length, and over parameters, gives what one by one gives."""
    shorter = replace(run, name="short", events=tuple(e for e in run.events if e.time < 6.0), end=9.17)
    shorter = replace(shorter, events=(*shorter.events, Sample(6.5, 0.05)))
    packed = pack_all([run, shorter], published)
    together = jax.jit(jax.vmap(lambda one: ends(published, one)))(packed)
    alone = jnp.stack([ends(published, jax.tree.map(lambda leaf, i=i: leaf[i], packed)) for i in range(2)])
    assert np.allclose(together, alone, rtol=1e-8, atol=1e-8)

    factors = jnp.array([0.9, 1.0, 1.1])

    def scaled(factor):
        model = published.with_parameters({"vmax1f": published.parameters["vmax1f"] * factor})
        return ends(model, pack(run, published))

    mapped = jax.jit(jax.vmap(scaled))(factors)
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


def test_running_out_of_steps_is_a_status_with_a_remedy(published, run):
    short = simulate(published, run, SolverSettings(most_steps=3))
    assert short.status is SimulationStatus.too_many_steps
    with pytest.raises(SimulationError, match="else loosen rtol"):
        short.require_finished()


def test_a_run_without_an_initial_concentration_is_an_error_that_names_all(published, run):
    with pytest.raises(InputError) as error:
        simulate(published, replace(run, initial={"GLC": 40.0, "R": 6.2}))
    assert len(error.value.findings) == 12


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
def test_times_whose_difference_rounds_badly_are_simulated(published, run, times):
    """start + (end - start) misses end by one rounding here; the solver refuses a time outside of its interval."""
    series = run.measurements["GLC"]
    sampled = replace(series, time=np.array(times), value=series.value[:2], standard_error=series.standard_error[:2])
    trajectory = simulate(published, replace(run, measurements={"GLC": sampled}))
    assert trajectory.status is SimulationStatus.finished
    assert np.all(np.diff(trajectory.time) >= 0.0)
    assert all(time in trajectory.time for time in times)


def test_what_the_model_does_not_know_is_remarked_on(published, run):
    initial = {name: value for name, value in run.initial.items() if name != "R"}
    events = tuple(Setpoint(3.0, 25.0) if isinstance(event, Setpoint) else event for event in run.events)
    sentences = " ".join(simulate(published, replace(run, initial=initial, events=events)).remarks())
    assert "R at time 0 is not given" in sentences
    assert "25 degC" in sentences
