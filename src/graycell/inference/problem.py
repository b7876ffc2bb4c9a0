"""Problem: a model, its parameter table, runs and noise: the input of a fit beside its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from graycell.errors import FitError, InputError, ModelError, nearest
from graycell.inference.group_effects import grouped_parameters, groups_of, require_groups
from graycell.inference.initial_error import InitialError
from graycell.model import CultureModel
from graycell.parameters import Parameter, ParameterTable
from graycell.runs.records import CultureRun


@dataclass(frozen=True)
class Problem:
    """A model and the runs to which it is fitted.

    Attributes:
        model: at the values where a fit starts.
        runs: with measurements.
        parameters: units, bounds, priors and which ones are estimated; those that the model declares if left out. A
            mapping changes the parameters that it names.
        noise: relative standard deviation [1] and floor (in the unit of the quantity) of an assay by quantity, in place
            of the standard errors of the runs: sd = sqrt((relative value)^2 + floor^2).
        initial_error: how far the initial concentrations that the runs give may be from the true ones, which are then
            estimated: an `InitialError`, or its `assay`, such as ``{"VCD": 0.1}`` or ``"measured"``; exact if left out.
        groups: group of each run by its name, such as a clone, where parameters differ between groups, see
            `Parameter.between_groups_sd`; other runs may be among them.

    Raises:
        ModelError: for a parameter that the model has not, and one that cannot be estimated as it is described.
        InputError: for faults of `initial_error`.
        FitError: where two runs have one name, where parameters differ between groups and a run is in none, and for
            groups between which no parameter differs.

    >>> from graycell import bundled_run, nolan_lee
    >>> problem = Problem(nolan_lee(), [bundled_run()], noise={"GLC": (0.03, 0.5)})
    >>> len(problem.parameters), len(problem.parameters.estimated)
    (51, 47)
    """

    model: CultureModel
    runs: Sequence[CultureRun] | CultureRun
    parameters: ParameterTable | Mapping[str, Parameter] | None = None
    noise: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    initial_error: InitialError | float | str | Mapping[str, float | str] | None = None
    groups: Mapping[str, str | int] | None = None

    def __post_init__(self) -> None:
        if self.model.triggers:
            raise ModelError(
                f"model '{self.model.name}' has the triggers {', '.join(self.model.trigger_names)}: there is no "
                "derivative by the times at which they fire, so it is simulated and not fitted; leave them out, or "
                "write what is planned as events of the run."
            )
        errors = InitialError.of(self.initial_error)
        findings = errors.unknown_names(self.model.species, self.model.biomass) if errors else []
        if findings:
            raise InputError(findings)
        object.__setattr__(self, "initial_error", errors)
        runs = (self.runs,) if isinstance(self.runs, CultureRun) else tuple(self.runs)
        require_distinct(runs)
        object.__setattr__(self, "runs", tuple(_with_noise(run, self.noise, self.model) for run in runs))
        table = _table(self.model, self.parameters).require_estimable()
        object.__setattr__(self, "parameters", table)
        grouped = grouped_parameters(table)
        if grouped:
            require_groups(grouped, [run.name for run in runs], self.groups or {})
        elif self.groups:
            raise FitError(
                f"groups: found {len(set(self.groups.values()))}, and no estimated parameter of {self.model.name} "
                "differs between groups; give one a between_groups_sd, such as 0.2, or leave the groups out."
            )
        object.__setattr__(self, "groups", groups_of(runs, self.groups))

    @property
    def start(self) -> CultureModel:
        """The model with the values and the metadata of the parameter table."""
        return self.model.with_table(_table(self.model, self.parameters))


def require_distinct(runs: Sequence[CultureRun]) -> None:
    """Check that runs have different names, because results are reported by name.

    Args:
        runs: any.

    Raises:
        FitError: where two have one name.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise FitError(
            f"found runs {', '.join(names)}; results are reported by name, so names must differ; rename one."
        )


def _table(model: CultureModel, given: ParameterTable | Mapping[str, Parameter] | None) -> ParameterTable:
    if given is None:
        return model.table
    if isinstance(given, ParameterTable):
        return given
    table = model.table
    for name in given:
        table[name]
    return ParameterTable(tuple(replace(given[row.name], name=row.name) if row.name in given else row for row in table))


def _with_noise(run: CultureRun, noise: Mapping[str, tuple[float, float]], model: CultureModel) -> CultureRun:
    if not noise:
        return run
    for name, (relative, floor) in noise.items():
        if name not in model.quantities:
            raise ModelError(f"noise of '{name}': the model does not compute it; {nearest(name, model.quantities)}.")
        if not (relative >= 0.0 and floor >= 0.0 and relative + floor > 0.0):
            raise FitError(
                f"noise of '{name}': found {relative:g} and {floor:g}; both are >= 0 and one is above; correct them."
            )
    measured = {
        name: replace(series, standard_error=_sd(series.value, *noise[name])) if name in noise else series
        for name, series in run.measurements.items()
    }
    return replace(run, measurements=measured)


def _sd(value: np.ndarray, relative: float, floor: float) -> np.ndarray:
    sd = np.hypot(relative * np.asarray(value), floor)
    # a value of 0 without a floor would be exact, which no assay is
    return np.where(sd > 0.0, sd, max(floor, relative * float(np.max(np.abs(value), initial=0.0)), 1e-12))
