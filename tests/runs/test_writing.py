import csv
import importlib.util
from dataclasses import replace

import numpy as np
import openpyxl
import pytest
from small_models import fed_batch

from graycell.errors import InputError
from graycell.runs import (
    End,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    bundled_run,
    read_runs,
    runs_from_tables,
)
from graycell.runs.format.assay import assay_error
from graycell.runs.format.tables import parse_number
from graycell.runs.format.writing import tables_of, write_runs
from graycell.runs.records import Bolus, Provenance


def same_numbers(run, back):
    """Whether everything of a run came back but its provenance and its media."""
    for series, other in ((run.measurements, back.measurements), (run.signals, back.signals)):
        assert set(series) == set(other)
        for name, one in series.items():
            assert np.array_equal(one.time, other[name].time)
            assert np.array_equal(one.value, other[name].value)
            assert one.unit == other[name].unit
    for name, one in run.measurements.items():
        assert np.allclose(one.standard_error, back.measurements[name].standard_error, rtol=1e-12, atol=0.0)
    assert back.initial == run.initial
    assert (back.initial_volume, back.initial_temperature, back.end) == (
        run.initial_volume, run.initial_temperature, run.end,
    )  # fmt: skip
    return True


def with_errors(run, relative, absolute):
    """The run with standard errors of one law for each quantity."""
    return replace(
        run,
        measurements={
            name: replace(series, standard_error=np.hypot(relative * series.value, absolute))
            for name, series in run.measurements.items()
        },
    )


def test_the_bundled_run_comes_back_to_the_last_digit(run, tmp_path):
    [back] = read_runs(write_runs([run], tmp_path / "out"))
    assert same_numbers(run, back)
    assert (back.name, back.events, back.media) == (run.name, run.events, run.media)
    assert all(
        np.array_equal(one.standard_error, back.measurements[name].standard_error)
        for name, one in run.measurements.items()
    )
    assert (back.provenance.citation, back.provenance.notes) == (run.provenance.citation, run.provenance.notes)


def test_detection_limits_come_back(run, tmp_path):
    series = run.measurements["GLN"]
    below = np.arange(len(series.time)) >= 6
    limited = replace(run, measurements={**run.measurements, "GLN": replace(series, below=below)})
    folder = write_runs([limited], tmp_path / "out")
    assert f",<{float(series.value[6])!r}," in (folder / "measurements.csv").read_text(encoding="utf-8")
    [back] = read_runs(folder)
    assert np.array_equal(back.measurements["GLN"].below, below)
    assert back.measurements["GLC"].below is None
    assert same_numbers(limited, back)


def test_every_kind_of_event_comes_back_in_its_order(run, tmp_path):
    events = (
        Sample(1.0, 0.01), Bolus(1.0, "feed", 1 / 3), Feed(1.5, "feed", 0.02), Outflow(2.0, 0.01),
        Outflow(2.0, 0.03, retains_cells=True), Setpoint(3.3, 31.7), Setpoint(3.5, 40.0, "DO"),
        Replacement(4.0, "feed", 0.03), End(9.5),
    )  # fmt: skip
    [back] = read_runs(write_runs([replace(run, events=events, end=9.5)], tmp_path / "out"))
    assert back.events == events


def test_several_runs_come_back_with_their_own_lengths_and_errors(run, tmp_path):
    longer = replace(run, name="longer", end=12.0, initial={**run.initial, "GLC": 0.1 + 0.2})
    fewer = replace(run, name="fewer", measurements={"GLC": run.measurements["GLC"]}, signals={})
    runs = [with_errors(run, 0.05, 0.3) for run in (run, longer, fewer)]
    back = read_runs(write_runs(runs, tmp_path / "out"))
    assert [run.name for run in back] == [run.name for run in runs]
    assert all(same_numbers(one, other) for one, other in zip(runs, back, strict=True))
    assert back[1].end == 12.0


def test_a_run_without_measurements_comes_back(run, tmp_path):
    [back] = read_runs(write_runs([replace(run, measurements={})], tmp_path / "out"))
    assert back.measurements == {}
    assert back.events == run.events


def test_media_of_one_name_and_two_compositions_stay_two(run, tmp_path):
    richer = replace(run, name="richer", media={"feed": {**run.media["feed"], "GLC": 600.0}})
    back = read_runs(write_runs([run, richer, replace(richer, name="again")], tmp_path / "out"))
    fed = [{event.medium for event in run.events if isinstance(event, Bolus)} for run in back]
    assert fed == [{"feed"}, {"feed (richer)"}, {"feed (richer)"}]
    assert back[0].media["feed"] == run.media["feed"]
    assert back[1].media["feed (richer)"] == richer.media["feed"]


def test_the_law_of_an_assay_is_found_again(run):
    series = list(with_errors(run, 0.07, 0.25).measurements.values())[:1]
    assert assay_error(series) == (0.07, 0.25)
    default = np.hypot(0.05 * series[0].value, 0.02 * np.max(series[0].value))
    assert assay_error([replace(series[0], standard_error=default)]) is None


def test_errors_without_a_law_become_the_nearest_one():
    value = np.linspace(0.0, 50.0, 200)
    noisy = value * (1.0 + 0.05 * np.random.default_rng(0).standard_normal(200))
    series = Measurement("GLC", "mmol/L", np.arange(200.0), noisy, np.hypot(0.05 * value, 1.0))
    relative, absolute = assay_error([series]) or (0.0, 0.0)
    assert relative == pytest.approx(0.05, rel=0.02)
    assert absolute == pytest.approx(1.0, rel=0.02)


