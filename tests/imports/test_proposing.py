"""A draft of a mapping: it is TOML, asks for what the file does not say, and gives runs once that is answered."""

import tomllib
from pathlib import Path

import openpyxl
import pytest
from small_files import book, series_of
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs
from graycell.runs import Bolus, read_runs
from graycell.runs.format.template import TABLES, write_template
from graycell.runs.format.writing import write_runs
from graycell.runs.records import VCD, VIABILITY

DATA = Path(__file__).parents[3] / "shared" / "data"
TEXT = """Batch;Time (h);VCD (10^6 cells/mL);Viability;Glc_gL;IgG (mg/L);Feed A (mL);Draw (mL);pH;Foam
A;0;0,4;97;7,2;0,1;;1;7,1;1
A;24;0,9;98;6,1;5;20;1;7,0;2
B;0;0,5;97;7,2;0,1;;1;7,1;1
B;36;1,7;98;5,0;9;20;1;7,0;1
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_draft_asks_for_what_the_file_does_not_say_and_then_gives_runs(file):
    draft = propose(file)
    words = tomllib.loads(draft)
    assert words["measured"][VCD] == "VCD (10^6 cells/mL)"
    assert words["measured"]["ANTI"]["molar_mass"] == 150000.0
    assert words["decimal"] == ","
    assert words["measured"]["pH"] == "pH"
    assert "# not used: Foam" in draft
    with pytest.raises(InputError) as caught:
        import_runs(file, words)
    asked = {finding.place.split(", ", 1)[1] for finding in caught.value.findings}
    assert asked == {"[measured] viability", "taken", "[start] volume", "[feeds.Feed A] media GLC"}
    answered = (
        draft.replace('taken = "?"', 'taken = "before"').replace('"? L"', '"1.5 L"').replace("? mmol/L", "2 mol/L")
    )
    runs = import_runs(file, tomllib.loads(answered.replace('unit = "?"', 'unit = "%"')))
    assert [run.name for run in runs] == ["A", "B"]
    assert Bolus(1.0, "Feed A", 0.02) in runs[0].events
    assert runs[1].measurements[VIABILITY].value.tolist() == [0.97, 0.98]
    assert runs[1].measurements["pH"].value.tolist() == [7.1, 7.0]


@pytest.mark.parametrize(("text", "said"), [
    ("Day,Glc (mM)\n0,1\n", {"time": {"column": "Day", "unit": "d"}}),
    ("Time,Glc (mM)\n0,1\n", {"time": {"column": "Time", "unit": "?"}}),
    ("Date,Glc (mM)\n31.03.2026 14:00,1\n", {"time": {"column": "Date", "unit": "date", "written": "%d.%m.%Y %H:%M"}}),
    ("Date,Glc (mM)\n2026-03-31,1\n", {"time": {"column": "Date", "unit": "date"}}),
    ("Date,Hours,Glc (mM)\n2026-03-31,0,1\n", {"time": {"column": "Hours", "unit": "h"}}),
    ("a title\n\nDay,Glc (mM)\n0,1\n", {"header": 3}),
    ("Run,Day,Analyte,Result,Unit\nA,0,Glucose,1,g/L\nA,0,Lactate,1,mM\n",
     {"long": {"quantity": "Analyte", "value": "Result", "unit": "Unit"},
      "measured": {"GLC": "Glucose", "LAC": "Lactate"}}),
    ("Run,Day,Analyte,Result\nA,0,Lac,1\nA,0,Lactate,1\nA,0,Glc,1\n", {"measured": {
        "LAC": {"column": "Lac", "unit": "?"}, "GLC": {"column": "Glc", "unit": "?"}}}),
    ("Cell,Run,Day,Glc (mM)\nX,A,0,1\nX,B,0,1\n", {"run": "Run"}),
    ("Day,Glc (mM),Total feed (mL)\n0,1,0\n", {"feeds": {"Total feed": {"cumulative": "Total feed (mL)",
                                                                      "media": {"GLC": "? mmol/L"}}}}),
    ("Date,Glc (mM)\n03/01/2026,1\n04/01/2026,2\n", {"time": {"column": "Date", "unit": "date", "written": "?"}}),
    ("Date,Glc (mM)\n03/31/2026,1\n", {"time": {"column": "Date", "unit": "date", "written": "%m/%d/%Y"}}),
    ('Day,IgG (mg/L)\n0,"1,234"\n', {"decimal": "?"}),
    ("Day,NH4 (mg/L)\n0,1\n", {"measured": {"NH3": {"column": "NH4 (mg/L)", "molar_mass": 18.04}}}),
    ("Day,Viable (10^6 cells/mL)\n0,1\n", {"measured": {"VCD": "Viable (10^6 cells/mL)"}}),
    ('"Day\n(d)",Glc (mM)\n0,1\n', {"time": "Day (d)"}),
    ("Day (d),Glc (mM),Feed (mL),Feed (mL/h),Draw\n0,1,0,0,1\n", {
        "feeds": {"Feed": {"volume": "Feed (mL)", "media": {"GLC": "? mmol/L"}},
                  "Feed 2": {"rate": "Feed (mL/h)", "media": {"GLC": "? mmol/L"}}},
        "sample": {"volume": {"column": "Draw", "unit": "?"}}}),
    ("Vessel,Day,Gluc,Feed\n,d,g/L,mL\nA,0,1,2\nA,1,1,2\n", {"units": 2, "time": "Day", "measured": {"GLC": "Gluc"}}),
    ("Sample ID,Vessel,Day,Glc (mM)\na,A,0,1\nb,A,1,1\nc,B,0,1\nd,B,1,1\n", {"run": "Vessel"}),
    ("Date,Time,Glc (mM)\n31.03.2026,14:00,1\n", {
        "time": {"column": "Date", "clock": "Time", "unit": "date", "written": "%d.%m.%Y %H:%M"}}),
    ("Ansatz;Zeit [h];Glukose [g/L];Lebendzellzahl [10^6/mL]\nA;0;1;2\nB;0;1;2\n", {
        "run": "Ansatz", "time": "Zeit [h]", "measured": {"GLC": "Glukose [g/L]", VCD: "Lebendzellzahl [10^6/mL]"}}),
    ("pressure,wind\n1,2\n", {"measured": {}, "time": "?"}),
    ('Day,"X: ""Glc"" \\ (mM)"\n0,1\n', {"measured": {"GLC": 'X: "Glc" \\ (mM)'}}),
])  # fmt: skip
def test_what_headings_say_is_taken_from_them(tmp_path, text, said):
    path = tmp_path / "file.csv"
    path.write_text(text, encoding="utf-8")
    words = tomllib.loads(propose(path))
    assert {word: words.get(word) for word in said} == said


def test_the_sheet_with_known_headings_is_proposed(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["notes", "of nobody"])
    data = book.create_sheet("Data")
    data.append(["Day", "Glucose (mM)", "Lactate (mM)"])
    data.append([0, 1, 2])
    book.save(tmp_path / "runs.xlsx")
    assert tomllib.loads(propose(tmp_path / "runs.xlsx"))["sheet"] == "Data"


def test_a_log_of_feeds_on_another_sheet_is_proposed_and_is_read(tmp_path):
    book = openpyxl.Workbook()
    samples, log = book.active, book.create_sheet("Feed log")
    for row in (["Run", "Date", "Time", "Glucose (mM)"], ["A", "1.3.2026", "9:00", 30], ["A", "3.3.2026", "9:00", 20],
                ["B", "1.3.2026", "9:00", 30], ["B", "3.3.2026", "9:00", 20]):  # fmt: skip
        samples.append(row)
    for row in (["Run", "Date", "Clock", "Feed", "Volume (mL)"], ["A", "2.3.2026", "9:00", "F1", 50],
                ["B", "2.3.2026", "15:00", "glucose", 5]):  # fmt: skip
        log.append(row)
    book.save(tmp_path / "runs.xlsx")
    draft = propose(tmp_path / "runs.xlsx")
    answered = draft.replace('taken = "?"', 'taken = "before"').replace("? L", "2 L").replace("? mmol/L", "1 mol/L")
    first, second = import_runs(tmp_path / "runs.xlsx", tomllib.loads(answered))
    assert first.events == (Bolus(1.0, "F1", 0.05),)
    assert second.events == (Bolus(1.25, "glucose", 0.005),)


@pytest.mark.skipif(not DATA.exists(), reason="the open data sets are not there")
@pytest.mark.parametrize(("name", "profile"), [
    ("umn-fed-batch/runs.xlsx", "umn-fed-batch"), ("insilico-fed-batch/train_owu.csv", "owu"),
])  # fmt: skip
def test_a_file_that_a_profile_fits_is_known(name, profile):
    assert tomllib.loads(propose(DATA / name)) == {"like": profile}


def graycell(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(("lines", "said"), [
    (("Day,Unit,D0,D1", "Glc,mM,30,25", "Lac,mM,1,2"),
     {"transposed": True, "units": 2, "time": {"column": "Day", "unit": "d"},
      "measured": {"GLC": "Glc", "LAC": "Lac"}}),
    ((",R1,,R2,", "Day,Glc (mM),Lac (mM),Glc (mM),Lac (mM)", "0,30,1,40,1.5"),
     {"header": 2, "run": {"above": "{run}"}, "measured": {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}}),
    (("Day,Reactor 1 Glc (mM),Reactor 2 Glc (mM)", "0,30,40"),
     {"run": {"heading": "Reactor {run} {quantity}"}, "measured": {"GLC": "Glc (mM)"}}),
    (("Day,Glc (mM)_R1,Glc (mM)_R2", "0,30,40"), {"run": {"heading": "{quantity}_{run}"}}),
    (("Day,Total,Glc (mM),Lac (mM),Free Glc (mM)", "0,1,30,40,3"), {"run": None, "measured": {"GLC": "Glc (mM)",
                                                                                              "LAC": "Lac (mM)"}}),
    (("Day,Glc R1 [mM],Glc R2 [mM]", "0,30,40"),
     {"run": {"heading": "{quantity} {run} [{unit}]"}, "measured": {"GLC": "Glc (mM)"}}),
    (("Day,Glc (mM),,Lac (mM),", ",R1,R2,R1,R2", "0,30,40,1,2"),
     {"run": {"above": "{quantity}", "heading": "{run}"}, "header": 2,
      "measured": {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}}),
    (("Day,Glc,Mass,Temp", "d,mM,kg,degC", "0,30,1.5,37"), {"units": 2, "temperature": "Temp"}),
    (("Time point,Glc (mM)", "D0,30", "D3,25"), {"time": {"column": "Time point", "unit": "d"}}),
    (("Day,Type,Glc (mM),Volume (mL)", "0,daily,30,1000", "1,pre feed,20,990", "1,post feed,30,1020"),
     {"rows": {"column": "Type", "before": "pre feed", "after": "post feed", "neither": ["daily"]}, "taken": None,
      "start": {"volume": "Volume (mL)"},
      "feeds": {"Feed": {"rise": "Volume (mL)", "media": {"GLC": "? mmol/L"}}}}),
])  # fmt: skip
def test_how_runs_are_arranged_is_recognised_and_what_is_answered_is_read(tmp_path, lines, said):
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft = propose(path)
    words = tomllib.loads(draft)
    assert {word: words.get(word) for word in said} == said
    runs = import_runs(path, tomllib.loads(draft.replace("? mmol/L", "2 mol/L")))
    first = {name: next(iter(of.values())) for name, of in series_of(runs).items()}
    names = {"R1": 30.0, "R2": 40.0} if "R1" in "".join(lines) else {"1": 30.0, "2": 40.0}
    assert first == (names if "run" in words else {"file": 30.0})


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        (("Time,Glc (mM)", "09:00,30", "13:00,25"), "time"),  # of the day?
        (("Day,Glc (mM),Feed (g)", "0,30,", "1,25,20"), "feeds"),  # and its density?
        (("Day,Glc,Lac,Feed,Draw", "d,mM,g/L,g,g", "0,30,1,,1", "1,25,2,20,1"), "feeds"),
        (("Day,Glc (mM),Feed A (% v/v)", "0,30,", "1,25,3"), "feeds"),  # of the start or of the culture?
        (("Day,Glc (mM),Feed (g/h)", "0,30,", "1,25,20"), "feeds"),  # of the feed or of its solute?
    ],
)
def test_what_a_file_does_not_say_is_asked(tmp_path, lines, word):
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "?" in str(tomllib.loads(propose(path))[word])


@pytest.mark.parametrize("lines", [
    (",Bioprofile,,HPLC,", "Day,Glc (mM),Lac (mM),Glc (mM),Gln (mM)", "0,30,1,31,4"),
    ("Day,VCD (1e6 cells/mL),Glc raw,Glc corrected", "0,1,30,31"),
])  # fmt: skip
def test_what_may_be_something_else_is_not_taken_for_runs(tmp_path, lines):
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "run" not in tomllib.loads(propose(path))


def test_words_of_a_shift_are_no_rows_before_and_after_a_feed(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("Day,Note,Glc (mM),Feed (mL)\n0,before shift,30,\n1,after shift,25,20\n", encoding="utf-8")
    words = tomllib.loads(propose(path))
    assert "rows" not in words
    assert words["taken"] == "?"


def test_sheets_of_quantities_are_recognised(tmp_path):
    rows = [["Day", "R1", "R2"], [0, 30, 40], [1, 25, 31]]
    path = book(tmp_path / "file.xlsx", {"Glc (mM)": rows, "Lac (mM)": rows, "Notes": [["none"]]})
    words = tomllib.loads(propose(path))
    assert words["sheet"] == ["Glc (mM)", "Lac (mM)"]
    assert words["run"] == {"sheet": "{quantity}", "heading": "{run}"}
    assert series_of(import_runs(path, words)) == {"R1": {0.0: 30.0, 1.0: 25.0}, "R2": {0.0: 40.0, 1.0: 31.0}}


def test_the_commands_from_a_file_to_runs(file, tmp_path):
    draft = tmp_path / "map.toml"
    assert 'taken = "?"' in graycell("import", file).output
    assert graycell("import", file, "--draft", draft).exit_code == 0
    assert graycell("import", file, "--draft", draft).exit_code != 0  # what was edited is never overwritten
    text = draft.read_text().replace('taken = "?"', 'taken = "before"').replace("? L", "1.5 L")
    draft.write_text(text.replace("? mmol/L", "2 mol/L").replace('unit = "?"', 'unit = "%"'))
    result = graycell("import", file, "--map", draft, "--out", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    for words in ("A: bookkeeping", "volume", "Not read: Foam.", "2 runs of runs.csv"):
        assert words in result.output, words
    assert graycell("export", tmp_path / "runs", "--out", tmp_path / "all.xlsx").exit_code == 0
    assert [run.name for run in read_runs(tmp_path / "all.xlsx")] == ["A", "B"]
    assert graycell("import", file, "--map", draft, "--like", "owu").exit_code == 2


def test_the_template_is_a_sound_run_with_instructions_and_is_never_written_over(tmp_path):
    path = tmp_path / "runs.xlsx"
    assert graycell("template", path).exit_code == 0
    assert graycell("check", path).output.endswith("0 errors, 0 remarks.\n")
    assert set(openpyxl.load_workbook(path).sheetnames) == {"instructions", *TABLES}
    for wrong in (path, tmp_path / "runs.csv"):
        with pytest.raises(InputError):
            write_template(wrong)
    assert read_runs(write_runs(read_runs(path), tmp_path / "back"))[0].events == read_runs(path)[0].events
