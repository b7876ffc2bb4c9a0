"""Files as other laboratories would type those of the cases: a draft asks for what is open, and gives right runs."""

import tomllib
from datetime import time

import pytest
from small_files import DAY, book

from graycell.errors import InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.importing import import_runs, imported
from graycell.runs import Bolus

ANSWERS = (('"? L"', '"1.5 L"'), ("? mmol/L", "1 mol/L"), ('density = "?"', "density = 1.25"),
           ('taken = "?"', 'taken = "before"'))  # fmt: skip


def drafted(path):
    draft = propose(path)
    for ask, answer in ANSWERS:
        draft = draft.replace(ask, answer)
    return import_runs(path, tomllib.loads(draft))


def measured(run):
    return {name: series.value.round(2).tolist() for name, series in run.measurements.items()}


SEPARATED = [
    '"Time, h"|"VCD, 1e6 cells/mL"|"Glucose, mM"\n"0"|"0.5"|"38"\n"24"|"0.9"|"37"\n',
    '"Glucose, mM";"Day";"VCD, x10^6/mL"\n"38,0";"0";"0,5"\n"37,0";"1";"0,9"\n',
    'Export, lab 2\n\n"Tag";"Lebendzellzahl (Mio. Zellen/mL)";"Glukose (mM)"\n"0";"0,5";"38"\n"1";"0,9";"37"\n',
    '"Time [h]"\t"VCD [1e6 cells/mL]"\t"Glc [mM]"\t"Note"\n"0"\t"0.5"\t"38"\t"a; b, c"\n"24"\t"0.9"\t"37"\t"d, e; f"\n',
    'sep=;\n"Time [h]";"VCD [E6/mL]";"Glc [mM]";"Note"\n"0";"0,5";"38";"said ""ok"", fine"\n"24";"0,9";"37";""\n',
    '\ufeffDay,VCD (1E+06 cells/mL),Glc (mM)\r\n0,0.5,38\r\n1,0.9,37\r\n',
]


@pytest.mark.parametrize("text", SEPARATED)
def test_separators_quotes_and_units_after_a_comma(tmp_path, text):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    [run] = drafted(path)
    assert measured(run) == {"VCD": [0.5, 0.9], "GLC": [38.0, 37.0]}
    assert run.measurements["VCD"].time.tolist() == [0.0, 1.0]


def test_a_word_after_a_comma_is_no_unit(csv):
    draft = tomllib.loads(propose(csv("Day;Glucose, anhydrous;Feed, A (mL);Lactate, free", "0;5;0;1", "1;4;20;2")))
    assert draft["measured"]["GLC"] == {"column": "Glucose, anhydrous", "unit": "?"}
    assert list(draft["feeds"]) == ["Feed, A"]


def test_headings_in_another_row_than_the_mapping_says_are_told_with_their_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('Export\n"a title, with a comma"\n"Day";"Glc (mM)"\n"0";"38,5"\n"1";"37,5"\n', encoding="utf-8")
    words = {"time": DAY, "decimal": ",", "measured": {"GLC": "Glc (mM)"}}
    with pytest.raises(InputError) as caught:
        import_runs(path, words)
    assert "it is in row 3: if the headings are there, write header = 3" in str(caught.value)
    assert "quote" not in str(caught.value)
    [run] = import_runs(path, words | {"header": 3})
    assert measured(run) == {"GLC": [38.5, 37.5]}
    path.write_text('Day,Glc (mM)\n0,"30\n1,25\n', encoding="utf-8")
    with pytest.raises(InputError, match="a quote that is not closed"):
        import_runs(path, words)


@pytest.mark.parametrize(("units", "expected"), [
    (("d", "E6 cells/mL", "mmol/L", "% air sat.", "rpm"), {"DO": [0.4, 0.4]}),
    (("d", "1E+06 cells/mL", "mM", "%DO", "1/min"), {"DO": [0.4, 0.4]}),
    (("[d]", "[10^6/ml]", "[mM]", "[%]", "[-]"), {"DO": [0.4, 0.4]}),
    (("days", "Mio/mL", "mM", "% a.s.", ""), {"DO": [0.4, 0.4]}),
    (("d", "10⁶ VC/mL", "mmol/l", "mmHg", "U/min"), {"DO": [40.0, 40.0]}),
])  # fmt: skip
def test_rows_of_units_as_others_write_them(csv, units, expected):
    path = csv("Age;VCD;Glc;DO;Stirrer", ";".join(units), "0;0.5;38;40;150", "1;0.9;37;40;150")
    [run] = drafted(path)
    assert measured(run) == {"VCD": [0.5, 0.9], "GLC": [38.0, 37.0], **expected}


