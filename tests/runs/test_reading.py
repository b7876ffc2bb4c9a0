"""Files of runs -> runs, and a sentence for what cannot be read.

Past 500 lines: every fault of a file has its case, and all are read by the same helpers.
"""

import hashlib
import zipfile
from importlib import resources

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graycell.balances.checking import check_path
from graycell.errors import InputError
from graycell.runs import Bolus, Feed, Outflow, Replacement, Sample, Setpoint, bundled_run, read_runs, runs_from_tables
from graycell.runs.format import files
from graycell.runs.format.tables import MOST_FAULTS

TABLES = {
    "measurements": """time [h],VCD [1e6 cells/mL],viability [%],GLC [mmol/L],LAC [mM]
0,0.5,98,40,1
24,1,97,,5.5
48,2,95,30,9
72,3.5,90,24,12
""",
    "initial": "volume [mL],temperature [degC],GLC [mmol/L]\n1500,36.5,41\n",
    "media": "medium,GLC [mmol/L],GLN [mmol/L]\nfeed,400,50\nbasal,30,\n",
    "events": """time [d],event,medium,volume [mL],rate [mL/d],temperature [degC],fraction [%]
0,feed,basal,,50,,
1,sample,,10,,,
1,bolus,feed,45,,,
2,temperature,,,,33,
2,bleed,,,20,,
2,harvest,,,30,,
3,replacement,feed,,,,3
""",
    "signals": "time [d],viability [1],dissolved oxygen [%]\n0,0.98,40\n3,0.9,60\n",
    "assay_error": "quantity,relative [%],absolute,unit\nGLC,10,500,umol/L\n",
    "about": "key,value\nname,run07\ncitation,Somebody 2020\nnotes,a note\n",
}

FAULTS = {
    "measurements": """time [d],VCD [1e6 cells/mL],viability [1],GLC [mmol/L],LAC [mmol/L],GLN [g/d]
0,0.5,0.98,40,1,1
1,1,1.4,-3.2,nan,1
2,2,0.95,thirty,"3,2",1
2,9e9,0.93,28,=1+1,1
""",
    "initial": "volume [L],temperature [degC],GLC [mmol/L],LAC [mmol/L]\n-1,310,41,1\n",
    "media": "medium,GLC [mmol/L]\nfeed,400\n",
    "events": """time [d],event,medium,volume [L]
0,bolos,feed,0.1
1,bolus,feeed,0.1
0.5,sample,,
""",
    "assay_error": "quantity,relative [1],absolute,unit\nGLUC,0.1,0,mmol/L\nGLC,0.1,1,kg\n",
    "about": "key,value\nauthor,me\n",
}


def write_folder(path, tables):
    path.mkdir(exist_ok=True)
    for name, text in tables.items():
        (path / f"{name}.csv").write_text(text, encoding="utf-8")
    return path


def write_workbook(path, tables):
    book = openpyxl.Workbook()
    book.remove(book["Sheet"])
    for name, text in tables.items():
        sheet = book.create_sheet(name)
        for row in text.splitlines():
            cells = [cell.strip('"') for cell in row.split(",")]
            sheet.append([float(cell) if cell.replace(".", "").isdecimal() else cell or None for cell in cells])
    book.save(path)
    return path


def sentences(path):
    return [str(finding) for finding in check_path(path)]


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "folder", TABLES)


@pytest.fixture
def run(folder):
    [run] = read_runs(folder)
    return run


def assert_same(one, other):
    for name in ("name", "initial_volume", "initial", "events", "media", "initial_temperature", "end"):
        assert getattr(one, name) == getattr(other, name)
    for kind in ("measurements", "signals"):
        first, second = getattr(one, kind), getattr(other, kind)
        assert list(first) == list(second)
        for quantity in first:
            assert first[quantity].unit == second[quantity].unit
            np.testing.assert_array_equal(first[quantity].time, second[quantity].time)
            np.testing.assert_array_equal(first[quantity].value, second[quantity].value)


def test_a_run_is_in_internal_units(run):
    assert run.name == "run07"
    assert run.initial_volume == 1.5
    assert run.initial_temperature == 36.5
    assert run.end == 3.0
    assert run.measurements["VCD"].unit == "1e9 cells/L"
    np.testing.assert_array_equal(run.measurements["VCD"].time, [0.0, 1.0, 2.0, 3.0])
    np.testing.assert_array_equal(run.measurements["viability"].value, [0.98, 0.97, 0.95, 0.9])


