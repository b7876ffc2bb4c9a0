"""Files as people have them, by a mapping; and the open data sets, where they are at hand."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from typer.testing import CliRunner

from graycell.balances.counts import a_culture_that_grows_is_alive, counts_agree, viability_does_not_jump
from graycell.balances.eaten_and_made import what_is_made_is_in_proportion_to_what_is_eaten
from graycell.balances.mass_balances import balances_of
from graycell.balances.outliers import boluses_are_alike, values_follow_their_neighbours
from graycell.balances.plausibility import implausible
from graycell.cli import app
from graycell.errors import InputError
from graycell.imports.importing import import_runs
from graycell.imports.vocabulary import unit_of_heading
from graycell.runs import Bolus, Feed, Sample, read_runs
from graycell.runs.format.writing import write_runs
from graycell.runs.records import VCD, VIABILITY
from graycell.runs.solutes import MOLAR_MASS

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the open data sets are not there")

TEXT = """Batch;Time (h);Cells (10^6 cells/mL);Glc_gL;Gln (mM);Feed (mL);Draw (mL)
A;0;0,4;7,2;4,0;;1
A;24;0,9;6,1;<0,5;20;1
A;48;1,8;5,9;;10;
B;0;0,5;7,2;4,0;;1
B;36;1,7;5,0;2,0;20;1
"""
MAPPING = {
    "run": "Batch", "time": "Time (h)", "decimal": ",", "taken": "before",
    "measured": {VCD: "Cells (10^6 cells/mL)", "GLC": "Glc_gL", "GLN": "Gln (mM)"},
    "start": {"volume": "1.5 L"}, "sample": {"volume": "Draw (mL)"},
    "feeds": {"F1": {"volume": "Feed (mL)", "media": {"GLC": "400 g/L", "GLN": "20 mmol/L"}}},
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(TEXT, encoding="cp1252")
    return path


def test_a_european_csv_of_masses_hours_and_millilitres_becomes_runs(file):
    first, second = import_runs(file, MAPPING)
    assert (first.name, second.name, first.initial_volume) == ("A", "B", 1.5)
    assert first.measurements[VCD].time.tolist() == [0.0, 1.0, 2.0]
    assert first.measurements["GLC"].value == pytest.approx(np.array([7.2, 6.1, 5.9]) * 1000.0 / MOLAR_MASS["GLC"])
    assert first.measurements["GLN"].value.tolist() == [4.0, 0.5]
    assert first.measurements["GLN"].below.tolist() == [False, True]
    assert first.events == (Sample(0.0, 0.001), Sample(1.0, 0.001), Bolus(1.0, "F1", 0.02), Bolus(2.0, "F1", 0.01))
    assert first.media["F1"]["GLC"] == pytest.approx(400e3 / MOLAR_MASS["GLC"])


def test_a_sample_that_was_taken_after_the_feed_comes_after_it(file):
    first = import_runs(file, MAPPING | {"taken": "after"})[0]
    bolus = next(event for event in first.events if isinstance(event, Bolus))
    assert 0.0 < 1.0 - bolus.time < 2e-5
    assert [type(event) for event in first.events] == [Sample, Bolus, Sample, Bolus]


def test_a_cumulative_volume_is_fed_evenly_between_its_rows(file):
    feeds = {"F1": {"cumulative": "Feed (mL)", "media": {"GLC": "400 g/L"}}}
    file.write_text(TEXT.replace("A;48;1,8;5,9;;10;", "A;48;1,8;5,9;;50;"), encoding="utf-8")
    first = import_runs(file, MAPPING | {"feeds": feeds})[0]
    fed = [(event.time, event.rate) for event in first.events if isinstance(event, Feed)]
    assert fed == [(0.0, pytest.approx(0.02)), (1.0, 0.0), (1.0, pytest.approx(0.03)), (2.0, 0.0)]


def test_all_faults_of_a_mapping_are_reported_at_once(file):
    mapping = MAPPING | {
        "runn": "Batch", "time": "Time (min)", "taken": "perhaps",
        "measured": {"GLC": "Gluc", "X": "Gln (mM)", VCD: "Batch"}, "start": {"X": "1 g/L", "volume": "1 L"},
        "feeds": {"F1": {"volume": "Feed (mL)", "media": {"GLC": "400"}}, "F2": {}},
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        import_runs(file, mapping)
    said = str(caught.value)
    for words in ("runn", "'Time (min)'", "never guessed", "'Gluc'", "molar_mass", "no unit of 'Batch'", "'400'",
                  "0 of volume, cumulative, rate, rise"):  # fmt: skip
        assert words in said, words
    assert len(caught.value.findings) == 8


def test_a_faulty_cell_is_reported_with_the_row_of_the_file(file):
    file.write_text(TEXT.replace("24;0,9;6,1", "24;0,9;6.1.2x"), encoding="utf-8")
    with pytest.raises(InputError, match=r"row 3, column 'Glc_gL'"):
        import_runs(file, MAPPING)
    file.write_text(TEXT.replace("36;1,7;5,0", "36;1,7;-5,0"), encoding="utf-8")
    with pytest.raises(InputError, match=r"runs.csv, row 6, column 'Glc_gL': found -5,0"):
        import_runs(file, MAPPING)


def test_a_workbook_with_dates_and_its_headings_below_the_top(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    for row in (["A title"], ["When", "VCD (1e6 cells/mL)", "Lac (mg/dL)"], ["2026-03-31 14:00", 0.5, 9.0],
                ["2026-04-01 02:00", 0.7, 45.0], ["2026-04-02 14:00", 1.4, "=1+1"]):  # fmt: skip
        sheet.append(row)
    book.save(tmp_path / "runs.xlsx")
    mapping = {"sheet": "Data", "header": 2, "time": {"column": "When", "unit": "date"},
               "measured": {VCD: "VCD (1e6 cells/mL)", "LAC": "Lac (mg/dL)"}}  # fmt: skip
    with pytest.raises(InputError, match=r"row 5, column 'Lac"):  # a formula without a value is not computed
        import_runs(tmp_path / "runs.xlsx", mapping)
    sheet["C5"] = 90.0
    book.save(tmp_path / "runs.xlsx")
    (run,) = import_runs(tmp_path / "runs.xlsx", mapping)
    assert run.measurements["LAC"].time.tolist() == [0.0, 0.5, 2.0]
    assert run.measurements["LAC"].value[0] == pytest.approx(90.0 / MOLAR_MASS["LAC"])


def test_a_date_is_read_as_it_is_said_to_be_written_and_never_guessed(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("When,VCD (1e6 cells/mL)\n03/04/2026 12:00,0.5\n04/04/2026 00:00,0.7\n", encoding="utf-8")
    mapping = {"time": {"column": "When", "unit": "date"}, "measured": {VCD: "VCD (1e6 cells/mL)"}}
    with pytest.raises(InputError, match=r"rows 2 and 3, column 'When'.*a date is needed"):
        import_runs(path, mapping)
    for written, days in (("%d/%m/%Y %H:%M", 0.5), ("%m/%d/%Y %H:%M", 31.0 - 0.5)):
        (run,) = import_runs(path, mapping | {"time": {"column": "When", "unit": "date", "written": written}})
        assert run.measurements[VCD].time.tolist() == [0.0, days]


@pytest.mark.parametrize(("change", "words"), [
    ({"header": 99}, "a row from 1 to"), ({"header": "2"}, "a row is needed"), ({"decimal": ";"}, "a point or a comma"),
    ({"sample": {"volum": "Draw (mL)"}}, "volum"), ({"measured": "GLC"}, "is a table"),
    ({"round_off": True}, "a number from 0"),
])  # fmt: skip
def test_a_wrong_word_is_a_sentence(file, change, words):
    with pytest.raises(InputError, match=words):
        import_runs(file, MAPPING | change)


@pytest.mark.parametrize(("heading", "unit"), [
    ("Viable Cell Concentration (10^6 cells/mL)", "10^6 cells/mL"), ("VCD [1e6 cells/mL]", "1e6 cells/mL"),
    ("Glc_gL", "g/L"), ("time_h", "h"), ("Gln (mM)", "mM"), ("Titer mg/L", "mg/L"), ("Batch", ""), ("X:Glc", ""),
])  # fmt: skip
def test_the_unit_of_a_heading(heading, unit):
    assert unit_of_heading(heading) == unit


def test_the_command_writes_runs_that_are_read(file, tmp_path):
    (tmp_path / "map.toml").write_text(
        """
