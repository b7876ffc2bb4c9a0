"""A forecast from the last samples, by a model whose samples are its own trajectory."""

from dataclasses import replace

import numpy as np
import pytest
from small_models import fed_batch, monod

import graycell as gc
from graycell.comparison.candidates import predicted
from graycell.runs import Bolus, Feed, Measurement, Outflow, Sample, Setpoint
from graycell.runs.records import VCD
from graycell.simulation.forecast import from_last_samples
from graycell.simulation.simulate import simulate

AT = 6.0
SMALL = monod()


def measured(quantity, values, time=AT, below=None):
    values = np.atleast_1d(np.asarray(values, float))
    below = None if below is None else np.array([float(below)])
    return Measurement(quantity, "", np.atleast_1d(float(time)), values, np.ones(len(values)), below=below)


@pytest.fixture(scope="module")
def fed():
    """A run with everything that goes on: a feed that is changed, a bleed, a shift just before the sample."""
    return fed_batch(end=10.0, events=()).with_events(
        Feed(1.0, "feed", 0.01), Outflow(2.0, 0.01), Feed(5.0, "feed", 0.005), Setpoint(AT - 0.1, 34.0),
        Bolus(AT, "feed", 0.02), Sample(AT, 0.01), Feed(8.0, "feed", 0.0),
    )  # fmt: skip


def test_the_rest_of_a_run_in_other_units_is_in_those_of_the_model():
    given = fed_batch(units={"GLC": "mol/L"}, initial={**fed_batch().initial, "GLC": 0.06},
                      media={"feed": {"GLC": 0.5}}, measurements={"GLC": measured("GLC", 30.0, 1.0)})  # fmt: skip
    rest = from_last_samples(SMALL, replace(given, measurements={
        "GLC": replace(given.measurements["GLC"], unit="mol/L", value=np.array([0.03]))}))  # fmt: skip
    assert rest.initial["GLC"] == pytest.approx(30.0)
    assert simulate(SMALL, rest)["GLC"][0] == pytest.approx(30.0)


@pytest.fixture(scope="module")
def whole(fed):
    """The simulated run, with points where it is asked for."""
    asked = replace(measured("GLC", [1.0, 1.0]), time=np.array([AT, 9.0]))
    return simulate(SMALL, replace(fed, measurements={"GLC": asked})).require_finished()


@pytest.fixture(scope="module")
def sampled(whole, fed):
    """The run, with samples at day 6 that the model meets exactly."""
    predicted_there = dict(zip(whole.model.quantities, whole.predicted[0], strict=True))
    state = {name: predicted_there[name] for name in whole.model.species}
    return replace(fed, measurements={name: measured(name, value) for name, value in state.items()})


def test_samples_that_the_model_meets_change_nothing(whole, sampled):
    rest = from_last_samples(SMALL, sampled)
    assert sampled.last_sample == AT
    assert rest.end == pytest.approx(sampled.end - AT)
    assert not rest.measurements
    ahead = simulate(SMALL, rest).require_finished()
    # the state is handed over at the tolerance of a trajectory
    np.testing.assert_allclose(ahead.concentrations[-1], whole.concentrations[-1], rtol=2e-5, atol=1e-5)
    assert ahead.volume[-1] == pytest.approx(whole.volume[-1], rel=1e-12)
    assert ahead["warmth"][-1] == pytest.approx(whole["warmth"][-1], rel=1e-9)


def test_a_comparison_predicts_from_the_last_samples(whole, sampled):
    path = predicted(SMALL, sampled, {"GLC": np.array([9.0])})
    assert path.at_samples("GLC")[0] == pytest.approx(whole.at_samples("GLC")[1], rel=2e-5)


