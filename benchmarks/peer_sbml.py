"""Run the time courses of the SBML Test Suite through graycell: import, model, simulation, against its own results.

The suite is not shipped. Each case either agrees with its results within its own tolerances, or is refused with a
reason; anything else is wrong, and the exit code is 1.
"""

import argparse
import csv
import json
import multiprocessing
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from graycell.compiling import compile_quickly
from graycell.storage import write_whole

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT.parent / "shared" / "peers" / "sbml-semantic"
TARGETS = {"simple": 980, "event": 170}
"""Cases that should agree, by kind: without events, and with events that have no delay."""
RTOL, ATOL_SHARE = 1e-7, 0.01
"""[1] Relative tolerance of the solver, and its absolute one as part of the case's: far below what cases ask for."""
CASES_PER_PROCESS = 60
"""A process that has compiled much reaches the limit of memory mappings of Linux."""
Job = tuple[str, str, str]
"""Folder of the suite, number and kind of a case."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        case: number of the case.
        kind: simple or event.
        verdict: passed, refused or wrong.
        reason: why it was refused, or what is wrong.
        seconds: [s] from the file to the comparison.
    """

    case: str
    kind: str
    verdict: str
    reason: str
    seconds: float


@dataclass(frozen=True)
class Settings:
    """The settings of a case.

    Attributes:
        times: at which there are results.
        variables: ids, in the order of the columns.
        concentrations: ids of the species whose concentrations are asked for.
        absolute, relative: tolerances.
    """

    times: np.ndarray
    variables: tuple[str, ...]
    concentrations: tuple[str, ...]
    absolute: float
    relative: float


def settings_of(path: Path) -> Settings:
    """Return the settings of a case.

    Args:
        path: its settings.txt.

    Returns:
        The settings.
    """
    words = dict(line.partition(":")[::2] for line in path.read_text().splitlines())
    words = {key.strip(): value.strip() for key, value in words.items()}

    def names(key: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in words[key].split(",") if part.strip())

    steps = int(words["steps"])
    times = float(words["start"]) + float(words["duration"]) * np.arange(steps + 1) / steps
    return Settings(
        times, names("variables"), names("concentration"), float(words["absolute"]), float(words["relative"])
    )


def simulated(folder: Path, settings: Settings) -> np.ndarray:
    """Return what graycell computes for a case.

    Args:
        folder: of the case.
        settings: of the case.

    Returns:
        (times, variables)

    Raises:
        graycell.errors.GraycellError: where it refuses the case.
    """
    import graycell as gc
    from graycell.exchange.reading import imported
    from graycell.modelfiles import build, model_file_text, parse_model_file
    from graycell.modelfiles.content import FormulaEntry

    found = imported((folder / "model.xml").read_bytes(), "model.xml")
    formulas = [
        found.amounts[name] if name in found.amounts and name not in settings.concentrations else found.values[name]
        for name in settings.variables
    ]
    shown = {f"shown_{i}": FormulaEntry(formula) for i, formula in enumerate(formulas)}
    file = replace(found.file, observables=shown)
    file = parse_model_file(model_file_text(file))  # what a user would keep of it
    model = build(file)
    run = gc.CultureRun(folder.name, 1.0, {}, end=float(settings.times[-1]))
    solver = gc.SolverSettings(rtol=RTOL, atol=ATOL_SHARE * settings.absolute, most_steps=200_000)
    trajectory = gc.simulate(model, run, solver, save_at=settings.times, throw=True)
    return np.stack([np.asarray(trajectory[name]) for name in shown], axis=1)


