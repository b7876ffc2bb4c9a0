"""The calibration study: whether posteriors that graycell samples hold the truth as often as they say.

    python studies/calibration_study.py               print the table from docs/calibration.json
    python studies/calibration_study.py --retrain     first compute it anew, in some ten minutes on two cores

Simulation-based calibration (Talts et al., "Validating Bayesian inference algorithms with simulation-based
calibration", arXiv:1804.06788): truths are drawn from the prior, runs are simulated from them with noise, and the ranks
of the truths among the draws of the posterior are uniform, if every part is right: priors, bounds, likelihood,
derivatives, sampler. The model is Monod's with five parameters: growth, half saturation, uptake, product and death, in
a fed batch with a bolus and a feed. One sampler serves all data sets: it is compiled once.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from plain_tables import markdown
from scipy.stats import chisquare

import graycell as gc
from graycell.engine import current_engine
from graycell.uncertainty import MOST_R_HAT
from graycell.versions import hash_of_code, where_it_ran

STORED = Path(__file__).parent.parent / "docs/calibration.json"
DATA_SETS, CHAINS, WARM_UP, DRAWS, THIN, BINS = 200, 4, 120, 500, 20, 20
"""Ranks are those among draws of which every `THIN`th is kept, 100 of a data set: nearly independent."""
TIMES = np.arange(1.0, 5.1, 1.0)
PRIOR_SD = 0.2
"""[1] Of the natural logarithm of every parameter, within the bounds, which cut it at `CUT` standard deviations."""
CUT = 3.0
CENTRES = {"mu": (0.5, "1/d"), "K": (5.0, "mmol/L"), "q": (1.0, "mmol/(1e9 cells)/d"),
           "qp": (0.02, "g/(1e9 cells)/d"), "kd": (0.1, "1/d")}  # fmt: skip
ERRORS = {"VCD": 0.1, "DCD": 0.03, "GLC": 1.0, "mAb": 0.005}
"""Least standard deviations of what is measured, in its unit; less than twice that is reported as below a limit."""
NOISE = 0.15
"""[1] Standard deviation of a measurement over the value that is expected at that time at the centre of the prior."""


def model() -> gc.CultureModel:
    """Return the model, whose table holds the prior."""
    ends = np.exp(CUT * PRIOR_SD)
    return gc.CultureModel(
        name="monod with five parameters",
        species={"DCD": "1e9 cells/L", "mAb": "g/L"},
        reactions={"growth": "=> VCD", "death": "VCD => DCD", "uptake": "GLC =>", "product": "=> mAb"},
        rates={
            "growth": gc.Rate("mu") * gc.Monod("GLC", "K"), "uptake": gc.Rate("q") * gc.Monod("GLC", "K"),
            "product": gc.Rate("qp"), "death": gc.Rate("kd"),
        },
        parameters={
            name: gc.Parameter(value, unit, value / ends, value * ends, prior_sd=PRIOR_SD)
            for name, (value, unit) in CENTRES.items()
        },
    )  # fmt: skip


def plan() -> gc.CultureRun:
    """Return the fed batch: a bolus, a feed, and daily samples."""
    return gc.CultureRun(
        "fed batch", 2.0, {"VCD": 0.5, "DCD": 0.01, "GLC": 30.0, "mAb": 0.0}, media={"feed": {"GLC": 500.0}},
        events=(gc.Bolus(2.0, "feed", 0.05), gc.Feed(3.0, "feed", 0.02)), end=5.0,
    )  # fmt: skip


def truth(random: np.random.Generator) -> dict[str, float]:
    """Return parameters drawn from the prior: a normal distribution of the logarithm, cut at the bounds."""
    found = {}
    for name, (value, _) in CENTRES.items():
        deviation = np.inf
        while abs(deviation) > CUT:
            deviation = random.standard_normal()
        found[name] = float(value * np.exp(PRIOR_SD * deviation))
    return found


def data_set(number: int) -> tuple[dict[str, float], gc.CultureRun]:
    """Return a truth and a measured run of it."""
    random, run = np.random.default_rng([7, number]), plan()
    true = truth(random)
    path, series = gc.simulate(model().with_parameters(true), run, save_at=TIMES).require_finished(), {}
    expected = gc.simulate(model(), run, save_at=TIMES).require_finished()
    for name, least in ERRORS.items():
        sd = np.hypot(NOISE * np.asarray(expected[name]), least)  # not of the truth, of which it would tell something
        value = np.asarray(path[name]) + sd * random.standard_normal(len(TIMES))
        limit = 2.0 * least
        below = value < limit
        series[name] = gc.Measurement(name, path.model.unit(name), TIMES, np.maximum(value, limit), sd, below)
    return true, replace(run, measurements=series)


def calibrated(number: int) -> dict:
    """Return the ranks of the truths of one data set, and how its chains converged; a task of the engine."""
    true, run = data_set(number)
    fitted = gc.fit(model(), run, gc.FitSettings(starts=1))
    sample = gc.sample_posterior(fitted, draws=DRAWS, warm_up=WARM_UP, chains=CHAINS, seed=number)
    kept = sample.values[:, THIN - 1 :: THIN].reshape(-1, len(sample.names))
    return {
        "ranks": {name: int(np.sum(kept[:, j] < true[name])) for j, name in enumerate(sample.names)},
        "r_hat": float(np.max(sample.convergence.r_hat)),
        "ess": float(np.min(sample.convergence.ess_bulk)),
        "diverging": int(np.sum(sample.diverging)),
        "evaluations": sample.evaluations,
    }


def uniform(ranks: np.ndarray) -> float:
    """Return the probability [1] of ranks that are less even than these, if they are uniform: chi-square of bins."""
    kept = CHAINS * (DRAWS // THIN)
    # kept + 1 ranks do not divide evenly, so bins have their own expectations
    bin_of = np.arange(kept + 1) * BINS // (kept + 1)
    expected = np.bincount(bin_of, minlength=BINS) * len(ranks) / (kept + 1)
    return float(chisquare(np.bincount(bin_of[ranks], minlength=BINS), expected).pvalue)


def table(stored: Mapping) -> str:
    """Return the table of the study in Markdown."""
    rows, lines = stored["data sets"], []
    for name in CENTRES:
        ranks = np.array([row["ranks"][name] for row in rows])
        mean = np.mean(ranks) / (CHAINS * (DRAWS // THIN))
        lines.append((name, str(len(rows)), f"{uniform(ranks):.2f}", f"{mean:.3f}"))
    worst, lost = max(row["r_hat"] for row in rows), sum(row["diverging"] for row in rows)
    above = sum(row["r_hat"] > MOST_R_HAT for row in rows)
    said = (
        f"Largest R-hat {worst:.4f} ({above} of {len(rows)} data sets above {MOST_R_HAT}), least effective number of "
        f"draws {min(row['ess'] for row in rows):.0f} of {CHAINS * DRAWS}, {lost} lost trajectories; "
        f"{stored['minutes']:.1f} minutes for all, {stored['processor minutes']:.1f} of processor time on "
        f"{stored['cores']} cores."
    )
    return f"{markdown(('parameter', 'data sets', 'p of uniform ranks', 'mean rank'), lines)}\n\n{said}\n"


def main() -> None:
    """Compute what is wanted, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retrain", action="store_true")
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    options = parser.parse_args()
    if options.retrain:
        began, worked = time.perf_counter(), time.process_time()
        done = lambda i, row: print(f"{i}: R-hat {row['r_hat']:.4f}, {row['evaluations']} evaluations, "  # noqa: E731,T201
                                    f"{time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
        rows = current_engine().map(calibrated, [(i,) for i in range(options.data_sets)], done)
        stored = {
            "made": where_it_ran(("graycell", "jax", "numpyro", "numpy")), "code": hash_of_code(),
            "minutes": round((time.perf_counter() - began) / 60.0, 2), "cores": current_engine().jobs,
            "processor minutes": round((time.process_time() - worked) / 60.0, 2), "data sets": rows,
        }  # fmt: skip
        if options.data_sets == DATA_SETS:
            STORED.write_text(json.dumps(stored, separators=(",", ":")), encoding="utf-8")
    else:
        stored = json.loads(STORED.read_text(encoding="utf-8"))
    print(table(stored))  # noqa: T201


if __name__ == "__main__":
    main()
