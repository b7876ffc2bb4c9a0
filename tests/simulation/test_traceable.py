"""simulate is a pure function: it may be jitted, mapped and differentiated by whatever a run and a model hold."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffrax import ForwardMode
from small_models import fed_batch, monod, pool, pool_batch

import graycell as gc
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import Loop, SolverSettings

FINE = SolverSettings(rtol=1e-9, atol=1e-10)
MODEL, RUN = monod(), fed_batch()


def summed(trajectory):
    """Return one number that all that is done to a culture changes."""
    final = trajectory.final
    return final["LAC"] + 3.0 * final["mAb"] + 0.1 * final["GLC"]


def answer(run, model=MODEL):
    return summed(simulate(model, run, FINE, points=2))


simulated = jax.jit(lambda run: simulate(MODEL, run, FINE, points=2))
gradient = jax.jit(jax.grad(answer))


def compiled(run):
    return summed(simulated(run))


def with_event(index, **changes):
    return replace(RUN, events=tuple(replace(e, **changes) if i == index else e for i, e in enumerate(RUN.events)))


def central(build, x, step):
    return (float(compiled(build(x + step))) - float(compiled(build(x - step)))) / (2.0 * step)


VARIED = {
    "the volume of a bolus": (lambda x: with_event(0, volume=x), 0.05, lambda g: g.events[0].volume),
    "the volume of a sample": (lambda x: with_event(2, volume=x), 0.1, lambda g: g.events[2].volume),
    "the rate of a feed": (lambda x: with_event(1, rate=x), 0.02, lambda g: g.events[1].rate),
    "the value of a set-point": (lambda x: with_event(3, value=x), 33.0, lambda g: g.events[3].value),
    "an initial concentration": (lambda x: RUN.with_initial(VCD=x), 0.5, lambda g: g.initial["VCD"]),
    "the initial volume": (lambda x: replace(RUN, initial_volume=x), 2.0, lambda g: g.initial_volume),
    "a medium": (lambda x: replace(RUN, media={"feed": {"GLC": x}}), 500.0, lambda g: g.media["feed"]["GLC"]),
    "the time of a bolus": (lambda x: with_event(0, time=x), 2.0, lambda g: g.events[0].time),
    "the time of a sample": (lambda x: with_event(2, time=x), 3.5, lambda g: g.events[2].time),
    "the time at which a feed begins": (lambda x: with_event(1, time=x), 3.0, lambda g: g.events[1].time),
    "the time of the temperature shift": (lambda x: with_event(3, time=x), 4.0, lambda g: g.events[3].time),
    "the end": (lambda x: replace(RUN, end=x), 6.0, lambda g: g.end),
}


@pytest.mark.parametrize("varied", VARIED)
def test_derivatives_by_what_was_done_are_those_of_central_differences(varied):
    build, x, read = VARIED[varied]
    exact, expected = float(read(gradient(RUN))), central(build, x, 1e-4 * abs(x))
    assert exact == pytest.approx(expected, rel=1e-4)
    assert abs(expected) > 1e-6  # so that a derivative that is silently zero fails


def test_the_time_of_an_event_at_the_time_of_another_has_a_one_sided_derivative():
    """A bolus just before the sample of that time: no step of a solver sees the segment of length 0 between them."""
    at = [with_event(0, time=time) for time in (3.5 - 1e-5, 3.5)]
    behind = (float(compiled(at[1])) - float(compiled(at[0]))) / 1e-5
    assert float(gradient(at[1]).events[0].time) == pytest.approx(behind, rel=1e-3)


def test_derivatives_by_parameters_are_those_of_central_differences():
    names, forward = ("mu", "Ki", "qp", "recovery"), replace(FINE, adjoint=ForwardMode())
    values = jnp.array([MODEL.parameters[name] for name in names])

    def end(values):
        model = MODEL.with_parameters(dict(zip(names, values, strict=True)))
        final = simulate(model, RUN, forward, points=2).final
        return final["LAC"] + 3.0 * final["mAb"], final["LAC"] + 3.0 * final["mAb"]

    both = jax.jit(jax.jacfwd(end, has_aux=True))  # compiled once, for the derivatives and the values
    for i, name in enumerate(names):
        step = 1e-4 * values[i] * jnp.eye(4)[i]
        expected = (float(both(values + step)[1]) - float(both(values - step)[1])) / float(2e-4 * values[i])
        assert float(both(values)[0][i]) == pytest.approx(expected, rel=1e-4), name


def test_a_traced_run_may_have_a_measured_loop_variable():
    """The bundled run has one too; it is first measured after the beginning."""
    model = pool(gc.Dynamic("ts"))
    run, forward = pool_batch(model, 1.0), replace(FINE, adjoint=ForwardMode())

    def end(first):
        found = simulate(model, run.with_initial(P=first), forward, points=2)
        return found.final["GLC"], found.final["GLC"]

    both = jax.jit(jax.jacfwd(end, has_aux=True))
    expected = (float(both(1.001)[1]) - float(both(0.999)[1])) / 0.002
    assert float(both(1.0)[0]) == pytest.approx(expected, rel=1e-4)
    assert abs(expected) > 1e-6
    assert float(both(1.0)[1]) == pytest.approx(float(simulate(model, run, forward, points=2).final["GLC"]), rel=1e-7)
    with pytest.raises(gc.ModelError, match="initial value of 'P' that JAX traces, with its loop open"):
        jax.jit(lambda first: simulate(model, run.with_initial(P=first), loop=Loop(opened=1.0)).final["GLC"])(1.0)


def test_runs_go_through_jit_and_vmap_as_they_are():
    plain = float(answer(RUN))
    assert float(compiled(RUN)) == pytest.approx(plain, rel=1e-7)
    several = [with_event(0, volume=volume) for volume in (0.01, 0.05, 0.1)]
    mapped = jax.jit(jax.vmap(answer))(jax.tree.map(lambda *leaves: jnp.stack(jnp.array(leaves)), *several))
    assert np.allclose(mapped, [float(compiled(run)) for run in several], rtol=1e-6)


def test_a_trajectory_is_a_pytree_that_carries_its_status():
    found = simulated(RUN)
    assert found.status is gc.SimulationStatus.finished
    assert found.model == MODEL
    expected = simulate(MODEL, RUN, FINE, points=2).final["GLC"]
    assert float(found.final["GLC"]) == pytest.approx(float(expected), rel=1e-6)


def test_traced_times_are_ordered_while_the_program_runs():
    for time in (0.5, 3.5, 3.7, 5.5):
        in_order = replace(RUN, events=()).with_events(*with_event(0, time=time).events)
        assert float(compiled(with_event(0, time=time))) == pytest.approx(float(answer(in_order)), rel=1e-7)


def test_save_at_gives_the_state_before_an_event_of_that_time():
    found = simulate(MODEL, RUN, save_at=[0.0, 2.0, 6.0])
    assert found.time.tolist() == [0.0, 2.0, 6.0]
    assert found["GLC"][0] == 60.0
    whole = simulate(MODEL, RUN, points=2)
    before = int(np.flatnonzero(np.asarray(whole.time) == 2.0)[0])
    assert float(found.volume[1]) == pytest.approx(float(whole.volume[before]), rel=1e-12)
    assert np.allclose(found.concentrations[1], whole.concentrations[before], rtol=1e-6)


@pytest.mark.parametrize("compiled", [simulated, gradient], ids=["simulation", "gradient"])
def test_a_program_can_be_kept_on_disk(compiled):
    """JAX keeps no program that calls into Python."""
    assert "pure_callback[" not in str(compiled.trace(RUN).jaxpr)


def test_an_equal_model_built_anew_is_not_compiled_again():
    traced = []

    class Counted(gc.RateLaw):
        name: str

        def __call__(self, at):
            traced.append(self.name)
            return at.parameter(self.name)

    def build():
        return monod(rates={**MODEL.rates, "product": Counted("qp")})

    simulate(build(), RUN)
    before, again = len(traced), build()
    built = len(traced) - before  # building a model traces its laws once, and compiles nothing
    simulate(again, RUN)
    simulate(again.with_parameters({"mu": 0.5}), RUN)
    simulate(again.with_table(again.table.with_changes("mu", lower=0.01, meaning="another word")), RUN)
    assert len(traced) == before + built


def test_a_model_outside_of_the_bounds_of_a_fit_is_simulated():
    far = MODEL.with_parameters({"mu": 100.0 * float(MODEL.table["mu"].upper)})
    assert simulate(far, replace(RUN, end=0.1, events=()), points=2).time[-1] == 0.1
    with pytest.raises(gc.ModelError, match="the bounds must enclose the value"):
        gc.Problem(far, RUN)


def test_what_is_measured_and_not_in_the_model_is_a_remark():
    series = gc.Measurement("osmolality", "1", np.array([1.0]), np.array([300.0]), np.array([5.0]))
    found = simulate(MODEL, replace(RUN, measurements={"osmolality": series}), points=2)
    assert any("osmolality" in sentence for sentence in found.remarks())


def test_a_trajectory_has_its_run_in_the_units_of_the_model():
    titer = gc.Measurement("mAb", "mg/L", np.array([0.0, 1.0]), np.array([0.0, 10.0]), np.array([1.0, 1.0]))
    same = replace(RUN, measurements={"mAb": titer}, units={"GLC": "mol/L"},
                   initial={**RUN.initial, "GLC": 0.06}, media={"feed": {"GLC": 0.5}})  # fmt: skip
    plain, found = simulate(MODEL, RUN, points=2), simulate(MODEL, same, points=2)
    assert found.run.measurements["mAb"].value == pytest.approx([0.0, 0.01])
    assert found.run.measurements["mAb"].unit == "g/L"
    assert float(found.final["GLC"]) == pytest.approx(float(plain.final["GLC"]), rel=1e-4)
    assert jax.jit(lambda run: simulate(MODEL, run, points=2).final["GLC"])(same) == pytest.approx(found.final["GLC"])


def test_throw_raises_the_remedy():
    impossible = SolverSettings(most_steps=2)
    with pytest.raises(gc.SimulationError, match="ran out of steps"):
        simulate(MODEL, RUN, impossible, points=2, throw=True)
    assert simulate(MODEL, RUN, impossible, points=2).status is gc.SimulationStatus.too_many_steps


@pytest.mark.parametrize("time", [-0.5, 0.0, 7.0])
def test_a_traced_event_outside_of_the_run_acts_at_its_beginning_or_end(time):
    inside = float(np.clip(time, 0.0, RUN.end))
    assert float(compiled(with_event(0, time=time))) == pytest.approx(float(compiled(with_event(0, time=inside))))


def test_the_time_of_an_event_at_the_beginning_has_its_whole_derivative():
    ahead = (float(compiled(with_event(0, time=1e-5))) - float(compiled(with_event(0, time=0.0)))) / 1e-5
    assert float(gradient(with_event(0, time=0.0)).events[0].time) == pytest.approx(ahead, rel=1e-3)


def test_traced_times_to_save_outside_of_the_run_are_nan_with_a_status():
    saved = jax.jit(lambda times: simulate(MODEL, RUN, save_at=times))
    found = saved(jnp.array([3.0, 6.0, 6.5]))
    assert found.time.tolist() == [3.0, 6.0, 6.5]
    for name in (*MODEL.quantities, *MODEL.input_names):
        assert np.isfinite(found[name]).tolist() == [True, True, False], name
    assert found.status is gc.SimulationStatus.not_finite
    assert np.isnan(saved(jnp.array([-1.0, 3.0, 6.0]))["GLC"]).tolist() == [True, False, False]
    assert saved(jnp.array([0.0, 3.0, 6.0])).status is gc.SimulationStatus.finished


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda x: RUN.with_bolus(5.0, "fed", x), "Bolus at 5 d: found the medium 'fed'; .* did you mean 'feed'"),
        (lambda x: RUN.with_bolus(7.0, "feed", x), "Bolus at 7 d: .* events lie between 0 and the end .* at 6 d"),
        (lambda x: with_event(0, time=x, medium="fed"), "Bolus at a traced time: found the medium 'fed'"),
        (lambda x: replace(RUN, initial={"GLC": x, "LAC": 1.0, "mAb": 0.0, "DCD": 0.0}), "VCD needs a concentration"),
        (lambda x: replace(RUN, media={"feed": {"GLCC": x}}), "did you mean 'GLC'"),
    ],
    ids=["medium", "time", "medium at a traced time", "initial", "species"],
)
def test_what_is_known_of_a_traced_run_is_checked(build, sentence):
    with pytest.raises(gc.InputError, match=sentence):
        jax.grad(lambda x: answer(build(x)))(0.1)


def measured():
    """The run with measurements of glucose and a signal of the temperature."""
    times = np.array([1.0, 3.5, 6.0])
    glucose = gc.Measurement("GLC", "mmol/L", times, np.array([58.0, 60.0, 50.0]), np.ones(3))
    warmth = gc.Signal("temperature", "degC", np.array([0.0, 6.0]), np.array([37.0, 34.0]))
    return replace(RUN, measurements={"GLC": glucose}, signals={"temperature": warmth})


def test_a_trajectory_of_compiled_code_has_its_predictions():
    """With measurements and a signal; the derivative of a prediction at a sample is that of central differences."""
    run = measured()
    plain, found = simulate(MODEL, run, FINE, points=2), simulated(run)
    assert np.allclose(found.at_samples("GLC"), plain.at_samples("GLC"), rtol=1e-6)
    assert float(found.final["GLC"]) == pytest.approx(float(plain.final["GLC"]), rel=1e-6)
    assert [score.rmse for score in gc.scores(found)] == pytest.approx([score.rmse for score in gc.scores(plain)])

    def at_samples(c):
        return jnp.sum(simulate(MODEL, run.with_initial(GLC=c), FINE, points=2).at_samples("GLC"))

    exact = float(jax.jit(jax.grad(at_samples))(60.0))
    assert exact == pytest.approx(float(at_samples(60.01) - at_samples(59.99)) / 0.02, rel=1e-4)


@pytest.mark.parametrize("kind", ["measurements", "signals"])
def test_traced_measurements_and_signals_are_a_sentence(kind):
    run = measured()

    def final(values):
        series = {name: replace(one, value=values) for name, one in getattr(run, kind).items()}
        return simulate(MODEL, replace(run, **{kind: series})).final["GLC"]

    with pytest.raises(gc.InputError, match=f"{kind} '.*': found numbers that JAX traces; {kind} are known before"):
        jax.grad(final)(np.array([37.0, 36.0, 35.0]))
