"""read_model: a model file, or a name of the library -> a model, with its learned laws in their place."""

from collections.abc import Sequence
from pathlib import Path

from graycell.cell.rates import Constant, Volumetric
from graycell.errors import ModelError
from graycell.hybrid.neural_rates import law_from, with_neural_rates
from graycell.model import CultureModel
from graycell.modelfiles import ModelFile, build, read_model_file
from graycell.models import FILE_MODELS, model_file, model_of
from graycell.runs.records import CultureRun


def read_model(
    name: str | Path, runs: Sequence[CultureRun] = (), parameters: str = "", seed: int = 0
) -> CultureModel:
    """Return a model of the library by its name, or of a model file by its path.

    Args:
        name: of the model, or the path of a file that ends in ``.toml``.
        runs: training runs, which scale the inputs of networks; not needed for a model without learned laws.
        parameters: name of a set of parameters; the model's own values if left out.
        seed: of the first weights of networks.

    Returns:
        The model, not fitted.

    Raises:
        InputError: with every fault of the file.
        ModelError: for an unknown name or set.
    """
    if Path(name).suffix == ".toml" or name in FILE_MODELS:
        file = read_model_file(name) if Path(name).suffix == ".toml" else model_file(str(name))
        return build_model(file, runs, "" if parameters == "published" else parameters, seed)
    return model_of(str(name), **({"parameters": parameters} if parameters else {}))


def build_model(
    file: ModelFile, runs: Sequence[CultureRun] = (), parameters: str = "", seed: int = 0
) -> CultureModel:
    """Return the model of a file; laws that it leaves to be learned get networks with random weights.

    Args:
        file: see `modelfiles.read_model_file`.
        runs: training runs, which scale the inputs of networks; not needed for a file without learned laws.
        parameters: name of one of its sets of parameters.
        seed: of the first weights.

    Returns:
        The model, not fitted.

    Raises:
        ModelError: for an unknown set, and for a learned law whose inputs are neither given nor known.
    """
    model = build(file, parameters)
    laws = {name: law_from(law) for name, law in file.laws.items()}
    for name, law in laws.items():
        known = {**dict(zip(model.definition_names, model.definitions, strict=True)), **model.rates}.get(name)
        whole = known.law if isinstance(known, Volumetric) else known
        if isinstance(whole, Constant) and not law.inputs and law.kind != "white":
            raise ModelError(
                f"learned law of {name}: nothing is known of what it depends on; give inputs = ['GLC', ...]."
            )
    return with_neural_rates(model, laws, runs, seed=seed) if laws else model
