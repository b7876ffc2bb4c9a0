"""The learning study: white, gray and black models on simulated and on measured runs; docs/learning.md reports it.

    python studies/learning.py                  draw the figures of docs/ and write the tables from docs/learning.json
    python studies/learning.py --retrain        first train what results/learning does not hold yet, for hours
    python studies/learning.py --retrain --only white,law --part 1/2      train one of two shares of some tasks
    python studies/learning.py --gather         first read results/learning into docs/learning.json

A task has a seed and writes one JSON file to results/learning, so training can be interrupted and distributed over
processes. The tables are Markdown, in results/learning/tables.md; docs/learning.md is kept by hand and copies them.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import open_data
from learning_numbers import thinned
from learning_tables import tables
from plain_tables import write

import graycell as gc
from graycell.comparison.baselines import BASELINES
from graycell.comparison.candidates import FittedPredictor, ModelCandidate, predicted
from graycell.comparison.comparison import cross_validate
from graycell.comparison.consistency import count_inconsistencies, extrapolated
from graycell.comparison.splits import Split, forward_in_time, known_of, leave_one_run_out
from graycell.errors import GraycellError
from graycell.hybrid import neural_ode_model, neural_rates_model, with_neural_rates
from graycell.inference.fitting import Fit, FitSettings, fit
from graycell.insilico import Design, generate
from graycell.model import CultureModel
from graycell.runs.records import REDOX, CultureRun
from graycell.storage import write_whole

ROOT = Path(__file__).parent.parent
RESULTS, DATA = ROOT / "results" / "learning", ROOT / "docs" / "learning.json"
SEEDS = (3, 4, 5)
"""Seeds whose results were not used to choose any setting."""
SIZES = (2, 4, 8, 16)
TESTED = 16
"""Simulated test runs, which no model is trained on."""
SCATTER = 0.2
"""Standard deviation of the natural logarithm of a true parameter around the published one."""
LAWS = {
    "v17": ({"v17": {"kind": "black"}}, False),
    "v2": ({"v2": {"kind": "black", "hidden": 8, "consumes": "LAC"}}, True),
    "v1 inhibition": ({"v1": {"part": "inhibition", "inputs": ["LAC", "shift"]}}, True),
}
"""Unknown laws of the gray models, and whether R is measured."""


def white() -> CultureModel:
    """Return the known model: the extended network with limited uptake, and published parameters."""
    return gc.nolan_lee(extended=True, limited=True)


@cache
def simulated(seed: int) -> tuple[CultureModel, list[CultureRun], list[CultureRun], list[CultureRun]]:
    """Return a truth, its training runs, its test runs, and the same test runs without noise."""
    model, random = white(), np.random.default_rng(seed)
    values = {}
    for row in model.table.estimated:
        if row.name != "R_switch":  # it decides the branch of R
            value = row.value * np.exp(SCATTER * random.standard_normal())
            values[row.name] = float(np.clip(value, row.lower, row.upper))
    truth = model.with_parameters(values)
    design = Design(runs=max(SIZES) + TESTED, seed=seed, loops=True)
    runs, exact = generate(truth, design), generate(truth, replace(design, noise=0.0))
    return truth, runs[: max(SIZES)], runs[max(SIZES) :], exact[max(SIZES) :]


def without_redox(runs: Sequence[CultureRun]) -> list[CultureRun]:
    """Return the runs without the measured R, as most runs are."""
    return [
        replace(run, measurements={name: series for name, series in run.measurements.items() if name != REDOX})
        for run in runs
    ]


def nrmse(predictor, tested: Sequence[CultureRun]) -> dict[str, float | None]:
    """Return the range-normalised RMSE [1] of every quantity, mean over runs, as in a comparison; None if failed."""
    quantities = [name for name in tested[0].measurements if name != REDOX]
    errors: dict[str, list[float]] = {name: [] for name in quantities}
    for run in tested:
        times = {name: run.measurements[name].time for name in quantities}
        try:
            found = predictor.predict(known_of(run), times)
        except GraycellError:
            return dict.fromkeys(quantities)
        for name in quantities:
            off = found[name] - run.measurements[name].value
            errors[name].append(float(np.sqrt(np.mean(off**2))))
    span = {name: np.ptp(np.concatenate([run.measurements[name].value for run in tested])) for name in quantities}
    return {name: float(np.mean(errors[name]) / span[name]) for name in quantities}


def mean(errors: Mapping[str, float | None]) -> float | None:
    """Return the mean over quantities, None if any failed."""
    known = [value for value in errors.values() if value is not None]
    return float(np.mean(known)) if len(known) == len(errors) else None


def entry_of(result: Fit, seconds: float, tested, exact) -> dict:
    """Return the entry of a fit to simulated runs."""
    predictor = FittedPredictor(result)
    noisy, true = nrmse(predictor, tested), nrmse(predictor, exact)
    return {
        "seconds": round(seconds, 1), "cost": result.cost, "converged": result.converged,
        "residuals": sum(len(series.time) for run in result.runs for series in run.measurements.values()),
        "test": noisy, "test mean": mean(noisy), "test against truth": true, "test against truth mean": mean(true),
        "provenance": result.provenance,
    }  # fmt: skip


def counts(model: CultureModel, runs: Sequence[CultureRun]) -> dict:
    """Return the counts of physically impossible values, for the test runs and for an extrapolation of them."""
    network = white().network
    return {
        where: {count.check: [count.counted, count.of] for count in count_inconsistencies(model, of, network)}
        for where, of in (("as tested", runs), ("extrapolation", [extrapolated(run) for run in runs]))
    }


def trained(model: CultureModel, runs: Sequence[CultureRun], settings: FitSettings) -> tuple[Fit, float]:
    """Return a fit and its duration with compilation [s]."""
    began = time.perf_counter()
    return fit(model, runs, settings), time.perf_counter() - began


def white_task(size: int, seed: int) -> dict:
    """Fit the white model to runs of a truth, and check whether its intervals hold the truth."""
    truth, runs, tested, exact = simulated(seed)
    result, seconds = trained(white(), without_redox(runs[:size]), FitSettings(seed=seed))
    rows = []
    for estimate in result.estimates:
        row = truth.table[estimate.name]
        z = (row.value - estimate.value) / estimate.standard_error
        if row.log_scale:
            z = np.log(row.value / estimate.value) / estimate.relative_error
        rows.append({
            "name": estimate.name, "true": row.value, "estimate": estimate.value, "z": float(z),
            "relative error": estimate.relative_error, "sd ratio": estimate.sd_ratio,
        })  # fmt: skip
    floor = nrmse(_Truth(truth), tested)
    return {**entry_of(result, seconds, tested, exact), "parameters": rows, "floor": floor, "floor mean": mean(floor),
            "consistency": counts(result.model, tested[:4])}  # fmt: skip


@dataclass(frozen=True)
class _Truth:
    """The truth as a predictor: its error is that of the noise."""

    model: CultureModel

    def predict(self, known: CultureRun, times: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Return the values of the truth at times [d]."""
        trajectory = predicted(self.model, known, times)
        return {name: trajectory.at_samples(name) for name in times}


