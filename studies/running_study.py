"""Running cultures of the decision study: what is known of them, and what is won by choosing again every day.

Following: cultures of nolan-lee-limited, whose parameters are 20 % from what the fit says, each independently. A
capacitance probe every 15 minutes (5 %), Raman glucose every hour (0.5 mmol/L), and cells, glucose, lactate, glutamine
and ammonium once a day (5 %), known six hours later. Asparagine, serine and titer are measured by nobody; errors of
their estimates every half day, over all cultures, are compared with those of the forecast without samples.

Every day: six boluses, the day of the shift and that of the harvest are chosen for the titer, with at most 1.3 times
the volume. What is lost in a truth is the titer of the plan that would be best there less that of the plan that the fit
calls best. The culture is sampled every day (5 %) and the rest of its plan chosen again; how much of the loss comes
back is counted over all truths.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from plain_tables import markdown

import graycell as gc
from graycell.comparison.splits import known_of
from graycell.decisions.fit_source import FitSource
from graycell.inference.conditioning import conditioned

TRUTHS, KNOWN_TO = 10, 0.2
"""Number of truths; [1] standard deviation of the logarithm of every parameter."""
UNMEASURED = ("ASN", "SER", "ANTI")
OFFLINE = ("VCD", "GLC", "LAC", "GLN", "NH3")
LATE = 0.25
"""[d] From a sample to its value."""
HALF_DAYS = np.arange(1.0, 10.0, 0.5)
INSIDE = 1.96
"""[standard deviations] Bound of 95 %."""
WAYS, LEAST_LOSS = ("once", "every day", "best"), 0.01
"""Ways to choose a plan; [1] a loss that is one, as a part of the best titer."""
ASSAY = 0.05
"""[1] Error of an assay; its least error is a hundredth of the largest value of the bundled run."""


def truth_of(fit: gc.Fit, seed: int) -> tuple[gc.CultureModel, np.random.Generator]:
    """Return a model with other parameters, and what draws the errors of its assays."""
    random = np.random.default_rng(seed)
    values = {row.name: float(row.value * np.exp(KNOWN_TO * random.standard_normal()))
              for row in fit.model.table.estimated}  # fmt: skip
    return fit.model.with_parameters(values), random


def samples_of(truth: gc.CultureModel, run: gc.CultureRun, errors: Mapping[str, tuple[float, float]], days: np.ndarray,
               random: np.random.Generator) -> dict[str, gc.Measurement]:  # fmt: skip
    """Return samples of a culture, with the relative and the least error of each assay."""
    made, found = gc.simulate(truth, run, save_at=days), {}
    at = np.searchsorted(np.asarray(made.time), days - 1e-12)
    for name, (relative, least) in errors.items():
        value = np.asarray(made[name])[at]
        error = np.hypot(relative * value, least)
        seen = np.maximum(value + error * random.standard_normal(len(value)), 0.0)
        found[name] = gc.Measurement(name, truth.unit(name), days, seen, error)
    return found


def assays_of(fit: gc.Fit, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the errors of the assays of some quantities."""
    measured = fit.runs[0].measurements
    return {name: (ASSAY, 0.01 * float(np.max(measured[name].value))) for name in names if name in measured}


