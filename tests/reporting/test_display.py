"""Units of tables and figures: the numbers are those of internal units, whatever is chosen."""

from dataclasses import replace
from types import MappingProxyType

import comparisons
import numpy as np
import pytest
from displayed import assert_same_figure, assert_same_frame, unit_in
from hypothesis import given
from hypothesis import strategies as st
from learned_laws import law
from small_models import monod

import graycell as gc
from graycell.balances.specific_rates import specific_rates
from graycell.diagnosis.gradients import DerivativeCheck, GradientCheck, Verdict
from graycell.errors import InputError
from graycell.reporting import (
    conflict_heatmap,
    gradient_checks_frame,
    key_fluxes,
    laws_frame,
    loop_variables,
    measured_and_simulated,
    recovered,
    report,
    residuals,
    residuals_frame,
    trajectory_frame,
)
from graycell.reporting.comparison.tables import comparison_frames
from graycell.reporting.display import KINDS, DisplayUnits, Shown, shown_in
from graycell.reporting.rates.page import rates_between_samples, rates_report
from graycell.reporting.rates.tables import rates_frames
from graycell.reporting.reading import made_by, rate_unit, shown_quantities
from graycell.runs import bundled_run
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import convert, convert_amount

MASSES = {**MOLAR_MASS, "ANTI": 110.0, "mAb": 150e3}  # nolan-lee counts the residues of its antibody
SETTINGS = (
    "laboratory",
    "internal",
    "ANTI=mg/L, GLC=mmol/L, LAC=mg/dL, time=h, R=%",
    "internal, mass-rate=ng/cell/h, ANTI=ug/mL, VCD=cells/mL, temperature=K, viability=%",
    "time=min, volume=mL, cells=1e5 cells/mL, concentration=umol/L, mass concentration=mg/mL, amount=umol, mass=mg, "
    "rate=nmol/1e6 cells/h, mass rate=pg/cell/h, production=mmol/L/h, growth=1/h, count=1e6 cells, GLC=g/L",
)


@pytest.fixture(scope="module")
def weighed(trajectory):
    """The trajectory of the reports, of a run whose titer and glucose were measured as masses."""
    masses = {"ANTI": MASSES["ANTI"], "GLC": MASSES["GLC"]}
    return replace(trajectory, run=replace(trajectory.run, molar_masses=masses))


@pytest.fixture(scope="module")
def measured():
    """Rates of two runs: one with masses, with a titer in g/L beside, and one without."""
    run = bundled_run()
    anti = run.measurements["ANTI"]
    titer = replace(anti, quantity="mAb", unit="g/L")
    run = replace(run, molar_masses={"ANTI": MASSES["ANTI"], "GLC": MASSES["GLC"]},
                  measurements=MappingProxyType({**run.measurements, "mAb": titer}))  # fmt: skip
    return [specific_rates(run), specific_rates(replace(bundled_run(), name="other"))]


@pytest.fixture(scope="module")
def comparison():
    """A comparison of runs whose glucose was measured as a mass."""
    found = comparisons.left_out()
    weighed = [replace(run, molar_masses={"GLC": MASSES["GLC"]}) for run in found.splits[0].train]
    return replace(found, splits=(replace(found.splits[0], train=tuple(weighed)), *found.splits[1:]))


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_table_of_a_trajectory_holds_the_same_numbers_in_all_units(weighed, setting):
    made = {name: made_by(weighed.model, name) for name in weighed.model.reactions}
    masses = MASSES | {name: MASSES[of] for name, of in made.items() if of in MASSES}
    for make in (trajectory_frame, residuals_frame):
        changed = assert_same_frame(make(weighed, setting), make(weighed, "internal"), masses)
        assert (changed == 0) == (setting == "internal")


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_table_of_rates_and_balances_holds_the_same_numbers_in_all_units(measured, setting):
    internal, shown = rates_frames(measured, units="internal"), rates_frames(measured, units=setting)
    changed = sum(assert_same_frame(shown[name], internal[name], MASSES) for name in internal)
    assert (changed == 0) == (setting == "internal")


