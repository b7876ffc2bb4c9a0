"""The cell of Nolan & Lee (2011) at random states, in plain NumPy and SciPy: the numbers of test_cell_states.py.

    python tests/reference/cell_states.py

writes nolan_lee_2011/states.csv: 200 states, before, during and after the temperature shift and on both sides of R = 1,
with the twelve kinetic rates and all fluxes. It imports nothing of graycell and reads nothing of its package: equations
and values are the tables of nolan_lee_2011/, from the publication and from the refit of Cui et al. (2024); the rate
laws are written out below; and every projection is proved optimal by the conditions of Karush, Kuhn and Tucker.

Sources: R. P. Nolan, K. Lee, Metab. Eng. 13 (2011) 108-124; Cui et al., Comput. Chem. Eng. 183 (2024) 108594.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import nnls

FOLDER = Path(__file__).parent / "nolan_lee_2011"
STATES = FOLDER / "states.csv"
COUNT, SEED = 200, 2011
SCALE = {"GLC": 40.0, "LAC": 20.0, "GLN": 2.0, "GLU": 3.0, "NH3": 3.0, "ASN": 2.0, "ASP": 8.0, "ALA": 6.0, "SER": 6.0,
         "GLY": 4.0, "CYSTINE": 1.0}  # fmt: skip
"""[mmol/L] States lie from 1/50 to 4 times of it; with these every reversible law goes both ways."""
SETS = {"published": "published_2011", "refit": "refit_lagged_h0.05"}
KINETIC = ("v1", "v2", "v3", "v8", "v9", "v10", "v11", "v12", "v13", "v16", "v17", "v33")
SHIFTED = {"v14": "2.5 NADH_mito + 1.25 O2 => 2.5 ATP", "v15": "2.5 FADH2 + 1.25 O2 => 1.5 ATP"}
"""Oxidative phosphorylation after the shift."""
MAINTENANCE = ("v35", "ATP =>", 1.5, 0.7)
"""The extension: its equation, and its rate before and after the shift [mmol/(10^9 cells)/d]."""
SOFTENING = 0.05
"""[mmol/(10^9 cells)/d] e of the soft weights 1/(w^2 + e^2)."""
NMOL = 1e-3
"""mmol/(10^9 cells) in a nmol/(10^6 cells)."""


def table(name):
    return list(csv.DictReader((FOLDER / name).read_text(encoding="utf-8").splitlines()))


def parameters(chosen):
    """Return the parameters of a set, rates in mmol/(10^9 cells)/d."""
    return {
        row["parameter"]: float(row[SETS[chosen]]) * (NMOL if row["unit"].startswith("nmol") else 1.0)
        for row in table("parameters.csv")
    }


# ------------------------------------------------------------------------------------------------------ the network


def column(equation):
    """Return the coefficients of a reaction, negative where it consumes."""
    found = {}
    for side, sign in zip(equation.replace("<=>", "=>").split("=>"), (-1.0, 1.0), strict=True):
        for term in filter(None, (term.strip() for term in side.split(" + "))):
            *factor, species = term.split()
            found[species] = found.get(species, 0.0) + sign * (float(factor[0]) if factor else 1.0)
    return found


def reactions(extended):
    """Return the reactions: the equation by name before the shift, after it, and those that go one way."""
    rows = table("reactions.csv")
    warm = {row["reaction"]: row["equation"] for row in rows}
    one_way = [row["reaction"] for row in rows if row["reversible"] == "0"]
    if extended:
        warm[MAINTENANCE[0]] = MAINTENANCE[1]
        one_way.append(MAINTENANCE[0])
    return warm, {**warm, **SHIFTED}, one_way


def stoichiometry(equations):
    """Return names of species and their coefficients (species, reactions)."""
    columns = [column(equation) for equation in equations.values()]
    species = sorted({name for one in columns for name in one})
    return species, np.array([[one.get(name, 0.0) for one in columns] for name in species])


# ------------------------------------------------------------------------------------------------------ the rate laws


def rates(c, R, p, k):
    """Return the kinetic rates by reaction; c [mmol/L], p the weight of the cold, k the parameters."""
    TC1, TC3, TC8, TC10, TC16 = ((1 - p) + p * k[f"TC{i}b"] for i in (1, 3, 8, 10, 16))
    e1, e17 = ((1 - p) * k[f"exp{i}a"] + p * k[f"exp{i}b"] for i in (1, 17))
    w = {}
    g = c["GLC"] / k["Km1"]
    w["v1"] = k["vmax1f"] / TC1 * g / (1 + g) / (1 + (c["LAC"] / k["Ki1"]) ** e1)
    x = c["LAC"] / k["Km2"]
    w["v2"] = k["vmax2"] * (R - 1) if R >= 1 else k["vmax2"] * (R - 1) * x / (1 + x)
    a = c["ALA"] / k["Km3b"]
    s = c["GLC"] / k["Km3c"] if R > 1 else c["LAC"] / k["Km3a"]
    w["v3"] = (k["vmax3f"] * s - k["vmax3r"] * a) / (1 + s + a)
    if w["v3"] < 0:
        w["v3"] = -k["vmax3r"] / TC3 * a / (1 + a)
    q, u, n = c["GLN"] / k["Km8a"], c["GLU"] / k["Km8b"], c["NH3"] / k["Km8c"]
    w["v8"] = (k["vmax8f"] / TC8 * q - k["vmax8r"] * u * n) / (1 + q + u + n + u * n)
    q, u, n = c["ASN"] / k["Km10a"], c["ASP"] / k["Km10b"], c["NH3"] / k["Km10c"]
    w["v10"] = (k["vmax10f"] / TC10 * q - k["vmax10r"] / TC10 * u * n) / (1 + q + u + n + u * n)
    w["v11"] = k["vmax11"] * w["v10"]
    n = c["NH3"] / k["Km9"]
    w["v9"] = (k["vmax9f"] * w["v3"] * n - k["vmax9r"] * w["v11"]) / (1 + n)
    x = c["CYSTINE"] / k["Km13"]
    w["v13"] = ((1 - p) * R + p) * k["vmax13"] * x / (1 + x)
    q, s, g = c["GLN"] / k["Km16a"], c["ASN"] / k["Km16b"], c["GLC"] / k["Km16c"]
    warm, cold = q * s / (1 + q + s + q * s), s * g / (1 + s + g + s * g)
    w["v16"] = k["vmax16"] / TC16 * ((1 - p) * warm + p * cold)
    q, u = c["SER"] / k["Km12a"], c["GLY"] / k["Km12b"]
    w["v12"] = (k["vmax12f"] * w["v16"] * q - k["vmax12r"] * u**2) / (1 + q + u + u**2)
    w["v17"] = k["vmax17"] / (1 + (c["LAC"] / k["Ki17"]) ** e17)
    w["v33"] = k["vmax33a"] * w["v8"] + k["vmax33b"] * w["v11"]
    return {name: w[name] for name in KINETIC}


# ------------------------------------------------------------------------------------------------------ the projection


def fluxes(w, weights, extended, p):
    """Return the fluxes by reaction that are nearest to the kinetic rates w, and how many bounds hold them.

    Least squares in coordinates of the null space of the balances. Bounds are held as equations, one more or one less
    at a time, until nothing is violated and no held bound pulls the wrong way.
    """
    warm, cold, one_way = reactions(extended)
    (species, before), (_, after) = stoichiometry(warm), stoichiometry(cold)
    inside = [not name.endswith("_ext") for name in species]
    basis = null_space(((1 - p) * before + p * after)[inside])
    names, kinetic, wanted = list(warm), list(w), np.array(list(w.values()))
    sd = np.abs(wanted) if weights == "published" else np.sqrt(wanted**2 + SOFTENING**2)
    rows, target = basis[[names.index(name) for name in kinetic]] / sd[:, None], wanted / sd
    bounded = basis[[names.index(name) for name in one_way]]
    held = []
    for _ in range(200):
        free = null_space(bounded[held]) if held else np.eye(basis.shape[1])
        z = free @ np.linalg.lstsq(rows @ free, target, rcond=None)[0]
        slope = rows.T @ (rows @ z - target)
        force = np.linalg.lstsq(bounded[held].T, slope, rcond=None)[0] if held else np.zeros(0)
        tolerance = 1e-11 * np.max(np.abs(z))
        if np.min(force, initial=0.0) < -1e-10:
            held.pop(int(np.argmin(force)))
        elif np.min(bounded @ z) < -tolerance:
            held.append(int(np.argmin(bounded @ z)))
        else:
            break
    proof, missing = nnls(bounded[held].T, slope) if held else (np.zeros(0), float(np.linalg.norm(slope)))
    if np.min(bounded @ z) < -tolerance or missing > 1e-9 * max(1.0, np.max(proof, initial=0.0)):
        raise ArithmeticError(f"not proved optimal: {missing:.1e} of the slope is missing")
    return dict(zip(names, basis @ z, strict=True)), len(held)


# ------------------------------------------------------------------------------------------------------ the states


def draw():
    """Return the states: what is given."""
    random, rows = np.random.default_rng(SEED), []
    for i in range(COUNT):
        p = (0.0, 1.0, round(random.uniform(0.02, 0.98), 4))[i % 3]
        R = round(random.uniform(0.3, 0.99) if i % 2 else float(np.exp(random.uniform(np.log(1.01), np.log(6.0)))), 4)
        c = {name: float(f"{scale * 4.0 * 200.0 ** -random.uniform():.4g}") for name, scale in SCALE.items()}
        chosen, weights = random.choice(list(SETS)), random.choice(["published", "soft"])
        network = random.choice(["published", "extended"])
        rows.append({"parameters": chosen, "weights": weights, "network": network, "shift": p, "R": R, **c})
    return rows


def answers(row):
    """Return the kinetic rates, fluxes and number of held bounds of a state."""
    extended = row["network"] == "extended"
    w = rates(row, row["R"], row["shift"], parameters(row["parameters"]))
    if extended:
        name, _, warm, cold = MAINTENANCE
        w[name] = (1 - row["shift"]) * warm + row["shift"] * cold
    v, held = fluxes(w, row["weights"], extended, row["shift"])
    return w, v, held


def main():
    lines = []
    for row in draw():
        w, v, held = answers(row)
        found = {**row, "held": held, **{f"w{name[1:]}": w[name] for name in KINETIC}, "v35": "", **v}
        lines.append({name: f"{value:.12g}" if isinstance(value, float) else value for name, value in found.items()})
    heads = [*lines[0]]
    heads.remove("v35")  # last, empty for the published network
    with STATES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*heads, "v35"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    held = [line["held"] for line in lines]
    bound = sum(one > 0 for one in held)
    sys.stdout.write(f"{len(lines)} states, {bound} with bounds that hold, at most {max(held)}\n")


if __name__ == "__main__":
    main()
