"""The coverage study: how often the bands of `graycell predict` hold, and how wide and right they are.

    python studies/coverage_study.py                  write the tables from docs/coverage.json, and print them
    python studies/coverage_study.py --retrain        first compute what results/coverage does not hold yet
    python studies/coverage_study.py --retrain --only plant,real      some tasks alone; --part 1/2 one of two shares

Tasks: twenty truths, each the model nolan-lee-extended-limited with other parameters, eight training and sixteen test
runs with 5 % noise; some of these with their model, fitted, among the candidates; the designed runs of
insilico-fed-batch (MIT, Tim-Lin); the plant of hybrid-bioprocess-lab (MIT, lynchaos) with its own splits; and measured
runs, each left out in turn, unknown or with the first third of its samples known. Else the candidates are those of
`graycell predict` by default. Files that are not part of the project lie in ../shared; a task whose files are absent is
left out. A task writes one JSON file, so that computing can be interrupted and divided.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_data
import pandas as pd
from plain_tables import markdown

import graycell as gc
from graycell.comparison.band_scores import clopper_pearson
from graycell.comparison.baselines import GaussianProcess, MeanOfRuns
from graycell.comparison.splits import known_of
from graycell.insilico import Design, generate
from graycell.prediction import MIXTURE, Forecaster, LearnedRates, MeanRates, default_candidates
from graycell.runs.records import VCD, VIABILITY, CultureRun, Feed, Measurement
from graycell.versions import hash_of_code, where_it_ran

ROOT = Path(__file__).parent.parent
RESULTS, STORED, TABLES = ROOT / "results/coverage", ROOT / "docs/coverage.json", ROOT / "results/coverage/tables.md"
SHARED = open_data.DATA.parent
TRUTH, TRUTHS, TRAINING, TEST = "nolan-lee-extended-limited", 20, 8, 16
SPREAD = 0.15
"""[1] Standard deviation of the logarithm of a true parameter around the published one."""
SEEDS, BATCHES, TESTED = (7, 17, 29), {7: 18, 17: 12, 29: 12}, {7: 4, 17: 3, 29: 3}
"""The splits of hybrid-bioprocess-lab: the figure of its README (seed 7), and its study."""
LEVEL = 0.9
FITTED = 4
"""To how many of the truths their own model is fitted, as one more candidate."""
DESIGNED = 20
"""Runs of insilico-fed-batch that are learned from, and as many that are predicted."""
CANDIDATES = (MeanOfRuns(), MeanRates(), LearnedRates(), GaussianProcess())


def scored(
    train: Sequence[CultureRun],
    tests: Sequence[CultureRun],
    share: float | None = None,
    models: Sequence[str] = (),
    forecaster: Forecaster | None = None,
) -> list[dict]:
    """Return how test runs are predicted: errors, coverage and widths, one row for each run and quantity.

    share: part of the sample times of a test run that is known; models: that are fitted too; forecaster: already
    trained.
    """
    forecaster = forecaster or Forecaster.of(train, candidates=default_candidates(train, models=models))
    series_of = {name: [run.measurements[name].value for run in (*train, *tests) if name in run.measurements]
                 for name in forecaster.weights}  # fmt: skip
    ranges = {name: float(np.ptp(np.concatenate(parts))) for name, parts in series_of.items()}
    rows = []
    for run in tests:
        names = [name for name in forecaster.weights
                 if name in run.measurements and ranges[name] > 0.0 and name != VIABILITY]  # fmt: skip
        times = np.unique(np.concatenate([run.measurements[name].time for name in names]))
        cut = 0.0 if share is None else float(times[max(int(np.ceil(share * len(times))) - 1, 0)])
        found = forecaster.predict(known_of(run, cut, False), times)
        for name in names:
            series, j = run.measurements[name], found.column(name)
            later = series.time > cut
            if not np.any(later):
                continue
            at, value = np.searchsorted(times, series.time[later]), series.value[later]
            low, high = found.interval(name, LEVEL)
            inside = (value >= low[at]) & (value <= high[at])
            whole = None
            if found.whole_run is not None:
                ends = found.whole_run[:, at, j]
                whole = bool(np.all((value >= ends[0]) & (value <= ends[1])))
            curves = {name: found.by_candidate[i, at, j] for i, name in enumerate(found.candidates)}
            rows.append({
                "run": run.name, "quantity": name, "samples": int(np.sum(later)), "held": int(np.sum(inside)),
                "width": float(np.mean(high[at] - low[at])) / ranges[name], "whole": whole,
                "certified": found.certified,
                "nrmse": {word: _nrmse(curve, value, ranges[name])
                          for word, curve in {**curves, MIXTURE: found.estimate[at, j]}.items()},
            })  # fmt: skip
    return rows


def _nrmse(curve: np.ndarray, value: np.ndarray, size: float) -> float | None:
    error = float(np.sqrt(np.mean((curve - value) ** 2))) / size
    return error if np.isfinite(error) else None


def insilico_task(seed: int, models: Sequence[str] = ()) -> list[dict]:
    """Return the rows of one truth, with some models among the candidates."""
    model, random = gc.model_of(TRUTH), np.random.default_rng(seed)
    changed = {}
    for row in model.table.estimated:
        value = row.value * float(np.exp(SPREAD * random.standard_normal()))
        changed[row.name] = float(np.clip(value, row.lower, row.upper))
    runs = generate(model.with_parameters(changed), Design(runs=TRAINING + TEST, seed=seed))
    return scored(runs[:TRAINING], runs[TRAINING:], models=models)


def designed_task() -> list[dict]:
    """Return the rows of runs of insilico-fed-batch."""
    train, tests = ([in_grams(run) for run in runs[:DESIGNED]] for runs in open_data.insilico_runs())
    return scored(train, tests)


def in_grams(run: CultureRun) -> CultureRun:
    """Return a run whose titer is in g/L and not in mg/L, in which the open data are read for other studies."""
    titer = run.measurements["ANTI"]
    grams = replace(titer, unit="g/L", value=titer.value / 1000.0, standard_error=titer.standard_error / 1000.0)
    initial = {**run.initial, **({"ANTI": run.initial["ANTI"] / 1000.0} if "ANTI" in run.initial else {})}
    return replace(run, measurements={**run.measurements, "ANTI": grams}, initial=initial,
                   units={**run.units, "ANTI": "g/L"})  # fmt: skip


def plant_runs(path: Path) -> list[CultureRun]:
    """Return the batches of hybrid-bioprocess-lab as runs: hours to days, mg/L of product to g/L."""
    runs = []
    for name, rows in pd.read_csv(path).groupby("batch_id", sort=True):
        time, first = rows["time_h"].to_numpy() / 24.0, rows.iloc[0]
        columns = {VCD: (rows["Xv_1e6_cells_per_mL"], "1e9 cells/L"), "GLC": (rows["S_mM"], "mmol/L"),
                   "LAC": (rows["L_mM"], "mmol/L"), "ANTI": (rows["P_mg_per_L"] / 1000.0, "g/L")}  # fmt: skip
        series = {}
        for quantity, (value, unit) in columns.items():
            values = value.to_numpy()
            error = np.hypot(0.03 * values, 0.003 * np.max(values))
            series[quantity] = Measurement(quantity, unit, time, values, error)
        runs.append(CultureRun(
            str(name), float(first["V_L"]), {quantity: float(one.value[0]) for quantity, one in series.items()}, series,
            (Feed(float(first["feed_start_h"]) / 24.0, "feed", float(first["feed_rate_L_per_h"]) * 24.0),),
            {"feed": {"GLC": float(first["feed_S_mM"])}}, end=float(time[-1]), units={"ANTI": "g/L"},
        ))  # fmt: skip
    return runs


def plant_task(seed: int) -> list[dict]:
    """Return the rows of the test batches of one seed of hybrid-bioprocess-lab."""
    runs = plant_runs(SHARED / f"facts/hybrid-bioprocess-lab/data/seed_{seed:02d}.csv")[: BATCHES[seed]]
    return scored(runs[: -TESTED[seed]], runs[-TESTED[seed] :])


def nistcho_runs() -> list[CultureRun]:
    """Return the cultures of nistcho-feeding with five counts or more; their feeds are in no file."""
    tables = [pd.read_csv(SHARED / f"data/nistcho-feeding/Vicell_data_{batch}.csv") for batch in ("fb2", "fb4")]
    runs = []
    for (batch, condition, replicate), rows in pd.concat(tables).groupby(["Batch", "Condition", "Replicate"]):
        rows = rows.dropna(subset=["Total_VCD", "Hours", "Viability"]).sort_values("Hours").drop_duplicates("Hours")
        if len(rows) < 5:
            continue
        viable = (rows["Total_VCD"] * rows["Viability"] / 100.0).to_numpy()
        error = np.hypot(0.05 * viable, 0.02 * np.max(viable))
        series = {VCD: Measurement(VCD, "1e9 cells/L", rows["Hours"].to_numpy() / 24.0, viable, error)}
        runs.append(CultureRun(f"{batch}-{condition}-{replicate}", 1.0, {VCD: float(viable[0])}, series))
    return runs


SETS: dict[str, Callable[[], list[CultureRun]]] = {
    "umn": lambda: [in_grams(run) for run in open_data.umn_runs()],
    "nistcho": nistcho_runs,
    "first-day": lambda: gc.read_runs(SHARED / "cases/first-day/runs"),
}
"""Measured runs (first-day is an invented laboratory), each left out in turn."""


def real_task(name: str) -> dict[str, list[dict]]:
    """Return the rows of a set whose runs are left out in turn: unknown, and with their first third known."""
    runs, rows = SETS[name](), {"new": [], "third": []}
    for k, run in enumerate(runs):
        others = [*runs[:k], *runs[k + 1 :]]
        forecaster = Forecaster.of(others)
        for word, share in (("new", None), ("third", 1.0 / 3.0)):
            rows[word] += scored(others, [run], share, forecaster=forecaster)
    return rows


def tasks() -> dict[str, Callable[[], list[dict] | dict[str, list[dict]]]]:
    """Return all tasks by name; one with several parts returns the rows of each."""
    found: dict[str, Callable[[], list[dict] | dict[str, list[dict]]]] = {}
    for seed in range(TRUTHS):
        found[f"insilico-{seed:02d}"] = lambda seed=seed: insilico_task(seed)
    for seed in range(FITTED):
        found[f"fitted-{seed:02d}"] = lambda seed=seed: insilico_task(seed, [TRUTH])
    found["designed"] = designed_task
    for seed in SEEDS:
        found[f"plant-{seed:02d}"] = lambda seed=seed: plant_task(seed)
    for name in SETS:
        found[f"real-{name}"] = lambda name=name: real_task(name)
    return found


def summary(rows: Sequence[Mapping]) -> dict[str, object]:
    """Return errors, coverage with its Clopper-Pearson interval over runs, and widths of some rows."""
    samples, held = sum(row["samples"] for row in rows), sum(row["held"] for row in rows)
    names = sorted({row["quantity"] for row in rows})
    quantities = {name: [row for row in rows if row["quantity"] == name] for name in names}
    each = {name: sum(row["held"] for row in of) / sum(row["samples"] for row in of) for name, of in quantities.items()}
    by_run: dict[str, list[Mapping]] = {}
    for row in rows:
        by_run.setdefault(f"{row['task']} {row['run']}", []).append(row)
    whole = [all(row["whole"] for row in of) for of in by_run.values() if of[0]["whole"] is not None]
    ends = clopper_pearson(sum(whole), len(whole))
    words = [word for word in rows[0]["nrmse"] if all(row["nrmse"].get(word) is not None for row in rows)]
    errors = {word: float(np.mean([np.mean([row["nrmse"][word] for row in of]) for of in by_run.values()]))
              for word in words}  # fmt: skip
    least = min(each, key=lambda name: each[name])
    return {
        "runs": len(by_run), "errors": errors, "coverage": held / samples, "least": each[least], "least of": least,
        "width": float(np.mean([row["width"] for row in rows])),
        "certified": sorted({row["certified"] for row in rows}),
        "whole": f"{sum(whole)} of {len(whole)}" if whole else "", "whole interval": ends if whole else None,
    }  # fmt: skip


def table(stored: Mapping[str, Sequence[Mapping]]) -> str:
    """Return the table of the study in Markdown."""
    groups = {
        f"in silico, {TRUTHS} truths": [name for name in stored if name.startswith("insilico")],
        f"{FITTED} of them, their model fitted": [name for name in stored if name.startswith("fitted")],
        "insilico-fed-batch": ["designed"],
        "plant, seed 7": ["plant-07"], "plant, seeds 7, 17, 29": [name for name in stored if name.startswith("plant")],
        **{f"{name}, each left out": [f"real-{name}-new"] for name in SETS},
        **{f"{name}, first third known": [f"real-{name}-third"] for name in SETS},
    }  # fmt: skip
    lines = []
    for name, members in groups.items():
        rows = [{**row, "task": task} for task in members for row in stored.get(task, ())]
        if not rows:
            continue
        found = summary(rows)
        names = [one.name for one in CANDIDATES]
        fitted = next((word for word in found["errors"] if word not in (*names, MIXTURE)), "")
        errors = [f"{found['errors'][word]:.3f}" if word in found["errors"] else "" for word in
                  (*names, fitted, MIXTURE)]  # fmt: skip
        ends = found["whole interval"]
        whole = f"{found['whole']} ({100 * ends[0]:.0f} to {100 * ends[1]:.0f} %)" if ends else ""
        certified = " and ".join(f"{100 * one:.1f} %" for one in found["certified"]) if ends else ""
        held, least = f"{100 * found['coverage']:.1f} %", f"{100 * found['least']:.0f} %, {found['least of']}"
        lines.append((name, str(found["runs"]), *errors, held, least, f"{found['width']:.3f}", whole, certified))
    heads = ("runs", "predicted", *(one.name for one in CANDIDATES), "fitted model", MIXTURE, "90 % bands held",
             "least, of", "width", "whole runs held (95 %)", "certified")  # fmt: skip
    return markdown(heads, lines) + "\n"


def _parts(name: str, task: Mapping) -> list[tuple[str, dict]]:
    """Return a task, or each of its parts, with its name."""
    if isinstance(task["rows"], list):
        return [(name, dict(task))]
    return [(f"{name}-{word}", {**task, "rows": rows}) for word, rows in task["rows"].items()]


def _rounded(value):
    """Return plain data with numbers to five decimals, which is more than the table shows."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return round(value, 5) if isinstance(value, float) else value


