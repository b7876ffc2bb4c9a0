"""Groups of runs as words of a study and of the command line: own parameters, splits, pages, and every fault."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import graycell as gc
from graycell.cli import app
from graycell.cli.given_groups import groups_from
from graycell.comparison import ModelCandidate, leave_one_group_out
from graycell.errors import FitError, InputError
from graycell.prediction.candidates import model_candidate
from graycell.reporting import own_values_frame
from graycell.study import read_study
from helpers import cultures

GROWTH = {"fast": 0.45, "slow": 0.34}
"""[1/d] Of two clones."""
GROUPS = {"f1": "fast", "f2": "fast", "f3": "fast", "s1": "slow", "s2": "slow", "s3": "slow"}
MODEL = """
format = 1
name = "exponential"
[species]
VCD = {{ unit = "1e9 cells/L" }}
GLC = {{ unit = "mmol/L" }}
[reactions]
growth = {{ equation = "=> VCD", rate = "mu" }}
uptake = {{ equation = "GLC =>", rate = "q" }}
[parameters]
mu = {{ value = 0.4, unit = "1/d", lower = 0.1, upper = 1.0{more} }}
q = {{ value = 1.5, unit = "mmol/(1e9 cells)/d", lower = 0.1, upper = 5.0 }}
fixed = {{ value = 1, unit = "1", estimated = false }}
"""
STUDY = """
runs = ["runs"]
[groups]
fast = "f*"
slow = ["s1", "s2", "s3"]
[models.apart]
base = "model.toml"
per_group = { mu = 0.3 }
[models.together]
base = "model.toml"
[fit]
starts = 1
[compare]
splits = "leave-one-run-out"
baselines = ["mean of the runs", "mean of the group"]
"""


def made(name, seed):
    return cultures.culture(name, random=np.random.default_rng(seed), growth=GROWTH[GROUPS[name]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("groups")
    gc.write_runs([made(name, seed) for seed, name in enumerate(GROUPS)], path / "runs")
    gc.write_runs([cultures.planned(cultures.culture("next", 0.0, growth=0.45))], path / "plan")
    (path / "model.toml").write_text(MODEL.format(more=""), encoding="utf-8")
    (path / "grouped.toml").write_text(MODEL.format(more=", between_groups_sd = 0.3"), encoding="utf-8")
    (path / "study.toml").write_text(STUDY, encoding="utf-8")
    rows = [f"{run},{group}" for run, group in {**GROUPS, "next": "fast"}.items()]
    (path / "groups.csv").write_text("\n".join(["run,group", *rows]) + "\n", encoding="utf-8")
    (path / "other.csv").write_text("\n".join(["run,group", *rows[:-1], "next,none of these"]) + "\n", encoding="utf-8")
    return path


def command(line, code=0):
    found = CliRunner().invoke(app, shlex.split(line)[1:])
    said = " ".join((found.output + str(found.exception or "")).split())
    assert found.exit_code == code, said
    return said


def end_of_day(folder, quantity="VCD"):
    table = pd.read_csv(folder / "prediction.csv").query("quantity == @quantity").iloc[-1]
    return table["estimate"], table["model q95"] - table["model q05"]


@pytest.fixture(scope="module")
def fitted(folder):
    """Return what was said by a fit of a model file with groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return command("graycell fit runs --model grouped.toml --groups groups.csv --starts 1 --out my-fit")


def test_the_command_fits_groups_and_predicts_a_plan_of_one(folder, fitted, monkeypatch):
    monkeypatch.chdir(folder)
    assert "mu [1/d] by group: fast 0.4" in fitted
    fit = gc.load_fit("my-fit")
    assert fit.groups == GROUPS
    for name, growth in GROWTH.items():
        assert fit.per_group[name]["mu"] == pytest.approx(growth, rel=0.02)
    said = command("graycell predict my-fit plan --groups groups.csv --out known")
    assert "never seen" not in said
    command("graycell predict my-fit plan --out unknown")
    said = command("graycell predict my-fit plan --groups other.csv --out other")
    assert "Run 'next' is of the group 'none of these', which was never seen (seen: fast, slow)" in said
    (known, narrow), (_, wide) = end_of_day(Path("known")), end_of_day(Path("other"))
    assert known == pytest.approx(cultures.START * np.exp(0.45 * 7.0), rel=0.02)
    assert narrow < 0.2 * wide
    assert end_of_day(Path("unknown")) == end_of_day(Path("other"))
    written = json.loads(Path("other/prediction.json").read_text(encoding="utf-8"))
    assert any("never seen" in one for one in written["warnings"])
    assert written["group"] == "none of these"