def test_the_state_moves_by_what_each_quantity_was_off(sampled):
    """Glucose is moved by its sample, lactate by an earlier one, the rest not at all, and nothing below zero."""
    plain = from_last_samples(SMALL, replace(sampled, measurements={"GLC": sampled.measurements["GLC"]}))
    glucose = float(sampled.measurements["GLC"].value[0])
    asked = replace(sampled, measurements={"LAC": measured("LAC", 0.0, 4.0)})
    lactate = simulate(SMALL, asked).at_samples("LAC")[0]
    moved = from_last_samples(SMALL, replace(sampled, measurements={
        "GLC": measured("GLC", glucose + 3.0), "LAC": measured("LAC", lactate + 2.0, 4.0),
    }))  # fmt: skip
    assert moved.initial["GLC"] == pytest.approx(glucose + 3.0)
    assert moved.initial["LAC"] == pytest.approx(plain.initial["LAC"] + 2.0, abs=1e-3)
    assert moved.initial["mAb"] == pytest.approx(plain.initial["mAb"], rel=1e-4)
    early = from_last_samples(SMALL, replace(sampled, measurements={
        "GLC": measured("GLC", 0.0, 1.0), "LAC": sampled.measurements["LAC"]}))  # fmt: skip
    assert early.initial["GLC"] == 0.0


@pytest.mark.parametrize("pool_sampled", [True, False], ids=["sampled", "simulated"])
def test_a_loop_and_its_cells_go_on_from_the_sample(pool_sampled):
    """Biomass follows the cells, whose count is twice the simulated one; P goes on from its sample, or as simulated."""
    model = gc.CultureModel(
        reactions={"growth": "=> BIOM", "uptake": "GLC =>"},
        rates={"growth": gc.Rate("mu"), "uptake": gc.Rate("q") / (1.0 + gc.VariableValue("P"))},
        parameters={"mu": 0.5, "q": 1.0, "ts": 0.1},
        variables={"P": gc.LoopVariable(gc.FluxValue("uptake"), gc.Dynamic("ts"))},
    )
    run = gc.CultureRun("a", 1.0, {"BIOM": 1.0, "GLC": 20.0, "P": 1.0}, end=2.0)
    path = simulate(model, run, save_at=[1.0])
    cells = {VCD: measured(VCD, 2.0 * path[VCD][0], 1.0)}
    pool = {"P": measured("P", 0.9, 1.0)} if pool_sampled else {}
    rest = from_last_samples(model, replace(run, measurements={**cells, **pool}))
    assert rest.initial["BIOM"] == pytest.approx(2.0 * float(path["BIOM"][0]), rel=1e-4)
    assert rest.initial["P"] == pytest.approx(0.9 if pool_sampled else float(path["P"][0]), rel=1e-4)


def test_what_may_be_negative_stays_so_and_every_measured_input_is_carried_over():
    """A charge that falls with the pH, which was measured, and a stirrer whose speed the table `initial` gives."""
    model = monod(
        variables={**dict(zip(SMALL.variable_names, SMALL.variables, strict=True)),
                   "charge": gc.StateVariable(-0.1 * gc.InputValue("pH") * gc.InputValue("stirrer"), unit="1")},
        inputs={"temperature": gc.Input("degC", 37.0), "pH": gc.Input("1", 7.0), "stirrer": gc.Input("1", 1.0)},
    )  # fmt: skip
    times = np.array([1.0, 3.0])
    acid = Measurement("pH", "1", times, np.array([7.4, 6.2]), np.full(2, 0.01))
    initial = {**fed_batch().initial, "stirrer": 2.0}
    running = fed_batch(initial=initial, measurements={"pH": acid})
    rest = from_last_samples(model, running)
    assert rest.signals["pH"].unit == "1"
    assert rest.signals["pH"].time.tolist() == [-2.0, 0.0]
    assert rest.initial["stirrer"] == 2.0
    assert -5.0 < rest.initial["charge"] < -3.0
    whole, ahead = (simulate(model, run).require_finished() for run in (running, rest))
    assert float(ahead["charge"][-1]) == pytest.approx(float(whole["charge"][-1]), rel=1e-6)


def test_a_detection_limit_moves_only_what_was_simulated_above_it(sampled):
    glucose = float(sampled.measurements["GLC"].value[0])
    for limit, expected in ((glucose + 5.0, glucose), (glucose - 5.0, glucose - 5.0)):
        series = measured("GLC", limit, below=True)
        rest = from_last_samples(SMALL, replace(sampled, measurements={"GLC": series}))
        assert rest.initial["GLC"] == pytest.approx(expected, rel=1e-4)
