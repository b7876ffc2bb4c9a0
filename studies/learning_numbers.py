"""What docs/learning.json says: medians and ranges over seeds, counts and verdicts. No sentence is written here.

A task that is absent counts for nothing, and how many seeds there are is always told. A task whose model failed counts
as an error without bound; one whose data were not there as absent.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LAWS = {
    "v17": "v17, antibody synthesis",
    "v2": "v2, lactate dehydrogenase",
    "v1 inhibition": "inhibition of v1, glycolysis, by lactate",
}
OTHERS = {" alone": "the law the only unknown", "": "all parameters estimated too"}
"""What is known beside a law, by what the names of tasks say."""
BLACK = {"specific-rates": "specific rates", "evolution": "evolution"}
BASELINES = ("last value", "mean of the runs", "Gaussian process", "boosted trees")
HYBRID = "specific rates"
"""The candidate of the open data sets: exact balances of the vessel, learned rates."""
WHITE_RUNS, LAW_RUNS, FEW, MANY = 4, 8, 2, 16
"""Training runs at which was asked about the white model, about a law, and about gray with few and black with many."""
IDENTIFIABLE = 0.8
"""A parameter counts as identifiable if its prior ratio [1] is below."""
NORMAL_95 = 1.96
"""Standard errors on either side in a 95 % interval."""
ASKED_COVERAGE, ASKED_LAW, ASKED_SAMPLE, ASKED_SECONDS = 0.9, 0.05, 0.05, 600.0
AT_FLOOR = 1.1
"""An error is at the noise floor up to this part [1]: squares add, so the model's own is then below half of it."""
WHERE = ("as tested", "far outside")
CHECKS = ("mass", "below zero", "backwards", "stoichiometry")
ABSENT = "no such file"
"""In the failure of a task whose data were not there."""
SEED = " seed "