@pytest.mark.parametrize(
    "text",
    ["run;group\nf1;A\nf2;B\n", "\ufeffRun,Group,note\nf1,A,\nf2,B,x\n\n", "sep=;\nrun;group\nf1; A\nf2;B;\n",
     'run\tgroup\n"f1"\tA\nf2\tB', "\n\ngroup, run\nA, f1\nB, f2\n,s1\n"],
)  # fmt: skip
def test_a_table_of_groups_is_read_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "groups.csv").write_text(text, encoding="utf-8")
    runs = [made(name, 0) for name in ("f1", "f2", "s1")]
    assert groups_from(tmp_path / "groups.csv", runs) == {"f1": "A", "f2": "B"}


def test_a_run_of_a_fit_is_simulated_with_its_own_parameters(folder, fitted, monkeypatch):
    monkeypatch.chdir(folder)
    command("graycell simulate runs --parameters my-fit --out simulated.csv --units internal")
    for name, group in (("f1", "fast"), ("s3", "slow")):
        last = pd.read_csv(f"simulated-{name}.csv")["VCD [1e9 cells/L]"].iloc[-1]
        assert last == pytest.approx(cultures.START * np.exp(GROWTH[group] * 7.0), rel=0.05)


def test_a_report_shows_the_values_of_groups(folder, fitted, monkeypatch):
    monkeypatch.chdir(folder)
    fit = gc.load_fit("my-fit")
    frame = own_values_frame(fit)
    assert list(frame["of"]) == ["group fast", "group slow"]
    assert np.all(frame["standard error [unit]"] < 0.01)
    assert list(np.sign(frame["difference [%]"])) == [1.0, -1.0]
    gc.report(fit, "page")
    assert "Own values of groups and runs" in Path("page/report.html").read_text(encoding="utf-8")
    written = pd.read_csv(next(Path("page").glob("own-values_*.csv")))
    assert np.allclose(written["value [unit]"], frame["value [unit]"], rtol=1e-6)


def test_a_study_compares_a_model_with_groups_with_the_mean_of_the_group(folder):
    study = read_study(folder / "study.toml")
    assert study.groups == GROUPS
    candidates = study.candidates()
    assert [one.name for one in candidates] == ["apart", "together", "mean of the runs", "mean of the group"]
    runs = {run.name: run for run in study.runs}
    split = next(split for split in study.split() if split.test[0].name == "f2")
    times = {"VCD": np.array([6.0])}
    predicted = {
        one.name: float(one.train(split.training_runs(), 0).predict(split.known_runs()[0], times)["VCD"][0])
        for one in candidates
    }
    true = cultures.START * np.exp(0.45 * 6.0)
    errors = {name: abs(value / true - 1.0) for name, value in predicted.items()}
    assert errors["apart"] < 0.03  # the group of a run that was left out is known
    assert errors["apart"] < 0.3 * errors["together"]
    assert errors["mean of the group"] < 0.3 * errors["mean of the runs"]
    depends = {one.name: one.depends_on(split.train, 0) for one in candidates if isinstance(one, ModelCandidate)}
    assert depends["apart"]["groups"] == GROUPS
    assert "groups" not in depends["together"]  # what has no part in a fit makes no training anew
    plain = ModelCandidate("apart", study.plan("together").build)
    assert plain.depends_on(split.train, 0).keys() == depends["together"].keys()
    fit = study.fit("apart")
    assert fit.per_group["slow"]["mu"] == pytest.approx(0.34, rel=0.02)
    assert study.fit("together").groups == {}
    assert runs.keys() == GROUPS.keys()