def agreement(found: np.ndarray, wanted: np.ndarray, settings: Settings) -> str:
    """Return what disagrees.

    Args:
        found: (times, variables)
        wanted: (times, variables)
        settings: with the tolerances.

    Returns:
        The first disagreement in words; "" where there is none.
    """
    if found.shape != wanted.shape:
        return f"{found.shape} values in place of {wanted.shape}"
    with np.errstate(invalid="ignore"):
        near = np.abs(found - wanted) <= settings.absolute + settings.relative * np.abs(wanted)
    near |= (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    if near.all():
        return ""
    i, j = np.argwhere(~near)[0]
    return f"{settings.variables[j]} at {settings.times[i]:g}: {found[i, j]:.8g} in place of {wanted[i, j]:.8g}"


def run_case(job: Job) -> Outcome:
    """Run one case.

    Args:
        job: folder of the suite, number and kind of the case.

    Returns:
        What became of it.
    """
    from graycell.errors import GraycellError, InputError

    suite, case, kind = job
    began, folder = time.perf_counter(), Path(suite) / case
    try:
        settings = settings_of(folder / "settings.txt")
        rows = [row for row in csv.reader((folder / "results.csv").open()) if row]
        wanted = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
        disagreement = agreement(simulated(folder, settings), wanted, settings)
        verdict, reason = ("wrong", disagreement) if disagreement else ("passed", "")
    except InputError as error:
        first = error.findings[0]
        verdict, reason = "refused", f"{first.found}; {first.needed}"
    except GraycellError as error:
        verdict, reason = "refused", str(error).splitlines()[0]
    except Exception as error:  # noqa: BLE001  an unexpected error is as bad as a wrong number
        verdict, reason = "wrong", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Outcome(case, kind, verdict, reason, time.perf_counter() - began)


def send_outcomes(jobs: list[Job], channel: Connection) -> None:
    """Run cases one after the other in a process of their own.

    Args:
        jobs: see `run_case`.
        channel: to which each outcome is sent.
    """
    for job in jobs:
        channel.send(run_case(job))


def outcomes(jobs: list[Job], processes: int) -> Iterator[Outcome]:
    """Yield what becomes of each case; a case that ends its process is wrong, and the others of its batch run again.

    Args:
        jobs: see `run_case`.
        processes: how many run at once.
    """
    context = multiprocessing.get_context("spawn")
    waiting = [jobs[i : i + CASES_PER_PROCESS] for i in range(0, len(jobs), CASES_PER_PROCESS)]
    running: dict[Connection, tuple[multiprocessing.Process, list[Job]]] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            batch = waiting.pop(0)
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=send_outcomes, args=(batch, theirs), daemon=True)
            process.start()
            theirs.close()
            running[ours] = process, batch
        for channel in wait(list(running)):
            process, batch = running[channel]
            try:
                yield channel.recv()
                del batch[0]
            except EOFError:
                process.join()
                del running[channel]
                if batch:
                    _, case, kind = batch[0]
                    yield Outcome(case, kind, "wrong", f"it ended the process, exit code {process.exitcode}", 0.0)
                    waiting += [batch[1:]] if batch[1:] else []


def report(found: list[Outcome], seconds: float) -> dict[str, Any]:
    """Print what became of the cases and return it as data.

    Args:
        found: the outcomes.
        seconds: [s] of the whole.

    Returns:
        Counts, refusals and outcomes.
    """
    counts = {kind: Counter(one.verdict for one in found if one.kind == kind) for kind in TARGETS}
    for kind, count in counts.items():
        if count:
            words = ", ".join(f"{count[verdict]} {verdict}" for verdict in ("passed", "refused", "wrong"))
            print(f"{kind}: {words} of {sum(count.values())}; at least {TARGETS[kind]} should pass")
    refused = defaultdict(list)
    for one in found:
        if one.verdict == "refused":
            refused[one.reason].append(one.case)
    for reason, cases in sorted(refused.items(), key=lambda pair: -len(pair[1])):
        print(f"refused {len(cases)}: {reason} [{', '.join(sorted(cases)[:5])}{', ...' if len(cases) > 5 else ''}]")
    for one in found:
        if one.verdict == "wrong":
            print(f"wrong {one.case}: {one.reason}")
    print(f"{len(found)} cases in {seconds:.0f} s")
    return {"seconds": seconds, "counts": {kind: dict(count) for kind, count in counts.items()},
            "cases": [asdict(one) for one in sorted(found, key=lambda one: one.case)]}  # fmt: skip


def main() -> int:
    """Run the cases that are asked for.

    Returns:
        The exit code: 1 where a case is wrong.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=Path, default=SUITE, help="folder with cases.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "peer-sbml", help="folder for the results")
    parser.add_argument("--cases", nargs="*", help="numbers of cases; all if left out")
    parser.add_argument("--kind", choices=tuple(TARGETS), help="only these")
    parser.add_argument("--every", type=int, default=1, help="only each n-th case")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    if not (given.suite / "cases.csv").exists():
        print(f"skipped: {given.suite} has no cases.csv; give the folder of the SBML Test Suite with --suite.")
        return 0
    compile_quickly(optimise=False)
    with (given.suite / "cases.csv").open() as file:
        listed = list(csv.DictReader(file))
    jobs = [(str(given.suite), row["case"], row["kind"]) for row in listed if given.kind in (None, row["kind"])]
    jobs = [job for job in jobs if not given.cases or job[1] in given.cases][:: given.every]
    began, found = time.perf_counter(), []
    for one in outcomes(jobs, given.processes):
        found.append(one)
        if one.verdict == "wrong" or len(found) % 100 == 0:
            so_far = f"{len(found)} of {len(jobs)}, {time.perf_counter() - began:.0f} s"
            print(f"{so_far}: {one.case} {one.verdict} {one.reason}", flush=True)
    results = report(found, time.perf_counter() - began)
    write_whole(given.out / "sbml.json", json.dumps(results, indent=1))
    return 1 if any(one.verdict == "wrong" for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
