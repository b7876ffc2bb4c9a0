"""The decision study: what plans gain in truths that nobody knew, and what designed runs teach beside random ones.

    python studies/decision_study.py                        print the tables from docs/decisions.json
    python studies/decision_study.py --retrain              first compute them anew, in some hours on two cores
    python studies/decision_study.py --retrain --only runs  one of them: feeds, runs, following, daily, clones
    python studies/decision_study.py --only alpha-sum-3     a seed of the clones again, in one to three minutes

Feeds: six boluses, the day of the shift and that of the harvest are chosen for the titer of nolan-lee-limited, with at
most 1.3 times the volume. Each parameter is known to 20 %, independently. The plan is then done in 20 truths, whose
parameters were drawn in the same way with another seed, beside the schedule of the bundled run.

Runs: a small model with eight parameters, one run with an error of 5 %, and four more that `design` chooses, or that
are drawn from the same bounds. The models that are then fitted predict 20 plans within the bounds, in 10 truths.

Following, daily: running cultures, see running_study.py. Clones: the public benchmark mf-bo4bio, see clone_study.py.
Figures are drawn anew from the stored numbers each time.
"""

import argparse
import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import clone_study
import numpy as np
import running_study
from plain_tables import markdown

import graycell as gc
from graycell.comparison.splits import with_viability_known
from graycell.decisions.fit_source import FitSource
from graycell.decisions.goals import Goals
from graycell.inference.results import Estimate
from graycell.modelfiles.building import build
from graycell.versions import hash_of_code, where_it_ran

STORED = Path(__file__).parent.parent / "docs/decisions.json"
FIGURES = STORED.parent / "images"
PARTS = ("feeds", "runs", "following", "daily", "clones")
KNOWN_TO, TRUTHS = 0.2, 20
"""[1] Relative standard deviation of every parameter; number of truths."""
WAYS: tuple[tuple[float, tuple[str, ...]], ...] = ((0.0, ()), (0.5, ()), (1.0, ()), (0.0, ("ASN",)), (0.5, ("ASN",)))
"""[1] Cautions, and what may run out, that are compared."""
WANTED, WORSE = 0.15, -0.02
"""[1] A gain that is counted, and a loss."""
FEED_DAYS = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
DAYS = np.arange(11.0)
SMALL_TRUTHS, TESTS, REPEATS = 10, 20, 2
PRIOR_SD, TRUE_SD, NOISE = 0.7, 0.3, 0.05
"""[1] Of the logarithms of the parameters: the prior of the fits, and how far truths are apart; error of the assays."""
CELLS = """
format = 1
name = "cells"
[species]
VCD = { unit = "1e9 cells/L", role = "viable cells" }
GLC = { role = "substrate" }
LAC = { role = "product" }
titer = { unit = "g/L", role = "product" }
[reactions]
growth = { equation = "=> VCD", rate = "mu * GLC / (K + GLC) * Ki / (Ki + LAC)" }
death = { equation = "VCD =>", rate = "kd * LAC / (Kd + LAC)" }
uptake = { equation = "GLC =>", rate = "q * GLC / (K + GLC)" }
lactate = { equation = "=> LAC", rate = "y * q * GLC / (K4 + GLC)" }
product = { equation = "=> titer", rate = "p * GLC / (K + GLC)" }
[parameters]
mu = { value = 0.5, unit = "1/d" }
kd = { value = 0.2, unit = "1/d" }
q = { value = 1.0, unit = "mmol/(1e9 cells)/d" }
p = { value = 0.03, unit = "g/(1e9 cells)/d" }
y = { value = 0.8, estimated = false }
K = { value = 0.5, unit = "mmol/L" }
K4 = { value = 4.0, unit = "mmol/L" }
Ki = { value = 20.0, unit = "mmol/L" }
Kd = { value = 30.0, unit = "mmol/L" }
"""


