"""How runs are arranged in files, and how feeds and cells are written: each by a small file whose runs are known.

Past 500 lines: every case is a file of a few lines beside its runs, and all are read by the same helpers.
"""

from datetime import datetime, time

import pandas as pd
import pytest
from small_files import DAY, GLC, book, series_of, xls

from graycell.balances.plausibility import implausible
from graycell.errors import Faults, InputError
from graycell.imports.importing import import_runs, imported
from graycell.imports.layout import grid_of, source_of_any
from graycell.imports.parsing import spec_of
from graycell.imports.spec import ImportSpec
from graycell.runs import Bolus, Feed, Outflow, Sample, Setpoint, check_runs
from graycell.runs.records import VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS

SECOND = 1.0 / 86400.0
EXPECTED = {"A": {0.0: 30.0, 1.0: 25.0}, "B": {0.0: 40.0, 2.0: 31.0}}


def test_a_row_for_each_value(csv):
    path = csv("Run,Day,Analyte,Value,Unit", "A,0,Glucose,30,mM", "A,0,Cells,0.4,1e6 cells/mL", "A,1,Glucose,25,mM",
               "B,0,Glucose,40,mM", "B,2,Glucose,31,mM")  # fmt: skip
    mapping = {"run": "Run", "time": DAY, "long": {"quantity": "Analyte", "value": "Value", "unit": "Unit"},
               "measured": {"GLC": "Glucose", VCD: "Cells"}}  # fmt: skip
    runs = import_runs(path, mapping)
    assert series_of(runs) == EXPECTED
    assert runs[0].measurements[VCD].value.tolist() == [0.4]
    with pytest.raises(InputError, match=r"row 4: found a second value of Glucose"):
        import_runs(csv("Run,Day,Analyte,Value,Unit", "A,0,Glucose,30,mM", "A,1,Glucose,2,mM", "A,1,Glucose,25,mM"),
                    mapping | {"measured": {"GLC": "Glucose"}})  # fmt: skip
    with pytest.raises(InputError, match=r"row 3: found the unit 'g/L' of 'Glucose'"):
        import_runs(csv("Run,Day,Analyte,Value,Unit", "A,0,Glucose,30,mM", "A,1,Glucose,2,g/L"),
                    mapping | {"measured": {"GLC": "Glucose"}})  # fmt: skip


def test_runs_on_sheets_of_their_own(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Reactor A": [["Day", "Glc"], [0, 30], [1, 25]],
                                         "Reactor B": [["Day", "Glc"], [0, 40], [2, 31]],
                                         "Notes": [["none"]]})  # fmt: skip
    mapping = {"run": {"sheet": "Reactor {run}"}, "time": DAY, "measured": GLC}
    assert series_of(import_runs(path, mapping)) == EXPECTED
    with pytest.raises(InputError, match="no such sheet among Reactor A, Reactor B, Notes"):
        import_runs(path, mapping | {"run": {"sheet": "Vessel {run}"}})


def test_runs_side_by_side(csv):
    path = csv("Day,A Glc (mM),B Glc (mM),A Lac (mM)", "0,30,40,1", "1,25,,2", "2,,31,")
    mapping = {"run": {"heading": "{run} {quantity}"}, "time": DAY, "measured": {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}}
    runs = import_runs(path, mapping)
    assert series_of(runs) == EXPECTED
    assert runs[0].measurements["LAC"].value.tolist() == [1.0, 2.0]


def test_a_sheet_for_each_quantity_with_a_column_for_each_run(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Glc (mM)": [["Day", "A", "B"], [0, 30, 40], [2, None, 31], [1, 25, None]],
                                         "Lac (mM)": [["Day", "A", "B"], [1, 2, None], [0, 1, 3]]})  # fmt: skip
    mapping = {"run": {"sheet": "{quantity}", "heading": "{run}"}, "time": DAY,
               "measured": {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}}  # fmt: skip
    runs = import_runs(path, mapping)
    assert series_of(runs) == EXPECTED
    assert runs[0].measurements["LAC"].time.tolist() == [0.0, 1.0]


def test_a_fault_in_a_joined_row_names_the_row_of_the_file(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Glc (mM)": [["Day", "A"], [0, 30], [1, "many"]]})
    mapping = {"run": {"sheet": "{quantity}", "heading": "{run}"}, "time": DAY, "measured": {"GLC": "Glc (mM)"}}
    with pytest.raises(InputError, match=r"sheet 'Glc \(mM\)', row 3"):
        import_runs(path, mapping)


def test_a_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"Run": list("AABB"), "Day": [0.0, 1.0, 0.0, 2.0], "Glc": [30.0, 25.0, 40.0, 31.0]})
    frame.to_parquet(tmp_path / "runs.parquet")
    found = imported(tmp_path / "runs.parquet", {"run": "Run", "time": DAY, "measured": GLC, "decimal": ","})
    assert series_of(found.runs) == EXPECTED
    assert len(found.runs[0].provenance.sha256) == 64


def test_what_is_not_read_and_not_there_is_reported(csv):
    path = csv("Day,Glc,pH,Empty", "0,30,7,", "1,25,7,")
    found = imported(path, {"time": DAY, "measured": {**GLC, "LAC": {"column": "Lac", "unit": "mM", "optional": True}}})
    assert (found.not_read, found.not_there) == (("pH",), ("Lac",))


def fed(run):
    return [(event.time, event.medium, event.rate) for event in run.events if isinstance(event, Feed)]


FED = {"F": {"volume": "F (mL)", "media": {}}}
FEEDS = {"time": DAY, "measured": GLC, "start": {"volume": "2 L"}}


def test_a_rate_holds_from_its_row_until_another_is_reported(csv):
    path = csv("Day,Glc,Feed (mL/h)", "0,30,0", "1,25,5", "2,24,", "3,20,10", "4,21,0")
    feeds = {"F": {"rate": "Feed (mL/h)", "media": {"GLC": "400 g/L"}}}
    (run,) = import_runs(path, FEEDS | {"feeds": feeds})
    assert fed(run) == [(1.0, "F", pytest.approx(0.12)), (3.0, "F", pytest.approx(0.24)), (4.0, "F", 0.0)]


@pytest.mark.parametrize(("unit", "per"), [("mmol/h", 24.0), ("mmol/L/d", 2.0), ("g/d", 1000.0 / MOLAR_MASS["GLC"])])
def test_a_rate_of_an_amount_is_one_of_the_volume_that_holds_it(csv, unit, per):
    path = csv("Day,Glc,Fed", "0,30,0", "1,25,5")
    fed_as = {"column": "Fed", "unit": unit} | ({"molar_mass": MOLAR_MASS["GLC"]} if unit == "g/d" else {})
    feeds = {"F": {"rate": fed_as, "media": {"GLC": "2500 mmol/L"}}}
    (run,) = import_runs(path, FEEDS | {"feeds": feeds})
    assert fed(run) == [(1.0, "F", pytest.approx(5.0 * per / 2500.0))]
    two = {"F": {"rate": fed_as, "media": {"GLC": "2.5 mol/L", "GLN": "1 mol/L"}}}
    with pytest.raises(InputError, match="one solute"):
        import_runs(path, FEEDS | {"feeds": two})


