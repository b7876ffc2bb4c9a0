"""What people do in their files: weigh feeds, name days, measure twice, turn tables, have a file for each run."""

from datetime import timedelta

import pytest
from small_files import DAY, GLC, book, series_of
from typer.testing import CliRunner

from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.importing import import_runs, imported
from graycell.runs import Bolus, Feed, Sample, Setpoint, read_runs

FED = {"time": DAY, "taken": "before", "measured": GLC, "start": {"volume": "1 L"},
       "feeds": {"F": {"volume": "Feed (mL)", "media": {"GLC": "2 mol/L"}}}}  # fmt: skip


def sentences_of(path, mapping):
    with pytest.raises(InputError) as caught:
        import_runs(path, mapping)
    return [str(finding) for finding in caught.value.findings]


def test_what_is_weighed_becomes_a_volume_by_its_density(csv):
    path = csv("Day,Glc,Feed (g),Draw (g),Pump (g/h)", "0,30,,1.02,0", "1,25,21,1.02,10.5")
    feeds = {"F": {"volume": {"column": "Feed (g)", "density": 1.05}, "media": {"GLC": "2 mol/L"}},
             "P": {"rate": {"column": "Pump (g/h)", "density": 1.05}, "media": {"GLC": "2 mol/L"}}}  # fmt: skip
    sample = {"volume": {"column": "Draw (g)", "density": 1.02}}
    [run] = import_runs(path, FED | {"feeds": feeds, "sample": sample})
    bolus, pump = (next(event for event in run.events if isinstance(event, kind)) for kind in (Bolus, Feed))
    assert bolus.volume == pytest.approx(0.02, rel=1e-12)  # 21 g / (1.05 kg/L)
    assert pump.rate == pytest.approx(0.24, rel=1e-12)  # 10 mL/h
    assert [event.volume for event in run.events if isinstance(event, Sample)] == pytest.approx([0.001, 0.001])


@pytest.mark.parametrize(("density", "words"), [
    (None, "[feeds.F]: found unit 'g' does not measure the same thing as 'L'; a unit of L is needed; give its unit, "
           "and density [kg/L] for a mass"),
    (1050.0, "density 1050.0; a density is above 0 and below 25 kg/L"),
    ("1.05 g/mL", "density 1.05 g/mL; a density is above 0 and below 25 kg/L"),
])  # fmt: skip
def test_a_weight_needs_a_density(csv, density, words):
    entry = {"column": "Feed (g)"} | ({} if density is None else {"density": density})
    feeds = {"F": {"volume": entry, "media": {}}}
    [said, *_] = sentences_of(csv("Day,Glc,Feed (g)", "0,30,", "1,25,21"), FED | {"feeds": feeds})
    assert words in said


@pytest.mark.parametrize("of", ["start", "culture"])
def test_a_feed_in_percent_is_a_part_of_what_is_said(csv, of):
    """By hand: 1 L, less 10 mL, and 3 % and 1 % fed, both of what was there before; a pump adds 1 mL/h for a day."""
    path = csv("Day,Glc,F1 (% v/v),F2 (%),Draw (mL),Pump (mL/h)", "0,30,,,,", "1,25,3,1,10,1", "2,20,3,,10,0")
    part = {"column": "F1 (% v/v)", "of": of}
    feeds = {"F1": {"volume": part, "media": {}}, "F2": {"volume": part | {"column": "F2 (%)"}, "media": {}},
             "P": {"rate": "Pump (mL/h)", "media": {}}}  # fmt: skip
    [run] = import_runs(path, FED | {"feeds": feeds, "sample": {"volume": "Draw (mL)"}})
    before = 0.99 if of == "culture" else 1.0
    after = 0.99 + 0.04 * before + 0.024 - 0.01
    volumes = [event.volume for event in run.events if isinstance(event, Bolus)]
    assert volumes == pytest.approx(
        [0.03 * before, 0.01 * before, 0.03 * (after if of == "culture" else 1.0)], rel=1e-12
    )


def test_a_feed_in_percent_says_of_what(csv):
    path = csv("Day,Glc,F1 (%)", "0,30,", "1,25,3")
    [said] = sentences_of(path, FED | {"feeds": {"F1": {"volume": "F1 (%)", "media": {}}}})
    assert 'say of what a feed is a part: of = "start", or of = "culture"' in said
    [said] = sentences_of(path, {"time": DAY, "measured": GLC, "start": FED["start"], "sample": {"volume": "F1 (%)"}})
    assert "a feed" not in said  # a sample is no part of it
    for kind, of in (("volume", "vessel"), ("cumulative", "start")):
        feeds = {"F1": {kind: {"column": "F1 (%)", "of": of}, "media": {}}}
        assert f"of = {of}; a volume may be a part of" in sentences_of(path, FED | {"feeds": feeds})[0]


