"""Ctrl-C, sent to a process of its own: while XLA compiles, while compiled code runs, and in a fit, which goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import graycell
from graycell import Measurement
from graycell.inference import checkpoint
from graycell.runs.format.writing import write_runs
from helpers.small_models import fed_batch

MOST = 3.0
"""[s] From Ctrl-C to the end of the process."""
MOST_COMPILING = 6.0
"""[s] The same where a compiler keeps all cores of a slow machine busy."""
PATIENT = """
from graycell.cli import stopping
stopping.GRACE = 120.0
"""
"""With two minutes in which the command may end by itself after the first Ctrl-C."""
UNGUARDED = "import sys\nsys.executable = '/nowhere/python'\n"
AT_ONCE = 30.0
"""[s] At once, on the slowest of machines."""
COMPILE = """
import jax, jax.numpy as jnp
def compile_for_minutes():
    def large(x):
        for i in range(40):
            sorted_columns = jnp.sort(x.reshape(-1, 7) * jnp.sin(x.reshape(-1, 7)), axis=0).reshape(-1)
            x = sorted_columns + jnp.where(x > i, jnp.cos(x), x[::-1])
        return x
    lowered = jax.jit(large).lower(jnp.ones(49))
    print("compiling", flush=True)
    lowered.compile()
    print("compiled", flush=True)
"""
"""XLA fuses the sums again and again, so that the time doubles with each of them."""
BUSY = """
import sys, threading, time
import jax, jax.numpy as jnp
from graycell.cli.stopping import end_soon_after_ctrl_c
watch = end_soon_after_ctrl_c()
watch.__enter__()
@jax.jit
def spin(x):
    return jax.lax.while_loop(lambda c: c[0] < 1e18, lambda c: (c[0] + 1.0, jnp.sin(c[1])), (0.0, x))[1]
work = sys.argv[1]
if work == "runs":
    run = spin.lower(jnp.ones(())).compile()
    print("ready", flush=True)
    run(jnp.ones(())).block_until_ready()
elif work == "sleeps":
    print("ready", flush=True)
    time.sleep(600)
elif work == "python":
    print("ready", flush=True)
    while True:
        pass
else:  # swallows Ctrl-C, as code of somebody else may
    print("ready", flush=True)
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass
"""


def started(*arguments: str, **more) -> subprocess.Popen:
    source = str(Path(graycell.__file__).parents[1])
    path = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}, **more)  # fmt: skip


def stopped(process: subprocess.Popen, again: bool = False) -> tuple[float, int, str]:
    """Send Ctrl-C; return how long the process took to end [s], its exit code and what it printed."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    if again:
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    try:
        said = process.communicate(timeout=60.0)[0]
    finally:
        process.kill()
    return time.monotonic() - began, process.returncode, said


@pytest.mark.parametrize("work", ["runs", "sleeps", "python", "swallows"])
def test_a_process_ends_soon_after_ctrl_c_whatever_it_does(work):
    process = started("-c", BUSY, work)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.5)
    seconds, code, said = stopped(process)
    assert seconds < MOST
    if work in ("runs", "swallows"):
        assert code == 130
        assert "Stopped." in said
    else:  # these end by the exception, which nobody catches here: Python then ends by the signal
        assert code in (130, -signal.SIGINT)


def test_a_second_ctrl_c_ends_it_at_once():
    process = started("-c", PATIENT + UNGUARDED + BUSY, "runs")
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.5)
    seconds, code, _ = stopped(process, again=True)
    assert code == 130
    assert seconds < AT_ONCE


