"""Samples of analysers become one table, by their names; and runs, where names or columns tell what is needed."""

import json
import re
import tomllib
from pathlib import Path

import analyser_files as files
import pytest
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.analysers.drafts import draft_of
from graycell.imports.analysers.identities import Identity, identity_of
from graycell.imports.analysers.reading import export_of
from graycell.imports.analysers.tidying import tidied
from graycell.imports.importing import import_runs, imported
from graycell.runs import read_runs
from graycell.runs.solutes import MOLAR_MASS

COUNTER = """Sample ID,Total (x10^6) cells/mL,Viable (x10^6) cells/mL,Viability (%),Analysis date/time
BR07_D0,0.78,0.75,96.9,3/21/2022 16:56
BR07_D3,2.72,2.63,96.8,3/24/2022 15:15
BR08 D0,0.54,0.53,98.4,3/21/2022 17:43
BR08-D3,1.13,1.11,98.2,3/24/2022 15:10
QC,1.00,0.99,99.0,3/24/2022 15:12
"""
CHEMISTRY = """"Date & Time","Sample ID","Sample Type","Gln","Gluc","Lac","NH4+","pH"
3/25/2022  6:34:52 PM,br07_d0,Spent Media,4.1,6.65,0.18,0.48,7.1
3/25/2022  6:36:52 PM,BR07 Day 3,Spent Media,1.83,4.65,1.18,2.48,7.0
3/25/2022  6:38:52 PM,BR08-D0,Spent Media,4.0,6.60,<0.10,0.48,7.1
3/25/2022  6:40:52 PM,BR08 72 h,Spent Media,1.80,2.65,1.11,2.40,7.0
"""


@pytest.fixture
def pair(tmp_path):
    counter, chemistry = tmp_path / "counter.csv", tmp_path / "chemistry.csv"
    counter.write_text(COUNTER)
    chemistry.write_text(CHEMISTRY)
    return [counter, chemistry]