@pytest.mark.parametrize(("cell", "words"), [
    ("failed", 'give empty = ["failed"] in the mapping'), ("no sample", 'give empty = ["no sample"]'),
    ("TNTC", 'give above = "empty"'), ("too numerous to count", 'give above = "empty"'),
    ("> 40", 'give above = "empty"'),
])  # fmt: skip
def test_words_in_cells_are_told_with_a_way_that_works(csv, cell, words):
    path = csv("Day,Glc (mM)", "0,38", f"1,{cell}", "2,35")
    mapping = {"time": DAY, "measured": {"GLC": "Glc (mM)"}}
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    assert words in str(caught.value)
    more = {"above": "empty"} if "above" in words else {"empty": [cell]}
    assert import_runs(path, mapping | more)[0].measurements["GLC"].time.tolist() == [0.0, 2.0]


@pytest.mark.parametrize(("heads", "rows", "days"), [
    ("Day,hh:mm", ("0,08:30", "1,14:00"), [0.0, 1.0 + 5.5 / 24.0]),
    ("Culture day,Sampling time", ("0,8:30 AM", "1,2:00 PM"), [0.0, 1.0 + 5.5 / 24.0]),
    ("Date,Time", ("21.03.2026,08:30", "22.03.2026,09:00"), [0.0, 1.0 + 0.5 / 24.0]),
    ("Tag,Uhrzeit", ("0,22:00", "1,06:00"), [0.0, 8.0 / 24.0]),
    ("Day,Time (h)", ("0,0", "1,23.5"), [0.0, 23.5 / 24.0]),
    ("Time (h),Day", ("0.5,0", "26.25,1"), [0.5 / 24.0, 26.25 / 24.0]),
    ("Day,Age (d)", ("0,0", "1,1.1"), [0.0, 1.1]),
])  # fmt: skip
def test_the_finest_time_of_a_file_counts(csv, heads, rows, days):
    [run] = drafted(csv(f"{heads},Glc (mM)", *(f"{row},{30 - i}" for i, row in enumerate(rows))))
    assert run.measurements["GLC"].time.tolist() == pytest.approx(days)


def test_a_clock_of_a_workbook_is_one(tmp_path):
    rows = [["Day", "Time of day", "Glc (mM)"], [0, time(8, 30), 30], [1, time(14, 0), 28]]
    [run] = drafted(book(tmp_path / "a.xlsx", {"D": rows}))
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, 1.0 + 5.5 / 24.0])


@pytest.mark.parametrize("rows", [
    ("Reactor;Sample;Age;VCD;Glc", ";;d;10^6/mL;mM", "R1;1;0;0,5;38", ";2;1;0,9;37", "R2;1;0;0,5;38", ";2;1;0,9;37"),
    ("Reactor;Age;VCD;Glc", ";d;1e6/mL;mM", "R1;0;0,5;38", ";1;0,9;37", "R2;0;0,5;38", ";1;0,9;37"),
    ("Campaign 7;;;", "Reactor;Age (d);VCD (1e6/mL);Glc (mM)", "R1;0;0,5;38", ";1;0,9;37", "R2;0;0,5;38", ";1;0,9;37"),
    ("Vessel;Clone;Day;VCD;Glc", ";;d;E6/mL;mM", "R1;c1;0;0,5;38", ";;1;0,9;37", "R2;c2;0;0,5;38", ";;1;0,9;37"),
    ("Day;VCD;Glc;Run", "d;1e6/mL;mM;", "0;0,5;38;R1", "1;0,9;37;R1", "0;0,5;38;R2", "1;0,9;37;R2"),
])  # fmt: skip
def test_rows_of_units_and_merged_names_of_runs(csv, rows):
    runs = drafted(csv(*rows))
    assert [run.name for run in runs] == ["R1", "R2"]
    assert all(measured(run) == {"VCD": [0.5, 0.9], "GLC": [38.0, 37.0]} for run in runs)
    assert all(run.events == () for run in runs)  # a number of a sample is no volume


LOGS = {
    "hours beside days, in g": (["Run", "Time (h)", "Feed", "Amount (g)"], [["B1", 12, "F1", 12.5]]),
    "days, in mL": (["Run", "Day", "Medium", "Volume (mL)"], [["B1", 0.5, "F1", 10]]),
    "minutes, another order": (["Volume (L)", "Feed", "Time (min)", "Run"], [[0.01, "F1", 720, "B1"]]),
    "one feed": (["Run", "Time (h)", "Feed volume (mL)"], [["B1", 12, 10]]),
    "a kilogram": (["Run", "Day", "Solution", "Weight (kg)"], [["B1", 0.5, "F1", 0.0125]]),
}


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_feeds_in_other_units_and_orders(tmp_path, name):
    headings, rows = LOGS[name]
    path = book(tmp_path / "a.xlsx", {"Samples": [["Run", "Day", "Glc (mM)"], ["B1", 0, 30], ["B1", 1, 25]],
                                      "Feed log": [headings, *rows]})  # fmt: skip
    [run] = drafted(path)
    [event] = [event for event in run.events if isinstance(event, Bolus)]
    assert (event.time, event.volume) == (pytest.approx(0.5), pytest.approx(0.01))


