"""What a user waits for: commands and `import graycell`, cold and warm, and beside them those of another checkout.

Each is a process of its own, timed from its start to its end. Cold: with an empty folder for Python's bytecode and an
empty one for what JAX compiles; warm: with the folders that the cold process left, the median of some repeats. With
`--before`, the path of another checkout of graycell (`git worktree add ../before HEAD~1`), its commands are timed in
turns with these, in the same environment: what else the machine does falls on both alike.

    python benchmarks/to_the_touch.py --before ../before --out results/bench
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import common
from common import Target

PACKAGES = ("graycell", "typer", "rich", "numpy", "pint", "jax", "jaxlib", "diffrax", "equinox")
HERE = Path(__file__).resolve().parents[1]
RUN = Path("src", "graycell", "runs", "bundled", "nolan-lee-2011-cell-line-a")
CALLS = {
    "import graycell": ("-c", "import graycell"),
    "graycell --help": ("-m", "graycell.cli", "--help"),
    "graycell --version": ("-m", "graycell.cli", "--version"),
    "graycell fit --help": ("-m", "graycell.cli", "fit", "--help"),
    "graycell check RUN": ("-m", "graycell.cli", "check", str(RUN)),
    "graycell simulate RUN": ("-m", "graycell.cli", "simulate", str(RUN)),
}
"""Arguments of Python by what a user types; each starts in the folder of its checkout. RUN is the bundled run."""
WANTED = {"graycell --help": 0.3, "graycell --version": 0.3, "graycell check RUN": 2.0, "graycell simulate RUN": 3.0}
"""[s] Warm."""
FIRST_SIMULATION = 15.0
"""[s]"""


@dataclass(frozen=True)
class Row:
    """One call in one checkout: seconds of the first process and of each one after it; why there are none."""

    call: str
    cold_s: float
    warm_s: tuple[float, ...]
    fault: str = ""

    @property
    def median_s(self) -> float:
        """Median of the warm processes [s]; nan if the call fails."""
        return statistics.median(self.warm_s) if self.warm_s else float("nan")


def seconds(checkout: Path, arguments: tuple[str, ...], folder: Path) -> tuple[float, str]:
    """Return how long one process takes [s], and the last words of its errors if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
                   "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
                   "GRAYCELL_CACHE": str(folder / "kept"), "JAX_PLATFORMS": "cpu",
                   "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}  # fmt: skip
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True)
    took = time.perf_counter() - began
    said = [line.strip("│ ") for line in done.stderr.splitlines() if any(map(str.isalpha, line))]
    return took, "" if done.returncode == 0 else (said or ["failed"])[-1][:40]


def timed(checkouts: dict[str, Path], call: str, repeats: int) -> dict[str, Row]:
    """Return the times of a call in each checkout, taken in turns."""
    with tempfile.TemporaryDirectory() as place:
        folders = {name: Path(place, name) for name in checkouts}
        first = {name: seconds(path, CALLS[call], folders[name]) for name, path in checkouts.items()}
        rest: dict[str, list[float]] = {name: [] for name in checkouts}
        for _ in range(repeats):
            for name, path in checkouts.items():
                if not first[name][1]:
                    rest[name].append(seconds(path, CALLS[call], folders[name])[0])
    return {name: Row(call, first[name][0], tuple(rest[name]), first[name][1]) for name in checkouts}


def cells(row: Row | None) -> tuple[str, str]:
    """Return a row as the cells of a table: cold and warm [s]."""
    if row is None or row.fault:
        return "", "" if row is None else "no"
    return f"{row.cold_s:.2f}", f"{row.median_s:.2f}"


def main() -> None:
    """Time, print the table and the targets, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="another checkout of graycell, to compare with")
    parser.add_argument("--repeats", type=int, default=5, help="warm processes of each call")
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    options = parser.parse_args()
    checkouts = {"now": HERE}
    if options.before is not None:
        if not (options.before / "src" / "graycell").is_dir():
            parser.error(f"{options.before}: found no src/graycell; the path of a checkout is needed")
        checkouts["before"] = options.before.resolve()
    machine = common.machine()
    found = {call: timed(checkouts, call, options.repeats) for call in CALLS}
    heads = ("what", "cold [s]", "warm [s]", "before: cold [s]", "before: warm [s]", "before / now, warm", "")
    table = []
    for call, rows in found.items():
        before = rows.get("before")
        times = "" if before is None or before.fault else f"{before.median_s / rows['now'].median_s:.1f}"
        table.append((call, *cells(rows["now"]), *cells(before), times, "; ".join(
            f"{name}: {row.fault}" for name, row in rows.items() if row.fault)))  # fmt: skip
    common.print_table("To the touch", heads, table)
    wanted = [Target(f"{call}, warm [s]", "<=", most, found[call]["now"].median_s) for call, most in WANTED.items()]
    wanted.append(Target("graycell simulate RUN, cold [s]", "<=", FIRST_SIMULATION,
                         found["graycell simulate RUN"]["now"].cold_s))  # fmt: skip
    common.print_targets(wanted)
    rows = {call: {name: {"cold_s": row.cold_s, "warm_s": row.warm_s, "median_s": row.median_s, "fault": row.fault}
                   for name, row in rows.items()} for call, rows in found.items()}  # fmt: skip
    result = {"machine": {"before": machine, "after": common.machine()}, "versions": common.versions(PACKAGES),
              "compared": "before" in checkouts, "rows": rows}  # fmt: skip
    common.write(options.out, "to-the-touch", result, wanted)


if __name__ == "__main__":
    main()