def made(tmp_path, *texts):
    paths = [tmp_path / f"{i}.txt" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def columns_of(paths):
    """Return the columns of the table of files by heading."""
    table = tidied([export_of(path) for path in paths]).table
    return {heading: [row[i] for row in table.rows] for i, heading in enumerate(table.headings)}


def drafted(paths):
    return tomllib.loads(draft_of(tidied([export_of(path) for path in paths]), paths))


@pytest.mark.parametrize(("name", "run", "day"), [
    ("BR07_D3", "BR07", 3), ("BR07 D03", "BR07", 3), ("BR07D3", "BR07", 3), ("BR07-Day 3", "BR07", 3),
    ("BR 07 (D3)", "BR 07", 3), ("D3_BR07", "BR07", 3), ("Day 3 BR07", "BR07", 3), ("br07.d3", "br07", 3),
    ("BR07_Tag3", "BR07", 3), ("BR07_D2.5", "BR07", 2.5), ("BR07_D3_2", "BR07", 3), ("BR07_D3 #2", "BR07", 3),
    ("BR07_72h", "BR07", 3), ("BR07 T36 h", "BR07", 1.5), ("BR07-24hrs", "BR07", 1), ("BR07_D0", "BR07", 0),
])  # fmt: skip
def test_a_name_tells_the_vessel_and_the_day(name, run, day):
    assert identity_of(name) == Identity(run, day)


@pytest.mark.parametrize("name", [
    "CLB001", "QC", "BR07", "D3", "Day 3", "BR07_D-1", "cellsABCD", "SD3", "0618_F01", "LAC DG 046 T0 M1", "", "72h",
    "foobar#1", "SAMPLE_1", "7B", "GRAND3", "WORD 5", "D3_2",
])  # fmt: skip
def test_another_name_tells_nothing(name):
    assert identity_of(name) is None


@pytest.mark.parametrize(("name", "side"), [
    ("BR07_D3_pre", "before"), ("BR07_D3-post", "after"), ("BR07 D3 (pre feed)", "before"), ("BR07_72h_bf", "before"),
    ("br07-d3-AF", "after"), ("BR07_D3_2_post", "after"), ("BR07_D3", ""),
])  # fmt: skip
def test_a_name_may_tell_the_side_of_a_feed(name, side):
    found = identity_of(name)
    assert (found.run.upper(), found.day, found.side) == ("BR07", 3.0, side)


def test_samples_before_and_after_a_feed_are_two_and_in_this_order(tmp_path):
    counter = COUNTER.replace("BR07_D3,", "BR07_D3_post,1.0,0.9,96.0,3/24/2022 15:20\nBR07_D3_pre,")
    chemistry = CHEMISTRY.replace("BR07 Day 3,", "BR07 Day 3 (pre),") + (
        "3/25/2022  6:42:52 PM,BR07-D3-POST,Spent Media,1.80,22.65,1.11,2.40,7.0\n")  # fmt: skip
    paths = made(tmp_path, counter, chemistry)
    columns = columns_of(paths)
    assert columns["side of a feed"] == ["", "before", "after", "", ""]
    found = imported(paths, drafted(paths))
    run = next(run for run in found.runs if run.name == "BR07")
    assert run.measurements["VCD"].value.tolist() == pytest.approx([0.75, 2.63, 0.9])
    assert run.measurements["GLC"].value.tolist() == pytest.approx([x * 1e3 / MOLAR_MASS["GLC"] for x in
                                                                   (6.65, 4.65, 22.65)])  # fmt: skip
    assert run.measurements["VCD"].time.tolist() == pytest.approx([0.0, 3.0, 3.0 + 1.0 / 86400.0])


def test_samples_of_two_files_are_joined_by_their_names_however_they_are_typed(pair):
    columns = columns_of(pair)
    assert columns["sample name"] == ["BR07_D0", "BR07_D3", "BR08 D0", "BR08-D3"]
    assert columns["run"] == ["BR07", "BR07", "BR08", "BR08"]
    assert columns["day [d]"] == ["0", "3", "0", "3"]
    assert columns["VCD [1e6 cells/mL]"] == ["0.75", "2.63", "0.53", "1.11"]
    assert columns["GLC [g/L]"] == ["6.65", "4.65", "6.6", "2.65"]
    assert columns["LAC [g/L]"] == ["0.18", "1.18", "<0.1", "1.11"]


def test_the_mapping_that_is_drafted_gives_runs_of_both_files(pair):
    found = imported(pair, drafted(pair))
    first, second = found.runs
    assert (first.name, second.name) == ("BR07", "BR08")
    assert first.measurements["VCD"].value.tolist() == [0.75, 2.63]
    assert first.measurements["GLC"].value == pytest.approx([6.65e3 / MOLAR_MASS["GLC"], 4.65e3 / MOLAR_MASS["GLC"]])
    assert second.measurements["NH3"].value.tolist() == [0.48, 2.4]
    assert second.measurements["LAC"].below.tolist() == [True, False]
    assert first.measurements["viability"].time.tolist() == [0.0, 3.0]
    told = "\n".join(map(str, found.remarks))
    assert "'QC'" in told
    assert "Gluc and Lac read in g/L, other concentrations in mmol/L; the file has no units" in told
    assert "pH" in found.not_read


def test_a_mapping_may_name_any_column_of_the_samples(pair):
    mapping = {"analyser": True, "run": "run", "time": {"column": "measured at", "unit": "date"},
               "measured": {"VCD": "VCD [1e6 cells/mL]"}, "start": {"volume": "2 L"}}  # fmt: skip
    first, _ = import_runs(pair[0], mapping)
    assert first.measurements["VCD"].time.tolist() == pytest.approx([0.0, 2.92986], abs=1e-4)
    with pytest.raises(InputError, match=r"no heading 'Viable'.*VCD \[1e6 cells/mL\]"):
        import_runs(pair[0], mapping | {"measured": {"VCD": "Viable"}})


def test_without_the_word_a_file_of_an_analyser_is_read_as_it_is(pair):
    mapping = {"run": "Sample ID", "time": {"column": "Viability (%)", "unit": "d"},
               "measured": {"VCD": {"column": "Viable (x10^6) cells/mL", "unit": "1e6 cells/mL"}}}  # fmt: skip
    assert import_runs(pair[0], mapping)[0].name == "BR07_D0"


def test_a_file_of_another_kind_is_told_which_are_read(tmp_path):
    (path,) = made(tmp_path, "Day,Glc (mM)\n0,1\n")
    with pytest.raises(InputError, match="a file of another kind; files of Allotrope ASM, Vi-CELL XR"):
        import_runs(path, {"analyser": True, "time": "Day", "measured": {"GLC": "Glc (mM)"}})
    with pytest.raises(InputError, match="a file is needed; look at the path"):
        import_runs(tmp_path / "no.csv", {"analyser": True, "time": "Day", "measured": {"GLC": "Glc (mM)"}})
    with pytest.raises(InputError, match="analyser: found 3; true or false is needed"):
        import_runs(path, {"analyser": 3, "time": "Day", "measured": {"GLC": "Glc (mM)"}})


def test_replicates_of_one_sample_are_averaged(tmp_path):
    paths = made(tmp_path, COUNTER.replace("BR07_D3,2.72,2.63", "BR07_D3_1,2.72,2.63") + "BR07_D3_2,2.9,2.83,97,\n")
    words = drafted(paths)
    assert words["replicates"] == "mean"
    first = import_runs(paths[0], words)[0]
    assert first.measurements["VCD"].value == pytest.approx([0.75, 2.73])


def test_a_name_that_is_used_again_another_day_is_another_sample(tmp_path):
    counter = COUNTER.splitlines()[0] + "\nA,1,0.9,90,3/21/2022 16:56\nA,2,1.9,95,3/22/2022 16:56\n"
    chemistry = CHEMISTRY.splitlines()[0] + "\n3/22/2022 17:00,A,x,1,2,3,4,7\n3/21/2022 17:00,A,x,5,6,7,8,7\n"
    columns = columns_of(made(tmp_path, counter, chemistry))
    assert columns["VCD [1e6 cells/mL]"] == ["0.9", "1.9"]
    assert columns["GLN [mmol/L]"] == ["5", "1"]


def test_vessel_and_batch_tell_runs_where_names_do_not(tmp_path):
    words = drafted(made(tmp_path, files.FLEX2))
    assert (words["run"], words["time"]) == ("batch", {"column": "drawn at", "unit": "date"})
    words = drafted(made(tmp_path, files.FLEX2.replace(",B1,", ",,").replace("B1,37", ",37")))
    assert words["run"] == "vessel"
    words = drafted(made(tmp_path, files.HIRES.replace("6-18-2019 8:34", "6-17-2019 8:34")))
    assert words["run"] == "?", "flasks of one draw are no replicates"


@pytest.mark.parametrize("name", ["D3", "Day 3", "d03", "Tag 3", "72 h", "D3_2"])
def test_a_name_may_tell_the_day_alone_where_a_column_tells_the_vessel(tmp_path, name):
    paths = made(tmp_path, files.FLEX2.replace(",A1,", ",D0,").replace(",A2,", f",{name},"))
    columns = columns_of(paths)
    assert (columns["run"], columns["day [d]"]) == (["B1", "B1"], ["0", "3"])
    assert import_runs(paths[0], drafted(paths))[0].measurements["GLC"].time.tolist() == [0.0, 3.0]


def test_a_draft_asks_for_what_no_file_tells(tmp_path):
    words = drafted(
        made(tmp_path, COUNTER.replace("BR0", "CLB").replace("_D", "x").replace("-D", "y").replace(" D", "z"))
    )
    assert words["run"] == "?"
    assert words["time"] == {"column": "measured at", "unit": "date"}
    words = drafted(made(tmp_path, files.NUCLEOCOUNTER.replace("2024-02-19", "2024-02-99").replace("BR07 D6", "x")))
    assert (words["run"], words["time"]) == ("?", "?")


def test_titers_come_with_the_molar_mass_of_an_igg_and_ions_as_lines_to_choose(tmp_path):
    (path,) = made(tmp_path, files.CEDEX6)
    draft = draft_of(tidied([export_of(path)]), [path])
    words = tomllib.loads(draft)
    assert words["measured"]["ANTI"] == {"column": "IgG [g/L]", "molar_mass": 150000.0}
    (path,) = made(tmp_path, files.FLEX2)
    assert '\n# Na = "Na [mmol/L]"\n' in draft_of(tidied([export_of(path)]), [path])


def test_a_quantity_in_two_units_is_one_column(tmp_path):
    other = files.CEDEX6.replace("\tS1\t", "\tS9\t").replace("g/L\tv\t  1.89", "mmol/L\tv\t  20.98")
    columns = columns_of(made(tmp_path, files.CEDEX6, other))
    assert [float(cell) for cell in columns["LAC [g/L]"] if cell] == pytest.approx([1.89, 20.98 * 0.0900779], rel=1e-5)


@pytest.mark.parametrize(
    "name", ["glucose ", "GLC", "D-glucose", "IgG", "product titer", "a\x7f[b]", "\ud800", "", "a.b = 1"]
)
def test_a_draft_is_toml_whatever_the_names_of_analytes_are(tmp_path, name):
    asm = files.asm()
    (documents,) = [value for value in asm["solution analyzer aggregate document"].values() if isinstance(value, list)]
    measured = documents[1]["measurement aggregate document"]["measurement document"][1]
    measured["analyte aggregate document"]["analyte document"][0] = {
        "analyte name": name, "mass concentration": {"value": 1.0, "unit": "g/L"}}  # fmt: skip
    measured["sample document"]["sample identifier"] = 'BR"07_D2\ud800\n'
    (path,) = made(tmp_path, json.dumps(asm))
    words = drafted([path])
    assert words["measured"]["NH3"] == "NH3 [mmol/L]"
    run(path)
    run(path, "--out", tmp_path / "samples.csv")


def test_what_is_odd_about_values_is_told_once_for_each_kind(tmp_path):
    (path,) = made(tmp_path, files.CEDEX6.replace("S2\tB7", "S1\tB7"))
    remarks = [str(remark) for remark in tidied([export_of(path)]).remarks]
    assert any("1 value with 'v (verification)', LAC of 'S1'" in remark for remark in remarks)
    (path,) = made(tmp_path, files.BLU)
    (remark,) = [str(remark) for remark in tidied([export_of(path)]).remarks]
    assert "2 values without a number, such as cells counted 'ERROR' of 'BR07_D3'" in remark
    (path,) = made(tmp_path, files.FLEX2)
    assert any("'10.00%', VCD of 'A2'" in str(remark) for remark in tidied([export_of(path)]).remarks)


def test_a_quantity_that_two_files_have_counts_once(tmp_path):
    paths = made(tmp_path, COUNTER, COUNTER.replace("96.9", "50"))
    tidy = tidied([export_of(path) for path in paths])
    assert columns_of(paths)["viability [%]"] == ["96.9", "96.8", "98.4", "98.2"]
    assert any("4 values of viability in an earlier file too" in str(remark) for remark in tidy.remarks) or any(
        "5 values of viability in an earlier file too" in str(remark) for remark in tidy.remarks)  # fmt: skip


def test_a_name_with_another_day_than_its_measurement_is_noted(tmp_path):
    days = [(day, f"BR07_D{day},1,0.9,90,3/{20 + day}/2022 16:56\n") for day in range(6)]
    head = COUNTER.splitlines()[0] + "\n"
    right = tidied([export_of(made(tmp_path, head + "".join(line for _, line in days))[0])])
    assert right.remarks == ()
    wrong = head + "".join(line.replace("3/24", "3/29") for _, line in days)
    (remark,) = tidied([export_of(made(tmp_path, wrong)[0])]).remarks
    assert "'BR07_D4' measured 2022-03-29" in str(remark)


# ---------------------------------------------------------------------------------------------------- the command line


def run(*words, fails=False):
    result = CliRunner().invoke(app, ["import", *map(str, words)])
    assert (result.exit_code != 0) is fails, result.output
    return " ".join(f"{result.output} {result.exception or ''}".split())


@pytest.mark.parametrize("name", files.TEXTS)
def test_a_file_of_an_analyser_is_shown_without_a_mapping(tmp_path, name):
    path = tmp_path / name
    path.write_text(files.TEXTS[name], encoding="utf-8")
    shown = run(path)
    assert f"{name}: {files.INSTRUMENTS[name]}, " in shown
    assert "sample" in shown
    assert "Write them with" in shown or "The draft of a mapping:" in shown


def test_runs_are_written_where_the_names_tell_them(pair, tmp_path):
    shown = run(*pair)
    assert "2 runs: BR07, BR08, by run and day [d]." in shown
    run(*pair, "--out", tmp_path / "runs")
    written = read_runs(tmp_path / "runs")
    assert [one.name for one in written] == ["BR07", "BR08"]
    assert written[0].measurements["VCD"].value.tolist() == [0.75, 2.63]


def test_a_draft_is_written_and_gives_the_same_runs(pair, tmp_path):
    draft = tmp_path / "samples.toml"
    run(*pair, "--draft", draft)
    run(*pair, "--map", draft, "--out", tmp_path / "mapped")
    assert [one.name for one in read_runs(tmp_path / "mapped")] == ["BR07", "BR08"]
    assert "what you wrote is never overwritten" in run(*pair, "--draft", draft, fails=True)


def test_runs_are_refused_and_the_table_written_where_names_tell_nothing(tmp_path):
    (path,) = made(tmp_path, files.NC_VIEW)
    assert "which vessel a sample is from" in run(path)
    assert "write a draft with --draft FILE.toml" in run(path, "--out", tmp_path / "runs", fails=True)
    table = tmp_path / "samples.csv"
    assert "Next: graycell import" in run(path, "--out", table)
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("sample name,measured at,TCD [1e6 cells/mL]")
    # as the sentence says: with the columns run and day [d] it is a sheet like any other
    table.write_text("\n".join([f"run,day [d],{lines[0]}", f"A,0,{lines[1]}", f"A,1,{lines[2]}", ""]), encoding="utf-8")
    draft = tmp_path / "draft.toml"
    run(table, "--draft", draft)
    run(table, "--map", draft, "--out", tmp_path / "runs")
    assert read_runs(tmp_path / "runs")[0].measurements["VCD"].value == pytest.approx([0.124, 1.02])


def test_files_of_analysers_and_others_are_not_mixed(pair, tmp_path):
    other = tmp_path / "sheet.csv"
    other.write_text("Day,Glc (mM)\n0,1\n")
    assert "sheet.csv: found no file of an analyser" in run(*pair, other, fails=True)
    assert "nothing.csv" in run(tmp_path / "nothing.csv", fails=True)


def test_names_are_printed_safely_and_written_as_no_formula(tmp_path):
    (path,) = made(tmp_path, COUNTER.replace("BR07_D0", "=cmd|' /C calc'!A0").replace("QC", "\x1b[2Jx"))
    result = CliRunner().invoke(app, ["import", str(path)])
    assert "\x1b[2J" not in result.output
    run(path, "--out", tmp_path / "samples.csv")
    assert "\n=cmd" not in (tmp_path / "samples.csv").read_text(encoding="utf-8")


def test_the_mapping_of_the_page_gives_runs(pair):
    page = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```\n(analyser = true\n.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert [one.name for one in import_runs(pair, tomllib.loads(block))] == ["BR07", "BR08"]
    for name in {name.split(" of ")[0] for name in files.INSTRUMENTS.values()}:
        assert name in page