MODEL = """
format = 1
name = "small"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { unit = "mmol/L" }
[reactions]
growth = { equation = "=> VCD", rate = "mu * monod(GLC, K)" }
uptake = { equation = "GLC =>", rate = "q * monod(GLC, K)" }
[parameters]
mu = { value = 0.5, unit = "1/d", lower = 0.05, upper = 3, prior_sd = 3 }
q = { value = 1, unit = "mmol/(1e9 cells)/d", lower = 0.1, upper = 10, prior_sd = 3 }
K = { value = 1, unit = "mmol/L", lower = 0.01, upper = 20, prior_sd = 3 }
"""
SLOW_TO_COMPILE = COMPILE + """
from graycell.inference import fitting
save = fitting.checkpoint.save
def slow(*given):
    save(*given)
    compile_for_minutes()
fitting.checkpoint.save = slow
from graycell.cli import main
main()
"""
SLOW = """
import time
from graycell.inference import fitting
save = fitting.checkpoint.save
def slow(*given):
    save(*given)
    print("iteration", flush=True)
    time.sleep(0.3)
fitting.checkpoint.save = slow
from graycell.cli import main
main()
"""


def small_fit(tmp_path):
    """Return the arguments of a fit of a small model, without the folder of its result."""
    days = np.arange(1.0, 6.0)
    values = {"VCD": 0.5 * np.exp(0.4 * days), "GLC": 60.0 - 4.0 * days}
    measured = {name: Measurement(name, {"VCD": "1e9 cells/L"}.get(name, "mmol/L"), days, value, 0.05 * value)
                for name, value in values.items()}  # fmt: skip
    run = fed_batch(initial={"VCD": 0.5, "GLC": 60.0}, measurements=measured)
    place, model = write_runs([run], tmp_path / "run"), tmp_path / "small.toml"
    model.write_text(MODEL)
    return ["fit", str(place), "--model", str(model), "--starts", "1", "--out"]


def read_until(process, word):
    """Read what a process prints until a line has a word."""
    assert process.stdout is not None
    while word not in process.stdout.readline():
        assert process.poll() is None


@pytest.mark.ode
def test_a_fit_that_was_stopped_goes_on_where_it_was(tmp_path):
    command, out = small_fit(tmp_path), tmp_path / "fit"
    process = started("-c", SLOW, *command, str(out))
    read_until(process, "iteration")
    seconds, code, said = stopped(process)
    assert seconds < MOST
    assert code == 130
    assert f"the state is kept in {out}" in " ".join(said.split())
    reached = json.loads((out / checkpoint.FILE).read_text())
    assert len(reached["history"]) >= 1
    assert not (out / "fit.json").exists()
    on = started("-c", "from graycell.cli import main; main()", *command, str(out))
    said = on.communicate(timeout=300.0)[0]
    whole = started("-c", "from graycell.cli import main; main()", *command, str(tmp_path / "whole"))
    whole.communicate(timeout=300.0)
    resumed, at_once = (json.loads((folder / "fit.json").read_text()) for folder in (out, tmp_path / "whole"))
    assert [row["value"] for row in resumed["estimates"]] == [row["value"] for row in at_once["estimates"]]
    assert resumed["history"][: len(reached["history"])] == reached["history"]


@pytest.mark.ode
def test_a_fit_that_is_stopped_while_xla_compiles_keeps_its_state(tmp_path):
    """The command and its checkpoint are real; what is compiled after the first iteration takes minutes."""
    command, out = small_fit(tmp_path), tmp_path / "fit"
    process = started("-c", SLOW_TO_COMPILE, *command, str(out))
    read_until(process, "compiling")
    time.sleep(1.0)
    assert process.poll() is None
    seconds, code, said = stopped(process)
    assert seconds < MOST_COMPILING
    assert code == 130
    assert "compiled" not in said
    assert said.count("Stopped.") == 1
    assert f"the state is kept in {out}" in " ".join(said.split())
    assert len(json.loads((out / checkpoint.FILE).read_text())["history"]) >= 1
    assert [file.name for file in out.iterdir()] == [checkpoint.FILE]  # nothing half written


