"""doctor says what graycell runs on, and whether it computes what it should."""

from importlib import metadata

from typer.testing import CliRunner

from graycell.cli import app, doctor


def said_by_doctor():
    found = CliRunner().invoke(app, ["doctor"])
    return found.exit_code, " ".join(found.output.split())


def test_versions_devices_and_the_self_test_are_said():
    code, said = said_by_doctor()
    assert code == 0, said
    assert f"jax {metadata.version('jax')}" in said
    assert "Devices: cpu" in said
    assert "Compiled programs are not kept" in said  # tests set the variable to off
    assert "is simulated as it should be (mean NRMSE 0.576)" in said


def test_a_wrong_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(doctor, "_ANSWER", 0.6)
    code, said = said_by_doctor()
    assert code == 1
    assert "do not trust results of this installation" in said


def test_a_folder_that_cannot_be_written_to_and_missing_parts_are_said(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAYCELL_CACHE", str(tmp_path / "new" / "folder"))
    assert "(not made yet), 0 MB in 0 files" in doctor._cache()[0]
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)  # root may write anywhere
    assert "another folder by the variable GRAYCELL_CACHE" in doctor._cache()[0]
    monkeypatch.setattr(doctor, "_PARTS", {"no-such-package": ("sampling", "draws")})
    assert doctor._optional()[1] == "Not installed: no-such-package (draws: pip install 'graycell[sampling]')."
