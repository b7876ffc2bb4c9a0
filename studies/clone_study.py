"""The public benchmark mf-bo4bio with graycell: which of 30 clones, where and how, for EUR 20 000.

The optimiser sees inputs, scale, clone number, titer with noise and cost. It also uses the equations of the simulator
(the model craven-2013 of the library), what a scale changes, and the ranges from which clones were drawn, as priors:
this is another problem than that of black-box optimisers, and said beside every number. It knows no parameter of any
clone.
Scored as published: the true titer at PILOT of the best row of each batch by its reading, the largest so far.
"""

import time
from collections.abc import Mapping
from typing import Any

import clone_benchmark as bench
import numpy as np
from plain_tables import markdown

import graycell as gc
from graycell.campaigns.beliefs import Belief

BUDGET, STEPS, SEEDS = 20_000.0, 50, 10
"""EUR; batches; seeds of the tables."""
RULES = {"sum": ("feed_1 + feed_2 + feed_3 <= 50e-6",), "box": ()}
"""The stated constraint, f1 + f2 + f3 <= 50, and the rule that most stored results keep: each at most 50."""
PUBLISHED = {
    ("sum", "alpha"): (52.7, 42.9, 84.5), ("sum", "beta"): (52.3, 46.9, 84.4),
    ("box", "alpha"): (106.8, None, 201.5), ("box", "beta"): (94.1, None, 201.5),
}  # fmt: skip
"""Medians of the best published method and of industrial Sobol at EUR 20 000; the best point that is known."""
WANTED = {"sum": 72.0, "box": 150.0}
FEED = 1e-6
"""[L] Of a medium with 1e6 mmol/L glucose and 1e5 mmol/L glutamine: 1 mmol/L more in the vessel, next to no volume."""
PRIORS = {
    "mu_max": (0.036, 0.016, 0.075, 0.35), "K_lysis": (0.04, 0.024, 0.0625, 0.15),
    "k_d_max": (0.0123, 0.008, 0.019, 0.12), "Y_X_G": (8e7, 8e6, 3.75e8, 0.9), "Y_X_Q": (2e9, 8e7, 1.25e10, 1.2),
    "Y_L_G": (2.0, 0.8, 3.75, 0.3), "Y_P_X": (8e-11, 8e-12, 2.5e-10, 0.7), "Y_dot_P_X": (5.3e-9, 2.4e-9, 1e-8, 0.28),
    "m_G": (2e-10, 2.4e-11, 6.25e-10, 0.8), "T_opt": (35.0, 28.0, 42.0, 3.0), "pH_opt": (7.0, 5.5, 8.5, 0.6),
}  # fmt: skip
"""Value, bounds and standard deviation (of the logarithm, but for the optima), after the ranges of clone_creator.py."""
SAME = {"k_d_Q": 0.00125, "k_mu": 0.0125, "K_L": 150.0, "K_A": 37.5, "K_G": 1.25, "K_Q": 0.255, "Y_A_Q": 0.8}
"""The middle of these ranges, for what differs little."""


def campaign(rule: str, seed: int) -> gc.Campaign:
    """Return the campaign, before any run.

    Args:
        rule: sum or box.
        seed: of all that it draws.

    Returns:
        30 clones at three scales.
    """
    model = gc.model_of("craven-2013")
    table = model.table
    for row in table.rows:
        table = table.with_changes(row.name, estimated=False)
    for name, (value, lower, upper, sd) in PRIORS.items():
        table = table.with_changes(name, value=value, lower=lower, upper=upper, prior_sd=sd, estimated=True,
                                   log_scale=not name.endswith("_opt"))  # fmt: skip
    for name, value in SAME.items():
        table = table.with_changes(name, value=value)
    days = [hour / 24.0 for hour in bench.FEED_HOURS]
    start = {"VCD": 4e-4, "dead": 0.0, "GLC": 10.0, "GLN": 20.0, "LAC": 0.0, "NH3": 1.8, "ANTI": 0.0}
    events = (gc.Setpoint(0.0, 35.0), gc.Setpoint(0.0, 7.0, "pH"), *(gc.Bolus(day, "feed", FEED) for day in days))
    plan = gc.CultureRun("clone", 1.0, start, events=events, media={"feed": {"GLC": 1e6, "GLN": 1e5}},
                         end=bench.END / 24.0)  # fmt: skip
    decisions = (
        gc.Decision("warmth", "temperature", 30.0, 40.0, event="temperature"),
        gc.Decision("acidity", "value", 6.0, 8.0, event="setpoint", input="pH"),
        *(gc.Decision(f"feed_{k}", "volume", 0.0, 50.0 * FEED, event="bolus", day=day)
          for k, day in enumerate(days, 1)),
    )  # fmt: skip
    plate = {"feed_1": 0.0, "feed_2": 50.0 * FEED, "feed_3": 0.0}
    scales = tuple(
        gc.Scale(name, bench.COST[name], bench.TOGETHER[name], bench.NOISE[name],
                 {"growth_scale": bench.GROWTH[name], "death_scale": bench.DEATH[name]},
                 ("warmth", "acidity") if name == "MTP" else (), plate if name == "MTP" else {})
        for name in bench.COST
    )  # fmt: skip
    return gc.Campaign(model.with_table(table), plan, decisions, "ANTI", tuple(map(str, range(30))), scales, "PILOT",
                       RULES[rule], seed=seed)  # fmt: skip


