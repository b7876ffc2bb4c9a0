"""The figures of docs/learning.md, drawn from docs/learning.json."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import learning_numbers as numbers
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from inconsistency_figures import LOOK
from learning_numbers import Spread
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from graycell.reporting.style import COLOURS, INK, MUTED, PALE

BEFORE, AFTER = COLOURS[1], COLOURS[0]
"""Before and after the temperature shift."""
_LABEL = {"LAC": "LAC [mmol/L]", "R": "R [1]"}
_OVER = {"v17": "LAC", "v2": "R", "v1 inhibition": "LAC"}
"""Input that a law is drawn over."""
MARKS = {
    "white": (INK, "o", "-"),
    "gray": (COLOURS[0], "s", "-"),
    "gray, v17 learned": (COLOURS[0], "s", "-"),
    "gray, v2 learned": (COLOURS[5], "D", "-"),
    "gray, v1 inhibition learned": (COLOURS[2], "^", "-"),
    "black, neural rates": (COLOURS[1], "v", "-"),
    "neural rates": (COLOURS[1], "v", "-"),
    "black, neural ODE": (COLOURS[4], "P", "-"),
    "last value": (PALE, "x", ":"),
    "mean of the runs": (MUTED, "+", ":"),
    "Gaussian process": (MUTED, "1", "--"),
    "boosted trees": (COLOURS[3], "*", "--"),
}
"""Colour, mark and line of a model; the marks differ, so the figures are readable without colour."""


def draw(data: Mapping, folder: Path) -> None:
    """Write every figure as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(LOOK):
        for make in (laws, intervals, curves, measured, insilico, umn):
            figure = make(data)
            figure.savefig(folder / f"learning-{make.__name__}.svg", metadata={"Date": None})
            plt.close(figure)


def laws(data: Mapping):
    """Learned against true laws: point by point, and over an input."""
    figure, axes = plt.subplots(2, len(numbers.LAWS), figsize=(2.6 * len(numbers.LAWS) + 0.6, 5.0), squeeze=False)
    for (above, below), law in zip(axes.T, numbers.LAWS, strict=True):
        seed, task = numbers.typical(data, law)
        points = {name: np.array(of) for name, of in task["points"].items()}
        after = points["shift"] > 0.5
        low, high = np.min(points["true"]), np.max(points["true"])
        above.plot([low, high], [low, high], color=MUTED, linewidth=0.8)
        for chosen, colour, mark, label in (
            (~after, BEFORE, "^", "before the shift"),
            (after, AFTER, "o", "after the shift"),
        ):
            look = {"color": colour, "markersize": 3, "linestyle": "", "markeredgewidth": 0.6}
            true, learned = points["true"][chosen], points["learned"][chosen]
            over = points[_OVER[law]][chosen]
            above.plot(true, learned, mark, **look, label=label)
            below.plot(over, true, mark, **look, markerfacecolor="none", alpha=0.55, label=f"true, {label}")
            below.plot(over, learned, mark, **look, label=f"learned, {label}")
        reaction = law.split()[0]
        above.set(xlabel=f"true {reaction} [mmol/(10⁹ cells)/d]", title=f"{law}\n{numbers.LAW_RUNS} runs, seed {seed}")
        above.set_ylabel(f"learned {reaction} [mmol/(10⁹ cells)/d]")
        below.set(xlabel=_LABEL[_OVER[law]], ylabel=f"{reaction} [mmol/(10⁹ cells)/d]")
        above.title.set_fontsize(9)
    axes[0, 0].legend(fontsize=7)
    axes[1, 0].legend(fontsize=6)
    return figure


def intervals(data: Mapping):
    """Distance between truth and estimate, in standard errors, for every parameter of the white model."""
    rows = numbers.parameters(data, numbers.WHITE_RUNS)
    names = list(dict.fromkeys(row["name"] for row in rows))
    figure, axis = plt.subplots(figsize=(7.5, 3.2))
    axis.axhspan(-numbers.NORMAL_95, numbers.NORMAL_95, color="#eef1f4", zorder=0)
    axis.axhline(0.0, color=MUTED, linewidth=0.6)
    far = 5.0
    for known, colour, mark, label in ((True, COLOURS[0], "o", "identifiable"), (False, PALE, "x", "not identifiable")):
        of = [row for row in rows if numbers.is_identifiable(row) is known and row["z"] is not None]
        height = np.clip([row["z"] for row in of], -far, far)
        axis.plot([names.index(row["name"]) for row in of], height, mark, color=colour, markersize=4, label=label)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set(ylim=(-far - 0.4, far + 0.4), ylabel="truth - estimate\n[standard errors]", xlabel="parameter")
    axis.legend(fontsize=7, ncols=2, loc="upper right")
    return figure


