"""Known models by name."""

from collections.abc import Callable

from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.models.nolan_lee import nolan_lee

MODELS: dict[str, Callable[..., CultureModel]] = {
    "nolan-lee": nolan_lee,
    "nolan-lee-limited": lambda **options: nolan_lee(limited=True, **options),
    "nolan-lee-extended": lambda **options: nolan_lee(extended=True, **options),
    "nolan-lee-extended-limited": lambda **options: nolan_lee(extended=True, limited=True, **options),
}
"""Builders by name; the options of each are those of `nolan_lee`."""


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
