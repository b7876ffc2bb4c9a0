import math
from itertools import pairwise

import pytest
from sbml_models import sbml

from graycell.errors import InputError
from graycell.exchange.reading import imported


def read(**parts):
    return imported(sbml(**parts), "model.xml").file


def refusal(**parts):
    with pytest.raises(InputError) as caught:
        read(**parts)
    return str(caught.value)


AB = {"A": 10.0, "B": 0.0}
K = {"k": 0.5}


def test_a_concentration_is_an_amount_over_a_size():
    file = read(
        compartments={"C": 2.0}, species=AB, parameters=K, reactions={"J": ({"A": 1.0}, {"B": 2.0}, "k * A * C")}
    )
    assert file.reactions["J"].equation == "A => 2.0 B"
    assert file.reactions["J"].rate == "k * (A / C) * C"
    assert file.reactions["J"].volumetric
    assert not file.checked_units


def test_an_initial_concentration_gives_an_amount():
    species = {"A": {"initialConcentration": 3.0}, "B": 0.0}
    file = read(compartments={"C": 2.0}, species=species, reactions={"J": ({"A": 1.0}, {"B": 1.0}, "A")})
    assert file.species["A"].initial == 6.0


def test_an_amount_stays_an_amount():
    species = {"A": {"initialAmount": 3.0, "hasOnlySubstanceUnits": True}}
    assert (
        read(compartments={"C": 2.0}, species=species, reactions={"J": ({"A": 1.0}, {}, "A")}).reactions["J"].rate
        == "A"
    )


def test_species_of_a_point_are_amounts():
    parts = {"compartments": {"C": {"spatialDimensions": 0}}, "species": {"A": 3.0}}
    assert read(**parts, reactions={"J": ({"A": 1.0}, {}, "A")}).reactions["J"].rate == "A"


def test_boundary_species_are_left_alone():
    species = {"A": {"initialAmount": 10.0, "boundaryCondition": True}, "B": 0.0}
    file = read(species=species, parameters=K, reactions={"J": ({"A": 1.0}, {"B": 1.0}, "k * A")})
    assert file.reactions["J"].equation == "=> B"
    assert file.parameters["A"].value == 10.0


def test_a_reaction_that_changes_nothing_is_a_definition():
    species = {"A": {"initialAmount": 10.0, "boundaryCondition": True}}
    file = read(species=species, reactions={"J": ({"A": 1.0}, {}, "A")}, parameters={"y": {"constant": False}},
                assigned={"y": "J + 1"})  # fmt: skip
    assert not file.reactions
    assert file.definitions["J"].formula == "A"


def test_a_variable_stoichiometry_is_a_rate_for_each_species():
    reactions = {"J": ({"A": 1.0}, {"B": {"id": "n", "constant": False}}, "A")}
    file = read(species=AB, reactions=reactions, assigned={"n": "2 * time"})
    assert file.definitions["J"].formula == "A"
    assert file.reactions["J_A"].equation == "=> A"
    assert file.reactions["J_A"].rate == "(-1) * J"
    assert file.reactions["J_B"].rate == "n * J"


def test_a_conversion_factor_multiplies_what_a_reaction_changes():
    species = {"A": {"initialAmount": 1.0, "conversionFactor": "f"}, "B": 0.0}
    file = read(species=species, parameters={"f": 3.0}, reactions={"J": ({"A": 1.0}, {"B": 1.0}, "A")})
    assert file.reactions["J_A"].rate == "(-1) * f * J"
    assert file.reactions["J_B"].rate == "J"


def test_local_parameters_come_before_those_of_the_model():
    file = read(species=AB, parameters=K, reactions={"J": ({"A": 1.0}, {}, "k * A", {"k": 7.0})})
    assert file.reactions["J"].rate == "J_k * A"
    assert file.parameters["J_k"].value == 7.0


def test_a_compartment_that_grows_is_a_variable():
    file = read(compartments={"C": {"size": 2.0, "constant": False}}, species=AB, rates={"C": "0.1 * C"},
                reactions={"J": ({"A": 1.0}, {}, "A")})  # fmt: skip
    assert file.variables["C"].derivative == "0.1 * C"
    assert file.reactions["J"].rate == "A / C"


def test_the_rate_of_a_concentration_in_a_growing_compartment_moves_its_amount():
    file = read(compartments={"C": {"size": 2.0, "constant": False}}, species={"A": 4.0},
                rates={"C": "0.1", "A": "0.5"})  # fmt: skip
    assert file.variables["A"].derivative == "0.5 * C + A / C * 0.1"
    assert file.variables["A"].initial == 4.0


def test_rate_of_is_written_out():
    file = read(compartments={"C": 2.0}, species=AB, reactions={"J": ({"A": 1.0}, {}, "A")},
                parameters={"y": {"constant": False}}, assigned={"y": "rateOf(A)"})  # fmt: skip
    assert file.definitions["y"].formula == "(-1) * J / C"


def test_rate_of_a_constant_is_zero():
    file = read(parameters={"y": {"constant": False}, "k": 1.0}, assigned={"y": "rateOf(k)"})
    assert file.definitions["y"].formula == "0"


