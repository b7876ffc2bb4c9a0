"""FitSource: plans are simulated with draws of a fit, with exact derivatives by every number that is chosen."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from graycell.comparison.features import features_of
from graycell.decisions.courses import Course, Judged, rows_of
from graycell.decisions.decision import Decision
from graycell.decisions.goals import VOLUME, Goals
from graycell.decisions.judging import SETTINGS, Judging
from graycell.errors import FitError
from graycell.formulas.tree import TIME, names_in
from graycell.inference.prediction import Draws, drawn_for_run
from graycell.inference.results import Fit
from graycell.model import CultureModel
from graycell.packing import in_units_of, molar_mass_of
from graycell.prediction.forecaster import WELL_FED
from graycell.runs.records import CultureRun
from graycell.simulation.simulate import simulate
from graycell.simulation.solve import SolverSettings

_MARGIN = 0.15
"""[1] A state counts as seen within this part of its largest measured value around the measured range."""
_EATEN = 0.2
"""[1] A species of which less than this is gone in the end is not counted as eaten."""
_MARGIN_OF_INPUT = 0.01
"""[1] The same for an input, such as a temperature, which is set and not measured."""
_WORTH_SAYING = 0.05
"""[1] Distance from the measured range, in its widths, from which on it is said."""
_POINTS_OF_PLAN = 201
"""Times at which it is looked for."""
_ROUGH = 8
"""Draws with which a search begins: the end of a search with them is near that with all, which then takes few steps."""
_DRAWS_OF_COURSE = 100
"""Least number of draws of a course that is shown."""


@dataclass(frozen=True)
class FitSource:
    """Draws of a fit.

    Attributes:
        fit: with a covariance.
        draws: number of draws; the estimate itself is not one of them.
        seed: of the draws.
        settings: of the solver.
        group: of the plan, where parameters differ between groups; None for none.
        learned: a fit whose runs tell what was seen, and how wrong the model was; the fit itself if left out.

    Raises:
        FitError: the fit has no covariance, so nothing says how sure it is.
    """

    fit: Fit
    draws: int = 24
    seed: int = 0
    settings: SolverSettings = SETTINGS
    group: str | None = None
    learned: Fit | None = None
    has_slopes: bool = field(default=True, init=False)
    _kept: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.fit.has_covariance:
            raise FitError(f"fit of {self.fit.model.name}: found no covariance, so nothing says how sure its "
                           "predictions are; fit again from other starting values.")  # fmt: skip

    def with_fewer_draws(self) -> "FitSource":
        """Return the same source with the draws with which a search begins.

        Returns:
            The source; itself where it has hardly more.
        """
        return replace(self, draws=_ROUGH) if self.draws >= 2 * _ROUGH else self

    @property
    def _learned(self) -> Fit:
        return self.fit if self.learned is None else self.learned

    @property
    def names(self) -> tuple[str, ...]:
        """Names that formulas may use."""
        return (*self.fit.model.quantities, *self.fit.model.input_names)

    def unit(self, name: str) -> str:
        """Return the unit of a quantity or an input.

        Args:
            name: one of `names`.

        Returns:
            That of the model.
        """
        return self.fit.model.unit(name)

    def judge(self, plan: CultureRun, decisions: Sequence[Decision], values: np.ndarray, goals: Goals,
              slopes: bool = False) -> Judged:  # fmt: skip
        """Return the goals of a plan with chosen numbers, in every draw.

        Args:
            plan: the current plan.
            decisions: what is chosen.
            values: (decisions,) in internal units.
            goals: of the plan.
            slopes: whether derivatives by the values are wanted.

        Returns:
            The goals.

        Raises:
            InputError: the plan does not fit the model.
        """
        chosen, carried = self._drawn(plan)
        reserves = {name: largest for name, largest in self._reserves.items() if name not in goals.may_run_out}
        kept = tuple((self.fit.model.species.index(name), largest) for name, largest in reserves.items())
        factors = goals.factors(self.unit, lambda name: molar_mass_of(self.fit.model, name, plan))
        own = names_in(goals.tree)
        errors = {name: jnp.asarray(self._learned.model_errors[name]) for name in own
                  if name in self.fit.model.quantities}  # fmt: skip
        judging = Judging(self.fit.model_of(plan.name, self._group(plan)), plan, tuple(decisions), goals,
                          tuple(factors.items()), kept, self._ranges(own), errors, chosen, carried,
                          self.settings, self._kept.setdefault(("moved", plan.name, *decisions), set()))  # fmt: skip
        value, slope = judging(values, slopes)
        rows = rows_of(goals, {*self.names, VOLUME, TIME}, value.shape[1] - 3, len(reserves))
        return Judged(value[:, 0], value[:, 1:-2], value[:, -2], value[:, -1], *rows, tuple(reserves), slope)

    def _group(self, plan: CultureRun) -> str | None:
        return self.fit.group_of(plan.name, self.group)

    def _drawn(self, plan: CultureRun) -> tuple[Draws, Array | None]:
        """Return the draws for a plan, without the estimate, and which species uncertain starts move."""
        key = (plan.name, *plan.initial.items())
        if key not in self._kept:
            states = self.fit.initial_states
            known = None if states is None else states.of_run(plan, self.fit.model)
            drawn = drawn_for_run(self.fit, self.draws, self.seed, plan.name, known, self._group(plan))
            initial = None if drawn.initial is None else np.asarray(drawn.initial)[1:]
            kept = Draws(drawn.names, drawn.values[1:], drawn.weights[1:], initial)
            self._kept[key] = kept, None if known is None else jnp.asarray(known.carried)
        return self._kept[key]

    def _ranges(self, own: Sequence[str]) -> Array:
        """Return the range (2, names) within which each state was measured, and each input was; infinite without one.

        Args:
            own: what is maximised, which may leave its range.
        """
        ends = np.full((2, len(self.names)), np.array([[-np.inf], [np.inf]]))
        for j, name in enumerate(self.names):
            every = self._seen.get(name)
            if every is not None and name not in own:
                margin = _MARGIN * float(np.max(np.abs(every)))
                if name in self.fit.model.input_names:  # an input is known, and has no error of an assay
                    margin = _MARGIN_OF_INPUT * float(np.max(np.abs(every)))
                ends[:, j] = float(np.min(every)) - margin, float(np.max(every)) + margin
        return jnp.asarray(ends)

    @functools.cached_property
    def _seen(self) -> dict[str, np.ndarray]:
        """All measured values of each quantity, and the values of each input, in the units of the model."""
        model, found = self.fit.model, dict[str, list[np.ndarray]]()
        for given in self._learned.runs:
            run = in_units_of(given, model)
            for name in model.quantities:
                if name in run.measurements:
                    found.setdefault(name, []).append(run.measurements[name].value)
            path = simulate(self._learned.model_of(run.name), self._learned.run_of(given))
            for name in model.input_names:
                found.setdefault(name, []).append(np.asarray(path[name], float))
        return {name: np.concatenate(values) for name, values in found.items()}

    @functools.cached_property
    def _reserves(self) -> dict[str, float]:
        """The largest measured values of the species that cells eat and that no run was ever without."""
        return _well_fed([in_units_of(run, self.fit.model) for run in self._learned.runs], self.fit.model)

    def novelties(self, plan: CultureRun) -> list[str]:
        """Return which states and inputs of a plan leave those that were measured.

        Args:
            plan: with chosen numbers.

        Returns:
            Sentences, the farthest first.
        """
        model = self.fit.model_of(plan.name, self._group(plan))
        path = simulate(model, plan, save_at=np.linspace(0.0, plan.end, _POINTS_OF_PLAN))
        low, high = np.asarray(self._ranges(()))
        found = []
        for j, name in enumerate(self.names):
            value = np.asarray(path[name], float)
            if not np.isfinite(high[j]):
                continue
            beyond = np.maximum(low[j] - value, value - high[j]) / (high[j] - low[j])
            if np.nanmax(beyond) > _WORTH_SAYING:
                at = int(np.nanargmax(beyond))
                first = float(np.asarray(path.time)[np.argmax(beyond > 0.0)])
                side, end = ("below", low[j]) if value[at] < low[j] else ("above", high[j])
                words = (f"{name} is {side} what was learned from day {first:.3g} on: up to {value[at]:.3g} "
                         f"{self.unit(name)}, where {end:.3g} counts as seen; for this the plan is counted as up to "
                         f"{1.0 + beyond[at]:.2g} times as unsure.")  # fmt: skip
                found.append((float(beyond[at]), words))
        return [sentence for _, sentence in sorted(found, reverse=True)]

    def course(self, plan: CultureRun) -> Course:
        """Return what a plan leads to, in the quantities that were measured.

        Args:
            plan: with chosen numbers.

        Returns:
            The course, from draws of the parameters.
        """
        found = self.fit.predict(plan, max(self.draws, _DRAWS_OF_COURSE), seed=self.seed, group=self._group(plan))
        seen = {name for run in self._learned.runs for name in run.measurements}
        names = tuple(name for name in found.names if name in seen) or found.names
        low, high = (np.stack([found.interval(name)[side] for name in names], axis=1) for side in (0, 1))
        best = np.stack([found.best[:, found.names.index(name)] for name in names], axis=1)
        return Course(found.time, names, {name: self.unit(name) for name in names}, best, low, high)

    @property
    def runs(self) -> tuple[CultureRun, ...]:
        """The runs that were learned from."""
        return self._learned.runs


def _well_fed(runs: Sequence[CultureRun], model: CultureModel) -> dict[str, float]:
    """Return the species that the cells of measured runs eat, and that no run was without, with their largest values.

    A species is eaten where the runs end with less of it than they began with and were fed, by a fifth or more.
    """
    found = {}
    for name, spec in zip(model.species, model.species_specs, strict=True):
        values = [run.measurements[name].value for run in runs if name in run.measurements]
        if not values or name == model.biomass or spec.dead_of is not None:
            continue
        largest, given, left = float(np.max(np.concatenate(values))), 0.0, 0.0
        for run in (run for run in runs if name in run.measurements):
            columns = features_of(run, np.array([0.0, run.end]))
            given += float(run.measurements[name].value[0] + columns.get(f"fed: {name}", np.zeros(2))[-1])
            left += float(run.measurements[name].value[-1] * (1.0 + columns["volume: fed"][-1]))
        if min(float(np.min(one)) for one in values) > WELL_FED * largest and left < (1.0 - _EATEN) * given:
            found[name] = largest
    return found