def test_a_cumulative_volume_with_gaps_counts_once(csv):
    path = csv("Day,Glc,Fed (mL)", "0,30,0", "1,25,", "2,24,40", "3,20,40", "4,21,70")
    feeds = {"F": {"cumulative": "Fed (mL)", "media": {"GLC": "400 g/L"}}}
    (run,) = import_runs(path, FEEDS | {"feeds": feeds})
    assert fed(run) == [(0.0, "F", 0.02), (2.0, "F", 0.0), (3.0, "F", pytest.approx(0.03)), (4.0, "F", 0.0)]
    with pytest.raises(InputError, match=r"row 4, column 'Fed \(mL\)': found '10' after '40'"):
        import_runs(csv("Day,Glc,Fed (mL)", "0,30,0", "1,25,40", "2,20,10"), FEEDS | {"feeds": feeds})
    with pytest.raises(InputError, match="a feed before the first sample"):
        import_runs(csv("Day,Glc,Fed (mL)", "0,30,5", "1,25,40"), FEEDS | {"feeds": feeds})


ROWS = {"column": "When", "before": "pre feed", "after": "post feed"}


def test_rows_before_and_after_a_feed(csv):
    path = csv("Day,When,Glc,Volume (mL)", "0,,30,", "1,pre feed,25,1990", "1,Post Feed,35,2040", "2,pre feed,28,2030",
               "2.1,post feed,33,2050")  # fmt: skip
    feeds = {"F": {"rise": "Volume (mL)", "media": {"GLC": "400 g/L"}}}
    (run,) = import_runs(path, FEEDS | {"rows": ROWS, "feeds": feeds})
    assert run.events == (
        Bolus(1.0, "F", pytest.approx(0.05)),
        Bolus(pytest.approx(2.1 - SECOND), "F", pytest.approx(0.02)),
    )
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, 1.0, 1.0 + SECOND, 2.0, 2.1])
    with pytest.raises(InputError, match="the row before the feed is above it"):
        import_runs(csv("Day,When,Glc,Volume (mL)", "0,,30,", "1,post feed,35,2040", "2,pre feed,35,2040"),
                    FEEDS | {"rows": ROWS, "feeds": feeds})  # fmt: skip
    with pytest.raises(InputError, match="before: found 'pre feed'; it is somewhere below 'When'"):
        import_runs(csv("Day,When,Glc,Volume (mL)", "0,,30,", "1,post feed,35,2040"),
                    FEEDS | {"rows": ROWS, "feeds": feeds})  # fmt: skip
    lines = (
        "Day,When,Glc,Volume (mL)",
        "0,pre feed,30,1990",
        "0,post feed,33,2040",
        "1,pre feed,28,",
        "1,post feed,33,2090",
    )
    with pytest.raises(InputError, match=r"row 5.*the row before the feed is above it, with a volume"):
        import_runs(csv(*lines), FEEDS | {"rows": ROWS, "feeds": feeds})  # what was before the first feed says nothing
    (run,) = import_runs(csv(*lines[:3]), FEEDS | {"rows": ROWS, "feeds": feeds})  # a feed at the start
    assert run.events == (Bolus(0.0, "F", pytest.approx(0.05)),)
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, SECOND])
    with pytest.raises(InputError, match="times rise"):  # what is out of order is not moved
        import_runs(csv("Day,When,Glc,Volume (mL)", "0,,30,", "2,pre feed,30,1990", "1,post feed,33,2040"),
                    FEEDS | {"rows": ROWS, "feeds": feeds})  # fmt: skip
    with pytest.raises(InputError, match=r"no \[rows\]"):
        import_runs(path, FEEDS | {"feeds": feeds})


def test_a_feed_given_beside_rows_before_and_after_counts_once_and_between_them(csv):
    path = csv("Day,When,Glc,F (mL),Draw (mL)", "0,,30,,", "1,pre feed,25,50,10", "1,post feed,35,,", "2,,30,,")
    mapping = FEEDS | {"rows": ROWS, "feeds": {"F": {"volume": "F (mL)", "media": {"GLC": "400 g/L"}}},
                       "sample": {"volume": "Draw (mL)"}}  # fmt: skip
    (run,) = import_runs(path, mapping)
    assert run.events == (Sample(1.0, 0.01), Bolus(1.0, "F", 0.05))
    assert run.measurements["GLC"].time[2] == pytest.approx(1.0 + SECOND)
    with pytest.raises(InputError, match="its row is said to be"):
        import_runs(csv("Day,When,Glc,F (mL),Draw (mL)", "0,post feed,30,,", "1,,25,50,10", "2,pre feed,25,,"), mapping)
    daily = csv("Day,When,Glc,F (mL),Draw (mL)", "0,post feed,30,,", "1,daily,25,,", "2,pre feed,25,,")
    with pytest.raises(InputError, match=r"row 3, column 'When': found 'daily'"):
        import_runs(daily, mapping)
    assert import_runs(daily, mapping | {"rows": ROWS | {"neither": ["Daily"]}})[0].events == ()


@pytest.mark.parametrize("every", [False, True])
def test_feeds_in_a_log_of_their_own(tmp_path, every):
    path = book(
        tmp_path / "runs.xlsx",
        {
            "Samples": [
                ["Reactor", "Time (h)", "Glc (mM)"],
                ["A", 0, 30],
                ["A", 24, 25],
                ["A", 48, 24],
                ["B", 0, 40],
                ["B", 48, 31],
            ],
            "Feeds": [
                ["Vessel", "Hour (h)", "Medium", "Volume (mL)"],
                ["A", 30, "F1", 50],
                ["B", 24, "F2", 5],
                ["A", 24, "F2", 10],
            ],
        },
    )
    feeds = (
        {"*": {"volume": {"under": "Feeds"}, "media": {}}}
        if every
        else {"F1": {"volume": "F1", "media": {}}, "F2": {"volume": "F2", "media": {}}}
    )
    mapping = {
        "sheet": "Samples",
        "run": "Reactor",
        "time": "Time (h)",
        "measured": {"GLC": "Glc (mM)"},
        "taken": "before",
        "start": {"volume": "2 L"},
        "feeds": feeds,
        "log": {"sheet": "Feeds", "run": "Vessel", "time": "Hour (h)", "feed": "Medium", "volume": "Volume (mL)"},
    }
    first, second = import_runs(path, mapping)
    assert first.events == (Bolus(1.0, "F2", 0.01), Bolus(1.25, "F1", 0.05))
    assert second.events == (Bolus(1.0, "F2", 0.005),)
    assert series_of([first, second]) == {"A": {0.0: 30.0, 1.0: 25.0, 2.0: 24.0}, "B": {0.0: 40.0, 2.0: 31.0}}
    first, _ = import_runs(path, mapping | {"taken": "after"})
    assert first.events[0] == Bolus(pytest.approx(1.0 - SECOND), "F2", 0.01)
    with pytest.raises(InputError, match=r"'Hours'.*headings are named as in that sheet"):
        import_runs(path, mapping | {"log": mapping["log"] | {"time": "Hours"}})
    with pytest.raises(InputError, match="a run has measurements"):
        import_runs(path, mapping | {"log": mapping["log"] | {"run": "Medium"}})


