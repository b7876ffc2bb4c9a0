"""How long from a model file of the library to its first trajectory, and what a model written as text costs in a run.

Every model is read, built and simulated in a process of its own, which has imported graycell and nothing more: first
with an empty folder for what JAX compiles, then with the folder that the first process left. The run: five days, a feed
from day 2 on; for Nolan & Lee the bundled run. The model of Nolan & Lee exists twice, as a file and as Python; their
trajectories are timed in turns, with the largest difference of their results.

    python benchmarks/library.py --out results/bench
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
import equinox as eqx
import numpy as np
from common import Target

import graycell as gc
from graycell.modelfiles import build
from graycell.models import library_files, model_file
from graycell.packing import pack
from graycell.runs import CultureRun, End, Feed
from graycell.simulation.solve import Loop, SolverSettings, integrate

PACKAGES = ("graycell", "jax", "jaxlib", "diffrax", "equinox")
START = {"VCD": 0.3, "GLC": 30.0, "GLN": 5.0, "LAC": 0.5, "NH3": 0.5}
"""[10^9 cells/L, mmol/L] Initial values of the run, as far as a model knows them."""
FEED = {"GLC": 200.0, "GLN": 25.0}
MOST_SECONDS, MOST_CACHED, MOST_RATIO = 3.0, 0.3, 1.1


def run_for(name: str) -> CultureRun:
    """Return the run that a model is simulated on."""
    if name == "nolan-lee":
        return gc.bundled_run()
    species = model_file(name).species
    known = {one: value for one, value in START.items() if one in species}
    return CultureRun(name, 1.0, known, events=(Feed(2.0, "feed", 0.03), End(5.0)),
                      media={"feed": {one: value for one, value in FEED.items() if one in species}})  # fmt: skip


def child(name: str) -> None:
    """Time one model in this process, and print the seconds as JSON."""
    run = run_for("nolan-lee") if name == "nolan-lee" else None
    began = time.perf_counter()
    file = model_file(name)
    read = time.perf_counter()
    model = build(file)
    built = time.perf_counter()
    run = run or run_for(name)
    gc.simulate(model, run, throw=True)
    first = time.perf_counter()
    repeats = [common.seconds(lambda: gc.simulate(model, run).concentrations) for _ in range(5)]
    print(json.dumps({"read_s": read - began, "build_s": built - read, "simulate_s": first - built,
                      "first_s": first - began, "again_s": sorted(repeats)[2]}))  # fmt: skip


def timed(name: str, cache: str) -> dict:
    """Return what `child` prints in a process of its own."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                   "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}  # fmt: skip
    command = [sys.executable, __file__, "--child", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def file_over_python(repeats: int) -> dict:
    """Return the run times of Nolan & Lee as a file and as Python [s], their ratio and their largest difference [1]."""
    run, calls = gc.bundled_run(), {}
    for kind, model in (("file", build(model_file("nolan-lee"))), ("python", gc.nolan_lee())):
        compiled = eqx.filter_jit(lambda model, packed: integrate(model, packed, Loop(), SolverSettings()).predicted)
        packed = pack(run, model)
        calls[kind] = lambda compiled=compiled, model=model, packed=packed: compiled(model, packed)
    timings = common.measure(calls, repeats)
    ours, theirs = (np.asarray(call()) for call in calls.values())
    size = np.max(np.abs(theirs), axis=0)
    return {
        "file_s": timings["file"].run_s,
        "python_s": timings["python"].run_s,
        "ratio": timings["file"].run_s / timings["python"].run_s,
        "largest_difference": float(np.max(np.abs(ours - theirs) / np.where(size > 0.0, size, 1.0))),
    }


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    before, rows = common.machine(), []
    for name in library_files():
        with tempfile.TemporaryDirectory() as cache:
            rows.append({"model": name, "cold": timed(name, cache), "cached": timed(name, cache)})
    both = file_over_python(options.repeats)
    table = [
        (row["model"], *(f"{row['cold'][part]:.2f}" for part in ("read_s", "build_s", "simulate_s", "first_s")),
         f"{row['cached']['first_s']:.2f}", f"{1e3 * row['cold']['again_s']:.1f}", "")
        for row in rows
    ]  # fmt: skip
    heads = ("model", "read [s]", "build [s]", "simulate [s]", "first [s]", "first, cached [s]", "again [ms]", "")
    common.print_table("From the name of a model to its first trajectory", heads, table)
    common.CONSOLE.print(f"Nolan & Lee, file over Python: {both['ratio']:.3f}, largest difference "
                         f"{both['largest_difference']:.1e} of the largest value.")  # fmt: skip
    own = [row for row in rows if row["model"] != "nolan-lee"]
    cold, cached = (max(row[kind]["first_s"] for row in own) for kind in ("cold", "cached"))
    wanted = [
        Target("slowest first trajectory, without Nolan & Lee [s]", "<=", MOST_SECONDS, cold),
        Target("the same, compiled before [s]", "<=", MOST_CACHED, cached),
        Target("run time of Nolan & Lee, file over Python", "<=", MOST_RATIO, both["ratio"]),
    ]
    common.print_targets(wanted)
    result = {
        "machine": {"before": before, "after": common.machine()},
        "versions": common.versions(PACKAGES),
        "rows": rows,
        "nolan_lee": both,
    }
    common.write(options.out, "library", result, wanted)


if __name__ == "__main__":
    main()
