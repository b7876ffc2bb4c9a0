"""provenance_of: everything that a result depends on, as plain data; it is saved with the result.

A comparison with the present provenance shows whether a result is out of date.
"""

import hashlib
import inspect
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from graycell.cell.neural import weights_of
from graycell.model import CultureModel
from graycell.runs.records import CultureRun
from graycell.runs.solutes import MOLAR_MASS
from graycell.units import CELL_DENSITY, CONCENTRATION, DIMENSIONLESS, TEMPERATURE
from graycell.versions import VERSIONS, hash_of_code, where_it_ran

_FITTED_FIELDS = ("name", "value", "unit", "lower", "upper", "log_scale", "prior_sd", "estimated", "between_runs_sd")
"""Fields of a parameter on which a fit depends."""
_ESTIMATED_FIELDS = ("between_runs_estimated", "between_groups_estimated")

_ONE_PARSER = threading.Lock()
"""Python 3.11 counts the depth of what it parses for all threads together, and raises where two parse at once."""
_USUAL_UNITS = ("", CONCENTRATION, CELL_DENSITY, DIMENSIONLESS, TEMPERATURE)


def describe(model: CultureModel) -> dict[str, str]:
    """Return the identity of a model, apart from its parameters and weights.

    Derived numbers, such as the null space of the balances, are left out: their last digits differ between machines.

    Args:
        model: any model.

    Returns:
        Text and hashes by part.
    """
    made = model.definition()
    nets = {name: (net.inputs, net.centre, net.sd, net.scale, net.half_uptake) for name, net in model.nets.items()}
    liquid = [made[name] for name in ("reactions", "species", "inputs", "observables", "cells", "gases", "clearance",
                                      "stoichiometry_weight", "balanced", "reference")]  # fmt: skip
    return {
        "model": model.name,
        "closure": _written(model.closure),
        "weights": _written(made["weights"]),
        "rate laws": _sha(content_of([made["rates"], made["variables"], nets])),
        "network": _sha(content_of(made["network"])),
        "balances": _sha(content_of(liquid)),
    }


def _written(value: Any) -> str:
    """Return a dataclass with all its fields as text; its repr leaves out a field that is identical to the default."""
    if not is_dataclass(value):
        return repr(value)
    parts = (f"{field.name}={getattr(value, field.name)!r}" for field in fields(value))
    return f"{type(value).__name__}({', '.join(parts)})"


def content_of(value: Any) -> Any:
    """Return the content of a value as plain data: fields, arrays, and the code of classes that are not in graycell.

    Args:
        value: any value of a model.

    Returns:
        Lists and text.

    >>> content_of({"a": (1.5, np.arange(2))})
    [['a', ['1.5', ['int64', [0, 1]]]]]
    """
    if isinstance(value, Mapping):
        return [[str(name), content_of(item)] for name, item in value.items()]
    if isinstance(value, list | tuple):
        return [content_of(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        content = {field.name: content_of(getattr(value, field.name)) for field in fields(value)}
        return [type(value).__qualname__, code_of(type(value)), content]
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return [str(value.dtype), np.asarray(value).tolist()]
    if isinstance(value, FunctionType | type):
        return [value.__qualname__, code_of(value)]
    return repr(value)


def code_of(what: type | FunctionType) -> str:
    """Return the code of a class or function that is not in graycell.

    Args:
        what: a class or function.

    Returns:
        Its source; "" for one of graycell, which `hash_of_code` covers.
    """
    if what.__module__.split(".")[0] == "graycell":
        return ""
    try:
        with _ONE_PARSER:
            return inspect.getsource(what)
    except (OSError, TypeError):  # written at a prompt
        functions = [one for one in vars(what).values() if isinstance(one, FunctionType)]
        return repr([_plain_code(one.__code__) for one in ([what] if isinstance(what, FunctionType) else functions)])


def _plain_code(code: CodeType) -> list:
    constants = [_plain_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), code.co_names, constants]


def _sha(what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()


def provenance_of(model: CultureModel, runs: Sequence[CultureRun], settings: dict) -> dict:
    """Return everything that a result depends on.

    Args:
        model: of the result.
        runs: of the result.
        settings: of the result, as plain data.

    Returns:
        Model, hashes of parameters, runs and code, versions and settings, as plain data.
    """
    # only where there are groups, so that the hashes of old models stay
    table = [
        [getattr(row, name) for name in _FITTED_FIELDS]
        + [row.between_groups_sd] * (row.between_groups_sd != 0.0)
        + [name for name in _ESTIMATED_FIELDS if getattr(row, name)]
        for row in model.table
    ]
    described = {
        **describe(model),
        "parameters": _sha([table, weights_of(model.nets).tolist()] if model.nets else table),
        "runs": {run.name: hash_of_run(run) for run in runs},
        "files": {run.name: [list(run.provenance.files), run.provenance.sha256] for run in runs},
        "settings": settings,
        "code": hash_of_code(),
        **where_it_ran(VERSIONS),
    }
    return json.loads(json.dumps(described))


def hash_of_run(run: CultureRun) -> str:
    """Return a hash of the events and measurements of a run; the files it was read from do not matter.

    Args:
        run: any run.

    Returns:
        SHA-256.
    """
    parts = [
        run.name,
        run.initial_volume,
        sorted(run.initial.items()),
        run.initial_temperature,
        run.end,
        run.events,
    ]
    parts += [sorted((name, sorted(medium.items())) for name, medium in run.media.items())]
    for series in (*run.measurements.values(), *run.signals.values()):
        error = getattr(series, "standard_error", np.empty(0))
        parts += [series.quantity, series.time.tolist(), series.value.tolist(), error.tolist()]
        below = getattr(series, "below", None)
        parts += [] if below is None else [np.asarray(below).tolist()]
    series = {**run.measurements, **run.signals}
    units = [*((name, one.unit) for name, one in series.items()), *run.units.items()]
    # only others than those that every run has, so that the hashes of old runs stay
    parts += sorted({(name, unit) for name, unit in units if unit not in _USUAL_UNITS})
    # with these a product is converted to the unit of a model
    parts += sorted(item for item in run.molar_masses.items() if item[0] not in MOLAR_MASS)
    return _sha(parts)