@pytest.mark.parametrize(("entry", "words"), [
    ({"unit": "g/h"}, "give density [kg/L] if the feed was weighed, or else molar_mass [g/mol]"),
    ({"unit": "g/h", "density": 1.1}, ""), ({"unit": "g/h", "molar_mass": 180.16}, ""), ({"unit": "mmol/h"}, ""),
])  # fmt: skip
def test_a_mass_per_time_is_of_the_feed_or_of_its_solute(csv, entry, words):
    path = csv("Day,Glc,Pump", "0,30,0", "1,25,10")
    feeds = {"F": {"rate": {"column": "Pump", **entry}, "media": {"GLC": "2 mol/L"}}}
    if words:
        assert words in sentences_of(path, FED | {"feeds": feeds})[0]
        return
    [run] = import_runs(path, FED | {"feeds": feeds})
    per = {"density": 1e-3 / 1.1, "molar_mass": 1.0 / 180.16 / 2.0}  # L/g
    by = next((per[word] for word in per if word in entry), 1e-3 / 2.0)  # L/mmol
    assert run.events[0].rate == pytest.approx(10.0 * 24.0 * by, rel=1e-12)


def test_a_heading_in_another_kind_of_unit_than_the_mapping_is_reported(csv):
    feeds = {"F": {"volume": {"column": "Feed (g)", "unit": "mL"}, "media": {}}}
    found = imported(csv("Day,Glc,Feed (g)", "0,30,", "1,25,21"), FED | {"feeds": feeds})
    assert "the unit 'mL' of 'Feed (g)'; the heading says 'g'" in str(found.remarks[0])
    assert (
        "write it in L"
        in sentences_of(csv("Day,Glc", "0,30"), {"time": DAY, "measured": GLC, "start": {"volume": "1500 g"}})[0]
    )
    measured = {"GLC": {"column": "Glc", "unit": "mM", "density": 1.1}}
    assert "only a volume has one" in sentences_of(csv("Day,Glc", "0,30"), {"time": DAY, "measured": measured})[0]


@pytest.mark.parametrize(("unit", "cells"), [
    ("d", ("D0", "D1.5")), ("d", ("Day 0", "day 1.5")), ("d", ("0 d", "1.5 days")), ("d", ("0", "D1.5")),
    ("h", ("0 h", "36 h")), ("h", ("0:00", "36:00")), ("h", ("00:00:00", "36:00:00")), ("min", ("0 min", "2160 min")),
])  # fmt: skip
def test_times_that_name_their_unit(csv, unit, cells):
    path = csv("Day,Glc", f"{cells[0]},30", f"{cells[1]},25")
    [run] = import_runs(path, {"time": {"column": "Day", "unit": unit}, "measured": GLC})
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, 1.5])


def test_a_duration_of_a_workbook(tmp_path):
    rows = [["Age (h:mm)", "Glc"], [timedelta(0), 30], [timedelta(hours=36), 25], [timedelta(hours=49, minutes=30), 20]]
    path = book(tmp_path / "runs.xlsx", {"Data": rows})
    [run] = import_runs(path, {"time": "Age (h:mm)", "measured": GLC})
    assert run.measurements["GLC"].time.tolist() == pytest.approx([0.0, 1.5, 49.5 / 24.0])


@pytest.mark.parametrize(("cell", "words"), [
    ("72 h", "found '72 h'; times of this column are in d"), ("26:30", "found '26:30'; times of this column are in d"),
    ("D-3", "found -3.0; times are >= 0"), ("S3", "found 'S3'; a time in d is needed; write a number, or one with"),
    ("D3 h", "found 'D3 h'; a time in d is needed"), ("D1.2.3", "a number is needed"),
    ("1900-01-02 00:30:00", "give the cells the format [h]:mm, or the column the unit date"),
])  # fmt: skip
def test_a_time_of_another_unit_is_reported(csv, cell, words):
    [said] = sentences_of(csv("Day,Glc", "D0,30", f"{cell},25"), {"time": DAY, "measured": GLC})
    assert words in said


