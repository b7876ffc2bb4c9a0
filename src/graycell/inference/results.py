"""What `fit` takes and returns: FitSettings, Progress, Estimate, Fit."""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from graycell.errors import FitError, nearest
from graycell.inference.agreement import Agreement
from graycell.inference.group_effects import GroupEffects
from graycell.inference.initial_states import InitialStates
from graycell.inference.prediction import Prediction, predict, to_arviz
from graycell.inference.stages import Stage
from graycell.model import CultureModel
from graycell.packing import in_units_of
from graycell.runs.records import CultureRun
from graycell.saved import version
from graycell.simulation.simulate import simulate
from graycell.views import Viewed

_LEAST_ERROR, _UNMEASURED_ERROR = 0.02, 0.1
"""[1] Least relative error of a model, and that for what was not measured."""
_FEW = 5
"""Runs or groups below which a standard deviation between them is hardly known: from 5 normal deviations, to 35 %."""


@dataclass(frozen=True)
class FitSettings:
    """How a fit is made.

    Attributes:
        stages: in order; None for those of `recipe_for`.
        starts: how many points a fit starts from: the model's own parameters, and starts - 1 drawn around them. Each is
            followed for `screening` iterations of the first stage; where integral matching comes first, Adam starts at
            all of them instead. Every stage starts at the best point reached so far, by its own cost.
        screening: iterations for each start.
        start_sd: standard deviation of the drawn starts, in units of the prior's [1].
        seed: of the drawn starts and of the choice of held-out runs.
        least_gain: a trial that lowers the cost by less than this part [1] has stalled.
        patience: a stage ends after so many stalled trials in a row.
        rtol: of the solver during the fit, see `SolverSettings`.
        atol: of the solver during the fit, see `SolverSettings`.
        adam: iterations of Adam in integral matching.
        regularisation: [1] the standard deviations of the priors of all weights are divided by it.
        held_out: validation data for early stopping in the last stage: whole ``runs``, the last samples in ``time``, or
            ``nothing``; ``auto`` is ``runs`` where networks alone are learned from 5 runs or more, else ``nothing``,
            because the known part of a gray model constrains it and every run counts.
        held_out_share: part [1] of the runs, or of the time of every run, that is held out.
    """

    stages: tuple[Stage, ...] | None = None
    starts: int = 4
    screening: int = 20
    start_sd: float = 0.3
    seed: int = 0
    least_gain: float = 2e-4
    patience: int = 8
    rtol: float = 1e-3
    atol: float = 1e-4
    adam: int = 400
    regularisation: float = 1.0
    held_out: Literal["auto", "runs", "time", "nothing"] = "auto"
    held_out_share: float = 0.2


class FitStatus(Enum):
    """How a fit ended; the value is a sentence with what to do."""

    converged = "The last stage converged."
    out_of_iterations = (
        "The last stage ended by its number of iterations, not by convergence: read the result with care."
    )
    no_derivative = (
        "The model has no finite derivative where the fit ended, so it could not go on: the estimates are what was "
        "reached. See which parameters with: graycell check-gradients."
    )
    last_stage_failed = (
        "Nothing that was reached can be simulated in the last stage: the estimates are those of an earlier one, and "
        "the model does not describe the runs. Simulate it and see its status, or start from other values."
    )


@dataclass(frozen=True)
class Progress:
    """What a fit reports while it runs.

    Attributes:
        done: part [1] of all iterations.
        stage: name of the present stage or start.
        cost: half the sum of squared residuals.
        iteration: within the stage.
    """

    done: float
    stage: str
    cost: float
    iteration: int


@dataclass(frozen=True)
class Estimate:
    """One estimated parameter.

    Standard errors come from the curvature of the cost, prior included, at the optimum.

    Attributes:
        name: of the parameter.
        value: in `unit`.
        unit: internal unit of the parameter.
        standard_error: in `unit`.
        relative_error: standard error / value [1].
        start: value before the fit, in `unit`.
        at_bound: whether the value is within 1 % of a bound on its scale.
        sd_ratio: posterior SD / prior SD [1]; near 1 the data contain no information about the parameter. Without a
            prior it is 0, or 1 where the standard error is infinite.
    """

    name: str
    value: float
    unit: str
    standard_error: float
    relative_error: float
    start: float
    at_bound: bool
    sd_ratio: float

    @property
    def shrinkage(self) -> float:
        """1 - (posterior SD / prior SD)^2 [1]: 1 where the data determine the parameter, 0 where they say nothing."""
        return 1.0 - self.sd_ratio**2


