"""What is measured and is no solute of known molar mass: masses, numbers, and what sensors show."""

import tomllib

import numpy as np
import pytest
from small_files import DAY, book
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import check_runs, read_runs
from graycell.runs.format.writing import write_runs


@pytest.mark.parametrize(("quantity", "heading", "unit", "factor"), [
    ("biomass", "DCW (g/L)", "g/L", 1.0), ("yeast", "Yeast [mg/mL]", "g/L", 1.0), ("BSA", "BSA_mgL", "g/L", 1e-3),
    ("protein", "Protein (ug/mL)", "g/L", 1e-3), ("X", "X (mg/dL)", "g/L", 0.01), ("ANTI", "IgG (g/L)", "g/L", 1.0),
    ("IgG", "IgG (mM)", "mmol/L", 1.0), ("pH", "pH", "1", 1.0), ("pH", "pH (-)", "1", 1.0), ("pH", "pH [1]", "1", 1.0),
    ("pH offline", "pH (offline)", None, None), ("osmolality", "Osmo (mOsm/kg)", "mOsm/kg", 1.0),
    ("osmolality", "Osmolality [mOsmol/kg]", "mOsm/kg", 1.0), ("osmolality", "Osm (mosm/kg H2O)", "mOsm/kg", 1.0),
    ("osmolality", "Osmolarity (mOsm/L)", "mOsm/L", 1.0), ("DO", "DO (%)", "1", 0.01),
    ("DO", "pO2 [mmHg]", "mmHg", 1.0), ("pCO2", "pCO2 (mbar)", "mbar", 1.0), ("probe", "T (°C)", "degC", 1.0),
    ("stirrer", "Stirrer (rpm)", "rpm", 1.0),
    ("OD600", "OD600 (AU)", "1", 1.0), ("conductivity", "Cond. (mS/cm)", "mS/cm", 1.0),
    ("dead", "Dead cells (1e6 cells/mL)", "1e9 cells/L", 1.0),
    ("aggregates", "Aggregates (1e5/mL)", "1e9 cells/L", 0.1),
])  # fmt: skip
def test_a_column_is_kept_in_an_internal_unit_or_as_it_is(csv, tmp_path, quantity, heading, unit, factor):
    path = csv(f"Day,{heading}", "0,7", "1,9.5")
    words = {"time": DAY, "measured": {quantity: heading}}
    if unit is None:  # what stands in brackets may be no unit, and a unit is never guessed
        with pytest.raises(InputError, match="unit"):
            import_runs(path, words)
        return
    runs = import_runs(path, words)
    series = runs[0].measurements[quantity]
    assert (series.unit, series.value.tolist()) == (unit, pytest.approx([7.0 * factor, 9.5 * factor]))
    assert not [finding for finding in check_runs(runs) if finding.severity == "error"]
    [back] = read_runs(write_runs(runs, tmp_path / "written"))
    back = back.measurements[quantity]
    assert (back.unit, back.value.tolist()) == (unit, series.value.tolist())


def test_a_solute_and_a_count_keep_their_own_units(csv):
    for quantity, heading, needed in (("GLC", "Glc (mL)", "mmol/L"), ("VCD", "VCD (g/L)", "1e9 cells/L"),
                                      ("GLN", "Gln (mOsm/kg)", "mmol/L")):  # fmt: skip
        with pytest.raises(InputError, match=f"a unit of {needed} is needed"):
            import_runs(csv(f"Day,{heading}", "0,7"), {"time": DAY, "measured": {quantity: heading}})
    with pytest.raises(InputError, match="name it GLC, whose molar mass is known"):
        import_runs(csv("Day,Glc (g/L)", "0,7"), {"time": DAY, "measured": {"glucose": "Glc (g/L)"}})