def known_to(model: gc.CultureModel, run: gc.CultureRun) -> gc.Fit:
    """Return a fit whose parameters are known to 20 %, to a run as the model simulates it."""
    made, measured = gc.simulate(model, run), {}
    for name in (name for name in run.measurements if name in model.quantities):
        series = run.measurements[name]
        at = np.searchsorted(np.asarray(made.measured_time), series.time)
        measured[name] = replace(series, value=np.asarray(made.at_samples(name))[at])
    rows = model.table.estimated
    estimates = tuple(Estimate(row.name, row.value, row.unit, KNOWN_TO * row.value, KNOWN_TO, row.value, False, 1.0)
                      for row in rows)  # fmt: skip
    return gc.Fit(model, (replace(run, measurements=measured),), estimates, KNOWN_TO**2 * np.eye(len(rows)), 0.0, True,
                  gc.FitSettings())  # fmt: skip


def large() -> tuple[gc.Fit, gc.CultureRun, gc.CultureRun, list[gc.Decision]]:
    """Return nolan-lee-limited, known to 20 %, the bundled schedule, a plan, and what is chosen of it."""
    run = with_viability_known(gc.bundled_run())
    fit = known_to(gc.model_of("nolan-lee-limited"), run)
    kept = tuple(event for event in run.events
                 if not isinstance(event, gc.End) and not (isinstance(event, gc.Bolus) and event.time > FEED_DAYS[-1]))
    schedule = replace(run, name="next", measurements={})
    decisions = [gc.Decision(f"bolus_{day:g}", "volume", 0.0, 0.1, event="bolus", day=day) for day in FEED_DAYS]
    decisions += [gc.Decision("shift_day", "time", 1.5, 6.0, event="temperature"),
                  gc.Decision("harvest", "end", 8.0, 12.0)]  # fmt: skip
    return fit, schedule, replace(schedule, events=kept, end=10.0), decisions


def feeds() -> list[dict[str, Any]]:
    """Return what the plans that are optimised in several ways gain over the bundled schedule in the truths."""
    fit, schedule, plan, decisions = large()
    truths, goals, rows = FitSource(fit, draws=TRUTHS, seed=77), Goals("ANTI"), []
    first = decisions[:1]  # at its own value: the schedule as it is
    own = np.array([first[0].present(schedule)])
    bundled, foreseen = (source.judge(schedule, first, own, goals).objective for source in (truths, FitSource(fit)))
    for caution, empty in WAYS:
        begun = time.monotonic()
        found = gc.optimise(fit, plan, decisions, "ANTI", ["volume <= 1.3"], may_run_out=empty, caution=caution,
                            rules=False)  # fmt: skip
        seconds = time.monotonic() - begun
        gains = truths.judge(plan, decisions, found.values, goals).objective / bundled - 1.0
        rows.append({"caution": caution, "may run out": list(empty),
                     "promised": found.verdict.mean / float(np.mean(foreseen)) - 1.0,
                     "gains": gains.tolist(), "values": found.values.tolist(), "judged": found.judged,
                     "seconds": seconds})  # fmt: skip
        print(f"caution {caution:g} {empty}: {np.min(gains):.3f} to {np.max(gains):.3f}, {seconds:.0f} s", flush=True)  # noqa: T201
    return rows


def cells() -> gc.CultureModel:
    """Return the small model, with its prior."""
    model = build(gc.parse_model_file(CELLS))
    table = model.table
    for row in table.estimated:
        table = table.with_changes(row.name, lower=row.value / 10.0, upper=row.value * 10.0, prior_sd=PRIOR_SD)
    return model.with_table(table)


def base() -> gc.CultureRun:
    """Return the plan that is varied."""
    boluses = tuple(gc.Bolus(day, "feed", 0.02) for day in (3.0, 5.0, 7.0))
    return gc.CultureRun("plan", 1.0, {"VCD": 0.3, "GLC": 30.0, "LAC": 1.0, "titer": 0.0}, events=boluses,
                         media={"feed": {"GLC": 1000.0}}, end=10.0)  # fmt: skip


