"""A learned law by hand, for tests of its table and figure."""

import numpy as np

from graycell.diagnosis.laws import LawCurve, RecoveredLaw

UNIT = "mmol/(1e9 cells)/d"


def curve(name="LAC", unit="mmol/L", half=0.1, true=np.nan):
    grid = np.linspace(0.0, 10.0, 11)
    learned = 1.0 / (1.0 + grid)
    supported = (grid > 1.5) & (grid < 8.5) & (grid != 5.0)
    near = np.where(supported, 2, 0)
    return LawCurve(name, unit, grid, learned, learned - half, learned + half, true + 0.0 * grid, 2.0 * learned, near,
                    supported, np.array([2.0, 3.0, 8.0]), (1.0, 9.0))  # fmt: skip


def law(true=np.nan, error=np.nan, **changes):
    states = np.linspace(1.0, 9.0, 1200)
    return RecoveredLaw("v17", "law", UNIT, (curve(true=true), curve("cold", "1", true=true)), {"LAC": states},
                        1.0 / (1.0 + states), true + 0.1 * states, error, **changes)  # fmt: skip
