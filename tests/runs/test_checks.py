from dataclasses import replace

import numpy as np
import pytest

from graycell.runs import (
    Bolus,
    CultureRun,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    Signal,
    check_runs,
)
from graycell.runs.checks import LIMITS, value_fault
from graycell.runs.model_names import ModelNames
from graycell.units import INTERNAL_UNITS


def series(quantity, *values, unit="mmol/L", time=None):
    value = np.array(values, dtype=float)
    time = np.arange(len(values), dtype=float) if time is None else np.array(time, dtype=float)
    return Measurement(quantity, unit, time, value, np.ones_like(value))


def culture(**changes):
    sound = CultureRun(
        name="A",
        initial_volume=1.0,
        initial={"GLC": 40.0, "R": 2.0},
        measurements={
            "GLC": series("GLC", 40, 30, 20),
            "VCD": series("VCD", 1, 2, 3, unit="1e9 cells/L"),
            "TCD": series("TCD", 1, 2, 4, unit="1e9 cells/L"),
        },
        media={"feed": {"GLC": 400.0}},
        end=2.0,
    )
    return replace(sound, **changes)


def sentences_of(run, species=None):
    return "\n".join(str(finding) for finding in check_runs([run], species))


def test_a_sound_run_has_no_findings():
    events = (
        Feed(0.0, "feed", 0.1),
        Sample(1.0, 0.02),
        Bolus(1.0, "feed", 0.03),
        Setpoint(1.0, 33.0),
        Outflow(1.5, 0.2),
        Replacement(2.0, "feed", 0.03),
    )
    assert check_runs([culture(events=events)], ["GLC"]) == []


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"initial_volume": 0.0}, "initial volume: found 0; an initial volume is > 0"),
        ({"initial_volume": float("nan")}, "initial volume: found nan"),
        ({"initial_temperature": 310.15}, "initial temperature: found 310.15; a culture is liquid"),
        ({"initial": {"GLC": -1.0}}, "initial GLC: found -1; concentrations are >= 0"),
        ({"media": {"feed": {"GLC": 1e5}}}, "medium 'feed', GLC: found 100000; pure GLC has less than 1.11e+04"),
        ({"measurements": {"GLC": series("GLC", 1, -2, 3)}}, "GLC at 1 d: found -2"),
        ({"measurements": {"GLC": series("GLC", 1, 2, 30000)}}, "GLC at 2 d: found 30000; pure GLC has less"),
        ({"measurements": {"MEOH": series("MEOH", 1, 2, 7e4)}}, "MEOH at 2 d: found 70000; no liquid holds more"),
        ({"measurements": {"VCD": series("VCD", 1, 2, 2.5e6)}}, "not even bacteria fit more"),
        ({"measurements": {"pH": series("pH", 7.0, 73.0, 7.1, unit="1")}}, "pH at 1 d: found 73; a pH is -2 to 16"),
        ({"measurements": {"viability": series("viability", 0.9, 1.2, 0.7)}}, "viability is 0 to 1"),
        ({"signals": {"viability": Signal("viability", "1", np.zeros(1), np.array([97.0]))}}, "for percent"),
        ({"measurements": {"GLC": series("GLC", 1, 2, time=[1, 1])}}, "1 d after 1 d; times rise"),
        ({"events": (Bolus(1.0, "feed", -0.1),)}, "Bolus at 1 d: found -0.1; volumes are >= 0"),
        ({"events": (Feed(1.0, "feed", -0.1),)}, "rates are >= 0"),
        ({"events": (Setpoint(1.0, 310.15),)}, "Setpoint at 1 d: found 310.15"),
        ({"events": (Replacement(1.0, "feed", 3.0),)}, "a fraction is 0 to 1"),
        ({"events": (Sample(-1.0, 0.1),)}, "events lie between 0 and the end of the run at 2 d"),
        ({"events": (Sample(2.5, 0.1),)}, "events lie between 0 and the end of the run at 2 d"),
        ({"events": (Sample(2.0, 0.1), Sample(1.0, 0.1))}, "events are in the order of time"),
        ({"events": (Bolus(1.0, "feeed", 0.1),)}, "did you mean 'feed'?"),
        ({"measurements": {"LAC": series("LAC", 1, 2, 3)}}, "initial LAC: found no value"),
        ({"measurements": {"GLC": series("GLC", 1, 2)}}, "found 2 sample times"),
        ({"measurements": {"GLC": series("GLC", 1, 2, 3)}}, "neither viability nor both VCD and TCD"),
    ],
)
def test_each_fault_of_a_run_has_its_sentence(changes, clause):
    assert clause in sentences_of(culture(**changes))