def test_a_sensor_is_no_state_at_the_start_and_has_no_balance(csv):
    path = csv("Day,Glc (mM),pH,Osmo (mOsm/L),T (°C),DCW (g/L)", "0,30,7.1,290,36.9,0.5", "1,25,7.0,300,37,1")
    measured = {"GLC": "Glc (mM)", "pH": "pH", "osmolality": "Osmo (mOsm/L)", "temperature": "T (°C)",
                "biomass": "DCW (g/L)"}  # fmt: skip
    [run] = import_runs(path, {"time": DAY, "measured": measured})
    assert dict(run.initial) == {"GLC": 30.0, "pH": 7.1, "biomass": 0.5}
    assert run.initial_temperature == 37.0  # of a run that gives none: what was measured is no set-point
    assert run.units["biomass"] == "g/L"


def test_a_mass_that_is_fed_and_there_at_the_start_is_a_mass_everywhere(csv, tmp_path):
    words = {"time": DAY, "taken": "before", "measured": {"starch": "Starch (mg/L)", "EtOH": "EtOH (g/L)"},
             "start": {"volume": "1 L", "peptone": "3 g/L"},
             "feeds": {"F": {"volume": "F (mL)",
                             "media": {"starch": "50 g/L", "EtOH": "4.6069 g/L", "yeast": "5 g/L"}}}}  # fmt: skip
    [run] = import_runs(csv("Day,Starch (mg/L),EtOH (g/L),F (mL)", "0,9000,0,", "1,5000,1,20", "2,4000,2,"), words)
    assert run.media["F"] == {"starch": 50.0, "EtOH": pytest.approx(100.0), "yeast": 5.0}
    assert dict(run.initial) == {"starch": 9.0, "EtOH": 0.0, "peptone": 3.0}
    assert run.units == {"starch": "g/L", "EtOH": "mmol/L", "yeast": "g/L", "peptone": "g/L"}
    [back] = read_runs(write_runs([run], tmp_path / "written"))
    assert (back.media, back.units) == (run.media, run.units)


@pytest.mark.parametrize(("change", "words"), [
    ({"feeds": {"F": {"volume": "F (mL)", "media": {"starch": "5 mM"}}}}, "the feeds have it in a unit of mmol/L"),
    ({"measured": {"starch": {"column": "S (g/L)", "unit": "mM"}}}, "the feeds have it in a unit of g/L"),
    ({"start": {"volume": "1 L", "starch": "5 mM"}}, "a unit of g/L is needed"),
    ({"feeds": {"F": {"rate": "F (g/h)", "media": {"starch": "5 g/L"}}}}, "a unit of L/d is needed"),
    ({"feeds": {"F": {"rate": "F (mmol/h)", "media": {"starch": "5 g/L"}}}}, "give molar_mass to starch in"),
    ({"feeds": {"F": {"volume": "F (mL)", "media": {"p": "5 mM"}}, "G": {"volume": "G", "media": {"p": "5 g/L"}}}},
     "another feed has it in a unit of mmol/L"),
])  # fmt: skip
def test_a_mass_here_and_an_amount_there_is_told_and_a_molar_mass_mends_it(csv, change, words):
    path = csv("Day,S (g/L),F (mL),F (g/h),F (mmol/h),G", "0,9,,,,", "1,5,20,1,1,", "2,4,,,,")
    mapping = {"time": DAY, "taken": "before", "measured": {"starch": "S (g/L)"}, "start": {"volume": "1 L"},
               "feeds": {"F": {"volume": "F (mL)", "media": {"starch": "50 g/L"}}}} | change  # fmt: skip
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    assert words in str(caught.value)
    if "feeds" in change and "volume" in change["feeds"]["F"] and "G" not in change["feeds"]:
        given = {"starch": {"column": "S (g/L)", "molar_mass": 500.0}}
        [run] = import_runs(path, mapping | {"measured": given})
        assert (run.measurements["starch"].unit, run.media["F"]["starch"]) == ("mmol/L", 5.0)


