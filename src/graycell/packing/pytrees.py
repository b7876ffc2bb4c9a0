"""Runs as PyTrees, so that their numbers can be traced by JAX; and arrays of numbers that may be traced."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from graycell.errors import Finding, InputError
from graycell.runs.records import (
    Bolus,
    CellFeed,
    CultureRun,
    End,
    Feed,
    FeedRamp,
    IvcdBolus,
    LevelBolus,
    Measurement,
    Outflow,
    Replacement,
    Sample,
    Setpoint,
    ShareBolus,
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
        entries: values by index, a tuple with a number for each axis; some may be traced.

    Returns:
        The array, of numpy unless an entry is traced.
    """
    known, traced = np.zeros(shape), {}
    for at, value in entries.items():
        if is_tracer(value):
            traced[at] = value
        else:
            known[at] = float(value)
    if not traced:
        return known
    return jnp.asarray(known).at[tuple(np.array(list(traced)).T)].set(vector(list(traced.values())))


class _Known:
    """Measurements and signals of a run, known before a program is compiled: equal where their content is.

    They hold no number that is traced, because a curve is made of them by a library that knows no tracer.
    """

    def __init__(self, measurements: Mapping[str, Measurement], signals: Mapping[str, Signal]):
        self.measurements, self.signals = dict(measurements), dict(signals)
        traced = [
            Finding(f"{where} '{name}'", "numbers that JAX traces", f"{where} are known before a program is compiled",
                    "give them as they are, and trace the numbers of the model, the initial state or the events")
            for where, several in (("measurements", measurements), ("signals", signals))
            for name, series in several.items()
            if any(map(is_tracer, vars(series).values()))
        ]  # fmt: skip
        if traced:
            raise InputError(traced)

    def _content(self) -> tuple:
        return tuple(
            (name, *(value.tobytes() if isinstance(value, np.ndarray) else value for value in vars(series).values()))
            for series_by_name in (self.measurements, self.signals)
            for name, series in series_by_name.items()
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())


def _register() -> None:
    """Register runs as PyTrees: numbers of the plan are leaves, names and data are not. `runs.records` knows no JAX."""
    for kind, words in (
        (Bolus, ("medium",)), (LevelBolus, ("medium", "species")), (ShareBolus, ("medium",)),
        (IvcdBolus, ("medium",)), (Sample, ()),
        (Feed, ("medium",)), (CellFeed, ("medium",)), (FeedRamp, ("medium",)), (Outflow, ("retains_cells",)),
        (Setpoint, ("input",)), (Replacement, ("medium",)), (End, ()),
    ):  # fmt: skip
        _register_record(kind, tuple(name for name in kind.__dataclass_fields__ if name not in words), words)

    def flatten(run: CultureRun):
        media = tuple(tuple(medium.values()) for medium in run.media.values())
        of_media = tuple((name, tuple(medium)) for name, medium in run.media.items())
        numbers = (run.initial_volume, tuple(run.initial.values()), media, run.events, run.initial_temperature, run.end)
        known = _Known(run.measurements, run.signals)
        units, masses = tuple(run.units.items()), tuple(run.molar_masses.items())
        return numbers, (run.name, tuple(run.initial), of_media, known, run.provenance, units, masses)

    def unflatten(words, numbers) -> CultureRun:
        name, initial, of_media, known, provenance, units, masses = words
        volume, concentrations, media, events, temperature, end = numbers
        run = object.__new__(CultureRun)  # what is checked when a run is made needs plain numbers
        for field, value in {
            "name": name, "initial_volume": volume, "initial": dict(zip(initial, concentrations, strict=True)),
            "measurements": known.measurements, "events": events,
            "media": {medium: dict(zip(species, values, strict=True))
                      for (medium, species), values in zip(of_media, media, strict=True)},
            "signals": known.signals, "initial_temperature": temperature, "end": end, "provenance": provenance,
            "units": dict(units), "molar_masses": dict(masses),
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