@pytest.mark.parametrize(("changes", "clause"), [
    ({"initial_temperature": 4.0}, "temperature: found 4 degC; animal cells, yeasts and most bacteria are kept at 20"),
    ({"events": (Setpoint(1.0, 12.0), Setpoint(2.0, 10.0))}, "found 10 degC, and 1 more values"),
    ({"initial_temperature": 70.0}, "thermophiles above"),
    ({"media": {"feed": {"MEOH": 24700.0}}}, "medium 'feed', MEOH: found 24700 mmol/L; few media hold more than 5000"),
    ({"media": {"base": {"NH3": 13400.0}}}, "25 % ammonia 13400"),
    ({"measurements": {"VCD": series("VCD", 500, 1500, 5000, unit="1e9 cells/L")}}, "VCD: found 5000 1e9 cells"),
    ({"measurements": {"GLC": series("GLC", 3000, 2000, 1000)}}, "GLC: found 3000 mmol/L, and 2 more values"),
    ({"measurements": {"LAC": series("LAC", 10, 500, 900)}}, "lactic acid bacteria make more"),
    ({"measurements": {"NH3": series("NH3", 10, 50, 400)}}, "microbes are fed with more"),
    ({"measurements": {"ETOH": series("ETOH", 10, 2050, 400)}}, "few cultures hold more than 2000 mmol/L of anything"),
    ({"measurements": {"X": series("X", 1, 1200, 40, unit="g/L")}}, "few media hold more than 1000 g/L"),
    ({"measurements": {"pH": series("pH", 7.0, 1.7, 7.1, unit="1")}}, "cultures are kept at pH 3 to 10"),
    ({"measurements": {"VCD": series("VCD", 1e-3, 2e-3, 5e-3, unit="1e9 cells/L")}}, "a culture reaches 0.05"),
])  # fmt: skip
def test_what_only_some_organism_does_is_one_remark_and_no_error(changes, clause):
    findings = [finding for finding in check_runs([culture(**changes)]) if clause in str(finding)]
    assert [finding.severity for finding in findings] == ["warning"]
    assert not [finding for finding in check_runs([culture(**changes)]) if finding.severity == "error"]


@pytest.mark.parametrize("changes", [
    {"initial_temperature": 30.0, "measurements": {"X": series("X", 3, 20, 90, unit="g/L")}},
    {"measurements": {"VCD": series("VCD", 20, 120, 200, unit="1e9 cells/L")}},
    {"measurements": {"pH": series("pH", 5.0, 5.1, 4.9, unit="1")}},
])  # fmt: skip
def test_a_yeast_in_grams_and_a_perfusion_are_as_usual(changes):
    said = sentences_of(culture(**changes))
    assert "look at the unit" not in said
    assert "leave it" not in said


@pytest.mark.parametrize("celsius", [-300.0, -40.0, 150.0, 310.15])
def test_a_culture_is_liquid(celsius):
    faults = [finding for finding in check_runs([culture(initial_temperature=celsius)]) if finding.severity == "error"]
    assert ["a culture is liquid" in str(finding) for finding in faults] == [True]


@pytest.mark.parametrize(("value", "found", "unit", "words"), [
    (1.004, "100.4", "%", "found 100.4; viability is at most 100 %; correct the value; of a quotient of two counts"),
    (1.2, "120", "%", "found 120; viability is at most 100 %; correct the value."),
    (9.74, "974", "percent", "viability is at most 100 %"),
    (97.5, "97.5", "", "viability is 0 to 1; for percent write [%]"),
    (97.5, "97.5", "1", "for percent write [%]"),
    (-0.1, "-10", "%", "found -10; viability is 0 to 1"),
])  # fmt: skip
def test_the_remedy_for_a_viability_is_not_the_unit_that_it_has(value, found, unit, words):
    assert words in str(value_fault("here", "viability", value, found, unit=unit))


@pytest.mark.parametrize(
    ("events", "clause"),
    [
        ((Sample(1.0, 1.01),), "found 1.01 L; the vessel holds 1 L"),
        ((Sample(1.0, 0.6), Sample(2.0, 0.6)), "found 0.6 L; the vessel holds 0.4 L"),
        ((Bolus(1.0, "feed", 0.5), Sample(2.0, 1.4)), ""),
        ((Feed(0.0, "feed", 0.5), Sample(1.0, 1.4)), ""),
        ((Feed(0.0, "feed", 0.5), Sample(1.0, 1.6)), "the vessel holds 1.5 L"),
        ((Feed(0.0, "feed", 0.5), Feed(0.5, "feed", 0.0), Sample(1.0, 1.3)), "the vessel holds 1.25 L"),
        ((Outflow(0.0, 0.4), Outflow(0.0, 0.4, retains_cells=True)), "the vessel never runs empty"),
        ((Outflow(0.0, 0.4), Feed(0.0, "feed", 0.4)), ""),
    ],
)
def test_the_volume_is_followed_through_the_events(events, clause):
    sentences = sentences_of(culture(events=events))
    assert clause in sentences
    assert bool(sentences) == bool(clause)


def test_every_species_of_the_model_needs_a_beginning():
    [finding] = check_runs([culture()], ["GLC", "ASP"])
    assert finding.severity == "error"
    assert "ASP needs a concentration at time 0" in str(finding)


