"""Cells as instruments and people leave them: over-range, flagged, with another decimal mark, just below 0."""

import tomllib

import pytest
from small_files import DAY, GLC, book

from graycell.errors import InputError, gathered
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import read_runs, runs_from_tables
from graycell.runs.format.writing import tables_of, write_runs

WORDS = {"time": DAY, "measured": GLC}


def sentences_of(path, words):
    with pytest.raises(InputError) as caught:
        import_runs(path, words)
    return [str(finding) for finding in caught.value.findings]


def file_of(csv, cell):
    return csv("Day,Glc", "0,38.5", "1,37.25", f'2,"{cell}"', "3,30.5")


@pytest.mark.parametrize("cell", ["<0.5", "<=0.5", "≤0.5", "<= 0.5", "=<0.5", "⩽ 0.5", "< 0.5"])
def test_up_to_a_limit_is_below_it(csv, cell, tmp_path):
    series = import_runs(file_of(csv, cell), WORDS)[0].measurements["GLC"]
    assert series.value.tolist()[2] == 0.5
    assert series.below.tolist() == [False, False, True, False]
    (tmp_path / "run.csv").write_text(f"time [d],GLC [mmol/L]\n0,3\n1,{cell}\n2,1\n", encoding="utf-8")
    assert read_runs(tmp_path / "run.csv")[0].measurements["GLC"].below.tolist() == [False, True, False]


@pytest.mark.parametrize("cell", [">25.0", ">25", "≥25", "> 25,0", "OOR", "+++", ">>>", "> TEST RNG", "over range"])
def test_a_value_above_its_range_is_told_and_can_be_left_out(csv, cell, tmp_path):
    path = file_of(csv, cell)
    [said] = sentences_of(path, WORDS)
    assert "above the range of an assay is no number; write what the diluted sample had" in said
    assert 'give above = "empty"' in said
    assert "decimal" not in said
    found = imported(path, {**WORDS, "above": "empty"})
    assert found.runs[0].measurements["GLC"].time.tolist() == [0.0, 1.0, 3.0]
    assert "row 4" in str(found.remarks[0])
    assert "left out" in str(found.remarks[0])
    (tmp_path / "run.csv").write_text(f'time [d],GLC [mmol/L]\n0,3\n1,"{cell}"\n2,1\n', encoding="utf-8")
    with pytest.raises(InputError, match="write what the diluted sample had, or leave the cell empty"):
        read_runs(tmp_path / "run.csv")
    assert "values above a limit can be left out" in sentences_of(path, {**WORDS, "above": "limit"})[0]


def test_a_draft_leaves_values_above_a_range_out_and_asks_what_words_for_a_limit_mean(csv):
    path = csv("Day,Glc (mM),Lac (mM),Osmo (mOsm/kg)", "0,>35,BDL,290", "1,OOR,<LOD,> 400", "2,30,<0.5,300",
               "3,20,2,310")  # fmt: skip
    draft = propose(path)
    assert 'above = "empty"' in draft
    assert "3 cells such as >35: left out" in draft
    assert 'LAC = { column = "Lac (mM)", limit = "? mM" } # which limit does BDL mean?' in draft
    assert "a detection limit is needed" in sentences_of(path, tomllib.loads(draft))[0]
    found = imported(path, tomllib.loads(draft.replace("? mM", "0.2 mM")))
    assert found.runs[0].measurements["GLC"].time.tolist() == [2.0, 3.0]
    assert found.runs[0].measurements["osmolality"].time.tolist() == [0.0, 2.0, 3.0]
    assert found.runs[0].measurements["LAC"].value.tolist() == pytest.approx([0.2, 0.2, 0.5, 2.0])
    assert found.runs[0].measurements["LAC"].below.tolist() == [True, True, True, False]
    told = [str(finding) for finding in gathered(found.remarks)]
    assert any("rows 2 and 3, column 'Glc (mM)': found '>35', 'OOR'; a value above the range" in one for one in told)
    assert not any(word in propose(csv("Day,Glc (mM)", "0,3", "1,<2")) for word in ("above", "limit"))


def test_many_values_above_a_range_are_one_remark_with_their_count(csv):
    path = csv("Day,Glc", *(f"{day},{30 if day % 4 == 0 else '>35'}" for day in range(20)))
    found = imported(path, {**WORDS, "above": "empty"})
    [told] = [str(finding) for finding in gathered(found.remarks)]
    assert "rows 3, 4, 5 and 12 more, column 'Glc': found '>35'; a value above the range of its assay is left" in told


