"""What workers are worth: one against two for starts and runs, the overhead of a task, and workers that are killed.

Pairs are timed in turns. The fits are those of the CHO cell to the bundled run: with 64 starts, each followed for two
trials, and residuals with their Jacobian for eight runs. Processor time is that of the whole process. In the last part
a worker process is killed in one of ten tasks, again and again; every repeat must end with the same results.

    python benchmarks/workers.py --out results/bench
"""

import argparse
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import common
import diffrax
import numpy as np
from common import Target

import graycell as gc
from graycell.engine import Engine, using
from graycell.inference import FitSettings, Stage
from graycell.inference.fitting import objective_for
from graycell.inference.likelihood import linearise
from graycell.simulation.solve import Loop, SolverSettings

PACKAGES = ("graycell", "jax", "jaxlib", "diffrax", "equinox")
STARTS, RUNS, TASKS, REPEATS_KILLED, TASKS_KILLED = 64, 8, 1000, 50, 20
KILLED = 0.1
"""[1] Share of the tasks whose worker is killed."""


def nothing(number: int) -> int:
    """Return a number: a task without work."""
    return number


def fragile(number: int) -> float:
    """Return the same number for the same task, unless its worker is killed first."""
    if random.SystemRandom().random() < KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(np.random.default_rng(number).standard_normal())


def timed(call) -> tuple[float, float]:
    """Return wall and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def one_against_two(call, repeats: int) -> dict:
    """Return the medians of a call with one worker and with two [s], which are timed in turns."""
    engines, walls = {jobs: Engine(jobs=jobs) for jobs in (1, 2)}, {1: [], 2: []}
    with using(engines[1]):
        call()  # compiles
    for _ in range(repeats):
        for jobs, engine in engines.items():
            with using(engine):
                walls[jobs].append(timed(call)[0])
    one, two = statistics.median(walls[1]), statistics.median(walls[2])
    return {"one_s": one, "two_s": two, "ratio": one / two}


def eight_runs() -> list[gc.CultureRun]:
    """Return eight runs like the bundled one, with other names."""
    return [replace(gc.bundled_run(), name=f"run {i}") for i in range(RUNS)]


def starts_and_runs(repeats: int) -> dict:
    """Return what a second worker is worth for starts of a fit, and for runs in a Jacobian."""
    model, run, runs = gc.nolan_lee(), gc.bundled_run(), eight_runs()
    quick = FitSettings(stages=(Stage("loop open", 1, opened=1.0),), starts=STARTS, screening=2)
    solver = SolverSettings(rtol=quick.rtol, atol=quick.atol, adjoint=diffrax.ForwardMode())
    objective = objective_for(model, runs, model.table.estimated, solver)
    x = np.asarray(objective.join(objective.coordinates.of_scaled(objective.coordinates.centre), np.zeros(0)))
    return {
        f"{STARTS} starts": one_against_two(lambda: gc.fit(model, run, quick), repeats),
        f"Jacobian of {RUNS} runs": one_against_two(lambda: linearise(objective, x, Loop()), 5 * repeats),
    }


def processor_times() -> dict:
    """Return the processor time of a white fit with 4 starts [s], of one run and of eight; compiled before."""
    model, settings = gc.nolan_lee(), FitSettings(starts=4)
    gc.fit(model, gc.bundled_run(), FitSettings(stages=(Stage("loop open", 1, opened=1.0),), starts=1))
    one, eight = (timed(lambda runs=runs: gc.fit(model, runs, settings))
                  for runs in ([gc.bundled_run()], eight_runs()))  # fmt: skip
    return {"one_run_s": one[1], "one_run_wall_s": one[0], "eight_runs_s": eight[1], "eight_runs_wall_s": eight[0]}


def overheads() -> None:
    """Print, as JSON, what a task costs in threads and in processes [s], and the most memory of 1000 tasks [bytes]."""
    tasks, found = [(number,) for number in range(TASKS)], {}
    for kind, engine in (("threads", Engine(jobs=2)), ("processes", Engine(jobs=2, processes=True))):
        with engine:
            engine.map(nothing, tasks[:4])  # the workers start
            found[f"{kind}_s"] = timed(lambda engine=engine: engine.map(nothing, tasks))[0] / TASKS
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 2
    found["memory_bytes"] = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + workers)
    print(json.dumps(found))


def killed(repeats: int) -> dict:
    """Return how long maps take whose workers are killed [s], and how many of them had the right results."""
    tasks = [(number,) for number in range(TASKS_KILLED)]
    right = [float(np.random.default_rng(number).standard_normal()) for number, in tasks]
    walls, same = [], 0
    for _ in range(repeats):
        with Engine(jobs=2, processes=True) as engine:
            began = time.perf_counter()
            same += engine.map(fragile, tasks) == right
            walls.append(time.perf_counter() - began)
    return {"repeats": repeats, "same": same, "median_s": statistics.median(walls), "longest_s": max(walls)}


def main() -> None:
    """Measure, print the tables and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--killed", type=int, default=REPEATS_KILLED, help="Repeats with workers that are killed.")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        overheads()
        return
    before, pairs = common.machine(), starts_and_runs(options.repeats)
    child = subprocess.run([sys.executable, __file__, "--child"], capture_output=True, text=True, check=True)
    tasks = json.loads(child.stdout.splitlines()[-1])
    processor, lost = processor_times(), killed(options.killed)
    rows = [(name, f"{pair['one_s']:.2f}", f"{pair['two_s']:.2f}", f"{pair['ratio']:.2f}", "") for name, pair in
            pairs.items()]  # fmt: skip
    common.print_table("One worker and two", ("work", "one [s]", "two [s]", "ratio", ""), rows)
    common.CONSOLE.print(
        f"A task costs {1e6 * tasks['threads_s']:.0f} us in threads and {1e3 * tasks['processes_s']:.1f} ms in "
        f"processes. A white fit with 4 starts takes {processor['one_run_s']:.0f} s of processor time for one run and "
        f"{processor['eight_runs_s']:.0f} s for {RUNS}. With {100 * KILLED:.0f} % of the workers killed, "
        f"{lost['same']} of {lost['repeats']} maps were right; the longest took {lost['longest_s']:.0f} s, the median "
        f"{lost['median_s']:.1f} s."
    )
    wanted = [
        *(Target(f"{name}, one worker over two", ">=", 1.8, pair["ratio"]) for name, pair in pairs.items()),
        Target("overhead of a task in threads [s]", "<=", 0.05, tasks["threads_s"]),
        Target("overhead of a task in processes [s]", "<=", 0.05, tasks["processes_s"]),
        Target(f"memory of {TASKS} tasks [GB]", "<=", 1.5, tasks["memory_bytes"] / 1e9),
        Target(f"white fit of {RUNS} runs over one, processor time", "<=", 3.0,
               processor["eight_runs_s"] / processor["one_run_s"]),
        Target("maps with killed workers that were right [1]", ">=", 1.0, lost["same"] / max(lost["repeats"], 1)),
        Target("longest of them [s]", "<=", 60.0, lost["longest_s"]),
    ]  # fmt: skip
    common.print_targets(wanted)
    result = {
        "machine": {"before": before, "after": common.machine()},
        "versions": common.versions(PACKAGES),
        "pairs": pairs,
        "tasks": tasks,
        "processor": processor,
        "killed": lost,
    }
    common.write(options.out, "workers", result, wanted)


if __name__ == "__main__":
    main()
