"""The option --units: one setting for what commands print and write."""

import pandas as pd
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cli import app
from graycell.cli.frames import print_frame
from graycell.errors import InputError

SHEET = (
    "Day,VCD (10^6 cells/mL),Viability (%),Titer (mg/L),Glucose (g/L),Lactate (mM)\n"
    "0,0.4,98,0,7.2,1\n2,2.0,98,150,5,9\n4,6.0,97,500,3,12\n6,9.0,95,1200,2,8\n"
)
MAPPING = """\
time = { column = "Day", unit = "d" }
[measured]
VCD = "VCD (10^6 cells/mL)"
viability = { column = "Viability (%)" }
ANTI = { column = "Titer (mg/L)", molar_mass = 148000.0 }
GLC = "Glucose (g/L)"
LAC = "Lactate (mM)"
"""


@pytest.fixture
def imported(tmp_path):
    """Files of a laboratory, and the runs that they became."""
    (tmp_path / "sheet.csv").write_text(SHEET)
    (tmp_path / "map.toml").write_text(MAPPING)
    command = ["import", str(tmp_path / "sheet.csv"), "--map", str(tmp_path / "map.toml")]
    return command, tmp_path


def called(*arguments, **environment):
    result = CliRunner().invoke(app, [str(one) for one in arguments], env=environment)
    return result, " ".join(result.output.split())


def test_a_titer_in_mg_comes_out_in_grams_and_its_rate_in_picograms(imported):
    command, folder = imported
    result, printed = called(*command, "--out", folder / "runs")
    assert result.exit_code == 0, printed
    assert "│ ANTI │ 0 │ 6 │ 0 │ 0 │ 0 │ 1.2 │ 1.2 │ g │" in printed  # 1200 mg/L in 1 L
    assert "ANTI [mmol/L]" in (folder / "runs" / "measurements.csv").read_text()  # files of runs are for programs
    result, printed = called("rates", folder / "runs", "--out", folder / "rates")
    assert result.exit_code == 0, printed
    frame = pd.read_csv(folder / "rates" / "rates-of-the-phase.csv").set_index("quantity")
    [run] = gc.read_runs(folder / "runs")
    [rate] = [one for one in gc.specific_rates(run).of_phase() if one.quantity == "ANTI"]
    assert frame.loc["ANTI", "unit"] == "pg/cell/d"
    assert frame.loc["ANTI", "rate"] == pytest.approx(rate.value * 148000.0, rel=1e-12)  # mmol/1e9 is pmol; times g/mol
    assert frame.loc["LAC", "unit"] == "pmol/cell/d"
    assert "pg/cell/d" in printed


@pytest.mark.parametrize(("setting", "unit", "heads"), [
    ("internal", "mmol/(1e9 cells)/d", "from [d]"), ("ANTI=mmol/L", "pmol/cell/d", "from [d]"),
    ("mass-rate=ng/cell/h, time=h", "ng/cell/h", "from [h]"),
])  # fmt: skip
def test_one_setting_is_an_option_or_a_variable_of_the_environment(imported, setting, unit, heads):
    command, folder = imported
    called(*command, "--out", folder / "runs")
    tables = []
    for arguments, environment in ((["--units", setting], {}), ([], {"GRAYCELL_UNITS": setting})):
        out = folder / f"rates-{len(arguments)}"
        result, printed = called("rates", folder / "runs", "--out", out, *arguments, **environment)
        assert result.exit_code == 0, printed
        assert heads in printed
        tables.append((out / "rates-of-the-phase.csv").read_text())
        assert pd.read_csv(out / "rates-of-the-phase.csv").set_index("quantity").loc["ANTI", "unit"] == unit
    assert tables[0] == tables[1]


def test_units_that_do_not_fit_are_told_before_anything_is_written(imported):
    command, folder = imported
    for setting, said in (("ANTI=h, LAC=d", ("units, ANTI", "units, LAC")), ("time=L", ("units, time",))):
        result, _ = called(*command, "--out", folder / "runs", "--units", setting)
        assert isinstance(result.exception, InputError)
        assert all(words in str(result.exception) for words in said)
        assert not (folder / "runs").exists()


def test_a_name_that_nothing_has_is_a_remark(imported):
    command, folder = imported
    result, printed = called(*command, "--out", folder / "runs", "--units", "ANIT=mg/L")
    assert result.exit_code == 0
    assert "remark: --units: nothing here is called 'ANIT'; did you mean 'ANTI'" in printed
    assert "mass-concentration" in printed  # as the pages write it
    assert "mass_concentration" not in printed


@pytest.mark.parametrize("command", ["import", "rates", "simulate", "report", "demo", "fit", "cross-validate",
                                     "diagnose", "check-gradients"])  # fmt: skip
def test_every_command_that_shows_numbers_of_a_culture_has_the_option(command):
    result, printed = called(command, "--help")
    assert result.exit_code == 0
    for words in ("--units", "GRAYCELL_UNITS", "internal", "ANTI=mg/L"):
        assert words in printed


def test_whole_numbers_such_as_counts_are_printed_in_full(capsys):
    print_frame(pd.DataFrame({"cells": [11361.0, float("nan"), 7061.0, 12.5, 123456.7, 3e9]}), "counted")
    cells = [line.strip("│ ") for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert cells == ["11361", "", "7061", "12.5", "1.235e+05", "3e+09"]
