"""The model that the arguments of a command name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graycell.cell.closures import Closure, Dynamic, Lagged
from graycell.cli.commands.options import PUBLISHED
from graycell.cli.sentences import say
from graycell.errors import ModelError
from graycell.hybrid import read_model
from graycell.model import CultureModel
from graycell.models import FILE_MODELS, model_of
from graycell.runs import CultureRun


def model_with_parameters(
    model: str | None, parameters: str, closure: Closure | Lagged, runs: Sequence[CultureRun] = ()
) -> CultureModel:
    """Return the model that --model and --parameters name.

    Args:
        model: path of a model file, name of a model of the library, or None for the default.
        parameters: ``published``, another parameter set of the model, or the folder of a fit.
        closure: of the redox loop; a fit keeps its own turnover time.
        runs: that the model is for, which decide the unit of its product.

    Returns:
        A model of the library with that parameter set, or the model of the fit.

    Raises:
        ModelError: if the model is unknown, or is not the one that was fitted.
    """
    name = model or PUBLISHED
    if not Path(parameters).is_dir():
        chosen = "" if parameters == "published" else parameters
        if name.endswith(".toml") or name in FILE_MODELS:
            built = read_model(name, runs, chosen)
            return built.with_closure(closure) if built.has_loop and closure != Dynamic() else built
        return model_of(name, closure=closure, parameters=parameters)
    from graycell.inference import load_fit  # slow to import, and most models are no fit

    fit = load_fit(parameters)
    for sentence in fit.remarks():
        say(f"remark: {parameters}: {sentence}")
    fitted = fit.model
    if model is not None and model != fitted.name:
        raise ModelError(f"{parameters} holds a fit of {fitted.name}, not of {model}; leave --model out.")
    own = getattr(fitted.closure, "turnover_time", None)
    if own is not None and not isinstance(closure, Lagged):
        closure = replace(closure, turnover_time=own)  # an own model may name it otherwise
    return fitted.with_closure(closure)


def known_runs(
    parameters: str, runs: Sequence[CultureRun], model: CultureModel
) -> list[tuple[CultureRun, CultureModel]]:
    """Return runs with what --parameters knows of each of them.

    Args:
        parameters: see `model_with_parameters`.
        runs: to be simulated.
        model: of all runs.

    Returns:
        Each run, with estimated initial concentrations where a fit has them, and its model, with own parameters where
        a fit has those.
    """
    if not Path(parameters).is_dir():
        return [(run, model) for run in runs]
    from graycell.inference import load_fit  # see above

    fit = load_fit(parameters)
    return [(fit.run_of(run), model.with_parameters(fit.own_values(run.name))) for run in runs]
