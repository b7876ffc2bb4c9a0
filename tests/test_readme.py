"""What the README and the pages of the documentation show, works."""

import re
import shlex
import tomllib
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from small_models import fed_batch, monod

import graycell
from graycell.balances.checking import check_path
from graycell.cli import app
from graycell.imports.ready import profiles

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
RUNS = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "learning-guide.md").read_text(encoding="utf-8")
IMPORT = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
}
WHOLE_PAGES = [name for name in ("your-own-model.md",) if name in PAGES]
"""Pages whose every block is run, in order and in one namespace."""


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def toml_blocks(page):
    return re.findall(r"^```toml\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def test_the_example_run_has_no_error(tmp_path):
    tables = re.findall(r"`(\w+\.csv)`\n\n```\n(.*?)```", RUNS, flags=re.DOTALL)
    assert [name for name, _ in tables] == ["measurements.csv", "initial.csv", "media.csv", "events.csv"]
    folder = tmp_path / "my-run"
    folder.mkdir()
    for name, text in tables:
        (folder / name).write_text(text)
    findings = check_path(folder, graycell.nolan_lee().species)
    assert [str(finding) for finding in findings] == []


def test_the_first_example_runs(capsys):
    first, *_ = python_blocks(FIRST)
    names = {}
    exec(first, names)  # noqa: S102  our own page
    printed = capsys.readouterr().out
    assert "finished" in printed
    assert "mean NRMSE 0.576" in printed
    assert names["frame"].columns[0] == "time [d]"
    assert names["changed"].require_finished() is names["changed"]


def test_the_fit_of_the_first_steps_runs(tmp_path, monkeypatch):
    """A small model and run take the place of the CHO cell and the bundled run, whose fit takes too long here."""
    _, fitting, _ = python_blocks(FIRST)
    model, plan = monod(), fed_batch()
    days = np.linspace(0.5, 6.0, 6)
    made = graycell.simulate(model, plan, save_at=days)
    measured = {
        name: graycell.Measurement(name, "", days, np.asarray(made[name]), np.full(6, 0.05 * np.max(made[name])))
        for name in ("VCD", "GLC", "LAC")
    }
    others = [name for name in model.table.names if name not in ("mu", "q")]
    small = model.with_table(model.table.with_fixed(others)).with_parameters({"mu": 0.6, "q": 0.9})
    run = replace(plan, measurements=measured)
    public = {name: getattr(graycell, name) for name in graycell.__all__}
    names = {"gc": types.SimpleNamespace(**public), "run": run, "richer": run.with_bolus(4.5, "feed", 0.05)}
    names["gc"].nolan_lee = lambda extended: small
    monkeypatch.chdir(tmp_path)
    exec(fitting, names)  # noqa: S102  our own page
    values = {row.name: row.value for row in names["fitted"].estimates}
    assert values == pytest.approx({"mu": 0.7, "q": 0.8}, rel=0.05)
    assert graycell.load_fit("results/first").estimates == names["fitted"].estimates
    assert Path("results/first/report.html").exists()
    lactate = graycell.simulate(model, names["richer"], save_at=names["ahead"].time)["LAC"]
    assert np.all((names["low"] <= lactate) & (lactate <= names["high"]))


def test_the_own_model_of_the_first_steps_runs(capsys):
    *_, own = python_blocks(FIRST)
    names = {}
    exec(own, names)  # noqa: S102  our own page
    assert names["trajectory"]["LAC"].shape == (3,)
    assert names["trajectory"].require_finished() is names["trajectory"]


def test_the_examples_of_cores_run():
    names = {}
    for block in python_blocks(PAGES["many-cores.md"])[:2]:
        exec(compile(block, "many-cores.md", "exec"), names)  # noqa: S102  our own page
    assert names["values"].shape == (128, 2)
    alone = graycell.simulate(graycell.nolan_lee().with_parameters({"vmax1f": 9.0}), names["run"], save_at=[5.0, 10.0])
    assert names["values"][0] == pytest.approx(alone["LAC"], rel=1e-9)
    names["engine"].close()


@pytest.mark.parametrize("page", WHOLE_PAGES)
def test_every_example_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in python_blocks(PAGES[page]):
        exec(compile(block, page, "exec"), names)  # noqa: S102  our own page


@pytest.mark.parametrize("page", sorted(name for name in PAGES if name != "CHANGELOG.md"))
def test_every_public_name_on_a_page_is_there(page):
    for name in set(re.findall(r"\bgc\.(\w+)", PAGES[page])):
        assert hasattr(graycell, name), name  # an old name warns, and a warning is an error here


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_page_that_a_page_points_to_is_there(page):
    folder = ROOT if (ROOT / page).exists() else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES[page]):
        assert (folder / target).exists(), target


