"""Medians and ranges over seeds, and counts, of the results in docs/learning.json.

A result is missing if its task was not run or its data were absent; a model that failed has an infinite error.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LAWS = {
    "v17": "v17, antibody synthesis",
    "v2": "v2, lactate dehydrogenase",
    "v1 inhibition": "inhibition of v1, glycolysis, by lactate",
}
OTHERS = {" alone": "the law is the only unknown", "": "all parameters estimated too"}
"""What is known besides a law, by the ending of the name of a task."""
BLACK = {"neural-rates": "neural rates", "neural-ode": "neural ODE"}
BASELINES = ("last value", "mean of the runs", "Gaussian process", "boosted trees")
HYBRID = "neural rates"
"""The hybrid model of the open data sets: exact balances of the vessel, learned specific rates."""
WHITE_RUNS, LAW_RUNS, FEW, MANY = 4, 8, 2, 16
"""Training runs of the white model, of the learned laws, and of gray models (few) and black boxes (many) compared."""
IDENTIFIABLE = 0.8
"""A parameter is called identifiable if its posterior SD is below this part [1] of its prior SD."""
NORMAL_95 = 1.96
"""Standard errors on either side in a 95 % interval."""
WHERE = ("as tested", "extrapolation")
CHECKS = ("mass", "below zero", "backwards", "stoichiometry")
ABSENT = "no such file"
"""Part of the failure of a task whose data were not there."""
SEED = " seed "


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest value over seeds, and their number."""

    median: float
    least: float
    largest: float
    count: int


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the spread of values, None if there are none."""
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def runs_task(model: str, runs: int) -> str:
    """Return the name, without the seed, of a task on simulated runs."""
    return f"{model} {runs} runs"


def of_seeds(data: Mapping, name: str) -> dict[int, Mapping]:
    """Return the results of a task by seed, failed ones included."""
    found = {seed: data["tasks"].get(f"{name}{SEED}{seed}") for seed in data["seeds"]}
    return {seed: task for seed, task in found.items() if task is not None and ABSENT not in task.get("failed", "")}


def number(value: float | None) -> float:
    """Return the value, infinite if there is none because the model failed."""
    return value if isinstance(value, int | float) and math.isfinite(value) else math.inf


def spread(data: Mapping, name: str, key: str) -> Spread | None:
    """Return the spread over seeds of a number of a task."""
    return spread_of([number(task.get(key)) for task in of_seeds(data, name).values()])


# ------------------------------------------------------------------------------------------------- simulated runs


def models() -> dict[str, str]:
    """Return the tasks on simulated runs, and the printed name of the model."""
    return {
        "white": "white", **{f"law {law}": f"gray, {law} learned" for law in LAWS},
        **{f"black {kind}": f"black, {name}" for kind, name in BLACK.items()},
        **{f"baseline {name}": name for name in BASELINES},
    }  # fmt: skip


def curve(data: Mapping, model: str, key: str) -> dict[int, Spread]:
    """Return an error by the number of training runs."""
    found = {size: spread(data, runs_task(model, size), key) for size in data["sizes"]}
    return {size: errors for size, errors in found.items() if errors is not None}


def floor(data: Mapping) -> Spread | None:
    """Return the error [1] of the truth itself on the noisy test runs; it depends on the seed alone."""
    found: dict[int, float] = {}
    for size in data["sizes"]:
        found |= {seed: task["floor mean"] for seed, task in of_seeds(data, runs_task("white", size)).items()
                  if task.get("floor mean") is not None}  # fmt: skip
    return spread_of(list(found.values()))


def over_floor(data: Mapping, size: int) -> Spread | None:
    """Return the test error of the white model over the noise floor [1]."""
    tasks = of_seeds(data, runs_task("white", size)).values()
    ratios = [number(task.get("test mean")) / task["floor mean"] if task.get("floor mean") else math.inf
              for task in tasks]  # fmt: skip
    return spread_of(ratios)


def parameters(data: Mapping, size: int) -> list[Mapping]:
    """Return the estimates of the white model from that many runs, over all seeds."""
    return [row for task in of_seeds(data, runs_task("white", size)).values() for row in task.get("parameters", ())]


def is_identifiable(row: Mapping) -> bool:
    """Return whether the data determine an estimated parameter."""
    return row["sd ratio"] is not None and row["sd ratio"] < IDENTIFIABLE


def inside(rows: Sequence[Mapping]) -> tuple[int, int]:
    """Return how many 95 % intervals hold the truth, and of how many."""
    return sum(abs(number(row["z"])) <= NORMAL_95 for row in rows), len(rows)


def typical(data: Mapping, law: str) -> tuple[int, Mapping]:
    """Return seed and result of a law learned from `LAW_RUNS` runs, for the seed with the median error."""
    tasks = of_seeds(data, runs_task(f"law {law}", LAW_RUNS)).items()
    done = sorted((number(task.get("law error")), seed) for seed, task in tasks if "points" in task)
    seed = done[(len(done) - 1) // 2][1]
    return seed, data["tasks"][f"{runs_task(f'law {law}', LAW_RUNS)}{SEED}{seed}"]


# ------------------------------------------------------------------------------------------------- consistency


@dataclass(frozen=True)
class Counted:
    """Impossible values of one check, points examined, and points that the simulations did not reach."""

    counted: int
    of: int
    not_reached: int = 0


def consistency(data: Mapping) -> dict[str, dict[str, dict[str, Counted]]]:
    """Return the counts by model, place (`WHERE`) and check, summed over tasks."""
    found = {}
    named = {f"{task} ": title for task, title in models().items()}
    named |= {f"real {kind} ": f"{kind.replace('-', ' ')}, measured run" for kind in ("white", "gray", "neural-rates")}
    for beginning, title in named.items():
        counts = [task["consistency"] for task in _tasks(data, beginning) if "consistency" in task]
        if counts:
            found[title] = _summed(counts)
    for beginning, title in (("forward", "to day 6"), ("insilico", "in-silico"), ("umn", "three runs")):
        by_name: dict[str, list] = {}
        for task in _tasks(data, beginning):
            for name in dict.fromkeys(row["candidate"] for row in task.get("consistency", ())):
                rows = [row for row in task["consistency"] if row["candidate"] == name]
                by_name.setdefault(name, []).append(_of_rows(rows))
        found |= {f"{name}, {title}": _summed(counts) for name, counts in by_name.items()}
    return found


def _tasks(data: Mapping, beginning: str) -> list[Mapping]:
    return [task for name, task in data["tasks"].items() if name.startswith(beginning) and "failed" not in task]


def _of_rows(rows: Sequence[Mapping]) -> dict[str, dict[str, list[int]]]:
    counts: dict[str, dict[str, list[int]]] = {where: {} for where in WHERE}
    for row in rows:
        if row["failure"] or not row["check"]:
            continue
        check, where = row["check"].rsplit(", ", 1)
        before = counts[where].setdefault(check, [0, 0])
        counts[where][check] = [before[0] + row["counted"], before[1] + row["of"]]
    return counts


def _summed(counts: Sequence[Mapping]) -> dict[str, dict[str, Counted]]:
    total: dict[str, dict[str, Counted]] = {where: {} for where in WHERE}
    for entry in counts:
        near, far = (entry.get(where, {}) for where in WHERE)
        # with the same events there are as many points in the extrapolation, if its simulation reaches its end
        lost = {check: max(near[check][1] - far.get(check, (0, 0))[1], 0) for check in near}
        for where in WHERE:
            for check in near:
                counted, of = entry.get(where, {}).get(check, (0, 0))
                before = total[where].get(check, Counted(0, 0))
                total[where][check] = Counted(
                    before.counted + counted, before.of + of, before.not_reached + lost[check] * (where == WHERE[1])
                )
    return total


# ------------------------------------------------------------------------------------------------- comparisons

Errors = dict[str, dict[str, dict[str, float]]]
"""NRMSE [1] by candidate, quantity and run."""


def folded(task: Mapping) -> Errors:
    """Return the errors of a comparison, from its rows or as they are stored."""
    if isinstance(task.get("errors"), Mapping):
        return {name: {quantity: {run: number(error) for run, error in runs.items()} for quantity, runs in of.items()}
                for name, of in task["errors"].items()}  # fmt: skip
    found: Errors = {}
    for row in task.get("errors", ()):
        of = found.setdefault(row["candidate"], {}).setdefault(row["quantity"], {})
        of[row["run"]] = number(None if row["failure"] else row["nrmse"])
    return found


def compared(data: Mapping, names: Mapping[str, str]) -> dict[str, dict[int, dict[str, dict[str, float]]]]:
    """Return, by candidate and seed, the errors by quantity and run, from tasks (name without seed: candidate)."""
    found: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    for task_name, candidate in names.items():
        for seed, task in of_seeds(data, task_name).items():
            # if a comparison of several candidates failed as a whole, nothing is known of any one of them
            errors = folded(task) if "failed" not in task else {candidate: {}} if candidate else {}
            for name, of in errors.items():
                found.setdefault(name, {})[seed] = of
    return found


def forward(data: Mapping) -> dict:
    """Return the errors of the measured run after day 6."""
    return compared(data, {"forward": ""})


def open_set(data: Mapping, kind: str) -> dict:
    """Return the errors of an open data set, `insilico` or `umn`."""
    return compared(data, {f"{kind} {name}": name for name in (HYBRID, *BASELINES)})


def quantities_of(found: Mapping) -> list[str]:
    """Return the quantities of a comparison, in order."""
    return list(dict.fromkeys(name for seeds in found.values() for of in seeds.values() for name in of))


def tested_runs(found: Mapping) -> list[str]:
    """Return the predicted runs of a comparison, sorted."""
    every = (runs for seeds in found.values() for of in seeds.values() for runs in of.values())
    return sorted({run for runs in every for run in runs})


def errors_of(found: Mapping, quantity: str | None = None, run: str | None = None) -> dict[str, Spread]:
    """Return the error of each candidate over seeds, for one quantity and one run or the mean of all."""
    spreads = {name: spread_of([_mean(of, quantity, run) for of in seeds.values()]) for name, seeds in found.items()}
    return {name: errors for name, errors in spreads.items() if errors is not None}


def _mean(of: Mapping[str, Mapping[str, float]], quantity: str | None, run: str | None) -> float:
    """Return the mean error: over the runs of a quantity, then over the quantities; infinite if there is none."""
    means = [
        statistics.fmean(error for name, error in runs.items() if run in (None, name))
        for name_of, runs in of.items()
        if quantity in (None, name_of) and (run is None or run in runs)
    ]
    return statistics.fmean(means) if means else math.inf


def in_sample(data: Mapping, kind: str) -> dict[str, Spread]:
    """Return the error of each quantity of the measured run in sample, over seeds."""
    done = [task["nrmse"] for task in of_seeds(data, f"real {kind}").values() if "nrmse" in task]
    quantities = dict.fromkeys(quantity for errors in done for quantity in errors)
    spreads = {quantity: spread_of([number(errors.get(quantity)) for errors in done]) for quantity in quantities}
    return {quantity: errors for quantity, errors in spreads.items() if errors is not None}


def failures(data: Mapping) -> dict[str, str]:
    """Return a sentence for each task that failed."""
    found = {name: task["failed"] for name, task in data["tasks"].items() if "failed" in task}
    for name, task in data["tasks"].items():
        if task.get("failures"):
            found[name] = "; ".join(task["failures"])
        elif task.get("test mean", 0.0) is None:
            found[name] = "no finite prediction of every test run."
    return found


# ------------------------------------------------------------------------------------------------- thinning

_POINTS = 150
"""Points of a law that are kept of a task, for its figure."""
_DIGITS = 6


def thinned(task: Mapping) -> dict:
    """Return what tables and figures need of a result; a thin one stays as it is."""
    kept = dict(task)
    if "points" in task:
        every = max(1, math.ceil(len(task["points"]["LAC"]) / _POINTS))
        kept["points"] = {name: [float(f"{x:.4g}") for x in of[::every]] for name, of in task["points"].items()}
    if isinstance(task.get("errors"), list):
        kept["failures"] = list(dict.fromkeys(row["failure"] for row in task["errors"] if row["failure"]))
        kept["errors"] = folded(task)
        kept.pop("bands", None)  # of no table
    if "provenance" in task:
        kept["provenance"] = {name: value for name, value in task["provenance"].items() if name != "files"}
    return plain(kept)


def plain(value):
    """Return plain data with numbers to six digits, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