def test_setpoints_and_outflows_where_they_change(csv):
    path = csv("Day,Glc,T (degC),Bleed (mL/h),Harvest (L/d)", "0,30,36.5,0,0", "1,25,36.5,10,0", "2,24,33,10,1",
               "3,20,,0,1")  # fmt: skip
    mapping = FEEDS | {"temperature": "T (degC)", "bleed": "Bleed (mL/h)", "harvest": "Harvest (L/d)"}
    (run,) = import_runs(path, mapping)
    assert run.initial_temperature == 36.5
    assert run.events == (Outflow(1.0, pytest.approx(0.24)), Setpoint(2.0, 33.0), Outflow(2.0, 1.0, retains_cells=True),
                          Outflow(3.0, 0.0))  # fmt: skip


def test_a_volume_that_was_written_down_is_kept_and_compared(csv):
    path = csv("Day,Glc,F (mL),Volume (mL)", "0,30,,2000", "1,25,50,2000", "2,24,,2050", "3,20,,2310")
    mapping = FEEDS | {"taken": "before", "volume": "Volume (mL)", "feeds": FED}
    (run,) = import_runs(path, mapping)
    assert run.signals["volume"].value.tolist() == pytest.approx([2.0, 2.0, 2.05, 2.31])
    finding = next(finding for finding in implausible([run]) if "volume" in finding.place)
    assert "volume at 3 d: found 2.31 L, +0.26 L" in str(finding)


@pytest.mark.parametrize("turned", [False, True])
def test_compositions_in_a_sheet_of_their_own(tmp_path, turned):
    rows = [["Media", "F01", "F02"], ["Glucose (g/L)", 400, 0], ["Gln (mM)", None, 200], ["pH", 7, 7]]
    rows = [list(row) for row in zip(*rows, strict=True)] if turned else rows
    path = book(tmp_path / "runs.xlsx", {
        "Data": [["", "", "Fed (mL)", None], ["Day", "Glc (mM)", "F01", "F02"], [0, 30, None, None], [1, 25, 20, 5]],
        "Media": rows})  # fmt: skip
    mapping = {"sheet": "Data", "header": 2, "time": DAY, "taken": "before", "measured": {"GLC": "Glc (mM)"},
               "start": {"volume": "2 L"}}  # fmt: skip
    mapping["feeds"] = {"*": {"volume": {"under": "Fed (mL)"}, "media": {"sheet": "Media", "names": "Media"}}}
    (run,) = import_runs(path, mapping)
    assert run.events == (Bolus(1.0, "F01", 0.02), Bolus(1.0, "F02", 0.005))
    assert run.media["F01"]["GLC"] == pytest.approx(400e3 / MOLAR_MASS["GLC"])
    assert run.media["F02"]["GLN"] == 200.0


@pytest.mark.parametrize(("cell", "value", "mark"), [
    ("1.5", 1.5, "."), ("1,234.5", 1234.5, "."), ("1,234,567", 1234567.0, "."), ("1 234", 1234.0, "."),
    ("1,5", 1.5, ","), ("1.234,5", 1234.5, ","), ("1'234,5", 1234.5, ","),
    ("1,5e2", 150.0, ","), ("+2", 2.0, "."), ("-1e-9", 0.0, "."),
])  # fmt: skip
def test_a_number_in_the_usual_spellings(csv, cell, value, mark):
    path = csv("Day;Glc", "0;3", f"1;{cell}")
    (run,) = import_runs(path, {"time": DAY, "measured": {"GLC": {"column": "Glc", "unit": "umol/L"}}, "decimal": mark,
                                "round_off": 1e-6})  # fmt: skip
    assert run.measurements["GLC"].value[1] == pytest.approx(value / 1000.0, rel=1e-15)


@pytest.mark.parametrize(("cell", "mark"), [("1,234", "."), ("6.1", ","), ("1.2.3", "."), ("12 34", "."), ("inf", "."),
                                            ("1e999", "."), ("0x10", "."), ("1_000", "."), ("٣", "."), (">50", "."),
                                            ("=1+1", "."), ("1.5*", "."), ("n.d.", ".")])  # fmt: skip
def test_a_cell_that_could_mean_two_things_or_nothing_is_a_sentence(csv, cell, mark):
    path = csv("Day;Glc", "0;3", f"1;{cell}")
    with pytest.raises(InputError, match=r"row 3, column 'Glc': found"):
        import_runs(path, {"time": DAY, "measured": GLC, "decimal": mark})


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "-", "NaN", "#N/A"])
def test_a_cell_that_says_nothing_is_empty(csv, cell):
    (run,) = import_runs(csv("Day,Glc,Lac (mM)", "0,3,1", f"1,{cell},2"), {
        "time": DAY, "measured": {**GLC, "LAC": "Lac (mM)"}})  # fmt: skip
    assert run.measurements["GLC"].time.tolist() == [0.0]


@pytest.mark.parametrize("cell", ["<LOD", "LOD", "BDL", "n.d.", "< LOQ", "<0.2", "< 0.2"])
def test_below_a_detection_limit(csv, cell):
    mapping = {"time": DAY, "measured": {"GLC": {"column": "Glc", "unit": "mM", "limit": "200 umol/L"}}}
    (run,) = import_runs(csv("Day,Glc", "0,3", f"1,{cell}"), mapping)
    series = run.measurements["GLC"]
    assert series.value[1] == pytest.approx(0.2)
    assert series.below.tolist() == [False, True]


def test_percent_stands_in_the_heading_or_the_cell(csv):
    (run,) = import_runs(csv("Day,Viab (%)", "0,97.5 %", "1,96"), {"time": DAY, "measured": {VIABILITY: "Viab (%)"}})
    assert run.measurements[VIABILITY].value.tolist() == pytest.approx([0.975, 0.96])


