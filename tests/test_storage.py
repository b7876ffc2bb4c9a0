"""Places that cannot be written to: found before the work, named, and left as they were."""

import contextlib
import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.balances.specific_rates import specific_rates
from graycell.cli import app
from graycell.errors import FitError, OutputError
from graycell.inference import Fit, FitSettings, fit, require_no_other_fit, save_fit
from graycell.provenance import provenance_of
from graycell.reporting import comparison_report, write_table
from graycell.reporting.rates.page import rates_report
from graycell.runs import bundled_run
from graycell.runs.format.template import write_template
from graycell.runs.format.writing import require_place_for_runs, write_runs
from graycell.storage import discard_stages, require_place, write_whole, written_together
from helpers import comparisons
from helpers.small_models import fed_batch, monod


@pytest.fixture(params=["file", "proc", "file above", "long name", "zero byte", "full disk", "read-only disk"])
def no_place(request, tmp_path):
    """A folder that cannot be written to, of several kinds."""
    if request.param == "file":
        (tmp_path / "there").write_text("mine")
        yield tmp_path / "there"
    elif request.param == "proc":
        yield type(tmp_path)("/proc/graycell")
    elif request.param == "file above":
        (tmp_path / "there").write_text("mine")
        yield tmp_path / "there" / "a" / "b"
    elif request.param == "long name":
        yield tmp_path / ("x" * 300)
    elif request.param == "zero byte":
        yield tmp_path / "a\0b"
    else:
        disk = tmp_path / "disk"
        disk.mkdir()
        how = "size=128k" if request.param == "full disk" else "size=4m"
        mount = ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no small disk can be mounted here")
        try:
            if request.param == "read-only disk":
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            yield disk / "out"
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_a_place_without_room_is_found_before_the_work(no_place):
    with pytest.raises(OutputError, match="a place with room that can be written to is needed") as raised:
        require_place(no_place)
    assert str(raised.value).startswith(str(no_place))
    assert not os.path.isdir(no_place)


def test_a_fit_finds_it_before_it_compiles(no_place):
    glucose = gc.Measurement("GLC", "mmol/L", np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(OutputError, match="is needed"):
        fit(monod(), [fed_batch(measurements={"GLC": glucose})], folder=no_place)


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "--out"],
        ["diagnose", "--out"],
        ["check-gradients", "--out"],
        ["rates", "--out"],
        ["generate", "--out"],
        ["demo", "--out"],
        ["simulate", "--out"],
    ],
)
def test_commands_name_the_place_and_end_at_once(command, tmp_path):
    (tmp_path / "there").write_text("mine")
    place = tmp_path / "there" / "out"
    result = CliRunner().invoke(app, [*command, str(place / "t.csv" if command[0] == "simulate" else place)])
    assert result.exit_code != 0
    assert isinstance(result.exception, OutputError)
    assert str(tmp_path / "there") in str(result.exception)
    assert (tmp_path / "there").read_text() == "mine"


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"x [1]": np.arange(rows, dtype=float)})


