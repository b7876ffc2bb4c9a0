"""Runs as PyTrees, so that their numbers can be traced by JAX; and arrays of numbers that may be traced."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graycell.runs.records import (
    Bolus,
    CultureRun,
    End,
    Feed,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    Signal,
)


def is_traced(run: CultureRun) -> bool:
    """Return whether any number of a run is traced by JAX.

    Args:
        run: any run.

    Returns:
        True inside of `jax.grad`, `jax.jit` or `jax.vmap` over a number of the run.
    """
    return any(is_tracer(leaf) for leaf in jax.tree.leaves(run))


def is_tracer(value: Any) -> bool:
    """Return whether a number is traced by JAX.

    Args:
        value: any number.

    Returns:
        True inside of a transformation over it.
    """
    return isinstance(value, Tracer)


def vector(values: Sequence[Any]) -> Any:
    """Return numbers as an array.

    Args:
        values: n numbers, some of which may be traced.

    Returns:
        (n,)
    """
    if any(map(is_tracer, values)):
        return jnp.stack([jnp.asarray(value, jnp.float64) for value in values])
    return jnp.asarray(np.array([float(value) for value in values], float))


def filled(shape: tuple[int, ...], entries: dict) -> Any:
    """Return zeros with some entries.

    Args:
        shape: of the array.
        entries: values by index; some may be traced.

    Returns:
        The array, of numpy unless an entry is traced.
    """
    known = np.zeros(shape)
    for at, value in entries.items():
        if not is_tracer(value):
            known[at] = float(value)
    whole: Any = known
    for at, value in entries.items():
        if is_tracer(value):
            whole = jnp.asarray(whole).at[at].set(value)
    return whole


def _register() -> None:
    """Register runs as PyTrees: their numbers are leaves, names and words are not. `runs.records` is free of JAX."""
    for kind, words in (
        (Bolus, ("medium",)), (Sample, ()), (Feed, ("medium",)), (Outflow, ("retains_cells",)), (Setpoint, ("input",)),
        (Replacement, ("medium",)), (End, ()), (Measurement, ("quantity", "unit")), (Signal, ("quantity", "unit")),
    ):  # fmt: skip
        numbers = tuple(name for name in kind.__dataclass_fields__ if name not in words)
        _register_record(kind, numbers, words)
    tables = ("initial", "measurements", "signals")

    def flatten(run: CultureRun):
        children = [tuple(getattr(run, table).values()) for table in tables]
        media = tuple(tuple(medium.values()) for medium in run.media.values())
        names = tuple(tuple(getattr(run, table)) for table in tables)
        of_media = tuple((name, tuple(medium)) for name, medium in run.media.items())
        return (
            (run.initial_volume, *children, media, run.events, run.initial_temperature, run.end),
            (run.name, names, of_media, run.provenance),
        )

    def unflatten(words, children) -> CultureRun:
        name, names, of_media, provenance = words
        volume, initial, measurements, signals, media, events, temperature, end = children
        run = object.__new__(CultureRun)
        named = {
            table: dict(zip(keys, values, strict=True))
            for table, keys, values in zip(tables, names, (initial, measurements, signals), strict=True)
        }
        composition = {medium: dict(zip(keys, values, strict=True))
                       for (medium, keys), values in zip(of_media, media, strict=True)}  # fmt: skip
        for field, value in {
            "name": name, "initial_volume": volume, **named, "media": composition, "events": events,
            "initial_temperature": temperature, "end": end, "provenance": provenance,
        }.items():  # fmt: skip
            object.__setattr__(run, field, value)
        return run

    jax.tree_util.register_pytree_node(CultureRun, flatten, unflatten)


def _register_record(kind: type, numbers: tuple[str, ...], words: tuple[str, ...]) -> None:
    def flatten(record):
        return tuple(getattr(record, name) for name in numbers), tuple(getattr(record, name) for name in words)

    def unflatten(static, children):
        record = object.__new__(kind)
        for name, value in (*zip(numbers, children, strict=True), *zip(words, static, strict=True)):
            object.__setattr__(record, name, value)
        return record

    jax.tree_util.register_pytree_node(kind, flatten, unflatten)


_register()