@pytest.mark.parametrize(("lines", "words"), [
    (("Day,Glc", ",3", "1,4"), "every row has a time"), (("Day,Glc", "<1,3"), "a time in d is needed"),
    (("Run,Day,Glc", "A,0,3", ",1,4"), "every row names its run"),
])  # fmt: skip
def test_a_row_without_a_time_or_a_run_is_not_passed_over(csv, lines, words):
    mapping = {"time": DAY, "measured": GLC} | ({"run": "Run"} if "Run" in lines[0] else {})
    with pytest.raises(InputError, match=words):
        import_runs(csv(*lines), mapping)


def test_dates_with_and_without_a_time_zone_are_not_mixed(csv):
    path = csv("When,Glc", "2026-03-01T10:00,3", "2026-03-02T10:00+01:00,4")
    with pytest.raises(InputError, match="time zone"):
        import_runs(path, {"time": {"column": "When", "unit": "date"}, "measured": GLC})
    with pytest.raises(InputError, match="the letters of a date"):
        import_runs(path, {"time": {"column": "When", "unit": "date", "written": "%d %d"}, "measured": GLC})


def test_feeds_need_a_volume_at_the_start(csv):
    mapping = {"time": DAY, "taken": "before", "measured": GLC, "feeds": FED}
    with pytest.raises(InputError, match=r"\[start\] volume: found nothing"):
        import_runs(csv("Day,Glc,F (mL)", "0,3,", "1,4,5"), mapping)


def test_a_feed_at_the_start_with_samples_after_it_is_not_counted_twice(csv):
    mapping = FEEDS | {"taken": "after", "feeds": FED}
    with pytest.raises(InputError, match=r"row 2, column 'F \(mL\)': found a feed before the first sample"):
        import_runs(csv("Day,Glc,F (mL)", "0,3,5", "1,4,5"), mapping)


def test_old_german_and_utf16_files_are_read(csv):
    for encoding in ("cp1252", "utf-16", "utf-8-sig"):
        path = csv("Tag;Größe;Glc", "0;ä;3", "1;ö;4", encoding=encoding)
        found = imported(path, {"time": {"column": "Tag", "unit": "d"}, "measured": GLC})
        assert found.not_read == ("Größe",)


def test_sheets_that_a_pattern_does_not_name_are_left(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"R1": [["Day", "Glc"], [0, 3]], "Media": [["x", "y"], ["a", "b"]]})
    faults = Faults("mapping", 9)
    source = source_of_any(path, ImportSpec())
    grid = grid_of(source, spec_of({"run": {"sheet": "R{run}"}, "time": "Day", "measured": GLC}, faults), faults)
    assert faults.findings == []
    assert grid.table.headings == ("{run}", "Day", "Glc")


def test_cells_beyond_the_headings_are_not_cut_off(csv, tmp_path):
    with pytest.raises(InputError, match=r"row 3: found 3 cells; the headings name 2 columns"):
        import_runs(csv("Day,Glc", "0,30", "1,25,5"), {"time": DAY, "measured": GLC})
    path = book(tmp_path / "runs.xlsx", {"Data": [["Day", "Glc"], [0, 30], [1, 25, "a note"]]})
    assert imported(path, {"time": DAY, "measured": GLC}).not_read == ("cells without a heading",)


def test_a_sum_that_rises_at_one_time_is_added_at_once(csv):
    path = csv("Day,Glc,Fed (mL)", "0,30,0", "1,25,10", "1,,50", "2,24,50")
    feeds = {"F": {"cumulative": "Fed (mL)", "media": {"GLC": "400 g/L"}}}
    (run,) = import_runs(path, FEEDS | {"feeds": feeds})
    assert Bolus(1.0, "F", 0.04) in run.events
    assert fed(run)[0] == (0.0, "F", 0.01)


def test_a_shift_is_not_the_temperature_at_the_start(csv):
    lines = ("Day,Glc,T (degC)", "0,30,", "1,25,33", "2,24,")
    mapping = {"time": DAY, "measured": GLC, "temperature": "T (degC)"}
    with pytest.raises(InputError, match=r"row 3, column 'T \(degC\)': found the first temperature"):
        import_runs(csv(*lines), mapping)
    (run,) = import_runs(csv(*lines), mapping | {"start": {"temperature": "37 degC"}})
    assert (run.initial_temperature, run.events) == (37.0, (Setpoint(1.0, 33.0),))


def test_of_columns_of_one_name_the_first_counts_on_stacked_sheets_too(tmp_path):
    above = [["", "Before", "After", "Fed (mL)"], ["Day", "Glc", "Glc", "F1"]]
    path = book(tmp_path / "runs.xlsx", {"R1": [*above, [0, 30, 99, None], [1, 25, 99, 20]],
                                         "R2": [*above, [0, 40, 99, None], [2, 31, 99, None]]})  # fmt: skip
    feeds = {"*": {"volume": {"under": "Fed (mL)"}, "media": {"GLC": "2 mol/L"}}}
    mapping = FEEDS | {"header": 2, "run": {"sheet": "R{run}"}, "taken": "before", "feeds": feeds}
    runs = import_runs(path, mapping)
    assert series_of(runs) == {"1": EXPECTED["A"], "2": EXPECTED["B"]}
    assert runs[0].events == (Bolus(1.0, "F1", 0.02),)


