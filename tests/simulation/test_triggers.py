"""Triggers: their times and values by hand, the rules of events of SBML, and what they leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import graycell as gc
from graycell.errors import ModelError
from graycell.formulas import Formula
from graycell.model import CultureState, Surroundings
from graycell.models.plain import model_from_plain, model_to_plain
from graycell.reactor import Flows
from graycell.simulation.triggers import fire

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


def fired(triggers, now=2.0, before=False, **values):
    """What triggers do at one time, without a simulation; before: whether their conditions held."""
    model = decay(triggers, ("n", "m"))
    values = {"A": HIGH, "B": 1.0, "n": 0.0, "m": 0.0, **values}
    state = CultureState(jnp.array([values[name] for name in model.species]), jnp.ones(()),
                         jnp.array([values["n"], values["m"], now]))
    around = Surroundings(jnp.zeros(0), Flows(jnp.zeros(1), jnp.zeros(()), jnp.zeros(())), jnp.zeros((1, 2)),
                          time=jnp.asarray(now))
    after, true, ok = fire(model, around, state, jnp.full(len(triggers), before))
    names = dict(zip((*model.species, "n", "m"), map(float, (*after.amounts, *after.variables)), strict=False))
    return names, [bool(one) for one in true], bool(ok)


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
    both = {"low": trigger(f"A < {LOW}", seen="time"), "later": trigger("time >= 2.125", n="time", B="A")}
    found = simulated(decay(both, ("seen", "n")), save_at=[0.1, 0.3, 6.0]).require_finished()
    assert np.array_equal(found["time"], [0.1, 0.3, 6.0])  # at the end of a segment it is the end and no sum of steps
    assert float(np.asarray(found["seen"])[-1]) == pytest.approx(np.log(HIGH / LOW) / K, abs=1e-10)
    assert float(np.asarray(found["n"])[-1]) == pytest.approx(2.125, abs=1e-12)
    assert float(np.asarray(found["B"])[-1]) == pytest.approx(HIGH * np.exp(-K * 2.125), rel=1e-9)


def test_a_trigger_at_the_end_of_a_segment_fires_once():
    note = decay({"note": trigger("time >= 2", n="n + 1")})
    events = {"events": (gc.Sample(2.0, 0.1), gc.Bolus(2.0, "feed", 0.1)), "media": {"feed": {}}}
    assert np.array_equal(simulated(note, save_at=[1.0, 2.0, 3.0], **events)["n"], [0.0, 1.0, 1.0])
    assert np.array_equal(simulated(note, save_at=[1.0, 2.0, 2.0], end=2.0)["n"], [0.0, 1.0, 1.0])


@pytest.mark.parametrize("initially", [True, False])
def test_a_condition_that_holds_at_time_0_fires_only_if_it_was_false_before(initially):
    both = {"note": trigger("A > 5", initially=initially, n="n + 1"),
            "begin": trigger("time >= 0", initially=initially, B=5)}
    found = simulated(decay(both), save_at=[0.0, 1.0]).require_finished()
    assert np.array_equal(found["n"], [0.0, 0.0] if initially else [1.0, 1.0])
    assert np.allclose(found["B"], [1.0, 1.0] if initially else [5.0, 5.0], rtol=1e-12)
    assert np.allclose(found["A"], [HIGH, HIGH * np.exp(-K)], rtol=1e-9)


def test_only_a_condition_that_becomes_true_fires():
    note = {"note": trigger("A > 5", n="n + 1")}
    assert fired(note) == ({"A": HIGH, "B": 1.0, "n": 1.0, "m": 0.0}, [True], True)
    assert fired(note, before=True)[0]["n"] == 0.0
    assert fired(note, A=4.0) == ({"A": 4.0, "B": 1.0, "n": 0.0, "m": 0.0}, [False], True)


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(1, 2, 8.0), (2, 1, 18.0), (None, 1, 8.0), (None, None, 18.0), ("A", "B", 18.0)]
)
def test_of_triggers_that_fire_together_the_one_of_higher_priority_is_first(first, second, expected):
    both = {"add": trigger("time > 1", first, at_trigger=False, B="B + 5"),
            "triple": trigger("time > 1", second, at_trigger=False, B="3 * B")}  # fmt: skip
    assert fired(both)[0]["B"] == expected


@pytest.mark.parametrize(("at_trigger", "expected"), [(True, 100.0), (False, 60.0)])
def test_values_are_those_of_the_trigger_time_or_of_its_turn(at_trigger, expected):
    both = {"first": trigger("time > 1", 2, B="6"), "second": trigger("time > 1", 1, at_trigger=at_trigger, n="10 * B")}
    assert fired(both, B=10.0)[0]["n"] == expected


@pytest.mark.parametrize(("persistent", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_trigger_whose_condition_another_one_undoes_happens_only_if_it_is_persistent(persistent, expected):
    both = {"undo": trigger("A < 2", 2, A=HIGH), "note": trigger("A < 2", 1, persistent, n="n + 1")}
    found, true, ok = fired(both, A=1.9)
    assert (found["A"], found["n"], true, ok) == (HIGH, expected, [False, False], True)


def test_a_trigger_may_set_off_another_one_at_the_same_time():
    chain = {"a": trigger("time > 1", n=1), "b": trigger("n == 1", m=2), "c": trigger("m == 2", B=30)}
    assert fired(chain)[0] == {"A": HIGH, "B": 30.0, "n": 1.0, "m": 2.0}


def test_several_targets_are_set_with_the_values_before():
    assert fired({"swap": trigger("time > 1", A="B", B="A")})[0] == {"A": 1.0, "B": HIGH, "n": 0.0, "m": 0.0}


def test_a_chain_without_end_at_one_time_is_a_status():
    endless = {"up": trigger("n < 1", n=1, initially=False), "down": trigger("n >= 1", n=0)}
    assert fired(endless)[2] is False
    found = simulated(decay(endless))
    assert found.status == gc.SimulationStatus.too_many_steps
    assert "whether triggers set each other off without end" in found.status.remedy
    with pytest.raises(gc.SimulationError, match="run 'run'"):
        found.require_finished()


def test_a_threshold_that_is_met_again_and_again_ends_or_is_a_status():
    found = simulated(decay({"again": trigger("A < 5", A="5 * (1 + 1e-9)", n="n + 1")}), end=2.0)
    assert found.status in (gc.SimulationStatus.finished, gc.SimulationStatus.too_many_steps)
    assert found.status != gc.SimulationStatus.finished or float(np.asarray(found["n"])[-1]) > 1000


def test_boluses_of_the_run_and_triggers_of_the_model_go_together():
    fed = {"media": {"feed": {"A": 100.0}},
           "events": (gc.Bolus(1.0, "feed", 0.25), gc.Sample(2.0, 0.25), gc.Feed(3.0, "feed", 0.1))}
    days = np.linspace(0.0, 5.0, 21)
    found = simulated(decay({"note": trigger("A > 15", n="n + 1", B="B / 2")}), 5.0, save_at=days,
                      **fed).require_finished()
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
    silent = {"silent": gc.Trigger(Formula("A < 3"), (), ()),
              "other": gc.Trigger(Formula("sin(20 * time) > 0"), (), ())}
    days = np.linspace(0.0, 6.0, 13)
    found = simulated(decay(silent), save_at=days).require_finished()
    assert np.array_equal(found.volume, np.ones(len(days)))
    assert np.allclose(found["B"], 1.0, rtol=1e-15)
    assert np.allclose(found["A"], HIGH * np.exp(-K * days), rtol=1e-9)


def test_cells_that_are_shifted_once_they_are_many_enough():
    model = gc.CultureModel(
        reactions={"growth": "=> VCD"}, rates={"growth": gc.Rate("mu") * gc.VariableValue("on")},
        parameters={"mu": 0.5},
        variables={"on": gc.StateVariable(0.0, 1.0)}, triggers={"shift": trigger("VCD > 4", on=0.2)},
    )  # fmt: skip
    days = np.linspace(0.0, 6.0, 13)
    run = gc.CultureRun("run", 1.0, {"VCD": 1.0}, end=6.0)
    found = gc.simulate(model, run, EXACT, save_at=days).require_finished()
    when = np.log(4.0) / 0.5
    expected = np.where(days < when, np.exp(0.5 * days), 4.0 * np.exp(0.1 * (days - when)))
    assert np.allclose(found["VCD"], expected, rtol=1e-8)


def test_there_is_no_derivative_and_a_sentence_says_so():
    model = decay(REFILL)
    with pytest.raises(ModelError, match="a model with triggers has no derivative: the times at which they fire"):
        jax.grad(lambda k: simulated(model.with_parameters({"k": k})).final["A"])(jnp.asarray(K))


def test_a_fit_of_a_model_with_triggers_is_refused_before_anything_is_compiled():
    model = decay(REFILL, parameters={"k": gc.Parameter(K, "1/d")})
    days = np.array([1.0, 2.0])
    measured = {"A": gc.Measurement("A", "mmol/L", days, np.array([5.0, 2.5]), np.array([0.1, 0.1]))}
    run = gc.CultureRun("run", 1.0, {"A": HIGH, "B": 1.0}, measured, end=2.0)
    for start in (gc.fit, gc.Problem):
        with pytest.raises(ModelError, match="model 'decay' has the triggers refill: there is no derivative"):
            start(model, [run])


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


def test_one_that_becomes_true_again_before_its_turn_happens_twice():
    triggers = {
        "up": trigger("time >= 1", 10, n=2),
        "down": trigger("time >= 1", 9, n=0),
        "again": trigger("time >= 1", 8, n=2),
        "counted": trigger("n > 1", 1, at_trigger=False, m="m + 1"),
        "stored": trigger("n > 1", 1, B="B + 1"),
    }
    made = simulated(decay(triggers, ("n", "m")), end=2.0)
    assert float(made["m"][-1]) == 2.0
    assert float(made["B"][-1]) == 2.0  # both times the value of when it became true, 1 + 1


def test_one_that_waits_twice_with_other_values_ends_in_a_status():
    triggers = {
        "up": trigger("time >= 1", 10, n=2),
        "down": trigger("time >= 1", 9, n=0, m=5),
        "again": trigger("time >= 1", 8, n=2),
        "stored": trigger("n > 1", 1, B="m + 1"),
    }
    made = simulated(decay(triggers, ("n", "m")), end=2.0)
    assert made.status is not gc.SimulationStatus.finished


def test_a_value_that_is_no_number_is_set_and_seen():
    made = simulated(decay({"wrong": trigger("time >= 1", n="0 / 0 * A")}), end=2.0)
    assert made.status is not gc.SimulationStatus.finished