def curves(data: Mapping):
    """Error over the number of training runs, against noisy samples and against the truth without noise."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 4.6))
    for axis, key, title in zip(axes, ("test mean", "test against truth mean"), ("noisy samples", "without noise"),
                                strict=True):  # fmt: skip
        for i, (model, name) in enumerate(numbers.models().items()):
            found = {
                size: error for size, error in numbers.curve(data, model, key).items() if math.isfinite(error.median)
            }
            if not found:
                continue
            colour, mark, line = MARKS[name]
            shift = 1.0 + 0.012 * (i - 5)  # ranges side by side
            sizes, middle = [shift * size for size in found], [error.median for error in found.values()]
            axis.errorbar(sizes, middle, yerr=_whiskers(list(found.values())), fmt=mark, linestyle=line, color=colour,
                          markersize=5, linewidth=1.1, elinewidth=0.7, label=name)  # fmt: skip
        axis.set(xscale="log", yscale="log", xlabel="training runs [1]", ylabel="NRMSE [1]", title=title)
        axis.title.set_fontsize(9)
        axis.set_xticks(data["sizes"], [str(size) for size in data["sizes"]])
        axis.xaxis.set_minor_locator(NullLocator())
        _plain_numbers(axis.yaxis)
        axis.set_xlim(0.85 * min(data["sizes"]), 1.2 * max(data["sizes"]))
    floor = numbers.floor(data)
    if floor is not None:
        axes[0].axhline(floor.median, color=INK, linewidth=0.8, linestyle=":", label="noise floor")
    labels = {}
    for axis in axes:
        handles, names = axis.get_legend_handles_labels()
        labels |= dict(zip(names, handles, strict=True))
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def measured(data: Mapping):
    """Errors of the measured run after day 6, by quantity."""
    return _dots(numbers.forward(data), ("white", "gray", numbers.HYBRID, *numbers.BASELINES), (4.6, 4.4))


def insilico(data: Mapping):
    """Errors of the simulated open set, by quantity."""
    return _dots(numbers.open_set(data, "insilico"), (numbers.HYBRID, *numbers.BASELINES), (4.6, 2.4))


def umn(data: Mapping):
    """Errors of the three measured runs, by quantity."""
    return _dots(numbers.open_set(data, "umn"), (numbers.HYBRID, *numbers.BASELINES), (4.6, 6.4))


def _dots(found: Mapping, names: Sequence[str], size: tuple[float, float]):
    """Draw a row for every quantity and the mean: a mark for every candidate, with its range over seeds."""
    quantities: list[str | None] = [*numbers.quantities_of(found), None]
    figure, axis = plt.subplots(figsize=(size[0] + 1.8, size[1]))
    for i, name in enumerate(name for name in names if name in found):
        rows = [(j, numbers.errors_of({name: found[name]}, quantity)[name]) for j, quantity in enumerate(quantities)]
        rows = [(j, error) for j, error in rows if math.isfinite(error.median) and error.median > 0.0]
        if not rows:
            continue
        colour, mark, _ = MARKS[name]
        height = [j + 0.09 * (i - 3) for j, _ in rows]
        shown = [error for _, error in rows]
        axis.errorbar([error.median for error in shown], height, xerr=_whiskers(shown), fmt=mark, color=colour,
                      markersize=5, elinewidth=0.7, linestyle="", label=name)  # fmt: skip
    axis.axhline(len(quantities) - 1.5, color=MUTED, linewidth=0.6)
    axis.set_yticks(range(len(quantities)), [name or "mean" for name in quantities])
    axis.set(xscale="log", xlabel="NRMSE [1]", ylim=(len(quantities) - 0.4, -0.6))
    _plain_numbers(axis.xaxis)
    axis.grid(axis="x", color="#e9edf1", linewidth=0.6)
    axis.set_axisbelow(True)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _plain_numbers(axis) -> None:
    """Label 1, 2 and 5 of every power of ten on a logarithmic axis, without exponents."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _whiskers(found: Sequence[Spread]) -> list[list[float]]:
    """Return the ends of the range over seeds; a failed seed has no end that could be drawn."""
    below = [error.median - error.least for error in found]
    above = [error.largest - error.median if math.isfinite(error.largest) else 0.0 for error in found]
    return [below, above]
