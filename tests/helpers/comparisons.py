"""A comparison by hand for tests of its report; nothing is trained."""

from dataclasses import dataclass

import numpy as np

from graycell.comparison.comparison import cross_validate, learning_curve
from graycell.comparison.splits import leave_one_run_out
from graycell.errors import SimulationError
from graycell.runs.records import CultureRun, Measurement

DAYS = np.arange(6.0)
HOSTILE = "</script><script>alert(1)</script>"


@dataclass(frozen=True)
class Scaled:
    """Predicts the truth times a factor that nears 1 with the number of training runs; fails in the named run."""

    name: str
    off: float
    fails_at: str = ""

    def train(self, runs, seed):
        return Trained(self, (1.0 + 0.1 * seed) / len(runs))

    def consistency(self, predictor, runs):
        return {"below zero": (len(runs), 6)}


@dataclass(frozen=True)
class Trained:
    candidate: Scaled
    share: float

    def predict(self, known, times):
        if known.name == self.candidate.fails_at:
            raise SimulationError("too many steps; loosen the tolerance.")
        truth = {name: of[known.name] for name, of in TRUTH.items()}
        return {name: truth[name][1:] * (1.0 + self.candidate.off * self.share) for name in times}


NAMES = (f"run {HOSTILE}", "=b", "c")
TRUTH = {
    "GLC": {name: 30.0 - (3.0 + i) * DAYS for i, name in enumerate(NAMES)},
    "<i>LAC</i>": {name: (2.0 + i) * DAYS for i, name in enumerate(NAMES)},
    "NACL": {name: np.full(6, 100.0) for name in NAMES},
}


def runs():
    def series(quantity, name):
        return Measurement(quantity, "mmol/L", DAYS, TRUTH[quantity][name], np.ones(6))

    return [CultureRun(name, 1.0, {}, {quantity: series(quantity, name) for quantity in TRUTH}) for name in NAMES]


def left_out():
    candidates = [Scaled("good", 0.1), Scaled("<b>worse</b>", 0.4), Scaled("=breaks", 0.2, NAMES[1])]
    return cross_validate(candidates, leave_one_run_out(runs()), (0, 1))


def curve():
    pool = [CultureRun(f"p{i}", 1.0, {}, runs()[0].measurements) for i in range(4)]
    return learning_curve([Scaled("good", 0.1), Scaled("bad", 0.4)], pool, runs(), (1, 2, 4), (0, 1, 2))