def varied() -> list[gc.Decision]:
    """Return what is varied."""
    return [*(gc.Decision(f"bolus_{day:g}", "volume", 0.0, 0.06, event="bolus", day=day) for day in (3.0, 5.0, 7.0)),
            gc.Decision("glucose", "start", 10.0, 60.0, species="GLC"),
            gc.Decision("lactate", "start", 0.5, 30.0, species="LAC")]  # fmt: skip


def drawn(count: int, random: np.random.Generator, name: str) -> list[gc.CultureRun]:
    """Return random plans within the bounds."""
    found = varied()
    lower, upper = (np.array([getattr(one, end) for one in found]) for end in ("lower", "upper"))
    values = lower + (upper - lower) * random.random((count, len(found)))
    return [gc.decided(replace(base(), name=f"{name}{k}"), found, row.tolist()) for k, row in enumerate(values)]


def curves(model: gc.CultureModel, run: gc.CultureRun) -> np.ndarray:
    """Return all quantities on all days, (days, quantities)."""
    made = gc.simulate(model, run, save_at=DAYS).require_finished()
    at = np.searchsorted(np.asarray(made.time), DAYS)
    return np.stack([np.asarray(made[name])[at] for name in model.quantities], axis=1)


def measured(truth: gc.CultureModel, run: gc.CultureRun, random: np.random.Generator) -> gc.CultureRun:
    """Return a run as it was measured."""
    values, series = curves(truth, run), {}
    for name, value in zip(truth.quantities, values.T, strict=True):
        error = NOISE * np.abs(value) + 0.01 * np.max(np.abs(value))
        seen = np.maximum(value + error * random.standard_normal(len(value)), 0.0)
        series[name] = gc.Measurement(name, truth.unit(name), DAYS, seen, error)
    return replace(run, measurements=series)


def runs() -> list[dict[str, Any]]:
    """Return the errors of models that were fitted to designed and to random runs, one row for each truth."""
    model, settings, rows = cells(), gc.FitSettings(starts=1), []
    tests = drawn(TESTS, np.random.default_rng(99), "test")
    for seed in range(SMALL_TRUTHS):
        random = np.random.default_rng(seed)
        truth = model.with_parameters({row.name: float(row.value * np.exp(TRUE_SD * random.standard_normal()))
                                       for row in model.table.estimated})  # fmt: skip
        wanted = [curves(truth, run) for run in tests]
        largest = np.ptp(np.concatenate(wanted), axis=0)

        def error(more: Sequence[gc.CultureRun], truth=truth, wanted=wanted, largest=largest, seed=seed) -> float:
            """Return the NRMSE of the model that is fitted to the first run and more."""
            noise = np.random.default_rng(seed)
            first = measured(truth, replace(base(), name="first"), noise)
            fitted = gc.fit(model, [first, *(measured(truth, run, noise) for run in more)], settings)
            apart = [np.sqrt(np.mean(np.square((curves(fitted.model, run) - known) / largest)))
                     for run, known in zip(tests, wanted, strict=True)]  # fmt: skip
            return float(np.mean(apart))

        fit = gc.fit(model, [measured(truth, replace(base(), name="first"), np.random.default_rng(seed))], settings)
        found: dict[str, Any] = {"none": error([])}
        for purpose in ("predictions", "parameters"):
            found[purpose] = error(gc.design(fit, base(), varied(), 4, purpose=purpose, seed=seed).runs)
        for count in (4, 8, 12):
            several = [error(drawn(count, np.random.default_rng(1000 * seed + k), "random")) for k in range(REPEATS)]
            found[f"random {count}"] = float(np.mean(several))
        rows.append(found)
        print(f"truth {seed}: " + ", ".join(f"{words} {value:.4f}" for words, value in found.items()), flush=True)  # noqa: T201
    return rows


_WORDS = {
    "none": "none", "predictions": "4 designed for predictions", "parameters": "4 designed for the parameters",
    "random 4": "4 random", "random 8": "8 random", "random 12": "12 random",
}  # fmt: skip


