"""What the README shows, works."""

import re
from pathlib import Path

import graycell
from graycell.runs import check_path

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


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