run = "Batch"
time = "Time (h)"
decimal = ","
[measured]
VCD = "Cells (10^6 cells/mL)"
GLC = "Glc_gL"
""",
        encoding="utf-8",
    )
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["import", str(file), "--map", str(tmp_path / "map.toml"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert [run.name for run in read_runs(out)] == ["A", "B"]


def test_a_mapping_that_is_no_toml_or_no_file_is_a_sentence(file, tmp_path):
    (tmp_path / "map.toml").write_text("run = = 1", encoding="utf-8")
    for name in ("map.toml", "none.toml"):
        with pytest.raises(InputError, match="a mapping in TOML is needed"):
            import_runs(file, tmp_path / name)


NIST = {"run": ["Batch", "Condition", "Replicate"], "time": {"column": "Hours", "unit": "h"},
        "measured": {VCD: {"column": "Total_VCD", "unit": "1e6 cells/mL"},
                     VIABILITY: {"column": "Viability", "unit": "%"}}}  # fmt: skip
YEAST = {
    "run": "batch",
    "time": "time_h",
    "measured": {"GLC": "Glc_gL", "EtOH": {"column": "EtOH_gL", "molar_mass": 46.07}},
}
UMN, OWU = {"like": "umn-fed-batch"}, {"like": "owu"}


@needs_data
@pytest.mark.parametrize(("name", "mapping", "count"), [
    ("umn-fed-batch/runs.xlsx", UMN, 3), ("nistcho-feeding/Vicell_data_fb2.csv", NIST, 18),
    ("nistcho-feeding/Vicell_data_fb4.csv", NIST, 16), ("xdendrorhous-batch/xdendrorhous_batches.csv", YEAST, 4),
    ("insilico-fed-batch/train_owu.csv", OWU, 50), ("insilico-fed-batch/test_owu.csv", OWU, 50),
])  # fmt: skip
def test_an_open_set_is_imported_comes_back_and_has_no_error(name, mapping, count, tmp_path):
    runs = import_runs(DATA / name, mapping)
    assert len(runs) == count
    back = read_runs(write_runs(runs, tmp_path / "out"))
    for run, other in zip(runs, back, strict=True):
        assert other.events[: len(run.events)] == run.events
        for quantity, series in run.measurements.items():
            assert np.array_equal(series.value, other.measurements[quantity].value)
    assert [str(finding) for finding in implausible(runs) if finding.severity == "error"] == []
    quiet = (values_follow_their_neighbours, boluses_are_alike, counts_agree, viability_does_not_jump,
             a_culture_that_grows_is_alive)  # fmt: skip
    assert [str(finding) for run in runs for check in quiet for finding in check(run)] == []
    assert [str(finding) for finding in what_is_made_is_in_proportion_to_what_is_eaten(runs)] == []


@needs_data
def test_the_volumes_of_the_touchstone_are_those_of_its_columns():
    """74 mL less all samples, with all feeds, to 1e-6 mL; the last row of a run is sampled as well."""
    path = DATA / "umn-fed-batch" / "runs.xlsx"
    rows = list(openpyxl.load_workbook(path, data_only=True)["Measured Data"].iter_rows(min_row=3, values_only=True))
    for run in import_runs(path, UMN):
        own = [row for row in rows if row[2] is not None and f"{row[1]}-{row[2]}" == run.name]
        by_hand = (
            own[0][4] - sum(row[6] or 0.0 for row in own) + sum(value or 0.0 for row in own for value in row[14:18])
        )
        volume = run.initial_volume
        for event in run.events:
            volume += event.volume if isinstance(event, Bolus) else -event.volume
        assert 1000.0 * volume == pytest.approx(by_hand, abs=1e-6)
        assert len(own) == 13


@needs_data
def test_the_glucose_of_the_touchstone_is_balanced_as_by_hand_from_its_cells():
    """Per interval: what the cells took up is what was there after the events, less what is there before the next."""
    path = DATA / "umn-fed-batch" / "runs.xlsx"
    book = openpyxl.load_workbook(path, data_only=True)
    rows = list(book["Measured Data"].iter_rows(min_row=2, values_only=True))
    column = {heading: i for i, heading in reversed(list(enumerate(rows[0])))}
    listed = {row[0]: row for row in book["Feed Concentration"].iter_rows(values_only=True)}
    glucose_of = dict(zip(listed["Feed Name"][1:], listed["Glucose (mM)"][1:], strict=True))
    for run in import_runs(path, UMN):
        own = [row for row in rows[1:] if row[2] is not None and f"{row[1]}-{row[2]}" == run.name]
        volume, taken_up = own[0][4], []  # mL
        for row, after in pairwise(own):
            amount = row[column["Glucose (mM)"]] * (volume - row[6])  # umol
            volume -= row[6]
            for feed in ("F01", "F02", "F01-CL2", "F02-CL2"):
                added = row[column[feed]] or 0.0
                amount, volume = amount + added * (glucose_of[feed] or 0.0), volume + added
            taken_up.append(after[column["Glucose (mM)"]] * volume - amount)
        found = [1000.0 * balance.net_production for balance in balances_of(run, "GLC")]
        assert found == pytest.approx(taken_up, rel=1e-9, abs=1e-9)
        assert len(found) == 12


@needs_data
def test_the_parallel_of_the_touchstone_is_reported():
    """The data's notes call run 21 a repeat of another under a new name; it has the times and volumes of run 12, and
    values of its own (studies/open_data.py), so that is what is said."""
    (finding,) = [finding for finding in implausible(import_runs(DATA / "umn-fed-batch" / "runs.xlsx", UMN))
                  if "CL1-12' and 'CL2-21" in finding.place]  # fmt: skip
    assert "the same times and volumes" in finding.found