def test_initial_assignments_are_computed_in_the_order_of_what_they_need():
    file = read(parameters={"x": {"constant": True}, "y": {"constant": True}, "z": {"constant": False}},
                starts={"x": "2 * y", "y": "z + 1"}, assigned={"z": "time + 5"})  # fmt: skip
    assert file.parameters["x"].value == 12.0
    assert any("initial assignments of x, y" in remark.found for remark in file.remarks)


def test_a_long_chain_of_initial_assignments_is_computed():
    names = [f"p{i}" for i in range(1500)]
    starts = {name: f"{before} + 1" for before, name in pairwise(names)}
    file = read(parameters=dict.fromkeys(names, 1.0), starts=starts)
    assert file.parameters["p1499"].value == 1500.0


def test_an_initial_value_may_be_infinite():
    assert math.isinf(read(parameters={"x": 1.0}, starts={"x": "1 / 0"}).parameters["x"].value)


def test_an_event_sets_an_amount():
    events = {"E": {"when": "A < 2", "set": {"A": "5"}, "priority": "3", "persistent": False, "initially": False}}
    file = read(compartments={"C": 2.0}, species=AB, reactions={"J": ({"A": 1.0}, {}, "A")}, events=events)
    trigger = file.triggers["E"]
    assert trigger.set == {"A": "5 * C"}
    assert trigger.when == "A / C < 2"
    assert (trigger.priority, trigger.persistent, trigger.initially, trigger.at_trigger) == ("3", False, False, True)


def test_an_event_that_sets_a_size_too_uses_the_size_before_it():
    events = {"E": {"when": "time > 2", "set": {"A": "5", "C": "2 * C"}}}
    file = read(compartments={"C": {"size": 2.0, "constant": False}}, species=AB, events=events)
    assert file.triggers["E"].set == {"A": "5 * C", "C": "2 * C"}
    assert file.variables["C"].derivative == "0"


def test_what_is_not_supported_is_refused_by_name_all_at_once():
    def change(document):
        model = document.getModel()
        model.getReaction("J").setFast(True)
        rule = model.createAlgebraicRule()
        from sbml_models import maths

        rule.setMath(maths("k - 1"))

    said = refusal(species=AB, parameters=K, reactions={"J": ({"A": 1.0}, {}, "k * A")}, change=change, version=1,
                   events={"E": {"when": "time > 1", "set": {"A": "1"}, "delay": "2"}})  # fmt: skip
    assert "a fast reaction" in said
    assert "an algebraic rule" in said
    assert "an event with a delay" in said


def test_a_reaction_without_a_law_is_refused():
    assert "reaction 'J': found no kinetic law" in refusal(species=AB, reactions={"J": ({"A": 1.0}, {}, None)})


def test_a_value_that_is_used_and_not_given_is_refused_by_name():
    said = refusal(species=AB, parameters={"k": {"constant": True}}, reactions={"J": ({"A": 1.0}, {}, "k * A")})
    assert "parameter 'k': found no value; a value at time 0 is needed" in said


def test_a_value_that_nothing_uses_may_be_missing():
    assert (
        "k"
        not in read(species=AB, parameters={"k": {"constant": True}}, reactions={"J": ({"A": 1.0}, {}, "A")}).parameters
    )


def test_a_size_that_is_used_and_not_given_is_refused():
    said = refusal(compartments={"C": {"spatialDimensions": 3}}, species=AB, reactions={"J": ({"A": 1.0}, {}, "A")})
    assert "compartment 'C': found no value" in said


def test_a_circle_is_refused_with_its_names():
    said = refusal(
        parameters={"x": {"constant": False}, "y": {"constant": False}}, assigned={"x": "y + 1", "y": "x + 1"}
    )
    assert "a circle" in said


def test_a_circle_of_initial_assignments_is_refused():
    said = refusal(species=AB, parameters={"x": 1.0, "y": 1.0}, starts={"x": "y", "y": "x"},
                   reactions={"J": ({"A": 1.0}, {}, "x * A")})  # fmt: skip
    assert "a circle: x needs y needs x" in said


def test_the_rate_of_an_assigned_symbol_is_refused():
    said = refusal(parameters={"x": {"constant": False}, "y": {"constant": False}},
                   assigned={"x": "time", "y": "rateOf(x)"})  # fmt: skip
    assert "rateOf a symbol with an assignment rule" in said


def test_contradictions_are_refused():
    said = refusal(
        species=AB,
        parameters={"k": 1.0, "x": {"constant": False}},
        reactions={"J": ({"A": 1.0}, {}, "A")},
        assigned={"k": "2", "A": "3", "x": "1"},
        starts={"x": "4"},
    )
    assert "parameter 'k': found constant, and changed by a rule or an event" in said
    assert "species 'A': found changed by a reaction, and by a rule or constant" in said
    assert "parameter 'x': found an assignment rule, and another value" in said


def test_an_amount_that_depends_on_the_order_of_events_is_refused():
    events = {"E": {"when": "time > 1", "set": {"A": "5"}}, "F": {"when": "time > 1", "set": {"C": "3"}}}
    said = refusal(compartments={"C": {"size": 2.0, "constant": False}}, species=AB, events=events)
    assert "the amount would depend on the order of the events" in said


def test_remarks_say_what_one_unit_of_time_is():
    assert any("one unit of time of the file is one day here" in remark.needed for remark in read(species=AB).remarks)