def test_replicates_count_by_their_mean_and_what_was_fed_counts_once(csv):
    path = csv("Day,Glc,Feed (mL)", "0,30,", "1,24,20", "1,26,20", "1,28,", "2,20,", "2,22,10", "3,,", "3,18,")
    [run] = import_runs(path, FED | {"replicates": "mean"})
    assert series_of([run])["file"] == {0.0: 30.0, 1.0: 26.0, 2.0: 21.0, 3.0: 18.0}
    assert [(event.time, event.volume) for event in run.events] == [(1.0, 0.02), (2.0, 0.01)]


def test_replicates_are_stated_and_agree(csv):
    path = csv("Day,Glc,Feed (mL)", "0,30,", "1,24,20", "1,26,", "2,20,10", "2,<1,7")
    assert "row 4, column 'Day': found the time of the row before" in sentences_of(path, FED)[0]
    assert 'or replicates = "mean"' in sentences_of(path, FED)[0]
    said = sentences_of(path, FED | {"replicates": "mean"})
    assert any(
        "row 6, column 'Feed (mL)': found '7'; another row of this sample says '10'" in sentence for sentence in said
    )
    assert any(
        "found 20, <1; replicates are all below one detection limit, or none is" in sentence for sentence in said
    )
    assert "the mean of the replicates of a sample counts" in sentences_of(path, FED | {"replicates": "median"})[0]


@pytest.mark.parametrize("volumes", [("1500", ""), ("", "1500"), ("1500", "1500.0")])
def test_the_start_is_reported_in_any_row_of_the_first_sample(csv, volumes):
    path = csv("Day,Glc,Vol (mL)", f"0,30,{volumes[0]}", f"0,32,{volumes[1]}", "1,20,")
    [run] = import_runs(path, {"time": DAY, "measured": GLC, "start": {"volume": "Vol (mL)"}, "replicates": "mean"})
    assert run.initial_volume == 1.5
    assert run.initial["GLC"] == 31.0
    path = csv("Day,Glc,Vol (mL)", "0,30,1000", "0,32,1500")
    [said] = sentences_of(path, {"time": DAY, "measured": GLC, "start": {"volume": "Vol (mL)"}, "replicates": "mean"})
    assert "row 3, column 'Vol (mL)': found '1500'; another row of this sample says '1000'" in said


def test_the_start_of_a_measured_quantity_is_the_mean_of_its_replicates(csv):
    path = csv("Day,Glc (mM)", "0,30", "0,32", "1,20")
    mapping = {"time": DAY, "measured": {"GLC": "Glc (mM)"}, "start": {"GLC": "Glc (mM)"}, "replicates": "mean"}
    assert import_runs(path, mapping)[0].initial["GLC"] == 31.0


@pytest.mark.parametrize("pre", [(), ("1,pre,20,",)])
def test_replicates_after_a_feed_are_one_sample_and_one_feed(csv, pre):
    rows = {"column": "When", "before": "pre", "after": "post"}
    lines = ("Day,When,Glc,Feed (mL)", "0,pre,30,", *pre, "1,post,24,20", "1,post,26,20", "2,pre,20,")
    mapping = {word: of for word, of in FED.items() if word != "taken"} | {"rows": rows}
    [run] = import_runs(csv(*lines), mapping | {"replicates": "mean"})
    assert [event.volume for event in run.events] == [0.02]
    assert list(series_of([run])["file"].values()) == [30.0, *(20.0 for _ in pre), 25.0, 20.0]
    assert "found the time of the row before" in sentences_of(csv(*lines), mapping)[0]


def test_a_feed_may_have_a_row_of_its_own_beside_its_sample(csv):
    path = csv("Day,Glc,Feed (mL)", "0,30,", "1,24,", "1,,20")
    assert import_runs(path, FED)[0].events == (Bolus(1.0, "F", 0.02),)
    [run] = import_runs(path, FED | {"sample": {"volume": "5 mL"}})  # drawn where something was measured
    assert [type(event).__name__ for event in run.events] == ["Sample", "Sample", "Bolus"]
    [run] = import_runs(csv("Day,Glc,Feed (mL)", "0,30,", "1,24,", "1,26,20"),
                        FED | {"sample": {"volume": "5 mL"}, "replicates": "mean"})  # fmt: skip
    assert [type(event).__name__ for event in run.events] == ["Sample", "Sample", "Bolus"]


@pytest.mark.parametrize("cells", [("<0.5", "<0.50"), ("10", "10.0")])
def test_replicates_that_are_written_in_two_ways_are_the_same(csv, cells):
    path = csv(
        "Day,Glc,Feed (mL)", "0,30,", f"1,{cells[0]},{cells[0].strip('<')}", f"1,{cells[1]},{cells[1].strip('<')}"
    )
    [run] = import_runs(path, FED | {"replicates": "mean"})
    assert run.measurements["GLC"].value[1] == float(cells[0].strip("<"))
    assert len(run.events) == 1


