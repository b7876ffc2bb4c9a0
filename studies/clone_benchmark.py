"""The simulator of the public benchmark mf-bo4bio: the titer of one of 60 clones at three scales, as it is published.

Source: adrian-martens/mf-bo4bio (MIT licence), commit e3392a4 of 2026-06-19, arXiv 2508.10970, and Craven et al.
(2013); numbers of the clones in `data/clones.csv` are from there. The scores contain the error of the integrator (up to
2 %), so it is the published one: RK45 of scipy at its default tolerances, begun again at every feed.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

CLONES = Path(__file__).parent / "data/clones.csv"
FEED_HOURS, END = (70.0, 140.0, 210.0), 320.0
GROWTH = {"MTP": 0.5, "MBR": 1.0, "PILOT": 0.9}
DEATH = {"MTP": 1.1, "MBR": 1.0, "PILOT": 1.3}
"""[1] Factors of each scale on growth and on death."""
COST = {"MTP": 10.0, "MBR": 575.0, "PILOT": 2100.0}
"""[EUR] Of a run; the first batch has one run MBR that is counted as one MTP."""
TOGETHER = {"MTP": 12, "MBR": 4, "PILOT": 1}
"""Runs in a batch."""
NOISE = {"MTP": 0.15, "MBR": 1e-5, "PILOT": 0.0}
"""[1] Relative standard deviations of the titer."""
LOWER, UPPER = np.array([30.0, 6.0, 0.0, 0.0, 0.0]), np.array([40.0, 8.0, 50.0, 50.0, 50.0])
"""Bounds of temperature [degC], pH and the three feeds [mmol/L]."""
_START = np.array([0.0, 4e8, 4e5, 0.0, 10.0, 20.0, 0.0, 1.8])
_SMALLEST = 1e-6


def clones_of(distribution: str) -> list[dict[str, float]]:
    """Return the parameters of the 30 clones of a distribution.

    Args:
        distribution: alpha or beta.

    Returns:
        One dictionary for each, per hour and in mmol/L.
    """
    with CLONES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["distribution"] == distribution]
    rows.sort(key=lambda row: int(row["clone_index"]))
    return [{name: float(value) for name, value in row.items() if name not in ("distribution", "celltype")}
            for row in rows]  # fmt: skip


def titer(clone: dict[str, float], values: Sequence[float], scale: str) -> float:
    """Return the titer without noise.

    Args:
        clone: its parameters.
        values: temperature [degC], pH and the three feeds [mmol/L]; MTP has the second feed only.
        scale: MTP, MBR or PILOT.

    Returns:
        The product after 320 h, in the units of the benchmark.
    """
    temperature, ph, *feeds = map(float, values)
    rates, state, begun = _rates(clone, temperature, ph, scale), _START.copy(), 0.0
    for hour, feed in zip((*FEED_HOURS, END), (*feeds, 0.0), strict=True):
        state = solve_ivp(rates, (begun, hour), state, method="RK45").y[:, -1]
        if scale != "MTP" or hour == FEED_HOURS[1]:
            state[4] += feed
            state[5] += 0.1 * feed
        begun = hour
    return float(state[0]) / 1000.0


def _rates(clone: dict[str, float], temperature: float, ph: float, scale: str) -> Any:
    width = 1.5 if ph < clone["pH_opt"] else 0.8
    warm = max(0.2, 1.2 * float(np.exp(-(((temperature - clone["T_opt_C"]) / 5.0) ** 2))))
    acid = max(0.2, 1.2 * float(np.exp(-(((ph - clone["pH_opt"]) / width) ** 2))))
    factor, dies = warm * acid * GROWTH[scale], DEATH[scale]
    mu_max, k_g, k_q, k_l, k_a = (clone[name] for name in ("mu_max_per_h", "K_G_mM", "K_Q_mM", "K_L_mM", "K_A_mM"))

    def rates(_: float, given: np.ndarray) -> list[float]:
        _, _, viable, dead, glucose, glutamine, lactate, ammonia = (max(float(one), _SMALLEST) for one in given)
        capacity = mu_max * glucose / (k_g + glucose)
        mu = capacity * glutamine / (k_q + glutamine) * k_l / (k_l + lactate) * k_a / (k_a + ammonia) * factor
        death = clone["k_d_max_per_h"] * clone["k_mu_per_h"] / (mu + clone["k_mu_per_h"]) * dies
        eats = (mu / clone["Y_X_G_cells_per_mmol"] + clone["m_G_mmol_per_cell_h"]) * viable
        uses = (mu / clone["Y_X_Q_cells_per_mmol"] + clone["m_Q_mmol_per_cell_h"]) * viable
        decays, lyses = clone["k_d_Q_per_h"] * glutamine, clone["K_lysis_per_h"] * dead
        return [
            clone["Y_P_X"] * viable + clone["Y_dot_P_X"] * capacity * viable,
            mu * viable - lyses,
            (mu - death) * viable,
            death * viable - lyses,
            -eats,
            -uses - decays,
            clone["Y_L_G"] * eats,
            clone["Y_A_Q"] * uses + decays,
        ]

    return rates