def test_files_appear_together_or_not_at_all(tmp_path):
    write_table(frame(1), tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_text()
    with contextlib.suppress(ValueError), written_together(tmp_path) as stage:
        write_table(frame(5), stage / "a.csv")
        write_table(frame(5), stage / "b.csv")
        raise ValueError("in the middle")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == before
    with written_together(tmp_path) as stage:
        write_table(frame(5), stage / "a.csv")
        write_whole(stage / "b.json", "{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.json"]
    assert (tmp_path / "a.csv").read_text() != before


def test_a_folder_in_the_place_of_a_table_leaves_all_as_it_was(tmp_path):
    (tmp_path / "b.csv").mkdir()

    def write() -> None:
        with written_together(tmp_path) as stage:
            for name in ("a.csv", "b.csv", "c.csv"):
                write_table(frame(1), stage / name)

    with pytest.raises(OutputError, match="a folder in the place of a file"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["b.csv"]


def test_a_stop_leaves_no_stage(tmp_path):
    with contextlib.suppress(KeyboardInterrupt), written_together(tmp_path) as stage:
        write_whole(stage / "a.json", "{}")
        discard_stages()  # as the end of a process does that is not waited for
        assert not stage.exists()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


KINDS = ("comparison", "rates", "runs", "workbook", "template", "table", "sheet", "fit", "text")


@pytest.mark.parametrize("what", KINDS)
def test_a_disk_that_fills_up_leaves_no_half_set(small_disk, what):
    kept = small_disk / "out" / "mine.txt"
    write_whole(kept, "mine")
    out, run, model = small_disk / "out", bundled_run(), monod()
    long = frame(100_000)
    made = Fit(model, (fed_batch(),) * 40, (), np.zeros((0, 0)), 1.0, True, FitSettings(), (),
               provenance_of(model, [fed_batch()], {}))  # fmt: skip
    many = [run.__class__(**{**run.__dict__, "name": f"run{i}"}) for i in range(40)]
    write = {
        "comparison": lambda: comparison_report(comparisons.left_out(), out),
        "rates": lambda: rates_report([specific_rates(run)], out),
        "runs": lambda: write_runs(many, out / "runs"),
        "workbook": lambda: write_runs(many, out / "runs.xlsx"),
        "template": lambda: [write_template(out / f"{i}.xlsx") for i in range(40)],
        "sheet": lambda: write_table(frame(5000), out / "table.xlsx"),
        "table": lambda: write_table(long, out / "table.csv"),
        "fit": lambda: save_fit(made, out),
        "text": lambda: write_whole(out / "text.txt", "x" * 100_000),
    }[what]
    with pytest.raises(OutputError, match=r"out.*No space left"):
        write()
    left = sorted(str(path.relative_to(out)) for path in out.rglob("*") if what != "template" or path.suffix != ".xlsx")
    assert left == ["mine.txt"]
    assert kept.read_text() == "mine"


def test_runs_of_someone_are_found_before_the_work(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, ["generate", "--out", str(tmp_path)])
    assert "only what graycell wrote is replaced" in str(result.exception)
    require_place_for_runs(tmp_path / "new")


def saved(folder, model, *runs):
    made = Fit(model, runs, (), np.zeros((0, 0)), 1.0, True, FitSettings(), (), provenance_of(model, list(runs), {}))
    save_fit(made, folder)


OTHERS = {
    "another model": (monod(name="other"), (fed_batch(),)),
    "other laws": (monod(cells="DCD"), (fed_batch(),)),
    "another run": (monod(), (fed_batch(name="b"),)),
    "other data": (monod(), (fed_batch(end=7.0),)),
    "one more run": (monod(), (fed_batch(), fed_batch(name="b"))),
    "no run": (monod(), ()),
}


@pytest.mark.parametrize(("model", "runs"), OTHERS.values(), ids=OTHERS)
def test_a_fit_does_not_replace_that_of_another_model_or_of_other_runs(tmp_path, model, runs):
    saved(tmp_path, monod(), fed_batch())
    before = (tmp_path / "fit.json").read_bytes()
    with pytest.raises(FitError, match=r"fit\.json: found the result of .*name another folder"):
        require_no_other_fit(tmp_path, runs, model)
    assert (tmp_path / "fit.json").read_bytes() == before
    require_no_other_fit(tmp_path, [fed_batch()], monod())
    require_no_other_fit(tmp_path, [fed_batch()])
    require_no_other_fit(tmp_path / "new", runs, model)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not a fit", json.dumps({"model": "monod", "provenance": None})])
def test_a_file_that_is_no_fit_is_not_replaced(tmp_path, text):
    (tmp_path / "fit.json").write_text(text)
    with pytest.raises(FitError, match="a file that is no fit"):
        require_no_other_fit(tmp_path, [fed_batch()], monod())


def test_graycell_fit_says_so_before_any_work(tmp_path):
    saved(tmp_path, monod(), fed_batch())
    result = CliRunner().invoke(app, ["fit", "--out", str(tmp_path)])
    assert "would replace it" in str(result.exception)
    assert os.listdir(tmp_path) == ["fit.json"]