def test_a_group_may_be_left_out(folder):
    text = STUDY.replace("leave-one-run-out", "leave-one-group-out")
    (folder / "out.toml").write_text(text, encoding="utf-8")
    study = read_study(folder / "out.toml")
    assert [split.name for split in study.split()] == ["without fast", "without slow"]
    assert [run.name for run in study.split()[1].test] == ["s1", "s2", "s3"]
    [candidate] = [one for one in study.candidates() if one.name == "apart"]
    split = study.split()[1]
    found = candidate.train(split.training_runs(), 0).predict(split.known_runs()[0], {"VCD": np.array([6.0])})
    assert found["VCD"][0] == pytest.approx(cultures.START * np.exp(0.45 * 6.0), rel=0.05)  # the shared value
    with pytest.raises(FitError, match="found 1 groups among 6 runs; each is predicted from the others"):
        leave_one_group_out(study.runs, dict.fromkeys(GROUPS, "one"))


def test_a_fitted_model_in_a_mixture_uses_the_groups(folder):
    runs = gc.read_runs(folder / "runs")
    candidate = model_candidate(folder / "grouped.toml", runs, {**GROUPS, "next": "slow"})
    predictor = candidate.train(runs, 0)
    plan = cultures.planned(cultures.culture("next"))
    assert predictor.predict(plan, {"VCD": np.array([6.0])})["VCD"][0] == pytest.approx(
        cultures.START * np.exp(0.34 * 6.0), rel=0.05
    )
    with pytest.raises(FitError, match="found 6 of 6 runs in none"):
        model_candidate(folder / "grouped.toml", runs)
    assert model_candidate(folder / "model.toml", runs).groups == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('fast = "f*"', 'fast = ["f*", "f9"]', "[groups] fast: found 'f9'; it is the name of no run; did you mean 'f"),
        ('fast = "f*"', 'fast = ["f*", "g*"]', "[groups] fast: found 'g*'; it is the name of no run"),
        ('fast = "f*"', 'fast = ["f*", "s1"]', "found the run 's1' in fast, slow; a run is in one group; take it"),
        ('fast = "f*"', "fast = 3", "[groups] fast: found 3; a name and a list of runs are needed; write high ="),
        ('fast = "f*"', "fast = []", "[groups] fast: found []; a name and a list of runs are needed"),
        ('fast = "f*"', 'fast = ["f1", 2]', "found ['f1', 2]; a name and a list of runs are needed"),
        ('fast = "f*"', '"" = "f*"', "a name and a list of runs are needed"),
        ('fast = "f*"\n', "", "found 'f1', 'f2', 'f3' in none; every run is in one, because models let mu differ"),
        ('[groups]\nfast = "f*"\nslow = ["s1", "s2", "s3"]', "", "per_group: found mu; there are no groups of runs"),
        ('[groups]\nfast = "f*"\nslow = ["s1", "s2", "s3"]', 'groups = "f*"', "groups: found 'f*'; a table is needed"),
        ("mu = 0.3", "mv = 0.3", "per_group: found 'mv'; it is not a parameter of the model; did you mean 'mu'"),
        ("mu = 0.3", "mu = -0.3", "per_group.mu: found -0.3; a number from 1e-06 to 1e+06 is needed"),
        ("mu = 0.3", 'mu = "wide"', "per_group.mu: found 'wide'; a standard deviation from 1e-06 to 1e+06, or 'estim"),
        ("mu = 0.3", "fixed = 0.3", "per_group.fixed: found a fixed parameter; it has one value; take it out"),
        ("per_group = { mu = 0.3 }", 'per_group = { mu = 0.3 }\nfixed = ["mu"]', "mu: found a fixed parameter"),
        ("per_group = { mu = 0.3 }", "per_group = 0.3", "per_group: found 0.3; a table by parameter is needed"),
        ("per_group = { mu = 0.3 }", "per_groups = { mu = 0.3 }", "did you mean 'per_group'"),
        ('[models.together]\nbase = "model.toml"', '[models.b]\nbase = "neural-rates"\nper_group = { mu = 0.3 }',
         "per_group: found 'per_group'; a model of the base 'neural-rates' has none"),
        ('fast = "f*"\nslow = ["s1", "s2", "s3"]', 'all = "*"', None),
        ('"leave-one-run-out"', '"leave-one-groups-out"', "did you mean 'leave-one-group-out'"),
        ('"mean of the group"', '"mean of a group"', "did you mean 'mean of the group'"),
    ],
)  # fmt: skip
def test_each_fault_of_groups_in_a_study_has_a_sentence(folder, old, new, said):
    assert old in STUDY
    (folder / "faulty.toml").write_text(STUDY.replace(old, new, 1), encoding="utf-8")
    if said is None:  # one group alone is one
        assert set(read_study(folder / "faulty.toml").groups.values()) == {"all"}
        return
    with pytest.raises(InputError) as told:
        read_study(folder / "faulty.toml")
    assert said in str(told.value)