def law_task(law: str, size: int, seed: int, others_known: bool = False) -> dict:
    """Fit a gray model with one unknown law, and compare the law with the truth in the states of the training runs.

    The parameters of all other laws are those of the truth if `others_known`; else they are estimated with the network.
    """
    truth, runs, tested, exact = simulated(seed)
    laws, redox = LAWS[law]
    learned_from = runs[:size] if redox else without_redox(runs[:size])
    known = white().with_parameters(truth.table.values()) if others_known else white()
    if others_known:
        known = known.with_table(known.table.with_fixed(known.table.names))
    model = with_neural_rates(known, laws, learned_from, seed=seed)
    result, seconds = trained(model, learned_from, FitSettings(starts=1, seed=seed))
    (reaction,) = laws
    law_of, column = truth.kinetic.index(reaction), truth.network.index(reaction)
    visited, kinetic_rates, fluxes = [], [], []
    for run in runs[:size]:
        path = gc.simulate(truth, run)
        visited.append(np.column_stack([path[name] for name in ("LAC", "R", "shift")]))
        at = (jnp.asarray(part) for part in (path.concentrations, path.variables, path.inputs))
        cells = [jax.vmap(cell.evaluate)(*at) for cell in (truth, result.model)]
        kinetic_rates.append([np.asarray(cell.kinetic_rates[:, law_of]) for cell in cells])
        fluxes.append([np.asarray(cell.fluxes[:, column]) for cell in cells])
    states = np.concatenate(visited)
    rates, flux = np.concatenate(kinetic_rates, axis=1), np.concatenate(fluxes, axis=1)
    every = max(1, len(states) // 400)
    columns = (*states[::every].T, *rates[:, ::every])
    points = dict(zip(("LAC", "R", "shift", "true", "learned"), (column.tolist() for column in columns), strict=True))
    return {
        **entry_of(result, seconds, tested, exact), "law error": relative_error(*rates),
        "flux error": relative_error(*flux), "points": points, "consistency": counts(result.model, tested[:4]),
    }  # fmt: skip


def relative_error(true: np.ndarray, learned: np.ndarray) -> float:
    """Return the root mean square of the difference, over the range of the true values [1]."""
    return float(np.sqrt(np.mean((learned - true) ** 2)) / np.ptp(true))


def black_task(kind: str, size: int, seed: int) -> dict:
    """Fit a black box to runs of a truth."""
    _, runs, tested, exact = simulated(seed)
    learned_from = without_redox(runs[:size])
    model = {"neural-rates": neural_rates_model, "neural-ode": neural_ode_model}[kind](learned_from, seed=seed)
    result, seconds = trained(model, learned_from, FitSettings(seed=seed))
    return {**entry_of(result, seconds, tested, exact), "consistency": counts(result.model, tested[:4])}


def baseline_task(name: str, size: int, seed: int) -> dict:
    """Train a baseline on runs of a truth."""
    _, runs, tested, exact = simulated(seed)
    began = time.perf_counter()
    (baseline,) = (candidate for candidate in BASELINES if candidate.name == name)
    predictor = baseline.train(without_redox(runs[:size]), seed)
    noisy, true = nrmse(predictor, tested), nrmse(predictor, exact)
    return {"seconds": round(time.perf_counter() - began, 1), "test": noisy, "test mean": mean(noisy),
            "test against truth": true, "test against truth mean": mean(true)}  # fmt: skip


# --------------------------------------------------------------------------------------------- measured runs

REAL_LAWS = {
    reaction: {"kind": "gray", "hidden": 3, "inputs": ["GLC", "LAC", "GLN", "ASN", "shift"]}
    for reaction in ("v1", "v3", "v8", "v9", "v10", "v12", "v13", "v16", "v17", "v33")
} | {
    "v2": {"kind": "gray", "hidden": 3, "inputs": ["R", "LAC", "shift"]},
    "v36": {"kind": "black", "hidden": 3, "inputs": ["CYSTINE", "BIOM", "shift"]},
}
"""The gray model of the measured run: a factor on every published law but v11, which is a share of v10, and a loss of
cystine, which the published balances tie to growth and antibody."""
REAL_REACTIONS = {"v36": "CYSTINE_ext =>"}


def _white_first(runs: Sequence[CultureRun], seed: int) -> CultureModel:
    """Return the white model fitted to runs, from which the gray one starts."""
    return fit(white(), runs, FitSettings(starts=1, seed=seed)).model


def _gray_of(runs: Sequence[CultureRun], seed: int) -> CultureModel:
    return with_neural_rates(_white_first(runs, seed), REAL_LAWS, runs, REAL_REACTIONS, seed=seed)


GRAY = FitSettings(starts=1, rtol=1e-4, atol=1e-5)
"""The measured run passes near a fold of the redox loop: after a fit with the usual tolerance, a simulation with a
finer one may change to another branch."""


HELD = {"gray": 10.0, "gray, looser": 3.0, "gray, tighter": 30.0}
"""Regularisation of the corrections of the published laws toward none (`FitSettings.regularisation`), to predict the
rest of the run. 10 was chosen knowing the result; the other two show how much depends on it."""


def real_task(kind: str, seed: int) -> dict:
    """Fit the measured run of Nolan & Lee (2011), in sample."""
    run = gc.bundled_run()
    model = {"white": lambda: white(), "gray": lambda: _gray_of([run], seed),
             "neural-rates": lambda: neural_rates_model([run], seed=seed)}[kind]()  # fmt: skip
    settings = {"white": FitSettings(starts=1), "gray": GRAY, "neural-rates": FitSettings()}[kind]
    result, seconds = trained(model, [run], replace(settings, seed=seed))
    path = gc.simulate(result.model, run).require_finished()
    rows = {row.quantity: row.nrmse for row in gc.scores(path)}
    return {"seconds": round(seconds, 1), "nrmse": rows, "mean": gc.mean_nrmse(gc.scores(path)),
            "consistency": counts(result.model, [run]), "provenance": result.provenance}  # fmt: skip


def forward_task(seed: int) -> dict:
    """Learn from the measured run to day 6 and predict the rest."""
    return cross_validate(
        [
            ModelCandidate("white", lambda runs, seed: white(), FitSettings(starts=1)),
            *(ModelCandidate(name, _gray_of, replace(GRAY, regularisation=weight)) for name, weight in HELD.items()),
            ModelCandidate("neural rates", lambda runs, seed: neural_rates_model(runs, seed=seed)),
            *BASELINES,
        ],
        forward_in_time([gc.bundled_run()], 6.0), (seed,),
    ).plain()  # fmt: skip


def insilico_task(name: str, seed: int) -> dict:
    """Train on 50 runs of the open in-silico set and predict the other 50."""
    training, tested = open_data.insilico_runs()
    split = Split("50 and 50", tuple(training), tuple(tested))
    return cross_validate([_open_candidate(name)], [split], (seed,)).plain()


def umn_task(name: str, seed: int) -> dict:
    """Leave each of the three measured fed-batch runs out in turn."""
    return cross_validate([_open_candidate(name)], leave_one_run_out(open_data.umn_runs()), (seed,)).plain()


def _open_candidate(name: str):
    def rates(runs, seed):
        return open_data.keep_solutes(neural_rates_model(runs, biomass_per_cell=1.0, seed=seed))

    if name == "neural rates":
        return ModelCandidate(name, rates)
    return next(candidate for candidate in BASELINES if candidate.name == name)


# --------------------------------------------------------------------------------------------- the list of tasks


def tasks() -> dict[str, Callable[[], dict]]:
    """Return all tasks by name, the most informative and cheapest first."""
    everything: dict[str, Callable[[], dict]] = {}

    def add(name: str, task: Callable, *arguments) -> None:
        everything[name] = lambda: task(*arguments)

    names = ["neural rates", *(baseline.name for baseline in BASELINES)]
    for seed in SEEDS:
        for kind in ("white", "gray", "neural-rates"):
            add(f"real {kind} seed {seed}", real_task, kind, seed)
        add(f"forward seed {seed}", forward_task, seed)
        for law in LAWS:
            add(f"law {law} 8 runs seed {seed}", law_task, law, 8, seed)
            add(f"law {law} alone 8 runs seed {seed}", law_task, law, 8, seed, True)
            add(f"law {law} alone 2 runs seed {seed}", law_task, law, 2, seed, True)
        add(f"white 4 runs seed {seed}", white_task, 4, seed)
        add(f"black neural-rates 16 runs seed {seed}", black_task, "neural-rates", 16, seed)
        add(f"black neural-ode 16 runs seed {seed}", black_task, "neural-ode", 16, seed)
        for law in LAWS:
            add(f"law {law} 2 runs seed {seed}", law_task, law, 2, seed)
    for seed in SEEDS:
        for name in names:
            add(f"insilico {name} seed {seed}", insilico_task, name, seed)
            add(f"umn {name} seed {seed}", umn_task, name, seed)
    for size in SIZES:
        for seed in SEEDS:
            for baseline in BASELINES:
                add(f"baseline {baseline.name} {size} runs seed {seed}", baseline_task, baseline.name, size, seed)
            add(f"white {size} runs seed {seed}", white_task, size, seed)
            for kind in ("neural-rates", "neural-ode"):
                add(f"black {kind} {size} runs seed {seed}", black_task, kind, size, seed)
            add(f"law v17 {size} runs seed {seed}", law_task, "v17", size, seed)
    return everything


def train(only: Sequence[str], part: tuple[int, int]) -> None:
    """Run the tasks without a result, in the order of `only`; `part` (k, n) takes every n-th of them."""
    jax.config.update("jax_compilation_cache_dir", str(RESULTS / "compiled"))
    everything = tasks()
    chosen = [name for start in only for name in everything if name.startswith(start)] if only else list(everything)
    for i, name in enumerate(dict.fromkeys(chosen)):
        task, path = everything[name], RESULTS / f"{name.replace(' ', '-')}.json"
        if path.exists() or i % part[1] != part[0] - 1:
            continue
        began = time.perf_counter()
        try:
            found = task()
        except (GraycellError, FileNotFoundError) as error:
            found = {"failed": str(error)}
        found["took"] = round(time.perf_counter() - began, 1)
        write_whole(path, json.dumps({"task": name, **found}, indent=1, allow_nan=True))
        sys.stdout.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
        sys.stdout.flush()
        jax.clear_caches()


def collect() -> dict:
    """Return all results, thinned to what tables and figures need; those of docs/learning.json if not trained anew."""
    used = ("graycell", "jax", "diffrax", "optax", "scikit-learn", "numpy")
    versions = {name: metadata.version(name) for name in used}
    stored = json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {"tasks": {}}
    found = {}
    for name in tasks():
        path = RESULTS / f"{name.replace(' ', '-')}.json"
        if path.exists():
            found[name] = {**thinned(json.loads(path.read_text(encoding="utf-8"))), "versions": versions}
        elif name in stored["tasks"]:
            found[name] = {"versions": stored.get("versions"), **stored["tasks"][name]}
    return {"seeds": list(SEEDS), "sizes": list(SIZES), "tested runs": TESTED, "scatter": SCATTER, "versions": versions,
            "python": platform.python_version(), "wanted": list(tasks()), "tasks": found}  # fmt: skip


def main() -> None:
    """Train and gather if asked to; draw the figures and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retrain", action="store_true", help="train what results/learning does not hold yet")
    parser.add_argument("--only", default="", help="beginnings of names of tasks, separated by commas")
    parser.add_argument("--part", default="1/1", help="k/n: train the k-th of n shares of the tasks, and nothing else")
    parser.add_argument("--gather", action="store_true", help="read results/learning anew, without training")
    given = parser.parse_args()
    part = tuple(int(number) for number in given.part.split("/"))
    if given.retrain:
        train([start for start in given.only.split(",") if start], part)
        if part[1] > 1:
            return
    if given.retrain or given.gather:
        write_whole(DATA, json.dumps(collect(), separators=(",", ":"), allow_nan=False))
    data = json.loads(DATA.read_text(encoding="utf-8"))
    write(tables(data), RESULTS / "tables.md")
    from learning_figures import draw  # matplotlib is not needed to train

    draw(data, ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
