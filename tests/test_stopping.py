"""Ctrl-C, sent to a process of its own: while a compiled program runs, and in a fit, which goes on afterwards."""

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
    process = started("-c", BUSY, "runs")
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.5)
    seconds, code, _ = stopped(process, again=True)
    assert code == 130
    assert seconds < 1.4


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


@pytest.mark.ode
def test_a_fit_that_was_stopped_goes_on_where_it_was(tmp_path):
    days = np.arange(1.0, 6.0)
    values = {"VCD": 0.5 * np.exp(0.4 * days), "GLC": 60.0 - 4.0 * days}
    measured = {name: Measurement(name, {"VCD": "1e9 cells/L"}.get(name, "mmol/L"), days, value, 0.05 * value)
                for name, value in values.items()}  # fmt: skip
    run = fed_batch(initial={"VCD": 0.5, "GLC": 60.0}, measurements=measured)
    place, model, out = write_runs([run], tmp_path / "run"), tmp_path / "small.toml", tmp_path / "fit"
    model.write_text(MODEL)
    command = ["fit", str(place), "--model", str(model), "--starts", "1", "--out"]
    process = started("-c", SLOW, *command, str(out))
    assert process.stdout is not None
    while "iteration" not in process.stdout.readline():
        assert process.poll() is None
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