@pytest.mark.parametrize(("cell", "flag"), [
    ("12.3*", "*"), ("12.3 **", "**"), ("3.4 (2)", "(2)"), ("12.3v", "v"), ("~12.3", "~"), ("ca. 12.3", "ca."),
    ("# 12.3", "#"), ("12.3†", "†"),
])  # fmt: skip
def test_a_flag_is_told_and_can_be_read_past(csv, cell, flag):
    path = file_of(csv, cell)
    [said] = sentences_of(path, WORDS)
    assert f'give flags = ["{flag}"] in the mapping' in said
    assert "decimal" not in said
    value = import_runs(path, {**WORDS, "flags": [flag]})[0].measurements["GLC"].value.tolist()[2]
    assert value == (3.4 if "(2)" in cell else 12.3)


@pytest.mark.parametrize("flags", [[""], ["5"], ["-"], [","], [1], "<"])
def test_what_is_no_flag_is_refused(csv, flags):
    assert "mark" in sentences_of(file_of(csv, "1"), {**WORDS, "flags": flags})[0]


@pytest.mark.parametrize("cell", ["1.2 ± 0.1", "1.2 +/- 0.1", "1.2+-0.1", "1 ± 0.1"])
def test_a_number_with_its_error_is_told(csv, cell):
    [said] = sentences_of(file_of(csv, cell), WORDS)
    assert "write the number alone" in said
    assert "decimal" not in said


@pytest.mark.parametrize(("cells", "mark", "odd", "advice"), [
    (("38.5", "37.25", "2,66", "30.5"), ".", 4, "write it with a decimal point"),
    (("38,5", "37,25", "2.66", "30,5"), ",", 4, "write it with a decimal comma"),
    (("38.5", "37.25", "1.234,5", "30.5"), ".", 4, "write it with a decimal point"),
    (("38,5", "37,25", "1,234.5", "30,5"), ",", 4, "write it with a decimal comma"),
    (("38", "37", "2,66", "30"), ".", 4, "write it with a decimal point"),
])  # fmt: skip
def test_one_cell_with_another_decimal_mark_is_named_without_advice_that_breaks_the_rest(csv, cells, mark, odd, advice):
    path = csv("Day,Glc", *(f'{i},"{cell}"' for i, cell in enumerate(cells)))
    [said] = sentences_of(path, {**WORDS, "decimal": mark})
    assert f"row {odd}, column 'Glc'" in said
    assert advice in said
    assert "decimal =" not in said


def test_a_file_with_the_other_decimal_mark_is_told_to_say_so(csv):
    path = csv("Day,Glc", '0,"38,5"', '1,"37,25"', '2,"30,5"')
    assert all('decimal = ","' in said for said in sentences_of(path, WORDS))
    assert import_runs(path, {**WORDS, "decimal": ","})[0].measurements["GLC"].value.tolist() == [38.5, 37.25, 30.5]


