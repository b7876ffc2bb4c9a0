"""Known models by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.models.nolan_lee import nolan_lee_definition

DEFINITIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "nolan-lee": nolan_lee_definition,
    "nolan-lee-limited": partial(nolan_lee_definition, limited=True),
    "nolan-lee-extended": partial(nolan_lee_definition, extended=True),
    "nolan-lee-extended-limited": partial(nolan_lee_definition, extended=True, limited=True),
}
"""The arguments of `CultureModel` by the name of the model; the options of each are those of `nolan_lee`."""


def _built(definition: Callable[..., dict[str, Any]], **options) -> CultureModel:
    return CultureModel(**definition(**options))


MODELS: dict[str, Callable[..., CultureModel]] = {
    name: partial(_built, definition) for name, definition in DEFINITIONS.items()
}
"""Builders by name, one for each of `DEFINITIONS`."""


def model_of(name: str, **options) -> CultureModel:
    """Return a model of the library.

    Args:
        name: see `MODELS`.
        **options: see `nolan_lee`.

    Returns:
        The model.

    Raises:
        ModelError: for an unknown name, with the nearest known one.
    """
    if name not in MODELS:
        raise ModelError(f"model '{name}' is not in the library; {nearest(name, MODELS)}.")
    return MODELS[name](**options)