def following(fit: gc.Fit, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return errors of what is known of cultures without samples, by least squares and by the filter.

    Args:
        fit: whose parameters are known to 20 %, each independently.
        say: called with a line for each culture.

    Returns:
        A row for each truth: root mean square errors, how often an estimate was inside its bound, seconds of updates.
    """
    bare, rows = replace(fit.runs[0], name="running", measurements={}), []
    for seed in range(TRUTHS):
        truth, random = truth_of(fit, seed)
        days = np.arange(1, 960) / 96.0
        probes = samples_of(truth, bare, {"VCD": (ASSAY, 0.0)}, days, random)
        probes |= samples_of(truth, bare, {"GLC": (0.0, 0.5)}, np.arange(1, 240) / 24.0 + 1e-4, random)
        signals = replace(bare, measurements=probes)
        offline = replace(bare, measurements=samples_of(truth, bare, assays_of(fit, OFFLINE), np.arange(1.0, 10.0),
                                                        random))  # fmt: skip
        true, without = (_at(model, bare) for model in (truth, fit.model))
        row: dict[str, Any] = {"seed": seed, "without": _errors(without, true)}
        for way in ("least squares", "filter"):
            row[way] = _followed(fit, bare, offline, signals, true, way)
        rows.append(row)
        say(f"culture {seed}: " + "; ".join(
            f"{way} " + ", ".join(f"{name} {row[way]['error'][name] / row['without'][name]:.2f}" for name in UNMEASURED)
            + f" of the error without samples, {np.median(row[way]['seconds'][1:]):.2f} s"
            for way in ("least squares", "filter")))  # fmt: skip
    return rows


def _at(model: gc.CultureModel, run: gc.CultureRun) -> np.ndarray:
    """Return what nobody measures, every half day, (times, quantities)."""
    made = gc.simulate(model, run, save_at=HALF_DAYS).require_finished()
    at = np.searchsorted(np.asarray(made.time), HALF_DAYS - 1e-12)
    return np.stack([np.asarray(made[name])[at] for name in UNMEASURED], axis=1)


def _errors(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return dict(zip(UNMEASURED, np.sqrt(np.mean((found - true) ** 2, axis=0)).tolist(), strict=True))


def _followed(fit: gc.Fit, bare: gc.CultureRun, offline: gc.CultureRun, signals: gc.CultureRun, true: np.ndarray,
              way: str) -> dict[str, Any]:  # fmt: skip
    """Return how a culture is followed in one way, every half day with all that is known by then."""
    known: Any = None
    estimates, deviations, seconds = [], [], []
    for now in HALF_DAYS:
        seen = replace(bare, measurements=known_of(offline, now - LATE).measurements)
        window = 0.5 if way == "least squares" else 1e-3
        run = gc.following.with_signals(seen, signals, until=now, window=window)
        begun = time.monotonic()
        if way == "least squares":
            known = conditioned(fit, run, before=known)
            seconds.append(time.monotonic() - begun)
            ahead = known.predict(run, 100, times=[now])
            estimates.append([ahead.best[0, ahead.names.index(name)] for name in UNMEASURED])
            deviations.append([float(np.std(ahead[name][:, 0])) for name in UNMEASURED])
        else:
            known = gc.filtered(fit, run, before=known)
            seconds.append(time.monotonic() - begun)
            now_known = known.at(now)
            estimates.append([now_known[name][0] for name in UNMEASURED])
            deviations.append([now_known[name][1] for name in UNMEASURED])
    found = np.array(estimates)
    inside = np.mean(np.abs(found - true) <= INSIDE * np.array(deviations), axis=0)
    return {"error": _errors(found, true), "inside": dict(zip(UNMEASURED, inside.tolist(), strict=True)),
            "seconds": seconds}  # fmt: skip


def daily(fit: gc.Fit, plan: gc.CultureRun, decisions: Sequence[gc.Decision], before: Sequence[dict[str, Any]],
          keep: Callable[[list[dict[str, Any]]], None], say: Callable[[str], None]) -> None:  # fmt: skip
    """Compute titers of the plan that is best by the fit, of the one chosen again every day, and of the best in truth.

    Args:
        fit: whose parameters are known to 20 %, each independently.
        plan: the plan.
        decisions: what is chosen.
        before: rows of a call that was stopped, which are not computed again.
        keep: called with all rows after each truth, which takes minutes.
        say: called with a line for each truth.
    """
    goal, limits, more = "ANTI", ["volume <= 1.3"], {"may_run_out": ("ASN",), "caution": 0.0}
    first, rows = gc.optimise(fit, plan, decisions, goal, limits, rules=False, **more), [*before]
    for seed in range(len(before), TRUTHS):
        truth, random = truth_of(fit, seed)
        exact = replace(fit, model=truth, covariance=1e-12 * fit.covariance)
        best = gc.optimise(FitSource(exact, draws=1, learned=fit), plan, decisions, goal, limits, rules=False, **more)
        running, known, measured, seconds = first.plan, None, dict[str, gc.Measurement](), []
        errors, day = assays_of(fit, fit.model.quantities), 1.0
        while day < running.end:
            here = samples_of(truth, replace(running, name="running"), errors, np.array([day]), random)
            measured = {name: here[name] if name not in measured else _longer(measured[name], here[name])
                        for name in here}  # fmt: skip
            seen = replace(running, name="running", measurements=measured)
            begun = time.monotonic()
            known = gc.follow(fit, seen, decisions, goal, limits, now=day, before=known, **more)
            seconds.append(time.monotonic() - begun)
            running = running if known.best is None else replace(known.best.plan, measurements={})
            day += 1.0
        titers = [float(gc.simulate(truth, one).require_finished().final["ANTI"])
                  for one in (first.plan, running, best.plan)]  # fmt: skip
        rows.append({"seed": seed, "once": titers[0], "every day": titers[1], "best": max(titers[2], titers[1]),
                     "seconds": seconds})  # fmt: skip
        keep(rows)
        say(f"truth {seed}: {titers[0]:.3g} once, {titers[1]:.3g} every day, {titers[2]:.3g} with the truth known, "
            f"{np.median(seconds):.0f} s a day")  # fmt: skip


def _longer(one: gc.Measurement, more: gc.Measurement) -> gc.Measurement:
    joined = (np.r_[getattr(one, name), getattr(more, name)] for name in ("time", "value", "standard_error"))
    return gc.Measurement(one.quantity, one.unit, *joined)


def tables(of_following: Sequence[Mapping[str, Any]], of_days: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the tables of what is there.

    Args:
        of_following: rows of `following`.
        of_days: rows of `daily`.

    Returns:
        Markdown, a table each.
    """
    return [*([_of_following(of_following)] if of_following else []), *([_of_days(of_days)] if of_days else [])]


def _of_following(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for way in ("least squares", "filter"):
        farther = sum(row[way]["error"]["ANTI"] > row["without"]["ANTI"] for row in found)
        ratios = [np.sqrt(np.mean([row[way]["error"][name] ** 2 for row in found])
                          / np.mean([row["without"][name] ** 2 for row in found])) for name in UNMEASURED]  # fmt: skip
        inside = np.mean([[row[way]["inside"][name] for name in UNMEASURED] for row in found])
        seconds = np.median(np.concatenate([row[way]["seconds"][1:] for row in found]))
        rows.append([way, *(f"{ratio:.2f}" for ratio in ratios), f"{farther} of {len(found)}", f"{100 * inside:.0f} %",
                     f"{seconds:.1f} s"])  # fmt: skip
    return markdown(["", "ASN", "SER", "titer", "titer worse than without samples", "inside of the bound of 95 %",
                     "an update"], rows)  # fmt: skip


def _of_days(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    mean = {way: float(np.mean([one[way] for one in found])) for way in WAYS}
    for row in [*found, {"seed": "mean", **mean}]:
        lost, back = row["best"] - row["once"], row["every day"] - row["once"]
        share = f"{100 * back / lost:.0f} %" if lost > LEAST_LOSS * row["best"] else "nothing was lost"
        rows.append([str(row["seed"]), *(f"{row[way]:.3f}" for way in WAYS), share])
    return markdown(["truth", "chosen once", "every day", "best in truth", "of the loss"], rows)
