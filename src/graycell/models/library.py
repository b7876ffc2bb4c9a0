"""The models of the library that are model files, by name."""

import functools
from collections.abc import Mapping
from importlib import resources

from graycell.errors import ModelError, nearest
from graycell.modelfiles import ModelFile, parse_model_file


@functools.cache
def _texts() -> Mapping[str, str]:
    folder = resources.files("graycell.models") / "files"
    files = sorted(folder.iterdir(), key=lambda one: one.name)
    return {
        one.name.removesuffix(".toml"): one.read_text(encoding="utf-8") for one in files if one.name.endswith(".toml")
    }


def library_files() -> tuple[str, ...]:
    """Return the names of the models of the library that are model files.

    Returns:
        Their names.
    """
    return tuple(_texts())


@functools.cache
def model_file(name: str) -> ModelFile:
    """Return the contents of a model file of the library.

    Args:
        name: of the model.

    Returns:
        The contents.

    Raises:
        ModelError: for an unknown name, with the nearest known one.
    """
    return parse_model_file(model_text(name), f"{name}.toml")


def model_text(name: str) -> str:
    """Return the text of a model file of the library.

    Args:
        name: of the model.

    Returns:
        The text, in TOML.

    Raises:
        ModelError: for an unknown name, with the nearest known one.
    """
    if name not in _texts():
        raise ModelError(f"model '{name}' is not a file of the library; {nearest(name, _texts())}.")
    return _texts()[name]
