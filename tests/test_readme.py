"""What the README and the pages of the documentation show, works."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer

import graycell
from graycell.cli import app
from graycell.runs import check_path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "learning-guide.md").read_text(encoding="utf-8")


def test_the_example_run_has_no_error(tmp_path):
    tables = re.findall(r"`(\w+\.csv)`\n\n```\n(.*?)```", README, flags=re.DOTALL)
    assert [name for name, _ in tables] == ["measurements.csv", "initial.csv", "media.csv", "events.csv"]
    folder = tmp_path / "my-run"
    folder.mkdir()
    for name, text in tables:
        (folder / name).write_text(text)
    findings = check_path(folder, graycell.nolan_lee().species)
    assert [str(finding) for finding in findings] == []


def test_the_example_of_another_feed_runs(capsys):
    [snippet] = [text for text in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "richer" in text]
    exec(snippet, {})  # noqa: S102  our own README
    assert capsys.readouterr().out.count("finished") == 3


def test_every_public_name_of_the_first_look_is_there():
    [snippet] = [text for text in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "gc.fit" in text]
    names = set(re.findall(r"gc\.(\w+)", snippet))
    assert names <= set(graycell.__all__)
    assert {"bundled_run", "fit", "report", "simulate"} <= names


def test_the_examples_of_the_flux_layer_run(capsys):
    """The first one is ten lines and stands alone; the second one goes on from it."""
    page = (ROOT / "docs" / "flux-layer.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
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
        for page in (README, GUIDE)
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
        if not language and line.startswith("graycell ")
    ]
    assert len(given) > 10
    for line in given:
        _, name, *arguments = shlex.split(line, comments=True)
        commands.commands[name].make_context(name, arguments)


def test_the_study_of_the_guide_is_the_file_beside_it_and_is_accepted(tmp_path):
    study, *_ = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert study == (ROOT / "examples" / "study.toml").read_text(encoding="utf-8")
    _write_runs_as_generated(tmp_path)
    (tmp_path / "study.toml").write_text(study, encoding="utf-8")
    read = graycell.read_study(tmp_path / "study.toml")
    assert [len(read.training), len(read.tested), *read.models] == [4, 2, "white", "gray", "hybrid"]
    assert [one.name for one in read.candidates()][3:] == [one.name for one in graycell.BASELINES]
    built = [read.plan(name).build(read.training).weight_count for name in read.models]
    assert built[0] == 0
    assert all(built[1:])


def test_the_other_models_of_the_guide_are_accepted(tmp_path):
    _, *others = re.findall(r"```toml\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert len(others) == 2
    _write_runs_as_generated(tmp_path)
    (tmp_path / "study.toml").write_text('runs = ["runs"]\n' + "\n".join(others), encoding="utf-8")
    corrected, leaky = graycell.read_study(tmp_path / "study.toml").models.values()
    assert list(corrected.laws) == ["v1", "v2", "v17"]
    assert list(leaky.reactions) == ["v36"]


def test_the_cheap_examples_of_the_guide_run():
    own, limit, _ = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    names = {}
    exec(own, names)  # noqa: S102  our own page
    assert names["model"].table["vmax17"].between_runs_sd == 0.2
    exec(limit, names)  # noqa: S102
    glutamine = names["run"].measurements["GLN"]
    assert glutamine.below.sum() == 2
    assert glutamine.value.min() == 0.5
    assert graycell.check_runs([names["run"]]) == []


def test_every_name_of_the_costly_example_of_the_guide_is_there():
    snippet = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)[-1]
    compile(snippet, "docs/learning-guide.md", "exec")
    assert set(re.findall(r"gc\.(\w+)", GUIDE)) <= set(graycell.__all__)


def _write_runs_as_generated(folder):
    """Write the bundled run six times, under the names that `graycell generate --runs 6` gives."""
    names = [run.name for run in graycell.designed_runs(graycell.Design(runs=6, days=7.0))]
    graycell.write_runs([replace(graycell.bundled_run(), name=name) for name in names], folder / "runs")