def test_a_pump_of_a_trend_is_a_feed_and_its_sensors_are_told(tmp_path):
    trend = [["Time (h)", "Pump F1 (mL/h)", "Pump speed (rpm)", "pH"], [0, 0, 0, 7.1], [12, 1.5, 9, 7.1],
             [24, 2, 12, 7]]  # fmt: skip
    path = book(tmp_path / "a.xlsx", {"Offline": [["Time (h)", "Glc (mM)"], [0, 30], [24, 25]], "Trend": trend})
    [run] = drafted(path)
    assert (run.events[0].time, run.events[0].rate) == (0.5, pytest.approx(0.036))
    draft = propose(path)
    for ask, answer in ANSWERS:
        draft = draft.replace(ask, answer)
    assert "pH of the sheet 'Trend'" in imported(path, tomllib.loads(draft)).not_read


def test_units_of_dry_cells_of_degrees_and_with_their_power_behind(csv):
    path = csv("Day,Xv (cells/ml x 10^6),X (gDCW/L),Temp (C),Glc (mmol.L-1)", "0,0.5,0.1,37,38", "1,0.9,0.2,33,37")
    draft = tomllib.loads(propose(path))
    assert draft["measured"] == {"VCD": "Xv (cells/ml x 10^6)", "GLC": "Glc (mmol.L-1)", "biomass": "X (gDCW/L)"}
    [run] = import_runs(path, draft)
    assert measured(run) == {"VCD": [0.5, 0.9], "GLC": [38.0, 37.0], "biomass": [0.1, 0.2]}
    assert [(event.time, event.value) for event in run.events] == [(1.0, 33.0)]


def test_sheets_and_rows_that_name_runs_keep_their_names(tmp_path, csv):
    rows = [["Day", "Glc (mM)", "pH"], [0, 30, 7.1], [1, 25, 7.0]]
    for names in (("BR01", "BR02"), ("R1", "R12"), ("A", "B")):
        runs = drafted(book(tmp_path / "a.xlsx", dict.fromkeys(names, rows)))
        assert [run.name for run in runs] == list(names)
    runs = drafted(book(tmp_path / "a.xlsx", dict.fromkeys(("Reactor 1", "Reactor 2"), rows)))
    assert [run.name for run in runs] == ["1", "2"]
    path = csv("Parameter,BR01,BR01,BR02", "Day,0,1,0", "VCD (1e6/mL),0.5,0.9,0.6", "Glc (mM),30,25,31",
               "pH,7.1,7,7.1")  # fmt: skip
    assert {run.name: measured(run)["pH"] for run in drafted(path)} == {"BR01": [7.1, 7.0], "BR02": [7.1]}
    path = csv("Tank,Day,Glc (mM)", "A,0,30", "A,1,25", "B,0,31", "B,1,26")
    assert {run.name: measured(run)["GLC"] for run in drafted(path)} == {"A": [30.0, 25.0], "B": [31.0, 26.0]}
    assert "run" not in tomllib.loads(propose(csv("Who,Day,Glc (mM)", "Anna,0,30", "Ben,1,25", "Anna,2,20")))


def test_other_quantities_in_long_tables_and_beside_each_other(csv):
    path = csv("Run,Day,Analyte,Result,Unit", "A,0,Glucose,5.40468,g/L", "A,0,pH,7.1,-", "A,0,Ethanol,0,g/L",
               "A,1,Glucose,3.60312,g/L", "A,1,Ethanol,4.6069,g/L", "A,1,pH,7,-",
               "A,1,Osmolality,300,mOsm/kg")  # fmt: skip
    [run] = drafted(path)
    assert measured(run) == {"GLC": [30.0, 20.0], "pH": [7.1, 7.0], "ethanol": [0.0, 100.0], "osmolality": [300.0]}
    runs = drafted(csv("Day,A Glc (mM),A pH,B Glc (mM),B pH", "0,30,7.1,31,7.1", "1,25,7,26,7"))
    assert {run.name: measured(run) for run in runs} == {"A": {"GLC": [30.0, 25.0], "pH": [7.1, 7.0]},
                                                         "B": {"GLC": [31.0, 26.0], "pH": [7.1, 7.0]}}  # fmt: skip
