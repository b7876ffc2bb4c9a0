import json
import os
import re
import shutil
import signal
import threading
from dataclasses import replace
from importlib import resources

import comparisons
import pandas as pd
import pytest
import typer
from learned_fits import by_hand
from small_models import fed_batch, pool, pool_batch

import graycell as gc
from graycell import cli, reporting
from graycell.cli import checking, comparing, fitting, given_models, stopping
from graycell.cli.exit_codes import FAULTS, INTERRUPTED, UNFINISHED
from graycell.diagnosis import DerivativeCheck, GradientCheck, Verdict
from graycell.inference import FitSettings, Stage, checkpoint, save_fit
from graycell.models import MODELS
from graycell.provenance import provenance_of

BUNDLED = resources.files("graycell.runs") / "bundled" / "nolan-lee-2011-cell-line-a"


@pytest.fixture
def graycell(monkeypatch, capsys):
    """Run the command line as a shell would; return (exit code, what was printed)."""

    def call(*arguments):
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr("sys.argv", ["graycell", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return end.value.code or 0, printed.out + printed.err

    return call


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(str(BUNDLED), tmp_path / "run07")
    return tmp_path / "run07"


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_bundled_run_has_no_fault(graycell, folder):
    code, printed = graycell("check", folder, "--model", "nolan-lee")
    assert code == 0
    assert "0 errors, 0 remarks" in printed


def test_ten_planted_faults_give_ten_sentences(graycell, folder):
    change(folder / "measurements.csv", "69.31", "-69.31")  # 1 negative
    change(folder / "measurements.csv", "59.81", "fifty")  # 2 not a number
    change(folder / "measurements.csv", "NH3 [mmol/L]", "NH3 [mmol/d]")  # 3 a unit that does not fit
    change(folder / "measurements.csv", "\n3.17,", "\n1.17,")  # 4 times out of order
    change(folder / "measurements.csv", "12.14", "nan")  # 5 not finite
    change(folder / "events.csv", "3,temperature,,,31", "3,temperature,,,310")  # 6 kelvin
    change(folder / "events.csv", "4,bolus,feed", "4,bolus,feeed")  # 7 an unknown medium
    change(folder / "events.csv", "5,bolus,feed", "5,bolos,feed")  # 8 an unknown event
    change(folder / "events.csv", "6,bolus,feed,0.0338870932432", "6,bolus,feed,")  # 9 no volume
    change(folder / "initial.csv", "\n1,", "\n0,")  # 10 no volume to begin with
    code, printed = graycell("check", folder)
    assert code == FAULTS
    sentences = [line for line in printed.splitlines() if ": found " in line]
    assert len(sentences) >= 10
    for word in ("-69.31", "fifty", "mmol/d", "1.17", "nan", "310", "did you mean 'feed'", "did you mean 'bolus'"):
        assert any(word in sentence for sentence in sentences), word
    assert all(sentence.endswith(".") for sentence in sentences)
    assert any("measurements.csv, row 2, column 'GLC [mmol/L]'" in sentence for sentence in sentences)


def test_a_file_that_is_not_there_is_a_sentence(graycell, tmp_path):
    code, printed = graycell("check", tmp_path / "nothing.csv")
    assert code == FAULTS
    assert "nothing.csv" in printed
    code, printed = graycell("simulate", tmp_path / "nothing.csv")
    assert code == FAULTS
    assert "Traceback" not in printed


def test_simulate_prints_the_comparison_and_writes_the_trajectory(graycell, tmp_path):
    code, printed = graycell("simulate", "--out", tmp_path / "trajectory.csv")
    assert code == 0
    assert "mean NRMSE without VCD and R" in printed
    assert "1 - adjusted R2" in printed
    frame = pd.read_csv(tmp_path / "trajectory.csv")
    assert "GLC [mmol/L]" in frame.columns
    assert frame["time [d]"].iloc[-1] == 10.0


def test_the_published_scheme_is_printed_with_its_known_numbers(graycell):
    code, printed = graycell("simulate", "--closure", "lagged", "--step", "0.05", "--parameters", "refit")
    assert code == 0
    for known in ("13.433", "56.596", "30.340", "8.957", "0.0314"):
        assert known in printed
    code, same = graycell("simulate", "--redox", "lagged", "--step", "0.05", "--parameters", "refit")
    assert code == 0
    assert "--redox is now called --closure" in same
    assert "13.433" in same


def test_a_name_from_a_file_is_not_markup(graycell, folder):
    change(folder / "about.csv", "name,nolan-lee-2011-cell-line-a", "name,clone [/b] [red]a/3")
    code, printed = graycell("simulate", folder, "--out", folder.parent / "trajectory.csv")
    assert code == 0
    assert "clone [/b] [red]a/3" in printed


def test_a_misspelt_species_of_a_medium_is_not_lost(graycell, folder):
    change(folder / "media.csv", "GLC [mmol/L]", "GLCC [mmol/L]")
    for command in (("check", folder, "--model", "nolan-lee"), ("simulate", folder)):
        code, printed = graycell(*command)
        assert code == FAULTS
        assert "did you mean 'GLC'" in printed


def test_a_place_that_cannot_be_written_is_a_sentence(graycell, tmp_path):
    (tmp_path / "file").write_text("")
    code, printed = graycell("simulate", "--out", tmp_path / "file" / "x.csv")
    assert code == FAULTS
    assert "Traceback" not in printed


def test_a_file_of_unknown_ending_is_a_sentence_before_anything_is_simulated(graycell, tmp_path):
    code, printed = graycell("simulate", "--out", tmp_path / "trajectory")
    assert code == FAULTS
    assert "known endings are .csv, .parquet, .xlsx" in printed
    assert "NRMSE" not in printed


def test_an_unknown_model_is_a_sentence_with_the_nearest(graycell):
    code, printed = graycell("simulate", "--model", "nolan-leee")
    assert code == FAULTS
    assert "did you mean 'nolan-lee'" in printed


def test_a_command_written_wrongly_ends_with_two(graycell):
    assert graycell("simulate", "--closure", "sometimes")[0] == 2
    assert graycell("simulate", "--redox", "sometimes")[0] == 2
    assert graycell("nonsense")[0] == 2


COMMANDS = sorted(typer.main.get_command(cli.app).commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_teaches(graycell, command):
    code, printed = graycell(command, "--help")
    assert code == 0
    assert re.search(rf"Usage: .* {command} ", printed)
    assert "Example" in printed
    assert f"graycell {command} " in printed.split("Example", 1)[1]


def test_the_help_lists_every_command_and_no_old_name(graycell):
    code, printed = graycell("--help")
    assert code == 0
    assert "Usage" in printed
    assert len(COMMANDS) == 28
    for command in COMMANDS:
        assert re.search(rf"^\W*{command}  ", printed, flags=re.MULTILINE), command
    for old in cli.RENAMED_COMMANDS:
        assert f"graycell {old}" not in printed
        assert not re.search(rf"^\W*{old}  ", printed, flags=re.MULTILINE)


@pytest.mark.parametrize(("old", "new"), cli.RENAMED_COMMANDS.items())
def test_an_old_name_of_a_command_works_and_gives_the_new_one_on_stderr(old, new, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["graycell", old, "--help"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    assert not end.value.code
    assert re.search(rf"Usage: .* {new} ", printed.out)
    assert "now called" not in printed.out
    sentence = f"'graycell {old}' is now called 'graycell {new}'; the old name still works in this version."
    assert " ".join(printed.err.split()) == sentence


def test_an_old_word_of_a_study_is_a_remark(graycell, folder, monkeypatch):
    text = 'runs = ["run07"]\n[models.white]\nbase = "nolan-lee"\nown = { vmax17 = 0.2 }\n'
    (folder.parent / "study.toml").write_text(text + '[compare]\nsplits = "forward"\nday = 6\n')

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", stop)
    monkeypatch.setattr(comparing, "cross_validate", stop)
    for command in ("fit", "cross-validate"):
        code, printed = graycell(command, folder.parent / "study.toml", "--out", folder.parent / "out")
        assert code == INTERRUPTED
        assert "remark: " in printed
        assert "rename it to 'per_run'" in printed


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Put a model with a loop into the library, under the name small; return the folder of a run of it."""
    model = pool(gc.Dynamic("ts"), name="small")
    monkeypatch.setitem(MODELS, "small", lambda **_: model)
    gc.write_runs([pool_batch(model, 1.3)], tmp_path / "batch")
    return tmp_path / "batch"


def test_fit_then_simulate_then_report(graycell, small, tmp_path, monkeypatch):
    quick = FitSettings(starts=1, stages=(Stage("loop open", 2, opened=1.0), Stage("loop closed", 2)))
    monkeypatch.setattr(fitting, "FitSettings", lambda **_: quick)
    out = tmp_path / "fit"
    code, printed = graycell("fit", small, "--model", "small", "--out", out)
    assert code == UNFINISHED  # two iterations do not converge, and the command says so
    assert "read the result with care" in printed
    assert (out / "fit.json").exists()
    code, printed = graycell("simulate", small, "--parameters", out)
    assert code == 0
    assert "1e6 cells/mL" in printed
    code, printed = graycell("simulate", small, "--model", "small")
    assert code == 0
    assert "adjusted R2" not in printed  # of the published comparison, with its number of parameters
    table = tmp_path / "in-hours.csv"
    code, printed = graycell("simulate", small, "--parameters", out, "--out", table, "--units", "internal, time=h")
    assert code == 0
    assert "1e9 cells/L" in printed
    head = table.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"time [h]", "volume [L]", "VCD [1e9 cells/L]", "GLC [mmol/L]"} <= set(head)
    code, printed = graycell("report", out)
    assert code == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "small" in page
    given = []
    monkeypatch.setattr(reporting, "report", lambda fits, folder, truth, units: given.append(truth) or folder)
    for truth in ("nolan-lee-extended", out):
        assert graycell("report", out, "--truth", truth)[0] == 0
    assert [one.name for one in given] == ["nolan-lee-extended", "small"]
    code, printed = graycell("report", out, "--truth", "nolan-le")
    assert code == FAULTS
    assert "did you mean 'nolan-lee'" in printed
    code, printed = graycell("report", tmp_path / "nowhere")
    assert code == FAULTS
    assert "found no fit" in printed


def test_the_error_of_initial_concentrations_is_an_option(graycell, small, tmp_path, monkeypatch):
    quick = FitSettings(starts=1, stages=(Stage("loop closed", 2),))
    monkeypatch.setattr(fitting, "FitSettings", lambda **_: quick)
    for given, sentence in {
        "GLK=0.1": "--initial-error: found 'GLK'; it is not a species of the model; did you mean 'GLC'",
        "VCD=7": "--initial-error.VCD: found 7.0; a standard deviation of the logarithm from 0.0001 to 1 is needed",
        "VCD=0.1,GLC": "--initial-error.GLC: found ''; a standard deviation",
        "VCD:0.1": "--initial-error: found 'VCD:0.1'; a standard deviation",
    }.items():
        code, printed = graycell("fit", small, "--model", "small", "--out", tmp_path / "no", "--initial-error", given)
        assert code == FAULTS
        assert sentence in " ".join(printed.split()), given
    out = tmp_path / "fit"
    code, printed = graycell("fit", small, "--model", "small", "--out", out, "--initial-error", "VCD=0.1, GLC=0.05")
    assert code == UNFINISHED  # two iterations do not converge
    assert "Initial concentrations were estimated, against the given ones: " in printed
    fitted = gc.load_fit(out)
    assert fitted.initial_states.error == gc.InitialError({"VCD": 0.1, "GLC": 0.05})
    assert set(fitted.initial["batch"]) == {"VCD", "GLC"}
    table = tmp_path / "path.csv"
    code, printed = graycell("simulate", small, "--parameters", out, "--out", table, "--units", "internal")
    assert code == 0
    first = pd.read_csv(table).iloc[0]
    assert first["GLC [mmol/L]"] == pytest.approx(fitted.initial["batch"]["GLC"], rel=1e-9)
    assert first["GLC [mmol/L]"] != 20.0


def test_a_fit_that_is_stopped_keeps_its_state(graycell, small, tmp_path, monkeypatch):
    """Ctrl-C, here sent by the first iteration to its own process: exit code 130, and the checkpoint is there."""
    quick = FitSettings(starts=1, stages=(Stage("loop closed", 3),))
    monkeypatch.setattr(fitting, "FitSettings", lambda **_: quick)
    save = checkpoint.save

    def save_and_interrupt(*arguments):
        save(*arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(checkpoint, "save", save_and_interrupt)
    monkeypatch.setattr(stopping, "_asked", threading.Event())  # that of this process ends it without clean-up
    code, printed = graycell("fit", small, "--model", "small", "--out", tmp_path)
    assert code == INTERRUPTED
    assert "give the same command again" in printed
    assert (tmp_path / checkpoint.FILE).exists()
    assert not (tmp_path / "fit.json").exists()


def test_the_fit_of_an_own_model_keeps_its_turnover_time(tmp_path):
    run = fed_batch(initial={"VCD": 0.5, "GLC": 60.0}, events=())
    model = pool(gc.Dynamic("ts"))
    save_fit(replace(by_hand(model, run=run), provenance=provenance_of(model, [run], {})), tmp_path)
    for asked, closure in ((gc.Dynamic(), gc.Dynamic("ts")), (gc.Algebraic(), gc.Algebraic("ts"))):
        assert given_models.model_with_parameters(None, str(tmp_path), asked).closure == closure


def test_the_fit_of_another_model_is_a_fault(graycell, small, tmp_path, monkeypatch):
    quick = FitSettings(starts=1, stages=(Stage("loop closed", 1),))
    monkeypatch.setattr(fitting, "FitSettings", lambda **_: quick)
    graycell("fit", small, "--model", "small", "--out", tmp_path)
    code, printed = graycell("simulate", small, "--model", "nolan-lee-extended", "--parameters", tmp_path)
    assert code == FAULTS
    assert "leave --model out" in printed


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.agrees, 0), (Verdict.kink, 0), (Verdict.disagrees, FAULTS)])
def test_a_gradient_check_prints_its_table_and_fails_with_a_derivative(graycell, tmp_path, monkeypatch, verdict, code):
    """The check itself is tested in tests/diagnosis; here is what the command makes of it."""
    asked = []

    def made(model, runs, parameters, progress):
        asked.append((model.name, [run.name for run in runs], parameters))
        progress(1.0, "done")
        checks = (
            DerivativeCheck("Km1", Verdict.agrees, 2e-8, 23.8, "a", "GLC", 4.23, 1e-4),
            DerivativeCheck("vmax1f", verdict, 3e-7, 97.3, "a", "LAC", 8.17, 1e-3),
        )
        return GradientCheck(("a",), checks, 1e-5, {"versions": {"jax": "1"}})

    monkeypatch.setattr(checking, "check_gradients", made)
    ended, printed = graycell("check-gradients", "--model", "nolan-lee", "--parameter", "Km1", "--out", tmp_path)
    assert ended == code
    assert asked == [("nolan-lee", ["nolan-lee-2011-cell-line-a"], ["Km1"])]
    assert printed.index("vmax1f") < printed.index("Km1")
    assert "2 derivatives against central differences" in printed
    sentence = f"{verdict.value}: vmax1f. {verdict.remedy}"
    assert (sentence in " ".join(printed.split())) is (verdict is not Verdict.agrees)
    frame = pd.read_csv(tmp_path / "gradients.csv")
    assert frame["verdict"].tolist() == [verdict.value, "agrees"]
    data = json.loads((tmp_path / "gradients.json").read_text())
    assert data["passed"] is (code == 0)
    assert data["provenance"]["versions"] == {"jax": "1"}


def test_a_gradient_check_of_an_unknown_parameter_is_a_sentence(graycell, tmp_path):
    code, printed = graycell("check-gradients", "--parameter", "vmax1", "--out", tmp_path)
    assert code == FAULTS
    assert "did you mean 'vmax1" in printed


def test_a_model_that_the_runs_do_not_allow_stops_no_other_of_the_study(graycell, tmp_path):
    """Two models that need glutamine, which nobody measured: each says so once, for all runs."""
    rows = "\n".join(f"{run},{day},{1 + day},{30 - day},{day},{0.1 * day}" for run in "abc" for day in range(5))
    (tmp_path / "runs").mkdir()
    head = "run,time [d],VCD [1e9 cells/L],GLC [mmol/L],LAC [mmol/L],NH3 [mmol/L]\n"
    (tmp_path / "runs" / "measurements.csv").write_text(head + rows + "\n")
    models = "\n".join(f'[models.{name}]\nbase = "{name}-{year}"' for name, year in (("xing", 2010), ("craven", 2013)))
    (tmp_path / "study.toml").write_text(f'runs = ["runs"]\n{models}\n')
    code, printed = graycell("fit", tmp_path / "study.toml", "--out", tmp_path / "out")
    assert code == UNFINISHED
    for name in ("xing", "craven"):
        assert f"{name} cannot be fitted to these runs:" in printed
    assert printed.count("GLN needs a concentration at time 0") == 2


def test_a_comparison_prints_how_often_the_bands_of_every_candidate_held(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    comparing._print_comparison(comparisons.left_out())
    printed = " ".join(capsys.readouterr().out.split())
    assert "Bands of 90 % from how a candidate missed the other runs held this part of the samples: good " in printed
    assert "=breaks has no bands of GLC, <i>LAC</i>, because it predicted them in fewer than 3 runs." in printed
    assert "interval score" in printed
    assert "CRPS" in printed
