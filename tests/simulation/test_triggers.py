"""Triggers: their times and values by hand, the rules of events of SBML, and what they leave alone."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.errors import ModelError
from graycell.formulas import Formula
from graycell.models.plain import model_from_plain, model_to_plain

K = 0.7
"""[1/d] of the decay of A."""
LOW, HIGH = 1.0, 10.0
EXACT = gc.SolverSettings(rtol=1e-10, atol=1e-12)


def trigger(when, priority=None, persistent=True, initially=True, at_trigger=True, **values):
    targets = tuple(values)
    laws = tuple(Formula(str(values[name])) for name in targets)
    return gc.Trigger(Formula(when), targets, laws, None if priority is None else Formula(str(priority)), persistent,
                      initially, at_trigger)  # fmt: skip


def decay(triggers, variables=("n",), **changes):
    """A species A that decays, B that does nothing, and variables that only triggers change."""
    definition = {
        "name": "decay", "species": {"A": "mmol/L", "B": "mmol/L"}, "reactions": {"decay": "A =>"},
        "rates": {"decay": gc.Volumetric(gc.Rate("k") * Formula("A"))}, "parameters": {"k": K}, "triggers": triggers,
        "variables": {**{name: gc.StateVariable(0.0) for name in variables}, "time": gc.Clock()},
    }  # fmt: skip
    return gc.CultureModel(**{**definition, **changes})


def simulated(model, end=6.0, initial=None, save_at=None, **run):
    described = gc.CultureRun("run", 1.0, {"A": HIGH, "B": 1.0, **(initial or {})}, end=end, **run)
    return gc.simulate(model, described, EXACT, save_at=save_at, points=2)


def final(model, **run):
    found = simulated(model, **run).require_finished()
    return {name: float(np.asarray(found[name])[-1]) for name in (*model.species, *model.variable_names)}


REFILL = {"refill": trigger(f"A < {LOW}", A=HIGH, n="n + 1")}


def test_a_species_that_is_refilled_at_a_threshold_has_the_times_that_are_known_by_hand():
    period = np.log(HIGH / LOW) / K
    days = np.linspace(0.0, 12.0, 61)
    found = simulated(decay(REFILL), end=12.0, save_at=days).require_finished()
    since, count = np.mod(days, period), np.floor(days / period)
    assert np.allclose(found["A"], HIGH * np.exp(-K * since), rtol=1e-8)
    assert np.array_equal(found["n"], count)
    assert np.allclose(found["B"], 1.0, rtol=1e-14)


def test_the_time_of_a_trigger_is_exact_and_the_clock_shows_it():
    model = decay({"note": trigger(f"A < {LOW}", seen="time")}, ("seen",))
    assert final(model)["seen"] == pytest.approx(np.log(HIGH / LOW) / K, abs=1e-10)
    at_time = decay({"note": trigger("time >= 2.125", seen="time", B="A")}, ("seen",))
    found = final(at_time)
    assert found["seen"] == pytest.approx(2.125, abs=1e-12)
    assert found["B"] == pytest.approx(HIGH * np.exp(-K * 2.125), rel=1e-9)
    assert found["time"] == 6.0  # at the end of a segment it is the end and not the sum of steps
    assert np.array_equal(simulated(at_time, save_at=[0.1, 0.3, 5.7])["time"], [0.1, 0.3, 5.7])


def test_a_trigger_at_the_end_of_a_segment_fires_once():
    model = decay({"note": trigger("time >= 2", n="n + 1")})
    days = np.array([1.0, 2.0, 3.0])
    assert np.array_equal(simulated(model, save_at=days)["n"], [0.0, 1.0, 1.0])
    assert final(model, events=(gc.Sample(2.0, 0.1), gc.Bolus(2.0, "feed", 0.1)), media={"feed": {}})["n"] == 1.0
    assert final(model, end=2.0)["n"] == 1.0


@pytest.mark.parametrize(("initially", "count"), [(True, 0.0), (False, 1.0)])
def test_a_condition_that_holds_at_time_0_fires_only_if_it_was_false_before(initially, count):
    model = decay({"note": trigger("A > 5", initially=initially, n="n + 1")})
    assert final(model)["n"] == count
    again = decay({"note": trigger("A > 5", initially=initially, n="n + 1"), **REFILL}, ("n",))
    assert final(again, end=4.0)["n"] == count + 2.0  # the refill and the note after it


def test_a_trigger_at_time_0_sets_what_the_run_begins_with():
    model = decay({"begin": trigger("time >= 0", initially=False, A="2 * A", n=7)})
    found = simulated(model, save_at=[0.0, 1.0]).require_finished()
    assert np.allclose(found["A"], [2 * HIGH, 2 * HIGH * np.exp(-K)], rtol=1e-9)
    assert np.array_equal(found["n"], [7.0, 7.0])


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(1, 2, 3.0 * 1.0 + 5.0), (2, 1, 3.0 * (1.0 + 5.0)), (None, 1, 8.0), (None, None, 18.0)]
)
def test_of_triggers_that_fire_together_the_one_of_higher_priority_is_first(first, second, expected):
    both = {"add": trigger("time > 1", first, at_trigger=False, B="B + 5"),
            "triple": trigger("time > 1", second, at_trigger=False, B="3 * B")}  # fmt: skip
    assert final(decay(both))["B"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("at_trigger", "expected"), [(True, 100.0), (False, 60.0)])
def test_values_are_those_of_the_trigger_time_or_of_its_turn(at_trigger, expected):
    both = {"first": trigger("time > 1", 2, B="6"), "second": trigger("time > 1", 1, at_trigger=at_trigger, n="10 * B")}
    assert final(decay(both), initial={"B": 10.0})["n"] == pytest.approx(expected)


@pytest.mark.parametrize(("persistent", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_trigger_whose_condition_another_one_undoes_happens_only_if_it_is_persistent(persistent, expected):
    both = {"undo": trigger("A < 2", 2, A=HIGH), "note": trigger("A < 2", 1, persistent, n="n + 1")}
    period = np.log(HIGH / 2.0) / K
    assert final(decay(both), end=1.5 * period)["n"] == expected
    assert final(decay(both), end=3.5 * period)["n"] == 3.0 * expected


def test_a_trigger_may_set_off_another_one_at_the_same_time():
    chain = {"a": trigger("time > 1", n=1), "b": trigger("n == 1", m=2), "c": trigger("m == 2", B=30)}
    found = final(decay(chain, ("n", "m")))
    assert (found["n"], found["m"], found["B"]) == (1.0, 2.0, 30.0)


def test_several_targets_are_set_with_the_values_before():
    swap = {"swap": trigger("time > 1", A="B", B="A")}
    found = final(decay(swap), end=1.0 + 1e-9)
    assert found["B"] == pytest.approx(HIGH * np.exp(-K), rel=1e-6)
    assert found["A"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize(
    "triggers",
    [
        {"up": trigger("n < 1", n=1, initially=False), "down": trigger("n >= 1", n=0)},
        {"up": trigger("time > 1 && n < 1", n=1), "down": trigger("n >= 1", n=0)},
        {"again": trigger("A < 5", A=5, n="n + 1")},  # at 5 it is true again at once, for ever
    ],
    ids=["at time 0", "later", "Zeno"],
)
def test_a_chain_without_end_is_a_status_and_no_hang(triggers):
    began = time.perf_counter()
    found = simulated(decay(triggers), end=2.0)
    if found.status != gc.SimulationStatus.finished:
        assert found.status == gc.SimulationStatus.too_many_steps
        with pytest.raises(gc.SimulationError, match="run 'run'"):
            found.require_finished()
    else:
        assert float(np.asarray(found["n"])[-1]) > 100
    assert time.perf_counter() - began < 60.0


def test_a_chain_that_never_ends_says_that_it_may_be_the_triggers():
    found = simulated(decay({"up": trigger("n < 1", n=1, initially=False), "down": trigger("n >= 1", n=0)}))
    assert found.status == gc.SimulationStatus.too_many_steps
    assert "trigger" in found.status.remedy


def test_boluses_of_the_run_and_triggers_of_the_model_go_together():
    fed = {"media": {"feed": {"A": 100.0}}, "events": (gc.Bolus(1.0, "feed", 0.25), gc.Sample(2.0, 0.25), gc.Feed(3.0, "feed", 0.1))}
    days = np.linspace(0.0, 5.0, 21)
    found = simulated(decay({"note": trigger("A > 15", n="n + 1", B="B / 2")}), 5.0, save_at=days, **fed).require_finished()
    plain = simulated(decay({}), 5.0, save_at=days, **fed).require_finished()
    assert np.allclose(found["A"], plain["A"], rtol=1e-8)
    assert np.allclose(found.volume, plain.volume, rtol=1e-12)
    after = (HIGH * np.exp(-K) + 0.25 * 100.0) / 1.25
    assert after > 15.0
    assert np.array_equal(found["n"], np.where(days > 1.0, 1.0, 0.0))  # the bolus made it true
    assert np.allclose(found["B"], np.asarray(plain["B"]) * np.where(days > 1.0, 0.5, 1.0), rtol=1e-9)


def test_a_set_point_of_the_run_may_set_a_trigger_off():
    model = decay({"shift": trigger("T < 35", n=1, B="B + T")}, inputs={"T": gc.Input("degC", 37.0)})
    days = np.array([1.0, 2.0, 3.0])
    found = simulated(model, save_at=days, events=(gc.Setpoint(2.0, 33.0, "T"),))
    assert np.allclose(found["B"], [1.0, 1.0, 34.0])


def test_a_trigger_that_sets_nothing_changes_nothing():
    silent = {"silent": gc.Trigger(Formula("A < 3"), (), ()), "other": gc.Trigger(Formula("sin(20 * time) > 0"), (), ())}
    days = np.linspace(0.0, 6.0, 13)
    found, plain = (simulated(decay(one), save_at=days).require_finished() for one in (silent, {}))
    assert np.allclose(found["A"], plain["A"], rtol=1e-9)
    assert np.array_equal(found.volume, plain.volume)
    assert np.allclose(found["A"], HIGH * np.exp(-K * days), rtol=1e-9)


def test_cells_that_are_shifted_once_they_are_many_enough():
    model = gc.CultureModel(
        reactions={"growth": "=> VCD"}, rates={"growth": gc.Rate("mu") * gc.VariableValue("on")}, parameters={"mu": 0.5},
        variables={"on": gc.StateVariable(0.0, 1.0)}, triggers={"shift": trigger("VCD > 4", on=0.2)},
    )  # fmt: skip
    days = np.linspace(0.0, 6.0, 13)
    run = gc.CultureRun("run", 1.0, {"VCD": 1.0}, end=6.0)
    found = gc.simulate(model, run, EXACT, save_at=days).require_finished()
    when = np.log(4.0) / 0.5
    expected = np.where(days < when, np.exp(0.5 * days), 4.0 * np.exp(0.1 * (days - when)))
    assert np.allclose(found["VCD"], expected, rtol=1e-8)


REFUSED = "a model with triggers has no derivative"


def test_there_is_no_derivative_and_a_sentence_says_so():
    model = decay(REFILL)

    def at_the_end(k):
        return simulated(model.with_parameters({"k": k})).final["A"]

    for derivative in (jax.grad, jax.jacfwd):
        with pytest.raises(ModelError, match=REFUSED):
            derivative(at_the_end)(jnp.asarray(K))
    without = jax.grad(lambda k: simulated(decay({}).with_parameters({"k": k})).final["A"])(jnp.asarray(K))
    assert float(without) == pytest.approx(-6.0 * HIGH * np.exp(-6.0 * K), rel=1e-6)


def test_a_fit_of_a_model_with_triggers_is_refused_before_anything_is_compiled():
    model = decay(REFILL, parameters={"k": gc.Parameter(K, "1/d")})
    days = np.array([1.0, 2.0])
    measured = {"A": gc.Measurement("A", "mmol/L", days, np.array([5.0, 2.5]), np.array([0.1, 0.1]))}
    run = gc.CultureRun("run", 1.0, {"A": HIGH, "B": 1.0}, measured, end=2.0)
    for start in (lambda: gc.Problem.of(model, [run]) if hasattr(gc.Problem, "of") else gc.fit(model, [run]),
                  lambda: gc.fit(model, [run])):  # fmt: skip
        began = time.perf_counter()
        with pytest.raises(gc.GraycellError, match=REFUSED):
            start()
        assert time.perf_counter() - began < 2.0


def test_triggers_are_written_and_read_and_make_models_that_differ():
    model = decay(REFILL)
    assert model_from_plain(model_to_plain(model)) == model
    assert model != decay({})
    assert model == decay(REFILL)


def test_an_unknown_target_is_a_sentence():
    with pytest.raises(ModelError, match="trigger 'a' sets 'C', which is no species and no variable; Known: A, B, n"):
        decay({"a": trigger("A < 1", C=1)})
    with pytest.raises(ModelError, match="trigger 'a': 'C' is not known"):
        decay({"a": trigger("C < 1", A=1)})