def test_the_map_is_that_of_the_code():
    """Every file is on the map, or the folder that it is in, and everything on the map is there."""
    [tree] = re.findall(r"^```\nsrc/graycell/\n(.*?)^```", PAGES["ARCHITECTURE.md"], flags=re.DOTALL | re.MULTILINE)
    folders, on_the_map = [], set()
    for indent, names in re.findall(r"^( +)([^\s,]+(?:, [^\s,]+)*)", tree, flags=re.MULTILINE):
        del folders[len(indent) // 2 - 1 :]
        parts = names.split(", ")
        on_the_map |= {"/".join([*folders, part.rstrip("/")]) for part in parts}
        folders.append(parts[0].rstrip("/"))
    package = ROOT / "src" / "graycell"
    for name in on_the_map:
        assert (package / name).exists(), name
    inner = {name.rpartition("/")[0] for name in on_the_map}
    for path in package.rglob("*.py"):
        if path.name not in ("__init__.py", "__main__.py"):
            name = path.relative_to(package).as_posix()
            folder = name.rpartition("/")[0]
            assert name in on_the_map or (folder in on_the_map and folder not in inner), name


def test_the_layers_of_the_page_are_those_that_are_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    assert "\n".join(layers).replace("graycell.", "") in PAGES["ARCHITECTURE.md"]


def test_the_examples_of_the_flux_projection_run(capsys):
    """The first one is ten lines and stands alone; the second one goes on from it."""
    first, second = python_blocks(PAGES["flux-layer.md"])
    assert len(first.strip().splitlines()) <= 10
    names = {}
    exec(first, names)  # noqa: S102  our own page
    assert "[0.88" in capsys.readouterr().out
    uptake, lactate, tca = names["solution"].fluxes
    assert float(2.0 * uptake - lactate - tca) == pytest.approx(0.0, abs=1e-12)
    exec(second, names)  # noqa: S102
    assert names["many"].shape == (1000, 3)


def test_every_command_on_a_page_can_be_given():
    """Names, options and numbers of arguments; nothing is run."""
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    given = [
        line
        for page in (README, FIRST, PAGES["units.md"], RUNS, PAGES["models.md"], GUIDE, IMPORT)
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
        for line in (text.removeprefix(".venv/bin/") for text in block.splitlines())
        if not language and line.startswith("graycell ")
    ]
    assert len(given) > 10
    for line in given:
        _, name, *arguments = shlex.split(line, comments=True)
        if name == "--help":
            continue
        commands.commands[name].make_context(name, arguments)


def test_every_command_in_a_sentence_is_there():
    commands = typer.main.get_command(app)
    assert isinstance(commands, typer.core.TyperGroup)
    for name, page in PAGES.items():
        if name != "CHANGELOG.md":  # which has the old names too
            for command in re.findall(r"`graycell\s+([a-z][\w-]*)", page):
                assert command in commands.commands, f"{name}: {command}"


def test_the_old_names_of_the_changelog_say_what_they_are_called_now():
    for old in ("inspect", "compare", "measured_rates", "solve_flux", "with_learned_laws"):
        assert f"`{old}" in PAGES["CHANGELOG.md"]
        with pytest.warns(DeprecationWarning, match="is now called"):
            getattr(graycell, old)


def test_the_mappings_of_the_page_on_import_are_accepted(tmp_path):
    mapping, _, every, _, log, _, ruled, rows, _, _, weighed, counted, yeast = map(tomllib.loads, toml_blocks(IMPORT))
    lines = ["Batch;Time (h);Cells (10^6 cells/mL);Glc_gL;Lactate;IgG (mg/L);Draw (mL);Feed (mL)",
             "A;0;0,4;7,2;0,1;<LOD;1;", "A;24;0,9;6,1;0,9;5,5;1;20"]  # fmt: skip
    path = tmp_path / "file.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    [run] = graycell.import_runs(path, mapping)
    assert graycell.Bolus(1.0, "F1", 0.02) in run.events
    assert run.measurements["ANTI"].below.tolist() == [True, False]
    assert every["feeds"]["*"] == tomllib.loads(profiles()["umn-fed-batch"])["feeds"]["*"]
    assert log["feeds"] == {"F1": {"volume": "F1", "media": {"GLC": "2 mol/L"}}}
    assert set(log["log"]) == {"sheet", "run", "time", "feed", "volume"}
    heads, start = {"time": {"column": "Day", "unit": "d"}}, {"start": {"volume": "2 L"}}
    path.write_text("Day,VCD (1e6 cells/mL),Glc (mM)\n0,1,20\n1,2,25\n4,4,20\n")
    [run] = graycell.import_runs(path, heads | start | ruled | {
        "measured": {"VCD": "VCD (1e6 cells/mL)", "GLC": "Glc (mM)"}})  # fmt: skip
    rules = ["LevelBolus", "IvcdBolus", "LevelBolus", "ShareBolus", "IvcdBolus"]
    assert [type(event).__name__ for event in run.events] == rules
    path.write_text("Day,Sample,Glc (mM),Volume (mL)\n0,pre feed,30,2000\n1,pre feed,25,1990\n1,post feed,30,2040\n")
    rest = {"time": {"column": "Day", "unit": "d"}, "measured": {"GLC": "Glc (mM)"}, "start": {"volume": "2 L"}}
    rows["feeds"]["F1"]["media"] = {"GLC": "1 mol/L"}
    [run] = graycell.import_runs(path, rows | rest)
    assert [round(event.volume, 9) for event in run.events] == [0.05]
    path.write_text("Batch,Condition,Replicate,Hours,Total_VCD,Viability\nFB2,A,R1,0,0.4,97\nFB2,A,R1,24,0.8,96\n")
    assert [run.name for run in graycell.import_runs(path, counted)] == ["FB2-A-R1"]
    path.write_text("batch,time_h,Glc_gL,EtOH_gL\n1,0,50,0\n1,6,49,0.2\n")
    assert graycell.import_runs(path, yeast)[0].measurements["EtOH"].value[1] == pytest.approx(200.0 / 46.069)
    path.write_text("Day,Glc (mM),Before (g),After (g),Pump (%)\n0,30,,,0\n1,25,1000,989,50\n")
    [run] = graycell.import_runs(path, rest | {"taken": "before"} | weighed)
    assert [event.volume for event in run.events if hasattr(event, "volume")] == [pytest.approx(0.01)]
    assert [event.rate for event in run.events if hasattr(event, "rate")] == [pytest.approx(0.12)]


def test_the_short_examples_of_the_page_on_import_are_accepted(tmp_path):
    _, total, _, media, _, _, _, _, rows, formulas, *_ = map(tomllib.loads, toml_blocks(IMPORT))
    day = {"time": {"column": "Day", "unit": "d"}, "taken": "before"}
    fed = day | {"measured": {"GLC": "Glc (mM)"}, "start": {"volume": "1 L"}}
    path = tmp_path / "file.csv"
    path.write_text("Day,Glc (mM),Base (mL),Base total (mL)\n0,30,0,0\n1,25,2,2\n2,24,1,3\n")
    assert sum(event.volume for event in graycell.import_runs(path, fed | total)[0].events) == pytest.approx(0.003)
    heads = ",".join(f"F{i} (mL)" for i in (1, 2, 3, 4))
    path.write_text(f"Day,Glc (mM),{heads},Lot of F4\n0,30,,,,,\n1,25,1,1,1,1,L1\n6,24,1,1,1,1,L2\n")
    (tmp_path / "media.csv").write_text("Feed,F2 lot 7,F2 lot 7\nGlucose (g/L),390,410\n")
    [run] = graycell.import_runs(path, fed | media)
    assert {name: round(of["GLC"]) for name, of in run.media.items()} == {
        "F1": 2220, "F2": 2220, "F3": 2220, "F3 from 5 d": 2775, "F3 of R3": 2498, "F4 L1": 2220, "F4 L2": 2276,
    }  # fmt: skip
    assert run.media["F1"]["CYS"] == pytest.approx(1000.0 / 175.63)
    counts, chemistry = tmp_path / "counts.csv", tmp_path / "chemistry.csv"
    counts.write_text("Sample ID,Sample type,VCD (1e6 cells/mL)\nBR7_D0,,0.4\nBR7_D1,blank,0\nBR7_D2,,1\nBR7_D-1,,9\n")
    chemistry.write_text("Sample ID,Glucose (mM)\nBR7_D2,20\nBR7_D0,30\n")
    [run] = graycell.import_runs([counts, chemistry], rows)
    assert run.measurements["GLC"].value.tolist() == [30.0, 20.0]
    path.write_text(
        "Run,Day,VCD (1e6 cells/mL),Viability (%),Lactate (mM),Dilution,SD (1e6 cells/mL)\nR1,0,1,80,2,5,0.1\n"
        "R32,0,1,80,2,5,0.1\n"
    )
    first, second = graycell.import_runs(path, day | {"run": "Run"} | formulas)
    assert (first.initial_volume, second.initial_volume) == (1.5, 2.0)
    assert first.measurements["BIOM"].value[0] == pytest.approx(2.31 / 0.8)
    assert first.measurements["LAC"].standard_error[0] == pytest.approx((0.5**2 + 0.2**2) ** 0.5)


def test_the_examples_of_the_page_on_import_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    check, tables = python_blocks(IMPORT)
    exec(check, {})  # noqa: S102  our own page
    assert capsys.readouterr().out.strip() == ""
    names = {}
    exec(tables, names)  # noqa: S102
    assert "measurements" in names["frames"]
    assert graycell.read_runs(tmp_path / "results" / "runs.xlsx")[0].name == names["run"].name


def test_the_study_of_the_guide_is_the_file_beside_it_and_is_accepted(tmp_path):
    study, *_ = toml_blocks(GUIDE)
    assert study == (ROOT / "examples" / "study.toml").read_text(encoding="utf-8")
    _write_runs_as_generated(tmp_path)
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    read = graycell.read_study(tmp_path / "study.toml")
    assert [len(read.training), len(read.tested), *read.models] == [4, 2, "white", "gray", "hybrid"]
    assert [candidate.name for candidate in read.candidates()][3:] == [baseline.name for baseline in graycell.BASELINES]
    built = [read.plan(name).build(read.training[:1]).weight_count for name in read.models]
    assert built[0] == 0
    assert all(built[1:])


def test_the_other_models_of_the_guide_are_accepted(tmp_path):
    _, *others = toml_blocks(GUIDE)
    assert len(others) == 3
    _write_runs_as_generated(tmp_path)
    (tmp_path / "study.toml").write_text('runs = ["runs"]\n' + "\n".join(others), encoding="utf-8")
    study = graycell.read_study(tmp_path / "study.toml")
    corrected, leaky, clones = study.models.values()
    assert list(corrected.laws) == ["v1", "v2", "v17"]
    assert list(leaky.reactions) == ["v36"]
    assert (clones.per_group, clones.per_run) == ({"vmax16": 0.3}, {"vmax16": 0.05})
    assert [study.groups[f"run0{k}"] for k in range(1, 7)] == 3 * ["wild"] + 3 * ["knocked"]


def test_the_cheap_examples_of_the_guide_run():
    per_run, limit, _ = python_blocks(GUIDE)
    names = {}
    exec(per_run, names)  # noqa: S102  our own page
    assert names["model"].table["vmax17"].between_runs_sd == 0.2
    exec(limit, names)  # noqa: S102
    glutamine = names["run"].measurements["GLN"]
    assert glutamine.below.sum() == 2
    assert glutamine.value.min() == 0.5
    assert graycell.check_runs([names["run"]]) == []


def test_the_costly_example_of_the_guide_is_python():
    """Names are checked with those of every page."""
    compile(python_blocks(GUIDE)[-1], "docs/learning-guide.md", "exec")


def _write_runs_as_generated(folder):
    """Write the bundled run six times, under the names that `graycell generate --runs 6` gives."""
    names = [run.name for run in graycell.designed_runs(graycell.Design(runs=6, days=7.0))]
    graycell.write_runs([replace(graycell.bundled_run(), name=name) for name in names], folder / "runs")
