"""Known models by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.modelfiles import definition_of
from graycell.models.library import library_files, model_file
from graycell.models.nolan_lee import nolan_lee_definition


def _from_file(name: str, parameters: str = "", **others) -> dict[str, Any]:
    if others:
        raise ModelError(f"model '{name}' has no option '{next(iter(others))}'; {nearest('', ['parameters'])}.")
    return definition_of(model_file(name), "" if parameters == "published" else parameters)


DEFINITIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "nolan-lee": nolan_lee_definition,
    "nolan-lee-limited": partial(nolan_lee_definition, limited=True),
    "nolan-lee-extended": partial(nolan_lee_definition, extended=True),
    "nolan-lee-extended-limited": partial(nolan_lee_definition, extended=True, limited=True),
}
FILE_MODELS = tuple(name for name in library_files() if name not in DEFINITIONS)
"""Names of the models that are read from a file alone. That of Nolan & Lee can be read from a file too, which holds the
published model; the builder has its options."""
DEFINITIONS |= {name: partial(_from_file, name) for name in FILE_MODELS}
"""The arguments of `CultureModel` by the name of the model. Options: those of `nolan_lee`, or, for a model file,
`parameters`, the name of one of its sets."""


def _built(definition: Callable[..., dict[str, Any]], **options) -> CultureModel:
    return CultureModel(**definition(**options))


MODELS: dict[str, Callable[..., CultureModel]] = {
    name: partial(_built, definition) for name, definition in DEFINITIONS.items()
}
"""Builders by name, one for each of `DEFINITIONS`."""


def model_of(name: str, **options: Any) -> CultureModel:
    """Return a model of the library.

    Args:
        name: see `MODELS`.
        **options: see `DEFINITIONS`.

    Returns:
        The model.

    Raises:
        ModelError: for an unknown name, with the nearest known one.
    """
    if name not in MODELS:
        raise ModelError(f"model '{name}' is not in the library; {nearest(name, MODELS)}.")
    return MODELS[name](**options)