def test_a_sheet_of_media_gives_masses_of_what_is_measured_so(tmp_path):
    path = book(tmp_path / "a.xlsx", {"S": [["Day", "Starch (g/L)", "F (mL)"], [0, 9, 0], [1, 5, 20]],
                                      "Media": [["Medium", "F"], ["Starch (g/L)", 50], ["Yeast extract (g/L)", 5],
                                                ["Ethanol (g/L)", 46.069]]})  # fmt: skip
    found = imported(path, {
        "sheet": "S", "time": DAY, "taken": "before", "measured": {"Starch": "Starch (g/L)"},
        "start": {"volume": "1 L"},
        "feeds": {"F": {"volume": "F (mL)", "media": {"sheet": "Media", "names": "Medium"}}}})  # fmt: skip
    assert found.runs[0].media["F"] == {"Starch": 50.0, "Ethanol": pytest.approx(1000.0)}
    assert "Yeast extract (g/L) of the media" in found.not_read


def test_errors_and_formulas_go_with_masses_and_sensors(csv):
    path = csv("Day,VCD (1e6 cells/mL),Osmo (mOsm/kg),OD", "0,1,290,0.5", "1,2,300,0.9")
    [run] = import_runs(path, {
        "time": DAY, "measured": {
            "VCD": "VCD (1e6 cells/mL)", "osmolality": "Osmo (mOsm/kg)", "OD": {"column": "OD", "unit": "1"},
            "biomass": {"formula": "VCD * m", "m": "400 pg/cell"},
            "weight": {"formula": "k * OD", "k": "0.4 g/L"}, "double": {"formula": "2 * OD", "unit": "1"}},
        "errors": {"osmolality": "0.005 Osm/kg", "biomass": "20 mg/L"}})  # fmt: skip
    assert run.measurements["biomass"].unit == run.measurements["weight"].unit == "g/L"
    assert run.measurements["biomass"].value.tolist() == pytest.approx([0.4, 0.8])
    assert run.measurements["weight"].value.tolist() == pytest.approx([0.2, 0.36])
    assert run.measurements["double"].value.tolist() == pytest.approx([1.0, 1.8])
    assert run.measurements["osmolality"].standard_error.tolist() == pytest.approx([5.0, 5.0])
    assert run.measurements["biomass"].standard_error.tolist() == pytest.approx([0.02, 0.02])


def test_a_draft_takes_what_else_is_measured(csv):
    path = csv("Day,Glc (mM),pH,Osmo (mOsm/kg),DO (%),EtOH_gL,DCW (g/L),OD600,pO2,Foam",
               "0,30,7.1,290,40,0,0.5,1,100,no", "1,25,7.0,300,40,2,1,2,90,no")  # fmt: skip
    draft = propose(path)
    measured = tomllib.loads(draft)["measured"]
    assert measured == {"GLC": "Glc (mM)", "pH": "pH", "osmolality": "Osmo (mOsm/kg)", "DO": "DO (%)",
                        "ethanol": "EtOH_gL", "biomass": "DCW (g/L)"}  # fmt: skip
    assert "# not used: pO2" in draft
    [run] = import_runs(path, tomllib.loads(draft))
    assert run.measurements["ethanol"].value.tolist() == pytest.approx([0.0, 2000.0 / 46.069])
    path = csv("Day,Glc,pH,Osmo,DO", "d,mM,-,mOsm/kg,%", "0,30,7.1,290,40", "1,25,7.0,300,40")
    [run] = import_runs(path, tomllib.loads(propose(path)))
    assert [run.measurements[name].unit for name in ("pH", "osmolality", "DO")] == ["1", "mOsm/kg", "1"]


def test_what_a_model_does_not_know_is_a_remark(csv, tmp_path):
    path = csv("Day,VCD (1e6 cells/mL),Glc (mM),Lac (mM),Osmo (mOsm/kg),DCW (g/L)", "0,1,30,1,290,0.4",
               "1,2,25,5,300,0.8", "2,4,20,9,310,1.6")  # fmt: skip
    (tmp_path / "m.toml").write_text(propose(path))
    out = tmp_path / "runs"
    result = CliRunner().invoke(app, ["import", str(path), "--map", str(tmp_path / "m.toml"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["check", str(out), "--model", "cho-basic"])
    said = " ".join(result.output.split())
    for name in ("osmolality", "biomass"):
        assert f"remark: run 'file', measurements: found '{name}'; only quantities of the model can be compared" in said
    assert "0 errors" in said
    assert np.isfinite(read_runs(out)[0].measurements["osmolality"].value).all()