def seed_of(distribution: str, rule: str, seed: int) -> dict[str, Any]:
    """Return what one campaign reached.

    Args:
        distribution: alpha or beta.
        rule: sum or box.
        seed: of the noise and of all that is drawn.

    Returns:
        Batches with cost and score, the score at the end, and seconds.
    """
    plan, clones, noise = campaign(rule, seed), bench.clones_of(distribution), np.random.default_rng(seed)
    prices = {scale.name: scale.cost * scale.runs for scale in plan.scales}
    tried, belief, cost, best, batches, begun = list[gc.Tried](), None, 0.0, 0.0, [], time.monotonic()
    while len(batches) < STEPS:
        offers = [(name, one) for name, one in plan.proposals(tried, belief).items() if cost + prices[name] <= BUDGET]
        if not offers:
            break
        scale, batch = offers[0]
        done = [gc.Tried(run.clone, scale, run.values, _read(clones, run, noise)) for run in batch.runs]
        read = max(done, key=lambda run: run.goal)
        best, cost = max(best, bench.titer(clones[int(read.clone)], _given(read), "PILOT")), cost + prices[scale]
        tried += done
        batches.append({"scale": scale, "cost": cost, "score": best})
        belief = _learned(plan, tried, belief, len(done))
    return {"distribution": distribution, "rule": rule, "seed": seed, "score": best, "cost": cost, "batches": batches,
            "seconds": time.monotonic() - begun}  # fmt: skip


def _learned(plan: gc.Campaign, tried: list[gc.Tried], belief: Belief | None, new: int) -> Belief | None:
    """Return what is known, once every clone was looked at three times."""
    if belief is None and min(sum(run.clone == name for run in tried) for name in plan.clones) < 3:
        return None
    return plan.learn(tried, belief, None if belief is None else new)


def _given(run: Any) -> np.ndarray:
    """Return the input of the benchmark for a run of the campaign."""
    return np.array(run.values) / [1.0, 1.0, FEED, FEED, FEED]


def _read(clones: list[dict[str, float]], run: gc.Proposed, noise: np.random.Generator) -> float:
    value = bench.titer(clones[int(run.clone)], _given(run), run.scale)
    return max(value + noise.normal(0.0, max(bench.NOISE[run.scale] * value, 1e-8)), 0.0)


def table(rows: list[Mapping[str, Any]]) -> str:
    """Return the table of the page.

    Args:
        rows: of `seed_of`.

    Returns:
        Markdown.
    """
    heads = ["rule", "clones", "best published, without equations", "industrial Sobol", "graycell, with equations",
             "least to most", "seeds", "best known", "wanted", "median seconds"]  # fmt: skip
    lines = []
    for (rule, distribution), (published, sobol, known) in PUBLISHED.items():
        mine = [row for row in rows if (row["rule"], row["distribution"]) == (rule, distribution)]
        if not mine:
            continue
        scores, seconds = (np.array([row[name] for row in mine]) for name in ("score", "seconds"))
        words = "f1 + f2 + f3 <= 50" if rule == "sum" else "each <= 50"
        lines.append([words, distribution, f"{published:g}", "" if sobol is None else f"{sobol:g}",
                      f"{np.median(scores):.1f}", f"{np.min(scores):.1f} to {np.max(scores):.1f}", str(len(mine)),
                      f"{known:g}", f"{WANTED[rule]:g}", f"{np.median(seconds):.0f}"])  # fmt: skip
    return markdown(heads, lines)
