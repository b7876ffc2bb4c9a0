"""Faults that an outlier, or a whole column, hid from the checks: each is planted in an invented laboratory's runs.

The runs are two of the invented fed-batches of the project (4 % noise), with the default assay errors of a file.
"""

from dataclasses import replace

import numpy as np
import pytest

from graycell.balances import implausible
from graycell.runs import Bolus, CultureRun, Measurement, Sample
from graycell.runs.records import TCD, VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS

DAYS = np.arange(13.0)
UNITS = {VCD: "1e9 cells/L", TCD: "1e9 cells/L", VIABILITY: "1"}
MEASURED = {
    "BR01": {
        VCD: [0.51, 0.98, 1.76, 3.18, 5.5, 8.01, 9.92, 10.94, 12.5, 13.57, 13.49, 15.48, 15.46],
        VIABILITY: [0.984, 0.977, 0.975, 0.976, 0.977, 0.964, 0.949, 0.939, 0.916, 0.91, 0.886, 0.864, 0.85],
        "GLC": [33.42, 31.69, 28.25, 23.59, 18.37, 14.32, 17.1, 15.38, 14.15, 13.71, 12.77, 12.27, 10.71],
        "LAC": [1.443, 2.775, 4.996, 7.882, 14.54, 22.09, 24.76, 25.98, 25.64, 24.65, 25.76, 24.65, 22.87],
        "NH3": [0.62, 0.7, 0.81, 1.01, 1.62, 2.05, 2.66, 3.07, 3.53, 4.27, 4.74, 5.35, 5.81],
    },
    "BR03": {
        VCD: [0.68, 1.34, 2.3, 4.32, 6.9, 9.9, 11.9, 13.0, 14.1, 15.1, 15.9, 17.2, 17.47],
        VIABILITY: [0.981, 0.976, 0.974, 0.973, 0.97, 0.962, 0.951, 0.935, 0.921, 0.907, 0.885, 0.866, 0.848],
        "GLC": [35.19, 33.0, 28.9, 22.1, 17.5, 15.0, 18.8, 17.6, 16.5, 15.8, 15.1, 14.6, 16.1],
        "LAC": [1.554, 3.219, 6.55, 10.1, 17.0, 24.5, 27.4, 29.1, 30.5, 29.3, 28.6, 27.2, 25.3],
        "NH3": [0.56, 0.76, 0.95, 1.2, 1.8, 2.4, 3.0, 3.5, 4.0, 4.7, 5.4, 6.1, 6.76],
    },
}  # fmt: skip


def series(name, value):
    """A series with the assay error that a file has by default: 5 % of the value and 2 % of the largest."""
    value = np.asarray(value, float)
    error = np.hypot(0.05 * value, 0.02 * np.max(value))
    return Measurement(name, UNITS.get(name, "mmol/L"), DAYS[: len(value)], value, error)


def laboratory(name="BR01", changes=None, **scaled):
    """A run of the laboratory; `changes` gives other values of a quantity, `scaled` factors of whole columns."""
    measured = {**MEASURED[name], **(changes or {})}
    measured = {key: np.asarray(value, float) * scaled.get(key, 1.0) for key, value in measured.items()}
    feeds = [0.0033, 0.0057, 0.0093, 0.0073, 0.0084, 0.0091, 0.0098, 0.0104, 0.0111]
    feeds = [volume * (1.0 if name == "BR01" else 1.1) for volume in feeds]
    events = [Sample(day, 0.015) for day in DAYS]
    events += [Bolus(3.0 + k, "Glucose feed", volume) for k, volume in enumerate(feeds)]
    events += [Bolus(3.0 + k, "Feed A", 0.045) for k in range(9)]
    return CultureRun(
        name, 1.5, {key: float(measured[key][0]) for key in ("GLC", "LAC", "NH3")},
        {key: series(key, value) for key, value in measured.items()},
        tuple(sorted(events, key=lambda event: event.time)),
        {"Glucose feed": {"GLC": 2220.3}, "Feed A": {"GLC": 55.5}},
    )  # fmt: skip


def with_one(name, day, factor):
    value = np.array(MEASURED["BR01"][name], float)
    value[day] *= factor
    return laboratory(changes={name: value})


def with_viability(change):
    value = change(np.array(MEASURED["BR01"][VIABILITY], float))
    return laboratory(changes={VIABILITY: value})


def with_total(factor, **single):
    value = np.array(MEASURED["BR01"][VCD]) / np.array(MEASURED["BR01"][VIABILITY]) * factor
    for day, one in single.items():
        value[int(day.removeprefix("d"))] = one
    run = laboratory(changes={TCD: value})
    return replace(run, measurements={key: one for key, one in run.measurements.items() if key != VIABILITY})


def test_the_laboratory_as_it_is_has_nothing_implausible():
    assert implausible([laboratory(), laboratory("BR03")]) == []
    assert implausible([with_total(1.0)]) == []


