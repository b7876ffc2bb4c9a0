"""What is compiled is kept on disk for the next process, and compiled once for all threads of one."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import pytest

from graycell import compiling
from graycell.compiling import cache_folder, compiled_once

_SIMULATE = """
import graycell as gc
model = gc.CultureModel(
    name="batch", species={}, reactions={"growth": "=> VCD", "uptake": "GLC =>"},
    rates={"growth": gc.Rate("mu"), "uptake": gc.Rate("q") * gc.Monod("GLC", "K")},
    parameters={"mu": 0.5, "q": 1.0, "K": 1.0},
)
run = gc.CultureRun("batch", 1.0, {"VCD": 1.0, "GLC": 20.0}, end=2.0)
print(gc.simulate(model, run).final["VCD"])
"""


def simulate(folder, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment |= {"GRAYCELL_CACHE": str(folder), **variables}
    command = [sys.executable, "-c", _SIMULATE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return float(done.stdout)


def programs(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*-cache")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return folder, simulate(folder), programs(folder)


@pytest.mark.ode
def test_a_second_process_compiles_nothing(filled):
    folder, first, kept = filled
    assert kept
    assert simulate(folder) == first
    assert programs(folder) == kept


@pytest.mark.ode
def test_what_a_killed_process_left_half_written_is_replaced(filled):
    folder, first, kept = filled
    half = next(folder.glob("jit__solved*-cache"))
    half.write_bytes(half.read_bytes()[:100])
    half.with_name(half.name.removesuffix("-cache") + "-atime").unlink()
    (folder / "gone-atime").write_bytes(b"0" * 8)
    assert simulate(folder) == first
    assert programs(folder) == kept
    assert half.stat().st_size > 100
    assert not (folder / "gone-atime").exists()


@pytest.mark.ode
def test_without_a_cache_nothing_is_written(filled, tmp_path):
    assert simulate("off", XDG_CACHE_HOME=str(tmp_path)) == filled[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ode
def test_a_folder_that_cannot_be_made_is_no_fault(filled, tmp_path):
    (tmp_path / "file").write_text("")
    assert simulate(tmp_path / "file" / "below") == filled[1]


def test_the_folder_is_that_of_the_variable_or_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAYCELL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("GRAYCELL_CACHE", "OFF")
    assert cache_folder() is None
    monkeypatch.delenv("GRAYCELL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert cache_folder() == tmp_path / "graycell" / "compiled"


def test_flags_of_the_compiler_are_set_once_and_those_of_the_user_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_own=1")
    compiling.compile_quickly()
    first = os.environ["XLA_FLAGS"]
    assert first.endswith("--xla_own=1")
    compiling.compile_quickly()
    assert os.environ["XLA_FLAGS"] == first
    compiling.compile_quickly(optimise=False)  # also where the others were set before
    before, _, after = os.environ["XLA_FLAGS"].partition(first)
    assert [flag.partition("=")[0] for flag in before.split()] == [
        "--xla_backend_optimization_level", "--xla_disable_hlo_passes"]  # fmt: skip
    assert after == ""


def test_no_cache_is_for_all_processes_that_follow(monkeypatch):
    monkeypatch.setenv("GRAYCELL_CACHE", "somewhere")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    compiling.keep_nothing()
    assert cache_folder() is None
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_threads_that_call_a_function_first_together_trace_it_once():
    traced, together = [], threading.Barrier(4)

    @compiled_once
    def double(x):
        traced.append(x)
        return 2.0 * x

    def call(found):
        together.wait()
        found.append(float(double(jnp.asarray(3.0))))

    found: list[float] = []
    threads = [threading.Thread(target=call, args=(found,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [6.0] * 4
    assert len(traced) == 1
    assert double(jnp.ones(2)).tolist() == [2.0, 2.0]  # another shape
    assert len(traced) == 2


def test_what_is_no_array_is_part_of_the_program():
    class Power(eqx.Module):
        exponent: int = eqx.field(static=True)

    @compiled_once
    def raised(power, x, factor):
        return factor * x**power.exponent

    two = jnp.asarray(2.0)
    assert [float(raised(Power(k), two, 1.0)) for k in (1, 2, 3)] == [2.0, 4.0, 8.0]
    assert float(raised(Power(2), two, 3.0)) == 12.0