def test_a_column_for_each_sample(csv):
    path = csv("Day,Unit,D0,D1,D2", "Glc,mM,30,25,many", "Feed (mL),mL,,20,")
    mapping = FED | {"transposed": True, "units": 2, "measured": {"GLC": "Glc"}}
    [said] = sentences_of(path, mapping)
    assert said.startswith("file.csv transposed, row 5 (column E), column 'Glc': found 'many'")
    path = csv("Day,Unit,D0,D1,D2", "Glc,mM,30,25,", "Feed (mL),mL,,20,", ",,,,")
    [run] = import_runs(path, mapping)
    assert series_of([run])["file"] == {0.0: 30.0, 1.0: 25.0}
    assert run.events == (Bolus(1.0, "F", 0.02),)
    for word in ("yes", 1):
        assert (
            f"transposed: found {word}; true or false is needed"
            in sentences_of(path, mapping | {"transposed": word})[0]
        )
    path = csv("Culture 7, made in May", "Day;D0;D1", "Glc;30;25")
    [run] = import_runs(path, {"transposed": True, "time": DAY, "measured": GLC})
    assert series_of([run])["file"] == {0.0: 30.0, 1.0: 25.0}


def test_a_table_with_more_rows_than_columns_of_a_table_is_not_turned(csv):
    [said] = sentences_of(
        csv("Day,Glc", *(f"{i},30" for i in range(600))), {"transposed": True, "time": DAY, "measured": GLC}
    )
    assert "601 rows; a table that is transposed has at most 500 rows" in said


MEASURED = {"GLC": "Glc (mM)", "LAC": "Lac (mM)"}
ABOVE = {"header": 2, "time": DAY, "measured": MEASURED}
GLUCOSE = {"R1": {0.0: 30.0, 1.0: 20.0}, "R2": {0.0: 40.0, 1.0: 33.0}}
LACTATE = {"R1": {0.0: 1.0, 1.0: 2.0}, "R2": {0.0: 1.5, 1.0: 3.0}}


@pytest.mark.parametrize(("lines", "run"), [
    ((",R1,,R2,", "Day,Glc (mM),Lac (mM),Glc (mM),Lac (mM)", "0,30,1,40,1.5", "1,20,2,33,3"), {"above": "{run}"}),
    (("R1,,,R2,,", "Day,Glc (mM),Lac (mM),Day,Glc (mM),Lac (mM)", "0,30,1,0,40,1.5", "1,20,2,,,", ",,,1,33,3"),
     {"above": "{run}"}),
    ((",Glc (mM),,Lac (mM),", "Day,R1,R2,R1,R2", "0,30,40,1,1.5", "1,20,33,2,3"),
     {"above": "{quantity}", "heading": "{run}"}),
])  # fmt: skip
def test_runs_side_by_side_with_names_in_the_row_above(csv, lines, run):
    runs = import_runs(csv(*lines), ABOVE | {"run": run})
    assert series_of(runs) == GLUCOSE
    assert series_of(runs, "LAC") == LACTATE


@pytest.mark.parametrize(
    ("mark", "pattern"), [("[mM]", "{quantity} {run} [{unit}]"), ("(mM)", "{quantity} {run} ({unit})")]
)
def test_the_unit_behind_the_run_goes_with_its_quantity(csv, mark, pattern):
    path = csv(f"Day,Glc R1 {mark},Glc R2 {mark}", "0,30,40", "1,20,33")
    runs = import_runs(path, {"run": {"heading": pattern}, "time": DAY, "measured": {"GLC": "Glc (mM)"}})
    assert series_of(runs) == GLUCOSE


def test_headings_in_a_column_and_an_empty_mapping_are_reported(csv):
    [said, *_] = sentences_of(csv("Day,D0,D1", "Glc,30,25"), {"time": DAY, "measured": GLC})
    assert "it is in row 2: if the headings are there, write header = 2, or transposed = true" in said
    [said] = sentences_of(csv("Day,Glc", "0,30"), {"time": DAY, "measured": {}})
    assert "[measured]: found nothing; at least one quantity is needed" in said


def test_a_second_column_of_one_name_is_reported_as_not_read(csv):
    assert imported(csv("Day,Glc,Glc", "0,30,31"), {"time": DAY, "measured": GLC}).not_read == ("another Glc",)


