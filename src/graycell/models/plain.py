"""A model as plain data and back, for saved fits. Reading executes no code and builds known classes only."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from graycell.cell import closures, flux, network, neural, rates, triggers, variables
from graycell.errors import ModelError, nearest
from graycell.model import CultureModel
from graycell.parameters import Parameter, ParameterTable

_DEEPEST = 64
"""Levels of laws within laws that are read back."""


def model_to_plain(model: CultureModel) -> dict[str, Any]:
    """Return a model as plain data for JSON.

    Args:
        model: whose laws are graycell's own.

    Returns:
        Its definition, see `CultureModel.definition`.

    Raises:
        ModelError: for a law that is not part of graycell, because code is not written into files.
    """
    known = _classes()
    return {name: _to_plain(value, known) for name, value in model.definition().items()}


def model_from_plain(plain: Mapping[str, Any]) -> CultureModel:
    """Return a model from plain data.

    Args:
        plain: see `model_to_plain`.

    Returns:
        The model, equal to the one that was written.

    Raises:
        ModelError: for an unknown class, and for data that are not a model.
    """
    known = _classes()
    try:
        made = {name: _from_plain(value, known) for name, value in plain.items()}
        for name, net in made.get("nets", {}).items():
            _require_sizes(name, net)
        return CultureModel(**made)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"found data that make no model ({error}); make the file anew.") from error


def _require_sizes(name: str, net: neural.MLP) -> None:
    weights = net.weights
    hidden, outputs = len(weights.hidden_bias), len(weights.output_bias)
    sizes = ((hidden, len(net.inputs)), (hidden,), (outputs, hidden), (outputs,))
    found = tuple(np.shape(part) for part in weights)
    if found != sizes:
        raise ModelError(f"network '{name}': found weights of the sizes {found}; {sizes} fit its inputs and biases.")


def _classes() -> dict[str, type]:
    found: dict[str, type] = {}
    waiting: list[type] = [rates.RateLaw]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.split(".")[0] == "graycell":
            found[kind.__name__] = kind
    others = (
        closures.Dynamic, closures.Algebraic, closures.Lagged, flux.SoftWeights, flux.PublishedWeights,
        network.MetabolicNetwork, network.Reaction, neural.MLP, neural.Weights, variables.Input, variables.Species,
        variables.StateVariable, variables.RelaxingVariable, variables.LoopVariable, variables.Clock, triggers.Trigger,
        Parameter, ParameterTable,
    )  # fmt: skip
    return {**found, **{kind.__name__: kind for kind in others}}


def _to_plain(value: Any, known: Mapping[str, type]) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"number": repr(value)}
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        shown = array.tolist() if np.all(np.isfinite(array)) else [repr(float(number)) for number in array.ravel()]
        return {"array": shown, "shape": list(array.shape)}
    if isinstance(value, Mapping):
        return {"mapping": [[name, _to_plain(item, known)] for name, item in value.items()]}
    names = _field_names(value)
    if names is not None:
        kind = type(value)
        if known.get(kind.__name__) is not kind:
            raise ModelError(
                f"'{kind.__name__}' is not part of graycell, and code is not written into files; keep the model in "
                "your own module and give it when a fit is read: load_fit(folder, model=...)."
            )
        return {"class": kind.__name__, "fields": {name: _to_plain(getattr(value, name), known) for name in names}}
    if isinstance(value, tuple | list):
        return [_to_plain(item, known) for item in value]
    raise ModelError(f"found {type(value).__name__} in a model; it cannot be written into a file.")


def _field_names(value: Any) -> list[str] | None:
    """Return the names of the fields of a record; None for anything else."""
    if hasattr(value, "_fields"):
        return list(value._fields)
    return [field.name for field in fields(value) if field.init] if is_dataclass(value) else None


def _from_plain(plain: Any, known: Mapping[str, type], depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ModelError(f"found laws more than {_DEEPEST} levels deep; no model is that deep; make the file anew.")
    if isinstance(plain, list):
        return tuple(_from_plain(item, known, depth + 1) for item in plain)
    if not isinstance(plain, Mapping):
        return plain
    if "number" in plain:
        return float(plain["number"])
    if "array" in plain:
        return np.array(plain["array"], float).reshape([int(size) for size in plain["shape"]])
    if "mapping" in plain:
        return {str(name): _from_plain(item, known, depth + 1) for name, item in plain["mapping"]}
    if "class" not in plain or plain["class"] not in known:
        raise ModelError(f"'{plain.get('class')}' is no part of a model; {nearest(str(plain.get('class')), known)}.")
    kind = known[plain["class"]]
    given: dict[str, Any] = {str(name): _from_plain(item, known, depth + 1) for name, item in plain["fields"].items()}
    if kind in (neural.MLP, neural.Weights):  # learned arrays live on the device
        given = {name: jnp.asarray(item) if isinstance(item, np.ndarray) else item for name, item in given.items()}
    return kind(**given)