@dataclass(frozen=True)
class Fit(Viewed):
    """The result of `fit`.

    Attributes:
        model: with the learned parameters and networks.
        runs: to which it was fitted.
        estimates: one for each parameter.
        covariance: (n, n) of the parameters on their own scales (natural logarithm or unit), in the order of the
            estimates, followed by the weights of the networks; NaN where it cannot be computed.
        cost: half the sum of squared residuals in standard errors, priors and held-out samples included; infinite where
            the last stage cannot be simulated.
        converged: whether the last stage ended by `least_gain` or early stopping, not by its number of iterations.
        settings: how the fit was made.
        history: one row for each iteration.
        provenance: everything needed to repeat the fit, see `provenance_of`.
        per_run: values [internal units] by run and name of the parameters that differ between runs (random effects);
            with the effect of the group of the run, where they differ between groups too.
        status: how the fit ended; that of `converged` if left out.
        initial_states: what was found of the initial concentrations of the runs; None where the given ones are exact.
        agreement: how the model agrees with its data; None where the last stage cannot be simulated, and of fits that
            earlier versions saved.
        group_effects: what was found of groups of runs; None where no parameter differs between groups.
    """

    model: CultureModel
    runs: tuple[CultureRun, ...]
    estimates: tuple[Estimate, ...]
    covariance: Float[np.ndarray, "n n"]
    cost: float
    converged: bool
    settings: FitSettings
    history: tuple[dict, ...] = field(default_factory=tuple)
    provenance: dict = field(default_factory=dict)
    per_run: dict[str, dict[str, float]] = field(default_factory=dict)
    status: FitStatus | None = None
    initial_states: InitialStates | None = None
    agreement: Agreement | None = None
    group_effects: GroupEffects | None = None

    def __post_init__(self) -> None:
        if self.status is None:
            status = FitStatus.converged if self.converged else FitStatus.out_of_iterations
            object.__setattr__(self, "status", status)

    @property
    def has_covariance(self) -> bool:
        """Whether the covariance could be computed; without it there are no standard errors and no draws."""
        return not np.any(np.isnan(self.covariance))

    @cached_property
    def model_errors(self) -> dict[str, float]:
        """[1] By quantity, how wrong the model was in the runs of the fit: root mean square over the largest values."""
        model, found = self.model, dict[str, float]()
        paths = [simulate(self.model_of(run.name), self.run_of(run)) for run in self.runs]
        runs = [in_units_of(run, model) for run in self.runs]
        for name in model.quantities:
            apart: list[float] = []
            for run, path in zip(runs, paths, strict=True):
                series = run.measurements.get(name)
                if series is not None and len(series.time):
                    at = np.searchsorted(np.asarray(path.measured_time), series.time)
                    wrong = np.asarray(path.at_samples(name))[at] - series.value
                    apart += list(wrong / max(float(np.max(np.abs(series.value))), 1e-300))
            finite = np.array(apart)[np.isfinite(apart)]
            error = float(np.sqrt(np.mean(finite**2))) if len(finite) else _UNMEASURED_ERROR
            found[name] = max(error, _LEAST_ERROR)
        return found

    def remarks(self) -> list[str]:
        """Return a sentence for everything that a reader of the result should know.

        Returns:
            How the fit ended, unless it converged, whether the model contradicts its data, whether another version of
            graycell made it, whether the covariance is missing, which standard deviations between runs or groups were
            estimated from few of them, and every initial concentration that is far from the given one.
        """
        found = [] if self.status in (None, FitStatus.converged) else [self.status.value]
        found += self.agreement.remarks() if self.agreement is not None else []
        made_with = self.provenance.get("versions", {}).get("graycell")
        if isinstance(made_with, str) and made_with != version():
            found.append(f"The fit was made with graycell {made_with:.30}, and this is {version()}: its numbers may "
                         "differ from those of a fit made now.")  # fmt: skip
        if not self.has_covariance:
            found.append("The covariance could not be computed: the estimates have no standard errors, and a "
                         "prediction has no distribution.")  # fmt: skip
        found += self._few()
        return found + (self.initial_states.far() if self.initial_states is not None else [])

    def _few(self) -> list[str]:
        """Return a sentence for each standard deviation that was estimated from few runs or groups."""
        counts, said = {"runs": len(self.runs), "groups": len(self.per_group)}, []
        for row in self.model.table if self.per_run or self.per_group else ():
            for of, count in counts.items():
                sd = getattr(row, f"between_{of}_sd")
                if row.estimated and sd and getattr(row, f"between_{of}_estimated") and count < _FEW:
                    said.append(f"The standard deviation of {row.name} between {of}, {sd:.3g}, was estimated from "
                                f"{count} {of}, which hardly tell it: give it as a number if it is known.")  # fmt: skip
        return said

    @property
    def initial(self) -> dict[str, dict[str, float]]:
        """Estimated initial concentrations by run and species, in the unit of the model; none where they are exact."""
        return {} if self.initial_states is None else self.initial_states.concentrations()

    @property
    def groups(self) -> dict[str, str]:
        """The group of each run by its name; none where no parameter differs between groups."""
        return {} if self.group_effects is None else dict(self.group_effects.of_run)

    @property
    def per_group(self) -> dict[str, dict[str, float]]:
        """Values [internal units] by group and name of the parameters that differ between groups."""
        found = self.group_effects
        return {} if found is None else {name: found.values_of(name) for name in found.names}

    def group_of(self, run: str, group: str | None = None) -> str | None:
        """Return the group whose estimates a run is predicted with.

        Args:
            run: name of a run.
            group: of a new run; that of a run of the fit is known.

        Returns:
            The name; None for a run without a group. A group that the fit did not see is returned as it is.

        Raises:
            FitError: for another group than that of a run of the fit, and for any where no parameter differs between
                groups.
        """
        if group is not None and self.group_effects is None:
            raise FitError(f"predict: found the group '{group}', and no parameter of this fit of {self.model.name} "
                           "differs between groups; leave the group out, or fit again with groups.")  # fmt: skip
        known = self.groups.get(run)
        if group is not None and known not in (None, group):
            raise FitError(f"predict: found the group '{group}' for run '{run}', which the fit knows in the group "
                           f"'{known}'; leave the group out, or give the run another name.")  # fmt: skip
        return known or group

    def own_values(self, run: str, group: str | None = None) -> dict[str, float]:
        """Return the parameters in which a run differs from the shared values.

        Args:
            run: name of a run.
            group: of a new run, where parameters differ between groups; that of a run of the fit is known.

        Returns:
            Values [internal units] by name: of the run if it was fitted, of its group if that was; else none.
        """
        known = self.group_effects
        of_group = {} if known is None else known.values_of(self.groups.get(run, group))
        return {**of_group, **self.per_run.get(run, {})}

    def model_of(self, run: str, group: str | None = None) -> CultureModel:
        """Return the model with the parameter values of one run.

        Args:
            run: name of a run.
            group: of a new run, where parameters differ between groups; that of a run of the fit is known.

        Returns:
            The model with the run's own values if the run was fitted, with those of its group if that was, else with
            the shared ones.
        """
        values = {name: jnp.asarray(value) for name, value in self.own_values(run, group).items()}
        # not through the table: a value of one run may lie beyond the bounds of the shared one
        return self.model.with_parameters(values)

    def model_of_group(self, group: str) -> CultureModel:
        """Return the model with the parameter values of a group.

        Args:
            group: one that the fit saw.

        Returns:
            The model.

        Raises:
            FitError: for another group.
        """
        self.run_in(group)
        return self.model_of("", group)

    def run_in(self, group: str) -> str:
        """Return the first run of a group.

        Args:
            group: one that the fit saw.

        Returns:
            Its name.

        Raises:
            FitError: for another group.
        """
        for run, name in self.groups.items():
            if name == group:
                return run
        known = nearest(group, self.per_group) if self.per_group else "it has none"
        raise FitError(f"group '{group}' is not one of the fit of {self.model.name}; {known}.")

    def run_of(self, run: CultureRun) -> CultureRun:
        """Return a run with its estimated initial concentrations, to be simulated with `model_of`.

        Args:
            run: one of the fit, by its name and given values, or a new one.

        Returns:
            The run; a new one as it is, or drawn to the common mean where there is a distribution between runs.
        """
        return run if self.initial_states is None else self.initial_states.estimated(run, self.model)

    def predict(self, run: CultureRun, draws: int = 200, **options: Any) -> Prediction:
        """Return a distribution of trajectories of a run, from the distribution of what was learned.

        Args:
            run: to predict; measurements are not needed.
            draws: how many.
            **options: see `inference.prediction.predict`.

        Returns:
            The prediction.
        """
        return predict(self, run, draws, **options)

    def to_arviz(self, draws: int = 1000, seed: int = 0) -> Any:
        """Return draws of the estimates as ArviZ InferenceData; needs the extra ``export``.

        Args:
            draws: how many.
            seed: of the draws.

        Returns:
            The group ``posterior``, one variable a parameter, in internal units.

        Raises:
            FitError: where ArviZ is not installed.
        """
        return to_arviz(self, draws, seed)

    def __repr__(self) -> str:
        runs = ", ".join(run.name for run in self.runs)
        weights = f" and {self.model.weight_count} weights" if self.model.nets else ""
        return (
            f"Fit({self.model.name} to {runs}: {len(self.estimates)} parameters{weights}, cost {self.cost:.1f}, "
            f"{self.status.name.replace('_', ' ') if self.status else ''})"
        )