def clones(
    stored: Sequence[Mapping[str, Any]], only: str, keep: Callable[[list[dict[str, Any]]], None]
) -> None:
    """Compute what campaigns reach.

    Args:
        stored: earlier results.
        only: a seed such as alpha-sum-3; empty for all.
        keep: called after every seed with all results, those that were computed in place of earlier ones.
    """
    rows = {f"{row['distribution']}-{row['rule']}-{row['seed']}": dict(row) for row in stored}
    names = [f"{distribution}-{rule}-{seed}" for rule in clone_study.RULES for distribution in ("alpha", "beta")
             for seed in range(clone_study.SEEDS)]  # fmt: skip
    if only and only not in names:
        raise SystemExit(f"--only {only}: a part ({', '.join(PARTS)}) or a seed such as {names[0]} is needed.")
    for name in [only] if only else names:
        distribution, rule, seed = name.split("-")
        before = rows.get(name, {}).get("score")
        rows[name] = clone_study.seed_of(distribution, rule, int(seed))
        print(f"{name}: {rows[name]['score']:.2f}" + ("" if before is None else f", {before:.2f} before")  # noqa: T201
              + f", {rows[name]['seconds']:.0f} s", flush=True)  # fmt: skip
        keep([rows[name] for name in names if name in rows])


def tables(stored: Mapping[str, Any]) -> str:
    """Return the tables of the page."""
    heads = ["caution", "may run out", "gain promised", "gain in 20 truths", "median", "of 15 % or more",
             "worse by 2 % or more"]  # fmt: skip
    rows = []
    for row in stored.get("feeds", ()):
        gains = np.array(row["gains"])
        empty = ", ".join(row["may run out"]) or "nothing"
        rows.append([f"{row['caution']:g}", empty, f"{100 * row['promised']:.0f} %",
                     f"{100 * np.min(gains):.0f} to {100 * np.max(gains):.0f} %", f"{100 * np.median(gains):.0f} %",
                     f"{int(np.sum(gains >= WANTED))} of {len(gains)}",
                     f"{int(np.sum(gains <= WORSE))} of {len(gains)}"])  # fmt: skip
    first = markdown(heads, rows)
    rows = []
    for name, words in _WORDS.items():
        errors = np.array([row[name] for row in stored.get("runs", ())])
        if not len(errors):
            continue
        rows.append([words, f"{np.median(errors):.4f}", f"{np.min(errors):.4f} to {np.max(errors):.4f}"])
    second = markdown(["runs after the first", "median error (NRMSE)", "in ten truths"], rows)
    running = running_study.tables(stored.get("following", ()), stored.get("daily", ()))
    return "\n\n".join([first, second, *running, clone_study.table(stored.get("clones", ()))])


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> None:
    """Compute what is asked for, print the tables, and draw the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retrain", action="store_true", help="compute anew")
    parser.add_argument("--only", help="one part, or one seed of the clones such as alpha-sum-3")
    given = parser.parse_args()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.is_file() else {}
    is_seed = given.only is not None and given.only not in PARTS
    study = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*_study.py"))))
    made = {"code": hash_of_code(), "study": study.hexdigest(), **where_it_ran(("graycell", "jax", "numpy", "scipy"))}

    def keep(part: str, rows: list[dict[str, Any]]) -> None:
        stored[part] = rows
        stored.setdefault("made", {})[part] = made
        if given.retrain:
            STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")

    for part in (PARTS if given.only is None else (given.only,)) if given.retrain or is_seed else ():
        match part:
            case "feeds":
                keep(part, feeds())
            case "runs":
                keep(part, runs())
            case "following":
                keep(part, running_study.following(large()[0], _say))
            case "daily":
                fit, _, plan, decisions = large()
                same = stored.get("made", {}).get(part) == made  # else begun anew
                before = stored[part] if same and len(stored[part]) < running_study.TRUTHS else ()
                running_study.daily(fit, plan, decisions, before, functools.partial(keep, part), _say)
            case _:
                clones(stored.get("clones", ()), part if is_seed else "", functools.partial(keep, "clones"))
    print(tables(stored))  # noqa: T201
    import decision_figures  # needs matplotlib, which the tests of the tables do not

    decision_figures.draw(stored, FIGURES)


if __name__ == "__main__":
    main()
