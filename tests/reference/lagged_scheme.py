"""The published scheme of Nolan & Lee (2011) in plain NumPy and SciPy: the source of numbers in test_nolan_lee.py.

    python tests/reference/lagged_scheme.py

prints them, in about ten seconds. It imports neither graycell nor JAX and shares only data with the package: the
equations and parameters of the model file, not its formulas, and the bundled run. Network, rate laws, projection and
steps are written independently; the projection is solved by another method.

Sources: R. P. Nolan, K. Lee, Metab. Eng. 13 (2011) 108-124, for reactions, rate laws and scheme; Cui et al., Comput.
Chem. Eng. 183 (2024) 108594, for the parameters `refit`; C. L. Lawson, R. J. Hanson, Solving Least Squares Problems
(1974), chapter 23, for least squares with linear inequalities.
"""

import csv
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.linalg import null_space
from scipy.optimize import nnls

PACKAGE = Path(__file__).parents[2] / "src" / "graycell"
MODEL = PACKAGE / "models" / "files" / "nolan-lee.toml"
RUN = PACKAGE / "runs" / "bundled" / "nolan-lee-2011-cell-line-a"
KINETIC = ("v1", "v2", "v3", "v8", "v10", "v11", "v9", "v13", "v16", "v12", "v17", "v33")
GASES = ("O2", "CO2")
"""Held by the gas phase: no balance in the liquid."""
NADH_OF_BIOMASS = 0.64
"""NADH [mol/mol] that the published R counts for biomass synthesis, v16; the reaction itself has 0.6391."""
BIOMASS_PER_CELL = 2.31
"""[mmol/(10^9 cells)]"""
SHIFT_RATE, SHIFT_TIME = 33.94, 3.0
"""[1/d, d] The temperature shift acts as 1 - exp(-rate (t - time))."""
REPLACED = 0.03
"""Part of the volume [1] that the published daily feed replaces."""
R_CEILING = 50.0
"""[1] ten times the largest measured R."""
FITTED = 47
"""Number of parameters of the refit, for the adjusted R2."""