def test_what_graycell_wrote_is_replaced_and_nothing_else(run, tmp_path):
    folder = write_runs([run], tmp_path / "out")
    write_runs([replace(run, name="anew")], folder)
    assert read_runs(folder)[0].name == "anew"
    table = folder / "events.csv"
    table.write_text(table.read_text() + "10.0,end,,,\n")
    before = table.read_text()
    with pytest.raises(InputError, match="nobody changed"):
        write_runs([run], folder)
    assert table.read_text() == before
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"diary\.txt"):
        write_runs([run], tmp_path / "notes")


def test_a_folder_of_a_user_with_the_same_tables_is_not_ours(run, tmp_path):
    folder = write_runs([run], tmp_path / "out")
    (folder / ".written-by-graycell").unlink()
    with pytest.raises(InputError, match="only tables that graycell wrote"):
        write_runs([run], folder)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "two  spaces"},
        {"initial_volume": -1.0},
        {"initial": {**bundled_run().initial, "odd [name": 1.0}},
    ],
)
def test_what_would_not_come_back_is_a_sentence_and_leaves_nothing(run, tmp_path, change):
    with pytest.raises(InputError, match="found"):
        write_runs([replace(run, **change), replace(run, name="other")], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_notes_of_several_runs_are_joined_once(run, tmp_path):
    runs = [replace(run, name=name, provenance=Provenance(notes="Same.")) for name in ("a", "b")]
    assert [run.provenance.notes for run in read_runs(write_runs(runs, tmp_path / "out"))] == ["Same.", "Same."]


def written(runs, tmp_path, form):
    if form == "frames":
        return runs_from_tables(tables_of(runs))
    path = write_runs(runs, tmp_path / ("out.xlsx" if form == "xlsx" else "out"), parquet=form == "parquet")
    return read_runs(path)


@pytest.mark.parametrize("form", ["csv", "xlsx", "parquet", "frames"])
def test_every_form_gives_runs_back_with_the_error_of_every_value(run, tmp_path, form):
    """Errors without a law, detection limits, a name that looks like a formula, a medium that does."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    rng = np.random.default_rng(3)
    ragged = {name: replace(series, standard_error=series.standard_error * rng.uniform(0.5, 2.0, len(series.value)))
              for name, series in run.measurements.items()}  # fmt: skip
    ragged["GLN"] = replace(ragged["GLN"], below=np.arange(len(ragged["GLN"].time)) >= 6)
    media = {**run.media, '=HYPERLINK("a","b")': {"GLC": 1.0}}
    one = replace(run, name="=cmd|' /C calc'!A0", measurements=ragged, media=media)
    other = replace(run, name="'+7")
    for before, back in zip([one, other], written([one, other], tmp_path, form), strict=True):
        assert same_numbers(before, back)
        assert back.name == before.name
        assert back.events[: len(before.events)] == before.events
        assert set(before.media) <= set(back.media)
        for name, series in before.measurements.items():
            assert np.array_equal(series.standard_error, back.measurements[name].standard_error)


@pytest.mark.parametrize("form", ["csv", "xlsx", "frames"])
def test_what_any_model_measures_comes_back_with_its_unit(tmp_path, form):
    time = np.array([0.0, 1.0, 2.0])
    units = {"VCD": "1e9 cells/L", "DCD": "1e9 cells/L", "GLC": "mmol/L", "mAb": "g/L", "viability": "1", "pH": "1"}
    values = {"VCD": 1.0, "DCD": 0.1, "GLC": 30.0, "mAb": 0.2, "viability": 0.9, "pH": 7.1}
    measured = {name: Measurement(name, unit, time, values[name] + 0.01 * time, 0.1 + 0.2 * time)
                for name, unit in units.items()}  # fmt: skip
    before = fed_batch(measurements=measured, initial={**fed_batch().initial, "pH": -0.5},
                       events=(Setpoint(1.0, 6.8, "pH"), *fed_batch().events))  # fmt: skip
    [back] = written([before], tmp_path, form)
    assert same_numbers(before, back)
    assert back.events[:-1] == before.events  # and an end
    assert back.units == {"VCD": "1e9 cells/L", "DCD": "1e9 cells/L", "GLC": "mmol/L", "LAC": "mmol/L", "mAb": "g/L"}
    [again] = written([back], tmp_path / "again", form)
    assert same_numbers(back, again)
    assert again.units == back.units


def test_no_cell_of_an_export_is_a_formula(run, tmp_path):
    hostile = [replace(run, name=name) for name in ("=1+1", "@SUM(A1)", "+1-1", "-2+3")]
    folder, book = write_runs(hostile, tmp_path / "out"), write_runs(hostile, tmp_path / "out.xlsx")
    for path in folder.glob("*.csv"):
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
            assert all(not cell.startswith(("=", "+", "-", "@")) or parse_number(cell) is not None for cell in row)
    for sheet in openpyxl.load_workbook(book):
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


def test_a_workbook_that_someone_changed_is_not_replaced(run, tmp_path):
    path = write_runs([run], tmp_path / "run.xlsx")
    assert write_runs([replace(run, name="again")], path) == path
    book = openpyxl.load_workbook(path)
    book["initial"]["A2"] = 2.0
    book.save(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="a workbook of someone"):
        write_runs([run], path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.xlsx"]


def test_parquet_without_pyarrow_is_a_sentence(run, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"install graycell\[parquet\]"):
        write_runs([run], tmp_path / "out", parquet=True)
    assert list(tmp_path.iterdir()) == []
