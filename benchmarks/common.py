"""What the benchmarks share: timing, the machine, targets, tables, JSON."""

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table
from rich.text import Text

import graycell as gc  # noqa: F401  it turns float64 on, and nothing may be traced before

CONSOLE = Console(width=140)


@dataclass(frozen=True)
class Timing:
    """Seconds of one call. compile_s: what the first call took above the others; run_s: median of the others."""

    compile_s: float
    run_s: float
    fastest_s: float
    slowest_s: float
    repeats: int


@dataclass(frozen=True)
class Target:
    """What the project wants of a number, and what was measured. `sense` is '<=' or '>='."""

    name: str
    sense: str
    target: float
    measured: float

    @property
    def met(self) -> bool:
        """Whether the target is met; nan, a number that could not be measured, never is."""
        return self.measured <= self.target if self.sense == "<=" else self.measured >= self.target


def seconds(call: Callable) -> float:
    """Return how long one call takes [s], its arrays being ready."""
    began = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - began


def measure(calls: Mapping[str, Callable], repeats: int) -> dict[str, Timing]:
    """Time calls that take no arguments, in turns: what else the machine does then falls on all of them alike."""
    first = {name: seconds(call) for name, call in calls.items()}
    runs: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            runs[name].append(seconds(call))
    return {
        name: Timing(max(first[name] - statistics.median(r), 0.0), statistics.median(r), min(r), max(r), repeats)
        for name, r in runs.items()
    }


def attempt(prepare: Callable[[], Callable]) -> tuple[Callable | None, str]:
    """Return what a peer's `prepare` returns and '', or None and why there is none. The call is tried once."""
    try:
        call = prepare()
        jax.block_until_ready(call())
    except ImportError as error:
        return None, f"not installed ({error.name or error})"
    except Exception as error:  # noqa: BLE001  whatever ails a peer, the other rows are wanted
        return None, f"failed: {type(error).__name__}: {' '.join(str(error).split())}"[:70]
    return call, ""


def machine() -> dict:
    """Return the processor, its cores, the load now and the devices of JAX."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else "unknown",
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "devices": [str(device) for device in jax.devices()],
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each package, or 'not installed'."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all but the first and the last column are numbers."""
    table = Table(title=title, title_justify="left")
    for k, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if k in (0, len(columns) - 1) else "right")
    for row in rows:
        table.add_row(*map(Text, row))  # [s] and [ms] are units, not markup
    CONSOLE.print(table)


def print_targets(targets: Sequence[Target]) -> None:
    """Print what is wanted beside what was measured."""
    rows = [(t.name, f"{t.sense} {t.target:g}", f"{t.measured:.3g}", "yes" if t.met else "no") for t in targets]
    print_table("Targets", ("what", "wanted", "measured", "met"), rows)


def write(folder: Path, name: str, result: dict, targets: Sequence[Target]) -> None:
    """Write a result with its targets as JSON, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    wanted = [{**asdict(target), "met": target.met} for target in targets]
    path.write_text(json.dumps({**result, "targets": wanted}, indent=1), encoding="utf-8")
    CONSOLE.print(f"Written to {path}")
