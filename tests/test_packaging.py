"""What is made ready for a release agrees: versions, dependencies and Pythons."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_recipe_of_conda_has_the_dependencies_and_the_version_of_the_project():
    recipe = text("packaging/conda/recipe.yaml")
    needed = set(re.findall(r"^    - ([\w.-]+ ?[<>=][^\n]*)$", recipe, flags=re.MULTILINE))
    assert {one.replace(" ", "") for one in needed} == {
        *PROJECT["dependencies"], f"python{PROJECT['requires-python']}"
    }  # fmt: skip
    assert f'version: "{PROJECT["version"]}"' in recipe
    assert f"version: {PROJECT['version']}" in text("CITATION.cff")


def test_the_container_installs_extras_that_exist():
    [extras] = re.findall(r"\./source\[([\w,]+)\]", text("packaging/Dockerfile"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_public_ci_runs_targets_that_exist():
    targets = set(re.findall(r"^([\w-]+):", text("Makefile"), flags=re.MULTILINE))
    asked = set(re.findall(r"make ([\w-]+)", text(".github/workflows/ci.yml")))
    assert {"test", "docs", "test-wheel"} <= asked <= targets
    assert f'"{PROJECT["requires-python"].removeprefix(">=")}"' in text(".github/workflows/ci.yml")
