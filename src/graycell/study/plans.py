"""A study and its models: what `read_study` returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from graycell.comparison import (
    BASELINES,
    Candidate,
    ModelCandidate,
    Split,
    forward_in_time,
    held_out,
    leave_one_group_out,
    leave_one_run_out,
)
from graycell.errors import Finding, ModelError, nearest
from graycell.hybrid import BLACK_BOXES, NeuralRateSpec, read_model, with_neural_rates
from graycell.inference.fitting import Fit, FitSettings, Progress, fit
from graycell.inference.group_effects import grouped_parameters
from graycell.inference.initial_error import MEASURED, InitialError
from graycell.inference.problem import Problem
from graycell.inference.storage import load_fit
from graycell.model import CultureModel
from graycell.parameters import Parameter
from graycell.prediction import GroupMean
from graycell.runs import CultureRun
from graycell.study.library import library_model

SPLITS = ("held-out", "leave-one-run-out", "leave-one-group-out", "forward")
"""Ways to split runs, the default first; see `comparison.splits`."""


ESTIMATED = "estimated"
"""In place of a standard deviation between runs or groups: the fit estimates it."""
_FIRST_SD = 0.2
"""[1] Where its search begins, of the logarithm or of the value."""


@dataclass(frozen=True)
class ModelPlan:
    """How one model of a study is made.

    Attributes:
        name: in the study.
        base: a model of the library, the path of a model file, or a black box.
        laws: learned laws by reaction or definition, see `hybrid.with_neural_rates`.
        reactions: equations of new reactions by name.
        begin: folder of a fit whose parameters are the start.
        fixed: parameters that are not estimated, or ``all``.
        per_run: parameters that differ between runs, each with its standard deviation between runs, see
            `Parameter.between_runs_sd`, or ``estimated``.
        per_group: the same for parameters that differ between groups of runs, see `Parameter.between_groups_sd`.
        initial_error: error of the assay of initial concentrations, see `InitialError.assay`; None where they are
            exact.
        initial_between_runs: their standard deviation between runs, see `InitialError.between_runs`; with an error that
            is measured where none is given.
        inputs: what the network of a black box sees.
        hidden: number of hidden nodes of a black box [1].
        biomass_per_cell: of a black box [mmol/(10^9 cells)].
    """

    name: str
    base: str
    laws: Mapping[str, NeuralRateSpec] = field(default_factory=dict)
    reactions: Mapping[str, str] = field(default_factory=dict)
    begin: Path | None = None
    fixed: tuple[str, ...] = ()
    per_run: Mapping[str, float | str] = field(default_factory=dict)
    per_group: Mapping[str, float | str] = field(default_factory=dict)
    initial_error: float | str | Mapping[str, float | str] | None = None
    initial_between_runs: float | Mapping[str, float] | None = None
    inputs: tuple[str, ...] = ()
    hidden: int = 6
    biomass_per_cell: float = 2.31

    @property
    def initial(self) -> InitialError | None:
        """The errors of initial concentrations; None where they are exact."""
        assay, between = self.initial_error or None, self.initial_between_runs or {}
        if assay is None and not between:
            return None
        return InitialError(MEASURED if assay is None else assay, between)

    def build(self, runs: Sequence[CultureRun], seed: int = 0) -> CultureModel:
        """Return the model for the runs that it will learn from.

        Args:
            runs: training runs, which scale the inputs of networks.
            seed: of the first weights of networks.

        Returns:
            The model, not fitted.

        Raises:
            ModelError: if the plan names something that the model lacks.
        """
        if self.base in BLACK_BOXES:
            return BLACK_BOXES[self.base](
                runs, inputs=self.inputs, hidden=self.hidden, biomass_per_cell=self.biomass_per_cell, seed=seed
            )
        model = read_model(self.base, runs, seed=seed)
        if self.begin is not None:
            start = load_fit(self.begin).model.table.values()
            model = model.with_parameters({name: value for name, value in start.items() if name in model.table.names})
        if self.laws or self.reactions:
            model = with_neural_rates(model, self.laws, runs, self.reactions, seed)
        table = model.table.with_fixed(model.table.names if self.fixed == ("all",) else self.fixed)
        for of, given in (("runs", self.per_run), ("groups", self.per_group)):
            for name, sd in given.items():
                learned = sd == ESTIMATED
                start = _first_sd(table[name]) if learned else float(sd)
                table = table.with_changes(name, **{f"between_{of}_sd": start, f"between_{of}_estimated": learned})
        return model.with_table(table)


def _first_sd(row: Parameter) -> float:
    """Return where the search for a standard deviation begins, on the scale of the parameter."""
    return _FIRST_SD if row.log_scale else _FIRST_SD * (abs(row.value) or (row.bounds[1] - row.bounds[0]) / 10.0)


@dataclass(frozen=True)
class Study:
    """The contents of a study file; `read_study` makes it.

    Attributes:
        path: the file.
        runs: all runs.
        models: plans by name.
        test: names of the held-out runs.
        groups: group of each run by its name; of the runs that are in one.
        settings: of every fit.
        splits: how the comparison splits the runs, one of `SPLITS`.
        day: the last known time [d] for the split ``forward``.
        seeds: of the trainings of the comparison.
        baselines: names of the baselines of the comparison; the mean of the group is one where there are groups.
        sizes: numbers of training runs of the learning curve; empty for no curve.
        remarks: findings about the file that are no errors, such as an old word.
    """

    path: Path
    runs: tuple[CultureRun, ...]
    models: Mapping[str, ModelPlan]
    test: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    settings: FitSettings = field(default_factory=FitSettings)
    splits: Literal["held-out", "leave-one-run-out", "leave-one-group-out", "forward"] = "held-out"
    day: float = 0.0
    seeds: tuple[int, ...] = (0,)
    baselines: tuple[str, ...] = (*(baseline.name for baseline in BASELINES), GroupMean.name)
    sizes: tuple[int, ...] = ()
    remarks: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        models = ", ".join(self.models)
        return f"Study({self.path.name}: {len(self.runs)} runs, {len(self.test)} of them held out, models {models})"

    @property
    def training(self) -> tuple[CultureRun, ...]:
        """The runs that models learn from."""
        return tuple(run for run in self.runs if run.name not in self.test)

    @property
    def tested(self) -> tuple[CultureRun, ...]:
        """The held-out runs."""
        return tuple(run for run in self.runs if run.name in self.test)

    def plan(self, name: str | None = None) -> ModelPlan:
        """Return the plan of a model.

        Args:
            name: of the model; it may be left out if the study has only one.

        Returns:
            The plan.

        Raises:
            ModelError: if the study has no model of this name.
        """
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is None or name not in self.models:
            raise ModelError(f"{self.path}: model '{name}' is not in the study; {nearest(str(name), self.models)}.")
        return self.models[name]

    def fit(
        self,
        name: str | None = None,
        folder: str | Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Fit:
        """Fit one model of the study to its training runs.

        Args:
            name: of the model; it may be left out if the study has only one.
            folder: of the checkpoint; None for none.
            progress: is called as the fit goes on.

        Returns:
            The fit.

        Raises:
            ModelError: if the study has no such model, or the model cannot be built.
            FitError: as `inference.fit`.
        """
        plan = self.plan(name)
        model = plan.build(self.training, self.settings.seed)
        problem = Problem(model, self.training, initial_error=plan.initial, groups=self.groups_in(model))
        return fit(problem, settings=self.settings, folder=folder, progress=progress)

    def groups_in(self, model: CultureModel) -> Mapping[str, str] | None:
        """Return the groups of runs for a fit.

        Args:
            model: to be fitted.

        Returns:
            The group of each run by its name; None where no parameter of the model differs between groups.
        """
        return self.groups if grouped_parameters(model.table) else None

    def candidates(self, progress: Callable[[Progress], None] | None = None) -> list[Candidate]:
        """Return the candidates of the comparison.

        Args:
            progress: is called as each fit goes on.

        Returns:
            The models, then the baselines.
        """
        networks = (library_model(plan.base).network for plan in self.models.values() if plan.base not in BLACK_BOXES)
        known = next((network for network in networks if network.names), None)
        models = [
            ModelCandidate(name, plan.build, self.settings, known, progress=progress, initial_error=plan.initial,
                           groups=self.groups)
            for name, plan in self.models.items()
        ]  # fmt: skip
        baselines = [*BASELINES, *([GroupMean(groups=self.groups)] if self.groups else [])]
        return [*models, *(baseline for baseline in baselines if baseline.name in self.baselines)]

    def split(self) -> tuple[Split, ...]:
        """Return the splits of the comparison.

        Returns:
            Which runs are trained on and which are predicted, one entry a split.

        Raises:
            FitError: if the runs do not allow the split.
        """
        if self.splits == "held-out":
            return held_out(self.runs, self.test)
        if self.splits == "leave-one-run-out":
            return leave_one_run_out(self.training)
        if self.splits == "leave-one-group-out":
            return leave_one_group_out(self.training, self.groups)
        return forward_in_time(self.training, self.day)