@dataclass(frozen=True)
class Spread:
    """Values over seeds: median, least, largest, and how many."""

    median: float
    least: float
    largest: float
    count: int


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the spread of values; None of none."""
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), len(values))


def runs_task(model: str, runs: int) -> str:
    """Return the name, without the seed, of a task on simulated runs."""
    return f"{model} {runs} runs"


def of_seeds(data: Mapping, name: str) -> dict[int, Mapping]:
    """Return the tasks of a name, by seed, that were done, failed ones included."""
    done = {seed: data["tasks"].get(f"{name}{SEED}{seed}") for seed in data["seeds"]}
    return {seed: one for seed, one in done.items() if one is not None and ABSENT not in one.get("failed", "")}


def number(value: float | None) -> float:
    """Return the value; infinite if there is none, for then the model failed."""
    return value if isinstance(value, int | float) and math.isfinite(value) else math.inf


def values(data: Mapping, name: str, key: str) -> dict[int, float]:
    """Return a number of the tasks of a name, by seed."""
    return {seed: number(one.get(key)) for seed, one in of_seeds(data, name).items()}


def spread(data: Mapping, name: str, key: str) -> Spread | None:
    """Return the spread over seeds of a number of the tasks of a name."""
    return spread_of(list(values(data, name, key).values()))


def range_of(data: Mapping, kind: str, quantity: str) -> float | None:
    """Return the range of a quantity in the runs of an open data set, in its unit."""
    ranges = (one.get("ranges", {}).get(quantity) for one in tasks_of_kind(data, f"{kind} "))
    return next((one for one in ranges if one is not None), None)


def met(data: Mapping, by_seed: Mapping[int, bool]) -> str:
    """Return the verdict over seeds in a word or few."""
    if not by_seed:
        return "not trained"
    wanted, good = len(data["seeds"]), sum(by_seed.values())
    if good == len(by_seed) == wanted:
        return "yes"
    if good == len(by_seed):
        return f"yes, in the {good} of {wanted} seeds that are trained"
    missing = "" if len(by_seed) == wanted else f", {wanted - len(by_seed)} not trained"
    return (f"no{missing}" if good == 0 else f"in {good} of {len(by_seed)} seeds{missing}")  # fmt: skip


# ------------------------------------------------------------------------------------------------- simulated runs


def models() -> dict[str, str]:
    """Return the names of tasks on simulated runs, and how the page calls the model."""
    return {
        "white": "white", **{f"law {law}": f"gray, {law} learned" for law in LAWS},
        **{f"black {kind}": f"black, {name}" for kind, name in BLACK.items()},
        **{f"baseline {name}": name for name in BASELINES},
    }  # fmt: skip


def curve(data: Mapping, model: str, key: str) -> dict[int, Spread]:
    """Return an error by the number of training runs."""
    found = {size: spread(data, runs_task(model, size), key) for size in data["sizes"]}
    return {size: one for size, one in found.items() if one is not None}


def floor(data: Mapping) -> Spread | None:
    """Return the error [1] of the truth itself on the noisy test runs; it hangs on the seed alone."""
    found: dict[int, float] = {}
    for size in data["sizes"]:
        found |= {seed: one["floor mean"] for seed, one in of_seeds(data, runs_task("white", size)).items()
                  if one.get("floor mean") is not None}  # fmt: skip
    return spread_of(list(found.values()))


def over_floor(data: Mapping, size: int) -> dict[int, float]:
    """Return the test error of the white model over the noise floor [1], by seed."""
    return {seed: number(one.get("test mean")) / one["floor mean"] if one.get("floor mean") else math.inf
            for seed, one in of_seeds(data, runs_task("white", size)).items()}  # fmt: skip


def parameters(data: Mapping, size: int) -> list[Mapping]:
    """Return what the white model estimated from so many runs, over all seeds."""
    return [row for one in of_seeds(data, runs_task("white", size)).values() for row in one.get("parameters", ())]


def is_identifiable(row: Mapping) -> bool:
    return row["prior ratio"] is not None and row["prior ratio"] < IDENTIFIABLE


def inside(rows: Sequence[Mapping]) -> tuple[int, int]:
    """Return how many intervals hold the truth, and of how many."""
    return sum(abs(number(row["z"])) <= NORMAL_95 for row in rows), len(rows)


def coverage(data: Mapping, size: int) -> tuple[int, int]:
    """Return how many 95 % intervals of identifiable parameters hold the truth, and of how many, over all seeds."""
    return inside([row for row in parameters(data, size) if is_identifiable(row)])


def better_black(data: Mapping, size: int, key: str = "test mean") -> dict[int, float]:
    """Return the least error of the black boxes from so many runs, by seed, where all of them were trained."""
    by_kind = [values(data, runs_task(f"black {kind}", size), key) for kind in BLACK]
    seeds = [seed for seed in data["seeds"] if all(seed in one for one in by_kind)]
    return {seed: min(one[seed] for one in by_kind) for seed in seeds}


def few_against_many(data: Mapping, law: str, other: str = "") -> dict[int, bool]:
    """Return, by seed, whether a gray model with few runs errs no more than the better black box with many.

    other: one of `OTHERS`.
    """
    black = better_black(data, MANY)
    gray = values(data, runs_task(f"law {law}{other}", FEW), "test mean")
    return {seed: error <= black[seed] and math.isfinite(error) for seed, error in gray.items() if seed in black}


def typical(data: Mapping, law: str) -> tuple[int, int, Mapping] | None:
    """Return runs, seed and task of a law: from 8 runs or the nearest to it, the seed in the middle by its error."""
    for size in sorted(data["sizes"], key=lambda one: (abs(one - LAW_RUNS), one)):
        trained = of_seeds(data, runs_task(f"law {law}", size)).items()
        done = [(number(one.get("law error")), seed) for seed, one in trained if "points" in one]
        if done:
            seed = sorted(done)[(len(done) - 1) // 2][1]
            return size, seed, data["tasks"][f"{runs_task(f'law {law}', size)}{SEED}{seed}"]
    return None


# ------------------------------------------------------------------------------------------------- consistency


@dataclass(frozen=True)
class Counted:
    """Faults of one check: `counted` of `of` places, and how many places were not reached by the simulations."""

    counted: int
    of: int
    not_reached: int = 0


def tasks_of_kind(data: Mapping, beginning: str) -> list[Mapping]:
    """Return the tasks that were done whose name begins so."""
    return [one for name, one in data["tasks"].items() if name.startswith(beginning) and "failed" not in one]


def consistency(data: Mapping) -> dict[str, dict[str, dict[str, Counted]]]:
    """Return the counts by model, place and check, summed over tasks."""
    found = {}
    for beginning, title in models().items():
        counts = [one["consistency"] for one in tasks_of_kind(data, f"{beginning} ") if "consistency" in one]
        if counts:
            found[title] = _summed(counts)
    for kind, title in (("white", "white"), ("gray", "gray"), ("specific-rates", "specific rates")):
        counts = [one["consistency"] for one in tasks_of_kind(data, f"real {kind} ") if "consistency" in one]
        if counts:
            found[f"{title}, measured run"] = _summed(counts)
    for beginning, title in (("forward", "to day 6"), ("insilico", "in-silico"), ("umn", "three runs")):
        by_name: dict[str, list] = {}
        for one in tasks_of_kind(data, beginning):
            for name in dict.fromkeys(row["candidate"] for row in one.get("consistency", ())):
                rows = [row for row in one["consistency"] if row["candidate"] == name]
                by_name.setdefault(name, []).append(_of_rows(rows))
        found |= {f"{name}, {title}": _summed(counts) for name, counts in by_name.items()}
    return found


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
    for one in counts:
        near, far = (one.get(where, {}) for where in WHERE)
        # with the same events there are as many points far outside, if the simulation gets to its end
        lost = {check: max(near[check][1] - far.get(check, (0, 0))[1], 0) for check in near}
        for where in WHERE:
            for check in near:
                counted, of = one.get(where, {}).get(check, (0, 0))
                before = total[where].get(check, Counted(0, 0))
                total[where][check] = Counted(
                    before.counted + counted, before.of + of, before.not_reached + lost[check] * (where == WHERE[1])
                )
    return total


def faults(found: Mapping[str, Mapping], is_meant: Callable[[str], bool]) -> dict[str, Counted]:
    """Return all faults of some models together, by place."""
    rows = {title: of for title, of in found.items() if is_meant(title)}
    return {
        where: Counted(*(sum(getattr(one, field) for of in rows.values() for one in of[where].values())
                         for field in ("counted", "of", "not_reached")))
        for where in WHERE
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------- comparisons

Errors = dict[str, dict[str, dict[str, float]]]
"""NRMSE [1] by candidate, quantity and run."""


def folded(task: Mapping) -> Errors:
    """Return the errors of a comparison, from its rows or as they are stored."""
    if isinstance(task.get("errors"), Mapping):
        return {name: {quantity: {run: number(one) for run, one in runs.items()} for quantity, runs in of.items()}
                for name, of in task["errors"].items()}  # fmt: skip
    found: Errors = {}
    for row in task.get("errors", ()):
        of = found.setdefault(row["candidate"], {}).setdefault(row["quantity"], {})
        of[row["run"]] = number(None if row["failure"] else row["nrmse"])
    return found


def compared(data: Mapping, names: Mapping[str, str]) -> dict[str, dict[int, dict[str, dict[str, float]]]]:
    """Return, by candidate and seed, the errors by quantity and run, from the tasks of these names (without seed)."""
    found: dict[str, dict[int, dict[str, dict[str, float]]]] = {}
    for task, candidate in names.items():
        for seed, one in of_seeds(data, task).items():
            # a comparison of several that failed as a whole says nothing of any one
            errors = folded(one) if "failed" not in one else {candidate: {}} if candidate else {}
            for name, of in errors.items():
                found.setdefault(name, {})[seed] = of
    return found


def forward(data: Mapping) -> dict:
    """Return the errors of the measured run after day 6."""
    return compared(data, {"forward": ""})


def open_set(data: Mapping, kind: str) -> dict:
    """Return the errors of an open data set, `insilico` or `umn`."""
    return compared(data, {f"{kind} {name}": name for name in (HYBRID, *BASELINES)})


def mean_of(of: Mapping[str, Mapping[str, float]], quantity: str | None = None, run: str | None = None) -> float:
    """Return the mean error of a candidate: over the runs of a quantity, then over the quantities; infinite of none."""
    means = [
        statistics.fmean(value for name, value in runs.items() if run in (None, name))
        for one, runs in of.items()
        if quantity in (None, one) and (run is None or run in runs)
    ]
    return statistics.fmean(means) if means else math.inf


def quantities_of(found: Mapping) -> list[str]:
    """Return the quantities of a comparison, in order."""
    return list(dict.fromkeys(one for seeds in found.values() for of in seeds.values() for one in of))


def tested_runs(found: Mapping) -> list[str]:
    """Return the runs that a comparison predicted, in order."""
    every = (runs for seeds in found.values() for of in seeds.values() for runs in of.values())
    return sorted({run for runs in every for run in runs})


def errors_of(found: Mapping, quantity: str | None = None, run: str | None = None) -> dict[str, Spread]:
    """Return the error of each candidate over seeds."""
    spreads = {name: spread_of([mean_of(of, quantity, run) for of in seeds.values()]) for name, seeds in found.items()}
    return {name: one for name, one in spreads.items() if one is not None}


def below_all(found: Mapping, name: str, rivals: Sequence[str], quantity: str | None = None) -> dict[int, bool]:
    """Return, by seed, whether a candidate errs less than every rival; a seed counts if all of them were trained."""
    if name not in found or any(rival not in found for rival in rivals):
        return {}
    seeds = [seed for seed in found[name] if all(seed in found[rival] for rival in rivals)]
    return {
        seed: mean_of(found[name][seed], quantity) < min(mean_of(found[rival][seed], quantity) for rival in rivals)
        for seed in seeds
    }


def least(errors: Mapping[str, Spread], names: Sequence[str]) -> str | None:
    """Return which of the names has the least median error."""
    known = [name for name in names if name in errors]
    return min(known, key=lambda name: errors[name].median) if known else None


# ------------------------------------------------------------------------------------------------- the measured run


def in_sample(data: Mapping, kind: str) -> dict[str, Spread]:
    """Return the error of each quantity in sample, over seeds."""
    done = [one["nrmse"] for one in of_seeds(data, f"real {kind}").values() if "nrmse" in one]
    quantities = dict.fromkeys(quantity for one in done for quantity in one)
    spreads = {quantity: spread_of([number(one.get(quantity)) for one in done]) for quantity in quantities}
    return {quantity: one for quantity, one in spreads.items() if one is not None}


# ------------------------------------------------------------------------------------------------- what is there


def failures(data: Mapping) -> dict[str, str]:
    """Return what failed, a sentence for each task."""
    found = {name: one["failed"] for name, one in data["tasks"].items() if "failed" in one}
    for name, one in data["tasks"].items():
        rows = one["errors"] if isinstance(one.get("errors"), list) else []
        told = [*one.get("failures", ()), *(row["failure"] for row in rows if row["failure"])]
        if told:
            found[name] = "; ".join(dict.fromkeys(told))
        elif one.get("test mean", 0.0) is None:
            found[name] = "no finite prediction of every test run."
    return found


def seconds(data: Mapping) -> list[float]:
    """Return the times [s] of all tasks that tell theirs: of the whole task if it is known, else of its fit."""
    return [one.get("took", one.get("seconds")) for one in data["tasks"].values() if "took" in one or "seconds" in one]


def codes(data: Mapping) -> dict[str, int]:
    """Return the hashes of the code that the tasks tell, and of how many."""
    told = [one.get("provenance", {}).get("code") or one.get("code") for one in data["tasks"].values()]
    return {code: told.count(code) for code in dict.fromkeys(told) if code}


FIGURES = ("laws", "intervals", "curves", "measured", "insilico", "umn")


def figures(data: Mapping) -> list[str]:
    """Return the names of the figures that there are numbers for."""
    there = {
        "laws": any(typical(data, law) for law in LAWS),
        "intervals": bool(parameters(data, WHITE_RUNS)),
        "curves": any(curve(data, model, "test against truth mean") for model in models()),
        "measured": bool(forward(data)),
        "insilico": bool(quantities_of(open_set(data, "insilico"))),
        "umn": bool(quantities_of(open_set(data, "umn"))),
    }
    return [name for name in FIGURES if there[name]]


# ------------------------------------------------------------------------------------------------- thinning

_POINTS = 150
"""Points of a law that are kept of a task, for its figure."""
_DIGITS = 6


def thinned(task: Mapping) -> dict:
    """Return a task with what the page needs and no more; a task that is thin stays as it is."""
    kept = dict(task)
    if "points" in task:
        every = max(1, math.ceil(len(task["points"]["LAC"]) / _POINTS))
        kept["points"] = {name: [float(f"{one:.4g}") for one in of[::every]] for name, of in task["points"].items()}
    if isinstance(task.get("errors"), list):
        kept["failures"] = list(dict.fromkeys(row["failure"] for row in task["errors"] if row["failure"]))
        kept["errors"] = folded(task)
    if "provenance" in task:
        kept["provenance"] = {name: one for name, one in task["provenance"].items() if name != "files"}
    return plain(kept)


def plain(one):
    """Return plain data with numbers to six digits, and null for what is not finite."""
    if isinstance(one, Mapping):
        return {str(name): plain(value) for name, value in one.items()}
    if isinstance(one, list | tuple):
        return [plain(value) for value in one]
    if isinstance(one, float):
        return float(f"{one:.{_DIGITS}g}") if math.isfinite(one) else None
    return one