def read(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def model_file():
    return tomllib.loads(MODEL.read_text(encoding="utf-8"))


def numbers(row):
    """Return the cells of a row that are numbers, without the units in their heads."""
    return {head.split(" [")[0]: float(cell) for head, cell in row.items() if " [" in head and cell}


# ------------------------------------------------------------------------------------------------------ the network


def side(text):
    terms = [term.split() for term in text.split("+") if term.strip()]
    return {term[-1]: float(term[0]) if len(term) == 2 else 1.0 for term in terms}


def coefficients(equation):
    left, right = (side(part) for part in equation.replace("<=>", "=>").split("=>"))
    return {name: right.get(name, 0.0) - left.get(name, 0.0) for name in {**left, **right}}


class Network(NamedTuple):
    """The reactions of the cell.

    names: of the reactions. irreversible: (reactions,). balances: (inside, reactions) coefficients before and after the
    shift. exchange: (species, reactions) coefficients in the liquid. species: there, without ``_ext``.
    """

    names: list
    irreversible: np.ndarray
    balances: list
    exchange: np.ndarray
    species: list


def network():
    reactions = model_file()["network"]
    rows = list(reactions.values())
    before = [coefficients(row["equation"]) for row in rows]
    after = [coefficients(row.get("shifted", row["equation"])) for row in rows]
    found = sorted({name for column in before for name in column})
    inside = [name for name in found if not name.endswith("_ext")]
    liquid = [name for name in found if name.endswith("_ext") and name.removesuffix("_ext") not in GASES]

    def matrix(species, columns):
        return np.array([[column.get(name, 0.0) for column in columns] for name in species])

    return Network(
        list(reactions),
        np.array(["<=>" not in row["equation"] for row in rows]),
        [matrix(inside, columns) for columns in (before, after)],
        matrix(liquid, before),
        [name.removesuffix("_ext") for name in liquid],
    )


# ------------------------------------------------------------------------------------------------------ the cell


def kinetic_rates(c, redox, shift, p):
    """Return the twelve kinetic rates [mmol/(10^9 cells)/d] in the order of `KINETIC`; c [mmol/L], redox [1]."""
    c = {name: max(value, 1e-9) for name, value in c.items()}

    def slowed(name):
        return 1.0 - shift + shift * p[name]

    def between(before, after):
        return (1.0 - shift) * before + shift * after

    def deamidation(amide, acid, i, slowed_back):
        q, u, n = c[amide] / p[f"Km{i}a"], c[acid] / p[f"Km{i}b"], c["NH3"] / p[f"Km{i}c"]
        ahead, back = p[f"vmax{i}f"] / slowed(f"TC{i}b") * q, p[f"vmax{i}r"] / slowed_back * u * n
        return (ahead - back) / (1.0 + q + u + n + u * n)

    w = {}
    inhibited = 1.0 + (c["LAC"] / p["Ki1"]) ** between(p["exp1a"], p["exp1b"])
    w["v1"] = p["vmax1f"] / slowed("TC1b") * c["GLC"] / (p["Km1"] + c["GLC"]) / inhibited
    making = redox >= 1.0
    w["v2"] = p["vmax2"] * (redox - 1.0) * (1.0 if making else c["LAC"] / (p["Km2"] + c["LAC"]))
    a, s = c["ALA"] / p["Km3b"], c["GLC"] / p["Km3c"] if redox > 1.0 else c["LAC"] / p["Km3a"]
    net = p["vmax3f"] * s - p["vmax3r"] * a
    w["v3"] = net / (1.0 + s + a) if net >= 0.0 else -p["vmax3r"] / slowed("TC3b") * a / (1.0 + a)
    w["v8"] = deamidation("GLN", "GLU", 8, 1.0)
    w["v10"] = deamidation("ASN", "ASP", 10, slowed("TC10b"))
    w["v11"] = p["vmax11"] * w["v10"]
    n = c["NH3"] / p["Km9"]
    w["v9"] = (p["vmax9f"] * w["v3"] * n - p["vmax9r"] * w["v11"]) / (1.0 + n)
    w["v13"] = p["vmax13"] * between(redox, 1.0) * c["CYSTINE"] / (p["Km13"] + c["CYSTINE"])
    glutamine, asparagine = c["GLN"] / (p["Km16a"] + c["GLN"]), c["ASN"] / (p["Km16b"] + c["ASN"])
    glucose = c["GLC"] / (p["Km16c"] + c["GLC"])
    w["v16"] = p["vmax16"] / slowed("TC16b") * asparagine * between(glutamine, glucose)
    q, u = c["SER"] / p["Km12a"], c["GLY"] / p["Km12b"]
    w["v12"] = (p["vmax12f"] * w["v16"] * q - p["vmax12r"] * u**2) / (1.0 + q + u + u**2)
    w["v17"] = p["vmax17"] / (1.0 + (c["LAC"] / p["Ki17"]) ** between(p["exp17a"], p["exp17b"]))
    w["v33"] = p["vmax33a"] * w["v8"] + p["vmax33b"] * w["v11"]
    return np.array([w[name] for name in KINETIC])


def project(cell, w, shift):
    """Return the fluxes with the least sum of ((v_i - w_i)/w_i)^2 at steady state, irreversible ones not below 0.

    With v = N z this is least squares with inequalities. It becomes a least-distance problem, whose dual is one of
    non-negative least squares; its active bounds are then held as equations and the rest is solved anew, to rounding.
    """
    before, after = cell.balances
    basis = null_space((1.0 - shift) * before + shift * after)
    size = np.abs(w)
    # a rate of 0 has no weight; 7 decades are what the roots of the weights may span
    size = np.where(size == 0.0, 1e6 * np.max(size), np.maximum(size, 1e-7 * np.max(size)))
    rows = basis[[cell.names.index(name) for name in KINETIC]] / size[:, None]
    wanted, bounds = w / size, basis[cell.irreversible]
    orthogonal, triangle = np.linalg.qr(rows)
    bounds = bounds @ np.linalg.inv(triangle)  # in y = R z
    scale = np.linalg.norm(bounds, axis=1, keepdims=True)
    bounds = bounds / scale
    free = orthogonal.T @ wanted
    dual, _ = nnls(np.vstack([bounds.T, -(bounds @ free)[None]]), np.r_[np.zeros(len(free)), 1.0])
    held = bounds[dual > 1e-12 * max(np.max(dual), 1e-300)]
    inner = null_space(held) if len(held) else np.eye(len(free))
    y = inner @ (inner.T @ free)
    return basis @ np.linalg.solve(triangle, y)


# ------------------------------------------------------------------------------------------------------ the scheme


def simulate(parameters, step=0.05, glucose=1.0):
    """Return times [d], concentrations [mmol/L] by species, and R [1]: Runge-Kutta steps with a lagged R.

    Each stage of a step uses the R' of the stage before. parameters: published or refit. step: [d]. glucose: factor on
    the initial glucose [1].
    """
    cell = network()
    unit = {"nmol/1e6 cells/d": 1e-3}  # to mmol/(10^9 cells)/d
    file = model_file()
    table, refit = file["parameters"], file["sets"]["refit"]
    values = refit if parameters == "refit" else {name: table[name]["value"] for name in refit}
    p = {name: value * unit.get(table[name].get("unit"), 1.0) for name, value in values.items()}
    start = numbers(read(RUN / "initial.csv")[0])
    medium = numbers(read(RUN / "media.csv")[0])
    events = read(RUN / "events.csv")
    feeds = [float(row["time [d]"]) for row in events if row["event"] == "bolus"]
    end = next(float(row["time [d]"]) for row in events if row["event"] == "end")
    signal = [numbers(row) for row in read(RUN / "signals.csv")]
    viability = PchipInterpolator([row["time"] for row in signal], [row["viability"] for row in signal])
    biomass, one, sixteen, shuttle = (
        cell.species.index("BIOM"), *(cell.names.index(name) for name in ("v1", "v16", "v34")),
    )  # fmt: skip

    def slope(shifted, time, c, redox):
        """Return dc/dt [mmol/L/d] and R' [1]."""
        shift = shifted * (1.0 - np.exp(-SHIFT_RATE * max(time - SHIFT_TIME, 0.0)))
        v = project(cell, kinetic_rates(dict(zip(cell.species, c, strict=True)), redox, shift, p), shift)
        cells = viability(time) * max(c[biomass], 0.0) / BIOMASS_PER_CELL
        made, used = max(2.0 * v[one] + NADH_OF_BIOMASS * v[sixteen], 0.0), max(v[shuttle], 0.0)
        return cells * (cell.exchange @ v), R_CEILING if made >= R_CEILING * used else made / used

    c, redox = np.array([start[name] for name in cell.species]), start["R"]
    c[cell.species.index("GLC")] *= glucose
    times = np.arange(round(end / step) + 1) * step
    all_c, all_redox = [c], [redox]
    for time in times[:-1]:
        # the shift acts from the first step that starts after it
        at = partial(slope, int(time > SHIFT_TIME + 1e-9))
        k1, r1 = at(time, c, redox)
        k2, r2 = at(time + step / 2, c + step / 2 * k1, r1)
        k3, r3 = at(time + step / 2, c + step / 2 * k2, r2)
        k4, r4 = at(time + step, c + step * k3, r3)
        c = c + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        _, redox = at(time + step, c, (r1 + 2 * r2 + 2 * r3 + r4) / 6)
        if np.min(np.abs(np.array(feeds) - time)) < 1e-9:  # at the end of the step that starts at the feed
            new = [(1 - REPLACED) * x + REPLACED * medium[name] if medium.get(name) else x
                   for name, x in zip(cell.species, c, strict=True)]  # fmt: skip
            c = np.array(new)
        all_c.append(c)
        all_redox.append(redox)
    return times, dict(zip(cell.species, np.array(all_c).T, strict=True)), np.array(all_redox)


def agreement(times, concentrations):
    """Return 1 - adjusted R2 [1] over all concentrations, and the mean over the species of RMSE/range [1]."""
    samples = [numbers(row) for row in read(RUN / "measurements.csv")]
    at = np.array([sample["time"] for sample in samples])
    names = [name for name in concentrations if name in samples[0]]
    wanted = np.array([[sample[name] for sample in samples] for name in names])
    found = np.array([np.interp(at, times, concentrations[name]) for name in names])
    share = np.sum((found - wanted) ** 2) / np.sum((wanted - np.mean(wanted)) ** 2)
    nrmse = np.sqrt(np.mean((found - wanted) ** 2, axis=1)) / np.ptp(wanted, axis=1)
    return share * (wanted.size - 1) / (wanted.size - FITTED - 1), np.mean(nrmse)


def main():
    times, c, redox = simulate("refit")
    unexplained, nrmse = agreement(times, c)
    shown = " ".join(f"{name} {c[name][-1]:.3f}" for name in ("LAC", "ANTI", "GLC"))
    lines = [f"refit, day 10: {shown} mmol/L, R {redox[-1]:.3f}"]
    lines += [f"refit: unexplained variance {unexplained:.4f}, mean NRMSE {nrmse:.4f}"]
    times, c, redox = simulate("refit", step=0.1)
    lines += [f"refit, steps of 0.1 d, day 10: LAC {c['LAC'][-1]:.3f} mmol/L"]
    reached = []
    for change in np.arange(12) * 1e-9:
        times, c, redox = simulate("published", glucose=1.0 + change)
        reached.append([c["LAC"][-1], c["ANTI"][-1], redox[-1]])
    lines += ["published, day 10, for initial glucose times 1 to 1 + 1.1e-8:"]
    for name, values in zip(("LAC", "ANTI", "R"), np.array(reached).T, strict=True):
        lines += [f"  {name}: median {np.median(values):.3f}, from {np.min(values):.3f} to {np.max(values):.3f}"]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
