"""What `graycell predict` mixes: the mean of the runs, mean and learned rates, groups, and models that are fitted."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

from graycell.comparison.baselines import BoostedTrees, GaussianProcess, MeanOfRuns
from graycell.comparison.candidates import ModelCandidate
from graycell.comparison.choosing import library_candidates, usable_models
from graycell.comparison.protocols import Candidate
from graycell.hybrid import read_model
from graycell.inference.fitting import FitSettings
from graycell.inference.group_effects import grouped_parameters, require_groups
from graycell.inference.initial_error import InitialError
from graycell.model import CultureModel
from graycell.prediction.groups import GroupMean
from graycell.prediction.learned_rates import LearnedRates
from graycell.prediction.mean_rates import COUNT_ERROR, MeanRates
from graycell.runs.records import VCD, CultureRun

_ENOUGH_TO_LEARN = 6
"""[runs] From which on deviations from mean rates are learned."""
_PROCESS = GaussianProcess(starts=1, largest=120)
"""One start, and hyperparameters from some runs: it is trained once for every run that is left out."""
_SETTINGS = FitSettings(starts=1)
"""Of the fits of models: each model is fitted once for every run that is left out."""
_COUNTS = InitialError({VCD: COUNT_ERROR})
"""The first count of the cells is not exact in fits either."""


def default_candidates(
    runs: Sequence[CultureRun],
    groups: Mapping[str, str] | None = None,
    thorough: bool = False,
    models: Sequence[str | Path | CultureModel] = (),
) -> tuple[Candidate, ...]:
    """Return the candidates that are mixed where none are given.

    Args:
        runs: training runs.
        groups: group of each run by name; None where there are none.
        thorough: whether boosted trees, and the models of the library that the measurements allow, are among them,
            which take minutes.
        models: more models, see `model_candidate`.

    Returns:
        The mean of the runs and the mean rates; for some runs or more the learned rates; the mean of the group where
        there are groups; the Gaussian process; then models and others.

    Raises:
        InputError: for a faulty model file.
        ModelError: for an unknown model.
    """
    found: list[Candidate] = [MeanOfRuns(), MeanRates()]
    if len(runs) >= _ENOUGH_TO_LEARN:
        found.append(LearnedRates())
    if groups:
        found.append(GroupMean(groups=dict(groups)))
    found.append(_PROCESS)
    found += [model_candidate(model, runs, groups) for model in models]
    if thorough:
        given = {one.name for one in found}
        library = library_candidates(usable_models(runs), _SETTINGS, initial_error=_COUNTS)
        found += [*(one for one in library if one.name not in given), BoostedTrees()]
    return tuple(found)


def model_candidate(
    model: str | Path | CultureModel, runs: Sequence[CultureRun] = (), groups: Mapping[str, str] | None = None
) -> ModelCandidate:
    """Return a model as a candidate: it is fitted to the training runs, with an error of 10 % of the first count.

    Args:
        model: name of a model of the library, path of a model file, or a model.
        runs: training runs, with which it is built once to find its faults; its networks are scaled anew each time.
        groups: group of each run by its name, for a model whose parameters differ between groups.

    Returns:
        The candidate.

    Raises:
        InputError: with every fault of the file.
        ModelError: for an unknown name.
        FitError: where parameters differ between groups and a training run is in none.
    """
    known, built = dict(groups or {}), model if isinstance(model, CultureModel) else read_model(model, runs)
    grouped = grouped_parameters(built.table)
    if grouped:  # now, and not once for every run that is left out
        require_groups(grouped, [run.name for run in runs], known)
    if isinstance(model, CultureModel):
        build, name = functools.partial(_given, model), model.name
    else:
        build, name = functools.partial(_read, model), built.name if Path(model).suffix == ".toml" else str(model)
    return ModelCandidate(name, build, _SETTINGS, initial_error=_COUNTS, groups=known)


def _read(model: str | Path, runs: Sequence[CultureRun], seed: int) -> CultureModel:
    return read_model(model, runs, seed=seed)


def _given(model: CultureModel, runs: Sequence[CultureRun], seed: int) -> CultureModel:
    return model