def test_two_rows_of_one_time_on_sheets_of_quantities_are_reported(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Glc (mM)": [["Day", "A"], [0, 30], [1, 25], [1, 26]]})
    mapping = {"run": {"sheet": "{quantity}", "heading": "{run}"}, "time": DAY, "measured": {"GLC": "Glc (mM)"}}
    with pytest.raises(InputError, match="row 4: found a second value of Glc"):
        import_runs(path, mapping)


def test_columns_that_are_no_runs_are_named(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Glc (mM)": [["Day", "Hours", "A"], [0, 0, 30], [1, 24, 25]]})
    run = {"sheet": "{quantity}", "heading": "{run}"}
    mapping = {"time": DAY, "measured": {"GLC": "Glc (mM)"}}
    assert [found.name for found in import_runs(path, mapping | {"run": run})] == ["Hours", "A"]
    assert [found.name for found in import_runs(path, mapping | {"run": run | {"without": ["Hours"]}})] == ["A"]


def test_sheets_of_quantities_with_dates_out_of_order(tmp_path):
    rows = [["Date", "A"], ["01.04.2026", 25], ["31.03.2026", 30]]
    path = book(tmp_path / "runs.xlsx", {"Glc (mM)": rows})
    mapping = {"run": {"sheet": "{quantity}", "heading": "{run}"}, "measured": {"GLC": "Glc (mM)"},
               "time": {"column": "Date", "unit": "date", "written": "%d.%m.%Y"}}  # fmt: skip
    assert series_of(import_runs(path, mapping)) == {"A": {0.0: 30.0, 1.0: 25.0}}


def test_true_dates_of_a_workbook_are_read_beside_written_ones(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Data": [["Date", "Glc"], [datetime(2026, 3, 31), 30], ["01.04.2026", 25]]})
    mapping = {"time": {"column": "Date", "unit": "date", "written": "%d.%m.%Y"}, "measured": GLC}
    assert import_runs(path, mapping)[0].measurements["GLC"].time.tolist() == [0.0, 1.0]


def test_a_value_in_a_row_that_differs_in_a_column_of_no_matter_counts_once(csv):
    path = csv("Day,Instrument,Analyte,Value,Feed (mL)", "0,i,Glc,30,", "0,j,Lac,1,", "1,i,Glc,25,50", "1,j,Lac,2,50")
    mapping = FEEDS | {"taken": "before", "long": {"quantity": "Analyte", "value": "Value"},
                       "measured": {"GLC": {"column": "Glc", "unit": "mM"}, "LAC": {"column": "Lac", "unit": "mM"}},
                       "feeds": {"F": {"volume": "Feed (mL)", "media": {}}}}  # fmt: skip
    found = imported(path, mapping)
    assert found.runs[0].events == (Bolus(1.0, "F", 0.05),)
    assert found.not_read == ("Instrument",)


def test_a_column_is_one_feed_and_a_named_one_goes_before_the_others(tmp_path, csv):
    rows = [["", "", "Fed (mL)", None], ["Day", "Glc", "F01", "F02"], [0, 30, 0, 0], [1, 25, 20, 5]]
    path = book(tmp_path / "runs.xlsx", {"Data": rows})
    feeds = {
        "*": {"volume": {"under": "Fed (mL)"}, "media": {}},
        "F01": {"volume": {"column": "F01", "unit": "mL"}, "media": {"GLC": "1 mol/L"}},
    }
    (run,) = import_runs(path, FEEDS | {"header": 2, "taken": "before", "feeds": feeds})
    assert [event for event in run.events if event.medium == "F01"] == [Bolus(1.0, "F01", 0.02)]
    assert run.media["F01"]["GLC"] == 1000.0
    twice = {"A": {"volume": "F (mL)", "media": {}}, "B": {"volume": "F (mL)", "media": {}}}
    with pytest.raises(InputError, match="a column is one feed"):
        import_runs(csv("Day,Glc,F (mL)", "0,30,", "1,25,5"), FEEDS | {"taken": "before", "feeds": twice})


MEDIA = {"sheet": "Data", "time": DAY, "taken": "before", "measured": {"GLC": {"column": "Glc", "unit": "mM"}, "EtOH": {
    "column": "EtOH (g/L)", "molar_mass": 46.07}}, "start": {"volume": "2 L"},
    "feeds": {"F01": {"volume": "F01 (mL)", "media": {"sheet": "Media", "names": "Media"}}}}  # fmt: skip
DATA = [["Day", "Glc", "EtOH (g/L)", "F01 (mL)"], [0, 30, 1, None], [1, 25, 2, 20]]


@pytest.mark.parametrize(("rows", "words"), [
    ([["Media", "F01"], ["Glucose", 400]], "no unit"),
    ([["Media", "F01"], ["Glucose (g/L)", "much"]], "the row 'Glucose .g/L.' holds numbers"),
    ([["Media", "F01"], ["Glucose (g/L)", 400], ["Glc (mM)", 2000]], "a solute has one row"),
    ([["Media", "F01", "F01"], ["Glucose (g/L)", 400, 300]], "has one composition"),
    ([["Media", "F02"], ["Glucose (g/L)", 400]], "media are named as in that sheet"),
])  # fmt: skip
def test_a_list_of_media_that_says_too_little_or_two_things(tmp_path, rows, words):
    with pytest.raises(InputError, match=words):
        import_runs(book(tmp_path / "runs.xlsx", {"Data": DATA, "Media": rows}), MEDIA)


def test_what_a_list_of_media_has_beside_solutes_is_passed_over_and_reported(tmp_path):
    rows = [["Media", "F01", "Glucose"], ["Glc", 0.0, 0.0], ["EtOH (g/L)", 46.07, 0], ["Osmolality (mOsm/kg)", 900, 1],
            ["Putrescine (mg/L)", 1, 2], ["Spermine (mM)", 3, 0]]  # fmt: skip
    rows[1][0] = "Glc (mM)"
    found = imported(book(tmp_path / "runs.xlsx", {"Data": DATA, "Media": rows}), MEDIA)
    assert dict(found.runs[0].media["F01"]) == {"GLC": 0.0, "EtOH": pytest.approx(1000.0), "Spermine": 3.0}
    assert found.not_read == ("Osmolality (mOsm/kg) of the media", "Putrescine (mg/L) of the media")


def test_a_workbook_with_decimal_commas_as_text_and_numbers_as_such(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Data": [["Day", "Glc"], [0, 6.125], [1, "5,5"], [2, "1.234"]]})
    (run,) = import_runs(path, {"time": DAY, "measured": GLC, "decimal": ","})
    assert run.measurements["GLC"].value.tolist() == [6.125, 5.5, 1234.0]


def test_a_viability_that_a_spreadsheet_shows_in_percent_is_reported(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Data": [["Day", "Viab (%)"], [0, 0.975], [1, 0.96]]})
    (run,) = import_runs(path, {"time": DAY, "measured": {VIABILITY: "Viab (%)"}})
    (finding,) = [finding for finding in check_runs([run]) if finding.severity == "error"]
    assert "their unit is 1" in finding.remedy


def test_runs_whose_names_would_be_joined_to_one_are_reported(csv):
    path = csv("A,B,Day,Glc", "x,1-2,0,3", "x-1,2,0,4")
    with pytest.raises(InputError, match="a second run 'x-1-2'"):
        import_runs(path, {"run": ["A", "B"], "time": DAY, "measured": GLC})


@pytest.mark.parametrize(("change", "words"), [
    ({"like": ["a"]}, "a ready mapping"), ({"sheet": []}, "the name of a sheet"), ({"taken": "often"}, "taken"),
    ({"measured": {"GLC": {"column": "Glc", "unit": "mM", "limit": "little"}}}, "no number with a unit"),
    ({"log": {"sheet": "x", "feed": "F"}}, "and volume beside feed"), ({"rows": {"column": "Day"}}, "after are needed"),
    ({"run": {"sheet": "R"}}, "with {run} or {quantity}"), ({"run": {"heading": "{run}{run}"}}, "are written once"),
    ({"long": {"quantity": "Day"}}, "quantity and value"), ({"start": {"volume": "-1 L"}}, "an initial volume is > 0"),
])  # fmt: skip
def test_a_wrong_word_of_a_layout_is_a_sentence(csv, change, words):
    with pytest.raises(InputError, match=words):
        import_runs(csv("Day,Glc", "0,3", "1,4"), {"time": DAY, "measured": GLC} | change)


def test_a_fault_quotes_the_file(csv):
    path = csv("Day,Sugar,F (mL),V (L)", "0,5,,2", "1,-20,-5,", "2,<,,")
    mapping = {"time": DAY, "taken": "before", "measured": {"GLC": {"column": "Sugar", "unit": "g/L"}},
               "start": {"volume": "V (L)"}, "feeds": FED}  # fmt: skip
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    said = [str(finding).split(";")[0] for finding in caught.value.findings]
    assert said == ["file.csv, row 3, column 'Sugar': found -20", "file.csv, row 4, column 'Sugar': found '<'",
                    "file.csv, row 3, column 'F (mL)': found '-5'"]  # fmt: skip


def test_more_faults_than_anyone_reads_are_counted(csv):
    path = csv("Day,Glc", *(f"{day},x" for day in range(300)))
    with pytest.raises(InputError) as caught:
        import_runs(path, {"time": DAY, "measured": GLC})
    assert len(caught.value.findings) < 210
    assert "more like these" in str(caught.value)


def test_units_in_a_row_of_their_own(csv):
    path = csv("Vessel,Day,Gluc,Lac,VCD", "", ",(d),g/L,[mmol/L],x10^6 cells/mL", "A,0,7.2,1,0.4", "A,1,6,2,0.9")
    mapping = {"run": "Vessel", "time": "Day", "units": 3, "measured": {"GLC": "Gluc", "LAC": "Lac", VCD: "VCD"}}
    (run,) = import_runs(path, mapping)
    assert run.measurements["GLC"].value[0] == pytest.approx(7200.0 / MOLAR_MASS["GLC"])
    assert (run.measurements["LAC"].value[1], run.measurements[VCD].value[1]) == (2.0, 0.9)
    with pytest.raises(InputError, match="is below that of the headings"):
        import_runs(path, mapping | {"units": 1})


def test_headings_that_are_merged_over_two_rows(tmp_path):
    rows = [
        ["Batch", "Time (d)", "Cells", None],
        [None, None, "VCD (1e6/mL)", "Viab (%)"],
        ["A", 0, 0.5, 98],
        ["A", 1, 1, 97],
    ]
    path = book(tmp_path / "runs.xlsx", {"Data": rows})
    mapping = {
        "header": 2,
        "run": "Batch",
        "time": "Time (d)",
        "measured": {VCD: "VCD (1e6/mL)", VIABILITY: "Viab (%)"},
    }
    (run,) = import_runs(path, mapping)
    assert (run.name, run.measurements[VCD].value.tolist()) == ("A", [0.5, 1.0])  # what is counted in 1e6/mL are cells


def test_a_name_in_the_first_row_of_its_block(csv):
    path = csv("Vessel,Day,Glc", "A,0,30", ",1,25", "B,0,40", ",2,31")
    mapping = {"run": "Vessel", "time": DAY, "measured": GLC}
    with pytest.raises(InputError, match=r"rows 3 and 5, column 'Vessel'.*fill = \['Vessel'\]"):
        import_runs(path, mapping)
    assert series_of(import_runs(path, mapping | {"fill": ["Vessel"]})) == EXPECTED
    with pytest.raises(InputError, match="no heading 'Reactor'"):
        import_runs(path, mapping | {"fill": "Reactor"})


def test_words_that_say_there_is_nothing(csv):
    path = csv("Day,Glc", "0,30", "1,n.d.", "2,failed")
    with pytest.raises(InputError, match="not determined an empty cell"):
        import_runs(path, {"time": DAY, "measured": GLC})
    assert series_of(import_runs(path, {"time": DAY, "measured": GLC, "empty": ["n.d.", "Failed"]})) == {
        "file": {0.0: 30.0}
    }


def test_a_date_and_a_clock_in_two_columns(csv, tmp_path):
    mapping = {
        "time": {"column": "Date", "clock": "Time", "unit": "date", "written": "%d.%m.%Y %H:%M"},
        "measured": GLC,
    }
    path = csv("Date,Time,Glc", "31.03.2026,12:00,30", "01.04.2026,9:00,25")
    assert import_runs(path, mapping)[0].measurements["GLC"].time.tolist() == [0.0, 0.875]
    rows = [["Date", "Time", "Glc"], [datetime(2026, 3, 31), time(12), 30], [datetime(2026, 4, 1), time(9), 25]]
    path = book(tmp_path / "runs.xlsx", {"Data": rows})
    mapping["time"] = {"column": "Date", "clock": "Time", "unit": "date"}
    assert import_runs(path, mapping)[0].measurements["GLC"].time.tolist() == [0.0, 0.875]


def test_empty_sheets_and_sheets_that_nobody_asks_for_do_no_harm(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Chart": [], "Data": [["Day", "Glc"], [0, 30], [1, 25]], "Log": [["x"], [1]]})
    found = imported(path, {"sheet": "Data", "time": DAY, "measured": GLC})
    assert found.not_read == ("the sheet 'Log'",)
    assert series_of(found.runs) == {"runs": EXPECTED["A"]}


def test_a_run_may_begin_after_time_0_or_without_a_quantity(csv):
    path = csv("Day,Glc,IgG (mg/L)", "0.25,30,", "1,25,5")
    mapping = {"time": DAY, "measured": {**GLC, "ANTI": {"column": "IgG (mg/L)", "molar_mass": 150000.0}}}
    (run,) = import_runs(path, mapping)
    assert {finding.severity for finding in check_runs([run])} == {"warning"}
    (run,) = import_runs(path, mapping | {"start": {"ANTI": "0 mg/L", "GLC": "31 mM"}})
    assert dict(run.initial) == {"ANTI": 0.0, "GLC": 31.0}


def test_a_unit_that_the_heading_contradicts_is_reported(csv):
    path = csv("Day,Glc (g/L)", "0,6", "1,5")
    found = imported(path, {"time": DAY, "measured": {"GLC": {"column": "Glc (g/L)", "unit": "mmol/L"}}})
    assert [finding.needed for finding in found.remarks] == ["the heading says 'g/L'"]
    assert imported(path, {"time": DAY, "measured": {"GLC": {"column": "Glc (g/L)", "unit": "mg/mL"}}}).remarks == ()


def test_a_start_that_the_first_sample_contradicts_is_reported(csv):
    path = csv("Day,Glc", "0,33.3", "1,25", "2,20")
    runs = import_runs(path, {"time": DAY, "measured": GLC, "start": {"GLC": "20 mM"}})
    assert any("33.3 was measured then" in finding.needed for finding in implausible(runs))


def test_a_row_that_is_cut_short_is_reported(csv):
    found = imported(csv("Day,Glc,pH", "0,30,7", "1,25"), {"time": DAY, "measured": GLC})
    assert [str(finding).split(";")[0] for finding in found.remarks] == ["file.csv, row 3: found 2 cells"]


@pytest.mark.parametrize(("lines", "mapping", "words"), [
    (("a title", "", "Day,Glc", "0,3"), {"measured": {"GLC": "Glc"}}, "it is in row 3"),
    (("Day,Glc (mM)",), {"measured": {"GLC": "Glc (mM)"}}, "rows below the headings are needed"),
    (("Day,V", "0,3"), {"measured": {"GLC": {"column": "V", "unit": "?"}}}, "a . that is left; a unit of mmol/L"),
    (("Day,V (g/L)", "0,3"), {"measured": {"Glukose": "V (g/L)"}}, "name it GLC"),
    (("Day,Glc (mM)", "0,3"), {"measured": {"GLC": "Glc (mM)"}, "start": {"volume": 1.5}}, 'like "1.5 L"'),
])  # fmt: skip
def test_a_fault_says_what_to_do(csv, lines, mapping, words):
    with pytest.raises(InputError, match=words):
        import_runs(csv(*lines), {"time": DAY} | mapping)


def test_an_old_workbook_is_read(tmp_path):
    path = xls(tmp_path / "runs.xls", [["Day", "Glc"], [0, 30.5], [1.5, 25], [3, "<0.5"]])
    assert series_of(import_runs(path, {"time": DAY, "measured": GLC})) == {"runs": {0.0: 30.5, 1.5: 25.0, 3.0: 0.5}}


@pytest.mark.parametrize(("name", "words"), [
    ("runs.xls", "it is XLS; save it again as XLSX"), ("runs.xlsm", r"save it as \.xlsx"),
    ("runs.ods", r"save it as \.xlsx"),
])  # fmt: skip
def test_a_workbook_of_another_kind_is_to_be_saved_anew(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match=words):
        import_runs(tmp_path / name, {"time": DAY, "measured": GLC})


def test_a_sample_of_one_size_is_taken_at_samples_and_not_at_feeds(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Data": [["Day", "Glc"], [0, 30], [1, 25]],
                                         "Log": [["Day", "V (mL)"], [0.5, 10], [1, 10]]})  # fmt: skip
    feeds = {"V (mL)": {"volume": "V (mL)", "media": {}}}
    mapping = FEEDS | {"sheet": "Data", "taken": "before", "sample": {"volume": "5 mL"}, "feeds": feeds,
                       "log": {"sheet": "Log", "volume": "V (mL)"}}  # fmt: skip
    (run,) = import_runs(path, mapping)
    assert run.events == (
        Sample(0.0, 0.005),
        Bolus(0.5, "V (mL)", 0.01),
        Sample(1.0, 0.005),
        Bolus(1.0, "V (mL)", 0.01),
    )
    (run,) = import_runs(path, mapping | {"taken": "after"})
    assert [event.time for event in run.events if isinstance(event, Bolus)] == pytest.approx([0.5 - SECOND, 1 - SECOND])


def test_units_are_those_of_each_column_and_each_sheet(tmp_path, csv):
    sheets = {"R1": [["Day", "Glc"], ["d", "g/L"], [0, 30]], "R2": [["Day", "Glc"], ["d", "mM"], [0, 30]]}
    mapping = {"run": {"sheet": "R{run}"}, "units": 2, "time": "Day", "measured": {"GLC": "Glc"}}
    with pytest.raises(InputError, match="the unit 'mM' of 'Glc'; elsewhere it is 'g/L'"):
        import_runs(book(tmp_path / "runs.xlsx", sheets), mapping)
    path = csv(",Before,After", "Day,Glc,Glc", "d,g/L,mM", "0,5,6")
    mapping = {"header": 2, "units": 3, "time": "Day", "measured": {"GLC": {"column": "Glc", "under": "After"}}}
    assert import_runs(path, mapping)[0].measurements["GLC"].value.tolist() == [6.0]


def test_what_is_shared_by_runs_side_by_side_is_of_each_of_them(csv):
    path = csv("Day,A,B,T (degC),F (mL)", "0,30,40,37,", "1,,,33,20", "2,25,,33,")
    mapping = FEEDS | {"run": {"heading": "{run}"}, "taken": "before", "temperature": "T (degC)",
                       "feeds": FED}  # fmt: skip
    with pytest.raises(InputError, match="no heading 'Glc'"):
        import_runs(path, mapping)
    path = csv("Day,A Glc,B Glc,T (degC),F (mL)", "0,30,40,37,", "1,,,33,20", "2,25,,33,")
    runs = import_runs(path, mapping | {"run": {"heading": "{run} {quantity}"}})
    for run in runs:
        assert run.events == (Bolus(1.0, "F", 0.02), Setpoint(1.0, 33.0))
    assert series_of(runs) == {"A": {0.0: 30.0, 2.0: 25.0}, "B": {0.0: 40.0}}


def test_sheets_of_quantities_share_what_is_filled_and_report_what_differs(tmp_path):
    def made(of_lactate):
        heads = ["Day", "A", "F (mL)"]
        return book(tmp_path / "runs.xlsx", {"Glc (mM)": [heads, [0, 30, None], [1, 25, 20]],
                                             "Lac (mM)": [heads, [0, 1, None], [1, 2, of_lactate]]})  # fmt: skip

    mapping = FEEDS | {"run": {"sheet": "{quantity}", "heading": "{run}"}, "taken": "before",
                       "measured": {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}, "feeds": FED}  # fmt: skip
    for same in (None, 20):
        assert import_runs(made(same), mapping)[0].events == (Bolus(1.0, "F", 0.02),)
    with pytest.raises(InputError, match=r"second value of F \(mL\), '30'; '20' is there for the same run and time"):
        import_runs(made(30), mapping)


def test_a_sheet_for_each_run_and_quantity(tmp_path):
    heads = ["Day", "Value"]
    path = book(tmp_path / "runs.xlsx", {"A Glc": [heads, [0, 30], [1, 25]], "A Lac": [heads, [0, 1]],
                                         "B Glc": [heads, [0, 40], [2, 31]]})  # fmt: skip
    mapping = {
        "run": {"sheet": "{run} {quantity}"},
        "time": DAY,
        "measured": {**GLC, "LAC": {"column": "Lac", "unit": "mM"}},
    }
    runs = import_runs(path, mapping)
    assert series_of(runs) == EXPECTED
    assert runs[0].measurements["LAC"].value.tolist() == [1.0]


@pytest.mark.parametrize("mapping", [
    {"long": {"quantity": "A Glc", "value": "B Glc"}}, {"run": {"heading": "{run} {quantity}"}},
])  # fmt: skip
def test_a_decimal_comma_makes_a_fault_in_every_layout(csv, mapping):
    with pytest.raises(InputError, match=r"row 3: found 5 cells; the headings name 3 columns"):
        import_runs(csv("Day,A Glc,B Glc", "0,30,40", "1,25,5,40,5"), {"time": DAY, "measured": GLC} | mapping)


def test_a_log_has_the_clock_and_the_unit_of_the_samples(tmp_path):
    rows = [["Date", "Clock", "Glc"], [datetime(2026, 3, 31), "09:00", 30], [datetime(2026, 4, 2), "09:00", 20]]
    path = book(tmp_path / "runs.xlsx", {"Data": rows, "Log": [["Date", "Clock", "V (mL)"],
                                                              [datetime(2026, 4, 1), "09:00", 10]]})  # fmt: skip
    mapping = FEEDS | {"sheet": "Data", "taken": "before", "time": {"column": "Date", "clock": "Clock", "unit": "date"},
                       "feeds": {"F": {"volume": "V (mL)", "media": {}}},
                       "log": {"sheet": "Log", "volume": "V (mL)"}}  # fmt: skip
    assert import_runs(path, mapping)[0].events == (Bolus(1.0, "F", 0.01),)
    path = book(
        tmp_path / "runs.xlsx", {"Data": [["Day", "Glc"], [0, 30], [2, 25]], "Log": [["Hours", "V (mL)"], [12, 10]]}
    )
    log = {"sheet": "Log", "time": "Hours", "volume": "V (mL)"}
    with pytest.raises(InputError, match="no unit of 'Hours'; the times of the samples are in d"):
        import_runs(path, mapping | {"time": DAY, "log": log})
    [run] = import_runs(path, mapping | {"time": DAY, "log": log | {"time": {"column": "Hours", "unit": "h"}}})
    assert run.events == (Bolus(0.5, "F", 0.01),)
    with pytest.raises(InputError, match="the unit 'mL' of 'Hours'"):
        import_runs(path, mapping | {"time": DAY, "log": log | {"time": {"column": "Hours", "unit": "mL"}}})


def test_a_feed_of_a_log_that_nobody_names_is_a_fault(tmp_path):
    log = [["Day", "Feed", "V (mL)", "Pump"], [1, "F1", 10, 1], [1, "f1", 10, 2]]
    path = book(tmp_path / "runs.xlsx", {"Data": [["Day", "Glc"], [0, 30], [2, 25]], "Log": log})
    mapping = FEEDS | {"sheet": "Data", "taken": "before", "log": {"sheet": "Log", "feed": "Feed", "volume": "V (mL)"}}
    with pytest.raises(InputError, match="the feed 'f1'; every feed of a log has a table"):
        import_runs(path, mapping | {"feeds": {"F1": {"volume": "F1", "media": {}}}})
    found = imported(
        path, mapping | {"feeds": {"F1": {"volume": "F1", "media": {}}, "f1": {"volume": "f1", "media": {}}}}
    )
    assert found.not_read == ("Pump of the sheet 'Log'",)


def test_a_log_beside_rows_before_and_after_a_feed(tmp_path):
    path = book(tmp_path / "runs.xlsx", {
        "Data": [["Day", "When", "Glc"], [0, None, 30], [1, "pre feed", 25], [1, "post feed", 30]],
        "Log": [["Day", "V (mL)"], [1, 10]]})  # fmt: skip
    mapping = FEEDS | {"sheet": "Data", "rows": ROWS, "log": {"sheet": "Log", "volume": "V (mL)"},
                       "feeds": {"F": {"volume": "V (mL)", "media": {}}}}  # fmt: skip
    (run,) = import_runs(path, mapping)
    assert run.events == (Bolus(1.0, "F", 0.01),)
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, 1.0, 1.0 + SECOND])
    with pytest.raises(InputError, match=r"taken: found before; \[rows\] says it row by row"):
        import_runs(path, mapping | {"taken": "before"})


def test_a_feed_at_the_time_of_the_first_sample_that_was_taken_after_it(csv):
    mapping = FEEDS | {"taken": "after", "feeds": FED}
    with pytest.raises(InputError, match=r"row 3.*before the first sample"):
        import_runs(csv("Day,Glc,F (mL)", "0,30,", "0,,10", "1,25,"), mapping)


def test_a_volume_that_is_written_later_is_not_that_of_the_start(csv):
    mapping = FEEDS | {
        "taken": "before",
        "start": {"volume": "V (L)"},
        "feeds": FED,
    }
    with pytest.raises(InputError, match=r"row 3, column 'V \(L\)': found the first value, '2.5'"):
        import_runs(csv("Day,Glc,F (mL),V (L)", "0,30,,", "1,25,500,2.5"), mapping)


def test_sheets_that_a_mapping_names_fit_its_pattern(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"R1": [["Day", "Glc"], [0, 30]], "Notes": [["Day", "Glc"], [0, 1]]})
    with pytest.raises(InputError, match="'Notes'; sheets that are named fit the pattern"):
        import_runs(path, {"sheet": ["R1", "Notes"], "run": {"sheet": "R{run}"}, "time": DAY, "measured": GLC})


def test_sheets_of_one_run_out_of_order(tmp_path):
    path = book(tmp_path / "runs.xlsx", {"Late": [["Date", "Glc"], [datetime(2026, 4, 1), 25]],
                                         "Early": [["Date", "Glc"], [datetime(2026, 3, 31), 30]]})  # fmt: skip
    (run,) = import_runs(
        path, {"sheet": ["Late", "Early"], "time": {"column": "Date", "unit": "date"}, "measured": GLC}
    )
    assert run.measurements["GLC"].value.tolist() == [30.0, 25.0]


def test_remarks_do_not_become_errors_when_there_are_many(csv):
    found = imported(csv("Day,Glc,pH", *(f"{day},5" for day in range(250))), {"time": DAY, "measured": GLC})
    assert {finding.severity for finding in found.remarks} == {"warning"}
    assert len(found.remarks) == 201


@pytest.mark.parametrize(("lines", "mapping", "words"), [
    ([f"R{i},{i},Q{i},1" for i in range(3000)], {"run": "R", "long": {"quantity": "Q", "value": "V"}}, "no heading"),
    ([",".join(["1"] * 490) for _ in range(900)], {"run": {"heading": "{run} {quantity}"}}, "put together"),
])  # fmt: skip
def test_a_small_file_does_not_become_a_large_table(csv, lines, mapping, words):
    heads = "R,Day,Q,V" if "long" in mapping else ",".join(["Day", *(f"R{i} Glc" for i in range(489))])
    with pytest.raises(InputError, match=words):
        import_runs(csv(heads, *lines), {"time": DAY, "measured": GLC} | mapping)


def test_a_whole_number_that_no_toml_has_is_a_sentence(csv):
    with pytest.raises(InputError, match="64 bits"):
        import_runs(csv("Day,Glc", "0,1"), {"time": DAY, "measured": GLC, "round_off": 10**5000})