@pytest.mark.parametrize("again", [False, True])
def test_whoever_catches_ctrl_c_while_xla_compiles_ends_all_the_same(again):
    """The handler of a fit lets the iteration go on; a second Ctrl-C ends it at once."""
    catches = """
import signal
from graycell.cli.stopping import end_soon_after_ctrl_c
signal.signal(signal.SIGINT, lambda *_: None)
with end_soon_after_ctrl_c():
    compile_for_minutes()
"""
    process = started("-c", (PATIENT if again else "") + COMPILE + catches)
    read_until(process, "compiling")
    time.sleep(1.0)
    seconds, code, said = stopped(process, again)
    assert seconds < (AT_ONCE if again else MOST_COMPILING)
    assert code == 130
    assert "compiled" not in said
    assert "Stopped." in said


LOCKED = """
import os, sys
from pathlib import Path
import numpy as np, scipy.linalg
from graycell.cli.stopping import end_soon_after_ctrl_c, keeps_state
matrix = np.random.default_rng(0).normal(size=(3500, 3500))
with end_soon_after_ctrl_c(), keeps_state(Path(sys.argv[1])):
    print("computing", flush=True)
    scipy.linalg.eigvals(matrix, check_finite=False)
    print("computed", flush=True)
"""
"""scipy's linear algebra keeps the lock of Python to its end, here for half a minute and more: no thread runs."""


def processes():
    """Return the parent of every process that runs, by its number; ended ones that nobody waited for do not run."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(number): int(parent) for number, parent, state in rows if not state.startswith("Z")}


def guard_of(process):
    """Return the one process that another one has started."""
    [number] = [one for one, parent in processes().items() if parent == process.pid]
    return number


def ends(number):
    """Return whether a process ends within seconds."""
    until = time.monotonic() + 5.0
    while number in processes() and time.monotonic() < until:
        time.sleep(0.05)
    return number not in processes()


@pytest.mark.parametrize("state", [True, False])
def test_code_that_keeps_the_lock_of_python_is_ended_by_the_guard(tmp_path, state):
    if state:
        (tmp_path / checkpoint.FILE).write_text("{}")
    process = started("-c", LOCKED, str(tmp_path))
    read_until(process, "computing")
    guarding = guard_of(process)
    time.sleep(1.0)
    seconds, code, said = stopped(process)
    assert seconds < MOST_COMPILING
    assert code == -signal.SIGKILL  # 137 in a shell
    assert "computed" not in said
    assert said.count("Stopped.") == 1
    assert (f"the state is kept in {tmp_path}" in " ".join(said.split())) is state
    assert ends(guarding)


@pytest.mark.parametrize("how", ["", "raise SystemExit(3)", "raise ValueError", "os._exit(3)", "os.abort()"])
def test_no_guard_is_left_when_a_process_ends(how):
    start = f"""
import os
from graycell.cli.stopping import end_soon_after_ctrl_c
with end_soon_after_ctrl_c():
    print("begun", flush=True)
    input()
    {how or "pass"}
"""
    process = started("-c", start, stdin=subprocess.PIPE)
    read_until(process, "begun")
    guarding = guard_of(process)
    process.communicate("go\n", timeout=20.0)
    assert ends(guarding)


def test_a_process_goes_on_without_a_guard_where_none_can_be_started():
    process = started("-c", UNGUARDED + BUSY, "runs")
    read_until(process, "ready")
    assert process.pid not in processes().values()
    time.sleep(0.5)
    seconds, code, said = stopped(process)
    assert (seconds < MOST, code, "Stopped." in said) == (True, 130, True)


@pytest.mark.ode
@pytest.mark.parametrize("after", [0.0, 0.2, 0.35, 0.5, 2.5])
def test_a_command_says_that_it_was_stopped(after):
    """Also while it imports, and where JAX raises the exception of Ctrl-C in the middle of its own work."""
    start = "from graycell.cli import main; print('begins', flush=True); main()"
    process = started("-c", start, "diagnose")  # takes longer than that
    read_until(process, "begins")
    time.sleep(after)
    seconds, code, said = stopped(process)
    assert seconds < MOST_COMPILING
    assert code == 130
    assert said.count("Stopped.") == 1