@pytest.mark.parametrize("setting", [one.replace("R=%", "NACL=mol/L") for one in SETTINGS])
def test_every_table_of_a_comparison_and_of_laws_holds_the_same_numbers_in_all_units(comparison, setting):
    internal, shown = (comparison_frames(comparison, "good", units) for units in ("internal", setting))
    for name in internal:
        assert_same_frame(shown[name], internal[name], MASSES)
    laws = [law(), law()]
    assert_same_frame(laws_frame(laws, setting), laws_frame(laws, "internal"), MASSES)
    checked = GradientCheck(("a",), (DerivativeCheck("K", Verdict.agrees, 1e-8, 2.0, "a", "GLC", 4.2, 1e-4),), 1e-5)
    assert_same_frame(gradient_checks_frame(checked, setting), gradient_checks_frame(checked, "internal"), MASSES)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_figure_of_trajectories_draws_the_same_numbers_in_all_units(weighed, setting):
    model, times = weighed.model, shown_in(setting).unit("d")
    both = {"a": weighed}, {"b": weighed}
    shown = sorted(shown_quantities(model), key=lambda name: (name == "R", name != "VCD"))
    names = list(dict.fromkeys(shown))
    figures = [measured_and_simulated(both[0], None, units) for units in (setting, "internal")]
    changed = assert_same_figure(*figures, names, [model.unit(name) for name in names], MASSES, times)
    assert (changed == 0) == (setting == "internal")
    figures = [loop_variables(both[0], units=units) for units in (setting, "internal")]
    assert_same_figure(*figures, ["R"], ["1"], MASSES, times)
    reactions = ["v1", "v17", "v19", "v20"]
    figures = [key_fluxes(both[0], reactions, units=units) for units in (setting, "internal")]
    of = [made_by(model, name) for name in reactions]
    assert_same_figure(*figures, of, [rate_unit(model, name) for name in reactions], MASSES, times)
    for draw in (residuals, lambda several, units: conflict_heatmap(several["a"], units)):
        new, old = (draw(both[0], units=units) for units in (setting, "internal"))
        for one, other in zip(new.data, old.data, strict=True):
            np.testing.assert_allclose(convert(np.asarray(one.x, float), times, "d"), np.asarray(other.x, float),
                                       rtol=1e-12)  # fmt: skip
        for one, other in zip(new.layout.shapes, old.layout.shapes, strict=True):
            if one.xref.startswith("x") and "domain" not in one.xref:
                np.testing.assert_allclose(convert(float(one.x0), times, "d"), other.x0, rtol=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_figures_of_rates_and_laws_draw_the_same_numbers_in_all_units(measured, setting):
    times = shown_in(setting).unit("d")
    figures = [rates_between_samples(measured, units) for units in (setting, "internal")]
    units = {rate.quantity: rate.unit for one in measured for rate in one.rates}
    assert_same_figure(*figures, list(units), list(units.values()), MASSES, times)
    new, old = (recovered(law(), units=units) for units in (setting, "internal"))
    axis = unit_in(new.layout.yaxis.title.text), unit_in(old.layout.yaxis.title.text)
    titles = [unit_in(figure.layout.annotations[0].text) for figure in (new, old)]
    curves = [next(trace for trace in figure.data if trace.name == "learned") for figure in (new, old)]
    np.testing.assert_allclose(convert(np.asarray(curves[0].y), *axis), curves[1].y, rtol=1e-12)
    np.testing.assert_allclose(convert_amount(np.asarray(curves[0].x), *titles, MASSES["LAC"]), curves[1].x, rtol=1e-12)


def test_a_titer_in_g_and_one_in_mmol_have_a_panel_each_unless_a_molar_mass_brings_them_together(measured):
    run = bundled_run()
    titer = replace(run.measurements["ANTI"], unit="g/L")
    grams = replace(run, name="grams", measurements={**run.measurements, "ANTI": titer},
                    units={**run.units, "ANTI": "g/L"})  # fmt: skip
    both = [specific_rates(replace(run, name="amounts")), specific_rates(grams)]
    titles = [one.text for one in rates_between_samples(both).layout.annotations]
    assert {"<b>ANTI</b> [pmol/cell/d]", "<b>ANTI</b> [pg/cell/d]"} <= set(titles)
    frame = rates_frames(both)["rates-of-the-phase"].set_index(["run", "quantity"])["unit"]
    assert (frame["amounts", "ANTI"], frame["grams", "ANTI"]) == ("pmol/cell/d", "pg/cell/d")
    titles = [one.text for one in rates_between_samples([measured[0], specific_rates(grams)]).layout.annotations]
    assert len([title for title in titles if "ANTI" in title]) == 1


def test_by_default_titers_are_in_grams_and_their_rates_in_picograms(weighed, measured):
    heads = list(trajectory_frame(weighed).columns)
    for head in ("time [d]", "volume [L]", "VCD [1e6 cells/mL]", "ANTI [g/L]", "GLC [g/L]", "LAC [mmol/L]",
                 "v20 [pmol/cell/d]", "v19 [pg/cell/d]", "v17 [pmol/cell/d]",
                 "kinetic rate v2 [pmol/cell/d]"):  # fmt: skip
        assert head in heads
    phase = rates_frames(measured)["rates-of-the-phase"].set_index(["run", "quantity"])["unit"]
    name = measured[0].run.name
    assert phase[name, "ANTI"] == phase[name, "mAb"] == "pg/cell/d"
    assert phase[name, "LAC"] == "pmol/cell/d"
    assert phase[name, "growth"] == "1/d"
    balances = rates_frames(measured)["mass-balances"].set_index("of")["unit"]
    assert dict(balances[~balances.index.duplicated()]) | {} == {
        **dict.fromkeys(measured[0].run.measurements.keys() - {"viability", "R"}, "mmol"),
        "ANTI": "g", "GLC": "g", "mAb": "g", "VCD": "1e9 cells", "volume": "L"}  # fmt: skip
    yields = rates_frames(measured)["yields"].set_index("formed per GLC consumed")["unit"]
    assert yields["ANTI"].iloc[0] == "g/g"
    assert yields["LAC"].iloc[0] == "mmol/g"


def test_a_titer_without_a_molar_mass_stays_an_amount(trajectory):
    heads = list(trajectory_frame(trajectory).columns)
    assert "ANTI [mmol/L]" in heads
    assert "GLC [mmol/L]" in heads  # its molar mass is known, and it was not measured as a mass
    assert "v19 [pmol/cell/d]" in heads


def test_titers_of_two_molar_masses_are_not_shown_in_one_column_of_grams(measured):
    other = replace(measured[1], run=replace(measured[1].run, molar_masses={"ANTI": 150e3}))
    units = rates_frames([measured[0], other])["rates-of-the-phase"].set_index("quantity")["unit"]
    assert set(units["ANTI"]) == {"pmol/cell/d"}


def test_the_product_of_a_model_is_a_mass_and_a_model_in_grams_stays_in_grams():
    model = monod()  # mAb in g/L
    assert shown_in("laboratory", [], [model]).unit("g/(1e9 cells)/d", "mAb") == "pg/cell/d"
    species = {"DCD": "1e9 cells/L", "mAb": gc.Species(molar_mass=150e3, product=True)}
    counted = monod(species=species)
    display = shown_in("laboratory", [], [counted])
    assert display.unit("mmol/L", "mAb") == "g/L"
    assert display.values(0.02, "mmol/L", "mAb") == pytest.approx(3.0, rel=1e-12)
    assert shown_in("internal", [], [counted]).unit("mmol/L", "mAb") == "mmol/L"
    assert shown_in("mAb=mmol/L", [], [counted]).unit("mmol/(1e9 cells)/d", "mAb") == "pmol/cell/d"
    plain = monod(species={**species, "mAb": gc.Species(molar_mass=150e3)})
    assert shown_in("laboratory", [], [plain]).unit("mmol/L", "mAb") == "mmol/L"
    assert any(one.product for one in gc.model_of("cho-basic").species_specs)


@given(st.sampled_from(KINDS), st.floats(1e-9, 1e9), st.sampled_from([None, 150e3, 180.156]))
def test_every_kind_of_number_comes_back_from_laboratory_units(kind, value, mass):
    masses = {} if mass is None else {"X": mass}
    unit = _INTERNAL[kind]
    for setting in SETTINGS:
        shown = Shown(DisplayUnits.of(setting), masses, frozenset(masses))
        there = shown.values(value, unit, "X")
        assert convert_amount(there, shown.unit(unit, "X"), unit, mass) == pytest.approx(value, rel=1e-12)
        assert shown.differences(value, unit, "X") == there


_INTERNAL = {
    "time": "d", "volume": "L", "cells": "1e9 cells/L", "count": "1e9 cells", "concentration": "mmol/L",
    "mass-concentration": "g/L", "amount": "mmol", "mass": "g", "rate": "mmol/(1e9 cells)/d",
    "mass-rate": "g/(1e9 cells)/d", "production": "mmol/L/d", "mass-production": "g/L/d", "growth": "1/d",
}  # fmt: skip


def test_a_difference_of_temperatures_has_no_offset():
    shown = Shown(DisplayUnits(own={"temperature": "K"}))
    assert shown.values(37.0, "degC", "temperature") == pytest.approx(310.15)
    assert shown.differences(2.0, "degC", "temperature") == pytest.approx(2.0)


@pytest.mark.parametrize(("setting", "said"), [
    ("lab", ["found 'lab'", "did you mean 'laboratory'"]),
    ("ANTI", ["found 'ANTI'", "such as ANTI=mg/L"]),
    ("time=L, cells=mmol/L, rate=1/d", ["units, time: found the unit 'L'; a unit of d", "units, cells", "units, rate"]),
    ("ANTI=mgg/L, GLC=, time=h, time=d", ["units, ANTI: found the unit 'mgg/L'; it cannot be read", "'GLC='",
                                          "units, time: found a second unit"]),
    ("=mg/L, ,internal", ["found '=mg/L'", "found 'internal'"]),
    ("x" * 3000, ["3000 characters"]),
    ("mass-rate=pmol/cell/d", ["a unit of g/(1e9 cells)/d is needed"]),
])  # fmt: skip
def test_all_faults_of_a_setting_are_told_at_once(setting, said):
    with pytest.raises(InputError) as error:
        DisplayUnits.of(setting)
    for words in said:
        assert words in str(error.value)


def test_faults_of_units_in_python_are_told_at_once():
    with pytest.raises(InputError) as error:
        DisplayUnits(time="L", rate="mg", own={"ANTI": "2 **3"})
    assert len(error.value.findings) == 3


@pytest.mark.parametrize(("unit", "setting"), [("pmol/cell/d", "rate"), ("pg/cell/h", "mass-rate"), ("mg", "mass"),
                                           ("mol", "amount"), ("mg/L/h", "mass-production")])  # fmt: skip
def test_a_unit_of_rates_for_a_quantity_is_told_the_setting_that_works(trajectory, unit, setting):
    with pytest.raises(InputError, match=f"write a unit of its concentration; .* {setting}={unit}") as error:
        trajectory_frame(trajectory, f"GLC={unit}")
    assert "GLC is in mmol/L or g/L" in str(error.value)
    trajectory_frame(trajectory, f"{setting}={unit}")
    trajectory_frame(trajectory, "GLC=mmol/L"), trajectory_frame(trajectory, "GLC=g/L")


def test_units_that_do_not_fit_the_quantities_are_told_at_once(trajectory):
    with pytest.raises(InputError) as error:
        trajectory_frame(trajectory, "BIOM=mg/L, LAC=h, GLC=g/L, VCD=g/L, R=d, nothing=mg/L")
    text = str(error.value)
    assert "units, BIOM: found the unit 'mg/L'; BIOM is in mmol/L, and its molar mass is not known" in text
    assert "in the table molar_masses of the run" in text
    for name in ("LAC", "VCD", "R"):
        assert f"units, {name}: found" in text
    assert len(error.value.findings) == 4


def test_the_remedy_for_a_molar_mass_that_is_not_known_works(tmp_path):
    folder = gc.write_runs([bundled_run()], tmp_path / "run")
    (folder / "molar_masses.csv").write_text("quantity,molar mass [kg/mol]\nANTI,150\n")
    [run] = gc.read_runs(folder)
    assert "ANTI" in rates_frames([specific_rates(run)], units="ANTI=mg/L")["rates-of-the-phase"]["quantity"].tolist()


def test_reports_of_rates_have_their_units_on_the_page_and_in_the_tables(measured, tmp_path):
    page = rates_report(measured, tmp_path / "a").read_text(encoding="utf-8")
    assert "pg/cell/d" in page
    assert "mmol/(10⁹ cells)/d" not in page
    page = rates_report(measured, tmp_path / "b", units="internal").read_text(encoding="utf-8")
    assert "mmol/(10⁹ cells)/d" in page
    assert "pg/cell/d" not in page


def test_a_report_of_fits_has_one_setting_for_all_of_its_tables_and_figures(fit, tmp_path):
    folder = report(fit, tmp_path, units="time=h, GLC=g/L").parent
    [table] = folder.glob("trajectory*.csv")
    head = table.read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("time [h],volume [L],VCD [1e6 cells/mL]")
    assert "GLC [g/L]" in head
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "time [h]" in page
    assert "time [d]" not in page
    drawn = page.replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u002f", "/")
    assert "<b>GLC</b> [g/L]" in drawn
    assert "cells/mL]" in drawn
    assert "cells/L]" not in drawn
