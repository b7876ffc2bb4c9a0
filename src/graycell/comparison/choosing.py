"""choose_model: which models of the library the measurements of runs allow, and which of them predicts best."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graycell.comparison.baselines import LastValue, MeanOfRuns
from graycell.comparison.candidates import ModelCandidate
from graycell.comparison.comparison import Comparison, ComparisonProgress, cross_validate
from graycell.comparison.splits import Split, forward_in_time, leave_one_run_out
from graycell.errors import FitError, InputError
from graycell.hybrid import build_model
from graycell.inference.fitting import FitSettings, Progress
from graycell.inference.initial_error import InitialError
from graycell.model import CultureModel
from graycell.modelfiles import ModelFile
from graycell.modelfiles.needs import lacks
from graycell.models import library_files, model_file
from graycell.packing import in_units_of, names_of
from graycell.runs.records import TCD, VCD, VIABILITY, CultureRun
from graycell.runs.rule_checks import levels_are_of_what_media_hold

_KNOWN_SHARE = 0.6
"""[1] Part of the samples of a single run from which the rest is predicted."""
_MOST_LISTED = 6
"""Names that a reason lists."""


@dataclass(frozen=True)
class Usable:
    """The models of the library that runs allow.

    Attributes:
        models: that can be used, by name.
        reasons: why each of the others cannot, by name.
    """

    models: Mapping[str, ModelFile]
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """The models that could be used, compared.

    Attributes:
        usable: models and reasons.
        comparison: of models and baselines on what they were not trained on.
        errors: mean NRMSE [1] of each model and baseline, the best first; one that failed less often is better.
        best: name of the model with the smallest error.
    """

    usable: Usable
    comparison: Comparison
    errors: Mapping[str, float]
    best: str

    @property
    def winner(self) -> str:
        """The name with the smallest error, which may be a baseline."""
        return next(iter(self.errors))


def usable_models(runs: Sequence[CultureRun]) -> Usable:
    """Return the models of the library that can be fitted to runs, and why the others cannot.

    A model can be used if all of its species that act on something, and its inputs without a default, were measured,
    and if it has the species that rules bring to a level.

    Args:
        runs: at least one.

    Returns:
        Models and reasons.
    """
    models: dict[str, ModelFile] = {}
    reasons: dict[str, str] = {}
    for name in library_files():
        file = model_file(name)
        missing = list(dict.fromkeys(one for run in runs for one in lacks(file, run)))
        if missing:
            more = f" and {len(missing) - _MOST_LISTED} more" if len(missing) > _MOST_LISTED else ""
            listed = ", ".join(missing[:_MOST_LISTED]) + more
            where = next(run.name for run in runs if lacks(file, run))
            reasons[name] = f"needs {listed}, not measured in run '{where}'"
            continue
        try:
            model = build_model(file, runs)
            for run in runs:
                _require_levels(in_units_of(run, model), model)
        except InputError as error:
            first = error.findings[0]
            reasons[name] = f"{first.place.rpartition(', ')[2]}: found {first.found}; {first.needed}"
            continue
        models[name] = file
    return Usable(models, reasons)


def _require_levels(run: CultureRun, model: CultureModel) -> None:
    levels = list(levels_are_of_what_media_hold(run, names_of(model)))
    if levels:
        raise InputError(levels)


def scored_quantities(usable: Usable, runs: Sequence[CultureRun]) -> tuple[str, ...]:
    """Return the measured quantities that all usable models predict.

    Args:
        usable: at least one model.
        runs: at least one.

    Returns:
        Names.
    """
    quantities = [set(build_model(file, runs).quantities) for file in usable.models.values()]
    measured = [name for name in runs[0].measurements if all(name in run.measurements for run in runs)]
    shared = [name for name in measured if all(name in one for one in quantities)]
    # counts of all cells repeat what viable cells and viability say
    return tuple(name for name in shared if name != TCD or VIABILITY not in shared or VCD not in shared)


def library_candidates(
    usable: Usable,
    settings: FitSettings,
    fit_progress: Callable[[Progress], None] | None = None,
    initial_error: InitialError | None = None,
) -> list[ModelCandidate]:
    """Return the usable models as candidates.

    Args:
        usable: the models.
        settings: of every fit.
        fit_progress: called as each fit goes on.
        initial_error: of the initial concentrations of the runs.

    Returns:
        One candidate for each model.
    """
    return [
        ModelCandidate(name, functools.partial(_built, file), settings, progress=fit_progress,
                       initial_error=initial_error)
        for name, file in usable.models.items()
    ]  # fmt: skip


def _built(file: ModelFile, runs: Sequence[CultureRun], seed: int) -> CultureModel:
    return build_model(file, runs, seed=seed)


def choose_model(
    runs: Sequence[CultureRun],
    settings: FitSettings = FitSettings(starts=1),  # noqa: B008  an immutable record
    progress: Callable[[ComparisonProgress], None] | None = None,
    fit_progress: Callable[[Progress], None] | None = None,
    *,
    folder: str | Path | None = None,
    initial_error: InitialError | None = None,
) -> Choice:
    """Fit every model that the measurements allow, and compare their predictions of what they were not fitted to.

    With two runs or more, each run is left out in turn; of a single run, the later samples are predicted from the
    earlier ones. The mean of the runs and the last value are compared too.

    Args:
        runs: at least one.
        settings: of every fit.
        progress: called before each training.
        fit_progress: called as each fit goes on.
        folder: keeps the scores of trainings, see `cross_validate`.
        initial_error: of the initial concentrations of the runs.

    Returns:
        The comparison and the best model.

    Raises:
        FitError: no model can be used, with the reason of each.
    """
    usable = usable_models(runs)
    if not usable.models:
        reasons = "; ".join(f"{name} {reason}" for name, reason in usable.reasons.items())
        raise FitError(
            f"found no model of the library that these measurements allow: {reasons}. Write a model file of "
            "your own and give it with --model, see graycell models --help."
        )
    candidates = library_candidates(usable, settings, fit_progress, initial_error)
    splits, baselines = _splits(runs)
    found = cross_validate(
        [*candidates, *baselines],
        splits,
        (settings.seed,),
        progress,
        folder=folder,
        quantities=scored_quantities(usable, runs),
    )
    ranked = sorted(found.overall(), key=lambda one: one.rank)
    ordered = {one.candidate: one.nrmse.value for one in ranked}
    return Choice(usable, found, ordered, next(name for name in ordered if name in usable.models))


def _splits(runs: Sequence[CultureRun]) -> tuple[tuple[Split, ...], list]:
    if len(runs) > 1:
        return leave_one_run_out(runs, viability_known=False), [MeanOfRuns(), LastValue()]
    times = sorted({float(time) for series in runs[0].measurements.values() for time in series.time})
    if len(times) < 3:
        raise FitError(
            f"run '{runs[0].name}': found samples at {len(times)} times; to compare models at least 3 are "
            "needed; choose a model yourself with --model."
        )
    return forward_in_time(runs, times[int(_KNOWN_SHARE * len(times))], viability_known=False), [LastValue()]