def test_an_empty_cell_is_a_sample_that_was_not_taken(run):
    np.testing.assert_array_equal(run.measurements["GLC"].time, [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(run.measurements["GLC"].value, [40.0, 30.0, 24.0])


def test_the_initial_table_goes_before_the_sample_at_time_zero(run):
    assert run.initial == {"VCD": 0.5, "GLC": 41.0, "LAC": 1.0}


def test_each_event_becomes_its_record_in_the_order_of_the_file(run):
    assert run.events == (
        Feed(0.0, "basal", 0.05),
        Sample(1.0, 0.01),
        Bolus(1.0, "feed", 0.045),
        Setpoint(2.0, 33.0),
        Outflow(2.0, 0.02, retains_cells=False),
        Outflow(2.0, 0.03, retains_cells=True),
        Replacement(3.0, "feed", 0.03),
    )
    assert run.media == {"feed": {"GLC": 400.0, "GLN": 50.0}, "basal": {"GLC": 30.0}}


def test_the_standard_error_joins_a_relative_and_an_absolute_part(run):
    np.testing.assert_allclose(run.measurements["GLC"].standard_error, np.hypot([4.0, 3.0, 2.4], 0.5))
    expected = np.hypot(0.05 * run.measurements["LAC"].value, 0.02 * 12.0)
    np.testing.assert_allclose(run.measurements["LAC"].standard_error, expected)


def test_a_signal_may_have_any_internal_unit(run):
    assert run.signals["dissolved oxygen"].unit == "1"
    np.testing.assert_array_equal(run.signals["dissolved oxygen"].value, [0.4, 0.6])


def test_the_provenance_names_files_without_their_folder_and_hashes_their_bytes(folder, run):
    names = sorted(f"{name}.csv" for name in TABLES)
    assert run.provenance.files == tuple(names)
    joined = b"".join((folder / name).read_bytes() for name in names)
    assert run.provenance.sha256 == hashlib.sha256(joined).hexdigest()
    assert run.provenance.citation == "Somebody 2020"


def test_a_workbook_and_a_folder_give_the_same_run(tmp_path, run):
    [other] = read_runs(write_workbook(tmp_path / "run07.xlsx", TABLES))
    assert_same(run, other)


def test_data_frames_and_a_folder_give_the_same_run(folder, run):
    frames = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
    assert_same(run, runs_from_tables(frames)[0])


def test_arrays_of_a_run_cannot_be_changed(run):
    with pytest.raises(ValueError, match="read-only"):
        run.measurements["GLC"].value[0] = 1.0


def test_a_single_csv_begins_at_its_sample_at_time_zero(tmp_path):
    path = tmp_path / "run09.csv"
    path.write_text(TABLES["measurements"])
    [run] = read_runs(path)
    assert (run.name, run.initial_volume) == ("run09", 1.0)
    assert run.initial == {"VCD": 0.5, "GLC": 40.0, "LAC": 1.0}
    assert "nominal" in run.provenance.notes
    path.write_text("time [d],GLC [mmol/L]\n1,4\n")
    assert "no initial values" in sentences(path)[0]


def test_several_runs_share_rows_that_name_no_run(tmp_path):
    tables = {
        "measurements": "run,time [d],GLC [mmol/L]\nA,0,40\nA,1,39\nB,0,50\nB,2,40\n",
        "initial": "run,volume [L]\nA,1\nB,2\n",
        "media": "medium,GLC [mmol/L]\nfeed,400\n",
        "events": "run,time [d],event,medium,volume [L]\n,0.5,bolus,feed,0.1\nB,1,sample,,0.01\n",
    }
    first, second = read_runs(write_folder(tmp_path / "two", tables))
    assert [first.name, second.name] == ["A", "B"]
    assert [first.initial_volume, second.initial_volume] == [1.0, 2.0]
    assert first.events == (Bolus(0.5, "feed", 0.1),)
    assert second.events == (Bolus(0.5, "feed", 0.1), Sample(1.0, 0.01))


@given(
    st.lists(st.floats(0.0, 1999.0, allow_subnormal=False), min_size=1, max_size=8),
    st.sampled_from([("d", 1.0), ("h", 24.0), ("min", 1440.0)]),
    st.sampled_from([("mmol/L", 1.0), ("uM", 1e3), ("mol/L", 1e-3)]),
)
def test_numbers_survive_writing_and_reading_in_any_unit(values, time_unit, unit):
    frame = pd.DataFrame(
        {
            f"time [{time_unit[0]}]": [repr(k * time_unit[1]) for k in range(len(values))],
            f"GLC [{unit[0]}]": [repr(value * unit[1]) for value in values],
        }
    )
    series = runs_from_tables({"measurements": frame})[0].measurements["GLC"]
    np.testing.assert_array_equal(series.time, np.arange(len(values)))
    np.testing.assert_allclose(series.value, values, rtol=1e-14, atol=1e-300)
    assert np.all(series.standard_error > 0.0)


@pytest.mark.parametrize("suffix", ["", ".xlsx"])
def test_all_planted_faults_are_reported_at_once(tmp_path, suffix):
    write = write_workbook if suffix else write_folder
    path = write(tmp_path / f"bad{suffix}", FAULTS)
    said = sentences(path)
    assert len(said) >= 16
    with pytest.raises(InputError) as error:
        read_runs(path)
    assert {str(finding) for finding in error.value.findings} <= set(said)
    at = {"": "bad/{}.csv", ".xlsx": "bad.xlsx, sheet '{}'"}[suffix]
    for table, row, column, found in [
        ("measurements", 3, "viability [1]", "1.4"),
        ("measurements", 3, "GLC [mmol/L]", "-3.2"),
        ("measurements", 3, "LAC [mmol/L]", "'nan'"),
        ("measurements", 4, "GLC [mmol/L]", "'thirty'"),
        ("measurements", 5, "VCD [1e6 cells/mL]", "9e9"),
        ("measurements", 1, "GLN [g/d]", "the unit 'g/d'"),
        ("measurements", 5, "time [d]", "2 d after 2 d"),
        ("initial", 2, "volume [L]", "-1"),
        ("initial", 2, "temperature [degC]", "310"),
        ("events", 2, "event", "'bolos'"),
        ("events", 3, "medium", "'feeed'"),
        ("events", 4, "volume [L]", "an empty cell"),
        ("events", 4, "time [d]", "0.5 d after 1 d"),
        ("assay_error", 2, "quantity", "'GLUC'"),
        ("assay_error", 3, "unit", "the unit 'kg'"),
        ("about", 2, "key", "'author'"),
    ]:
        start = f"{at.format(table)}, row {row}, column '{column}': found {found}"
        assert any(sentence.startswith(start) for sentence in said), (start, said)
    assert len(said) == len(set(said))


def test_a_fault_is_not_reported_a_second_time_as_its_consequence(tmp_path):
    tables = {
        "measurements": "time [d],viability [1],GLC [mmol/L]\n0.5,1,40\n1,1,39\n2,1,38\n",
        "initial": "volume [l [,GLC [mmol/L]\n1,-5\n",
        "events": "time [d],event,volume [L]\n1,sample,0.1\n",
    }
    said = sentences(write_folder(tmp_path / "one", tables))
    assert [sentence.split(":")[0].split(", ", 1)[1] for sentence in said] == [
        "row 1, column 'volume [l ['",
        "row 2, column 'GLC [mmol/L]'",
        "row 2",
    ]


def test_a_formula_is_text_and_is_not_computed(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time [d],GLC [mmol/L]\n0,=1+1\n")
    assert "found '=1+1'; a number is needed; write the value instead of the formula" in sentences(path)[0]
    book = write_workbook(tmp_path / "run.xlsx", {"measurements": "time [d],GLC [mmol/L]\n0,=1+1\n"})
    assert "found '=1+1'; a number is needed; write the value instead of the formula" in sentences(book)[0]


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "1e999", "1_000", "0x10", "\u0661", "1 000", "N/A"])
def test_only_plain_finite_numbers_are_numbers(tmp_path, text):
    path = tmp_path / "run.csv"
    path.write_text(f"time [d],GLC [mmol/L]\n0,{text}\n", encoding="utf-8")
    assert sentences(path)[0].startswith(f"run.csv, row 2, column 'GLC [mmol/L]': found '{text}'; a number")


def test_rows_are_counted_as_a_spreadsheet_shows_them(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text('time [d],GLC [mmol/L]\n0,"4\n0"\n\n1,x\n')
    assert "row 2," in sentences(path)[0]
    assert "row 4," in sentences(path)[1]


@pytest.mark.parametrize(
    ("heading", "clause"),
    [
        ("GLC", "no unit"),
        ("GLC [furlong]", "the unit 'furlong'"),
        ("vcd [1e6 cells/mL]", "name the column 'VCD' if that is meant"),
        ("Viability [1]", "name the column 'viability' if that is meant"),
        ("GLC [1]", "a unit of mmol/L is needed"),
        ("", "a heading that cannot be read"),
        ("time [h]", "a second column 'time'"),
        ("\x1b[2J", "a heading that cannot be read"),
    ],
)
def test_a_bad_heading_is_reported(tmp_path, heading, clause):
    path = tmp_path / "run.csv"
    path.write_text(f"time [d],LAC [mmol/L],{heading}\n0,1,1\n")
    said = sentences(path)
    assert clause in said[0]
    assert said[0].isprintable()


def test_control_characters_of_a_file_are_never_printed(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("run,time [d],LAC [mmol/L]\n\x1b[31mA,0,\x1b[2J\n")
    said = sentences(path)
    assert len(said) >= 2
    assert all(sentence.isprintable() for sentence in said)


@pytest.mark.parametrize(
    ("name", "data", "clause"),
    [
        ("latin.csv", "time [d],µ [mmol/L]\n".encode("latin-1"), "bytes that are not UTF-8 in line 1"),
        ("utf16.csv", "time [d]\n0\n".encode("utf-16"), "bytes that are not UTF-8"),
        ("zero.csv", b"time [d]\n0\0\n", "a zero byte"),
        ("empty.csv", b"", "no rows"),
        ("quote.csv", b'time [d],"GLC\n0,1\n', "the file is CSV"),
        ("semicolon.csv", b"time [d];GLC [mmol/L]\n0;1\n", "with commas between the cells"),
        ("long.csv", b"time [d],GLC [mmol/L]\n0,1\n1,3,2\n", "row 3: found 3 cells"),
        ("fake.xlsx", b"this is no zip file", "a broken workbook"),
        ("run.json", b"{}", "known formats are"),
        ("run", b"", "a file without an ending"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(tmp_path, name, data, clause):
    (tmp_path / name).write_bytes(data)
    said = sentences(tmp_path / name)
    assert clause in said[0]
    with pytest.raises(InputError):
        read_runs(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_the_first_heading(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time [d],GLC [mmol/L]\n0,1\n", encoding="utf-8-sig")
    assert read_runs(path)[0].initial == {"GLC": 1.0}


def test_masses_become_amounts_where_the_molar_mass_is_known(tmp_path):
    tables = {
        "measurements": "time [d],VCD [1e6 cells/mL],GLC [g/L],mAb [mg/L],DCD [1e6 cells/mL],pH [1]\n"
        "0,1,1.8016,10,0.1,7.1\n1,2,0.9008,<20,0.2,6.9\n",
        "media": "medium,GLC [g/L],mAb [g/L]\nfeed,180.156,2\n",
        "assay_error": "quantity,relative [1],absolute,unit\nGLC,0,0.18016,g/L\nmAb,0,1,mg/L\n",
    }
    [run] = read_runs(write_folder(tmp_path / "run", tables))
    units = {name: series.unit for name, series in run.measurements.items()}
    assert units == {"VCD": "1e9 cells/L", "GLC": "mmol/L", "mAb": "g/L", "DCD": "1e9 cells/L", "pH": "1"}
    assert run.measurements["GLC"].value == pytest.approx([10.0, 5.0], rel=1e-4)
    assert run.measurements["GLC"].standard_error == pytest.approx([1.0, 1.0], rel=1e-4)
    assert run.measurements["mAb"].value == pytest.approx([0.01, 0.02])
    assert run.measurements["mAb"].standard_error == pytest.approx([1e-3, 1e-3])
    assert run.initial == pytest.approx({"VCD": 1.0, "GLC": 10.0, "mAb": 0.01, "DCD": 0.1, "pH": 7.1}, rel=1e-4)
    assert run.media["feed"] == pytest.approx({"GLC": 1000.0, "mAb": 2.0}, rel=1e-4)
    assert run.units == {"VCD": "1e9 cells/L", "GLC": "mmol/L", "mAb": "g/L", "DCD": "1e9 cells/L"}


def test_a_name_has_one_kind_of_unit_in_all_tables(tmp_path):
    tables = {"measurements": "time [d],mAb [g/L]\n0,1\n", "media": "medium,mAb [mmol/L]\nfeed,1\n"}
    said = sentences(write_folder(tmp_path / "run", tables))
    assert any("media.csv, row 1, column 'mAb [mmol/L]'" in sentence and "g/L" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("row", "clause"),
    [
        ("1,setpoint,,6.8", "the event setpoint needs an input"),
        ("1,setpoint,pH,", "the event setpoint needs a value"),
        ("1,end,pH,", "the event end takes a time alone"),
    ],
)
def test_a_set_point_of_an_input_needs_its_name_and_value(tmp_path, row, clause):
    events = f"time [d],event,input,value\n{row}\n"
    [said] = [s for s in sentences(write_folder(tmp_path / "run", {**TABLES, "events": events})) if "events" in s]
    assert clause in said


def test_the_value_of_a_set_point_has_no_unit_of_its_own(tmp_path):
    events = "time [d],event,input,value [%]\n1,setpoint,DO,40\n"
    said = sentences(write_folder(tmp_path / "run", {**TABLES, "events": events}))
    assert any("a set-point is in the unit of its input" in sentence for sentence in said)


def test_a_missing_file_is_a_finding_and_an_input_error(tmp_path):
    assert sentences(tmp_path / "none.csv") == [
        "none.csv: found nothing; a file or a folder is needed; look at the path."
    ]
    with pytest.raises(InputError, match="look at the path"):
        read_runs(tmp_path / "none.csv")


def test_a_folder_without_measurements_is_reported(tmp_path):
    tables = {"measurments": TABLES["measurements"]}
    said = sentences(write_folder(tmp_path / "odd", tables))
    assert "did you mean 'measurements'?" in said[0]
    assert "no table 'measurements'" in said[1]


def test_a_sheet_of_notes_is_a_warning_and_does_not_stop_the_reading(tmp_path):
    path = write_workbook(tmp_path / "run.xlsx", {**TABLES, "to do": "x\n"})
    assert len(read_runs(path)) == 1
    [finding] = [finding for finding in check_path(path) if "'to do'" in finding.found]
    assert finding.severity == "warning"


def test_an_unknown_medium_suggests_the_nearest(tmp_path):
    tables = {**TABLES, "events": "time [d],event,medium,volume [L]\n1,bolus,fed,0.1\n"}
    [said] = sentences(write_folder(tmp_path / "run", tables))
    assert "column 'medium': found 'fed'" in said
    assert "did you mean 'feed'?" in said


@pytest.mark.parametrize(
    ("bound", "value", "clause"),
    [
        ("LARGEST_FILE", 50, "a larger file"),
        ("MOST_ROWS", 3, "more rows"),
        ("MOST_COLUMNS", 4, "more columns"),
        ("LARGEST_UNPACKED", 1000, "a workbook unpacks to at most"),
        ("MOST_SHEETS", 2, "7 sheets"),
    ],
)
def test_files_beyond_a_bound_are_refused(tmp_path, monkeypatch, bound, value, clause):
    folder = write_folder(tmp_path / "run", TABLES)
    book = write_workbook(tmp_path / "run.xlsx", TABLES)
    monkeypatch.setattr(files, bound, value)
    assert any(clause in sentence for sentence in sentences(book))
    if bound not in ("LARGEST_UNPACKED", "MOST_SHEETS"):
        assert any(clause in sentence for sentence in sentences(folder))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * 5_000_000)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(files, "LARGEST_UNPACKED", 1_000_000)
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("it was opened"))
    assert "found 5 MiB; a workbook unpacks to at most" in sentences(path)[0]


def test_the_list_of_faults_of_a_table_ends(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time [d],GLC [mmol/L]\n" + "x,x\n" * 5000)
    said = sentences(path)
    assert len(said) < MOST_FAULTS + 10
    assert any("more faults" in sentence for sentence in said)


def test_the_bundled_run_is_sound():
    run = bundled_run()
    with resources.as_file(resources.files("graycell.runs") / "bundled" / run.name) as folder:
        assert check_path(folder, [name for name in run.initial if name != "R"]) == []
    assert len(run.measurements) == 15
    assert {len(series.time) for series in run.measurements.values()} == {10}
    assert run.initial["R"] == 6.2
    assert "O2" not in run.initial
    assert len(run.signals["viability"].time) == 106
    assert run.signals["viability"].value[50] == pytest.approx(1 - 0.5259 / (1 + 353.3 * np.exp(-0.9381 * 5.0)))
    assert run.end == 10.0


def test_each_bolus_of_the_bundled_run_is_three_percent_of_the_volume_after_it():
    run = bundled_run()
    volume = run.initial_volume
    boluses = [event for event in run.events if isinstance(event, Bolus)]
    assert [event.time for event in boluses] == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    for event in boluses:
        volume += event.volume
        assert event.volume / volume == pytest.approx(0.03, rel=1e-11)
    assert run.events[0] == Setpoint(3.0, 31.0)


def test_an_unknown_bundled_run_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'nolan-lee-2011-cell-line-a'"):
        bundled_run("nolan-lee-2011")
    with pytest.raises(InputError):
        bundled_run("../runs")


def test_a_detection_limit_is_read_as_one(tmp_path):
    path = tmp_path / "run.csv"
    path.write_text("time [d],VCD [1e6 cells/mL],GLN [umol/L]\n0,0.4,584\n1,0.9,<2\n2,1.5,< 1\n", encoding="utf-8")
    series = read_runs(path)[0].measurements["GLN"]
    assert series.value.tolist() == pytest.approx([0.584, 0.002, 0.001])
    assert series.below.tolist() == [False, True, True]


@pytest.mark.parametrize(("cell", "words"), [("<LOD", "a number is needed"), ("<", "a detection limit is a number")])
def test_a_limit_that_is_no_number_is_a_sentence(tmp_path, cell, words):
    path = tmp_path / "run.csv"
    path.write_text(f"time [d],VCD [1e6 cells/mL],GLN [mmol/L]\n0,0.4,4\n1,0.9,{cell}\n", encoding="utf-8")
    (finding,) = [finding for finding in check_path(path) if finding.severity == "error"]
    assert "row 3, column 'GLN [mmol/L]'" in finding.place
    assert words in finding.needed


@pytest.mark.parametrize(("heading", "cell", "words"), [
    ("viability [%]", "100.4", "viability is at most 100 %; correct the value; of a quotient of two counts write 100."),
    ("viability [percent]", "110", "found 110; viability is at most 100 %; correct the value."),
    ("viability [%]", "973", "found 973; viability is at most 100 %; correct the value."),
    ("viability [1]", "97.3", "viability is 0 to 1; for percent write [%]"),
    ("viability [%]", "-3", "found -3; viability is 0 to 1"),
])  # fmt: skip
def test_a_viability_in_percent_is_not_told_to_be_written_in_percent(tmp_path, heading, cell, words):
    text = f"time [d],VCD [1e6 cells/mL],{heading}\n0,0.5,0.9\n1,1,{cell}\n2,2,0.9\n"
    (said,) = [one for one in sentences(write_folder(tmp_path / "bad", {"measurements": text})) if "row 3" in one]
    assert words in said
    assert f"column '{heading}'" in said


@pytest.mark.parametrize(("tables", "found"), [
    ({"media": "medium,MEOH [mmol/L]\npure,24700\n"}, "MEOH: found 24700 mmol/L"),
    ({"media": "medium,NH3 [g/L]\nbase,228\n"}, "25 % ammonia"),
    ({"initial": "volume [L],temperature [degC]\n1,8\n"}, "found 8 degC"),
    ({"measurements": "time [h],VCD [1e6 cells/mL],GLC [g/L]\n0,500,20\n2,1500,15\n4,4000,6\n"}, "found 4000"),
    ({"measurements": "time [h],X [g/L],GLC [g/L]\n0,1,200\n20,40,100\n40,90,6\n"}, "found 1110.15 mmol/L"),
])  # fmt: skip
def test_files_of_other_organisms_are_read_and_remarked_on(tmp_path, tables, found):
    ordinary = {"measurements": "time [d],VCD [1e6 cells/mL],GLC [mmol/L]\n0,0.5,30\n1,1,25\n2,2,20\n"}
    path = write_folder(tmp_path / "run", {**ordinary, **tables})
    assert read_runs(path)
    findings = check_path(path)
    assert not [finding for finding in findings if finding.severity == "error"]
    assert any(found in str(finding) for finding in findings)
