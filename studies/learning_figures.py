"""The figures of docs/learning.md, drawn from docs/learning.json."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from studies import learning_numbers as numbers
from studies.inconsistency_figures import LOOK
from studies.learning_numbers import Spread

from graycell.reporting.style import COLOURS, INK, MUTED, PALE

WARM, COLD = COLOURS[1], COLOURS[0]
_LABEL = {"LAC": "LAC [mmol/L]", "R": "R [1]"}
_OVER = {"v17": "LAC", "v2": "R", "v1 inhibition": "LAC"}
"""What a law is drawn over."""
MARKS = {
    "white": (INK, "o", "-"),
    "gray": (COLOURS[0], "s", "-"),
    "gray, v17 learned": (COLOURS[0], "s", "-"),
    "gray, v2 learned": (COLOURS[5], "D", "-"),
    "gray, v1 inhibition learned": (COLOURS[2], "^", "-"),
    "black, specific rates": (COLOURS[1], "v", "-"),
    "specific rates": (COLOURS[1], "v", "-"),
    "black, evolution": (COLOURS[4], "P", "-"),
    "last value": (PALE, "x", ":"),
    "mean of the runs": (MUTED, "+", ":"),
    "Gaussian process": (MUTED, "1", "--"),
    "boosted trees": (COLOURS[3], "*", "--"),
}
"""Colour, mark and line of a model; shapes differ too, so colours are never needed."""


def draw(data: Mapping, folder: Path) -> None:
    """Write every figure there are numbers for as SVG, and remove the others."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "laws": laws,
        "intervals": intervals,
        "curves": curves,
        "measured": measured,
        "insilico": insilico,
        "umn": umn,
    }
    there = numbers.figures(data)
    with plt.rc_context(LOOK):
        for name, one in made.items():
            path = folder / f"learning-{name}.svg"
            if name not in there:
                path.unlink(missing_ok=True)
                continue
            figure = one(data)
            figure.savefig(path, metadata={"Date": None})
            plt.close(figure)


def laws(data: Mapping):
    """Learned against true laws: point by point, and over what they depend on."""
    chosen = {law: one for law in numbers.LAWS if (one := numbers.typical(data, law)) is not None}
    figure, axes = plt.subplots(2, len(chosen), figsize=(2.6 * len(chosen) + 0.6, 5.0), squeeze=False)
    for (above, below), (law, (size, seed, task)) in zip(axes.T, chosen.items(), strict=True):
        points = {name: np.array(of) for name, of in task["points"].items()}
        cold = points["cold"] > 0.5
        low, high = np.min(points["true"]), np.max(points["true"])
        above.plot([low, high], [low, high], color=MUTED, linewidth=0.8)
        for chosen_points, colour, mark, label in ((~cold, WARM, "^", "warm"), (cold, COLD, "o", "cold")):
            look = {"color": colour, "markersize": 3, "linestyle": "", "markeredgewidth": 0.6}
            true, learned = points["true"][chosen_points], points["learned"][chosen_points]
            over = points[_OVER[law]][chosen_points]
            above.plot(true, learned, mark, **look, label=label)
            below.plot(over, true, mark, **look, markerfacecolor="none", alpha=0.55, label=f"true, {label}")
            below.plot(over, learned, mark, **look, label=f"learned, {label}")
        reaction = law.split()[0]
        above.set(xlabel=f"true {reaction} [mmol/(10⁹ cells)/d]", title=f"{law}\n{size} runs, seed {seed}")
        above.set_ylabel(f"learned {reaction} [mmol/(10⁹ cells)/d]")
        below.set(xlabel=_LABEL[_OVER[law]], ylabel=f"{reaction} [mmol/(10⁹ cells)/d]")
        above.title.set_fontsize(9)
    axes[0, 0].legend(fontsize=7)
    axes[1, 0].legend(fontsize=6)
    return figure


def intervals(data: Mapping):
    """How far the truth is from the estimate, in standard errors, for every parameter of the white model."""
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
            found = {size: one for size, one in numbers.curve(data, model, key).items() if math.isfinite(one.median)}
            if not found:
                continue
            colour, mark, line = MARKS[name]
            shift = 1.0 + 0.012 * (i - 5)  # ranges side by side
            sizes, middle = [shift * size for size in found], [one.median for one in found.values()]
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
    """Return a row for every quantity, and the mean: a mark for every candidate, and its range over seeds."""
    quantities: list[str | None] = [*numbers.quantities_of(found), None]
    figure, axis = plt.subplots(figsize=(size[0] + 1.8, size[1]))
    for i, name in enumerate(one for one in names if one in found):
        rows = [(j, numbers.errors_of({name: found[name]}, quantity)[name]) for j, quantity in enumerate(quantities)]
        rows = [(j, one) for j, one in rows if math.isfinite(one.median) and one.median > 0.0]
        if not rows:
            continue
        colour, mark, _ = MARKS[name]
        height = [j + 0.09 * (i - 3) for j, _ in rows]
        axis.errorbar([one.median for _, one in rows], height, xerr=_whiskers([one for _, one in rows]), fmt=mark,
                      color=colour, markersize=5, elinewidth=0.7, linestyle="", label=name)  # fmt: skip
    axis.axhline(len(quantities) - 1.5, color=MUTED, linewidth=0.6)
    axis.set_yticks(range(len(quantities)), [one or "mean" for one in quantities])
    axis.set(xscale="log", xlabel="NRMSE [1]", ylim=(len(quantities) - 0.4, -0.6))
    _plain_numbers(axis.xaxis)
    axis.grid(axis="x", color="#e9edf1", linewidth=0.6)
    axis.set_axisbelow(True)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _plain_numbers(axis) -> None:
    """Write 1, 2 and 5 of every power of ten on a logarithmic axis as they are read."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _whiskers(found: Sequence[Spread]) -> list[list[float]]:
    """Return the range over seeds beside the median; a seed that failed has no end that could be drawn."""
    below = [one.median - one.least for one in found]
    above = [one.largest - one.median if math.isfinite(one.largest) else 0.0 for one in found]
    return [below, above]