def main() -> None:
    """Compute what is wanted, gather it, and write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retrain", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="1/1")
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if options.retrain:
        number, count = map(int, options.part.split("/"))
        wanted = [name for name in tasks() if not options.only or name.startswith(tuple(options.only.split(",")))]
        for name in wanted[number - 1 :: count]:
            path = RESULTS / f"{name}.json"
            if path.exists() and json.loads(path.read_text(encoding="utf-8"))["code"] == hash_of_code():
                continue
            try:
                made = tasks()[name]()
            except FileNotFoundError as error:
                print(f"{name}: left out, {error}", file=sys.stderr)  # noqa: T201
                continue
            path.write_text(json.dumps({"code": hash_of_code(), "rows": made}), encoding="utf-8")
            print(f"{name}: done", flush=True)  # noqa: T201
        rows = {path.stem: _rounded(json.loads(path.read_text(encoding="utf-8")))
                for path in sorted(RESULTS.glob("*.json"))}  # fmt: skip
        rows = dict(entry for name, task in rows.items() for entry in _parts(name, task))
        record = where_it_ran(("graycell", "jax", "numpy", "scipy"))
        STORED.write_text(json.dumps({"made": record, "tasks": rows}, separators=(",", ":")), encoding="utf-8")
    stored = json.loads(STORED.read_text(encoding="utf-8"))["tasks"]
    made = table({name: task["rows"] for name, task in stored.items()})
    TABLES.write_text(made, encoding="utf-8")
    print(made)  # noqa: T201


if __name__ == "__main__":
    main()
