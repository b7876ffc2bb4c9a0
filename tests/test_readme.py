"""What the README and the pages of the documentation show, works."""

import re
from pathlib import Path

import pytest

import graycell
from graycell.runs import check_path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
