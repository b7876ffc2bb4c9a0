"""answers, lagged_answers: how the result of each closure of a loop depends on its step or tolerance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from graycell.cell.closures import Algebraic, Closure, Dynamic, Lagged
from graycell.errors import ModelError
from graycell.model import CultureModel
from graycell.models import published_feed
from graycell.packing import pack
from graycell.runs.records import Bolus, CultureRun
from graycell.simulation import lagged
from graycell.simulation.simulate import SimulationStatus, SolverSettings, simulate

STEPS = (0.1, 0.05, 0.025)
"""Of the published scheme [d]."""
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Relative tolerances of the trajectory [1]; the others are compared with the last one."""


@dataclass(frozen=True)
class ClosureAnswers:
    """The result of one closure at the end of a run, for each of its steps or tolerances, the coarsest first.

    Attributes:
        closure: its name.
        setting: 'step [d]' or 'rtol [1]'.
        values: (k,) of the setting.
        quantities: species, VCD, R.
        ends: (k, quantities) at the end of the run, in internal units.
        change: (k - 1,) largest difference of the ends from those of the finest setting, over the largest value of the
            quantity during the run [1].
        note: why there is no result; empty if there is one.
    """

    closure: str
    setting: str
    values: Float[np.ndarray, " k"]
    quantities: tuple[str, ...]
    ends: Float[np.ndarray, "k quantities"]
    change: Float[np.ndarray, " l"]
    note: str = ""

    def end(self, quantity: str) -> Float[np.ndarray, " k"]:
        """Return one quantity at the end of the run.

        Args:
            quantity: its name.

        Returns:
            (k,) in its internal unit.
        """
        return self.ends[:, self.quantities.index(quantity)]


def lagged_answers(model: CultureModel, run: CultureRun, steps: Sequence[float] = STEPS) -> ClosureAnswers:
    """Run the published scheme with several steps, with its own bookkeeping of feeds.

    Args:
        model: the model, whose weights and switches are used.
        run: the run.
        steps: of time [d], the smallest last.

    Returns:
        The results; their `note` says if the scheme cannot step through the run.
    """
    fed = published_feed(run) if any(isinstance(event, Bolus) for event in run.events) else run
    ends, tops = [], []
    names, packed = model.quantities, pack(fed, model)
    for step in steps:
        try:
            path = lagged.integrate(model.with_closure(Lagged(step)), fed, packed)
        except ModelError as error:
            none = np.zeros((0, len(names)))
            return ClosureAnswers("lagged", "step [d]", np.zeros(0), names, none, np.zeros(0), str(error))
        columns = np.column_stack([path.concentrations, path.cells.observables, path.variables])
        ends.append(columns[-1])
        tops.append(np.max(np.abs(columns), axis=0))
    return _answers("lagged", "step [d]", steps, names, np.stack(ends), tops[-1])


def answers(
    model: CultureModel, run: CultureRun, closure: Closure, tolerances: Sequence[float] = TOLERANCES
) -> ClosureAnswers:
    """Simulate with a closure that is an ODE, for several tolerances.

    Args:
        model: the model.
        run: the run; one that does not fit the model is an `InputError`.
        closure: takes the place of that of the model.
        tolerances: of the trajectory [1], the smallest last.

    Returns:
        The results; their `note` says if a simulation fails.
    """
    model, found = model.with_closure(closure), []
    name = {Dynamic: "dynamic", Algebraic: "algebraic"}.get(type(closure), type(closure).__name__)
    for rtol in tolerances:
        path = simulate(model, run, SolverSettings(rtol=rtol, atol=rtol / 10))
        if path.status is not SimulationStatus.finished:
            note = f"with rtol {rtol:g}: {path.status.remedy}"
            none = np.zeros((0, len(model.quantities)))
            return ClosureAnswers(name, "rtol [1]", np.zeros(0), model.quantities, none, np.zeros(0), note)
        found.append(np.column_stack([path.concentrations, path.observables, path.variables]))
    tops = np.max(np.abs(found[-1]), axis=0)
    return _answers(name, "rtol [1]", tolerances, model.quantities, np.stack([columns[-1] for columns in found]), tops)


def _answers(closure, setting, values, names, ends, tops) -> ClosureAnswers:
    tops = np.maximum(tops, 1e-9 * np.max(tops))  # a quantity that stays near 0 has no meaningful relative change
    change = np.max(np.abs(ends[:-1] - ends[-1]) / tops, axis=1)
    return ClosureAnswers(closure, setting, np.asarray(values, float), names, ends, change)
