"""Figures of the decision study, from its stored numbers."""

from collections.abc import Mapping
from pathlib import Path

import clone_study
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from inconsistency_figures import LOOK

from graycell.reporting.style import COLOURS, INK, MUTED, PALE


def draw(stored: Mapping, folder: Path) -> None:
    """Write every figure whose numbers are there as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(LOOK):
        for part, make in (("feeds", gains), ("runs", errors), ("following", following), ("daily", daily),
                           ("clones", clones)):  # fmt: skip
            if part in stored:
                figure = make(stored[part])
                figure.savefig(folder / f"decide-{part}.svg", metadata={"Date": None})
                plt.close(figure)


def gains(rows: list[dict]):
    """What plans gain in every truth, one line for each way to choose them."""
    figure, axis = plt.subplots(figsize=(7, 0.6 + 0.45 * len(rows)))
    for k, row in enumerate(rows):
        values = 100.0 * np.array(row["gains"])
        axis.plot(values, np.full(len(values), k), "o", color=COLOURS[0], markersize=4, alpha=0.6)
        axis.plot(np.median(values), k, "|", color=INK, markersize=16, markeredgewidth=2)
        axis.plot(100.0 * row["promised"], k, "D", color=COLOURS[1], markersize=6)
    axis.plot([], [], "o", color=COLOURS[0], markersize=4, label="a truth")
    axis.plot([], [], "|", color=INK, markersize=10, markeredgewidth=2, linestyle="none", label="median")
    axis.plot([], [], "D", color=COLOURS[1], markersize=6, linestyle="none", label="promised")
    axis.axvline(0.0, color=MUTED, linewidth=0.8)
    words = [f"caution {row['caution']:g}" + (f", {row['may run out'][0]} may run out" if row["may run out"] else "")
             for row in rows]  # fmt: skip
    axis.set_yticks(range(len(rows)), words)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel("gain in titer over the bundled schedule [%]")
    axis.legend(loc="upper right", fontsize=8)
    return figure


def errors(rows: list[dict]):
    """Errors of models after designed and random runs, a dot for every truth."""
    words = {"none": "none", "predictions": "4 designed\nfor predictions", "parameters": "4 designed\nfor parameters",
             "random 4": "4 random", "random 8": "8 random", "random 12": "12 random"}  # fmt: skip
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for k, name in enumerate(words):
        values = np.array([row[name] for row in rows])
        axis.plot(np.full(len(values), k), values, "o", color=COLOURS[0], markersize=4, alpha=0.6)
        axis.plot(k, np.median(values), "_", color=INK, markersize=22, markeredgewidth=2)
    axis.set_yscale("log")
    axis.set_xticks(range(len(words)), list(words.values()), fontsize=8)
    axis.set_ylabel("error of predictions [1]")
    axis.set_xlabel("runs after the first; dots are truths, bars their median")
    return figure


def following(rows: list[dict]):
    """Errors of what nobody measures over those of the forecast without samples, a dot for every culture."""
    names, ways = list(rows[0]["without"]), ("least squares", "filter")
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for k, name in enumerate(names):
        for way, colour, aside in zip(ways, COLOURS[:2], (-0.12, 0.12), strict=True):
            own = np.array([row[way]["error"][name] for row in rows])
            without = np.array([row["without"][name] for row in rows])
            axis.plot(np.full(len(rows), k + aside), own / without, "o", color=colour, markersize=4, alpha=0.6,
                      label=way if k == 0 else None)  # fmt: skip
            axis.plot(k + aside, np.sqrt(np.mean(own**2) / np.mean(without**2)), "_", color=colour, markersize=20,
                      markeredgewidth=2)  # fmt: skip
    axis.axhline(1.0, color=MUTED, linewidth=0.8)
    axis.set_yscale("log")
    axis.set_xticks(range(len(names)), ["titer" if name == "ANTI" else name for name in names])
    axis.set_ylabel("error / error without samples [1]")
    axis.set_xlabel("dots are cultures; bars are over all of them")
    axis.legend(fontsize=8)
    return figure


def daily(rows: list[dict]):
    """Titers of three ways to plan, a line for every truth."""
    figure, axis = plt.subplots(figsize=(7, 2.8))
    ways = {"once": "chosen once", "every day": "chosen again\nevery day", "best": "with the truth known"}
    for row in rows:
        axis.plot(range(3), [row[way] / row["best"] for way in ways], "o-", color=COLOURS[0], markersize=4,
                  linewidth=0.8, alpha=0.7)  # fmt: skip
    axis.set_xticks(range(3), list(ways.values()))
    axis.set_ylabel("titer / best titer [1]")
    return figure


def clones(rows: list[dict]):
    """Medians of what campaigns reach over their cost, beside what was published."""
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharex=True)
    grid = np.arange(0.0, clone_study.BUDGET + 1.0, 250.0)
    titles = {"sum": "f1 + f2 + f3 <= 50", "box": "each feed <= 50"}
    for axis, (rule, words) in zip(axes, titles.items(), strict=True):
        for distribution, colour in (("alpha", COLOURS[0]), ("beta", COLOURS[1])):
            mine = [row for row in rows if (row["rule"], row["distribution"]) == (rule, distribution)]
            curves = [[max([one["score"] for one in row["batches"] if one["cost"] <= cost], default=0.0)
                       for cost in grid] for row in mine]  # fmt: skip
            axis.step(grid / 1e3, np.median(curves, axis=0), where="post", color=colour, label=distribution)
            published, _, known = clone_study.PUBLISHED[rule, distribution]
            axis.plot(clone_study.BUDGET / 1e3, published, "x", color=colour)
            if distribution == "alpha":
                axis.axhline(known, color=PALE, linewidth=1.2, zorder=0)
        axis.set_title(words, fontsize=9)
        axis.set_xlabel("spent [1000 EUR]")
        axis.set_ylim(bottom=0.0)
    axes[0].plot([], [], "x", color=INK, label="best published, without equations")
    axes[0].plot([], [], color=PALE, linewidth=1.2, label="best known")
    axes[0].set_ylabel("true titer at the pilot scale")
    axes[0].legend(fontsize=8, loc="lower right")
    return figure