@pytest.mark.parametrize("factor", [10.0, 0.1, 100.0])
@pytest.mark.parametrize("day", range(13))
def test_a_count_off_by_ten_is_found_wherever_it_stands(day, factor):
    places = [finding.place for finding in implausible([with_one(VCD, day, factor)])]
    assert any(VCD in place for place in places)


@pytest.mark.parametrize(("name", "day", "factor", "words"), [
    (VCD, 6, 10.0, "VCD at 6 d: found 99.2 1e6 cells/mL between 8.01 and 10.94; about 9.36 would follow"),
    (VCD, 12, 10.0, "VCD at 12 d: found 154.6 1e6 cells/mL next to 15.48"),
    (VCD, 0, 10.0, "VCD at 0 d: found 5.1 1e6 cells/mL next to 0.98"),
    (VCD, 3, 100.0, "a slip of a hundred"),
    ("LAC", 6, 10.0, "LAC at 6 d: found 247.6 mmol/L between 22.09 and 25.98"),
    ("LAC", 7, MOLAR_MASS["LAC"] / 1e3, "is in g/L and the others in mmol/L"),
    ("LAC", 12, 10.0, "LAC at 12 d: found 228.7 mmol/L next to 24.65"),
    ("GLC", 8, 10.0, "GLC at 8 d: found 141.5"),
    ("NH3", 5, 10.0, "NH3 at 5 d: found 20.5"),
    ("NH3", 9, 0.1, "NH3 at 9 d: found 0.427"),
])  # fmt: skip
def test_a_slip_is_told_with_its_place_its_neighbours_and_what_to_look_for(name, day, factor, words):
    said = "\n".join(map(str, implausible([with_one(name, day, factor)])))
    assert words in said
    if factor == 10.0:
        assert "look for a slip of ten in this value, and correct it or leave the cell empty" in said


def test_a_substrate_that_runs_out_and_a_culture_that_dies_are_no_slips():
    empty = [33.4, 31.7, 28.3, 23.6, 12.0, 0.05, 0.02, 0.03, 0.3, 0.02, 0.04, 0.05, 0.03]
    dying = [*MEASURED["BR01"][VCD][:10], 9.0, 4.0, 0.9]
    alive = [*MEASURED["BR01"][VIABILITY][:10], 0.5, 0.25, 0.06]
    run = laboratory(changes={"GLC": empty, VCD: dying, VIABILITY: alive})
    assert [finding.place for finding in implausible([run]) if "follow its neighbours" in finding.needed] == []
    assert [finding.place for finding in implausible([run]) if VIABILITY in finding.place] == []


@pytest.mark.parametrize(("change", "place", "remedy"), [
    (lambda v: np.r_[v[:5], v[5:] / 100], "viability from 5 to 12 d", "these are fractions among percents"),
    (lambda v: np.r_[v[:3] / 100, v[3:]], "viability from 0 to 2 d", "these are fractions among percents"),
    (lambda v: np.r_[v[:4], v[4:5] / 100, v[5:]], "viability at 4 d", "this is a fraction among percents"),
    (lambda v: np.r_[v[:1] / 100, v[1:]], "viability at 0 d", "this is a fraction among percents"),
    (lambda v: np.r_[v[:-1], v[-1:] / 100], "viability at 12 d", "this is a fraction among percents"),
    (lambda v: np.where(DAYS % 2, v / 100, v), "viability from 1 to 11 d", "these are fractions among percents"),
    (lambda v: np.r_[v[:4], v[4:5] / 10, v[5:]], "viability at 4 d", "look for a slip of ten"),
    (lambda v: np.r_[v[:1] / 10, v[1:]], "viability at 0 d", "look for a slip of ten"),
])  # fmt: skip
def test_a_viability_in_two_units_is_told_once_with_its_samples(change, place, remedy):
    (finding,) = implausible([with_viability(change)])
    assert finding.place == f"run 'BR01', {place}"
    assert remedy in finding.remedy
    assert finding.severity == "error"


def test_a_viability_in_two_units_is_found_without_counts_too():
    run = with_viability(lambda v: np.r_[v[:5], v[5:] / 100])
    alone = replace(run, measurements={VIABILITY: run.measurements[VIABILITY]})
    (finding,) = implausible([alone])
    assert "these are fractions among percents" in finding.remedy


@pytest.mark.parametrize(("run", "words"), [
    (with_total(10.0), "TCD: found 9.56 % alive while the viable cells grow"),
    (with_total(100.0), "100 times fewer cells would be 95"),
    (with_total(0.1), "look at the power of ten of both, 9.8"),
    (with_total(1.0, d0=0.3), "VCD at 0 d: found 0.51 viable of 0.3 [1e6 cells/mL]"),
    (with_total(1.0, d5=6.0), "VCD at 5 d: found 8.01 viable of 6 [1e6 cells/mL]"),
    (with_total(1.0, d12=12.0), "correct the count that is wrong"),
    (with_total(1.0, d4=56.3), "TCD at 4 d: found 56.3 1e6 cells/mL between 3.258 and 8.309"),
])  # fmt: skip
def test_a_total_that_does_not_fit_the_viable_cells_is_told(run, words):
    assert words in "\n".join(map(str, implausible([run])))