def test_a_study_without_groups_says_where_they_are_needed(folder):
    text = 'runs = ["runs"]\n[models.a]\nbase = "grouped.toml"\n[compare]\nsplits = "leave-one-group-out"\n'
    (folder / "faulty.toml").write_text(text + 'baselines = ["mean of the group"]\n', encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_study(folder / "faulty.toml")
    sentences = [str(one).split("faulty.toml, ")[1] for one in told.value.findings]
    assert [one.split(":")[0] for one in sentences] == ["[compare] baselines", "[models.a] per_group"]
    (folder / "faulty.toml").write_text(text.replace("grouped", "model"), encoding="utf-8")
    with pytest.raises(InputError, match="found 0 groups to learn from; each group is predicted from the others"):
        read_study(folder / "faulty.toml")


def test_a_test_run_without_a_group_is_a_remark(folder):
    text = 'test = ["s3"]\n' + STUDY.replace('["s1", "s2", "s3"]', '["s1", "s2"]')
    (folder / "remark.toml").write_text(text, encoding="utf-8")
    [remark] = read_study(folder / "remark.toml").remarks
    assert remark.severity == "warning"
    assert "'s3' in none; every run is in one" in str(remark)


@pytest.mark.parametrize(
    ("line", "rows", "said"),
    [
        ("fit runs --model model.toml", "run,group\nf1,A", "no estimated parameter of exponential differs"),
        ("fit runs --model grouped.toml", "run,group\nf1,A\nf2,A", "found 4 of 6 runs in none ('f3', 's1'"),
        ("fit runs --model grouped.toml", "run,group\nf1,A\nf1,B", "run 'f1' in 'B' too; a run is in one group"),
        ("fit runs --model grouped.toml", "runs;group\nf1;A", "found the columns runs, group; the columns run"),
        ("fit runs --model grouped.toml", "", "found the columns none; the columns run and group are needed"),
        ("fit runs --model grouped.toml", None, "that cannot be read"),
        ("fit runs", "run,group\nf1,A", "--groups: found no model file; the model says which of its parameters differ"),
        ("fit study.toml", "run,group\nf1,A", "seed, initial_error and [groups] into it"),
        ("predict my-fit plan", "run,group\nnext,A\nnext,B", "run 'next' in 'B' too"),
        ("predict my-fit runs/plan-of-f1", "run,group\nf1,slow", "found the group 'slow' for run 'f1', which"),
        ("predict runs plan --model grouped.toml", "run,group\nnext,A", "found 6 of 6 runs in none"),
    ],
)
def test_each_fault_of_the_option_has_a_sentence(folder, fitted, monkeypatch, tmp_path, line, rows, said):
    monkeypatch.chdir(folder)
    if rows is not None:
        (tmp_path / "faulty.csv").write_text(rows + "\n", encoding="utf-8")
    if "plan-of-f1" in line:
        gc.write_runs([cultures.planned(made("f1", 0))], tmp_path / "plan-of-f1")
        line = line.replace("runs/plan-of-f1", str(tmp_path / "plan-of-f1"))
    options = ["--groups", str(tmp_path / "faulty.csv"), "--out", str(tmp_path)]
    found = CliRunner().invoke(app, [*shlex.split(line), *options])
    assert found.exit_code != 0
    # a long sentence is broken into lines, in a frame where it is one of the arguments
    printed = " ".join((found.output + str(found.exception)).replace("│", " ").split())
    assert said in printed