def test_a_row_above_that_is_not_there_or_does_not_fit_is_reported(csv):
    path = csv(",R1,,R2,", "Day,Glc (mM),Lac (mM),Glc (mM),Lac (mM)", "0,30,1,40,1.5")
    [said] = sentences_of(path, ABOVE | {"run": {"above": "Reactor {run}"}})
    assert "run: found no heading that fits in 'file'" in said
    [said] = sentences_of(csv("Day,Glc (mM)", "0,30"), ABOVE | {"run": {"above": "{run}"}, "header": 1})
    assert "or write header = 2" in said


def test_a_feed_below_the_name_of_a_run_is_of_this_run_and_what_all_share_is_said(csv):
    path = csv(",R1,,R2,", "Day,Glc,Feed (mL),Glc,Temp", "0,30,,40,37", "1,25,20,33,34")
    mapping = FED | {"header": 2, "run": {"above": "{run}", "without": ["Temp"]},
                     "temperature": {"column": "Temp", "unit": "degC"}}  # fmt: skip
    first, second = import_runs(path, mapping)
    assert first.events == (Bolus(1.0, "F", 0.02), Setpoint(1.0, 34.0))
    assert second.events == (Setpoint(1.0, 34.0),)


@pytest.mark.parametrize(("run", "words"), [
    ({"above": "{run}", "heading": "{run} {quantity}"}, "found {run} in 2 of above, heading; one of them has it"),
    ({"above": "{quantity}"}, "found {run} in 0 of above; one of them has it"),
    ({"above": "{run} {quantity}", "heading": "{quantity}"}, "found {quantity} in 2 of above, heading"),
])  # fmt: skip
def test_what_names_a_run_is_written_once(csv, run, words):
    [said] = sentences_of(
        csv(",A,B", "Day,Glc,Glc", "0,30,40"), {"header": 2, "time": DAY, "measured": GLC, "run": run}
    )
    assert words in said


def test_a_second_column_of_a_run_is_a_fault(csv):
    path = csv(",R1,,R2", "Day,Glc,Glc,Glc", "0,30,99,40")
    [said] = sentences_of(path, {"header": 2, "time": DAY, "measured": GLC, "run": {"above": "{run}"}})
    assert "found a second 'Glc' of 'R1'" in said


def test_several_files_are_runs_of_one_import(csv, tmp_path):
    paths = [csv("Day,Glc", "0,30", "1,25", name="A.csv"), csv("Day,Glc", "0,40", "2,31", name="B.csv")]
    mapping = {"time": DAY, "measured": GLC}
    runs = import_runs(paths, mapping)
    assert series_of(runs) == {"A": {0.0: 30.0, 1.0: 25.0}, "B": {0.0: 40.0, 2.0: 31.0}}
    assert runs[0].provenance.sha256 != runs[1].provenance.sha256
    words = tmp_path / "runs.toml"
    words.write_text('time = { column = "Day", unit = "d" }\n[measured]\nGLC = { column = "Glc", unit = "mM" }\n')
    out = tmp_path / "runs"
    found = CliRunner().invoke(app, ["import", *map(str, paths), "--map", str(words), "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "2 runs of A.csv and 1 more file" in found.output
    assert series_of(read_runs(out)) == series_of(runs)


def test_all_faults_of_several_files_are_reported_at_once(csv, tmp_path):
    paths = [csv("Day,Glc", "0,30", "1,many", name="A.csv"), csv("Day,Glc", "0,40", "-2,31", name="B.csv")]
    said = sentences_of(paths, {"time": DAY, "measured": GLC})
    assert [sentence.split(",")[0] for sentence in said] == ["A.csv", "B.csv"]
    for name in ("e1", "e2"):
        (tmp_path / name).mkdir()
    paths = [csv("Day,Glc", "0,many", name=f"{name}/data.csv") for name in ("e1", "e2")]
    assert [sentence.split(",")[0] for sentence in sentences_of(paths, {"time": DAY, "measured": GLC})] == [
        "e1/data.csv",
        "e2/data.csv",
    ]
    assert "no file; at least one is needed" in sentences_of([], {"time": DAY, "measured": GLC})[0]
    paths = [csv("Day,Glc", "0,30", name="A.csv"), csv("Day,glc", "0,40", name="B.csv")]
    [said] = sentences_of(paths, {"time": DAY, "measured": GLC})
    assert said.startswith("mapping, [measured] GLC, for B.csv: found no heading 'Glc'")
    same = [csv("Run,Day,Glc", "1,0,30", name=name) for name in ("A.csv", "B.csv")]
    [said] = sentences_of(same, {"run": "Run", "time": DAY, "measured": GLC})
    assert said.startswith("B.csv: found a run '1'; a run of A.csv has this name; rename one")
