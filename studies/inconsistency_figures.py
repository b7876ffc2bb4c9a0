"""The figures of docs/inconsistency.md, drawn from docs/inconsistency.json."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from graycell.reporting.style import COLOURS, INK, MUTED

LOOK = {
    "svg.hashsalt": "graycell",  # the same file from the same numbers
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def draw(results: dict, folder: Path) -> None:
    """Write every figure as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(LOOK):
        for make in (steps, maps, closures, v1, orders, fits, branches):
            figure = make(results)
            figure.savefig(folder / f"inconsistency-{make.__name__}.svg", metadata={"Date": None})
            plt.close(figure)


def steps(results: dict):
    """R over time by the lagged scheme, for each step."""
    found = results["steps"]
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for step, path, colour in zip(found["step"], found["paths"], [*COLOURS[:4], INK], strict=True):
        axis.plot(path["time"], path["R"], color=colour, label=f"step {step:g} d", linewidth=1.2)
    axis.axhline(1.0, color=MUTED, linewidth=0.6, linestyle=":")
    axis.set(xlabel="time [d]", ylabel="R [1]", ylim=(0, 12))
    axis.legend(ncols=5, loc="upper left", fontsize=8)
    return figure


def maps(results: dict):
    """R' over R on the path of the lagged scheme."""
    found = results["maps"]
    redox = np.array(found["R"])
    figure, axes = plt.subplots(2, 3, figsize=(7.5, 4.8))
    for k, axis in enumerate(axes.ravel()):
        soft, sharp = found["soft"], found["published"]
        top = 1.3 * max(*soft["points"][k], found["lagged R"][k], 1.5)
        axis.plot(redox, sharp["ratio"][k], color=COLOURS[1], linewidth=1, label="published weights, switches")
        axis.plot(redox, soft["ratio"][k], color=COLOURS[0], linewidth=1.4, label="soft weights, smooth switches")
        axis.plot([0, top], [0, top], color=MUTED, linewidth=0.8, linestyle=":")
        for point, slope in zip(soft["points"][k], soft["slopes"][k], strict=True):
            axis.plot(point, point, "o", color=INK, markersize=5, markerfacecolor=INK if slope < 1.0 else "white")
        axis.axvline(found["lagged R"][k], color=MUTED, linewidth=0.8, linestyle="--")
        axis.set(title=f"day {found['day'][k]:g}", xlim=(0, top), ylim=(0, top))
        axis.title.set_fontsize(9)
    for axis in axes[-1]:
        axis.set_xlabel("R [1]")
    for axis in axes[:, 0]:
        axis.set_ylabel("R' [1]")
    axes[0, 0].legend(loc="upper left", fontsize=7)
    return figure


def closures(results: dict):
    """R over time by each closure, and as measured."""
    found = results["closures"]
    figure, axis = plt.subplots(figsize=(7, 2.8))
    for (name, path), colour in zip(found["paths"].items(), COLOURS, strict=False):
        axis.plot(path["time"], path["R"], color=colour, label=name, linewidth=1.3)
    _measured(axis, found["measured"])
    axis.axhline(1.0, color=MUTED, linewidth=0.6, linestyle=":")
    axis.set(xlabel="time [d]", ylabel="R [1]", ylim=(0, 7))
    axis.legend(ncols=2)
    return figure


def v1(results: dict):
    """The flux v1 around R = 1."""
    found = results["v1"]
    away = np.array(found["R"]) - 1.0
    figure, axis = plt.subplots(figsize=(5, 2.6))
    for name, label, colour in (("1/w^2", "weights 1/w²", COLOURS[1]), ("soft", "soft weights", COLOURS[0])):
        axis.plot(away, found[name], "o-", color=colour, label=label, markersize=3, linewidth=1)
    axis.set_xscale("symlog", linthresh=1e-8)
    axis.set_xticks([-1e-2, -1e-5, 0.0, 1e-5, 1e-2])
    axis.set(xlabel="R - 1 [1]", ylabel="v1 [mmol/(10⁹ cells)/d]")
    axis.legend()
    return figure


def orders(results: dict):
    """Errors of the well-posed closures by step, and the limit of tau."""
    found, tau = results["orders"], results["tau"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.8))
    for name, style in (("dynamic", "o-"), ("algebraic", "s--")):
        for method, colour in zip(("Heun", "Bosh3"), COLOURS, strict=False):
            left.loglog(found["step"], found[name][method], style, color=colour, markersize=4, linewidth=1,
                        label=f"{name}, {method}")  # fmt: skip
    left.set(xlabel="step [d]", ylabel="error [1]")
    left.legend(fontsize=7)
    right.loglog(tau["tau"], tau["difference"], "o-", color=COLOURS[0], markersize=4, linewidth=1)
    right.set(xlabel="tau [d]", ylabel="dynamic - algebraic [1]")
    for axis, ticks in ((left, found["step"]), (right, tau["tau"])):
        axis.minorticks_off()
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    return figure


def fits(results: dict):
    """R and lactate of the fits at the samples."""
    measured = results["closures"]["measured"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.0))
    for (name, of), colour in zip(results["fits"].items(), COLOURS, strict=False):
        left.plot(of["path"]["time"], of["path"]["R"], color=colour, linewidth=1.2, label=name)
        right.plot(measured["time"], of["LAC at samples"], "o-", color=colour, linewidth=1.2, markersize=3)
    _measured(left, measured)
    right.plot(measured["time"], measured["LAC"], "s", color=INK, markersize=4)
    left.axhline(1.0, color=MUTED, linewidth=0.6, linestyle=":")
    left.set(xlabel="time [d]", ylabel="R [1]", ylim=(0, 7))
    right.set(xlabel="time [d]", ylabel="LAC [mmol/L]", ylim=(0, None))
    left.legend(fontsize=7)
    return figure


def branches(results: dict):
    """Fixed points of R along each fit."""
    figure, axes = plt.subplots(1, len(results["fits"]), figsize=(7.5, 2.8), sharey=True)
    for axis, (name, of) in zip(axes, results["fits"].items(), strict=True):
        time, redox, slope = (np.array(of["branches"][key]) for key in ("time", "R", "slope"))
        held = slope < 1.0
        axis.plot(time[held], redox[held], ".", color=COLOURS[0], markersize=3, label="stable for a pool")
        axis.plot(time[~held], redox[~held], ".", color=MUTED, markersize=2, label="unstable")
        axis.plot(of["path"]["time"], of["path"]["R"], color=COLOURS[1], linewidth=1.2, label="the fit")
        axis.set(title=name.replace("; ", ";\n"), xlabel="time [d]", ylim=(0, 7))
        axis.title.set_fontsize(8)
    axes[0].set_ylabel("R [1]")
    axes[-1].legend(fontsize=7)
    return figure


def _measured(axis, measured: dict) -> None:
    axis.errorbar(measured["time"], measured["R"], yerr=measured["error"], fmt="s", color=INK, markersize=4,
                  linewidth=0.8, label="measured")  # fmt: skip
