"""short_end: diffrax compiles sooner while a solve is traced; what it computes stays the same."""

import types
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffrax
import diffrax._integrate
import equinox.internal
import jax
import jax.numpy as jnp

_READ_IN = "0.7."
"""Prefix of the versions of diffrax in whose code the chain of `_Shortened` was found; others stay as they are."""
_ROUNDINGS = 100
"""So many roundings before the end of a solve, diffrax takes the end for reached."""


@contextmanager
def short_end() -> Iterator[None]:
    """Shorten a chain of operations in the solves that are traced inside the context.

    diffrax 0.7 finds the time 100 roundings before the end of a solve by 100 operations in a row, for which XLA takes
    about a second in every program: a third of what a small model takes.
    """
    module: Any = diffrax._integrate
    if not diffrax.__version__.startswith(_READ_IN):
        yield
        return
    module.eqxi = types.SimpleNamespace(**{**vars(equinox.internal), "prevbefore": _Shortened()})
    try:
        yield
    finally:
        module.eqxi = equinox.internal


class _Shortened:
    """The time 100 roundings before a time, for a caller that calls 100 times, each time with the result before.

    The first call goes the whole way, and a call with its own result returns that.
    """

    def __init__(self) -> None:
        self.last = lambda: None

    def __call__(self, time: jax.Array) -> jax.Array:
        if self.last() is not time:
            time = time - _ROUNDINGS * jnp.finfo(time.dtype).eps * jnp.abs(time)
            self.last = weakref.ref(time)
        return time
