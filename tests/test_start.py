"""What is imported before it is needed, seen from processes of their own; float64 and pickles whatever comes first."""

import ast
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import graycell
import graycell.formulas
import graycell.reporting
from graycell.cli.commands import GROUPS

RUN = Path(graycell.__file__).parent / "runs" / "bundled" / "nolan-lee-2011-cell-line-a"
SLOW = ("jax", "jaxlib", "equinox", "diffrax", "optax", "plotly", "pandas", "scipy.linalg", "scipy.optimize", "sklearn",
        "openpyxl", "xlrd", "libsbml")  # fmt: skip
"""Imports that take long; pint imports the top of scipy if it is there, which is not slow."""
HEAVIER = (*SLOW, "pint", "numpy")
BASH = {"_GRAYCELL_COMPLETE": "complete_bash"}
COMMANDS = [command.name for group in GROUPS for command in group.registered_commands]


def python(*arguments, **variables):
    """Run Python in a process of its own; return what it printed on stdout and on stderr."""
    source = str(Path(graycell.__file__).parents[1])
    path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120", **variables})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def imported_by(*arguments, **variables):
    """Return what a process printed and the names of all modules that it imported."""
    printed, timed = python("-X", "importtime", *arguments, **variables)
    lines = [line for line in timed.splitlines() if line.startswith("import time:")]
    return printed, {line.rpartition("|")[2].strip() for line in lines}


def test_what_is_imported_is_seen():
    _, modules = imported_by("-c", "import graycell; graycell.simulate")
    assert {"jax", "equinox", "diffrax", "scipy.optimize", "numpy", "graycell.simulation.solve"} <= modules


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (("--help",), {}, "First steps"),
        (("--version",), {}, "graycell 0."),
        ((), {**BASH, "COMP_WORDS": "graycell che", "COMP_CWORD": "1"}, "check-gradients"),
        (("fit", "--help"), {}, "--starts"),
    ],
)  # fmt: skip
def test_help_version_and_completion_import_no_library_of_numbers(arguments, variables, said):
    # completion looks at the name that the program was started by
    start = f"import sys; sys.argv = {['graycell', *arguments]!r}; from graycell.cli import main; main()"
    printed, modules = imported_by("-c", start, **variables)
    assert said in printed
    assert "graycell.cli" in modules
    assert modules.isdisjoint(HEAVIER)


def test_the_help_of_no_command_imports_a_library_of_numbers():
    start = f"""
from graycell.cli import app
for name in {COMMANDS!r}:
    app([name, "--help"], standalone_mode=False)"""
    printed, modules = imported_by("-c", start)
    assert all(f"{name} [OPTIONS]" in printed for name in COMMANDS)
    assert modules.isdisjoint(HEAVIER)


def test_the_check_of_a_run_imports_numbers_and_units_alone():
    printed, modules = imported_by("-m", "graycell.cli", "check", RUN)
    assert "0 errors" in printed
    assert {"numpy", "pint"} <= modules
    assert modules.isdisjoint(SLOW)


@pytest.mark.parametrize("arguments", [("rates", RUN, "--out"), ("export", RUN, "--out")])
def test_commands_without_a_model_import_no_jax(arguments, tmp_path):
    _, modules = imported_by("-m", "graycell.cli", *arguments, tmp_path / "out")
    assert (tmp_path / "out").exists()
    assert modules.isdisjoint({"jax", "equinox", "diffrax", "optax", "sklearn", "libsbml"})


def test_an_import_imports_no_jax(tmp_path):
    (tmp_path / "run.csv").write_text("day [d],VCD [1e6 cells/mL],GLC [g/L]\n0,0.4,7\n1,0.8,6\n2,1.5,5\n")
    words = ("-m", "graycell.cli", "import", tmp_path / "run.csv")
    for more in (("--draft", tmp_path / "map.toml"), ("--map", tmp_path / "map.toml", "--out", tmp_path / "out")):
        _, modules = imported_by(*words, *more)
        assert (tmp_path / more[-1]).exists()
        assert modules.isdisjoint({"jax", "equinox", "diffrax", "optax", "sklearn"})


def test_graycell_itself_imports_nothing_slow():
    _, modules = imported_by("-c", "import graycell; dir(graycell); graycell.__all__; graycell.read_runs")
    assert modules.isdisjoint(SLOW)
    _, modules = imported_by("-c", "import graycell")
    assert modules.isdisjoint(HEAVIER)


FIRST = ("import jax.numpy", "import graycell", "import graycell.cli", "import graycell.simulation.solve")


@pytest.mark.parametrize("first", FIRST)
def test_numbers_are_float64_whatever_is_imported_first(first):
    use = "import graycell as gc, jax.numpy as jnp; from graycell.numerics import roots; print(jnp.ones(2).dtype)"
    printed, _ = python("-c", f"{first}\n{use}", JAX_ENABLE_X64="0")  # which somebody may have set
    assert printed.split() == ["float64"]


def test_public_names_are_what_the_stub_lists():
    for package in (graycell, graycell.reporting, graycell.formulas):
        stub = ast.parse(Path(package.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
        pairs = [(node.module, name) for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names]
        assert len(pairs) == len(stub.body) == len(package.__all__) == len(dir(package))
        for place, name in pairs:
            assert name.asname == name.name  # else type checkers take it for private
            __import__(f"{package.__name__}.{place}")
            module = sys.modules[f"{package.__name__}.{place}"]
            assert getattr(package, name.name) is getattr(module, name.name)
            assert name.name in dir(package)


def test_all_names_can_be_imported_and_their_classes_pickled():
    names: dict = {}
    exec("from graycell import *", names)  # noqa: S102
    assert set(graycell.__all__) <= set(names)
    run = graycell.bundled_run()
    assert pickle.loads(pickle.dumps(graycell.Bolus)) is graycell.Bolus  # noqa: S301
    assert pickle.loads(pickle.dumps(run.events)) == run.events  # noqa: S301
    start = f"import pickle; print(pickle.loads({pickle.dumps(run.events[0])!r}))"
    assert "time=" in python("-c", start)[0]


def test_rooms_are_reached_by_name_and_unknown_names_are_told():
    assert python("-c", "import graycell as gc; print(gc.runs.records.VCD, gc.testing.__name__)")[0].split() == [
        "VCD", "graycell.testing"]  # fmt: skip
    with pytest.raises(AttributeError, match="has no attribute 'simulat'"):
        _ = graycell.simulat
    with pytest.raises(ImportError, match="simulat"):
        exec("from graycell import simulat")  # noqa: S102


def test_an_old_name_still_warns():
    with pytest.warns(DeprecationWarning, match="now called"):
        assert graycell.solve_flux is graycell.project_fluxes


def test_completion_knows_the_options_of_a_command():
    words = {**BASH, "COMP_WORDS": "graycell fit --st", "COMP_CWORD": "2"}
    start = "import sys; sys.argv = ['graycell']; from graycell.cli import main; main()"
    assert "--starts" in python("-c", start, **words)[0]