def test_the_draft_takes_the_decimal_mark_of_most_cells_and_names_the_others(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('Day,Glc (mM)\n0,38.5\n1,"37,25"\n2,30.5\n', encoding="utf-8")
    assert "decimal" not in tomllib.loads(propose(path))
    assert "most numbers have a decimal point, but not 37,25" in propose(path)
    path.write_text("Day;Glc (mM)\n0;38,5\n1;37.25\n2;30,5\n", encoding="utf-8")
    assert tomllib.loads(propose(path))["decimal"] == ","
    assert "but 37.25 have a point" in propose(path)


@pytest.mark.parametrize(
    ("cell", "enough"), [("-0.02", "2e-02"), ("-0.5", "5e-01"), ("-0.021", "3e-02"), ("-1e-9", "1e-09")]
)
def test_noise_below_zero_is_told_round_off_which_then_works(csv, cell, enough):
    path = file_of(csv, cell)
    [said] = sentences_of(path, WORDS)
    assert f"round_off = {enough}" in said
    series = import_runs(path, {**WORDS, "round_off": float(enough)})[0].measurements["GLC"]
    assert series.value.tolist()[2] == 0.0


@pytest.mark.parametrize("cell", ["-3.2", "-30"])
def test_a_number_far_below_zero_is_no_noise(csv, cell):
    assert "round_off" not in sentences_of(file_of(csv, cell), WORDS)[0]


@pytest.mark.parametrize(("cells", "unit", "words"), [
    (("100.4", "97.5"), "%", "at most 100 %; correct the value; of a quotient of two counts write 100"),
    (("98", "250"), "%", "viability is at most 100 %"), (("1.004", "0.97"), "1", "at most 1; correct the value"),
    (("97.5", "96"), "1", "viability is 0 to 1; for percent write [%]"), (("101 %", "97 %"), "%", "at most 100 %"),
])  # fmt: skip
def test_a_viability_above_the_whole_is_told_in_the_unit_of_its_column(csv, tmp_path, cells, unit, words):
    path = csv("Day,Via,Glc", f"0,{cells[0]},30", f"1,{cells[1]},20")
    measured = {"viability": {"column": "Via", "unit": unit}, **GLC}
    assert words in sentences_of(path, {"time": DAY, "measured": measured})[0]
    if " %" not in cells[0]:
        table = f"time [d],viability [{unit}]\n0,{cells[0]}\n1,{cells[1]}\n"
        (tmp_path / "run.csv").write_text(table, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_runs(tmp_path / "run.csv")
        assert words in str(caught.value)


def test_findings_of_one_kind_are_one_with_their_rows_counted(csv):
    path = csv("Day,Glc", "0,30", *(f"{day},x{day}" for day in range(1, 40)))
    with pytest.raises(InputError) as caught:
        import_runs(path, WORDS)
    assert len(caught.value.findings) == 39  # each is kept
    [one] = gathered(caught.value.findings)
    assert "rows 3, 4, 5 and 36 more, column 'Glc': found 'x1', 'x2', 'x3' and 36 others" in str(one)


@pytest.mark.parametrize("names", [
    ("01", "02"), ("1.10", "1.1"), ("2E3", "2E4"), ("007", "7"), ("0012345", "12345"), ("+4", "4"), ("-5", "5"),
    ("1e5", "100000"), ("TRUE", "1"), ("#N/A", "NaN"),
])  # fmt: skip
def test_names_that_read_as_numbers_stay_names(csv, tmp_path, names):
    path = csv("Vessel,Day,Glc", *(f"{name},{day},{30 - day}" for name in names for day in range(3)))
    runs = import_runs(path, {"run": "Vessel", **WORDS})
    for place in (tmp_path / "runs.xlsx", tmp_path / "folder"):
        for _ in range(2):  # what graycell wrote is known again
            write_runs(runs, place)
        assert [run.name for run in read_runs(place)] == list(names)
    assert [run.name for run in read_runs(write_runs(runs, tmp_path / "parquet", parquet=True))] == list(names)
    assert [run.name for run in runs_from_tables(tables_of(runs))] == list(names)


# ------------------------------------------------------------------------------------------------- units in a row


@pytest.mark.parametrize(("units", "said"), [
    (("h", "1e6 cells/mL", "%", "g/L", "-"), ""), (("h", "E6/mL", "%", "g/L", "mOsm/kg"), ""),
    (("[h]", "[1E6 VC/mL]", "[%]", "[g/L]", "[mmHg]"), ""), (("hh:mm", "10⁶ VC·mL⁻¹", "%", "g L-1", "Br#"), ""),
    (("h", "Mcell/mL", "1", "mM", "n/a"), ""), (("hours", "Mio. Zellen/mL", "", "mg/dL", "\u2013"), ""),
    (("h", "(x10e6)", "%", "(mM)", "(mL/dag)"), "VCD"),
])  # fmt: skip
def test_one_odd_cell_does_not_lose_a_row_of_units(tmp_path, units, said):
    rows = [["Culture time", "VCD", "Viability", "Glucose", "pH"], [unit or None for unit in units],
            [0, 0.5, 0.9, 6, 7], [24, 0.9, 0.9, 5, 7]]  # fmt: skip
    path = book(tmp_path / "file.xlsx", {"Data": rows})
    draft = propose(path)
    words = tomllib.loads(draft)
    assert words["units"] == 2
    assert words["time"] == "Culture time"
    assert [name for name, entry in words["measured"].items() if isinstance(entry, dict)] == (
        [said] if said else [] if units[2] else ["viability"]
    )
    if said:
        assert "10e6 is ten million" in draft
    else:
        words["measured"]["viability"] = {"column": "Viability", "unit": units[2].strip("[]") or "1"}
        assert import_runs(path, words)[0].measurements["VCD"].value.tolist() == [0.5, 0.9]


@pytest.mark.parametrize("fill", [True, False])
def test_a_row_of_units_that_nobody_names_is_told_once(tmp_path, fill):
    rows = [["Vessel", "Age", "VCD", "Glc"], [None, "[h]", "[E6/mL]", "[g/L]"], ["A", 0, 0.5, 6],
            [None if fill else "A", 24, 0.9, 5]]  # fmt: skip
    path = book(tmp_path / "file.xlsx", {"Data": rows})
    words = {"run": "Vessel", "time": {"column": "Age", "unit": "h"}, "measured": {
        "VCD": {"column": "VCD", "unit": "1e6 cells/mL"}, "GLC": {"column": "Glc", "unit": "g/L"}}}  # fmt: skip
    words |= {"fill": ["Vessel"]} if fill else {}
    [said] = sentences_of(path, words)
    assert "row 2: found units: 'h', '1e6/mL', 'g/L'; the row of the units is named in the mapping" in said
    assert "add units = 2 to it" in said
    assert [run.name for run in import_runs(path, {**words, "units": 2})] == ["A"]


@pytest.mark.parametrize("row", [("0", "30", "x"), ("d", "30", "mM"), ("D0", "", "mM"), ("", "", ""), ("A", "B", "C")])
def test_a_row_of_values_is_none_of_units(csv, row):
    path = csv("Day,Glc,Note", ",".join(row), "1,25,x")
    assert "units" not in tomllib.loads(propose(path))