@pytest.mark.parametrize(("scaled", "place", "words"), [
    ({"LAC": MOLAR_MASS["LAC"] / 1e3}, "LAC", "ordinary if LAC is in g/L"),
    ({"GLC": MOLAR_MASS["GLC"] / 1e3}, "GLC", "ordinary if GLC is in g/L"),
    ({"NH3": MOLAR_MASS["NH3"] / 1e3}, "NH3", "ordinary if NH3 is in g/L"),
    ({"NH3": MOLAR_MASS["NH3"]}, "NH3", "ordinary if NH3 is in mg/L"),
    ({"LAC": 1e-3}, "LAC", "ordinary if LAC is in mol/L"),
])  # fmt: skip
def test_a_wrong_unit_in_all_runs_is_one_remark(scaled, place, words):
    runs = [laboratory(**scaled), laboratory("BR03", **scaled)]
    findings = [finding for finding in implausible(runs) if words in finding.needed]
    assert {finding.place for finding in findings} == {f"runs 'BR01', 'BR03', {place}"}
    assert all("look at the units of both" in finding.remedy for finding in findings)


@pytest.mark.parametrize(("name", "day", "factor"), [
    (VCD, 5, 10.0), (VCD, 6, 10.0), (VCD, 12, 10.0), (VCD, 0, 0.1), (VCD, 7, 100.0),
    ("GLC", 4, 0.1), ("LAC", 7, 10.0), ("LAC", 5, 0.01), ("NH3", 6, 100.0), ("NH3", 12, 10.0), ("GLC", 5, 10.0),
])  # fmt: skip
def test_an_outlier_is_told_once_and_not_as_a_unit_of_a_whole_column_too(name, day, factor):
    runs = [with_one(name, day, factor), laboratory("BR03")]
    said = implausible(runs)
    assert any(f"{name} at {day} d" in finding.place for finding in said)
    assert not any("ordinary if" in finding.needed for finding in said)


def test_a_wrong_unit_is_found_beside_an_outlier():
    one = with_one(VCD, 6, 10.0)
    lactate = one.measurements["LAC"]
    grams = replace(lactate, value=lactate.value * 0.09008, standard_error=lactate.standard_error * 0.09008)
    said = implausible([replace(one, measurements={**one.measurements, "LAC": grams})])
    assert any("ordinary if LAC is in g/L" in finding.needed for finding in said)
    assert any(f"{VCD} at 6 d" in finding.place for finding in said)


def test_a_product_that_no_cell_secretes_is_told():
    titer = Measurement("mAb", "g/L", DAYS, np.linspace(0.0, 2400.0, 13), np.full(13, 10.0))  # mg/L
    run = replace(laboratory(), measurements={**laboratory().measurements, "mAb": titer})
    assert "ordinary if mAb is in" in "\n".join(map(str, implausible([run])))
    grams = replace(titer, value=titer.value / 1e3)
    assert implausible([replace(run, measurements={**run.measurements, "mAb": grams})]) == []


def test_one_bolus_of_a_plan_that_is_ten_times_too_large_is_told():
    run = laboratory()
    wrong = Bolus(6.0, "Feed A", 0.045)
    assert wrong in run.events
    events = tuple(replace(event, volume=0.45) if event == wrong else event for event in run.events)
    said = "\n".join(map(str, implausible([replace(run, events=events)])))
    assert "bolus of 'Feed A' at 6 d: found 0.45 L; its others are 0.045 to 0.045 L; look for a slip of ten" in said


def test_assay_errors_that_were_given_are_believed():
    run = with_one(VCD, 12, 3.0)
    counted = run.measurements[VCD]
    vague = replace(counted, standard_error=0.6 * counted.value)
    run = replace(run, measurements={**run.measurements, VCD: vague})
    assert [finding.place for finding in implausible([run]) if VCD in finding.place] == []


def test_a_microbe_gives_remarks_and_no_error():
    hours = np.array([0.0, 2.0, 4.0, 6.0]) / 24.0
    cells = np.array([500.0, 1500.0, 4000.0, 9000.0])
    counted = Measurement(VCD, "1e9 cells/L", hours, cells, 0.05 * cells)
    glucose = Measurement("GLC", "mmol/L", hours, np.array([111.0, 83.0, 33.0, 5.0]), np.ones(4))
    findings = implausible([CultureRun("E", 1.0, {"GLC": 111.0}, {VCD: counted, "GLC": glucose})])
    assert {finding.severity for finding in findings} == {"warning"}
    (steep,) = [finding for finding in findings if "double" in finding.found]
    assert "leave it for a microbe" in steep.remedy
    assert "and 2 more such times" in steep.found