@pytest.mark.parametrize(
    ("name", "unit"),
    [("osmolality", "mOsm/kg"), ("Osmo", "mOsm/L"), ("pO2", "mmHg"), ("broth temperature", "degC"), ("pH", "1"),
     ("diameter", "um"), ("conductivity", "mS/cm"), ("LDH", "U/L")],
)  # fmt: skip
def test_what_a_sensor_shows_needs_no_concentration_at_the_start(name, unit):
    measured = {**culture().measurements, name: series(name, 7.0, 7.1, 7.2, unit=unit)}
    assert "at time 0" not in sentences_of(culture(measurements=measured))


@pytest.mark.parametrize(("name", "unit"), [("LAC", "mmol/L"), ("biomass", "g/L"), ("lysed", "1e9 cells/L")])
def test_what_is_dissolved_needs_a_concentration_at_the_start(name, unit):
    measured = {**culture().measurements, name: series(name, 1.1, 2.3, 3.4, unit=unit)}
    assert f"initial {name}: found no value" in sentences_of(culture(measurements=measured))


def test_hours_under_a_heading_in_days_are_remarked_on():
    run = culture()
    late = {name: replace(series, time=series.time * 24.0 * 4.0) for name, series in run.measurements.items()}
    [finding] = check_runs([culture(measurements=late, end=192.0)])
    assert finding.severity == "warning"
    assert "write the heading time [h]" in str(finding)


def test_cells_under_a_wrong_power_of_ten_are_reported():
    few = {"GLC": series("GLC", 1, 2, 3), "VCD": series("VCD", 1e-3, 2e-3, 5e-3), "TCD": series("TCD", 1, 1, 1)}
    assert "look at the unit of the column" in sentences_of(culture(measurements=few))


def test_a_sample_after_the_end_is_reported():
    assert "correct the times or the event end" in sentences_of(culture(end=1.5))


def test_an_assay_error_of_zero_is_reported():
    run = culture()
    exact = replace(run.measurements["GLC"], standard_error=np.zeros(3))
    assert "an assay error is > 0" in sentences_of(culture(measurements={**run.measurements, "GLC": exact}))


def test_a_species_that_the_model_lacks_is_an_error_if_it_resembles_one():
    run = culture(media={"feed": {"GLCC": 400.0, "vitamins": 1.0}})
    slip, left_out = check_runs([run], ["GLC"])
    assert (slip.severity, left_out.severity) == ("error", "warning")


@pytest.mark.parametrize(("name", "species"), [
    ("GLN_T", ["GLN", "GLC"]), ("ARG", ["R", "GLC"]), ("LYS", ["GLY", "GLC"]), ("ASN", ["ASP", "GLC"]),
    ("mAb2", ["mAb", "GLC"]), ("CYS", ["CYSTINE", "GLC"]),
])  # fmt: skip
def test_a_quantity_of_another_model_is_a_remark_though_its_name_resembles_a_species(name, species):
    """One set of runs serves all models of a study: what is measured, or a solute, is meant as it is written."""
    start = dict.fromkeys([name, *species], 1.0)
    run = culture(initial=start, media={"feed": {name: 5.0, "GLC": 400.0}},
                  measurements={**culture().measurements, name: series(name, 1, 2, 3)})  # fmt: skip
    findings = check_runs([run], species)
    assert {finding.severity for finding in findings} == {"warning"}
    assert all(f"'{name}'" in finding.found for finding in findings)


def test_a_sample_at_time_0_is_a_beginning_for_a_model():
    assert not [finding for finding in check_runs([culture(initial={})], ["GLC", "VCD"]) if finding.severity == "error"]


def test_species_with_a_value_of_their_own_need_none_and_observables_are_known():
    names = ModelNames({"GLC": "mmol/L", "dead": "1e9 cells/L"}, needed=("GLC",), others=("titer", "pH"))
    run = culture(measurements={**culture().measurements, "titer": series("titer", 1, 2, 3, unit="g/L")})
    assert check_runs([run], names) == []


def test_a_measured_quantity_that_the_model_lacks_is_reported_and_needs_no_beginning():
    run = culture(measurements={**culture().measurements, "LACT": series("LACT", 1, 2, 3)})
    [finding] = check_runs([run], ["GLC", "R", "GLC"])
    assert finding.found == "'LACT'"


def test_two_runs_of_one_name_are_reported():
    assert "names are unique" in str(check_runs([culture(), culture()])[0])


def test_all_faults_come_at_once():
    events = (Sample(9.0, 5.0), Bolus(1.0, "x", -1.0), Setpoint(1.0, 99.0))
    run = culture(events=events, initial_volume=-1.0, measurements={"LAC": series("LAC", -1.0)})
    assert len(check_runs([run], ["GLC"])) >= 10


def test_every_limit_is_in_a_internal_unit_and_takes_its_own_bounds():
    for name, limit in LIMITS.items():
        assert limit.unit is None or limit.unit in INTERNAL_UNITS
        assert limit.open_below == (value_fault("here", name, limit.lowest) is not None)
